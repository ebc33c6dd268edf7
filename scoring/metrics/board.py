"""All metrics of an attempt together: start, step, read. The score and the live coach use the same board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from scoring.metrics.base import REGISTRY, Fact, Measure, Moment, Settings
from scoring.metrics.situation import Situation
from sim.command import Command
from sim.event import Event


@dataclass(frozen=True)
class Board:
    """The measures so far. `step` returns a new board and never changes this one."""

    settings: Settings
    situation: Situation
    measures: Mapping[str, Measure]

    def step(self, tick: int, fact: Fact) -> Board:
        """Return the board after one fact; facts come in order of time, a tick's command before its events."""
        moment = Moment(tick, fact, self.situation, self.settings)
        changed = {}
        for name, old in self.measures.items():
            new = REGISTRY[name].step(old, moment)
            if new is not old:
                changed[name] = new
        situation = self.situation.step(tick, fact)
        return replace(self, situation=situation, measures=MappingProxyType({**self.measures, **changed}))


def begin(settings: Settings, names: Iterable[str] | None = None) -> Board:
    """Return a board before any fact, of all metrics or of the named ones."""
    chosen = sorted(REGISTRY if names is None else names)
    return Board(settings, Situation(), MappingProxyType({name: REGISTRY[name].begin() for name in chosen}))


def in_order(commands: Iterable[tuple[int, Command]], events: Iterable[Event]) -> Iterator[tuple[int, Fact]]:
    """Yield (tick, fact) in order of time: a tick's commands before its events, each as they were given."""
    facts: list[tuple[int, int, Fact]] = [(tick, 0, command) for tick, command in commands]
    facts += [(fact.tick, 1, fact) for fact in events]
    for tick, _, fact in sorted(facts, key=lambda row: row[:2]):
        yield tick, fact


def measure(
    settings: Settings, commands: Iterable[tuple[int, Command]], events: Iterable[Event], names: Iterable[str] | None = None
) -> Mapping[str, Measure]:
    """Return all measures of an attempt."""
    board = begin(settings, names)
    for tick, fact in in_order(commands, events):
        board = board.step(tick, fact)
    return board.measures
