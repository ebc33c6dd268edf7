"""Thecal sac (a tube of stadium section), spinal cord with conus, cauda equina and filum.

Prone: the cord and the rootlets sink to the ventral side of the sac. Sizes and levels: morphometry/neurovascular.toml.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.heights import coordinate, height
from anatomy_assets.landmarks import BELOW, SACRAL, SIDES, SIGN, Spine
from anatomy_assets.soft_person import deviate, drawn, uniform
from anatomy_assets.tables import number, spread
from anatomy_assets.tubes import bone_gap, rounded, settle, shrink, smooth_path
from sim.fields import Fields
from sim.frames import norm
from sim.phantom import Tube, TubeKind

F64 = NDArray[np.float64]
N = "neurovascular"
STEP_MM = 4.0
OVER_MM = 30.0
"""How far the sac goes on above the canal of the highest vertebra."""


def conus_coordinate(seed: int) -> float:
    """Return where the conus ends (heights.py): lower third of L1 and the published range about it."""
    return number(N, "cord.conus_coordinate") + spread(N, "cord.conus_coordinate") * deviate(seed, "conus")


def sac_end_coordinate(seed: int) -> float:
    """Return where the sac ends: middle of S2 and the published range about it."""
    return number(N, "sac.end_coordinate") + spread(N, "sac.end_coordinate") * deviate(seed, "sac_end")


def _canal_points(spine: Spine) -> list[tuple[F64, F64, str]]:
    """Return (point, posterior direction, level) along the canal from above the highest vertebra to S4."""
    out = []
    for level, frame in spine.frames.items():
        canal = spine.mark(f"{level}.canal.centre")
        if not out:
            out.append((canal + OVER_MM * frame.axes[2], frame.axes[1], level))
        out.append((canal, frame.axes[1], level))
        out.append((0.5 * (canal + spine.mark(f"{BELOW[level]}.canal.centre")), frame.axes[1], level))
    low = out[-1][1]
    return out + [(spine.mark(f"{name}.canal.centre"), low, name) for name in SACRAL if f"{name}.canal.centre" in spine.marks]


def thecal_sac(spine: Spine, free: Fields, seed: int) -> Tube:
    """Return the sac from above the highest vertebra to its end in the sacrum, a little ventral in the canal."""
    shift, end = number(N, "sac.ventral_shift_mm"), height(spine, sac_end_coordinate(seed))
    points, halves = [], []
    for p, back, level in _canal_points(spine):
        if p[2] < end + 2.0:
            break
        room = 0.5 * norm(spine.mark(f"{level}.canal.back") - spine.mark(f"{level}.canal.front"))
        deep = min(
            0.5 * drawn(seed, "sac.depth_mm", level), max(room - 1.2, 2.0)
        )  # fat behind and before it in a tight canal too
        points.append([*(p - min(shift, max(room - deep - 0.8, 0.0)) * back), deep])
        halves.append(max(0.5 * drawn(seed, "sac.width_mm", level) - deep, 0.2))
    points.append([*_end_point(spine, end), 1.6])
    halves.append(0.05)
    rough = smooth_path(points, STEP_MM)
    wide = _along(rough, points, halves)
    loose = np.ones(len(rough), np.int64)
    nodes = settle(free, rough, loose, number(N, "sac.bone_gap_mm") - 0.7, -1000.0, 60)
    nodes = shrink(free, nodes, loose, 0.6, 0.5)
    nodes = _squeezed(spine, _widened(free, nodes, wide))
    return Tube("sac", TubeKind.SAC, "", "", rounded(nodes), wall_mm=number(N, "sac.dura_mm"))


NARROW_MM, FREE_MM = 3.0, 11.0
"""A stenosis is narrowest within so much of the middle of its disc, and gone beyond so much."""


def _squeezed(spine: Spine, nodes: F64) -> F64:
    """Return the sac narrowed at stenotic discs: bulging disc in front, thick flavum behind, by their shares."""
    out = nodes.copy()
    for level, lesion in spine.lesions.discs.items():
        if lesion.sac_depth_mm <= 0.0:
            continue
        z = spine.disc(level)[2]
        for i, node in enumerate(nodes):
            far = min(max((abs(node[2] - z) - NARROW_MM) / (FREE_MM - NARROW_MM), 0.0), 1.0)
            share = (1.0 - far * far) * (1.0 - far * far)
            less = share * max(node[3] - 0.5 * lesion.sac_depth_mm, 0.0)
            out[i, 3] = node[3] - less
            out[i, 4] = node[4] * out[i, 3] / node[3]
            out[i, 1] = node[1] + (1.0 - 2.0 * lesion.flavum_share) * less
    return out


def _end_point(spine: Spine, z: float) -> F64:
    """Return the middle of the sacral canal at a height."""
    marks = [spine.mark(f"{name}.canal.centre") for name in SACRAL if f"{name}.canal.centre" in spine.marks]
    for a, b in pairwise(marks):
        if z >= b[2] or b is marks[-1]:
            t = (z - a[2]) / (b[2] - a[2])
            return np.asarray(a + t * (b - a), np.float64)
    return marks[-1]


def _along(nodes: F64, points: list[list[float]], values: list[float]) -> F64:
    """Return values given at points, linear in z, at the nodes of the path through them."""
    z = np.array([p[2] for p in points])[::-1]
    v = np.array(values)[::-1]
    i = np.clip(np.searchsorted(z, nodes[:, 2], side="right") - 1, 0, len(z) - 2)
    t = np.clip((nodes[:, 2] - z[i]) / (z[i + 1] - z[i]), 0.0, 1.0)
    return np.asarray(v[i] * (1.0 - t) + v[i + 1] * t, np.float64)


def _widened(free: Fields, nodes: F64, wide: F64) -> F64:
    """Return nodes (n, 5): each section as wide as wanted and as the canal allows, the axis moved to the roomy side."""
    out = np.concatenate([nodes, wide[:, None]], axis=1)
    least = number(N, "sac.bone_gap_mm") - 0.9
    for i, (x, y, z, r) in enumerate(nodes):
        room = []
        for s in (1.0, -1.0):
            t = 0.0
            while t < 2.0 * wide[i] and bone_gap(free, x + s * (t + 0.25), y, z)[0] >= r + least:
                t += 0.25
            room.append(t)
        half = min(float(wide[i]), 0.5 * (room[0] + room[1]))
        lean = min(max(0.0, half - room[1]), room[0]) - min(max(0.0, half - room[0]), room[1])
        out[i, 4], out[i, 0] = half, x + lean
    for _ in range(4):  # narrower by smoothing, never wider
        out[1:-1, 4] = np.minimum(out[1:-1, 4], 0.25 * out[:-2, 4] + 0.5 * out[1:-1, 4] + 0.25 * out[2:, 4])
    return out


def sac_at(sac: Tube, z: float) -> F64:
    """Return x, y, z, radius, half width of the sac's axis at height z (linear between nodes)."""
    nodes = sac.nodes
    for a, b in pairwise(nodes):
        if (a[2] - z) * (b[2] - z) <= 0.0 and a[2] != b[2]:
            return np.asarray(a + (b - a) * ((z - a[2]) / (b[2] - a[2])), np.float64)
    return np.asarray(nodes[0] if z > nodes[0, 2] else nodes[-1], np.float64)


def sleeve(sac: Tube, z: float, side: str) -> F64:
    """Return where a root's sleeve starts at a height: just inside the lateral wall of the sac, a little ventral."""
    at = sac_at(sac, z)
    return at[:3] + np.array([SIGN[side] * (at[4] + 0.75 * at[3]), -0.25 * at[3], 0.0])


def cord(spine: Spine, sac: Tube, seed: int) -> list[Tube]:
    """Return the cord with its conus (empty where the conus ends above the patient's section) and the filum."""
    tip = height(spine, conus_coordinate(seed))
    top, low = sac.nodes[0, 2], sac.nodes[-1, 2]
    taper = number(N, "cord.taper_mm")
    scale = 1.0 + 0.06 * deviate(seed, "cord")
    rows = []
    z = top
    while z > tip + 0.5:
        share = min(1.0, (z - tip) / taper)
        deep = max(0.5 * scale * number(N, "cord.depth_mm") * (1.0 - (1.0 - share) * (1.0 - share)), 0.7)
        half = 0.5 * scale * (number(N, "cord.width_mm") - number(N, "cord.depth_mm")) * share
        rows.append(_resting(sac, z, deep, half))
        z -= STEP_MM
    out = []
    if len(rows) > 1:
        rows.append(_resting(sac, tip, 0.7, 0.0))
        out.append(Tube("cord", TubeKind.CORD, "", "", rounded(np.array(rows))))
    start = min(tip, top)
    count = max(2, int((start - low) / 12.0))
    filum = [
        _resting(sac, start + (low + 3.0 - start) * i / count, number(N, "cauda.filum_radius_mm"), 0.0) for i in range(count + 1)
    ]
    return [*out, Tube("filum", TubeKind.ROOTLET, "", "", rounded(np.array(filum)[:, :4]))]


def _resting(sac: Tube, z: float, radius: float, half: float) -> list[float]:
    """Return a node that rests on the ventral wall of the sac (the patient lies prone)."""
    at = sac_at(sac, z)
    y = at[1] - max(at[3] - radius - number(N, "cord.ventral_gap_mm"), 0.0)
    return [at[0], y, z, radius, half]


def cauda(spine: Spine, sac: Tube, ends: dict[tuple[str, str], F64], seed: int) -> list[Tube]:
    """Return one strand of the cauda equina for each root: from the conus down the sac to the root's sleeve.

    ends: (level, side) -> first node of the root. Strands of upper roots lie lateral, those of the sacral
    roots medial and further back.
    """
    tip = height(spine, conus_coordinate(seed))
    r = number(N, "cauda.radius_mm")
    out = []
    for (level, side), end in ends.items():
        down = coordinate(level) - 6.0  # 1 for L1
        start = min(max(tip + 22.0 - 5.0 * down, end[2] + 14.0), sac.nodes[0, 2])
        wobble = 0.25 * (uniform(seed, f"cauda/{level}/{side}") - 0.5)
        count = max(3, int((start - end[2]) / 8.0))
        rows = []
        for i in range(count):
            t = i / count
            z = start + (end[2] - start) * t
            at = sac_at(sac, z)
            inner = 0.30 + 0.5 * max(0.0, 1.0 - 0.16 * down) + wobble
            share = inner + (1.0 - inner) * t * t
            x = at[0] + SIGN[side] * min(share, 1.0) * (at[4] + 0.72 * at[3] - r)
            flat = max(0.0, abs(x - at[0]) - at[4])
            room = float(np.sqrt(max((at[3] - r - 0.3) ** 2 - flat * flat, 0.0)))
            y = at[1] - room + (0.3 + 0.10 * max(down - 2.0, 0.0)) * room
            rows.append([x, y, z, r])
        inside = np.array([*end[:3], r])
        out.append(Tube(f"rootlet_{level}_{side}", TubeKind.ROOTLET, level, side, rounded(np.array([*rows, inside]))))
    return out


def ends_of(roots: list[Tube]) -> dict[tuple[str, str], F64]:
    """Return (level, side) -> first node of each root."""
    return {(t.level, t.side): t.nodes[0] for t in roots if t.kind == TubeKind.ROOT and t.side in SIDES}
