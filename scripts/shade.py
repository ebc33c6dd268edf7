"""Shaded pictures of meshes in parallel projection, for contact sheets.

    scripts/shade.py OUT.png [T6,T9,T11,T12]

draws vertebrae of the default adult's sizes alone (raw surface, not cut by their neighbours): from behind, above, left,
oblique and below.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sim.jit import jit

# name -> (right, up) on the picture, in author axes (x anterior, y left, z up); the viewer looks along right x up, reversed
VIEWS = {
    "behind": ((0, -1, 0), (0, 0, 1)),
    "above": ((0, -1, 0), (1, 0, 0)),
    "left": ((-1, 0, 0), (0, 0, 1)),
    "front": ((0, 1, 0), (0, 0, 1)),
    "oblique": ((0.5, -0.866, 0), (0, 0, 1)),
    "below": ((0, 1, 0), (1, 0, 0)),
}


@jit
def raster(depth, light, points, faces, shade):  # type: ignore[no-untyped-def]
    """Write the brightness of the nearest triangle to every pixel."""
    h, w = depth.shape
    for f in range(faces.shape[0]):
        a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0.0:
            continue
        x0, x1 = max(int(min(a[0], b[0], c[0])), 0), min(int(max(a[0], b[0], c[0])) + 1, w - 1)
        y0, y1 = max(int(min(a[1], b[1], c[1])), 0), min(int(max(a[1], b[1], c[1])) + 1, h - 1)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                u = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
                v = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
                if u < -0.001 or v < -0.001 or u + v > 1.001:
                    continue
                z = a[2] + u * (b[2] - a[2]) + v * (c[2] - a[2])
                if z > depth[y, x]:
                    depth[y, x] = z
                    light[y, x] = shade[f]


def shaded(mesh, view, centre, half, size):  # type: ignore[no-untyped-def]
    """Return a grey picture (size, size) of a trimesh.Trimesh: 2 * half mm wide round `centre`."""
    right, up = (np.array(v, float) for v in VIEWS[view])
    towards = np.cross(right, up)
    axes = np.stack([right, -up, towards])
    p = (mesh.vertices - centre) @ axes.T
    p[:, :2] = (p[:, :2] / (2 * half) + 0.5) * size
    lamp = 0.75 * towards + 0.5 * up - 0.3 * right
    n = mesh.vertex_normals[mesh.faces].mean(1)
    bright = np.clip(n @ (lamp / np.sqrt((lamp**2).sum())), 0.0, 1.0)
    depth, light = np.full((size, size), -1e9), np.full((size, size), 1.05)
    raster(depth, light, p, np.asarray(mesh.faces, np.int64), 0.18 + 0.8 * bright)
    return (np.clip(light, 0.0, 1.0) * 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("levels", nargs="?", default="T6,T9,T11,T12,L1")
    options = parser.parse_args()
    from anatomy_assets.parameters import _level, individual, load_morphometry
    from anatomy_assets.vertebra import vertebra
    from scripts.fit_layout import even, surface

    tables, known = load_morphometry(), {lv.name: lv for lv in individual(0).levels}
    rows = []
    for name in options.levels.split(","):
        level = known[name] if name in known else _level(tables, Mean(), name)
        mesh = surface(vertebra(even(level), tables.layout), 0.7)
        rows.append(np.hstack([shaded(mesh, view, np.array([-18.0, 0, -4]), 45, 300) for view in VIEWS if view != "front"]))
    Image.fromarray(np.vstack(rows)).save(options.out)


class Mean:
    """A draw without deviates, for levels that the default column does not hold."""

    asymmetry = 0.25

    def deviate(self, *_: object) -> float:
        """Return no deviate."""
        return 0.0

    def uneven(self, *_: object) -> float:
        """Return no difference of the sides."""
        return 0.0


if __name__ == "__main__":
    main()
