"""Who lies on the table: wishes, the person drawn for a seed, and the deviates that make a spine of one piece.

Model. A measure m at level l of one person lies z(m, l) SD from its table mean:

    z = b S + c X + sqrt(1 - b^2 - c^2 - 2 b c r) (sqrt(g) G + sqrt(k) F_m + sqrt(1 - g - k) E_ml)

S: stature in SD of both sexes together; X: +1 man, -1 woman; r: correlation of S and X. b is the table's
`stature`; c makes the whole difference of the sexes equal to the table's `sex`: b r + c = sex. G is one
number per person, F_m one per measure, E_ml one per measure and level. All have variance 1, so z has: what
is measured over many seeds spreads as published, and a tall patient is tall at every level.
Deviates are cut at +-2.5 SD and scaled so that the cut costs no variance.

Seed 0 is the default adult: every deviate 0 unless sex or stature are asked for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from anatomy_assets.pathology import Pathology, check, of_kind
from anatomy_assets.tables import number
from sim.errors import UsageError
from sim.rng import near_normal, stream

TABLE = Path(__file__).parent / "morphometry" / "population.toml"
SEXES = ("female", "male")
POSTURES = ("prone-bolster", "prone", "supine", "standing")
FIELDS = ("lumbosacral", "thoracolumbar")
LEVELS = ("L1", "L2", "L3", "L4", "L5")
SIDES = ("left", "right")
CUT = 2.5
CUT_SD = 0.98872
"""SD of a standard normal deviate moved to +-CUT where it lies beyond."""
BMI_RANGE = (16.0, 45.0)
STATURE_RANGE = (140.0, 205.0)


@dataclass(frozen=True)
class PatientOptions:
    """What a scenario may ask for; None leaves it to the seed.

    bmi and weight_kg exclude each other. bone_density is the trabecular density of L1 (mg/cm3), lordosis_deg
    the angle L1-S1 standing. vascular_trap: (level, side) whose usual subpedicular target is filled by an
    artery-vein bundle. field: "lumbosacral" (T11 to coccyx) or "thoracolumbar" (T6 to L5). pathology: what the patient
    suffers from (pathology.py).
    """

    sex: str | None = None
    age: int | None = None
    bmi: float | None = None
    vascular_trap: tuple[str, str] | None = None
    stature_cm: float | None = None
    weight_kg: float | None = None
    bone_density: float | None = None
    lordosis_deg: float | None = None
    posture: str = "prone-bolster"
    field: str = "lumbosacral"
    pathology: tuple[Pathology, ...] = ()

    def __post_init__(self) -> None:
        _one_of("sex", self.sex, (None, *SEXES))
        _one_of("posture", self.posture, POSTURES)
        _one_of("field", self.field, FIELDS)
        _within("age", self.age, 18, 99, "years")
        _within("bmi", self.bmi, *BMI_RANGE, "kg/m2")
        _within("stature_cm", self.stature_cm, *STATURE_RANGE, "cm")
        _within("weight_kg", self.weight_kg, 32, 190, "kg")
        _within("bone_density", self.bone_density, 20, 300, "mg/cm3")
        _within("lordosis_deg", self.lordosis_deg, 15, 90, "degrees")
        if self.bmi is not None and self.weight_kg is not None:
            raise UsageError("patient bmi and weight_kg were both given: expected one of them")
        if self.weight_kg is not None and self.stature_cm is not None:
            _within("bmi (from weight_kg and stature_cm)", _bmi(self.weight_kg, self.stature_cm), *BMI_RANGE, "kg/m2")
        check(self.pathology, self.field, self.bmi is not None or self.weight_kg is not None, self.bone_density is not None)
        trap = self.vascular_trap
        if trap is not None and (len(trap) != 2 or trap[0] not in LEVELS or trap[1] not in SIDES):
            raise UsageError(f"vascular_trap {trap}: expected a level {LEVELS} and a side {SIDES}")


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        words = [str(a) for a in allowed if a is not None]
        raise UsageError(f"patient {name} '{value}': expected {', '.join(words[:-1])} or {words[-1]}")


def _within(name: str, value: float | None, low: float, high: float, unit: str) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(f"patient {name} {value:g}: expected {low:g} to {high:g} {unit}")


def _bmi(weight_kg: float, stature_cm: float) -> float:
    return weight_kg * 1e4 / (stature_cm * stature_cm)


@dataclass(frozen=True)
class Person:
    """Who a seed is, besides the shapes of the bones. depth_deviate: SD of the depth of the back."""

    sex: str
    age: int
    bmi: float
    depth_deviate: float
    stature_cm: float
    weight_kg: float
    bone_density: float
    """Trabecular density of L1, mg/cm3."""


@cache
def table() -> Mapping[str, Any]:
    """Return morphometry/population.toml."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def normal(seed: int, purpose: str, limit: float = CUT) -> float:
    """Return a deviate of mean 0 and variance 1 for (seed, purpose), cut at +-limit; 0 for the default adult."""
    if seed == 0:
        return 0.0
    raw = min(max(near_normal(stream(seed, purpose)), -limit), limit)
    return raw / CUT_SD if limit == CUT else raw


def person(seed: int, options: PatientOptions) -> Person:
    """Return the person of a seed and wishes; seed 0 is the default adult (a man named by convention, mean sizes)."""
    who = table()["person"]
    draw = stream(seed, "person/years")
    drawn_sex = "female" if float(draw.random()) < who["female_share"]["value"] else "male"
    age = who["age_low"]["value"] + int(draw.integers(who["age_high"]["value"] - who["age_low"]["value"] + 1))
    if seed == 0:
        drawn_sex, age = "male", who["age_default"]["value"]
    sex, age = options.sex or drawn_sex, options.age or age
    stature = options.stature_cm or _drawn_stature(seed, sex, options.sex is not None)
    bmi = options.bmi if options.weight_kg is None else _bmi(options.weight_kg, stature)
    for fat in of_kind(options.pathology, "obesity"):
        bmi = float(fat["bmi"])
    if bmi is None:
        spread = min(max(normal(seed, "person/bmi"), -1.8), 2.5)
        bmi = number("soft_tissue", "trunk.bmi_mean") + number("soft_tissue", "trunk.bmi_sd") * spread
    bmi = round(min(max(bmi, BMI_RANGE[0]), BMI_RANGE[1]), 1)
    return Person(
        sex=sex,
        age=age,
        bmi=bmi,
        depth_deviate=round(normal(seed, "person/depth"), 3),
        stature_cm=round(stature, 1),
        weight_kg=round(bmi * stature * stature * 1e-4, 1),
        bone_density=round(_density(seed, age, options), 1),
    )


def _density(seed: int, age: int, options: PatientOptions) -> float:
    """Return the trabecular density of L1 (mg/cm3): wished, of a diseased bone, or drawn."""
    for thin in of_kind(options.pathology, "osteoporosis"):
        return float(thin["bone_density"])
    return options.bone_density or _drawn_density(seed, age)


def _drawn_stature(seed: int, sex: str, asked: bool) -> float:
    """Return the stature (cm) of a seed; the default adult stands at the mean of both sexes unless a sex is asked for."""
    if seed == 0 and not asked:
        return pooled_stature()[0]
    row = table()["person"][f"stature_{sex}"]
    return float(row["value"] + row["sd"] * normal(seed, "person/stature"))


def pooled_stature() -> tuple[float, float, float]:
    """Return mean and SD (cm) of stature over both sexes, and its correlation with sex (+1 man, -1 woman)."""
    who = table()["person"]
    f, m = who["stature_female"], who["stature_male"]
    half = 0.5 * (m["value"] - f["value"])
    within = 0.5 * (f["sd"] * f["sd"] + m["sd"] * m["sd"])
    sd = float(np.sqrt(within + half * half))
    return 0.5 * (m["value"] + f["value"]), sd, half / sd


def density_at(age: float) -> tuple[float, float]:
    """Return mean and SD of the trabecular density of L1 (mg/cm3) at an age (years)."""
    t = table()["density"]
    young, old = t["hu_young"], t["hu_old"]
    hu = young["value"] + t["hu_per_year"]["value"] * max(age - t["young_until"]["value"], 0.0)
    hu = max(hu, old["value"])
    share = (young["value"] - hu) / (young["value"] - old["value"])
    sd = young["sd"] + share * (old["sd"] - young["sd"])
    scale = t["hu_per_mg"]["value"]
    return (hu - t["hu_at_zero"]["value"]) / scale, sd / scale


def _drawn_density(seed: int, age: int) -> float:
    mean, sd = density_at(age)
    return max(mean + sd * normal(seed, "person/density"), 25.0)


@dataclass(frozen=True)
class Draw:
    """The deviates of one person; all zero for the default adult, asymmetry aside.

    stature: S of the model; sex: X (0 for the default adult); asymmetry: SD of left minus right in SD.
    """

    seed: int
    stature: float
    sex: float
    years: float
    asymmetry: float
    fixed: tuple[float, ...]

    def deviate(self, measure: str, level: str = "") -> float:
        """Return z of a measure at a level (see the model above)."""
        names = table()["measures"]
        b, c, g, k, rest = _weights(names.get(measure, names["other"]))
        own = np.sqrt(g) * normal(self.seed, "bones/girth", 6.0) + np.sqrt(k) * normal(self.seed, f"bones/{measure}", 6.0)
        own += np.sqrt(1.0 - g - k) * normal(self.seed, f"bones/{measure}/{level}", 6.0)
        z = b * self.stature + c * self.sex + rest * own
        return float(min(max(z, -CUT), CUT)) / CUT_SD

    def apart(self, measure: str, level: str) -> float:
        """Return a deviate that goes with nothing else: half of its variance is common to all levels of the measure."""
        common, own = normal(self.seed, f"bones/apart/{measure}"), normal(self.seed, f"bones/apart/{measure}/{level}")
        return float(np.sqrt(0.5)) * (common + own)

    def uneven(self, measure: str, level: str, index: int) -> float:
        """Return the left-minus-right half difference in SD."""
        if self.seed == 0:
            return self.asymmetry * self.fixed[index % len(self.fixed)] * 2.0
        return self.asymmetry * 0.5 * normal(self.seed, f"bones/asymmetry/{measure}/{level}")

    def uniform(self, purpose: str) -> float:
        """Return a uniform number in -1..1 (0 for the default adult)."""
        return 0.0 if self.seed == 0 else 2.0 * float(stream(self.seed, f"bones/{purpose}").random()) - 1.0


@cache
def _weights(link: str) -> tuple[float, float, float, float, float]:
    """Return b, c, g, k and the weight of the rest of one link."""
    row, r = table()["links"][link], pooled_stature()[2]
    b = row["stature"]
    c = row["sex"] - b * r
    rest = 1.0 - b * b - c * c - 2.0 * b * c * r
    return b, c, row["girth"], row["levels"], float(np.sqrt(rest))


def draw_of(seed: int, options: PatientOptions, alignment: Mapping[str, Any]) -> Draw:
    """Return the deviates of the person of a seed and wishes."""
    who = person(seed, options)
    mean, sd, _ = pooled_stature()
    stated = seed != 0 or options.sex is not None
    return Draw(
        seed=seed,
        stature=(who.stature_cm - mean) / sd,
        sex=(1.0 if who.sex == "male" else -1.0) if stated else 0.0,
        years=float(who.age - table()["person"]["age_default"]["value"]),
        asymmetry=alignment["asymmetry"]["value"],
        fixed=tuple(alignment["asymmetry_default"]["values"]),
    )
