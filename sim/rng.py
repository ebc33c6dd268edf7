"""Random numbers: one counter-based Philox stream per purpose, so that adding a draw moves no other."""

from __future__ import annotations

import hashlib

import numpy as np

from sim.jit import jit


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator for (seed, purpose). Use .integers and .random only: those are bit-stable.

    Near-normal deviates in score-relevant code come from `near_normal` (sum of 12 uniforms), because
    numpy may change the algorithm of .normal between versions.
    """
    key = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key[:16], "little")))


def near_normal(generator: np.random.Generator) -> float:
    """Return a deviate of mean 0 and variance 1, bounded by +-6 (Irwin-Hall, 12 uniforms)."""
    total = 0.0
    for u in generator.random(12):
        total += float(u)
    return total - 6.0


@jit
def hash_uniform(seed: int, index: int) -> float:
    """Return a uniform number in [0, 1) that depends only on (seed, index): noise for voxel `index`.

    Two rounds of the 32-bit integer mixer "lowbias32" (C. Wellons, hash-prospector), carried in 64 bits so
    that nothing overflows and the interpreted and the compiled result are equal.
    """
    mask = np.uint64(0xFFFFFFFF)
    x = np.uint64(index) & mask
    for salt in (np.uint64(seed) & mask, (np.uint64(seed) >> np.uint64(32)) & mask):
        x = (x ^ salt) & mask
        x = ((x ^ (x >> np.uint64(16))) * np.uint64(0x7FEB352D)) & mask
        x = ((x ^ (x >> np.uint64(15))) * np.uint64(0x846CA68B)) & mask
        x = x ^ (x >> np.uint64(16))
    return float(x) * (1.0 / 4294967296.0)
