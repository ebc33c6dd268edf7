"""From published sizes to one person: morphometry tables, seeded individuals, left and right apart.

`individual(0)` is the default adult: table means, with the small fixed asymmetry of the tables.
Other seeds draw sizes with the published spreads, correlated as anatomy_assets/population.py says. The curve
of the spine is drawn standing and then laid down (`in_posture`). All arithmetic is plain float64 and every
angle leaves this module in whole millidegrees, so the bones are the same on every machine.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from anatomy_assets.population import SIDES as SIDES
from anatomy_assets.population import Draw as _Draw
from anatomy_assets.population import PatientOptions, draw_of, normal, table

FOLDER = Path(__file__).parent / "morphometry"

FIRST = 13
"""Number of L1: the default adult's pattern of asymmetry starts there."""
TIED = {"Wl": "Wu", "Dl": "Du", "Hp": "Ha"}
"""Measures that follow another one: in proportion, or, with a spread of their own, by the correlation `tie`."""


@dataclass(frozen=True)
class Morphometry:
    """The tables as read: sizes of the vertebrae, layout, alignment, sacrum, pelvis."""

    thoracic: Mapping[str, Any]
    lumbar: Mapping[str, Any]
    layout: Mapping[str, Any]
    alignment: Mapping[str, Any]
    sacrum: Mapping[str, Any]
    pelvis: Mapping[str, Any]
    coccyx: Mapping[str, Any]
    ribs: Mapping[str, Any]


@dataclass(frozen=True)
class Side:
    """What differs between left and right of one vertebra (mm, millidegree)."""

    pedicle_width: float
    pedicle_height: float
    transverse_half_span: float
    sap: float
    iap: float
    facet_mdeg: int
    hypertrophy: float = 1.0  # scales the thickness of SAP and mammillary process
    hypertrophy_low: float = 1.0  # scales the thickness of the IAP
    sap_forward_mm: float = 0.0  # the SAP grown forwards into the foramen
    osteophyte_mm: float = 0.0  # knob at the front inner edge of the SAP
    lysis_mm: float = 0.0  # cleft through the pars
    tp_broad_mm: float = 0.0  # extra height of the transverse process
    wing_mm: float = 0.0  # height of a plate that it carries downwards, towards the ala (transitional vertebra)


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
    sclerosis_mm: float = 0.0  # dense band under a healed end plate
    split_mm: float = 0.0  # cleft that parts the arch from the body (isthmic listhesis); two bones then
    laminectomy: bool = False  # laminae and spinous process removed

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
    """One disc: middle height between the rims (mm), wedge, side tilt and turn of the upper neighbour (millidegree).

    standing_mdeg is the wedge of the same disc standing. slip_mm and shift_mm move everything above forwards
    and to the left along the lower endplate (listhesis, lateral listhesis).
    """

    name: str
    height: float
    wedge_mdeg: int
    tilt_mdeg: int
    turn_mdeg: int
    standing_mdeg: int = 0
    slip_mm: float = 0.0
    shift_mm: float = 0.0
    facet_gap_mm: tuple[float, float] | None = None
    """Gap of the joints below the level (left, right) where it is not that of the person."""


@dataclass(frozen=True)
class SacrumSize:
    """Scales of the sacrum against morphometry/sacrum.toml and its S1 endplate (mm)."""

    width_scale: tuple[float, float]  # left, right
    length_scale: float
    s1_width: float
    s1_depth: float
    sap_scale: tuple[float, float] = (1.0, 1.0)
    """Thickness of the superior articular processes (left, right)."""
    sap_forward: tuple[float, float] = (0.0, 0.0)
    """How far they are grown forwards into the foramen (mm)."""


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
    posture: str
    field: str
    """Field of view: "lumbosacral" (with ribs and pelvis) or "thoracolumbar" (down to the sacrum)."""
    standing_slope_mdeg: int
    slope_mdeg: int
    """Inclination of the S1 endplate in this posture."""
    levels: tuple[Level, ...]  # cranial to caudal, down to L5
    discs: tuple[Disc, ...]  # each below the level of the same index
    sacrum: SacrumSize
    pelvis: PelvisSize
    facet_gap: float
    sij_gap: float
    ripple: float
    ripple_cell: float
    morphometry: Morphometry
    cortex_scale: float = 1.0
    """Thickness of the cortex of all bones (osteoporosis)."""

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


def mdeg(degrees: float) -> int:
    """Return whole millidegrees."""
    return round(degrees * 1000.0)


def individual(seed: int, morphometry: Morphometry | None = None, options: PatientOptions | None = None) -> Parameters:
    """Return the person of `seed` (0 is the default adult) with the wishes of `options`, healthy (findings: disease.py)."""
    m = morphometry or load_morphometry()
    asked = options or PatientOptions()
    a = m.alignment
    draw = draw_of(seed, asked, a)
    names = level_names(asked.field, m)
    levels = tuple(_level(m, draw, name) for name in names)
    curve = _curve(m, draw, names, asked.lordosis_deg)
    slope = a["sacral_slope"]
    bound = slope["lordosis_correlation"] * _relative(m, curve)
    free = float(math.sqrt(1.0 - slope["lordosis_correlation"] * slope["lordosis_correlation"]))
    standing = Parameters(
        seed=seed,
        stature=draw.stature,
        size_factor=_size_factor(m, levels),
        posture="standing",
        field=asked.field,
        standing_slope_mdeg=mdeg(slope["value"] + slope["sd"] * (bound + free * normal(seed, "bones/posture/slope"))),
        slope_mdeg=0,
        levels=levels,
        discs=tuple(_disc(m, draw, level, below, curve) for level, below in _pairs(levels)),
        sacrum=_sacrum(m, draw),
        pelvis=_pelvis(m, draw),
        facet_gap=a["facet_gap"]["value"],
        sij_gap=max(a["sij_gap"]["value"] + a["sij_gap"]["sd"] * normal(seed, "bones/sij_gap"), a["sij_gap"]["least"]),
        ripple=a["ripple"]["value"],
        ripple_cell=a["ripple"]["cell"],
        morphometry=m,
    )
    return in_posture(standing, asked.posture)


def level_names(field: str, m: Morphometry) -> tuple[str, ...]:
    """Return the vertebrae of a field of view, cranial to caudal, as far as the tables hold them."""
    order = vertebra_names(m)
    first = m.alignment["fields"][field]
    return order[order.index(first) :] if first in order else order


def _pairs(levels: tuple[Level, ...]) -> list[tuple[Level, str]]:
    """Return each vertebra with the name of the next one below."""
    below = [level.name for level in levels[1:]] + ["S1"]
    return list(zip(levels, below, strict=True))


def in_posture(p: Parameters, posture: str) -> Parameters:
    """Return the same person in another posture: the wedges of the discs and the slope of the sacrum change."""
    row = p.morphometry.alignment["posture"][posture]
    discs = tuple(replace(d, wedge_mdeg=_settled(p, d, d.standing_mdeg * row["wedge_share"])) for d in p.discs)
    slope = p.standing_slope_mdeg + mdeg(row["slope_shift_deg"])
    return replace(p, posture=posture, discs=discs, slope_mdeg=slope)


def _settled(p: Parameters, disc: Disc, wedge: float) -> int:
    """Return a wedge (millidegree) that leaves the least rim height of the discs in front and behind."""
    name = disc.name.split("-")[0]
    half = 0.5 * p.level(name).depth_lower
    room = max(disc.height - p.morphometry.alignment["disc_height"]["least_rim"], 0.2)
    most = 2000.0 * math.degrees(math.atan(room / half))
    return round(min(max(wedge, -most), most))


def _size_factor(m: Morphometry, levels: tuple[Level, ...]) -> float:
    """Return mean body height against the table (a plain loop: sum() of floats changed in Python 3.12)."""
    own = mean = 0.0
    for level in levels:
        if level.name in m.lumbar["order"]:
            _, i = _table(m, level.name)
            own += level.height
            mean += 0.5 * (m.lumbar["Ha"]["values"][i] + m.lumbar["Hp"]["values"][i])
    return own / mean


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
        if "sd" in row:
            tie = row["tie"]
            z = tie * draw.deviate(TIED[measure], name) + math.sqrt(1.0 - tie * tie) * draw.apart(measure, name)
            return float(row["values"][i] + z * row["sd"][i])
        return float(row["values"][i] * (1.0 + draw.deviate(TIED[measure], name) * lead["sd"][i] / lead["values"][i]))
    if "sd" not in row:
        return float(row["values"][i])
    wide = row.get("spread_of_sex", {}).get(name, {}).get("male" if draw.sex > 0.0 else "female", 1.0)
    return float(row["values"][i] + wide * draw.deviate(measure, name) * row["sd"][i])


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


def _curve(m: Morphometry, draw: _Draw, names: tuple[str, ...], lordosis_deg: float | None) -> dict[str, float]:
    """Return the segment angles of a person standing (deg, + lordotic) by upper vertebra.

    The published spreads of the segments add up to that of the whole (3.6, 4.1, 4.2, 5.1, 7.7 against 11.4
    degrees), so they are drawn apart. A wished lordosis is reached by moving all lumbar ones by equal shares
    of their SD.
    """
    rows = m.alignment["segment"]
    curve = {n: rows[n]["value"] + rows[n]["sd"] * normal(draw.seed, f"bones/posture/segment/{n}") for n in names}
    if lordosis_deg is None:
        return curve
    lumbar = [n for n in names if n.startswith("L")]
    total = spread = 0.0
    for n in lumbar:
        total, spread = total + curve[n], spread + rows[n]["sd"]
    return {n: v + ((lordosis_deg - total) * rows[n]["sd"] / spread if n in lumbar else 0.0) for n, v in curve.items()}


def _relative(m: Morphometry, curve: Mapping[str, float]) -> float:
    """Return the lumbar lordosis of a curve against the mean in SD."""
    off = square = 0.0
    for name, angle in curve.items():
        if name.startswith("L"):
            row = m.alignment["segment"][name]
            off, square = off + angle - row["value"], square + row["sd"] * row["sd"]
    return off / math.sqrt(square)


def _disc(m: Morphometry, draw: _Draw, level: Level, below: str, curve: Mapping[str, float]) -> Disc:
    """Return one disc standing: its wedge is what the segment's angle leaves beside the wedge of the body above."""
    a = m.alignment
    row = a["disc_height"]
    name = f"{level.name}-{below}"
    body = math.degrees(2.0 * math.atan(0.5 * (level.height_front - level.height_back) / level.depth))
    segment = a["segment"][level.name]
    link = row["wedge_correlation"]
    own = draw.deviate("disc", name) + table()["age"]["disc_sd_per_year"]["value"] * draw.years
    open_ = (curve[level.name] - segment["value"]) / segment["sd"]
    height = row["values"][name] + row["sd"][name] * (link * open_ + math.sqrt(1.0 - link * link) * own)
    tilt = a["tilt"]["value"]
    return Disc(
        name=name,
        height=max(height, row["least"]),
        wedge_mdeg=0,
        tilt_mdeg=mdeg(tilt * draw.uniform(f"tilt/{name}")),
        turn_mdeg=mdeg(tilt * draw.uniform(f"turn/{name}")),
        standing_mdeg=mdeg(curve[level.name] - body),
    )


def _sacrum(m: Morphometry, draw: _Draw) -> SacrumSize:
    rows = m.sacrum["measures"]
    width = 1.0 + (draw.deviate("sacral_width") * rows["width"]["sd"] - rows["width"]["less"]) / rows["width"]["value"]
    uneven = 0.02 * draw.uneven("sacral_width", "S", 1) / max(draw.asymmetry, 1e-6)
    return SacrumSize(
        width_scale=(width + uneven, width - uneven),
        length_scale=1.0 + draw.deviate("sacral_length") * rows["length"]["sd"] / rows["length"]["value"],
        s1_width=rows["s1_width"]["value"] + draw.deviate("Wu", "L5") * rows["s1_width"]["sd"],
        s1_depth=rows["s1_depth"]["value"] + draw.deviate("Du", "L5") * rows["s1_depth"]["sd"],
    )


def _pelvis(m: Morphometry, draw: _Draw) -> PelvisSize:
    row, crest = m.pelvis["measures"]["bi_iliac_width"], m.alignment["crest_lift"]
    width = 1.0 + draw.deviate("bi_iliac") * row["sd"] / row["value"]
    lift = crest["value"] + crest["sd"] * normal(draw.seed, "bones/posture/crest")
    uneven = draw.uneven("pelvis", "S", 2) / max(draw.asymmetry, 1e-6)
    return PelvisSize(
        width_scale=(width + 0.01 * uneven, width - 0.01 * uneven),
        crest_lift=(lift + 1.2 * uneven, lift - 1.2 * uneven),
    )
