"""What a scenario file may say. A scenario never runs code; a mistake is one clear line on load."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from anatomy_assets.pathology import Pathology, check
from scenarios.toml_file import Quantity, Status, Strict
from sim.clinic import CHECKS, REASONS, RISKS
from sim.errors import UsageError

FILLING = ("transpedicular", "parapedicular")
"""Approaches that fill a body with cement; their ways are searched on the patient's own bone (scenarios/vertebral.py)."""
Level = Literal["L1", "L2", "L3", "L4", "L5", "S1", "T12", "T11"]
Side = Literal["left", "right"]


class PatientTable(Strict):
    """Who lies on the table. Fields left out are drawn from the population by the seed."""

    name: str
    sex: Literal["female", "male"]
    age_years: Annotated[int, Field(ge=18, le=99)]
    weight_kg: Annotated[float, Field(ge=30, le=250)]
    height_cm: Annotated[float, Field(ge=120, le=220)]
    allergies: list[str] = Field(default_factory=list)
    medication: list[str] = Field(default_factory=list)
    history: str

    @property
    def bmi(self) -> float:
        """Body mass index in kg/m2."""
        return self.weight_kg / (self.height_cm / 100.0) ** 2


class TargetTable(Strict):
    """Where the needle should end; how near is near enough is the rubric's matter."""

    level: Level
    side: Side
    approach: Literal["subpedicular", "infraneural", "medial_branch", "transpedicular", "parapedicular"]


class VesselTable(Strict):
    """A vessel laid through the usual target (the trap), at the level and side of the target."""

    at_target: bool
    by_chance: bool = False
    """Small vessels lie at the tip as often as published for the region, drawn per patient and place."""


class PathologyTable(Strict):
    """One finding of the patient ([[pathology]]): kind, place, grade, and single measures that differ from the grade.

    Kinds, measures and their ranges: anatomy_assets/morphometry/pathology.toml.
    """

    kind: str
    level: str = ""
    side: str = ""
    grade: str = "mild"
    measure: dict[str, float | bool | str] = Field(default_factory=dict)

    @property
    def found(self) -> Pathology:
        """The checked value; UsageError says what was expected."""
        return Pathology(self.kind, self.level, self.side, self.grade, tuple(sorted(self.measure.items())))

    @model_validator(mode="after")
    def _known(self) -> PathologyTable:
        try:
            _ = self.found
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self


class MedicationRow(Strict):
    """One drug on the list, and when it was last taken."""

    name: str
    last_taken: str
    role: Literal["anticoagulant", "antiplatelet", "other"] = "other"


class LabRow(Strict):
    """One laboratory value of this invented patient."""

    name: str
    result: float
    unit: str
    taken: str


class ChartFinding(Strict):
    """What follows from the chart: `must` "postpone" for the reason `what`, or "avoid" the agent or kind of agent `what`.

    `says` is shown in the debrief, never before. A finding that is not verified may be practised and never assessed.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    must: Literal["postpone", "avoid"]
    what: str
    says: str
    source: Annotated[str, Field(min_length=1)]
    status: Status

    @model_validator(mode="after")
    def _known(self) -> ChartFinding:
        if self.must == "postpone" and self.what not in REASONS:
            raise ValueError(f"what '{self.what}'; expected one of: {', '.join(REASONS)}")
        return self


class ChartTable(Strict):
    """The chart ([chart]): what is known before the needle, and what a talk and a discharge must hold in this case."""

    indication: str
    imaging: str
    policy: str = ""
    """The site's rule that decides where guidelines differ (antithrombotics)."""
    pregnancy: Literal["not applicable", "excluded", "not tested", "confirmed"] = "not applicable"
    infection: str = "none"
    medication: list[MedicationRow] = Field(default_factory=list)
    lab: list[LabRow] = Field(default_factory=list)
    finding: list[ChartFinding] = Field(default_factory=list)
    risks: list[str] = Field(default_factory=list)
    discharge: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _words(self) -> ChartTable:
        for name, given, known in (("risks", self.risks, RISKS), ("discharge", self.discharge, CHECKS)):
            unknown = [word for word in given if word not in known]
            if unknown or len(set(given)) < len(given):
                raise ValueError(f"{name}: {unknown or given}; expected each once, out of: {', '.join(known)}")
        if len({one.id for one in self.finding}) < len(self.finding):
            raise ValueError("finding: expected every id once")
        return self


class DemonstrationTable(Strict):
    """What the scripted operators use; trainees choose for themselves."""

    needle: str
    contrast: str = ""
    contrast_ul: Annotated[int, Field(ge=100, le=5000)] = 100
    drug: str = ""
    drug_ul: Annotated[int, Field(ge=100, le=5000)] = 100
    cement: str = ""
    cement_ul: Annotated[int, Field(ge=500, le=10_000)] = 500

    @model_validator(mode="after")
    def _drug_or_cement(self) -> DemonstrationTable:
        if bool(self.cement) == bool(self.contrast and self.drug) or bool(self.contrast) != bool(self.drug):
            raise ValueError("expected contrast and drug with their volumes, or cement with its volume")
        return self


class CorticalDefectTable(Strict):
    """A hole in the cortex of the planned body ([[cortical_defect]]): through it cement leaves the bone (sim/cement_body).

    across_mm, up_mm: from the wall's middle towards the patient's left (lateral walls and end plates: backwards), and upwards
    (end plates: left).
    """

    wall: Literal["anterior", "left", "right", "posterior", "superior", "inferior"]
    across_mm: Annotated[float, Field(ge=-15.0, le=15.0)] = 0.0
    up_mm: Annotated[float, Field(ge=-10.0, le=10.0)] = 0.0


class DrillTable(Strict):
    """A foundation drill ([drill]): what is asked (sim/drill.py), how often, and how the C-arm stands at first (mdeg)."""

    kind: Literal["square", "tunnel", "centre", "point", "needle", "choose"]
    questions: Annotated[int, Field(ge=1, le=8)]
    primary_mdeg: Annotated[int, Field(ge=-60_000, le=60_000)] = 0
    secondary_mdeg: Annotated[int, Field(ge=-30_000, le=30_000)] = 0


class ScenarioFile(Strict):
    """One scenario. `version` is raised whenever the same commands could give another score."""

    format: Literal[1]
    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[int, Field(ge=1)]
    procedure: str
    title: str
    vignette: str
    difficulty: Literal["easy", "medium", "hard"]
    tags: list[str]
    brief: str
    rubric: str
    patient: PatientTable
    target: TargetTable
    further: list[TargetTable] = Field(default_factory=list)
    """Goals beside the main one, same approach (the other nerves of a block)."""
    vessel: VesselTable
    demonstration: DemonstrationTable
    pathology: list[PathologyTable] = Field(default_factory=list)
    cortical_defect: list[CorticalDefectTable] = Field(default_factory=list)
    drill: DrillTable | None = None
    """What procedure "drill" asks; nothing for any other."""
    chart: ChartTable | None = None
    retired: bool = False
    """A retired scenario can still be replayed and verified; no new battery may hold it."""
    retired_reason: str = ""

    @model_validator(mode="after")
    def _goals_differ(self) -> ScenarioFile:
        places = [(t.level, t.side) for t in (self.target, *self.further)]
        if len(set(places)) < len(places):
            raise ValueError(f"further: {places}; expected each level and side once")
        if any(t.approach != self.target.approach for t in self.further):
            raise ValueError(f"further: expected approach '{self.target.approach}' as in [target]")
        if self.vessel.at_target and self.target.approach != "subpedicular":
            raise ValueError("vessel.at_target: a vessel can be laid through a subpedicular target only")
        return self

    @model_validator(mode="after")
    def _fills_a_body(self) -> ScenarioFile:
        filling = self.target.approach in FILLING
        if self.cortical_defect and not filling:
            raise ValueError("cortical_defect: expected only with a transpedicular or parapedicular target")
        if filling != bool(self.demonstration.cement):
            raise ValueError("demonstration: expected cement with a transpedicular or parapedicular target, and only there")
        if filling and self.target.level == "S1":
            raise ValueError("target: S1 has no body that can be filled; expected T11 to L5")
        if not filling and self.target.level.startswith("T"):
            raise ValueError(f"target: {self.target.level}; expected L1 to S1 with this approach")
        return self

    @model_validator(mode="after")
    def _drill_belongs(self) -> ScenarioFile:
        if (self.procedure == "drill") != (self.drill is not None):
            raise ValueError(f"procedure '{self.procedure}': procedure 'drill' and the table [drill] belong together")
        return self

    @model_validator(mode="after")
    def _says_why(self) -> ScenarioFile:
        if self.retired != bool(self.retired_reason):
            raise ValueError("retired and retired_reason belong together; expected both or neither")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> ScenarioFile:
        try:
            check(self.findings, "lumbosacral", bmi_given=True, density_given=False)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def findings(self) -> tuple[Pathology, ...]:
        """What the patient suffers from."""
        return tuple(one.found for one in self.pathology)

    @property
    def postpones(self) -> tuple[str, ...]:
        """The reasons for which this case must be postponed; empty where it may be done."""
        return tuple(one.what for one in self.chart.finding if one.must == "postpone") if self.chart else ()

    @property
    def avoids(self) -> tuple[str, ...]:
        """Agents and kinds of agent that this patient must not be given."""
        return tuple(one.what for one in self.chart.finding if one.must == "avoid") if self.chart else ()


__all__ = [
    "ChartTable",
    "Level",
    "PathologyTable",
    "PatientTable",
    "Quantity",
    "ScenarioFile",
    "Side",
    "TargetTable",
    "VesselTable",
]
