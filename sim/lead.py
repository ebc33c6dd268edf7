"""Leads and catheters: pushed through the needle into the canal, steered by a bent stylet.

The chain lives in the unrolled sheet of the canal (sim.lead_sheet) and is solved by pymunk (sim.lead_chain), built
from whole numbers whenever it moves. Events and pictures see positions in steps of 0.1 mm only.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.command import Command
from sim.errors import NumericalFault
from sim.event import Event, event
from sim.frames import sincos_mdeg
from sim.lead_sheet import angle_mdeg, sheet_of
from sim.phantom import Tissue, TubeKind
from sim.state import LeadState, State, Study
from sim.tools import Lead
from sim.view import Wire

EVERY = 2
"""The chain moves at every second tick: building its space costs more than its steps."""
TICK_MS = 10 * EVERY
STEPS = 20
STEP_S = 1e-3
ITERATIONS = 20
NM = 1_000_000
"""Nanometres per mm, and nanoradians per milliradian."""
LINK_MM = 8.0
STILL_MM_S = 0.3
STILL_TICKS = 5
SETTLE_TICKS = 150
STALL_TICKS = 25
GRID = 10
"""Steps of the quantised nodes per mm."""
GRID_UM = 100
SIDES = (("left", 1.0), ("right", -1.0))

Links = tuple[tuple[int, int, int, int, int, int], ...]


def begin(study: Study) -> LeadState:
    """Return no lead."""
    return LeadState()


def advance(study: Study, state: State, command: Command) -> tuple[LeadState, list[Event]]:
    """Obey the lead commands and move the chain at its ticks. An idle lead costs nothing."""
    me, op = state.lead, command.op
    asked = op.startswith("lead.")
    if not asked and not me.moving:
        return me, []
    out: list[Event] = []
    if asked:
        why = _obstacle(study, state, me, command)
        if why:
            return me, [event(state.tick, "refused", op=op, why=why)]
        me = _obeyed(study, state, me, command, out)
    if me.moving and state.tick % EVERY == 0:
        me = _moved(study, state.tick, me, out)
    return me, out


# --- commands -------------------------------------------------------------------------------------


def _obstacle(study: Study, state: State, me: LeadState, command: Command) -> str:
    """Return why a command cannot be obeyed, "" if it can."""
    op, args = command.op, command.args
    if op == "lead.choose":
        known = len(study.toolbox.leads)
        if me.inserted_um > 0:
            return "a lead is still in the patient"
        return "" if args[0] < known else f"there is no lead {args[0]}; there are {known}"
    if me.lead < 0:
        return "no lead was chosen"
    tool = study.toolbox.leads[me.lead]
    if op == "lead.stylet" and tool.stylet_ei_n_mm2 <= 0.0:
        return "this catheter has no stylet"
    if op == "lead.insert" and args[0] > 0:
        return _closed(study, state, me, tool)
    return "the lead is not in the patient" if op == "lead.insert" and me.inserted_um <= 0 else ""


def _closed(study: Study, state: State, me: LeadState, tool: Lead) -> str:
    """Return why the lead cannot be pushed, "" if it can."""
    needle = state.needle
    if not needle.placed or needle.needle < 0:
        return "there is no needle to push it through"
    if needle.stylet:
        return "the stylet is in the needle"
    if study.toolbox.needles[needle.needle].inner_diameter_mm < tool.outer_diameter_mm:
        return "the needle is too narrow for it"
    if me.left:
        return "it has left the canal: draw it back first"
    if me.inserted_um > 0:
        return ""
    sheet = sheet_of(study)
    if sheet is None or not _space(study, state):
        return "the needle's tip is not in the canal"
    heading = sheet.from_patient(needle.tip_mm, needle.tip_direction)[2:]
    return "" if heading != (0.0, 0.0) else "the needle stands too square on the canal"


def _space(study: Study, state: State) -> str:
    """Return the space that the needle's tip opens: "intrathecal", "epidural" or "" for none."""
    if any(study.phantom.tubes[t].kind == TubeKind.SAC for t in state.needle.inside):
        return "intrathecal"
    return "epidural" if state.needle.tissue == Tissue.EPIDURAL_FAT else ""


def _obeyed(study: Study, state: State, me: LeadState, command: Command, out: list[Event]) -> LeadState:
    op, args, tick = command.op, command.args, state.tick
    if op == "lead.choose":
        tool = study.toolbox.leads[args[0]]
        out.append(event(tick, "lead_chosen", name=tool.name, kind=tool.kind))
        return LeadState(lead=args[0])
    if op == "lead.turn":
        return _woken(replace(me, roll_target_mdeg=me.roll_target_mdeg + args[0]))
    if op == "lead.stylet":
        out.append(event(tick, "lead_stylet", withdrawn_um=args[0]))
        return _woken(replace(me, stylet_um=args[0]))
    if args[0] > 0 and me.inserted_um == 0:
        me = _entered(study, state, me)
    tool = study.toolbox.leads[me.lead]
    most = round(tool.length_mm * 1000.0)
    goal = min(max(me.inserted_um + args[0], 0), most)
    reason = "end" if goal == most and args[0] > 0 else "hand"
    return _woken(replace(me, goal_um=goal, speed_um_s=args[1], reason=reason, stalled_ticks=0, left=me.left and args[0] > 0))


def _woken(me: LeadState) -> LeadState:
    return replace(me, moving=True, still_ticks=0, settle_ticks=0)


def _entered(study: Study, state: State, me: LeadState) -> LeadState:
    """Return the state with the mouth of the needle known in the sheet."""
    sheet = sheet_of(study)
    assert sheet is not None  # _closed refused otherwise
    needle = state.needle
    along, across, ha, hc = sheet.from_patient(needle.tip_mm, needle.tip_direction)
    x, y, z = (round(float(v) * 1000.0) for v in needle.entry_mm)
    mrad = angle_mdeg(ha, hc) * 0.017453292519943295
    return replace(
        me,
        space=_space(study, state),
        exit_nm=(round(along * NM), round(across * NM)),
        exit_nrad=round(mrad * NM),
        skin_um=(x, y, z),
    )


# --- one tick -------------------------------------------------------------------------------------


def _moved(study: Study, tick: int, me: LeadState, out: list[Event]) -> LeadState:
    """Return the state EVERY ticks later: hand, chain, and what came of it."""
    before = me
    me, step_um = _hand(study, me)
    if me.inserted_um == 0:
        return _outside(study, tick, before, me, out)
    me = _solved(study, tick, me, step_um)
    if before.inserted_um == 0:
        out.append(
            Event(tick, "lead_inserted", {"name": study.toolbox.leads[me.lead].name, "space": me.space} | facts(study, me))
        )
    me = _noticed(study, tick, before, me, out)
    return _rested(study, tick, me, out)


def _outside(study: Study, tick: int, before: LeadState, me: LeadState, out: list[Event]) -> LeadState:
    """Return the state of a lead that is wholly out of the canal."""
    if before.inserted_um > 0:
        out.append(event(tick, "lead_removed", name=study.toolbox.leads[me.lead].name))
        return LeadState(lead=me.lead, roll_mdeg=me.roll_mdeg, roll_target_mdeg=me.roll_target_mdeg, stylet_um=me.stylet_um)
    return replace(me, moving=me.roll_mdeg != me.roll_target_mdeg or me.goal_um > 0)


def _hand(study: Study, me: LeadState) -> tuple[LeadState, int]:
    """Return the state with the hand's part done, and how far it pushed (um, negative: pulled)."""
    turn = round(study.toolbox.constant("lead_canal.turn_deg_s") * TICK_MS)
    roll = me.roll_mdeg + min(max(me.roll_target_mdeg - me.roll_mdeg, -turn), turn)
    most = max(1, me.speed_um_s * TICK_MS // 1000)
    step = min(max(me.goal_um - me.inserted_um, -most), most)
    if step > 0 and me.push_mn > round(study.toolbox.constant("lead_canal.hand_max_n") * 1000.0):
        stalled = me.stalled_ticks + 1
        given_up = stalled >= STALL_TICKS
        goal, reason = (me.inserted_um, "stalled") if given_up else (me.goal_um, me.reason)
        return replace(me, roll_mdeg=roll, goal_um=goal, reason=reason, stalled_ticks=stalled), 0
    return replace(me, roll_mdeg=roll, inserted_um=me.inserted_um + step), step


def _solved(study: Study, tick: int, me: LeadState, step_um: int) -> LeadState:
    """Return the state with the chain moved by EVERY ticks."""
    from sim.lead_chain import moved  # pymunk is loaded when the first lead is pushed

    speed = step_um / 1000.0 / (STEPS * STEP_S)
    me = _counted(me, speed, (me.inserted_um - step_um) / 1000.0)
    push = 0
    if me.links:
        base = _base(me, speed, (me.inserted_um - step_um) / 1000.0)
        rows = tuple((x / NM, y / NM, a / (1000 * NM), u / NM, v / NM, w / (1000 * NM)) for x, y, a, u, v, w in me.links)
        rows, push_n = moved(rows, chain_of(study, me), base, _medium(study, me), STEPS, STEP_S, ITERATIONS)
        if not all(math.isfinite(value) and abs(value) < 1e6 for row in rows for value in row):
            raise NumericalFault(f"lead: the chain is not finite at tick {tick}; expected finite positions")
        links = tuple(
            (round(x * NM), round(y * NM), round(a * 1000 * NM), round(u * NM), round(v * NM), round(w * 1000 * NM))
            for x, y, a, u, v, w in rows
        )
        me, push = replace(me, links=links), round(push_n * 1000.0)
    return replace(me, push_mn=push, nodes=_nodes(me))


def _counted(me: LeadState, speed_mm_s: float, inserted_mm: float) -> LeadState:
    """Return the state with as many links as are wholly out of the needle."""
    links = me.links
    heading = me.exit_nrad / (1000.0 * NM)
    c, s = math.cos(heading), math.sin(heading)
    while inserted_mm - len(links) * LINK_MM >= LINK_MM:
        at = inserted_mm - (len(links) + 0.5) * LINK_MM
        x, y = round(me.exit_nm[0] + at * c * NM), round(me.exit_nm[1] + at * s * NM)
        new = (x, y, me.exit_nrad, round(speed_mm_s * c * NM), round(speed_mm_s * s * NM), 0)
        links = (new, *links)
    while links and inserted_mm < len(links) * LINK_MM:
        links = links[1:]
    return me if links is me.links else replace(me, links=links)


def _base(me: LeadState, speed_mm_s: float, inserted_mm: float) -> Any:
    from sim.lead_chain import Base

    heading = me.exit_nrad / (1000.0 * NM)
    out = inserted_mm - len(me.links) * LINK_MM
    x, y = me.exit_nm[0] / NM + out * math.cos(heading), me.exit_nm[1] / NM + out * math.sin(heading)
    return Base(x, y, heading, out, speed_mm_s)


def chain_of(study: Study, me: LeadState) -> Any:
    """Return stiffness and rest angles of every joint: the stylet stiffens and bends what it lies in.

    The bend points to the patient's left at roll 0 and out of the sheet at 90 degrees; lead and stylet share the
    moment, so the pair rests at bend * EI_stylet / (EI_lead + EI_stylet).
    """
    from sim.lead_chain import Chain

    tool = study.toolbox.leads[me.lead]
    count = len(me.links)
    bend = tool.bend_deg * 0.017453292519943295 * sincos_mdeg(me.roll_mdeg)[1]
    own = tool.stylet_ei_n_mm2 <= 0.0  # the catheter carries the bend itself
    back = 0.0 if own else me.stylet_um / 1000.0
    bent = max(1, round(tool.bend_length_mm / LINK_MM))
    share = 1.0 if own else tool.stylet_ei_n_mm2 / (tool.ei_n_mm2 + tool.stylet_ei_n_mm2)
    stiff, rest = [], []
    for k in range(count):
        from_tip = (count - k) * LINK_MM
        inside = not own and from_tip > back
        stiff.append(tool.ei_n_mm2 + (tool.stylet_ei_n_mm2 if inside else 0.0))
        here = 0.0 < from_tip - back <= bent * LINK_MM
        rest.append(bend * share / bent if here else 0.0)
    return Chain(LINK_MM, 0.5 * tool.outer_diameter_mm, tuple(stiff), tuple(rest))


def _medium(study: Study, me: LeadState) -> Any:
    """Return what the chain meets: the fat or the CSF, nerve sleeves, adhesions, the ventral midline."""
    from sim.lead_chain import Medium

    sheet, number = sheet_of(study), study.toolbox.constant
    assert sheet is not None  # a lead is in it
    half = 0.97 * sheet.half_width_mm
    ends = (-100.0, sheet.length_mm + 100.0)
    sides = tuple((ends[0], side * half, ends[1], side * half) for side in (1.0, -1.0))
    if me.space == "intrathecal":
        return Medium(number("lead_canal.csf_drag_n_s_per_mm2"), 0.0, 0.0, sides)
    reach = study.toolbox.leads[me.lead].length_mm
    near = [row for row in sheet.scars if abs(float(row[0]) - me.exit_nm[0] / NM) < reach]
    scars = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in near)
    posts = tuple((float(x), float(y), float(r)) for x, y, r in sheet.roots)
    return Medium(
        number("lead_canal.fat_drag_n_s_per_mm2"),
        number("lead_canal.fat_yield_n_per_mm"),
        number("lead_canal.tip_n"),
        (*sides, *scars),
        posts,
    )


def _nodes(me: LeadState) -> tuple[tuple[int, int], ...]:
    """Return the mouth of the needle and the ends of the links in steps of 0.1 mm."""
    heading = me.exit_nrad / (1000.0 * NM)
    x, y = me.exit_nm[0] / NM, me.exit_nm[1] / NM
    out = me.inserted_um / 1000.0 - len(me.links) * LINK_MM
    points = [(x, y), (x + out * math.cos(heading), y + out * math.sin(heading))]
    for lx, ly, angle, *_ in me.links:
        a, half = angle / (1000.0 * NM), 0.5 * LINK_MM
        points.append((lx / NM + half * math.cos(a), ly / NM + half * math.sin(a)))
    return tuple((round(px * GRID), round(py * GRID)) for px, py in points)


# --- what came of it ------------------------------------------------------------------------------


def facts(study: Study, me: LeadState) -> dict[str, Any]:
    """Return the fields that every event at the tip of a lead carries (sim.event)."""
    sheet = sheet_of(study)
    assert sheet is not None
    tool = study.toolbox.leads[me.lead]
    along, across = me.nodes[-1][0] / GRID, me.nodes[-1][1] / GRID
    x, y, z = (round(float(v) * GRID) * GRID_UM for v in sheet.to_patient(along, across, me.space, 0.5 * tool.outer_diameter_mm))
    centre = sheet.section(along)[0]
    return {
        "x_um": x,
        "y_um": y,
        "z_um": z,
        "inserted_um": me.inserted_um,
        "level": sheet.level(along),
        "off_right_um": round(float(centre[0]) * GRID) * GRID_UM - x,
        "face": "dorsal" if 2.0 * abs(across) <= sheet.half_width_mm else "ventral",
        "around_mdeg": sheet.around_mdeg(across),
        "roll_mdeg": me.roll_mdeg,
        "stylet_um": me.stylet_um,
    }


def _noticed(study: Study, tick: int, before: LeadState, me: LeadState, out: list[Event]) -> LeadState:
    """Return the state with kinks, loops and a tip that left the sheet noticed, each said once."""
    tool = study.toolbox.leads[me.lead]
    where, radius = sharpest(me.nodes)
    kinked = radius < tool.kink_radius_mm
    if kinked and not me.kinked:
        out.append(event(tick, "lead_kinked", radius_um=round(radius * GRID) * GRID_UM, from_tip_um=_from_tip(me, where)))
    turned = _turned_back(me.nodes)
    if turned >= 0 and not me.looped:
        out.append(event(tick, "lead_looped", from_tip_um=_from_tip(me, turned)))
    me = replace(me, kinked=kinked, looped=turned >= 0)
    if not me.left and before.nodes and me.nodes[-1] != before.nodes[-1]:
        by, side = _gone(study, before.nodes[-1], me.nodes[-1])
        if by:
            out.append(Event(tick, "lead_left_the_sheet", {"by": by, "side": side} | facts(study, me)))
            me = replace(me, left=True, goal_um=me.inserted_um, reason="left_the_sheet")
    return me


def _from_tip(me: LeadState, node: int) -> int:
    return round((len(me.nodes) - 1 - node) * LINK_MM * 1000.0)


def sharpest(nodes: tuple[tuple[int, int], ...]) -> tuple[int, float]:
    """Return (node, radius in mm) of the tightest circle through three nodes one after another (Menger curvature)."""
    found, least = -1, 1e9
    for k in range(2, len(nodes) - 1):
        (ax, ay), (bx, by), (cx, cy) = nodes[k - 1], nodes[k], nodes[k + 1]
        area2 = abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
        if area2:
            sides = ((bx - ax) ** 2 + (by - ay) ** 2) * ((cx - bx) ** 2 + (cy - by) ** 2) * ((cx - ax) ** 2 + (cy - ay) ** 2)
            radius = math.sqrt(sides) / (2.0 * area2 * GRID)
            if radius < least:
                found, least = k, radius
    return found, least


def _turned_back(nodes: tuple[tuple[int, int], ...]) -> int:
    """Return the first node behind which the lead runs against the way it left the needle, -1 if it never does."""
    (x0, y0), (x1, y1) = nodes[0], nodes[2] if len(nodes) > 2 else nodes[-1]
    for k in range(2, len(nodes) - 1):
        (ax, ay), (bx, by) = nodes[k], nodes[k + 1]
        if (bx - ax) * (x1 - x0) + (by - ay) * (y1 - y0) < 0:
            return k
    return -1


def _gone(study: Study, was: tuple[int, int], now: tuple[int, int]) -> tuple[str, str]:
    """Return (by, side) if the tip's way from `was` to `now` leaves the sheet: a foramen, its top or bottom; else ("", "")."""
    sheet, number = sheet_of(study), study.toolbox.constant
    assert sheet is not None
    x0, y0, x1, y1 = (value / GRID for value in (*was, *now))
    if x1 > sheet.length_mm >= x0:
        return "top", ""
    if x1 < 0.0 <= x0:
        return "bottom", ""
    at = sheet.mean_mm * number("lead_canal.gate_around_deg") * 0.017453292519943295
    for side, sign in SIDES:
        if sign * y0 < at <= sign * y1:
            x = x0 + (x1 - x0) * (at - sign * y0) / (sign * (y1 - y0))
            for level, gate_side, along in sheet.gates:
                if gate_side == side and abs(x - along) <= number("lead_canal.gate_half_mm"):
                    return level, side
    return "", ""


def _rested(study: Study, tick: int, me: LeadState, out: list[Event]) -> LeadState:
    """Return the state, at rest if hand and chain have come to stand still; then the tip's place is told."""
    if me.goal_um != me.inserted_um or me.roll_mdeg != me.roll_target_mdeg:
        return replace(me, still_ticks=0, settle_ticks=0)
    fastest = max((max(abs(link[3]), abs(link[4])) for link in me.links), default=0)
    still = me.still_ticks + 1 if fastest < STILL_MM_S * NM else 0
    me = replace(me, still_ticks=still, settle_ticks=me.settle_ticks + 1)
    if still < STILL_TICKS and me.settle_ticks < SETTLE_TICKS:
        return me
    links = tuple((x, y, a, 0, 0, 0) for x, y, a, *_ in me.links)
    out.append(Event(tick, "lead_stopped", {"reason": me.reason or "hand"} | facts(study, me)))
    return replace(me, links=links, moving=False, push_mn=0, reason="hand")


# --- pictures -------------------------------------------------------------------------------------


def nodes_mm(study: Study, state: State) -> NDArray[np.float64]:
    """Return the axis of the lead (n, 3) in the patient frame, from the skin to the tip (pictures only)."""
    me, sheet = state.lead, sheet_of(study)
    if not me.nodes or sheet is None:
        return np.zeros((0, 3))
    radius = 0.5 * study.toolbox.leads[me.lead].outer_diameter_mm
    flat = _smooth(np.array(me.nodes, np.float64) / GRID)
    inside = [sheet.to_patient(float(s), float(u), me.space, radius) for s, u in flat]
    return np.array([np.array(me.skin_um) / 1000.0, *inside])


def _smooth(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the polyline with its corners cut twice (Chaikin), ends kept."""
    for _ in range(2):
        a, b = points[:-1], points[1:]
        cut = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], 1).reshape(-1, points.shape[1])
        points = np.concatenate([points[:1], cut, points[-1:]])
    return points


def wires(study: Study, state: State) -> tuple[Wire, ...]:
    """Return what X-rays show of the lead: its body, its contacts, the stylet in it."""
    me, points = state.lead, nodes_mm(study, state)
    if len(points) < 2:
        return ()
    tool = study.toolbox.leads[me.lead]
    out = [Wire(points, tool.outer_diameter_mm, 0.0, tool.steel_equivalent)]
    if tool.stylet_ei_n_mm2 > 0.0 and tool.stylet_diameter_mm > 0.0:
        out.append(Wire(part_from_tip(points, me.stylet_um / 1000.0, 1e6), tool.stylet_diameter_mm, 0.0, 1.0))
    for k in range(tool.contacts):
        start = tool.first_contact_mm + k * tool.contact_pitch_mm
        contact = part_from_tip(points, start, start + tool.contact_length_mm)
        out.append(Wire(contact, tool.outer_diameter_mm, 0.0, tool.contact_steel_equivalent))
    return tuple(wire for wire in out if len(wire.nodes_mm) > 1)


def part_from_tip(points: NDArray[np.float64], start_mm: float, end_mm: float) -> NDArray[np.float64]:
    """Return the piece of a polyline between two lengths counted from its last point (empty beyond its beginning)."""
    line = points[::-1]
    gaps = np.sqrt(((line[1:] - line[:-1]) ** 2).sum(1))
    at = np.concatenate([[0.0], np.cumsum(gaps)])
    if start_mm >= at[-1]:
        return np.zeros((0, 3))
    ends = np.array([start_mm, min(end_mm, float(at[-1]))])
    inner = at[(at > ends[0]) & (at < ends[1])]
    wanted = np.concatenate([ends[:1], inner, ends[1:]])
    return np.stack([np.interp(wanted, at, line[:, c]) for c in range(3)], 1)
