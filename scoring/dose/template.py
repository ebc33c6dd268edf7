"""The rows of TID 10001 as data (tid_10001.toml): the writer takes codes and units from here, the checker the rules."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "tid_10001.toml"


@dataclass(frozen=True)
class TemplateRow:
    """One row. vm is (least, most), most None for n; values: codes that a CODE row may have, () for any."""

    id: str
    parent: str
    relationship: str
    value_type: str
    concept: tuple[str, str, str]  # code, scheme, meaning
    vm: tuple[int, int | None]
    when: str
    units: str
    values: tuple[str, ...]
    source: str
    status: str


@cache
def template() -> dict[str, TemplateRow]:
    """Return the rows by id, in the order of the file (parents come first)."""
    rows = {}
    for raw in tomllib.loads(FILE.read_text())["row"]:
        least, _, most = raw["vm"].partition("-")
        rows[raw["id"]] = TemplateRow(
            id=raw["id"],
            parent=raw.get("parent", ""),
            relationship=raw.get("relationship", ""),
            value_type=raw["value_type"],
            concept=(raw["concept"][0], raw["concept"][1], raw["concept"][2]),
            vm=(int(least), None if most == "n" else int(most or least)),
            when=raw["when"],
            units=raw.get("units", ""),
            values=tuple(raw.get("values", ())),
            source=raw["source"],
            status=raw["status"],
        )
    return rows
