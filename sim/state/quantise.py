"""Rounding of state to integers for digests: lengths to a step in micrometres, everything else exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def micrometres(values: NDArray[np.float64] | float, step_um: int) -> bytes:
    """Return lengths in mm rounded to step_um as little-endian int64 bytes."""
    scaled = np.rint(np.asarray(values, np.float64) * (1000.0 / step_um))
    return scaled.astype("<i8").tobytes()


def plain(*values: Any) -> bytes:
    """Return integers, strings and booleans as unambiguous bytes."""
    return repr(values).encode()
