"""Between the database and the statistics: attempts as scoring.cohort rows, cohorts, facts, work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from scoring.cohort import Cohort, Row
from scoring.portal.desk import desk
from scoring.portal.models import Assignment, Attempt, Programme, Verdict
from scoring.portal.models import Standard as Adopted
from scoring.portal.progress import Ask, Work, utc
from scoring.reports.facts import Facts, Moment
from scoring.standard import Standard, load_standard
from scoring.trust.assignment import Battery, read_battery

USED = {
    "needle_placements": ("placements", 1, "needles set on the skin"),
    "needle_passes": ("passes", 1, "needle passes"),
    "contrast_ml": ("contrast_ul", 1000, "contrast (ml)"),
    "drug_ml": ("drug_ul", 1000, "drug injected (ml)"),
    "cement_ml": ("cement_ul", 1000, "cement (ml)"),
    "lesions": ("lesions_made", 1, "radiofrequency lesions"),
}
"""What an attempt used up: name -> measure of the score, its unit in thousandths or 1, words. Only what its rubric measures."""

_FIELDS = {f.name for f in fields(Row)}
REFUSED = {"wrong-learner": "made under another pseudonym than that of the person who handed it in"}
"""Verdicts of the portal beside those of scoring.record."""


def plain(row: Row) -> dict[str, Any]:
    """Return a row as JSON."""
    return asdict(row) | {"critical_errors": list(row.critical_errors), "metrics": dict(row.metrics)}


def used_of(result: Mapping[str, Any] | None) -> dict[str, float]:
    """Return what a recorded score says was used up; nothing for what has not the form of a score."""
    told = (result or {}).get("metrics")
    found = told if isinstance(told, Mapping) else {}
    return {name: found[m] / by for name, (m, by, _) in USED.items() if type(found.get(m)) is int}


def row_from(attempt: Attempt) -> Row:
    """Return the row of an attempt. Not verified yet: a row that counts for nothing."""
    name = attempt.sha256[:16] + ".scottie"
    kept = {key: value for key, value in attempt.row.items() if key in _FIELDS}
    if not kept:
        return Row(path=name, record_id="", status=attempt.status or attempt.state, reason=attempt.reason)
    kept["critical_errors"] = tuple(kept["critical_errors"])
    return Row(**{**kept, "path": name, "status": attempt.status, "reason": attempt.reason})


def rows_of(attempts: Iterable[Attempt]) -> list[Row]:
    """Return the rows of attempts."""
    return [row_from(attempt) for attempt in attempts]


def rows_by_learner(attempts: QuerySet[Attempt]) -> dict[int, list[Row]]:
    """Return learner -> rows of what was checked, read at once."""
    found: dict[int, list[Row]] = {}
    for one in attempts.filter(state=Attempt.CHECKED).select_related(None):
        found.setdefault(one.learner_id, []).append(row_from(one))
    return found


def now() -> str:
    """Return the time as records write it."""
    return utc(timezone.now())


def battery_of(assignment: Assignment) -> Battery | None:
    """Return the sealed battery of an assignment, None for a set of scenarios. RecordError for a file that is none."""
    return parse_battery(bytes(assignment.battery)) if assignment.battery else None


def parse_battery(data: bytes) -> Battery:
    """Return the battery in the bytes of its file; RecordError, one line, for others."""
    with NamedTemporaryFile(suffix=".json") as file:
        file.write(data)
        file.flush()
        return read_battery(file.name)


def parse_standard(data: bytes) -> Standard:
    """Return the standard in the bytes of its file; RecordError, one line, for others."""
    with NamedTemporaryFile(suffix=".json") as file:
        file.write(data)
        file.flush()
        found = load_standard(Path(file.name))
    assert found is not None
    return found


def work_of(assignment: Assignment) -> Work:
    """Return what an assignment asks, for scoring.portal.progress."""
    battery = battery_of(assignment)
    if battery:
        cases = tuple(Ask(item.scenario, item.seed) for item in battery.items)
    else:
        cases = tuple(Ask(name, seed) for name in assignment.scenarios for seed in assignment.seeds or [None])
    return Work(
        cases=cases,
        mode=assignment.mode,
        opens=utc(assignment.opens),
        due=utc(assignment.due),
        allowed=assignment.attempts_allowed,
        target=assignment.target_percent,
        battery=battery.sha256 if battery else "",
    )


def standard_of(programme: Programme, procedure: str) -> tuple[Standard | None, bytes]:
    """Return the standard in force for a procedure, and its file; (None, b"") when none is set or it has expired."""
    kept = Adopted.objects.filter(programme=programme, procedure=procedure).order_by("-adopted", "-pk").first()
    if kept is None:
        return None, b""
    standard = parse_standard(bytes(kept.document))
    return (standard, bytes(kept.document)) if standard.decided <= now() < standard.expires else (None, b"")


def facts_of(rows: list[Row], standard: Standard | None, attempts: Iterable[Attempt]) -> Facts:
    """Return what the documents need, with the moments of critical errors from the newest verdicts."""
    moments = {row.record_id: tuple(Moment(*m) for m in found) for row, found in _moments(attempts) if found}
    return Facts(Cohort(rows), standard, now(), moments)


def _moments(attempts: Iterable[Attempt]) -> Iterable[tuple[Row, list[Any]]]:
    newest = newest_verdicts(attempts)
    return [(row_from(a), newest[a.pk].moments) for a in attempts if a.pk in newest and a.record_id]


def headers_of(attempts: Iterable[Attempt]) -> dict[str, dict[str, str]]:
    """Return record id -> software of the newest verdicts."""
    newest = newest_verdicts(attempts)
    return {a.record_id: newest[a.pk].header for a in attempts if a.pk in newest and a.record_id}


def newest_verdicts(attempts: Iterable[Attempt]) -> dict[int, Verdict]:
    """Return attempt -> its newest verdict."""
    found: dict[int, Verdict] = {}
    for verdict in Verdict.objects.filter(attempt__in=[a.pk for a in attempts]).order_by("pk"):
        found[verdict.attempt_id] = verdict
    return found


def titles() -> dict[str, str]:
    """Return scenario -> its title."""
    return {s.id: s.title for s in desk().scenarios()}
