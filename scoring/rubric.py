"""The rubric of a procedure as data: critical errors, checklist, efficiency and the passing rule, kept apart.

A rubric file (TOML, docs/SCORING.md) names metrics and compares them with thresholds. Every threshold has a
unit, a source, a status and the flag `verified`. A number that nobody has verified may inform practice; it
may not gate an assessment, and `assessment_blockers` says which ones would.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scoring.metrics import METRIC_SPEC, REGISTRY, Settings, Unit
from sim.clinic import COMPLICATIONS, RESPONSES
from sim.errors import DataError

Status = Literal["verified", "recalled", "computed", "measured", "placeholder"]
Board = Literal["proposed", "confirmed"]
RuleName = Literal["is_true", "is_false", "is_zero", "above_zero", "above", "at_least", "at_most", "between", "within"]
Id = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
Text = Annotated[str, Field(min_length=1)]

SCALE: dict[str, tuple[Unit, int]] = {
    "deg": ("mdeg", 1000),
    "mm": ("um", 1000),
    "mL": ("ul", 1000),
    "mg": ("ug", 1000),
    "s": ("ms", 1000),
    "mm/s": ("um_s", 1000),
    "Pa.s": ("mpa_s", 1000),
    "G": ("gauge", 1),
    "count": ("count", 1),
    "permille": ("permille", 1),
    "cGy.cm2": ("pgy_m2", 1_000_000),  # 1 cGy cm2 = 1e-6 Gy m2
}
"""Unit of a threshold for people -> unit of the metric and factor to its whole number."""

RULES: dict[str, tuple[str, ...]] = {
    "is_true": (),
    "is_false": (),
    "is_zero": (),
    "above_zero": (),
    "above": ("low",),
    "at_least": ("low",),
    "at_most": ("high",),
    "between": ("low", "high"),  # low <= value <= high
    "within": ("high",),  # -high <= value <= high
}
"""Rule -> the thresholds that it needs."""


class Strict(BaseModel):
    """A table in which unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Threshold(Strict):
    """A number with unit, source, status and the flag that it was read in the source."""

    value: float
    unit: str
    source: Text
    status: Status
    verified: bool
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Threshold:
        if self.unit not in SCALE:
            raise ValueError(f"unit '{self.unit}'; expected one of: {', '.join(SCALE)}")
        if self.verified != (self.status == "verified"):
            raise ValueError(f"verified = {str(self.verified).lower()} with status '{self.status}'; expected them to agree")
        return self

    @property
    def metric_unit(self) -> Unit:
        """Unit of the metrics that it can be compared with."""
        return SCALE[self.unit][0]

    @property
    def whole(self) -> int:
        """The number in the metric's unit."""
        return round(self.value * SCALE[self.unit][1])


class Condition(Strict):
    """A metric and what it must be. low and high name thresholds."""

    metric: Name
    rule: RuleName
    low: Name | None = None
    high: Name | None = None

    @model_validator(mode="after")
    def _complete(self) -> Condition:
        needed = set(RULES[self.rule])
        given = {name for name in ("low", "high") if getattr(self, name) is not None}
        if given != needed:
            raise ValueError(f"rule '{self.rule}' has {sorted(given) or 'no limits'}; expected {sorted(needed) or 'no limits'}")
        if self.metric not in REGISTRY:
            raise ValueError(f"unknown metric '{self.metric}'; expected one of: {', '.join(sorted(REGISTRY))}")
        boolean = REGISTRY[self.metric].unit == "bool"
        if boolean != (self.rule in ("is_true", "is_false")):
            raise ValueError(f"rule '{self.rule}' does not fit metric '{self.metric}' ({REGISTRY[self.metric].unit})")
        return self

    @property
    def thresholds(self) -> tuple[str, ...]:
        """Names of the thresholds that it needs."""
        return tuple(name for name in (self.low, self.high) if name is not None)


class Critical(Strict):
    """A critical error: the attempt fails as soon as one of its conditions holds."""

    id: Id
    title: Text
    why: Text
    advice: Text
    when_any: Annotated[list[Condition], Field(min_length=1)]
    sources: Annotated[list[Text], Field(min_length=1)]
    status: Board  # proposed until a clinical board has confirmed that this fails an attempt
    verified: bool  # whether the sources themselves were read


class CheckItem(Strict):
    """A step of the checklist: done when all its conditions hold."""

    id: Id
    title: Text
    advice: Text
    needs_all: Annotated[list[Condition], Field(min_length=1)]
    points: Annotated[int, Field(ge=1, le=10)]
    absent: Literal["not-done", "not-applicable"] = "not-done"  # what it means when there was nothing to measure
    sources: list[Text] = []


class Norm(Strict):
    """What others needed. Local norms replace it (scoring.md: fluoroscopy time is not portable)."""

    low: float | None = None
    high: float | None = None
    reported: Text
    source: Text
    status: Status
    verified: bool
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Norm:
        if self.verified != (self.status == "verified"):
            raise ValueError(f"verified = {str(self.verified).lower()} with status '{self.status}'; expected them to agree")
        if self.low is None and self.high is None:
            raise ValueError("neither low nor high; expected at least one")
        return self


class EfficiencyItem(Strict):
    """A cost shown beside a norm. It never fails an attempt."""

    id: Id
    title: Text
    metric: Name
    unit: str
    norm: Norm | None = None

    @model_validator(mode="after")
    def _fits(self) -> EfficiencyItem:
        if self.metric not in REGISTRY:
            raise ValueError(f"unknown metric '{self.metric}'; expected one of: {', '.join(sorted(REGISTRY))}")
        if self.unit not in SCALE or SCALE[self.unit][0] != REGISTRY[self.metric].unit:
            raise ValueError(f"unit '{self.unit}' does not fit metric '{self.metric}' ({REGISTRY[self.metric].unit})")
        return self


class Passing(Strict):
    """What an attempt must have achieved, beside being free of critical errors."""

    title: Text
    needs_all: Annotated[list[Condition], Field(min_length=1)]


class Strength(Strict):
    """Strength of an agent, so that a volume becomes a dose."""

    mg_per_ml: Annotated[int, Field(ge=1)]
    source: Text


class Complication(Strict):
    """What a sign means (words of sim/clinic.py) and what has to be done first. It counts in the checklist, it gates nothing."""

    name: Name
    first: Annotated[list[Name], Field(min_length=1)]
    source: Text
    status: Status

    @model_validator(mode="after")
    def _known(self) -> Complication:
        unknown = [w for w, all_ in ((self.name, COMPLICATIONS), *((r, RESPONSES) for r in self.first)) if w not in all_]
        if unknown:
            raise ValueError(f"'{unknown[0]}'; expected words of sim/clinic.py: {', '.join((*COMPLICATIONS, *RESPONSES))}")
        return self


class Head(Strict):
    """What the rubric is and which words its metrics use."""

    id: Id
    version: Annotated[int, Field(ge=1)]
    procedure: Text
    title: Text
    metric_spec: Text
    status: Board
    therapeutic: list[Text]
    drugs: list[Text]
    canal_tissues: list[Text]
    counting_landmarks: list[Text]
    limits: list[Text]  # limits of validity, shown in every report
    practice_only: bool = False  # a drill: it needs no critical errors, and no assessment may hold it


class Rubric(Strict):
    """A whole rubric. `hash` is the SHA-256 of the file as it was read."""

    rubric: Head
    passing: Passing
    critical: list[Critical] = []
    checklist: Annotated[list[CheckItem], Field(min_length=1)]
    efficiency: list[EfficiencyItem]
    thresholds: dict[Name, Threshold]
    strengths: dict[str, Strength] = {}
    complications: dict[str, Complication] = {}
    hash: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Rubric:
        if self.rubric.metric_spec != METRIC_SPEC:
            raise ValueError(f"metric_spec '{self.rubric.metric_spec}'; this version measures by '{METRIC_SPEC}'")
        if not (self.rubric.therapeutic and self.rubric.drugs) and not self.rubric.practice_only:
            raise ValueError("therapeutic and drugs: expected at least one each, or practice_only = true in [rubric]")
        if not self.critical and not self.rubric.practice_only:
            raise ValueError("no [[critical]]; expected at least one, or practice_only = true in [rubric]")
        for part in (self.critical, self.checklist, self.efficiency):
            ids = [item.id for item in part]
            twice = sorted({name for name in ids if ids.count(name) > 1})
            if twice:
                raise ValueError(f"id '{twice[0]}' stands twice; expected every id once")
        for where, condition in self.conditions():
            self._check_limits(where, condition)
        return self

    def _check_limits(self, where: str, condition: Condition) -> None:
        wanted = REGISTRY[condition.metric].unit
        for name in condition.thresholds:
            if name not in self.thresholds:
                raise ValueError(f"{where}: threshold '{name}' is not defined; there are: {', '.join(self.thresholds)}")
            if self.thresholds[name].metric_unit != wanted:
                raise ValueError(f"{where}: threshold '{name}' is in {self.thresholds[name].unit}; the metric is in {wanted}")
        if where in self._gates() and condition.metric in {item.metric for item in self.efficiency}:
            raise ValueError(f"{where}: metric '{condition.metric}' is an efficiency; those never fail an attempt")

    def _gates(self) -> set[str]:
        return {"passing", *(f"critical '{item.id}'" for item in self.critical)}

    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """Yield every condition with the place where it stands."""
        for condition in self.passing.needs_all:
            yield "passing", condition
        for error in self.critical:
            for condition in error.when_any:
                yield f"critical '{error.id}'", condition
        for item in self.checklist:
            for condition in item.needs_all:
                yield f"checklist '{item.id}'", condition

    @cached_property
    def settings(self) -> Settings:
        """The words that metrics need."""
        return Settings(
            therapeutic=frozenset(self.rubric.therapeutic),
            drugs=frozenset(self.rubric.drugs),
            canal_tissues=frozenset(self.rubric.canal_tissues),
            counting_landmarks=frozenset(self.rubric.counting_landmarks),
            ug_per_ul=tuple((name, row.mg_per_ml) for name, row in sorted(self.strengths.items())),
            complications=tuple((sign, (row.name, tuple(row.first))) for sign, row in sorted(self.complications.items())),
        )

    def unverified(self, conditions: list[Condition]) -> list[str]:
        """Return the names of unverified thresholds that these conditions need."""
        names = dict.fromkeys(name for condition in conditions for name in condition.thresholds)
        return [name for name in names if not self.thresholds[name].verified]

    def practice_only(self, conditions: list[Condition]) -> bool:
        """Return whether these conditions rest on an unverified threshold or on an unverified first response."""
        answers = any(condition.metric == "complications_answered" for condition in conditions)
        unread = any(row.status != "verified" for row in self.complications.values())
        return bool(self.unverified(conditions)) or (answers and unread)


def parse_rubric(data: bytes, name: str) -> Rubric:
    """Return the rubric in `data`, the bytes of the file `name`. DataError: file, key, value, expected."""
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{name}: not valid TOML: {error}") from None
    try:
        return Rubric.model_validate({**tables, "hash": hashlib.sha256(data).hexdigest()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        message = str(first["msg"]).removeprefix("Value error, ")
        raise DataError(f"{name}: key '{key}': {message}{_said(first['input'])}") from None


def _said(value: object) -> str:
    return f" (it is {value!r})" if isinstance(value, str | int | float) else ""


def read_rubric(path: str | Path) -> Rubric:
    """Return the rubric of a file; DataError when it cannot be read or says something that it may not say."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected a rubric (TOML)") from None
    return parse_rubric(data, str(path))


def assessment_blockers(rubric: Rubric) -> list[str]:
    """Return why this rubric may not be used in an assessment: every unread source or number that gates; [] when none does."""
    out = ["the rubric is for practice only"] if rubric.rubric.practice_only else []
    out += [f"critical '{error.id}' rests on a source that nobody has read" for error in rubric.critical if not error.verified]
    for where, conditions in _gating(rubric):
        for name in rubric.unverified(conditions):
            row = rubric.thresholds[name]
            out.append(f"{where} rests on threshold '{name}' ({row.value:g} {row.unit}, {row.status}): {row.source}")
    return out


def set_aside(rubric: Rubric) -> list[str]:
    """Return the ids of checklist items that rest on unverified numbers: practice only, no points in an assessment."""
    return [item.id for item in rubric.checklist if rubric.practice_only(item.needs_all)]


def _gating(rubric: Rubric) -> Iterator[tuple[str, list[Condition]]]:
    yield "passing", rubric.passing.needs_all
    for error in rubric.critical:
        yield f"critical '{error.id}'", error.when_any
