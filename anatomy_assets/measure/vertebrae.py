"""Sizes of single vertebrae, met on the baked bone.

Definitions (all in the vertebra's own frame: up = between the end plate centres, left = between the pedicles):
  body_height_front_mm, body_height_back_mm   between the highest points of the rims in the midsagittal plane
  body_depth_upper_mm     upper end plate in the midsagittal plane, edge to edge (1 mm below the rims)
  body_width_upper_mm     greatest width of the upper end plate, edge to edge, in its front two thirds
  canal_width_mm          greatest transverse width between the pedicles at their mid height
  canal_depth_mm          least midsagittal way from the posterior wall to the arch
  pedicle_width_mm.<side>, pedicle_height_mm.<side>   least solid width / height near the isthmus
  transverse_span_mm      greatest side-to-side extent of the bone
  spinous_length_mm       posterior rim to the tip of the spinous process, along the posterior axis
  body_wedge_deg          angle between the end plates, + higher in front
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.measure.grid import STEP_MM, along, distance, first, through
from sim.phantom import Bone, Phantom

F64 = NDArray[np.float64]
EDGE_MM = 1.0
WHOLE = 0.8
"""An end plate shorter than this share of the depth of its body at mid height is broken."""
SIDES = ("left", "right")


@dataclass(frozen=True)
class Axes:
    """Origin (3,) and unit axes (3,) of one vertebra in the patient frame."""

    origin: F64
    left: F64
    back: F64
    up: F64

    def at(self, left: float, back: float, up: float) -> F64:
        """Return the patient point of local coordinates (mm)."""
        return self.origin + left * self.left + back * self.back + up * self.up


@dataclass(frozen=True)
class Plate:
    """One end plate in the midsagittal plane: rims in front and behind, middle of the surface, hindmost edge (patient points)."""

    front: F64
    back: F64
    middle: F64
    depth: float
    edge: F64


def levels_of(phantom: Phantom) -> tuple[str, ...]:
    """Return the vertebrae of a phantom, cranial to caudal."""
    return tuple(b.name for b in phantom.bones if f"{b.name}.body.centre" in phantom.landmarks)


def axes_of(phantom: Phantom, level: str) -> Axes:
    """Return the frame of a vertebra (the sacrum: of its S1 end plate)."""
    if level == "S1":
        up = phantom.landmark("S1.endplate.superior") - phantom.landmark("S2.canal.front")
        left = phantom.landmark("S1.pedicle.left.centre") - phantom.landmark("S1.pedicle.right.centre")
        left = _unit(left)
        depth = phantom.landmark("S1.wall.posterior") - phantom.landmark("S1.endplate.superior")
        back = _unit(depth - (depth @ left) * left)
        up = np.cross(left, back)
        return Axes(phantom.landmark("S1.endplate.superior"), left, back, up)
    up = _unit(phantom.landmark(f"{level}.endplate.superior") - phantom.landmark(f"{level}.endplate.inferior"))
    left = phantom.landmark(f"{level}.pedicle.left.centre") - phantom.landmark(f"{level}.pedicle.right.centre")
    left = _unit(left - (left @ up) * up)
    return Axes(phantom.landmark(f"{level}.body.centre"), left, np.cross(up, left), up)


def _unit(v: F64) -> F64:
    return np.asarray(v / np.sqrt((v * v).sum()))


def bone_of(phantom: Phantom, level: str) -> Bone:
    """Return the bone of a level name (S1 is part of the sacrum)."""
    return phantom.bone("S" if level == "S1" else level)


def plate(phantom: Phantom, level: str, upper: bool) -> Plate:
    """Return the upper or lower end plate of a level; ValueError where the bone has none there."""
    bone, a = bone_of(phantom, level), axes_of(phantom, level)
    sign = 1.0 if upper else -1.0
    places = np.arange(-26.0, 26.1, 0.25)
    start = 0.0 if level == "S1" else sign * 0.3 * _high(phantom, level)
    midline = np.stack([np.zeros(len(places)), places], axis=1)
    heights = _surfaces(bone, a, midline, sign, start)
    run = _run(np.isfinite(heights), len(places) // 2)
    if level != "S1" and 0.25 * (run.stop - run.start) < WHOLE * _span(bone, a):  # a broken body: its plate lies deeper
        heights = _surfaces(bone, a, midline, sign, sign * 0.5, 22.0)
        heights[np.abs(heights) < 0.6] = np.nan
        run = _run(np.isfinite(heights), len(places) // 2)
    p, h = places[run], heights[run]
    n = len(p) // 3
    front, back = int(np.argmax(sign * h[:n])), len(p) - n + int(np.argmax(sign * h[-n:]))
    edge_front = p[: n + 1][sign * h[: n + 1] > sign * h[front] - EDGE_MM].min()
    edge_back = p[-n - 1 :][sign * h[-n - 1 :] > sign * h[back] - EDGE_MM].max()
    edge = a.at(0.0, edge_back, float(np.interp(edge_back, p, h)))
    mid = 0.5 * (p[front] + p[back])
    middle = a.at(0.0, mid, float(np.interp(mid, p, h)))
    return Plate(a.at(0.0, p[front], h[front]), a.at(0.0, p[back], h[back]), middle, float(edge_back - edge_front), edge)


def _span(bone: Bone, a: Axes) -> float:
    """Return the midsagittal depth (mm) of a body at its middle."""
    return first(*along(bone, a.origin, a.back, 30.0), False) + first(*along(bone, a.origin, -a.back, 30.0), False)


def _high(phantom: Phantom, level: str) -> float:
    """Return the distance (mm) of the end plate centres."""
    return _length(phantom.landmark(f"{level}.endplate.superior") - phantom.landmark(f"{level}.endplate.inferior"))


def _surface(bone: Bone, a: Axes, left: float, back: float, sign: float, start: float, over: float = 14.0) -> float:
    """Return the height at which a ray from over the end plate first meets bone; NaN where it stays free to `start`."""
    return float(_surfaces(bone, a, np.array([[left, back]]), sign, start, over)[0])


def _surfaces(bone: Bone, a: Axes, at: F64, sign: float, start: float, over: float = 14.0) -> F64:
    """Return the heights (n,) at which rays from over the end plate at (left, back) of `at` (n, 2) first meet bone."""
    top = start + sign * over if start else sign * over * 0.6
    reach = abs(top - start) + (6.0 if start == 0.0 else 0.0)
    t = np.arange(0.0, reach + STEP_MM, STEP_MM)
    starts = np.array([a.at(left, back, top) for left, back in at])
    points = starts[:, None, :] + t[None, :, None] * (-sign * a.up)
    d = distance(bone, points.reshape(-1, 3)).reshape(len(at), len(t))
    return np.array([top - sign * first(t, row, True) for row in d])


def _run(mask: NDArray[np.bool_], centre: int) -> slice:
    """Return the unbroken run of True round an index."""
    low = high = centre
    while low > 0 and mask[low - 1]:
        low -= 1
    while high < len(mask) - 1 and mask[high + 1]:
        high += 1
    return slice(low, high + 1)


def _width_upper(bone: Bone, a: Axes, upper: Plate) -> float:
    """Return the greatest edge-to-edge width of the upper end plate in its front two thirds."""
    best = 0.0
    places = np.arange(-34.0, 34.1, 0.25)
    for share in (0.35, 0.45, 0.55, 0.65):
        centre = upper.front + share * (upper.back - upper.front)
        back, up = float((centre - a.origin) @ a.back), float((centre - a.origin) @ a.up)
        h = _surfaces(bone, a, np.stack([places, np.full(len(places), back)], axis=1), 1.0, up - 6.0, 12.0)
        run = _run(np.isfinite(h), len(places) // 2)
        x, h = places[run], h[run]
        n = len(x) // 2
        right = x[:n][h[:n] > h[:n].max() - EDGE_MM].min()
        left = x[n:][h[n:] > h[n:].max() - EDGE_MM].max()
        best = max(best, float(left - right))
    return best


def _canal(phantom: Phantom, bone: Bone, a: Axes, level: str) -> dict[str, float]:
    wall = float((phantom.landmark(f"{level}.wall.posterior") - a.origin) @ a.back)
    height = float(np.mean([(phantom.landmark(f"{level}.pedicle.{s}.centre") - a.origin) @ a.up for s in SIDES]))
    widths = []
    for back in np.arange(wall + 2.0, wall + 11.0, 0.5):
        here = a.at(0.0, back, height)
        way = first(*along(bone, here, a.left, 24.0), True) + first(*along(bone, here, -a.left, 24.0), True)
        widths.append(way)
    depths = []
    for up in np.arange(-14.0, 14.1, 0.5):
        here = a.at(0.0, wall + 5.0, up)
        way = first(*along(bone, here, a.back, 24.0), True) + first(*along(bone, here, -a.back, 14.0), True)
        depths.append(way)
    return {f"canal_width_mm.{level}": float(np.nanmax(widths)), f"canal_depth_mm.{level}": float(np.nanmin(depths))}


def pedicle(phantom: Phantom, level: str, side: str) -> tuple[float, float]:
    """Return least width and height (mm) of a pedicle near its isthmus."""
    bone, a = phantom.bone(level), axes_of(phantom, level)
    axis = phantom.landmark(f"{level}.pedicle.{side}.axis")
    axis = _unit(axis - (axis @ a.up) * a.up)
    across = np.cross(a.up, axis)
    start = phantom.landmark(f"{level}.pedicle.{side}.centre")
    widths, heights = [], []
    for s in np.arange(-4.0, 4.1, 0.5):
        centre = start + s * axis
        if distance(bone, centre)[0] >= 0.0:
            continue
        for _ in range(2):  # to the middle of the section: a curved one is met off its centre at first
            wide, centre = through(bone, centre, across, 16.0)
            tall, centre = through(bone, centre, a.up, 20.0)
        if wide > 1.0 and tall > 1.0:
            widths.append(wide)
            heights.append(tall)
    return (float(np.nanmin(widths)), float(np.nanmin(heights))) if widths else (float("nan"), float("nan"))


def angle_deg(one: F64, two: F64, left: F64) -> float:
    """Return the signed angle (deg) from `one` to `two` about the left axis, both taken into the sagittal plane."""
    one, two = (_unit(v - (v @ left) * left) for v in (one, two))
    return float(np.degrees(np.arctan2(np.cross(one, two) @ left, one @ two)))


def measures(phantom: Phantom) -> dict[str, float]:
    """Return the measures of every vertebra of the phantom."""
    out: dict[str, float] = {}
    for level in levels_of(phantom):
        out |= _of_level(phantom, level)
    return out


def _of_level(phantom: Phantom, level: str) -> dict[str, float]:
    bone, a = phantom.bone(level), axes_of(phantom, level)
    upper, lower = plate(phantom, level, True), plate(phantom, level, False)
    shell = (bone.to_patient(bone.shell_vertices) - a.origin).astype(np.float64)
    left = shell @ a.left
    out = {
        f"body_height_front_mm.{level}": _length(upper.front - lower.front),
        f"body_height_back_mm.{level}": _length(upper.back - lower.back),
        f"body_depth_upper_mm.{level}": upper.depth,
        f"body_width_upper_mm.{level}": _width_upper(bone, a, upper),
        f"transverse_span_mm.{level}": float(left.max() - left.min()),
        f"spinous_length_mm.{level}": float((shell @ a.back).max() - (upper.back - a.origin) @ a.back),
        f"body_wedge_deg.{level}": angle_deg(upper.back - upper.front, lower.back - lower.front, a.left),
    }
    out |= _canal(phantom, bone, a, level)
    for side in SIDES:
        width, height = pedicle(phantom, level, side)
        out |= {f"pedicle_width_mm.{level}.{side}": width, f"pedicle_height_mm.{level}.{side}": height}
    return out


def _length(v: F64) -> float:
    return float(np.sqrt((v * v).sum()))
