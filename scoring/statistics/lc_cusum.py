"""LC-CUSUM: whether a trainee has reached the acceptable failure rate, with limits that fit the number of attempts.

Biau et al., Br J Surg 2008;95:925 (the chart); limits by an exact dynamic programme (scoring.statistics.walk). On an
unlimited number of attempts every trainee is signalled in the end, adequate or not: a limit belongs to a horizon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scoring.statistics.checks import outcomes, positive, probability, two_rates, whole
from scoring.statistics.walk import MOST_STEPS, height, path, walk


@dataclass(frozen=True)
class LcCusumDesign:
    """Acceptable and unacceptable failure rate, the number of attempts, the limit and what it is worth.

    false_signal: chance that a trainee who fails at p1 is signalled within the horizon. power: the same at p0.
    straight: successes in a row that signal from zero.
    """

    p0: float
    p1: float
    horizon: int
    alpha: float
    h: float
    straight: int
    false_signal: float
    power: float

    @property
    def up(self) -> float:
        """Weight of a success, ln((1-p0)/(1-p1))."""
        return math.log((1 - self.p0) / (1 - self.p1))

    @property
    def down(self) -> float:
        """Weight of a failure, ln(p1/p0), taken off."""
        return math.log(self.p1 / self.p0)

    def as_dict(self) -> dict[str, Any]:
        """Return the design for JSON."""
        names = ("p0", "p1", "horizon", "alpha", "h", "straight", "false_signal", "power")
        return {name: getattr(self, name) for name in names}


def signal_probability(p0: float, p1: float, h: float, attempts: int, failure_rate: float) -> float:
    """Return the chance of a signal within `attempts` for a trainee who fails at `failure_rate`."""
    p0, p1 = two_rates(p0, p1)
    whole("attempts", attempts, 1, MOST_STEPS)
    probability("failure rate", failure_rate, ends=True)
    up, down = math.log((1 - p0) / (1 - p1)), math.log(p1 / p0)
    return float(walk(up, down, attempts).signal_by(positive("h", h), 1 - failure_rate)[-1])


@lru_cache(maxsize=256)
def lc_cusum_design(p0: float, p1: float, horizon: int, alpha: float = 0.05) -> LcCusumDesign:
    """Return the design whose false-signal chance within `horizon` attempts is at most `alpha`.

    UsageError for impossible rates, and where no limit below certainty exists (horizon too short for alpha).
    """
    p0, p1 = two_rates(p0, p1)
    whole("horizon", horizon, 1, MOST_STEPS)
    probability("alpha", alpha)
    up, down = math.log((1 - p0) / (1 - p1)), math.log(p1 / p0)
    states = walk(up, down, horizon)
    h = states.limit(1 - p1, alpha)
    straight = 1
    while height(straight, 0, up, down) < h:
        straight += 1
    false, power = float(states.signal_by(h, 1 - p1)[-1]), float(states.signal_by(h, 1 - p0)[-1])
    return LcCusumDesign(p0, p1, horizon, alpha, h, straight, false, power)


@dataclass(frozen=True)
class LcCusumState:
    """Where a trainee stands. signal_at: number (from 1) of the attempt that signalled; None without a signal.

    beyond: attempts after the horizon, which the limit does not cover and the chart does not read.
    """

    design: LcCusumDesign
    values: tuple[float, ...]
    signal_at: int | None
    beyond: int

    @property
    def value(self) -> float:
        """The chart now."""
        return self.values[-1] if self.values else 0.0

    @property
    def straight_left(self) -> int:
        """Successes in a row that would still be needed for a signal (0 after one)."""
        left = max(0.0, self.design.h - self.value)
        return 0 if self.signal_at else math.ceil(left / self.design.up)


def lc_cusum(successes: Sequence[bool], design: LcCusumDesign) -> LcCusumState:
    """Return the chart of one trainee's attempts in order; it ends at the signal or at the horizon."""
    results = outcomes("results", successes)
    values = path(results[: design.horizon], design.up, design.down)
    hit = next((n for n, value in enumerate(values, 1) if value >= design.h), None)
    return LcCusumState(design, tuple(values if hit is None else values[:hit]), hit, max(0, len(results) - design.horizon))
