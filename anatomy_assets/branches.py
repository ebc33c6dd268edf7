"""Dorsal rami with their medial and lateral branches, sacral lateral branches, sympathetic trunks.

The medial branch of a level crosses the neck of the superior articular process of the vertebra below, where the
transverse process springs, and hooks medially under the mamillo-accessory ligament (Bogduk 1981); at L5 the dorsal
ramus itself lies in the groove between ala and articular process of the sacrum. Grooves are found by probing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import BELOW, SIGN, Frame, Spine
from anatomy_assets.soft_person import drawn
from anatomy_assets.tables import number
from anatomy_assets.tubes import bone_gap, clearance, free_way, one_bone, rounded, settle, shrink, smooth_path, tighten
from sim.fields import Fields
from sim.phantom import Tube, TubeKind

F64 = NDArray[np.float64]
N = "neurovascular"
IGNORE_TUBES = -1000.0
Probe = Callable[[float, float, float, F64], F64]


def _below_frame(spine: Spine, below: str) -> Frame:
    """Return the frame of the vertebra below; the sacrum takes that of the lowest vertebra."""
    return spine.frames[below] if below in spine.frames else list(spine.frames.values())[-1]


def _probe(spine: Spine, free: Fields, below: str, side: str, lift: float) -> Probe:
    """Return a probe at the SAP-TP junction of a vertebra: where its bone is met going along a direction."""
    axes, s = _below_frame(spine, below).axes, SIGN[side]
    notch = spine.mark(f"{below}.junction.{side}")
    own = one_bone(free, bone_gap(free, *notch)[1])  # the process of the vertebra above hangs over the groove

    def probe(out: float, back: float, up: float, way: F64) -> F64:
        aim = notch + s * out * axes[0] + back * axes[1] + up * axes[2]
        start = aim - 25.0 * way
        return np.asarray(start + (free_way(own, *start, *way, 40.0) - lift) * way, np.float64)

    return probe


def dorsal_branches(spine: Spine, free: Fields, trio: list[Tube], level: str, side: str, seed: int) -> list[Tube]:
    """Return dorsal ramus, medial branch and lateral branch of a level (none where the vertebra below has no junction)."""
    below = BELOW[level]
    if f"{below}.junction.{side}" not in spine.marks:
        return []
    r, gap = number(N, "medial_branch.radius_mm"), number(N, "medial_branch.bone_gap_mm")
    axes, s = _below_frame(spine, below).axes, SIGN[side]
    probe = _probe(spine, free, below, side, r + gap)
    start = trio[2].nodes[min(2, len(trio[2].nodes) - 1), :3]
    top = probe(1.0, 1.0, 0.0, -axes[2])
    ridge = max((probe(2.5, b, 0.0, -axes[2]) for b in (-1.0, 0.5, 2.0)), key=lambda p: float(p[2]))
    over = max(drawn(seed, "dorsal_ramus.fork_over_mm", level, side, 0.95) - r - gap, 0.1)
    fork = ridge + np.array([0.0, 0.0, over])
    rd = number(N, "dorsal_ramus.radius_mm")
    dorsal = _laid(f"dorsal_ramus_{level}_{side}", TubeKind.DORSAL_RAMUS, level, side, [start, fork], rd, free, gap)
    fork = dorsal.nodes[-1, :3]
    groove = [top, probe(0.5, 0.0, -3.5, -axes[1]), probe(-3.0, 0.0, -8.5, -axes[1]), probe(-7.0, 0.0, -12.0, -axes[1])]
    medial = _laid(f"medial_branch_{level}_{side}", TubeKind.MEDIAL_BRANCH, level, side, [fork, *groove], r, free, gap)
    far = [fork + s * 7.0 * axes[0] + 6.0 * axes[1] - 4.0 * axes[2], fork + s * 20.0 * axes[0] + 14.0 * axes[1] - 16.0 * axes[2]]
    lateral = _laid(f"lateral_branch_{level}_{side}", TubeKind.DORSAL_RAMUS, level, side, [fork, *far], r, free, gap)
    return [dorsal, _outside(free, medial), _outside(free, lateral)]


def sacral_dorsal(spine: Spine, free: Fields, trio: list[Tube], level: str, side: str) -> list[Tube]:
    """Return the dorsal ramus of a sacral level, out of its dorsal foramen, with the lateral branch to the joint."""
    r, s = number(N, "medial_branch.radius_mm"), SIGN[side]
    dorsal, ventral = spine.mark(f"{level}.foramen.dorsal.{side}"), spine.mark(f"{level}.foramen.ventral.{side}")
    middle = 0.5 * (dorsal + ventral)
    near = min(trio[0].nodes, key=lambda q: float(((q[:3] - middle) ** 2).sum()))[:3]
    out = dorsal + 0.35 * (dorsal - middle)
    name, kind = f"dorsal_ramus_{level}_{side}", TubeKind.DORSAL_RAMUS
    tries = []
    for x, z in (
        (0.0, 0.0),
        (1.5, 0.0),
        (-1.5, 0.0),
        (0.0, 1.5),
        (0.0, -1.5),
        (2.0, 2.0),
        (-2.0, -2.0),
        (2.0, -2.0),
        (-2.0, 2.0),
    ):
        shift = np.array([s * x, 0.0, z])  # the mark of the opening lies on its rim in some people
        points = [near, 0.5 * (near + dorsal) + shift, dorsal + shift, out + shift]
        tries.append(_laid(name, kind, level, side, points, r, free, 0.2))
        if clearance(free, tries[-1].nodes)[0] >= 0.0:
            break
    ramus = _outside(free, max(tries, key=lambda t: float(clearance(free, t.nodes)[0])))
    tip = ramus.nodes[-1, :3]
    ways = [tip, tip + np.array([s * 7.0, 2.0, -3.0]), tip + np.array([s * 15.0, -1.0, -7.0])]
    lateral = _laid(f"lateral_branch_{level}_{side}", TubeKind.DORSAL_RAMUS, level, side, ways, 0.8 * r, free, 0.3)
    return [ramus, _outside(free, lateral)]


def _outside(free: Fields, tube: Tube) -> Tube:
    """Return a fine nerve cut where it would enter bone (its end is of no further interest there)."""
    for n in range(len(tube.nodes), 2, -1):
        if clearance(free, tube.nodes[:n])[0] >= -0.01:
            return replace(tube, nodes=tube.nodes[:n])
    return replace(tube, nodes=tube.nodes[:2])


def _laid(name: str, kind: TubeKind, level: str, side: str, points: list[F64], r: float, free: Fields, gap: float) -> Tube:
    """Return a fine nerve through points, settled next to the bone; it begins where the first point is."""
    rough = smooth_path([[*p, r] for p in points], 1.2)
    loose = np.ones(len(rough), np.int64)
    loose[0] = 0
    nodes = settle(free, rough, loose, gap, IGNORE_TUBES, 80)
    nodes = tighten(free, shrink(free, nodes, loose, min(0.25, gap), 0.5), 0.03, 0.15)
    return Tube(name, kind, level, side, rounded(nodes))


def sympathetic_trunks(spine: Spine, free: Fields) -> list[Tube]:
    """Return the two trunks along the anterolateral bodies, medial to the psoas, swollen to ganglia at the discs.

    free holds the great vessels: the right trunk lies behind the vena cava.
    """
    thin, thick = number(N, "sympathetic.radius_mm"), number(N, "sympathetic.ganglion_radius_mm")
    out = []
    for side in ("left", "right"):
        s = SIGN[side]
        points = []
        for level, frame in spine.frames.items():
            for centre, r in ((frame.origin, thin), (spine.disc(level), thick)):
                way = -s * 0.8 * frame.axes[0] + 0.6 * frame.axes[1]
                start = centre - 60.0 * way
                met = free_way(free, *start, *way, 59.0)
                if r == thick:  # no bone at the disc: as wide as the rims beside it
                    rims = [centre + k * 9.0 * frame.axes[2] - 60.0 * way for k in (-1.0, 1.0)]
                    met = min(met, *(free_way(free, *p, *way, 59.0) for p in rims))
                points.append([*(start + (met - r - 0.8) * way), r])
        rough = smooth_path(points, 4.0)
        nodes = settle(free, rough, np.ones(len(rough), np.int64), 0.5, 0.2, 80)
        nodes = shrink(free, nodes, np.ones(len(rough), np.int64), 0.2, 0.5)
        out.append(Tube(f"sympathetic_trunk_{side}", TubeKind.SYMPATHETIC, "", side, rounded(nodes)))
    return out
