"""Whole procedures at the window by posted events: mouse and keyboard, keyboard alone, gamepad alone. The expert's hands pass."""

from __future__ import annotations

import pytest

from tests.window_play import ready_or_skip
from tests.window_whole import played

TFESI, MBB = "tfesi-l4l5-right", "mbb-l4s1-left"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "hands"), [(TFESI, "ByMouse"), (TFESI, "ByKeys"), (TFESI, "ByPad"), (MBB, "ByMouse"), (MBB, "ByPad")]
)
def test_a_whole_procedure_by_posted_events(name, hands):
    ready_or_skip()
    from sim.window import player_devices

    window, score = played(name, getattr(player_devices, hands))
    assert window.screen == "debrief" and score.finished
    assert score.passed and not score.critical_errors
    assert window.replay is not None and window.replay.tick == window.theatre.state.tick
