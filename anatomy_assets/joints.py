"""Put baked bones together: cut the joints at the pose in which the bones stand.

A bone is baked once, alone, in its own frame (`Plain`). Where two neighbours A and B come closer than the
gap of their joint, both are pushed back by half: A' = max(A, (A - B + gap) / 2), so A' + B' >= gap everywhere.
The cut is made on the distance grids, then the bone is re-distanced and meshed. Another posture, a slip or
a scoliosis is thus a new cut, never a new bake; bones whose neighbours have not moved against them are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.redistance import redistance
from sim.jit import jit

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I16 = NDArray[np.int16]
RENEW_MM = 7.0
"""How far round a cut distances are made anew (mm): more than any query of the engines needs to be exact."""


@dataclass(frozen=True)
class Plain:
    """One bone by itself: distances (10 um steps) in its own frame, before its joints are cut."""

    name: str
    distance_10um: I16
    origin_mm: F64
    spacing_mm: float


@dataclass(frozen=True)
class Pose:
    """Rotation (3, 3) and translation (3,) mm of a bone, own frame -> patient frame."""

    rotation: F64
    translation_mm: F64


@dataclass(frozen=True)
class Joint:
    """Two neighbours and the least gap (mm) between them; right_mm: on the right side, where it differs from the left."""

    one: str
    two: str
    gap_mm: float
    right_mm: float | None = None

    @property
    def gaps(self) -> tuple[float, float]:
        """The least gap on the left and on the right."""
        return self.gap_mm, self.gap_mm if self.right_mm is None else self.right_mm


def partners(joints: Sequence[Joint], name: str) -> list[tuple[str, tuple[float, float]]]:
    """Return (neighbour, gaps) of a bone."""
    return [(j.two, j.gaps) for j in joints if j.one == name] + [(j.one, j.gaps) for j in joints if j.two == name]


def relative(own: Pose, other: Pose) -> F64:
    """Return the move from one bone's frame to another's: rotation row by row, then shift (12 numbers), on a lattice of 1e-9.

    The lattice makes the move the same however the two came to stand: moved together, they are cut as before.
    """
    a, b = other.rotation, own.rotation
    d = own.translation_mm - other.translation_mm
    turn = [[a[0, i] * b[0, j] + a[1, i] * b[1, j] + a[2, i] * b[2, j] for j in range(3)] for i in range(3)]
    shift = [a[0, i] * d[0] + a[1, i] * d[1] + a[2, i] * d[2] for i in range(3)]
    return np.asarray(np.floor(np.array([*turn[0], *turn[1], *turn[2], *shift]) * 1e9 + 0.5) / 1e9, np.float64)


def cut(plain: Mapping[str, Plain], poses: Mapping[str, Pose], joints: Sequence[Joint], name: str) -> I16:
    """Return the distances of one bone with its joints cut; the plain grid itself where nothing is near."""
    own = plain[name]
    field = own.distance_10um.astype(np.float32) * np.float32(0.01)
    boxes = []
    for other, gap in partners(joints, name):
        if other in plain:
            b = plain[other]
            move = relative(poses[name], poses[other])
            grids = (own.distance_10um, own.origin_mm, own.spacing_mm, b.distance_10um, b.origin_mm, b.spacing_mm)
            box = np.array([[2**30] * 3, [-1] * 3], np.int64)
            carve(*grids, move, *gap, field, box)
            if box[1, 0] >= 0:
                boxes.append(box)
    if not boxes:
        return own.distance_10um
    out = np.floor(field * np.float32(100.0) + np.float32(0.5)).astype(np.int16)
    for box in boxes:
        _renew(field, own.spacing_mm, box, out)
    return out


def _renew(field: F32, spacing: float, box: NDArray[np.int64], out: I16) -> None:
    """Re-distance the surroundings of a cut (voxel box, both ends included) into `out`.

    Inside the enlarged box a distance is right as long as it is less than the way to the box's own border;
    beyond, the surface has not changed and the old value stands.
    """
    pad = int(RENEW_MM / spacing) + 1
    low = [max(int(v) - pad, 0) for v in box[0]]
    high = [min(int(v) + pad + 1, n) for v, n in zip(box[1], field.shape, strict=True)]
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    found = np.empty([b - a for a, b in zip(low, high, strict=True)], np.int16)
    redistance(np.ascontiguousarray(field[part]), spacing, found)
    reach = np.full(found.shape, 32_000, np.int32)
    for axis, (a, b, n) in enumerate(zip(low, high, field.shape, strict=True)):
        steps = np.arange(b - a, dtype=np.int32)
        way = np.minimum(steps if a > 0 else 2**20, steps[::-1] if b < n else 2**20) * np.int32(100.0 * spacing)
        reach = np.minimum(reach, way.reshape([-1 if i == axis else 1 for i in range(3)]))
    known = np.abs(found.astype(np.int32)) <= reach
    out[part][known] = found[known]


def unmoved(before: Mapping[str, Pose], after: Mapping[str, Pose], joints: Sequence[Joint], name: str) -> bool:
    """Return whether a bone stands to all its neighbours as before: its cut is then the same to the bit."""
    names = [other for other, _ in partners(joints, name) if other in before or other in after]
    if name not in before or any(n not in before or n not in after for n in names):
        return False
    return all(np.array_equal(relative(before[name], before[n]), relative(after[name], after[n])) for n in names)


@jit
def carve(
    own: I16, origin: F64, spacing: float, other: I16, other_origin: F64, other_spacing: float, move: F64,
    gap_left: float, gap_right: float, out: F32, box: NDArray[np.int64],
) -> None:  # fmt: skip
    """Push the surface of `out` (mm, starts as `own`) back from another bone; `box` takes in the changed voxels.

    Only values near the new surface are written: redistancing makes the rest from it.
    """
    nx, ny, nz = own.shape
    mx, my, mz = other.shape
    deep = -2.0 * spacing
    for i in range(nx):
        x = origin[0] + i * spacing
        for j in range(ny):
            y = origin[1] + j * spacing
            gap = gap_left if y >= 0.0 else gap_right
            for k in range(nz):
                a = own[i, j, k] * 0.01
                if a >= gap:
                    continue
                z = origin[2] + k * spacing
                u = (move[0] * x + move[1] * y + move[2] * z + move[9] - other_origin[0]) / other_spacing
                v = (move[3] * x + move[4] * y + move[5] * z + move[10] - other_origin[1]) / other_spacing
                w = (move[6] * x + move[7] * y + move[8] * z + move[11] - other_origin[2]) / other_spacing
                if not (0.0 <= u < mx - 1 and 0.0 <= v < my - 1 and 0.0 <= w < mz - 1):
                    continue
                p, q, r = int(u), int(v), int(w)
                u, v, w = u - p, v - q, w - r
                c00 = other[p, q, r] * (1.0 - w) + other[p, q, r + 1] * w
                c01 = other[p, q + 1, r] * (1.0 - w) + other[p, q + 1, r + 1] * w
                c10 = other[p + 1, q, r] * (1.0 - w) + other[p + 1, q, r + 1] * w
                c11 = other[p + 1, q + 1, r] * (1.0 - w) + other[p + 1, q + 1, r + 1] * w
                b = ((c00 * (1.0 - v) + c01 * v) * (1.0 - u) + (c10 * (1.0 - v) + c11 * v) * u) * 0.01
                pushed = 0.5 * (a - b + gap)
                if pushed > out[i, j, k] and pushed > deep:
                    out[i, j, k] = pushed
                    box[0, 0], box[0, 1], box[0, 2] = min(box[0, 0], i), min(box[0, 1], j), min(box[0, 2], k)
                    box[1, 0], box[1, 1], box[1, 2] = max(box[1, 0], i), max(box[1, 1], j), max(box[1, 2], k)
