"""Automatic exposure and dose: thickness on nine rays, technique of a pulse, kerma and dose-area product.

Integers out, + - * / sqrt only: the technique enters the record (docs/IMAGING.md, "Exposure and dose").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.beam_field import open_mm2, pose
from sim.fields import Fields, tissue_at
from sim.frames import dot
from sim.jit import jit
from sim.scatter import spr_at
from sim.state import CArmState, Study
from sim.tools import CArm

F64 = NDArray[np.float64]

RAY_STEP_MM = 2.0
CIRCLE = 3.141592653589793


@jit
def _walk(f: Fields, factors: F64, start: F64, step: F64, count: int, step_mm: float) -> float:
    """Return the water-equivalent length (mm) of a ray: midpoint rule over `count` steps of step_mm.

    Above and below the label volume the body goes on as at its ends.
    """
    low = f.label_origin[2]
    high = low + f.label_spacing * (f.labels.shape[2] - 1)
    total = 0.0
    for i in range(count):
        t = i + 0.5
        z = min(max(start[2] + t * step[2], low), high)
        total += factors[tissue_at(f, start[0] + t * step[0], start[1] + t * step[1], z)]
    return total * step_mm


def water_mm(study: Study, me: CArmState) -> float:
    """Return the mean water-equivalent thickness on nine rays: centre, and a third of the way to the open field's edges."""
    place, f = pose(study, me), study.phantom.fields
    half_w = place.side_mm * min(me.half_width_permille, me.iris_permille) / 6000.0
    half_h = place.side_mm * min(me.half_height_permille, me.iris_permille) / 6000.0
    total = 0.0
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            ray = place.detector_mm + column * half_w * place.right + row * half_h * place.up - place.source_mm
            length = float(np.sqrt(dot(ray, ray)))
            count = int(length / RAY_STEP_MM)
            total += _walk(f, study.toolbox.carm.water_equivalent, place.source_mm, ray / count, count, length / count)
    return total / 9.0


def technique(study: Study, me: CArmState) -> tuple[int, int]:
    """Return (kVp x10, mAs x1000) of the next pulse: the exposure curve at the water-equivalent thickness.

    Smaller detector fields ask for more (full side / side); a collimated one scatters less, and the control makes
    up for what no longer arrives. Fluoroscopy never exceeds the legal kerma rate. A single shot is
    the sum of `shot_pulses` fluoroscopy pulses in one picture.
    """
    carm = study.toolbox.carm
    thickness = water_mm(study, me)
    kvp_x10 = int(np.floor(_between(carm.curve_thickness_mm, carm.curve_kvp, thickness) * 10.0 + 0.5))
    mas = _between(carm.curve_thickness_mm, carm.curve_mas, thickness) * carm.detector_mm[0] / carm.detector_mm[me.magnification]
    mas *= _scatter_lost(carm, me, thickness)
    if me.beam == "dsa":
        mas *= carm.dsa_dose_factor
    else:
        mas = min(mas * (carm.boost_factor if me.boost else 1.0), _most_mas(carm, me, kvp_x10))
        if me.beam == "shot":
            mas *= carm.shot_pulses
    return kvp_x10, max(1, int(np.floor(mas * 1000.0 + 0.5)))


def _scatter_lost(carm: CArm, me: CArmState, water_mm: float) -> float:
    """Return how much more of the beam the receptor needs because a smaller open field scatters less."""
    if carm.scatter is None:
        return 1.0
    full = carm.detector_mm[0] * carm.detector_mm[0]
    received = [1.0 + spr_at(carm.scatter, water_mm, float(np.sqrt(a / CIRCLE)), True) for a in (full, open_mm2(carm, me))]
    return received[0] / received[1]


def _most_mas(carm: CArm, me: CArmState, kvp_x10: int) -> float:
    """Return the mAs per pulse at which the kerma rate 30 cm from the receptor reaches the limit."""
    distance = carm.sdd_mm - 300.0
    output = _between(carm.curve_beam_kvp, carm.kerma_ugy_per_mas_1m, kvp_x10 / 10.0) * 1.0e6 / (distance * distance)
    pulses_per_min = me.pulses_per_10s * 6.0
    limit = carm.cap_mgy_min * (carm.boost_factor if me.boost else 1.0)
    return limit * 1000.0 / (pulses_per_min * output)


def _between(xs: F64, ys: F64, x: float) -> float:
    """Return linear interpolation, constant beyond the ends (own code: numpy's may change by a bit)."""
    if x <= xs[0]:
        return float(ys[0])
    for i in range(1, len(xs)):
        if x <= xs[i]:
            t = (x - float(xs[i - 1])) / float(xs[i] - xs[i - 1])
            return float(ys[i - 1]) + t * float(ys[i] - ys[i - 1])
    return float(ys[-1])


def dose(carm: CArm, me: CArmState, kvp_x10: int, mas_x1000: int) -> tuple[int, int]:
    """Return (dose-area product pGy m2, air kerma at the reference point nGy) of one pulse.

    K_ref = Y mAs (1000/d_ref)^2 and DAP = Y mAs A_1m, with Y the tube output at 1 m and A the open field there.
    """
    at_1m_ugy = _between(carm.curve_beam_kvp, carm.kerma_ugy_per_mas_1m, kvp_x10 / 10.0) * mas_x1000 / 1000.0
    area = open_mm2(carm, me) / (carm.sdd_mm * carm.sdd_mm)
    nearer = 1000.0 / carm.reference_point_mm
    return int(np.floor(at_1m_ugy * area * 1.0e6 + 0.5)), int(np.floor(at_1m_ugy * 1000.0 * nearer * nearer + 0.5))
