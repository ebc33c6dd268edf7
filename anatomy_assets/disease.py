"""From findings to sizes: each kind of morphometry/pathology.toml as a change of `Parameters`.

What can be said in sizes and discs is said here; what has to be met by measuring (slip, Cobb angle, heights, widths) gets a
first value here and is settled in solve.py. Without findings the parameters are returned as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from anatomy_assets.parameters import Disc, Level, Parameters, Side, in_posture, mdeg
from anatomy_assets.pathology import Pathology

HEALED_BAND_MM = 1.0
"""Cortex added under a healed end plate: solid bone of 1 mm looks like the trabecular band of 3 mm."""
PEDICLE_ROOM_MM = 2.0
"""How far the upper end plate may sink at the back: the pedicle starts 2.4 mm below it."""
FUSED_MM = 0.4
"""Line left in a bony bridge: bones are kept apart as solids; no needle passes and hardly a picture shows it."""
CURVE_REACH = 2
"""The end vertebrae of a scoliosis lie this many levels above and below its apex."""


def diseased(p: Parameters, found: Sequence[Pathology]) -> Parameters:
    """Return the parameters with all findings."""
    if not found:
        return p
    for one in found:
        p = CHANGES.get(one.kind, _same)(p, one)
    return in_posture(p, p.posture)  # wedges fit the heights of the discs again


def _same(p: Parameters, one: Pathology) -> Parameters:
    return p


def with_level(p: Parameters, name: str, **changes: object) -> Parameters:
    """Return the parameters with one vertebra changed."""
    return replace(p, levels=tuple(replace(lv, **changes) if lv.name == name else lv for lv in p.levels))  # type: ignore[arg-type]


def with_side(p: Parameters, name: str, side: str, **changes: object) -> Parameters:
    """Return the parameters with one side of one vertebra changed."""
    own: Side = replace(p.level(name).side(side), **changes)  # type: ignore[arg-type]
    return with_level(p, name, **{side: own})


def with_disc(p: Parameters, name: str, **changes: object) -> Parameters:
    """Return the parameters with the disc below a vertebra changed."""
    discs = tuple(replace(d, **changes) if d.name.startswith(f"{name}-") else d for d in p.discs)  # type: ignore[arg-type]
    return replace(p, discs=discs)


def disc_of(p: Parameters, name: str) -> Disc:
    """Return the disc below a vertebra."""
    return next(d for d in p.discs if d.name.startswith(f"{name}-"))


def below(p: Parameters, name: str) -> str:
    """Return the vertebra below another one, S1 for the last."""
    names = [lv.name for lv in p.levels]
    i = names.index(name)
    return names[i + 1] if i + 1 < len(names) else "S1"


def thicker(p: Parameters, name: str, side: str, factor: float, osteophyte_mm: float | None = None) -> Parameters:
    """Return the parameters with another thickness of the superior articular process of a vertebra (or of S1)."""
    if name == "S1":
        left, right = p.sacrum.sap_scale
        scales = (factor, right) if side == "left" else (left, factor)
        return replace(p, sacrum=replace(p.sacrum, sap_scale=scales))
    spur = p.level(name).side(side).osteophyte_mm if osteophyte_mm is None else osteophyte_mm
    return with_side(p, name, side, hypertrophy=factor, osteophyte_mm=spur)


def forward(p: Parameters, name: str, side: str, by_mm: float) -> Parameters:
    """Return the parameters with the superior articular process of a vertebra (or of S1) grown into the foramen above it."""
    if name != "S1":
        return with_side(p, name, side, sap_forward_mm=by_mm)
    left, right = p.sacrum.sap_forward
    ways = (by_mm, right) if side == "left" else (left, by_mm)
    return replace(p, sacrum=replace(p.sacrum, sap_forward=ways))


def _fracture(p: Parameters, one: Pathology) -> Parameters:
    level = p.level(one.level)
    upper, lower = losses(level, str(one["form"]), float(one["loss_percent"]), str(one["endplate"]))
    band = HEALED_BAND_MM if one["age"] == "healed" else 0.0
    return with_level(
        p, one.level, loss_upper=upper, loss_lower=lower, sclerosis_mm=band, retropulsion_mm=float(one["retropulsion_mm"])
    )


Loss = tuple[float, float, float]


def losses(level: Level, form: str, percent: float, endplate: str) -> tuple[Loss, Loss]:
    """Return heights lost (mm) at the upper and the lower end plate: front, middle, back."""
    share, none = 0.01 * percent, (0.0, 0.0, 0.0)
    if form == "wedge":
        own = (share * level.height_front, 0.4 * share * level.height_front, 0.0)
        return (own, none) if endplate == "upper" else (none, own)
    if form == "biconcave":
        deep = 0.5 * share * level.height
        return (0.0, deep, 0.0), (0.0, deep, 0.0)
    front, middle, back = share * level.height_front, share * level.height, share * level.height_back
    high = min(PEDICLE_ROOM_MM, 0.5 * back)
    return (0.5 * front, 0.5 * middle, high), (0.5 * front, 0.5 * middle, back - high)


def _osteoporosis(p: Parameters, one: Pathology) -> Parameters:
    return replace(p, cortex_scale=float(one["cortex_scale"]))


def end_vertebrae(names: Sequence[str], apex: str) -> tuple[int, int, int]:
    """Return the places of the upper end vertebra, the apex and the lower end vertebra of a curve."""
    a = names.index(apex)
    return max(a - CURVE_REACH, 0), a, min(a + CURVE_REACH, len(names) - 1)


def _scoliosis(p: Parameters, one: Pathology) -> Parameters:
    return curved(p, one, float(one["cobb_deg"]))


def curved(p: Parameters, one: Pathology, cobb_deg: float) -> Parameters:
    """Return a column bent by an angle: the discs tilt and turn, the bones stay as they are.

    Lean grows from the sacrum to the lower end vertebra, changes sign at the apex and fades above the upper one. Turn is
    greatest at the apex: the bodies look to the convex side.
    """
    up, apex, low = end_vertebrae([lv.name for lv in p.levels], one.level)
    sign = -1.0 if one.side == "left" else 1.0  # a vertebra that leans to the left is turned about the front axis by less than 0
    n = len(p.levels)
    lean, turn = [0.0] * (n + 1), [0.0] * (n + 1)  # the last entry is the sacrum
    for i in range(n):
        if i > low:
            lean[i] = 0.5 * cobb_deg * (n - i) / (n - low)
        elif i >= up:
            lean[i] = cobb_deg * ((i - up) / (low - up) - 0.5)
        else:
            lean[i] = -0.5 * cobb_deg * (i + 1.0) / (up + 1.0)
        half = max((low - apex) if i > apex else (apex - up), 1) + 1.0
        turn[i] = max(1.0 - abs(i - apex) / half, 0.0) * float(one["rotation_per_cobb"]) * cobb_deg
    discs = tuple(
        replace(d, tilt_mdeg=mdeg(sign * (lean[i] - lean[i + 1])), turn_mdeg=mdeg(-sign * (turn[i] - turn[i + 1])))
        for i, d in enumerate(p.discs)
    )
    return replace(p, discs=discs)


def depth_below(p: Parameters, name: str) -> float:
    """Return the depth (mm) of the end plate below the disc under a vertebra."""
    low = below(p, name)
    return p.sacrum.s1_depth if low == "S1" else p.level(low).depth_upper


def _listhesis(p: Parameters, one: Pathology) -> Parameters:
    slip = 0.01 * float(one["slip_percent"]) * depth_below(p, one.level)
    p = with_disc(p, one.level, slip_mm=slip)
    if one["cause"] == "isthmic":
        return with_level(p, one.level, split_mm=float(one["lysis_mm"]))
    return p


def _disc(p: Parameters, one: Pathology) -> Parameters:
    low, spur = below(p, one.level), float(one["osteophyte_mm"])
    p = with_disc(p, one.level, height=max(float(one["height_mm"]) - 1.2, 1.0))
    for name in (one.level, low):
        p = with_level(p, name, rim_osteophyte_mm=max(p.level(name).rim_osteophyte_mm, spur)) if name != "S1" else p
    return p


def _facets(p: Parameters, one: Pathology) -> Parameters:
    low, factor = below(p, one.level), float(one["factor"])
    gaps = dict(zip(("left", "right"), disc_of(p, one.level).facet_gap_mm or (p.facet_gap, p.facet_gap), strict=True))
    for side in one.sides:
        p = with_side(p, one.level, side, hypertrophy_low=factor)
        p = thicker(p, low, side, factor, float(one["osteophyte_mm"]))
        gaps[side] = float(one["joint_space_mm"])
    return with_disc(p, one.level, facet_gap_mm=(gaps["left"], gaps["right"]))


def _transitional(p: Parameters, one: Pathology) -> Parameters:
    gaps = {side: (FUSED_MM if fused(one, side) else p.facet_gap) for side in ("left", "right")}
    p = with_disc(p, one.level, facet_gap_mm=(gaps["left"], gaps["right"]), height=float(one["disc_mm"]) - 1.2)
    for side in broad_sides(one):
        p = with_side(p, one.level, side, wing_mm=float(one["process_mm"]))
    return p


def fused(one: Pathology, side: str) -> bool:
    """Return whether a transverse process is grown together with the ala (Castellvi III, and one side of IV)."""
    if one["castellvi"] == "IV":
        return side == ("left" if one.side == "both" else one.side)
    return one["castellvi"] == "III" and side in one.sides


def broad_sides(one: Pathology) -> tuple[str, ...]:
    """Return the sides with a broad process: both in type IV."""
    return ("left", "right") if one["castellvi"] == "IV" else one.sides


def _fusion(p: Parameters, one: Pathology) -> Parameters:
    if one["laminectomy"]:
        first = int(one.level[1])
        for i in range(first, min(first + int(one["segments"]), 5) + 1):
            p = with_level(p, f"L{i}", laminectomy=True)
    return p


CHANGES = {
    "compression_fracture": _fracture,
    "osteoporosis": _osteoporosis,
    "scoliosis": _scoliosis,
    "listhesis": _listhesis,
    "disc_height_loss": _disc,
    "facet_hypertrophy": _facets,
    "transitional": _transitional,
    "fusion": _fusion,
}


def lift_crests(p: Parameters, by_mm: float) -> Parameters:
    """Return the parameters with both iliac crests higher by so much."""
    left, right = p.pelvis.crest_lift
    return replace(p, pelvis=replace(p.pelvis, crest_lift=(left + by_mm, right + by_mm)))


def leaned(p: Parameters, name: str, height_mm: float, tilt_deg: float) -> Parameters:
    """Return the parameters with the disc below a vertebra of another height and side tilt, wedges settled."""
    old = disc_of(p, name)
    changed = with_disc(p, name, height=height_mm, tilt_mdeg=old.tilt_mdeg + mdeg(tilt_deg))
    return in_posture(changed, p.posture)


def angle_deg(rise_mm: float, run_mm: float) -> float:
    """Return the angle (deg) of a slope."""
    return math.degrees(math.atan(rise_mm / run_mm))
