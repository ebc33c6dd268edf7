"""The rows of the generator in the window: shown only where the procedure heats, and each button does what it says."""

from __future__ import annotations

from dataclasses import replace

from sim.session import Session
from sim.window.desk import Attempt
from tests.make_phantom import simple_phantom, simple_plan, study_of
from tests.test_window import play


def test_stimulation_and_a_lesion_by_hand():
    study = study_of(simple_phantom(), replace(simple_plan(), approach="rf_medial_branch"))

    def script(robot):
        state = lambda: robot.theatre.state  # noqa: E731
        robot.theatre.hands.choose_needle(0)
        robot.theatre.hands.place_at(-40.0, 40.0)
        yield from robot.until(lambda: state().needle.placed, 50)
        robot.theatre.hands.move(20.0)
        yield from robot.until(lambda: state().needle.depth_mm > 19.0 and not state().needle.moving, 3000)
        yield from robot.click("tray.stylet")
        yield from robot.until(lambda: not state().needle.stylet, 50)
        yield from robot.choose("generator.electrode", 1)
        yield from robot.until(lambda: state().heat.electrode == 1, 50)
        yield from robot.click("generator.stimulate_50_5")
        yield from robot.click("generator.stimulate_2_20")
        yield from robot.click("generator.lesion_80_90")
        yield from robot.until(lambda: state().heat.heating, 50)
        yield from robot.wait(20)
        yield from robot.click("generator.stop")
        yield from robot.until(lambda: not state().heat.heating, 50)
        yield from robot.click("generator.disconnect")
        yield from robot.until(lambda: state().heat.electrode < 0, 50)

    window = play(script, attempt=Attempt(Session(study)))
    told = [
        e for e in window.theatre.session.events if e.kind in ("rf_connected", "stimulated", "lesion_made", "rf_disconnected")
    ]
    assert [e.kind for e in told] == ["rf_connected", "stimulated", "stimulated", "lesion_made", "rf_disconnected"]
    assert [(e["frequency_hz"], e["current_ua"]) for e in told[1:3]] == [(50, 500), (2, 2000)]
    assert told[3]["reason"] == "stopped"


def test_other_procedures_keep_their_syringe():
    def script(robot):
        yield from robot.wait(2)
        assert "tray.inject" in robot.window.ui.rects
        assert not any(name.startswith("generator.") for name in robot.window.ui.rects)

    play(script)
