"""Ways that lead where no needle belongs: into the canal, through the dura into the sac, into the disc (careless operators)."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.targets import way_clearance
from scenarios.operators.acts import Corridor, corridor
from scenarios.operators.room import Room
from scenarios.vertebral import vertebra
from sim.fields import skin_entry
from sim.frames import dot, gantry, sincos_mdeg
from sim.phantom import Tissue, TubeKind

F64 = NDArray[np.float64]

DISC_MM = tuple(float(d) for d in range(1, 20))
IN_DISC_MM = 5.0
"""Into the disc: how far beyond the target it is looked for, and how far into it the tip goes."""

HUB_MM = 8.0
"""Part of a needle that stays outside the skin."""

FLAT_MDEG = (60_000, 55_000, 50_000, 45_000, 40_000, 35_000)
FLAT_TILT_MDEG = (8_000, 0, 15_000, -8_000, 22_000)
FLAT_BACK_MM = (1.0, 3.0, 5.0)
"""Into the canal: how oblique, how tilted, how far behind the line through the target. The first way with room is taken."""
FLAT_ROOM_MM = 1.0
LAST_MM, DRIFT_MM = 25.0, 1.5
"""Room that a way needs; before its last part so much more, for a needle drifts."""
CANAL_DEPTH_MM = 2.5
"""How far past the medial pedicle line the tip ends."""

SAC_UP_MM = (0.0, -5.0, 5.0, -10.0, 10.0)
SAC_TURN_MDEG = tuple(range(0, 70_001, 5_000))
SAC_TILT_MDEG = tuple(range(-40_000, 40_001, 5_000))
SAC_BESIDE_MM, SAC_ROOM_MM = 3.0, 0.6
"""Into the sac: heights from the foramen, obliquities and tilts tried, how far beside its middle, room for the needle."""


def canal_way(room: Room, level: str, side: str) -> Corridor:
    """Return the way of someone who turns the C-arm far too oblique and never looks in AP: into the canal.

    As flat as bone allows: crest, ala or a turned vertebra may close the flattest ways.
    """
    plan, fields = room.study.plan, room.study.phantom.fields
    target = room.study.phantom.landmark(f"target.subpedicular.{level}.{side}")
    inward = abs(target[0] - plan.medial_line_mm[level, side]) + CANAL_DEPTH_MM
    best: tuple[float, Corridor] | None = None
    for flat, tilt, back in product(FLAT_MDEG, FLAT_TILT_MDEG, FLAT_BACK_MM):
        way = _flat_way(target, inward, back, side, flat, tilt)
        normal = gantry(way.primary_mdeg, way.secondary_mdeg).normal
        long = float(np.abs(skin_entry(fields, way.target_mm, normal)[1] - way.target_mm[1]) / normal[1])
        near = way_clearance(fields, way.target_mm, normal, LAST_MM, 0.0)
        far = way_clearance(fields, way.target_mm + LAST_MM * normal, normal, 120.0 - LAST_MM, 0.0) - DRIFT_MM
        room_mm = min(near, far, _needle_mm(room) - HUB_MM - long)
        if best is None or room_mm > best[0]:
            best = (room_mm, way)
        if room_mm >= FLAT_ROOM_MM:
            break
    assert best is not None
    return best[1]


def _needle_mm(room: Room) -> float:
    tools = room.study.toolbox
    return float(tools.needles[tools.index("needles", room.scenario.file.demonstration.needle)].length_mm)


def _flat_way(target: F64, inward_mm: float, back_mm: float, side: str, flat_mdeg: int, tilt_mdeg: int) -> Corridor:
    """Return the way to a point medial to the target, on or behind the straight line through it."""
    sign = 1.0 if side == "left" else -1.0
    sine, cosine = sincos_mdeg(flat_mdeg)
    canal = target + np.array([-sign * inward_mm, back_mm - inward_mm * cosine / sine, 0.0])
    return Corridor(canal, round(sign) * flat_mdeg, tilt_mdeg)


def sac_way(room: Room, level: str, side: str) -> Corridor:
    """Return the way of someone who takes a window between the laminae for the foramen: through the dura.

    The least oblique and least tilted way free of bone into the sac, near the height of the foramen. KeyError: there is none.
    """
    phantom, sign = room.study.phantom, 1 if side == "left" else -1
    sac = next(tube for tube in phantom.tubes if tube.kind is TubeKind.SAC)
    height = phantom.landmark(f"{'L5' if level == 'S1' else level}.foramen.{side}.centre")[2]  # S1: the window above the sacrum
    for up, turn, tilt in sorted(product(SAC_UP_MM, SAC_TURN_MDEG, SAC_TILT_MDEG), key=lambda way: sum(map(abs, way[1:]))):
        node = sac.nodes[int(np.argmin(np.abs(sac.nodes[:, 2] - height - up)))]
        end = node[:3] + np.array([sign * SAC_BESIDE_MM, 0.0, 0.0])
        normal = gantry(sign * turn, tilt).normal
        long = float(np.abs(skin_entry(phantom.fields, end, normal)[1] - end[1]) / normal[1])
        if way_clearance(phantom.fields, end, normal, 120.0, 0.0) > SAC_ROOM_MM and long < _needle_mm(room) - HUB_MM:
            return Corridor(end, sign * turn, tilt)
    raise KeyError(f"{level} {side}: no way into the sac")


MEDIAL_PAST_MM, MEDIAL_BEFORE_MM = 3.0, 4.0
"""Through the inner wall of a pedicle: how far medial of its border and behind the posterior wall the tip ends."""
STEEP_MDEG = {"medial": 34_000, "canal": 42_000}
ROOT_MDEG = tuple(product((25_000, 30_000, 20_000, 35_000, 15_000, 40_000), (0, -8_000, 8_000, -16_000, 16_000, -24_000, 24_000)))


def beside_pedicle(room: Room, level: str, side: str, where: str) -> Corridor:
    """Return the way of someone who misses the pedicle: through its inner wall ("medial"), on into the canal, or onto a root."""
    phantom, sign = room.study.phantom, 1 if side == "left" else -1
    if where == "root":
        return _root_way(room, level, side)
    v = vertebra(phantom, level)
    pedicle = phantom.landmark(f"{level}.pedicle.{side}.centre")
    up = dot(pedicle - v.centre_mm, v.axes[2])
    beside = v.medial_mm[side] - MEDIAL_PAST_MM if where == "medial" else 0.0
    behind = v.behind_mm + (MEDIAL_BEFORE_MM if where == "medial" else 2.0 * MEDIAL_BEFORE_MM)
    end = v.centre_mm + (v.middle_mm + sign * beside) * v.axes[0] + behind * v.axes[1] + up * v.axes[2]
    return Corridor(end, sign * STEEP_MDEG[where], 0)


def _root_way(room: Room, level: str, side: str) -> Corridor:
    """Return the freest way onto the ganglion (or root) under the pedicle of a level."""
    phantom, sign = room.study.phantom, 1 if side == "left" else -1
    tubes = [t for t in phantom.tubes if (t.level, t.side) == (level, side) and t.kind in (TubeKind.GANGLION, TubeKind.ROOT)]
    if not tubes:
        raise KeyError(f"{level} {side}: this patient has no root there")
    tube = min(tubes, key=lambda t: t.kind is not TubeKind.GANGLION)
    end = tube.nodes[len(tube.nodes) // 2, :3]
    free = [(way_clearance(phantom.fields, end, gantry(sign * p, s).normal, 120.0, -9.0), p, s) for p, s in ROOT_MDEG]
    best = max(free, key=lambda row: min(row[0], 2.0))
    return Corridor(end, sign * best[1], best[2])


def disc_way(room: Room, level: str, side: str) -> Corridor:
    """Return the way of someone who does not stop in Kambin's triangle: on along the same line, into the disc.

    KeyError: the patient has no such approach here; ValueError: no disc lies on the line.
    """
    phantom = room.study.phantom
    way, volume = corridor(room, "infraneural", level, side), phantom.volume
    normal = gantry(way.primary_mdeg, way.secondary_mdeg).normal
    for deep in DISC_MM:
        end = way.target_mm - deep * normal
        i, j, k = (round(float(v)) for v in (end - volume.origin_mm) / volume.spacing_mm)
        if volume.labels[i, j, k] in (Tissue.DISC_ANNULUS, Tissue.DISC_NUCLEUS):
            return Corridor(end - IN_DISC_MM * normal, way.primary_mdeg, way.secondary_mdeg)
    raise ValueError(f"{level} {side}: no disc on the line of the infraneural way")
