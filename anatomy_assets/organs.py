"""Kidneys, liver, spleen, lungs with pleura, and bowel gas that looks like bowel gas: painted into the labels.

Gas lies in the colon (a path with haustra, gas in some of them) and in loops of the small bowel; it is many small
overlapping pockets of uneven size, not a few bubbles. Outlines are layout; the places carry their source in the table.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from anatomy_assets import labels as paint
from anatomy_assets.heights import coordinate, height
from anatomy_assets.landmarks import SIGN, Spine
from anatomy_assets.skin import Trunk
from anatomy_assets.tables import number, table
from sim.phantom import Tissue
from sim.rng import stream

F64 = NDArray[np.float64]
T = "soft_tissue"
SOFT = (int(Tissue.ABDOMEN), int(Tissue.RETROPERITONEUM))


def paint_organs(
    out: NDArray[np.uint8], origin: F64, h: float, spine: Spine, trunk: Trunk, back: F64, rim: float, seed: int
) -> None:
    """Paint the organs over abdomen and retroperitoneum. back: y of the back (nx, nz); rim: wall of the trunk (mm)."""
    liver, spleen = _upper_organs(spine, trunk)
    paint.paint_balls(out, origin, h, liver, int(Tissue.LIVER), SOFT[0], SOFT[0])
    paint.paint_balls(out, origin, h, spleen, int(Tissue.SPLEEN), SOFT[0], SOFT[0])
    paint.paint_balls(out, origin, h, kidneys(spine, seed), int(Tissue.KIDNEY), *SOFT)
    paint.paint_balls(out, origin, h, _sinuses(spine, seed), int(Tissue.RETROPERITONEUM), int(Tissue.KIDNEY), int(Tissue.KIDNEY))
    paint.paint_balls(out, origin, h, gas(spine, trunk, rim, seed), int(Tissue.BOWEL_GAS), SOFT[0], SOFT[0])
    _paint_chest(out, origin, h, spine, trunk, back, rim)


def kidneys(spine: Spine, seed: int) -> F64:
    """Return the kidneys as ellipsoids (2, 6): left a little higher, both from T12 to L3."""
    off, wide, deep, tall = table(T)["organ"]["kidney_mm"]["value"]
    shift = 6.0 * (2.0 * float(stream(seed, "soft/kidney").random()) - 1.0) if seed else 0.0
    out = []
    for side, lift in (
        ("left", 0.5 * number(T, "organ.kidney_left_up_mm")),
        ("right", -0.5 * number(T, "organ.kidney_left_up_mm")),
    ):
        z = height(spine, number(T, "organ.kidney_coordinate")) + lift + shift
        near = min(spine.frames.values(), key=lambda f: abs(f.origin[2] - z))
        out.append([near.origin[0] + SIGN[side] * off, near.origin[1] + 4.0, z, wide, deep, tall])
    return np.array(out)


def _sinuses(spine: Spine, seed: int) -> F64:
    """Return the fat of each renal sinus: a small ellipsoid on the medial side."""
    out = kidneys(spine, seed)
    for row, s in zip(out, (1.0, -1.0), strict=True):
        row[0] -= s * 0.75 * row[3]
        row[3:] *= (0.7, 0.45, 0.42)
    return out


def _upper_organs(spine: Spine, trunk: Trunk) -> tuple[F64, F64]:
    """Return liver and spleen as ellipsoids (n, 6)."""
    top = height(spine, coordinate("T11"))
    x, back, half, deep, front = (float(v[0]) for v in trunk.at(np.array([top])))
    mid = back - deep
    liver = [[x - 0.5 * half, mid - 0.25 * front, top + 10.0, 0.45 * half, 0.62 * front + 0.3 * deep, 95.0]]
    liver.append([x - 0.05 * half, mid - 0.55 * front, top + 18.0, 0.5 * half, 0.35 * front, 55.0])
    spleen = [[x + 0.62 * half, mid + 0.15 * deep, top + 6.0, 22.0, 38.0, 52.0]]
    return np.array(liver), np.array(spleen)


def gas(spine: Spine, trunk: Trunk, rim: float, seed: int) -> F64:
    """Return the pockets of gas (n, 6): haustra along the colon, loops of the small bowel, the stomach's bubble."""
    draw = stream(seed, "soft/gas")
    rows: list[list[float]] = []
    for path, wide, filled in _bowel(spine, trunk, rim):
        step = 0.9 * wide
        for a, b in itertools.pairwise(path):
            n = max(1, int(float(np.sqrt(((b - a) ** 2).sum())) / step))
            for i in range(n):
                there, size, dx, dy, dz, flat = (float(v) for v in draw.random(6))
                if there > filled:
                    continue
                p = a + (b - a) * (i / n) + wide * np.array([0.7 * dx - 0.35, 0.5 * dy, 0.7 * dz - 0.35])
                r = wide * (0.45 + 0.6 * size * size)
                rows.append([*p, r * (0.8 + 0.5 * flat), r * 0.6, r * (1.3 - 0.5 * flat)])
    return np.array(rows).reshape(-1, 6)


def _bowel(spine: Spine, trunk: Trunk, rim: float) -> list[tuple[F64, float, float]]:
    """Return paths (n, 3) of the bowel with calibre (mm) and the share of it that holds gas."""
    up = height(spine, coordinate("L1"))
    low = height(spine, coordinate("L5"))
    x, back, half, deep, front = (float(v[0]) for v in trunk.at(np.array([0.5 * (up + low)])))
    mid = back - deep
    wide = half - rim - 22.0
    flank, belly = mid - 0.15 * front, mid - front + rim + 26.0
    colon = np.array(
        [
            [x - wide, flank, low - 40.0], [x - 1.02 * wide, flank, low + 15.0], [x - 0.95 * wide, flank, up - 25.0],
            [x - 0.6 * wide, 0.4 * flank + 0.6 * belly, up - 22.0], [x, belly, up - 48.0], [x + 0.6 * wide, belly, up - 15.0],
            [x + 0.95 * wide, flank, up + 15.0], [x + 1.03 * wide, flank, up - 40.0], [x + 0.98 * wide, flank, low],
            [x + 0.75 * wide, flank - 15.0, low - 40.0], [x + 0.25 * wide, flank - 25.0, low - 62.0],
            [x, flank - 20.0, low - 85.0],
        ]
    )  # fmt: skip
    across = 0.55 * wide
    loops = [[x + across * a, belly + 12.0 + 8.0 * (i % 2), low - 25.0 + 11.0 * i] for i, a in enumerate(_ZIGZAG)]
    stomach = np.array([[x + 0.35 * wide, belly + 15.0, up + 38.0], [x + 0.5 * wide, belly + 25.0, up + 52.0]])
    return [
        (colon, number(T, "organ.colon_mm"), number(T, "organ.colon_gas")),
        (np.array(loops), number(T, "organ.small_bowel_mm"), number(T, "organ.small_bowel_gas")),
        (stomach, 26.0, 1.0),
    ]


_ZIGZAG = (-0.8, 0.7, -0.5, 0.9, -0.9, 0.4, 0.8, -0.6)


def _paint_chest(out: NDArray[np.uint8], origin: F64, h: float, spine: Spine, trunk: Trunk, back: F64, rim: float) -> None:
    """Paint lungs and pleura where the section reaches that high."""
    line = height(spine, coordinate("T12") - 0.36)  # upper border of the T12 spine, 20 mm beside it (surface anatomy)
    dome = height(spine, number(T, "organ.dome_coordinate"))
    x, y, half, deep, _ = (float(v[0]) for v in trunk.at(np.array([line])))
    centre = np.array([x, y - deep - 10.0, dome])
    size = np.array([0.45 * half, 0.62 * half, 1.1 * deep, number(T, "organ.dome_fall_mm")])
    rim_ = np.array([0.75 * rim, line, number(T, "organ.pleura_fall"), number(T, "organ.recess_mm")])
    paint.paint_chest(out, origin, h, back, centre, size, rim_)
