"""Aorta, cava, segmental and radicular arteries, epidural and foraminal veins; the vascular trap.

Without the trap every vessel is settled clear of the usual target and of the needle's way to it (pseudo
tubes in the obstacle list). With the trap an artery-vein bundle fills the zone round one usual target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import BELOW, SIDES, SIGN, Frame, Spine
from anatomy_assets.tables import number
from anatomy_assets.targets import Corridor
from anatomy_assets.trap import trapped_vessels
from anatomy_assets.tubes import (
    bone_gap,
    clearance,
    free_way,
    obstacles,
    roomiest,
    rounded,
    settle,
    shrink,
    smooth_path,
    tighten,
)
from anatomy_assets.vessel_ways import Gate, gate, ways
from sim.phantom import Bone, Fields, Tube, TubeKind

F64 = NDArray[np.float64]
N = "neurovascular"


@dataclass(frozen=True)
class Body:
    """Outer half sizes of one vertebral body at its waist, seen from its centre (mm)."""

    frame: Frame
    front: float
    left: float
    right: float

    def half(self, side: str) -> float:
        """Return the half width on one side."""
        return self.left if side == "left" else self.right


def measure_body(free: Fields, frame: Frame) -> Body:
    """Return the half sizes of a body, met from outside."""
    sizes = []
    for left, posterior in ((0.0, -1.0), (1.0, 0.0), (-1.0, 0.0)):
        out = left * frame.axes[0] + posterior * frame.axes[1]
        start = frame.origin + 60.0 * out
        sizes.append(60.0 - free_way(free, *start, *(-out), 58.0))
    return Body(frame, *sizes)


def great_vessels(spine: Spine, free: Fields) -> list[Tube]:
    """Return aorta, cava and the common iliac arteries and veins."""
    bodies = {level: measure_body(free, frame) for level, frame in spine.frames.items()}
    out = [*_trunk(bodies, "aorta", "L4", 1.0), *_trunk(bodies, "cava", "L5", -1.0)]
    return [replace(t, nodes=rounded(_lifted(free, t.nodes, 0.5))) for t in out]


def _lifted(free: Fields, nodes: F64, gap: float) -> F64:
    """Return nodes moved forwards until the back of a wide vessel clears the bone (grids reach 6 mm only)."""
    out = nodes.copy()
    for _ in range(3):
        for node in out:
            for _ in range(12):
                short = 0.0
                for x, y in ((-1.0, 0.0), (-0.8, 0.6), (-0.4, 0.92), (0.0, 1.0), (0.4, 0.92), (0.8, 0.6), (1.0, 0.0)):
                    for dz in (-3.0, 0.0, 3.0):
                        d, _ = bone_gap(free, node[0] + node[3] * x, node[1] + node[3] * y, node[2] + dz)
                        short = max(short, gap - d)
                if short <= 0.0:
                    break
                node[1] -= min(short, 1.5)
        out[1:-1, 1] = np.minimum(out[1:-1, 1], 0.5 * (out[:-2, 1] + out[2:, 1]))
    return out


def _trunk(bodies: dict[str, Body], name: str, last: str, side: float) -> list[Tube]:
    """Return one trunk down to its division at the lower border of `last`, and its two iliac branches."""
    artery = name == "aorta"
    r = 0.5 * number(N, f"{name}.diameter_mm")
    across = side * number(N, "aorta.left_mm" if artery else "cava.right_mm")
    points = []
    for level, body in bodies.items():
        if level > last:
            break
        gap = number(N, f"{name}.gap_mm", level)
        drop = 1.0 - (across / (body.half("left") + r)) ** 2 * 0.5
        if not points:
            points.append([*body.frame.at(across, -body.front * drop - gap - r, 40.0), r])
        points.append([*body.frame.at(across, -body.front * drop - gap - r, 0.0), r])
    low = bodies[last]
    middle = 0.3 * across
    fork = low.frame.at(middle, -low.front - r - 1.0, -13.0)
    points.append([*fork, r])
    kind = TubeKind.ARTERY if artery else TubeKind.VEIN
    speed, wall = number(N, f"{name}.speed_mm_s"), 1.0 if artery else 0.5
    trunk = smooth_path(points, 8.0)
    ri = 0.5 * number(N, "aorta.iliac_diameter_mm") * (1.0 if artery else 1.15)
    tubes = [Tube(name, kind, "", "", trunk if artery else trunk[::-1].copy(), wall, speed)]
    for s, word in ((1.0, "left"), (-1.0, "right")):
        end = np.array([s * 46.0, -52.0 if artery else -40.0, -22.0])
        mid = 0.5 * (fork + end) + np.array([s * 4.0, -6.0, 3.0])
        branch = smooth_path([[*fork, ri], [*mid, ri], [*end, ri]], 8.0)
        iliac = "iliac_artery" if artery else "iliac_vein"
        tubes.append(Tube(f"{iliac}_{word}", kind, "", word, branch if artery else branch[::-1].copy(), wall, speed))
    return tubes


def _settled(tube: Tube, free: Fields, loose: NDArray[np.int64], gap: float, tube_gap: float) -> Tube:
    nodes = settle(free, tube.nodes, loose, gap, tube_gap, 80)
    nodes = tighten(free, shrink(free, nodes, loose, 0.1, 0.4), 0.03, 0.1)
    return Tube(tube.name, tube.kind, tube.level, tube.side, rounded(nodes), tube.wall_mm, tube.flow_mm_s)


def segmental_artery(spine: Spine, free: Fields, aorta: Tube, level: str, side: str) -> Tube:
    """Return the lumbar artery of a level: from the aorta round the waist of the body to the foramen."""
    frame, s = spine.frames[level], SIGN[side]
    body = measure_body(free, frame)
    g = gate(spine, free, level, side)
    r = 0.5 * number(N, "segmental_artery.diameter_mm", level)
    source = min(aorta.nodes, key=lambda q: abs(q[2] - frame.origin[2]))[:3]
    w, d = body.half(side) + 1.0 + r, body.front + 1.0 + r
    points = [[*source, r], [*frame.at(s * 0.55 * w, -0.86 * d, 0.0), r], [*frame.at(s * 0.9 * w, -0.5 * d, -1.0), r]]
    points += [[*frame.at(s * 1.02 * w, 0.0, -1.0), r], [*frame.at(s * 0.98 * w, 0.4 * d, -2.0), 0.8 * r]]
    points.append([*g.at(g.half + 6.0, -4.0, -3.0), 0.5 * r])
    rough = smooth_path(points, 2.0)
    loose = np.ones(len(rough), np.int64)
    loose[:2] = 0
    tube = Tube(
        f"segmental_artery_{level}_{side}", TubeKind.ARTERY, level, side, rough, 0.3, number(N, "segmental_artery.speed_mm_s")
    )
    return _settled(tube, free, loose, number(N, "segmental_artery.bone_gap_mm"), 0.4)


def radicular_artery(spine: Spine, free: Fields, feeder: Tube | None, sac: Tube, level: str, side: str) -> Tube:
    """Return the artery of a foramen: high and ventral, before the root, to the ventral side of the sac."""
    g = gate(spine, free, level, side)
    r = 0.5 * number(N, "radicular_artery.diameter_mm", level)
    start = feeder.nodes[-1, :3] if feeder is not None else g.at(g.half + 8.0, -6.0, -6.0)
    tries = []
    for lower in (0.0, 0.12, 0.24, 0.36):
        points = [[*start, r]]
        for out, share in ((g.half + 1.0, 0.2), (0.3 * g.half, 0.16), (-0.5 * g.half, 0.14), (-g.half - 2.5, 0.05)):
            points.append(ventral_point(spine, free, g, level, out, share + lower, r))
        points.append([*g.at(-g.half - 3.5, 1.0, 4.0), r])
        tries.append(
            _fine(f"radicular_artery_{level}_{side}", TubeKind.RADICULAR_ARTERY, level, side, points, free, "radicular_artery")
        )
        if _fits(free, tries[-1]) > 0.0:
            break
    return max(tries, key=lambda t: _fits(free, t))


def _fits(free: Fields, tube: Tube) -> float:
    """Return the least gap (mm) of a tube to bone and to other tubes, its first 3 mm aside; at most 0.1."""
    bone, other = clearance(free, tube.nodes[3:])
    return min(float(bone), float(other), 0.1)


def ventral_point(spine: Spine, free: Fields, g: Gate, level: str, out: float, share: float, r: float) -> list[float]:
    """Return a node at the ventral wall of a foramen: `share` of the way down, `out` mm beside the pedicle's middle.

    Probed on the bone: from the middle of the foramen forwards until the disc's or the body's wall is near.
    """
    top, low = spine.mark(f"{level}.foramen.{g.side}.superior"), spine.mark(f"{level}.foramen.{g.side}.inferior")
    axes = g.frame.axes
    for step in (0.0, 0.1, -0.1, 0.2, -0.2, 0.3, -0.3, -0.4):
        start = top + (share + step) * (low - top) + SIGN[g.side] * out * axes[0]
        start = start + roomiest(free, start, axes[1], -7.0, 3.0) * axes[1]
        if bone_gap(free, *start)[0] > r + 0.3:
            break
    ahead = free_way(free, *start, *(-axes[1]), 9.0)
    return [*(start - max(ahead - r - 0.5, 0.0) * axes[1]), r]


def foraminal_vein(spine: Spine, free: Fields, level: str, side: str) -> Tube:
    """Return the vein of a foramen: low and ventral, from the inner plexus outwards."""
    g = gate(spine, free, level, side)
    r = number(N, "vein.foraminal_radius_mm")
    axes = g.frame.axes
    places = ((-g.half - 3.0, 0.45), (-0.5 * g.half, 0.6), (0.4 * g.half, 0.65), (g.half + 1.0, 0.65))
    tries = []
    for lower in (0.0, 0.12, -0.12, 0.24):
        points = [ventral_point(spine, free, g, level, out, share + lower, r) for out, share in places]
        points.append([*(np.array(points[-1][:3]) + SIGN[side] * 6.0 * axes[0] - 6.0 * axes[1]), r])
        tries.append(_fine(f"foraminal_vein_{level}_{side}", TubeKind.VEIN, level, side, points, free, "vein"))
        if _fits(free, tries[-1]) > 0.0:
            break
    return max(tries, key=lambda t: _fits(free, t))


def _fine(name: str, kind: TubeKind, level: str, side: str, points: list[list[float]], free: Fields, group: str) -> Tube:
    rough = smooth_path(points, 1.0)
    loose = np.ones(len(rough), np.int64)
    loose[0] = 0 if kind == TubeKind.RADICULAR_ARTERY and level != "L5" else 1  # L5 has no feeder to start from
    tube = Tube(name, kind, level, side, rough, 0.1, number(N, f"{group}.speed_mm_s"))
    return _settled(tube, free, loose, 0.2, 0.25)


def inner_plexus(spine: Spine, free: Fields) -> list[Tube]:
    """Return the two ventral longitudinal veins of the canal."""
    r = number(N, "vein.plexus_radius_mm")
    out = []
    for side in SIDES:
        points = []
        for level, frame in spine.frames.items():
            canal = spine.mark(f"{level}.canal.centre")
            nxt = spine.mark(f"{BELOW[level]}.canal.centre")
            for c in (canal, 0.5 * (canal + nxt)):
                ahead = free_way(free, *c, *(-frame.axes[1]), 14.0)
                back = -min(ahead - r - 0.4, 7.5)
                points.append([*(c + SIGN[side] * 6.5 * frame.axes[0] + back * frame.axes[1]), r])
        rough = smooth_path(points, 3.0)
        tube = Tube(f"epidural_vein_{side}", TubeKind.VEIN, "", side, rough, 0.1, number(N, "vein.speed_mm_s"))
        out.append(_settled(tube, free, np.ones(len(rough), np.int64), 0.3, 0.2))
    return out


def all_vessels(
    spine: Spine,
    bones: Sequence[Bone],
    nerve: Sequence[Tube],
    targets: Mapping[tuple[str, str, str], Corridor],
    trapped: tuple[str, str] | None,
    seed: int,
) -> list[Tube]:
    """Return every vessel of one person, clear of the targets and ways except for the one trap."""
    free = obstacles(bones, [*nerve, *ways(targets)])
    great = great_vessels(spine, obstacles(bones))
    out = [*great, *inner_plexus(spine, obstacles(bones, nerve))]
    aorta, sac = great[0], nerve[0]
    for level in spine.frames:
        for side in SIDES:
            feeder = None
            if level != "L5":  # a fifth pair is absent in 80 % (15 cadavers, gaps_neurovascular.csv)
                feeder = segmental_artery(spine, free, aorta, level, side)
                out.append(feeder)
            out.append(foraminal_vein(spine, free, level, side))
            if trapped == (level, side):
                out += trapped_vessels(bones, nerve, targets, gate(spine, free, level, side), feeder, level)
            else:
                out.append(radicular_artery(spine, free, feeder, sac, level, side))
    return out
