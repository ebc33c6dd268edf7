"""From line integrals to a picture: noise, scatter, blur, shutters, display, markers, subtraction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from scenarios.beam_tables import load_beam, load_carm
from sim import detector
from sim.beam import absorbance, beam_at
from sim.font import glyph, stamp, text_width
from sim.picture import Imager, burn_in, render, side_marks, technique_text
from sim.readout import logarithm, noise_key, quantiles, receive, transmit
from sim.scatter import spr_at
from sim.scene import SceneBuilder
from sim.view import View, pose_of

CARM, TABLES = load_carm(), load_beam()
NO_POINTS = np.zeros((0, 4), np.float32)


def view(primary=0, secondary=0, mas=0.2, key=(1, 1), half=(1.0, 1.0), needle=None, points=NO_POINTS, magnification=0):
    pose = pose_of(CARM, primary, secondary, (0, 0, 0), magnification)
    nodes = np.zeros((0, 3)) if needle is None else np.array(needle, float)
    return View(pose, *half, 80.0, mas, nodes, 0.7, 0.0, points, key, primary_mdeg=primary, secondary_mdeg=secondary)


def trunk(thickness=200.0):
    build = SceneBuilder()
    body = trimesh.creation.box((500, thickness, 500))
    build.add("body", body.vertices, body.faces, "mixed", "air")
    bone = trimesh.creation.box((30, 20, 60))
    build.add("bone", bone.vertices, bone.faces, "cortical", "mixed")
    return build.scene()


SCENE = trunk()


# ---------------------------------------------------------------- noise


def flat_noise(mas: float, size: int, thickness: float = 200.0) -> tuple[float, detector.Exposure]:
    """Return the relative noise of the raw receptor signal behind a plain trunk, and the numbers it came from."""
    build = SceneBuilder()
    body = trimesh.creation.box((500, thickness, 500))
    build.add("body", body.vertices, body.faces, "mixed", "air")
    imager = Imager(build.scene(), TABLES)
    quiet = imager.signal(view(mas=mas), size, noise=False).values.copy()
    taps_off = detector.blur_taps
    try:
        detector.blur_taps = lambda sigma: np.array([0, 1, 0], np.float32)
        noisy = imager.signal(view(mas=mas), size).values.copy()
    finally:
        detector.blur_taps = taps_off
    exposure = detector.exposure_of(beam_at(TABLES, 80.0), TABLES.detector, mas, thickness * 1.02, 300.0 / size)
    part = (slice(size // 4, -size // 4),) * 2
    return float(((noisy - quiet) / quiet)[part].std()), exposure


def test_noise_falls_with_the_root_of_the_dose():
    """Quantum noise: four times the dose, half the noise (electronic noise adds a little at the low dose)."""
    low, _ = flat_noise(0.4, 128)
    high, _ = flat_noise(1.6, 128)
    assert 1.95 < low / high < 2.25


def test_noise_is_that_of_the_photons_counted():
    """At about 30 nGy behind 200 mm: q about 30 000 photons per mm2 and uGy, DQE 0.6 to 0.8 (imaging_values.md)."""
    size = 128
    relative, _ = flat_noise(0.16 * (73 / 80) ** 2.5, size)
    photons = 30_000 * 0.030 * (300 / size) ** 2
    dqe = 1.0 / (relative**2 * photons)
    assert 0.4 < dqe < 0.8


def test_pictures_repeat_and_pulses_differ():
    first = render(SCENE, TABLES, view(key=(5, 7)), 96)
    assert (first == render(SCENE, TABLES, view(key=(5, 7)), 96)).all()
    assert (first != render(SCENE, TABLES, view(key=(5, 8)), 96)).mean() > 0.5
    one = Imager(SCENE, TABLES, threads=1).picture(view(key=(5, 7)), 96)
    assert np.abs(one.astype(int) - first).max() <= 1


# ---------------------------------------------------------------- scatter, blur


def coarse_spr(half: float, grid: bool, side: float = 300.0) -> float:
    """Return scatter over primary in the middle of a square field behind 200 mm, as a picture gets it."""
    g = detector.COARSE
    at = np.abs(2 * (np.arange(g) + 0.5) / g - 1) <= half
    primary = (at[:, None] & at[None, :]).astype(np.float32)
    data = replace(TABLES.detector, grid=grid)
    return float(detector.scattered(primary, np.full((g, g), 200.0, np.float32), side / g, data)[g // 2, g // 2])


@pytest.mark.parametrize("grid", [False, True])
def test_scatter_of_a_picture_is_that_of_the_table_and_collimation_helps(grid):
    for half, radius in ((1.0, 300 / np.sqrt(np.pi)), (0.5, 150 / np.sqrt(np.pi))):
        assert coarse_spr(half, grid) == pytest.approx(spr_at(TABLES.detector.scatter, 200.0, radius, grid), rel=0.08)
    assert coarse_spr(0.4, grid) < 0.55 * coarse_spr(1.0, grid)
    assert coarse_spr(1.0, grid, 150.0) == pytest.approx(coarse_spr(0.5, grid), rel=0.05)


def test_a_grid_takes_most_of_the_scatter_away():
    assert coarse_spr(1.0, True) < 0.4 * coarse_spr(1.0, False)


def test_an_intensifier_lays_a_veil_over_the_picture():
    """Behind a lead disc a flat panel receives no primary; an intensifier some of everything (glare 10 %)."""
    build = SceneBuilder()
    disc = trimesh.creation.cylinder(radius=12.0, height=20.0)
    disc.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], [0, 1, 0]))
    build.add("disc", disc.vertices, disc.faces, "titanium", "air")
    scene, tubes = build.scene(), replace(TABLES, detector=replace(TABLES.detector, glare=0.1))
    panel = Imager(scene, TABLES).signal(view(), 128, noise=False).values.copy()
    veiled = Imager(scene, tubes).signal(view(), 128, noise=False).values.copy()
    assert veiled[64, 64] - panel[64, 64] > 0.05 * panel[10, 10]
    assert veiled[30, 64] < veiled[64, 10] * 1.05 and veiled[64, 30] == pytest.approx(panel[64, 30], rel=0.1)
    assert detector.veil(np.ones((32, 32), np.float32), 1.0, replace(TABLES.detector, glare=0.0)).max() == 0.0


def test_scatter_lowers_contrast():
    """Contrast of the bone falls by 1 / (1 + SPR): with scatter it is less than the primary's."""
    imager = Imager(SCENE, TABLES)
    signal = imager.signal(view(), 128, noise=False).values
    primary = imager.primary(view(), 128)
    seen = np.log(signal[64, 40] / signal[64, 64])
    ideal = np.log(primary[64, 40] / primary[64, 64])
    assert 0.5 * ideal < seen < 0.9 * ideal


def received(image, taps, quantum=0.0, key=1, pieces=((0, None),)):
    """Return what the receptor makes of a primary image without scatter, in bands of rows."""
    image, out = np.ascontiguousarray(image, np.float32), np.empty(image.shape, np.float32)
    scatter, table = np.zeros((32, image.shape[1]), np.float32), quantiles() if quantum else quantiles()[:0]
    for first, last in pieces:
        receive(image, scatter, first, last or len(image), 1.0, 1.0, quantum, 0.0, np.uint64(key), table, taps, out)
    return out


NO_BLUR = np.array([0, 1, 0], np.float32)


def test_noise_is_white_normal_and_new_with_every_pulse():
    """2 million deviates: mean, variance, skewness, kurtosis, tails, no correlation between neighbours, rows or pulses."""
    flat = np.ones((1024, 1024), np.float32)
    one, two = (received(flat, NO_BLUR, 1e-4, int(noise_key((7, k)))).astype(np.float64) * 100.0 - 100.0 for k in (1, 2))
    for z in (one, two):
        assert abs(z.mean()) < 0.004 and z.var() == pytest.approx(1.0, abs=0.006)
        assert abs((z**3).mean()) < 0.012 and (z**4).mean() == pytest.approx(3.0, abs=0.025)
        assert (abs(z) > 3.0).mean() == pytest.approx(0.0026998, rel=0.08) and 4.0 < abs(z).max() < 4.4
    assert abs((one * two).mean()) < 0.005
    for dy, dx in ((0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (2, 0), (1, 1), (1, -1), (0, 256), (256, 0)):
        assert abs((one * np.roll(one, (dy, dx), (0, 1))).mean()) < 0.005, (dy, dx)
    power = np.abs(np.fft.fft2(one)) ** 2 / one.size
    rings = power[:512, :512].reshape(8, 64, 8, 64).mean((1, 3))
    assert rings == pytest.approx(np.ones((8, 8)), abs=0.09)


def test_noise_belongs_to_the_pulse_and_the_pixel_not_to_the_bands():
    image, taps = np.full((97, 97), 0.5, np.float32), detector.blur_taps(0.7)
    whole = received(image, taps, 1e-3)
    assert (received(image, taps, 1e-3, pieces=((0, 31), (31, 32), (32, 97))) == whole).all()
    assert (received(image, taps, 1e-3, key=2) != whole).all()


def test_exponential_and_logarithm_are_those_of_the_library():
    a = np.concatenate([np.linspace(-2.0, 20.0, 4001), [60.0, 1e-8, 0.0]]).astype(np.float32)
    out, parts = np.empty_like(a), np.empty(len(a), np.int32)
    transmit(a, parts, out)
    assert out == pytest.approx(np.exp(-a.astype(np.float64)), rel=1e-6)
    values = np.concatenate([np.geomspace(1e-7, 50.0, 4001), [1.0, 2.0, 0.5, 0.70710677, 1.4142135]]).astype(np.float32)
    wanted, out, parts = np.log(values.astype(np.float64)), np.empty_like(values), np.empty(len(values), np.int32)
    logarithm(values, parts, out)
    assert out == pytest.approx(wanted, abs=2e-6)


def test_the_picture_without_noise_is_the_written_out_formula():
    """Signal of a noiseless picture against exp, bilinear scatter and a Gaussian by scipy: within 1e-5."""
    from scipy.ndimage import correlate1d

    imager, size = Imager(SCENE, TABLES), 128
    needle = view(needle=[(60, 80, -40), (30, 0, -40)], points=np.array([[40, 0, 40, 20.0]], np.float32))
    for shown in (view(), needle, view(20_000), needle):
        got = imager.signal(shown, size, noise=False).values.copy()
        beam, lengths = beam_at(TABLES, shown.kvp), imager.projector.lengths()
        primary = np.exp(-absorbance(beam, lengths)).astype(np.float64)
        assert imager.primary(shown, size) == pytest.approx(primary, rel=3e-3)
        part = imager.primary(shown, size).astype(np.float64)
        cells = np.empty((32, 32), np.float32)
        detector.coarse_signal(part.astype(np.float32), 1.0, 1.0, 1.5, cells)
        at = np.arange(32) * 4 + 2
        water = np.maximum((imager.projector.anatomy[0] + 2.0 * imager.projector.anatomy[1])[np.ix_(at, at)], 0.0)
        scatter = detector.scattered(cells, water, 300.0 / 32, TABLES.detector)
        where = np.clip((np.arange(size) + 0.5) / 4 - 0.5, 0, 30.999)
        i, f = where.astype(int), where % 1.0
        rows = scatter[i] * (1 - f)[:, None] + scatter[i + 1] * f[:, None]
        wide = rows[:, i] * (1 - f) + rows[:, i + 1] * f
        numbers = detector.exposure_of(beam, TABLES.detector, shown.mas, float(water.mean()), 300.0 / size)
        plain, taps = numbers.grid_primary * (part + wide), detector.blur_taps(numbers.sigma_px)
        for axis in (0, 1):
            plain = correlate1d(plain, taps, axis, mode="nearest")
        assert got == pytest.approx(plain, rel=1e-5)


def test_a_kept_anatomy_gives_the_same_picture_as_a_new_one():
    """Needle in, moved, out again behind a still C-arm: each picture as from a fresh imager."""
    kept = Imager(SCENE, TABLES)
    for tip in (30, 0, -30):
        shown = view(needle=[(60, 80, -40), (tip, 0, -40)], key=(3, 100 + tip))
        assert (kept.picture(shown, 96) == render(SCENE, TABLES, shown, 96)).all()
    assert (kept.picture(view(), 96) == render(SCENE, TABLES, view(), 96)).all()


def test_blur_keeps_the_mean_and_widens_an_edge():
    taps = detector.blur_taps(0.8)
    assert taps.sum() == pytest.approx(1.0, abs=1e-6) and len(taps) % 2 == 1
    image = np.zeros((30, 30), np.float32)
    image[:, 15:] = 1.0
    out = received(image, taps)
    assert out.mean() == pytest.approx(image.mean(), abs=1e-6)
    assert 0.05 < out[10, 14] < 0.5 < out[10, 15] < 0.95 and out[10, 2] == 0.0


@pytest.mark.parametrize("per_mm", [0.25, 0.5, 1.0, 1.5])
def test_mtf_is_that_of_its_formula(per_mm):
    """exp(-2 (pi f s)^2), s from MTF(1/mm) = 0.6, the focal spot and the pixel: measured on a line, at fine pixels."""
    pixel = 0.15
    exposure = detector.exposure_of(beam_at(TABLES, 80.0), TABLES.detector, 0.2, 200.0, pixel)
    line = np.zeros((255, 255), np.float32)
    line[:, 127] = 1.0
    out = received(line, detector.blur_taps(exposure.sigma_px))
    assert received(line.T, detector.blur_taps(exposure.sigma_px)) == pytest.approx(out.T)
    x = (np.arange(255) - 127) * pixel
    measured = float((out[0] * np.cos(2 * np.pi * per_mm * x)).sum())
    spot = TABLES.detector.focal_spot_mm * (1000 / 700 - 1)
    sigma2 = TABLES.detector.blur_mm**2 + spot**2 / 12 + (detector.PIXEL_SIGMA * pixel) ** 2
    assert measured == pytest.approx(np.exp(-2 * (np.pi * per_mm) ** 2 * sigma2), abs=0.02)
    if per_mm == 1.0:
        assert np.exp(-2 * np.pi**2 * TABLES.detector.blur_mm**2) == pytest.approx(0.60, abs=0.005)


# ---------------------------------------------------------------- display


def test_bone_metal_and_contrast_are_dark_and_air_is_bright():
    points = np.array([[40, 0, 40, 60.0]], np.float32)
    shown = view(needle=[(60, 80, -40), (30, 0, -40)], points=points, mas=2.0)
    picture = render(SCENE, TABLES, shown, 256, noise=False, marks=False)
    around = int(picture[128, 90])
    assert picture[128, 128] < around - 40  # bone
    assert picture[:, :110].min() < around - 25
    column, row = (int(128 + s * 40 / 0.7 * 256 / 300) for s in (-1, -1))
    assert picture[row, column] < around - 25  # contrast
    turned = render(SCENE, TABLES, shown, 256, noise=False, invert=True, marks=False)
    assert (picture.astype(int) + turned == 255).mean() > 0.99


def test_shutters_are_black():
    picture = render(SCENE, TABLES, view(half=(0.5, 0.8)), 128, marks=False)
    assert (picture[:, :31] == 0).all() and (picture[:11] == 0).all()
    assert picture[14:114, 34:94].min() > 0
    assert picture.dtype == np.uint8 and picture.shape == (128, 128)


def test_a_field_of_air_alone_is_a_picture_too():
    away = replace(view(), pose=pose_of(CARM, 0, 0, (0, 0, 2_000_000), 0))
    assert render(SCENE, TABLES, away, 64).min() > 0
    assert render(SceneBuilder().scene(), TABLES, view(), 64).shape == (64, 64)
    assert render(SCENE, TABLES, view(half=(0.1, 0.1)), 64).max() > 0


def test_live_pictures_are_averaged_while_nothing_moves():
    imager = Imager(SCENE, TABLES)
    quiet = imager.picture(view(), 96, noise=False, marks=False).astype(float)
    first = imager.live(view(key=(1, 1)), 96, marks=False) - quiet
    for k in range(2, 9):
        later = imager.live(view(key=(1, k)), 96, marks=False) - quiet
    assert later.std() < 0.65 * first.std()
    moved = imager.live(view(1_000, key=(1, 9)), 96, marks=False).astype(float)
    moved -= imager.picture(view(1_000), 96, noise=False, marks=False)
    assert moved.std() > 0.85 * first.std()


def test_subtraction_shows_only_what_came():
    imager = Imager(SCENE, TABLES)
    imager.forget()
    mask = imager.subtracted(view(mas=4.0), 128, marks=False)
    assert (mask == 200).all()
    points = np.array([[30, 0, 30, 8.0]], np.float32)
    frame = imager.subtracted(view(mas=4.0, key=(1, 2), points=points), 128, marks=False).astype(float)
    column = row = int(64 - 30 / 0.7 * 128 / 300)
    assert frame[row, column] < 140
    frame[row - 5 : row + 6, column - 5 : column + 6] = 200
    assert abs(frame.mean() - 200) < 3 and abs(frame[55:73, 60:68].mean() - 200) < 4  # the bone is gone


# ---------------------------------------------------------------- markers


def test_sides_are_named_as_the_picture_shows_them():
    assert side_marks(0, 0) == ("L", "R")
    assert side_marks(25_000, 10_000) == ("L", "R") == side_marks(-25_000, 0)
    assert side_marks(90_000, 0) == ("ANT", "POST") and side_marks(-90_000, 0) == ("POST", "ANT")
    for primary in (0, 60_000, -60_000, 90_000, -90_000):
        pose = pose_of(CARM, primary, 0, (0, 0, 0), 0)
        left, right = side_marks(primary, 0)
        axis = {"L": (1, 0, 0), "R": (-1, 0, 0), "ANT": (0, -1, 0), "POST": (0, 1, 0)}
        assert np.dot(axis[right], pose.right) > 0 > np.dot(axis[left], pose.right)


def test_markers_are_burned_in():
    blank = np.full((256, 256), 128, np.uint8)
    marked = burn_in(blank.copy(), view(), "")
    assert (marked[:30, :30] > 200).any() and (marked[:30, -30:] > 200).any()
    assert (marked[40:200, 40:200] == 128).all()
    assert technique_text(view(-25_000, 5_000)).split() == ["25", "RIGHT", "5", "HEAD", "80KV", "0.20MAS"]


def test_alphabet_covers_what_is_written():
    for text in ("L", "R", "ANT", "POST", "^ HEAD", "FOOT LEFT RIGHT", "0123456789.", "KV MAS DSA"):
        for character in text.replace(" ", ""):
            assert glyph(character).any(), character
    assert text_width("AB", 2) == 22 and text_width("", 3) == 0


def test_stamps_outside_the_picture_are_cut():
    image = np.zeros((20, 20), np.uint8)
    for x, y in ((-8, -3), (17, 15), (40, 40), (-90, 3)):
        stamp(image, "L", x, y, 1)
    assert image.any()
