"""A scripted operator at the window: it sees the attempt, and its hands are a Player's (mouse, keys or gamepad)."""

from __future__ import annotations

from commands.acting import act_out
from scenarios.operators import find_operator
from scenarios.registry import find_scenario
from scenarios.study import make_study
from scoring.rubric import read_rubric
from scoring.score import score
from sim.session import Session
from sim.window import Attempt, Desk, boot, drive

SIZE = (1280, 720)


def played(name, hands, seed=1, operator="expert", picture_px=48, guide=None):
    """Play a whole attempt with these hands; return (window, score)."""
    boot.prepare(headless=True)
    scenario = find_scenario(name)
    study = make_study(scenario, seed)

    def script(robot):
        yield from robot.ready()
        robot.window.draw_every = 1 if hands.__name__ == "ByMouse" else 10  # the mouse alone looks for widgets
        yield from act_out(robot, scenario, find_operator(scenario, operator), hands(robot))
        robot.window.draw_every = 1
        yield from robot.until(lambda: robot.window.screen == "debrief", 200)
        yield from robot.wait(2)

    attempt = Attempt(Session(study), view=None, picture=lambda view, side: blank(side))
    window = drive(Desk(attempt=attempt, size=SIZE, picture_px=picture_px), script)
    return window, score(window.theatre.session.events, [], read_rubric(scenario.rubric_path))


def blank(side):
    """The operator looks through the core's eyes; the monitor need not show anything."""
    import numpy as np

    return np.zeros((side, side), np.uint8)
