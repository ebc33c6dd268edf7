"""Operators for the block of lumbar medial branches: the expert, and people who leave something out.

One needle after the other: square, oblique, down to bone where the superior articular process meets the transverse
process (L5: the ala), AP and lateral, a little contrast under live X-rays, then less than half a millilitre.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scenarios.operators import acts, astray
from scenarios.operators.acts import Corridor
from scenarios.operators.room import Acts, Room, Script
from scenarios.operators.skill import FAMILY, Hands, skill_of
from sim.fields import bone_distance, tissue_at
from sim.frames import gantry, sincos_mdeg
from sim.phantom import Tissue

F64 = NDArray[np.float64]

ON_BONE_MM = 2.5
"""Bone this near to the target is where the needle should be."""
GOOD = ("intramuscular", "periosteal", "soft-tissue")
INWARD = (Tissue.FORAMEN_FAT, Tissue.EPIDURAL_FAT)
INWARD_SHARE = 0.02
"""So much of what the drug will fill may lie in foramen or canal; more is moved away from."""
NEAR_MM = 15.0
"""Contrast further from the tip than this belongs to another nerve."""
TRIES, FURTHER_MM = 3, (2.0, 3.5)
"""Places tried at one nerve, where the contrast points into the foramen, and how far beside the last one."""
NEAR_PLAN_MM = 2.4
"""No place further than this from the planned point along any axis is taken: hands err by some tenths more."""
LIFT_MM, ON_SURFACE_MM = 3.0, 0.5
"""A place beside counts where bone lies no more than this higher or deeper, and a tip on bone is so near to it."""
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
    ruled_out = habit.heeds_chart and acts.forbidden(room, plan.contrast)
    tests = habit.contrast and not ruled_out and not room.hands.slips("contrast")
    looks, planned = not room.hands.slips("views"), way.target_mm
    for attempt in range(TRIES):
        yield from _to_bone(room, way, first and attempt == 0, looks)
        good = not tests
        if tests:
            good = yield from acts.contrast(room, True, GOOD)
        if not tests or habit.into_foramen or (good and (not _points_inward(room) or room.hands.slips("misread"))):
            break
        beside = _further_out(room, way, planned)
        if attempt + 1 == TRIES or beside is way:
            break
        yield from _out(room)
        way = beside
    if ruled_out:
        yield from acts.aspirate(room, plan.drug, plan.drug_ul)
    if good or habit.into_foramen:
        yield from acts.inject(room, plan.drug, plan.drug_ul * habit.volume)
    yield from _out(room)


def _to_bone(room: Room, way: Corridor, store: bool, looks: bool) -> Acts:
    yield from acts.place(room, way, store=store)
    yield from acts.drive(room, way, bone_ends_mm=ON_BONE_MM)
    if looks:
        yield from acts.confirm_views(room, way)


def _out(room: Room) -> Acts:
    yield from room.do("needle.stylet", 1)
    yield from room.do("needle.remove")


def _points_inward(room: Room) -> bool:
    """Return whether the contrast, grown by as much as the drug will add, would reach the foramen or the canal."""
    return _inward_share(room, _bloom(room)) > INWARD_SHARE


def _bloom(room: Room) -> F64:
    """Return (n, 4) where the drug will lie as the contrast at the tip suggests: x, y, z in mm, weight.

    A tenth of a millilitre shows the shape of what half a millilitre will fill: the same, larger by the cube root.
    """
    plan, tip = room.scenario.file.demonstration, room.state.needle.tip_mm
    larger = ((plan.contrast_ul + plan.drug_ul) / plan.contrast_ul) ** (1.0 / 3.0)
    seen = room.state.spread.contrast_points.astype(np.float64)
    gaps = seen[:, :3] - tip
    here = (gaps * gaps).sum(axis=1) <= NEAR_MM * NEAR_MM
    return np.column_stack([tip + larger * gaps[here], seen[here, 3]])


def _inward_share(room: Room, bloom: F64, moved_mm: F64 | None = None) -> float:
    """Return how much of a bloom, moved or not, lies in foramen or canal."""
    f, by = room.study.phantom.fields, np.zeros(3) if moved_mm is None else moved_mm
    inward, every = 0.0, 1e-9
    for x, y, z, weight in bloom:
        every += weight
        if tissue_at(f, x + by[0], y + by[1], z + by[2]) in INWARD:
            inward += weight
    return inward / every


def _further_out(room: Room, way: Corridor, planned_mm: F64) -> Corridor:
    """Return the way to bone a few millimetres beside, where the same bloom runs least into the foramen, or the way itself.

    The nearest such place: half a millilitre wets a nerve three millimetres away. A step over an edge of bone is none, nor is
    one that leaves the planned point's surroundings (NEAR_PLAN_MM).
    """
    bloom = _bloom(room)
    best, chosen = _inward_share(room, bloom), way
    for far, moved in _beside(room, way):
        target = way.target_mm + moved
        toll = _inward_share(room, bloom, moved) + 0.01 * far
        if toll < best and np.abs(target - planned_mm).max() <= NEAR_PLAN_MM:
            best, chosen = toll, replace(way, target_mm=target)
    return chosen


def _beside(room: Room, way: Corridor) -> Iterator[tuple[float, F64]]:
    """Yield (distance mm, step to it) of the places on bone around the way's end, as seen along it."""
    axes, f = gantry(way.primary_mdeg, way.secondary_mdeg), room.study.phantom.fields
    for far, turn in product(FURTHER_MM, range(0, 360_000, 45_000)):
        sine, cosine = sincos_mdeg(turn)
        beside = far * (cosine * axes.right + sine * axes.up)
        lift = LIFT_MM
        while lift > -LIFT_MM and bone_distance(f, *(way.target_mm + beside + lift * axes.normal))[0] > ON_SURFACE_MM:
            lift -= 0.25
        if abs(lift) < LIFT_MM:
            yield far, beside + lift * axes.normal


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
