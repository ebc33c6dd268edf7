"""What a picture shows: the C-arm's pose, the technique, and the devices and fluid in the beam. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.frames import Vec, gantry
from sim.tools import CArm


@dataclass(frozen=True)
class Pose:
    """Cone-beam geometry in the patient frame (mm).

    source_mm, detector_mm (centre), right, up: (3,). The detector is a square of `side_mm` seen from its
    back towards the source: column index grows along right, row index grows against up (row 0 at the top).
    """

    source_mm: Vec
    detector_mm: Vec
    right: Vec
    up: Vec
    side_mm: float


def pose_of(
    carm: CArm, primary_mdeg: int, secondary_mdeg: int, centre_um: tuple[int, int, int], magnification: int, swivel_mdeg: int = 0
) -> Pose:
    """Return the pose of the beam for C-arm angles (mdeg), isocentre (um) and magnification mode."""
    axes = gantry(primary_mdeg, secondary_mdeg, swivel_mdeg)
    centre = np.array(centre_um, np.float64) / 1000.0
    return Pose(
        source_mm=centre - carm.sod_mm * axes.normal,
        detector_mm=centre + (carm.sdd_mm - carm.sod_mm) * axes.normal,
        right=axes.right,
        up=axes.up,
        side_mm=carm.detector_mm[magnification],
    )


@dataclass(frozen=True, eq=False)
class Wire:
    """A thin device in the beam: nodes_mm (n, 3), diameters, and mm of steel that 1 mm of its wall stands for."""

    nodes_mm: NDArray[np.float64]
    outer_mm: float
    inner_mm: float
    steel: float


@dataclass(frozen=True)
class View:
    """One picture to be made: geometry, open field, technique and what moves.

    half_width/half_height: open share (0..1] of the half field; iris: radius of the open disc over the half field
    (above 1.42: wide open). needle_mm: (n, 3) shaft, empty without a needle; needle_outer_mm / needle_inner_mm:
    diameters (stylet in: inner 0). contrast_points: (n, 4) x, y, z, iodine mg. patient_mm: (3,) how far breath and hand
    have moved the whole patient, needle and fluid too; breath_mm: (3,) how far the breath moved gas and lungs besides.
    wires: leads and catheters. noise_key: integers that pick the noise stream of this pulse. swivel_mdeg: of the C, for captions.
    """

    pose: Pose
    half_width: float
    half_height: float
    kvp: float
    mas: float
    needle_mm: NDArray[np.float64]
    needle_outer_mm: float
    needle_inner_mm: float
    contrast_points: NDArray[np.float32]
    noise_key: tuple[int, int]
    live: bool = False
    primary_mdeg: int = 0
    secondary_mdeg: int = 0
    patient_mm: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    breath_mm: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    wires: tuple[Wire, ...] = ()
    iris: float = 1.5
    swivel_mdeg: int = 0
