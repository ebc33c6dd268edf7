"""A whole vertebroplasty through the window's own widgets and keys, as a person does it: for pictures and tests."""

from __future__ import annotations

from collections.abc import Callable

import pygame

from sim.frames import dot, gantry
from sim.window.demo import (
    SHIFT,
    align,
    corridor_deg,
    count,
    prepare,
    push,
    seen_at,
    shot,
    views,
)
from sim.window.robot import Frames, Robot

NEEDLE, CEMENT = "11G bone needle 125 mm, diamond", "high-viscosity PMMA"
PORTIONS = 5
NEAR_MM, LIGHT_MM, LOOK_MM = 0.8, 5.0, 8.0


def vertebroplasty(robot: Robot, look: Callable[[str], None] = lambda _stage: None) -> Frames:
    """Do the planned filling from chart to debrief; `look` is told the name of each stage as it ends."""
    yield from robot.ready()
    for stage, act in (
        ("prepared", prepare),
        ("counted", count),
        ("aligned", align),
        ("placed", _place),
        ("driven", _drive),
    ):
        yield from act(robot)
        look(stage)
    yield from _cement(robot, look)
    yield from robot.click("tray.remove")
    yield from robot.click("voice.finish")
    yield from robot.click("voice.finish")
    yield from robot.until(lambda: robot.window.screen == "debrief")
    yield
    look("debrief")


def _place(robot: Robot) -> Frames:
    theatre = robot.theatre
    yield from robot.choose("tray.needle", theatre.study.toolbox.index("needles", NEEDLE))
    yield from robot.click("live.picture", *seen_at(robot, theatre.study.plan.target_mm))
    yield from robot.click("tray.in_line")
    yield from robot.until(lambda: theatre.state.needle.placed, 50)
    yield from shot(robot)


def _left(robot: Robot) -> float:
    """Return how far the tip is from its end along the planned way."""
    study = robot.theatre.study
    primary, secondary = corridor_deg(robot)
    normal = gantry(round(primary * 1000), round(secondary * 1000)).normal
    return -dot(study.plan.target_mm - robot.theatre.state.needle.tip_mm, normal)


def _drive(robot: Robot) -> Frames:
    """By hand to bone, both views, then the mallet in lateral; both views again at the end."""
    theatre = robot.theatre
    for _ in range(40):
        if theatre.state.needle.bone >= 0 or _left(robot) <= NEAR_MM:
            break
        yield from push(robot, min(6.0, _left(robot)))
        yield from shot(robot)
    yield from views(robot)
    seen_at = _left(robot)
    for _ in range(200):
        left = _left(robot)
        if left <= NEAR_MM:
            break
        if seen_at - left > LOOK_MM:
            seen_at = left
            yield from views(robot)
        yield from robot.key(pygame.K_x, SHIFT if left < LIGHT_MM else 0)
        yield from robot.wait(2)
        yield from robot.until(lambda: not theatre.state.needle.moving, 300)
        if left < LIGHT_MM:
            yield from shot(robot)
    yield from views(robot)


def _cement(robot: Robot, look: Callable[[str], None]) -> Frames:
    """Mix, stylet out, attach; portions with the pedal down in lateral; the stylet back under the pedal."""
    theatre = robot.theatre
    yield from robot.choose("tray.cement", theatre.study.toolbox.index("cements", CEMENT))
    yield from robot.until(lambda: theatre.state.cement.product >= 0, 50)
    yield from robot.click("tray.stylet")
    yield from robot.until(lambda: not theatre.state.needle.stylet, 50)
    yield from robot.click("tray.cement_attach")
    yield from robot.until(lambda: theatre.state.cement.attached, 50)
    _pedal(pygame.KEYDOWN)
    yield from robot.wait(5)
    for portion in range(PORTIONS):
        yield from robot.click("tray.cement_500" if portion else "tray.cement_200")
        yield from robot.wait(3)
        yield from robot.until(lambda: not theatre.state.cement.flowing, 3000)
        if portion == PORTIONS - 2:
            look("filling")
        if any(e.kind in ("cement_leaked", "cement_reached") for e in theatre.session.events):
            break
    look("filled")
    yield from robot.click("tray.stylet")
    yield from robot.wait(3)
    _pedal(pygame.KEYUP)
    yield from robot.wait(3)


def _pedal(kind: int) -> None:
    pygame.event.post(pygame.event.Event(kind, key=pygame.K_SPACE, mod=0, unicode=" ", scancode=0))
