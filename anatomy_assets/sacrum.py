"""The sacrum as a table of primitives, and its landmarks.

Local frame: origin = centre of the S1 endplate, z along its normal, x anterior, y left, mm. The bone is a
plate in curved coordinates (dorsal and pelvic faces are smooth surfaces through control points), an S1
body with a crisp endplate, superior articular processes, a crest with tubercles, minus canal and foramina.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from anatomy_assets import primitives as prim
from anatomy_assets.parameters import SIDES, Parameters, SacrumSize
from anatomy_assets.shape import Builder, Point, Shape, solved

SPACING_MM = 0.6
S1_BODY_MM = 26.0


class Curve:
    """The curved coordinates: (lat, up, face) <-> local; `face` is counted forwards from the body line."""

    def __init__(self, shape: Mapping[str, Any], size: SacrumSize) -> None:
        self.wall = shape["wall"] * size.s1_depth / 32.0
        self.length = size.length_scale
        points = [(up * self.length, forward * self.length) for up, forward in shape["curve"]]
        self.bend: Point = tuple(solved([[u, u * u, u * u * u, f] for u, f in points]))  # type: ignore[assignment]
        self.width = {side: size.width_scale[i] for i, side in enumerate(SIDES)}

    def forward(self, up: float) -> float:
        """Return how far the body line has moved forwards at local height `up`."""
        c1, c2, c3 = self.bend
        return up * (c1 + up * (c2 + up * c3))

    def point(self, side: str, lat: float, up: float, face: float) -> Point:
        """Return the local point of table coordinates (up not yet scaled)."""
        z = up * self.length
        sign = 1.0 if side == "left" else -1.0
        return (self.wall + self.forward(z) + face, sign * lat * self.width[side], z)


def sacrum(p: Parameters) -> Shape:
    """Return the sacrum of a person."""
    table = p.morphometry.sacrum
    shape = table["shape"]
    c = Curve(shape, p.sacrum)
    b = Builder("S", SPACING_MM)
    _body(b, p.sacrum, c)
    _plate(b, shape, c)
    for side in SIDES:
        _sap(b, shape, c, side)
    _crest(b, shape, c)
    _coccyx(b, shape, c)
    for side in SIDES:
        _tubercles(b, shape, c, side)
    _canal(b, shape, c)
    for side in SIDES:
        _foramina(b, shape, c, side)
    _remnant_disc(b, shape, c)
    _cortex(b, table["cortex"], c)
    return b.shape()


def _body(b: Builder, size: SacrumSize, c: Curve) -> None:
    """Add the S1 body: endplate on top, tapering into the plate below."""
    front, back = 0.5 * size.s1_depth, 0.5 * size.s1_depth
    half = 0.5 * size.s1_width
    values = [
        S1_BODY_MM,
        0.70 * half, half,
        front - 10.5, front + 1.5,
        back - 1.0, back - 1.5,
        0.5, -1.5,
        0.0, 0.0,
        0.0, 0.6, 0.0,
        1.8, 0.0,
        1.5, 11.0,
        0.05, 0.35, 0.86, 2.0,
    ]  # fmt: skip
    b.body(values, (front + 6.0, half + 3.0, S1_BODY_MM), 0.0)
    b.shift_last((0.0, 0.0, -0.5 * S1_BODY_MM))


def _plate(b: Builder, shape: Mapping[str, Any], c: Curve) -> None:
    left = [[r[0] * c.width["left"], r[1] * c.length] for r in shape["outline"]]
    right = [[-r[0] * c.width["right"], r[1] * c.length] for r in shape["outline"][1:-1]]
    outline = left + right[::-1]
    faces = []
    for lat, up, dorsal, pelvic in shape["plate"]:
        faces.append([lat * c.width["left"], up * c.length, dorsal, pelvic])
        if lat > 0.0:
            faces.append([-lat * c.width["right"], up * c.length, dorsal, pelvic])
    frame = [c.wall, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    low = (c.wall - 26.0, -66.0 * c.width["right"], -104.0 * c.length)
    high = (c.wall + 45.0, 66.0 * c.width["left"], 4.0)
    b.sheet(frame, outline, faces, shape["rounding"], 5.0, low, high, bend=c.bend)


def _sap(b: Builder, shape: Mapping[str, Any], c: Curve, side: str) -> None:
    sign = 1.0 if side == "left" else -1.0
    rows = shape["sap"]
    points = [(r[0] - shape["wall"] + c.wall, sign * r[1] * c.width[side], r[2]) for r in rows]
    b.chain(points, [r[3] for r in rows], [r[4] for r in rows], (0.0, 0.0, 1.0), 4.0, square=0.45, smooth=2)


def _crest(b: Builder, shape: Mapping[str, Any], c: Curve) -> None:
    """Add the median crest: a ridge with a swelling at each fused spinous process."""
    rows = shape["crest"]
    base = shape["wall"]
    points = [(r[0] - base + c.wall, 0.35 if i % 2 else -0.25, r[1] * c.length) for i, r in enumerate(rows)]
    b.chain(points, [r[2] for r in rows], [r[3] for r in rows], (1.0, 0.0, 0.0), 4.0, square=0.0, smooth=1)


def _coccyx(b: Builder, shape: Mapping[str, Any], c: Curve) -> None:
    """Add the first coccygeal segments; fused to the sacrum (57 % of adults, gaps_vertebra.csv)."""
    for up, face, width, depth, height in shape["coccyx"]:
        left, right = c.point("left", width, up, face), c.point("right", width, up, face)
        b.chain([left, right], [height] * 2, [depth] * 2, (0.7, 0.0, 1.0), 2.5, square=0.2, smooth=0)


def dorsal_face(shape: Mapping[str, Any], lat: float, up: float) -> float:
    """Return a rough dorsal face value at a table point (inverse square of distance to control points)."""
    total = weight = 0.0
    for r in shape["plate"]:
        w = 1.0 / ((r[0] - lat) * (r[0] - lat) + (r[1] - up) * (r[1] - up) + 4.0)
        w *= w
        total += w * r[2]
        weight += w
    return total / weight


def _tubercles(b: Builder, shape: Mapping[str, Any], c: Curve, side: str) -> None:
    for lat, up, behind, radius in shape["tubercles"]:
        face = dorsal_face(shape, lat, up) - behind + 0.5 * radius
        top = c.point(side, lat, up + 0.6 * radius, face)
        low = c.point(side, lat, up - 0.6 * radius, face)
        b.chain([top, low], [radius, radius], [0.8 * radius] * 2, (1.0, 0.0, 0.0), 4.0, square=0.0, smooth=0)


def _canal(b: Builder, shape: Mapping[str, Any], c: Curve) -> None:
    rows = shape["canal"]
    points = [c.point("left", 0.0, r[0], r[1]) for r in rows]
    b.chain(
        points, [r[2] for r in rows], [r[3] for r in rows], (0.0, 1.0, 0.0), 3.0, op=prim.SUBTRACT, square=0.0, smooth=1
    )  # fmt: skip


def _foramina(b: Builder, shape: Mapping[str, Any], c: Curve, side: str) -> None:
    """Cut the four root canals: from the canal sideways, then to the pelvic and to the dorsal face."""
    for vlat, vup, dlat, dup, vhalf, dhalf in shape["foramina"]:
        up = 0.5 * (vup + dup)
        inner = c.point(side, 0.15 * vlat, up + 2.5, -5.5)
        bend = c.point(side, 0.72 * vlat, up + 0.5, -1.5)
        front = c.point(side, vlat, vup, 10.0)
        out = c.point(side, vlat + 3.0, vup - 3.0, 26.0)
        points = [inner, bend, front, out]
        half = [0.45 * vhalf, 0.72 * vhalf, vhalf, 1.35 * vhalf]
        b.chain(points, half, [0.95 * h for h in half], (0.0, 0.0, 1.0), 6.0, op=prim.SUBTRACT, square=0.0, smooth=1)
        root = c.point(side, 0.7 * vlat, up, -3.0)
        gate = c.point(side, dlat, dup, -9.0)
        back = c.point(side, dlat + 1.5, dup + 1.0, -26.0)
        half = [0.8 * dhalf, dhalf, 1.25 * dhalf]
        b.chain([root, gate, back], half, half, (0.0, 0.0, 1.0), 3.0, op=prim.SUBTRACT, square=0.0, smooth=1)


def _remnant_disc(b: Builder, shape: Mapping[str, Any], c: Curve) -> None:
    """Hollow out the remnant of the S1-S2 disc: a thin lens inside the body, seen as a double line."""
    width, depth, thickness = shape["remnant_disc"]
    points = [c.point("left", lat, -28.5, 12.0) for lat in (-width, 0.0, width)]
    thin, wide = [0.4 * thickness, thickness, 0.4 * thickness], [0.4 * depth, depth, 0.4 * depth]
    b.chain(points, thin, wide, (0.25, 0.0, 1.0), 0.5, op=prim.SUBTRACT, square=0.0, smooth=2)


def _cortex(b: Builder, t: Mapping[str, float], c: Curve) -> None:
    b.cortex_base(t["plate"])
    b.cortex_ball((0.0, 0.0, -12.0), 22.0, 10.0, t["body"])
    b.cortex_plane((0.0, 0.0, 1.0), 2.5, 2.5, t["endplate"])
    b.cortex_plane((-1.0, 0.0, 0.3), c.wall - 9.0, 6.0, t["dorsal"])


def landmarks(p: Parameters) -> dict[str, Point]:
    """Return the sacral landmarks in the local frame."""
    shape = p.morphometry.sacrum["shape"]
    c = Curve(shape, p.sacrum)
    marks: dict[str, Point] = {
        "S1.endplate.superior": (0.0, 0.0, 0.0),
        "S.promontory": (0.5 * p.sacrum.s1_depth, 0.0, -1.0),
        "S1.wall.posterior": (c.wall, 0.0, -1.0),
    }
    canal = {"S1": -12.0, "S2": -38.0, "S3": -58.0, "S4": -74.0}
    for name, up in canal.items():
        face, half = _canal_at(shape, up)
        marks[f"{name}.canal.centre"] = c.point("left", 0.0, up, face)
        marks[f"{name}.canal.front"] = c.point("left", 0.0, up, face + half)
        marks[f"{name}.canal.back"] = c.point("left", 0.0, up, face - half)
    hiatus = -103.0 + p.morphometry.sacrum["measures"]["hiatus_height"]["value"]
    marks["S.hiatus"] = c.point("left", 0.0, hiatus, -7.0)
    for side in SIDES:
        marks |= _side_landmarks(shape, c, side)
    return marks


def _canal_at(shape: Mapping[str, Any], up: float) -> tuple[float, float]:
    """Return centre and half depth of the canal at a table height (linear between rows)."""
    rows = shape["canal"]
    for a, b in pairwise(rows):
        if a[0] >= up >= b[0]:
            s = (a[0] - up) / (a[0] - b[0])
            return a[1] + s * (b[1] - a[1]), a[3] + s * (b[3] - a[3])
    return rows[-1][1], rows[-1][3]


def _side_landmarks(shape: Mapping[str, Any], c: Curve, side: str) -> dict[str, Point]:
    sign = 1.0 if side == "left" else -1.0
    marks: dict[str, Point] = {}
    for i, (vlat, vup, dlat, dup, _, _) in enumerate(shape["foramina"], start=1):
        marks[f"S{i}.foramen.ventral.{side}"] = c.point(side, vlat, vup, 12.0 - 1.5 * i)
        marks[f"S{i}.foramen.dorsal.{side}"] = c.point(side, dlat, dup, dorsal_face(shape, dlat, dup))
    sap = shape["sap"][1]
    x = sap[0] - shape["wall"] + c.wall
    marks[f"S1.sap.{side}.tip"] = (x, sign * sap[1] * c.width[side], sap[2] + sap[3])
    marks[f"S1.junction.{side}"] = c.point(side, 29.5, -5.5, -10.0)
    marks[f"S1.ala.{side}"] = c.point(side, 44.0, -1.5, -4.0)
    marks[f"S1.pedicle.{side}.centre"] = c.point(side, 23.0, -13.0, 2.0)
    marks[f"S1.pedicle.{side}.superior"] = c.point(side, 23.0, -5.0, 2.0)
    marks[f"S1.pedicle.{side}.inferior"] = c.point(side, 23.0, -22.5, 2.0)
    marks[f"S1.pedicle.{side}.medial"] = c.point(side, 14.0, -13.0, -6.5)
    marks[f"S1.pedicle.{side}.lateral"] = c.point(side, 31.0, -13.0, 2.0)
    return marks
