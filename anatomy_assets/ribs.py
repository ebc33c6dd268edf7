"""Ribs 6 to 12 as swept ellipses from the head at the costal facets round the back, in the frame of their vertebra.

A rib moves with its vertebra. Head and tubercle reach the facets of the vertebra (landmarks `T11.costal.<side>.superior`
and `.transverse` with their axes); the carve between neighbours leaves the joint gap. Ribs without a facet for a tubercle
(11 and 12) keep the drawn course. The front ends with the bone; cartilage is not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from anatomy_assets.parameters import SIDES, Parameters
from anatomy_assets.sacrum import deviate
from anatomy_assets.shape import Builder, Point, Shape

SPACING_MM = 1.0
ENTRY_MM = 1.0
"""How far head and tubercle are drawn into their facets before the carve opens the joint."""
FOLLOW = (1.0, 1.0, 0.7, 0.4, 0.2, 0.1, 0.0)
"""How much of the tubercle's move onto its facet the rows of the trace follow."""


def name_of(number: int, side: str) -> str:
    """Return the bone's name: rib11_left."""
    return f"rib{number}_{side}"


def ribs(p: Parameters, level: str, marks: Mapping[str, Point]) -> list[Shape]:
    """Return both ribs of a thoracic vertebra; none where the level has none or its facets are unknown.

    marks: local landmarks of the vertebra, axes as unit vectors.
    """
    number = int(level[1:]) if level.startswith("T") else 0
    if str(number) not in p.morphometry.ribs["trace"]:
        return []
    out = []
    for side in SIDES:
        base = f"{level}.costal.{side}"
        if f"{base}.superior" in marks:
            tubercle = (marks[f"{base}.transverse"], marks[f"{base}.transverse.axis"]) if f"{base}.transverse" in marks else None
            out.append(rib(p, number, side, (marks[f"{base}.superior"], marks[f"{base}.superior.axis"]), tubercle))
    return out


def rib(p: Parameters, number: int, side: str, head: tuple[Point, Point], tubercle: tuple[Point, Point] | None = None) -> Shape:
    """Return one rib in the frame of its vertebra; head and tubercle: (facet, unit vector out of the vertebra)."""
    rows = trace(p, number, side, head, tubercle)
    b = Builder(name_of(number, side), SPACING_MM)
    sign = 1.0 if side == "left" else -1.0
    directions = [(-0.15, 0.25 * sign, 1.0)] * len(rows)
    b.chain([r[:3] for r in rows], [r[3] for r in rows], [r[4] for r in rows], directions, 0.0, square=0.15, smooth=2)  # type: ignore[misc]
    if tubercle is not None:
        x, y, z, high, thick = rows[1]
        knob = [(x, y, z), along(tubercle, 0.5 * thick)]
        b.chain(knob, [0.9 * high, 0.8 * high], [1.1 * thick, 1.1 * thick], (0.0, 0.0, 1.0), 3.0, square=0.0, smooth=0)
    b.cortex_base(p.morphometry.ribs["cortex"]["shaft"])
    return b.shape()


def along(facet: tuple[Point, Point], distance: float) -> Point:
    """Return the point `distance` mm out of a facet."""
    at, way = facet
    return (at[0] + distance * way[0], at[1] + distance * way[1], at[2] + distance * way[2])


def trace(
    p: Parameters, number: int, side: str, head: tuple[Point, Point], tubercle: tuple[Point, Point] | None
) -> list[tuple[float, ...]]:
    """Return the nodes of a rib: x, y, z, half height, half thickness; cut at the person's length."""
    table = p.morphometry.ribs["trace"][str(number)]
    sign = 1.0 if side == "left" else -1.0
    size = p.size_factor
    start = along(head, table[0][4] - ENTRY_MM)
    rows = [(start[0] + f * size, start[1] + sign * o * size, start[2] + u * size, h, t) for o, f, u, h, t in table]
    if tubercle is not None:
        aim = along(tubercle, rows[1][4] - ENTRY_MM)
        shift = [a - b for a, b in zip(aim, rows[1][:3], strict=True)]
        moved = [(0.0, 0.0, 0.0)] + [(s * shift[0], s * shift[1], s * shift[2]) for s in FOLLOW[: len(rows) - 1]]
        rows = [(r[0] + m[0], r[1] + m[1], r[2] + m[2], r[3], r[4]) for r, m in zip(rows, moved, strict=True)]
    return shortened(rows, length_of(p, number, rows))


def length_of(p: Parameters, number: int, rows: Sequence[Sequence[float]]) -> float:
    """Return the length of this person's rib (mm): the 12th by its published spread, the others near the drawn one."""
    m = p.morphometry.ribs["measures"]
    if number == 12:
        low, high = p.morphometry.ribs["limits"]["length_12"]
        return float(min(max(m["length_12"]["value"] + m["length_12"]["sd"] * deviate(p.seed, "rib/12"), low), high))
    return path_length(rows) * float(m["length_other"]["value"] + m["length_other"]["sd"] * deviate(p.seed, "rib/length"))


def path_length(rows: Sequence[Sequence[float]]) -> float:
    """Return the length of a polyline (mm)."""
    total = 0.0
    for a, b in pairwise(rows):
        total += _step(a, b)
    return total


def _step(a: Sequence[float], b: Sequence[float]) -> float:
    return float(np.sqrt((b[0] - a[0]) * (b[0] - a[0]) + (b[1] - a[1]) * (b[1] - a[1]) + (b[2] - a[2]) * (b[2] - a[2])))


def shortened(rows: Sequence[tuple[float, ...]], length: float) -> list[tuple[float, ...]]:
    """Return the nodes cut at a length along the polyline, the last piece stretched if the rib is longer; a tapered end."""
    out = [rows[0]]
    left = length
    for i, (a, b) in enumerate(pairwise(rows)):
        step = _step(a, b)
        if left <= step or i == len(rows) - 2:
            share = max(left / step, 0.15)
            end = tuple(x + share * (y - x) for x, y in zip(a[:3], b[:3], strict=True))
            out.append((*end, 0.6 * b[3], 0.7 * b[4]))
            break
        out.append(b)
        left -= step
    return out
