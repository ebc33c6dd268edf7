"""The vascular trap on a patient that is already there: an artery and a vein in the zone round one usual target.

A generated patient gets it while its vessels are laid (vessels.py); an imported one is a finished file. Here the vessels of
one foramen are exchanged by the same rules, against the same bones, nerves and ways. Deterministic: the file stays as it
is, and whoever replays an attempt makes the same trap from it again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from anatomy_assets import labels as paint
from anatomy_assets.clear import cleared
from anatomy_assets.landmarks import spine
from anatomy_assets.targets import Corridor
from anatomy_assets.trap import trapped_vessels
from anatomy_assets.tubes import obstacles
from anatomy_assets.vessel_ways import gate, ways
from sim.errors import UsageError
from sim.fields import wide_nodes
from sim.phantom import LabelVolume, Phantom, Tissue, Tube, TubeKind

NERVES = (
    *(TubeKind.SAC, TubeKind.CORD, TubeKind.ROOTLET, TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS),
    *(TubeKind.DORSAL_RAMUS, TubeKind.MEDIAL_BRANCH),
)
APPROACHES = ("subpedicular", "alternative")


def corridors(phantom: Phantom) -> dict[tuple[str, str, str], Corridor]:
    """Return the usual and alternative targets of a phantom with their ways, as its landmarks and measures tell them."""
    out = {}
    for name, point in phantom.landmarks.items():
        parts = name.split(".")
        if parts[0] != "target" or len(parts) != 4 or parts[1] not in APPROACHES:
            continue
        base = ".".join(["corridor", *parts[1:]])
        told = [phantom.measures[f"{base}.{what}"] for what in ("primary_mdeg", "secondary_mdeg", "bone_mm", "nerve_mm")]
        out[parts[1], parts[2], parts[3]] = Corridor(np.asarray(point), int(told[0]), int(told[1]), told[2], told[3])
    return out


def with_trap(phantom: Phantom, level: str, side: str) -> Phantom:
    """Return the phantom with a vascular trap at its usual target of a level; UsageError where it has no such target."""
    targets = corridors(phantom)
    for approach in APPROACHES:
        if (approach, level, side) not in targets:
            raise UsageError(f"vascular trap: this patient has no {approach} target {level} {side}; expected a whole level")
    nerve = [t for t in phantom.tubes if t.kind in NERVES]
    sp = spine(phantom.landmarks)
    free = obstacles(phantom.bones, [*nerve, *ways(targets)])
    feeder = next((t for t in phantom.tubes if t.name == f"segmental_artery_{level}_{side}"), None)
    made = trapped_vessels(phantom.bones, nerve, targets, gate(sp, free, level, side), feeder, level)
    made = cleared(obstacles(phantom.bones), made)
    gone = {f"radicular_artery_{level}_{side}", f"adamkiewicz_{level}_{side}"}
    tubes = (*(t for t in phantom.tubes if t.name not in gone), *made)
    volume = _painted(phantom.volume, [t for t in phantom.tubes if t.name in gone], made)
    told = dict(phantom.individual) | {"vascular_trap": [level, side]}
    return replace(phantom, tubes=tubes, volume=volume, individual=told)


def _painted(volume: LabelVolume, gone: list[Tube], made: list[Tube]) -> LabelVolume:
    """Return the labels with the old vessels' voxels given back to the foramen's fat and the new vessels painted."""
    out = volume.labels.copy()
    only_vessel, no_bone = np.ones(256, np.uint8), np.zeros(256, np.uint8)
    only_vessel[int(Tissue.VESSEL)] = 0
    no_bone[[int(t) for t in (Tissue.BONE_CORTEX, Tissue.BONE_CANCELLOUS, Tissue.METAL)]] = 1
    for tubes, tissue, spare in ((gone, Tissue.FORAMEN_FAT, only_vessel), (made, Tissue.VESSEL, no_bone)):
        for tube in tubes:
            paint.paint_tube(out, volume.origin_mm, volume.spacing_mm, wide_nodes(tube.nodes), 0.0, int(tissue), spare)
    return LabelVolume(out, volume.origin_mm, volume.spacing_mm)
