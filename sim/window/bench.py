"""Speed of the window: frames with live fluoroscopy, from input to picture, from the gallery to the first picture."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pygame

from sim.errors import MachineError

if TYPE_CHECKING:
    from sim.window.app import Window

SETTLE_FRAMES = 10
SHOTS = 12
PATIENCE_S = 120.0


def measure(window: Window, seconds: float) -> dict[str, float]:
    """Draw every frame in full with the pedal down and the C-arm turning; return rates and milliseconds per part."""
    theatre = window.theatre
    assert theatre is not None
    theatre.hands.hold("pedal", True)
    for _ in range(SETTLE_FRAMES):
        window.frame(force=True)
    window.spent.clear()
    shown, frames, start = theatre.shown, 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        if frames % 20 == 0:
            theatre.hands.turn(1.0 if frames % 40 else -1.0)
        window.frame(force=True)
        frames += 1
    wall = time.perf_counter() - start
    theatre.hands.hold("pedal", False)
    parts = {name: 1000 * total / frames for name, total in window.spent.items()}
    return {"frames_per_s": frames / wall, "pictures_per_s": (theatre.shown - shown) / wall, **parts}


def measure_inputs(window: Window, times: int = SHOTS) -> dict[str, float]:
    """Press keys and wait for what they show: a turn of the arm in the next frame, a single picture on the monitor; milliseconds.

    The time runs from posting the event to the end of the frame that shows it; median and worst of so many times.
    """
    theatre = window.theatre
    assert theatre is not None
    _frames(window, 0.3)
    turns, shots = [], []
    for i in range(times):
        state = theatre.state.carm
        turns.append(_press(window, pygame.K_LEFT if i % 2 else pygame.K_RIGHT, lambda s=state: theatre.state.carm is not s))
        _frames(window, 0.3)
        shown = theatre.shown
        shots.append(_press(window, pygame.K_s, lambda n=shown: theatre.shown > n))
        _frames(window, 0.3)
    names = (("input_to_frame", turns), ("input_to_picture", shots))
    return {f"{name}_{how}_ms": fold(row) for name, row in names for how, fold in (("median", statistics.median), ("worst", max))}


def measure_start(window: Window, case: str) -> float:
    """Begin a case from the gallery and take a picture at once; return seconds from the click to the picture on the monitor."""
    if window.theatre is not None:
        window.theatre.stop()
    window.screen, window.theatre = "chooser", None
    start = time.perf_counter()
    window._begin(case, "practice", False, None)
    _until(window, lambda: window.screen == "room")
    _press(window, pygame.K_s, lambda: window.theatre is not None and window.theatre.shown > 0)
    return time.perf_counter() - start


def _press(window: Window, key: int, seen: Callable[[], bool]) -> float:
    """Press a key; return milliseconds until `seen` holds at the end of a drawn frame."""
    start = time.perf_counter()
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=0, unicode="", scancode=0))
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=0, unicode="", scancode=0))
    _until(window, seen)
    return 1000 * (time.perf_counter() - start)


def _until(window: Window, seen: Callable[[], bool]) -> None:
    end = time.perf_counter() + PATIENCE_S
    while not (window.frame() and seen()):
        if window.error or time.perf_counter() > end:
            raise MachineError(f"nothing to measure: {window.error or 'the window does not answer'}")


def _frames(window: Window, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        window.frame()


def rows(measured: dict[str, float]) -> list[dict[str, Any]]:
    """Return the measurement as rows of the benchmark table."""
    units = {
        "frames_per_s": ("frames drawn in full, live fluoroscopy", "1/s", ">= 15"),
        "pictures_per_s": ("fluoroscopy pictures shown", "1/s", ""),
        "input_to_frame_median_ms": ("from a key to the frame that shows it, median", "ms", "<= 100"),
        "input_to_frame_worst_ms": ("from a key to the frame that shows it, worst", "ms", ""),
        "input_to_picture_median_ms": ("from a key to the X-ray picture, median", "ms", "<= 100"),
        "input_to_picture_worst_ms": ("from a key to the X-ray picture, worst", "ms", ""),
        "first_start_s": ("gallery to first picture, first case of the process", "s", ""),
        "warm_start_s": ("gallery to first picture, warm", "s", "<= 3"),
    }
    out = []
    for name, value in measured.items():
        what, unit, goal = units.get(name, (f"part of a frame: {name}", "ms", ""))
        out.append({"bench": "window", "what": what, "value": round(value, 2), "unit": unit, "goal": goal})
    return out
