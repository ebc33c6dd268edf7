"""What the monitor does to a finished picture: smoothing, edges, window and level, inversion, flips, rotation.

Display only: pixels and places on them, nothing that a core or a score could read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import UsageError

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

LIMITS = {"brightness": (-100, 100), "contrast": (25, 400), "edges": (0, 200), "smooth": (0, 3), "average": (1, 8)}
MIDDLE_GREY = 128.0


@dataclass(frozen=True)
class Display:
    """How a monitor shows pictures. UsageError for a value out of reach.

    turn_deg: clockwise, whole degrees, after the flips (mirrored: left and right, upended: top and bottom). brightness: grey
    levels added; contrast: percent about mid-grey; edges: percent of what a 3 x 3 blur takes away that is added again (unsharp
    mask); smooth: rounds of a 3 x 3 median (noise); average: live pictures in the recursive filter (1: none).
    """

    turn_deg: int = 0
    mirrored: bool = False
    upended: bool = False
    invert: bool = False
    brightness: int = 0
    contrast: int = 100
    edges: int = 0
    smooth: int = 0
    average: int = 3

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"picture {name} {getattr(self, name)}: expected {low} to {high}")

    @property
    def straight(self) -> bool:
        """True if places on the screen are places of the picture."""
        return self.turn_deg % 360 == 0 and not (self.mirrored or self.upended)

    def pixels(self, picture: U8) -> U8:
        """Return the picture (n, n) uint8 as it stands on the screen."""
        out = np.asarray(picture, np.float32)
        for _ in range(self.smooth):
            out = median(out)
        if self.edges:
            out = out + self.edges / 100.0 * (out - blurred(out))
        out = (out - MIDDLE_GREY) * (self.contrast / 100.0) + MIDDLE_GREY + self.brightness
        if self.invert:
            out = 255.0 - out
        if self.mirrored:
            out = out[:, ::-1]
        if self.upended:
            out = out[::-1]
        if self.turn_deg % 90 == 0:
            out = np.rot90(out, -(self.turn_deg // 90) % 4)
        else:
            out = turned(out, self.turn_deg)
        return np.ascontiguousarray(np.clip(out + 0.5, 0.0, 255.0), np.uint8)

    def on_screen(self, u: float, v: float) -> tuple[float, float]:
        """Return where a point of the picture (0..1 right, 0..1 down) stands on the screen."""
        x, y = (0.5 - u if self.mirrored else u - 0.5), (0.5 - v if self.upended else v - 0.5)
        c, s = _cos_sin(self.turn_deg)
        return 0.5 + c * x - s * y, 0.5 + s * x + c * y

    def in_picture(self, u: float, v: float) -> tuple[float, float]:
        """Return which point of the picture stands at a place of the screen: the inverse of `on_screen`."""
        c, s = _cos_sin(self.turn_deg)
        x, y = c * (u - 0.5) + s * (v - 0.5), -s * (u - 0.5) + c * (v - 0.5)
        return 0.5 + (-x if self.mirrored else x), 0.5 + (-y if self.upended else y)


def _cos_sin(degrees: int) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def _around(image: F32) -> list[F32]:
    """Return the nine neighbours of every pixel, edges repeated."""
    wide = np.pad(image, 1, mode="edge")
    n, m = image.shape
    return [wide[i : i + n, j : j + m] for i in range(3) for j in range(3)]


def median(image: F32) -> F32:
    """Return the 3 x 3 median: noise goes, edges of a needle two pixels wide stay."""
    return np.asarray(np.median(np.stack(_around(image)), axis=0), np.float32)


def blurred(image: F32) -> F32:
    """Return the image weighted 1-2-1 in both directions."""
    weights = (1, 2, 1, 2, 4, 2, 1, 2, 1)
    return np.asarray(sum(w * part for w, part in zip(weights, _around(image), strict=True)) / 16.0, np.float32)


def turned(image: F32, degrees: int) -> F32:
    """Return the image turned clockwise about its middle, bilinear, black where nothing was."""
    n = len(image)
    c, s = _cos_sin(degrees)
    at = np.arange(n) - 0.5 * (n - 1)
    x, y = c * at[None, :] + s * at[:, None] + 0.5 * (n - 1), -s * at[None, :] + c * at[:, None] + 0.5 * (n - 1)
    inside = (x >= 0) & (x <= n - 1) & (y >= 0) & (y <= n - 1)
    i, j = np.clip(y.astype(int), 0, n - 2), np.clip(x.astype(int), 0, n - 2)
    v, u = (y - i).astype(np.float32), (x - j).astype(np.float32)
    top = image[i, j] * (1 - u) + image[i, j + 1] * u
    low = image[i + 1, j] * (1 - u) + image[i + 1, j + 1] * u
    return np.asarray(np.where(inside, top * (1 - v) + low * v, 0.0), np.float32)
