"""Attempts as xAPI 2.0 statements (IEEE 9274.1.1), one JSON object per line.

One statement per attempt that counts as evidence: passed, failed (both by the rule of the rubric) or abandoned. The
actor is the pseudonym as an account, never a name. Ids are UUIDv5 of the record, so sending twice is sending once.
The IRIs are listed in docs/EVIDENCE.md; `.invalid` (RFC 2606) never resolves, a programme gives its own `home`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from scoring.cohort import Row

VERSION = "2.0.0"
HOME = "https://scottie.invalid"
NAMESPACE = uuid.UUID("6d1f6f0e-6b5c-5b1a-9a53-5f6f74746965")
VERBS = {
    "passed": "http://adlnet.gov/expapi/verbs/passed",
    "failed": "http://adlnet.gov/expapi/verbs/failed",
    "abandoned": "https://w3id.org/xapi/adl/verbs/abandoned",
}
SIMULATION = "http://adlnet.gov/expapi/activities/simulation"
ASSESSMENT = "http://adlnet.gov/expapi/activities/assessment"
COURSE = "http://adlnet.gov/expapi/activities/course"


def statements(rows: Iterable[Row], home: str = HOME) -> Iterator[dict[str, Any]]:
    """Return one statement per row that counts; rows that are no evidence (altered, untrusted, ...) give none."""
    return (statement(row, home) for row in rows if row.counts)


def json_lines(rows: Iterable[Row], home: str = HOME) -> str:
    """Return the statements as JSON lines."""
    return "".join(
        json.dumps(s, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n" for s in statements(rows, home)
    )


def statement(row: Row, home: str = HOME) -> dict[str, Any]:
    """Return the statement of one attempt. home: where accounts, activities and extensions of the programme are named."""
    home = home.rstrip("/")
    verb = "abandoned" if row.passed is None else "passed" if row.passed else "failed"
    return {
        "id": str(uuid.uuid5(NAMESPACE, f"{home} {row.record_id or row.path}")),
        "version": VERSION,
        "timestamp": row.started or "1970-01-01T00:00:00Z",
        "actor": {"objectType": "Agent", "account": {"homePage": f"{home}/learners", "name": row.who or "unknown"}},
        "verb": {"id": VERBS[verb], "display": {"en": verb}},
        "object": _activity(home, "scenarios", row.scenario or "unknown", SIMULATION, row.scenario or "unknown scenario"),
        "result": _result(row, home),
        "context": _context(row, home),
    }


def _activity(home: str, kind: str, name: str, type_: str, title: str) -> dict[str, Any]:
    return {
        "objectType": "Activity",
        "id": f"{home}/{kind}/{quote(name, safe='/-._~')}",
        "definition": {"type": type_, "name": {"en": title}},
    }


def _result(row: Row, home: str) -> dict[str, Any]:
    result: dict[str, Any] = {"completion": row.passed is not None}
    seconds = row.metrics.get("duration_s")
    if seconds is not None:
        result["duration"] = f"PT{seconds:.2f}S"
    if row.passed is None:
        return result
    result["success"] = row.passed
    points = row.metrics.get("points_percent")
    if points is not None:
        result["score"] = {"scaled": round(points / 100, 6), "raw": round(points, 4), "min": 0, "max": 100}
    named = {f"{home}/extensions/{name}": value for name, value in sorted(row.metrics.items()) if value is not None}
    result["extensions"] = {f"{home}/extensions/critical-errors": list(row.critical_errors), **named}
    return result


def _context(row: Row, home: str) -> dict[str, Any]:
    activities: dict[str, Any] = {}
    if row.battery_id:
        activities["parent"] = [_activity(home, "batteries", row.battery_id, ASSESSMENT, f"battery {row.battery_id}")]
    if row.procedure:
        activities["grouping"] = [_activity(home, "procedures", row.procedure, COURSE, row.procedure)]
    told = {
        "record": row.record_id,
        "verdict": row.status,
        "seed": row.seed,
        "mode": row.mode,
        "site": row.site,
        "handedness": row.handedness,
        "input-device": row.input_device,
        "battery-item": row.battery_item,
    }
    context: dict[str, Any] = {
        "registration": str(uuid.uuid5(NAMESPACE, f"{home} {row.who} {row.battery_id or row.scenario}")),
        "platform": f"Scottie {row.engine}".strip(),
        "language": "en",
        "extensions": {f"{home}/extensions/{name}": value for name, value in told.items() if value not in ("", None)},
    }
    return context | ({"contextActivities": activities} if activities else {})
