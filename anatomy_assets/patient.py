"""One patient from a seed: bones, nerves, targets, vessels, skin and labels joined to a sim.phantom.Phantom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anatomy_assets import cache
from anatomy_assets.bake import bake_bones
from anatomy_assets.column import Column, stack
from anatomy_assets.landmarks import BELOW, LEVELS, SIDES, Spine, measured, spine
from anatomy_assets.parameters import Parameters, individual
from anatomy_assets.soft import Habitus, dress
from anatomy_assets.soft_tissue import Endplates
from anatomy_assets.tables import number
from anatomy_assets.tubes import obstacles, rounded
from sim.errors import UsageError
from sim.phantom import Bone, Fields, Phantom
from sim.rng import near_normal, stream

F64 = NDArray[np.float64]
Progress = Callable[[str, float], None]
Z_LOW_MM = -80.0
Z_OVER_MM = 12.0


@dataclass(frozen=True)
class PatientOptions:
    """What a scenario may ask for; None leaves it to the seed.

    vascular_trap: (level, side) whose usual subpedicular target is filled by an artery-vein bundle.
    """

    sex: str | None = None
    age: int | None = None
    bmi: float | None = None
    vascular_trap: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.sex not in (None, "female", "male"):
            raise UsageError(f"patient sex '{self.sex}': expected female or male")
        if self.age is not None and not 18 <= self.age <= 99:
            raise UsageError(f"patient age {self.age}: expected 18 to 99 years")
        if self.bmi is not None and not 16.0 <= self.bmi <= 45.0:
            raise UsageError(f"patient bmi {self.bmi}: expected 16 to 45 kg/m2")
        trap = self.vascular_trap
        if trap is not None and (len(trap) != 2 or trap[0] not in LEVELS or trap[1] not in SIDES):
            raise UsageError(f"vascular_trap {trap}: expected a level {LEVELS} and a side {SIDES}")


@dataclass(frozen=True)
class Person:
    """Who a seed is, besides the bones."""

    sex: str
    age: int
    bmi: float
    depth_deviate: float


def person(seed: int, options: PatientOptions) -> Person:
    """Return sex, age, body mass index and depth of the back; seed 0 is the default adult."""
    draw = stream(seed, "soft/person")
    sex = options.sex or ("female" if int(draw.integers(2)) else "male")
    age = options.age or 35 + int(draw.integers(41))
    spread, depth = near_normal(draw), near_normal(draw)
    if seed == 0:
        sex, age, spread, depth = options.sex or "male", options.age or 52, 0.0, 0.0
    bmi = number("soft_tissue", "trunk.bmi_mean") + number("soft_tissue", "trunk.bmi_sd") * min(max(spread, -1.8), 2.5)
    chosen = bmi if options.bmi is None else options.bmi
    return Person(sex, age, round(float(chosen), 1), round(min(max(depth, -2.0), 2.0), 3))


def build(seed: int, options: PatientOptions | None = None, progress: Progress | None = None, use_cache: bool = True) -> Phantom:
    """Return the phantom of a seed and options: from the cache, or baked and then cached. Deterministic."""
    asked = options or PatientOptions()
    report = progress or (lambda text, share: None)
    name = cache.key({"seed": seed, "options": asdict(asked)})
    if use_cache:
        found = cache.load(name)
        if found is not None:
            report("patient from the cache", 1.0)
            return found
    made = bake(seed, asked, report)
    if use_cache:
        report("writing the cache", 0.97)
        cache.save(name, made)
    report("patient", 1.0)
    return made


def bake(seed: int, options: PatientOptions, report: Progress) -> Phantom:
    """Bake a phantom without any cache of the whole (bones have their own, shared by all options)."""
    parameters = individual(seed)
    column = stack(parameters)
    bones = _bones(seed, column, report)
    who = person(seed, options)
    sp = spine(measured(column.landmarks, obstacles(bones)))
    habitus = Habitus(who.bmi, who.depth_deviate, who.sex)
    soft = dress(sp, bones, _plates(parameters), habitus, seed, options.vascular_trap, (Z_LOW_MM, _top(sp)), report)
    marks = {k: _kept(k, v) for k, v in sp.marks.items()} | dict(soft.landmarks)
    measures = dict(column.measures) | dict(soft.measures)
    told = _told(seed, options, who, parameters)
    return Phantom("generated", bones, soft.tubes, soft.volume, soft.skin, marks, measures, told)


def _bones(seed: int, column: Column, report: Progress) -> tuple[Bone, ...]:
    """Return the bones of a seed; the same for all options, so they are cached by themselves."""
    name = "bones-" + cache.key({"seed": seed, "bones": True}, cache.SOFT)
    stored = cache.load_bones(name)
    if stored is not None:
        return stored
    bones = bake_bones(column, lambda text, share: report(text, 0.78 * share))
    cache.save_bones(name, bones)
    return bones


def _kept(name: str, value: F64) -> F64:
    """Return a landmark on its lattice: points on 1 um, directions (normals, axes) on 1e-9."""
    if name.endswith((".normal", ".axis")):
        return np.asarray(np.floor(value * 1e9 + 0.5) / 1e9, np.float64)
    return rounded(value)


def _top(sp: Spine) -> float:
    """Return the upper end of the section: a little over the highest end plate, a multiple of 5 mm."""
    high = max(float(sp.mark(f"{level}.endplate.superior")[2]) for level in sp.frames) + Z_OVER_MM
    return float(5.0 * np.floor(high / 5.0 + 1.0))


def _plates(p: Parameters) -> dict[str, Endplates]:
    """Return half sizes of the end plates by level."""
    out = {
        lv.name: Endplates(0.5 * lv.width_lower, 0.5 * lv.depth_lower, 0.5 * lv.width_upper, 0.5 * lv.depth_upper)
        for lv in p.levels
    }
    s = p.sacrum
    out["S1"] = Endplates(0.5 * s.s1_width, 0.5 * s.s1_depth, 0.5 * s.s1_width, 0.5 * s.s1_depth)
    return out


def _told(seed: int, options: PatientOptions, who: Person, p: Parameters) -> dict[str, Any]:
    """Return the description of this individual for the record and the chart."""
    trap = options.vascular_trap
    told = {"seed": seed, **asdict(who), "stature_sd": round(p.stature, 3), "levels": [lv.name for lv in p.levels]}
    return told | {"vascular_trap": list(trap) if trap else None, "posture": "prone", "below": dict(BELOW)}


def free_space(made: Phantom) -> Fields:
    """Return the bones of a phantom alone, for checks."""
    return obstacles(made.bones)
