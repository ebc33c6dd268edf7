"""From a patient's landmarks to the plan of a procedure: target, zone, surroundings."""

from __future__ import annotations

import numpy as np

from scenarios.schema import TargetTable
from sim.command import LEVELS, SIDES
from sim.errors import DataError
from sim.phantom import Phantom
from sim.plan import Plan


def make_plan(phantom: Phantom, target: TargetTable) -> Plan:
    """Return the plan for `target` on this patient. KeyError names a landmark that the phantom lacks.

    DataError: no straight way leads to the target in this patient (findings may close a foramen).
    """
    key = f"target.{target.approach}.{target.level}.{target.side}"
    if key not in phantom.landmarks and phantom.individual.get("pathology"):
        where = f"target {target.approach} {target.level} {target.side}"
        raise DataError(f"{where}: the patient's findings leave no free way to it; expected another target, seed or grade")
    foramina: dict[tuple[str, str], np.ndarray] = {}
    medial: dict[tuple[str, str], float] = {}
    for level in LEVELS:
        for side in SIDES:
            centre = f"{level}.foramen.{side}.centre"
            border = f"{level}.pedicle.{side}.medial"
            if centre in phantom.landmarks:
                foramina[level, side] = phantom.landmark(centre)
            if border in phantom.landmarks:
                medial[level, side] = float(phantom.landmark(border)[0])
    seen = {name: phantom.landmark(f"{name}.body.centre") for name in LEVELS if f"{name}.body.centre" in phantom.landmarks}
    if "S1.canal.centre" in phantom.landmarks:
        seen["sacrum"] = phantom.landmark("S1.canal.centre")
    return Plan(
        level=target.level,
        side=target.side,
        approach=target.approach,
        target_mm=phantom.landmark(key),
        endplate_normal=phantom.landmark(f"{target.level}.endplate.inferior.normal"),
        foramina=foramina,
        medial_line_mm=medial,
        field_landmarks=seen,
    )
