"""Bones: frames, sizes that emerge, joints, meshes, determinism, individuals."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest

from anatomy_assets import primitives as prim
from anatomy_assets.bake import bake_bone, bake_bones, joined, plain_bone
from anatomy_assets.column import Column, Placed, stack
from anatomy_assets.parameters import SIDES, individual, load_morphometry
from anatomy_assets.redistance import redistance

LEVELS = ("L1", "L2", "L3", "L4", "L5")
STATUS = {"verified", "recalled", "computed", "measured", "placeholder"}
JOINTS = (("L4", "L5"), ("L5", "S"), ("S", "ilium_left"), ("S", "ilium_right"))


@pytest.fixture(scope="module")
def column():
    return stack(individual(0))


@pytest.fixture(scope="module")
def bones(column):
    """L3 to the pelvis, each bone baked once; only L4 and L5 need the fine grid here."""
    names = ("L3", "L4", "L5", "S", "ilium_left", "ilium_right")
    few = Column(column.parameters, tuple(b for b in column.bones if b.shape.name in names), column.landmarks, column.measures)
    fine = ("L4", "L5")
    plain = {b.shape.name: plain_bone(few, i, None if b.shape.name in fine else 0.9) for i, b in enumerate(few.bones)}
    return {b.name: b for b in joined(few, plain)}


def distance(bone, points):
    """Trilinear distance (mm) of patient points to one bone; 6 outside its grid."""
    local = (np.atleast_2d(points) - bone.translation_mm) @ bone.rotation
    at = (local - bone.grid_origin_mm) / bone.spacing_mm
    inside = ((at >= 0) & (at < np.array(bone.distance_10um.shape) - 1)).all(1)
    out = np.full(len(at), 6.0)
    low = at[inside].astype(int)
    part = at[inside] - low
    total = np.zeros(len(low))
    for corner in itertools.product((0, 1), repeat=3):
        weight = np.prod(np.where(corner, part, 1 - part), axis=1)
        total += weight * bone.distance_10um[tuple((low + corner).T)]
    out[inside] = total * 0.01
    return out


def free_length(bones, start, direction):
    """Length of the free way through a point, both directions, in mm."""
    steps = np.arange(0.0, 25.0, 0.05)
    length = 0.0
    for sign in (1.0, -1.0):
        points = start + sign * steps[:, None] * direction
        hit = np.min([distance(b, points) for b in bones], axis=0) <= 0.0
        length += steps[np.argmax(hit)] if hit.any() else steps[-1]
    return length


def unit(v):
    return v / np.sqrt((v * v).sum())


def raw(placed: Placed, point) -> float:
    """Raw field of one bone at a patient point."""
    d = np.asarray(point) - placed.translation_mm
    x, y, z = (float((placed.rotation[:, i] * d).sum()) for i in range(3))
    rows = placed.shape.rows
    return prim.field(rows, placed.shape.aux, np.arange(len(rows)), 0, len(rows), x, y, z)


def test_redistance_of_a_ball_is_exact_to_a_tenth():
    spacing, radius = 0.6, 9.0
    axis = (np.arange(50) - 24.3) * spacing
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    true = np.sqrt(x * x + y * y + z * z) - radius
    # a raw field that is no distance: too flat, and flatter inside than outside
    field = (true * (0.7 + 0.02 * true)).astype(np.float32)
    out = np.empty(field.shape, np.int16)
    redistance(field, spacing, out)
    error = np.abs(out * 0.01 - true)[true > -8.5]
    assert error.mean() < 0.03
    assert error.max() < 0.12


def test_every_number_says_unit_source_and_status():
    m = load_morphometry()
    tables = [
        (k, v) for t in (m.lumbar, m.alignment) for k, v in t.items() if isinstance(v, dict) and k not in ("fields", "posture")
    ]
    assert all(row["source"] and row["status"] in STATUS for row in m.alignment["posture"].values())
    tables += [(k, v) for t in (m.sacrum, m.pelvis, m.coccyx, m.ribs) for k, v in t["measures"].items()]
    tables += [("layout", m.layout), ("sacrum", m.sacrum), ("pelvis", m.pelvis), ("coccyx", m.coccyx), ("ribs", m.ribs)]
    for name, row in tables:
        assert row["unit"] and row["source"], name
        assert row["status"] in STATUS, name
        if "sd" in row and "sd_source" in row:
            assert row["sd_status"] in STATUS, name


def test_poses_are_rotations_and_sides_are_where_they_belong(column):
    for bone in column.bones:
        assert np.linalg.det(bone.rotation) == pytest.approx(1.0, abs=1e-12)
        assert np.abs(bone.rotation @ bone.rotation.T - np.eye(3)).max() < 1e-12
    marks = column.landmarks
    for level in LEVELS:
        assert marks[f"{level}.pedicle.left.centre"][0] > 5 > -5 > marks[f"{level}.pedicle.right.centre"][0]
        assert marks[f"{level}.spinous.tip"][1] > marks[f"{level}.canal.centre"][1] > marks[f"{level}.body.centre"][1]
        assert marks[f"{level}.endplate.superior"][2] > marks[f"{level}.endplate.inferior"][2]
        assert marks[f"{level}.pedicle.left.axis"][1] < -0.7
        assert marks[f"{level}.endplate.superior.normal"][2] > 0.8
    assert marks["S.promontory"][1] < 0 < marks["S.hiatus"][1]
    assert marks["ilium.left.crest"][0] > 90 and marks["ilium.right.crest"][0] < -90
    assert np.abs(marks["S1.endplate.superior"]).max() == 0.0


def test_left_and_right_are_not_mirrored(column, bones):
    """An asymmetric marker: the longer left transverse process of L4 is on the patient's left in the mesh too."""
    level = column.parameters.level("L4")
    assert level.left.transverse_half_span != level.right.transverse_half_span
    vertices = bones["L4"].to_patient(bones["L4"].shell_vertices)
    wide = vertices[:, 0].max() + vertices[:, 0].min()
    assert np.sign(wide) == np.sign(level.left.transverse_half_span - level.right.transverse_half_span)
    for name in ("left", "right"):
        assert distance(bones["L4"], column.landmarks[f"L4.transverse.{name}.tip"])[0] == pytest.approx(0.0, abs=1.2)


def test_landmarks_lie_on_or_in_the_bone(column, bones):
    marks = column.landmarks
    for level in ("L4", "L5"):
        bone = bones[level]
        for side in SIDES:  # the transverse process starts at the pedicle's lateral edge
            assert distance(bone, marks[f"{level}.pedicle.{side}.centre"])[0] < -3.5
            for edge, room in (("inferior", 2.2), ("superior", 1.2), ("medial", 1.2), ("lateral", 4.8)):
                assert abs(distance(bone, marks[f"{level}.pedicle.{side}.{edge}"])[0]) < room, (level, side, edge)
            assert abs(distance(bone, marks[f"{level}.sap.{side}.tip"])[0]) < 2.0
            assert distance(bone, marks[f"{level}.junction.{side}"])[0] < 2.0
        assert abs(distance(bone, marks[f"{level}.spinous.tip"])[0]) < 1.5
    for side in SIDES:
        assert distance(bones["S"], marks[f"S1.foramen.dorsal.{side}"])[0] > 1.5
        assert distance(bones["S"], marks[f"S1.foramen.ventral.{side}"])[0] > 1.5
        assert abs(distance(bones[f"ilium_{side}"], marks[f"ilium.{side}.crest"])[0]) < 2.0


def test_foramina_and_canal_have_published_sizes(column, bones):
    """Foramen height 19.3-21.5 mm (neural.csv: foramen/foramen height), here with the pedicles' real edges."""
    both = [bones["L4"], bones["L5"], bones["S"]]
    for level, side in itertools.product(("L4", "L5"), SIDES):
        base = f"{level}.foramen.{side}"
        marks = column.landmarks
        up = unit(marks[f"{base}.superior"] - marks[f"{base}.inferior"])
        assert 17.5 < free_length(both, marks[f"{base}.centre"], up) < 22.5, base
        assert distance(bones[level], marks[f"{base}.centre"])[0] > 2.0
    for level in ("L4", "L5"):
        own, marks = column.parameters.level(level), column.landmarks
        across = unit(marks[f"{level}.pedicle.left.centre"] - marks[f"{level}.pedicle.right.centre"])
        deep = unit(marks[f"{level}.canal.front"] - marks[f"{level}.canal.back"])
        centre = marks[f"{level}.canal.centre"]
        between = 0.5 * (marks[f"{level}.pedicle.left.centre"] + marks[f"{level}.pedicle.right.centre"])
        assert free_length([bones[level]], between, across) == pytest.approx(own.canal_width, abs=1.0)
        assert free_length([bones[level]], centre, deep) == pytest.approx(own.canal_depth, abs=0.8)


@pytest.mark.parametrize("pair", JOINTS)
def test_joints_keep_a_gap_and_bones_never_overlap(bones, pair):
    a, b = (bones[n] for n in pair)
    gap = distance(b, a.to_patient(a.shell_vertices)).min()
    assert 1.0 < gap < 2.4


def test_meshes_are_closed_outward_and_hollow(bones):
    for bone in bones.values():
        volumes = []
        for vertices, faces in ((bone.shell_vertices, bone.shell_faces), (bone.core_vertices, bone.core_faces)):
            start, end = faces.astype(np.int64).ravel(), np.roll(faces, -1, axis=1).astype(np.int64).ravel()
            size = len(vertices)
            assert (np.sort(start * size + end) == np.sort(end * size + start)).all(), bone.name
            a, b, c = (vertices[faces[:, i]].astype(float) for i in range(3))
            volumes.append((np.cross(a, b) * c).sum() / 6.0)
        assert 0.5 < volumes[1] / volumes[0] < 0.9, bone.name
        surface = distance(bone, bone.to_patient(bone.shell_vertices))
        assert np.abs(surface).mean() < 0.08
        core = distance(bone, bone.to_patient(bone.core_vertices))
        assert core.max() < -0.25, "the cortex has a thickness everywhere"


def test_the_arch_has_a_thicker_cortex_than_the_body(column, bones):
    bone, marks = bones["L4"], column.landmarks
    core = bone.to_patient(bone.core_vertices)
    depth = -distance(bone, core)

    def near(point):
        return depth[np.sqrt(((core - point) ** 2).sum(1)) < 9.0].mean()

    assert near(marks["L4.pars.left"]) > 1.4
    front = marks["L4.body.centre"] * 2 - marks["L4.wall.posterior"]
    assert near(front) < 0.8


def digest(bone):
    return hashlib.sha256(bone.distance_10um.tobytes() + bone.rotation.tobytes() + bone.translation_mm.tobytes()).hexdigest()


def test_baking_twice_and_in_threads_gives_the_same_bits(column):
    few = Column(column.parameters, column.bones, column.landmarks, column.measures)
    one = digest(bake_bone(few, 3, 1.2))
    assert one == digest(bake_bone(stack(individual(0)), 3, 1.2))


@pytest.mark.slow
def test_the_whole_set_is_the_same_in_any_thread_order(column):
    first, second = bake_bones(column), bake_bones(column)
    assert [digest(b) for b in first] == [digest(b) for b in second]
    for a, b in itertools.combinations(first, 2):
        assert distance(b, a.to_patient(a.shell_vertices)).min() > 0.9, (a.name, b.name)


def test_seeds_make_different_people_and_one_seed_always_the_same():
    assert individual(7) == individual(7)
    people = [individual(seed) for seed in range(1, 9)]
    heights = [p.level("L3").height for p in people]
    assert max(heights) - min(heights) > 1.5
    for p in people:
        assert 0.85 < p.size_factor < 1.15
        assert 20_000 < p.slope_mdeg < 48_000
        assert p.level("L4").left != p.level("L4").right


@pytest.mark.parametrize("seed", range(13))
def test_every_person_has_open_foramina_and_separate_bones(seed):
    column = stack(individual(seed))
    placed = {b.shape.name: b for b in column.bones}
    for level, side in itertools.product(LEVELS, SIDES):
        centre = column.landmarks[f"{level}.foramen.{side}.centre"]
        assert min(raw(b, centre) for b in placed.values()) > 2.0, (level, side)
    for upper, lower in itertools.pairwise((*LEVELS, "S")):
        end = column.landmarks["S1.endplate.superior" if lower == "S" else f"{lower}.endplate.superior"]
        assert raw(placed[upper], end) > 3.0, (upper, lower)
