"""Bone cement: mixing, cannula, filling of a vertebra, leaks, and the tail that a removed needle leaves.

Two clocks: cement in the syringe ages at room temperature, cement in bone at body temperature. The plunger feels
the cannula and the bone (sim.cement_flow); where the cement goes is the front's business (sim.cement_front).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.cement_body import BONE, CANAL, CAVA, DISC, FORAMEN, KINDS, PLACES, SOFT, VEIN, body_at, make_body
from sim.cement_flow import PI, bone_kpa, cannula_kpa, cure_rate, rate_at_limit, viscosity_pa_s
from sim.cement_front import Rules, fresh, leaks, opened, place_ul, points, pour, rules
from sim.command import Command
from sim.event import Event, event
from sim.fields import tissue_at
from sim.phantom import Tissue
from sim.state import CementFront, CementState, NeedleState, State, Study
from sim.tip import tip_facts, um
from sim.tools import Cement

TICKS_PER_SECOND = 100
SHOW_EVERY = 8
EMPTY_UL = 1e-9
ZONES = (("posterior_third", 1.0 / 3.0), ("posterior_quarter", 0.25))
PARTS = (
    ("disc_ul", DISC),
    ("canal_ul", CANAL),
    ("foramen_ul", FORAMEN),
    ("paravertebral_ul", SOFT),
    ("vein_ul", VEIN),
    ("cava_ul", CAVA),
)


def begin(study: Study) -> CementState:
    """Return no cement."""
    return CementState()


def advance(study: Study, state: State, command: Command) -> tuple[CementState, list[Event]]:
    """Obey the cement commands and let cement flow, leak and set for one tick. Idle (the same object) before mixing."""
    me = state.cement
    ours = command.op.startswith("cement.")
    if not me.used and not ours:
        return me, []
    out: list[Event] = []
    if ours:
        me = _obeyed(study, state, me, command, out)
    me = _handled(study, state, me, out)
    if me.flowing:
        me = _flowed(study, state, me, out)
    me = _hardened(study, state, me, out)
    return _shown(study, state.tick, me, state.cement), out


# --- commands -------------------------------------------------------------------------------------


def _obeyed(study: Study, state: State, me: CementState, command: Command, out: list[Event]) -> CementState:
    why = _obstacle(study, state, me, command)
    if why:
        out.append(event(state.tick, "refused", op=command.op, why=why))
        return me
    if command.op == "cement.mix":
        cement = study.toolbox.cements[command.args[0]]
        out.append(event(state.tick, "cement_mixed", product=cement.name, viscosity=cement.viscosity))
        return replace(me, product=command.args[0], mixed_tick=state.tick, left_ul=cement.batch_ul, attached=False)
    if command.op == "cement.attach":
        out.append(event(state.tick, "cement_attached", product=_cement(study, me).name, age_ms=_age_ms(me, state.tick)))
        return replace(me, attached=True)
    if me.flowing:
        me = _stopped(study, state, me, out, "hand")
    return me if command.op == "cement.stop" else _started(study, state, me, command, out)


def _obstacle(study: Study, state: State, me: CementState, command: Command) -> str:
    """Return why a cement command cannot be obeyed, "" if it can."""
    op, needle = command.op, state.needle
    if op == "cement.stop":
        return "" if me.flowing else "no cement is being injected"
    if op == "cement.mix":
        return _unmixable(study, me, command.args[0])
    if me.product < 0:
        return "no cement has been mixed"
    if not needle.placed:
        return "there is no needle for the cement"
    tool = study.toolbox.needles[needle.needle]
    if tool.gauge > study.toolbox.constant("cement.gauge_most"):
        return (
            f"cement does not pass a {tool.gauge}G needle; expected {study.toolbox.constant('cement.gauge_most'):.0f}G or wider"
        )
    if needle.stylet:
        return "the stylet is in the needle"
    if op == "cement.attach":
        return "a syringe is on the needle" if state.spread.agent >= 0 else ""
    if not me.attached:
        return "the cement is not on the needle"
    if command.args[0] <= 0:
        return "the volume is zero"
    if me.left_ul <= EMPTY_UL:
        return "no cement is left"
    if not _in_spongiosa(study, needle) or not body_at(study.phantom, needle.tip_mm):
        return "the tip is not in the cancellous bone of a vertebra"
    return ""


def _in_spongiosa(study: Study, needle: NeedleState) -> bool:
    """Return whether cement can leave the tip: in cancellous bone, or in what is hollow in it (a vein, a gas cleft)."""
    if needle.tissue == Tissue.BONE_CANCELLOUS:
        return True
    x, y, z = (float(v) for v in needle.tip_mm)
    hollow = tissue_at(study.phantom.fields, x, y, z) in (Tissue.VACUUM, Tissue.VESSEL)
    return needle.bored > 0 and hollow


def _unmixable(study: Study, me: CementState, index: int) -> str:
    known = study.toolbox.cements
    if me.flowing:
        return "cement is being injected"
    if index >= len(known):
        return f"there is no cement {index}; there are {len(known)}"
    if not len(known[index].curve_s):
        return f"cements.toml, row '{known[index].name}': its viscosity curve is not known, so it cannot be simulated"
    return ""


def _started(study: Study, state: State, me: CementState, command: Command, out: list[Event]) -> CementState:
    needle, number = state.needle, study.toolbox.constant
    name = body_at(study.phantom, needle.tip_mm)
    index = next((i for i, front in enumerate(me.fronts) if front.body.name == name), len(me.fronts))
    if index == len(me.fronts):
        body = make_body(study, name, needle.tip_mm, needle.tip_direction)
        me = replace(me, fronts=(*me.fronts, replace(fresh(body), pool_tick=state.tick)))
    front = opened(me.fronts[index], needle.tip_mm, number("cement.snap_mm"))
    if front is None:
        out.append(event(state.tick, "refused", op=command.op, why="the tip is not in bone that cement can enter"))
        return me
    volume, rate = command.args
    cement = _cement(study, me)
    told = {"product": cement.name, "viscosity": cement.viscosity, "age_ms": _age_ms(me, state.tick), "bone": name}
    mpa_s = round(1000.0 * _syringe_pa_s(study, me, state.tick))
    out.append(event(state.tick, "cement_started", mpa_s=mpa_s, rate_ul_s=rate, **told, **tip_facts(study, needle)))
    return replace(
        _with(me, index, front),
        flowing=True,
        active=index,
        goal_ul=min(float(volume), me.left_ul),
        given_ul=0.0,
        live_ul=0.0,
        rate_ul_s=rate,
        peak_kpa=0.0,
        slowed=False,
    )


def _handled(study: Study, state: State, me: CementState, out: list[Event]) -> CementState:
    """Return the state after what the hand did to the needle: stylet in, or needle out with cement in it."""
    needle = state.needle
    if needle.placed and not needle.stylet:
        return me
    if me.flowing:
        me = _stopped(study, state, me, out, "needle")
    if me.cannula_ul > EMPTY_UL:
        me = _pushed_out(study, state, me, out) if needle.placed else _tail(study, state, me, out)
    return replace(me, attached=False) if me.attached else me


# --- flow -----------------------------------------------------------------------------------------


def _flowed(study: Study, state: State, me: CementState, out: list[Event]) -> CementState:
    """Push one tick's volume through the cannula; stop when the goal is reached, nothing moves or no room is left."""
    rate, kpa = _rate(study, state, me)
    if kpa > study.toolbox.constant("cement.plunger_limit_kpa") * 0.999999 and not me.slowed:
        out.append(event(state.tick, "cement_slowed", rate_ul_s=round(rate), pressure_kpa=round(kpa)))
        me = replace(me, slowed=True)
    me = replace(me, peak_kpa=max(me.peak_kpa, kpa))
    if rate < study.toolbox.constant("cement.stalled_ul_s"):
        return _stopped(study, state, me, out, "stiff")
    rest, step = me.goal_ul - me.given_ul, rate / TICKS_PER_SECOND
    ul = rest if rest <= step + EMPTY_UL else step
    into_cannula = min(ul, max(0.0, _bore_ul(study, state.needle) - me.cannula_ul))
    me = replace(me, cannula_ul=me.cannula_ul + into_cannula, cannula_born=me.mixed_tick)
    me, left = _poured(study, state, me, ul - into_cannula, _syringe_age_s(study, me, state.tick), out)
    gone = ul - left
    live = gone if state.carm.beam in ("live", "dsa") else 0.0
    me = replace(
        me,
        given_ul=me.given_ul + gone,
        left_ul=max(0.0, me.left_ul - gone),
        live_ul=me.live_ul + live,
        given_total_ul=me.given_total_ul + gone,
    )
    if left > 0.0:
        return _stopped(study, state, me, out, "full")
    return _stopped(study, state, me, out, "done") if ul == rest else me


def _rate(study: Study, state: State, me: CementState) -> tuple[float, float]:
    """Return (microlitres per second, kPa) at the plunger: the asked rate, or what the plunger's limit gives."""
    number, cement, front = study.toolbox.constant, _cement(study, me), me.fronts[me.active]
    tool = study.toolbox.needles[state.needle.needle]
    n, q = cement.flow_index, float(me.rate_ul_s)
    kpa = cannula_kpa(_syringe_pa_s(study, me, state.tick), n, q, tool.length_mm, tool.inner_diameter_mm)
    pool = viscosity_pa_s(cement, _pool_age_s(study, front, state.tick)) if front.volume_ul > 0.0 else 0.0
    kpa += bone_kpa(pool, n, q, 0.5 * tool.outer_diameter_mm, number("cement.permeability_m2"), number("cement.room_bone"))
    limit = number("cement.plunger_limit_kpa")
    return (q, kpa) if kpa <= limit else (rate_at_limit(q, kpa, limit, n), limit)


def _poured(study: Study, state: State, me: CementState, ul: float, age_s: float, out: list[Event]) -> tuple[CementState, float]:
    """Return (state, rest) after offering `ul` of cement of this age to the active vertebra."""
    if ul <= 0.0:
        return me, 0.0
    front = me.fronts[me.active]
    old = _pool_age_s(study, front, state.tick)
    age = (old * front.volume_ul + age_s * ul) / (front.volume_ul + ul)
    front, left = pour(front, _rules(study, front), ul, viscosity_pa_s(_cement(study, me), age))
    front = replace(front, pool_age_s=age, pool_tick=state.tick)
    return _with(me, me.active, _told(study, state, front, out)), left


def _told(study: Study, state: State, front: CementFront, out: list[Event]) -> CementFront:
    """Return the front after telling what is new: a leak that can be seen, a posterior zone reached."""
    live, seen = state.carm.beam in ("live", "dsa"), study.toolbox.constant("cement.seen_ul")
    for kind, place, ul in leaks(front):
        mark = kind * len(PLACES) + place
        if ul >= seen and mark not in front.leaked:
            fact = {"bone": front.body.name, "where": PLACES[place], "by": KINDS[kind], "volume_ul": round(ul), "live": live}
            out.append(Event(state.tick, "cement_leaked", fact))
            front = replace(front, leaked=(*front.leaked, mark))
    depth = front.body.ahead_mm + front.body.behind_mm
    while front.zones < len(ZONES) and front.posterior_mm <= ZONES[front.zones][1] * depth:
        zone, wall = ZONES[front.zones][0], um(front.posterior_mm)
        out.append(event(state.tick, "cement_reached", bone=front.body.name, zone=zone, posterior_wall_um=wall))
        front = replace(front, zones=front.zones + 1)
    return front


def _stopped(study: Study, state: State, me: CementState, out: list[Event], reason: str) -> CementState:
    front = me.fronts[me.active]
    parts = {name: round(place_ul(front, place)) for name, place in PARTS}
    bone = place_ul(front, BONE)
    out.append(
        event(
            state.tick,
            "cement_stopped",
            product=_cement(study, me).name,
            bone=front.body.name,
            reason=reason,
            volume_ul=round(me.given_ul),
            live_ul=round(me.live_ul),
            bone_ul=round(bone),
            cannula_ul=round(me.cannula_ul),
            fill_permille=round(1000.0 * bone / front.body.volume_ul) if front.body.volume_ul > 0.0 else 0,
            posterior_wall_um=um(front.posterior_mm),
            pressure_kpa=round(me.peak_kpa),
            age_ms=_age_ms(me, state.tick),
            **parts,
        )
    )
    return replace(me, flowing=False, rate_ul_s=0)


# --- stylet, removal, setting ---------------------------------------------------------------------


def _pushed_out(study: Study, state: State, me: CementState, out: list[Event]) -> CementState:
    """Return the state after the stylet has pushed the cannula's content into the bone (set cement stays in it)."""
    if me.active < 0 or _cannula_set(study, me, state.tick):
        return me
    me, left = _poured(study, state, me, me.cannula_ul, _cannula_age_s(study, me, state.tick), out)
    return replace(me, cannula_ul=left)


def _tail(study: Study, state: State, me: CementState, out: list[Event]) -> CementState:
    """Return the state after a needle with cement in it was taken out: a thread stays in the track unless it had set."""
    number, front = study.toolbox.constant, me.fronts[me.active]
    mu = viscosity_pa_s(_cement(study, me), _cannula_age_s(study, me, state.tick))
    stays = me.cannula_ul * number("cement.tail_share") * (1.0 - mu / (mu + number("cement.tail_half_pa_s")))
    if stays >= number("cement.seen_ul"):
        fact = {"bone": front.body.name, "where": "paravertebral", "by": "tail", "volume_ul": round(stays)}
        out.append(event(state.tick, "cement_leaked", live=state.carm.beam in ("live", "dsa"), **fact))
    thread = _thread(study, me, front, stays)
    lost = me.lost_ul + me.cannula_ul - stays
    return replace(me, cannula_ul=0.0, tail_ul=me.tail_ul + stays, lost_ul=lost, tail_points=thread)


def _thread(study: Study, me: CementState, front: CementFront, ul: float) -> np.ndarray:
    """Return points of the tail, 0.5 mm apart behind the bone along the track."""
    b = front.body
    last = len(b.kind) - 1
    mouths = (
        np.argwhere((b.channel == last) & (b.place != 0)) if last > 0 and KINDS[b.kind[last]] == "track" else np.zeros((0, 3))
    )
    if ul <= 0.0 or len(mouths) < 2:
        return me.tail_points
    ends = b.origin_mm + b.spacing_mm * mouths[[0, -1]]
    d = [(p - b.centre_mm) for p in ends]
    far = ends[int(float((d[1] * d[1]).sum()) > float((d[0] * d[0]).sum()))]
    near = ends[0] if far is ends[1] else ends[1]
    way = (far - near) / max(1e-9, float(np.sqrt(((far - near) ** 2).sum())))
    steps = np.arange(30)[:, None] * 0.5
    mg = np.full((30, 1), ul / 30.0 * _cement(study, me).iodine_mg_per_ul)
    return np.concatenate([me.tail_points, np.hstack([far + steps * way, mg]).astype(np.float32)])


def _hardened(study: Study, state: State, me: CementState, out: list[Event]) -> CementState:
    """Return the state after telling which vertebra's cement has reached the end of its cure."""
    for index, front in enumerate(me.fronts):
        if front.told_set or front.volume_ul <= 0.0:
            continue
        if _pool_age_s(study, front, state.tick) >= float(_cement(study, me).curve_s[-1]):
            out.append(event(state.tick, "cement_set", bone=front.body.name))
            me = _with(me, index, replace(front, told_set=True))
    return me


# --- clocks and small things ----------------------------------------------------------------------


def _cement(study: Study, me: CementState) -> Cement:
    return study.toolbox.cements[me.product]


def _age_ms(me: CementState, tick: int) -> int:
    return (tick - me.mixed_tick) * 1000 // TICKS_PER_SECOND


def _room_rate(study: Study) -> float:
    return cure_rate(study.toolbox.constant("cement.room_c"), study.toolbox.constant("cement.doubling_c"))


def _syringe_age_s(study: Study, me: CementState, tick: int) -> float:
    return (tick - me.mixed_tick) / TICKS_PER_SECOND * _room_rate(study)


def _syringe_pa_s(study: Study, me: CementState, tick: int) -> float:
    return viscosity_pa_s(_cement(study, me), _syringe_age_s(study, me, tick))


def _cannula_age_s(study: Study, me: CementState, tick: int) -> float:
    return (tick - me.cannula_born) / TICKS_PER_SECOND * _room_rate(study)


def _cannula_set(study: Study, me: CementState, tick: int) -> bool:
    return _cannula_age_s(study, me, tick) >= float(_cement(study, me).curve_s[-1])


def _pool_age_s(study: Study, front: CementFront, tick: int) -> float:
    """Return the age (at 25 degrees C) of the cement in a vertebra: volume-weighted mean when it came, then at body heat."""
    rate = cure_rate(study.toolbox.constant("cement.body_c"), study.toolbox.constant("cement.doubling_c"))
    return front.pool_age_s + (tick - front.pool_tick) / TICKS_PER_SECOND * rate


def _bore_ul(study: Study, needle: NeedleState) -> float:
    tool = study.toolbox.needles[needle.needle]
    r = 0.5 * tool.inner_diameter_mm
    return PI * r * r * tool.length_mm


def _rules(study: Study, front: CementFront) -> Rules:
    return rules(study, front.body.spacing_mm)


def _with(me: CementState, index: int, front: CementFront) -> CementState:
    return replace(me, fronts=(*me.fronts[:index], front, *me.fronts[index + 1 :]))


def _shown(study: Study, tick: int, me: CementState, before: CementState) -> CementState:
    """Return the state with the points renewed when cement has moved (every 80 ms while it flows)."""
    if me is before or not me.fronts:
        return me
    due = (tick % SHOW_EVERY == 0) if me.flowing else (before.flowing or me.cannula_ul != before.cannula_ul)
    if not due:
        return me
    mg = _cement(study, me).iodine_mg_per_ul
    return replace(me, points=np.concatenate([*(points(front, mg) for front in me.fronts), me.tail_points]))
