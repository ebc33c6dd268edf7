"""What lies between two vertebrae: discs, segment angles, foramina; and the curve of the lumbar spine.

Definitions:
  disc_height_front_mm, _back_mm   between the rims in the midsagittal plane; _middle_mm between the end plates
  disc_height_mean_mm              mean of front, middle and back
  segment_lordosis_deg.L4-L5       between the upper end plates of L4 and L5 (S1 below L5), + lordotic
  lordosis_deg                     between the upper end plates of L1 and S1
  sacral_slope_deg                 upper end plate of S1 against the horizontal of a standing patient
  foramen_height_mm.L4-L5.<side>   lower border of the L4 pedicle to the upper border of the L5 pedicle, each where the notch
                                   is deepest within 4 mm of the middle of the pedicle
  foramen_length_mm.L4-L5.<side>   medial to lateral border of the pedicle above
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.measure.grid import along, distance, first
from anatomy_assets.measure.vertebrae import SIDES, angle_deg, axes_of, bone_of, levels_of, pedicle, plate
from sim.phantom import Phantom

F64 = NDArray[np.float64]
REACH_MM = 4.0


def measures(phantom: Phantom) -> dict[str, float]:
    """Return the measures of every disc and foramen of the phantom."""
    levels = levels_of(phantom)
    out = curve(phantom)
    for level, below in zip(levels, (*levels[1:], "S1"), strict=True):
        name = f"{level}-{below}"
        upper, lower = plate(phantom, level, False), plate(phantom, below, True)
        front, middle, back = (_length(a - b) for a, b in _pairs(upper, lower))
        out |= {f"disc_height_front_mm.{name}": front, f"disc_height_middle_mm.{name}": middle}
        out |= {f"disc_height_back_mm.{name}": back, f"disc_height_mean_mm.{name}": (front + middle + back) / 3.0}
        for side in SIDES:
            out |= _foramen(phantom, level, below, side)
    return out


def _pairs(upper: object, lower: object) -> list[tuple[F64, F64]]:
    return [(getattr(upper, w), getattr(lower, w)) for w in ("front", "middle", "back")]


def curve(phantom: Phantom) -> dict[str, float]:
    """Return segment angles, lordosis and sacral slope: of a re-posed phantom, too (bones and landmarks suffice)."""
    levels = (*levels_of(phantom), "S1")
    left = axes_of(phantom, "S1").left
    ways = {level: (lambda p: p.back - p.front)(plate(phantom, level, True)) for level in levels}
    out = {f"segment_lordosis_deg.{a}-{b}": angle_deg(ways[a], ways[b], left) for a, b in pairwise(levels)}
    if "L1" in levels:
        out["lordosis_deg"] = angle_deg(ways["L1"], ways["S1"], left)
    out["sacral_slope_deg"] = angle_deg(np.array([0.0, 1.0, 0.0]), ways["S1"], np.array([1.0, 0.0, 0.0]))
    return out


def _foramen(phantom: Phantom, level: str, below: str, side: str) -> dict[str, float]:
    base = f"{level}-{below}.{side}"
    return {
        f"foramen_height_mm.{base}": foramen_height(phantom, level, below, side),
        f"foramen_length_mm.{base}": pedicle(phantom, level, side)[0],
    }


def foramen_height(phantom: Phantom, level: str, below: str, side: str) -> float:
    """Return the height (mm) of one foramen: pedicle to pedicle."""
    high = _border(phantom, level, side, -axes_of(phantom, level).up)
    low = _border(phantom, below, side, axes_of(phantom, below).up)
    return _length(high - low)


def _border(phantom: Phantom, level: str, side: str, way: F64) -> F64:
    """Return the deepest point of a notch: where rays from inside the pedicle leave the bone soonest."""
    bone, back = bone_of(phantom, level), axes_of(phantom, level).back
    middle = phantom.landmark(f"{level}.pedicle.{side}.centre")
    starts = [middle + s * back for s in np.arange(-REACH_MM, REACH_MM + 0.1, 1.0)]
    ends = [p + first(*along(bone, p, way, 22.0), False) * way for p in starts if distance(bone, p)[0] < 0.0]
    return np.asarray(min(ends, key=lambda q: float(q @ way)))


def _length(v: F64) -> float:
    return float(np.sqrt((v * v).sum()))
