"""The plan of a study: where the needle should go and what the core measures against it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Goal:
    """One planned place for a needle tip: target_mm (3,), and the foramen or nerve that names it."""

    level: str
    side: str
    target_mm: F64


@dataclass(frozen=True)
class Vertebra:
    """A vertebral body and the planes that a way through its pedicle is judged by.

    axes: rows left, back, up (unit). behind_mm, ahead_mm: from the centre to the posterior and the anterior wall.
    medial_mm: side -> distance of the pedicle's inner border from the middle between both; that lies middle_mm left of centre.
    """

    name: str
    centre_mm: F64
    axes: F64
    behind_mm: float
    ahead_mm: float
    medial_mm: Mapping[str, float]
    middle_mm: float


@dataclass(frozen=True)
class DrillItem:
    """One question of a drill. kind: "square", "tunnel", "point", "centre", "needle" or "choose" (sim/drill.py).

    at_mm (3,): the place that is asked for; within_mm: how far from it still counts as there (a bead's radius). normal (3,):
    unit normal of the endplate, or unit direction from the target to the detector. name: the vertebra meant. choices and
    right: what can be chosen, and which one is right.
    """

    kind: str
    prompt: str
    at_mm: F64 = field(default_factory=lambda: np.zeros(3))
    normal: F64 = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))
    within_mm: float = 0.0
    name: str = ""
    choices: tuple[str, ...] = ()
    right: int = -1


@dataclass(frozen=True)
class Drill:
    """A set of questions, asked one after the other. allowed: the commands that belong to it (`finish` always does).

    start: primary_mdeg, secondary_mdeg, x_um, y_um, z_um: where the C-arm stands when the first one is asked.
    """

    items: tuple[DrillItem, ...]
    allowed: frozenset[str]
    start: tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Plan:
    """Target and surroundings of one procedure, taken from the phantom's landmarks (scenarios/plan.py).

    target_mm: (3,) planned tip position. endplate_normal: (3,) unit normal of the endplate that is
    to be squared. foramina: (level, side) -> centre (3,) of each foramen. medial_line_mm: (level, side) ->
    x of the medial pedicle border. field_landmarks: name -> (3,): what a picture can be said to contain.
    further: goals beside the main one, in the order of the plan (a block of two or three nerves). vessel_by_chance: small
    vessels, too small to be tubes, lie about at the published rate of the region.
    vertebrae: bodies about the planned one where a body is to be filled; none in other procedures.
    drill: what a foundation drill asks.
    """

    level: str
    side: str
    approach: str
    target_mm: F64
    endplate_normal: F64
    foramina: Mapping[tuple[str, str], F64]
    medial_line_mm: Mapping[tuple[str, str], float]
    field_landmarks: Mapping[str, F64]
    further: tuple[Goal, ...] = ()
    vessel_by_chance: bool = False
    vertebrae: tuple[Vertebra, ...] = ()
    drill: Drill | None = None

    @property
    def goals(self) -> tuple[Goal, ...]:
        """All planned places, the main one first."""
        return (Goal(self.level, self.side, self.target_mm), *self.further)
