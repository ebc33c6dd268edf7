"""The open field of the C-arm: where it lies, how much shutters and iris leave open, and what an exposure can be said to show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.frames import Vec, dot, gantry, sincos_mdeg
from sim.jit import jit
from sim.state import CArmState, State, Study
from sim.tools import CArm
from sim.view import Pose, pose_of

F64 = NDArray[np.float64]

IRIS_ROWS = 200
AP_PRIMARY_MDEG, AP_SECONDARY_MDEG = 10_000, 20_000
LATERAL_MDEG = (75_000, 105_000)


def pose(study: Study, me: CArmState) -> Pose:
    """Return the geometry of the beam where the machine stands."""
    return pose_of(study.toolbox.carm, me.primary_mdeg, me.secondary_mdeg, me.centre_um, me.magnification, me.swivel_mdeg)


# ---------------------------------------------------------------- motion


def open_mm2(carm: CArm, me: CArmState) -> float:
    """Return the open field at the receptor (mm2): what shutters and iris both leave open."""
    side = carm.detector_mm[me.magnification]
    return side * side * _open_share(me.half_width_permille, me.half_height_permille, me.iris_permille)


def permille_open(me: CArmState) -> int:
    """Return the open share of the detector in thousandths, rounded down: a whole number that a state can carry."""
    if me.iris_permille * me.iris_permille >= me.half_width_permille**2 + me.half_height_permille**2:
        return me.half_width_permille * me.half_height_permille // 1000
    return int(_open_share(me.half_width_permille, me.half_height_permille, me.iris_permille) * 1000.0)


def _open_share(width_permille: int, height_permille: int, iris_permille: int) -> float:
    """Return the open share of the detector: a rectangle, cut by a disc round the centre (200 rows, midpoint rule)."""
    half_w, half_h, radius = width_permille / 1000.0, height_permille / 1000.0, iris_permille / 1000.0
    if radius * radius >= half_w * half_w + half_h * half_h:
        return half_w * half_h
    total = 0.0
    for i in range(IRIS_ROWS):
        y = (i + 0.5) / IRIS_ROWS * half_h
        total += min(half_w, float(np.sqrt(max(radius * radius - y * y, 0.0))))
    return total * half_h / IRIS_ROWS


def view_name(primary_mdeg: int, secondary_mdeg: int) -> str:
    """Return the name of a projection: ap, lateral, oblique_left (detector to the patient's left) or _right, other."""
    turned = abs(primary_mdeg)
    if turned <= AP_PRIMARY_MDEG:
        return "ap" if abs(secondary_mdeg) <= AP_SECONDARY_MDEG else "other"
    if LATERAL_MDEG[0] <= turned <= LATERAL_MDEG[1]:
        return "lateral"
    if turned < LATERAL_MDEG[0]:
        return "oblique_left" if primary_mdeg > 0 else "oblique_right"
    return "other"


def in_field(place: Pose, me: CArmState, point: Vec) -> bool:
    """Return True if a point is projected inside the open field."""
    d = point - place.source_mm
    axis = place.detector_mm - place.source_mm
    sdd = float(np.sqrt(dot(axis, axis)))
    depth = dot(d, axis) / sdd
    if depth <= 0.0:
        return False
    x, y = dot(d, place.right) * sdd / depth, dot(d, place.up) * sdd / depth
    half = 0.5 * place.side_mm
    if (x * x + y * y) * 1.0e6 > half * half * me.iris_permille * me.iris_permille:
        return False
    return abs(x) * 1000.0 <= half * me.half_width_permille and abs(y) * 1000.0 <= half * me.half_height_permille


def sees_needle(state: State, me: CArmState, place: Pose) -> bool:
    """Return True if the needle's tip lies in the open field."""
    return state.needle.placed and in_field(place, me, state.needle.tip_mm)


def opaque_points(state: State) -> NDArray[np.float32]:
    """Return the points of contrast and cement that X-rays show, (n, 4) x, y, z and iodine mg."""
    contrast, cement = state.spread.contrast_points, state.cement.points
    return np.concatenate([contrast, cement]) if len(contrast) and len(cement) else cement if len(cement) else contrast


def sees_contrast(state: State, me: CArmState, place: Pose) -> bool:
    """Return True if at least a tenth of the iodine in the patient lies in the open field."""
    points = opaque_points(state)
    if len(points) == 0:
        return False
    return bool(_iodine_inside(points, *_box(place, me)))


def _box(place: Pose, me: CArmState) -> tuple[F64, F64, F64, F64, float, float, float, float]:
    axis = place.detector_mm - place.source_mm
    sdd = float(np.sqrt(dot(axis, axis)))
    half = 0.5 * place.side_mm
    return (
        place.source_mm,
        axis / sdd,
        place.right,
        place.up,
        sdd,
        half * me.half_width_permille / 1000.0,
        half * me.half_height_permille / 1000.0,
        half * me.iris_permille / 1000.0,
    )


@jit
def _iodine_inside(
    points: NDArray[np.float32], source: F64, normal: F64, right: F64, up: F64, sdd: float, half_w: float, half_h: float,
    iris: float,
) -> bool:  # fmt: skip
    """Return True if a tenth of the iodine mass is projected inside the field."""
    inside, total = 0.0, 0.0
    for i in range(points.shape[0]):
        x, y, z, mass = float(points[i, 0]), float(points[i, 1]), float(points[i, 2]), float(points[i, 3])
        dx, dy, dz = x - source[0], y - source[1], z - source[2]
        w = dx * normal[0] + dy * normal[1] + dz * normal[2]
        total += mass
        if w > 0.0:
            u = (dx * right[0] + dy * right[1] + dz * right[2]) * sdd / w
            v = (dx * up[0] + dy * up[1] + dz * up[2]) * sdd / w
            if abs(u) <= half_w and abs(v) <= half_h and u * u + v * v <= iris * iris:
                inside += mass
    return total > 0.0 and inside >= 0.1 * total


def square_mdeg(primary_mdeg: int, secondary_mdeg: int, normal: Vec, swivel_mdeg: int = 0) -> int:
    """Return the angle between the beam's axis and the plane with this unit normal, in whole millidegrees.

    The sine is |beam . normal|; its angle is found by bisection with the bit-stable sine, no library arcsine.
    """
    beam = gantry(primary_mdeg, secondary_mdeg, swivel_mdeg).normal
    sine = abs(dot(beam, normal)) / float(np.sqrt(dot(normal, normal)))
    low, high = 0, 90_000
    while low < high:
        middle = (low + high) // 2
        if sincos_mdeg(middle)[0] < sine:
            low = middle + 1
        else:
            high = middle
    return low
