"""Line integrals against exact ones: spheres, boxes, tubes, magnification, orientation, mass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from scenarios.beam_tables import load_carm
from sim.projector import HUB_WATER, Projector, line_integrals_60kev
from sim.scene import MATERIALS, MU_60KEV_PER_MM, SceneBuilder, is_closed, make_scene
from sim.tubes import mitres, simplified
from sim.view import View, pose_of
from tests.make_phantom import simple_phantom

CARM = load_carm()
NO_POINTS = np.zeros((0, 4), np.float32)
NO_NEEDLE = np.zeros((0, 3))


def view(primary=0, secondary=0, centre=(0, 0, 0), magnification=0, needle=NO_NEEDLE, outer=0.7, inner=0.0, points=NO_POINTS):
    pose = pose_of(CARM, primary, secondary, centre, magnification)
    return View(pose, 1.0, 1.0, 80.0, 0.2, needle, outer, inner, points, (1, 1), primary_mdeg=primary, secondary_mdeg=secondary)


def rays(pose, n):
    """Return unit directions (n, n, 3) of the rays through the pixel centres."""
    at = ((np.arange(n) + 0.5) / n - 0.5) * pose.side_mm
    d = pose.detector_mm + at[None, :, None] * pose.right - at[:, None, None] * pose.up - pose.source_mm
    return d / np.sqrt((d**2).sum(-1, keepdims=True))


def drawn(mesh, where, n, material="cortical", outside="air", threads=2):
    build = SceneBuilder()
    build.add("one", mesh.vertices, mesh.faces, material, outside)
    projector = Projector(build.scene(), threads)
    projector.draw(where, n)
    return projector.anatomy.copy()


def in_box(source, direction, low, high):
    with np.errstate(divide="ignore"):
        a, b = (low - source) / direction, (high - source) / direction
    return np.maximum(np.maximum(a, b).min(-1) - np.minimum(a, b).max(-1), 0.0)


@pytest.mark.parametrize("angles", [(0, 0), (25_000, 10_000), (-90_000, 0), (90_000, -20_000)])
def test_lengths_in_a_box_are_exact(angles):
    where, n = view(*angles, centre=(3_000, -4_000, 5_000)), 320
    box = trimesh.creation.box((60, 40, 30))
    exact = in_box(where.pose.source_mm, rays(where.pose, n), np.array([-30, -20, -15.0]), np.array([30, 20, 15.0]))
    got = drawn(box, where, n)[1]
    # next to a steep face a shift of 1/8192 pixel is all that is left
    assert np.abs(got - exact).max() < 3e-3
    assert abs(got.sum() / exact.sum() - 1.0) < 1e-5


def test_lengths_in_a_sphere_are_those_of_its_mesh():
    where, n, radius = view(20_000, 10_000), 192, 40.0
    ball = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    centre = np.array([10.0, -5.0, 20.0])
    ball.apply_translation(centre)
    d, o = rays(where.pose, n), where.pose.source_mm - centre
    b = (d * o).sum(-1)
    exact = 2.0 * np.sqrt(np.maximum(b * b - (o @ o) + radius**2, 0.0))
    got = drawn(ball, where, n)[1]
    inside = exact > 20.0
    assert np.abs(got - exact)[inside].max() < 0.1  # the mesh is inscribed: 0.02 mm a side, more where it is seen aslant
    assert abs(got.sum() / exact.sum() - abs(ball.volume) / (4 / 3 * np.pi * radius**3)) < 1e-3


def test_shared_edges_are_counted_once():
    """A hole or a doubled edge would leave a line of the length of the whole depth; outside nothing at all remains."""
    where, n = view(7_000, -3_000), 256
    ball = trimesh.creation.icosphere(subdivisions=4, radius=60.0)
    got = drawn(ball, where, n)[1]
    d = rays(where.pose, n)
    nearest = np.sqrt(np.maximum((where.pose.source_mm**2).sum() - (d @ where.pose.source_mm) ** 2, 0.0))
    assert np.abs(got[nearest > 60.01]).max() < 2e-4
    assert np.abs(np.diff(got, axis=1))[:, 1:][(nearest < 50)[:, 2:]].max() < 4.0
    assert got[nearest < 59.0].min() > 15.0


def plate(at, low, high):
    """Return a closed plate low < y < high with a vertex at every (x, z) of the grid `at`, on both faces."""
    m = len(at)
    x, z = (a.ravel() for a in np.meshgrid(at, at, indexing="ij"))
    vertices = np.concatenate([np.stack([x, np.full(m * m, y), z], 1) for y in (high, low)])
    i, j = (a.ravel() for a in np.meshgrid(np.arange(m - 1), np.arange(m - 1), indexing="ij"))
    a, b, c, d = i * m + j, (i + 1) * m + j, (i + 1) * m + j + 1, i * m + j + 1
    top = np.concatenate([np.stack([a, c, b], 1), np.stack([a, d, c], 1)])
    k = np.arange(m - 1)
    far = k[::-1] + m * (m - 1)
    rim = [(k, k + 1), (far + 1, far), ((k + 1) * m, k * m), (k * m + m - 1, (k + 1) * m + m - 1)]
    walls = [np.stack([p, p + m * m, q], 1) for p, q in rim] + [np.stack([q, p + m * m, q + m * m], 1) for p, q in rim]
    return vertices, np.concatenate([top, top[:, ::-1] + m * m, *walls])


def test_vertices_on_pixel_centres_do_not_break_the_rule():
    """Every pixel centre under the plate is a vertex of six triangles: each ray still enters once and leaves once."""
    where, n = view(), 300  # pixels of 1 mm; at the isocentre 0.7 mm
    vertices, faces = plate(0.7 * (np.arange(-20, 20) + 0.5), -1.0, 0.0)
    assert is_closed(faces)
    build = SceneBuilder()
    build.add("plate", vertices, faces, "cortical", "air")
    projector = Projector(build.scene())
    projector.draw(where, n)
    got = projector.anatomy[1]
    slant = 1.0 / np.abs(rays(where.pose, n)[..., 1])
    inner = (slice(132, 168), slice(132, 168))
    assert np.abs(got[inner] - slant[inner]).max() < 1e-3
    assert got.min() > -1e-3 and got.max() < 1.01


def test_a_cut_mesh_shifts_nothing():
    """What reaches beyond the picture is cut at its border without a trace inside."""
    where, n = view(), 128
    wide = trimesh.creation.box((600, 50, 600))
    got = drawn(wide, where, n)[1]
    exact = in_box(where.pose.source_mm, rays(where.pose, n), np.array([-300, -25, -300.0]), np.array([300, 25, 300.0]))
    assert np.abs(got - exact).max() < 1e-3


def test_number_of_threads_changes_nothing_but_rounding():
    where = view(30_000, 5_000)
    ball = trimesh.creation.icosphere(subdivisions=5, radius=50.0)
    one, three = (drawn(ball, where, 128, threads=t) for t in (1, 3))
    assert np.abs(one - three).max() < 2e-4


@pytest.mark.parametrize("offset", [-60.0, 0.0, 45.0])
def test_magnification_is_sdd_over_sod(offset):
    """A pair of small balls 40 mm apart is seen 40 * SDD / (source distance) apart, to a twentieth of a pixel."""
    where, n = view(), 600
    build = SceneBuilder()
    for x in (-20.0, 20.0):
        ball = trimesh.creation.icosphere(subdivisions=3, radius=6.0)
        build.add(f"ball{x}", ball.vertices + np.array([x, offset, 0.0]), ball.faces, "cortical", "air")
    projector = Projector(build.scene())
    projector.draw(where, n)
    picture = projector.anatomy[1]
    columns = np.arange(n) + 0.5
    left, right = picture[:, : n // 2].sum(0), picture[:, n // 2 :].sum(0)
    apart = (columns[n // 2 :] @ right / right.sum() - columns[: n // 2] @ left / left.sum()) * where.pose.side_mm / n
    assert apart == pytest.approx(40.0 * CARM.sdd_mm / (CARM.sod_mm + offset), rel=4e-4)


def centroid(where, point, n=200):
    """Return (row, column) of a small ball at a point."""
    ball = trimesh.creation.icosphere(subdivisions=2, radius=4.0)
    ball.apply_translation(point)
    picture = drawn(ball, where, n)[1]
    at = np.arange(n) + 0.5
    return picture.sum(1) @ at / picture.sum(), picture.sum(0) @ at / picture.sum()


def test_orientation_patient_left_is_on_the_left_in_ap_and_head_is_up():
    row, column = centroid(view(), (30.0, 0.0, 40.0))  # left and towards the head
    assert column < 75 and row < 65
    row, column = centroid(view(), (-30.0, 0.0, -40.0))
    assert column > 125 and row > 135


def test_orientation_in_laterals_and_obliques():
    behind = (0.0, 40.0, 0.0)
    assert centroid(view(90_000), behind)[1] > 130  # detector on the left: posterior on the right of the picture
    assert centroid(view(-90_000), behind)[1] < 70
    # towards the patient's left: what lies behind moves towards the right of the picture
    assert centroid(view(25_000), behind)[1] > 105
    assert centroid(view(-25_000), behind)[1] < 95
    # detector towards the head: what lies behind moves down
    assert centroid(view(0, 20_000), behind)[0] > 105


def test_nested_meshes_add_up_to_their_materials():
    """Skin, shell and core in one ray: soft + cortical + cancellous, each over its own length."""
    where, n = view(), 65
    build = SceneBuilder()
    for name, size, material, outside in (
        ("skin", 100, "mixed", "air"), ("shell", 40, "cortical", "mixed"), ("core", 36, "cancellous", "cortical"),
    ):  # fmt: skip
        box = trimesh.creation.box((size, size, size))
        build.add(name, box.vertices, box.faces, material, outside)
    projector = Projector(build.scene())
    projector.draw(where, n)
    water, bone = (float(projector.anatomy[c, n // 2, n // 2]) for c in range(2))
    (sw, sb), (kw, kb) = MATERIALS["mixed"], MATERIALS["cancellous"]
    assert water == pytest.approx(60 * sw + 36 * kw, abs=1e-2)
    assert bone == pytest.approx(60 * sb + 4 + 36 * kb, abs=1e-2)
    integral = line_integrals_60kev(projector.scene, where, n)
    assert integral.dtype == np.float32 and integral.shape == (n, n)
    assert integral[n // 2, n // 2] == pytest.approx(water * MU_60KEV_PER_MM[0] + bone * MU_60KEV_PER_MM[1], rel=1e-5)


def straight(p, q, n=33):
    return np.linspace(np.array(p, float), np.array(q, float), n)


def devices(where, n, scene=None):
    projector = Projector(scene or SceneBuilder().scene())
    projector.draw(where, n)
    return projector.devices.copy()


@pytest.mark.parametrize("inner", [0.0, 0.4])
def test_needle_steel_is_its_volume(inner):
    """Sum of length * pixel area at depth = volume of the tube, for a needle across the beam."""
    where, n = view(needle=straight((-30, 0, 5), (30, 0, -5)), inner=inner), 512
    steel = devices(where, n)[0]
    pixel = where.pose.side_mm / n * CARM.sod_mm / CARM.sdd_mm
    d = rays(where.pose, n)
    cosine = -d @ (where.pose.source_mm - where.pose.detector_mm) / CARM.sdd_mm
    volume = (steel / (1.0 / cosine)).sum() * pixel**2
    assert volume == pytest.approx(np.pi / 4 * (0.7**2 - inner**2) * np.sqrt(60**2 + 10**2), rel=0.004)


def test_a_bent_needle_neither_overlaps_nor_gaps():
    t = np.linspace(0, 1, 33)[:, None]
    bent = np.hstack([-30 + 60 * t, 0 * t, 25 * t**2])
    steel = devices(view(needle=bent, outer=1.2), 512)[0]
    across = steel.sum(0)  # per column: the cross section over the cosine of the slope
    columns = np.flatnonzero(across)[4:-4]
    scale = CARM.sod_mm / CARM.sdd_mm * 300.0 / 512
    x = ((columns + 0.5) - 256) * -scale  # picture right is the patient's right
    slope = np.sqrt(1.0 + (2 * 25 * (x + 30) / 60 / 60) ** 2)
    expected = np.pi * 0.6**2 * slope / scale
    assert np.abs(across[columns] / expected - 1.0).max() < 0.03


def test_needle_seen_end_on_is_a_dot_as_deep_as_it_is_long():
    steel = devices(view(needle=straight((0, 40, 0), (0, -40, 0)), outer=1.5), 512)[0]
    assert steel.max() == pytest.approx(80.0, rel=1e-3)
    assert (steel > 1.0).sum() < 60


def test_simplified_keeps_a_polyline_within_its_tolerance():
    t = np.linspace(0, 1, 33)[:, None]
    bent = np.hstack([100 * t, 6 * t**2, 0 * t])
    few = simplified(np.ascontiguousarray(bent), 0.02)
    assert 2 < len(few) < 20 and (few[0] == bent[0]).all() and (few[-1] == bent[-1]).all()
    heights = np.interp(bent[:, 0], few[:, 0], few[:, 1])
    assert np.abs(heights - bent[:, 1]).max() < 0.021
    assert len(simplified(straight((0, 0, 0), (0, 9, 3)), 0.02)) == 2
    assert np.allclose((mitres(few) ** 2).sum(1), 1.0)


@pytest.mark.parametrize("size", [128, 512])
def test_iodine_mass_is_conserved(size):
    """Mass = sum of areal density times the area of a pixel at the depth of the contrast."""
    points = np.array([[3, 20, 5, 1.5], [-12, 20, 8, 2.5], [0.3, 20, -17, 0.25]], np.float32)
    iodine = devices(view(points=points), size)[1]
    pixel = 300.0 / size * (CARM.sod_mm + 20.0) / CARM.sdd_mm
    assert iodine.sum() * pixel**2 == pytest.approx(4.25, rel=1e-4)
    nearer = points - np.array([0, 80, 0, 0], np.float32)
    pixel = 300.0 / size * (CARM.sod_mm - 60.0) / CARM.sdd_mm
    assert devices(view(points=nearer), size)[1].sum() * pixel**2 == pytest.approx(4.25, rel=1e-4)


def test_devices_move_without_the_anatomy_being_drawn_again():
    scene = make_scene(simple_phantom())
    projector = Projector(scene)
    assert projector.draw(view(needle=straight((0, 60, 0), (0, 20, 10))), 96)
    anatomy = projector.anatomy.copy()
    assert not projector.draw(view(needle=straight((0, 60, 0), (9, 10, 10)), points=np.array([[0, 0, 0, 1]], np.float32)), 96)
    assert (projector.anatomy == anatomy).all()
    again = Projector(scene)
    again.draw(view(needle=straight((0, 60, 0), (9, 10, 10)), points=np.array([[0, 0, 0, 1]], np.float32)), 96)
    assert (projector.devices == again.devices).all()
    assert not projector.draw(view(), 96)
    assert (projector.devices == 0).all()
    assert projector.draw(view(1_000), 96)


def test_the_hub_is_plastic_and_lies_behind_the_first_node():
    plastic = devices(view(90_000, needle=straight((0, 20, 0), (0, -20, 0))), 256)[2]
    columns = np.flatnonzero(plastic.sum(0))
    assert columns.min() > 128 and plastic.max() < 2 * 3.3 * HUB_WATER * 1.01


def test_scene_of_a_phantom_is_closed_and_keeps_its_parts():
    phantom = simple_phantom()
    scene = make_scene(phantom)
    names = [part.name for part in scene.parts]
    assert names[0] == "skin" and "L4.shell" in names
    assert [p.stop for p in scene.parts[:-1]] == [p.start for p in scene.parts[1:]]
    for part in scene.parts:
        assert is_closed(scene.faces[part.start : part.stop]), part.name
    plain = make_scene(phantom, soft_tissue=False)
    assert {p.material for p in plain.parts} <= {"soft", "cortical", "cancellous"}


def test_is_closed_sees_a_hole():
    box = trimesh.creation.box((1, 1, 1)).faces
    assert is_closed(box) and not is_closed(box[1:])


def test_an_empty_scene_is_an_empty_picture():
    assert (line_integrals_60kev(SceneBuilder().scene(), view(), 32) == 0).all()


def test_a_patient_who_moves_takes_bone_needle_and_contrast_along():
    """Moved by 2 mm towards the head they lie 2 mm higher, magnified: the same as a C-arm moved the other way."""
    box = trimesh.creation.box((20, 30, 20))
    build = SceneBuilder()
    build.add("bone", box.vertices, box.faces, "cortical", "air")
    projector, n = Projector(build.scene()), 128
    points = np.array([[20.0, 0.0, 10.0, 1.0]], np.float32)
    here = view(needle=straight((-30, 0, 5), (30, 0, -5)), points=points)
    projector.draw(here, n)
    moved = replace(here, patient_mm=np.array([0.0, 0.0, 2.0]))
    assert projector.draw(moved, n) and not projector.draw(moved, n)
    there = projector.lengths()
    pose = replace(here.pose, source_mm=here.pose.source_mm - [0, 0, 2.0], detector_mm=here.pose.detector_mm - [0, 0, 2.0])
    projector.draw(replace(here, pose=pose), n)
    assert np.abs(there - projector.lengths()).max() < 1e-3
    assert np.abs(there).max() > 10.0


def test_breath_moves_gas_and_nothing_else():
    body, gas = trimesh.creation.box((200, 150, 200)), trimesh.creation.icosphere(subdivisions=3, radius=20)
    build = SceneBuilder()
    build.add("skin", body.vertices, body.faces, "muscle", "air")
    build.add("gas", gas.vertices, gas.faces, "bowel", "muscle")
    projector, n = Projector(build.scene()), 200
    assert projector.draw(view(), n)
    at_rest = projector.anatomy.copy()
    inspired = replace(view(), breath_mm=np.array([0.0, 0.0, -10.0]))
    assert projector.draw(inspired, n) and not projector.draw(inspired, n)
    bare = SceneBuilder()
    bare.add("skin", body.vertices, body.faces, "muscle", "air")
    without = Projector(bare.scene())
    without.draw(view(), n)
    rows = np.arange(n)[:, None]
    holes = [without.anatomy[0] - a[0] for a in (at_rest, projector.anatomy)]
    centre = [float((h * rows).sum() / h.sum()) for h in holes]
    assert centre[1] - centre[0] == pytest.approx(10.0 / 0.7 * n / 300, abs=0.1)  # towards the feet: down
    assert np.allclose(at_rest[:, :50], projector.anatomy[:, :50], atol=1e-3)
    whole = Projector(build.scene())
    whole.draw(view(), n)
    assert np.abs(whole.anatomy - at_rest).max() == 0.0
