"""For those who write scenarios, and for the chart of one: chart, check-scenario."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import AsJson, Folder, ScenarioName, check_seed, look_in, progress_bar, say, writable_folder, write_file
from commands.joints import load_rubric
from sim.errors import UsageError

if TYPE_CHECKING:
    from scenarios.check import Judge, Line
    from scenarios.registry import Scenario


def chart(
    scenario: ScenarioName,
    out: Annotated[Path | None, typer.Option(help="folder for the key pictures (PNG); left out: the text alone")] = None,
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
    json_: AsJson = False,
    scenarios: Folder = None,
) -> None:
    """Show the chart of a scenario; with --out also its key pictures, axial and sagittal, of this very patient."""
    from scenarios.chart import chart_lines
    from scenarios.registry import find_scenario

    look_in(scenarios)
    found = find_scenario(scenario)
    check_seed(seed)
    lines = chart_lines(found.file)
    paths = _key_pictures(found, seed, out) if out else []
    if json_:
        say(json.dumps({"scenario": found.id, "chart": list(lines), "pictures": [str(p) for p in paths]}, indent=2))
        return
    for line in (found.file.title, *lines, *map(str, paths)):
        say(line)


def _key_pictures(scenario: Scenario, seed: int, out: Path) -> list[Path]:
    from scenarios.key_pictures import key_pngs
    from scenarios.schema import FILLING
    from scenarios.study import make_phantom

    folder, target, paths = writable_folder(out), scenario.file.target, []
    with progress_bar(quiet=True) as progress:
        pictures = key_pngs(make_phantom(scenario, seed, progress), target.level, target.side, target.approach in FILLING)
    for number, (caption, png) in enumerate(pictures, 1):
        name = caption.split(" (")[0].lower().replace(",", "").replace(" ", "-")
        paths.append(folder / f"{number}-{name}.png")
        write_file(paths[-1], png)
    return paths


def check_scenario(
    scenario: Annotated[str, typer.Argument(help="the TOML file of a scenario, or the id of one")],
    seeds: Annotated[int, typer.Option(help="on how many patients the expert has to pass", min=0, max=100)] = 2,
    careless: Annotated[int, typer.Option(help="on how many of them each careless operator has to fail", min=0, max=100)] = 1,
    preview: Annotated[Path | None, typer.Option(help="folder for pictures: AP, lateral, the way to the target, chart")] = None,
    json_: AsJson = False,
    scenarios: Folder = None,
) -> None:
    """Check a scenario: file, sources, expert passes, each careless operator fails for its own reason. Exit code 1 if not."""
    from scenarios.check import check_attempts, check_file
    from scenarios.registry import find_scenario

    look_in(scenarios)
    found = find_scenario(scenario)
    lines: list[Line] = []
    with progress_bar(quiet=True) as progress:
        for line in check_file(found):
            _tell(line, lines, json_)
        for line in check_attempts(found, range(1, seeds + 1), range(1, careless + 1), _judge(found), progress):
            _tell(line, lines, json_)
    pictures = _preview(found, preview) if preview else []
    good = all(line.good for line in lines)
    if json_:
        rows: list[dict[str, Any]] = [{"check": x.what, "good": x.good, "found": x.found} for x in lines]
        say(json.dumps({"scenario": found.id, "good": good, "checks": rows, "pictures": [str(p) for p in pictures]}, indent=2))
    else:
        for path in pictures:
            say(str(path))
        say(f"{found.id}: {'all checks hold' if good else 'NOT READY'}")
    raise typer.Exit(0 if good else 1)


def _tell(line: Line, lines: list[Line], quiet: bool) -> None:
    lines.append(line)
    if not quiet:
        say(f"  {'ok ' if line.good else 'BAD'}  {line.what:<28} {line.found}")


def _judge(scenario: Scenario) -> Judge:
    """Return how the rubric of a scenario judges an attempt; UsageError where the rubric is not the procedure's kind."""
    from scoring.score import score

    rubric = load_rubric(scenario)

    def judge(events: Any, commands: Any) -> tuple[bool, list[str], str]:
        result = score(events, commands, rubric)
        return result.passed, result.critical_errors, "; ".join(f.why for f in result.passing if not f.done)

    return judge


def _preview(scenario: Scenario, out: Path) -> list[Path]:
    """Draw the patient as the trainee meets him: AP, lateral, down the way to the target, and the key pictures."""
    from scenarios.pictures import picture_bytes
    from scenarios.study import make_study

    folder, target = writable_folder(out), scenario.file.target
    study = make_study(scenario, 1)
    way = [study.phantom.measures.get(f"corridor.{target.approach}.{target.level}.{target.side}.{w}_mdeg") for w in AXES]
    if None in way:
        raise UsageError(f"{scenario.id}: the patient has no way to {target.approach} {target.level} {target.side}")
    side = -90_000 if target.side == "right" else 90_000
    paths = []
    for name, primary, secondary in (("ap", 0, 0), ("lateral", side, 0), ("way", round(way[0] or 0), round(way[1] or 0))):
        paths.append(folder / f"{name}.png")
        write_file(paths[-1], picture_bytes(scenario, 1, primary, secondary, 512, ".png"))
    return [*paths, *_key_pictures(scenario, 1, folder)]


AXES = ("primary", "secondary")
