"""A bone as it comes from a source: a signed distance field on some regular grid, wherever that grid stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
FAR_MM = 12.0
SMOOTH_VOXELS = 0.7
"""Width of the smoothing that takes the steps off a voxel mask (voxels)."""


@dataclass
class Notes:
    """What an import has to tell: one line per repair or choice, in order."""

    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Keep one line."""
        if text not in self.lines:
            self.lines.append(text)


@dataclass(frozen=True)
class Solid:
    """One bone or organ: distance (nx, ny, nz) float32 mm, negative inside; affine (4, 4) voxel -> LPS mm."""

    name: str
    distance: F32
    affine: F64

    def at(self, points: F64) -> F64:
        """Return the signed distance (mm) at LPS points (..., 3), trilinear; beyond the grid the border's plus the way there."""
        flat = np.asarray(points, np.float64).reshape(-1, 3)
        inverse = np.linalg.inv(self.affine)
        index = flat @ inverse[:3, :3].T + inverse[:3, 3]
        limit = np.array(self.distance.shape) - 1.0
        inside = np.clip(index, 0.0, limit)
        value = ndimage.map_coordinates(self.distance, inside.T, order=1, mode="nearest")
        beyond = (index - inside) @ self.affine[:3, :3].T
        out = value + np.sqrt((beyond * beyond).sum(1))
        return np.asarray(out, np.float64).reshape(np.asarray(points).shape[:-1])

    def inside_points(self) -> F64:
        """Return the LPS centres (n, 3) of the voxels inside."""
        index = np.argwhere(self.distance < 0.0).astype(np.float64)
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3], np.float64)

    def thickest(self) -> F64:
        """Return the LPS point deepest inside: the middle of a vertebral body."""
        index = np.array(np.unravel_index(int(np.argmin(self.distance)), self.distance.shape), np.float64)
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3], np.float64)

    @property
    def volume_mm3(self) -> float:
        """Volume by voxels inside."""
        return float((self.distance < 0.0).sum()) * abs(float(np.linalg.det(self.affine[:3, :3])))

    def moved(self, transform: F64, scale: float = 1.0, name: str | None = None) -> Solid:
        """Return the solid carried by a (4, 4) similarity of that scale."""
        return Solid(name or self.name, (self.distance * np.float32(scale)), transform @ self.affine)


def spacing_of(affine: F64) -> F64:
    """Return the voxel size (3,) of an affine."""
    return np.asarray(np.sqrt((affine[:3, :3] ** 2).sum(0)), np.float64)


def shear_of(affine: F64) -> float:
    """Return the largest |cosine| between two axes of an affine (0: a right-angled grid)."""
    unit = affine[:3, :3] / spacing_of(affine)
    return float(np.abs(unit.T @ unit - np.eye(3)).max())


def solid_of_mask(name: str, mask: NDArray[np.bool_], affine: F64) -> Solid:
    """Return the solid of a voxel mask; the surface lies half way between inside and outside voxels.

    The mask is cropped to its box plus a margin. Thin sheets survive because the distance, not the mask,
    is smoothed.
    """
    spacing = spacing_of(affine)
    box = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    pad = np.ceil(FAR_MM / spacing).astype(int)
    low = np.array([b[0] for b in box]) - pad
    high = np.array([b[-1] for b in box]) + pad + 1
    inner = mask[tuple(slice(max(a, 0), min(b, n)) for a, b, n in zip(low, high, mask.shape, strict=True))]
    before = [max(-a, 0) for a in low]
    after = [max(b - n, 0) for b, n in zip(high, mask.shape, strict=True)]
    padded = np.pad(inner, list(zip(before, after, strict=True)))
    moved = affine.copy()
    moved[:3, 3] = affine[:3, 3] + affine[:3, :3] @ low.astype(np.float64)
    return Solid(name, _distance(padded, spacing), moved)


def _distance(mask: NDArray[np.bool_], spacing: F64) -> F32:
    out = ndimage.distance_transform_edt(~mask, sampling=spacing).astype(np.float32)
    out -= ndimage.distance_transform_edt(mask, sampling=spacing).astype(np.float32)
    half = 0.5 * float(spacing.min())
    out -= np.sign(out) * np.float32(half)
    # the same width in mm along all axes, no more than the finest voxel asks for
    width = [SMOOTH_VOXELS * float(spacing.min()) / float(s) for s in spacing]
    return np.asarray(ndimage.gaussian_filter(out, width), np.float32)
