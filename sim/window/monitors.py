"""The two monitors: live (or last picture held) and reference. The picture is king: only a letter and the aim lie on it."""

from __future__ import annotations

import pygame
from imgui_bundle import imgui

from sim.display import Display
from sim.window import theme
from sim.window.aim import project
from sim.window.fluoro import Shot
from sim.window.glkit import GreyTexture
from sim.window.layout import Rect
from sim.window.theatre import Theatre
from sim.window.ui import Ui


class Monitor:
    """One screen: its texture and what was uploaded last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._texture = GreyTexture()
        self._shown: tuple[Shot, Display] | None = None

    def draw(self, theatre: Theatre, ui: Ui, rect: Rect, shot: Shot | None, live: bool) -> None:
        """Draw caption and picture."""
        with ui.panel(self.name, rect, scroll=False, padding=False):
            side = rect.w
            imgui.set_cursor_pos(imgui.ImVec2(ui.px(7), 0))
            self._caption(theatre, ui, rect, shot, live)
            self._display = shot.display or theatre.display if shot else Display()
            imgui.set_cursor_pos(imgui.ImVec2(1, rect.h - side + 1))
            self._picture(theatre, ui, side - 2, shot)
            if shot is not None:
                self._marks(theatre, ui, Rect(rect.x + 1, rect.y + rect.h - side + 1, side - 2, side - 2), shot)

    def _caption(self, theatre: Theatre, ui: Ui, rect: Rect, shot: Shot | None, live: bool) -> None:
        arm = theatre.state.carm
        beam = live and bool(arm.beam)
        title = ("RUN AGAIN" if theatre.cine.playing else "LIVE") if live else "REFERENCE"
        ui.text(title, theme.ACCENT if beam else theme.TEXT, bold=True)
        if beam:
            ui.same(6, wrap=False)
            ui.dot(theme.ACCENT)
            ui.same(6, wrap=False)
            ui.text("X-RAYS ON, BOOST" if arm.boost else "X-RAYS ON", theme.ACCENT)
            ui.record(f"{self.name}.beam")
        elif live and (arm.boost or theatre.road_map):
            ui.same(6, wrap=False)
            ui.text(" ".join(["BOOST"] * arm.boost + ["ROAD MAP"] * theatre.road_map), theme.ACCENT)
        ui.same(8, wrap=False)
        spare = ui.px(110) if not live and len(theatre.references) > 1 else ui.px(4)
        room = rect.w - spare - (imgui.get_item_rect_max().x - rect.x) - ui.px(8)
        ui.text(fitting(ui, _facts(shot, live, beam), room), theme.DIM)
        if not live and len(theatre.references) > 1:
            self._browse(theatre, ui, rect)

    def _browse(self, theatre: Theatre, ui: Ui, rect: Rect) -> None:
        imgui.set_cursor_pos(imgui.ImVec2(rect.w - ui.px(100), 0))
        if ui.button("reference.back", "<", "Older stored picture"):
            theatre.reference_index = max(0, theatre.reference_index - 1)
        ui.same(4, wrap=False)
        ui.text(f"{theatre.reference_index + 1}/{len(theatre.references)}")
        ui.same(4, wrap=False)
        if ui.button("reference.next", ">", "Newer stored picture"):
            theatre.reference_index = min(len(theatre.references) - 1, theatre.reference_index + 1)

    def _picture(self, theatre: Theatre, ui: Ui, side: float, shot: Shot | None) -> None:
        size = imgui.ImVec2(side, side)
        if shot is None:
            imgui.dummy(size)
            ui.record(f"{self.name}.picture")
            return
        if self._shown is None or shot is not self._shown[0] or self._display != self._shown[1]:
            self._texture.upload(self._display.pixels(shot.pixels))
            self._shown = (shot, self._display)
        imgui.image(imgui.ImTextureRef(self._texture.name), size)
        ui.record(f"{self.name}.picture")
        if imgui.is_item_hovered():
            self._pointed(theatre, ui, shot)

    def _pointed(self, theatre: Theatre, ui: Ui, shot: Shot) -> None:
        low, high, mouse = imgui.get_item_rect_min(), imgui.get_item_rect_max(), imgui.get_mouse_pos()
        u, v = self._display.in_picture((mouse.x - low.x) / (high.x - low.x), (mouse.y - low.y) / (high.y - low.y))
        if imgui.is_mouse_clicked(0):
            theatre.aim_at(shot, u, v)
        elif imgui.is_mouse_clicked(1):
            theatre.aim_at(shot, u, v)
            if theatre.aim:
                theatre.hands.centre_picture(theatre.aim)
                theatre.aim = None
        wheel(theatre)

    def _marks(self, theatre: Theatre, ui: Ui, at: Rect, shot: Shot) -> None:
        """Mark the sides with letters, the skin marker as it was seen, and the aim."""
        draw_list, show = imgui.get_window_draw_list(), self._display
        for text, (x, y) in zip(_letters(shot), _letter_places(ui, at, show, _letters(shot)), strict=True):
            draw_list.add_text(imgui.ImVec2(x + 1, y + 1), theme.packed(theme.BLACK), text)
            draw_list.add_text(imgui.ImVec2(x, y), theme.packed(theme.TEXT), text)
        if shot.marker and all(0.0 < c < 1.0 for c in shot.marker):
            u, v = show.on_screen(*shot.marker)
            centre = imgui.ImVec2(at.x + u * at.w, at.y + v * at.h)
            draw_list.add_circle(centre, ui.px(7), theme.packed(theme.BLACK), 0, ui.px(3))
        if shot is theatre.live and not theatre.state.carm.beam:
            _shutters(theatre, ui, at, shot, show)
        if theatre.aim is not None and theatre.aim.pose is shot.view.pose:
            _cross(ui, at, *show.on_screen(theatre.aim.u, theatre.aim.v))


def _letter_places(ui: Ui, at: Rect, show: Display, letters: tuple[str, str]) -> list[tuple[float, float]]:
    """Return where the two side letters stand: the upper corners, or wherever a turned picture has its sides."""
    wide = [ui.text_width(text) for text in letters]
    if show.straight:
        return [(at.x + ui.px(8), at.y + ui.px(6)), (at.x + at.w - wide[1] - ui.px(8), at.y + ui.px(6))]
    out = []
    for u, width in zip((0.03, 0.97), wide, strict=True):
        x, y = show.on_screen(u, 0.5)
        left, top = at.x + x * at.w - width / 2, at.y + y * at.h - ui.px(8)
        out.append(
            (min(max(left, at.x + ui.px(8)), at.x + at.w - width - ui.px(8)), min(max(top, at.y), at.y + at.h - ui.px(20)))
        )
    return out


def _shutters(theatre: Theatre, ui: Ui, at: Rect, shot: Shot, show: Display) -> None:
    """Draw where shutters and iris stand now on the picture held from before they were moved (no X-rays needed)."""
    arm, view = theatre.state.carm, shot.view
    draw_list, colour = imgui.get_window_draw_list(), theme.packed(theme.ACCENT)
    half_w, half_h, iris = arm.half_width_permille / 1000, arm.half_height_permille / 1000, arm.iris_permille / 1000
    x, y, half = at.x + at.w / 2, at.y + at.h / 2, at.w / 2
    if (half_w, half_h) != (view.half_width, view.half_height):
        around = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        places = [show.on_screen(0.5 + 0.5 * a * half_w, 0.5 + 0.5 * b * half_h) for a, b in around]
        corners = [imgui.ImVec2(at.x + u * at.w, at.y + v * at.h) for u, v in places]
        for k in range(4):
            draw_list.add_line(corners[k - 1], corners[k], colour, ui.px(1.5))
    if iris != view.iris and iris < 1.42:
        draw_list.add_circle(imgui.ImVec2(x, y), iris * half, colour, 0, ui.px(1.5))


def _cross(ui: Ui, at: Rect, u: float, v: float) -> None:
    draw_list, x, y = imgui.get_window_draw_list(), at.x + u * at.w, at.y + v * at.h
    colour = theme.packed(theme.ACCENT)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        near, far = ui.px(4), ui.px(13)
        draw_list.add_line(
            imgui.ImVec2(x + dx * near, y + dy * near), imgui.ImVec2(x + dx * far, y + dy * far), colour, ui.px(1.5)
        )


def fitting(ui: Ui, parts: tuple[str, ...], width: float) -> str:
    """Return as many parts, from the first, as fit into a width."""
    count = len(parts)
    while count > 1 and ui.text_width("   ".join(parts[:count])) > width:
        count -= 1
    return "   ".join(parts[:count])


def _facts(shot: Shot | None, live: bool, beam: bool) -> tuple[str, ...]:
    if shot is None:
        return ("no picture yet", "pedal (Space) or single shot (S)") if live else ("stored pictures (Enter)",)
    view = shot.view
    held = ("HELD",) if live and not beam else ()
    told = {"dsa": ("DSA",), "peak": ("PEAK",), "shift": ("DSA, MASK SHIFTED",)}.get(shot.notes.get("mode", ""), ())
    return (
        angle_words(view.primary_mdeg, view.secondary_mdeg, view.swivel_mdeg),
        *told,
        *held,
        f"{view.kvp:.0f} kVp",
        f"{view.mas:.2f} mAs",
    )


def angle_words(primary_mdeg: int, secondary_mdeg: int, swivel_mdeg: int = 0) -> str:
    """Return the angles as said in a suite: orbital to which side, tilt to head or feet, swivel where there is one."""
    p, s = primary_mdeg / 1000, secondary_mdeg / 1000
    orbital = "AP 0" if abs(p) < 0.05 else f"{'left' if p > 0 else 'right'} {abs(p):.0f}"
    tilt = "" if abs(s) < 0.05 else f", {'head' if s > 0 else 'feet'} {abs(s):.0f}"
    swivel = f", swivel {swivel_mdeg / 1000:+.0f}" if swivel_mdeg else ""
    return f"{orbital}{tilt}{swivel} deg"


def _letters(shot: Shot) -> tuple[str, str]:
    """Return what stands at the left and the right edge of the picture: L and R, or front and back in a lateral."""
    right = shot.view.pose.right
    if abs(right[0]) >= 0.27:
        return ("L", "R") if right[0] < 0 else ("R", "L")
    return ("POST", "ANT") if right[1] < 0 else ("ANT", "POST")


def wheel(theatre: Theatre) -> None:
    """Advance with the wheel; Shift: fine; Alt: turn the bevel."""
    turned = imgui.get_io().mouse_wheel
    if not turned:
        return
    mod = pygame.key.get_mods()
    if mod & pygame.KMOD_ALT:
        theatre.hands.turn_bevel(15 if turned > 0 else -15)
    else:
        theatre.hands.move((1 if turned > 0 else -1) * (0.2 if mod & pygame.KMOD_SHIFT else 1.0))


def needle_tip(shot: Shot, theatre: Theatre) -> tuple[float, float] | None:
    """Return where the needle's tip would be on a picture (for scripts)."""
    return project(shot.view.pose, theatre.state.needle.tip_mm + shot.view.patient_mm) if theatre.state.needle.placed else None
