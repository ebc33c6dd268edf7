"""F1: every key, drawn from the table of keys."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import theme
from sim.window.keys import KEYS, MORE
from sim.window.layout import Rect
from sim.window.ui import Ui


def draw(ui: Ui, size: tuple[int, int]) -> bool:
    """Draw the page instead of the room; True when it was closed."""
    rows = [(k.name, k.does) for k in KEYS] + list(MORE)
    width = min(size[0] - 40.0, 1000 * ui.scale)
    with ui.panel("help", Rect((size[0] - width) / 2, 20, width, size[1] - 40)):
        ui.text("Keys (all but B, N, C, O and V are also on the panels, for the mouse alone)", size=20, bold=True)
        ui.same(20)
        closed = ui.button("help.close", "Back to the room", "", "F1")
        imgui.spacing()
        half = (len(rows) + 1) // 2
        if imgui.begin_table("##keys", 4, imgui.TableFlags_.sizing_stretch_prop):
            for i in range(half):
                imgui.table_next_row()
                for key, does in rows[i::half]:
                    imgui.table_next_column()
                    ui.words(key, theme.ACCENT)
                    imgui.table_next_column()
                    ui.words(does)
            imgui.end_table()
    return closed
