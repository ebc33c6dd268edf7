"""What a document is made of: plain blocks that hold content and no form. html and pdf give them one.

A new kind of block needs a case in templates/document.html and in templates/document.typ, nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from scoring.drawing import Drawing


@dataclass(frozen=True)
class Text:
    """A paragraph. tone: "", "good", "bad" or "lead"."""

    text: str
    tone: str = ""
    kind: str = "text"


@dataclass(frozen=True)
class Items:
    """A list of (title, text) lines."""

    rows: tuple[tuple[str, str], ...]
    tone: str = ""
    ordered: bool = False
    kind: str = "items"


@dataclass(frozen=True)
class Table:
    """A table. bad: numbers of the rows that ask for attention (they also say so in words)."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]  # shares of the page width
    bad: tuple[int, ...] = ()
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption; alt says in words what it shows."""

    name: str
    drawing: Drawing
    caption: str
    alt: str
    kind: str = "figure"


@dataclass(frozen=True)
class Photo:
    """A picture (PNG)."""

    png: bytes
    caption: str
    alt: str
    kind: str = "photo"


@dataclass(frozen=True)
class Form:
    """Lines to be filled in by hand: labels with a rule after each."""

    lines: tuple[str, ...]
    kind: str = "form"


Block = Text | Items | Table | Figure | Photo | Form


@dataclass(frozen=True)
class Section:
    """A heading with its blocks. level 2 stands under the title, level 3 under the section before it."""

    id: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    level: int = 2


@dataclass(frozen=True)
class Document:
    """A whole document. contents: whether it begins with a table of contents."""

    title: str
    subtitle: str
    sections: list[Section]
    contents: bool = False
    footer: str = "Scottie, simulated patient. Training record, not medical advice."


SMALL = 440.0
"""A drawing up to this width (points) may stand beside another."""


def in_rows(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return the blocks in rows: pictures and small drawings stand two by two, everything else alone."""
    rows: list[list[Block]] = []
    for block in blocks:
        small = isinstance(block, Photo) or (isinstance(block, Figure) and block.drawing.width <= SMALL)
        if small and rows and len(rows[-1]) == 1 and type(rows[-1][0]) is type(block) and _small(rows[-1][0]):
            rows[-1].append(block)
        else:
            rows.append([block])
    return rows


def _small(block: Block) -> bool:
    return isinstance(block, Photo) or (isinstance(block, Figure) and block.drawing.width <= SMALL)
