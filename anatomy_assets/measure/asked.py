"""Measured against asked: what each finding promises in numbers, taken from the finished phantom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from anatomy_assets.disease import end_vertebrae
from anatomy_assets.hardware import walls
from anatomy_assets.measure import findings, pelvis, segments, soft
from anatomy_assets.parameters import SIDES
from anatomy_assets.pathology import Pathology
from sim.phantom import Phantom, Tissue


@dataclass(frozen=True)
class Row:
    """One number: asked and measured. at_least: more is good, too; at_most: less is good, too."""

    name: str
    asked: float
    measured: float
    tolerance: float
    at_least: bool = False
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the measured number is the one asked for."""
        off = self.measured - self.asked
        return (off >= -self.tolerance or self.at_most) and (off <= self.tolerance or self.at_least)


def against(phantom: Phantom, one: Pathology) -> list[Row]:
    """Return the rows of one finding."""
    rows = ROWS.get(one.kind)
    return list(rows(phantom, one)) if rows else []


def _fracture(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    front, middle, back = findings.body_heights(phantom, one.level)
    whole = {where: phantom.measures[f"body_whole_mm.{one.level}.{where}"] for where in ("front", "back")}
    share = float(one["loss_percent"])
    if one["form"] in ("wedge", "crush"):
        yield Row("loss_percent front", share, 100.0 * (1.0 - front / whole["front"]), 5.0)
    if one["form"] == "crush":
        yield Row("loss_percent back", share, 100.0 * (1.0 - back / whole["back"]), 5.0)
    if one["form"] == "biconcave":
        yield Row(
            "loss_percent middle", share, 100.0 * (1.0 - 2.0 * middle / (whole["front"] + whole["back"])), 12.0, at_least=True
        )


def _osteoporosis(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    yield Row("bone_density", float(one["bone_density"]), float(phantom.individual["bone_density"]), 0.1)


def _scoliosis(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    names = phantom.individual["levels"]
    up, _, low = end_vertebrae(names, one.level)
    sign = 1.0 if one.side == "left" else -1.0
    yield Row("cobb_deg", float(one["cobb_deg"]), sign * findings.cobb_deg(phantom, names[up], names[low]), 2.0)


def _listhesis(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    yield Row("slip_percent", float(one["slip_percent"]), findings.slip_percent(phantom, one.level), 2.0)


def _disc(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    yield Row("height_mm", float(one["height_mm"]), findings.disc_height(phantom, one.level), 0.3)
    if one["vacuum"]:
        gas = float((phantom.volume.labels == Tissue.VACUUM).sum()) * phantom.volume.spacing_mm**3
        yield Row("gas_mm3", 50.0, gas, 0.0, at_least=True)


def _foramen(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    low = findings.below(phantom, one.level)
    for side in one.sides:
        height = segments.foramen_height(phantom, one.level, low, side)
        yield Row(f"height_mm {side}", float(one["height_mm"]), height, 0.3)
        yield Row(f"width_mm {side}", float(one["width_mm"]), findings.foramen_width(phantom, one.level, side), 0.3, at_most=True)


def _central(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    key = f"sac_depth_mm.{one.level}-{findings.below(phantom, one.level)}"
    yield Row("sac_depth_mm", float(one["sac_depth_mm"]), soft.measures_of_sac(phantom)[key], 0.3, at_most=True)


def _transitional(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    for side in SIDES if one["castellvi"] == "IV" else one.sides:
        yield Row(
            f"process_mm {side}", float(one["process_mm"]), findings.process_height(phantom, one.level, side), 1.0, at_least=True
        )
    yield Row("disc_mm", float(one["disc_mm"]), findings.disc_height(phantom, one.level), 0.3)


def _crest(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    yield Row("crest_level", float(one["crest_level"]), pelvis.measures(phantom)["tuffier_level"], 0.1)


def _obesity(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    yield Row("bmi", float(one["bmi"]), float(phantom.individual["bmi"]), 0.05)


def _fusion(phantom: Phantom, one: Pathology) -> Iterator[Row]:
    for name, wall in walls(phantom.landmarks, phantom.bones, one).items():
        yield Row(name, 0.0, wall, 0.0, at_least=True)


ROWS = {
    "compression_fracture": _fracture,
    "osteoporosis": _osteoporosis,
    "scoliosis": _scoliosis,
    "listhesis": _listhesis,
    "disc_height_loss": _disc,
    "foraminal_stenosis": _foramen,
    "central_stenosis": _central,
    "transitional": _transitional,
    "high_crest": _crest,
    "obesity": _obesity,
    "fusion": _fusion,
}
