"""Measures from baked bones, the comparison with published rows, and checks that do find faults."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from anatomy_assets.bake import joined, plain_bones
from anatomy_assets.column import stack
from anatomy_assets.measure import checks, segments, table, vertebrae
from anatomy_assets.measure.grid import first, through
from anatomy_assets.parameters import in_posture, individual
from anatomy_assets.patient import bare, in_place
from sim.phantom import Tube, TubeKind

FEW = ("L4", "L5", "S")


@pytest.fixture(scope="module")
def lower():
    """L4, L5 and the sacrum of the default adult on a coarse grid, as a phantom without soft tissue."""
    column = stack(individual(0))
    column = dataclasses.replace(column, bones=tuple(b for b in column.bones if b.shape.name in FEW))
    return column, bare(column, joined(column, plain_bones(column, None, 1.2)))


def test_what_is_measured_is_what_was_asked_for(lower):
    column, phantom = lower
    found = vertebrae.measures(phantom)
    for name in ("L4", "L5"):
        level = column.parameters.level(name)
        assert found[f"body_height_front_mm.{name}"] == pytest.approx(level.height_front, abs=0.8)
        assert found[f"body_height_back_mm.{name}"] == pytest.approx(level.height_back, abs=0.8)
        assert found[f"body_width_upper_mm.{name}"] == pytest.approx(level.width_upper, abs=3.5)
        assert 0.75 < found[f"canal_depth_mm.{name}"] / level.canal_depth < 1.25
        assert 0.7 < found[f"pedicle_width_mm.{name}.left"] / level.left.pedicle_width < 1.4


def test_the_curve_is_measured_standing_on_the_same_bones(lower):
    column, phantom = lower
    standing = stack(in_posture(column.parameters, "standing"))
    found = segments.curve(bare(standing, in_place(standing, phantom.bones)))
    rows = column.parameters.morphometry.alignment["segment"]
    for name, below in (("L4", "L5"), ("L5", "S1")):
        assert found[f"segment_lordosis_deg.{name}-{below}"] == pytest.approx(rows[name]["value"], abs=2.5)
    assert found["sacral_slope_deg"] == pytest.approx(41.0, abs=2.0)
    prone = segments.curve(phantom)
    assert prone["segment_lordosis_deg.L5-S1"] < found["segment_lordosis_deg.L5-S1"] - 1.0


def test_disc_heights_and_foramina_agree_with_the_gap_between_the_bones(lower):
    column, phantom = lower
    found = segments.measures(phantom)
    disc = next(d for d in column.parameters.discs if d.name == "L4-L5")
    rims = 0.5 * (found["disc_height_front_mm.L4-L5"] + found["disc_height_back_mm.L4-L5"])
    assert rims == pytest.approx(disc.height, abs=1.0)
    assert found["disc_height_front_mm.L4-L5"] > found["disc_height_back_mm.L4-L5"]
    assert 12.0 < found["foramen_height_mm.L4-L5.left"] < 26.0


def test_rays_find_the_surface_between_samples():
    t, d = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.25, -0.75])
    assert first(t, d, True) == pytest.approx(1.25)
    assert np.isnan(first(t, np.array([1.0, 1.0, 1.0]), True))


def test_through_measures_a_body_it_stands_in(lower):
    _, phantom = lower
    bone, a = phantom.bone("L4"), vertebrae.axes_of(phantom, "L4")
    wide, middle = through(bone, a.origin, a.left, 40.0)
    assert 36.0 < wide < 54.0 and abs((middle - a.origin) @ a.left) < 2.0


def test_sound_bones_have_no_fault_and_pushed_ones_do(lower):
    _, phantom = lower
    assert checks.overlaps(phantom) == []
    upper = phantom.bone("L4")
    sunk = dataclasses.replace(upper, translation_mm=upper.translation_mm + np.array([0.0, 0.0, -12.0]))
    broken = dataclasses.replace(phantom, bones=(sunk, *phantom.bones[1:]))
    assert any(fault.startswith("L4 and L5 overlap") for fault in checks.overlaps(broken))


def pipe(phantom, start, end, radius, kind=TubeKind.ROOT):
    nodes = np.array([[*start, radius], [*(0.5 * (start + end)), radius], [*end, radius]])
    return dataclasses.replace(phantom, tubes=(Tube("root_L4_left", kind, "L4", "left", nodes),))


def test_a_tube_through_the_body_is_found_thin_or_thick(lower):
    _, phantom = lower
    a = vertebrae.axes_of(phantom, "L4")
    for radius in (0.5, 8.0):
        faults = checks.tubes_in_bone(pipe(phantom, a.at(-40.0, 0.0, 0.0), a.at(40.0, 0.0, 0.0), radius))
        assert any("L4" in f for f in faults)
        assert checks.tubes_in_bone(pipe(phantom, a.at(0.0, -60.0, 0.0), a.at(5.0, -60.0, 10.0), radius)) == []
    inside = pipe(phantom, a.at(-5.0, 0.0, 0.0), a.at(5.0, 0.0, 0.0), 1.0, TubeKind.BASIVERTEBRAL)
    assert checks.tubes_in_bone(inside) == []


def test_a_root_must_leave_under_its_own_pedicle(lower):
    _, phantom = lower
    a = vertebrae.axes_of(phantom, "L4")
    centre = phantom.landmark("L4.foramen.left.centre")
    good = pipe(phantom, centre - 15.0 * a.left, centre + 15.0 * a.left, 1.0)
    assert [f for f in checks.roots_astray(good) if "left" in f] == []
    high = pipe(phantom, centre - 15.0 * a.left + 45.0 * a.up, centre + 15.0 * a.left + 45.0 * a.up, 1.0)
    assert any("left" in f for f in checks.roots_astray(high))


def row(**changes):
    plain = table.Row("t", "q", "L3", "", 10.0, 2.0, None, None, "mm", "", "a_mm.L3", "compare", "", "s")
    return dataclasses.replace(plain, **changes)


@pytest.mark.parametrize(
    ("default", "mean", "sd", "verdict"),
    [
        (11.0, 10.5, 2.2, "holds"), (12.5, 10.5, 2.2, "short: default"), (11.0, 11.5, 2.2, "short: mean"),
        (11.0, 10.5, 1.0, "short: SD"), (13.0, 13.0, 4.0, "short: default, mean, SD"), (None, None, None, "missing"),
    ],
)  # fmt: skip
def test_verdicts(default, mean, sd, verdict):
    assert table.Result(row(), default, mean, sd, 20).verdict == verdict


def test_rows_without_a_spread_are_not_judged_unless_a_range_is_printed():
    assert table.Result(row(sd=None), 11.0, 11.0, 1.0, 9).verdict == "no SD"
    assert table.Result(row(sd=None, mean=None, low=9.0, high=12.0), 11.0, 11.0, 1.0, 9).verdict == "in range"
    assert table.Result(row(sd=None, mean=None, low=9.0, high=10.0), 11.0, 11.0, 1.0, 9).verdict == "short: out of range"


def test_sides_and_levels_are_averaged():
    found = table.completed(
        {"w.L2.left": 1.0, "w.L2.right": 3.0, "w.L3": 4.0, "w.L4": 5.0, "w.L5": 5.0, "f.L1-L2": 2.0, "x": float("nan")}
    )
    assert found["w.L2"] == 2.0 and found["w.mean"] == 4.0 and found["f.mean"] == 2.0 and "x" not in found


def test_published_rows_are_complete():
    rows = table.published()
    assert len(rows) > 700
    for r in rows:
        assert r.use in table.USES and r.source and r.quantity
        assert r.key or r.use != "compare", r.quantity
        assert r.note or r.use == "compare", r.quantity
    assert {r.posture for r in rows} <= {"", "standing", "supine"}
