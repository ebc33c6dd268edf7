"""Injectate that does not stay: carried away along a vessel, or mixed into the CSF of the sac.

A vessel takes parcels: each is born at the needle's opening, moves along the tube's nodes with the blood, pushed
by the volume that follows, and is diluted away within the wash-out time, so that only live pictures show it. The
sac takes one slab: mixed over its cross-section, longer with volume and time, its heavy contrast sinking to the
ventral side of a prone patient.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, tube_distance
from sim.jit import jit
from sim.phantom import Tissue, Tube, TubeKind
from sim.rng import hash_uniform, stream
from sim.state import NeedleState, Study
from sim.state.spread import Slab
from sim.tip import nearest_foramen

F64 = NDArray[np.float64]

VESSELS = (TubeKind.ARTERY, TubeKind.RADICULAR_ARTERY, TubeKind.VEIN, TubeKind.BASIVERTEBRAL)
SLAB_POINTS = 6000
MOST_PARCEL_POINTS = 4000
PLUG_MM = 0.4
"""Length of a plug in a vessel that one point stands for."""
PI = 3.141592653589793
TICKS_PER_SECOND = 100


def vessel_of(study: Study, inside: tuple[int, ...]) -> int:
    """Return the index of the vessel tube that holds the tip, -1 for none (the first if several)."""
    for t in inside:
        if study.phantom.tubes[t].kind in VESSELS:
            return t
    return -1


def sac_of(study: Study, inside: tuple[int, ...]) -> int:
    """Return the index of the thecal sac if it holds the tip, else -1."""
    for t in inside:
        if study.phantom.tubes[t].kind == TubeKind.SAC:
            return t
    return -1


def subdural(study: Study, sac: int, tip_mm: F64) -> bool:
    """Return whether a tip in the sac lies so close below the dura that it feeds the film between dura and arachnoid."""
    x, y, z = (float(v) for v in tip_mm)
    return -tube_distance(study.phantom.fields, sac, x, y, z) < study.toolbox.constant("spread.subdural_mm")


@lru_cache(maxsize=256)
def _draws(seed: int, vessel: str, purpose: str) -> tuple[float, float]:
    """Return two uniform draws that belong to a vessel of a patient, whenever they are asked for."""
    a, b = stream(seed, f"{purpose}/{vessel}").random(2)
    return float(a), float(b)


def plexus(study: Study, needle: NeedleState) -> tuple[int, str]:
    """Return (vein that carries it away, name) of a vessel too small to be a tube that the opening lies in; (-1, "") for none.

    Only in scenarios that leave vessels to chance. Drawn once per patient and place (cells of `spread.plexus_cell_mm`) at the
    published rate of the region: a needle that is moved is another needle. What flows in leaves by the nearest vein.
    """
    rate = _plexus_rate(study, needle)
    if rate <= 0.0:
        return -1, ""
    cell = study.toolbox.constant("spread.plexus_cell_mm")
    i, j, k = (math.floor(float(v) / cell) for v in needle.tip_mm)
    name = f"plexus_{i}_{j}_{k}"
    if _draws(study.seed, name, "plexus")[0] >= rate:
        return -1, ""
    return _nearest_vein(study, needle.tip_mm), name


def _plexus_rate(study: Study, needle: NeedleState) -> float:
    """Return the probability of a small vessel at the tip (0 where none is modelled)."""
    if not study.plan.vessel_by_chance:
        return 0.0
    number, tissue = study.toolbox.constant, Tissue(needle.tissue)
    if tissue in (Tissue.EPIDURAL_FAT, Tissue.FORAMEN_FAT):
        x, y, z = (float(v) for v in needle.tip_mm)
        level, _ = nearest_foramen(study.plan, x, y, z)
        return number("spread.plexus_sacral" if level.startswith("S") else "spread.plexus_lumbar")
    return 0.0


def _nearest_vein(study: Study, tip_mm: F64) -> int:
    """Return the index of the vein nearest to a point, -1 without any."""
    x, y, z = (float(v) for v in tip_mm)
    best, found = 1.0e18, -1
    for t, tube in enumerate(study.phantom.tubes):
        if tube.kind == TubeKind.VEIN:
            d = tube_distance(study.phantom.fields, t, x, y, z)
            if d < best:
                best, found = d, t
    return found


def vascular_share(study: Study, vessel: int, name: str = "") -> float:
    """Return which part of the flow this vessel takes: all, or a part (simultaneous epidural and vascular)."""
    number = study.toolbox.constant
    u, v = _draws(study.seed, name or study.phantom.tubes[vessel].name, "vessel")
    if u >= number("spread.simultaneous_share"):
        return 1.0
    low, high = number("spread.vascular_low"), number("spread.vascular_high")
    return low + v * (high - low)


def gives_blood(study: Study, vessel: int, name: str = "") -> bool:
    """Return whether aspiration from this vessel shows blood; the same at every try (a thin wall collapses)."""
    tube = study.phantom.tubes[vessel]
    number = study.toolbox.constant
    if name:
        return _draws(study.seed, name, "aspirate")[0] < number("spread.aspirate_sensitivity")
    if float(tube.nodes[:, 3].max()) >= number("spread.aspirate_sure_mm"):
        return True
    return _draws(study.seed, tube.name, "aspirate")[0] < number("spread.aspirate_sensitivity")


# --- along a tube ---------------------------------------------------------------------------------


@jit
def along(f: Fields, t: int, x: float, y: float, z: float) -> float:
    """Return the arc length (mm) of the point of tube `t`'s centre line nearest to (x, y, z)."""
    best = 1.0e18
    where = 0.0
    run = 0.0
    for n in range(f.tube_start[t], f.tube_start[t + 1] - 1):
        ax, ay, az = f.tube_nodes[n, 0], f.tube_nodes[n, 1], f.tube_nodes[n, 2]
        dx, dy, dz = f.tube_nodes[n + 1, 0] - ax, f.tube_nodes[n + 1, 1] - ay, f.tube_nodes[n + 1, 2] - az
        length2 = dx * dx + dy * dy + dz * dz
        s = 0.0
        if length2 > 0.0:
            s = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy + (z - az) * dz) / length2))
        qx, qy, qz = x - ax - s * dx, y - ay - s * dy, z - az - s * dz
        d2 = qx * qx + qy * qy + qz * qz
        length = np.sqrt(length2)
        if d2 < best:
            best = d2
            where = run + s * length
        run += length
    return where


@jit
def at(f: Fields, t: int, s: float) -> tuple[float, float, float, float, bool]:
    """Return (x, y, z, radius, inside) at arc length `s` of tube `t`; False beyond either end (the end is given)."""
    first, last = f.tube_start[t], f.tube_start[t + 1] - 1
    inside = s >= 0.0
    s = max(s, 0.0)
    for n in range(first, last):
        dx = f.tube_nodes[n + 1, 0] - f.tube_nodes[n, 0]
        dy = f.tube_nodes[n + 1, 1] - f.tube_nodes[n, 1]
        dz = f.tube_nodes[n + 1, 2] - f.tube_nodes[n, 2]
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        if s <= length and length > 0.0:
            u = s / length
            return (
                f.tube_nodes[n, 0] + u * dx,
                f.tube_nodes[n, 1] + u * dy,
                f.tube_nodes[n, 2] + u * dz,
                f.tube_nodes[n, 3] + u * (f.tube_nodes[n + 1, 3] - f.tube_nodes[n, 3]),
                inside,
            )
        s -= length
    return f.tube_nodes[last, 0], f.tube_nodes[last, 1], f.tube_nodes[last, 2], f.tube_nodes[last, 3], False


# --- vessel ---------------------------------------------------------------------------------------


def parcel(study: Study, parcels: F64, tick: int, vessel: int, tip_mm: F64, ul: float, iodine_mg: float) -> F64:
    """Return the parcels with one more, born at the tip in this tick."""
    s = along(study.phantom.fields, vessel, float(tip_mm[0]), float(tip_mm[1]), float(tip_mm[2]))
    return np.concatenate([parcels, np.array([[float(vessel), s, float(tick), ul, iodine_mg]])])


def washed(study: Study, parcels: F64, tick: int) -> F64:
    """Return the parcels that are still there (the same array when none has gone)."""
    age = round(study.toolbox.constant("spread.washout_s") * TICKS_PER_SECOND)
    stay = parcels[:, 2] > tick - age
    return parcels if bool(stay.all()) else parcels[stay]


def speed_of(study: Study, tube: Tube) -> float:
    """Return the speed (mm/s) of the blood along the nodes of a vessel."""
    return tube.flow_mm_s if tube.flow_mm_s != 0.0 else study.toolbox.constant("spread.vessel_speed_mm_s")


def parcel_points(study: Study, parcels: F64, tick: int) -> NDArray[np.float32]:
    """Return (n, 4) x, y, z, iodine mg of the contrast that vessels carry now."""
    if not len(parcels):
        return np.zeros((0, 4), np.float32)
    speeds = np.array([speed_of(study, t) for t in study.phantom.tubes])
    washout = study.toolbox.constant("spread.washout_s")
    return _parcel_points(study.phantom.fields, parcels, speeds, tick, washout)


@jit
def _parcel_points(f: Fields, parcels: F64, speeds: F64, tick: int, washout_s: float) -> NDArray[np.float32]:
    """Return the points of all parcels; a parcel is a plug that the blood and the volume after it push along.

    Plugs lie end to end, so no place is denser than the agent itself.
    """
    count = parcels.shape[0]
    out = np.empty((MOST_PARCEL_POINTS, 4), np.float32)
    n = 0
    after_ul = 0.0
    for p in range(count - 1, -1, -1):
        t = int(parcels[p, 0])
        if p < count - 1 and t != int(parcels[p + 1, 0]):
            after_ul = 0.0
        born, ul = int(parcels[p, 2]), parcels[p, 3]
        _, _, _, radius, _ = at(f, t, parcels[p, 1])
        area = PI * radius * radius
        age = (tick - born) * 0.01
        rear = parcels[p, 1] + speeds[t] * age + after_ul / area
        length = speeds[t] * 0.01 + ul / area
        after_ul += ul
        mass = parcels[p, 4] * (1.0 - age / washout_s)
        if mass <= 0.0:
            continue
        pieces = 1 + int(length / PLUG_MM)
        for c in range(pieces):
            x, y, z, r, inside = at(f, t, rear + length * (c + 0.5) / pieces)
            if not inside or n >= MOST_PARCEL_POINTS:
                break
            salt = (born & 0xFFFF) * 4096 + c
            out[n, 0] = x + 0.6 * r * (2.0 * hash_uniform(21, salt) - 1.0)
            out[n, 1] = y + 0.6 * r * (2.0 * hash_uniform(22, salt) - 1.0)
            out[n, 2] = z + 0.6 * r * (2.0 * hash_uniform(23, salt) - 1.0)
            out[n, 3] = mass / pieces
            n += 1
    return out[:n].copy()


# --- sac ------------------------------------------------------------------------------------------


def mixed(study: Study, slab: Slab | None, tick: int, sac: int, tip_mm: F64, ul: float, iodine_mg: float) -> Slab:
    """Return the slab with `ul` more in it; its place is the mean of where fluid came in."""
    s = along(study.phantom.fields, sac, float(tip_mm[0]), float(tip_mm[1]), float(tip_mm[2]))
    if slab is None or slab.tube != sac:
        return Slab(sac, s, tick, ul, iodine_mg)
    total = slab.volume_ul + ul
    return replace(slab, at_mm=slab.at_mm + (s - slab.at_mm) * ul / total, volume_ul=total, iodine_mg=slab.iodine_mg + iodine_mg)


def half_length_mm(study: Study, slab: Slab, tick: int) -> float:
    """Return half the length of the slab (mm) at a tick."""
    number = study.toolbox.constant
    seconds = (tick - slab.born_tick) / TICKS_PER_SECOND
    grown = number("spread.slab_base_mm") + number("spread.slab_per_ml_mm") * slab.volume_ul / 1000.0
    return min(grown + number("spread.slab_growth_mm_s") * seconds, number("spread.slab_most_mm"))


def at_rest(study: Study, slab: Slab, tick: int) -> bool:
    """Return whether the slab neither grows nor sinks any more."""
    number = study.toolbox.constant
    settled = (tick - slab.born_tick) / TICKS_PER_SECOND >= number("spread.slab_settle_s")
    return settled and half_length_mm(study, slab, tick) >= number("spread.slab_most_mm")


def slab_points(study: Study, slab: Slab | None, tick: int) -> NDArray[np.float32]:
    """Return (n, 4) x, y, z, iodine mg of the contrast in the sac."""
    if slab is None or slab.iodine_mg <= 0.0:
        return np.zeros((0, 4), np.float32)
    settle = study.toolbox.constant("spread.slab_settle_s")
    sunk = min(1.0, (tick - slab.born_tick) / TICKS_PER_SECOND / settle)
    half = half_length_mm(study, slab, tick)
    return _slab_points(study.phantom.fields, slab.tube, slab.at_mm, half, sunk, slab.iodine_mg, SLAB_POINTS)


@jit
def _slab_points(f: Fields, t: int, s0: float, half: float, sunk: float, iodine_mg: float, count: int) -> NDArray[np.float32]:
    out = np.empty((count, 4), np.float32)
    for i in range(count):
        s = s0 + half * (2.0 * hash_uniform(31, i) - 1.0)
        x, y, z, r, _ = at(f, t, s)
        v = (2.0 * hash_uniform(32, i) - 1.0) * (1.0 - 0.5 * sunk) - 0.5 * sunk  # -1 ventral .. 1 dorsal
        u = 2.0 * hash_uniform(33, i) - 1.0
        out[i, 0] = x + u * 0.97 * r * np.sqrt(max(0.0, 1.0 - v * v))
        out[i, 1] = y + 0.97 * r * v
        out[i, 2] = z
        out[i, 3] = iodine_mg / count
    return out


def film_points(study: Study, film: Slab | None) -> NDArray[np.float32]:
    """Return (n, 4) x, y, z, iodine mg of the contrast between dura and arachnoid: a thin film round the sac, not sinking."""
    if film is None or film.iodine_mg <= 0.0:
        return np.zeros((0, 4), np.float32)
    number = study.toolbox.constant
    half = number("spread.film_base_mm") + number("spread.film_per_ml_mm") * film.volume_ul / 1000.0
    return _film_points(study.phantom.fields, film.tube, film.at_mm, half, film.iodine_mg, SLAB_POINTS)


@jit
def _film_points(f: Fields, t: int, s0: float, half: float, iodine_mg: float, count: int) -> NDArray[np.float32]:
    out = np.empty((count, 4), np.float32)
    for i in range(count):
        x, y, z, r, _ = at(f, t, s0 + half * (2.0 * hash_uniform(41, i) - 1.0))
        v = 2.0 * hash_uniform(42, i) - 1.0
        u = np.sqrt(max(0.0, 1.0 - v * v))
        if hash_uniform(43, i) < 0.5:
            u = -u
        out[i, 0] = x + 0.99 * r * u
        out[i, 1] = y + 0.99 * r * v
        out[i, 2] = z
        out[i, 3] = iodine_mg / count
    return out
