"""Toy vertebrae of blocks on a small grid: label maps and solids for the tests of imports."""

from __future__ import annotations

import numpy as np

from anatomy_assets.imports.field import Solid, solid_of_mask

SPACING = 2.0


def toy_mask(shape: tuple[int, int, int], affine: np.ndarray, centre: np.ndarray, turn: float = 1.0) -> np.ndarray:
    """A vertebra of blocks: a round body, a bar across, a spinous process behind (turn -1: before)."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3] - centre, -1, 0)
    y = y * turn
    body = (x * x + (y + 4.0) ** 2 < 20.0**2) & (np.abs(z) < 13.0)
    bar = (np.abs(x) < 40.0) & (np.abs(y - 22.0) < 7.0) & (np.abs(z) < 5.0)
    spine = (np.abs(x) < 4.0) & (y > 12.0) & (y < 52.0) & (np.abs(z) < 9.0)
    return body | bar | spine


AFFINE = np.diag([SPACING, SPACING, SPACING, 1.0])
AFFINE[:3, 3] = [-60.0, -40.0, 0.0]
SHAPE = (60, 55, 90)


def toy_labels(numbers: dict[int, float], turn: float = 1.0) -> np.ndarray:
    """A label map of toy vertebrae: number -> height (mm)."""
    out = np.zeros(SHAPE, np.uint8)
    for value, height in numbers.items():
        out[toy_mask(SHAPE, AFFINE, np.array([0.0, 0.0, height]), turn)] = value
    return out


def toy_solids(**heights: float) -> dict[str, Solid]:
    return {n: solid_of_mask(n, toy_mask(SHAPE, AFFINE, np.array([0.0, 0.0, z])), AFFINE) for n, z in heights.items()}
