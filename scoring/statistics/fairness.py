"""Fairness between groups of learners: site, handedness, input device.

Gaps are shown with intervals; a gap is a question, not a finding. Groups below `LEAST` are named and not compared. Several
comparisons are made at once: p values are adjusted by Holm's method and the number of comparisons is stated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from scoring.statistics.chance import wilson
from scoring.statistics.checks import Interval, outcomes, table, vector, z_of
from sim.errors import UsageError

LEAST = 10
"""Learners in each group, below which nothing is compared (a judgement: at 10 a pass rate is known to +-0.3)."""

FOUR_FIFTHS = 0.8
"""Ratio of pass rates below which US employment guidelines (29 CFR 1607.4 D) ask for a closer look."""


def rate_gap(k1: int, n1: int, k2: int, n2: int, level: float = 0.95) -> Interval:
    """Return the difference of two rates with Newcombe's hybrid score interval (Stat Med 1998;17:873, method 10)."""
    a, b = wilson(k1, n1, level), wilson(k2, n2, level)
    assert a.low is not None and a.high is not None and b.low is not None and b.high is not None
    gap = a.value - b.value
    low = gap - math.hypot(a.value - a.low, b.high - b.value)
    high = gap + math.hypot(a.high - a.value, b.value - b.low)
    return Interval(gap, low, high, level, "Newcombe")


def score_gap(one: Sequence[float], other: Sequence[float], level: float = 0.95) -> tuple[Interval, float]:
    """Return the difference of two means with Welch's interval, and its p value (1.0 when nothing varies at all)."""
    x, y = vector("first group", one, 2), vector("second group", other, 2)
    gap = float(x.mean() - y.mean())
    vx, vy = float(x.var(ddof=1)) / x.size, float(y.var(ddof=1)) / y.size
    if vx + vy == 0:
        return Interval(gap, None, None, level, "Welch", "no spread within the groups"), 1.0 if gap == 0 else 0.0
    df = (vx + vy) ** 2 / (vx**2 / (x.size - 1) + vy**2 / (y.size - 1))
    error = math.sqrt(vx + vy)
    half = float(stats.t.ppf(0.5 + level / 2, df)) * error
    return Interval(gap, gap - half, gap + half, level, "Welch"), float(2 * stats.t.sf(abs(gap) / error, df))


def pass_ratio(k1: int, n1: int, k2: int, n2: int, level: float = 0.95) -> Interval:
    """Return the lower pass rate over the higher with Katz's log interval. No interval where a count is 0."""
    (ka, na), (kb, nb) = sorted(((k1, n1), (k2, n2)), key=lambda c: c[0] / c[1])
    if kb == 0:
        return Interval(1.0, None, None, level, "Katz log", "nobody passed in either group")
    ratio = (ka / na) / (kb / nb)
    if ka == 0:
        return Interval(0.0, None, None, level, "Katz log", "nobody passed in one group")
    half = z_of(level) * math.sqrt(max(0.0, 1 / ka - 1 / na + 1 / kb - 1 / nb))
    return Interval(ratio, ratio * math.exp(-half), ratio * math.exp(half), level, "Katz log")


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number (Holm, Scand J Stat 1979;6:65), in their order."""
    p = vector("p values", p_values, 0)
    out, most = [0.0] * p.size, 0.0
    for rank, k in enumerate(np.argsort(p, kind="stable")):
        most = max(most, min(1.0, (p.size - rank) * float(p[k])))
        out[int(k)] = most
    return out


@dataclass(frozen=True)
class MantelHaenszel:
    """Odds of an error in the first group against the second among learners of equal ability."""

    odds_ratio: Interval
    chi2: float
    p: float
    delta: float
    strata: int

    @property
    def size(self) -> str:
        """ETS words for |delta| (Zieky 1993): negligible < 1, moderate < 1.5, large; "not shown" when 1 lies in the interval."""
        low, high = self.odds_ratio.low, self.odds_ratio.high
        if low is not None and high is not None and low <= 1 <= high:
            return "not shown"
        return "negligible" if abs(self.delta) < 1 else "moderate" if abs(self.delta) < 1.5 else "large"


def mantel_haenszel(strata: Any, level: float = 0.95) -> MantelHaenszel:
    """Return the common odds ratio of 2 x 2 tables [[a, b], [c, d]], one per ability stratum (shape: strata x 2 x 2).

    Test with continuity correction (Mantel & Haenszel 1959); interval by Robins, Breslow & Greenland (Biometrics 1986;42:311);
    delta = -2.35 ln(odds ratio). UsageError when no stratum holds both groups and both outcomes, or an odds ratio is infinite.
    """
    t = table("strata", strata, 3, least=1)
    if t.shape[1:] != (2, 2) or (t < 0).any():
        raise UsageError("strata: expected 2 x 2 tables of counts")
    t = t[t.sum((1, 2)) > 1]
    a, b, c, d = t[:, 0, 0], t[:, 0, 1], t[:, 1, 0], t[:, 1, 1]
    n = a + b + c + d
    r, s = a * d / n, b * c / n
    spread = float(((a + b) * (c + d) * (a + c) * (b + d) / (n**2 * (n - 1))).sum())
    if spread <= 0:
        raise UsageError("no stratum holds both groups and both outcomes: nothing can be compared")
    if r.sum() <= 0 or s.sum() <= 0:
        raise UsageError("in no stratum did one of the groups differ in both directions: the odds ratio is 0 or infinite")
    excess = abs(float((a - (a + b) * (a + c) / n).sum()))
    chi2 = max(0.0, excess - min(0.5, excess)) ** 2 / spread
    odds = float(r.sum() / s.sum())
    p, q = (a + d) / n, (b + c) / n
    big_r, big_s = float(r.sum()), float(s.sum())
    variance = (
        float((p * r).sum()) / (2 * big_r**2)
        + float((p * s + q * r).sum()) / (2 * big_r * big_s)
        + float((q * s).sum()) / (2 * big_s**2)
    )
    half = z_of(level) * math.sqrt(variance)
    interval = Interval(odds, odds * math.exp(-half), odds * math.exp(half), level, "Mantel-Haenszel, RBG")
    return MantelHaenszel(interval, chi2, float(stats.chi2.sf(chi2, 1)), -2.35 * math.log(odds), len(t))


def dif(first: Sequence[bool], errors: Sequence[bool], ability: Sequence[float], bands: int = 4) -> MantelHaenszel:
    """Return the Mantel-Haenszel comparison of an error between the first group and the rest, by bands of ability.

    first: whether a learner belongs to the group; errors: whether the error happened; ability: a score that does not hold
    this error itself (rest score). Bands are quantiles of ability.
    """
    group, wrong, score = outcomes("group", first, 4), outcomes("errors", errors, 4), vector("ability", ability, 4)
    if not len(group) == len(wrong) == score.size:
        raise UsageError("group, errors and ability differ in length")
    edges = np.quantile(score, np.linspace(0, 1, bands + 1)[1:-1])
    band = np.searchsorted(edges, score, side="right")
    tables = np.zeros((bands, 2, 2))
    for g, e, k in zip(group, wrong, band, strict=True):
        tables[k, 0 if g else 1, 0 if e else 1] += 1
    return mantel_haenszel(tables)


@dataclass(frozen=True)
class GroupGap:
    """Two groups compared on pass rate and score."""

    first: str
    second: str
    n_first: int
    n_second: int
    pass_gap: Interval
    pass_ratio: Interval
    score_gap: Interval | None
    p: float
    p_holm: float

    @property
    def below_four_fifths(self) -> bool:
        """True where the lower pass rate is below four fifths of the higher."""
        return self.pass_ratio.value < FOUR_FIFTHS

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison for JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "n": [self.n_first, self.n_second],
            "pass_gap": self.pass_gap.as_dict(),
            "pass_ratio": self.pass_ratio.as_dict(),
            "below_four_fifths": self.below_four_fifths,
            "score_gap": None if self.score_gap is None else self.score_gap.as_dict(),
            "p": self.p,
            "p_holm": self.p_holm,
        }


@dataclass(frozen=True)
class GroupReport:
    """All pairs of groups that are large enough; `too_small` names the others with their size."""

    sizes: Mapping[str, int]
    too_small: Mapping[str, int]
    gaps: tuple[GroupGap, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        gaps = [g.as_dict() for g in self.gaps]
        return {"sizes": dict(self.sizes), "too_small": dict(self.too_small), "comparisons": len(gaps), "gaps": gaps}


def group_gaps(groups: Mapping[str, Sequence[tuple[bool, float | None]]], least: int = LEAST, level: float = 0.95) -> GroupReport:
    """Compare every two groups of learners; each learner is (passed, score or None).

    One entry per learner: attempts of one learner are not independent. p is Fisher's exact test on passing, adjusted by Holm.
    """
    large = {name: rows for name, rows in sorted(groups.items()) if len(rows) >= least}
    small = {name: len(rows) for name, rows in sorted(groups.items()) if len(rows) < least}
    found: list[tuple[str, str, Interval, Interval, Interval | None, float]] = []
    for a, b in combinations(large, 2):
        ka, na, kb, nb = sum(p for p, _ in large[a]), len(large[a]), sum(p for p, _ in large[b]), len(large[b])
        xs, ys = ([v for _, v in large[g] if v is not None] for g in (a, b))
        scores = score_gap(xs, ys, level)[0] if min(len(xs), len(ys)) >= 2 else None
        p = float(stats.fisher_exact([[ka, na - ka], [kb, nb - kb]])[1])
        found.append((a, b, rate_gap(ka, na, kb, nb, level), pass_ratio(ka, na, kb, nb, level), scores, p))
    adjusted = holm([f[5] for f in found])
    gaps = tuple(
        GroupGap(f[0], f[1], len(large[f[0]]), len(large[f[1]]), f[2], f[3], f[4], f[5], adjusted[k]) for k, f in enumerate(found)
    )
    return GroupReport({name: len(rows) for name, rows in sorted(groups.items())}, small, gaps)
