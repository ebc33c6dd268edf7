"""Draw the pictures of docs/PHYSICS_HEAT.md: published growth against the model, and what bone and CSF do to a lesion.

usage: scripts/plot_lesions.py [--out docs/pictures] [--cells 72]

Needs matplotlib (not a dependency of the program). Prints the numbers of the tables.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from scenarios.toolbox import load_materials, load_toolbox
from sim.bioheat import heat, make_grid
from sim.lesion import cosman_size, small_size

BOX = load_toolbox()
GAUGE_MM = {22: 0.718, 20: 0.908, 18: 1.270, 16: 1.651}
SPACING = 0.35e-3


def growth(path):
    """Width by gauge, temperature and time with the published ranges."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    low, high = (BOX.constant(f"lesion.gauge_growth_{n}") for n in ("low", "high"))
    for tip, colour in ((5.0, "C0"), (10.0, "C1"), (15.0, "C2")):
        widths = [cosman_size(BOX, d, tip, 80.0, 120.0).width for d in GAUGE_MM.values()]
        axes[0].plot(GAUGE_MM.values(), widths, "o-", color=colour, label=f"{tip:g} mm tip")
        axes[0].vlines(1.651, widths[0] * (1 + low), widths[0] * (1 + high), color=colour, lw=5, alpha=0.35)
        print(f"tip {tip:g} mm, 80 C, 120 s, 22/20/18/16G: " + ", ".join(f"{w:.1f}" for w in widths))
    axes[0].plot(
        GAUGE_MM.values(), [small_size(BOX, d, 10.0, 80.0, 120.0).width for d in GAUGE_MM.values()], "k--", label="older"
    )
    axes[0].set(xlabel="outer diameter (mm): 22, 20, 18, 16G", ylabel="width (mm)", title="80 C, 2 min", ylim=(0, None))
    _ratio(axes[1], np.arange(60, 91), lambda v: cosman_size(BOX, 1.27, 10.0, v, 120.0).width, 60.0, {90.0: "growth_60_90"})
    axes[1].set(xlabel="set temperature (C)", ylabel="width over width at 60 C", title="2 min")
    times = {120.0: "growth_1_2", 180.0: "growth_1_3"}
    _ratio(axes[2], np.arange(2, 182, 2), lambda v: cosman_size(BOX, 1.27, 10.0, 80.0, v).width, 60.0, times)
    axes[2].set(xlabel="time at temperature (s)", ylabel="width over width at 1 min", title="80 C")
    axes[0].legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=90)


def _ratio(axis, values, width, reference, ranges):
    axis.plot(values, [width(float(v)) / width(reference) for v in values])
    for at, name in ranges.items():
        low, high = (1.0 + BOX.constant(f"lesion.{name}_{end}") for end in ("low", "high"))
        axis.vlines(at, low, high, color="C3", lw=5, alpha=0.5, label="published" if at == max(ranges) else None)
        print(f"{name}: {width(at) / width(reference) - 1:.3f}, published {low - 1:.2f} to {high - 1:.2f}")
    axis.legend(fontsize=8, loc="lower right")
    axis.set_ylim(0, None)


def fields(path, n):
    """Temperature around a 22G 10 mm tip at 80 C: muscle, bone beside it, CSF beside it."""
    rows = load_materials()
    x = (np.arange(n) - (n - 1) / 2) * SPACING
    gx, gy, gz = np.meshgrid(x, x, x, indexing="ij")
    metal = ((gx**2 + gy**2 <= (0.42e-3) ** 2) & (np.abs(gz) <= 5e-3)).astype(np.uint8)
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.0), layout="constrained", sharey=True)
    for axis, beside in zip(axes, ("muscle", "bone", "csf"), strict=True):
        labels = (gx > 1.5e-3).astype(np.uint8)
        grid = make_grid(labels, [rows["muscle"], rows[beside]], metal, SPACING)
        field, _ = heat(grid, 80.0, 120.0)
        j = n // 2
        cut, mm = field[:, j, :].T, 1000.0 * x
        picture = axis.pcolormesh(mm, mm, cut, cmap="inferno", vmin=37, vmax=85, rasterized=True)
        lines = axis.contour(mm, mm, cut, levels=[45, 50, 60], colors="white", linewidths=1)
        axis.clabel(lines, fmt="%d C", fontsize=8)
        axis.axvline(1.5, color="cyan", lw=1, ls=":")
        axis.set(
            title="muscle all around"
            if beside == "muscle"
            else f"{beside.upper() if beside == 'csf' else beside} right of the dotted line",
            xlabel="mm",
            aspect="equal",
        )
        line, half = field[:, j, j], n // 2
        for level in (50.0, 60.0):
            left = -float(np.interp(level, line[:half], mm[:half]))
            right = float(np.interp(-level, -line[half:], mm[half:]))
            ends = field[j, j, :]
            end = float(np.interp(-level, -ends[half:], mm[half:])) - 5.0
            print(f"{beside}, {level:g} C: {left:.2f} mm left, {right:.2f} mm right, {end:.2f} mm beyond the tip")
    axes[0].set_ylabel("along the tip (mm)")
    figure.colorbar(picture, ax=axes, label="C after 120 s, ramp included", shrink=0.8)
    figure.savefig(path, dpi=90)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--cells", type=int, default=72)
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    growth(wanted.out / "heat-growth.png")
    fields(wanted.out / "heat-bone-csf.png", wanted.cells)


if __name__ == "__main__":
    main()
