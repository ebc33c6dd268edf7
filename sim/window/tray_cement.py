"""The cement's rows of the tray: they take the place of the syringe while a bone needle is in."""

from __future__ import annotations

from sim.window.theatre import Theatre
from sim.window.ui import Ui

LABEL = 57
WIDEST_GAUGE = 15
"""A needle of this gauge or wider can take cement (as sim.cement asks)."""
RATE_UL_S = 50


def wanted(theatre: Theatre) -> bool:
    """Return True while a needle that can take cement is placed."""
    needle, tools = theatre.state.needle, theatre.study.toolbox
    return needle.placed and needle.needle >= 0 and tools.needles[needle.needle].gauge <= WIDEST_GAUGE


def draw(theatre: Theatre, ui: Ui, wide: float) -> None:
    """Draw both rows."""
    me, send = theatre.state.cement, theatre.hands.send
    rows = theatre.study.toolbox.cements
    ui.label("Cement", LABEL)
    chosen = ui.combo("tray.cement", [row.name for row in rows], me.product, max(150, wide - LABEL - 90), "Mix a cement")
    if chosen is not None:
        send("cement.mix", chosen)
    ui.same(4)
    ui.text(f"{me.left_ul / 1000:.1f} ml")
    ui.label("", LABEL)
    mixed = me.product >= 0
    if ui.button("tray.cement_attach", "Attach", "Put the cement on the cannula", enabled=mixed and not me.attached):
        send("cement.attach")
    ui.same(3)
    for volume_ul in (200, 500):
        text = f"{volume_ul / 1000:.1f} ml"
        if ui.button(f"tray.cement_{volume_ul}", text, f"Inject {text} of cement", enabled=me.attached and not me.flowing):
            send("cement.inject", volume_ul, RATE_UL_S)
        ui.same(3)
    if ui.button("tray.cement_stop", "Stop", "Stop the cement", enabled=me.flowing):
        send("cement.stop")
