"""Events of mouse, keyboard and gamepad: who gets them (hands, menu, panels, or the page where controls are changed)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pygame
from imgui_bundle import imgui

from sim.window.controls import KEY_NAMES
from sim.window.keys import Keyboard, spec_of
from sim.window.pad import Pad
from sim.window.space import Space, open_device
from sim.window.words import ASSISTANT

if TYPE_CHECKING:
    from sim.window.app import Window
    from sim.window.theatre import Theatre

_PLUS = (pygame.K_PLUS, pygame.K_EQUALS, pygame.K_KP_PLUS)
_MINUS = (pygame.K_MINUS, pygame.K_KP_MINUS)
_QUIET = (pygame.ACTIVEEVENT, pygame.AUDIODEVICEADDED)
PANELS = ("console", "tray", "room", "touch", "voice", "live", "reference", "banner")
"""Panels in the order in which the act next_panel (F6; pad in the panels: LB, RB) goes through them."""
DEBRIEF_PANELS = ("debrief", "replay")
_ONE_WAY = {"UP": -1, "LS-UP": -1, "DOWN": 1, "LS-DOWN": 1}


class Inputs:
    """Reads the events of one window. `panels`: the panels have the keys; `listening`: (kind, act) whose input is awaited."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.panels = False
        self.listening: tuple[str, str] | None = None
        self._panel = 0  # number of the panel in PANELS (DEBRIEF_PANELS) that has the keys
        self.heard = ""  # what the page of controls says about the last change
        self.keyboard = Keyboard(window.controls, self._window_act)
        self.pad = Pad(window.controls, self._window_act, devices=not window.headless)
        self.pad.raw = self._raw_pad
        self.space = Space(window.controls, self._window_act, None if window.headless else open_device())
        self.space.raw = self._raw_space

    @property
    def _theatre(self) -> Theatre | None:
        return self.window.theatre if self.window.screen == "room" else None

    @property
    def navigating(self) -> bool:
        """True while keys and pad walk through widgets."""
        theatre = self._theatre
        return theatre is None or self.panels or theatre.help_open

    def read(self) -> bool:
        """Take all events; True if any came that can change the picture."""
        hot = False
        for event in pygame.event.get():
            hot |= event.type not in _QUIET
            self._one(event)
        if told := self.space.read(self._theatre):
            self.window.tell(told)
        self._set_navigation()
        return hot

    def repeat(self, seconds: float, theatre: Theatre) -> None:
        """Repeat what is held."""
        self.keyboard.repeat(theatre)
        self.pad.advance(seconds, theatre)
        self.space.advance(seconds, theatre)

    def forget(self, theatre: Theatre) -> None:
        """Let go of everything."""
        self.keyboard.forget(theatre)
        self.pad.release(theatre)
        self.space.release(theatre)
        theatre.hands.release_all()

    def leave_room(self) -> None:
        """Begin at the first panel of the debrief; nothing is held any more."""
        self.panels, self._panel = False, 0

    def _one(self, event: pygame.event.Event) -> None:
        window, theatre = self.window, self._theatre
        if event.type == pygame.QUIT:
            window.closing = True
        elif event.type in (pygame.WINDOWFOCUSLOST, pygame.WINDOWMINIMIZED) and theatre:
            self.forget(theatre)
        if event.type == pygame.WINDOWMINIMIZED:
            window.minimised = True
            if theatre and theatre.practice and not theatre.coach.paused:
                theatre.coach.toggle_pause()
                theatre.say(ASSISTANT, "Paused while the window was minimised.")
        elif event.type in (pygame.WINDOWRESTORED, pygame.WINDOWSHOWN, pygame.WINDOWMAXIMIZED):
            window.minimised = False
        elif event.type in (pygame.RENDER_DEVICE_RESET, pygame.RENDER_TARGETS_RESET):
            window.renew_graphics("The graphics device was reset")
        typing = window.backend.io.want_text_input
        if event.type == pygame.KEYDOWN and self.listening:
            self._learn_key(event)
            return
        menu = theatre is not None and theatre.menu.open and not self.navigating
        window.backend.feed(event, keys=(self.navigating or typing) and not menu)
        if event.type == pygame.KEYDOWN:
            self._key_down(event, typing)
        elif event.type == pygame.KEYUP and window.theatre:
            self.keyboard.let_go(event.key, window.theatre)
        elif told := self.pad.feed(event, theatre):
            window.tell(told)

    # --- keyboard ------------------------------------------------------------------------------------
    def _key_down(self, event: pygame.event.Event, typing: bool) -> None:
        window, theatre = self.window, self._theatre
        ctrl = bool(getattr(event, "mod", 0) & pygame.KMOD_CTRL)
        if ctrl and event.key in (*_PLUS, *_MINUS):
            window.next_scale(-1 if event.key in _MINUS else 1)
        elif theatre is not None:
            self._room_key(event, typing, theatre)
        elif event.key == pygame.K_ESCAPE:
            window.escape()
        elif window.screen == "debrief" and window.controls.acts("keys").get(spec_of(event)) == "next_panel":
            self._next_panel(-1 if getattr(event, "mod", 0) & pygame.KMOD_SHIFT else 1)
        elif window.screen == "chooser" and window.controls.acts("keys").get(spec_of(event)) == "help":
            window.page = "" if window.page == "controls" else "controls"
        elif window.screen == "chooser" and event.key == pygame.K_RETURN and not imgui.is_any_item_focused():
            window.begin()

    def _room_key(self, event: pygame.event.Event, typing: bool, theatre: Theatre) -> None:
        if event.key == pygame.K_ESCAPE:
            theatre.help_open = False
            self._give(False)
            if theatre.menu.open:
                theatre.menu.back()
        elif self.panels and self.window.controls.acts("keys").get(spec_of(event)) == "next_panel":
            self._next_panel(-1 if getattr(event, "mod", 0) & pygame.KMOD_SHIFT else 1)
        elif theatre.help_open:
            if self.window.controls.acts("keys").get(spec_of(event)) == "help":
                self._window_act("help")
        elif theatre.menu.open and not typing and self._menu_key(event, theatre):
            return
        elif not (self.panels or typing):
            self.keyboard.press(event, theatre)

    def _menu_key(self, event: pygame.event.Event, theatre: Theatre) -> bool:
        menu = theatre.menu
        if event.key in (pygame.K_UP, pygame.K_DOWN):
            menu.step(-1 if event.key == pygame.K_UP else 1)
        elif event.key in (pygame.K_RETURN, pygame.K_RIGHT):
            menu.choose()
        elif event.key in (pygame.K_LEFT, pygame.K_BACKSPACE):
            menu.back()
        elif pygame.K_1 <= event.key <= pygame.K_9 and event.key - pygame.K_1 < len(menu.rows):
            menu.choose(event.key - pygame.K_1)
        else:
            return False
        return True

    def _window_act(self, name: str) -> None:
        theatre = self._theatre
        if theatre is None:
            return
        if name == "help":
            theatre.help_open = not theatre.help_open
            self.forget(theatre)
        elif name in ("panels", "next_panel"):
            self._give(True)
            if name == "next_panel":
                self._next_panel(1)

    def _give(self, to_panels: bool) -> None:
        """Give the keys to the panels, or to the hands."""
        self.panels = to_panels
        if to_panels and self._theatre:
            self.window.ui.focus_panel = PANELS[self._panel]
            self.keyboard.forget(self._theatre)

    def _next_panel(self, by: int) -> None:
        panels = PANELS if self.window.screen == "room" else DEBRIEF_PANELS
        self._panel = (self._panel + by) % len(panels)
        self.window.ui.focus_panel = panels[self._panel]

    def _set_navigation(self) -> None:
        io = self.window.backend.io
        flags = imgui.ConfigFlags_.nav_enable_keyboard | imgui.ConfigFlags_.nav_enable_gamepad
        io.config_flags = (io.config_flags | flags) if self.navigating else (io.config_flags & ~flags)

    # --- gamepad -------------------------------------------------------------------------------------
    def _raw_pad(self, name: str, down: bool) -> bool:
        """Take an input of the pad before its act: to learn it, to walk through widgets, or through the menu."""
        if self.listening and self.listening[0] == "pad":
            if down:
                self._learned(self.pad.spelled(name))
            return True
        theatre = self._theatre
        if self.navigating:
            if name in ("LB", "RB") and (self.panels or self.window.screen == "debrief"):
                if down:
                    self._next_panel(1 if name == "RB" else -1)
                return True
            self.window.backend.pad(name, down)
            if name in ("B", "BACK") and down and theatre is not None:
                theatre.help_open = False
                self._give(False)
            elif name == "B" and down:
                self.window.escape()
            elif name == "START" and down and self.window.screen == "chooser":
                self.window.begin()
            return True
        if theatre is None or not theatre.menu.open or not down:
            return False
        if name in _ONE_WAY:
            theatre.menu.step(_ONE_WAY[name])
        elif name in ("A", "RIGHT"):
            theatre.menu.choose()
        elif name in ("B", "LEFT"):
            theatre.menu.back()
        else:
            return False
        return True

    def _raw_space(self, name: str, down: bool) -> bool:
        """Take an input of the 3D mouse before its act: to learn it, or because keys and pad walk through widgets or the menu."""
        if self.listening and self.listening[0] == "space":
            if down:
                self._learned(name)
            return True
        theatre = self._theatre
        return self.navigating or theatre is None or theatre.menu.open

    # --- changing a control --------------------------------------------------------------------------
    def _learn_key(self, event: pygame.event.Event) -> None:
        if event.key == pygame.K_ESCAPE:
            self.listening, self.heard = None, "Nothing was changed."
        elif event.key == pygame.K_DELETE:
            self._learned("")
        elif self.listening and self.listening[0] == "keys" and spec_of(event).removeprefix("Ctrl+") in KEY_NAMES:
            self._learned(spec_of(event))

    def _learned(self, spec: str) -> None:
        assert self.listening is not None
        from sim.window.acts import ACTS

        kind, act = self.listening
        controls = self.window.controls
        try:
            others = controls.change(kind, act, spec)
        except ValueError as error:
            self.heard = f"{error}"
            return
        self.listening = None
        clash = f" Also used for: {'; '.join(ACTS[o].does for o in others)}. Change one of them." if others else ""
        self.heard = f"{ACTS[act].does}: {spec or 'none'}.{clash}"
        self.heard += f" {told}" if (told := controls.save()) else ""
