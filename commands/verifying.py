"""Verification of one file or a hundred thousand: finding them, handing them to processes or a cluster, one verdict each."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scoring.record import Verdict
from scoring.trust.pool import Answer, Pool, Task
from scoring.trust.trustlist import TrustList
from sim.attempt import one_line
from sim.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = (".scottie", ".journal")
_STUDY = re.compile(rb'"scenario":"([^"]{1,200})".{0,2000}?"seed":(\d{1,10})', re.S)
_FIRST = 2**15

Progress = Callable[[Task, Answer], None]


def worker_command() -> list[str]:
    """Return how the replaying process is started: this Python, isolated, with this copy of Scottie and nothing else."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from commands.worker import main; main()"
    return [sys.executable, "-I", "-X", "utf8", "-c", code]


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find(paths: Iterable[Path]) -> Iterator[Path | Verdict]:
    """Yield every attempt below the folders and every file named; a folder that cannot be read is a verdict.

    Links to folders are not followed, so a loop of links ends nothing; order: by name, folder by folder.
    """
    for path in paths:
        if path.is_dir():
            yield from _below(path)
        else:
            yield path


def _below(folder: Path) -> Iterator[Path | Verdict]:
    waiting = [str(folder)]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Verdict(one_line(here), "unreadable", f"the folder cannot be read: {error.strerror}")
            continue
        waiting += [entry.path for entry in reversed(found) if entry.is_dir(follow_symlinks=False)]
        for entry in found:
            if entry.name.endswith(SUFFIXES) and not entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def task_of(path: Path, progress: bool = False) -> Task:
    """Return the question about a file; its key is the patient that its first bytes name."""
    key = ""
    try:
        if path.is_file():
            with path.open("rb") as file:
                found = _STUDY.search(file.read(_FIRST))
            key = f"{found[1]!r} {found[2]!r}" if found else ""
    except OSError:
        pass  # the worker says why
    return Task(str(path), key, {"path": str(path), "progress": progress})


def verdicts(
    paths: Iterable[Path | Verdict],
    jobs: int,
    trust: TrustList | None = None,
    scheduler: str = "",
    heard: Progress | None = None,
    seconds: float = 3600.0,
) -> Iterator[Verdict]:
    """Yield a light verdict for every path, as they come. `scheduler`: a Dask scheduler's address instead of processes."""
    for _, verdict in checked(paths, jobs, trust, scheduler, heard, seconds):
        yield verdict


def checked(
    paths: Iterable[Path | Verdict],
    jobs: int,
    trust: TrustList | None = None,
    scheduler: str = "",
    heard: Progress | None = None,
    seconds: float = 3600.0,
) -> Iterator[tuple[str, Verdict]]:
    """Yield (path as given, light verdict): a verdict shows its path fit for a terminal, which two files may share."""
    known: list[Verdict] = []

    def tasks() -> Iterator[Task]:
        for one in paths:
            if isinstance(one, Verdict):
                known.append(one)
            else:
                yield task_of(one, heard is not None)

    for task, answer in _answers(tasks(), jobs, trust, scheduler, heard, seconds):
        yield task.name, verdict_from(task, answer)
        while known:
            yield known[0].path, known.pop(0)
    yield from ((verdict.path, verdict) for verdict in known)


def _answers(
    tasks: Iterator[Task], jobs: int, trust: TrustList | None, scheduler: str, heard: Progress | None, seconds: float
) -> Iterator[tuple[Task, Mapping[str, Any]]]:
    config = {"trust": trust.as_dict() if trust else None}
    if scheduler:
        from commands.cluster import on_cluster

        yield from on_cluster(scheduler, tasks, config)
        return
    with Pool(worker_command(), config, jobs, seconds) as pool:
        yield from pool.run(tasks, heard)


def verdict_from(task: Task, answer: Mapping[str, Any]) -> Verdict:
    """Return the verdict in an answer; "failed" where the verification itself broke down."""
    if "failed" in answer:
        return Verdict(one_line(task.name), "failed", one_line(str(answer["failed"])))
    return Verdict.from_message({**answer, "path": one_line(task.name)})


def check_jobs(jobs: int) -> int:
    """Return the number of processes to use; 0 means one per processor."""
    if not 0 <= jobs <= 1024:
        raise UsageError(f"--jobs {jobs}: expected 1 to 1024 (0: one per processor)")
    return jobs or processors()
