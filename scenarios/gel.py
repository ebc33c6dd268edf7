"""A block of gel with metal beads: what a needle is steered in before a patient. No anatomy, no patient.

The block is one tissue that resists and bends a needle as muscle does (scenarios/data/tissues.toml, MUSCLE); eight beads of
3 mm lie in it, moved by the seed. They show in the picture, and the tip feels them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.phantom import Bone, LabelVolume, Phantom, Skin, Tissue
from sim.rng import stream

F64 = NDArray[np.float64]

HALF_MM = (90.0, 55.0, 80.0)
"""Half the width, thickness and length of the block: its middle is the origin, its face looks up as a back does."""
BEAD_MM = 1.5
BEADS = 8
ROWS_MM = (35.0, -35.0)
COLUMNS_MM = (45.0, 15.0, -15.0, -45.0)
"""Rows towards the head and the feet, columns from the left of an AP picture."""
DEPTH_MM = (45.0, 85.0)
SPACING_MM, GRID_MM = 1.0, 0.25


def make_gel(seed: int) -> Phantom:
    """Return the block of a seed: beads "bead 1".."bead 8", each within 5 mm of its place in two rows, at a depth of chance."""
    draw = stream(seed, "gel")
    beads = []
    for number in range(BEADS):
        x, z = COLUMNS_MM[number % 4] + _shift(draw), ROWS_MM[number // 4] + _shift(draw)
        low, high = DEPTH_MM
        depth = low + (high - low) * float(draw.random())
        beads.append(_bead(f"bead {number + 1}", (x, HALF_MM[1] - depth, z)))
    individual = {"seed": seed, "block": "gel"}
    return Phantom(f"gel-{seed}", tuple(beads), (), _volume(), _skin(), {}, individual=individual)


def _shift(draw: np.random.Generator) -> float:
    return 10.0 * float(draw.random()) - 5.0


def _volume() -> LabelVolume:
    shape = [round(2.0 * half / SPACING_MM) for half in HALF_MM]
    origin = np.array([-half + 0.5 * SPACING_MM for half in HALF_MM])
    return LabelVolume(np.full(shape, int(Tissue.MUSCLE), np.uint8), origin, SPACING_MM)


def _skin() -> Skin:
    """Return the upper face as a height field, and the block's surface."""
    step = 10.0
    nx, nz = (round(2.0 * half / step) + 1 for half in (HALF_MM[0], HALF_MM[2]))
    vertices, faces = _box(np.array(HALF_MM))
    return Skin(np.full((nx, nz), HALF_MM[1]), -HALF_MM[0], -HALF_MM[2], step, vertices, faces)


def _box(half: F64) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32) * half.astype(np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)


def _bead(name: str, centre: tuple[float, float, float]) -> Bone:
    """Return a ball of metal with its distance grid."""
    cells = round((BEAD_MM + 3.0) / GRID_MM)
    origin = np.full(3, -cells * GRID_MM)
    axis = GRID_MM * np.arange(-cells, cells + 1)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    distance = np.sqrt(x * x + y * y + z * z) - BEAD_MM
    vertices, faces = _ball(BEAD_MM)
    none_v, none_f = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    return Bone(
        name, np.eye(3), np.array(centre), origin, GRID_MM, np.rint(distance * 100.0).astype(np.int16),
        vertices, faces, none_v, none_f, "titanium",
    )  # fmt: skip


def _ball(radius: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    from skimage.measure import marching_cubes

    axis = np.linspace(-1.3, 1.3, 27) * radius
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = radius - np.sqrt(x * x + y * y + z * z)
    step = float(axis[1] - axis[0])
    vertices, faces, _, _ = marching_cubes(inside, 0.0, spacing=(step,) * 3, gradient_direction="ascent")
    return np.asarray(vertices + axis[0], np.float32), np.asarray(faces, np.int32)
