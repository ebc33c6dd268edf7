"""Parametric landmarks of the lumbar levels (the sacrum and the ilia have their own in sacrum.py and pelvis.py).

Names, all points in LPS mm after stacking (<side> = left, right), L4 standing for any level:
  L4.body.centre, L4.endplate.superior|inferior (centres of the rims' planes),
  L4.endplate.superior.normal|inferior.normal (unit vectors, both pointing up),
  L4.wall.posterior|superior|inferior (mid height, rims), L4.canal.centre|front|back (in the lower half of the pedicles),
  L4.lamina, L4.spinous.tip, L4.pedicle.<side>.centre|superior|inferior|medial|lateral,
  L4.pedicle.<side>.axis (unit vector forwards), L4.sap.<side>.tip, L4.iap.<side>.tip, L4.pars.<side>,
  L4.junction.<side> (neck of the SAP on the transverse process), L4.transverse.<side>.tip,
  T11.costal.<side>.superior|inferior|transverse (T6..T12: bottom of the facet for the rib of this level's number, for
  the next rib (half facet on the lower rim, T6-T9), for the tubercle on the transverse process (T6-T10)),
  T11.costal.<side>.superior.axis (unit vector out of the bone, the same for the others; radius in the measure
  costal_radius_mm.T11.<side>.superior),
  L4.facet.<side>.centre|axis (the joint below L4: middle of the gap, unit vector from the lower bone's SAP to the IAP),
  L4.foramen.<side>.centre|superior|inferior|anterior|posterior (the foramen below L4; first values, the finished patient
  has them as met on the baked bones: landmarks.measured).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.arch import canal_height_z, left, met, part_points, roof_depth, wall_hollow
from anatomy_assets.layout import Form, Frame, form_of, frame_of
from anatomy_assets.parameters import SIDES, Level
from anatomy_assets.shape import Point, Shape
from anatomy_assets.vertebra import built, pedicle_axis, pedicle_centre, plate
from sim.frames import dot, norm, sincos_mdeg

F64 = NDArray[np.float64]
Field = Callable[[F64], float]
ORDER = (*(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6)), "S1")
BELOW = dict(pairwise(ORDER))
SAP_HALF_MM = 3.8
"""Half thickness of the superior articular process at its tip (morphometry/layout.toml)."""


def level_marks(level: Level, layout: Mapping[str, Any]) -> tuple[dict[str, Point], dict[str, float]]:
    """Return local landmarks and measures of one lumbar vertebra.

    Directions are given as points from a helper ".zero" and become vectors after stacking.
    """
    name = level.name
    wall = -0.5 * level.depth
    form = form_of(layout, level.number)
    (high, up), (low, down) = plate(level, True), plate(level, False)
    (s, c), (t, d) = sincos_mdeg(up), sincos_mdeg(down)
    marks: dict[str, Point] = {
        f"{name}.body.centre": (0.0, 0.0, 0.0),
        f"{name}.endplate.superior": (0.0, 0.0, high),
        f"{name}.endplate.inferior": (0.0, 0.0, -low),
        f"{name}.endplate.superior.zero": (0.0, 0.0, 0.0),
        f"{name}.endplate.inferior.zero": (0.0, 0.0, 0.0),
        f"{name}.endplate.superior.normal": (-s, 0.0, c),
        f"{name}.endplate.inferior.normal": (t, 0.0, d),
        f"{name}.wall.posterior": (wall + wall_hollow(level, form, 0.0), 0.0, 0.0),
        f"{name}.wall.superior": (wall, 0.0, 0.5 * level.height - level.loss_upper[2] - 1.5),
        f"{name}.wall.inferior": (wall, 0.0, level.loss_lower[2] - 0.5 * level.height + 1.5),
    }
    z, lean = canal_height_z(level), form["canal_lean"]
    front = wall + wall_hollow(level, form, z)
    marks |= {
        f"{name}.canal.front": (front, 0.0, z),
        f"{name}.canal.back": (front - level.canal_depth, 0.0, z),
        f"{name}.canal.centre": (front - 0.5 * level.canal_depth, 0.0, z),
        f"{name}.lamina": (wall - roof_depth(level, form) - 6.0 * lean, 0.0, -6.0),
        f"{name}.spinous.tip": (wall - level.spinous_length, level.spinous_lean, _tip_height(level, form)),
    }
    shape, costal = built(level, layout)
    marks[f"{name}.spinous.tip"] = met(shape, marks[f"{name}.spinous.tip"], (-1.0, 0.0, 0.0), 8.0)
    measures: dict[str, float] = {}
    for side in SIDES:
        marks |= _side_marks(level, form, side) | _bone_marks(shape, frame_of(level, form, side))
        measures[f"pedicle_width_mm.{name}.{side}"] = level.side(side).pedicle_width
        measures[f"pedicle_height_mm.{name}.{side}"] = level.side(side).pedicle_height
    for side, facets in costal.items():
        for which, facet in facets.items():
            base = f"{name}.costal.{side}.{which}"
            marks |= {base: facet.aim, f"{base}.zero": (0.0, 0.0, 0.0), f"{base}.axis": facet.axis}
            measures[f"costal_radius_mm.{name}.{side}.{which}"] = facet.radius
    return marks, measures


def _tip_height(level: Level, form: Form) -> float:
    tip = max(form["spinous"], key=lambda r: float(r[0]))
    return float(tip[1] * level.height / form["height"])


def _side_marks(level: Level, form: Form, side: str) -> dict[str, Point]:
    own = level.side(side)
    f = frame_of(level, form, side)
    x, y, z = pedicle_centre(level, side)
    axis = pedicle_axis(level, side)
    high, wide = 0.5 * own.pedicle_height, 0.5 * own.pedicle_width
    base = f"{level.name}.pedicle.{side}"
    return {
        f"{base}.centre": (x, y, z),
        f"{base}.superior": (x, y, z + high),
        f"{base}.inferior": (x, y, z - high),
        f"{base}.medial": (x, y - f.sign * wide, z),
        f"{base}.lateral": (x, y + f.sign * wide, z),
        f"{base}.zero": (0.0, 0.0, 0.0),
        f"{base}.axis": axis,
    }


def _bone_marks(shape: Shape, f: Frame) -> dict[str, Point]:
    """Return the points of one side that lie on the bone: tips, pars border, the notch between SAP and transverse process."""
    name, side = f.level.name, "left" if f.sign > 0 else "right"
    out, up, down = (0.0, f.sign, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)
    sap, iap, tp = (part_points(f, part) for part in ("sap", "iap", "tp"))
    pars = (iap[1][0], iap[1][1], iap[1][2] + 0.5 * (iap[2][2] - iap[1][2]))
    return {
        f"{name}.sap.{side}.tip": max((met(shape, p, up) for p in _between(sap)), key=lambda q: q[2]),
        f"{name}.iap.{side}.tip": min((met(shape, p, down) for p in _between(iap[-2:])), key=lambda q: q[2]),
        f"{name}.transverse.{side}.tip": met(shape, tp[-1], out, 12.0),
        f"{name}.pars.{side}": left(shape, pars, out),
        f"{name}.junction.{side}": _notch(shape, f, sap, tp),
    }


def _between(points: Sequence[Point]) -> list[Point]:
    """Return the points and two more between each pair."""
    out = list(points[-1:])
    for p, q in pairwise(points):
        out += [(p[0] + s * (q[0] - p[0]), p[1] + s * (q[1] - p[1]), p[2] + s * (q[2] - p[2])) for s in (0.0, 1 / 3, 2 / 3)]
    return out


BELOW_BORDER_MM = 20.0
"""A line that comes upon nothing within this below the axis of a transverse process has missed it."""


def _notch(shape: Shape, f: Frame, sap: Sequence[Point], tp: Sequence[Point]) -> Point:
    """Return the neck of the SAP on the transverse process, where the medial branch crosses.

    Walk outwards over the upper border, on the axis of the transverse process, from the outermost SAP node; the notch
    is where the border stops falling steeper than 45 degrees.
    """
    start = max(f.sign * p[1] for p in sap)
    heights = []
    for i in range(25):
        lat = start + 0.5 * i - 1.0
        x = _along(tp, lat, f.sign)
        here = met(shape, (x, f.sign * lat, tp[0][2]), (0.0, 0.0, 1.0), 30.0)
        if here[2] < tp[0][2] - BELOW_BORDER_MM:  # past the tip of a short process (T12): nothing is met any more
            break
        heights.append(here)
    for p, q in pairwise(heights):
        if p[2] - q[2] < 0.5 and p[2] < heights[0][2] - 1.0:
            return p
    return heights[-1]


def _along(tp: Sequence[Point], lat: float, sign: float) -> float:
    """Return x of the transverse process' axis at a distance from the midline (its first node's x further in)."""
    for p, q in pairwise(tp):
        if sign * p[1] <= lat <= sign * q[1]:
            return p[0] + (lat - sign * p[1]) / (sign * (q[1] - p[1])) * (q[0] - p[0])
    return tp[0][0] if lat < sign * tp[0][1] else tp[-1][0]


def foramen_marks(marks: Mapping[str, F64], name: str) -> dict[str, F64]:
    """Return the limits of the foramen below a level from the pedicles, the disc and the SAP (patient frame).

    The middle of the foramen lies on the line between the pedicles, half way between disc and SAP.
    """
    out: dict[str, F64] = {}
    below = BELOW[name]
    forward = unit(marks[f"{name}.body.centre"] - marks[f"{name}.wall.posterior"])
    wall = marks[f"{name}.wall.inferior"]
    for side in SIDES:
        superior = marks[f"{name}.pedicle.{side}.inferior"]
        inferior = marks[f"{below}.pedicle.{side}.superior"]
        between = 0.5 * (superior + inferior)
        front = between + forward * dot(wall - between, forward)
        joint = marks[f"{below}.sap.{side}.tip"] + SAP_HALF_MM * forward
        back = between + forward * dot(joint - between, forward)
        base = f"{name}.foramen.{side}"
        out |= {f"{base}.superior": superior, f"{base}.inferior": inferior}
        out |= {f"{base}.anterior": front, f"{base}.posterior": back, f"{base}.centre": 0.5 * (front + back)}
    return out


def facet_marks(upper: Field, lower: Field, marks: Mapping[str, F64], name: str) -> dict[str, F64]:
    """Return centre and axis of the joints below a level: where the fields of both bones are equal, between the tips.

    upper, lower: raw field of the bone at a patient point. The axis (as a point from ".zero") is the direction in which
    the upper bone comes nearer and the lower one goes: from the SAP to the IAP.
    """
    out: dict[str, F64] = {}
    below = BELOW[name]
    up = unit(marks[f"{name}.body.centre"] - marks[f"{name}.endplate.inferior"])
    for side in SIDES:
        iap, sap = marks[f"{name}.iap.{side}.tip"], marks[f"{below}.sap.{side}.tip"]
        # the middle of the height that both processes share, each a little inside its bone
        height = 0.5 * dot(sap - iap, up)
        a, b = iap + height * up, sap - height * up
        for _ in range(40):
            middle = 0.5 * (a + b)
            a, b = (middle, b) if upper(middle) < lower(middle) else (a, middle)
        centre = 0.5 * (a + b)
        steps = [np.array([0.3 * (i == c) for i in range(3)]) for c in range(3)]
        rise = [lower(centre + s) - lower(centre - s) - upper(centre + s) + upper(centre - s) for s in steps]
        base = f"{name}.facet.{side}"
        out |= {f"{base}.centre": centre, f"{base}.zero": np.zeros(3), f"{base}.axis": unit(np.array(rise))}
    return out


def unit(v: F64) -> F64:
    """Return v / |v|."""
    return np.asarray(v / norm(v))
