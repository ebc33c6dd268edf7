"""The lead's two rows of the tray: they stand where the needle is placed and tilted, while a lead can be pushed or is in."""

from __future__ import annotations

from sim.window.theatre import Theatre
from sim.window.ui import Ui

LABEL = 57


def wanted(theatre: Theatre) -> bool:
    """Return True while a lead is in the patient, or an open needle, not one for bone, is wide enough for one."""
    needle, tools = theatre.state.needle, theatre.study.toolbox
    if theatre.state.lead.inserted_um > 0:
        return True
    if not needle.placed or needle.stylet or needle.needle < 0:
        return False
    bore = tools.needles[needle.needle].inner_diameter_mm
    return not tools.needles[needle.needle].bores and any(row.outer_diameter_mm <= bore for row in tools.leads)


def draw(theatre: Theatre, ui: Ui, wide: float) -> None:
    """Draw both rows."""
    me, hands = theatre.state.lead, theatre.hands
    rows = theatre.study.toolbox.leads
    ui.label("Lead", LABEL)
    chosen = ui.combo("tray.lead", [row.name for row in rows], me.lead, max(150, wide - LABEL - 90), "Take a lead or catheter")
    if chosen is not None:
        hands.choose_lead(chosen)
    ui.same(4)
    ui.text(f"{me.inserted_um / 1000:.0f} mm in")
    ui.label("Push", LABEL)
    on = me.lead >= 0
    for name, text, mm in (("-10", "-10", -10.0), ("-2", "-2", -2.0), ("+2", "+2", 2.0), ("+10", "+10", 10.0)):
        if ui.button(f"tray.lead{name}", text, f"{'Push' if mm > 0 else 'Pull'} the lead {abs(mm):g} mm", enabled=on):
            hands.push_lead(mm)
        ui.same(3)
    for name, text, deg in (("left", "<", -30.0), ("right", ">", 30.0)):
        if ui.button(f"tray.lead_{name}", text, "Turn the lead 30 degrees", enabled=on):
            hands.turn_lead(deg)
        ui.same(3)
    has = on and rows[me.lead].stylet_ei_n_mm2 > 0.0
    drawn = me.stylet_um > 0
    text = "Stylet in" if drawn else "Stylet back"
    if ui.button("tray.lead_stylet", text, "Draw the lead's stylet back 20 mm, or push it home", enabled=has, on=drawn):
        hands.lead_stylet(0.0 if drawn else 20.0)
    ui.same(4)
    ui.text(f"{me.roll_mdeg // 1000 % 360}")
