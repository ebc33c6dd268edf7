"""Drills at the window, headless, by posted events alone."""

from __future__ import annotations

import pygame

from scenarios.beam_tables import load_beam
from scenarios.registry import find_scenario
from scoring.rubric import read_rubric
from scoring.score import score
from sim.scene import make_scene
from sim.session import Session
from sim.window import Attempt, Desk, PatientCard, drive
from sim.window.aim import project
from tests.attempts import study_of


def attempt_at(name: str, pictures: bool) -> Attempt:
    scenario, study = find_scenario(name), study_of(name, 1)
    rubric = read_rubric(scenario.rubric_path)
    return Attempt(
        Session(study),
        patient=PatientCard("Drill", 0, "", 0.0, "none known", ()),
        title=scenario.file.title,
        brief=scenario.file.vignette,
        scene=make_scene(study.phantom) if pictures else None,
        beam_tables=load_beam() if pictures else None,
        score=lambda events: score(events, [], rubric).public(),
    )


def finish(robot):
    yield from robot.click("voice.finish")
    yield from robot.click("voice.finish")
    yield from robot.until(lambda: robot.window.screen == "debrief")


def test_eight_targets_are_found_by_clicking_on_the_picture():
    def script(robot):
        yield from robot.ready()
        theatre = robot.theatre
        yield from robot.key(pygame.K_s)
        yield from robot.until(lambda: theatre.shown > 0, 200)
        for number, item in enumerate(theatre.study.plan.drill.items):
            yield from robot.click("live.picture", *project(theatre.live.view.pose, item.at_mm))
            yield from robot.click("drill.point")
            yield from robot.until(lambda done=number + 1: theatre.state.drill.answered == done)
        assert "drill.point" not in robot.window.ui.rects or theatre.aim is None
        yield from finish(robot)

    window = drive(Desk(attempt=attempt_at("drill-project", False), size=(1280, 800), picture_px=64), script)
    assert window.theatre.report["passed"]
    assert window.theatre.report["metrics"]["drill_worst_um"] < 1500  # a screen point is about a millimetre


def test_settings_are_chosen_by_button():
    def script(robot):
        yield from robot.ready()
        theatre = robot.theatre
        for item in theatre.study.plan.drill.items:
            before = theatre.state.drill.answered
            yield from robot.click(f"drill.choice{item.right}")
            yield from robot.until(lambda done=before + 1: theatre.state.drill.answered == done)
        yield from finish(robot)

    window = drive(Desk(attempt=attempt_at("drill-dose", False), size=(1280, 800), picture_px=64), script)
    assert window.theatre.report["passed"]
    assert any("Right." in line.text for line in window.theatre.log)


def test_a_steering_block_can_be_opened_and_answered():
    def script(robot):
        yield from robot.ready()
        yield from robot.click("drill.answer")
        yield from robot.wait(20)
        yield from robot.click("drill.answer")
        yield from robot.wait(20)
        yield from finish(robot)

    window = drive(Desk(attempt=attempt_at("drill-steer", False), size=(1280, 800), picture_px=64), script)
    assert any("no needle in the block" in line.text for line in window.theatre.log)
    assert not window.theatre.report["passed"]
