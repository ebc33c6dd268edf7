"""The chooser: one row per scenario, and the mode. Also the sign that a patient is being made ready."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import theme
from sim.window.desk import Desk, ScenarioCard
from sim.window.layout import Rect
from sim.window.ui import Ui

MODES = ("practice", "assessment")


class Chooser:
    """Remembers what is picked."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.picked = 0
        self.mode = 0

    def draw(self, ui: Ui, size: tuple[int, int], error: str) -> bool:
        """Draw it; True when Begin was pressed."""
        width = min(size[0] - 40.0, 900 * ui.scale)
        begin = False
        with ui.panel("chooser", Rect((size[0] - width) / 2, 20, width, size[1] - 40), border=False):
            ui.text(self.desk.title, size=28, bold=True)
            ui.text("Choose a case. Nothing here is a real patient.", theme.DIM)
            imgui.spacing()
            wide = max((ui.text_width(c.title or c.id) for c in self.desk.scenarios), default=0.0) / ui.scale + 20
            for i, card in enumerate(self.desk.scenarios):
                self._row(ui, i, card, wide)
            if self.desk.scenarios:
                imgui.dummy(imgui.ImVec2(0, ui.px(4)))
                ui.words(self.desk.scenarios[self.picked].summary)
            imgui.dummy(imgui.ImVec2(0, ui.px(8)))
            chosen = ui.radio("chooser.mode", ("Practice: hints, fading skin", "Assessment: as in life"), self.mode)
            if chosen is not None:
                self.mode = chosen
            imgui.dummy(imgui.ImVec2(0, ui.px(8)))
            begin = ui.button("chooser.begin", "Begin", "", "Enter", 160, on=True, enabled=bool(self.desk.scenarios))
            if error:
                imgui.text_wrapped(error)
        return begin

    def _row(self, ui: Ui, index: int, card: ScenarioCard, wide: float) -> None:
        if ui.button(f"chooser.{index}", card.title or card.id, width=wide, on=index == self.picked):
            self.picked = index
        ui.same(10)
        ui.text(" ".join(filter(None, (card.side, card.level))), bold=True)
        ui.same(10)
        ui.text(", ".join(f.replace("_", " ") for f in (card.procedure, *card.tags) if f), theme.DIM)


def draw_waiting(ui: Ui, size: tuple[int, int], seconds: float) -> None:
    """Say that the patient is being made ready, and for how long already."""
    with ui.panel("waiting", Rect(size[0] / 2 - 260, size[1] / 2 - 60, 520, 120), scroll=False, border=False):
        ui.text("The patient is being brought in", size=22, bold=True)
        ui.text(f"anatomy and X-ray tables are being made: {seconds:.0f} s" + "." * (int(seconds * 2) % 4), theme.DIM)
        at = imgui.get_cursor_screen_pos()
        place = (seconds * 0.4) % 1.0
        draw_list = imgui.get_window_draw_list()
        draw_list.add_rect_filled(at, imgui.ImVec2(at.x + 480, at.y + 4), theme.packed(theme.LINE))
        draw_list.add_rect_filled(
            imgui.ImVec2(at.x + 400 * place, at.y), imgui.ImVec2(at.x + 400 * place + 80, at.y + 4), theme.packed(theme.ACCENT)
        )
