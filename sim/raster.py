"""Triangles as line integrals: the rasteriser of the projector (docs/IMAGING.md, "The projector").

Vertices lie on a grid of 1/4096 pixel, edge functions are integers, the top-left rule counts a shared edge exactly
once; depth is interpolated as 1/w and taken from a reference so that float32 keeps 1e-4 mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit
from sim.view import Pose

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

SHIFT = 12
SUB = 1 << SHIFT  # fixed-point steps per pixel: errors of depth on steep faces stay below 1e-3 mm
NEAREST_MM = 20.0  # surfaces nearer to the source than this are not drawn
NUDGE = 2.0**-39
BLOCK = 512  # faces a thread takes at a time


@dataclass(frozen=True)
class Camera:
    """A pose as numbers for jitted code: source, axes (right, down, forward), distance, pixel size, pixel count."""

    source: F64
    axes: F64
    sdd: float
    pixel: float
    n: int
    centre_x: float
    centre_y: float

    @classmethod
    def of(cls, pose: Pose, size: int, shift_mm: F64 | None = None) -> Camera:
        """Return the camera of a pose at `size` pixels; shift_mm moves the patient (breathing)."""
        axis = pose.detector_mm - pose.source_mm
        sdd = float(np.sqrt((axis**2).sum()))
        source = pose.source_mm if shift_mm is None else pose.source_mm - shift_mm
        axes = np.ascontiguousarray(np.stack([pose.right, -pose.up, axis / sdd]), np.float64)
        return cls(np.ascontiguousarray(source, np.float64), axes, sdd, pose.side_mm / size, size, 0.5 * size, 0.5 * size)


@jit
def place(
    vertices: F32, first: int, last: int, source: F64, axes: F64, scale: float, cx: float, cy: float, xy: I32, iw: F64
) -> None:
    """Project vertices first..last: xy in 1/4096 pixel, iw = 1/depth (0 for points too near the source)."""
    top = 2.0**27
    for i in range(first, last):
        dx = float(vertices[i, 0]) - source[0]
        dy = float(vertices[i, 1]) - source[1]
        dz = float(vertices[i, 2]) - source[2]
        w = axes[2, 0] * dx + axes[2, 1] * dy + axes[2, 2] * dz
        if w < NEAREST_MM:
            iw[i] = 0.0
            continue
        inverse = 1.0 / w
        u = (axes[0, 0] * dx + axes[0, 1] * dy + axes[0, 2] * dz) * inverse * scale + cx
        v = (axes[1, 0] * dx + axes[1, 1] * dy + axes[1, 2] * dz) * inverse * scale + cy
        iw[i] = inverse
        xy[i, 0] = np.int32(np.floor(min(max(u * SUB, -top), top) + 0.5))
        xy[i, 1] = np.int32(np.floor(min(max(v * SUB, -top), top) + 0.5))


@jit
def _bounds(value: int, step: int, inverse: float, first: int, last: int) -> tuple[int, int]:
    """Return the part of first..last where value + k * step >= 0, last < first where there is none.

    inverse = -1 / step. The quotient is off by 2**-41 at most and a fraction with this denominator is never
    nearer to a whole number than 2**-36, so that a nudge of 2**-39 makes the rounding exact.
    """
    if step > 0:
        return max(first, int(np.ceil(value * inverse - NUDGE))), last
    if step < 0:
        return first, min(last, int(np.floor(value * inverse + NUDGE)))
    return first, (last if value >= 0 else first - 1)


@jit
def _fill(out: F32, start: int, plane: int, count: int, at: Any, gx: Any, reference: Any, w0: Any, w1: Any) -> None:
    """Add weight * (depth - reference) to `count` pixels of both planes from `start`. Float32, unsigned: vector code."""
    one = np.float32(1.0)
    water = np.uint64(start)
    bone = water + np.uint64(plane)
    for k in range(np.uint64(count)):
        depth = one / (at + gx * np.float32(np.int32(k))) - reference
        out[water + k] += w0 * depth
        out[bone + k] += w1 * depth


@jit
def draw(xy: I32, iw: F64, faces: I32, weights: F32, start: int, stride: int, reference: float, out: F32) -> None:
    """Add every stride-th block of faces to out (2, n, n): sign * weight * (depth - reference)."""
    n = out.shape[1]
    half = SUB // 2
    flat = out.reshape(2 * n * n)
    shallow = np.float32(reference)
    count = faces.shape[0]
    for block in range(start * BLOCK, count, stride * BLOCK):
        for f in range(block, min(block + BLOCK, count)):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            x0, y0 = np.int64(xy[a, 0]), np.int64(xy[a, 1])
            x1, y1 = np.int64(xy[b, 0]), np.int64(xy[b, 1])
            x2, y2 = np.int64(xy[c, 0]), np.int64(xy[c, 1])
            # rows and columns of pixel centres inside the bounding box
            low_x = max((int(min(x0, x1, x2)) - half + SUB - 1) >> SHIFT, 0)
            high_x = min((int(max(x0, x1, x2)) - half) >> SHIFT, n - 1)
            if low_x > high_x:
                continue
            low_y = max((int(min(y0, y1, y2)) - half + SUB - 1) >> SHIFT, 0)
            high_y = min((int(max(y0, y1, y2)) - half) >> SHIFT, n - 1)
            if low_y > high_y:
                continue
            area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            if area == 0:
                continue
            i0, i1, i2 = iw[a], iw[b], iw[c]
            if i0 == 0.0 or i1 == 0.0 or i2 == 0.0:
                continue
            sign = np.float32(-1.0)  # seen from the detector the near side of a body turns the other way
            if area < 0:
                sign = np.float32(1.0)
                x1, x2 = x2, x1
                y1, y2 = y2, y1
                i1, i2 = i2, i1
                area = -area
            # 1/depth as a plane over the picture, per pixel
            k = SUB / area
            gx = ((i1 - i0) * (y2 - y0) - (i2 - i0) * (y1 - y0)) * k
            gy = ((i2 - i0) * (x1 - x0) - (i1 - i0) * (x2 - x0)) * k
            px, py = low_x * SUB + half, low_y * SUB + half
            at = i0 + (gx * (px - x0) + gy * (py - y0)) * (1.0 / SUB)
            # edge functions at the first pixel; an edge owns its points if it is a top or a left edge
            ax, ay = x1 - x0, y1 - y0
            bx, by = x2 - x1, y2 - y1
            cx, cy = x0 - x2, y0 - y2
            e0 = ax * (py - y0) - ay * (px - x0) - (0 if ay < 0 or (ay == 0 and ax > 0) else 1)
            e1 = bx * (py - y1) - by * (px - x1) - (0 if by < 0 or (by == 0 and bx > 0) else 1)
            e2 = cx * (py - y2) - cy * (px - x2) - (0 if cy < 0 or (cy == 0 and cx > 0) else 1)
            sx0, sx1, sx2 = -ay * SUB, -by * SUB, -cy * SUB
            sy0, sy1, sy2 = ax * SUB, bx * SUB, cx * SUB
            w0, w1 = sign * weights[f, 0], sign * weights[f, 1]
            r0, r1, r2 = -1.0 / (sx0 if sx0 != 0 else 1), -1.0 / (sx1 if sx1 != 0 else 1), -1.0 / (sx2 if sx2 != 0 else 1)
            across = high_x - low_x
            for y in range(low_y, high_y + 1):
                # first and last column with all three edge functions >= 0
                first, last = _bounds(int(e0), int(sx0), r0, 0, across)
                first, last = _bounds(int(e1), int(sx1), r1, first, last)
                first, last = _bounds(int(e2), int(sx2), r2, first, last)
                if first <= last:
                    left, begin = np.float32(at + gx * first), y * n + low_x + first
                    _fill(flat, begin, n * n, last - first + 1, left, np.float32(gx), shallow, w0, w1)
                e0 += sy0
                e1 += sy1
                e2 += sy2
                at += gy


@jit
def gather(parts: F32, first: int, last: int, scale: float, base: F32, out: F32) -> None:
    """Sum the threads' buffers (t, 2, n, n) as lengths along the ray, added to base, into rows first..last of out (2, n, n).

    base: (2, n, n), or empty for none. Clears the buffers for the next picture. scale = pixel size over source-detector distance.
    """
    n, none = out.shape[2], np.float32(0.0)
    middle = 0.5 * n - 0.5
    slant = np.empty(n, np.float32)
    for y in range(first, last):
        v = (y - middle) * scale
        for x in range(n):
            u = (x - middle) * scale
            slant[x] = np.float32(np.sqrt(1.0 + u * u + v * v))
        for c in range(2):
            line, total = out[c, y], parts[0, c, y]
            for t in range(1, parts.shape[0]):
                part = parts[t, c, y]
                for x in range(n):
                    total[x] += part[x]
                part[:] = none
            if base.size:
                below = base[c, y]
                for x in range(n):
                    line[x] = below[x] + total[x] * slant[x]
            else:
                for x in range(n):
                    line[x] = total[x] * slant[x]
            total[:] = none
