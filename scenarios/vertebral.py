"""Ways into a vertebral body, and what a scenario adds to it: needle ways through or beside the pedicle, cortical defects.

All are measured on the patient's own bone (signed bone distance), with + - * / sqrt only and in a fixed order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, bone_distance, bone_normal, tissue_at
from sim.frames import dot, gantry, norm
from sim.jit import jit
from sim.phantom import Phantom, Tissue, TubeKind
from sim.plan import Vertebra

F64 = NDArray[np.float64]

LEVELS_DOWN = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")
"""Vertebrae that a body filling may be planned in, from above."""

DEPTH_SHARE = 0.76
"""How far from the posterior (0) to the anterior wall (1) a tip should end: within the anterior third (rubric, tip-depth)."""
BESIDE_MM = tuple(float(v) for v in range(-4, 13, 2))
UP_MM = (0.0, -3.0, 3.0, -6.0, 6.0)
PRIMARY_MDEG = {"transpedicular": tuple(range(0, 36_001, 2_000)), "parapedicular": tuple(range(10_000, 50_001, 2_500))}
SECONDARY_MDEG = tuple(range(-24_000, 24_001, 3_000))
NERVE_MM = 2.5
"""A way keeps this far from nerves and sac, the needle's radius not counted."""
STEEP = 0.8
"""Bone is entered as steeply as this (cosine to its surface) where that can be had: a tip that meets bone flatly slides off."""
ABOUT_MM = 1.5
"""From beside the pedicle the surface is looked at so far about the entry, too: a needle never meets the very point, and one bump
on a flat wall holds no tip."""
SPARED = (TubeKind.SAC, TubeKind.ROOT, TubeKind.GANGLION, TubeKind.ARTERY)


@dataclass(frozen=True)
class BodyWay:
    """A straight way into a body: end point, the C-arm that looks along it, least room to the bone's wall about the pedicle."""

    target_mm: F64
    primary_mdeg: int
    secondary_mdeg: int
    wall_mm: float

    @property
    def normal(self) -> F64:
        """Unit vector from the end back to the skin."""
        return gantry(self.primary_mdeg, self.secondary_mdeg).normal


class Found(NamedTuple):
    """The best pair of a search: toll, end, angle, room."""

    toll: float
    end: int
    angle: int
    wall_mm: float


def vertebra(phantom: Phantom, level: str) -> Vertebra:
    """Return the body of a level with its own axes and the planes that the rules of a pedicle way need. KeyError: not there."""
    centre = phantom.landmark(f"{level}.body.centre")
    up = _unit(phantom.landmark(f"{level}.endplate.superior") - phantom.landmark(f"{level}.endplate.inferior"))
    left = phantom.landmark(f"{level}.pedicle.left.centre") - phantom.landmark(f"{level}.pedicle.right.centre")
    left = _unit(left - dot(left, up) * up)
    back = _cross(up, left)
    wall = phantom.landmark(f"{level}.wall.posterior")
    sides = {side: phantom.landmark(f"{level}.pedicle.{side}.medial") - centre for side in ("left", "right")}
    return Vertebra(
        name=level,
        centre_mm=centre,
        axes=np.stack([left, back, up]),
        behind_mm=dot(wall - centre, back),
        ahead_mm=_ahead(phantom.fields, centre, back),
        medial_mm={side: abs(dot(sides[side], left)) for side in sides},
        middle_mm=0.5 * (dot(sides["left"], left) + dot(sides["right"], left)),
    )


def _ahead(f: Fields, centre: F64, back: F64) -> float:
    """Return the distance from the centre to the anterior wall: the last bone, a gas cleft does not end it."""
    far = 0.0
    for step in range(160):
        p = centre - 0.25 * step * back
        if bone_distance(f, p[0], p[1], p[2])[0] < 0.0:
            far = 0.25 * step
    return far


@lru_cache(maxsize=64)
def _way(phantom_key: _Key, approach: str, level: str, side: str) -> BodyWay | None:
    return _search(phantom_key.phantom, approach, level, side)


class _Key:
    """A phantom as a cache key: itself, by identity."""

    def __init__(self, phantom: Phantom) -> None:
        self.phantom = phantom

    def __hash__(self) -> int:
        return id(self.phantom)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.phantom is self.phantom


def way_into(phantom: Phantom, approach: str, level: str, side: str) -> BodyWay | None:
    """Return the way into a body by an approach from a side; None where the patient has no such body or no free way."""
    if any(f"{level}.{what}" not in phantom.landmarks for what in ("body.centre", f"pedicle.{side}.centre", "wall.posterior")):
        return None
    return _way(_Key(phantom), approach, level, side)


def _search(phantom: Phantom, approach: str, level: str, side: str) -> BodyWay | None:
    v = vertebra(phantom, level)
    sign = 1.0 if side == "left" else -1.0
    depth = DEPTH_SHARE * (v.ahead_mm + v.behind_mm) - v.behind_mm
    ends, tolls = [], []
    for beside, up in product(BESIDE_MM, UP_MM):
        ends.append(v.centre_mm + (v.middle_mm + sign * beside) * v.axes[0] - depth * v.axes[1] + up * v.axes[2])
        tolls.append(0.06 * abs(beside - 3.0) + 0.05 * abs(up))
    pairs = [(round(sign) * p, s) for p in PRIMARY_MDEG[approach] for s in SECONDARY_MDEG]
    normals = np.array([gantry(p, s).normal for p, s in pairs])
    pedicle = phantom.landmark(f"{level}.pedicle.{side}.centre")
    lateral = abs(dot(phantom.landmark(f"{level}.pedicle.{side}.lateral") - v.centre_mm, v.axes[0]) - v.middle_mm)
    nodes = _nodes(phantom)
    best = Found(1e9, -1, -1, 0.0)
    for i, end in enumerate(ends):
        toll, a, wall = _best_angle(
            phantom.fields, end, normals, pedicle, v.centre_mm + v.middle_mm * v.axes[0], v.axes, sign,
            v.behind_mm, abs(v.medial_mm[side]), lateral, approach == "transpedicular", nodes, NERVE_MM, tolls[i], best.toll,
        )  # fmt: skip
        if a >= 0:
            best = Found(toll, i, a, wall)
    if best.end < 0:
        return None
    return BodyWay(np.round(ends[best.end], 3), *pairs[best.angle], round(best.wall_mm, 3))


def _nodes(phantom: Phantom) -> F64:
    """Return (n, 4) nodes of what a way spares: x, y, z, radius; tubes filled so that no gap is wider than 2 mm."""
    rows: list[F64] = []
    for tube in phantom.tubes:
        if tube.kind not in SPARED:
            continue
        for a, b in zip(tube.nodes[:-1], tube.nodes[1:], strict=True):
            many = 1 + int(norm(b[:3] - a[:3]) / 2.0)
            rows += [(a + (k / many) * (b - a))[:4] for k in range(many)]
        rows.append(tube.nodes[-1, :4])
    return np.array(rows) if rows else np.zeros((0, 4))


@jit
def _best_angle(
    f: Fields,
    end: F64,
    normals: F64,
    pedicle: F64,
    middle: F64,
    axes: F64,
    sign: float,
    behind: float,
    medial: float,
    lateral: float,
    through: bool,
    nodes: F64,
    spare: float,
    base: float,
    limit: float,
) -> tuple[float, int, float]:
    """Return (toll, angle, room) of the best way to one end; angle -1 when none beats `limit`.

    through: bone holds the way about the pedicle and the tip reaches the posterior wall before it is medial of the inner
    border. Else: it passes lateral of the pedicle, free of bone until it enters the body's upper half.
    """
    best, found, best_room = limit, -1, 0.0
    d, _ = bone_distance(f, end[0], end[1], end[2])
    if d > -3.0:
        return best, found, best_room
    for a in range(normals.shape[0]):
        n = normals[a]
        ahead = n[0] * axes[1, 0] + n[1] * axes[1, 1] + n[2] * axes[1, 2]
        if ahead < 0.4:
            continue
        depth = 0.0
        for c in range(3):
            depth += (end[c] - middle[c]) * axes[1, c]
        t = (behind - depth) / ahead  # here the way meets the plane of the posterior wall
        out, up = 0.0, 0.0
        for c in range(3):
            out += (end[c] + t * n[c] - middle[c]) * axes[0, c]
            up += (end[c] + t * n[c] - pedicle[c]) * axes[2, c]
        out *= sign
        room = 9.0
        if through:
            if out < medial + 1.0:
                continue
            s = 0.0
            far = (pedicle[0] - end[0]) * n[0] + (pedicle[1] - end[1]) * n[1] + (pedicle[2] - end[2]) * n[2]
            while s <= far + 4.0:
                d, _ = bone_distance(f, end[0] + s * n[0], end[1] + s * n[1], end[2] + s * n[2])
                room = min(room, -d)
                if room < 1.0:
                    break
                s += 1.0
            if room < 1.0:
                continue
            s = far + 4.0
            while s < far + 40.0:
                d, _ = bone_distance(f, end[0] + s * n[0], end[1] + s * n[1], end[2] + s * n[2])
                if d > 0.0:
                    break
                s += 0.5
            toll = base + 2.5 * max(0.0, 2.5 - room) + 0.6 * max(0.0, 12.0 - (s - far))
        else:
            if out < lateral + 0.5 or out > lateral + 12.0 or up < -4.0 or up > 9.0:
                continue
            s = t + 6.0
            while s < 110.0 and room > 2.0:
                d, _ = bone_distance(f, end[0] + s * n[0], end[1] + s * n[1], end[2] + s * n[2])
                room = min(room, d)
                s += max(0.5, 0.7 * d)
            if room <= 2.0:
                continue
            s = t + 6.0
            while s > 0.0:
                d, _ = bone_distance(f, end[0] + s * n[0], end[1] + s * n[1], end[2] + s * n[2])
                if d < 0.0:
                    break
                s -= 0.5
            toll = base + 0.5 * max(0.0, 4.0 - room) + 0.05 * abs(up - 2.0)
        toll += 8.0 * max(0.0, STEEP - _steepness(f, end, n, s))
        if toll >= best or not _clear(end, n, nodes, 110.0, spare):
            continue
        if not through:
            toll += 8.0 * max(0.0, STEEP - _least_steep(f, end, n, axes, s)) - 8.0 * max(0.0, STEEP - _steepness(f, end, n, s))
            if toll >= best:
                continue
        best, found, best_room = toll, a, room
    return best, found, best_room


@jit
def _steepness(f: Fields, end: F64, n: F64, s: float) -> float:
    """Return the cosine between a way and the surface of the bone nearest to its point s mm from the end."""
    x, y, z = end[0] + s * n[0], end[1] + s * n[1], end[2] + s * n[2]
    _, b = bone_distance(f, x, y, z)
    nx, ny, nz = bone_normal(f, b, x, y, z)
    return float(nx * n[0] + ny * n[1] + nz * n[2])


@jit
def _least_steep(f: Fields, end: F64, n: F64, axes: F64, s: float) -> float:
    """Return the least such cosine where the way, moved by ABOUT_MM to each of four sides, meets bone near its entry at s."""
    least = _steepness(f, end, n, s)
    for side in range(4):
        axis, sign = 2 * (side % 2), ABOUT_MM if side < 2 else -ABOUT_MM
        beside = end + sign * axes[axis]
        t = s + 6.0
        while t > s - 6.0:
            d, _ = bone_distance(f, beside[0] + t * n[0], beside[1] + t * n[1], beside[2] + t * n[2])
            if d < 0.0:
                break
            t -= 0.25
        least = min(least, _steepness(f, beside, n, t))
    return least


@jit
def _clear(end: F64, n: F64, nodes: F64, far: float, spare: float) -> bool:
    """Return whether the line from `end` along n passes all nodes by more than their radius and `spare`."""
    for i in range(nodes.shape[0]):
        x, y, z = nodes[i, 0] - end[0], nodes[i, 1] - end[1], nodes[i, 2] - end[2]
        t = min(max(x * n[0] + y * n[1] + z * n[2], 0.0), far)
        x, y, z = x - t * n[0], y - t * n[1], z - t * n[2]
        need = nodes[i, 3] + spare
        if x * x + y * y + z * z < need * need:
            return False
    return True


def with_ways(phantom: Phantom, approach: str, goals: Iterable[tuple[str, str]]) -> Phantom:
    """Return the phantom with target and corridor of an approach at each (level, side) that has a way."""
    marks, measures = dict(phantom.landmarks), dict(phantom.measures)
    for level, side in goals:
        way = way_into(phantom, approach, level, side)
        name = f"{approach}.{level}.{side}"
        if way is None:
            marks.pop(f"target.{name}", None)
            continue
        marks[f"target.{name}"] = way.target_mm
        measures[f"corridor.{name}.primary_mdeg"] = float(way.primary_mdeg)
        measures[f"corridor.{name}.secondary_mdeg"] = float(way.secondary_mdeg)
        measures[f"corridor.{name}.wall_mm"] = way.wall_mm
    return replace(phantom, landmarks=marks, measures=measures)


WALLS = ("anterior", "left", "right", "posterior", "superior", "inferior")


def with_defects(phantom: Phantom, level: str, walls: Sequence[tuple[str, float, float]]) -> Phantom:
    """Return the phantom with holes in the cortex of a body: (wall, mm across, mm up from its middle) each.

    A hole is the landmark `<level>.cortical_defect.<n>` on the patient's own wall, as sim.cement_body reads it.
    """
    if not walls:
        return phantom
    marks = dict(phantom.landmarks)
    v = vertebra(phantom, level)
    for number, (wall, across, up) in enumerate(walls):
        marks[f"{level}.cortical_defect.{number}"] = np.round(_on_wall(phantom.fields, v, wall, across, up), 3)
    return replace(phantom, landmarks=marks)


def _on_wall(f: Fields, v: Vertebra, wall: str, across: float, up: float) -> F64:
    """Return the last point of bone from the body's middle towards a wall, moved across and up before."""
    left, back, top = v.axes
    way = {"anterior": -back, "posterior": back, "left": left, "right": -left, "superior": top, "inferior": -top}[wall]
    first = back if wall in ("left", "right", "superior", "inferior") else left
    second = left if wall in ("superior", "inferior") else top
    start = v.centre_mm + v.middle_mm * left + across * first + up * second
    far = 0.0
    while far < 40.0:
        p = start + far * way
        inside = bone_distance(f, p[0], p[1], p[2])[0] < 0.0 or tissue_at(f, p[0], p[1], p[2]) == Tissue.VACUUM
        if not inside:
            break
        far += 0.25
    return np.asarray(start + far * way, np.float64)


def _unit(a: F64) -> F64:
    return np.asarray(a / norm(a), np.float64)


def _cross(a: F64, b: F64) -> F64:
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
