"""The patient as a person: breathes, has vitals, says what a needle and an injectate feel like. Integers only.

Feedback for practice: the numbers (patient.toml) are mostly placeholders, so no score may rest on a reply.
`patient_said.grade` is the patient's own rating, 0 (nothing) to 10.
"""

from __future__ import annotations

from dataclasses import replace

from sim.command import Command
from sim.dermatome import HIGH_FROM, area, at_or_above, higher
from sim.event import Event, event
from sim.fields import tube_distance
from sim.generator_reply import reply_to_generator
from sim.phantom import TubeKind
from sim.rng import stream
from sim.state import PatientState, State, Study
from sim.tools import Agent

TICKS_PER_SECOND = 100
BREATH_STEPS = 40
VITALS_EVERY = 10 * TICKS_PER_SECOND
SILENCE = 150
"""Ticks before the same thing is said again."""

NERVES = (TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS, TubeKind.CORD, TubeKind.ROOTLET)
PRESSING = ("EPIDURAL_FAT", "FORAMEN_FAT", "NERVE")
DISC = ("DISC_NUCLEUS", "DISC_ANNULUS")
FELT_ALONG = ("paraesthesia", "electric pain", "tingling in the leg", "burning in the leg")
"""Replies that name where they are felt."""
TOUCHED = {
    "facet_joint": ("pain in the back", "facet_pain"),
    "disc": ("pain in the back", "disc_touch_pain"),
    "pleura": ("cough", "pleura_pain"),
    "lung": ("pain in the chest", "pleura_pain"),
    "kidney": ("pain in the flank", "organ_pain"),
    "liver": ("pain in the flank", "organ_pain"),
    "spleen": ("pain in the flank", "organ_pain"),
    "cord": ("electric pain", "cord_pain"),
}
"""Reply to a contact: (what, constant with its grade). Bone and nerves answer by force and speed, the rest not at once."""

WORDS = (
    "nothing",
    "sharp at the skin",
    "dull ache",
    "pressure",
    "pain in the back",
    "paraesthesia",
    "electric pain",
    "metallic taste",
    "seizure",
    "legs heavy",
    "legs will not move",
    "faint",
    "tingling in the back",
    "tingling in the leg",
    "heat in the back",
    "burning in the leg",
    "cough",
    "pain in the chest",
    "pain in the flank",
    "short of breath",
    "please stop",
)
"""Everything that `patient_said.what` can be."""


def begin(study: Study) -> PatientState:
    """Return the patient at rest, as the seed made this one."""
    draw = stream(study.seed, "patient")
    spread = [int(v) for v in draw.integers(-1000, 1001, 2)]
    share = "vasovagal_share_medial_branch" if study.plan.approach == "medial_branch" else "vasovagal_share"
    fear = float(draw.random()) < study.toolbox.constant(f"patient.{share}")
    rest = (
        _whole(study, "heart_rate_bpm") + spread[0] * _whole(study, "heart_rate_range_bpm") // 1000,
        _whole(study, "systolic_mmhg") + spread[1] * _whole(study, "systolic_range_mmhg") // 1000,
        _whole(study, "spo2_percent"),
    )
    return PatientState(rest[0], rest[1], rest[2], rest=rest, told=rest, fear=fear)


def advance(study: Study, state: State, command: Command, events: tuple[Event, ...]) -> tuple[PatientState, list[Event]]:
    """Feel this tick's events, answer `ask.pain`, breathe and let the vitals move."""
    me, tick = state.patient, state.tick
    out: list[Event] = []
    for fact in events:
        me = _felt(study, state, me, fact, out)
    if me.pending and min(p[0] for p in me.pending) <= tick:
        me = _due(study, me, tick, out)
    if tick % 50 == 0 and state.needle.inside:
        me = _in_nerve(study, state, me, out)
    if command.op == "ask.pain":
        out.append(event(tick, "patient_said", **_answer(study, state, me)))
    if tick % TICKS_PER_SECOND == 0:
        me = _second(study, state, me, out)
    phase = _phase(study, tick)
    return (me if phase == me.breath_phase_permille else replace(me, breath_phase_permille=phase)), out


def _whole(study: Study, name: str) -> int:
    return round(study.toolbox.constant(f"patient.{name}"))


def _ticks(study: Study, name: str) -> int:
    return round(study.toolbox.constant(f"patient.{name}") * TICKS_PER_SECOND)


def _phase(study: Study, tick: int) -> int:
    """Return the phase of the breath (permille) in BREATH_STEPS steps."""
    period = _ticks(study, "breath_s")
    return (tick % period) * BREATH_STEPS // period * (1000 // BREATH_STEPS)


# --- speech ---------------------------------------------------------------------------------------


def _say(
    study: Study, me: PatientState, tick: int, what: str, dermatome: str, grade: int, out: list[Event], side: str = ""
) -> PatientState:
    """Return the state after something is said, unless the same was said a moment ago and hurts no more.

    Great pain makes the patient move, and pain uses up patience.
    """
    if me.said == (what, dermatome) and tick - me.said_tick < SILENCE and grade <= me.pain:
        return me
    out.append(event(tick, "patient_said", **_words(study, what, dermatome, side, grade)))
    if grade >= _whole(study, "moves_from"):
        out.append(event(tick, "patient_moved", why=what, grade=grade))
    me = replace(me, said=(what, dermatome), said_side=side, said_tick=tick, pain=max(me.pain, grade))
    return _patience(study, me, tick, grade, out)


def _words(study: Study, what: str, dermatome: str, side: str, grade: int) -> dict[str, str | int]:
    """Return the fields of `patient_said`; a reply along a nerve names where it is felt and, where it is one-sided, the side."""
    along = what in FELT_ALONG and bool(dermatome)
    place = area(study.toolbox, dermatome) if along else ""
    return {"what": what, "dermatome": dermatome, "side": side if along else "", "area": place, "grade": grade}


def _patience(study: Study, me: PatientState, tick: int, grade: int, out: list[Event]) -> PatientState:
    """Use up patience; when none is left the patient withdraws cooperation, once."""
    over = grade - _whole(study, "patience_from")
    if over <= 0 or me.patience_permille <= 0:
        return me
    left = max(0, me.patience_permille - over * _whole(study, "patience_per_pain_permille"))
    if left == 0:
        out.append(event(tick, "patient_said", **_words(study, "please stop", "", "", grade)))
        out.append(event(tick, "cooperation_withdrawn"))
    return replace(me, patience_permille=left)


def _answer(study: Study, state: State, me: PatientState) -> dict[str, str | int]:
    """Return what the patient answers now: the worst that is true, else what still hurts, else nothing."""
    tick = state.tick
    for t in state.needle.inside:
        tube = study.phantom.tubes[t]
        if tube.kind in NERVES:
            grade = max(me.pain, _whole(study, "nerve_pain"))
            return _words(study, "paraesthesia", tube.level, tube.side, grade)
    if _fainting(study, tick, me):
        return _words(study, "faint", "", "", me.pain)
    if me.drop_mmhg and tick >= me.drop_tick:
        return _words(study, "legs heavy", "", "", me.pain)
    if me.pain > 0:
        return _words(study, me.said[0], me.said[1], me.said_side, me.pain)
    return _words(study, "nothing", "", "", 0)


# --- what is felt ---------------------------------------------------------------------------------


def _felt(study: Study, state: State, me: PatientState, fact: Event, out: list[Event]) -> PatientState:
    tick = state.tick
    if fact.kind == "tissue_entered" and fact["tissue"] == "SKIN" and fact["from_tissue"] == "AIR":
        return _skin(study, state, me, out)
    if fact.kind == "bone_contact":
        hard = fact["force_mn"] >= _whole(study, "bone_hard_mn")
        return _say(study, me, tick, "dull ache", fact["level"], _whole(study, "bone_hard_pain" if hard else "bone_pain"), out)
    if fact.kind == "structure_entered" and fact["kind"].upper() in {kind.name for kind in NERVES}:
        fast = fact["speed_um_s"] >= _whole(study, "nerve_fast_um_s")
        grade = _whole(study, "nerve_fast_pain" if fast else "nerve_pain")
        return _say(study, me, tick, "paraesthesia", _dermatome(study, fact), grade, out, _side(study, fact))
    if fact.kind == "touched":
        return _touched(study, state, me, fact, out)
    if fact.kind == "injection_started":
        return _pressed(study, state, me, fact, out)
    if fact.kind == "injection_stopped":
        return _drugged(study, state, me, fact)
    if fact.kind in ("stimulated", "structure_heated"):
        what, dermatome, grade = reply_to_generator(study.toolbox, fact)
        side = fact["nerve_side"] if what else ""
        return _say(study, me, tick, what, dermatome, grade, out, side) if what else me
    return me


def _touched(study: Study, state: State, me: PatientState, fact: Event, out: list[Event]) -> PatientState:
    """Feel a contact that is neither bone nor an ordinary nerve; a lung that is hit collapses in time."""
    what, grade = TOUCHED.get(fact["structure"], ("", ""))
    if fact["structure"] == "lung" and me.lung_tick < 0:
        me = replace(me, lung_tick=state.tick + _ticks(study, "pneumothorax_delay_s"))
        me = _later(me, me.lung_tick, "short of breath", "pneumothorax", 0)
    if not what:
        return me
    return _say(study, me, state.tick, what, fact["dermatome"], _whole(study, grade), out, fact["side"])


def _side(study: Study, fact: Event) -> str:
    """Return the side of the nerve that an event names, "" for a nerve of the middle."""
    return next((tube.side for tube in study.phantom.tubes if tube.name == fact["name"]), str(fact["side"]))


def _dermatome(study: Study, fact: Event) -> str:
    """Return the level of the nerve that an event names (the event's own level is that of the tip)."""
    for tube in study.phantom.tubes:
        if tube.name == fact["name"]:
            return tube.level
    level: str = fact["level"]
    return level


def _skin(study: Study, state: State, me: PatientState, out: list[Event]) -> PatientState:
    """Feel the needle at the skin, unless it is numb there; who faints easily may do so soon."""
    tick = state.tick
    if me.fear and me.faint_tick < 0:
        me = replace(me, faint_tick=tick + _ticks(study, "vasovagal_delay_s"))
        me = _later(me, me.faint_tick, "faint", "vasovagal", 0)
    x, z = round(float(state.needle.entry_mm[0]) * 1000), round(float(state.needle.entry_mm[2]) * 1000)
    reach = _whole(study, "numb_mm") * 1000
    for nx, nz, since in me.numb:
        if tick >= since and (x - nx) ** 2 + (z - nz) ** 2 <= reach * reach:
            return me
    return _say(study, me, tick, "sharp at the skin", "", _whole(study, "skin_pain"), out)


def _in_nerve(study: Study, state: State, me: PatientState, out: list[Event]) -> PatientState:
    """Feel a tip that is deep in a nerve; a tip in a nerve at all keeps hurting."""
    x, y, z = (float(v) for v in state.needle.tip_mm)
    for t in state.needle.inside:
        tube = study.phantom.tubes[t]
        if tube.kind not in NERVES:
            continue
        deep_um = round(-1000.0 * tube_distance(study.phantom.fields, t, x, y, z))
        grade = _whole(study, "nerve_deep_pain")
        if deep_um >= _whole(study, "nerve_deep_um") and me.pain < grade:
            return _say(study, me, state.tick, "electric pain", tube.level, grade, out, tube.side)
        return me if me.pain >= _whole(study, "nerve_pain") else replace(me, pain=_whole(study, "nerve_pain"))
    return me


def _pressed(study: Study, state: State, me: PatientState, fact: Event, out: list[Event]) -> PatientState:
    """Feel an injection begin: beside a nerve as pressure, in a nerve as electric pain, in a disc in the back."""
    tick = state.tick
    for t in state.needle.inside:
        tube = study.phantom.tubes[t]
        if tube.kind in NERVES:
            return _say(study, me, tick, "electric pain", tube.level, _whole(study, "nerve_deep_pain"), out, tube.side)
    if fact["tissue"] in DISC:
        return _say(study, me, tick, "pain in the back", "", _whole(study, "disc_pain"), out)
    if fact["tissue"] in PRESSING:
        fast = fact["rate_ul_s"] >= _whole(study, "pressure_fast_ul_s")
        grade = _whole(study, "pressure_fast_pain" if fast else "pressure_pain")
        return _say(study, me, tick, "pressure", fact["level"], grade, out)
    return me


def _drugged(study: Study, state: State, me: PatientState, fact: Event) -> PatientState:
    """Plan what the drug of a finished injection will do, by where it went."""
    tick = state.tick
    agent = _agent(study, fact["agent"])
    if fact["kind"] == "local_anaesthetic":
        if fact["pattern"] == "subcutaneous":
            spot = (fact["x_um"], fact["z_um"], tick + _ticks(study, "numb_onset_s"))
            me = replace(me, numb=(*me.numb, spot))
        if fact["intrathecal_ul"] > 0:
            me = _spinal(study, tick, me, fact, agent)
        if fact["vascular_ul"] > 0:
            me = _toxic(study, tick, me, round(fact["vascular_ul"] * agent.dose_mg_per_ml))
    arterial = any(study.phantom.tubes[t].kind == TubeKind.RADICULAR_ARTERY for t in state.needle.inside)
    if fact["particulate"] and fact["vascular_ul"] > 0 and arterial:
        me = _later(me, tick + _ticks(study, "cord_delay_s"), "legs will not move", "cord_injury", 0)
    return me


def _agent(study: Study, name: str) -> Agent:
    return study.toolbox.agents[study.toolbox.index("agents", name)]


def _spinal(study: Study, tick: int, me: PatientState, fact: Event, agent: Agent) -> PatientState:
    """Local anaesthetic in the sac: heavy legs, then the pressure falls, more with more volume; a great dose takes the breath."""
    volume_ul = fact["intrathecal_ul"]
    potency = next((row.potency for row in study.toolbox.anaesthetics if agent.name.startswith(row.name)), 1.0)
    before = me.spinal_ug
    me = replace(me, spinal_ug=before + round(volume_ul * agent.dose_mg_per_ml * potency))
    segments = int(me.spinal_ug / 1000.0 / study.toolbox.constant("block.segment_mg"))
    if me.high_tick < 0 and at_or_above(study.toolbox, higher(study.toolbox, fact["level"], segments), HIGH_FROM):
        me = replace(me, high_tick=tick + _ticks(study, "high_spread_delay_s"))
        me = _later(me, me.high_tick, "short of breath", "high_spread", 0)
    drop = me.drop_mmhg + volume_ul * _whole(study, "spinal_drop_mmhg_per_ml") // 1000
    due = tick + _ticks(study, "spinal_onset_s")
    if not me.drop_mmhg:
        me = _later(replace(me, drop_tick=due), due, "legs heavy", "", 0)
    return replace(me, drop_mmhg=min(max(drop, 1), _whole(study, "spinal_drop_most_mmhg")))


def _toxic(study: Study, tick: int, me: PatientState, dose_ug: int) -> PatientState:
    """Local anaesthetic in a vessel: a taste first, a seizure with much of it."""
    before, after = me.dose_ug, me.dose_ug + dose_ug
    due = tick + _ticks(study, "blood_delay_s")
    for what, limit in (("metallic taste", "taste_mg"), ("seizure", "seizure_mg")):
        if before < 1000 * _whole(study, limit) <= after:
            me = _later(me, due, what, "toxicity" if what == "seizure" else "", 0)
    return replace(me, dose_ug=after)


def _later(me: PatientState, due: int, what: str, adverse: str, grade: int) -> PatientState:
    return replace(me, pending=tuple(sorted((*me.pending, (due, what, adverse, grade)))))


def _due(study: Study, me: PatientState, tick: int, out: list[Event]) -> PatientState:
    """Say what is due, and what has happened with it; the rest waits."""
    now = [p for p in me.pending if p[0] <= tick]
    me = replace(me, pending=tuple(p for p in me.pending if p[0] > tick))
    for _, what, adverse, grade in now:
        me = _say(study, me, tick, what, "", grade, out)
        if adverse:
            out.append(event(tick, "adverse", what=adverse))
    return me


# --- vitals ---------------------------------------------------------------------------------------


def _second(study: Study, state: State, me: PatientState, out: list[Event]) -> PatientState:
    """Let pain fade and vitals step towards where they are going; report them when they have changed."""
    tick = state.tick
    if me.pain and tick % _ticks(study, "pain_fades_s") == 0:
        me = replace(me, pain=me.pain - 1)
    heart, systolic, spo2 = _heading(study, tick, me)
    now = (
        _towards(me.heart_rate_bpm, heart, 3),
        _towards(me.systolic_mmhg, systolic, 2),
        _towards(me.spo2_percent, spo2, 1),
    )
    if now != (me.heart_rate_bpm, me.systolic_mmhg, me.spo2_percent):
        me = replace(me, heart_rate_bpm=now[0], systolic_mmhg=now[1], spo2_percent=now[2])
    if now != me.told and tick - me.told_tick >= VITALS_EVERY:
        out.append(event(tick, "vitals", heart_rate_bpm=now[0], systolic_mmhg=now[1], spo2_percent=now[2]))
        me = replace(me, told=now, told_tick=tick)
    return me


def _heading(study: Study, tick: int, me: PatientState) -> tuple[int, int, int]:
    """Return the vitals that the body is heading for."""
    heart, systolic, spo2 = me.rest
    heart += me.pain * _whole(study, "heart_rate_per_pain_bpm")
    systolic += me.pain
    if me.drop_mmhg and tick >= me.drop_tick:
        systolic -= me.drop_mmhg
    if me.dose_ug >= 1000 * _whole(study, "seizure_mg"):
        heart, spo2 = heart + 30, spo2 - 8
    if 0 <= me.lung_tick <= tick:
        heart, spo2 = heart + 15, spo2 - _whole(study, "pneumothorax_spo2_percent")
    if 0 <= me.high_tick <= tick:
        spo2 -= _whole(study, "high_spread_spo2_percent")
    if _fainting(study, tick, me):
        heart, systolic = _whole(study, "vasovagal_heart_rate_bpm"), _whole(study, "vasovagal_systolic_mmhg")
    return heart, systolic, spo2


def _fainting(study: Study, tick: int, me: PatientState) -> bool:
    return 0 <= me.faint_tick <= tick < me.faint_tick + _ticks(study, "vasovagal_lasts_s")


def _towards(value: int, goal: int, step: int) -> int:
    return min(value + step, goal) if goal > value else max(value - step, goal)
