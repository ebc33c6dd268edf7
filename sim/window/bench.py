"""Frames per second with live fluoroscopy, and where a frame's time goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.window.app import Window

SETTLE_FRAMES = 10


def measure(window: Window, seconds: float) -> dict[str, float]:
    """Draw every frame in full with the pedal down and the C-arm turning; return rates and milliseconds per part."""
    window.begin_for_bench()
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


def rows(measured: dict[str, float]) -> list[dict[str, Any]]:
    """Return the measurement as rows of the benchmark table."""
    units = {
        "frames_per_s": ("frames drawn in full, live fluoroscopy", "1/s", ">= 15"),
        "pictures_per_s": ("fluoroscopy pictures shown", "1/s", ""),
    }
    out = []
    for name, value in measured.items():
        what, unit, goal = units.get(name, (f"part of a frame: {name}", "ms", ""))
        out.append({"bench": "window", "what": what, "value": round(value, 2), "unit": unit, "goal": goal})
    return out
