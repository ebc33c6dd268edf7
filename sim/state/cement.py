"""State of bone cement: the batch, the cannula and what has gone into each vertebra."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.state.quantise import plain

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class CementFront:
    """Cement in one vertebra. Arrays are never changed in place; voxels are flat indices of the body's box.

    body: the map it spreads in (sim.cement_body.Body). key (n,): pseudo-distance in mm at which the front reaches
    each voxel; mark (n,): 0 untouched, 1-3 on the frontier, 4 taken; owner (n,): channel through which it got
    there (0 none). frontier (m,): voxels that could be next. order, capacity_ul (k,): voxels in the order of filling;
    the first `done` are full, the next holds partial_ul. by_ul (channel kinds, places): where the cement is.
    pool_age_s: mean age of the cement in bone, as at 25 degrees C, at pool_tick. posterior_mm: least distance of
    cement in bone to the plane of the posterior wall. zones: how many posterior zones were told. leaked: what was told.
    """

    body: Any
    key: F64
    mark: U8
    owner: U8
    frontier: I64
    order: I64
    capacity_ul: F64
    by_ul: F64
    source: int = -1
    done: int = 0
    partial_ul: float = 0.0
    volume_ul: float = 0.0
    pool_age_s: float = 0.0
    pool_tick: int = 0
    posterior_mm: float = 1.0e3
    zones: int = 0
    leaked: tuple[int, ...] = ()
    told_set: bool = False

    def quantised(self, step_um: int) -> bytes:
        """Return what is filled as bytes: count, sum of the voxels, volumes to 1e-3 microlitre."""
        told = (self.source, self.done, int(self.order[: self.done].sum()), self.zones, self.leaked, self.told_set)
        volumes = [round(float(v) * 1000) for v in self.by_ul.ravel()]
        return plain(self.body.name, *told, round(self.partial_ul * 1000), round(self.pool_age_s * 1000), volumes)


@dataclass(frozen=True)
class CementState:
    """The batch mixed, the cannula, and the fronts, one for each vertebra treated.

    product: index in the toolbox, -1 before mixing; mixed_tick: when powder met liquid. left_ul: still in the
    syringe. attached: it is on the cannula; cannula_ul: what the cannula holds. flowing: an injection runs;
    goal_ul, given_ul, rate_ul_s describe it, active is its front, live_ul went in under X-rays, peak_kpa is the
    highest pressure. slowed: the plunger was at its limit. tail_ul lies in the track outside bone, lost_ul left with the needle.
    given_total_ul: all that left a syringe. points (n, 4) float32: x, y, z (mm) and equivalent iodine (mg).
    """

    product: int = -1
    mixed_tick: int = 0
    left_ul: float = 0.0
    attached: bool = False
    cannula_ul: float = 0.0
    cannula_born: int = 0
    flowing: bool = False
    goal_ul: float = 0.0
    given_ul: float = 0.0
    live_ul: float = 0.0
    rate_ul_s: int = 0
    active: int = -1
    peak_kpa: float = 0.0
    slowed: bool = False
    tail_ul: float = 0.0
    lost_ul: float = 0.0
    given_total_ul: float = 0.0
    fronts: tuple[CementFront, ...] = ()
    tail_points: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    points: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))

    @property
    def used(self) -> bool:
        """True once a batch was mixed: before that the engine leaves no trace in a digest."""
        return self.product >= 0

    def quantised(self, step_um: int) -> bytes:
        """Return the state as bytes for a digest; volumes to 1e-3 microlitre."""
        whole = (self.product, self.mixed_tick, self.attached, self.flowing, self.rate_ul_s, self.active, self.slowed)
        volumes = (self.left_ul, self.cannula_ul, self.given_ul, self.live_ul, self.tail_ul, self.lost_ul)
        numbers = plain(*whole, *[round(v * 1000) for v in volumes])
        return b"/".join([numbers, *(front.quantised(step_um) for front in self.fronts)])
