"""What every statistic asks of its input, and the interval that every estimate carries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sim.errors import UsageError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval. `method` names how the interval was made; bounds are None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    method: str = ""
    note: str = ""

    def text(self, digits: int = 2) -> str:
        """Return "0.84 (95 % 0.60 to 0.95)"."""
        if self.low is None or self.high is None:
            return f"{self.value:.{digits}f} (no interval{': ' + self.note if self.note else ''})"
        return f"{self.value:.{digits}f} ({100 * self.level:g} % {self.low:.{digits}f} to {self.high:.{digits}f})"

    def as_dict(self) -> dict[str, Any]:
        """Return the interval for JSON."""
        out = {"value": self.value, "low": self.low, "high": self.high, "level": self.level, "method": self.method}
        return out | ({"note": self.note} if self.note else {})


def vector(what: str, values: Sequence[float] | Floats, least: int = 1) -> Floats:
    """Return finite numbers as an array; UsageError for fewer than `least`, for NaN and for infinity."""
    try:
        out = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{what}: expected numbers") from None
    if out.ndim != 1:
        raise UsageError(f"{what}: expected one list of numbers, got {out.ndim} dimensions")
    if out.size < least:
        raise UsageError(f"{what}: {out.size} given; expected at least {least}")
    if not np.isfinite(out).all():
        raise UsageError(f"{what}: number {int(np.flatnonzero(~np.isfinite(out))[0]) + 1} is missing or infinite")
    return out


def table(what: str, values: Any, dimensions: int = 2, least: int = 2, missing: bool = False) -> Floats:
    """Return finite numbers as an array of `dimensions`, each at least `least` long; NaN only where `missing`."""
    try:
        out = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{what}: expected a full table of numbers") from None
    if out.ndim != dimensions:
        raise UsageError(f"{what}: expected {dimensions} dimensions, got {out.ndim}")
    if min(out.shape) < least:
        shape = " x ".join(str(n) for n in out.shape)
        raise UsageError(f"{what}: {shape} given; expected at least {least} in each direction")
    if np.isinf(out).any() or (np.isnan(out).any() and not missing):
        raise UsageError(f"{what}: {int((~np.isfinite(out)).sum())} cells are missing or infinite; expected a number in each")
    return out


def outcomes(what: str, values: Sequence[Any], least: int = 0) -> list[bool]:
    """Return results as booleans; UsageError for anything but True, False, 0 and 1."""
    out = []
    for number, value in enumerate(values, 1):
        if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, float)) and value in (0, 1)):
            out.append(bool(value))
        else:
            raise UsageError(f"{what}: number {number} is {value!r}; expected true or false (1 or 0)")
    if len(out) < least:
        raise UsageError(f"{what}: {len(out)} given; expected at least {least}")
    return out


def probability(name: str, value: float, ends: bool = False) -> float:
    """Return a probability strictly between 0 and 1 (`ends`: 0 and 1 allowed)."""
    inside = 0 <= value <= 1 if ends else 0 < value < 1
    if not (isinstance(value, (int, float, np.floating)) and math.isfinite(value) and inside):
        raise UsageError(f"{name} is {value}; expected a probability {'from 0 to 1' if ends else 'above 0 and below 1'}")
    return float(value)


def two_rates(p0: float, p1: float) -> tuple[float, float]:
    """Return acceptable and unacceptable failure rate; UsageError unless 0 < p0 < p1 < 1."""
    probability("p0 (acceptable failure rate)", p0)
    probability("p1 (unacceptable failure rate)", p1)
    if p0 >= p1:
        raise UsageError(f"p0 is {p0:g} and p1 is {p1:g}; expected p0 (acceptable) below p1 (unacceptable)")
    return float(p0), float(p1)


def whole(name: str, value: int, low: int, high: int) -> int:
    """Return a whole number within limits."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise UsageError(f"{name} is {value}; expected a whole number from {low} to {high}")
    return int(value)


def positive(name: str, value: float) -> float:
    """Return a finite number above zero."""
    if not (isinstance(value, (int, float, np.floating)) and math.isfinite(value) and value > 0):
        raise UsageError(f"{name} is {value}; expected a number above 0")
    return float(value)


def z_of(level: float) -> float:
    """Return the two-sided normal quantile of a confidence level."""
    probability("level", level)
    return float(stats.norm.ppf(0.5 + level / 2))


def percentile_interval(value: float, draws: Floats, level: float, method: str) -> Interval:
    """Return the percentile interval of simulated draws."""
    tail = 50 * (1 - level)
    low, high = np.percentile(draws, [tail, 100 - tail])
    return Interval(value, float(low), float(high), level, method)
