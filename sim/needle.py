"""The needle: the hand moves the hub, the shaft bends in the tissue, the tip cuts its way.

The hub slides along its axis through the skin entry (`sim.frames.hub_frame`). Per millisecond: the hand moves,
stick-slip decides how far the needle follows (sim.puncture), the shaft takes the shape of least energy between
hub, cut path and bone (sim.bending), the tip cuts on along tip slope + bevel angle, and what it crossed is noted.
docs/PHYSICS.md has the model, its accuracy and its limits.

A *pass* is an advance after a placement or after a withdrawal of `needle.pass_withdrawal_mm` (5 mm) or more;
`passes` counts all of the attempt, and `needle_removed` reports that count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.bending import NODES, bending_stiffness
from sim.command import Command
from sim.errors import NumericalFault
from sim.event import Event, event
from sim.needle_tick import (
    ASKED,
    BASE,
    BLOCKED_MS,
    BONE,
    BUCKLED,
    BUSY,
    BY_BEND,
    CLOSED,
    COUNT,
    DEPTH,
    FORCE,
    FRICTION_N,
    OPENED,
    OPENED_MM,
    PITCH,
    ROLL,
    SPEED,
    STUCK,
    TISSUE,
    WHY,
    YAW,
    tick,
)
from sim.phantom import Tissue, TubeKind, skin_y
from sim.puncture import LOG_BONE, LOG_BUCKLE, LOG_IN, LOG_OUT, LOG_POP, LOG_TISSUE, LOG_WIDTH, SKIN, TUBE
from sim.shaft import Rod, set_frame, to_patient
from sim.state import NeedleState, State, Study
from sim.tip import TISSUE_NAME, facts_at, tip_facts, um
from sim.tools import Needle, Toolbox

F64 = NDArray[np.float64]

MS_PER_TICK = 10
LOG_ROWS = 64

MEMBRANE_NAMES = {
    int(Tissue.SKIN): "skin",
    int(Tissue.FASCIA): "fascia",
    int(Tissue.INTERSPINOUS_LIGAMENT): "interspinous_ligament",
    int(Tissue.LIGAMENTUM_FLAVUM): "ligamentum_flavum",
    int(Tissue.DISC_ANNULUS): "annulus",
}


def begin(study: Study) -> NeedleState:
    """Return the needle before one is chosen."""
    return NeedleState()


def advance(study: Study, state: State, command: Command) -> tuple[NeedleState, list[Event]]:
    """Obey a needle command, then move the needle for one tick. A needle at rest returns the same state."""
    me = state.needle
    events: list[Event] = []
    act = _ACTIONS.get(command.op)
    if act is not None:
        me = act(study, state, me, command.args, events)
    if me.moving:
        me = _move(study, state.tick, me, events)
    return me, events


def shape_of(study: Study, needle: NeedleState) -> Needle:
    """Return the tool in use (needle.needle must not be -1)."""
    return study.toolbox.needles[needle.needle]


@lru_cache(maxsize=64)
def _rod(tool: Needle, hand: tuple[float, ...]) -> Rod:
    stiffness, most, step, contact, grip, turn, tilt, blocked = hand
    return Rod(
        length=tool.length_mm,
        radius=0.5 * tool.outer_diameter_mm,
        ei=bending_stiffness(tool.outer_diameter_mm, tool.inner_diameter_mm, tool.young_gpa),
        kick=(tool.alpha_mrad + tool.bend_mrad) * 0.001,
        stiffness=stiffness,
        most_n=most,
        step_mm=step,
        contact=contact,
        grip=grip,
        turn=int(turn) // 1000,
        tilt=int(tilt) // 1000,
        blocked_ms=int(blocked),
    )


_HAND = (
    "hand_stiffness_n_per_mm", "hand_max_n", "step_limit_mm", "contact_n_per_mm",
    "grip_mm", "turn_rate_mdeg_s", "tilt_rate_mdeg_s", "blocked_ms",
)  # fmt: skip


def rod_of(toolbox: Toolbox, tool: Needle) -> Rod:
    """Return a needle in the hand, as the kernel needs it."""
    return _rod(tool, tuple(toolbox.constant(f"needle.{name}") for name in _HAND))


REFERENCE_MM = 0.718
"""Outer diameter (22G) for which the forces of tissues.toml hold; they scale with the diameter (placeholder)."""


def rows_of(toolbox: Toolbox, tool: Needle) -> F64:
    """Return the tissue table (label, 5): foundation N/mm2, cut N, friction N/mm, puncture N, membrane N/mm."""
    return _rows(toolbox.tissues, tool.outer_diameter_mm)


@lru_cache(maxsize=64)
def _rows(tissues: tuple[Any, ...], outer_mm: float) -> F64:
    scale = outer_mm / REFERENCE_MM
    return np.array(
        [
            [
                t.foundation_n_per_m2 * 1e-6,
                t.cut_n * scale,
                t.friction_n_per_mm * scale,
                t.puncture_n * scale,
                t.membrane_n_per_mm * scale,
            ]
            for t in tissues
        ]
    )


# commands


def _refused(events: list[Event], tick: int, op: str, why: str) -> None:
    events.append(event(tick, "refused", op=op, why=why))


def _choose(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    needles = study.toolbox.needles
    if me.placed:
        _refused(events, state.tick, "needle.choose", "a needle is in the patient: remove it first")
        return me
    if args[0] >= len(needles):
        _refused(events, state.tick, "needle.choose", f"there are {len(needles)} needles")
        return me
    tool = needles[args[0]]
    events.append(event(state.tick, "needle_chosen", name=tool.name, gauge=tool.gauge))
    return NeedleState(needle=args[0], passes=me.passes)


def _place(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if me.needle < 0:
        _refused(events, state.tick, "needle.place", "no needle is chosen")
        return me
    x, z = args[0] / 1000.0, args[1] / 1000.0
    f = study.phantom.fields
    nx, nz = f.skin_y.shape
    if not (0.0 <= x - f.skin_x0 <= (nx - 1) * f.skin_step and 0.0 <= z - f.skin_z0 <= (nz - 1) * f.skin_step):
        _refused(events, state.tick, "needle.place", "there is no skin at this point")
        return me
    if me.placed:
        me = _remove(study, state, me, (), events)
    entry = np.array([x, float(skin_y(f, x, z)), z])
    yaw, pitch = args[2], args[3]
    length = study.toolbox.needles[me.needle].length_mm
    frame = np.empty((3, 3))
    set_frame(frame, yaw, pitch)
    nodes = np.empty((NODES, 3))
    for i in range(NODES):
        nodes[i] = to_patient(frame, entry, 0.0, 0.0, length * i / (NODES - 1) - length)
    where = {"x_um": um(entry[0]), "y_um": um(entry[1]), "z_um": um(entry[2])}
    events.append(event(state.tick, "needle_placed", yaw_mdeg=yaw, pitch_mdeg=pitch, **where))
    return NeedleState(
        needle=me.needle, placed=True, entry_mm=entry,
        yaw_mdeg=yaw, pitch_mdeg=pitch, yaw_target_mdeg=yaw, pitch_target_mdeg=pitch,
        tip_mm=entry, tip_direction=frame[:, 2].copy(), nodes_mm=nodes,
        path_mm=entry[None, :].copy(), trail_mm=entry[None, :].copy(), path_label=np.zeros(1, np.int64),
        membrane=SKIN, armed=True, passes=me.passes, stylet=me.stylet,
    )  # fmt: skip


def _tilt(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not me.placed:
        _refused(events, state.tick, "needle.tilt", "the needle is not on the skin")
        return me
    return replace(me, yaw_target_mdeg=args[0], pitch_target_mdeg=args[1], moving=True, blocked_ms=0)


def _advance(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not me.placed:
        _refused(events, state.tick, "needle.move", "the needle is not on the skin")
        return me
    goal = min(max(me.asked_mm + args[0] / 1000.0, 0.0), shape_of(study, me).length_mm)
    return replace(me, goal_mm=goal, speed_mm_s=args[1] / 1000.0, moving=True, blocked_ms=0, buckled=False)


def _turn(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not me.placed:
        _refused(events, state.tick, "needle.turn", "the needle is not on the skin")
        return me
    return replace(me, roll_target_mdeg=me.roll_target_mdeg + args[0], moving=True)


def _stylet(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if me.needle < 0:
        _refused(events, state.tick, "needle.stylet", "no needle is chosen")
        return me
    inserted = args[0] == 1
    if inserted == me.stylet:
        return me
    events.append(event(state.tick, "stylet", inserted=inserted))
    return replace(me, stylet=inserted)


def _remove(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not me.placed:
        _refused(events, state.tick, "needle.remove", "there is no needle in the patient")
        return me
    for place, t in enumerate(me.inside):
        events.append(_left(study, state.tick, t, me.inside_deepest[place], state.tick - me.inside_since[place]))
    events.append(event(state.tick, "needle_removed", passes=me.passes))
    return NeedleState(needle=me.needle, passes=me.passes, stylet=me.stylet)


_Action = Callable[[Study, State, NeedleState, tuple[int, ...], list[Event]], NeedleState]
_ACTIONS: dict[str, _Action] = {
    "needle.choose": _choose,
    "needle.place": _place,
    "needle.tilt": _tilt,
    "needle.move": _advance,
    "needle.turn": _turn,
    "needle.stylet": _stylet,
    "needle.remove": _remove,
}


# motion


def _move(study: Study, now: int, me: NeedleState, events: list[Event]) -> NeedleState:
    """Run the kernel for one tick and turn its log into events."""
    f = study.phantom.fields
    tool = shape_of(study, me)
    rod = rod_of(study.toolbox, tool)
    s = np.array([me.asked_mm, me.goal_mm, me.speed_mm_s, me.depth_mm, me.force_n, me.friction_n, me.opened_mm])
    m = np.array(
        [
            me.yaw_mdeg, me.pitch_mdeg, me.roll_mdeg, me.yaw_target_mdeg, me.pitch_target_mdeg, me.roll_target_mdeg,
            me.base, me.tissue, me.membrane, me.opened, me.bone, int(me.stuck), me.blocked_ms, int(me.buckled),
            len(me.path_mm), 0, 0,
        ],
        np.int64,
    )  # fmt: skip
    count = len(me.path_mm)
    path = np.empty((count + 4 * MS_PER_TICK, 3))
    path[:count] = me.path_mm
    trail = np.empty(path.shape)
    trail[:count] = me.trail_mm
    label = np.zeros(len(path), np.int64)
    label[:count] = me.path_label
    inside = np.zeros(len(study.phantom.tubes), np.int64)
    deepest = np.zeros(len(study.phantom.tubes))
    for place, t in enumerate(me.inside):
        inside[t] = 1
        deepest[t] = me.inside_deepest[place]
    w, pos = me.shape.copy(), me.nodes_mm.copy()
    stuck_mm, direction = me.stuck_mm.copy(), np.empty(3)
    log = np.empty((LOG_ROWS, LOG_WIDTH))
    logged = tick(
        f,
        rod,
        rows_of(study.toolbox, tool),
        me.entry_mm,
        s,
        m,
        w,
        path,
        trail,
        label,
        inside,
        deepest,
        stuck_mm,
        pos,
        direction,
        log,
        MS_PER_TICK,
    )
    if logged < 0:
        raise NumericalFault(f"needle: the shape of the shaft is not finite at tick {now}")
    held = tuple(int(t) for t in np.flatnonzero(inside))
    since = dict(zip(me.inside, me.inside_since, strict=True))
    _tell(study, now, log[:logged], float(s[SPEED]), since, events)
    depth = float(s[DEPTH])
    passes, armed, peak = _count_pass(study, me, depth)
    new = replace(
        me,
        yaw_mdeg=int(m[YAW]), pitch_mdeg=int(m[PITCH]), roll_mdeg=int(m[ROLL]),
        asked_mm=float(s[ASKED]), depth_mm=depth, tip_mm=pos[-1].copy(), tip_direction=direction, nodes_mm=pos, shape=w,
        path_mm=path[: m[COUNT]].copy(), trail_mm=trail[: m[COUNT]].copy(), path_label=label[: m[COUNT]].copy(),
        tissue=int(m[TISSUE]), base=int(m[BASE]),
        membrane=int(m[CLOSED]), opened=int(m[OPENED]), opened_mm=float(s[OPENED_MM]), bone=int(m[BONE]),
        stuck=bool(m[STUCK]), stuck_mm=stuck_mm, blocked_ms=int(m[BLOCKED_MS]), buckled=bool(m[BUCKLED]),
        force_n=float(s[FORCE]), friction_n=float(s[FRICTION_N]),
        inside=held, inside_since=tuple(since.get(t, now) for t in held), inside_deepest=tuple(float(deepest[t]) for t in held),
        passes=passes, armed=armed, peak_mm=peak,
    )  # fmt: skip
    return _settle(study, now, new, bool(m[BUSY]), int(m[WHY]), rod, events)


def _count_pass(study: Study, me: NeedleState, depth: float) -> tuple[int, bool, float]:
    """Return (passes, armed, peak): an advance of a needle that is armed is a new pass."""
    if me.armed and depth > me.depth_mm + 1e-9:
        return me.passes + 1, False, depth
    peak = max(me.peak_mm, depth)
    armed = me.armed or peak - depth >= study.toolbox.constant("needle.pass_withdrawal_mm")
    return me.passes, armed, peak


def _settle(study: Study, now: int, me: NeedleState, busy: bool, why: int, rod: Rod, events: list[Event]) -> NeedleState:
    """Stop the hand when it has arrived or has been blocked long enough.

    Reasons: "reached" (the depth asked), "held" (the angle asked), "bone", "bent" (the shaft is bent as far as
    the model goes: withdraw before tilting further).
    """
    tilting = (me.yaw_mdeg, me.pitch_mdeg) != (me.yaw_target_mdeg, me.pitch_target_mdeg)
    if me.blocked_ms >= rod.blocked_ms:
        me = replace(
            me, goal_mm=me.depth_mm, asked_mm=me.depth_mm, yaw_target_mdeg=me.yaw_mdeg, pitch_target_mdeg=me.pitch_mdeg,
            roll_target_mdeg=me.roll_mdeg, speed_mm_s=0.0, force_n=0.0, blocked_ms=0, moving=False,
        )  # fmt: skip
        events.append(event(now, "needle_stopped", reason="bent" if why == BY_BEND else "bone", **tip_facts(study, me)))
        return me
    if busy or tilting or me.roll_mdeg != me.roll_target_mdeg:
        return me
    reason = "reached" if me.speed_mm_s > 0.0 else "held"
    events.append(event(now, "needle_stopped", reason=reason, **tip_facts(study, me)))
    return replace(me, goal_mm=me.asked_mm, speed_mm_s=0.0, moving=False, blocked_ms=0)


def _tell(study: Study, now: int, log: F64, speed: float, since: dict[int, int], events: list[Event]) -> None:
    """Turn the rows of the kernel's log into events."""
    for row in log:
        kind, index, origin = int(row[0]), int(row[1]), int(row[2])
        depth, extra = float(row[6]), float(row[7])
        tip = facts_at(study.plan, row[3:6], index if kind == LOG_TISSUE else 0, depth)
        if kind == LOG_TISSUE:
            events.append(event(now, "tissue_entered", from_tissue=TISSUE_NAME[origin], **tip))
        elif kind == LOG_POP:
            events.append(event(now, "popped", membrane=_membrane_name(study, index), depth_um=um(depth)))
        elif kind == LOG_BUCKLE:
            events.append(event(now, "buckling", force_mn=um(extra)))
        elif kind == LOG_BONE:
            tip["tissue"] = TISSUE_NAME[Tissue.BONE_CORTEX]
            events.append(event(now, "bone_contact", bone=study.phantom.bones[index].name, force_mn=um(extra), **tip))
        elif kind == LOG_IN:
            tube = study.phantom.tubes[index]
            since[index] = now
            tip["tissue"] = _tube_tissue_name(tube.kind)
            tip.update(level=tube.level or tip["level"], side=tube.side or tip["side"])  # its own level, if it has one
            tip.update(name=tube.name, kind=tube.kind.name.lower(), speed_um_s=um(extra))
            events.append(Event(now, "structure_entered", tip))
        elif kind == LOG_OUT:
            events.append(_left(study, now, index, extra, now - since.pop(index, now)))


def _left(study: Study, now: int, index: int, deepest_mm: float, ticks: int) -> Event:
    tube = study.phantom.tubes[index]
    told = {"name": tube.name, "kind": tube.kind.name.lower(), "deepest_um": um(deepest_mm), "ticks": ticks}
    return Event(now, "structure_left", told)


def _membrane_name(study: Study, membrane: int) -> str:
    if membrane >= TUBE:
        return "dura" if study.phantom.tubes[membrane - TUBE].kind is TubeKind.SAC else "vessel_wall"
    return MEMBRANE_NAMES.get(membrane, TISSUE_NAME[membrane].lower())


def _tube_tissue_name(kind: TubeKind) -> str:
    if kind is TubeKind.SAC:
        return TISSUE_NAME[Tissue.CSF]
    vessel = kind in (TubeKind.ARTERY, TubeKind.RADICULAR_ARTERY, TubeKind.VEIN, TubeKind.BASIVERTEBRAL)
    return TISSUE_NAME[Tissue.VESSEL if vessel else Tissue.NERVE]
