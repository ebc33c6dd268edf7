"""Widgets with a name: each records its rectangle, so that tests and scripts find it as a hand would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from imgui_bundle import imgui

from sim.window import theme
from sim.window.layout import Rect

_FIXED = (
    imgui.WindowFlags_.no_decoration
    | imgui.WindowFlags_.no_move
    | imgui.WindowFlags_.no_saved_settings
    | imgui.WindowFlags_.no_bring_to_front_on_focus
    | imgui.WindowFlags_.no_focus_on_appearing
)


class Ui:
    """The widgets of the window; `rects` maps a name to where it was drawn in the last frame."""

    def __init__(self, bold: imgui.ImFont | None = None) -> None:
        self.rects: dict[str, Rect] = {}
        self.disabled: set[str] = set()
        self.focused = ""  # the widget that has the keys, as of the last frame
        self.bold = bold
        self.scale = 1.0
        self.focus_panel = ""  # the panel whose first widget gets the keys with the next frame
        self.focus_widget = ""  # the button that gets the keys with the next frame
        self.front = ""  # the panel that gets them without any of its widgets: the first step of Tab or the cross finds one
        self.keys_now: dict[str, str] = {}  # key as shipped -> key as it is now, for tooltips
        self._gap: float | None = None
        self._wrap = True
        self._right = 0.0
        self._indent = 0.0

    def begin_frame(self) -> None:
        """Forget the rectangles of the last frame."""
        self.rects.clear()
        self.disabled.clear()
        self.focused = ""

    def record(self, name: str, enabled: bool = True) -> None:
        """Remember where the last item is; items scrolled out of sight are not there for a hand."""
        low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
        self._right = high.x
        if imgui.is_item_visible():
            self.rects[name] = Rect(low.x, low.y, high.x - low.x, high.y - low.y)
        if imgui.is_item_focused():
            self.focused = name
        if not enabled:
            self.disabled.add(name)

    # --- frames --------------------------------------------------------------------------------------
    @contextmanager
    def panel(self, name: str, rect: Rect, scroll: bool = True, border: bool = True, padding: bool = True) -> Iterator[None]:
        """Open a fixed panel; it scrolls when its content is taller."""
        flags = _FIXED
        if scroll:
            flags &= ~imgui.WindowFlags_.no_scrollbar
        imgui.set_next_window_pos(imgui.ImVec2(rect.x, rect.y))
        imgui.set_next_window_size(imgui.ImVec2(rect.w, rect.h))
        imgui.push_style_var(imgui.StyleVar_.window_border_size, 1.0 if border else 0.0)
        if not padding:
            imgui.push_style_var(imgui.StyleVar_.window_padding, imgui.ImVec2(0, 0))
        focus, self.focus_panel = name == self.focus_panel, "" if name == self.focus_panel else self.focus_panel
        if focus or name == self.front:
            imgui.set_next_window_focus()
            self.front = "" if name == self.front else self.front
        imgui.begin(f"##{name}", None, flags)
        if focus:
            imgui.set_keyboard_focus_here()  # its first widget, else Tab has nowhere to begin
        self._gap, self._indent = None, 0.0
        try:
            yield
        finally:
            self.rects[name] = rect
            imgui.end()
            imgui.pop_style_var(1 if padding else 2)

    @contextmanager
    def spread(self, rect: Rect, rows: int) -> Iterator[None]:
        """Spread so many rows over a panel that is taller than they need; where it is lower, move them together."""
        style = imgui.get_style()
        free = rect.h - 2 * style.window_padding.y - rows * imgui.get_frame_height()
        gap = min(2.6 * style.item_spacing.y, max(0.35 * style.item_spacing.y, free / (rows - 1) - 0.5))
        imgui.push_style_var(imgui.StyleVar_.item_spacing, imgui.ImVec2(style.item_spacing.x, gap))
        try:
            yield
        finally:
            imgui.pop_style_var()

    @contextmanager
    def enabled(self, on: bool) -> Iterator[None]:
        """Grey out what stands inside unless `on`."""
        if not on:
            imgui.begin_disabled()
        try:
            yield
        finally:
            if not on:
                imgui.end_disabled()

    def tip(self, text: str, key: str = "") -> None:
        """Explain the last item, with its key (named as shipped)."""
        key = self.keys_now.get(key, key)
        if (
            (text or key)
            and not imgui.is_any_mouse_down()
            and imgui.is_item_hovered(
                imgui.HoveredFlags_.for_tooltip | imgui.HoveredFlags_.delay_normal | imgui.HoveredFlags_.allow_when_disabled
            )
        ):
            imgui.set_tooltip(f"{text}   [{key}]" if key and text else text or f"[{key}]")

    # --- text ----------------------------------------------------------------------------------------
    def text(self, text: str, colour: theme.Colour = theme.TEXT, size: float = 0.0, bold: bool = False) -> None:
        """Draw a line of text; size in unscaled pixels (0: normal)."""
        if bold or size:
            imgui.push_font(self.bold if bold else None, size or theme.FONT_PX)
        self._flow(self.text_width(text))
        imgui.push_style_color(imgui.Col_.text, theme.vec(colour))
        imgui.align_text_to_frame_padding()
        imgui.text_unformatted(text)
        self._right = imgui.get_item_rect_max().x
        imgui.pop_style_color()
        if bold or size:
            imgui.pop_font()

    def words(self, text: str, colour: theme.Colour = theme.TEXT) -> None:
        """Text that wraps at the edge of its panel or column."""
        imgui.push_style_color(imgui.Col_.text, theme.vec(colour))
        imgui.push_text_wrap_pos(0.0)
        imgui.text_unformatted(text)
        imgui.pop_text_wrap_pos()
        imgui.pop_style_color()

    def same(self, gap: float = 6.0, wrap: bool = True) -> None:
        """Let the next widget stay on the line, if it fits (or anyhow); else it goes to the next line under the label."""
        self._gap, self._wrap = gap * self.scale, wrap

    def dot(self, colour: theme.Colour) -> None:
        """Draw a round lamp."""
        size = self.px(12)
        self._flow(size)
        at = imgui.get_cursor_screen_pos()
        centre = imgui.ImVec2(at.x + size / 2, at.y + imgui.get_frame_height() / 2)
        imgui.get_window_draw_list().add_circle_filled(centre, size / 2, theme.packed(colour))
        imgui.dummy(imgui.ImVec2(size, size))
        self._right = imgui.get_item_rect_max().x

    def label(self, text: str, width: float) -> None:
        """Begin a row with a dim label; what wraps stands to the right of it."""
        self.text(text, theme.DIM)
        self._indent = imgui.get_style().window_padding.x + self.px(width)
        imgui.same_line(self._indent)
        self._gap = None

    def _flow(self, width: float) -> None:
        gap, self._gap = self._gap, None
        if gap is None:
            return
        edge = imgui.get_cursor_screen_pos().x + imgui.get_content_region_avail().x  # of the next line
        if not self._wrap or self._right + gap + width <= edge + 0.5:
            imgui.same_line(0.0, gap)
        elif self._indent:
            imgui.set_cursor_pos_x(self._indent)

    def text_width(self, text: str) -> float:
        """Return the width of a text in pixels."""
        return float(imgui.calc_text_size(text).x)

    def rest(self, low: float) -> float:
        """Return the unscaled width that the next widget has left on its line, at least `low`."""
        edge = imgui.get_cursor_screen_pos().x + imgui.get_content_region_avail().x
        left = edge - self._right - self._gap if self._gap is not None else imgui.get_content_region_avail().x
        return max(low, left / self.scale - 1)

    def px(self, pixels: float) -> float:
        """Return scaled pixels."""
        return pixels * self.scale

    # --- controls ------------------------------------------------------------------------------------
    def button(
        self, name: str, label: str, tip: str = "", key: str = "", width: float = 0.0, on: bool = False, enabled: bool = True
    ) -> bool:
        """Draw a button (width in unscaled pixels; `on` marks it with the accent); return True when pressed."""
        self._flow(self._button_width(label, width))
        if name == self.focus_widget:
            self.focus_widget = ""
            imgui.set_keyboard_focus_here()
        with self._lit(on), self.enabled(enabled):
            pressed = imgui.button(f"{label}##{name}", imgui.ImVec2(self._button_width(label, width), 0))
        self.record(name, enabled)
        self.tip(tip, key)
        return bool(pressed)

    def hold(
        self, name: str, label: str, held: bool, tip: str = "", key: str = "", width: float = 0.0, enabled: bool = True
    ) -> bool | None:
        """Draw a button that acts while held; return True when pressed down, False when let go, None otherwise."""
        self._flow(self._button_width(label, width))
        with self._lit(held), self.enabled(enabled):
            imgui.button(f"{label}##{name}", imgui.ImVec2(self._button_width(label, width), 0))
            down, up = imgui.is_item_activated(), imgui.is_item_deactivated()
        self.record(name, enabled)
        self.tip(tip, key)
        return True if down else False if up else None

    def _button_width(self, label: str, width: float) -> float:
        return max(self.px(width), self.text_width(label) + 2 * imgui.get_style().frame_padding.x)

    @contextmanager
    def _lit(self, on: bool) -> Iterator[None]:
        if on:
            imgui.push_style_color(imgui.Col_.button, theme.vec(theme.ACCENT))
            imgui.push_style_color(imgui.Col_.button_hovered, theme.vec(theme.ACCENT))
            imgui.push_style_color(imgui.Col_.button_active, theme.vec(theme.ACCENT))
            imgui.push_style_color(imgui.Col_.text, theme.vec(theme.BLACK))
        try:
            yield
        finally:
            if on:
                imgui.pop_style_color(4)

    def slider(
        self, name: str, value: float, low: float, high: float, text: str, width: float, tip: str = "", key: str = ""
    ) -> float | None:
        """Draw a slider showing `text` (printf style); return the new value while it is dragged, else None."""
        self._flow(self.px(width))
        imgui.set_next_item_width(self.px(width))
        changed, new = imgui.slider_float(f"##{name}", float(value), low, high, text)
        self.record(name)
        self.tip(tip or "Drag, or Ctrl+click to type", key)
        return float(new) if changed else None

    def combo(self, name: str, items: Sequence[str], index: int, width: float, tip: str = "") -> int | None:
        """Draw a drop-down list; return the chosen index, else None. Open items are recorded as name.0, name.1, ..."""
        chosen = None
        self._flow(self.px(width))
        imgui.set_next_item_width(self.px(width))
        shown = items[index] if 0 <= index < len(items) else "choose"
        opened = imgui.begin_combo(f"##{name}", shown)
        if opened:
            for i, item in enumerate(items):
                if imgui.selectable(f"{item}##{name}{i}", i == index)[0]:
                    chosen = i
                self.record(f"{name}.{i}")
            imgui.end_combo()
        self.record(name)
        self.tip(tip)
        return chosen

    def radio(self, name: str, items: Sequence[str], index: int, tip: str = "", width: float = 0.0) -> int | None:
        """Draw buttons in a row, one lit; return the chosen index, else None. Recorded as name.0, name.1, ..."""
        chosen = None
        for i, item in enumerate(items):
            if i:
                self.same(3)
            if self.button(f"{name}.{i}", item, tip, width=width, on=i == index):
                chosen = i
        return chosen
