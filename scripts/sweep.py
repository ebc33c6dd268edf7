"""Run every operator on every case over many seeds through the front door, verify each record, print a table.

usage: scripts/sweep.py [--seeds 20] [--careless 2] [--only PATTERN] [--out FOLDER] [--jobs 2]

Expected: the expert passes every case without a critical error; each careless operator fails with the critical
error that its habit must show (`FAULTS` in scenarios/operators; those who only break the passing rule fail without one) on
--careless seeds of every case and on all seeds of one case of each kind; every record is verified by replay.
Exit code 1 where one is not as expected.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.progress import track

from commands import joints
from scenarios.operators import faults_of
from scenarios.registry import all_scenarios, find_scenario

MAIN = (
    *("tfesi-l4l5-right", "tfesi-l4l5-right-vascular", "tfesi-l4l5-left-infraneural", "tfesi-s1-left", "tfesi-l4l5-right-2"),
    *("mbb-l4l5-right", "mbb-l4l5-right-2", "vp-l3-right-haemangioma"),
)
"""One case of each kind: here the careless operators run on every seed, too."""


def cases(pattern: str) -> list[tuple[str, str]]:
    """Return (case, operator) of all that is to be run."""
    found = [s for s in all_scenarios()[0] if not s.file.retired and fnmatch.fnmatch(s.id, pattern)]
    return [(s.id, operator) for s in found for operator in ("expert", *faults_of(s))]


def one(job: tuple[str, str, int, Path]) -> tuple[str, str, bool, str, float | None]:
    """Return (case, operator, as expected, verdict, tip error) of one attempt."""
    name, operator, seed, out = job
    folder = out / name / operator / str(seed)
    public, paths = joints.attempt(name, operator, seed, folder, "practice", lambda what, fraction: None, pictures=False)
    errors = public["critical_errors"]
    if operator == "expert":
        good = public["passed"] and not errors
    else:
        fault = faults_of(find_scenario(name))[operator]
        good = not public["passed"] and (fault in errors if fault else not errors)
    return name, operator, good, joints.verdict_of(paths[0]).status, public["tip_error_mm"]


def sweep() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, default=20)
    asked.add_argument("--careless", type=int, default=2)
    asked.add_argument("--only", default="*")
    asked.add_argument("--out", type=Path)
    asked.add_argument("--jobs", type=int, default=2)
    a = asked.parse_args()
    out = a.out or Path(tempfile.mkdtemp())
    todo = cases(a.only)
    most = {case: a.seeds if case[1] == "expert" or case[0] in MAIN else min(a.careless, a.seeds) for case in todo}
    jobs = [(*case, seed, out) for seed in range(1, a.seeds + 1) for case in todo if seed <= most[case]]
    with ProcessPoolExecutor(a.jobs) as pool:
        rows = list(track(pool.map(one, jobs), total=len(jobs), description="attempts"))
    bad = 0
    for case in todo:
        mine = [row for row in rows if row[:2] == case]
        verdicts = Counter(row[3] for row in mine)
        expected = sum(row[2] for row in mine)
        tips = [row[4] for row in mine if row[4] is not None]
        print(
            f"{case[0]:<30} {case[1]:<17} as expected {expected:>3} of {len(mine)}   {dict(verdicts)}   "
            + (f"tip to planned point {min(tips):.1f}..{max(tips):.1f} mm" if tips else "no drug given")
        )
        bad += len(mine) - expected + len(mine) - verdicts["verified"]
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(sweep())
