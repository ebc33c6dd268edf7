"""Samples and free ways on the distance grid of a baked bone, points in the bone's own frame (mm)."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from sim.phantom import Bone

F64 = NDArray[np.float64]
RAY_STEP_MM = 0.1
OUTSIDE_MM = 6.0
"""Value outside the grid, which reaches this far around the bone."""


def sampled(bone: Bone, points: F64) -> F64:
    """Return the trilinear signed distance (mm) at points (n, 3) of the bone's frame."""
    at = (np.atleast_2d(points) - bone.grid_origin_mm) / bone.spacing_mm
    inside = ((at >= 0) & (at < np.array(bone.distance_10um.shape) - 1)).all(axis=1)
    out = np.full(len(at), OUTSIDE_MM)
    low = at[inside].astype(int)
    part = at[inside] - low
    total = np.zeros(len(low))
    for corner in itertools.product((0, 1), repeat=3):
        weight = np.prod(np.where(corner, part, 1.0 - part), axis=1)
        total += weight * bone.distance_10um[tuple((low + corner).T)]
    out[inside] = total * 0.01
    return out


def free_way(bone: Bone, start: F64, direction: F64, most: float) -> float:
    """Return the way from a point to the bone along a unit direction: 0 if it starts inside, `most` if none is met."""
    steps = np.arange(0.0, most, RAY_STEP_MM)
    hit = sampled(bone, start + steps[:, None] * direction) <= 0.0
    return float(steps[np.argmax(hit)]) if hit.any() else most


def surface_area(triangles: F64) -> float:
    """Return the area (mm2) of triangles (n, 3 corners, 3)."""
    side = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return float(0.5 * np.linalg.norm(side, axis=1).sum())
