"""Decision (D) studies: what a score from so many cases and occasions is worth, and for which decision.

Brennan, Generalizability Theory (2001), ch. 2-5. Relative error ranks people, absolute error judges them against a standard:
a committee that passes and fails needs Phi, the absolute SEM, and Phi(lambda) at its cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from scoring.statistics.checks import Floats, Interval, percentile_interval, probability, whole
from scoring.statistics.generalizability import DESIGNS, GStudy, _components, _letters, _multipliers, g_study
from sim.errors import UsageError
from sim.rng import stream


@dataclass(frozen=True)
class DStudy:
    """Coefficients and errors of a mean over `sizes` (axis -> levels). SEMs are in the unit of the score."""

    sizes: Mapping[str, int]
    person: float
    relative_error: float
    absolute_error: float
    erho2: float
    phi: float

    @property
    def sem_relative(self) -> float:
        """Standard error of a difference between people."""
        return float(np.sqrt(self.relative_error))

    @property
    def sem_absolute(self) -> float:
        """Standard error of a person's own score."""
        return float(np.sqrt(self.absolute_error))

    def as_dict(self) -> dict[str, Any]:
        """Return the study for JSON."""
        return {
            "sizes": dict(self.sizes),
            "Erho2": self.erho2,
            "Phi": self.phi,
            "sem_relative": self.sem_relative,
            "sem_absolute": self.sem_absolute,
        }


def _errors(components: Mapping[str, Any], sizes: Mapping[str, int]) -> tuple[Any, Any]:
    """Return (relative, absolute) error variance of a mean over `sizes`."""
    relative = absolute = 0.0
    for effect, variance in components.items():
        if effect == "p":
            continue
        share = variance / np.prod([sizes[a] for a in _letters(effect) if a != "p"])
        absolute = absolute + share
        if "p" in _letters(effect):
            relative = relative + share
    return relative, absolute


def d_study(study: GStudy, sizes: Mapping[str, int] | None = None) -> DStudy:
    """Return what a mean over `sizes` is worth (default: the sizes of the G study). UsageError when nothing varies."""
    axes = [a for a in DESIGNS[study.design][0] if a != "p"]
    wanted = dict(sizes) if sizes is not None else {a: study.sizes[a] for a in axes}
    if set(wanted) != set(axes):
        raise UsageError(f"sizes {sorted(wanted)}; expected numbers for {axes}")
    for axis, size in wanted.items():
        whole(f"number of {axis}", size, 1, 1_000_000)
    person = study.components["p"]
    relative, absolute = (float(v) for v in _errors(study.components, wanted))
    if person + relative <= 0 or person + absolute <= 0:
        raise UsageError("no variance between persons and no error: a coefficient does not exist")
    return DStudy(wanted, person, relative, absolute, person / (person + relative), person / (person + absolute))


def items_for(study: GStudy, target: float, coefficient: str = "phi", most: int = 1000) -> int | None:
    """Return how many items ("pxi", "i:p") bring a coefficient ("phi" or "erho2") to `target`; None beyond `most`."""
    probability("target", target)
    if coefficient not in ("phi", "erho2"):
        raise UsageError(f"coefficient '{coefficient}'; expected phi or erho2")
    if set(DESIGNS[study.design][0]) != {"p", "i"}:
        raise UsageError(f"items are counted for one facet; the design is {study.design}")
    for n in range(1, most + 1):
        if getattr(d_study(study, {"i": n}), coefficient) >= target:
            return n
    return None


def phi_lambda(study: GStudy, cut: float, sizes: Mapping[str, int] | None = None) -> float:
    """Return Phi(lambda): how dependable decisions at `cut` are (Brennan & Kane, J Educ Meas 1977;14:277).

    (v_p + d^2) / (v_p + d^2 + absolute error) with d^2 = (mean - cut)^2 - variance of the mean, its unbiased estimate,
    from the G study's own persons, items and occasions. d^2 can be a little below 0 near the mean, as published: at the mean
    of right-wrong items the result is KR-21, which is below Phi. For balanced designs and a full table.
    """
    if not np.isfinite(cut):
        raise UsageError(f"cut is {cut}; expected a number on the scale of the scores")
    if study.method != "ANOVA":
        raise UsageError("Phi(lambda) needs a full table; this one has missing scores")
    result = d_study(study, sizes)
    of_mean = 0.0
    for effect, variance in study.components.items():
        of_mean += variance / float(np.prod([study.sizes[a] for a in _letters(effect)]))
    signal = max(0.0, result.person + (study.mean - cut) ** 2 - of_mean)
    return signal / (signal + result.absolute_error) if signal > 0 else 0.0


def coefficient_interval(
    data: Any,
    design: str = "pxi",
    coefficient: str = "phi",
    method: str = "fiducial",
    level: float = 0.95,
    seed: int = 1,
    draws: int = 4000,
) -> Interval:
    """Return "phi" or "erho2" of the design as observed with an interval.

    * "fiducial": each mean square is replaced by MS x df / chi2(df) (generalized interval, Weerahandi 1993): all balanced
      designs; needs normal effects.
    * "exact": Erho2 of "pxi" alone, from the F distribution (Feldt 1965).
    * "bootstrap": persons drawn with replacement; its item variance is too small, so it is an indication (Brennan 2001, 6.2).
    * "jackknife": persons left out one by one, Student's t.
    """
    study = g_study(data, design)
    if coefficient not in ("phi", "erho2"):
        raise UsageError(f"coefficient '{coefficient}'; expected phi or erho2")
    value = float(getattr(d_study(study), coefficient))
    probability("level", level)
    makers: dict[str, Callable[[], Interval]] = {
        "fiducial": lambda: percentile_interval(
            value, fiducial_draws(study, coefficient, seed, draws), level, "generalized (chi-square draws of mean squares)"
        ),
        "exact": lambda: _exact(study, coefficient, value, level),
        "bootstrap": lambda: percentile_interval(
            value, _bootstrap(data, design, coefficient, seed, draws), level, "bootstrap of persons"
        ),
        "jackknife": lambda: _jackknife(data, design, coefficient, value, level),
    }
    if method not in makers:
        raise UsageError(f"interval by '{method}'; expected one of {', '.join(makers)}")
    if study.method != "ANOVA" and method in ("fiducial", "exact"):
        raise UsageError("this interval needs a full table; with missing scores use jackknife")
    return makers[method]()


def fiducial_draws(study: GStudy, coefficient: str, seed: int, draws: int) -> Floats:
    """Return draws of a coefficient from the chi-square distributions of the mean squares (components not below 0)."""
    axes, effects = DESIGNS[study.design]
    generator = stream(seed, f"g-study {study.design}")
    squares = {}
    for effect in effects:
        df = study.degrees[effect]
        squares[effect] = study.mean_squares[effect] * df / stats.chi2.ppf(generator.random(draws), df)
    parts = _components(squares, effects, study.sizes, _multipliers(axes, effects, study.sizes))
    parts = {name: np.maximum(0.0, v) for name, v in parts.items()}
    relative, absolute = _errors(parts, study.sizes)
    error = absolute if coefficient == "phi" else relative
    total = parts["p"] + error
    return np.asarray(np.divide(parts["p"], total, out=np.zeros(draws), where=total > 0), dtype=np.float64)


def _exact(study: GStudy, coefficient: str, value: float, level: float) -> Interval:
    if study.design != "pxi" or coefficient != "erho2":
        raise UsageError("the exact interval exists for Erho2 of persons x items; use fiducial")
    from scoring.statistics.agreement import feldt_interval

    return feldt_interval(value, study.sizes["p"], study.sizes["i"], level)


def _bootstrap(data: Any, design: str, coefficient: str, seed: int, draws: int) -> Floats:
    values = np.asarray(data, dtype=np.float64)
    generator = stream(seed, f"bootstrap {design}")
    out = []
    for _ in range(whole("draws", draws, 10, 100_000)):
        try:
            again = g_study(values[generator.integers(0, len(values), len(values))], design)
            out.append(getattr(d_study(again), coefficient))
        except UsageError:
            continue  # a draw of one person only, again and again, says nothing
    if len(out) < draws // 2:
        raise UsageError("more than half of the bootstrap samples hold no variance; use more persons")
    return np.array(out)


def _jackknife(data: Any, design: str, coefficient: str, value: float, level: float) -> Interval:
    values = np.asarray(data, dtype=np.float64)
    n = len(values)
    if n < 3:
        raise UsageError(f"the jackknife needs at least 3 persons; {n} given")
    without = np.array([getattr(d_study(g_study(np.delete(values, k, axis=0), design)), coefficient) for k in range(n)])
    pseudo = n * value - (n - 1) * without
    half = float(stats.t.ppf(0.5 + level / 2, n - 1) * pseudo.std(ddof=1) / np.sqrt(n))
    return Interval(value, max(0.0, value - half), min(1.0, value + half), level, "jackknife of persons")


def satterthwaite(study: GStudy, effect: str, level: float = 0.95) -> Interval:
    """Return a variance component with Satterthwaite's interval (Biometrics Bulletin 1946;2:110).

    Balanced designs. The component is a sum of mean squares with signs; its degrees of freedom are
    (sum)^2 / sum(square / df). A component at or below 0 has no such interval.
    """
    axes, effects = DESIGNS[study.design]
    if effect not in effects:
        raise UsageError(f"effect '{effect}'; expected one of {', '.join(effects)}")
    if study.method != "ANOVA":
        raise UsageError("Satterthwaite's interval needs a full table")
    times = _multipliers(axes, effects, study.sizes)
    weights: Sequence[float] = [
        float(_components({e: float(e == one) for e in effects}, effects, study.sizes, times)[effect]) for one in effects
    ]
    value = study.raw[effect]
    if value <= 0:
        return Interval(0.0, None, None, level, "Satterthwaite", "the estimate is not above 0")
    spread = sum((w * study.mean_squares[e]) ** 2 / study.degrees[e] for w, e in zip(weights, effects, strict=True))
    df = value**2 / spread
    tail = (1 - probability("level", level)) / 2
    low, high = df * value / stats.chi2.ppf(1 - tail, df), df * value / max(float(stats.chi2.ppf(tail, df)), 1e-300)
    return Interval(value, float(low), float(high), level, "Satterthwaite")
