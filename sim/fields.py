"""The patient's arrays laid flat for jitted code, and every question that feeds a score: distance, tissue, crossings, skin.

All queries use + - * / sqrt only (bit-stable) and return bounds, never false contacts, where no grid reaches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

F64 = NDArray[np.float64]


class Fields(NamedTuple):
    """Flat arrays of one phantom for jitted code."""

    bone_distance: NDArray[np.int16]  # all grids, C order, one after another
    bone_start: NDArray[np.int64]  # (nb,)
    bone_shape: NDArray[np.int64]  # (nb, 3)
    bone_origin: F64  # (nb, 3)
    bone_spacing: F64  # (nb,)
    bone_rotation: F64  # (nb, 3, 3)
    bone_translation: F64  # (nb, 3)
    labels: NDArray[np.uint8]
    label_origin: F64  # (3,)
    label_spacing: float
    tube_nodes: F64  # (n, 5): x, y, z, radius, half width of the flat part of a stadium section (0: round)
    tube_start: NDArray[np.int64]  # (nt + 1,)
    tube_kind: NDArray[np.int64]  # (nt,)
    tube_box: F64  # (nt, 6) low x y z, high x y z, including the radius
    skin_y: F64
    skin_x0: float
    skin_z0: float
    skin_step: float


def wide_nodes(nodes: F64) -> F64:
    """Return nodes (n, 5): a chain without half widths gets zeros (round)."""
    if nodes.shape[1] == 5:
        return np.asarray(nodes, np.float64)
    return np.concatenate([nodes, np.zeros((len(nodes), 1))], axis=1)


FAR_MM = 1.0e3
"""Distance reported where no bone grid reaches: a bound from its box, never a false contact."""


@jit
def bone_distance_one(f: Fields, b: int, x: float, y: float, z: float) -> float:
    """Return the signed distance (mm) of a patient-frame point to bone `b` (trilinear on its grid).

    Outside the grid the distance to the grid's box is returned (a positive lower bound of the true one is
    not needed there: the margin keeps it above the needle's radius).
    """
    r = f.bone_rotation[b]
    t = f.bone_translation[b]
    dx, dy, dz = x - t[0], y - t[1], z - t[2]
    h = f.bone_spacing[b]
    u = (r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz - f.bone_origin[b, 0]) / h
    v = (r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz - f.bone_origin[b, 1]) / h
    w = (r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz - f.bone_origin[b, 2]) / h
    nx, ny, nz = f.bone_shape[b, 0], f.bone_shape[b, 1], f.bone_shape[b, 2]
    if not (0.0 <= u <= nx - 1 and 0.0 <= v <= ny - 1 and 0.0 <= w <= nz - 1):
        ou = max(0.0, -u, u - (nx - 1))
        ov = max(0.0, -v, v - (ny - 1))
        ow = max(0.0, -w, w - (nz - 1))
        return float(4.0 + h * np.sqrt(ou * ou + ov * ov + ow * ow))
    i = min(int(u), nx - 2)
    j = min(int(v), ny - 2)
    k = min(int(w), nz - 2)
    u -= i
    v -= j
    w -= k
    base = f.bone_start[b] + (i * ny + j) * nz + k
    g = f.bone_distance
    sx, sy = ny * nz, nz
    c00 = g[base] * (1 - w) + g[base + 1] * w
    c01 = g[base + sy] * (1 - w) + g[base + sy + 1] * w
    c10 = g[base + sx] * (1 - w) + g[base + sx + 1] * w
    c11 = g[base + sx + sy] * (1 - w) + g[base + sx + sy + 1] * w
    return float(((c00 * (1 - v) + c01 * v) * (1 - u) + (c10 * (1 - v) + c11 * v) * u) * 0.01)


@jit
def bone_distance(f: Fields, x: float, y: float, z: float) -> tuple[float, int]:
    """Return (signed distance mm, bone index) of the nearest bone; (FAR_MM, -1) without bones."""
    best = 1.0e3
    which = -1
    for b in range(f.bone_start.shape[0]):
        d = bone_distance_one(f, b, x, y, z)
        if d < best:
            best = d
            which = b
    return best, which


@jit
def bone_normal(f: Fields, b: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return the unit outward normal of bone `b` near a point (central differences, 0.3 mm)."""
    e = 0.3
    gx = bone_distance_one(f, b, x + e, y, z) - bone_distance_one(f, b, x - e, y, z)
    gy = bone_distance_one(f, b, x, y + e, z) - bone_distance_one(f, b, x, y - e, z)
    gz = bone_distance_one(f, b, x, y, z + e) - bone_distance_one(f, b, x, y, z - e)
    n = np.sqrt(gx * gx + gy * gy + gz * gz)
    if n < 1e-12:
        return 0.0, 1.0, 0.0
    return gx / n, gy / n, gz / n


@jit
def voxel_of(f: Fields, x: float, y: float, z: float) -> int:
    """Return the flat index of the voxel that holds a point, -1 outside the grid."""
    h = f.label_spacing
    i = int(np.floor((x - f.label_origin[0]) / h + 0.5))
    j = int(np.floor((y - f.label_origin[1]) / h + 0.5))
    k = int(np.floor((z - f.label_origin[2]) / h + 0.5))
    nx, ny, nz = f.labels.shape
    if i < 0 or j < 0 or k < 0 or i >= nx or j >= ny or k >= nz:
        return -1
    return int((i * ny + j) * nz + k)


@jit
def tissue_at(f: Fields, x: float, y: float, z: float) -> int:
    """Return the label of the voxel that holds a patient-frame point; 0 (air) outside the volume."""
    voxel = voxel_of(f, x, y, z)
    if voxel < 0:
        return 0
    _, ny, nz = f.labels.shape
    return int(f.labels[voxel // (ny * nz), (voxel // nz) % ny, voxel % nz])


@jit
def wide_cone_distance(a: F64, b: F64, x: float, y: float, z: float) -> float:
    """Return the signed distance (mm) to one link of stadium section: nodes a, b (5,) of different y or z.

    The axis is a plane trapezoid, from a +- half width to b +- half width along x; what is measured is the exact
    distance to it less the radius at the nearest point.
    """
    dy, dz = b[1] - a[1], b[2] - a[2]
    long = np.sqrt(dy * dy + dz * dz)
    if long < 1e-9:
        long = 1e-9
    u = ((y - a[1]) * dy + (z - a[2]) * dz) / long
    out2 = max((y - a[1]) * (y - a[1]) + (z - a[2]) * (z - a[2]) - u * u, 0.0)  # off the trapezoid's plane
    px = x - a[0]
    low_a, high_a = -a[4], a[4]
    low_b, high_b = b[0] - a[0] - b[4], b[0] - a[0] + b[4]
    best2, at = 1.0e18, 0.0
    s = u / long
    if 0.0 <= s <= 1.0 and low_a + s * (low_b - low_a) <= px <= high_a + s * (high_b - high_a):
        best2, at = 0.0, s
    else:
        for edge in range(4):
            if edge == 0:
                x0, u0, x1, u1 = low_a, 0.0, high_a, 0.0
            elif edge == 1:
                x0, u0, x1, u1 = low_b, long, high_b, long
            elif edge == 2:
                x0, u0, x1, u1 = low_a, 0.0, low_b, long
            else:
                x0, u0, x1, u1 = high_a, 0.0, high_b, long
            ex, eu = x1 - x0, u1 - u0
            t = 0.0
            if ex * ex + eu * eu > 0.0:
                t = min(1.0, max(0.0, ((px - x0) * ex + (u - u0) * eu) / (ex * ex + eu * eu)))
            qx, qu = px - x0 - t * ex, u - u0 - t * eu
            d2 = qx * qx + qu * qu
            if d2 < best2:
                best2, at = d2, (u0 + t * eu) / long
    return float(np.sqrt(out2 + best2) - (a[3] + at * (b[3] - a[3])))


@jit
def tube_distance(f: Fields, t: int, x: float, y: float, z: float) -> float:
    """Return the signed distance (mm) to the wall of tube `t`, negative inside (linear radius and half width)."""
    best = 1.0e9
    for n in range(f.tube_start[t], f.tube_start[t + 1] - 1):
        if f.tube_nodes[n, 4] > 0.0 or f.tube_nodes[n + 1, 4] > 0.0:
            best = min(best, wide_cone_distance(f.tube_nodes[n], f.tube_nodes[n + 1], x, y, z))
            continue
        ax, ay, az, ar = f.tube_nodes[n, 0], f.tube_nodes[n, 1], f.tube_nodes[n, 2], f.tube_nodes[n, 3]
        dx, dy, dz = f.tube_nodes[n + 1, 0] - ax, f.tube_nodes[n + 1, 1] - ay, f.tube_nodes[n + 1, 2] - az
        px, py, pz = x - ax, y - ay, z - az
        length2 = dx * dx + dy * dy + dz * dz
        s = 0.0
        if length2 > 0.0:
            s = (px * dx + py * dy + pz * dz) / length2
            s = min(1.0, max(0.0, s))
        qx, qy, qz = px - s * dx, py - s * dy, pz - s * dz
        d = np.sqrt(qx * qx + qy * qy + qz * qz) - (ar + s * (f.tube_nodes[n + 1, 3] - ar))
        best = min(best, d)
    return best


@jit
def tube_box_gap(f: Fields, t: int, x: float, y: float, z: float) -> float:
    """Return how far (mm, max norm) a point is outside the box of tube `t`; 0 inside: a cheap first test."""
    b = f.tube_box[t]
    gap = max(b[0] - x, x - b[3])
    gap = max(gap, b[1] - y, y - b[4])
    return float(max(gap, b[2] - z, z - b[5], 0.0))


@jit
def skin_y(f: Fields, x: float, z: float) -> float:
    """Return y (mm) of the skin of the back at (x, z), bilinear, clamped at the border of the height field."""
    nx, nz = f.skin_y.shape
    u = min(max((x - f.skin_x0) / f.skin_step, 0.0), nx - 1.000001)
    w = min(max((z - f.skin_z0) / f.skin_step, 0.0), nz - 1.000001)
    i = int(u)
    k = int(w)
    u -= i
    w -= k
    a = f.skin_y[i, k] * (1 - w) + f.skin_y[i, k + 1] * w
    b = f.skin_y[i + 1, k] * (1 - w) + f.skin_y[i + 1, k + 1] * w
    return float(a * (1 - u) + b * u)


@jit
def label_changes(f: Fields, p: F64, q: F64) -> tuple[F64, NDArray[np.int64]]:
    """Return (where 0..1, new label) for each voxel face on p -> q at which the label changes.

    Grid traversal (Amanatides and Woo 1987): every voxel on the segment is visited, in order.
    """
    h = f.label_spacing
    nx, ny, nz = f.labels.shape
    a = np.empty(3)
    d = np.empty(3)
    cell = np.empty(3, np.int64)
    nxt = np.empty(3)
    inc = np.empty(3)
    way = np.empty(3, np.int64)
    for c in range(3):
        a[c] = (p[c] - f.label_origin[c]) / h + 0.5
        d[c] = (q[c] - p[c]) / h
        cell[c] = int(np.floor(a[c]))
        if d[c] > 0.0:
            way[c] = 1
            nxt[c] = (cell[c] + 1 - a[c]) / d[c]
            inc[c] = 1.0 / d[c]
        elif d[c] < 0.0:
            way[c] = -1
            nxt[c] = (cell[c] - a[c]) / d[c]
            inc[c] = -1.0 / d[c]
        else:
            way[c] = 0
            nxt[c] = 2.0
            inc[c] = 2.0
    steps = int(abs(d[0]) + abs(d[1]) + abs(d[2])) + 4
    where = np.empty(steps)
    what = np.empty(steps, np.int64)
    count = 0
    label = tissue_at(f, p[0], p[1], p[2])
    for _ in range(steps):
        c = 0
        if nxt[1] < nxt[c]:
            c = 1
        if nxt[2] < nxt[c]:
            c = 2
        t = nxt[c]
        if t > 1.0:
            break
        cell[c] += way[c]
        nxt[c] += inc[c]
        new = 0
        if 0 <= cell[0] < nx and 0 <= cell[1] < ny and 0 <= cell[2] < nz:
            new = int(f.labels[cell[0], cell[1], cell[2]])
        if new != label:
            where[count] = t
            what[count] = new
            count += 1
            label = new
    return where[:count].copy(), what[:count].copy()


def skin_entry(f: Fields, target_mm: F64, outward: F64) -> F64:
    """Return where the straight line from a target along `outward` (unit, towards the skin) leaves the back.

    Marches in 1 mm steps and bisects to 1 um; the target itself when the line never leaves (300 mm).
    """
    inside, outside = 0.0, -1.0
    for step in range(1, 301):
        p = target_mm + outward * float(step)
        if p[1] >= skin_y(f, p[0], p[2]):
            outside = float(step)
            break
        inside = float(step)
    if outside < 0.0:
        return target_mm
    while outside - inside > 1e-3:
        middle = 0.5 * (inside + outside)
        p = target_mm + outward * middle
        if p[1] >= skin_y(f, p[0], p[2]):
            outside = middle
        else:
            inside = middle
    return np.asarray(target_mm + outward * outside, np.float64)
