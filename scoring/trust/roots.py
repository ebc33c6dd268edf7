"""The signed Merkle root over a battery's records: which there are, in which order, at which time.

Leaves are the chain heads of the records (32 bytes), in the order in which they were added; a later root of the same
battery repeats the earlier leaves and adds to them, which its consistency proof shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring import merkle
from scoring.trust.documents import check_time, parse_signed, sign
from sim.attempt import is_hex
from sim.errors import RecordError, UsageError

ROOT = "scottie-root"
FIELDS = {"battery": str, "battery_sha256": str, "created": str, "size": int, "root": str, "leaves": list, "previous": str}


@dataclass(frozen=True)
class Root:
    """A signed tree head. `leaves` are record ids (hex); `previous` is the root before it (hex), "" for a first one."""

    battery: str
    battery_sha256: str
    created: str
    root: str
    leaves: tuple[str, ...]
    previous: str
    public_key: str


def root_of(leaves: Sequence[str]) -> str:
    """Return the RFC 6962 root (hex) over record ids (hex)."""
    return merkle.root([bytes.fromhex(leaf) for leaf in leaves]).hex()


def make_root(
    battery: str, sha256: str, leaves: Sequence[str], created: str, key: Ed25519PrivateKey, previous: Root | None = None
) -> bytes:
    """Return the signed root of a battery. UsageError unless it only adds leaves to `previous`."""
    if previous is not None:
        if (previous.battery, previous.battery_sha256) != (battery, sha256):
            raise UsageError(
                f"the previous root is of battery '{previous.battery}'; expected one of '{battery}', of the same file"
            )
        if tuple(leaves[: len(previous.leaves)]) != previous.leaves:
            raise UsageError("records of the previous root are missing or in another order; expected all of them, then new ones")
    body = {
        "battery": battery,
        "battery_sha256": sha256,
        "created": created,
        "size": len(leaves),
        "root": root_of(leaves),
        "leaves": list(leaves),
        "previous": previous.root if previous else "",
    }
    return sign(ROOT, body, key)


def parse_root(data: bytes, name: str) -> Root:
    """Return the root in `data`; RecordError (one line) if it is none, or does not fit its leaves."""
    body = parse_signed(data, ROOT, FIELDS, name)
    try:
        check_time(body["created"], "created")
        if not all(is_hex(leaf, 32) for leaf in body["leaves"]):
            raise ValueError("a leaf is not 64 hexadecimal digits")
        if body["size"] != len(body["leaves"]) or body["root"] != root_of(body["leaves"]):
            raise ValueError("its root is not that of its leaves")
    except ValueError as error:
        raise RecordError(f"{name}: {error}") from None
    return Root(
        body["battery"],
        body["battery_sha256"],
        body["created"],
        body["root"],
        tuple(body["leaves"]),
        body["previous"],
        body["public_key"],
    )


def inclusion(root: Root, record_id: str) -> dict[str, Any]:
    """Return a proof, as plain JSON, that the root holds this record. UsageError if it does not."""
    if record_id not in root.leaves:
        raise UsageError(f"the root of battery '{root.battery}' does not hold the record {record_id}")
    index = root.leaves.index(record_id)
    path = merkle.inclusion_proof([bytes.fromhex(leaf) for leaf in root.leaves], index)
    return {
        "leaf": record_id,
        "index": index,
        "size": len(root.leaves),
        "path": [step.hex() for step in path],
        "root": root.root,
    }


def consistency(old: Root, new: Root) -> dict[str, Any]:
    """Return a proof, as plain JSON, that `new` only adds records to `old`. UsageError if it does more than that."""
    if new.leaves[: len(old.leaves)] != old.leaves or not old.leaves:
        raise UsageError(f"the later root of battery '{new.battery}' does not begin with the records of the earlier one")
    path = merkle.consistency_proof([bytes.fromhex(leaf) for leaf in new.leaves], len(old.leaves))
    sizes = {"old_size": len(old.leaves), "new_size": len(new.leaves)}
    return {**sizes, "old_root": old.root, "new_root": new.root, "path": [step.hex() for step in path]}
