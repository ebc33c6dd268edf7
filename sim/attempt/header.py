"""The first line of a record: what was played, by whom, when, and under which software."""

from __future__ import annotations

import platform
import re
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sim import ENGINE_VERSION
from sim.attempt.lines import BATTERY, FORMAT, HEADERS, MAX_INT, VERSION, is_hex
from sim.attempt.source import source_digests

if TYPE_CHECKING:
    from sim.state import Study

MODES = ("practice", "assessment")
_SCENARIO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
_STARTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_MAX_TEXT = 200
_MAX_FILES = 2000
_FILE = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
MAY_BE_EMPTY = ("learner", "site", "handedness", "input_device")
HANDS = ("left", "right", "")


def software() -> dict[str, str]:
    """Return the versions and the machine that an attempt is recorded under."""
    return {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def header_of(
    study: Study,
    *,
    operator: str,
    started: str,
    learner: str = "",
    site: str = "",
    handedness: str = "",
    input_device: str = "",
    battery: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the header of an attempt at `study`. `started` is UTC, as in 2026-01-31T12:00:00Z.

    `learner` is a pseudonym, never a name; `battery` is the attempt's place in a sealed battery (lines.BATTERY).
    """
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
        "learner": learner,
        "site": site,
        "handedness": handedness,
        "input_device": input_device,
        "battery": dict(battery or {}),
        "source": dict(source_digests()),
        **software(),
    }


def check_header(header: dict[str, Any]) -> None:
    """Raise ValueError, saying which field has which value and what was expected."""
    version = header.get("version")
    if type(version) is not int or version not in HEADERS:
        raise ValueError(f"version is {_shown(version)}; expected {' or '.join(map(str, HEADERS))}")
    for name, kind in HEADERS[version].items():
        value, least = header.get(name), 0 if name in MAY_BE_EMPTY else 1
        if kind is str and not (type(value) is str and least <= len(value) <= _MAX_TEXT and value.isprintable()):
            raise ValueError(f"{name} is {_shown(value)}; expected {least} to {_MAX_TEXT} printable characters")
    seed = header.get("seed")
    if type(seed) is not int or not 0 <= seed <= MAX_INT:
        raise ValueError(f"seed is {_shown(seed)}; expected a whole number from 0 to {MAX_INT}")
    if header["mode"] not in MODES:
        raise ValueError(f"mode is {_shown(header['mode'])}; expected {' or '.join(MODES)}")
    if not _SCENARIO.fullmatch(header["scenario"]):
        raise ValueError(f"scenario is {_shown(header['scenario'])}; expected letters, digits and . _ - /")
    _check_time(header["started"])
    if version >= 2:
        _check_circumstances(header)


def _check_circumstances(header: dict[str, Any]) -> None:
    if header["handedness"] not in HANDS:
        raise ValueError(f"handedness is {_shown(header['handedness'])}; expected left, right or nothing")
    source, battery = header.get("source"), header.get("battery")
    if type(source) is not dict or len(source) > _MAX_FILES:
        raise ValueError(f"source is {_shown(source)}; expected the files of the engine, at most {_MAX_FILES}")
    for name, digest in source.items():
        if not (_FILE.fullmatch(name) and is_hex(digest, 8)):
            raise ValueError(f"source holds {_shown({name: digest})}; expected a file and 16 hexadecimal digits")
    if type(battery) is not dict:
        raise ValueError(f"battery is {_shown(battery)}; expected an object")
    if battery:
        check_battery(battery)


def check_battery(battery: dict[str, Any]) -> None:
    """Raise ValueError unless this names a place in a battery."""
    if battery.keys() != BATTERY.keys() or any(type(battery[name]) is not kind for name, kind in BATTERY.items()):
        raise ValueError(f"battery is {_shown(battery)}; expected {', '.join(BATTERY)}")
    if not (0 < len(battery["id"]) <= _MAX_TEXT and battery["id"].isprintable()):
        raise ValueError(f"battery id is {_shown(battery['id'])}; expected 1 to {_MAX_TEXT} printable characters")
    if not (battery["item"] >= 1 <= battery["attempt"]) or not (is_hex(battery["sha256"], 32) and is_hex(battery["log"], 32)):
        raise ValueError(f"battery is {_shown(battery)}; expected item and attempt from 1, sha256 and log as hashes")


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
