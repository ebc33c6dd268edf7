"""Modes: guided, free and assessment; pause, undo, ghosts, tutorial; lost graphics, minimised and broken settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pygame
import pytest

from sim.session import Session
from sim.window import Attempt, Desk, Step, drive
from sim.window.history import History
from sim.window.settings import Settings, load_settings, save_settings
from sim.window.theatre import Theatre
from sim.window.tutorial import CHECKS, Tutorial
from tests.make_phantom import simple_study
from tests.window_fake import FakeSession, fake_attempt
from tests.window_play import play, play_desk, ready_or_skip, sent

CHART = ("chart", "Chart read", "Read it before anything else.")


def guide(events):
    seen = {fact.kind for fact in events}
    return [
        Step(*CHART, "chart_reviewed" in seen),
        Step("prep", "Skin prepared", "Wait until it is dry.", "skin_prepped" in seen),
    ]


def said(theatre):
    return [line.text for line in theatre.log]


# --- guided, hints, pause -------------------------------------------------------------------------


def test_the_guided_mode_names_the_next_step():
    room = Theatre(fake_attempt(simple_study(), guide=guide), 32, threaded=False, guided=True)
    room.advance(0.05)
    assert room.coach.next.id == "chart" and any("Next: Chart read. Read it" in text for text in said(room))
    room.show_chart()
    for _ in range(30):
        room.advance(0.05)
    assert room.coach.next.id == "prep" and any("Skin prepared" in text for text in said(room))


def test_free_practice_hints_when_asked_and_an_assessment_never():
    free = Theatre(fake_attempt(simple_study(), guide=guide), 32, threaded=False)
    free.advance(0.05)
    assert not any("Next" in text for text in said(free))
    free.hint()
    assert any("Next: Chart read" in text for text in said(free))
    exam = Theatre(fake_attempt(replace(simple_study(), mode="assessment"), guide=guide), 32, threaded=False, guided=True)
    for act in (exam.hint, exam.toggle_pause, exam.ask_undo, exam.toggle_ghost):
        act()
    exam.advance(0.5)
    assert not exam.coach.guided and not exam.coach.paused and exam.coach.undo_to is None and exam.lines() == ()
    assert sum("assessment" in text.lower() for text in said(exam)) == 4 and not any("Next" in text for text in said(exam))


def test_pause_stops_the_clock_and_lets_go():
    def script(robot):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE, mod=0, unicode=" ", scancode=0))
        yield from robot.wait(5)
        yield from robot.key(pygame.K_F2)
        yield from robot.wait(2)
        tick = robot.theatre.state.tick
        yield from robot.wait(10)
        assert robot.theatre.state.tick == tick
        yield from robot.key(pygame.K_F2)
        yield from robot.wait(5)
        assert robot.theatre.state.tick > tick and robot.theatre.state.carm.beam == ""

    play(script)


# --- undo -----------------------------------------------------------------------------------------


def recorded(study, again=(), until=0):
    """Return an attempt around a real session that can be rewound, as commands.joints makes one."""
    session, given, due = Session(study), [], dict(again)

    def tick():
        command, new = session.tick()
        if command.op != "idle":
            given.append((session.state.tick, command))
        return command, new

    while session.state.tick < until:
        if session.state.tick + 1 in due:
            session.send(due[session.state.tick + 1])
        tick()
    return Attempt(session, tick, rewind=lambda to: recorded(study, [g for g in given if g[0] <= to], to))


def test_undo_goes_back_to_before_the_last_act_and_the_state_is_the_same():
    states = {}

    def script(robot):
        yield from robot.click("console.oblique_right")
        yield from robot.wait(30)
        yield from robot.click("console.shot")
        yield from robot.wait(30)
        theatre = robot.theatre
        states["before"] = theatre.history.before_last_act
        yield from robot.key(pygame.K_z, pygame.KMOD_CTRL)
        yield from robot.until(lambda: robot.window.theatre is not theatre and robot.window.screen == "room", 4000)
        states["after"] = robot.theatre.state
        assert robot.theatre.state.carm.pictures == 0
        yield from robot.wait(2)

    window = play(script, attempt=recorded(simple_study()))
    assert states["after"].tick == states["before"]
    plain = Session(simple_study())
    due = {t: c for t, c in ()}
    for fact in window.theatre.session.events:
        assert fact.kind != "exposed"
    assert any("Undone" in text for text in said(window.theatre)) and not due
    other = recorded(simple_study(), [], 0).session
    assert other.state.tick == plain.state.tick == 0


def test_a_rewound_history_keeps_what_was_before():
    study = simple_study()
    session, history = FakeSession(study), History()
    for _ in range(500):
        session.tick()
        history.keep(session.state)
        if session.state.tick in (100, 120, 400):
            history.acted(session.state.tick)
    assert history.before_last_act == 399
    again = History()
    again.rewound(history, 399)
    assert again.before_last_act == 99 and again.last_tick <= 399
    assert again.state_at(399) is history.state_at(399) and again.state_at(0).tick == 1


def test_nothing_to_undo_is_said():
    room = Theatre(fake_attempt(simple_study()), 32, threaded=False)
    room.ask_undo()
    assert room.coach.undo_to is None and "cannot be rewound" in said(room)[-1]


# --- ghosts, tutorial -----------------------------------------------------------------------------


def test_ghosts_are_drawn_in_practice_when_asked_for():
    way = {"ideal way": np.array([[0.0, 100.0, 0.0], [0.0, 20.0, 0.0]])}

    def script(robot):
        yield from robot.key(pygame.K_F3)
        yield from robot.wait(3)
        assert [line.name for line in robot.theatre.lines()] == ["ideal way"]
        before = robot.window.snapshot()
        yield from robot.key(pygame.K_F3)
        yield from robot.wait(3)
        assert (robot.window.snapshot() != before).any()

    play(script, attempt=fake_attempt(simple_study(), ghosts=lambda: way))


def test_the_tutorial_goes_on_by_doing():
    tutorial, room = Tutorial(), Theatre(fake_attempt(simple_study()), 32, threaded=False)
    assert {step.until for step in tutorial.steps} == set(CHECKS)
    tutorial.look(room)
    assert tutorial.step.until == "chart"
    room.show_chart()
    room.hands.send("consent.take")
    room.advance(0.1)
    tutorial.look(room)
    assert tutorial.step.until == "timeout"


def test_the_tutorial_frames_real_widgets_and_ends():
    seen = set()

    def script(robot):
        window = robot.window
        yield from robot.wait(2)
        yield from robot.click("chooser.tutorial")
        yield from robot.ready()
        yield from robot.wait(2)
        while (step := window.tutorial.step) is not None:
            assert step.widget in window.ui.rects, step
            seen.add(step.widget)
            yield from robot.click("voice.skip_step")
            yield

    from sim.window import ScenarioCard

    window = play_desk(
        script,
        Desk(scenarios=(ScenarioCard("a", "A case"),), start=lambda name, mode, seed: fake_attempt(simple_study()), tutorial="a"),
    )
    assert len(seen) > 10 and window.theatre is not None


# --- the machine misbehaves -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["event", "error"])
def test_a_lost_graphics_context_is_made_again_and_the_attempt_goes_on(how, monkeypatch):
    def script(robot):
        yield from robot.click("console.shot")
        yield from robot.wait(5)
        tick = robot.theatre.state.tick
        if how == "event":
            pygame.event.post(pygame.event.Event(pygame.RENDER_DEVICE_RESET))
        else:
            from OpenGL import GL as gl

            real, failed = robot.window._draw, []

            def lost():
                if not failed:
                    failed.append(1)
                    raise gl.GLError(1287)
                real()

            monkeypatch.setattr(robot.window, "_draw", lost)
        yield from robot.wait(5)
        assert robot.theatre.state.tick > tick
        picture = robot.window.snapshot()
        assert picture.std() > 10
        yield from robot.click("console.shot")
        yield from robot.wait(3)

    window = play(script)
    assert len(sent(window)) == 2 and any("nothing of the attempt is lost" in text for text in said(window.theatre))


def test_a_minimised_window_pauses_practice_and_comes_back():
    def script(robot):
        pygame.event.post(pygame.event.Event(pygame.WINDOWMINIMIZED))
        yield from robot.wait(4)
        assert robot.theatre.coach.paused
        pygame.event.post(pygame.event.Event(pygame.WINDOWRESTORED))
        yield from robot.key(pygame.K_F2)
        yield from robot.wait(3)
        assert not robot.theatre.coach.paused

    assert any("minimised" in text for text in said(play(script).theatre))


def test_a_window_that_is_resized_draws_all_of_itself_again_or_nothing():
    """Smaller than promised it scrolls, a few pixels draw nothing; the attempt goes on and the pedal is not let go."""
    from sim.window.layout import layout
    from tests.window_rects import assert_apart

    def script(robot):
        window = robot.window
        yield from robot.down("console.pedal")
        for size in ((1024, 640), (60, 40), (1920, 1080), (1280, 720)):
            window.desk.size = size
            tick, drawn = robot.theatre.state.tick, window.drawn
            yield from robot.wait(5)
            assert robot.theatre.state.tick > tick and robot.theatre.state.carm.beam == "live"
            assert (window.drawn > drawn) == (min(size) > 100)
            if size[1] >= 720:
                assert_apart(window.ui.rects, size, tuple(layout(*size, 1.0)))

    play(script)


def test_a_clock_that_is_set_back_or_a_machine_that_slept_changes_nothing(monkeypatch):
    """Command time comes from a clock that nobody sets; after a sleep of hours the attempt goes on where it stood."""
    import time

    room = Theatre(fake_attempt(simple_study()), 32, threaded=False)
    room.advance(0.05)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    room.advance(0.05)
    assert room.state.tick == 10
    room.advance(8 * 3600.0)
    assert room.state.tick <= 10 + 25 and room.slow
    room.advance(0.05)
    assert room.state.tick <= 10 + 25 + 5


def test_a_second_window_is_told_in_the_gallery_and_both_go_on(tmp_path, monkeypatch):
    from commands.joints import window_desk

    for name in ("SCOTTIE_KEYS", "SCOTTIE_DATA"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("SCOTTIE_NO_BACKGROUND", "1")
    ready_or_skip()
    first = window_desk("drill-steer", 1, tmp_path / "runs")
    second = window_desk(None, 1, tmp_path / "runs")
    second.thumbnail, second.settings, second.picture_px = None, None, 32

    def script(robot):
        window = robot.window
        window.chooser.picked = next(i for i, card in enumerate(second.scenarios) if card.id == "drill-steer")
        yield from robot.wait(2)
        yield from robot.click("chooser.begin")
        yield from robot.until(lambda: bool(window.error), 4000)
        assert "another attempt is being recorded here" in window.error and window.screen == "chooser"

    drive(second, script)
    first.attempt.tick()
    assert first.attempt.session.state.tick == 1
    first.attempt.abandon()


def test_settings_are_remembered_and_a_broken_file_does_no_harm(tmp_path):
    path = tmp_path / "data" / "window.toml"
    save_settings(path, Settings(1.3, 1600, 900, 0.4, False, True))
    assert load_settings(path) == Settings(1.3, 1600, 900, 0.4, False, True)
    path.write_text('text_scale = 99.0\nwidth = "wide"\nheight = 900\nother = 1\n')
    assert load_settings(path) == Settings(height=900)
    path.write_text("text_scale = [")
    assert load_settings(path) == load_settings(None) == Settings()


def test_the_window_remembers_its_text_size(tmp_path):
    ready_or_skip()
    path = tmp_path / "window.toml"

    def script(robot):
        yield from robot.ready()
        yield from robot.key(pygame.K_EQUALS, pygame.KMOD_CTRL)
        yield from robot.wait(2)

    for _ in range(2):
        drive(Desk(attempt=fake_attempt(simple_study()), picture_px=32, settings=path), script)
    assert load_settings(path).text_scale == pytest.approx(1.3)
