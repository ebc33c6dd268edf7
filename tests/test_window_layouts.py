"""Every page at every promised size: nothing cut off, nothing covered; and every widget of every page reached by the keyboard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pygame
import pytest

from sim.plan import Drill, DrillItem
from sim.window import Desk, Progress, ScenarioCard, Stage, Suggestion, generator, tray_cement, tray_lead
from sim.window.inputs import PANELS
from sim.window.layout import layout
from tests.make_phantom import simple_phantom, simple_plan, study_of
from tests.test_window_debrief import REPORT
from tests.window_fake import fake_attempt
from tests.window_play import play, play_desk
from tests.window_rects import assert_apart

SIZES = [(1280, 720), (1920, 1080), (3840, 2160)]
SCALES = [1.0, 1.5]
EVERY = [(size, scale) for size in SIZES for scale in SCALES]
LONG = "Right L4 transforaminal epidural steroid injection (L4-5 foramen, subpedicular), patient with listhesis"


def gallery_desk(size=(1280, 720), scale=1.0, **more):
    cards = tuple(
        ScenarioCard(
            f"c{i}", f"{LONG} {i}", procedure=("drill", "mbb", "tfesi", "vertebroplasty")[i % 4], level="L4", side="right",
            summary="Why. " * 20, best="passed, 15 of 15 points", last="last: not passed", tip="goal: two exposures fewer",
            error="c3.toml: key 'x' is 1; expected 2" if i == 3 else "",
        )
        for i in range(9)
    )  # fmt: skip
    stages = tuple(
        Stage(f"Transforaminal injection, part {i}", f"lane {i // 3}", (f"c{i}",), ("learned", "open", "later")[i % 3], i % 3, 3,
              "Why this stage.", "2 more passed attempts in a row without a critical error")
        for i in range(9)
    )  # fmt: skip
    progress = Progress((Suggestion(f"Next: {LONG}", "c1", 2), Suggestion(f"Case of the day: {LONG}", "c2", 3)),
                        ("Safe cases in a row: 2.",), stages)  # fmt: skip
    picture = np.full((16, 16), 99, np.uint8)
    return Desk(scenarios=cards, progress=progress, start=lambda *_: fake_attempt(study_of(simple_phantom())), tutorial="c1",
                thumbnail=lambda _name: picture, size=size, text_scale=scale, picture_px=32, **more)  # fmt: skip


PAGES = {"map": "map", "settings": "settings", "controls": "help"}


@pytest.mark.parametrize(("size", "scale"), EVERY)
def test_gallery_map_settings_and_controls(size, scale):
    seen = {}

    def script(robot):
        yield from robot.wait(3)
        seen["chooser"] = dict(robot.window.ui.rects)
        for page, panel in PAGES.items():
            yield from robot.click(f"chooser.{page}")
            yield from robot.wait(2)
            seen[panel] = dict(robot.window.ui.rects)
            yield from robot.key(pygame.K_ESCAPE)
            yield
            assert "chooser.begin" in robot.window.ui.rects

    play_desk(script, gallery_desk(size, scale))
    assert {"chooser.begin", "chooser.0", "chooser.tutorial", "chooser.suggestion.1"} <= seen["chooser"].keys()
    assert {"map.8", "map.close"} <= seen["map"].keys() and {"settings.text.5", "settings.forget"} <= seen["settings"].keys()
    for panel, rects in seen.items():
        assert_apart(rects, size, (panel,))


# --- the theatre, for each procedure and each kind of drill ----------------------------------------


def drill_study(kind):
    item = DrillItem(kind, "Bring the L4 vertebra to the middle of an AP picture, then answer.", choices=("a", "b", "c"), right=1)
    plan = replace(simple_plan(), drill=Drill((item, item), frozenset({"xray.shot"}), (0, 0, 0, 0, 0)))
    return study_of(simple_phantom(), plan)


def needle_of(study, wanted):
    return next(i for i, row in enumerate(study.toolbox.needles) if wanted(row))


def injection(robot):
    """Syringe on the hub: transforaminal injection, medial branch block."""
    yield from robot.key(pygame.K_2)
    yield from robot.wait(3)


def filling(robot):
    """A bone needle in the body: mallet, drill and cement."""
    yield from placed(robot, needle_of(robot.theatre.study, lambda row: row.bores))
    yield from robot.key(pygame.K_t)
    yield from robot.wait(3)
    assert tray_cement.wanted(robot.theatre)  # in a small window its rows are scrolled to
    assert not tray_lead.wanted(robot.theatre)  # a cannula for cement is no way for a lead


def lead(robot):
    """A wide open needle: the lead's rows."""
    tools = robot.theatre.study.toolbox
    yield from placed(
        robot,
        needle_of(robot.theatre.study, lambda row: not row.bores and row.inner_diameter_mm > tools.leads[0].outer_diameter_mm),
    )
    yield from robot.key(pygame.K_t)
    yield from robot.wait(3)
    assert tray_lead.wanted(robot.theatre)


def heat(robot):
    """The generator's rows."""
    yield from robot.wait(2)
    assert generator.shown(robot.theatre)


def question(robot):
    """A drill's question."""
    yield from robot.wait(2)
    assert any(name.startswith("drill.") for name in robot.window.ui.rects)


def picture_controls(robot):
    """The picture's own controls."""
    yield from robot.key(pygame.K_s)
    yield from robot.wait(3)
    if "console.picture" not in robot.window.ui.rects:
        yield from robot.wheel("console.shot", -20)
    yield from robot.click("console.picture")
    yield from robot.wait(2)


def placed(robot, needle):
    robot.theatre.hands.choose_needle(needle)
    robot.theatre.hands.place_at(-40.0, 40.0)
    yield from robot.until(lambda: robot.theatre.state.needle.placed, 50)
    yield from robot.wait(2)


def plain(**more):
    return study_of(simple_phantom(), replace(simple_plan(), **more))


ROOMS = {
    "injection": (plain, injection),
    "filling": (plain, filling),
    "lead": (plain, lead),
    "heat": (lambda: plain(approach="rf_medial_branch"), heat),
    "picture": (plain, picture_controls),
    **{f"drill-{kind}": (lambda kind=kind: drill_study(kind), question) for kind in ("point", "choose", "square", "needle")},
}


@pytest.mark.parametrize(("size", "scale"), [((1280, 720), 1.0), ((1280, 720), 1.5), ((3840, 2160), 1.5)])
@pytest.mark.parametrize("room", ROOMS)
def test_the_room_of_each_procedure_and_drill(room, size, scale):
    make, prepare = ROOMS[room]
    seen = {}

    def script(robot):
        yield from prepare(robot)
        seen.update(robot.window.ui.rects)

    play(script, size=size, text_scale=scale, attempt=fake_attempt(make()))
    assert_apart(seen, size, tuple(layout(*size, scale)))


# --- the keyboard -----------------------------------------------------------------------------------


def walk(robot, panels=1):
    """Press Tab all round each panel (F6 between them); return (reached, wanted) of what was on show."""
    reached, wanted, ui = set(), set(), robot.window.ui
    for _ in range(panels):
        first = ""
        for _ in range(300):
            yield from robot.key(pygame.K_TAB)
            yield
            wanted |= {name for name in ui.rects if name not in ui.disabled}  # the page scrolls to what has the keys
            if ui.focused == first:
                break
            first = first or ui.focused
            reached.add(ui.focused)
        yield from robot.key(pygame.K_F6)
    return reached, wanted


SHOWN_ONLY = {"replay.picture", "replay.room", "replay.said", "trend.title"}
"""Pictures and headings: the room of the replay turns by mouse, its layers are buttons."""


def test_every_widget_of_gallery_and_pages_is_reached_by_keyboard():
    def script(robot):
        yield from robot.wait(3)
        for page in ("", *PAGES):
            if page:
                robot.window.page = page
                yield from robot.wait(2)
            reached, wanted = yield from walk(robot)
            missing = {name for name in wanted - reached if "." in name}
            assert not missing, f"{page}: {' '.join(sorted(missing))}"
            yield from robot.key(pygame.K_ESCAPE)

    play_desk(script, gallery_desk())


@pytest.mark.parametrize("room", ["filling", "lead", "heat", "drill-point", "drill-choose"])
def test_what_a_procedure_adds_to_the_room_is_reached_by_keyboard(room):
    """Tray and speech, where the procedures differ; tests/test_window.py walks through the whole room of one."""
    make, prepare = ROOMS[room]

    def script(robot):
        ui, inputs = robot.window.ui, robot.window.inputs
        yield from prepare(robot)
        if room == "drill-point":
            yield from robot.key(pygame.K_s)
            yield from robot.wait(3)
            yield from robot.click("live.picture")
        yield from robot.key(pygame.K_TAB)
        for panel in ("tray", "voice"):
            while PANELS[inputs._panel] != panel:
                yield from robot.key(pygame.K_F6)
            yield
            reached = {ui.focused}
            first = ""
            for _ in range(100):
                yield from robot.key(pygame.K_TAB)
                yield
                if ui.focused == first:
                    break
                first = first or ui.focused
                reached.add(ui.focused)
            wanted = {n for n in ui.rects if n.startswith(OF[panel]) and n not in ui.disabled and n not in NOT_WORKED}
            assert not wanted - reached, " ".join(sorted(wanted - reached))

    play(script, attempt=fake_attempt(make()))


OF = {"tray": ("tray.", "generator."), "voice": ("voice.", "drill.")}
NOT_WORKED = {"voice.clock", "voice.log", "voice.next", "drill.prompt"}


def test_every_widget_of_the_controls_is_reached_from_the_room():
    def script(robot):
        yield from robot.key(pygame.K_F1)
        yield from robot.wait(2)
        reached, wanted = yield from walk(robot)
        missing = {name for name in wanted - reached if "." in name}
        assert not missing, " ".join(sorted(missing))

    play(script)


def test_every_widget_of_the_debrief_is_reached_by_keyboard():
    def script(robot):
        yield from robot.key(pygame.K_s)
        yield from robot.wait(30)
        robot.theatre.hands.send("finish")
        yield from robot.until(lambda: robot.window.screen == "debrief")
        yield from robot.wait(3)
        reached, wanted = yield from walk(robot, panels=2)
        titles = {name for name in wanted if name.startswith("debrief.") and name.count(".") == 1 and name not in ACTS}
        missing = {name for name in wanted - reached - SHOWN_ONLY - titles if "." in name}
        assert not missing, " ".join(sorted(missing))

    play(
        script,
        size=(1920, 1080),
        attempt=fake_attempt(
            study_of(simple_phantom()),
            score=lambda _events: REPORT,
            report=lambda *_: "x",
            trend=lambda: [("2026-01-01", "a", 5.0)],
        ),
    )


ACTS = {"debrief.again", "debrief.close", "debrief.report.html", "debrief.report.pdf"}
