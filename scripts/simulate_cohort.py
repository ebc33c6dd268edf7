"""Let simulated learners of known skill sit a sealed battery of twelve cases and see whether the analysis finds them again.

usage: scripts/simulate_cohort.py --out FOLDER [--learners 60] [--jobs 2] [--table FILE.md]

Makes keys, name map, battery and one folder per learner under FOLDER (nothing of the user's own is touched), then
analyses the attempts as `main.py cohort` does and compares with the truth: rank correlation of score and skill,
G coefficient with its interval, and how often an LC-CUSUM design calls an inadequate simulated trainee competent.
What is left is a folder for `main.py battery report`, `main.py cohort` and, with groups/novices and groups/experts,
`main.py standard set`. Attempts that are
there already are kept, so the script can be stopped and run again.

Exit code 1 where the rank correlation is below 0.9 or the false-competent rate above its nominal value.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FIRST_SEED = 101
SITES = ("north", "south")
TRAINEES = 2000
NOVICE, EXPERT = 30, 70
"""Skills (percent) up to and from which a simulated learner belongs to the groups of a standard."""


def at_home(out: Path) -> None:
    """Let keys and sitting logs of this process live under `out`."""
    os.environ["XDG_CONFIG_HOME"] = str(out / "home" / "config")
    os.environ["XDG_DATA_HOME"] = str(out / "home" / "data")


def skills(count: int) -> list[int]:
    """Return evenly spread skills in percent, 2 to 98."""
    return [round(2 + 96 * i / (count - 1)) for i in range(count)]


def prepare(out: Path, count: int) -> list[tuple[str, str]]:
    """Make battery and pseudonyms; return (pseudonym, operator) of each learner."""
    from commands import battery
    from scenarios.registry import all_scenarios
    from scoring.trust.people import NameMap

    names = NameMap(out / "home" / "people.json")
    people = [(names.add(f"learner-{i:03d}").pseudonym, f"trainee-{skill}-{i}") for i, skill in enumerate(skills(count))]
    cases = [s.id for s in all_scenarios()[0] if s.file.procedure == "tfesi" and not s.file.retired][:12]
    if not (out / "battery.json").exists():
        seeds = [FIRST_SEED + i for i in range(len(cases))]
        battery.make(out=out / "battery.json", id_="simulated-tfesi", scenario=cases, seed=seeds, title="Simulated cohort, TFESI")
    return people


def keep_patient() -> None:
    """Keep the patient of the last attempt in memory: all learners of one item have the same one."""
    from scenarios import study

    last: dict[tuple[str, int], Any] = {}
    plain = study.make_phantom

    def kept(scenario: Any, seed: int, progress: Any = None) -> Any:
        if (scenario.id, seed) not in last:
            last.clear()
            last[scenario.id, seed] = plain(scenario, seed, progress)
        return last[scenario.id, seed]

    if plain.__module__ == study.__name__:
        study.make_phantom = kept


def sit(out: Path, item: int, learners: list[tuple[int, str, str]]) -> int:
    """Let each learner (number, pseudonym, operator) who has not yet opened this item sit it; return how many did."""
    at_home(out)
    keep_patient()
    from commands.joints import attempt
    from commands.seat import Who, seated
    from scoring.battery import read_battery
    from sim.errors import UsageError

    items = len(read_battery(out / "battery.json").items)
    made = 0
    for number, pseudonym, operator in learners:
        who = Who(pseudonym, SITES[number % 2], "left" if number % 10 == 3 else "right", "script")
        try:
            case = seated(out / "battery.json", None, None, None, out / "attempts", who, None)
        except UsageError as error:
            if f"all {items} items" in str(error):
                continue
            raise
        if who.seat is None or who.seat.item > item:
            continue
        attempt(case.scenario, operator, case.seed, case.folder, case.mode, lambda _w, _f: None, False, case.who)
        made += 1
    return made


def group(out: Path, people: list[tuple[str, str]]) -> None:
    """Lay links to the records of the least and the most skilled learners into groups/novices and groups/experts."""
    for name, operator in people:
        skill = int(operator.split("-")[1])
        kind = "novices" if skill <= NOVICE else "experts" if skill >= EXPERT else None
        for record in sorted((out / "attempts" / name).rglob("attempt.scottie")) if kind else ():
            link = out / "groups" / str(kind) / name / f"{record.parent.name}.scottie"
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                os.link(record, link)


def analyse(out: Path, people: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the figures of the comparison with the truth."""
    import numpy as np
    from scipy.stats import spearmanr

    from scoring.cohort import Cohort, read_rows
    from scoring.record import check_file
    from scoring.statistics import feedback
    from scoring.statistics.decision import coefficient_interval, d_study
    from scoring.statistics.generalizability import g_study
    from scoring.statistics.lc_cusum import lc_cusum_design

    truth = [int(operator.split("-")[1]) for _, operator in people]
    names = [name for name, _ in people]
    cohort = Cohort(read_rows(check_file(path) for path in sorted((out / "attempts").rglob("attempt.scottie"))))
    points, passed = (cohort.matrix(value, learners=names, per="item") for value in ("points_percent", "passed"))
    found: dict[str, Any] = {
        "learners": len(names),
        "items": points.shape[1],
        "attempts": len(cohort.attempts),
        "without a score": int(np.isnan(points).sum()),
        "points, lowest and highest learner": [round(float(v), 1) for v in (points.mean(1).min(), points.mean(1).max())],
        "pass rate, lowest and highest fifth of skill": [round(float(v), 2) for v in _ends(passed.mean(1))],
        "rank correlation of mean points and skill": round(float(spearmanr(points.mean(1), truth).statistic), 3),
        "rank correlation of pass rate and skill": round(float(spearmanr(passed.mean(1), truth).statistic), 3),
    }
    study = g_study(points)
    result = d_study(study)
    for coefficient in ("erho2", "phi"):
        found[f"{coefficient}, {points.shape[1]} items"] = coefficient_interval(points, coefficient=coefficient).text(3)
    found["share of variance"] = {k: round(v / sum(study.components.values()), 3) for k, v in study.components.items()}
    found["SEM (absolute), points"] = round(float(np.sqrt(result.absolute_error)), 2)
    design = lc_cusum_design(feedback.P0, feedback.P1, feedback.HORIZON, feedback.ALPHA)
    rate = false_competent(design)
    found["LC-CUSUM"] = {k: round(v, 3) if isinstance(v, float) else v for k, v in design.as_dict().items()}
    found[f"false competent among {TRAINEES} trainees who fail at p1"] = round(rate, 4)
    low = passed[: len(names) // 5].ravel()
    found["failure rate of the lowest fifth"] = round(1.0 - float(low.mean()), 3)
    return found


def _ends(rates: Any) -> tuple[float, float]:
    fifth = max(len(rates) // 5, 1)
    return float(rates[:fifth].mean()), float(rates[-fifth:].mean())


def false_competent(design: Any) -> float:
    """Return the share of simulated trainees failing at p1 whom the design signals within its horizon."""
    from scoring.statistics.lc_cusum import lc_cusum
    from sim.rng import stream

    draw = stream(1, "simulated trainees")
    signalled = 0
    for _ in range(TRAINEES):
        results = [bool(u >= design.p1) for u in draw.random(design.horizon)]
        signalled += lc_cusum(results, design).signal_at is not None
    return signalled / TRAINEES


def as_table(found: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    rows = ["| measure | value |", "|---|---|"]
    for name, value in found.items():
        said = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        rows.append(f"| {name} | {' and '.join(str(v) for v in said) if isinstance(said, list) else said} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Run, analyse, say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--learners", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    out = given.out.resolve()
    at_home(out)
    from rich.progress import track

    from scoring.battery import read_battery

    people = prepare(out, given.learners)
    learners = [(i, name, operator) for i, (name, operator) in enumerate(people)]
    items = len(read_battery(out / "battery.json").items)
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        for item in track(range(1, items + 1), "items", total=items):
            for job in [pool.submit(sit, out, item, learners[i :: given.jobs]) for i in range(given.jobs)]:
                job.result()
    group(out, people)
    found = analyse(out, people)
    print(json.dumps(found, indent=2))
    if given.table:
        given.table.write_text(as_table(found), encoding="utf-8")
    ranked = found["rank correlation of mean points and skill"] >= 0.9
    honest = found[f"false competent among {TRAINEES} trainees who fail at p1"] <= found["LC-CUSUM"]["alpha"]
    return 0 if ranked and honest else 1


if __name__ == "__main__":
    sys.exit(main())
