"""Needles, wires and iodine as line integrals: exact capped tubes along a polyline, and points spread by a spline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit
from sim.raster import NEAREST_MM

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

NEEDLE_TOLERANCE_MM = 0.02


@jit
def _slab(entry: float, leave: float, position: float, slope: float) -> tuple[float, float]:
    """Clip the ray piece entry..leave to position + t * slope >= 0."""
    if slope > 1e-12:
        return max(entry, -position / slope), leave
    if slope < -1e-12:
        return entry, min(leave, -position / slope)
    if position < 0.0:
        return 1.0, 0.0
    return entry, leave


@jit
def _chord(o: F64, d: F64, p: F64, q: F64, start: F64, end: F64, radius: float) -> float:
    """Return the length of the ray o + t d (d unit) inside the tube p -> q cut by planes through p and q.

    start and end are the plane normals (pointing from p to q): mitres of a bent needle, so that neighbouring
    pieces neither overlap nor gap.
    """
    ax, ay, az = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    length = np.sqrt(ax * ax + ay * ay + az * az)
    ax, ay, az = ax / length, ay / length, az / length
    mx, my, mz = o[0] - p[0], o[1] - p[1], o[2] - p[2]
    along = d[0] * ax + d[1] * ay + d[2] * az
    ma = mx * ax + my * ay + mz * az
    a = max(1.0 - along * along, 0.0)
    b = (mx * d[0] + my * d[1] + mz * d[2]) - ma * along
    c = (mx * mx + my * my + mz * mz) - ma * ma - radius * radius
    if a < 1e-12:
        if c > 0.0:
            return 0.0
        entry, leave = -1.0e9, 1.0e9
    else:
        root = b * b - a * c
        if root <= 0.0:
            return 0.0
        root = np.sqrt(root)
        entry, leave = (-b - root) / a, (-b + root) / a
    entry, leave = _slab(
        entry, leave, mx * start[0] + my * start[1] + mz * start[2], d[0] * start[0] + d[1] * start[1] + d[2] * start[2]
    )
    nx, ny, nz = o[0] - q[0], o[1] - q[1], o[2] - q[2]
    entry, leave = _slab(
        entry, leave, -(nx * end[0] + ny * end[1] + nz * end[2]), -(d[0] * end[0] + d[1] * end[1] + d[2] * end[2])
    )
    return max(leave - entry, 0.0)


@jit
def tube(
    nodes: F64, normals: F64, outer: float, inner: float, weight: float, fine: int,
    source: F64, axes: F64, scale: float, cx: float, cy: float, out: F32, box: I64,
) -> None:  # fmt: skip
    """Add weight * length in the tube along nodes (n, 3) to out (n, n), mean of fine x fine rays per pixel.

    normals: (n, 3) plane at each node. box (y0, y1, x0, x1) grows to hold what was drawn.
    """
    n = out.shape[0]
    o = np.zeros(3)
    d = np.empty(3)
    share = weight / (fine * fine)
    p, q, ends = np.empty(3), np.empty(3), np.empty((2, 2))
    for s in range(nodes.shape[0] - 1):
        low_x, low_y, high_x, high_y, reach = 1e9, 1e9, -1e9, -1e9, 0.0
        ahead = True
        for e in range(2):
            dx, dy, dz = nodes[s + e, 0] - source[0], nodes[s + e, 1] - source[1], nodes[s + e, 2] - source[2]
            w = axes[2, 0] * dx + axes[2, 1] * dy + axes[2, 2] * dz
            ahead = ahead and w > NEAREST_MM
            u = (axes[0, 0] * dx + axes[0, 1] * dy + axes[0, 2] * dz) / w
            v = (axes[1, 0] * dx + axes[1, 1] * dy + axes[1, 2] * dz) / w
            u, v = u * scale + cx, v * scale + cy
            reach = max(reach, 1.2 * outer / w * scale + 0.8)
            low_x, high_x, low_y, high_y = min(low_x, u), max(high_x, u), min(low_y, v), max(high_y, v)
            ends[e, 0], ends[e, 1] = u, v
            if e == 0:
                p[0], p[1], p[2] = dx, dy, dz
            else:
                q[0], q[1], q[2] = dx, dy, dz
        tx, ty = ends[1, 0] - ends[0, 0], ends[1, 1] - ends[0, 1]
        length2 = max(tx * tx + ty * ty, 1e-12)
        x0, x1 = max(int(np.floor(low_x - reach)), 0), min(int(np.ceil(high_x + reach)), n)
        y0, y1 = max(int(np.floor(low_y - reach)), 0), min(int(np.ceil(high_y + reach)), n)
        if not ahead or x0 >= x1 or y0 >= y1:
            continue
        box[0], box[1] = min(box[0], y0), max(box[1], y1)
        box[2], box[3] = min(box[2], x0), max(box[3], x1)
        for y in range(y0, y1):
            for x in range(x0, x1):
                hx, hy = x + 0.5 - ends[0, 0], y + 0.5 - ends[0, 1]
                near = min(max((hx * tx + hy * ty) / length2, 0.0), 1.0)
                hx, hy = hx - near * tx, hy - near * ty
                if hx * hx + hy * hy > reach * reach:
                    continue
                total = 0.0
                for k in range(fine * fine):
                    u = (x + (k % fine + 0.5) / fine - cx) / scale
                    v = (y + (k // fine + 0.5) / fine - cy) / scale
                    slant = 1.0 / np.sqrt(1.0 + u * u + v * v)
                    for j in range(3):
                        d[j] = (axes[2, j] + u * axes[0, j] + v * axes[1, j]) * slant
                    length = _chord(o, d, p, q, normals[s], normals[s + 1], outer)
                    if inner > 0.0 and length > 0.0:
                        length -= _chord(o, d, p, q, normals[s], normals[s + 1], inner)
                    total += length
                out[y, x] += np.float32(total * share)


@jit
def _bump(t: float) -> float:
    """Return the quadratic B-spline (support -1.5..1.5, integral 1)."""
    t = abs(t)
    if t < 0.5:
        return 0.75 - t * t
    if t < 1.5:
        return 0.5 * (1.5 - t) * (1.5 - t)
    return 0.0


@jit
def splat(points: F32, source: F64, axes: F64, scale: float, cx: float, cy: float, voxel: float, out: F32, box: I64) -> None:
    """Add iodine (points: x, y, z, mg) to out (n, n) as mg per mm2 across the ray; mass is conserved."""
    n = out.shape[0]
    wx = np.empty(64)
    for i in range(points.shape[0]):
        dx, dy, dz = points[i, 0] - source[0], points[i, 1] - source[1], points[i, 2] - source[2]
        w = axes[2, 0] * dx + axes[2, 1] * dy + axes[2, 2] * dz
        if w < NEAREST_MM or points[i, 3] <= 0.0:
            continue
        u = (axes[0, 0] * dx + axes[0, 1] * dy + axes[0, 2] * dz) / w * scale + cx
        v = (axes[1, 0] * dx + axes[1, 1] * dy + axes[1, 2] * dz) / w * scale + cy
        width = min(max(voxel * scale / w, 1.0), 20.0)  # of the spline, in pixels
        x0, x1 = int(np.floor(u - 1.5 * width)), int(np.ceil(u + 1.5 * width))
        y0, y1 = int(np.floor(v - 1.5 * width)), int(np.ceil(v + 1.5 * width))
        if x1 <= 0 or y1 <= 0 or x0 >= n or y0 >= n:
            continue
        sum_x, sum_y = 0.0, 0.0
        for x in range(x0, x1):
            wx[x - x0] = _bump((x + 0.5 - u) / width)
            sum_x += wx[x - x0]
        for y in range(y0, y1):
            sum_y += _bump((y + 0.5 - v) / width)
        # one pixel is w / scale wide at the depth of the point
        density = points[i, 3] * scale * scale / (w * w) / (sum_x * sum_y)
        for y in range(max(y0, 0), min(y1, n)):
            part = density * _bump((y + 0.5 - v) / width)
            for x in range(max(x0, 0), min(x1, n)):
                out[y, x] += np.float32(part * wx[x - x0])
        box[0], box[1] = min(box[0], max(y0, 0)), max(box[1], min(y1, n))
        box[2], box[3] = min(box[2], max(x0, 0)), max(box[3], min(x1, n))


def mitres(nodes: F64) -> F64:
    """Return the unit plane normals at the nodes of a polyline: its ends' directions, bisectors between."""
    step = np.diff(nodes, axis=0)
    step = step / np.maximum(np.sqrt((step**2).sum(1, keepdims=True)), 1e-9)
    normal = np.concatenate([step[:1], step[:-1] + step[1:], step[-1:]])
    return np.asarray(normal / np.maximum(np.sqrt((normal**2).sum(1, keepdims=True)), 1e-9), np.float64)


def direction(p: F64, q: F64) -> F64:
    """Return the unit vector from p to q."""
    return np.asarray((q - p) / np.sqrt(((q - p) ** 2).sum()), np.float64)


@jit
def simplified(nodes: F64, tolerance: float) -> F64:
    """Return the polyline with as few of its nodes as keep the left-out ones within `tolerance` of it."""
    count = nodes.shape[0]
    kept = np.empty(count, np.int64)
    kept[0] = 0
    used, first = 1, 0
    for last in range(2, count):
        ax, ay, az = nodes[last, 0] - nodes[first, 0], nodes[last, 1] - nodes[first, 1], nodes[last, 2] - nodes[first, 2]
        length2 = max(ax * ax + ay * ay + az * az, 1e-18)
        for m in range(first + 1, last):
            bx, by, bz = nodes[m, 0] - nodes[first, 0], nodes[m, 1] - nodes[first, 1], nodes[m, 2] - nodes[first, 2]
            t = min(max((ax * bx + ay * by + az * bz) / length2, 0.0), 1.0)
            bx, by, bz = bx - t * ax, by - t * ay, bz - t * az
            if bx * bx + by * by + bz * bz > tolerance * tolerance:
                first = last - 1
                kept[used] = first
                used += 1
                break
    kept[used] = count - 1
    return nodes[kept[: used + 1]].copy()


def distinct(nodes: F64) -> F64:
    """Return the polyline without nodes that nearly repeat their predecessor, and without nodes on a straight line."""
    keep = np.ones(len(nodes), bool)
    keep[1:] = (np.diff(nodes, axis=0) ** 2).sum(1) > 1e-12
    nodes = np.ascontiguousarray(nodes[keep])
    return simplified(nodes, NEEDLE_TOLERANCE_MM) if len(nodes) > 2 else nodes
