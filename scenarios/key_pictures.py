"""Key pictures of a chart: one axial and one sagittal slice of the phantom at the target, as a T2-weighted spin echo shows them.

`key_pictures(phantom, level, side)` gives (caption, uint8 (rows, columns)) pairs; a window or a report shows them as they are.
Signal of a tissue: share * (1 - exp(-TR/T1)) * exp(-TE/T2), values in data/mri.toml. Pictures follow radiologists: axial seen
from the feet (patient's right on the left), front of the patient up; sagittal with the front on the left. They show this
patient's own anatomy and findings, at the grid of the labels (1 mm); thin nerves come from their tubes.
"""

from __future__ import annotations

import math
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


class MriFile(Strict):
    """scenarios/data/mri.toml."""

    sequence: Sequence
    tissue: dict[str, Relaxation]
    looks_like: dict[str, str]


@cache
def signals() -> F64:
    """Return the signal of each Tissue number, (33,) float64 from 0 to 1; tissues that give none are 0."""
    file = load(DATA / "mri.toml", MriFile)
    tr, te = file.sequence.repetition_ms.value, file.sequence.echo_ms.value
    out = np.zeros(max(Tissue) + 1)
    for name, kind in file.looks_like.items():
        if kind != "none":
            one = file.tissue[kind]
            out[Tissue[name]] = one.share.value * (1.0 - math.exp(-tr / one.t1.value)) * math.exp(-te / one.t2.value)
    return out


def key_pictures(phantom: Phantom, level: str, side: str) -> list[tuple[str, U8]]:
    """Return the key pictures at a level: (caption, grey picture uint8 (n, n)). KeyError: the patient lacks the level."""
    centre = _centre(phantom, level, side)
    axial = _slice(phantom, centre, np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]))
    through = centre.copy()
    through[0] = _foramen(phantom, level, side)[0]
    flat, up = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    middle = phantom.landmark("L5.body.centre").copy()
    middle[2] = centre[2]
    where = f"{level} {spoken(side)}"
    return [
        (f"T2-weighted, axial through the foramen of {where} (patient's right on the left)", axial),
        ("T2-weighted, sagittal, midline (front on the left)", _slice(phantom, middle, flat, up)),
        (f"T2-weighted, sagittal through the foramen of {where} (front on the left)", _slice(phantom, through, flat, up)),
    ]


def key_pngs(phantom: Phantom, level: str, side: str) -> list[tuple[str, bytes]]:
    """Return the key pictures as (caption, PNG)."""
    return [(caption, png_bytes(grey)) for caption, grey in key_pictures(phantom, level, side)]


def _foramen(phantom: Phantom, level: str, side: str) -> F64:
    name = f"S1.foramen.ventral.{side}" if level == "S1" else f"{level}.foramen.{side}.centre"
    return phantom.landmark(name)


def _centre(phantom: Phantom, level: str, side: str) -> F64:
    """Return the middle of the field: the height of the foramen, the midline, the back of the body."""
    at = _foramen(phantom, level, side).copy()
    at[0] = middle_of(phantom, level)[0]
    return at


def _slice(phantom: Phantom, centre: F64, right: F64, up: F64) -> U8:
    """Return a plane (2n, 2n) uint8: columns run along `right`, rows against `up` (unit vectors along the axes)."""
    n = int(HALF_MM / PIXEL_MM)
    steps = (np.arange(-n, n) + 0.5) * PIXEL_MM
    points = centre + steps[None, :, None] * right - steps[:, None, None] * up
    grey = _between(phantom, points)
    normal = np.cross(right, up)
    for tube in phantom.tubes:
        if tube.kind in NERVES:
            _stamp(grey, tube.nodes, points, normal, float(signals()[Tissue.NERVE]))
    return np.asarray(np.clip(np.rint(255.0 * grey / WHITE), 0, 255), np.uint8)


def _between(phantom: Phantom, points: F64) -> F64:
    """Return the signal at points (r, c, 3), linear between the centres of the voxels; 0 outside the volume."""
    volume, table = phantom.volume, signals()
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
