"""A scripted operator at the window: it picks the case in the gallery, sees the attempt, and reads the debrief; its hands are a
Player's (mouse, keys or gamepad)."""

from __future__ import annotations

from commands.acting import act_out
from scenarios.operators import find_operator
from scenarios.registry import find_scenario
from scenarios.study import make_study
from scoring.rubric import read_rubric
from scoring.score import score
from sim.session import Session
from sim.window import Attempt, Desk, ScenarioCard, boot, drive

SIZE = (1280, 720)


def played(name, hands, seed=1, operator="expert", picture_px=48):
    """Play a whole attempt with these hands, from the gallery to the debrief; return (window, score)."""
    boot.prepare(headless=True)
    scenario = find_scenario(name)
    rubric, study = read_rubric(scenario.rubric_path), make_study(scenario, seed)

    def start(chosen, mode, _seed):
        assert (chosen, mode) == (name, "practice")
        return Attempt(
            Session(study),
            view=None,
            picture=lambda view, side: blank(side),
            title=scenario.file.title,
            brief=scenario.file.vignette,
            score=lambda events: score(events, [], rubric).public(),
        )

    def script(robot):
        player = hands(robot)
        yield from begin(robot, player, "chooser.1")
        robot.window.draw_every = 1 if hands.__name__ == "ByMouse" else 10  # the mouse alone looks for widgets
        yield from act_out(robot, scenario, find_operator(scenario, operator), player)
        robot.window.draw_every = 1
        yield from robot.until(lambda: robot.window.screen == "debrief", 200)
        yield from read_debrief(robot, player)

    cards = (ScenarioCard("other", "Another case"), ScenarioCard(name, scenario.file.title, summary=scenario.file.vignette))
    window = drive(Desk(scenarios=cards, start=start, size=SIZE, picture_px=picture_px), script)
    return window, score(window.theatre.session.events, [], rubric)


def begin(robot, player, card):
    """Pick a case of the gallery and start it."""
    yield from robot.wait(3)
    yield from player.widget(card)
    yield from robot.wait(2)
    yield from player.widget("chooser.begin")
    yield from robot.ready()


def read_debrief(robot, player):
    """Jump to the moment of a line, go on by a second, open the tissue, and stay there."""
    yield from robot.wait(3)
    replay = robot.window.replay
    line = next(n for n in sorted(robot.window.ui.rects) if n.startswith("debrief.") and n.rpartition(".")[2].isdigit())
    yield from player.widget(line)
    yield from robot.wait(2)
    moment = replay.tick
    assert moment < replay.history.last_tick
    yield from player.widget("replay.next")
    assert replay.tick == min(moment + 100, replay.history.last_tick)
    yield from player.widget("replay.layer.2")
    assert replay.room.peeled == 2.0
    yield from robot.wait(1)


def blank(side):
    """The operator looks through the core's eyes; the monitor need not show anything."""
    import numpy as np

    return np.zeros((side, side), np.uint8)
