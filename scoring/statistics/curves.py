"""Learning curves: fits with intervals, running means with honest bands, attempts to a target, the cohort's band.

Feedback for practice, never a verdict: attempts are not independent, scenarios differ, and who goes on practising is a
selection. Power law y = a + b n^-c and exponential y = a + b exp(-c (n - 1)) (Newell & Rosenbloom 1981; Heathcote, Brown &
Mewhort, Psychon Bull Rev 2000;7:185 on which of them suits single learners).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from scoring.statistics.chance import wilson
from scoring.statistics.checks import Floats, Interval, outcomes, probability, vector, whole
from sim.errors import UsageError
from sim.rng import stream

Shape = Callable[..., Floats]


def _power(n: Floats, a: float, b: float, c: float) -> Floats:
    return np.asarray(a + b * n**-c)


def _exponential(n: Floats, a: float, b: float, c: float) -> Floats:
    return np.asarray(a + b * np.exp(-c * (n - 1)))


SHAPES: dict[str, Shape] = {"power": _power, "exponential": _exponential}
MOST_RATE = 10.0


@dataclass(frozen=True)
class CurveFit:
    """y(n) for attempt n = 1, 2, ...: plateau a, start a + b, rate c. covariance: 3 x 3 of (a, b, c)."""

    shape: str
    a: Interval
    b: Interval
    c: Interval
    rms: float
    n: int
    covariance: Floats

    def at(self, attempts: Sequence[float] | Floats) -> Floats:
        """Return the curve at attempt numbers."""
        return SHAPES[self.shape](np.asarray(attempts, dtype=np.float64), self.a.value, self.b.value, self.c.value)


def fit_curve(values: Sequence[float], shape: str = "power", level: float = 0.95) -> CurveFit:
    """Return the least-squares curve of one learner's values in order, with intervals (linearised, Student's t).

    UsageError for fewer than 6 attempts, equal values, or data in which no learning rate can be seen (a flat or straight
    series has no plateau): a fit without a finite interval is refused, not shown.
    """
    if shape not in SHAPES:
        raise UsageError(f"shape '{shape}'; expected {' or '.join(SHAPES)}")
    y = vector("values", values, 6)
    if float(np.ptp(y)) == 0:
        raise UsageError("all values are equal: there is no curve")
    n = np.arange(1.0, y.size + 1)
    tail = float(np.median(y[-max(2, y.size // 4) :]))
    scale = float(np.ptp(y))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            best, covariance = optimize.curve_fit(
                lambda k, a, b, c: SHAPES[shape](k, a, b, c),
                n,
                y / scale,
                p0=(tail / scale, (float(y[0]) - tail) / scale or 0.1, 0.5),
                bounds=([-np.inf, -np.inf, 1e-4], [np.inf, np.inf, MOST_RATE]),
                max_nfev=20_000,
            )
    except (RuntimeError, ValueError):
        raise UsageError(f"no {shape} curve fits these {y.size} values") from None
    best, covariance = best * (scale, scale, 1), covariance * np.outer((scale, scale, 1), (scale, scale, 1))
    at_bound = not 2e-4 < best[2] < 0.999 * MOST_RATE
    if at_bound or not np.isfinite(covariance).all() or math.sqrt(covariance[0, 0]) > 5 * scale:
        raise UsageError(f"these {y.size} values show no {shape} learning curve: its plateau and rate cannot be told apart")
    t = float(stats.t.ppf(0.5 + level / 2, y.size - 3))
    if abs(best[1]) <= t * math.sqrt(covariance[1, 1]):
        raise UsageError(f"these {y.size} values show no {shape} learning curve: the change over attempts is within the noise")
    parts = [
        Interval(float(v), float(v - t * math.sqrt(e)), float(v + t * math.sqrt(e)), level, f"{shape} fit")
        for v, e in zip(best, np.diag(covariance), strict=True)
    ]
    rms = math.sqrt(float(np.square(y - SHAPES[shape](n, *best)).sum()) / (y.size - 3))
    return CurveFit(shape, parts[0], parts[1], parts[2], rms, y.size, covariance)


def attempts_to(fit: CurveFit, target: float, level: float = 0.95, seed: int = 1, most: int = 1000) -> Interval | None:
    """Return at which attempt the fitted curve reaches `target` (interval by draws of the parameters).

    None when the curve does not get there within `most` attempts; `high` is None when more than a tail of the draws
    does not.
    """
    first = float(_reached(fit.shape, np.array([[fit.a.value, fit.b.value, fit.c.value]]), target, most)[0])
    if not math.isfinite(first):
        return None
    generator = stream(seed, "attempts to target")
    uniform = generator.random((1000, 3))
    draws = np.array([fit.a.value, fit.b.value, fit.c.value]) + stats.norm.ppf(uniform) @ _root(fit.covariance).T
    draws[:, 2] = np.clip(draws[:, 2], 1e-4, MOST_RATE)
    when = np.sort(_reached(fit.shape, draws, target, most))
    tail = (1 - probability("level", level)) / 2
    low, high = float(when[int(tail * 1000)]), float(when[min(999, math.ceil((1 - tail) * 1000))])
    shown = high if math.isfinite(high) else None
    note = "" if shown is not None else f"upper end beyond {most} attempts"
    return Interval(first, low, shown, level, "draws of the fit", note)


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _reached(shape: str, parameters: Floats, target: float, most: int) -> Floats:
    """Return for each (a, b, c) the first attempt at or beyond target in the curve's direction, inf if none."""
    a, b, c = parameters.T
    at_start = (a + b - target) * np.sign(b) <= 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = (target - a) / b
        n = ratio ** (-1 / c) if shape == "power" else 1 - np.log(ratio) / c
    n = np.where((ratio > 0) & (ratio < 1) & (n <= most), n, np.inf)
    return np.asarray(np.where(at_start, 1.0, n), dtype=np.float64)


@dataclass(frozen=True)
class RunningPoint:
    """Mean of the last attempts up to `attempt`, with how many they are."""

    attempt: int
    window: int
    mean: Interval


def running_mean(values: Sequence[float], window: int = 10, level: float = 0.95) -> list[RunningPoint]:
    """Return the mean of the last `window` attempts at each attempt, with Student's t bands.

    The first points use the attempts there are; with fewer than 2, or with equal values, there is no band (and it says so).
    """
    y = vector("values", values)
    whole("window", window, 2, 10_000)
    out = []
    for end in range(1, y.size + 1):
        part = y[max(0, end - window) : end]
        mean = float(part.mean())
        if part.size < 2 or float(np.ptp(part)) == 0:
            interval = Interval(mean, None, None, level, "t", "one value" if part.size < 2 else "equal values")
        else:
            half = float(stats.t.ppf(0.5 + level / 2, part.size - 1) * part.std(ddof=1) / math.sqrt(part.size))
            interval = Interval(mean, mean - half, mean + half, level, "t")
        out.append(RunningPoint(end, part.size, interval))
    return out


def running_rate(results: Sequence[bool], window: int = 10, level: float = 0.95) -> list[RunningPoint]:
    """Return the pass rate of the last `window` attempts at each attempt, with Wilson bands (never of width 0)."""
    marks = outcomes("results", results, 1)
    whole("window", window, 2, 10_000)
    out = []
    for end in range(1, len(marks) + 1):
        part = marks[max(0, end - window) : end]
        out.append(RunningPoint(end, len(part), wilson(sum(part), len(part), level)))
    return out


@dataclass(frozen=True)
class BandPoint:
    """The cohort at one attempt number: how many learners got there, and their quartiles and tenths."""

    attempt: int
    learners: int
    p10: float
    p25: float
    p50: float
    p75: float
    p90: float


def cohort_band(curves: Sequence[Sequence[float]], least: int = 5) -> list[BandPoint]:
    """Return the spread of learners at each attempt number where at least `least` have a value.

    Learners who stop leave the band: `learners` must be shown with it.
    """
    rows = [vector("a learner's values", row, 0) for row in curves]
    whole("least learners", least, 2, 10_000)
    out = []
    for k in range(max((row.size for row in rows), default=0)):
        here = np.array([row[k] for row in rows if row.size > k])
        if here.size >= least:
            out.append(BandPoint(k + 1, here.size, *(float(v) for v in np.percentile(here, [10, 25, 50, 75, 90]))))
    return out
