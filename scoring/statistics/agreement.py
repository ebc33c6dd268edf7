"""Agreement and internal consistency: alpha, ICC, kappa. Own code; the oracles are published tables (tests)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from scoring.statistics.checks import Floats, Interval, positive, probability, table, whole, z_of
from sim.errors import UsageError

ICC_FORMS = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")


def feldt_interval(alpha: float, persons: int, items: int, level: float = 0.95) -> Interval:
    """Return alpha with its F interval: 1 - (1 - alpha) F, df n-1 and (n-1)(k-1) (Feldt, Woodruff & Salih 1987)."""
    whole("persons", persons, 2, 10**9)
    whole("items", items, 2, 10**9)
    tail = (1 - probability("level", level)) / 2
    d1, d2 = persons - 1, (persons - 1) * (items - 1)
    low, high = (1 - (1 - alpha) * float(stats.f.ppf(q, d1, d2)) for q in (1 - tail, tail))
    return Interval(alpha, low, high, level, "Feldt F")


def cronbach_alpha(data: Any, level: float = 0.95) -> Interval:
    """Return Cronbach's alpha of a persons x items table with Feldt's interval.

    k/(k-1) (1 - sum of item variances / variance of totals). It is blind to differences in difficulty: give Phi beside it.
    UsageError if all totals are equal.
    """
    x = table("scores", data)
    n, k = x.shape
    total = float(x.sum(1).var(ddof=1))
    if total <= 1e-12 * max(1.0, float(np.square(x).max())):
        raise UsageError("all persons have the same total: alpha does not exist")
    return feldt_interval(k / (k - 1) * (1 - float(x.var(axis=0, ddof=1).sum()) / total), n, k, level)


def icc(data: Any, form: str = "2,1", level: float = 0.95) -> Interval:
    """Return an intraclass correlation of a targets x judges table (Shrout & Fleiss, Psychol Bull 1979;86:420).

    "1,.": other judges for each target; "2,.": judges drawn at random, absolute agreement; "3,.": these judges alone,
    consistency. ".,1": one judge; ".,k": the mean of all k. Intervals: their formulas (1979; McGraw & Wong 1996).
    """
    if form not in ICC_FORMS:
        raise UsageError(f"ICC form '{form}'; expected one of {'; '.join(ICC_FORMS)}")
    x = table("ratings", data)
    if float(np.ptp(x)) == 0:
        raise UsageError("all ratings are equal: an ICC does not exist")
    single = _single(x, form[0], level)
    if form[2] == "1":
        return single
    k = x.shape[1]
    value, low, high = (_stepped(v, k) for v in (single.value, single.low or 0.0, single.high or 0.0))
    return Interval(value, low, high, level, f"F, Shrout & Fleiss ICC({form})")


def _stepped(r: float, k: int) -> float:
    """Return the reliability of a mean of k (Spearman-Brown, also for r below 0); -inf where it has a pole."""
    below = 1 + (k - 1) * r
    return k * r / below if below > 0 else -math.inf


def _single(x: Floats, model: str, level: float) -> Interval:
    n, k = x.shape
    rows, columns = x.mean(1), x.mean(0)
    between = k * float(rows.var(ddof=1))
    judges = n * float(columns.var(ddof=1))
    residual = float(np.square(x - rows[:, None] - columns[None, :] + x.mean()).sum()) / ((n - 1) * (k - 1))
    within = float(np.square(x - rows[:, None]).sum()) / (n * (k - 1))
    tail = (1 - probability("level", level)) / 2
    method = f"F, Shrout & Fleiss ICC({model},1)"
    if model == "2":
        return _two_way(n, k, between, judges, residual, tail, level, method)
    error, df = (within, n * (k - 1)) if model == "1" else (residual, (n - 1) * (k - 1))
    value = (between - error) / (between + (k - 1) * error)
    if error <= 0:
        return Interval(value, 1.0, 1.0, level, method, "no disagreement at all")
    ratio = between / error
    low, high = ratio / stats.f.ppf(1 - tail, n - 1, df), ratio * stats.f.ppf(1 - tail, df, n - 1)
    return Interval(value, float((low - 1) / (low + k - 1)), float((high - 1) / (high + k - 1)), level, method)


def _two_way(n: int, k: int, between: float, judges: float, residual: float, tail: float, level: float, method: str) -> Interval:
    value = (between - residual) / (between + (k - 1) * residual + k * (judges - residual) / n)
    if residual <= 0:
        return Interval(value, None, None, level, method, "no residual: the interval does not exist")
    f_judges = judges / residual
    top = k * value * f_judges + n * (1 + (k - 1) * value) - k * value
    df = (k - 1) * (n - 1) * top**2 / ((n - 1) * k**2 * value**2 * f_judges**2 + (n * (1 + (k - 1) * value) - k * value) ** 2)
    f1, f2 = (float(stats.f.ppf(1 - tail, a, b)) for a, b in ((n - 1, df), (df, n - 1)))
    common = k * judges + (k * n - k - n) * residual
    low = n * (between - f1 * residual) / (f1 * common + n * between)
    high = n * (f2 * between - residual) / (common + n * f2 * between)
    return Interval(value, low, high, level, method)


def cohen_kappa(counts: Any, weights: str = "none", level: float = 0.95) -> Interval:
    """Return Cohen's kappa of two raters from their square table of counts.

    weights: "none", "linear" or "quadratic" (weighted kappa, Cohen 1968). Interval: large-sample variance of Fleiss, Cohen &
    Everitt (Psychol Bull 1969;72:323). UsageError when chance alone would agree always.
    """
    n = table("counts", counts)
    if n.shape[0] != n.shape[1] or (n < 0).any() or n.sum() <= 0:
        raise UsageError("counts: expected a square table of counts, not all zero")
    size = n.shape[0]
    away = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / (size - 1)
    kinds = {"none": np.eye(size), "linear": 1 - away, "quadratic": 1 - away**2}
    if weights not in kinds:
        raise UsageError(f"weights '{weights}'; expected one of {', '.join(kinds)}")
    w, p = kinds[weights], n / n.sum()
    row, column = p.sum(1), p.sum(0)
    seen, chance = float((w * p).sum()), float((w * np.outer(row, column)).sum())
    if 1 - chance < 1e-12:
        raise UsageError("both raters used one and the same category: kappa does not exist")
    kappa = (seen - chance) / (1 - chance)
    mean = (w * column[None, :]).sum(1)[:, None] + (w * row[:, None]).sum(0)[None, :]
    variance = float((p * (w - mean * (1 - kappa)) ** 2).sum()) - (kappa - chance * (1 - kappa)) ** 2
    half = z_of(level) * math.sqrt(max(0.0, variance) / float(n.sum())) / (1 - chance)
    return Interval(kappa, kappa - half, min(1.0, kappa + half), level, f"Cohen kappa, weights {weights}")


def fleiss_kappa(counts: Any, level: float = 0.95) -> Interval:
    """Return Fleiss' kappa (Psychol Bull 1971;76:378) of subjects x categories: how many raters chose each.

    Each subject needs the same number of raters (at least 2). Interval: jackknife over subjects.
    """
    n = table("counts", counts)
    raters = n.sum(1)
    if (n < 0).any() or not np.allclose(raters, raters[0]) or raters[0] < 2:
        raise UsageError("counts: expected the same number of raters (2 or more) for each subject")
    value = _fleiss(n)
    if value is None:
        raise UsageError("every rating is of one category: kappa does not exist")
    without = [_fleiss(np.delete(n, k, axis=0)) for k in range(len(n))]
    if len(n) < 3 or any(v is None for v in without):
        return Interval(value, None, None, level, "Fleiss kappa", "too few subjects for an interval")
    pseudo = len(n) * value - (len(n) - 1) * np.array(without, dtype=np.float64)
    half = float(stats.t.ppf(0.5 + level / 2, len(n) - 1) * pseudo.std(ddof=1) / math.sqrt(len(n)))
    return Interval(value, value - half, min(1.0, value + half), level, "Fleiss kappa, jackknife of subjects")


def _fleiss(n: Floats) -> float | None:
    raters = float(n[0].sum())
    share = n.sum(0) / n.sum()
    chance = float(np.square(share).sum())
    agree = float(((np.square(n).sum(1) - raters) / (raters * (raters - 1))).mean())
    return None if 1 - chance < 1e-12 else (agree - chance) / (1 - chance)


def decision_agreement(reliability: float, z: float) -> tuple[float, float]:
    """Return (agreement, kappa) of two parallel decisions with the cut z SD from the mean (bivariate normal)."""
    r = probability("reliability", reliability, ends=True)
    if not math.isfinite(z):
        raise UsageError(f"z is {z}; expected a number")
    below = float(stats.norm.cdf(z))
    if r == 1:
        return 1.0, 1.0
    both = float(stats.multivariate_normal.cdf([z, z], mean=[0, 0], cov=[[1, r], [r, 1]]))
    agree = 1 - 2 * below + 2 * both
    chance = below**2 + (1 - below) ** 2
    return agree, (agree - chance) / (1 - chance) if chance < 1 else 0.0


def subkoviak(passes: Sequence[int], items: int, cut: int, reliability: float) -> tuple[float, float]:
    """Return (agreement, kappa) of pass/fail decisions from one battery (Subkoviak, J Educ Meas 1976;13:265).

    passes: items passed by each learner of `items` independent ones; `cut`: items needed. Each learner's own chance is
    shrunk to the group's by the reliability; a second battery is then binomial.
    """
    whole("items", items, 1, 10_000)
    whole("cut", cut, 0, items)
    r = probability("reliability", reliability, ends=True)
    x = np.array([whole("passes", k, 0, items) for k in passes], dtype=np.float64)
    if x.size < 2:
        raise UsageError(f"passes: {x.size} learners; expected at least 2")
    chance = r * x / items + (1 - r) * float(x.mean()) / items
    above = stats.binom.sf(cut - 1, items, np.clip(chance, 0, 1))
    agree = float((above**2 + (1 - above) ** 2).mean())
    rate = float(above.mean())
    by_chance = rate**2 + (1 - rate) ** 2
    return agree, (agree - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0


def standard_error(sd: float, reliability: float) -> float:
    """Return the classical SEM, SD sqrt(1 - reliability)."""
    return positive("SD", sd) * math.sqrt(1 - probability("reliability", reliability, ends=True))
