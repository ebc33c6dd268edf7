"""The first line of a record: what was played, by whom, when, and under which software."""

from __future__ import annotations

import platform
import re
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sim import ENGINE_VERSION
from sim.attempt.lines import FORMAT, HEADER, MAX_INT, VERSION

if TYPE_CHECKING:
    from sim.state import Study

MODES = ("practice", "assessment")
_SCENARIO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
_STARTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_MAX_TEXT = 200


def software() -> dict[str, str]:
    """Return the versions and the machine that an attempt is recorded under."""
    return {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def header_of(study: Study, *, operator: str, started: str) -> dict[str, Any]:
    """Return the header of an attempt at `study`. `started` is UTC, as in 2026-01-31T12:00:00Z."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "scenario": study.scenario,
        "scenario_hash": study.scenario_hash,
        "rubric_hash": study.rubric_hash,
        "tools_hash": study.tools_hash,
        "study_hash": study.hash,
        "seed": study.seed,
        "mode": study.mode,
        "operator": operator,
        "engine": ENGINE_VERSION,
        "started": started,
        **software(),
    }


def check_header(header: dict[str, Any]) -> None:
    """Raise ValueError, saying which field has which value and what was expected."""
    for name, kind in HEADER.items():
        value = header.get(name)
        if kind is str and not (type(value) is str and 0 < len(value) <= _MAX_TEXT and value.isprintable()):
            raise ValueError(f"{name} is {_shown(value)}; expected 1 to {_MAX_TEXT} printable characters")
    seed = header.get("seed")
    if type(seed) is not int or not 0 <= seed <= MAX_INT:
        raise ValueError(f"seed is {_shown(seed)}; expected a whole number from 0 to {MAX_INT}")
    if header["mode"] not in MODES:
        raise ValueError(f"mode is {_shown(header['mode'])}; expected {' or '.join(MODES)}")
    if not _SCENARIO.fullmatch(header["scenario"]):
        raise ValueError(f"scenario is {_shown(header['scenario'])}; expected letters, digits and . _ - /")
    _check_time(header["started"])


def _check_time(text: str) -> None:
    try:
        if not _STARTED.fullmatch(text):
            raise ValueError
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise ValueError(f"started is {_shown(text)}; expected a UTC time as 2026-01-31T12:00:00Z") from None


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
