"""Synthetic real patients: a generated phantom drawn as CT, label map, DICOM series or meshes, in a frame of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from anatomy_assets.imports.bones import solid_of_bone
from anatomy_assets.patient import build
from sim.phantom import Phantom, Tissue

F64 = NDArray[np.float64]
SHIFT_MM = np.array([7.0, -151.0, 812.0])
"""Where the phantom's origin lies in the scanner's LPS frame."""
NUMBERS = {
    "S": 25, "L5": 27, "L4": 28, "L3": 29, "L2": 30, "L1": 31, "T12": 32, "T11": 33, "ilium_left": 77, "ilium_right": 78,
    "femur_left": 75, "femur_right": 76, "rib11_left": 102, "rib12_left": 103, "rib11_right": 114, "rib12_right": 115,
}  # fmt: skip
"""TotalSegmentator v2; it has no number for the coccyx."""
FILES = {"S": "sacrum", "ilium_left": "hip_left", "ilium_right": "hip_right"}
HU = {
    Tissue.AIR: -1000, Tissue.SKIN: 20, Tissue.FAT: -100, Tissue.FASCIA: 40, Tissue.MUSCLE: 55, Tissue.PSOAS: 55,
    Tissue.QUADRATUS: 55, Tissue.EPIDURAL_FAT: -80, Tissue.FORAMEN_FAT: -80, Tissue.CSF: 10, Tissue.BONE_CORTEX: 900,
    Tissue.BONE_CANCELLOUS: 170, Tissue.RETROPERITONEUM: -60, Tissue.BOWEL_GAS: -900, Tissue.DISC_NUCLEUS: 80,
}  # fmt: skip


@cache
def person(seed: int) -> Phantom:
    """Return the generated patient of a seed (cached on disk)."""
    return build(seed)


def grid(
    low: F64, high: F64, spacing: tuple[float, float, float], turn: tuple[int, int, int]
) -> tuple[F64, tuple[int, int, int]]:
    """Return (affine voxel -> LPS, shape) of a box; turn: +1 or -1, the way each index axis runs."""
    shape = tuple(int((b - a) / s) + 1 for a, b, s in zip(low, high, spacing, strict=True))
    affine = np.diag([s * t for s, t in zip(spacing, turn, strict=True)] + [1.0])
    affine[:3, 3] = [a if t > 0 else a + s * (n - 1) for a, s, n, t in zip(low, spacing, shape, turn, strict=True)]
    return affine, shape  # type: ignore[return-value]


def places(affine: F64, shape: tuple[int, int, int], k: int) -> F64:
    """Return the LPS points (nx, ny, 3) of slice k."""
    i, j = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    index = np.stack([i, j, np.full_like(i, k)], axis=-1).astype(np.float64)
    return index @ affine[:3, :3].T + affine[:3, 3]


def label_map(
    phantom: Phantom, affine: F64, shape: tuple[int, int, int], numbers: Mapping[str, int] = NUMBERS, shift: F64 = SHIFT_MM
) -> NDArray[np.uint8]:
    """Return a label map of the bones on a grid."""
    out = np.zeros(shape, np.uint8)
    for bone in phantom.bones:
        if bone.name not in numbers:
            continue
        solid = solid_of_bone(bone)
        inside = solid.inside_points() + shift
        corner = np.linalg.inv(affine) @ np.concatenate([inside.T, np.ones((1, len(inside)))])
        low = np.maximum(np.floor(corner[:3].min(1)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(corner[:3].max(1)).astype(int) + 2, shape)
        if (high <= low).any():
            continue
        index = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), axis=-1)
        points = index @ affine[:3, :3].T + affine[:3, 3] - shift
        part = out[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
        part[solid.at(points) < 0.0] = numbers[bone.name]
    return out


def ct(
    phantom: Phantom, affine: F64, shape: tuple[int, int, int], noise_hu: float = 15.0, shift: F64 = SHIFT_MM
) -> NDArray[np.int16]:
    """Return the CT (HU) of a phantom on a grid, with noise."""
    hu = np.array([HU.get(Tissue(t), 40) if t in list(Tissue) else 40 for t in range(256)], np.float32)
    rng = np.random.default_rng(1)
    out = np.empty(shape, np.int16)
    volume = phantom.volume
    for k in range(shape[2]):
        index = np.round((places(affine, shape, k) - shift - volume.origin_mm) / volume.spacing_mm).astype(int)
        ok = ((index >= 0) & (index < np.array(volume.labels.shape))).all(-1)
        index = np.where(ok[..., None], index, 0)
        labels = np.where(ok, volume.labels[index[..., 0], index[..., 1], index[..., 2]], 0)
        out[:, :, k] = hu[labels] + rng.normal(0.0, noise_hu, labels.shape)
    return out


def save_nifti(path: Path, data: NDArray[Any], lps_affine: F64, **header: Any) -> Path:
    """Write a NIfTI whose affine is given in LPS."""
    image = nibabel.Nifti1Image(data, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps_affine)
    image.header.set_xyzt_units("mm")
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def lumbar_grid(
    phantom: Phantom, spacing: tuple[float, float, float] = (1.0, 1.0, 1.25), turn: tuple[int, int, int] = (-1, -1, 1)
) -> tuple[F64, tuple[int, int, int]]:
    """Return a grid round all bones of a phantom."""
    points = np.concatenate([b.to_patient(b.shell_vertices) for b in phantom.bones])
    return grid(points.min(0) - 6.0 + SHIFT_MM, points.max(0) + 6.0 + SHIFT_MM, spacing, turn)


def body_grid(
    phantom: Phantom, spacing: tuple[float, float, float] = (1.5, 1.5, 2.0), turn: tuple[int, int, int] = (1, 1, 1)
) -> tuple[F64, tuple[int, int, int]]:
    """Return a grid round the whole body of a phantom."""
    volume = phantom.volume
    high = volume.origin_mm + volume.spacing_mm * (np.array(volume.labels.shape) - 1)
    return grid(volume.origin_mm - 8.0 + SHIFT_MM, high + 8.0 + SHIFT_MM, spacing, turn)
