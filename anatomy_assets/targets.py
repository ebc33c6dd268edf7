"""Where the needle should go: the usual subpedicular target, an alternative, and a free way to each.

A grid of points under the pedicle and a grid of C-arm angles are tried against the bone grids and the
nerves; the best pair is kept. Angles are whole millidegrees (sim.frames), the search is + - * / sqrt only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import BELOW, SIDES, SIGN, Frame, Spine
from anatomy_assets.tables import number
from anatomy_assets.tubes import nearest_tube, obstacles, rounded, unit, within
from sim.errors import NumericalFault
from sim.fields import Fields, bone_distance
from sim.frames import dot, gantry, norm
from sim.jit import jit
from sim.phantom import Bone, Tube, TubeKind

F64 = NDArray[np.float64]

PRIMARY_MDEG = tuple(range(15_000, 35_001, 2_500))
SECONDARY_MDEG = tuple(range(-15_000, 15_001, 2_500))
WIDE_PRIMARY_MDEG = tuple(range(7_500, 42_501, 2_500))
WIDE_SECONDARY_MDEG = tuple(range(-25_000, 25_001, 2_500))
"""Tried where the usual angles leave no free way (a deep L5 between ala and crest)."""
SPARED = (TubeKind.SAC, TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS)
"""Tubes that a target and its way keep clear of; a dorsal ramus in the muscle is not among them."""
UPPER_THIRD, UPPER_SHARE = 0.35, 0.45
"""The usual target lies in this upper share of the foramen's height, the first where there is a way: under the pedicle."""
USUAL_BACK = 0.5
"""Where it is aimed at between disc and facet, as far as the nerve allows (share of the width, half way up)."""
BALL_MM = 3.9
"""No way to the alternative passes nearer than this to the usual target: the room of the trap's vessels."""


class Corridor(NamedTuple):
    """A target and the straight way to it: the needle travels against the beam of (primary, secondary)."""

    target: F64
    primary_mdeg: int
    secondary_mdeg: int
    bone_mm: float  # least distance of the way's axis to bone
    nerve_mm: float  # least distance of the target to a nerve or the sac

    @property
    def normal(self) -> F64:
        """Unit vector from the target along the way to the skin."""
        return gantry(self.primary_mdeg, self.secondary_mdeg).normal


@dataclass(frozen=True)
class Site:
    """What a search is laid against: free space, frame, pedicle points and the foramen of one side."""

    free: Fields
    frame: Frame
    pedicle: F64
    inferior: F64
    foramen: tuple[F64, F64, F64]  # its front (half way up), unit vectors backwards and down
    width: float  # front to back, half way up
    height: float  # pedicle to pedicle
    wall: tuple[F64, F64]  # posterior rims of the end plates above and below: behind their line is no disc
    half: float  # half width of the pedicle
    endplate: F64  # unit normal of the inferior end plate: squared when the beam lies in its plane
    side: str

    def within(self, points: F64) -> tuple[F64, F64]:
        """Return how far points (n, 3) lie below the pedicle and behind the front of the foramen (mm), in its own axes."""
        front, back, low = self.foramen
        d = points - front
        down = d[:, 0] * low[0] + d[:, 1] * low[1] + d[:, 2] * low[2] + 0.5 * self.height
        return down, d[:, 0] * back[0] + d[:, 1] * back[1] + d[:, 2] * back[2]


@jit
def way_clearance(f: Fields, p: F64, n: F64, far: float, enough: float) -> float:
    """Return the least bone distance along p + t n, t in 0..far; stops early below `enough`."""
    t = 0.0
    best = 1e3
    while t < far:
        d, _ = bone_distance(f, p[0] + t * n[0], p[1] + t * n[1], p[2] + t * n[2])
        best = min(best, d)
        if best < enough:
            return best
        t += max(0.25, 0.7 * (d - enough))
    return best


@jit
def way_tubes(f: Fields, p: F64, n: F64, far: float) -> float:
    """Return the least tube distance along p + t n, t in 0..far, at most 5 mm."""
    best = 5.0
    t = 0.0
    while t < far:
        d = nearest_tube(f, p[0] + t * n[0], p[1] + t * n[1], p[2] + t * n[2], 5.0)
        best = min(best, d)
        t += max(0.25, 0.7 * d)
    return best


@jit
def _best(
    f: Fields,
    points: F64,
    base: F64,
    normals: F64,
    rights: F64,
    toll: F64,
    pedicle: F64,
    inward: F64,
    reach: F64,
    avoid: F64,
    avoid_mm: float,
    bone_min: float,
    nerve_min: float,
    pull: float,
) -> tuple[float, int, int, float, float]:
    """Return (score, point, angle, bone clearance, nerve clearance) of the best pair; lowest score wins.

    points (n, 3), base (n,) score of a point; normals, rights (m, 3), toll (m,) score of an angle. rights
    also weighs how far the point lies from the pedicle's middle in that view (6 o'clock). inward, reach
    (n,): a point must see the canal: `reach` mm along `inward` are free of bone. pull: toll per mm that a
    point lies further than 2.5 mm from the nerve.
    """
    best = 1e9
    best_p, best_a = -1, -1
    best_bone, best_nerve = 0.0, 0.0
    for i in range(points.shape[0]):
        p = points[i]
        d, _ = bone_distance(f, p[0], p[1], p[2])
        if d < bone_min or base[i] > best:
            continue
        nerve = nearest_tube(f, p[0], p[1], p[2], 5.0)
        if nerve < nerve_min or way_clearance(f, p, inward, reach[i], 0.3) < 0.3:
            continue
        near = base[i] + 1.0 * max(0.0, 2.0 - nerve) + 0.7 * max(0.0, 2.0 - d) + pull * max(0.0, nerve - 2.5)
        for a in range(normals.shape[0]):
            n, r = normals[a], rights[a]
            side = (p[0] - pedicle[0]) * r[0] + (p[1] - pedicle[1]) * r[1] + (p[2] - pedicle[2]) * r[2]
            score = near + toll[a] + 0.25 * side * side
            if score >= best:
                continue
            if avoid_mm > 0.0:
                ax, ay, az = avoid[0] - p[0], avoid[1] - p[1], avoid[2] - p[2]
                t = max(0.0, ax * n[0] + ay * n[1] + az * n[2])
                ax, ay, az = ax - t * n[0], ay - t * n[1], az - t * n[2]
                if ax * ax + ay * ay + az * az < avoid_mm * avoid_mm:
                    continue
            way = way_clearance(f, p, n, 120.0, bone_min)
            if way < bone_min or way_tubes(f, p, n, 60.0) < min(nerve_min, nerve):
                continue
            score += 0.6 * max(0.0, 2.0 - way)
            if score < best:
                best, best_p, best_a, best_bone, best_nerve = score, i, a, way, nerve
    return best, best_p, best_a, best_bone, best_nerve


def _angles(site: Site, wide: bool) -> tuple[list[tuple[int, int]], F64, F64, F64]:
    """Return angle pairs, beam normals, picture-right vectors and tolls for an ipsilateral oblique.

    The toll of an angle grows with its distance from the usual oblique and from the squared end plate.
    """
    wanted = number("neurovascular", "target.oblique_deg")
    primary = WIDE_PRIMARY_MDEG if wide else PRIMARY_MDEG
    secondary = WIDE_SECONDARY_MDEG if wide else SECONDARY_MDEG
    pairs = [(int(SIGN[site.side]) * p, s) for p in primary for s in secondary]
    views = [gantry(p, s) for p, s in pairs]
    tilt = [57.3 * abs(dot(v.normal, site.endplate)) for v in views]  # degrees, small angles
    toll = [0.15 * abs(abs(p) / 1000.0 - wanted) + 0.12 * t for (p, _), t in zip(pairs, tilt, strict=True)]
    return pairs, np.array([v.normal for v in views]), np.array([v.right for v in views]), np.array(toll)


def lattice(site: Site, out: F64, back: F64, up: F64) -> tuple[F64, F64]:
    """Return points (n, 3) and their offsets (n, 3) outwards, posterior, superior from the pedicle's underside."""
    s, axes = SIGN[site.side], site.frame.axes
    offsets = np.array([[a, b, c] for a in out for b in back for c in up])
    points = (
        site.inferior[None, :]
        + s * offsets[:, :1] * axes[0][None, :]
        + offsets[:, 1:2] * axes[1][None, :]
        + offsets[:, 2:] * axes[2][None, :]
    )
    return rounded(points), offsets


def usual_target(site: Site) -> Corridor | None:
    """Return the 6 o'clock target in the upper part of the foramen, behind the nerve, and its way.

    The rules relax in steps where a foramen is narrow: first the angles, then the clearances; a target in the lower half
    of the foramen is the last resort. None where there is no way at all.
    """
    points, offsets = lattice(site, np.arange(-1.0, 6.1, 0.5), np.arange(-7.0, 9.1, 0.5), np.arange(-9.0, -1.0, 0.5))
    down, back = site.within(points)
    base = 0.3 * np.abs(offsets[:, 2] + 3.0) + 0.15 * np.abs(back - USUAL_BACK * site.width) + np.maximum(0.0, 0.5 - back)
    bone, nerve = number("neurovascular", "target.bone_clear_mm"), number("neurovascular", "target.nerve_clear_mm")
    inside = (down > 0.0) & (back > 0.0)
    third, upper = inside & (down < UPPER_THIRD * site.height), inside & (down < UPPER_SHARE * site.height)
    tiers = ((1.0, False, third), (1.0, True, third), (1.0, True, upper), (0.8, True, upper))
    for ease, wide, keep in (*tiers, (1.0, True, down > 0.0), (0.6, True, down > 0.0), (0.4, True, down > 0.0)):
        found = search(site, points[keep], base[keep], site.inferior, 0.0, ease * bone, min(1.0, ease + 0.2) * nerve, wide)
        if found is not None:
            return found
    return None


def alternative_target(site: Site, usual: Corridor) -> Corridor | None:
    """Return a second target 4-8 mm from the usual one, lower or more lateral, outside the disc; None if none."""
    tiers = ((1.0, False, 6.0), (1.0, True, 6.0), (1.0, True, 12.0), (0.8, True, 12.0), (0.6, True, 12.0))
    for ease, wide, out in tiers:
        points, offsets = lattice(
            site, np.arange(-4.0, out + 0.1, 0.5), np.arange(-8.0, out + 0.1, 0.5), np.arange(-18.0, -2.9, 0.5)
        )
        d = points - usual.target
        gap = np.sqrt(d[:, 0] * d[:, 0] + d[:, 1] * d[:, 1] + d[:, 2] * d[:, 2])
        keep = (gap > BALL_MM + 1.1) & (gap < 9.0) & (_behind_disc(site, points) > 1.5)
        points, offsets, gap = points[keep], offsets[keep], gap[keep]
        base = 0.5 * np.abs(gap - 5.5) + 0.05 * np.abs(offsets[:, 0]) + 0.3 * np.maximum(0.0, offsets[:, 2] + 4.5)
        found = search(site, points, base, usual.target, BALL_MM + 1.1, ease, ease, wide)
        if found is not None:
            return found
    return None


def _behind_disc(site: Site, points: F64) -> F64:
    """Return how far (mm, along y) points (n, 3) lie behind the line of the posterior body walls."""
    a, b = site.wall
    t = np.clip((points[:, 2] - a[2]) / (b[2] - a[2]), -0.5, 1.5)
    return np.asarray(points[:, 1] - (a[1] + t * (b[1] - a[1])), np.float64)


def sacral_target(spine: Spine, free: Fields, side: str) -> Corridor | None:
    """Return a target inside the dorsal opening of S1 and the way through it; None where none is free."""
    dorsal, ventral = spine.mark(f"S1.foramen.dorsal.{side}"), spine.mark(f"S1.foramen.ventral.{side}")
    steps = np.arange(-5.0, 5.1, 1.0)
    middle = 0.6 * dorsal + 0.4 * ventral
    points = rounded(np.array([middle + np.array([a, b, c]) for a in steps for b in steps for c in steps]))
    d = points - middle
    base = 0.15 * (np.abs(d[:, 0]) + np.abs(d[:, 1]) + np.abs(d[:, 2]))
    order = np.argsort(base, kind="stable")
    points, base = points[order], base[order]
    s = int(SIGN[side])
    pairs = [(s * p, t) for p in range(-5_000, 30_001, 2_500) for t in range(-35_000, 35_001, 2_500)]
    views = [gantry(p, t) for p, t in pairs]
    toll = np.array([0.04 * abs(abs(p) / 1000.0 - 8.0) + 0.02 * abs(t) / 1000.0 for p, t in pairs])
    normals = np.array([v.normal for v in views])
    none = np.zeros((len(pairs), 3))
    free_reach = np.zeros(len(points))
    for ease in (1.0, 0.7, 0.5):
        _, i, a, way, gap = _best(
            free, points, base, normals, none, toll, middle, normals[0], free_reach, middle, 0.0, ease, ease, 0.3
        )
        if i >= 0:
            return Corridor(points[i], pairs[a][0], pairs[a][1], float(way), float(gap))
    return None


def search(
    site: Site, points: F64, base: F64, centre: F64, avoid_mm: float, bone: float, nerve: float, wide: bool
) -> Corridor | None:
    """Return the best of points (n, 3) and their ways; base (n,): toll of a point; bone, nerve: least clearances (mm).

    avoid_mm: no way passes nearer to `centre` (0: the point must look like 6 o'clock instead). wide: more angles.
    """
    pairs, normals, rights, toll = _angles(site, wide)
    weight = rights if avoid_mm == 0.0 else 0.0 * rights  # only the usual target must look like 6 o'clock
    order = np.argsort(base, kind="stable")
    points, base = points[order], base[order]
    inward = -SIGN[site.side] * site.frame.axes[0]
    middle = float(site.frame.local(site.pedicle)[0])
    out = SIGN[site.side] * (site.frame.locals(points)[:, 0] - middle)
    reach = np.maximum(out + site.half + 1.0, 1.0)
    if avoid_mm > 0.0 and wide:
        reach = 0.0 * reach  # outside the foramen, along the nerve
    avoid = site.inferior if avoid_mm == 0.0 else centre
    _, i, a, way, gap = _best(
        site.free,
        points,
        base,
        normals,
        weight,
        toll,
        site.pedicle,
        inward,
        reach,
        avoid,
        avoid_mm,
        bone,
        nerve,
        0.5 if avoid_mm else 0.2,
    )
    if i < 0:
        return None
    return Corridor(points[i], pairs[a][0], pairs[a][1], float(way), float(gap))


def span(corridor: Corridor, far_mm: float) -> tuple[F64, F64]:
    """Return the two ends of a way: the target and a point `far_mm` towards the skin."""
    return corridor.target, corridor.target + far_mm * corridor.normal


def gap_between(a: Corridor, b: Corridor) -> float:
    """Return the distance between two targets (mm)."""
    return norm(a.target - b.target)


def all_targets(
    spine: Spine, bones: Sequence[Bone], nerve: Sequence[Tube], blocked: bool = False
) -> dict[tuple[str, str, str], Corridor]:
    """Return (approach, level, side) -> corridor for the usual and, where there is one, the alternative target.

    blocked: findings may leave a foramen without a way (then it has no target); in a healthy spine that is an error of
    the anatomy, not of the trainee.
    """
    free = obstacles(bones, [t for t in nerve if t.kind in SPARED])
    out: dict[tuple[str, str, str], Corridor] = {}
    for level in spine.lumbar:
        for side in SIDES:
            at = site(spine, free, level, side)
            usual = usual_target(at)
            if usual is None:
                if not blocked:
                    raise NumericalFault(f"no free way to the subpedicular target {level} {side}: foramen too narrow")
                continue
            out["subpedicular", level, side] = usual
            other = alternative_target(at, usual)
            if other is not None:
                out["alternative", level, side] = other
    for side in SIDES:
        here = spine.mark(f"S1.foramen.dorsal.{side}")
        sacral = sacral_target(spine, within(free, here - 95.0, here + 95.0), side)
        if sacral is not None:
            out["subpedicular", "S1", side] = sacral
    return out


def site(spine: Spine, free: Fields, level: str, side: str) -> Site:
    """Return the surroundings of the foramen under one pedicle."""
    frame = spine.frames[level]
    inferior = spine.mark(f"{level}.pedicle.{side}.inferior")
    low = BELOW[level]
    wall = spine.mark(f"{level}.wall.posterior") + spine.mark(f"{level}.endplate.inferior") - frame.origin
    under = spine.mark(f"{low}.wall.posterior")
    if f"{low}.body.centre" in spine.marks:
        under = under + spine.mark(f"{low}.endplate.superior") - spine.mark(f"{low}.body.centre")
    pedicle = spine.mark(f"{level}.pedicle.{side}.centre")
    half = spine.pedicle_half(level, side)
    reach = np.array([95.0 if side == "left" else 25.0, 125.0, 62.0])
    back = np.array([25.0 if side == "left" else 95.0, 25.0, 62.0])
    near = within(free, inferior - back, inferior + reach)
    front, behind = (spine.mark(f"{level}.foramen.{side}.{word}") for word in ("anterior", "posterior"))
    fall = spine.mark(f"{level}.foramen.{side}.inferior") - spine.mark(f"{level}.foramen.{side}.superior")
    own = (front, unit(behind - front), unit(fall))
    plate = spine.mark(f"{level}.endplate.inferior.normal")
    return Site(near, frame, pedicle, inferior, own, norm(behind - front), norm(fall), (wall, under), half, plate, side)
