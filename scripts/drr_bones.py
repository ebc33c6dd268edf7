"""Contact sheet of the baked bones (parallel projections through the meshes), for the eye of the maker.

scripts/drr_bones.py OUT.png [--seed N] [--views "ap,o25,lat"] [--centre L4] [--half 60]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from anatomy_assets.bake import bake_bone, bake_bones
from anatomy_assets.column import stack
from anatomy_assets.parameters import individual
from sim.frames import gantry
from sim.jit import jit

MU_CORTEX, MU_CORE = 0.0400, 0.0070  # 1/mm near 60 keV above soft tissue (0.0204), materials_xray.csv
VIEWS = {
    "ap": (0, 0),
    "apc": (0, 20000),
    "o25": (25000, 0),
    "o25c": (25000, 15000),
    "or25": (-25000, 0),
    "o35": (35000, 0),
    "lat": (90000, 0),
    "c15": (0, 15000),  # cranial tilts: along the S1 end plate, then over it
    "c25": (0, 25000),
    "c35": (0, 35000),
    "k15": (0, -15000),  # caudal tilts
    "k25": (0, -25000),
    "k35": (0, -35000),
}


@jit
def splat(image, vertices, faces, weight):  # type: ignore[no-untyped-def]
    """Add weight * signed depth of every triangle to the pixels whose centres it covers."""
    h, w = image.shape
    for f in range(faces.shape[0]):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0.0:
            continue
        sign = weight if area < 0.0 else -weight
        x0, x1 = max(int(np.ceil(min(a[0], b[0], c[0]))), 0), min(int(np.floor(max(a[0], b[0], c[0]))), w - 1)
        y0, y1 = max(int(np.ceil(min(a[1], b[1], c[1]))), 0), min(int(np.floor(max(a[1], b[1], c[1]))), h - 1)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                u = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
                v = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
                if u >= 0.0 and v >= 0.0 and u + v < 1.0:
                    image[y, x] += sign * (a[2] + u * (b[2] - a[2]) + v * (c[2] - a[2]))


def project(bones, primary, secondary, centre, half, size):  # type: ignore[no-untyped-def]
    """Return the line integral of attenuation (size, size), row 0 at the top."""
    g = gantry(primary, secondary)
    axes = np.stack([g.right, -g.up, g.normal])
    image = np.zeros((size, size))
    for bone in bones:
        for vertices, faces, weight in (
            (bone.shell_vertices, bone.shell_faces, MU_CORTEX),
            (bone.core_vertices, bone.core_faces, MU_CORE - MU_CORTEX),
        ):
            p = (bone.to_patient(vertices) - centre) @ axes.T
            p[:, :2] = (p[:, :2] / (2 * half) + 0.5) * size + 0.137
            splat(image, np.ascontiguousarray(p), faces, weight)
    return image


def tile(line, contrast):  # type: ignore[no-untyped-def]
    """Return a film-like tile: bone dark, as a fluoroscope shows it."""
    bright = np.exp(-contrast * np.clip(line, 0.0, None))
    return (255 * (0.04 + 0.92 * bright)).astype(np.uint8)


def chosen(column, names, spacing):  # type: ignore[no-untyped-def]
    """Bake the bones called `names` (none: all of them)."""
    if not names and spacing is None:
        return bake_bones(column)
    return tuple(bake_bone(column, i, spacing) for i, b in enumerate(column.bones) if not names or b.shape.name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--views", default="ap,o25,or25,lat")
    parser.add_argument("--centre", default="L4")
    parser.add_argument("--half", type=float, default=55.0)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--only", default="")
    parser.add_argument("--spacing", type=float, default=None, help="coarser grids (mm) while shaping")
    parser.add_argument("--contrast", type=float, default=1.5)
    options = parser.parse_args()
    column = stack(individual(options.seed))
    bones = chosen(column, options.only.split(",") if options.only else [], options.spacing)
    base = {"S": "S2.canal.centre"}.get(options.centre, f"{options.centre}.canal.centre")
    centre = column.landmarks[base]
    tiles = []
    for view in options.views.split(","):
        line = project(bones, *VIEWS[view], centre, options.half, options.size * 2)
        line = line.reshape(options.size, 2, options.size, 2).mean((1, 3))
        tiles.append(tile(line, options.contrast * (0.7 if view == "lat" else 1.0)))
    Image.fromarray(np.hstack(tiles)).save(options.out)


if __name__ == "__main__":
    main()
