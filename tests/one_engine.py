"""A study driven through one engine alone: what the state of the others would be is put in by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import ClassVar, Self

from sim.command import IDLE, Command
from sim.event import Event
from sim.state import State, Study


@dataclass
class OneEngine:
    """Study, state and events of a run in which only `engine` (the part of the state named `part`) advances."""

    engine: ClassVar[ModuleType]
    part: ClassVar[str]

    study: Study
    state: State
    events: list[Event] = field(default_factory=list)

    def do(self, op: str, *args: int) -> Self:
        return self.tick(Command(op, args))

    def tick(self, command: Command = IDLE) -> Self:
        self.state = replace(self.state, tick=self.state.tick + 1)
        part, new = self.engine.advance(self.study, self.state, command)
        self.state = replace(self.state, **{self.part: part})
        self.events += new
        return self

    def last(self, kind: str) -> Event:
        return [e for e in self.events if e.kind == kind][-1]
