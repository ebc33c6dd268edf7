"""The window itself: one loop that reads hands, runs the core by the clock, and draws when something changed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pygame
from imgui_bundle import imgui
from numpy.typing import NDArray
from OpenGL import GL as gl

from sim.errors import MachineError
from sim.window import banner, boot, chooser, console, debrief, glkit, helppage, roompanel, theme, touch, tray, voice
from sim.window.backend import Backend
from sim.window.desk import Attempt, Desk
from sim.window.keys import Keyboard
from sim.window.layout import layout
from sim.window.monitors import Monitor
from sim.window.robot import Robot
from sim.window.scene3d import RoomView
from sim.window.sound import Sound
from sim.window.starter import Starter
from sim.window.theatre import Theatre
from sim.window.ui import Ui

HEADLESS_STEP_S = 0.04
IDLE_REDRAW_S = 0.25
HOT_FRAMES = 3  # frames drawn after an input, so that hover and hold marks settle
SCALES = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0)


class Window:
    """Screens: "chooser", "waiting", "room", "debrief". `theatre` is the attempt that runs, None before one."""

    def __init__(self, desk: Desk, headless: bool = False, real_time: bool = False) -> None:
        self.desk, self.headless = desk, headless
        self.stepped = headless and not real_time  # every frame is the same stretch of command time
        boot.open_display(desk.title, desk.size, headless)
        self._check_gl()
        self.backend = Backend(strict=headless)
        _body, bold = theme.load_fonts()
        self.ui = Ui(bold)
        self.sound = Sound(desk.sound and not headless)
        self.keyboard = Keyboard()
        self.chooser = chooser.Chooser(desk)
        self.theatre: Theatre | None = None
        self.room: RoomView | None = None
        self.screen = "chooser"
        self.error = ""
        self.panels_have_keys = False
        self.closing = False
        self.frames = 0
        self.drawn = 0
        self.spent: Counter[str] = Counter()
        self._hot = HOT_FRAMES
        self._last_draw = self._last_time = time.perf_counter()
        self._waiting: Starter | None = None
        self.set_scale(desk.text_scale)
        self.monitors = {name: Monitor(name) for name in ("live", "reference")}
        if desk.attempt is not None:
            self._start(lambda: desk.attempt)

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
        self._hot = HOT_FRAMES

    # --- screens -------------------------------------------------------------------------------------
    def _enter(self, attempt: Attempt) -> None:
        if self.theatre is not None:
            self.theatre.stop()
        self.theatre = Theatre(attempt, self.desk.picture_px, threaded=not self.stepped)
        self.room = RoomView(self.theatre)
        self.screen = "room"
        self._last_time = time.perf_counter()

    def _begin(self) -> None:
        """Start the chosen scenario."""
        card, mode = self.desk.scenarios[self.chooser.picked], chooser.MODES[self.chooser.mode]
        start = self.desk.start
        if start is None:
            self.error = "This desk cannot start scenarios."
            return
        self._start(lambda: start(card.id, mode))

    def _start(self, make: Callable[[], Attempt | None]) -> None:
        """Make an attempt ready in a thread: patient, pictures and compiled code take seconds."""
        self.error, self.screen = "", "waiting"
        self._waiting = Starter(make)

    def _await(self) -> None:
        start = self._waiting
        if start is None or not start.done.is_set():
            return
        self._waiting = None
        if start.attempt is not None:
            self._enter(start.attempt)
        else:
            self.error, self.screen = start.error, "chooser"

    def begin_for_bench(self) -> None:
        """Have a room to draw: the desk's attempt, or its first scenario."""
        if self._waiting is None and self.theatre is None and self.desk.scenarios:
            self._begin()
        while self._waiting is not None:
            time.sleep(0.05)
            self._await()
        if self.theatre is None:
            raise MachineError(
                "nothing to measure: the desk has neither an attempt nor a scenario that starts"
                + (f" ({self.error})" if self.error else "")
            )

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
            self._read_input()
        changed = self._advance()
        now = time.perf_counter()
        due = now - self._last_draw > IDLE_REDRAW_S or self.screen == "waiting"
        if not (force or self.stepped or changed or self._hot or due):
            time.sleep(0.004)
            return False
        self._hot = max(0, self._hot - 1)
        self._last_draw = now
        self._draw()
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
        if self.theatre is None or self.screen != "room" or self.theatre.help_open:
            return False
        with self._timed("core"):
            self.keyboard.repeat(self.theatre)
            changed = self.theatre.advance(HEADLESS_STEP_S if self.stepped else passed)
        if self.theatre.sound_on:
            needle = self.theatre.state.needle
            self.sound.play(self.theatre.pulses, needle.moving, touch.relative(needle.force_n))
        if self.theatre.finished and self.theatre.report is not None:
            self.screen = "debrief"
        return changed

    # --- input ---------------------------------------------------------------------------------------
    def _read_input(self) -> None:
        for event in pygame.event.get():
            if event.type not in (pygame.ACTIVEEVENT, pygame.AUDIODEVICEADDED):
                self._hot = HOT_FRAMES
            if event.type == pygame.QUIT:
                self.closing = True
            elif event.type == pygame.WINDOWFOCUSLOST and self.theatre:
                self.keyboard.forget(self.theatre)
                self.theatre.hands.release_all()
            typing = self.backend.io.want_text_input
            self.backend.feed(event, keys=self.panels_have_keys or typing or self.screen != "room")
            if event.type == pygame.KEYDOWN:
                self._key_down(event, typing)
            elif event.type == pygame.KEYUP and self.theatre:
                self.keyboard.let_go(event.key, self.theatre)

    def _key_down(self, event: pygame.event.Event, typing: bool) -> None:
        ctrl = bool(getattr(event, "mod", 0) & pygame.KMOD_CTRL)
        if ctrl and event.key in (pygame.K_PLUS, pygame.K_EQUALS, pygame.K_KP_PLUS, pygame.K_MINUS, pygame.K_KP_MINUS):
            self._next_scale(-1 if event.key in (pygame.K_MINUS, pygame.K_KP_MINUS) else 1)
        elif self.screen == "chooser" and event.key == pygame.K_RETURN and self.desk.scenarios:
            self._begin()
        elif self.screen == "debrief" and event.key == pygame.K_ESCAPE:
            self.closing = True
        elif self.screen == "room" and self.theatre is not None:
            self._room_key(event, typing, self.theatre)

    def _room_key(self, event: pygame.event.Event, typing: bool, theatre: Theatre) -> None:
        if event.key == pygame.K_F1:
            theatre.help_open = not theatre.help_open
            self.keyboard.forget(theatre)
        elif event.key == pygame.K_ESCAPE:
            theatre.help_open = False
            self._give_keys(False)
        elif event.key == pygame.K_TAB and not self.panels_have_keys:
            self._give_keys(True)
        elif not (self.panels_have_keys or typing or theatre.help_open):
            self.keyboard.press(event, theatre)

    def _give_keys(self, to_panels: bool) -> None:
        """Tab gives the keyboard to the panels, Esc takes it back."""
        self.panels_have_keys = to_panels
        flag = imgui.ConfigFlags_.nav_enable_keyboard
        io = self.backend.io
        io.config_flags = (io.config_flags | flag) if to_panels else (io.config_flags & ~flag)

    def _next_scale(self, step: int) -> None:
        nearest = min(range(len(SCALES)), key=lambda i: abs(SCALES[i] - self.ui.scale))
        self.set_scale(SCALES[min(len(SCALES) - 1, max(0, nearest + step))])

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
        if self.screen == "chooser":
            if self.chooser.draw(self.ui, self.size, self.error):
                self._begin()
        elif self.screen == "waiting":
            chooser.draw_waiting(self.ui, self.size, self._waiting.seconds() if self._waiting else 0.0)
        elif self.theatre is not None and self.screen == "debrief":
            self._debrief(self.theatre)
        elif self.theatre is not None and self.theatre.help_open:
            if helppage.draw(self.ui, self.size):
                self.theatre.help_open = False
        elif self.theatre is not None:
            self._room(self.theatre)

    def _room(self, theatre: Theatre) -> None:
        rects = layout(*self.size, self.ui.scale)
        left, right = theatre.monitors()
        banner.draw(theatre, self.ui, rects["banner"], self.panels_have_keys)
        self.monitors["live"].draw(theatre, self.ui, rects["live"], left, not theatre.swapped)
        self.monitors["reference"].draw(theatre, self.ui, rects["reference"], right, theatre.swapped)
        console.draw(theatre, self.ui, rects["console"])
        tray.draw(theatre, self.ui, rects["tray"])
        touch.draw(theatre, self.ui, rects["touch"])
        voice.draw(theatre, self.ui, rects["voice"])
        assert self.room is not None
        with self._timed("room3d"):
            roompanel.draw(theatre, self.ui, rects["room"], self.room)

    def _debrief(self, theatre: Theatre) -> None:
        answer = debrief.draw(theatre, self.ui, self.size, bool(self.desk.scenarios and self.desk.start))
        if answer == "again":
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
        self.sound.close()
        if pygame.display.get_init():
            self.backend.close()
            pygame.display.quit()


_ENDED = object()
