"""Fit the layout anchors of the lumbar vertebrae (morphometry/layout.toml) to mean meshes of real spines.

    scripts/fit_layout.py FOLDER [--levels L3,L5] [--steps 12] [--points 2500] [--out layout.toml]

FOLDER holds mean_<level>_local.ply (mm, x anterior, y left, z up). The loss has two sides: the fitted field at
points of the mesh, and the distance to the mesh from points of our own surface, both as first-order distances;
every layout number is held near its start by a prior, sizes of lumbar.toml are not touched. Rotation, shift and
one size factor of the mesh are free. Gauss-Newton with robust weights; left and right are fitted as one.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from anatomy_assets import primitives as prim
from anatomy_assets.arch import roof_depth
from anatomy_assets.parameters import FOLDER, individual
from anatomy_assets.vertebra import vertebra
from sim.jit import jit

FIXED = {"number", "height", "sap_top", "iap_bottom", "spl", "tp_root", "tp_tip", "lamina_roof"}
ROBUST_MM = 1.2


@jit
def one_row(rows, aux, i, points, out):  # type: ignore[no-untyped-def]
    """Write the field of one row at all points."""
    for n in range(points.shape[0]):
        out[n] = prim.primitive(rows, aux, i, points[n, 0], points[n, 1], points[n, 2])


@jit
def joined(rows, values, out):  # type: ignore[no-untyped-def]
    """Join the values (rows, points) of all rows as primitives.field does."""
    for n in range(values.shape[1]):
        d = 1.0e3
        for i in range(values.shape[0]):
            k, b = rows[i, prim.BLEND], values[i, n]
            if rows[i, prim.OP] == prim.UNION:
                d = prim.smooth_min(d, b, k)
            elif rows[i, prim.OP] == prim.SUBTRACT:
                d = -prim.smooth_min(-d, b, k)
        out[n] = d


def row_values(shape, points):  # type: ignore[no-untyped-def]
    out = np.empty((len(shape.rows), len(points)))
    for i in range(len(shape.rows)):
        one_row(shape.rows, shape.aux, i, points, out[i])
    return out


def chunk(shape, i):  # type: ignore[no-untyped-def]
    """Return the numbers of row i."""
    start = int(shape.rows[i, prim.OFFSET])
    stop = int(shape.rows[i + 1, prim.OFFSET]) if i + 1 < len(shape.rows) else len(shape.aux)
    return np.concatenate([np.delete(shape.rows[i], prim.OFFSET), shape.aux[start:stop]])


def field(shape, points):  # type: ignore[no-untyped-def]
    out = np.empty(len(points))
    joined(shape.rows, row_values(shape, points), out)
    return out


def changed(base, values, shape, points):  # type: ignore[no-untyped-def]
    """Return the field of a shape that differs from `base` (row values known) in a few rows."""
    values = values.copy()
    for i in range(len(shape.rows)):
        if not np.array_equal(chunk(base, i), chunk(shape, i)):
            one_row(shape.rows, shape.aux, i, points, values[i])
    out = np.empty(len(points))
    joined(shape.rows, values, out)
    return out


def gradient(shape, points):  # type: ignore[no-untyped-def]
    out = np.empty_like(points)
    for c in range(3):
        step = np.zeros(3)
        step[c] = 0.15
        out[:, c] = (field(shape, points + step) - field(shape, points - step)) / 0.3
    return out


def surface(shape, spacing=0.9):  # type: ignore[no-untyped-def]
    """Return the mesh of a shape alone."""
    low, high = np.array(shape.low) - 3.0, np.array(shape.high) + 3.0
    size = ((high - low) / spacing).astype(int) + 1
    grid = np.empty(size, np.float32)
    prim.fill(shape.rows, shape.aux, np.zeros((3, 3, 3)), low, 1e6, grid, low, spacing, 4, 5.5)
    v, f, _, _ = marching_cubes(grid, 0.0, spacing=(spacing,) * 3, gradient_direction="descent")
    return trimesh.Trimesh(v + low, f, process=False)


def leaves(tree, path=()):  # type: ignore[no-untyped-def]
    """Yield the paths of the free numbers of an anchor."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        if not path and key in FIXED:
            continue
        if isinstance(value, (dict, list)):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def held(path):  # type: ignore[no-untyped-def]
    """Return (prior SD, lowest, highest) of a layout number; None keeps it as it is."""
    name, last = path[0], path[-1]
    if name == "pedicle":
        if (path[1] == 2 and last < 3) or last == 0:
            return None
        return (0.12, 0.7, 1.5) if last < 3 else (1.0, -4.0, 4.0)
    if name.endswith("_join"):
        if last == 1 and name != "spinous_join":
            return (0.2, 0.0, 0.95)
        return (1.2, 0.8, 8.0) if last == 0 else None
    if name.endswith("_along"):
        return (0.25, -1.5, 1.5)
    if name == "body":
        small = {"front_squareness": 0.2, "back_squareness": 0.2, "rim": 0.06, "waist_round": 0.4}
        if last in small:
            return (small[last], 0.0, 0.97)
        if last == "kidney_half_width":
            return (2.0, 6.0, 20.0)
        if last.startswith("rim_out"):
            return (1.0, -0.5, 2.6)
        return (1.0, -6.0 if last.startswith("widest") else 0.3, 5.0)
    if name == "spinous_half" and last < 2:
        return None
    if name in ("canal_lean",):
        return (0.15, 0.0, 0.8)
    if name == "canal_front" and path[1] in (2, 3):
        return None  # the width of the canal is a size, not a matter of layout
    if name == "canal_front" and path[1:] == (0, 0):
        return (0.4, 0.0, 1.6)
    if name.startswith("canal"):
        return (0.8, -1.0, 9.0) if last == 1 or name == "canal_peak" else None
    if name in ("mammillary", "accessory"):
        # means are smooth: these stay what they are, only their place may follow
        return (1.0, -40.0, 40.0) if last < 3 else None
    if name == "lamina" and path[1] == 2 and last == 1:
        return None
    if name in ("spinous", "spinous_half"):
        return (2.0, -60.0, 60.0) if name == "spinous" else (1.0, 1.2, 9.0)
    return (2.5, -60.0, 60.0) if last < 3 else (1.5, 1.6, 16.0)


def get(tree, path):  # type: ignore[no-untyped-def]
    for key in path:
        tree = tree[key]
    return tree


def put(tree, path, value):  # type: ignore[no-untyped-def]
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


def even(level):  # type: ignore[no-untyped-def]
    """Return a level with both sides alike."""
    mean = {
        key: 0.5 * (getattr(level.left, key) + getattr(level.right, key))
        for key in ("pedicle_width", "pedicle_height", "transverse_half_span", "sap", "iap")
    }
    side = replace(level.left, facet_mdeg=0, **mean)
    return replace(level, left=side, right=side, spinous_lean=0.0)


def own_scale(anchor, level):  # type: ignore[no-untyped-def]
    """Write the sizes of the level into its anchor, so that the layout stands at scale 1."""
    f = 0.5 * level.height_back
    anchor |= {"height": level.height, "sap_top": f + level.left.sap, "iap_bottom": f + level.left.iap}
    anchor |= {"lamina_roof": roof_depth(level, anchor)}
    anchor |= {"spl": level.spinous_length, "tp_tip": level.left.transverse_half_span}


class Fit:
    """One anchor, its mesh and the pose of the mesh."""

    def __init__(self, layout, name, level, mesh, count):  # type: ignore[no-untyped-def]
        self.layout, self.name, self.level, self.count = layout, name, level, count
        self.paths = [p for p in leaves(layout[name]) if held(p) is not None]
        self.sd, self.low, self.high = (np.array(c) for c in zip(*[held(p) for p in self.paths], strict=True))
        self.start = np.array([get(layout[name], p) for p in self.paths])
        self.value = self.start.copy()
        self.rotation, self.shift, self.size = np.eye(3), np.zeros(3), 1.0
        dense, faces = trimesh.sample.sample_surface(mesh, 60_000, seed=1)
        self.dense, self.normals = np.asarray(dense), mesh.face_normals[faces]

    def shape(self, value):  # type: ignore[no-untyped-def]
        """Return the vertebra of some layout numbers."""
        layout = copy.copy(self.layout)
        layout[self.name] = copy.deepcopy(self.layout[self.name])
        for path, x in zip(self.paths, value, strict=True):
            put(layout[self.name], path, float(x))
        return vertebra(self.level, layout)

    def posed(self):  # type: ignore[no-untyped-def]
        """Return points and normals of the mesh in the frame of our level."""
        return self.size * self.dense @ self.rotation.T + self.shift, self.normals @ self.rotation.T

    def measure(self):  # type: ignore[no-untyped-def]
        """Return our surface points and normals, their foot on the mesh, and the two-sided distances (in mesh mm)."""
        ours = surface(self.shape(self.value))
        points, faces = trimesh.sample.sample_surface(ours, 60_000, seed=2)
        points, normals = np.asarray(points), ours.face_normals[faces]
        theirs, their_normals = self.posed()
        near, foot = cKDTree(theirs).query(points)
        back, _ = cKDTree(points).query(theirs)
        plane = np.abs(((points - theirs[foot]) * their_normals[foot]).sum(1))
        both = np.concatenate([np.minimum(plane + 0.02, near), back])
        return points, normals, theirs[foot], their_normals[foot], both / self.size

    def step(self, damping, rng, pose_only=False):  # type: ignore[no-untyped-def]
        """Take one Gauss-Newton step."""
        points, normals, feet, foot_normals, _ = self.measure()
        pick = rng.choice(len(points), self.count, replace=False)
        q, nq, foot, nf = points[pick], normals[pick], feet[pick], foot_normals[pick]
        theirs, _ = self.posed()
        p = theirs[rng.choice(len(theirs), self.count, replace=False)]
        base = self.shape(self.value)
        vp, vq = row_values(base, p), row_values(base, q)
        gp, gq = gradient(base, p), gradient(base, q)
        lp = np.maximum(np.sqrt((gp**2).sum(1)), 0.4)
        lq = np.maximum(np.sqrt((gq**2).sum(1)), 0.4)
        fp, fq = field(base, p), field(base, q)
        facing = np.clip((nq * nf).sum(1), 0.3, 1.0)
        r1, r2 = fp / lp, ((q - foot) * nf).sum(1)
        near = np.sqrt(((q - foot) ** 2).sum(1))
        r2 = np.sign(r2) * np.minimum(near, np.abs(r2) + 0.3 * near)
        columns = []
        for i, sd in enumerate([] if pose_only else self.sd):
            value = self.value.copy()
            h = 0.05 * sd if value[i] + 0.05 * sd < self.high[i] else -0.05 * sd
            value[i] += h
            other = self.shape(value)
            d1 = (changed(base, vp, other, p) - fp) / lp / h
            d2 = -facing * (changed(base, vq, other, q) - fq) / lq / h
            columns.append(np.concatenate([d1, d2]))
        np_ = gp / lp[:, None]
        for axis in range(3):
            e = np.zeros(3)
            e[axis] = 1.0
            columns.append(np.concatenate([np_[:, axis], -nf[:, axis]]))
        for axis in range(3):
            e = np.zeros(3)
            e[axis] = 1.0
            columns.append(np.concatenate([(np_ * np.cross(e, p)).sum(1), -(nf * np.cross(e, foot)).sum(1)]))
        columns.append(np.concatenate([(np_ * p).sum(1), -(nf * foot).sum(1)]))
        j = np.stack(columns, 1)
        r = np.concatenate([r1, r2])
        n = len(self.sd) * (not pose_only)
        w = 1.0 / np.sqrt(1.0 + (r / ROBUST_MM) ** 2)
        scale = np.concatenate([self.sd[:n], [1.0, 1.0, 1.0, 0.05, 0.05, 0.05, 0.05]])
        j = j * scale
        # priors: the pull of a whole prior SD weighs as 10 points that are off by 1 mm
        prior = np.concatenate([np.full(n, 10.0), [1.0] * 3, [4.0] * 3, [20.0]])
        off = np.concatenate([(self.value - self.start)[:n] / self.sd[:n], np.zeros(6), [(self.size - 1.0) / 0.05]])
        a = (j * w[:, None]).T @ j + np.diag(prior)
        b = -(j * w[:, None]).T @ r - prior * off
        a += damping * np.diag(np.diag(a)) + 1e-6 * np.eye(len(a))
        move = np.linalg.solve(a, b)
        if n:
            limit = np.clip(move[:n], -0.8, 0.8) * self.sd
            self.value = np.clip(self.value + limit, self.low, self.high)
        t, turn, size = move[n : n + 3], move[n + 3 : n + 6] * 0.05, move[n + 6] * 0.05
        spin = trimesh.transformations.euler_matrix(*turn)[:3, :3]
        self.rotation, self.shift = spin @ self.rotation, spin @ self.shift * (1 + size) + t
        self.size *= 1 + size

    def anchor(self):  # type: ignore[no-untyped-def]
        """Return the fitted anchor as it goes to the file."""
        out = copy.deepcopy(self.layout[self.name])
        for path, x in zip(self.paths, self.value, strict=True):
            put(out, path, round(float(x), 3))
        return out


def text(value):  # type: ignore[no-untyped-def]
    if isinstance(value, list):
        return "[" + ", ".join(text(v) for v in value) + "]"
    return repr(round(value, 3)) if isinstance(value, float) else str(value)


def block(name, table):  # type: ignore[no-untyped-def]
    """Return one anchor as TOML."""
    lines = [f"[{name}]"] + [f"{k} = {text(v)}" for k, v in table.items() if not isinstance(v, dict)]
    for key, inner in table.items():
        if isinstance(inner, dict):
            lines += ["", f"[{name}.{key}]"] + [f"{k} = {text(v)}" for k, v in inner.items()]
    return "\n".join(lines) + "\n\n"


def written(source, layout, names):  # type: ignore[no-untyped-def]
    """Return the text of the file with the blocks of some anchors replaced."""
    for name in names:
        source = re.sub(rf"^\[{name}\]\n.*?(?=^\[(?!{name}))", lambda _, n=name: block(n, layout[n]), source, flags=re.S | re.M)
    return source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--levels", default="L3,L5")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--points", type=int, default=2500)
    parser.add_argument("--layout", type=Path, default=FOLDER / "layout.toml")
    parser.add_argument("--out", type=Path, default=FOLDER / "layout.toml")
    options = parser.parse_args()
    source = options.layout.read_text(encoding="utf-8")
    layout = tomllib.loads(source)
    for name in options.levels.split(","):
        level = even(individual(0).level(name))
        own_scale(layout[name], level)
        mesh = trimesh.load(options.folder / f"mean_{name}_local.ply")
        fit = Fit(layout, name, level, mesh, options.points)
        rng = np.random.default_rng(7)
        for _ in range(6):
            fit.step(0.0, rng, pose_only=True)
        for k in range(options.steps):
            d = fit.measure()[4]
            print(f"{name} {k}: mean {d.mean():.3f} p95 {np.percentile(d, 95):.2f} size {fit.size:.3f}", flush=True)
            fit.step(0.3 if k < 4 else 0.1, rng)
        d = fit.measure()[4]
        print(f"{name}: mean {d.mean():.3f} p95 {np.percentile(d, 95):.2f} mm, size {fit.size:.3f}")
        layout[name] = fit.anchor()
    options.out.write_text(written(source, layout, options.levels.split(",")), encoding="utf-8")


if __name__ == "__main__":
    main()
