"""Line integrals through a volume of attenuation (an imported CT): Joseph's method, plane by plane, empty space skipped.

A ray steps over the planes of the axis that it runs along most; in each plane the value is bilinear between four voxels; the sum
times the ray's length between two planes is the integral (Joseph 1982). Blocks of 8 voxels that hold nothing above the
threshold are jumped over, and rays that miss the box of everything else cost nothing. Pictures only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.crew import Crew
from sim.errors import DataError
from sim.jit import jit
from sim.phantom import Scan
from sim.raster import Camera
from sim.view import Pose

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

BLOCK = 8
WATER_PER_MM = 0.0205476
BONE_PER_WATER = 0.0604465 / 0.0205476
"""Attenuation of cortical bone in that of water at 60 keV (sim.scene.MU_60KEV_PER_MM)."""
AIR_BELOW_HU, BONE_FROM_HU = -950, 150
"""Nothing is drawn below the first; from the second on a voxel is shared between soft tissue and cortical bone (chosen)."""


@dataclass(frozen=True, eq=False)
class Volume:
    """Attenuation per mm on a grid in the patient frame: values (nx, ny, nz) float32, centre of voxel (0, 0, 0), spacing mm.

    DataError for a grid that is empty, has no three axes, negative spacing, or values that are not finite.
    """

    values: F32
    origin_mm: F64
    spacing_mm: F64
    threshold: float = 0.0

    def __post_init__(self) -> None:
        """Check what a person can get wrong."""
        if self.values.ndim != 3 or min(self.values.shape, default=0) < 2:
            raise DataError(f"volume of shape {self.values.shape}; expected three axes of at least 2 voxels")
        if not np.isfinite(self.values).all():
            count = int((~np.isfinite(self.values)).sum())
            raise DataError(f"volume: {count} voxels are not finite (NaN or infinite); expected attenuation per mm everywhere")
        if not (np.asarray(self.spacing_mm) > 0).all():
            raise DataError(
                f"volume: spacing {tuple(self.spacing_mm)} mm; expected three positive numbers (axes x left, y back, z up)"
            )

    @cached_property
    def blocks(self) -> NDArray[np.uint8]:
        """Return 1 where a block of 8 x 8 x 8 voxels, with one voxel around, holds anything above the threshold."""
        count = [-(-n // BLOCK) for n in self.values.shape]
        out = np.zeros(count, np.uint8)
        fill_blocks(np.ascontiguousarray(self.values), float(self.threshold), out)
        return out

    @cached_property
    def box(self) -> NDArray[np.int64]:
        """Return the voxels of all full blocks: (3, 2) first and last, widened by one (all zeros when there are none)."""
        full = np.argwhere(self.blocks)
        if len(full) == 0:
            return np.zeros((3, 2), np.int64)
        low = np.maximum(full.min(0) * BLOCK - 1, 0)
        high = np.minimum((full.max(0) + 1) * BLOCK, np.array(self.values.shape) - 1)
        return np.ascontiguousarray(np.stack([low, high], axis=1), np.int64)


def of_hounsfield(hu: NDArray[np.int16], origin_mm: F64, spacing_mm: F64, air_below: float = -700.0) -> Volume:
    """Return attenuation at 60 keV from Hounsfield units: mu = mu_water (1 + HU / 1000); below `air_below` nothing."""
    values = np.asarray(hu, np.float32) * np.float32(WATER_PER_MM / 1000.0) + np.float32(WATER_PER_MM)
    values[np.asarray(hu) < air_below] = 0.0
    return Volume(values, np.asarray(origin_mm, np.float64), np.asarray(spacing_mm, np.float64))


@jit
def fill_blocks(values: F32, threshold: float, out: NDArray[np.uint8]) -> None:
    """Mark the blocks that a bilinear read of a voxel above the threshold can touch."""
    nx, ny, nz = values.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if values[i, j, k] > threshold:
                    for a in range(max(i - 1, 0) // BLOCK, min(i + 1, nx - 1) // BLOCK + 1):
                        for b in range(max(j - 1, 0) // BLOCK, min(j + 1, ny - 1) // BLOCK + 1):
                            for c in range(max(k - 1, 0) // BLOCK, min(k + 1, nz - 1) // BLOCK + 1):
                                out[a, b, c] = 1


@jit
def _inside(o: float, d: float, low: float, high: float, entry: float, leave: float) -> tuple[float, float]:
    """Clip a ray piece to low <= o + t d <= high."""
    if abs(d) < 1e-12:
        return (entry, leave) if low <= o <= high else (1.0, 0.0)
    a, b = (low - o) / d, (high - o) / d
    if a > b:
        a, b = b, a
    return max(entry, a), min(leave, b)


@jit
def _planes(
    flat: F32, at: int, sm: int, sa: int, sb: int, fa: float, fb: float, per_a: float, per_b: float, count: int
) -> np.float32:
    """Return the sum over `count` planes from `at`; (fa, fb) is where the ray meets the first.

    No index is clamped: the ray was clipped to the volume, and the volume has one empty layer behind each far face.
    """
    total = np.float32(0.0)
    for _ in range(count):
        i, j = int(fa), int(fb)
        wa, wb = np.float32(fa - i), np.float32(fb - j)
        corner = np.uint64(at + i * sa + j * sb)
        v0, v1 = flat[corner], flat[corner + np.uint64(sa)]
        v2, v3 = flat[corner + np.uint64(sb)], flat[corner + np.uint64(sa + sb)]
        low = v0 + (v1 - v0) * wa
        total += low + (v2 + (v3 - v2) * wa - low) * wb
        at += sm
        fa += per_a
        fb += per_b
    return total


@jit
def march(
    flat: F32, shape: NDArray[np.int64], stride: NDArray[np.int64], blocks: NDArray[np.uint8], box: NDArray[np.int64],
    source: F64, rows: F64, first: int, last: int, scale: float, spacing: F64, out: F32,
) -> None:  # fmt: skip
    """Fill rows first..last of out (n, n) with the integrals of rays from `source` along `rows` (right, down, forward).

    flat: the volume as one line with a stride for each axis; source and rows are in voxels.
    """
    n = out.shape[1]
    d = np.empty(3)
    for y in range(first, last):
        v = (y + 0.5 - 0.5 * n) * scale
        for x in range(n):
            u = (x + 0.5 - 0.5 * n) * scale
            length2 = 0.0
            for c in range(3):
                d[c] = rows[2, c] + u * rows[0, c] + v * rows[1, c]
                length2 += (d[c] * spacing[c]) ** 2
            # the axis along which the ray crosses most planes
            m = 0
            if abs(d[1]) > abs(d[m]):
                m = 1
            if abs(d[2]) > abs(d[m]):
                m = 2
            a, b = (1, 2) if m == 0 else (0, 2) if m == 1 else (0, 1)
            entry, leave = 0.0, 1e9
            for c in range(3):
                entry, leave = _inside(source[c], d[c], float(box[c, 0]), float(box[c, 1]), entry, leave)
            if entry >= leave:
                out[y, x] = 0.0
                continue
            ends = (source[m] + entry * d[m], source[m] + leave * d[m])
            p, q = int(np.ceil(min(ends[0], ends[1]) - 1e-9)), int(np.floor(max(ends[0], ends[1]) + 1e-9))
            per_a, per_b = d[a] / d[m], d[b] / d[m]
            at_a, at_b = source[a] + (p - source[m]) * per_a, source[b] + (p - source[m]) * per_b
            total = np.float32(0.0)
            top_a, top_b = shape[a] - 2, shape[b] - 2
            sa, sb, sm = stride[a], stride[b], stride[m]
            k = p
            while k <= q:
                fa, fb = at_a + (k - p) * per_a, at_b + (k - p) * per_b
                i, j = min(max(int(fa), 0), top_a), min(max(int(fb), 0), top_b)
                end = min((k // BLOCK + 1) * BLOCK - 1, q)
                # a run of planes up to the block's end; an empty block at both of its ends is jumped over
                ga, gb = at_a + (end - p) * per_a, at_b + (end - p) * per_b
                ia, jb = min(max(int(ga), 0), top_a), min(max(int(gb), 0), top_b)
                full = False
                for e in range(min(i, ia) // BLOCK, max(i, ia) // BLOCK + 1):
                    for f in range(min(j, jb) // BLOCK, max(j, jb) // BLOCK + 1):
                        if m == 0:
                            full = full or blocks[k // BLOCK, e, f] != 0
                        elif m == 1:
                            full = full or blocks[e, k // BLOCK, f] != 0
                        else:
                            full = full or blocks[e, f, k // BLOCK] != 0
                if full:
                    here_a, here_b = at_a + (k - p) * per_a, at_b + (k - p) * per_b
                    total += _planes(flat, k * sm, sm, sa, sb, here_a, here_b, per_a, per_b, end - k + 1)
                k = end + 1
            out[y, x] = total * np.float32(np.sqrt(length2) / abs(d[m]))


class VolumeProjector:
    """Draws a volume from any pose: `draw(pose, size)` returns attenuation line integrals (n, n) float32, row 0 at the top."""

    def __init__(self, volume: Volume, threads: int = 2, crew: Crew | None = None) -> None:
        self.volume = volume
        self.crew = crew or Crew(threads)
        self._shape = np.array(volume.values.shape, np.int64)
        self._lines: dict[int, tuple[F32, NDArray[np.int64]]] = {}

    def _line(self, fastest: int) -> tuple[F32, NDArray[np.int64]]:
        """Return the volume as one line with strides: x (0) or y (1) runs fastest, one empty layer behind each far face.

        Neighbouring pixels of a row should read neighbouring voxels: across the patient in AP, along y in a lateral.
        """
        if fastest not in self._lines:
            order = (2, 1, 0) if fastest == 0 else (2, 0, 1)
            padded = np.zeros([int(self._shape[c]) + 1 for c in order], np.float32)
            padded[:-1, :-1, :-1] = self.volume.values.transpose(order)
            sizes = {c: step // 4 for c, step in zip(order, padded.strides, strict=True)}
            self._lines[fastest] = (padded.reshape(-1), np.array([sizes[c] for c in range(3)], np.int64))
        return self._lines[fastest]

    def draw(self, pose: Pose, size: int) -> F32:
        """Return the line integrals of a pose, a new array."""
        camera, spacing = Camera.of(pose, size), np.asarray(self.volume.spacing_mm, np.float64)
        source = (camera.source - self.volume.origin_mm) / spacing
        rows = np.ascontiguousarray(camera.axes / spacing)
        out = np.zeros((size, size), np.float32)
        flat, stride = self._line(0 if abs(camera.axes[0, 0]) >= abs(camera.axes[0, 1]) else 1)
        what = (flat, self._shape, stride, self.volume.blocks, self.volume.box)
        where = (camera.pixel / camera.sdd, spacing)
        self.crew.share(size, lambda a, b: march(*what, source, rows, a, b, *where, out))
        return out


def shares(scan: Scan) -> tuple[Volume, Volume]:
    """Return a scan as (water, bone) volumes: mm of water that attenuate as the whole voxel, and mm of cortical bone in it.

    HU are attenuation at 60 keV in units of water's (a CT's own spectrum lies near 70 keV). From BONE_FROM_HU to dense
    cortical bone (1942 HU) the share of bone grows linearly; beyond (metal) a voxel is bone alone.
    """
    hu = scan.hu.astype(np.float32)
    whole = np.where(hu < AIR_BELOW_HU, np.float32(0.0), 1.0 + hu / 1000.0).astype(np.float32)
    full = 1000.0 * (BONE_PER_WATER - 1.0)
    bone = np.clip((hu - BONE_FROM_HU) / (full - BONE_FROM_HU), 0.0, None).astype(np.float32)
    bone = np.minimum(bone, whole / np.float32(BONE_PER_WATER))
    place = (np.asarray(scan.origin_mm, np.float64), np.asarray(scan.spacing_mm, np.float64))
    return Volume(whole, *place), Volume(bone, *place)


class ScanProjector:
    """Draws the CT of a patient as the projector's channels."""

    def __init__(self, scan: Scan, crew: Crew) -> None:
        whole, bone = shares(scan)
        self._whole, self._bone = VolumeProjector(whole, crew=crew), VolumeProjector(bone, crew=crew)

    def draw(self, pose: Pose, size: int) -> F32:
        """Return (2, n, n): water- and bone-equivalent mm of a pose, a new array."""
        out = np.empty((2, size, size), np.float32)
        out[1] = self._bone.draw(pose, size)
        out[0] = self._whole.draw(pose, size) - np.float32(BONE_PER_WATER) * out[1]
        return out
