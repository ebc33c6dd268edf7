"""The attempt again, at any moment: room in 3D and X-ray picture, the ideal way beside the path taken."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import numpy as np
from imgui_bundle import imgui

from sim.state import State
from sim.window import layers, theme
from sim.window.aim import project
from sim.window.debrief import MOST_PICTURES, moments
from sim.window.fluoro import PictureMaker, Shot, picture_function
from sim.window.glkit import GreyTexture
from sim.window.layout import Rect
from sim.window.scene3d import Line3D, RoomView
from sim.window.theatre import Theatre
from sim.window.ui import Ui
from sim.window.voice import clock

PATH, IDEAL = (0.35, 0.75, 1.0, 1.0), (1.0, 0.74, 0.25, 1.0)
STEP_TICKS = 100
AT_FIRST = 4.0
"""So many layers are away at first: bone, nerves and vessels are left."""
BELOW = 116
"""Height kept free under the pictures for layers, lines and what is told."""


def open_part(shot: Shot) -> float:
    """Return the share (0..1) of the picture's side that lies within the shutters: the replay shows no more."""
    return float(min(1.0, max(0.1, shot.view.half_width, shot.view.half_height)))


class Replay:
    """Stands at `tick` of a finished attempt. RoomView draws it like a theatre; the attempt is over, so the inside is shown."""

    practice = True
    marker_on = laser_on = False

    def __init__(self, theatre: Theatre, picture_px: int) -> None:
        self.theatre = theatre
        self.study = theatre.study
        self.marker_mm = theatre.marker_mm
        self.history = theatre.history
        self.tick = self.history.last_tick
        self.shot: Shot | None = None
        self.told = ""
        self._ghosts = theatre.coach.load_ghosts()
        self._maker = PictureMaker(picture_function(theatre.attempt), picture_px, threaded=False)
        self._drawing = threading.Lock()  # one picture at a time: the report's thread makes some too
        self._asked: Any = None
        self._texture, self._shown = GreyTexture(), None
        self.room = RoomView(self)
        self.room.peeled, self.room.hand_shown = AT_FIRST, False
        look = self.room.camera
        look.target = np.asarray(theatre.study.plan.target_mm, np.float64)
        look.azimuth_deg, look.elevation_deg, look.distance_mm = (50.0 if look.target[0] > 0 else 310.0), 40.0, 420.0
        self._layers: Any = None
        threading.Thread(target=self._cut, name="layers", daemon=True).start()
        self._writing: threading.Thread | None = None
        self.trend = tuple(theatre.attempt.trend()) if theatre.attempt.trend else ()

    @property
    def state(self) -> State:
        """The state at the moment."""
        return self.history.state_at(self.tick) or self.theatre.state

    def lines(self) -> tuple[Line3D, ...]:
        """Return the ideal ways and the path of the tip so far."""
        path = self.history.path_mm(self.tick)
        own = (Line3D("path taken", np.array(path), PATH),) if len(path) > 1 else ()
        return (*(Line3D(name, points, IDEAL) for name, points in self._ghosts.items()), *own)

    def _cut(self) -> None:
        """Make the surfaces of the tissue, in a thread: a second."""
        self._layers = layers.surfaces(self.study.phantom.volume)

    def go(self, tick: int) -> None:
        """Jump to a moment."""
        self.tick = min(max(0, int(tick)), self.history.last_tick)

    def _look(self) -> None:
        """Make the picture of the moment, if it is another one than before."""
        kept = self.history.view_at(self.tick)
        if kept is None:
            self.shot = self._asked = None
            return
        if kept[1] is self._asked:
            return
        tick, view, about = kept
        self._asked = view
        with self._drawing:
            self._maker.ask(view, {**about, "mode": "shot"})
        made = self._maker.take()
        if made is not None:
            self.shot = Shot(made[0], view, int(about.get("number", 0)), tick)

    # --- drawing -------------------------------------------------------------------------------------
    def draw(self, ui: Ui, rect: Rect) -> None:
        """Draw time line, picture and room into a panel."""
        self._look()
        if self._layers is not None:
            self.room.add_layers(self._layers)
            self._layers = None
        with ui.panel("replay", rect):
            self._time_line(ui)
            size = imgui.get_content_region_avail()
            side = max(120.0, min((size.x - ui.px(8)) / 2, size.y - ui.px(BELOW)))
            self._picture(ui, side)
            imgui.same_line()
            self._room(side, ui)
            self._peel(ui)
            if self.told:
                ui.words(self.told, theme.ACCENT)
            self._said(ui)

    def _time_line(self, ui: Ui) -> None:
        for name, label, by in (("back", "<", -STEP_TICKS), ("next", ">", STEP_TICKS)):
            if ui.button(f"replay.{name}", label, "One second"):
                self.go(self.tick + by)
            ui.same(4)
        new = ui.slider(
            "replay.time", self.tick / 100, 0.0, max(0.01, self.history.last_tick / 100), clock(self.tick), ui.rest(120),
            "The moment shown; lines of the debrief jump here",
        )  # fmt: skip
        if new is not None:
            self.go(round(100 * new))

    def _picture(self, ui: Ui, side: float) -> None:
        low = imgui.get_cursor_screen_pos()
        if self.shot is None:
            imgui.dummy(imgui.ImVec2(side, side))
            draw_list = imgui.get_window_draw_list()
            draw_list.add_rect(low, imgui.ImVec2(low.x + side, low.y + side), theme.packed(theme.LINE))
            draw_list.add_text(imgui.ImVec2(low.x + 8, low.y + 8), theme.packed(theme.DIM), "no picture by then")
        else:
            if self.shot is not self._shown:
                self._texture.upload(self.shot.pixels)
                self._shown = self.shot
            part = open_part(self.shot)
            low_uv, high_uv = imgui.ImVec2(0.5 - part / 2, 0.5 - part / 2), imgui.ImVec2(0.5 + part / 2, 0.5 + part / 2)
            imgui.image(imgui.ImTextureRef(self._texture.name), imgui.ImVec2(side, side), low_uv, high_uv)
            self._overlay(Rect(low.x, low.y, side, side), self.shot)
        ui.record("replay.picture")

    def _overlay(self, at: Rect, shot: Shot) -> None:
        draw_list = imgui.get_window_draw_list()
        draw_list.push_clip_rect(imgui.ImVec2(at.x, at.y), imgui.ImVec2(at.x + at.w, at.y + at.h), True)
        part = open_part(shot)
        for line in self.lines():
            seen = [project(shot.view.pose, p + shot.view.patient_mm) for p in line.points]
            on = [[0.5 + (c - 0.5) / part for c in p] for p in seen if p is not None]
            spots = [imgui.ImVec2(at.x + u * at.w, at.y + v * at.h) for u, v in on]
            for a, b in pairwise(spots):
                draw_list.add_line(a, b, theme.packed(line.colour, 0.9), 1.5)
        draw_list.pop_clip_rect()

    def _room(self, side: float, ui: Ui) -> None:
        self.room.draw(max(16, int(side)), max(16, int(side)))
        at = imgui.get_cursor_screen_pos()
        imgui.image(imgui.ImTextureRef(self.room.texture), imgui.ImVec2(side, side), imgui.ImVec2(0, 1), imgui.ImVec2(1, 0))
        imgui.set_cursor_screen_pos(at)
        imgui.invisible_button("##replay.room", imgui.ImVec2(side, side))
        ui.record("replay.room")
        io = imgui.get_io()
        if imgui.is_item_active() and imgui.is_mouse_dragging(0, 3.0):
            self.room.camera.turn(io.mouse_delta.x, io.mouse_delta.y)
        if imgui.is_item_hovered() and io.mouse_wheel:
            self.room.camera.distance_mm = min(2500.0, max(120.0, self.room.camera.distance_mm * 0.9**io.mouse_wheel))

    def _peel(self, ui: Ui) -> None:
        """Open the tissue layer by layer, from the skin to nerves and vessels alone; name the lines."""
        peeled = self.room.peeled
        for i, name in enumerate(layers.NAMES):
            if i:
                ui.same(3)
            if ui.button(f"replay.layer.{i}", name, "Take away what lies outside of it", on=layers.outermost(peeled) == name):
                self.room.peeled = float(i)
        ui.same(8)
        last = len(layers.NAMES) - 1
        new = ui.slider("replay.layers", peeled, 0, last, "tissue opened", 150, "Fade one layer after the other")
        if new is not None:
            self.room.peeled = round(new, 2)
        for number, line in enumerate(self.lines()):
            if number:
                ui.same(8)
            ui.text(f"- {line.name}", line.colour)

    def _said(self, ui: Ui) -> None:
        """Show the last lines of the log up to the moment, as many as there is room for."""
        lines = [line for line in self.theatre.log if line.tick <= self.tick]
        high = imgui.get_text_line_height_with_spacing()
        count = int((imgui.get_content_region_avail().y - ui.px(26)) / (2 * high))  # a line may need two
        if count < 1 or not lines:
            return
        ui.text("Said and done by then", theme.DIM, bold=True)
        ui.record("replay.said")
        for line in lines[-count:]:
            ui.words(
                f"{clock(line.tick)}  {line.who}: {line.text}", theme.TEXT if line.tick > self.tick - STEP_TICKS else theme.DIM
            )

    # --- the report ----------------------------------------------------------------------------------
    def write(self, suffix: str) -> None:
        """Write the report with the pictures at its moments, in a thread: seconds."""
        if self.theatre.attempt.report is None or (self._writing and self._writing.is_alive()):
            return
        self.told = f"Writing the report ({suffix}) ..."
        self._writing = threading.Thread(target=self._write, args=(suffix,), name="report", daemon=True)
        self._writing.start()

    def _write(self, suffix: str) -> None:
        assert self.theatre.attempt.report is not None
        try:
            self.told = f"Report: {self.theatre.attempt.report(suffix, self.pictures())}"
        except Exception as error:
            self.told = f"The report could not be written: {error}"

    def pictures(self) -> list[tuple[str, Any, int]]:
        """Return (caption, grey picture, tick) at the moments of the report's lines, each picture once."""
        make = picture_function(self.theatre.attempt)
        out, seen = [], set()
        for title, tick in moments(self.theatre.report or {}):
            kept = self.history.view_at(tick)
            if kept is None or id(kept[1]) in seen or len(out) >= MOST_PICTURES:
                continue
            seen.add(id(kept[1]))
            with self._drawing:
                grey = np.ascontiguousarray(make(kept[1], 512, {"mode": "shot"}), np.uint8)
            out.append((title, grey, kept[0]))
        return sorted(out, key=lambda row: row[2])
