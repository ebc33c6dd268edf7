"""Would the C-arm touch the patient or the table? The machine stops before it does: an event, never a score.

Whole numbers only (um and axes scaled to 2^16), so every machine stops at the same place. The patient is a row of
convex slices of the trunk, the table a box, detector and tube housing are boxes that turn in both angles. Two convex
bodies are apart when some axis separates them; the axes tried are those of the axial plane (the first angle), of the
sagittal plane (the second), and the box's own. Where only another axis would separate them the machine stops early,
never late. The C between the housings is not modelled. Sizes: carm.toml, a generic machine.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.frames import gantry, sincos_mdeg
from sim.phantom import Skin
from sim.state import CArmState
from sim.tools import CArm

I64 = NDArray[np.int64]

SLICE_UM = 40_000
SCALE = 1 << 16
STEP_MDEG = 11_250
BEYOND_UM = 300_000
"""How far the trunk goes on beyond the phantom, with its end slices (as in pictures, sim/scene.py)."""


@dataclass(frozen=True, eq=False)
class Body:
    """What the housings may not touch. extents (n, a, 2): least and greatest of n convex pieces along each of AXES.

    points (n, p, 3): corners of each piece in um (its extreme points, repeated to the same number).
    """

    name: str
    points: I64
    extents: I64


def _axes() -> I64:
    """Return the fixed axes (a, 3) scaled by SCALE: around the axial plane, then around the sagittal one."""
    rows = []
    for mdeg in range(0, 180_000, STEP_MDEG):
        s, c = sincos_mdeg(mdeg)
        rows.append([round(c * SCALE), round(s * SCALE), 0])
        if mdeg:
            rows.append([0, round(c * SCALE), round(s * SCALE)])
    return np.array(rows, np.int64)


AXES = _axes()
_BODIES: OrderedDict[int, tuple[Skin, CArm, tuple[Body, ...]]] = OrderedDict()


def touching(carm: CArm, arm: CArmState, skin: Skin) -> tuple[str, str] | None:
    """Return (part of the C-arm, what it touches) for a position, None while it is free.

    Parts: "detector", "tube"; touched: "patient", "table".
    """
    bodies = _bodies(carm, skin)
    for part, (corners, own) in _housings(carm, arm).items():
        axes = np.concatenate([AXES, own])
        along = _dot(corners, axes)
        low, high = along.min(0), along.max(0)
        for body in bodies:
            fixed = len(AXES)
            apart = ((body.extents[:, :, 0] > high[:fixed]) | (body.extents[:, :, 1] < low[:fixed])).any(1)
            near = body.points[~apart]
            if not len(near):
                continue
            there = _dot(near, own)
            apart = ((there.min(1) > high[fixed:]) | (there.max(1) < low[fixed:])).any(1)
            if not apart.all():
                return part, body.name
    return None


def _dot(points: I64, axes: I64) -> I64:
    """Return the whole-number products (..., a) of points (..., 3) and axes (a, 3)."""
    return np.asarray(
        points[..., 0, None] * axes[:, 0] + points[..., 1, None] * axes[:, 1] + points[..., 2, None] * axes[:, 2], np.int64
    )


def _housings(carm: CArm, arm: CArmState) -> dict[str, tuple[I64, I64]]:
    """Return corners (8, 3) in um and axes (3, 3) of detector and tube housing, turned about the isocentre."""
    stand = gantry(arm.primary_mdeg, arm.secondary_mdeg, arm.swivel_mdeg)
    axes = np.array([[round(float(v) * SCALE) for v in axis] for axis in (stand.right, stand.up, stand.normal)], np.int64)
    centre = np.array(arm.centre_um, np.int64)

    def box(near_mm: float, far_mm: float, width_mm: float) -> tuple[I64, I64]:
        half, ends = round(500.0 * width_mm), (round(1000.0 * near_mm), round(1000.0 * far_mm))
        corners = [[a * half, b * half, n] for a in (-1, 1) for b in (-1, 1) for n in ends]
        local = np.array(corners, np.int64)
        return centre + (local[:, 0, None] * axes[0] + local[:, 1, None] * axes[1] + local[:, 2, None] * axes[2]) // SCALE, axes

    face, half = carm.sdd_mm - carm.sod_mm, 0.5 * carm.tube_housing_mm
    return {
        "detector": box(face, face + carm.detector_depth_mm, max(carm.detector_mm) + 2.0 * carm.detector_rim_mm),
        "tube": box(-carm.sod_mm - half, -carm.sod_mm + half, carm.tube_housing_mm),
    }


def _bodies(carm: CArm, skin: Skin) -> tuple[Body, ...]:
    """Return patient and table (kept for the last few patients)."""
    known = _BODIES.get(id(skin))
    if known is None or known[0] is not skin or known[1] is not carm:
        known = (skin, carm, _made(carm, skin))
        _BODIES[id(skin)] = known
        while len(_BODIES) > 4:
            _BODIES.popitem(last=False)
    return known[2]


def _made(carm: CArm, skin: Skin) -> tuple[Body, ...]:
    points = np.rint(np.asarray(skin.surface_vertices, np.float64) * 1000.0).astype(np.int64)
    if not len(points):
        return ()
    top, half, length = int(points[:, 1].min()), round(500.0 * carm.table_width_mm), round(500.0 * carm.table_length_mm)
    low, middle = top - round(1000.0 * carm.table_thickness_mm), int(points[:, 2].min() + points[:, 2].max()) // 2
    table = [[x, y, middle + z] for x in (-half, half) for y in (low, top) for z in (-length, length)]
    return _body("patient", _slices(points)), _body("table", [np.array(table, np.int64)])


def _slices(points: I64) -> list[I64]:
    """Return the extreme points of the trunk in overlapping slices along the body, the outer ones prolonged."""
    low, high = int(points[:, 2].min()), int(points[:, 2].max())
    count = max(1, (high - low) // SLICE_UM)
    edges = [low + (high - low) * k // count for k in range(count + 1)]
    out = []
    for k in range(count):
        spare = SLICE_UM // 2
        inside = points[(points[:, 2] >= edges[k] - spare) & (points[:, 2] <= edges[k + 1] + spare)]
        if len(inside):
            along = _dot(inside, AXES)
            chosen = inside[np.unique(np.concatenate([along.argmin(0), along.argmax(0)]))]
            ends = [np.minimum(np.maximum(chosen[:, 2], edges[k]), edges[k + 1])]
            ends += [np.full(len(chosen), low - BEYOND_UM)] if k == 0 else []
            ends += [np.full(len(chosen), high + BEYOND_UM)] if k == count - 1 else []
            out.append(np.concatenate([np.column_stack([chosen[:, :2], z]) for z in ends]))
    return out


def _body(name: str, pieces: list[I64]) -> Body:
    most = max(len(piece) for piece in pieces)
    points = np.stack([np.concatenate([piece, np.repeat(piece[:1], most - len(piece), 0)]) for piece in pieces])
    along = _dot(points, AXES)
    return Body(name, points, np.stack([along.min(1), along.max(1)], -1))
