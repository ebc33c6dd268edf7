"""The core's front: begin, advance, view. Pure functions of (study, state, command); one tick is 10 ms.

Order within a tick, always the same: procedure, C-arm, needle, lead, injectate, cement, generator, drill, touch, block,
patient. An engine reads the state of its siblings as it was when its turn came, never their code; facts travel as events.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from sim import block, carm, cement, drill, heat, lead, needle, patient, procedure, spread, touch
from sim.command import IDLE, Command
from sim.event import Event, event
from sim.state import State, Study
from sim.view import View

TICK_MS = 10
TICKS_PER_SECOND = 100

ENGINES: tuple[tuple[str, Callable[[Study, State, Command], tuple[object, list[Event]]]], ...] = (
    ("procedure", procedure.advance),
    ("carm", carm.advance),
    ("needle", needle.advance),
    ("lead", lead.advance),
    ("spread", spread.advance),
    ("cement", cement.advance),
    ("heat", heat.advance),
    ("drill", drill.advance),
)
"""Parts of the state and who advances them, in the order of a tick. Those of HEARERS come after them."""

HEARERS: tuple[tuple[str, Callable[[Study, State, Command, tuple[Event, ...]], tuple[object, list[Event]]]], ...] = (
    ("touch", touch.advance),
    ("block", block.advance),
    ("patient", patient.advance),
)
"""Parts of the state that live on the events of this tick, each on those of the ones before it too."""


def begin(study: Study) -> tuple[State, tuple[Event, ...]]:
    """Return the state at tick 0 and the opening event."""
    state = State(
        carm=drill.placed(study, carm.begin(study)),
        needle=needle.begin(study),
        lead=lead.begin(study),
        spread=spread.begin(study),
        patient=patient.begin(study),
        procedure=procedure.begin(study),
        touch=touch.begin(study),
        block=block.begin(study),
        heat=heat.begin(study),
        chain=hashlib.sha256(study.hash.encode()).digest(),
    )
    plan = study.plan
    began = event(0, "began", scenario=study.scenario, level=plan.level, side=plan.side, approach=plan.approach)
    goals = (event(0, "planned", level=goal.level, side=goal.side) for goal in plan.further)
    charted = (event(0, "charted", finding=d.finding, must=d.must, what=d.what, says=d.says) for d in study.chart)
    return state, (began, *goals, *charted, *drill.asked(study, 0, 0))


def advance(study: Study, state: State, command: Command = IDLE) -> tuple[State, tuple[Event, ...]]:
    """Return the state one tick later and what happened in it. After `finish` nothing changes any more."""
    if state.procedure.finished:
        return state, ()
    tick = state.tick + 1
    events: list[Event] = []
    chain = state.chain
    if command is not IDLE and command.op != "idle":
        asked = command
        command = asked.clamped()
        if command is not asked:
            events.append(event(tick, "clamped", op=asked.op, asked=list(asked.args), done=list(command.args)))
        chain = hashlib.sha256(chain + f"{tick}:{asked.op}:{asked.args}".encode()).digest()
        if why := drill.refusal(study, command):
            events.append(event(tick, "refused", op=command.op, why=why))
            command = IDLE
    state = replace(state, tick=tick, chain=chain)

    for name, engine in ENGINES:
        part, new = engine(study, state, command)
        events += new
        state = _with(state, name, part)
    for name, hearer in HEARERS:
        part, new = hearer(study, state, command, tuple(events))
        events += new
        state = _with(state, name, part)
    part_p, new = procedure.heard(study, state, tuple(events))
    events += new
    return _with(state, "procedure", part_p), tuple(events)


def _with(state: State, name: str, part: object) -> State:
    """Return the state with one part put in; the same state when the part did not change."""
    return state if part is getattr(state, name) else replace(state, **{name: part})  # type: ignore[arg-type]


def view(study: Study, state: State) -> View:
    """Return what a picture taken now would show."""
    seen = carm.view(study, state)
    return seen if not state.lead.nodes else replace(seen, wires=lead.wires(study, state))


class Session:
    """A running attempt for doors that live in real time: keeps the state, the events and a command queue."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.state, opening = begin(study)
        self.events: list[Event] = list(opening)
        self._queue: deque[Command] = deque()

    @property
    def finished(self) -> bool:
        """True once `finish` was obeyed."""
        return self.state.procedure.finished

    @property
    def waiting(self) -> int:
        """Number of commands not yet obeyed."""
        return len(self._queue)

    def send(self, *commands: Command) -> None:
        """Queue commands; one is obeyed per tick."""
        self._queue.extend(commands)

    def tick(self) -> tuple[Command, tuple[Event, ...]]:
        """Advance one tick; return the command obeyed (IDLE if none) and the events of the tick."""
        command = self._queue.popleft() if self._queue else IDLE
        self.state, new = advance(self.study, self.state, command)
        self.events.extend(new)
        return command, new
