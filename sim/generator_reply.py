"""What a patient says to stimulation and heat. For practice only: the grades (lesions.toml) are placeholders."""

from __future__ import annotations

from sim.event import Event
from sim.tools import Toolbox


def reply_to_generator(box: Toolbox, fact: Event) -> tuple[str, str, int]:
    """Return (what, dermatome, grade 0-10) of the reply to a `stimulated` or `structure_heated` event; ("", "", 0) for none.

    A twitch is seen, not felt as pain, so motor stimulation alone says nothing. Local anaesthetic is not looked at.
    """
    if fact.kind == "stimulated":
        if not fact["felt"]:
            return "", "", 0
        strong = fact["strength_permille"] >= round(1000.0 * box.constant("stimulation.strong"))
        grade = round(box.constant("stimulation.strong_grade" if strong else "stimulation.weak_grade"))
        leg = fact["felt"] == "leg"
        return f"tingling in the {fact['felt']}", fact["nerve_level"] if leg else "", grade
    if fact["kind"] == "sac":
        return "", "", 0
    if fact["kind"] == "medial_branch":
        return "heat in the back", "", round(box.constant("stimulation.heat_back_grade"))
    return "burning in the leg", fact["nerve_level"], round(box.constant("stimulation.heat_leg_grade"))
