"""Segmental and radicular arteries, the artery of Adamkiewicz, epidural, foraminal and basivertebral veins; the trap.

Without the trap every vessel is settled clear of the usual target and of the needle's way to it (pseudo
tubes in the obstacle list). With the trap an artery-vein bundle fills the zone round one usual target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.branches import sympathetic_trunks
from anatomy_assets.great_vessels import great_vessels, measure_body
from anatomy_assets.landmarks import BELOW, ORDER, SIDES, SIGN, Spine
from anatomy_assets.sac import sac_at
from anatomy_assets.soft_person import chosen, uniform
from anatomy_assets.tables import number
from anatomy_assets.targets import Corridor
from anatomy_assets.trap import trapped_vessels
from anatomy_assets.tubes import (
    bone_gap,
    bone_way,
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
from sim.fields import Fields
from sim.frames import dot
from sim.phantom import Bone, Tube, TubeKind

F64 = NDArray[np.float64]
N = "neurovascular"


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


def radicular_artery(spine: Spine, free: Fields, feeder: Tube | None, level: str, side: str, great: bool) -> Tube:
    """Return the artery of a foramen: high and ventral, before the root, to the ventral side of the sac.

    great: it is the artery of Adamkiewicz, thicker than the others.
    """
    g = gate(spine, free, level, side)
    r = 0.5 * (number(N, "adamkiewicz.diameter_mm") if great else number(N, "radicular_artery.diameter_mm", level))
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


def adamkiewicz_of(seed: int) -> tuple[str, str] | None:
    """Return (level, side) of this person's artery of Adamkiewicz, None for the few without one.

    The level may lie above the part of the spine that is modelled. The default adult's is the mode: T10 left.
    """
    if uniform(seed, "adamkiewicz/there") >= number(N, "adamkiewicz.present"):
        return None
    side = "left" if uniform(seed, "adamkiewicz/side") < number(N, "adamkiewicz.left") else "right"
    level, _ = chosen(N, "adamkiewicz.level_share", uniform(seed, "adamkiewicz/level"))
    return level, side


def ascent(spine: Spine, feeder: Tube, sac: Tube, level: str, side: str) -> Tube:
    """Return the artery of Adamkiewicz inside the sac: up beside the cord, a hairpin, down its ventral midline."""
    r = 0.5 * number(N, "adamkiewicz.diameter_mm")
    start = feeder.nodes[-1, :3]
    rows = [[*start, r]]
    for up in (8.0, 20.0, 32.0, 38.0, 34.0, 18.0, -6.0):
        at = sac_at(sac, min(start[2] + up, sac.nodes[0, 2]))
        lateral = SIGN[side] * max(0.0, at[4] + 0.5 * at[3]) * (1.0 - min(1.0, up / 38.0)) if len(rows) < 5 else 0.0
        rows.append([at[0] + lateral, at[1] - at[3] + r + 0.3, at[2] - (0.0 if len(rows) < 5 else 0.001), r])
    nodes = smooth_path(rows, 3.0)
    speed = number(N, "radicular_artery.speed_mm_s")
    return Tube(f"adamkiewicz_{level}_{side}", TubeKind.RADICULAR_ARTERY, level, side, rounded(nodes), 0.1, speed)


def inner_plexus(spine: Spine, free: Fields) -> list[Tube]:
    """Return the longitudinal veins of the canal: two ventral, two dorsal."""
    out = []
    for name, back_way, lateral, r in (
        ("epidural_vein", -1.0, 6.5, number(N, "vein.plexus_radius_mm")),
        ("dorsal_epidural_vein", 1.0, 5.0, number(N, "vein.dorsal_radius_mm")),
    ):
        for side in SIDES:
            points = []
            for level, frame in spine.frames.items():
                canal = spine.mark(f"{level}.canal.centre")
                nxt = spine.mark(f"{BELOW[level]}.canal.centre")
                for c in (canal, 0.5 * (canal + nxt)):
                    way = back_way * frame.axes[1]
                    start = c + SIGN[side] * lateral * frame.axes[0]
                    ahead = free_way(free, *(c if back_way < 0.0 else start), *way, 14.0)
                    reach = min(ahead - r - 0.4, 7.5)
                    points.append([*(start + reach * way), r])
            rough = smooth_path(points, 3.0)
            tube = Tube(f"{name}_{side}", TubeKind.VEIN, "", side, rough, 0.1, number(N, "vein.speed_mm_s"))
            out.append(_settled(tube, free, np.ones(len(rough), np.int64), 0.3, 0.2))
    return out


def basivertebral(spine: Spine, free: Fields, plexus: Sequence[Tube]) -> list[Tube]:
    """Return the vein inside each body, out through its posterior wall, and its links to the ventral plexus."""
    r, speed = number(N, "vein.basivertebral_radius_mm"), number(N, "vein.speed_mm_s")
    out = []
    for level, frame in spine.frames.items():
        canal = spine.mark(f"{level}.canal.centre")
        inner = frame.origin + dot(canal - frame.origin, frame.axes[0]) * frame.axes[0]
        ahead = bone_way(free, *inner, *frame.axes[1], 40.0)
        wall = inner + ahead * frame.axes[1]
        deep = number(N, "vein.basivertebral_share") * 2.0 * ahead
        nodes = [[*(wall - deep * frame.axes[1]), 0.5 * r], [*(wall - 0.5 * deep * frame.axes[1]), 0.8 * r]]
        nodes += [[*(wall - 2.0 * frame.axes[1]), r], [*(wall + 0.3 * frame.axes[1]), r]]
        vein = Tube(
            f"basivertebral_vein_{level}", TubeKind.BASIVERTEBRAL, level, "", rounded(smooth_path(nodes, 2.0)), 0.1, speed
        )
        out.append(vein)
        for tube in plexus:
            end = min(tube.nodes, key=lambda q: float(((q[:3] - wall) ** 2).sum()))
            rough = smooth_path([[*(wall + 0.9 * frame.axes[1]), 0.5], [*end[:3], 0.5]], 1.0)
            loose = np.ones(len(rough), np.int64)
            loose[-1] = 0
            link = Tube(f"retrovertebral_vein_{level}_{tube.side}", TubeKind.VEIN, level, tube.side, rough, 0.1, speed)
            out.append(_settled(link, free, loose, 0.15, 0.15))
    return out


def segmental_vein(spine: Spine, free: Fields, cava: Tube, level: str, side: str) -> Tube:
    """Return the lumbar vein of a level: from the foramen round the waist of the body, below the artery, to the cava."""
    frame, s = spine.frames[level], SIGN[side]
    body = measure_body(free, frame)
    g = gate(spine, free, level, side)
    r = 0.5 * number(N, "vein.segmental_diameter_mm")
    w, d = body.half(side) + 1.0 + r, body.front + 1.0 + r
    points = [[*g.at(g.half + 6.0, -5.0, -7.0), 0.5 * r], [*frame.at(s * 0.98 * w, 0.3 * d, -5.5), 0.8 * r]]
    points += [[*frame.at(s * 1.02 * w, -0.1 * d, -5.0), r], [*frame.at(s * 0.88 * w, -0.55 * d, -5.0), r]]
    points.append([*frame.at(s * 0.5 * w, -0.9 * d, -4.5), r])
    if not level.startswith("T"):  # thoracic veins go to the azygos system, which is not modelled
        end = min(cava.nodes, key=lambda q: abs(q[2] - frame.origin[2] + 4.0))
        points.append([*(end[:3] + np.array([0.0, 0.9 * end[3] + r, 0.0])), r])
    rough = smooth_path(points, 2.0)
    speed = number(N, "vein.speed_mm_s")
    tube = Tube(f"segmental_vein_{level}_{side}", TubeKind.VEIN, level, side, rough, 0.2, speed)
    return _settled(tube, free, np.ones(len(rough), np.int64), 0.6, 0.3)


def all_vessels(
    spine: Spine,
    bones: Sequence[Bone],
    nerve: Sequence[Tube],
    targets: Mapping[tuple[str, str, str], Corridor],
    trapped: tuple[str, str] | None,
    seed: int,
    sex: str = "male",
) -> list[Tube]:
    """Return every vessel of one person and the sympathetic trunks, clear of targets and ways except for the one trap."""
    free = obstacles(bones, [*nerve, *ways(targets)])
    great = great_vessels(spine, obstacles(bones), seed, sex)
    aorta, cava, sac = great[0], great[3], nerve[0]
    plexus = inner_plexus(spine, obstacles(bones, nerve))
    out = [*great, *plexus, *basivertebral(spine, obstacles(bones, [*nerve, *plexus]), plexus[:2])]
    out += sympathetic_trunks(spine, obstacles(bones, great))
    famous = adamkiewicz_of(seed)
    for level in spine.frames:
        for side in SIDES:
            feeder = None
            if level != "L5":  # a fifth pair is absent in 80 % (15 cadavers, gaps_neurovascular.csv)
                feeder = segmental_artery(spine, free, aorta, level, side)
                out += [feeder, segmental_vein(spine, free, cava, level, side)]
            out.append(foraminal_vein(spine, free, level, side))
            if trapped == (level, side):
                out += trapped_vessels(bones, nerve, targets, gate(spine, free, level, side), feeder, level)
                continue
            artery = radicular_artery(spine, free, feeder, level, side, famous == (level, side))
            out.append(artery)
            if famous == (level, side):
                out.append(ascent(spine, artery, sac, level, side))
    return out


def vessel_measures(spine: Spine, tubes: Sequence[Tube], seed: int) -> dict[str, float]:
    """Return what a phantom cannot show by itself: where this person's artery of Adamkiewicz is (it may lie higher).

    adamkiewicz.present 0 or 1, adamkiewicz.left 0 or 1, adamkiewicz.level as a coordinate of heights.py.
    """
    famous = adamkiewicz_of(seed)
    if famous is None:
        return {"adamkiewicz.present": 0.0}
    level = float(ORDER.index(famous[0])) if famous[0] in ORDER else -1.0
    return {"adamkiewicz.present": 1.0, "adamkiewicz.left": float(famous[1] == "left"), "adamkiewicz.level": level}
