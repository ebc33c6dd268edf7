"""Reads the C-arm and its beam from scenarios/data: carm.toml, spectra.csv, attenuation.csv."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from scenarios.toml_file import DATA, Quantity, Strict, in_unit, load
from sim.beam import BeamTables, DetectorData
from sim.errors import DataError
from sim.phantom import Tissue
from sim.scatter import Scatter
from sim.tools import CArm

F64 = NDArray[np.float64]

Millimetre = Annotated[Quantity, in_unit("mm")]
Second = Annotated[Quantity, in_unit("s")]
Share = Annotated[Quantity, in_unit("1")]
Speed = Annotated[Quantity, in_unit("mm/s")]
Turn = Annotated[Quantity, in_unit("deg/s")]
KermaRate = Annotated[Quantity, in_unit("mGy/min")]
Rate = Annotated[Quantity, in_unit("1/s")]
Kerma = Annotated[Quantity, in_unit("nGy")]
Voltage = Annotated[Quantity, in_unit("kV")]
Stiffness = Annotated[Quantity, in_unit("N/mm")]
Load = Annotated[Quantity, in_unit("mAs")]


class GeometryTable(Strict):
    """Distances from the source."""

    sdd_mm: Millimetre
    sod_mm: Millimetre
    reference_point_mm: Millimetre


class FieldRow(Strict):
    """One magnification mode."""

    side_mm: Millimetre


class MotionTable(Strict):
    """How fast the machine moves."""

    angle_speed_deg_s: Turn
    slide_speed_mm_s: Speed


class DoseTable(Strict):
    """Limits and subtraction runs."""

    cap_mgy_min: KermaRate
    dsa_dose_factor: Share
    dsa_pulses_per_s: Rate
    shot_pulses: Share
    boost_factor: Share


class PictureTable(Strict):
    """What moves in the patient while pictures are taken."""

    breath_mm: Millimetre
    flinch_mm: Millimetre
    flinch_s: Second
    spine_breath_mm: Millimetre
    spine_n_per_mm: Stiffness


class HousingTable(Strict):
    """Outer sizes of machine and table: where the gantry stops before it hits (sim/clearance.py)."""

    detector_rim_mm: Millimetre
    detector_depth_mm: Millimetre
    tube_housing_mm: Millimetre
    table_width_mm: Millimetre
    table_thickness_mm: Millimetre
    table_length_mm: Millimetre


class DetectorTable(Strict):
    """What makes a picture imperfect."""

    csi_swank: Share
    electronic_ngy: Kerma
    blur_mm: Millimetre
    focal_spot_mm: Millimetre
    grid_primary: Share
    lag: Share


class ExposureRow(Strict):
    """One point of the automatic exposure curve."""

    thickness_mm: Millimetre
    kvp: Voltage
    mas: Load


class WaterRow(Strict):
    """How many mm of water weaken the beam like 1 mm of a tissue."""

    label: str
    equivalent: Share


class CArmFile(Strict):
    """carm.toml."""

    geometry: GeometryTable
    field: list[FieldRow]
    motion: MotionTable
    dose: DoseTable
    picture: PictureTable
    housing: HousingTable
    detector: DetectorTable
    exposure: list[ExposureRow]
    water: list[WaterRow]


def _column(rows: list[Quantity]) -> F64:
    return np.array([row.value for row in rows], np.float64)


def _csv(path: Path, columns: tuple[str, ...]) -> F64:
    """Return a csv of numbers as (rows, columns); DataError when a column or a number is missing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected a csv file") from None
    if not lines or tuple(lines[0].split(",")) != columns:
        raise DataError(f"{path}: first line is '{lines[0] if lines else ''}'; expected '{','.join(columns)}'")
    rows: list[list[float]] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = [float(cell) for cell in line.split(",")]
        except ValueError:
            row = []
        if len(row) != len(columns):
            raise DataError(f"{path}: line {number} is '{line}'; expected {len(columns)} numbers")
        rows.append(row)
    return np.array(rows, np.float64)


@lru_cache(maxsize=4)
def load_carm(data: Path = DATA) -> CArm:
    """Return the C-arm of carm.toml with the tube output of spectra.csv."""
    file = load(data / "carm.toml", CArmFile)
    beam = load_beam(data)
    return CArm(
        sdd_mm=file.geometry.sdd_mm.value,
        sod_mm=file.geometry.sod_mm.value,
        detector_mm=tuple(row.side_mm.value for row in file.field),
        detector_rim_mm=file.housing.detector_rim_mm.value,
        detector_depth_mm=file.housing.detector_depth_mm.value,
        tube_housing_mm=file.housing.tube_housing_mm.value,
        table_width_mm=file.housing.table_width_mm.value,
        table_thickness_mm=file.housing.table_thickness_mm.value,
        table_length_mm=file.housing.table_length_mm.value,
        angle_speed_mdeg_s=round(file.motion.angle_speed_deg_s.value * 1000),
        slide_speed_um_s=round(file.motion.slide_speed_mm_s.value * 1000),
        reference_point_mm=file.geometry.reference_point_mm.value,
        curve_thickness_mm=_column([row.thickness_mm for row in file.exposure]),
        curve_kvp=_column([row.kvp for row in file.exposure]),
        curve_mas=_column([row.mas for row in file.exposure]),
        kerma_ugy_per_mas_1m=np.array([sum(row.tolist()) for row in beam.kerma_ugy]),
        curve_beam_kvp=beam.kvp,
        water_equivalent=_water(data / "carm.toml", file.water),
        cap_mgy_min=file.dose.cap_mgy_min.value,
        dsa_dose_factor=file.dose.dsa_dose_factor.value,
        dsa_pulses_per_10s=round(file.dose.dsa_pulses_per_s.value * 10),
        shot_pulses=round(file.dose.shot_pulses.value),
        scatter=load_scatter(data),
        breath_mm=file.picture.breath_mm.value,
        flinch_mm=file.picture.flinch_mm.value,
        flinch_ms=round(1000.0 * file.picture.flinch_s.value),
        spine_breath_mm=file.picture.spine_breath_mm.value,
        spine_n_per_mm=file.picture.spine_n_per_mm.value,
        boost_factor=file.dose.boost_factor.value,
    )


def _water(path: Path, rows: list[WaterRow]) -> F64:
    known = {row.label: row.equivalent.value for row in rows}
    for tissue in Tissue:
        if tissue.name not in known:
            raise DataError(f"{path}: no [[water]] row for tissue '{tissue.name}'; expected one row for each tissue")
    for label in known:
        if label not in Tissue.__members__:
            raise DataError(f"{path}: unknown tissue '{label}'; expected one of: {', '.join(t.name for t in Tissue)}")
    return np.array([known[tissue.name] for tissue in sorted(Tissue)], np.float64)


@lru_cache(maxsize=4)
def load_scatter(data: Path = DATA) -> Scatter:
    """Return scatter.csv: scatter over primary by thickness and field radius, without and with grid."""
    table = _csv(data / "scatter.csv", ("thickness_mm", "radius_mm", "spr", "spr_grid"))
    thickness = np.unique(table[:, 0])
    cube = table.reshape(len(thickness), -1, 4)
    plain, gridded = np.ascontiguousarray(cube[:, :, 2]), np.ascontiguousarray(cube[:, :, 3])
    return Scatter(thickness, np.ascontiguousarray(cube[0, :, 1]), plain, gridded)


@lru_cache(maxsize=4)
def load_beam(data: Path = DATA) -> BeamTables:
    """Return spectra, attenuation and detector as tables for sim.beam and sim.detector."""
    file = load(data / "carm.toml", CArmFile)
    spectra = _csv(data / "spectra.csv", ("kvp", "bin", "energy_kev", "photons_per_mm2_mas_1m", "kerma_ugy_per_mas_1m"))
    kvp = np.unique(spectra[:, 0])
    cube = spectra.reshape(len(kvp), -1, 5)
    mu = _csv(
        data / "attenuation.csv",
        ("energy_kev", "water_per_mm", "cortical_per_mm", "steel_per_mm", "iodine_mm2_per_mg", "csi_absorption"),
    )
    part = file.detector
    return BeamTables(
        kvp=kvp,
        energy_kev=np.ascontiguousarray(cube[:, :, 2]),
        photons=np.ascontiguousarray(cube[:, :, 3]),
        kerma_ugy=np.ascontiguousarray(cube[:, :, 4]),
        mu_energy_kev=np.ascontiguousarray(mu[:, 0]),
        mu=np.ascontiguousarray(mu[:, 1:5]),
        absorbed=np.ascontiguousarray(mu[:, 5]),
        detector=DetectorData(
            sdd_mm=file.geometry.sdd_mm.value,
            sod_mm=file.geometry.sod_mm.value,
            swank=part.csi_swank.value,
            electronic_ngy=part.electronic_ngy.value,
            blur_mm=part.blur_mm.value,
            focal_spot_mm=part.focal_spot_mm.value,
            grid_primary=part.grid_primary.value,
            lag=part.lag.value,
            scatter=load_scatter(data),
        ),
    )
