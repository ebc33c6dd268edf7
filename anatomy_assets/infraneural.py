"""The infraneural target (Kambin's triangle): below the exiting nerve, behind the disc, in front of the articular process.

Borders of the triangle: the exiting nerve (hypotenuse), the upper end plate of the vertebra below (base), dura and
articular process (height). The point lies just over the posterior rim of that end plate, outside the disc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import BELOW, SIDES, Spine, cross
from anatomy_assets.tables import number
from anatomy_assets.targets import SPARED, Corridor, Site, lattice, search, site
from anatomy_assets.tubes import obstacles, unit
from sim.phantom import Bone, Tube

F64 = NDArray[np.float64]
N = "neurovascular"
LEAST_BEHIND_MM = 0.8
"""Nearer to the line between the posterior rims a tip would lie in the annulus."""
LOWER_SHARE = 0.5
"""The point lies in this lower share of the foramen's height."""


def infraneural(spine: Spine, bones: Sequence[Bone], nerve: Sequence[Tube]) -> dict[tuple[str, str, str], Corridor]:
    """Return ("infraneural", level, side) -> target and way for every lumbar foramen that has a free way (S1 has no disc)."""
    free = obstacles(bones, [t for t in nerve if t.kind in SPARED])
    out: dict[tuple[str, str, str], Corridor] = {}
    for level in spine.lumbar:
        for side in SIDES:
            found = _target(_lower(spine, site(spine, free, level, side), BELOW[level], side))
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


def _target(at: Site) -> Corridor | None:
    points, _ = lattice(at, np.arange(-2.0, 6.1, 0.5), np.arange(-4.0, 14.1, 0.5), np.arange(-1.0, 12.1, 0.5))
    down, back = at.within(points)
    rim = at.within(at.wall[1][None, :])[0]
    up, behind = number(N, "infraneural.above_rim_mm"), number(N, "infraneural.behind_disc_mm")
    base = 0.3 * np.abs(down - rim + up) + 0.3 * np.abs(back - behind)
    keep = (down > LOWER_SHARE * at.height) & (down < at.height - 0.5) & (back > LEAST_BEHIND_MM)
    bone, nerve = number(N, "target.bone_clear_mm"), number(N, "target.nerve_clear_mm")
    for ease, wide in ((1.0, False), (1.0, True), (0.8, True), (0.6, True)):
        found = search(at, points[keep], base[keep], at.inferior, 0.0, ease * bone, min(1.0, ease + 0.2) * nerve, wide)
        if found is not None:
            return found
    return None
