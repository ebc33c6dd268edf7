"""Measure the bulk verification: files a second with one process and with all, and memory as the archive grows.

usage: scripts/verify_throughput.py FOLDER [--files 1000] [--jobs N] [--single 60] [--patients 3] [--short]

FOLDER holds sealed attempts of this very Scottie (the `attempts` of scripts/simulate_cohort.py). Half of --single of them are
taken, evenly of the --patients that have most (--short: their shortest attempts), and again under other names (hard links in
a temporary folder) until there are --files. That archive is verified as `main.py verify --jobs N` does it, and before and
after it each distinct record once with one process, so that both do the same work per file. Rates are taken after
the first tenth of the files, so that starting processes and loading patients count for neither. Nothing else should run
meanwhile. Exit code 1 where the rate is below 85 % of processes x single.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.progress import track

from commands.verifying import find, processors, task_of, verdicts

GOAL = 0.85


def distinct(folder: Path, count: int, patients: int, short: bool) -> list[list[Path]]:
    """Return about `count` records below `folder`, evenly of the `patients` that have most; `short`: the shortest."""
    of: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.scottie")):
        of.setdefault(task_of(path).key, []).append(path)
    if not of:
        raise SystemExit(f"{folder}: no sealed attempts (*.scottie)")
    most = sorted(of.values(), key=len, reverse=True)[:patients]
    rows = [sorted(row, key=lambda path: path.stat().st_size) if short else row for row in most]
    return [row[: max(1, count // len(rows))] for row in rows]


def linked(records: list[Path], into: Path) -> Path:
    """Return a new folder in `into` with a link to each record, in their order."""
    out = Path(tempfile.mkdtemp(dir=into))
    for number, record in enumerate(records):
        os.link(record, out / f"{number:05d}.scottie")
    return out


def resident_mib(children: bool) -> float:
    """Return the resident memory of this process, or of the largest of its children, now (Linux)."""
    own = os.getpid()
    pids = [own]
    if children:
        tasks = Path(f"/proc/{own}/task").iterdir()
        pids = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return max(pages, default=0) * os.sysconf("SC_PAGE_SIZE") / 2**20


def rate(folder: Path, count: int, jobs: int, what: str) -> tuple[float, dict[str, int], list[tuple[int, float, float]]]:
    """Return files a second, how often each verdict came, and (files, MiB here, MiB of the largest child) on the way."""
    seen: dict[str, int] = {}
    memory: list[tuple[int, float, float]] = []
    marks = {max(1, count * tenth // 10) for tenth in range(1, 11)}
    first = max(1, count // 10)
    start = 0.0
    for number, verdict in enumerate(track(verdicts(find([folder]), jobs), what, total=count), 1):
        seen[verdict.status] = seen.get(verdict.status, 0) + 1
        if number == first:
            start = time.perf_counter()
        if number in marks:
            memory.append((number, resident_mib(False), resident_mib(True)))
    return (count - first) / (time.perf_counter() - start), seen, memory


def main() -> int:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--single", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=processors())
    parser.add_argument("--patients", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="the shorter half of each patient's attempts")
    given = parser.parse_args()
    rows = distinct(given.folder, given.single // 2, given.patients, given.short)
    half = [path for row in rows for path in row]
    records = [path for row in rows for path in islice(cycle(row), given.files // len(rows))]
    with tempfile.TemporaryDirectory(dir=given.folder) as base:
        before, _, _ = rate(linked(half, Path(base)), len(half), 1, "one process")
        together, seen, memory = rate(linked(records, Path(base)), len(records), given.jobs, "all processes")
        after, _, _ = rate(linked(half, Path(base)), len(half), 1, "one process, again")
    alone = 2 / (1 / before + 1 / after)
    share = together / (given.jobs * alone)
    rates = (
        f"one process {alone:.2f} files/s (before {before:.2f}, after {after:.2f}); {given.jobs} processes {together:.2f} files/s"
    )
    print(f"{rates}: {100 * share:.0f} % of {given.jobs} x single")
    print("verdicts:", ", ".join(f"{status} {count}" for status, count in seen.items()))
    for number, here, child in memory:
        print(f"  after {number:>5} files: {here:6.0f} MiB here, {child:6.0f} MiB in the largest child")
    return 0 if share >= GOAL and set(seen) == {"verified"} else 1


if __name__ == "__main__":
    sys.exit(main())
