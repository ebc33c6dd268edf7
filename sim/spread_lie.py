"""Where the fluid of one needle position lies, and what a clinician would call the picture of it.

Counted in whole nanolitres, so that the order of adding changes nothing. Ventral and dorsal are told from the axis of the sac at
the same height, left and right from its middle. A drug that follows contrast through the same opening shows the same pool.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.phantom import Tissue, TubeKind
from sim.spread_medium import sac_axis
from sim.state import Study
from sim.state.spread import Front

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MUSCLES = (Tissue.MUSCLE, Tissue.PSOAS, Tissue.QUADRATUS, Tissue.MULTIFIDUS)
BENEATH_SKIN = (Tissue.SKIN, Tissue.FAT, Tissue.FASCIA)
NERVES = (TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS)

NAMES = (
    "epidural ventral",
    "epidural dorsal",
    "nerve sleeve",
    "foraminal",
    "arterial",
    "venous",
    "intrathecal",
    "subdural",
    "intradiscal",
    "intra-articular",
    "intramuscular",
    "periosteal",
    "subcutaneous",
    "interspinous",
    "retroperitoneal",
    "other",
)
"""Everything that `pattern.names` can hold."""

_OF_LABEL = {
    Tissue.DISC_NUCLEUS: "intradiscal",
    Tissue.DISC_ANNULUS: "intradiscal",
    Tissue.FACET_JOINT: "intra-articular",
    Tissue.INTERSPINOUS_LIGAMENT: "interspinous",
    Tissue.SUPRASPINOUS_LIGAMENT: "interspinous",
    Tissue.RETROPERITONEUM: "retroperitoneal",
    Tissue.FORAMEN_FAT: "foraminal",
    **dict.fromkeys(MUSCLES, "intramuscular"),
    **dict.fromkeys(BENEATH_SKIN, "subcutaneous"),
}


class Lies(NamedTuple):
    """by_name: nanolitres of the pool by name (tissue only). epidural_ul: ventral, dorsal, left, right in microlitres.

    cranial_um, caudal_um: reach of the epidural fluid above and below the opening. nerves_ul: (tube, microlitres beside it).
    """

    by_name: dict[str, int]
    epidural_ul: dict[str, int]
    cranial_um: int
    caudal_um: int
    nerves_ul: tuple[tuple[int, int], ...]


def lying(study: Study, front: Front | None) -> Lies:
    """Return where the pool of the present opening lies (nothing without a front)."""
    if front is None:
        return Lies({}, dict.fromkeys(("epidural_ventral", "epidural_dorsal", "left", "right"), 0), 0, 0, ())
    f = study.phantom.fields
    voxels, nl = _pool(front)
    i, j, k = np.unravel_index(voxels, f.labels.shape)
    labels = f.labels[i, j, k]
    near = front.near[front.pool_start : front.pool_start + len(voxels)]
    by_name = _by_name(labels, near, nl)
    canal = labels == Tissue.EPIDURAL_FAT
    x_mid, y_mid = sac_axis(study, 0, 0.0), sac_axis(study, 1, 0.0)
    ventral = canal & (f.label_origin[1] + f.label_spacing * j < y_mid[k])
    left = canal & (f.label_origin[0] + f.label_spacing * i > x_mid[k])
    by_name |= {"epidural ventral": int(nl[ventral].sum()), "epidural dorsal": int(nl[canal & ~ventral].sum())}
    sides = {"epidural_ventral": ventral, "epidural_dorsal": canal & ~ventral, "left": left, "right": canal & ~left}
    source_k = front.source % f.labels.shape[2]
    reach = (k[canal] - source_k) * round(1000.0 * f.label_spacing) if canal.any() else np.zeros(1, np.int64)
    return Lies(
        {name: value for name, value in by_name.items() if value > 0},
        {name: _ul(int(nl[part].sum())) for name, part in sides.items()},
        max(0, int(reach.max())),
        max(0, -int(reach.min())),
        _beside(study, near, nl),
    )


def _pool(front: Front) -> tuple[I64, I64]:
    """Return (voxels, nanolitres) of the pool of the present opening; the last voxel may be partly full."""
    end = front.done + (1 if front.partial_ul > 0.0 else 0)
    held = front.capacity_ul[front.pool_start : end].copy()
    if front.partial_ul > 0.0:
        held[-1] = front.partial_ul
    return front.order[front.pool_start : end], np.rint(held * 1000.0).astype(np.int64)


def _by_name(labels: NDArray[np.uint8], near: I64, nl: I64) -> dict[str, int]:
    """Return nanolitres by name, the canal left out; fluid beside a nerve outside the canal is its sleeve."""
    by_name: dict[str, int] = {}
    for label in sorted({int(v) for v in np.unique(labels)}):
        if label == Tissue.EPIDURAL_FAT:
            continue
        here = labels == label
        sleeve = int(nl[here & (near >= 0)].sum())
        name = _OF_LABEL.get(Tissue(label), "other")
        by_name["nerve sleeve"] = by_name.get("nerve sleeve", 0) + sleeve
        by_name[name] = by_name.get(name, 0) + int(nl[here].sum()) - sleeve
    return by_name


def _beside(study: Study, near: I64, nl: I64) -> tuple[tuple[int, int], ...]:
    tubes = study.phantom.tubes
    found = [(t, _ul(int(nl[near == t].sum()))) for t in sorted({int(v) for v in near if v >= 0}) if tubes[t].kind in NERVES]
    return tuple((t, ul) for t, ul in found if ul > 0)


def _ul(nl: int) -> int:
    return (nl + 500) // 1000


def named(lies: Lies, away: dict[str, float], tissue_ul: float, at_bone: bool, least: float) -> tuple[list[str], list[int]]:
    """Return (names, permille) of an injection, the greatest share first; shares below `least` are not named.

    away: microlitres of this injection by name that left the needle's place (vessel, sac). The tissue's part is shared out as the
    pool lies; fluid in muscle that was given with the tip on bone is periosteal.
    """
    pool = 0
    for value in lies.by_name.values():
        pool += value
    ul = {name: tissue_ul * value / pool for name, value in lies.by_name.items()} if pool > 0 else {}
    if at_bone and "intramuscular" in ul:
        ul["periosteal"] = ul.pop("intramuscular")
    ul |= {name: value for name, value in away.items() if value > 0.0}
    total = 0.0
    for part in ul.values():
        total += part
    shares = {name: value / total for name, value in ul.items()} if total > 0.0 else {}
    shown = sorted((n for n in shares if shares[n] >= least), key=lambda n: (-shares[n], NAMES.index(n)))
    return shown, [round(1000.0 * shares[name]) for name in shown]
