"""The coccyx: three to five segments on a curve below the sacrum, in the sacrum's local frame (x anterior, y left, z up)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anatomy_assets.parameters import Parameters, mdeg
from anatomy_assets.sacrum import TIP_UP, Curve, deviate
from anatomy_assets.shape import Builder, Point, Shape
from sim.frames import sincos_mdeg
from sim.rng import stream

SPACING_MM = 0.6
NAME = "coccyx"
START_FACE = 1.2
CHORD_SHARE = 1.35
"""Turn drawn per turn measured: an angle between ends seen through the joints is flatter than that of the axes."""


@dataclass(frozen=True)
class Segment:
    """One segment in the sagittal plane: top (x, z), direction downwards, length (mm)."""

    top: tuple[float, float]
    way: tuple[float, float]
    length: float

    def at(self, t: float, lat: float = 0.0, forward: float = 0.0) -> Point:
        """Return the point t mm below the top, `forward` mm in front of the axis."""
        return (self.top[0] + t * self.way[0] - forward * self.way[1], lat, self.top[1] + t * self.way[1] + forward * self.way[0])


def _drawn(p: Parameters, measure: str) -> float:
    """Return a measure of this person, inside its limits."""
    table = p.morphometry.coccyx
    row = table["measures"][measure]
    low, high = table["limits"].get(measure, (-1e9, 1e9))
    return float(min(max(row["value"] + row["sd"] * deviate(p.seed, f"coccyx/{measure}"), low), high))


def segment_count(p: Parameters) -> int:
    """Return how many segments this person has; four in the default adult."""
    if p.seed == 0:
        return 4
    m = p.morphometry.coccyx["measures"]
    at = float(stream(p.seed, "bones/coccyx/count").random())
    four, five = m["four_segments"]["value"], m["five_segments"]["value"]
    return 4 if at < four else (5 if at < four + five else 3)


def segments(p: Parameters) -> list[Segment]:
    """Return the segments from the sacrum down: equal turns forwards that add up to the drawn angle."""
    shape: Mapping[str, Any] = p.morphometry.coccyx["shape"]
    count = segment_count(p)
    c = Curve(p)
    x, _, z = c.point("left", 0.0, TIP_UP, START_FACE)
    x0, _, z0 = c.point("left", 0.0, TIP_UP + 8.0, START_FACE)
    size = float(np.sqrt((x - x0) * (x - x0) + (z - z0) * (z - z0)))
    way = ((x - x0) / size, (z - z0) / size)
    top = (x + way[0] * p.morphometry.coccyx["measures"]["joint_gap"]["value"], z + way[1] * 1.0)
    shares = shape["share"][:count]
    whole = shares[0]
    for s in shares[1:]:
        whole += s
    turn = mdeg(CHORD_SHARE * (180.0 - _drawn(p, "angle")) / max(count - 1, 1))
    length = _drawn(p, "length") * p.size_factor
    out, bend = [], mdeg(_drawn(p, "first_angle"))
    for share in shares:
        s, cc = sincos_mdeg(bend)
        way = (cc * way[0] - s * way[1], s * way[0] + cc * way[1])
        out.append(Segment(top, way, length * share / whole))
        top = (top[0] + way[0] * out[-1].length, top[1] + way[1] * out[-1].length)
        bend = turn
    return out


def coccyx(p: Parameters) -> Shape:
    """Return the coccyx of a person in the sacrum's local frame."""
    table = p.morphometry.coccyx
    shape = table["shape"]
    b = Builder(NAME, SPACING_MM)
    made = segments(p)
    for i, segment in enumerate(made):
        _segment(b, segment, shape, i)
    _wings(b, made[0], shape)
    b.cortex_base(table["cortex"]["segment"])
    return b.shape()


def _segment(b: Builder, s: Segment, shape: Mapping[str, Any], i: int) -> None:
    wide, deep = shape["half_width"][i], shape["half_depth"][i]
    rest = 0.5 * shape["slit"]
    cap = min(deep, 0.42 * s.length)
    points = [s.at(rest + cap), s.at(0.5 * s.length), s.at(s.length - rest - cap)]
    b.chain(points, [wide, 0.82 * wide, 0.75 * wide], [cap, 0.9 * cap, cap], (0.0, 1.0, 0.0), 0.0, square=0.5, smooth=0)


def _wings(b: Builder, s: Segment, shape: Mapping[str, Any]) -> None:
    """Add the transverse processes and the cornua of the first segment."""
    span, radius = shape["transverse"]
    lat, up, thin = shape["horn"]
    for sign in (1.0, -1.0):
        arm = [s.at(4.0, sign * 4.0), s.at(5.0, sign * (span - radius))]
        b.chain(arm, [1.2 * radius, 0.8 * radius], [radius, 0.7 * radius], (0.0, 0.0, 1.0), 2.5, square=0.2, smooth=0)
        horn = [s.at(3.0, sign * lat, -2.5), s.at(3.0 - up, sign * lat, -5.0)]
        b.chain(horn, [thin, 0.8 * thin], [thin, 0.8 * thin], (1.0, 0.0, 0.0), 1.5, square=0.0, smooth=0)


def landmarks(p: Parameters) -> dict[str, Point]:
    """Return coccyx.tip, coccyx.top and the segments' upper ends, local frame."""
    made = segments(p)
    marks = {f"Co{i}.top": s.at(0.0) for i, s in enumerate(made, start=1)}
    return marks | {"coccyx.top": made[0].at(0.0), "coccyx.tip": made[-1].at(made[-1].length)}
