"""Operators for the transforaminal epidural injection: the expert, and people who leave something out.

All share one script; a careless operator differs by one habit, as people do. The way of working follows
the scenario's brief: count, square, oblique, tunnel view, small steps with the bevel turned against the
drift, lateral for depth, contrast under live X-rays, AP and lateral before the drug.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from scenarios.operators import acts, astray
from scenarios.operators.acts import Corridor
from scenarios.operators.room import Acts, Room, Script
from scenarios.operators.skill import FAMILY, Hands, skill_of
from sim.frames import gantry

TEST_DOSE, TEST_DOSE_UL = "lidocaine 1 %", 1000
"""lumbar_tfesi_subpedicular.local_anaesthetic_test_dose (WIKIMSK): 1 to 2 mL of 1 to 2 % lidocaine."""


@dataclass(frozen=True)
class Habit:
    """What an operator does differently from the expert."""

    level_shift: int = 0
    other_side: bool = False
    contrast: bool = True
    reacts_to_vessel: bool = True
    too_deep: bool = False
    into_sac: bool = False
    timeout: bool = True
    views: bool = True
    particulate: bool = False
    into_disc: bool = False
    test_dose: bool = False
    heeds_chart: bool = True
    postpones: str = ""


def tfesi(habit: Habit, name: str = "expert", skill: float = 1.0) -> Script:
    """Return the script of an operator with this habit and skill (1: no slips; see operators/skill.py)."""

    def script(room: Room) -> Acts:
        room.hands = Hands.of(skill, room.scenario.id, room.study.seed, name)
        target = room.scenario.file.target
        goes_on = yield from acts.triage(room, habit.heeds_chart, habit.postpones)
        if not goes_on:
            return
        shift, other = yield from acts.prepare(room, habit.level_shift, habit.other_side, habit.timeout)
        level, side = acts.shifted(target.level, shift), acts.opposite(target.side) if other else target.side
        way = acts.corridor(room, _approach(target.approach, level), level, side)
        if habit.too_deep and level == "S1":
            way = astray.sac_way(room, level, side)  # bone closes every flat way into the sacral canal
        elif habit.too_deep:
            way = astray.canal_way(room, level, side)
        elif habit.into_sac:
            way = astray.sac_way(room, level, side)
        elif habit.into_disc:
            way = astray.disc_way(room, level, side)
        yield from acts.place(room, way, store=True)
        yield from acts.drive(room, way)
        tests = habit.contrast and not room.hands.slips("contrast")
        clear = not tests
        if tests:
            clear = yield from acts.contrast(room, habit.reacts_to_vessel)
            if not clear and habit.reacts_to_vessel:
                way = _second_way(room, way, level, side)
                yield from _reposition(room, way)
                clear = yield from acts.contrast(room, habit.reacts_to_vessel)
        if clear or not habit.reacts_to_vessel:
            if habit.views and not room.hands.slips("views"):
                yield from acts.confirm_views(room, way)
            if habit.test_dose:
                yield from acts.inject(room, TEST_DOSE, TEST_DOSE_UL)
            yield from _inject_steroid(room, habit.particulate)
        yield from room.do("needle.remove")
        yield from acts.aftercare(room)
        yield from room.do("finish")

    return script


def _approach(planned: str, level: str) -> str:
    """Return the approach to a level: the sacrum has one alone, through its dorsal opening."""
    return "subpedicular" if level == "S1" else planned


BACK_MM = 3.0
"""How far the needle is held back on the same line where a patient has no other way to a level."""


def _second_way(room: Room, way: Corridor, level: str, side: str) -> Corridor:
    """Return where the needle goes when contrast ran off: the other target, or the same line, not so deep."""
    target = room.scenario.file.target
    if target.approach == "subpedicular" and f"target.alternative.{level}.{side}" in room.study.phantom.landmarks:
        return acts.corridor(room, "alternative", level, side)
    return replace(way, target_mm=way.target_mm + BACK_MM * gantry(way.primary_mdeg, way.secondary_mdeg).normal)


def graded(name: str) -> Script | None:
    """Return the script of `novice-1`..`novice-4` or `trainee-<percent>[-label]`; None for any other name."""
    skill = skill_of(name)
    return None if skill is None else tfesi(Habit(), name, skill)


def _reposition(room: Room, way: Corridor) -> Acts:
    """Withdraw under the skin and drive again, to the place that the vessel leaves free."""
    yield from room.do("needle.stylet", 1)
    yield from room.do("needle.remove")
    yield from room.centre_carm(way.target_mm)
    yield from acts.look_down(room, way)
    yield from acts.set_down(room, way)
    yield from room.shoot()
    yield from acts.drive(room, way)


def _inject_steroid(room: Room, particulate: bool) -> Acts:
    plan = room.scenario.file.demonstration
    agent = _particulate(room, plan.drug) if particulate or room.hands.slips("particulate") else plan.drug
    yield from acts.inject(room, agent, plan.drug_ul)


def _particulate(room: Room, meant: str) -> str:
    """Return a steroid with particles from the cupboard, or the one that was meant where there is none."""
    return next((a.name for a in room.study.toolbox.agents if a.kind == "steroid" and a.particulate), meant)


TFESI_FAULTS = {
    "wrong-level": "wrong-level",
    "wrong-side": "wrong-side",
    "no-contrast": "no-contrast",
    "too-deep": "too-deep",
    "into-sac": "intrathecal-injection",
    "ignores-vascular": "ignores-vascular",
    "no-timeout": "no-timeout",
    "no-views": "no-lateral-ap-pair",
    "particulate": "particulate-steroid",
    "into-disc": "intradiscal-injection",
    "goes-on": "went-on",
    "wrong-reason": "",
    "postpones-fit": "",
    "forbidden-agent": "forbidden-agent",
}
"""Careless operator -> the critical error that its habit must show; "" for one who breaks the passing rule alone."""

TFESI_OPERATORS: dict[str, Script] = {
    "expert": tfesi(Habit()),
    "wrong-level": tfesi(Habit(level_shift=-1)),
    "wrong-side": tfesi(Habit(other_side=True)),
    "no-contrast": tfesi(Habit(contrast=False)),
    "ignores-vascular": tfesi(Habit(reacts_to_vessel=False)),
    "too-deep": tfesi(Habit(too_deep=True)),
    "into-sac": tfesi(Habit(into_sac=True, contrast=False)),
    "no-timeout": tfesi(Habit(timeout=False)),
    "no-views": tfesi(Habit(views=False)),
    "particulate": tfesi(Habit(particulate=True)),
    "into-disc": tfesi(Habit(into_disc=True, reacts_to_vessel=False)),
    "goes-on": tfesi(Habit(heeds_chart=False)),
    "wrong-reason": tfesi(Habit(postpones="other")),
    "postpones-fit": tfesi(Habit(postpones="anticoagulant")),
    "forbidden-agent": tfesi(Habit(test_dose=True)),
    **{name: tfesi(Habit(), name, skill) for name, skill in FAMILY.items()},
}
