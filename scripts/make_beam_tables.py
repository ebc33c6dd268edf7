"""Make scenarios/data/spectra.csv and attenuation.csv again, and print the exposure curve for carm.toml.

Development only: needs spekpy (spectra, kerma per mAs) and xraydb (attenuation). The program itself reads the
csv files. usage: python scripts/make_beam_tables.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]

KVPS = range(40, 121, 5)
BINS = 24  # with 24 a slab on the exposure curve is within 0.5 % of the whole spectrum, with 16 within 0.8 %
LOWEST_KEV = 15.0  # nothing below leaves 3 mm of aluminium
ANODE_DEG, ALUMINIUM_MM, COPPER_MM = 12.0, 3.0, 0.1
CSI_G_CM2 = 0.06 * 4.51 * 0.8  # 0.6 mm of caesium iodide, packed to 80 %

# mass shares in percent and density in g/cm3 (NIST/ICRU-44 and ICRU-46 compositions; spongiosa: 150 mg/cm3
# hydroxyapatite with 50/50 marrow; steel: AISI 304)
MATERIALS: dict[str, tuple[float, str]] = {
    "water": (0.998, "O88.8 H11.2"),
    "cortical": (1.92, "O43.5 Ca22.5 C15.5 P10.3 N4.2 H3.4 S0.3 Mg0.2 Na0.1"),
    "steel": (8.0, "Fe70.0 Cr18.5 Ni9.0 Mn1.75 Si0.75"),
    "muscle": (1.05, "O71.0 C14.3 H10.2 N3.4 K0.4 S0.3 P0.2 Na0.1 Cl0.1"),
    "fat": (0.95, "C59.8 O27.8 H11.4 N0.7 Na0.1 S0.1 Cl0.1"),
    "cancellous": (1.114, "C45.74 O34.18 H9.38 Ca5.37 P2.57 N2.42 S0.16 Cl0.16 K0.16"),
    "disc": (1.10, "O74.4 C9.9 H9.6 N2.2 P2.2 S0.9 Na0.5 Cl0.3"),
    "ligament": (1.12, "O62.2 C20.7 H9.4 N6.2 Na0.6 S0.6 Cl0.3"),
    "blood": (1.06, "O74.5 C11.0 H10.2 N3.3 Cl0.3 S0.2 K0.2 Na0.1 P0.1 Fe0.1"),
    "plastic": (0.90, "C85.63 H14.37"),  # polypropylene hub
}
COLUMNS = ("water", "cortical", "steel")


def mass_attenuation(parts: str, kev: F64) -> F64:
    """Return mu/rho in cm2/g of a mixture written like "O88.8 H11.2" (mass percent)."""
    import re

    import xraydb

    found = re.findall(r"([A-Z][a-z]?)([0-9.]+)", parts)
    total = sum(float(share) for _, share in found)
    mu = sum(float(share) / total * xraydb.mu_elam(element, kev * 1e3) for element, share in found)
    return np.asarray(mu, np.float64)


def linear_per_mm(name: str, kev: F64) -> F64:
    """Return the linear attenuation coefficient of a material of MATERIALS in 1/mm."""
    density, parts = MATERIALS[name]
    return mass_attenuation(parts, kev) * density / 10.0


def energies() -> F64:
    """Return the energies of the table: every keV, and both sides of the K edges of iodine and caesium."""
    return np.sort(np.concatenate([np.arange(10.0, 121.0), [33.168, 33.171, 35.983, 35.986]]))


def csi_absorption(kev: F64) -> F64:
    """Return the share of photon energy that the detector's caesium iodide takes up (photo-effect only)."""
    import xraydb

    iodine, caesium = 126.904 / 259.81, 132.905 / 259.81
    mu = iodine * xraydb.mu_elam("I", kev * 1e3, kind="photo") + caesium * xraydb.mu_elam("Cs", kev * 1e3, kind="photo")
    return np.asarray(1.0 - np.exp(-mu * CSI_G_CM2), np.float64)


def attenuation_rows() -> list[list[Any]]:
    """Return the rows of attenuation.csv (lengths in mm, iodine per mg/mm2)."""
    kev = energies()
    table = [linear_per_mm(name, kev) for name in COLUMNS]
    iodine = mass_attenuation("I100", kev) / 10.0  # cm2/g -> mm2/mg
    return [
        [f"{e:g}", *(f"{column[i]:.6g}" for column in table), f"{iodine[i]:.6g}", f"{csi:.5g}"]
        for i, (e, csi) in enumerate(zip(kev, csi_absorption(kev), strict=True))
    ]


def spectrum_rows(kvp: int) -> list[list[Any]]:
    """Return the rows of one tube voltage: BINS equal bins between LOWEST_KEV and the tube voltage."""
    import spekpy

    spek = spekpy.Spek(kvp=kvp, th=ANODE_DEG, z=100.0, dk=0.25, mas=1.0)
    spek.filter("Al", ALUMINIUM_MM).filter("Cu", COPPER_MM)
    kev, fluence = spek.get_spectrum(flu=True, diff=False)  # photons per cm2 and bin, 1 mAs, 1 m
    total_kerma = float(spek.get_kerma())  # uGy
    kev, fluence = np.asarray(kev, np.float64), np.asarray(fluence, np.float64) / 100.0
    share = fluence * kev * mass_energy_absorption_air(kev)
    share *= total_kerma / share.sum()
    edges = np.linspace(LOWEST_KEV, float(kvp), BINS + 1)
    which = np.clip(np.searchsorted(edges, kev, side="right") - 1, 0, BINS - 1)
    rows = []
    for b in range(BINS):
        inside = which == b
        n = fluence[inside].sum()
        mean = (fluence[inside] * kev[inside]).sum() / n if n > 0 else 0.5 * (edges[b] + edges[b + 1])
        rows.append([kvp, b, f"{mean:.4f}", f"{n:.6g}", f"{share[inside].sum():.6g}"])
    return rows


def mass_energy_absorption_air(kev: F64) -> F64:
    """Return mu_en/rho of dry air in cm2/g, log-log between table points (Hubbell and Seltzer, NIST)."""
    e = np.array([10.0, 15, 20, 30, 40, 50, 60, 80, 100, 150])
    mu = np.array([4.742, 1.334, 0.5389, 0.1537, 0.06833, 0.04098, 0.03041, 0.02407, 0.02325, 0.02496])
    return np.exp(np.interp(np.log(np.maximum(kev, 10.0)), np.log(e), np.log(mu)))


def fit(name: str) -> tuple[float, float]:
    """Return (a, b): the material is a * water + b * cortical bone, least squares of relative error, 30-90 keV."""
    kev = np.arange(30.0, 91.0, 2.0)
    wanted = linear_per_mm(name, kev)
    basis = np.stack([linear_per_mm("water", kev), linear_per_mm("cortical", kev)], axis=1)
    (a, b), *_ = np.linalg.lstsq(basis / wanted[:, None], np.ones(len(kev)), rcond=None)
    return float(a), float(b)


CURVE_MM = (50, 100, 150, 200, 250, 300, 350, 400, 450)
CURVE_KVP = (48, 56, 64, 73, 83, 94, 106, 115, 120)  # 150-350 mm: proposed curve; the rest continues it
TARGET_NGY = 30.0
GRID_PRIMARY = 0.758


def exposure_curve(folder: Path, sdd_mm: float, side_mm: float) -> list[tuple[int, int, float]]:
    """Return (thickness mm, kVp, mAs per pulse) that gives TARGET_NGY at the receptor behind the grid, scatter included.

    Reads only csv files (scatter.csv is of scripts/slab_monte_carlo.py), so that a test can repeat it without spekpy and xraydb.
    """
    beam = np.genfromtxt(folder / "spectra.csv", delimiter=",", names=True)
    mu = np.genfromtxt(folder / "attenuation.csv", delimiter=",", names=True)
    scatter = np.genfromtxt(folder / "scatter.csv", delimiter=",", names=True)
    radius = side_mm / np.sqrt(np.pi)
    rows = []
    for mm, kvp in zip(CURVE_MM, CURVE_KVP, strict=True):
        behind = []
        for near in sorted({5 * (kvp // 5), 5 * -(-kvp // 5)}):
            one = beam[beam["kvp"] == near]
            water = np.interp(one["energy_kev"], mu["energy_kev"], mu["water_per_mm"])
            behind.append((near, (one["kerma_ugy_per_mas_1m"] * np.exp(-water * mm)).sum()))
        kerma = float(np.exp(np.interp(kvp, [k for k, _ in behind], np.log([v for _, v in behind]))))
        here = scatter[scatter["thickness_mm"] == mm]
        spr = float(np.interp(radius, here["radius_mm"], here["spr_grid"]))
        received = kerma * (1000.0 / sdd_mm) ** 2 * GRID_PRIMARY * (1.0 + spr)
        rows.append((mm, kvp, TARGET_NGY / 1000.0 / received))
    return rows


def main() -> int:
    """Write both files and print the computed values that carm.toml and sim/scene.py carry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "scenarios" / "data")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with (out / "attenuation.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["energy_kev", "water_per_mm", "cortical_per_mm", "steel_per_mm", "iodine_mm2_per_mg", "csi_absorption"])
        writer.writerows(attenuation_rows())
    with (out / "spectra.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kvp", "bin", "energy_kev", "photons_per_mm2_mas_1m", "kerma_ugy_per_mas_1m"])
        for kvp in KVPS:
            writer.writerows(spectrum_rows(kvp))
    print("carm.toml exposure (sdd 1000, sod 700, field 300 mm):")
    for row in exposure_curve(out, 1000.0, 300.0):
        print("    {} mm  {} kVp  {:.4f} mAs".format(*row))
    print("sim/scene.py MATERIALS (water, cortical share) and mu at 60 keV per mm:")
    for name in MATERIALS:
        a, b = fit(name)
        print(f'    "{name}": ({a:.4f}, {b:.4f}),  # mu60 {linear_per_mm(name, np.array([60.0]))[0]:.6f}')
    return 0


if __name__ == "__main__":
    sys.exit(main())
