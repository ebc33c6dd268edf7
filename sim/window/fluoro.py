"""Pictures on demand: each new pulse of the core becomes one picture, made beside the window's loop.

A worker thread makes the pictures (the picture code releases the interpreter lock), so hands and panels
never wait for X-rays; when pulses come faster than pictures, the newest wins. Headless runs make the
picture at once, so that a script sees the same frames every time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.display import Display
from sim.view import View
from sim.window.desk import Attempt, Picture


@dataclass(frozen=True)
class Shot:
    """One picture on a monitor, with what stands in its caption. marker: (u, v) of the skin marker or None.

    display: how it stood when it was stored (None: as the monitor is set).
    """

    pixels: Picture
    view: View
    number: int
    tick: int
    marker: tuple[float, float] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    display: Display | None = None


def pattern(view: View, side: int) -> Picture:
    """Return a grey pattern with rings and a moving noise: what is shown without a scene."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    rings = 120 + 60 * np.cos(8 * np.sqrt(x * x + y * y) + view.primary_mdeg / 9000 + view.secondary_mdeg / 9000)
    noise = np.random.default_rng(abs(hash(view.noise_key)) % 2**32).integers(-12, 13, (side, side))
    picture = np.clip(rings + noise, 0, 255)
    picture[(abs(x) > view.half_width) | (abs(y) > view.half_height)] = 8
    return picture.astype(np.uint8)


Make = Callable[[View, int, dict[str, Any]], Picture]


def picture_function(attempt: Attempt) -> Make:
    """Return what makes the pictures of an attempt: its own function, sim.picture, or the test pattern."""
    if attempt.picture is not None:
        own = attempt.picture
        return lambda view, side, _about: own(view, side)
    if attempt.scene is None:
        return lambda view, side, _about: pattern(view, side)
    return _Imaging(attempt)


class _Imaging:
    """sim.picture's imager, told when a run begins: it averages live pictures, subtracts DSA runs, draws road maps."""

    def __init__(self, attempt: Attempt) -> None:
        from sim.picture import Imager, rounded

        self._rounded = rounded
        self._imager = Imager(attempt.scene, attempt.beam_tables, backend=attempt.backend)
        self._run = (-2, "")

    def __call__(self, view: View, side: int, about: dict[str, Any]) -> Picture:
        mode, intensifier = about.get("mode", "shot"), bool(about.get("intensifier"))
        self._imager.receptor(intensifier)
        view = self._rounded(view) if intensifier else view
        if mode == "peak":
            return self._imager.peak(view, marks=False)
        if mode == "shift":
            return self._imager.aligned(view, side, marks=False)
        if (run := (about.get("run", -1), mode)) != self._run:
            self._run = run
            self._imager.forget()
        if mode == "dsa":
            return self._imager.subtracted(view, side, marks=False)
        if mode == "roadmap":
            return self._imager.road_map(view, side, marks=False)
        if mode == "live":
            return self._imager.live(view, side, marks=False, frames=about.get("average", 3))
        return self._imager.picture(view, side, marks=False)


class PictureMaker:
    """Makes pictures in a thread (or at once), newest request first; `take` returns a finished one or None."""

    def __init__(self, make: Make, side: int, threaded: bool) -> None:
        self._make = make
        self._side = side
        self._wanted: tuple[View, dict[str, Any]] | None = None
        self._done: tuple[Picture, View, dict[str, Any]] | None = None
        self._lock = threading.Condition()
        self._stopped = False
        self.error = ""
        self.busy = False
        self._thread = threading.Thread(target=self._work, name="fluoroscopy", daemon=True) if threaded else None
        if self._thread:
            self._thread.start()

    def ask(self, view: View, about: dict[str, Any]) -> None:
        """Ask for a picture of `view`; an older request that was not begun is dropped."""
        if self._thread is None:
            self._done = (self._picture(view, about), view, about)
            return
        with self._lock:
            self._wanted = (view, about)
            self._lock.notify()

    def take(self) -> tuple[Picture, View, dict[str, Any]] | None:
        """Return a finished picture once, with its view and what was said about it."""
        with self._lock:
            done, self._done = self._done, None
        return done

    def stop(self) -> None:
        """End the thread."""
        with self._lock:
            self._stopped = True
            self._lock.notify()
        if self._thread:
            self._thread.join(timeout=5.0)

    def _picture(self, view: View, about: dict[str, Any]) -> Picture:
        try:
            return np.ascontiguousarray(self._make(view, self._side, about), np.uint8)
        except Exception as error:  # a broken picture must not end the attempt; the log says it
            self.error = f"{type(error).__name__}: {error}"
            return pattern(view, self._side)

    def _work(self) -> None:
        while True:
            with self._lock:
                while self._wanted is None and not self._stopped:
                    self._lock.wait()
                if self._stopped:
                    return
                assert self._wanted is not None
                view, about = self._wanted
                self._wanted = None
                self.busy = True
            picture = self._picture(view, about)
            with self._lock:
                self._done = (picture, view, about)
                self.busy = False
