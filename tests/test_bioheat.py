"""The bioheat solver against solutions on paper, the balance of energy, and what bone and CSF do."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scenarios.toolbox import load_materials
from sim.bioheat import Grid, Material, gain, heat, joule, make_grid, relax, step_heat, width_at

ROOT = Path(__file__).resolve().parent.parent
MUSCLE = load_materials()["muscle"]


def cells(n: int, h: float):
    x = (np.arange(n) - (n - 1) / 2) * h
    return np.meshgrid(x, x, x, indexing="ij")


def even(n: int, h: float, material: Material = MUSCLE, metal=None) -> Grid:
    return make_grid(np.zeros((n, n, n), np.uint8), [material], np.zeros((n, n, n), np.uint8) if metal is None else metal, h)


def march(grid: Grid, t, q, power: float, seconds: float, body: float = 37.0):
    """Return (field after `seconds`, heat taken by blood, heat lost through the border), J."""
    steps = max(math.ceil(seconds / grid.stable_s), 1)
    dt = seconds / steps
    new, taken, lost = t.copy(), 0.0, 0.0
    for _ in range(steps):
        a, b = step_heat(t, new, grid.k, grid.rho_c, grid.exchange, q, grid.metal, grid.spacing_m, dt, power, body)
        t, new, taken, lost = new, t, taken + a, lost + b
    return t, taken, lost


def ball(n: int, h: float, radius: float):
    x, y, z = cells(n, h)
    r = np.sqrt(x * x + y * y + z * z)
    return r, (r <= radius).astype(np.float64)


def test_heat_from_a_sphere_in_steady_state():
    """Outside a source of W watts T - T0 = W / (4 pi k r); inside a ball heated evenly W (3 a2 - r2) / (8 pi k a3)."""
    n, h, a = 41, 0.5e-3, 3e-3
    r, q = ball(n, h, a)
    watts = q.sum() * h**3
    a = (3.0 * watts / (4.0 * math.pi)) ** (1.0 / 3.0)  # radius of the ball of the same volume
    k = MUSCLE.conductivity_w_m_k
    with np.errstate(divide="ignore"):
        exact = np.where(r >= a, watts / (4 * math.pi * k * r), watts * (3 * a * a - r * r) / (8 * math.pi * k * a**3))
    scale = 40.0 / exact.max()
    start = 37.0 + scale * exact  # the border keeps the exact values; the inside has to find its way back to them
    start[1:-1, 1:-1, 1:-1] = 37.0
    t, _, _ = march(even(n, h), start, q, scale, 800.0)
    error = np.abs(t - 37.0 - scale * exact)
    assert error[r > 1.3 * a].max() < 0.1  # K, of 40
    assert error.max() < 0.6  # at the edge of a ball made of cubes


def test_a_sphere_of_metal_is_one_temperature_and_follows_the_same_law():
    n, h, a = 41, 0.5e-3, 3e-3
    r, q = ball(n, h, a)
    watts, k = q.sum() * h**3, MUSCLE.conductivity_w_m_k
    far = 37.0 + watts * 1e6 / (4 * math.pi * k * np.maximum(r, a))
    start = far.copy()
    start[1:-1, 1:-1, 1:-1] = 37.0
    t, _, _ = march(even(n, h, metal=q.astype(np.uint8)), start, q, 1e6, 800.0)
    inside = t[q > 0]
    assert np.ptp(inside) == 0.0
    assert inside[0] - 37.0 == pytest.approx(watts * 1e6 / (4 * math.pi * k * a), rel=0.05)  # the ball is made of cubes
    assert np.abs(t - far)[r > 1.5 * a].max() < 0.01 * (inside[0] - 37.0)


def test_blood_flow_shortens_the_reach():
    """With exchange w the field falls as exp(-r / L) / r with L = sqrt(k / (rho c w)) (steady Pennes equation)."""
    n, h = 49, 0.5e-3
    flow = Material(0.49, 1090.0, 3421.0, 0.01, 0.4)
    r, q = ball(n, h, 1e-3)
    length = math.sqrt(flow.conductivity_w_m_k / (flow.density_kg_m3 * flow.heat_j_kg_k * flow.exchange_per_s))
    t, _, _ = march(even(n, h, flow), np.full((n, n, n), 37.0), q, 2e7, 400.0)
    shell = (r > 2.5e-3) & (r < 6e-3)
    law = np.exp(-r[shell] / length) / r[shell]
    ratio = (t[shell] - 37.0) / law
    assert ratio.std() / ratio.mean() < 0.02
    assert length == pytest.approx(3.62e-3, rel=0.01)


def test_a_warm_spot_spreads_as_on_paper():
    """A Gaussian of variance s2 becomes one of variance s2 + 2 D t."""
    n, h, s2, seconds = 49, 0.5e-3, 4e-6, 10.0
    x, y, z = cells(n, h)
    r2 = x * x + y * y + z * z
    d = MUSCLE.conductivity_w_m_k / (MUSCLE.density_kg_m3 * MUSCLE.heat_j_kg_k)
    t, _, _ = march(even(n, h), 37.0 + 40.0 * np.exp(-r2 / (2 * s2)), np.zeros((n, n, n)), 0.0, seconds)
    wide = s2 + 2 * d * seconds
    exact = 37.0 + 40.0 * (s2 / wide) ** 1.5 * np.exp(-r2 / (2 * wide))
    assert np.abs(t - exact).max() < 0.1


def test_energy_is_balanced():
    """What the generator gives is in the tissue, in the blood or beyond the border."""
    n, h = 25, 0.5e-3
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, (n, n, n)).astype(np.uint8)
    rows = load_materials()
    materials = [rows["muscle, perfused"], rows["bone"], rows["csf"], rows["fat"]]
    metal = np.zeros((n, n, n), np.uint8)
    metal[12, 12, 8:17] = 1
    labels[metal == 1] = 0
    grid = make_grid(labels, materials, metal, h)
    phi = metal.astype(np.float64)
    relax(grid.sigma, metal, phi, 300, 1.8)
    q = joule(grid.sigma, metal, phi, h)
    power = 2.0 * gain(grid, q)
    t, taken, lost = march(grid, np.full((n, n, n), 37.0), q, power, 20.0)
    steps = max(math.ceil(20.0 / grid.stable_s), 1)
    given = power * q.sum() * h**3 * (20.0 / steps) * steps
    stored = ((t - 37.0) * grid.rho_c).sum() * h**3
    assert taken > 0 and lost > 0
    assert stored + taken + lost == pytest.approx(given, rel=1e-9)


def test_current_of_a_sphere():
    """phi = a / r (1 - r / b) / (1 - a / b) between a sphere and a far one: q falls with the fourth power of the distance."""
    n, h = 41, 0.5e-3
    r, inside = ball(n, h, 2e-3)
    metal = inside.astype(np.uint8)
    grid = even(n, h, metal=metal)
    phi = 2e-3 / np.maximum(r, 2e-3)
    phi[1:-1, 1:-1, 1:-1] = metal[1:-1, 1:-1, 1:-1]
    assert relax(grid.sigma, metal, phi, 400, 1.85) < 1e-9
    q = joule(grid.sigma, metal, phi, h)
    shell = (r > 4e-3) & (r < 8e-3)
    law = q[shell] * r[shell] ** 4
    assert law.std() / law.mean() < 0.03


def electrode(n: int, h: float, tip: float = 5e-3, radius: float = 0.36e-3):
    """Return a 22G tip along z in the middle (volume of cells near that of the tip)."""
    x, y, z = cells(n, h)
    return ((x * x + y * y <= (radius + 0.25 * h) ** 2) & (np.abs(z) <= tip / 2)).astype(np.uint8)


def lesion(side: str | None, seconds: float = 60.0, n: int = 40, h: float = 0.5e-3):
    """Return (field, half-widths at 55 C towards -x and +x, mm) with a material from 1.5 mm beside the electrode on (+x)."""
    rows = load_materials()
    x, _, _ = cells(n, h)
    labels = ((x > 1.5e-3) & (side is not None)).astype(np.uint8)
    metal = electrode(n, h)
    grid = make_grid(labels, [rows["muscle"], rows[side or "muscle"]], metal, h)
    field, trace = heat(grid, 80.0, seconds)
    return field, trace


def reach(field, n: int = 40, h: float = 0.5e-3, level: float = 50.0):
    """Return how far the isotherm lies from the axis of the electrode towards -x and +x (mm)."""
    j = n // 2
    line, x = field[:, j, j], (np.arange(n) - (n - 1) / 2) * h
    left = float(np.interp(level, line[: n // 2], x[: n // 2]))
    right = float(np.interp(-level, -line[n // 2 :], x[n // 2 :]))
    return -1000 * left, 1000 * right


@pytest.fixture(scope="module")
def fields():
    return {side: lesion(side) for side in (None, "bone", "csf")}


def test_the_electrode_keeps_its_temperature(fields):
    for field, trace in fields.values():
        late = trace[trace[:, 0] > 40.0, 1]
        assert np.abs(late - 80.0).max() < 1.5
        assert field.max() < 95.0
        assert (trace[:, 2] >= 0.0).all()


def test_bone_insulates_and_csf_cools(fields):
    """Bone turns the lesion towards the soft tissue; CSF takes the heat away and shrinks it on both sides."""
    left, right = reach(fields[None][0])
    assert left == pytest.approx(right, rel=1e-3)
    bone_left, bone_right = reach(fields["bone"][0])
    assert bone_left > left + 0.2
    assert bone_right < right - 0.1
    csf_left, csf_right = reach(fields["csf"][0])
    assert csf_left < left - 0.1
    assert csf_right < 0.7 * right
    j, at = 20, 20 + 5  # 2.75 mm from the axis, in the bone or in the fluid
    assert fields["csf"][0][at, j, j] < fields[None][0][at, j, j] - 8.0


def test_growth_with_time_and_width_at_a_level():
    field, _ = lesion(None, 30.0)
    later, _ = lesion(None, 60.0)
    j = 20
    assert 0.0 < width_at(field, 0.5e-3, 50.0, j, j, j, 0) < width_at(later, 0.5e-3, 50.0, j, j, j, 0)
    assert width_at(later, 0.5e-3, 99.0, j, j, j, 0) == 0.0


def digest_of_field() -> str:
    """Return SHA-256 over the exact bits of a small lesion beside bone."""
    field, trace = lesion("bone", 3.0, n=12, h=1.0e-3)
    return hashlib.sha256(field.tobytes() + trace.tobytes()).hexdigest()


def test_same_bits_interpreted_and_for_another_cpu():
    here = digest_of_field()
    for environment in ({"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_CPU_NAME": "generic"}):
        done = subprocess.run(
            [sys.executable, "-c", "from tests.test_bioheat import digest_of_field; print(digest_of_field())"],
            capture_output=True, text=True, cwd=ROOT, env=os.environ | environment, check=False,
        )  # fmt: skip
        assert done.stdout.strip() == here, done.stderr[-2000:]
