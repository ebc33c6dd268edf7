"""The thumb on a loss-of-resistance syringe: whether the plunger goes, and how much runs in.

Closed form (docs/PHYSICS_SPREAD.md): the thumb's force over the plunger's area is the pressure p; above the opening
pressure of the tissue at the tip, Q = (p - p_open) / (R_needle + R_tissue), with R_needle = 128 mu L / (pi d^4). Air is
compressed on the way and gives a spongy bounce where saline stops hard. In some patients the way to the epidural space
is loose (a gap in the ligament), in a few the space itself resists: drawn per patient and level at the published rates.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from sim.phantom import Tissue
from sim.rng import stream
from sim.state import NeedleState, Study

PI = 3.141592653589793
ATMOSPHERE_KPA = 101.325

SPACE = frozenset((Tissue.EPIDURAL_FAT, Tissue.FORAMEN_FAT))
WAY = frozenset((Tissue.INTERSPINOUS_LIGAMENT, Tissue.SUPRASPINOUS_LIGAMENT, Tissue.MULTIFIDUS, Tissue.MUSCLE, Tissue.FAT))
"""Where a loose patient lets the plunger go before the epidural space is reached."""
TISSUES = {
    Tissue.SKIN: "skin",
    Tissue.FAT: "fat",
    Tissue.FASCIA: "ligament",
    Tissue.MUSCLE: "muscle",
    Tissue.MULTIFIDUS: "muscle",
    Tissue.PSOAS: "muscle",
    Tissue.QUADRATUS: "muscle",
    Tissue.INTERSPINOUS_LIGAMENT: "ligament",
    Tissue.SUPRASPINOUS_LIGAMENT: "ligament",
    Tissue.LIGAMENTUM_FLAVUM: "flavum",
    Tissue.EPIDURAL_FAT: "space",
    Tissue.FORAMEN_FAT: "space",
    Tissue.CSF: "sac",
    Tissue.VESSEL: "sac",
    Tissue.RETROPERITONEUM: "fat",
}
"""Row of the constants ("plunger.open_<row>_kpa") of each tissue; all others are as tight as bone ("tight")."""


class Push(NamedTuple):
    """What a press of the thumb does: result "loss", "resistance" or "bounce" (air); volume that ran into the tissue."""

    result: str
    pressure_pa: int
    volume_ul: int


@lru_cache(maxsize=256)
def _draws(seed: int, level: str) -> tuple[float, float]:
    """Return two uniform draws of a patient's level: is the way loose, does the space resist."""
    a, b = stream(seed, f"plunger/{level}").random(2)
    return float(a), float(b)


def row_at(study: Study, needle: NeedleState, level: str) -> str:
    """Return the row of constants that the plunger feels at the tip in this patient."""
    number = study.toolbox.constant
    loose, blocked = _draws(study.seed, level)
    tissue = Tissue(needle.tissue)
    row = TISSUES.get(tissue, "tight")
    if tissue in WAY and loose < number("plunger.false_loss_share"):
        return "space"
    if tissue in SPACE and blocked < number("plunger.false_resistance_share"):
        return "flavum"
    return row


def press(study: Study, needle: NeedleState, level: str, air: bool, force_mn: int) -> Push:
    """Return what happens when the thumb presses with `force_mn` for `plunger.press_s`."""
    number = study.toolbox.constant
    row = row_at(study, needle, level)
    radius = 0.5 * number("plunger.diameter_mm")
    kpa = force_mn / (PI * radius * radius)  # mN / mm2 = kPa
    flow = max(0.0, kpa - number(f"plunger.open_{row}_kpa")) / (_needle_kpa_s_ul(study, needle, air) + _tissue(study, row))
    volume = min(flow * number("plunger.press_s"), number("plunger.press_ul"))
    lost = flow >= number("plunger.felt_ul_s")
    result = "loss" if lost else "bounce" if air else "resistance"
    return Push(result, round(1000.0 * kpa), round(volume) if lost else 0)


def bounce_permille(kpa: float) -> int:
    """Return how far air in a blocked syringe gives way (permille of its volume, Boyle at one temperature)."""
    return round(1000.0 * kpa / (kpa + ATMOSPHERE_KPA))


def _tissue(study: Study, row: str) -> float:
    return study.toolbox.constant(f"plunger.flow_{row}_kpa_s_per_ul")


def _needle_kpa_s_ul(study: Study, needle: NeedleState, air: bool) -> float:
    """Return the resistance of the needle (kPa s/uL), laminar: 128 mu L / (pi d^4)."""
    number = study.toolbox.constant
    tool = study.toolbox.needles[max(needle.needle, 0)]
    mu = number("plunger.air_mpa_s" if air else "plunger.saline_mpa_s")  # mPa s = 1e-6 kPa s
    d2 = tool.inner_diameter_mm * tool.inner_diameter_mm
    return 128.0 * mu * 1e-6 * tool.length_mm / (PI * d2 * d2)  # kPa s / mm3
