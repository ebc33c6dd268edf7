"""Reading the morphometry files: every row has value, unit, source and status; nothing else is data.

A row is `[group.name]` with `value` (number or list), or `per_level` (a table of level -> number). Status is
one of verified, recalled, computed, measured, placeholder. Layout values are placeholders by law 8.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from sim.errors import DataError

FOLDER = Path(__file__).parent / "morphometry"
STATUS = ("verified", "recalled", "computed", "measured", "placeholder")


@cache
def table(name: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the groups of `morphometry/<name>.toml`, checked: unit, source and a known status in each row."""
    path = FOLDER / f"{name}.toml"
    try:
        groups: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path.name}: cannot be read ({error})") from error
    for group, rows in groups.items():
        for key, row in rows.items():
            _check(path.name, f"{group}.{key}", row)
    return groups


def _check(file: str, key: str, row: Any) -> None:
    if not isinstance(row, dict) or not ("value" in row or "per_level" in row):
        raise DataError(f"{file}: {key}: expected a row with 'value' or 'per_level'")
    for word in ("unit", "source", "status"):
        if not isinstance(row.get(word), str):
            raise DataError(f"{file}: {key}: '{word}' is missing (expected text)")
    if row["status"] not in STATUS:
        raise DataError(f"{file}: {key}: status '{row['status']}' (expected one of {', '.join(STATUS)})")


def number(name: str, key: str, level: str = "") -> float:
    """Return one number: `number("neurovascular", "ganglion.width_mm", "L4")`."""
    group, row = key.split(".")
    found = table(name)[group][row]
    return float(found["per_level"][level] if "per_level" in found else found["value"])
