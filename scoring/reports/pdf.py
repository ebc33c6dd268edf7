"""A document as PDF/UA-1: typeset by Typst (tagged, fonts embedded, bookmarks) from templates/document.typ.

All content travels as JSON and is set as plain text, so nothing in a record can become markup.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typst

from scoring.reports.blocks import Block, Document, Figure, Photo, in_rows

TEMPLATE = Path(__file__).parent / "templates" / "document.typ"


def pdf_bytes(document: Document) -> bytes:
    """Return the document as PDF; the same document gives the same bytes."""
    made: Any = typst.compile(
        TEMPLATE.read_bytes(),
        sys_inputs={"document": json.dumps(_plain(document))},
        pdf_standards=["ua-1"],
        ignore_system_fonts=True,
    )
    return bytes(made)


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
