"""Running a script at the window, headless; skips where this machine has no OpenGL at all."""

from __future__ import annotations

import pytest

from sim.errors import MachineError
from sim.window import Desk, boot, drive
from tests.make_phantom import simple_study
from tests.window_fake import fake_attempt


def ready_or_skip():
    try:
        boot.prepare(headless=True)
    except MachineError as lack:
        pytest.skip(str(lack))


def play(script, size=(1280, 720), attempt=None, **desk):
    """Run a script on an attempt around a fake session; return the closed window."""
    ready_or_skip()

    def whole(robot):
        yield from robot.ready()
        yield from robot.wait(2)
        yield from script(robot)

    return drive(
        Desk(attempt=attempt or fake_attempt(simple_study()), size=size, picture_px=64, **desk), whole, max_frames=20_000
    )


def play_desk(script, desk):
    """Run a script on a desk (the gallery first, if it has no attempt)."""
    ready_or_skip()
    return drive(desk, script, max_frames=20_000)


def sent(window):
    """Return the commands that were sent, as tuples."""
    return [(c.op, *c.args) for c in window.theatre.hands.sent]
