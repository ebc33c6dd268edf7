"""What a finding is measured by, on baked bones (grids, not parameters).

Definitions:
  disc_height                 mean of front, middle and back between the end plates, square to the disc
  slip_percent.L4-L5          way of the hindmost edge forwards along the end plate below, against that plate's depth
                              (Meyerding, as a share)
  cobb_deg                    between the upper plate of the upper and the lower plate of the lower end vertebra, each a line
                              through its surface 14 mm left and right of the middle, as an AP picture shows them
  foramen_width_mm.L4-L5.<side>  least sagittal way from the line between the bodies' back rims to the bone behind, in the plane
                              of the pedicle, between the lower rim of the upper body and the middle of the disc
  loss_percent.L1.<front|middle|back>  height lost against the same body unbroken
  process_height_mm.L5.<side>  height of the transverse process, the greatest outside the pedicle
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.measure.grid import along, distance, first
from anatomy_assets.measure.vertebrae import Axes, _run, _surface, _unit, axes_of, bone_of, levels_of, plate
from sim.phantom import Bone, Phantom

F64 = NDArray[np.float64]
BESIDE_MM = 14.0
OUT_MM = 9.0
BORDER_MM = 1.0
"""How far behind its front edge the border of a body is measured: on the rim, not on its rounding."""


def below(phantom: Phantom, level: str) -> str:
    """Return the vertebra below another one, S1 for the last."""
    names = levels_of(phantom)
    i = names.index(level)
    return names[i + 1] if i + 1 < len(names) else "S1"


def slip_percent(phantom: Phantom, level: str) -> float:
    """Return how far a vertebra has slipped forwards on the one below (% of the depth of the plate below)."""
    upper, lower = plate(phantom, level, False), plate(phantom, below(phantom, level), True)
    way = lower.front - lower.edge
    way = way / np.sqrt((way * way).sum())
    return float(100.0 * ((upper.edge - lower.edge) @ way) / lower.depth)


def disc_height(phantom: Phantom, level: str, least: float = 0.0) -> float:
    """Return the height (mm) of the disc below a vertebra: mean of front, middle and back, square to the disc.

    Across the disc, not from rim to rim: osteophytes of neighbours lie at other depths, and so do the rims of a slip.
    least: to what rims will be cut apart that stand nearer (bones whose joints are not cut yet).
    """
    upper, lower = plate(phantom, level, False), plate(phantom, below(phantom, level), True)
    way = _unit(_unit(upper.back - upper.front) + _unit(lower.back - lower.front))
    left = axes_of(phantom, level).left
    up = np.cross(_unit(left - (left @ way) * way), way)
    pairs = ((upper.front, lower.front), (upper.middle, lower.middle), (upper.back, lower.back))
    return float(np.mean([max(float((a - b) @ up), least) for a, b in pairs]))


def cobb_deg(phantom: Phantom, upper: str, lower: str) -> float:
    """Return the Cobb angle (deg) between two end vertebrae; + for a curve convex to the left."""
    return _lean(phantom, upper, True) - _lean(phantom, lower, False)


def _lean(phantom: Phantom, level: str, top: bool) -> float:
    """Return the angle (deg) of an end plate in the frontal plane, + where its left end is higher."""
    bone, a = bone_of(phantom, level), axes_of(phantom, level)
    sign = 1.0 if top else -1.0
    ends = []
    for left in (-BESIDE_MM, BESIDE_MM):
        high = _surface(bone, a, left, 0.0, sign, sign * 4.0)
        ends.append(a.at(left, 0.0, high))
    way = ends[1] - ends[0]
    return float(np.degrees(np.arctan2(way[2], way[0])))


def foramen_width(phantom: Phantom, level: str, side: str) -> float:
    """Return the least sagittal width (mm) of the foramen below a vertebra at the height of the disc; NaN without bone."""
    a = axes_of(phantom, level)
    low = below(phantom, level)
    bones = (bone_of(phantom, level), bone_of(phantom, low))
    upper, lower = plate(phantom, level, False), plate(phantom, low, True)
    out = float((phantom.landmark(f"{level}.pedicle.{side}.centre") - a.origin) @ a.left)
    rim = upper.back + 2.5 * a.up + out * a.left
    wall = _wall(bones[0], rim, a)
    step = lower.back - upper.back
    found = []
    for share in (-0.15, 0.0, 0.15, 0.3, 0.5):
        start = wall - 2.5 * a.up + share * step + 1.2 * a.back
        ways = [first(*along(b, start, a.back, 30.0), True) for b in bones]
        if np.isfinite(ways).any():
            found.append(1.2 + float(np.nanmin(ways)))
    return min(found) if found else float("nan")


def _wall(bone: Bone, rim: F64, a: Axes) -> F64:
    """Return where the back wall of a body lies at a height: from inside the body backwards."""
    start = rim - 8.0 * a.back
    way = first(*along(bone, start, a.back, 24.0), False)
    return np.asarray(start + (way if np.isfinite(way) else 8.0) * a.back)


def process_height(phantom: Phantom, level: str, side: str) -> float:
    """Return the greatest height (mm) of a transverse process from 9 mm outside the pedicle on (3 mm of its length at least)."""
    bone, a = phantom.bone(level), axes_of(phantom, level)
    sign = 1.0 if side == "left" else -1.0
    tip = (phantom.landmark(f"{level}.transverse.{side}.tip") - a.origin) @ np.stack([a.left, a.back, a.up]).T
    start = float((phantom.landmark(f"{level}.pedicle.{side}.lateral") - a.origin) @ a.left)
    best = 0.0
    ups = np.arange(-40.0, 30.1, 0.25)
    end = abs(float(tip[0])) - 3.0
    for out in np.arange(min(abs(start) + OUT_MM, end - 3.0), end + 0.1, 1.5):
        for back in np.arange(float(tip[1]) - 8.0, float(tip[1]) + 4.1, 2.0):
            points = np.array([a.at(sign * out, back, u) for u in ups])
            inside = distance(bone, points) < 0.0
            best = max(best, _longest(inside) * 0.25)
    return best


def _longest(mask: NDArray[np.bool_]) -> int:
    best = run = 0
    for value in mask:
        run = run + 1 if value else 0
        best = max(best, run)
    return best


def body_heights(phantom: Phantom, level: str) -> tuple[float, float, float]:
    """Return the heights (mm) of a body at its front border, in the middle and at its back border (midsagittal)."""
    bone, a = bone_of(phantom, level), axes_of(phantom, level)
    places = np.arange(-26.0, 26.1, 0.25)
    tops = [np.array([_surface(bone, a, 0.0, p, sign, sign * 0.5, 22.0) for p in places]) for sign in (1.0, -1.0)]
    run = _run(np.isfinite(tops[0]) & np.isfinite(tops[1]), len(places) // 2)
    depth = plate(phantom, level, True).depth, plate(phantom, level, False).depth
    heights = (tops[0] - tops[1])[run]
    last = min(int(max(depth) / 0.25), len(heights) - 1)
    border = int(BORDER_MM / 0.25)
    front, back = float(heights[border]), float(np.max(heights[last - 3 * border : last]))
    return front, float(np.min(heights[last // 3 : 2 * last // 3])), back
