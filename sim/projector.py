"""Line integrals on the CPU, exact for triangle meshes: the reference that the GPU must agree with.

One pass (docs/IMAGING.md, "The projector"): for closed meshes the length of a ray inside is the sum of signed
depths of its surfaces. Triangles are drawn with vertices on a grid of 1/4096 pixel, integer edge functions and
the top-left rule, so that a shared edge is counted exactly once; depth is interpolated as 1/w; depths are taken
from a reference so that float32 keeps 1e-4 mm. Anatomy and devices have targets of their own: with a still
C-arm only needle and contrast are drawn again. Two threads draw into buffers of their own.

Pictures never feed a score.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit
from sim.scene import MU_60KEV_PER_MM, Scene
from sim.view import Pose, View

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

SHIFT = 12
SUB = 1 << SHIFT  # fixed-point steps per pixel: errors of depth on steep faces stay below 1e-3 mm
NEAREST_MM = 20.0  # surfaces nearer to the source than this are not drawn
NARROW = 6  # triangles up to so many pixels wide are tested pixel by pixel
FAR = 1 << 40
NUDGE = 2.0**-39
BLOCK = 512  # faces a thread takes at a time
FINE = 4  # rays per pixel side for the needle
NEEDLE_TOLERANCE_MM = 0.02
CONTRAST_VOXEL_MM = 1.0
HUB_RADIUS_MM, HUB_BORE_MM, HUB_LENGTH_MM = 3.3, 1.4, 14.0
HUB_WATER = 0.96  # polypropylene


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


# ---------------------------------------------------------------- triangles


@jit
def _place(
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
def _span(value: int, step: int, inverse: float) -> tuple[int, int]:
    """Return the first and last k with value + k * step >= 0 (far away where there is no bound).

    inverse = -1 / step. The quotient is off by 2**-41 at most and a fraction with this denominator is never
    nearer to a whole number than 2**-36, so that a nudge of 2**-39 makes the rounding exact.
    """
    if step > 0:
        return int(np.ceil(value * inverse - NUDGE)), FAR
    if step < 0:
        return -FAR, int(np.floor(value * inverse + NUDGE))
    return (-FAR, FAR) if value >= 0 else (FAR, -FAR)


@jit
def _fill(water: F32, bone: F32, ramp: F32, at: Any, gx: Any, reference: Any, w0: Any, w1: Any) -> None:
    """Add weight * (depth - reference) to a piece of a row. All float32, so that the loop becomes vector code."""
    one = np.float32(1.0)
    for k in range(water.shape[0]):
        depth = one / (at + gx * ramp[k]) - reference
        water[k] += w0 * depth
        bone[k] += w1 * depth


@jit
def _draw(xy: I32, iw: F64, faces: I32, weights: F32, start: int, stride: int, reference: float, out: F32) -> None:
    """Add every stride-th block of faces to out (2, n, n): sign * weight * (depth - reference)."""
    n = out.shape[1]
    half = SUB // 2
    ramp = np.arange(n).astype(np.float32)
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
            narrow = high_x - low_x < NARROW
            r0, r1, r2 = -1.0 / (sx0 if sx0 != 0 else 1), -1.0 / (sx1 if sx1 != 0 else 1), -1.0 / (sx2 if sx2 != 0 else 1)
            for y in range(low_y, high_y + 1):
                if narrow:
                    v0, v1, v2, here = e0, e1, e2, at
                    for x in range(low_x, high_x + 1):
                        if (v0 | v1 | v2) >= 0:
                            depth = np.float32(1.0 / here - reference)
                            out[0, y, x] += w0 * depth
                            out[1, y, x] += w1 * depth
                        v0 += sx0
                        v1 += sx1
                        v2 += sx2
                        here += gx
                else:
                    # the same test solved for x: first and last column with all three edge functions >= 0
                    a0, b0 = _span(int(e0), int(sx0), r0)
                    a1, b1 = _span(int(e1), int(sx1), r1)
                    a2, b2 = _span(int(e2), int(sx2), r2)
                    first = low_x + max(a0, a1, a2, 0)
                    last = min(low_x + min(b0, b1, b2), high_x)
                    if first <= last:
                        left = np.float32(at + gx * (first - low_x))
                        piece = slice(first, last + 1)
                        _fill(out[0, y, piece], out[1, y, piece], ramp, left, np.float32(gx), shallow, w0, w1)
                e0 += sy0
                e1 += sy1
                e2 += sy2
                at += gy


@jit
def _gather(parts: F32, first: int, last: int, scale: float, out: F32) -> None:
    """Sum the threads' buffers (t, 2, n, n) into rows first..last of out (2, n, n) as lengths along the ray.

    Clears the buffers for the next picture. scale = pixel size over source-detector distance.
    """
    n = out.shape[2]
    middle = 0.5 * n - 0.5
    for y in range(first, last):
        v = (y - middle) * scale
        for x in range(n):
            u = (x - middle) * scale
            slant = np.float32(np.sqrt(1.0 + u * u + v * v))
            water, bone = np.float32(0.0), np.float32(0.0)
            for t in range(parts.shape[0]):
                water += parts[t, 0, y, x]
                bone += parts[t, 1, y, x]
                parts[t, 0, y, x] = 0.0
                parts[t, 1, y, x] = 0.0
            out[0, y, x] = water * slant
            out[1, y, x] = bone * slant


# ---------------------------------------------------------------- devices


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
def _tube(
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
def _splat(points: F32, source: F64, axes: F64, scale: float, cx: float, cy: float, voxel: float, out: F32, box: I64) -> None:
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


# ---------------------------------------------------------------- the projector


class Crew:
    """A few threads that share the rows or items of jitted work (which releases the interpreter's lock)."""

    def __init__(self, threads: int) -> None:
        self.threads = max(1, threads)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="picture")

    def share(self, count: int, work: Callable[[int, int], None]) -> None:
        """Run work(first, last) over `count` items, one piece per thread, and wait for all."""
        edges = [count * t // self.threads for t in range(self.threads + 1)]
        self.each([partial(work, a, b) for a, b in pairwise(edges)])

    def each(self, work: list[Callable[[], None]]) -> None:
        """Run all pieces of work and wait for them."""
        for job in [self._pool.submit(piece) for piece in work]:
            job.result()


class Projector:
    """Keeps buffers, threads and the anatomy of a still C-arm. Results are its own arrays: copy what must last.

    anatomy: (2, n, n) water- and bone-equivalent mm; devices: (3, n, n) steel mm, iodine mg/mm2 and plastic as
    water-equivalent mm, nothing outside device_box (y0, y1, x0, x1).
    """

    def __init__(self, scene: Scene, threads: int = 2) -> None:
        self.scene = scene
        self.crew = Crew(threads)
        self._xy = np.zeros((len(scene.vertices), 2), np.int32)
        self._iw = np.zeros(len(scene.vertices), np.float64)
        corners = (scene.vertices.min(0), scene.vertices.max(0)) if len(scene.vertices) else (np.zeros(3), np.zeros(3))
        self._middle = 0.5 * (corners[0].astype(np.float64) + corners[1])
        self._drawn: tuple[object, ...] | None = None
        self._resize(0)

    def _resize(self, size: int) -> None:
        self.size = size
        self._parts = np.zeros((self.crew.threads, 2, size, size), np.float32)
        self.anatomy = np.zeros((2, size, size), np.float32)
        self.devices = np.zeros((3, size, size), np.float32)
        self.device_box = np.array([size, 0, size, 0], np.int64)
        self._drawn = None

    def draw(self, view: View, size: int) -> bool:
        """Draw anatomy (unless the C-arm stands still) and devices; return True if anatomy was drawn again."""
        if size != self.size:
            self._resize(size)
        camera = Camera.of(view.pose, size, view.breath_mm)
        key = (camera.source.tobytes(), camera.axes.tobytes(), camera.sdd, camera.pixel)
        fresh = key != self._drawn
        if fresh:
            self._draw_anatomy(camera)
            self._drawn = key
        self._draw_devices(camera, view)
        return fresh

    def lengths(self) -> F32:
        """Return (4, n, n): water mm, bone mm, steel mm, iodine mg/mm2 of the last picture (a new array)."""
        out = np.concatenate([self.anatomy, self.devices[:2]])
        out[0] += self.devices[2]
        return out

    def line_integrals_60kev(self, view: View, size: int) -> F32:
        """Return the attenuation line integral of a view at 60 keV, (n, n), a new array."""
        self.draw(view, size)
        out = np.zeros((size, size), np.float32)
        for mu, plane in zip(MU_60KEV_PER_MM, self.lengths(), strict=True):
            out += np.float32(mu) * plane
        return out

    def _draw_anatomy(self, camera: Camera) -> None:
        scene = self.scene
        reference = float(((self._middle - camera.source) * camera.axes[2]).sum())
        where = (camera.source, camera.axes, camera.sdd / camera.pixel, camera.centre_x, camera.centre_y)
        threads = self.crew.threads
        self.crew.share(len(scene.vertices), lambda a, b: _place(scene.vertices, a, b, *where, self._xy, self._iw))
        drawing = (self._xy, self._iw, scene.faces, scene.face_weights)
        self.crew.each([partial(_draw, *drawing, t, threads, reference, self._parts[t]) for t in range(threads)])
        self.crew.share(camera.n, lambda a, b: _gather(self._parts, a, b, camera.pixel / camera.sdd, self.anatomy))

    def _draw_devices(self, camera: Camera, view: View) -> None:
        y0, y1, x0, x1 = (int(v) for v in self.device_box)
        if y1 > y0:
            self.devices[:, y0:y1, x0:x1] = 0.0
        self.device_box[:] = (camera.n, 0, camera.n, 0)
        scale = camera.sdd / camera.pixel
        where = (camera.source, camera.axes, scale, camera.centre_x, camera.centre_y)
        if len(view.needle_mm) > 1 and view.needle_outer_mm > 0.0:
            nodes = distinct(np.asarray(view.needle_mm, np.float64))
            if len(nodes) > 1:
                outer, inner = 0.5 * view.needle_outer_mm, 0.5 * view.needle_inner_mm
                _tube(nodes, mitres(nodes), outer, inner, 1.0, FINE, *where, self.devices[0], self.device_box)
                hub = np.stack([nodes[0] - HUB_LENGTH_MM * _direction(nodes[0], nodes[1]), nodes[0]])
                _tube(hub, mitres(hub), HUB_RADIUS_MM, HUB_BORE_MM, HUB_WATER, 2, *where, self.devices[2], self.device_box)
        for wire in view.wires:
            nodes = distinct(np.asarray(wire.nodes_mm, np.float64))
            if len(nodes) > 1:
                outer, inner = 0.5 * wire.outer_mm, 0.5 * wire.inner_mm
                _tube(nodes, mitres(nodes), outer, inner, wire.steel, FINE, *where, self.devices[0], self.device_box)
        if len(view.contrast_points):
            points = np.ascontiguousarray(view.contrast_points, np.float32)
            _splat(points, *where, CONTRAST_VOXEL_MM, self.devices[1], self.device_box)


def _direction(p: F64, q: F64) -> F64:
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


def line_integrals_60kev(scene: Scene, view: View, size: int, threads: int = 2) -> F32:
    """Return the attenuation line integral at 60 keV, (n, n) float32, row 0 at the top: what `.npy` output holds."""
    return Projector(scene, threads).line_integrals_60kev(view, size)
