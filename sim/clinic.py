"""Words for decisions beside the needle: arguments of commands are indices into these tuples. Append only.

The core knows no medicine: a study carries the demands of its chart (`Demand`), the opening events state them, and what the
trainee decided becomes an event. Whether that was right is the rubric's matter.
"""

from __future__ import annotations

from dataclasses import dataclass

REASONS = (
    "anticoagulant",
    "infection",
    "pregnancy",
    "allergy",
    "no_indication",
    "red_flag",
    "glucose",
    "imaging",
    "consent",
    "other",
)
"""Why a case is postponed (`case.postpone`)."""

RISKS = (
    "bleeding",
    "infection",
    "nerve_injury",
    "allergy",
    "steroid_effects",
    "dural_puncture",
    "vascular_injection",
    "no_benefit",
    "radiation",
    "leg_weakness",
    "cement_leak",
    "embolism",
    "fracture",
)
"""What can be named in the talk before consent (`consent.risk`)."""

CHECKS = ("legs", "vitals", "site", "escort", "warning_signs", "pain_diary")
"""What is checked or handed out before the patient goes home (`discharge.check`)."""

COMPLICATIONS = (
    "none",
    "vasovagal",
    "anaesthetic_toxicity",
    "high_spinal",
    "cord_infarct",
    "anaphylaxis",
    "dural_puncture",
    "vascular_uptake",
    "nerve_contact",
    "cement_leak",
    "other",
)
"""What can be recognised (`complication.name`) and written into the note (`note.write`)."""

RESPONSES = (
    "stop_injecting",
    "needle_out",
    "head_down",
    "oxygen",
    "call_help",
    "airway",
    "vasopressor",
    "lipid",
    "midazolam",
    "adrenaline",
    "urgent_mri",
    "fluid",
)
"""First responses (`response.give`)."""

MUSTS = ("postpone", "avoid", "risk", "discharge", "note")
"""Kinds of demand: postpone for the reason `what`; give no agent or kind `what`; name the risk; do the check; write the note."""


@dataclass(frozen=True)
class Demand:
    """What a chart asks of whoever reads it: `finding` names the line, `must` is one of MUSTS, `says` is for people."""

    finding: str
    must: str
    what: str
    says: str = ""


def spoken(word: str) -> str:
    """Return a word of these tuples as people say it."""
    return word.replace("_", " ")
