"""Targets of the other procedures: medial branch, interlaminar, caudal, facet, sacroiliac, transpedicular.

Each is a landmark `target.<approach>.<level>.<side>` (no side in the midline) with measures `corridor.<same>.<what>`:
primary_mdeg and secondary_mdeg of a beam that looks along the needle, bone_mm (least distance of the way to bone,
transpedicular: least distance of the axis to the pedicle's wall from inside).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import BELOW, SIDES, SIGN, Spine
from anatomy_assets.sac import sac_at
from anatomy_assets.targets import way_clearance
from anatomy_assets.tubes import bone_gap, free_way, rounded, unit
from sim.fields import Fields
from sim.frames import dot, gantry, norm
from sim.phantom import Tube, TubeKind

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """One target: key (approach, level, side or ""), point, direction to the skin (None: no straight way is given)."""

    parts: tuple[str, str, str]
    target: F64
    normal: F64 | None = None
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """The parts of the landmark's name that are not empty."""
        return tuple(p for p in self.parts if p)


def approaches(spine: Spine, free: Fields, nerve: Sequence[Tube]) -> list[Way]:
    """Return the targets of every approach but the transforaminal ones (targets.py)."""
    out = [*medial_branches(spine, free, nerve), *interlaminar(spine, free, nerve), *caudal(spine)]
    return [*out, *facets(spine, free), *sacroiliac(spine, free), *transpedicular(spine, free)]


def _seen(free: Fields, target: F64, sign: float, primary: range, secondary: range, wanted: tuple[int, int]) -> dict[str, float]:
    """Return the angles (mdeg) nearest to `wanted` from which a point is seen free of bone, and the way's clearance.

    The first 1.5 mm are left out: a needle ends on or in the bone here.
    """
    best: tuple[float, int, int, float] | None = None
    for p in primary:
        for s in secondary:
            toll = abs(p - wanted[0]) / 1000.0 + 0.7 * abs(s - wanted[1]) / 1000.0
            if best is not None and toll >= best[0]:
                continue
            n = gantry(round(sign) * p, s).normal
            gap = float(way_clearance(free, target + 1.5 * n, n, 110.0, 0.4))
            if gap >= 0.4:
                best = (toll, round(sign) * p, s, gap)
    if best is None:
        return {}
    return {"primary_mdeg": float(best[1]), "secondary_mdeg": float(best[2]), "bone_mm": round(best[3], 3)}


def _normal(measures: Mapping[str, float]) -> F64 | None:
    if not measures:
        return None
    return gantry(int(measures["primary_mdeg"]), int(measures["secondary_mdeg"])).normal


def medial_branches(spine: Spine, free: Fields, nerve: Sequence[Tube]) -> list[Way]:
    """Return the place of the needle on each medial branch; L5: its dorsal ramus in the groove of the ala.

    On the branch midway between the notch of the SAP-TP junction and the mamillo-accessory ligament: a needle at the notch
    itself lies at the mouth of the foramen, and what is injected there runs into it (Dreyfuss 1997, low against high
    position; the words "midway" are remembered).
    """
    out = []
    for tube in nerve:
        below = BELOW.get(tube.level, "")
        notch = f"{below}.junction.{tube.side}"
        if tube.kind != TubeKind.MEDIAL_BRANCH or notch not in spine.marks:
            continue
        crossing = min(range(len(tube.nodes)), key=lambda n: norm(tube.nodes[n, :3] - spine.mark(notch)))
        near = rounded(tube.nodes[crossing, :3] if tube.level == "L5" else _midway(tube.nodes[crossing:, :3]))
        seen = _seen(free, near, SIGN[tube.side], range(0, 40_001, 5_000), range(-20_000, 20_001, 5_000), (20_000, 0))
        out.append(Way(("medial_branch", tube.level, tube.side), near, _normal(seen), seen))
    return out


def _midway(course: F64) -> F64:
    """Return the point half way along a branch from the notch to where it lies most dorsal: under the ligament."""
    under = int(np.argmax(course[:, 1]))
    way = [0.0]
    for a, b in pairwise(course[: under + 1]):
        way.append(way[-1] + norm(b - a))
    at = next(n for n, s in enumerate(way) if s >= 0.5 * way[-1])
    return course[at]


def interlaminar(spine: Spine, free: Fields, nerve: Sequence[Tube]) -> list[Way]:
    """Return the point of the dorsal epidural space in each interlaminar window: midline, and 6 mm to either side.

    The window is found: from the level of the disc downwards, the first height from which a needle's way is free
    (least turn and tilt, nearest to the disc). Where bone closes it the point lies at the disc and no way is told.
    """
    sac = next(t for t in nerve if t.kind == TubeKind.SAC)
    out = []
    for level, frame in spine.frames.items():
        a, b = spine.mark(f"{level}.canal.back"), spine.mark(f"{BELOW[level]}.canal.back")
        for side, beside in (("", 0.0), ("left", 6.0), ("right", -6.0)):
            best: tuple[float, F64, dict[str, float]] | None = None
            for share in (0.5, 0.56, 0.62, 0.68, 0.74, 0.8, 0.86, 0.44, 0.38):
                back = a + share * (b - a)
                at = sac_at(sac, back[2])
                p = 0.5 * (back + at[:3] + np.array([0.0, at[3], 0.0]))
                q = rounded(p + beside * frame.axes[0] - (0.5 if side else 0.0) * frame.axes[1])
                turn = range(0, 15_001, 5_000) if side else range(1)
                seen = _seen(free, q, SIGN.get(side, 1.0), turn, range(-30_000, 40_001, 5_000), (5_000 if side else 0, 0))
                toll = 40.0 * abs(share - 0.5) + (0.7e-3 * abs(seen["secondary_mdeg"]) if seen else 100.0)
                if best is None or toll < best[0]:
                    best = (toll, q, seen)
            assert best is not None
            out.append(Way(("interlaminar", level, side), best[1], _normal(best[2]), best[2]))
    return out


def caudal(spine: Spine) -> list[Way]:
    """Return the sacral hiatus."""
    return [Way(("caudal", "", ""), rounded(spine.mark("S.hiatus")))] if "S.hiatus" in spine.marks else []


def facets(spine: Spine, free: Fields) -> list[Way]:
    """Return the entry of each facet joint: the dorsal opening of its cleft between the two articular processes."""
    out = []
    for level, frame in spine.frames.items():
        below = BELOW[level]
        for side in SIDES:
            names = (f"{below}.sap.{side}.tip", f"{level}.iap.{side}.tip")
            if any(n not in spine.marks for n in names):
                continue
            middle = 0.5 * (spine.mark(names[0]) + spine.mark(names[1]))
            target = _cleft(free, frame.axes, middle, SIGN[side])
            if target is None:
                continue
            seen = _seen(free, target, SIGN[side], range(0, 50_001, 5_000), range(-25_000, 25_001, 5_000), (30_000, 0))
            out.append(Way(("facet", level, side), target, _normal(seen), seen))
    return out


def _cleft(free: Fields, axes: F64, middle: F64, s: float) -> F64 | None:
    """Return the most dorsal point near `middle` that lies between two bones less than 3 mm apart."""
    best: F64 | None = None
    for up in np.arange(-6.0, 6.1, 2.0):
        for out in np.arange(-8.0, 8.1, 1.0):
            for back in np.arange(12.0, -8.1, -1.0):
                p = middle + s * out * axes[0] + back * axes[1] + up * axes[2]
                d, b = bone_gap(free, *p)
                if 0.3 < d < 1.6 and _second(free, p, b) < 2.2:
                    if best is None or dot(p - best, axes[1]) > 0.0:
                        best = p
                    break
    return None if best is None else rounded(best)


def _second(free: Fields, p: F64, first: int) -> float:
    """Return the distance to the nearest bone other than `first`."""
    from anatomy_assets.tubes import in_grid
    from sim.fields import bone_distance_one

    best = 1e3
    for b in range(len(free.bone_start)):
        if b != first and in_grid(free, b, *p):
            best = min(best, float(bone_distance_one(free, b, *p)))
    return best


def sacroiliac(spine: Spine, free: Fields) -> list[Way]:
    """Return the lower third of each sacroiliac joint: the dorsal opening of its cleft 10-20 mm above its lower end."""
    out = []
    for side in SIDES:
        if f"S2.foramen.dorsal.{side}" not in spine.marks:
            continue
        s = SIGN[side]
        low = spine.mark(f"S2.foramen.dorsal.{side}")
        found = [p for p in _joint_points(free, low, s)]
        if not found:
            continue
        lowest = min(p[2] for p in found)
        near = [p for p in found if p[2] > lowest + 9.0]
        target = rounded(min(near or found, key=lambda p: abs(p[2] - lowest - 14.0)))
        seen = _seen(free, target, -s, range(0, 35_001, 5_000), range(-35_000, 35_001, 5_000), (15_000, -20_000))
        out.append(Way(("sacroiliac", "S", side), target, _normal(seen), seen))
    return out


def _joint_points(free: Fields, foramen: F64, s: float) -> list[F64]:
    """Return the most dorsal points between sacrum and ilium, one for each height."""
    out = []
    for z in np.arange(foramen[2] - 45.0, foramen[2] + 20.0, 3.0):
        hit: F64 | None = None
        for x in np.arange(8.0, 45.0, 1.0):
            for y in np.arange(25.0, -30.0, -1.0):
                p = np.array([foramen[0] + s * x, foramen[1] + y, z])
                d, b = bone_gap(free, *p)
                if b >= 0 and 0.2 < d < 2.5 and _second(free, p, b) < 3.0:
                    if hit is None or p[1] > hit[1]:
                        hit = p
                    break
        if hit is not None:
            out.append(hit)
    return out


def transpedicular(spine: Spine, free: Fields) -> list[Way]:
    """Return, for each pedicle, the end of a straight way through its middle in the anterior third of the body.

    Measures: primary and secondary of the axis, wall_mm (least distance of the axis to the pedicle's wall over the
    pedicle's length, from inside), depth_mm from the bone's entry to the target.
    """
    out = []
    for level, frame in spine.frames.items():
        body_front = 60.0 - free_way(free, *(frame.origin - 60.0 * frame.axes[1]), *frame.axes[1], 59.0)
        for side in SIDES:
            centre = spine.mark(f"{level}.pedicle.{side}.centre")
            best: tuple[float, F64, F64, float] | None = None
            for beside in np.arange(0.0, 13.0, 2.0):
                for up in (-3.0, 0.0, 3.0):
                    end = (
                        frame.origin
                        + SIGN[side] * beside * frame.axes[0]
                        - 0.45 * body_front * frame.axes[1]
                        + up * frame.axes[2]
                    )
                    way = unit(centre - end)
                    room = min(-float(bone_gap(free, *(centre + t * way))[0]) for t in (-4.0, -2.0, 0.0, 2.0, 4.0))
                    score = min(room, 4.5) - 0.05 * abs(beside - 4.0) - 0.05 * abs(up)
                    if best is None or score > best[0]:
                        best = (score, end, way, room)
            assert best is not None
            _, end, way, room = best
            primary, secondary = angles_of(way)
            n = gantry(primary, secondary).normal
            entry = 0.0
            while entry < 90.0 and float(bone_gap(free, *(centre + entry * n))[0]) < 0.0:
                entry += 0.5
            told = {"primary_mdeg": float(primary), "secondary_mdeg": float(secondary), "wall_mm": round(room, 3)}
            told["depth_mm"] = round(norm(centre - end) + entry, 2)
            out.append(Way(("transpedicular", level, side), rounded(end), n, told))
    return out


def angles_of(way: F64) -> tuple[int, int]:
    """Return the whole-degree (primary, secondary) in millidegrees whose beam looks most nearly along `way`."""
    best, found = -1.0, (0, 0)
    for step, span in ((10_000, 60_000), (2_000, 10_000), (500, 2_000)):
        p0, s0 = found
        for p in range(p0 - span, p0 + span + 1, step):
            for s in range(s0 - span, s0 + span + 1, step):
                c = dot(gantry(p, s).normal, way)
                if c > best:
                    best, found = c, (p, s)
    return found
