"""Scripted attempts for tests: run one, score it, without files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from scenarios.headless import run_script
from scenarios.operators import find_operator
from scenarios.registry import find_scenario
from scenarios.study import make_study
from scoring.rubric import read_rubric
from scoring.score import Score, score
from sim.command import Command
from sim.event import Event
from sim.session import Session
from sim.state import State


@dataclass(frozen=True)
class Outcome:
    """What an attempt left behind."""

    commands: tuple[tuple[int, Command], ...]
    events: tuple[Event, ...]
    digests: tuple[str, ...]
    state: State
    score: Score


@lru_cache(maxsize=8)
def study_of(scenario: str, seed: int):
    return make_study(find_scenario(scenario), seed)


def run_attempt(scenario: str, operator: str, seed: int) -> Outcome:
    """Run an operator on a scenario; digests are taken each second, as the journal does."""
    found = find_scenario(scenario)
    study = study_of(scenario, seed)
    session = Session(study)
    commands: list[tuple[int, Command]] = []
    digests: list[str] = []

    def tick(command: Command):
        if command.op != "idle":
            session.send(command)
            commands.append((session.state.tick + 1, command))
        _, new = session.tick()
        if session.state.tick % 100 == 0:
            digests.append(session.state.digest())
        return session.state, new

    state = run_script(study, found, find_operator(found, operator), tick, session.state)
    result = score(session.events, commands, read_rubric(found.rubric_path))
    return Outcome(tuple(commands), tuple(session.events), tuple(digests), state, result)
