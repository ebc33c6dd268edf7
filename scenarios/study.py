"""Makes the Study of an attempt: patient, plan and tools of a scenario for one seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from anatomy_assets.patient import build
from anatomy_assets.population import PatientOptions
from scenarios.chart import demands
from scenarios.drilling import make_drill
from scenarios.gel import make_gel
from scenarios.patients import find_patient, trapped
from scenarios.plan import gel_plan, make_plan
from scenarios.registry import Scenario
from scenarios.schema import FILLING
from scenarios.toolbox import load_toolbox, tools_hash
from scenarios.vertebral import with_defects, with_ways
from sim.phantom import Phantom
from sim.state import Study

Progress = Callable[[str, float], None]


def make_phantom(scenario: Scenario, seed: int, progress: Progress | None = None) -> Phantom:
    """Return the patient of a scenario for one seed (from the cache when it was baked before), or the imported one."""
    phantom = _patient(scenario, seed, progress)
    file = scenario.file
    if file.target.approach not in FILLING:
        return phantom
    found = with_defects(phantom, file.target.level, [(d.wall, d.across_mm, d.up_mm) for d in file.cortical_defect])
    return with_ways(found, file.target.approach, [(t.level, t.side) for t in (file.target, *file.further)])


def _patient(scenario: Scenario, seed: int, progress: Progress | None) -> Phantom:
    file = scenario.file
    if file.drill is not None and file.drill.kind == "needle":
        return make_gel(seed)
    trap = (file.target.level, file.target.side) if file.vessel.at_target else None
    if scenario.patient:
        return trapped(scenario.patient, *trap) if trap else find_patient(scenario.patient)
    who = file.patient
    options = PatientOptions(
        sex=who.sex, age=who.age_years, stature_cm=who.height_cm, weight_kg=who.weight_kg, vascular_trap=trap,
        pathology=file.findings,
    )  # fmt: skip
    return build(seed, options, progress)


def make_study(scenario: Scenario, seed: int, mode: str = "practice", progress: Progress | None = None) -> Study:
    """Return the study of one attempt."""
    phantom = make_phantom(scenario, seed, progress)
    drill = scenario.file.drill
    block = drill is not None and drill.kind == "needle"
    plan = gel_plan(phantom) if block else make_plan(phantom, scenario.file.target, scenario.file.further)
    study = Study(
        scenario=scenario.study_id,
        scenario_hash=scenario.hash,
        tools_hash=tools_hash(),
        rubric_hash=hashlib.sha256(scenario.rubric_path.read_bytes()).hexdigest(),
        seed=seed,
        mode=mode,
        phantom=phantom,
        plan=replace(plan, vessel_by_chance=scenario.file.vessel.by_chance),
        toolbox=load_toolbox(),
        chart=demands(scenario.file),
    )
    return study if drill is None else replace(study, plan=replace(study.plan, drill=make_drill(study, drill)))
