"""The front of bone cement in one vertebra: volume-conserving first-passage growth whose rule moves with viscosity.

The next voxel is the one of the frontier with the smallest pseudo-distance T. A step of d mm in bone adds
d (s + (1 - s) (1 + noise)), s = mu / (mu + mu_half): cement far more viscous than marrow advances as a ball (stable
front), thin cement follows what is open (docs/PHYSICS_CEMENT.md). The mouth of a channel costs a barrier that grows
with s and is judged when it competes, so cement that has thickened during a pause no longer enters where it would have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.cement_body import BONE, CAVA, CHANNEL, CLOSED, KINDS, PLACES, SEGMENTAL, VEIN, Body
from sim.jit import jit
from sim.rng import hash_uniform
from sim.state import CementFront, Study

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

PIECE = 16
"""Voxels planned at a time: few, because viscosity moves; each piece copies the map once."""
MOST_POINTS = 12_000
UNTOUCHED, OPEN, MOUTH, OUT, TAKEN = range(5)
FAR = 1.0e30


class Rules(NamedTuple):
    """Constants of the growth (scenarios/data/cements.toml): step costs per mm and capacities by place, barriers in mm."""

    cost: F64
    room_ul: F64
    thin_scale: float
    voxel_noise: float
    block_noise: float
    block_voxels: int
    barrier_thin_mm: float
    barrier_thick_mm: float
    plug_mm: float
    half_pa_s: float


def rules(study: Study, spacing_mm: float) -> Rules:
    """Return the rules of a study on a grid of this spacing."""
    number = study.toolbox.constant
    voxel = spacing_mm * spacing_mm * spacing_mm
    open_places = [place for place in PLACES if place != "closed"]
    return Rules(
        cost=np.array([FAR, *(number(f"cement.cost_{place}") for place in open_places)]),
        room_ul=np.array([0.0, *(number(f"cement.room_{place}") * voxel for place in open_places)]),
        thin_scale=number("cement.thin_scale"),
        voxel_noise=number("cement.voxel_noise"),
        block_noise=number("cement.block_noise"),
        block_voxels=max(1, round(number("cement.block_mm") / spacing_mm)),
        barrier_thin_mm=number("cement.barrier_thin_mm"),
        barrier_thick_mm=number("cement.barrier_thick_mm"),
        plug_mm=number("cement.plug_mm"),
        half_pa_s=number("cement.half_pa_s"),
    )


def fresh(body: Body) -> CementFront:
    """Return an empty front on a map."""
    n = body.place.size
    return CementFront(
        body=body,
        key=np.full(n, FAR),
        mark=np.zeros(n, np.uint8),
        owner=np.zeros(n, np.uint8),
        frontier=np.zeros(0, np.int64),
        order=np.zeros(0, np.int64),
        capacity_ul=np.zeros(0),
        by_ul=np.zeros((len(KINDS), len(PLACES))),
    )


def opened(front: CementFront, tip_mm: F64, reach_mm: float) -> CementFront | None:
    """Return the front fed from the bone voxel nearest to the tip within reach; None if there is none."""
    b = front.body
    voxel = _source(b.place, b.origin_mm, b.spacing_mm, tip_mm, reach_mm)
    if voxel < 0:
        return None
    if voxel == front.source or front.mark[voxel] == TAKEN:
        return replace(front, source=voxel)
    key, mark = front.key.copy(), front.mark.copy()
    frontier = front.frontier if mark[voxel] else np.append(front.frontier, voxel)
    key[voxel], mark[voxel] = 0.0, OPEN
    return replace(front, source=voxel, key=key, mark=mark, frontier=frontier)


@jit
def _source(place: U8, origin: F64, h: float, tip: F64, reach: float) -> int:
    """Return the nearest voxel of bone, no channel, to a point within reach; -1 if none."""
    nx, ny, nz = place.shape
    n = int(np.ceil(reach / h))
    ci = int(np.floor((tip[0] - origin[0]) / h + 0.5))
    cj = int(np.floor((tip[1] - origin[1]) / h + 0.5))
    ck = int(np.floor((tip[2] - origin[2]) / h + 0.5))
    best = reach * reach
    found = -1
    for i in range(max(0, ci - n), min(nx, ci + n + 1)):
        for j in range(max(0, cj - n), min(ny, cj + n + 1)):
            for k in range(max(0, ck - n), min(nz, ck + n + 1)):
                if place[i, j, k] != BONE:
                    continue
                dx, dy, dz = origin[0] + h * i - tip[0], origin[1] + h * j - tip[1], origin[2] + h * k - tip[2]
                d2 = dx * dx + dy * dy + dz * dz
                if d2 < best:
                    best = d2
                    found = (i * ny + j) * nz + k
    return int(found)


# --- planning -------------------------------------------------------------------------------------


@jit
def _noise(r: Rules, voxel_seed: int, block_seed: int, voxel: int, i: int, j: int, k: int) -> float:
    """Return the relative resistance of a voxel of bone to thin cement: pores and bands, times thin_scale."""
    b = r.block_voxels
    block = ((i // b) * 1024 + j // b) * 1024 + k // b
    pores = 1.0 + r.voxel_noise * (2.0 * hash_uniform(voxel_seed, voxel) - 1.0)
    return r.thin_scale * pores * (1.0 + r.block_noise * (2.0 * hash_uniform(block_seed, block) - 1.0))


@jit
def _may_pass(a: int, b: int, owner: int, channel: int) -> bool:
    """Return True if cement in place a (come through channel `owner`) may go on into place b (of `channel`)."""
    if b == CLOSED:
        return False
    if a == BONE:
        return b in (BONE, CHANNEL)
    if a == CHANNEL:
        if b == CHANNEL:
            return owner == channel
        return b != BONE
    if a == b:
        return True
    if a + b == 7:  # canal and foramen are one space
        return a == 3 or a == 4
    return a > 6 and b > 6


@jit
def plan(
    place: U8,
    channel: U8,
    kind_of: I64,
    strength: F64,
    voxel_seed: int,
    block_seed: int,
    h: float,
    r: Rules,
    s: float,
    key0: F64,
    mark0: U8,
    owner0: U8,
    frontier0: I64,
    want: int,
) -> tuple[F64, U8, U8, I64, I64, F64]:
    """Return (key, mark, owner, frontier, voxels, room) with up to `want` voxels taken; copies, changes nothing given."""
    nx, ny, nz = place.shape
    flat, way = place.reshape(-1), channel.reshape(-1)
    key, mark, owner = key0.copy(), mark0.copy(), owner0.copy()
    size = frontier0.shape[0]
    frontier = np.empty(size + 26 * want, np.int64)
    frontier[:size] = frontier0
    voxels = np.empty(want, np.int64)
    room = np.empty(want)
    barrier = r.barrier_thin_mm + (r.barrier_thick_mm - r.barrier_thin_mm) * s
    n = 0
    while n < want and size > 0:
        at, best, voxel = -1, FAR, -1
        for f in range(size):
            v = frontier[f]
            t = key[v]
            if mark[v] == MOUTH:
                t += strength[owner[v]] * barrier
            elif mark[v] == OUT:
                t += r.plug_mm * s
            if t < best or (t == best and v < voxel):
                at, best, voxel = f, t, v
        size -= 1
        frontier[at] = frontier[size]
        if mark[voxel] == MOUTH:
            key[voxel] = best
        mark[voxel] = TAKEN
        here = flat[voxel]
        voxels[n] = voxel
        room[n] = r.room_ul[here]
        n += 1
        i, j, k = voxel // (ny * nz), (voxel // nz) % ny, voxel % nz
        for a in range(max(0, i - 1), min(nx, i + 2)):
            for b in range(max(0, j - 1), min(ny, j + 2)):
                for c in range(max(0, k - 1), min(nz, k + 2)):
                    other = (a * ny + b) * nz + c
                    there = flat[other]
                    if mark[other] == TAKEN or not _may_pass(here, there, owner[voxel], way[other]):
                        continue
                    if here == CHANNEL and there > CHANNEL and there != VEIN and kind_of[owner[voxel]] == SEGMENTAL:
                        continue
                    d2 = (a - i) * (a - i) + (b - j) * (b - j) + (c - k) * (c - k)
                    d = h * np.sqrt(float(d2))
                    cost = r.cost[there]
                    if there == BONE:
                        cost *= s + (1.0 - s) * _noise(r, voxel_seed, block_seed, other, a, b, c)
                    t = key[voxel] + d * cost
                    if t >= key[other]:
                        continue
                    key[other] = t
                    if mark[other] == UNTOUCHED:
                        frontier[size] = other
                        size += 1
                    if there == BONE:
                        mark[other] = OPEN
                    elif there == CHANNEL and here == BONE:
                        mark[other], owner[other] = MOUTH, way[other]
                    elif there == CHANNEL:
                        mark[other], owner[other] = OPEN, owner[voxel]
                    else:
                        mark[other], owner[other] = OUT, owner[voxel]
    return key, mark, owner, frontier[:size].copy(), voxels[:n].copy(), room[:n].copy()


# --- pouring --------------------------------------------------------------------------------------


@jit
def _fill(
    place: U8,
    owner: U8,
    kind_of: I64,
    origin: F64,
    h: float,
    centre: F64,
    back: F64,
    behind: float,
    order: I64,
    capacity: F64,
    by: F64,
    done: int,
    partial: float,
    ul: float,
    gap: float,
) -> tuple[int, float, float, float]:
    """Fill planned voxels with `ul`, adding to `by`; return (done, partial, what is left, least gap to the posterior wall)."""
    _, ny, nz = place.shape
    flat = place.reshape(-1)
    while ul > 0.0 and done < order.shape[0]:
        v = order[done]
        if partial == 0.0 and flat[v] == BONE:
            dx = origin[0] + h * (v // (ny * nz)) - centre[0]
            dy = origin[1] + h * ((v // nz) % ny) - centre[1]
            dz = origin[2] + h * (v % nz) - centre[2]
            gap = min(gap, behind - (dx * back[0] + dy * back[1] + dz * back[2]))
        room = capacity[done] - partial
        used = min(ul, room)
        by[kind_of[owner[v]], flat[v]] += used
        ul -= used
        partial += used
        if used == room:
            done += 1
            partial = 0.0
    return done, partial, ul, gap


def share_of(r: Rules, mu_pa_s: float) -> float:
    """Return s, how stable the front is: 0 for cement as thin as marrow, 1 for dough."""
    return mu_pa_s / (mu_pa_s + r.half_pa_s)


def pour(front: CementFront, r: Rules, ul: float, mu_pa_s: float) -> tuple[CementFront, float]:
    """Return (front, rest) after `ul` more of cement whose front has this viscosity; a rest stays where no room is left."""
    b, s = front.body, share_of(r, mu_pa_s)
    by = front.by_ul.copy()
    done, partial, left, gap = front.done, front.partial_ul, ul, front.posterior_mm
    while True:
        done, partial, left, gap = _fill(
            b.place,
            front.owner,
            b.kind,
            b.origin_mm,
            b.spacing_mm,
            b.centre_mm,
            b.axes[1],
            b.behind_mm,
            front.order,
            front.capacity_ul,
            by,
            done,
            partial,
            left,
            gap,
        )
        if left <= 0.0 or not len(front.frontier):
            break
        front = _planned(front, r, s)
    volume = front.volume_ul + (ul - left)
    return replace(front, by_ul=by, done=done, partial_ul=partial, volume_ul=volume, posterior_mm=gap), left


def _planned(front: CementFront, r: Rules, s: float) -> CementFront:
    """Return the front with one more piece of its order planned."""
    b = front.body
    key, mark, owner, frontier, voxels, room = plan(
        b.place,
        b.channel,
        b.kind,
        b.strength,
        b.voxel_seed,
        b.block_seed,
        b.spacing_mm,
        r,
        s,
        front.key,
        front.mark,
        front.owner,
        front.frontier,
        PIECE,
    )
    return replace(
        front,
        key=key,
        mark=mark,
        owner=owner,
        frontier=frontier,
        order=np.concatenate([front.order, voxels]),
        capacity_ul=np.concatenate([front.capacity_ul, room]),
    )


# --- what X-rays show -----------------------------------------------------------------------------


def points(front: CementFront, iodine_mg_per_ul: float) -> NDArray[np.float32]:
    """Return (n, 4) x, y, z, equivalent iodine mg of the cement in a vertebra and what leaked from it."""
    b = front.body
    end = front.done + (1 if front.partial_ul > 0.0 else 0)
    return _points(b.place, b.origin_mm, b.spacing_mm, front.order, front.capacity_ul, front.done, end, iodine_mg_per_ul)


@jit
def _points(place: U8, origin: F64, h: float, order: I64, room: F64, done: int, end: int, mg: float) -> NDArray[np.float32]:
    """Return points jittered inside their voxels so that no grid shows; beyond MOST_POINTS one stands for several."""
    stride = max(1, (end + MOST_POINTS - 1) // MOST_POINTS)
    out = np.zeros(((end + stride - 1) // stride, 4), np.float32)
    _, ny, nz = place.shape
    for e in range(end):
        v = order[e]
        row = e // stride
        if e % stride == 0:
            out[row, 0] = origin[0] + h * (v // (ny * nz) + hash_uniform(21, v) - 0.5)
            out[row, 1] = origin[1] + h * ((v // nz) % ny + hash_uniform(22, v) - 0.5)
            out[row, 2] = origin[2] + h * (v % nz + hash_uniform(23, v) - 0.5)
        out[row, 3] += np.float32(mg * room[e])
    return out


def place_ul(front: CementFront, place: int) -> float:
    """Return the microlitres in a place, whatever the way there; cement in a channel inside bone counts as in bone."""
    total = 0.0
    for kind in range(len(KINDS)):
        total += float(front.by_ul[kind, place])
        if place == BONE:
            total += float(front.by_ul[kind, CHANNEL])
    return total


def leaks(front: CementFront) -> list[tuple[int, int, float]]:
    """Return (kind, place, microlitres) of all cement outside the bone."""
    return [
        (kind, place, float(front.by_ul[kind, place]))
        for kind in range(len(KINDS))
        for place in range(CHANNEL + 1, CAVA + 1)
        if front.by_ul[kind, place] > 0.0
    ]
