"""Names and local frames over the column's parametric landmarks.

`Spine` is what the soft tissue is laid against: a dictionary of points plus one frame per vertebra that the
patient has, whichever they are. Frame axes are rows: patient left, posterior, superior of that vertebra.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.pathology import NO_LESIONS, Lesions
from anatomy_assets.tubes import bone_way, free_way, point, unit
from sim.fields import Fields, skin_y
from sim.frames import dot, norm

F64 = NDArray[np.float64]

THORACIC = ("T6", "T7", "T8", "T9", "T10", "T11", "T12")
LEVELS = ("L1", "L2", "L3", "L4", "L5")
"""The lumbar vertebrae: a patient may have more (ask its `Spine`)."""
ORDER = (*THORACIC, *LEVELS)
SACRAL = ("S1", "S2", "S3", "S4")
SIDES = ("left", "right")
SIGN = {"left": 1.0, "right": -1.0}
BELOW = dict(zip(ORDER, (*ORDER[1:], "S1"), strict=True))


@dataclass(frozen=True)
class Frame:
    """Origin (3,) and axes (3, 3) of one level: rows left, posterior, superior; mm."""

    origin: F64
    axes: F64

    def at(self, left: float, posterior: float, up: float) -> F64:
        """Return the patient-frame point of local coordinates."""
        return point(self.origin, self.axes, left, posterior, up)

    def local(self, p: F64) -> F64:
        """Return the local coordinates (left, posterior, up) of a patient-frame point."""
        d = p - self.origin
        return np.array([dot(d, a) for a in self.axes])

    def locals(self, points: F64) -> F64:
        """Return local coordinates (n, 3) of points (n, 3), without BLAS."""
        d = points - self.origin[None, :]
        return np.stack([d[:, 0] * a[0] + d[:, 1] * a[1] + d[:, 2] * a[2] for a in self.axes], axis=1)


@dataclass(frozen=True)
class Spine:
    """Landmarks (name -> point) and frames (level -> Frame) of one column."""

    marks: Mapping[str, F64]
    frames: Mapping[str, Frame]
    lesions: Lesions = NO_LESIONS

    def mark(self, name: str) -> F64:
        """Return one landmark (3,)."""
        return self.marks[name]

    @property
    def top(self) -> str:
        """The highest vertebra."""
        return next(iter(self.frames))

    @property
    def lumbar(self) -> tuple[str, ...]:
        """The lumbar vertebrae that are there, cranial first."""
        return tuple(name for name in self.frames if name.startswith("L"))

    def disc(self, level: str) -> F64:
        """Return the middle of the disc below a level."""
        return 0.5 * (self.mark(f"{level}.endplate.inferior") + self.mark(f"{BELOW[level]}.endplate.superior"))

    def pedicle_half(self, level: str, side: str) -> float:
        """Return half the width of a pedicle (mm)."""
        base = f"{level}.pedicle.{side}"
        return 0.5 * norm(self.mark(f"{base}.lateral") - self.mark(f"{base}.medial"))


def cross(a: F64, b: F64) -> F64:
    """Return a x b without BLAS."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def level_frame(marks: Mapping[str, F64], level: str) -> Frame:
    """Return the frame of a lumbar body from its end-plate centres and pedicles."""
    up = unit(marks[f"{level}.endplate.superior"] - marks[f"{level}.endplate.inferior"])
    left = marks[f"{level}.pedicle.left.centre"] - marks[f"{level}.pedicle.right.centre"]
    left = unit(left - dot(left, up) * up)
    return Frame(marks[f"{level}.body.centre"], np.stack([left, cross(up, left), up]))


def spine(marks: Mapping[str, F64], lesions: Lesions = NO_LESIONS) -> Spine:
    """Return the Spine over a dictionary of landmarks, with what ails its soft parts."""
    return Spine(marks, {level: level_frame(marks, level) for level in ORDER if f"{level}.body.centre" in marks}, lesions)


def measured(column_marks: Mapping[str, F64], free: Fields) -> dict[str, F64]:
    """Return the landmarks with the borders of each pedicle and of each foramen met on the baked bone.

    The parametric border is that of the pedicle alone; where body or transverse process blend into it (L5)
    the bone reaches further.
    """
    marks = dict(column_marks)
    for level in ORDER:
        if f"{level}.body.centre" not in marks:
            continue
        up = level_frame(marks, level).axes[2]
        for side in SIDES:
            base = f"{level}.pedicle.{side}"
            centre = marks[f"{base}.centre"]
            for word, way in (("inferior", -up), ("superior", up)):
                far = bone_way(free, *centre, *way, 16.0)
                if 2.0 < far < 16.0:
                    marks[f"{base}.{word}"] = centre + far * way
    for level in ORDER:
        if f"{level}.body.centre" in marks:
            for side in SIDES:
                marks |= _foramen(marks, free, level, side)
    return marks


BEHIND_MM = 26.0
"""No foramen is wider than this: a ray that meets no bone so far behind the disc has found none (removed lamina)."""


def _foramen(marks: Mapping[str, F64], free: Fields, level: str, side: str) -> dict[str, F64]:
    """Return the borders of the foramen below a level, half way between the pedicles, square to the line between them.

    Above and below: the pedicles. In front: the line between the posterior rims of the end plates (the disc's back).
    Behind: the first bone (articular process of the vertebra below, lamina) straight behind the front; where there is
    none, the old mark.
    """
    base, low = f"{level}.foramen.{side}", BELOW[level]
    top = marks[f"{level}.pedicle.{side}.inferior"]
    bottom = marks.get(f"{low}.pedicle.{side}.superior", marks[f"{base}.inferior"])
    up = unit(top - bottom)
    left = level_frame(marks, level).axes[0]
    back = cross(up, unit(left - dot(left, up) * up))
    middle = 0.5 * (top + bottom)
    a, b = _rims(marks, level)
    share = min(max(dot(middle - a, up) / dot(b - a, up), -0.5), 1.5) if abs(dot(b - a, up)) > 0.5 else 0.5
    front = middle + dot(a + share * (b - a) - middle, back) * back
    inside = float(bone_way(free, *front, *back, 8.0))
    far = inside + 0.2 + float(free_way(free, *(front + (inside + 0.2) * back), *back, BEHIND_MM))
    behind = front + far * back if far < BEHIND_MM else middle + dot(marks[f"{base}.posterior"] - middle, back) * back
    out = {f"{base}.superior": top, f"{base}.inferior": bottom, f"{base}.anterior": front, f"{base}.posterior": behind}
    return out | {f"{base}.centre": 0.5 * (front + behind)}


def _rims(marks: Mapping[str, F64], level: str) -> tuple[F64, F64]:
    """Return the posterior rims of the end plates above and below the disc under a level."""
    low = BELOW[level]
    upper = marks[f"{level}.wall.posterior"] + marks[f"{level}.endplate.inferior"] - marks[f"{level}.body.centre"]
    lower = marks[f"{low}.wall.posterior"]
    if f"{low}.body.centre" in marks:
        lower = lower + marks[f"{low}.endplate.superior"] - marks[f"{low}.body.centre"]
    return upper, lower


def skin_marks(marks: Mapping[str, F64], fields: Fields, ways: Mapping[tuple[str, ...], F64]) -> dict[str, F64]:
    """Return skin points: over each spinous tip, and where each target's way leaves the body (`skin.<target>`)."""
    out: dict[str, F64] = {}
    for level in ORDER:
        tip = marks.get(f"{level}.spinous.tip")
        if tip is not None:
            out[f"skin.{level}.spinous"] = np.array([tip[0], skin_y(fields, tip[0], tip[2]), tip[2]])
    for key, normal in ways.items():
        p = marks[f"target.{'.'.join(key)}"]
        t = 0.0
        for _ in range(60):  # Newton-like steps: the skin is nearly flat against the way
            q = p + t * normal
            t += (skin_y(fields, q[0], q[2]) - q[1]) / normal[1]
        q = p + t * normal
        out[f"skin.{'.'.join(key)}"] = np.floor(q * 1000.0 + 0.5) / 1000.0
    return out
