"""Two-sided surface distance between our baked vertebrae and mean meshes of real spines, and the Scottie dog's features.

    scripts/compare_meshes.py FOLDER [--seed N] [--no-scale] [--picture OUT.png]

FOLDER holds mean_<level>.ply or mean_<level>_local.ply (mm, x anterior, y left, z up). Only figures (and a picture, if
asked) are made; nothing is kept. Our mesh is moved onto theirs rigidly and with one size factor. Distances go from
points of one surface to the other *surface*: p95 is given of both directions together and of the worse one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from anatomy_assets.bake import bake_bone
from anatomy_assets.column import stack
from anatomy_assets.parameters import individual

SAMPLES = 20_000
DENSE = 150_000


class Surface:
    """A mesh with dense points and normals, for distances to its surface."""

    def __init__(self, mesh):  # type: ignore[no-untyped-def]
        self.mesh = mesh
        points, faces = trimesh.sample.sample_surface(mesh, DENSE, seed=1)
        self.points, self.normals = np.asarray(points), mesh.face_normals[faces]
        self.tree = cKDTree(self.points)

    def foot(self, points):  # type: ignore[no-untyped-def]
        """Return the foot points on the surface (plane of the nearest sample) and their normals."""
        near, i = self.tree.query(points)
        n = self.normals[i]
        off = ((points - self.points[i]) * n).sum(1)
        flat = np.abs(off) > 0.8 * near
        return np.where(flat[:, None], points - off[:, None] * n, self.points[i]), n

    def distance(self, points):  # type: ignore[no-untyped-def]
        """Return the distances of points to the surface."""
        return np.sqrt(((points - self.foot(points)[0]) ** 2).sum(1))


def similarity(a, b, scale):  # type: ignore[no-untyped-def]
    """Return size, rotation, shift that carry the points a onto b in the least squares sense."""
    ca, cb = a.mean(0), b.mean(0)
    u, s, vt = np.linalg.svd((a - ca).T @ (b - cb))
    d = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    size = (s * d).sum() / ((a - ca) ** 2).sum() if scale else 1.0
    turn = (u * d @ vt).T
    return size, turn, cb - size * turn @ ca


def align(ours, theirs, scale):  # type: ignore[no-untyped-def]
    """Return (size, rotation, shift) of our mesh onto theirs: two-sided closest points, 60 steps."""
    a = ours.points[:SAMPLES]
    b = theirs.points[:SAMPLES]
    size, turn, shift = 1.0, np.eye(3), b.mean(0) - a.mean(0)
    for _ in range(60):
        moved = size * a @ turn.T + shift
        back = (b - shift) @ turn / size
        pairs = np.concatenate([a, ours.foot(back)[0]]), np.concatenate([theirs.foot(moved)[0], b])
        size, turn, shift = similarity(*pairs, scale)
    return size, turn, shift


def compared(bone, theirs, scale):  # type: ignore[no-untyped-def]
    """Return the moved mesh, the two lists of distances and the size factor."""
    ours = trimesh.Trimesh(bone.shell_vertices, bone.shell_faces, process=False)
    size, turn, shift = align(Surface(ours), theirs, scale)
    moved = trimesh.Trimesh(size * ours.vertices @ turn.T + shift, ours.faces, process=False)
    there = theirs.distance(trimesh.sample.sample_surface(moved, SAMPLES, seed=3)[0])
    back = Surface(moved).distance(theirs.points[:SAMPLES])
    return moved, there, back, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-scale", action="store_true")
    options = parser.parse_args()
    column = stack(individual(options.seed))
    names = [b.shape.name for b in column.bones]
    for path in sorted(options.folder.glob("mean_*.ply")):
        level = path.stem.split("_")[1]
        if path.stem != f"mean_{level}_local" and (options.folder / f"mean_{level}_local.ply").exists():
            continue
        theirs = Surface(trimesh.load(path))
        moved, there, back, size = compared(bake_bone(column, names.index(level)), theirs, not options.no_scale)
        both = np.concatenate([there, back])
        worse = max(np.percentile(there, 95), np.percentile(back, 95))
        rms = np.sqrt((both**2).mean())
        print(
            f"{level}: mean {both.mean():.2f} (there {there.mean():.2f}, back {back.mean():.2f}) rms {rms:.2f} "
            f"p95 {np.percentile(both, 95):.2f} (worse side {worse:.2f}) mm; size factor {size:.3f}, "
            f"volume {moved.volume / 1000:.1f} cm3 against {theirs.mesh.volume / 1000:.1f}"
        )


if __name__ == "__main__":
    main()
