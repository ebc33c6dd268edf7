"""A bone before baking: packed rows, cortex regions and extent, and a small builder for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anatomy_assets import primitives as prim

F64 = NDArray[np.float64]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Shape:
    """One bone in its author frame (x anterior, y left, z up, mm)."""

    name: str
    rows: F64  # (n, prim.ROW_WIDTH)
    aux: F64  # flat parameters of the rows
    cortex: F64  # (m, 8), see redistance.cortex_offset
    low: Point
    high: Point
    spacing_mm: float


@dataclass
class Builder:
    """Collects primitives; `shape` packs them."""

    name: str
    spacing_mm: float
    rows: list[list[float]] = field(default_factory=list)
    aux: list[float] = field(default_factory=list)
    cortex: list[list[float]] = field(default_factory=list)
    low: list[float] = field(default_factory=lambda: [1e9] * 3)
    high: list[float] = field(default_factory=lambda: [-1e9] * 3)

    def _add(self, kind: int, op: int, blend: float, low: Point, high: Point, values: Sequence[float], count: int) -> None:
        centre = [0.5 * (a + b) for a, b in zip(low, high, strict=True)]
        half = [0.5 * (b - a) for a, b in zip(low, high, strict=True)]
        radius = float(np.sqrt(half[0] * half[0] + half[1] * half[1] + half[2] * half[2])) + blend + 1.0
        self.rows.append([kind, op, blend, *centre, radius, len(self.aux), count])
        self.aux.extend(values)
        if op == prim.UNION:
            self.low = [min(a, b) for a, b in zip(self.low, low, strict=True)]
            self.high = [max(a, b) for a, b in zip(self.high, high, strict=True)]

    def body(self, values: Sequence[float], half: Point, blend: float = 0.0) -> None:
        """Add a vertebral body; `values` in the order of primitives.body, `half` its half extent."""
        self._add(prim.BODY, prim.UNION, blend, (-half[0], -half[1], -half[2]), half, values, 1)

    def chain(
        self,
        points: Sequence[Point],
        along: Sequence[float],
        across: Sequence[float],
        direction: Point | Sequence[Point],
        blend: float,
        *,
        op: int = prim.UNION,
        square: float = 0.2,
        smooth: int = 2,
    ) -> None:
        """Add a swept ellipse through `points`, refined to a smooth curve.

        along, across: half sizes in the direction and at right angles to it; square: 0 ellipse .. 1 box-like.
        """
        one = isinstance(direction[0], (int, float))
        directions: Sequence[Point] = [direction] * len(points) if one else direction  # type: ignore[list-item,assignment]
        nodes = [[*p, a, b, *d] for p, a, b, d in zip(points, along, across, directions, strict=True)]
        for _ in range(smooth):
            nodes = _subdivide(nodes)
        flat = [value for node in nodes for value in (*node, square)]
        reach = [max(n[3], n[4]) for n in nodes]
        low = tuple(min(n[c] - r for n, r in zip(nodes, reach, strict=True)) for c in range(3))
        high = tuple(max(n[c] + r for n, r in zip(nodes, reach, strict=True)) for c in range(3))
        self._add(prim.CHAIN, op, blend, low, high, flat, len(nodes))  # type: ignore[arg-type]

    def sheet(
        self,
        frame: Sequence[float],
        outline: Sequence[Sequence[float]],
        faces: Sequence[Sequence[float]],
        rounding: float,
        blend: float,
        low: Point,
        high: Point,
        *,
        op: int = prim.UNION,
        bend: Point = (0.0, 0.0, 0.0),
        corner_cuts: int = 1,
    ) -> None:
        """Add a plate: frame = origin, u, v, w axes (12 numbers), outline (u, v), faces (u, v, back, front)."""
        for _ in range(corner_cuts):
            outline = _cut_corners(outline)
        values = [*frame, float(len(outline)), float(len(faces)), rounding, *bend]
        values += [x for p in outline for x in p]
        values += [x for f in faces for x in f[:2]]
        values += surface_weights([(f[0], f[1], f[3]) for f in faces])
        values += surface_weights([(f[0], f[1], f[2]) for f in faces])
        self._add(prim.SHEET, op, blend, low, high, values, 1)

    def shift_last(self, offset: Point) -> None:
        """Move the last primitive, which must be a body: bodies are written about their own centre."""
        self.rows[-1][prim.CX : prim.CZ + 1] = list(offset)

    def cortex_base(self, thickness: float) -> None:
        """Set the cortex thickness (mm) where no region says otherwise."""
        self.cortex.append([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, thickness])

    def cortex_plane(self, normal: Point, offset: float, width: float, thickness: float) -> None:
        """Blend to `thickness` where normal.p + offset > 0, fully after `width` mm."""
        self.cortex.append([0.0, *normal, offset, width, 0.0, thickness])

    def cortex_ball(self, centre: Point, radius: float, width: float, thickness: float) -> None:
        """Blend to `thickness` inside a ball with a soft edge of `width` mm."""
        self.cortex.append([1.0, *centre, radius, width, 0.0, thickness])

    def shape(self) -> Shape:
        """Pack what was collected."""
        return Shape(
            name=self.name,
            rows=np.array(self.rows, np.float64).reshape(-1, prim.ROW_WIDTH),
            aux=np.array(self.aux, np.float64),
            cortex=np.array(self.cortex, np.float64).reshape(-1, 8),
            low=(self.low[0], self.low[1], self.low[2]),
            high=(self.high[0], self.high[1], self.high[2]),
            spacing_mm=self.spacing_mm,
        )


def _subdivide(nodes: list[list[float]]) -> list[list[float]]:
    """Return the nodes with one more between each pair: the four-point rule (interpolating, smooth)."""
    out = []
    last = len(nodes) - 1
    for i in range(last):
        before, after = nodes[max(i - 1, 0)], nodes[min(i + 2, last)]
        out.append(nodes[i])
        out.append([(9.0 * (b + c) - (a + d)) / 16.0 for a, b, c, d in zip(before, nodes[i], nodes[i + 1], after, strict=True)])
    out.append(nodes[last])
    return out


def _cut_corners(points: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return a closed outline with its corners cut once (Chaikin)."""
    out = []
    for i, p in enumerate(points):
        q = points[(i + 1) % len(points)]
        out.append([0.75 * p[0] + 0.25 * q[0], 0.75 * p[1] + 0.25 * q[1]])
        out.append([0.25 * p[0] + 0.75 * q[0], 0.25 * p[1] + 0.75 * q[1]])
    return out


def surface_weights(points: Sequence[tuple[float, float, float]]) -> list[float]:
    """Return weights of the cubic radial surface through (u, v, value) points, then its linear part.

    Solved by elimination in plain floats: a library solver would not give the same bits everywhere.
    """
    n = len(points)
    rows: list[list[float]] = []
    for i in range(n):
        row = [_cubed(points[i], points[j]) for j in range(n)]
        rows.append([*row, 1.0, points[i][0], points[i][1], points[i][2]])
    for c in range(3):
        side = [1.0 if c == 0 else p[c - 1] for p in points]
        rows.append([*side, 0.0, 0.0, 0.0, 0.0])
    return solved(rows)


def solved(rows: Sequence[Sequence[float]]) -> list[float]:
    """Return x of the linear system given as rows [coefficients..., right side]; elimination with pivots."""
    rows = [list(r) for r in rows]
    size = len(rows)
    for col in range(size):
        pivot = max(range(col, size), key=lambda r: abs(rows[r][col]))
        rows[col], rows[pivot] = rows[pivot], rows[col]
        for r in range(col + 1, size):
            factor = rows[r][col] / rows[col][col]
            if factor != 0.0:
                rows[r] = [x - factor * y for x, y in zip(rows[r], rows[col], strict=True)]
    out = [0.0] * size
    for r in range(size - 1, -1, -1):
        known = 0.0
        for c in range(r + 1, size):
            known += rows[r][c] * out[c]
        out[r] = (rows[r][size] - known) / rows[r][r]
    return out


def _cubed(p: tuple[float, float, float], q: tuple[float, float, float]) -> float:
    d2 = (p[0] - q[0]) * (p[0] - q[0]) + (p[1] - q[1]) * (p[1] - q[1])
    return float(d2 * np.sqrt(d2))
