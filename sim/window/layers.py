"""Tissue in layers for the debrief: skin, fat, muscle, ligament and disc, bone; beneath them nerves and vessels. No OpenGL.

The surfaces are marched through the patient's label volume (marching cubes on a smoothed mask) and thinned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.phantom import Tissue
from sim.window.meshes import Mesh, thinned, with_normals

if TYPE_CHECKING:
    from sim.phantom import LabelVolume

NAMES = ("skin", "fat", "muscle", "ligament and disc", "bone", "nerves and vessels")
"""From the outside in; `peeled` n: the first n of them are taken away, a fraction fades the next."""
CLOSED = 2
"""So many of the outermost layers hide whatever lies beneath them."""
FAT = (0.93, 0.80, 0.48)
MUSCLE = (0.66, 0.27, 0.24)
LIGAMENT = (0.72, 0.80, 0.84)
_DEEP_TO_FAT = (Tissue.AIR, Tissue.SKIN)
_MUSCLE = (Tissue.FASCIA, Tissue.MUSCLE, Tissue.MULTIFIDUS, Tissue.PSOAS, Tissue.QUADRATUS)
_LIGAMENT = (
    Tissue.INTERSPINOUS_LIGAMENT, Tissue.SUPRASPINOUS_LIGAMENT, Tissue.LIGAMENTUM_FLAVUM, Tissue.LONGITUDINAL_LIGAMENT,
    Tissue.FACET_CAPSULE, Tissue.DISC_ANNULUS, Tissue.DISC_NUCLEUS,
)  # fmt: skip
LIMIT = 9000
COARSE_MM, FINE_MM = 3.0, 2.0


def alphas(peeled: float) -> tuple[float, ...]:
    """Return how solid skin, fat, muscle, ligament and bone are (1 solid, 0 gone)."""
    return tuple(round(min(1.0, max(0.0, 1.0 - (peeled - i))), 2) for i in range(len(NAMES) - 1))


def outermost(peeled: float) -> str:
    """Return the name of the outermost layer that is still there."""
    return next((name for name, a in zip(NAMES, alphas(peeled), strict=False) if a > 0.005), NAMES[-1])


def surface(volume: LabelVolume, labels: tuple[Tissue, ...], inside: bool, step_mm: float) -> Mesh:
    """Return the surface round the voxels with one of these labels (inside False: with any other), thinned to LIMIT faces.

    An empty mesh where the volume has none of them (a block of gel).
    """
    from scipy.ndimage import gaussian_filter
    from skimage.measure import marching_cubes

    step = max(1, round(step_mm / volume.spacing_mm))
    mask = np.isin(volume.labels[::step, ::step, ::step], [int(label) for label in labels]) == inside
    solid: NDArray[np.float32] = gaussian_filter(np.pad(mask, 1).astype(np.float32), 0.9)
    if solid.max() <= 0.5 or solid.min() >= 0.5:
        return np.zeros((0, 6), np.float32), np.zeros((0, 3), np.int32)
    points, faces, _, _ = marching_cubes(solid, 0.5)
    place = volume.origin_mm + (points - 1.0) * (step * volume.spacing_mm)
    return with_normals(*thinned(place, faces, LIMIT))


def surfaces(volume: LabelVolume) -> tuple[tuple[Mesh, tuple[float, float, float]], ...]:
    """Return (mesh, colour) of fat, muscle, ligament and disc."""
    return (
        (surface(volume, _DEEP_TO_FAT, False, COARSE_MM), FAT),
        (surface(volume, _MUSCLE, True, FINE_MM), MUSCLE),
        (surface(volume, _LIGAMENT, True, FINE_MM), LIGAMENT),
    )
