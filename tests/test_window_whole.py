"""Whole procedures at the window by posted events, from the gallery to the debrief: mouse and keyboard, keyboard alone, gamepad
alone. No step is left out, and each attempt passes.

The patients are those of tests/test_scenarios.py. Hands turn the C-arm by whole degrees and push by 0.2 mm, the script's by less.
"""

from __future__ import annotations

import pytest

from sim.window import Desk, ScenarioCard
from tests.make_phantom import simple_study
from tests.test_window_debrief import REPORT
from tests.window_fake import fake_attempt
from tests.window_play import play_desk, ready_or_skip
from tests.window_whole import begin, played, read_debrief

TFESI, MBB, FILLING = "tfesi-l4l5-right", "mbb-l4l5-right", "vp-l3-right-haemangioma"
SEED = 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "hands"), [(TFESI, "ByKeys"), *((name, hands) for name in (TFESI, MBB, FILLING) for hands in ("ByMouse", "ByPad"))]
)
def test_a_whole_procedure_by_posted_events(name, hands):
    ready_or_skip()
    from sim.window import player_devices

    window, score = played(name, getattr(player_devices, hands), SEED)
    assert window.screen == "debrief" and score.finished
    assert score.critical_errors == []
    assert all(found.done for found in score.checklist if found.applicable)
    assert score.passed


@pytest.mark.parametrize("hands", ["ByMouse", "ByKeys", "ByPad"])
def test_from_the_gallery_to_the_debrief_with_one_kind_of_hands(hands):
    """The way through the screens alone; the attempt is a fake one."""
    ready_or_skip()
    from sim.window import player_devices

    def script(robot):
        player = getattr(player_devices, hands)(robot)
        yield from begin(robot, player, "chooser.1")
        yield from player.do_xray_shot()
        yield from robot.wait(80)
        yield from player.do_finish()
        yield from robot.until(lambda: robot.window.screen == "debrief")
        yield from read_debrief(robot, player)

    cards = (ScenarioCard("a", "Another case"), ScenarioCard("b", "This case", summary="Why."))
    attempt = fake_attempt(simple_study(), score=lambda events: REPORT)
    window = play_desk(script, Desk(scenarios=cards, start=lambda *_: attempt, size=(1280, 720), picture_px=32))
    assert window.replay is not None
