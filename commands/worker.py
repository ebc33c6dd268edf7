"""The process that replays: reads questions as JSON lines, answers verdicts. Started by commands.verifying, never by hand.

It runs isolated (`python -I`): no PYTHON* variable, no file of the current folder and no start-up script of the user
reaches it. The first line is the configuration, every other one a question {"path": ..., "progress": bool}: a verdict is
the answer. With "trace": true it remembers the replay, and a second question {"path": ..., "film": OUT} about the same record
makes its film without replaying again (commands.film); its answer is {"film": ...} or {"refused": why}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commands.film import Trace
    from scenarios.registry import Scenario
    from scoring.record import Trust, Verdict
    from sim.attempt import Replay, Transcript
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


@dataclass
class Filmer:
    """Verifies with an eye on the replay: keeps what it saw of the last record, for its film."""

    path: str = ""
    trace: Trace | None = None
    verdict: Verdict | None = None

    def check(self, path: str, trust: Trust | None) -> Verdict:
        """Return the full verdict on one file, as `check` does, and remember its replay."""
        from commands.film import traced
        from scoring.record import verify

        self.path, self.trace, self.verdict = path, None, None

        def rerun(study: Study, transcript: Transcript, progress: Callable[[int, int], None] | None = None) -> Replay:
            outcome, trace = traced(study, transcript, progress)
            self.trace = trace if outcome.matches else None
            return outcome

        self.verdict = verify(Path(path), _rebuild, _score, trust, None, rerun)
        return self.verdict

    def film(self, path: str, out: str, trust: Trust | None) -> dict[str, Any]:
        """Make the film of a record that replays; say why not for another one."""
        from commands.film import film_of, summary, write_film
        from sim.errors import ScottieError

        if path != self.path:
            self.check(path, trust)
        transcript = self.verdict.transcript if self.verdict else None
        if self.trace is None or transcript is None or (self.verdict and self.verdict.status not in ("verified", "interrupted")):
            return {"refused": f"it does not replay here: {self.verdict.reason if self.verdict else 'no verdict'}"}
        try:
            parts = film_of(self.trace, transcript)
            return {"film": summary(parts, write_film(parts, Path(out)))}
        except ScottieError as error:
            return {"refused": str(error)}


def serve(source: Any, out: Any) -> None:
    """Answer questions until the source ends."""
    from scoring.trust.trustlist import TrustList

    config = json.loads(source.readline() or "{}")
    trust = TrustList.from_dict(config["trust"]) if config.get("trust") else None
    filmer = Filmer()

    def say(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    for line in source:
        question = json.loads(line)
        if question.get("film"):
            say(filmer.film(question["path"], question["film"], trust))
            continue
        if question.get("trace"):
            say(filmer.check(question["path"], trust).as_message())
            continue
        tell = (lambda done, of: say({"progress": [done, of]})) if question.get("progress") else None
        say(check(question["path"], trust, tell).as_message())


def main() -> None:
    """Serve on standard input and output; anything else that prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    serve(sys.stdin, out)
