"""From a patient's landmarks to the plan of a procedure: target, zone, surroundings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import FILLING, TargetTable
from scenarios.vertebral import LEVELS_DOWN, vertebra
from sim.command import LEVELS, LUMBAR, SIDES
from sim.errors import DataError
from sim.phantom import Phantom
from sim.plan import Goal, Plan

F64 = NDArray[np.float64]


SQUARED = {
    "subpedicular": "{level}.endplate.inferior.normal",
    "infraneural": "{below}.endplate.superior.normal",
    "medial_branch": "{below}.endplate.superior.normal",
}
"""Approach -> the endplate that is squared: a medial branch crosses the vertebra below its own level, and Kambin's triangle
stands on the upper endplate of that vertebra."""


def make_plan(phantom: Phantom, target: TargetTable, further: Sequence[TargetTable] = ()) -> Plan:
    """Return the plan for `target` and the goals beside it on this patient. KeyError names a landmark that the phantom lacks.

    DataError: no straight way leads to the target in this patient (findings may close a foramen).
    """
    foramina: dict[tuple[str, str], np.ndarray] = {}
    medial: dict[tuple[str, str], float] = {}
    filling = target.approach in FILLING
    levels = LEVELS if filling else LUMBAR
    for level in levels:
        for side in SIDES:
            centre = f"{level}.foramen.{side}.centre"
            border = f"{level}.pedicle.{side}.medial"
            if centre in phantom.landmarks:
                foramina[level, side] = phantom.landmark(centre)
            if border in phantom.landmarks:
                medial[level, side] = float(phantom.landmark(border)[0])
    if target.approach != "medial_branch":
        foramina |= _sacral(phantom)
    seen = {name: phantom.landmark(f"{name}.body.centre") for name in levels if f"{name}.body.centre" in phantom.landmarks}
    if "S1.canal.centre" in phantom.landmarks:
        seen["sacrum"] = phantom.landmark("S1.canal.centre")
    return Plan(
        level=target.level,
        side=target.side,
        approach=target.approach,
        target_mm=_place(phantom, target),
        endplate_normal=_squared(phantom, target),
        foramina=foramina,
        medial_line_mm=medial,
        field_landmarks=seen,
        further=tuple(Goal(t.level, t.side, _place(phantom, t)) for t in further),
        vertebrae=tuple(vertebra(phantom, name) for name in LEVELS_DOWN if _whole(phantom, name)) if filling else (),
    )


def _whole(phantom: Phantom, level: str) -> bool:
    """Return whether a patient has all of a vertebra that the rules of a pedicle way need."""
    needed = ("body.centre", "wall.posterior", "endplate.superior", "endplate.inferior", "pedicle.left.medial")
    return all(f"{level}.{what}" in phantom.landmarks for what in (*needed, "pedicle.right.medial"))


def gel_plan(phantom: Phantom) -> Plan:
    """Return the plan of a block without a patient: its first bead, no level, no side."""
    marks = {bone.name: np.asarray(bone.translation_mm, np.float64) for bone in phantom.bones}
    first = marks[min(marks)]
    return Plan("", "", "gel", first, np.array([0.0, 0.0, 1.0]), {}, {}, marks)


def _sacral(phantom: Phantom) -> dict[tuple[str, str], F64]:
    """Return the middle of the first sacral foramen of each side, between its dorsal and its ventral opening."""
    out = {}
    for side in SIDES:
        doors = [f"S1.foramen.{word}.{side}" for word in ("dorsal", "ventral")]
        if all(door in phantom.landmarks for door in doors):
            out["S1", side] = 0.5 * (phantom.landmark(doors[0]) + phantom.landmark(doors[1]))
    return out


def _place(phantom: Phantom, target: TargetTable) -> F64:
    key = f"target.{target.approach}.{target.level}.{target.side}"
    if key not in phantom.landmarks and phantom.individual.get("pathology"):
        where = f"target {target.approach} {target.level} {target.side}"
        raise DataError(f"{where}: the patient's findings leave no free way to it; expected another target, seed or grade")
    return phantom.landmark(key)


def _squared(phantom: Phantom, target: TargetTable) -> F64:
    if target.approach in FILLING:
        return np.asarray(vertebra(phantom, target.level).axes[2], np.float64)
    below = LUMBAR[min(LUMBAR.index(target.level) + 1, len(LUMBAR) - 1)]
    key = SQUARED[target.approach].format(level=target.level, below=below)
    if key not in phantom.landmarks:  # no landmark gives the plane of the sacrum's own plate: that of L5 above the disc stands in
        key = f"{'L5' if target.level == 'S1' else target.level}.endplate.inferior.normal"
    return phantom.landmark(key)
