"""Implants of a prior fusion: pedicle screws with heads, a rod on each side, cages. Solids of their own, in the patient frame.

A screw follows the axis of its pedicle and is never thicker than the pedicle leaves room for, measured on the baked bone.
The needle meets implants as it meets bone (they are `Bone`s of material "titanium"); pictures show them as metal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anatomy_assets import primitives as prim
from anatomy_assets.bake import MARGIN_MM, REACH_MM, surface
from anatomy_assets.measure.grid import along, distance, first
from anatomy_assets.parameters import SIDES
from anatomy_assets.pathology import Pathology, of_kind
from anatomy_assets.redistance import redistance
from anatomy_assets.shape import Builder, Point, Shape
from anatomy_assets.tubes import rounded
from sim.frames import dot, norm, sincos_mdeg
from sim.phantom import Bone

F64 = NDArray[np.float64]
Marks = Mapping[str, F64]
TITANIUM = "titanium"
SPACING_MM = 0.5
TRIANGLES = 9_000
SCREW_MM = 45.0
FRONT_MM = 5.0
"""Length of a screw from the surface of the arch, and how far its tip stays behind the front of the body."""
WALL = 0.85
"""Share of the room to the pedicle's walls that a screw takes."""
HEAD_MM = (2.0, 13.0, 5.5)
"""From, to (mm behind the bone) and radius of a screw's head."""
ROD_OVER_MM = 7.0
S1_MDEG = 20_000
"""Inward angle of a screw in S1 (assumed)."""


@dataclass(frozen=True)
class Screw:
    """Entry on the arch, direction forwards (unit), length and radius (mm)."""

    level: str
    side: str
    entry: F64
    way: F64
    length: float
    radius: float


def implants(
    marks: Marks, bones: Sequence[Bone], found: Sequence[Pathology], spacing_mm: float | None = None
) -> tuple[Bone, ...]:
    """Return the implants of all fusions; nothing without one."""
    out: list[Bone] = []
    spacing = max(spacing_mm or 0.0, SPACING_MM)
    for one in of_kind(found, "fusion"):
        chain = bridged(one)
        for side in SIDES:
            screws = [screw(marks, bones, level, side, float(one["screw_mm"])) for level in chain]
            out.append(_solid(_side(f"hardware_{side}", screws, 0.5 * float(one["rod_mm"])), min(spacing, 1.0)))
        if one["cage"]:
            out += [_solid(_cage(marks, level, low), min(spacing, 1.0)) for level, low in pairwise(chain)]
    return tuple(out)


def bridged(one: Pathology) -> tuple[str, ...]:
    """Return the vertebrae that a fusion holds together, cranial first."""
    names = ("L1", "L2", "L3", "L4", "L5", "S1")
    i = names.index(one.level)
    return names[i : i + int(one["segments"]) + 1]


def screw(marks: Marks, bones: Sequence[Bone], level: str, side: str, diameter_mm: float) -> Screw:
    """Return the screw of a pedicle: along its axis, as thick as asked or as the pedicle allows."""
    bone = next(b for b in bones if b.name == ("S" if level == "S1" else level))
    centre, way = marks[f"{level}.pedicle.{side}.centre"], _axis(marks, level, side)
    steps = np.arange(-4.0, 4.1, 0.5)
    centre = _middled(bone, centre, way, marks, level)
    room = float(np.min(-distance(bone, centre[None, :] + steps[:, None] * way[None, :])))
    behind = first(*along(bone, centre, -way, 45.0), False)
    ahead = first(*along(bone, centre, way, 60.0), False)
    length = min(SCREW_MM, behind + ahead - FRONT_MM)
    radius = max(float(np.floor(20.0 * min(0.5 * diameter_mm, WALL * room))) / 20.0, 1.0)
    return Screw(level, side, rounded(centre - behind * way), way, float(np.floor(length * 10.0)) / 10.0, radius)


def _middled(bone: Bone, centre: F64, way: F64, marks: Marks, level: str) -> F64:
    """Return the point across the axis where the pedicle is roomiest (0.5 mm steps, 2 mm at most)."""
    up = (
        _unit(marks[f"{level}.endplate.superior"] - marks[f"{level}.body.centre"]) if level != "S1" else np.array([0.0, 0.0, 1.0])
    )
    up = _unit(up - dot(up, way) * way)
    across = np.array([up[1] * way[2] - up[2] * way[1], up[2] * way[0] - up[0] * way[2], up[0] * way[1] - up[1] * way[0]])
    steps = np.arange(-4.0, 4.1, 1.0)
    best, room = centre, -1e9
    for a in np.arange(-2.0, 2.1, 0.5):
        for b in np.arange(-2.0, 2.1, 0.5):
            p = centre + a * across + b * up
            here = float(np.floor(100.0 * np.min(-distance(bone, p[None, :] + steps[:, None] * way[None, :]))))
            if here > room:
                best, room = p, here
    return best


def _axis(marks: Marks, level: str, side: str) -> F64:
    """Return the direction of a pedicle, forwards and inwards."""
    if level != "S1":
        return np.asarray(marks[f"{level}.pedicle.{side}.axis"], np.float64)
    front = _unit(marks["S1.endplate.superior"] - marks["S1.wall.posterior"])
    left = _unit(marks["S1.pedicle.left.centre"] - marks["S1.pedicle.right.centre"])
    s, c = sincos_mdeg(S1_MDEG)
    return _unit(c * front + (-s if side == "left" else s) * left)


def _unit(v: F64) -> F64:
    return np.asarray(v / norm(v), np.float64)


def _point(p: F64) -> Point:
    x, y, z = (float(v) for v in rounded(p))
    return x, y, z


def _side(name: str, screws: Sequence[Screw], rod: float) -> Shape:
    """Return screws, heads and rod of one side as one solid."""
    b = Builder(name, SPACING_MM)
    heads = []
    for s in screws:
        tip, top = s.entry + s.length * s.way, s.entry - HEAD_MM[0] * s.way
        point = _point(tip - 4.0 * s.way)
        r = s.radius
        b.chain([_point(top), point, _point(tip)], [r, r, 0.4 * r], [r, r, 0.4 * r], (0.0, 0.0, 1.0), 0.0, square=0.0, smooth=0)
        end = _point(s.entry - HEAD_MM[1] * s.way)
        b.chain([_point(top), end], [HEAD_MM[2]] * 2, [HEAD_MM[2]] * 2, (0.0, 0.0, 1.0), 0.5, square=0.3, smooth=0)
        heads.append(s.entry - (HEAD_MM[1] - 5.0) * s.way)
    first_, last = heads[0], heads[-1]
    ends = [first_ + ROD_OVER_MM * _unit(first_ - heads[1]), *heads, last + ROD_OVER_MM * _unit(last - heads[-2])]
    path = [_point(p) for p in ends]
    b.chain(path, [rod] * len(path), [rod] * len(path), (0.0, 1.0, 0.0), 0.5, square=0.0, smooth=2)
    return b.shape()


def _cage(marks: Marks, level: str, low: str) -> Shape:
    """Return a cage that fills the height of a disc between the planes of the rims, a little in front of the middle."""
    top, bottom = marks[f"{level}.endplate.inferior"], marks[f"{low}.endplate.superior"]
    up = _unit(top - bottom)
    left = marks[f"{level}.pedicle.left.centre"] - marks[f"{level}.pedicle.right.centre"]
    left = _unit(left - dot(left, up) * up)
    back = np.array([up[1] * left[2] - up[2] * left[1], up[2] * left[0] - up[0] * left[2], up[0] * left[1] - up[1] * left[0]])
    middle = 0.5 * (top + bottom) - 2.0 * back
    half = 0.5 * norm(top - bottom) + 1.0  # the dishes of both end plates are deeper than the planes of their rims
    b = Builder(f"cage_{level}", SPACING_MM)
    ends = [_point(middle - 12.0 * left - 1.5 * back), _point(middle), _point(middle + 12.0 * left - 1.5 * back)]
    axis = (float(up[0]), float(up[1]), float(up[2]))
    b.chain(ends, [0.8 * half, half, 0.8 * half], [4.5] * 3, axis, 0.0, square=0.6, smooth=1)
    return b.shape()


def _solid(shape: Shape, spacing: float) -> Bone:
    """Return a shape of the patient frame as a solid of titanium: grid, closed surface, no core."""
    origin = np.floor(np.array(shape.low) - MARGIN_MM)
    size = [int((h - o + MARGIN_MM) / spacing) + 2 for h, o in zip(shape.high, origin, strict=True)]
    raw = np.empty(size, np.float32)
    noise = np.zeros((3, 3, 3))
    reach = REACH_MM * max(spacing / 0.6, 1.0)
    prim.fill(shape.rows, shape.aux, noise, origin, 1e3, raw, origin, spacing, 4, reach)
    grid = np.empty(raw.shape, np.int16)
    redistance(raw, spacing, grid)
    shell = surface(grid, origin, spacing, TRIANGLES)
    none = (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    made = Bone(shape.name, np.eye(3), np.zeros(3), origin, spacing, grid, *shell, *none)
    return replace(made, material=TITANIUM)


def walls(marks: Marks, bones: Sequence[Bone], one: Pathology) -> dict[str, float]:
    """Return the least bone (mm) left around each screw in its pedicle, measured (`screw_wall_mm.L4.left`)."""
    out = {}
    for level in bridged(one):
        for side in SIDES:
            s = screw(marks, bones, level, side, float(one["screw_mm"]))
            bone = next(b for b in bones if b.name == ("S" if level == "S1" else level))
            centre = marks[f"{level}.pedicle.{side}.centre"]
            at = dot(centre - s.entry, s.way) + np.arange(-4.0, 4.1, 0.25)
            points = s.entry[None, :] + at[:, None] * s.way[None, :]
            out[f"screw_wall_mm.{level}.{side}"] = float(np.min(-distance(bone, points))) - s.radius
    return out
