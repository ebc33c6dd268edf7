"""Verification on a Dask cluster: every worker needs the same Scottie; the files travel with the tasks.

A Dask worker keeps one isolated replaying process per thread (commands.worker), as the local pool does. When a worker
dies, Dask gives its tasks to another one; a task that keeps killing workers ends as "failed".
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from commands.verifying import worker_command
from scoring.trust.pool import Answer, Pool, Task
from sim.attempt import read_bounded
from sim.errors import MachineError, UsageError

MAX_BYTES = 16 * 2**20
AHEAD = 4
"""Tasks in flight per worker thread: memory does not grow with the archive."""
TRIES = 3
_mine = threading.local()


def replay_bytes(data: bytes, config: Mapping[str, Any], message: Mapping[str, Any]) -> Answer:
    """Return the answer about a file's bytes; runs on a Dask worker."""
    pool = getattr(_mine, "pool", None)
    if pool is None or pool.config != config:
        if pool is not None:
            pool.__exit__()
        pool = _mine.pool = Pool(worker_command(), config, 1)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "attempt.scottie"
        path.write_bytes(data)
        _, answer = next(pool.run([Task("it", "", {**message, "path": str(path), "progress": False})]))
    return dict(answer)


def on_cluster(address: str, tasks: Iterator[Task], config: Mapping[str, Any]) -> Iterator[tuple[Task, Answer]]:
    """Yield (task, answer) as the cluster gives them."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise MachineError("--scheduler needs Dask; expected it installed with: pip install 'scottie[cluster]'") from None
    try:
        client = Client(address, timeout="5s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(f"--scheduler {address}: {error or 'no answer'}; expected the address of a Dask scheduler") from None
    with client:
        threads = sum(worker["nthreads"] for worker in client.scheduler_info()["workers"].values())
        if not threads:
            raise UsageError(f"--scheduler {address}: the cluster has no workers; expected at least one (dask worker {address})")
        running: dict[Any, tuple[Task, int]] = {}
        done = as_completed(None, loop=client.loop)
        yield from _flow(client, tasks, config, running, done, threads * AHEAD)


def _flow(
    client: Any, tasks: Iterator[Task], config: Mapping[str, Any], running: dict[Any, tuple[Task, int]], done: Any, most: int
) -> Iterator[tuple[Task, Answer]]:
    more = True
    while more or running:
        while more and len(running) < most:
            task = next(tasks, None)
            if task is None:
                more = False
                break
            try:
                data = read_bounded(Path(task.name), MAX_BYTES)
            except ValueError as error:
                yield task, {"path": task.name, "status": "unreadable", "reason": str(error)}
                continue
            _submit(client, task, data, config, running, done, 1)
        if not running:
            continue
        future = next(done)
        task, tries = running.pop(future.key)
        answer, again = _result(future)
        if again and tries < TRIES:
            with suppress(ValueError):
                _submit(client, task, read_bounded(Path(task.name), MAX_BYTES), config, running, done, tries + 1)
                continue
        yield task, answer


def _submit(
    client: Any, task: Task, data: bytes, config: Mapping[str, Any], running: dict[Any, tuple[Task, int]], done: Any, tries: int
) -> None:
    future = client.submit(replay_bytes, data, dict(config), dict(task.message), pure=False, retries=TRIES)
    running[future.key] = (task, tries)
    done.add(future)


def _result(future: Any) -> tuple[Answer, bool]:
    """Return (answer, whether to try again) of a future that is done."""
    try:
        return future.result(), False
    except Exception as error:  # a killed worker, or a cluster without Scottie: whatever Dask raises is the reason
        return {"failed": f"on the cluster: {type(error).__name__}: {error}"}, True
    finally:
        future.release()
