"""Thecal sac, roots, ganglia, rami and medial branches as round-cone chains.

Rough paths come from the landmarks (offsets from the pedicle), then each path is settled into the free
space between the bones. Sizes: morphometry/neurovascular.toml.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import BELOW, SIDES, SIGN, Spine
from anatomy_assets.tables import number
from anatomy_assets.tubes import bone_gap, clearance, free_way, one_bone, roomiest, rounded, settle, shrink, smooth_path
from sim.frames import norm
from sim.phantom import Fields, Tube, TubeKind
from sim.rng import stream

F64 = NDArray[np.float64]
N = "neurovascular"
IGNORE_TUBES = -1000.0


def thecal_sac(spine: Spine, free: Fields) -> Tube:
    """Return the sac from above L1 to S2, along the canal and a little ventral of its middle."""
    shift = number(N, "sac.ventral_shift_mm")
    points = []
    for level, frame in spine.frames.items():
        canal = spine.mark(f"{level}.canal.centre")
        radius = number(N, "sac.radius_mm", level)
        if not points:
            points.append([*(canal + 30.0 * frame.axes[2] - shift * frame.axes[1]), radius])
        points.append([*(canal - shift * frame.axes[1]), radius])
        low = _canal_below(spine, level) - shift * frame.axes[1]
        points.append([*low, 0.5 * (radius + number(N, "sac.radius_mm", BELOW[level]))])
    points.append([*spine.mark("S1.canal.centre"), number(N, "sac.radius_mm", "S1")])
    points.append([*spine.mark("S2.canal.centre"), number(N, "sac.radius_mm", "S2")])
    rough = smooth_path(points, 5.0)
    loose = np.ones(len(rough), np.int64)
    nodes = settle(free, rough, loose, number(N, "sac.bone_gap_mm") - 0.5, IGNORE_TUBES, 60)
    nodes = shrink(free, nodes, loose, 0.6, 0.5)
    return Tube("sac", TubeKind.SAC, "", "", rounded(nodes), wall_mm=number(N, "sac.dura_mm"))


def _canal_below(spine: Spine, level: str) -> F64:
    """Return the canal centre at the disc below a level."""
    return 0.5 * (spine.mark(f"{level}.canal.centre") + spine.mark(f"{BELOW[level]}.canal.centre"))


def sac_at(sac: Tube, z: float) -> F64:
    """Return x, y, z, radius of the sac's axis at height z (linear between nodes)."""
    nodes = sac.nodes
    for a, b in pairwise(nodes):
        if (a[2] - z) * (b[2] - z) <= 0.0 and a[2] != b[2]:
            return np.asarray(a + (b - a) * ((z - a[2]) / (b[2] - a[2])), np.float64)
    return np.asarray(nodes[0] if z > nodes[0, 2] else nodes[-1], np.float64)


def lumbar_nerve(spine: Spine, free: Fields, sac: Tube, level: str, side: str, seed: int) -> list[Tube]:
    """Return root, ganglion and ventral ramus of a lumbar level and side."""
    s, frame = SIGN[side], spine.frames[level]
    inferior = spine.mark(f"{level}.pedicle.{side}.inferior")
    half = 0.5 * norm(spine.mark(f"{level}.pedicle.{side}.lateral") - spine.mark(f"{level}.pedicle.{side}.medial"))
    r = 0.5 * number(N, "root.diameter_mm", level)
    rg = 0.5 * number(N, "ganglion.width_mm", level)
    wobble = stream(seed, f"root/{level}/{side}").random(4) - 0.5
    ventral = _ventral_limit(free, frame, inferior, rg) + 0.6 * wobble[0]

    def at(out: float, back: float, up: float) -> F64:
        return inferior + (s * out) * frame.axes[0] + back * frame.axes[1] + up * frame.axes[2]

    origin = sac_at(sac, inferior[2] + number(N, "root.origin_up_mm", level) + wobble[1])
    lean = 0.8 * origin[3]
    first = origin[:3] + s * lean * frame.axes[0] - 0.2 * origin[3] * frame.axes[1]
    under = rg + number(N, "root.bone_gap_mm") + 0.5
    middle = number(N, "ganglion.midpoint_mm", level) - half + 0.8 * wobble[2]
    middle = min(max(middle, -2.0), 2.0)
    points = [
        [*first, 0.8 * r],
        [*at(-half - 0.5, ventral, 0.5), r],
        [*at(middle, ventral, -under), r],
        [*at(half + 4.0, ventral - 1.0, -under - 5.0 + wobble[3]), r],
        [*at(half + 11.0, ventral - 5.0, -under - 14.0), 0.85 * r],
        [*at(half + 16.0, ventral - 12.0, -under - 30.0), 0.85 * r],
    ]
    rough = smooth_path(points, 1.5)
    loose = np.ones(len(rough), np.int64)
    loose[:2] = 0
    thick = rough.copy()
    centre = int(np.argmin([norm(q[:3] - np.array(points[2][:3])) for q in rough]))
    reach = 0.5 * number(N, "ganglion.length_mm", level)
    for i, node in enumerate(rough):  # the ganglion needs its own room while the path settles
        if norm(node[:3] - rough[centre, :3]) < reach:
            thick[i, 3] = rg
    nodes = settle(free, thick, loose, number(N, "root.bone_gap_mm"), IGNORE_TUBES, 80)
    nodes[:, 3] = rough[:, 3]
    nodes = shrink(free, nodes, loose, 0.3, 0.6)
    return _cut_nerve(nodes, free, centre, reach, rg, half, level, side)


def _ventral_limit(free: Fields, frame: object, inferior: F64, rg: float) -> float:
    """Return how far behind (+) or before (-) the pedicle's lower border the ganglion's axis should lie."""
    axes = frame.axes  # type: ignore[attr-defined]
    start = inferior - (rg + 2.0) * axes[2]
    shift = roomiest(free, start, axes[1], -8.0, 2.0)
    start = start + shift * axes[1]
    ahead = free_way(free, *start, *(-axes[1]), 15.0) - shift
    behind = free_way(free, *start, *axes[1], 15.0) + shift
    return min(-ahead + rg + 2.4, behind - rg - 5.0)


def _cut_nerve(nodes: F64, free: Fields, centre: int, reach: float, rg: float, half: float, level: str, side: str) -> list[Tube]:
    """Return the three tubes of a settled nerve: root to the ganglion's end, the ganglion, the ramus."""
    along = np.zeros(len(nodes))
    for i in range(1, len(nodes)):
        along[i] = along[i - 1] + norm(nodes[i, :3] - nodes[i - 1, :3])
    along -= along[centre]
    a = max(1, int(np.searchsorted(along, -reach)))
    b = min(len(nodes) - 3, int(np.searchsorted(along, reach)) + 1)
    ganglion = nodes[a : b + 1].copy()
    for i, t in enumerate(along[a : b + 1]):
        u = min(1.0, abs(t) / reach)
        swell = rg - (rg - ganglion[i, 3] * 0.9) * u * u
        ganglion[i, 3] = max(ganglion[i, 3], swell)
    ganglion = shrink(free, ganglion, np.ones(len(ganglion), np.int64), 0.3, 0.6)
    return [
        Tube(f"root_{level}_{side}", TubeKind.ROOT, level, side, rounded(nodes[: b + 1])),
        Tube(f"ganglion_{level}_{side}", TubeKind.GANGLION, level, side, rounded(ganglion)),
        Tube(f"ramus_{level}_{side}", TubeKind.RAMUS, level, side, rounded(nodes[b:])),
    ]


def first_sacral_nerve(spine: Spine, free: Fields, sac: Tube, side: str) -> list[Tube]:
    """Return root, intraspinal ganglion and ramus of S1: from the sac at L5-S1 to the ventral foramen of S1."""
    s = SIGN[side]
    canal, ventral = spine.mark("S1.canal.centre"), spine.mark(f"S1.foramen.ventral.{side}")
    dorsal = spine.mark(f"S1.foramen.dorsal.{side}")
    r, rg = 0.5 * number(N, "root.diameter_mm", "S1"), 0.5 * number(N, "ganglion.width_mm", "S1")
    top = sac_at(sac, canal[2] + number(N, "root.origin_up_mm", "S1"))
    first = top[:3] + np.array([s * 0.8 * top[3], -0.2 * top[3], 0.0])
    mid = 0.5 * (ventral + dorsal)
    joint = 0.6 * mid + 0.4 * ventral
    beside = canal + (0.45 * (joint[0] - canal[0])) * np.array([1.0, 0.0, 0.0])
    out = ventral + 0.9 * (ventral - mid)
    points = [[*first, 0.8 * r], [*(0.5 * (first + beside)), r], [*beside, r], [*joint, r], [*ventral, r]]
    points += [[*out, 0.9 * r], [*(out + np.array([0.0, -8.0, -18.0])), 0.85 * r]]
    rough = smooth_path(points, 1.5)
    loose = np.ones(len(rough), np.int64)
    loose[:2] = 0
    nodes = settle(free, rough, loose, 0.8, IGNORE_TUBES, 80)
    nodes = shrink(free, nodes, loose, 0.3, 0.5)
    centre = int(np.argmin([norm(q[:3] - beside) for q in nodes]))
    return _cut_nerve(nodes, free, centre, 0.5 * number(N, "ganglion.length_mm", "S1"), rg, 4.0, "S1", side)


def medial_branch(spine: Spine, free: Fields, ramus: Tube, level: str, side: str) -> Tube:
    """Return the medial branch of a level: over the SAP-TP junction of the vertebra below (L5: over the ala).

    The groove is found by probing: down onto the neck of the SAP, then forwards onto the back of the bone.
    """
    s, below = SIGN[side], BELOW[level]
    r, gap = number(N, "medial_branch.radius_mm"), number(N, "medial_branch.bone_gap_mm")
    axes = spine.frames.get(below, spine.frames["L5"]).axes
    notch = spine.mark(f"{below}.junction.{side}")
    own = one_bone(free, bone_gap(free, *notch)[1])  # the process of the vertebra above hangs over the groove

    def probe(out: float, back: float, up: float, way: F64) -> list[float]:
        """Return the node where bone is met from 25 mm away, going along `way`."""
        aim = notch + s * out * axes[0] + back * axes[1] + up * axes[2]
        start = aim - 25.0 * way
        return [*(start + (free_way(own, *start, *way, 40.0) - r - gap) * way), r]

    start = ramus.nodes[min(2, len(ramus.nodes) - 1), :3]
    top = probe(1.0, 1.0, 0.0, -axes[2])
    points = [
        [*start, r],
        [*(np.array(top[:3]) + 1.0 * s * axes[0] - 4.0 * axes[1] + 2.5 * axes[2]), r],
        top,
        probe(0.5, 0.0, -3.5, -axes[1]),
        probe(-3.0, 0.0, -8.5, -axes[1]),
        probe(-7.0, 0.0, -12.0, -axes[1]),
    ]
    rough = smooth_path(points, 1.2)
    loose = np.ones(len(rough), np.int64)
    loose[0] = 0
    nodes = settle(free, rough, loose, gap, IGNORE_TUBES, 80)
    nodes = shrink(free, nodes, loose, 0.25, 0.5)
    return Tube(f"medial_branch_{level}_{side}", TubeKind.MEDIAL_BRANCH, level, side, rounded(nodes))


def nerves(spine: Spine, free: Fields, seed: int) -> list[Tube]:
    """Return sac, then root, ganglion, ramus and medial branch for every level and side."""
    sac = thecal_sac(spine, free)
    out = [sac]
    for level in spine.frames:
        for side in SIDES:
            trio = lumbar_nerve(spine, free, sac, level, side, seed)
            out += [*trio, medial_branch(spine, free, trio[2], level, side)]
    for side in SIDES:
        out += first_sacral_nerve(spine, free, sac, side)
    return out


def worst_bone_gap(free: Fields, tubes: Sequence[Tube]) -> dict[str, float]:
    """Return name -> least distance (mm) of each tube's wall to bone (negative: inside bone)."""
    return {t.name: float(clearance(free, t.nodes)[0]) for t in tubes}
