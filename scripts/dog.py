"""The Scottie dog's features of two vertebrae in the oblique view, found on both meshes by the same geometric rules.

    scripts/dog.py FOLDER [--level L3] [--primary 30] [--picture OUT.png]

FOLDER holds mean_<level>_local.ply (mm, x anterior, y left, z up). Our default adult's mesh is moved onto theirs rigidly
and with one size factor (scripts/compare_meshes.py); then, on each side, in the picture of a C-arm turned to that side:
  eye    centre of the pedicle: centroid of the coronal section of least area of the pedicle behind the body
  ear    tip of the superior articular process: centroid of the highest millimetre of it (behind the pedicle's isthmus)
  nose   tip of the transverse process: centroid of the outermost millimetre
  leg    tip of the inferior articular process: centroid of its lowest millimetre (off the midline)
  neck   narrowest pars: on the horizontal section between pedicle and leg where the outer border of the arch
         comes nearest to the midline, that border point
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare_meshes import Surface, compared
from shade import shaded

from anatomy_assets.bake import bake_bone
from anatomy_assets.column import stack
from anatomy_assets.parameters import individual

FEATURES = ("ear", "eye", "nose", "neck", "leg")


def loops(mesh, origin, normal):  # type: ignore[no-untyped-def]
    """Return the closed curves of a plane section."""
    cut = mesh.section(plane_origin=origin, plane_normal=normal)
    return [] if cut is None else [np.asarray(c) for c in cut.discrete]


def area_and_centre(loop, axes):  # type: ignore[no-untyped-def]
    """Return area and centroid of a closed planar curve in two of its axes."""
    u, v = loop[:-1, axes[0]], loop[:-1, axes[1]]
    un, vn = np.roll(u, -1), np.roll(v, -1)
    cross = u * vn - un * v
    area = 0.5 * cross.sum()
    return abs(area), ((u + un) * cross).sum() / (6 * area), ((v + vn) * cross).sum() / (6 * area)


def eye(mesh, sign):  # type: ignore[no-untyped-def]
    """Return the centre of the pedicle of one side."""
    best = None
    for x in np.arange(-25.0, -16.5, 0.5):
        for loop in loops(mesh, (x, 0, 0), (1, 0, 0)):
            area, y, z = area_and_centre(loop, (1, 2))
            inside = 4.0 < sign * y < 30.0 and z > -2.0 and 30.0 < area < 500.0
            if inside and (best is None or area < best[0]):
                best = (area, np.array([x, y, z]))
    if best is None:
        raise SystemExit("no pedicle found: is the mesh body-centred, x anterior, y left, z up?")
    return best[1]


def tip(points, direction):  # type: ignore[no-untyped-def]
    """Return the centroid of the points within 1 mm of the furthest one along a direction."""
    along = points @ np.asarray(direction, float)
    return points[along > along.max() - 1.0].mean(0)


def neck(mesh, sign, top, bottom):  # type: ignore[no-untyped-def]
    """Return the outer border point of the arch where it is nearest to the midline (mean of the last 0.3 mm)."""
    edges = []
    for z in np.arange(bottom + 6.0, top, 0.5):
        arch = [c for c in loops(mesh, (0, 0, z), (0, 0, 1)) if c[:, 0].max() < -17.0 and (sign * c[:, 1]).max() > 6.0]
        if arch:
            points = np.concatenate(arch)
            edges.append(points[np.argmax(sign * points[:, 1])])
    out = sign * np.array(edges)[:, 1]
    return np.array(edges)[out < out.min() + 0.3].mean(0)


def features(mesh, sign):  # type: ignore[no-untyped-def]
    """Return the five points of one side (left: sign 1), in 3D."""
    points = np.asarray(trimesh.sample.sample_surface(mesh, 200_000, seed=4)[0])
    own = points[sign * points[:, 1] > 5.0]
    centre = eye(mesh, sign)
    behind = own[own[:, 0] < centre[0] - 2.0]
    found = {"eye": centre, "ear": tip(behind, (0, 0, 1)), "nose": tip(own, (0, sign, 0)), "leg": tip(behind, (0, 0, -1))}
    found["neck"] = neck(mesh, sign, centre[2] - 6.0, found["leg"][2])
    return found


def projected(point, sign, primary):  # type: ignore[no-untyped-def]
    """Return the place on the picture (mm right, mm up) with the detector turned `primary` degrees to that side."""
    a = np.radians(primary) * sign
    right = np.array([-np.sin(a), -np.cos(a), 0.0])
    return np.array([point @ right, point[2]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--level", default="L3")
    parser.add_argument("--primary", type=float, nargs="*", default=[25.0, 28.0, 32.0])
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    column = stack(individual(0))
    names = [b.shape.name for b in column.bones]
    theirs = trimesh.load(options.folder / f"mean_{options.level}_local.ply")
    ours = compared(bake_bone(column, names.index(options.level)), Surface(theirs), True)[0]
    worst = 0.0
    for side, sign in (("left", 1.0), ("right", -1.0)):
        a, b = features(ours, sign), features(theirs, sign)
        for primary in options.primary:
            apart = {}
            for name in FEATURES:
                d = projected(a[name], sign, primary) - projected(b[name], sign, primary)
                apart[name] = float(np.sqrt((d**2).sum()))
            worst = max(worst, *apart.values())
            print(f"{options.level} {side} {primary:.0f} deg: " + ", ".join(f"{k} {v:.2f}" for k, v in apart.items()) + " mm")
    print(f"largest {worst:.2f} mm")
    if options.picture:
        views, centre = ("behind", "above", "left", "oblique", "below"), np.array([-25.0, 0, -4])
        rows = [np.hstack([shaded(m, view, centre, 50, 360) for view in views]) for m in (ours, theirs)]
        Image.fromarray(np.vstack(rows)).save(options.picture)


if __name__ == "__main__":
    main()
