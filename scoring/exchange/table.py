"""Attempts as CSV (RFC 4180) that a spreadsheet opens without running anything.

A text that a spreadsheet would take for a formula (it begins with = + - @, tab or carriage return; OWASP, "CSV
Injection") gets an apostrophe in front. Numbers are written bare, so a negative one stays a number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from scoring.cohort import Row

METRICS = (
    "tip_error_mm",
    "fluoro_s",
    "exposures",
    "dap_gy_m2",
    "duration_s",
    "points_percent",
    "points_verified_percent",
    "checklist_percent",
)
COLUMNS = (
    "learner",
    "site",
    "handedness",
    "input_device",
    "procedure",
    "scenario",
    "scenario_version",
    "seed",
    "mode",
    "operator",
    "battery_id",
    "battery_item",
    "started",
    "status",
    "reason",
    "passed",
    "critical_errors",
    "checklist_done",
    "checklist_of",
    *METRICS,
    "engine",
    "key",
    "record_id",
    "path",
)
"""The columns, in order; new ones are added at the end of a group and never change their meaning."""


def csv_text(rows: Iterable[Row]) -> str:
    """Return the rows as CSV with a header line; a missing value is an empty cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(_value(row, name)) for name in COLUMNS])
    return out.getvalue()


def _value(row: Row, name: str) -> object:
    if name in METRICS:
        return row.metrics.get(name)
    if name == "passed":
        return None if row.passed is None else ("yes" if row.passed else "no")
    if name == "critical_errors":
        return " ".join(row.critical_errors)
    return getattr(row, name)


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.12g}"
    return safe_text(value) if isinstance(value, str) else value


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    clean = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)
    return "'" + clean if clean[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else clean
