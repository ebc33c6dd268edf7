"""The sacroiliac joint: one surface y(x, z) in the pelvic frame that cuts sacrum and hip bone, so that both faces are congruent.

Pelvic frame: origin = centre of the S1 endplate, x anterior, y left, z up when the sacral slope equals
`reference_slope` (morphometry/pelvis.toml). Surfaces are cubic radial-basis functions, see shape.surface_weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from anatomy_assets import primitives as prim
from anatomy_assets.parameters import SIDES, Parameters, mdeg
from anatomy_assets.shape import Builder, Point, surface_weights
from sim.frames import sincos_mdeg

SLOPE_OF_JOINT = 1.15
"""Gap along y per gap of the joint: its slope widens it, the rounded cuts take the same off (measured on baked bones)."""
FAR_MM = 60.0
SACRAL_WINDOW = [[12.0, 34.0], [12.0, -50.0], [-72.0, -50.0], [-72.0, 34.0]]
ILIAC_WINDOW = [
    [-5.0, 14.0],
    [-6.0, -12.0],
    [-16.0, -32.0],
    [-30.0, -52.0],
    [-62.0, -52.0],
    [-68.0, -8.0],
    [-46.0, 26.0],
    [-18.0, 28.0],
]


def surface(points: Sequence[tuple[float, float, float]]) -> Callable[[float, float], float]:
    """Return the smooth surface through (u, v, value) points as a function of (u, v)."""
    weights = surface_weights(points)
    n = len(points)

    def value(u: float, v: float) -> float:
        total = weights[n] + weights[n + 1] * u + weights[n + 2] * v
        for (pu, pv, _), w in zip(points, weights, strict=False):
            d2 = (u - pu) * (u - pu) + (v - pv) * (v - pv)
            total += w * d2 * float(np.sqrt(d2))
        return float(total)

    return value


def auricular(p: Parameters, side: str) -> list[tuple[float, float, float]]:
    """Return the control points (x, z, |y|) of the joint surface of one side, mm."""
    scale = p.sacrum.width_scale[SIDES.index(side)]
    return [(x, z, y * scale) for x, z, y in p.morphometry.pelvis["shape"]["auricular"]]


def pelvic_axes(p: Parameters) -> tuple[Point, Point]:
    """Return the pelvic x and z axes in the sacrum's local frame."""
    s, c = sincos_mdeg(mdeg(p.morphometry.pelvis["measures"]["reference_slope"]["value"]))
    return (c, 0.0, s), (-s, 0.0, c)


def cut_sacrum(b: Builder, p: Parameters, side: str) -> None:
    """Remove what lies lateral of the joint surface less half the gap."""
    x_axis, z_axis = pelvic_axes(p)
    sign = 1.0 if side == "left" else -1.0
    half = 0.5 * p.sij_gap / SLOPE_OF_JOINT
    faces = [[x, z, y - half, y - half + FAR_MM] for x, z, y in auricular(p, side)]
    frame = [0.0, 0.0, 0.0, *x_axis, *z_axis, 0.0, sign, 0.0]
    low, high = sorted((sign * 20.0, sign * 110.0))
    _cut(b, frame, SACRAL_WINDOW, faces, (-80.0, low, -80.0), (25.0, high, 30.0))
    _recess(b, p, side, x_axis, z_axis)


def _recess(b: Builder, p: Parameters, side: str, x_axis: Point, z_axis: Point) -> None:
    """Dig the space of the interosseous ligament into the sacrum behind the joint: only the auricular face stays close."""
    on_joint = surface(auricular(p, side))
    sign = 1.0 if side == "left" else -1.0
    rows = p.morphometry.pelvis["shape"]["recess"]
    points = [(x * x_axis[0] + z * z_axis[0], sign * on_joint(x, z), x * x_axis[2] + z * z_axis[2]) for x, z, _, _ in rows]
    b.chain(points, [r[2] for r in rows], [r[3] for r in rows], x_axis, 6.0, op=prim.SUBTRACT, square=0.0, smooth=1)


def cut_ilium(b: Builder, p: Parameters, side: str, to_local: Callable[[Point], Point]) -> None:
    """Remove what lies medial of the joint surface plus half the gap; `to_local` maps the pelvic frame to the bone's."""
    sign = 1.0 if side == "left" else -1.0
    half = 0.5 * p.sij_gap / SLOPE_OF_JOINT
    faces = [[x, z, y + half - FAR_MM, y + half] for x, z, y in auricular(p, side)]
    o = to_local((0.0, 0.0, 0.0))
    axes = [to_local(q) for q in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, sign, 0.0))]
    frame = [*o, *(a - b for axis in axes for a, b in zip(axis, o, strict=True))]
    _cut(b, frame, ILIAC_WINDOW, faces, (-70.0, -90.0, -70.0), (110.0, 90.0, 60.0))


def _cut(b: Builder, frame: list[float], window: list[list[float]], faces: list[list[float]], low: Point, high: Point) -> None:
    b.sheet(frame, window, faces, 1.0, 0.8, low, high, op=prim.SUBTRACT)
