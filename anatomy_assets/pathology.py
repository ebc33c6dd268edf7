"""What a patient suffers from: a checked value per finding. The knobs are morphometry/pathology.toml.

A `Pathology` says kind, place and grade; single knobs may be set apart from their grade. How each changes the patient:
disease.py (sizes and discs), solve.py (what is met by measuring), hardware.py (implants), lesions of the soft parts
(`Lesion`, laid by sac.py, soft_tissue.py and great_vessels.py).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sim.errors import UsageError

TABLE = Path(__file__).parent / "morphometry" / "pathology.toml"
GRADES = ("mild", "severe")
Knob = float | str | bool
BESIDE = {"both": ("left", "right"), "left": ("left",), "right": ("right",), "": ()}
SAME_DISC = ("disc_height_loss", "foraminal_stenosis", "transitional")
"""Kinds that each decide the height of a disc: one of them per disc."""


@cache
def table() -> Mapping[str, Any]:
    """Return morphometry/pathology.toml."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Pathology:
    """One finding. level: the vertebra, or the one above the disc, joint or foramen; values: knobs set by hand."""

    kind: str
    level: str = ""
    side: str = ""
    grade: str = "mild"
    values: tuple[tuple[str, Knob], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in table():
            raise UsageError(f"pathology '{self.kind}': expected one of {', '.join(table())}")
        row = table()[self.kind]
        _allowed(self.kind, "level", self.level, row["levels"])
        _allowed(self.kind, "side", self.side, row["sides"])
        _allowed(self.kind, "grade", self.grade, GRADES)
        for name, value in self.values:
            _check(self.kind, name, value, row["knobs"])

    def __getitem__(self, name: str) -> Any:
        """Return a knob: the value set, else that of the grade."""
        return dict(self.values).get(name, table()[self.kind]["knobs"][name][self.grade])

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides meant."""
        return BESIDE[self.side]

    @property
    def told(self) -> dict[str, Knob]:
        """What the chart says: kind, place and every knob."""
        place = {k: v for k, v in (("level", self.level), ("side", self.side)) if v}
        return {"kind": self.kind, **place, "grade": self.grade, **{k: self[k] for k in table()[self.kind]["knobs"]}}


def _allowed(kind: str, what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        expected = f"one of {', '.join(a for a in allowed if a)}" if any(allowed) else "none"
        raise UsageError(f"pathology {kind}: {what} '{value}'; expected {expected}")


def _check(kind: str, name: str, value: object, knobs: Mapping[str, Any]) -> None:
    if name not in knobs:
        raise UsageError(f"pathology {kind}: unknown measure '{name}'; expected one of {', '.join(knobs)}")
    row = knobs[name]
    if "choices" in row:
        good, expected = value in row["choices"], f"one of {', '.join(row['choices'])}"
    elif "range" in row:
        low, high = row["range"]
        good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        expected = f"{low:g} to {high:g} ({row['unit']})"
    else:
        good, expected = isinstance(value, bool), "true or false"
    if not good:
        raise UsageError(f"pathology {kind}: {name} is {value!r}; expected {expected}")


def check(found: Sequence[Pathology], field: str, bmi_given: bool, density_given: bool) -> None:
    """Raise UsageError where findings contradict each other or the wishes for the patient."""
    seen: dict[tuple[str, str, str], Pathology] = {}
    for p in found:
        for side in p.sides or ("",):
            if (p.kind, p.level, side) in seen:
                raise UsageError(f"pathology {p.kind} {p.level} {side}: given twice; expected once per place".replace("  ", " "))
            seen[p.kind, p.level, side] = p
        one = next((q for q in found if q is not p and q.kind == p.kind and not p.sides), None)
        if one is not None and p.kind in ("scoliosis", "listhesis", "fusion", "transitional"):
            raise UsageError(f"pathology {p.kind}: given for {one.level} and {p.level}; expected one per patient")
    discs: dict[str, str] = {}
    for p in found:
        if p.kind in SAME_DISC and discs.setdefault(p.level, p.kind) != p.kind:
            raise UsageError(f"pathology {p.kind} and {discs[p.level]} at {p.level}: both set its disc; expected one of them")
    kinds = {p.kind for p in found}
    if "obesity" in kinds and bmi_given:
        raise UsageError("pathology obesity together with bmi or weight_kg: expected one of them")
    if "osteoporosis" in kinds and density_given:
        raise UsageError("pathology osteoporosis together with bone_density: expected one of them")
    if "high_crest" in kinds and field != "lumbosacral":
        raise UsageError(f"pathology high_crest in the field '{field}': it has no hip bones; expected 'lumbosacral'")
    for p in found:
        if p.kind == "fusion" and int(p.level[1]) + int(p["segments"]) > 6:
            raise UsageError(
                f"pathology fusion {p.level}: {p['segments']:g} segments end below S1; expected at most {6 - int(p.level[1])}"
            )
        isthmic = p.kind == "listhesis" and p["cause"] == "isthmic"
        if isthmic and any(q.kind == "fusion" and q["laminectomy"] and q.level <= p.level for q in found):
            raise UsageError(f"pathology listhesis {p.level} (isthmic) with a laminectomy there: expected one of them")


def of_kind(found: Sequence[Pathology], kind: str) -> list[Pathology]:
    """Return the findings of one kind."""
    return [p for p in found if p.kind == kind]


def preset(kind: str, grade: str, level: str = "", side: str = "") -> Pathology:
    """Return a finding of a grade; place left out: the first that is usual for the kind."""
    row, usual = table()[kind], USUAL.get(f"{kind}/{grade}", USUAL.get(kind, ("", "")))
    level = level or (usual[0] if any(row["levels"]) else "")
    side = side or (usual[1] if any(row["sides"]) else "")
    return Pathology(kind, level, side, grade)


USUAL = {
    "compression_fracture": ("L1", ""),
    "scoliosis": ("L2", "left"),
    "listhesis": ("L4", ""),
    "listhesis/severe": ("L5", ""),
    "disc_height_loss": ("L4", ""),
    "facet_hypertrophy": ("L4", "both"),
    "foraminal_stenosis": ("L4", "right"),
    "central_stenosis": ("L3", ""),
    "transitional": ("L5", "both"),
    "fusion": ("L4", ""),
}
"""Where a kind (or a grade of it) is shown when nobody says where."""


@dataclass(frozen=True)
class Lesion:
    """What a finding does to the soft parts about one disc (named by the vertebra above it).

    sac_depth_mm: depth of the sac there (0: as it comes); bulge_mm: disc into the canal; flavum_mm: flavum thicker by;
    vacuum: gas in the disc; laminectomy: no flavum left.
    """

    sac_depth_mm: float = 0.0
    flavum_share: float = 0.5
    vacuum: bool = False
    laminectomy: bool = False


@dataclass(frozen=True)
class Lesions:
    """All of them: by disc, gas clefts by body, vertebrae by which the great vessels divide higher."""

    discs: Mapping[str, Lesion]
    clefts: tuple[str, ...] = ()
    division_up: float = 0.0


NO_LESIONS = Lesions({})


def lesions(found: Sequence[Pathology]) -> Lesions:
    """Return what the findings do to the soft parts."""
    discs: dict[str, dict[str, Any]] = {}
    clefts = tuple(p.level for p in of_kind(found, "compression_fracture") if p["cleft"])
    for p in found:
        own = discs.setdefault(p.level, {}) if p.level else {}
        if p.kind == "central_stenosis":
            own |= {"sac_depth_mm": float(p["sac_depth_mm"]), "flavum_share": float(p["flavum_share"])}
        if p.kind == "disc_height_loss":
            own["vacuum"] = bool(p["vacuum"])
        if p.kind == "fusion" and p["laminectomy"]:
            for i in range(int(p["segments"])):
                discs.setdefault(f"L{int(p.level[1]) + i}", {})["laminectomy"] = True
    up = max((float(p["division_up"]) for p in of_kind(found, "transitional")), default=0.0)
    made = {level: Lesion(**own) for level, own in discs.items() if own}
    return Lesions(made, clefts, up) if made or clefts or up else NO_LESIONS
