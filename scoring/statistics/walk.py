"""The walk under every CUSUM here: up by one weight, down by another, never below zero, signal at S >= h.

A state since the last time at zero is (ups, downs), two whole numbers; its height is ups * up - downs * down rounded to
1e-10. So two orders of the same results meet in the same state exactly, and the distribution of the first signal is an
exact sum over states (no grid, no simulation). A chart rounds in the same way, so chart and limit never disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from scoring.statistics.checks import Floats, positive, probability, whole
from sim.errors import UsageError

DIGITS = 10
MOST_STEPS = 2000


def height(ups: int, downs: int, up: float, down: float) -> float:
    """Return the height of a state, rounded to 1e-10."""
    return round(ups * up - downs * down, DIGITS)


def path(results: Iterable[bool], up: float, down: float) -> list[float]:
    """Return the height after each result (True goes up). Nothing stops it: a signal is for the caller to see."""
    ups = downs = 0
    out = []
    for result in results:
        ups, downs = (ups + 1, downs) if result else (ups, downs + 1)
        level = height(ups, downs, up, down)
        if level <= 0:
            ups = downs = 0
            level = 0.0
        out.append(level)
    return out


@dataclass(frozen=True)
class Walk:
    """All states that `steps` results can reach: heights (state 0 is zero), and where each result leads."""

    heights: Floats
    after_up: NDArray[np.int64]
    after_down: NDArray[np.int64]
    steps: int

    def signal_by(self, h: float, p_up: float) -> Floats:
        """Return P(a signal within the first n results) for n = 1 .. steps, when each goes up with `p_up`."""
        positive("h", h)
        probability("p", p_up, ends=True)
        mass = np.zeros(self.heights.size)
        mass[0] = 1.0
        signals = self.heights >= round(h, DIGITS)
        done, out = 0.0, np.empty(self.steps)
        for n in range(self.steps):
            new = np.zeros_like(mass)
            new += np.bincount(self.after_up, mass * p_up, mass.size)
            new += np.bincount(self.after_down, mass * (1 - p_up), mass.size)
            done += float(new[signals].sum())
            new[signals] = 0.0
            mass = new
            out[n] = done
        return out

    def limit(self, p_up: float, alpha: float) -> float:
        """Return the smallest h (a little above a reachable height) with P(signal within all steps) <= alpha.

        Bisection over the reachable heights: the chance of a signal falls only where h passes one of them.
        UsageError when even the greatest reachable height is signalled too often.
        """
        levels = np.unique(self.heights[self.heights > 0])
        low, high = -1, levels.size - 1  # h just above levels[high] can never signal
        while high - low > 1:
            middle = (low + high) // 2
            if float(self.signal_by(_above(levels[middle]), p_up)[-1]) <= alpha:
                high = middle
            else:
                low = middle
        if high == levels.size - 1:
            raise UsageError(
                f"no limit keeps false signals at or below {alpha:g} within {self.steps} results and can still be reached; "
                f"expected more results or a larger alpha"
            )
        return _above(levels[high])


def _above(level: float) -> float:
    return float(level) + 1e-9


@lru_cache(maxsize=32)
def walk(up: float, down: float, steps: int) -> Walk:
    """Return the states of a walk: `up` and `down` are both above zero."""
    positive("weight up", up)
    positive("weight down", down)
    whole("number of results", steps, 1, MOST_STEPS)
    states = [(0, 0)] + [
        (a, b)
        for a in range(1, steps + 1)
        for b in range(min(steps - a, math.ceil(a * up / down)) + 1)
        if height(a, b, up, down) > 0
    ]
    at = {state: i for i, state in enumerate(states)}
    heights = np.array([height(a, b, up, down) for a, b in states])
    # a state that only more than `steps` results reach leads nowhere that matters: it is sent to itself
    after_up = np.array([at.get((a + 1, b), i) for i, (a, b) in enumerate(states)])
    after_down = np.array([(at.get((a, b + 1), i) if height(a, b + 1, up, down) > 0 else 0) for i, (a, b) in enumerate(states)])
    return Walk(heights, after_up, after_down, steps)
