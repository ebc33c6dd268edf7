"""What chance alone can do: best of many tries, straight successes, exact bounds for a rate, test length."""

from __future__ import annotations

import math

from scipy import stats

from scoring.statistics.checks import Interval, probability, whole, z_of
from sim.errors import UsageError


def best_of(p: float, n: int) -> float:
    """Return the chance of at least one pass in n tries of a person who passes each with chance p."""
    return float(1 - (1 - probability("p", p, ends=True)) ** whole("tries", n, 1, 10**9))


def best_of_warning(n: int, p: float = 0.2) -> str:
    """Return one line for a learner with n attempts at the same item; empty for one attempt."""
    if n <= 1:
        return ""
    return (
        f"best of {n}: somebody who passes {100 * p:g} % of the time passes at least once with chance {100 * best_of(p, n):.0f} %"
    )


def straight_successes(p: float, confidence: float = 0.95) -> int:
    """Return how many successes in a row show a failure rate below p with the given confidence (one-sided)."""
    probability("p", p)
    probability("confidence", confidence)
    n = max(1, math.floor(math.log(1 - confidence) / math.log(1 - p)))
    while (1 - p) ** n > (1 - confidence) * (1 + 1e-12):
        n += 1
    return n


def _counts(k: int, n: int) -> tuple[int, int]:
    whole("n", n, 1, 10**9)
    return whole("count", k, 0, n), n


def clopper_pearson(k: int, n: int, level: float = 0.95) -> Interval:
    """Return the exact two-sided interval of a rate (Clopper & Pearson, Biometrika 1934;26:404)."""
    k, n = _counts(k, n)
    tail = (1 - probability("level", level)) / 2
    low = 0.0 if k == 0 else float(stats.beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(stats.beta.ppf(1 - tail, k + 1, n - k))
    return Interval(k / n, low, high, level, "Clopper-Pearson")


def upper_bound(k: int, n: int, level: float = 0.95) -> float:
    """Return the exact one-sided upper bound of a rate."""
    k, n = _counts(k, n)
    return 1.0 if k == n else float(stats.beta.ppf(probability("level", level), k + 1, n - k))


def wilson(k: int, n: int, level: float = 0.95) -> Interval:
    """Return the score interval of a rate (Wilson, JASA 1927;22:209), without continuity correction."""
    k, n = _counts(k, n)
    z = z_of(level)
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return Interval(k / n, max(0.0, centre - half), min(1.0, centre + half), level, "Wilson")


def spearman_brown(reliability: float, factor: float) -> float:
    """Return the reliability of a test `factor` times as long."""
    r = probability("reliability", reliability, ends=True)
    if not (math.isfinite(factor) and factor > 0):
        raise UsageError(f"factor is {factor}; expected a number above 0")
    return factor * r / (1 + (factor - 1) * r)


def performances_needed(person_share: float, target: float) -> int:
    """Return how many independent performances reach `target`, when one has `person_share` of its variance from persons.

    ceil(t (1 - v) / (v (1 - t))) in binary fractions, as the project's oracle is computed: where the quotient is a whole
    number (v 0.2, t 0.8: 16) the rounding of binary fractions can ask for one performance more than the algebra does.
    """
    v, t = probability("person share", person_share), probability("target", target)
    return max(1, math.ceil(t * (1 - v) / (v * (1 - t))))
