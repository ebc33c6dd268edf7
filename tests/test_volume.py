"""Line integrals through a volume: analytic, against meshes, and what a damaged volume says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenarios.beam_tables import load_carm
from sim.errors import DataError
from sim.phantom import Scan
from sim.projector import Projector
from sim.scene import MU_60KEV_PER_MM, SceneBuilder
from sim.view import pose_of
from sim.volume import BLOCK, BONE_PER_WATER, WATER_PER_MM, Volume, VolumeProjector, of_hounsfield, shares
from tests.test_projector import view

CARM = load_carm()


def box(shape=(60, 50, 40), spacing=(2.0, 2.0, 2.5), low=(12, 9, 8), high=(47, 41, 31)) -> Volume:
    """Return a volume that is 0.02 per mm in the voxels low..high and nothing elsewhere, centred on the isocentre."""
    values = np.zeros(shape, np.float32)
    values[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1] = 0.02
    origin = -0.5 * (np.array(shape) - 1) * np.array(spacing)
    return Volume(values, origin, np.array(spacing, float))


@pytest.mark.parametrize("angles", [(0, 0), (90_000, 0), (30_000, -20_000), (0, 45_000)])
def test_the_middle_of_a_ball_is_its_diameter(angles):
    n = 96
    x = np.indices((n, n, n)) - (n - 1) / 2
    r = np.sqrt((x**2).sum(0))
    values = (0.02 * np.clip(30.0 - r + 0.5, 0.0, 1.0)).astype(np.float32)
    ball = Volume(values, np.full(3, -(n - 1) / 2.0), np.ones(3))
    picture = VolumeProjector(ball).draw(pose_of(CARM, *angles, (0, 0, 0), 0), 128)
    assert picture[63:65, 63:65].mean() == pytest.approx(60.0 * 0.02, rel=5e-3)
    half = np.flatnonzero(picture[64] > 0.3).size * 300 / 128 * 0.7 / 2  # magnification 1000 / 700
    assert half == pytest.approx(30.0, abs=1.5)


def test_skipping_empty_space_changes_nothing():
    volume = box()
    filled = Volume(volume.values, volume.origin_mm, volume.spacing_mm, threshold=-1.0)  # every block counts as full
    assert volume.blocks.sum() < filled.blocks.sum() == filled.blocks.size
    for angles in ((0, 0), (25_000, 10_000), (-90_000, 0)):
        pose = pose_of(CARM, *angles, (3_000, -4_000, 5_000), 0)
        a, b = VolumeProjector(volume).draw(pose, 96), VolumeProjector(filled).draw(pose, 96)
        assert np.abs(a - b).max() < 1e-6 and a.max() > 1.0


def test_pictures_are_turned_as_those_of_meshes():
    """A box off centre lies where a mesh of the same box lies."""
    import trimesh

    from sim.projector import Projector
    from sim.scene import SceneBuilder
    from sim.view import View

    volume = box(low=(12, 9, 20), high=(27, 31, 35))
    low = volume.origin_mm + (np.array([12, 9, 20]) - 0.5) * volume.spacing_mm
    high = volume.origin_mm + (np.array([27, 31, 35]) + 0.5) * volume.spacing_mm
    mesh = trimesh.creation.box(bounds=np.array([low, high]))
    build = SceneBuilder()
    build.add("box", mesh.vertices, mesh.faces, "cortical", "air")
    for angles in ((0, 0), (40_000, 15_000), (-90_000, 0)):
        pose = pose_of(CARM, *angles, (0, 0, 0), 0)
        nothing = (np.zeros((0, 3)), 0.7, 0.0, np.zeros((0, 4), np.float32), (1, 1))
        projector = Projector(build.scene())
        projector.draw(View(pose, 1.0, 1.0, 80.0, 0.2, *nothing), 128)
        exact = 0.02 * projector.anatomy[1]
        got = VolumeProjector(volume).draw(pose, 128)
        assert np.corrcoef(exact.ravel(), got.ravel())[0, 1] > 0.995


def test_empty_and_damaged_volumes():
    nothing = Volume(np.zeros((20, 20, 20), np.float32), np.zeros(3), np.ones(3))
    assert VolumeProjector(nothing).draw(pose_of(CARM, 0, 0, (0, 0, 0), 0), 32).max() == 0.0
    bad = np.zeros((8, 8, 8), np.float32)
    bad[1, 2, 3] = np.nan
    with pytest.raises(DataError, match="1 voxels are not finite"):
        Volume(bad, np.zeros(3), np.ones(3))
    with pytest.raises(DataError, match="three positive numbers"):
        Volume(np.zeros((8, 8, 8), np.float32), np.zeros(3), np.array([1.0, -1.0, 1.0]))
    with pytest.raises(DataError, match="three axes"):
        Volume(np.zeros((8, 8), np.float32), np.zeros(3), np.ones(3))


def test_hounsfield_units_are_attenuation():
    hu = np.full((10, 10, 10), -1000, np.int16)
    hu[2:8, 2:8, 2:8] = 0
    hu[4, 4, 4] = 1000
    volume = of_hounsfield(hu, np.zeros(3), np.ones(3))
    assert volume.values[0, 0, 0] == 0.0 and volume.values[3, 3, 3] == pytest.approx(0.0205476)
    assert volume.values[4, 4, 4] == pytest.approx(2 * 0.0205476)
    assert volume.box[0].tolist() == [0, 9] and BLOCK == 8


def scan_of(hu: np.ndarray, spacing: float = 1.0) -> Scan:
    place = -0.5 * spacing * (np.array(hu.shape) - 1)
    return Scan(hu.astype(np.int16), place, np.full(3, spacing))


@pytest.mark.parametrize(("hu", "water", "bone"), [(0, 1.0, 0.0), (100, 1.1, 0.0), (-1000, 0.0, 0.0), (1942, 0.0, 1.0)])
def test_hounsfield_units_become_water_and_bone(hu, water, bone):
    whole, hard = (v.values[0, 0, 0] for v in shares(scan_of(np.full((2, 2, 2), hu))))
    assert hard == pytest.approx(bone, abs=1e-3)
    assert whole - BONE_PER_WATER * hard == pytest.approx(water, abs=2e-3)


def test_attenuation_at_60_kev_is_that_of_the_ct_and_metal_takes_no_water_away():
    for hu in (-300, 40, 200, 700, 1500, 3000):
        whole, hard = (float(v.values[0, 0, 0]) for v in shares(scan_of(np.full((2, 2, 2), hu))))
        water = whole - BONE_PER_WATER * hard
        assert water >= -1e-5
        mu = water * MU_60KEV_PER_MM[0] + hard * MU_60KEV_PER_MM[1]
        assert mu == pytest.approx((1.0 + hu / 1000.0) * WATER_PER_MM, rel=1e-4)


def test_a_scan_is_drawn_with_the_needle_in_the_same_picture():
    hu = np.full((90, 60, 90), -1000)
    hu[5:85, 5:55, 5:85] = 40
    hu[35:55, 20:40, 30:60] = 900
    projector = Projector(replace(SceneBuilder().scene(), scan=scan_of(hu, 2.0)))
    needle = np.linspace([20.0, 60.0, 0.0], [20.0, -10.0, 0.0], 9)
    now = view(30_000, 0, needle=needle)
    assert projector.draw(now, 128)
    assert not projector.draw(replace(now, needle_mm=needle + 1.0), 128), "a still C-arm draws the CT once"
    water, bone, steel, _ = projector.lengths()
    low, high = (1.04 * mm / np.cos(np.radians(by)) for mm, by in ((98.0, 30.0), (102.0, 39.0)))  # oblique, and the beam diverges
    assert low < water.max() < high
    assert bone.max() > 10.0 and steel.max() > 0.3
    assert (projector.anatomy[0][:4] == 0).all(), "beside the patient nothing is drawn"
