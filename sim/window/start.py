"""The entrances of the window, loading OpenGL and ImGui only when called."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from sim.window.desk import Desk

if TYPE_CHECKING:
    from sim.window.app import Window

Script = Callable[[Any], Generator[None, None, None]]
"""A script gets the Robot (sim.window.robot) and yields once per frame."""


def require_display() -> None:
    """Check display, OpenGL libraries and packages before anything slow; MachineError in one line says what is missing."""
    from sim.window import boot

    boot.prepare(headless=False)


def run_window(desk: Desk, *, headless: bool = False, max_frames: int | None = None, script: Script | None = None) -> int:
    """Show the window until it is closed; return 0.

    Headless: no display is needed, every frame is 40 ms of command time, pictures are made in the same
    frame, and the run ends after `max_frames` frames or when `script` ends.
    Raises MachineError with one line when the machine has no display or no OpenGL.
    """
    drive(desk, script, headless=headless, max_frames=max_frames)
    return 0


def drive(desk: Desk, script: Script | None = None, *, headless: bool = True, max_frames: int | None = None) -> Window:
    """Run the window, headless unless told otherwise, and return it closed (its theatre holds the attempt)."""
    from sim.window import boot

    boot.prepare(headless)
    from sim.window.app import Window

    window = Window(desk, headless=headless)
    try:
        window.run(max_frames=max_frames, script=script)
    finally:
        window.close()
    return window


def measure_window(desk: Desk, case: str, seconds: float = 5.0, times: int = 12, headless: bool = True) -> list[dict[str, Any]]:
    """Return rows (bench, what, value, unit, goal) of the window: from the gallery to a picture, live fluoroscopy, inputs.

    desk: a gallery with `case`. For the frames every frame is drawn in full (no waiting for a change) with the pedal down and
    the C-arm turning.
    """
    from sim.window import boot

    boot.prepare(headless)
    from sim.window import bench
    from sim.window.app import Window

    window = Window(desk, headless=headless, real_time=True)
    try:
        found = {f"{name}_start_s": bench.measure_start(window, case) for name in ("first", "warm")}
        found |= bench.measure(window, seconds)
        return bench.rows(found | bench.measure_inputs(window, times))
    finally:
        window.close()
