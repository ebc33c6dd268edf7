"""Scottie's front door: arguments, clock, files and keys. Joins the rooms; holds no knowledge of its own.

Every mistake that a person can make ends in one line on stderr (what, where, what was expected) and exit
code 2. Heavy rooms are imported inside the commands so that `list` and `--help` answer at once.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.errors import MachineError, RecordError, ScottieError, UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scenarios.headless import Camera
    from scenarios.registry import Scenario
    from scoring.record import Verdict
    from scoring.rubric import Rubric
    from scoring.score import Score
    from sim.attempt import Recorder, Transcript
    from sim.command import Command
    from sim.event import Event
    from sim.state import State, Study
    from sim.window import Attempt, Desk

    Progress = Callable[[str, float], None]

app = typer.Typer(add_completion=False, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False)

ScenarioName = Annotated[str, typer.Argument(help="scenario id (see: main.py list) or the path of a scenario's TOML file")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]


_COMMAND_LINE_ERROR: Any = typer.BadParameter.__mro__[2]
"""ClickException, wherever this version of typer keeps it."""


def say(text: str = "") -> None:
    """Print a line for people."""
    print(text, flush=True)


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Progress]:
    """Give a `progress(what, fraction)` function: a bar on a terminal, else plain lines (none when quiet).

    Nothing is drawn before the first call, so that an early mistake is one line and nothing else.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _nothing if quiet else _plain_lines()
        return
    columns = (TextColumn("{task.description:<44}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    bar = Bar(*columns, console=console, transient=True)
    task = bar.add_task("starting", total=1.0)

    def show(what: str, fraction: float) -> None:
        bar.start()
        bar.update(task, description=what, completed=fraction)

    try:
        yield show
    finally:
        bar.stop()


def _nothing(what: str, fraction: float) -> None:
    """Show no progress."""


def _plain_lines() -> Progress:
    last = [""]

    def show(what: str, fraction: float) -> None:
        if what != last[0]:
            last[0] = what
            say(f"  {fraction:4.0%}  {what}")

    return show


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


def write_file(path: Path, content: bytes | str) -> None:
    """Write a whole file or nothing; MachineError says why not."""
    data = content.encode() if isinstance(content, str) else content
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MachineError(f"{path}: cannot be written: {error.strerror}") from None


def check_seed(seed: int) -> int:
    """Return a seed that a study can have."""
    if not 0 <= seed < 2**31:
        raise UsageError(f"--seed {seed}: expected a whole number from 0 to {2**31 - 1}")
    return seed


def utc_now() -> str:
    """Return the wall clock as UTC text: the one place where an attempt meets the time of day."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- joints: what no single room may know


def load_rubric(scenario: Scenario) -> Rubric:
    """Return the rubric of a scenario."""
    from scoring.rubric import read_rubric

    return read_rubric(scenario.rubric_path)


def scenario_of(header: dict[str, Any]) -> Scenario:
    """Return the scenario that a record names (a shipped one)."""
    from scenarios.registry import find_scenario

    return find_scenario(str(header["scenario"]))


def score_of(transcript: Transcript) -> dict[str, Any]:
    """Return the recorded form of the score of a transcript."""
    from scoring.score import score

    return score(transcript.events, transcript.commands, load_rubric(scenario_of(transcript.header))).record()


def verdict_of(path: Path, progress: Progress | None = None) -> Verdict:
    """Return the verdict on an attempt file after a full replay."""
    from scenarios.study import make_study
    from scoring.record import verify as verify_record

    def rebuild(header: dict[str, Any]) -> Study:
        return make_study(scenario_of(header), header["seed"], header["mode"], progress)

    return verify_record(path, rebuild, score_of)


def begin_record(scenario: Scenario, seed: int, mode: str, operator: str, folder: Path, progress: Progress) -> Recorder:
    """Return a recorder at tick 0 that journals into `folder`."""
    from scenarios.study import make_study
    from sim.attempt import Journal, Recorder, header_of
    from sim.session import Session

    study = make_study(scenario, seed, mode, progress)
    progress("starting the core (compiling on the first run)", 0.9)
    journal = Journal(folder / "attempt.journal", header_of(study, operator=operator, started=utc_now()), time.monotonic)
    return Recorder(Session(study), journal)


def seal_record(recorder: Recorder, scenario: Scenario, folder: Path) -> tuple[Path, Score]:
    """Close the journal, score the attempt and seal both into attempt.scottie."""
    from scoring.keys import load_or_create
    from scoring.record import seal
    from scoring.score import score
    from sim.attempt import read_journal

    recorder.close()
    transcript = read_journal(folder / "attempt.journal")
    result = score(transcript.events, transcript.commands, load_rubric(scenario))
    return seal(folder / "attempt.journal", result.record(), load_or_create(), folder / "attempt.scottie"), result


def attempt(
    name: str, operator: str, seed: int, out: Path, mode: str, progress: Progress, pictures: bool
) -> tuple[dict[str, Any], list[Path]]:
    """Run a scripted attempt into `out`; return the public score and the paths record, report, pictures."""
    from scenarios.headless import Camera, run_script
    from scenarios.operators import find_operator
    from scenarios.registry import find_scenario
    from scoring.report import report_html
    from scoring.rubric import assessment_blockers
    from sim.attempt import read_journal

    scenario = find_scenario(name)
    script = find_operator(scenario, operator)
    check_seed(seed)
    if mode not in ("practice", "assessment"):
        raise UsageError(f"--mode {mode}: expected practice or assessment")
    rubric = load_rubric(scenario)
    if mode == "assessment" and (blockers := assessment_blockers(rubric)):
        raise UsageError(f"{scenario.id} cannot be assessed: {blockers[0]} ({len(blockers)} in all)")
    folder = writable_folder(out)
    recorder = begin_record(scenario, seed, mode, operator, folder, progress)
    camera = Camera(recorder.session.study)

    def tick(command: Command) -> tuple[State, tuple[Event, ...]]:
        if command.op != "idle":
            recorder.session.send(command)
        _, new = recorder.tick()
        return recorder.session.state, new

    progress(f"{operator} at work", 0.92)
    run_script(recorder.session.study, scenario, script, tick, recorder.session.state, camera if pictures else None)
    record, result = seal_record(recorder, scenario, folder)
    progress("drawing the pictures", 0.96)
    images = save_pictures(camera, folder)
    verdict = "recorded; not yet replayed (main.py verify)"
    write_file(folder / "report.html", report_html(read_journal(record), result, rubric, images, verdict))
    public = {"scenario": scenario.id, "operator": operator, "seed": seed, "mode": mode, **result.public()}
    return public, [record, folder / "report.html", folder / "images"]


def window_attempt(scenario: Scenario, seed: int, mode: str, folder: Path, progress: Progress) -> Attempt:
    """Return one attempt at the window: journalled, scored at the end, sealed once."""
    from scenarios.beam_tables import load_beam
    from scoring.rubric import assessment_blockers
    from scoring.score import score
    from sim.scene import make_scene
    from sim.window import Attempt, PatientCard

    rubric = load_rubric(scenario)
    if mode == "assessment" and (blockers := assessment_blockers(rubric)):
        raise UsageError(f"{scenario.id} cannot be assessed: {blockers[0]} ({len(blockers)} in all)")
    recorder = begin_record(scenario, seed, mode, "trainee", writable_folder(folder), progress)
    given: list[tuple[int, Command]] = []

    def tick() -> tuple[Command, tuple[Event, ...]]:
        command, new = recorder.tick()
        if command.op != "idle":
            given.append((recorder.session.state.tick, command))
        return command, new

    patient = scenario.file.patient
    allergies = ", ".join(patient.allergies) or "none known"
    chart = (scenario.file.vignette, patient.history, f"Medication: {', '.join(patient.medication) or 'none'}")
    return Attempt(
        session=recorder.session,
        tick=tick,
        patient=PatientCard(patient.name, patient.age_years, patient.sex, patient.weight_kg, allergies, chart),
        title=scenario.file.title,
        brief=scenario.file.vignette,
        scene=make_scene(recorder.session.study.phantom),
        beam_tables=load_beam(),
        score=lambda events: score(events, given, rubric).public(),
        save=lambda: seal_record(recorder, scenario, folder)[0],
        abandon=recorder.close,
    )


def window_desk(scenario: str | None, seed: int, folder: Path) -> Desk:
    """Return the desk of the window: one scenario at once, or the chooser."""
    from scenarios.registry import all_scenarios, find_scenario
    from sim.window import Desk, ScenarioCard

    def start(name: str, mode: str) -> Attempt:
        with progress_bar(quiet=True) as progress:
            return window_attempt(find_scenario(name), seed, mode, folder, progress)

    if scenario is not None:
        return Desk(attempt=start(scenario, "practice"))
    cards = [
        ScenarioCard(
            s.id, s.file.title, s.file.procedure, tuple(s.file.tags), s.file.target.level, s.file.target.side, s.file.vignette
        )
        for s in all_scenarios()[0]
    ]
    return Desk(scenarios=tuple(cards), start=start)


def save_pictures(camera: Camera, folder: Path) -> list[tuple[str, bytes, int]]:
    """Draw the kept views into folder/images and return them for the report as (caption, PNG, tick)."""
    from scenarios.pictures import view_png
    from sim.scene import make_scene

    images = folder / "images"
    images.mkdir(exist_ok=True)
    for old in images.glob("*.png"):
        old.unlink()
    if not camera.kept:
        return []
    scene = make_scene(camera.study.phantom)
    out = []
    for number, (when, caption, view) in enumerate(camera.kept, 1):
        png = view_png(scene, view, 512)
        write_file(images / f"{number:02d}-{when / 100:06.1f}s.png", png)
        out.append((caption, png, when))
    return out


def say_outcome(public: dict[str, Any]) -> None:
    """Print a score for people: critical errors, checklist, efficiency, apart."""
    say(f"{public['scenario']}, {public['operator']}, seed {public['seed']}: {'passed' if public['passed'] else 'not passed'}")
    errors = public["critical_errors"]
    say(f"  critical errors: {', '.join(errors) if errors else 'none'}")
    checklist = public["checklist"]
    missed = [name for name, row in checklist.items() if not row["done"]]
    say(
        f"  checklist: {len(checklist) - len(missed)} of {len(checklist)} done"
        + (f"; missed: {', '.join(missed)}" if missed else "")
    )
    tip = public["tip_error_mm"]
    say(f"  tip to planned point: {'no injection' if tip is None else f'{tip:.1f} mm'}")
    say(f"  fluoroscopy {public['fluoro_s']:.1f} s, {public['exposures']} exposures, DAP {public['dap_gy_m2'] * 1e6:.0f} cGy cm2")


# --- the commands


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
        say(json.dumps([v.as_dict() for _, v in verdicts], indent=2))
    else:
        for path, verdict in verdicts:
            say(f"{path}: {verdict.status}: {verdict.reason}")
    if any(verdict.status != "verified" for _, verdict in verdicts):
        raise typer.Exit(1)


@app.command()
def report(
    file: Annotated[Path, typer.Argument(help="an attempt file")],
    out: Annotated[Path, typer.Option(help="X.html or X.pdf")],
) -> None:
    """Write the report again, from the record alone."""
    from scoring.report import report_html, report_pdf
    from scoring.score import score

    if out.suffix not in (".html", ".pdf"):
        raise UsageError(f"--out {out}: unknown kind '{out.suffix}'; expected .html or .pdf")
    with progress_bar(quiet=True) as progress:
        progress(f"verifying {file.name} by replay", 0.3)
        verdict = verdict_of(file, progress)
    transcript = verdict.transcript
    if transcript is None:
        raise RecordError(f"{file}: {verdict.status}: {verdict.reason}")
    rubric = load_rubric(scenario_of(transcript.header))
    result = score(transcript.events, transcript.commands, rubric)
    write = report_html if out.suffix == ".html" else report_pdf
    write_file(out, write(transcript, result, rubric, [], f"{verdict.status}: {verdict.reason}"))
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
    from scenarios.pictures import picture_bytes
    from scenarios.registry import find_scenario

    check_seed(seed)
    if not (-110 <= primary <= 110 and -45 <= secondary <= 45):
        raise UsageError(
            f"angles {primary:g}/{secondary:g}: the C-arm reaches -110..110 (primary) and -45..45 (secondary) degrees"
        )
    if out.suffix not in (".png", ".dcm", ".npy"):
        raise UsageError(f"--out {out}: unknown kind '{out.suffix}'; expected .png, .dcm or .npy")
    found = find_scenario(scenario)
    with progress_bar(quiet=True) as progress:
        content = picture_bytes(found, seed, round(primary * 1000), round(secondary * 1000), size, out.suffix, progress)
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
        raise unknown_name("benchmark", what, [*BENCHES, "window", "all"])
    with progress_bar(quiet=json_) as progress:
        rows = measure(what, size, None if out is None else writable_folder(out), progress)
        if what in ("window", "all"):
            from sim.window import measure_fps

            progress("window with live fluoroscopy", 0.9)
            with tempfile.TemporaryDirectory() as folder:
                rows += measure_fps(window_desk("tfesi-l4l5-right", 1, Path(folder)))
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
            say(
                f"{'ok  ' if f.ok else 'LACK' if f.required else 'note'}  {f.what}: {f.found}" + ("" if f.ok else f"  -> {f.fix}")
            )
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

    if scenario is not None:
        find_scenario(scenario)
    check_seed(seed)
    require_display()
    raise typer.Exit(run_window(window_desk(scenario, seed, out)))


def main() -> int:
    """Run the command line; every error that a person can cause becomes one line and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except ScottieError as error:
        return complain(str(error))
    except typer.Exit as end:
        return int(end.exit_code)
    except _COMMAND_LINE_ERROR as error:
        return complain(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        return complain("stopped by hand; the journal so far is kept")
    except BrokenPipeError:
        return 2
    except OSError as error:
        return complain(f"{error.filename or 'file'}: {error.strerror or error}")
    return int(code or 0)


def complain(text: str) -> int:
    """Print one line on stderr and return exit code 2."""
    print("scottie: " + " ".join(text.split()), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
