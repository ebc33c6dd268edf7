"""How well a value tells two groups apart: the area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence

from sim.errors import UsageError


def roc_area(high: Sequence[float], low: Sequence[float]) -> float:
    """Return the area under the ROC curve: the share of pairs in which `high` lies above `low`, ties counting one half.

    This is the Mann-Whitney statistic over its largest value (Hanley and McNeil 1982 Radiology 143:29): 0.5 without any
    difference, 1 when every value of `high` is above every one of `low`. UsageError: a group is empty.
    """
    if not high or not low:
        raise UsageError(f"groups of {len(high)} and {len(low)}; expected at least one value in each")
    twice = sum(2 * (h > x) + (h == x) for h in high for x in low)
    return twice / (2 * len(high) * len(low))
