"""The room without a screen: time, hands, pictures, the end."""

from __future__ import annotations

from sim.command import Command
from sim.window.theatre import MAX_TICKS_PER_FRAME, Theatre
from tests.make_phantom import simple_study
from tests.window_fake import FakeSession, fake_attempt


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
    assert room.reference is not None and room.reference.pixels is room.live.pixels


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


def test_the_fake_obeys_the_protocol():
    session = FakeSession(simple_study())
    session.send(Command("xray.shot"))
    command, _ = session.tick()
    assert command.op == "xray.shot" and session.state.carm.pictures == 1
