"""The hands of a Player: the keyboard alone, the gamepad alone, or mouse and keyboard."""

from __future__ import annotations

import math
from collections.abc import Callable

import pygame

from sim.window.controls import PAD_BUTTONS
from sim.window.inputs import DEBRIEF_PANELS
from sim.window.keys import CODES
from sim.window.layout import Rect
from sim.window.pad import AXIS_CODES, BUTTON_CODES
from sim.window.player import Player
from sim.window.robot import Frames

STICK = 32767
MOST_STEPS = 300
"""Steps of Tab or the cross after which a widget counts as out of reach."""


class ByKeys(Player):
    """The keyboard alone."""

    def _key(self, spec: str, kind: int, fine: bool) -> None:
        ctrl, _, name = spec.rpartition("+")
        mod = (pygame.KMOD_CTRL if ctrl else 0) | (pygame.KMOD_SHIFT if fine else 0)
        pygame.event.post(pygame.event.Event(kind, key=CODES[name], mod=mod, unicode="", scancode=0))

    def press(self, act: str, fine: bool = False) -> Frames:
        """Press and let go of the act's key."""
        spec = self.robot.window.controls.keys[act]
        self._key(spec, pygame.KEYDOWN, fine)
        yield
        self._key(spec, pygame.KEYUP, fine)
        yield

    def hold(self, act: str, down: bool) -> Frames:
        """Press the act's key, or let go of it."""
        self._key(self.robot.window.controls.keys[act], pygame.KEYDOWN if down else pygame.KEYUP, False)
        yield

    def widget(self, name: str) -> Frames:
        """Walk to a widget of the gallery, a page or the debrief with Tab (F6: to its panel), and press Space."""
        if _elsewhere(self.robot.window.ui.focused, name):
            yield from self.press("next_panel")
        yield from self._walk(name, lambda: self.robot.key(pygame.K_TAB))
        yield from self.robot.key(pygame.K_SPACE)
        yield

    def _walk(self, name: str, step: Callable[[], Frames]) -> Frames:
        ui = self.robot.window.ui
        for _ in range(MOST_STEPS):
            if ui.focused == name:
                return
            yield from step()
            yield
        raise AssertionError(f"'{name}' was not reached; the last one was '{ui.focused}'")

    def choose(self, index: int) -> Frames:
        """Walk to the row and press Enter."""
        for _ in range((index - self.robot.theatre.menu.at) % len(self.robot.theatre.menu.rows)):
            yield from self.robot.key(pygame.K_DOWN)
        yield from self.robot.key(pygame.K_RETURN)


class ByPad(Player):
    """The gamepad alone. A stick that stays at its end repeats: long ways are pushed, the rest is tipped."""

    def _input(self, name: str, down: bool) -> None:
        if name in PAD_BUTTONS:
            kind = pygame.CONTROLLERBUTTONDOWN if down else pygame.CONTROLLERBUTTONUP
            pygame.event.post(pygame.event.Event(kind, instance_id=0, button=BUTTON_CODES[name]))
            return
        axis, side = AXIS_CODES[name]
        value = STICK * (1 if side else -1) if down else 0
        pygame.event.post(pygame.event.Event(pygame.CONTROLLERAXISMOTION, instance_id=0, axis=axis, value=value))

    def _chord(self, spec: str, down: bool) -> Frames:
        held, _, name = spec.rpartition("+")
        for part in [held, name] if down else [name, held]:
            if part:
                self._input(part, down)
                yield

    def press(self, act: str, fine: bool = False) -> Frames:
        """Tip the act's button or stick once."""
        table = self.robot.window.controls.pad
        stick = "-" in table[act]
        if fine and not stick:
            self._input(table["fine"], True)
            yield
        yield from self._chord(table[act], True)
        yield from self._chord(table[act], False)
        if fine and not stick:
            self._input(table["fine"], False)
            yield

    def tip(self, name: str) -> Frames:
        """Press a button of the pad once, by its own name."""
        self._input(name, True)
        yield
        self._input(name, False)
        yield

    def widget(self, name: str) -> Frames:
        """Walk to a widget of the gallery, a page or the debrief with the cross, and press A."""
        robot = self.robot
        if _elsewhere(robot.window.ui.focused, name):
            yield from self.tip("RB")
            yield
        for _ in range(MOST_STEPS):
            now, there = robot.window.ui.rects.get(robot.window.ui.focused), robot.window.ui.rects.get(name)
            if robot.window.ui.focused == name:
                yield from self.tip("A")
                yield
                return
            yield from self.tip(_way(now, there))
            yield
        raise AssertionError(f"'{name}' was not reached; the last one was '{robot.window.ui.focused}'")

    def hold(self, act: str, down: bool) -> Frames:
        """Hold the act's button, or let go of it."""
        yield from self._chord(self.robot.window.controls.pad[act], down)

    def steps(self, plus: str, minus: str, amount: float, coarse: float, fine: float) -> Frames:
        """Tip a stick as often as its fine steps are needed; buttons as on the keyboard."""
        stick = "-" in self.robot.window.controls.pad[plus]
        yield from super().steps(plus, minus, amount, 0.0 if stick else coarse, fine)

    def choose(self, index: int) -> Frames:
        """Walk to the row with the cross and press A."""
        for _ in range((index - self.robot.theatre.menu.at) % len(self.robot.theatre.menu.rows)):
            self._input("DOWN", True)
            yield
            self._input("DOWN", False)
            yield
        self._input("A", True)
        yield
        self._input("A", False)
        yield


def _elsewhere(now: str, wanted: str) -> bool:
    """Return whether a widget of the debrief lies in its other panel."""
    here, there = now.partition(".")[0] or "debrief", wanted.partition(".")[0]
    return here != there and {here, there} == set(DEBRIEF_PANELS)


def _way(now: Rect | None, there: Rect | None) -> str:
    """Return which way of the cross leads from one widget towards another: first down or up to its row, then along it."""
    if now is None or there is None:
        return "DOWN"
    down = there.centre[1] - now.centre[1]
    if abs(down) > min(now.h, there.h) / 2:
        return "DOWN" if down > 0 else "UP"
    return "RIGHT" if there.centre[0] > now.centre[0] else "LEFT"


class ByMouse(ByKeys):
    """Mouse and keyboard, as most people will: panels are clicked, the hub and the needle are moved with keys."""

    def widget(self, name: str) -> Frames:
        """Click it."""
        yield from self.robot.click(name)

    def do_chart_review(self) -> Frames:
        yield from self.robot.click("voice.chart")

    def do_consent_take(self) -> Frames:
        yield from self.robot.click("voice.consent")

    def do_prep_skin(self) -> Frames:
        yield from self.robot.click("voice.prep")

    def do_timeout_call(self, level: int, side: int) -> Frames:
        yield from self.robot.choose("voice.timeout_level", level)
        yield from self.robot.choose("voice.timeout_side", side)
        yield from self.robot.click("voice.timeout")

    def do_level_declare(self, level: int) -> Frames:
        yield from self.robot.choose("voice.declare_level", level)
        yield from self.robot.click("voice.declare")

    def do_finish(self) -> Frames:
        yield from self.robot.click("voice.finish")
        yield from self.robot.click("voice.finish")

    def do_xray_shot(self) -> Frames:
        yield from self.robot.click("console.shot")

    def do_image_store(self) -> Frames:
        yield from self.robot.click("console.store")

    def do_carm_to(self, primary: int, secondary: int) -> Frames:
        yield from self.robot.type_into("console.orbital", f"{primary / 1000:.0f}")
        yield from self.robot.type_into("console.tilt", f"{secondary / 1000:.0f}")

    def do_carm_collimate(self, width: int, height: int) -> Frames:
        yield from self.robot.type_into("console.width", f"{width / 10:.0f}")
        yield from self.robot.type_into("console.height", f"{height / 10:.0f}")

    def aim(self, u: float, v: float) -> Frames:
        """Click on the picture."""
        yield from self.robot.click("live.picture", u, v)

    def do_needle_choose(self, index: int) -> Frames:
        yield from self.robot.choose("tray.needle", index)

    def do_needle_stylet(self, inserted: int) -> Frames:
        if bool(inserted) != self.robot.theatre.state.needle.stylet:
            yield from self.robot.click("tray.stylet")

    def do_needle_remove(self) -> Frames:
        yield from self.robot.click("tray.remove")

    def do_syringe_attach(self, agent: int, volume: int) -> Frames:
        yield from self.robot.choose("tray.agent", agent)
        yield from self.robot.type_into("tray.draw", f"{math.ceil(volume / 500) / 2:.1f}")
        yield from self.robot.click("tray.attach")

    def do_syringe_aspirate(self) -> Frames:
        yield from self.robot.click("tray.aspirate")

    def do_syringe_inject(self, volume: int, rate: int) -> Frames:
        yield from self.robot.type_into("tray.volume", f"{volume / 1000:.1f}")
        yield from self.robot.type_into("tray.rate", f"{rate / 1000:.2f}")
        yield from self.robot.click("tray.fixed")

    def do_syringe_stop(self) -> Frames:
        yield from self.robot.click("tray.stop")
