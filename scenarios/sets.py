"""Sets of cases (scenarios/sets.toml): what is practised together, and what a sealed battery may draw from."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from scenarios.registry import ROOT, Scenario, find_scenario
from scenarios.toml_file import Strict, load
from sim.errors import unknown_name


class CaseSet(Strict):
    """A named, ordered set of cases of one procedure."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: str
    procedure: str
    kind: Literal["practice", "assessment"]
    hard: Literal["easy", "medium", "hard"]
    cases: Annotated[list[str], Field(min_length=2)]

    @model_validator(mode="after")
    def _each_once(self) -> CaseSet:
        if len(set(self.cases)) < len(self.cases):
            raise ValueError(f"cases: {self.cases}; expected each once")
        return self

    def scenarios(self) -> list[Scenario]:
        """Return the cases in order; UsageError names one that does not exist."""
        return [find_scenario(name) for name in self.cases]


class SetsFile(Strict):
    """scenarios/sets.toml."""

    set: list[CaseSet]

    @model_validator(mode="after")
    def _each_once(self) -> SetsFile:
        if len({one.id for one in self.set}) < len(self.set):
            raise ValueError("set: expected every id once")
        return self


@cache
def load_sets(path: Path = ROOT / "sets.toml") -> tuple[CaseSet, ...]:
    """Return all sets; DataError (file, key, value, expected) when the file is wrong."""
    return tuple(load(path, SetsFile).set)


def find_set(name: str) -> CaseSet:
    """Return the set called `name`; UsageError names the nearest known one."""
    known = {one.id: one for one in load_sets()}
    if name not in known:
        raise unknown_name("set", name, known)
    return known[name]
