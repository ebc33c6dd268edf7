"""Lines through pictures: from a point of a picture to the X-ray beam, the skin and the needle that lies in it.

The tunnel view: a needle whose shaft lies along the beam shows as a point. `in_line_with_beam` finds where
the line from the source through a chosen picture point leaves the back, and the hub angles along it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.command import TABLE, Command
from sim.fields import Fields, skin_y
from sim.frames import Vec
from sim.view import Pose


def picture_point_mm(pose: Pose, u: float, v: float) -> Vec:
    """Return the point on the detector for picture coordinates (0..1 to the right, 0..1 downwards)."""
    return pose.detector_mm + pose.right * ((u - 0.5) * pose.side_mm) + pose.up * ((0.5 - v) * pose.side_mm)


def project(pose: Pose, point_mm: Vec) -> tuple[float, float] | None:
    """Return picture coordinates (u, v) of a patient-frame point; None when it lies behind the source."""
    normal = pose.detector_mm - pose.source_mm
    distance = math.sqrt(float((normal * normal).sum()))
    normal = normal / distance
    ray = np.asarray(point_mm, np.float64) - pose.source_mm
    along = float((ray * normal).sum())
    if along <= 1e-6:
        return None
    hit = pose.source_mm + ray * (distance / along) - pose.detector_mm
    u = 0.5 + float((hit * pose.right).sum()) / pose.side_mm
    v = 0.5 - float((hit * pose.up).sum()) / pose.side_mm
    return u, v


def meets_back(fields: Fields, start: Vec, end: Vec, step_mm: float = 1.0) -> Vec | None:
    """Return where the segment start -> end first dives under the skin of the back; None if it never does.

    The back is a height field: only points over it count, so a line that enters by the flank is refused.
    """
    length = math.sqrt(float(((end - start) ** 2).sum()))
    count = max(2, int(length / step_mm))
    before: float | None = None
    for i in range(count + 1):
        t = i / count
        height = _height(fields, start + (end - start) * t)
        if height is not None and height <= 0.0 and before is not None and before > 0.0:
            return _refine(fields, start, end, (i - 1) / count, t)
        before = height
    return None


def _height(fields: Fields, p: Vec) -> float | None:
    nx, nz = fields.skin_y.shape
    u = (p[0] - fields.skin_x0) / fields.skin_step
    w = (p[2] - fields.skin_z0) / fields.skin_step
    if not (0.0 <= u <= nx - 1 and 0.0 <= w <= nz - 1):
        return None
    return float(p[1] - skin_y(fields, p[0], p[2]))


def _refine(fields: Fields, start: Vec, end: Vec, low: float, high: float) -> Vec:
    for _ in range(30):
        middle = 0.5 * (low + high)
        height = _height(fields, start + (end - start) * middle)
        if height is None or height > 0.0:
            low = middle
        else:
            high = middle
    return start + (end - start) * high


def hub_angles_mdeg(direction: Vec) -> tuple[int, int]:
    """Return (yaw, pitch) in millidegrees whose direction of advance (sim.frames.hub_frame) is `direction`."""
    d = np.asarray(direction, np.float64)
    d = d / math.sqrt(float((d * d).sum()))
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, float(d[2])))))
    yaw = math.degrees(math.atan2(float(d[0]), -float(d[1])))
    return round(yaw * 1000), round(pitch * 1000)


@dataclass(frozen=True)
class Aim:
    """A chosen picture point: the pose it was chosen on and (u, v)."""

    pose: Pose
    u: float
    v: float


def in_line_with_beam(fields: Fields, aim: Aim) -> Command | str:
    """Return needle.place along the beam through the aim, or the sentence why the assistant cannot do it."""
    detector = picture_point_mm(aim.pose, aim.u, aim.v)
    entry = meets_back(fields, detector, aim.pose.source_mm)
    if entry is None:
        return "This beam does not pass through the skin of the back: choose another view or point."
    yaw, pitch = hub_angles_mdeg(aim.pose.source_mm - detector)
    for value, argument in zip((yaw, pitch), TABLE["needle.place"][2:], strict=True):
        if not argument.low <= value <= argument.high:
            return "The beam lies too flat to hold a needle along it: turn the C-arm towards AP."
    return Command("needle.place", (round(float(entry[0]) * 1000), round(float(entry[2]) * 1000), yaw, pitch))


def centre_on(pose: Pose, aim: Aim, sod_mm: float) -> tuple[int, int, int]:
    """Return how far (um, x y z) to slide the C-arm so that the aim comes to the middle of the picture."""
    point = picture_point_mm(aim.pose, aim.u, aim.v)
    normal = pose.detector_mm - pose.source_mm
    sdd = math.sqrt(float((normal * normal).sum()))
    shift = (point - pose.detector_mm) * (sod_mm / sdd)
    return round(float(shift[0]) * 1000), round(float(shift[1]) * 1000), round(float(shift[2]) * 1000)
