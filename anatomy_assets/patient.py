"""One patient from a seed: bones, nerves, targets, vessels, skin and labels joined to a sim.phantom.Phantom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anatomy_assets import cache
from anatomy_assets.bake import joined, plain_bones
from anatomy_assets.column import Column, stack
from anatomy_assets.hardware import implants
from anatomy_assets.landmarks import BELOW, Spine, measured, spine
from anatomy_assets.parameters import Parameters, individual
from anatomy_assets.pathology import lesions
from anatomy_assets.population import PatientOptions, Person, person
from anatomy_assets.soft import Habitus, dress
from anatomy_assets.soft_tissue import Endplates
from anatomy_assets.solve import on_bench, sick
from anatomy_assets.tubes import obstacles, rounded
from sim.fields import Fields
from sim.phantom import Bone, LabelVolume, Phantom, Skin

F64 = NDArray[np.float64]
Progress = Callable[[str, float], None]
Z_LOW_MM = -80.0
Z_OVER_MM = 12.0
NO_SKIN = Skin(np.zeros((2, 2)), 0.0, 0.0, 1.0, np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


def build(
    seed: int,
    options: PatientOptions | None = None,
    progress: Progress | None = None,
    use_cache: bool = True,
    spacing_mm: float | None = None,
) -> Phantom:
    """Return the phantom of a seed and options: from the cache, or baked and then cached. Deterministic.

    spacing_mm: bakes every bone on this coarse grid, for statistics over many people; nothing is then cached.
    """
    asked = options or PatientOptions()
    report = progress or (lambda text, share: None)
    if spacing_mm is not None or not use_cache:
        return bake(seed, asked, report, False, spacing_mm)
    name = cache.key({"seed": seed, "options": asdict(asked)})
    found = cache.load(name)
    if found is not None:
        report("patient from the cache", 1.0)
        return found
    made = bake(seed, asked, report)
    report("writing the cache", 0.97)
    cache.save(name, made)
    report("patient", 1.0)
    return made


def bake(
    seed: int, options: PatientOptions, report: Progress, use_cache: bool = True, spacing_mm: float | None = None
) -> Phantom:
    """Bake a phantom; plain bones are taken from the cache where it holds them (another posture needs no bake)."""
    column = stack(sick(individual(seed, options=options), options.pathology))
    store = (cache.load_plain, cache.save_plain) if use_cache and spacing_mm is None else (None, None)
    plain = plain_bones(column, lambda text, share: report(text, 0.5 * share), spacing_mm, *store)
    bench = on_bench(column, plain, options.pathology, spacing_mm)
    bones = joined(bench.column, bench.plain, lambda text, share: report(text, 0.5 + 0.28 * share))
    metal = implants(bench.column.landmarks, bones, options.pathology, spacing_mm)
    return dressed(seed, options, bench.column, (*bones, *metal), report)


def dressed(seed: int, options: PatientOptions, column: Column, bones: tuple[Bone, ...], report: Progress) -> Phantom:
    """Return the phantom of bones in place: nerves, targets, vessels, skin and labels are laid against them."""
    p, who = column.parameters, person(seed, options)
    sp = spine(measured(column.landmarks, obstacles(bones)), lesions(options.pathology))
    habitus = Habitus(who.bmi, who.depth_deviate, who.sex)
    soft = dress(
        sp, bones, _plates(p), habitus, seed, options.vascular_trap, (Z_LOW_MM, _top(sp)), report, sick=bool(options.pathology)
    )
    marks = {k: _kept(k, v) for k, v in sp.marks.items()} | dict(soft.landmarks)
    measures = dict(column.measures) | dict(soft.measures) | _whole(p)
    return Phantom("generated", bones, soft.tubes, soft.volume, soft.skin, marks, measures, _told(seed, options, who, p))


def bare(column: Column, bones: tuple[Bone, ...]) -> Phantom:
    """Return bones and their landmarks alone as a phantom, for measuring."""
    marks = measured(column.landmarks, obstacles(bones))
    return Phantom("bones", bones, (), LabelVolume(np.zeros((1, 1, 1), np.uint8), np.zeros(3), 1.0), NO_SKIN, marks)


def in_place(column: Column, bones: tuple[Bone, ...]) -> tuple[Bone, ...]:
    """Return baked bones moved to the poses of another column of the same person; joints stay as they were cut.

    Right for measuring what joints do not touch (end plates, crests); `bake.joined` cuts them anew.
    """
    poses = {b.shape.name: b for b in column.bones}
    return tuple(
        replace(b, rotation=poses[b.name].rotation, translation_mm=poses[b.name].translation_mm) for b in bones if b.name in poses
    )


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
    return told | {
        "vascular_trap": list(trap) if trap else None,
        "posture": p.posture,
        "field": options.field,
        "below": dict(BELOW),
        "pathology": [one.told for one in options.pathology],
    }


def _whole(p: Parameters) -> dict[str, float]:
    """Return the heights that broken bodies had before."""
    broken = [lv for lv in p.levels if max(*lv.loss_upper, *lv.loss_lower) > 0.0]
    heights = {"front": "height_front", "back": "height_back"}
    return {f"body_whole_mm.{lv.name}.{where}": float(getattr(lv, name)) for lv in broken for where, name in heights.items()}


def free_space(made: Phantom) -> Fields:
    """Return the bones of a phantom alone, for checks."""
    return obstacles(made.bones)
