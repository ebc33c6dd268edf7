"""The keyboard: key events become acts by the table of controls, with repeats of its own."""

from __future__ import annotations

import time
from collections.abc import Callable

import pygame

from sim.window.acts import ACTS, Act
from sim.window.controls import Controls
from sim.window.theatre import Theatre

REPEAT_AFTER_S, REPEAT_EVERY_S = 0.35, 0.09
_NAMED = {
    pygame.K_SPACE: "Space", pygame.K_RETURN: "Enter", pygame.K_KP_ENTER: "Enter", pygame.K_BACKSPACE: "Backspace",
    pygame.K_TAB: "Tab", pygame.K_LEFT: "Left", pygame.K_RIGHT: "Right", pygame.K_UP: "Up", pygame.K_DOWN: "Down",
    pygame.K_PAGEUP: "PgUp", pygame.K_PAGEDOWN: "PgDn", pygame.K_HOME: "Home", pygame.K_END: "End",
    pygame.K_INSERT: "Insert", pygame.K_DELETE: "Delete", pygame.K_LEFTBRACKET: "[", pygame.K_RIGHTBRACKET: "]",
    pygame.K_SEMICOLON: ";", pygame.K_QUOTE: "'", pygame.K_COMMA: ",", pygame.K_PERIOD: ".", pygame.K_SLASH: "/",
    pygame.K_BACKSLASH: "\\", pygame.K_MINUS: "-", pygame.K_EQUALS: "=", pygame.K_BACKQUOTE: "`",
    **{pygame.K_a + i: chr(65 + i) for i in range(26)}, **{pygame.K_F1 + i: f"F{i + 1}" for i in range(12)},
}  # fmt: skip
CODES = {name: code for code, name in reversed(_NAMED.items())}
"""Name of a key -> pygame's number."""
MORE = (
    ("1 - 9", "attach that agent with the drawn volume"),
    ("Ctrl+1 - 9", "take that needle"),
    ("Wheel on LIVE or touch", "advance, withdraw (Shift: fine; Alt: bevel)"),
    ("Click on a picture", "choose the aim; right click: centre there"),
    ("Image on the console", "rotate, flip, window, edges, noise, pixel shift, laser aimer"),
    ("Ctrl + and Ctrl -", "text size"),
    ("Tab, arrows, Space", "in the panels: next widget, change, press (pad: LB and RB go from panel to panel)"),
    ("Esc", "back: from panels, menu or help to the hands"),
)


def spec_of(event: pygame.event.Event) -> str:
    """Return the input's name as in the table of controls ("" for a key that cannot be bound)."""
    name = _NAMED.get(event.key, "")
    return f"Ctrl+{name}" if name and getattr(event, "mod", 0) & pygame.KMOD_CTRL else name


class Keyboard:
    """Feeds key events to the acts; repeats do not depend on the system, so tests and records do not either."""

    def __init__(self, controls: Controls, window_act: Callable[[str], None]) -> None:
        self.controls = controls
        self._window_act = window_act
        self._down: dict[int, tuple[Act, bool, float]] = {}

    def press(self, event: pygame.event.Event, theatre: Theatre) -> bool:
        """Obey a KEYDOWN; True if it meant something."""
        mod = getattr(event, "mod", 0)
        if event.key in range(pygame.K_1, pygame.K_9 + 1):
            return self._digit(event.key - pygame.K_1, bool(mod & pygame.KMOD_CTRL), theatre)
        name = self.controls.acts("keys").get(spec_of(event), "")
        if not name or event.key in self._down:
            return False
        row = ACTS[name]
        if row.window or row.act is None:
            self._window_act(name)
            return True
        fine = bool(mod & pygame.KMOD_SHIFT)
        self._down[event.key] = (row, fine, time.perf_counter() + REPEAT_AFTER_S)
        row.act(theatre, fine)
        return True

    def _digit(self, index: int, ctrl: bool, theatre: Theatre) -> bool:
        rows = theatre.study.toolbox.needles if ctrl else theatre.study.toolbox.agents
        if index < len(rows):
            (theatre.hands.choose_needle if ctrl else theatre.hands.attach)(index)
        return index < len(rows)

    def let_go(self, code: int, theatre: Theatre) -> None:
        """Obey a KEYUP."""
        held = self._down.pop(code, None)
        if held and held[0].let_go:
            held[0].let_go(theatre)

    def repeat(self, theatre: Theatre) -> None:
        """Repeat what is held down."""
        now = time.perf_counter()
        for code, (row, fine, due) in list(self._down.items()):
            if row.repeats and row.act and now >= due:
                row.act(theatre, fine)
                self._down[code] = (row, fine, now + REPEAT_EVERY_S)

    def forget(self, theatre: Theatre) -> None:
        """Let go of everything (focus lost)."""
        for code in list(self._down):
            self.let_go(code, theatre)
