"""A drill's rows in the panel of speech: what is asked and how to answer, in the place of the procedure's steps."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import decide, theme
from sim.window.theatre import Theatre
from sim.window.ui import Ui


def shown(theatre: Theatre) -> bool:
    """Return True while this attempt is a drill."""
    return theatre.study.plan.drill is not None


def draw(theatre: Theatre, ui: Ui) -> None:
    """Draw the question and its answer."""
    drill, number, item = theatre.study.plan.drill, theatre.state.drill.answered, decide.question(theatre)
    if drill is None:
        return
    if item is None:
        ui.text("Every question is answered: finish the drill.", theme.ACCENT)
        return
    imgui.push_text_wrap_pos(0.0)
    imgui.text_unformatted(f"{number + 1}/{len(drill.items)}  {item.prompt}")
    imgui.pop_text_wrap_pos()
    ui.record("drill.prompt")
    if item.kind == "choose":
        _choices(theatre, ui, len(item.choices))
    elif item.kind == "point":
        _point(theatre, ui)
    else:
        words = "Answer: the tip is there" if item.kind == "needle" else "Answer with the last picture"
        if ui.button("drill.answer", words, "This is my answer to the question above"):
            decide.answer(theatre)


def _choices(theatre: Theatre, ui: Ui, count: int) -> None:
    for choice in range(count):
        if ui.button(f"drill.choice{choice}", chr(ord("A") + choice), "This one"):
            theatre.hands.send("drill.choose", choice)
        ui.same(4)
    ui.text("")


def _point(theatre: Theatre, ui: Ui) -> None:
    """Answer with the cross: click on the live picture first."""
    there = theatre.aim is not None
    tip = "Answer with the cross on the picture" if there else "Click on the live picture, then answer with the cross"
    if ui.button("drill.point", "Answer with the cross", tip, enabled=there):
        decide.answer(theatre)
