#!/usr/bin/env python3
"""Injections into many patients against published figures (docs/PHYSICS_SPREAD.md, "Against published figures").

Usage: scripts/check_injectate.py [--seeds 500] [--first 0] [--jobs all|epidural,catheter,vessel,live,lor,volume]

The patients are one baked body (tfesi-l4l5-right, seed 1: its bones, sac, roots and vessels) in which every seed draws its own
resistances of tissue, small vessels, blood on aspiration and loss of resistance; a needle is put where a good one would lie.
Prints a Markdown table; exit code 1 when a figure lies outside its interval. 500 seeds take some minutes.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from scenarios.registry import find_scenario
from scenarios.study import make_study
from scripts.dsa_gap import ratios, simulate
from sim import plunger, spread
from sim.command import IDLE, Command
from sim.event import Event
from sim.fields import tissue_at, tube_distance
from sim.phantom import Tissue, TubeKind
from sim.scene import make_scene
from sim.spread_vessel import gives_blood, plexus, vascular_share
from sim.state import NeedleState, State, Study

SCENARIO, SEED = "tfesi-l4l5-right", 1
RATE_UL_S = 2000
LIVE_PX = 384
SHOWN = 0.05
"""Part of an epidural injection from which on a picture shows it on a side or before the sac."""


class Row(NamedTuple):
    """One figure: what was found, the published one, and the interval in which it must lie."""

    name: str
    found: float
    published: str
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """True when the figure lies in its interval."""
        return self.low <= self.found <= self.high


def share_interval(p: float, n_published: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two observed shares round the published one."""
    half = 1.96 * math.sqrt(p * (1.0 - p) * (1.0 / n_published + 1.0 / n))
    return p - half, p + half


def share(name: str, hits: int, n: int, p: float, n_published: int) -> Row:
    low, high = share_interval(p, n_published, n)
    return Row(name, hits / n, f"{p:.3f} (n = {n_published})", low, high)


def body() -> Study:
    study = make_study(find_scenario(SCENARIO), SEED)
    return replace(study, plan=replace(study.plan, vessel_by_chance=True))


def closed(study: Study) -> Study:
    """Return the study without small vessels (for the figures of spread alone)."""
    return replace(study, plan=replace(study.plan, vessel_by_chance=False))


def needle_at(study: Study, point: np.ndarray) -> NeedleState:
    f = study.phantom.fields
    x, y, z = (float(v) for v in point)
    inside = tuple(t for t in range(len(study.phantom.tubes)) if tube_distance(f, t, x, y, z) < 0.0)
    return NeedleState(
        needle=0, placed=True, tip_mm=np.array([x, y, z]), inside=inside, stylet=False, tissue=tissue_at(f, x, y, z)
    )


def inject(study: Study, point: np.ndarray, ul: int) -> dict[str, Event]:
    """Return the last event of each kind of one injection of contrast."""
    state = State(spread=spread.begin(study), needle=needle_at(study, point))
    told: dict[str, Event] = {}
    todo = [Command("syringe.attach", (0, 20_000)), Command("syringe.inject", (ul, RATE_UL_S))]
    while todo or state.spread.flowing:
        state = replace(state, tick=state.tick + 1)
        part, events = spread.advance(study, state, todo.pop(0) if todo else IDLE)
        state = replace(state, spread=part)
        told.update({fact.kind: fact for fact in events})
    return told


def behind(study: Study, level: str, ventral: bool = False) -> np.ndarray:
    """Return the middle of the epidural fat behind (or before) the sac nearest to the height of a disc: where a tip would lie."""
    f = study.phantom.fields
    voxels = np.argwhere(f.labels == Tissue.EPIDURAL_FAT)
    points = f.label_origin + f.label_spacing * voxels
    sac = next(tube for tube in study.phantom.tubes if tube.kind == TubeKind.SAC)
    nodes = sac.nodes[np.argsort(sac.nodes[:, 2])]
    x, y = (np.interp(points[:, 2], nodes[:, 2], nodes[:, c]) for c in (0, 1))
    z = float(np.mean([study.plan.foramina[level, side][2] for side in ("left", "right")]))
    there = (points[:, 1] < y - 4.0) if ventral else (points[:, 1] > y + 4.0)
    off = np.abs(points[:, 0] - x) + np.abs(points[:, 2] - z)
    off[~there] = np.inf
    return np.asarray(points[int(np.argmin(off))])


def level_um(study: Study) -> float:
    """Return the height of one level: the mean distance of neighbouring foramina."""
    centres = sorted((tuple(c) for (_, side), c in study.plan.foramina.items() if side == "left"), key=lambda c: c[2])
    return 1000.0 * float(np.mean(np.linalg.norm(np.diff(np.array(centres), axis=0), axis=1)))


def epidural(study: Study, seeds: range) -> list[Row]:
    """5 mL behind the sac between L4 and L5 (Pain Physician 2004;7:77, n = 25); readers counted whole levels passed."""
    point, level, n = behind(study, "L4"), level_um(study), len(seeds)
    told = [inject(replace(closed(study), seed=s), point, 5000)["pattern"] for s in seeds]
    up, down = (np.floor(np.array([e[key] for e in told]) / level) for key in ("cranial_um", "caudal_um"))
    canal = np.array([e["epidural_ventral_ul"] + e["epidural_dorsal_ul"] for e in told])
    minor = np.array([min(e["left_ul"], e["right_ul"]) for e in told]) / canal
    ventral = np.array([e["epidural_ventral_ul"] for e in told]) / canal
    dorsal = np.array([e["epidural_dorsal_ul"] for e in told]) / canal
    return [
        Row("interlaminar 5 mL, cephalad, levels (mean)", float(up.mean()), "1.28", 1.28 * 0.75, 1.28 * 1.25),
        Row("interlaminar 5 mL, caudad, levels (mean)", float(down.mean()), "0.88", 0.88 * 0.75, 0.88 * 1.25),
        share("interlaminar 5 mL, dorsal", int((dorsal >= SHOWN).sum()), n, 0.999, 25),
        share("interlaminar 5 mL, ventral", int((ventral >= SHOWN).sum()), n, 0.36, 25),
        share("interlaminar 5 mL, on one side", int((minor < SHOWN).sum()), n, 0.84, 25),
    ]


def catheter(study: Study, seeds: range) -> list[Row]:
    """3 mL before the sac (Jeong 2013, KJA 65:431: 2.21 +- 0.93 levels), and what each millilitre covers."""
    point, level = behind(study, "L4", ventral=True), level_um(study)
    rows = []
    for ml in (1, 2, 3):
        told = [inject(replace(closed(study), seed=s), point, 1000 * ml)["pattern"] for s in seeds]
        spans = np.array([e["cranial_um"] + e["caudal_um"] for e in told]) / level
        if ml == 3:
            rows.append(Row("ventral 3 mL, levels (mean)", float(spans.mean()), "2.21 (SD 0.93)", 2.21 - 0.93, 2.21 + 0.93))
            rows.append(Row("ventral 3 mL, levels (SD)", float(spans.std(ddof=1)), "0.93", 0.93 * 0.5, 0.93 * 1.5))
        else:
            rows.append(Row(f"ventral {ml} mL, levels (mean)", float(spans.mean()), "-", 0.0, 9.0))
    return rows


def vessel(study: Study, seeds: range) -> list[Row]:
    """Small vessels at the tip of a transforaminal needle, blood on aspiration, simultaneous flow."""
    number, n = study.toolbox.constant, len(seeds)
    rows = []
    regions = (("lumbar", "L4", 0.061, 1056), ("sacral", "S1", 0.165, 673))
    for region, level, p, n_published in regions:
        where = study
        if (level, "right") not in study.plan.foramina:  # this plan ends at L5: its foramen stands for that of S1
            where = replace(study, plan=replace(study.plan, foramina={(level, "right"): study.plan.foramina["L5", "right"]}))
        point = where.plan.foramina[level, "right"]
        needle = replace(needle_at(where, point), inside=(), tissue=int(Tissue.FORAMEN_FAT))
        hits = sum(plexus(replace(where, seed=s), needle)[0] >= 0 for s in seeds)
        rows.append(share(f"vessel at the tip, {region}", hits, n, p, n_published))
    blood = both = met = 0
    needle = replace(needle_at(study, study.plan.foramina["L4", "right"]), inside=(), tissue=int(Tissue.FORAMEN_FAT))
    seed = seeds.start
    while met < n:
        one = replace(study, seed=seed)
        tube, name = plexus(one, needle)
        seed += 1
        if tube >= 0:
            met += 1
            blood += gives_blood(one, tube, name)
            both += vascular_share(one, tube, name) < 1.0
    rows.append(Row("blood on aspiration of a vessel", blood / n, "0.25 (DSA) to 0.45 (live)", 0.25, 0.45))
    rows.append(share("epidural and vascular at once, of vascular", both, n, 8.9 / 13.1, 25))
    assert number("spread.plexus_lumbar") > 0.0
    return rows


def live(study: Study, seeds: range) -> list[Row]:
    """As many vascular injections as seeds: which part of what subtraction shows a live picture shows (scripts/dsa_gap.py).

    A person lies between a reader without any memory of the picture before and one with a perfect one, so the
    published readers (0.71 to 0.80) have to lie between these two.
    """
    seen = simulate(make_scene(study.phantom), len(seeds), LIVE_PX, 1 + seeds.start)
    found = ratios(seen)
    return [
        Row("live picture alone, of what subtraction shows", found["plain"], "at most 0.71 to 0.80", 0.0, 0.80),
        Row("live picture against a perfect memory, of the same", found["remembers"], "at least 0.71 to 0.80", 0.71, 1.0),
    ]


def lor(study: Study, seeds: range) -> list[Row]:
    """Loss of resistance (RAPM 2023, n = 393): 8.2 % false positive, 2.0 % false negative."""
    n, space = len(seeds), needle_at(study, behind(study, "L4"))
    way = replace(space, tissue=int(Tissue.INTERSPINOUS_LIGAMENT))
    press: Callable[[int, NeedleState], str] = lambda s, at: plunger.press(replace(study, seed=s), at, "L4", False, 8000).result  # noqa: E731
    return [
        share("loss of resistance, false positive", sum(press(s, way) == "loss" for s in seeds), n, 0.082, 393),
        share("loss of resistance, false negative", sum(press(s, space) != "loss" for s in seeds), n, 0.020, 393),
    ]


def volume(study: Study, seeds: range) -> list[Row]:
    """Twice as many injections as seeds: the worst error of the sum over compartments (uL)."""
    worst = 0.0
    draw = np.random.default_rng(seeds.start)
    points = [behind(study, "L4"), study.plan.foramina["L4", "right"], behind(study, "L4", ventral=True)]
    for n in range(2 * len(seeds)):
        where = replace(study, seed=seeds.start + n)
        needle = needle_at(where, points[n % 3] + draw.normal(0.0, 1.0, 3))
        state = State(spread=spread.begin(where), needle=needle)
        todo = [Command("syringe.attach", (0, 20_000)), Command("syringe.inject", (int(draw.integers(1, 800)), RATE_UL_S))]
        while todo or state.spread.flowing:
            state = replace(state, tick=state.tick + 1)
            state = replace(state, spread=spread.advance(where, state, todo.pop(0) if todo else IDLE)[0])
        me = state.spread
        worst = max(worst, abs(float(me.by_label_ul.sum()) + me.vascular_ul + me.intrathecal_ul - me.given_ul))
    return [Row(f"volume, worst error of {2 * len(seeds)} injections (uL)", worst, "0", 0.0, 1e-9)]


JOBS: dict[str, Callable[[Study, range], list[Row]]] = {
    "volume": volume,
    "vessel": vessel,
    "live": live,
    "lor": lor,
    "epidural": epidural,
    "catheter": catheter,
}


def main() -> int:
    """Print the table."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seeds", type=int, default=500)
    ask.add_argument("--first", type=int, default=0)
    ask.add_argument("--jobs", default="all", help=", ".join(JOBS))
    given = ask.parse_args()
    names = list(JOBS) if given.jobs == "all" else given.jobs.split(",")
    study, seeds = body(), range(given.first, given.first + given.seeds)
    print(f"| {given.seeds} seeds | found | published | interval | |\n|--|--|--|--|--|", flush=True)
    bad = 0
    for name in names:
        for row in JOBS[name](study, seeds):
            bad += not row.holds
            told = f"{row.found:.2g}" if row.found < 1e-3 else f"{row.found:.3f}"
            print(
                f"| {row.name} | {told} | {row.published} | {row.low:.3g} to {row.high:.3g} | {'' if row.holds else 'OUT'} |",
                flush=True,
            )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
