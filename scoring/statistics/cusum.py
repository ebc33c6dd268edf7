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
from scoring.statistics.walk import DIGITS
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
    for number, failed in enumerate(results, 1):
        fails, tries, count = fails + failed, tries + 1, count + failed
        value = round(fails - tries * design.s, DIGITS)
        values.append(value)
        excess.append(count - number * design.p0)
        if value >= design.h1 or value <= -design.h0:
            crossings.append((number, "unacceptable" if value >= design.h1 else "acceptable"))
            fails = tries = 0
    return CusumChart(design, tuple(values), tuple(crossings), tuple(excess))


def average_run_length(up: float, down: float, h: float, p_up: float, cells: int = 2000) -> float:
    """Return the mean number of results until S >= h, S = max(0, S + up or - down) from zero.

    Markov chain on `cells` + 1 heights (Brook & Evans, Biometrika 1972;59:539); a height between two cells is shared
    between them so that its mean is kept. The error falls with the cell size; 2000 cells give about four digits.
    """
    for name, number in (("weight up", up), ("weight down", down), ("h", h)):
        positive(name, number)
    probability("p", p_up, ends=True)
    whole("cells", cells, 10, 100_000)
    if p_up == 0:
        raise UsageError("p is 0: the chart never rises; expected a chance above 0")
    step = h / cells
    start = np.arange(cells)
    rows, columns, chances = [], [], []
    for weight, chance in ((up, p_up), (-down, 1 - p_up)):
        target = np.maximum(0.0, start + weight / step)
        low = np.floor(target)
        for cell, share in ((low, 1 - (target - low)), (low + 1, target - low)):
            keep = cell < cells
            rows.append(start[keep])
            columns.append(cell[keep].astype(int))
            chances.append((share * chance)[keep])
    move = csr_matrix((np.concatenate(chances), (np.concatenate(rows), np.concatenate(columns))), shape=(cells, cells))
    length = spsolve((identity(cells, format="csc") - move.tocsc()), np.ones(cells))
    if not np.isfinite(length[0]) or length[0] < 1:
        raise UsageError(f"the run length to h = {h:g} cannot be computed: a signal is all but impossible")
    return float(length[0])
