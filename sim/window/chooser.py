"""The gallery: what to do next, one card with a picture for every case, the mode. Also the sign that a patient is made ready."""

from __future__ import annotations

from imgui_bundle import imgui

from sim.window import theme
from sim.window.desk import Desk, ScenarioCard, Stage
from sim.window.glkit import GreyTexture
from sim.window.layout import Rect
from sim.window.thumbs import Thumbs
from sim.window.ui import Ui

MODES = (
    ("Guided", "Practice: the next step is named, hints, undo, pause, fading skin", "practice"),
    ("Free", "Practice: hints when asked for, undo, pause, fading skin", "practice"),
    ("Assessment", "As in life: no aids, no pause, the room from outside", "assessment"),
)
PAGES = (
    ("map", "Map", "From drills to hard cases: what is learned, what is open", ""),
    ("settings", "Settings", "Size of text, sound", ""),
    ("controls", "Controls", "Keys, gamepad and 3D mouse; change them", "F1"),
)
PICTURE, CARD = 104, 372
TUTORIAL = "tutorial"


class Chooser:
    """Remembers what is picked. `suggested` gives (scenario, seed) of what `draw` returned."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.picked = next((i for i, card in enumerate(desk.scenarios) if not card.error), 0)
        self.mode = 0 if desk.guided else 1
        self.kind = 0
        self.first_time = False
        self.stage: Stage | None = None
        self._thumbs = Thumbs(desk.thumbnail)
        self._textures: dict[str, GreyTexture] = {}

    @property
    def card(self) -> ScenarioCard:
        """The picked card."""
        return self.desk.scenarios[self.picked]

    @property
    def guided(self) -> bool:
        """True if practice shall name the next step."""
        return self.mode == 0

    @property
    def core_mode(self) -> str:
        """The mode as the record knows it."""
        return MODES[self.mode][2]

    @property
    def ready(self) -> bool:
        """True if the picked case can be started in the picked mode."""
        return bool(self.desk.scenarios) and not self.card.error and not (self.card.practice_only and self.mode == 2)

    def suggested(self, key: str) -> tuple[str, int | None]:
        """Return the scenario and the patient of a suggestion."""
        if key == TUTORIAL:
            return self.desk.tutorial, None
        row = self.desk.progress.suggestions[int(key)]
        return row.scenario, row.seed

    def show_stage(self, stage: Stage) -> None:
        """Show the cases of one stage of the map alone, and pick its first."""
        self.kind, self.stage = 0, stage
        self.picked = next((i for i, card in enumerate(self.desk.scenarios) if card.id in stage.cases), self.picked)

    def refresh(self) -> None:
        """Read the cards again: records may have changed."""
        if self.desk.cards is not None:
            picked = self.card.id if self.desk.scenarios else ""
            self.desk.scenarios, self.desk.progress = self.desk.cards()
            self.picked = next((i for i, c in enumerate(self.desk.scenarios) if c.id == picked), 0)

    def forget_pictures(self) -> None:
        """Upload the pictures again: the graphics device lost them."""
        self._textures.clear()

    def stop(self) -> None:
        """Make no more pictures."""
        self._thumbs.stop()

    # --- drawing -------------------------------------------------------------------------------------
    def draw(self, ui: Ui, size: tuple[int, int], error: str) -> str:
        """Draw it; return "begin", a page ("map", "settings", "controls"), the key of a suggestion, or ""."""
        width = min(size[0] - 30.0, 1560 * ui.scale)
        with ui.panel("chooser", Rect((size[0] - width) / 2, 10, width, size[1] - 20), border=False):
            ui.text(self.desk.title, size=28, bold=True)
            ui.same(16)
            ui.text("Choose a case. Nothing here is a real patient.", theme.DIM)
            answer = self._pages(ui)
            answer = self._suggestions(ui) or answer
            chosen = ui.radio("chooser.mode", tuple(m[0] for m in MODES), self.mode)
            if chosen is not None:
                self.mode = chosen
            ui.same(12)
            if ui.button("chooser.begin", "Begin", "", "Enter", 130, on=True, enabled=self.ready):
                answer = "begin"
            ui.same(12)
            ui.text(self._mode_words(), theme.DIM)
            if error:
                ui.words(error, theme.ACCENT)
            self._kinds(ui)
            if self.desk.scenarios:
                self._summary(ui)
            self._cards(ui, width)
        return answer

    def _pages(self, ui: Ui) -> str:
        """Draw the buttons of the pages that lie over the gallery, after the title."""
        answer = ""
        for page, label, tip, key in PAGES:
            if page == "map" and not self.desk.progress.stages:
                continue
            ui.same(8)
            if ui.button(f"chooser.{page}", label, tip, key):
                answer = page
        return answer

    def _mode_words(self) -> str:
        if self.desk.scenarios and self.card.practice_only and self.mode == 2:
            return "This one is for practice only."
        return MODES[self.mode][1]

    def _suggestions(self, ui: Ui) -> str:
        answer, first = "", True
        if self.first_time and self.desk.tutorial:
            if ui.button(
                "chooser.tutorial", "First time here: five minutes with the room", "What is where and how it is moved", on=True
            ):
                answer = TUTORIAL
            first = False
        for i, row in enumerate(self.desk.progress.suggestions):
            if not first:
                ui.same(8)
            first = False
            if ui.button(f"chooser.suggestion.{i}", row.title, row.why):
                answer = str(i)
        if not self.first_time and self.desk.tutorial:
            if not first:
                ui.same(8)
            if ui.button("chooser.tutorial", "Tutorial", "Five minutes with the room"):
                answer = TUTORIAL
        for line in self.desk.progress.lines:
            ui.words(line, theme.DIM)
        return answer

    def _kinds(self, ui: Ui) -> None:
        kinds = self._procedures()
        if len(kinds) < 2:
            return
        names = ("All", *(k.upper() if k in ("mbb", "tfesi") else k.capitalize() for k in kinds))
        chosen = ui.radio("chooser.kind", names, self.kind if self.stage is None else -1)
        if chosen is not None:
            self.kind, self.stage = chosen, None
        if self.stage is not None:
            ui.same(8)
            ui.text(f"Stage: {self.stage.title}", theme.ACCENT)

    def _procedures(self) -> list[str]:
        return list(dict.fromkeys(card.procedure for card in self.desk.scenarios if card.procedure))

    def _summary(self, ui: Ui) -> None:
        card = self.card
        ui.words(card.error or card.summary, theme.ACCENT if card.error else theme.TEXT)
        more = "   ".join(filter(None, (card.stage, f"best: {card.best}" if card.best else "", card.last, card.tip)))
        if more:
            ui.words(more, theme.DIM)

    def _cards(self, ui: Ui, width: float) -> None:
        kinds = self._procedures()
        wanted = kinds[self.kind - 1] if 0 < self.kind <= len(kinds) else ""
        only = self.stage.cases if self.stage is not None else None
        rows = [
            (i, c)
            for i, c in enumerate(self.desk.scenarios)
            if (not wanted or c.procedure == wanted) and (only is None or c.id in only)
        ]
        columns = max(1, int((width - 20) / ui.px(CARD)))
        high = max(ui.px(150), imgui.get_content_region_avail().y)
        imgui.begin_child("##cards", imgui.ImVec2(0, high), imgui.ChildFlags_.nav_flattened)  # Tab and cross go into it
        if imgui.begin_table("##gallery", columns, imgui.TableFlags_.sizing_stretch_same):
            for i, card in rows:
                imgui.table_next_column()
                self._card(ui, i, card)
            imgui.end_table()
        imgui.end_child()

    def _card(self, ui: Ui, index: int, card: ScenarioCard) -> None:
        wide = imgui.get_content_region_avail().x
        title = _fitting(ui, card.title or card.id, wide - ui.px(20))
        if ui.button(f"chooser.{index}", title, card.title, width=(wide - 4) / ui.scale, on=index == self.picked):
            self.picked = index
        if self.desk.thumbnail is not None:
            self._picture(ui, card)
            imgui.same_line()
        imgui.begin_group()
        if card.side or card.level:
            ui.text(" ".join(filter(None, (card.side, card.level))), bold=True)
        imgui.push_text_wrap_pos(0.0)
        for text, colour in _card_lines(card):
            imgui.push_style_color(imgui.Col_.text, theme.vec(colour))
            imgui.text_unformatted(text)
            imgui.pop_style_color()
        imgui.pop_text_wrap_pos()
        imgui.end_group()
        imgui.dummy(imgui.ImVec2(0, ui.px(6)))

    def _picture(self, ui: Ui, card: ScenarioCard) -> None:
        side = imgui.ImVec2(ui.px(PICTURE), ui.px(PICTURE))
        if card.error:
            imgui.dummy(side)
            return
        low = imgui.get_cursor_screen_pos()
        seen = imgui.is_rect_visible(side)
        if card.id not in self._textures and seen and (pixels := self._thumbs.get(card.id)) is not None:
            self._textures[card.id] = GreyTexture()
            self._textures[card.id].upload(pixels)
        if card.id in self._textures:
            imgui.image(imgui.ImTextureRef(self._textures[card.id].name), side)
        else:
            imgui.dummy(side)
            sign = self._thumbs.sign(card.id)
            imgui.get_window_draw_list().add_rect(low, imgui.ImVec2(low.x + side.x, low.y + side.y), theme.packed(theme.LINE))
            at = imgui.ImVec2(low.x + ui.px(6), low.y + ui.px(40))
            imgui.get_window_draw_list().add_text(at, theme.packed(theme.DIM), sign)


def _card_lines(card: ScenarioCard) -> list[tuple[str, theme.Colour]]:
    if card.error:
        return [("cannot be started: " + card.error, theme.ACCENT)]
    tags = ", ".join(dict.fromkeys(f.replace("_", " ") for f in (card.procedure, *card.tags) if f))
    best = f"best {card.best}" if card.best else "not yet passed" if card.last else "not yet tried"
    lines = [(tags, theme.DIM), (best, theme.TEXT), (card.last, theme.DIM)]
    if not card.open:
        lines.append(("better after the stages before it", theme.DIM))
    return [line for line in lines if line[0]]


def _fitting(ui: Ui, text: str, width: float) -> str:
    while len(text) > 4 and ui.text_width(text) > width:
        text = text[:-2].rstrip(" .…") + "…"
    return text


def draw_waiting(ui: Ui, size: tuple[int, int], seconds: float) -> None:
    """Say that the patient is being made ready, and for how long already."""
    wide, high = ui.px(520), ui.px(120)
    with ui.panel("waiting", Rect((size[0] - wide) / 2, (size[1] - high) / 2, wide, high), scroll=False, border=False):
        ui.text("The patient is being brought in", size=22, bold=True)
        ui.text(f"anatomy and X-ray tables are being made: {seconds:.0f} s" + "." * (int(seconds * 2) % 4), theme.DIM)
        at = imgui.get_cursor_screen_pos()
        place = (seconds * 0.4) % 1.0
        draw_list = imgui.get_window_draw_list()
        draw_list.add_rect_filled(at, imgui.ImVec2(at.x + ui.px(480), at.y + 4), theme.packed(theme.LINE))
        draw_list.add_rect_filled(
            imgui.ImVec2(at.x + ui.px(400) * place, at.y),
            imgui.ImVec2(at.x + ui.px(400) * place + ui.px(80), at.y + 4),
            theme.packed(theme.ACCENT),
        )
