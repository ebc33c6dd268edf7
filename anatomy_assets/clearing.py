"""Tubes of a sick patient once more: what findings have pushed into bone or metal is moved out, or made thinner.

Paths are laid by rules of healthy anatomy; a slip, a wing or an implant may lie in their way. Tubes that are clear are left as
they are, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.tubes import bone_gap, clearance, push_out, rounded, tighten
from sim.frames import norm
from sim.phantom import Fields, Tube, TubeKind

F64 = NDArray[np.float64]
GAP_MM = 0.05
STEP_MM = 0.8
ROUNDS = 12
LEAST_MM = 0.1
LEAST_SAC_MM = 1.0


def cleared(free: Fields, tubes: Sequence[Tube]) -> list[Tube]:
    """Return the tubes with none in bone (basivertebral veins lie there by nature)."""
    return [t if t.kind is TubeKind.BASIVERTEBRAL or clear(free, t.nodes) else _out_of_bone(free, t) for t in tubes]


def clear(free: Fields, nodes: F64) -> bool:
    """Return whether a chain stays out of bone."""
    return float(clearance(free, nodes)[0]) > 0.0 and _room(free, _dense(nodes[:, :4])) > 0.0


def _out_of_bone(free: Fields, tube: Tube) -> Tube:
    if tube.nodes.shape[1] == 5:
        return replace(tube, nodes=rounded(_narrowed(free, tube.nodes)))
    nodes = _dense(tube.nodes)
    for _ in range(ROUNDS):
        for i in range(len(nodes)):
            push_out(free, nodes[i], GAP_MM, 0.5)
        if _room(free, nodes) > 0.0:
            break
    return replace(tube, nodes=rounded(tighten(free, nodes, GAP_MM, LEAST_MM)))


def _room(free: Fields, nodes: F64) -> float:
    """Return the least distance from the wall of a chain's nodes to bone."""
    return min(float(bone_gap(free, *n[:3])[0]) - float(n[3]) for n in nodes)


def _dense(nodes: F64) -> F64:
    """Return a chain with nodes at most STEP_MM apart."""
    out = [nodes[0]]
    for a, b in zip(nodes[:-1], nodes[1:], strict=True):
        n = max(int(norm(b[:3] - a[:3]) / STEP_MM) + 1, 1)
        out += [a + (b - a) * (i / n) for i in range(1, n + 1)]
    return np.array(out)


def _narrowed(free: Fields, nodes: F64) -> F64:
    """Return a flat chain made narrower, then thinner, where it meets bone."""
    out = _dense(nodes)
    for _ in range(40):
        worst = 0.0
        for node in out:
            ends = [node[0] + s * node[4] for s in (-1.0, -0.5, 0.0, 0.5, 1.0)]
            short = node[3] + GAP_MM - min(float(bone_gap(free, x, node[1], node[2])[0]) for x in ends)
            if short > 0.0:
                worst = max(worst, short)
                less = min(short, node[4])
                node[4] -= less
                node[3] = max(node[3] - (short - less), LEAST_SAC_MM)
        if worst <= 0.0:
            break
    return out
