"""The journal: an attempt written down as it happens, so that a crash loses nothing that was written.

Every line goes to the operating system at once (a killed program loses nothing), and to the disk about once
a second of the caller's clock (a power cut loses about a second). The core reads no clock: `clock` is given.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from sim.attempt.files import lock, set_aside
from sim.attempt.header import check_header
from sim.attempt.lines import DIGEST_STEP_UM, DIGEST_TICKS, MAX_BYTES, MAX_TICK, Chain, Line, kind_of
from sim.attempt.order import Order
from sim.command import Command
from sim.errors import MachineError, UsageError
from sim.event import Event

if TYPE_CHECKING:
    from sim.session import Session

SYNC_SECONDS = 1.0
_ROOM_FOR_SEAL = 2**20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)


class HasDigest(Protocol):
    """What a journal needs of a state."""

    def digest(self, step_um: int = 1) -> str:
        """Return SHA-256 (hex) of the state."""


def bound_digest(header_hash: bytes, state_digest: str) -> str:
    """Return the digest as recorded: the state's digest bound to this attempt's header."""
    return hashlib.sha256(header_hash + bytes.fromhex(state_digest)).hexdigest()


class Journal:
    """Appends the lines of one attempt to `path`. A file already there is set aside, never overwritten.

    Raises UsageError for a header that says something impossible, MachineError (one line) when the file
    cannot be written; what was written before stays, ends with a whole line and can be read.
    """

    def __init__(self, path: str | Path, header: dict[str, Any], clock: Callable[[], float] | None = None) -> None:
        self.path = Path(path)
        try:
            check_header(header)
        except ValueError as error:
            raise UsageError(f"attempt record: {error}") from None
        self._chain, self._order = Chain(), Order()
        self._size = self._whole_tick = 0
        self._clock = clock
        self._synced_at = clock() if clock else 0.0
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._sync: Future[None] | None = None
        self._fd: int | None = None
        self._open()
        self._put({"header": dict(header)})
        self.header_hash = self._chain.head

    @property
    def closed(self) -> bool:
        """True after `close`, and after a failure."""
        return self._fd is None

    def command(self, tick: int, command: Command) -> None:
        """Write the command obeyed at `tick`."""
        self._put({"t": tick, "op": command.op, "args": list(command.args)})

    def events(self, tick: int, events: Iterable[Event]) -> None:
        """Write the events of `tick`, in their order."""
        for fact in events:
            self._put({"t": tick, "kind": fact.kind, "data": dict(fact.data)})

    def digest(self, tick: int, state: HasDigest) -> None:
        """Write the digest of the state: at every multiple of DIGEST_TICKS, and at the last tick."""
        self._put({"t": tick, "digest": bound_digest(self.header_hash, state.digest(DIGEST_STEP_UM))})

    def close(self) -> None:
        """Bring everything to the disk and close the file. A second call does nothing."""
        if self._fd is None:
            return
        try:
            self._disk.shutdown(wait=True)
            os.fsync(self._fd)
            os.close(self._fd)
        except OSError as error:
            self._fail(error)
        self._fd = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            set_aside(self.path)
            self._fd = os.open(self.path, _NEW, 0o644)
            lock(self._fd, self.path)
        except OSError as error:
            raise MachineError(f"{self.path}: cannot make the attempt journal: {error.strerror}") from None

    def _put(self, line: Line) -> None:
        if self._fd is None:
            raise MachineError(f"{self.path}: the attempt journal is closed")
        if line.get("t", 0) > MAX_TICK or self._size > MAX_BYTES - _ROOM_FOR_SEAL:
            most = f"{MAX_TICK // 360_000} h, {MAX_BYTES >> 20} MiB"
            raise UsageError(f"{self.path}: the attempt is longer than a record can hold ({most})")
        try:
            self._order.accept(kind_of(line), line)
            self._write(self._chain.write(line))
            self._sync_now_and_then()
        except OSError as error:
            self._fail(error)
        except BaseException:  # Ctrl-C or a bug: keep what is whole, write no more
            self._stop()
            raise

    def _write(self, raw: bytes) -> None:
        assert self._fd is not None
        left = memoryview(raw)
        while left:
            left = left[os.write(self._fd, left) :]
        self._size += len(raw)
        self._whole_tick = self._order.tick

    def _sync_now_and_then(self) -> None:
        """Ask for the disk once a second, in a thread (a slow disk must not stop the window)."""
        if self._clock is None or self._fd is None:
            return
        if self._sync is not None and self._sync.done():
            self._sync.result()
            self._sync = None
        now = self._clock()
        if self._sync is None and now - self._synced_at >= SYNC_SECONDS:
            self._synced_at = now
            self._sync = self._disk.submit(os.fsync, self._fd)

    def _fail(self, error: OSError) -> NoReturn:
        """Stop, and say why in one line."""
        self._stop()
        why = error.strerror or errno.errorcode.get(error.errno or 0, "input/output error")
        raise MachineError(
            f"{self.path}: cannot write the attempt: {why}; the journal up to {self._whole_tick / 100:.2f} s is kept there"
        ) from None

    def _stop(self) -> None:
        """Cut off a half-written line and close."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        self._disk.shutdown(wait=True)
        with suppress(OSError):  # the first error is the one to report; a torn last line can be read
            os.ftruncate(fd, self._size)
        with suppress(OSError):
            os.close(fd)


class Recorder:
    """Ticks a session and writes down what happened. The session must be new (tick 0)."""

    def __init__(self, session: Session, journal: Journal) -> None:
        if session.state.tick != 0:
            raise ValueError("a recorder must be there from tick 0")
        self.session, self.journal = session, journal
        self._written = self._digested = 0
        journal.events(0, session.events)
        journal.digest(0, session.state)

    def tick(self) -> tuple[Command, tuple[Event, ...]]:
        """Advance one tick, write it down, and return the command obeyed and the events."""
        before = self.session.state.tick
        command, events = self.session.tick()
        tick = self.session.state.tick
        if tick == before:
            return command, events
        if command.op != "idle":
            self.journal.command(tick, command)
        self.journal.events(tick, events)
        if tick % DIGEST_TICKS == 0 or self.session.finished:
            self._digest(tick)
        self._written = tick
        return command, events

    def close(self) -> None:
        """Write the last digest (also of an attempt that is given up) and close the journal.

        When `tick` was broken off half-way (Ctrl-C, full disk) there is no last digest: such an attempt stays
        readable but cannot be sealed.
        """
        tick = self.session.state.tick
        if not self.journal.closed and self._digested != tick == self._written:
            self._digest(tick)
        self.journal.close()

    def _digest(self, tick: int) -> None:
        self.journal.digest(tick, self.session.state)
        self._digested = tick
