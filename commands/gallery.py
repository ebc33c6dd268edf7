"""What the window's gallery, guided mode, ghosts and debrief show: cards, thumbnails, steps, paths, trend, report."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from commands.common import utc_now, write_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scenarios.history import Done
    from scenarios.registry import Scenario
    from scoring.rubric import Rubric
    from sim.command import Command
    from sim.event import Event
    from sim.state import Study
    from sim.window import Progress, ScenarioCard, Step

THUMBNAIL_PX = 208
FORM = 2
"""Goes up when thumbnails or ghosts are made in another way: the old ones are then made again."""
_RUNNING: list[subprocess.Popen[bytes]] = []
"""Jobs behind the stage: the last ones are kept, so that they end as they like."""


def user_file(name: str) -> Path:
    """Return a file of the window's in the user's data folder (SCOTTIE_DATA moves the folder)."""
    return Path(os.environ.get("SCOTTIE_DATA") or platformdirs.user_data_dir("scottie")) / name


def cache_file(kind: str, scenario: Scenario, seed: int, suffix: str) -> Path:
    """Return where something made from a scenario's patient is kept; other scenario text or engine, other name."""
    from sim import ENGINE_VERSION

    base = Path(os.environ.get("SCOTTIE_CACHE_DIR") or platformdirs.user_cache_dir("scottie"))
    mark = hashlib.sha256(f"{FORM}{scenario.hash}{ENGINE_VERSION}{scenario.patient}".encode()).hexdigest()[:12]
    return base / kind / f"{scenario.id}-{seed}-{mark}{suffix}"


# --- the gallery ----------------------------------------------------------------------------------------


def cards_of(folder: Path) -> tuple[tuple[ScenarioCard, ...], Progress]:
    """Return the cards of all scenarios, broken ones with their error, and what to do next, from the attempts in a folder."""
    from commands.joints import site_of
    from scenarios import curriculum
    from scenarios.history import read_attempts
    from scenarios.registry import all_scenarios
    from sim.window import Progress, ScenarioCard, Stage, Suggestion

    good, errors = all_scenarios()
    shown = [s for s in good if not s.file.retired]
    history = read_attempts(folder, utc_now())
    done = history.attempts
    stops = curriculum.curriculum_map(done, good)
    stages = {case: stop for stop in stops for case in stop.cases}
    only = _practice_only(shown)
    cards = []
    for scenario in shown:
        file, own, stop = scenario.file, curriculum.best_of(done, scenario.id), stages.get(scenario.id)
        aims = curriculum.aims(done, scenario.id)
        cards.append(
            ScenarioCard(
                scenario.id, file.title, file.procedure, (file.difficulty, *file.tags), *site_of(scenario),
                file.vignette, best=score_words(own.best) if own.best else "",
                last=f"last: {score_words(own.last)}" if own.last else "",
                tip=f"goal: {aims[0].text}" if aims else "", stage=stop.title if stop else "",
                open=stop.open if stop else True, practice_only=scenario.id in only,
            )
        )  # fmt: skip
    cards += [ScenarioCard(f"broken-{i}", _file_of(error), error=error) for i, error in enumerate(errors)]
    titles = {s.id: s.file.title for s in good}
    following = curriculum.next_step(done, good)
    today = curriculum.case_of_the_day(date.fromisoformat(utc_now()[:10]), done, good)
    day = f"Case of the day: {today.title}" + (" (passed)" if today.passed else " (done)" if today.done else "")
    suggestions = (
        Suggestion(f"Next: {titles[following.scenario]}", following.scenario, following.seed, following.why),
        Suggestion(day, today.scenario, today.seed, f"The same patient for everybody on {today.day}"),
    )
    run = curriculum.streak(done)
    lines = [f"Safe cases in a row: {run.length} (best {run.best}).  What is next, and why: {following.why}."] if done else []
    way = tuple(
        Stage(
            stop.title, stop.procedure, stop.cases, "learned" if stop.learned else "open" if stop.open else "later", stop.safe,
            stop.needed, stop.why, stop.missing,
        )
        for stop in stops
    )  # fmt: skip
    return tuple(cards), Progress(suggestions, (*lines, *history.notes[:2]), way)


def _file_of(error: str) -> str:
    return Path(error.split(":")[0]).name


def _practice_only(scenarios: Sequence[Scenario]) -> set[str]:
    """Return the cases whose rubric may not be used in an assessment."""
    from commands.joints import load_rubric
    from scoring.rubric import assessment_blockers

    answers: dict[Path, bool] = {}
    for scenario in scenarios:
        if scenario.rubric_path not in answers:
            answers[scenario.rubric_path] = bool(assessment_blockers(load_rubric(scenario)))
    return {s.id for s in scenarios if answers[s.rubric_path]}


def score_words(done: Done) -> str:
    """Return a score in words: outcome, points, tip, exposures."""
    errors = f", {', '.join(done.critical_errors)}" if done.critical_errors else ""
    parts = [f"{'passed' if done.passed else 'not passed'}{errors}", f"{done.points} of {done.points_possible} points"]
    if done.tip_error_um is not None:
        parts.append(f"tip {done.tip_error_um / 1000:.1f} mm")
    parts.append(f"{done.exposures} exposures")
    return ", ".join(parts)


def trend_of(folder: Path, scenario: Scenario) -> list[tuple[str, str, float | None]]:
    """Return one's own attempts at a scenario, oldest first: (date, words, percent of points)."""
    from scenarios.history import read_attempts

    rows = [done for done in read_attempts(folder, utc_now()).attempts if done.scenario == scenario.id]
    return [
        (done.started[:10], score_words(done), 100.0 * done.points / done.points_possible if done.points_possible else None)
        for done in rows
    ]


def thumbnail(name: str) -> NDArray[np.uint8] | None:
    """Return the picture of a scenario's usual patient down the planned way; made in a process of its own, then kept."""
    import numpy as np
    from PIL import Image

    from scenarios.registry import find_scenario

    path = cache_file("thumbnails", find_scenario(name), 1, ".png")
    if not path.is_file():
        background("thumbnail", name, "1").wait()
    if not path.is_file():
        return None
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def background(what: str, name: str, seed: str) -> subprocess.Popen[bytes]:
    """Start a job of commands.backstage in a process of its own: baking a patient would make the window stutter."""
    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    _RUNNING[:] = [job for job in _RUNNING if job.poll() is None]
    job = subprocess.Popen(
        [sys.executable, "-m", "commands.backstage", what, name, seed],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _RUNNING.append(job)
    return job


# --- practice -------------------------------------------------------------------------------------------


GOALS = {
    "branches_missed": ("Every planned nerve blocked", "Go on with the next planned nerve: needle in line with the beam again."),
    "bodies_unfilled": ("Cement through every planned entry", "Go on with the next planned entry."),
}
"""Conditions of the passing rule that a person works towards before the needle leaves: how the guided mode names them."""


def guide_of(rubric: Rubric, given: Sequence[tuple[int, Command]]) -> Callable[[Sequence[Event]], list[Step]]:
    """Return the steps of the checklist, done or not, as the guided mode names them, with the goals that are still open."""
    from scoring.score import score
    from sim.window import Step

    advice = {item.id: item.advice for item in rubric.checklist}

    def steps(events: Sequence[Event]) -> list[Step]:
        found = score(events, given, rubric)
        out = [Step(f.id, f.title, advice[f.id], f.done or not f.applicable) for f in found.checklist]
        goals = [Step(f.id, *GOALS[f.id], f.done) for f in found.passing if f.id in GOALS]
        last = next((i for i, step in enumerate(out) if step.id == "needle-out"), len(out))
        return out[:last] + goals + out[last:]

    return steps


def ghosts_of(study: Study, scenario: Scenario, folder: Path) -> dict[str, NDArray[np.float64]]:
    """Return the ideal ways of the plan (skin to target), the expert's path if it was made, and one's own best path."""
    import numpy as np

    out = ideal_ways(study)
    expert = cache_file("ghosts", scenario, study.seed, ".json")
    with suppress(OSError, ValueError, KeyError):
        for i, path in enumerate(json.loads(expert.read_text("utf-8"))["paths_mm"], 1):
            out[f"expert's path {i}"] = np.array(path, np.float64)
    for i, path in enumerate(_own_best(study, scenario, folder), 1):
        out[f"own best path {i}"] = path
    return out


def ideal_ways(study: Study) -> dict[str, NDArray[np.float64]]:
    """Return the ideal ways of the plan by name."""
    return {
        f"ideal way {goal.level} {goal.side}": way for goal in study.plan.goals if (way := ideal_way(study, goal)) is not None
    }


def ideal_way(study: Study, goal: Any) -> NDArray[np.float64] | None:
    """Return the straight line from the skin to a goal of the plan, (2, 3) mm; None where the patient has no such way."""
    import numpy as np

    from sim.fields import skin_entry
    from sim.frames import gantry

    name = f"corridor.{study.plan.approach}.{goal.level}.{goal.side}"
    measures = study.phantom.measures
    if f"{name}.primary_mdeg" not in measures:
        return None
    beam = gantry(round(measures[f"{name}.primary_mdeg"]), round(measures[f"{name}.secondary_mdeg"]))
    return np.array([skin_entry(study.phantom.fields, goal.target_mm, beam.normal), goal.target_mm])


def _own_best(study: Study, scenario: Scenario, folder: Path) -> list[NDArray[np.float64]]:
    """Return the paths of one's own best attempt at the same case and patient: where the needle stopped, per placement."""
    import numpy as np

    from scenarios.curriculum import best_of
    from scenarios.history import read_attempts
    from sim.attempt import transcript_of

    mine = [d for d in read_attempts(folder).attempts if d.seed == study.seed]
    best = best_of(mine, scenario.id).best
    if best is None:
        return []
    paths: list[list[tuple[float, float, float]]] = []
    from sim.attempt import read_raw

    for fact in transcript_of(read_raw(best.path)).events:
        if fact.kind == "needle_placed":
            paths.append([])
        if fact.kind in ("needle_placed", "needle_stopped") and paths:
            paths[-1].append((fact["x_um"] / 1000, fact["y_um"] / 1000, fact["z_um"] / 1000))
    return [np.array(p, np.float64) for p in paths if len(p) > 1]


# --- the report -----------------------------------------------------------------------------------------


def write_report(folder: Path, scenario: Scenario, suffix: str, pictures: Sequence[tuple[str, Any, int]]) -> Path:
    """Write the report of the attempt just sealed in `folder` as report.html or report.pdf; return its path."""
    from commands.joints import load_rubric, patient_words
    from scenarios.pictures import png_bytes
    from scoring.report import report_html, report_pdf
    from scoring.score import score
    from sim.attempt import read_journal

    transcript, rubric = read_journal(folder / "attempt.scottie"), load_rubric(scenario)
    result = score(transcript.events, transcript.commands, rubric)
    images = [(caption, png_bytes(grey), tick) for caption, grey, tick in pictures]
    told = "recorded; not yet replayed (main.py verify)"
    path = folder / f"report{suffix}"
    if suffix == ".html":
        write_file(path, report_html(transcript, result, rubric, images, told, patient_words(scenario)))
    else:
        write_file(path, report_pdf(transcript, result, rubric, images, told, patient_words(scenario)))
    return path


def aids(
    study: Study, scenario: Scenario, rubric: Rubric, given: Sequence[tuple[int, Command]], folder: Path
) -> Mapping[str, Any]:
    """Return what an attempt in practice has beside the bare room; an assessment: report and ideal ways, in the debrief."""

    def report(suffix: str, pictures: Sequence[tuple[str, Any, int]]) -> Path:
        return write_report(folder, scenario, suffix, pictures)

    if study.mode == "assessment":
        return {"report": report, "ghosts": lambda: ideal_ways(study)}
    if not cache_file("ghosts", scenario, study.seed, ".json").is_file() and not os.environ.get("SCOTTIE_NO_BACKGROUND"):
        background("ghost", scenario.study_id, str(study.seed))
    return {
        "report": report,
        "guide": guide_of(rubric, given),
        "ghosts": lambda: ghosts_of(study, scenario, folder),
        "trend": lambda: trend_of(folder, scenario),
    }
