"""Segments of the cord: their order from the head down and where each is felt (data: dermatomes.toml)."""

from __future__ import annotations

from sim.tools import Toolbox

HIGH_FROM = "T4"
"""A block that reaches here or higher is a high spread: it takes the breath."""


def area(box: Toolbox, level: str) -> str:
    """Return where a level is felt ("over the shin to the inner ankle"), "" for a level without a row."""
    return next((words for name, words in box.dermatomes if name == level), "")


def higher(box: Toolbox, level: str, segments: int) -> str:
    """Return the segment so many above `level`, the highest known at most; "" for a level without a row."""
    names = [name for name, _ in box.dermatomes]
    return names[max(0, names.index(level) - segments)] if level in names else ""


def at_or_above(box: Toolbox, level: str, limit: str) -> bool:
    """Return True when `level` lies at `limit` or nearer to the head (False when either is unknown)."""
    names = [name for name, _ in box.dermatomes]
    return level in names and limit in names and names.index(level) <= names.index(limit)
