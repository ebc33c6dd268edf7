"""Makes the Study of an attempt: patient, plan and tools of a scenario for one seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from anatomy_assets.patient import build
from anatomy_assets.population import PatientOptions
from scenarios.chart import demands
from scenarios.patients import find_patient, trapped
from scenarios.plan import make_plan
from scenarios.registry import Scenario
from scenarios.toolbox import load_toolbox, tools_hash
from sim.phantom import Phantom
from sim.state import Study

Progress = Callable[[str, float], None]


def make_phantom(scenario: Scenario, seed: int, progress: Progress | None = None) -> Phantom:
    """Return the patient of a scenario for one seed (from the cache when it was baked before), or the imported one."""
    file = scenario.file
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
    return Study(
        scenario=scenario.study_id,
        scenario_hash=scenario.hash,
        tools_hash=tools_hash(),
        rubric_hash=hashlib.sha256(scenario.rubric_path.read_bytes()).hexdigest(),
        seed=seed,
        mode=mode,
        phantom=phantom,
        plan=make_plan(phantom, scenario.file.target, scenario.file.further),
        toolbox=load_toolbox(),
        chart=demands(scenario.file),
    )
