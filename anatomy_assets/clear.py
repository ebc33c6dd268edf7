"""The last word on every tube: no wall in bone.

Paths are settled node by node, so a chord between two nodes may still graze a ridge, and a node in a narrow place may have
been left in the wall. Here every segment is walked densely; where the wall is nearer to bone than GAP_MM the segment is
pushed away, and where both sides are bone the tube is made thinner. Bit-stable: + - * / sqrt only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.tubes import bone_gap, clearance, rounded
from sim.fields import Fields, bone_normal
from sim.jit import jit
from sim.phantom import Tube, TubeKind

F64 = NDArray[np.float64]
GAP_MM = 0.1
LEAST_MM = 0.12
"""No wall is drawn in below this radius."""
STEP_MM = 0.25
ROUNDS = 60
MOST_MM = 0.25
"""How far one push goes."""


def cleared(free: Fields, tubes: Sequence[Tube]) -> list[Tube]:
    """Return the tubes with their walls GAP_MM clear of bone; those that lie in bone by nature are left alone."""
    return [t if t.kind is TubeKind.BASIVERTEBRAL else clear_one(free, t) for t in tubes]


def clear_one(free: Fields, tube: Tube) -> Tube:
    """Return one tube pushed, and where that is not enough thinned, until it is clear of bone; itself if it is already."""
    if clearance(free, tube.nodes)[0] >= GAP_MM - 0.002:
        return tube
    wide = np.zeros((len(tube.nodes), 5))
    wide[:, : tube.nodes.shape[1]] = tube.nodes
    nodes = thinned(free, pushed(free, wide))
    return replace(tube, nodes=rounded(nodes[:, : tube.nodes.shape[1]]))


@jit
def pushed(f: Fields, start: F64) -> F64:
    """Return nodes (n, 5) of a chain whose walls were pushed out of bone, as far as that is possible."""
    nodes = start.copy()
    for _ in range(ROUNDS):
        worst = 0.0
        for i in range(nodes.shape[0] - 1):
            a, b = nodes[i], nodes[i + 1]
            dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
            n = int(np.sqrt(dx * dx + dy * dy + dz * dz) / STEP_MM) + 1
            for j in range(n + 1):
                t = j / n
                for side in range(-1, 2):
                    half = side * (a[4] + t * (b[4] - a[4]))
                    if side != 0 and half == 0.0:
                        continue
                    x, y, z = a[0] + t * (b[0] - a[0]) + half, a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])
                    d, which = bone_gap(f, x, y, z)
                    need = a[3] + t * (b[3] - a[3]) + GAP_MM - d
                    if need > 0.0:
                        worst = max(worst, need)
                        nx, ny, nz = bone_normal(f, which, x, y, z)
                        s = min(need, MOST_MM) / ((1.0 - t) * (1.0 - t) + t * t)
                        for c, v in ((0, nx), (1, ny), (2, nz)):
                            a[c] += (1.0 - t) * s * v
                            b[c] += t * s * v
        if worst <= 0.0:
            break
    return nodes


@jit
def thinned(f: Fields, start: F64) -> F64:
    """Return nodes (n, 5) with radii, and half widths of flat sections, cut to the room that the bone leaves."""
    out = start.copy()
    for _ in range(3):
        for i in range(out.shape[0] - 1):
            a, b = out[i], out[i + 1]
            dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
            n = int(np.sqrt(dx * dx + dy * dy + dz * dz) / STEP_MM) + 1
            for j in range(n + 1):
                t = j / n
                for side in range(-1, 2):
                    half = side * (a[4] + t * (b[4] - a[4]))
                    x, y, z = a[0] + t * (b[0] - a[0]) + half, a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])
                    d, _ = bone_gap(f, x, y, z)
                    over = a[3] + t * (b[3] - a[3]) + GAP_MM - d
                    if over > 0.0:
                        for k in range(2):
                            node, share = (a, 1.0 - t) if k == 0 else (b, t)
                            if share >= 0.5:
                                node[3] = max(node[3] - over, LEAST_MM)
    return out
