"""Heights along the column: a number that counts vertebrae, and where it lies.

The coordinate of a vertebra's middle is its place in `ORDER` (T6 = 0 ... T12 = 6, L1 = 7 ... L5 = 11, S1 = 12 ...); a
third of a body is 0.24 above or below it, the disc below it is half way to the next. Published levels ("lower third
of L1", "L4-5 disc") become numbers that can be averaged, drawn and measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import ORDER, SACRAL, Spine

F64 = NDArray[np.float64]
THIRD = 0.24
BODY = 0.36
"""Half the height of a body; the rest up to 0.5 is disc."""
SACRAL_THIRD = 1.0 / 3.0


def coordinate(name: str) -> float:
    """Return the coordinate of the middle of a vertebra ("L1", "S2")."""
    return float((*ORDER, *SACRAL).index(name))


def _ladder(spine: Spine) -> tuple[F64, F64]:
    """Return coordinates (ascending) and z (descending): rims of the bodies, then the canal of the sacrum."""
    rows = []
    for level in spine.frames:
        c = coordinate(level)
        rows.append((c - BODY, spine.mark(f"{level}.endplate.superior")[2]))
        rows.append((c + BODY, spine.mark(f"{level}.endplate.inferior")[2]))
    first = spine.mark("S1.endplate.superior")[2]
    rows.append((coordinate("S1") - BODY, first))
    there = [name for name in SACRAL if f"{name}.canal.centre" in spine.marks]
    rows += [(coordinate(name) + (0.05 if name == "S1" else 0.0), spine.mark(f"{name}.canal.centre")[2]) for name in there]
    table = np.array(rows)
    return table[:, 0], table[:, 1]


def height(spine: Spine, at: float) -> float:
    """Return z (mm) of a coordinate; beyond the ends as the outermost vertebra goes on."""
    c, z = _ladder(spine)
    if at < c[0]:
        return float(z[0] + (at - c[0]) * (z[2] - z[0]) / (c[2] - c[0]))
    if at > c[-1]:
        return float(z[-1] + (at - c[-1]) * (z[-1] - z[-2]) / (c[-1] - c[-2]))
    i = min(int(np.searchsorted(c, at, side="right")) - 1, len(c) - 2)
    return float(z[i] + (at - c[i]) * (z[i + 1] - z[i]) / (c[i + 1] - c[i]))


def number_at(spine: Spine, z: float) -> float:
    """Return the coordinate of a height: the inverse of `height`."""
    c, heights = _ladder(spine)
    if z > heights[0]:
        return float(c[0] + (z - heights[0]) * (c[2] - c[0]) / (heights[2] - heights[0]))
    if z < heights[-1]:
        return float(c[-1] + (z - heights[-1]) * (c[-1] - c[-2]) / (heights[-1] - heights[-2]))
    i = max(int(np.searchsorted(-heights, -z, side="right")) - 1, 0)
    i = min(i, len(c) - 2)
    return float(c[i] + (z - heights[i]) * (c[i + 1] - c[i]) / (heights[i + 1] - heights[i]))
