"""The menu of words and tools for hands that hold a gamepad or stay on the keyboard: everything an injection needs.

A tree of plain rows, without OpenGL; menupanel draws it in place of the room view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.command import LEVELS, SIDES

if TYPE_CHECKING:
    from sim.window.theatre import Theatre

Rows = tuple["Row", ...]


@dataclass(frozen=True)
class Row:
    """A line of the menu: it opens `rows` or does `act`; `stays`: the menu stays open after it."""

    label: str
    act: Callable[[], object] | None = None
    rows: Callable[[], Rows] | None = None
    stays: bool = False


class Menu:
    """Where a hand is in the menu: `path` of opened rows and the row it stands on."""

    def __init__(self, theatre: Theatre) -> None:
        self._theatre = theatre
        self.open = False
        self.path: list[tuple[str, Rows]] = []
        self.at = 0

    @property
    def rows(self) -> Rows:
        """The rows on show."""
        return self.path[-1][1] if self.path else ()

    @property
    def title(self) -> str:
        """The rows that were opened, as words."""
        return " / ".join(label for label, _ in self.path)

    def toggle(self) -> None:
        """Open it at its root, or close it."""
        self.open = not self.open
        self.path = [("Menu", root(self._theatre))] if self.open else []
        self.at = 0

    def step(self, by: int) -> None:
        """Go up or down, round the ends."""
        if self.rows:
            self.at = (self.at + by) % len(self.rows)

    def back(self) -> None:
        """Go one level up; from the root: close."""
        self.path.pop()
        self.at = 0
        if not self.path:
            self.open = False

    def choose(self, index: int | None = None) -> None:
        """Open or do a row (the one the hand stands on)."""
        if not self.rows:
            return
        self.at = self.at if index is None else index
        row = self.rows[self.at]
        if row.rows is not None:
            self.path.append((row.label, row.rows()))
            self.at = 0
        elif row.act is not None:
            row.act()
            if row.stays:
                self.path.pop()
                self.at = 0
            else:
                self.toggle()


def root(theatre: Theatre) -> Rows:
    """Return the rows of the first level."""
    hands = theatre.hands
    rows = [
        Row("Speak", rows=lambda: _speak(theatre)),
        Row("View", rows=lambda: _views(theatre)),
        Row("Field", rows=lambda: _field(theatre)),
        Row("Needle", rows=lambda: _needle(theatre)),
        Row("Syringe", rows=lambda: _syringe(theatre)),
    ]
    tools = theatre.study.toolbox
    at = theatre.state.needle
    if at.placed and at.needle >= 0 and tools.needles[at.needle].bores and tools.cements:
        rows.append(Row("Cement", rows=lambda: _cement(theatre)))
    from sim.window.decide import menu_rows  # it needs Row

    if more := menu_rows(theatre):
        rows.insert(1, Row("Decide or answer", rows=lambda: more))
    rows.append(Row("Remove the needle", hands.remove))
    rows.append(Row("Finish", rows=lambda: (Row("No, go on"), Row("Yes, finish the procedure", lambda: _finish(theatre)))))
    return tuple(rows)


def _finish(theatre: Theatre) -> None:
    theatre.hands.release_all()
    theatre.hands.send("finish")


def _speak(theatre: Theatre) -> Rows:
    send = theatre.hands.send

    def sides(level: int) -> Rows:
        return tuple(Row(f"{LEVELS[level]} {side}", lambda s=i: send("timeout.call", level, s)) for i, side in enumerate(SIDES))

    return (
        Row("Chart", theatre.show_chart),
        Row("Consent", lambda: send("consent.take")),
        Row("Time-out", rows=lambda: tuple(Row(name, rows=lambda i=i: sides(i)) for i, name in enumerate(LEVELS))),
        Row("Prep skin", lambda: send("prep.skin")),
        Row("Level counted", rows=lambda: tuple(Row(n, lambda i=i: send("level.declare", i)) for i, n in enumerate(LEVELS))),
        Row("Does that hurt?", lambda: send("ask.pain")),
    )


def _views(theatre: Theatre) -> Rows:
    hands = theatre.hands
    names = (("AP", "ap"), ("Oblique left", "oblique_left"), ("Oblique right", "oblique_right"), ("Lateral left", "lateral_left"),
             ("Lateral right", "lateral_right"))  # fmt: skip
    return (
        *(Row(label, lambda n=name: hands.named_view(n)) for label, name in names),
        Row("Centre on the aim", theatre.centre_aim),
    )


def _field(theatre: Theatre) -> Rows:
    hands, sizes = theatre.hands, theatre.study.toolbox.carm.detector_mm

    def opened() -> None:
        hands.collimate(1000, 1000)
        hands.iris(1500)

    return (
        Row("Open", opened),
        *(Row(f"{p} % each way", lambda p=p: hands.collimate(10 * p, 10 * p)) for p in (75, 60, 50, 40, 30)),
        *(Row(f"Magnification {s / 10:.0f} cm", lambda i=i: hands.magnify(i)) for i, s in enumerate(sizes)),
        *(Row(f"{p / 10:g} pulses/s", lambda p=p: hands.pulse_rate(p)) for p in (10, 20, 40, 80, 150)),
    )


def _needle(theatre: Theatre) -> Rows:
    hands = theatre.hands
    take = tuple(Row(n.name, lambda i=i: hands.choose_needle(i)) for i, n in enumerate(theatre.study.toolbox.needles))
    return (
        Row("Take", rows=lambda: take),
        Row("In line with the beam", theatre.place_in_line),
        Row("At the marker", theatre.place_at_marker),
        Row("Stylet out or in", hands.stylet),
        Row("Bend the tip", hands.bend_tip),
        Row("Next introducer", hands.next_introducer),
    )


def _set(hands: object, name: str, unit: str, values: tuple[float, ...]) -> Callable[[], Rows]:
    return lambda: tuple(Row(f"{v:g} {unit}", lambda v=v: setattr(hands, name, v), stays=True) for v in values)


def _syringe(theatre: Theatre) -> Rows:
    hands = theatre.hands
    agents = tuple(Row(a.name, lambda i=i: hands.attach(i)) for i, a in enumerate(theatre.study.toolbox.agents))
    small = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0)
    return (
        Row("Draw up", rows=_set(hands, "draw_ml", "ml", (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 10.0))),
        Row("Attach", rows=lambda: agents),
        Row("Aspirate", hands.aspirate),
        Row("Volume", rows=_set(hands, "volume_ml", "ml", small)),
        Row("Rate", rows=_set(hands, "rate_ml_s", "ml/s", (0.05, 0.1, 0.2, 0.3, 0.5, 1.0))),
        Row("Inject the volume", hands.inject_fixed),
        Row("Stop", hands.stop_injecting),
        Row("Loss of resistance", rows=lambda: (Row("Saline", hands.probe), Row("Air", lambda: hands.probe(air=True)))),
    )


def _cement(theatre: Theatre) -> Rows:
    send = theatre.hands.send
    mix = tuple(Row(c.name, lambda i=i: send("cement.mix", i)) for i, c in enumerate(theatre.study.toolbox.cements))
    given = tuple(Row(f"{v:g} ml", lambda v=v: send("cement.inject", round(1000 * v), 50)) for v in (0.2, 0.5, 1.0))
    return (
        Row("Mix", rows=lambda: mix),
        Row("Attach", lambda: send("cement.attach")),
        Row("Inject", rows=lambda: given),
        Row("Stop", lambda: send("cement.stop")),
    )
