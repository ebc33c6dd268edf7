"""What is asked in measured numbers is met by measuring: slip, Cobb angle, heights of discs, foramina, processes, crests.

Bones are posed or baked again until the measure of the baked grids (measure/findings.py, measure/segments.py) is the one
asked for. Posing needs no bake: discs, slips and curves move the same grids; a width needs the bone behind it anew.
Solved numbers are put on a lattice (0.01 mm, 0.001, 1 millidegree): the last bits of a measurement cannot reach a bone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anatomy_assets import disease
from anatomy_assets.bake import plain_bone
from anatomy_assets.column import Column, stack
from anatomy_assets.joints import Plain
from anatomy_assets.landmarks import measured
from anatomy_assets.measure import findings
from anatomy_assets.measure.grid import distance
from anatomy_assets.measure.pelvis import crest
from anatomy_assets.measure.segments import foramen_height
from anatomy_assets.parameters import SIDES, Parameters
from anatomy_assets.pathology import Pathology, of_kind
from anatomy_assets.tubes import obstacles
from sim.phantom import Bone, LabelVolume, Phantom, Skin

NO_MESH = (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
TOUCH_MM = 1.0
"""How deep a transitional process runs into the ala before the joint is cut."""
LEAST_DISC_MM = 1.0
FORWARD_MM = 12.0
"""The most an articular process grows into a foramen."""
WIDTH_TOLERANCE_MM = 0.15


@dataclass
class Bench:
    """A person on the bench: parameters, the stacked column, its plain bones. Bones whose shape changes are baked again."""

    column: Column
    plain: dict[str, Plain]
    spacing_mm: float | None

    @property
    def p(self) -> Parameters:
        """The parameters as they stand."""
        return self.column.parameters

    def pose(self, p: Parameters) -> None:
        """Stack other parameters; bones keep their grids."""
        self.column = stack(p)

    def bake(self, p: Parameters, *names: str) -> None:
        """Stack other parameters and bake the bones named again."""
        self.column = stack(p)
        for i, placed in enumerate(self.column.bones):
            if placed.shape.name in names:
                self.plain[placed.shape.name] = plain_bone(self.column, i, self.spacing_mm)

    def phantom(self, *names: str) -> Phantom:
        """Return the bones named (none: all that are baked), joints not cut, as a phantom to be measured."""
        wanted = set(names or self.plain) & set(self.plain)
        bones = tuple(self._bone(b.shape.name) for b in self.column.bones if b.shape.name in wanted)
        marks = measured(self.column.landmarks, obstacles(bones))
        volume = LabelVolume(np.zeros((1, 1, 1), np.uint8), np.zeros(3), 1.0)
        return Phantom("bench", bones, (), volume, Skin(np.zeros((2, 2)), 0.0, 0.0, 1.0, *NO_MESH), marks)

    def _bone(self, name: str) -> Bone:
        at, own = self.column.bone(name), self.plain[name]
        return Bone(name, at.rotation, at.translation_mm, own.origin_mm, own.spacing_mm, own.distance_10um, *NO_MESH, *NO_MESH)

    def pair(self, level: str) -> tuple[str, ...]:
        """Return the bones on both sides of a disc and one above (frames need neighbours)."""
        low = disease.below(self.p, level)
        return level, "S" if low == "S1" else low, "S"


def met(
    measure: Callable[[float], float], goal: float, start: float, slope: float, limits: tuple[float, float], tolerance: float,
    step: float, rounds: int = 7,
) -> float:  # fmt: skip
    """Return x on the lattice `step` where measure(x) comes nearest to goal: secant steps inside limits."""
    x = _lattice(min(max(start, limits[0]), limits[1]), step)
    best, best_error = x, float("inf")
    before: tuple[float, float] | None = None
    for _ in range(rounds):
        error = measure(x) - goal
        if np.isnan(error):
            break
        if abs(error) < best_error:
            best, best_error = x, abs(error)
        if abs(error) <= tolerance:
            break
        if before is not None and abs(x - before[0]) > 1e-9 and abs(error - before[1]) > 1e-6:
            slope = (error - before[1]) / (x - before[0])
        before = (x, error)
        x = _lattice(min(max(x - error / slope, limits[0]), limits[1]), step)
        if x == before[0]:
            break
    measure(best)
    return best


def _lattice(x: float, step: float) -> float:
    return float(np.floor(x / step + 0.5)) * step


def crested(p: Parameters, found: Sequence[Pathology]) -> Parameters:
    """Return parameters with the iliac crests at the level asked for (landmarks suffice: nothing is baked)."""
    for one in of_kind(found, "high_crest"):
        column = stack(p)
        marks = dict(column.landmarks)
        top = 0.5 * sum(float(marks[f"ilium.{side}.crest"][2]) for side in SIDES)
        p = disease.lift_crests(p, _lattice(_height_at(marks, float(one["crest_level"])) - top, 0.01))
    return p


def _height_at(marks: Mapping[str, np.ndarray], level: float) -> float:
    """Return the height (mm) of a level number: bodies at whole numbers, discs half way (measure/pelvis.crest)."""
    at, z = [], []
    for n in (2, 3, 4, 5):
        low = marks["S1.endplate.superior" if n == 5 else f"L{n + 1}.endplate.superior"]
        at += [float(n), n + 0.5]
        z += [float(marks[f"L{n}.body.centre"][2]), 0.5 * float(marks[f"L{n}.endplate.inferior"][2] + low[2])]
    return float(np.interp(level, at, z))


def settled(bench: Bench, found: Sequence[Pathology]) -> Bench:
    """Return the bench with every finding at its measured number."""
    for one in of_kind(found, "high_crest"):
        _crest(bench, float(one["crest_level"]))
    for turn in range(2):  # one measure moves the other a little
        for one in found:
            if one.kind in POSED:
                POSED[one.kind](bench, one)
        if turn == 0 and len([f for f in found if f.kind in POSED]) < 2:
            break
    for one in of_kind(found, "transitional"):
        _process(bench, one)
    for one in of_kind(found, "foraminal_stenosis"):
        for side in one.sides:
            _width(bench, one, side)
    return bench


def _crest(bench: Bench, level: float) -> None:
    """Correct the lift by what the baked wings measure."""
    made = bench.phantom()
    z = []
    for side in SIDES:
        bone = made.bone(f"ilium_{side}")
        nodes = np.argwhere(bone.distance_10um < 0)
        z.append(float(bone.to_patient(bone.grid_origin_mm + bone.spacing_mm * nodes)[:, 2].max()) + 0.25 * bone.spacing_mm)
    off = crest(made, float(np.mean(z)))["tuffier_level"] - level
    if abs(off) > 0.02:
        high, low = _height_at(dict(made.landmarks), level), _height_at(dict(made.landmarks), level + off)
        bench.bake(disease.lift_crests(bench.p, _lattice(high - low, 0.01)), "ilium_left", "ilium_right")


def _disc(bench: Bench, one: Pathology) -> None:
    goal = float(one["disc_mm" if one.kind == "transitional" else "height_mm"])
    left, right = disease.disc_of(bench.p, one.level).facet_gap_mm or (bench.p.facet_gap, bench.p.facet_gap)

    def measure(x: float) -> float:
        bench.pose(disease.leaned(bench.p, one.level, x, 0.0))
        return findings.disc_height(bench.phantom(*bench.pair(one.level)), one.level, 0.5 * (left + right))

    met(measure, goal, disease.disc_of(bench.p, one.level).height, 1.0, (LEAST_DISC_MM, 16.0), 0.05, 0.01)


def _slip(bench: Bench, one: Pathology) -> None:
    def measure(x: float) -> float:
        bench.pose(disease.with_disc(bench.p, one.level, slip_mm=x))
        return findings.slip_percent(bench.phantom(*bench.pair(one.level)), one.level)

    start = disease.disc_of(bench.p, one.level).slip_mm
    met(measure, float(one["slip_percent"]), start, 100.0 / disease.depth_below(bench.p, one.level), (-10.0, 30.0), 0.3, 0.01)


def _curve(bench: Bench, one: Pathology) -> None:
    up, _, low = disease.end_vertebrae([lv.name for lv in bench.p.levels], one.level)
    ends = bench.p.levels[up].name, bench.p.levels[low].name
    sign = 1.0 if one.side == "left" else -1.0

    def measure(x: float) -> float:
        bench.pose(disease.curved(bench.p, one, x))
        return sign * findings.cobb_deg(bench.phantom(*ends, "S"), *ends)

    met(measure, float(one["cobb_deg"]), float(one["cobb_deg"]), 1.0, (1.0, 60.0), 0.3, 0.01)


def _height(bench: Bench, one: Pathology) -> None:
    """Meet the height of the foramina: the disc sinks for their mean, tilts for the difference where both sides are asked."""
    goal = float(one["height_mm"])

    def heights() -> dict[str, float]:
        made = bench.phantom(*bench.pair(one.level))
        return {side: foramen_height(made, one.level, disease.below(bench.p, one.level), side) for side in SIDES}

    def measure(x: float) -> float:
        bench.pose(disease.leaned(bench.p, one.level, x, 0.0))
        own = heights()
        return float(np.mean([own[s] for s in one.sides]))

    for _ in range(2):
        met(measure, goal, disease.disc_of(bench.p, one.level).height, 1.0, (LEAST_DISC_MM, 16.0), 0.05, 0.01)
        own = heights()
        off = own["left"] - own["right"]
        if one.side != "both" or abs(off) < 0.1:
            break
        marks = bench.column.landmarks
        run = abs(float((marks[f"{one.level}.pedicle.left.centre"] - marks[f"{one.level}.pedicle.right.centre"])[0]))
        bench.pose(disease.leaned(bench.p, one.level, disease.disc_of(bench.p, one.level).height, -disease.angle_deg(off, run)))


def _width(bench: Bench, one: Pathology, side: str) -> None:
    """Meet the width of a foramen: the articular process behind it grows forwards. One that is narrower stays so."""
    low = disease.below(bench.p, one.level)
    bone = "S" if low == "S1" else low

    def measure(x: float) -> float:
        bench.bake(disease.forward(bench.p, low, side, x), bone)
        return findings.foramen_width(bench.phantom(*bench.pair(one.level)), one.level, side)

    goal = float(one["width_mm"])
    now = findings.foramen_width(bench.phantom(*bench.pair(one.level)), one.level, side)
    if now > goal + WIDTH_TOLERANCE_MM:
        met(measure, goal, now - goal, -1.0, (0.0, FORWARD_MM), WIDTH_TOLERANCE_MM, 0.01)


def _process(bench: Bench, one: Pathology) -> None:
    """Let the transverse processes grow to their height and, but for type I, down into the ala."""
    for side in disease.broad_sides(one):

        def grow(x: float, side: str = side) -> None:
            bench.bake(disease.with_side(bench.p, one.level, side, wing_mm=x), one.level)

        def height(x: float) -> float:
            grow(x)
            return findings.process_height(bench.phantom(one.level, "S"), one.level, side)  # noqa: B023 (called at once)

        def depth(x: float) -> float:
            grow(x)
            return _into_ala(bench, one.level, side)  # noqa: B023 (called at once)

        goal = float(one["process_mm"])
        least = met(height, goal, goal, 1.0, (8.0, 40.0), 0.4, 0.01, 5)
        if one["castellvi"] != "I":
            met(depth, TOUCH_MM, least + 4.0, 1.0, (least, 60.0), 0.4, 0.01)


def _into_ala(bench: Bench, level: str, side: str) -> float:
    """Return how deep (mm) a transverse process reaches into the sacrum; negative: how far it is away."""
    made = bench.phantom(level, "S")
    bone, sacrum = made.bone(level), made.bone("S")
    at = np.argwhere((bone.distance_10um < 0) & (bone.distance_10um > -200))
    points = bone.to_patient(bone.grid_origin_mm + bone.spacing_mm * at)
    border = made.landmark(f"{level}.pedicle.{side}.lateral")[0]
    sign = 1.0 if side == "left" else -1.0
    points = points[sign * (points[:, 0] - border) > 6.0]
    return -float(distance(sacrum, points).min()) if len(points) else -10.0


POSED: Mapping[str, Callable[[Bench, Pathology], None]] = {
    "listhesis": _slip,
    "disc_height_loss": _disc,
    "transitional": _disc,
    "foraminal_stenosis": _height,
    "scoliosis": _curve,
}


def on_bench(column: Column, plain: Mapping[str, Plain], found: Sequence[Pathology], spacing_mm: float | None) -> Bench:
    """Return the column and bones with every finding met; nothing is touched without findings."""
    bench = Bench(column, dict(plain), spacing_mm)
    return settled(bench, found) if found else bench


def sick(p: Parameters, found: Sequence[Pathology]) -> Parameters:
    """Return the parameters of a person with findings, before anything is measured."""
    return crested(disease.diseased(p, found), found) if found else p
