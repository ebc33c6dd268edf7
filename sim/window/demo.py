"""A whole transforaminal injection done with mouse and keys alone: for the screenshot, tests and a look at the window.

It reads the anatomy as an expert's eye does (landmarks of the phantom) and touches nothing but widgets.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pygame

from sim.command import LEVELS, SIDES
from sim.frames import dot, gantry
from sim.window.aim import project
from sim.window.robot import Frames, Robot

SHIFT = pygame.KMOD_SHIFT
NEEDLE, CONTRAST, STEROID = "22G Quincke 127 mm", "iohexol 240", "dexamethasone 8 mg/mL"
CONTRAST_ML, STEROID_ML = 1.0, 1.0


def tfesi(robot: Robot, look: Callable[[str], None] = lambda _stage: None) -> Frames:
    """Do the planned injection from chart to debrief; `look` is told the name of each stage as it ends."""
    yield from robot.ready()
    for stage, act in (("prepared", prepare), ("counted", count), ("aligned", align), ("placed", _place), ("driven", _drive)):
        yield from act(robot)
        look(stage)
    yield from _contrast(robot, look)
    look("contrast")
    yield from views(robot)
    look("views")
    yield from _steroid(robot)
    yield from robot.click("tray.remove")
    yield from robot.click("voice.finish")
    yield from robot.click("voice.finish")
    yield from robot.until(lambda: robot.window.screen == "debrief")
    yield
    look("debrief")


def prepare(robot: Robot) -> Frames:
    """Do what comes before the first picture: chart, consent, time-out, skin."""
    plan = robot.theatre.study.plan
    yield from robot.click("voice.chart")
    yield from robot.click("voice.consent")
    yield from robot.choose("voice.timeout_level", LEVELS.index(plan.level))
    yield from robot.choose("voice.timeout_side", SIDES.index(plan.side))
    yield from robot.click("voice.timeout")
    yield from robot.click("voice.prep")


def shot(robot: Robot) -> Frames:
    """Take a single picture and wait until it is shown."""
    theatre = robot.theatre
    yield from robot.until(lambda: not theatre.state.carm.beam)
    before = theatre.shown
    yield from robot.key(pygame.K_s)
    yield from robot.until(lambda: theatre.shown > before, 200)
    yield from robot.until(lambda: not theatre.state.carm.beam)


def _still(robot: Robot) -> Frames:
    def there() -> bool:
        arm = robot.theatre.state.carm
        return (arm.primary_mdeg, arm.secondary_mdeg, arm.centre_um) == (
            arm.primary_target_mdeg,
            arm.secondary_target_mdeg,
            arm.centre_target_um,
        )

    yield from robot.wait(2)
    yield from robot.until(there)


def _turn_to(robot: Robot, primary_deg: float, secondary_deg: float) -> Frames:
    """Turn with the arrow keys, five degrees at a time, then one."""
    for axis, wanted, keys in (
        (0, primary_deg, (pygame.K_LEFT, pygame.K_RIGHT)),
        (1, secondary_deg, (pygame.K_UP, pygame.K_DOWN)),
    ):
        while True:
            left = round(wanted) - robot.theatre.hands.angles_mdeg()[axis] / 1000
            if abs(left) < 0.5:
                break
            yield from robot.key(keys[0] if left > 0 else keys[1], 0 if abs(left) >= 5 else SHIFT)
    yield from _still(robot)


def seen_at(robot: Robot, point_mm: np.ndarray) -> tuple[float, float]:
    """Return where an anatomical point lies on the live picture, as an eye would find it."""
    assert robot.theatre.live is not None
    at = project(robot.theatre.live.view.pose, point_mm)
    assert at is not None
    return at


def _middle(robot: Robot, point_mm: np.ndarray) -> Frames:
    """Bring a point to the middle with a right click on the picture (or with the slides when it lies outside)."""
    for _ in range(6):
        u, v = seen_at(robot, point_mm)
        inside = 0.02 < u < 0.98 and 0.02 < v < 0.98
        yield from robot.click("live.picture", min(0.97, max(0.03, u)), min(0.97, max(0.03, v)), button=3)
        yield from _still(robot)
        if inside:
            return
        yield from shot(robot)


def count(robot: Robot) -> Frames:
    """Count the level upwards from the sacrum in AP."""
    study = robot.theatre.study
    yield from shot(robot)
    yield from _middle(
        robot, 0.5 * (study.phantom.landmark("S1.canal.centre") + study.phantom.landmark(f"{study.plan.level}.body.centre"))
    )
    yield from shot(robot)
    yield from robot.choose("voice.declare_level", LEVELS.index(study.plan.level))
    yield from robot.click("voice.declare")
    yield from robot.click("console.store")


def corridor_deg(robot: Robot) -> tuple[float, float]:
    """Return the primary and secondary angle (deg) of the planned way."""
    plan, measures = robot.theatre.study.plan, robot.theatre.study.phantom.measures
    name = f"corridor.{plan.approach}.{plan.level}.{plan.side}"
    return measures[f"{name}.primary_mdeg"] / 1000, measures[f"{name}.secondary_mdeg"] / 1000


def align(robot: Robot) -> Frames:
    """Turn the C-arm until it looks down the planned way."""
    yield from robot.click("console.oblique_right" if robot.theatre.study.plan.side == "right" else "console.oblique_left")
    yield from _turn_to(robot, *corridor_deg(robot))
    yield from shot(robot)
    yield from _middle(robot, robot.theatre.study.plan.target_mm)
    yield from robot.click("console.mag.1")
    yield from robot.click("console.width", 0.7)
    yield from robot.click("console.height", 0.8)
    yield from shot(robot)
    yield from robot.click("console.store")
    yield from robot.wait(3)


def _place(robot: Robot) -> Frames:
    theatre = robot.theatre
    yield from robot.choose("tray.needle", theatre.study.toolbox.index("needles", NEEDLE))
    yield from robot.click("live.picture", *seen_at(robot, theatre.study.plan.target_mm))
    yield from robot.click("tray.in_line")
    yield from robot.until(lambda: theatre.state.needle.placed, 50)
    yield from shot(robot)


def _drive(robot: Robot, tolerance_mm: float = 0.8) -> Frames:
    """Small steps; before each the bevel is turned so that the tip drifts towards the target."""
    theatre = robot.theatre
    target = theatre.study.plan.target_mm
    for _ in range(40):
        axes = gantry(theatre.state.carm.primary_mdeg, theatre.state.carm.secondary_mdeg)
        gap = target - theatre.state.needle.tip_mm
        off, left = (-dot(gap, axes.right), dot(gap, axes.up)), -dot(gap, axes.normal)
        if left <= tolerance_mm:
            return
        yield from _bevel(robot, off)
        step = min(8.0, left) if left > 16 else min(3.0, left)
        events = len(theatre.session.events)
        yield from push(robot, step)
        yield from shot(robot)
        if any(e.kind == "needle_stopped" and e["reason"] == "bone" for e in theatre.session.events[events:]):
            yield from _off_the_bone(robot, off)


def _bevel(robot: Robot, off: tuple[float, float]) -> Frames:
    roll = robot.theatre.state.needle.roll_mdeg / 1000
    wanted = math.degrees(math.atan2(off[1], off[0])) if math.hypot(*off) > 0.3 else roll + 180
    for _ in range(round(abs((wanted - roll + 180) % 360 - 180) / 30)):
        yield from robot.key(pygame.K_r if (wanted - roll + 180) % 360 - 180 > 0 else pygame.K_e)


def push(robot: Robot, step_mm: float) -> Frames:
    """Advance the needle, or withdraw it where step_mm is negative."""
    code = pygame.K_w if step_mm > 0 else pygame.K_q
    for _ in range(int(abs(step_mm))):
        yield from robot.key(code)
    for _ in range(round((abs(step_mm) - int(abs(step_mm))) / 0.2)):
        yield from robot.key(code, SHIFT)
    yield from robot.wait(2)
    yield from robot.until(lambda: not robot.theatre.state.needle.moving, 300)


def _off_the_bone(robot: Robot, off: tuple[float, float]) -> Frames:
    yield from push(robot, -10.0)
    keys = (pygame.K_j if off[0] > 0 else pygame.K_l, pygame.K_i if off[1] > 0 else pygame.K_k)
    for key, size in zip(keys, off, strict=True):
        for _ in range(min(6, round(abs(size) * 1.2))):
            yield from robot.key(key, SHIFT)
    yield from shot(robot)


def _set_slider(robot: Robot, name: str, value: float, low: float, high: float) -> Frames:
    yield from robot.click(name, 0.03 + 0.94 * (value - low) / (high - low))


def _attach(robot: Robot, agent: str, volume_ml: float) -> Frames:
    theatre = robot.theatre
    yield from robot.choose("tray.agent", theatre.study.toolbox.index("agents", agent))
    yield from _set_slider(robot, "tray.draw", 2 * volume_ml, 0.5, 10.0)
    yield from robot.click("tray.attach")
    yield from robot.until(lambda: theatre.state.spread.agent >= 0, 50)
    yield from _set_slider(robot, "tray.volume", volume_ml, 0.1, 5.0)


def _contrast(robot: Robot, look: Callable[[str], None]) -> Frames:
    theatre = robot.theatre
    yield from robot.click("tray.stylet")
    yield from _attach(robot, CONTRAST, CONTRAST_ML)
    yield from robot.click("tray.aspirate")
    yield from robot.wait(5)
    yield from _set_slider(robot, "tray.rate", 0.5, 0.05, 1.0)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE, mod=0, unicode=" ", scancode=0))
    yield from robot.wait(5)
    yield from robot.click("tray.fixed")
    yield from robot.point("voice.log")
    yield from robot.wait(25)
    look("injecting")
    yield from robot.until(lambda: not theatre.state.spread.flowing, 800)
    yield from robot.wait(20)
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_SPACE, mod=0, unicode=" ", scancode=0))
    yield from robot.wait(3)
    yield from robot.click("console.store")


def views(robot: Robot) -> Frames:
    """Look at the tip in AP and lateral."""
    yield from robot.click("console.open")
    yield from robot.click("console.ap")
    yield from _still(robot)
    yield from shot(robot)
    yield from robot.click("console.lateral_right" if robot.theatre.study.plan.side == "right" else "console.lateral_left")
    yield from _still(robot)
    yield from shot(robot)


def _steroid(robot: Robot) -> Frames:
    theatre = robot.theatre
    yield from _attach(robot, STEROID, STEROID_ML)
    yield from _set_slider(robot, "tray.rate", 0.2, 0.05, 1.0)
    yield from robot.click("tray.fixed")
    yield from robot.wait(5)
    yield from robot.until(lambda: not theatre.state.spread.flowing, 1500)
