"""The checks that every scenario has to pass, one line each: for authors (main.py check-scenario) and for the tests."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scenarios.chart import blockers
from scenarios.headless import run_script
from scenarios.operators import OPERATORS, faults_of, find_operator
from scenarios.registry import Scenario
from scenarios.study import make_study
from sim.command import Command
from sim.event import Event
from sim.session import Session
from sim.state import State, Study

STATUS = ("verified", "recalled", "computed", "measured", "placeholder")
Judge = Callable[[list[Event], list[tuple[int, Command]]], tuple[bool, list[str], str]]
"""(events, commands) -> (passed, critical errors, why not): given by whoever knows the scoring."""


@dataclass(frozen=True)
class Line:
    """One check: what, whether it holds, and what was found."""

    what: str
    good: bool
    found: str


def check_file(scenario: Scenario) -> Iterator[Line]:
    """Check what can be checked without building the patient; the file itself has been loaded already."""
    file = scenario.file
    yield Line("file", True, f"{scenario.id} version {file.version}, {file.procedure}, {file.difficulty}")
    yield Line("procedure", file.procedure in OPERATORS, f"'{file.procedure}'; there are: {', '.join(sorted(OPERATORS))}")
    yield Line("brief", scenario.brief_path.read_text(encoding="utf-8").startswith("# "), str(scenario.brief_path))
    tables = tomllib.loads(scenario.path.read_text(encoding="utf-8"))
    tables |= {"rubric file": tomllib.loads(scenario.rubric_path.read_text(encoding="utf-8"))}
    rows = list(_sourced(tables))
    bad = [row for row in rows if not str(row["source"]).strip() or row["status"] not in STATUS]
    yield Line("sources", bool(rows) and not bad, f"{len(rows)} numbers and findings with source and status, {len(bad)} without")
    held = blockers(file)
    yield Line("assessment", True, f"practice only: {held[0]}" if held else "nothing in the chart forbids it")


def _sourced(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if {"source", "status"} <= set(node):
            yield node
        for child in node.values():
            yield from _sourced(child)
    elif isinstance(node, list):
        for child in node:
            yield from _sourced(child)


def check_attempts(
    scenario: Scenario, seeds: range, careless: range, judge: Judge, progress: Callable[[str, float], None] | None = None
) -> Iterator[Line]:
    """Run the expert on `seeds` (he must pass), twice on the first (same digests), and each careless operator on `careless`."""
    for seed in seeds:
        study = make_study(scenario, seed, progress=progress)
        passed, errors, why, digest = _run(study, scenario, "expert", judge)
        yield Line(f"expert, seed {seed}", passed and not errors, "passes" if passed else f"{errors or why}")
        if seed == seeds[0]:
            yield Line("the same again", _run(study, scenario, "expert", judge)[3] == digest, "same commands, same state")
        if seed in careless:
            for name, fault in sorted(faults_of(scenario).items()):
                passed, errors, why, _ = _run(study, scenario, name, judge)
                shows = fault in errors if fault else not errors
                yield Line(
                    f"{name}, seed {seed}",
                    shows and not passed,
                    f"{', '.join(errors) or why} (expected: {fault or 'not passed'})",
                )


def _run(study: Study, scenario: Scenario, operator: str, judge: Judge) -> tuple[bool, list[str], str, str]:
    session = Session(study)
    given: list[tuple[int, Command]] = []

    def tick(command: Command) -> tuple[State, tuple[Event, ...]]:
        if command.op != "idle":
            session.send(command)
            given.append((session.state.tick + 1, command))
        _, new = session.tick()
        return session.state, new

    run_script(study, scenario, find_operator(scenario, operator), tick, session.state)
    return *judge(session.events, given), session.state.digest()
