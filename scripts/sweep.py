"""Run every operator on every case through the front door, verify each record, and write the table of docs/tables/sweep.md.

usage: scripts/sweep.py [--seeds 3] [--careless 1] [--graded 3] [--draws 2] [--graded-cases 2] [--only PATTERN]
                        [--keep FILE] [--table FILE.md] [--jobs N]

Expected: the expert passes every case without a critical error; each careless operator fails with the critical
error that its habit must show (`FAULTS` in scenarios/operators; those who only break the passing rule fail without one), on
--careless seeds of every case and on all seeds of one case of each kind (MAIN); every record of these is verified by
replay. The graded family runs on --graded seeds of --graded-cases cases of each procedure, --draws times each (a draw is another
set of slips of the same skill on the same patient): mean points must rise at every step, and points must tell expert from
novice-1 with an area under the ROC curve of at least 0.95. Exit code 1 where one is not as expected.

--keep FILE: one line of JSON for each finished attempt. A sweep that was stopped goes on where it was; attempts of another
engine, scenario, rubric or tools are made anew. Nearly all time goes into making patients (about 16 s each with two
cores): those that the cache holds cost nothing, and all operators of one patient run together.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
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
from scenarios.toolbox import tools_hash
from scoring.statistics.roc import roc_area
from sim import ENGINE_VERSION
from sim.errors import ScottieError

MAIN = ("tfesi-l4l5-right", "tfesi-l4l5-right-vascular", "mbb-l4l5-right", "drill-square")
"""One case of each kind: here the careless operators run on every seed, too."""
LADDER = {**{name: round(100 * skill) for name, skill in FAMILY.items()}, "expert": 100}
"""Graded operator -> skill in percent."""
LEAST_AUC = 0.95

Row = dict[str, Any]


class Job(NamedTuple):
    """All operators of one patient: (operator, whether it belongs to the ladder)."""

    case: str
    seed: int
    operators: tuple[str, ...]
    out: str


def stamp(case: str) -> str:
    """Return what a kept row must have been made with to count."""
    scenario = find_scenario(case)
    rubric = scenario.rubric_path.read_bytes()
    return f"{ENGINE_VERSION} {scenario.hash[:12]} {hashlib.sha256(rubric).hexdigest()[:12]} {tools_hash()[:12]}"


def draw_name(operator: str, draw: int) -> str:
    """Return the operator of a draw: the first is the family's own, further ones are trainees of the same skill."""
    return operator if draw == 0 else f"trainee-{LADDER[operator]}-draw{draw}"


def step_of(operator: str) -> str | None:
    """Return the step of the ladder that an operator stands on."""
    if operator in LADDER:
        return operator
    return next((name for name, skill in LADDER.items() if operator.startswith(f"trainee-{skill}-")), None)


def run(job: Job) -> list[Row]:
    """Return one row for each operator of a patient."""
    rows = []
    for operator in job.operators:
        try:
            rows.append(_one(job, operator))
        except Exception as error:  # one broken attempt must not end the sweep; the table shows it
            rows.append(_row(job, operator, good=False, verdict="error", why=f"{type(error).__name__}: {error}"))
    return rows


def _row(job: Job, operator: str, **facts: Any) -> Row:
    return {"case": job.case, "seed": job.seed, "operator": operator, "stamp": stamp(job.case), **facts}


def _one(job: Job, operator: str) -> Row:
    folder = Path(job.out) / job.case / operator / str(job.seed)
    public, paths = joints.attempt(job.case, operator, job.seed, folder, "practice", lambda what, share: None, pictures=False)
    errors, faults = public["critical_errors"], faults_of(find_scenario(job.case))
    good = True
    if operator == "expert":
        good = public["passed"] and not errors
    elif operator in faults:
        good = not public["passed"] and (faults[operator] in errors if faults[operator] else not errors)
    checked = operator == "expert" or operator in faults
    points = public["points"]
    return _row(
        job, operator, good=good, verdict=joints.verdict_of(paths[0]).status if checked else "not replayed",
        passed=public["passed"], errors=errors, points=100.0 * points["reached"] / max(points["possible"], 1),
        tip_error_mm=public["tip_error_mm"], exposures=public["exposures"],
    )  # fmt: skip


def plan(a: argparse.Namespace) -> dict[tuple[str, int], list[str]]:
    """Return which operators run on which patient."""
    found = [s for s in all_scenarios()[0] if not s.file.retired and fnmatch.fnmatch(s.id, a.only)]
    todo: dict[tuple[str, int], list[str]] = {}
    for scenario in found:
        for seed in range(1, a.seeds + 1):
            careless = seed <= a.careless or scenario.id in MAIN
            todo[scenario.id, seed] = ["expert", *(faults_of(scenario) if careless else ())]
    for case in graded_cases(found, a.graded_cases):
        for seed in range(1, a.graded + 1):
            mine = todo.setdefault((case, seed), [])
            steps = [draw_name(step, draw) for draw in range(a.draws) for step in LADDER if step != "expert"]
            mine += [name for name in ("expert", *steps) if name not in mine]
    return todo


def graded_cases(found: Sequence[Any], count: int) -> list[str]:
    """Return the first cases of each procedure for the ladder: the MAIN ones first."""
    out: list[str] = []
    for procedure in sorted({s.file.procedure for s in found}):
        mine = sorted((s.id for s in found if s.file.procedure == procedure), key=lambda name: (name not in MAIN, name))
        out += mine[:count]
    return out


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


def table(rows: Sequence[Row]) -> tuple[str, bool]:
    """Return the whole table as Markdown, and whether all is as expected."""
    lines = [f"Engine {ENGINE_VERSION}, `scripts/sweep.py`. Points: share of the checklist, in percent.", ""]
    lines += ["| case | operator | as expected | verified | tip to the planned point |", "|---|---|---|---|---|"]
    fine = True
    for case, operator in sorted({(row["case"], row["operator"]) for row in rows}, key=lambda c: (c[0], c[1] != "expert", c[1])):
        if step_of(operator) not in (None, "expert"):
            continue
        mine = [row for row in rows if (row["case"], row["operator"]) == (case, operator)]
        good, sure = sum(row["good"] for row in mine), sum(row["verdict"] == "verified" for row in mine)
        tips = [row["tip_error_mm"] for row in mine if row.get("tip_error_mm") is not None]
        tip = f"{min(tips):.1f}-{max(tips):.1f} mm" if tips else ""
        why = "".join(f"; seed {row['seed']}: {row.get('why') or row.get('errors')}" for row in mine if not row["good"])
        lines.append(f"| {case} | {operator} | {good} of {len(mine)}{why} | {sure} | {tip} |")
        fine = fine and good == sure == len(mine)
    steps, rising = ladder(rows)
    return "\n".join([*lines, "", "Graded operators: mean points.", "", *steps, ""]), fine and rising


def sweep() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("seeds", 3), ("careless", 1), ("graded", 3), ("draws", 2), ("graded-cases", 2)):
        asked.add_argument(f"--{name}", type=int, default=value)
    asked.add_argument("--only", default="*")
    asked.add_argument("--keep", type=Path)
    asked.add_argument("--table", type=Path)
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    a = asked.parse_args()
    todo, have = plan(a), kept(a.keep)
    wanted = [(case, seed, operator) for (case, seed), operators in todo.items() for operator in operators]
    rows = [have[key] for key in wanted if key in have]
    with tempfile.TemporaryDirectory() as out:
        jobs = [
            Job(case, seed, tuple(o for o in operators if (case, seed, o) not in have), out)
            for (case, seed), operators in todo.items()
        ]
        rows += work([job for job in jobs if job.operators], a.keep, a.jobs)
    text, fine = table(rows)
    print(text)
    if a.table:
        a.table.write_text(text, encoding="utf-8")
    return int(not fine)


def work(jobs: Sequence[Job], keep: Path | None, processes: int) -> list[Row]:
    """Return the rows of all jobs; each is kept as soon as its patient is done."""
    rows: list[Row] = []
    columns = (TextColumn("attempts"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    total = sum(len(job.operators) for job in jobs)
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
