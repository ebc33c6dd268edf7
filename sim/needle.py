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

import numpy as np
from numpy.typing import NDArray

from sim.bending import NODES, axial_positions
from sim.command import Command
from sim.errors import NumericalFault
from sim.event import Event, event
from sim.fields import skin_y
from sim.needle_rod import rod_of, rows_of, shape_of
from sim.needle_tell import left, tell
from sim.needle_tick import (
    ASKED,
    BASE,
    BEGUN,
    BLOCKED_MS,
    BONE,
    BORE_END_MM,
    BORE_FROM,
    BORE_TO,
    BORED,
    BUCKLED,
    BUSY,
    BY_BEND,
    CLOSED,
    COUNT,
    DEPTH,
    DRILL_MS,
    ENERGY,
    FEED,
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
    bore_margin,
    tick,
)
from sim.puncture import LOG_WIDTH, SKIN
from sim.shaft import Rod, set_frame, to_patient
from sim.state import NeedleState, State, Study
from sim.tip import tip_facts, um

F64 = NDArray[np.float64]

MS_PER_TICK = 10
LOG_ROWS = 64


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


def _free(study: Study, state: State, me: NeedleState, op: str, events: list[Event]) -> bool:
    """Return True if a needle is chosen and not in the patient; otherwise the command is refused."""
    if me.needle < 0:
        _refused(events, state.tick, op, "no needle is chosen")
    elif me.placed:
        _refused(events, state.tick, op, "the needle is in the patient: remove it first")
    return me.needle >= 0 and not me.placed


def _bend(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not _free(study, state, me, "needle.bend", events) or args[0] == me.bend_mdeg:
        return me
    if shape_of(study, me).bores:
        _refused(events, state.tick, "needle.bend", "a bone needle cannot be bent by hand")
        return me
    events.append(event(state.tick, "tip_bent", bend_mdeg=args[0]))
    return replace(me, bend_mdeg=args[0])


def _introducer(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if not _free(study, state, me, "needle.introducer", events) or args[0] == me.introducer:
        return me
    rows, tool = study.toolbox.introducers, shape_of(study, me)
    if args[0] < 0:
        events.append(event(state.tick, "introducer", name="", gauge=0))
        return replace(me, introducer=-1)
    if args[0] >= len(rows):
        _refused(events, state.tick, "needle.introducer", f"there are {len(rows)} introducers")
        return me
    row = rows[args[0]]
    if row.inner_diameter_mm <= tool.outer_diameter_mm or row.length_mm >= tool.length_mm:
        _refused(events, state.tick, "needle.introducer", f"{tool.name} does not go through {row.name}")
        return me
    events.append(event(state.tick, "introducer", name=row.name, gauge=row.gauge))
    return replace(me, introducer=args[0])


def _grip(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    if me.needle < 0:
        _refused(events, state.tick, "needle.grip", "no needle is chosen")
        return me
    return replace(me, grip_um=args[0])


def _drive(study: Study, state: State, me: NeedleState, op: str, events: list[Event]) -> NeedleState | None:
    """Return the needle ready for mallet or drill, None if it cannot be driven."""
    if not me.placed:
        _refused(events, state.tick, op, "the needle is not on the skin")
        return None
    tool = shape_of(study, me)
    if not tool.bores:
        _refused(events, state.tick, op, f"{tool.name} is no bone needle")
        return None
    if me.bored == 0 and me.bone < 0:
        _refused(events, state.tick, op, "the tip is not on bone")
        return None
    since = me.driven_from_mm if me.driven_from_mm >= 0.0 else me.depth_mm
    me = replace(me, moving=True, blocked_ms=0, membrane=0, driven_from_mm=since)
    if me.bored != 0:
        return me
    begin = me.bore_from_mm if me.bore_from_mm < BORE_END_MM else me.depth_mm - bore_margin(0.5 * tool.outer_diameter_mm)
    return replace(me, bored=BEGUN, bore_from_mm=begin, bore_to_mm=BORE_END_MM)


def _tap(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    ready = _drive(study, state, me, "needle.tap", events)
    return me if ready is None else replace(ready, energy_nmm=ready.energy_nmm + float(args[0]))  # 1 mJ = 1 N mm


def _drill(study: Study, state: State, me: NeedleState, args: tuple[int, ...], events: list[Event]) -> NeedleState:
    ready = _drive(study, state, me, "needle.drill", events)
    return me if ready is None else replace(ready, drill_ms=args[0], feed_mm_s=args[1] / 1000.0)


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
    frame = np.empty((3, 3))
    set_frame(frame, yaw, pitch)
    shape, nodes = _unloaded(rod_of(study, me), frame, entry)
    tip = nodes[-1].copy()
    where = {"x_um": um(entry[0]), "y_um": um(entry[1]), "z_um": um(entry[2])}
    events.append(event(state.tick, "needle_placed", yaw_mdeg=yaw, pitch_mdeg=pitch, **where))
    return NeedleState(
        needle=me.needle, placed=True, entry_mm=entry,
        yaw_mdeg=yaw, pitch_mdeg=pitch, yaw_target_mdeg=yaw, pitch_target_mdeg=pitch,
        tip_mm=tip, tip_direction=frame[:, 2].copy(), nodes_mm=nodes, shape=shape,
        path_mm=tip[None, :].copy(), trail_mm=tip[None, :].copy(), path_label=np.zeros(1, np.int64),
        membrane=SKIN, armed=True, passes=me.passes, stylet=me.stylet,
        grip_um=me.grip_um, introducer=me.introducer, bend_mdeg=me.bend_mdeg,
    )  # fmt: skip


def _unloaded(rod: Rod, frame: F64, entry: F64) -> tuple[F64, F64]:
    """Return shape (n, 4) and nodes (n, 3) of a needle whose tip touches the skin: straight but for its own bend."""
    shape, z, nodes = np.zeros((NODES, 4)), np.empty(NODES), np.empty((NODES, 3))
    h = rod.length / (NODES - 1)
    for i in range(1, NODES):
        share = min(max((i * h - rod.length + rod.curl_mm) / h, 0.0), 1.0) if rod.curl_mm > 0.0 else 0.0
        shape[i, 1] = shape[i - 1, 1] + share * rod.curl * h
        shape[i, 0] = shape[i - 1, 0] + 0.5 * h * (shape[i, 1] + shape[i - 1, 1])
    axial_positions(shape, h, z)
    for i in range(NODES):
        nodes[i] = to_patient(frame, entry, shape[i, 0], 0.0, z[i] - rod.length)
    if rod.curl_mm <= 0.0:
        nodes[-1] = entry
    return shape, nodes


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
        events.append(left(study, state.tick, t, me.inside_deepest[place], state.tick - me.inside_since[place]))
    events.append(event(state.tick, "needle_removed", passes=me.passes))
    return NeedleState(
        needle=me.needle, passes=me.passes, stylet=me.stylet,
        grip_um=me.grip_um, introducer=me.introducer, bend_mdeg=me.bend_mdeg,
    )  # fmt: skip


_Action = Callable[[Study, State, NeedleState, tuple[int, ...], list[Event]], NeedleState]
_ACTIONS: dict[str, _Action] = {
    "needle.choose": _choose,
    "needle.place": _place,
    "needle.tilt": _tilt,
    "needle.move": _advance,
    "needle.turn": _turn,
    "needle.stylet": _stylet,
    "needle.remove": _remove,
    "needle.bend": _bend,
    "needle.introducer": _introducer,
    "needle.grip": _grip,
    "needle.tap": _tap,
    "needle.drill": _drill,
}


# motion


def _move(study: Study, now: int, me: NeedleState, events: list[Event]) -> NeedleState:
    """Run the kernel for one tick and turn its log into events."""
    f = study.phantom.fields
    tool = shape_of(study, me)
    rod = rod_of(study, me)
    s = np.array(
        [
            me.asked_mm, me.goal_mm, me.speed_mm_s, me.depth_mm, me.force_n, me.friction_n, me.opened_mm,
            me.energy_nmm, me.feed_mm_s, me.bore_from_mm, me.bore_to_mm,
        ]
    )  # fmt: skip
    m = np.array(
        [
            me.yaw_mdeg, me.pitch_mdeg, me.roll_mdeg, me.yaw_target_mdeg, me.pitch_target_mdeg, me.roll_target_mdeg,
            me.base, me.tissue, me.membrane, me.opened, me.bone, int(me.stuck), me.blocked_ms, int(me.buckled),
            len(me.path_mm), 0, 0, me.bored, me.drill_ms,
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
    tell(study, now, log[:logged], float(s[SPEED]), since, events)
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
        energy_nmm=float(s[ENERGY]), feed_mm_s=float(s[FEED]), drill_ms=int(m[DRILL_MS]),
        bored=int(m[BORED]), bore_from_mm=float(s[BORE_FROM]), bore_to_mm=float(s[BORE_TO]),
    )  # fmt: skip
    if new.driven_from_mm >= 0.0 and new.energy_nmm == 0.0 and new.drill_ms == 0:
        new = _driven(study, now, new, rod, events)
    return _settle(study, now, new, bool(m[BUSY]), int(m[WHY]), rod, events)


def _driven(study: Study, now: int, me: NeedleState, rod: Rod, events: list[Event]) -> NeedleState:
    """Tell what the blows or the drill have done."""
    in_bone = max(0.0, me.depth_mm - me.bore_from_mm - bore_margin(rod.radius)) if me.bored != 0 else 0.0
    way, left = me.depth_mm - me.driven_from_mm, rod.length - me.depth_mm
    told = {"advanced_um": um(way), "in_bone_um": um(in_bone), "remaining_um": um(left)}
    events.append(event(now, "bone_driven", **told, **tip_facts(study, me)))
    return replace(me, driven_from_mm=-1.0, feed_mm_s=0.0)


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
