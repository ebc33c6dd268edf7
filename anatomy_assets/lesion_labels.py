"""What findings change in the label volume: bulging disc and thick flavum at a stenosis, gas in discs and broken bodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anatomy_assets import labels as paint
from anatomy_assets.landmarks import Spine, cross
from anatomy_assets.sac import sac_at
from anatomy_assets.tubes import unit
from sim.frames import norm
from sim.phantom import Tissue, Tube, TubeKind

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
FAT_MM = 0.7
"""Epidural fat left round a squeezed sac."""
REACH_MM = 16.0
BULGE_OVER_MM = 1.5
"""A disc bulges so much over its rims."""
GAS_MM = (1.0, 9.0, 6.0)
"""Half height, half width and half depth of the gas in a disc."""


def paint_stenoses(out: U8, origin: F64, h: float, spine: Spine, tubes: Sequence[Tube]) -> None:
    """Fill the fat about a squeezed sac: annulus in front of it, flavum behind it."""
    sac = next((t for t in tubes if t.kind is TubeKind.SAC), None)
    for level, lesion in spine.lesions.discs.items():
        if sac is None or lesion.sac_depth_mm <= 0.0:
            continue
        middle = spine.disc(level)
        half = 0.5 * norm(spine.mark(f"{level}.endplate.inferior") - spine.mark(f"{level}.body.centre")) + BULGE_OVER_MM
        low = np.maximum(np.floor((middle - REACH_MM - origin) / h), 0).astype(int)
        high = np.minimum(np.ceil((middle + REACH_MM - origin) / h).astype(int) + 16, np.array(out.shape))
        for k in range(low[2], high[2]):
            z = origin[2] + h * k
            if abs(z - middle[2]) > 11.0:
                continue
            x0, y0, _, r, wide = (float(v) for v in sac_at(sac, z))
            part = out[low[0] : high[0], low[1] : high[1], k]
            x = origin[0] + h * np.arange(low[0], high[0])[:, None] - x0
            y = origin[1] + h * np.arange(low[1], high[1])[None, :] - y0
            side = np.maximum(np.abs(x) - wide, 0.0)
            fat = (part == Tissue.EPIDURAL_FAT) & (np.sqrt(side * side + y * y) > r + FAT_MM) & (np.abs(x) < wide + r + 3.0)
            part[fat & (y > 0.0)] = Tissue.LIGAMENTUM_FLAVUM
            if abs(z - middle[2]) < min(half, 7.0):
                part[fat & (y <= 0.0)] = Tissue.DISC_ANNULUS


def paint_gas(out: U8, origin: F64, h: float, spine: Spine) -> None:
    """Paint the vacuum phenomenon of discs and the cleft under the upper end plate of broken bodies."""
    places = [(spine.disc(level), level) for level, lesion in spine.lesions.discs.items() if lesion.vacuum]
    for level in spine.lesions.clefts:
        top, middle = spine.mark(f"{level}.endplate.superior"), spine.mark(f"{level}.body.centre")
        places.append((top - 5.0 * unit(top - middle), level))
    for centre, level in places:
        frame = spine.frames[level]
        up = unit(spine.mark(f"{level}.endplate.inferior.normal"))
        left = unit(frame.axes[0] - (frame.axes[0] * up).sum() * up)
        size = np.array(GAS_MM)
        paint.paint_gate(out, origin, h, centre, np.stack([up, left, cross(up, left)]), size, 0.0, 0.0, int(Tissue.VACUUM))
