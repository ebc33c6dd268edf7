"""One row of the speech panel for decisions beside the needle.

Postpone, name a risk, name and answer a complication, check before discharge, write the note:
first what, then which, then say it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.clinic import CHECKS, COMPLICATIONS, REASONS, RESPONSES, RISKS, spoken
from sim.window.theatre import Theatre
from sim.window.ui import Ui


@dataclass(frozen=True)
class Decision:
    """A command that names one word: how the list and the button call it."""

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


def draw(theatre: Theatre, ui: Ui) -> None:
    """Draw the row: what is decided, which of its words, and the button that says it."""
    kinds = [one.label for one in DECISIONS]
    chosen = ui.combo("voice.decision", kinds, theatre.decision, 108, "What to decide or say")
    if chosen is not None:
        theatre.decision, theatre.decision_word = chosen, -1
    now = DECISIONS[theatre.decision]
    ui.same(4)
    chosen = ui.combo("voice.decision_word", [spoken(w) for w in now.words], theatre.decision_word, 132, now.tip)
    if chosen is not None:
        theatre.decision_word = chosen
    ui.same(4)
    ready = theatre.decision_word >= 0
    if ui.button("voice.decide", now.button, now.tip if ready else "Choose which first", enabled=ready):
        theatre.hands.send(now.op, theatre.decision_word)
        theatre.decision_word = -1
