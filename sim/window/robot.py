"""Hands for tests and scripts: posts the events a person would make, at the places where widgets were drawn.

A script is a generator that gets the Robot and yields once per frame; the methods here are generators to
`yield from`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import pygame

if TYPE_CHECKING:
    from sim.window.app import Window
    from sim.window.theatre import Theatre

Frames = Generator[None, None, None]


class Robot:
    """Posts pygame events to one window."""

    def __init__(self, window: Window) -> None:
        self.window = window

    @property
    def theatre(self) -> Theatre:
        """The attempt that is running."""
        assert self.window.theatre is not None
        return self.window.theatre

    def where(self, name: str, u: float = 0.5, v: float = 0.5) -> tuple[int, int]:
        """Return the pixel of a widget (u, v: where in it); KeyError names the near ones when it is not on screen."""
        rects = self.window.ui.rects
        if name not in rects:
            raise KeyError(f"no widget '{name}' on screen; there are: {', '.join(sorted(rects))}")
        r = rects[name]
        return round(r.x + r.w * u), round(r.y + r.h * v)

    def point(self, name: str, u: float = 0.5, v: float = 0.5) -> Frames:
        """Move the mouse onto a widget."""
        pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=self.where(name, u, v), rel=(0, 0), buttons=(0, 0, 0)))
        yield

    def down(self, name: str, u: float = 0.5, v: float = 0.5, button: int = 1) -> Frames:
        """Press a mouse button on a widget and keep it pressed."""
        yield from self.point(name, u, v)
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=self.where(name, u, v), button=button))
        yield

    def up(self, name: str, u: float = 0.5, v: float = 0.5, button: int = 1) -> Frames:
        """Let go of it."""
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONUP, pos=self.where(name, u, v), button=button))
        yield
        yield

    def click(self, name: str, u: float = 0.5, v: float = 0.5, button: int = 1) -> Frames:
        """Click a widget."""
        yield from self.down(name, u, v, button)
        yield from self.up(name, u, v, button)

    def choose(self, name: str, index: int) -> Frames:
        """Open a drop-down list, turn the wheel until the item shows, and click it."""
        yield from self.click(name)
        yield
        for _ in range(40):
            shown = [n for n in self.window.ui.rects if n.startswith(f"{name}.")]
            if f"{name}.{index}" in shown or not shown:
                break
            before = max(int(n.rpartition(".")[2]) for n in shown)
            yield from self.wheel(shown[len(shown) // 2], -1 if index > before else 1)
            yield
        yield from self.click(f"{name}.{index}")
        yield

    def wheel(self, name: str, notches: int) -> Frames:
        """Turn the wheel over a widget."""
        yield from self.point(name)
        pygame.event.post(pygame.event.Event(pygame.MOUSEWHEEL, x=0, y=notches, flipped=False))
        yield
        yield

    def key(self, code: int, mod: int = 0, frames: int = 1) -> Frames:
        """Press a key, hold it for so many frames, let go."""
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=code, mod=mod, unicode="", scancode=0))
        for _ in range(frames):
            yield
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=code, mod=mod, unicode="", scancode=0))
        yield

    def ready(self, seconds: float = 300.0) -> Frames:
        """Wait until the room is there (patient and compiled code take real time)."""
        end = time.monotonic() + seconds
        while self.window.screen != "room":
            assert not self.window.error, self.window.error
            assert time.monotonic() < end, f"no room after {seconds:.0f} s"
            yield
        yield

    def type_into(self, name: str, text: str) -> Frames:
        """Ctrl+click a slider and type a value."""
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_LCTRL, mod=pygame.KMOD_CTRL, unicode="", scancode=0))
        yield from self.click(name)
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_LCTRL, mod=0, unicode="", scancode=0))
        yield
        pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=text))
        yield
        yield from self.key(pygame.K_RETURN)
        yield

    def wait(self, frames: int) -> Frames:
        """Do nothing."""
        for _ in range(frames):
            yield

    def until(self, test: Callable[[], bool], frames: int = 2000) -> Frames:
        """Wait until something is true; AssertionError when it never is."""
        for _ in range(frames):
            if test():
                return
            yield
        raise AssertionError(f"still not true after {frames} frames")
