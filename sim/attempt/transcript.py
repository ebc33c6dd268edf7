"""Reading a record: first the raw lines with their chain, then the typed transcript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim import ENGINE_VERSION
from sim.attempt.files import read_bounded
from sim.attempt.header import check_header
from sim.attempt.lines import FORMAT, HEADERS, MAX_BYTES, VERSION, Chain, Line, kind_of
from sim.attempt.order import Order
from sim.command import Command
from sim.errors import RecordError, ScottieError
from sim.event import Event

_VERSION = re.compile(rb'"version":([1-9][0-9]{0,8})}')  # the last field of the header, which canonical JSON sorts
_FIRST = 2**14
_PACKED = {b"PK\x03\x04": "a ZIP archive", b"\x1f\x8b": "packed with gzip", b"7z\xbc\xaf": "a 7z archive"}


def one_line(text: str, limit: int = 300) -> str:
    """Return `text` fit for one line of a terminal, whatever a hostile file put into it."""
    clean = "".join(c if c.isprintable() else "?" for c in text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


class Unreadable(RecordError):
    """No attempt file, or one that this version cannot read. `reason` is the line without the file's name."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = one_line(reason)
        super().__init__(f"{one_line(str(path))}: {self.reason}")


class NewerFormat(Unreadable):
    """An attempt file of a format version that was made after this program."""


class Altered(Unreadable):
    """An attempt file that was damaged or changed after it was written."""


@dataclass
class Raw:
    """The lines of a record without their hashes, order and chain checked.

    root: hash of the last line before the seal (of the last line, without one). torn: bytes after the last
    whole line, which a crash can leave behind.
    """

    path: Path
    header: dict[str, Any] = field(default_factory=dict)
    header_hash: str = ""
    body: list[tuple[str, Line]] = field(default_factory=list)
    result: dict[str, Any] | None = None
    seal: dict[str, Any] | None = None
    root: str = ""
    lines: int = 0
    version: int = VERSION
    last_tick: int = 0
    torn: int = 0
    data: bytes = field(default=b"", repr=False)

    @property
    def same_engine(self) -> bool:
        """Tell whether the record was made by this version of the core."""
        return bool(self.header["engine"] == ENGINE_VERSION)

    @property
    def finished(self) -> bool:
        """Tell whether the attempt came to its end at the last tick."""
        return any(kind == "event" and line["kind"] == "finished" and line["t"] == self.last_tick for kind, line in self.body)


def read_raw(path: str | Path) -> Raw:
    """Read a journal or a sealed attempt. Raises Unreadable (foreign) or Altered (damaged), one line each."""
    path = Path(path)
    try:
        data = read_bounded(path, MAX_BYTES)
    except ValueError as error:
        raise Unreadable(path, str(error)) from None
    return _read_lines(path, data, _version(path, data))


def _version(path: Path, data: bytes) -> int:
    """Return the format version that the first line states; Unreadable or NewerFormat if it cannot be read here."""
    if not data:
        raise Unreadable(path, "empty; expected a Scottie attempt")
    first = data[: data.find(b"\n") + 1]
    if f'"format":"{FORMAT}"'.encode() not in (first or data[:_FIRST]):
        packed = next((what for magic, what in _PACKED.items() if data.startswith(magic)), "")
        raise Unreadable(path, "not a Scottie attempt file" + (f" ({packed}: unpack it first)" if packed else ""))
    if not first:
        raise Unreadable(path, "ends within its first line: nothing was recorded")
    stated = _VERSION.search(first)
    version = int(stated[1]) if stated else 0
    if version > VERSION:
        raise NewerFormat(path, f"format version {version}, made after this program, which reads 1 to {VERSION}: update Scottie")
    if version not in HEADERS:
        raise Unreadable(path, f"of none of the format versions that this program reads, 1 to {VERSION} (or damaged)")
    return version


def _read_lines(path: Path, data: bytes, version: int) -> Raw:
    raw, chain, order = Raw(path, data=data, version=version), Chain(version), Order()
    for start, end in _spans(data):
        try:
            line = chain.read(data[start:end])
            kind = kind_of(line)
            order.accept(kind, line)
            _keep(raw, kind, line)
        except ValueError as error:
            raise Altered(path, f"line {raw.lines + 1} {error}") from None
        raw.lines += 1
        if kind == "header":
            raw.header_hash = chain.head.hex()
        if kind != "seal":
            raw.root = chain.head.hex()
    raw.last_tick = order.tick
    raw.torn = len(data) - data.rfind(b"\n") - 1
    if raw.seal is not None and raw.torn:
        raise Altered(path, f"has {raw.torn} bytes after its seal")
    return raw


def _spans(data: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        yield start, end
        start = end + 1


def _keep(raw: Raw, kind: str, line: Line) -> None:
    if kind == "header":
        check_header(line["header"])
        raw.header = line["header"]
    elif kind == "result":
        raw.result = line["result"]
    elif kind == "seal":
        raw.seal = line["seal"]
    else:
        raw.body.append((kind, line))


@dataclass(frozen=True)
class Transcript:
    """What a record says happened. `complete`: sealed, and the attempt came to its end; `note` says otherwise.

    The seal's signature is not checked here (scoring.record does).
    """

    header: dict[str, Any]
    header_hash: str
    commands: list[tuple[int, Command]]
    events: list[Event]
    digests: list[tuple[int, str]]
    result: dict[str, Any] | None
    seal: dict[str, Any] | None
    complete: bool
    note: str
    last_tick: int


def read_journal(path: str | Path) -> Transcript:
    """Read a journal or a sealed attempt; a torn last line of a journal is left out and noted.

    Raises RecordError (one line) for a foreign, damaged or altered file, or one of another engine whose
    commands or events this one does not know.
    """
    return transcript_of(read_raw(path))


def transcript_of(raw: Raw) -> Transcript:
    """Return the typed transcript of raw lines; Altered or Unreadable if a command or event is impossible."""
    commands: list[tuple[int, Command]] = []
    events: list[Event] = []
    digests: list[tuple[int, str]] = []
    for number, (kind, line) in enumerate(raw.body, start=2):
        try:
            if kind == "command":
                commands.append((line["t"], _command(line)))
            elif kind == "event":
                events.append(Event(line["t"], line["kind"], line["data"]))
            else:
                digests.append((line["t"], line["digest"]))
        except (ScottieError, ValueError) as error:
            if not raw.same_engine:
                other = f"of engine {raw.header['engine']}; this is {ENGINE_VERSION}"
                raise Unreadable(raw.path, f"line {number} is {other}") from None
            raise Altered(raw.path, f"line {number}: {error}") from None
    return Transcript(
        header=raw.header,
        header_hash=raw.header_hash,
        commands=commands,
        events=events,
        digests=digests,
        result=raw.result,
        seal=raw.seal,
        complete=raw.seal is not None and raw.seal["reason"] == "finished",
        note=_note(raw),
        last_tick=raw.last_tick,
    )


def _command(line: Line) -> Command:
    if line["op"] == "idle":
        raise ValueError("an idle command is never recorded")
    if line["t"] < 1:
        raise ValueError("a command before the first tick")
    return Command(line["op"], tuple(line["args"]))


def _note(raw: Raw) -> str:
    seconds = raw.last_tick / 100
    if raw.seal is None:
        torn = f", {raw.torn} bytes of a torn last line left out" if raw.torn else ""
        return f"interrupted at {seconds:.2f} s (no seal{torn})"
    return "" if raw.seal["reason"] == "finished" else f"sealed as {raw.seal['reason']} at {seconds:.2f} s"
