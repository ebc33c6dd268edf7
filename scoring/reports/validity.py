"""The statement of validity evidence, by Messick's five sources, and its limits: data/validity.toml, for people to change."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from scoring.reports.blocks import Section, Table, Text

FILE = Path(__file__).parent / "validity.toml"


@cache
def _statement() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text())


def sections() -> list[Section]:
    """Return the statement as a section."""
    statement = _statement()
    rows = tuple((s["title"], s["have"], s["lack"]) for s in statement["source"])
    table = Table(statement["caption"], ("Source", "What there is", "What is lacking"), rows, (16, 44, 40))
    return [
        Section("validity", "Validity evidence and its limits", [Text(statement["lead"], "lead"), Text(statement["text"]), table])
    ]
