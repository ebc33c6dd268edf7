"""A pool of child processes that answer questions in JSON lines; a child that dies loses no answer.

Nothing is pickled and nothing is executed that a file says: a question is a line of JSON on the child's standard input,
the answer a line on its standard output. Each child has one question at a time; questions with the same key go to the
same child where possible (it keeps what it built for the last ones). A question whose child died is asked again in a
new child; after `TRIES` deaths, or when it takes too long, it is answered with the reason.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

TRIES = 3
WINDOW = 2048
"""So many questions are looked at ahead, to group them by key: memory does not grow with the length of the list."""

KEPT = (
    *("PATH", "HOME", "USER", "LANG", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT", "APPDATA", "LOCALAPPDATA", "USERPROFILE"),
    *("NUMBA_CACHE_DIR", "SCOTTIE_CACHE_DIR", "SCOTTIE_PATIENTS", "SCOTTIE_SCENARIOS"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
)
PINNED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

Answer = dict[str, Any]


def clean_environment() -> dict[str, str]:
    """Return the environment for a child: no PYTHON*, no NUMBA_* settings, one thread."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | PINNED


@dataclass(frozen=True)
class Task:
    """One question. `name` identifies it, `key` groups it, `message` is what is sent."""

    name: str
    key: str
    message: Mapping[str, Any]


@dataclass
class _Child:
    number: int
    process: subprocess.Popen[str]
    errors: IO[str]
    task: Task | None = None
    key: str = ""
    since: float = 0.0
    reader: threading.Thread | None = None

    def ask(self, task: Task) -> None:
        self.task, self.key, self.since = task, task.key, time.monotonic()
        assert self.process.stdin is not None
        with suppress(OSError):  # it died: the reader says so
            self.process.stdin.write(json.dumps(task.message) + "\n")
            self.process.stdin.flush()

    def last_words(self) -> str:
        with suppress(OSError, ValueError):
            self.errors.seek(0)
            lines = self.errors.read()[-2000:].strip().splitlines()
            return lines[-1] if lines else ""
        return ""


@dataclass
class _Waiting:
    """Questions by key, at most WINDOW of them."""

    source: Iterator[Task]
    by_key: dict[str, deque[Task]] = field(default_factory=dict)
    count: int = 0

    def fill(self) -> None:
        while self.count < WINDOW and (task := next(self.source, None)) is not None:
            self.by_key.setdefault(task.key, deque()).append(task)
            self.count += 1

    def take(self, last: str, busy: set[str]) -> Task | None:
        """Return the next question: of the same key, else of a key that nobody works on, else of the longest row."""
        if self.count <= WINDOW // 2:
            self.fill()
        if not self.by_key:
            return None
        key = last if last in self.by_key else next((k for k in self.by_key if k not in busy), None)
        key = key if key is not None else max(self.by_key, key=lambda k: len(self.by_key[k]))
        row = self.by_key[key]
        task = row.popleft()
        self.count -= 1
        if not row:
            del self.by_key[key]
        return task


class Pool:
    """Children started with `command`; each first gets `config` as a line. Use as a context manager."""

    def __init__(self, command: Sequence[str], config: Mapping[str, Any], jobs: int, seconds: float = 3600.0) -> None:
        self.command, self.config, self.seconds = list(command), dict(config), seconds
        self.jobs = max(1, jobs)
        self._heard: queue.Queue[tuple[int, str | None]] = queue.Queue()
        self._children: dict[int, _Child] = {}
        self._made = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._children.values()):
            self._end(child)

    @property
    def pids(self) -> list[int]:
        """Process ids of the children (for tests that kill them)."""
        return [child.process.pid for child in self._children.values()]

    def run(self, tasks: Iterable[Task], heard: Callable[[Task, Answer], None] | None = None) -> Iterator[tuple[Task, Answer]]:
        """Yield (task, answer) as answers come; `heard` gets what a child says on the way (lines with "progress").

        An answer that could not be had is {"failed": reason}.
        """
        waiting, again, deaths = _Waiting(iter(tasks)), deque[Task](), dict[str, int]()
        waiting.fill()
        while True:
            self._hand_out(waiting, again)
            if not any(child.task for child in self._children.values()):
                return
            number, line = self._listen()
            child = self._children.get(number)
            if child is None or child.task is None:
                if child is not None and line is None:
                    self._end(child)
                continue
            task = child.task
            if line is None:
                words = self._end(child)
                deaths[task.name] = deaths.get(task.name, 0) + 1
                if deaths[task.name] < TRIES:
                    again.append(task)
                    continue
                yield task, {"failed": f"the process that verified it died {TRIES} times" + (f": {words}" if words else "")}
                continue
            answer = json.loads(line)
            if "progress" in answer:
                if heard:
                    heard(task, answer)
                continue
            child.task = None
            deaths.pop(task.name, None)
            yield task, answer

    def _hand_out(self, waiting: _Waiting, again: deque[Task]) -> None:
        while True:
            idle = next((c for c in self._children.values() if c.task is None), None)
            if idle is None and len(self._children) >= self.jobs:
                return
            busy = {c.key for c in self._children.values() if c.task}
            task = again.popleft() if again else waiting.take(idle.key if idle else "", busy)
            if task is None:
                return
            (idle or self._start()).ask(task)

    def _start(self) -> _Child:
        errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - lives as long as the child
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=clean_environment(),
            text=True,
        )
        self._made += 1
        child = _Child(self._made, process, errors)
        self._children[child.number] = child
        child.reader = threading.Thread(target=self._read, args=(child,), daemon=True)
        child.reader.start()
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.write(json.dumps(self.config) + "\n")
            process.stdin.flush()
        return child

    def _read(self, child: _Child) -> None:
        assert child.process.stdout is not None
        with suppress(OSError, ValueError):
            for line in child.process.stdout:
                self._heard.put((child.number, line))
        self._heard.put((child.number, None))

    def _listen(self) -> tuple[int, str | None]:
        """Return (child, line or None for its end); a child that takes too long is ended."""
        while True:
            try:
                return self._heard.get(timeout=1.0)
            except queue.Empty:
                now = time.monotonic()
                for child in self._children.values():
                    if child.task and now - child.since > self.seconds:
                        child.process.kill()

    def _end(self, child: _Child) -> str:
        """End a child and return the last line it said on standard error."""
        self._children.pop(child.number, None)
        if child.process.stdin:
            with suppress(OSError):
                child.process.stdin.close()
        child.process.kill()
        child.process.wait()
        if child.reader:
            child.reader.join()
        if child.process.stdout:
            child.process.stdout.close()
        words = child.last_words()
        child.errors.close()
        return words
