#!/usr/bin/env python3
"""Cheat at a real battery in every way we know, and forge its real records; each must get the right verdict, no honest one.

    scripts/forge_battery.py COHORT [--edits 1000] [--honest 1000] [--jobs N] [--seed 1]

COHORT is a folder of scripts/simulate_cohort.py (keys, battery.json, attempts of this very Scottie). First all its records are
verified as `main.py verify` does it: none may be refused. Then random changes and re-signed edits of the records of one
learner (scripts/forge.py says which), then the named attacks of tests/real_battery.py: real attempts played in a copy
of this program whose engine, rubric or scenario was edited, and everything that can be done to the folder. Exit 1 on any miss.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from commands.verifying import find, processors, verdicts
from commands.worker import check
from scripts import forge
from tests import real_battery

Table = tuple[Counter[tuple[str, str]], list[str]]


def honest(folder: Path, count: int, jobs: int) -> Table:
    """Verify up to `count` real records; return how they fared and a line for each that was refused."""
    counts, failures = Counter[tuple[str, str]](), list[str]()
    for verdict in verdicts(islice(find([folder]), count), jobs):
        counts["honest real record", verdict.status] += 1
        if not verdict.ok:
            failures.append(f"honest {verdict.path}: {verdict.status}: {verdict.reason}")
    return counts, failures


def edited(records: list[Path], count: int, seed: int) -> Table:
    """Forge `count` records, half changed bytes, half re-signed edits, evenly over `records`."""
    counts, failures = Counter[tuple[str, str]](), list[str]()
    share = -(-count // (2 * len(records)))
    for number, record in enumerate(records):
        found, wrong = forge.attack(record, lambda path: check(str(path), None), share, share, seed + number)
        counts += found
        failures += wrong
    return counts, failures


def attacked(given: Path, learner: str) -> Table:
    """Carry out the named attacks; return how each was answered and a line for each wrong answer."""
    counts, failures = Counter[tuple[str, str]](), list[str]()
    with tempfile.TemporaryDirectory() as base:
        table = real_battery.Table(given, learner, Path(base))
        for attack in real_battery.ATTACKS:
            answer, wanted = attack(table)
            counts[attack.__name__.replace("_", " "), answer] += 1
            print(f"  {attack.__name__.replace('_', ' ')}: {answer}", file=sys.stderr)
            if answer != wanted:
                failures.append(f"{attack.__name__}: answered '{answer}'; expected '{wanted}'")
    return counts, failures


def main() -> int:
    """Read the arguments, cheat, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--edits", type=int, default=1000)
    parser.add_argument("--honest", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=processors())
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.environ["XDG_CONFIG_HOME"], os.environ["XDG_DATA_HOME"] = (
        str(given.cohort.resolve() / "home" / name) for name in ("config", "data")
    )
    learners = sorted(path for path in (given.cohort / "attempts").iterdir() if path.is_dir())
    learner = random.Random(given.seed).choice(learners)
    parts = [honest(given.cohort / "attempts", given.honest, given.jobs)] if given.honest else []
    parts += [edited(sorted(learner.rglob("*.scottie")), given.edits, given.seed)] if given.edits else []
    parts.append(attacked(given.cohort, learner.name))
    counts = sum((part[0] for part in parts), Counter[tuple[str, str]]())
    failures = [line for part in parts for line in part[1]]
    for (kind, status), count in sorted(counts.items()):
        print(f"{count:6d}  {kind:60s}  {status}")
    print(f"{counts.total():6d}  in all, {len(failures)} not answered as they should be")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
