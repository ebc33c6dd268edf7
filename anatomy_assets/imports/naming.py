"""From label numbers and file names to the names of structures (tables: naming.toml)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SYSTEMS = ("total_v2", "total_v1", "verse")
VERTEBRAE = (*(f"T{i}" for i in range(1, 14)), *(f"L{i}" for i in range(1, 7)))
ORGANS = ("liver", "spleen", "kidney_left", "kidney_right", "aorta", "inferior_vena_cava")
_SIDE = {"left": "left", "l": "left", "right": "right", "r": "right"}
_SKIP = {"vertebra", "vertebrae", "vert", "bone", "mean", "mesh", "segment", "seg", "label", "body", "os", "local", "msk", "mask"}
_ILIUM = {"hip", "ilium", "iliac", "pelvis", "innominate", "coxae", "hipbone"}


@cache
def numbers(system: str) -> Mapping[str, tuple[int, ...]]:
    """Return structure name -> label numbers of one numbering."""
    tables = tomllib.loads((Path(__file__).parent / "naming.toml").read_text(encoding="utf-8"))
    return {name: tuple(value) for name, value in tables[system].items() if isinstance(value, list)}


@cache
def title(system: str) -> str:
    """Return what a numbering is called for people."""
    tables = tomllib.loads((Path(__file__).parent / "naming.toml").read_text(encoding="utf-8"))
    return str(tables[system]["title"])


def structure(text: str) -> str | None:
    """Return the structure that a file or label name speaks of ("vertebrae_L4.nii.gz" -> "L4"); None if unknown.

    Case and separators do not matter. A name that says several levels is unknown.
    """
    stem = re.sub(r"\.(nii\.gz|nii|stl|ply|obj)$", "", text.strip(), flags=re.IGNORECASE)
    words = [w for w in re.split(r"[\s_\-.,]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", stem).lower()) if w]
    words = [w for w in words if w not in _SKIP]
    levels = {w.upper() for w in words if re.fullmatch(r"[tl]1?[0-9]", w)}
    sides = {_SIDE[w] for w in words if w in _SIDE}
    side = next(iter(sides)) if len(sides) == 1 else ""
    if len(levels) == 1 and (level := next(iter(levels))) in VERTEBRAE:
        return level
    if levels or len(sides) > 1:
        return None
    if {"sacrum", "s1", "sacral", "s"} & set(words) and not side:
        return "S"
    if "coccyx" in words:
        return "coccyx"
    if _ILIUM & set(words):
        return f"ilium_{side}" if side else None
    if "femur" in words:
        return f"femur_{side}" if side else None
    if "rib" in words or any(re.fullmatch(r"rib\d+", w) for w in words):
        number = next((re.sub(r"\D", "", w) for w in words if re.search(r"\d", w)), "")
        return f"rib{int(number)}_{side}" if number and side else None
    joined = "_".join(words)
    return joined if joined in ORGANS else None


def is_vertebra(name: str) -> bool:
    """Return whether a structure is a single thoracic or lumbar vertebra."""
    return name in VERTEBRAE


def rank(name: str) -> int:
    """Return the place of a vertebra or the sacrum from the head downwards."""
    return len(VERTEBRAE) if name == "S" else VERTEBRAE.index(name)
