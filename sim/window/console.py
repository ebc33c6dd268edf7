"""The C-arm console: named views, angles, slides, collimator, magnification, pulses, pedal and store."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import display_controls, theme
from sim.window.hands import PULSE_RATES
from sim.window.layout import Rect
from sim.window.theatre import Theatre
from sim.window.ui import Ui

LABEL, ROWS = 57, 8
_SWIVEL = "The whole C about the vertical; + moves its part on the patient's left towards the head"
_VIEWS = (
    ("ap", "AP", "AP: orbital 0, tilt 0"),
    ("oblique_left", "Obl L", "Oblique to the patient's left by the set angle; the tilt stays"),
    ("oblique_right", "Obl R", "Oblique to the patient's right by the set angle; the tilt stays"),
    ("lateral_left", "Lat L", "Lateral, detector on the patient's left (orbital +90, tilt 0)"),
    ("lateral_right", "Lat R", "Lateral, detector on the patient's right (orbital -90, tilt 0)"),
)


def draw(theatre: Theatre, ui: Ui, rect: Rect) -> None:
    """Draw the console."""
    with ui.panel("console", rect), ui.spread(rect, ROWS):
        wide = (imgui.get_content_region_avail().x) / ui.scale
        _xrays(theatre, ui, wide)
        _views(theatre, ui, wide)
        _angles(theatre, ui, wide)
        _slides(theatre, ui)
        _field(theatre, ui, wide)
        _technique(theatre, ui)
        ui.same(6)
        display_controls.draw(theatre, ui, rect)


def _views(theatre: Theatre, ui: Ui, wide: float) -> None:
    ui.label("View", LABEL)
    for name, label, tip in _VIEWS:
        if ui.button(f"console.{name}", label, tip):
            theatre.hands.named_view(name)
        ui.same(4)
    new = ui.slider(
        "console.oblique", theatre.hands.oblique_deg, 5, 60, "%.0f deg", max(70, wide - 310), "Angle of the oblique views"
    )
    if new is not None:
        theatre.hands.oblique_deg = round(new)


def _angles(theatre: Theatre, ui: Ui, wide: float) -> None:
    arm = theatre.state.carm
    asked = (*theatre.hands.angles_mdeg(), theatre.hands.swivel_mdeg())
    rows = (
        (
            "orbital",
            "Orbital",
            0,
            arm.primary_mdeg,
            ("left", "right"),
            110,
            "Turn round the patient; + to the patient's left",
            "arrows",
        ),
        ("tilt", "Tilt", 1, arm.secondary_mdeg, ("head", "feet"), 45, "Tilt; + towards the head", "arrows up/down"),
        ("swivel", "Swivel", 2, arm.swivel_mdeg, ("left", "right"), 10, _SWIVEL, "Ctrl+PgUp/PgDn"),
    )
    for name, label, axis, now, sides, limit, tip, key in rows:
        ui.label(label, LABEL)
        new = ui.slider(f"console.{name}", asked[axis] / 1000, -limit, limit, "%+.0f deg", max(110, wide - 215), tip, key)
        if new is not None:
            _turn_to(theatre, axis, round(new))
        for sign, text in ((-1, "-1"), (1, "+1")):
            ui.same(4)
            if ui.button(f"console.{name}{text}", text, "One degree", f"Shift+{key}"):
                _turn_to(theatre, axis, asked[axis] / 1000 + sign)
        ui.same(7)
        side = "" if abs(now) < 50 else sides[0] if now > 0 else sides[1]
        ui.text(f"{abs(now) / 1000:.1f} {side}")


def _turn_to(theatre: Theatre, axis: int, degrees: float) -> None:
    if axis == 2:
        theatre.hands.swivel(to_deg=degrees)
    else:
        theatre.hands.turn_to(*(degrees, None) if axis == 0 else (None, degrees))


def _slides(theatre: Theatre, ui: Ui) -> None:
    ui.label("Slide", LABEL)
    x, y, z = (v / 1000 for v in theatre.hands.centre_um())
    rows = (
        ("x", "across", x, "10 mm to the patient's right or left", "Ctrl+left/right"),
        ("z", "along", z, "10 mm towards feet or head", "Ctrl+up/down"),
        ("y", "up", y, "Lower or lift by 10 mm", "PgDn/PgUp"),
    )
    for i, (axis, label, value, tip, key) in enumerate(rows):
        if i:
            ui.same(7)
        if ui.button(f"console.slide_{axis}-", "-", tip, key, width=20):
            theatre.hands.slide(**{f"{axis}_mm": -10.0})
        ui.same(3)
        if ui.button(f"console.slide_{axis}+", "+", tip, key, width=20):
            theatre.hands.slide(**{f"{axis}_mm": 10.0})
        ui.same(3)
        ui.text(f"{label} {value + 0.0:+.0f}" + (" mm" if i == 2 else ""))


def _field(theatre: Theatre, ui: Ui, wide: float) -> None:
    ui.label("Field", LABEL)
    width, height = theatre.hands.field_permille()
    each = max(110, (wide - LABEL - 66) / 2)
    new = ui.slider("console.width", width / 10, 10, 100, "width %.0f %%", each, "Collimator: less field, less dose and scatter")
    if new is not None:
        theatre.hands.collimate(round(new) * 10, height)
    ui.same(4)
    new = ui.slider(
        "console.height", height / 10, 10, 100, "height %.0f %%", each, "Collimator: less field, less dose and scatter"
    )
    if new is not None:
        theatre.hands.collimate(width, round(new) * 10)
    ui.same(4)
    if ui.button("console.open", "Open", "Shutters and iris fully open"):
        theatre.hands.collimate(1000, 1000)
        theatre.hands.iris(1500)


def _technique(theatre: Theatre, ui: Ui) -> None:
    arm = theatre.state.carm
    sizes = theatre.study.toolbox.carm.detector_mm
    ui.label("Mag", LABEL)
    chosen = ui.radio(
        "console.mag", [f"{s / 10:.0f} cm" for s in sizes], arm.magnification, "Magnification: smaller field, more dose"
    )
    if chosen is not None:
        theatre.hands.magnify(chosen)
    ui.same(14)
    ui.text("Pulses/s", theme.DIM)
    ui.same()
    index = PULSE_RATES.index(arm.pulses_per_10s) if arm.pulses_per_10s in PULSE_RATES else -1
    chosen = ui.combo("console.rate", [f"{p / 10:g}" for p in PULSE_RATES], index, 60, "Pulses per second of live X-rays")
    if chosen is not None:
        theatre.hands.pulse_rate(PULSE_RATES[chosen])


def _xrays(theatre: Theatre, ui: Ui, wide: float) -> None:
    hands = theatre.hands
    gap = 4.0
    each = max(52, (wide - 4 * gap) / 5.6 - 0.2)
    down = ui.hold("console.pedal", "PEDAL (hold)", "pedal" in hands.holding, "Live X-rays while held", "Space", each * 1.6)
    if down is not None:
        hands.hold("pedal", down)
    ui.same(gap)
    if ui.button("console.shot", "Single", "One picture", "S", each):
        hands.shot()
    ui.same(gap)
    down = ui.hold("console.dsa", "DSA", "dsa" in hands.holding, "Subtraction run while held", "D", each)
    if down is not None:
        hands.hold("dsa", down)
    ui.same(gap)
    if ui.button("console.store", "Store", "Keep this picture on the reference monitor", "Enter", each):
        hands.store()
    ui.same(gap)
    if ui.button("console.swap", "Swap", "Swap the two monitors", "Backspace", each, on=theatre.swapped):
        theatre.swapped = not theatre.swapped
