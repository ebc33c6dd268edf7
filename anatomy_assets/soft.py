"""Everything that is not bone, in one order: nerves, targets, vessels, outline, labels, landmarks of the procedures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anatomy_assets.approaches import Way, approaches
from anatomy_assets.clear import cleared
from anatomy_assets.infraneural import infraneural
from anatomy_assets.landmarks import Spine, skin_marks
from anatomy_assets.neurovascular import nerves
from anatomy_assets.skin import Trunk, skin, trunk
from anatomy_assets.soft_tissue import SMALL_SPOT_MM, WIDE_SPOT_MM, Endplates, ground, volume
from anatomy_assets.targets import Corridor, all_targets
from anatomy_assets.tubes import obstacles, rounded
from anatomy_assets.vessels import all_vessels, vessel_measures
from sim.phantom import Bone, LabelVolume, Phantom, Skin, Tube

F64 = NDArray[np.float64]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Habitus:
    """What the soft tissue needs to know of a person: body mass index, deviate of the back's depth (SD), sex."""

    bmi: float
    depth_deviate: float
    sex: str


@dataclass(frozen=True)
class Dressed:
    """The soft parts of one patient; landmarks and measures come on top of those of the column."""

    tubes: tuple[Tube, ...]
    volume: LabelVolume
    skin: Skin
    landmarks: Mapping[str, F64]
    measures: Mapping[str, float]
    ways: Mapping[tuple[str, ...], F64]  # straight way to each target: (approach, level, side) -> unit vector to the skin


def dress(
    spine: Spine,
    bones: Sequence[Bone],
    plates: Mapping[str, Endplates],
    who: Habitus,
    seed: int,
    trap: tuple[str, str] | None,
    ends_mm: tuple[float, float],
    report: Progress,
    fitted: Callable[[Trunk], Trunk] | None = None,
    sick: bool = False,
) -> Dressed:
    """Return the soft parts of a person.

    ends_mm: lower and upper end of the section (z). fitted: replaces the model's outline of the trunk, where the body
    itself is known (imports). sick: findings may leave a foramen without a way.
    """
    free = obstacles(bones)
    outline = trunk(spine, who.bmi, who.depth_deviate, *ends_mm)
    outline = outline if fitted is None else fitted(outline)
    with ThreadPoolExecutor(1) as beside:  # muscles and organs need no nerve: painted meanwhile
        under = beside.submit(ground, spine, free, outline, plates, who.bmi, seed, who.sex)
        report("nerves", 0.80)
        nerve = cleared(free, nerves(spine, free, seed))
        ways = beside.submit(approaches, spine, free, nerve)
        low = beside.submit(infraneural, spine, bones, nerve)
        report("targets", 0.83)
        targets = all_targets(spine, bones, nerve, sick)
        report("vessels", 0.88)
        tubes = (*nerve, *cleared(free, all_vessels(spine, bones, nerve, targets, trap, seed, who.sex)))
        report("skin and labels", 0.90)
        back = skin(outline)
        lower = low.result()
        spots = [(c.target, WIDE_SPOT_MM) for c in targets.values()] + [(c.target, SMALL_SPOT_MM) for c in lower.values()]
        metal = [b.name for b in bones if b.material != "bone"]
        labels = volume(under.result(), spine, free, [b.name for b in bones], plates, tubes, spots, metal)
        others = ways.result()
        targets |= lower  # after the vessels: they make room for the usual target and the alternative only
    marks = dict(_target_marks(targets)) | _way_marks(others)
    measures = _corridor_measures(targets) | _way_measures(others) | vessel_measures(spine, tubes, seed)
    shown = Phantom("skin", (), (), labels, back, {}).fields
    normals: dict[tuple[str, ...], F64] = {k: c.normal for k, c in targets.items()}
    normals |= {w.key: w.normal for w in others if w.normal is not None}
    marks |= skin_marks(spine.marks | marks, shown, normals)
    return Dressed(tubes, labels, back, marks, measures, normals)


def _target_marks(targets: Mapping[tuple[str, str, str], Corridor]) -> dict[str, F64]:
    """Return the targets as landmarks `target.<approach>.<level>.<side>`."""
    return {f"target.{a}.{level}.{side}": rounded(c.target) for (a, level, side), c in targets.items()}


def _corridor_measures(targets: Mapping[tuple[str, str, str], Corridor]) -> dict[str, float]:
    """Return angle and clearances of each way as `corridor.<approach>.<level>.<side>.<what>`."""
    out: dict[str, float] = {}
    for (approach, level, side), c in targets.items():
        base = f"corridor.{approach}.{level}.{side}"
        out |= {f"{base}.primary_mdeg": float(c.primary_mdeg), f"{base}.secondary_mdeg": float(c.secondary_mdeg)}
        out |= {f"{base}.bone_mm": round(c.bone_mm, 3), f"{base}.nerve_mm": round(c.nerve_mm, 3)}
    return out


def _way_marks(ways: Sequence[Way]) -> dict[str, F64]:
    return {f"target.{'.'.join(w.key)}": w.target for w in ways}


def _way_measures(ways: Sequence[Way]) -> dict[str, float]:
    out: dict[str, float] = {}
    for w in ways:
        base = f"corridor.{'.'.join(w.key)}"
        for name, value in w.measures.items():
            out[f"{base}.{name}"] = value
    return out
