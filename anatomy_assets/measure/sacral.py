"""Sacrum, coccyx and pelvis measured on baked bones (distance grids and meshes), with the definitions of the published rows.

Points are in the sacrum's own frame (x anterior, y left, z along the normal of the S1 endplate, mm) unless said otherwise.
Landmarks only say where to look; every length is a free way or an extent of the baked bone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.measure.rays import RAY_STEP_MM, free_way, sampled, surface_area
from sim.phantom import Bone

F64 = NDArray[np.float64]
SIDES = ("left", "right")
FACE_MM = 0.8
"""The sacral face of the joint reaches as far as the space stays within this of its least."""
WALL_MM = 8.0
"""A wall of a foramen lies within this way of its axis; farther the tunnel has opened into the canal."""


@dataclass(frozen=True)
class Local:
    """A sacrum with landmarks in its own frame."""

    bone: Bone
    marks: Mapping[str, F64]

    def mark(self, name: str) -> F64:
        """Return a landmark as a point in the bone's frame."""
        return (self.marks[name] - self.bone.translation_mm) @ self.bone.rotation

    def way(self, name: str) -> F64:
        """Return a direction in the bone's frame."""
        return self.marks[name] @ self.bone.rotation

    def free(self, start: F64, direction: F64, most: float) -> float:
        """Return the free way from a point to this bone (mm), `most` if nothing is met."""
        return free_way(self.bone, start, direction, most)


def measures(bones: Mapping[str, Bone], marks: Mapping[str, F64]) -> dict[str, float]:
    """Return all measures that the given bones allow."""
    out: dict[str, float] = {}
    if "S" in bones:
        s = Local(bones["S"], marks)
        out |= _sizes(s) | _hiatus(s)
        for side in SIDES:
            out |= _dorsal_foramen(s, side) | _ventral_foramina(s, side)
        for side in SIDES:
            if f"ilium_{side}" in bones:
                out |= joint(bones["S"], bones[f"ilium_{side}"], side)
    if "coccyx" in bones:
        out |= _coccyx(bones["coccyx"], marks)
    return out


def _sizes(s: Local) -> dict[str, float]:
    v = s.bone.shell_vertices.astype(np.float64)
    middle = v[np.abs(v[:, 1]) < 2.0]
    rim = middle[middle[:, 2] > -8.0]
    promontory = rim[np.argmax(rim[:, 0])]
    low = middle[np.argmin(middle[:, 2])]
    inside = np.array([0.0, 0.0, -2.5])
    return {
        "sacral_width": float(np.ptp(v[:, 1])),
        "sacral_length": float(np.linalg.norm(promontory - low)),
        "s1_depth": sum(_inside_way(s, inside, np.array([sign, 0.0, 0.0])) for sign in (1.0, -1.0)),
        "s1_width": sum(_inside_way(s, inside, np.array([0.0, sign, 0.0])) for sign in (1.0, -1.0)),
    }


def _inside_way(s: Local, start: F64, direction: F64) -> float:
    """Return the way inside the bone from a point until the surface."""
    steps = np.arange(0.0, 60.0, RAY_STEP_MM)
    out = sampled(s.bone, start + steps[:, None] * direction) > 0.0
    return float(steps[np.argmax(out)]) if out.any() else 60.0


def _dorsal_foramen(s: Local, side: str) -> dict[str, float]:
    """Measure the S1 dorsal foramen: axial, as Kim 2023 (S1ds, S1W, S1D, S1A).

    The tunnel is followed inwards in the plane of its axis and the transverse direction. It begins where walls
    stand on both sides and ends where the medial one opens into the canal (epidural space).
    """
    sign = 1.0 if side == "left" else -1.0
    base = f"S1.foramen.dorsal.{side}"
    mouth, axis = s.mark(base), s.way(f"{base}.axis")
    inwards = -np.array([axis[0], 0.0, axis[2]])
    inwards /= np.linalg.norm(inwards)
    drift = -axis[1] / np.hypot(axis[0], axis[2])
    lateral = np.array([0.0, sign, 0.0])
    rows = []
    for t in np.arange(-4.0, 22.0, 0.25):
        at = mouth + t * inwards + np.array([0.0, t * drift, 0.0])
        out_, in_ = s.free(at, lateral, WALL_MM), s.free(at, -lateral, WALL_MM)
        if 0.0 < out_ < WALL_MM and 0.0 < in_ < WALL_MM:
            rows.append((t, float(at[1]) + 0.5 * sign * (out_ - in_), out_ + in_))
        elif rows:
            break
    rows = _tunnel(rows)
    if len(rows) < 2:
        return {}
    first, last = rows[0], rows[-1]
    at = mouth + first[0] * inwards
    at[1] = first[1]
    up = np.cross(inwards, lateral)
    wide, high = (_across(s, at + 2.0 * inwards + np.array([0.0, 2.0 * drift, 0.0]), d) for d in (lateral, up))
    depth = last[0] - first[0]
    return {
        f"s1_foramen_lat.{side}": abs(first[1]),
        f"s1_foramen_depth.{side}": float(depth),
        f"s1_foramen_angle.{side}": float(np.degrees(np.arctan2(sign * (first[1] - last[1]), depth))),
        f"s1_foramen_width.{side}": float(wide),
        f"s1_foramen_height.{side}": float(high),
    }


def _tunnel(rows: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Return the rows from the dorsal surface on: outwards of the narrowest place as far as the width stays near it."""
    if not rows:
        return rows
    narrow = min(range(len(rows)), key=lambda i: rows[i][2])
    start = narrow
    while start > 0 and rows[start - 1][2] < 1.4 * rows[narrow][2]:
        start -= 1
    return rows[start:]


def _across(s: Local, at: F64, direction: F64) -> float:
    return s.free(at, direction, 12.0) + s.free(at, -direction, 12.0)


def _ventral_foramina(s: Local, side: str) -> dict[str, float]:
    """Measure height and width of the ventral mouths a little inside the pelvic face, across their axis."""
    out = {}
    sign = 1.0 if side == "left" else -1.0
    for n in range(1, 5):
        base = f"S{n}.foramen.ventral.{side}"
        at = s.mark(base) - 3.0 * s.way(f"{base}.axis")
        out[f"s{n}_ventral_height.{side}"] = _across(s, at, np.array([0.0, 0.0, 1.0]))
        out[f"s{n}_ventral_width.{side}"] = _across(s, at, np.array([0.0, sign, 0.0]))
    return out


def _hiatus(s: Local) -> dict[str, float]:
    """Measure the hiatus: apex = lowest bone of the roof in the midline; base = middle of the line between the cornua."""
    apex = _apex(s)
    horns = [_horn(s, side) for side in SIDES]
    base = 0.5 * (horns[0] + horns[1])
    along = s.mark("S4.canal.centre") - s.mark("S.apex")
    across = np.array([along[2], 0.0, -along[0]]) / np.hypot(along[0], along[2])
    foramina = [s.mark(f"S2.foramen.dorsal.{side}") for side in SIDES]
    low = [at[2] - s.free(at, np.array([0.0, 0.0, -1.0]), 8.0) for at in foramina]
    level = np.array([0.5 * (foramina[0][0] + foramina[1][0]), 0.0, 0.5 * (low[0] + low[1])])
    out = {
        "hiatus_height": float(np.linalg.norm(apex - base)),
        "hiatus_depth": _gap_from(s, apex, across),
        "intercornual": float(abs(horns[0][1] - horns[1][1])),
        "hiatus_to_s2": float(np.linalg.norm(apex - level)),
    }
    crest = [_snapped(s, f"S.crest.{side}") for side in SIDES]
    out["crest_to_crest"] = float(np.linalg.norm(crest[0] - crest[1]))
    return out | {f"hiatus_to_crest.{side}": float(np.linalg.norm(apex - c)) for side, c in zip(SIDES, crest, strict=True)}


def _gap_from(s: Local, edge: F64, direction: F64) -> float:
    """Return the free way from a bony edge to the bone opposite (mm); the edge itself may still lie in the bone."""
    steps = np.arange(0.0, 20.0, RAY_STEP_MM)
    solid = sampled(s.bone, edge + steps[:, None] * direction) <= 0.0
    free = int(np.argmax(~solid))
    hit = solid[free:]
    return float(RAY_STEP_MM * np.argmax(hit)) if hit.any() else 20.0


def _apex(s: Local) -> F64:
    """Return the lower edge of the roof in the midline: the lowest height with bone behind the canal."""
    v = s.bone.shell_vertices.astype(np.float64)
    top, low = s.mark("S3.canal.centre"), float(v[:, 2].min())
    tip = s.mark("S.apex")
    found = top
    for z in np.arange(top[2], low, -0.25):
        share = (top[2] - z) / (top[2] - tip[2])
        at = np.array([top[0] + share * (tip[0] - top[0]), 0.0, z])
        steps = np.arange(0.0, 60.0, RAY_STEP_MM)
        line = at + np.array([30.0, 0.0, 0.0]) - steps[:, None] * np.array([1.0, 0.0, 0.0])
        solid = sampled(s.bone, line) < 0.0
        edges = np.flatnonzero(np.diff(solid.astype(int)) != 0)
        if solid[0] or len(edges) < 4:  # body and roof: two stretches of bone, four edges
            break
        found = line[edges[2] + 1]
    return np.asarray(found)


def _horn(s: Local, side: str) -> F64:
    """Return the tip of a cornu: the hindmost point of the bone beside the lower part of the hiatus."""
    v = s.bone.shell_vertices.astype(np.float64)
    mark = s.mark(f"S.cornu.{side}")
    near = v[(np.abs(v - mark) < (5.0, 5.0, 2.5)).all(axis=1)]  # not its root, which stands wider
    return np.asarray(near[np.argmin(near[:, 0])]) if len(near) else mark


def _snapped(s: Local, name: str) -> F64:
    """Return the surface point nearest to a landmark."""
    v = s.bone.shell_vertices.astype(np.float64)
    return np.asarray(v[np.argmin(((v - s.mark(name)) ** 2).sum(axis=1))])


def joint(sacrum: Bone, ilium: Bone, side: str) -> dict[str, float]:
    """Measure the sacroiliac joint: space (median over the faces), area and height of the sacral face."""
    v = sacrum.shell_vertices.astype(np.float64)
    faces = v[sacrum.shell_faces]
    centre = faces.mean(axis=1)
    world = centre @ sacrum.rotation.T + sacrum.translation_mm
    gap = sampled(ilium, (world - ilium.translation_mm) @ ilium.rotation)
    near = gap < gap.min() + FACE_MM
    if gap.min() > 4.0 * FACE_MM:
        return {}
    area = surface_area(faces[near])
    space = float(np.median(gap[near]))
    return {
        f"sij_space.{side}": space,
        f"sij_least.{side}": float(gap.min()),
        f"sij_area.{side}": area,
        f"auricular_height.{side}": float(np.ptp(centre[near][:, 2])),
    }


def _coccyx(bone: Bone, marks: Mapping[str, F64]) -> dict[str, float]:
    """Return straight and curved length and the angle between the first and the last segment.

    A point of the surface belongs to the segment whose line (between the landmarks of the joints) is nearest: segments may be
    fused, and a tip may curl up again. Lengths and angles come from these points; the curved length runs through the joints.
    """
    pieces = [v[np.abs(v[:, 1]) < 4.0] for v in _segments(bone, marks)]
    if len(pieces) < 2:
        return {}
    joints = [_between(a, b) for a, b in pairwise(pieces)]
    top, tip = _end(pieces[0], joints[0]), _end(pieces[-1], joints[-1])
    path = np.array([top, *joints, tip])
    ways = np.diff(path, axis=0)
    size = np.linalg.norm(ways, axis=1)
    turn = float(ways[0] @ ways[-1] / (size[0] * size[-1]))
    return {
        "coccyx_length": float(size.sum()),
        "coccyx_straight": float(np.linalg.norm(top - tip)),
        "coccyx_segments": float(len(pieces)),
        "coccyx_angle": 180.0 - float(np.degrees(np.arccos(min(max(turn, -1.0), 1.0)))),
    }


def _between(upper: F64, lower: F64) -> F64:
    """Return the middle of the joint between two segments: half way between the facing tenths of their points."""
    way = lower.mean(axis=0) - upper.mean(axis=0)
    a, b = upper @ way, lower @ way
    return np.asarray(0.5 * (upper[a > np.quantile(a, 0.9)].mean(axis=0) + lower[b < np.quantile(b, 0.1)].mean(axis=0)))


def _end(piece: F64, joint: F64) -> F64:
    """Return the free end of the first or last segment: straight on from its joint through its middle."""
    way = piece.mean(axis=0) - joint
    way /= np.linalg.norm(way)
    return np.asarray(joint + ((piece - joint) @ way).max() * way)


def _segments(bone: Bone, marks: Mapping[str, F64]) -> list[F64]:
    """Return the vertices of each segment of a coccyx, from the sacrum down, in its frame; empty without its landmarks."""
    names = [f"Co{i}.top" for i in range(1, 6) if f"Co{i}.top" in marks]
    if not names or "coccyx.tip" not in marks:
        return []
    ends = np.array([(marks[n] - bone.translation_mm) @ bone.rotation for n in (*names, "coccyx.tip")])
    v = bone.shell_vertices.astype(np.float64)
    apart = []
    for start, end in pairwise(ends):
        way = end - start
        share = np.clip((v - start) @ way / (way @ way), 0.0, 1.0)
        apart.append(((v - start - share[:, None] * way) ** 2).sum(axis=1))
    nearest = np.argmin(apart, axis=0)
    return [v[nearest == i] for i in range(len(names))]
