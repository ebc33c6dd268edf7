"""A small solver of the Pennes equation on a cubic grid: what bone and CSF do to a lesion. Pictures and docs, never a score.

    rho c dT/dt = div(k grad T) + rho c w (T_body - T) + P q,     q = sigma |grad phi|^2,   div(sigma grad phi) = 0

T (C), k (W/m/K), rho c (J/m3/K), w (1/s): renewal of the tissue's content by blood or moving CSF. phi is 1 on the electrode
and 0 on the border of the grid; the generator sets the power P so that the electrode keeps its set temperature. Finite
volumes, harmonic means on faces, explicit in time, float64 in a fixed order: same bits everywhere. The border keeps
its temperature. H. H. Pennes, J Appl Physiol 1948;1:93.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Material:
    """Properties of one tissue. exchange_per_s: share of its content renewed at body temperature per second."""

    conductivity_w_m_k: float
    density_kg_m3: float
    heat_j_kg_k: float
    exchange_per_s: float
    electric_s_m: float


@dataclass(frozen=True)
class Grid:
    """Cell arrays (nx, ny, nz) on a cubic grid of `spacing_m`: k, rho c, w, sigma; metal: cells of the electrode."""

    spacing_m: float
    k: F64
    rho_c: F64
    exchange: F64
    sigma: F64
    metal: U8

    @property
    def stable_s(self) -> float:
        """Return the longest stable time step: every weight of the explicit scheme stays positive."""
        inner = self.rho_c / (6.0 * self.k / (self.spacing_m * self.spacing_m) + self.exchange * self.rho_c)
        return 0.9 * float(inner.min())


METAL = Material(conductivity_w_m_k=15.0, density_kg_m3=8000.0, heat_j_kg_k=500.0, exchange_per_s=0.0, electric_s_m=1.0e6)
"""Steel, order of size. Only the shape of the electrode matters: it is one temperature."""


def make_grid(labels: U8, materials: list[Material], metal: U8, spacing_m: float) -> Grid:
    """Return the grid of a label volume (index into materials) with an electrode."""
    table = np.array(
        [[m.conductivity_w_m_k, m.density_kg_m3 * m.heat_j_kg_k, m.exchange_per_s, m.electric_s_m] for m in materials], np.float64
    )
    field = table[labels]
    k, rho_c, w, sigma = (np.ascontiguousarray(field[..., i]) for i in range(4))
    return Grid(spacing_m, k, rho_c, w, sigma, metal)


@jit
def _face(a: float, b: float) -> float:
    return 2.0 * a * b / (a + b) if a + b > 0.0 else 0.0


@jit
def relax(sigma: F64, metal: U8, phi: F64, sweeps: int, over: float) -> float:
    """Solve div(sigma grad phi) = 0 in place (SOR, fixed order), phi = 1 on metal, border as given; return the last change."""
    nx, ny, nz = phi.shape
    change = 0.0
    for _ in range(sweeps):
        change = 0.0
        for i in range(1, nx - 1):
            for j in range(1, ny - 1):
                for k in range(1, nz - 1):
                    if metal[i, j, k]:
                        continue
                    s, here = 0.0, sigma[i, j, k]
                    total = 0.0
                    for axis in range(3):
                        for way in (-1, 1):
                            a = i + way if axis == 0 else i
                            b = j + way if axis == 1 else j
                            c = k + way if axis == 2 else k
                            g = 2.0 * here if metal[a, b, c] else _face(here, sigma[a, b, c])
                            s += g * phi[a, b, c]
                            total += g
                    step = over * (s / total - phi[i, j, k])
                    phi[i, j, k] += step
                    change = max(change, abs(step))
    return change


@jit
def joule(sigma: F64, metal: U8, phi: F64, spacing: float) -> F64:
    """Return q = sigma |grad phi|^2 per cell (W/m3 for 1 V): half of each face's loss to either side, all of it off metal."""
    nx, ny, nz = phi.shape
    q = np.zeros(phi.shape)
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if metal[i, j, k]:
                    continue
                here = sigma[i, j, k]
                for axis in range(3):
                    for way in (-1, 1):
                        a = i + way if axis == 0 else i
                        b = j + way if axis == 1 else j
                        c = k + way if axis == 2 else k
                        d = phi[a, b, c] - phi[i, j, k]
                        if metal[a, b, c]:
                            q[i, j, k] += 2.0 * here * d * d / (spacing * spacing)
                        else:
                            other = sigma[a, b, c]
                            g = _face(here, other)
                            q[i, j, k] += g * d * d / (spacing * spacing) * other / (here + other)
    return q


@jit
def step_heat(
    t: F64, new: F64, k: F64, rho_c: F64, exchange: F64, q: F64, metal: U8, spacing: float, dt: float, power: float, body: float
) -> tuple[float, float]:
    """Take one explicit step from t to new; return (heat taken by blood or CSF, heat lost through the border), J.

    Metal cells take part in conduction with the tissue's figures and are then set to their mean: one temperature.
    """
    nx, ny, nz = t.shape
    area, volume = spacing * spacing, spacing * spacing * spacing
    taken = lost = warm = 0.0
    count = 0
    new[:] = t
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for c in range(1, nz - 1):
                here, kk = t[i, j, c], k[i, j, c]
                flux = _face(kk, k[i - 1, j, c]) * (t[i - 1, j, c] - here)
                flux += _face(kk, k[i + 1, j, c]) * (t[i + 1, j, c] - here)
                flux += _face(kk, k[i, j - 1, c]) * (t[i, j - 1, c] - here)
                flux += _face(kk, k[i, j + 1, c]) * (t[i, j + 1, c] - here)
                flux += _face(kk, k[i, j, c - 1]) * (t[i, j, c - 1] - here)
                flux += _face(kk, k[i, j, c + 1]) * (t[i, j, c + 1] - here)
                if i == 1:
                    lost -= _face(kk, k[0, j, c]) * (t[0, j, c] - here) * spacing * dt
                if i == nx - 2:
                    lost -= _face(kk, k[nx - 1, j, c]) * (t[nx - 1, j, c] - here) * spacing * dt
                if j == 1:
                    lost -= _face(kk, k[i, 0, c]) * (t[i, 0, c] - here) * spacing * dt
                if j == ny - 2:
                    lost -= _face(kk, k[i, ny - 1, c]) * (t[i, ny - 1, c] - here) * spacing * dt
                if c == 1:
                    lost -= _face(kk, k[i, j, 0]) * (t[i, j, 0] - here) * spacing * dt
                if c == nz - 2:
                    lost -= _face(kk, k[i, j, nz - 1]) * (t[i, j, nz - 1] - here) * spacing * dt
                sink = rho_c[i, j, c] * exchange[i, j, c] * (here - body)
                taken += sink * volume * dt
                new[i, j, c] = here + dt * (flux / area + power * q[i, j, c] - sink) / rho_c[i, j, c]
                if metal[i, j, c]:
                    warm += new[i, j, c]
                    count += 1
    if count:
        for i in range(1, nx - 1):
            for j in range(1, ny - 1):
                for c in range(1, nz - 1):
                    if metal[i, j, c]:
                        new[i, j, c] = warm / count
    return taken, lost


@jit
def _run(
    t: F64, k: F64, rho_c: F64, exchange: F64, q: F64, metal: U8, spacing: float, dt: float, steps: int, goal: float, ramp: float,
    body: float, trace: F64,
) -> F64:  # fmt: skip
    """Heat for `steps`, the power following the electrode (PI control) up a ramp to the goal; return the last field."""
    new = t.copy()
    mi, mj, mk = 0, 0, 0
    for i in range(t.shape[0]):
        for j in range(t.shape[1]):
            for c in range(t.shape[2]):
                if metal[i, j, c]:
                    mi, mj, mk = i, j, c
    total = 0.0
    for step in range(steps):
        wanted = min(goal, body + ramp * step * dt)
        error = wanted - t[mi, mj, mk]
        total = max(total + error * dt / 15.0, 0.0)
        power = max((error + total) * trace[0, 0], 0.0)
        step_heat(t, new, k, rho_c, exchange, q, metal, spacing, dt, power, body)
        t, new = new, t
        trace[step, 1] = t[mi, mj, mk]
        trace[step, 2] = power
    return t


def heat(grid: Grid, goal_c: float, seconds: float, body_c: float = 37.0, ramp_c_per_s: float = 3.0) -> tuple[F64, F64]:
    """Return (temperature (C) after `seconds`, trace (n, 3): time, electrode C, power factor) of a controlled lesion.

    Time counts from switching on, the ramp included.
    """
    phi = grid.metal.astype(np.float64)
    for _ in range(20):
        if relax(grid.sigma, grid.metal, phi, 40, 1.85) < 1e-5:
            break
    q = joule(grid.sigma, grid.metal, phi, grid.spacing_m)
    dt = grid.stable_s
    steps = int(np.ceil(seconds / dt))
    dt = seconds / steps
    trace = np.zeros((steps, 3))
    trace[0, 0] = gain(grid, q)
    field = np.full(grid.k.shape, body_c)
    field = _run(
        field, grid.k, grid.rho_c, grid.exchange, q, grid.metal, grid.spacing_m, dt, steps, goal_c, ramp_c_per_s, body_c, trace
    )
    trace[:, 0] = dt * np.arange(1, steps + 1)
    return field, trace


def gain(grid: Grid, q: F64) -> float:
    """Return the power factor per degree of error: it warms the tissue at the electrode by one degree per second."""
    hottest = float((q / grid.rho_c).max())
    return 1.0 / hottest if hottest > 0.0 else 0.0


def width_at(field: F64, spacing_m: float, level_c: float, i: int, j: int, k: int, axis: int) -> float:
    """Return the extent (mm) above `level_c` along `axis` through cell (i, j, k), linear between cells."""
    line = field[:, j, k] if axis == 0 else field[i, :, k] if axis == 1 else field[i, j, :]
    at = (i, j, k)[axis]
    if line[at] < level_c:
        return 0.0
    total = 0.0
    for way in (-1, 1):
        n = at
        while 0 < n < len(line) - 1 and line[n + way] >= level_c:
            n += way
        part = 0.0
        if 0 <= n + way < len(line):
            part = float((line[n] - level_c) / (line[n] - line[n + way]))
        total += abs(n - at) + part
    return total * spacing_m * 1000.0
