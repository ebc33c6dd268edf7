"""One lumbar vertebra as a table of primitives, and its landmarks, from the sizes of a `Level`.

Local frame: x anterior, y left, z up, mm, origin = body centre. The parts (body, pedicle, articular
processes, transverse process, pars, lamina, spinous process, canal) follow control points of
morphometry/layout.toml that are blended between the L3 and the L5 layout and scaled to the level.
Every paired part is built twice, from the numbers of its own side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anatomy_assets import primitives as prim
from anatomy_assets.parameters import SIDES, Level, Side, mdeg
from anatomy_assets.shape import Builder, Point, Shape
from sim.frames import sincos_mdeg

SPACING_MM = 0.6
PEDICLE_UNDER_ENDPLATE_MM = 2.4
WALL_HOLLOW_MM = 2.5
"""The posterior wall at mid height lies this far in front of the endplates' rims (waist and hollow): canal depth
is measured from there, layout coordinates from the rims."""
LAMINA_DEPTH_MM = 13.6
"""Canal depth behind the rims at which the lamina's layout was drawn."""


@dataclass(frozen=True)
class Frame:
    """Turns layout coordinates (back, lat, up) into the local frame of one side of one level."""

    level: Level
    side: Side
    sign: float
    wall: float
    up_scale: float
    down_scale: float
    back_scale: float

    def point(self, back: float, lat: float, up: float) -> Point:
        """Return the local point; up and down follow the tips of the articular processes."""
        z = up * (self.up_scale if up > 0 else self.down_scale)
        return (self.wall - back * self.back_scale, self.sign * lat * self.level.arch_scale, z)


def blended(layout: Mapping[str, Any], part: str, share: float) -> Any:
    """Return a layout entry (number, list or rows) between L3 (share 0) and L5 (share 1)."""

    def mix(a: Any, b: Any) -> Any:
        if isinstance(a, (int, float)):
            return a + share * (b - a)
        return [mix(x, y) for x, y in zip(a, b, strict=True)]

    return mix(layout["L3"][part], layout["L5"][part])


def frame_of(level: Level, layout: Mapping[str, Any], side: str) -> Frame:
    """Return the layout frame of one side."""
    share = level.layout_share
    own = level.side(side)
    return Frame(
        level=level,
        side=own,
        sign=1.0 if side == "left" else -1.0,
        wall=-0.5 * level.depth,
        up_scale=(0.5 * level.height_back + own.sap) / blended(layout, "sap_top", share),
        down_scale=(0.5 * level.height_back + own.iap) / blended(layout, "iap_bottom", share),
        back_scale=0.5 * (1.0 + level.spinous_length / blended(layout, "spl", share)),
    )


def roof_depth(level: Level) -> float:
    """Return how far the roof of the canal lies behind the endplates' rims at mid height (mm)."""
    return level.canal_depth - WALL_HOLLOW_MM


def half_wedge(level: Level) -> int:
    """Return half the angle between the endplates (millidegree, + higher in front)."""
    return mdeg(math.degrees(math.atan(0.5 * (level.height_front - level.height_back) / level.depth)))


def pedicle_centre(level: Level, side: str) -> Point:
    """Return the centre of the pedicle's isthmus (local)."""
    own = level.side(side)
    lat = 0.5 * level.canal_width + 0.5 * own.pedicle_width - 0.6
    z = 0.5 * level.height_back - PEDICLE_UNDER_ENDPLATE_MM - 0.5 * own.pedicle_height
    return (-0.5 * level.depth - 5.0, lat if side == "left" else -lat, z)


def pedicle_axis(level: Level, side: str) -> Point:
    """Return the unit direction along the pedicle, forwards and inwards (local)."""
    s, c = sincos_mdeg(level.pedicle_mdeg)
    return (c, -s if side == "left" else s, 0.0)


def vertebra(level: Level, layout: Mapping[str, Any]) -> Shape:
    """Return the bone of one level."""
    b = Builder(level.name, SPACING_MM)
    _body(b, level, layout["body"])
    for side in SIDES:
        f = frame_of(level, layout, side)
        _pedicle(b, level, side)
        _arch_side(b, f, layout)
    _spinous(b, level, layout)
    _canal(b, level, layout)
    _cortex(b, level, layout)
    return b.shape()


def _body(b: Builder, level: Level, form: Mapping[str, float]) -> None:
    wedge = (level.height_front - level.height_back) / level.depth
    centre = form["widest_forward"]
    values = [
        level.height,
        0.5 * level.width_lower, 0.5 * level.width_upper,
        0.5 * level.depth_lower - centre, 0.5 * level.depth_upper - centre,
        0.5 * level.depth_lower + centre, 0.5 * level.depth_upper + centre,
        centre, centre,
        0.5 * wedge, -0.5 * wedge,
        form["waist_lateral"], form["waist_front"], form["waist_back"],
        form["dish_upper"], form["dish_lower"],
        form["kidney"], form["kidney_half_width"],
        form["front_squareness"], form["back_squareness"], form["rim"], form["rounding"],
    ]  # fmt: skip
    b.body(values, (0.5 * level.depth + 4.0, 0.5 * level.width_lower + 2.0, 0.5 * level.height + 4.0))


def _pedicle(b: Builder, level: Level, side: str) -> None:
    own = level.side(side)
    x, y, z = pedicle_centre(level, side)
    ax, ay, _ = pedicle_axis(level, side)
    high, wide = 0.5 * own.pedicle_height, 0.5 * own.pedicle_width
    at = (11.0, 5.5, 0.0, -5.0, -9.0)
    points = [(x + d * ax, y + d * ay, z - (0.4 if d < -4 else 0.0)) for d in at]
    b.chain(
        points,
        [high * s for s in (1.02, 1.02, 1.0, 1.0, 0.85)],
        [wide * s for s in (1.15, 1.04, 1.0, 1.02, 1.0)],
        (0.0, 0.0, 1.0),
        3.2,
        square=0.25,
        smooth=1,
    )


def _turned(f: Frame, point: Point, pivot: Point) -> Point:
    """Return an articular point turned about the vertical through `pivot` by the side's facet angle."""
    s, c = sincos_mdeg(f.side.facet_mdeg)
    dx, dy = point[0] - pivot[0], point[1] - pivot[1]
    s *= f.sign
    return (pivot[0] + c * dx + s * dy, pivot[1] - s * dx + c * dy, point[2])


def _part(b: Builder, f: Frame, layout: Mapping[str, Any], part: str, blend: float, square: float, smooth: int) -> None:
    """Add one chain of the layout on one side."""
    rows = blended(layout, part, f.level.layout_share)
    points = [f.point(r[0], r[1], r[2]) for r in rows]
    if part in ("sap", "mammillary"):
        pivot = f.point(*sap_row(f, layout)[:3])
        points = [_turned(f, p, pivot) for p in points]
    if part == "tp":
        points = [_stretched(f, layout, p, r[1]) for p, r in zip(points, rows, strict=True)]
    vertical = 0.5 * (f.up_scale + f.down_scale)
    direction = (0.0, 1.0, 0.0) if part == "iap" else (0.0, 0.0, 1.0)
    along = [r[3] * (vertical if part != "iap" else f.level.arch_scale) for r in rows]
    b.chain(points, along, [r[4] for r in rows], direction, blend, square=square, smooth=smooth)


def sap_row(f: Frame, layout: Mapping[str, Any]) -> Any:
    """Return the layout row of the highest part of the SAP."""
    return blended(layout, "sap", f.level.layout_share)[1]


def _stretched(f: Frame, layout: Mapping[str, Any], point: Point, lat: float) -> Point:
    """Return a transverse process point with its side position stretched to the measured span."""
    share = f.level.layout_share
    root, tip = blended(layout, "tp_root", share), blended(layout, "tp_tip", share)
    inner = root * f.level.arch_scale
    y = inner + (lat - root) * (f.side.transverse_half_span - inner) / (tip - root)
    return (point[0], f.sign * y, point[2])


def _arch_side(b: Builder, f: Frame, layout: Mapping[str, Any]) -> None:
    _part(b, f, layout, "iap", 3.2, 0.3, 1)
    _lamina(b, f, layout)
    _part(b, f, layout, "sap", 3.5, 0.45, 2)
    _part(b, f, layout, "mammillary", 3.0, 0.0, 0)
    _part(b, f, layout, "tp", 3.6, 0.25, 1)
    _part(b, f, layout, "accessory", 3.0, 0.0, 0)


def _lamina(b: Builder, f: Frame, layout: Mapping[str, Any]) -> None:
    share = f.level.layout_share
    rows = blended(layout, "lamina", share)
    # depth behind the wall follows the canal, not the spinous process: the lamina is its roof
    deep = roof_depth(f.level) / LAMINA_DEPTH_MM
    points = [(f.wall - r[0] * deep, f.sign * r[1] * f.level.arch_scale, r[2] * f.down_scale) for r in rows]
    vertical = 0.5 * (f.up_scale + f.down_scale)
    tilt = blended(layout, "lamina_along", share)
    b.chain(points, [r[3] * vertical for r in rows], [r[4] for r in rows], tuple(tilt), 4.0, square=0.3)


def _spinous(b: Builder, level: Level, layout: Mapping[str, Any]) -> None:
    share = level.layout_share
    f = frame_of(level, layout, "left")
    stretch = level.spinous_length / blended(layout, "spl", share)
    scale = level.height / blended(layout, "height", share)
    outline = [[r[0] * stretch, r[1] * scale] for r in blended(layout, "spinous", share)]
    lean = level.spinous_lean / level.spinous_length
    faces = []
    for back, up, half in blended(layout, "spinous_half", share):
        side = lean * (back - 14.0)
        faces.append([back * stretch, up * scale, side - half, side + half])
    frame = [f.wall, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    length = level.spinous_length
    low = (f.wall - length - 1.0, -9.0, -27.0 * scale)
    high = (f.wall - 12.0, 9.0, 7.0 * scale)
    b.sheet(frame, outline, faces, 3.2, 5.0, low, high, corner_cuts=1)


def _canal(b: Builder, level: Level, layout: Mapping[str, Any]) -> None:
    """Cut the canal: a box between the pedicles and, behind it, a roof-shaped prism that leans with the lamina."""
    wall = -0.5 * level.depth
    half, deep = 0.5 * level.canal_width, roof_depth(level)
    lean = blended(layout, "lamina_along", level.layout_share)[0]
    flat = [[-5.0, -5.0, -60.0, 60.0], [5.0, -5.0, -60.0, 60.0], [0.0, 5.0, -60.0, 60.0]]
    front = [[0.3, -half + 3.0], [2.0, -half + 0.6], [5.0, -half], [8.0, -half + 1.5], [10.0, -half + 4.0]]
    front += [[p[0], -p[1]] for p in reversed(front)]
    upright = [wall, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    reach = 45.0
    low, high = (wall - 40.0, -half - 6.0, -reach), (wall + 2.0, half + 6.0, reach)
    b.sheet(upright, front, flat, 0.0, 1.5, low, high, op=prim.SUBTRACT)
    roof = [
        [5.0, -half + 1.5],
        [8.0, -half + 2.4],
        [deep - 1.2, -2.2],
        [deep, 0.0],
        [deep - 1.2, 2.2],
        [8.0, half - 2.4],
        [5.0, half - 1.5],
    ]
    leaning = [wall, 0.0, 0.0, -1.0, 0.0, lean, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    # u = behind the wall, less far behind it higher up: u = -(x - wall) + lean * z
    b.sheet(leaning, roof, flat, 0.0, 2.0, low, high, op=prim.SUBTRACT)


def _cortex(b: Builder, level: Level, layout: Mapping[str, Any]) -> None:
    t = layout["cortex"]
    half = 0.5 * level.height
    wall = -0.5 * level.depth
    b.cortex_base(t["wall"])
    b.cortex_plane((0.0, 0.0, 1.0), -(half - 4.0), 3.0, t["endplate"])
    b.cortex_plane((0.0, 0.0, -1.0), -(half - 4.0), 3.0, t["endplate"])
    b.cortex_plane((-1.0, 0.0, 0.0), wall + 0.5, 7.0, t["arch"])
    for side in SIDES:
        wide = level.side(side).pedicle_width
        # the eye of the dog: pedicle walls are thick, but never close up a thin pedicle
        b.cortex_ball(pedicle_centre(level, side), 8.5, 6.0, min(t["pedicle"], 0.24 * wide))
    out = 0.5 * level.canal_width + 13.0
    b.cortex_plane((0.0, 1.0, 0.0), -out, 6.0, t["transverse"])
    b.cortex_plane((0.0, -1.0, 0.0), -out, 6.0, t["transverse"])
    b.cortex_plane((-1.0, 0.0, 0.0), wall - 26.0, 8.0, t["spinous"])
