"""Risk-adjusted CUSUM: easy and hard cases weigh differently.

Steiner, Cook, Farewell & Treasure, Biostatistics 2000;1:441. With chance of failure p of the case and odds ratio OM to
detect: weight of a failure ln(OM / (1 - p + OM p)), of a success ln(1 / (1 - p + OM p)). OM > 1 watches for
deterioration (the chart is >= 0), OM < 1 for improvement (drawn downwards, <= 0, as the R package cusum does).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.statistics.checks import Floats, outcomes, positive, probability, vector, whole
from scoring.statistics.walk import DIGITS, walk
from sim.errors import UsageError
from sim.rng import stream


def steiner_weight(failed: bool, p: float, odds_multiplier: float) -> float:
    """Return the log-likelihood ratio of one result."""
    probability("p", p)
    _odds(odds_multiplier)
    below = 1 - p + odds_multiplier * p
    return math.log((odds_multiplier if failed else 1.0) / below)


def _odds(multiplier: float) -> float:
    if positive("odds multiplier", multiplier) == 1:
        raise UsageError("odds multiplier is 1: nothing to detect; expected above 1 (worse) or below 1 (better)")
    return multiplier


def logistic_risk(intercept: float, slope: float, x: float) -> float:
    """Return the chance of failure of a case with score x, 1 / (1 + exp(-(intercept + slope x)))."""
    return 1 / (1 + math.exp(-(intercept + slope * x)))


@dataclass(frozen=True)
class RaCusumChart:
    """values: the chart after each case (negative when it watches for improvement); signals: cases at the limit."""

    values: tuple[float, ...]
    signals: tuple[int, ...]
    limit: float | None


def ra_cusum(
    failures: Sequence[bool], risks: Sequence[float], odds_multiplier: float, limit: float | None = None
) -> RaCusumChart:
    """Return the chart of cases in order with their risks. It goes on after a signal (no restart)."""
    results, chances = outcomes("results", failures), vector("risks", risks, 0)
    if len(results) != chances.size:
        raise UsageError(f"{len(results)} results and {chances.size} risks; expected one risk for each")
    sign = 1.0 if _odds(odds_multiplier) > 1 else -1.0
    level, values, signals = 0.0, [], []
    for number, (failed, p) in enumerate(zip(results, chances, strict=True), 1):
        level = max(0.0, level + steiner_weight(failed, float(p), odds_multiplier))
        values.append(sign * level)
        if limit is not None and round(level - abs(limit), DIGITS) >= 0:
            signals.append(number)
    return RaCusumChart(tuple(values), tuple(signals), limit)


def simulated_maxima(risks: Sequence[float], odds_multiplier: float, runs: int, seed: int, n: int | None = None) -> Floats:
    """Return the greatest height of each of `runs` charts under no change (seeded).

    risks: one per case in order, or (with `n`) the mix that each of n cases draws its risk from.
    """
    chances = vector("risks", risks)
    for p in (float(chances.min()), float(chances.max())):
        probability("risk", p)
    whole("runs", runs, 1, 1_000_000)
    _odds(odds_multiplier)
    generator = stream(seed, "ra-cusum")
    height, most = np.zeros(runs), np.zeros(runs)
    for case in range(n if n is not None else chances.size):
        risk = chances[generator.integers(0, chances.size, runs)] if n is not None else np.full(runs, chances[case])
        failed = generator.random(runs) < risk
        height = np.maximum(0.0, height + np.log(np.where(failed, odds_multiplier, 1.0) / (1 - risk + odds_multiplier * risk)))
        most = np.maximum(most, height)
    return most


def simulated_limit(
    risks: Sequence[float], odds_multiplier: float, alpha: float, runs: int = 10_000, seed: int = 1, n: int | None = None
) -> float:
    """Return the (1 - alpha) quantile of the greatest height (negative for improvement), as R's cusum_limit_sim."""
    probability("alpha", alpha)
    limit = float(np.quantile(simulated_maxima(risks, odds_multiplier, runs, seed, n), 1 - alpha))
    return limit if odds_multiplier > 1 else -limit


def simulated_alpha(
    risks: Sequence[float], odds_multiplier: float, limit: float, runs: int = 10_000, seed: int = 1, n: int | None = None
) -> float:
    """Return the share of charts that reach `limit` under no change, as R's cusum_alpha_sim."""
    return float(np.mean(simulated_maxima(risks, odds_multiplier, runs, seed, n) >= abs(limit)))


def exact_alpha(p: float, n: int, odds_multiplier: float, limit: float) -> float:
    """Return the exact chance that the chart reaches `limit` within n cases of equal risk p (no simulation)."""
    up, down, p_up = _two_weights(p, odds_multiplier)
    return float(walk(up, down, n).signal_by(abs(limit), p_up)[-1])


def exact_limit(p: float, n: int, odds_multiplier: float, alpha: float) -> float:
    """Return the smallest limit with a false-signal chance <= alpha within n cases of equal risk p."""
    probability("alpha", alpha)
    up, down, p_up = _two_weights(p, odds_multiplier)
    limit = walk(up, down, n).limit(p_up, alpha)
    return limit if odds_multiplier > 1 else -limit


def _two_weights(p: float, odds_multiplier: float) -> tuple[float, float, float]:
    fail, good = steiner_weight(True, p, odds_multiplier), steiner_weight(False, p, odds_multiplier)
    return (fail, -good, p) if odds_multiplier > 1 else (good, -fail, 1 - p)


def markov_alpha(risks: Sequence[float], odds_multiplier: float, limit: float, n: int | None = None, cells: int = 1000) -> float:
    """Return the chance of reaching `limit` under no change, for unequal risks, by a Markov chain on `cells` heights.

    risks as in `simulated_maxima`. A height between two cells is shared so that its mean is kept (error of the order
    of the cell size).
    """
    chances = vector("risks", risks)
    step = abs(positive("limit", abs(limit))) / cells
    _odds(odds_multiplier)
    whole("cells", cells, 10, 100_000)
    mass = np.zeros(cells)
    mass[0] = 1.0
    mixed, share = np.unique(chances, return_counts=True)
    for case in range(n if n is not None else chances.size):
        cases = list(zip(mixed, share / chances.size, strict=True)) if n is not None else [(chances[case], 1.0)]
        new = np.zeros(cells)
        for p, part in cases:
            for failed, chance in ((True, p), (False, 1 - p)):
                new += part * chance * _moved(mass, steiner_weight(failed, float(p), odds_multiplier) / step)
        mass = new
    return float(1 - mass.sum())


def _moved(mass: Floats, cells: float) -> Floats:
    """Return `mass` moved by a number of cells; below zero it gathers at zero, above the limit it is gone."""
    target = np.maximum(0.0, np.arange(mass.size) + cells)
    low = np.floor(target).astype(int)
    part = target - low
    out = np.bincount(np.minimum(low, mass.size), mass * (1 - part), mass.size + 2)
    out += np.bincount(np.minimum(low + 1, mass.size), mass * part, mass.size + 2)
    return np.asarray(out[: mass.size], dtype=np.float64)
