"""Frames and angles: patient frame DICOM LPS in mm, gantry and image axes, bit-stable sine and cosine.

Patient frame: x to the patient's left, y posterior, z superior; origin at the centre of the S1 superior
endplate. The patient lies prone: y points to the ceiling.

`primary_deg` and `secondary_deg` say where the detector is, seen from the isocentre: (0, 0) straight above
the prone patient's back; positive primary towards the patient's left, positive secondary towards the head.
DICOM's PositionerPrimaryAngle is counted from the patient's anterior side: PositionerPrimaryAngle =
180 - primary_deg (wrapped to -180..180); PositionerSecondaryAngle = secondary_deg.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

Vec = NDArray[np.float64]
"""A float64 array of shape (3,): a point or a direction in the patient frame."""

FULL_TURN_MDEG = 360_000
_RAD_PER_MDEG = 1.7453292519943295e-05


@jit
def sincos_mdeg(angle_mdeg: int) -> tuple[float, float]:
    """Return (sin, cos) of an angle in whole millidegrees, equal to the last bit on every machine.

    Library sines differ between CPUs in the last bit. Here the angle is folded to 0..45 degrees with
    integers, then summed as a Taylor series with + and * only (error below 2e-16).
    """
    a = angle_mdeg % 360_000
    quadrant = a // 90_000
    r = a - quadrant * 90_000
    swap = r > 45_000
    if swap:
        r = 90_000 - r
    x = r * 1.7453292519943295e-05
    x2 = x * x
    s = x * (1 - x2 / 6 * (1 - x2 / 20 * (1 - x2 / 42 * (1 - x2 / 72 * (1 - x2 / 110 * (1 - x2 / 156 * (1 - x2 / 210)))))))
    c = 1 - x2 / 90 * (1 - x2 / 132 * (1 - x2 / 182 * (1 - x2 / 240)))
    c = 1 - x2 / 2 * (1 - x2 / 12 * (1 - x2 / 30 * (1 - x2 / 56 * c)))
    if swap:
        s, c = c, s
    if quadrant == 0:
        return s, c
    if quadrant == 1:
        return c, -s
    if quadrant == 2:
        return -s, -c
    return -c, s


@dataclass(frozen=True)
class Gantry:
    """Axes of one C-arm position in the patient frame.

    `right` and `up` span the picture as it is displayed (seen from the detector, as in pain suites: the
    prone patient's left is on the left of the screen); `normal` points from the isocentre to the detector.
    right x up = normal.
    """

    right: Vec
    up: Vec
    normal: Vec


def gantry(primary_mdeg: int, secondary_mdeg: int, swivel_mdeg: int = 0) -> Gantry:
    """Return the picture axes for C-arm angles in millidegrees.

    swivel_mdeg turns the whole C about the vertical through the isocentre: positive moves what stands on the patient's left
    towards the head.
    """
    sp, cp = sincos_mdeg(primary_mdeg)
    ss, cs = sincos_mdeg(secondary_mdeg)
    rows = (-cp, sp, 0.0), (-sp * ss, -cp * ss, cs), (sp * cs, cp * cs, ss)
    if swivel_mdeg:
        sw, cw = sincos_mdeg(swivel_mdeg)
        rows = tuple((cw * x - sw * z, y, sw * x + cw * z) for x, y, z in rows)  # type: ignore[assignment]
    return Gantry(*(np.array(row) for row in rows))


def turned_to_deg(normal: Vec) -> tuple[float, float]:
    """Return the (primary, secondary) in degrees of a C-arm without swivel whose beam lies as `normal` (a unit vector)."""
    x, y, z = (float(v) for v in normal)
    return float(np.degrees(np.arctan2(x, y))), float(np.degrees(np.arcsin(min(max(z, -1.0), 1.0))))


def dicom_primary_deg(primary_mdeg: int) -> float:
    """Return PositionerPrimaryAngle (degrees, -180..180] for our primary angle."""
    angle = (180_000 - primary_mdeg) % FULL_TURN_MDEG
    return (angle - FULL_TURN_MDEG if angle > 180_000 else angle) / 1000.0


def hub_frame(yaw_mdeg: int, pitch_mdeg: int) -> Vec:
    """Return the hub frame R (3, 3) with columns ex, ey, ez for a needle held over the prone back.

    ez is the direction of advance. (0, 0) points straight down (anterior, -y). Positive yaw leans the tip
    towards the patient's left (+x), positive pitch leans the tip towards the head (+z). ex is to the
    patient's left before yaw, ey = ez x ex.
    """
    sy, cy = sincos_mdeg(yaw_mdeg)
    sp, cp = sincos_mdeg(pitch_mdeg)
    ez = np.array([sy * cp, -cy * cp, sp])
    ex = np.array([cy, sy, 0.0])
    ey = np.array([ez[1] * ex[2] - ez[2] * ex[1], ez[2] * ex[0] - ez[0] * ex[2], ez[0] * ex[1] - ez[1] * ex[0]])
    return np.stack([ex, ey, ez], axis=1)


def norm(v: Vec) -> float:
    """Return the length of a vector without BLAS (bit-stable)."""
    return float(np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]))


def dot(a: Vec, b: Vec) -> float:
    """Return the scalar product without BLAS (bit-stable)."""
    return float(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])
