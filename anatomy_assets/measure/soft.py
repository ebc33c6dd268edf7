"""Nerves, vessels, ligaments and depths, taken from the tubes and labels of a baked phantom.

Definitions (keys end in a level, a gap "L3-L4" or a side where one is named):
  flavum_thickness_mm.L3-L4      mean length through the flavum across the canal's axis, 5 mm to either side of the midline
  skin_to_epidural_mm.L3-L4          from the skin straight forwards to the epidural space where no lamina is in the way
  conus_level                     where the cord ends: T12 = 0, middle of L1 = 1, its lower third 1.24 (absent: above the section)
  sac_end_level                   where the sac ends, counted on: S1 = 6, S2 = 7
  sac_depth_mm.L3-L4, sac_width_mm.L3-L4
  root_diameter_mm.L4             mean of both sides, between sac and ganglion
  root_angle_deg.L4               to the body's axis in the frontal plane, from the sleeve to the pedicle's medial border
  drg_width_mm.L4, drg_length_mm.L4
  drg_midpoint_mm.L4         from the medial border of the pedicle along the nerve
  nerve_to_disc_mm.L4-L5              least distance of nerve and disc within 2 mm of the middle of the pedicle
  dorsal_fork_mm.L4               fork of the dorsal ramus over the bone of the transverse process (or ala) below it
  aorta_division_level, cava_division_level, aorta_diameter_mm.L4, aorta_disc_mm.L3-L4
  adamkiewicz_present, adamkiewicz_left, adamkiewicz_level (from what the bake tells; it may lie above the section);
  adamkiewicz_present_pct, adamkiewicz_left_pct, adamkiewicz_t8_l1_pct (100 or 0: their means are shares of people)
  kidney_upper_level.<side>, kidney_lower_level.<side>, kidney_left_up_mm
  psoas_area_cm2.L4, multifidus_area_cm2.L4, back_fat_mm.L2 (subcutaneous, over the muscle 40 mm beside the midline)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.heights import coordinate, number_at
from anatomy_assets.landmarks import BELOW, SIDES, Spine, spine
from anatomy_assets.tubes import bone_gap, obstacles
from sim.fields import Fields, skin_y, tissue_at, tube_distance
from sim.jit import jit
from sim.phantom import Phantom, Tissue, Tube, TubeKind

F64 = NDArray[np.float64]
OFFSET = -6.0
"""Levels are counted from L1 = 1 here (L4-5 disc 4.5, S1 6), from T6 = 0 in heights.py."""


def measures(phantom: Phantom) -> dict[str, float]:
    """Return every measure of the soft parts of a phantom (mm, degrees, cm2, vertebrae)."""
    sp = spine(phantom.landmarks)
    out: dict[str, float] = {}
    for part in (_sac, _roots, _gaps, _vessels, _organs, _muscles):
        out |= dict(part(phantom, sp))
    return out


def measures_of_sac(phantom: Phantom) -> dict[str, float]:
    """Return the measures of the sac alone."""
    return dict(_sac(phantom, spine(phantom.landmarks)))


def _tube(phantom: Phantom, name: str) -> Tube | None:
    return next((t for t in phantom.tubes if t.name == name), None)


def _level(sp: Spine, z: float) -> float:
    return number_at(sp, z) + OFFSET


def _length(nodes: F64) -> F64:
    """Return the way along a chain to each node (mm)."""
    steps = np.sqrt(((nodes[1:, :3] - nodes[:-1, :3]) ** 2).sum(1))
    return np.concatenate([[0.0], np.cumsum(steps)])


def _sac(phantom: Phantom, sp: Spine) -> Iterator[tuple[str, float]]:
    cord, sac = _tube(phantom, "cord"), _tube(phantom, "sac")
    if cord is not None:
        yield "conus_level", _level(sp, float(cord.nodes[-1, 2]))
    if sac is None:
        return
    yield "sac_end_level", _level(sp, float(sac.nodes[-1, 2]))
    flat = sac.nodes[:, 4] if sac.nodes.shape[1] == 5 else np.zeros(len(sac.nodes))
    for level in sp.frames:
        i = int(np.argmin(np.abs(sac.nodes[:, 2] - sp.disc(level)[2])))
        gap = f"{level}-{BELOW[level]}"
        yield f"sac_depth_mm.{gap}", 2.0 * float(sac.nodes[i, 3])
        yield f"sac_width_mm.{gap}", 2.0 * float(sac.nodes[i, 3] + flat[i])


def _roots(phantom: Phantom, sp: Spine) -> Iterator[tuple[str, float]]:
    levels = sorted({t.level for t in phantom.tubes if t.kind == TubeKind.GANGLION}, key=coordinate)
    for level in levels:
        sides: dict[str, list[float]] = {}
        for side in SIDES:
            for key, value in _nerve(phantom, sp, level, side):
                sides.setdefault(key, []).append(value)
        for key, values in sides.items():
            yield key, float(np.mean(values))


def _nerve(phantom: Phantom, sp: Spine, level: str, side: str) -> Iterator[tuple[str, float]]:
    root, ganglion = _tube(phantom, f"root_{level}_{side}"), _tube(phantom, f"ganglion_{level}_{side}")
    if root is None or ganglion is None:
        return
    before = [
        n for n in root.nodes[2:] if float(((n[:3] - ganglion.nodes[0, :3]) ** 2).sum()) > 0.25 and n[2] > ganglion.nodes[0, 2]
    ]
    yield f"root_diameter_mm.{level}", 2.0 * float(np.median([n[3] for n in before or root.nodes[2:]]))
    yield f"drg_width_mm.{level}", 2.0 * float(ganglion.nodes[:, 3].max())
    yield f"drg_length_mm.{level}", float(_length(ganglion.nodes)[-1])
    border = sp.marks.get(f"{level}.pedicle.{side}.medial")
    if border is None or level.startswith("S"):
        return
    way = _length(root.nodes)
    at = int(np.argmin(np.abs(root.nodes[:, 0] - border[0])))
    fall = float(root.nodes[0, 2] - root.nodes[at, 2])
    yield f"root_angle_deg.{level}", float(np.degrees(np.arctan2(abs(root.nodes[at, 0] - root.nodes[0, 0]), fall)))
    middle = ganglion.nodes[len(ganglion.nodes) // 2, :3]
    end = int(np.argmin(((root.nodes[:, :3] - middle) ** 2).sum(1)))
    yield f"drg_midpoint_mm.{level}", float(way[end] - way[at])
    yield f"nerve_to_disc_mm.{level}-{BELOW[level]}", _to_disc(phantom, sp, level, side)
    fork = _tube(phantom, f"dorsal_ramus_{level}_{side}")
    if fork is not None:
        yield f"dorsal_fork_mm.{level}", _over_bone(phantom, fork.nodes[-1], 1.0 if side == "left" else -1.0)


def _over_bone(phantom: Phantom, node: F64, s: float) -> float:
    """Return how far down (mm) below a node's centre, or 1 mm lateral of it, bone is met: the process it crosses."""
    free = obstacles(phantom.bones)
    best = 15.0
    for out, back in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)):
        t = 0.0
        while t < best and float(bone_gap(free, node[0] + s * out, node[1] + back, node[2] - t)[0]) > 0.0:
            t += 0.1
        best = min(best, t)
    return best


def _to_disc(phantom: Phantom, sp: Spine, level: str, side: str) -> float:
    """Return the distance (mm) of root, ganglion and ramus to the disc near the middle of the pedicle."""
    v, f = phantom.volume, phantom.fields
    x = float(sp.mark(f"{level}.pedicle.{side}.centre")[0])
    disc = sp.disc(level)
    low = np.floor((np.array([x - 2.0, disc[1], disc[2] - 16.0]) - v.origin_mm) / v.spacing_mm).astype(int)
    high = np.ceil((np.array([x + 2.0, disc[1] + 30.0, disc[2] + 16.0]) - v.origin_mm) / v.spacing_mm).astype(int)
    part = v.labels[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1]
    cells = np.argwhere((part == Tissue.DISC_ANNULUS) | (part == Tissue.DISC_NUCLEUS)) + low
    tubes = [phantom.tube_index(f"{w}_{level}_{side}") for w in ("root", "ganglion", "ramus")]
    best = 25.0
    for p in v.origin_mm + v.spacing_mm * cells:
        best = min(best, *(float(tube_distance(f, t, p[0], p[1], p[2])) for t in tubes))
    return max(best - 0.5 * v.spacing_mm, 0.0)


def _gaps(phantom: Phantom, sp: Spine) -> Iterator[tuple[str, float]]:
    for level in sp.frames:
        gap = f"{level}-{BELOW[level]}"
        thick = flavum(phantom, sp, level)
        if thick is not None:
            yield f"flavum_thickness_mm.{gap}", thick
        depth = epidural(phantom, sp, level)
        if depth is not None:
            yield f"skin_to_epidural_mm.{gap}", depth


def _labels_along(phantom: Phantom, p: F64, way: F64, reach: float, step: float) -> NDArray[np.int64]:
    return _labels(phantom.fields, p + np.arange(0.0, reach, step)[:, None] * way)


@jit
def _labels(f: Fields, points: F64) -> NDArray[np.int64]:
    """Return the tissue (n,) at points (n, 3)."""
    out = np.empty(len(points), np.int64)
    for i in range(len(points)):
        out[i] = tissue_at(f, points[i, 0], points[i, 1], points[i, 2])
    return out


def flavum(phantom: Phantom, sp: Spine, level: str) -> float | None:
    """Return the mean thickness (mm) of the flavum below a level; None where bone leaves none to see."""
    a, b = sp.mark(f"{level}.canal.centre"), sp.mark(f"{BELOW[level]}.canal.centre")
    along = (b - a) / np.sqrt(((b - a) ** 2).sum())
    way = np.array([0.0, 1.0, 0.0]) - along[1] * along
    way /= np.sqrt((way * way).sum())
    bone = (int(Tissue.BONE_CORTEX), int(Tissue.BONE_CANCELLOUS))
    found = []
    for share in np.arange(0.25, 0.96, 0.02):
        for x in (-4.6, -3.8, -3.0, -2.2, -1.4, 1.4, 2.2, 3.0, 3.8, 4.6):
            row = _labels_along(phantom, a + share * (b - a) + np.array([x, 0.0, 0.0]), way, 22.0, 0.2)
            hit = np.flatnonzero(row == Tissue.LIGAMENTUM_FLAVUM)
            if len(hit) == 0 or hit[0] == 0 or np.isin(row[max(hit[0] - 4, 0) : hit[-1] + 9], bone).any():
                continue  # a lamina cuts it short here
            if (row[hit[0] : hit[-1] + 1] != Tissue.LIGAMENTUM_FLAVUM).any():
                continue
            found.append(0.2 * len(hit))
    return float(np.mean(found)) if len(found) > 12 else None


def epidural(phantom: Phantom, sp: Spine, level: str) -> float | None:
    """Return the depth (mm) of the epidural space below the skin at the interlaminar window, straight forwards."""
    target = phantom.landmarks.get(f"target.interlaminar.{level}")
    if target is None:
        return None
    row = _labels_along(phantom, np.asarray(target, np.float64), np.array([0.0, 1.0, 0.0]), 20.0, 0.2)
    left = np.flatnonzero(row == Tissue.LIGAMENTUM_FLAVUM)
    y = float(target[1]) + (0.2 * float(left[0]) if len(left) else 1.0)
    return float(skin_y(phantom.fields, float(target[0]), float(target[2]))) - y


def _vessels(phantom: Phantom, sp: Spine) -> Iterator[tuple[str, float]]:
    for name in ("aorta", "cava"):
        tube = _tube(phantom, name)
        if tube is None:
            continue
        yield f"{name}_division_level", _level(sp, float(tube.nodes[:, 2].min()))
        for level in sp.frames:
            i = int(np.argmin(np.abs(tube.nodes[:, 2] - sp.mark(f"{level}.body.centre")[2])))
            if abs(tube.nodes[i, 2] - sp.mark(f"{level}.body.centre")[2]) < 7.0:
                yield f"{name}_diameter_mm.{level}", 2.0 * float(tube.nodes[i, 3])
            disc = _front_gap(phantom, sp, level, name)
            if disc is not None:
                yield f"{name}_disc_mm.{level}-{BELOW[level]}", disc
    for word in ("present", "left", "level"):
        if f"adamkiewicz.{word}" in phantom.measures:
            shift = OFFSET if word == "level" else 0.0
            key = "adamkiewicz_level" if word == "level" else f"adamkiewicz_{word}"
            yield key, phantom.measures[f"adamkiewicz.{word}"] + shift
    yield from _shares(phantom.measures)


def _shares(told: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Return what the artery of Adamkiewicz adds to the published shares of people (100 or 0); side and level where it is."""
    if "adamkiewicz.present" not in told:
        return
    yield "adamkiewicz_present_pct", 100.0 * told["adamkiewicz.present"]
    if told["adamkiewicz.present"]:
        yield "adamkiewicz_left_pct", 100.0 * told["adamkiewicz.left"]
        yield "adamkiewicz_t8_l1_pct", 100.0 * (coordinate("T8") <= round(told["adamkiewicz.level"]) <= coordinate("L1"))


def _front_gap(phantom: Phantom, sp: Spine, level: str, name: str) -> float | None:
    """Return the least distance (mm) of a great vessel to the disc below a level; None where it does not reach it."""
    v, t = phantom.volume, phantom.tube_index(name)
    disc = sp.disc(level)
    nodes = phantom.tubes[t].nodes
    if not nodes[:, 2].min() - 1.0 < disc[2]:
        return None
    k = round((disc[2] - v.origin_mm[2]) / v.spacing_mm)
    cells = np.argwhere(np.isin(v.labels[:, :, k], (Tissue.DISC_ANNULUS, Tissue.DISC_NUCLEUS)))
    best = 40.0
    for i, j in cells:
        p = v.origin_mm + v.spacing_mm * np.array([i, j, k])
        if p[1] < disc[1]:
            best = min(best, float(tube_distance(phantom.fields, t, p[0], p[1], p[2])))
    return max(best - 0.5 * v.spacing_mm, 0.0) if len(cells) else None


def _organs(phantom: Phantom, sp: Spine) -> Iterator[tuple[str, float]]:
    v = phantom.volume
    cells = np.argwhere(v.labels == Tissue.KIDNEY)
    if len(cells) == 0:
        return
    points = v.origin_mm + v.spacing_mm * cells
    middle = float(sp.mark(f"{sp.top}.body.centre")[0])
    tops = {}
    for side, here in (("left", points[:, 0] > middle), ("right", points[:, 0] <= middle)):
        if here.any():
            tops[side] = (float(points[here, 2].min()), float(points[here, 2].max()))
            yield f"kidney_lower_level.{side}", _level(sp, tops[side][0])
            yield f"kidney_upper_level.{side}", _level(sp, tops[side][1])
    if len(tops) == 2:
        yield "kidney_left_up_mm", tops["left"][0] - tops["right"][0]


def _muscles(phantom: Phantom, sp: Spine) -> Iterator[tuple[str, float]]:
    v = phantom.volume
    for level, frame in sp.frames.items():
        k = round((frame.origin[2] - v.origin_mm[2]) / v.spacing_mm)
        if not 0 <= k < v.labels.shape[2]:
            continue
        plane = v.labels[:, :, k]
        area = v.spacing_mm * v.spacing_mm / 200.0
        yield f"psoas_area_cm2.{level}", float((plane == Tissue.PSOAS).sum()) * area
        yield f"multifidus_area_cm2.{level}", float((plane == Tissue.MULTIFIDUS).sum()) * area
        fat = []
        for beside in (-40.0, 40.0):
            i = round((frame.origin[0] + beside - v.origin_mm[0]) / v.spacing_mm)
            column = plane[i]
            skin = np.flatnonzero(column == Tissue.SKIN)
            under = np.flatnonzero(np.isin(column, (Tissue.FASCIA, Tissue.MUSCLE)))
            if len(skin) and len(under):
                upper = skin[skin > under.min()]
                fat.append(v.spacing_mm * float(upper.min() - under[under < upper.min()].max() - 1))
        if fat:
            yield f"back_fat_mm.{level}", float(np.mean(fat))
