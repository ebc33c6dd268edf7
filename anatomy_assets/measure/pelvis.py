"""The pelvis against the spine.

Definitions:
  crest_above_l45_mm     mean of both highest points of the ilia over the middle of the L4-L5 disc, along the body's axis
  tuffier_level          where the line between the crests crosses the spine: 4.0 = middle of L4, 4.5 = disc L4-L5, 5.0 = L5
  rib_to_crest_mm        lowest point of the ribs over the same two points
  bi_iliac_width_mm      greatest side-to-side extent of both hip bones
  sij_gap_mm.<side>      least distance between sacrum and ilium
"""

from __future__ import annotations

import numpy as np

from anatomy_assets.measure.grid import distance
from anatomy_assets.measure.vertebrae import SIDES, levels_of, plate
from sim.phantom import Phantom


def measures(phantom: Phantom) -> dict[str, float]:
    """Return the measures of the pelvis; none where the field of view has no ilia."""
    bones = {b.name: b for b in phantom.bones}
    wings = {side: bones[f"ilium_{side}"] for side in SIDES if f"ilium_{side}" in bones}
    if len(wings) < 2:
        return {}
    shells = {side: np.asarray(b.to_patient(b.shell_vertices), np.float64) for side, b in wings.items()}
    top = float(np.mean([s[:, 2].max() for s in shells.values()]))
    out = crest(phantom, top)
    ribs = [float(b.to_patient(b.shell_vertices)[:, 2].min()) for name, b in bones.items() if name.startswith("rib")]
    if ribs:
        out["rib_to_crest_mm"] = min(ribs) - top
    every = np.concatenate(list(shells.values()))
    out["bi_iliac_width_mm"] = float(every[:, 0].max() - every[:, 0].min())
    for side, shell in shells.items():
        out[f"sij_gap_mm.{side}"] = float(distance(bones["S"], shell).min())
    return out


def crest(phantom: Phantom, z: float) -> dict[str, float]:
    """Return where a horizontal line at height z (mm) crosses the lower lumbar spine."""
    heights, names = [], []
    levels = levels_of(phantom)
    for level, below in zip(levels, (*levels[1:], "S1"), strict=True):
        if level not in ("L2", "L3", "L4", "L5"):
            continue
        upper, lower = plate(phantom, level, False), plate(phantom, below, True)
        heights += [float(phantom.landmark(f"{level}.body.centre")[2]), float(0.5 * (upper.middle + lower.middle)[2])]
        names += [float(level[1]), float(level[1]) + 0.5]
    order = np.argsort(heights)
    level_number = float(np.interp(z, np.array(heights)[order], np.array(names)[order]))
    return {"crest_above_l45_mm": z - heights[names.index(4.5)], "tuffier_level": level_number}
