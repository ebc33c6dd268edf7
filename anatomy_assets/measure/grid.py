"""Sampling bones along rays: vectorised, for measuring only (nothing here touches a score)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.phantom import Bone

F64 = NDArray[np.float64]
STEP_MM = 0.1
OUTSIDE_MM = 6.0


def distance(bone: Bone, points: F64) -> F64:
    """Return the signed distance (n,) mm of patient points (n, 3) to a bone; OUTSIDE_MM beyond its grid."""
    local = (np.atleast_2d(points) - bone.translation_mm) @ bone.rotation
    at = (local - bone.grid_origin_mm) / bone.spacing_mm
    inside = ((at >= 0) & (at < np.array(bone.distance_10um.shape) - 1)).all(axis=1)
    out = np.full(len(at), OUTSIDE_MM)
    low = at[inside].astype(np.int64)
    u, v, w = (at[inside] - low).T
    i, j, k = low.T
    g = bone.distance_10um

    def row(a: int, b: int) -> F64:
        return np.asarray(g[i + a, j + b, k] * (1 - w) + g[i + a, j + b, k + 1] * w)

    out[inside] = 0.01 * ((row(0, 0) * (1 - v) + row(0, 1) * v) * (1 - u) + (row(1, 0) * (1 - v) + row(1, 1) * v) * u)
    return out


def along(bone: Bone, start: F64, way: F64, reach_mm: float) -> tuple[F64, F64]:
    """Return steps (n,) mm and distances (n,) along start + t * way, t from 0 to reach."""
    t = np.arange(0.0, reach_mm + STEP_MM, STEP_MM)
    return t, distance(bone, start[None, :] + t[:, None] * way[None, :])


def first(t: F64, d: F64, inside: bool) -> float:
    """Return where the field first becomes inside (True) or outside (False) bone; NaN if it never does."""
    hit = d <= 0.0 if inside else d > 0.0
    if not hit.any():
        return float("nan")
    i = int(np.argmax(hit))
    if i == 0 or d[i] == d[i - 1]:
        return float(t[i])
    return float(t[i - 1] + (t[i] - t[i - 1]) * d[i - 1] / (d[i - 1] - d[i]))


def to_bone(bones: tuple[Bone, ...], start: F64, way: F64, reach_mm: float) -> float:
    """Return the free way (mm) from a point to the first of several bones; NaN beyond reach."""
    found = [first(*along(b, start, way, reach_mm), True) for b in bones]
    return float(np.nanmin(found)) if np.isfinite(found).any() else float("nan")


def through(bone: Bone, centre: F64, way: F64, reach_mm: float) -> tuple[float, F64]:
    """Return length of bone (mm) through a point inside it along +-way, and the middle of that length."""
    ahead = first(*along(bone, centre, way, reach_mm), False)
    back = first(*along(bone, centre, -way, reach_mm), False)
    return ahead + back, centre + 0.5 * (ahead - back) * way
