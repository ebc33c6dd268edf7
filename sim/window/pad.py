"""The gamepad: SDL's controller events become acts by the table of controls. A stick repeats its act, the faster the further.

Events can be posted, so tests need no device. What was held is let go when the pad is unplugged.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pygame

from sim.window.acts import ACTS, STICK_STEPS_S
from sim.window.controls import PAD_BUTTONS, Controls
from sim.window.theatre import Theatre

DEAD_ZONE, TRIGGER = 0.25, 0.4
FULL = 32767.0
REPEAT_AFTER_S, REPEAT_EVERY_S = 0.35, 0.09
_AXES = {
    pygame.CONTROLLER_AXIS_LEFTX: ("LS-LEFT", "LS-RIGHT"), pygame.CONTROLLER_AXIS_LEFTY: ("LS-UP", "LS-DOWN"),
    pygame.CONTROLLER_AXIS_RIGHTX: ("RS-LEFT", "RS-RIGHT"), pygame.CONTROLLER_AXIS_RIGHTY: ("RS-UP", "RS-DOWN"),
    pygame.CONTROLLER_AXIS_TRIGGERLEFT: ("", "LT"), pygame.CONTROLLER_AXIS_TRIGGERRIGHT: ("", "RT"),
}  # fmt: skip
_BUTTONS = {getattr(pygame, f"CONTROLLER_BUTTON_{name}"): short for name, short in (
    ("A", "A"), ("B", "B"), ("X", "X"), ("Y", "Y"), ("BACK", "BACK"), ("GUIDE", "GUIDE"), ("START", "START"),
    ("LEFTSTICK", "L3"), ("RIGHTSTICK", "R3"), ("LEFTSHOULDER", "LB"), ("RIGHTSHOULDER", "RB"), ("DPAD_UP", "UP"),
    ("DPAD_DOWN", "DOWN"), ("DPAD_LEFT", "LEFT"), ("DPAD_RIGHT", "RIGHT"),
)}  # fmt: skip
BUTTON_CODES = {short: code for code, short in _BUTTONS.items()}
AXIS_CODES = {name: (code, i) for code, names in _AXES.items() for i, name in enumerate(names) if name}
assert set(BUTTON_CODES) == set(PAD_BUTTONS)


def open_devices() -> list[Any]:
    """Return the pads that are plugged in, opened so that they send events; none where SDL has no joysticks."""
    with suppress(pygame.error, ImportError):
        from pygame._sdl2 import controller

        controller.init()
        return [controller.Controller(i) for i in range(controller.get_count()) if controller.is_controller(i)]
    return []


class Pad:
    """State of the pads, all as one. `raw`: an input of its own name, pressed (True) or let go, told before the acts.

    `kind`: the table of controls that it looks into.
    """

    kind = "pad"

    def __init__(self, controls: Controls, window_act: Callable[[str], None], devices: bool = False) -> None:
        self.controls = controls
        self.seen = False
        self.raw: Callable[[str, bool], bool] | None = None
        self._window_act = window_act
        self._wanted = devices
        self._devices = open_devices() if devices else []
        self.seen = bool(self._devices)
        self._buttons: set[str] = set()
        self._push: dict[str, float] = {}  # ways of sticks and triggers that are pushed, how far (0..1)
        self._running: dict[str, tuple[str, float]] = {}  # input -> (act, seconds until its next step)
        self._chorded: set[str] = set()

    def feed(self, event: pygame.event.Event, theatre: Theatre | None) -> str:
        """Take one event; return a sentence when a pad came or went, else ""."""
        if event.type == pygame.CONTROLLERDEVICEADDED:
            return self._came(event)
        if event.type == pygame.CONTROLLERDEVICEREMOVED:
            self.release(theatre)
            self._devices = open_devices() if self._wanted else []
            self.seen = bool(self._devices)
            return "The gamepad was unplugged; everything it held is let go. Mouse and keyboard work on."
        if event.type in (pygame.CONTROLLERBUTTONDOWN, pygame.CONTROLLERBUTTONUP):
            name = _BUTTONS.get(event.button, "")
            if name:
                self._button(name, event.type == pygame.CONTROLLERBUTTONDOWN, theatre)
        elif event.type == pygame.CONTROLLERAXISMOTION and event.axis in _AXES:
            self._axis(_AXES[event.axis], event.value / FULL, theatre)
        return ""

    def _came(self, event: pygame.event.Event) -> str:
        self._devices = open_devices() if self._wanted else []
        known, self.seen = self.seen, True
        return "" if known else "A gamepad is plugged in. F1 shows what it does."

    # --- inputs --------------------------------------------------------------------------------------
    def _button(self, name: str, down: bool, theatre: Theatre | None) -> None:
        (self._buttons.add if down else self._buttons.discard)(name)
        if down:
            self._chorded.discard(name)
        if not down and theatre is not None:
            self._stop(name, theatre)
        if self.raw is not None and self.raw(name, down):
            self._chorded.add(name)  # it did something else: letting go of it is no act
            return
        if theatre is None:
            return
        if not down:
            if name in self._held_names() and name not in self._chorded:
                self._start(name, theatre)  # a button that is also held for others acts when let go alone
                self._stop(name, theatre)
            self._chorded.discard(name)
        elif self._chord(name) or name not in self._held_names():
            self._start(name, theatre)

    def _axis(self, names: tuple[str, str], value: float, theatre: Theatre | None) -> None:
        limit = TRIGGER if names[1] in ("LT", "RT") else DEAD_ZONE
        for name, push in zip(names, (-value, value), strict=True):
            if not name:
                continue
            was, now = name in self._push, push > limit
            if now:
                self._push[name] = min(1.0, (push - limit) / (1.0 - limit))
            if now == was:
                continue
            if not now:
                del self._push[name]
                if theatre is not None:
                    self._stop(name, theatre)
            taken = self.raw is not None and self.raw(name, now)
            if now and theatre is not None and not taken:
                self._start(name, theatre)

    def _held_names(self) -> set[str]:
        """Return the buttons that others are combined with."""
        return {spec.partition("+")[0] for spec in self.controls.acts(self.kind) if "+" in spec}

    def _chord(self, name: str) -> str:
        """Return the act of `name` with a button that is held, "" if there is none."""
        acts = self.controls.acts(self.kind)
        for held in sorted(self._buttons - {name}):
            if act := acts.get(f"{held}+{name}"):
                self._chorded.add(held)
                return act
        return ""

    def spelled(self, name: str) -> str:
        """Return an input with the button that is held with it, as in the table of controls."""
        held = sorted(self._buttons - {name})
        return f"{held[0]}+{name}" if held else name

    @property
    def fine(self) -> bool:
        """True while the input of the act "fine" is held."""
        spec = self.controls.of(self.kind).get("fine", "")
        return bool(spec) and (spec in self._push or spec in self._buttons)

    # --- acts ----------------------------------------------------------------------------------------
    def _start(self, name: str, theatre: Theatre) -> None:
        act = self._chord(name) or self.controls.acts(self.kind).get(name, "")
        if not act or act == "fine" or name in self._running:
            return
        row = ACTS[act]
        if row.act is None:
            self._window_act(act)
            return
        stick = "-" in name
        row.act(theatre, stick or self.fine)
        self._running[name] = (act, self._pause(name) if stick else REPEAT_AFTER_S)

    def _stop(self, name: str, theatre: Theatre) -> None:
        act, _due = self._running.pop(name, ("", 0.0))
        if act and (let_go := ACTS[act].let_go):
            let_go(theatre)

    def _pause(self, name: str) -> float:
        push = max(0.15, self._push.get(name, 1.0)) ** 2
        return (4.0 if self.fine else 1.0) / (STICK_STEPS_S * push)

    def advance(self, seconds: float, theatre: Theatre) -> bool:
        """Let time pass: what is held repeats. True if something was done."""
        done = False
        for name, (act, due) in list(self._running.items()):
            row, due = ACTS[act], due - seconds
            while row.repeats and row.act and due <= 0.0:
                stick = "-" in name
                row.act(theatre, stick or self.fine)
                due += self._pause(name) if stick else REPEAT_EVERY_S
                done = True
            self._running[name] = (act, due)
        return done

    def release(self, theatre: Theatre | None) -> None:
        """Let go of everything."""
        if theatre is not None:
            for name in list(self._running):
                self._stop(name, theatre)
        self._running.clear()
        self._buttons.clear()
        self._push.clear()
        self._chorded.clear()
