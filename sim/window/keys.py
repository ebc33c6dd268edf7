"""Keys of the hands, as one table: what is pressed, what it does. The help overlay is drawn from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pygame

from sim.window.theatre import Theatre

REPEAT_AFTER_S, REPEAT_EVERY_S = 0.35, 0.09


@dataclass(frozen=True)
class Key:
    """One row. act (theatre, fine) -> None on the press; `let_go` for keys that are held; repeat while held."""

    code: int
    name: str
    does: str
    act: Callable[[Theatre, bool], None]
    let_go: Callable[[Theatre], None] | None = None
    repeats: bool = False
    ctrl: bool = False


def _arm(primary: float = 0.0, secondary: float = 0.0) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.turn(primary * (1 if fine else 5), secondary * (1 if fine else 5))


def _slide(**mm: float) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.slide(**{k: v * (1 if fine else 10) for k, v in mm.items()})


def _point(dx: float, dz: float) -> Callable[[Theatre, bool], None]:
    """I J K L: pushes the marker while it is on and no needle is placed, else tilts the hub."""

    def act(t: Theatre, fine: bool) -> None:
        if t.marker_on:
            step = 1.0 if fine else 5.0
            t.nudge_marker(dx * step, dz * step)
        else:
            step = 0.5 if fine else 2.0
            t.hands.tilt(dx * step, dz * step)

    return act


def _move(sign: float) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.move(sign * (0.2 if fine else 1.0))


def _grip(sign: float) -> Callable[[Theatre, bool], None]:
    return lambda t, fine: t.hands.grip(sign * (2.0 if fine else 10.0))


def _marker(t: Theatre, _fine: bool) -> None:
    t.marker_on = not t.marker_on


def _swap(t: Theatre, _fine: bool) -> None:
    t.swapped = not t.swapped


def _road(t: Theatre, _fine: bool) -> None:
    t.road_map = not t.road_map


def _hold(what: str) -> dict[str, Callable[..., None]]:
    return {"act": lambda t, _fine: t.hands.hold(what, True), "let_go": lambda t: t.hands.hold(what, False)}


KEYS: tuple[Key, ...] = (
    Key(pygame.K_SPACE, "Space", "pedal: live X-rays while held", **_hold("pedal")),
    Key(pygame.K_s, "S", "single picture", lambda t, _f: t.hands.shot()),
    Key(pygame.K_d, "D", "DSA run while held", **_hold("dsa")),
    Key(pygame.K_b, "B", "boost: high-level X-rays on or off", lambda t, _f: t.hands.boost()),
    Key(pygame.K_n, "N", "iris: next smaller round field, then wide open", lambda t, _f: t.hands.next_iris()),
    Key(pygame.K_c, "C", "show the last run again (cine loop)", lambda t, _f: t.replay()),
    Key(pygame.K_o, "O", "peak opacification of the last DSA run", lambda t, _f: t.show_peak()),
    Key(pygame.K_v, "V", "road map: live X-rays over the last DSA run", _road),
    Key(pygame.K_RETURN, "Enter", "store the picture", lambda t, _f: t.hands.store()),
    Key(pygame.K_BACKSPACE, "Backspace", "swap the monitors", _swap),
    Key(pygame.K_LEFT, "Left", "orbit to the patient's left (Shift: fine)", _arm(primary=1), repeats=True),
    Key(pygame.K_RIGHT, "Right", "orbit to the patient's right", _arm(primary=-1), repeats=True),
    Key(pygame.K_UP, "Up", "tilt towards the head", _arm(secondary=1), repeats=True),
    Key(pygame.K_DOWN, "Down", "tilt towards the feet", _arm(secondary=-1), repeats=True),
    Key(pygame.K_LEFT, "Ctrl+Left", "slide to the patient's left", _slide(x_mm=1), repeats=True, ctrl=True),
    Key(pygame.K_RIGHT, "Ctrl+Right", "slide to the patient's right", _slide(x_mm=-1), repeats=True, ctrl=True),
    Key(pygame.K_UP, "Ctrl+Up", "slide towards the head", _slide(z_mm=1), repeats=True, ctrl=True),
    Key(pygame.K_DOWN, "Ctrl+Down", "slide towards the feet", _slide(z_mm=-1), repeats=True, ctrl=True),
    Key(pygame.K_PAGEUP, "PgUp", "lift the C-arm", _slide(y_mm=1), repeats=True),
    Key(pygame.K_PAGEDOWN, "PgDn", "lower the C-arm", _slide(y_mm=-1), repeats=True),
    Key(pygame.K_m, "M", "skin marker on or off", _marker),
    Key(pygame.K_i, "I", "marker or hub towards the head", _point(0, 1), repeats=True),
    Key(pygame.K_k, "K", "marker or hub towards the feet", _point(0, -1), repeats=True),
    Key(pygame.K_j, "J", "marker or hub to the patient's left", _point(1, 0), repeats=True),
    Key(pygame.K_l, "L", "marker or hub to the patient's right", _point(-1, 0), repeats=True),
    Key(pygame.K_p, "P", "place the needle in line with the beam", lambda t, _f: t.place_in_line()),
    Key(pygame.K_w, "W", "advance 1 mm (Shift: 0.2 mm)", _move(1), repeats=True),
    Key(pygame.K_q, "Q", "withdraw 1 mm (Shift: 0.2 mm)", _move(-1), repeats=True),
    Key(pygame.K_e, "E", "turn the bevel left", lambda t, f: t.hands.turn_bevel(-5 if f else -30), repeats=True),
    Key(pygame.K_r, "R", "turn the bevel right", lambda t, f: t.hands.turn_bevel(5 if f else 30), repeats=True),
    Key(pygame.K_t, "T", "stylet out or in", lambda t, _f: t.hands.stylet()),
    Key(pygame.K_LEFTBRACKET, "[", "fingers 10 mm nearer to the skin (Shift: 2 mm)", _grip(-1), repeats=True),
    Key(pygame.K_RIGHTBRACKET, "]", "fingers back towards the hub", _grip(1), repeats=True),
    Key(pygame.K_u, "U", "bend the tip 5 degrees more, before placing", lambda t, _f: t.hands.bend_tip()),
    Key(pygame.K_y, "Y", "next introducer, before placing", lambda t, _f: t.hands.next_introducer()),
    Key(pygame.K_x, "X", "mallet on a bone needle (Shift: a light tap)", lambda t, f: t.hands.tap(200 if f else 500)),
    Key(pygame.K_z, "Z", "drill a bone needle 1 mm (Shift: 0.2 mm)", lambda t, f: t.hands.drill(100 if f else 500)),
    Key(pygame.K_a, "A", "aspirate", lambda t, _f: t.hands.aspirate()),
    Key(pygame.K_f, "F", "inject while held", **_hold("inject")),
    Key(pygame.K_g, "G", "inject the set volume", lambda t, _f: t.hands.inject_fixed()),
    Key(pygame.K_h, "H", "ask: does that hurt?", lambda t, _f: t.hands.send("ask.pain")),
)
MORE = (
    ("1 - 9", "attach that agent with the drawn volume"),
    ("Ctrl+1 - 9", "take that needle"),
    ("Wheel on LIVE or touch", "advance, withdraw (Shift: fine; Alt: bevel)"),
    ("Click on a picture", "choose the aim; right click: centre there"),
    ("Image on the console", "rotate, flip, window, edges, noise, pixel shift, laser aimer"),
    ("Tab, then Tab and Space", "work the panels by keyboard; Esc goes back to the hands"),
    ("Ctrl + and Ctrl -", "text size"),
    ("F1", "this help"),
)


class Keyboard:
    """Feeds key events to the table, with repeats of its own (so that tests and records do not depend on the system)."""

    def __init__(self) -> None:
        self._down: dict[int, tuple[Key, bool, float]] = {}

    def press(self, event: pygame.event.Event, theatre: Theatre) -> bool:
        """Obey a KEYDOWN; True if a row of the table was meant."""
        mod = getattr(event, "mod", 0)
        ctrl, fine = bool(mod & pygame.KMOD_CTRL), bool(mod & pygame.KMOD_SHIFT)
        if event.key in range(pygame.K_1, pygame.K_9 + 1):
            return self._digit(event.key - pygame.K_1, ctrl, theatre)
        for key in KEYS:
            if key.code == event.key and key.ctrl == ctrl and event.key not in self._down:
                self._down[event.key] = (key, fine, time.perf_counter() + REPEAT_AFTER_S)
                key.act(theatre, fine)
                return True
        return False

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
        for code, (key, fine, due) in list(self._down.items()):
            if key.repeats and now >= due:
                key.act(theatre, fine)
                self._down[code] = (key, fine, now + REPEAT_EVERY_S)

    def forget(self, theatre: Theatre) -> None:
        """Let go of everything (focus lost)."""
        for code in list(self._down):
            self.let_go(code, theatre)
