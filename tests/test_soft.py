"""Nerves, vessels, ligaments and organs of the baked default adult against published figures; targets; levels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from anatomy_assets import patient
from anatomy_assets.approaches import angles_of
from anatomy_assets.great_vessels import division
from anatomy_assets.heights import height, number_at
from anatomy_assets.landmarks import SIDES, SIGN, spine
from anatomy_assets.measure.soft import measures
from anatomy_assets.sac import conus_coordinate, sac_end_coordinate
from anatomy_assets.tubes import bone_gap, clearance, nearest_tube, obstacles
from anatomy_assets.vessels import adamkiewicz_of
from sim.fields import tube_distance
from sim.frames import gantry
from sim.phantom import Phantom, Tissue, TubeKind

PUBLISHED = {
    "flavum_thickness_mm.L2-L3": (3.19, 0.27), "flavum_thickness_mm.L3-L4": (3.38, 0.11),
    "flavum_thickness_mm.L4-L5": (3.71, 0.29), "flavum_thickness_mm.L5-S1": (3.64, 0.21),
    "skin_to_epidural_mm.L2-L3": (44.0, 6.2), "skin_to_epidural_mm.L3-L4": (46.0, 6.9),
    "skin_to_epidural_mm.L4-L5": (46.0, 6.9), "skin_to_epidural_mm.L5-S1": (41.0, 5.2),
    "root_diameter_mm.L1": (3.9, 0.81), "root_diameter_mm.S1": (5.45, 0.8), "root_angle_deg.L5": (25.8, 3.1),
    "aorta_diameter_mm.L2": (14.34, 1.93), "aorta_disc_mm.L1-L2": (1.32, 1.97), "aorta_disc_mm.L2-L3": (1.97, 2.16),
    "aorta_disc_mm.L3-L4": (2.54, 2.78), "conus_level": (1.24, 0.5), "sac_end_level": (7.0, 0.43),
}  # fmt: skip
"""Key -> mean, SD: sources in morphometry/neurovascular.toml and soft_tissue.toml (reference tables neural, depth_bmi, gaps)."""
GANGLIA = {"L1": (4.36, 5.39), "L2": (4.56, 5.83), "L3": (4.99, 7.24), "L4": (5.22, 7.97), "L5": (5.82, 10.83)}
"""Width and length (mm), Silav 2016: no SD in the abstract."""
SEEDS = range(1, 401)


@pytest.fixture(scope="module")
def adult() -> Phantom:
    return patient.build(0)


@pytest.fixture(scope="module")
def measured(adult: Phantom) -> dict[str, float]:
    return measures(adult)


def test_default_adult_lies_within_one_sd(measured: dict[str, float]) -> None:
    far = {k: (round(measured[k], 2), v) for k, v in PUBLISHED.items() if k in measured and abs(measured[k] - v[0]) > v[1]}
    assert not far
    assert len(PUBLISHED.keys() & measured.keys()) >= len(PUBLISHED) - 1  # the conus may end above the section


@pytest.mark.parametrize("level", GANGLIA)
def test_ganglia_have_the_published_size(measured: dict[str, float], level: str) -> None:
    width, length = GANGLIA[level]
    assert measured[f"drg_width_mm.{level}"] == pytest.approx(width, rel=0.1)
    assert measured[f"drg_length_mm.{level}"] == pytest.approx(length, rel=0.1)


def test_nerve_comes_nearer_to_the_disc_down_to_l4_and_stays_near(measured: dict[str, float]) -> None:
    gaps = [measured[f"nerve_to_disc_mm.{g}"] for g in ("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")]
    assert all(a > b for a, b in itertools.pairwise(gaps[:4])), gaps
    assert 2.8 < gaps[0] < 4.8  # published 3.8
    assert gaps[-1] < 2.4  # published 0.4: at L5-S1 the nerve lies too far behind (docs/ANATOMY.md)


def test_levels_are_drawn_as_published() -> None:
    conus = [conus_coordinate(s) - 7.0 for s in SEEDS]
    assert np.mean(conus) == pytest.approx(0.24, abs=0.08) and np.std(conus) == pytest.approx(0.5, rel=0.15)
    assert min(conus) > -1.5 and max(conus) < 1.6  # T12 upper third to L3 upper third
    ends = np.array([sac_end_coordinate(s) for s in SEEDS])
    assert np.mean(np.abs(ends - 13.0) < 1.0 / 6.0) == pytest.approx(0.298, abs=0.06)
    forks = np.array([division(s, "aorta.division_share") for s in SEEDS])
    assert np.mean(np.abs(forks - 10.0) < 0.36) == pytest.approx(0.53, abs=0.06)
    assert all(division(s, "cava.division_share") > division(s, "aorta.division_share") for s in SEEDS)


def test_artery_of_adamkiewicz_is_where_it_is_published() -> None:
    found = [adamkiewicz_of(s) for s in range(1, 3001)]
    there = [f for f in found if f is not None]
    assert len(there) / len(found) == pytest.approx(0.846, abs=0.03)
    assert np.mean([side == "left" for _, side in there]) == pytest.approx(0.766, abs=0.03)
    assert np.mean([level in ("T8", "T9", "T10", "T11", "T12", "L1") for level, _ in there]) == pytest.approx(0.89, abs=0.03)


def test_only_the_basivertebral_veins_lie_in_bone(adult: Phantom) -> None:
    free = obstacles(adult.bones)
    for tube in adult.tubes:
        gap = float(clearance(free, tube.nodes)[0])
        if tube.kind is TubeKind.BASIVERTEBRAL:
            assert -20.0 < gap < -5.0, tube.name
        else:
            assert gap >= -0.02, f"{tube.name} runs {-gap:.2f} mm inside bone"


def test_the_sac_is_wider_than_deep_and_holds_cord_and_strands(adult: Phantom) -> None:
    sac = adult.tube_index("sac")
    nodes = adult.tubes[sac].nodes
    assert nodes.shape[1] == 5 and float(np.median(nodes[:, 4])) > 0.5
    for tube in adult.tubes:
        if tube.kind in (TubeKind.CORD, TubeKind.ROOTLET):
            depth = [-float(tube_distance(adult.fields, sac, *n[:3])) - n[3] for n in tube.nodes[1:-1]]
            assert min(depth) > -0.05, f"{tube.name} leaves the sac"
    names = {t.name for t in adult.tubes}
    assert {f"rootlet_{level}_{side}" for level in ("L2", "L5", "S1", "S4") for side in SIDES} <= names


def test_every_sacral_root_leaves_by_its_ventral_foramen(adult: Phantom) -> None:
    for k in range(1, 5):
        for side in SIDES:
            exit_ = adult.landmark(f"S{k}.foramen.ventral.{side}")
            ramus = adult.tubes[adult.tube_index(f"ramus_S{k}_{side}")].nodes
            assert float(np.sqrt(((ramus[:, :3] - exit_) ** 2).sum(1)).min()) < 6.0
            back = adult.tubes[adult.tube_index(f"dorsal_ramus_S{k}_{side}")].nodes[-1]
            assert back[1] > exit_[1] + 5.0


def test_medial_branch_lies_on_the_neck_of_the_process_below(adult: Phantom) -> None:
    free = obstacles(adult.bones)
    for level in spine(adult.landmarks).lumbar:
        for side in SIDES:
            p = adult.landmark(f"target.medial_branch.{level}.{side}")
            tubes = obstacles((), [adult.tubes[adult.tube_index(f"medial_branch_{level}_{side}")]])
            assert nearest_tube(tubes, *p, 9.0) < 0.0
            assert 0.3 < float(bone_gap(free, *p)[0]) < 2.5


def test_targets_of_other_procedures(adult: Phantom) -> None:
    free = obstacles(adult.bones)
    m = adult.measures
    for level in ("L1", "L2", "L3", "L4", "L5"):
        for side in SIDES:
            end = adult.landmark(f"target.transpedicular.{level}.{side}")
            body = adult.landmark(f"{level}.body.centre")
            assert float(bone_gap(free, *end)[0]) < -3.0 and end[1] < body[1]
            assert m[f"corridor.transpedicular.{level}.{side}.wall_mm"] > 2.0
            assert f"skin.transpedicular.{level}.{side}" in adult.landmarks
            facet = adult.landmark(f"target.facet.{level}.{side}")
            assert 0.0 < float(bone_gap(free, *facet)[0]) < 2.0
    for side in SIDES:
        joint = adult.landmark(f"target.sacroiliac.S.{side}")
        assert SIGN[side] * joint[0] > 20.0 and 0.0 < float(bone_gap(free, *joint)[0]) < 3.0
        assert f"corridor.subpedicular.S1.{side}.primary_mdeg" in m
    assert "target.caudal" in adult.landmarks


def test_interlaminar_windows_are_open(adult: Phantom) -> None:
    """Each level has a midline or a paramedian way between the laminae, and its point lies behind the sac."""
    sac = adult.tube_index("sac")
    for level in ("L2", "L3", "L4", "L5"):
        ways = [f"corridor.interlaminar.{level}{s}.bone_mm" for s in ("", ".left", ".right")]
        assert any(w in adult.measures for w in ways), level
        p = adult.landmark(f"target.interlaminar.{level}")
        assert 0.0 < tube_distance(adult.fields, sac, *p) < 5.0


def test_angles_of_a_direction() -> None:
    n = gantry(-23_500, 11_000).normal
    p, s = angles_of(n)
    assert float(np.dot(gantry(p, s).normal, n)) > 0.99995


def test_heights_and_numbers_are_inverse(adult: Phantom) -> None:
    sp = spine(adult.landmarks)
    for at in (7.1, 8.5, 10.0, 11.4, 12.3, 13.7):
        assert number_at(sp, height(sp, at)) == pytest.approx(at, abs=1e-6)


def test_muscles_ligaments_and_organs_have_their_place(adult: Phantom) -> None:
    v = adult.volume
    count = np.bincount(v.labels.ravel(), minlength=max(Tissue) + 1)
    for tissue in (Tissue.MULTIFIDUS, Tissue.SUPRASPINOUS_LIGAMENT, Tissue.LONGITUDINAL_LIGAMENT, Tissue.FACET_CAPSULE):
        assert count[tissue] > 300, tissue.name
    liver = v.origin_mm + v.spacing_mm * np.argwhere(v.labels == Tissue.LIVER)
    assert liver[:, 0].mean() < -40.0, "the liver is on the right"
    supra = v.origin_mm[2] + v.spacing_mm * np.argwhere(v.labels == Tissue.SUPRASPINOUS_LIGAMENT)[:, 2]
    assert supra.min() < adult.landmark("L4.spinous.tip")[2] + 2.0
    gas = (v.labels == Tissue.BOWEL_GAS).sum() * v.spacing_mm**3 / 1000.0
    assert 30.0 < gas < 900.0  # ml


def test_left_kidney_lies_higher(measured: dict[str, float]) -> None:
    assert 6.0 < measured["kidney_left_up_mm"] < 18.0
    assert measured["kidney_lower_level.right"] > measured["kidney_lower_level.left"]
