"""The trunk's outline: a height field of the back and a closed mesh of the section.

At every height the section is a mix of an ellipse and a squarer super-ellipse, with a furrow over the
spinous processes. The back lies where the published skin-to-epidural depths put it. + - * / sqrt only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.landmarks import BELOW, Spine
from anatomy_assets.tables import number
from sim.phantom import Skin

F64 = NDArray[np.float64]
T = "soft_tissue"
STEP_MM = 2.0
RING_MM = 5.0
EDGE = 0.985
"""Where the height field stops falling: beyond this share of the half width the flank is too steep for it."""


@dataclass(frozen=True)
class Trunk:
    """Section of the trunk at heights z (n,): midline of the back, half width, back and front depth (mm)."""

    z: F64
    middle_x: F64
    back_y: F64
    half_width: F64
    back_depth: F64
    front_depth: F64

    def at(self, z: F64) -> tuple[F64, F64, F64, F64, F64]:
        """Return the five measures at heights z."""
        arrays = (self.middle_x, self.back_y, self.half_width, self.back_depth, self.front_depth)
        return tuple(line(z, self.z, a) for a in arrays)  # type: ignore[return-value]


def line(x: F64, at: F64, values: F64) -> F64:
    """Return linear interpolation of (at, values), constant beyond the ends (plain operations, bit-stable)."""
    i = np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(at) - 2)
    t = np.clip((x - at[i]) / (at[i + 1] - at[i]), 0.0, 1.0)
    return np.asarray(values[i] * (1.0 - t) + values[i + 1] * t, np.float64)


def trunk(spine: Spine, bmi: float, depth_deviate: float, z_low: float, z_high: float) -> Trunk:
    """Return the outline for a spine, a body mass index and a deviate (SD) of the depth of the back."""
    diameter = 10.0 * (number(T, "trunk.diameter_per_bmi_cm") * bmi + number(T, "trunk.diameter_base_cm"))
    ratio = number(T, "trunk.lat_over_ap")
    depth = diameter / np.sqrt(ratio)
    z = np.arange(z_low, z_high + 1.0, 5.0)
    at, back = _back_points(spine, bmi, depth_deviate)
    y = _smoothed(line(z, at, back))
    xs = [(spine.mark(f"{n}.canal.centre")[2], spine.mark(f"{n}.canal.centre")[0]) for n in ("S1", *reversed(list(spine.frames)))]
    middle = _smoothed(line(z, np.array([p[0] for p in xs]), np.array([p[1] for p in xs])))
    share = number(T, "trunk.back_share")
    flare = 1.0 + 2.6e-6 * (z - 100.0) * (z - 100.0)
    front = line(np.array([85.0]), z, y)[0] - depth  # the front is straight: the patient lies on it
    back_depth = share * depth + 0.0 * z
    return Trunk(z, middle, y, 0.5 * ratio * depth * flare, back_depth, y - back_depth - front)


def _back_points(spine: Spine, bmi: float, deviate: float) -> tuple[F64, F64]:
    """Return heights (ascending) and y of the skin over the midline."""
    extra = number(T, "epidural_depth.per_bmi_mm") * (bmi - 25.0) + number(T, "epidural_depth.sd_mm") * deviate
    over = number(T, "epidural_depth.over_spine_mm") + 0.2 * max(bmi - 22.0, 0.0)
    points = []
    for level, frame in spine.frames.items():
        dorsal = 0.5 * (spine.mark(f"{level}.canal.back") + spine.mark(f"{BELOW[level]}.canal.back"))
        own = number(T, "epidural_depth.spread_share", level) * extra
        points.append((dorsal[2], dorsal[1] + _depth(level) + own))
        if level == spine.top:
            top = spine.mark(f"{level}.canal.back") + 35.0 * frame.axes[2]
            points.append((top[2], top[1] + _depth(level) + extra))
    low = spine.mark("S2.canal.back")
    points.append((low[2], low[1] + 0.6 * (_depth("L5") + number(T, "epidural_depth.spread_share", "L5") * extra)))
    points.append((low[2] - 60.0, points[-1][1] - 2.0))
    points.sort()
    at, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    lift = 0.0
    for level in spine.frames:
        tip = spine.mark(f"{level}.spinous.tip")
        lift = max(lift, tip[1] + over - float(line(np.array([tip[2]]), at, y)[0]))
    return at, y + lift


def _depth(level: str) -> float:
    """Return the mean depth (mm) of the canal's back below the skin at a level, as it is drawn."""
    return number(T, "epidural_depth.mean_mm", level) + number(T, "epidural_depth.offset_mm", level)


def _smoothed(values: F64) -> F64:
    """Return values smoothed three times with weights 1 2 1."""
    for _ in range(3):
        padded = np.concatenate([values[:1], values, values[-1:]])
        values = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    return values


def profile(u: F64) -> F64:
    """Return the section's height share at u = |x| / half width: half ellipse, half squarer."""
    u2 = np.minimum(u * u, 1.0)
    return np.asarray(0.5 * np.sqrt(1.0 - u2) + 0.5 * np.sqrt(np.sqrt(1.0 - u2 * u2)), np.float64)


def outline(t: Trunk, x: F64, z: F64, edge: float = 1.0) -> tuple[F64, F64, F64]:
    """Return y of the back, y of the front and |x| / half width over the grid x (nx,) by z (nz,)."""
    middle, back_y, half, back_depth, front_depth = t.at(z)
    dx = x[:, None] - middle[None, :]
    u = np.abs(dx) / half[None, :]
    s = profile(np.minimum(u, edge))
    r2 = (dx / number(T, "trunk.furrow_half_width_mm")) ** 2
    ridge = 4.0 * number(T, "trunk.furrow_mm") * r2 / ((1.0 + r2) * (1.0 + r2))
    centre = (back_y - back_depth)[None, :]
    return centre + (back_depth[None, :] + ridge) * s, centre - front_depth[None, :] * s, u


def skin(t: Trunk) -> Skin:
    """Return height field and closed mesh of a trunk."""
    reach = float(np.floor(t.half_width.min() / STEP_MM)) * STEP_MM
    x = np.arange(-reach, reach + 0.5 * STEP_MM, STEP_MM)
    z = np.arange(t.z[0], t.z[-1] + 0.5 * STEP_MM, STEP_MM)
    back, _, _ = outline(t, x, z, EDGE)
    vertices, faces = _mesh(t)
    return Skin(back, float(x[0]), float(z[0]), STEP_MM, vertices, faces)


def _mesh(t: Trunk, half_count: int = 64) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the closed section as rings of 2 * half_count points plus two caps."""
    z = np.arange(t.z[0], t.z[-1] + 0.5 * RING_MM, RING_MM)
    v = np.arange(half_count + 1) / half_count * 2.0 - 1.0
    u = v * (1.5 - 0.5 * v * v)  # denser towards the flanks
    middle, _, half, _, _ = t.at(z)
    rings = []
    for k in range(len(z)):
        x = middle[k] + u * half[k]
        back, front, _ = outline(t, x, z[k : k + 1])
        top = np.stack([x, back[:, 0]], 1)
        low = np.stack([x[1:-1], front[1:-1, 0]], 1)[::-1]
        ring = np.concatenate([top, low])
        rings.append(np.concatenate([ring, np.full((len(ring), 1), z[k])], axis=1))
    m = len(rings[0])
    points = np.concatenate(rings)
    low_centre, high_centre = rings[0].mean(0), rings[-1].mean(0)
    points = np.concatenate([points, low_centre[None], high_centre[None]])
    faces = []
    for k in range(len(z) - 1):
        for i in range(m):
            a, b = k * m + i, k * m + (i + 1) % m
            faces += [[a, b, b + m], [a, b + m, a + m]]
    last, low_index = (len(z) - 1) * m, len(points) - 2
    for i in range(m):
        faces += [[low_index, (i + 1) % m, i], [low_index + 1, last + i, last + (i + 1) % m]]
    mesh = np.array(faces, np.int32)
    return points.astype(np.float32), mesh[:, ::-1].copy()  # ring runs left over the back: turned outwards
