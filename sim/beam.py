"""The X-ray beam: spectra, what matter does to them (Beer-Lambert over energy bins), and air kerma.

Path lengths come in four channels (docs/IMAGING.md): water-equivalent mm, cortical-bone-equivalent mm, steel mm,
iodine mg/mm2. Every material of the body is a * water + b * cortical bone over the energies used here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import DataError
from sim.jit import jit
from sim.readout import transmit
from sim.scatter import Scatter

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

WATER_STEP_MM, BONE_STEP_MM = 5.0, 1.5
WATER_STEPS, BONE_STEPS = 161, 121
BONE_LOW_MM = -18.0
"""Fatty tissue is water minus a little bone: its bone-equivalent length is below zero."""


@dataclass(frozen=True, eq=False)
class DetectorData:
    """Geometry and imperfections of the receptor (scenarios/data/carm.toml)."""

    sdd_mm: float
    sod_mm: float
    swank: float
    electronic_ngy: float
    blur_mm: float
    focal_spot_mm: float
    grid_primary: float
    lag: float
    scatter: Scatter
    grid: bool = True
    glare: float = 0.0
    """Share of the signal that an image intensifier spreads as veiling glare (0: flat panel)."""
    glare_mm: float = 25.0


@dataclass(frozen=True, eq=False)
class BeamTables:
    """Spectra (rows: tube voltage, columns: bins), per mAs at 1 m, and attenuation by energy.

    photons: per mm2; kerma_ugy: air kerma of each bin; mu: (n, 4) per channel; absorbed: share of a photon's
    energy that the scintillator takes up.
    """

    kvp: F64
    energy_kev: F64
    photons: F64
    kerma_ugy: F64
    mu_energy_kev: F64
    mu: F64
    absorbed: F64
    detector: DetectorData


@dataclass(frozen=True, eq=False)
class Beam:
    """One tube voltage: bins with photons and kerma per mAs at 1 m, attenuation (bins, 4), absorbed share."""

    kvp: float
    energy_kev: F64
    photons: F64
    kerma_ugy: F64
    mu: F64
    absorbed: F64

    @property
    def response(self) -> F64:
        """Return the share of the open beam's detector signal in each bin (sum 1)."""
        signal = self.photons * self.energy_kev * self.absorbed
        return np.asarray(signal / signal.sum(), np.float64)

    def open_energy(self) -> float:
        """Return the energy (keV) absorbed per mm2 and mAs at 1 m in the open beam."""
        return float((self.photons * self.energy_kev * self.absorbed).sum())

    def mean_energy_kev(self, water_mm: float) -> float:
        """Return the mean energy of what is absorbed behind water, weighted by signal (for the noise)."""
        behind = self.response * np.exp(-self.mu[:, 0] * water_mm)
        return float((behind * self.energy_kev).sum() / behind.sum())

    def kerma_behind_ugy(self, water_mm: float) -> float:
        """Return the primary air kerma per mAs at 1 m behind water."""
        return float((self.kerma_ugy * np.exp(-self.mu[:, 0] * water_mm)).sum())


def beam_at(tables: BeamTables, kvp: float) -> Beam:
    """Return the beam at a tube voltage, linear between the tabulated ones (DataError outside their range)."""
    if not tables.kvp[0] <= kvp <= tables.kvp[-1]:
        raise DataError(f"tube voltage {kvp:g} kV; the tables hold {tables.kvp[0]:g} to {tables.kvp[-1]:g} kV")
    i = min(int(np.searchsorted(tables.kvp, kvp, side="right")) - 1, len(tables.kvp) - 2)
    t = (kvp - tables.kvp[i]) / (tables.kvp[i + 1] - tables.kvp[i])
    energy = tables.energy_kev[i] * (1 - t) + tables.energy_kev[i + 1] * t
    mu = np.stack([np.interp(energy, tables.mu_energy_kev, tables.mu[:, c]) for c in range(4)], axis=1)
    return Beam(
        kvp=kvp,
        energy_kev=energy,
        photons=tables.photons[i] * (1 - t) + tables.photons[i + 1] * t,
        kerma_ugy=tables.kerma_ugy[i] * (1 - t) + tables.kerma_ugy[i + 1] * t,
        mu=np.ascontiguousarray(mu),
        absorbed=np.interp(energy, tables.mu_energy_kev, tables.absorbed),
    )


def line_mu(tables: BeamTables, kev: float) -> F64:
    """Return the attenuation of the four channels at one energy: (4,) per mm (iodine: per mg/mm2)."""
    return np.array([np.interp(kev, tables.mu_energy_kev, tables.mu[:, c]) for c in range(4)])


def absorbance(beam: Beam, lengths: F32) -> F32:
    """Return -ln(detector signal / open signal) for lengths (4, ...): the exact sum over all bins."""
    total = np.zeros(lengths.shape[1:], np.float64)
    for share, mu in zip(beam.response, beam.mu, strict=True):
        exponent = np.zeros(lengths.shape[1:], np.float64)
        for c in range(4):
            exponent += mu[c] * lengths[c]
        total += share * np.exp(-exponent)
    return np.asarray(-np.log(np.maximum(total, 1e-30)), np.float32)


@jit
def fill_table(response: F64, mu: F64, out: F32) -> None:
    """Fill out[i, j] with the absorbance of i * WATER_STEP_MM of water and BONE_LOW_MM + j * BONE_STEP_MM of bone."""
    bins = response.shape[0]
    for i in range(out.shape[0]):
        part = response * np.exp(-mu[:, 0] * (i * WATER_STEP_MM) - mu[:, 1] * BONE_LOW_MM)
        step = np.exp(-mu[:, 1] * BONE_STEP_MM)
        for j in range(out.shape[1]):
            total = 0.0
            for b in range(bins):
                total += part[b]
                part[b] *= step[b]
            out[i, j] = -np.log(max(total, 1e-30))


def anatomy_table(beam: Beam) -> F32:
    """Return the absorbance of water and bone on a grid, for `look_up` (bilinear: error below 3e-3)."""
    out = np.empty((WATER_STEPS, BONE_STEPS), np.float32)
    fill_table(beam.response, beam.mu, out)
    return out


@jit
def look_up(table: F32, lengths: F32, first: int, last: int, out: F32) -> None:
    """Fill rows first..last of out (n, n) with the absorbance of lengths (2 or more, n, n) by bilinear look-up."""
    n, wide = out.shape[1], np.uint64(table.shape[1])
    flat = table.reshape(table.size)
    corner, along, across, one = np.empty(n, np.uint64), np.empty(n, np.float32), np.empty(n, np.float32), np.uint64(1)
    top_w = np.float32(table.shape[0] - 1.001)
    top_b = np.float32(table.shape[1] - 1.001)
    zero, low = np.float32(0.0), np.float32(BONE_LOW_MM)
    per_w, per_b = np.float32(1.0 / WATER_STEP_MM), np.float32(1.0 / BONE_STEP_MM)
    for y in range(first, last):
        water, bone, line = lengths[0, y], lengths[1, y], out[y]
        for x in range(n):
            u = min(max(water[x] * per_w, zero), top_w)
            v = min(max((bone[x] - low) * per_b, zero), top_b)
            i, j = np.floor(u), np.floor(v)
            along[x] = u - i
            across[x] = v - j
            corner[x] = np.uint64(np.int32(i)) * wide + np.uint64(np.int32(j))
        for x in range(n):
            k = corner[x]
            a = flat[k] + (flat[k + one] - flat[k]) * across[x]
            k += wide
            b = flat[k] + (flat[k + one] - flat[k]) * across[x]
            line[x] = a + (b - a) * along[x]


@jit
def pass_through(absorbance: F32, first: int, last: int, out: F32) -> None:
    """Fill rows first..last of out (n, n) with the primary signal over the open beam, exp(-absorbance)."""
    power = np.empty(out.shape[1], np.int32)
    for y in range(first, last):
        transmit(absorbance[y], power, out[y])


@jit
def add_devices(response: F64, mu: F64, anatomy: F32, devices: F32, box: NDArray[np.int64], out: F32) -> None:
    """Where devices (3, n, n: steel, iodine, plastic) lie, inside box y0 y1 x0 x1, replace out by the exact sum.

    out: (n, n) primary signal over the open beam.
    """
    bins = response.shape[0]
    for y in range(box[0], box[1]):
        for x in range(box[2], box[3]):
            steel = devices[0, y, x]
            iodine = devices[1, y, x]
            plastic = devices[2, y, x]
            if steel > 0.0 or iodine > 0.0 or plastic > 0.0:
                water = max(anatomy[0, y, x], np.float32(0.0)) + plastic
                bone = anatomy[1, y, x]
                total = 0.0
                for b in range(bins):
                    total += response[b] * np.exp(-(mu[b, 0] * water + mu[b, 1] * bone + mu[b, 2] * steel + mu[b, 3] * iodine))
                out[y, x] = total
