"""Run every operator over many seeds through the front door, verify each record, print a table.

usage: scripts/sweep.py [--seeds 20] [--out FOLDER] [--jobs 2]

Expected: the expert passes both scenarios without a critical error; each careless operator fails with the
critical error of its name (ignores-vascular on the vascular variant); every record is verified by replay.
Exit code 1 where one is not as expected.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.progress import track

from commands import joints

PLAIN, VASCULAR = "tfesi-l4l5-right", "tfesi-l4l5-right-vascular"
CASES = [
    (PLAIN, "expert"),
    (VASCULAR, "expert"),
    (PLAIN, "wrong-level"),
    (PLAIN, "wrong-side"),
    (PLAIN, "no-contrast"),
    (PLAIN, "too-deep"),
    (VASCULAR, "ignores-vascular"),
]


def one(job: tuple[str, str, int, Path]) -> tuple[str, str, bool, str, float | None]:
    scenario, operator, seed, out = job
    folder = out / scenario / operator / str(seed)
    public, paths = joints.attempt(scenario, operator, seed, folder, "practice", lambda what, fraction: None, pictures=False)
    errors = public["critical_errors"]
    good = (public["passed"] and not errors) if operator == "expert" else (not public["passed"] and operator in errors)
    if operator == "expert" and scenario == PLAIN:
        good = good and public["checklist"]["tip-in-zone"]["done"]
    return scenario, operator, good, joints.verdict_of(paths[0]).status, public["tip_error_mm"]


def sweep() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, default=20)
    asked.add_argument("--out", type=Path)
    asked.add_argument("--jobs", type=int, default=2)
    a = asked.parse_args()
    out = a.out or Path(tempfile.mkdtemp())
    jobs = [(scenario, operator, seed, out) for seed in range(1, a.seeds + 1) for scenario, operator in CASES]
    with ProcessPoolExecutor(a.jobs) as pool:
        rows = list(track(pool.map(one, jobs), total=len(jobs), description="attempts"))
    bad = 0
    for case in CASES:
        mine = [row for row in rows if row[:2] == case]
        verdicts = Counter(row[3] for row in mine)
        expected = sum(row[2] for row in mine)
        tips = [row[4] for row in mine if row[4] is not None]
        print(
            f"{case[0]:<28} {case[1]:<17} as expected {expected:>3} of {len(mine)}   {dict(verdicts)}   "
            f"tip to planned point {min(tips):.1f}..{max(tips):.1f} mm"
        )
        bad += len(mine) - expected + len(mine) - verdicts["verified"]
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(sweep())
