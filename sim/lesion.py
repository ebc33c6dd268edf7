"""Radiofrequency lesion: a spheroid around the active tip, its size from published growth, and the nerve inside it.

Sizes (docs/PHYSICS_HEAT.md, scenarios/data/lesions.toml): "cosman" after Cosman, Dolensky & Hoffman 2014 (ex vivo,
> 400 lesions), "small" after the older figures (Cohen 2011: radius 1.1-2.2 mm; Bogduk 1987 and the NT1100 manual: nothing
distal of the tip, no growth after a minute). Geometry is exact: the axis of a tube against the spheroid is a quadratic per
segment. A spheroid is float64 (8,): centre x y z (mm), unit axis x y z, half length a, half width b (mm).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, tube_distance
from sim.frames import dot, norm, sincos_mdeg
from sim.jit import jit
from sim.tools import Toolbox

F64 = NDArray[np.float64]

OCTAGON = 1.0823922002923938
"""1 / cos 22.5 deg: the corners of an octagon around a circle of radius 1."""
HALF = 0.7071067811865476

_CORNERS = np.array([[1, 0], [HALF, HALF], [0, 1], [-HALF, HALF], [-1, 0], [-HALF, -HALF], [0, -1], [HALF, -HALF]], np.float64)

RINGS, SPOKES = 12, 24


class Size(NamedTuple):
    """Size of a lesion (mm). distal: how far it reaches beyond the tip. extrapolated: outside the published settings."""

    width: float
    length: float
    distal: float
    extrapolated: bool


# --- size -----------------------------------------------------------------------------------------


def cosman_size(box: Toolbox, outer_mm: float, tip_mm: float, celsius: float, seconds: float) -> Size:
    """Return the lesion after `seconds` at `celsius`, after Cosman 2014.

    Width: linear in tip length (5-15 mm) and in outer diameter (22-16G) between the published ends; times the growth with
    temperature (linear) and time (piecewise linear), 1 at 80 C and 2 min. Length: tip plus an excess.
    """
    c = {name: box.constant(f"lesion.{name}") for name in _COSMAN}
    if celsius < c["lowest_c"] or seconds <= 0.0:
        return Size(0.0, 0.0, 0.0, celsius < c["coolest_c"])
    width, excess = _reference(c, outer_mm, tip_mm)
    growth = warmth(c, celsius) * duration(c, seconds)
    beyond = excess * growth
    outside = (
        not c["coolest_c"] <= celsius <= c["hottest_c"]
        or seconds > c["longest_s"]
        or not c["thinnest_mm"] <= outer_mm <= c["thick_mm"]
        or not c["short_tip_mm"] <= tip_mm <= c["long_tip_mm"]
    )
    return Size(width * growth, tip_mm + beyond, beyond * c["distal_share"], outside)


_COSMAN = (
    "width_short_tip_mm", "width_long_tip_mm", "gauge_growth_short_tip", "gauge_growth_long_tip", "short_tip_mm", "long_tip_mm",
    "thin_mm", "thick_mm", "thinnest_mm", "growth_60_90", "growth_1_2", "growth_1_3", "excess_low_mm", "excess_high_mm",
    "distal_share", "lowest_c", "coolest_c", "hottest_c", "longest_s", "share_10s", "share_30s",
)  # fmt: skip


def _reference(c: dict[str, float], outer_mm: float, tip_mm: float) -> tuple[float, float]:
    """Return (width, excess of length over the tip) at 80 C and 2 min, mm."""
    along = (tip_mm - c["short_tip_mm"]) / (c["long_tip_mm"] - c["short_tip_mm"])
    thick = (outer_mm - c["thin_mm"]) / (c["thick_mm"] - c["thin_mm"])
    thin_width = c["width_short_tip_mm"] + along * (c["width_long_tip_mm"] - c["width_short_tip_mm"])
    more = c["gauge_growth_short_tip"] + along * (c["gauge_growth_long_tip"] - c["gauge_growth_short_tip"])
    width = thin_width * (1.0 + more * thick)
    least = c["width_short_tip_mm"]
    most = c["width_long_tip_mm"] * (1.0 + c["gauge_growth_long_tip"])
    share = (width - least) / (most - least)
    return width, max(c["excess_low_mm"] + share * (c["excess_high_mm"] - c["excess_low_mm"]), 0.0)


def warmth(c: dict[str, float], celsius: float) -> float:
    """Return the size relative to 80 C: linear in temperature, with the published growth from 60 to 90 C."""
    ratio = 1.0 + c["growth_60_90"]
    slope = (ratio - 1.0) / (10.0 + 20.0 * ratio)
    return max(1.0 + slope * (celsius - 80.0), 0.0)


def duration(c: dict[str, float], seconds: float) -> float:
    """Return the size relative to 2 min: piecewise linear through 0, 10 s, 30 s, 1, 2 and 3 min, constant after that."""
    minute = 1.0 / (1.0 + c["growth_1_2"])
    knots = (
        (0.0, 0.0),
        (10.0, minute * c["share_10s"]),
        (30.0, minute * c["share_30s"]),
        (60.0, minute),
        (120.0, 1.0),
        (180.0, minute * (1.0 + c["growth_1_3"])),
    )
    for (t0, v0), (t1, v1) in pairwise(knots):
        if seconds < t1:
            return v0 + (v1 - v0) * (seconds - t0) / (t1 - t0)
    return knots[-1][1]


def small_size(box: Toolbox, outer_mm: float, tip_mm: float, celsius: float, seconds: float) -> Size:
    """Return the lesion of the older figures: as long as the tip, radius by diameter, full size after a minute."""
    c = {name: box.constant(f"lesion.{name}") for name in _COSMAN}
    if celsius < c["lowest_c"] or seconds <= 0.0:
        return Size(0.0, 0.0, 0.0, celsius < c["coolest_c"])
    thin, thick = box.constant("small_lesion.radius_thin_mm"), box.constant("small_lesion.radius_thick_mm")
    share = (outer_mm - c["thin_mm"]) / (c["thick_mm"] - c["thin_mm"])
    full = box.constant("small_lesion.full_after_s")
    grown = min(duration(c, min(seconds, full)) / duration(c, full), 1.0)
    width = 2.0 * max(thin + share * (thick - thin), 0.0) * warmth(c, celsius) * grown
    outside = not (c["coolest_c"] <= celsius <= c["hottest_c"] and c["thin_mm"] <= outer_mm <= c["thick_mm"])
    return Size(width, tip_mm, 0.0, outside)


# --- place ----------------------------------------------------------------------------------------


def active_tip(nodes_mm: F64, tip_mm: float) -> tuple[F64, F64]:
    """Return (proximal end, tip) of the bare part, `tip_mm` along the bent shaft; nodes (n, 3) run from hub to tip."""
    left = tip_mm
    for i in range(len(nodes_mm) - 1, 0, -1):
        back = nodes_mm[i - 1] - nodes_mm[i]
        length = norm(back)
        if length >= left and length > 0.0:
            return np.asarray(nodes_mm[i] + back * (left / length), np.float64), nodes_mm[-1].copy()
        left -= length
    return nodes_mm[0].copy(), nodes_mm[-1].copy()


def spheroid(proximal: F64, tip: F64, size: Size) -> F64:
    """Return the spheroid (8,) of a lesion of `size` around the bare part from `proximal` to `tip` (mm, patient frame)."""
    along = tip - proximal
    length = norm(along)
    axis = along / length if length > 0.0 else np.array([0.0, 0.0, 1.0])
    centre = tip + axis * (size.distal - 0.5 * size.length)
    return np.array([centre[0], centre[1], centre[2], axis[0], axis[1], axis[2], 0.5 * size.length, 0.5 * size.width])


@jit
def segment_inside(s: F64, ax: float, ay: float, az: float, bx: float, by: float, bz: float) -> tuple[float, float]:
    """Return the part (from, to in 0..1) of a segment that lies in a spheroid; (1, 0) when none does. Exact quadratic."""
    qx, qy, qz = ax - s[0], ay - s[1], az - s[2]
    dx, dy, dz = bx - ax, by - ay, bz - az
    qu = qx * s[3] + qy * s[4] + qz * s[5]
    du = dx * s[3] + dy * s[4] + dz * s[5]
    ia, ib = 1.0 / (s[6] * s[6]), 1.0 / (s[7] * s[7])
    dd = du * du * ia + (dx * dx + dy * dy + dz * dz - du * du) * ib
    qd = qu * du * ia + (qx * dx + qy * dy + qz * dz - qu * du) * ib
    qq = qu * qu * ia + (qx * qx + qy * qy + qz * qz - qu * qu) * ib - 1.0
    if dd <= 0.0:
        return (0.0, 1.0) if qq <= 0.0 else (1.0, 0.0)
    root = qd * qd - dd * qq
    if root <= 0.0:
        return 1.0, 0.0
    r = np.sqrt(root)
    low, high = max((-qd - r) / dd, 0.0), min((-qd + r) / dd, 1.0)
    return (low, high) if low < high else (1.0, 0.0)


@jit
def _whole_inside(s: F64, a: F64, b: F64, low: float, high: float) -> float:
    """Return the share of a cone segment (nodes a, b: x y z radius) inside with its whole thickness, within low..high.

    The eight lines along an octagon around the cone are met exactly; a spheroid is convex, so what they share is inside.
    """
    dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    n = np.sqrt(dx * dx + dy * dy + dz * dz)
    if n <= 0.0:
        return 0.0
    dx, dy, dz = dx / n, dy / n, dz / n
    if abs(dx) <= abs(dy) and abs(dx) <= abs(dz):
        ex, ey, ez = 0.0, dz, -dy
    elif abs(dy) <= abs(dz):
        ex, ey, ez = -dz, 0.0, dx
    else:
        ex, ey, ez = dy, -dx, 0.0
    n = np.sqrt(ex * ex + ey * ey + ez * ez)
    ex, ey, ez = ex / n, ey / n, ez / n
    fx, fy, fz = dy * ez - dz * ey, dz * ex - dx * ez, dx * ey - dy * ex
    for corner in range(8):
        c, d = _CORNERS[corner, 0] * OCTAGON, _CORNERS[corner, 1] * OCTAGON
        ox, oy, oz = c * ex + d * fx, c * ey + d * fy, c * ez + d * fz
        lo, hi = segment_inside(
            s,
            a[0] + a[3] * ox, a[1] + a[3] * oy, a[2] + a[3] * oz,
            b[0] + b[3] * ox, b[1] + b[3] * oy, b[2] + b[3] * oz,
        )  # fmt: skip
        low, high = max(low, lo), min(high, hi)
        if low >= high:
            return 0.0
    return float(high - low)


@jit
def nerve_inside(s: F64, nodes: F64) -> tuple[F64, float]:
    """Return (intervals (n, 2) of arc length in mm of the tube's axis in the spheroid, length with its whole thickness inside).

    nodes: (n, 4) x, y, z, radius. Intervals are in order; those of neighbouring segments touch.
    """
    found = np.empty((len(nodes), 2))
    count, start, whole = 0, 0.0, 0.0
    if s[6] <= 0.0 or s[7] <= 0.0:
        return found[:0].copy(), 0.0
    for i in range(len(nodes) - 1):
        a, b = nodes[i], nodes[i + 1]
        dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        low, high = segment_inside(s, a[0], a[1], a[2], b[0], b[1], b[2])
        if low < high:
            found[count, 0] = start + low * length
            found[count, 1] = start + high * length
            count += 1
            whole += _whole_inside(s, a, b, low, high) * length
        start += length
    return found[:count].copy(), whole


def whole_um(intervals: F64) -> list[tuple[int, int]]:
    """Return intervals of arc length (mm) in whole micrometres, touching ones joined."""
    return merged([(round(float(a) * 1000.0), round(float(b) * 1000.0)) for a, b in intervals])


def merged(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the union of intervals, in order."""
    out: list[tuple[int, int]] = []
    for a, b in sorted(parts):
        if out and a <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        elif b > a:
            out.append((a, b))
    return out


def total_um(parts: list[tuple[int, int]]) -> int:
    """Return the length of disjoint intervals."""
    out = 0
    for a, b in parts:
        out += b - a
    return out


# --- distance and direction -----------------------------------------------------------------------


@jit
def lesion_gap(f: Fields, t: int, s: F64) -> float:
    """Return the signed distance (mm) from the surface of a spheroid to the wall of tube t, negative where they overlap.

    The least over 24 x 12 points of the surface and its poles (a lesion of 10 mm: within 0.2 mm).
    """
    if abs(s[3]) <= abs(s[4]) and abs(s[3]) <= abs(s[5]):
        ex, ey, ez = 0.0, s[5], -s[4]
    elif abs(s[4]) <= abs(s[5]):
        ex, ey, ez = -s[5], 0.0, s[3]
    else:
        ex, ey, ez = s[4], -s[3], 0.0
    n = np.sqrt(ex * ex + ey * ey + ez * ez)
    ex, ey, ez = ex / n, ey / n, ez / n
    fx, fy, fz = s[4] * ez - s[5] * ey, s[5] * ex - s[3] * ez, s[3] * ey - s[4] * ex
    best = 1.0e9
    for ring in range(RINGS + 1):
        out, along = sincos_mdeg(ring * (180_000 // RINGS))
        for spoke in range(SPOKES):
            si, co = sincos_mdeg(spoke * (360_000 // SPOKES))
            a, p, q = s[6] * along, s[7] * out * co, s[7] * out * si
            x = s[0] + a * s[3] + p * ex + q * fx
            y = s[1] + a * s[4] + p * ey + q * fy
            z = s[2] + a * s[5] + p * ez + q * fz
            best = min(best, tube_distance(f, t, x, y, z))
    return best


def electrode_gap(f: Fields, t: int, proximal: F64, tip: F64, radius_mm: float, steps: int = 64) -> float:
    """Return the distance (mm) from the bare part of an electrode to the wall of tube t; 0 when they touch."""
    best = 1.0e9
    for i in range(steps + 1):
        p = proximal + (tip - proximal) * (i / steps)
        best = min(best, tube_distance(f, t, float(p[0]), float(p[1]), float(p[2])))
    return max(best - radius_mm, 0.0)


def angle_mdeg(a: F64, b: F64) -> int:
    """Return the angle between two lines (0..90 deg) in whole millidegrees, by bisection on our own cosine (bit-stable)."""
    n = norm(a) * norm(b)
    if n <= 0.0:
        return 0
    wanted = min(abs(dot(a, b)) / n, 1.0)
    low, high = 0, 90_000
    while low < high:
        middle = (low + high) // 2
        if sincos_mdeg(middle)[1] <= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def nerve_direction(nodes: F64, point: F64, window_mm: float) -> F64:
    """Return the chord of a tube's axis over `window_mm` of its length, centred on where it is nearest to `point`."""
    steps = [norm(nodes[i + 1, :3] - nodes[i, :3]) for i in range(len(nodes) - 1)]
    best, at, start = 1.0e18, 0.0, 0.0
    for i, length in enumerate(steps):
        d = nodes[i + 1, :3] - nodes[i, :3]
        s = min(max(dot(point - nodes[i, :3], d) / (length * length), 0.0), 1.0) if length > 0.0 else 0.0
        gap = norm(point - nodes[i, :3] - s * d)
        if gap < best:
            best, at = gap, start + s * length
        start += length
    return _at(nodes, steps, min(at + 0.5 * window_mm, start)) - _at(nodes, steps, max(at - 0.5 * window_mm, 0.0))


def _at(nodes: F64, steps: list[float], where: float) -> F64:
    """Return the point at arc length `where` (mm) of a tube's axis."""
    for i, length in enumerate(steps):
        if where <= length or i == len(steps) - 1:
            share = min(where / length, 1.0) if length > 0.0 else 0.0
            return np.asarray(nodes[i, :3] + share * (nodes[i + 1, :3] - nodes[i, :3]), np.float64)
        where -= length
    return np.asarray(nodes[0, :3], np.float64)
