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
    """Return one number: `number("neurovascular", "ganglion.width_mm", "L4")`.

    A row per level may give one value for a whole region under "T", "L" or "S".
    """
    group, row = key.split(".")
    found = table(name)[group][row]
    if "per_level" not in found:
        return float(found["value"])
    values = found["per_level"]
    if level not in values and level[:1] not in values:
        raise DataError(f"{name}.toml: {key}: no value for level '{level}' (has {', '.join(values)})")
    return float(values[level] if level in values else values[level[:1]])


def spread(name: str, key: str, level: str = "") -> float:
    """Return the standard deviation of a row (`sd` or `sd_per_level`); 0 where none is given."""
    group, row = key.split(".")
    found = table(name)[group][row]
    if "sd_per_level" in found:
        values = found["sd_per_level"]
        return float(values.get(level, values.get(level[:1], 0.0)))
    return float(found.get("sd", 0.0))
