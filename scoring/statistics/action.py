"""Counting actions of a tool from its track, by the conventions of Perk Tutor (constants: oracles.toml [action_metrics]).

An action is a stretch of at least 0.2 s in which the tool is faster than 50 mm/s (translation) or 50 deg/s (rotation).
Speed of a segment is its length over its time; a shorter stretch is noise. Sampling changes such counts: keep the
convention with the number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scoring.statistics.checks import Floats, vector
from sim.errors import UsageError

TRANSLATION_MM_S = 50.0
ROTATION_DEG_S = 50.0
LEAST_S = 0.2


def _actions(times_s: Floats, steps: Floats, threshold: float) -> int:
    spans = np.diff(times_s)
    if (spans <= 0).any():
        raise UsageError("times: expected seconds that rise from sample to sample")
    count, began = 0, None
    fast = [*(steps / spans > threshold), False]
    for k, quick in enumerate(fast):
        if quick and began is None:
            began = times_s[k]
        elif not quick and began is not None:
            count += bool(times_s[k] - began >= LEAST_S - 1e-9)
            began = None
    return count


def translational_actions(times_s: Sequence[float], points_mm: Sequence[Sequence[float]]) -> int:
    """Return the number of translational actions of a track: times (s, rising) and points (n x 3, mm)."""
    times, points = vector("times", times_s, 2), np.asarray(points_mm, dtype=np.float64)
    if points.shape != (times.size, 3) or not np.isfinite(points).all():
        raise UsageError(f"points: expected {times.size} x 3 finite numbers, one point for each time")
    return _actions(times, np.sqrt(np.square(np.diff(points, axis=0)).sum(1)), TRANSLATION_MM_S)


def rotational_actions(times_s: Sequence[float], angles_deg: Sequence[float]) -> int:
    """Return the number of rotational actions: times (s, rising) and the angle (deg, unwrapped) at each."""
    times, angles = vector("times", times_s, 2), vector("angles", angles_deg, 2)
    if times.size != angles.size:
        raise UsageError(f"{times.size} times and {angles.size} angles; expected one for each")
    return _actions(times, np.abs(np.diff(angles)), ROTATION_DEG_S)
