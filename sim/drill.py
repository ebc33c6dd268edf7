"""Foundation drills: questions asked one after the other, answered with the C-arm, a point on a picture, a needle or a choice.

Scored core: integers out, + - * / sqrt only. What is asked is the plan's (sim.plan.Drill); how good an answer is, the rubric
says. Outside a drill nothing here does anything.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.beam_field import pose, square_mdeg
from sim.command import Command
from sim.event import Event, event
from sim.frames import Vec, dot, gantry, norm, sincos_mdeg
from sim.plan import DrillItem
from sim.state import CArmState, DrillState, State, Study

Answer = tuple[str, str, int, str, int]
"""What was given, what was wanted, the error, its unit, and how far the place asked for lies from the central ray (um)."""

BY_COMMAND = {"square": "drill.answer", "tunnel": "drill.answer", "centre": "drill.answer", "needle": "drill.answer",
              "point": "drill.point", "choose": "drill.choose"}  # fmt: skip
"""Kind of a question -> the command that answers it."""


def placed(study: Study, machine: CArmState) -> CArmState:
    """Return the C-arm as a drill finds it (the same outside one)."""
    if study.plan.drill is None:
        return machine
    primary, secondary, x, y, z = study.plan.drill.start
    return replace(
        machine,
        primary_mdeg=primary,
        secondary_mdeg=secondary,
        primary_target_mdeg=primary,
        secondary_target_mdeg=secondary,
        centre_um=(x, y, z),
        centre_target_um=(x, y, z),
    )


def asked(study: Study, answered: int, tick: int) -> list[Event]:
    """Return the event that asks the next question; nothing when there is none."""
    drill = study.plan.drill
    if drill is None or answered >= len(drill.items):
        return []
    item = drill.items[answered]
    return [event(tick, "drill_asked", number=answered + 1, of=len(drill.items), kind=item.kind, prompt=item.prompt)]


def refusal(study: Study, command: Command) -> str:
    """Return why a command does not belong here; "" when it does."""
    drill = study.plan.drill
    if drill is None:
        return "no drill is running" if command.op.startswith("drill.") else ""
    if command.op in drill.allowed or command.op in ("idle", "finish"):
        return ""
    return "this drill does without it"


def advance(study: Study, state: State, command: Command) -> tuple[DrillState, list[Event]]:
    """Remember how a picture was taken, and take an answer."""
    me, drill = state.drill, study.plan.drill
    if drill is None:
        return me, []
    if state.carm.last_picture_tick == state.tick:
        me = replace(me, picture=state.carm)
    if not command.op.startswith("drill."):
        return me, []
    if me.answered >= len(drill.items):
        return me, [event(state.tick, "refused", op=command.op, why="every question is answered")]
    item = drill.items[me.answered]
    if why := _not_yet(item, me, state, command):
        return me, [event(state.tick, "refused", op=command.op, why=why)]
    given, wanted, error, unit, off_um = _judged(study, state, me, item, command)
    number = me.answered + 1
    fact = event(
        state.tick, "drill_answered", number=number, of=len(drill.items), kind=item.kind,
        given=given, wanted=wanted, error=error, unit=unit, off_um=off_um,
    )  # fmt: skip
    still = me.picture if item.kind == "point" else None  # a static picture serves the whole set
    return DrillState(number, still), [fact, *asked(study, number, state.tick)]


def _not_yet(item: DrillItem, me: DrillState, state: State, command: Command) -> str:
    """Return why this command cannot answer the question now."""
    if command.op != BY_COMMAND[item.kind]:
        return f"this question is answered by {BY_COMMAND[item.kind]}"
    if item.kind == "needle" and not state.needle.placed:
        return "there is no needle in the block"
    if item.kind in ("square", "tunnel", "centre", "point") and me.picture is None:
        return "take a picture first"
    if item.kind == "choose" and command.args[0] >= len(item.choices):
        return "there is no such choice"
    return ""


def _judged(study: Study, state: State, me: DrillState, item: DrillItem, command: Command) -> Answer:
    if item.kind == "choose":
        chosen = command.args[0]
        return item.choices[chosen], item.choices[item.right], int(chosen != item.right), "choice", 0
    if item.kind == "needle":
        return "needle tip", item.name, um(max(0.0, norm(state.needle.tip_mm - item.at_mm) - item.within_mm)), "um", 0
    assert me.picture is not None
    if item.kind == "point":
        return "point", item.name, um(_beside(study, me.picture, item.at_mm, *command.args)), "um", 0
    off_um = um(_beside(study, me.picture, item.at_mm, 0, 0))
    if item.kind == "centre":
        found = in_the_middle(study, me.picture)
        return found, item.name, _levels_apart(study, found, item.name), "levels", off_um
    turn, tilt, swivel = me.picture.primary_mdeg, me.picture.secondary_mdeg, me.picture.swivel_mdeg
    if item.kind == "square":
        error = square_mdeg(turn, tilt, item.normal, swivel)
    else:
        error = angle_mdeg(gantry(turn, tilt, swivel).normal, item.normal)
    return f"{turn} {tilt} mdeg", item.name, error, "mdeg", off_um


def um(length_mm: float) -> int:
    """Return a length in whole micrometres (half to even)."""
    return round(float(length_mm) * 1000.0)


def _beside(study: Study, picture: CArmState, point: Vec, x_um: int, y_um: int) -> float:
    """Return the distance (mm) of a point of the patient from the ray that meets the receptor at (x, y) from its middle."""
    place = pose(study, picture)
    ray = place.detector_mm + place.right * (x_um / 1000.0) + place.up * (y_um / 1000.0) - place.source_mm
    to = point - place.source_mm
    along = dot(to, ray) / dot(ray, ray)
    return norm(to - along * ray)


def in_the_middle(study: Study, picture: CArmState) -> str:
    """Return the name of the vertebra whose centre lies nearest to the central ray of a picture."""
    bodies = {name: at for name, at in study.plan.field_landmarks.items() if name != "sacrum"}
    return min(bodies, key=lambda name: (_beside(study, picture, bodies[name], 0, 0), name))


def _levels_apart(study: Study, one: str, other: str) -> int:
    """Return how many vertebrae lie between two, by height."""
    order = sorted(
        (n for n in study.plan.field_landmarks if n != "sacrum"), key=lambda n: float(study.plan.field_landmarks[n][2])
    )
    return abs(order.index(one) - order.index(other))


def angle_mdeg(one: Vec, other: Vec) -> int:
    """Return the angle between two directions in whole millidegrees, 0 to 180 000.

    Half the angle has the tangent |a - b| / |a + b| for unit a and b; it is found by bisection with the bit-stable sine.
    """
    a, b = one / norm(one), other / norm(other)
    apart, together = norm(np.asarray(a - b)), norm(np.asarray(a + b))
    low, high = 0, 90_000
    while low < high:
        middle = (low + high) // 2
        sine, cosine = sincos_mdeg(middle)
        if sine * together < apart * cosine:
            low = middle + 1
        else:
            high = middle
    return 2 * low
