"""Label volume of one person: which shapes are painted where, in which order (kernels: labels.py; organs: organs.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anatomy_assets import labels as paint
from anatomy_assets.landmarks import BELOW, SACRAL, SIDES, SIGN, Spine, cross
from anatomy_assets.lesion_labels import paint_gas, paint_stenoses
from anatomy_assets.organs import paint_organs
from anatomy_assets.skin import Trunk, line, outline
from anatomy_assets.soft_person import deviate, drawn, uniform
from anatomy_assets.tables import number, table
from anatomy_assets.tubes import free_way, unit
from sim.fields import Fields, wide_nodes
from sim.frames import dot, norm
from sim.phantom import LabelVolume, Tissue, Tube, TubeKind

F64 = NDArray[np.float64]
T = "soft_tissue"
SPACING_MM = 1.0
NERVES = (TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS, TubeKind.MEDIAL_BRANCH, TubeKind.DORSAL_RAMUS, TubeKind.SYMPATHETIC)
INSIDE = (TubeKind.CORD, TubeKind.ROOTLET)
"""Nervous tissue inside the sac: painted over its CSF."""
BONY = (Tissue.BONE_CORTEX, Tissue.BONE_CANCELLOUS, Tissue.METAL)
CORTEX_MM = 1.0
CAPSULE_MM = 2.4
WIDE_SPOT_MM, SMALL_SPOT_MM = 2.5, 0.9
"""Balls of fat round targets: the small one is the target's own voxel, so that it opens no way through a fascia."""
LIP_MM = 1.0
"""How far the fat of a foramen reaches behind its posterior border where it opens: muscle begins there (layout, placeholder)."""


@dataclass(frozen=True)
class Endplates:
    """Half sizes (mm) of the end plates of one level: lower width and depth, upper width and depth."""

    low_width: float
    low_depth: float
    high_width: float
    high_depth: float


def ground(
    spine: Spine, free: Fields, trunk: Trunk, plates: Mapping[str, Endplates], bmi: float, seed: int, sex: str
) -> tuple[NDArray[np.uint8], F64]:
    """Return labels and origin of what needs no nerve or vessel: skin, fat, muscles, organs, ligaments."""
    origin, shape = _box(trunk)
    out = np.zeros(shape, np.uint8)
    _paint_trunk(out, origin, spine, free, trunk, bmi, seed, sex)
    _paint_ligaments(out, origin, spine, plates, seed)
    return out, origin


def volume(
    under: tuple[NDArray[np.uint8], F64],
    spine: Spine,
    free: Fields,
    bone_names: Sequence[str],
    plates: Mapping[str, Endplates],
    tubes: Sequence[Tube],
    spots: Sequence[tuple[F64, float]],
    metal: Sequence[str] = (),
) -> LabelVolume:
    """Return the tissue labels of one person, painted over `ground`.

    spots: targets kept in foramen fat, each with the radius (mm) of its ball; metal: implants by name.
    """
    out, origin = under
    _paint_foramina(out, origin, spine, tubes)
    _paint_discs(out, origin, spine, plates)
    paint_stenoses(out, origin, SPACING_MM, spine, tubes)
    for spot, radius_mm in spots:
        _paint_spot(out, origin, spot, radius_mm)
    _paint_bones(out, origin, spine, free, bone_names, metal)
    paint_gas(out, origin, SPACING_MM, spine)
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


def _paint_trunk(
    out: NDArray[np.uint8], origin: F64, spine: Spine, free: Fields, trunk: Trunk, bmi: float, seed: int, sex: str
) -> None:
    nx, _, nz = out.shape
    x = origin[0] + SPACING_MM * np.arange(nx)
    z = origin[2] + SPACING_MM * np.arange(nz)
    back, front, u = outline(trunk, x, z)
    front = np.where(u >= 1.0, back, front)
    quad = table(T)["muscle"]["quadratus_mm"]["value"]
    wall = number(T, "fat.wall_mm")
    more = number(T, "fat.female") if sex == "female" else 1.0
    thin = max(3.0, more * (number(T, "fat.back_mm") + number(T, "fat.back_per_bmi_mm") * (bmi - 25.0)))
    side = max(6.0, more * (number(T, "fat.side_mm") + number(T, "fat.side_per_bmi_mm") * (bmi - 25.0)))
    sizes = np.array([*quad, wall])
    fat = np.array([number(T, "trunk.skin_mm"), thin, side])
    paint.paint_trunk(out, origin, SPACING_MM, back, front, _slices(spine, free, z, sex, seed), sizes, fat)
    paint_organs(out, origin, SPACING_MM, spine, trunk, back, side + wall, seed)


def _slices(spine: Spine, free: Fields, z: F64, sex: str, seed: int) -> F64:
    """Return the per-slice table of paint_trunk (nz, 13): where spine, muscles and the abdomen lie at each height."""
    rows = []
    female = sex == "female"
    lean = number(T, "muscle.female_area") if female else 1.0
    lean *= 1.0 + number(T, "muscle.area_sd") * deviate(seed, "muscle")
    strong = 1.0 + number(T, "muscle.multifidus_sd") * deviate(seed, "muscle")
    for level, frame in spine.frames.items():
        body = frame.origin
        half = 60.0 - free_way(free, *(body + 60.0 * frame.axes[0]), *(-frame.axes[0]), 58.0)
        area = 100.0 * lean * number(T, "muscle.psoas_area_cm2", level) * psoas_factor(seed, level)
        a = float(np.sqrt(area / (3.141592653589793 * 1.3)))
        plane = 0.5 * (spine.mark(f"{level}.transverse.left.tip")[1] + spine.mark(f"{level}.transverse.right.tip")[1])
        canal = spine.mark(f"{level}.canal.back")
        psoas_y = min(body[1] + 8.0, plane - 1.3 * a + 6.0)
        tall = spine.mark(f"{level}.spinous.tip")[1] - canal[1] + 4.0
        whole = strong * (number(T, "muscle.multifidus_female", level) if female else 1.0)
        multi = 100.0 * whole * number(T, "muscle.multifidus_area_cm2", level) / (0.7853981633974483 * tall) + 5.5
        row = [body[2], canal[0], body[1], canal[1] + 3.0, plane - 2.0, 0.0, half + a + 1.0, psoas_y, a, 1.3 * a, 0.0, 0.0]
        rows.append([*row, multi, tall])
    rows.sort()
    low = [*rows[0]]
    low[0] = -70.0
    back = spine.mark("S2.canal.back")
    low[3], low[4] = back[1] + 2.0, back[1] - 12.0
    low[6], low[7] = rows[0][6] + 26.0, rows[0][7] - 34.0  # the psoas runs forwards and outwards over the pelvic brim
    grid = np.array([low, *rows])
    out = np.stack([line(z, grid[:, 0], grid[:, c]) for c in range(1, 14)], axis=1)
    lumbar = spine.mark(f"{spine.lumbar[0]}.endplate.superior")[2] if spine.lumbar else grid[-1, 0]
    out[:, paint.PSOAS_A] = np.where(z > lumbar, 0.01, out[:, paint.PSOAS_A])
    hip = np.clip((45.0 - z) / 60.0, 0.0, 1.0)  # below the crests the muscles of the buttock join in
    out[:, paint.WIDE] = np.sqrt(lean) * number(T, "muscle.paraspinal_half_width_mm") + 75.0 * hip
    out[:, paint.RETRO_Y] = out[:, paint.BODY_Y] - 18.0 - number(T, "organ.retroperitoneum_mm")
    out[:, paint.QUAD] = np.where((z > grid[1, 0] + 8.0) & (z < lumbar + 12.0), 1.0, 0.0)
    return out


def psoas_factor(seed: int, level: str) -> float:
    """Return this person's psoas at a level against the mean of people with as much muscle (0.15 to 2.4)."""
    own = number(T, "muscle.psoas_own_sd", level) * deviate(seed, "muscle/psoas")
    return min(max(1.0 + own, 0.15), 2.4)


def canal_line(spine: Spine, seed: int) -> tuple[F64, int]:
    """Return the canal's axis (n, 7, see labels.paint_canal) from above the top down to S4, and where the flavum ends."""
    rows: list[list[float]] = []
    for level in spine.frames:
        front, back = spine.mark(f"{level}.canal.front"), spine.mark(f"{level}.canal.back")
        half = 0.5 * norm(spine.mark(f"{level}.pedicle.left.medial") - spine.mark(f"{level}.pedicle.right.medial")) + 0.8
        thick = drawn(seed, "flavum.thickness_mm", level, "", 0.5, "soft_tissue")
        gap = 0.9 if uniform(seed, f"flavum/gap/{level}") < number(T, "flavum.gap_share", level) else 0.0
        gap = 0.0 if seed == 0 else gap  # the default adult has none
        centre, deep = 0.5 * (front + back), 0.5 * norm(back - front) + 0.6
        if not rows:
            rows.append([*(centre + 34.0 * spine.frames[level].axes[2]), half, deep, thick, gap])
        rows.append([*centre, half, deep, thick, gap])
    last = len(rows)
    for name, half in zip(SACRAL, (13.0, 9.5, 7.5, 5.5), strict=True):
        front, back = spine.mark(f"{name}.canal.front"), spine.mark(f"{name}.canal.back")
        rows.append([*(0.5 * (front + back)), half, 0.5 * norm(back - front) + 0.6, rows[-1][5], 0.0])
    return np.array(rows), last


def _paint_ligaments(out: NDArray[np.uint8], origin: F64, spine: Spine, plates: Mapping[str, Endplates], seed: int) -> None:
    """Paint inter- and supraspinous ligament, the longitudinal ones, then canal and flavum."""
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
    over = np.stack([rows[:, 0], rows[:, 2], rows[:, 2] + number(T, "ligament.supraspinous_mm")], axis=1)
    lowest = "L4" if "L4" in spine.frames else list(spine.frames)[-1]
    end = spine.mark(f"{lowest}.spinous.tip")[2] - (8.0 if uniform(seed, "supraspinous") < 0.73 else 30.0)
    over[z < end, 2] = -1e3
    paint.paint_slab(out, origin, SPACING_MM, number(T, "ligament.supraspinous_half_mm"), over, int(Tissue.SUPRASPINOUS_LIGAMENT))
    _paint_longitudinal(out, origin, spine, plates, z)
    canal, last = canal_line(spine, seed)
    paint.paint_canal(out, origin, SPACING_MM, canal, last)
    _paint_posterior(out, origin, spine, z)


def _paint_longitudinal(out: NDArray[np.uint8], origin: F64, spine: Spine, plates: Mapping[str, Endplates], z: F64) -> None:
    """Paint the anterior longitudinal ligament; bodies and discs are painted over its back."""
    rows = []
    for level, frame in spine.frames.items():
        a = plates[level]
        for end, deep in (("superior", a.high_depth), ("inferior", a.low_depth)):
            p = spine.mark(f"{level}.endplate.{end}") - deep * frame.axes[1]
            rows.append([p[2], p[0], p[1] - number(T, "ligament.longitudinal_mm"), p[1] + 6.0])
    rows.sort()
    grid = np.array(rows)
    band = np.stack([line(z, grid[:, 0], grid[:, c]) for c in (1, 2, 3)], axis=1)
    band[(z < grid[0, 0] - 6.0) | (z > grid[-1, 0] + 4.0), 2] = -1e3
    paint.paint_slab(out, origin, SPACING_MM, number(T, "ligament.anterior_half_mm"), band, int(Tissue.LONGITUDINAL_LIGAMENT))


def _paint_posterior(out: NDArray[np.uint8], origin: F64, spine: Spine, z: F64) -> None:
    """Paint the posterior longitudinal ligament behind discs and rims; it spans the hollow of each body."""
    rows = []
    for level in spine.frames:
        for end in ("superior", "inferior"):
            p = spine.mark(f"{level}.wall.{end}")
            rows.append([p[2], p[0], p[1] - 4.0, p[1] + number(T, "ligament.longitudinal_mm")])
    rows.sort()
    grid = np.array(rows)
    band = np.stack([line(z, grid[:, 0], grid[:, c]) for c in (1, 2, 3)], axis=1)
    band[(z < grid[0, 0] - 8.0) | (z > grid[-1, 0] + 4.0), 2] = -1e3
    paint.paint_slab(out, origin, SPACING_MM, number(T, "ligament.posterior_half_mm"), band, int(Tissue.LONGITUDINAL_LIGAMENT))


def _paint_foramina(out: NDArray[np.uint8], origin: F64, spine: Spine, tubes: Sequence[Tube]) -> None:
    """Paint the fat of each foramen and the sheath of fat along every root and the start of its ramus."""
    for level, frame in spine.frames.items():
        for side in SIDES:
            base = f"{level}.foramen.{side}"
            top, low = spine.mark(f"{base}.superior"), spine.mark(f"{base}.inferior")
            half = spine.pedicle_half(level, side)
            centre = 0.5 * (top + low) - 1.5 * frame.axes[1]
            up = unit(top - low)
            across = unit(frame.axes[0] - (frame.axes[0] * up).sum() * up)
            axes = np.stack([across, cross(up, across), up])
            size = np.array([half + 2.5, 9.0, 0.5 * norm(top - low) + 2.0])
            lip = dot(spine.mark(f"{base}.posterior") - centre, axes[1]) + LIP_MM
            paint.paint_gate(out, origin, SPACING_MM, centre, axes, size, SIGN[side], lip, int(Tissue.FORAMEN_FAT))
    _paint_sacral(out, origin, spine)
    spare = np.zeros(256, np.uint8)
    spare[int(Tissue.EPIDURAL_FAT)] = 1
    for tube in tubes:
        if tube.kind in (TubeKind.ROOT, TubeKind.GANGLION):
            paint.paint_tube(out, origin, SPACING_MM, wide_nodes(tube.nodes), 1.6, int(Tissue.FORAMEN_FAT), spare)
        elif tube.kind == TubeKind.RAMUS:
            paint.paint_tube(out, origin, SPACING_MM, wide_nodes(tube.nodes[:9]), 1.4, int(Tissue.FORAMEN_FAT), spare)


def _paint_sacral(out: NDArray[np.uint8], origin: F64, spine: Spine) -> None:
    """Paint the fat of the sacral foramina: from dorsal to ventral opening, and into the canal."""
    spare = np.zeros(256, np.uint8)
    spare[int(Tissue.EPIDURAL_FAT)] = 1
    for name in SACRAL:
        for side in SIDES:
            dorsal, ventral = spine.mark(f"{name}.foramen.dorsal.{side}"), spine.mark(f"{name}.foramen.ventral.{side}")
            middle = 0.5 * (dorsal + ventral)
            for a, b in ((dorsal, ventral), (spine.mark(f"{name}.canal.centre"), middle)):
                nodes = np.array([[*a, 5.5, 0.0], [*b, 5.5, 0.0]])
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


def _paint_spot(out: NDArray[np.uint8], origin: F64, spot: F64, radius_mm: float) -> None:
    """Paint a small ball of foramen fat: a target never lies in muscle by a rounding of shapes."""
    spare = np.ones(256, np.uint8)
    for tissue in (
        Tissue.MUSCLE,
        Tissue.MULTIFIDUS,
        Tissue.FASCIA,
        Tissue.RETROPERITONEUM,
        Tissue.PSOAS,
        Tissue.FACET_JOINT,
        Tissue.LIGAMENTUM_FLAVUM,
    ):
        spare[int(tissue)] = 0
    nodes = np.array([[*spot, radius_mm, 0.0], [*spot, radius_mm, 0.0]])
    paint.paint_tube(out, origin, SPACING_MM, nodes, 0.0, int(Tissue.FORAMEN_FAT), spare)


def _paint_bones(
    out: NDArray[np.uint8], origin: F64, spine: Spine, free: Fields, names: Sequence[str], metal: Sequence[str]
) -> None:
    chain = [n for n in (*spine.frames, "S") if n in names]
    for upper, lower in pairwise(chain):
        canal = spine.mark(f"{upper}.canal.back") - np.array([0.0, 4.0, 0.0])
        paint.paint_joint(out, origin, SPACING_MM, free, names.index(upper), names.index(lower), canal, 3.0, CAPSULE_MM)
    cortex, spongy, steel = int(Tissue.BONE_CORTEX), int(Tissue.BONE_CANCELLOUS), int(Tissue.METAL)
    for b, name in enumerate(names):
        if name not in metal:
            paint.paint_bone(out, origin, SPACING_MM, free, b, CORTEX_MM, cortex, spongy)
    for name in metal:
        paint.paint_bone(out, origin, SPACING_MM, free, names.index(name), CORTEX_MM, steel, steel)


def _paint_tubes(out: NDArray[np.uint8], origin: F64, tubes: Sequence[Tube]) -> None:
    spare = np.zeros(256, np.uint8)
    for tissue in BONY:
        spare[int(tissue)] = 1
    vessels = [t for t in tubes if t.kind not in (TubeKind.SAC, *NERVES, *INSIDE)]
    for kinds, tissue in (((TubeKind.SAC,), Tissue.CSF), (INSIDE, Tissue.NERVE), (NERVES, Tissue.NERVE)):
        for tube in tubes:
            if tube.kind in kinds:
                paint.paint_tube(out, origin, SPACING_MM, wide_nodes(tube.nodes), 0.0, int(tissue), spare)
    for tube in vessels:
        none = np.zeros(256, np.uint8) if tube.kind is TubeKind.BASIVERTEBRAL else spare
        paint.paint_tube(out, origin, SPACING_MM, wide_nodes(tube.nodes), 0.0, int(Tissue.VESSEL), none)
