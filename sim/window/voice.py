"""Speech and log: what the trainee says, what patient, assistant and machine answer, time and dose."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.command import LEVELS, SIDES
from sim.window import decisions, drillpanel, theme
from sim.window.layout import Rect
from sim.window.theatre import Theatre
from sim.window.tutorial import Tutorial
from sim.window.ui import Ui
from sim.window.words import ASSISTANT, HINT, PATIENT

_COLOURS = {PATIENT: theme.ACCENT, HINT: theme.DIM}


def draw(theatre: Theatre, ui: Ui, rect: Rect, tutorial: Tutorial | None = None) -> None:
    """Draw speech buttons, the status line, what is next (guided mode, tutorial) and the log."""
    with ui.panel("voice", rect):
        if drillpanel.shown(theatre):
            drillpanel.draw(theatre, ui)
        else:
            _before(theatre, ui)
            _timeout(theatre, ui)
            decisions.draw(theatre, ui)
        _during(theatre, ui)
        _status(theatre, ui)
        _next(theatre, ui, tutorial)
        _log(theatre, ui)


def _done(theatre: Theatre, step: str) -> bool:
    return step in theatre.state.procedure.done


def _before(theatre: Theatre, ui: Ui) -> None:
    hands = theatre.hands
    if ui.button("voice.chart", "Chart", "Read chart, order and pictures", on=_done(theatre, "chart_reviewed")):
        theatre.show_chart()
    ui.same(4)
    if ui.button("voice.consent", "Consent", "Explain and take consent", on=_done(theatre, "consent_taken")):
        hands.send("consent.take")
    ui.same(4)
    if ui.button("voice.prep", "Prep skin", "Disinfect and drape", on=_done(theatre, "skin_prepped")):
        hands.send("prep.skin")
    ui.same(4)
    if ui.button("voice.pain", "Does that hurt?", "Ask the patient", "H"):
        hands.send("ask.pain")


def _timeout(theatre: Theatre, ui: Ui) -> None:
    chosen = ui.combo(
        "voice.timeout_level",
        LEVELS,
        theatre.timeout_level,
        58,
        "Level said in the time-out (the root: L4 leaves by the foramen L4-5)",
    )
    if chosen is not None:
        theatre.timeout_level = chosen
    ui.same(4)
    chosen = ui.combo("voice.timeout_side", SIDES, theatre.timeout_side, 74, "Side said in the time-out")
    if chosen is not None:
        theatre.timeout_side = chosen
    ui.same(4)
    ready = theatre.timeout_side >= 0
    tip = "Time-out: the team stops and confirms patient, procedure, level and side" if ready else "Choose level and side first"
    if ui.button("voice.timeout", "Call time-out", tip, on=_done(theatre, "timeout_called"), enabled=ready):
        theatre.hands.send("timeout.call", theatre.timeout_level, theatre.timeout_side)


def _during(theatre: Theatre, ui: Ui) -> None:
    chosen = ui.combo(
        "voice.declare_level",
        LEVELS,
        theatre.declare_level,
        58,
        "Level counted on the picture (the root: L4 leaves by the foramen L4-5)",
    )
    if chosen is not None:
        theatre.declare_level = chosen
    ui.same(4)
    if ui.button(
        "voice.declare", "Declare level", "Say which level you counted on the picture", on=_done(theatre, "level_declared")
    ):
        theatre.hands.send("level.declare", theatre.declare_level)
    ui.same(14)
    label = "Really finish?" if theatre.finish_armed else "Finish"
    if ui.button("voice.finish", label, "End the procedure and read the debrief (asks once more)", on=theatre.finish_armed):
        if theatre.finish_armed:
            theatre.hands.release_all()
            theatre.hands.send("finish")
        theatre.finish_armed = not theatre.finish_armed
    elif theatre.finish_armed and imgui.is_mouse_clicked(0) and not imgui.is_item_hovered():
        theatre.finish_armed = False


def clock(tick: int) -> str:
    """Return command time as minutes and seconds."""
    return f"{tick // 6000}:{tick // 100 % 60:02d}"


def _status(theatre: Theatre, ui: Ui) -> None:
    arm, patient = theatre.state.carm, theatre.state.patient
    imgui.separator()
    slow = "   SLOW MACHINE" if theatre.slow else ""
    ui.text(f"{clock(theatre.state.tick)}", bold=True)
    ui.record("voice.clock")
    ui.same(10)
    ui.text(
        f"X-rays {arm.beam_on_ms / 1000:.1f} s   DAP {arm.dap_pgy_m2 / 1e6:.2f} cGy cm2{slow}",
        theme.ACCENT if arm.beam else theme.TEXT,
    )
    ui.text(f"pulse {patient.heart_rate_bpm}   BP {patient.systolic_mmhg}   SpO2 {patient.spo2_percent} %", theme.DIM)


def _next(theatre: Theatre, ui: Ui, tutorial: Tutorial | None) -> None:
    """Say what the tutorial asks for, or the next step of the guided mode."""
    step = tutorial.step if tutorial else None
    if tutorial is not None and step is not None:
        ui.words(f"{tutorial.at + 1}/{len(tutorial.steps)}  {step.text}", theme.ACCENT)
        if ui.button("voice.skip_step", "Skip this", "Go on with the next step of the tutorial"):
            tutorial.at += 1
        ui.same(4)
        if ui.button("voice.end_tutorial", "End the tutorial"):
            tutorial.skipped = True
        return
    coming = theatre.coach.next if theatre.coach.guided else None
    if coming is not None:
        ui.words(f"Next: {coming.title}", theme.ACCENT)
        ui.record("voice.next")


def _log(theatre: Theatre, ui: Ui) -> None:
    size = imgui.get_content_region_avail()
    imgui.begin_child("##log", imgui.ImVec2(0, max(size.y, ui.px(90))))
    for line in theatre.log:
        imgui.push_style_color(imgui.Col_.text, theme.vec(theme.DIM))
        imgui.text_unformatted(clock(line.tick))
        imgui.pop_style_color()
        imgui.same_line(ui.px(40))
        ui.words(line.text if line.who == ASSISTANT else f"{line.who}: {line.text}", _COLOURS.get(line.who, theme.TEXT))
    if theatre.log_seen != theatre.new_lines:
        imgui.set_scroll_here_y(1.0)
        theatre.log_seen = theatre.new_lines
    imgui.end_child()
    ui.record("voice.log")
