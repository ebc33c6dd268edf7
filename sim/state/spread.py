"""State of syringe and injectate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.state.quantise import plain


@dataclass(frozen=True)
class SpreadState:
    """Syringe on the hub and fluid in the patient. Arrays are never changed in place.

    agent: index in the toolbox, -1 without a syringe. left_ul: still in the syringe (float, microlitres).
    flowing: an injection runs; goal_ul / given_ul / rate_ul_s describe it.
    contrast_points: (n, 4) float32 x, y, z (mm) and iodine mass (mg) of what X-rays can show now.
    front: engine-private plain state of the volume-conserving front (a frozen value of sim.spread).
    """

    agent: int = -1
    drawn_ul: float = 0.0
    left_ul: float = 0.0
    flowing: bool = False
    goal_ul: float = 0.0
    given_ul: float = 0.0
    rate_ul_s: int = 0
    contrast_points: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    front: Any = None

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest; volumes to 1e-3 microlitre."""
        inner = self.front.quantised(step_um) if self.front is not None else b""
        return plain(self.agent, round(self.left_ul * 1000), self.flowing, round(self.given_ul * 1000), self.rate_ul_s) + inner
