"""Operators for the transforaminal epidural injection: the expert, and people who leave something out.

All share one script; a careless operator differs by one habit, as people do. The way of working follows
the scenario's brief: count, square, oblique, tunnel view, small steps with the bevel turned against the
drift, lateral for depth, contrast under live X-rays, AP and lateral before the drug.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.targets import way_clearance
from scenarios.operators.room import Acts, Room, Script, micrometres
from scenarios.operators.skill import FAMILY, Hands, skill_of
from sim.command import LEVELS, SIDES, Command
from sim.frames import dot, gantry, sincos_mdeg
from sim.phantom import skin_entry
from sim.session import TICKS_PER_SECOND

F64 = NDArray[np.float64]

Judgement = Generator[Command | None, None, bool]
Preparation = Generator[Command | None, None, tuple[str, str]]

GOOD_PATTERNS = ("epidural", "foraminal")
CONTRAST_UL_S = 500
"""0.5 mL/s: JYMS2019, contrast protocol of the comparison of DSA and live fluoroscopy (verified)."""

STEP_MM = 8.0
CAUTIOUS_MM = 3.0
SPEED_MM_S = 8.0

FLAT_MDEG = (60_000, 55_000, 50_000, 45_000, 40_000, 35_000)
FLAT_TILT_MDEG = (8_000, 0, 15_000, -8_000, 22_000)
FLAT_BACK_MM = (1.0, 3.0, -1.0)
FLAT_ROOM_MM = 1.0
HUB_MM = 8.0
CANAL_DEPTH_MM = 2.5
"""The too-deep operator: how oblique, how tilted, how far behind the line through the target (the first way with so much room
and with so much of the needle left outside the skin), and how far past the medial pedicle line the tip ends."""


@dataclass(frozen=True)
class Habit:
    """What an operator does differently from the expert."""

    level_shift: int = 0
    other_side: bool = False
    contrast: bool = True
    reacts_to_vessel: bool = True
    too_deep: bool = False


@dataclass(frozen=True)
class Corridor:
    """A straight way to a target: where to aim and how the C-arm looks down it."""

    target_mm: F64
    primary_mdeg: int
    secondary_mdeg: int


def _corridor(room: Room, kind: str, level: str, side: str) -> Corridor:
    measures = room.study.phantom.measures
    return Corridor(
        room.study.phantom.landmark(f"target.{kind}.{level}.{side}"),
        round(measures[f"corridor.{kind}.{level}.{side}.primary_mdeg"]),
        round(measures[f"corridor.{kind}.{level}.{side}.secondary_mdeg"]),
    )


def tfesi(habit: Habit, name: str = "expert", skill: float = 1.0) -> Script:
    """Return the script of an operator with this habit and skill (1: no slips; see operators/skill.py)."""

    def script(room: Room) -> Acts:
        room.hands = Hands.of(skill, room.scenario.id, room.study.seed, name)
        target = room.scenario.file.target
        level, side = yield from _prepare(room, habit)
        way = _flat_corridor(room, level, side) if habit.too_deep else _corridor(room, target.approach, level, side)
        yield from _place(room, way)
        yield from _drive(room, way)
        contrast = habit.contrast and not room.hands.slips("contrast")
        clear = not contrast
        if contrast:
            clear = yield from _contrast(room, habit.reacts_to_vessel)
            if not clear and habit.reacts_to_vessel:
                way = _corridor(room, "alternative", level, side)
                yield from _reposition(room, way)
                clear = yield from _contrast(room, habit.reacts_to_vessel)
        if clear or not habit.reacts_to_vessel:
            if not room.hands.slips("views"):
                yield from _confirm_views(room, way)
            yield from _inject_steroid(room)
        yield from room.do("needle.remove")
        yield from room.do("finish")

    return script


def graded(name: str) -> Script | None:
    """Return the script of `novice-1`..`novice-4` or `trainee-<percent>[-label]`; None for any other name."""
    skill = skill_of(name)
    return None if skill is None else tfesi(Habit(), name, skill)


def _prepare(room: Room, habit: Habit) -> Preparation:
    """Chart, consent, time-out, skin, level; return the level and side that this operator then works at."""
    target, hands = room.scenario.file.target, room.hands
    for step, command, pause_s in (("chart", "chart.review", 8), ("consent", "consent.take", 8)):
        if not hands.slips(step):
            yield from room.do(command)
            yield from room.wait(_pause(room, pause_s))
    shift, other = habit.level_shift, habit.other_side
    if hands.slips("timeout"):
        other = other or hands.slips("wrong_side")
    else:
        yield from room.do("timeout.call", LEVELS.index(target.level), SIDES.index(target.side))
        yield from room.wait(_pause(room, 4))
    if not hands.slips("prep"):
        yield from room.do("prep.skin")
        yield from room.wait(_pause(room, 6))
    if hands.slips("count_level"):
        shift += -1 if hands.slips("miscount") else 0
    else:
        yield from _count_level(room)
    level = LEVELS[max(LEVELS.index(target.level) + shift, 0)]
    return level, SIDES[1 - SIDES.index(target.side)] if other else target.side


def _pause(room: Room, seconds: int) -> int:
    return round(seconds * room.hands.pace("time")) * TICKS_PER_SECOND


def _count_level(room: Room) -> Acts:
    """Scout AP with the sacrum in the field, then count upwards."""
    phantom, target = room.study.phantom, room.scenario.file.target
    sacrum, body = phantom.landmark("S1.canal.centre"), phantom.landmark(f"{target.level}.body.centre")
    yield from room.centre_carm(0.5 * (sacrum + body))
    yield from room.turn_carm(0, 0)
    yield from room.shoot()
    yield from room.do("level.declare", LEVELS.index(target.level))


def _place(room: Room, way: Corridor) -> Acts:
    """Look down the corridor, square, collimate, and put the needle in line with the beam."""
    yield from room.centre_carm(way.target_mm)
    yield from _look_down(room, way)
    yield from room.do("carm.collimate", 450, 550)
    yield from room.shoot()
    yield from room.do("image.store")
    yield from room.do("needle.choose", room.study.toolbox.index("needles", room.scenario.file.demonstration.needle))
    yield from _set_down(room, way)
    yield from room.shoot()


def _look_down(room: Room, way: Corridor) -> Acts:
    """Turn the C-arm into the tunnel view, as nearly as this operator can."""
    yield from room.turn_carm(way.primary_mdeg + _view_error(room), way.secondary_mdeg + _view_error(room))


def _view_error(room: Room) -> int:
    return round(1000.0 * room.hands.error("view_deg"))


def _set_down(room: Room, way: Corridor) -> Acts:
    """Put the needle on the skin in line with the beam, over the target as this operator sees it."""
    entry = skin_entry(room.study.phantom.fields, way.target_mm, room.axes().normal)
    x, z = entry[0] + room.hands.error("marker_mm"), entry[2] + room.hands.error("marker_mm")
    arm = room.state.carm
    yield from room.do("needle.place", micrometres(x), micrometres(z), -arm.primary_mdeg, -arm.secondary_mdeg)


def _drive(room: Room, way: Corridor, tolerance_mm: float = 0.8) -> Acts:
    """Advance in small steps; before each, turn the bevel so that the tip drifts towards the target."""
    for _ in range(40):
        off, left = _off_target(room, way)
        if left <= tolerance_mm:
            break
        if not room.hands.slips("steer"):
            yield from _steer(room, off, left)
        wide = room.hands.pace("step")
        step = min(wide * STEP_MM, left) if left > 2 * STEP_MM else min(wide * CAUTIOUS_MM, left)
        before = room.state.tick
        yield from room.advance(step, SPEED_MM_S)
        yield from room.shoot()
        if any(stop["reason"] == "bone" for stop in room.heard("needle_stopped", before)):
            yield from _off_the_bone(room, way)


def _off_target(room: Room, way: Corridor) -> tuple[tuple[float, float], float]:
    """Return ((ex, ey) offset of the target from the tip across the needle, distance left along it) in mm."""
    tip = room.tip_seen if room.tip_seen is not None else way.target_mm
    axes = room.axes()
    believed = np.array([room.hands.error("seen_mm") for _ in range(3)])
    gap = way.target_mm - tip - believed
    return (-dot(gap, axes.right), dot(gap, axes.up)), -dot(gap, axes.normal)


def _steer(room: Room, off: tuple[float, float], left: float) -> Acts:
    """Turn the bevel towards the correction; a needle on line is flipped so that it drills straight."""
    size = math.hypot(*off)
    roll = room.state.needle.roll_mdeg
    wanted = round(math.degrees(math.atan2(off[1], off[0])) * 1000.0) if size > 0.3 else roll + 180_000
    delta = (wanted - roll + 180_000) % 360_000 - 180_000
    if delta:
        yield from room.do("needle.turn", delta)


def _off_the_bone(room: Room, way: Corridor) -> Acts:
    """Withdraw from periosteum, lean away from it and go on."""
    off, _ = _off_target(room, way)
    yield from room.advance(-10.0, 2 * SPEED_MM_S)
    needle = room.state.needle
    yield from room.do("needle.tilt", needle.yaw_mdeg + _lean(off[0]), needle.pitch_mdeg + _lean(off[1]))
    yield from room.shoot()


def _lean(off_mm: float) -> int:
    return max(-3000, min(3000, round(off_mm * 600.0)))


def _flat_corridor(room: Room, level: str, side: str) -> Corridor:
    """Return the way of someone who turns the C-arm far too oblique and never looks in AP: into the canal.

    As flat as bone allows: crest, ala or a turned vertebra may close the flattest ways.
    """
    plan, fields = room.study.plan, room.study.phantom.fields
    target = room.study.phantom.landmark(f"target.{plan.approach}.{level}.{side}")
    inward = abs(target[0] - plan.medial_line_mm[level, side]) + CANAL_DEPTH_MM
    best: tuple[float, Corridor] | None = None
    for flat, tilt, back in product(FLAT_MDEG, FLAT_TILT_MDEG, FLAT_BACK_MM):
        way = _flat_way(target, inward, back, side, flat, tilt)
        normal = gantry(way.primary_mdeg, way.secondary_mdeg).normal
        long = float(np.abs(skin_entry(fields, way.target_mm, normal)[1] - way.target_mm[1]) / normal[1])
        room_mm = min(way_clearance(fields, way.target_mm, normal, 120.0, -1e3), _needle_mm(room) - HUB_MM - long)
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


def _contrast(room: Room, heeds_blood: bool) -> Judgement:
    """Aspirate, then inject contrast under live X-rays; return True when what ran was not a vessel or the sac."""
    plan = room.scenario.file.demonstration
    began = room.state.tick
    yield from _attach(room, plan.contrast, 2 * plan.contrast_ul)
    if not room.hands.slips("aspirate"):
        yield from room.do("syringe.aspirate")
        if heeds_blood and any(fact["result"] != "nothing" for fact in room.heard("aspirated", began)):
            return False
    live = not room.hands.slips("live")
    if live:
        yield from room.do("xray.pedal", 1)
    yield from room.do("syringe.inject", plan.contrast_ul, CONTRAST_UL_S)
    yield from room.until(lambda s: not s.spread.flowing, 30.0)
    if live:
        yield from room.wait(TICKS_PER_SECOND)
        yield from room.do("xray.pedal", 0)
    else:
        yield from room.shoot()
    good = all(fact["pattern"] in GOOD_PATTERNS for fact in room.heard("injection_stopped", began))
    return good or room.hands.slips("misread")


def _reposition(room: Room, way: Corridor) -> Acts:
    """Withdraw under the skin and drive again, to the place that the vessel leaves free."""
    yield from room.do("needle.stylet", 1)
    yield from room.do("needle.remove")
    yield from room.centre_carm(way.target_mm)
    yield from _look_down(room, way)
    yield from _set_down(room, way)
    yield from room.shoot()
    yield from _drive(room, way)


def _attach(room: Room, agent: str, drawn_ul: int) -> Acts:
    """Take the stylet out if it is in, and put a syringe on the hub."""
    if room.state.needle.stylet:
        yield from room.do("needle.stylet", 0)
    yield from room.do("syringe.attach", room.study.toolbox.index("agents", agent), drawn_ul)


def _confirm_views(room: Room, way: Corridor) -> Acts:
    """AP and lateral with needle and contrast in the field."""
    yield from room.turn_carm(0, 0)
    yield from room.shoot()
    yield from room.turn_carm(-90_000 if way.target_mm[0] < 0 else 90_000, 0)
    yield from room.shoot()


def _inject_steroid(room: Room) -> Acts:
    plan = room.scenario.file.demonstration
    volume = max(100, round(plan.steroid_ul * (1.0 + room.hands.error("volume_share"))))
    agent = _particulate(room, plan.steroid) if room.hands.slips("particulate") else plan.steroid
    yield from _attach(room, agent, volume)
    yield from room.do("syringe.inject", volume, 200)
    yield from room.until(lambda s: not s.spread.flowing, 60.0)


def _particulate(room: Room, meant: str) -> str:
    """Return a steroid with particles from the cupboard, or the one that was meant where there is none."""
    return next((a.name for a in room.study.toolbox.agents if a.kind == "steroid" and a.particulate), meant)


TFESI_OPERATORS: dict[str, Script] = {
    "expert": tfesi(Habit()),
    "wrong-level": tfesi(Habit(level_shift=-1)),
    "wrong-side": tfesi(Habit(other_side=True)),
    "no-contrast": tfesi(Habit(contrast=False)),
    "ignores-vascular": tfesi(Habit(reacts_to_vessel=False)),
    "too-deep": tfesi(Habit(too_deep=True)),
    **{name: tfesi(Habit(), name, skill) for name, skill in FAMILY.items()},
}
