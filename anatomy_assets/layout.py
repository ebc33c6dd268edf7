"""Layout of the vertebral parts: anchors of morphometry/layout.toml and thoracic.toml blended to one level, and frames.

An anchor is a reference vertebra with a `number` (T6 = 6 .. T12 = 12, L1 = 13 .. L5 = 17). A level between two
anchors takes the linear mix of their numbers; above the first and below the last anchor the end one holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anatomy_assets.parameters import Level, Side
from anatomy_assets.shape import Point

Form = Mapping[str, Any]


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


def form_of(layout: Mapping[str, Any], number: float) -> Form:
    """Return the layout of one level: the neighbouring anchors blended by the level's place between them."""
    place = float(layout.get("place", {}).get(f"{number:g}", number))
    anchors = sorted((v for v in layout.values() if isinstance(v, Mapping) and "number" in v), key=lambda v: float(v["number"]))
    upper, lower = anchors[0], anchors[0]
    for anchor in anchors:
        lower = anchor
        if anchor["number"] >= place:
            break
        upper = anchor
    if lower is upper or upper["number"] >= place:
        return upper if upper["number"] >= place else lower
    share = (place - upper["number"]) / (lower["number"] - upper["number"])
    return mixed(upper, lower, min(share, 1.0))  # type: ignore[no-any-return]


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
