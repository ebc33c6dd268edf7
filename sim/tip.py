"""Where a needle tip is, in the words of the events: the fields every event at a tip carries (sim.event)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.phantom import Tissue
from sim.plan import Plan, Vertebra
from sim.state import NeedleState, Study

NEAR_FORAMEN_MM = 25.0
"""A tip further than this from every foramen belongs to no level."""

TISSUE_NAME = tuple(tissue.name for tissue in sorted(Tissue))


def um(length_mm: float) -> int:
    """Return a length in whole micrometres (half to even)."""
    return round(float(length_mm) * 1000.0)


def facts_at(plan: Plan, point: NDArray[np.float64], tissue: int, depth_mm: float) -> dict[str, Any]:
    """Return the tip fields of an event for a tip at `point` (mm, patient frame) in tissue label `tissue`.

    off_* are relative to the nearest planned target along the patient's right, dorsal and cranial axes. `level` and
    `side` name the nearest foramen within NEAR_FORAMEN_MM ("" without one); `in_canal_um` is how far medial of
    that foramen's medial pedicle line the tip lies (negative: lateral; 0 without a foramen). Where a body is to be filled
    there is more (`body_facts`).
    """
    x, y, z = float(point[0]), float(point[1]), float(point[2])
    dx, dy, dz = _off_target(plan, x, y, z)
    level, side = nearest_foramen(plan, x, y, z)
    in_canal = 0.0
    if (level, side) in plan.medial_line_mm:
        line = plan.medial_line_mm[level, side]
        in_canal = x - line if side == "right" else line - x
    return {
        "x_um": um(x),
        "y_um": um(y),
        "z_um": um(z),
        "off_right_um": um(-dx),
        "off_dorsal_um": um(dy),
        "off_cranial_um": um(dz),
        "distance_um": um(math.sqrt(dx * dx + dy * dy + dz * dz)),
        "tissue": TISSUE_NAME[tissue],
        "depth_um": um(depth_mm),
        "level": level,
        "side": side,
        "in_canal_um": um(in_canal),
        **body_facts(plan, x, y, z),
    }


def body_facts(plan: Plan, x: float, y: float, z: float) -> dict[str, Any]:
    """Return what the rules of a pedicle way ask of a tip: {} where no body is planned to be filled.

    body: the nearest vertebra; past_medial_um: how far medial of the pedicle's inner border on the tip's side; to_wall_um:
    how far dorsal of the posterior wall (negative: in front of it); body_depth_permille: 0 at the posterior, 1000 at the
    anterior wall; goal: index of the nearest planned target.
    """
    best: tuple[float, Vertebra] | None = None
    for v in plan.vertebrae:
        d = (x - float(v.centre_mm[0]), y - float(v.centre_mm[1]), z - float(v.centre_mm[2]))
        up = abs(d[0] * float(v.axes[2, 0]) + d[1] * float(v.axes[2, 1]) + d[2] * float(v.axes[2, 2]))
        if best is None or up < best[0]:
            best = (up, v)
    if best is None:
        return {}
    v = best[1]
    d = (x - float(v.centre_mm[0]), y - float(v.centre_mm[1]), z - float(v.centre_mm[2]))
    left = d[0] * float(v.axes[0, 0]) + d[1] * float(v.axes[0, 1]) + d[2] * float(v.axes[0, 2]) - v.middle_mm
    back = d[0] * float(v.axes[1, 0]) + d[1] * float(v.axes[1, 1]) + d[2] * float(v.axes[1, 2])
    border = v.medial_mm["left" if left >= 0.0 else "right"]
    deep = (v.behind_mm - back) / max(v.behind_mm + v.ahead_mm, 1.0)
    gaps = [_square((x - float(g.target_mm[0]), y - float(g.target_mm[1]), z - float(g.target_mm[2]))) for g in plan.goals]
    return {
        "body": v.name,
        "past_medial_um": um(border - abs(left)),
        "to_wall_um": um(back - v.behind_mm),
        "body_depth_permille": round(1000.0 * deep),
        "goal": gaps.index(min(gaps)),
    }


def _off_target(plan: Plan, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return the way from the nearest planned target to a point."""
    best: tuple[float, float, float] | None = None
    for goal in plan.goals:
        at = goal.target_mm
        off = (x - float(at[0]), y - float(at[1]), z - float(at[2]))
        if best is None or _square(off) < _square(best):
            best = off
    assert best is not None
    return best


def _square(v: tuple[float, float, float]) -> float:
    return v[0] * v[0] + v[1] * v[1] + v[2] * v[2]


def tip_facts(study: Study, needle: NeedleState) -> dict[str, Any]:
    """Return the tip fields of an event for the needle as it is."""
    return facts_at(study.plan, needle.tip_mm, needle.tissue, needle.depth_mm)


def nearest_foramen(plan: Plan, x: float, y: float, z: float) -> tuple[str, str]:
    """Return (level, side) of the nearest foramen within NEAR_FORAMEN_MM, ("", "") if there is none."""
    best, found = NEAR_FORAMEN_MM * NEAR_FORAMEN_MM, ("", "")
    for key, centre in plan.foramina.items():
        dx, dy, dz = x - float(centre[0]), y - float(centre[1]), z - float(centre[2])
        d2 = dx * dx + dy * dy + dz * dz
        if d2 <= best:
            best, found = d2, key
    return found
