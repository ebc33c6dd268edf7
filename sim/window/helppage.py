"""F1: every act with its key, its button of the gamepad and, where one is plugged in, of the 3D mouse; each can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgui_bundle import imgui

from sim.window import theme
from sim.window.acts import ACTS
from sim.window.controls import KINDS, Controls
from sim.window.keys import MORE
from sim.window.layout import Rect
from sim.window.ui import Ui

if TYPE_CHECKING:
    from sim.window.inputs import Inputs

GROUPS = ("X-rays", "C-arm", "Point", "Needle", "Syringe", "Room")


def draw(ui: Ui, size: tuple[int, int], controls: Controls, inputs: Inputs) -> bool:
    """Draw the page instead of the room; True when it was closed."""
    width = min(size[0] - 40.0, 1240 * ui.scale)
    with ui.panel("help", Rect((size[0] - width) / 2, 10, width, size[1] - 20)):
        ui.text("Controls", size=20, bold=True)
        ui.same(14)
        closed = ui.button("help.close", "Back", "", controls.keys["help"])
        ui.same(6)
        if ui.button("help.reset", "All as shipped", "Forget every own control"):
            controls.reset()
            inputs.heard = controls.save() or "All controls are as shipped."
        ui.same(14)
        ui.text(_sign(controls, inputs), theme.ACCENT if inputs.listening or _clashes(controls) else theme.DIM)
        for line in controls.told:
            ui.words(line, theme.ACCENT)
        imgui.spacing()
        columns = 2 if width > 1000 * ui.scale else 1
        if imgui.begin_table("##controls", columns):
            imgui.table_next_row()
            for column in range(columns):
                imgui.table_next_column()
                for group in GROUPS[column::columns]:
                    _group(ui, group, controls, inputs)
            imgui.end_table()
        for key, does in MORE:
            ui.text(key, theme.ACCENT)
            ui.same(10)
            ui.text(does)
    return closed


def _clashes(controls: Controls) -> list[str]:
    return [f"{spec} has {len(acts)} acts" for kind in KINDS for spec, acts in controls.clashes(kind).items()]


def _sign(controls: Controls, inputs: Inputs) -> str:
    if inputs.listening:
        kind, act = inputs.listening
        what = {"keys": "a key", "pad": "a button of the gamepad", "space": "a button of the 3D mouse, or move its cap,"}[kind]
        return f"Press {what} for: {ACTS[act].does}   (Esc: leave it, Del: none)"
    pad = "gamepad found" if inputs.pad.seen else "no gamepad"
    pad += ", 3D mouse found" if inputs.space.seen else ""
    return inputs.heard or "; ".join(_clashes(controls)) or f"Click on a control to change it ({pad}). Shift + key: fine steps."


def _group(ui: Ui, group: str, controls: Controls, inputs: Inputs) -> None:
    kinds = KINDS if inputs.space.seen else KINDS[:2]
    clash = {kind: controls.clashes(kind) for kind in kinds}
    ui.text(group, theme.DIM, bold=True)
    if not imgui.begin_table(f"##{group}", 1 + len(kinds), imgui.TableFlags_.sizing_stretch_prop):
        return
    for name, weight in (("act", 0.62 if len(kinds) == 2 else 0.46), *((kind, 0.19) for kind in kinds)):
        imgui.table_setup_column(name, imgui.TableColumnFlags_.width_stretch, weight)
    for act, row in ACTS.items():
        if row.group != group:
            continue
        imgui.table_next_row()
        imgui.table_next_column()
        imgui.align_text_to_frame_padding()
        ui.words(row.does)
        for kind in kinds:
            imgui.table_next_column()
            spec = controls.of(kind)[act]
            mark = " !" if spec in clash[kind] else ""
            if ui.button(f"help.{kind}.{act}", (spec or "-") + mark, on=inputs.listening == (kind, act)):
                inputs.listening = (kind, act)
    imgui.end_table()
