"""Reads named meshes (STL, PLY, OBJ), repairs what can be repaired and says so, and turns them into distance fields."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from anatomy_assets.imports.checks import check_width
from anatomy_assets.imports.field import FAR_MM, Notes, Solid
from anatomy_assets.imports.naming import structure
from sim.errors import DataError, UsageError
from sim.jit import jit

F64 = NDArray[np.float64]
SUFFIXES = (".stl", ".ply", ".obj")
CELL_MM = 0.6
MOST_TRIANGLES = 2_000_000
MOST_BYTES = 400 * 2**20
HOLE_SHARE = 0.02
"""Boundary edges a mesh may have, as a share of all: more is not a hole but half a bone."""
PATCH_SHARE = 0.01
"""Surface that may be added to close holes, as a share of the mesh."""


def read_meshes(folder: Path, unit_mm: float, frame: str, notes: Notes, mapping: Mapping[str, str]) -> dict[str, Solid]:
    """Return the solids of a folder of meshes named by structure."""
    files: dict[str, Path] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES):
        name = mapping.get(path.name) or structure(path.name)
        if name is None:
            notes.say(f"{path.name}: left out (its name says no known structure)")
        elif name in files:
            raise DataError(f"import: {files[name].name} and {path.name} both name {name}; expected one file per structure")
        else:
            files[name] = path
    if not files:
        raise UsageError(
            f"{folder.name}: no mesh of a known structure; expected files such as vertebrae_L4.stl, L4.ply, sacrum.obj"
        )
    return {name: read_mesh(name, path, unit_mm, frame, notes) for name, path in files.items()}


def read_mesh(name: str, path: Path, unit_mm: float, frame: str, notes: Notes, cell: float = CELL_MM) -> Solid:
    """Return the solid of one mesh file."""
    mesh = _loaded(path)
    vertices = np.asarray(mesh.vertices, np.float64) * unit_mm
    if not np.isfinite(vertices).all():
        raise DataError(f"{path.name}: holds points that are not numbers (NaN); expected coordinates")
    if frame == "RAS":
        vertices = vertices * np.array([-1.0, -1.0, 1.0])
    mesh = trimesh.Trimesh(vertices, mesh.faces, process=False)
    mesh = _repaired(name, mesh, notes)
    if name.startswith("L"):
        check_width(name, float(np.ptp(mesh.vertices[:, 0])))
    return solid_of_mesh(name, np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64), cell)


def _loaded(path: Path) -> trimesh.Trimesh:
    if path.stat().st_size > MOST_BYTES:
        raise DataError(
            f"{path.name}: {path.stat().st_size / 2**20:.0f} MiB; expected at most {MOST_BYTES // 2**20} MiB (simplify it)"
        )
    try:
        mesh = trimesh.load(path, force="mesh", process=False)
    except Exception as error:
        raise DataError(f"{path.name}: cannot be read as a mesh ({type(error).__name__}); is it cut short?") from None
    faces = np.asarray(getattr(mesh, "faces", np.zeros((0, 3))))
    if len(faces) < 100:
        raise DataError(f"{path.name}: {len(faces)} triangles; expected the closed surface of a bone (is it cut short?)")
    if len(faces) > MOST_TRIANGLES:
        raise DataError(f"{path.name}: {len(faces)} triangles; expected at most {MOST_TRIANGLES} (simplify it)")
    if faces.min() < 0 or faces.max() >= len(mesh.vertices):
        raise DataError(f"{path.name}: triangles name points that do not exist; it is damaged")
    return mesh


def _repaired(name: str, mesh: trimesh.Trimesh, notes: Notes) -> trimesh.Trimesh:
    """Return one closed, outward surface; every change is told, what cannot be mended is refused."""
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    mesh.update_faces(mesh.nondegenerate_faces() & mesh.unique_faces())
    pieces = mesh.split(only_watertight=False)
    if len(pieces) > 1:
        order = sorted(pieces, key=lambda p: -float(p.area))
        stray = [p for p in order[1:] if not _within(p, order[0])]
        if stray and stray[0].area > 0.15 * order[0].area:
            raise DataError(f"import: {name} is in {len(pieces)} pieces of similar size; expected one bone")
        mesh = order[0]
        notes.say(f"{name}: {len(pieces) - 1} loose or inner piece(s) of the mesh removed, the largest kept")
    holes = _open_edges(mesh)
    if holes:
        if holes > HOLE_SHARE * len(mesh.edges_unique):
            raise DataError(f"import: {name} is open ({holes} border edges); expected a closed surface (is the mesh cut short?)")
        bounds, area = mesh.bounds.copy(), float(mesh.area)
        mesh.fill_holes()
        if float(mesh.area) - area > PATCH_SHARE * area:
            share = 100.0 * (float(mesh.area) / area - 1.0)
            raise DataError(
                f"import: {name} is open (a patch of {share:.0f} % of its surface would close it); is the mesh cut short?"
            )
        if _open_edges(mesh) or not np.allclose(bounds, mesh.bounds):
            raise DataError(
                f"import: {name} has {_open_edges(mesh)} border edges that cannot be closed; expected a closed surface"
            )
        notes.say(f"{name}: holes in the mesh closed ({holes} border edges)")
    _, count = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    if (count > 2).any():
        raise DataError(
            f"import: {name}: {int((count > 2).sum())} edges have more than two triangles; expected a closed, simple surface"
        )
    if not mesh.is_winding_consistent:
        trimesh.repair.fix_winding(mesh)
        if not mesh.is_winding_consistent:
            raise DataError(f"import: {name}: triangles are turned in and out; expected one closed surface")
        notes.say(f"{name}: triangles turned the same way round")
    if mesh.volume < 0.0:
        mesh.invert()
        notes.say(f"{name}: normals turned outward")
    return mesh


def _within(piece: trimesh.Trimesh, whole: trimesh.Trimesh) -> bool:
    return bool((piece.bounds[0] >= whole.bounds[0]).all() and (piece.bounds[1] <= whole.bounds[1]).all())


def _open_edges(mesh: trimesh.Trimesh) -> int:
    _, count = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    return int((count == 1).sum())


def solid_of_mesh(name: str, vertices: F64, faces: NDArray[np.int64], cell: float = CELL_MM) -> Solid:
    """Return the signed distance of a closed surface on a grid: inside by parity, distance to the nearest sample's plane."""
    low = vertices.min(0) - FAR_MM
    shape = np.ceil((vertices.max(0) + FAR_MM - low) / cell).astype(int) + 1
    inside = np.zeros(shape, np.uint8)
    # a hair off the lattice: no ray runs along an edge
    start = low + np.array([0.0, 1.3e-5, 2.7e-5])
    _parity(vertices[faces], start, cell, inside)
    rough = ndimage.distance_transform_edt(inside == 0) - ndimage.distance_transform_edt(inside)
    distance = (rough - np.sign(rough) * 0.5).astype(np.float32) * np.float32(cell)
    band = np.abs(distance) < 2.0
    points = low + cell * np.argwhere(band)
    samples, normals = _samples(vertices, faces, 0.5)
    near, index = cKDTree(samples).query(points)
    plane = np.abs(((points - samples[index]) * normals[index]).sum(1))
    exact = np.where(near < 0.9, plane, near)
    distance[band] = np.where(inside[band] > 0, -exact, exact)
    affine = np.diag([cell, cell, cell, 1.0])
    affine[:3, 3] = low
    return Solid(name, distance, affine)


def _samples(vertices: F64, faces: NDArray[np.int64], step: float) -> tuple[F64, F64]:
    """Return points spread over every triangle and their normals."""
    corner = vertices[faces]
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    normal = np.cross(a, b)
    length = np.sqrt((normal * normal).sum(1))
    ok = length > 1e-12
    corner, a, b, normal, length = corner[ok], a[ok], b[ok], normal[ok] / length[ok, None], length[ok]
    longest = np.sqrt(np.maximum((a * a).sum(1), (b * b).sum(1)))
    points, normals = [], []
    parts = np.clip(np.ceil(longest / step), 1, 12).astype(int)
    for n in np.unique(parts):
        here = parts == n
        for i in range(n + 1):
            for j in range(n + 1 - i):
                points.append(corner[here, 0] + (i / n) * a[here] + (j / n) * b[here])
                normals.append(normal[here])
    return np.concatenate(points), np.concatenate(normals)


@jit
def _parity(corner: F64, low: F64, cell: float, inside: NDArray[np.uint8]) -> None:
    """Fill `inside` by counting crossings along x for every line of the grid."""
    nx, ny, nz = inside.shape
    flips = np.zeros((ny, nz, nx), np.uint8)
    for t in range(corner.shape[0]):
        a, b, c = corner[t, 0], corner[t, 1], corner[t, 2]
        y0, y1 = min(a[1], b[1], c[1]), max(a[1], b[1], c[1])
        z0, z1 = min(a[2], b[2], c[2]), max(a[2], b[2], c[2])
        area = (b[1] - a[1]) * (c[2] - a[2]) - (b[2] - a[2]) * (c[1] - a[1])
        if abs(area) < 1e-14:
            continue
        for j in range(max(0, int(np.floor((y0 - low[1]) / cell))), min(ny, int((y1 - low[1]) / cell) + 2)):
            y = low[1] + cell * j
            for k in range(max(0, int(np.floor((z0 - low[2]) / cell))), min(nz, int((z1 - low[2]) / cell) + 2)):
                z = low[2] + cell * k
                u = ((y - a[1]) * (c[2] - a[2]) - (z - a[2]) * (c[1] - a[1])) / area
                v = ((b[1] - a[1]) * (z - a[2]) - (b[2] - a[2]) * (y - a[1])) / area
                if u < 0.0 or v < 0.0 or u + v > 1.0:
                    continue
                x = a[0] + u * (b[0] - a[0]) + v * (c[0] - a[0])
                i = int(np.ceil((x - low[0]) / cell))
                if 0 <= i < nx:
                    flips[j, k, i] ^= 1
    for j in range(ny):
        for k in range(nz):
            state = 0
            for i in range(nx):
                state ^= flips[j, k, i]
                inside[i, j, k] = state
