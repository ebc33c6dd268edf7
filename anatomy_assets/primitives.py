"""Signed distance primitives and the one interpreter that turns a table of them into a bone.

A bone is a packed float64 table (`rows`, ROW_WIDTH columns) plus a flat float64 array (`aux`) with the
parameters of every row. Rows are read in order; each is joined to what came before by a smooth union,
subtraction or intersection. Author frame of every bone: x anterior, y left, z up, mm.

Bit-stable: float64 with + - * / sqrt, abs, min, max only; angles enter as finished direction vectors.
The fields are not exact distances (smooth joins, elliptic sections); `redistance` makes them so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

F64 = NDArray[np.float64]

ROW_WIDTH = 9
TYPE, OP, BLEND, CX, CY, CZ, RADIUS, OFFSET, COUNT = range(ROW_WIDTH)
BODY, CHAIN, SHEET = 0, 1, 2
UNION, SUBTRACT, INTERSECT = 0, 1, 2
NODE_WIDTH = 9
SHEET_HEADER = 18
FAR = 1.0e3


@jit
def smooth_min(a: float, b: float, k: float) -> float:
    """Return the quadratic smooth minimum with blend length k (mm)."""
    m = min(a, b)
    if k <= 0.0:
        return m
    h = max(k - abs(a - b), 0.0)
    return m - h * h / (4.0 * k)


@jit
def round_max(a: float, b: float, r: float) -> float:
    """Return the intersection of two half-fields with an edge rounded by radius r (mm)."""
    u = max(a + r, 0.0)
    v = max(b + r, 0.0)
    return np.sqrt(u * u + v * v) + min(max(a, b) + r, 0.0) - r


@jit
def _mixed_norm(u: float, v: float, w: float, square: float) -> tuple[float, float, float, float]:
    """Return ((1-s) L2 + s L4) norm of (u, v, w) and its gradient: a super-ellipse without pow."""
    l2 = np.sqrt(u * u + v * v + w * w)
    if l2 < 1e-9:
        return 0.0, 1.0, 0.0, 0.0
    u3, v3, w3 = u * u * u, v * v * v, w * w * w
    l4 = np.sqrt(np.sqrt(u3 * u + v3 * v + w3 * w))
    i2 = (1.0 - square) / l2
    i4 = square / (l4 * l4 * l4)
    return (1.0 - square) * l2 + square * l4, u * i2 + u3 * i4, v * i2 + v3 * i4, w * i2 + w3 * i4


@jit
def body(a: F64, o: int, x: float, y: float, z: float) -> float:
    """Return the field of a vertebral body: waisted super-elliptic drum with concave, rimmed endplates."""
    height = a[o]
    t = min(max(z / height + 0.5, -0.1), 1.1)
    m = 2.0 * t - 1.0
    waist = max(1.0 - m * m, 0.0)
    waist = a[o + 22] * waist + (1.0 - a[o + 22]) * waist * waist
    spur = max(m * m - 0.55, 0.0) * 2.2 * a[o + 30]
    half_width = a[o + 1] + t * (a[o + 2] - a[o + 1]) - a[o + 11] * waist + spur
    front = a[o + 3] + t * (a[o + 4] - a[o + 3]) - a[o + 12] * waist + spur
    back = a[o + 5] + t * (a[o + 6] - a[o + 5]) - a[o + 13] * waist
    x = x - (a[o + 7] + t * (a[o + 8] - a[o + 7]))
    kidney = max(1.0 - (y / a[o + 17]) * (y / a[o + 17]), 0.0)
    if x > 0.0:
        depth = front
        square = a[o + 18]
    else:
        depth = back - a[o + 16] * kidney * kidney
        square = a[o + 19]
    rho, gu, gv, _ = _mixed_norm(x / depth, y / half_width, 0.0, square)
    gu /= depth
    gv /= half_width
    side = (rho - 1.0) / np.sqrt(gu * gu + gv * gv)
    dish = max(1.0 - (rho / a[o + 20]) * (rho / a[o + 20]), 0.0)
    dish *= dish
    xc = x + a[o + 7]
    s = min(max(xc / a[o + 31], -1.0), 1.0)
    loss_top = max(a[o + 23] + s * (a[o + 24] + s * a[o + 25]), 0.0)
    loss_bottom = max(a[o + 26] + s * (a[o + 27] + s * a[o + 28]), 0.0)
    top = z - 0.5 * height - a[o + 9] * xc + a[o + 14] * dish - a[o + 29] * y + loss_top
    bottom = -z - 0.5 * height + a[o + 10] * xc + a[o + 15] * dish - a[o + 29] * y + loss_bottom
    return round_max(side, max(top, bottom), a[o + 21])


@jit
def chain(a: F64, o: int, n: int, x: float, y: float, z: float) -> float:
    """Return the field of a swept ellipse: nodes x, y, z, half sizes along and across a direction, squareness."""
    best = FAR
    for i in range(n - 1):
        p = o + i * NODE_WIDTH
        q = p + NODE_WIDTH
        ex, ey, ez = a[q] - a[p], a[q + 1] - a[p + 1], a[q + 2] - a[p + 2]
        px, py, pz = x - a[p], y - a[p + 1], z - a[p + 2]
        e2 = ex * ex + ey * ey + ez * ez
        raw = (px * ex + py * ey + pz * ez) / e2
        s = min(max(raw, 0.0), 1.0)
        half_a = a[p + 3] + s * (a[q + 3] - a[p + 3])
        half_b = a[p + 4] + s * (a[q + 4] - a[p + 4])
        nx = a[p + 5] + s * (a[q + 5] - a[p + 5])
        ny = a[p + 6] + s * (a[q + 6] - a[p + 6])
        nz = a[p + 7] + s * (a[q + 7] - a[p + 7])
        along = (nx * ex + ny * ey + nz * ez) / e2
        nx, ny, nz = nx - along * ex, ny - along * ey, nz - along * ez
        inv = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx * inv, ny * inv, nz * inv
        length = np.sqrt(e2)
        over = (raw - s) * length
        bx, by, bz = (ey * nz - ez * ny) / length, (ez * nx - ex * nz) / length, (ex * ny - ey * nx) / length
        cap = min(half_a, half_b)
        rho, gu, gv, gw = _mixed_norm(
            (px * nx + py * ny + pz * nz) / half_a,
            (px * bx + py * by + pz * bz) / half_b,
            over / cap,
            a[p + 8],
        )
        gu /= half_a
        gv /= half_b
        gw /= cap
        best = min(best, (rho - 1.0) / np.sqrt(gu * gu + gv * gv + gw * gw))
    return best


@jit
def polygon(a: F64, o: int, n: int, u: float, v: float) -> float:
    """Return the signed distance (negative inside) to a closed polygon of n vertices (u, v)."""
    best = 1.0e12
    inside = False
    j = n - 1
    for i in range(n):
        ui, vi, uj, vj = a[o + 2 * i], a[o + 2 * i + 1], a[o + 2 * j], a[o + 2 * j + 1]
        eu, ev = uj - ui, vj - vi
        wu, wv = u - ui, v - vi
        s = min(max((wu * eu + wv * ev) / (eu * eu + ev * ev), 0.0), 1.0)
        du, dv = wu - s * eu, wv - s * ev
        best = min(best, du * du + dv * dv)
        if (vi > v) != (vj > v) and u < ui + eu * (v - vi) / ev:
            inside = not inside
        j = i
    d = np.sqrt(best)
    return -d if inside else d


@jit
def sheet(a: F64, o: int, x: float, y: float, z: float) -> float:
    """Return the field of a plate: polygon outline in (u, v), front and back faces as smooth height fields.

    Faces are cubic radial-basis surfaces sum(w r^3) + c0 + cu u + cv v through control points.
    """
    px, py, pz = x - a[o], y - a[o + 1], z - a[o + 2]
    u = a[o + 3] * px + a[o + 4] * py + a[o + 5] * pz
    v = a[o + 6] * px + a[o + 7] * py + a[o + 8] * pz
    w = a[o + 9] * px + a[o + 10] * py + a[o + 11] * pz
    w -= v * (a[o + 15] + v * (a[o + 16] + v * a[o + 17]))
    npoly = int(a[o + 12])
    nrbf = int(a[o + 13])
    r = a[o + 14]
    at = o + SHEET_HEADER
    edge = polygon(a, at, npoly, u, v)
    if edge > 12.0:
        return edge
    centres = at + 2 * npoly
    wf = centres + 2 * nrbf
    wb = wf + nrbf + 3
    front = a[wf + nrbf] + a[wf + nrbf + 1] * u + a[wf + nrbf + 2] * v
    back = a[wb + nrbf] + a[wb + nrbf + 1] * u + a[wb + nrbf + 2] * v
    for i in range(nrbf):
        du, dv = u - a[centres + 2 * i], v - a[centres + 2 * i + 1]
        d2 = du * du + dv * dv
        d3 = d2 * np.sqrt(d2)
        front += a[wf + i] * d3
        back += a[wb + i] * d3
    half = max(0.5 * (front - back), 0.6)
    mid = 0.5 * (front + back)
    return round_max(edge, abs(w - mid) - half, min(r, half))


@jit
def primitive(rows: F64, aux: F64, i: int, x: float, y: float, z: float) -> float:
    """Return the field of row i alone, never less than the distance to its bounding ball."""
    dx, dy, dz = x - rows[i, CX], y - rows[i, CY], z - rows[i, CZ]
    bound = np.sqrt(dx * dx + dy * dy + dz * dz) - rows[i, RADIUS]
    if bound > 10.0:
        return bound
    o = int(rows[i, OFFSET])
    kind = rows[i, TYPE]
    if kind == BODY:
        return max(bound, body(aux, o, dx, dy, dz))
    if kind == CHAIN:
        return max(bound, chain(aux, o, int(rows[i, COUNT]), x, y, z))
    return max(bound, sheet(aux, o, x, y, z))


@jit
def field(rows: F64, aux: F64, which: NDArray[np.int64], first: int, last: int, x: float, y: float, z: float) -> float:
    """Return the raw field of the rows which[first:last] of one bone at a point of its own frame."""
    d = FAR
    for n in range(first, last):
        i = which[n]
        k = rows[i, BLEND]
        b = primitive(rows, aux, i, x, y, z)
        if rows[i, OP] == UNION:
            d = smooth_min(d, b, k)
        elif rows[i, OP] == SUBTRACT:
            d = -smooth_min(-d, b, k)
        else:
            d = -smooth_min(-d, -b, k)
    return d


@jit
def select(
    rows: F64, aux: F64, first: int, last: int, x: float, y: float, z: float, reach: float,
    which: NDArray[np.int64], start: int,
) -> int:  # fmt: skip
    """Write the rows that can matter within `reach` of a point to `which` from `start`; return the end.

    A union row matters where it comes within its blend of the nearest union row, a subtraction where it
    comes within its blend of the surface; both with room for fields steeper than a distance.
    """
    nearest = FAR
    deepest = 0.0
    values = np.empty(last - first)
    for i in range(first, last):
        values[i - first] = primitive(rows, aux, i, x, y, z)
        if rows[i, OP] == UNION:
            nearest = min(nearest, values[i - first])
            deepest = max(deepest, rows[i, BLEND])
    room = 1.4 * reach
    end = start
    for i in range(first, last):
        b = values[i - first]
        k = rows[i, BLEND]
        if rows[i, OP] == UNION:
            keep = b - room <= nearest + room + k
        elif rows[i, OP] == SUBTRACT:
            keep = b - room <= k - (nearest - room - 0.5 * deepest)
        else:
            keep = True
        if keep:
            which[end] = i
            end += 1
    return end


@jit
def ripple(noise: F64, origin: F64, cell: float, x: float, y: float, z: float) -> float:
    """Return a smooth low-frequency displacement (mm): quadratic B-spline of a coarse random lattice."""
    total = 0.0
    u, v, w = (x - origin[0]) / cell, (y - origin[1]) / cell, (z - origin[2]) / cell
    i, j, k = int(np.floor(u)), int(np.floor(v)), int(np.floor(w))
    nx, ny, nz = noise.shape
    if i < 1 or j < 1 or k < 1 or i > nx - 2 or j > ny - 2 or k > nz - 2:
        return 0.0
    u, v, w = u - i, v - j, w - k
    for a in range(-1, 2):
        wa = 0.5 * (1 - u) * (1 - u) if a < 0 else (0.5 * u * u if a > 0 else 0.5 + u * (1 - u))
        for b in range(-1, 2):
            wb = 0.5 * (1 - v) * (1 - v) if b < 0 else (0.5 * v * v if b > 0 else 0.5 + v * (1 - v))
            for c in range(-1, 2):
                wc = 0.5 * (1 - w) * (1 - w) if c < 0 else (0.5 * w * w if c > 0 else 0.5 + w * (1 - w))
                total += wa * wb * wc * noise[i + a, j + b, k + c]
    return total


@jit
def near_field(
    rows: F64, aux: F64, which: NDArray[np.int64], count: int, noise: F64, origin: F64, cell: float,
    x: float, y: float, z: float,
) -> float:  # fmt: skip
    """Return the field of the rows which[:count] with the ripple of the surface."""
    a = field(rows, aux, which, 0, count, x, y, z)
    return a + ripple(noise, origin, cell, x, y, z) if abs(a) < 8.0 else a


@jit
def fill(
    rows: F64, aux: F64, noise: F64, noise_origin: F64, cell: float,
    grid: NDArray[np.float32], origin: F64, spacing: float, block: int, reach: float,
) -> None:  # fmt: skip
    """Fill `grid` with the rippled field near the surface; elsewhere with plus or minus `reach`.

    One sample per block decides whether its voxels are worth evaluating and which rows they need: composite
    fields rarely over-estimate, so `reach` only has to cover the block's half diagonal and the band.
    """
    nx, ny, nz = grid.shape
    half = 0.5 * (block - 1) * spacing
    diagonal = 1.7321 * half
    which = np.empty(rows.shape[0], np.int64)
    for bi in range(0, nx, block):
        for bj in range(0, ny, block):
            for bk in range(0, nz, block):
                x, y, z = origin[0] + bi * spacing, origin[1] + bj * spacing, origin[2] + bk * spacing
                x, y, z = x + half, y + half, z + half
                count = select(rows, aux, 0, rows.shape[0], x, y, z, diagonal, which, 0)
                d = near_field(rows, aux, which, count, noise, noise_origin, cell, x, y, z)
                near = abs(d) < reach
                for i in range(bi, min(bi + block, nx)):
                    for j in range(bj, min(bj + block, ny)):
                        for k in range(bk, min(bk + block, nz)):
                            if near:
                                grid[i, j, k] = near_field(
                                    rows, aux, which, count, noise, noise_origin, cell,
                                    origin[0] + i * spacing, origin[1] + j * spacing, origin[2] + k * spacing,
                                )  # fmt: skip
                            else:
                                grid[i, j, k] = reach if d > 0 else -reach
