"""Sacrum, coccyx, hip bones, femora and ribs: published sizes, joints, individuals, names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anatomy_assets.bake import bake_bones, joints_of
from anatomy_assets.coccyx import segment_count, segments
from anatomy_assets.column import stack
from anatomy_assets.measure.rays import sampled
from anatomy_assets.measure.sacral import measures
from anatomy_assets.parameters import SIDES, individual
from anatomy_assets.ribs import path_length, rib, ribs, shortened, trace
from anatomy_assets.sacrum import traits
from anatomy_assets.sij import auricular, surface

FACET = ((-9.0, 18.0, 2.0), (-0.5, 0.866, 0.0))
PUBLISHED = {  # mean, SD: gaps_vertebra.csv and Kim 2023 (see morphometry/sacrum.toml, coccyx.toml)
    "sacral_length": (103.3, 10.03),
    "sacral_width": (103.6, 6.78),
    "s1_width": (47.0, 5.0),
    "s1_depth": (28.3, 3.5),
    "hiatus_height": (19.05, 8.65),
    "hiatus_depth": (5.39, 1.84),
    "intercornual": (12.41, 3.16),
    "hiatus_to_s2": (34.68, 7.09),
    "hiatus_to_crest.left": (67.5, 9.5),
    "hiatus_to_crest.right": (67.1, 10.0),
    "s1_foramen_lat.left": (23.5, 2.8),
    "s1_foramen_depth.left": (11.0, 1.9),
    "s1_foramen_angle.left": (29.2, 4.9),
    "s1_foramen_width.left": (8.5, 1.6),
    "sij_space.left": (1.72, 0.57),
    "auricular_height.left": (56.2, 4.6),
    "coccyx_length": (44.0, 8.0),
    "coccyx_angle": (138.0, 25.0),
}


@pytest.fixture(scope="module")
def column():
    return stack(individual(0))


@pytest.fixture(scope="module")
def bones(column):
    wanted = ("S", "coccyx", "ilium_left", "femur_left")
    few = replace(column, bones=tuple(b for b in column.bones if b.shape.name in wanted))
    return {b.name: b for b in bake_bones(few, None, 1.0)}


@pytest.fixture(scope="module")
def measured(column, bones):
    return measures(bones, column.landmarks)


@pytest.mark.parametrize("key", sorted(PUBLISHED))
def test_the_default_adult_lies_within_one_published_sd(measured, key):
    mean, sd = PUBLISHED[key]
    assert abs(measured[key] - mean) <= sd


def test_the_joint_faces_are_congruent_and_apart(measured):
    assert measured["sij_least.left"] > 1.2
    assert measured["sij_space.left"] - measured["sij_least.left"] < 0.4
    assert 900.0 < measured["sij_area.left"] < 1350.0  # 1138 men, 993 women


def test_no_overlap_of_hip_femur_sacrum_and_coccyx(bones):
    for one, two in (("S", "coccyx"), ("ilium_left", "femur_left"), ("S", "ilium_left")):
        a, b = bones[one], bones[two]
        world = a.to_patient(a.shell_vertices).astype(np.float64)
        assert sampled(b, (world - b.translation_mm) @ b.rotation).min() > 0.8, (one, two)


def test_foramina_are_open_and_their_axes_look_outwards(column, bones):
    sacrum, marks = bones["S"], column.landmarks
    for n in range(1, 5):
        for side, sign in (("left", 1.0), ("right", -1.0)):
            for word in ("ventral", "dorsal"):
                at = marks[f"S{n}.foramen.{word}.{side}"]
                axis = marks[f"S{n}.foramen.{word}.{side}.axis"]
                assert np.linalg.norm(axis) == pytest.approx(1.0)
                assert (axis[1] < -0.2) if word == "ventral" else (axis[1] > 0.5)
                local = (at - sacrum.translation_mm) @ sacrum.rotation
                assert sampled(sacrum, local)[0] > 1.2, (n, side, word)
                assert sign * at[0] > 10.0
            if n > 1:
                assert marks[f"S{n}.foramen.dorsal.{side}"][2] < marks[f"S{n - 1}.foramen.dorsal.{side}"][2]


def test_the_hiatus_is_a_way_into_the_canal(column, bones):
    sacrum, marks = bones["S"], column.landmarks
    apex = marks["S.hiatus"]
    for share in np.linspace(0.0, 1.0, 9):
        at = apex + share * (marks["S4.canal.centre"] - apex)
        assert sampled(sacrum, (at - sacrum.translation_mm) @ sacrum.rotation)[0] > 0.8


def test_individuals_spread_as_published():
    people = [traits(individual(seed)) for seed in range(1, 201)]
    for name, sd in (("hiatus_height", 8.65), ("hiatus_depth", 1.84), ("cornua", 3.16)):
        values = np.array([getattr(p, name) for p in people])
        assert 0.7 * sd < values.std(ddof=1) < 1.3 * sd, name
    lat = np.array([p.foramen_lat for p in people])
    assert 0.7 * 2.8 < lat.std(ddof=1) < 1.3 * 2.8 and abs(lat.mean()) < 0.5 * 2.8
    heights = [p.hiatus_height for p in people]
    assert min(heights) >= 4.3 and max(heights) <= 38.6


def test_coccyx_has_three_to_five_segments_mostly_four():
    counts = [segment_count(individual(seed)) for seed in range(1, 151)]
    assert set(counts) == {3, 4, 5}
    assert counts.count(4) / len(counts) == pytest.approx(0.76, abs=0.1)
    made = segments(individual(0))
    ends = [s.top[1] for s in made]
    assert len(made) == 4 and ends == sorted(ends, reverse=True)


def test_the_joint_surface_moves_with_the_width_of_the_sacrum():
    p = individual(0)
    wide = replace(p, sacrum=replace(p.sacrum, width_scale=(1.1, 1.1)))
    a, b = surface(auricular(p, "left")), surface(auricular(wide, "left"))
    assert b(-27.0, -17.0) / a(-27.0, -17.0) == pytest.approx(1.1 / p.sacrum.width_scale[0])


def test_a_wider_sacrum_keeps_the_hip_bones_apart_from_it():
    p = individual(0)
    wide = replace(p, sacrum=replace(p.sacrum, width_scale=(1.1, 1.12)))
    marks = stack(wide).landmarks
    before = stack(p).landmarks
    for side in SIDES:
        assert abs(marks[f"ilium.{side}.psis"][0]) > abs(before[f"ilium.{side}.psis"][0]) + 2.0


def test_pelvic_joints_name_bones_that_exist(column):
    names = {b.shape.name for b in column.bones}
    pairs = {frozenset((j.one, j.two)) for j in joints_of(column)}
    assert {frozenset(("S", "coccyx")), frozenset(("ilium_left", "femur_left")), frozenset(("S", "ilium_right"))} <= pairs
    assert all(pair <= names for pair in pairs)


def test_a_rib_starts_at_its_facet_and_has_its_length():
    p = individual(0)
    rows = trace(p, 12, "left", FACET, None)
    assert path_length(rows) == pytest.approx(98.3, abs=0.5)
    assert np.linalg.norm(np.array(rows[0][:3]) - FACET[0]) < 4.0
    assert rows[-1][1] > 80.0 and rows[-1][2] < -30.0  # outwards and down
    assert path_length(shortened(rows, 40.0)) == pytest.approx(40.0, abs=0.5)


def test_left_and_right_ribs_are_mirror_images():
    p = individual(0)
    other = ((FACET[0][0], -FACET[0][1], FACET[0][2]), (FACET[1][0], -FACET[1][1], FACET[1][2]))
    left, right = rib(p, 11, "left", FACET), rib(p, 11, "right", other)
    assert left.name == "rib11_left" and right.name == "rib11_right"
    assert left.high[1] == pytest.approx(-right.low[1])


def test_levels_without_facets_have_no_ribs():
    assert ribs(individual(0), "L1", {}) == []
    assert ribs(individual(0), "T12", {}) == []


def test_the_twelfth_rib_varies_within_the_published_percentiles():
    lengths = [path_length(trace(individual(s), 12, "left", FACET, None)) for s in range(1, 80)]
    assert min(lengths) > 30.0 and max(lengths) < 150.0
    assert 0.6 * 31.8 < np.std(lengths) < 1.3 * 31.8


def test_a_rib_reaches_its_tubercle_facet():
    p = individual(0)
    facet = ((-30.0, 40.0, 4.0), (0.9, 0.436, 0.0))
    rows = trace(p, 10, "left", FACET, facet)
    assert np.linalg.norm(np.array(rows[1][:3]) - facet[0]) < 4.5


@pytest.mark.parametrize(("seed", "count"), [(22, 4), (9, 4), (2, 3)])
def test_a_coccyx_is_measured_segment_by_segment(seed: int, count: int) -> None:
    """Fused segments (22, 2) and a tip that curls up again (9) are measured like any other: near to what was drawn."""
    whole = stack(individual(seed))
    few = replace(whole, bones=tuple(b for b in whole.bones if b.shape.name == "coccyx"))
    found = measures({b.name: b for b in bake_bones(few, None, 0.9)}, whole.landmarks)
    made = segments(whole.parameters)
    turn = np.clip(np.dot(made[0].way, made[-1].way), -1.0, 1.0)
    assert found["coccyx_segments"] == count == len(made)
    assert found["coccyx_length"] == pytest.approx(sum(s.length for s in made), abs=5.0)  # through the joints: corners are cut
    assert found["coccyx_angle"] == pytest.approx(180.0 - np.degrees(np.arccos(turn)), abs=30.0)
