"""The map that cement spreads in: one vertebra in a box of the label grid, and the ways out of it.

Ways out (channels) are drawn per patient from the study's seed: the basivertebral vein, segmental veins, weak spots
of the endplates, and the track of the cannula. Cortical defects are anatomy: landmarks
"<bone>.cortical_defect.<n>" of the phantom. Nothing else leaves the bone, whatever the voxels of the grid show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.frames import sincos_mdeg
from sim.phantom import Phantom, Tissue, TubeKind
from sim.rng import stream
from sim.state import Study

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

CLOSED, BONE, CHANNEL, CANAL, FORAMEN, DISC, SOFT, VEIN, CAVA = range(9)
PLACES = ("closed", "bone", "channel", "canal", "foramen", "disc", "paravertebral", "vein", "cava")
KINDS = ("none", "basivertebral", "segmental", "endplate", "defect", "track")
NONE, BASIVERTEBRAL, SEGMENTAL, ENDPLATE, DEFECT, TRACK = range(6)

OUTSIDE = {
    Tissue.EPIDURAL_FAT: CANAL,
    Tissue.FORAMEN_FAT: FORAMEN,
    Tissue.DISC_ANNULUS: DISC,
    Tissue.DISC_NUCLEUS: DISC,
    Tissue.FAT: SOFT,
    Tissue.MUSCLE: SOFT,
    Tissue.PSOAS: SOFT,
    Tissue.RETROPERITONEUM: SOFT,
    Tissue.BONE_CANCELLOUS: BONE,
}
BONES = (int(Tissue.BONE_CORTEX), int(Tissue.BONE_CANCELLOUS))
HALF_MM = (32.0, 28.0, 22.0)
"""Half the box: a lumbar body with the tissue round it that a leak fills."""
MARCH_MM = 0.25


class Channel(NamedTuple):
    """A way out of the bone: from inner_mm along `way` (unit) through the wall at wall_mm to end_mm (arc lengths)."""

    kind: int
    inner_mm: F64
    way: F64
    wall_mm: float
    end_mm: float
    radius_mm: float
    strength: float  # how much it resists entry, times the barrier of sim.cement_front


class Body(NamedTuple):
    """One vertebra. place (nx, ny, nz): what each voxel is; channel: 0 or 1 + index of its channel; kind, strength per 1 + index.

    centre_mm and axes (left, back, up; rows) frame the body; ahead_mm, behind_mm: from the centre to the front and back
    wall; volume_ul of the body. voxel_seed, block_seed: this patient's noise.
    """

    name: str
    origin_mm: F64
    spacing_mm: float
    place: U8
    channel: U8
    kind: NDArray[np.int64]
    strength: F64
    centre_mm: F64
    axes: F64
    ahead_mm: float
    behind_mm: float
    volume_ul: float
    voxel_seed: int
    block_seed: int


def body_at(phantom: Phantom, point: F64) -> str:
    """Return the vertebra whose body centre is nearest to a point within 40 mm, "" if there is none."""
    best, found = 40.0 * 40.0, ""
    for name in sorted(phantom.landmarks):
        if not name.endswith(".body.centre"):
            continue
        d = np.asarray(phantom.landmarks[name], np.float64) - point
        d2 = float(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
        if d2 < best:
            best, found = d2, name.removesuffix(".body.centre")
    return found


def make_body(study: Study, name: str, tip_mm: F64, tip_direction: F64) -> Body:
    """Return the map of vertebra `name` for cement from a tip at tip_mm."""
    f, number = study.phantom.fields, study.toolbox.constant
    centre, axes = _frame(study.phantom, name)
    h = f.label_spacing
    low = np.floor((centre - np.array(HALF_MM) - f.label_origin) / h).astype(np.int64)
    high = np.ceil((centre + np.array(HALF_MM) - f.label_origin) / h).astype(np.int64) + 1
    low, high = np.maximum(low, 0), np.minimum(high, f.labels.shape)
    labels = np.ascontiguousarray(f.labels[low[0] : high[0], low[1] : high[1], low[2] : high[2]])
    origin = f.label_origin + h * low
    labels = _hollow_as_bone(study.phantom, name, labels, origin, h, centre, axes)
    table = np.zeros(256, np.uint8)
    for tissue, what in OUTSIDE.items():
        table[int(tissue)] = what
    draw = stream(study.seed, f"cement/{name}")
    seeds = [int(v) for v in draw.integers(0, 2**62, 2)]
    channels = list(_channels(study, name, labels, origin, h, centre, axes, draw))
    channels += list(_track(study, labels, origin, h, tip_mm, tip_direction))
    place, channel = table[labels], np.zeros(labels.shape, np.uint8)
    for index, way in enumerate(channels):
        _paint(labels, origin, h, way, index + 1, place, channel, number("cement.cava_mm"))
    ahead, behind = _exit(labels, origin, h, centre, -axes[1]), _exit(labels, origin, h, centre, axes[1])
    wide = _exit(labels, origin, h, centre, axes[0]) + _exit(labels, origin, h, centre, -axes[0])
    tall = _exit(labels, origin, h, centre, axes[2]) + _exit(labels, origin, h, centre, -axes[2])
    volume = 0.7853981633974483 * wide * (ahead + behind) * tall
    kind = np.array([NONE, *(c.kind for c in channels)], np.int64)
    strength = np.array([0.0, *(c.strength for c in channels)])
    return Body(name, origin, h, place, channel, kind, strength, centre, axes, ahead, behind, volume, *seeds)


def _hollow_as_bone(phantom: Phantom, name: str, labels: U8, origin: F64, h: float, centre: F64, axes: F64) -> U8:
    """Return the labels with what is hollow inside the body as spongiosa: the basivertebral vein, and the gas of a cleft.

    Without this the vein's voxels would end the body a millimetre behind its centre, and a cleft would keep cement out.
    """
    up = axes[2]
    top, low = (_dot(phantom.landmark(f"{name}.endplate.{end}") - centre, up) for end in ("superior", "inferior"))
    wall = phantom.landmarks.get(f"{name}.wall.posterior")
    behind = _dot(np.asarray(wall, np.float64) - centre, axes[1]) if wall is not None else 0.0
    hollow = (labels == int(Tissue.VESSEL)) | (labels == int(Tissue.VACUUM))
    if not hollow.any():
        return labels
    at = [origin[c] + h * np.arange(labels.shape[c]) - centre[c] for c in range(3)]
    high, back, left = (
        at[0][:, None, None] * a[0] + at[1][None, :, None] * a[1] + at[2][None, None, :] * a[2] for a in (up, axes[1], axes[0])
    )
    inside = hollow & (high > low) & (high < top) & (back < behind) & (back > -8.0) & (left * left < 100.0)
    out = labels.copy()
    out[inside] = int(Tissue.BONE_CANCELLOUS)
    return out


def _frame(phantom: Phantom, name: str) -> tuple[F64, F64]:
    """Return (centre, axes) of a vertebral body; axes are rows left, back, up. Pedicles tell how it is turned, if known."""
    centre = phantom.landmark(f"{name}.body.centre")
    up = _unit(phantom.landmark(f"{name}.endplate.superior") - phantom.landmark(f"{name}.endplate.inferior"))
    ends = [phantom.landmarks.get(f"{name}.pedicle.{side}.centre") for side in ("left", "right")]
    if ends[0] is not None and ends[1] is not None:
        left = np.asarray(ends[0], np.float64) - np.asarray(ends[1], np.float64)
        left = _unit(left - _dot(left, up) * up)
        back = np.array([up[1] * left[2] - up[2] * left[1], up[2] * left[0] - up[0] * left[2], up[0] * left[1] - up[1] * left[0]])
        return centre, np.stack([left, back, up])
    back = np.array([0.0, 1.0, 0.0])
    back = _unit(back - _dot(back, up) * up)
    left = np.array([back[1] * up[2] - back[2] * up[1], back[2] * up[0] - back[0] * up[2], back[0] * up[1] - back[1] * up[0]])
    return centre, np.stack([left, back, up])


def _channels(
    study: Study, name: str, labels: U8, origin: F64, h: float, centre: F64, axes: F64, draw: np.random.Generator
) -> Iterator[Channel]:
    """Yield this patient's ways out of the body, defects first (where two overlap, the first one holds)."""
    number, marks = study.toolbox.constant, study.phantom.landmarks
    left, back, up = axes
    for mark in sorted(m for m in marks if m.startswith(f"{name}.cortical_defect.")):
        d = np.asarray(marks[mark], np.float64) - centre
        length = math.sqrt(_dot(d, d))
        yield _to_wall(
            number, DEFECT, labels, origin, h, centre, d / length, number("cement.defect_inside_mm"), 6.0, "defect", 1.0
        )
    u = [float(v) for v in draw.random(40)]
    grip, way = _between(number, "basivertebral", u[0]), _vein_way(study.phantom, name, centre, back)
    yield _to_wall(number, BASIVERTEBRAL, labels, origin, h, centre, way, 100.0, 3.0, "vein", grip)
    for i in range(4):
        side = left if i % 2 else -left
        sine, cosine = sincos_mdeg(20_000 + int(50_000 * u[4 * i + 1]))
        way = _unit(-cosine * back + sine * side + 0.5 * (u[4 * i + 2] - 0.5) * up)
        inside, grip = number("cement.segmental_inside_mm"), _between(number, "segmental", u[4 * i + 3])
        yield _to_wall(number, SEGMENTAL, labels, origin, h, centre, way, inside, number("cement.vein_mm"), "vein", grip)
    for i in range(4):
        start = centre + 14.0 * (u[20 + 4 * i] - 0.5) * left + 12.0 * (u[21 + 4 * i] - 0.5) * back
        inside, grip = number("cement.endplate_inside_mm"), _between(number, "endplate", u[22 + 4 * i])
        yield _to_wall(number, ENDPLATE, labels, origin, h, start, up if i % 2 else -up, inside, 4.0, "endplate", grip)


def _vein_way(phantom: Phantom, name: str, centre: F64, back: F64) -> F64:
    """Return the way from the body's centre to where its own basivertebral vein leaves it; straight back without one."""
    for tube in phantom.tubes:
        if tube.kind is TubeKind.BASIVERTEBRAL and tube.level == name:
            ends = (tube.nodes[0, :3] - centre, tube.nodes[-1, :3] - centre)
            far = max(ends, key=lambda d: _dot(d, back))
            if _dot(far, back) > 3.0:
                return _unit(far)
    return back


def _track(study: Study, labels: U8, origin: F64, h: float, tip: F64, direction: F64) -> Iterator[Channel]:
    """Yield the way back along the cannula, sealed by it as far as the data say."""
    if _dot(direction, direction) < 0.5:
        return
    number = study.toolbox.constant
    back = -_unit(direction)
    begin = tip + number("cement.track_begin_mm") * back
    wall = _exit(labels, origin, h, begin, back)
    yield Channel(TRACK, begin, back, wall, wall + 3.0, number("cement.track_radius_mm"), number("cement.track_strength"))


def _between(number: Callable[[str], float], what: str, share: float) -> float:
    low, high = (number(f"cement.{what}_strength_{end}") for end in ("low", "high"))
    return low + share * (high - low)


def _to_wall(
    number: Callable[[str], float],
    kind: int,
    labels: U8,
    origin: F64,
    h: float,
    start: F64,
    way: F64,
    inside_mm: float,
    outside_mm: float,
    size: str,
    strength: float,
) -> Channel:
    """Return the channel that begins inside_mm before the wall (at most at `start`) and ends outside_mm beyond it."""
    wall = _exit(labels, origin, h, start, way)
    begin = max(0.0, wall - inside_mm)
    radius, grip = (number(f"cement.{size}_{what}") for what in ("radius_mm", "grip"))
    return Channel(kind, start + begin * way, way, wall - begin, wall - begin + outside_mm, radius, strength * grip)


def _exit(labels: U8, origin: F64, h: float, start: F64, way: F64) -> float:
    """Return how far (mm) bone reaches from a point along a direction; 0 if the point is not in bone."""
    far = 0.0
    while far < 60.0:
        i, j, k = (math.floor((float(start[c]) + far * float(way[c]) - float(origin[c])) / h + 0.5) for c in range(3))
        inside = 0 <= i < labels.shape[0] and 0 <= j < labels.shape[1] and 0 <= k < labels.shape[2]
        if not inside or int(labels[i, j, k]) not in BONES:
            break
        far += MARCH_MM
    return far


def _paint(labels: U8, origin: F64, h: float, c: Channel, index: int, place: U8, channel: U8, cava_mm: float) -> None:
    """Mark the voxels of a channel, in place: bone near it, and beyond the wall the vein that it is."""
    x, y, z = (origin[a] + h * np.arange(labels.shape[a]) - c.inner_mm[a] for a in range(3))
    d2 = x[:, None, None] * x[:, None, None] + y[None, :, None] * y[None, :, None] + z[None, None, :] * z[None, None, :]
    along = x[:, None, None] * c.way[0] + y[None, :, None] * c.way[1] + z[None, None, :] * c.way[2]
    near = (d2 - along * along <= c.radius_mm * c.radius_mm) & (along >= 0.0) & (along <= c.end_mm) & (channel == 0)
    bone = near & ((labels == BONES[0]) | (labels == BONES[1])) & (along <= c.wall_mm + 2.0)
    place[bone] = CHANNEL
    channel[bone] = index
    if c.kind == SEGMENTAL:
        outside = near & (place == SOFT)
        place[outside] = VEIN
        place[outside & (along >= c.end_mm - cava_mm)] = CAVA
        channel[outside] = index


def _dot(a: F64, b: F64) -> float:
    return float(a[0]) * float(b[0]) + float(a[1]) * float(b[1]) + float(a[2]) * float(b[2])


def _unit(a: F64) -> F64:
    return np.asarray(a / math.sqrt(_dot(a, a)), np.float64)
