"""The curriculum map: a row for every procedure, its stages from left to right, learned, open or for later. Practice only."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import theme
from sim.window.desk import Progress, Stage
from sim.window.layout import Rect
from sim.window.ui import Ui

SIGNS = {"learned": "learned", "open": "open", "later": "later"}
NOTE = "Any case can be started at any time; a stage opens when the ones before it are learned. Haste earns nothing."


def draw(ui: Ui, size: tuple[int, int], progress: Progress) -> int | str:
    """Draw the page; return the number of the stage that was chosen, "close", or ""."""
    width = min(size[0] - 30.0, 1560 * ui.scale)
    answer: int | str = ""
    with ui.panel("map", Rect((size[0] - width) / 2, 10, width, size[1] - 20), border=False):
        ui.text("From drills to hard cases", size=24, bold=True)
        ui.same(16)
        if ui.button("map.close", "Back to the gallery", "", "Esc"):
            answer = "close"
        ui.words(NOTE, theme.DIM)
        for line in progress.lines:
            ui.words(line, theme.TEXT)
        lane = None
        for i, stage in enumerate(progress.stages):
            first, lane = stage.lane != lane, stage.lane
            if _box(ui, i, stage, first):
                answer = i
        _missing(ui, progress)
    return answer


def _box(ui: Ui, index: int, stage: Stage, first: bool) -> bool:
    """Draw a stage; the first of its row begins a new one."""
    if first:
        imgui.dummy(imgui.ImVec2(0, ui.px(6)))
    else:
        ui.same(6)
        ui.text(">", theme.DIM)
        ui.same(6)
    count = "" if stage.state == "learned" else f", {stage.safe} of {stage.needed}"
    label = f"{stage.title}: {SIGNS[stage.state]}{count}"
    return ui.button(f"map.{index}", label, stage.why, on=stage.state == "open")


def _missing(ui: Ui, progress: Progress) -> None:
    """Say what the open stages still want."""
    imgui.dummy(imgui.ImVec2(0, ui.px(10)))
    for stage in progress.stages:
        if stage.state == "open" and stage.missing:
            ui.words(f"{stage.title}: {stage.missing}.  {stage.why}", theme.TEXT)
