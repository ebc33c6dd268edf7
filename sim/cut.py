"""The path that the tip has cut: points where the shaft rests, which tissue each piece lies in, where the tip was.

Hub axes as in sim.shaft; docs/PHYSICS.md has the rule for a tip that withdraws and leaves its track.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.frames import sincos_mdeg
from sim.jit import inner
from sim.shaft import Rod, to_hub, to_patient, upright

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

PATH_STEP_MM = 0.5


@inner
def path_to_hub(frame: F64, entry: F64, path: F64, count: int, local: F64) -> None:
    """Write the path in hub axes."""
    for i in range(count):
        local[i, 0], local[i, 1], local[i, 2] = to_hub(frame, entry, path[i, 0], path[i, 1], path[i, 2])


@inner
def add_point(
    frame: F64, entry: F64, end: F64, tip: F64, path: F64, local: F64, trail: F64, label: I64, count: int, tissue: int
) -> int:
    """Move the live end of the path to `end` (hub axes), or add a point once the last piece is PATH_STEP_MM long.

    label[j] is the tissue of the piece j -> j + 1, trail[j] where the tip was. Returns the number of points.
    """
    fixed = count < 2 or label[count - 2] != tissue or label[count - 1] < 0
    if not fixed:
        j = count - 2
        dx, dy, dz = local[j + 1, 0] - local[j, 0], local[j + 1, 1] - local[j, 1], local[j + 1, 2] - local[j, 2]
        fixed = dx * dx + dy * dy + dz * dz >= PATH_STEP_MM * PATH_STEP_MM
    if fixed and count < path.shape[0]:
        label[count - 1] = tissue
        count += 1
    j = count - 1
    local[j, 0], local[j, 1], local[j, 2] = end[0], end[1], end[2]
    trail[j, 0], trail[j, 1], trail[j, 2] = tip[0], tip[1], tip[2]
    label[j] = tissue
    path[j, 0], path[j, 1], path[j, 2] = to_patient(frame, entry, end[0], end[1], end[2])
    return count


@inner
def left_track(radius: float, frame: F64, entry: F64, x: float, y: float, z: float, local: F64, trail: F64, count: int) -> int:
    """Return how many points of the path to keep: all, or those behind the tip if it has left its former track.

    (x, y, z): tip in hub axes. It has left when it is further than the radius of the shaft from where the tip
    was when it cut this depth.
    """
    j = count - 2
    while j > 0 and local[j, 2] > z:
        j -= 1
    span = local[j + 1, 2] - local[j, 2]
    s = min(max((z - local[j, 2]) / span, 0.0), 1.0) if span > 1e-9 else 1.0
    ax, ay, _a = to_hub(frame, entry, trail[j, 0], trail[j, 1], trail[j, 2])
    bx, by, _b = to_hub(frame, entry, trail[j + 1, 0], trail[j + 1, 1], trail[j + 1, 2])
    dx, dy = x - ax - s * (bx - ax), y - ay - s * (by - ay)
    if dx * dx + dy * dy <= radius * radius or z - local[j, 2] < 1e-6:
        return count
    return j + 1


@inner
def cut_path(
    rod: Rod,
    frame: F64,
    entry: F64,
    roll: int,
    w: F64,
    tip_z: float,
    tip: F64,
    touching: bool,
    advancing: bool,
    path: F64,
    local: F64,
    trail: F64,
    label: I64,
    count: int,
    tissue: int,
) -> int:
    """Cut on from the end of the path if the tip has passed it; begin a new one where the tip left its track.

    The cut goes along tip direction + bevel angle, over the axial travel of the tip. A tip held by bone cuts where
    it is.
    """
    last = w.shape[0] - 1
    end = np.empty(3)
    end[0], end[1], end[2] = w[last, 0], w[last, 2], tip_z
    beyond = tip_z - local[count - 1, 2]
    if beyond < -1e-9:
        if not advancing or count < 2:
            return count
        keep = left_track(rod.radius, frame, entry, w[last, 0], w[last, 2], tip_z, local, trail, count)
        if keep == count:
            return count
        label[keep - 1] = -1  # a new piece begins here
        return add_point(frame, entry, end, tip, path, local, trail, label, keep, tissue)
    if beyond <= 1e-9:
        return count
    if not touching:
        s, c = sincos_mdeg(roll)
        axial = beyond / upright(w[last, 1], w[last, 3])
        end[0] = local[count - 1, 0] + axial * (w[last, 1] + rod.kick * c)
        end[1] = local[count - 1, 1] + axial * (w[last, 3] + rod.kick * s)
    return add_point(frame, entry, end, tip, path, local, trail, label, count, tissue)
