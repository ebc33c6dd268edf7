"""The tray: needle, where it goes, how it is held and moved, stylet, syringe and plunger."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import generator, theme, tray_cement, tray_lead
from sim.window.layout import Rect
from sim.window.theatre import Theatre
from sim.window.ui import Ui
from sim.window.words import degrees

LABEL, ROWS = 57, 7


def draw(theatre: Theatre, ui: Ui, rect: Rect) -> None:
    """Draw the tray."""
    with ui.panel("tray", rect), ui.spread(rect, ROWS):
        wide = imgui.get_content_region_avail().x / ui.scale
        _needle(theatre, ui, wide)
        if tray_lead.wanted(theatre):
            tray_lead.draw(theatre, ui, wide)
            _advance(theatre, ui)
        else:
            _place(theatre, ui)
            _advance(theatre, ui)
            if on_bone(theatre):
                _drive(theatre, ui)
            else:
                _tilt(theatre, ui)
        if tray_cement.wanted(theatre):
            tray_cement.draw(theatre, ui, wide)
        elif generator.shown(theatre):
            generator.draw(theatre, ui)
        else:
            _syringe(theatre, ui, wide)
            _volume(theatre, ui, wide)
            _plunger(theatre, ui)


def pretty(name: str) -> str:
    """Return a tool's name as words."""
    return name.replace("_", " ")


def _needle(theatre: Theatre, ui: Ui, wide: float) -> None:
    ui.label("Needle", LABEL)
    rows = theatre.study.toolbox.needles
    names = [pretty(n.name) for n in rows]
    chosen = ui.combo(
        "tray.needle", names, theatre.state.needle.needle, max(150, wide - LABEL - 82), "Take a needle (Ctrl+1 to 9)"
    )
    if chosen is not None:
        theatre.hands.choose_needle(chosen)
    ui.same(4)
    inserted = theatre.state.needle.stylet
    if ui.button(
        "tray.stylet", "Stylet in" if inserted else "Stylet out", "Take the stylet out or put it back", "T", on=not inserted
    ):
        theatre.hands.stylet()


def _place(theatre: Theatre, ui: Ui) -> None:
    ui.label("Place", LABEL)
    if ui.button(
        "tray.in_line", "In line with beam", "Needle on the skin along the beam through the point clicked on the picture", "P"
    ):
        theatre.place_in_line()
    ui.same(4)
    if ui.button(
        "tray.marker",
        "Marker",
        "Skin marker on or off; push it with I J K L or click on the skin in the room view",
        "M",
        on=theatre.marker_on,
    ):
        theatre.marker_on = not theatre.marker_on
    ui.same(4)
    if ui.button("tray.at_marker", "At marker", "Needle on the skin at the marker, held as it is now", enabled=theatre.marker_on):
        theatre.hands.place_at(float(theatre.marker_mm[0]), float(theatre.marker_mm[2]))
        theatre.marker_on = False
    ui.same(4)
    if ui.button("tray.remove", "Remove", "Take the needle out", enabled=theatre.state.needle.placed):
        theatre.hands.remove()


def _advance(theatre: Theatre, ui: Ui) -> None:
    ui.label("Shaft", LABEL)
    on = theatre.state.needle.placed
    for name, text, mm in (("-5", "-5", -5.0), ("-1", "-1", -1.0), ("+0.2", "+0.2", 0.2), ("+1", "+1", 1.0), ("+5", "+5", 5.0)):
        key = "W" if mm > 0 else "Q"
        if ui.button(f"tray.move{name}", text, f"{'Advance' if mm > 0 else 'Withdraw'} {abs(mm):g} mm", key, enabled=on):
            theatre.hands.move(mm)
        ui.same(3)
    ui.text(f"{theatre.state.needle.depth_mm:.1f} mm")
    ui.same(8)
    ui.text("Bevel", theme.DIM)
    for name, text, deg, key in (("left", "<", -30.0, "E"), ("right", ">", 30.0, "R")):
        ui.same(4)
        if ui.button(f"tray.bevel_{name}", text, "Turn the bevel 30 degrees", key, enabled=on):
            theatre.hands.turn_bevel(deg)
    ui.same(4)
    ui.text(f"{theatre.state.needle.roll_mdeg // 1000 % 360}")


def on_bone(theatre: Theatre) -> bool:
    """Return True while mallet and drill can drive the needle: a bone needle with its tip on or in bone."""
    me, rows = theatre.state.needle, theatre.study.toolbox.needles
    return me.placed and rows[me.needle].bores and (me.bone >= 0 or me.bored != 0)


def _drive(theatre: Theatre, ui: Ui) -> None:
    ui.label("Bone", LABEL)
    for name, text, energy in (("light", "Light tap", 200), ("tap", "Mallet", 500), ("hard", "Hard blow", 1000)):
        if ui.button(f"tray.{name}", text, f"A blow of {energy / 1000:g} J (the hub tilts with I J K L)", "X"):
            theatre.hands.tap(energy)
        ui.same(3)
    if ui.button("tray.drill", "Drill", "1 mm by drill", "Z"):
        theatre.hands.drill()
    ui.same(3)
    me = theatre.state.needle
    ui.text(f"{theatre.study.toolbox.needles[me.needle].length_mm - me.depth_mm:.0f} mm left")


def _tilt(theatre: Theatre, ui: Ui) -> None:
    ui.label("Hub", LABEL)
    on = theatre.state.needle.placed
    yaw, pitch = (degrees(v) for v in theatre.hands.tilt_mdeg())
    steps = (
        ("left", "L", 2.0, 0.0, "J"),
        ("right", "R", -2.0, 0.0, "L"),
        ("head", "Head", 0.0, 2.0, "I"),
        ("feet", "Feet", 0.0, -2.0, "K"),
    )
    for name, text, dyaw, dpitch, key in steps:
        if ui.button(f"tray.tilt_{name}", text, "Lean the tip 2 degrees that way (Shift+key: 0.5)", key, enabled=on):
            theatre.hands.tilt(dyaw, dpitch)
        ui.same(3)
    ui.text(f"yaw {yaw}  pitch {pitch} deg")


def _syringe(theatre: Theatre, ui: Ui, wide: float) -> None:
    ui.label("Syringe", LABEL)
    agents = theatre.study.toolbox.agents
    chosen = ui.combo(
        "tray.agent",
        [pretty(a.name) for a in agents],
        theatre.hands.agent,
        max(120, (wide - LABEL - 74) * 0.58),
        "What is drawn up",
    )
    if chosen is not None:
        theatre.hands.agent = chosen
    ui.same(4)
    new = ui.slider("tray.draw", theatre.hands.draw_ml, 0.5, 10.0, "draw %.1f ml", max(100, (wide - LABEL - 74) * 0.42))
    if new is not None:
        theatre.hands.draw_ml = round(new * 2) / 2
    ui.same(4)
    if ui.button("tray.attach", "Attach", "Draw it up and put the syringe on the hub", "1-9", 58):
        theatre.hands.attach(theatre.hands.agent)


def _volume(theatre: Theatre, ui: Ui, wide: float) -> None:
    hands = theatre.hands
    ui.label("Plunger", LABEL)
    each = max(110, (wide - LABEL - 5) / 2)
    new = ui.slider("tray.volume", hands.volume_ml, 0.1, 5.0, "%.1f ml", each, "Volume of a measured injection")
    if new is not None:
        hands.volume_ml = round(new, 1)
    ui.same(4)
    new = ui.slider("tray.rate", hands.rate_ml_s, 0.05, 1.0, "%.2f ml/s", each, "How fast the plunger goes")
    if new is not None:
        hands.rate_ml_s = round(new, 2)


def _plunger(theatre: Theatre, ui: Ui) -> None:
    hands, spread = theatre.hands, theatre.state.spread
    on = spread.agent >= 0
    if ui.button("tray.aspirate", "Aspirate", "Pull the plunger", "A"):
        hands.aspirate()
    ui.same(4)
    if ui.button("tray.probe", "LOR", "Press a loss-of-resistance syringe (saline) on the open hub"):
        hands.probe()
    ui.same(4)
    down = ui.hold(
        "tray.inject",
        "INJECT (hold)",
        "inject" in hands.holding or spread.flowing,
        "Press the plunger while held",
        "F",
        enabled=on,
    )
    if down is not None:
        hands.hold("inject", down)
    ui.same(4)
    if ui.button("tray.fixed", f"{hands.volume_ml:.1f} ml", "Inject the set volume at the set rate", "G", enabled=on):
        hands.inject_fixed()
    ui.same(4)
    if ui.button("tray.stop", "Stop", "Stop injecting", enabled=spread.flowing):
        hands.stop_injecting()
    ui.same(8)
    name = pretty(theatre.study.toolbox.agents[spread.agent].name) if on else "no syringe"
    ui.text(f"{spread.left_ul / 1000:.2f} ml {name}" if on else name, theme.TEXT if on else theme.DIM)
