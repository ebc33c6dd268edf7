"""Bake a column into bones: re-distanced int16 grids, outer shells and cancellous cores as closed meshes.

The grids are exact input of scores (bit-stable); the meshes are for pictures and exports only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from threading import Lock
from typing import Any

import fast_simplification
import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from anatomy_assets import primitives as prim
from anatomy_assets.column import Column, Placed
from anatomy_assets.joints import Joint, Plain, Pose, cut, partners, unmoved
from anatomy_assets.parameters import SIDES, Parameters
from anatomy_assets.redistance import core_field, redistance
from anatomy_assets.vertebra import arch_name
from sim.phantom import Bone
from sim.rng import stream

F64 = NDArray[np.float64]
Progress = Callable[[str, float], None]

MARGIN_MM = 6.0
SYMPHYSIS_MM = 4.0
"""Pubic symphysis: drawn, no size read."""
BLOCK = 4
REACH_MM = 4.5
"""Half diagonal of a block (1.6 mm) plus the band the foot points need, with room for over-estimates."""
SHELL_TRIANGLES = {"S": 14_000, "ilium_left": 12_000, "ilium_right": 12_000}
DEFAULT_TRIANGLES = 9_000
CORE_SHARE = 0.6
THREADS = 2
_SIMPLIFIER = Lock()
"""fast_simplification works on global arrays: one call at a time."""


def bake_bones(column: Column, progress: Progress | None = None, spacing_mm: float | None = None) -> tuple[Bone, ...]:
    """Return the bones of a column, joints cut; spacing_mm: one coarse grid for all instead of their own."""
    report = progress or (lambda text, share: None)
    plain = plain_bones(column, lambda text, share: report(text, 0.6 * share), spacing_mm)
    return joined(column, plain, lambda text, share: report(text, 0.6 + 0.4 * share))


def plain_bones(
    column: Column,
    progress: Progress | None = None,
    spacing_mm: float | None = None,
    known: Callable[[str], Plain | None] | None = None,
    keep: Callable[[str, Plain], None] | None = None,
) -> dict[str, Plain]:
    """Return every bone by itself, in its own frame; the same in any posture.

    known, keep: a store by `plain_key`, asked before and told after each bake.
    """

    def one(index: int) -> Plain:
        name = plain_key(column, index, spacing_mm)
        found = known(name) if known is not None else None
        if found is None:
            found = plain_bone(column, index, spacing_mm)
            if keep is not None:
                keep(name, found)
        return found

    baked = _in_threads(column, one, "bone", progress)
    return {bone.shape.name: found for bone, found in zip(column.bones, baked, strict=True)}


def joined(
    column: Column,
    plain: Mapping[str, Plain],
    progress: Progress | None = None,
    before: tuple[Column, tuple[Bone, ...]] | None = None,
) -> tuple[Bone, ...]:
    """Return the bones as they stand in `column`: joints cut, meshed, posed.

    before: a column of the same plain bones and what was made of it; bones that stand to their neighbours as
    they did there are taken over.
    """
    joints, poses = joints_of(column), _poses(column)
    old_poses = _poses(before[0]) if before is not None else {}
    old = {b.name: b for b in before[1]} if before is not None else {}

    def one(index: int) -> Bone:
        placed = column.bones[index]
        name = placed.shape.name
        if name in old and unmoved(old_poses, poses, joints, name):
            return replace(old[name], rotation=placed.rotation, translation_mm=placed.translation_mm)
        return _finished(placed, plain[name], cut(plain, poses, joints, name))

    return tuple(_in_threads(column, one, "joints of", progress))


def _in_threads(column: Column, one: Callable[[int], Any], word: str, progress: Progress | None) -> list[Any]:
    """Return one(i) for every bone; two at a time, each on one thread, the same bits in any order."""
    # the largest first: the last one to finish is then a short one
    order = sorted(range(len(column.bones)), key=lambda i: -_volume(column.bones[i]))
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = {pool.submit(one, i): i for i in order}
        for done, job in enumerate(as_completed(jobs), start=1):
            if progress is not None:
                progress(f"{word} {column.bones[jobs[job]].shape.name}", done / len(jobs))
    made = {i: job.result() for job, i in jobs.items()}
    return [made[i] for i in range(len(made))]


def _volume(bone: Placed) -> float:
    s = bone.shape
    return (s.high[0] - s.low[0]) * (s.high[1] - s.low[1]) * (s.high[2] - s.low[2])


def _poses(column: Column) -> dict[str, Pose]:
    return {b.shape.name: Pose(b.rotation, b.translation_mm) for b in column.bones}


def bake_bone(column: Column, index: int, spacing_mm: float | None = None) -> Bone:
    """Return one baked bone with its joints cut, on its own spacing unless another one is asked for."""
    placed, poses, joints = column.bones[index], _poses(column), joints_of(column)
    near = {placed.shape.name, *(n for n, _ in partners(joints, placed.shape.name))}
    plain = {b.shape.name: plain_bone(column, i, spacing_mm) for i, b in enumerate(column.bones) if b.shape.name in near}
    return _finished(placed, plain[placed.shape.name], cut(plain, poses, joints, placed.shape.name))


def plain_key(column: Column, index: int, spacing_mm: float | None = None) -> str:
    """Return the hash of all that decides a plain bone, its sources apart."""
    shape, p = column.bones[index].shape, column.parameters
    digest = hashlib.sha256(f"{shape.name}/{spacing_mm or shape.spacing_mm}/{p.seed}/{p.ripple}/{p.ripple_cell}".encode())
    for array in (shape.rows, shape.aux, np.array([shape.low, shape.high])):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def plain_bone(column: Column, index: int, spacing_mm: float | None = None) -> Plain:
    """Return one bone by itself, on its own spacing unless another one is asked for."""
    shape = column.bones[index].shape
    spacing = spacing_mm or shape.spacing_mm
    origin = np.array(shape.low) - MARGIN_MM
    size = [int((h - o + MARGIN_MM) / spacing) + 2 for h, o in zip(shape.high, origin, strict=True)]
    raw = np.empty(size, np.float32)
    noise, noise_origin, cell = _noise(column, column.bones[index])
    # a coarse grid for statistics gets by with half the diagonal of its blocks plus the band
    reach = REACH_MM * max(spacing / 0.6, 1.0) if spacing <= 1.0 else 4.0 + 2.6 * spacing
    prim.fill(shape.rows, shape.aux, noise, noise_origin, cell, raw, origin, spacing, BLOCK, reach)
    raw, origin = _cropped(raw, origin, spacing)
    distance = np.empty(raw.shape, np.int16)
    redistance(raw, spacing, distance)
    return Plain(shape.name, distance, origin, spacing)


def _finished(placed: Placed, plain: Plain, distance: NDArray[np.int16]) -> Bone:
    """Return the bone of a cut grid: outer shell, core under the cortex, pose."""
    shape, spacing, origin = placed.shape, plain.spacing_mm, plain.origin_mm
    raw = np.empty(distance.shape, np.float32)
    core_field(distance, origin, spacing, shape.cortex, raw)
    target = SHELL_TRIANGLES.get(shape.name, DEFAULT_TRIANGLES)
    shell = surface(distance, origin, spacing, target)
    core = _mesh(raw, origin, spacing, int(target * CORE_SHARE))
    return Bone(shape.name, placed.rotation, placed.translation_mm, origin, spacing, distance, *shell, *core)


def surface(
    distance: NDArray[np.int16], origin: F64, spacing: float, triangles: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the closed surface of a grid: a quarter of a step keeps it off the nodes, no triangle has zero area."""
    return _mesh((distance + np.float32(0.25)) * np.float32(0.01), origin, spacing, triangles)


def _cropped(raw: NDArray[np.float32], origin: F64, spacing: float) -> tuple[NDArray[np.float32], F64]:
    """Return the grid cut to the bone plus the margin (extents of the shapes are generous)."""
    pad = int(MARGIN_MM / spacing) + 1
    cut = []
    for axis in range(3):
        inside = np.flatnonzero((raw < 0).any(axis=tuple(a for a in range(3) if a != axis)))
        cut.append((max(int(inside[0]) - pad, 0), min(int(inside[-1]) + pad + 1, raw.shape[axis])))
    start = np.array([c[0] for c in cut], np.float64)
    return np.ascontiguousarray(raw[tuple(slice(*c) for c in cut)]), origin + spacing * start


def joints_of(column: Column) -> tuple[Joint, ...]:
    """Return the pairs of bones that share a joint or nearly touch, with their gaps."""
    p = column.parameters
    there = {b.shape.name for b in column.bones}
    return tuple(j for j in (*spinal_joints(p), *pelvic_joints(p), *rib_joints(p)) if j.one in there and j.two in there)


def spinal_joints(p: Parameters) -> list[Joint]:
    """Return the joints of neighbouring vertebrae; a parted arch meets its own body and both neighbours."""
    names = [*(lv.name for lv in p.levels), "S"]
    out = []
    for i, (level, disc) in enumerate(zip(p.levels, p.discs, strict=True)):
        gaps = disc.facet_gap_mm or (p.facet_gap, p.facet_gap)
        right = gaps[1] if gaps[1] != gaps[0] else None
        out.append(Joint(level.name, names[i + 1], gaps[0], right))
        if level.split_mm > 0.0:
            arch = arch_name(level)
            out += [Joint(arch, level.name, level.split_mm), Joint(arch, names[i + 1], gaps[0], right)]
            out += [Joint(names[i - 1], arch, p.facet_gap)] if i else []
    return out


def pelvic_joints(p: Parameters) -> list[Joint]:
    """Return the joints of sacrum, coccyx, hip bones and femora."""
    hip = float(p.morphometry.pelvis["measures"]["hip_space"]["value"])
    out = [Joint("S", "coccyx", float(p.morphometry.coccyx["measures"]["joint_gap"]["value"]))]
    for side in SIDES:
        bone = f"ilium_{side}"
        out += [Joint("S", bone, p.sij_gap), Joint("L5", bone, p.sij_gap), Joint(bone, f"femur_{side}", hip)]
    return [*out, Joint("ilium_left", "ilium_right", SYMPHYSIS_MM)]


def rib_joints(p: Parameters) -> list[Joint]:
    """Return the joints of each rib with its own vertebra and with the one above."""
    gap = float(p.morphometry.ribs["measures"]["costovertebral_gap"]["value"])
    numbers = [int(n) for n in p.morphometry.ribs["trace"]]
    return [Joint(f"T{n - up}", f"rib{n}_{side}", gap) for n in numbers for up in (0, 1) for side in SIDES]


def _noise(column: Column, placed: Placed) -> tuple[F64, F64, float]:
    """Return the lattice of surface individuality of one bone: values, origin, cell."""
    p = column.parameters
    shape = placed.shape
    cell = p.ripple_cell
    origin = np.array(shape.low) - 2.0 * cell
    size = [int((h - lo) / cell) + 5 for h, lo in zip(shape.high, shape.low, strict=True)]
    draw = stream(p.seed, f"bones/ripple/{shape.name}").random(size[0] * size[1] * size[2])
    return (draw.reshape(size) * 2.0 - 1.0) * p.ripple, origin, cell


def _mesh(
    field: NDArray[np.float32], origin: F64, spacing: float, triangles: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the closed zero surface, simplified, normals outward.

    Simplification may pinch a thin place; then a finer one is taken.
    """
    fine_vertices, fine_faces, _, _ = marching_cubes(field, 0.0, spacing=(spacing,) * 3, gradient_direction="descent")
    vertices, faces = fine_vertices.astype(np.float32), fine_faces.astype(np.int32)
    for share in (1.0, 1.3, 1.7, 2.5, 4.0):
        if len(fine_faces) <= triangles * share:
            break
        with _SIMPLIFIER:
            v, f = fast_simplification.simplify(
                fine_vertices.astype(np.float32), fine_faces.astype(np.int32), target_count=int(triangles * share), agg=7.0
            )
        if _closed(f):
            vertices, faces = v, f
            break
    return (vertices + origin).astype(np.float32), np.ascontiguousarray(faces, dtype=np.int32)


def _closed(faces: NDArray[np.int32]) -> bool:
    """Return whether every edge is walked as often one way as the other: no holes, volume well defined."""
    if len(faces) == 0:
        return False
    start, end = faces.astype(np.int64).ravel(), np.roll(faces, -1, axis=1).astype(np.int64).ravel()
    size = int(faces.max()) + 1
    return bool((np.sort(start * size + end) == np.sort(end * size + start)).all())
