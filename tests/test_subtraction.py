"""Subtraction: masks, pixel shift, peak opacification, road map; and what it is for: seeing a vessel."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from scenarios.beam_tables import load_beam, load_carm
from sim.picture import Imager, open_pixels
from sim.scene import SceneBuilder
from sim.subtraction import Subtraction, best_shift, found, grey_of, moved, road_map
from sim.view import View, pose_of

CARM, TABLES = load_carm(), load_beam()


def texture(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.normal(0, 1, (n, n))
    f = np.fft.fftfreq(n)
    k = np.sqrt(f[:, None] ** 2 + f[None, :] ** 2)
    smooth = np.fft.ifft2(np.fft.fft2(rough) * np.exp(-((k * 12) ** 2))).real
    return (0.3 * smooth / smooth.std()).astype(np.float32)


def test_a_mask_of_many_frames_makes_less_noise():
    """sqrt(1 + 1/n) of a frame's own noise (imaging reference, section 5)."""
    rng = np.random.default_rng(1)
    for n in (1, 4, 16):
        run = Subtraction(n)
        for _ in range(n):
            assert not run.take(np.exp(0.05 * rng.normal(0, 1, (128, 128))).astype(np.float32)).any()
        noise = run.take(np.exp(0.05 * rng.normal(0, 1, (128, 128))).astype(np.float32)).std()
        assert noise == pytest.approx(0.05 * np.sqrt(1 + 1 / n), rel=0.05)
    with pytest.raises(ValueError, match="at least 1"):
        Subtraction(0)
    with pytest.raises(ValueError, match="no mask yet"):
        _ = Subtraction().mask


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.3, -0.6), (-2.4, 2.0)])
def test_pixel_shift_is_found_and_undone(shift):
    bones = texture(160)
    frame = moved(bones, *shift)
    inside = np.ones((160, 160), bool)
    inside[:8] = inside[-8:] = inside[:, :8] = inside[:, -8:] = False
    frame[70:80, 70:80] -= 1.0  # contrast must not pull
    assert best_shift(bones, frame, inside) == pytest.approx(shift, abs=0.08)
    run = Subtraction()
    run.take(np.exp(bones))
    before = np.abs(run.take(np.exp(frame))[inside]).mean()
    run.align(np.exp(frame), inside)
    assert np.abs(run.take(np.exp(frame))[inside]).mean() < max(0.35 * before, 0.02)


def test_peak_keeps_what_was_washed_away():
    run = Subtraction()
    run.take(np.ones((32, 32), np.float32))
    for row in range(4, 28, 4):  # a bolus runs down a vessel
        frame = np.ones((32, 32), np.float32)
        frame[row : row + 4, 15:18] = np.exp(-0.3)
        run.take(frame)
    assert run.peak is not None
    assert (run.peak[4:28, 15:18] > 0.29).all() and run.peak[:, :10].max() < 1e-6
    inside = np.ones((32, 32), bool)
    road = road_map(np.zeros((32, 32), np.float32), run.peak, inside)
    assert road[16, 16] > road[16, 4] + 50
    needle = np.zeros((32, 32), np.float32)
    needle[8, :] = 0.5
    assert (road_map(needle, run.peak, inside)[8, :10] < road[8, :10] - 80).all()
    assert grey_of(run.peak, ~inside).max() == 0


# ---------------------------------------------------------------- what it is for


def patient():
    """Return a trunk with bones and gas: what hides a thin vessel on a plain picture."""
    build = SceneBuilder()
    build.add("body", *_of(trimesh.creation.box((500, 220, 500))), "mixed", "air")
    rng = np.random.default_rng(4)
    for i in range(14):
        bone = trimesh.creation.icosphere(subdivisions=2, radius=float(rng.uniform(6, 20)))
        bone.apply_translation([*rng.uniform(-90, 90, 1), rng.uniform(-30, 30), *rng.uniform(-90, 90, 1)])
        build.add(f"bone{i}", *_of(bone), "cancellous", "mixed")
    return build.scene()


def _of(mesh):
    return mesh.vertices, mesh.faces


def vessel(mg_per_mm: float) -> np.ndarray:
    """Return an ascending vein with so much iodine per mm of its length."""
    t = np.arange(0.0, 60.0, 0.5)
    return np.stack([12 + 4 * np.sin(t / 9), 0 * t - 5, t - 20, 0 * t + 0.5 * mg_per_mm], 1).astype(np.float32)


def view(key: int, points: np.ndarray, mas: float) -> View:
    pose = pose_of(CARM, 0, 0, (0, 0, 0), 0)
    return View(pose, 1.0, 1.0, 78.0, mas, np.zeros((0, 3)), 0.7, 0.0, points, (3, key))


NO_POINTS = np.zeros((0, 4), np.float32)


def sensitivity(mask: np.ndarray, where: np.ndarray) -> float:
    return float(mask[where].mean())


def test_subtraction_finds_a_vessel_that_a_threshold_on_the_plain_picture_misses():
    scene, size = patient(), 256
    inside = open_pixels(size, view(1, NO_POINTS, 0.2))
    points = vessel(0.25)
    imager = Imager(scene, TABLES)
    imager.projector.draw(view(1, points, 0.2), size)
    iodine = imager.projector.devices[1].copy()
    where = iodine > 0.5 * iodine.max()
    plain = -np.log(np.maximum(imager.signal(view(2, points, 0.2), size).values, 1e-7))
    run = Subtraction(2)
    for key in (11, 12):
        run.take(imager.signal(view(key, NO_POINTS, 16 * 0.2), size).values.copy())
    subtracted = run.take(imager.signal(view(13, points, 16 * 0.2), size).values.copy())
    seen_plain, seen = found(plain, inside, 3.0), found(subtracted, inside, 3.0)
    assert sensitivity(seen, where) > 0.8 and (seen & ~(iodine > 0)).sum() < 0.02 * inside.sum()
    assert sensitivity(seen_plain, where) < 0.2


def gap_script():
    path = Path(__file__).parents[1] / "scripts" / "dsa_gap.py"
    spec = importlib.util.spec_from_file_location("dsa_gap", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_published_gap_between_live_pictures_and_subtraction():
    """Live contrast finds 0.71 to 0.80 of what subtraction finds: between a reader without and one with a perfect memory."""
    gap = gap_script()
    seen = gap.simulate(patient(), 200, 192)
    share = gap.ratios(seen)
    assert sum(seen["subtracted"]) > sum(seen["remembers"]) > sum(seen["plain"])
    assert share["plain"] < 0.71 and share["remembers"] > 0.80
    assert share["remembers"] < 1.0


def test_motion_of_the_patient_blurs_a_subtraction_and_pixel_shift_mends_it():
    """2 mm after the mask: the edges of the bone stand in the difference; the shifted mask takes most of them away."""
    build, size = SceneBuilder(), 192
    for name, extents, what, around in (("body", (500, 200, 500), "mixed", "air"), ("bone", (30, 20, 60), "cortical", "mixed")):
        box = trimesh.creation.box(extents)
        build.add(name, box.vertices, box.faces, what, around)
    imager = Imager(build.scene(), TABLES)
    mask, later = view(1, NO_POINTS, 16 * 0.2), replace(view(2, NO_POINTS, 16 * 0.2), patient_mm=np.array([1.4, 0.0, -1.4]))
    imager.subtracted(mask, size, marks=False)
    still = imager.subtracted(view(3, NO_POINTS, 16 * 0.2), size, marks=False).astype(float)
    moved_on = imager.subtracted(later, size, marks=False).astype(float)
    mended = imager.aligned(later, size, marks=False).astype(float)
    edges = [np.abs(p[48:-48, 48:-48] - 200.0).mean() for p in (still, moved_on, mended)]
    assert edges[1] > 1.3 * edges[0] and edges[2] - edges[0] < 0.5 * (edges[1] - edges[0])
