"""State of syringe and injectate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.state.quantise import plain

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


def _points() -> NDArray[np.float32]:
    return np.zeros((0, 4), np.float32)


def _floats(*shape: int) -> F64:
    return np.zeros(shape, np.float64)


def _integers(*shape: int) -> I64:
    return np.zeros(shape, np.int64)


@dataclass(frozen=True)
class Front:
    """Fluid in the tissues: the order in which voxels fill from one opening, and how far it has got.

    Voxels are flat indices (C order) of the label volume. `order` (n,) is planned ahead in pieces; the first
    `done` entries are full, the next holds `partial_ul`. capacity_ul (n,): what each entry takes (0: fluid
    passes a voxel filled before). near (n,): index of the nerve tube that the entry wets, -1 for none.
    mark (n,): running hash of the entries up to each. iodine_mg (n,): contrast in each entry.
    source: voxel of the opening; pool_start: first entry that belongs to it.
    keys, heap: the frontier as a binary heap; table, seen: voxels reached; kept_*: voxels filled from
    earlier openings and what they can still take; shut: pockets that are full (hash tables, -1 = empty).
    volume_ul: fluid held in total; contrast_mg: iodine in total. medium: tissue and patient parameters.
    """

    source: int
    medium: Any
    order: I64 = field(default_factory=lambda: _integers(0))
    capacity_ul: F64 = field(default_factory=lambda: _floats(0))
    near: I64 = field(default_factory=lambda: _integers(0))
    mark: I64 = field(default_factory=lambda: _integers(0))
    iodine_mg: F64 = field(default_factory=lambda: _floats(0))
    keys: F64 = field(default_factory=lambda: _floats(0))
    heap: I64 = field(default_factory=lambda: _integers(0))
    table: I64 = field(default_factory=lambda: _integers(0))
    seen: int = 0
    kept_voxels: I64 = field(default_factory=lambda: _integers(0))
    kept_room_ul: F64 = field(default_factory=lambda: _floats(0))
    shut: I64 = field(default_factory=lambda: _integers(0))
    pool_start: int = 0
    done: int = 0
    partial_ul: float = 0.0
    volume_ul: float = 0.0
    contrast_mg: float = 0.0

    def quantised(self, step_um: int) -> bytes:
        """Return what is filled as bytes: count, hash of the full voxels, rest to 1e-3 microlitre."""
        mark = int(self.mark[self.done - 1]) if self.done else 0
        return plain(self.source, self.done, mark, round(self.partial_ul * 1000), round(self.volume_ul * 1000))


@dataclass(frozen=True)
class Slab:
    """Fluid mixed into the CSF round one place of the sac: arc length along the tube, when, how much."""

    tube: int
    at_mm: float
    born_tick: int
    volume_ul: float
    iodine_mg: float

    def quantised(self, step_um: int) -> bytes:
        """Return the slab as bytes, lengths rounded to step_um, volume to 1e-3 microlitre."""
        return plain(self.tube, round(self.at_mm * 1000 / step_um), self.born_tick, round(self.volume_ul * 1000))


@dataclass(frozen=True)
class SpreadState:
    """Syringe on the hub and fluid in the patient. Arrays are never changed in place.

    agent: index in the toolbox, -1 without a syringe. left_ul: still in the syringe (float, microlitres).
    flowing: an injection runs; goal_ul / given_ul / rate_ul_s describe it, begun_ul was in the syringe before it.
    contrast_points: (n, 4) float32 x, y, z (mm) and iodine mass (mg) of what X-rays can show now.
    front: fluid in the tissues. slab: fluid in the sac. parcels (m, 5): tube, arc length (mm) at birth, tick
    of birth, microlitres and iodine (mg) of what a vessel carries away.
    by_label_ul (labels,), vascular_ul, intrathecal_ul, live_ul: where this injection went, and how much of it
    went in under X-rays. tip_facts: the tip as it was when this injection began (name, value pairs).
    film: fluid between dura and arachnoid. subdural_ul (part of intrathecal_ul), venous_ul (part of vascular_ul): this injection.
    """

    agent: int = -1
    drawn_ul: float = 0.0
    left_ul: float = 0.0
    flowing: bool = False
    goal_ul: float = 0.0
    given_ul: float = 0.0
    begun_ul: float = 0.0
    rate_ul_s: int = 0
    contrast_points: NDArray[np.float32] = field(default_factory=_points)
    front: Front | None = None
    slab: Slab | None = None
    parcels: F64 = field(default_factory=lambda: _floats(0, 5))
    by_label_ul: F64 = field(default_factory=lambda: _floats(0))
    vascular_ul: float = 0.0
    intrathecal_ul: float = 0.0
    live_ul: float = 0.0
    tip_facts: tuple[tuple[str, Any], ...] = ()
    film: Slab | None = None
    subdural_ul: float = 0.0
    venous_ul: float = 0.0

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest; volumes to 1e-3 microlitre."""
        numbers = plain(
            self.agent,
            round(self.left_ul * 1000),
            self.flowing,
            round(self.given_ul * 1000),
            self.rate_ul_s,
            round(self.vascular_ul * 1000),
            round(self.intrathecal_ul * 1000),
            round(self.live_ul * 1000),
            len(self.parcels),
        )
        inner = [part.quantised(step_um) for part in (self.front, self.slab, self.film) if part is not None]
        return b"/".join([numbers, *inner])
