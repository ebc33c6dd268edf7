"""From published sizes to one person: morphometry tables, seeded individuals, left and right apart.

`individual(0, m)` is the default adult: table means, with the small fixed asymmetry of the tables.
Other seeds draw sizes with the published spreads, correlated over levels. All arithmetic is plain float64
and every angle leaves this module in whole millidegrees, so the bones are the same on every machine.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sim.rng import near_normal, stream

FOLDER = Path(__file__).parent / "morphometry"
SIDES = ("left", "right")
SPREAD_LIMIT = 2.0
"""Deviates are cut at +-2 SD: a trainer needs variety, not the rarest spine of the population."""

FIRST = 13
"""Number of L1: the default adult's pattern of asymmetry starts there."""
TIED = {"Wl": "Wu", "Dl": "Du", "Hp": "Ha"}
"""Measures without an own spread vary in proportion to another one."""


@dataclass(frozen=True)
class Morphometry:
    """The tables as read: sizes of the vertebrae, layout, alignment, sacrum, pelvis."""

    thoracic: Mapping[str, Any]
    lumbar: Mapping[str, Any]
    layout: Mapping[str, Any]
    alignment: Mapping[str, Any]
    sacrum: Mapping[str, Any]
    pelvis: Mapping[str, Any]


@dataclass(frozen=True)
class Side:
    """What differs between left and right of one vertebra (mm, millidegree)."""

    pedicle_width: float
    pedicle_height: float
    transverse_half_span: float
    sap: float
    iap: float
    facet_mdeg: int
    hypertrophy: float = 1.0  # scales the thickness of SAP and IAP
    osteophyte_mm: float = 0.0  # knob at the front inner edge of the SAP
    lysis_mm: float = 0.0  # cleft through the pars
    tp_broad_mm: float = 0.0  # extra height of the transverse process (transitional vertebra)


@dataclass(frozen=True)
class Level:
    """Sizes of one vertebra (mm); see morphometry/lumbar.toml and thoracic.toml for the definitions.

    The fields with defaults are changes by disease; their defaults leave the bone as it is, to the bit.
    """

    name: str
    number: int  # T6 = 6 .. T12 = 12, L1 = 13 .. L5 = 17
    width_upper: float
    width_lower: float
    depth_upper: float
    depth_lower: float
    height_front: float
    height_back: float
    canal_width: float
    canal_depth: float
    spinous_length: float
    spinous_lean: float
    arch_scale: float
    arch_low: float  # as arch_scale, of the inferior processes: they follow the joint below
    pedicle_mdeg: int
    left: Side
    right: Side
    loss_upper: tuple[float, float, float] = (0.0, 0.0, 0.0)  # height lost at the endplate: front, middle, back (mm)
    loss_lower: tuple[float, float, float] = (0.0, 0.0, 0.0)
    retropulsion_mm: float = 0.0  # posterior wall into the canal
    rim_osteophyte_mm: float = 0.0  # rims grown outwards
    lateral_wedge_mm: float = 0.0  # left edge of the body higher than the right one
    cortex_scale: float = 1.0

    @property
    def height(self) -> float:
        """Mean body height (mm)."""
        return 0.5 * (self.height_front + self.height_back)

    @property
    def depth(self) -> float:
        """Mean body depth (mm)."""
        return 0.5 * (self.depth_upper + self.depth_lower)

    def side(self, name: str) -> Side:
        """Return the left or right side."""
        return self.left if name == "left" else self.right


@dataclass(frozen=True)
class Disc:
    """One disc: middle height (mm), wedge, side tilt and turn of the upper neighbour (millidegree)."""

    name: str
    height: float
    wedge_mdeg: int
    tilt_mdeg: int
    turn_mdeg: int


@dataclass(frozen=True)
class SacrumSize:
    """Scales of the sacrum against morphometry/sacrum.toml and its S1 endplate (mm)."""

    width_scale: tuple[float, float]  # left, right
    length_scale: float
    s1_width: float
    s1_depth: float


@dataclass(frozen=True)
class PelvisSize:
    """Scale of the wings sideways (left, right) and lift of the crests (mm)."""

    width_scale: tuple[float, float]
    crest_lift: tuple[float, float]


@dataclass(frozen=True)
class Parameters:
    """Everything that decides the bones of one person."""

    seed: int
    stature: float
    """Common size deviate of this person in SD (0 for the default adult)."""
    size_factor: float
    """Mean body height against the default adult: scales what has no own table (1.0 for seed 0)."""
    slope_mdeg: int
    levels: tuple[Level, ...]  # cranial to caudal, L1..L5
    discs: tuple[Disc, ...]  # L1-L2 .. L5-S1
    sacrum: SacrumSize
    pelvis: PelvisSize
    facet_gap: float
    sij_gap: float
    ripple: float
    ripple_cell: float
    morphometry: Morphometry

    def level(self, name: str) -> Level:
        """Return the vertebra called `name`; KeyError names what exists."""
        for level in self.levels:
            if level.name == name:
                return level
        raise KeyError(f"no level '{name}'; this spine has {[lv.name for lv in self.levels]}")


@cache
def load_morphometry(folder: Path = FOLDER) -> Morphometry:
    """Read the tables of `folder`."""
    read = {name: tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8")) for name in Morphometry.__annotations__}
    return Morphometry(**read)


@dataclass(frozen=True)
class _Draw:
    """The random deviates of one person (all zero for the default adult, asymmetry aside)."""

    seed: int
    stature: float
    share: float
    asymmetry: float
    fixed: tuple[float, ...]

    def deviate(self, measure: str, level: str = "") -> float:
        """Return the deviate of a measure in SD: stature, measure and level parts, cut at the limit."""
        if self.seed == 0:
            return 0.0
        own = near_normal(stream(self.seed, f"bones/{measure}"))
        here = near_normal(stream(self.seed, f"bones/{measure}/{level}"))
        mixed = np.sqrt(self.share) * self.stature + np.sqrt(1.0 - self.share) * (0.8 * own + 0.6 * here)
        return float(min(max(mixed, -SPREAD_LIMIT), SPREAD_LIMIT))

    def uneven(self, measure: str, level: str, index: int) -> float:
        """Return the left-minus-right half difference in SD."""
        if self.seed == 0:
            return self.asymmetry * self.fixed[index % len(self.fixed)] * 2.0
        raw = near_normal(stream(self.seed, f"bones/asymmetry/{measure}/{level}"))
        return self.asymmetry * 0.5 * float(min(max(raw, -SPREAD_LIMIT), SPREAD_LIMIT))

    def uniform(self, purpose: str) -> float:
        """Return a uniform number in -1..1 (0 for the default adult)."""
        return 0.0 if self.seed == 0 else 2.0 * float(stream(self.seed, f"bones/{purpose}").random()) - 1.0


def mdeg(degrees: float) -> int:
    """Return whole millidegrees."""
    return round(degrees * 1000.0)


def individual(seed: int, morphometry: Morphometry | None = None) -> Parameters:
    """Return the person of `seed`; 0 is the default adult."""
    m = morphometry or load_morphometry()
    a = m.alignment
    stature = 0.0 if seed == 0 else near_normal(stream(seed, "bones/stature"))
    stature = min(max(stature, -SPREAD_LIMIT), SPREAD_LIMIT)
    draw = _Draw(seed, stature, a["size"]["value"], a["asymmetry"]["value"], tuple(a["asymmetry_default"]["values"]))
    levels = tuple(_level(m, draw, name) for name in m.lumbar["order"])
    return Parameters(
        seed=seed,
        stature=stature,
        size_factor=_size_factor(m, levels),
        slope_mdeg=mdeg(a["sacral_slope"]["value"] + a["sacral_slope"]["sd"] * _posture(draw, "slope")),
        levels=levels,
        discs=tuple(_disc(m, draw, i) for i in range(len(a["order"]))),
        sacrum=_sacrum(m, draw),
        pelvis=_pelvis(m, draw),
        facet_gap=a["facet_gap"]["value"],
        sij_gap=a["sij_gap"]["value"],
        ripple=a["ripple"]["value"],
        ripple_cell=a["ripple"]["cell"],
        morphometry=m,
    )


def _size_factor(m: Morphometry, levels: tuple[Level, ...]) -> float:
    """Return mean body height against the table (a plain loop: sum() of floats changed in Python 3.12)."""
    own = table = 0.0
    for level, front, back in zip(levels, m.lumbar["Ha"]["values"], m.lumbar["Hp"]["values"], strict=True):
        own += level.height
        table += 0.5 * (front + back)
    return own / table


def _posture(draw: _Draw, purpose: str) -> float:
    """Return a near-normal deviate that does not follow stature, cut at 1.5 SD."""
    if draw.seed == 0:
        return 0.0
    return min(max(near_normal(stream(draw.seed, f"bones/posture/{purpose}")), -1.5), 1.5)


def vertebra_names(m: Morphometry) -> tuple[str, ...]:
    """Return the levels that the tables know, cranial to caudal (T6..T12, L1..L5)."""
    return (*m.thoracic["order"], *m.lumbar["order"])


def _table(m: Morphometry, name: str) -> tuple[Mapping[str, Any], int]:
    """Return the table of a level and its column there."""
    table = m.lumbar if name in m.lumbar["order"] else m.thoracic
    return table, table["order"].index(name)


def _size(m: Morphometry, draw: _Draw, measure: str, name: str) -> float:
    """Return one measure of a level: table mean plus deviate times SD."""
    table, i = _table(m, name)
    row = table[measure]
    if measure in TIED:
        lead = table[TIED[measure]]
        return float(row["values"][i] * (1.0 + draw.deviate(TIED[measure], name) * lead["sd"][i] / lead["values"][i]))
    if "sd" not in row:
        return float(row["values"][i])
    return float(row["values"][i] + draw.deviate(measure, name) * row["sd"][i])


def _level(m: Morphometry, draw: _Draw, name: str) -> Level:
    """Return the sizes of one level, T6..L5."""
    table, i = _table(m, name)
    size = {key: _size(m, draw, key, name) for key in table if key not in ("order", "numbers")}
    number = int(table["numbers"][i])
    return Level(
        name=name,
        number=number,
        width_upper=size["Wu"],
        width_lower=size["Wl"],
        depth_upper=size["Du"],
        depth_lower=size["Dl"],
        height_front=size["Ha"],
        height_back=size["Hp"],
        canal_width=size["SCW"],
        canal_depth=size["SCD"],
        spinous_length=size["SPL"],
        spinous_lean=1.2 * draw.uneven("lean", name, number - FIRST + 2) / max(draw.asymmetry, 1e-6),
        arch_scale=size["arch"],
        arch_low=size["arch_low"],
        pedicle_mdeg=mdeg(size["pedinc"]),
        left=_side(m, draw, name, size, +1.0),
        right=_side(m, draw, name, size, -1.0),
    )


def _side(m: Morphometry, draw: _Draw, name: str, size: Mapping[str, float], sign: float) -> Side:
    table, i = _table(m, name)
    place = int(table["numbers"][i]) - FIRST

    def part(measure: str, offset: int) -> float:
        return size[measure] + sign * draw.uneven(measure, name, place + offset) * float(table[measure]["sd"][i])

    tropism = m.alignment["asymmetry"]["facet_tropism_deg"] * draw.uneven("facet", name, place + 1) / max(draw.asymmetry, 1e-6)
    span = sign * draw.uneven("TPW", name, place + 2) * 0.2 * table["TPW"]["sd"][i]
    return Side(
        # a real pedicle never closes up, however thin the draw: 0.7 of the mean at most
        pedicle_width=max(part("PDW", 0), min(5.5, 0.7 * table["PDW"]["values"][i])),
        pedicle_height=part("PDH", 1),
        transverse_half_span=0.5 * part("TPW", 2) + span,
        sap=part("sap", 3),
        iap=part("iap", 4),
        facet_mdeg=mdeg(size["facet"] + sign * tropism),
    )


def _disc(m: Morphometry, draw: _Draw, i: int) -> Disc:
    a = m.alignment
    name = a["order"][i]
    height, wedge = a["disc_height"], a["disc_wedge"]
    thin = min(max(draw.deviate("disc", name), -1.2), 1.5)
    tilt = a["tilt"]["value"]
    return Disc(
        name=name,
        height=height["values"][i] + thin * height["sd"][i],
        wedge_mdeg=mdeg(wedge["values"][i] + wedge["sd"][i] * _posture(draw, f"wedge/{name}")),
        tilt_mdeg=mdeg(tilt * draw.uniform(f"tilt/{name}")),
        turn_mdeg=mdeg(tilt * draw.uniform(f"turn/{name}")),
    )


def _sacrum(m: Morphometry, draw: _Draw) -> SacrumSize:
    table = m.sacrum["measures"]
    width = 1.0 + draw.deviate("sacral_width") * table["width"]["sd"] / table["width"]["value"]
    uneven = 0.02 * draw.uneven("sacral_width", "S", 1) / max(draw.asymmetry, 1e-6)
    return SacrumSize(
        width_scale=(width + uneven, width - uneven),
        length_scale=1.0 + draw.deviate("sacral_length") * table["length"]["sd"] / table["length"]["value"],
        s1_width=table["s1_width"]["value"] + draw.deviate("Wu", "L5") * table["s1_width"]["sd"] * 0.7,
        s1_depth=table["s1_depth"]["value"] + draw.deviate("Du", "L5") * table["s1_depth"]["sd"] * 0.7,
    )


def _pelvis(m: Morphometry, draw: _Draw) -> PelvisSize:
    table = m.pelvis["measures"]
    width = 1.0 + draw.deviate("bi_iliac") * table["bi_iliac_width"]["sd"] / table["bi_iliac_width"]["value"]
    lift = table["crest_above_l45"]["sd"] * _posture(draw, "crest")
    uneven = draw.uneven("pelvis", "S", 2) / max(draw.asymmetry, 1e-6)
    return PelvisSize(
        width_scale=(width + 0.01 * uneven, width - 0.01 * uneven),
        crest_lift=(lift + 1.2 * uneven, lift - 1.2 * uneven),
    )
