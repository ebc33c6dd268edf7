"""Injectate in the tissues: a volume-conserving front that invades the label grid, cheapest voxel first.

First-passage growth from the voxel at the needle's opening: the frontier is a binary heap, the key of a voxel
is its parent's key plus the cost of the step, (1 + noise) / conductance, and a popped voxel takes capacity x
voxel volume before the next one fills. The order does not depend on the rate, so it is planned ahead in pieces
of `PIECE` voxels and pouring is a walk along it (docs/PHYSICS.md, injectate).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, tube_box_gap, tube_distance, voxel_of
from sim.frontier import find, insert, insert_at
from sim.jit import jit
from sim.rng import hash_uniform
from sim.spread_medium import Medium
from sim.spread_plan import marked, plan
from sim.state.spread import Front

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

PIECE = 128
"""Voxels planned at a time: a compromise between the cost of a piece and the cost of copying the front."""

MOST_POINTS = 20_000
"""Contrast points shown at most; beyond, every second (third, ...) voxel stands for its neighbours."""


# --- the opening ----------------------------------------------------------------------------------


@jit
def opening(f: Fields, m: Medium, shut: I64, x: float, y: float, z: float, reach_mm: float) -> int:
    """Return the voxel that the needle's opening feeds: its own, or the nearest open one within reach; -1 if none.

    Voxels of `shut` (a hash table) are full pockets and not fed. A closed compartment (joint, nucleus) is fed
    only from inside it.
    """
    here = voxel_of(f, x, y, z)
    if here < 0:
        return -1
    nx, ny, nz = f.labels.shape
    h = f.label_spacing
    ci, cj, ck = here // (ny * nz), (here // nz) % ny, here % nz
    if m.conductance[f.labels[ci, cj, ck]] > 0.0 and find(shut, here) < 0:
        return int(here)
    n = int(np.ceil(reach_mm / h))
    best = reach_mm * reach_mm
    found = -1
    for i in range(max(0, ci - n), min(nx, ci + n + 1)):
        for j in range(max(0, cj - n), min(ny, cj + n + 1)):
            for k in range(max(0, ck - n), min(nz, ck + n + 1)):
                label = f.labels[i, j, k]
                if m.conductance[label] <= 0.0 or m.closed[label] == 1:
                    continue
                dx = f.label_origin[0] + h * i - x
                dy = f.label_origin[1] + h * j - y
                dz = f.label_origin[2] + h * k - z
                d2 = dx * dx + dy * dy + dz * dz
                if d2 < best and find(shut, (i * ny + j) * nz + k) < 0:
                    best = d2
                    found = (i * ny + j) * nz + k
    return int(found)


def opened(front: Front | None, m: Medium, voxel: int) -> Front:
    """Return the front with its opening at `voxel` (`m` is used for the first opening only).

    The same front when nothing moved or when the voxel is full of this pool already (the pool just goes on).
    A new opening plans anew; what is filled stays filled and lets fluid pass.
    """
    if front is None:
        return _fresh(Front(source=voxel, medium=m))
    if voxel == front.source:
        return front
    filled = front.order[front.pool_start : front.done]
    if bool((filled == voxel).any()):
        return front
    n = front.done + (1 if front.partial_ul > 0.0 else 0)
    capacity = front.capacity_ul[:n].copy()
    mark = front.mark[:n].copy()
    keep_voxels, keep_room = front.kept_voxels, front.kept_room_ul
    rest = 0.0
    if front.partial_ul > 0.0:  # the voxel in work is closed as it is; its rest can be filled from the new opening
        rest = float(capacity[n - 1]) - front.partial_ul
        capacity[n - 1] = front.partial_ul
        before = int(mark[n - 2]) if n > 1 else 0
        mark[n - 1] = marked(before, int(front.order[n - 1]), front.partial_ul)
    keep_voxels, keep_room = _keep(keep_voxels, keep_room, front.order[front.pool_start : n], rest)
    return _fresh(
        replace(
            front,
            source=voxel,
            order=front.order[:n],
            capacity_ul=capacity,
            near=front.near[:n],
            mark=mark,
            iodine_mg=front.iodine_mg[:n],
            kept_voxels=keep_voxels,
            kept_room_ul=keep_room,
            pool_start=n,
            done=n,
            partial_ul=0.0,
        )
    )


def pocket_shut(f: Fields, front: Front) -> Front | None:
    """Return the front with its full pool marked as a pocket that takes no more; None if it is a closed compartment.

    Small pockets between nerve, vessel and bone come from the coarse grid: fluid then finds the next open voxel.
    """
    if front.medium.closed[f.labels.reshape(-1)[front.source]]:
        return None
    shut, _ = _keep(front.shut, np.zeros(len(front.shut)), front.order[front.pool_start : front.done], 0.0)
    return replace(front, shut=shut)


def _fresh(front: Front) -> Front:
    """Return the front with nothing on its frontier but the source."""
    table = np.full(1024, -1, np.int64)
    insert(table, front.source)
    return replace(front, keys=np.zeros(1), heap=np.array([front.source], np.int64), table=table, seen=1)


@jit
def _keep(voxels: I64, room: F64, filled: I64, rest: float) -> tuple[I64, F64]:
    """Return the hash table of voxels filled so far with `filled` added; the last one can still take `rest`."""
    count = 0
    for v in voxels:
        count += v >= 0
    size = 1024
    while size < 3 * (count + filled.shape[0]):
        size *= 2
    out = np.full(size, -1, np.int64)
    space = np.zeros(size)
    for i in range(voxels.shape[0]):
        if voxels[i] >= 0:
            space[insert_at(out, voxels[i])] = room[i]
    n = filled.shape[0]
    for i in range(n):
        space[insert_at(out, filled[i])] = rest if i == n - 1 else 0.0
    return out, space


# --- pouring --------------------------------------------------------------------------------------


@jit
def _fill(
    f: Fields, order: I64, capacity: F64, iodine: F64, by_label: F64, done: int, partial: float, ul: float, mg_per_ul: float
) -> tuple[int, float, float]:
    """Fill planned entries with `ul`, adding to `iodine` and `by_label`; return (done, partial, what is left)."""
    _, ny, nz = f.labels.shape
    while ul > 0.0 and done < order.shape[0]:
        room = capacity[done] - partial
        used = min(ul, room)
        v = order[done]
        by_label[f.labels[v // (ny * nz), (v // nz) % ny, v % nz]] += used
        iodine[done] += used * mg_per_ul
        ul -= used
        partial += used
        if used == room:
            done += 1
            partial = 0.0
    return done, partial, ul


def pour(f: Fields, front: Front, ul: float, mg_per_ul: float, by_label: F64, mix_share: float) -> tuple[Front, F64, float]:
    """Return (front, by_label, rest) after `ul` more; a rest stays where no room is left that fluid can reach.

    Fluid without iodine takes part of the contrast that it passes along to the new edge; the total stays.
    """
    iodine, by_label = front.iodine_mg.copy(), by_label.copy()
    carried = mg_per_ul
    if mg_per_ul == 0.0 and front.contrast_mg > 0.0 and front.volume_ul > 0.0:
        share = min(0.5, mix_share * ul / front.volume_ul)
        iodine *= 1.0 - share
        carried = front.contrast_mg * share / ul
    done, partial, left = front.done, front.partial_ul, ul
    while True:
        if len(iodine) < len(front.order):
            iodine = np.concatenate([iodine, np.zeros(len(front.order) - len(iodine))])
        done, partial, left = _fill(f, front.order, front.capacity_ul, iodine, by_label, done, partial, left, carried)
        if left <= 0.0 or not len(front.heap):
            break
        front = _planned(f, front)
    poured = ul - left
    placed = front.contrast_mg + mg_per_ul * poured - (carried - mg_per_ul) * left
    if left > 0.0 and carried > mg_per_ul and placed > 0.0:  # what could not be carried stays where it was
        iodine *= front.contrast_mg / placed
    front = replace(
        front,
        iodine_mg=iodine,
        done=done,
        partial_ul=partial,
        volume_ul=front.volume_ul + poured,
        contrast_mg=front.contrast_mg + mg_per_ul * poured,
    )
    return front, by_label, left


def _planned(f: Fields, front: Front) -> Front:
    """Return the front with one more piece of its order planned."""
    keys, heap, table, seen, order, capacity, near, mark = plan(
        f,
        front.medium,
        front.keys,
        front.heap,
        front.table,
        front.seen,
        front.kept_voxels,
        front.kept_room_ul,
        front.order,
        front.capacity_ul,
        front.near,
        front.mark,
        PIECE,
        front.source,
    )
    return replace(front, keys=keys, heap=heap, table=table, seen=seen, order=order, capacity_ul=capacity, near=near, mark=mark)


# --- what others see ------------------------------------------------------------------------------


def wetted(front: Front) -> list[int]:
    """Return the indices of root and ganglion tubes that the pool of the present opening wets, in order."""
    end = front.done + (1 if front.partial_ul > 0.0 else 0)
    touched = {int(t) for t in front.near[front.pool_start : end] if t >= 0}
    return sorted(t for t in touched if front.medium.roots[t])


def branches(f: Fields, front: Front | None) -> list[int]:
    """Return the indices of the medial branches that the pool of the present opening wets, in order."""
    if front is None or not len(front.medium.branches):
        return []
    end = front.done + (1 if front.partial_ul > 0.0 else 0)
    near = _near(f, front.medium.branches, front.order[front.pool_start : end], front.medium.wet_mm)
    return [int(t) for t, wet in zip(front.medium.branches, near, strict=True) if wet]


@jit
def _near(f: Fields, tubes: I64, voxels: I64, reach: float) -> I64:
    """Return 1 for each of `tubes` whose wall lies within reach of the centre of one of `voxels`."""
    _, ny, nz = f.labels.shape
    out = np.zeros(tubes.shape[0], np.int64)
    for n in range(tubes.shape[0]):
        t = tubes[n]
        for v in voxels:
            x = f.label_origin[0] + f.label_spacing * (v // (ny * nz))
            y = f.label_origin[1] + f.label_spacing * ((v // nz) % ny)
            z = f.label_origin[2] + f.label_spacing * (v % nz)
            if tube_box_gap(f, t, x, y, z) <= reach and tube_distance(f, t, x, y, z) <= reach:
                out[n] = 1
                break
    return out


def voxel_centres(f: Fields, front: Front) -> F64:
    """Return the centres (n, 3) in mm of the voxels that hold fluid."""
    end = front.done + (1 if front.partial_ul > 0.0 else 0)
    i, j, k = np.unravel_index(front.order[:end], f.labels.shape)
    return f.label_origin + f.label_spacing * np.stack([i, j, k], axis=1)


def points(f: Fields, front: Front | None) -> NDArray[np.float32]:
    """Return (n, 4) x, y, z, iodine mg of the contrast in the tissues, at most MOST_POINTS rows."""
    if front is None or front.contrast_mg <= 0.0:
        return np.zeros((0, 4), np.float32)
    end = front.done + (1 if front.partial_ul > 0.0 else 0)
    return _points(f, front.order, front.iodine_mg, end, MOST_POINTS)


@jit
def _points(f: Fields, order: I64, iodine: F64, end: int, most: int) -> NDArray[np.float32]:
    """Return contrast points, jittered inside their voxels so that no grid shows in the picture."""
    count = 0
    for v in range(end):
        count += iodine[v] > 1e-9
    stride = (count + most - 1) // most
    out = np.zeros((0 if count == 0 else (count + stride - 1) // stride, 4), np.float32)
    _, ny, nz = f.labels.shape
    h = f.label_spacing
    met = 0
    for e in range(end):
        if iodine[e] <= 1e-9:
            continue
        if met % stride == 0:
            v = order[e]
            row = met // stride
            out[row, 0] = f.label_origin[0] + h * (v // (ny * nz) + hash_uniform(11, v) - 0.5)
            out[row, 1] = f.label_origin[1] + h * ((v // nz) % ny + hash_uniform(12, v) - 0.5)
            out[row, 2] = f.label_origin[2] + h * (v % nz + hash_uniform(13, v) - 0.5)
        out[met // stride, 3] += np.float32(iodine[e])
        met += 1
    return out
