"""What the tip meets: friction and cutting force, membranes that tent and pop, tissues and tubes it crosses.

Positions are those of undeformed tissue: while a membrane tents, the tip stays before it and the hand travels on
(1/k = 1/k_hand + 1/k_membrane); when the force on the membrane exceeds its strength it pops and the needle
catches up. Nerves, vessels, sac and bone are decided by their exact shapes, never by voxels: a voxel of such a
label counts as the tissue met before it. Forces are for display and feel; no score reads them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, label_changes, tissue_at, tube_box_gap, tube_distance
from sim.jit import inner, jit

F64 = NDArray[np.float64]

PUNCTURE = 3  # column of the tissue table

# labels, see sim.phantom.Tissue (plain integers for compiled code; tests compare them)
AIR, SKIN, FAT, FASCIA, MUSCLE, PSOAS, QUADRATUS, MULTIFIDUS = 0, 1, 2, 3, 4, 5, 6, 26
CSF, NERVE, CORTEX, CANCELLOUS, RETROPERITONEUM, VESSEL = 11, 12, 15, 16, 18, 22

TUBE = 100
"""A membrane is the label behind it; the wall of tube t is TUBE + t."""
NO_MEMBRANE = 0

# kinds of log rows: (kind, index, from, x, y, z, depth, extra)
LOG_TISSUE, LOG_IN, LOG_OUT, LOG_POP, LOG_BONE, LOG_BUCKLE = 0, 1, 2, 3, 4, 5
LOG_WIDTH = 8

SAME_MEMBRANE_MM = 3.0
"""A label membrane does not pop twice within this depth (voxel stairs of an oblique layer)."""
MOST_CROSSINGS = 32


@inner
def decided_elsewhere(label: int) -> bool:
    """Return True for labels whose exact shape is a tube or a bone."""
    return label in (CSF, NERVE, VESSEL, CORTEX, CANCELLOUS)


@jit
def tube_tissue(kind: int) -> int:
    """Return the tissue inside a tube of a kind (sim.phantom.TubeKind)."""
    if kind == 0:
        return CSF
    if kind == 4 or kind == 5 or kind == 6 or kind == 12:
        return VESSEL
    return NERVE


@inner
def tubes_near(f: Fields, inside: NDArray[np.int64], x: float, y: float, z: float, reach: float) -> NDArray[np.int64]:
    """Return the tubes that a tip here can touch before it has moved `reach`, and those that hold it."""
    near = np.empty(inside.shape[0], np.int64)
    n = 0
    for t in range(inside.shape[0]):
        if inside[t] != 0 or tube_box_gap(f, t, x, y, z) <= reach:
            near[n] = t
            n += 1
    return near[:n]


@inner
def tissue_of(f: Fields, near: NDArray[np.int64], inside: NDArray[np.int64], base: int) -> int:
    """Return the tissue at the tip: a vessel before a nerve before the sac before the voxel's tissue."""
    found = base
    for t in near:
        if inside[t] != 0:
            tissue = tube_tissue(f.tube_kind[t])
            if tissue == VESSEL or found == base or (tissue == NERVE and found == CSF):
                found = tissue
    return found


@inner
def label_membrane(rows: F64, old: int, new: int) -> int:
    """Return the membrane between two voxel labels, NO_MEMBRANE if there is none."""
    if new == old or decided_elsewhere(new) or rows[new, PUNCTURE] <= 0.0:
        return NO_MEMBRANE
    if new in (MUSCLE, PSOAS, QUADRATUS, MULTIFIDUS):
        return FASCIA if old in (FAT, SKIN, RETROPERITONEUM) else NO_MEMBRANE
    return new


@inner
def membrane_row(f: Fields, membrane: int) -> int:
    """Return the row of the tissue table that describes a membrane."""
    return tube_tissue(f.tube_kind[membrane - TUBE]) if membrane >= TUBE else membrane


@inner
def same_voxel(f: Fields, p: F64, q: F64) -> bool:
    """Return True if both points lie in one voxel (then no label changes between them)."""
    for c in range(3):
        a = np.floor((p[c] - f.label_origin[c]) / f.label_spacing + 0.5)
        b = np.floor((q[c] - f.label_origin[c]) / f.label_spacing + 0.5)
        if a != b:
            return False
    return True


@inner
def tube_roots(f: Fields, t: int, p: F64, q: F64, length: float, at: F64) -> int:
    """Write where (0..1) the segment p -> q crosses the wall of tube t; return how many times.

    A distance changes no faster than the point moves, so a segment whose ends are further from the wall than
    it is long cannot touch it; all others are cut in 16 parts and each sign change is bisected.
    """
    if tube_box_gap(f, t, q[0], q[1], q[2]) > length:
        return 0
    first = tube_distance(f, t, p[0], p[1], p[2])
    last = tube_distance(f, t, q[0], q[1], q[2])
    if (first < 0.0) == (last < 0.0) and abs(first) + abs(last) > 1.5 * length:
        return 0
    parts = 16
    found = 0
    before = first
    for i in range(parts):
        a = i / parts
        b = (i + 1) / parts
        after = last
        if i < parts - 1:
            after = tube_distance(f, t, p[0] + b * (q[0] - p[0]), p[1] + b * (q[1] - p[1]), p[2] + b * (q[2] - p[2]))
        if (before < 0.0) != (after < 0.0):
            for _ in range(30):
                c = 0.5 * (a + b)
                d = tube_distance(f, t, p[0] + c * (q[0] - p[0]), p[1] + c * (q[1] - p[1]), p[2] + c * (q[2] - p[2]))
                if (d < 0.0) == (before < 0.0):
                    a = c
                else:
                    b = c
            at[found] = b
            found += 1
            if found == at.shape[0]:
                break
        before = after
    return found


@inner
def membrane_ahead(
    f: Fields, rows: F64, near: NDArray[np.int64], inside: NDArray[np.int64], base: int, p: F64, q: F64, opened: int
) -> tuple[float, int]:
    """Return (where 0..1, membrane) of the first closed membrane on p -> q; (2, NO_MEMBRANE) if the way is free."""
    nearest, which = 2.0, NO_MEMBRANE
    dx, dy, dz = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    roots = np.empty(4)
    for t in near:
        if inside[t] != 0 or TUBE + t == opened or tube_tissue(f.tube_kind[t]) == NERVE:
            continue
        if tube_roots(f, t, p, q, length, roots) > 0 and roots[0] < nearest:
            nearest, which = roots[0], TUBE + t
    if not same_voxel(f, p, q):
        where, what = label_changes(f, p, q)
        old = base
        for i in range(where.shape[0]):
            new = int(what[i])
            if decided_elsewhere(new):
                continue
            membrane = label_membrane(rows, old, new)
            if membrane != NO_MEMBRANE and membrane != opened:
                if where[i] < nearest:
                    nearest, which = where[i], membrane
                break
            old = new
    return nearest, which


@inner
def advance_of(asked: float, depth: float, stiffness: float, friction: float, front: float) -> float:
    """Return how far the needle moves until the hand spring balances friction (and the cut, when it goes in)."""
    force = stiffness * (asked - depth)
    if force > friction + front:
        return asked - (friction + front) / stiffness - depth
    if force < -friction:
        return asked + friction / stiffness - depth
    return 0.0


@inner
def note(
    log: F64, count: int, kind: int, index: int, origin: int, x: float, y: float, z: float, depth: float, extra: float
) -> int:
    """Append a row to the log (dropped when it is full); return the new number of rows."""
    if count >= log.shape[0]:
        return count
    log[count, 0] = kind
    log[count, 1] = index
    log[count, 2] = origin
    log[count, 3] = x
    log[count, 4] = y
    log[count, 5] = z
    log[count, 6] = depth
    log[count, 7] = extra
    return count + 1


@inner
def travel(
    f: Fields,
    rows: F64,
    near: NDArray[np.int64],
    inside: NDArray[np.int64],
    deepest: F64,
    p: F64,
    q: F64,
    depth: float,
    base: int,
    opened: int,
    cutting: bool,
    force: float,
    speed: float,
    log: F64,
    count: int,
) -> tuple[int, int, int]:
    """Follow the tip from p to q: log every tissue and tube it enters or leaves, in order.

    near: tubes that can be met (tubes_near). inside (0 or 1 per tube) and deepest (mm below the wall) are
    updated in place. Returns the voxel tissue at q, the membrane last opened and the number of log rows. A
    membrane crossed without having tented (a tip pushed sideways) pops at once.
    """
    at = np.empty(MOST_CROSSINGS)
    what = np.empty(MOST_CROSSINGS, np.int64)
    n = 0
    dx, dy, dz = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    roots = np.empty(4)
    for t in near:
        for i in range(tube_roots(f, t, p, q, length, roots)):
            if n < MOST_CROSSINGS:
                at[n] = roots[i]
                what[n] = TUBE + t
                n += 1
    if not same_voxel(f, p, q):
        where, labels = label_changes(f, p, q)
        for i in range(where.shape[0]):
            if n < MOST_CROSSINGS and not decided_elsewhere(int(labels[i])):
                at[n] = where[i]
                what[n] = labels[i]
                n += 1
    for i in range(1, n):  # insertion sort: stable, at most a few
        a, v = at[i], what[i]
        j = i - 1
        while j >= 0 and at[j] > a:
            at[j + 1], what[j + 1] = at[j], what[j]
            j -= 1
        at[j + 1], what[j + 1] = a, v
    tissue = tissue_of(f, near, inside, base)
    if base == AIR and depth > 0.0:
        new = tissue_at(f, p[0], p[1], p[2])
        base = SKIN if new == AIR or decided_elsewhere(new) else new
        now = tissue_of(f, near, inside, base)
        count = note(log, count, LOG_TISSUE, now, tissue, p[0], p[1], p[2], depth, 0.0)
        tissue = now
    for i in range(n):
        x, y, z = p[0] + at[i] * dx, p[1] + at[i] * dy, p[2] + at[i] * dz
        v = int(what[i])
        membrane = NO_MEMBRANE
        if v >= TUBE:
            t = v - TUBE
            entering = inside[t] == 0
            if entering and tube_tissue(f.tube_kind[t]) != NERVE:
                membrane = v
            inside[t] = 1 if entering else 0
            count = note(log, count, LOG_IN if entering else LOG_OUT, t, 0, x, y, z, depth, speed if entering else deepest[t])
            deepest[t] = 0.0
        else:
            if v == AIR and depth < 3.0:
                v = SKIN  # the height field, not the voxel stairs, says where the skin is
            membrane = label_membrane(rows, base, v)
            base = v
        if cutting and membrane != NO_MEMBRANE and membrane != opened:
            count = note(log, count, LOG_POP, membrane, 0, x, y, z, depth, force)
            opened = membrane
        now = tissue_of(f, near, inside, base)
        if now != tissue:
            count = note(log, count, LOG_TISSUE, now, tissue, x, y, z, depth, 0.0)
            tissue = now
    for t in near:
        if inside[t] != 0:
            deepest[t] = max(deepest[t], -tube_distance(f, t, q[0], q[1], q[2]))
    return base, opened, count
