"""Would the C-arm touch the patient or the table? A warning of the window in the axial plane, never a score.

The shapes are convex and stand still, so the answer is geometry; pymunk's collision test gives it. The
sizes are those of a generic machine (carm.toml, placeholders).
"""

from __future__ import annotations

import math

import numpy as np
import pymunk
from numpy.typing import NDArray

from sim.phantom import Skin
from sim.state import CArmState
from sim.tools import CArm

Outline = list[tuple[float, float]]
SLAB_MM = 60.0
DIRECTIONS = 32


def touching(carm: CArm, arm: CArmState, skin: Skin) -> tuple[str, str] | None:
    """Return (part of the C-arm, what it touches) for the present position, None while it is free.

    Parts: "detector", "tube"; touched: "patient", "table". Lengths in mm, x to the patient's left, y up.
    """
    patient = _trunk(skin, arm.centre_um[2] / 1000.0)
    if not patient:
        return None
    space = pymunk.Space()
    names = {}
    for name, outline in (("patient", patient), ("table", _table(carm, patient))):
        shape = _shape(space.static_body, outline)
        space.add(shape)
        names[shape] = name
    for part, outline in _housings(carm, arm).items():
        touched = sorted(names[hit.shape] for hit in space.shape_query(_shape(space.static_body, outline)) if hit.shape in names)
        if touched:
            return part, touched[0]
    return None


def _shape(body: pymunk.Body, outline: Outline) -> pymunk.Poly:
    shape = pymunk.Poly(body, outline)
    shape.cache_bb()
    return shape


def _trunk(skin: Skin, z_mm: float) -> Outline:
    """Return the outline of the trunk within SLAB_MM of a height: its outermost points in each direction."""
    points: NDArray[np.float32] = skin.surface_vertices
    near = points[np.abs(points[:, 2] - z_mm) < SLAB_MM][:, :2]
    if len(near) < 3:
        return []
    angles = [2.0 * math.pi * k / DIRECTIONS for k in range(DIRECTIONS)]
    outer = {int(np.argmax(near[:, 0] * math.cos(a) + near[:, 1] * math.sin(a))) for a in angles}
    return [(float(near[i, 0]), float(near[i, 1])) for i in sorted(outer)]


def _table(carm: CArm, patient: Outline) -> Outline:
    """Return the table top: under the lowest (anterior) point of the prone trunk."""
    top, half = min(y for _, y in patient), 0.5 * carm.table_width_mm
    low = top - carm.table_thickness_mm
    return [(-half, low), (half, low), (half, top), (-half, top)]


def _housings(carm: CArm, arm: CArmState) -> dict[str, Outline]:
    """Return the outlines of detector and tube housing, turned about the isocentre."""
    s, c = math.sin(math.radians(arm.primary_mdeg / 1000)), math.cos(math.radians(arm.primary_mdeg / 1000))
    x, y = arm.centre_um[0] / 1000.0, arm.centre_um[1] / 1000.0

    def box(near_mm: float, far_mm: float, width_mm: float) -> Outline:
        corners = ((near_mm, -0.5), (far_mm, -0.5), (far_mm, 0.5), (near_mm, 0.5))
        return [(x + r * s + w * width_mm * c, y + r * c - w * width_mm * s) for r, w in corners]

    face = carm.sdd_mm - carm.sod_mm
    half_tube = 0.5 * carm.tube_housing_mm
    return {
        "detector": box(face, face + carm.detector_depth_mm, max(carm.detector_mm) + 2.0 * carm.detector_rim_mm),
        "tube": box(-carm.sod_mm - half_tube, -carm.sod_mm + half_tube, carm.tube_housing_mm),
    }
