"""The score of an attempt: a pure function of its events, its commands and the rubric.

Three parts, never one number: critical errors, checklist, efficiency. An attempt passes when it has no
critical error and everything that the rubric's passing rule asks for. `Score.record` is what is signed
(whole numbers, texts, booleans); `Score.public` is the same for people and programs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scoring.metrics import METRIC_SPEC, REGISTRY, TICK_MS, Measure, measure
from scoring.rubric import SCALE, CheckItem, Condition, Critical, EfficiencyItem, Rubric
from sim.command import Command
from sim.event import Event

NOT_SEEN = "Nothing of it in the record."
NOT_ARISEN = "Did not arise."
SPARED = "It did not happen."


@dataclass(frozen=True)
class Finding:
    """One line of the score: what, whether, when (tick, -1 without a moment) and why."""

    id: str
    title: str
    done: bool  # critical: the error happened; checklist and passing: the condition is met
    tick: int
    why: str
    applicable: bool = True
    points: int = 0
    verified: bool = True  # False: rests on a number that nobody has verified


@dataclass(frozen=True)
class Cost:
    """One line of the efficiency: a metric's value beside a norm. `against`: within, below, above or no norm."""

    id: str
    title: str
    metric: str
    value: int
    unit: str  # for people
    against: str

    @property
    def shown(self) -> float:
        """The value in the unit for people."""
        return self.value / SCALE[self.unit][1]


@dataclass(frozen=True)
class Score:
    """What an attempt is worth under one rubric."""

    rubric_id: str
    rubric_version: int
    rubric_hash: str
    passed: bool
    finished: bool
    critical: tuple[Finding, ...]  # all that the rubric knows; done = happened
    checklist: tuple[Finding, ...]
    passing: tuple[Finding, ...]
    efficiency: tuple[Cost, ...]
    measures: Mapping[str, Measure]

    @property
    def critical_errors(self) -> list[str]:
        """Ids of the critical errors that happened, in the order of the rubric."""
        return [finding.id for finding in self.critical if finding.done]

    def points(self, verified_only: bool = False) -> tuple[int, int]:
        """Return (points reached, points possible) of the checklist, of the verified items only if asked."""
        rows = [f for f in self.checklist if f.applicable and (f.verified or not verified_only)]
        return sum(f.points for f in rows if f.done), sum(f.points for f in rows)

    def whole(self, metric: str) -> int | None:
        """Return a metric as a whole number, None when there was nothing to measure."""
        value = self.measures[metric].value
        return None if value is None else int(value)

    def record(self) -> dict[str, Any]:
        """Return the score as it is signed: whole numbers, texts and booleans only, and its own hash."""
        body = self._body()
        return {**body, "score_hash": hashlib.sha256(canonical(body)).hexdigest()}

    def _body(self) -> dict[str, Any]:
        points, possible = self.points()
        sure, sure_possible = self.points(verified_only=True)
        return {
            "metric_spec": METRIC_SPEC,
            "rubric": self.rubric_id,
            "rubric_version": self.rubric_version,
            "rubric_hash": self.rubric_hash,
            "passed": self.passed,
            "finished": self.finished,
            "critical_errors": self.critical_errors,
            "critical": {f.id: {"tick": f.tick, "why": f.why} for f in self.critical if f.done},
            "passing": {f.id: f.done for f in self.passing},
            "checklist": {f.id: _check_record(f) for f in self.checklist},
            "points": {"reached": points, "possible": possible},
            "points_verified": {"reached": sure, "possible": sure_possible},
            "efficiency": {cost.id: {"value": cost.value, "against": cost.against} for cost in self.efficiency},
            "metrics": {name: m.value for name, m in sorted(self.measures.items()) if m.value is not None},
        }

    def public(self) -> dict[str, Any]:
        """Return the score for people and programs (`main.py run --json`): seconds, millimetres, Gy m2."""
        record = self.record()
        tip = self.whole("tip_error_um")
        return {
            "passed": self.passed,
            "finished": self.finished,
            "critical_errors": self.critical_errors,
            "critical": {f.id: _said(f) for f in self.critical if f.done},
            "passing": {f.id: {"done": f.done, "why": f.why} for f in self.passing},
            "checklist": {
                f.id: {"done": f.done, "applicable": f.applicable, "points": f.points, "verified": f.verified, **_said(f)}
                for f in self.checklist
            },
            "points": record["points"],
            "points_verified": record["points_verified"],
            "efficiency": {c.id: {"value": c.shown, "unit": c.unit, "against": c.against} for c in self.efficiency},
            "tip_error_mm": None if tip is None else tip / 1000,
            "fluoro_s": (self.whole("fluoro_ms") or 0) / 1000,
            "exposures": self.whole("exposures") or 0,
            "dap_gy_m2": (self.whole("dap_pgy_m2") or 0) / 1e12,
            "time_s": (self.whole("total_ms") or 0) / 1000,
            "metrics": record["metrics"],
            "metric_spec": METRIC_SPEC,
            "rubric": {"id": self.rubric_id, "version": self.rubric_version, "hash": self.rubric_hash},
            "score_hash": record["score_hash"],
        }


def canonical(value: Any) -> bytes:
    """Return a value without floats as the bytes of RFC 8785 (ASCII keys, whole numbers)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def joined(reasons: Iterable[str]) -> str:
    """Return reasons as one text, each once: sentences after each other, fragments with commas."""
    text = ""
    for reason in dict.fromkeys(reasons):
        if reason:
            text += ("" if not text else " " if text.endswith(".") else ", ") + reason
    return text if not text or text.endswith(".") else text + "."


def _check_record(finding: Finding) -> dict[str, Any]:
    return {"done": finding.done, "applicable": finding.applicable, "points": finding.points, "tick": finding.tick}


def _said(finding: Finding) -> dict[str, Any]:
    time = None if finding.tick < 0 else finding.tick * TICK_MS / 1000
    return {"title": finding.title, "tick": finding.tick, "time_s": time, "why": finding.why}


def score(events: Iterable[Event], commands: Iterable[tuple[int, Command]], rubric: Rubric) -> Score:
    """Return the score of an attempt. Same events, commands and rubric: same score, byte for byte."""
    return score_measures(measure(rubric.settings, commands, events), rubric)


def score_measures(measures: Mapping[str, Measure], rubric: Rubric) -> Score:
    """Return the score of measures that a board has taken (live or afterwards)."""
    judge = _Judge(rubric, measures)
    critical = tuple(judge.critical(item) for item in rubric.critical)
    passing = tuple(judge.one(condition) for condition in rubric.passing.needs_all)
    return Score(
        rubric_id=rubric.rubric.id,
        rubric_version=rubric.rubric.version,
        rubric_hash=rubric.hash,
        passed=not any(f.done for f in critical) and all(f.done for f in passing),
        finished=bool(measures["finished"].value),
        critical=critical,
        checklist=tuple(judge.item(item) for item in rubric.checklist),
        passing=passing,
        efficiency=tuple(judge.cost(item) for item in rubric.efficiency),
        measures=measures,
    )


@dataclass(frozen=True)
class _Judge:
    """Compares measures with the rules of a rubric."""

    rubric: Rubric
    measures: Mapping[str, Measure]

    def holds(self, condition: Condition) -> bool | None:
        """Return whether a condition holds, None when there was nothing to measure."""
        value = self.measures[condition.metric].value
        if value is None:
            return None
        low = self._limit(condition.low)
        high = self._limit(condition.high)
        return {
            "is_true": value is True,
            "is_false": value is False,
            "is_zero": value == 0,
            "above_zero": value > 0,
            "above": value > low,
            "at_least": value >= low,
            "at_most": value <= high,
            "between": low <= value <= high,
            "within": -high <= value <= high,
        }[condition.rule]

    def _limit(self, name: str | None) -> int:
        return 0 if name is None else self.rubric.thresholds[name].whole

    def critical(self, item: Critical) -> Finding:
        """Return whether a critical error happened; its moment is the earliest of its conditions."""
        hits = [self.measures[c.metric] for c in item.when_any if self.holds(c)]
        hits.sort(key=lambda m: m.tick)
        sure = not self.rubric.unverified(item.when_any)
        if not hits:
            return Finding(item.id, item.title, False, -1, "", verified=sure)
        why = joined(m.why for m in hits) or item.why
        return Finding(item.id, item.title, True, hits[0].tick, why, verified=sure)

    def item(self, item: CheckItem) -> Finding:
        """Return whether a step of the checklist was done."""
        held = [self.holds(condition) for condition in item.needs_all]
        measures = [self.measures[condition.metric] for condition in item.needs_all]
        absent = all(result is None for result in held)
        done = all(held) if not absent else item.absent == "not-applicable"
        wrong = [m for m, result in zip(measures, held, strict=True) if not result]
        shown = measures if done else wrong
        spared = done and any(condition.rule == "is_zero" for condition in item.needs_all)
        return Finding(
            id=item.id,
            title=item.title,
            done=done,
            tick=-1 if spared else max((m.tick for m in shown), default=-1),
            why=SPARED if spared else joined(m.why for m in shown) or (NOT_ARISEN if done else NOT_SEEN),
            applicable=not (absent and item.absent == "not-applicable"),
            points=item.points,
            verified=not self.rubric.practice_only(item.needs_all),
        )

    def one(self, condition: Condition) -> Finding:
        """Return whether one condition of the passing rule holds."""
        m, spec = self.measures[condition.metric], REGISTRY[condition.metric]
        return Finding(condition.metric, spec.definition, bool(self.holds(condition)), m.tick, m.why or NOT_SEEN)

    def cost(self, item: EfficiencyItem) -> Cost:
        """Return a metric beside its norm."""
        value = int(self.measures[item.metric].value or 0)
        return Cost(item.id, item.title, item.metric, value, item.unit, _against(item, value))


def _against(item: EfficiencyItem, value: int) -> str:
    if item.norm is None:
        return "no norm"
    factor = SCALE[item.unit][1]
    if item.norm.low is not None and value < round(item.norm.low * factor):
        return "below"
    if item.norm.high is not None and value > round(item.norm.high * factor):
        return "above"
    return "within"
