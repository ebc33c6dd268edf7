"""Key pictures of a chart: one axial and two sagittal slices of the phantom at the target, as a T2-weighted spin echo shows them.

Where a body is to be filled the slices go through the pedicle, and one with fat suppressed (STIR) shows which fractures are
fresh: their marrow is bright as told by the patient's own findings (`phantom.individual["pathology"]`).

`key_pictures(phantom, level, side)` gives (caption, uint8 (rows, columns)) pairs; a window or a report shows them as they are.
Signal of a tissue: share * (1 - exp(-TR/T1)) * exp(-TE/T2), values in data/mri.toml. Pictures follow radiologists: axial seen
from the feet (patient's right on the left), front of the patient up; sagittal with the front on the left. They show this
patient's own anatomy and findings, at the grid of the labels (1 mm); thin nerves come from their tubes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scenarios.pictures import middle_of, png_bytes
from scenarios.toml_file import DATA, Quantity, Strict, load
from sim.clinic import spoken
from sim.phantom import Phantom, Tissue, TubeKind

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

HALF_MM = 75.0
"""Half the field of view."""
PIXEL_MM = 0.4
WHITE = 0.6
"""Signal that is shown as white: about that of cerebrospinal fluid."""
NERVES = (TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS, TubeKind.ROOTLET, TubeKind.CORD)


class Sequence(Strict):
    """Times of the spin echo."""

    repetition_ms: Quantity
    echo_ms: Quantity


class Relaxation(Strict):
    """One kind of tissue."""

    t1: Quantity
    t2: Quantity
    share: Quantity


class Inversion(Strict):
    """Times of the short-tau inversion recovery."""

    repetition_ms: Quantity
    inversion_ms: Quantity
    echo_ms: Quantity


class MriFile(Strict):
    """scenarios/data/mri.toml."""

    sequence: Sequence
    stir: Inversion
    fresh: Relaxation
    tissue: dict[str, Relaxation]
    looks_like: dict[str, str]


@cache
def _file() -> MriFile:
    return load(DATA / "mri.toml", MriFile)


@cache
def signals() -> F64:
    """Return the signal of each Tissue number, (33,) float64 from 0 to 1; tissues that give none are 0."""
    tr, te = _file().sequence.repetition_ms.value, _file().sequence.echo_ms.value
    return _table(lambda kind: (1.0 - math.exp(-tr / kind.t1.value)) * math.exp(-te / kind.t2.value))


@cache
def stir_signals() -> F64:
    """Return the same with fat suppressed, (33,) float64."""
    return _table(_stir)


def _stir(kind: Relaxation) -> float:
    """Signal of an inversion recovery: |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2)."""
    stir, t1 = _file().stir, kind.t1.value
    grown = 1.0 - 2.0 * math.exp(-stir.inversion_ms.value / t1) + math.exp(-stir.repetition_ms.value / t1)
    return abs(grown) * math.exp(-stir.echo_ms.value / kind.t2.value)


def _table(signal: Callable[[Relaxation], float]) -> F64:
    out = np.zeros(max(Tissue) + 1)
    for name, kind in _file().looks_like.items():
        if kind != "none":
            out[Tissue[name]] = _file().tissue[kind].share.value * signal(_file().tissue[kind])
    return out


def key_pictures(phantom: Phantom, level: str, side: str, of_body: bool = False) -> list[tuple[str, U8]]:
    """Return the key pictures at a level: (caption, grey picture uint8 (n, n)). KeyError: the patient lacks the level.

    of_body: for filling a vertebral body, through the pedicle instead of the foramen, and one with fat suppressed.
    """
    what = "pedicle" if of_body else "foramen"
    place = phantom.landmark(f"{level}.pedicle.{side}.centre") if of_body else _foramen(phantom, level, side)
    centre = place.copy()
    centre[0] = middle_of(phantom, level)[0]
    axial = _slice(phantom, centre, np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]))
    through = centre.copy()
    through[0] = place[0]
    flat, up = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    middle = phantom.landmark("L5.body.centre").copy()
    middle[2] = centre[2]
    where = f"{level} {spoken(side)}"
    found = [
        (f"T2-weighted, axial through the {what} of {where} (patient's right on the left)", axial),
        ("T2-weighted, sagittal, midline (front on the left)", _slice(phantom, middle, flat, up)),
        (f"T2-weighted, sagittal through the {what} of {where} (front on the left)", _slice(phantom, through, flat, up)),
    ]
    if of_body:
        found.append(
            ("STIR, sagittal, midline (front on the left): fresh fractures are bright", _fat_suppressed(phantom, middle))
        )
    return found


def _fat_suppressed(phantom: Phantom, centre: F64) -> U8:
    """Return the sagittal slice with fat suppressed; marrow of a fresh fracture is as bright as water there."""
    points = _points(centre, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    marrow = _between(phantom, points, np.eye(max(Tissue) + 1)[Tissue.BONE_CANCELLOUS])
    grey = _between(phantom, points, stir_signals())
    bright = _file().fresh.share.value * _stir(_file().fresh)
    for level in _fresh(phantom):
        inside = marrow * _in_body(phantom, level, points)
        grey = (1.0 - inside) * grey + inside * bright
    return _shown(grey)


def _fresh(phantom: Phantom) -> list[str]:
    """Return the levels of fractures that are not healed."""
    found = phantom.individual.get("pathology", [])
    return [str(one["level"]) for one in found if one.get("kind") == "compression_fracture" and one.get("age") == "acute"]


def _in_body(phantom: Phantom, level: str, points: F64) -> F64:
    """Return 1 where points (r, c, 3) lie between the end plates of a vertebra and in front of its posterior wall, else 0."""
    top, bottom = (phantom.landmark(f"{level}.endplate.{end}") for end in ("superior", "inferior"))
    height = float(np.linalg.norm(top - bottom))
    axis = (top - bottom) / height
    up = (points - bottom) @ axis
    back = points[..., 1] - phantom.landmark(f"{level}.wall.posterior")[1]
    return np.asarray((np.abs(up - 0.5 * height) < 0.55 * height) & (back < 1.0) & (back > -45.0), np.float64)


def key_pngs(phantom: Phantom, level: str, side: str, of_body: bool = False) -> list[tuple[str, bytes]]:
    """Return the key pictures as (caption, PNG)."""
    return [(caption, png_bytes(grey)) for caption, grey in key_pictures(phantom, level, side, of_body)]


def _foramen(phantom: Phantom, level: str, side: str) -> F64:
    name = f"S1.foramen.ventral.{side}" if level == "S1" else f"{level}.foramen.{side}.centre"
    return phantom.landmark(name)


def _slice(phantom: Phantom, centre: F64, right: F64, up: F64) -> U8:
    """Return a plane (2n, 2n) uint8: columns run along `right`, rows against `up` (unit vectors along the axes)."""
    points = _points(centre, right, up)
    grey = _between(phantom, points, signals())
    normal = np.cross(right, up)
    for tube in phantom.tubes:
        if tube.kind in NERVES:
            _stamp(grey, tube.nodes, points, normal, float(signals()[Tissue.NERVE]))
    return _shown(grey)


def _points(centre: F64, right: F64, up: F64) -> F64:
    n = int(HALF_MM / PIXEL_MM)
    steps = (np.arange(-n, n) + 0.5) * PIXEL_MM
    return np.asarray(centre + steps[None, :, None] * right - steps[:, None, None] * up, np.float64)


def _shown(grey: F64) -> U8:
    return np.asarray(np.clip(np.rint(255.0 * grey / WHITE), 0, 255), np.uint8)


def _between(phantom: Phantom, points: F64, table: F64) -> F64:
    """Return the signal of a table by tissue at points (r, c, 3), linear between voxel centres; 0 outside the volume."""
    volume = phantom.volume
    place = (points - volume.origin_mm) / volume.spacing_mm
    low = np.floor(place).astype(np.int64)
    part = place - low
    top = np.array(volume.labels.shape) - 1
    out = np.zeros(points.shape[:2])
    for corner in range(8):
        bits = np.array([corner & 1, corner >> 1 & 1, corner >> 2 & 1])
        at = low + bits
        inside = np.all((at >= 0) & (at <= top), axis=-1)
        at = np.clip(at, 0, top)
        weight = np.prod(np.where(bits == 1, part, 1.0 - part), axis=-1)
        out += np.where(inside, weight * table[volume.labels[at[..., 0], at[..., 1], at[..., 2]]], 0.0)
    return out


def _stamp(grey: F64, nodes: F64, points: F64, normal: F64, signal: float) -> None:
    """Draw the round cones of a tube, nodes (n, 4+), where they cut the plane."""
    origin = points[0, 0]
    right, down = points[0, 1] - origin, points[1, 0] - origin
    right, down = right / PIXEL_MM, down / PIXEL_MM
    for a, b in pairwise(nodes):
        for t in np.linspace(0.0, 1.0, 5):
            ball = (1.0 - t) * a[:4] + t * b[:4]
            off = float(np.dot(ball[:3] - origin, normal))
            if abs(off) >= ball[3]:
                continue
            radius = math.sqrt(float(ball[3] * ball[3]) - off * off)
            c, r = (float(np.dot(ball[:3] - origin, axis)) / PIXEL_MM for axis in (right, down))
            reach = radius / PIXEL_MM
            r0, r1 = max(0, math.floor(r - reach)), min(grey.shape[0], math.ceil(r + reach) + 1)
            c0, c1 = max(0, math.floor(c - reach)), min(grey.shape[1], math.ceil(c + reach) + 1)
            if r0 >= r1 or c0 >= c1:
                continue
            rr, cc = np.mgrid[r0:r1, c0:c1]
            disc = (rr - r) ** 2 + (cc - c) ** 2 <= reach * reach
            grey[r0:r1, c0:c1][disc] = signal
