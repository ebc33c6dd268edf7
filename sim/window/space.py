"""A 3D mouse (SpaceMouse): cap and buttons become acts by the table of controls, kind "space". Optional: package pyspacemouse.

SDL lists no such device (its HID usage is "multi-axis controller"), so it is read beside SDL's events, once a frame. Only the
axis that is pushed furthest acts: a cap that is pressed down tilts a little too, and a needle must not.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from io import StringIO
from typing import Any

from sim.window.controls import SPACE_BUTTONS, Controls
from sim.window.pad import Pad
from sim.window.theatre import Theatre

AXES = {
    "x": ("CAP-LEFT", "CAP-RIGHT"), "y": ("CAP-BACK", "CAP-FORTH"), "z": ("CAP-DOWN", "CAP-UP"),
    "roll": ("PITCH-FORTH", "PITCH-BACK"), "pitch": ("ROLL-LEFT", "ROLL-RIGHT"), "yaw": ("TWIST-RIGHT", "TWIST-LEFT"),
}  # fmt: skip
"""Axis of pyspacemouse's state (-1..1) -> its two inputs. Convention HID_Z_UP: x right, y away, z up, right-handed rotations."""
DEAD = 0.3
REPORTS = 16
"""Reports read in one frame at most: the device sends about a hundred a second."""
GONE = "The 3D mouse was unplugged; everything it held is let go. Mouse and keyboard work on."


def open_device() -> Any:
    """Return an opened device of pyspacemouse, None where there is none, no package or no HID library."""
    with suppress(Exception), redirect_stdout(StringIO()):  # whatever a missing driver or a missing right raises
        library = importlib.import_module("pyspacemouse")
        return library.open(axis_convention=library.AxisConvention.HID_Z_UP)
    return None


class Space(Pad):
    """One 3D mouse. `device`: anything whose read() returns x, y, z, roll, pitch, yaw (-1..1) and buttons (0, 1)."""

    kind = "space"

    def __init__(self, controls: Controls, window_act: Callable[[str], None], device: Any = None) -> None:
        super().__init__(controls, window_act)
        self.device = device
        self.seen = device is not None

    def read(self, theatre: Theatre | None) -> str:
        """Take what the device says; return a sentence when it went away, else ""."""
        if self.device is None:
            return ""
        try:
            state = self._newest()
        except Exception:  # each system's HID library has its own word for a device that is gone
            self.device, self.seen = None, False
            self.release(theatre)
            return GONE
        self._axes({name: float(getattr(state, name)) for name in AXES}, theatre)
        for name, down in zip(SPACE_BUTTONS, state.buttons, strict=False):
            if bool(down) != (name in self._buttons):
                self._button(name, bool(down), theatre)
        return ""

    def _newest(self) -> Any:
        """Return the newest state: reports queue up between two frames."""
        state, when = self.device.read(), None
        for _ in range(REPORTS):
            if getattr(state, "t", None) == when:
                break
            when = getattr(state, "t", None)
            state = self.device.read()
        return state

    def _axes(self, pushed: dict[str, float], theatre: Theatre | None) -> None:
        most = max(pushed, key=lambda name: abs(pushed[name]))
        held = next((name for name, ways in AXES.items() if self._push.keys() & set(ways)), None)
        leads = held if held is not None and abs(pushed[held]) > DEAD else most  # who began goes on
        for name in sorted(pushed, key=lambda name: name == leads):  # let go first, then push
            self._axis(AXES[name], pushed[name] if name == leads else 0.0, theatre)
