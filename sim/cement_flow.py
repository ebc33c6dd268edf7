"""Bone cement as a fluid: age, viscosity, and the pressure that a plunger needs. Pure formulas, SI inside."""

from __future__ import annotations

import math

from sim.tools import Cement

PI = 3.141592653589793
REFERENCE_C = 25.0
SLOWEST = 0.25
"""Least curing rate relative to 25 degrees C: the linear law below is not meant for a refrigerator."""


def cure_rate(temperature_c: float, doubling_c: float) -> float:
    """Return how fast cement ages relative to 25 degrees C: 1 there, 2 at 25 + doubling_c, linear between and beyond.

    Nicholas 2007 (doi 10.1007/s10856-007-0125-2): cure times at 37 degrees C are half of those at 25.
    """
    return max(SLOWEST, 1.0 + (temperature_c - REFERENCE_C) / doubling_c)


def viscosity_pa_s(cement: Cement, age_s: float) -> float:
    """Return the apparent viscosity at 1/s of cement of this age (at 25 degrees C); linear between the points of its curve."""
    t, v = cement.curve_s, cement.curve_pa_s
    if age_s <= t[0]:
        return float(v[0])
    for i in range(1, len(t)):
        if age_s <= t[i]:
            share = (age_s - float(t[i - 1])) / (float(t[i]) - float(t[i - 1]))
            return float(v[i - 1]) + share * (float(v[i]) - float(v[i - 1]))
    return float(v[-1])


def cannula_kpa(k_pa_s: float, flow_index: float, q_ul_s: float, length_mm: float, bore_mm: float) -> float:
    """Return the pressure lost in a cannula (kPa): Hagen-Poiseuille, or Rabinowitsch-Mooney for n = 0.5.

    n = 1: 8 mu L Q / (pi R^4). n = 0.5: (2 K L / R) sqrt(5 Q / (pi R^3)).
    """
    length, r, q = length_mm * 1e-3, 0.5 * bore_mm * 1e-3, q_ul_s * 1e-9
    if flow_index == 1.0:
        return 8.0 * k_pa_s * length * q / (PI * r * r * r * r) * 1e-3
    return 2.0 * k_pa_s * length / r * math.sqrt(5.0 * q / (PI * r * r * r)) * 1e-3


def bone_kpa(k_pa_s: float, flow_index: float, q_ul_s: float, source_mm: float, permeability_m2: float, porosity: float) -> float:
    """Return the pressure lost in cancellous bone (kPa): Darcy flow from a ball of radius source_mm, far front.

    mu Q / (4 pi k r); for n = 0.5 mu = K / sqrt(shear rate) with the shear rate of the pores at the source, v / sqrt(k porosity).
    """
    r, q = source_mm * 1e-3, q_ul_s * 1e-9
    mu = k_pa_s
    if flow_index != 1.0:
        shear = q / (4.0 * PI * r * r) / math.sqrt(permeability_m2 * porosity)
        mu = k_pa_s / math.sqrt(shear)
    return mu * q / (4.0 * PI * permeability_m2 * r) * 1e-3


def rate_at_limit(q_ul_s: float, pressure_kpa: float, limit_kpa: float, flow_index: float) -> float:
    """Return the rate that needs limit_kpa when q_ul_s needs pressure_kpa (both terms go with Q^n)."""
    share = limit_kpa / pressure_kpa
    return q_ul_s * (share if flow_index == 1.0 else share * share)
