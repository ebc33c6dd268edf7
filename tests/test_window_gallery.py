"""The gallery: cards with records, broken cases with their error, modes, suggestions, thumbnails; what commands hand over."""

from __future__ import annotations

import shutil

import numpy as np
import pygame
import pytest

from sim.errors import DataError
from sim.window import Desk, Progress, ScenarioCard, Stage, Suggestion
from sim.window.thumbs import Thumbs
from tests.make_phantom import simple_study
from tests.window_fake import fake_attempt
from tests.window_play import play_desk

CARDS = (
    ScenarioCard("a", "Broken case", procedure="mbb", error="a.toml: key 'x' is 1; expected 2"),
    ScenarioCard(
        "b", "Good case", procedure="tfesi", level="L4", side="right", best="passed, 15 of 15 points", last="last: passed"
    ),
    ScenarioCard("c", "Practice only", procedure="drill", practice_only=True, open=False),
)


def desk(asked=None, **more):
    def start(name, mode, seed):
        if asked is not None:
            asked.append((name, mode, seed))
        return fake_attempt(simple_study())

    return Desk(scenarios=CARDS, start=start, picture_px=32, size=(1280, 720), **more)


def test_a_broken_case_is_listed_but_cannot_be_started():
    asked = []

    def script(robot):
        chooser = robot.window.chooser
        yield from robot.wait(2)
        assert chooser.card.id == "b"  # the first that works
        yield from robot.click("chooser.0")
        yield
        assert not chooser.ready and "chooser.begin" in robot.window.ui.disabled
        yield from robot.click("chooser.begin")
        yield from robot.click("chooser.2")
        yield from robot.click("chooser.mode.2")
        yield
        assert not chooser.ready  # practice only
        yield from robot.click("chooser.mode.0")
        yield from robot.click("chooser.begin")
        yield from robot.ready()
        assert robot.theatre.coach.guided

    play_desk(script, desk(asked))
    assert asked == [("c", "practice", None)]


def test_a_suggestion_starts_its_own_patient():
    asked = []
    progress = Progress(
        (Suggestion("Next", "b", 7, "why"), Suggestion("Case of the day", "b", 4711)), ("Safe cases in a row: 2",)
    )

    def script(robot):
        yield from robot.wait(2)
        yield from robot.click("chooser.suggestion.1")
        yield from robot.ready()

    play_desk(script, desk(asked, progress=progress))
    assert asked == [("b", "practice", 4711)]


def test_cards_are_filtered_by_procedure_and_read_again_after_an_attempt():
    asked_again = []

    def cards():
        asked_again.append(1)
        return CARDS, Progress()

    def script(robot):
        window = robot.window
        yield from robot.wait(2)
        yield from robot.click("chooser.kind.2")
        yield from robot.wait(2)
        assert "chooser.1" in window.ui.rects and "chooser.0" not in window.ui.rects
        yield from robot.click("chooser.begin")
        yield from robot.ready()
        yield from robot.wait(2)
        yield from robot.click("voice.finish")
        yield from robot.click("voice.finish")
        yield from robot.until(lambda: window.screen == "debrief")
        yield from robot.wait(2)
        yield from robot.click("debrief.again")
        yield from robot.until(lambda: window.screen == "chooser")

    play_desk(script, desk(cards=cards))
    assert asked_again


def test_a_stage_of_the_map_shows_its_cases_alone():
    stages = (
        Stage("Plain", "tfesi", ("b",), "open", 1, 3, "Why.", "2 more"), Stage("Traps", "tfesi", ("c",), "later", 0, 3),
    )  # fmt: skip

    def script(robot):
        window = robot.window
        yield from robot.wait(2)
        yield from robot.click("chooser.map")
        yield from robot.wait(2)
        yield from robot.click("map.1")
        yield from robot.wait(2)
        assert window.page == "" and window.chooser.card.id == "c"
        assert "chooser.2" in window.ui.rects and "chooser.1" not in window.ui.rects
        yield from robot.click("chooser.kind.0")
        yield from robot.wait(2)
        assert "chooser.1" in window.ui.rects

    play_desk(script, desk(progress=Progress(stages=stages)))


def test_settings_are_set_on_their_page():
    def script(robot):
        window = robot.window
        yield from robot.wait(2)
        yield from robot.click("chooser.settings")
        yield from robot.wait(2)
        yield from robot.click("settings.text.3")
        yield from robot.wait(2)
        yield from robot.click("settings.sound")
        yield from robot.wait(2)
        assert window.ui.scale == 1.5 and not window.settings.sound
        yield from robot.key(pygame.K_ESCAPE)
        yield from robot.key(pygame.K_F1)
        yield from robot.wait(2)
        assert "help.keys.shot" in window.ui.rects
        yield from robot.key(pygame.K_F1)
        yield from robot.wait(2)
        yield from robot.key(pygame.K_RETURN)  # Begin has the keys
        yield from robot.ready()
        assert not robot.theatre.sound_on

    play_desk(script, desk())


def test_thumbnails_are_made_one_after_the_other_and_a_failure_is_no_picture():
    import time

    made = []

    def make(name):
        made.append(name)
        if name == "bad":
            raise DataError("bad.toml: no")
        return np.zeros((8, 8), np.uint8)

    thumbs = Thumbs(make)
    for name in ("a", "bad", "a"):
        thumbs.get(name)
    end = time.monotonic() + 10
    while thumbs.sign("bad") != "no picture" and time.monotonic() < end:
        time.sleep(0.01)
    assert thumbs.get("a") is not None and thumbs.get("bad") is None and made == ["a", "bad"]
    thumbs.stop()
    assert Thumbs(None).get("a") is None


def test_the_gallery_shows_thumbnails():
    def script(robot):
        yield from robot.wait(2)
        yield from robot.until(lambda: "b" in robot.window.chooser._textures, 500)

    play_desk(script, desk(thumbnail=lambda name: np.full((16, 16), 200, np.uint8)))


def test_commands_hand_over_all_cases_and_a_broken_file_with_its_error(tmp_path, monkeypatch):
    from commands.gallery import cards_of
    from scenarios import registry

    root = tmp_path / "scenarios"
    shutil.copytree(registry.ROOT / "tfesi", root / "tfesi")
    (root / "tfesi" / "bad.toml").write_text("id = 3\n")
    real = registry.all_scenarios
    monkeypatch.setattr(registry, "all_scenarios", lambda: real(root))
    cards, progress = cards_of(tmp_path / "runs")
    errors = [card for card in cards if card.error]
    assert len(errors) == 1 and "bad.toml" in errors[0].title and "bad.toml" in errors[0].error
    good = [card for card in cards if not card.error]
    assert len(good) >= 12 and {card.procedure for card in good} == {"tfesi"}
    assert [s.title[:5] for s in progress.suggestions] == ["Next:", "Case "]
    assert all(s.scenario in {card.id for card in good} for s in progress.suggestions)
    assert {stage.state for stage in progress.stages} == {"open", "later"}  # nothing was done yet
    assert {case for stage in progress.stages for case in stage.cases} == {card.id for card in good}


@pytest.mark.parametrize("name", ["thumbnails", "ghosts"])
def test_what_is_kept_is_named_by_scenario_text_and_engine(name, monkeypatch, tmp_path):
    from commands.gallery import cache_file
    from scenarios.registry import find_scenario

    monkeypatch.setenv("SCOTTIE_CACHE_DIR", str(tmp_path))
    one = cache_file(name, find_scenario("tfesi-l4l5-right"), 1, ".png")
    assert one.parent == tmp_path / name and one != cache_file(name, find_scenario("tfesi-l4l5-left"), 1, ".png")
    monkeypatch.setattr("sim.ENGINE_VERSION", "other")
    assert cache_file(name, find_scenario("tfesi-l4l5-right"), 1, ".png") != one
