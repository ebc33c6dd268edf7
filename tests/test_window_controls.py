"""Controls: the shipped table, one's own file over it, clashes, changing them in the window, and the gamepad by posted events."""

from __future__ import annotations

from types import SimpleNamespace

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
    without = [a for a, spec in controls.of(kind).items() if not spec]
    assert without == (["fine"] if kind == "keys" else []) or (kind == "space" and {"advance", "pedal"}.isdisjoint(without))
    assert all(spec.removeprefix("Ctrl+") in CODES for spec in controls.keys.values() if spec)


@pytest.mark.parametrize(
    ("kind", "text", "spec"),
    [("keys", "ctrl+left", "Ctrl+Left"), ("keys", "w", "W"), ("pad", "lb+rs-up", "LB+RS-UP"), ("space", "cap-up", "CAP-UP")],
)
def test_inputs_have_one_spelling(kind, text, spec):
    assert read_spec(kind, text) == spec


@pytest.mark.parametrize(
    ("kind", "text"),
    [("keys", "Alt+W"), ("keys", "Esc"), ("keys", "Ctrl+="), ("pad", "Z"), ("pad", "RT+A"), ("pad", "A+A"), ("space", "A")],
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
    assert load_controls(path).own() == {"keys": {"shot": "F9"}, "pad": {"shot": "L3", "aim": ""}, "space": {}}


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


# --- the 3D mouse ---------------------------------------------------------------------------------


class FakeMouse3D:
    """Says what a script puts into it, as pyspacemouse's device does."""

    def __init__(self):
        self.state = SimpleNamespace(t=0.0, x=0.0, y=0.0, z=0.0, roll=0.0, pitch=0.0, yaw=0.0, buttons=[0, 0])
        self.gone = False

    def read(self):
        if self.gone:
            raise OSError("no such device")
        return self.state


def test_a_3d_mouse_moves_the_needle_by_its_strongest_axis_and_may_be_unplugged(tmp_path):
    mouse = FakeMouse3D()

    def script(robot):
        space = robot.window.inputs.space
        space.device, space.seen = mouse, True
        yield from ByPad(robot).press("shot")
        yield from robot.click("live.picture")
        yield from robot.key(pygame.K_p)
        yield from robot.wait(3)
        tilt = robot.theatre.hands.tilt_mdeg()
        mouse.state.z, mouse.state.roll, mouse.state.x = -1.0, 0.6, 0.4  # pressed down, and a little askew
        yield from robot.wait(25)
        mouse.state.z = mouse.state.roll = mouse.state.x = 0.0
        yield from robot.until(lambda: not robot.theatre.state.needle.moving)
        assert 2.0 <= robot.theatre.state.needle.depth_mm <= 4.0  # 15 steps of 0.2 mm in a second
        assert robot.theatre.hands.tilt_mdeg() == tilt and robot.theatre.hands.angles_mdeg() == (0, 0)
        mouse.state.yaw = 0.2  # below the dead zone
        yield from robot.wait(10)
        mouse.state.yaw, mouse.state.buttons = 0.0, [1, 0]
        yield from robot.wait(5)
        assert robot.theatre.state.carm.beam == "live"
        yield from robot.key(pygame.K_F1)
        yield
        assert "help.space.advance" in robot.window.ui.rects and not robot.theatre.hands.holding
        yield from robot.click("help.space.shot")
        mouse.state.buttons = [0, 0]
        yield
        mouse.state.z = 1.0
        yield from robot.wait(2)
        mouse.state.z = 0.0
        yield from robot.key(pygame.K_F1)
        mouse.gone = True
        yield from robot.wait(3)
        assert space.device is None

    window = play(script, controls=tmp_path / "controls.toml")
    assert [op for op, *_ in sent(window)].count("needle.turn") == 0
    assert load_controls(tmp_path / "controls.toml").own()["space"] == {"shot": "CAP-UP"}
    assert any("3D mouse was unplugged" in line.text for line in window.theatre.log)


def test_the_next_panel_is_an_act_that_can_be_changed(tmp_path):
    path = tmp_path / "controls.toml"
    path.write_text('[keys]\nnext_panel = "F8"\n')

    def script(robot):
        inputs = robot.window.inputs
        yield from robot.key(pygame.K_TAB)
        first = inputs._panel
        yield from robot.key(pygame.K_F6)
        assert inputs._panel == first
        yield from robot.key(pygame.K_F8)
        assert inputs._panel == first + 1
        yield from robot.key(pygame.K_F8, pygame.KMOD_SHIFT)
        assert inputs._panel == first

    play(script, controls=path)
