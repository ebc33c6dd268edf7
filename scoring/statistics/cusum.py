"""CUSUM in the form of Bolsin and Kestin, which asks whether the failure rate is still acceptable.

Each success takes s off, each failure adds 1 - s; crossing h1 upwards says that the rate is unacceptable, crossing h0
downwards that it is acceptable; both restart the count. Formulas: Bolsin & Colson, Int J Qual Health Care 2000;12:433;
Kestin, Br J Anaesth 1995;75:805, as encoded in oracles.toml.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, identity
from scipy.sparse.linalg import spsolve

from scoring.statistics.checks import outcomes, positive, probability, two_rates, whole
from scoring.statistics.walk import DIGITS, height
from sim.errors import UsageError


@dataclass(frozen=True)
class CusumDesign:
    """Acceptable (p0) and unacceptable (p1) failure rate, error rates, and what follows from them."""

    p0: float
    p1: float
    alpha: float
    beta: float
    s: float
    h0: float
    h1: float


def cusum_design(p0: float, p1: float, alpha: float = 0.1, beta: float = 0.1) -> CusumDesign:
    """Return s, h0 and h1: P = ln(p1/p0), Q = ln((1-p0)/(1-p1)), s = Q/(P+Q), h = ln((1-a)/b)/(P+Q)."""
    p0, p1 = two_rates(p0, p1)
    probability("alpha", alpha)
    probability("beta", beta)
    if alpha + beta >= 1:
        raise UsageError(f"alpha {alpha:g} and beta {beta:g}; expected a sum below 1")
    p, q = math.log(p1 / p0), math.log((1 - p0) / (1 - p1))
    return CusumDesign(
        p0, p1, alpha, beta, q / (p + q), math.log((1 - alpha) / beta) / (p + q), math.log((1 - beta) / alpha) / (p + q)
    )


@dataclass(frozen=True)
class CusumChart:
    """Data of the plot. values: after each attempt, counted from the last crossing; crossings: (attempt, verdict).

    observed_minus_expected: failures so far minus p0 times the attempts (never restarted).
    """

    design: CusumDesign
    values: tuple[float, ...]
    crossings: tuple[tuple[int, str], ...]
    observed_minus_expected: tuple[float, ...]

    @property
    def state(self) -> str:
        """The last crossing's verdict: "acceptable", "unacceptable", or "undecided" before the first."""
        return self.crossings[-1][1] if self.crossings else "undecided"


def cusum(failures: Sequence[bool], design: CusumDesign) -> CusumChart:
    """Return the chart of failures (True) in order; it restarts at zero after each crossing."""
    results = outcomes("results", failures)
    values: list[float] = []
    crossings: list[tuple[int, str]] = []
    excess, fails, tries, count = [], 0, 0, 0
    h0, h1 = round(design.h0, DIGITS), round(design.h1, DIGITS)  # whole failures can lie on a line exactly (p1 = 3 p0)
    for number, failed in enumerate(results, 1):
        fails, tries, count = fails + failed, tries + 1, count + failed
        value = round(fails - tries * design.s, DIGITS)
        values.append(value)
        excess.append(count - number * design.p0)
        if value >= h1 or value <= -h0:
            crossings.append((number, "unacceptable" if value >= h1 else "acceptable"))
            fails = tries = 0
    return CusumChart(design, tuple(values), tuple(crossings), tuple(excess))


def average_run_length(up: float, down: float, h: float, p_up: float, states: int = 20_000) -> float:
    """Return the mean number of results until S >= h, S = max(0, S + up or - down) from zero.

    Markov chain (Brook & Evans, Biometrika 1972;59:539) on the heights that can really be reached, as in `walk`, not on a
    grid: a grid is wrong by a tenth and more where h lies close to a multiple of a weight. Heights beyond the first
    `states` that are reached fall together with the nearest of those.
    """
    for name, number in (("weight up", up), ("weight down", down), ("h", h)):
        positive(name, number)
    probability("p", p_up, ends=True)
    if p_up == 0:
        raise UsageError("p is 0: the chart never rises; expected a chance above 0")
    heights, moves = _reachable(up, down, round(h, DIGITS), whole("states", states, 10, 1_000_000))
    size = len(heights)
    rows, columns, chances = [], [], []
    for state, (after_up, after_down) in enumerate(moves):
        for target, chance in ((after_up, p_up), (after_down, 1 - p_up)):
            if target >= 0:
                rows.append(state)
                columns.append(target)
                chances.append(chance)
    move = csr_matrix((chances, (rows, columns)), shape=(size, size))
    length = float(spsolve(identity(size, format="csc") - move.tocsc(), np.ones(size))[0])
    if not math.isfinite(length) or length < 1:
        raise UsageError(f"the run length to h = {h:g} cannot be computed: a signal is all but impossible")
    return length


def _reachable(up: float, down: float, h: float, most: int) -> tuple[list[float], list[tuple[int, int]]]:
    """Return the heights below h in the order they are reached, and where each result leads (-1: a signal)."""
    at: dict[tuple[int, int], int] = {(0, 0): 0}
    order, heights = [(0, 0)], [0.0]
    targets: list[list[tuple[int, int] | float | None]] = []
    for ups, downs in order:  # grows while it is read
        found: list[tuple[int, int] | float | None] = []
        for new in ((ups + 1, downs), (ups, downs + 1)):
            level = height(*new, up, down)
            if level >= h:
                found.append(None)
            elif level <= 0:
                found.append((0, 0))
            elif new in at or len(order) < most:
                if new not in at:
                    at[new] = len(order)
                    order.append(new)
                    heights.append(level)
                found.append(new)
            else:
                found.append(level)
        targets.append(found)
    by_height = np.argsort(heights, kind="stable")
    levels = np.array(heights)[by_height]

    def index(target: tuple[int, int] | float | None) -> int:
        if target is None:
            return -1
        if isinstance(target, tuple):
            return at[target]
        k = int(np.searchsorted(levels, target))
        near = min((k - 1, k), key=lambda j: abs(levels[j] - target) if 0 <= j < levels.size else math.inf)
        return int(by_height[near])

    return heights, [(index(one), index(other)) for one, other in targets]
