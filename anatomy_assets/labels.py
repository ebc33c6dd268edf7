"""Kernels that paint the tissue volume: trunk, canal, foramina, discs, joints, bones, tubes.

Painted in order, later strokes over earlier ones. Serial, float64 with + - * / sqrt only: labels enter the
content hash. Voxel (i, j, k) has its centre at origin + spacing * (i, j, k); arrays are (nx, ny, nz).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, bone_distance_one, wide_cone_distance
from sim.jit import jit

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

# numba reads module constants: these mirror sim.phantom.Tissue (tests/test_patient.py compares them)
AIR, SKIN, FAT, FASCIA, MUSCLE, PSOAS, QUADRATUS, INTERSPINOUS, FLAVUM = 0, 1, 2, 3, 4, 5, 6, 7, 8
EPIDURAL, FORAMEN, CSF, NERVE, ANNULUS, NUCLEUS, CORTEX, CANCELLOUS, FACET = 9, 10, 11, 12, 13, 14, 15, 16, 17
RETRO, ABDOMEN, GAS, KIDNEY, VESSEL = 18, 19, 20, 21, 22
SUPRASPINOUS, LONGITUDINAL, CAPSULE, MULTIFIDUS, LUNG, PLEURA, LIVER, SPLEEN = 23, 24, 25, 26, 27, 28, 29, 30

SHEET = 1.6
"""Thickness in voxels of the fascia before the muscles of the back: thin, and without a hole where it slopes."""
INTERTRANSVERSE_MM = 6.0
"""Depth of the small muscles between the transverse processes, before that fascia (layout, placeholder)."""

# columns of the per-slice table of paint_trunk
SPINE_X, BODY_Y, LAMINA_Y, PLANE_Y, WIDE, PSOAS_X, PSOAS_Y, PSOAS_A, PSOAS_B, RETRO_Y, QUAD, MULTI_A, MULTI_B = range(13)


@jit
def _range(low: float, high: float, origin: float, h: float, n: int) -> tuple[int, int]:
    """Return the voxel range (start, stop) that covers low..high along one axis."""
    return max(0, int(np.floor((low - origin) / h))), min(n, int(np.floor((high - origin) / h)) + 2)


@jit
def paint_balls(labels: U8, origin: F64, h: float, balls: F64, label: int, over_a: int, over_b: int) -> None:
    """Paint ellipsoids (rows x, y, z, half sizes x, y, z) over two tissues only."""
    nx, ny, nz = labels.shape
    for n in range(balls.shape[0]):
        b = balls[n]
        i0, i1 = _range(b[0] - b[3], b[0] + b[3], origin[0], h, nx)
        j0, j1 = _range(b[1] - b[4], b[1] + b[4], origin[1], h, ny)
        k0, k1 = _range(b[2] - b[5], b[2] + b[5], origin[2], h, nz)
        for i in range(i0, i1):
            for j in range(j0, j1):
                for k in range(k0, k1):
                    old = labels[i, j, k]
                    if old != over_a and old != over_b:
                        continue
                    u = (origin[0] + h * i - b[0]) / b[3]
                    v = (origin[1] + h * j - b[1]) / b[4]
                    w = (origin[2] + h * k - b[2]) / b[5]
                    if u * u + v * v + w * w < 1.0:
                        labels[i, j, k] = label


@jit
def deep_tissue(s: F64, quad: F64, h: float, x: float, y: float, depth: float, side: float) -> int:
    """Return the label of a point under the fascia; s: the slice's row, depth below the skin, side: fat at the flank."""
    u = abs(x - s[SPINE_X])
    slope = min(1.0, max(0.0, (u - 9.0) / 11.0))  # from the laminae down to the plane of the transverse processes
    limit = s[LAMINA_Y] + slope * (s[PLANE_Y] - s[LAMINA_Y])
    e = (u / s[WIDE]) * (u / s[WIDE])
    e *= e
    floor = limit + 26.0 * e
    if y > floor and e < 1.0 and depth > side * e * 0.6:
        if y < floor + SHEET * h:
            return FASCIA  # intertransverse ligament; further out the middle layer of the thoracolumbar fascia, on the quadratus
        a, b = u / s[MULTI_A], (y - s[LAMINA_Y] + 2.0) / s[MULTI_B]
        return MULTIFIDUS if a * a + b * b < 1.0 else MUSCLE
    if s[QUAD] > 0.0:
        a, b = (u - quad[0]) / quad[1], (y - s[PLANE_Y] + quad[2] + 1.0) / quad[2]
        if a * a + b * b < 1.0:
            return QUADRATUS
    a, b = (u - s[PSOAS_X]) / s[PSOAS_A], (y - s[PSOAS_Y]) / s[PSOAS_B]
    if a * a + b * b < 1.0:
        return PSOAS
    if depth < side:
        return FAT
    if depth < side + quad[3]:
        return MUSCLE
    if y > floor - INTERTRANSVERSE_MM and e < 0.5:
        return MUSCLE  # intertransversarii, between the transverse processes
    if y > s[RETRO_Y] + 0.004 * u * u:
        return RETRO
    return ABDOMEN


@jit
def paint_trunk(labels: U8, origin: F64, h: float, back: F64, front: F64, slices: F64, quad: F64, fat: F64) -> None:
    """Paint everything by the outline: skin, fat, fascia, muscles, retroperitoneum, abdomen.

    back, front: (nx, nz) y of the outline (equal where there is no trunk). quad: centre, half width, half
    depth of the quadratus, thickness of the abdominal wall. fat: skin, back fat, flank fat (mm).
    """
    nx, ny, nz = labels.shape
    for i in range(nx):
        lo, hi = max(i - 1, 0), min(i + 1, nx - 1)
        x = origin[0] + h * i
        for k in range(nz):
            top, low = back[i, k], front[i, k]
            if top - low < 2.0:
                continue
            slope = (back[hi, k] - back[lo, k]) / (h * (hi - lo))
            under = (front[hi, k] - front[lo, k]) / (h * (hi - lo))
            tilt = 1.0 / np.sqrt(1.0 + slope * slope)
            tilt_under = 1.0 / np.sqrt(1.0 + under * under)
            row = slices[k]
            start = max(0, int((low - origin[1]) / h) + 1)
            stop = min(ny, int((top - origin[1]) / h) + 1)
            for j in range(start, stop):
                y = origin[1] + h * j
                dorsal = (top - y) * tilt
                depth = min(dorsal, (y - low) * tilt_under)
                if depth < fat[0]:
                    labels[i, j, k] = SKIN
                elif dorsal < fat[1]:
                    labels[i, j, k] = FAT
                elif dorsal < fat[1] + 1.2 and y > row[PLANE_Y]:
                    labels[i, j, k] = FASCIA
                else:
                    labels[i, j, k] = deep_tissue(row, quad, h, x, y, depth, fat[2])


@jit
def dither(i: int, k: int) -> float:
    """Return the ordered dither (-0.47..0.47 voxel, 4 x 4) of a column: a plane keeps its mean place among voxels."""
    fine = 2 * ((i ^ k) & 1) + (k & 1)
    coarse = 2 * (((i >> 1) ^ (k >> 1)) & 1) + ((k >> 1) & 1)
    return (4 * fine + coarse - 7.5) / 16.0


@jit
def paint_canal(labels: U8, origin: F64, h: float, line: F64, last_flavum: int) -> None:
    """Paint epidural fat in the canal and the ligamentum flavum behind it.

    line (n, 7): x, y, z of the canal's axis, half width, half depth, thickness of the flavum, half width of the gap
    between its two halves (0: joined); the flavum is painted on segments before `last_flavum`.
    """
    nx, ny, nz = labels.shape
    i0, i1 = _range(line[:, 0].min() - 24.0, line[:, 0].max() + 24.0, origin[0], h, nx)
    j0, j1 = _range(line[:, 1].min() - 20.0, line[:, 1].max() + 24.0, origin[1], h, ny)
    k0, k1 = _range(line[:, 2].min() - 4.0, line[:, 2].max() + 4.0, origin[2], h, nz)
    for j in range(j0, j1):
        y = origin[1] + h * j
        for k in range(k0, k1):
            z = origin[2] + h * k
            best, at, part = 1e9, 0, 0.0
            for n in range(line.shape[0] - 1):
                ey, ez = line[n + 1, 1] - line[n, 1], line[n + 1, 2] - line[n, 2]
                py, pz = y - line[n, 1], z - line[n, 2]
                t = min(1.0, max(0.0, (py * ey + pz * ez) / (ey * ey + ez * ez)))
                qy, qz = py - t * ey, pz - t * ez
                if qy * qy + qz * qz < best:
                    best, at, part = qy * qy + qz * qz, n, t
            if best > 400.0:
                continue
            a, b = line[at], line[at + 1]
            ey, ez = b[1] - a[1], b[2] - a[2]
            e = np.sqrt(ey * ey + ez * ez)
            qy, qz = y - (a[1] + part * ey), z - (a[2] + part * ez)
            dorsal = (-qy * ez + qz * ey) / e  # the line runs downwards: -ez > 0 points posterior
            half = a[3] + part * (b[3] - a[3])
            deep = a[4] + part * (b[4] - a[4])
            thick, gap = a[5], a[6]  # of the gap below this vertebra
            if (part <= 0.0 and at == 0) or (part >= 1.0 and at == line.shape[0] - 2):
                continue
            centre = a[0] + part * (b[0] - a[0])
            for i in range(i0, i1):
                lateral = (origin[0] + h * i - centre) / half
                v = dorsal / deep
                ventral = -1.4 <= v <= 0.0 and abs(lateral) <= 1.0  # bones and discs are painted over it
                if ventral or lateral * lateral + v * v <= 1.0 or (at >= last_flavum and lateral * lateral + v * v <= 1.5):
                    labels[i, j, k] = EPIDURAL
                elif dorsal > 0.2 * deep and at < last_flavum:
                    rough = thick + h * dither(i, k)  # a mean thickness finer than a voxel
                    lateral = (origin[0] + h * i - centre) / (half + rough)
                    v = dorsal / (deep + rough)
                    if lateral * lateral + v * v <= 1.0:
                        apart = abs(origin[0] + h * i - centre) < gap
                        labels[i, j, k] = INTERSPINOUS if apart else FLAVUM


@jit
def paint_slab(labels: U8, origin: F64, h: float, half: float, rows: F64, label: int) -> None:
    """Paint a slab along the spine (a ligament): rows (nz, 3) x of the middle, y from, y to; half its thickness."""
    nx, ny, _ = labels.shape
    for k in range(rows.shape[0]):
        if rows[k, 2] <= rows[k, 1]:
            continue
        i0, i1 = _range(rows[k, 0] - half, rows[k, 0] + half, origin[0], h, nx)
        j0, j1 = _range(rows[k, 1], rows[k, 2], origin[1], h, ny)
        for i in range(i0, i1):
            if abs(origin[0] + h * i - rows[k, 0]) <= half:
                for j in range(j0, j1):
                    labels[i, j, k] = label


@jit
def paint_gate(labels: U8, origin: F64, h: float, centre: F64, axes: F64, size: F64, out: float, lip: float, label: int) -> None:
    """Paint an elliptic prism: half length size[0] along axes[0], half sizes size[1], size[2] across.

    Beyond its middle, towards `out` (+1 or -1 along axes[0]), nothing lies further than `lip` (mm) along axes[1], and fascia and
    multifidus stay.
    """
    nx, ny, nz = labels.shape
    r = size[0] + size[1] + size[2]
    i0, i1 = _range(centre[0] - r, centre[0] + r, origin[0], h, nx)
    j0, j1 = _range(centre[1] - r, centre[1] + r, origin[1], h, ny)
    k0, k1 = _range(centre[2] - r, centre[2] + r, origin[2], h, nz)
    for i in range(i0, i1):
        for j in range(j0, j1):
            for k in range(k0, k1):
                dx, dy, dz = origin[0] + h * i - centre[0], origin[1] + h * j - centre[1], origin[2] + h * k - centre[2]
                u = dx * axes[0, 0] + dy * axes[0, 1] + dz * axes[0, 2]
                v = (dx * axes[1, 0] + dy * axes[1, 1] + dz * axes[1, 2]) / size[1]
                w = (dx * axes[2, 0] + dy * axes[2, 1] + dz * axes[2, 2]) / size[2]
                old = labels[i, j, k]
                if out * u > 0.0 and (v * size[1] > lip or old in (FASCIA, MULTIFIDUS)):
                    continue
                if abs(u) <= size[0] and v * v + w * w <= 1.0 and labels[i, j, k] != EPIDURAL and labels[i, j, k] != FLAVUM:
                    labels[i, j, k] = label


@jit
def paint_disc(labels: U8, origin: F64, h: float, centre: F64, axes: F64, size: F64, nucleus: float) -> None:
    """Paint one disc: axes rows left, posterior, up; size: half width, half depth, half height, hollow of the back."""
    nx, ny, nz = labels.shape
    r = size[0] + size[2] + 4.0
    i0, i1 = _range(centre[0] - r, centre[0] + r, origin[0], h, nx)
    j0, j1 = _range(centre[1] - r, centre[1] + r, origin[1], h, ny)
    k0, k1 = _range(centre[2] - r, centre[2] + r, origin[2], h, nz)
    for i in range(i0, i1):
        for j in range(j0, j1):
            for k in range(k0, k1):
                dx, dy, dz = origin[0] + h * i - centre[0], origin[1] + h * j - centre[1], origin[2] + h * k - centre[2]
                w = dx * axes[2, 0] + dy * axes[2, 1] + dz * axes[2, 2]
                if abs(w) > size[2]:
                    continue
                u = (dx * axes[0, 0] + dy * axes[0, 1] + dz * axes[0, 2]) / size[0]
                v = dx * axes[1, 0] + dy * axes[1, 1] + dz * axes[1, 2]
                bay = max(0.0, 1.0 - 4.0 * u * u)
                deep = size[1] - (size[3] * bay * bay if v > 0.0 else 0.0)
                v /= deep
                u2, v2 = u * u, v * v
                rho = 0.5 * np.sqrt(u2 + v2) + 0.5 * np.sqrt(np.sqrt(u2 * u2 + v2 * v2))
                if abs(w) > size[2] - 4.5 * min(1.0, rho * rho * rho):
                    continue  # bulges into the dished end plates, not round their rims
                if rho <= nucleus:
                    labels[i, j, k] = NUCLEUS
                elif rho <= 1.0:
                    labels[i, j, k] = ANNULUS


@jit
def bone_box(f: Fields, b: int) -> F64:
    """Return low and high corner (6,) of a bone's grid in the patient frame."""
    out = np.empty(6)
    r, t = f.bone_rotation[b], f.bone_translation[b]
    for c in range(3):
        low, high = t[c], t[c]
        for a in range(3):
            p = r[c, a] * f.bone_origin[b, a]
            q = r[c, a] * (f.bone_origin[b, a] + f.bone_spacing[b] * (f.bone_shape[b, a] - 1))
            low += min(p, q)
            high += max(p, q)
        out[c], out[c + 3] = low, high
    return out


@jit
def paint_bone(labels: U8, origin: F64, h: float, f: Fields, b: int, cortex: float, outer: int, inner: int) -> None:
    """Paint one bone: label `outer` down to `cortex` mm below its surface, `inner` (cancellous bone) inside."""
    nx, ny, nz = labels.shape
    box = bone_box(f, b)
    i0, i1 = _range(box[0], box[3], origin[0], h, nx)
    j0, j1 = _range(box[1], box[4], origin[1], h, ny)
    k0, k1 = _range(box[2], box[5], origin[2], h, nz)
    for i in range(i0, i1):
        for j in range(j0, j1):
            k = k0
            while k < k1:
                d = bone_distance_one(f, b, origin[0] + h * i, origin[1] + h * j, origin[2] + h * k)
                run = max(1, int(0.9 * d / h))  # a distance cannot fall faster than one goes: skip what is free
                if d < 0.0:
                    run = max(1, min(int(0.9 * (-d - cortex) / h), k1 - k))
                    for m in range(k, k + run):
                        labels[i, j, m] = outer if d > -cortex else inner
                k += run


@jit
def paint_joint(labels: U8, origin: F64, h: float, f: Fields, a: int, b: int, canal: F64, wide: float, skin: float) -> None:
    """Paint the narrow gap between two bones beside and behind `canal` (x, y) as facet joint, `skin` round it as capsule."""
    nx, ny, nz = labels.shape
    p, q = bone_box(f, a), bone_box(f, b)
    i0, i1 = _range(max(p[0], q[0]), min(p[3], q[3]), origin[0], h, nx)
    j0, j1 = _range(max(p[1], q[1], canal[1]), min(p[4], q[4]), origin[1], h, ny)
    k0, k1 = _range(max(p[2], q[2]), min(p[5], q[5]), origin[2], h, nz)
    for i in range(i0, i1):
        if abs(origin[0] + h * i - canal[0]) < 7.0:
            continue  # between the spinous processes
        for j in range(j0, j1):
            k = k0
            while k < k1:
                x, y, z = origin[0] + h * i, origin[1] + h * j, origin[2] + h * k
                d = bone_distance_one(f, a, x, y, z)
                if 0.0 <= d < wide + skin:
                    e = bone_distance_one(f, b, x, y, z)
                    if e >= 0.0 and d + e < wide:
                        labels[i, j, k] = FACET
                    elif e >= 0.0 and d + e < wide + skin and labels[i, j, k] in (MUSCLE, MULTIFIDUS, FAT, FASCIA):
                        labels[i, j, k] = CAPSULE
                k += max(1, int(0.9 * max(d - wide - skin, -d) / h))


@jit
def paint_tube(labels: U8, origin: F64, h: float, nodes: F64, grow: float, label: int, spare: U8) -> None:
    """Paint a chain (n, 5) of round or flat sections (radius + grow) except over labels with spare[label] = 1."""
    nx, ny, nz = labels.shape
    for n in range(nodes.shape[0] - 1):
        a, b = nodes[n], nodes[n + 1]
        r = max(a[3], b[3]) + grow
        if a[4] > 0.0 or b[4] > 0.0:
            wide = r + max(a[4], b[4])
            i0, i1 = _range(min(a[0], b[0]) - wide, max(a[0], b[0]) + wide, origin[0], h, nx)
            j0, j1 = _range(min(a[1], b[1]) - r, max(a[1], b[1]) + r, origin[1], h, ny)
            k0, k1 = _range(min(a[2], b[2]) - r, max(a[2], b[2]) + r, origin[2], h, nz)
            for i in range(i0, i1):
                for j in range(j0, j1):
                    for k in range(k0, k1):
                        if spare[labels[i, j, k]] == 0:
                            d = wide_cone_distance(a, b, origin[0] + h * i, origin[1] + h * j, origin[2] + h * k)
                            if d < grow:
                                labels[i, j, k] = label
            continue
        ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        e2 = max(ex * ex + ey * ey + ez * ez, 1e-12)
        i0, i1 = _range(min(a[0], b[0]) - r, max(a[0], b[0]) + r, origin[0], h, nx)
        j0, j1 = _range(min(a[1], b[1]) - r, max(a[1], b[1]) + r, origin[1], h, ny)
        k0, k1 = _range(min(a[2], b[2]) - r, max(a[2], b[2]) + r, origin[2], h, nz)
        for i in range(i0, i1):
            for j in range(j0, j1):
                for k in range(k0, k1):
                    px, py, pz = origin[0] + h * i - a[0], origin[1] + h * j - a[1], origin[2] + h * k - a[2]
                    t = min(1.0, max(0.0, (px * ex + py * ey + pz * ez) / e2))
                    px, py, pz = px - t * ex, py - t * ey, pz - t * ez
                    reach = a[3] + t * (b[3] - a[3]) + grow
                    if px * px + py * py + pz * pz < reach * reach and spare[labels[i, j, k]] == 0:
                        labels[i, j, k] = label


@jit
def paint_chest(labels: U8, origin: F64, h: float, back: F64, centre: F64, size: F64, rim: F64) -> None:
    """Paint lungs and pleura over the abdomen: the lung above the diaphragm's dome, the recess between dome and line.

    back (nx, nz): y of the back. centre (3,): x of the spine, y and z of the top of the domes. size (4,): distance of
    a dome's top from the midline, half width, half depth, fall at the wall. rim (4,): depth of the chest wall below
    the skin, z of the pleura's lower limit 20 mm beside the midline, its fall per mm outwards, thickness of the recess.
    """
    nx, ny, nz = labels.shape
    for i in range(nx):
        x = origin[0] + h * i - centre[0]
        beside = abs(x)
        if beside < 16.0:
            continue
        for j in range(ny):
            y = origin[1] + h * j
            a, b = (beside - size[0]) / size[1], (y - centre[1]) / size[2]
            dome = centre[2] - size[3] * (a * a + b * b)
            line = rim[1] - rim[2] * (beside - 20.0) + 0.8 * max(0.0, centre[1] - y)  # the front attaches higher
            low = max(dome, line)
            k0 = max(0, int((line - origin[2]) / h) + 1)
            for k in range(k0, nz):
                old = labels[i, j, k]
                if old != ABDOMEN and old != RETRO and old != LIVER and old != SPLEEN and old != KIDNEY:
                    continue
                z = origin[2] + h * k
                wall = back[i, k] - y - rim[0]
                if wall < 0.0:
                    continue
                if z >= low:
                    labels[i, j, k] = LUNG
                elif wall < rim[3] and y > centre[1]:
                    labels[i, j, k] = PLEURA
