"""An attempt without a window: a scripted operator acts, pictures are kept for the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from scenarios.operators import Script
from scenarios.operators.room import perform
from scenarios.registry import Scenario
from sim.command import Command
from sim.event import Event
from sim.session import view
from sim.state import State, Study
from sim.view import View

Tick = Callable[[Command], tuple[State, tuple[Event, ...]]]


@dataclass
class Camera:
    """Remembers what the monitor showed: the view of each single shot, and of a live run the fullest one."""

    study: Study
    kept: list[tuple[int, str, View]] = field(default_factory=list)
    _pictures: int = 0
    _best: View | None = None
    _best_tick: int = 0

    def look(self, state: State, new: tuple[Event, ...]) -> None:
        """Look at the monitor after a tick."""
        if state.carm.pictures != self._pictures:
            self._pictures = state.carm.pictures
            now = view(self.study, state)
            if self._best is None or len(now.contrast_points) >= len(self._best.contrast_points):
                self._best, self._best_tick = now, state.tick
        for fact in new:
            if fact.kind == "exposed" and self._best is not None:
                self.kept.append((self._best_tick, _caption(fact), self._best))
                self._best = None


def _caption(fact: Event) -> str:
    how = {"shot": "single shot", "live": "live", "dsa": "subtraction run"}[fact["mode"]]
    name = fact["view"].replace("_", " ").replace("ap", "AP", 1) if fact["view"] == "ap" else fact["view"].replace("_", " ")
    text = f"{name} ({fact['primary_mdeg'] / 1000:.0f}/{fact['secondary_mdeg'] / 1000:.0f} deg), {how}"
    return f"{text}, {fact['while_injecting'].replace('_', ' ')} running" if fact["while_injecting"] else text


def run_script(study: Study, scenario: Scenario, script: Script, tick: Tick, state: State, camera: Camera | None = None) -> State:
    """Let `script` act through `tick` from `state`; return the last state."""

    def observed(command: Command) -> tuple[State, tuple[Event, ...]]:
        after, new = tick(command)
        if camera is not None:
            camera.look(after, new)
        return after, new

    return perform(study, scenario, script, observed, state)
