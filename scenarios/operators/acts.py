"""What operators of every procedure do with their hands: count, look down a corridor, place, drive, look, inject.

The way of working follows the scenarios' briefs. Each act errs as the operator's hands do (skill.py).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.operators.room import Acts, Room, micrometres
from scenarios.pictures import middle_of
from sim.clinic import CHECKS, COMPLICATIONS, REASONS, RESPONSES, RISKS
from sim.command import LEVELS, SIDES, Command
from sim.fields import skin_entry
from sim.frames import dot
from sim.session import TICKS_PER_SECOND

F64 = NDArray[np.float64]

Judgement = Generator[Command | None, None, bool]
Preparation = Generator[Command | None, None, tuple[int, bool]]

GOOD_PATTERNS = ("epidural", "foraminal")
CONTRAST_UL_S = 500
"""0.5 mL/s: JYMS2019, contrast protocol of the comparison of DSA and live fluoroscopy (verified)."""

STEP_MM = 8.0
CAUTIOUS_MM = 3.0
SPEED_MM_S = 8.0


@dataclass(frozen=True)
class Corridor:
    """A straight way to a target: where to aim and how the C-arm looks down it."""

    target_mm: F64
    primary_mdeg: int
    secondary_mdeg: int


def corridor(room: Room, kind: str, level: str, side: str) -> Corridor:
    """Return the planned way to the target of an approach. KeyError: the patient has none."""
    measures = room.study.phantom.measures
    return Corridor(
        room.study.phantom.landmark(f"target.{kind}.{level}.{side}"),
        round(measures[f"corridor.{kind}.{level}.{side}.primary_mdeg"]),
        round(measures[f"corridor.{kind}.{level}.{side}.secondary_mdeg"]),
    )


def prepare(room: Room, level_shift: int = 0, other_side: bool = False, timeout: bool = True) -> Preparation:
    """Chart, consent, time-out, skin, level; return by how many levels, and whether by side, this operator then errs."""
    target, hands = room.scenario.file.target, room.hands
    if not room.read and not hands.slips("chart"):
        yield from read_chart(room)
    if not hands.slips("consent"):
        yield from name_risks(room)
        yield from room.do("consent.take")
        yield from room.wait(pause(room, 8))
    if not timeout or hands.slips("timeout"):
        other_side = other_side or hands.slips("wrong_side")
    else:
        yield from room.do("timeout.call", LEVELS.index(target.level), SIDES.index(target.side))
        yield from room.wait(pause(room, 4))
    if not hands.slips("prep"):
        yield from room.do("prep.skin")
        yield from room.wait(pause(room, 6))
    if hands.slips("count_level"):
        level_shift += -1 if hands.slips("miscount") else 0
    else:
        yield from count_level(room)
    return level_shift, other_side


def read_chart(room: Room) -> Acts:
    """Open the chart and read it."""
    yield from room.do("chart.review")
    yield from room.wait(pause(room, 8))
    room.read = True


def triage(room: Room, heeds: bool, postpones: str = "") -> Judgement:
    """Read the chart where the case has one, and postpone for what it says; return True when the case goes on.

    heeds: whether findings are acted on. postpones: a reason that this operator gives whatever the chart says ("": none).
    """
    file = room.scenario.file
    if file.chart is None:
        return True
    if room.hands.slips("chart"):
        heeds = False
    else:
        yield from read_chart(room)
    reason = postpones or (file.postpones[0] if heeds and file.postpones and not room.hands.slips("heed") else "")
    if not reason:
        room.read = True
        return True
    yield from room.do("case.postpone", REASONS.index(reason))
    yield from write_note(room)
    yield from room.do("finish")
    return False


def name_risks(room: Room) -> Acts:
    """Name the risks of the case one by one."""
    chart = room.scenario.file.chart
    for risk in chart.risks if chart else ():
        if not room.hands.slips("risk"):
            yield from room.do("consent.risk", RISKS.index(risk))


FIRST = {
    "faint": ("vasovagal", ("stop_injecting", "head_down", "oxygen")),
    "metallic taste": ("anaesthetic_toxicity", ("stop_injecting", "call_help", "oxygen")),
    "seizure": ("anaesthetic_toxicity", ("stop_injecting", "call_help", "oxygen", "lipid")),
    "legs heavy": ("high_spinal", ("stop_injecting", "call_help", "airway")),
    "legs will not move": ("cord_infarct", ("stop_injecting", "call_help", "urgent_mri")),
}
"""What the patient says -> what it is and what the expert does first (scenarios/*/rubric.toml judges it)."""


def respond(room: Room) -> Acts:
    """Name and answer each complication that has shown itself so far."""
    for sign, (name, responses) in FIRST.items():
        if sign in room.answered or not any(fact["what"] == sign for fact in room.heard("patient_said")):
            continue
        room.answered.add(sign)
        if room.hands.slips("respond"):
            continue
        yield from room.do("complication.name", COMPLICATIONS.index(name))
        for response in responses:
            yield from room.do("response.give", RESPONSES.index(response))


def write_note(room: Room) -> Acts:
    """Write the note of a case with a chart."""
    seen = next((FIRST[sign][0] for sign in FIRST if sign in room.answered), "none")
    if room.scenario.file.chart and not room.hands.slips("note"):
        yield from room.do("note.write", COMPLICATIONS.index(seen))


def aftercare(room: Room) -> Acts:
    """After the needle: answer what has happened, check the patient, write the note."""
    yield from respond(room)
    chart = room.scenario.file.chart
    for check in chart.discharge if chart else ():
        if not room.hands.slips("discharge"):
            yield from room.do("discharge.check", CHECKS.index(check))
    yield from write_note(room)


def forbidden(room: Room, agent: str) -> bool:
    """Return whether the chart rules an agent out, by its name or its kind."""
    tools = room.study.toolbox
    found = tools.agents[tools.index("agents", agent)]
    return bool({found.name, found.kind} & set(room.scenario.file.avoids))


def shifted(level: str, shift: int) -> str:
    """Return the level that lies `shift` further down, at least the first."""
    return LEVELS[max(LEVELS.index(level) + shift, 0)]


def opposite(side: str) -> str:
    """Return the other side."""
    return SIDES[1 - SIDES.index(side)]


def count_level(room: Room) -> Acts:
    """Scout AP with the sacrum in the field, then count upwards."""
    phantom, target = room.study.phantom, room.scenario.file.target
    sacrum, body = phantom.landmark("S1.canal.centre"), middle_of(phantom, target.level)
    yield from room.centre_carm(0.5 * (sacrum + body))
    yield from room.turn_carm(0, 0)
    yield from room.shoot()
    yield from room.do("level.declare", LEVELS.index(target.level))


def pause(room: Room, seconds: int) -> int:
    """Return the ticks that this operator takes for what takes the expert some seconds."""
    return round(seconds * room.hands.pace("time")) * TICKS_PER_SECOND


def place(room: Room, way: Corridor, store: bool = False) -> Acts:
    """Look down the corridor, square, collimate, and put the needle in line with the beam."""
    yield from room.centre_carm(way.target_mm)
    yield from look_down(room, way)
    yield from room.do("carm.collimate", 450, 550)
    yield from room.shoot()
    if store:
        yield from room.do("image.store")
    if room.state.needle.needle < 0:
        yield from room.do("needle.choose", room.study.toolbox.index("needles", room.scenario.file.demonstration.needle))
    yield from set_down(room, way)
    yield from room.shoot()


def look_down(room: Room, way: Corridor) -> Acts:
    """Turn the C-arm into the tunnel view, as nearly as this operator can."""
    yield from room.turn_carm(way.primary_mdeg + _view_error(room), way.secondary_mdeg + _view_error(room))


def _view_error(room: Room) -> int:
    return round(1000.0 * room.hands.error("view_deg"))


def set_down(room: Room, way: Corridor) -> Acts:
    """Put the needle on the skin in line with the beam, over the target as this operator sees it."""
    entry = skin_entry(room.study.phantom.fields, way.target_mm, room.axes().normal)
    x, z = entry[0] + room.hands.error("marker_mm"), entry[2] + room.hands.error("marker_mm")
    arm = room.state.carm
    yield from room.do("needle.place", micrometres(x), micrometres(z), -arm.primary_mdeg, -arm.secondary_mdeg)


def drive(room: Room, way: Corridor, tolerance_mm: float = 0.8, bone_ends_mm: float = 0.0) -> Acts:
    """Advance in small steps; before each, turn the bevel so that the tip drifts towards the target.

    Bone within bone_ends_mm of the target is the end of the way (a target on bone); any other is left again.
    """
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
            off, left = _off_target(room, way)
            if math.hypot(*off, left) <= bone_ends_mm:
                break
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


def contrast(room: Room, heeds_blood: bool, good: tuple[str, ...] = GOOD_PATTERNS) -> Judgement:
    """Aspirate, then inject contrast under live X-rays; return True when it ran as it should (`good` patterns)."""
    plan = room.scenario.file.demonstration
    began = room.state.tick
    yield from attach(room, plan.contrast, 2 * plan.contrast_ul)
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
    fine = all(fact["pattern"] in good for fact in room.heard("injection_stopped", began))
    return fine or room.hands.slips("misread")


def attach(room: Room, agent: str, drawn_ul: int) -> Acts:
    """Take the stylet out if it is in, and put a syringe on the hub."""
    if room.state.needle.stylet:
        yield from room.do("needle.stylet", 0)
    yield from room.do("syringe.attach", room.study.toolbox.index("agents", agent), drawn_ul)


def aspirate(room: Room, agent: str, volume_ul: int) -> Acts:
    """Draw back on the drug's own syringe, where no contrast may be given."""
    yield from attach(room, agent, volume_ul)
    yield from room.do("syringe.aspirate")


def inject(room: Room, agent: str, volume_ul: int) -> Acts:
    """Draw up and inject a drug slowly (0.2 mL/s), as much as this operator takes for the planned volume."""
    volume = max(100, round(volume_ul * (1.0 + room.hands.error("volume_share"))))
    yield from attach(room, agent, volume)
    yield from room.do("syringe.inject", volume, 200)
    yield from room.until(lambda s: not s.spread.flowing, 60.0)


def confirm_views(room: Room, way: Corridor) -> Acts:
    """AP and lateral with needle and contrast in the field."""
    yield from room.turn_carm(0, 0)
    yield from room.shoot()
    yield from room.turn_carm(-90_000 if way.target_mm[0] < 0 else 90_000, 0)
    yield from room.shoot()
