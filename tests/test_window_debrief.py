"""The debrief: three parts with moments, replay at any moment, pictures for the report, trend."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sim.window import layers
from sim.window.debrief import MOST_PICTURES, moments, sections
from tests.make_phantom import simple_study
from tests.window_fake import fake_attempt
from tests.window_play import play

REPORT = {
    "passed": False,
    "critical_errors": ["wrong_side"],
    "critical": {"wrong_side": {"title": "Wrong side", "why": "left was treated", "tick": 60}},
    "checklist": {
        "shot": {"done": True, "title": "Picture taken", "tick": 20},
        "prep": {"done": False, "title": "Skin", "why": "never", "tick": -1},
        "late": {"done": False, "title": "Late", "why": "too late", "tick": 90},
    },
    "efficiency": {"fluoro": {"value": 12.34, "unit": "s", "against": "above"}},
}


def test_lines_carry_their_moments_and_the_verdict_has_three_parts():
    read = {s.title: s for s in sections(REPORT, "")}
    assert read["Verdict"].lines[1] == (
        "Critical errors: 1.  Checklist: 1 of 3 steps.  Efficiency: 1 cost above the published norm."
    )
    assert read["Critical errors"].ticks == (60,) and read["What went well"].ticks == (20,)
    assert read["All missed steps"].ticks == (None, 90)
    assert read["Change next time"].ticks == (60, None)
    assert moments(REPORT) == [("Wrong side", 60), ("Picture taken", 20), ("Late", 90)]


def finished(robot):
    yield from robot.click("console.shot")
    yield from robot.wait(10)
    yield from robot.click("console.oblique_right")
    yield from robot.wait(10)
    yield from robot.click("console.shot")
    yield from robot.click("live.picture", 0.5, 0.5)
    yield from robot.click("tray.in_line")
    yield from robot.wait(3)
    yield from robot.click("tray.move+5")
    yield from robot.wait(30)
    yield from robot.click("voice.finish")
    yield from robot.click("voice.finish")
    yield from robot.until(lambda: robot.window.screen == "debrief")
    yield from robot.wait(2)


def test_the_replay_jumps_to_a_moment_and_shows_what_stood_there():
    written = []

    def report(suffix, pictures):
        written.append((suffix, pictures))
        return "runs/report.html"

    ghosts = {"ideal way": np.array([[0.0, 100.0, 0.0], [0.0, 20.0, 0.0]])}

    def script(robot):
        yield from finished(robot)
        replay, ui = robot.window.replay, robot.window.ui
        assert replay.tick == replay.history.last_tick == robot.theatre.state.tick
        assert [line.name for line in replay.lines()] == ["ideal way", "path taken"]
        assert replay.state.carm.primary_mdeg == -25_000
        last = replay.shot
        yield from robot.click("debrief.what_went_well.0")
        yield from robot.wait(2)
        assert replay.tick == 20 and replay.state.carm.primary_mdeg == 0 and replay.shot is not last
        assert [line.name for line in replay.lines()] == ["ideal way"]
        yield from robot.click("replay.next")
        assert replay.tick == 120
        yield from robot.type_into("replay.time", "0")
        yield from robot.wait(2)
        assert replay.tick == 0 and replay.shot is None
        replay.go(120)
        yield from robot.wait(2)
        assert replay.shot is not None and replay.shot.tick <= 120  # the picture is there again after a moment without one
        replay.go(0)
        yield from robot.until(lambda: bool(replay.room._layers), 20_000)
        seen = []
        for number, name in enumerate(layers.NAMES):
            yield from robot.click(f"replay.layer.{number}")
            yield from robot.wait(2)
            assert layers.outermost(replay.room.peeled) == name
            at = ui.rects["replay.room"]
            seen.append(robot.window.snapshot()[int(at.y) : int(at.y + at.h), int(at.x) : int(at.x + at.w)])
        yield from robot.type_into("replay.layers", "1.5")
        yield from robot.wait(2)
        assert layers.alphas(replay.room.peeled) == (0.0, 0.5, 1.0, 1.0, 1.0)
        assert len({picture.tobytes() for picture in seen}) == len(layers.NAMES)  # each layer is another picture
        assert "trend.title" in ui.rects
        yield from robot.click("debrief.report.html")
        end = time.monotonic() + 20
        while not replay.told.startswith("Report:") and time.monotonic() < end:
            yield
        yield

    attempt = fake_attempt(
        simple_study(), score=lambda events: REPORT, ghosts=lambda: ghosts, report=report, save=lambda: "x.scottie",
        trend=lambda: [("2026-01-01", "not passed", 50.0), ("2026-01-02", "passed", 80.0)],
    )  # fmt: skip
    play(script, attempt=attempt)
    suffix, pictures = written[0]
    assert suffix == ".html" and 0 < len(pictures) <= MOST_PICTURES
    assert all(grey.dtype == np.uint8 and tick <= 90 for _, grey, tick in pictures)
    assert len({tick for _, _, tick in pictures}) == len(pictures)  # each picture once


def test_a_report_that_cannot_be_written_is_told():
    def report(suffix, pictures):
        raise OSError("disk full")

    def script(robot):
        yield from finished(robot)
        yield from robot.click("debrief.report.pdf")
        end = time.monotonic() + 20
        while "disk full" not in robot.window.replay.told and time.monotonic() < end:
            yield
        assert "could not be written" in robot.window.replay.told

    play(script, attempt=fake_attempt(simple_study(), score=lambda events: REPORT, report=report))


@pytest.mark.parametrize(("size", "scale"), [((1280, 720), 1.0), ((1280, 720), 1.5), ((1920, 1080), 1.5), ((3840, 2160), 1.5)])
def test_no_widget_of_the_debrief_covers_another(size, scale):
    from tests.window_rects import assert_apart

    seen = {}

    def script(robot):
        yield from robot.click("console.shot")
        yield from robot.wait(2)
        robot.theatre.hands.send("finish")
        yield from robot.until(lambda: robot.window.screen == "debrief")
        yield from robot.wait(2)
        seen.update(robot.window.ui.rects)

    attempt = fake_attempt(simple_study(), score=lambda events: REPORT, trend=lambda: [("2026-01-01", "not passed", 50.0)])
    play(script, size=size, text_scale=scale, attempt=attempt)
    assert {"debrief.close", "replay.time", "replay.picture", "replay.room", "replay.layers"} <= seen.keys()
    assert_apart(seen, size, ("debrief", "replay", "trend"))
