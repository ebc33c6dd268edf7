"""A document as one accessible HTML file: no scripts, nothing fetched, light and dark, printable."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scoring.reports.blocks import Document, Figure, in_rows

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["svg"] = _svg
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
    environment.filters["in_rows"] = in_rows
    return environment


def _svg(figure: Figure) -> Markup:
    return Markup(figure.drawing.svg(figure.name, figure.alt))


def html_text(document: Document) -> str:
    """Return the document as HTML; the same document gives the same text."""
    return _environment().get_template("document.html").render(document=document)
