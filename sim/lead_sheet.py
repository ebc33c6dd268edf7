"""The epidural sheet: the spinal canal round the thecal sac, unrolled into a plane.

Coordinates in mm: `along` counts cranially along the canal's centre line from the lower end, `across` round the sac
from the dorsal midline, positive to the patient's left (arc length at the mean radius, so the sheet is a rectangle;
the ventral midline lies at +-pi R). A point lies on the dura in the epidural space, and at four fifths of the sac's
radius in the intrathecal one. Below the sac the canal's own fat gives the centre line.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, bone_distance, tissue_at
from sim.frames import FULL_TURN_MDEG, dot, sincos_mdeg
from sim.phantom import Phantom, Tissue, TubeKind
from sim.rng import stream
from sim.state import Study

F64 = NDArray[np.float64]

STEP_MM = 2.0
HALF_TURN_MDEG = 180_000
MDEG_PER_RADIAN = 57295.77951308232
PI = 3.141592653589793
SACRAL_HALF_WIDTH_MM = 16.0
"""How far beside the last centre the fat of the sacral canal is looked for."""
LEAST_VOXELS = 4
NEAR_LEVEL_MM = 25.0
CSF_SHARE = 0.8
"""Where in the sac an intrathecal catheter lies, as a share of the radius."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """The unrolled canal. centre_mm (n, 3), radius_mm (n,), along_mm (n,) rising; mean_mm: radius of the unrolling.

    roots (m, 3): along, across, radius of every nerve sleeve. gates: (level, side, along_mm) of every foramen.
    scars (k, 4): ends of adhesions. levels: (name, along_mm).
    """

    centre_mm: F64
    radius_mm: F64
    along_mm: F64
    mean_mm: float
    fields: Fields
    roots: F64
    gates: tuple[tuple[str, str, float], ...]
    scars: F64
    levels: tuple[tuple[str, float], ...]

    @property
    def length_mm(self) -> float:
        """Length of the sheet along the canal."""
        return float(self.along_mm[-1])

    @property
    def half_width_mm(self) -> float:
        """Distance from the dorsal to the ventral midline, round the sac."""
        return PI * self.mean_mm

    def around_mdeg(self, across_mm: float) -> int:
        """Return the angle round the sac of a place in the sheet (0 dorsal, positive to the left)."""
        return round(across_mm / self.mean_mm * MDEG_PER_RADIAN)

    def section(self, along_mm: float) -> tuple[F64, F64, F64, F64, float]:
        """Return (centre, unit vectors cranial, left and dorsal, radius) at a place along the canal."""
        s = min(max(along_mm, 0.0), self.length_mm)
        k = min(int(np.searchsorted(self.along_mm, s, side="right")) - 1, len(self.along_mm) - 2)
        a, b = float(self.along_mm[k]), float(self.along_mm[k + 1])
        t = (s - a) / (b - a)
        centre = self.centre_mm[k] + t * (self.centre_mm[k + 1] - self.centre_mm[k])
        low, high = max(0, k - 2), min(len(self.along_mm) - 1, k + 3)
        up = unit(self.centre_mm[high] - self.centre_mm[low])
        left = unit(np.array([1.0, 0.0, 0.0]) - up[0] * up)
        dorsal = np.array(
            [up[1] * left[2] - up[2] * left[1], up[2] * left[0] - up[0] * left[2], up[0] * left[1] - up[1] * left[0]]
        )
        return centre, up, left, dorsal, float(self.radius_mm[k] + t * (self.radius_mm[k + 1] - self.radius_mm[k]))

    def to_patient(self, along_mm: float, across_mm: float, space: str, lead_radius_mm: float) -> F64:
        """Return the patient-frame point (3,) of the axis of a lead at a place in the sheet."""
        centre, up, left, dorsal, radius = self.section(along_mm)
        s, c = sincos_mdeg(self.around_mdeg(across_mm))
        out = s * left + c * dorsal
        beyond = along_mm - min(max(along_mm, 0.0), self.length_mm)
        foot = centre + beyond * up
        if space == "intrathecal":
            return np.asarray(foot + CSF_SHARE * radius * out, np.float64)
        return np.asarray(foot + self._reach(foot, out, radius, lead_radius_mm) * out, np.float64)

    def _reach(self, foot: F64, out: F64, radius: float, lead_radius_mm: float) -> float:
        """Return how far from the centre line a lead lies: on the dura, which gives way where bone or ligament is near."""
        for k in range(DENT_STEPS):
            reach = radius + lead_radius_mm - k * DENT_MM
            x, y, z = (float(v) for v in foot + reach * out)
            bx, by, bz = (float(v) for v in foot + (reach + lead_radius_mm) * out)
            hard = tissue_at(self.fields, bx, by, bz) == int(Tissue.LIGAMENTUM_FLAVUM)
            if not hard and bone_distance(self.fields, x, y, z)[0] >= lead_radius_mm:
                return reach
        return radius + lead_radius_mm - (DENT_STEPS - 1) * DENT_MM

    def from_patient(self, point: F64, direction: F64) -> tuple[float, float, float, float]:
        """Return (along, across, heading along, heading across) of a point and direction; headings are unit, 0 if square."""
        d = self.centre_mm - point[None, :]
        k = int(np.argmin(d[:, 0] * d[:, 0] + d[:, 1] * d[:, 1] + d[:, 2] * d[:, 2]))
        _, up, left, dorsal, _ = self.section(float(self.along_mm[k]))
        off = point - self.centre_mm[k]
        along = float(self.along_mm[k]) + dot(off, up)
        around = angle_mdeg(dot(off, dorsal), dot(off, left))
        s, c = sincos_mdeg(around)
        ha, hc = dot(direction, up), dot(direction, c * left - s * dorsal)
        size = float(np.sqrt(ha * ha + hc * hc))
        across = around / MDEG_PER_RADIAN * self.mean_mm
        return (along, across, ha / size, hc / size) if size > STEEPEST else (along, across, 0.0, 0.0)

    def level(self, along_mm: float) -> str:
        """Return the nearest level within NEAR_LEVEL_MM, "" without one."""
        near = [(abs(at - along_mm), name) for name, at in self.levels if abs(at - along_mm) <= NEAR_LEVEL_MM]
        return min(near)[1] if near else ""


DENT_MM, DENT_STEPS = 0.25, 8
"""A lead dents the dura in steps of DENT_MM until it has room before bone and ligamentum flavum."""
STEEPEST = 0.17
"""A needle within 10 degrees of square to the canal gives a lead no way to go."""


def unit(v: F64) -> F64:
    """Return v / |v|."""
    return np.asarray(v / np.sqrt(dot(v, v)), np.float64)


def angle_mdeg(x: float, y: float) -> int:
    """Return the angle of (x, y) from the x axis in whole millidegrees (-180000, 180000], by the bit-stable sine."""
    size = float(np.sqrt(x * x + y * y))
    if size <= 0.0:
        return 0
    goal, low, high = x / size, 0, HALF_TURN_MDEG
    while low < high:
        middle = (low + high) // 2
        if sincos_mdeg(middle)[1] > goal:
            low = middle + 1
        else:
            high = middle
    return low if y >= 0.0 else (-low) % FULL_TURN_MDEG - FULL_TURN_MDEG


_MADE: OrderedDict[tuple[int, int], tuple[Study, Sheet]] = OrderedDict()


def sheet_of(study: Study) -> Sheet | None:
    """Return the sheet of a study (kept for the last few), None without a thecal sac."""
    key = (id(study.phantom), study.seed)
    if key not in _MADE or _MADE[key][0].phantom is not study.phantom or _MADE[key][0].plan is not study.plan:
        made = make_sheet(study)
        if made is None:
            return None
        _MADE[key] = (study, made)
        while len(_MADE) > 4:
            _MADE.popitem(last=False)
    return _MADE[key][1]


def make_sheet(study: Study) -> Sheet | None:
    """Return the unrolled canal of a study, its nerve sleeves, foramina, levels and seeded adhesions."""
    phantom = study.phantom
    sacs = [t for t in phantom.tubes if t.kind == TubeKind.SAC]
    if not sacs:
        return None
    nodes = sacs[0].nodes if sacs[0].nodes[0, 2] < sacs[0].nodes[-1, 2] else sacs[0].nodes[::-1]
    chain = np.concatenate([_sacral(phantom, nodes[0]), _fine(nodes)])
    gaps = np.sqrt(((chain[1:, :3] - chain[:-1, :3]) ** 2).sum(1))
    along = np.zeros(len(chain))
    for k, gap in enumerate(gaps):
        along[k + 1] = along[k] + gap
    mean = float(np.sort(nodes[:, 3])[len(nodes) // 2])
    bare = Sheet(chain[:, :3].copy(), chain[:, 3].copy(), along, mean, phantom.fields, np.zeros((0, 3)), (), np.zeros((0, 4)), ())

    def at(point: F64) -> float:
        return bare.from_patient(point, np.zeros(3))[0]

    levels = [(name.split(".")[0], at(p)) for name, p in phantom.landmarks.items() if _names_level(name)]
    gates = [(level, side, at(p)) for (level, side), p in study.plan.foramina.items()]
    return replace(bare, roots=_roots(phantom, bare), gates=tuple(gates), scars=_scars(study, bare), levels=tuple(levels))


def _names_level(name: str) -> bool:
    place = name.split(".", 1)[-1]
    return place in ("body.centre", "centre") or (place == "canal.centre" and name[0] == "S")


def _fine(nodes: F64) -> F64:
    """Return the sac's axis and radius (n, 4) every STEP_MM of height, from below upwards."""
    rows = [nodes[0]]
    for a, b in itertools.pairwise(nodes):
        count = max(1, int(np.ceil((b[2] - a[2]) / STEP_MM)))
        rows += [a + (b - a) * ((k + 1) / count) for k in range(count)]
    return np.array(rows)


def _sacral(phantom: Phantom, last: F64) -> F64:
    """Return (n, 4) centre and radius of the fat in the sacral canal below the sac, from its lower end upwards.

    Slice by slice: the centroid of the epidural fat near the last one (whole-number sums), half the radius of its area.
    """
    v = phantom.volume
    h, origin = float(v.spacing_mm), v.origin_mm
    rows: list[F64] = []
    x, y, z = float(last[0]), float(last[1]), float(last[2])
    while True:
        z -= STEP_MM
        k = round((z - float(origin[2])) / h)
        if k < 0:
            break
        i, j = np.nonzero(v.labels[:, :, k] == int(Tissue.EPIDURAL_FAT))
        near = (np.abs(origin[0] + h * i - x) < SACRAL_HALF_WIDTH_MM) & (np.abs(origin[1] + h * j - y) < SACRAL_HALF_WIDTH_MM)
        count = int(near.sum())
        if count < LEAST_VOXELS:
            break
        x = float(origin[0]) + h * int(i[near].sum()) / count
        y = float(origin[1]) + h * int(j[near].sum()) / count
        rows.append(np.array([x, y, z, 0.5 * float(np.sqrt(count * h * h / PI))]))
    return np.array(rows[::-1]).reshape(-1, 4)


def _roots(phantom: Phantom, sheet: Sheet) -> F64:
    """Return (m, 3) along, across, radius of the nerve sleeves where they leave the sac."""
    rows = []
    for tube in phantom.tubes:
        if tube.kind == TubeKind.ROOT:
            along, across, _, _ = sheet.from_patient(tube.nodes[0, :3], np.zeros(3))
            rows.append([along, across, float(tube.nodes[0, 3])])
    return np.array(rows, np.float64).reshape(-1, 3)


def _scars(study: Study, sheet: Sheet) -> F64:
    """Return (k, 4) ends (along, across, along, across) of this patient's adhesions, drawn from the study's seed."""
    number = study.toolbox.constant
    draw = stream(study.seed, "lead.adhesions")
    expected = number("lead_canal.adhesions_per_100mm") * sheet.length_mm / 100.0
    count = int(expected) + (1 if float(draw.random()) < expected - int(expected) else 0)
    rows = []
    for _ in range(count):
        a, b, c, d = (float(u) for u in draw.random(4))
        length = number("lead_canal.adhesion_least_mm") + c * (
            number("lead_canal.adhesion_most_mm") - number("lead_canal.adhesion_least_mm")
        )
        s, co = sincos_mdeg(int(d * HALF_TURN_MDEG))
        x, y = a * sheet.length_mm, (b - 0.5) * sheet.half_width_mm
        rows.append([x - 0.5 * length * co, y - 0.5 * length * s, x + 0.5 * length * co, y + 0.5 * length * s])
    return np.array(rows, np.float64).reshape(-1, 4)
