"""The whole window headless, driven by posted events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sim.command import TABLE
from sim.errors import DataError
from sim.session import Session
from sim.window import Attempt, Desk, ScenarioCard
from sim.window.layout import layout
from tests.make_phantom import simple_study
from tests.window_fake import fake_attempt
from tests.window_play import play, play_desk, sent
from tests.window_rects import assert_apart

ROOT = Path(__file__).parents[1]


def test_console_by_mouse():
    def script(robot):
        yield from robot.click("console.shot")
        yield from robot.click("console.oblique_right")
        yield from robot.click("console.tilt+1")
        yield from robot.click("console.slide_z+")
        yield from robot.click("console.mag.1")
        yield from robot.choose("console.rate", 2)
        yield from robot.click("console.width", 0.5)
        yield from robot.click("console.store")
        yield from robot.click("console.swap")
        yield from robot.down("console.pedal")
        yield from robot.wait(20)
        assert robot.theatre.state.carm.beam == "live"
        yield from robot.up("console.pedal")
        yield from robot.wait(2)

    window = play(script)
    ops = sent(window)
    assert ops[:6] == [
        ("xray.shot",),
        ("carm.to", -25_000, 0),
        ("carm.to", -25_000, 1000),
        ("carm.centre", 0, 0, 10_000),
        ("carm.magnify", 1),
        ("carm.pulse_rate", 40),
    ]
    assert ops[6][0] == "carm.collimate" and 450 <= ops[6][1] <= 600 and ops[6][2] == 1000
    assert ops[-2:] == [("xray.pedal", 1), ("xray.pedal", 0)]
    assert window.theatre.swapped and window.theatre.shown > 5 and window.theatre.state.carm.beam == ""


def test_the_machine_replays_a_run_and_shows_shutters_before_they_are_used():
    import pygame

    seen = []

    def script(robot):
        theatre = robot.theatre
        yield from robot.key(pygame.K_c)  # nothing to show yet
        yield from robot.down("console.pedal")
        yield from robot.wait(40)
        yield from robot.up("console.pedal")
        yield from robot.wait(3)
        yield from robot.key(pygame.K_c)
        for _ in range(60):
            yield from robot.wait(1)
            seen.append(theatre.monitors()[0].number)
        assert theatre.cine.playing and len(theatre.cine.shots) > 2
        yield from robot.key(pygame.K_b)
        yield from robot.key(pygame.K_n)
        yield from robot.wait(2)
        yield from robot.key(pygame.K_n)
        yield from robot.click("console.width", 0.5)
        yield from robot.wait(2)
        assert theatre.state.carm.boost and theatre.state.carm.iris_permille == 800
        yield from robot.key(pygame.K_b)
        yield from robot.click("console.open")
        yield from robot.key(pygame.K_v)
        assert theatre.road_map
        yield from robot.key(pygame.K_o)  # no subtraction run: the assistant says so
        yield from robot.click("console.shot")
        yield from robot.wait(3)
        assert not theatre.cine.playing
        assert not theatre.state.carm.boost and theatre.state.carm.iris_permille == 1500

    window = play(script)
    said = [line.text for line in window.theatre.log]
    assert any("no run to show again" in text for text in said) and any("hold DSA first" in text for text in said)
    assert len(set(seen)) > 2


def test_needle_by_mouse_and_keys():
    import pygame

    def script(robot):
        yield from robot.key(pygame.K_s)
        yield from robot.wait(2)
        yield from robot.click("live.picture", 0.4, 0.45)
        yield from robot.choose("tray.needle", 1)
        yield from robot.click("tray.in_line")
        yield from robot.wait(3)
        assert robot.theatre.state.needle.placed
        for code, mod in (
            (pygame.K_w, 0),
            (pygame.K_w, pygame.KMOD_SHIFT),
            (pygame.K_q, 0),
            (pygame.K_r, 0),
            (pygame.K_i, 0),
            (pygame.K_l, pygame.KMOD_SHIFT),
            (pygame.K_t, 0),
        ):
            yield from robot.key(code, mod)
            yield from robot.until(lambda: not robot.theatre.state.needle.moving)
        yield from robot.wheel("live.picture", 1)
        yield from robot.until(lambda: not robot.theatre.state.needle.moving)
        yield from robot.click("tray.move+5")
        yield from robot.until(lambda: not robot.theatre.state.needle.moving)

    window = play(script)
    ops = sent(window)
    assert ops[1] == ("needle.choose", 1) and ops[2][0] == "needle.place"
    yaw, pitch = ops[2][3:]
    assert ops[3:] == [
        ("needle.move", 1000, 8000), ("needle.move", 200, 8000), ("needle.move", -1000, 8000), ("needle.turn", 30_000),
        ("needle.tilt", yaw, pitch + 2000), ("needle.tilt", yaw - 500, pitch + 2000), ("needle.stylet", 0),
        ("needle.move", 1000, 8000), ("needle.move", 5000, 8000),
    ]  # fmt: skip
    assert window.theatre.state.needle.depth_mm == pytest.approx(6.2, abs=0.01)


def test_marker_on_the_skin():
    import pygame

    def script(robot):
        yield from robot.key(pygame.K_m)
        before = robot.theatre.marker_mm.copy()
        yield from robot.key(pygame.K_i)
        yield from robot.key(pygame.K_j, pygame.KMOD_SHIFT)
        assert robot.theatre.marker_mm - before == pytest.approx([1.0, 0.0, 5.0])
        yield from robot.click("console.shot")
        yield from robot.wait(2)
        assert robot.theatre.live.marker is not None
        yield from robot.click("room.above")
        yield from robot.click("room.near")
        yield from robot.click("room.view", 0.5, 0.5)
        yield from robot.click("tray.at_marker")
        yield from robot.wait(2)
        assert robot.theatre.state.needle.placed

    window = play(script)
    assert [op for op, *_ in sent(window)] == ["xray.shot", "needle.choose", "needle.place"]


def test_speech_syringe_and_debrief():
    import pygame

    def script(robot):
        for name in ("voice.chart", "voice.consent"):
            yield from robot.click(name)
        yield from robot.click("voice.timeout")  # greyed out: no side chosen
        yield from robot.choose("voice.timeout_side", 1)
        yield from robot.click("voice.timeout")
        yield from robot.click("voice.prep")
        yield from robot.choose("voice.declare_level", 4)
        yield from robot.click("voice.declare")
        yield from robot.key(pygame.K_2)
        yield from robot.click("tray.aspirate")
        yield from robot.down("tray.inject")
        yield from robot.wait(10)
        yield from robot.up("tray.inject")
        yield from robot.key(pygame.K_f, frames=5)
        yield from robot.key(pygame.K_g)
        yield from robot.wait(5)
        yield from robot.click("voice.finish")
        assert robot.window.screen == "room"
        yield from robot.click("voice.finish")
        yield from robot.until(lambda: robot.window.screen == "debrief")
        yield
        assert "debrief.verdict" in robot.window.ui.rects and "debrief.record" in robot.window.ui.rects

    window = play(
        script, attempt=fake_attempt(simple_study(), score=lambda events: {"passed": True}, save=lambda: "runs/x.scottie")
    )
    assert [op for op, *_ in sent(window)] == [
        "chart.review", "consent.take", "timeout.call", "prep.skin", "level.declare", "syringe.attach", "syringe.aspirate",
        "syringe.inject", "syringe.stop", "syringe.inject", "syringe.stop", "syringe.inject", "finish",
    ]  # fmt: skip
    assert ("timeout.call", 3, 1) in sent(window) and ("level.declare", 4) in sent(window)


def test_losing_the_focus_lets_go_of_the_pedal():
    import pygame

    def script(robot):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE, mod=0, unicode=" ", scancode=0))
        yield from robot.wait(3)
        pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
        yield from robot.wait(3)

    assert sent(play(script)) == [("xray.pedal", 1), ("xray.pedal", 0)]


def test_panels_by_keyboard_alone():
    """Tab gives the keys to the panels: Space then presses the focused button, not the pedal; Esc gives them back."""
    import pygame

    def script(robot):
        yield from robot.key(pygame.K_TAB)
        assert robot.window.inputs.panels
        for _ in range(3):
            yield from robot.key(pygame.K_TAB)
            yield
        yield from robot.key(pygame.K_SPACE)
        yield from robot.key(pygame.K_ESCAPE)
        yield from robot.key(pygame.K_s)
        yield from robot.wait(2)

    ops = [op for op, *_ in sent(play(script))]
    assert ops[-1] == "xray.shot" and "xray.pedal" not in ops


def test_help_pauses_and_a_slider_can_be_typed():
    import pygame

    def script(robot):
        yield from robot.key(pygame.K_F1)
        yield
        assert "help.close" in robot.window.ui.rects
        tick = robot.theatre.state.tick
        yield from robot.wait(5)
        assert robot.theatre.state.tick == tick
        yield from robot.key(pygame.K_F1)
        yield
        yield from robot.type_into("console.orbital", "37")

    assert ("carm.to", 37_000, 0) in sent(play(script))


SIZES = [
    ((1280, 720), 1.0),
    ((1600, 900), 1.3),
    ((1280, 720), 1.5),
    ((1920, 1080), 1.0),
    ((1920, 1080), 1.5),
    ((3840, 2160), 1.5),
]


@pytest.mark.parametrize(("size", "scale"), SIZES)
def test_no_widget_is_cut_off_or_covered(size, scale):
    """The room, the menu and the page of controls, at every size that is promised."""
    import pygame

    seen = {}

    def script(robot):
        for name, key in (("room", None), ("menu", pygame.K_SLASH), ("help", pygame.K_F1)):
            if key is not None:
                yield from robot.key(key)
            yield
            seen[name] = dict(robot.window.ui.rects)
            yield from robot.key(pygame.K_ESCAPE)

    play(script, size=size, text_scale=scale)
    panels = tuple(layout(*size, scale))
    assert {"console.pedal", "console.shot", "tray.needle", "voice.chart", "live.picture"} <= seen["room"].keys()
    assert_apart(seen["room"], size, panels)
    assert "menu.0" in seen["menu"] and "help.keys.pedal" in seen["help"]
    assert_apart({n.replace("menu.", "room."): r for n, r in seen["menu"].items()}, size, panels)
    assert_apart(seen["help"], size, ("help",))


@pytest.mark.parametrize(("size", "scale"), [((1280, 720), 1.0), ((1280, 720), 1.5), ((3840, 2160), 1.5)])
def test_no_widget_of_the_gallery_is_cut_off_or_covered(size, scale):
    cards = tuple(
        ScenarioCard(f"c{i}", f"Case {i} with a title of some length", level="L4", summary="Why. " * 20) for i in range(9)
    )
    seen = {}

    def script(robot):
        yield from robot.wait(2)
        seen.update(robot.window.ui.rects)

    play_desk(script, Desk(scenarios=cards, start=lambda *_: None, size=size, text_scale=scale, tutorial="c1"))
    assert {"chooser.begin", "chooser.mode.2", "chooser.0", "chooser.tutorial"} <= seen.keys()
    assert_apart(seen, size, ("chooser",))


def test_every_widget_of_the_room_is_reached_by_keyboard():
    """Tab and F6 bring the focus to each button, slider and list that can be worked."""
    import pygame
    from imgui_bundle import imgui

    from sim.window.inputs import PANELS

    reached = set()

    def script(robot):
        window = robot.window
        real = window.ui.record

        def record(name, enabled=True):
            real(name, enabled)
            if imgui.is_item_focused():
                reached.add(name)

        window.ui.record = record
        yield from robot.key(pygame.K_TAB)
        for panel in PANELS:
            for _ in [n for n in window.ui.rects if n.startswith(panel + ".")] + [panel] * 2:
                yield from robot.key(pygame.K_TAB)
            yield from robot.key(pygame.K_F6)
        wanted.update(n for n in window.ui.rects if "." in n and n not in window.ui.disabled)

    wanted = set()
    play(script)
    shown_only = {"banner.site", "banner.mode", "voice.clock", "voice.log", "voice.next", "live.picture", "reference.picture",
                  "touch.trace", "touch.bar", "room.view"}  # fmt: skip
    missing = {n for n in wanted - reached - shown_only if not n.startswith("phase.")}
    assert not missing, " ".join(sorted(missing))


def test_reading_the_controls_is_no_pause_in_an_assessment():
    import pygame

    def script(robot):
        yield from robot.key(pygame.K_F1)
        tick = robot.theatre.state.tick
        yield from robot.wait(5)
        assert robot.theatre.help_open and robot.theatre.state.tick > tick

    play(script, attempt=fake_attempt(replace(simple_study(), mode="assessment")))


def test_an_assessment_has_no_skin_slider_and_no_anatomy():
    study = replace(simple_study(), mode="assessment")

    def script(robot):
        yield from robot.wait(2)
        assert "room.skin" not in robot.window.ui.rects
        assert not robot.window.room._inside

    play(script, attempt=fake_attempt(study))


def test_choosing_a_scenario_and_an_error_of_its_start():
    study = simple_study()
    cards = (ScenarioCard("a", "Broken case"), ScenarioCard("b", "Good case", level="L4", side="right"))
    asked = []

    def start(name, mode, seed):
        asked.append((name, mode))
        if name == "a":
            raise DataError("a.toml: key 'x' is 1; expected 2")
        return fake_attempt(study)

    def script(robot):
        window = robot.window
        yield from robot.wait(2)
        yield from robot.click("chooser.begin")
        yield from robot.until(lambda: window.screen == "chooser" and bool(window.error))
        assert "expected 2" in window.error
        yield from robot.wait(2)
        yield from robot.click("chooser.1")
        yield from robot.click("chooser.mode.2")
        yield from robot.click("chooser.begin")
        yield from robot.ready()

    play_desk(script, Desk(scenarios=cards, start=start))
    assert asked == [("a", "practice"), ("b", "assessment")]


def test_a_real_session_by_hand():
    """The window drives the core itself: a shot, a needle in line with the beam, ten millimetres."""
    import pygame

    def script(robot):
        yield from robot.click("console.shot")
        yield from robot.until(lambda: robot.theatre.shown == 1, 200)
        yield from robot.click("live.picture", 0.55, 0.5)
        yield from robot.key(pygame.K_p)
        yield from robot.until(lambda: robot.theatre.state.needle.placed, 50)
        for _ in range(10):
            yield from robot.key(pygame.K_w)
        yield from robot.wait(5)
        yield from robot.until(lambda: not robot.theatre.state.needle.moving, 500)

    window = play(script, attempt=Attempt(Session(simple_study())))
    needle = window.theatre.state.needle
    assert needle.asked_mm == pytest.approx(10.0, abs=0.15)  # ten quick steps of the hand add up
    assert 8.0 < needle.depth_mm <= 10.2
    assert any(e.kind == "exposed" for e in window.theatre.session.events)


def test_every_command_can_be_given():
    """No operation of the core lacks a widget or a key."""
    source = "".join(p.read_text() for p in (ROOT / "sim" / "window").glob("*.py"))
    for op in TABLE:
        assert op == "idle" or f'"{op}"' in source, op
