"""What a local anaesthetic does: by which nerves it lies on, how strong it is there, and how much of it is in the body.

Hears injections and adds up; tells the result when the attempt ends, as the patient leaves: one `nerve_blocked` per
nerve, then `discharged`. Without local anaesthetic nothing is told. The largest single doses are published; how concentration
turns into a block is a placeholder (patient.toml, block.*), so feedback may use it and no gate may rest on it.
"""

from __future__ import annotations

from dataclasses import replace

from sim.command import Command
from sim.dermatome import HIGH_FROM, at_or_above, higher
from sim.event import Event, event
from sim.state import BlockState, State, Study
from sim.tools import Agent, Anaesthetic, Toolbox

OUTCOMES = ("toxicity", "high_spread", "hypotension", "weak_leg", "block", "no_block")
"""Outcomes from worst to best; `discharged.outcome` is the first that holds."""


def begin(study: Study) -> BlockState:
    """Return no drug given."""
    return BlockState(given_ug=(0,) * len(study.toolbox.anaesthetics))


def drug_of(box: Toolbox, agent: str) -> int:
    """Return the index of the drug that an agent is, -1 for one without a row."""
    return next((i for i, row in enumerate(box.anaesthetics) if agent.startswith(row.name)), -1)


def advance(study: Study, state: State, command: Command, events: tuple[Event, ...]) -> tuple[BlockState, list[Event]]:
    """Add up what was injected in this tick; tell the effect when the attempt is finished."""
    me = state.block
    out: list[Event] = []
    for fact in events:
        if fact.kind == "injection_stopped" and fact["kind"] == "local_anaesthetic" and fact["volume_ul"] > 0:
            me = _given(study, me, fact)
        elif fact.kind == "pattern" and fact["kind"] == "local_anaesthetic":
            me = _lies(study, state, me, fact)
        elif fact.kind == "branches_wetted" and fact["kind"] == "local_anaesthetic":
            me = _strongest(me, fact["branches"], drug_of(study.toolbox, fact["agent"]), _strength(study, fact["agent"]))
        elif fact.kind == "finished" and any(me.given_ug):
            _discharged(study, state.tick, me, out)
    return me, out


def _agent(box: Toolbox, name: str) -> Agent:
    return box.agents[box.index("agents", name)]


def _strength(study: Study, agent: str) -> int:
    """Return the concentration of an agent in ug/mL."""
    return round(1000.0 * _agent(study.toolbox, agent).dose_mg_per_ml)


def _given(study: Study, me: BlockState, fact: Event) -> BlockState:
    """Add the dose of one injection, by where it went."""
    drug = drug_of(study.toolbox, fact["agent"])
    if drug < 0:
        return me
    row, per_ul = study.toolbox.anaesthetics[drug], _agent(study.toolbox, fact["agent"]).dose_mg_per_ml
    given = tuple(ug + round(per_ul * fact["volume_ul"]) * (i == drug) for i, ug in enumerate(me.given_ug))
    me = replace(me, given_ug=given, vascular_ug=me.vascular_ug + round(per_ul * row.potency * fact["vascular_ul"]))
    if fact["intrathecal_ul"] <= 0:
        return me
    highest = fact["level"] if at_or_above(study.toolbox, fact["level"], me.from_level) or not me.from_level else me.from_level
    more = round(per_ul * row.potency * fact["intrathecal_ul"])
    volume = me.intrathecal_ul + fact["intrathecal_ul"]
    return replace(me, intrathecal_ug=me.intrathecal_ug + more, intrathecal_ul=volume, from_level=highest)


def _lies(study: Study, state: State, me: BlockState, fact: Event) -> BlockState:
    """Note the nerves that an injection lies on; a drug that follows other fluid through the same opening is diluted by it."""
    least = study.toolbox.constant("block.least_ul")
    nerves = [name for name, ul in zip(fact["nerves"], fact["nerves_ul"], strict=True) if ul >= least]
    front = state.spread.front
    pool = 0.0
    if front is not None:
        for room in front.capacity_ul[front.pool_start : front.done]:
            pool += float(room)
        pool += front.partial_ul
    diluted = min(1.0, fact["volume_ul"] / pool) if pool > 0.0 else 1.0
    return _strongest(me, nerves, drug_of(study.toolbox, fact["agent"]), round(_strength(study, fact["agent"]) * diluted))


def _strongest(me: BlockState, names: list[str], drug: int, ug_per_ml: int) -> BlockState:
    """Put nerves on the list, or raise the concentration of those that are there."""
    if drug < 0 or not names:
        return me
    rows = {name: (name, d, c) for name, d, c in me.nerves}
    for name in names:
        if name not in rows or rows[name][2] < ug_per_ml:
            rows[name] = (name, drug, ug_per_ml)
    return replace(me, nerves=tuple(rows[name] for name in sorted(rows)))


# --- effect ---------------------------------------------------------------------------------------


def sensory_permille(box: Toolbox, mg_per_ml: float) -> int:
    """Return how much of sensation a concentration (lidocaine equivalents) takes: c / (c + c_half)."""
    return round(1000.0 * mg_per_ml / (mg_per_ml + box.constant("block.sensory_mg_per_ml"))) if mg_per_ml > 0.0 else 0


def motor_permille(box: Toolbox, mg_per_ml: float) -> int:
    """Return how much of strength it takes: none below one concentration, all from another, straight between."""
    low, full = box.constant("block.motor_from_mg_per_ml"), box.constant("block.motor_full_mg_per_ml")
    return round(1000.0 * min(max((mg_per_ml - low) / (full - low), 0.0), 1.0))


def largest_mg(box: Toolbox, drug: Anaesthetic, weight_kg: float) -> float:
    """Return the largest single dose of a drug for a weight: per kg, at most the absolute one."""
    return min(drug.max_mg_per_kg * weight_kg, drug.max_mg)


def _discharged(study: Study, tick: int, me: BlockState, out: list[Event]) -> None:
    box = study.toolbox
    limit = box.constant("block.told_permille")
    sensory: list[str] = []
    motor: list[str] = []
    for name, d, ug_per_ml in me.nerves:
        tube = next(t for t in study.phantom.tubes if t.name == name)
        drug = box.anaesthetics[d]
        strength = drug.potency * ug_per_ml / 1000.0
        branch = tube.kind.name in ("MEDIAL_BRANCH", "DORSAL_RAMUS")
        feels, moves = sensory_permille(box, strength), 0 if branch else motor_permille(box, strength)
        onset, lasts = drug.onset_low_min + drug.onset_high_min, drug.lasts_low_min + drug.lasts_high_min
        told = {"name": name, "kind": tube.kind.name.lower(), "nerve_level": tube.level, "nerve_side": tube.side}
        times = {"onset_ms": round(30_000.0 * onset), "lasts_ms": round(30_000.0 * lasts)}  # the middle of low and high
        out.append(event(tick, "nerve_blocked", sensory_permille=feels, motor_permille=moves, **told, **times))
        where = f"{tube.level} {tube.side}".strip()
        if feels >= limit and where not in sensory:
            sensory.append(where)
        if moves >= limit and where not in motor:
            motor.append(where)
    _whole(study, tick, me, sensory, motor, out)


def _whole(study: Study, tick: int, me: BlockState, sensory: list[str], motor: list[str], out: list[Event]) -> None:
    """Tell the whole: the worst of what follows from it decides the outcome."""
    box = study.toolbox
    weight = float(study.phantom.individual.get("weight_kg", box.constant("block.weight_kg")))
    dose = 0.0
    for drug, ug in zip(box.anaesthetics, me.given_ug, strict=True):
        dose += ug / 1000.0 / largest_mg(box, drug, weight)
    segments = int(me.intrathecal_ug / 1000.0 / box.constant("block.segment_mg"))
    highest = higher(box, me.from_level, segments) if me.intrathecal_ug else ""
    drop = me.intrathecal_ul * box.constant("patient.spinal_drop_mmhg_per_ml") / 1000.0
    roots = [name for name, _, _ in me.nerves if name.startswith("root")]
    fall = min(round(drop), round(box.constant("patient.spinal_drop_most_mmhg"))) + len(roots) * round(
        box.constant("block.fall_per_root_mmhg")
    )
    holds = {
        "toxicity": dose > 1.0 or me.vascular_ug >= 1000.0 * box.constant("patient.seizure_mg"),
        "high_spread": at_or_above(box, highest, HIGH_FROM),
        "hypotension": fall >= box.constant("block.hypotension_mmhg"),
        "weak_leg": bool(motor) or bool(me.intrathecal_ug),
        "block": bool(sensory),
        "no_block": True,
    }
    outcome = next(name for name in OUTCOMES if holds[name])
    bad = ("toxicity", "high_spread", "hypotension")
    out.extend(event(tick, "adverse", what=what) for what in bad if holds[what])
    told = {"outcome": outcome, "sensory": sensory, "motor": motor, "highest": highest, "systolic_fall_mmhg": fall}
    out.append(event(tick, "discharged", dose_permille=round(1000.0 * dose), vascular_ug=me.vascular_ug, **told))
