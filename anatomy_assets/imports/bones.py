"""From solids in source space to baked bones in the patient frame: local grid, distance, shell and core meshes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from anatomy_assets.bake import CORE_SHARE, DEFAULT_TRIANGLES, SHELL_TRIANGLES, _mesh
from anatomy_assets.imports.field import Solid
from anatomy_assets.redistance import core_field, redistance
from anatomy_assets.tables import number
from sim.phantom import Bone

F64 = NDArray[np.float64]
MARGIN_MM = 6.0
GAP_MM = 0.5
"""Least room kept between two bones (a label map closes the joints; the rules need them apart)."""
AUTHOR_TO_LPS = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def surface_points(solid: Solid, step: int = 1) -> F64:
    """Return points (n, 3) in LPS on the surface of a solid."""
    grid = solid.distance[::step, ::step, ::step]
    affine = solid.affine.copy()
    affine[:3, :3] *= step
    vertices, _, _, _ = marching_cubes(grid, 0.0)
    return np.asarray(vertices @ affine[:3, :3].T + affine[:3, 3], np.float64)


def bake_solid(
    solid: Solid, rotation: F64, origin_mm: F64, spacing: float, cortex: F64, neighbours: Sequence[tuple[Solid, float, bool]] = ()
) -> tuple[Bone, float]:
    """Return the baked bone of a solid and how deep (mm) its neighbours reached into it.

    rotation, origin_mm: local -> patient (the frame the solid is in). neighbours: (solid, gap, yields): where
    two bones come closer than the gap each gives half, or this one all of it when it yields.
    """
    points = solid.inside_points()
    local = (points - origin_mm) @ rotation
    low = local.min(0) - MARGIN_MM - float(np.abs(solid.affine[:3, :3]).max())
    high = local.max(0) + MARGIN_MM + float(np.abs(solid.affine[:3, :3]).max())
    shape = [int(v) + 2 for v in (high - low) / spacing]
    axes = [low[a] + spacing * np.arange(shape[a]) for a in range(3)]
    raw = np.empty(shape, np.float32)
    worst = 0.0
    for i, x in enumerate(axes[0]):  # slice-wise: bounded memory
        grid = np.stack(np.meshgrid([x], axes[1], axes[2], indexing="ij"), axis=-1)[0]
        place = grid @ rotation.T + origin_mm
        own = solid.at(place)
        for other, gap, yields in neighbours:
            near = own < gap + 4.0
            if not near.any():
                continue
            d = other.at(place[near])
            worst = max(worst, float(-(own[near] + d).min()))
            pushed = gap - d if yields else 0.5 * (own[near] - d + gap)
            own[near] = np.where(own[near] + d < gap, np.maximum(own[near], pushed), own[near])
        raw[i] = own
    distance = np.empty(raw.shape, np.int16)
    redistance(raw, spacing, distance)
    core_field(distance, low, spacing, cortex, raw)
    target = SHELL_TRIANGLES.get(solid.name, DEFAULT_TRIANGLES)
    shell = _mesh((distance + np.float32(0.25)) * np.float32(0.01), low, spacing, target)
    core = _mesh(raw, low, spacing, int(target * CORE_SHARE)) if raw.min() < 0.0 else (shell[0][:0], shell[1][:0])
    return Bone(solid.name, rotation, origin_mm, low, spacing, distance, *shell, *core), worst


def solid_of_bone(bone: Bone) -> Solid:
    """Return a baked bone as a solid in the patient frame (the model's bones that fill what a source lacks)."""
    affine = np.eye(4)
    affine[:3, :3] = bone.rotation * bone.spacing_mm
    affine[:3, 3] = bone.rotation @ bone.grid_origin_mm + bone.translation_mm
    return Solid(bone.name, bone.distance_10um.astype(np.float32) * np.float32(0.01), affine)


def local_frame(left: F64, up: F64) -> F64:
    """Return the rotation local -> patient whose columns are anterior, left and up."""
    left = left - up * (left * up).sum()
    left = left / np.sqrt((left * left).sum())
    anterior = np.cross(left, up)
    return np.stack([anterior, left, up], axis=1)


def cortex_rows(name: str, marks: Mapping[str, F64], to_local: tuple[F64, F64]) -> F64:
    """Return the cortex regions of an imported bone (columns: redistance.cortex_offset), in its local frame."""
    rotation, origin = to_local

    def local(p: F64) -> F64:
        return (p - origin) @ rotation

    rows = [[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, number("imports", "cortex.wall_mm")]]
    if f"{name}.body.centre" in marks:
        wall = float(local(marks[f"{name}.wall.superior"])[0])
        rows.append([0.0, -1.0, 0.0, 0.0, wall + 0.5, 7.0, 0.0, number("imports", "cortex.arch_mm")])
        for side in ("left", "right"):
            c = local(marks[f"{name}.pedicle.{side}.centre"])
            wide = float(np.sqrt(((marks[f"{name}.pedicle.{side}.lateral"] - marks[f"{name}.pedicle.{side}.medial"]) ** 2).sum()))
            rows.append([1.0, *c, 8.5, 6.0, 0.0, min(number("imports", "cortex.pedicle_mm"), 0.24 * wide)])
    elif not name.startswith("rib"):
        rows[0][7] = number("imports", "cortex.flat_mm")
    return np.array(rows, np.float64)
