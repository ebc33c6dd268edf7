"""The sacrum as a table of primitives.

Local frame: origin = centre of the S1 endplate, z along its normal, x anterior, y left, mm. The bone is a
plate in curved coordinates (dorsal and pelvic faces are smooth surfaces through control points) with an S1 body,
superior articular processes, rows of tubercles and transverse lines, minus a triangular canal that ends in the
hiatus, four pairs of root canals with a ventral and a dorsal mouth, and what lies beyond the sacroiliac joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anatomy_assets import primitives as prim
from anatomy_assets.arch import grown_forwards
from anatomy_assets.parameters import SIDES, Parameters, SacrumSize
from anatomy_assets.population import normal
from anatomy_assets.shape import Builder, Point, Shape, solved
from anatomy_assets.sij import cut_sacrum

SPACING_MM = 0.6
S1_BODY_MM = 26.0
TIP_UP = -100.5
S1_SLOPE, LOWER_SLOPE = 0.70, 0.40
"""Sideways per forwards of the dorsal tunnels as drawn: S1 measures the published 29 degrees."""
SLOPE_PER_DEG = 0.024
"""Drawn slope per degree of the measured angle near 29 degrees."""


@dataclass(frozen=True)
class Traits:
    """What makes one sacrum an individual, besides its width, length and endplate (mm, degrees as tangents)."""

    hiatus_height: float
    hiatus_depth: float
    cornua: float
    curvature: float
    foramen_lat: float
    foramen_depth: float
    foramen_half: float
    foramen_slope: float


def deviate(seed: int, purpose: str) -> float:
    """Return a deviate of this person (mean 0, variance 1); 0 for the default adult."""
    return normal(seed, f"bones/sacrum/{purpose}")


def traits(p: Parameters) -> Traits:
    """Return the individual features of a person's sacrum."""
    table, limits = p.morphometry.sacrum["measures"], p.morphometry.sacrum["limits"]

    def drawn(measure: str) -> float:
        row = table[measure]
        value = row["value"] + row["sd"] * deviate(p.seed, measure)
        low, high = limits.get(measure, (-1e9, 1e9))
        return float(min(max(value, low), high))

    return Traits(
        hiatus_height=drawn("hiatus_height"),
        hiatus_depth=drawn("hiatus_depth"),
        cornua=max(drawn("cornua"), 6.5),
        curvature=drawn("curvature"),
        foramen_lat=table["s1_foramen_lat"]["sd"] * deviate(p.seed, "foramen_lat"),
        foramen_depth=limits["foramen_depth_more"]
        + limits["foramen_depth_share"] * table["s1_foramen_depth"]["sd"] * deviate(p.seed, "foramen_depth"),
        foramen_half=0.5 * limits["foramen_share"] * table["s1_foramen_width"]["sd"] * deviate(p.seed, "foramen_half"),
        foramen_slope=S1_SLOPE + SLOPE_PER_DEG * table["s1_foramen_angle"]["sd"] * deviate(p.seed, "foramen_angle"),
    )


class Curve:
    """The curved coordinates: (lat, up, face) <-> local; `face` is counted forwards from the body line."""

    def __init__(self, p: Parameters) -> None:
        table = p.morphometry.sacrum
        shape, size = table["shape"], p.sacrum
        self.wall = shape["wall"] * size.s1_depth / table["measures"]["s1_depth"]["value"]
        self.length = size.length_scale * shape["stretch"]
        last = shape["curve"][-1][0]
        bow = traits(p).curvature
        points = [(up * self.length, (forward + bow * (up / last) * (up / last)) * self.length) for up, forward in shape["curve"]]
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


def hiatus_up(person: Traits) -> float:
    """Return the table height of the apex of the hiatus: its height above the lower end of the bone."""
    return TIP_UP + 1.5 + person.hiatus_height


def sacrum(p: Parameters) -> Shape:
    """Return the sacrum of a person."""
    table = p.morphometry.sacrum
    shape, person = table["shape"], traits(p)
    c = Curve(p)
    b = Builder("S", SPACING_MM)
    _body(b, p.sacrum, c)
    _plate(b, shape, c, person)
    _transverse_lines(b, shape, c)
    for side in SIDES:
        i = 0 if side == "left" else 1
        _sap(b, shape, c, side, p.sacrum.sap_scale[i], p.sacrum.sap_forward[i])
    _crest(b, shape, c, hiatus_up(person))
    for side in SIDES:
        _tubercles(b, shape, c, side, hiatus_up(person))
    _notch(b, shape, c)
    _canal(b, shape, c, person.hiatus_depth / table["measures"]["hiatus_depth"]["value"])
    _hiatus(b, c, person)
    for side in SIDES:
        _horn(b, shape, c, side, person)
    for side in SIDES:
        _foramina(b, shape, c, side, person)
        cut_sacrum(b, p, side)
    _remnant_disc(b, shape, c)
    _cortex(b, table, c)
    return b.shape()


def _body(b: Builder, size: SacrumSize, c: Curve) -> None:
    """Add the S1 body: endplate on top, tapering into the plate below."""
    front, back = 0.5 * size.s1_depth, 0.5 * size.s1_depth
    half = 0.5 * size.s1_width
    values = [
        S1_BODY_MM,
        0.70 * half, half,
        front - 6.0, front + 1.0,
        back - 1.0, back - 0.5,
        0.5, -1.0,
        0.0, 0.0,
        0.0, 0.6, 0.0,
        1.8, 0.0,
        1.5, 11.0,
        0.05, 0.35, 0.86, 2.0,
    ]  # fmt: skip
    b.body(values, (front + 6.0, half + 3.0, S1_BODY_MM), 0.0)
    b.shift_last((0.0, 0.0, -0.5 * S1_BODY_MM))


def _plate(b: Builder, shape: Mapping[str, Any], c: Curve, person: Traits) -> None:
    left = [[r[0] * c.width["left"], r[1] * c.length] for r in shape["outline"]]
    right = [[-r[0] * c.width["right"], r[1] * c.length] for r in shape["outline"][1:-1]]
    outline = left + right[::-1]
    faces = []
    for lat, up, dorsal, pelvic in shape["plate"]:
        # a deeper S1 foramen is a thicker roof over the upper root canals
        near = max(1.0 - (up + 24.0) * (up + 24.0) / 900.0, 0.0)
        back = dorsal - person.foramen_depth * near
        faces.append([lat * c.width["left"], up * c.length, back, pelvic])
        if lat > 0.0:
            faces.append([-lat * c.width["right"], up * c.length, back, pelvic])
    frame = [c.wall, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    low = (c.wall - 32.0, -66.0 * c.width["right"], -104.0 * c.length)
    high = (c.wall + 45.0, 66.0 * c.width["left"], 4.0)
    b.sheet(frame, outline, faces, shape["rounding"], 5.0, low, high, bend=c.bend)


def _transverse_lines(b: Builder, shape: Mapping[str, Any], c: Curve) -> None:
    """Add the ridges where the bodies fused, on the pelvic face."""
    for (up, half, thick), face in zip(shape["transverse"], shape["pelvic"], strict=True):
        points = [c.point("left", lat, up, face + 2.0 - 2.2 * abs(lat) / half) for lat in (-half, 0.0, half)]
        b.chain(points, [thick] * 3, [2.4] * 3, (0.0, 0.0, 1.0), 3.0, square=0.0, smooth=1)


def _sap(b: Builder, shape: Mapping[str, Any], c: Curve, side: str, scale: float, forward: float) -> None:
    sign = 1.0 if side == "left" else -1.0
    rows = shape["sap"]
    points = [(r[0] - shape["wall"] + c.wall, sign * r[1] * c.width[side], r[2]) for r in rows]
    along, across = [r[3] * scale for r in rows], [r[4] * scale for r in rows]
    b.chain(points, along, across, (0.0, 0.0, 1.0), 4.0, square=0.45, smooth=2)
    if forward > 0.0:
        grown_forwards(b, points, along, across, forward)


def _crest(b: Builder, shape: Mapping[str, Any], c: Curve, end: float) -> None:
    """Add the spinous tubercles of the median crest, each by itself, over a low ridge; none below the hiatus."""
    rows = [r for r in shape["ridge"] if r[0] > end + 5.0]
    if len(rows) > 1:
        points = [c.point("left", 0.0, r[0], r[1] - 2.0) for r in rows]
        b.chain(points, [r[2] for r in rows], [r[3] for r in rows], (1.0, 0.0, 0.0), 4.0, square=0.0, smooth=1)
    for (up, face, tip_up, tip_face, high, wide), lean in zip(shape["crest"], shape["crest_lean"], strict=True):
        if tip_up < end + 4.0:
            continue
        points = [c.point("left", 0.0, up, face), c.point("left", lean, tip_up, tip_face)]
        b.chain(points, [high, 0.62 * high], [wide, 1.15 * wide], (0.0, 0.0, 1.0), 5.0, square=0.0, smooth=0)


def dorsal_face(shape: Mapping[str, Any], lat: float, up: float) -> float:
    """Return a rough dorsal face value at a table point (inverse square of distance to control points)."""
    total = weight = 0.0
    for r in shape["plate"]:
        w = 1.0 / ((r[0] - lat) * (r[0] - lat) + (r[1] - up) * (r[1] - up) + 4.0)
        w *= w
        total += w * r[2]
        weight += w
    return total / weight


def _tubercles(b: Builder, shape: Mapping[str, Any], c: Curve, side: str, end: float) -> None:
    for lat, up, behind, radius in shape["tubercles"]:
        if up < end + 2.0 and lat < 12.0:
            continue
        face = dorsal_face(shape, lat, up) - behind + 0.5 * radius
        top = c.point(side, lat, up + 0.6 * radius, face)
        low = c.point(side, lat, up - 0.6 * radius, face)
        b.chain([top, low], [radius, radius], [0.8 * radius] * 2, (1.0, 0.0, 0.0), 4.0, square=0.0, smooth=0)


def _notch(b: Builder, shape: Mapping[str, Any], c: Curve) -> None:
    """Cut the window between the arches of L5 and S1: the arch of S1 starts well below its endplate."""
    up, wide, high = shape["notch"]
    points = [c.point("left", 0.0, up, face) for face in (-20.0, -30.0, -40.0)]
    b.chain(points, [high] * 3, [wide] * 3, (0.0, 0.0, 1.0), 3.0, op=prim.SUBTRACT, square=0.0, smooth=0)


def _canal(b: Builder, shape: Mapping[str, Any], c: Curve, end: float) -> None:
    """Cut the canal: a wide flat part along the bodies and a narrow deep one behind it make the triangle.

    end: depth of its lower end against the table.
    """
    rows = [[up, face, wide, deep * (1.0 + (end - 1.0) * lower_share(up))] for up, face, wide, deep in shape["canal"]]
    for wide, front, deep in ((1.0, 0.27, 0.27), (0.55, 0.50, 0.48)):
        points = [c.point("left", 0.0, r[0], r[1] - front * r[3]) for r in rows]
        b.chain(
            points, [wide * r[2] for r in rows], [deep * r[3] for r in rows], (0.0, 1.0, 0.0), 3.0,
            op=prim.SUBTRACT, square=0.0, smooth=1,
        )  # fmt: skip


def lower_share(up: float) -> float:
    """Return 0 above S3, 1 at the hiatus: how much the lower end of the canal follows the depth of the hiatus."""
    return min(max((-up - 56.0) / 18.0, 0.0), 1.0)


def _hiatus(b: Builder, c: Curve, person: Traits) -> None:
    """Open the canal dorsally: an inverted U from the apex down to the lower end."""
    apex, base = hiatus_up(person), TIP_UP - 6.0
    half = 0.5 * person.cornua - 1.6
    rows = [
        (apex - 0.45 * half, 0.45 * half),
        (apex - 0.35 * (apex - base), 0.85 * half),
        (apex - 0.7 * (apex - base), half),
        (base, 1.05 * half),
    ]
    depth = person.hiatus_depth
    # clear of the front wall, which the canal has cut: the depth at the apex is that of the canal
    points = [c.point("left", 0.0, up, -8.0 - 0.8 * depth) for up, _ in rows]
    b.chain(
        points, [w for _, w in rows], [6.5 + 0.4 * depth] * len(rows), (0.0, 1.0, 0.0), 1.5,
        op=prim.SUBTRACT, square=0.3, smooth=1,
    )  # fmt: skip


def _horn(b: Builder, shape: Mapping[str, Any], c: Curve, side: str, person: Traits) -> None:
    """Add the sacral cornu beside the hiatus."""
    up, face, tip_up, tip_face, radius = shape["horn"]
    lat = 0.5 * person.cornua / c.width[side]
    points = [c.point(side, lat + 1.2, up, face), c.point(side, lat, tip_up, tip_face)]
    b.chain(points, [radius, 0.8 * radius], [radius, 0.8 * radius], (1.0, 0.0, 0.0), 2.0, square=0.0, smooth=0)


def _foramina(b: Builder, shape: Mapping[str, Any], c: Curve, side: str, person: Traits) -> None:
    """Cut the four root canals: out of the canal, to the pelvic face (a funnel that opens sideways) and to the dorsal face."""
    for i, row in enumerate(shape["foramina"]):
        vlat, vup, dlat, dup, vhigh, vwide, dhalf = moved(row, i, person, c.width[side])
        pelvic, dorsal = shape["pelvic"][i], shape["dorsal"][i]
        rows = [
            (0.50 * vlat, vup + 9.0, -4.5, 0.62, 0.55),
            (0.74 * vlat, vup + 5.0, -2.5, 0.72, 0.70),
            (0.95 * vlat, vup + 1.0, 0.35 * pelvic, 0.85, 0.85),
            (vlat, vup, 0.75 * pelvic, 0.97, 0.97),
            (vlat + 2.0, vup - 1.0, 1.15 * pelvic + 1.0, 1.12, 1.20),
            (vlat + 5.0, vup - 2.5, 1.5 * pelvic + 5.0, 1.35, 1.60),
        ]
        points = [c.point(side, *r[:3]) for r in rows]
        b.chain(
            points, [vhigh * r[3] for r in rows], [vwide * r[4] for r in rows], (0.0, 0.0, 1.0), 4.0,
            op=prim.SUBTRACT, square=0.0, smooth=1,
        )  # fmt: skip
        gutter = [c.point(side, vlat + 3.0, vup - 1.5, pelvic + 1.5), c.point(side, vlat + 15.0, vup - 6.5, pelvic + 1.0)]
        b.chain(gutter, [0.85 * vhigh, 0.55 * vhigh], [4.0, 2.6], (0.0, 0.0, 1.0), 5.0, op=prim.SUBTRACT, square=0.0, smooth=0)
        slope = person.foramen_slope if i == 0 else LOWER_SLOPE
        rows = [
            (dlat - slope * (-3.0 - dorsal), dup - 1.0, -3.0, 1.25),
            (dlat - slope * 2.0, dup, dorsal + 2.0, 1.05),
            (dlat, dup, dorsal, 1.0),
            (dlat + 3.0, dup + 1.5, dorsal - 12.0, 1.5),
        ]
        points = [c.point(side, *r[:3]) for r in rows]
        half = [dhalf * r[3] for r in rows]
        b.chain(points, half, half, (0.0, 0.0, 1.0), 1.8, op=prim.SUBTRACT, square=0.0, smooth=1)


def moved(row: list[float], index: int, person: Traits, width: float) -> tuple[float, ...]:
    """Return one row of the foramen table with the person's own S1 position and size; those below follow by part."""
    vlat, vup, dlat, dup, vhigh, vwide, dhalf = row
    share = (1.0, 0.7, 0.5, 0.4)[index]
    # the drawn position scales with the bone's width; the rest of the published spread is the person's own
    own = (1.0 / width - 1.0) * dlat + share * person.foramen_lat / width
    return vlat + own, vup, dlat + own, dup, vhigh, vwide, max(dhalf + share * person.foramen_half, 1.6)


def _remnant_disc(b: Builder, shape: Mapping[str, Any], c: Curve) -> None:
    """Hollow out the remnant of the S1-S2 disc: a thin lens inside the body, seen as a double line."""
    width, depth, thickness = shape["remnant_disc"]
    points = [c.point("left", lat, -28.5, 11.0) for lat in (-width, 0.0, width)]
    thin, wide = [0.4 * thickness, thickness, 0.4 * thickness], [0.4 * depth, depth, 0.4 * depth]
    b.chain(points, thin, wide, (0.25, 0.0, 1.0), 0.5, op=prim.SUBTRACT, square=0.0, smooth=2)


def _cortex(b: Builder, table: Mapping[str, Any], c: Curve) -> None:
    t = table["cortex"]
    b.cortex_base(t["plate"])
    b.cortex_ball((0.0, 0.0, -12.0), 22.0, 10.0, t["body"])
    b.cortex_plane((0.0, 0.0, 1.0), 2.5, 2.5, t["endplate"])
    b.cortex_plane((-1.0, 0.0, 0.3), c.wall - 9.0, 6.0, t["dorsal"])
    for up, face, half, _ in table["shape"]["canal"][1:-2]:
        b.cortex_ball(c.point("left", 0.0, up, face - 5.0), half + 5.0, 5.0, t["canal"])
