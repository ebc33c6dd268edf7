"""A document as PDF/UA-1: typeset by Typst (tagged, fonts embedded, bookmarks) from templates/document.typ.

All content travels as JSON and is set as plain text, so nothing in a record can become markup.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import typst

from scoring.reports.blocks import Block, Document, Figure, Photo, in_rows

TEMPLATE = Path(__file__).parent / "templates" / "document.typ"


def pdf_bytes(document: Document) -> bytes:
    """Return the document as PDF; the same document gives the same bytes."""
    made: Any = typst.compile(
        TEMPLATE.read_bytes(),
        sys_inputs={"document": json.dumps(_shown(_plain(document)))},
        pdf_standards=["ua-1"],
        ignore_system_fonts=True,
    )
    return bytes(made)


_SHOWN = re.compile("[^\n\x20-\x7e\xa0-\u024f\u0370-\u045f\u2010-\u2027\u2030-\u2040\u2044-\u205e\u20a0-\u20bf\u2190-\u22ff]")


def _shown(value: Any) -> Any:
    """Return the content with a question mark for every character that the embedded font does not have.

    Controls and directions of writing go the same way. A PDF/UA may not hold a character without a glyph.
    """
    if isinstance(value, str):
        return _SHOWN.sub("?", value)
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    if isinstance(value, list | tuple) and not (value and isinstance(value[0], int)):
        return [_shown(each) for each in value]
    return value


def _plain(document: Document) -> dict[str, Any]:
    sections = [
        {"title": s.title, "level": s.level, "rows": [[_block(b) for b in row] for row in in_rows(s.blocks)]}
        for s in document.sections
    ]
    return {**vars(document), "sections": sections}


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Figure):
        svg = block.drawing.svg(block.name, block.alt)
        return {"kind": "figure", "svg": svg, "width": block.drawing.width, "caption": block.caption, "alt": block.alt}
    if isinstance(block, Photo):
        return {**vars(block), "png": list(block.png)}
    return dict(vars(block))
