"""Events as sentences of the patient, the assistant and the machine: the only messages of the window.

Facts that a clinician could not know at the table (what the tip is in, which vessel it met) are said in
practice only. Scenario texts may override any sentence by its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.event import Event

PATIENT, ASSISTANT, MACHINE, HAND, HINT = "Patient", "Assistant", "X-ray", "Hand", "Hint"


@dataclass(frozen=True)
class Line:
    """One line of the log."""

    tick: int
    who: str
    text: str


_SAID = {
    "nothing": "It is fine.",
    "sharp at the skin": "That is sharp, at the skin.",
    "dull ache": "A dull ache, deep down.",
    "pressure": "I feel pressure.",
    "pain in the back": "That hurts in my back.",
    "paraesthesia": "It tingles{where}.",
    "electric pain": "Ow! Like electricity{where}!",
    "metallic taste": "I have a metallic taste in my mouth.",
    "seizure": "(The patient is having a seizure.)",
    "legs heavy": "My legs feel heavy.",
    "legs will not move": "I cannot move my legs!",
    "faint": "I feel faint.",
    "tingling in the back": "It tingles in my back.",
    "tingling in the leg": "It tingles{where}.",
    "heat in the back": "It gets hot in my back.",
    "burning in the leg": "It burns{where}!",
    "cough": "(The patient coughs.) That stings in my chest!",
    "pain in the chest": "My chest hurts!",
    "pain in the flank": "That hurts in my side.",
    "short of breath": "I cannot get my breath.",
    "please stop": "Please stop. I cannot take any more.",
}

_SIMPLE: dict[str, tuple[str, str]] = {
    "chart_reviewed": (ASSISTANT, "Chart and pictures reviewed."),
    "consent_taken": (PATIENT, "Yes, you explained it and I agree."),
    "skin_prepped": (ASSISTANT, "Skin is prepped and draped."),
    "image_stored": (MACHINE, "Picture stored on the reference monitor."),
    "finished": (ASSISTANT, "Procedure finished."),
    "case_postponed": (ASSISTANT, "Postponed: {reason}. I will tell the referrer and find a new date."),
    "risk_named": (PATIENT, "I understand the risk: {risk}."),
    "complication_named": (ASSISTANT, "Understood: {complication}."),
    "response_given": (ASSISTANT, "Doing it: {response}."),
    "discharge_checked": (ASSISTANT, "Before discharge: {check} done."),
    "note_written": (ASSISTANT, "Note written. Complication: {complication}."),
    "level_declared": (ASSISTANT, "Level counted as {level}."),
    "timeout_called": (ASSISTANT, "Time-out: {level}, {side} side. Team agrees to go on."),
    "needle_chosen": (ASSISTANT, "{gauge} gauge needle ready ({name})."),
    "needle_removed": (HAND, "Needle out."),
    "popped": (HAND, "You feel a pop."),
    "bone_contact": (HAND, "The tip stops on bone."),
    "buckling": (HAND, "The shaft bows: too much force."),
    "carm_stopped": (ASSISTANT, "The C-arm stops: its {part} would touch the {touches}."),
    "lead_chosen": (ASSISTANT, "{name} ready."),
    "lead_inserted": (HAND, "The lead leaves the needle."),
    "lead_kinked": (HAND, "The lead is kinking."),
    "lead_removed": (HAND, "Lead out."),
    "lead_stylet": (HAND, "Stylet of the lead moved."),
    "attached": (ASSISTANT, "{agent}, {drawn} ml drawn, syringe on the hub."),
    "injection_started": (HAND, "Injecting {agent}."),
    "injection_stopped": (HAND, "Stopped: {volume} ml of {agent} given."),
    "rf_connected": (ASSISTANT, "Probe in ({electrode}), {impedance_ohm} ohm."),
    "rf_disconnected": (ASSISTANT, "Probe out."),
    "lesion_started": (MACHINE, "Heating."),
    "cement_mixed": (ASSISTANT, "{product} is mixed."),
    "patient_moved": (ASSISTANT, "The patient moves."),
    "cooperation_withdrawn": (ASSISTANT, "The patient no longer cooperates."),
    "cement_attached": (ASSISTANT, "{product} is on the cannula."),
    "cement_started": (HAND, "Injecting {product}."),
    "cement_slowed": (HAND, "The plunger hardly moves."),
    "cement_stopped": (HAND, "Cement stopped: {volume} ml."),
}
_PRACTICE: dict[str, str] = {
    "tissue_entered": "The tip is now in {tissue}.",
    "structure_entered": "The tip has entered {name}.",
    "structure_left": "The tip has left {name}.",
    "pattern": "Spread: {names}.",
    "nerve_blocked": "Blocked: {name}.",
    "branches_wetted": "{agent} has reached a medial branch.",
    "lead_inserted": "The lead is in the {space} space.",
    "lead_stopped": "The lead's tip lies {face}, level {level}.",
    "lead_looped": "The lead has turned back on itself.",
    "lead_left_the_sheet": "The lead has left the canal ({by} {side}).",
    "structure_heated": "The lesion reaches {name}.",
    "sac_heated": "The lesion reached {name}.",
    "cement_leaked": "Cement leaks: {where}.",
    "cement_reached": "Cement has reached the {zone} of the body.",
    "cement_set": "The cement in {bone} has set.",
    "clamped": "{op} was limited to what hand and machine can do.",
}
_PROBED = {
    "loss": "The plunger goes: loss of resistance.",
    "resistance": "The plunger does not move.",
    "bounce": "The plunger springs back.",
}
_ADVERSE = {
    "vasovagal": "The patient turns pale and sweats; the pulse is slow.",
    "pneumothorax": "Breath sounds are gone on that side.",
    "high_spread": "The block has risen to the chest.",
    "hypotension": "The pressure stays low.",
    "toxicity": "Local anaesthetic toxicity: call for help and lipid.",
    "cord_injury": "Both legs are weak.",
}
_OUTCOME = {
    "toxicity": "too much local anaesthetic",
    "high_spread": "the block rose to the chest",
    "hypotension": "low blood pressure",
    "weak_leg": "the leg is weak",
    "block": "the block works",
    "no_block": "no nerve is blocked",
}
_ASPIRATED = {"nothing": "Nothing comes back.", "blood": "Blood comes back!", "csf": "Clear fluid comes back!"}
_TWITCH = {"multifidus": "The muscle of the back twitches.", "leg": "The leg moves!"}
SILENT = frozenset({"began", "planned", "charted", "phase", "needle_stopped", "touched", "released", "vitals", "nerve_lesioned"})


def sentences(fact: Event, practice: bool, texts: Mapping[str, str] | None = None) -> list[Line]:
    """Return what is said about one event; empty for events nobody mentions."""
    texts = texts or {}
    out: list[Line] = []
    who, text = _spoken(fact, texts)
    if text:
        out.append(Line(fact.tick, who, text))
    if practice and fact.kind in _PRACTICE:
        out.append(Line(fact.tick, HINT, _filled(_PRACTICE[fact.kind], fact)))
    return out


_OFF = {"um": ("mm", 1000), "mdeg": ("degrees", 1000), "levels": ("levels", 1), "choice": ("", 1)}


def _drilled(fact: Event) -> str:
    """Return a question of a drill, or how good an answer was: a drill is practice."""
    if fact.kind == "drill_asked":
        return f"{fact['number']} of {fact['of']}: {fact['prompt']}"
    unit, factor = _OFF.get(fact["unit"], ("", 1))
    if factor == 1:
        return "Right." if fact["error"] == 0 else f"Wrong: {fact['wanted']} was right, not {fact['given']}."
    return f"{fact['error'] / factor:.1f} {unit} off ({fact['wanted']})."


def _spoken(fact: Event, texts: Mapping[str, str]) -> tuple[str, str]:
    if fact.kind == "patient_said":
        return PATIENT, _patient(fact, texts)
    if fact.kind == "aspirated":
        return HAND, texts.get(f"aspirated.{fact['result']}", _ASPIRATED.get(fact["result"], fact["result"]))
    if fact.kind == "probed":
        return HAND, texts.get(f"probed.{fact['result']}", _PROBED.get(fact["result"], fact["result"]))
    if fact.kind == "adverse":
        return ASSISTANT, texts.get(f"adverse.{fact['what']}", _ADVERSE.get(fact["what"], _sentence(fact["what"])))
    if fact.kind == "discharged":
        return ASSISTANT, f"As the patient leaves: {_OUTCOME.get(fact['outcome'], fact['outcome'])}."
    if fact.kind.startswith("drill_"):
        return ASSISTANT, _drilled(fact)
    if fact.kind == "refused":
        return ASSISTANT, texts.get(f"refused.{fact['op']}", _sentence(fact["why"]))
    if fact.kind == "exposed":
        return MACHINE, _exposed(fact)
    if fact.kind == "stimulated":
        given = f"{fact['frequency_hz']} Hz, {fact['current_ua'] / 1000:.1f} mA. {_TWITCH.get(fact['twitch'], '')}"
        return MACHINE, given.strip()
    if fact.kind == "lesion_made":
        return MACHINE, f"{fact['temperature_mc'] / 1000:.0f} C for {fact['time_ms'] / 1000:.0f} s ({fact['reason']})."
    if fact.kind == "needle_placed":
        return HAND, f"Needle on the skin, yaw {degrees(fact['yaw_mdeg'])}, pitch {degrees(fact['pitch_mdeg'])}."
    if fact.kind == "tip_bent":
        return HAND, f"Tip bent by {fact['bend_mdeg'] / 1000:.0f} degrees." if fact["bend_mdeg"] else "Tip straight again."
    if fact.kind == "introducer":
        return ASSISTANT, f"Through the {fact['name']}." if fact["name"] else "No introducer."
    if fact.kind == "bone_driven":
        way, left = fact["advanced_um"] / 1000, fact["remaining_um"] / 1000
        return HAND, f"{way:.1f} mm through bone, {left:.0f} mm of the needle left outside."
    if fact.kind == "stylet":
        return HAND, "Stylet in." if fact["inserted"] else "Stylet out."
    who, text = _SIMPLE.get(fact.kind, ("", ""))
    return who, _filled(texts.get(fact.kind, text), fact)


def _patient(fact: Event, texts: Mapping[str, str]) -> str:
    what, dermatome, grade = fact["what"], fact["dermatome"], fact["grade"]
    text = texts.get(f"patient.{what}") or _SAID.get(what) or _sentence(what)
    place = fact["area"] + (f", on the {fact['side']}" if fact["side"] else "") if fact["area"] else dermatome.replace("_", " ")
    text = text.replace("{where}", f" {place}" if place else "")
    return text + (f" {grade} out of 10." if grade else "")


def degrees(mdeg: int, digits: int = 1) -> str:
    """Return millidegrees as signed degrees, never "-0.0"."""
    value = round(mdeg / 1000, digits)
    return f"{value if value else 0.0:+.{digits}f}"


def _exposed(fact: Event) -> str:
    seconds = f"{fact['duration_ms'] / 1000:.1f} s"
    how = {"shot": "picture", "live": f"live {seconds}", "dsa": f"DSA {seconds}"}.get(fact["mode"], fact["mode"])
    view = fact["view"].replace("_", " ").replace("ap", "AP")
    angles = f"{degrees(fact['primary_mdeg'], 0)}/{degrees(fact['secondary_mdeg'], 0)}"
    if "swivel_mdeg" in fact.data:
        angles += f"/{degrees(fact['swivel_mdeg'], 0)}"
    return f"{how}, {view} {angles}, {fact['dap_pgy_m2'] / 1e6:.2f} cGy cm2"


def _filled(text: str, fact: Event) -> str:
    data = {k: v.replace("_", " ") if isinstance(v, str) else v for k, v in fact.data.items()}
    data |= {"tissue": data["tissue"].lower()} if "tissue" in data else {}
    data |= {"names": ", ".join(data["names"]) or "none"} if "names" in data else {}
    for name in ("drawn", "volume"):
        if f"{name}_ul" in data:
            data[name] = f"{data[f'{name}_ul'] / 1000:.1f}"
    try:
        return text.format(**data)
    except (KeyError, IndexError):
        return text


def _sentence(text: str) -> str:
    text = text.replace("_", " ").strip()
    return (text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")) if text else ""
