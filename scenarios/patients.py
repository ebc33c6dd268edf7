"""Imported patients as scenarios see them: a file is known by its hash, and named in the study and in the record.

A scenario on an imported patient is called "<scenario>/patient.<first 16 digits of the content hash>". Whoever
replays it needs the file: `register` says where to look (the paths are inherited by worker processes).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from anatomy_assets.imports.store import content_hash_of, read_patient
from scenarios.folders import remember, remembered
from scenarios.schema import FILLING, ScenarioFile, TargetTable
from sim.command import LUMBAR
from sim.errors import UsageError
from sim.phantom import Phantom

DOWN = ("T11", "T12", *LUMBAR)
"""The levels from above downwards."""

MARK = "/patient."
PATHS = "SCOTTIE_PATIENTS"
"""Environment variable: files and folders in which imported patients are looked for."""
DIGITS = 16


def register(path: Path) -> None:
    """Look for imported patients in this file or folder, too; UsageError when there is no such thing."""
    if not path.exists():
        raise UsageError(f"--patient {path}: no such file or folder; expected X.phantom (main.py import) or a folder of them")
    remember(PATHS, path)


def on_patient(name: str, patient: Path | None) -> str:
    """Return the name of a scenario on the patient of a file (the scenario's own name without one)."""
    if patient is None:
        return name
    if patient.is_dir():
        raise UsageError(f"--patient {patient}: is a folder; expected one X.phantom file")
    register(patient)
    return f"{name}{MARK}{read_patient(patient).content_hash[:DIGITS]}"


def split(name: str) -> tuple[str, str]:
    """Return (scenario, first digits of the patient's hash or "") of a study's name."""
    scenario, _, patient = name.partition(MARK)
    return scenario, patient


@lru_cache(maxsize=2)
def find_patient(digits: str) -> Phantom:
    """Return the registered patient whose hash begins so; UsageError says what to do when the file is not there."""
    for place in remembered(PATHS):
        for path in sorted(place.rglob("*.phantom")) if place.is_dir() else [place]:
            if (content_hash_of(path) or "").startswith(digits) and digits:
                return read_patient(path)
    raise UsageError(f"made on the imported patient {digits}: say --patient with that file, or the folder that holds it")


@lru_cache(maxsize=2)
def trapped(digits: str, level: str, side: str) -> Phantom:
    """Return the registered patient with a vascular trap at one target (anatomy_assets/imports/trap.py)."""
    from anatomy_assets.imports.trap import with_trap  # heavy: lists and help must answer at once

    return with_trap(find_patient(digits), level, side)


def words(phantom: Phantom) -> str:
    """Return what is an imported patient's own and what a model added, for chart, report and export; "" for a generated one."""
    if not phantom.modelled:
        return ""
    own = ", ".join(str(n) for n in phantom.individual.get("levels", ())) or "none"
    return (
        f"Imported patient. The patient's own vertebrae: {own}. Modelled, not the patient's own: {', '.join(phantom.modelled)}."
    )


def adapted(file: ScenarioFile, phantom: Phantom) -> ScenarioFile:
    """Return a scenario for an imported patient: its own level, or the nearest whole one (upper first).

    A block of several nerves moves as a whole. The chart says what of the patient is modelled. A scenario with a vessel
    at the target needs a level with an alternative target beside the usual one.
    """
    history = " ".join((file.patient.history, *_lines(file, phantom))).strip()
    targets = (file.target, *file.further)
    steps = [s for s in range(-len(DOWN), len(DOWN)) if all(_there(t, s, file.vessel.at_target, phantom) for t in targets)]
    if not steps:
        raise UsageError(f"{file.id}: needs {file.target.level} whole; this patient has {_levels(phantom) or 'none'}")
    step = min(steps, key=lambda s: (abs(s), s))
    moved = [t.model_copy(update={"level": DOWN[DOWN.index(t.level) + step]}) for t in targets]
    patient = file.patient.model_copy(update={"history": history})
    return file.model_copy(update={"target": moved[0], "further": moved[1:], "patient": patient})


def _there(target: TargetTable, step: int, vessel: bool, phantom: Phantom) -> bool:
    """Return whether a patient has a target, moved down by `step` levels; nothing moves from or to the sacrum."""
    here = DOWN.index(target.level) + step
    if not 0 <= here < len(DOWN) or (step and "S1" in (target.level, DOWN[here])):
        return False
    if target.approach in FILLING:
        from scenarios.vertebral import way_into  # heavy: lists and help must answer at once

        return way_into(phantom, target.approach, DOWN[here], target.side) is not None
    approaches = (target.approach, "alternative") if vessel else (target.approach,)
    return all(f"target.{a}.{DOWN[here]}.{target.side}" in phantom.landmarks for a in approaches)


def _levels(phantom: Phantom) -> str:
    return ", ".join(level for level in DOWN if f"target.subpedicular.{level}.left" in phantom.landmarks)


def _lines(file: ScenarioFile, phantom: Phantom) -> list[str]:
    """Return what the chart says of an imported patient."""
    out = [words(phantom)]
    if file.pathology:
        kinds = ", ".join(sorted({one.kind.replace("_", " ") for one in file.pathology}))
        out.append(f"The scenario's findings ({kinds}) are not laid on an imported patient.")
    if file.vessel.at_target:
        out.append("The vessels at the target are the scenario's.")
    return [line for line in out if line]


def told(file: ScenarioFile, chosen: ScenarioFile) -> str | None:
    """Return the line that says that a task moved to another level."""
    if file.target.level == chosen.target.level:
        return None
    return f"{file.target.level} is not whole on this patient: the task is at {chosen.target.level}"
