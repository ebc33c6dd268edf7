"""Choosing and doing an attempt: list, run, demo, play."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.common import AsJson, Patient, ScenarioName, check_seed, progress_bar, say
from commands.joints import attempt, on_patient, say_outcome, verdict_of, window_desk
from sim.errors import UsageError


def list_scenarios(json_: AsJson = False) -> None:
    """List the scenarios."""
    from scenarios.operators import operator_names
    from scenarios.registry import all_scenarios

    good, errors = all_scenarios()
    rows: list[dict[str, Any]] = [
        {
            "id": s.id,
            "version": s.file.version,
            "procedure": s.file.procedure,
            "tags": s.file.tags,
            "level": s.file.target.level,
            "side": s.file.target.side,
            "title": s.file.title,
            "operators": operator_names(s),
        }
        for s in good
    ]
    if json_:
        say(json.dumps(rows, indent=2))
    else:
        for row in rows:
            say(f"{row['id']:<28} v{row['version']}  {row['title']}")
            say(f"{'':<28}     operators: {', '.join(row['operators'])}")
    for error in errors:
        print(f"scottie: {error}", file=sys.stderr)


def run(
    scenario: ScenarioName,
    operator: Annotated[str, typer.Option(help="who acts: expert or one of the careless operators")] = "expert",
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
    out: Annotated[Path, typer.Option(help="folder for attempt.scottie, report.html and images/")] = Path("runs/latest"),
    mode: Annotated[str, typer.Option(help="practice or assessment")] = "practice",
    json_: AsJson = False,
    pictures: Annotated[bool, typer.Option(help="keep pictures for the report")] = True,
    patient: Patient = None,
) -> None:
    """Let a scripted operator do a scenario without a window."""
    scenario = on_patient(scenario, patient, quiet=json_)
    with progress_bar(quiet=json_) as progress:
        public, paths = attempt(scenario, operator, seed, out, mode, progress, pictures)
    if json_:
        say(json.dumps(public))
        return
    say_outcome(public)
    for path in paths:
        say(f"  {path}")


def demo(out: Annotated[Path, typer.Option(help="folder for the results")] = Path("runs/demo")) -> None:
    """Show the main job without a window: the expert's transforaminal injection, scored and verified."""
    say("Scottie: demonstration, expert operator, right L4 transforaminal injection")
    with progress_bar() as progress:
        public, paths = attempt("tfesi-l4l5-right", "expert", 1, out, "practice", progress, True)
        progress("verifying the attempt by replay", 0.95)
        verdict = verdict_of(paths[0])
    say_outcome(public)
    say(f"  verification: {verdict.status}")
    say(f"Report:   {paths[1]}")
    say(f"Pictures: {paths[2]}")
    say(f"Record:   {paths[0]}")
    say("With a display, scripts/run opens the window. Other scenarios: scripts/run list")


def play(
    scenario: Annotated[str | None, typer.Argument(help="scenario id")] = None,
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
    out: Annotated[Path, typer.Option(help="folder for the attempt")] = Path("runs/play"),
    patient: Patient = None,
) -> None:
    """Open the window."""
    from scenarios.registry import find_scenario
    from sim.window import require_display, run_window

    if patient is not None and scenario is None:
        raise UsageError("--patient: expected a scenario beside it (main.py play SCENARIO --patient X.phantom)")
    if scenario is not None:
        scenario = on_patient(scenario, patient)
        find_scenario(scenario)
    check_seed(seed)
    require_display()
    raise typer.Exit(run_window(window_desk(scenario, seed, out)))
