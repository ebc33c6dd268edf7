"""The cement's rows of the tray: they take the place of the syringe while a bone needle is in."""

from __future__ import annotations

from sim.cement_flow import cure_rate, viscosity_pa_s
from sim.session import TICKS_PER_SECOND
from sim.window.theatre import Theatre
from sim.window.ui import Ui

LABEL = 57
WIDEST_GAUGE = 15
"""A needle of this gauge or wider can take cement (as sim.cement asks)."""
RATE_UL_S = 25
FEEL_PA_S = ((50.0, "drips"), (1_000.0, "dough"), (20_000.0, "stiff"))
"""What cement between gloved fingers feels like below a viscosity: a word, no number that a hand could not know."""


def wanted(theatre: Theatre) -> bool:
    """Return True while a bone needle that can take cement is placed."""
    needle, tools = theatre.state.needle, theatre.study.toolbox
    tool = tools.needles[needle.needle]
    return needle.placed and needle.needle >= 0 and tool.bores and tool.gauge <= WIDEST_GAUGE


def draw(theatre: Theatre, ui: Ui, wide: float) -> None:
    """Draw both rows."""
    me, send = theatre.state.cement, theatre.hands.send
    rows = theatre.study.toolbox.cements
    ui.label("Cement", LABEL)
    chosen = ui.combo("tray.cement", [row.name for row in rows], me.product, max(120, wide - LABEL - 190), "Mix a cement")
    if chosen is not None:
        send("cement.mix", chosen)
    ui.same(4)
    mixed = me.product >= 0
    ui.text(f"{me.left_ul / 1000:.1f} ml  {_state(theatre)}" if mixed else "not mixed")
    ui.label("", LABEL)
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
    if mixed and (window := rows[me.product].window_s) is not None:
        ui.same(4)
        ui.text(f"window {_clock(window[0])} to {_clock(window[1])}")


def _state(theatre: Theatre) -> str:
    """Return minutes since mixing and what a bit of the cement, kept at the table, feels like."""
    me, number = theatre.state.cement, theatre.study.toolbox.constant
    seconds = (theatre.state.tick - me.mixed_tick) / TICKS_PER_SECOND
    age = seconds * cure_rate(number("cement.room_c"), number("cement.doubling_c"))
    stiff = viscosity_pa_s(theatre.study.toolbox.cements[me.product], age)
    word = next((name for most, name in FEEL_PA_S if stiff < most), "set")
    return f"{_clock(seconds)} {word}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
