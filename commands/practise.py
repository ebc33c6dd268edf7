"""Choosing and doing an attempt: list, run, demo, play."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.common import AsJson, Backend, Folder, Patient, check_seed, look_in, progress_bar, say
from commands.joints import attempt, on_patient, say_outcome, verdict_of, window_desk
from commands.seat import Who, seated


def list_scenarios(
    json_: AsJson = False,
    set_: Annotated[str, typer.Option("--set", help="only the cases of this set, in its order")] = "",
    tag: Annotated[str, typer.Option(help="only cases with this tag or difficulty (easy, medium, hard)")] = "",
    sets: Annotated[bool, typer.Option("--sets", help="list the sets instead")] = False,
    scenarios: Folder = None,
) -> None:
    """List the scenarios, or the sets of them."""
    from scenarios.operators import operator_names
    from scenarios.registry import all_scenarios
    from scenarios.sets import find_set

    look_in(scenarios)
    if sets:
        _list_sets(json_)
        return
    good, errors = all_scenarios()
    if set_:
        good = find_set(set_).scenarios()
    if tag:
        good = [s for s in good if tag in (s.file.difficulty, *s.file.tags)]
    rows: list[dict[str, Any]] = [
        {
            "id": s.id,
            "version": s.file.version,
            "procedure": s.file.procedure,
            "difficulty": s.file.difficulty,
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
        _print_cases(rows)
    for error in errors:
        print(f"scottie: {error}", file=sys.stderr)


def _print_cases(rows: list[dict[str, Any]]) -> None:
    """Print the cases of each procedure under its name and operators."""
    wide = max((len(row["id"]) for row in rows), default=0)
    for procedure in sorted({row["procedure"] for row in rows}):
        mine = [row for row in rows if row["procedure"] == procedure]
        say(f"{procedure}: {len(mine)} cases; operators: {', '.join(mine[0]['operators'])}")
        for row in mine:
            say(f"  {row['id']:<{wide}} v{row['version']}  {row['difficulty']:<6} {row['title']}")


def _list_sets(json_: bool) -> None:
    from scenarios.sets import load_sets

    if json_:
        say(json.dumps([one.model_dump() for one in load_sets()], indent=2))
        return
    for one in load_sets():
        say(f"{one.id:<24} {one.kind:<11} {one.hard:<7} {one.title}")
        say(f"{'':<24} {', '.join(one.cases)}")


Learner = Annotated[str, typer.Option(help="pseudonym of the learner (main.py learner add makes one)")]
Assignment = Annotated[Path | None, typer.Option(help="a sealed battery: its next item, as an assessment")]
ItemNumber = Annotated[int | None, typer.Option(help="battery: open this item again (counts as a repeat)")]
Site = Annotated[str, typer.Option(help="where: a code of the programme")]
Hand = Annotated[str, typer.Option(help="left or right")]


def run(
    scenario: Annotated[str | None, typer.Argument(help="scenario id (see: main.py list) or its TOML file")] = None,
    operator: Annotated[str, typer.Option(help="who acts: expert or one of the careless operators")] = "expert",
    seed: Annotated[int | None, typer.Option(help="which patient (1 unless given)")] = None,
    out: Annotated[Path, typer.Option(help="folder for attempt.scottie, report.html and images/")] = Path("runs/latest"),
    mode: Annotated[str | None, typer.Option(help="practice (unless given) or assessment")] = None,
    json_: AsJson = False,
    pictures: Annotated[bool, typer.Option(help="keep pictures for the report")] = True,
    battery: Assignment = None,
    learner: Learner = "",
    item: ItemNumber = None,
    site: Site = "",
    handedness: Hand = "",
    input_device: Annotated[str, typer.Option(help="what the commands came from")] = "script",
    patient: Patient = None,
    scenarios: Folder = None,
) -> None:
    """Let a scripted operator do a scenario, or the next item of a battery, without a window."""
    look_in(scenarios)
    scenario = on_patient(scenario, patient, quiet=json_)
    case = seated(battery, scenario, seed, mode, out, Who(learner, site, handedness, input_device), item)
    with progress_bar(quiet=json_) as progress:
        public, paths = attempt(case.scenario, operator, case.seed, case.folder, case.mode, progress, pictures, case.who)
    if json_:
        say(json.dumps(public | case.told()))
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
    seed: Annotated[int | None, typer.Option(help="which patient (1 unless given)")] = None,
    out: Annotated[Path, typer.Option(help="folder for the attempt")] = Path("runs/play"),
    battery: Assignment = None,
    learner: Learner = "",
    item: ItemNumber = None,
    site: Site = "",
    handedness: Hand = "",
    input_device: Annotated[str, typer.Option(help="what the hands hold: mouse-keyboard, gamepad, ...")] = "mouse-keyboard",
    patient: Patient = None,
    backend: Backend = "cpu",
    scenarios: Folder = None,
) -> None:
    """Open the window; with a battery, on its next item: an assessment, without aids and without a choice."""
    from scenarios.registry import find_scenario
    from sim.projector_gl import require_backend
    from sim.window import require_display, run_window

    look_in(scenarios)
    scenario = on_patient(scenario, patient)
    if scenario is not None:
        find_scenario(scenario)
    check_seed(seed or 0)
    require_display()
    require_backend(backend)
    who = Who(learner, site, handedness, input_device)
    if battery is None:
        who.check()
        raise typer.Exit(run_window(window_desk(scenario, 1 if seed is None else seed, out, who=who, backend=backend)))
    case = seated(battery, scenario, seed, None, out, who, item)
    raise typer.Exit(run_window(window_desk(case.scenario, case.seed, case.folder, case.mode, case.who, backend)))
