"""Run every operator on every case through the front door, verify each record, and write the table of docs/tables/sweep.md.

usage: scripts/sweep.py [--seeds 3] [--careless 2] [--thorough 20] [--graded 1] [--draws 6] [--variants 4] [--only PATTERN]
                        [--keep FILE] [--table FILE.md] [--jobs N] [--hold]

Expected: the expert passes every case on --seeds patients without a critical error; each careless operator fails with the
critical error that its habit must show (`FAULTS` in scenarios/operators; those who only break the passing rule fail without
one) on --careless patients of every case. Both are run on --thorough patients of one variant of each procedure (THOROUGH). The
record of each attempt on the first patients (--seeds) is verified by replay. The graded family works on --graded patients of the
cases of LADDER_CASES, --draws times each (a draw is another set of slips of the same skill on the same patient): mean points
must rise at every step, and points must tell expert from novice-1 with an area under the ROC curve of at least 0.95. On every
case of an assessment set it works --variants times: the cases of a set should differ by less than 5 points in expert and novice
means (the table tells both, with the error of the latter). Exit code 1 where one is not as expected, or where attempts are due.

--keep FILE: one line of JSON for each finished attempt. A sweep that was stopped goes on where it was; attempts of another
engine, scenario, rubric, tools or operators are made anew. --hold: run nothing, write the table of what is kept. Nearly all time
goes into making patients (about 50 s of a core each), so all cases of one patient run together, and what tells most for its time
comes first: the graded family, every expert once, the careless, the cases of sets, further patients, the twenty of one variant.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from commands import joints
from scenarios.operators import faults_of
from scenarios.operators.skill import FAMILY
from scenarios.registry import all_scenarios, find_scenario
from scenarios.sets import load_sets
from scenarios.toolbox import tools_hash
from scoring.statistics.roc import roc_area
from sim import ENGINE_VERSION
from sim.errors import ScottieError

THOROUGH = (
    *("tfesi-l4l5-right", "tfesi-l4l5-right-2", "tfesi-l3l4-right-2", "drill-square"),
    *("mbb-l4l5-right", "mbb-l4l5-right-2", "vp-l3-right-haemangioma", "vp-l3-right-2"),
)
"""One variant of each procedure, and those cases that must be postponed, or avoid an agent, which share a patient with it."""
LADDER_CASES = {
    "drill": ("drill-square", "drill-tunnel", "drill-project", "drill-count", "drill-dose", "drill-steer"),
    "mbb": ("mbb-l4l5-right", "mbb-l3l4-left"),
    "tfesi": ("tfesi-l4l5-right", "tfesi-l3l4-right-2"),
    "vertebroplasty": ("vp-l3-right-haemangioma", "vp-l1-left"),
}
"""Cases on which the graded family works: a drill of each kind, and two cases of the others."""
LADDER = {**{name: round(100 * skill) for name, skill in FAMILY.items()}, "expert": 100}
"""Graded operator -> skill in percent."""
LEAST_AUC = 0.95

Row = dict[str, Any]


class Job(NamedTuple):
    """What is to be done on one patient: (case, operators) of the cases that share it. stage: when (the lower the sooner)."""

    stage: int
    patient: str
    seed: int
    tasks: tuple[tuple[str, tuple[str, ...]], ...]
    out: str
    replay: bool


@cache
def operators_hash() -> str:
    """Return the hash of the sources of the operators: an attempt of other hands does not count."""
    paths = [*sorted((ROOT / "scenarios" / "operators").glob("*.py")), ROOT / "scenarios" / "vertebral.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


@cache
def patient_of(case: str) -> str:
    """Return what decides the patient of a case beside the seed: cases with the same words share their patients."""
    file = find_scenario(case).file
    if file.drill is not None and file.drill.kind == "needle":
        return "gel"
    who, trap = file.patient, f"{file.target.level} {file.target.side}" if file.vessel.at_target else ""
    return f"{who.sex} {who.age_years} {who.weight_kg} {who.height_cm} {trap} {sorted(str(one) for one in file.findings)}"


def stamp(case: str) -> str:
    """Return what a kept row must have been made with to count."""
    scenario = find_scenario(case)
    rubric = hashlib.sha256(scenario.rubric_path.read_bytes()).hexdigest()
    return " ".join([ENGINE_VERSION, *(text[:12] for text in (scenario.hash, rubric, tools_hash(), operators_hash()))])


def draw_name(operator: str, draw: int) -> str:
    """Return the operator of a draw: the first is the family's own, further ones are trainees of the same skill."""
    return operator if draw == 0 else f"trainee-{LADDER[operator]}-draw{draw}"


def step_of(operator: str) -> str | None:
    """Return the step of the ladder that an operator stands on."""
    if operator in LADDER:
        return operator
    return next((name for name, skill in LADDER.items() if operator.startswith(f"trainee-{skill}-")), None)


def run(job: Job) -> list[Row]:
    """Return one row for each operator on each case of a patient."""
    rows = []
    for case, operators in job.tasks:
        for operator in operators:
            try:
                rows.append(_one(job, case, operator))
            except Exception as error:  # one broken attempt must not end the sweep; the table shows it
                why = f"{type(error).__name__}: {error}"
                rows.append(_row(job, case, operator, good=False, verdict="error", why=why))
    return rows


def _row(job: Job, case: str, operator: str, **facts: Any) -> Row:
    return {"case": case, "seed": job.seed, "operator": operator, "stamp": stamp(case), **facts}


def _one(job: Job, case: str, operator: str) -> Row:
    folder = Path(job.out) / case / operator / str(job.seed)
    public, paths = joints.attempt(case, operator, job.seed, folder, "practice", lambda what, share: None, pictures=False)
    errors, faults = public["critical_errors"], faults_of(find_scenario(case))
    good = True
    if operator == "expert":
        good = public["passed"] and not errors
    elif operator in faults:
        good = not public["passed"] and (faults[operator] in errors if faults[operator] else not errors)
    checked = job.replay and (operator == "expert" or operator in faults)
    points = public["points"]
    return _row(
        job, case, operator, good=good, verdict=joints.verdict_of(paths[0]).status if checked else "not replayed",
        passed=public["passed"], errors=errors, points=100.0 * points["reached"] / max(points["possible"], 1),
        tip_error_mm=public["tip_error_mm"], exposures=public["exposures"],
    )  # fmt: skip


Wanted = dict[tuple[str, int, str], int]
"""(case, seed, operator) -> stage."""


def plan(a: argparse.Namespace) -> Wanted:
    """Return which operators run on which patient, and when."""
    found = [s for s in all_scenarios()[0] if not s.file.retired and fnmatch.fnmatch(s.id, a.only)]
    todo: Wanted = {}

    def want(case: str, seed: int, operators: Sequence[str], stage: int) -> None:
        for operator in operators:
            todo[case, seed, operator] = min(stage, todo.get((case, seed, operator), stage))

    for scenario in found:
        faults = tuple(faults_of(scenario))
        for seed in range(1, a.seeds + 1):
            want(scenario.id, seed, ("expert",), 1 if seed == 1 else 4)
        for seed in range(1, a.careless + 1):
            want(scenario.id, seed, faults, 2 if seed == 1 else 4)
        if scenario.id in THOROUGH:
            for seed in range(1, a.thorough + 1):
                want(scenario.id, seed, ("expert", *faults), 5)
    ladder_cases = {case for cases in LADDER_CASES.values() for case in cases} & {s.id for s in found}
    for case in sorted(ladder_cases):
        for seed in range(1, a.graded + 1):
            want(case, seed, ("expert", *novices(a.draws)), 0)
    for case in sorted({case for one in load_sets() if one.kind == "assessment" for case in one.cases} & {s.id for s in found}):
        want(case, 1, ("expert", *novices(a.variants)), 3)
    return todo


def novices(draws: int) -> list[str]:
    """Return the graded operators below the expert, each as often as told."""
    return [draw_name(step, draw) for draw in range(draws) for step in LADDER if step != "expert"]


def jobs_of(wanted: Wanted, out: str, seeds: int) -> list[Job]:
    """Return the jobs: what one patient is asked for at one stage, the lower stage and seed first, easy patients first."""
    bundles: dict[tuple[int, int, str], dict[str, list[str]]] = {}
    for (case, seed, operator), stage in wanted.items():
        bundles.setdefault((stage, seed, patient_of(case)), {}).setdefault(case, []).append(operator)
    order = sorted(bundles, key=lambda key: (key[0], key[1], -len(bundles[key]), key[2]))
    return [
        Job(
            stage,
            patient,
            seed,
            tuple((c, tuple(ops)) for c, ops in sorted(bundles[stage, seed, patient].items())),
            out,
            seed <= seeds,
        )
        for stage, seed, patient in order
    ]


def kept(path: Path | None) -> dict[tuple[str, int, str], Row]:
    """Return the rows of an earlier sweep that still count; a torn last line is left out."""
    rows: dict[tuple[str, int, str], Row] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path and path.exists() else ():
        try:
            row = json.loads(line)
            if row["verdict"] != "error" and row["stamp"] == stamp(row["case"]):
                rows[row["case"], row["seed"], row["operator"]] = row
        except (KeyError, TypeError, ValueError, ScottieError):  # torn, or of a case that is gone
            continue
    return rows


def ladder(rows: Sequence[Row]) -> tuple[list[str], bool]:
    """Return the lines of the graded family of one table, and whether all is as expected."""
    lines = ["| procedure | " + " | ".join(LADDER) + " | rises at every step | AUC expert against novice-1 |"]
    lines.append("|" + "---|" * (len(LADDER) + 3))
    fine = True
    procedures = sorted({find_scenario(row["case"]).file.procedure for row in rows})
    for procedure in procedures:
        mine = [row for row in rows if find_scenario(row["case"]).file.procedure == procedure and row["verdict"] != "error"]
        on_ladder = {(row["case"], row["seed"]) for row in mine if step_of(row["operator"]) == "novice-1"}
        steps = [
            [row["points"] for row in mine if step_of(row["operator"]) == step and (row["case"], row["seed"]) in on_ladder]
            for step in LADDER
        ]
        if not all(steps):
            continue
        means = [sum(step) / len(step) for step in steps]
        rises, area = all(a < b for a, b in pairwise(means)), roc_area(steps[-1], steps[0])
        fine = fine and rises and area >= LEAST_AUC
        cells = " | ".join(f"{mean:.1f} (n {len(step)})" for mean, step in zip(means, steps, strict=True))
        lines.append(f"| {procedure} | {cells} | {'yes' if rises else 'NO'} | {area:.3f} |")
    return lines, fine


def table(rows: Sequence[Row], wanted: int) -> tuple[str, bool]:
    """Return the whole table as Markdown, and whether all is as expected and nothing is due."""
    fine = len(rows) >= wanted
    lines = ["# Operators on cases", "", f"Engine {ENGINE_VERSION}, `scripts/sweep.py`: {len(rows)} of {wanted} attempts"]
    lines[-1] += "." if fine else f"; {wanted - len(rows)} are due (`--keep FILE` goes on where it was stopped)."
    lines += ["", *sums(rows), "", "| case | operator | as expected | verified by replay | tip to the planned point |"]
    lines += ["|---|---|---|---|---|"]
    for case, operator in sorted({(row["case"], row["operator"]) for row in rows}, key=lambda c: (c[0], c[1] != "expert", c[1])):
        if step_of(operator) not in (None, "expert"):
            continue
        mine = [row for row in rows if (row["case"], row["operator"]) == (case, operator)]
        good, sure = sum(row["good"] for row in mine), sum(row["verdict"] == "verified" for row in mine)
        tips = [row["tip_error_mm"] for row in mine if row.get("tip_error_mm") is not None]
        tip = f"{min(tips):.1f}-{max(tips):.1f} mm" if tips else ""
        why = "".join(f"; seed {row['seed']}: {row.get('why') or row.get('errors')}" for row in mine if not row["good"])
        lines.append(f"| {case} | {operator} | {good} of {len(mine)}{why} | {sure} | {tip} |")
        fine = fine and good == len(mine) and all(row["verdict"] in ("verified", "not replayed") for row in mine)
    steps, rising = ladder(rows)
    more = ["", "Graded operators: mean points (share of the checklist, in percent).", "", *steps, "", *variants(rows), ""]
    return "\n".join([*lines, *more]), fine and rising


def sums(rows: Sequence[Row]) -> list[str]:
    """Return the lines that sum up experts and careless operators by procedure."""
    lines = ["| procedure | experts as expected | careless as expected |", "|---|---|---|"]
    for procedure in sorted({find_scenario(row["case"]).file.procedure for row in rows}):
        mine = [row for row in rows if find_scenario(row["case"]).file.procedure == procedure]
        expert = [row["good"] for row in mine if row["operator"] == "expert"]
        careless = [row["good"] for row in mine if step_of(row["operator"]) is None]
        lines.append(f"| {procedure} | {sum(expert)} of {len(expert)} | {sum(careless)} of {len(careless)} |")
    return lines


def variants(rows: Sequence[Row]) -> list[str]:
    """Return the lines that compare the cases of each assessment set: least and greatest mean of expert and novices."""
    lines = ["Cases of one assessment set: least and greatest mean points (standard error of a novice mean).", ""]
    lines += ["| set | expert | novices | cases with novices |", "|---|---|---|---|"]
    for one in (one for one in load_sets() if one.kind == "assessment"):
        expert, novice = ([_points(rows, case, e) for case in one.cases] for e in (True, False))
        counted = [points for points in novice if len(points) > 1]
        errors = [statistics.stdev(points) / len(points) ** 0.5 for points in counted]
        error = f" ({max(errors):.1f})" if errors else ""
        lines.append(f"| {one.id} | {_spread(expert)} | {_spread(novice)}{error} | {len(counted)} of {len(one.cases)} |")
    return lines


def _points(rows: Sequence[Row], case: str, expert: bool) -> list[float]:
    """Return the points of the expert, or of all novices, on a case."""
    steps = [(row["points"], step_of(row["operator"])) for row in rows if row["case"] == case and "points" in row]
    return [points for points, step in steps if step is not None and (step == "expert") == expert]


def _spread(groups: Sequence[Sequence[float]]) -> str:
    means = [sum(points) / len(points) for points in groups if points]
    return f"{min(means):.1f} to {max(means):.1f}" if means else ""


def sweep() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("seeds", 3), ("careless", 2), ("thorough", 20), ("graded", 1), ("draws", 6), ("variants", 4)):
        asked.add_argument(f"--{name}", type=int, default=value)
    asked.add_argument("--only", default="*")
    asked.add_argument("--keep", type=Path)
    asked.add_argument("--table", type=Path)
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--hold", action="store_true")
    a = asked.parse_args()
    wanted, have = plan(a), kept(a.keep)
    rows = [have[key] for key in wanted if key in have]
    if not a.hold:
        with tempfile.TemporaryDirectory() as out:
            due = {key: stage for key, stage in wanted.items() if key not in have}
            rows += work(jobs_of(due, out, a.seeds), a.keep, a.jobs)
    text, fine = table(rows, len(wanted))
    print(text)
    if a.table:
        a.table.write_text(text, encoding="utf-8")
    return int(not fine)


def work(jobs: Sequence[Job], keep: Path | None, processes: int) -> list[Row]:
    """Return the rows of all jobs; each is kept as soon as its patient is done."""
    rows: list[Row] = []
    columns = (TextColumn("attempts"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    total = sum(len(operators) for job in jobs for _, operators in job.tasks)
    with Progress(*columns) as bar, ProcessPoolExecutor(processes) as pool:
        task = bar.add_task("attempts", total=total)
        for done in as_completed([pool.submit(run, job) for job in jobs]):
            new = done.result()
            rows += new
            if keep:
                with keep.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(row) + "\n" for row in new)
            bar.advance(task, len(new))
    return rows


if __name__ == "__main__":
    sys.exit(sweep())
