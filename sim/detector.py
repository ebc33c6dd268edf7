"""What a receptor adds to the primary: scatter and grid, noise, blur, veiling glare, in numbers; and the display's window.

sim/readout.py does it to the pixels.

Signals are relative to the open beam without patient and grid. Formulas and sources: docs/IMAGING.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.beam import Beam, DetectorData
from sim.jit import jit
from sim.scatter import kernels_of, scatter_field, spr_at

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

COARSE = 32  # cells per side of the field for scatter and for the display's slow part
PIXEL_SIGMA = 0.2887  # a square pixel, as the standard deviation of its aperture
ELECTRONIC_FLOOR = 1e-9
AXIS_FIELD_MM = 115.0  # radius of the field whose axis stands for the mean receptor kerma


@dataclass(frozen=True)
class Exposure:
    """Numbers of one pulse that the pixels need.

    quantum: variance per unit of signal and pixel; electronic: variance of every pixel; grid_primary: transmission
    (1 without grid).
    """

    quantum: float
    electronic: float
    grid_primary: float
    water_mm: float
    sigma_px: float


def exposure_of(beam: Beam, data: DetectorData, mas: float, water_mm: float, pixel_mm: float) -> Exposure:
    """Return the numbers of a pulse behind a mean water-equivalent thickness."""
    water_mm = max(water_mm, 20.0)
    passed = data.grid_primary if data.grid else 1.0
    at_detector = mas * (1000.0 / data.sdd_mm) ** 2
    energy = max(beam.open_energy() * at_detector * pixel_mm**2, 1e-9)
    quantum = beam.mean_energy_kev(water_mm) / energy / data.swank
    # electronic noise equals quantum noise at a receptor kerma of electronic_ngy
    received = passed * (1.0 + spr_at(data.scatter, water_mm, AXIS_FIELD_MM, data.grid))
    behind = float((beam.response * np.exp(-beam.mu[:, 0] * water_mm)).sum()) * received
    kerma_ngy = 1000.0 * beam.kerma_behind_ugy(water_mm) * at_detector * received
    electronic = quantum * behind * data.electronic_ngy / max(kerma_ngy, 1e-9)
    magnified = data.sdd_mm / data.sod_mm - 1.0
    sigma = np.sqrt(data.blur_mm**2 + (data.focal_spot_mm * magnified) ** 2 / 12.0) / pixel_mm
    return Exposure(
        quantum=quantum,
        electronic=max(electronic, ELECTRONIC_FLOOR * quantum),
        grid_primary=passed,
        water_mm=water_mm,
        sigma_px=float(np.sqrt(sigma**2 + PIXEL_SIGMA**2)),
    )


# ---------------------------------------------------------------- scatter


@jit
def coarse_signal(passed: F32, half_w: float, half_h: float, iris: float, out: F32) -> None:
    """Fill out (g, g) with the mean primary, passed (n, n), of the open field in each cell (up to 4 x 4 samples a cell)."""
    n, g = passed.shape[0], out.shape[0]
    step = max(n // (4 * g), 1)
    for i in range(g):
        for j in range(g):
            total, count = 0.0, 0
            for y in range(i * n // g, (i + 1) * n // g, step):
                v = abs(2.0 * (y + 0.5) / n - 1.0)
                if v > half_h:
                    count += 1
                    continue
                for x in range(j * n // g, (j + 1) * n // g, step):
                    u = abs(2.0 * (x + 0.5) / n - 1.0)
                    if u <= half_w and u * u + v * v <= iris * iris:
                        total += passed[y, x]
                    count += 1
            out[i, j] = total / max(count, 1)


def scattered(primary: F32, water: F32, cell_mm: float, data: DetectorData) -> F32:
    """Return scatter in the cells (g, g) of a field: primary signal (g, g) behind water (g, g) mm, before the grid."""
    g, table = len(primary), data.scatter
    out = np.empty((g, g), np.float32)
    scatter_field(primary, water, table.thickness_mm, kernels_of(table, data.grid, g, cell_mm), out)
    return out


def veil(coarse: F32, cell_mm: float, data: DetectorData) -> F32:
    """Return veiling glare over the cells: what an intensifier spreads of the whole signal (zero for a flat panel).

    `(1 - g) I + g I * k` with k = exp(-r / range) over its own sum (imaging reference, section 2).
    """
    g = len(coarse)
    at = np.arange(-g + 1, g) * cell_mm
    kernel = np.exp(-np.sqrt(at[:, None] ** 2 + at[None, :] ** 2) / data.glare_mm)
    kernel /= kernel.sum()
    spread = np.fft.irfft2(np.fft.rfft2(coarse, (3 * g, 3 * g)) * np.fft.rfft2(kernel, (3 * g, 3 * g)), (3 * g, 3 * g))
    return np.asarray(data.glare * spread[g - 1 : 2 * g - 1, g - 1 : 2 * g - 1], np.float32)


# ---------------------------------------------------------------- blur


def blur_taps(sigma_px: float) -> F32:
    """Return a normalised Gaussian of odd length (3 to 9 taps)."""
    reach = int(np.clip(np.ceil(2.5 * sigma_px), 1, 4))
    at = np.arange(-reach, reach + 1)
    taps = np.exp(-0.5 * (at / max(sigma_px, 1e-3)) ** 2)
    return np.asarray(taps / taps.sum(), np.float32)


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
