"""What must never be wrong in a patient: bones that overlap, tubes in bone, roots beside their foramen."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.measure.grid import OUTSIDE_MM, along, distance, first
from anatomy_assets.measure.vertebrae import SIDES, axes_of, levels_of
from sim.phantom import Bone, Phantom, Tube

F64 = NDArray[np.float64]
OVERLAP_MM = 0.05
TUBE_MM = 0.01
ARCH_MM = 3.0
"""A root passes in front of the arch when a line straight backwards comes this near to it."""
INSIDE_BONE = frozenset({"BASIVERTEBRAL"})
"""Kinds of tubes that lie in bone by nature."""
WAYS = np.array([w for w in np.ndindex(5, 5, 5) if 2 in (abs(w[0] - 2), abs(w[1] - 2), abs(w[2] - 2))], np.float64) - 2.0
WAYS /= np.sqrt((WAYS * WAYS).sum(axis=1))[:, None]


def problems(phantom: Phantom) -> list[str]:
    """Return one line per fault of a phantom; empty if there is none."""
    return overlaps(phantom) + tubes_in_bone(phantom) + roots_astray(phantom)


def overlaps(phantom: Phantom) -> list[str]:
    """Return the pairs of bones that share space (grid against grid)."""
    bones = [b for b in phantom.bones if b.material == "bone"]  # a screw lies in its pedicle
    inside = {b.name: _nodes(b) for b in bones}
    out = []
    for a, b in combinations(bones, 2):
        points = inside[a.name]
        low, high = _box(b)
        near = points[((points > low) & (points < high)).all(axis=1)]
        if len(near):
            deepest = float(distance(b, near).min())
            if deepest < -OVERLAP_MM:
                out.append(f"{a.name} and {b.name} overlap by {-deepest:.2f} mm")
    return out


def _nodes(bone: Bone) -> F64:
    """Return the grid nodes inside a bone, in the patient frame."""
    at = np.argwhere(bone.distance_10um < 0)
    return np.asarray(bone.to_patient(bone.grid_origin_mm + bone.spacing_mm * at), np.float64)


def _box(bone: Bone) -> tuple[F64, F64]:
    """Return the patient-frame box of a bone's surface."""
    points = np.asarray(bone.to_patient(bone.shell_vertices), np.float64)
    return points.min(axis=0), points.max(axis=0)


def tubes_in_bone(phantom: Phantom) -> list[str]:
    """Return the tubes whose wall enters bone by more than TUBE_MM."""
    out = []
    boxes = [_box(bone) for bone in phantom.bones]
    for tube in phantom.tubes:
        if tube.kind.name in INSIDE_BONE:
            continue
        points, radius = _dense(tube)
        low, high = points - radius[:, None], points + radius[:, None]
        for bone, box in zip(phantom.bones, boxes, strict=True):
            near = ((low <= box[1]) & (high >= box[0])).all(axis=1)  # beyond its box no wall meets a bone
            if not near.any():
                continue
            gap = _gap(bone, points[near], radius[near])
            if gap < -TUBE_MM:
                out.append(f"{tube.name} lies {-gap:.2f} mm in {bone.name}")
    return out


def _gap(bone: Bone, points: F64, radius: F64) -> float:
    """Return the least distance (mm) from the wall of a tube to a bone.

    A thick tube's axis may lie beyond the grid, which reaches OUTSIDE_MM: then the wall itself is sampled.
    """
    if radius.max() < 0.9 * OUTSIDE_MM:
        return float((distance(bone, points) - radius).min())
    balls = [points + radius[:, None] * way[None, :] for way in WAYS]
    return float(distance(bone, np.concatenate(balls)).min())


def _dense(tube: Tube) -> tuple[F64, F64]:
    """Return points (n, 3) and radii (n,) along the axis of a tube, at most 0.4 mm apart.

    A stadium section (fifth column: half width along x) is taken as round tubes side by side.
    """
    rows = []
    for a, b in zip(tube.nodes[:-1], tube.nodes[1:], strict=True):
        n = max(int(np.ceil(np.sqrt(((b - a)[:3] ** 2).sum()) / 0.4)), 1)
        rows.append(a[None] + np.linspace(0.0, 1.0, n + 1)[:, None] * (b - a)[None])
    line = np.concatenate(rows)
    shifts = np.linspace(-1.0, 1.0, 9) if line.shape[1] > 4 and line[:, 4].max() > 0.0 else np.zeros(1)
    points = [line[:, :3] + s * line[:, 4:5] * np.array([1.0, 0.0, 0.0]) if s else line[:, :3] for s in shifts]
    return np.concatenate(points), np.tile(line[:, 3], len(shifts))


def roots_astray(phantom: Phantom) -> list[str]:
    """Return the foramina whose root does not pass between the pedicles, in front of the articular process."""
    nerves = {t.name: t for t in phantom.tubes}
    levels = levels_of(phantom)
    out = []
    for level, below in zip(levels, (*levels[1:], "S"), strict=True):
        for side in SIDES:
            trio = [
                nerves[f"{part}_{level}_{side}"] for part in ("root", "ganglion", "ramus") if f"{part}_{level}_{side}" in nerves
            ]
            if trio:
                fault = _fault(phantom, np.concatenate([t.nodes for t in trio])[:, :3], level, below, side)
                out += [f"{level} root {side}: {fault}"] if fault else []
    return out


def _fault(phantom: Phantom, path: F64, level: str, below: str, side: str) -> str:
    """Return what is wrong with a root where it crosses the sagittal plane of its pedicle; "" if nothing."""
    a = axes_of(phantom, level)
    out = (path - phantom.landmark(f"{level}.pedicle.{side}.centre")) @ a.left
    change = np.flatnonzero(out[:-1] * out[1:] <= 0.0)
    if len(change) == 0:
        return "does not reach the foramen"
    i = int(change[0])
    share = out[i] / (out[i] - out[i + 1]) if out[i] != out[i + 1] else 0.0
    here = path[i] + share * (path[i + 1] - path[i])
    upper, lower = phantom.bone(level), phantom.bone(below)
    half = 0.5 * float(
        np.linalg.norm(phantom.landmark(f"{level}.pedicle.{side}.lateral") - phantom.landmark(f"{level}.pedicle.{side}.medial"))
    )
    near = [here, *path[np.abs(out) <= half]]  # the foramen is as long as the pedicle is wide
    walls = {"no pedicle above": (upper, a.up), "no pedicle below": (lower, -a.up)}
    for fault, (bone, way) in walls.items():  # neighbours may stand shifted: anywhere in the foramen will do
        if not any(np.isfinite(first(*along(bone, p, way, 24.0), True)) for p in near):
            return fault
    behind = min(float(along(b, p, a.back, 22.0)[1].min()) for b in (upper, lower) for p in near)
    return "" if behind < ARCH_MM else "no arch behind"
