"""The attempt again, at any moment: room in 3D and X-ray picture, the ideal way beside the path taken."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import numpy as np
from imgui_bundle import imgui

from sim.state import State
from sim.window import theme
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
        self.room.skin_alpha = 0.25
        self.room.camera.azimuth_deg, self.room.camera.elevation_deg, self.room.camera.distance_mm = 318.0, 28.0, 420.0
        self.room.camera.target = np.asarray(theatre.study.plan.target_mm, np.float64)
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
        with ui.panel("replay", rect):
            self._time_line(ui)
            size = imgui.get_content_region_avail()
            side = max(120.0, min((size.x - ui.px(8)) / 2, size.y - ui.px(54)))
            self._picture(ui, side)
            imgui.same_line()
            self._room(side, ui)
            self._layers(ui)
            if self.told:
                ui.words(self.told, theme.ACCENT)

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
            imgui.image(imgui.ImTextureRef(self._texture.name), imgui.ImVec2(side, side))
            self._overlay(Rect(low.x, low.y, side, side), self.shot)
        ui.record("replay.picture")

    def _overlay(self, at: Rect, shot: Shot) -> None:
        draw_list = imgui.get_window_draw_list()
        draw_list.push_clip_rect(imgui.ImVec2(at.x, at.y), imgui.ImVec2(at.x + at.w, at.y + at.h), True)
        for line in self.lines():
            seen = [project(shot.view.pose, p + shot.view.patient_mm) for p in line.points]
            spots = [imgui.ImVec2(at.x + p[0] * at.w, at.y + p[1] * at.h) for p in seen if p is not None]
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

    def _layers(self, ui: Ui) -> None:
        """Open the tissue layer by layer: skin first, then bone, until nerves and vessels alone are left."""
        opened = 100 * (1 - self.room.skin_alpha) if self.room.skin_alpha > 0 else 100 + 100 * (1 - self.room.bone_alpha)
        new = ui.slider("replay.layers", opened / 2, 0, 100, "tissue opened %.0f %%", 190, "Skin first, then bone")
        if new is not None:
            self.room.skin_alpha = round(max(0.0, 1 - new / 50), 2)
            self.room.bone_alpha = round(min(1.0, 2 - new / 50), 2)
        for line in self.lines():
            ui.same(8)
            ui.text(f"- {line.name}", line.colour)

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
