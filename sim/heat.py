"""The radiofrequency generator: electrode, stimulation, lesion. Integers in the state; the physics is in sim.lesion.

A lesion grows while the set temperature is held and counts from the tip as it lies; moving or removing the needle ends it.
Nerve lengths are those of the tubes' axes inside the spheroid (exact); `total_um` is the union over all lesions so far.
Stimulation: threshold = contact + k distance^2 from the bare tip to the wall of the nerve, times a factor that this nerve of
this patient was born with. Nothing here can tell a trainee more than the replies do: published data disagree how well a
threshold tells the distance (docs/PHYSICS_HEAT.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.command import Command
from sim.event import Event, event
from sim.fields import tube_box_gap
from sim.lesion import (
    active_tip,
    angle_mdeg,
    cosman_size,
    electrode_gap,
    lesion_gap,
    merged,
    nerve_direction,
    nerve_inside,
    small_size,
    spheroid,
    total_um,
    whole_um,
)
from sim.phantom import TubeKind
from sim.rng import near_normal, stream
from sim.state import HeatState, State, Study
from sim.tip import tip_facts, um

F64 = NDArray[np.float64]

TICKS_PER_SECOND = 100
NERVES = (TubeKind.MEDIAL_BRANCH, TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS)
HEATED = (*NERVES, TubeKind.SAC)
FAR_MM = 30.0
"""Nothing further from the tip is stimulated or heated."""


class Reach(NamedTuple):
    """A tube that a lesion reaches: intervals of its axis (um), the same whole-thickness and after the older figures."""

    tube: int
    inside: list[tuple[int, int]]
    whole_um: int
    small_um: int
    gap_um: int


def begin(study: Study) -> HeatState:
    """Return the generator switched off."""
    return HeatState()


def advance(study: Study, state: State, command: Command) -> tuple[HeatState, list[Event]]:
    """Obey a command for the generator, then heat for one tick. Idle, it returns the same state."""
    me = state.heat
    act = _ACTIONS.get(command.op)
    if act is None and me.electrode < 0:
        return me, []
    out: list[Event] = []
    if me.electrode >= 0 and (not state.needle.placed or state.needle.stylet):
        me = _unplugged(study, state, me, out)
    if act is not None:
        me = act(study, state, me, command.args, out)
    if me.heating:
        me = _heat(study, state, me, out)
    return me, out


# --- commands -------------------------------------------------------------------------------------


def _refuse(out: list[Event], tick: int, op: str, why: str) -> None:
    out.append(event(tick, "refused", op=op, why=why))


def _connect(study: Study, state: State, me: HeatState, args: tuple[int, ...], out: list[Event]) -> HeatState:
    rows, needle = study.toolbox.electrodes, state.needle
    if args[0] >= len(rows):
        _refuse(out, state.tick, "rf.connect", f"there are {len(rows)} electrodes")
    elif not needle.placed:
        _refuse(out, state.tick, "rf.connect", "there is no needle in the patient")
    elif needle.stylet:
        _refuse(out, state.tick, "rf.connect", "the stylet is in: take it out")
    elif study.toolbox.needles[needle.needle].gauge != rows[args[0]].gauge:
        gauge = study.toolbox.needles[needle.needle].gauge
        _refuse(out, state.tick, "rf.connect", f"this electrode is for {rows[args[0]].gauge}G; the needle is {gauge}G")
    elif me.heating:
        _refuse(out, state.tick, "rf.connect", "the generator heats: stop it first")
    else:
        row = rows[args[0]]
        ohm = round(study.toolbox.constant("rf.impedance_ohm"))
        told = {"electrode": row.name, "gauge": row.gauge, "active_tip_um": um(row.active_tip_mm), "impedance_ohm": ohm}
        out.append(event(state.tick, "rf_connected", **told))
        return replace(me, electrode=args[0])
    return me


def _disconnect(study: Study, state: State, me: HeatState, args: tuple[int, ...], out: list[Event]) -> HeatState:
    if me.electrode < 0:
        _refuse(out, state.tick, "rf.disconnect", "no electrode is connected")
        return me
    return _unplugged(study, state, me, out)


def _unplugged(study: Study, state: State, me: HeatState, out: list[Event]) -> HeatState:
    if me.heating:
        me = _made(study, state, me, "disconnected", out)
    out.append(event(state.tick, "rf_disconnected"))
    return replace(me, electrode=-1)


def _stimulate(study: Study, state: State, me: HeatState, args: tuple[int, ...], out: list[Event]) -> HeatState:
    if not _ready(state, me, "rf.stimulate", out):
        return me
    hertz, current = args
    sensory = hertz >= study.toolbox.constant("rf.sensory_from_hz")
    region, t, strength = _recruited(study, thresholds_ua(study, state, motor=not sensory), current, sensory)
    tube = study.phantom.tubes[t] if t >= 0 else None
    out.append(
        event(
            state.tick, "stimulated", frequency_hz=hertz, current_ua=current,
            voltage_mv=current * round(study.toolbox.constant("rf.impedance_ohm")) // 1000,
            felt=region if sensory else "", twitch="" if sensory else region.replace("back", "multifidus"),
            nerve_level=tube.level if tube else "", nerve_side=tube.side if tube else "", strength_permille=strength,
            **tip_facts(study, state.needle),
        )
    )  # fmt: skip
    return me


def _recruited(study: Study, limits: list[tuple[int, int]], current: int, sensory: bool) -> tuple[str, int, int]:
    """Return ("back", "leg" or "", tube, current over threshold in permille) of the answer to a current.

    A sensation is that of the nerve most strongly stimulated; of two twitches the leg's is the one that counts.
    """
    best = ("", -1, 0)
    for t, limit in limits:
        strength = 1000 * current // limit
        region = "back" if study.phantom.tubes[t].kind is TubeKind.MEDIAL_BRANCH else "leg"
        leg_first = not sensory and (region, best[0]) == ("leg", "back")
        hidden = not sensory and (region, best[0]) == ("back", "leg")
        if strength >= 1000 and not hidden and (leg_first or strength > best[2]):
            best = (region, t, strength)
    return best


def thresholds_ua(study: Study, state: State, motor: bool) -> list[tuple[int, int]]:
    """Return (tube, threshold in uA) of every nerve within FAR_MM of the tip, as the electrode lies."""
    box, needle = study.toolbox, state.needle
    contact, per_mm2 = box.constant("stimulation.contact_ma"), box.constant("stimulation.per_mm2_ma")
    factor = box.constant("stimulation.motor_over_sensory") if motor else 1.0
    proximal, tip = active_tip(needle.nodes_mm, box.electrodes[state.heat.electrode].active_tip_mm)
    radius = 0.5 * box.needles[needle.needle].outer_diameter_mm
    out: list[tuple[int, int]] = []
    for t in _near(study, tip, NERVES):
        gap = electrode_gap(study.phantom.fields, t, proximal, tip, radius)
        out.append((t, max(round(1000.0 * factor * _born(study, t) * (contact + per_mm2 * gap * gap)), 1)))
    return out


def _born(study: Study, t: int) -> float:
    """Return the factor on the threshold of this nerve in this patient: mean 1, spread and limits from data."""
    box = study.toolbox
    draw = near_normal(stream(study.seed, f"stimulation/{study.phantom.tubes[t].name}"))
    raw = 1.0 + box.constant("stimulation.spread") * draw
    return min(max(raw, box.constant("stimulation.spread_least")), box.constant("stimulation.spread_most"))


def _lesion(study: Study, state: State, me: HeatState, args: tuple[int, ...], out: list[Event]) -> HeatState:
    if not _ready(state, me, "rf.lesion", out):
        return me
    out.append(event(state.tick, "lesion_started", temperature_mc=args[0], time_ms=args[1], **tip_facts(study, state.needle)))
    body = round(1000.0 * study.toolbox.constant("rf.body_c"))
    return replace(me, goal_mc=args[0], temperature_mc=body, goal_ticks=max(args[1] // 10, 1), held_ticks=0, warned=())


def _stop(study: Study, state: State, me: HeatState, args: tuple[int, ...], out: list[Event]) -> HeatState:
    if not me.heating:
        _refuse(out, state.tick, "rf.stop", "the generator does not heat")
        return me
    return _made(study, state, me, "stopped", out)


def _ready(state: State, me: HeatState, op: str, out: list[Event]) -> bool:
    why = ""
    if me.electrode < 0:
        why = "no electrode is connected"
    elif me.heating:
        why = "the generator heats: stop it first"
    elif state.needle.depth_mm <= 0.0:
        why = "the tip is not in the patient"
    if why:
        _refuse(out, state.tick, op, why)
    return not why


_Action = Callable[[Study, State, HeatState, tuple[int, ...], list[Event]], HeatState]
_ACTIONS: dict[str, _Action] = {
    "rf.connect": _connect,
    "rf.disconnect": _disconnect,
    "rf.stimulate": _stimulate,
    "rf.lesion": _lesion,
    "rf.stop": _stop,
}


# --- heating --------------------------------------------------------------------------------------


def _heat(study: Study, state: State, me: HeatState, out: list[Event]) -> HeatState:
    """Warm the tip, hold the set temperature, tell once per second what the lesion has newly reached."""
    if state.needle.moving:
        return _made(study, state, me, "moved", out)
    if me.temperature_mc < me.goal_mc:
        step = max(round(1000.0 * study.toolbox.constant("rf.ramp_c_per_s")) // TICKS_PER_SECOND, 1)
        return replace(me, temperature_mc=min(me.temperature_mc + step, me.goal_mc))
    me = replace(me, held_ticks=me.held_ticks + 1)
    if me.held_ticks >= me.goal_ticks:
        return _made(study, state, me, "done", out)
    if me.held_ticks % TICKS_PER_SECOND == 0:
        for reach in reached(study, state, me):
            if reach.tube not in me.warned:
                me = replace(me, warned=(*me.warned, reach.tube))
                out.append(event(state.tick, "structure_heated", **_named(study, reach.tube), held_ms=10 * me.held_ticks))
    return me


def _named(study: Study, t: int) -> dict[str, str]:
    tube = study.phantom.tubes[t]
    return {"name": tube.name, "kind": tube.kind.name.lower(), "nerve_level": tube.level, "nerve_side": tube.side}


def _near(study: Study, point: F64, kinds: tuple[TubeKind, ...]) -> list[int]:
    f = study.phantom.fields
    x, y, z = (float(v) for v in point)
    return [t for t, tube in enumerate(study.phantom.tubes) if tube.kind in kinds and tube_box_gap(f, t, x, y, z) <= FAR_MM]


def lesion_now(study: Study, state: State, me: HeatState) -> tuple[F64, F64, dict[str, int | bool]]:
    """Return (spheroid, spheroid after the older figures, sizes in um) of the lesion as far as it has grown."""
    box = study.toolbox
    outer, tip_mm = box.needles[state.needle.needle].outer_diameter_mm, box.electrodes[me.electrode].active_tip_mm
    celsius, seconds = me.temperature_mc / 1000.0, me.held_ticks / TICKS_PER_SECOND
    large, small = cosman_size(box, outer, tip_mm, celsius, seconds), small_size(box, outer, tip_mm, celsius, seconds)
    proximal, tip = active_tip(state.needle.nodes_mm, tip_mm)
    sizes: dict[str, int | bool] = {
        "width_um": um(large.width),
        "length_um": um(large.length),
        "small_width_um": um(small.width),
        "small_length_um": um(small.length),
        "extrapolated": bool(large.extrapolated),
    }
    return spheroid(proximal, tip, large), spheroid(proximal, tip, small), sizes


def reached(study: Study, state: State, me: HeatState) -> list[Reach]:
    """Return every nerve (and the sac) that the lesion reaches as far as it has grown."""
    large, small, _ = lesion_now(study, state, me)
    if large[7] <= 0.0:
        return []
    f, found = study.phantom.fields, []
    for t in _near(study, large[:3], HEATED):
        nodes = study.phantom.tubes[t].nodes
        inside, whole = nerve_inside(large, nodes)
        gap = lesion_gap(f, t, large)
        if len(inside) or gap < 0.0:
            within = total_um(whole_um(nerve_inside(small, nodes)[0]))
            found.append(Reach(t, whole_um(inside), um(whole), within, um(gap)))
    return found


def _made(study: Study, state: State, me: HeatState, reason: str, out: list[Event]) -> HeatState:
    """End the lesion: tell its size, what it destroyed, and how the tip lay to the nearest medial branch."""
    large, _, sizes = lesion_now(study, state, me)
    name, gap, angle = _nearest_branch(study, large)
    tip = tip_facts(study, state.needle)
    row = study.toolbox.electrodes[me.electrode]
    out.append(
        event(
            state.tick, "lesion_made", reason=reason, temperature_mc=me.temperature_mc, time_ms=10 * me.held_ticks,
            active_tip_um=um(row.active_tip_mm), gauge=row.gauge, nearest_branch=name, branch_gap_um=gap, branch_mdeg=angle,
            **sizes, **tip,
        )
    )  # fmt: skip
    burnt = list(me.burnt)
    for reach in reached(study, state, me):
        before = [(a, b) for t, a, b in burnt if t == reach.tube]
        union = merged([*before, *reach.inside])
        burnt = sorted([part for part in burnt if part[0] != reach.tube] + [(reach.tube, a, b) for a, b in union])
        out.append(
            event(
                state.tick, "nerve_lesioned" if study.phantom.tubes[reach.tube].kind in NERVES else "sac_heated",
                **_named(study, reach.tube), length_um=total_um(reach.inside), whole_um=reach.whole_um, small_um=reach.small_um,
                total_um=total_um(union), gap_um=reach.gap_um, angle_mdeg=_angle(study, large, reach.tube),
            )
        )  # fmt: skip
    return replace(
        me, goal_mc=0, temperature_mc=0, goal_ticks=0, held_ticks=0, warned=(), lesions=me.lesions + 1, burnt=tuple(burnt)
    )


def _angle(study: Study, s: F64, t: int) -> int:
    return angle_mdeg(s[3:6], nerve_direction(study.phantom.tubes[t].nodes, s[:3], 2.0 * float(s[6])))


def _nearest_branch(study: Study, s: F64) -> tuple[str, int, int]:
    """Return (name, gap of its wall from the electrode's axis in um, angle in mdeg) of the nearest medial branch; "" when far."""
    best, found = FAR_MM, ("", 0, 0)
    half = float(s[6]) * s[3:6]
    for t in _near(study, s[:3], (TubeKind.MEDIAL_BRANCH,)):
        gap = electrode_gap(study.phantom.fields, t, s[:3] - half, s[:3] + half, 0.0)
        if gap < best:
            best, found = gap, (study.phantom.tubes[t].name, um(gap), _angle(study, s, t))
    return found
