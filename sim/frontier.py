"""Hash table of voxels and binary heap of (key, voxel), compiled: what a growing front keeps its frontier in.

A table is an int64 array whose size is a power of two, -1 where empty. A heap is two arrays of equal length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@jit
def insert_at(table: I64, voxel: int) -> int:
    """Return the slot of `voxel` in a hash table (size a power of two), inserting it if it is new."""
    mask = table.shape[0] - 1
    slot = (((voxel * 2654435769) & 0xFFFFFFFF) >> 7) & mask
    while table[slot] >= 0 and table[slot] != voxel:
        slot = (slot + 1) & mask
    table[slot] = voxel
    return int(slot)


@jit
def insert(table: I64, voxel: int) -> bool:
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
def find(table: I64, voxel: int) -> int:
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
def push(keys: F64, heap: I64, size: int, key: float, voxel: int) -> None:
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
def drop_first(keys: F64, heap: I64, size: int) -> None:
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
