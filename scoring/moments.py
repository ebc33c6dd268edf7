"""What happened in an attempt, as lines for people: the text beside a replay. Events alone are read; nothing is judged.

Every kind of event that a viewer should know of has its line in `LINES`; kinds that tell nothing at a moment (vitals, the
chart's demands, refused or clamped commands) have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.event import Event

KINDS = ("step", "exposure", "needle", "fluid", "patient", "device", "critical")
"""What a line is about; "critical" is said by the score, not by an event."""


@dataclass(frozen=True)
class Line:
    """One moment: tick (10 ms), what it is about (one of KINDS), and the words."""

    tick: int
    about: str
    text: str


def lines_of(events: Iterable[Event]) -> list[Line]:
    """Return the moments of an attempt in their order."""
    out: list[Line] = []
    rests = ""
    for fact in events:
        if fact.kind not in LINES:
            continue
        about, words = LINES[fact.kind]
        text = words(fact.data)
        if fact.kind == "needle_stopped":  # told again for every touch of the hand: once per place is enough
            if text == rests:
                continue
            rests = text
        out.append(Line(fact.tick, about, text))
    return out


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _place(data: Mapping[str, Any]) -> str:
    """Return where the tip was, in words."""
    where = f", {data['level']} {data['side']}".rstrip() if data.get("level") else ""
    tissue, off = _plain(data["tissue"]).lower(), data["distance_um"] / 1000
    return f"{data['depth_um'] / 1000:.0f} mm deep in {tissue}{where}, {off:.1f} mm from the plan"


def _exposed(data: Mapping[str, Any]) -> str:
    how = {"shot": "Single shot", "live": "Live fluoroscopy", "dsa": "Subtraction run"}[data["mode"]]
    angles = f"{data['primary_mdeg'] / 1000:.0f}/{data['secondary_mdeg'] / 1000:.0f} deg"
    during = f", while {_plain(data['while_injecting'])} runs" if data["while_injecting"] else ""
    return f"{how}, {_plain(data['view'])}, {angles}, {data['duration_ms'] / 1000:.1f} s{during}"


def _said(data: Mapping[str, Any]) -> str:
    where = " ".join(word for word in (data.get("dermatome", ""), data.get("side", ""), data.get("area", "")) if word)
    return f"The patient reports {_plain(data['what'])}{', ' + where if where else ''}, grade {data['grade']}"


def _stopped(data: Mapping[str, Any]) -> str:
    return f"{data['volume_ul'] / 1000:.1f} ml of {_plain(data['agent'])} given; the fluid lies {_plain(data['pattern'])}"


def _cement(data: Mapping[str, Any]) -> str:
    return (
        f"Cement stopped ({_plain(data['reason'])}): {data['volume_ul'] / 1000:.1f} ml, {data['bone_ul'] / 1000:.1f} ml in bone"
    )


def _drill(data: Mapping[str, Any]) -> str:
    return f"Answer {data['number']} of {data['of']}: {data['given']}; wanted {data['wanted']}"


def _lesion(data: Mapping[str, Any]) -> str:
    size = f"{data['width_um'] / 1000:.1f} x {data['length_um'] / 1000:.1f} mm"
    return f"Lesion {size} at {data['temperature_mc'] / 1000:.0f} C, {data['time_ms'] / 1000:.0f} s ({_plain(data['reason'])})"


Words = Callable[[Mapping[str, Any]], str]

LINES: dict[str, tuple[str, Words]] = {
    "chart_reviewed": ("step", lambda d: "Chart read"),
    "consent_taken": ("step", lambda d: "Consent taken"),
    "timeout_called": ("step", lambda d: f"Time-out: {d['level']} {d['side']}{'' if d['correct'] else ' (not the order)'}"),
    "skin_prepped": ("step", lambda d: "Skin prepared"),
    "level_declared": ("step", lambda d: f"Level declared: {d['level']}"),
    "case_postponed": ("step", lambda d: f"Case postponed: {_plain(d['reason'])}"),
    "response_given": ("step", lambda d: f"Response: {_plain(d['response'])}"),
    "complication_named": ("step", lambda d: f"Complication named: {_plain(d['complication'])}"),
    "discharge_checked": ("step", lambda d: f"Before discharge: {_plain(d['check'])}"),
    "finished": ("step", lambda d: "Attempt finished"),
    "exposed": ("exposure", _exposed),
    "image_stored": ("exposure", lambda d: "Picture stored"),
    "carm_stopped": ("exposure", lambda d: f"C-arm stops: {_plain(d['part'])} would touch {_plain(d['touches'])}"),
    "needle_chosen": ("needle", lambda d: f"Needle chosen: {d['name']}, {d['gauge']} gauge"),
    "needle_placed": ("needle", lambda d: "Needle set on the skin"),
    "needle_stopped": ("needle", lambda d: f"Needle rests, {_place(d)}"),
    "needle_removed": ("needle", lambda d: f"Needle removed after {d['passes']} passes"),
    "popped": ("needle", lambda d: f"Pop: {_plain(d['membrane'])} at {d['depth_um'] / 1000:.0f} mm"),
    "bone_contact": ("needle", lambda d: f"Bone: {_plain(d['bone'])}, {d['force_mn'] / 1000:.1f} N"),
    "structure_entered": ("needle", lambda d: f"The tip enters {_plain(d['name'])} ({_plain(d['kind'])})"),
    "structure_left": ("needle", lambda d: f"The tip leaves {_plain(d['name'])}"),
    "bone_driven": ("needle", lambda d: f"Driven {d['advanced_um'] / 1000:.0f} mm, {d['in_bone_um'] / 1000:.0f} mm in bone"),
    "aspirated": ("fluid", lambda d: f"Aspiration: {_plain(d['result'])}"),
    "probed": ("fluid", lambda d: f"Plunger pressed ({_plain(d['medium'])}): {_plain(d['result'])}"),
    "attached": ("fluid", lambda d: f"Syringe on: {_plain(d['agent'])}, {d['drawn_ul'] / 1000:.1f} ml"),
    "injection_started": ("fluid", lambda d: f"{_plain(d['agent'])} begins to run, {_place(d)}"),
    "injection_stopped": ("fluid", _stopped),
    "cement_started": ("fluid", lambda d: f"Cement begins to run, {d['mpa_s'] / 1000:.0f} Pa s"),
    "cement_leaked": ("fluid", lambda d: f"Cement leaks into the {_plain(d['where'])}{'' if d['live'] else ', unseen'}"),
    "cement_stopped": ("fluid", _cement),
    "lead_inserted": ("device", lambda d: f"{d['name']} leaves the needle, {_plain(d['space'])}"),
    "lead_stopped": ("device", lambda d: f"Lead rests: {d['level'] or 'no level'}, {_plain(d['face'])} ({_plain(d['reason'])})"),
    "lead_removed": ("device", lambda d: "Lead removed"),
    "stimulated": ("device", lambda d: f"Stimulation {d['frequency_hz']} Hz, {d['current_ua'] / 1000:.1f} mA{_felt(d)}"),
    "lesion_started": ("device", lambda d: f"Lesion begins, {d['temperature_mc'] / 1000:.0f} C"),
    "lesion_made": ("device", _lesion),
    "drill_answered": ("step", _drill),
    "patient_said": ("patient", _said),
    "patient_moved": ("patient", lambda d: f"The patient moves ({_plain(d['why'])})"),
    "cooperation_withdrawn": ("patient", lambda d: "The patient asks to stop"),
    "adverse": ("patient", lambda d: f"Adverse event: {_plain(d['what'])}"),
    "discharged": ("patient", lambda d: f"At discharge: {_plain(d['outcome'])}"),
}


def _felt(data: Mapping[str, Any]) -> str:
    told = [f"felt in the {data['felt']}"] if data["felt"] else []
    told += [f"twitch of the {data['twitch']}"] if data["twitch"] else []
    return ": " + ", ".join(told) if told else ": nothing felt"
