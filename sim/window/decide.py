"""Decisions beside the needle (postpone, risks, complications, responses, discharge, note) and answers of a drill.

The words come from the core (sim.clinic, the drill's questions); nothing here knows which one is right.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.clinic import CHECKS, COMPLICATIONS, REASONS, RESPONSES, RISKS, spoken
from sim.plan import DrillItem
from sim.window.menu import Row
from sim.window.theatre import Theatre


@dataclass(frozen=True)
class Decision:
    """A command that names one word: how menu, list and button call it."""

    op: str
    label: str
    button: str
    words: tuple[str, ...]
    tip: str


DECISIONS = (
    Decision("consent.risk", "Risk", "Name it", RISKS, "Name a risk in the talk before consent"),
    Decision("case.postpone", "Postpone", "Postpone", REASONS, "Do not do this case today, for this reason"),
    Decision("complication.name", "Complication", "Call it", COMPLICATIONS, "Say what you think is happening"),
    Decision("response.give", "Response", "Do it", RESPONSES, "First response to a complication"),
    Decision("discharge.check", "Discharge", "Check", CHECKS, "Check or hand out before the patient goes home"),
    Decision("note.write", "Note", "Write", COMPLICATIONS, "Write the note and name the complication, or none"),
)


def menu_rows(theatre: Theatre) -> tuple[Row, ...]:
    """Return the rows of the menu: decisions, and the answers of a drill."""
    send = theatre.hands.send
    rows = [Row(one.label, rows=lambda one=one: _words(theatre, one)) for one in DECISIONS]
    item = question(theatre)
    if item is not None and item.kind == "choose":
        rows += [Row(f"Answer: {c}", lambda i=i: send("drill.choose", i)) for i, c in enumerate(item.choices)]
    elif item is not None:
        rows.append(Row("Answer: the aim" if item.kind == "point" else "Answer: as it stands", lambda: answer(theatre)))
    return tuple(rows)


def _words(theatre: Theatre, one: Decision) -> tuple[Row, ...]:
    return tuple(Row(spoken(word), lambda i=i: theatre.hands.send(one.op, i)) for i, word in enumerate(one.words))


def question(theatre: Theatre) -> DrillItem | None:
    """Return the question of a drill that is open now, None outside a drill and after the last one."""
    drill = theatre.study.plan.drill
    if drill is None or theatre.state.drill.answered >= len(drill.items):
        return None
    return drill.items[theatre.state.drill.answered]


def answer(theatre: Theatre) -> None:
    """Answer the open question: with the aim on the picture, or as C-arm and needle stand."""
    item = question(theatre)
    if item is None:
        return
    if item.kind != "point":
        theatre.hands.send("drill.answer")
    elif theatre.aim is None:
        theatre.say("Assistant", "Click on the place in the picture first (or move the aim there).")
    else:
        side_um = 1000 * theatre.aim.pose.side_mm
        theatre.hands.send("drill.point", round((theatre.aim.u - 0.5) * side_um), round((0.5 - theatre.aim.v) * side_um))
        theatre.aim = None
