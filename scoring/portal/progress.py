"""How far somebody is with an assignment: pure, on rows that this server verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scoring.cohort import Row

SCALE = "points_percent"


@dataclass(frozen=True)
class Ask:
    """One case that is asked for: a scenario, on one patient or (None) on any."""

    scenario: str
    seed: int | None = None

    @property
    def name(self) -> str:
        """How lists call it."""
        return self.scenario if self.seed is None else f"{self.scenario}, patient {self.seed}"


@dataclass(frozen=True)
class Work:
    """What an assignment asks. allowed: attempts per case, 0 for any number; target: percent of checklist points."""

    cases: tuple[Ask, ...]
    mode: str
    opens: str  # UTC text, as a record's `started`
    due: str
    allowed: int
    target: int | None
    battery: str = ""  # SHA-256 of the sealed battery, "" for a set of scenarios


@dataclass(frozen=True)
class Case:
    """One case of an assignment for one learner. `counted`: first attempt (assessment) or best (practice)."""

    ask: Ask
    state: str  # "to do", "done", "below target", "not passed", "interrupted"
    attempts: int
    counted: Row | None
    over: int = 0  # attempts beyond those allowed: kept, shown, never counted


@dataclass(frozen=True)
class Progress:
    """One learner at one assignment."""

    cases: tuple[Case, ...]
    late: bool

    @property
    def done(self) -> int:
        """How many cases are done."""
        return sum(case.state == "done" for case in self.cases)

    @property
    def tried(self) -> int:
        """How many cases were tried."""
        return sum(case.attempts > 0 for case in self.cases)

    @property
    def state(self) -> str:
        """The word on the board."""
        if self.done == len(self.cases):
            return "done"
        if self.late:
            return "overdue"
        return "in progress" if self.tried else "not begun"


def belongs(work: Work, row: Row) -> bool:
    """Tell whether an attempt is one at this assignment: right case, patient, mode, and begun in its time."""
    if row.status not in ("verified", "interrupted") or row.mode != work.mode or not work.opens <= row.started <= work.due:
        return False
    if row.battery_sha256 != work.battery:
        return False
    return any(fits(ask, row) for ask in work.cases)


def fits(ask: Ask, row: Row) -> bool:
    """Tell whether an attempt is at this case."""
    return row.scenario == ask.scenario and ask.seed in (None, row.seed)


def progress(work: Work, rows: Sequence[Row], now: str) -> Progress:
    """Return how far the learner of these rows is."""
    mine = sorted((row for row in rows if belongs(work, row)), key=lambda r: (r.started, r.record_id))
    cases = tuple(_case(ask, work, [row for row in mine if fits(ask, row)]) for ask in work.cases)
    return Progress(cases, now > work.due)


def _case(ask: Ask, work: Work, rows: list[Row]) -> Case:
    inside = rows[: work.allowed] if work.allowed else rows
    if not inside:
        return Case(ask, "to do", 0, None)
    if work.mode == "assessment":
        counted = inside[0]  # the first attempt, given up or not
    else:
        counted = max(inside, key=lambda r: (r.passed is not None, r.passed is True, r.value(SCALE) or 0.0))
    return Case(ask, state_of(counted, work.target), len(rows), counted, len(rows) - len(inside))


def state_of(row: Row, target: int | None) -> str:
    """Return the word for one attempt against the target (percent of checklist points)."""
    if row.passed is None:
        return "interrupted"
    if not row.passed:
        return "not passed"
    value = row.value(SCALE)
    return "below target" if target is not None and (value is None or value < target) else "done"


def utc(moment: datetime) -> str:
    """Return a moment as records write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
