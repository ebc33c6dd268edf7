"""One vertebra (T6..L5) as a table of primitives, from the sizes of a `Level`.

Local frame: x anterior, y left, z up, mm, origin = body centre. Body, pedicles and canal are here, the arch is
in arch.py; both follow the layout anchors (layout.py) scaled to the level. Every paired part is built twice,
from the numbers of its own side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from anatomy_assets import arch, changes
from anatomy_assets import primitives as prim
from anatomy_assets.layout import Facet, Form, form_of, frame_of
from anatomy_assets.parameters import SIDES, Level, mdeg
from anatomy_assets.shape import Builder, Point, Shape
from sim.frames import sincos_mdeg

SPACING_MM = 0.6


def plate(level: Level, upper: bool) -> tuple[float, int]:
    """Return height over the body centre (mm, positive) and tilt (millidegree, as half_wedge) of an end plate.

    A lost height lowers and tilts the plane of its rims.
    """
    front, _, back = level.loss_upper if upper else level.loss_lower
    tilt = half_wedge(level) - mdeg(math.degrees(math.atan((front - back) / level.depth)))
    return 0.5 * level.height - 0.5 * (front + back), tilt


def half_wedge(level: Level) -> int:
    """Return half the angle between the endplates (millidegree, + higher in front)."""
    return mdeg(math.degrees(math.atan(0.5 * (level.height_front - level.height_back) / level.depth)))


def pedicle_centre(level: Level, side: str) -> Point:
    """Return the centre of the pedicle's isthmus (local)."""
    own = level.side(side)
    lat = 0.5 * level.canal_width + 0.5 * own.pedicle_width - 0.6
    z = 0.5 * level.height_back - arch.PEDICLE_UNDER_ENDPLATE_MM - 0.5 * own.pedicle_height
    return (-0.5 * level.depth - 5.0, lat if side == "left" else -lat, z)


def pedicle_axis(level: Level, side: str) -> Point:
    """Return the unit direction along the pedicle, forwards and inwards (local)."""
    s, c = sincos_mdeg(level.pedicle_mdeg)
    return (c, -s if side == "left" else s, 0.0)


def vertebra(level: Level, layout: Mapping[str, Any], part: str = "") -> Shape:
    """Return the bone of one level; of a parted one its front, or with part "arch" its arch."""
    return built(level, layout, part or "front")[0]


def arch_name(level: Level) -> str:
    """Return the name of the arch of a parted vertebra."""
    return f"{level.name}_arch"


def built(level: Level, layout: Mapping[str, Any], part: str = "whole") -> tuple[Shape, dict[str, dict[str, Facet]]]:
    """Return the bone and the costal facets by side and name (none below T12).

    part: "front" or "arch" of a vertebra whose arch is parted (Level.split_mm); "whole" is the bone before surgery and lysis.
    """
    form = form_of(layout, level.number)
    b = Builder(arch_name(level) if part == "arch" else level.name, SPACING_MM)
    _body(b, level, form["body"])
    for side in SIDES:
        _pedicle(b, level, form, side)
        arch.side(b, frame_of(level, form, side))
    arch.spinous(b, frame_of(level, form, "left"))
    _canal(b, level, form)
    facets = {side: arch.costal(b, frame_of(level, form, side), layout) for side in SIDES}
    changes.added(b, level, form)
    if part != "whole":
        changes.cut(b, level, form, part)
    _cortex(b, level, layout["cortex"])
    return b.shape(), facets


def _body(b: Builder, level: Level, form: Mapping[str, float]) -> None:
    wedge = (level.height_front - level.height_back) / level.depth
    low, top = form["widest_lower"], form["widest_upper"]
    values = [
        level.height,
        0.5 * level.width_lower + form["rim_out_lower"], 0.5 * level.width_upper + form["rim_out_upper"],
        0.5 * level.depth_lower - low, 0.5 * level.depth_upper - top,
        0.5 * level.depth_lower + low, 0.5 * level.depth_upper + top,
        low, top,
        0.5 * wedge, -0.5 * wedge,
        form["waist_lateral"], form["waist_front"], form["waist_back"],
        form["dish_upper"], form["dish_lower"],
        form["kidney"], form["kidney_half_width"],
        form["front_squareness"], form["back_squareness"], form["rim"], form["rounding"], form["waist_round"],
        *changes.body_values(level),
    ]  # fmt: skip
    spare = 4.0 + level.rim_osteophyte_mm
    b.body(values, (0.5 * level.depth + spare, 0.5 * level.width_lower + spare, 0.5 * level.height + 4.0))


def _pedicle(b: Builder, level: Level, form: Form, side: str) -> None:
    own = level.side(side)
    sign = 1.0 if side == "left" else -1.0
    x, y, z = pedicle_centre(level, side)
    ax, ay, _ = pedicle_axis(level, side)
    high, wide = 0.5 * own.pedicle_height, 0.5 * own.pedicle_width
    rows = form["pedicle"]
    points = [(x + r[0] * ax, y + r[0] * ay + sign * r[4], z + r[3]) for r in rows]
    blend, square = form["pedicle_join"]
    b.chain(points, [high * r[1] for r in rows], [wide * r[2] for r in rows], (0.0, 0.0, 1.0), blend, square=square, smooth=1)


def _canal(b: Builder, level: Level, form: Form) -> None:
    """Cut the canal: a box between the pedicles and, behind it, a roof-shaped prism that leans with the lamina."""
    wall = -0.5 * level.depth
    half, deep = 0.5 * level.canal_width, arch.roof_depth(level, form)
    lean = form["canal_lean"]
    flat = [[-5.0, -5.0, -60.0, 60.0], [5.0, -5.0, -60.0, 60.0], [0.0, 5.0, -60.0, 60.0]]
    front = [[r[0], -half + r[1]] for r in form["canal_front"]]
    front += [[p[0], -p[1]] for p in reversed(front)]
    upright = [wall, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    reach = 45.0
    low, high = (wall - 40.0, -half - 6.0, -reach), (wall + 2.0, half + 6.0, reach)
    b.sheet(upright, front, flat, 0.0, 1.5, low, high, op=prim.SUBTRACT)
    peak, gable = form["canal_peak"]
    roof = [[r[0], -half + r[1]] for r in form["canal_roof"]] + [[deep - peak, -gable]]
    roof += [[deep, 0.0]] + [[p[0], -p[1]] for p in reversed(roof)]
    leaning = [wall, 0.0, 0.0, -1.0, 0.0, lean, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    # u = behind the wall, less far behind it higher up: u = -(x - wall) + lean * z
    b.sheet(leaning, roof, flat, 0.0, 2.0, low, high, op=prim.SUBTRACT)


def _cortex(b: Builder, level: Level, table: Mapping[str, float]) -> None:
    t = {key: value * level.cortex_scale for key, value in table.items()}
    half = 0.5 * level.height
    wall = -0.5 * level.depth
    b.cortex_base(t["wall"])
    for sign, loss in ((1.0, level.loss_upper), (-1.0, level.loss_lower)):
        dense = t["endplate"] + (level.sclerosis_mm if max(loss) > 0.0 else 0.0)
        b.cortex_plane((0.0, 0.0, sign), -(half - max(loss) - 4.0), 3.0, dense)
    b.cortex_plane((-1.0, 0.0, 0.0), wall + 0.5, 7.0, t["arch"])
    for side in SIDES:
        wide = level.side(side).pedicle_width
        # the eye of the dog: pedicle walls are thick, but never close up a thin pedicle
        b.cortex_ball(pedicle_centre(level, side), 8.5, 6.0, min(t["pedicle"], 0.24 * wide))
    out = 0.5 * level.canal_width + 13.0
    b.cortex_plane((0.0, 1.0, 0.0), -out, 6.0, t["transverse"])
    b.cortex_plane((0.0, -1.0, 0.0), -out, 6.0, t["transverse"])
    b.cortex_plane((-1.0, 0.0, 0.0), wall - 26.0, 8.0, t["spinous"])
