"""Graded operators: the same way of working with human slips, fewer the greater the skill.

skill 0 is a beginner, skill 1 the expert, who makes none. What a beginner does wrongly and how often is data
(scenarios/data/skill.toml). Slips are drawn from a stream of the attempt's own: scenario, seed and operator
name decide them, so an attempt can be run again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from scenarios.toml_file import DATA, Quantity, Strict, load
from sim.rng import near_normal, stream

FAMILY = {"novice-1": 0.0, "novice-2": 0.25, "novice-3": 0.5, "novice-4": 0.75}
"""The graded family below the expert: operator name -> skill."""

_TRAINEE = re.compile(r"trainee-(\d{1,3})(?:-[a-z0-9]+)?")


class SkillFile(Strict):
    """scenarios/data/skill.toml."""

    chance: dict[str, Quantity]
    error: dict[str, Quantity]
    pace: dict[str, Quantity]


@cache
def load_skill() -> SkillFile:
    """Return the table of slips of a beginner."""
    return load(DATA / "skill.toml", SkillFile)


def skill_of(operator: str) -> float | None:
    """Return the skill (0..1) of `novice-1`..`novice-4` or `trainee-<percent>[-label]`; None for any other name."""
    if operator in FAMILY:
        return FAMILY[operator]
    found = _TRAINEE.fullmatch(operator)
    if found is None or int(found[1]) > 100:
        return None
    return int(found[1]) / 100.0


@dataclass
class Hands:
    """How one operator errs in one attempt. The expert's hands (skill 1) never draw a number."""

    skill: float = 1.0
    _draw: np.random.Generator = field(default_factory=lambda: stream(0, "operator"))

    @classmethod
    def of(cls, skill: float, scenario: str, seed: int, name: str) -> Hands:
        """Return the hands of operator `name` for one attempt."""
        return cls(skill, stream(seed, f"operator/{scenario}/{name}"))

    def slips(self, what: str) -> bool:
        """Return whether this step goes wrong now (key of [chance])."""
        if self.skill >= 1.0:
            return False
        return float(self._draw.random()) < load_skill().chance[what].value * (1.0 - self.skill)

    def error(self, what: str) -> float:
        """Return an error now, near-normal (key of [error], its unit)."""
        if self.skill >= 1.0:
            return 0.0
        return near_normal(self._draw) * load_skill().error[what].value * (1.0 - self.skill)

    def pace(self, what: str) -> float:
        """Return a factor (key of [pace]): 1 for the expert."""
        return 1.0 + (load_skill().pace[what].value - 1.0) * (1.0 - self.skill)
