"""Imported patients as scenarios see them: a file is known by its hash, and named in the study and in the record.

A scenario on an imported patient is called "<scenario>/patient.<first 16 digits of the content hash>". Whoever
replays it needs the file: `register` says where to look (the paths are inherited by worker processes).
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from anatomy_assets.imports.store import content_hash_of, read_patient
from scenarios.schema import ScenarioFile
from sim.command import LEVELS
from sim.errors import UsageError
from sim.phantom import Phantom

MARK = "/patient."
PATHS = "SCOTTIE_PATIENTS"
"""Environment variable: files and folders in which imported patients are looked for."""
DIGITS = 16


def register(path: Path) -> None:
    """Look for imported patients in this file or folder, too; UsageError when there is no such thing."""
    if not path.exists():
        raise UsageError(f"--patient {path}: no such file or folder; expected X.phantom (main.py import) or a folder of them")
    known = [p for p in os.environ.get(PATHS, "").split(os.pathsep) if p]
    if str(path.resolve()) not in known:
        os.environ[PATHS] = os.pathsep.join([*known, str(path.resolve())])


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
    for place in [Path(p) for p in os.environ.get(PATHS, "").split(os.pathsep) if p]:
        for path in sorted(place.rglob("*.phantom")) if place.is_dir() else [place]:
            if (content_hash_of(path) or "").startswith(digits) and digits:
                return read_patient(path)
    raise UsageError(f"made on the imported patient {digits}: say --patient with that file, or the folder that holds it")


def adapted(file: ScenarioFile, phantom: Phantom) -> ScenarioFile:
    """Return a scenario for an imported patient: its own level, or the nearest whole one (upper first)."""
    if file.vessel.at_target:
        raise UsageError(f"{file.id}: puts a vessel at the target; expected a generated patient (leave out --patient)")
    target = file.target
    here = LEVELS.index(target.level)
    key = f"target.{target.approach}.{{}}.{target.side}"
    whole = [i for i, level in enumerate(LEVELS) if key.format(level) in phantom.landmarks and level != "S1"]
    if target.level == "S1" or not whole:
        if key.format(target.level) in phantom.landmarks:
            return file
        raise UsageError(f"{file.id}: needs {target.level} whole; this patient has {_levels(phantom) or 'none'}")
    best = min(whole, key=lambda i: (abs(i - here), i))
    return file.model_copy(update={"target": target.model_copy(update={"level": LEVELS[best]})})


def _levels(phantom: Phantom) -> str:
    return ", ".join(level for level in LEVELS if f"target.subpedicular.{level}.left" in phantom.landmarks)


def told(file: ScenarioFile, chosen: ScenarioFile) -> str | None:
    """Return the line that says that a task moved to another level."""
    if file.target.level == chosen.target.level:
        return None
    return f"{file.target.level} is not whole on this patient: the task is at {chosen.target.level}"
