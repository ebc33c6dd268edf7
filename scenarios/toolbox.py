"""Reads scenarios/data into the Toolbox value: needles, agents, tissues, C-arm and engine constants."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from scenarios.beam_tables import load_carm
from scenarios.toml_file import DATA, Quantity, Status, Strict, check, in_unit, read_toml
from sim.bioheat import Material
from sim.errors import DataError
from sim.phantom import Tissue
from sim.tools import Agent, Anaesthetic, Cement, Electrode, Introducer, Lead, Needle, TissueRow, Toolbox

Point = Annotated[list[float], Field(min_length=2, max_length=2)]
Millimetre = Annotated[Quantity, in_unit("mm")]
Rigidity = Annotated[Quantity, in_unit("N.mm2")]


class GaugeRow(Strict):
    """A row of needles.toml: nominal diameters of a gauge."""

    gauge: int
    outer_diameter_mm: Millimetre
    inner_diameter_mm: Millimetre


class TipRow(Strict):
    """A row of needles.toml: how a kind of tip cuts; `bone` needles can be driven by mallet and drill."""

    name: str
    bone: bool
    alpha_mrad: Annotated[Quantity, in_unit("mrad")]


class NeedleRow(Strict):
    """A row of needles.toml. Diameters are those of the gauge unless the row has its own."""

    name: str
    gauge: int
    tip: str
    length_mm: Millimetre
    bend_mrad: Annotated[Quantity, in_unit("mrad")]
    bend_length_mm: Millimetre
    outer_diameter_mm: Millimetre | None = None
    inner_diameter_mm: Millimetre | None = None


class IntroducerRow(Strict):
    """A row of needles.toml."""

    name: str
    gauge: int
    length_mm: Millimetre


class AgentRow(Strict):
    """A row of agents.toml."""

    name: str
    kind: Literal["contrast", "local_anaesthetic", "steroid", "saline"]
    particulate: bool
    iodine_mg_per_ml: Annotated[Quantity, in_unit("mg/mL")]
    dose_mg_per_ml: Annotated[Quantity, in_unit("mg/mL")]


class Curve(Strict):
    """Viscosity against age: points of (s at 25 degrees C, Pa.s at 1/s), both rising."""

    unit: Literal["s at 25 C, Pa.s"]
    source: str
    status: Status
    points: list[Point]

    @field_validator("points")
    @classmethod
    def _rising(cls, points: list[Point]) -> list[Point]:
        pairs = list(pairwise(points))
        if len(points) < 2 or any(b[0] <= a[0] or b[1] < a[1] for a, b in pairs) or points[0][1] <= 0.0:
            raise ValueError("points that do not rise; expected two or more with rising age and viscosity")
        return points


class CementRow(Strict):
    """A row of cements.toml; without a curve the product is listed but cannot be mixed."""

    name: str
    viscosity: Literal["low", "medium", "high"]
    batch_ml: Annotated[Quantity, in_unit("mL")]
    flow_index: Quantity
    density_g_per_ml: Annotated[Quantity, in_unit("g/mL")]
    iodine_mg_per_ul: Annotated[Quantity, in_unit("mg/uL")]
    window_begin_min: Annotated[Quantity, in_unit("min")] | None = None
    window_end_min: Annotated[Quantity, in_unit("min")] | None = None
    curve: Curve | None = None

    @model_validator(mode="after")
    def _window(self) -> CementRow:
        begin, end = self.window_begin_min, self.window_end_min
        if (begin is None) != (end is None) or (begin is not None and end is not None and not 0 <= begin.value < end.value):
            raise ValueError(f"{self.name}: expected window_begin_min before window_end_min, or neither")
        return self

    @field_validator("flow_index")
    @classmethod
    def _root(cls, index: Quantity) -> Quantity:
        if index.value not in (0.5, 1.0):
            raise ValueError(f"value {index.value}; expected 0.5 or 1.0")
        return index


class LeadRow(Strict):
    """A row of leads.toml."""

    name: str
    kind: Literal["lead", "epidural_catheter", "intrathecal_catheter"]
    contacts: int
    outer_diameter_mm: Millimetre
    length_mm: Millimetre
    ei_n_mm2: Rigidity
    stylet_ei_n_mm2: Rigidity
    stylet_diameter_mm: Millimetre
    bend_deg: Annotated[Quantity, in_unit("deg")]
    bend_length_mm: Millimetre
    kink_radius_mm: Millimetre
    contact_length_mm: Millimetre
    contact_pitch_mm: Millimetre
    first_contact_mm: Millimetre
    steel_equivalent: Annotated[Quantity, in_unit("1")]
    contact_steel_equivalent: Annotated[Quantity, in_unit("1")]


class ContactRow(Strict):
    """A row of tissues.toml: how a needle meets a tissue."""

    label: str
    foundation_n_per_m2: Annotated[Quantity, in_unit("N/m2")]
    cut_n: Annotated[Quantity, in_unit("N")]
    friction_n_per_mm: Annotated[Quantity, in_unit("N/mm")]
    puncture_n: Annotated[Quantity, in_unit("N")]
    membrane_n_per_mm: Annotated[Quantity, in_unit("N/mm")]


class FlowRow(Strict):
    """A row of spread.toml: how an injectate meets a tissue."""

    label: str
    conductance: Quantity
    capacity: Quantity


class NeedleFile(Strict):
    """needles.toml."""

    young_gpa: Annotated[Quantity, in_unit("GPa")]
    stylet_gap_mm: Millimetre
    gauge: list[GaugeRow]
    tip: list[TipRow]
    needle: list[NeedleRow]
    introducer: list[IntroducerRow]


class AgentFile(Strict):
    """agents.toml."""

    agent: list[AgentRow]


class CementFile(Strict):
    """cements.toml."""

    cement: list[CementRow]
    constants: dict[str, Quantity]


class LeadFile(BaseModel):
    """leads.toml: rows of leads, and tables of constants beside them."""

    model_config = ConfigDict(extra="allow", strict=True)

    lead: list[LeadRow]


class ContactFile(Strict):
    """tissues.toml."""

    tissue: list[ContactRow]


class AnaestheticRow(Strict):
    """A row of anaesthetics.toml."""

    name: str
    max_mg_per_kg: Annotated[Quantity, in_unit("mg/kg")]
    max_mg: Annotated[Quantity, in_unit("mg")]
    onset_low_min: Annotated[Quantity, in_unit("min")]
    onset_high_min: Annotated[Quantity, in_unit("min")]
    lasts_low_min: Annotated[Quantity, in_unit("min")]
    lasts_high_min: Annotated[Quantity, in_unit("min")]
    potency: Annotated[Quantity, in_unit("1")]


class AnaestheticFile(Strict):
    """anaesthetics.toml."""

    anaesthetic: list[AnaestheticRow]


class DermatomeRow(Strict):
    """A row of dermatomes.toml: where a segment is felt."""

    level: str
    area: str
    source: str
    status: Status


class DermatomeFile(Strict):
    """dermatomes.toml."""

    dermatome: list[DermatomeRow]


class ElectrodeRow(Strict):
    """A row of lesions.toml: a radiofrequency electrode."""

    name: str
    gauge: int
    active_tip_mm: Millimetre


class MaterialRow(Strict):
    """A row of lesions.toml: a tissue for the bioheat solver."""

    name: str
    conductivity_w_m_k: Annotated[Quantity, in_unit("W/(m.K)")]
    density_kg_m3: Annotated[Quantity, in_unit("kg/m3")]
    heat_j_kg_k: Annotated[Quantity, in_unit("J/(kg.K)")]
    exchange_per_s: Annotated[Quantity, in_unit("1/s")]
    electric_s_m: Annotated[Quantity, in_unit("S/m")]


class LesionFile(BaseModel):
    """lesions.toml: electrodes, materials, and tables of constants beside them."""

    model_config = ConfigDict(extra="allow", strict=True)

    electrode: list[ElectrodeRow]
    material: list[MaterialRow]


class FlowFile(BaseModel):
    """spread.toml: rows by tissue, and tables of constants beside them."""

    model_config = ConfigDict(extra="allow", strict=True)

    tissue: list[FlowRow]


@lru_cache(maxsize=4)
def load_toolbox(data: Path = DATA) -> Toolbox:
    """Return the toolbox of the data folder. DataError: file, key, value, expected."""
    needles, introducers = load_needles(data)
    agents = check(data / "agents.toml", read_toml(data / "agents.toml"), AgentFile)
    leads = check(data / "leads.toml", read_toml(data / "leads.toml"), LeadFile)
    return Toolbox(
        needles=needles,
        introducers=introducers,
        agents=tuple(Agent(**_values(row)) for row in agents.agent),
        tissues=_tissues(data),
        carm=load_carm(),
        constants=_constants(data) | cement_constants(data),
        cements=load_cements(data),
        leads=tuple(Lead(**_values(row)) for row in leads.lead),
        electrodes=tuple(Electrode(**_values(row)) for row in _lesions(data).electrode),
        anaesthetics=load_anaesthetics(data, agents.agent),
        dermatomes=load_dermatomes(data),
    )


def load_anaesthetics(data: Path = DATA, agents: list[AgentRow] | None = None) -> tuple[Anaesthetic, ...]:
    """Return the local anaesthetics of the data folder. DataError: file, row; every agent of that kind needs a drug."""
    path = data / "anaesthetics.toml"
    rows = tuple(Anaesthetic(**_values(row)) for row in check(path, read_toml(path), AnaestheticFile).anaesthetic)
    for agent in agents or []:
        if agent.kind == "local_anaesthetic" and not any(agent.name.startswith(row.name) for row in rows):
            known = ", ".join(row.name for row in rows)
            raise DataError(f"{path}: no row for '{agent.name}' of agents.toml; it begins with none of: {known}")
    return rows


def load_dermatomes(data: Path = DATA) -> tuple[tuple[str, str], ...]:
    """Return (level, area) of each segment from the head down. DataError: file, key, value, expected."""
    path = data / "dermatomes.toml"
    return tuple((row.level, row.area) for row in check(path, read_toml(path), DermatomeFile).dermatome)


def load_needles(data: Path = DATA) -> tuple[tuple[Needle, ...], tuple[Introducer, ...]]:
    """Return the needles and introducers of the data folder. DataError: file, row, what is missing."""
    path = data / "needles.toml"
    file = check(path, read_toml(path), NeedleFile)
    young, gap = file.young_gpa.value, file.stylet_gap_mm.value
    needles = tuple(_needle(path, file, row, young, gap) for row in file.needle)
    introducers = tuple(
        Introducer(row.name, row.gauge, row.length_mm.value, *_bore(path, file, row.name, row.gauge), young)
        for row in file.introducer
    )
    return needles, introducers


def _bore(path: Path, file: NeedleFile, name: str, gauge: int) -> tuple[float, float]:
    """Return outer and inner diameter (mm) of a gauge; DataError names file and row when the gauge has no row."""
    for row in file.gauge:
        if row.gauge == gauge:
            return row.outer_diameter_mm.value, row.inner_diameter_mm.value
    known = ", ".join(str(row.gauge) for row in file.gauge)
    raise DataError(f"{path}: row '{name}': gauge {gauge} has no [[gauge]] row; expected one of: {known}")


def _needle(path: Path, file: NeedleFile, row: NeedleRow, young: float, gap: float) -> Needle:
    tips = {tip.name: tip for tip in file.tip}
    if row.tip not in tips:
        raise DataError(f"{path}: row '{row.name}': tip '{row.tip}' has no [[tip]] row; expected one of: {', '.join(tips)}")
    outer, inner = _bore(path, file, row.name, row.gauge)
    outer = row.outer_diameter_mm.value if row.outer_diameter_mm else outer
    inner = row.inner_diameter_mm.value if row.inner_diameter_mm else inner
    if not 0.0 < inner < outer:
        raise DataError(f"{path}: row '{row.name}': bore {inner} mm in a shaft of {outer} mm; expected 0 < bore < shaft")
    return Needle(
        name=row.name,
        gauge=row.gauge,
        length_mm=row.length_mm.value,
        outer_diameter_mm=outer,
        inner_diameter_mm=inner,
        tip=row.tip,
        alpha_mrad=tips[row.tip].alpha_mrad.value,
        bend_mrad=row.bend_mrad.value,
        young_gpa=young,
        bend_length_mm=row.bend_length_mm.value,
        stylet_diameter_mm=max(inner - gap, 0.0),
        bores=tips[row.tip].bone,
    )


def load_cements(data: Path = DATA) -> tuple[Cement, ...]:
    """Return the bone cements of the data folder. DataError: file, key, value, expected."""
    path = data / "cements.toml"
    return tuple(_cement(row) for row in check(path, read_toml(path), CementFile).cement)


def cement_constants(data: Path = DATA) -> dict[str, float]:
    """Return the constants of cements.toml as "cement.name" -> value."""
    path = data / "cements.toml"
    return {f"cement.{name}": q.value for name, q in check(path, read_toml(path), CementFile).constants.items()}


def _window_s(row: CementRow) -> tuple[float, float] | None:
    begin, end = row.window_begin_min, row.window_end_min
    return None if begin is None or end is None else (60.0 * begin.value, 60.0 * end.value)


def _cement(row: CementRow) -> Cement:
    points = np.array(row.curve.points if row.curve else [], np.float64).reshape(-1, 2)
    return Cement(
        name=row.name,
        viscosity=row.viscosity,
        batch_ul=row.batch_ml.value * 1000.0,
        flow_index=row.flow_index.value,
        density_g_per_ml=row.density_g_per_ml.value,
        iodine_mg_per_ul=row.iodine_mg_per_ul.value,
        curve_s=np.ascontiguousarray(points[:, 0]),
        curve_pa_s=np.ascontiguousarray(points[:, 1]),
        window_s=_window_s(row),
    )


def load_materials(data: Path = DATA) -> dict[str, Material]:
    """Return the thermal properties of tissues by name (sim.bioheat); DataError as load_toolbox."""
    return {row.name: Material(**{k: v for k, v in _values(row).items() if k != "name"}) for row in _lesions(data).material}


def _lesions(data: Path) -> LesionFile:
    return check(data / "lesions.toml", read_toml(data / "lesions.toml"), LesionFile)


def tools_hash(data: Path = DATA) -> str:
    """Return SHA-256 over every file of the data folder, in name order."""
    digest = hashlib.sha256()
    for path in sorted(data.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(data).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _values(row: BaseModel) -> dict[str, Any]:
    return {name: part.value if isinstance(part, Quantity) else part for name, part in row}


def _tissues(data: Path) -> tuple[TissueRow, ...]:
    contact_path, flow_path = data / "tissues.toml", data / "spread.toml"
    contact = {row.label: row for row in check(contact_path, read_toml(contact_path), ContactFile).tissue}
    flow = {row.label: row for row in check(flow_path, read_toml(flow_path), FlowFile).tissue}
    for path, rows in ((contact_path, contact), (flow_path, flow)):
        for tissue in Tissue:
            if tissue.name not in rows:
                raise DataError(f"{path}: no row for tissue '{tissue.name}'; expected one row for each tissue")
        for label in rows:
            if label not in Tissue.__members__:
                raise DataError(f"{path}: unknown tissue '{label}'; expected one of: {', '.join(t.name for t in Tissue)}")
    by_label: list[TissueRow] = []
    for tissue in sorted(Tissue):
        numbers = _values(contact[tissue.name]) | _values(flow[tissue.name])
        by_label.append(TissueRow(**(numbers | {"label": int(tissue)})))
    return tuple(by_label)


def _constants(data: Path) -> dict[str, float]:
    """Return every quantity table of the constant files as "file-table.name" -> value."""
    out: dict[str, float] = {}
    for name in ("needle_constants.toml", "spread.toml", "patient.toml", "lesions.toml", "leads.toml"):
        path = data / name
        for table, rows in read_toml(path).items():
            if not isinstance(rows, dict):
                continue
            for key, raw in rows.items():
                quantity = check(path, raw, Quantity) if isinstance(raw, dict) else None
                if quantity is None:
                    raise DataError(f"{path}: key '{table}.{key}' is {raw!r}; expected value, unit, source and status")
                out[f"{table}.{key}"] = quantity.value
    return out
