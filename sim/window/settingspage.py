"""What can be set once for every attempt: size of text, sound. The controls have a page of their own (F1)."""

from __future__ import annotations

from sim.window import theme
from sim.window.layout import Rect
from sim.window.settings import Settings
from sim.window.ui import Ui

SCALES = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
ROW = 130


def draw(ui: Ui, size: tuple[int, int], settings: Settings) -> str:
    """Draw the page; return "close", "controls", "sound", "forget", a size of text as "1.5", or ""."""
    width = min(size[0] - 30.0, 900 * ui.scale)
    answer = ""
    with ui.panel("settings", Rect((size[0] - width) / 2, 10, width, size[1] - 20), border=False):
        ui.text("Settings", size=24, bold=True)
        ui.same(16)
        if ui.button("settings.close", "Back to the gallery", "", "Esc"):
            answer = "close"
        ui.label("Text", ROW)
        nearest = min(range(len(SCALES)), key=lambda i: abs(SCALES[i] - ui.scale))
        chosen = ui.radio("settings.text", tuple(f"{100 * s:.0f} %" for s in SCALES), nearest, "Everywhere: Ctrl and + or -")
        answer = answer if chosen is None else str(SCALES[chosen])
        ui.label("Sound", ROW)
        if ui.button("settings.sound", "on" if settings.sound else "off", "Tick of the pulses, tone of the resistance"):
            answer = "sound"
        ui.words("Every sound is also seen: X-RAYS ON and the lamp for the tick, the touch trace for the tone.", theme.DIM)
        ui.label("Controls", ROW)
        if ui.button("settings.controls", "Keys, gamepad, 3D mouse", "See and change every control", "F1"):
            answer = "controls"
        ui.label("Tutorial", ROW)
        if ui.button("settings.forget", "Offer it again", "As on the first visit", enabled=settings.tutorial_seen):
            answer = "forget"
        ui.words("Size of the window, text, skin and sound are remembered.", theme.DIM)
    return answer
