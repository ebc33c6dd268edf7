"""An attempt as commands hand it to the window: undo is in the record, the record verifies, steps and trend come from it."""

from __future__ import annotations

import pytest

from commands.gallery import score_words, trend_of
from commands.joints import verdict_of, window_attempt, window_desk
from scenarios.history import read_attempts
from scenarios.registry import find_scenario
from sim.attempt import read_journal
from sim.command import Command

CASE = "drill-steer"  # a block of gel: no patient has to be made


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SCOTTIE_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("SCOTTIE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SCOTTIE_NO_BACKGROUND", "1")


def run(attempt, ticks, *commands):
    attempt.session.send(*commands)
    for _ in range(ticks):
        attempt.tick()


def quiet(_what, _fraction):
    """Say nothing."""


def test_undo_is_in_the_record_and_such_a_record_is_nobodys_best(tmp_path):
    scenario, folder = find_scenario(CASE), tmp_path / "runs"
    folder.mkdir()
    first = window_attempt(scenario, 1, "practice", folder, quiet)
    run(first, 20, Command("needle.choose", (0,)))
    state = first.session.state
    run(first, 20, Command("needle.turn", (30_000,)))
    second = first.rewind(20)
    assert second.session.state.tick == 20 and second.session.state.digest() == state.digest()
    run(second, 10, Command("finish"))
    path = second.save()
    header = read_journal(path).header
    assert header["operator"] == "trainee, 1 undone" and header["mode"] == "practice"
    assert verdict_of(path).status == "verified"
    assert not read_attempts(folder).attempts and trend_of(folder, scenario) == []
    assert second.rewind(10).session.state.tick == 10


def test_steps_trend_and_report_of_a_finished_attempt(tmp_path):
    scenario, folder = find_scenario(CASE), tmp_path / "runs"
    folder.mkdir()
    attempt = window_attempt(scenario, 1, "practice", folder, quiet)
    steps = attempt.guide(attempt.session.events)
    assert steps and all(step.title and step.advice for step in steps)
    run(attempt, 10, Command("finish"))
    attempt.save()
    rows = attempt.trend()
    assert len(rows) == 1 and "not passed" in rows[0][1]
    assert score_words(read_attempts(folder).attempts[0]) == rows[0][1]
    import numpy as np

    for suffix, start in ((".html", b"<!DOCTYPE html>"), (".pdf", b"%PDF")):
        path = attempt.report(suffix, [("A moment", np.zeros((16, 16), np.uint8), 5)])
        assert path == folder / f"report{suffix}" and path.read_bytes().lower().startswith(start.lower())


@pytest.mark.parametrize(("case", "goal"), [("mbb-l3l4-left", "branches_missed"), ("vp-l1-bipedicular", "bodies_unfilled")])
def test_guided_mode_asks_for_every_goal_before_the_needle_leaves(case, goal):
    from commands.gallery import guide_of
    from commands.joints import load_rubric

    steps = [step.id for step in guide_of(load_rubric(find_scenario(case)), [])([])]
    assert goal in steps and steps.index(goal) < steps.index("needle-out")


def test_a_second_window_in_the_same_folder_is_told(tmp_path):
    from sim.errors import UsageError

    scenario, folder = find_scenario(CASE), tmp_path / "runs"
    folder.mkdir()
    attempt = window_attempt(scenario, 1, "practice", folder, quiet)
    with pytest.raises(UsageError, match="another attempt is being recorded here"):
        window_attempt(scenario, 1, "practice", folder, quiet)
    attempt.abandon()


def test_the_desk_names_the_users_files(tmp_path):
    desk = window_desk(None, 1, tmp_path / "runs")
    assert desk.controls == tmp_path / "data" / "controls.toml" and desk.settings.name == "window.toml"
    assert {card.id for card in desk.scenarios} >= {CASE, "tfesi-l4l5-right", "mbb-l4s1-left"} and desk.tutorial


def test_the_experts_path_is_made_behind_the_stage_and_shown_as_a_ghost(tmp_path, monkeypatch):
    from commands.backstage import main
    from commands.gallery import cache_file, ghosts_of
    from scenarios.study import make_study

    monkeypatch.setattr("os.nice", lambda _by: 0)
    monkeypatch.setenv("SCOTTIE_CACHE_DIR", str(tmp_path / "cache"))
    scenario = find_scenario(CASE)
    assert main("ghost", CASE, "1") == 0
    assert cache_file("ghosts", scenario, 1, ".json").is_file()
    ghosts = ghosts_of(make_study(scenario, 1), scenario, tmp_path / "runs")
    path = ghosts["expert's path 1"]
    assert path.shape[1] == 3 and len(path) > 3
    assert abs(path[-1] - path[0]).max() > 5.0  # it went somewhere
