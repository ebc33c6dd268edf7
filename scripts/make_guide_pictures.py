"""Makes the pictures of docs/GUIDE.md: gallery, controls, menu, each procedure at its decisive moment, debrief. Headless.

    python scripts/make_guide_pictures.py [--out docs/guide] [--size 1280x720] [--only tfesi-l4l5-right] [--thumbnails]

The attempts are real: the expert acts through mouse and keyboard events. --thumbnails waits for the pictures of the gallery.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["SCOTTIE_NO_BACKGROUND"] = "1"

from PIL import Image

from commands.acting import act_out
from commands.joints import window_desk
from scenarios.operators import find_operator
from scenarios.registry import find_scenario
from sim.command import Command
from sim.window import boot, drive

CASES = {"tfesi-l4l5-right": "syringe.inject", "mbb-l4s1-left": "syringe.inject"}
"""Case -> the command at which it is at its decisive moment (the last one of that kind)."""


def main() -> None:
    """Make the wanted pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "guide")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--only", default="")
    parser.add_argument("--thumbnails", action="store_true")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    size = tuple(int(n) for n in asked.size.split("x"))
    boot.prepare(headless=True)

    def save(robot, name):
        Image.fromarray(robot.window.snapshot()).quantize(256).save(asked.out / f"{name}.png", optimize=True)
        print(asked.out / f"{name}.png", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        for name, moment in CASES.items():
            if not asked.only or name == asked.only:
                one_case(name, moment, Path(folder) / name, size, save)
        if not asked.only:
            gallery(Path(folder), size, save, asked.thumbnails)


def desk_of(name, folder, size):
    """Return a desk without the user's own settings."""
    desk = window_desk(name, 1, folder)
    desk.settings = desk.controls = None
    desk.size = size
    return desk


def gallery(folder, size, save, wait):
    """Show the gallery, with the records of the attempts made before."""
    desk = desk_of(None, folder, size)

    def script(robot):
        yield from robot.wait(3)
        end = time.monotonic() + (1200 if wait else 5)
        while time.monotonic() < end and "waiting" in signs(robot, desk):
            time.sleep(0.2)
            yield
        yield from robot.wait(3)
        save(robot, "gallery")

    drive(desk, script)


def signs(robot, desk):
    """Return what stands in place of the pictures of the first cards."""
    return [robot.window.chooser._thumbs.sign(card.id) for card in desk.scenarios[:12]]


def one_case(name, moment, folder, size, save):
    """Play a case as the expert; keep the guided room, menu and controls at the start, the decisive moment, the debrief."""
    import pygame

    from sim.window.player_devices import ByMouse

    scenario, desk = find_scenario(name), desk_of(name, folder, size)
    desk.guided = True

    class Photographer(ByMouse):
        """Takes a picture of the window while a command of the wanted kind works."""

        def obey(self, command: Command):
            """Obey, and look."""
            yield from super().obey(command)
            if command.op == moment:
                yield from robot_.wait(20)
                save(robot_, name)

    robot_ = None

    def script(robot):
        nonlocal robot_
        robot_ = robot
        yield from robot.ready()
        yield from robot.wait(3)
        robot.window.room.skin_alpha = 0.3
        if name == "tfesi-l4l5-right":
            yield from robot.key(pygame.K_s)
            yield from robot.wait(40)
            save(robot, "room")
            yield from robot.key(pygame.K_SLASH)
            yield from robot.wait(2)
            save(robot, "menu")
            yield from robot.key(pygame.K_ESCAPE)
            yield from robot.key(pygame.K_F1)
            yield from robot.wait(2)
            save(robot, "controls")
            yield from robot.key(pygame.K_F1)
        yield from robot.key(pygame.K_F3)
        camera = robot.window.room.camera
        camera.azimuth_deg, camera.elevation_deg, camera.distance_mm = 318.0, 24.0, 520.0
        yield from act_out(robot, scenario, find_operator(scenario, "expert"), Photographer(robot))
        yield from robot.until(lambda: robot.window.screen == "debrief", 300)
        yield from robot.wait(3)
        key = next(k for k in sorted(robot.window.ui.rects) if k.startswith("debrief.what_went_well.") and k[-1].isdigit())
        yield from robot.click(key)
        replay = robot.window.replay
        replay.go(max(t for t, _, _ in replay.history.views))
        yield from robot.wait(3)
        save(robot, f"debrief-{scenario.file.procedure}")
        yield from robot.click("debrief.report.html")
        yield from robot.until(lambda: replay.told.startswith(("Report:", "The report")), 20_000)
        print(replay.told, flush=True)

    drive(desk, script)


if __name__ == "__main__":
    main()
