"""Merkle trees as in Certificate Transparency (RFC 6962, section 2.1): root, inclusion and consistency proofs.

Leaves are byte strings. A leaf hashes as SHA-256(00 || leaf), a node as SHA-256(01 || left || right); the left subtree
of n leaves holds the largest power of two below n. The root says which leaves there are and in which order; an
inclusion proof shows one leaf without the others; a consistency proof shows that a later tree only adds leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf."""
    return hashlib.sha256(b"\0" + leaf).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _split(count: int) -> int:
    """Return the largest power of two below `count` (count >= 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of `leaves`."""
    return _root([leaf_hash(leaf) for leaf in leaves])


def _root(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY
    level = list(hashes)
    while len(level) > 1:  # pairing from the left and carrying an odd last one up gives the tree of the RFC
        paired = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) - len(level) % 2 :]
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf `index` (0 for the first); IndexError if there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    hashes = [leaf_hash(leaf) for leaf in leaves]
    path: list[bytes] = []
    while len(hashes) > 1:
        k = _split(len(hashes))
        if index < k:
            path.append(_root(hashes[k:]))
            hashes = hashes[:k]
        else:
            path.append(_root(hashes[:k]))
            hashes, index = hashes[k:], index - k
    return path[::-1]


def inclusion_holds(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> bool:
    """Tell whether `path` shows that `leaf` is number `index` of the `size` leaves under the root `expected`.

    RFC 9162, section 2.1.3.2 (the same trees).
    """
    if not 0 <= index < size:
        return False
    fn, sn, value = index, size - 1, leaf_hash(leaf)
    for step in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            value = _node(step, value)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            value = _node(value, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and value == expected


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree of the first `old_size` leaves is the beginning of the tree of all."""
    if not 0 < old_size <= len(leaves):
        raise IndexError(f"{old_size} of {len(leaves)} leaves")
    return _subproof(old_size, [leaf_hash(leaf) for leaf in leaves], True)


def _subproof(m: int, hashes: Sequence[bytes], whole: bool) -> list[bytes]:
    if m == len(hashes):
        return [] if whole else [_root(hashes)]
    k = _split(len(hashes))
    if m <= k:
        return [*_subproof(m, hashes[:k], whole), _root(hashes[k:])]
    return [*_subproof(m - k, hashes[k:], False), _root(hashes[:k])]


def consistency_holds(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether `proof` shows that the new tree only adds leaves to the old one (RFC 9162, section 2.1.4.2)."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    steps = list(proof)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = _node(step, old), _node(step, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = _node(new, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old == old_root and new == new_root
