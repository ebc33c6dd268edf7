"""What an injectate meets in a patient: tissue tables and this patient's own resistances (docs/PHYSICS_SPREAD.md)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.phantom import Tissue, TubeKind
from sim.rng import stream
from sim.state import Study

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

NERVES = (TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS)
CLOSED = (Tissue.CSF, Tissue.DISC_NUCLEUS, Tissue.FACET_JOINT)
SLEEVE = (
    Tissue.FAT,
    Tissue.MUSCLE,
    Tissue.PSOAS,
    Tissue.QUADRATUS,
    Tissue.MULTIFIDUS,
    Tissue.EPIDURAL_FAT,
    Tissue.FORAMEN_FAT,
    Tissue.RETROPERITONEUM,
)
NO_SAC = -1.0e9


class Medium(NamedTuple):
    """What the fluid meets in this patient. Tables run over tissue labels; *_seed pick the noise."""

    conductance: F64
    capacity_ul: F64
    closed: I64  # 1: fluid never enters from outside and leaves only when full
    sleeve: I64  # 1: loose tissue on a nerve may run through this label
    nerves: I64  # indices of the nerve tubes
    roots: I64  # 1 for tubes that count as wetted roots
    branches: I64  # indices of the medial branches (fluid wets them and does not run along them)
    midline_mm: F64  # x of the sac's middle for each plane of the grid
    axis_mm: F64  # y of it
    voxel_seed: int
    block_seed: int
    voxel_noise: float
    block_noise: float
    block_voxels: int
    sleeve_conductance: float
    sleeve_mm: float
    wet_mm: float
    burst_cost: float
    up: float  # factor on steps towards the head in the canal
    down: float
    across: float  # cost of crossing the middle of the canal
    round: float  # cost of going round the sac, from its dorsal to its ventral side or back


def medium(study: Study) -> Medium:
    """Return tissue tables and this patient's own resistances (drawn from the study's seed)."""
    box, f = study.toolbox, study.phantom.fields
    number = box.constant
    draw = stream(study.seed, "spread/patient")
    u = [float(v) for v in draw.random(4)]
    seeds = [int(v) for v in draw.integers(0, 2**62, 2)]
    size = max(max(row.label for row in box.tissues), max(Tissue)) + 1
    conductance, capacity = np.zeros(size), np.zeros(size)
    room = number("spread.capacity_low") + u[0] * (number("spread.capacity_high") - number("spread.capacity_low"))
    voxel_ul = f.label_spacing * f.label_spacing * f.label_spacing
    for row in box.tissues:
        conductance[row.label] = row.conductance
        capacity[row.label] = row.capacity * room * voxel_ul
    kinds = [t.kind for t in study.phantom.tubes]
    along = number("spread.along_high") - number("spread.along_low")
    return Medium(
        conductance=conductance,
        capacity_ul=capacity,
        closed=np.array([int(label in CLOSED) for label in range(size)], np.int64),
        sleeve=np.array([int(label in SLEEVE) for label in range(size)], np.int64),
        nerves=np.array([i for i, kind in enumerate(kinds) if kind in NERVES], np.int64),
        roots=np.array([int(kind in (TubeKind.ROOT, TubeKind.GANGLION)) for kind in kinds], np.int64),
        branches=np.array([i for i, kind in enumerate(kinds) if kind == TubeKind.MEDIAL_BRANCH], np.int64),
        midline_mm=sac_axis(study, 0, NO_SAC),
        axis_mm=sac_axis(study, 1, NO_SAC),
        voxel_seed=seeds[0],
        block_seed=seeds[1],
        voxel_noise=number("spread.voxel_noise"),
        block_noise=number("spread.block_noise"),
        block_voxels=max(1, round(number("spread.block_mm") / f.label_spacing)),
        sleeve_conductance=number("spread.sleeve_conductance"),
        sleeve_mm=number("spread.sleeve_mm"),
        wet_mm=number("spread.wet_mm"),
        burst_cost=number("spread.burst_cost"),
        up=number("spread.along_low") + u[1] * along,
        down=(number("spread.along_low") + u[2] * along) * number("spread.caudad_cost"),
        across=number("spread.midline_cost") if u[3] < number("spread.unilateral_share") else 0.0,
        round=number("spread.round_cost") if float(draw.random()) >= number("spread.ventral_share") else 0.0,
    )


def sac_axis(study: Study, c: int, without: float) -> F64:
    """Return x (c = 0) or y (1) of the sac's middle for each z plane of the grid (mm), ends carried on; `without` a sac."""
    f = study.phantom.fields
    out = np.full(f.labels.shape[2], without)
    for tube in study.phantom.tubes:
        if tube.kind != TubeKind.SAC:
            continue
        nodes = tube.nodes[np.argsort(tube.nodes[:, 2], kind="stable")]
        for k in range(len(out)):
            z = f.label_origin[2] + f.label_spacing * k
            above = min(max(int(np.searchsorted(nodes[:, 2], z)), 1), len(nodes) - 1)
            a, b = nodes[above - 1], nodes[above]
            rise = b[2] - a[2]
            share = min(max((z - a[2]) / rise, 0.0), 1.0) if rise > 0.0 else 0.0
            out[k] = a[c] + share * (b[c] - a[c])
        break
    return out
