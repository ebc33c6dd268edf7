"""Injectate in the tissues: a volume-conserving front that invades the label grid, cheapest voxel first.

First-passage growth from the voxel at the needle's opening: the frontier is a binary heap, the key of a voxel
is its parent's key plus the cost of the step, (1 + noise) / conductance, and a popped voxel takes capacity x
voxel volume before the next one fills. The order does not depend on the rate, so it is planned ahead in pieces
of `PIECE` voxels and pouring is a walk along it (docs/PHYSICS.md, injectate).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit
from sim.phantom import Fields, Tissue, TubeKind, tube_box_gap, tube_distance
from sim.rng import hash_uniform, stream
from sim.state import Study
from sim.state.spread import Front

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

PIECE = 128
"""Voxels planned at a time: a compromise between the cost of a piece and the cost of copying the front."""

MOST_POINTS = 20_000
"""Contrast points shown at most; beyond, every second (third, ...) voxel stands for its neighbours."""

NERVES = (TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS)
CLOSED = (Tissue.CSF, Tissue.DISC_NUCLEUS, Tissue.FACET_JOINT)
SLEEVE = (
    Tissue.FAT,
    Tissue.MUSCLE,
    Tissue.PSOAS,
    Tissue.QUADRATUS,
    Tissue.MULTIFIDUS,
    Tissue.EPIDURAL_FAT,
    Tissue.FORAMEN_FAT,
    Tissue.RETROPERITONEUM,
)
CANAL = int(Tissue.EPIDURAL_FAT)
NO_SAC = -1.0e9


class Medium(NamedTuple):
    """What the fluid meets in this patient. Tables run over tissue labels; *_seed pick the noise."""

    conductance: F64
    capacity_ul: F64
    closed: I64  # 1: fluid never enters from outside and leaves only when full
    sleeve: I64  # 1: loose tissue on a nerve may run through this label
    nerves: I64  # indices of the nerve tubes
    roots: I64  # 1 for tubes that count as wetted roots
    midline_mm: F64  # x of the sac's middle for each plane of the grid
    voxel_seed: int
    block_seed: int
    voxel_noise: float
    block_noise: float
    block_voxels: int
    sleeve_conductance: float
    sleeve_mm: float
    wet_mm: float
    burst_cost: float
    up: float  # factor on steps towards the head in the canal
    down: float
    across: float  # cost of crossing the middle of the canal


def medium(study: Study) -> Medium:
    """Return tissue tables and this patient's own resistances (drawn from the study's seed)."""
    box, f = study.toolbox, study.phantom.fields
    number = box.constant
    draw = stream(study.seed, "spread/patient")
    u = [float(v) for v in draw.random(4)]
    seeds = [int(v) for v in draw.integers(0, 2**62, 2)]
    size = max(max(row.label for row in box.tissues), max(Tissue)) + 1
    conductance, capacity = np.zeros(size), np.zeros(size)
    room = number("spread.capacity_low") + u[0] * (number("spread.capacity_high") - number("spread.capacity_low"))
    voxel_ul = f.label_spacing * f.label_spacing * f.label_spacing
    for row in box.tissues:
        conductance[row.label] = row.conductance
        capacity[row.label] = row.capacity * room * voxel_ul
    kinds = [t.kind for t in study.phantom.tubes]
    along = number("spread.along_high") - number("spread.along_low")
    return Medium(
        conductance=conductance,
        capacity_ul=capacity,
        closed=np.array([int(label in CLOSED) for label in range(size)], np.int64),
        sleeve=np.array([int(label in SLEEVE) for label in range(size)], np.int64),
        nerves=np.array([i for i, kind in enumerate(kinds) if kind in NERVES], np.int64),
        roots=np.array([int(kind in (TubeKind.ROOT, TubeKind.GANGLION)) for kind in kinds], np.int64),
        midline_mm=_midline(study),
        voxel_seed=seeds[0],
        block_seed=seeds[1],
        voxel_noise=number("spread.voxel_noise"),
        block_noise=number("spread.block_noise"),
        block_voxels=max(1, round(number("spread.block_mm") / f.label_spacing)),
        sleeve_conductance=number("spread.sleeve_conductance"),
        sleeve_mm=number("spread.sleeve_mm"),
        wet_mm=number("spread.wet_mm"),
        burst_cost=number("spread.burst_cost"),
        up=number("spread.along_low") + u[1] * along,
        down=number("spread.along_low") + u[2] * along,
        across=number("spread.midline_cost") if u[3] < number("spread.unilateral_share") else 0.0,
    )


def _midline(study: Study) -> F64:
    """Return x of the sac's middle for each z plane of the grid; the ends are carried on."""
    f = study.phantom.fields
    out = np.full(f.labels.shape[2], NO_SAC)
    for tube in study.phantom.tubes:
        if tube.kind != TubeKind.SAC:
            continue
        nodes = tube.nodes[np.argsort(tube.nodes[:, 2], kind="stable")]
        for k in range(len(out)):
            z = f.label_origin[2] + f.label_spacing * k
            above = min(max(int(np.searchsorted(nodes[:, 2], z)), 1), len(nodes) - 1)
            a, b = nodes[above - 1], nodes[above]
            rise = b[2] - a[2]
            share = min(max((z - a[2]) / rise, 0.0), 1.0) if rise > 0.0 else 0.0
            out[k] = a[0] + share * (b[0] - a[0])
        break
    return out


# --- the opening ----------------------------------------------------------------------------------


@jit
def voxel_of(f: Fields, x: float, y: float, z: float) -> int:
    """Return the flat index of the voxel that holds a point, -1 outside the grid."""
    h = f.label_spacing
    i = int(np.floor((x - f.label_origin[0]) / h + 0.5))
    j = int(np.floor((y - f.label_origin[1]) / h + 0.5))
    k = int(np.floor((z - f.label_origin[2]) / h + 0.5))
    nx, ny, nz = f.labels.shape
    if i < 0 or j < 0 or k < 0 or i >= nx or j >= ny or k >= nz:
        return -1
    return int((i * ny + j) * nz + k)


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
    if m.conductance[f.labels[ci, cj, ck]] > 0.0 and _find(shut, here) < 0:
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
                if d2 < best and _find(shut, (i * ny + j) * nz + k) < 0:
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
        mark[n - 1] = _marked(before, int(front.order[n - 1]), front.partial_ul)
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
    _insert(table, front.source)
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
            space[_insert_at(out, voxels[i])] = room[i]
    n = filled.shape[0]
    for i in range(n):
        space[_insert_at(out, filled[i])] = rest if i == n - 1 else 0.0
    return out, space


# --- planning -------------------------------------------------------------------------------------


@jit
def _insert_at(table: I64, voxel: int) -> int:
    """Return the slot of `voxel` in a hash table (size a power of two), inserting it if it is new."""
    mask = table.shape[0] - 1
    slot = (((voxel * 2654435769) & 0xFFFFFFFF) >> 7) & mask
    while table[slot] >= 0 and table[slot] != voxel:
        slot = (slot + 1) & mask
    table[slot] = voxel
    return int(slot)


@jit
def _insert(table: I64, voxel: int) -> bool:
    """Insert `voxel`; False when it was there."""
    mask = table.shape[0] - 1
    slot = (((voxel * 2654435769) & 0xFFFFFFFF) >> 7) & mask
    while table[slot] >= 0:
        if table[slot] == voxel:
            return False
        slot = (slot + 1) & mask
    table[slot] = voxel
    return True


@jit
def _find(table: I64, voxel: int) -> int:
    """Return the slot of `voxel` or -1."""
    if table.shape[0] == 0:
        return -1
    mask = table.shape[0] - 1
    slot = (((voxel * 2654435769) & 0xFFFFFFFF) >> 7) & mask
    while table[slot] >= 0:
        if table[slot] == voxel:
            return int(slot)
        slot = (slot + 1) & mask
    return -1


@jit
def _push(keys: F64, heap: I64, size: int, key: float, voxel: int) -> None:
    """Add (key, voxel) to a binary heap of `size` entries; ties go to the smaller voxel."""
    i = size
    while i > 0:
        up = (i - 1) // 2
        if keys[up] < key or (keys[up] == key and heap[up] < voxel):
            break
        keys[i] = keys[up]
        heap[i] = heap[up]
        i = up
    keys[i] = key
    heap[i] = voxel


@jit
def _drop_first(keys: F64, heap: I64, size: int) -> None:
    """Remove the first entry of a heap of `size` entries."""
    last = size - 1
    key, voxel = keys[last], heap[last]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= last:
            break
        other = child + 1
        if other < last and (keys[other] < keys[child] or (keys[other] == keys[child] and heap[other] < heap[child])):
            child = other
        if key < keys[child] or (key == keys[child] and voxel < heap[child]):
            break
        keys[i] = keys[child]
        heap[i] = heap[child]
        i = child
    keys[i] = key
    heap[i] = voxel


@jit
def _marked(before: int, voxel: int, capacity_ul: float) -> int:
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
def _step_cost(f: Fields, m: Medium, i: int, j: int, k: int, di: int, dk: int, label: int, g: float) -> float:
    """Return the cost of the step (di, ., dk) into voxel (i, j, k), a neighbour of the voxel left behind."""
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
        elif di != 0 and m.across > 0.0:
            here = f.label_origin[0] + f.label_spacing * i - m.midline_mm[k]
            before = here - f.label_spacing * di
            if (here > 0.0) != (before > 0.0):
                cost += m.across
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
                _insert(reached, v)
    new_order = np.empty(old + want, np.int64)
    new_capacity = np.empty(old + want)
    new_near = np.empty(old + want, np.int64)
    new_mark = np.empty(old + want, np.int64)
    new_order[:old] = order
    new_capacity[:old] = capacity
    new_near[:old] = near
    new_mark[:old] = mark
    running = 0
    if old > 0:
        running = mark[old - 1]
    n = old
    while n < old + want and size > 0:
        key, voxel = q[0], w[0]
        _drop_first(q, w, size)
        size -= 1
        i, j, k = voxel // (ny * nz), (voxel // nz) % ny, voxel % nz
        label = int(f.labels[i, j, k])
        x, y, z = f.label_origin[0] + h * i, f.label_origin[1] + h * j, f.label_origin[2] + h * k
        room = m.capacity_ul[label]
        slot = _find(kept_voxels, voxel)
        if slot >= 0:
            room = kept_room[slot]
        _, which = _nearest_nerve(f, m, x, y, z, m.wet_mm)
        running = _marked(running, voxel, room)
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
            if not _insert(reached, neighbour):
                continue
            seen += 1
            g = _conductance(f, m, other, x + h * di, y + h * dj, z + h * dk)
            cost = _step_cost(f, m, a, b, c, di, dk, other, g)
            if other != label and m.closed[label] == 1:
                cost += m.burst_cost
            _push(q, w, size, key + cost, neighbour)
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
    )
    return replace(front, keys=keys, heap=heap, table=table, seen=seen, order=order, capacity_ul=capacity, near=near, mark=mark)


# --- what others see ------------------------------------------------------------------------------


def wetted(front: Front) -> list[int]:
    """Return the indices of root and ganglion tubes that the pool of the present opening wets, in order."""
    end = front.done + (1 if front.partial_ul > 0.0 else 0)
    touched = {int(t) for t in front.near[front.pool_start : end] if t >= 0}
    return sorted(t for t in touched if front.medium.roots[t])


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
