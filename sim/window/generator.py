"""The radiofrequency generator: rows of the tray that take the place of the syringe in procedures that heat."""

from __future__ import annotations

from sim.session import TICKS_PER_SECOND
from sim.window import theme
from sim.window.theatre import Theatre
from sim.window.ui import Ui

LABEL = 57
LESIONS = ((80, 90), (80, 120), (90, 90))
"""Set temperatures (C) and times (s) that a button offers."""


def shown(theatre: Theatre) -> bool:
    """Tell whether this procedure heats: its approach begins with "rf"."""
    return theatre.study.plan.approach.startswith("rf")


def draw(theatre: Theatre, ui: Ui) -> None:
    """Draw the three rows."""
    _electrode(theatre, ui)
    _stimulation(theatre, ui)
    _lesion(theatre, ui)


def _electrode(theatre: Theatre, ui: Ui) -> None:
    ui.label("Probe", LABEL)
    heat, rows = theatre.state.heat, theatre.study.toolbox.electrodes
    chosen = ui.combo("generator.electrode", [row.name for row in rows], heat.electrode, 190, "Put a probe into the cannula")
    if chosen is not None:
        theatre.hands.send("rf.connect", chosen)
    ui.same(4)
    if ui.button("generator.disconnect", "Take out", "Take the probe out", enabled=heat.electrode >= 0):
        theatre.hands.send("rf.disconnect")


def _stimulation(theatre: Theatre, ui: Ui) -> None:
    ui.label("Test", LABEL)
    ready = theatre.state.heat.electrode >= 0 and not theatre.state.heat.heating
    for hertz, name in ((50, "Sensory"), (2, "Motor")):
        if hertz == 2:
            ui.same(10)
        ui.text(f"{hertz} Hz mA", theme.DIM)
        for tenths in (3, 5, 10, 20):
            ui.same(3)
            tip = f"{name} stimulation, {hertz} Hz, {tenths / 10:g} mA"
            if ui.button(f"generator.stimulate_{hertz}_{tenths}", f"{tenths / 10:g}", tip, enabled=ready):
                theatre.hands.send("rf.stimulate", hertz, 100 * tenths)


def _lesion(theatre: Theatre, ui: Ui) -> None:
    ui.label("Lesion", LABEL)
    heat = theatre.state.heat
    for celsius, seconds in LESIONS:
        tip = f"Heat to {celsius} C for {seconds} s"
        ready = heat.electrode >= 0 and not heat.heating
        if ui.button(f"generator.lesion_{celsius}_{seconds}", f"{celsius} C {seconds} s", tip, enabled=ready):
            theatre.hands.send("rf.lesion", 1000 * celsius, 1000 * seconds)
        ui.same(3)
    if ui.button("generator.stop", "Stop", "Stop heating", enabled=heat.heating, on=heat.heating):
        theatre.hands.send("rf.stop")
    ui.same(6)
    ui.text(f"{heat.temperature_mc / 1000:.0f} C {heat.held_ticks // TICKS_PER_SECOND} s" if heat.heating else "cold", theme.DIM)
