#!/usr/bin/env python3
"""Leak rates, odds ratios and bench leak mass of the cement model against the published figures.

Usage: scripts/check_cement.py [--seeds 400] [--bench-seeds 40] [--out table.md]. Prints progress; 400 seeds take some minutes.
"""

from __future__ import annotations

import argparse
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from sim.cement_body import KINDS, PLACES, Body, make_body
from sim.cement_flow import cure_rate, viscosity_pa_s
from sim.cement_front import fresh, leaks, opened, pour, rules
from sim.rng import stream
from sim.state import Study
from tests import make_cement

STEP_UL = 25.0
RATE_UL_S = 50.0
START_S = {make_cement.LOW: 270.0, make_cement.HIGH: 180.0}
"""Middle of the injection window after mixing at room temperature: 4-5 min for low viscosity (recalled), layout for high."""
PREVALENCE = 0.3
"""Share of vertebrae with a cortical disruption in the mixed rate (layout)."""
BENCH = (
    (make_cement.LOW, 3.5, 4.0, 1.2),
    (make_cement.LOW, 9.5, 2.6, 1.2),
    (make_cement.HIGH, 3.5, 1.5, 1.2),
    (make_cement.HIGH, 6.5, 0.92, 0.6),
)
"""Product, minutes after mixing, leaked grams and SD: Habib 2010, Int J Spine Surg 4:26 (abstract)."""


@dataclass(frozen=True)
class Patient:
    """One simulated injection: what leaked where (kind, place) -> microlitres."""

    ul: float
    leaked: dict[tuple[str, str], float]

    @property
    def leak(self) -> bool:
        """True when any leak is big enough to be seen."""
        return bool(self.leaked)


def injected(
    study: Study,
    body: Body,
    tip: np.ndarray,
    cement_index: int,
    ul: float,
    start_s: float,
    warm: bool = True,
    rate_ul_s: float = RATE_UL_S,
):
    """Return the front after `ul` that began start_s after mixing, as the engine makes it, without ticks.

    warm: in a body; else the cement stays at room temperature.
    """
    number, cement = study.toolbox.constant, study.toolbox.cements[cement_index]
    room, body_rate = (cure_rate(number(f"cement.{where}"), number("cement.doubling_c")) for where in ("room_c", "body_c"))
    front, r = opened(fresh(body), tip, number("cement.snap_mm")), rules(study, body.spacing_mm)
    pool, given = 0.0, 0.0
    while given < ul:
        step = min(STEP_UL, ul - given)
        syringe = (start_s + given / rate_ul_s) * room
        old = pool + step / rate_ul_s * (body_rate if warm else room)
        pool = (old * given + syringe * step) / (given + step)
        front, left = pour(front, r, step, viscosity_pa_s(cement, pool))
        given += step
        if left > 0.0:
            break
    return front


def patient(seed: int, defect: bool, cement_index: int) -> Patient:
    """Return one injection of the volume that this seed gets."""
    study = make_cement.study(seed, defect)
    tip, way = np.array(make_cement.TIP), np.array(make_cement.DIRECTION)
    u = float(stream(seed, "check/volume").random())
    ul = 1000.0 * (3.0 + 4.0 * u)
    body = make_body(study, "L1", tip, way)
    front = injected(study, body, tip, cement_index, ul, START_S[cement_index])
    seen = study.toolbox.constant("cement.seen_ul")
    return Patient(ul, {(KINDS[k], PLACES[p]): v for k, p, v in leaks(front) if v >= seen})


def odds_ratio(exposed: list[bool], control: list[bool]) -> tuple[float, float, float]:
    """Return (OR, low, high) with the Woolf 95 % interval; Haldane's half is added to every cell."""
    a, b = sum(exposed) + 0.5, len(exposed) - sum(exposed) + 0.5
    c, d = sum(control) + 0.5, len(control) - sum(control) + 0.5
    ratio, half = a * d / (b * c), 1.96 * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return ratio, ratio * math.exp(-half), ratio * math.exp(half)


CELLS = tuple(product((False, True), (make_cement.LOW, make_cement.HIGH)))
"""Cortical disruption or not, thin or thick cement; seed s is a patient of cell s mod 4."""


def one(seed: int) -> Patient:
    """Return the injection of a seed in its cell."""
    return patient(seed, *CELLS[seed % len(CELLS)])


def clinic(seeds: int, workers: int = 1) -> list[str]:
    """Return the table of leak rates and odds ratios over independent patients, a quarter of them in each cell."""
    rows = []
    with ProcessPoolExecutor(workers) as pool:
        for seed, found in enumerate(pool.map(one, range(seeds), chunksize=4)):
            rows.append(found)
            if seed % 20 == 19:
                print(f"  {seed + 1} of {seeds} patients", file=sys.stderr, flush=True)
    cells = {cell: rows[i :: len(CELLS)] for i, cell in enumerate(CELLS)}
    leak = {cell: [p.leak for p in group] for cell, group in cells.items()}
    rate = {cell: sum(flags) / len(flags) for cell, flags in leak.items()}
    low, high = ([*leak[False, i], *leak[True, i]] for i in (make_cement.LOW, make_cement.HIGH))
    mixed = {i: (1 - PREVALENCE) * rate[False, i] + PREVALENCE * rate[True, i] for i in (make_cement.LOW, make_cement.HIGH)}
    disrupted, intact = ([*leak[d, 0], *leak[d, 1]] for d in (True, False))
    gain = np.mean([p.ul for p in rows if p.leak]) - np.mean([p.ul for p in rows if not p.leak])
    lines = [
        f"| quantity ({seeds} patients) | model | published |",
        "|--|--|--|",
        *(
            f"| leak, {'disruption' if d else 'intact'}, {'low' if i == 0 else 'high'} viscosity | {100 * rate[d, i]:.1f} % | |"
            for d, i in CELLS
        ),
        f"| leak, mixed ({100 * PREVALENCE:.0f} % disrupted, half low) | {50 * (mixed[0] + mixed[1]):.1f} % | 54.7 % |",
        _or_row("cortical disruption", odds_ratio(disrupted, intact), "5.56 (1.84-16.81)"),
        _or_row("low viscosity", odds_ratio(low, high), "3.32 (1.36-8.07)"),
        f"| RR of any leak, high against low | {mixed[1] / mixed[0]:.2f} | 0.38 (0.29-0.51), PMC5895344 |",
        f"| more cement in vertebrae that leaked | {gain / 1000:.2f} mL | 0.59 mL (0.02-1.17), PMID 28192270 |",
    ]
    for place in PLACES[3:]:
        share = [sum(any(w == place for _, w in p.leaked) for p in cells[c]) / len(cells[c]) for c in CELLS]
        lines.append(
            f"| into {place}: intact low / high, disrupted low / high | {' / '.join(f'{100 * s:.0f}' for s in share)} % | |"
        )
    return lines


def _or_row(name: str, ratio: tuple[float, float, float], published: str) -> str:
    return f"| OR {name} | {ratio[0]:.2f} ({ratio[1]:.2f}-{ratio[2]:.2f}) | {published}, PMID 28192270 |"


def bench(seeds: int) -> list[str]:
    """Return the table of leaked mass: a foam block with one open path, nothing but time and cement varied."""
    lines = ["| bench, cement and start | leaked, g (SD) | Habib 2010, g (SD) |", "|--|--|--|"]
    for index, minutes, mean, sd in BENCH:
        grams = [make_cement.bench_leak_g(seed, index, minutes * 60.0, injected) for seed in range(seeds)]
        name = "low" if index == make_cement.LOW else "high"
        lines.append(f"| {name} viscosity, {minutes} min | {np.mean(grams):.2f} ({np.std(grams):.2f}) | {mean} ({sd}) |")
        print(f"  bench {name} {minutes} min done", file=sys.stderr, flush=True)
    return lines


def main() -> None:
    """Run both comparisons and print (or write) the tables."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--seeds", type=int, default=400)
    ask.add_argument("--bench-seeds", type=int, default=40)
    ask.add_argument("--workers", type=int, default=1)
    ask.add_argument("--only", choices=("clinic", "bench"))
    ask.add_argument("--out", type=Path)
    given = ask.parse_args()
    tables = [] if given.only == "bench" else [*clinic(given.seeds, given.workers), ""]
    tables += [] if given.only == "clinic" else bench(given.bench_seeds)
    text = "\n".join(tables)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
