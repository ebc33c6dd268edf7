"""Make scripts/photon_water.csv again: what the slab Monte Carlo needs to know of water, air kerma aside.

Development only: needs xraydb. usage: python scripts/slab_tables.py [--out FOLDER]

Columns by energy: photo-effect, Compton, Rayleigh of water (1/mm), lead of the grid (1/mm). Columns by momentum
transfer x = sin(theta/2)/wavelength: F2 = sum of squared form factors per molecule (Rayleigh), S = incoherent scattering
function per molecule, S = Z - sum F^2 / Z per atom (Waller and Hartree's form without exchange). Independent atoms: no
interference of neighbouring molecules.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DENSITY, HYDROGEN, OXYGEN = 0.998, 0.111894, 0.888106


def energy_rows() -> list[list[str]]:
    """Return rows: kev, photo, compton, rayleigh of water per mm, lead per mm."""
    import xraydb

    rows = []
    for kev in range(10, 122, 2):
        parts = []
        for kind in ("photo", "incoh", "coh"):
            mu = sum(w * xraydb.mu_elam(e, kev * 1e3, kind=kind) for e, w in (("H", HYDROGEN), ("O", OXYGEN)))
            parts.append(f"{float(mu) * DENSITY / 10.0:.6g}")
        rows.append(["energy", f"{kev}", *parts, f"{float(xraydb.mu_elam('Pb', kev * 1e3)) * 11.34 / 10.0:.6g}"])
    return rows


def transfer_rows() -> list[list[str]]:
    """Return rows: x (1/angstrom), F2 and S per molecule."""
    import xraydb

    rows = []
    for x in np.concatenate([np.arange(0.0, 1.0, 0.02), np.arange(1.0, 10.01, 0.25)]):
        q = min(float(x), 5.9)
        h, o = float(xraydb.f0("H", q)[0]), float(xraydb.f0("O", q)[0])
        f2 = 2.0 * h * h + o * o
        s = 2.0 * max(1.0 - h * h, 0.0) + max(8.0 - o * o / 8.0, 0.0)
        rows.append(["transfer", f"{x:.3f}", f"{f2:.6g}", f"{s:.6g}", "", ""])
    return rows


def main() -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "scripts")
    out: Path = parser.parse_args().out
    with (out / "photon_water.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kind", "at", "a", "b", "c", "d"])
        writer.writerows(energy_rows() + transfer_rows())
    return 0


if __name__ == "__main__":
    sys.exit(main())
