"""Stack the bones: poses of every bone in the patient frame and the parametric landmarks.

Author frame: x anterior, y left, z up. Patient frame: DICOM LPS, origin = centre of the S1 endplate:
(X, Y, Z) = (y, -x, z). Matrices are multiplied term by term: a BLAS product is not bit-stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anatomy_assets import coccyx, femur, pelvis, ribs, sacrum, sacrum_marks
from anatomy_assets import primitives as prim
from anatomy_assets.marks import BELOW, facet_marks, foramen_marks, level_marks
from anatomy_assets.parameters import SIDES, Parameters, mdeg
from anatomy_assets.shape import Shape
from anatomy_assets.vertebra import arch_name, plate, vertebra
from sim.frames import sincos_mdeg

F64 = NDArray[np.float64]

AUTHOR_TO_LPS = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Placed:
    """One bone: its shape and rigid pose, local -> patient (LPS, mm)."""

    shape: Shape
    rotation: F64
    translation_mm: F64

    def to_patient(self, p: tuple[float, float, float]) -> F64:
        """Return a local point in the patient frame."""
        return moved(self.rotation, p) + self.translation_mm

    def field(self, p: F64) -> float:
        """Return the raw field (mm, before carving and ripple) at a point of the patient frame."""
        d, r = p - self.translation_mm, self.rotation
        x, y, z = (r[0, i] * d[0] + r[1, i] * d[1] + r[2, i] * d[2] for i in range(3))
        rows = self.shape.rows
        return float(prim.field(rows, self.shape.aux, np.arange(len(rows)), 0, len(rows), x, y, z))


@dataclass(frozen=True)
class Column:
    """All bones of one person in place; landmarks are (3,) points in LPS mm, measures are numbers in mm or degrees.

    Landmark names: see anatomy_assets/marks.py.
    """

    parameters: Parameters
    bones: tuple[Placed, ...]
    landmarks: Mapping[str, F64]
    measures: Mapping[str, float]

    def bone(self, name: str) -> Placed:
        """Return the bone called `name`; KeyError names what exists."""
        for bone in self.bones:
            if bone.shape.name == name:
                return bone
        raise KeyError(f"no bone '{name}'; this column has {[b.shape.name for b in self.bones]}")


def product(a: F64, b: F64) -> F64:
    """Return the matrix product of two (3, 3) arrays, summed in a fixed order."""
    out = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]
    return out


def moved(rotation: F64, p: tuple[float, float, float]) -> F64:
    """Return rotation times a point."""
    return np.array([rotation[i, 0] * p[0] + rotation[i, 1] * p[1] + rotation[i, 2] * p[2] for i in range(3)])


def about(axis: int, angle_mdeg: int) -> F64:
    """Return the right-handed rotation about axis 0, 1 or 2 by whole millidegrees."""
    s, c = sincos_mdeg(angle_mdeg)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out = np.zeros((3, 3))
    out[axis, axis] = 1.0
    out[i, i] = out[j, j] = c
    out[i, j], out[j, i] = -s, s
    return out


def stack(parameters: Parameters) -> Column:
    """Return the column of a person in its posture: vertebrae from the highest down, then the sacrum and the pelvis."""
    p = parameters
    vertebrae, arches = _vertebrae(p)
    pelvic = [_coccyx(p), *(b for side in SIDES for b in _hip(p, side))]
    marks, measures = _landmarks(p, {b.shape.name: b for b in (*vertebrae, *arches, _sacrum(p), *pelvic)})
    # the thoracolumbar field ends above the hip bones: their landmarks stay, the bones are left out
    below = pelvic if p.field == "lumbosacral" else []
    bones = (*vertebrae, _sacrum(p), *below, *_ribs(p, vertebrae), *arches)
    return Column(p, tuple(_thinned(b, p.cortex_scale) for b in bones), marks, measures)


def _thinned(placed: Placed, scale: float) -> Placed:
    """Return a bone with its cortex scaled (osteoporosis)."""
    if scale == 1.0:
        return placed
    cortex = placed.shape.cortex.copy()
    cortex[:, 7] *= scale
    return replace(placed, shape=replace(placed.shape, cortex=cortex))


def _ribs(p: Parameters, vertebrae: tuple[Placed, ...]) -> list[Placed]:
    """Return the ribs of the thoracic vertebrae; a rib moves with its vertebra."""
    out = []
    for level, placed in zip(p.levels, vertebrae, strict=True):
        marks, _ = level_marks(level, p.morphometry.layout)
        out += [replace(placed, shape=shape) for shape in ribs.ribs(p, level.name, marks)]
    return out


def _vertebrae(p: Parameters) -> tuple[tuple[Placed, ...], tuple[Placed, ...]]:
    """Return the vertebrae, cranial to caudal, stacked upwards from the S1 endplate, and the parted arches.

    The arch of an isthmic listhesis stays behind when its body slips.
    """
    placed: list[Placed] = []
    arches: list[Placed] = []
    top, at = about(1, p.slope_mdeg), np.zeros(3)
    for level, disc in zip(reversed(p.levels), reversed(p.discs), strict=True):
        slip = moved(top, (disc.slip_mm, disc.shift_mm, 0.0))
        at = at + slip
        middle = product(top, about(1, -(disc.wedge_mdeg // 2)))
        at = at + moved(middle, (0.0, 0.0, disc.height))
        bottom = product(product(product(top, about(1, -disc.wedge_mdeg)), about(0, disc.tilt_mdeg)), about(2, disc.turn_mdeg))
        (low, down), (high, up) = plate(level, False), plate(level, True)
        frame = product(bottom, about(1, -down))
        origin = at + moved(frame, (0.0, 0.0, low))
        placed.append(_placed(vertebra(level, p.morphometry.layout), frame, origin))
        if level.split_mm > 0.0:
            arches.append(_placed(vertebra(level, p.morphometry.layout, "arch"), frame, origin - slip))
        top, at = product(frame, about(1, -up)), origin + moved(frame, (0.0, 0.0, high))
    return tuple(reversed(placed)), tuple(arches)


def _placed(shape: Shape, rotation: F64, origin: F64) -> Placed:
    """Return a bone with its author pose turned into the patient frame."""
    x, y, z = (float(v) for v in origin)
    return Placed(shape, product(AUTHOR_TO_LPS, rotation), moved(AUTHOR_TO_LPS, (x, y, z)))


def _sacrum(p: Parameters) -> Placed:
    return _placed(sacrum.sacrum(p), about(1, p.slope_mdeg), np.zeros(3))


def _coccyx(p: Parameters) -> Placed:
    return _placed(coccyx.coccyx(p), about(1, p.slope_mdeg), np.zeros(3))


def _hip(p: Parameters, side: str) -> list[Placed]:
    """Return the hip bone and the proximal femur of one side; they share a frame."""
    tilt = about(1, p.slope_mdeg - mdeg(p.morphometry.pelvis["measures"]["reference_slope"]["value"]))
    rotation = product(tilt, np.array(pelvis.wing_rotation(p, side)))
    origin = moved(tilt, pelvis.wing_origin(p, side))
    return [_placed(made, rotation, origin) for made in (pelvis.ilium(p, side), femur.femur(p, side))]


def _behind(name: str) -> bool:
    """Return whether a landmark of a vertebra lies on its arch behind the pars."""
    return any(part in name for part in (".iap.", ".spinous.", ".lamina", ".canal.back"))


def _landmarks(p: Parameters, bones: Mapping[str, Placed]) -> tuple[dict[str, F64], dict[str, float]]:
    marks: dict[str, F64] = {}
    measures: dict[str, float] = {}
    for level in p.levels:
        points, numbers = level_marks(level, p.morphometry.layout)
        arch = bones.get(arch_name(level), bones[level.name])
        marks |= {name: (arch if _behind(name) else bones[level.name]).to_patient(q) for name, q in points.items()}
        measures |= numbers
    marks |= {name: bones["S"].to_patient(q) for name, q in sacrum_marks.landmarks(p).items()}
    marks |= {name: bones[coccyx.NAME].to_patient(q) for name, q in coccyx.landmarks(p).items()}
    for side in SIDES:
        marks |= {name: bones[pelvis.NAMES[side]].to_patient(q) for name, q in pelvis.landmarks(p, side).items()}
    for level in p.levels:
        marks |= foramen_marks(marks, level.name)
        below = BELOW[level.name]
        arch = bones.get(arch_name(level), bones[level.name])
        marks |= facet_marks(arch.field, bones["S" if below == "S1" else below].field, marks, level.name)
    for name in [n for n in marks if n.endswith((".normal", ".axis"))]:
        marks[name] = marks[name] - marks[name.rsplit(".", 1)[0] + ".zero"]
    return {name: q for name, q in marks.items() if not name.endswith(".zero")}, measures
