"""What became of a sealed battery: per learner and item, and as a signed root over all records.

First attempts count. Every attempt is kept and shown, and whatever does not fit the assignment gets a name:
missing, interrupted, dropped, repeated, out of order, of another battery, of another scenario, rubric or mode.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.cohort import EVIDENCE, Row
from scoring.trust.assignment import GOOD_ITEMS, MAX_ITEMS, MIN_ITEMS, Battery, Item, make_battery, read_battery
from scoring.trust.roots import Root, make_root
from scoring.trust.sitting import Sitting
from sim.errors import UsageError

__all__ = [
    "GOOD_ITEMS",
    "MAX_ITEMS",
    "MIN_ITEMS",
    "Battery",
    "BatteryStatus",
    "Item",
    "ItemStatus",
    "LearnerStatus",
    "against_root",
    "battery_root",
    "battery_status",
    "leaves_of",
    "make_battery",
    "read_battery",
    "refusal",
]

DONE, MISSING, INTERRUPTED, REPEATED, EXTRA, DROPPED = "done", "missing", "interrupted", "repeated", "extra", "dropped"


@dataclass
class ItemStatus:
    """One item of one learner. `first` is the attempt that counts; `others` came later and count for nothing."""

    item: int
    state: str = MISSING
    first: Row | None = None
    others: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class LearnerStatus:
    """What one learner did of a battery."""

    learner: str
    items: list[ItemStatus]
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True if every item was done at the first attempt and nothing is odd."""
        return all(one.state == DONE and not one.notes for one in self.items) and not self.notes


@dataclass
class BatteryStatus:
    """Everything that can be said about the attempts at a battery. `refused` are (file, verdict, why) that do not belong."""

    battery: Battery
    learners: list[LearnerStatus]
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if nothing was refused, and no item is interrupted, dropped, repeated or out of order."""
        bad = (INTERRUPTED, REPEATED, EXTRA, DROPPED)
        odd = any(one.state in bad or one.notes or one.others for who in self.learners for one in who.items)
        return not (odd or self.refused or self.notes or any(who.notes for who in self.learners))

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "battery": self.battery.id,
            "battery_sha256": self.battery.sha256,
            "title": self.battery.title,
            "signer": self.battery.signer,
            "ok": self.ok,
            "learners": [_learner_dict(who) for who in self.learners],
            "refused": [{"file": file, "verdict": verdict, "reason": why} for file, verdict, why in self.refused],
            "notes": self.notes,
        }


def _learner_dict(who: LearnerStatus) -> dict[str, Any]:
    items = [
        {
            "item": one.item,
            "state": one.state,
            "record_id": one.first.record_id if one.first else None,
            "passed": one.first.passed if one.first and one.state == DONE else None,
            "critical_errors": list(one.first.critical_errors) if one.first else [],
            "file": one.first.path if one.first else None,
            "others": [row.path for row in one.others],
            "notes": one.notes,
        }
        for one in who.items
    ]
    return {"learner": who.learner, "complete": who.complete, "items": items, "notes": who.notes}


def refusal(battery: Battery, row: Row) -> tuple[str, str]:
    """Return (verdict, why) for a record that does not belong to this battery; ("", "") for one that does."""
    if row.status not in (*EVIDENCE, "interrupted"):
        return row.status, row.reason
    if not row.battery_id:
        return "not-of-battery", "made outside any battery"
    if row.battery_sha256 != battery.sha256:
        if row.battery_id == battery.id:
            return (
                "replayed-battery",
                f"made for another assignment file of the name '{row.battery_id}' (an older one, or a copy)",
            )
        return "not-of-battery", f"made for the battery '{row.battery_id}'"
    if row.battery_item is None or not 1 <= row.battery_item <= len(battery.items):
        return "wrong-item", f"says item {row.battery_item} of {len(battery.items)}"
    item = battery.items[row.battery_item - 1]
    if (row.scenario, row.scenario_hash) != (item.scenario, item.scenario_hash):
        return (
            "swapped-scenario",
            f"item {row.battery_item} is {item.scenario} version {item.scenario_version}, not what was played",
        )
    if row.rubric_hash != item.rubric_hash:
        return "swapped-rubric", f"item {row.battery_item} was scored with another rubric than the assignment names"
    if row.tools_hash != item.tools_hash:
        return "swapped-tools", f"item {row.battery_item} was played with other tool data than the assignment names"
    if row.seed != item.seed:
        return "wrong-seed", f"item {row.battery_item} has another patient (seed) than the assignment names"
    if row.mode != "assessment":
        return "wrong-mode", f"item {row.battery_item} was played as {row.mode}"
    if row.engine != battery.engine:
        return "different-engine", f"played with engine {row.engine}; the assignment names {battery.engine}"
    if not row.learner:
        return "no-learner", "names no learner"
    if battery.learners and row.learner not in battery.learners:
        return "not-assigned", f"{row.learner} is not among the learners of the assignment"
    return "", ""


def battery_status(battery: Battery, rows: Iterable[Row], sittings: Iterable[Sitting] = ()) -> BatteryStatus:
    """Return per learner and item what was done. `sittings` are the logs found beside the records."""
    status = BatteryStatus(battery, [])
    kept: dict[str, list[Row]] = {name: [] for name in battery.learners}
    seen: dict[str, str] = {}
    rows = sorted(rows, key=lambda r: (r.started, r.path))
    logs: dict[str, list[Sitting]] = {}
    for sitting in sittings:
        if sitting.battery_sha256 == battery.sha256:
            logs.setdefault(sitting.learner, []).append(sitting)
    whole = {(row.battery_log, row.started) for row in rows if row.status in EVIDENCE}
    for row in rows:
        if row.status == "interrupted" and row.path.endswith(".journal") and (row.battery_log, row.started) in whole:
            continue  # a crash between sealing and tidying up left the journal of a sealed attempt behind
        verdict, why = refusal(battery, row)
        if not verdict and row.record_id in seen:
            verdict, why = "duplicate", f"the same attempt as {seen[row.record_id]}"
        if not verdict and (other := _other_record(row, logs.get(row.learner, []))):
            verdict, why = (
                "replaced",
                f"by the sitting log this opening ended with {other}: this is another, or a part of it",
            )
        if verdict:
            status.refused.append((row.path, verdict, why))
            continue
        seen[row.record_id] = row.path
        kept.setdefault(row.learner, []).append(row)
    for learner in sorted({*kept, *logs}):
        status.learners.append(_of_learner(battery, learner, kept.get(learner, []), logs.get(learner, [])))
    scripts = [row.operator for row in rows if row.record_id in seen and row.scripted]
    if scripts:
        status.notes.append(f"{len(scripts)} of {len(seen)} attempts were made by scripts ({scripts[0]}, ...), not by a person")
    return status


def _other_record(row: Row, logs: list[Sitting]) -> str:
    """Return how the opening that a row claims ended by a sitting log, where that is not with this row; else ""."""
    for log in logs:
        ended = log.ended(row.battery_item or 0, row.battery_attempt or 0)
        if ended and ended["event"] == "sealed" and ended["record"] != row.record_id:
            return f"the record {ended['record']}"
        if ended and ended["event"] == "abandoned" and row.status in EVIDENCE and row.passed is not None:
            return "an attempt that was given up"
    return ""


def _of_learner(battery: Battery, learner: str, rows: list[Row], logs: list[Sitting]) -> LearnerStatus:
    who = LearnerStatus(learner, [ItemStatus(i + 1) for i in range(len(battery.items))])
    for row in sorted(rows, key=lambda r: (r.battery_attempt or 0, r.started, r.record_id)):
        one = who.items[(row.battery_item or 1) - 1]
        if one.first is None:
            one.first = row
        else:
            one.others.append(row)
    log = _longest(who, logs)
    for one in who.items:
        _judge(one, log)
    _check_order(battery, who, rows, log)
    return who


def _longest(who: LearnerStatus, logs: list[Sitting]) -> Sitting | None:
    """Return the longest log; note when two logs of one learner tell different stories."""
    logs = sorted(logs, key=lambda one: len(one.entries))
    for one in logs[:-1]:
        if one.heads != logs[-1].heads[: len(one.heads)]:
            who.notes.append(f"two sitting logs differ: {one.name} and {logs[-1].name}")
    return logs[-1] if logs else None


def _judge(one: ItemStatus, log: Sitting | None) -> None:
    """Set the state of an item from its attempts and from what the log says was opened."""
    opened = log.opened(one.item) if log else 0
    first = one.first
    if first is None:
        one.state = DROPPED if opened else MISSING
        if opened:
            one.notes.append(f"opened {opened} time(s) by the sitting log, but no record of it is here")
        return
    one.state = DONE if first.passed is not None and first.status in EVIDENCE else INTERRUPTED
    if one.state == INTERRUPTED:
        one.notes.append(first.reason)
    have = {first.battery_attempt, *(row.battery_attempt for row in one.others)}
    most = max([opened, *(n for n in have if n is not None)])
    gone = [n for n in range(1, most + 1) if n not in have]
    if gone:
        one.notes.append(f"attempt {', '.join(map(str, gone))} of {most} is not here: dropped")
        if 1 in gone:
            one.state = DROPPED
    if one.others:
        one.notes.append(f"repeated {len(one.others)} time(s): only the first attempt counts")
    if log and not log.knows(first.battery_log):
        one.notes.append("the sitting log here does not hold its opening: log cut, or of another sitting")


def _check_order(battery: Battery, who: LearnerStatus, rows: list[Row], log: Sitting | None) -> None:
    firsts = [one.first for one in who.items if one.first is not None]
    for before, after in pairwise(firsts):
        if after.started < before.started:
            who.notes.append(
                f"item {after.battery_item} began before item {before.battery_item}: out of order, or the clock was set back"
            )
    for row in rows:
        if (battery.opens and row.started < battery.opens) or row.started < battery.created:
            who.notes.append(
                f"item {row.battery_item} began at {row.started}, before the battery was made or opened: clock set back?"
            )
        elif battery.closes and row.started > battery.closes:
            who.notes.append(f"item {row.battery_item} began at {row.started}, after the battery closed at {battery.closes}")
    if log is None and rows:
        who.notes.append("no sitting log is here: dropped attempts cannot be ruled out")
    elif log is not None:
        who.notes += log.oddities(len(battery.items))


def leaves_of(status: BatteryStatus, previous: Root | None = None) -> list[str]:
    """Return the record ids of all attempts kept, those of `previous` first, then by learner, item and attempt."""
    found = [
        row.record_id for who in status.learners for one in who.items for row in (one.first, *one.others) if row and row.record_id
    ]
    before = list(previous.leaves) if previous else []
    gone = [leaf for leaf in before if leaf not in found]
    if gone:
        raise UsageError(
            f"{len(gone)} record(s) of the previous root are not here (the first is {gone[0]}); expected all of them"
        )
    return before + [leaf for leaf in found if leaf not in set(before)]


def battery_root(status: BatteryStatus, created: str, key: Ed25519PrivateKey, previous: Root | None = None) -> bytes:
    """Return the signed Merkle root over all attempts at a battery; it must only add to `previous`."""
    return make_root(status.battery.id, status.battery.sha256, leaves_of(status, previous), created, key, previous)


def against_root(status: BatteryStatus, root: Root) -> list[str]:
    """Return how the records here differ from a signed root: dropped ones, or another battery. Empty: none is missing."""
    if root.battery_sha256 != status.battery.sha256:
        return [f"the root is of another assignment file ('{root.battery}')"]
    here = {row.record_id for who in status.learners for one in who.items for row in (one.first, *one.others) if row}
    return [f"the root holds the record {leaf}, which is not here: dropped" for leaf in root.leaves if leaf not in here]
