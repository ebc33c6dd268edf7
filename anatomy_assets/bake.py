"""Bake a column into bones: re-distanced int16 grids, outer shells and cancellous cores as closed meshes.

The grids are exact input of scores (bit-stable); the meshes are for pictures and exports only.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Lock

import fast_simplification
import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from anatomy_assets import primitives as prim
from anatomy_assets.column import Column, Placed, product
from anatomy_assets.parameters import SIDES, Parameters
from anatomy_assets.redistance import core_field, redistance
from sim.phantom import Bone
from sim.rng import stream

F64 = NDArray[np.float64]
Progress = Callable[[str, float], None]

MARGIN_MM = 6.0
BLOCK = 4
REACH_MM = 4.5
"""Half diagonal of a block (1.6 mm) plus the band the foot points need, with room for over-estimates."""
SHELL_TRIANGLES = {"S": 14_000, "ilium_left": 12_000, "ilium_right": 12_000}
DEFAULT_TRIANGLES = 9_000
CORE_SHARE = 0.6
THREADS = 2
_SIMPLIFIER = Lock()
"""fast_simplification works on global arrays: one call at a time."""


def bake_bones(column: Column, progress: Progress | None = None) -> tuple[Bone, ...]:
    """Return the bones of a column; two at a time, each on one thread, the same bits in any order."""
    # the largest first: the last one to finish is then a short one
    order = sorted(range(len(column.bones)), key=lambda i: -_volume(column.bones[i]))
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = {pool.submit(bake_bone, column, i): i for i in order}
        for done, job in enumerate(as_completed(jobs), start=1):
            if progress is not None:
                progress(f"bone {column.bones[jobs[job]].shape.name}", done / len(jobs))
    baked = {i: job.result() for job, i in jobs.items()}
    return tuple(baked[i] for i in range(len(baked)))


def _volume(bone: Placed) -> float:
    s = bone.shape
    return (s.high[0] - s.low[0]) * (s.high[1] - s.low[1]) * (s.high[2] - s.low[2])


def bake_bone(column: Column, index: int, spacing_mm: float | None = None) -> Bone:
    """Return one baked bone, on its own spacing unless another one is asked for."""
    placed = column.bones[index]
    shape = placed.shape
    spacing = spacing_mm or shape.spacing_mm
    origin = np.array(shape.low) - MARGIN_MM
    size = [int((h - o + MARGIN_MM) / spacing) + 2 for h, o in zip(shape.high, origin, strict=True)]
    raw = np.empty(size, np.float32)
    rows, aux, ranges, moves, gaps = _with_neighbours(column, index)
    noise, noise_origin, cell = _noise(column, placed)
    prim.fill(
        rows, aux, ranges, moves, gaps, noise, noise_origin, cell, raw, origin, spacing, BLOCK, REACH_MM * max(spacing / 0.6, 1.0)
    )
    raw, origin = _cropped(raw, origin, spacing)
    distance = np.empty(raw.shape, np.int16)
    redistance(raw, spacing, distance)
    core_field(distance, origin, spacing, shape.cortex, raw)
    target = SHELL_TRIANGLES.get(shape.name, DEFAULT_TRIANGLES)
    # a quarter of a step keeps the surface off the nodes: no triangle of zero area
    shell = _mesh((distance + np.float32(0.25)) * np.float32(0.01), origin, spacing, target)
    core = _mesh(raw, origin, spacing, int(target * CORE_SHARE))
    return Bone(shape.name, placed.rotation, placed.translation_mm, origin, spacing, distance, *shell, *core)


def _cropped(raw: NDArray[np.float32], origin: F64, spacing: float) -> tuple[NDArray[np.float32], F64]:
    """Return the grid cut to the bone plus the margin (extents of the shapes are generous)."""
    pad = int(MARGIN_MM / spacing) + 1
    cut = []
    for axis in range(3):
        inside = np.flatnonzero((raw < 0).any(axis=tuple(a for a in range(3) if a != axis)))
        cut.append((max(int(inside[0]) - pad, 0), min(int(inside[-1]) + pad + 1, raw.shape[axis])))
    start = np.array([c[0] for c in cut], np.float64)
    return np.ascontiguousarray(raw[tuple(slice(*c) for c in cut)]), origin + spacing * start


def _neighbours(column: Column, index: int) -> list[tuple[int, float]]:
    """Return (bone index, gap) of the bones that share a joint or nearly touch."""
    p = column.parameters
    names = [b.shape.name for b in column.bones]
    me = names[index]
    vertebrae = [lv.name for lv in p.levels] + ["S"]
    out: list[tuple[int, float]] = []
    if me in vertebrae:
        i = vertebrae.index(me)
        out += [(names.index(vertebrae[j]), p.facet_gap) for j in (i - 1, i + 1) if 0 <= j < len(vertebrae)]
    for a, b, gap in _joints(p):
        if me in (a, b) and a in names and b in names:
            out.append((names.index(b if me == a else a), gap))
    return out


def _joints(p: Parameters) -> list[tuple[str, str, float]]:
    """Return the pairs of bones, besides vertebrae, that may not come closer than a gap (mm)."""
    hip = float(p.morphometry.pelvis["measures"]["hip_space"]["value"])
    out = [("S", "coccyx", float(p.morphometry.coccyx["measures"]["joint_gap"]["value"]))]
    for side in SIDES:
        bone, thigh = f"ilium_{side}", f"femur_{side}"
        out += [("S", bone, p.sij_gap), ("L5", bone, p.sij_gap), (bone, thigh, hip)]
    return out + [("ilium_left", "ilium_right", 4.0)]


def _with_neighbours(column: Column, index: int) -> tuple[F64, F64, NDArray[np.int64], F64, F64]:
    """Return the joint tables of a bone and its neighbours, and the moves from its frame to theirs."""
    own = column.bones[index]
    members = [(index, 0.0), *_neighbours(column, index)]
    rows, aux, ranges, moves, gaps = [], [], [], [], []
    at = offset = 0
    for other, gap in members:
        bone = column.bones[other]
        table = bone.shape.rows.copy()
        table[:, prim.OFFSET] += offset
        rows.append(table)
        aux.append(bone.shape.aux)
        ranges.append((at, at + len(table)))
        at += len(table)
        offset += len(bone.shape.aux)
        turn = product(np.ascontiguousarray(bone.rotation.T), own.rotation)
        d = own.translation_mm - bone.translation_mm
        shift = [bone.rotation[0, i] * d[0] + bone.rotation[1, i] * d[1] + bone.rotation[2, i] * d[2] for i in range(3)]
        moves.append([*turn.ravel(), *shift])
        gaps.append(gap)
    return np.concatenate(rows), np.concatenate(aux), np.array(ranges, np.int64), np.array(moves), np.array(gaps)


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
