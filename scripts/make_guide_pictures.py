"""Makes the pictures of docs/GUIDE.md: gallery, map, controls, menu, each procedure at its decisive moment, debrief. Headless.

    python scripts/make_guide_pictures.py [--out docs/guide] [--size 1280x720] [--only tfesi-l4l5-right|gallery] [--thumbnails]

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
from sim.window import boot, drive

CASES = {"tfesi-l4l5-right": 2, "mbb-l4l5-right": 2, "vp-l3-right-haemangioma": 2}
"""Case -> patient."""
DEBRIEFS = ("tfesi", "vertebroplasty")
CLOSE = 2
"""Magnification of the pictures: the smallest field shows the most of what is narrow."""


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
        for name in CASES:
            if not asked.only or name == asked.only:
                one_case(name, Path(folder) / name, size, save)
        if asked.only in ("", "gallery"):
            gallery(Path(folder), size, save, asked.thumbnails)


def desk_of(name, folder, size):
    """Return a desk without the user's own settings."""
    desk = window_desk(name, CASES.get(name, 1), folder)
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
        yield from robot.click("chooser.map")
        yield from robot.wait(2)
        save(robot, "map")

    drive(desk, script)


def signs(robot, desk):
    """Return what stands in place of the pictures of the first cards."""
    return [robot.window.chooser._thumbs.sign(card.id) for card in desk.scenarios[:12]]


def decisive(robot, by_mouse, name, save):
    """Return hands that magnify instead of closing the shutters, and take the picture of the procedure's decisive moment.

    Transforaminal injection: contrast under live X-rays, in AP. Medial branch block: the tunnel view, needle end on.
    Vertebroplasty: the newest portion of cement, in lateral.
    """

    class Photographer(by_mouse):
        """Acts as it is told; looks where it matters."""

        def do_carm_collimate(self, _width, _height):
            yield from self.do_carm_magnify(CLOSE)

        def do_carm_magnify(self, mode):
            yield from robot.click(f"console.mag.{mode}")
            yield from robot.wait(3)
            assert robot.theatre.state.carm.magnification == mode

        def look(self, what):
            yield from robot.wait(3)
            yield from robot.point("voice.log")  # away from every tooltip
            yield from robot.wait(2)
            save(robot, what)

        def do_carm_to(self, primary, secondary):
            needle = robot.theatre.state.needle
            if name.startswith("mbb") and needle.placed and needle.depth_mm > 20 and abs(primary) < 5000:
                yield from self.look(name)
            yield from super().do_carm_to(primary, secondary)

        def do_xray_pedal(self, on):
            if on and name.startswith("tfesi"):
                yield from self.do_image_store()
                yield from self.do_carm_to(0, 0)
                yield from robot.until(lambda: robot.theatre.state.carm.primary_mdeg == 0)
            if not on and not name.startswith("mbb"):
                yield from self.look(name)
            yield from super().do_xray_pedal(on)

    return Photographer(robot)


def one_case(name, folder, size, save):
    """Play a case as the expert; keep the guided room, menu and controls at the start, the decisive moment, the debrief."""
    import pygame

    from sim.window.player_devices import ByMouse

    scenario, desk = find_scenario(name), desk_of(name, folder, size)
    desk.guided = True
    side = scenario.file.target.side

    def script(robot):
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
        camera.azimuth_deg, camera.elevation_deg, camera.distance_mm = (50.0 if side == "left" else 310.0), 32.0, 560.0
        yield from act_out(robot, scenario, find_operator(scenario, "expert"), decisive(robot, ByMouse, name, save))
        yield from robot.until(lambda: robot.window.screen == "debrief", 300)
        yield from robot.wait(3)
        replay = robot.window.replay
        yield from robot.until(lambda: bool(replay.room._layers), 20_000)
        replay.go(max(t for t, _, _ in replay.history.views))
        yield from robot.point("replay.picture")
        yield from robot.wait(3)
        if scenario.file.procedure in DEBRIEFS:
            save(robot, f"debrief-{scenario.file.procedure}")
        yield from robot.click("debrief.report.html")
        yield from robot.until(lambda: replay.told.startswith(("Report:", "The report")), 20_000)
        print(replay.told, flush=True)

    drive(desk, script)


if __name__ == "__main__":
    main()
