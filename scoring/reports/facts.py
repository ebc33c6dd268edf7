"""What the documents about learners share: scores of first attempts, error of measurement, LC-CUSUM, words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scoring.cohort import Cohort, Row
from scoring.reports.blocks import Text
from scoring.standard import Standard, Wording, wording
from scoring.statistics import feedback
from scoring.statistics.checks import Interval
from scoring.statistics.decision import DStudy, coefficient_interval, d_study, phi_lambda
from scoring.statistics.generalizability import GStudy, g_study
from scoring.statistics.lc_cusum import LcCusumDesign, LcCusumState, lc_cusum, lc_cusum_design
from sim.errors import UsageError

SCALE = "points_verified_percent"
"""The scale without a standard: checklist points that rest on verified numbers, percent. Others are practice only."""

SCALES = {
    "points_verified_percent": "checklist points on verified numbers, percent",
    "points_percent": "checklist points, percent",
    "checklist_percent": "checklist steps done, percent",
    "passed": "share of attempts passed",
}


@dataclass(frozen=True)
class Moment:
    """A critical error in one attempt: tick (-1 without one) and the reason, as its record has them."""

    error: str
    tick: int
    why: str


Moments = Mapping[str, Sequence[Moment]]
"""record_id -> the critical errors in it."""


def moments_of(result: Mapping[str, object] | None) -> tuple[Moment, ...]:
    """Return the critical errors that a recorded score names, by time. Nothing for what has not the form of a score."""
    told = (result or {}).get("critical")
    if not isinstance(told, Mapping):
        return ()
    found = []
    for name, value in told.items():
        tick = value.get("tick") if isinstance(value, Mapping) else None
        why = value.get("why", "") if isinstance(value, Mapping) else ""
        found.append(Moment(str(name), tick if type(tick) is int else -1, str(why)))
    return tuple(sorted(found, key=lambda m: (m.tick, m.error)))


@dataclass(frozen=True)
class Facts:
    """A cohort with the standard it is judged by (None: no standard set) and the moment of the report (UTC)."""

    cohort: Cohort
    standard: Standard | None
    now: str
    moments: Moments = field(default_factory=dict)
    design: LcCusumDesign = field(
        default_factory=lambda: lc_cusum_design(feedback.P0, feedback.P1, feedback.HORIZON, feedback.ALPHA)
    )

    @property
    def scale(self) -> str:
        """The scale of scores: that of the standard, else SCALE."""
        return self.standard.scale if self.standard else SCALE

    @property
    def scale_name(self) -> str:
        """The scale in words."""
        return SCALES.get(self.scale, self.scale.replace("_", " "))

    @property
    def cut(self) -> float | None:
        """The cut of a standard that is in force, None otherwise."""
        return None if self.standard is None or self.standard.provisional else self.standard.cut

    @cached_property
    def per(self) -> str:
        """What first attempts are counted by: battery item where all attempts have one, else scenario."""
        rows = self.cohort.evidence
        return "item" if rows and all(row.battery_item is not None for row in rows) else "scenario"

    @cached_property
    def _firsts(self) -> dict[str, list[Row]]:
        out: dict[str, list[Row]] = {}
        for row in self.cohort.first_attempts(self.per):
            out.setdefault(row.who, []).append(row)
        return out

    def first(self, learner: str) -> list[Row]:
        """Return a learner's first attempts by time, interrupted ones included."""
        return self._firsts.get(learner, [])

    @cached_property
    def firsts(self) -> list[Row]:
        """Everybody's first attempts."""
        return [row for rows in self._firsts.values() for row in rows]

    def scores(self, learner: str) -> list[float]:
        """Return the scores of a learner's first attempts."""
        values = [row.value(self.scale) for row in self.first(learner)]
        return [v for v in values if v is not None]

    def words(self, learner: str) -> Wording:
        """Return the only words about a learner's standing."""
        rows = self.first(learner)
        errors = sum(len(row.critical_errors) for row in rows)
        procedures = {row.procedure for row in rows}
        verified = all(row.status in ("verified", "interrupted") for row in rows)
        rubrics = {row.rubric_hash for row in rows}
        procedure, rubric = (found.pop() if len(found) == 1 else "several" for found in (procedures, rubrics))
        return wording(self.standard, self.scores(learner), errors, self.now, procedure, rubric, verified)

    @cached_property
    def table(self) -> NDArray[np.float64]:
        """Scores of first attempts, learners by items (or scenarios), NaN where there is none."""
        return self.cohort.matrix(self.scale, per=self.per)

    @cached_property
    def study(self) -> GStudy | str:
        """The G study over learners by items, or why there is none."""
        try:
            return g_study(self.table, "pxi")
        except UsageError as error:
            return str(error)

    def decision(self, items: int) -> DStudy | None:
        """Return what a mean over `items` is worth in this cohort, None where no G study exists."""
        try:
            return None if isinstance(self.study, str) else d_study(self.study, {"i": max(1, items)})
        except UsageError:
            return None

    def sem(self, items: int) -> float | None:
        """Return the absolute standard error of a mean over `items`: of the standard's own study, else of this cohort."""
        if self.standard is not None and self.standard.sem is not None and items:
            return self.standard.sem * math.sqrt(self.standard.items / items)
        study = self.decision(items)
        return None if study is None or not items else study.sem_absolute

    @property
    def top(self) -> float:
        """The upper end of the scale; its lower end is 0."""
        return 100.0 if self.scale.endswith("percent") else 1.0

    @cached_property
    def phi(self) -> Interval | None:
        """Phi of the battery with its interval, None where it cannot be estimated."""
        if isinstance(self.study, str):
            return None
        method = "fiducial" if self.study.method == "ANOVA" else "jackknife"
        try:
            return coefficient_interval(self.table, "pxi", "phi", method)
        except UsageError:
            return None

    @cached_property
    def phi_lambda(self) -> float | None:
        """Dependability of the pass or fail decision at the cut, None without a standard or a G study."""
        if isinstance(self.study, str) or self.cut is None:
            return None
        try:
            return phi_lambda(self.study, self.cut)
        except UsageError:
            return None

    def chart(self, learner: str) -> LcCusumState:
        """Return the LC-CUSUM of a learner's attempts in order; an interrupted attempt counts as failed."""
        return lc_cusum([bool(row.passed) for row in self.cohort.of(learner)], self.design)


def scripted(rows: Sequence[Row]) -> list[Text]:
    """Return what must be said first where a program and no person made attempts (its operator is named in the header)."""
    made = sum(row.counts and row.scripted for row in rows)
    if not made:
        return []
    of = "All" if made == sum(row.counts for row in rows) else f"{made} of the"
    text = f"{of} {counted(len(rows), 'attempt')} here were made by scripted operators: simulated learners, no person."
    return [Text(f"{text} Nothing here is evidence about anybody.", "bad")]


def counted(number_: int, what: str) -> str:
    """Return "1 attempt" or "2 attempts"."""
    return f"{number_} {what}{'' if number_ == 1 else 's'}"


def number(value: float | None, digits: int = 1) -> str:
    """Return a number for a table, "-" for none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def outcome(row: Row) -> str:
    """Return how an attempt ended, in a word."""
    if row.passed is None:
        return row.status
    return "passed" if row.passed else "not passed"


def day(text: str) -> str:
    """Return a UTC time for people: 2026-01-31 12:00."""
    return text[:16].replace("T", " ")


def interval(found: Interval | None, digits: int = 2) -> str:
    """Return a value with its interval."""
    if found is None:
        return "-"
    if found.low is None or found.high is None:
        return number(found.value, digits)
    return f"{found.value:.{digits}f} ({100 * found.level:g} % interval {found.low:.{digits}f} to {found.high:.{digits}f})"
