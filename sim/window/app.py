"""The window itself: one loop that reads hands, runs the core by the clock, and draws when something changed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pygame
from imgui_bundle import imgui
from numpy.typing import NDArray
from OpenGL import GL as gl

from sim.errors import MachineError
from sim.window import (
    banner,
    boot,
    chooser,
    console,
    debrief,
    glkit,
    helppage,
    mappage,
    menupanel,
    roompanel,
    settingspage,
    theme,
    touch,
    tray,
    voice,
)
from sim.window.backend import Backend
from sim.window.controls import load_controls
from sim.window.desk import Attempt, Desk
from sim.window.inputs import Inputs
from sim.window.layout import layout
from sim.window.monitors import Monitor
from sim.window.replay import Replay
from sim.window.robot import Robot
from sim.window.scene3d import RoomView
from sim.window.settings import load_settings, save_settings
from sim.window.sound import Sound
from sim.window.starter import Starter
from sim.window.theatre import Theatre
from sim.window.tutorial import Tutorial
from sim.window.ui import Ui
from sim.window.words import ASSISTANT

HEADLESS_STEP_S = 0.04
IDLE_REDRAW_S = 0.25
FIRST = {"chooser": "chooser.begin", "map": "map.close", "settings": "settings.close", "controls": "help.close"}
"""Page or screen -> the button that has the keys when it opens. The debrief has none: who still holds a key presses nothing."""
HOT_FRAMES = 3  # frames drawn after an input, so that hover and hold marks settle


class Window:
    """Screens: "chooser", "waiting", "room", "debrief". `theatre` is the attempt that runs, None before one.

    `page`: what lies over the gallery: "map", "settings", "controls" or "".
    """

    def __init__(self, desk: Desk, headless: bool = False, real_time: bool = False) -> None:
        self.desk, self.headless = desk, headless
        self.stepped = headless and not real_time  # every frame is the same stretch of command time
        self.settings = load_settings(desk.settings)
        if desk.settings is not None:
            desk.size, desk.text_scale = (self.settings.width, self.settings.height), self.settings.text_scale
        self.controls = load_controls(desk.controls)
        boot.open_display(desk.title, desk.size, headless)
        self._check_gl()
        self.backend = Backend(strict=headless)
        _body, bold = theme.load_fonts()
        self.ui = Ui(bold)
        self.sound = Sound(desk.sound and not headless)
        self.inputs = Inputs(self)
        self.chooser = chooser.Chooser(desk)
        self.chooser.first_time = desk.settings is not None and not self.settings.tutorial_seen
        self.replay: Replay | None = None
        self.tutorial: Tutorial | None = None
        self.theatre: Theatre | None = None
        self.room: RoomView | None = None
        self.screen, self.page = "chooser", ""
        self.error = ""
        self.note = "; ".join(self.controls.told)
        self.minimised = False
        self.closing = False
        self.frames = 0
        self.draw_every = 1  # headless scripts that look for no widget may draw less often
        self.drawn = 0
        self.spent: Counter[str] = Counter()
        self._hot = HOT_FRAMES
        self._last_draw = self._last_time = time.perf_counter()
        self._waiting: Starter | None = None
        self._guided = False
        self._renewed = False
        self._page_before = ""
        self.set_scale(desk.text_scale)
        self.monitors = {name: Monitor(name) for name in ("live", "reference")}
        if desk.attempt is not None:
            self._start(lambda: desk.attempt, desk.guided)

    def _check_gl(self) -> None:
        try:
            version = gl.glGetIntegerv(gl.GL_MAJOR_VERSION) * 10 + gl.glGetIntegerv(gl.GL_MINOR_VERSION)
        except Exception as error:
            raise MachineError(
                f"OpenGL does not answer ({type(error).__name__}); unset PYOPENGL_PLATFORM and start again"
            ) from None
        if version < 33:
            raise MachineError(
                f"this machine offers OpenGL {version / 10:.1f}; the window needs 3.3: update the driver, or use 'main.py run'"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return pygame.display.get_window_size() if not self.headless else self.desk.size

    def set_scale(self, scale: float) -> None:
        """Set the text scale (1.0 to 2.0)."""
        self.ui.scale = min(2.0, max(1.0, scale))
        theme.apply(self.ui.scale)
        self.settings.text_scale = self.ui.scale
        self._hot = HOT_FRAMES

    # --- screens -------------------------------------------------------------------------------------
    def _enter(self, attempt: Attempt, guided: bool) -> None:
        before = self.theatre
        if before is not None:
            before.stop()
        self.theatre = Theatre(attempt, self.desk.picture_px, threaded=not self.stepped, guided=guided)
        camera = self.room.camera if self.room is not None and before is not None and before.coach.undo_to is not None else None
        self.room = RoomView(self.theatre)
        if camera is not None and before is not None:
            self.room.camera = camera
            self.theatre.take_over(before)
        self.room.skin_alpha = self.settings.skin_alpha
        self.theatre.sound_on = self.settings.sound
        self.replay = None
        self.screen = "room"
        self._last_time = time.perf_counter()

    def _begin(self, scenario: str, mode: str, guided: bool, seed: int | None) -> None:
        """Start a scenario."""
        start = self.desk.start
        if start is None:
            self.error = "This desk cannot start scenarios."
            return
        self._start(lambda: start(scenario, mode, seed), guided)

    def _start(self, make: Callable[[], Attempt | None], guided: bool = False, warm: bool = True) -> None:
        """Make an attempt ready in a thread: patient, pictures and compiled code take seconds."""
        self.error, self.screen, self.note = "", "waiting", ""
        self._waiting, self._guided = Starter(make, warm), guided

    def _await(self) -> None:
        start = self._waiting
        if start is None or not start.done.is_set():
            return
        self._waiting = None
        if start.attempt is not None:
            self._enter(start.attempt, self._guided)
        elif self.theatre is not None and self.theatre.coach.undo_to is not None:
            self.theatre.coach.undo_to, self.screen = None, "room"
            self.tell(f"Not undone: {start.error}")
        else:
            self.error, self.screen = start.error, "chooser"

    def _undo(self, theatre: Theatre) -> None:
        """Go back to before the last act: the record is made again up to there, in the starter's thread."""
        to, rewind = theatre.coach.undo_to, theatre.attempt.rewind
        assert to is not None and rewind is not None
        self.inputs.forget(theatre)
        theatre.give_up_quietly()
        self._start(lambda: rewind(to), theatre.coach.guided, warm=False)

    # --- loop ----------------------------------------------------------------------------------------
    def run(self, max_frames: int | None = None, script: Callable[[Any], Generator[None, None, None]] | None = None) -> None:
        """Loop until the window is closed, the script ends or max_frames were made."""
        steps = script(Robot(self)) if script else None
        while not self.closing and (max_frames is None or self.frames < max_frames):
            if steps is not None and next(steps, _ENDED) is _ENDED:
                break
            self.frame()

    def frame(self, force: bool = False) -> bool:
        """One turn of the loop; True if it was drawn."""
        self.frames += 1
        with self._timed("input"):
            if self.inputs.read():
                self._hot = HOT_FRAMES
        changed = self._advance()
        if self.stepped and not force and self.frames % self.draw_every:
            return False
        now = time.perf_counter()
        due = now - self._last_draw > IDLE_REDRAW_S or self.screen == "waiting"
        if not (force or self.stepped or changed or self._hot or due):
            time.sleep(0.004)
            return False
        self._hot = max(0, self._hot - 1)
        self._last_draw = now
        if self.minimised or min(self.size) < 100:
            time.sleep(0.02)  # nothing can be seen; the attempt goes on
            return False
        try:
            self._draw()
        except gl.GLError as error:
            if self._renewed:
                raise MachineError(f"OpenGL fails again after it was started anew ({error}); update the driver") from None
            self._renewed = True
            self.renew_graphics("OpenGL lost its context")
            return False
        self._renewed = False
        with self._timed("flip"):
            pygame.display.flip()
            if self.headless:
                gl.glFinish()  # nothing is shown: without this the time of drawing would be hidden
        self.drawn += 1
        return True

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.spent[name] += time.perf_counter() - start

    def _advance(self) -> bool:
        now = time.perf_counter()
        passed, self._last_time = now - self._last_time, now
        if self.screen == "waiting":
            self._await()
            time.sleep(0.02)
            return True
        if self.theatre is None or self.screen != "room" or (self.theatre.help_open and self.theatre.practice):
            return False  # in an assessment the clock runs on while the controls are read
        with self._timed("core"):
            step = HEADLESS_STEP_S if self.stepped else passed
            self.inputs.repeat(step, self.theatre)
            changed = self.theatre.advance(step)
        if self.theatre.coach.undo_to is not None:
            self._undo(self.theatre)
            return True
        self.settings.sound = self.theatre.sound_on
        if self.theatre.sound_on:
            needle = self.theatre.state.needle
            self.sound.play(self.theatre.pulses, needle.moving, touch.relative(needle.force_n))
        if self.theatre.finished and self.theatre.report is not None:
            self.screen = "debrief"
            self.inputs.leave_room()
        return changed

    # --- what inputs and panels ask of the window ----------------------------------------------------
    def begin(self) -> None:
        """Start what is picked in the gallery."""
        if self.chooser.ready and not self.page:
            self.tutorial = None
            self._begin(self.chooser.card.id, self.chooser.core_mode, self.chooser.guided, None)

    def escape(self) -> None:
        """Leave a page over the gallery, or the debrief; elsewhere there is nothing to leave."""
        if self.page:
            self.page = ""
        elif self.screen == "debrief":
            self.closing = True

    def tell(self, text: str) -> None:
        """Say something about the machine: in the log, or on the gallery before there is one."""
        if self.theatre is not None and self.screen == "room":
            self.theatre.say(ASSISTANT, text)
        else:
            self.note = text

    def next_scale(self, step: int) -> None:
        """Make the text a step larger or smaller."""
        scales = settingspage.SCALES
        nearest = min(range(len(scales)), key=lambda i: abs(scales[i] - self.ui.scale))
        self.set_scale(scales[min(len(scales) - 1, max(0, nearest + step))])

    def renew_graphics(self, why: str) -> None:
        """Make everything that lived on the graphics device again; the attempt itself is not there and goes on."""
        with suppress(Exception):  # what is left of the old context may answer anything
            self.backend.close()
        boot.open_display(self.desk.title, self.size, self.headless)
        self.backend = Backend(strict=self.headless)
        _body, self.ui.bold = theme.load_fonts()
        self.set_scale(self.ui.scale)
        self.monitors = {name: Monitor(name) for name in ("live", "reference")}
        self.chooser.forget_pictures()
        self.replay = None
        if self.theatre is not None:
            camera, alpha = (self.room.camera, self.room.skin_alpha) if self.room else (None, None)
            self.room = RoomView(self.theatre)
            if camera is not None:
                self.room.camera, self.room.skin_alpha = camera, alpha
        self.tell(f"{why}; the pictures were made again, nothing of the attempt is lost.")

    # --- drawing -------------------------------------------------------------------------------------
    def _draw(self) -> None:
        width, height = self.size
        with self._timed("build"):
            self.ui.begin_frame()
            self.backend.begin(width, height, HEADLESS_STEP_S if self.stepped else None)
            self._screen()
        with self._timed("render"):
            gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, 0)
            gl.glDisable(gl.GL_SCISSOR_TEST)
            gl.glViewport(0, 0, width, height)
            gl.glClearColor(*theme.SURROUND)
            gl.glClear(gl.GL_COLOR_BUFFER_BIT)
            self.backend.end()

    def _screen(self) -> None:
        """Build the present screen; nothing may escape between begin and end of an ImGui frame."""
        page = self.page or self.screen
        if self.theatre is not None and page == "room" and self.theatre.help_open:
            page = "controls"
        if page != self._page_before:
            self.ui.focus_widget, self._page_before = FIRST.get(page, ""), page
            self.ui.front = page if page == "debrief" else ""
        self.ui.keys_now = {k: self.controls.keys[a] for a, k in self.controls.shipped("keys").items() if k}
        if self.screen == "chooser":
            self._gallery()
        elif self.screen == "waiting":
            chooser.draw_waiting(self.ui, self.size, self._waiting.seconds() if self._waiting else 0.0)
        elif self.theatre is not None and self.screen == "debrief":
            self._debrief(self.theatre)
        elif self.theatre is not None and self.theatre.help_open:
            if helppage.draw(self.ui, self.size, self.controls, self.inputs):
                self.theatre.help_open = False
        elif self.theatre is not None:
            self._room(self.theatre)

    def _map(self) -> None:
        chosen = mappage.draw(self.ui, self.size, self.desk.progress)
        if isinstance(chosen, int):
            self.chooser.show_stage(self.desk.progress.stages[chosen])
        if chosen != "":
            self.page = ""

    def _settings(self) -> None:
        asked = settingspage.draw(self.ui, self.size, self.settings)
        if asked in ("close", "controls"):
            self.page = "" if asked == "close" else "controls"
        elif asked == "sound":
            self.settings.sound = not self.settings.sound
        elif asked == "forget":
            self.settings.tutorial_seen, self.chooser.first_time = False, True
        elif asked:
            self.set_scale(float(asked))

    def _gallery(self) -> None:
        if self.page == "controls":
            self.page = "" if helppage.draw(self.ui, self.size, self.controls, self.inputs) else self.page
            return
        if self.page:
            (self._map if self.page == "map" else self._settings)()
            return
        asked = self.chooser.draw(self.ui, self.size, self.error or self.note)
        if asked == "begin":
            self.begin()
        elif asked in ("map", "settings", "controls"):
            self.page = asked
        elif asked:
            name, seed = self.chooser.suggested(asked)
            self._begin(name, "practice", self.chooser.guided and asked != chooser.TUTORIAL, seed)
            self.tutorial = Tutorial() if asked == chooser.TUTORIAL else None

    def _room(self, theatre: Theatre) -> None:
        rects = layout(*self.size, self.ui.scale)
        left, right = theatre.monitors()
        keys = self.controls.keys
        note = f"keys: hands ({keys['panels']})   {keys['help']} help"
        banner.draw(theatre, self.ui, rects["banner"], self.inputs.panels, note)
        self.monitors["live"].draw(theatre, self.ui, rects["live"], left, not theatre.swapped)
        self.monitors["reference"].draw(theatre, self.ui, rects["reference"], right, theatre.swapped)
        console.draw(theatre, self.ui, rects["console"])
        tray.draw(theatre, self.ui, rects["tray"])
        touch.draw(theatre, self.ui, rects["touch"])
        if self.tutorial is not None:
            self.tutorial.look(theatre)
            self.settings.tutorial_seen = True
        voice.draw(theatre, self.ui, rects["voice"], self.tutorial)
        self._frame_widget()
        assert self.room is not None
        if theatre.menu.open:
            menupanel.draw(theatre, self.ui, rects["room"], self.controls, self.inputs.pad.seen)
            return
        with self._timed("room3d"):
            roompanel.draw(theatre, self.ui, rects["room"], self.room)
        self.settings.skin_alpha = self.room.skin_alpha if theatre.practice else self.settings.skin_alpha

    def _frame_widget(self) -> None:
        """Frame the widget of the tutorial's step."""
        step = self.tutorial.step if self.tutorial else None
        at = self.ui.rects.get(step.widget) if step else None
        if at is not None:
            low, high = imgui.ImVec2(at.x - 3, at.y - 3), imgui.ImVec2(at.x + at.w + 3, at.y + at.h + 3)
            imgui.get_foreground_draw_list().add_rect(low, high, theme.packed(theme.ACCENT), 4.0, self.ui.px(2))

    def _debrief(self, theatre: Theatre) -> None:
        if self.replay is None:
            self.replay = Replay(theatre, self.desk.picture_px)
        answer = debrief.draw(theatre, self.ui, self.size, bool(self.desk.scenarios and self.desk.start), self.replay)
        if answer == "again":
            self.chooser.refresh()
            self.screen = "chooser"
        elif answer == "close":
            self.closing = True

    def snapshot(self) -> NDArray[np.uint8]:
        """Draw once more and return the picture of the window (height, width, 3)."""
        self._draw()
        return glkit.read_back(*self.size)

    def close(self) -> None:
        """Close everything; harmless when called twice."""
        if self.theatre is not None:
            self.theatre.stop()
        self.settings.width, self.settings.height = (int(n) for n in self.size) if not self.minimised else self.desk.size
        save_settings(self.desk.settings, self.settings)
        self.chooser.stop()
        self.sound.close()
        if pygame.display.get_init():
            self.backend.close()
            pygame.display.quit()


_ENDED = object()
