"""Operators for the foundation drills: the expert, one who answers at the first look, and the graded family."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.operators import acts
from scenarios.operators.acts import Corridor
from scenarios.operators.room import Acts, Room, Script, micrometres
from scenarios.operators.skill import FAMILY, Hands, skill_of
from sim.beam_field import pose
from sim.frames import dot
from sim.plan import DrillItem

F64 = NDArray[np.float64]

BEAD_ENDS_MM = 2.5
"""Metal this near to the bead's middle is the bead."""
SHUTTERS = (450, 550)


def drill(looks: bool = True, name: str = "expert", skill: float = 1.0) -> Script:
    """Return the script of an operator with this skill; without `looks` everything is answered at the first look."""

    def script(room: Room) -> Acts:
        room.hands = Hands.of(skill, room.scenario.id, room.study.seed, name)
        assert room.study.plan.drill is not None
        items = room.study.plan.drill.items
        if looks and items[0].kind == "centre" and not room.hands.slips("count_level"):
            yield from _count(room)
        for item in items:
            yield from (_ANSWERS[item.kind](room, item) if looks else _at_first_look(room, item))
        yield from room.do("finish")

    return script


def graded(name: str) -> Script | None:
    """Return the script of `novice-1`..`novice-4` or `trainee-<percent>[-label]`; None for any other name."""
    skill = skill_of(name)
    return None if skill is None else drill(True, name, skill)


def _view(room: Room, item: DrillItem, primary_mdeg: int, secondary_mdeg: int) -> Acts:
    """Bring a place to the middle, turn, shutter, look, answer."""
    yield from room.centre_carm(item.at_mm)
    off = [round(1000.0 * room.hands.error("view_deg")) for _ in range(2)]
    yield from room.turn_carm(primary_mdeg + off[0], secondary_mdeg + off[1])
    if not room.hands.slips("views"):
        yield from room.do("carm.collimate", *SHUTTERS)
    yield from room.shoot()
    yield from room.do("drill.answer")


def _square(room: Room, item: DrillItem) -> Acts:
    """Tilt, in AP, until the beam runs along the plate: its normal has no part along the beam."""
    tilt = math.degrees(math.atan2(-float(item.normal[1]), float(item.normal[2])))
    yield from _view(room, item, 0, round(1000.0 * ((tilt + 90.0) % 180.0 - 90.0)))


def _tunnel(room: Room, item: DrillItem) -> Acts:
    x, y, z = (float(c) for c in item.normal)
    yield from _view(room, item, round(1000.0 * math.degrees(math.atan2(x, y))), round(1000.0 * math.degrees(math.asin(z))))


def _count(room: Room) -> Acts:
    """Two pictures that share vertebrae, the sacrum on the first and the lowest rib on the last."""
    marks = room.study.plan.field_landmarks
    for name in ("sacrum", "L3", "L1"):
        yield from room.centre_carm(marks[name])
        yield from room.turn_carm(0, 0)
        yield from room.shoot()


def _centre(room: Room, item: DrillItem) -> Acts:
    """Bring the body to the middle; who slips takes the vertebra below."""
    at = item.at_mm
    if room.hands.slips("count_level") and room.hands.slips("miscount"):
        bodies = sorted((float(p[2]), n) for n, p in room.study.plan.field_landmarks.items())
        below = [name for height, name in bodies if height < float(at[2]) - 10.0]
        at = room.study.plan.field_landmarks[below[-1]] if below else at
    yield from room.centre_carm(at)
    yield from room.turn_carm(0, 0)
    yield from room.shoot()
    yield from room.do("drill.answer")


def _point(room: Room, item: DrillItem) -> Acts:
    """Point where the place is seen on the static picture."""
    if room.state.carm.pictures == 0:
        yield from room.shoot()
    place = pose(room.study, room.state.carm)
    axes = room.axes()
    gap, axis = item.at_mm - place.source_mm, place.detector_mm - place.source_mm
    larger = dot(axis, axis) / dot(gap, axis)
    off = [room.hands.error("marker_mm") * larger for _ in range(2)]
    at = larger * gap - axis
    yield from room.wait(acts.pause(room, 3))
    yield from room.do("drill.point", micrometres(dot(at, axes.right) + off[0]), micrometres(dot(at, axes.up) + off[1]))


def _needle(room: Room, item: DrillItem) -> Acts:
    """Straight down to the bead, turning the bevel against the drift."""
    way = Corridor(item.at_mm, 0, 0)
    yield from acts.place(room, way)
    yield from acts.drive(room, way, bone_ends_mm=BEAD_ENDS_MM)
    yield from room.do("drill.answer")
    yield from room.do("needle.remove")


def _choose(room: Room, item: DrillItem) -> Acts:
    """Weigh two settings; a slip takes the wrong one."""
    yield from room.wait(acts.pause(room, 6))
    wrong = room.hands.slips("misread")
    yield from room.do("drill.choose", 1 - item.right if wrong else item.right)


def _at_first_look(room: Room, item: DrillItem) -> Acts:
    """Answer at once: the view as it stands, the middle of the picture, a needle never steered, the wrong rule of thumb."""
    if item.kind == "choose":
        yield from room.do("drill.choose", 1 - item.right)
        return
    if item.kind == "needle":
        yield from acts.place(room, Corridor(item.at_mm + np.array([8.0, 0.0, 0.0]), 0, 0))
        yield from room.advance(40.0, acts.SPEED_MM_S)
        yield from room.do("drill.answer")
        yield from room.do("needle.remove")
        return
    yield from room.shoot()
    yield from (room.do("drill.point", 0, 0) if item.kind == "point" else room.do("drill.answer"))


_ANSWERS = {
    "square": _square, "tunnel": _tunnel, "centre": _centre, "point": _point, "needle": _needle, "choose": _choose,
}  # fmt: skip

DRILL_FAULTS = {"first-look": ""}
"""Careless operator -> no critical error: it breaks the passing rule alone."""

DRILL_OPERATORS: dict[str, Script] = {
    "expert": drill(),
    "first-look": drill(looks=False),
    **{name: drill(True, name, skill) for name, skill in FAMILY.items()},
}
