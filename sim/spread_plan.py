"""In which order an injectate fills the label grid: first-passage growth, cheapest voxel first.

The frontier is a binary heap, the key of a voxel is its parent's key plus the cost of the step, (1 + noise) / conductance,
and ties go to the smaller voxel (docs/PHYSICS_SPREAD.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, tube_box_gap, tube_distance
from sim.frontier import drop_first, find, insert, push
from sim.jit import jit
from sim.phantom import Tissue
from sim.rng import hash_uniform
from sim.spread_medium import Medium

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

CANAL = int(Tissue.EPIDURAL_FAT)


@jit
def marked(before: int, voxel: int, capacity_ul: float) -> int:
    """Return the running hash after one more entry."""
    return (before * 1000003 + voxel * 31 + int(capacity_ul * 1000.0 + 0.5)) % 2147483647


@jit
def _nearest_nerve(f: Fields, m: Medium, x: float, y: float, z: float, reach: float) -> tuple[float, int]:
    """Return (distance to the wall, tube) of the nearest nerve within reach; tube -1 if none."""
    best = reach
    which = -1
    for t in m.nerves:
        if tube_box_gap(f, t, x, y, z) <= best:
            d = tube_distance(f, t, x, y, z)
            if d <= best:
                best = d
                which = t
    return best, which


@jit
def _conductance(f: Fields, m: Medium, label: int, x: float, y: float, z: float) -> float:
    """Return how easily fluid enters a voxel: its tissue, or the loose sleeve of a nerve that runs here."""
    g = m.conductance[label]
    if m.sleeve[label] == 1 and g < m.sleeve_conductance:
        _, which = _nearest_nerve(f, m, x, y, z, m.sleeve_mm)
        if which >= 0:
            return m.sleeve_conductance
    return float(g)


@jit
def _step_cost(
    f: Fields, m: Medium, i: int, j: int, k: int, di: int, dj: int, dk: int, left: int, label: int, g: float, dorsal: bool
) -> float:
    """Return the cost of the step (di, dj, dk) into voxel (i, j, k), of tissue `label`, from one of tissue `left`.

    dorsal: the opening lies dorsal of the axis of the sac.
    """
    _, ny, nz = f.labels.shape
    voxel = (i * ny + j) * nz + k
    b = m.block_voxels
    block = ((i // b) * 1024 + j // b) * 1024 + k // b
    cost = (1.0 + m.voxel_noise * hash_uniform(m.voxel_seed, voxel)) / g
    cost *= 1.0 + m.block_noise * hash_uniform(m.block_seed, block)
    if label == CANAL:
        if dk > 0:
            cost *= m.up
        elif dk < 0:
            cost *= m.down
        x, y = f.label_origin[0] + f.label_spacing * i, f.label_origin[1] + f.label_spacing * j
        if (x > m.midline_mm[k]) != (x - f.label_spacing * di > m.midline_mm[k - dk]):  # the axis leans: steps along z count
            cost += m.across
        came = y - f.label_spacing * dj > m.axis_mm[k - dk] if left == CANAL else dorsal  # through a foramen: from the opening
        if (y > m.axis_mm[k]) != came:
            cost += m.round
    return cost


@jit
def plan(
    f: Fields,
    m: Medium,
    keys: F64,
    heap: I64,
    table: I64,
    seen: int,
    kept_voxels: I64,
    kept_room: F64,
    order: I64,
    capacity: F64,
    near: I64,
    mark: I64,
    want: int,
    source: int,
) -> tuple[F64, I64, I64, int, I64, F64, I64, I64]:
    """Return (keys, heap, table, seen, order, capacity, near, mark) with up to `want` further entries planned.

    Copies everything: the arrays given stay as they are.
    """
    nx, ny, nz = f.labels.shape
    h = f.label_spacing
    size = heap.shape[0]
    old = order.shape[0]
    q = np.empty(size + 6 * want + 8)
    w = np.empty(size + 6 * want + 8, np.int64)
    q[:size] = keys
    w[:size] = heap
    slots = table.shape[0]
    while slots < 2 * (seen + 6 * want):
        slots *= 2
    reached = np.full(slots, -1, np.int64)
    if slots == table.shape[0]:
        reached[:] = table
    else:
        for v in table:
            if v >= 0:
                insert(reached, v)
    new_order = np.empty(old + want, np.int64)
    new_capacity = np.empty(old + want)
    new_near = np.empty(old + want, np.int64)
    new_mark = np.empty(old + want, np.int64)
    new_order[:old] = order
    new_capacity[:old] = capacity
    new_near[:old] = near
    new_mark[:old] = mark
    dorsal = f.label_origin[1] + h * ((source // nz) % ny) > m.axis_mm[source % nz]
    running = 0
    if old > 0:
        running = mark[old - 1]
    n = old
    while n < old + want and size > 0:
        key, voxel = q[0], w[0]
        drop_first(q, w, size)
        size -= 1
        i, j, k = voxel // (ny * nz), (voxel // nz) % ny, voxel % nz
        label = int(f.labels[i, j, k])
        x, y, z = f.label_origin[0] + h * i, f.label_origin[1] + h * j, f.label_origin[2] + h * k
        room = m.capacity_ul[label]
        slot = find(kept_voxels, voxel)
        if slot >= 0:
            room = kept_room[slot]
        _, which = _nearest_nerve(f, m, x, y, z, m.wet_mm)
        running = marked(running, voxel, room)
        new_order[n] = voxel
        new_capacity[n] = room
        new_near[n] = which
        new_mark[n] = running
        n += 1
        for side in range(6):
            di = (side == 0) - (side == 1)
            dj = (side == 2) - (side == 3)
            dk = (side == 4) - (side == 5)
            a, b, c = i + di, j + dj, k + dk
            if a < 0 or b < 0 or c < 0 or a >= nx or b >= ny or c >= nz:
                continue
            other = int(f.labels[a, b, c])
            if m.conductance[other] <= 0.0 or (other != label and m.closed[other] == 1):
                continue
            neighbour = (a * ny + b) * nz + c
            if not insert(reached, neighbour):
                continue
            seen += 1
            g = _conductance(f, m, other, x + h * di, y + h * dj, z + h * dk)
            cost = _step_cost(f, m, a, b, c, di, dj, dk, label, other, g, dorsal)
            if other != label and m.closed[label] == 1:
                cost += m.burst_cost
            push(q, w, size, key + cost, neighbour)
            size += 1
    return (
        q[:size].copy(),
        w[:size].copy(),
        reached,
        seen,
        new_order[:n].copy(),
        new_capacity[:n].copy(),
        new_near[:n].copy(),
        new_mark[:n].copy(),
    )
