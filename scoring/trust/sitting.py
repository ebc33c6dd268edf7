r"""The sitting log: one learner at one battery. An opening is on the disk before the patient is shown.

    {"at": UTC, "attempt": 1, "battery": SHA-256, "event": "opened", "h": ..., "item": 1, "learner": "p-...", "signature": ...}

Canonical lines, each chained to the one before (h = SHA-256(h before || line without h and signature)) and signed by the
installation over "scottie-sitting/1\n" and h. The log lies with the installation; after every entry a copy goes to the
folder of the attempt. The header of an attempt holds the number of its opening and the log's head, so an attempt that is
left out leaves a hole: in the log, or in the numbers. What it cannot show: that the whole end of a sitting, log and
records together, was thrown away on a machine that nobody watched. A root signed elsewhere during the sitting can.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.keys import fingerprint, public_hex
from scoring.trust.documents import check_time, signature_holds, write_whole
from sim.attempt import canonical, is_hex, lock_file, one_line, parse, read_bounded
from sim.errors import MachineError, RecordError, UsageError

GENESIS = hashlib.sha256(b"scottie-sitting/1").digest()
SIGNED_AS = b"scottie-sitting/1\n"
SUFFIX = ".sitting"
EVENTS = ("opened", "sealed", "abandoned")
_FIELDS = {
    "at": str,
    "attempt": int,
    "battery": str,
    "event": str,
    "item": int,
    "learner": str,
    "public_key": str,
    "record": str,
}
MAX_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Sitting:
    """A log as it was read: entries and the head after each."""

    name: str
    battery_sha256: str
    learner: str
    entries: tuple[Mapping[str, Any], ...] = ()
    heads: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """The head of the chain (hex)."""
        return self.heads[-1] if self.heads else GENESIS.hex()

    def opened(self, item: int) -> int:
        """Return how often an item was opened."""
        return sum(1 for entry in self.entries if entry["event"] == "opened" and entry["item"] == item)

    def knows(self, head: str) -> bool:
        """Tell whether this was the head of the log at some time."""
        return head in self.heads

    def ended(self, item: int, attempt: int) -> Mapping[str, Any] | None:
        """Return the entry that says how an opening ended, None where it says nothing."""
        found = (e for e in self.entries if (e["item"], e["attempt"]) == (item, attempt) and e["event"] != "opened")
        return next(found, None)

    @property
    def signers(self) -> set[str]:
        """Fingerprints of the keys that signed the entries."""
        return {fingerprint(entry["public_key"]) for entry in self.entries}

    def next_item(self, count: int) -> int | None:
        """Return the first item that was never opened, None when all were."""
        return next((i for i in range(1, count + 1) if not self.opened(i)), None)

    def oddities(self, count: int) -> list[str]:
        """Return what a committee should know: items opened out of order or again, a clock that ran backwards."""
        out, last, furthest = [], "", 0
        for entry in self.entries:
            if entry["at"] < last:
                out.append(f"the clock was set back between {last} and {entry['at']}")
            last = entry["at"]
            if entry["event"] == "opened" and entry["item"] > furthest + 1:
                out.append(f"item {entry['item']} was opened before item {furthest + 1}")
            furthest = max(furthest, entry["item"])
        if furthest > count:
            out.append(f"item {furthest} was opened in a battery of {count}")
        return out


def parse_sitting(data: bytes, name: str) -> Sitting:
    """Return the log in `data`; a torn last line is left out. RecordError (one line) if it was changed."""
    whole = data[: data.rfind(b"\n") + 1]
    head, entries, heads = GENESIS, [], []
    for number, raw in enumerate(whole.split(b"\n")[:-1], 1):
        try:
            entry = parse(raw)
            head = _check(entry, head)
        except ValueError as error:
            raise RecordError(f"{one_line(name)}: line {number} {error}") from None
        entries.append(entry)
        heads.append(head.hex())
    if not entries:
        raise RecordError(f"{one_line(name)}: holds no entry; expected a sitting log")
    if any((e["battery"], e["learner"]) != (entries[0]["battery"], entries[0]["learner"]) for e in entries):
        raise RecordError(f"{one_line(name)}: holds entries of several learners or batteries")
    return Sitting(name, entries[0]["battery"], entries[0]["learner"], tuple(entries), tuple(heads))


def _check(entry: dict[str, Any], head: bytes) -> bytes:
    """Return the next head; ValueError unless the entry has its form, its place in the chain and its signature."""
    claimed, signature = entry.pop("h", None), entry.pop("signature", None)
    if entry.keys() != _FIELDS.keys() or any(type(entry[name]) is not kind for name, kind in _FIELDS.items()):
        raise ValueError("is no entry of a sitting log")
    if entry["event"] not in EVENTS or entry["item"] < 1 or entry["attempt"] < 1 or not is_hex(entry["battery"], 32):
        raise ValueError("is no entry of a sitting log")
    check_time(entry["at"], "at")
    head = hashlib.sha256(head + canonical(entry)).digest()
    if claimed != head.hex():
        raise ValueError("does not match its hash: this entry, or one before it, was changed, added or removed")
    if not (type(signature) is str and signature_holds(entry["public_key"], signature, SIGNED_AS + head)):
        raise ValueError("has a signature that does not fit")
    return head


def read_sitting(path: str | Path) -> Sitting:
    """Return the log in a file; RecordError (one line) otherwise."""
    try:
        data = read_bounded(Path(path), MAX_BYTES)
    except ValueError as error:
        raise RecordError(f"{one_line(str(path))}: {error}") from None
    return parse_sitting(data, str(path))


@dataclass
class SittingLog:
    """The log of this installation for one learner and one battery: append only, each entry on the disk at once."""

    path: Path
    battery_sha256: str
    learner: str
    key: Ed25519PrivateKey
    copies: list[Path] = field(default_factory=list)

    def read(self) -> Sitting:
        """Return what it holds. A torn last line (power cut) is no entry: it was never acknowledged."""
        if not self.path.exists():
            return Sitting(str(self.path), self.battery_sha256, self.learner)
        data = self.path.read_bytes()
        if b"\n" not in data:
            return Sitting(str(self.path), self.battery_sha256, self.learner)
        sitting = parse_sitting(data, str(self.path))
        if (sitting.battery_sha256, sitting.learner) != (self.battery_sha256, self.learner):
            raise RecordError(f"{self.path}: is the log of another battery or learner")
        return sitting

    def open(self, item: int, at: str) -> tuple[int, str]:
        """Write that an item is opened; return (which opening of it this is, head of the log)."""
        number = self.read().opened(item) + 1
        return number, self._append("opened", item, number, at, "")

    def close(self, item: int, attempt: int, event: str, at: str, record: str) -> str:
        """Write how an attempt ended ("sealed" with its record id, or "abandoned"); return the head of the log."""
        return self._append(event, item, attempt, at, record)

    def _append(self, event: str, item: int, attempt: int, at: str, record: str) -> str:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise MachineError(f"{self.path}: cannot write the sitting log: {error.strerror}") from None
        try:
            lock_file(fd, self.path)
            sitting = self.read()
            size = sum(len(line) + 1 for line in self.path.read_bytes().split(b"\n")[:-1])
            os.ftruncate(fd, size)  # a torn last line, if there is one
            entry = {
                "at": at,
                "attempt": attempt,
                "battery": self.battery_sha256,
                "event": event,
                "item": item,
                "learner": self.learner,
                "public_key": public_hex(self.key),
                "record": record,
            }
            head = hashlib.sha256(bytes.fromhex(sitting.head) + canonical(entry)).digest()
            signature = self.key.sign(SIGNED_AS + head).hex()
            os.write(fd, canonical({**entry, "h": head.hex(), "signature": signature}) + b"\n")
            os.fsync(fd)
        except OSError as error:
            raise MachineError(f"{self.path}: cannot write the sitting log: {error.strerror}") from None
        finally:
            os.close(fd)
        data = self.path.read_bytes()
        for copy in self.copies:
            write_whole(copy, data)
        return head.hex()


def next_item(battery_items: int, sitting: Sitting, wanted: int | None = None) -> int:
    """Return the item to open: the next one, or `wanted` again. UsageError when the battery is done or the order is broken."""
    next_ = sitting.next_item(battery_items)
    if wanted is None:
        if next_ is None:
            raise UsageError(f"{sitting.learner} has opened all {battery_items} items of this battery; expected a new battery")
        return next_
    if not 1 <= wanted <= battery_items:
        raise UsageError(f"--item {wanted}: expected 1 to {battery_items}")
    if next_ is not None and wanted > next_:
        raise UsageError(f"--item {wanted}: items are taken in order; expected {next_} next")
    return wanted
