"""Scatter behind a trunk, with and without an anti-scatter grid: a table of a Monte Carlo, as kernels and as ratios.

scenarios/data/scatter.csv (scripts/slab_monte_carlo.py) holds, for slabs of water in the C-arm's own geometry, what a field of
each radius scatters onto its axis, over the primary there. The difference between two radii is what a ring scatters, so
that the same numbers are the kernel of pictures and the scatter that the exposure control meets. Pictures and the scored core
both read it: + - * / and sqrt only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

SAMPLES = 4


@dataclass(frozen=True, eq=False)
class Scatter:
    """Scatter over primary on the axis: rows by thickness_mm, columns by radius_mm of the field at the receptor.

    plain: without grid; gridded: with it, scatter and primary both behind it.
    """

    thickness_mm: F64
    radius_mm: F64
    plain: F64
    gridded: F64


def place(values: F64, x: float) -> tuple[int, float]:
    """Return (i, t): x lies at t between values[i] and values[i + 1], clamped to the ends."""
    if x <= values[0]:
        return 0, 0.0
    for i in range(1, len(values)):
        if x <= values[i]:
            return i - 1, (x - float(values[i - 1])) / float(values[i] - values[i - 1])
    return len(values) - 2, 1.0


def spr_at(table: Scatter, water_mm: float, radius_mm: float, grid: bool) -> float:
    """Return scatter over primary on the axis of a field behind a thickness, linear between the tabulated ones."""
    spr = table.gridded if grid else table.plain
    i, t = place(table.thickness_mm, water_mm)
    if radius_mm < table.radius_mm[0]:
        j, u, near = 0, 0.0, (radius_mm / float(table.radius_mm[0])) ** 2
    else:
        (j, u), near = place(table.radius_mm, radius_mm), 1.0
    low = float(spr[i, j]) * (1.0 - u) + float(spr[i, j + 1]) * u
    high = float(spr[i + 1, j]) * (1.0 - u) + float(spr[i + 1, j + 1]) * u
    return (low * (1.0 - t) + high * t) * near


def rings(table: Scatter, grid: bool) -> F64:
    """Return the kernel: scatter per mm2 of each ring, rows by thickness, columns as radius_mm."""
    spr = table.gridded if grid else table.plain
    area = np.pi * np.diff(np.concatenate([[0.0], table.radius_mm**2]))
    return np.asarray(np.diff(np.concatenate([np.zeros((len(spr), 1)), spr], axis=1), axis=1) / area, np.float64)


@jit
def cell_kernels(kernel: F64, radius_mm: F64, cell_mm: float, out: F32) -> None:
    """Fill out (nt, g, g) with what a cell scatters into the cell (i, j) away: the rings' mean over the cell, times its area."""
    count, g = out.shape[0], out.shape[1]
    for i in range(g):
        for j in range(g):
            for t in range(count):
                out[t, i, j] = 0.0
            for a in range(SAMPLES):
                for b in range(SAMPLES):
                    y = (i + (a + 0.5) / SAMPLES - 0.5) * cell_mm
                    x = (j + (b + 0.5) / SAMPLES - 0.5) * cell_mm
                    r = np.sqrt(x * x + y * y)
                    k = 0
                    while k < radius_mm.shape[0] and radius_mm[k] < r:
                        k += 1
                    if k < radius_mm.shape[0]:
                        for t in range(count):
                            out[t, i, j] += np.float32(kernel[t, k] * cell_mm * cell_mm / (SAMPLES * SAMPLES))


@lru_cache(maxsize=8)
def kernels_of(table: Scatter, grid: bool, count: int, cell_mm: float) -> F32:
    """Return the kernels between cells, (nt, g, 2 g - 1): by thickness, rows away, columns away from -(g - 1) to g - 1."""
    half = np.empty((len(table.thickness_mm), count, count), np.float32)
    cell_kernels(rings(table, grid), table.radius_mm, cell_mm, half)
    return np.concatenate([half[:, :, :0:-1], half], axis=2)


@jit
def scatter_field(primary: F32, water: F32, thickness_mm: F64, kernels: F32, out: F32) -> None:
    """Fill out (g, g) with scatter: each cell spreads its primary by the kernel of its own water-equivalent thickness.

    kernels: as `kernels_of`.
    """
    g = primary.shape[0]
    count = thickness_mm.shape[0]
    out[:] = 0.0
    for i in range(g):
        for j in range(g):
            if primary[i, j] <= 0.0 or water[i, j] <= 0.0:
                continue
            k = 0
            while k < count - 2 and thickness_mm[k + 1] < water[i, j]:
                k += 1
            t = np.float32((water[i, j] - thickness_mm[k]) / (thickness_mm[k + 1] - thickness_mm[k]))
            t = min(max(t, np.float32(0.0)), np.float32(1.0))
            thin = min(np.float32(1.0), water[i, j] / np.float32(thickness_mm[0]))
            low, high = primary[i, j] * (1 - t) * thin, primary[i, j] * t * thin
            for y in range(g):
                near, far = kernels[k, abs(y - i), g - 1 - j :], kernels[k + 1, abs(y - i), g - 1 - j :]
                line = out[y]
                for x in range(g):
                    line[x] += low * near[x] + high * far[x]
