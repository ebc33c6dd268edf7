"""Operators for vertebroplasty: the expert, and people who leave something out.

En face down the pedicle (or beside it) to bone; mallet in small blows between AP and lateral pictures; the tip in front of the
posterior wall before it is medial; anterior third; doughy cement in small live portions in lateral; stop signs are obeyed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scenarios.operators import acts, astray
from scenarios.operators.acts import Corridor
from scenarios.operators.room import Acts, Room, Script
from scenarios.operators.skill import FAMILY, Hands, skill_of
from scenarios.schema import TargetTable
from scenarios.vertebral import LEVELS_DOWN, vertebra, way_into
from sim.cement_flow import cure_rate, viscosity_pa_s
from sim.command import Command
from sim.event import Event
from sim.frames import dot, gantry, norm
from sim.session import TICKS_PER_SECOND
from sim.tools import Cement

F64 = NDArray[np.float64]

BY_HAND_MM = 6.0
BLOW_MJ, LIGHT_BLOW_MJ, LIGHT_MM = 1_800, 500, 5.0
"""Energy of a blow, and of those of the last millimetres."""
NEAR_MM = 0.8
BLOWS, FRUITLESS, MOVED_MM = 150, 6, 0.05
"""Blows at most; so many in a row that move the tip less than this mean that it will not go."""
LOOK_EVERY_MM = 5.0
BEYOND_MM = 30.0
"""How much too deep the too-deep operator goes on."""

DOUGH_PA_S = {"low": 90.0, "high": 500.0}
"""What the expert's hand takes for dough: below it cement is left to wait."""
RUNNY = "low-viscosity PMMA"
"""What the too-runny operator mixes and injects at once."""
STIFF_PA_S = 9_000.0
"""Cement that leaves no thread when its cannula is drawn."""
PORTION_UL, RATE_UL_S = 250, 25
AFTER_LEAK_S = 45
"""30 to 60 s of waiting after a leak that is not in the canal, then one more try (clinical.md 5, recalled)."""
TOO_MUCH_UL = 4_000
SLID_MM, BACK_MM = 5.0, 2.0
"""A tip that is seen so far beside its way has slid off the bone: out, and once more, so far against the side it slid to."""
SHORT_SHARE = 0.55
"""Who does not stop also leaves the needle short of its end by this share of the body's depth: at the posterior quarter."""
CANAL = ("canal", "foramen")


@dataclass(frozen=True)
class Habit:
    """What an operator does differently from the expert. astray: "", "medial", "canal" or "root"."""

    level_shift: int = 0
    timeout: bool = True
    views: bool = True
    live: bool = True
    stops: bool = True
    waits: bool = True
    astray: str = ""
    too_deep: bool = False
    heeds_chart: bool = True
    postpones: str = ""


def vp(habit: Habit, name: str = "expert", skill: float = 1.0) -> Script:
    """Return the script of an operator with this habit and skill (1: no slips; see operators/skill.py)."""

    def script(room: Room) -> Acts:
        room.hands = Hands.of(skill, room.scenario.id, room.study.seed, name)
        goes_on = yield from acts.triage(room, habit.heeds_chart, habit.postpones)
        if not goes_on:
            return
        shift, other = yield from acts.prepare(room, habit.level_shift, False, habit.timeout)
        file = room.scenario.file
        for number, goal in enumerate((file.target, *file.further)):
            side = acts.opposite(goal.side) if other else goal.side
            way = _way(room, habit, goal, shifted(goal.level, shift), side)
            there = yield from _placed(room, habit, way, first=number == 0)
            if there and not habit.astray and not habit.too_deep:
                yield from _cement(room, habit, way)
            yield from room.do("needle.remove")
        yield from acts.aftercare(room)
        yield from room.do("finish")

    return script


def graded(name: str) -> Script | None:
    """Return the script of `novice-1`..`novice-4` or `trainee-<percent>[-label]`; None for any other name."""
    skill = skill_of(name)
    return None if skill is None else vp(Habit(), name, skill)


def shifted(level: str, shift: int) -> str:
    """Return the vertebra that lies `shift` further down; the topmost one has none above, so it is the one below."""
    index = LEVELS_DOWN.index(level) + shift
    return LEVELS_DOWN[index if index >= 0 else 1]


def _way(room: Room, habit: Habit, goal: TargetTable, level: str, side: str) -> Corridor:
    """Return the way into the body, or to where the habit leads."""
    if habit.astray:
        return astray.beside_pedicle(room, level, side, habit.astray)
    way = way_into(room.study.phantom, goal.approach, level, side)
    way = way or way_into(room.study.phantom, "transpedicular", level, side)
    if way is None:
        raise KeyError(f"{goal.approach} {level} {side}: no way into the body")
    return Corridor(way.target_mm, way.primary_mdeg, way.secondary_mdeg)


# --- the needle -----------------------------------------------------------------------------------


def _placed(room: Room, habit: Habit, way: Corridor, first: bool) -> acts.Judgement:
    """Bring the needle to its end; one that slid off the bone once more. Return whether it lies where cement may go."""
    yield from _needle(room, habit, way, first)
    off = _beside(room, way)
    if habit.astray or norm(off) <= SLID_MM or room.hands.slips("misread"):
        return True
    yield from room.do("needle.remove")
    again = replace(way, target_mm=way.target_mm - BACK_MM / norm(off) * off)
    yield from _needle(room, habit, again, first=False)
    return norm(_beside(room, way)) <= SLID_MM or room.hands.slips("misread")


def _beside(room: Room, way: Corridor) -> F64:
    """Return how far, and to which side, the tip was last seen beside its way."""
    tip = room.tip_seen if room.tip_seen is not None else way.target_mm
    normal = gantry(way.primary_mdeg, way.secondary_mdeg).normal
    off = tip - way.target_mm
    return np.asarray(off - dot(off, normal) * normal, np.float64)


def _needle(room: Room, habit: Habit, way: Corridor, first: bool) -> Acts:
    """Place the needle, push it to bone, drive it to its end; AP and lateral on the way and at the end."""
    yield from acts.place(room, way, store=first)
    yield from _push(room, way)
    looks = habit.views and not room.hands.slips("views")
    if looks:
        yield from acts.confirm_views(room, way)
    yield from _hammer(room, way, _beyond(room, habit), looks)
    if looks:
        yield from acts.confirm_views(room, way)


def _beyond(room: Room, habit: Habit) -> float:
    """Return how far past its end the needle is driven (negative: short of it)."""
    if habit.too_deep:
        return BEYOND_MM
    if habit.stops:
        return 0.0
    body = vertebra(room.study.phantom, room.scenario.file.target.level)
    return -SHORT_SHARE * (body.ahead_mm + body.behind_mm)


def _left(room: Room, way: Corridor) -> float:
    """Return how far the tip, as it was last seen, is from the end of the way, along it."""
    tip = room.tip_seen if room.tip_seen is not None else way.target_mm
    return -dot(way.target_mm - tip, gantry(way.primary_mdeg, way.secondary_mdeg).normal) + room.hands.error("seen_mm")


def _push(room: Room, way: Corridor) -> Acts:
    """Push by hand until bone holds the needle or the end is reached."""
    for _ in range(60):
        left = _left(room, way)
        if left <= NEAR_MM:
            return
        before = room.state.tick
        yield from room.advance(min(left, BY_HAND_MM * room.hands.pace("step")), acts.SPEED_MM_S)
        yield from room.shoot()
        if any(stop["reason"] == "bone" for stop in room.heard("needle_stopped", before)):
            return


def _hammer(room: Room, way: Corridor, beyond_mm: float, looks: bool) -> Acts:
    """Drive the needle through bone in small blows to the end of the way (and beyond it); look again every few millimetres."""
    seen_at, idle, last = _left(room, way), 0, _left(room, way)
    for _ in range(BLOWS):
        left = _left(room, way) + beyond_mm
        idle, last = idle + 1 if abs(left - last) < MOVED_MM else 0, left
        if left <= NEAR_MM or idle > FRUITLESS:
            return
        if looks and seen_at - _left(room, way) > LOOK_EVERY_MM and beyond_mm == 0.0:
            seen_at = _left(room, way)
            yield from acts.confirm_views(room, way)
        yield from _blow(room, LIGHT_BLOW_MJ if left < LIGHT_MM else BLOW_MJ, left)
        yield from room.shoot()


def _blow(room: Room, energy_mj: int, left_mm: float) -> Acts:
    """Hit once; where no bone holds the tip (a gap, or soft tissue) push by hand instead."""
    before = room.state.tick
    yield Command("needle.tap", (energy_mj,))
    yield None
    yield from room.until(lambda s: not s.needle.moving, 5.0)
    if room.heard("refused", before):
        yield from room.advance(min(2.0, left_mm), acts.SPEED_MM_S)


# --- cement ---------------------------------------------------------------------------------------


def _cement(room: Room, habit: Habit, way: Corridor) -> Acts:
    """Mix, wait for dough, inject under live X-rays until full or stopped; leave no thread."""
    plan = room.scenario.file.demonstration
    impatient = not habit.waits
    yield from room.do("cement.mix", room.study.toolbox.index("cements", RUNNY if impatient else plan.cement))
    if not impatient and not room.hands.slips("impatient"):
        yield from _until_pa_s(room, DOUGH_PA_S[_product(room).viscosity])
    yield from room.do("needle.stylet", 0)
    yield from room.do("cement.attach")
    stopped = yield from _inject(room, habit, plan.cement_ul)
    if not stopped and _far_from_wall(room):
        yield from _stylet_in(room, habit.live)
    else:
        yield from _until_pa_s(room, STIFF_PA_S)
    yield from room.shoot()


def _stylet_in(room: Room, live: bool) -> Acts:
    """Put the stylet back under live X-rays: it pushes what the cannula holds into the bone."""
    if live:
        yield from room.do("xray.pedal", 1)
    yield from room.do("needle.stylet", 1)
    if live:
        yield from room.do("xray.pedal", 0)


def _inject(room: Room, habit: Habit, volume_ul: int) -> acts.Judgement:
    """Inject in portions; return True when a stop sign ended it."""
    began, given, retried = room.state.tick, 0, False
    goal = volume_ul if habit.stops else TOO_MUCH_UL
    heeds = habit.stops and not room.hands.slips("misread")
    live = habit.live and not room.hands.slips("live")  # a habit of this filling, not a dice for each portion
    while given < goal:
        since = room.state.tick
        yield from _portion(room, live, heeds)
        given += PORTION_UL
        stops = room.heard("cement_stopped", since)
        if not stops or stops[-1]["reason"] in ("stiff", "full") or room.state.cement.left_ul < PORTION_UL:
            return True
        if heeds and _forbidding(room.events, began):
            return True
        if heeds and room.heard("cement_leaked", since):
            if retried:
                return True
            retried = True
            yield from room.wait(AFTER_LEAK_S * TICKS_PER_SECOND)
    return False


def _portion(room: Room, live: bool, heeds: bool) -> Acts:
    """Inject one portion with the pedal down; stop at a leak or at the posterior quarter."""
    since = room.state.tick
    if live:
        yield from room.do("xray.pedal", 1)
    yield from room.do("cement.inject", PORTION_UL, RATE_UL_S)
    while room.state.cement.flowing:
        if heeds and live and (room.heard("cement_leaked", since) or _forbidding(room.events, since)):
            yield Command("cement.stop")
        yield None
    if live:
        yield from room.do("xray.pedal", 0)
    else:
        yield from room.shoot()


def _forbidding(events: list[Event], since: int) -> bool:
    """Return whether cement was seen in the canal or in the posterior quarter: no more into this vertebra."""
    for fact in reversed(events):
        if fact.tick < since:
            return False
        if fact.kind == "cement_leaked" and fact["where"] in CANAL:
            return True
        if fact.kind == "cement_reached" and fact["zone"] == "posterior_quarter":
            return True
    return False


def _far_from_wall(room: Room) -> bool:
    """Return whether the stylet may push in what the cannula holds: nothing has leaked, the posterior third is free."""
    return not any(fact.kind in ("cement_leaked", "cement_reached") for fact in room.events)


def _product(room: Room) -> Cement:
    return room.study.toolbox.cements[room.state.cement.product]


def _until_pa_s(room: Room, wanted: float) -> Acts:
    """Wait until cement between the fingers is that stiff."""
    number = room.study.toolbox.constant
    rate = cure_rate(number("cement.room_c"), number("cement.doubling_c"))
    product, mixed = _product(room), room.state.cement.mixed_tick
    while viscosity_pa_s(product, (room.state.tick - mixed) / TICKS_PER_SECOND * rate) < wanted:
        yield None


VP_FAULTS = {
    "wrong-level": "wrong-level",
    "no-timeout": "no-timeout",
    "too-medial": "medial-breach",
    "into-canal": "canal-entry",
    "into-root": "root-injury",
    "too-deep": "wall-breach",
    "no-views": "no-lateral-ap-pair",
    "blind": "blind-cement",
    "ignores-stop": "cement-continued",
    "goes-on": "went-on",
    "wrong-reason": "",
    "postpones-fit": "",
}
"""Careless operator -> the critical error that its habit must show; "" for one who breaks the passing rule alone."""

VP_OPERATORS: dict[str, Script] = {
    "expert": vp(Habit()),
    "wrong-level": vp(Habit(level_shift=-1)),
    "no-timeout": vp(Habit(timeout=False)),
    "too-medial": vp(Habit(astray="medial")),
    "into-canal": vp(Habit(astray="canal")),
    "into-root": vp(Habit(astray="root")),
    "too-deep": vp(Habit(too_deep=True)),
    "no-views": vp(Habit(views=False)),
    "blind": vp(Habit(live=False)),
    "ignores-stop": vp(Habit(stops=False)),
    "too-runny": vp(Habit(waits=False)),
    "goes-on": vp(Habit(heeds_chart=False)),
    "wrong-reason": vp(Habit(postpones="other")),
    "postpones-fit": vp(Habit(postpones="anticoagulant")),
    **{name: vp(Habit(), name, skill) for name, skill in FAMILY.items()},
}
