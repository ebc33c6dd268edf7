"""From absorbance to a picture's signal: scatter and grid, quantum and electronic noise, blur; then grey values.

Signals are relative to the open beam without patient and grid. Formulas and sources: docs/IMAGING.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.beam import Beam, DetectorData
from sim.jit import jit

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

COARSE = 32  # cells per side of the field for scatter and for the display's slow part
PIXEL_SIGMA = 0.2887  # a square pixel, as the standard deviation of its aperture
ELECTRONIC_FLOOR = 1e-9


@dataclass(frozen=True)
class Exposure:
    """Numbers of one pulse that the pixels need.

    quantum: variance per unit of signal and pixel; electronic: variance of every pixel; grid_*: transmission;
    spr: scatter over primary on the axis of a 230 mm field; range_mm: how far scatter reaches at the receptor.
    """

    quantum: float
    electronic: float
    grid_primary: float
    grid_scatter: float
    spr: float
    range_mm: float
    water_mm: float
    sigma_px: float


def scatter_over_primary(water_mm: float, radius_mm: float, gap_mm: float) -> float:
    """Return scatter over primary on the axis behind a uniform trunk, no grid (fit of a Monte Carlo, 6 % rms)."""
    xs = 200.6 + 0.11 * water_mm
    return float(
        10.25 * (water_mm / 200.0) ** 1.123 * (1.0 - np.exp(-((radius_mm / 194.0) ** 1.626))) * (xs / (xs + gap_mm)) ** 2
    )


def scatter_range_mm(water_mm: float, gap_mm: float) -> float:
    """Return the decay length of the scatter kernel at the receptor (fit of the Monte Carlo kernels, 10 %)."""
    return float(88.4 * (1.0 + 0.0019 * (water_mm - 200.0)) * (gap_mm / 100.0) ** 0.63)


def exposure_of(beam: Beam, data: DetectorData, mas: float, water_mm: float, pixel_mm: float) -> Exposure:
    """Return the numbers of a pulse behind a mean water-equivalent thickness."""
    water_mm = max(water_mm, 20.0)
    gap = max(data.sdd_mm - data.sod_mm - 0.5 * water_mm, 30.0)
    spr = scatter_over_primary(water_mm, 115.0, gap)
    through = float(np.interp(water_mm, data.grid_thickness_mm, data.grid_scatter))
    at_detector = mas * (1000.0 / data.sdd_mm) ** 2
    energy = max(beam.open_energy() * at_detector * pixel_mm**2, 1e-9)
    quantum = beam.mean_energy_kev(water_mm) / energy / data.swank
    # electronic noise equals quantum noise at a receptor kerma of electronic_ngy
    behind = float((beam.response * np.exp(-beam.mu[:, 0] * water_mm)).sum()) * (data.grid_primary + spr * through)
    kerma_ngy = 1000.0 * beam.kerma_behind_ugy(water_mm) * at_detector * (data.grid_primary + spr * through)
    electronic = quantum * behind * data.electronic_ngy / max(kerma_ngy, 1e-9)
    magnified = data.sdd_mm / data.sod_mm - 1.0
    sigma = np.sqrt(data.blur_mm**2 + (data.focal_spot_mm * magnified) ** 2 / 12.0) / pixel_mm
    return Exposure(
        quantum=quantum,
        electronic=max(electronic, ELECTRONIC_FLOOR * quantum),
        grid_primary=data.grid_primary,
        grid_scatter=through,
        spr=spr,
        range_mm=scatter_range_mm(water_mm, gap),
        water_mm=water_mm,
        sigma_px=float(np.sqrt(sigma**2 + PIXEL_SIGMA**2)),
    )


# ---------------------------------------------------------------- scatter


@jit
def coarse_signal(absorbance: F32, half_w: float, half_h: float, out: F32) -> None:
    """Fill out (g, g) with the mean primary of the open field in each cell (up to 4 x 4 samples a cell)."""
    n, g = absorbance.shape[0], out.shape[0]
    step = max(n // (4 * g), 1)
    for i in range(g):
        for j in range(g):
            total, count = 0.0, 0
            for y in range(i * n // g, (i + 1) * n // g, step):
                if abs(2.0 * (y + 0.5) / n - 1.0) > half_h:
                    count += 1
                    continue
                for x in range(j * n // g, (j + 1) * n // g, step):
                    if abs(2.0 * (x + 0.5) / n - 1.0) <= half_w:
                        total += np.exp(-absorbance[y, x])
                    count += 1
            out[i, j] = total / max(count, 1)


@jit
def scatter_field(primary: F32, water: F32, cell_mm: float, amplitude: float, reach_mm: float, mean_mm: float, out: F32) -> None:
    """Fill out (g, g) with scatter: each cell spreads amplitude * primary * (thickness / mean)^1.123 exp(-r / reach)."""
    g = primary.shape[0]
    kernel = np.empty((g, g), np.float32)
    for i in range(g):
        for j in range(g):
            kernel[i, j] = np.exp(-np.sqrt(float(i * i + j * j)) * cell_mm / reach_mm)
    out[:] = 0.0
    for i in range(g):
        for j in range(g):
            if primary[i, j] <= 0.0 or water[i, j] <= 0.0:
                continue
            source = np.float32(amplitude * cell_mm * cell_mm * primary[i, j] * (water[i, j] / mean_mm) ** 1.123)
            for y in range(g):
                for x in range(g):
                    out[y, x] += source * kernel[abs(y - i), abs(x - j)]


def scatter_amplitude(exposure: Exposure) -> float:
    """Return the kernel's height per mm2 that gives `spr` on the axis of a disc of 115 mm radius."""
    r = 115.0 / exposure.range_mm
    return float(exposure.spr / (2.0 * np.pi * exposure.range_mm**2 * (1.0 - np.exp(-r) * (1.0 + r))))


# ---------------------------------------------------------------- signal


@jit
def _between(coarse: F32, y: float, x: float) -> float:
    """Return the bilinear value of a coarse grid at cell coordinates (cell centres at i + 0.5), clamped."""
    g = coarse.shape[0]
    v = min(max(y - 0.5, 0.0), g - 1.001)
    u = min(max(x - 0.5, 0.0), g - 1.001)
    i, j = int(v), int(u)
    v -= i
    u -= j
    top = coarse[i, j] * (1 - u) + coarse[i, j + 1] * u
    return float(top * (1 - v) + (coarse[i + 1, j] * (1 - u) + coarse[i + 1, j + 1] * u) * v)


@jit
def receive(
    absorbance: F32, scatter: F32, first: int, last: int, primary: float, through: float, quantum: float, electronic: float,
    noise: F32, out: F32,
) -> None:  # fmt: skip
    """Fill rows first..last of out with primary + scatter behind the grid, and noise (standard normal) of its variance."""
    n, g = out.shape[0], scatter.shape[0]
    per = g / n
    row = np.empty(n, np.float32)
    for y in range(first, last):
        for x in range(n):
            row[x] = _between(scatter, (y + 0.5) * per, (x + 0.5) * per)
        for x in range(n):
            signal = primary * np.exp(-absorbance[y, x]) + through * row[x]
            out[y, x] = max(signal + np.sqrt(quantum * signal + electronic) * noise[y, x], 0.0)


def blur_taps(sigma_px: float) -> F32:
    """Return a normalised Gaussian of odd length (3 to 9 taps)."""
    reach = int(np.clip(np.ceil(2.5 * sigma_px), 1, 4))
    at = np.arange(-reach, reach + 1)
    taps = np.exp(-0.5 * (at / max(sigma_px, 1e-3)) ** 2)
    return np.asarray(taps / taps.sum(), np.float32)


@jit
def blur_rows(image: F32, taps: F32, first: int, last: int, out: F32) -> None:
    """Blur rows first..last along x (edges repeat)."""
    n, reach = image.shape[1], taps.shape[0] // 2
    for y in range(first, last):
        for x in range(n):
            out[y, x] = 0.0
        for k in range(taps.shape[0]):
            shift = k - reach
            weight = taps[k]
            low, high = max(0, -shift), min(n, n - shift)
            for x in range(low, high):
                out[y, x] += weight * image[y, x + shift]
            for x in range(low):
                out[y, x] += weight * image[y, 0]
            for x in range(high, n):
                out[y, x] += weight * image[y, n - 1]


@jit
def blur_columns(image: F32, taps: F32, first: int, last: int, out: F32) -> None:
    """Blur rows first..last along y (edges repeat)."""
    n, reach = image.shape[0], taps.shape[0] // 2
    for y in range(first, last):
        for x in range(image.shape[1]):
            out[y, x] = 0.0
        for k in range(taps.shape[0]):
            weight = taps[k]
            source = min(max(y + k - reach, 0), n - 1)
            for x in range(image.shape[1]):
                out[y, x] += weight * image[source, x]


# ---------------------------------------------------------------- grey values


@dataclass(frozen=True)
class Window:
    """How signal becomes grey: log signal minus `flatten` of its slow part (about `middle`), half_width to each side."""

    middle: float
    half_width: float
    flatten: float


def smooth(coarse: F32, rounds: int = 2) -> F32:
    """Return a coarse grid blurred by 1-2-1 in both directions, `rounds` times."""
    out = np.asarray(coarse, np.float32)
    for _ in range(rounds):
        wide = np.pad(out, 1, mode="edge")
        out = 0.25 * (wide[:-2] + 2 * wide[1:-1] + wide[2:])
        out = 0.25 * (out[:, :-2] + 2 * out[:, 1:-1] + out[:, 2:])
    return np.asarray(out, np.float32)


def auto_window(log_signal: F32, slow: F32, body: NDArray[np.bool_], flatten: float, limits: tuple[float, float]) -> Window:
    """Return the window for a coarse log signal: the body's median is mid-grey, its spread sets the width."""
    middle = float(np.median(log_signal[body]))
    flat = log_signal - flatten * (slow - middle)
    low, mid, high = (float(v) for v in np.percentile(flat[body], [8.0, 50.0, 92.0]))
    return Window(mid, float(np.clip(0.6 * (high - low), *limits)), flatten)


@jit
def to_grey(
    signal: F32, slow: F32, first: int, last: int, middle: float, half_width: float, flatten: float, half_w: float, half_h: float,
    invert: bool, out: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Fill rows first..last of out (uint8): bright where much signal comes through, black outside the open field."""
    n, g = out.shape[0], slow.shape[0]
    per = g / n
    scale = 1.0 / half_width
    for y in range(first, last):
        inside_y = abs(2.0 * (y + 0.5) / n - 1.0) <= half_h
        for x in range(n):
            if not inside_y or abs(2.0 * (x + 0.5) / n - 1.0) > half_w:
                out[y, x] = 0
                continue
            value = np.log(max(signal[y, x], np.float32(1e-7)))
            value -= flatten * (_between(slow, (y + 0.5) * per, (x + 0.5) * per) - middle)
            t = (value - middle) * scale
            grey = 0.53 + 0.47 * t / np.sqrt(1.0 + t * t)
            out[y, x] = np.uint8((1.0 - grey if invert else grey) * 255.0 + 0.5)
