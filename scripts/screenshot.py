"""Makes docs/window.png: the window in the middle of a transforaminal injection, headless, done by posted events.

    python scripts/screenshot.py [--size 1600x900] [--stage injecting] [--all FOLDER]

Stages: prepared, counted, aligned, placed, driven, injecting, contrast, views, debrief.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image

from scenarios.beam_tables import load_beam
from scenarios.registry import Scenario, find_scenario
from scenarios.study import make_study
from scoring.rubric import read_rubric
from scoring.score import score
from sim.scene import make_scene
from sim.session import Session
from sim.window import Attempt, Desk, PatientCard, drive
from sim.window.demo import tfesi
from sim.window.demo_filling import vertebroplasty


def attempt_of(scenario: Scenario, seed: int) -> Attempt:
    """Return an attempt without a journal: nothing of it is kept."""
    study = make_study(scenario, seed, progress=lambda what, part: print(f"{part:4.0%} {what}", flush=True))
    patient, rubric = scenario.file.patient, read_rubric(scenario.rubric_path)
    card = PatientCard(
        patient.name, patient.age_years, patient.sex, patient.weight_kg, ", ".join(patient.allergies) or "none known"
    )
    return Attempt(
        Session(study),
        patient=card,
        title=scenario.file.title,
        brief=scenario.file.title,
        scene=make_scene(study.phantom),
        beam_tables=load_beam(),
        score=lambda events: score(events, [], rubric).public(),
    )


def main() -> None:
    """Do the injection and keep the wanted picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="1600x900")
    parser.add_argument("--stage", default="injecting")
    parser.add_argument("--skin", type=float, default=0.35, help="how opaque the skin is drawn (0..1)")
    parser.add_argument("--scenario", default="tfesi-l4l5-right")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "window.png")
    parser.add_argument("--all", type=Path, help="write every stage into this folder instead")
    asked = parser.parse_args()
    width, height = (int(n) for n in asked.size.split("x"))
    attempt = attempt_of(find_scenario(asked.scenario), asked.seed)

    def script(robot):
        done = []

        def look(stage: str) -> None:
            print(stage, flush=True)
            path = asked.all / f"{stage}.png" if asked.all else asked.out
            if asked.all or stage == asked.stage:
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(robot.window.snapshot()).save(path, optimize=True)
                done.append(stage)

        for _ in (vertebroplasty if attempt.session.study.plan.vertebrae else tfesi)(robot, look):
            if robot.window.room is not None:
                robot.window.room.skin_alpha = asked.skin
                camera = robot.window.room.camera
                camera.azimuth_deg, camera.elevation_deg, camera.distance_mm = 318.0, 24.0, 520.0
            yield
            if done and not asked.all:
                return

    drive(Desk(attempt=attempt, size=(width, height)), script)


if __name__ == "__main__":
    main()
