"""The assignment file of a sealed battery: which scenarios, which patients, in which order, for whom, until when.

A signed document (scoring.trust.documents). It holds the seeds: whoever has the file and the program can practise on
these very patients, so the programme keeps it until the sitting (docs/RECORD.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.keys import fingerprint
from scoring.trust.documents import check_time, digest, parse_signed, read_document, sign
from sim.errors import RecordError, UsageError

BATTERY = "scottie-battery"
FIELDS = {
    "id": str,
    "title": str,
    "procedure": str,
    "engine": str,
    "source": str,
    "rule": str,
    "opens": str,
    "closes": str,
    "created": str,
    "items": list,
    "learners": list,
}
ITEM = {"scenario": str, "scenario_version": int, "scenario_hash": str, "rubric_hash": str, "tools_hash": str, "seed": int}
RULE = "first-attempt"
MIN_ITEMS = 6
"""Pooled G coefficient .80 (Andersen 2021, 44.2 % person variance); oracles.toml, spearman_brown."""
GOOD_ITEMS = 12
"""The same for .90."""
MAX_ITEMS = 200


@dataclass(frozen=True)
class Item:
    """One case of a battery: a version of a scenario, and the patient by his seed."""

    scenario: str
    scenario_version: int
    scenario_hash: str
    rubric_hash: str
    tools_hash: str
    seed: int


@dataclass(frozen=True)
class Battery:
    """An assignment. `sha256` is that of its file; `learners` empty: open to all; times UTC, "" without a limit."""

    id: str
    title: str
    procedure: str
    items: tuple[Item, ...]
    engine: str
    source: str  # SHA-256 over the canonical list of source files (scoring.trust.documents.digest)
    opens: str
    closes: str
    created: str
    learners: tuple[str, ...]
    sha256: str
    public_key: str

    @property
    def signer(self) -> str:
        """Fingerprint of the key that signed the assignment."""
        return fingerprint(self.public_key)

    def place(self, item: int, attempt: int, log: str) -> dict[str, Any]:
        """Return what the header of an attempt says of its place (item and attempt from 1)."""
        return {"id": self.id, "item": item, "sha256": self.sha256, "attempt": attempt, "log": log}


def make_battery(
    id_: str,
    title: str,
    procedure: str,
    items: Sequence[Item],
    *,
    engine: str,
    source: str,
    created: str,
    key: Ed25519PrivateKey,
    learners: Sequence[str] = (),
    opens: str = "",
    closes: str = "",
) -> bytes:
    """Return a signed assignment. UsageError when it could not be one (too few items, a case twice, times reversed)."""
    if not MIN_ITEMS <= len(items) <= MAX_ITEMS:
        raise UsageError(
            f"a battery of {len(items)} items; expected {MIN_ITEMS} to {MAX_ITEMS} (a score of fewer is too unreliable)"
        )
    body = {
        "id": id_,
        "title": title,
        "procedure": procedure,
        "engine": engine,
        "source": source,
        "rule": RULE,
        "opens": opens,
        "closes": closes,
        "created": created,
        "items": [asdict(item) for item in items],
        "learners": sorted(learners),
    }
    try:
        _check(body)
    except ValueError as error:
        raise UsageError(f"battery '{id_}': {error}") from None
    return sign(BATTERY, body, key)


def _check(body: Mapping[str, Any]) -> None:
    """Raise ValueError unless the content of an assignment makes sense."""
    for name in ("id", "title", "procedure", "engine"):
        if not (0 < len(body[name]) <= 200 and body[name].isprintable()):
            raise ValueError(f"{name} is not 1 to 200 printable characters")
    for name in ("created", "opens", "closes"):
        if body[name] or name == "created":
            check_time(body[name], name)
    if body["opens"] and body["closes"] and body["opens"] >= body["closes"]:
        raise ValueError(f"it closes ({body['closes']}) before it opens ({body['opens']})")
    if body["rule"] != RULE:
        raise ValueError(f"the rule is '{body['rule']}'; expected '{RULE}'")
    if not (body["items"] and len(body["items"]) <= MAX_ITEMS):
        raise ValueError(f"{len(body['items'])} items; expected 1 to {MAX_ITEMS}")
    for number, item in enumerate(body["items"], 1):
        _check_item(number, item)
    cases = [(item["scenario"], item["seed"]) for item in body["items"]]
    twice = next((case for case in cases if cases.count(case) > 1), None)
    if twice:
        raise ValueError(f"{twice[0]} with seed {twice[1]} stands twice; expected every patient once")
    names = body["learners"]
    if not all(type(name) is str and 0 < len(name) <= 64 for name in names) or len(set(names)) != len(names):
        raise ValueError("learners are not different pseudonyms")


def _check_item(number: int, item: Any) -> None:
    if type(item) is not dict or item.keys() != ITEM.keys() or any(type(item[name]) is not kind for name, kind in ITEM.items()):
        raise ValueError(f"item {number} has not the fields {', '.join(ITEM)}")
    if not 0 <= item["seed"] < 2**31:
        raise ValueError(f"item {number}: seed {item['seed']}; expected 0 to {2**31 - 1}")


def read_battery(path: str | Path) -> Battery:
    """Return the assignment in a file; RecordError (one line) if it is none, or was changed after it was signed."""
    data = read_document(path)
    body = parse_signed(data, BATTERY, FIELDS, str(path))
    try:
        _check(body)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from None
    return Battery(
        id=body["id"],
        title=body["title"],
        procedure=body["procedure"],
        items=tuple(Item(**item) for item in body["items"]),
        engine=body["engine"],
        source=body["source"],
        opens=body["opens"],
        closes=body["closes"],
        created=body["created"],
        learners=tuple(body["learners"]),
        sha256=digest(data),
        public_key=body["public_key"],
    )
