"""Changes of one vertebra by disease, each neutral unless its field of `Level` or `Side` says otherwise.

Losses of height are quadratics through three points of an endplate (front, middle, back). Bone that stands out
into the canal (retropulsion, facet osteophytes) is added after the canal was cut; a lysis is cut last. An isthmic
listhesis parts the vertebra into two bones (`cut`), a laminectomy takes the middle of the arch away.
"""

from __future__ import annotations

from anatomy_assets import primitives as prim
from anatomy_assets.arch import part_points
from anatomy_assets.layout import Form, frame_of
from anatomy_assets.parameters import SIDES, Level
from anatomy_assets.shape import Builder

LYSIS_TILT = 0.7
"""Rise of the lysis per mm backwards: the cleft runs from behind-below to front-above (oblique view: the dog's collar)."""


def body_values(level: Level) -> list[float]:
    """Return the tail of the body's parameters (see primitives.body): losses, side wedge, rim osteophytes."""
    tilt = level.lateral_wedge_mm / (0.5 * (level.width_upper + level.width_lower))
    return [
        *quadratic(level.loss_upper, level.depth), *quadratic(level.loss_lower, level.depth),
        0.5 * tilt, level.rim_osteophyte_mm, 0.5 * level.depth,
    ]  # fmt: skip


def quadratic(loss: tuple[float, float, float], depth: float) -> list[float]:
    """Return c0, c1, c2 of the loss c0 + c1 s + c2 s^2 with s = x / (depth / 2): front at 1, back at -1."""
    front, middle, back = loss
    return [middle, 0.5 * (front - back), 0.5 * (front + back) - middle]


def added(b: Builder, level: Level, form: Form) -> None:
    """Add what stands out and cut what is broken; nothing at all for a healthy level."""
    if level.retropulsion_mm > 0.0:
        _retropulsion(b, level)
    for side in SIDES:
        own = level.side(side)
        if own.osteophyte_mm > 0.0:
            _facet_osteophyte(b, level, form, side)
        if own.lysis_mm > 0.0:
            _lysis(b, level, form, side)


def _retropulsion(b: Builder, level: Level) -> None:
    """Push the upper posterior wall into the canal: a low dome, `retropulsion_mm` behind the rim."""
    upper = 0.5 * level.height_back - level.loss_upper[2]
    wall, out = -0.5 * level.depth, level.retropulsion_mm
    wide, high = 0.34 * level.canal_width, 0.3 * level.height
    at = (wall + 4.0, 0.0, upper - high)
    end = (wall + 3.0, 0.0, upper - high)
    b.chain([at, end], [high, high], [wide, wide], (0.0, 0.0, 1.0), 2.0, square=0.0, smooth=0)
    tip = (wall - out + 3.0, 0.0, upper - high)
    b.chain([at, tip], [high, 3.0], [wide, 3.0], (0.0, 0.0, 1.0), 2.5, square=0.0, smooth=0)


def _facet_osteophyte(b: Builder, level: Level, form: Form, side: str) -> None:
    """Add a knob at the front inner edge of the SAP, where it narrows foramen and lateral recess."""
    f = frame_of(level, form, side)
    own = f.side
    first, second = part_points(f, "sap")[:2]
    r = 1.5 + 0.5 * own.osteophyte_mm
    reach = own.osteophyte_mm
    at = (second[0] + 1.0, second[1] - f.sign * 1.0, second[2] + 2.0)
    end = (at[0] + reach, at[1] - f.sign * 0.4 * reach, at[2] + 0.5 * (first[2] - second[2]))
    b.chain([at, end], [r, r], [r, 0.8 * r], (0.0, 0.0, 1.0), 2.0, square=0.0, smooth=0)


def _lysis(b: Builder, level: Level, form: Form, side: str) -> None:
    """Cut the pars across its neck: a plane of thickness `lysis_mm`, higher in front, limited to the pars."""
    f = frame_of(level, form, side)
    p = part_points(f, "iap")[1]
    half = 0.5 * f.side.lysis_mm
    size = 1.0 + LYSIS_TILT * LYSIS_TILT
    up = 1.0 / size**0.5
    back = LYSIS_TILT * up
    # plate axes: u sideways, v in the plane forwards and up, w across the cleft
    frame = [*p, 0.0, f.sign, 0.0, up, 0.0, back, -back, 0.0, up]
    outline = [[-9.0, -12.0], [11.0, -12.0], [11.0, 12.0], [-9.0, 12.0]]
    flat = [[-5.0, -5.0, -half, half], [5.0, -5.0, -half, half], [0.0, 5.0, -half, half]]
    low, high = (p[0] - 16.0, p[1] - 16.0, p[2] - 16.0), (p[0] + 16.0, p[1] + 16.0, p[2] + 16.0)
    b.sheet(frame, outline, flat, 0.3, 0.0, low, high, op=prim.SUBTRACT, corner_cuts=0)


def cut(b: Builder, level: Level, form: Form, part: str) -> None:
    """Cut what is missing: the middle of the arch (laminectomy), or the other part of a parted vertebra."""
    if level.laminectomy:
        _laminectomy(b, level)
    if level.split_mm > 0.0:
        (_without_arch if part == "front" else _arch_only)(b, level, form)


def _prism(b: Builder, outline: list[list[float]], low_y: float, high_y: float) -> None:
    """Subtract a prism: outline in (x, z), from low_y to high_y."""
    mid, half = 0.5 * (low_y + high_y), 0.5 * (high_y - low_y)
    frame = [0.0, mid, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    flat = [[-50.0, -50.0, -half, half], [50.0, -50.0, -half, half], [0.0, 50.0, -half, half]]
    low, high = (-110.0, low_y, -75.0), (60.0, high_y, 75.0)
    b.sheet(frame, outline, flat, 0.0, 0.0, low, high, op=prim.SUBTRACT, corner_cuts=0)


def _laminectomy(b: Builder, level: Level) -> None:
    """Take away spinous process and laminae between the joints."""
    front, half = -0.5 * level.depth - 0.5 * level.canal_depth, 0.5 * level.canal_width - 1.0
    _prism(b, [[-105.0, -70.0], [front, -70.0], [front, 70.0], [-105.0, 70.0]], -half, half)


def _lysis_line(level: Level, form: Form) -> tuple[float, float, float]:
    """Return x and z of the necks of the pars (mean of both sides), and half the width of the middle part."""
    points = [part_points(frame_of(level, form, side), "iap")[1] for side in SIDES]
    x, z = (0.5 * (points[0][i] + points[1][i]) for i in (0, 2))
    return x, z, 0.5 * level.canal_width - 1.0


def _lateral(x: float, z: float, shift: float) -> list[list[float]]:
    """Return the outline of the arch beside the canal: below the oblique plane, behind a line before the pars."""
    front = x + 6.0 + shift
    return [
        [front, -70.0], [front, z + LYSIS_TILT * 6.0 + shift], [x - 4.0, z - LYSIS_TILT * 4.0 + shift],
        [x - 9.0, z - LYSIS_TILT * 4.0 + shift], [-105.0, z - LYSIS_TILT * 4.0 + shift], [-105.0, -70.0],
    ]  # fmt: skip


def _without_arch(b: Builder, level: Level, form: Form) -> None:
    """Leave body, pedicles, transverse and superior articular processes."""
    x, z, half = _lysis_line(level, form)
    gap = 0.5 * level.split_mm
    middle = -0.5 * level.depth - 0.5 * level.canal_depth + gap
    _prism(b, [[-105.0, -70.0], [middle, -70.0], [middle, 70.0], [-105.0, 70.0]], -half - gap, half + gap)
    for low, high in ((half, 70.0), (-70.0, -half)):
        _prism(b, _lateral(x, z, gap), low, high)


def _arch_only(b: Builder, level: Level, form: Form) -> None:
    """Leave laminae, spinous and inferior articular processes."""
    x, z, half = _lysis_line(level, form)
    gap = 0.5 * level.split_mm
    middle = -0.5 * level.depth - 0.5 * level.canal_depth - gap
    _prism(b, [[middle, -70.0], [55.0, -70.0], [55.0, 70.0], [middle, 70.0]], -half, half)
    around = _lateral(x, z, -gap)
    rest = [[55.0, -70.0], around[0], *around[1:5], [-105.0, 70.0], [55.0, 70.0]]
    for low, high in ((half - gap, 70.0), (-70.0, -half + gap)):
        _prism(b, rest, low, high)
