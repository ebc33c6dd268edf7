"""Measure the bulk verification: files a second with one process and with all, and memory as the archive grows.

usage: scripts/verify_throughput.py FOLDER [--files 1000] [--jobs N] [--single 60]

FOLDER holds sealed attempts; with fewer than --files of them they are taken again under other names (hard links in a
temporary folder). The archive is verified as `main.py verify --jobs N` does it, and a sample of --single files with one
process. Both rates are taken after the first tenth of the files, so that starting processes and loading patients count for
neither. Nothing else should run meanwhile. Exit code 1 where the rate is below 85 % of processes x single.
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

from commands.verifying import find, processors, verdicts

GOAL = 0.85


def linked(folder: Path, count: int, into: Path) -> Path:
    """Return a folder with `count` links to the records below `folder`, those of one patient together."""
    records = sorted(folder.rglob("*.scottie"), key=lambda path: (path.parent.name, str(path)))
    if not records:
        raise SystemExit(f"{folder}: no sealed attempts (*.scottie)")
    for number, record in enumerate(sorted(islice(cycle(records), count), key=lambda path: (path.parent.name, str(path)))):
        os.link(record, into / f"{number:05d}.scottie")
    return into


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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as one, tempfile.TemporaryDirectory(dir=given.folder) as all_:
        alone, _, _ = rate(linked(given.folder, given.single, Path(one)), given.single, 1, "one process")
        for link in Path(one).iterdir():
            link.unlink()
        together, seen, memory = rate(linked(given.folder, given.files, Path(all_)), given.files, given.jobs, "all processes")
    share = together / (given.jobs * alone)
    rates = f"one process {alone:.2f} files/s; {given.jobs} processes {together:.2f} files/s"
    print(f"{rates}: {100 * share:.0f} % of {given.jobs} x single")
    print("verdicts:", ", ".join(f"{status} {count}" for status, count in seen.items()))
    for number, here, child in memory:
        print(f"  after {number:>5} files: {here:6.0f} MiB here, {child:6.0f} MiB in the largest child")
    return 0 if share >= GOAL and set(seen) == {"verified"} else 1


if __name__ == "__main__":
    sys.exit(main())
