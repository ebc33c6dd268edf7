"""Roots, ganglia and rami as round-cone chains (sac, cord, cauda equina: sac.py; branches: branches.py).

Rough paths come from the landmarks (offsets from the pedicle), then each path is settled into the free
space between the bones. Sizes: morphometry/neurovascular.toml.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.branches import dorsal_branches, sacral_dorsal
from anatomy_assets.landmarks import SACRAL, SIDES, SIGN, Frame, Spine
from anatomy_assets.sac import cauda, cord, ends_of, sleeve, thecal_sac
from anatomy_assets.skin import line
from anatomy_assets.soft_person import drawn
from anatomy_assets.tables import number
from anatomy_assets.tubes import clearance, free_way, roomiest, rounded, settle, shrink, smooth_path, tighten
from sim.fields import Fields
from sim.frames import norm
from sim.phantom import Tube, TubeKind
from sim.rng import stream

F64 = NDArray[np.float64]
N = "neurovascular"
IGNORE_TUBES = -1000.0
LEAP_MM = 4.0
"""The wall of a body falls back by less from the underside of the pedicle to the ganglion; more is the gap of a disc."""


def segmental_nerve(spine: Spine, free: Fields, sac: Tube, level: str, side: str, seed: int) -> list[Tube]:
    """Return root, ganglion and ventral ramus that leave under the pedicle of a level."""
    s, frame = SIGN[side], spine.frames[level]
    inferior = spine.mark(f"{level}.pedicle.{side}.inferior")
    half = spine.pedicle_half(level, side)
    r = 0.5 * drawn(seed, "root.diameter_mm", level, side, 0.8)
    rg = 0.5 * max(drawn(seed, "ganglion.width_mm", level, side, 0.8), 1.9 * r * 0.5)
    wobble = stream(seed, f"root/{level}/{side}").random(4) - 0.5
    ventral = _ventral_limit(free, frame, inferior, rg, number(N, "root.wall_gap_mm", level)) + 0.6 * wobble[0]

    def at(out: float, back: float, up: float) -> F64:
        return inferior + (s * out) * frame.axes[0] + back * frame.axes[1] + up * frame.axes[2]

    first = sleeve(sac, inferior[2] + number(N, "root.origin_up_mm", level) + wobble[1], side)
    under = rg + number(N, "root.bone_gap_mm") + 0.5
    middle = number(N, "ganglion.slant") * number(N, "ganglion.midpoint_mm", level) - half + 0.8 * wobble[2]
    middle = min(max(middle, -3.5), 2.0)
    points = [
        [*first, r],
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


def _ventral_limit(free: Fields, frame: Frame, inferior: F64, rg: float, gap: float) -> float:
    """Return how far behind (+) or before (-) the pedicle's lower border the ganglion's axis should lie."""
    axes = frame.axes
    start = inferior - (rg + 2.0) * axes[2]
    shift = roomiest(free, start, axes[1], -8.0, 2.0)
    start = start + shift * axes[1]
    ahead = free_way(free, *start, *(-axes[1]), 15.0) - shift
    behind = free_way(free, *start, *axes[1], 15.0) + shift
    near = inferior - 1.0 * axes[2]
    wall = free_way(free, *near, *(-axes[1]), 15.0)
    if ahead > wall + LEAP_MM:  # looked into a disc, which is no bone
        ahead = wall
    return min(-ahead + rg + gap, behind - rg - 5.0)


def _cut_nerve(nodes: F64, free: Fields, centre: int, reach: float, rg: float, half: float, level: str, side: str) -> list[Tube]:
    """Return the three tubes of a settled nerve: root to the ganglion's end, the ganglion, the ramus."""
    along = np.zeros(len(nodes))
    for i in range(1, len(nodes)):
        along[i] = along[i - 1] + norm(nodes[i, :3] - nodes[i - 1, :3])
    along -= along[centre]
    a = max(1, int(np.searchsorted(along, -reach)))
    b = min(len(nodes) - 3, int(np.searchsorted(along, reach)) + 1)
    where = np.array([-reach, *along[a + 1 : b][np.abs(along[a + 1 : b]) < reach - 0.2], reach])
    ganglion = np.stack([line(where, along, nodes[:, c]) for c in range(4)], axis=1)
    for i, t in enumerate(where):
        u = min(1.0, abs(t) / reach)
        swell = rg - (rg - ganglion[i, 3] * 0.9) * u * u
        ganglion[i, 3] = max(ganglion[i, 3], swell)
    ganglion = shrink(free, ganglion, np.ones(len(ganglion), np.int64), 0.3, 0.6)
    return [
        Tube(f"root_{level}_{side}", TubeKind.ROOT, level, side, rounded(nodes[: b + 1])),
        Tube(f"ganglion_{level}_{side}", TubeKind.GANGLION, level, side, rounded(ganglion)),
        Tube(f"ramus_{level}_{side}", TubeKind.RAMUS, level, side, rounded(nodes[b:])),
    ]


def sacral_nerve(spine: Spine, free: Fields, sac: Tube, level: str, side: str, seed: int) -> list[Tube]:
    """Return root, intraspinal ganglion and ramus of a sacral level: from the sac to its ventral foramen."""
    s, k = SIGN[side], SACRAL.index(level)
    canal, ventral = spine.mark(f"{level}.canal.centre"), spine.mark(f"{level}.foramen.ventral.{side}")
    dorsal = spine.mark(f"{level}.foramen.dorsal.{side}")
    r = 0.5 * drawn(seed, "root.diameter_mm", level, side, 0.8)
    rg = 0.5 * number(N, "ganglion.width_mm", level)
    first = sleeve(sac, max(canal[2] + number(N, "root.origin_up_mm", level), sac.nodes[-1, 2] + 3.0), side)
    mid = 0.5 * (ventral + dorsal)
    joint = 0.6 * mid + 0.4 * ventral
    beside = canal + (0.45 * (joint[0] - canal[0])) * np.array([1.0, 0.0, 0.0])
    out = ventral + 0.9 * (ventral - mid)
    points = [[*first, r], [*(0.5 * (first + beside)), r], [*beside, r], [*joint, r], [*ventral, r]]
    points += [[*out, 0.9 * r], [*(out + np.array([s * 2.0 * k, -8.0 + 1.5 * k, -18.0 + 3.0 * k])), 0.85 * r]]
    rough = smooth_path(points, 1.5)
    loose = np.ones(len(rough), np.int64)
    loose[:2] = 0
    nodes = settle(free, rough, loose, 0.8, IGNORE_TUBES, 80)
    nodes = tighten(free, shrink(free, nodes, loose, 0.25, 0.3), 0.05, 0.3)
    centre = int(np.argmin([norm(q[:3] - beside) for q in nodes]))
    return _cut_nerve(nodes, free, centre, 0.5 * number(N, "ganglion.length_mm", level), rg, 4.0, level, side)


def nerves(spine: Spine, free: Fields, seed: int) -> list[Tube]:
    """Return the sac first, then every root, ganglion, ramus and branch, cord, cauda equina and filum."""
    sac = thecal_sac(spine, free, seed)
    out = [sac]
    for level in spine.frames:
        for side in SIDES:
            trio = segmental_nerve(spine, free, sac, level, side, seed)
            out += [*trio, *dorsal_branches(spine, free, trio, level, side, seed)]
    for level in SACRAL:
        for side in SIDES:
            if f"{level}.foramen.ventral.{side}" in spine.marks:
                trio = sacral_nerve(spine, free, sac, level, side, seed)
                out += [*trio, *sacral_dorsal(spine, free, trio, level, side)]
    inside = [*cord(spine, sac, seed), *cauda(spine, sac, _below_cord(spine, out), seed)]
    return [*out, *inside]


def _below_cord(spine: Spine, tubes: list[Tube]) -> dict[tuple[str, str], F64]:
    """Return the starts of the roots whose strands run in the sac: lumbar and sacral."""
    return {k: v for k, v in ends_of(tubes).items() if not k[0].startswith("T")}


def worst_bone_gap(free: Fields, tubes: Sequence[Tube]) -> dict[str, float]:
    """Return name -> least distance (mm) of each tube's wall to bone (negative: inside bone)."""
    return {t.name: float(clearance(free, t.nodes)[0]) for t in tubes}
