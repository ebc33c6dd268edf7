"""The arch of a vertebra: articular, transverse and accessory processes, pars, lamina, spinous process, costal facets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anatomy_assets import primitives as prim
from anatomy_assets.layout import Facet, Form, Frame, costal_facets
from anatomy_assets.parameters import Level
from anatomy_assets.shape import Builder, Point, Shape
from sim.frames import sincos_mdeg

PEDICLE_UNDER_ENDPLATE_MM = 2.4
CANAL_UNDER_PEDICLE_MM = 3.0
COSTAL_DEPTH_MM = 0.7
"""Depth of the bowl of a costal facet."""
WING_TOP_MM = 4.0
"""How far the plate of a transitional vertebra reaches above the axis of its transverse process."""
CHAINS = {"pars": 1, "iap": 1, "lamina": 2, "sap": 2, "mammillary": 0, "tp": 1, "accessory": 0}
"""Parts of one side in the order of their unions, with the times that their axis is refined."""


def canal_height_z(level: Level) -> float:
    """Return the height above the body centre at which the canal is measured: the lower half of the pedicles (mm).

    Higher up the lamina of L5 has ended and there is no roof.
    """
    high = 0.5 * (level.left.pedicle_height + level.right.pedicle_height)
    return 0.5 * level.height_back - PEDICLE_UNDER_ENDPLATE_MM - 0.5 * high - CANAL_UNDER_PEDICLE_MM


def wall_hollow(level: Level, form: Form, z: float) -> float:
    """Return how far the posterior wall lies in front of the rims in the midline at height z (as in primitives.body)."""
    t, m = form["body"], 2.0 * z / level.height
    waist = max(1.0 - m * m, 0.0)
    waist = t["waist_round"] * waist + (1.0 - t["waist_round"]) * waist * waist
    return float(t["kidney"] + t["waist_back"] * waist)


def roof_depth(level: Level, form: Form) -> float:
    """Return how far the leaning roof of the canal lies behind the endplates' rims at mid height (mm).

    Canal depth is met at `canal_height_z`, from the hollow of the wall to the roof.
    """
    z = canal_height_z(level)
    return float(level.canal_depth - wall_hollow(level, form, z) + form["canal_lean"] * z)


def side(b: Builder, f: Frame) -> None:
    """Add the parts of one side."""
    for part, smooth in CHAINS.items():
        _part(b, f, part, smooth)


def turned(f: Frame, point: Point) -> Point:
    """Return an articular point turned about the vertical through the top of the SAP by the side's facet angle."""
    s, c = sincos_mdeg(f.side.facet_mdeg)
    pivot = f.point(*sap_row(f)[:3])
    dx, dy = point[0] - pivot[0], point[1] - pivot[1]
    s *= f.sign
    return (pivot[0] + c * dx + s * dy, pivot[1] - s * dx + c * dy, point[2])


def sap_row(f: Frame) -> list[float]:
    """Return the layout row of the highest part of the SAP."""
    return list(f.form["sap"][1])


def part_points(f: Frame, part: str) -> list[Point]:
    """Return the control points of one chain of the arch (local)."""
    rows = f.form[part]
    if part == "lamina":
        # depth behind the wall follows the canal, not the spinous process: the lamina is its roof
        deep = roof_depth(f.level, f.form) / f.form["lamina_roof"]
        return [(f.wall - r[0] * deep, f.sign * r[1] * f.level.arch_scale, r[2] * f.down_scale) for r in rows]
    points = [f.point(r[0], r[1], r[2]) for r in rows]
    if part == "iap":
        return [_lowered(f, p, i) for i, p in enumerate(points)]
    if part in ("sap", "mammillary"):
        return [turned(f, p) for p in points]
    if part == "tp":
        return [_stretched(f, p, r[1]) for p, r in zip(points, rows, strict=True)]
    return points


def _lowered(f: Frame, point: Point, i: int) -> Point:
    """Return an IAP point moved sideways to the scale of the joint below, fully so from the fourth node on."""
    arch, low = f.level.arch_scale, f.level.arch_low
    return (point[0], point[1] / arch * (arch + (low - arch) * min(i / 3.0, 1.0)), point[2])


def _part(b: Builder, f: Frame, part: str, smooth: int) -> None:
    """Add one chain of the layout on one side."""
    rows = f.form[part]
    blend, square = f.form[f"{part}_join"]
    x, y, z = f.form[f"{part}_along"]
    scale = f.level.arch_low if part == "iap" else 0.5 * (f.up_scale + f.down_scale)
    articular = part in ("sap", "iap", "mammillary")
    grown = f.side.hypertrophy_low if part == "iap" else f.side.hypertrophy
    thick = f.level.arch_scale * grown if articular else 1.0
    broad = f.side.tp_broad_mm if part == "tp" else 0.0
    along = [r[3] * scale * thick + 0.5 * broad for r in rows]
    across = [r[4] * thick for r in rows]
    points = part_points(f, part)
    b.chain(points, along, across, (x, f.sign * y, z), blend, square=square, smooth=smooth)
    if part == "sap" and f.side.sap_forward_mm > 0.0:
        grown_forwards(b, points, along, across, f.side.sap_forward_mm)
    if part == "tp" and f.side.wing_mm > 0.0:
        _wing(b, points, f.side.wing_mm)


def _wing(b: Builder, points: Sequence[Point], high: float) -> None:
    """Add the plate of a transitional vertebra below a transverse process: as high at its outer half as asked."""
    half = [0.5 * high * min(1.0, 0.35 + 1.3 * i / (len(points) - 1)) for i in range(len(points))]
    hung = [(p[0], p[1], p[2] + WING_TOP_MM - h) for p, h in zip(points, half, strict=True)]
    b.chain(hung[1:], half[1:], [4.5] * (len(points) - 1), (0.0, 0.0, 1.0), 4.0, square=0.4, smooth=1)


def grown_forwards(b: Builder, points: Sequence[Point], along: Sequence[float], across: Sequence[float], by: float) -> None:
    """Add the upper part of a superior articular process once more, further in front: it narrows the foramen by as much."""
    moved = [(p[0] + by, p[1], p[2] + 0.7 * a) for p, a in zip(points, along, strict=True)]
    b.chain(moved, [0.35 * a for a in along], [0.95 * a for a in across], (0.0, 0.0, 1.0), 1.5, square=0.2, smooth=2)


def _stretched(f: Frame, point: Point, lat: float) -> Point:
    """Return a transverse process point with its side position stretched to the measured span."""
    root, tip = f.form["tp_root"], f.form["tp_tip"]
    inner = root * f.level.arch_scale
    y = inner + (lat - root) * (f.side.transverse_half_span - inner) / (tip - root)
    return (point[0], f.sign * y, point[2])


def spinous(b: Builder, f: Frame) -> None:
    """Add the spinous process: a sagittal outline with a thickness field, leaning to one side."""
    level, form = f.level, f.form
    stretch = level.spinous_length / form["spl"]
    scale = level.height / form["height"]
    outline = [[r[0] * stretch, r[1] * scale] for r in form["spinous"]]
    lean = level.spinous_lean / level.spinous_length
    faces = []
    for back, up, half in form["spinous_half"]:
        out = lean * (back - 14.0)
        faces.append([back * stretch, up * scale, out - half, out + half])
    frame = [f.wall, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    low = (f.wall - level.spinous_length - 1.0, -9.0, min(p[1] for p in outline))
    high = (f.wall - 12.0, 9.0, 7.0 * scale)
    blend, rounding = form["spinous_join"]
    b.sheet(frame, outline, faces, rounding, blend, low, high, corner_cuts=1)


def costal(b: Builder, f: Frame, layout: Mapping[str, Any]) -> dict[str, Facet]:
    """Cut the facets for the ribs as shallow bowls; return them with `aim` moved onto the bone (bottom of the bowl)."""
    found = {name: landed(b.shape(), facet) for name, facet in costal_facets(f, layout).items()}
    for facet in found.values():
        ball = 1.8 * facet.radius
        (x, y, z), (u, v, w) = facet.aim, facet.axis
        at = (x + ball * u, y + ball * v, z + ball * w)
        end = (at[0] + u, at[1] + v, at[2] + w)
        b.chain([at, end], [ball, ball], [ball, ball], (v, -u, 0.3), 0.5, op=prim.SUBTRACT, square=0.0, smooth=0)
    return found


def landed(shape: Shape, facet: Facet) -> Facet:
    """Return the facet with its aim `COSTAL_DEPTH_MM` below the surface that the axis meets first from outside."""
    p, axis, d = met(shape, facet.aim, facet.axis), facet.axis, COSTAL_DEPTH_MM
    return Facet((p[0] - d * axis[0], p[1] - d * axis[1], p[2] - d * axis[2]), axis, facet.radius)


def met(shape: Shape, aim: Point, axis: Point, start: float = 35.0) -> Point:
    """Return where a line comes upon the bone (raw field) on its way from aim + start * axis towards the aim."""
    which = np.arange(len(shape.rows))
    p = (aim[0] + start * axis[0], aim[1] + start * axis[1], aim[2] + start * axis[2])
    for _ in range(200):
        d = prim.field(shape.rows, shape.aux, which, 0, len(which), *p)
        if d < 0.005:
            break
        step = 0.7 * d
        p = (p[0] - step * axis[0], p[1] - step * axis[1], p[2] - step * axis[2])
    return p


def left(shape: Shape, inside: Point, axis: Point) -> Point:
    """Return where a line from a point inside the bone first leaves it (raw field)."""
    which = np.arange(len(shape.rows))
    p = inside
    for _ in range(400):
        d = prim.field(shape.rows, shape.aux, which, 0, len(which), *p)
        if d > -0.02:
            break
        step = max(-0.5 * d, 0.02)
        p = (p[0] + step * axis[0], p[1] + step * axis[1], p[2] + step * axis[2])
    return p
