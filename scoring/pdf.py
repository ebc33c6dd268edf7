"""Blocks of a debrief as PDF (reportlab, standard fonts, no file touched)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Image as Picture
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer
from reportlab.platypus import Table as Grid

from scoring.debrief import Block, Figure, Items, Photo, Section, Table, Text
from scoring.drawing import ACCENT, BAD, GOOD, GRID, INK, MUTED, latin

MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN - 12  # a frame pads 6 points on each side


def _style(name: str, size: float, **changes: Any) -> Any:
    base = {"fontName": "Helvetica", "fontSize": size, "leading": size * 1.3, "textColor": HexColor(INK), "alignment": TA_LEFT}
    return ParagraphStyle(name, **{**base, **changes})


BODY = _style("body", 9.5, spaceAfter=4)
CELL = _style("cell", 8)
STYLES = {
    "title": _style("title", 17, fontName="Helvetica-Bold", spaceAfter=2),
    "subtitle": _style("subtitle", 9.5, textColor=HexColor(MUTED), spaceAfter=6),
    "heading": _style("heading", 12.5, fontName="Helvetica-Bold", textColor=HexColor(ACCENT), spaceBefore=10, spaceAfter=4),
    "lead": _style("lead", 12, fontName="Helvetica-Bold", spaceAfter=5),
    "good": _style("good", 9.5, textColor=HexColor(GOOD), spaceAfter=4),
    "bad": _style("bad", 9.5, textColor=HexColor(BAD), spaceAfter=4),
    "": BODY,
    "caption": _style("caption", 8.5, textColor=HexColor(MUTED), spaceAfter=5),
    "head": _style("head", 8, fontName="Helvetica-Bold"),
}


def pdf_bytes(title: str, subtitle: str, parts: Sequence[Section]) -> bytes:
    """Return the sections as a PDF; the same sections give the same bytes."""
    out = io.BytesIO()
    page = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=latin(title),
        author="Scottie",
        lang="en",
        invariant=1,
    )
    flow: list[Any] = [_text(title, STYLES["title"]), _text(subtitle, STYLES["subtitle"])]
    for part in parts:
        head = _text(part.title, STYLES["heading"])
        blocks = [flowable for row in _rows(part.blocks) for flowable in (_flow(row[0]) if len(row) == 1 else [_beside(row)])]
        flow.append(KeepTogether([head, *blocks[:1]]))
        flow += blocks[1:]
    page.build(flow, onFirstPage=_footer, onLaterPages=_footer)
    return out.getvalue()


def _footer(canvas: Any, page: Any) -> None:
    canvas.setFont("Helvetica", 8)
    canvas.setFillColor(HexColor(MUTED))
    canvas.drawRightString(A4[0] - MARGIN, 10 * mm, f"page {canvas.getPageNumber()}")
    canvas.drawString(MARGIN, 10 * mm, "Scottie: simulated patient, training record")


def _text(text: str, style: Any, bold: str = "") -> Any:
    strong = f"<b>{escape(latin(bold))}</b> " if bold else ""
    return Paragraph(strong + escape(latin(text)), style)


def _flow(block: Block) -> list[Any]:
    if isinstance(block, Text):
        return [_text(block.text, STYLES[block.tone])]
    if isinstance(block, Items):
        return [_item(number, *row, block) for number, row in enumerate(block.rows, 1)]
    if isinstance(block, Table):
        return [_text(block.caption, STYLES["caption"]), *([_grid(block)] if block.rows else []), Spacer(1, 4)]
    return [KeepTogether(_drawn(block, WIDTH))]


def _rows(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return the blocks in rows: pictures and small figures stand two by two, everything else alone."""
    rows: list[list[Block]] = []
    for block in blocks:
        small = isinstance(block, Photo) or (isinstance(block, Figure) and block.drawing.width < WIDTH)
        if small and rows and len(rows[-1]) == 1 and type(rows[-1][0]) is type(block):
            rows[-1].append(block)
        else:
            rows.append([block])
    return rows


def _beside(row: Sequence[Block]) -> Any:
    half = WIDTH / 2
    cells = [_drawn(block, half - 10) for block in row if isinstance(block, Figure | Photo)]
    grid = Grid([cells], colWidths=[half, half])
    grid.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
    return grid


def _drawn(block: Figure | Photo, width: float) -> list[Any]:
    """Return a figure or a picture at most `width` wide, with its caption."""
    caption = _text(block.caption, STYLES["caption"])
    if isinstance(block, Figure):
        return [block.drawing.reportlab(min(1.0, width / block.drawing.width)), caption]
    picture = Picture(io.BytesIO(block.png), hAlign="LEFT")
    scale = min(width, WIDTH / 2) / max(picture.imageWidth, picture.imageHeight)
    picture.drawWidth, picture.drawHeight = picture.imageWidth * scale, picture.imageHeight * scale
    return [picture, caption]


def _item(number: int, title: str, text: str, block: Items) -> Any:
    mark = f"{number}." if block.ordered else "-"
    style = ParagraphStyle("item", parent=STYLES[block.tone], leftIndent=12, firstLineIndent=-12)
    if not title:
        return _text(f"{mark} {text}", style)
    return _text(text, style, f"{mark} {title}.")


def _grid(block: Table) -> Any:
    cells = [[_text(name, STYLES["head"]) for name in block.header]]
    for number, row in enumerate(block.rows):
        style = ParagraphStyle("cell-bad", parent=CELL, textColor=HexColor(BAD)) if number in block.bad else CELL
        cells.append([_text(_breakable(value), style) for value in row])
    share = WIDTH / sum(block.widths)
    grid = Grid(cells, colWidths=[share * width for width in block.widths], repeatRows=1)
    grid.setStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -1), 0.5, HexColor(GRID)),
            ("LINEBELOW", (0, 0), (-1, 0), 1, HexColor(INK)),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 2),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ]
    )
    return grid


def _breakable(text: str) -> str:
    """Return a text whose long words (hashes) may break across lines."""
    return " ".join(" ".join(word[i : i + 32] for i in range(0, len(word), 32)) for word in text.split(" "))
