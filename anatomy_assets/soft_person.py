"""Draws of one person for nerves, vessels and soft tissue: sizes with the published spread, levels by share.

Seed 0 is the default adult: every deviate is 0 and every share is taken at its middle. Streams are named by
what they decide, so that a new structure changes no other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from anatomy_assets.tables import number, spread, table
from sim.rng import near_normal, stream

LIMIT = 2.5
"""Deviates are cut at +-2.5 SD."""


def deviate(seed: int, purpose: str) -> float:
    """Return a near-normal deviate (SD 1) for a purpose; 0 for the default adult."""
    if seed == 0:
        return 0.0
    return min(max(near_normal(stream(seed, f"soft/{purpose}")), -LIMIT), LIMIT)


def drawn(seed: int, key: str, level: str = "", side: str = "", common: float = 0.7, name: str = "neurovascular") -> float:
    """Return a size from the table `name`: mean plus deviate times SD.

    common: share of the variance that all levels and sides of a person have in common.
    """
    row = key.replace(".", "/")
    own = deviate(seed, row)
    here = deviate(seed, f"{row}/{level}/{side}") if level or side else own
    mixed = _root(common) * own + _root(1.0 - common) * here if level or side else own
    return number(name, key, level) + spread(name, key, level) * mixed


def _root(x: float) -> float:
    return float(np.sqrt(max(x, 0.0)))


def uniform(seed: int, purpose: str) -> float:
    """Return a uniform number in 0..1; 0.5 for the default adult."""
    return 0.5 if seed == 0 else float(stream(seed, f"soft/{purpose}").random())


def chosen(name: str, key: str, u: float) -> tuple[str, float]:
    """Return (name, place within it 0..1) from a row of shares `per_level` at the uniform number u."""
    group, row = key.split(".")
    shares: Mapping[str, float] = table(name)[group][row]["per_level"]
    total = 0.0
    for share in shares.values():
        total += share
    at = u * total
    last = ""
    for word, share in shares.items():
        last = word
        if at < share:
            return word, at / share
        at -= share
    return last, 1.0
