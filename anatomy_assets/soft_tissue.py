"""Label volume of one person: which shapes are painted where, in which order (kernels: labels.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anatomy_assets import labels as paint
from anatomy_assets.landmarks import BELOW, SIDES, SIGN, Spine, cross
from anatomy_assets.skin import Trunk, line, outline
from anatomy_assets.tables import number, table
from anatomy_assets.tubes import free_way, unit
from sim.frames import norm
from sim.phantom import Fields, LabelVolume, Tissue, Tube, TubeKind
from sim.rng import stream

F64 = NDArray[np.float64]
T = "soft_tissue"
SPACING_MM = 1.0
NERVES = (TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS, TubeKind.MEDIAL_BRANCH)
BONY = (Tissue.BONE_CORTEX, Tissue.BONE_CANCELLOUS)
CORTEX_MM = 1.0


@dataclass(frozen=True)
class Endplates:
    """Half sizes (mm) of the end plates of one level: lower width and depth, upper width and depth."""

    low_width: float
    low_depth: float
    high_width: float
    high_depth: float


def volume(
    spine: Spine,
    free: Fields,
    bone_names: Sequence[str],
    trunk: Trunk,
    plates: Mapping[str, Endplates],
    tubes: Sequence[Tube],
    spots: Sequence[F64],
    bmi: float,
    seed: int,
) -> LabelVolume:
    """Return the tissue labels of one person; spots: targets kept in foramen fat (2.5 mm balls)."""
    origin, shape = _box(trunk)
    out = np.zeros(shape, np.uint8)
    _paint_trunk(out, origin, spine, free, trunk, bmi, seed)
    _paint_ligaments(out, origin, spine, trunk)
    _paint_foramina(out, origin, spine, tubes)
    _paint_discs(out, origin, spine, plates)
    for spot in spots:
        _paint_spot(out, origin, spot)
    _paint_bones(out, origin, spine, free, bone_names)
    _paint_tubes(out, origin, tubes)
    return LabelVolume(out, origin, SPACING_MM)


def _box(trunk: Trunk) -> tuple[F64, tuple[int, int, int]]:
    """Return origin and shape of the volume round the trunk, whole millimetres, one voxel of air."""
    front = (trunk.back_y - trunk.back_depth - trunk.front_depth).min()
    ridge = number(T, "trunk.furrow_mm")
    low = np.array([-trunk.half_width.max() - 2.0, front - 3.0, trunk.z[0]])
    high = np.array([trunk.half_width.max() + 2.0, trunk.back_y.max() + ridge + 3.0, trunk.z[-1]])
    origin = np.floor(low / SPACING_MM) * SPACING_MM
    nx, ny, nz = (int(v) + 1 for v in (high - origin) / SPACING_MM)
    return origin, (nx, ny, nz)


def _paint_trunk(out: NDArray[np.uint8], origin: F64, spine: Spine, free: Fields, trunk: Trunk, bmi: float, seed: int) -> None:
    nx, _, nz = out.shape
    x = origin[0] + SPACING_MM * np.arange(nx)
    z = origin[2] + SPACING_MM * np.arange(nz)
    back, front, u = outline(trunk, x, z)
    outside = u >= 1.0
    front = np.where(outside, back, front)
    quad = table(T)["muscle"]["quadratus_mm"]["value"]
    wall = number(T, "fat.wall_mm")
    thin = max(3.0, number(T, "fat.back_mm") + number(T, "fat.back_per_bmi_mm") * (bmi - 25.0))
    side = max(6.0, number(T, "fat.side_mm") + number(T, "fat.side_per_bmi_mm") * (bmi - 25.0))
    sizes = np.array([*quad, wall])
    fat = np.array([number(T, "trunk.skin_mm"), thin, side])
    paint.paint_trunk(out, origin, SPACING_MM, back, front, _slices(spine, free, z), sizes, fat)
    kidneys, gas = _organs(spine, trunk, side + wall, seed)
    soft = (int(Tissue.ABDOMEN), int(Tissue.RETROPERITONEUM))
    paint.paint_balls(out, origin, SPACING_MM, kidneys, int(Tissue.KIDNEY), *soft)
    paint.paint_balls(out, origin, SPACING_MM, gas, int(Tissue.BOWEL_GAS), soft[0], soft[0])


def _slices(spine: Spine, free: Fields, z: F64) -> F64:
    """Return the per-slice table of paint_trunk (nz, 11): where spine, muscles and the abdomen lie at each height."""
    rows = []
    for level, frame in spine.frames.items():
        body = frame.origin
        half = 60.0 - free_way(free, *(body + 60.0 * frame.axes[0]), *(-frame.axes[0]), 58.0)
        area = 100.0 * number(T, "muscle.psoas_area_cm2", level)
        a = float(np.sqrt(area / (3.141592653589793 * 1.3)))
        plane = 0.5 * (spine.mark(f"{level}.transverse.left.tip")[1] + spine.mark(f"{level}.transverse.right.tip")[1])
        canal = spine.mark(f"{level}.canal.back")
        psoas_y = min(body[1] + 8.0, plane - 1.3 * a + 6.0)
        rows.append([body[2], canal[0], body[1], canal[1] + 3.0, plane - 2.0, 0.0, half + a + 1.0, psoas_y, a, 1.3 * a, 0.0, 0.0])
    rows.sort()
    low = [*rows[0]]
    low[0] = -70.0
    back = spine.mark("S2.canal.back")
    low[3], low[4] = back[1] + 2.0, back[1] - 12.0
    low[6], low[7] = rows[0][6] + 26.0, rows[0][7] - 34.0  # the psoas runs forwards and outwards over the pelvic brim
    grid = np.array([low, *rows])
    out = np.stack([line(z, grid[:, 0], grid[:, c]) for c in range(1, 12)], axis=1)
    hip = np.clip((45.0 - z) / 60.0, 0.0, 1.0)  # below the crests the muscles of the buttock join in
    out[:, paint.WIDE] = number(T, "muscle.paraspinal_half_width_mm") + 75.0 * hip
    out[:, paint.RETRO_Y] = out[:, paint.BODY_Y] - 18.0 - number(T, "organ.retroperitoneum_mm")
    out[:, paint.QUAD] = np.where((z > grid[1, 0] + 8.0) & (z < grid[-1, 0] + 30.0), 1.0, 0.0)
    return out


def _organs(spine: Spine, trunk: Trunk, rim: float, seed: int) -> tuple[F64, F64]:
    """Return kidneys and bowel gas as ellipsoids (n, 6)."""
    off, hx, hy, hz = table(T)["organ"]["kidney_mm"]["value"]
    kidneys = []
    for side, lift in (("left", 12.0), ("right", 0.0)):
        level = spine.frames["L2"].origin
        y = level[1] + 2.0
        kidneys.append([level[0] + SIGN[side] * off, y, level[2] + 16.0 + lift, hx, hy, hz])
    draw = stream(seed, "soft/gas").random((int(number(T, "organ.gas_pockets")), 5))
    _, _, half, back, front = trunk.at(np.array([60.0]))
    centre_y = float(trunk.at(np.array([60.0]))[1][0] - back[0])
    gas = []
    for a, b, c, d, e in draw:
        x = (2.0 * a - 1.0) * (half[0] - rim - 35.0)
        y = centre_y - front[0] + rim + 18.0 + 45.0 * b
        gas.append([x, y, -30.0 + 190.0 * c, 9.0 + 14.0 * d, 7.0 + 8.0 * e, 8.0 + 14.0 * d])
    return np.array(kidneys), np.array(gas)


def canal_line(spine: Spine) -> tuple[F64, int]:
    """Return the canal's axis (n, 6) from above L1 down to S4 with half sizes and flavum, and where the flavum ends."""
    rows: list[list[float]] = []
    names = list(spine.frames)
    for level in names:
        front, back = spine.mark(f"{level}.canal.front"), spine.mark(f"{level}.canal.back")
        half = 0.5 * norm(spine.mark(f"{level}.pedicle.left.medial") - spine.mark(f"{level}.pedicle.right.medial")) + 0.8
        thick = number(T, "ligament.flavum_mm", level)
        centre, deep = 0.5 * (front + back), 0.5 * norm(back - front) + 0.6
        if not rows:
            rows.append([*(centre + 34.0 * spine.frames[level].axes[2]), half, deep, thick])
        rows.append([*centre, half, deep, thick])
    last = len(rows)
    for name, half in (("S1", 13.0), ("S2", 9.5), ("S3", 7.5), ("S4", 5.5)):
        front, back = spine.mark(f"{name}.canal.front"), spine.mark(f"{name}.canal.back")
        rows.append([*(0.5 * (front + back)), half, 0.5 * norm(back - front) + 0.6, rows[-1][5]])
    return np.array(rows), last


def _paint_ligaments(out: NDArray[np.uint8], origin: F64, spine: Spine, trunk: Trunk) -> None:
    """Paint interspinous ligament, then canal and flavum over its ventral end."""
    z = origin[2] + SPACING_MM * np.arange(out.shape[2])
    marks = []
    for level in spine.frames:
        back, tip = spine.mark(f"{level}.canal.back"), spine.mark(f"{level}.spinous.tip")
        marks.append([tip[2], 0.5 * (tip[0] + back[0]), back[1], tip[1]])
    s1 = spine.mark("S1.canal.back")
    marks.append([s1[2], s1[0], s1[1], s1[1] + 12.0])
    marks.sort()
    grid = np.array(marks)
    rows = np.stack([line(z, grid[:, 0], grid[:, c]) for c in (1, 2, 3)], axis=1)
    rows[z < grid[0, 0], 2] = -1e3
    paint.paint_slab(out, origin, SPACING_MM, number(T, "ligament.interspinous_half_mm"), rows, int(Tissue.INTERSPINOUS_LIGAMENT))
    canal, last = canal_line(spine)
    paint.paint_canal(out, origin, SPACING_MM, canal, last)


def _paint_foramina(out: NDArray[np.uint8], origin: F64, spine: Spine, tubes: Sequence[Tube]) -> None:
    """Paint the fat of each foramen and the sheath of fat along every root and the start of its ramus."""
    for level, frame in spine.frames.items():
        for side in SIDES:
            base = f"{level}.foramen.{side}"
            top, low = spine.mark(f"{base}.superior"), spine.mark(f"{base}.inferior")
            half = 0.5 * norm(spine.mark(f"{level}.pedicle.{side}.lateral") - spine.mark(f"{level}.pedicle.{side}.medial"))
            centre = 0.5 * (top + low) - 1.5 * frame.axes[1]
            up = unit(top - low)
            across = unit(frame.axes[0] - (frame.axes[0] * up).sum() * up)
            axes = np.stack([across, cross(up, across), up])
            size = np.array([half + 2.5, 9.0, 0.5 * norm(top - low) + 2.0])
            paint.paint_gate(out, origin, SPACING_MM, centre, axes, size, int(Tissue.FORAMEN_FAT))
    _paint_sacral(out, origin, spine)
    spare = np.zeros(256, np.uint8)
    spare[int(Tissue.EPIDURAL_FAT)] = 1
    for tube in tubes:
        if tube.kind in (TubeKind.ROOT, TubeKind.GANGLION):
            paint.paint_tube(out, origin, SPACING_MM, tube.nodes, 1.6, int(Tissue.FORAMEN_FAT), spare)
        elif tube.kind == TubeKind.RAMUS:
            paint.paint_tube(out, origin, SPACING_MM, tube.nodes[:9], 1.4, int(Tissue.FORAMEN_FAT), spare)


def _paint_sacral(out: NDArray[np.uint8], origin: F64, spine: Spine) -> None:
    """Paint the fat of the sacral foramina: from dorsal to ventral opening, and into the canal."""
    spare = np.zeros(256, np.uint8)
    spare[int(Tissue.EPIDURAL_FAT)] = 1
    for name in ("S1", "S2", "S3", "S4"):
        for side in SIDES:
            dorsal, ventral = spine.mark(f"{name}.foramen.dorsal.{side}"), spine.mark(f"{name}.foramen.ventral.{side}")
            middle = 0.5 * (dorsal + ventral)
            for a, b in ((dorsal, ventral), (spine.mark(f"{name}.canal.centre"), middle)):
                nodes = np.array([[*a, 5.5], [*b, 5.5]])
                paint.paint_tube(out, origin, SPACING_MM, nodes, 0.0, int(Tissue.FORAMEN_FAT), spare)


def _paint_discs(out: NDArray[np.uint8], origin: F64, spine: Spine, plates: Mapping[str, Endplates]) -> None:
    share = number(T, "disc.nucleus_share")
    for level, frame in spine.frames.items():
        low = BELOW[level]
        top, bottom = spine.mark(f"{level}.endplate.inferior"), spine.mark(f"{low}.endplate.superior")
        up = unit(top - bottom)
        left = unit(frame.axes[0] - (frame.axes[0] * up).sum() * up)
        axes = np.stack([left, cross(up, left), up])
        a, b = plates[level], plates[low]
        size = np.array(
            [0.5 * (a.low_width + b.high_width), 0.5 * (a.low_depth + b.high_depth), 0.5 * norm(top - bottom) + 4.5, 2.0]
        )
        paint.paint_disc(out, origin, SPACING_MM, 0.5 * (top + bottom), axes, size, share)


def _paint_spot(out: NDArray[np.uint8], origin: F64, spot: F64) -> None:
    """Paint a small ball of foramen fat: a target never lies in muscle by a rounding of shapes."""
    spare = np.ones(256, np.uint8)
    for tissue in (Tissue.MUSCLE, Tissue.RETROPERITONEUM, Tissue.PSOAS, Tissue.FACET_JOINT, Tissue.LIGAMENTUM_FLAVUM):
        spare[int(tissue)] = 0
    nodes = np.array([[*spot, 2.5], [*spot, 2.5]])
    paint.paint_tube(out, origin, SPACING_MM, nodes, 0.0, int(Tissue.FORAMEN_FAT), spare)


def _paint_bones(out: NDArray[np.uint8], origin: F64, spine: Spine, free: Fields, names: Sequence[str]) -> None:
    chain = [n for n in (*spine.frames, "S") if n in names]
    for upper, lower in pairwise(chain):
        canal = spine.mark(f"{upper}.canal.back") - np.array([0.0, 4.0, 0.0])
        paint.paint_joint(out, origin, SPACING_MM, free, names.index(upper), names.index(lower), canal, 3.0)
    for b in range(len(names)):
        paint.paint_bone(out, origin, SPACING_MM, free, b, CORTEX_MM)


def _paint_tubes(out: NDArray[np.uint8], origin: F64, tubes: Sequence[Tube]) -> None:
    spare = np.zeros(256, np.uint8)
    for tissue in BONY:
        spare[int(tissue)] = 1
    for tube in tubes:
        if tube.kind == TubeKind.SAC:
            paint.paint_tube(out, origin, SPACING_MM, tube.nodes, 0.0, int(Tissue.CSF), spare)
    for tube in tubes:
        if tube.kind in NERVES:
            paint.paint_tube(out, origin, SPACING_MM, tube.nodes, 0.0, int(Tissue.NERVE), spare)
        elif tube.kind != TubeKind.SAC:
            paint.paint_tube(out, origin, SPACING_MM, tube.nodes, 0.0, int(Tissue.VESSEL), spare)
