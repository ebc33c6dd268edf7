"""Two-sided surface distance between our baked vertebrae and mean meshes of real spines.

    scripts/compare_meshes.py FOLDER [--seed N] [--scale]

FOLDER holds mean_<level>_local.ply (mm, x anterior, y left, z up). Only distances are printed; nothing is kept.
Points are sampled on both surfaces, aligned rigidly (ICP; with --scale one common size factor as well).
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

SAMPLES = 30_000


def points_of(mesh, seed):  # type: ignore[no-untyped-def]
    """Return evenly sampled surface points."""
    return np.asarray(trimesh.sample.sample_surface(mesh, SAMPLES, seed=seed)[0])


def align(ours, theirs, scale):  # type: ignore[no-untyped-def]
    """Return our points moved onto theirs by 40 two-sided ICP steps."""
    moved = ours - ours.mean(0) + theirs.mean(0)
    tree = cKDTree(theirs)
    for _ in range(40):
        back = cKDTree(moved).query(theirs)[1]
        a = np.concatenate([moved, moved[back]])
        b = np.concatenate([theirs[tree.query(moved)[1]], theirs])
        ca, cb = a.mean(0), b.mean(0)
        u, s, vt = np.linalg.svd((a - ca).T @ (b - cb))
        d = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        size = (s * np.diag(d)).sum() / ((a - ca) ** 2).sum() if scale else 1.0
        moved = size * (moved - ca) @ (u @ d @ vt) + cb
    return moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", action="store_true")
    options = parser.parse_args()
    column = stack(individual(options.seed))
    names = [b.shape.name for b in column.bones]
    for path in sorted(options.folder.glob("mean_*_local.ply")):
        level = path.stem.split("_")[1]
        bone = bake_bone(column, names.index(level))
        ours = trimesh.Trimesh(bone.shell_vertices, bone.shell_faces)
        theirs = trimesh.load(path)
        a, b = points_of(ours, 1), points_of(theirs, 2)
        moved = align(a, b, options.scale)
        d = np.concatenate([cKDTree(b).query(moved)[0], cKDTree(moved).query(b)[0]])
        rms = np.sqrt((d**2).mean())
        print(
            f"{level}: mean {d.mean():.2f} rms {rms:.2f} p95 {np.percentile(d, 95):.2f} mm; "
            f"volume {ours.volume / 1000:.1f} cm3 against {theirs.volume / 1000:.1f}"
        )


if __name__ == "__main__":
    main()
