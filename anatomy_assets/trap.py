"""The vascular trap: an artery-vein bundle that fills the zone round one usual target (a teaching case).

Anatomically it stands for a radiculomedullary artery with its vein in the safe triangle; it is denser than
nature so that the lesson (see flow, stop, move) is met in every seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import cross
from anatomy_assets.tables import number
from anatomy_assets.targets import Corridor
from anatomy_assets.tubes import bone_gap, nearest_tube, obstacles, rounded, settle, shrink, tighten, unit
from anatomy_assets.vessel_ways import Gate, ways
from sim.fields import Fields
from sim.frames import dot, norm
from sim.phantom import Bone, Tube, TubeKind

F64 = NDArray[np.float64]
N = "neurovascular"


def trapped_vessels(
    bones: Sequence[Bone],
    nerve: Sequence[Tube],
    targets: Mapping[tuple[str, str, str], Corridor],
    gate: Gate,
    feeder: Tube | None,
    level: str,
) -> list[Tube]:
    """Return the bundle at one usual target; its leads stay off the alternative and the way to it."""
    side = gate.side
    usual = targets["subpedicular", level, side]
    other = {k: c for k, c in targets.items() if k == ("alternative", level, side)}
    free = obstacles(bones, [*nerve, *ways(other)])
    ganglion = next(t for t in nerve if t.name == f"ganglion_{level}_{side}").nodes
    along = unit(ganglion[-1, :3] - ganglion[0, :3])
    return bundle(free, usual.target, along, gate.frame.axes[1], gate, feeder, level, side)


def bundle(
    free: Fields, target: F64, along: F64, inward: F64, gate: Gate, feeder: Tube | None, level: str, side: str
) -> list[Tube]:
    """Return an artery and a vein that fill the zone round `target` (the teaching case).

    Parallel strands along the root on a hexagonal lattice (every point of the zone lies in a lumen), joined
    to one serpentine artery and one serpentine vein. A strand ends where bone or nerve leaves no room.
    """
    wide, reach = number(N, "radicular_artery.trap_radius_mm"), number(N, "radicular_artery.trap_reach_mm")
    u = unit(inward - dot(inward, along) * along)
    w = cross(along, u)
    rows: list[list[F64]] = [[], []]
    step = 1.55 * wide  # below sqrt(3) x radius: the lattice leaves no gap
    count = int(reach / step) + 1
    for row in range(-count, count + 1):
        for column in range(-count - 1, count + 2):
            a, b = row * step * 0.8660254037844386, (column + 0.5 * (row % 2)) * step
            room2 = (reach + 0.35) * (reach + 0.35) - a * a - b * b
            if room2 >= -0.2:
                strand = _strand(free, target + a * u + b * w, along, max(room2, 0.1), wide)
                if len(strand) > 0:
                    rows[row % 2].append(strand)
    outside = gate.at(gate.half + 6.0, -3.0, -5.0) if feeder is None else feeder.nodes[-1, :3]
    inside = gate.at(-gate.half - 3.5, 1.0, 2.0)
    flow = number(N, "radicular_artery.speed_mm_s")
    artery = _serpentine(free, outside, rows[0], inside)
    vein = _serpentine(free, inside, rows[1] or rows[0], gate.at(gate.half + 8.0, -7.0, -8.0))
    return [
        Tube(f"radicular_artery_{level}_{side}", TubeKind.RADICULAR_ARTERY, level, side, artery, 0.15, flow),
        Tube(f"radicular_vein_{level}_{side}", TubeKind.VEIN, level, side, vein, 0.1, 0.5 * flow),
    ]


def _strand(free: Fields, middle: F64, along: F64, room2: float, wide: float) -> F64:
    """Return the longest run of nodes (n, 4) of one strand that keeps clear of bone and nerve."""
    half = float(np.sqrt(max(room2, 0.0)))
    n = max(2, int(2.0 * half / 0.6) + 1)
    best: list[list[float]] = []
    run: list[list[float]] = []
    for i in range(n):
        p = middle + (2.0 * i / (n - 1) - 1.0) * half * along
        d, _ = bone_gap(free, *p)
        r = min(wide, d - 0.08, nearest_tube(free, *p, 5.0) - 0.08)
        if r >= 0.22:
            run.append([*p, r])
            if len(run) > len(best):
                best = run
        else:
            run = []
    return np.array(best)


def _serpentine(free: Fields, start: F64, strands: Sequence[F64], end: F64) -> F64:
    """Return one chain: start, the strands to and fro, end; the leads are settled into free space."""
    body: list[F64] = []
    for strand in strands:
        ordered = (
            strand if not body or norm(strand[0, :3] - body[-1][:3]) <= norm(strand[-1, :3] - body[-1][:3]) else strand[::-1]
        )
        body += list(ordered)
    core = np.array(body)
    lead = _lead(free, start, core[0])
    tail = _lead(free, end, core[-1])[::-1]
    return rounded(tighten(free, np.concatenate([lead[:-1], core, tail[1:]]), 0.05, 0.05))


def _lead(free: Fields, far: F64, near: F64) -> F64:
    """Return a fine path from a far point to a node of the bundle, clear of bone and nerves."""
    n = max(4, int(norm(near[:3] - far)))
    t = np.arange(n + 1)[:, None] / n
    rough = np.concatenate([far[None, :] + t * (near[:3] - far)[None, :], 0.45 + 0.0 * t], axis=1)
    rough[-1, 3] = near[3]
    loose = np.ones(n + 1, np.int64)
    loose[-1] = 0
    nodes = settle(free, rough, loose, 0.2, 0.2, 80)
    return shrink(free, nodes, loose, 0.05, 0.5)
