"""The menu on the screen, in place of the room view: numbered rows, one of them lit."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import theme
from sim.window.controls import Controls
from sim.window.layout import Rect
from sim.window.theatre import Theatre
from sim.window.ui import Ui


def draw(theatre: Theatre, ui: Ui, rect: Rect, controls: Controls, pad: bool) -> None:
    """Draw the menu; a click on a row chooses it."""
    menu = theatre.menu
    with ui.panel("room", rect):
        ui.text(menu.title, theme.ACCENT, bold=True)
        ui.same(10)
        how = "cross, A, B" if pad else "arrows, Enter, Esc or numbers"
        ui.text(how, theme.DIM)
        chosen = None
        if imgui.begin_table("##menu", 2 if len(menu.rows) > 6 else 1):
            for i, row in enumerate(menu.rows):
                imgui.table_next_column()
                number = f"{i + 1}  " if i < 9 else "    "
                more = "  >" if row.rows is not None else ""
                if ui.button(f"menu.{i}", f"{number}{row.label}{more}", on=i == menu.at):
                    chosen = i
                if i == menu.at:
                    imgui.set_scroll_here_y(0.5)
            imgui.end_table()
        if chosen is not None:
            menu.choose(chosen)
