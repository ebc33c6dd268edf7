"""What the hand feels: a trace and a bar of relative resistance, the depth, and in practice the layer's name."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.phantom import Tissue
from sim.window import theme
from sim.window.layout import Rect
from sim.window.monitors import wheel
from sim.window.theatre import Theatre
from sim.window.ui import Ui

FULL_SCALE_N = 6.0
"""Hand force shown as a full bar; only the relative height means anything to the trainee."""


def draw(theatre: Theatre, ui: Ui, rect: Rect) -> None:
    """Draw the touch panel."""
    needle = theatre.state.needle
    with ui.panel("touch", rect, scroll=False):
        ui.text("Touch", theme.DIM)
        ui.same(10)
        ui.text(_depth(theatre) if needle.placed else "no needle in the skin", bold=needle.placed)
        if theatre.practice and needle.placed:
            ui.same(10)
            ui.text(Tissue(needle.tissue).name.replace("_", " ").lower(), theme.DIM)
        imgui.same_line(rect.w - ui.text_width("Sound off") - ui.px(24))
        if ui.button(
            "touch.sound", "Sound on" if theatre.sound_on else "Sound off", "Tone of the layer and tick of the pulses", on=False
        ):
            theatre.sound_on = not theatre.sound_on
        _trace(theatre, ui, rect)
        if imgui.is_window_hovered():
            wheel(theatre)


def _depth(theatre: Theatre) -> str:
    """Return the depth; of a bone needle also what is left of it outside the skin."""
    needle = theatre.state.needle
    tool = theatre.study.toolbox.needles[needle.needle]
    text = f"depth {needle.depth_mm:.1f} mm"
    return f"{text}, {tool.length_mm - needle.depth_mm:.0f} left" if tool.bores else text


def relative(force_n: float) -> float:
    """Return the shown share (0..1) of a force."""
    return min(1.0, max(0.0, force_n / FULL_SCALE_N)) ** 0.6


def _trace(theatre: Theatre, ui: Ui, rect: Rect) -> None:
    at = imgui.get_cursor_screen_pos()
    low_x, low_y = at.x, at.y
    high_x, high_y = rect.x + rect.w - ui.px(8), rect.y + rect.h - ui.px(7)
    bar = ui.px(22)
    draw_list = imgui.get_window_draw_list()
    draw_list.add_rect(imgui.ImVec2(low_x, low_y), imgui.ImVec2(high_x - bar - ui.px(6), high_y), theme.packed(theme.LINE))
    width, height = high_x - bar - ui.px(6) - low_x, high_y - low_y - 4
    count = len(theatre.trace) - 1
    points = [
        imgui.ImVec2(low_x + width * i / count, high_y - 2 - height * relative(force)) for i, force in enumerate(theatre.trace)
    ]
    draw_list.add_polyline(points, theme.packed(theme.TEXT), ui.px(1.5), 0)
    draw_list.add_rect(imgui.ImVec2(high_x - bar, low_y), imgui.ImVec2(high_x, high_y), theme.packed(theme.LINE))
    top = high_y - 2 - height * relative(theatre.state.needle.force_n)
    draw_list.add_rect_filled(
        imgui.ImVec2(high_x - bar + 2, top), imgui.ImVec2(high_x - 2, high_y - 2), theme.packed(theme.ACCENT)
    )
    ui.rects["touch.bar"] = Rect(high_x - bar, low_y, bar, high_y - low_y)
