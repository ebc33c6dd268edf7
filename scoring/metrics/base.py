"""What a metric is: a named fold with a unit, started once and stepped fact by fact.

A fact is an Event or a Command with its tick. A step is pure: it takes the measure so far and a Moment (the
fact and the Situation before it) and returns the next measure, the same object when nothing changed. The
same fold serves the score at the end and the coach during the attempt. All values are whole numbers or
booleans; `None` means that the attempt gave nothing to measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from scoring.metrics.situation import Situation
from sim.command import Command
from sim.event import Event

METRIC_SPEC = "scottie-metrics 1"
"""Version of every definition in this package. It is raised whenever the same facts could give another value."""

TICK_MS = 10
"""One tick of command time (docs/ARCHITECTURE.md)."""

Unit = Literal["bool", "count", "um", "mdeg", "ms", "ul", "ug", "permille", "gauge", "pgy_m2", "ngy", "um_s", "mpa_s"]
Value = int | bool | None
Fact = Event | Command


@dataclass(frozen=True)
class Settings:
    """The words of a rubric that metrics need: which agents count, which tissues are canal, doses."""

    therapeutic: frozenset[str]  # kinds whose injection is the treatment, e.g. {"steroid"}
    drugs: frozenset[str]  # kinds that may harm where they do not belong
    canal_tissues: frozenset[str]
    counting_landmarks: frozenset[str]  # seen in an AP picture, they let one count levels
    complications: tuple[tuple[str, tuple[str, tuple[str, ...]]], ...] = ()  # sign -> (its name, first responses)
    ug_per_ul: tuple[tuple[str, int], ...] = ()  # agent name -> dose per volume (mg/mL = ug/uL)

    def dose_ug(self, agent: str, volume_ul: int) -> int | None:
        """Return the dose of a volume, None for an agent whose strength the rubric does not know."""
        strength = dict(self.ug_per_ul).get(agent)
        return None if strength is None else strength * volume_ul


@dataclass(frozen=True)
class Moment:
    """One fact as a metric meets it. `before` is the situation up to, not including, the fact."""

    tick: int
    fact: Fact
    before: Situation
    settings: Settings

    @property
    def kind(self) -> str:
        """Kind of an event; "" for a command."""
        return self.fact.kind if isinstance(self.fact, Event) else ""

    def __getitem__(self, name: str) -> Any:
        """Return a field of the event (a metric asks for fields only after asking for the kind)."""
        assert isinstance(self.fact, Event)
        return self.fact[name]

    def has(self, name: str) -> bool:
        """Return True when the fact is an event with this field."""
        return isinstance(self.fact, Event) and name in self.fact.data

    @property
    def treats(self) -> bool:
        """True when an injection of the therapeutic agent starts or stops here."""
        return self.kind in ("injection_started", "injection_stopped") and self["kind"] in self.settings.therapeutic

    @property
    def drugs(self) -> bool:
        """True when an injection of any drug (not contrast, not saline) starts or stops here."""
        return self.kind in ("injection_started", "injection_stopped") and self["kind"] in self.settings.drugs

    @property
    def treatment_starts(self) -> bool:
        """True when an injection of the therapeutic agent starts here; cement counts where the rubric names it as such."""
        if self.kind == "cement_started":
            return "cement" in self.settings.therapeutic
        return self.treats and self.kind == "injection_started"


@dataclass(frozen=True)
class Measure:
    """A metric's value so far, the ticks that it rests on and the reason in words. `memo` is private."""

    value: Value = None
    ticks: tuple[int, ...] = ()
    why: str = ""
    memo: Any = None

    @property
    def tick(self) -> int:
        """First tick that the value rests on, -1 when none."""
        return self.ticks[0] if self.ticks else -1

    def set(self, value: Value, now: Moment, why: str = "") -> Measure:
        """Return the measure with a new value that rests on this moment alone."""
        return replace(self, value=value, ticks=(now.tick,), why=why)

    def count(self, now: Moment, why: str = "", by: int = 1) -> Measure:
        """Return the measure with a count raised; the reason of the first occurrence is kept."""
        return replace(self, value=int(self.value or 0) + by, ticks=(*self.ticks, now.tick), why=self.why or why)

    def add(self, amount: int, now: Moment) -> Measure:
        """Return the measure with an amount added (totals)."""
        return replace(self, value=int(self.value or 0) + amount, ticks=(*self.ticks, now.tick))


Step = Callable[[Measure, Moment], Measure]


@dataclass(frozen=True)
class MetricSpec:
    """A registered metric: name, unit, definition (the docstring of its step) and its start value."""

    name: str
    unit: Unit
    start: Value
    step: Step
    definition: str

    def begin(self) -> Measure:
        """Return the measure before any fact."""
        return Measure(self.start)


REGISTRY: dict[str, MetricSpec] = {}
"""All metrics by name."""


def metric(name: str, unit: Unit, start: Value = None) -> Callable[[Step], Step]:
    """Register a step function as a metric; its docstring is the definition."""

    def register(step: Step) -> Step:
        if name in REGISTRY or not step.__doc__:
            raise ValueError(f"metric '{name}' is registered twice or has no definition")
        REGISTRY[name] = MetricSpec(name, unit, start, step, " ".join(step.__doc__.split()))
        return step

    return register
