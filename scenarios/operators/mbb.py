"""Operators for the block of lumbar medial branches: the expert, and people who leave something out.

One needle after the other: square, oblique, down to bone where the superior articular process meets the transverse
process (L5: the ala), AP and lateral, a little contrast under live X-rays, then less than half a millilitre.
"""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.operators import acts, astray
from scenarios.operators.acts import Corridor
from scenarios.operators.room import Acts, Room, Script
from scenarios.operators.skill import FAMILY, Hands, skill_of

ON_BONE_MM = 2.5
"""Bone this near to the target is where the needle should be."""
GOOD = ("intramuscular", "periosteal", "soft-tissue")
TOO_MUCH = 4
"""How many times the planned volume the over-volume operator gives."""


@dataclass(frozen=True)
class Habit:
    """What an operator does differently from the expert."""

    level_shift: int = 0
    other_side: bool = False
    timeout: bool = True
    contrast: bool = True
    first_only: bool = False
    volume: int = 1
    into_foramen: bool = False
    too_deep: bool = False
    into_sac: bool = False
    heeds_chart: bool = True
    postpones: str = ""


def mbb(habit: Habit, name: str = "expert", skill: float = 1.0) -> Script:
    """Return the script of an operator with this habit and skill (1: no slips; see operators/skill.py)."""

    def script(room: Room) -> Acts:
        room.hands = Hands.of(skill, room.scenario.id, room.study.seed, name)
        goes_on = yield from acts.triage(room, habit.heeds_chart, habit.postpones)
        if not goes_on:
            return
        shift, other = yield from acts.prepare(room, habit.level_shift, habit.other_side, habit.timeout)
        file = room.scenario.file
        goals = (file.target, *file.further)
        if shift < 0 and any(goal.level == "L1" for goal in goals):
            shift = -shift  # no branch is blocked above L1: who miscounts there goes down
        for number, goal in enumerate(goals):
            if number and habit.first_only:
                break
            side = acts.opposite(goal.side) if other else goal.side
            yield from _block(room, habit, _way(room, habit, acts.shifted(goal.level, shift), side), first=number == 0)
        yield from acts.aftercare(room)
        yield from room.do("finish")

    return script


def graded(name: str) -> Script | None:
    """Return the script of `novice-1`..`novice-4` or `trainee-<percent>[-label]`; None for any other name."""
    skill = skill_of(name)
    return None if skill is None else mbb(Habit(), name, skill)


def _way(room: Room, habit: Habit, level: str, side: str) -> Corridor:
    """Return the way to one nerve, or to where the habit leads: into the foramen of the same number, the canal, the sac."""
    if habit.too_deep:
        return astray.canal_way(room, level, side)
    if habit.into_sac:
        return astray.sac_way(room, level, side)
    return acts.corridor(room, "subpedicular" if habit.into_foramen else "medial_branch", level, side)


def _block(room: Room, habit: Habit, way: Corridor, first: bool) -> Acts:
    """Place a needle, prove where it lies, inject, take it out."""
    plan = room.scenario.file.demonstration
    yield from acts.place(room, way, store=first)
    yield from acts.drive(room, way, bone_ends_mm=ON_BONE_MM)
    if not room.hands.slips("views"):
        yield from acts.confirm_views(room, way)
    good = True
    ruled_out = habit.heeds_chart and acts.forbidden(room, plan.contrast)
    if habit.contrast and not ruled_out and not room.hands.slips("contrast"):
        good = yield from acts.contrast(room, True, GOOD)
    if ruled_out:
        yield from acts.aspirate(room, plan.drug, plan.drug_ul)
    if good or habit.into_foramen:
        yield from acts.inject(room, plan.drug, plan.drug_ul * habit.volume)
    yield from room.do("needle.stylet", 1)
    yield from room.do("needle.remove")


MBB_FAULTS = {
    "wrong-level": "wrong-level",
    "wrong-side": "wrong-side",
    "no-timeout": "no-timeout",
    "over-volume": "over-volume",
    "into-foramen": "unspecific-block",
    "too-deep": "too-deep",
    "into-sac": "intrathecal-injection",
    "one-nerve": "",
    "goes-on": "went-on",
    "wrong-reason": "",
    "postpones-fit": "",
    "forbidden-agent": "forbidden-agent",
}
"""Careless operator -> the critical error that its habit must show; "" for one who breaks the passing rule alone."""

MBB_OPERATORS: dict[str, Script] = {
    "expert": mbb(Habit()),
    "wrong-level": mbb(Habit(level_shift=-1)),
    "wrong-side": mbb(Habit(other_side=True)),
    "no-timeout": mbb(Habit(timeout=False)),
    "no-contrast": mbb(Habit(contrast=False)),
    "one-nerve": mbb(Habit(first_only=True)),
    "over-volume": mbb(Habit(volume=TOO_MUCH)),
    "into-foramen": mbb(Habit(into_foramen=True)),
    "too-deep": mbb(Habit(too_deep=True, contrast=False)),
    "into-sac": mbb(Habit(into_sac=True, contrast=False)),
    "goes-on": mbb(Habit(heeds_chart=False)),
    "wrong-reason": mbb(Habit(postpones="other")),
    "postpones-fit": mbb(Habit(postpones="anticoagulant")),
    "forbidden-agent": mbb(Habit(heeds_chart=False)),
    **{name: mbb(Habit(), name, skill) for name, skill in FAMILY.items()},
}
