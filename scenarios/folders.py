"""Further places to look in, kept in the environment so that worker processes inherit them."""

from __future__ import annotations

import os
from pathlib import Path


def remembered(variable: str) -> list[Path]:
    """Return the places of an environment variable."""
    return [Path(p) for p in os.environ.get(variable, "").split(os.pathsep) if p]


def remember(variable: str, place: Path) -> None:
    """Add a place to an environment variable, once."""
    known, new = [str(p) for p in remembered(variable)], str(place.resolve())
    if new not in known:
        os.environ[variable] = os.pathsep.join([*known, new])
