"""ImGui on pygame: events in, our own (buttons 1-5, text input, all keys); drawing by ImGui's OpenGL renderer."""

from __future__ import annotations

import time

import pygame
from imgui_bundle import imgui
from imgui_bundle.python_backends.opengl_backend_programmable import ProgrammablePipelineRenderer

_BUTTONS = {1: 0, 2: 2, 3: 1, 8: 3, 9: 4}  # pygame 4 to 7 are wheels; SDL side buttons arrive as 6/7 or 8/9
_NAMED = {
    pygame.K_LEFT: "left_arrow", pygame.K_RIGHT: "right_arrow", pygame.K_UP: "up_arrow", pygame.K_DOWN: "down_arrow",
    pygame.K_PAGEUP: "page_up", pygame.K_PAGEDOWN: "page_down", pygame.K_HOME: "home", pygame.K_END: "end",
    pygame.K_INSERT: "insert", pygame.K_DELETE: "delete", pygame.K_BACKSPACE: "backspace", pygame.K_RETURN: "enter",
    pygame.K_KP_ENTER: "keypad_enter", pygame.K_ESCAPE: "escape", pygame.K_TAB: "tab", pygame.K_SPACE: "space",
    pygame.K_LCTRL: "left_ctrl", pygame.K_RCTRL: "right_ctrl", pygame.K_LSHIFT: "left_shift",
    pygame.K_RSHIFT: "right_shift", pygame.K_LALT: "left_alt", pygame.K_RALT: "right_alt",
}  # fmt: skip
_KEYS = {code: getattr(imgui.Key, name) for code, name in _NAMED.items()}
_KEYS |= {pygame.K_a + i: getattr(imgui.Key, chr(97 + i)) for i in range(26)}
_KEYS |= {pygame.K_F1 + i: getattr(imgui.Key, f"f{i + 1}") for i in range(12)}
_PAD = {
    "A": "gamepad_face_down", "B": "gamepad_face_right", "X": "gamepad_face_left", "Y": "gamepad_face_up",
    "UP": "gamepad_dpad_up", "DOWN": "gamepad_dpad_down", "LEFT": "gamepad_dpad_left", "RIGHT": "gamepad_dpad_right",
    "LB": "gamepad_l1", "RB": "gamepad_r1", "LS-UP": "gamepad_dpad_up", "LS-DOWN": "gamepad_dpad_down",
    "LS-LEFT": "gamepad_dpad_left", "LS-RIGHT": "gamepad_dpad_right",
}  # fmt: skip
_MODS = (
    (pygame.KMOD_CTRL, imgui.Key.mod_ctrl),
    (pygame.KMOD_SHIFT, imgui.Key.mod_shift),
    (pygame.KMOD_ALT, imgui.Key.mod_alt),
)


class Backend:
    """Owns the ImGui context."""

    def __init__(self, strict: bool) -> None:
        """`strict`: a mistake in a panel ends the window (tests); else ImGui recovers and goes on."""
        self.context = imgui.create_context()
        self.io = imgui.get_io()
        self.io.set_ini_filename("")
        self.io.config_error_recovery_enable_assert = strict
        self.io.backend_flags |= imgui.BackendFlags_.has_gamepad
        self.renderer = ProgrammablePipelineRenderer()
        self._last = time.perf_counter()

    def feed(self, event: pygame.event.Event, keys: bool) -> None:
        """Pass one event on; keys only when the panels have the keyboard."""
        io = self.io
        if event.type == pygame.MOUSEMOTION:
            io.add_mouse_pos_event(float(event.pos[0]), float(event.pos[1]))
        elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
            button = _BUTTONS.get(event.button)
            if button is not None:
                io.add_mouse_pos_event(float(event.pos[0]), float(event.pos[1]))
                io.add_mouse_button_event(button, event.type == pygame.MOUSEBUTTONDOWN)
        elif event.type == pygame.MOUSEWHEEL:
            io.add_mouse_wheel_event(float(event.x), float(event.y))
        elif event.type == pygame.WINDOWLEAVE:
            io.add_mouse_pos_event(-1e9, -1e9)
        elif event.type == pygame.WINDOWFOCUSLOST:
            io.add_focus_event(False)
        elif event.type == pygame.TEXTINPUT and keys:
            io.add_input_characters_utf8(event.text)
        elif event.type in (pygame.KEYDOWN, pygame.KEYUP):
            self._key(event, keys)

    def _key(self, event: pygame.event.Event, keys: bool) -> None:
        down = event.type == pygame.KEYDOWN
        for mask, key in _MODS:
            self.io.add_key_event(key, bool(getattr(event, "mod", 0) & mask))
        if event.key in _KEYS and (keys or not down):
            self.io.add_key_event(_KEYS[event.key], down)

    def pad(self, name: str, down: bool) -> None:
        """Pass an input of the gamepad on, for walking through widgets."""
        if name in _PAD:
            self.io.add_key_event(getattr(imgui.Key, _PAD[name]), down)

    def begin(self, width: int, height: int, step_s: float | None) -> None:
        """Begin a frame of this size; `step_s` fixes its length (headless)."""
        now = time.perf_counter()
        self.io.display_size = imgui.ImVec2(width, height)
        self.io.delta_time = step_s if step_s is not None else max(1e-4, now - self._last)
        self._last = now
        imgui.new_frame()

    def end(self) -> None:
        """Finish the frame and draw it into the bound framebuffer."""
        imgui.render()
        self.renderer.render(imgui.get_draw_data())

    def close(self) -> None:
        """Free what belongs to ImGui."""
        self.renderer.shutdown()
        imgui.destroy_context(self.context)
