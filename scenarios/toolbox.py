"""Reads scenarios/data into the Toolbox value: needles, agents, tissues, C-arm and engine constants."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict

from scenarios.beam_tables import load_carm
from scenarios.toml_file import DATA, Quantity, Strict, check, in_unit, read_toml
from sim.bioheat import Material
from sim.errors import DataError
from sim.phantom import Tissue
from sim.tools import Agent, Electrode, Needle, TissueRow, Toolbox

Millimetre = Annotated[Quantity, in_unit("mm")]


class NeedleRow(Strict):
    """A row of needles.toml."""

    name: str
    gauge: int
    tip: str
    length_mm: Millimetre
    outer_diameter_mm: Millimetre
    inner_diameter_mm: Millimetre
    alpha_mrad: Annotated[Quantity, in_unit("mrad")]
    bend_mrad: Annotated[Quantity, in_unit("mrad")]
    young_gpa: Annotated[Quantity, in_unit("GPa")]


class AgentRow(Strict):
    """A row of agents.toml."""

    name: str
    kind: Literal["contrast", "local_anaesthetic", "steroid", "saline"]
    particulate: bool
    iodine_mg_per_ml: Annotated[Quantity, in_unit("mg/mL")]
    dose_mg_per_ml: Annotated[Quantity, in_unit("mg/mL")]


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

    needle: list[NeedleRow]


class AgentFile(Strict):
    """agents.toml."""

    agent: list[AgentRow]


class ContactFile(Strict):
    """tissues.toml."""

    tissue: list[ContactRow]


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
    needles = check(data / "needles.toml", read_toml(data / "needles.toml"), NeedleFile)
    agents = check(data / "agents.toml", read_toml(data / "agents.toml"), AgentFile)
    return Toolbox(
        needles=tuple(Needle(**_values(row)) for row in needles.needle),
        agents=tuple(Agent(**_values(row)) for row in agents.agent),
        tissues=_tissues(data),
        carm=load_carm(),
        constants=_constants(data),
        electrodes=tuple(Electrode(**_values(row)) for row in _lesions(data).electrode),
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
    for name in ("needle_constants.toml", "spread.toml", "patient.toml", "lesions.toml"):
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
