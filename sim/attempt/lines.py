"""One line of a record: canonical JSON, its shape, and its place in the hash chain (docs/RECORD.md).

A record is lines of JSON, each exactly as RFC 8785 writes it. Floats do not exist in it, keys are ASCII;
with those two rules Python's own encoder writes the same bytes as RFC 8785 (tests compare the two).
Everything here raises ValueError with a short reason; the readers add file and line.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NoReturn

Line = dict[str, Any]

FORMAT = "scottie-attempt"
VERSION = 2
"""The format that is written. Every version listed in HEADERS is read and verified."""


def genesis(version: int = VERSION) -> bytes:
    """Return what the first line of a record of this format version is chained to."""
    return hashlib.sha256(b"scottie-attempt/%d" % version).digest()


DIGEST_TICKS = 100
"""A digest of the state every simulated second, and one at the last tick."""
DIGEST_STEP_UM = 1
MAX_TICK = 4 * 3600 * 100
MAX_BYTES = 16 * 2**20
MAX_LINE = 2**18
MAX_DEPTH = 8
MAX_INT = 2**53 - 1

_HEADER_1: dict[str, type] = {
    "format": str,
    "version": int,
    "scenario": str,
    "scenario_hash": str,
    "rubric_hash": str,
    "tools_hash": str,
    "study_hash": str,
    "seed": int,
    "mode": str,
    "operator": str,  # scripted operator or the learner's pseudonym
    "engine": str,
    "python": str,
    "numpy": str,
    "numba": str,
    "machine": str,
    "started": str,  # 2026-01-31T12:00:00Z
}
HEADER: dict[str, type] = _HEADER_1 | {
    "learner": str,  # pseudonym, or "" when nobody was named
    "site": str,
    "handedness": str,  # "left", "right" or ""
    "input_device": str,  # "mouse-keyboard", "gamepad", "script", ... or ""
    "battery": dict,  # {} or BATTERY: the place of this attempt in a sealed battery
    "source": dict,  # file of the engine -> first 16 hexadecimal digits of its SHA-256
}
"""Fields of the header as it is written now."""
HEADERS: dict[int, dict[str, type]] = {1: _HEADER_1, 2: HEADER}
BATTERY: dict[str, type] = {
    "id": str,
    "item": int,  # 1 for the first
    "sha256": str,  # of the assignment file
    "attempt": int,  # 1 for the first opening of this item by this learner on this installation
    "log": str,  # head of the sitting log after this opening
}
SEAL: dict[str, type] = {"reason": str, "lines": int, "ticks": int, "root": str, "public_key": str, "signature": str}
SHAPES: dict[str, dict[str, type]] = {
    "header": {"header": dict},
    "command": {"t": int, "op": str, "args": list},
    "event": {"t": int, "kind": str, "data": dict},
    "digest": {"t": int, "digest": str},
    "result": {"result": dict},
    "seal": {"seal": dict},
}
_KIND_OF = {frozenset(fields): kind for kind, fields in SHAPES.items()}
_HEX = frozenset("0123456789abcdef")
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def _check_plain(value: Any, depth: int = 0) -> None:
    """Raise ValueError unless `value` is made of what a record may hold."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -MAX_INT <= value <= MAX_INT:
            raise ValueError("holds a number beyond 2^53")
        return
    if depth >= MAX_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_DEPTH} levels")
    if kind is dict:
        for key, inner in value.items():
            if type(key) is not str or not key.isascii():
                raise ValueError("has a key that is not ASCII text")
            _check_plain(inner, depth + 1)
    elif kind is list:
        for inner in value:
            _check_plain(inner, depth + 1)
    else:
        raise ValueError(f"holds a {kind.__name__}; expected whole numbers, text, booleans, lists and objects")


def canonical(value: Any) -> bytes:
    """Return `value` as RFC 8785 bytes; ValueError for floats, large numbers, deep nesting, broken text."""
    _check_plain(value)
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        raise ValueError("holds text that is not valid Unicode") from None


def _no_float(text: str) -> NoReturn:
    raise ValueError("float")


_decode = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float).decode


def parse(raw: bytes) -> Line:
    """Return the object in one line (without its LF); ValueError unless the bytes are canonical."""
    if len(raw) > MAX_LINE:
        raise ValueError(f"is longer than {MAX_LINE} bytes")
    try:
        value = _decode(raw.decode())
    except (ValueError, RecursionError):
        raise ValueError("is not JSON as a record writes it") from None
    if type(value) is not dict or canonical(value) != raw:
        raise ValueError("is not canonical JSON")
    return value


def parse_document(data: bytes) -> Line:
    """Return the object of a one-line document of any length (with its LF); ValueError unless it is canonical."""
    try:
        value = _decode(data.decode())
    except (ValueError, RecursionError):
        raise ValueError("is not JSON as a record writes it") from None
    if type(value) is not dict or canonical(value) + b"\n" != data:
        raise ValueError("is not canonical JSON (RFC 8785, one line)")
    return value


def _check_fields(what: str, value: Line, fields: dict[str, type]) -> None:
    if value.keys() != fields.keys():
        raise ValueError(f"{what} has the fields {sorted(value)}; expected {sorted(fields)}")
    for name, wanted in fields.items():
        if type(value[name]) is not wanted:
            raise ValueError(f"{what}: {name} is not of type {wanted.__name__}")


def _flat(values: Any) -> bool:
    return all(type(v) in (int, str, bool) for v in values)


def _inside(kind: str, line: Line) -> dict[str, type] | None:
    if kind == "seal":
        return SEAL
    if kind != "header":
        return None
    version = line["header"].get("version")
    return HEADERS.get(version, HEADER) if type(version) is int else HEADER


def kind_of(line: Line) -> str:
    """Return which kind of line this is (a key of SHAPES); ValueError if its shape is none of them."""
    kind = _KIND_OF.get(frozenset(line))
    if kind is None:
        raise ValueError("is of no known kind")
    _check_fields(f"the {kind}", line, SHAPES[kind])
    if (fields := _inside(kind, line)) is not None:
        _check_fields(f"the {kind}", line[kind], fields)
    if kind == "command" and not all(type(v) is int for v in line["args"]):
        raise ValueError("the command has an argument that is no whole number")
    if kind == "event" and not all(_flat(v) if type(v) is list else _flat((v,)) for v in line["data"].values()):
        raise ValueError("the event holds something else than whole numbers, text, booleans and lists of those")
    if kind == "digest" and not is_hex(line["digest"], 32):
        raise ValueError("the digest is not 64 hexadecimal digits")
    return kind


def is_hex(text: Any, size: int) -> bool:
    """Tell whether `text` is `size` bytes in lower-case hexadecimal."""
    return type(text) is str and len(text) == 2 * size and _HEX.issuperset(text)


class Chain:
    """The running hash of a record: every line carries SHA-256(hash of the line before, the line without it)."""

    def __init__(self, version: int = VERSION) -> None:
        self.head = genesis(version)
        self.lines = 0

    def _step(self, body: Line) -> bytes:
        self.head = hashlib.sha256(self.head + canonical(body)).digest()
        self.lines += 1
        return self.head

    def write(self, body: Line) -> bytes:
        """Return `body` as the next line of the record, hash and LF included."""
        raw = canonical({**body, "h": self._step(body).hex()}) + b"\n"
        if len(raw) > MAX_LINE:
            raise ValueError(f"a line of {len(raw)} bytes; the longest allowed is {MAX_LINE}")
        return raw

    def read(self, raw: bytes) -> Line:
        """Return the next line without its hash; ValueError if it is not canonical or breaks the chain."""
        line = parse(raw)
        claimed = line.pop("h", None)
        if claimed != self._step(line).hex():
            raise ValueError("does not match its hash: this line, or one before it, was changed, added or removed")
        return line
