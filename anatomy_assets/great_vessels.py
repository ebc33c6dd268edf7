"""Aorta, vena cava and the common iliac vessels: where they lie before the bodies and where they divide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.heights import BODY, coordinate, height, number_at
from anatomy_assets.landmarks import Frame, Spine
from anatomy_assets.soft_person import chosen, deviate, uniform
from anatomy_assets.tables import number, spread
from anatomy_assets.tubes import bone_gap, free_way, rounded, smooth_path
from sim.fields import Fields, wide_nodes
from sim.phantom import Tube, TubeKind

F64 = NDArray[np.float64]
N = "neurovascular"
OVER_MM = 40.0


@dataclass(frozen=True)
class Body:
    """Outer half sizes of one vertebral body at its waist, seen from its centre (mm)."""

    frame: Frame
    front: float
    left: float
    right: float

    def half(self, side: str) -> float:
        """Return the half width on one side."""
        return self.left if side == "left" else self.right


def measure_body(free: Fields, frame: Frame) -> Body:
    """Return the half sizes of a body, met from outside."""
    sizes = []
    for left, posterior in ((0.0, -1.0), (1.0, 0.0), (-1.0, 0.0)):
        out = left * frame.axes[0] + posterior * frame.axes[1]
        start = frame.origin + 60.0 * out
        sizes.append(60.0 - free_way(free, *start, *(-out), 58.0))
    return Body(frame, *sizes)


def division(seed: int, key: str) -> float:
    """Return where a trunk divides (heights.py), from the published shares of levels.

    Aorta and cava divide at levels that go together: one uniform number serves both.
    """
    word, part = chosen(N, key, uniform(seed, "division"))
    names = word.split("-")
    if len(names) == 2:  # a disc
        return coordinate(names[0]) + BODY + (1.0 - 2.0 * BODY) * part
    return coordinate(word) - BODY + 2.0 * BODY * part


def great_vessels(spine: Spine, free: Fields, seed: int, sex: str) -> list[Tube]:
    """Return aorta with its two iliac arteries, then cava with its two iliac veins."""
    fronts = _front_line(spine, free)
    arteries = _trunk(spine, fronts, "aorta", seed, sex)
    veins = _trunk(spine, fronts, "cava", seed, sex)
    return [replace(t, nodes=rounded(_lifted(free, t.nodes, 0.6))) for t in (*arteries, *veins)]


def _front_line(spine: Spine, free: Fields) -> F64:
    """Return rows (n, 3) z ascending, x and y of the front of the column at its discs: the rims beside each disc."""
    rows = []
    for level, frame in spine.frames.items():
        for sign, end in ((1.0, "superior"), (-1.0, "inferior")):
            rim = spine.mark(f"{level}.endplate.{end}") - sign * 3.0 * frame.axes[2]
            start = rim - 60.0 * frame.axes[1]
            met = start + free_way(free, *start, *frame.axes[1], 58.0) * frame.axes[1]
            rows.append([met[2], met[0], met[1]])
    if "S.promontory" in spine.marks:
        low = spine.mark("S.promontory")
        rows.append([low[2], low[0], low[1]])
    rows.sort()
    return np.array(rows)


def _at(rows: F64, z: float) -> tuple[float, float]:
    """Return x, y of the front line at a height."""
    i = min(max(int(np.searchsorted(rows[:, 0], z)) - 1, 0), len(rows) - 2)
    t = (z - rows[i, 0]) / max(rows[i + 1, 0] - rows[i, 0], 1e-6)
    t = min(max(t, -0.5), 1.5)
    return float(rows[i, 1] + t * (rows[i + 1, 1] - rows[i, 1])), float(rows[i, 2] + t * (rows[i + 1, 2] - rows[i, 2]))


def _section(name: str, level: str, seed: int, sex: str) -> tuple[float, float]:
    """Return (radius, half width of the flat part) of a trunk at a level (mm)."""
    factor = number(N, f"{name}.female") if sex == "female" else 1.0
    grow = 1.0 + spread(N, f"{name}.depth_mm") * deviate(seed, f"{name}/size")
    deep, wide = number(N, f"{name}.depth_mm", level), number(N, f"{name}.width_mm", level)
    return 0.5 * factor * grow * deep, max(0.5 * factor * grow * (wide - deep), 0.0)


def _trunk(spine: Spine, fronts: F64, name: str, seed: int, sex: str) -> list[Tube]:
    """Return one trunk down to its division and its two iliac branches."""
    artery = name == "aorta"
    low = height(spine, division(seed, f"{name}.division_share") - spine.lesions.division_up)
    across = (1.0 if artery else -1.0) * number(N, f"{name}.beside_mm")
    top = spine.mark(f"{spine.top}.endplate.superior")[2] + OVER_MM
    stretch, shift = _gap_of_person(seed, name, sex)
    points, halves = [], []
    z = top
    while True:
        level = _level_at(spine, z)
        r, half = _section(name, level, seed, sex)
        mid, front = _at(fronts, min(z, fronts[-1, 0] + 15.0))
        near = min(1.0, max(0.0, (z - low) / 35.0))
        offset = across * (0.35 + 0.65 * near)
        curve = number(N, "front.curve_per_mm") * offset * offset
        gap = max(number(N, f"{name}.gap_mm", level) * stretch + shift, 0.3)
        points.append([mid + offset, front + curve - gap - r, z, r])
        halves.append(half)
        if z <= low:
            break
        z = max(z - 12.0, low)
    return _tubes(name, points, halves, seed, sex)


def _gap_of_person(seed: int, name: str, sex: str) -> tuple[float, float]:
    """Return factor and shift (mm) of a person's gaps between a trunk and the column.

    The aorta's published SD is as large as its mean and no gap is negative: the factor is (1 + a z)^2 / (1 + a^2), mean 1
    and SD 0.85 for a = 0.5; curve and bulge of people make the rest. The cava varies little: a shift.
    """
    z = deviate(seed, f"{name}/gap")
    if name == "cava":
        return 1.0, spread(N, "cava.gap_mm") * z
    women = number(N, "aorta.gap_female") if sex == "female" else 1.0
    a = number(N, "aorta.gap_tail")
    long_tail = (1.0 + a * z) * (1.0 + a * z) / (1.0 + a * a)
    return women * (1.0 if seed == 0 else long_tail), number(N, "aorta.gap_more_mm")


def _level_at(spine: Spine, z: float) -> str:
    """Return the vertebra at a height (the highest or lowest one beyond the ends)."""
    at = number_at(spine, z)
    return min(spine.frames, key=lambda level: abs(coordinate(level) - at))


def _tubes(name: str, points: list[list[float]], halves: list[float], seed: int, sex: str) -> list[Tube]:
    artery = name == "aorta"
    kind = TubeKind.ARTERY if artery else TubeKind.VEIN
    speed, wall = number(N, f"{name}.speed_mm_s"), 1.0 if artery else 0.5
    nodes = wide_nodes(np.array(points))
    if max(halves) > 0.0:
        nodes[:, 4] = halves
    else:
        nodes = nodes[:, :4]
    out = [Tube(name, kind, "", "", nodes if artery else nodes[::-1].copy(), wall, speed)]
    fork, r = np.array(points[-1][:3]), 0.5 * number(N, f"{name}.iliac_diameter_mm")
    ends: Mapping[str, float] = {"left": 1.0, "right": -1.0}
    for side, s in ends.items():
        end = np.array([s * 46.0, -52.0 if artery else -40.0, -22.0])
        mid = 0.5 * (fork + end) + np.array([s * 4.0, -6.0, 3.0])
        branch = smooth_path([[*fork, r], [*mid, r], [*end, r]], 8.0)
        word = "iliac_artery" if artery else "iliac_vein"
        out.append(Tube(f"{word}_{side}", kind, "", side, branch if artery else branch[::-1].copy(), wall, speed))
    return out


def _lifted(free: Fields, nodes: F64, gap: float) -> F64:
    """Return nodes moved forwards until the back of a wide vessel clears the bone (grids reach 6 mm only)."""
    out = nodes.copy()
    flat = out[:, 4] if out.shape[1] == 5 else np.zeros(len(out))
    # back half of the section, a flat middle between two half discs: which end of the middle, then a point of the unit circle
    arc = ((1.0, 0.0), (0.8, 0.6), (0.4, 0.92), (0.0, 1.0))
    ring = ((0.0, 0.0, 1.0), *((s, s * x, y) for s in (-1.0, 1.0) for x, y in arc))
    for _ in range(3):
        for node, half in zip(out, flat, strict=True):
            for _ in range(12):
                short = 0.0
                for end, x, y in ring:
                    wide = half * end
                    for dz in (-6.0, -3.0, 0.0, 3.0, 6.0):
                        d, _ = bone_gap(free, node[0] + wide + node[3] * x, node[1] + node[3] * y, node[2] + dz)
                        short = max(short, gap - d)
                if short <= 0.0:
                    break
                node[1] -= min(short, 1.5)
        out[1:-1, 1] = np.minimum(out[1:-1, 1], 0.5 * (out[:-2, 1] + out[2:, 1]))
    return out
