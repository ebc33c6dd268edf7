"""Colours, fonts and sizes: dark neutral surround, untinted greys, one accent, words beside every colour."""

from __future__ import annotations

from pathlib import Path

import imgui_bundle
from imgui_bundle import imgui

Colour = tuple[float, float, float, float]

SURROUND: Colour = (0.085, 0.085, 0.09, 1.0)
PANEL: Colour = (0.11, 0.11, 0.115, 1.0)
LINE: Colour = (0.27, 0.27, 0.28, 1.0)
TEXT: Colour = (0.90, 0.90, 0.89, 1.0)
DIM: Colour = (0.66, 0.66, 0.66, 1.0)
ACCENT: Colour = (1.0, 0.74, 0.25, 1.0)  # amber: the only colour of the controls
ACCENT_DARK: Colour = (0.42, 0.30, 0.08, 1.0)
CONTROL: Colour = (0.20, 0.20, 0.21, 1.0)
CONTROL_HOVER: Colour = (0.28, 0.28, 0.29, 1.0)
GRAB: Colour = (0.38, 0.38, 0.39, 1.0)
BLACK: Colour = (0.0, 0.0, 0.0, 1.0)
FONT_PX = 15.0


def vec(colour: Colour) -> imgui.ImVec4:
    """Return a colour as ImGui's vector."""
    return imgui.ImVec4(*colour)


def packed(colour: Colour, alpha: float = 1.0) -> int:
    """Return a colour as ImGui's 32-bit number."""
    return int(imgui.get_color_u32(imgui.ImVec4(colour[0], colour[1], colour[2], colour[3] * alpha)))


def load_fonts() -> tuple[imgui.ImFont, imgui.ImFont]:
    """Load the body and the bold font (from the ImGui wheel)."""
    folder = Path(imgui_bundle.__file__).parent / "assets" / "fonts" / "Roboto"
    fonts = imgui.get_io().fonts
    body = fonts.add_font_from_file_ttf(str(folder / "Roboto-Regular.ttf"), FONT_PX)
    bold = fonts.add_font_from_file_ttf(str(folder / "Roboto-Bold.ttf"), FONT_PX)
    return body, bold


def apply(scale: float) -> None:
    """Set the style for a text scale (1.0 to 2.0)."""
    imgui.get_io().config_flags &= ~imgui.ConfigFlags_.nav_enable_keyboard
    style = imgui.get_style()
    spacing = {
        "window_padding": (7, 6), "frame_padding": (7, 3), "item_spacing": (6, 5), "item_inner_spacing": (5, 4),
    }  # fmt: skip
    for name, (x, y) in spacing.items():
        setattr(style, name, imgui.ImVec2(x * scale, y * scale))
    for name in ("window_rounding", "child_rounding"):
        setattr(style, name, 0.0)
    style.frame_rounding = 3 * scale
    style.grab_min_size = 12 * scale
    style.scrollbar_size = 11 * scale
    style.window_border_size = 1.0
    style.font_scale_main = scale
    style.disabled_alpha = 0.45
    _colours(style)


def _colours(style: imgui.Style) -> None:
    col = imgui.Col_
    table = {
        col.text: TEXT, col.text_disabled: DIM, col.window_bg: (0.0, 0.0, 0.0, 0.0), col.popup_bg: PANEL, col.border: LINE,
        col.frame_bg: CONTROL, col.frame_bg_hovered: CONTROL_HOVER, col.frame_bg_active: CONTROL_HOVER,
        col.button: CONTROL, col.button_hovered: CONTROL_HOVER, col.button_active: ACCENT_DARK,
        col.slider_grab: GRAB, col.slider_grab_active: ACCENT_DARK, col.check_mark: ACCENT,
        col.header: ACCENT_DARK, col.header_hovered: CONTROL_HOVER, col.header_active: ACCENT_DARK,
        col.scrollbar_bg: (0.0, 0.0, 0.0, 0.0), col.scrollbar_grab: CONTROL_HOVER, col.separator: LINE,
        col.nav_cursor: ACCENT, col.modal_window_dim_bg: (0.0, 0.0, 0.0, 0.75), col.plot_lines: ACCENT,
    }  # fmt: skip
    for key, colour in table.items():
        style.set_color_(key, vec(colour))
