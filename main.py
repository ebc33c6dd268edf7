"""Scottie's front door: arguments, clock, files and keys. Joins the rooms; holds no knowledge of its own.

Every mistake that a person can make ends in one line on stderr (what, where, what was expected) and exit
code 2. Heavy rooms are imported inside the commands so that `list` and `--help` answer at once.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.errors import DataError, MachineError, RecordError, ScottieError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

app = typer.Typer(add_completion=False, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False)

ScenarioName = Annotated[str, typer.Argument(help="scenario id (see: main.py list) or the path of a scenario's TOML file")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]


def say(text: str = "") -> None:
    """Print a line for people."""
    print(text, flush=True)


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Give a `progress(what, fraction)` function that draws a bar on stderr (nothing when not a terminal and quiet)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if quiet and not console.is_terminal:
        yield lambda what, fraction: None
        return
    columns = (TextColumn("{task.description:<44}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, fraction: bar.update(task, description=what, completed=fraction)


def writable_folder(path: Path) -> Path:
    """Return `path` as an existing folder that can be written; UsageError says why not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".scottie-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}; expected a folder that can be written") from None
    return path


@app.callback(invoke_without_command=True)
def door(context: typer.Context) -> None:
    """Scottie: learn interventional pain procedures on a simulated patient. Without a command: the window."""
    if context.invoked_subcommand is None:
        play(None)


@app.command("list")
def list_scenarios(json_: AsJson = False) -> None:
    """List the scenarios."""
    from scenarios.operators import operator_names
    from scenarios.registry import all_scenarios

    good, errors = all_scenarios()
    rows = [
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


@app.command()
def run(
    scenario: ScenarioName,
    operator: Annotated[str, typer.Option(help="who acts: expert or one of the careless operators")] = "expert",
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
    out: Annotated[Path, typer.Option(help="folder for attempt.scottie, report.html and images/")] = Path("runs/latest"),
    mode: Annotated[str, typer.Option(help="practice or assessment")] = "practice",
    json_: AsJson = False,
    pictures: Annotated[bool, typer.Option(help="keep pictures for the report")] = True,
) -> None:
    """Let a scripted operator do a scenario without a window."""
    with progress_bar(quiet=json_) as progress:
        public, paths = attempt(scenario, operator, seed, out, mode, progress, pictures)
    if json_:
        say(json.dumps(public))
        return
    say_outcome(public)
    for path in paths:
        say(f"  {path}")


@app.command()
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


@app.command()
def verify(
    files: Annotated[list[Path], typer.Argument(help="attempt files")],
    json_: AsJson = False,
) -> None:
    """Replay attempts and check them; exit 0 when all are verified, else 1 with the reason of each."""
    verdicts = []
    with progress_bar(quiet=True) as progress:
        for number, path in enumerate(files):
            progress(f"verifying {path.name}", number / len(files))
            verdicts.append((path, verdict_of(path)))
    if json_:
        say(json.dumps([{"file": str(p)} | v.public() for p, v in verdicts], indent=2))
    else:
        for path, verdict in verdicts:
            say(f"{path}: {verdict.line()}")
    if any(verdict.status != "verified" for _, verdict in verdicts):
        raise typer.Exit(1)


@app.command()
def report(
    file: Annotated[Path, typer.Argument(help="an attempt file")],
    out: Annotated[Path, typer.Option(help="X.html or X.pdf")],
) -> None:
    """Write the report again, from the record alone."""
    from scoring.report import report_html, report_pdf
    from sim.attempt import read_journal

    if out.suffix not in (".html", ".pdf"):
        raise UsageError(f"--out {out}: unknown kind '{out.suffix}'; expected .html or .pdf")
    transcript = read_journal(file)
    scenario, rubric = scenario_of(transcript.header)
    verdict = verdict_of(file)
    score = score_transcript(transcript, rubric)
    write = report_html if out.suffix == ".html" else report_pdf
    content = write(transcript, score, rubric, [], verdict.line())
    write_file(out, content)
    say(str(out))


@app.command()
def render(
    scenario: Annotated[str, typer.Option(help="scenario id or TOML file")],
    primary: Annotated[float, typer.Option(help="primary angle, degrees: 0 over the back, + towards the patient's left")],
    secondary: Annotated[float, typer.Option(help="secondary angle, degrees: + towards the head")],
    out: Annotated[Path, typer.Option(help="X.png, X.dcm or X.npy")],
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
    size: Annotated[int, typer.Option(help="pixels", min=32, max=4096)] = 1024,
) -> None:
    """Make one picture of a scenario's patient."""
    from scenarios.pictures import write_picture
    from scenarios.registry import find_scenario

    check_seed(seed)
    if not (-110 <= primary <= 110 and -45 <= secondary <= 45):
        raise UsageError(f"angles {primary:g}/{secondary:g}: the C-arm reaches -110..110 (primary) and -45..45 (secondary) degrees")
    if out.suffix not in (".png", ".dcm", ".npy"):
        raise UsageError(f"--out {out}: unknown kind '{out.suffix}'; expected .png, .dcm or .npy")
    found = find_scenario(scenario)
    with progress_bar(quiet=True) as progress:
        content = write_picture(found, seed, round(primary * 1000), round(secondary * 1000), size, out.suffix, progress)
    write_file(out, content)
    say(str(out))


@app.command()
def phantom(
    scenario: Annotated[str, typer.Option(help="scenario id or TOML file")],
    out: Annotated[Path, typer.Option(help="folder")],
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
) -> None:
    """Export a scenario's patient: meshes (GLB, STL), label volume (NIfTI), landmarks (JSON)."""
    from anatomy_assets.export import export_phantom
    from scenarios.registry import find_scenario
    from scenarios.study import make_phantom

    check_seed(seed)
    found = find_scenario(scenario)
    folder = writable_folder(out)
    with progress_bar(quiet=True) as progress:
        paths = export_phantom(make_phantom(found, seed, progress), folder)
    for path in paths:
        say(str(path))


@app.command()
def bench(
    what: Annotated[str, typer.Argument(help="anatomy, fluoro, needle, session, window or all")] = "all",
    json_: AsJson = False,
    size: Annotated[int, typer.Option(help="pixels (fluoro)", min=64, max=2048)] = 512,
    out: Annotated[Path | None, typer.Option(help="fluoro: also write poses.json and pose_NNN.npy there")] = None,
) -> None:
    """Measure speed and memory on this machine: ratios in one run."""
    from scenarios.bench import BENCHES, measure, table

    if what not in (*BENCHES, "window", "all"):
        raise unknown_bench(what, [*BENCHES, "window", "all"])
    with progress_bar(quiet=json_) as progress:
        rows = measure(what, size, None if out is None else writable_folder(out), progress)
        if what in ("window", "all"):
            from sim.window import measure_fps

            progress("window with live fluoroscopy", 0.9)
            rows += measure_fps(*window_parts())
    say(json.dumps(rows, indent=2) if json_ else table(rows))


@app.command()
def doctor(json_: AsJson = False) -> None:
    """Say what this machine has and lacks, with the fix."""
    from dataclasses import asdict

    from sim.doctor import examine

    findings = examine()
    if json_:
        say(json.dumps([asdict(f) for f in findings], indent=2))
    else:
        for f in findings:
            say(f"{'ok  ' if f.ok else 'LACK' if f.required else 'note'}  {f.what}: {f.found}" + ("" if f.ok else f"  -> {f.fix}"))
    if any(f.required and not f.ok for f in findings):
        raise typer.Exit(1)


@app.command()
def play(
    scenario: Annotated[str | None, typer.Argument(help="scenario id")] = None,
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
    out: Annotated[Path, typer.Option(help="folder for the attempt")] = Path("runs/play"),
) -> None:
    """Open the window."""
    from scenarios.registry import find_scenario
    from sim.window import require_display, run_window

    found = find_scenario(scenario or "tfesi-l4l5-right")
    require_display()
    raise SystemExit(run_window(desk(found, check_seed(seed), writable_folder(out))))


if __name__ == "__main__":
    app()
