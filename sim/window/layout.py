"""Where everything stands, as plain rectangles: a pure function of window size and text scale.

Two square monitors side by side, console and tray under them, room, touch and voices on the right. The
monitors never shrink under 400 px while the window is at least 1280x720; panels that lose room scroll.
"""

from __future__ import annotations

from typing import NamedTuple

MINIMUM = (1280, 720)
GAP = 5
MONITOR_MIN = 400


class Rect(NamedTuple):
    """x, y, width, height in pixels."""

    x: float
    y: float
    w: float
    h: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle."""
        return self.x + self.w / 2, self.y + self.h / 2


def layout(width: int, height: int, scale: float) -> dict[str, Rect]:
    """Return the panels: banner, live, reference, console, tray, room, touch, voice."""
    banner = round(50 * scale)
    caption = round(24 * scale)
    console = round(200 * scale)
    right = max(380.0, min(0.36 * width, 380 * scale))
    side = min(height - banner - console - caption - 4 * GAP, (width - right - 4 * GAP) / 2)
    side = max(side, min(MONITOR_MIN, (width - 300 - 4 * GAP) / 2, height - banner - caption - 4 * GAP - 100))
    side = float(int(side))
    top = banner + 2 * GAP
    below = top + caption + side + GAP
    left = 2 * side + 3 * GAP
    rest = width - left - GAP
    half = (2 * side + GAP - GAP) / 2
    touch_h = round(104 * scale)
    column = height - top - GAP
    room_h = float(int(max(180.0, min(0.42 * column, column - touch_h - 2 * GAP - 270 * scale))))
    return {
        "banner": Rect(GAP, GAP, width - 2 * GAP, banner),
        "live": Rect(GAP, top, side, side + caption),
        "reference": Rect(2 * GAP + side, top, side, side + caption),
        "console": Rect(GAP, below, half, height - below - GAP),
        "tray": Rect(2 * GAP + half, below, half, height - below - GAP),
        "room": Rect(left, top, rest, room_h),
        "touch": Rect(left, top + room_h + GAP, rest, touch_h),
        "voice": Rect(left, top + room_h + touch_h + 2 * GAP, rest, column - room_h - touch_h - 2 * GAP),
    }
