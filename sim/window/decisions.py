"""One row of the speech panel for decisions beside the needle.

Postpone, name a risk, name and answer a complication, check before discharge, write the note:
first what, then which, then say it.
"""

from __future__ import annotations

from sim.clinic import spoken
from sim.window.decide import DECISIONS
from sim.window.theatre import Theatre
from sim.window.ui import Ui


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
