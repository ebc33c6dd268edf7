"""Controls: the shipped table, one's own file over it, clashes, changing them in the window, and the gamepad by posted events."""

from __future__ import annotations

import pygame
import pytest

from sim.window.acts import ACTS
from sim.window.controls import KINDS, load_controls, read_spec
from sim.window.keys import CODES
from sim.window.player_devices import ByPad
from tests.window_play import play, sent


def pad(name, down):
    from sim.window.pad import AXIS_CODES, BUTTON_CODES

    if name in BUTTON_CODES:
        kind = pygame.CONTROLLERBUTTONDOWN if down else pygame.CONTROLLERBUTTONUP
        return pygame.event.post(pygame.event.Event(kind, instance_id=0, button=BUTTON_CODES[name]))
    axis, side = AXIS_CODES[name]
    value = int(32767 * down) * (1 if side else -1)
    return pygame.event.post(pygame.event.Event(pygame.CONTROLLERAXISMOTION, instance_id=0, axis=axis, value=value))


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_act_has_a_control_of_its_own(kind):
    controls = load_controls()
    assert set(controls.of(kind)) == set(ACTS)
    assert not controls.clashes(kind)
    assert [a for a, spec in controls.of(kind).items() if not spec] == (["fine"] if kind == "keys" else [])
    assert all(spec.removeprefix("Ctrl+") in CODES for spec in controls.keys.values() if spec)


@pytest.mark.parametrize(
    ("kind", "text", "spec"), [("keys", "ctrl+left", "Ctrl+Left"), ("keys", "w", "W"), ("pad", "lb+rs-up", "LB+RS-UP")]
)
def test_inputs_have_one_spelling(kind, text, spec):
    assert read_spec(kind, text) == spec


@pytest.mark.parametrize(
    ("kind", "text"), [("keys", "Alt+W"), ("keys", "Esc"), ("keys", "Ctrl+="), ("pad", "Z"), ("pad", "RT+A"), ("pad", "A+A")]
)
def test_what_is_no_input_is_refused_in_words(kind, text):
    with pytest.raises(ValueError, match="expected"):
        read_spec(kind, text)


def test_own_controls_are_kept_and_clashes_told(tmp_path):
    path = tmp_path / "data" / "controls.toml"
    controls = load_controls(path)
    assert controls.change("keys", "shot", "F9") == []
    assert controls.change("keys", "store", "D") == ["dsa"]
    assert controls.change("keys", "boost", "\\") == []
    assert controls.save() == ""
    again = load_controls(path)
    assert again.keys["shot"] == "F9" and again.keys["boost"] == "\\" and again.clashes("keys") == {"D": ["dsa", "store"]}
    assert not again.told and again.own()["pad"] == {}
    again.reset()
    assert again.save() == "" and load_controls(path).keys["shot"] == "S"


def test_a_broken_file_is_told_and_the_rest_of_it_used(tmp_path):
    path = tmp_path / "controls.toml"
    path.write_text('[keys]\nshot = "F9"\nfly = "F8"\nstore = "Hyper"\n[mouse]\nx = "1"\n')
    controls = load_controls(path)
    assert controls.keys["shot"] == "F9" and controls.keys["store"] == "Enter" and len(controls.told) == 3
    path.write_text("[keys\n")
    assert "shipped controls" in load_controls(path).told[0]


# --- changing them in the window ------------------------------------------------------------------


def test_a_key_and_a_button_are_changed_in_the_window(tmp_path):
    path = tmp_path / "controls.toml"

    def script(robot):
        yield from robot.key(pygame.K_F1)
        yield
        yield from robot.click("help.keys.shot")
        yield from robot.key(pygame.K_d)
        yield
        assert "DSA run" in robot.window.inputs.heard  # the clash is told
        yield from robot.click("help.keys.shot")
        yield from robot.key(pygame.K_F9)
        yield from robot.click("help.pad.shot")
        pad("L3", True)
        yield
        pad("L3", False)
        yield
        assert "aim" in robot.window.inputs.heard
        yield from robot.click("help.pad.aim")
        yield from robot.key(pygame.K_DELETE)
        yield from robot.key(pygame.K_F1)
        yield from robot.key(pygame.K_s)
        yield from robot.key(pygame.K_F9)
        pad("L3", True)
        yield
        pad("L3", False)
        yield from robot.wait(3)

    window = play(script, controls=path)
    assert sent(window) == [("xray.shot",), ("xray.shot",)]
    assert load_controls(path).own() == {"keys": {"shot": "F9"}, "pad": {"shot": "L3", "aim": ""}}


# --- the gamepad ----------------------------------------------------------------------------------


def test_sticks_turn_the_arm_and_hold_the_needle():
    def script(robot):
        hands = ByPad(robot)
        pad("RT", True)
        yield from robot.wait(5)
        assert robot.theatre.state.carm.beam == "live"
        pad("RT", False)
        yield from robot.wait(2)
        assert robot.theatre.state.carm.beam == ""
        yield from hands.press("shot")
        pad("LS-LEFT", 1.0)
        yield from robot.wait(25)  # one second
        pad("LS-LEFT", 0)
        yield from robot.wait(2)
        assert 12_000 <= robot.theatre.hands.angles_mdeg()[0] <= 17_000
        before = robot.theatre.hands.angles_mdeg()[0]
        pad("LS-LEFT", 0.5)
        yield from robot.wait(25)
        pad("LS-LEFT", 0)
        yield from robot.wait(2)
        assert 1_000 <= robot.theatre.hands.angles_mdeg()[0] - before <= 6_000  # half way is a good deal slower
        yield from hands.do_carm_to(0, 0)
        yield from robot.wait(40)
        yield from hands.do_needle_choose(1)
        yield from hands.picture()
        yield from hands.aim(0.5, 0.5)
        yield from hands.press("in_line")
        yield from robot.wait(3)
        yield from hands.do_needle_move(2400, 0)
        yield from hands.do_needle_turn(35_000)
        yield from hands.do_needle_tilt(1_000, 500)
        yield from hands.hold("inject", True)
        yield from hands.hold("inject", False)
        yield from robot.until(lambda: not robot.theatre.state.needle.moving)

    window = play(script)
    ops = [op for op, *_ in sent(window)]
    assert ops[:3] == ["xray.pedal", "xray.pedal", "xray.shot"] and "needle.place" in ops and "syringe.inject" in ops
    needle = window.theatre.state.needle
    assert needle.depth_mm == pytest.approx(2.4, abs=0.01) and needle.roll_mdeg == 35_000


def test_a_button_that_is_held_for_others_acts_alone_when_let_go():
    def script(robot):
        for name, down in (("RB", True), ("RB", False), ("RB", True), ("Y", True), ("Y", False), ("RB", False)):
            pad(name, down)
            yield from robot.wait(2)

    assert [op for op, *_ in sent(play(script))] == ["needle.turn", "needle.stylet"]


def test_the_menu_and_the_panels_by_gamepad():
    def script(robot):
        hands = ByPad(robot)
        yield from hands.menu("Speak", "Time-out", "L4", "L4 right")
        yield from hands.menu("View", "Lateral left")
        yield from hands.press("menu")
        yield from hands.press("menu")
        assert not robot.theatre.menu.open
        yield from hands.press("panels")
        assert robot.window.inputs.panels
        pad("RT", True)
        yield from robot.wait(2)
        pad("RT", False)
        for name in ("DOWN", "A"):
            pad(name, True)
            yield from robot.wait(2)
            pad(name, False)
            yield from robot.wait(2)
        pad("B", True)
        yield
        pad("B", False)
        yield
        assert not robot.window.inputs.panels

    ops = sent(play(script))
    assert ops[:2] == [("timeout.call", 3, 1), ("carm.to", 90_000, 0)]
    assert ("xray.pedal", 1) not in ops


def test_an_unplugged_gamepad_lets_go_and_is_told():
    def script(robot):
        pygame.event.post(pygame.event.Event(pygame.CONTROLLERDEVICEADDED, device_index=0))
        pad("RT", True)
        yield from robot.wait(5)
        pygame.event.post(pygame.event.Event(pygame.CONTROLLERDEVICEREMOVED, instance_id=0))
        yield from robot.wait(3)
        yield from robot.key(pygame.K_s)
        yield from robot.wait(2)

    window = play(script)
    assert sent(window) == [("xray.pedal", 1), ("xray.pedal", 0), ("xray.shot",)]
    said = [line.text for line in window.theatre.log]
    assert any("plugged in" in text for text in said) and any("unplugged" in text for text in said)
