"""Syringe and injectate: what is attached, what comes back, where it flows (tissues, vessel or sac).

Where the fluid goes is decided tick by tick from where the tip is: in the sac it mixes into the CSF, in a vessel
it is carried away (wholly or in part), everywhere else the front of `sim.spread_front` takes it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sim.command import Command
from sim.event import Event, event
from sim.phantom import Tissue, TubeKind
from sim.plunger import bounce_permille, press
from sim.spread_front import branches, opened, opening, pocket_shut, points, pour, wetted
from sim.spread_lie import lying, named
from sim.spread_medium import medium
from sim.spread_vessel import (
    at_rest,
    film_points,
    gives_blood,
    mixed,
    parcel,
    parcel_points,
    plexus,
    sac_of,
    slab_points,
    subdural,
    vascular_share,
    vessel_of,
    washed,
)
from sim.state import NeedleState, SpreadState, State, Study
from sim.tip import tip_facts
from sim.tools import Agent

TICKS_PER_SECOND = 100
SHOW_EVERY = 4
"""Ticks between two updates of the contrast in tissues while it flows; in vessels every second tick."""
SLAB_EVERY = 25

LABELS = max(Tissue) + 1
EMPTY_UL = 1e-9
OPENINGS = 4
"""Pockets tried in one tick before the plunger counts as blocked."""
NO_POCKETS = np.zeros(0, np.int64)
SHARE = 0.1
"""Part of an injection from which on a compartment counts in the name of its pattern."""

PARTS: dict[str, tuple[Tissue, ...]] = {
    "epidural_ul": (Tissue.EPIDURAL_FAT,),
    "foraminal_ul": (Tissue.FORAMEN_FAT,),
    "disc_ul": (Tissue.DISC_NUCLEUS, Tissue.DISC_ANNULUS),
    "muscle_ul": (Tissue.MUSCLE, Tissue.PSOAS, Tissue.QUADRATUS, Tissue.MULTIFIDUS),
}
BONES = ("BONE_CORTEX", "BONE_CANCELLOUS")
VEINS = (TubeKind.VEIN, TubeKind.BASIVERTEBRAL)


def begin(study: Study) -> SpreadState:
    """Return no syringe and no fluid."""
    return SpreadState(by_label_ul=np.zeros(LABELS))


def advance(study: Study, state: State, command: Command) -> tuple[SpreadState, list[Event]]:
    """Obey the syringe commands and let fluid flow, wash out and mix for one tick."""
    me, needle, op = state.spread, state.needle, command.op
    out: list[Event] = []
    if me.agent >= 0 and (needle.stylet or not needle.placed):  # the stylet or the hand took the hub
        me = _stopped(study, state, me, out)
        me = replace(me, agent=-1, drawn_ul=0.0, left_ul=0.0)
    if op.startswith("syringe."):
        me = _obeyed(study, state, me, command, out)
    if me.flowing:
        me = _flowed(study, state, me, out)
    return _shown(study, state.tick, me, state.spread), out


def warm(study: Study) -> None:
    """Compile (or load) everything that an injection runs, so that none stalls a door that lives in real time."""
    f, tip = study.phantom.fields, study.plan.target_mm
    m = medium(study)
    source = opening(f, m, NO_POCKETS, float(tip[0]), float(tip[1]), float(tip[2]), study.toolbox.constant("spread.snap_mm"))
    if source >= 0:
        first, by_label, _ = pour(f, opened(None, m, source), 2.0, 0.1, np.zeros(LABELS), 0.0)
        again = opened(first, m, int(first.order[first.done + 1]))
        points(f, pour(f, again, 1.0, 0.0, by_label, 0.0)[0])
    if study.phantom.tubes:
        parcel_points(study, parcel(study, np.zeros((0, 5)), 0, 0, tip, 1.0, 0.1), 1)
        slab_points(study, mixed(study, None, 0, 0, tip, 1.0, 0.1), 1)


# --- commands -------------------------------------------------------------------------------------


def _obeyed(study: Study, state: State, me: SpreadState, command: Command, out: list[Event]) -> SpreadState:
    why = _obstacle(study, state.needle, me, command)
    if why:
        out.append(event(state.tick, "refused", op=command.op, why=why))
        return me
    if command.op == "syringe.attach":
        me = _stopped(study, state, me, out)
        index, drawn = command.args
        agent = study.toolbox.agents[index]
        out.append(Event(state.tick, "attached", _named(agent) | {"drawn_ul": drawn}))
        return replace(me, agent=index, drawn_ul=float(drawn), left_ul=float(drawn))
    if command.op == "syringe.aspirate":
        me = _stopped(study, state, me, out)
        out.append(event(state.tick, "aspirated", result=_aspirated(study, state.needle), **tip_facts(study, state.needle)))
        return me
    if command.op == "syringe.stop":
        return _stopped(study, state, me, out)
    if command.op == "syringe.probe":
        return _probed(study, state, _stopped(study, state, me, out), command, out)
    me = _stopped(study, state, me, out)
    volume, rate = command.args
    facts = tip_facts(study, state.needle)
    agent = study.toolbox.agents[me.agent]
    out.append(Event(state.tick, "injection_started", _named(agent) | {"rate_ul_s": rate} | facts))
    return replace(
        me,
        flowing=True,
        begun_ul=me.left_ul,
        goal_ul=min(float(volume), me.left_ul),
        given_ul=0.0,
        rate_ul_s=rate,
        by_label_ul=np.zeros(LABELS),
        vascular_ul=0.0,
        intrathecal_ul=0.0,
        subdural_ul=0.0,
        venous_ul=0.0,
        live_ul=0.0,
        tip_facts=tuple(facts.items()),
    )


def _probed(study: Study, state: State, me: SpreadState, command: Command, out: list[Event]) -> SpreadState:
    """Press the plunger of a loss-of-resistance syringe (it takes the place of another); what runs in stays in the patient."""
    air, force = command.args[0] == 1, command.args[1]
    facts = tip_facts(study, state.needle)
    push = press(study, state.needle, facts["level"], air, force)
    me = replace(me, agent=-1, drawn_ul=0.0, left_ul=0.0, given_ul=0.0, by_label_ul=np.zeros(LABELS))
    me = replace(me, vascular_ul=0.0, intrathecal_ul=0.0, subdural_ul=0.0, venous_ul=0.0)
    poured = 0.0
    if push.volume_ul > 0:
        me, poured = _given(study, state, me, float(push.volume_ul), 0.0)
        me = replace(me, given_ul=poured)
    told = {"medium": "air" if air else "saline", "result": push.result, "force_mn": force, "pressure_pa": push.pressure_pa}
    gives = bounce_permille(push.pressure_pa / 1000.0) if push.result == "bounce" else 0
    out.append(event(state.tick, "probed", gives_permille=gives, volume_ul=round(poured), **told, **facts))
    return me


def _obstacle(study: Study, needle: NeedleState, me: SpreadState, command: Command) -> str:
    """Return why a syringe command cannot be obeyed, "" if it can."""
    if command.op == "syringe.stop":
        return "" if me.flowing else "nothing is being injected"
    if not needle.placed:
        return "there is no needle to put a syringe on"
    if needle.stylet:
        return "the stylet is in the needle"
    if command.op == "syringe.probe":
        return ""
    if command.op == "syringe.attach":
        known = len(study.toolbox.agents)
        return "" if command.args[0] < known else f"there is no agent {command.args[0]}; there are {known}"
    if me.agent < 0:
        return "there is no syringe on the needle"
    if command.op == "syringe.inject":
        if me.left_ul <= EMPTY_UL:
            return "the syringe is empty"
        if command.args[0] <= 0:
            return "the volume is zero"
    return ""


def _named(agent: Agent) -> dict[str, Any]:
    return {"agent": agent.name, "kind": agent.kind, "particulate": agent.particulate}


def _aspirated(study: Study, needle: NeedleState) -> str:
    """Return what comes back: CSF from the sac, blood from a vessel if its wall does not collapse, or nothing."""
    sac = sac_of(study, needle.inside)
    if sac >= 0:
        return "nothing" if subdural(study, sac, needle.tip_mm) else "csf"
    vessel, name = _vessel(study, needle)
    return "blood" if vessel >= 0 and gives_blood(study, vessel, name) else "nothing"


def _vessel(study: Study, needle: NeedleState) -> tuple[int, str]:
    """Return (tube that carries away what is injected, name of a small vessel or ""); (-1, "") outside any vessel."""
    vessel = vessel_of(study, needle.inside)
    return (vessel, "") if vessel >= 0 else plexus(study, needle)


# --- flow -----------------------------------------------------------------------------------------


def _flowed(study: Study, state: State, me: SpreadState, out: list[Event]) -> SpreadState:
    """Give one tick's volume to wherever the tip is; stop when the goal is reached or no room is left."""
    step = me.rate_ul_s / TICKS_PER_SECOND
    rest = me.goal_ul - me.given_ul
    ul = rest if rest <= step + EMPTY_UL else step
    live = state.carm.beam in ("live", "dsa")
    mg_per_ul = study.toolbox.agents[me.agent].iodine_mg_per_ml / 1000.0
    me, poured = _given(study, state, me, ul, mg_per_ul)
    given = me.goal_ul if poured == rest else me.given_ul + poured
    left = me.begun_ul - given
    me = replace(
        me,
        given_ul=given,
        left_ul=left if left > EMPTY_UL else 0.0,
        live_ul=me.live_ul + (poured if live else 0.0),
    )
    if poured < ul:
        out.append(event(state.tick, "refused", op="syringe.inject", why="the plunger does not move: no room at the tip"))
        return _stopped(study, state, me, out)
    return _stopped(study, state, me, out) if ul == rest else me


def _given(study: Study, state: State, me: SpreadState, ul: float, mg_per_ul: float) -> tuple[SpreadState, float]:
    """Return (state, microlitres taken) after offering `ul` to sac, vessel or tissue."""
    needle, tick = state.needle, state.tick
    sac = sac_of(study, needle.inside)
    if sac >= 0 and subdural(study, sac, needle.tip_mm):
        film = mixed(study, me.film, tick, sac, needle.tip_mm, ul, mg_per_ul * ul)
        return replace(me, film=film, intrathecal_ul=me.intrathecal_ul + ul, subdural_ul=me.subdural_ul + ul), ul
    if sac >= 0:
        slab = mixed(study, me.slab, tick, sac, needle.tip_mm, ul, mg_per_ul * ul)
        return replace(me, slab=slab, intrathecal_ul=me.intrathecal_ul + ul), ul
    vessel, small = _vessel(study, needle)
    into_vessel = ul * vascular_share(study, vessel, small) if vessel >= 0 else 0.0
    me, poured = _into_tissue(study, needle, me, ul - into_vessel, mg_per_ul) if ul > into_vessel else (me, 0.0)
    if vessel >= 0:
        into_vessel = ul - poured  # the vessel takes what the tissue refuses
        parcels = parcel(study, me.parcels, tick, vessel, needle.tip_mm, into_vessel, mg_per_ul * into_vessel)
        venous = into_vessel if study.phantom.tubes[vessel].kind in VEINS else 0.0
        me = replace(me, parcels=parcels, vascular_ul=me.vascular_ul + into_vessel, venous_ul=me.venous_ul + venous)
        poured = ul
    return me, poured


def _into_tissue(study: Study, needle: NeedleState, me: SpreadState, ul: float, mg_per_ul: float) -> tuple[SpreadState, float]:
    """Return (state, microlitres taken) after offering `ul` to the tissue at the tip."""
    number, f = study.toolbox.constant, study.phantom.fields
    x, y, z = (float(v) for v in needle.tip_mm)
    front, by_label, rest = me.front, me.by_label_ul, ul
    m = medium(study) if front is None else front.medium
    for _ in range(OPENINGS):
        voxel = opening(f, m, NO_POCKETS if front is None else front.shut, x, y, z, number("spread.snap_mm"))
        if voxel < 0:
            break
        front, by_label, rest = pour(f, opened(front, m, voxel), rest, mg_per_ul, by_label, number("spread.mix_share"))
        if rest <= 0.0:
            break
        shut = pocket_shut(f, front)
        if shut is None:
            break
        front = shut
    return replace(me, front=front, by_label_ul=by_label), ul - rest


def _stopped(study: Study, state: State, me: SpreadState, out: list[Event]) -> SpreadState:
    """Return the state without a running injection, telling where its fluid went."""
    if not me.flowing:
        return me
    agent = study.toolbox.agents[me.agent]
    parts = _parts(me)
    volume = sum(parts.values())
    facts = tip_facts(study, state.needle) if state.needle.placed else dict(me.tip_facts)
    levels = [study.phantom.tubes[t].name for t in wetted(me.front)] if me.front is not None and _tissue_ul(me) >= 0.5 else []
    told = {
        "volume_ul": volume,
        "pattern": _pattern(me, dict(me.tip_facts)),
        "live_ul": min(volume, round(me.live_ul)),
        "levels": levels,
    }
    out.append(Event(state.tick, "injection_stopped", _named(agent) | parts | told | facts))
    if volume > 0:
        out.append(Event(state.tick, "pattern", _seen(study, me, agent, volume)))
    touched = [study.phantom.tubes[t].name for t in branches(study.phantom.fields, me.front)] if _tissue_ul(me) >= 0.5 else []
    if touched:
        out.append(event(state.tick, "branches_wetted", agent=agent.name, kind=agent.kind, volume_ul=volume, branches=touched))
    return replace(me, flowing=False, rate_ul_s=0)


def _seen(study: Study, me: SpreadState, agent: Agent, volume: int) -> dict[str, Any]:
    """Return the fields of the `pattern` event of an injection."""
    lies = lying(study, me.front if _tissue_ul(me) > 0.0 else None)
    at_bone = dict(me.tip_facts).get("tissue") in BONES
    away = {"arterial": me.vascular_ul - me.venous_ul, "venous": me.venous_ul}
    away |= {"intrathecal": me.intrathecal_ul - me.subdural_ul, "subdural": me.subdural_ul}
    names, permille = named(lies, away, _tissue_ul(me), at_bone, study.toolbox.constant("spread.shown_share"))
    nerves = [(study.phantom.tubes[t].name, ul) for t, ul in lies.nerves_ul]
    return {
        "agent": agent.name,
        "kind": agent.kind,
        "volume_ul": volume,
        "names": names,
        "permille": permille,
        **{f"{key}_ul": lies.epidural_ul[key] for key in ("epidural_ventral", "epidural_dorsal", "left", "right")},
        "cranial_um": lies.cranial_um,
        "caudal_um": lies.caudal_um,
        "nerves": [name for name, _ in nerves],
        "nerves_ul": [ul for _, ul in nerves],
    }


# --- accounts -------------------------------------------------------------------------------------


def _part(me: SpreadState, labels: tuple[Tissue, ...]) -> float:
    total = 0.0
    for label in labels:
        total += float(me.by_label_ul[label])
    return total


def _tissue_ul(me: SpreadState) -> float:
    total = 0.0
    for value in me.by_label_ul:
        total += float(value)
    return total


def _shares(me: SpreadState) -> dict[str, float]:
    """Return the microlitres of this injection in each part of the event, `other_ul` last."""
    shares = {name: _part(me, labels) for name, labels in PARTS.items()}
    known = 0.0
    for value in shares.values():
        known += value
    other = max(0.0, _tissue_ul(me) - known)
    shares |= {"vascular_ul": me.vascular_ul, "intrathecal_ul": me.intrathecal_ul, "other_ul": other}
    return shares


def _parts(me: SpreadState) -> dict[str, int]:
    """Return the parts in whole microlitres; they add up to the volume given, rounded (largest remainders)."""
    shares = _shares(me)
    parts = {name: int(value) for name, value in shares.items()}
    missing = round(me.given_ul) - sum(parts.values())
    by_rest = sorted(shares, key=lambda name: parts[name] - shares[name])
    for name in by_rest[: max(0, missing)]:
        parts[name] += 1
    return parts


def _pattern(me: SpreadState, start: dict[str, Any]) -> str:
    """Return the name of what a picture of this injection shows."""
    shares = _shares(me)
    total = 0.0
    for value in shares.values():
        total += value
    if total <= 0.0:
        return "none"
    part = {name: value / total for name, value in shares.items()}
    near_canal = part["epidural_ul"] + part["foraminal_ul"]
    if part["intrathecal_ul"] >= SHARE:
        return "intrathecal"
    if part["vascular_ul"] >= SHARE:
        return "epidural+vascular" if near_canal >= SHARE else "vascular"
    biggest = max(part, key=lambda name: part[name])
    if biggest == "disc_ul":
        return "intradiscal"
    if near_canal >= 0.5 or biggest in ("epidural_ul", "foraminal_ul"):
        return "epidural" if part["epidural_ul"] >= SHARE / 2 else "foraminal"
    if start.get("tissue") in BONES:
        return "periosteal"
    if biggest == "muscle_ul":
        return "intramuscular"
    label = Tissue(int(np.argmax(me.by_label_ul)))
    return {
        Tissue.FACET_JOINT: "intra-articular",
        Tissue.RETROPERITONEUM: "retroperitoneal",
        Tissue.SKIN: "subcutaneous",
        Tissue.FAT: "subcutaneous",
        Tissue.FASCIA: "subcutaneous",
        Tissue.INTERSPINOUS_LIGAMENT: "interspinous",
    }.get(label, "other")


# --- what X-rays show -----------------------------------------------------------------------------


def _shown(study: Study, tick: int, me: SpreadState, before: SpreadState) -> SpreadState:
    """Return the state with what washes out gone and the contrast points renewed when they have changed."""
    parcels = me.parcels
    if len(parcels):
        parcels = washed(study, parcels, tick)
        if parcels is not me.parcels:
            me = replace(me, parcels=parcels)
    due = before.flowing and not me.flowing
    if me.flowing:
        due = tick % SHOW_EVERY == 0
    if len(before.parcels) or len(parcels):
        due = due or tick % 2 == 0 or not len(parcels)
    for slab in (me.slab, me.film):
        if slab is not None and tick % SLAB_EVERY == 0:
            due = due or not at_rest(study, slab, tick - SLAB_EVERY)
    if not due:
        return me
    f = study.phantom.fields
    parts = [points(f, me.front), parcel_points(study, parcels, tick), slab_points(study, me.slab, tick)]
    parts.append(film_points(study, me.film))
    filled = [part for part in parts if len(part)]
    if not filled and not len(me.contrast_points):
        return me
    return replace(me, contrast_points=np.concatenate(filled) if filled else parts[0])
