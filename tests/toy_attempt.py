"""A toy core for the tests of the record: real commands and events, a state that is a few integers.

`python -m tests.toy_attempt JOURNAL` journals an endless attempt at real pace (for the test that kills it).
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.record import Verdict, seal, verify
from sim.attempt import Journal, Recorder, header_of, replay
from sim.command import IDLE, LEVELS, SIDES, Command
from sim.errors import DataError
from sim.event import event

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STARTED = "2026-01-31T12:00:00Z"


@dataclass(frozen=True)
class Study:
    scenario: str = "toy/l4-right"
    scenario_hash: str = "s" * 8
    tools_hash: str = "t" * 8
    rubric_hash: str = "r" * 8
    seed: int = 7
    mode: str = "practice"

    @property
    def hash(self):
        return hashlib.sha256(repr(self).encode()).hexdigest()


@dataclass(frozen=True)
class Procedure:
    finished: bool = False


@dataclass(frozen=True)
class State:
    tick: int = 0
    depth_um: int = 0
    chain: bytes = b""
    procedure: Procedure = Procedure()

    def digest(self, step_um=1):
        return hashlib.sha256(repr((self.tick, self.depth_um // step_um, self.chain)).encode()).hexdigest()


def begin(study):
    return State(chain=study.hash.encode()), (
        event(0, "began", scenario=study.scenario, level="L4", side="right", approach="transforaminal"),
    )


def advance(study, state, command=IDLE):
    if state.procedure.finished:
        return state, ()
    tick, events, chain, depth = state.tick + 1, [], state.chain, state.depth_um
    if command.op != "idle":
        asked, command = command, command.clamped()
        if command is not asked:
            events.append(event(tick, "clamped", op=asked.op, asked=list(asked.args), done=list(command.args)))
        chain = hashlib.sha256(chain + repr((tick, asked)).encode()).digest()
    if command.op == "timeout.call":
        level, side = LEVELS[command.args[0]], SIDES[command.args[1]]
        events.append(event(tick, "timeout_called", level=level, side=side, correct=side == "right"))
    if command.op == "prep.skin":
        events.append(event(tick, "skin_prepped"))
    if command.op == "needle.move":
        depth += command.args[0]
        events.append(event(tick, "popped", membrane="fascia", depth_um=depth))
        if depth > 60_000:
            events.append(event(tick, "patient_said", what="pain", dermatome="L4", grade=depth // 10_000))
    if tick % 700 == 0:
        events.append(event(tick, "vitals", heart_rate_bpm=70 + study.seed % 10, systolic_mmhg=128, spo2_percent=98))
    if command.op == "finish":
        events.append(event(tick, "finished"))
    return replace(state, tick=tick, chain=chain, depth_um=depth, procedure=Procedure(command.op == "finish")), tuple(events)


class Session:
    """As sim.session.Session, over the toy core."""

    def __init__(self, study):
        self.study = study
        self.state, opening = begin(study)
        self.events = list(opening)
        self.queue = deque()

    @property
    def finished(self):
        return self.state.procedure.finished

    def tick(self):
        command = self.queue.popleft() if self.queue else IDLE
        self.state, new = advance(self.study, self.state, command)
        self.events.extend(new)
        return command, new


SCRIPT = {
    5: Command("timeout.call", (3, 1)),
    40: Command("prep.skin"),
    100: Command("needle.move", (30_000, 5_000)),
    230: Command("needle.move", (250_000, 50)),  # clamped
    231: Command("needle.move", (-150_000, 2_000)),
    640: Command("needle.turn", (90_000,)),  # no event: only the digest knows
    777: Command("finish"),
}


def score_of(transcript):
    kinds = [fact.kind for fact in transcript.events]
    return {
        "passed": "patient_said" not in kinds,
        "critical_errors": sorted({"hurt"} & set() if "patient_said" not in kinds else {"hurt"}),
        "checklist": {"timeout": "timeout_called" in kinds, "prep": "skin_prepped" in kinds},
        "efficiency": {"ticks": transcript.last_tick, "commands": len(transcript.commands)},
    }


def record(folder: Path, script=None, study=None, ticks=778, operator="expert", started=STARTED, **about) -> Path:
    """Play `script` (tick -> command) and return the closed journal. `about`: further fields of the header."""
    session = Session(study or Study())
    path = folder / "attempt.journal"
    recorder = Recorder(session, Journal(path, header_of(session.study, operator=operator, started=started, **about)))
    script = SCRIPT if script is None else script
    while session.state.tick < ticks and not session.finished:
        if session.state.tick + 1 in script:
            session.queue.append(script[session.state.tick + 1])
        recorder.tick()
    recorder.close()
    return path


def sealed(folder: Path, key=KEY, **more) -> Path:
    """Play, score and seal."""
    from sim.attempt import read_journal

    journal = record(folder, **more)
    return seal(journal, score_of(read_journal(journal)), key, folder / "attempt.scottie")


def make_study(header):
    if header["scenario"] != "toy/l4-right":
        raise DataError(f"unknown scenario '{header['scenario']}'")
    return Study(seed=header["seed"], mode=header["mode"])


toy_replay = partial(replay, begin=begin, advance=advance)


def toy_verify(path, **more) -> Verdict:
    return verify(path, make_study, score_of, rerun=toy_replay, **more)


if __name__ == "__main__":
    live = Session(Study())
    header = header_of(live.study, operator="expert", started=STARTED)
    recorder = Recorder(live, Journal(sys.argv[1], header, clock=time.monotonic))
    print("ready", flush=True)
    t0 = time.monotonic()
    while True:
        while live.state.tick < (time.monotonic() - t0) * 100:
            if live.state.tick % 37 == 0:
                live.queue.append(Command("needle.move", (10, 1000)))
            recorder.tick()
        time.sleep(0.005)
