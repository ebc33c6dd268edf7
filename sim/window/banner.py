"""The banner: who lies here, which SIDE and LEVEL, the mode, and the rail of phases."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.procedure import PHASES
from sim.window import theme
from sim.window.layout import Rect
from sim.window.theatre import Theatre
from sim.window.ui import Ui

PANELS_NOTE = "keys: panels (Esc)"
_LABELS = {"timeout": "Time-out", "done": "Done"}


def draw(theatre: Theatre, ui: Ui, rect: Rect, panels_have_keys: bool, hands_note: str) -> None:
    """Draw the banner."""
    plan = theatre.study.plan
    with ui.panel("banner", rect, scroll=False):
        top = imgui.get_cursor_pos_y()
        site = f"{plan.side.upper()}  {' '.join(goal.level for goal in plan.goals)}" if plan.drill is None else "DRILL"
        ui.text(site, theme.ACCENT, 30, bold=True)
        ui.record("banner.site")
        ui.tip("Side and level(s) on the order; check them with the chart and the picture")
        left = imgui.get_item_rect_max().x - rect.x + ui.px(14)
        _patient(theatre, ui, left, top)
        _mode(theatre, ui, rect, top, panels_have_keys, hands_note)
        _rail(theatre, ui, rect, left + ui.text_width(_person(theatre)) + ui.px(30), hands_note)


def _patient(theatre: Theatre, ui: Ui, left: float, top: float) -> None:
    card = theatre.attempt.patient
    imgui.set_cursor_pos(imgui.ImVec2(left, top - ui.px(3)))
    ui.text(card.name, bold=True)
    ui.same(10, wrap=False)
    ui.text(_facts(theatre), theme.DIM)
    imgui.set_cursor_pos(imgui.ImVec2(left, top + ui.px(15)))
    ui.text(f"Allergies: {card.allergies}")


def _facts(theatre: Theatre) -> str:
    card = theatre.attempt.patient
    facts = [f"{card.age_years} y" if card.age_years else "", card.sex, f"{card.weight_kg:.0f} kg" if card.weight_kg else ""]
    return ", ".join(f for f in facts if f)


def _person(theatre: Theatre) -> str:
    card = theatre.attempt.patient
    return max(f"{card.name}  {_facts(theatre)}", f"Allergies: {card.allergies}", key=len)


def mode_word(theatre: Theatre) -> str:
    """Return the mode as it always stands in the banner."""
    if not theatre.practice:
        return "ASSESSMENT"
    return "PAUSED" if theatre.coach.paused else "GUIDED" if theatre.coach.guided else "PRACTICE"


def _mode(theatre: Theatre, ui: Ui, rect: Rect, top: float, panels_have_keys: bool, hands_note: str) -> None:
    text = mode_word(theatre)
    note = PANELS_NOTE if panels_have_keys else hands_note
    width = ui.text_width(hands_note)
    imgui.set_cursor_pos(imgui.ImVec2(rect.w - width - ui.px(10), top - ui.px(3)))
    ui.text(text, theme.ACCENT if not theatre.practice or theatre.coach.paused else theme.TEXT, bold=True)
    ui.record("banner.mode")
    ui.same(10, wrap=False)
    if ui.button("banner.help", "?", "Keys and how this works", "F1"):
        theatre.help_open = not theatre.help_open
    imgui.set_cursor_pos(imgui.ImVec2(rect.w - width - ui.px(10), top + ui.px(15)))
    ui.text(note, theme.ACCENT if panels_have_keys else theme.DIM)


def _rail(theatre: Theatre, ui: Ui, rect: Rect, left: float, hands_note: str) -> None:
    """Draw the phases from left to right: the present one has the bar and the accent, the past ones are bright.

    Where they do not fit, only the present one is named with its number.
    """
    labels = [_LABELS.get(p, p.capitalize()) for p in PHASES]
    now = PHASES.index(theatre.state.procedure.phase)
    gap, right = ui.px(9), ui.text_width(hands_note) + ui.px(26)
    widths = [ui.text_width(label) for label in labels]
    start = rect.x + rect.w - right - sum(widths) - gap * (len(widths) - 1)
    y = rect.y + ui.px(17)
    draw_list = imgui.get_window_draw_list()
    if start < rect.x + left:
        text = f"{now + 1}/{len(labels)} {labels[now]}"
        x = rect.x + rect.w - right - ui.text_width(text) - gap
        draw_list.add_text(imgui.ImVec2(x, y), theme.packed(theme.ACCENT), text)
        ui.rects[f"phase.{PHASES[now]}"] = Rect(x, y, ui.text_width(text), ui.px(22))
        return
    x = start
    for i, (label, width) in enumerate(zip(labels, widths, strict=True)):
        colour = theme.ACCENT if i == now else theme.TEXT if i < now else theme.DIM
        draw_list.add_text(imgui.ImVec2(x, y), theme.packed(colour), label)
        bar = theme.packed(theme.ACCENT if i == now else theme.DIM if i < now else theme.LINE)
        thick = ui.px(4 if i == now else 2)
        draw_list.add_rect_filled(imgui.ImVec2(x, y + ui.px(18)), imgui.ImVec2(x + width, y + ui.px(18) + thick), bar)
        ui.rects[f"phase.{PHASES[i]}"] = Rect(x, y, width, ui.px(22))
        x += width + gap
