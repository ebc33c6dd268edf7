"""Setting a cut: contrasting groups, Angoff, Hofstee, borderline regression.

A cut is a judgement that statistics inform. Contrasting groups (Jorgensen, Konge & Subhi, Adv Simul 2018;3:5) with
theoretical and observed false passes and fails and a bootstrap interval; Angoff and Hofstee are a committee's cross-checks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from scoring.statistics.checks import Floats, Interval, percentile_interval, table, vector, whole
from sim.errors import UsageError
from sim.rng import stream


def normal_intersection(m0: float, s0: float, m1: float, s1: float) -> float:
    """Return where two normal densities cross between their means (m0 < m1).

    UsageError when the means are not in this order, an SD is not above 0, or they do not cross between the means.
    """
    for name, value in (("mean of novices", m0), ("mean of experts", m1)):
        if not math.isfinite(value):
            raise UsageError(f"{name} is {value}; expected a number")
    for name, value in (("SD of novices", s0), ("SD of experts", s1)):
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} is {value:g}: all scores of the group are equal; no intersection exists")
    if m0 >= m1:
        raise UsageError(f"novices score {m0:.2f}, experts {m1:.2f}; expected experts above novices on this scale")
    if math.isclose(s0, s1, rel_tol=1e-9):
        return (m0 + m1) / 2
    a = 1 / s0**2 - 1 / s1**2
    b = -2 * (m0 / s0**2 - m1 / s1**2)
    c = m0**2 / s0**2 - m1**2 / s1**2 + 2 * math.log(s0 / s1)
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    inside = [x for x in ((-b - root) / (2 * a), (-b + root) / (2 * a)) if m0 <= x <= m1]
    if not inside:
        raise UsageError(
            "the two groups do not cross between their means: they overlap too much, or their spread differs too much"
        )
    return inside[0]


def theoretical_rates(m0: float, s0: float, m1: float, s1: float, cut: float) -> tuple[float, float]:
    """Return (false passes, false fails): novices above and experts below the cut under two normal curves."""
    return float(stats.norm.sf(cut, m0, s0)), float(stats.norm.cdf(cut, m1, s1))


@dataclass(frozen=True)
class ContrastingGroups:
    """A cut with what it rests on. Rates: share of novices who would pass, of experts who would fail (cut = pass)."""

    cut: Interval
    novices: int
    experts: int
    novice_mean: float
    novice_sd: float
    expert_mean: float
    expert_sd: float
    false_pass: float
    false_fail: float
    observed_false_pass: float
    observed_false_fail: float
    undefined_draws: int

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return {**self.__dict__, "cut": self.cut.as_dict()}


def contrasting_groups(
    novices: Sequence[float], experts: Sequence[float], draws: int = 2000, level: float = 0.95, seed: int = 1
) -> ContrastingGroups:
    """Return the cut where the fitted normal curves of two groups cross, higher scores being better.

    The interval is a bootstrap within each group; draws in which the curves do not cross are left out and counted
    (UsageError if they are more than a tenth: the groups do not stand apart).
    """
    low, high = vector("novices", novices, 3), vector("experts", experts, 3)
    whole("draws", draws, 100, 1_000_000)
    m0, s0, m1, s1 = float(low.mean()), float(low.std(ddof=1)), float(high.mean()), float(high.std(ddof=1))
    cut = normal_intersection(m0, s0, m1, s1)
    cuts = _bootstrap_cuts(low, high, draws, seed)
    if cuts.size < 0.9 * draws:
        raise UsageError(
            f"in {draws - cuts.size} of {draws} bootstrap samples the groups do not cross: they do not stand apart enough"
        )
    fp, fn = theoretical_rates(m0, s0, m1, s1, cut)
    interval = percentile_interval(cut, cuts, level, f"bootstrap within groups, {cuts.size} draws")
    return ContrastingGroups(
        cut=interval,
        novices=low.size,
        experts=high.size,
        novice_mean=m0,
        novice_sd=s0,
        expert_mean=m1,
        expert_sd=s1,
        false_pass=fp,
        false_fail=fn,
        observed_false_pass=float((low >= cut).mean()),
        observed_false_fail=float((high < cut).mean()),
        undefined_draws=draws - cuts.size,
    )


def _bootstrap_cuts(low: Floats, high: Floats, draws: int, seed: int) -> Floats:
    generator = stream(seed, "contrasting groups")
    out = []
    for _ in range(draws):
        a = low[generator.integers(0, low.size, low.size)]
        b = high[generator.integers(0, high.size, high.size)]
        try:
            out.append(normal_intersection(float(a.mean()), float(a.std(ddof=1)), float(b.mean()), float(b.std(ddof=1))))
        except UsageError:
            continue
    return np.array(out)


@dataclass(frozen=True)
class Angoff:
    """A panel's cut: mean over judges of the sums over items, in the unit of the ratings times items.

    se_judges: standard error of the cut from the judges alone; rounds: the cut after each round.
    """

    cut: float
    cut_share: float
    se_judges: float
    judges: int
    items: int
    judge_cuts: tuple[float, ...]
    rounds: tuple[tuple[float, float], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return dict(self.__dict__)


def angoff(rounds: Sequence[Any]) -> Angoff:
    """Return the cut of a (modified) Angoff panel; the last round counts, each round is kept.

    Each round is a judges x items table of the chance (0 to 1) that a just acceptable person succeeds. A modified Angoff
    has two or more rounds with discussion between them; judges and items must stay the same.
    """
    if not rounds:
        raise UsageError("Angoff: no round of ratings; expected at least one table of judges x items")
    tables = [table(f"Angoff round {n}", ratings, least=1) for n, ratings in enumerate(rounds, 1)]
    for n, x in enumerate(tables, 1):
        if ((x < 0) | (x > 1)).any():
            raise UsageError(f"Angoff round {n}: ratings from {x.min():g} to {x.max():g}; expected chances from 0 to 1")
        if x.shape != tables[0].shape:
            raise UsageError(f"Angoff round {n}: {x.shape} judges x items; expected {tables[0].shape} as in round 1")
    if tables[0].shape[0] < 2:
        raise UsageError("Angoff: 1 judge; expected at least 2 (a cut needs an error)")
    judges, items = tables[0].shape
    each = [x.sum(1) for x in tables]
    kept = tuple((float(s.mean()), float(s.std(ddof=1) / math.sqrt(judges))) for s in each)
    cut, error = kept[-1]
    return Angoff(cut, cut / items, error, judges, items, tuple(float(v) for v in each[-1]), kept)


@dataclass(frozen=True)
class Hofstee:
    """The compromise cut. meets is False when the line misses the fail curve; then `note` says what was taken instead."""

    cut: float
    fail_percent: float
    meets: bool
    note: str

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return dict(self.__dict__)


def hofstee(scores: Sequence[float], kmin: float, kmax: float, fmin: float, fmax: float) -> Hofstee:
    """Return the cut where the line from (kmin, fmax) to (kmax, fmin) meets the curve of percent failing (score < cut).

    kmin, kmax: lowest and highest cut that the panel accepts; fmin, fmax: percent failing that it accepts. When the line
    misses the curve: the acceptable cut nearest to the curve, and `meets` is False (a committee has to decide).
    """
    x = np.sort(vector("scores", scores, 2))
    if not (kmin < kmax and 0 <= fmin < fmax <= 100):
        raise UsageError(
            f"limits kmin {kmin:g}, kmax {kmax:g}, fmin {fmin:g}, fmax {fmax:g}; expected kmin < kmax and 0 <= fmin < fmax <= 100"
        )

    def failing(cut: float) -> float:
        return 100.0 * int(np.searchsorted(x, cut, side="left")) / x.size

    def line(cut: float) -> float:
        return fmax + (cut - kmin) * (fmin - fmax) / (kmax - kmin)

    if failing(kmin) > fmax:
        return Hofstee(kmin, failing(kmin), False, f"more than {fmax:g} % fail even at the lowest acceptable cut")
    if failing(kmax) < fmin:
        return Hofstee(kmax, failing(kmax), False, f"fewer than {fmin:g} % fail even at the highest acceptable cut")
    low, high = kmin, kmax  # the fail curve never falls, the line always does: one meeting point
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if failing(middle) < line(middle) else (low, middle)
    cut = round(high, 6)
    if failing(high) > line(high) + 1e-6:  # they meet where the curve steps, at somebody's score: that score fails
        cut = math.nextafter(cut, math.inf) if failing(cut) == failing(high) else cut + 1e-6
    return Hofstee(cut, failing(cut), True, "")


@dataclass(frozen=True)
class Borderline:
    """Score predicted for the borderline rating, with its interval."""

    cut: Interval
    slope: float
    r: float
    n: int


def borderline_regression(
    scores: Sequence[float], ratings: Sequence[float], borderline: float, level: float = 0.95
) -> Borderline:
    """Return the score that a straight line predicts for the global rating "borderline" (mean response, Student's t)."""
    y, x = vector("scores", scores, 4), vector("global ratings", ratings, 4)
    if y.size != x.size:
        raise UsageError(f"{y.size} scores and {x.size} global ratings; expected one rating for each score")
    if float(np.ptp(x)) == 0 or float(np.ptp(y)) == 0:
        raise UsageError("all scores or all global ratings are equal: no line exists")
    if not x.min() <= borderline <= x.max():
        raise UsageError(f"borderline {borderline:g} lies outside the ratings given ({x.min():g} to {x.max():g})")
    fit = stats.linregress(x, y)
    cut = float(fit.intercept + fit.slope * borderline)
    residual = y - fit.intercept - fit.slope * x
    s = math.sqrt(float(np.square(residual).sum()) / (x.size - 2))
    lean = (borderline - x.mean()) ** 2 / float(np.square(x - x.mean()).sum())
    half = float(stats.t.ppf(0.5 + level / 2, x.size - 2)) * s * math.sqrt(1 / x.size + lean)
    return Borderline(Interval(cut, cut - half, cut + half, level, "regression"), float(fit.slope), float(fit.rvalue), x.size)
