"""Subtraction: what came since the mask. Pixel shift, peak opacification and road map, on logarithms of the signal.

`D = ln(mask) - ln(frame)` is the attenuation of what was injected; whatever stood still is gone, whatever moved leaves
its edges. A mask of n frames makes the noise sqrt(1 + 1/n) of a frame's instead of sqrt(2). Pictures only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

FLOOR = np.float32(1e-7)
CELL = 4
VOTES_WITHIN = 6.0
"""Pixel shift: in its last rounds a pixel votes up to so many median deviations (4 standard deviations of noise)."""
GREY, RANGE = 200.0, 0.9
"""Grey of "nothing came", and the attenuation that fills the grey scale."""
ROAD_LEVEL = 0.05
"""Attenuation from which a road map draws a vessel."""


class Subtraction:
    """One run: a mask of its first frames, then differences; `peak` keeps the most that was seen in each pixel."""

    def __init__(self, mask_frames: int = 1) -> None:
        if mask_frames < 1:
            raise ValueError(f"a mask of {mask_frames} frames; expected at least 1")
        self.mask_frames = mask_frames
        self.frames = 0
        self.shift_px = (0.0, 0.0)
        self._sum: F32 | None = None
        self.peak: F32 | None = None

    def take(self, signal: F32) -> F32:
        """Return the difference that a frame (n, n) shows: (n, n), positive where contrast came; zeros while masking."""
        logs = np.log(np.maximum(signal, FLOOR)).astype(np.float32)
        if self._sum is None or self._sum.shape != logs.shape:
            self._sum, self.frames, self.peak = np.zeros_like(logs), 0, None
        if self.frames < self.mask_frames:
            self._sum += logs
            self.frames += 1
            return np.zeros_like(logs)
        difference = np.asarray(self.mask - logs, np.float32)
        self.peak = difference if self.peak is None else np.maximum(self.peak, difference)
        return difference

    @property
    def mask(self) -> F32:
        """Return the mask (n, n), moved by the pixel shift (ValueError before any frame)."""
        if self._sum is None:
            raise ValueError("no mask yet; expected at least one frame of the run")
        return moved(np.asarray(self._sum / np.float32(self.frames), np.float32), *self.shift_px)

    def align(self, signal: F32, inside: NDArray[np.bool_]) -> tuple[float, float]:
        """Choose the pixel shift that fits the mask to a frame best and return it (columns, rows)."""
        self.shift_px = (0.0, 0.0)
        self.shift_px = best_shift(self.mask, np.log(np.maximum(signal, FLOOR)).astype(np.float32), inside)
        return self.shift_px


def moved(image: F32, dx: float, dy: float) -> F32:
    """Return an image moved by dx columns to the right and dy rows down, between pixels linear, edges repeated."""
    if dx == 0.0 and dy == 0.0:
        return image
    n, m = image.shape
    image = np.asarray(image, np.float32)
    y = np.clip(np.arange(n) - dy, 0.0, n - 1.001)
    x = np.clip(np.arange(m) - dx, 0.0, m - 1.001)
    i, j = y.astype(int), x.astype(int)
    v, u = (y - i)[:, None].astype(np.float32), (x - j)[None, :].astype(np.float32)
    top = image[np.ix_(i, j)] * (1 - u) + image[np.ix_(i, j + 1)] * u
    return np.asarray(top * (1 - v) + (image[np.ix_(i + 1, j)] * (1 - u) + image[np.ix_(i + 1, j + 1)] * u) * v, np.float32)


def best_shift(mask: F32, frame: F32, inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the shift (columns, rows) of the mask that leaves the smallest sum of squares (Gauss and Newton's way).

    First on cells of 4 x 4 pixels, so that a shift of several pixels is found, then on all. In the last rounds pixels that still
    differ by far more than the rest (contrast came there) do not vote. More than 5 % of the picture is no shift: (0, 0).
    """
    shift = (0.0, 0.0)
    if len(mask) >= 16 * CELL:
        coarse = _fitted(_cells(mask), _cells(frame), _cells(inside.astype(np.float32)) > 0.999, shift, all_vote=6, few_vote=0)
        shift = (CELL * coarse[0], CELL * coarse[1])
    dx, dy = _fitted(_smoothed(mask), _smoothed(frame), inside, shift, all_vote=3, few_vote=4)
    return (dx, dy) if abs(dx) < 0.05 * len(mask) and abs(dy) < 0.05 * len(mask) else (0.0, 0.0)


def _cells(image: F32) -> F32:
    """Return the means of cells of CELL x CELL pixels."""
    n = len(image) // CELL
    part = np.asarray(image, np.float32)[: n * CELL, : n * CELL].reshape(n, CELL, n, CELL)
    return np.asarray(part.mean(axis=(1, 3)), np.float32)


def _fitted(
    mask: F32, frame: F32, inside: NDArray[np.bool_], start: tuple[float, float], all_vote: int, few_vote: int
) -> tuple[float, float]:
    """Return the shift after so many steps from `start`: in the first all pixels vote, then those that fit."""
    dx, dy = start
    for k in range(all_vote + few_vote):
        now = moved(mask, dx, dy)
        gy, gx = (np.asarray(g, np.float64) for g in np.gradient(now))
        rest = np.asarray(now - frame, np.float32)
        use = inside
        if k >= all_vote:
            apart = np.abs(rest - np.median(rest[inside]))
            use = inside & (apart < VOTES_WITHIN * np.median(apart[inside]) + 1e-9)
        x, y, r = gx[use], gy[use], rest[use].astype(np.float64)
        r = r - r.mean()
        xx, xy, yy = float((x * x).sum()), float((x * y).sum()), float((y * y).sum())
        determinant = xx * yy - xy * xy
        if determinant <= 1e-12:
            return start
        bx, by = float((x * r).sum()), float((y * r).sum())
        dx += (yy * bx - xy * by) / determinant
        dy += (xx * by - xy * bx) / determinant
    return dx, dy


def _smoothed(image: F32) -> F32:
    out = image.astype(np.float32)
    for _ in range(3):
        out[1:-1] = 0.25 * (out[:-2] + 2 * out[1:-1] + out[2:])
        out[:, 1:-1] = 0.25 * (out[:, :-2] + 2 * out[:, 1:-1] + out[:, 2:])
    return out


def grey_of(difference: F32, inside: NDArray[np.bool_]) -> U8:
    """Return a subtracted picture: vessels dark on light grey, black outside the open field."""
    out: U8 = np.clip(GREY - 255.0 * difference / RANGE, 0.0, 255.0).astype(np.uint8)
    out[~inside] = 0
    return out


def road_map(difference: F32, peak: F32, inside: NDArray[np.bool_]) -> U8:
    """Return a road map: the peak of an earlier run as light vessels, what moves now (the needle) dark above it."""
    road = np.clip(_smoothed(peak) - ROAD_LEVEL, 0.0, None)
    out: U8 = np.clip(120.0 + 400.0 * road - 255.0 * difference / RANGE, 0.0, 255.0).astype(np.uint8)
    out[~inside] = 0
    return out


def found(difference: F32, inside: NDArray[np.bool_], sigmas: float = 5.0) -> NDArray[np.bool_]:
    """Return which pixels an untrained threshold calls contrast: darker than the rest by `sigmas` of its own spread.

    The picture is smoothed first (an eye averages a few pixels); spread is 1.48 times the median absolute deviation.
    """
    smooth = _smoothed(difference)
    values = smooth[inside]
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle)) + 1e-9
    return np.asarray(inside & (smooth > middle + sigmas * spread), bool)
