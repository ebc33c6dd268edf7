"""The process that replays: reads questions as JSON lines, answers verdicts. Started by commands.verifying, never by hand.

It runs isolated (`python -I`): no PYTHON* variable, no file of the current folder and no start-up script of the user
reaches it. The first line is the configuration, every other one a question {"path": ..., "progress": bool}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios.registry import Scenario
    from scoring.record import Trust, Verdict
    from sim.attempt import Transcript
    from sim.state import Study

STUDIES = 3
"""Patients kept in memory; files come grouped by patient."""


@lru_cache(maxsize=256)
def _scenario(name: str) -> Scenario:
    from scenarios.registry import find_scenario

    return find_scenario(name)


@lru_cache(maxsize=STUDIES)
def _study(scenario: str, seed: int, mode: str) -> Study:
    from scenarios.study import make_study

    return make_study(_scenario(scenario), seed, mode)


@lru_cache(maxsize=256)
def _rubric(scenario: str) -> Any:
    from scoring.rubric import read_rubric

    return read_rubric(_scenario(scenario).rubric_path)


def _score(transcript: Transcript) -> dict[str, Any]:
    from scoring.score import score

    return score(transcript.events, transcript.commands, _rubric(transcript.header["scenario"])).record()


def _rebuild(header: dict[str, Any]) -> Study:
    name = str(header["scenario"])
    if name.endswith(".toml"):  # a record never names a file to be read
        from sim.errors import DataError

        raise DataError(f"'{name}' is no scenario id")
    return _study(name, header["seed"], header["mode"])


def check(path: str, trust: Trust | None, progress: Callable[[int, int], None] | None = None) -> Verdict:
    """Return the full verdict on one file, in this process."""
    from scoring.record import verify

    return verify(Path(path), _rebuild, _score, trust, progress)


def serve(source: Any, out: Any) -> None:
    """Answer questions until the source ends."""
    from scoring.trust.trustlist import TrustList

    config = json.loads(source.readline() or "{}")
    trust = TrustList.from_dict(config["trust"]) if config.get("trust") else None

    def say(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    for line in source:
        question = json.loads(line)
        tell = (lambda done, of: say({"progress": [done, of]})) if question.get("progress") else None
        say(check(question["path"], trust, tell).as_message())


def main() -> None:
    """Serve on standard input and output; anything else that prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    serve(sys.stdin, out)
