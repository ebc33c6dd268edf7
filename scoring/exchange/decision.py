"""What a committee decided about a learner, as a signed file: the only thing a badge is issued from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.trust.documents import check_time, digest, parse_signed, read_document, sign
from scoring.trust.roots import root_of
from sim.attempt import is_hex
from sim.errors import RecordError, UsageError

FORMAT = "scottie-decision"
OUTCOMES = ("granted", "not granted", "deferred")
FIELDS = {
    "learner": str,
    "procedure": str,
    "battery": str,
    "battery_sha256": str,
    "records": list,
    "root": str,
    "standard_sha256": str,
    "outcome": str,
    "reason": str,
    "decided_by": list,
    "decided": str,
    "valid_until": str,
}


@dataclass(frozen=True)
class Decision:
    """A decision. records: the record ids it rests on, in battery order; root: their Merkle root (RFC 6962)."""

    learner: str
    procedure: str
    battery: str
    battery_sha256: str
    records: tuple[str, ...]
    root: str
    standard_sha256: str
    outcome: str
    reason: str
    decided_by: tuple[str, ...]
    decided: str  # UTC
    valid_until: str  # UTC, "" without an end
    public_key: str
    sha256: str


def make_decision(body: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    """Return a signed decision. `body` holds FIELDS but `root`, which follows from `records`. UsageError for a wrong one."""
    try:
        whole = {**body, "root": root_of(body["records"])}
        _check(whole)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"decision: {error}") from None
    return sign(FORMAT, whole, key)


def parse_decision(data: bytes, name: str) -> Decision:
    """Return the decision in `data`; RecordError (one line) if it is none, contradicts itself, or was changed."""
    body = parse_signed(data, FORMAT, FIELDS, name)
    try:
        _check(body)
    except (ValueError, TypeError) as error:
        raise RecordError(f"{name}: {error}") from None
    named = {field: tuple(value) if isinstance(value, list) else value for field, value in body.items()}
    known: dict[str, Any] = {field: named[field] for field in FIELDS}
    return Decision(**known, public_key=body["public_key"], sha256=digest(data))


def read_decision(path: str | Path) -> Decision:
    """Return the decision in a file."""
    return parse_decision(read_document(path), str(path))


def _check(body: dict[str, Any]) -> None:
    if body["outcome"] not in OUTCOMES:
        raise ValueError(f"outcome is '{body['outcome']}'; expected {', '.join(OUTCOMES)}")
    if not body["records"] or not all(is_hex(record, 32) for record in body["records"]):
        raise ValueError("records holds no record ids of 64 hexadecimal digits")
    if len(set(body["records"])) != len(body["records"]):
        raise ValueError("records names a record twice")
    if body["root"] != root_of(body["records"]):
        raise ValueError("its root is not that of its records")
    for name in ("battery_sha256", "standard_sha256"):
        if body[name] and not is_hex(body[name], 32):
            raise ValueError(f"{name} is not 64 hexadecimal digits")
    if not body["decided_by"] or not all(type(who) is str and 0 < len(who) <= 200 for who in body["decided_by"]):
        raise ValueError("decided_by names nobody")
    check_time(body["decided"], "decided")
    if body["valid_until"] and check_time(body["valid_until"], "valid_until") <= body["decided"]:
        raise ValueError("valid_until is not after decided")
    if not body["learner"] or not body["procedure"]:
        raise ValueError("learner or procedure is empty")
