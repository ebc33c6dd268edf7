"""What the attempt looked like, moment by moment: for the debrief's replay, its pictures, and for undo.

States are immutable, so keeping one is keeping a reference.
"""

from __future__ import annotations

import bisect
from typing import Any

from sim.state import State
from sim.view import View

STEP_TICKS = 20
ACT_GAP_TICKS = 100
"""Commands closer together than this are one act for undo (a hand that taps a key five times)."""
MOST_VIEWS = 4000


class History:
    """States every 0.2 s, the views of all pictures, and where each act of the hands began."""

    def __init__(self) -> None:
        self._ticks: list[int] = []
        self._states: list[State] = []
        self.views: list[tuple[int, View, dict[str, Any]]] = []
        self._acts: list[int] = []
        self._last_act = -(10**9)

    @property
    def last_tick(self) -> int:
        """The newest moment kept (0 before the first)."""
        return self._ticks[-1] if self._ticks else 0

    def keep(self, state: State, force: bool = False) -> None:
        """Keep the state if it is time for the next one."""
        if force or not self._ticks or state.tick - self._ticks[-1] >= STEP_TICKS:
            if self._ticks and self._ticks[-1] == state.tick:
                self._states[-1] = state
                return
            self._ticks.append(state.tick)
            self._states.append(state)

    def pictured(self, view: View, about: dict[str, Any]) -> None:
        """Keep the view of a picture that was asked for."""
        self.views.append((int(about["tick"]), view, dict(about)))
        if len(self.views) > MOST_VIEWS:
            del self.views[1::2]  # every other one: a long attempt keeps its whole length

    def acted(self, tick: int) -> None:
        """Note that a command was obeyed at this tick."""
        if tick - self._last_act > ACT_GAP_TICKS:
            self._acts.append(tick - 1)
        self._last_act = tick

    def rewound(self, other: History, tick: int) -> None:
        """Take over what another history held up to a tick."""
        kept = bisect.bisect_right(other._ticks, tick)
        self._ticks, self._states = other._ticks[:kept], other._states[:kept]
        self.views = [row for row in other.views if row[0] <= tick]
        self._acts = [act for act in other._acts if act < tick]
        self._last_act = -(10**9)

    @property
    def before_last_act(self) -> int | None:
        """The tick before the newest act, None when nothing was done yet."""
        return self._acts[-1] if self._acts else None

    def state_at(self, tick: int) -> State | None:
        """Return the last state kept at or before a tick (the first one before that), None when there is none."""
        if not self._ticks:
            return None
        return self._states[max(0, bisect.bisect_right(self._ticks, tick) - 1)]

    def view_at(self, tick: int) -> tuple[int, View, dict[str, Any]] | None:
        """Return the last picture at or before a tick, None when there was none."""
        at = bisect.bisect_right([t for t, _, _ in self.views], tick) - 1
        return self.views[at] if at >= 0 else None

    def path_mm(self, tick: int) -> list[Any]:
        """Return the tips of the placed needle up to a tick, oldest first, without repeats."""
        out: list[Any] = []
        for when, state in zip(self._ticks, self._states, strict=True):
            if when > tick:
                break
            if state.needle.placed and (not out or out[-1] is not state.needle.tip_mm):
                out.append(state.needle.tip_mm)
        return out
