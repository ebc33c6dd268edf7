"""Scripted operators: they act through commands alone and see what a person in the room would see."""

from __future__ import annotations

from collections.abc import Callable

from scenarios.operators import drill, mbb, tfesi, vp
from scenarios.operators.drill import DRILL_FAULTS, DRILL_OPERATORS
from scenarios.operators.mbb import MBB_FAULTS, MBB_OPERATORS
from scenarios.operators.room import Room, Script
from scenarios.operators.tfesi import TFESI_FAULTS, TFESI_OPERATORS
from scenarios.operators.vp import VP_FAULTS, VP_OPERATORS
from scenarios.registry import Scenario
from sim.errors import unknown_name

OPERATORS = {"drill": DRILL_OPERATORS, "mbb": MBB_OPERATORS, "tfesi": TFESI_OPERATORS, "vertebroplasty": VP_OPERATORS}
"""procedure -> operator name -> script."""

FAULTS = {"drill": DRILL_FAULTS, "mbb": MBB_FAULTS, "tfesi": TFESI_FAULTS, "vertebroplasty": VP_FAULTS}
"""procedure -> careless operator -> the critical error that must show ("": none, the passing rule alone is broken)."""

ON_CHART = ("goes-on", "wrong-reason")
"""Careless operators of a case that must be postponed."""

GRADED: dict[str, Callable[[str], Script | None]] = {
    "drill": drill.graded,
    "mbb": mbb.graded,
    "tfesi": tfesi.graded,
    "vertebroplasty": vp.graded,
}
"""procedure -> maker of an operator of any skill from a name like trainee-37 (for simulated cohorts)."""


def operator_names(scenario: Scenario) -> list[str]:
    """Return the operators that know the scenario's procedure."""
    return sorted(OPERATORS.get(scenario.file.procedure, {}))


def faults_of(scenario: Scenario) -> dict[str, str]:
    """Return which careless operators must fail on a scenario, and by which critical error.

    Who ignores a vessel shows it only where one lies at the target; the others show their fault where none does. Who does
    not act on the chart shows it where the chart asks for something; who drives into the disc, on the way beside it.
    """
    known, file = FAULTS.get(scenario.file.procedure, {}), scenario.file
    if file.postpones:
        return {name: known[name] for name in ON_CHART if name in known}
    left_out = {*ON_CHART}
    left_out |= set() if file.chart else {"postpones-fit"}
    left_out |= set() if file.avoids else {"forbidden-agent"}
    left_out |= set() if file.target.approach == "infraneural" else {"into-disc"}
    at_target = file.vessel.at_target
    return {n: fault for n, fault in known.items() if (n == "ignores-vascular") == at_target and n not in left_out}


def find_operator(scenario: Scenario, name: str) -> Script:
    """Return the script of an operator; UsageError names the nearest known one."""
    known = OPERATORS.get(scenario.file.procedure, {})
    if name not in known:
        made = GRADED[scenario.file.procedure](name) if scenario.file.procedure in GRADED else None
        if made is not None:
            return made
        raise unknown_name("operator", name, known)
    return known[name]


__all__ = ["FAULTS", "OPERATORS", "Room", "Script", "faults_of", "find_operator", "operator_names"]
