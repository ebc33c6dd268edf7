"""The log of the needle's kernel in the words of events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.event import Event, event
from sim.phantom import Tissue, TubeKind
from sim.puncture import LOG_BONE, LOG_BUCKLE, LOG_IN, LOG_OUT, LOG_POP, LOG_TISSUE, TUBE
from sim.state import Study
from sim.tip import TISSUE_NAME, facts_at, um

F64 = NDArray[np.float64]

MEMBRANE_NAMES = {
    int(Tissue.SKIN): "skin",
    int(Tissue.FASCIA): "fascia",
    int(Tissue.INTERSPINOUS_LIGAMENT): "interspinous_ligament",
    int(Tissue.LIGAMENTUM_FLAVUM): "ligamentum_flavum",
    int(Tissue.DISC_ANNULUS): "annulus",
}


def tell(study: Study, now: int, log: F64, speed: float, since: dict[int, int], events: list[Event]) -> None:
    """Turn the rows of the kernel's log into events."""
    for row in log:
        kind, index, origin = int(row[0]), int(row[1]), int(row[2])
        depth, extra = float(row[6]), float(row[7])
        tip = facts_at(study.plan, row[3:6], index if kind == LOG_TISSUE else 0, depth)
        if kind == LOG_TISSUE:
            events.append(event(now, "tissue_entered", from_tissue=TISSUE_NAME[origin], **tip))
        elif kind == LOG_POP:
            events.append(event(now, "popped", membrane=_membrane_name(study, index), depth_um=um(depth)))
        elif kind == LOG_BUCKLE:
            events.append(event(now, "buckling", force_mn=um(extra)))
        elif kind == LOG_BONE:
            tip["tissue"] = TISSUE_NAME[Tissue.BONE_CORTEX]
            events.append(event(now, "bone_contact", bone=study.phantom.bones[index].name, force_mn=um(extra), **tip))
        elif kind == LOG_IN:
            tube = study.phantom.tubes[index]
            since[index] = now
            tip["tissue"] = _tube_tissue_name(tube.kind)
            tip.update(level=tube.level or tip["level"], side=tube.side or tip["side"])  # its own level, if it has one
            tip.update(name=tube.name, kind=tube.kind.name.lower(), speed_um_s=um(extra))
            events.append(Event(now, "structure_entered", tip))
        elif kind == LOG_OUT:
            events.append(left(study, now, index, extra, now - since.pop(index, now)))


def left(study: Study, now: int, index: int, deepest_mm: float, ticks: int) -> Event:
    """Return the event that the tip is out of a tube after so many ticks."""
    tube = study.phantom.tubes[index]
    told = {"name": tube.name, "kind": tube.kind.name.lower(), "deepest_um": um(deepest_mm), "ticks": ticks}
    return Event(now, "structure_left", told)


def _membrane_name(study: Study, membrane: int) -> str:
    if membrane >= TUBE:
        return "dura" if study.phantom.tubes[membrane - TUBE].kind is TubeKind.SAC else "vessel_wall"
    return MEMBRANE_NAMES.get(membrane, TISSUE_NAME[membrane].lower())


def _tube_tissue_name(kind: TubeKind) -> str:
    if kind is TubeKind.SAC:
        return TISSUE_NAME[Tissue.CSF]
    vessel = kind in (TubeKind.ARTERY, TubeKind.RADICULAR_ARTERY, TubeKind.VEIN, TubeKind.BASIVERTEBRAL)
    return TISSUE_NAME[Tissue.VESSEL if vessel else Tissue.NERVE]
