"""Chains of round cones: smooth paths, and settling a path into the free space between the bones.

`settle` moves the nodes of a rough path out of bone and away from other tubes while it keeps the path
smooth. Bit-stable: + - * / sqrt only; finished nodes are rounded to 1 um.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, bone_distance_one, bone_normal, tube_box_gap, tube_distance
from sim.frames import norm
from sim.jit import jit
from sim.phantom import Bone, LabelVolume, Phantom, Skin, Tube, TubeKind

F64 = NDArray[np.float64]


def obstacles(bones: Sequence[Bone], tubes: Sequence[Tube] = ()) -> Fields:
    """Return the flat view of bones and tubes alone: the free space in which paths are laid."""
    volume = LabelVolume(np.zeros((1, 1, 1), np.uint8), np.zeros(3), 1.0)
    skin = Skin(np.zeros((2, 2)), 0.0, 0.0, 1.0, np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    return Phantom("obstacles", tuple(bones), tuple(tubes), volume, skin, {}).fields


def keep_out(name: str, points: Sequence[F64], radius_mm: float) -> Tube:
    """Return a pseudo tube that other tubes must not enter (a needle corridor)."""
    nodes = np.array([[p[0], p[1], p[2], radius_mm] for p in points])
    return Tube(name, TubeKind.VEIN, "", "", nodes)


def point(origin: F64, axes: F64, left: float, posterior: float, up: float) -> F64:
    """Return origin + left*axes[0] + posterior*axes[1] + up*axes[2], without BLAS."""
    return np.asarray(origin + left * axes[0] + posterior * axes[1] + up * axes[2], np.float64)


def unit(v: F64) -> F64:
    """Return v / |v|."""
    return v / norm(v)


def smooth_path(points: Sequence[Sequence[float]], step_mm: float = 2.0) -> F64:
    """Return a Catmull-Rom curve through (n, 4) points x, y, z, radius, cut about every `step_mm`."""
    p = np.asarray(points, np.float64)
    ends = np.concatenate([[2 * p[0] - p[1]], p, [2 * p[-1] - p[-2]]])
    ends[0, 3], ends[-1, 3] = p[0, 3], p[-1, 3]
    out = [p[0]]
    for i in range(len(p) - 1):
        a, b, c, d = ends[i], ends[i + 1], ends[i + 2], ends[i + 3]
        n = max(1, int(norm(c[:3] - b[:3]) / step_mm + 0.5))
        for j in range(1, n + 1):
            t = j / n
            v = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * (t * t) + (3 * b - 3 * c + d - a) * (t * t * t))
            v[3] = b[3] + (c[3] - b[3]) * t
            out.append(v)
    return np.array(out)


def rounded(nodes: F64) -> F64:
    """Return nodes on a 1 um lattice: a last-bit difference of an earlier step cannot survive."""
    return np.asarray(np.floor(nodes * 1000.0 + 0.5) / 1000.0, np.float64)


@jit
def nearest_tube(f: Fields, x: float, y: float, z: float, reach: float) -> float:
    """Return the distance (mm) to the nearest tube surface, or `reach` where none is nearer."""
    best = reach
    for t in range(f.tube_kind.shape[0]):
        if tube_box_gap(f, t, x, y, z) < best:
            best = min(best, tube_distance(f, t, x, y, z))
    return best


@jit
def in_grid(f: Fields, b: int, x: float, y: float, z: float) -> bool:
    """Return whether a point lies in the grid of bone `b`; outside, the bone is more than its margin away."""
    r, t = f.bone_rotation[b], f.bone_translation[b]
    dx, dy, dz = x - t[0], y - t[1], z - t[2]
    for c in range(3):
        u = (r[0, c] * dx + r[1, c] * dy + r[2, c] * dz - f.bone_origin[b, c]) / f.bone_spacing[b]
        if not 0.0 <= u <= f.bone_shape[b, c] - 1:
            return False
    return True


@jit
def bone_gap(f: Fields, x: float, y: float, z: float) -> tuple[float, int]:
    """Return (distance, bone) over the bones whose grid holds the point: never a bound from a box."""
    best, which = 1e3, -1
    for b in range(f.bone_start.shape[0]):
        if in_grid(f, b, x, y, z):
            d = bone_distance_one(f, b, x, y, z)
            if d < best:
                best, which = d, b
    return best, which


@jit
def _push(f: Fields, p: F64, gap: float, tube_gap: float, most: float) -> float:
    """Move node p (x, y, z, r) out of bone and tubes by at most `most`; return the move."""
    d, b = bone_gap(f, p[0], p[1], p[2])
    need = p[3] + gap - d
    moved = 0.0
    if need > 0.0:
        nx, ny, nz = bone_normal(f, b, p[0], p[1], p[2])
        s = min(need, most)
        p[0] += s * nx
        p[1] += s * ny
        p[2] += s * nz
        moved = s
    reach = p[3] + tube_gap
    if tube_gap > -100.0:
        d = nearest_tube(f, p[0], p[1], p[2], reach)
        if d < reach:
            e = 0.05
            gx = nearest_tube(f, p[0] + e, p[1], p[2], 1e3) - nearest_tube(f, p[0] - e, p[1], p[2], 1e3)
            gy = nearest_tube(f, p[0], p[1] + e, p[2], 1e3) - nearest_tube(f, p[0], p[1] - e, p[2], 1e3)
            gz = nearest_tube(f, p[0], p[1], p[2] + e, 1e3) - nearest_tube(f, p[0], p[1], p[2] - e, 1e3)
            g = np.sqrt(gx * gx + gy * gy + gz * gz)
            if g > 1e-9:
                s = min(reach - d, most)
                p[0] += s * gx / g
                p[1] += s * gy / g
                p[2] += s * gz / g
                moved += s
    return moved


@jit
def settle(f: Fields, start: F64, free: NDArray[np.int64], gap: float, tube_gap: float, rounds: int) -> F64:
    """Return nodes (n, 4) of a path laid into the free space.

    free (n,): 0 keeps a node where it is. gap, tube_gap: wanted clearance (mm) to bone and to the tubes of
    `f` (tube_gap <= -100 ignores tubes). A weak pull keeps each node near where it began.
    """
    nodes = start.copy()
    n = nodes.shape[0]
    for turn in range(rounds):
        last = turn >= rounds - rounds // 4
        for i in range(n):
            if free[i] == 0:
                continue
            if not last:
                for c in range(3):
                    nodes[i, c] += 0.04 * (start[i, c] - nodes[i, c])
                    if 0 < i < n - 1:
                        nodes[i, c] += 0.3 * (0.5 * (nodes[i - 1, c] + nodes[i + 1, c]) - nodes[i, c])
            x, y, z = nodes[i, 0], nodes[i, 1], nodes[i, 2]
            _push(f, nodes[i], gap, tube_gap, 0.6)
            if 0 < i < n - 1:  # sideways only: nodes must not slide along the path and bunch
                ex, ey, ez = (
                    nodes[i + 1, 0] - nodes[i - 1, 0],
                    nodes[i + 1, 1] - nodes[i - 1, 1],
                    nodes[i + 1, 2] - nodes[i - 1, 2],
                )
                e2 = ex * ex + ey * ey + ez * ez
                if e2 > 1e-9:
                    s = 0.9 * ((nodes[i, 0] - x) * ex + (nodes[i, 1] - y) * ey + (nodes[i, 2] - z) * ez) / e2
                    nodes[i, 0] -= s * ex
                    nodes[i, 1] -= s * ey
                    nodes[i, 2] -= s * ez
    return nodes


@jit
def shrink(f: Fields, nodes: F64, free: NDArray[np.int64], gap: float, least: float) -> F64:
    """Return nodes whose radius is cut to fit the bone (stenosis), not below `least` of what it was."""
    out = nodes.copy()
    for i in range(out.shape[0]):
        if free[i] == 0:
            continue
        d, _ = bone_gap(f, out[i, 0], out[i, 1], out[i, 2])
        out[i, 3] = min(out[i, 3], max(d - gap, least * out[i, 3]))
    return out


@jit
def tighten(f: Fields, nodes: F64, gap: float, least: float) -> F64:
    """Return nodes with radii cut so that no part of a segment comes nearer than `gap` to bone or to a tube of `f`.

    No radius is cut below `least` (mm).
    """
    out = nodes.copy()
    for _ in range(2):
        for i in range(out.shape[0] - 1):
            for step in range(5):
                t = 0.25 * step
                x = out[i, 0] + t * (out[i + 1, 0] - out[i, 0])
                y = out[i, 1] + t * (out[i + 1, 1] - out[i, 1])
                z = out[i, 2] + t * (out[i + 1, 2] - out[i, 2])
                d, _ = bone_gap(f, x, y, z)
                room = max(min(d, nearest_tube(f, x, y, z, 5.0)) - gap, least)
                if out[i, 3] + t * (out[i + 1, 3] - out[i, 3]) > room:
                    if t <= 0.5:
                        out[i, 3] = min(out[i, 3], room)
                    if t >= 0.5:
                        out[i + 1, 3] = min(out[i + 1, 3], room)
    return out


@jit
def clearance(f: Fields, nodes: F64) -> tuple[float, float]:
    """Return (least bone distance minus radius, least tube distance minus radius) along a chain, mm.

    A section of stadium shape (fifth column) is walked along its middle and at both ends of its flat part.
    """
    bone = 1e3
    tube = 1e3
    if nodes.shape[1] == 5:
        for s in (-1.0, -0.5, 0.5, 1.0):
            moved = nodes[:, :4].copy()
            moved[:, 0] += s * nodes[:, 4]
            d, e = clearance_round(f, moved)
            bone, tube = min(bone, d), min(tube, e)
    d, e = clearance_round(f, nodes)
    return min(bone, d), min(tube, e)


@jit
def clearance_round(f: Fields, nodes: F64) -> tuple[float, float]:
    """Return the clearance of the round chain about the axis of `nodes`, mm."""
    bone = 1e3
    tube = 1e3
    for i in range(nodes.shape[0] - 1):
        a, b = nodes[i], nodes[i + 1]
        dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        n = int(length / 0.5) + 1
        for j in range(n + 1):
            t = j / n
            x, y, z = a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])
            r = a[3] + t * (b[3] - a[3])
            d, _ = bone_gap(f, x, y, z)
            bone = min(bone, d - r)
            tube = min(tube, nearest_tube(f, x, y, z, 50.0) - r)
    return bone, tube


@jit
def free_way(f: Fields, x: float, y: float, z: float, dx: float, dy: float, dz: float, most: float) -> float:
    """Return how far (mm) one can go from a point along a unit direction before bone is met."""
    t = 0.0
    while t < most:
        d, _ = bone_gap(f, x + t * dx, y + t * dy, z + t * dz)
        if d <= 0.0:
            return t
        t += min(max(d, 0.1), 5.0)  # 5 mm: a grid's margin is wider, so none is stepped over
    return most


@jit
def bone_way(f: Fields, x: float, y: float, z: float, dx: float, dy: float, dz: float, most: float) -> float:
    """Return how far (mm) one goes inside bone from a point along a unit direction before leaving it."""
    t = 0.0
    while t < most:
        d, _ = bone_gap(f, x + t * dx, y + t * dy, z + t * dz)
        if d >= 0.0:
            return t
        t += max(-d, 0.05)
    return most


def one_bone(f: Fields, b: int) -> Fields:
    """Return `f` with bone `b` alone."""
    k = slice(b, b + 1)
    return f._replace(
        bone_start=f.bone_start[k],
        bone_shape=f.bone_shape[k],
        bone_origin=f.bone_origin[k],
        bone_spacing=f.bone_spacing[k],
        bone_rotation=f.bone_rotation[k],
        bone_translation=f.bone_translation[k],
    )


def within(f: Fields, low: F64, high: F64) -> Fields:
    """Return `f` with only the bones and tubes whose boxes reach into the box low..high (mm): a faster search."""
    bones = [b for b in range(len(f.bone_start)) if _meets(_corners(f, b), low, high)]
    tubes = [t for t in range(len(f.tube_kind)) if _meets(f.tube_box[t].reshape(2, 3), low, high)]
    parts = [f.tube_nodes[f.tube_start[t] : f.tube_start[t + 1]] for t in tubes]
    start = np.zeros(len(tubes) + 1, np.int64)
    start[1:] = np.cumsum([len(p) for p in parts])
    return f._replace(
        bone_start=f.bone_start[bones],
        bone_shape=f.bone_shape[bones],
        bone_origin=f.bone_origin[bones],
        bone_spacing=f.bone_spacing[bones],
        bone_rotation=f.bone_rotation[bones],
        bone_translation=f.bone_translation[bones],
        tube_nodes=np.concatenate(parts) if parts else np.zeros((0, 5)),
        tube_start=start,
        tube_kind=f.tube_kind[tubes],
        tube_box=f.tube_box[tubes],
    )


def _corners(f: Fields, b: int) -> F64:
    """Return low and high corner (2, 3) of a bone's grid in the patient frame, 8 mm wider."""
    span = f.bone_spacing[b] * (f.bone_shape[b] - 1)
    out = []
    for i in range(8):
        local = f.bone_origin[b] + span * np.array([i & 1, (i >> 1) & 1, (i >> 2) & 1])
        r = f.bone_rotation[b]
        out.append([r[c, 0] * local[0] + r[c, 1] * local[1] + r[c, 2] * local[2] + f.bone_translation[b, c] for c in range(3)])
    points = np.array(out)
    return np.array([points.min(0) - 8.0, points.max(0) + 8.0])


def _meets(box: F64, low: F64, high: F64) -> bool:
    return bool((box[0] <= high).all() and (box[1] >= low).all())


def roomiest(f: Fields, p: F64, way: F64, least: float, most: float) -> float:
    """Return the offset (mm) along `way` in least..most at which a point lies furthest from bone."""
    best, at = -1e3, 0.0
    steps = int(2.0 * (most - least)) + 1
    for i in range(steps):
        t = least + 0.5 * i
        gap = min(float(bone_gap(f, *(p + t * way))[0]), 6.0) - 0.02 * abs(t)
        if gap > best:
            best, at = gap, t
    return at
