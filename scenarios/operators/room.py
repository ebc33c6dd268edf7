"""The room as a scripted operator meets it: hands (commands), eyes (pictures), ears (events).

A script is a generator that yields commands; `None` lets one tick pass. It learns where the needle is only
from pictures: `Room.tip_seen` is the tip as it stood at the newest pulse. Anatomy is read from the
phantom's landmarks, as a trained eye reads it from the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenarios.operators.skill import Hands
from scenarios.registry import Scenario
from sim.command import IDLE, Command
from sim.event import Event
from sim.frames import Gantry, gantry
from sim.session import TICKS_PER_SECOND
from sim.state import State, Study

F64 = NDArray[np.float64]
Acts = Generator[Command | None, None, None]
Script = Callable[["Room"], Acts]

REACTION_TICKS = 40
"""Pause of a person between one act and the next (0.4 s)."""


@dataclass
class Room:
    """What an operator can do and perceive. `state` is updated by the driver before each step."""

    study: Study
    scenario: Scenario
    state: State
    events: list[Event] = field(default_factory=list)
    tip_seen: F64 | None = None
    hands: Hands = field(default_factory=Hands)
    read: bool = False  # the chart was opened, or this operator has decided to leave it
    answered: set[str] = field(default_factory=set)  # signs of a complication that this operator has noticed
    _pictures: int = 0

    def perceive(self, state: State, new: tuple[Event, ...]) -> None:
        """Take in the tick that passed: its events, and the tip when a pulse showed it."""
        self.state = state
        self.events.extend(new)
        if state.carm.pictures != self._pictures:
            self._pictures = state.carm.pictures
            if state.needle.placed:
                self.tip_seen = np.array(state.needle.tip_mm)

    # hands

    def do(self, op: str, *args: int) -> Acts:
        """Give one command and wait as long as a person takes to see that it was obeyed."""
        yield Command(op, args)
        yield from self.wait(round(REACTION_TICKS * self.hands.pace("time")))

    def wait(self, ticks: int) -> Acts:
        """Let time pass."""
        for _ in range(ticks):
            yield None

    def until(self, done: Callable[[State], bool], limit_s: float = 60.0) -> Acts:
        """Wait until `done(state)`, at most limit_s."""
        for _ in range(int(limit_s * TICKS_PER_SECOND)):
            if done(self.state):
                return
            yield None

    def turn_carm(self, primary_mdeg: int, secondary_mdeg: int) -> Acts:
        """Bring the C-arm to the angles and wait for it."""
        yield Command("carm.to", (primary_mdeg, secondary_mdeg))
        yield None
        yield from self.until(
            lambda s: (s.carm.primary_mdeg, s.carm.secondary_mdeg) == (s.carm.primary_target_mdeg, s.carm.secondary_target_mdeg)
        )

    def centre_carm(self, point_mm: F64) -> Acts:
        """Bring the isocentre to a point of the patient."""
        yield Command("carm.centre", (micrometres(point_mm[0]), micrometres(point_mm[1]), micrometres(point_mm[2])))
        yield None
        yield from self.until(lambda s: s.carm.centre_um == s.carm.centre_target_um)

    def shoot(self) -> Acts:
        """Take one picture and look at it."""
        before = self.state.carm.pictures
        yield Command("xray.shot")
        yield from self.until(lambda s: s.carm.pictures > before, 2.0)
        yield from self.wait(REACTION_TICKS)

    def advance(self, delta_mm: float, speed_mm_s: float) -> Acts:
        """Push (or pull) the needle by delta_mm and wait until it has stopped."""
        yield Command("needle.move", (micrometres(delta_mm), micrometres(speed_mm_s)))
        yield None
        yield from self.until(lambda s: not s.needle.moving, abs(delta_mm) / speed_mm_s + 2.0)

    # eyes and ears

    def axes(self) -> Gantry:
        """Return the picture axes of the present C-arm position."""
        return gantry(self.state.carm.primary_mdeg, self.state.carm.secondary_mdeg)

    def heard(self, kind: str, since: int = 0) -> list[Event]:
        """Return the events of a kind from tick `since` on."""
        return [fact for fact in self.events if fact.kind == kind and fact.tick >= since]


def micrometres(length_mm: float) -> int:
    """Return a length in mm as a whole number of micrometres."""
    return round(float(length_mm) * 1000.0)


def perform(
    study: Study,
    scenario: Scenario,
    script: Script,
    tick: Callable[[Command], tuple[State, tuple[Event, ...]]],
    state: State,
    limit_s: float = 3600.0,
) -> State:
    """Let a script act: `tick(command)` advances the attempt and returns the new state and events.

    Ends when the script ends, the attempt is finished or limit_s of simulated time have passed.
    """
    room = Room(study, scenario, state)
    for command in script(room):
        state, new = tick(IDLE if command is None else command)
        room.perceive(state, new)
        if state.procedure.finished or state.tick > limit_s * TICKS_PER_SECOND:
            break
    return state
