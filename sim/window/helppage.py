"""F1: every key, drawn from the table of keys."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import theme
from sim.window.keys import KEYS, MORE
from sim.window.layout import Rect
from sim.window.ui import Ui

_PANEL_FLAGS = imgui.TableFlags_.sizing_fixed_fit


def draw(ui: Ui, size: tuple[int, int]) -> bool:
    """Draw the page instead of the room; True when it was closed."""
    rows = [(k.name, k.does) for k in KEYS] + list(MORE)
    width = min(size[0] - 40.0, 1000 * ui.scale)
    with ui.panel("help", Rect((size[0] - width) / 2, 20, width, size[1] - 40)):
        ui.text("Keys (everything also works with the mouse alone)", size=20, bold=True)
        half = (len(rows) + 1) // 2
        imgui.columns(2, "##help.columns", False)
        for i, (key, does) in enumerate(rows):
            if i == half:
                imgui.next_column()
            imgui.push_style_color(imgui.Col_.text, theme.vec(theme.ACCENT))
            imgui.text_unformatted(key)
            imgui.pop_style_color()
            imgui.same_line((i >= half) * width / 2 + ui.px(150))
            imgui.push_text_wrap_pos((1 + (i >= half)) * width / 2 - ui.px(10))
            imgui.text_unformatted(does)
            imgui.pop_text_wrap_pos()
        imgui.columns(1)
        imgui.spacing()
        closed = ui.button("help.close", "Back to the room", "", "F1")
    return closed
