"""The picture's own controls: a button of the console opens them beside it. None needs X-rays, none reaches the core."""

from __future__ import annotations

from dataclasses import replace

from imgui_bundle import imgui

from sim.display import LIMITS, Display
from sim.window import theme
from sim.window.hands import IRISES
from sim.window.layout import GAP, Rect
from sim.window.theatre import Theatre
from sim.window.ui import Ui
from sim.window.words import ASSISTANT

LABEL, WIDE, STEP_DEG = 70, 265, 10
ROUND_PERMILLE = 1000
"""Radius of the round field over half of the square one."""
_NAME = "picture controls"
_SLIDERS = (
    ("brightness", "Level", "%+.0f", "Brighter or darker"),
    ("contrast", "Window", "%.0f %%", "Narrow window: more contrast"),
    ("edges", "Edges", "%.0f %%", "Edge enhancement"),
    ("smooth", "Noise", "%.0f", "Noise reduction within a picture: rounds of a median"),
    ("average", "Average", "%.0f pictures", "Noise reduction over live pictures; what moves leaves a trail"),
)


def draw(theatre: Theatre, ui: Ui, beside: Rect) -> None:
    """Draw the button, and the controls to the right of the console while they are open."""
    changed = theatre.display != Display()
    if ui.button("console.picture", "Image", "Rotate, flip, window, edges, noise, pixel shift, laser", on=changed):
        imgui.open_popup(_NAME)
    low = imgui.ImVec2(beside.x + beside.w + GAP, beside.y + beside.h)
    imgui.set_next_window_pos(low, imgui.Cond_.always, imgui.ImVec2(0.0, 1.0))  # its lower left corner
    if not imgui.begin_popup(_NAME):
        return
    try:
        _turns(theatre, ui)
        _grey(theatre, ui)
        _tools(theatre, ui)
        _runs(theatre, ui)
    finally:
        imgui.end_popup()


def _turns(theatre: Theatre, ui: Ui) -> None:
    show = theatre.display
    ui.label("Turn", LABEL)
    for name, label, by in (("left", "< 10", -STEP_DEG), ("right", "10 >", STEP_DEG), ("half", "180", 180)):
        if ui.button(f"picture.{name}", label, f"Rotate the picture by {by} degrees"):
            theatre.display = replace(show, turn_deg=(show.turn_deg + by) % 360)
        ui.same(3)
    if ui.button("picture.mirror", "L-R", "Mirror left and right; the side letters go with it", on=show.mirrored):
        theatre.display = replace(show, mirrored=not show.mirrored)
    ui.same(3)
    if ui.button("picture.upend", "Up-down", "Mirror top and bottom", on=show.upended):
        theatre.display = replace(show, upended=not show.upended)
    ui.same(6)
    ui.text(f"{show.turn_deg} deg", theme.DIM)


def _grey(theatre: Theatre, ui: Ui) -> None:
    for name, label, text, tip in _SLIDERS:
        ui.label(label, LABEL)
        new = ui.slider(f"picture.{name}", getattr(theatre.display, name), *LIMITS[name], text, WIDE, tip)
        if new is not None:
            low, high = LIMITS[name]
            theatre.display = replace(theatre.display, **{name: min(max(round(new), low), high)})


def _tools(theatre: Theatre, ui: Ui) -> None:
    if ui.button("picture.invert", "Invert", "Bones white", on=theatre.display.invert):
        theatre.display = replace(theatre.display, invert=not theatre.display.invert)
    ui.same(3)
    if ui.button("picture.reset", "Reset", "As the machine shows it by itself"):
        theatre.display = Display()
    ui.same(3)
    if ui.button("picture.shift", "Pixel shift", "Fit the mask of the last DSA run to its last picture (the patient moved)"):
        pixel_shift(theatre)
    ui.same(3)
    tip = "Laser of the detector: a red point where the central beam meets the skin (room view)"
    if ui.button("picture.laser", "Laser", tip, on=theatre.laser_on):
        theatre.laser_on = not theatre.laser_on
    ui.same(3)
    if ui.button("picture.to_laser", "Marker there", "Put the skin marker under the laser", enabled=theatre.laser_on):
        marker_to_laser(theatre)


def _runs(theatre: Theatre, ui: Ui) -> None:
    """Draw what keys do with runs and beam, for those who work with the mouse."""
    hands, arm = theatre.hands, theatre.state.carm
    rows = (
        ("again", "Run again", "The last run in a loop", "C", theatre.cine.playing, theatre.replay),
        ("peak", "Peak", "Peak opacification of the last DSA run", "O", False, theatre.show_peak),
        ("road", "Road map", "Live X-rays over the vessels of the last DSA run", "V", theatre.road_map, theatre.toggle_road),
        ("boost", "Boost", "High-level X-rays: twice the dose", "B", bool(arm.boost), hands.boost),
        ("iris", "Iris", "Next smaller round field, then wide open", "N", arm.iris_permille < 1420, hands.next_iris),
    )
    for i, (name, label, tip, key, on, act) in enumerate(rows):
        if i:
            ui.same(3)
        if ui.button(f"picture.{name}", label, tip, key, on=on):
            act()
    ui.same(3)
    tip = "An image intensifier instead of the flat panel: round field, veiling glare, softer"
    if ui.button("picture.intensifier", "Intensifier", tip, on=theatre.intensifier):
        change_receptor(theatre)


def change_receptor(theatre: Theatre) -> None:
    """Put the other receptor behind the patient; an intensifier's round field is also that of the iris: dose and field agree."""
    theatre.intensifier = not theatre.intensifier
    if theatre.intensifier and theatre.state.carm.iris_permille > ROUND_PERMILLE:
        theatre.hands.iris(ROUND_PERMILLE)
    elif not theatre.intensifier and theatre.state.carm.iris_permille == ROUND_PERMILLE:
        theatre.hands.iris(IRISES[0])


def pixel_shift(theatre: Theatre) -> None:
    """Ask for the last picture of the subtraction run again, its mask moved to where the patient lies now."""
    if theatre.live is None or theatre.live.notes.get("mode") not in ("dsa", "peak", "shift") or theatre.state.carm.beam:
        theatre.say(ASSISTANT, "Pixel shift is made from a subtraction run: hold DSA first, then let go.")
        return
    theatre.maker.ask(theatre.live.view, {**theatre.live.notes, "mode": "shift"})


def marker_to_laser(theatre: Theatre) -> None:
    """Put the skin marker where the laser meets the back."""
    spot = theatre.laser_mm()
    if spot is None:
        theatre.say(ASSISTANT, "The laser does not meet the back from here: turn the C-arm towards AP.")
        return
    theatre.marker_on = True
    theatre.put_marker(float(spot[0]), float(spot[2]))
