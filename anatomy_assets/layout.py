"""Layout of the vertebral parts: anchors of morphometry/layout.toml and thoracic.toml blended to one level, and frames.

An anchor is a reference vertebra with a `number` (T6 = 6 .. T12 = 12, L1 = 13 .. L5 = 17). A level between two
anchors takes the linear mix of their numbers; above the first and below the last anchor the end one holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from anatomy_assets.parameters import Level, Side
from anatomy_assets.shape import Point

Form = Mapping[str, Any]


@dataclass(frozen=True)
class Facet:
    """Where a rib meets a vertebra (local): axis points at `aim` from outside; radius 0: there is none."""

    aim: Point
    axis: Point
    radius: float


@dataclass(frozen=True)
class Frame:
    """Turns layout coordinates (back, lat, up) into the local frame of one side of one level."""

    level: Level
    form: Form
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


def mixed(a: Any, b: Any, share: float) -> Any:
    """Return the mix of two layout entries (number, list or table) of the same form."""
    if isinstance(a, (int, float)):
        return a + share * (b - a)
    if isinstance(a, Mapping):
        return {key: mixed(a[key], b[key], share) for key in a}
    return [mixed(x, y, share) for x, y in zip(a, b, strict=True)]


def form_of(layout: Mapping[str, Any], number: int) -> Form:
    """Return the layout of one level: every part blended by the level's place between the anchors."""
    anchors = sorted((v for v in layout.values() if isinstance(v, Mapping) and "number" in v), key=lambda v: int(v["number"]))
    places = layout["place"].get(str(number), {"default": float(number)})
    return {key: _blended(anchors, key, places.get(key.split("_")[0], places["default"])) for key in anchors[0]}


def _blended(anchors: Sequence[Mapping[str, Any]], key: str, place: float) -> Any:
    """Return one entry at a place between the anchors; the end anchors hold beyond themselves."""
    if place <= anchors[0]["number"]:
        return anchors[0][key]
    for upper, lower in pairwise(anchors):
        if place <= lower["number"]:
            share = (place - upper["number"]) / (lower["number"] - upper["number"])
            return lower[key] if share == 1.0 else mixed(upper[key], lower[key], share)
    return anchors[-1][key]


def frame_of(level: Level, form: Form, side: str) -> Frame:
    """Return the layout frame of one side."""
    own = level.side(side)
    return Frame(
        level=level,
        form=form,
        side=own,
        sign=1.0 if side == "left" else -1.0,
        wall=-0.5 * level.depth,
        up_scale=(0.5 * level.height_back + own.sap) / form["sap_top"],
        down_scale=(0.5 * level.height_back + own.iap) / form["iap_bottom"],
        back_scale=0.5 * (1.0 + level.spinous_length / form["spl"]),
    )


def costal_facets(f: Frame, layout: Mapping[str, Any]) -> dict[str, Facet]:
    """Return the facets for the ribs on one side: superior (rib of this level), inferior (next rib), transverse."""
    table = layout["costal"]
    if f.level.number not in table["numbers"]:
        return {}
    i = table["numbers"].index(f.level.number)
    tip = f.form["tp"][-1]
    out = {}
    for name in ("superior", "inferior", "transverse"):
        forward, out_, up = table[f"{name}_axis"][i]
        size = math.sqrt(forward * forward + out_ * out_ + up * up)
        if name == "transverse":
            aim = (f.wall - tip[0] * f.back_scale, f.sign * (f.side.transverse_half_span - tip[4]), tip[2] * f.up_scale)
        else:
            ahead, share = table[f"{name}_aim"][i]
            aim = (f.wall + ahead, f.sign * 0.2 * f.level.width_upper, share * 0.5 * f.level.height_back)
        out[name] = Facet(aim, (forward / size, f.sign * out_ / size, up / size), table[f"{name}_radius"][i])
    return {name: facet for name, facet in out.items() if facet.radius > 0.0}
