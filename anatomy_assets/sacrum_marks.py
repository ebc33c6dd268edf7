"""Landmarks of the sacrum in its local frame; names as they appear after stacking (<side> = left, right; n = 1..4).

S1.endplate.superior, S.promontory, S1.wall.posterior, S2.level (middle of S2's body), S.apex,
Sn.canal.centre|front|back, S.hiatus (the apex of the hiatus, in the canal), S.hiatus.roof (its bony edge),
S.cornu.<side>, Sn.foramen.ventral|dorsal.<side> (mouths), Sn.foramen.ventral|dorsal.<side>.axis (unit vector from the
canal outwards), S1.sap.<side>.tip, S1.junction.<side> (groove between the ala and the SAP: L5 dorsal ramus),
S1.ala.<side>, S.auricular.<side> (middle of the joint surface), S1.pedicle.<side>.centre|superior|inferior|medial|lateral,
S.crest.<side> (superolateral sacral crest), S2.spinous.tip.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from anatomy_assets.parameters import SIDES, Parameters
from anatomy_assets.sacrum import LOWER_SLOPE, TIP_UP, Curve, Traits, dorsal_face, hiatus_up, moved, traits
from anatomy_assets.shape import Point
from anatomy_assets.sij import auricular, pelvic_axes

CANAL_UP = {"S1": -12.0, "S2": -38.0, "S3": -58.0, "S4": -74.0}
LEVEL_UP = {"S2.level": -39.0, "S3.level": -58.0}


def landmarks(p: Parameters) -> dict[str, Point]:
    """Return the sacral landmarks in the local frame."""
    shape, person = p.morphometry.sacrum["shape"], traits(p)
    c = Curve(p)
    marks: dict[str, Point] = {
        "S1.endplate.superior": (0.0, 0.0, 0.0),
        "S.promontory": (0.5 * p.sacrum.s1_depth + 1.0, 0.0, -1.0),
        "S1.wall.posterior": (c.wall, 0.0, -1.0),
        "S.apex": c.point("left", 0.0, TIP_UP + 1.5, 1.0),
        "S2.spinous.tip": c.point("left", shape["crest_lean"][1], shape["crest"][1][2], shape["crest"][1][3]),
    }
    for name, up in CANAL_UP.items():
        front, deep = _canal_at(shape, up)
        marks[f"{name}.canal.centre"] = c.point("left", 0.0, up, front - 0.48 * deep)
        marks[f"{name}.canal.front"] = c.point("left", 0.0, up, front)
        marks[f"{name}.canal.back"] = c.point("left", 0.0, up, front - 0.97 * deep)
    for name, up in LEVEL_UP.items():
        marks[name] = c.point("left", 0.0, up, 8.0)
    apex = hiatus_up(person)
    marks["S.hiatus"] = c.point("left", 0.0, apex, -0.5 * person.hiatus_depth)
    marks["S.hiatus.roof"] = c.point("left", 0.0, apex, -person.hiatus_depth)
    for side in SIDES:
        marks |= _side_landmarks(p, shape, c, side, person)
        marks |= _foramen_marks(shape, c, side, person)
    return marks


def _canal_at(shape: Mapping[str, Any], up: float) -> tuple[float, float]:
    """Return the face of the front wall and the depth of the canal at a table height (linear between rows)."""
    rows = shape["canal"]
    for a, b in pairwise(rows):
        if a[0] >= up >= b[0]:
            s = (a[0] - up) / (a[0] - b[0])
            return a[1] + s * (b[1] - a[1]), a[3] + s * (b[3] - a[3])
    return rows[-1][1], rows[-1][3]


def _foramen_marks(shape: Mapping[str, Any], c: Curve, side: str, person: Traits) -> dict[str, Point]:
    """Return the mouths of the four root canals and the directions in which they look."""
    marks: dict[str, Point] = {}
    for i, row in enumerate(shape["foramina"]):
        vlat, vup, dlat, dup, _, _, _ = moved(row, i, person, c.width[side])
        pelvic, dorsal = shape["pelvic"][i], shape["dorsal"][i]
        deeper = person.foramen_depth if i == 0 else 0.0
        slope = person.foramen_slope if i == 0 else LOWER_SLOPE
        mouths = {
            "ventral": (c.point(side, vlat + 0.5, vup - 0.3, pelvic), c.point(side, 0.95 * vlat, vup + 1.0, 0.35 * pelvic)),
            "dorsal": (c.point(side, dlat, dup, dorsal - deeper), c.point(side, dlat + slope * (3.0 + dorsal), dup - 1.0, -3.0)),
        }
        for word, (mouth, inner) in mouths.items():
            base = f"S{i + 1}.foramen.{word}.{side}"
            marks[base] = mouth
            marks[f"{base}.zero"] = (0.0, 0.0, 0.0)
            marks[f"{base}.axis"] = _unit(inner, mouth)
    return marks


def _unit(start: Point, end: Point) -> Point:
    x, y, z = (b - a for a, b in zip(start, end, strict=True))
    length = float(np.sqrt(x * x + y * y + z * z))
    return (x / length, y / length, z / length)


def _side_landmarks(p: Parameters, shape: Mapping[str, Any], c: Curve, side: str, person: Traits) -> dict[str, Point]:
    sign = 1.0 if side == "left" else -1.0
    sap = shape["sap"][1]
    x = sap[0] - shape["wall"] + c.wall
    crest = shape["tubercles"][3]
    marks = {
        f"S1.sap.{side}.tip": (x, sign * sap[1] * c.width[side], sap[2] + sap[3]),
        f"S1.junction.{side}": c.point(side, 29.5, -5.5, -10.0),
        f"S1.ala.{side}": c.point(side, 42.0, -2.5, -4.0),
        f"S1.pedicle.{side}.centre": c.point(side, 23.0, -13.0, 2.0),
        f"S1.pedicle.{side}.superior": c.point(side, 23.0, -5.0, 2.0),
        f"S1.pedicle.{side}.inferior": c.point(side, 23.0, -22.5, 2.0),
        f"S1.pedicle.{side}.medial": c.point(side, 14.0, -13.0, -6.5),
        f"S1.pedicle.{side}.lateral": c.point(side, 31.0, -13.0, 2.0),
        f"S.crest.{side}": c.point(side, crest[0], crest[1], dorsal_face(shape, crest[0], crest[1]) - crest[2] - 0.4 * crest[3]),
        f"S.auricular.{side}": _on_joint(p, side, 6),
    }
    _, _, tip_up, tip_face, radius = shape["horn"]
    marks[f"S.cornu.{side}"] = c.point(side, 0.5 * person.cornua / c.width[side], tip_up, tip_face - 0.7 * radius)
    return marks


def _on_joint(p: Parameters, side: str, row: int) -> Point:
    """Return a control point of the joint surface in the sacrum's local frame."""
    x, z, y = auricular(p, side)[row]
    (ax, _, az), (bx, _, bz) = pelvic_axes(p)
    return (x * ax + z * bx, y if side == "left" else -y, x * az + z * bz)
