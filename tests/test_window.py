"""The window: geometry and manners without OpenGL, then the whole window headless, driven by posted events."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim.command import TABLE, Command
from sim.errors import DataError, MachineError
from sim.event import TABLE as EVENTS
from sim.event import Event
from sim.frames import hub_frame
from sim.phantom import skin_y
from sim.session import Session
from sim.view import pose_of
from sim.window import Attempt, Desk, ScenarioCard, boot, drive
from sim.window.aim import Aim, centre_on, in_line_with_beam, picture_point_mm, project
from sim.window.debrief import sections
from sim.window.layout import MONITOR_MIN, layout
from sim.window.theatre import MAX_TICKS_PER_FRAME, Theatre
from sim.window.words import SILENT, sentences
from tests.make_phantom import simple_study
from tests.window_fake import FakeSession, fake_attempt

ROOT = Path(__file__).parents[1]
CARM = simple_study().toolbox.carm


# --- geometry -------------------------------------------------------------------------------------


@pytest.mark.parametrize("angles", [(0, 0), (25_000, 10_000), (-25_000, -12_000), (90_000, 0), (-90_000, 20_000)])
def test_projecting_a_picture_point_gives_it_back(angles):
    pose = pose_of(CARM, *angles, (5_000, -10_000, 20_000), 1)
    for u, v in ((0.5, 0.5), (0.1, 0.8), (0.93, 0.07)):
        on_detector = picture_point_mm(pose, u, v)
        between = pose.source_mm + 0.6 * (on_detector - pose.source_mm)
        assert project(pose, between) == pytest.approx((u, v), abs=1e-9)


def test_the_picture_shows_the_patients_left_on_the_left_and_the_head_up():
    pose = pose_of(CARM, 0, 0, (0, 0, 0), 0)
    assert project(pose, np.array([30.0, 0.0, 0.0]))[0] < 0.5
    assert project(pose, np.array([0.0, 0.0, 30.0]))[1] < 0.5


@pytest.mark.parametrize("angles", [(0, 0), (25_000, 0), (-30_000, 15_000), (20_000, -20_000)])
@pytest.mark.parametrize("at", [(0.5, 0.5), (0.42, 0.6)])
def test_a_needle_in_line_with_the_beam_projects_to_one_point(angles, at):
    fields = simple_study().phantom.fields
    pose = pose_of(CARM, *angles, (0, 20_000, 0), 0)
    command = in_line_with_beam(fields, Aim(pose, *at))
    assert isinstance(command, Command) and command.op == "needle.place"
    x, z = command.args[0] / 1000, command.args[1] / 1000
    entry = np.array([x, skin_y(fields, x, z), z])
    tip = entry + 80.0 * hub_frame(*command.args[2:])[:, 2]
    assert project(pose, entry) == pytest.approx(at, abs=1e-4)
    assert project(pose, tip) == pytest.approx(at, abs=1e-4)
    assert tip[1] < entry[1]


def test_a_lateral_beam_is_refused_in_words():
    answer = in_line_with_beam(simple_study().phantom.fields, Aim(pose_of(CARM, 90_000, 0, (0, 0, 0), 0), 0.5, 0.5))
    assert isinstance(answer, str) and answer.endswith(".")


def test_centring_brings_the_point_to_the_middle():
    pose = pose_of(CARM, -25_000, 10_000, (0, 0, 0), 0)
    point = np.array([12.0, -3.0, 20.0])
    shift = centre_on(pose, Aim(pose, *project(pose, point)), CARM.sod_mm)
    u, v = project(pose_of(CARM, -25_000, 10_000, shift, 0), point)
    assert abs(u - 0.5) < 0.02 and abs(v - 0.5) < 0.02


# --- words, layout, debrief -----------------------------------------------------------------------

SAMPLE = {int: 3, str: "L4", bool: True, list: []}


def test_every_event_is_said_or_silent_on_purpose():
    for kind, fields in EVENTS.items():
        lines = sentences(Event(5, kind, {name: SAMPLE[t] for name, t in fields.items()}), practice=True)
        assert bool(lines) != (kind in SILENT), kind
        assert all("{" not in line.text for line in lines), kind


def test_an_assessment_hides_what_no_eye_can_see():
    fact = Event(5, "structure_entered", {n: SAMPLE[t] for n, t in EVENTS["structure_entered"].items()})
    assert sentences(fact, practice=True) and not sentences(fact, practice=False)


@pytest.mark.parametrize("size", [(1280, 720), (1280, 800), (1600, 900), (1920, 1080), (2560, 1440)])
@pytest.mark.parametrize("scale", [1.0, 1.15, 1.3, 1.5])
def test_panels_fill_the_window_without_overlap(size, scale):
    rects = list(layout(*size, scale).values())
    for i, a in enumerate(rects):
        assert a.x >= 0 and a.y >= 0 and a.x + a.w <= size[0] and a.y + a.h <= size[1]
        assert a.w > 100 and a.h > 40
        for b in rects[i + 1 :]:
            assert a.x + a.w <= b.x or b.x + b.w <= a.x or a.y + a.h <= b.y or b.y + b.h <= a.y
    assert layout(*size, scale)["live"].w >= MONITOR_MIN


def test_the_debrief_reads_from_the_top():
    report = {
        "passed": False,
        "critical_errors": ["wrong_side"],
        "critical": {"wrong_side": {"title": "Wrong side", "why": "left was treated", "tick": 6000}},
        "checklist": {
            "chart": {"done": True, "title": "Chart reviewed", "tick": 100},
            "prep": {"done": False, "title": "Skin"},
            "x": None,
        },
        "efficiency": {"fluoro": {"value": 12.34, "unit": "s", "against": "within"}},
        "tip_error_mm": 2.25,
    }
    read = sections(report, "runs/a.scottie")
    assert [s.title for s in read] == ["Verdict", "Critical errors", "What went well", "Change next time", "Efficiency", "Record"]
    assert read[0].lines[0] == "Not passed: 1 critical error."
    assert read[1].lines == ("1:00  Wrong side - left was treated",)
    assert "fluoro: 12.34 s (within norm)" in read[4].lines
    assert sections({}, "")[0].lines == ("No rubric for this attempt.",)


# --- the room without a screen --------------------------------------------------------------------


def theatre(**more) -> Theatre:
    return Theatre(fake_attempt(simple_study(), **more), picture_px=32, threaded=False)


def test_time_runs_in_ticks_and_catching_up_is_bounded():
    room = theatre()
    room.advance(0.025)
    assert room.state.tick == 2
    room.advance(0.005)
    assert room.state.tick == 3
    room.advance(60.0)
    assert room.state.tick <= 3 + MAX_TICKS_PER_FRAME and room.slow


def test_two_quick_nudges_add_up():
    room = theatre()
    room.hands.turn(primary_deg=5)
    room.hands.turn(primary_deg=5)
    room.advance(0.1)
    assert room.state.carm.primary_target_mdeg == 10_000


def test_storing_copies_the_live_picture():
    room = theatre()
    room.hands.shot()
    room.advance(0.05)
    room.hands.store()
    room.advance(0.05)
    assert room.reference is room.live is not None


def test_letting_go_of_everything_ends_beam_and_injection():
    room = theatre()
    room.hands.hold("pedal", True)
    room.hands.attach(0)
    room.hands.hold("inject", True)
    room.advance(0.2)
    assert room.state.carm.beam == "live" and room.state.spread.flowing
    room.hands.release_all()
    room.advance(0.1)
    assert room.state.carm.beam == "" and not room.state.spread.flowing


def test_a_broken_picture_is_said_and_does_not_end_the_attempt():
    def broken(_view, _side):
        raise RuntimeError("no photons")

    room = theatre(picture=broken)
    room.hands.shot()
    room.advance(0.1)
    assert room.live is not None and "no photons" in room.log[-1].text


def test_the_end_scores_saves_and_gives_up_nothing():
    called = []
    room = theatre(score=lambda events: {"passed": True}, save=lambda: "x.scottie", abandon=lambda: called.append(1))
    room.hands.send("finish")
    room.advance(0.05)
    room.stop()
    assert room.report == {"passed": True} and room.saved == "x.scottie" and not called
    room = theatre(abandon=lambda: called.append(1))
    room.stop()
    assert called == [1]


# --- what the machine lacks -----------------------------------------------------------------------


def test_importing_the_window_loads_no_opengl():
    code = "import sys, sim.window; sys.exit(any(m in sys.modules for m in ('OpenGL', 'imgui_bundle', 'pygame')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are named by variables on Linux only")
def test_no_display_is_one_line_that_names_run(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(MachineError, match=r"no display.*main\.py run") as caught:
        boot.prepare(headless=False)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="packages are Debian's")
def test_a_missing_library_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr(boot, "_loads", lambda library: library != "libEGL.so.1")
    with pytest.raises(MachineError, match=r"libegl1 not found.*apt-get install .*libegl1$"):
        boot.prepare(headless=True)


def test_a_missing_package_is_named_with_pip(monkeypatch):
    monkeypatch.setattr(boot.importlib.util, "find_spec", lambda name: None if name == "imgui_bundle" else object())
    with pytest.raises(MachineError, match=r"imgui-bundle is not installed; install with: .*pip install imgui-bundle"):
        boot.missing_module()


# --- the whole window, by posted events -----------------------------------------------------------


def play(script, size=(1280, 720), attempt=None, **desk):
    """Run a script headless; skip where this machine has no OpenGL at all."""
    try:
        boot.prepare(headless=True)
    except MachineError as lack:
        pytest.skip(str(lack))

    def whole(robot):
        yield from robot.ready()
        yield from robot.wait(2)
        yield from script(robot)

    return drive(
        Desk(attempt=attempt or fake_attempt(simple_study()), size=size, picture_px=64, **desk), whole, max_frames=20_000
    )


def sent(window):
    return [(c.op, *c.args) for c in window.theatre.hands.sent]


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


@pytest.mark.parametrize(("size", "scale"), [((1280, 720), 1.0), ((1600, 900), 1.0), ((1600, 900), 1.3), ((1280, 720), 1.5)])
def test_no_widget_is_cut_off_or_covered(size, scale):
    seen = {}

    def script(robot):
        yield from robot.wait(2)
        seen.update(robot.window.ui.rects)

    play(script, size=size, text_scale=scale)
    panels = layout(*size, scale)
    assert {"console.pedal", "console.shot", "tray.needle", "voice.chart", "live.picture"} <= seen.keys()
    inside = {n: r for n, r in seen.items() if n.split(".")[0] in panels and "." in n}
    for name, r in inside.items():
        box = panels[name.split(".")[0]]
        assert r.x >= box.x - 1 and r.x + r.w <= box.x + box.w + 1, f"{name} is cut off"
        for other, o in inside.items():
            if other != name and other.split(".")[0] == name.split(".")[0]:
                apart = r.x + r.w <= o.x + 1 or o.x + o.w <= r.x + 1 or r.y + r.h <= o.y + 1 or o.y + o.h <= r.y + 1
                assert apart, f"{name} covers {other}"


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

    try:
        drive(Desk(scenarios=cards, start=start), script)
    except MachineError as lack:
        pytest.skip(str(lack))
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


@pytest.mark.slow
def test_a_whole_injection_by_posted_events():
    from scenarios.registry import find_scenario
    from scenarios.study import make_study
    from sim.window.demo import tfesi

    study = make_study(find_scenario("tfesi-l4l5-right"), 1)
    stages = []

    def script(robot):
        yield from tfesi(robot, stages.append)

    window = drive(Desk(attempt=Attempt(Session(study)), size=(1280, 800), picture_px=64), script)
    assert stages[-1] == "debrief" and window.theatre.finished


def test_the_fake_obeys_the_protocol():
    session = FakeSession(simple_study())
    session.send(Command("xray.shot"))
    command, _ = session.tick()
    assert command.op == "xray.shot" and session.state.carm.pictures == 1
