"""The LC-CUSUM design of every chart that nobody asked otherwise for: practice feedback, never a decision.

Failure rates as in the oracles' first designs (docs/STATISTICS.md); the limit follows from them by lc_cusum_design.
"""

from __future__ import annotations

P0, P1, HORIZON, ALPHA = 0.10, 0.30, 30, 0.05
"""Acceptable and unacceptable failure rate, attempts that the limit is made for, chance of a false signal within them."""
