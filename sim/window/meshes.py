"""Meshes for the room view, as plain arrays: thinned bones, tubes, skin, C-arm, table, needle, hand, marker.

A mesh is (vertices (n, 6) float32: position and normal, faces (m, 3) int32). Software OpenGL is bound by
vertices, so anatomy is thinned.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mesh = tuple[NDArray[np.float32], NDArray[np.int32]]
BONE_LIMIT, SKIN_LIMIT = 5000, 6000


def with_normals(points: NDArray[Any], faces: NDArray[Any]) -> Mesh:
    """Return the mesh with area-weighted vertex normals."""
    p = np.asarray(points, np.float32)
    f = np.asarray(faces, np.int32)
    cross = np.cross(p[f[:, 1]] - p[f[:, 0]], p[f[:, 2]] - p[f[:, 0]])
    normals = np.zeros_like(p)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(f[:, corner], cross[:, axis], len(p)).astype(np.float32)
    normals /= np.maximum(np.sqrt((normals * normals).sum(1, keepdims=True)), 1e-12)
    return np.concatenate([p, normals], axis=1).astype(np.float32), f


def thinned(points: NDArray[Any], faces: NDArray[Any], limit: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return (points, faces) with at most about `limit` faces (edges collapsed, least error first)."""
    if len(faces) <= limit:
        return np.asarray(points), np.asarray(faces)
    import fast_simplification

    p, f = fast_simplification.simplify(
        np.ascontiguousarray(points, np.float32), np.ascontiguousarray(faces, np.int32), target_count=limit
    )
    return p, f


def joined(meshes: list[Mesh]) -> Mesh:
    """Return several meshes as one."""
    if not meshes:
        return np.zeros((0, 6), np.float32), np.zeros((0, 3), np.int32)
    start = np.cumsum([0] + [len(v) for v, _ in meshes[:-1]])
    faces = [f + s for (_, f), s in zip(meshes, start, strict=True)]
    return np.concatenate([v for v, _ in meshes]), np.concatenate(faces).astype(np.int32)


def swept(nodes: NDArray[Any], radii: NDArray[Any], sides: int = 10) -> Mesh:
    """Return a tube of round sections along nodes (n, 3), with closed ends."""
    p = np.asarray(nodes, np.float64)
    r = np.broadcast_to(np.asarray(radii, np.float64), (len(p),))
    tangent = np.gradient(p, axis=0)
    tangent /= np.maximum(np.sqrt((tangent**2).sum(1, keepdims=True)), 1e-9)
    helper = np.eye(3)[int(np.argmin(np.abs(tangent[0])))]
    side = np.cross(tangent, helper)
    side /= np.maximum(np.sqrt((side**2).sum(1, keepdims=True)), 1e-9)
    other = np.cross(tangent, side)
    angle = np.arange(sides) * (2 * math.pi / sides)
    ring = side[:, None] * np.cos(angle)[None, :, None] + other[:, None] * np.sin(angle)[None, :, None]
    rim = p[:, None] + ring * r[:, None, None]
    vertices = np.concatenate([rim.reshape(-1, 3), p[[0, -1]]])
    normals = np.concatenate([ring.reshape(-1, 3), [-tangent[0], tangent[-1]]])
    faces = []
    for i in range(len(p) - 1):
        a = i * sides + np.arange(sides)
        b = i * sides + (np.arange(sides) + 1) % sides
        faces += [np.stack([a, b, a + sides], 1), np.stack([b, b + sides, a + sides], 1)]
    last = (len(p) - 1) * sides
    a, b = np.arange(sides), (np.arange(sides) + 1) % sides
    faces += [
        np.stack([b, a, np.full(sides, len(p) * sides)], 1),
        np.stack([last + a, last + b, np.full(sides, len(p) * sides + 1)], 1),
    ]
    return np.concatenate([vertices, normals], 1).astype(np.float32), np.concatenate(faces).astype(np.int32)


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Mesh:
    """Return a box with flat sides."""
    corners = np.array([[(low, high)[(i >> a) & 1][a] for a in range(3)] for i in range(8)], np.float64)
    quads = ((0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6))
    vertices, faces = [], []
    for n, quad in enumerate(quads):
        p = corners[list(quad)]
        normal = np.cross(p[1] - p[0], p[2] - p[0])
        normal /= np.sqrt((normal**2).sum())
        vertices.append(np.concatenate([p, np.repeat(normal[None], 4, 0)], 1))
        faces += [(4 * n, 4 * n + 1, 4 * n + 2), (4 * n, 4 * n + 2, 4 * n + 3)]
    return np.concatenate(vertices).astype(np.float32), np.array(faces, np.int32)


def ball(centre: NDArray[Any], radii: tuple[float, float, float], rings: int = 8, sides: int = 14) -> Mesh:
    """Return an ellipsoid."""
    theta = np.linspace(0, math.pi, rings + 1)
    phi = np.arange(sides) * (2 * math.pi / sides)
    unit = np.stack(
        [np.outer(np.sin(theta), np.cos(phi)), np.outer(np.cos(theta), np.ones(sides)), np.outer(np.sin(theta), np.sin(phi))], -1
    ).reshape(-1, 3)
    faces = []
    for i in range(rings):
        a = i * sides + np.arange(sides)
        b = i * sides + (np.arange(sides) + 1) % sides
        faces += [np.stack([a, b, a + sides], 1), np.stack([b, b + sides, a + sides], 1)]
    points = unit * np.asarray(radii) + np.asarray(centre)
    return np.concatenate([points, unit], 1).astype(np.float32), np.concatenate(faces).astype(np.int32)


def c_arm(sod_mm: float, sdd_mm: float, detector_mm: float) -> Mesh:
    """Return the C-arm in gantry axes (right, up, normal): source box, detector box, half ring on its right."""
    far = sdd_mm - sod_mm
    middle, radius = (far - sod_mm) / 2, sdd_mm / 2 + 60
    angle = np.linspace(-math.pi / 2, math.pi / 2, 20)
    arc = np.stack([-radius * np.cos(angle) * 0.95, np.zeros(20), middle + radius * np.sin(angle)], 1)
    half = detector_mm / 2 + 15
    return joined(
        [
            swept(arc, np.full(20, 38.0), 8),
            box((-half, -half, far), (half, half, far + 70)),
            box((-90, -90, -sod_mm - 130), (90, 90, -sod_mm + 10)),
            swept(np.array([[0, 0, -sod_mm + 10], [0, 0, -sod_mm + 60]]), np.array([60.0, 45.0]), 14),
        ]
    )


def beam(sod_mm: float, sdd_mm: float, half_right: float, half_up: float) -> Mesh:
    """Return the open beam as a pyramid in gantry axes."""
    tip = np.array([[0.0, 0.0, -sod_mm]])
    base = np.array(
        [
            [x, y, sdd_mm - sod_mm]
            for x, y in ((-half_right, -half_up), (half_right, -half_up), (half_right, half_up), (-half_right, half_up))
        ]
    )
    return with_normals(np.concatenate([tip, base]), np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]]))
