"""Turn a raw field on a grid into true signed distance, with the surface placed between voxels.

Voxels next to the surface find their foot point on it by Newton steps on the trilinear field; every other
voxel takes the nearest foot found by its neighbours (closest-point propagation, raster sweeps). Serial and
float64: the same input gives the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


@jit
def _sample(grid: F32, u: float, v: float, w: float) -> float:
    """Return the trilinear value at voxel coordinates, clamped to the grid."""
    nx, ny, nz = grid.shape
    u = min(max(u, 0.0), nx - 1.001)
    v = min(max(v, 0.0), ny - 1.001)
    w = min(max(w, 0.0), nz - 1.001)
    i, j, k = int(u), int(v), int(w)
    u, v, w = u - i, v - j, w - k
    c00 = grid[i, j, k] * (1 - w) + grid[i, j, k + 1] * w
    c01 = grid[i, j + 1, k] * (1 - w) + grid[i, j + 1, k + 1] * w
    c10 = grid[i + 1, j, k] * (1 - w) + grid[i + 1, j, k + 1] * w
    c11 = grid[i + 1, j + 1, k] * (1 - w) + grid[i + 1, j + 1, k + 1] * w
    return (c00 * (1 - v) + c01 * v) * (1 - u) + (c10 * (1 - v) + c11 * v) * u


@jit
def _touches_surface(grid: F32, i: int, j: int, k: int) -> bool:
    """Return whether the field changes sign between this voxel and one of its 26 neighbours."""
    sign = grid[i, j, k] > 0.0
    for a in range(-1, 2):
        for b in range(-1, 2):
            for c in range(-1, 2):
                if (grid[i + a, j + b, k + c] > 0.0) != sign:
                    return True
    return False


@jit
def _foot(grid: F32, i: int, j: int, k: int, spacing: float) -> tuple[float, float, float]:
    """Return the foot point (voxel coordinates) of a voxel on the zero surface: three Newton steps."""
    u, v, w = float(i), float(j), float(k)
    e = 0.5
    for _ in range(3):
        f = _sample(grid, u, v, w)
        gx = (_sample(grid, u + e, v, w) - _sample(grid, u - e, v, w)) / (2 * e)
        gy = (_sample(grid, u, v + e, w) - _sample(grid, u, v - e, w)) / (2 * e)
        gz = (_sample(grid, u, v, w + e) - _sample(grid, u, v, w - e)) / (2 * e)
        g2 = max(gx * gx + gy * gy + gz * gz, 0.04 * spacing * spacing)
        step = min(max(f / g2, -2.0 / np.sqrt(g2)), 2.0 / np.sqrt(g2))
        u, v, w = u - step * gx, v - step * gy, w - step * gz
    return u, v, w


@jit
def seeds(grid: F32, spacing: float, index: I32) -> F64:
    """Mark voxels beside the surface in `index` and return their foot points (n, 3) in voxel coordinates."""
    nx, ny, nz = grid.shape
    count = 0
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if _touches_surface(grid, i, j, k):
                    index[i, j, k] = count
                    count += 1
    feet = np.empty((count, 3))
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                s = index[i, j, k]
                if s >= 0:
                    feet[s, 0], feet[s, 1], feet[s, 2] = _foot(grid, i, j, k, spacing)
    return feet


@jit
def _offsets(di: int, dj: int, dk: int) -> NDArray[np.int64]:
    """Return the 13 neighbours (13, 3) that a raster sweep in one direction has already visited."""
    out = np.empty((13, 3), np.int64)
    for n in range(13):
        out[n, 0] = -di if n < 9 else 0
        out[n, 1] = -dj * ((n // 3) - 1 if n < 9 else (1 if n < 12 else 0))
        out[n, 2] = -dk * ((n % 3) - 1 if n < 12 else 1)
    return out


@jit
def _sweep(index: I32, best: F32, feet: F64, di: int, dj: int, dk: int) -> None:
    """Carry nearest feet through the grid in one raster direction; a border of one voxel holds no feet."""
    nx, ny, nz = index.shape[0] - 2, index.shape[1] - 2, index.shape[2] - 2
    near = _offsets(di, dj, dk)
    i = 1 if di > 0 else nx
    for _ in range(nx):
        j = 1 if dj > 0 else ny
        for _ in range(ny):
            k = 1 if dk > 0 else nz
            for _ in range(nz):
                own = best[i, j, k]
                keep = index[i, j, k]
                for n in range(13):
                    s = index[i + near[n, 0], j + near[n, 1], k + near[n, 2]]
                    if s >= 0 and s != keep:
                        dx, dy, dz = feet[s, 0] - (i - 1), feet[s, 1] - (j - 1), feet[s, 2] - (k - 1)
                        d2 = dx * dx + dy * dy + dz * dz
                        if d2 < own:
                            own = d2
                            keep = s
                best[i, j, k] = own
                index[i, j, k] = keep
                k += dk
            j += dj
        i += di


@jit
def redistance(grid: F32, spacing: float, out: NDArray[np.int16]) -> int:
    """Write the signed distance (10 um) of the zero surface of `grid` to `out`; return the seed count."""
    nx, ny, nz = grid.shape
    index = np.full((nx + 2, ny + 2, nz + 2), -1, np.int32)
    inner = index[1:-1, 1:-1, 1:-1]
    feet = seeds(grid, spacing, inner)
    best = np.full((nx + 2, ny + 2, nz + 2), 1.0e9, np.float32)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                s = inner[i, j, k]
                if s >= 0:
                    dx, dy, dz = feet[s, 0] - i, feet[s, 1] - j, feet[s, 2] - k
                    best[i + 1, j + 1, k + 1] = dx * dx + dy * dy + dz * dz
    _sweep(index, best, feet, 1, 1, 1)
    _sweep(index, best, feet, -1, -1, -1)
    _sweep(index, best, feet, 1, -1, 1)
    _sweep(index, best, feet, -1, 1, -1)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                d = min(np.sqrt(float(best[i + 1, j + 1, k + 1])) * spacing * 100.0, 32000.0)
                out[i, j, k] = np.int16(np.floor(d + 0.5)) if grid[i, j, k] > 0.0 else -np.int16(np.floor(d + 0.5))
    return feet.shape[0]


@jit
def cortex_offset(rows: F64, x: float, y: float, z: float) -> float:
    """Return cortex thickness (mm) at a point: regions blended one after another.

    Row: kind, six numbers, thickness. kind 0: half space a.p + b (columns 1-4), 0..1 over column 5 mm.
    kind 1: ball at columns 1-3, radius column 4, soft edge column 5.
    """
    t = rows[0, 7]
    for r in range(1, rows.shape[0]):
        if rows[r, 0] < 0.5:
            s = (rows[r, 1] * x + rows[r, 2] * y + rows[r, 3] * z + rows[r, 4]) / rows[r, 5]
        else:
            dx, dy, dz = x - rows[r, 1], y - rows[r, 2], z - rows[r, 3]
            s = (rows[r, 4] - np.sqrt(dx * dx + dy * dy + dz * dz)) / rows[r, 5] + 0.5
        s = min(max(s, 0.0), 1.0)
        s = s * s * (3.0 - 2.0 * s)
        t += s * (rows[r, 7] - t)
    return t


@jit
def core_field(distance: NDArray[np.int16], origin: F64, spacing: float, rows: F64, out: F32) -> None:
    """Write the field of the cancellous core: distance + local cortex thickness."""
    nx, ny, nz = distance.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                d = (distance[i, j, k] + 0.25) * 0.01
                if -6.0 < d < 1.0:
                    x, y, z = origin[0] + i * spacing, origin[1] + j * spacing, origin[2] + k * spacing
                    out[i, j, k] = d + cortex_offset(rows, x, y, z)
                else:
                    out[i, j, k] = d
