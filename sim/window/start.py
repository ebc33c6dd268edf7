"""The two entrances of the window, loading OpenGL and ImGui only when called."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from sim.window.desk import Desk

Script = Callable[[Any], Generator[None, None, None]]
"""A script gets the Robot (sim.window.robot) and yields once per frame."""


def run_window(desk: Desk, *, headless: bool = False, max_frames: int | None = None, script: Script | None = None) -> Any:
    """Show the window until it is closed; return the Window (its theatre holds the attempt).

    Headless: no display is needed, every frame is 40 ms of command time, pictures are made in the same
    frame, and the run ends after `max_frames` frames or when `script` ends.
    Raises MachineError with one line when the machine has no display or no OpenGL.
    """
    from sim.window import boot

    boot.prepare(headless)
    from sim.window.app import Window

    window = Window(desk, headless=headless)
    try:
        window.run(max_frames=max_frames, script=script)
    finally:
        window.close()
    return window


def measure_fps(seconds: float = 5.0, headless: bool = True, desk: Desk | None = None) -> dict[str, float]:
    """Return frames per second of the window with live fluoroscopy, and where the time of a frame goes (ms).

    Every frame is drawn in full (no waiting for a change), the pedal is down all the time.
    """
    from sim.window import boot

    boot.prepare(headless)
    from sim.window.app import Window
    from sim.window.bench import measure

    window = Window(desk or Desk(), headless=headless)
    try:
        return measure(window, seconds)
    finally:
        window.close()
