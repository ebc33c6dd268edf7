"""Generalizability (G) studies: how much of a score is the person, and how much the case, the occasion, the rest.

Brennan, Generalizability Theory (Springer 2001): variance components from the mean squares of an analysis of variance with
random effects. Balanced designs, in Brennan's notation:

* "pxi": persons x items                                        data[p, i]
* "pxixo": persons x items x occasions                          data[p, i, o]
* "pxi:o": persons x (items nested in occasions), p x (i:o)     data[p, o, i]
* "i:p": items nested in persons (each person other cases)      data[p, i]
* "i:o:p": items in occasions in persons, (i:o):p               data[p, o, i]

A persons x items table with holes (NaN) is estimated by Henderson's Method I (Brennan's "analogous ANOVA"); see
`henderson_pxi`. A negative estimate is set to 0 and named in `negative`, with its raw value kept in `raw`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from scoring.statistics.checks import Floats, table
from sim.errors import UsageError

# design -> (axes of the data; effects; their letters: which axes an effect's mean is taken over).
# An effect is written by its axes; nesting is seen in `LETTERS`: the axes among which an effect's deviations run.
DESIGNS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pxi": ("pi", ("p", "i", "pi")),
    "pxixo": ("pio", ("p", "i", "o", "pi", "po", "io", "pio")),
    "pxi:o": ("poi", ("p", "o", "i:o", "po", "pi:o")),
    "i:p": ("pi", ("p", "i:p")),
    "i:o:p": ("poi", ("p", "o:p", "i:o:p")),
}


@dataclass(frozen=True)
class GStudy:
    """Components of variance of one observation, and the analysis of variance behind them.

    components: effect -> variance, negative ones set to 0; raw: as estimated; sizes: axis -> number of levels.
    """

    design: str
    sizes: Mapping[str, int]
    degrees: Mapping[str, int]
    mean_squares: Mapping[str, float]
    raw: Mapping[str, float]
    mean: float
    method: str = "ANOVA"
    observations: int = 0
    negative: tuple[str, ...] = field(default=())

    @property
    def components(self) -> dict[str, float]:
        """Effect -> variance component, never below 0."""
        return {name: max(0.0, value) for name, value in self.raw.items()}

    @property
    def person_share(self) -> float:
        """The part of the variance of one observation that is the person's; UsageError when nothing varies."""
        total = sum(self.components.values())
        if total <= 0:
            raise UsageError("all scores are equal: there is no variance to share out")
        return self.components["p"] / total

    def as_dict(self) -> dict[str, Any]:
        """Return the study for JSON."""
        return {
            "design": self.design,
            "method": self.method,
            "sizes": dict(self.sizes),
            "mean": self.mean,
            "mean_squares": dict(self.mean_squares),
            "components": self.components,
            "negative_set_to_zero": list(self.negative),
        }


def _letters(effect: str) -> str:
    return effect.replace(":", "")


def g_study(data: Any, design: str = "pxi") -> GStudy:
    """Return the variance components of a full table (shape: see the module's list of designs).

    UsageError for an unknown design, fewer than two levels in any direction, missing cells (pxi alone may have them: then
    Henderson's Method I answers), and scores that are all equal.
    """
    if design not in DESIGNS:
        raise UsageError(f"design '{design}'; expected one of {', '.join(DESIGNS)}")
    axes, effects = DESIGNS[design]
    values = table(f"scores ({design})", data, len(axes), missing=design == "pxi")
    if np.isnan(values).any():
        return henderson_pxi(values)
    if float(np.ptp(values)) == 0:
        raise UsageError("all scores are equal: nothing can be told apart, and no coefficient exists")
    sizes = dict(zip(axes, values.shape, strict=True))
    squares, degrees = _sums_of_squares(values, axes, effects, sizes)
    mean_squares = {effect: squares[effect] / degrees[effect] for effect in effects}
    raw = _components(mean_squares, effects, sizes, _multipliers(axes, effects, sizes))
    return _study(design, sizes, degrees, mean_squares, raw, values, "ANOVA")


def _study(
    design: str,
    sizes: Mapping[str, int],
    degrees: Mapping[str, int],
    mean_squares: Mapping[str, float],
    raw: Mapping[str, float],
    values: Floats,
    method: str,
) -> GStudy:
    spread = float(np.nanvar(values)) or 1.0
    negative = tuple(name for name, value in raw.items() if value < -1e-12 * spread)
    seen = int(np.isfinite(values).sum())
    return GStudy(design, sizes, degrees, mean_squares, raw, float(np.nanmean(values)), method, seen, negative)


def _nested_in(effect: str) -> str:
    """Return the axes that an effect's first part is nested in ("i:o" -> "o", "pi:o" -> "o")."""
    return "".join(effect.split(":")[1:])


def _sums_of_squares(
    values: Floats, axes: str, effects: tuple[str, ...], sizes: Mapping[str, int]
) -> tuple[dict[str, float], dict[str, int]]:
    """Return sum of squares and degrees of freedom of each effect, by deviations of cell means (stable for large means)."""
    squares, degrees = {}, {}
    for effect in effects:
        main, nest = effect.split(":")[0], _nested_in(effect)
        deviation = np.zeros([sizes[a] if a in _letters(effect) else 1 for a in axes])
        for count in range(len(main) + 1):
            for chosen in combinations(main, count):
                kept = set(chosen) | set(nest)
                drop = tuple(k for k, a in enumerate(axes) if a not in kept)
                deviation = deviation + (-1) ** (len(main) - count) * values.mean(axis=drop, keepdims=True)
        repeats = np.prod([sizes[a] for a in axes if a not in _letters(effect)])
        squares[effect] = float(repeats * np.square(deviation).sum())
        degrees[effect] = int(np.prod([sizes[a] - 1 for a in main]) * np.prod([sizes[a] for a in nest]))
    return squares, degrees


def _multipliers(axes: str, effects: tuple[str, ...], sizes: Mapping[str, int]) -> dict[str, int]:
    return {e: int(np.prod([sizes[a] for a in axes if a not in _letters(e)])) for e in effects}


def _components(
    mean_squares: Mapping[str, Any], effects: tuple[str, ...], sizes: Mapping[str, int], times: Mapping[str, int]
) -> dict[str, Any]:
    """Solve EMS(effect) = sum over effects that contain its letters of (repeats x component), from the last effect up."""
    out: dict[str, Any] = {}
    for effect in sorted(effects, key=lambda e: -len(_letters(e))):
        above = [e for e in out if set(_letters(effect)) < set(_letters(e))]
        rest = mean_squares[effect]
        for other in above:
            rest = rest - times[other] * out[other]
        out[effect] = rest / times[effect]
    return {effect: out[effect] for effect in effects}


def henderson_pxi(data: Any) -> GStudy:
    """Return the components of a persons x items table with missing cells (NaN), by Henderson's Method I.

    The sums sum(X^2), sum(Xp.^2/np), sum(X.i^2/ni), X..^2/N are set equal to their expectations (Searle, Linear Models 1971,
    ch. 11; Brennan 2001, sec. 7.1). Unbiased when what is missing has nothing to do with the scores; for a full table it is
    the ANOVA estimate. UsageError if a person or item has no score, or if the equations cannot be solved.
    """
    x = table("scores (pxi)", data, 2, missing=True)
    seen = np.isfinite(x)
    persons, items, total = seen.sum(1), seen.sum(0), int(seen.sum())
    if (persons == 0).any() or (items == 0).any():
        raise UsageError("scores (pxi): a person or an item has no score at all; leave it out")
    filled = np.where(seen, x, 0.0)
    centre = float(filled.sum() / total)  # the components do not depend on it; taking it off keeps the digits
    filled = np.where(seen, x - centre, 0.0)
    if float(np.ptp(x[seen])) == 0:
        raise UsageError("all scores are equal: nothing can be told apart, and no coefficient exists")
    t = np.array(
        [
            np.square(filled).sum(),
            (np.square(filled.sum(1)) / persons).sum(),
            (np.square(filled.sum(0)) / items).sum(),
            filled.sum() ** 2 / total,
        ]
    )
    kp, ki = float(np.square(persons).sum() / total), float(np.square(items).sum() / total)
    np_, ni = x.shape
    expected = np.array([[total, total, total], [total, np_, np_], [ni, total, ni], [kp, ki, 1.0]])
    left, right = expected[:3] - expected[3], t[:3] - t[3]
    if np.linalg.matrix_rank(left) < 3:
        raise UsageError("scores (pxi): too few cells are filled to tell persons, items and rest apart")
    p, i, rest = (float(v) for v in np.linalg.solve(left, right))
    study_sizes = {"p": np_, "i": ni}
    return _study("pxi", study_sizes, {}, {}, {"p": p, "i": i, "pi": rest}, x, "Henderson Method I")
