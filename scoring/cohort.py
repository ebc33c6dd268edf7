"""Attempts of many learners as plain rows: what the statistics and the reports read.

A row is made from the verdict on one record (`scoring.record`) and keeps a few hundred bytes of it, so that ten
thousand attempts fit in memory. Rows whose verdict is neither "verified" nor "sealed" are counted and shown, and
never enter a statistic: they are not evidence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.record import Verdict
from sim.errors import UsageError, unknown_name

EVIDENCE = ("verified", "sealed")
"""Verdicts whose content may be counted ("sealed": chain and signature hold, nothing was replayed)."""

_SCALE = {"tip_error_mm": ("tip_error_um", 1e3), "fluoro_s": ("fluoro_ms", 1e3), "dap_gy_m2": ("dap_pgy_m2", 1e12)}
_TEXTS = (
    "learner",
    "site",
    "handedness",
    "input_device",
    "scenario",
    "procedure",
    "mode",
    "operator",
    "started",
    "engine",
    "scenario_hash",
    "rubric_hash",
    "tools_hash",
)
_ZERO_WHEN_ABSENT = ("fluoro_s", "dap_gy_m2", "exposures")


PERSON = "trainee"
"""The operator in the header of an attempt that a person made; every other one is the name of a script."""


@dataclass(frozen=True)
class Row:
    """One attempt. `passed` is None for an attempt without a score; `started` is UTC text by the machine's clock.

    `metrics` holds tip_error_mm, fluoro_s, dap_gy_m2, exposures, duration_s, points_percent, points_verified_percent,
    checklist_percent; a value is None when there was nothing to measure.
    """

    path: str
    record_id: str  # chain head before the seal, hex: the same for the same attempt whoever signed it; "" if unreadable
    status: str
    reason: str
    learner: str = ""
    site: str = ""
    handedness: str = ""
    input_device: str = ""
    scenario: str = ""
    scenario_version: int | None = None
    procedure: str = ""
    seed: int = 0
    mode: str = ""
    operator: str = ""
    started: str = ""
    battery_id: str = ""
    battery_item: int | None = None
    battery_attempt: int | None = None  # 1 for the first opening of the item, by the sitting log
    battery_sha256: str = ""  # of the assignment file
    battery_log: str = ""  # head of the sitting log when this attempt was opened
    scenario_hash: str = ""
    rubric_hash: str = ""
    tools_hash: str = ""
    engine: str = ""
    key: str = ""
    passed: bool | None = None
    critical_errors: tuple[str, ...] = ()
    checklist_done: int = 0
    checklist_of: int = 0
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """The learner's pseudonym, or the operator of a record that names no learner."""
        return self.learner or self.operator

    @property
    def scripted(self) -> bool:
        """True if the header names a script as operator: at the window it says "trainee"."""
        return self.operator != PERSON

    @property
    def counts(self) -> bool:
        """True if the record is evidence (an interrupted attempt counts as an attempt, without a score)."""
        return self.status in (*EVIDENCE, "interrupted")

    @property
    def item(self) -> str:
        """What was asked of the learner: battery item, or scenario and patient."""
        return f"{self.battery_id}/{self.battery_item}" if self.battery_item is not None else f"{self.scenario}#{self.seed}"

    def value(self, name: str) -> float | None:
        """Return `passed` (0/1), `critical` (number of critical errors) or a metric; None without a score."""
        if self.passed is None:
            return None
        if name == "passed":
            return float(self.passed)
        if name == "critical":
            return float(len(self.critical_errors))
        if name not in self.metrics:
            raise unknown_name("value", name, ["passed", "critical", *self.metrics])
        return self.metrics[name]


def _whole_or_none(value: Any) -> int | None:
    return value if type(value) is int else None


def _percent(points: Any) -> float | None:
    if not isinstance(points, Mapping) or not points.get("possible"):
        return None
    return 100.0 * int(points["reached"]) / int(points["possible"])


def _metrics(result: Mapping[str, Any], seconds: float | None, done: int, of: int) -> dict[str, float | None]:
    raw = result.get("metrics", {})
    out: dict[str, float | None] = {
        name: None if raw.get(source) is None else raw[source] / scale for name, (source, scale) in _SCALE.items()
    }
    out["exposures"] = None if raw.get("exposures") is None else float(raw["exposures"])
    if raw:
        out |= {name: 0.0 for name in _ZERO_WHEN_ABSENT if out[name] is None}
    out["duration_s"] = raw["total_ms"] / 1000 if raw.get("total_ms") is not None else seconds
    out["points_percent"] = _percent(result.get("points"))
    out["points_verified_percent"] = _percent(result.get("points_verified"))
    out["checklist_percent"] = 100.0 * done / of if of else None
    return out


def _checklist(result: Mapping[str, Any]) -> tuple[int, int]:
    items = [f for f in result.get("checklist", {}).values() if isinstance(f, Mapping) and f.get("applicable", True)]
    return len([f for f in items if f.get("done")]), len(items)


def row_of(verdict: Verdict) -> Row:
    """Return the row of one verdict. Never raises for what a file holds; a score is read only from evidence."""
    header, result = verdict.header or {}, verdict.result or {}
    battery = header.get("battery") or {}
    status = verdict.status
    if status in EVIDENCE and type(result.get("passed")) is not bool:
        status = "interrupted"  # sealed as given up: a true record without a score
    text = {name: str(header.get(name, "")) for name in _TEXTS}
    row = Row(
        path=verdict.path,
        record_id=verdict.root or "",
        status=status,
        reason=verdict.reason,
        learner=text["learner"],
        site=text["site"],
        handedness=text["handedness"],
        input_device=text["input_device"],
        scenario=text["scenario"],
        scenario_version=_whole_or_none(header.get("scenario_version")),
        procedure=text["procedure"] or str(result.get("rubric", "")),
        seed=_whole_or_none(header.get("seed")) or 0,
        mode=text["mode"],
        operator=text["operator"],
        started=text["started"],
        battery_id=str(battery.get("id", "")),
        battery_item=_whole_or_none(battery.get("item")),
        battery_attempt=_whole_or_none(battery.get("attempt")),
        battery_sha256=str(battery.get("sha256", "")),
        battery_log=str(battery.get("log", "")),
        scenario_hash=text["scenario_hash"],
        rubric_hash=text["rubric_hash"],
        tools_hash=text["tools_hash"],
        engine=text["engine"],
        key=verdict.key or "",
    )
    return _with_score(row, result, verdict.seconds) if status in EVIDENCE else row


def _with_score(row: Row, result: Mapping[str, Any], seconds: float | None) -> Row:
    try:
        done, of = _checklist(result)
        errors = tuple(str(name) for name in result.get("critical_errors", ()))
        metrics = _metrics(result, seconds, done, of)
    except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError, OverflowError) as error:
        return replace(row, status="altered", reason=f"its score has not the form of a score: {type(error).__name__}")
    return replace(row, passed=result["passed"], critical_errors=errors, checklist_done=done, checklist_of=of, metrics=metrics)


def read_rows(verdicts: Iterable[Verdict]) -> list[Row]:
    """Return one row per verdict, in their order. Consumes an iterator verdict by verdict: memory holds rows only."""
    return [row_of(verdict) for verdict in verdicts]


@dataclass(frozen=True)
class ClockAnomaly:
    """An attempt that says it began before one whose place in the battery (or file order) is earlier."""

    learner: str
    earlier: Row
    later: Row


@dataclass(frozen=True)
class Cohort:
    """Rows of many learners; an attempt found twice (same record_id) is kept once and reported in `duplicates`."""

    rows: Sequence[Row]

    @cached_property
    def _split(self) -> tuple[list[Row], dict[str, list[Row]]]:
        kept: dict[str, Row] = {}
        again: dict[str, list[Row]] = {}
        alone: list[Row] = []
        for row in sorted(self.rows, key=lambda r: (r.started, r.record_id, r.path)):
            if not row.record_id or not row.counts:
                alone.append(row)
            elif row.record_id in kept:
                again.setdefault(row.record_id, [kept[row.record_id]]).append(row)
            else:
                kept[row.record_id] = row
        return sorted([*kept.values(), *alone], key=lambda r: (r.started, r.record_id, r.path)), again

    @property
    def attempts(self) -> list[Row]:
        """Every row once, by start time."""
        return self._split[0]

    @cached_property
    def evidence(self) -> list[Row]:
        """The attempts that count (verified, sealed or interrupted), by start time."""
        return [row for row in self.attempts if row.counts]

    @property
    def duplicates(self) -> dict[str, list[Row]]:
        """record_id -> all rows that carry it, where there is more than one."""
        return self._split[1]

    @property
    def statuses(self) -> dict[str, int]:
        """Verdict -> how many attempts, commonest first."""
        return dict(Counter(row.status for row in self.attempts).most_common())

    @property
    def learners(self) -> list[str]:
        """The pseudonyms in the evidence, sorted."""
        return sorted(self._by_learner)

    @property
    def scenarios(self) -> list[str]:
        """The scenarios in the evidence, sorted."""
        return sorted({row.scenario for row in self.evidence})

    def of(self, learner: str) -> list[Row]:
        """Return the attempts of one learner by start time."""
        return self._by_learner.get(learner, [])

    @cached_property
    def _by_learner(self) -> dict[str, list[Row]]:
        out: dict[str, list[Row]] = {}
        for row in self.evidence:
            out.setdefault(row.who, []).append(row)
        return out

    def where(self, keep: Callable[[Row], bool]) -> Cohort:
        """Return the cohort of the rows that `keep` accepts."""
        return Cohort([row for row in self.rows if keep(row)])

    def first_attempts(self, per: str = "item") -> list[Row]:
        """Return each learner's first attempt at each item (`per` "item") or scenario ("scenario").

        An interrupted first attempt is the first attempt: it stays, without a score, and a later one does not
        replace it. Of a battery the sitting log's count decides, not the clock; where only a later attempt is at hand,
        the first is missing and stands there as interrupted. Else: by start time, then by record id.
        """
        if per not in ("item", "scenario"):
            raise UsageError(f"first attempts per '{per}'; expected item or scenario")
        first: dict[tuple[str, str], Row] = {}
        for row in sorted(self.evidence, key=lambda r: r.battery_attempt or 1):
            first.setdefault((row.who, row.item if per == "item" else row.scenario), row)
        return [_without_score(row) if (row.battery_attempt or 1) > 1 else row for row in first.values()]

    def matrix(
        self, value: str, learners: Sequence[str] | None = None, scenarios: Sequence[str] | None = None, per: str = "scenario"
    ) -> NDArray[np.float64]:
        """Return first attempts as (learners, scenarios or items), NaN where there is no score.

        `value` as in Row.value. Rows and columns follow `learners` and `scenarios` (default: all, sorted).
        """
        first = self.first_attempts(per)
        names = list(learners) if learners is not None else self.learners
        columns = list(scenarios) if scenarios is not None else sorted({_column(row, per) for row in first})
        row_at, column_at = {n: i for i, n in enumerate(names)}, {n: i for i, n in enumerate(columns)}
        out = np.full((len(names), len(columns)), np.nan)
        for row in first:
            number = row.value(value)
            if row.who in row_at and _column(row, per) in column_at and number is not None:
                out[row_at[row.who], column_at[_column(row, per)]] = number
        return out

    def clock_anomalies(self) -> list[ClockAnomaly]:
        """Return pairs of one battery and learner whose later item says that it began earlier (a clock set back)."""
        order: dict[tuple[str, str], list[Row]] = {}
        for row in self.evidence:
            if row.battery_item is not None:
                order.setdefault((row.who, row.battery_id), []).append(row)
        out = []
        for (name, _), mine in sorted(order.items()):
            mine.sort(key=lambda r: (r.battery_item or 0, r.started))
            out += [ClockAnomaly(name, a, b) for a, b in pairwise(mine) if b.started < a.started and a.item != b.item]
        return out

    def in_the_future(self, now: str) -> list[Row]:
        """Return the attempts that say they began after `now` (UTC text)."""
        return [row for row in self.evidence if row.started > now]


def _without_score(row: Row) -> Row:
    reason = f"attempt {row.battery_attempt} at this item; the first is not among these files"
    return replace(
        row, status="interrupted", reason=reason, passed=None, critical_errors=(), checklist_done=0, checklist_of=0, metrics={}
    )


def _column(row: Row, per: str) -> str:
    return row.item if per == "item" else row.scenario
