"""The infraneural target (Kambin's triangle): below the exiting nerve, behind the disc, in front of the articular process.

Borders of the triangle: the exiting nerve (hypotenuse), the upper end plate of the vertebra below (base), dura and
articular process (height). The point lies just over the posterior rim of that end plate, outside the disc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import BELOW, SIDES, SIGN, Spine, cross
from anatomy_assets.skin import line
from anatomy_assets.tables import number
from anatomy_assets.targets import SPARED, Corridor, Site, lattice, search, site
from anatomy_assets.tubes import obstacles, unit
from sim.phantom import Bone, Tube, TubeKind

F64 = NDArray[np.float64]
N = "neurovascular"
LEAST_BEHIND_MM = 0.8
"""Nearer to the line between the posterior rims a tip would lie in the annulus."""
LEAST_OUT_MM = -1.0
"""Not further medial than this from the middle of the pedicle: the dura is near."""
BELOW_NERVE_MM = 1.5
"""The least way from the axis of the nerve down to the point."""
NERVE = (TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS)
LOWER_SHARE = 0.5
"""The point lies in this lower share of the foramen's height."""


def infraneural(spine: Spine, bones: Sequence[Bone], nerve: Sequence[Tube]) -> dict[tuple[str, str, str], Corridor]:
    """Return ("infraneural", level, side) -> target and way for every lumbar foramen that has a free way (S1 has no disc)."""
    free = obstacles(bones, [t for t in nerve if t.kind in SPARED])
    out: dict[tuple[str, str, str], Corridor] = {}
    for level in spine.lumbar:
        for side in SIDES:
            own = [t for t in nerve if (t.level, t.side) == (level, side) and t.kind in NERVE]
            found = _target(_lower(spine, site(spine, free, level, side), BELOW[level], side), own)
            if found is not None:
                out["infraneural", level, side] = found
    return out


def _lower(spine: Spine, at: Site, below: str, side: str) -> Site:
    """Return the surroundings as seen from the pedicle and the end plate below."""
    normal = spine.marks.get(f"{below}.endplate.superior.normal")
    if normal is None:  # the sacrum: square to the way from the middle of its end plate to the back of it
        back = spine.mark(f"{below}.wall.posterior") - spine.mark(f"{below}.endplate.superior")
        normal = unit(cross(at.frame.axes[0], back))
    return replace(at, inferior=spine.mark(f"{below}.pedicle.{side}.superior"), endplate=normal)


def _target(at: Site, own: Sequence[Tube]) -> Corridor | None:
    points, _ = lattice(at, np.arange(-4.0, 6.1, 1.0), np.arange(-4.0, 10.1, 0.5), np.arange(-1.0, 9.1, 1.0))
    down, back = at.within(points)
    out = _out(at, points)
    rim = at.within(at.wall[1][None, :])[0]
    up, behind = number(N, "infraneural.above_rim_mm"), number(N, "infraneural.behind_disc_mm")
    base = 0.3 * np.abs(down - rim + up) + 0.3 * np.abs(back - behind)
    keep = (down > LOWER_SHARE * at.height) & (down < at.height - 0.5) & (back > LEAST_BEHIND_MM)
    keep &= (out >= LEAST_OUT_MM) & (down > _under(at, own, out) + BELOW_NERVE_MM)
    bone, nerve = number(N, "target.bone_clear_mm"), number(N, "target.nerve_clear_mm")
    for ease, wide in ((1.0, False), (1.0, True), (0.8, True), (0.6, True)):
        found = search(at, points[keep], base[keep], at.inferior, 0.0, ease * bone, min(1.0, ease + 0.2) * nerve, wide)
        if found is not None:
            return found
    return None


def _out(at: Site, points: F64) -> F64:
    """Return how far (mm) points (n, 3) lie lateral to the middle of the pedicle above."""
    middle = float(at.frame.local(at.pedicle)[0])
    return np.asarray(SIGN[at.side] * (at.frame.locals(points)[:, 0] - middle))


def _under(at: Site, own: Sequence[Tube], out: F64) -> F64:
    """Return how far down the axis of the exiting nerve lies at lateral places `out` (n,)."""
    nodes = np.concatenate([t.nodes[:, :3] for t in own])
    places = _out(at, nodes)
    order = np.argsort(places, kind="stable")
    return line(out, places[order], at.within(nodes)[0][order])
