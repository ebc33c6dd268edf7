"""Monte Carlo of a pencil beam in a slab of water: scatter over primary with and without an anti-scatter grid.

The scatter model of pictures (sim/detector.py) and of the exposure control (carm.toml) is checked against this. Photo-effect,
Compton (Klein-Nishina times the incoherent scattering function) and Rayleigh (independent-atom form factors) in a box of
300 x 400 mm, one photon after the other, nothing forced. What a broad field of radius R scatters onto its axis is what a pencil
scatters into a disc of radius R (every ray of the field sees the same slab), so that one run gives all fields. The receptor
takes up energy (0.6 mm CsI); the grid is focused: lead strips 0.0475 mm, 44 a cm, 10:1, carbon between.

usage: python scripts/slab_monte_carlo.py [--photons N]       prints the comparison
       python scripts/slab_monte_carlo.py --table [--photons N]  writes scenarios/data/scatter.csv again
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scenarios.beam_tables import load_beam
from sim.beam import beam_at
from sim.jit import jit
from sim.scatter import spr_at

F64 = NDArray[np.float64]

HALF_X, HALF_Y = 150.0, 200.0
RADII = (50.0, 75.0, 115.0, 150.0)
BINS, BIN_MM = 60, 5.0
KEV_PER_ANGSTROM = 12.39842
GRID_RATIO, STRIPS_PER_MM, LEAD_MM, INTERSPACE_PER_MM = 10.0, 4.4, 0.0475, 0.026
FOCUS_MM = 1000.0
MEASURED = (
    # what, kVp, water mm, gap mm, radius mm, without grid, with grid
    ("30 cm acrylic, CBCT geometry (Altunbas 2016, doi in the imaging reference; gap not known)", 119, 354, 200, 195, 4.51, 1.28),
)


@dataclass(frozen=True)
class Water:
    """Tables: energies (kev) with photo, Compton, Rayleigh, lead per mm; transfer x with F^2 and S per molecule."""

    kev: F64
    mu: F64
    x: F64
    f2: F64
    s: F64


def read_water(path: Path = ROOT / "scripts" / "photon_water.csv") -> Water:
    """Return the tables that scripts/slab_tables.py wrote."""
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    energy = np.array([[float(c) for c in r[1:]] for r in rows if r[0] == "energy"])
    transfer = np.array([[float(c) for c in r[1:4]] for r in rows if r[0] == "transfer"])
    return Water(energy[:, 0], np.ascontiguousarray(energy[:, 1:]), transfer[:, 0], transfer[:, 1], transfer[:, 2])


@jit
def _at(xs: F64, ys: F64, x: float) -> float:
    """Return linear interpolation on an even or uneven grid, clamped."""
    i = int(np.searchsorted(xs, x))
    if i <= 0:
        return float(ys[0])
    if i >= xs.shape[0]:
        return float(ys[-1])
    t = (x - xs[i - 1]) / (xs[i] - xs[i - 1])
    return float(ys[i - 1] * (1 - t) + ys[i] * t)


@jit
def _compton(kev: float, x: F64, s: F64) -> tuple[float, float]:
    """Return (cosine, energy after) of a Compton scattering: Klein-Nishina, accepted with S(x) / 10."""
    a = kev / 510.999
    low = 1.0 / (1.0 + 2.0 * a)
    while True:
        if np.random.random() < 2.0 * np.log(1.0 / low) / (2.0 * np.log(1.0 / low) + 1.0 - low * low):
            e = low ** np.random.random()
        else:
            e = np.sqrt(low * low + (1.0 - low * low) * np.random.random())
        t = (1.0 - e) / (a * e)
        if np.random.random() >= 1.0 - t * (2.0 - t) * e / (1.0 + e * e):
            continue
        transfer = np.sqrt(0.5 * t) * kev / 12.39842
        if np.random.random() * 10.0 < _at(x, s, transfer):
            return 1.0 - t, kev * e


@jit
def _rayleigh(kev: float, x: F64, f2_sum: F64) -> float:
    """Return the cosine of a Rayleigh scattering: x^2 from the form factor's cumulative, accepted with (1 + cos^2) / 2."""
    most = kev / 12.39842
    top = _at(x, f2_sum, most)
    while True:
        square = _at(f2_sum, x, np.random.random() * top) / most
        cosine = 1.0 - 2.0 * square * square
        if np.random.random() < 0.5 * (1.0 + cosine * cosine):
            return cosine


@jit
def _through_grid(sx: float, cosine: float, lead: float) -> float:
    """Return the mean transmission of the grid for a photon with slope sx across the strips (beyond the focused one)."""
    pitch = 1.0 / 4.4
    gap = pitch - 0.0475
    height = 10.0 * gap
    shift = abs(sx) * height
    slant = height / cosine
    total = 0.0
    for k in range(8):
        start = (k + np.random.random()) / 8.0 * pitch
        if shift < 1e-9:
            inside = 1.0 if start < 0.0475 else 0.0
        else:
            whole = np.floor((start + shift) / pitch)
            inside = (whole * 0.0475 + min(start + shift - whole * pitch, 0.0475) - min(start, 0.0475)) / shift
        total += np.exp(-lead * inside * slant - 0.026 * (1.0 - inside) * slant)
    return total / 8.0


@jit
def run(
    photons: int, seed: int, share: F64, energies: F64, kev: F64, mu: F64, x: F64, f2_sum: F64, s: F64, absorbed: F64,
    thickness: float, gap: float, plain: F64, gridded: F64,
) -> None:  # fmt: skip
    """Add the energy that scattered photons leave in rings of 5 mm round the axis, without and with the grid."""
    np.random.seed(seed)
    for _ in range(photons):
        b = int(np.searchsorted(share, np.random.random()))
        e = energies[b]
        px, py, pz = 0.0, 0.0, 0.0
        dx, dy, dz = 0.0, 0.0, 1.0
        scattered = False
        while True:
            photo, compton, rayleigh = _at(kev, mu[:, 0], e), _at(kev, mu[:, 1], e), _at(kev, mu[:, 2], e)
            total = photo + compton + rayleigh
            step = -np.log(1.0 - np.random.random()) / total
            px += dx * step
            py += dy * step
            pz += dz * step
            if pz < 0.0 or pz > thickness or abs(px) > 150.0 or abs(py) > 200.0:
                break
            kind = np.random.random() * total
            if kind < photo:
                scattered = False
                dz = -1.0
                break
            if kind < photo + compton:
                cosine, e = _compton(e, x, s)
            else:
                cosine = _rayleigh(e, x, f2_sum)
            scattered = True
            sine = np.sqrt(max(1.0 - cosine * cosine, 0.0))
            angle = 2.0 * np.pi * np.random.random()
            a, c = sine * np.cos(angle), sine * np.sin(angle)
            flat = np.sqrt(max(1.0 - dz * dz, 0.0))
            if flat < 1e-6:
                dx, dy, dz = a, c, (cosine if dz > 0.0 else -cosine)
            else:
                nx = cosine * dx + (a * dx * dz - c * dy) / flat
                ny = cosine * dy + (a * dy * dz + c * dx) / flat
                dz = cosine * dz - a * flat
                dx, dy = nx, ny
            if e < 10.0:
                dz = -1.0
                break
        if not scattered or dz <= 0.02:
            continue
        away = (thickness + gap - pz) / dz
        qx, qy = px + dx * away, py + dy * away
        ring = int(np.sqrt(qx * qx + qy * qy) / 5.0)
        if ring >= plain.shape[0]:
            continue
        depth = -np.log(1.0 - _at(kev, absorbed, e))
        energy = e * (1.0 - np.exp(-depth / dz))
        plain[ring] += energy
        gridded[ring] += energy * _through_grid(dx / dz - qx / 1000.0, dz, _at(kev, mu[:, 3], e))


@dataclass(frozen=True)
class Result:
    """Scatter over primary on the axis by field radius (mm), and the grid's transmissions."""

    plain: dict[float, float]
    gridded: dict[float, float]
    grid_primary: float
    grid_scatter: float
    """Share of the scatter of the widest field that passes the grid."""


def simulate(
    kvp: float, thickness: float, gap: float, radii: tuple[float, ...] = RADII, photons: int = 400_000, seed: int = 1
) -> Result:
    """Return scatter over primary behind a slab."""
    water, tables = read_water(), load_beam()
    beam = beam_at(tables, kvp)
    absorbed = np.interp(water.kev, tables.mu_energy_kev, tables.absorbed)
    f2_sum = np.concatenate([[0.0], np.cumsum(0.5 * (water.f2[1:] + water.f2[:-1]) * np.diff(water.x**2))])
    share = np.cumsum(beam.photons / beam.photons.sum())
    share[-1] = 1.0
    plain, gridded = np.zeros(BINS), np.zeros(BINS)
    args: tuple[Any, ...] = (share, beam.energy_kev, water.kev, water.mu, water.x, f2_sum, water.s, absorbed)
    run(photons, seed, *args, float(thickness), float(gap), plain, gridded)
    mu = sum(np.interp(beam.energy_kev, water.kev, water.mu[:, i]) for i in range(3))
    taken = beam.photons / beam.photons.sum() * beam.energy_kev * np.interp(beam.energy_kev, water.kev, absorbed)
    primary = photons * float((taken * np.exp(-mu * thickness)).sum())
    open_share = 1.0 - LEAD_MM * STRIPS_PER_MM
    height = GRID_RATIO * (1.0 / STRIPS_PER_MM - LEAD_MM)
    through = open_share * float(np.exp(-INTERSPACE_PER_MM * height))

    def sums(rings: F64) -> dict[float, float]:
        return {r: float(rings[: round(r / BIN_MM)].sum()) / primary for r in radii}

    last = max(radii)
    return Result(
        sums(plain), {r: v / through for r, v in sums(gridded).items()}, through, sums(gridded)[last] / sums(plain)[last]
    )


CURVE = ((50, 48), (100, 56), (150, 64), (200, 73), (250, 83), (300, 94), (350, 106), (400, 115), (450, 120))
DISCS = tuple(BIN_MM * k for k in (1, 2, 3, 4, 6, 8, 10, 13, 16, 20, 25, 30, 36, 44, 52, 60))
"""Radii of the discs in scenarios/data/scatter.csv."""


def rows(photons: int) -> list[str]:
    """Return the lines of scatter.csv: the C-arm of carm.toml (receptor 300 mm from the isocentre), its exposure curve."""
    lines = ["thickness_mm,radius_mm,spr,spr_grid"]
    for mm, kvp in CURVE:
        result = simulate(kvp, mm, 300.0 - 0.5 * mm, DISCS, photons * (1 + mm // 100))
        lines += [f"{mm},{r:.0f},{result.plain[r]:.5f},{result.gridded[r]:.5f}" for r in DISCS]
    return lines


def table(photons: int) -> list[str]:
    """Return the lines of the report: Monte Carlo (another seed) and the model of the pictures side by side."""
    lines = ["| water mm | kVp | gap mm | field radius mm | SPR Monte Carlo | SPR model | with grid MC | with grid model |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    data = load_beam().detector.scatter
    for mm, kvp in ((100, 56), (200, 73), (300, 94)):
        result = simulate(kvp, mm, 300.0 - 0.5 * mm, photons=photons * (1 + mm // 100), seed=2)
        for r in RADII:
            place = (f"{mm}", f"{kvp}", f"{300 - 0.5 * mm:.0f}", f"{r:.0f}")
            values = (result.plain[r], spr_at(data, mm, r, False), result.gridded[r], spr_at(data, mm, r, True))
            lines.append("| " + " | ".join((*place, *(f"{v:.3f}" for v in values))) + " |")
    for what, kvp, mm, gap, radius, bare, grid in MEASURED:
        got = simulate(kvp, mm, gap, (float(radius),), photons * 6)
        lines.append(f"{what}: measured {bare} and {grid}; here {got.plain[radius]:.2f} and {got.gridded[radius]:.2f}")
    return lines


def main() -> int:
    """Print the comparison or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photons", type=int, default=400_000)
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if args.table:
        (ROOT / "scenarios" / "data" / "scatter.csv").write_text("\n".join(rows(args.photons)) + "\n")
    else:
        print("\n".join(table(args.photons)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
