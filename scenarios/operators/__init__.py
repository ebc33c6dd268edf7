"""Scripted operators: they act through commands alone and see what a person in the room would see."""

from __future__ import annotations

from collections.abc import Callable

from scenarios.operators import mbb, tfesi
from scenarios.operators.mbb import MBB_OPERATORS
from scenarios.operators.room import Room, Script
from scenarios.operators.tfesi import TFESI_OPERATORS
from scenarios.registry import Scenario
from sim.errors import unknown_name

OPERATORS = {"mbb": MBB_OPERATORS, "tfesi": TFESI_OPERATORS}
"""procedure -> operator name -> script."""

GRADED: dict[str, Callable[[str], Script | None]] = {"mbb": mbb.graded, "tfesi": tfesi.graded}
"""procedure -> maker of an operator of any skill from a name like trainee-37 (for simulated cohorts)."""


def operator_names(scenario: Scenario) -> list[str]:
    """Return the operators that know the scenario's procedure."""
    return sorted(OPERATORS.get(scenario.file.procedure, {}))


def find_operator(scenario: Scenario, name: str) -> Script:
    """Return the script of an operator; UsageError names the nearest known one."""
    known = OPERATORS.get(scenario.file.procedure, {})
    if name not in known:
        made = GRADED[scenario.file.procedure](name) if scenario.file.procedure in GRADED else None
        if made is not None:
            return made
        raise unknown_name("operator", name, known)
    return known[name]


__all__ = ["OPERATORS", "Room", "Script", "find_operator", "operator_names"]
