"""The panel of the room view: drag turns it, the wheel comes nearer, practice fades the skin."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import theme
from sim.window.layout import Rect
from sim.window.scene3d import RoomView
from sim.window.theatre import Theatre
from sim.window.ui import Ui

_STANDS = (
    ("operator", "Side", 212.0, 38.0, 1450.0),
    ("feet", "Feet", 180.0, 18.0, 1350.0),
    ("above", "Above", 180.0, 80.0, 900.0),
    ("near", "Near", 205.0, 35.0, 480.0),
)


def draw(theatre: Theatre, ui: Ui, rect: Rect, room: RoomView) -> None:
    """Draw the room."""
    with ui.panel("room", rect, scroll=False):
        _controls(theatre, ui, room)
        size = imgui.get_content_region_avail()
        width, height = max(16, int(size.x)), max(16, int(size.y))
        room.draw(width, height)
        at = imgui.get_cursor_screen_pos()
        imgui.image(imgui.ImTextureRef(room.texture), imgui.ImVec2(width, height), imgui.ImVec2(0, 1), imgui.ImVec2(1, 0))
        imgui.set_cursor_screen_pos(at)
        imgui.invisible_button("##room.view", imgui.ImVec2(width, height))
        ui.record("room.view")
        _mouse(theatre, room, Rect(at.x, at.y, width, height))


def _controls(theatre: Theatre, ui: Ui, room: RoomView) -> None:
    for name, label, azimuth, elevation, distance in _STANDS:
        if ui.button(f"room.{name}", label, "Look from here; drag to turn, wheel to come nearer"):
            room.camera.azimuth_deg, room.camera.elevation_deg, room.camera.distance_mm = azimuth, elevation, distance
        ui.same(4)
    if theatre.practice:
        ui.text("Skin", theme.DIM)
        ui.same(4)
        width = ui.rest(70)
        new = ui.slider("room.skin", room.skin_alpha * 100, 0, 100, "%.0f %%", width, "Fade the skin (practice only)")
        if new is not None:
            room.skin_alpha = round(new) / 100
    else:
        ui.text("outside view", theme.DIM)


def _mouse(theatre: Theatre, room: RoomView, at: Rect) -> None:
    io = imgui.get_io()
    if imgui.is_item_active() and imgui.is_mouse_dragging(0, 3.0):
        room.camera.turn(io.mouse_delta.x, io.mouse_delta.y)
    if imgui.is_item_hovered() and io.mouse_wheel:
        room.camera.distance_mm = min(2500.0, max(150.0, room.camera.distance_mm * 0.9**io.mouse_wheel))
    if theatre.marker_on and imgui.is_item_clicked(0):
        mouse = imgui.get_mouse_pos()
        x, y = 2 * (mouse.x - at.x) / at.w - 1, 1 - 2 * (mouse.y - at.y) / at.h
        point = room.skin_under(x, y, at.w / at.h)
        if point is not None:
            theatre.put_marker(float(point[0]), float(point[2]))
