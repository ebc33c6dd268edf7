"""Vertebrae T6..L5: layout between anchors, thoracic features, neutral and working hooks for disease."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from anatomy_assets import primitives as prim
from anatomy_assets.arch import met
from anatomy_assets.layout import form_of
from anatomy_assets.marks import level_marks
from anatomy_assets.parameters import _level, individual, load_morphometry, vertebra_names
from anatomy_assets.shape import Shape
from anatomy_assets.vertebra import built, vertebra

TABLES = load_morphometry()
NAMES = vertebra_names(TABLES)


class Mean:
    """A draw without deviates: the sizes of the tables, both sides alike."""

    asymmetry = 0.25

    def deviate(self, *_):
        return 0.0

    def uneven(self, *_):
        return 0.0

    def apart(self, *_):
        return 0.0


def default(name):
    return _level(TABLES, Mean(), name)


def value(shape: Shape, x: float, y: float, z: float) -> float:
    n = len(shape.rows)
    return prim.field(shape.rows, shape.aux, np.arange(n), 0, n, x, y, z)


def same(a: Shape, b: Shape) -> bool:
    return np.array_equal(a.rows, b.rows) and np.array_equal(a.aux, b.aux) and np.array_equal(a.cortex, b.cortex)


def test_the_tables_give_twelve_levels_from_t6_to_l5():
    assert list(NAMES) == [f"T{i}" for i in range(6, 13)] + [f"L{i}" for i in range(1, 6)]
    numbers = [default(n).number for n in NAMES]
    assert numbers == list(range(6, 18))
    widths = [default(n).width_upper for n in NAMES]
    assert widths == sorted(widths)
    assert individual(0).level("L3").width_upper == pytest.approx(default("L3").width_upper)


def test_thoracic_rows_say_unit_source_and_status():
    for name, row in TABLES.thoracic.items():
        if isinstance(row, dict):
            assert (
                row["unit"] and row["source"] and row["status"] in {"verified", "recalled", "computed", "measured", "placeholder"}
            )
            assert len(row["values"]) == 7, name


def test_layout_is_its_anchor_at_an_anchor_and_a_mix_between():
    layout = TABLES.layout
    assert form_of(layout, 15)["sap"] == layout["L3"]["sap"]
    assert form_of(layout, 17)["iap"] == layout["L5"]["iap"]
    assert form_of(layout, 13)["tp"] == layout["L3"]["tp"]
    mid = form_of(layout, 16)["body"]["kidney"]
    ends = sorted((layout["L3"]["body"]["kidney"], layout["L5"]["body"]["kidney"]))
    assert ends[0] <= mid <= ends[1]
    assert form_of(layout, 10)["spl"] == pytest.approx(layout["T9"]["spl"] / 2 + layout["T11"]["spl"] / 2)


@pytest.mark.parametrize("name", NAMES)
def test_landmarks_lie_on_the_raw_bone(name):
    level = default(name)
    shape, _ = built(level, TABLES.layout)
    marks, _ = level_marks(level, TABLES.layout)
    for side in ("left", "right"):
        for part in ("sap.{}.tip", "iap.{}.tip", "transverse.{}.tip", "pars.{}", "junction.{}"):
            key = f"{name}.{part.format(side)}"
            assert abs(value(shape, *marks[key])) < 0.3, key
        assert value(shape, *marks[f"{name}.pedicle.{side}.centre"]) < -1.5
        assert marks[f"{name}.sap.{side}.tip"][2] > marks[f"{name}.junction.{side}"][2] > marks[f"{name}.iap.{side}.tip"][2]
    assert value(shape, *marks[f"{name}.canal.centre"]) > 2.0
    assert value(shape, *marks[f"{name}.body.centre"]) < -8.0


def test_costal_facets_by_level():
    found = {n: built(default(n), TABLES.layout)[1]["left"] for n in NAMES}
    whole = {"superior"}
    for name in ("T6", "T7", "T8", "T9"):
        assert set(found[name]) == {"superior", "inferior", "transverse"}
    assert set(found["T10"]) == {"superior", "transverse"}
    assert set(found["T11"]) == set(found["T12"]) == whole
    assert all(not found[n] for n in NAMES if n.startswith("L"))
    for name in ("T6", "T9", "T12"):
        shape = vertebra(default(name), TABLES.layout)
        for facet in found[name].values():
            assert abs(value(shape, *facet.aim)) < 0.35, name
            outside = [a + 3.0 * d for a, d in zip(facet.aim, facet.axis, strict=True)]
            assert value(shape, *outside) > 1.0, name


def test_thoracic_facets_face_backwards_and_t12_turns_lumbar():
    """Spinous processes of T6-T9 are steep, those of T11-T12 nearly level; transverse processes shorten to T12."""
    drop = {}
    for name in NAMES:
        marks, _ = level_marks(default(name), TABLES.layout)
        tip, lamina = marks[f"{name}.spinous.tip"], marks[f"{name}.lamina"]
        drop[name] = (lamina[2] - tip[2]) / (lamina[0] - tip[0])
    assert drop["T6"] > 0.8 and drop["T9"] > 0.5
    assert drop["T12"] < 0.4 and drop["L3"] < 0.4
    spans = [default(n).left.transverse_half_span for n in ("T6", "T9", "T10", "T11", "T12")]
    assert spans == sorted(spans, reverse=True)


def test_neutral_hooks_leave_the_bone_identical():
    level = default("L4")
    side = replace(level.left, hypertrophy=1.0, osteophyte_mm=0.0, lysis_mm=0.0, tp_broad_mm=0.0)
    again = replace(
        level, left=side, loss_upper=(0.0, 0.0, 0.0), loss_lower=(0.0, 0.0, 0.0), retropulsion_mm=0.0,
        rim_osteophyte_mm=0.0, lateral_wedge_mm=0.0, cortex_scale=1.0,
    )  # fmt: skip
    assert same(vertebra(level, TABLES.layout), vertebra(again, TABLES.layout))


def top_of(shape: Shape, x: float, y: float = 0.0) -> float:
    return met(shape, (x, y, 0.0), (0.0, 0.0, 1.0), 40.0)[2]


def test_loss_of_height_follows_the_three_points():
    level = default("L1")
    whole = vertebra(level, TABLES.layout)
    wedge = vertebra(replace(level, loss_upper=(8.0, 5.0, 0.0)), TABLES.layout)
    half = 0.5 * level.depth
    for x, loss in ((half - 3.0, 8.0), (0.0, 5.0)):
        assert top_of(whole, x) - top_of(wedge, x) == pytest.approx(loss, abs=0.8)
    low = vertebra(replace(level, loss_lower=(0.0, 6.0, 0.0)), TABLES.layout)
    assert top_of(whole, 0.0) == pytest.approx(top_of(low, 0.0), abs=1e-6)
    assert value(low, 0.0, 0.0, -0.5 * level.height + 5.0) > 0.5


def test_retropulsion_narrows_the_canal():
    level = default("L1")
    burst = vertebra(replace(level, retropulsion_mm=6.0), TABLES.layout)
    z, wall = 0.2 * level.height, -0.5 * level.depth
    assert value(vertebra(level, TABLES.layout), wall - 3.0, 0.0, z) > 1.0
    assert value(burst, wall - 3.0, 0.0, z) < 0.0


def test_side_wedge_rim_spurs_and_hypertrophy_grow_where_they_should():
    level = default("L3")
    layout = TABLES.layout
    plain = vertebra(level, layout)
    leaning = vertebra(replace(level, lateral_wedge_mm=6.0), layout)
    left, right = (top_of(leaning, 5.0, y) - top_of(plain, 5.0, y) for y in (15.0, -15.0))
    assert left == pytest.approx(-right, abs=0.3)
    assert left > 0.7
    spurs = vertebra(replace(level, rim_osteophyte_mm=4.0), layout)
    z = -0.5 * level.height + 1.5
    assert value(plain, 0.0, 0.5 * level.width_lower + 2.5, z) > 0.2 > value(spurs, 0.0, 0.5 * level.width_lower + 2.5, z)
    thick = vertebra(replace(level, left=replace(level.left, hypertrophy=1.5, hypertrophy_low=1.5)), layout)
    grid = list(itertools.product(np.arange(-45.0, -20.0, 1.5), np.arange(6.0, 28.0, 1.5), np.arange(-30.0, 24.0, 1.5)))
    own = [sum(value(s, x, sign * y, z) < 0.0 for x, y, z in grid) for s in (plain, thick) for sign in (1, -1)]
    assert own[2] > 1.1 * own[0]
    assert own[3] == pytest.approx(own[1], rel=0.02)


def test_lysis_parts_the_pars_and_broad_process_is_higher():
    level = default("L5")
    layout = TABLES.layout
    cut = vertebra(replace(level, left=replace(level.left, lysis_mm=2.0)), layout)
    plain = vertebra(level, layout)
    marks, _ = level_marks(level, layout)
    x, y, z = marks["L5.pars.left"]
    near = list(itertools.product(*(np.arange(c - 5.0, c + 5.1, 1.0) for c in (x, y - 2.5, z))))
    opened = [value(plain, *p) < -0.5 < 0.3 < value(cut, *p) for p in near]
    assert sum(opened) > 10
    broad = vertebra(replace(level, left=replace(level.left, tp_broad_mm=8.0)), layout)
    x, y, _ = marks["L5.transverse.left.tip"]
    rise = [top_of(broad, x + dx, y - 7.0) - top_of(plain, x + dx, y - 7.0) for dx in (0.0, 2.0, 4.0)]
    assert 2.0 < max(rise) < 5.0, rise


def test_facet_osteophyte_grows_forwards_on_its_own_side():
    level = default("L4")
    plain = vertebra(level, TABLES.layout)
    grown = vertebra(replace(level, left=replace(level.left, osteophyte_mm=3.0)), TABLES.layout)
    tip = level_marks(level, TABLES.layout)[0]["L4.sap.left.tip"]
    grid = list(itertools.product(np.arange(-40.0, -15.0, 1.5), np.arange(4.0, 28.0, 1.5), np.arange(0.0, 24.0, 1.5)))
    new = [p for p in grid if value(plain, *p) > 0.0 > value(grown, *p)]
    assert len(new) > 8
    assert np.mean([p[0] for p in new]) > tip[0]
    assert not any(value(plain, x, -y, z) > 0.0 > value(grown, x, -y, z) for x, y, z in grid)
