"""Joints between rooms: what no single room may know (scenario with rubric, attempt with record and report).

Heavy rooms are imported inside the functions so that `list` and `--help` answer at once.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.common import check_seed, progress_bar, say, utc_now, writable_folder, write_file
from commands.seat import Who
from sim.errors import NumericalFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scenarios.headless import Camera
    from scenarios.registry import Scenario
    from scoring.record import Verdict
    from scoring.rubric import Rubric
    from scoring.score import Score
    from sim.attempt import Recorder, Transcript
    from sim.command import Command
    from sim.event import Event
    from sim.state import State, Study
    from sim.window import Attempt, Desk, PatientCard

    Progress = Callable[[str, float], None]


def load_rubric(scenario: Scenario) -> Rubric:
    """Return the rubric of a scenario."""
    from scoring.rubric import read_rubric

    return read_rubric(scenario.rubric_path)


def check_assessable(scenario: Scenario) -> None:
    """Raise UsageError where the rubric or the chart of a scenario rests on something that nobody has verified."""
    from scenarios.chart import blockers
    from scoring.rubric import assessment_blockers

    if found := [*assessment_blockers(load_rubric(scenario)), *blockers(scenario.file)]:
        raise UsageError(f"{scenario.id} cannot be assessed: {found[0]} ({len(found)} in all)")


def scenario_of(header: dict[str, Any]) -> Scenario:
    """Return the scenario that a record names (a shipped one)."""
    from scenarios.registry import find_scenario

    return find_scenario(str(header["scenario"]))


def on_patient(name: str | None, patient: Path | None, quiet: bool = False) -> str | None:
    """Return the name of a scenario on the imported patient of a file; says where the task moved to another level."""
    from scenarios import patients
    from scenarios.registry import find_scenario

    if patient is None:
        return name
    if name is None:
        raise UsageError("--patient: expected a scenario beside it (main.py run SCENARIO --patient X.phantom)")
    plain = find_scenario(name)
    if name.endswith(".toml"):
        raise UsageError(f"{name}: --patient needs a scenario by its id, so that the record can name it (main.py list)")
    told = patients.told(plain.file, find_scenario(chosen := patients.on_patient(plain.id, patient)).file)
    if told and not quiet:
        say(told)
    return chosen


def patient_words(scenario: Scenario) -> str:
    """Return what of a scenario's imported patient is modelled; "" for a generated patient."""
    from scenarios.patients import find_patient, words

    return words(find_patient(scenario.patient)) if scenario.patient else ""


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


def begin_record(
    scenario: Scenario, seed: int, mode: str, operator: str, folder: Path, progress: Progress, who: Who | None = None
) -> Recorder:
    """Return a recorder at tick 0 that journals into `folder`. In a battery the sitting log says so first, on the disk."""
    from scenarios.study import make_study
    from scoring.keys import load_or_create
    from sim.attempt import Journal, Recorder, header_of
    from sim.session import Session

    load_or_create()  # a key that cannot be read must not come to light when the attempt is over
    study = make_study(scenario, seed, mode, progress)
    progress("starting the core (compiling on the first run)", 0.9)
    session = Session(study)
    about = (who or Who()).header(utc_now())
    journal = Journal(folder / "attempt.journal", header_of(study, operator=operator, started=utc_now(), **about), time.monotonic)
    return Recorder(session, journal)


def seal_record(recorder: Recorder, scenario: Scenario, folder: Path, who: Who | None = None) -> tuple[Path, Score]:
    """Close the journal, score the attempt and seal both into attempt.scottie; in a battery the sitting log says so."""
    from scoring.keys import load_or_create
    from scoring.record import seal
    from scoring.score import score
    from sim.attempt import read_journal

    recorder.close()
    transcript = read_journal(folder / "attempt.journal")
    result = score(transcript.events, transcript.commands, load_rubric(scenario))
    path = seal(folder / "attempt.journal", result.record(), load_or_create(), folder / "attempt.scottie")
    if who is not None:
        who.ended(utc_now(), path)
    return path, result


def seal_faulty(recorder: Recorder, folder: Path, fault: NumericalFault, who: Who | None = None) -> NumericalFault:
    """Seal an attempt in which an engine failed, without a score; return the error that says so and where it lies."""
    from scoring.keys import load_or_create
    from scoring.record import seal

    recorder.close()
    path = seal(folder / "attempt.journal", {}, load_or_create(), folder / "attempt.scottie", reason="faulty")
    if who is not None:
        who.ended(utc_now(), path)
    return NumericalFault(f"{fault}; the attempt is sealed as faulty and gets no score: {path}")


def attempt(
    name: str, operator: str, seed: int, out: Path, mode: str, progress: Progress, pictures: bool, who: Who | None = None
) -> tuple[dict[str, Any], list[Path]]:
    """Run a scripted attempt into `out`; return the public score and the paths record, report, pictures."""
    from scenarios.headless import Camera, run_script
    from scenarios.operators import find_operator
    from scenarios.registry import find_scenario
    from scoring.report import report_html
    from sim.attempt import read_journal

    scenario = find_scenario(name)
    script = find_operator(scenario, operator)
    check_seed(seed)
    if mode not in ("practice", "assessment"):
        raise UsageError(f"--mode {mode}: expected practice or assessment")
    rubric = load_rubric(scenario)
    if mode == "assessment":
        check_assessable(scenario)
    folder = writable_folder(out)
    recorder = begin_record(scenario, seed, mode, operator, folder, progress, who)
    camera = Camera(recorder.session.study)

    def tick(command: Command) -> tuple[State, tuple[Event, ...]]:
        if command.op != "idle":
            recorder.session.send(command)
        try:
            _, new = recorder.tick()
        except NumericalFault as fault:
            raise seal_faulty(recorder, folder, fault, who) from None
        return recorder.session.state, new

    progress(f"{operator} at work", 0.92)
    run_script(recorder.session.study, scenario, script, tick, recorder.session.state, camera if pictures else None)
    record, result = seal_record(recorder, scenario, folder, who)
    progress("drawing the pictures", 0.96)
    images = [*key_images(recorder.session.study, pictures), *save_pictures(camera, folder)]
    verdict = "recorded; not yet replayed (main.py verify)"
    write_file(
        folder / "report.html", report_html(read_journal(record), result, rubric, images, verdict, patient_words(scenario))
    )
    public = {"scenario": scenario.id, "operator": operator, "seed": seed, "mode": mode, **result.public()}
    return public, [record, folder / "report.html", folder / "images"]


def window_attempt(
    scenario: Scenario,
    seed: int,
    mode: str,
    folder: Path,
    progress: Progress,
    who: Who | None = None,
    backend: str = "cpu",
    again: Sequence[tuple[int, Command]] = (),
    until: int = 0,
    undone: int = 0,
) -> Attempt:
    """Return one attempt at the window: journalled, scored at the end, sealed once.

    backend: which projector draws the pictures. again, until, undone: after undo in practice, the commands to give once more up
    to a tick, and how often that was done: the record names its operator so ("trainee, 2 undone"), it counts for no record of
    one's own and can be no assessment.
    """
    from commands.gallery import aids
    from scenarios.beam_tables import load_beam
    from scoring.score import score
    from sim.scene import make_scene
    from sim.window import Attempt

    rubric = load_rubric(scenario)
    if mode == "assessment":
        check_assessable(scenario)
    who = who or Who(input_device="mouse-keyboard")
    operator = f"trainee, {undone} undone" if undone else "trainee"
    recorder = begin_record(scenario, seed, mode, operator, writable_folder(folder), progress, who)
    given: list[tuple[int, Command]] = []

    def tick() -> tuple[Command, tuple[Event, ...]]:
        try:
            command, new = recorder.tick()
        except NumericalFault as fault:
            raise seal_faulty(recorder, folder, fault, who) from None
        if command.op != "idle":
            given.append((recorder.session.state.tick, command))
        return command, new

    def rewind(to: int) -> Attempt:
        recorder.close()
        kept = [(at, command) for at, command in given if at <= to]
        return window_attempt(scenario, seed, mode, folder, progress, who, backend, kept, to, undone + 1)

    due = dict(again)
    while recorder.session.state.tick < until:
        if command := due.get(recorder.session.state.tick + 1):
            recorder.session.send(command)
        tick()
    return Attempt(
        session=recorder.session,
        tick=tick,
        patient=patient_card(scenario),
        title=scenario.file.title,
        brief=scenario.file.vignette,
        scene=make_scene(recorder.session.study.phantom),
        beam_tables=load_beam(),
        backend=backend,
        score=lambda events: score(events, given, rubric).public(),
        save=lambda: seal_record(recorder, scenario, folder, who)[0],
        abandon=lambda: _give_up(recorder, who),
        rewind=rewind if mode == "practice" else None,
        **aids(recorder.session.study, scenario, rubric, given, folder),
    )


def _give_up(recorder: Recorder, who: Who) -> None:
    """Close the journal of an attempt that is given up; it stays as an interrupted one."""
    recorder.close()
    who.ended(utc_now(), None)


def window_desk(
    scenario: str | None, seed: int, folder: Path, mode: str = "practice", who: Who | None = None, backend: str = "cpu"
) -> Desk:
    """Return the desk of the window: one scenario at once, or the gallery."""
    from commands.gallery import cards_of, thumbnail, user_file
    from scenarios.registry import find_scenario
    from sim.window import Desk

    def start(name: str, mode: str, own_seed: int | None = None) -> Attempt:
        with progress_bar(quiet=True) as progress:
            chosen = seed if own_seed is None else own_seed
            return window_attempt(find_scenario(name), chosen, mode, folder, progress, who, backend)

    files: dict[str, Any] = {"controls": user_file("controls.toml"), "settings": user_file("window.toml")}
    if scenario is not None:
        return Desk(attempt=start(scenario, mode), **files)
    cards, progress = cards_of(folder)
    return Desk(
        scenarios=cards, progress=progress, start=start, cards=lambda: cards_of(folder), thumbnail=thumbnail,
        tutorial="tfesi-l4l5-right", **files,
    )  # fmt: skip


def key_images(study: Study, wanted: bool = True) -> list[tuple[str, bytes, int]]:
    """Return the key pictures of the chart for a report as (caption, PNG, tick 0); none of a patient who lacks the landmarks."""
    from scenarios.key_pictures import key_pngs

    if not wanted:
        return []
    try:
        pictures = key_pngs(study.phantom, study.plan.level, study.plan.side, bool(study.plan.vertebrae))
    except KeyError:  # an imported patient may not have the whole level
        return []
    return [(f"Chart: {caption}", png, 0) for caption, png in pictures]


def site_of(scenario: Scenario) -> tuple[str, str]:
    """Return level and side of the order; a drill has none."""
    file = scenario.file
    return ("", "") if file.drill else (file.target.level, file.target.side)


def patient_card(scenario: Scenario) -> PatientCard:
    """Return who lies here, for the window; a block of gel has no age, sex or weight."""
    from scenarios.chart import chart_lines
    from sim.window import PatientCard

    patient, drill = scenario.file.patient, scenario.file.drill
    allergies = ", ".join(patient.allergies) or "none known"
    chart = chart_lines(scenario.file)
    if drill is not None and drill.kind == "needle":
        return PatientCard(patient.name, 0, "", 0.0, "none", chart[:2])
    return PatientCard(patient.name, patient.age_years, patient.sex, patient.weight_kg, allergies, chart)


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
    if any(name.startswith("drill_") for name in public["metrics"]):
        say(f"  {public['exposures']} exposures, DAP {public['dap_gy_m2'] * 1e6:.0f} cGy cm2")
        return
    tip = public["tip_error_mm"]
    say(f"  tip to planned point: {'no injection' if tip is None else f'{tip:.1f} mm'}")
    say(f"  fluoroscopy {public['fluoro_s']:.1f} s, {public['exposures']} exposures, DAP {public['dap_gy_m2'] * 1e6:.0f} cGy cm2")
