"""Finds scenario files: the shipped ones by id, any other by the path of its TOML file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from scenarios.folders import remember, remembered
from scenarios.patients import MARK, adapted, find_patient, split
from scenarios.schema import ScenarioFile
from scenarios.toml_file import load
from sim.errors import DataError, UsageError, unknown_name

ROOT = Path(__file__).parent
FOLDERS = "SCOTTIE_SCENARIOS"
"""Environment variable: further folders in which scenario files are looked for (inherited by worker processes)."""


@dataclass(frozen=True)
class Scenario:
    """A loaded scenario: its file, its checked content and where rubric and brief lie."""

    path: Path
    file: ScenarioFile
    patient: str = ""  # first digits of the hash of an imported patient

    @property
    def id(self) -> str:
        """Identifier as used on the command line and in records."""
        return self.file.id

    @property
    def study_id(self) -> str:
        """Name of this scenario on this patient, as records name it."""
        return f"{self.id}{MARK}{self.patient}" if self.patient else self.id

    @property
    def rubric_path(self) -> Path:
        """The rubric that scores this scenario: beside its file, else the shipped one of its procedure."""
        return self._beside(self.file.rubric)

    @property
    def brief_path(self) -> Path:
        """The trainee's brief (Markdown): beside the scenario's file, else the shipped one of its procedure."""
        return self._beside(self.file.brief)

    def _beside(self, name: str) -> Path:
        own, shipped = self.path.parent / name, ROOT / self.file.procedure / name
        return own if own.is_file() or not shipped.is_file() else shipped

    @property
    def hash(self) -> str:
        """SHA-256 of the scenario file and its brief (the rubric has its own hash)."""
        return hashlib.sha256(self.path.read_bytes() + b"\0" + self.brief_path.read_bytes()).hexdigest()


def load_scenario(path: Path) -> Scenario:
    """Return the scenario of a TOML file; DataError (file, key, value, expected) when it is wrong."""
    scenario = Scenario(path, load(path, ScenarioFile))
    for what, file in (("rubric", scenario.rubric_path), ("brief", scenario.brief_path)):
        if not file.is_file():
            raise DataError(f"{path}: key '{what}' is '{file.name}'; expected a file beside it or a shipped one, there is none")
    return scenario


def _is_rubric(path: Path) -> bool:
    """Return whether a file is a rubric: it has a table [rubric], which no scenario has."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.startswith("[rubric]") or "\n[rubric]" in text


def scenario_paths(root: Path = ROOT) -> list[Path]:
    """Return the scenario files of the shipped procedures, in name order."""
    return sorted(p for p in root.glob("*/*.toml") if p.parent.name != "data" and not _is_rubric(p))


def register(folder: Path) -> None:
    """Look for scenarios in this folder, too; UsageError when there is no such folder."""
    if not folder.is_dir():
        raise UsageError(f"--scenarios {folder}: no such folder; expected one with scenario files (docs/AUTHORING.md)")
    remember(FOLDERS, folder)


def further_paths() -> list[Path]:
    """Return the scenario files in the registered folders, in name order; a folder that is gone has none."""
    return [path for folder in remembered(FOLDERS) for path in sorted(folder.rglob("*.toml")) if not _is_rubric(path)]


def all_scenarios(root: Path = ROOT) -> tuple[list[Scenario], list[str]]:
    """Return (scenarios, errors): a broken file never hides the others; its error is one line."""
    good: dict[str, Scenario] = {}
    errors: list[str] = []
    for path in (*scenario_paths(root), *further_paths()):
        try:
            one = load_scenario(path)
            if one.id in good:
                raise DataError(f"{path}: key 'id' is '{one.id}'; expected another, {good[one.id].path} has it")
            good[one.id] = one
        except DataError as error:
            errors.append(str(error))
    return sorted(good.values(), key=lambda s: s.id), errors


def find_scenario(name: str) -> Scenario:
    """Return the scenario called `name`, or the one in the file of that path; "name/patient.<hash>" is that on an imported one.

    UsageError names the nearest known id; DataError when the file itself is wrong.
    """
    name, patient = split(name)
    if patient:
        plain = find_scenario(name)
        return replace(plain, file=adapted(plain.file, find_patient(patient)), patient=patient)
    if name.endswith(".toml"):
        return load_scenario(Path(name))
    good, errors = all_scenarios()
    for scenario in good:
        if scenario.id == name:
            return scenario
    for path in (*scenario_paths(), *further_paths()):
        if path.stem == name or f"{path.parent.name}-{path.stem}" == name:
            load_scenario(path)  # raises with the reason
    error = unknown_name("scenario", name, [s.id for s in good])
    if errors:
        error.args = (f"{error} ({len(errors)} scenario file(s) cannot be loaded: {errors[0]})",)
    raise error
