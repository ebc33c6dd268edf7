#!/usr/bin/env python3
"""Kill a program that records, seals and exports, at random moments, and look at what it left behind.

    scripts/kill.py [--kills 200] [--seconds 1.0] [--seed 1]

A child process journals toy attempts, seals them, writes the sitting log, a battery, a root, a report, pseudonyms and new
keys, and says through a pipe what is done. It is killed (SIGKILL) after a random time. Then: whatever it had said is
there and verifies; whatever lies under a final name is whole; a journal reads as interrupted and holds every tick that
was told. Exit 1 on any miss. POSIX only (fork).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from commands.common import write_file
from scoring import keys
from scoring.battery import battery_root, read_battery
from scoring.record import seal
from scoring.trust.keyring import Keyring
from scoring.trust.people import NameMap
from scoring.trust.roots import parse_root
from scoring.trust.sitting import SUFFIX, read_sitting
from sim.attempt import Journal, Recorder, header_of, read_journal, read_raw
from sim.errors import ScottieError
from tests import toy_attempt as toy
from tests import toy_battery

END = "<!-- whole -->\n"


def victim(folder: Path, pipe: int, seed: int) -> None:
    """Work until killed; say every finished step as a line: kind, name, what proves it."""

    def said(*words: object) -> None:
        os.write(pipe, (" ".join(map(str, words)) + "\n").encode())

    one, rng, number = toy_battery.battery(folder), random.Random(seed), 0
    said("battery", "battery.json", one.sha256)
    ring, people = Keyring(folder / "keys"), NameMap(folder / "people.json")
    ring.make("toy", toy_battery.CREATED)
    said("key", "-", keys.fingerprint(ring.active()))
    while True:
        number += 1
        log = toy_battery.log_of(folder, one, "p-anna")
        attempt, head = log.open(1 + number % 6, "2026-01-31T12:00:00Z")
        said("log", log.path.name, head)
        _attempt(folder / f"attempt-{number}", one.place(1 + number % 6, attempt, head), rng, said)
        person = people.add(f"fellow {number}")
        said("person", person.id, person.pseudonym)
        write_file(folder / "report.html", f"<p>{number}</p>" + "x" * 200_000 + END)
        if number % 3 == 0:
            said("key", "-", ring.rotate("2026-01-31T12:00:00Z")[1].fingerprint)
            data = battery_root(toy_battery.status(folder, one), toy_battery.CREATED, toy.KEY)
            toy_battery.write_whole(folder / f"root-{number}.json", data)
            said("root", f"root-{number}.json", parse_root(data, "root").root)


def _attempt(folder: Path, place: dict, rng: random.Random, said) -> None:
    session = toy.Session(toy.Study(seed=rng.randrange(1000), mode="assessment"))
    header = header_of(session.study, operator="trainee", started=toy.STARTED, learner="p-anna", battery=place)
    recorder = Recorder(session, Journal(folder / "attempt.journal", header, clock=time.monotonic))
    script = {10 * i: toy.Command("needle.move", (100 * i, 5_000)) for i in range(1, 30)} | {305: toy.Command("finish")}
    while not session.finished:
        if session.state.tick + 1 in script:
            session.queue.append(script[session.state.tick + 1])
        recorder.tick()
        if session.state.tick in script:
            said("tick", folder.name, session.state.tick)
    recorder.close()
    journal = folder / "attempt.journal"
    path = seal(journal, toy.score_of(read_journal(journal)), toy.KEY, folder / "attempt.scottie")
    said("sealed", folder.name, read_raw(path).root)


def strike(folder: Path, delay_s: float, seed: int) -> list[list[str]]:
    """Let a victim work for `delay_s` after its first word, kill it, and return what it had said."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        try:
            victim(folder, write_end, seed)
        finally:
            os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        first = pipe.readline()
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        data = first + pipe.read()
    return [line.split(" ") for line in data.decode().splitlines()]


def misses(folder: Path, said: list[list[str]], counts: Counter[str]) -> list[str]:
    """Return what is lost or wrongly accepted."""
    out = _files(folder, counts)
    ticks: dict[str, int] = {}
    for kind, *rest in said:
        counts[f"told: {kind}"] += 1
        name, proof = " ".join(rest[:-1]), rest[-1]
        if kind == "tick":
            ticks[name] = int(proof)
        elif not _kept(folder, kind, name, proof):
            out.append(f"lost: {kind} {name} {proof}")
    for name, tick in ticks.items():
        path = next((p for p in (folder / name / f"attempt.{kind}" for kind in ("scottie", "journal")) if p.exists()), None)
        if path is None or read_journal(path).last_tick < tick:
            out.append(f"lost: {name} was told up to tick {tick}")
    return out


def _kept(folder: Path, kind: str, name: str, proof: str) -> bool:
    if kind == "battery":
        return read_battery(folder / name).sha256 == proof
    if kind == "log":
        return read_sitting(folder / name).knows(proof)
    if kind == "sealed":
        verdict = toy.toy_verify(folder / name / "attempt.scottie")
        return verdict.ok and verdict.root == proof
    if kind == "person":
        return NameMap(folder / "people.json").find(name).pseudonym == proof
    if kind == "root":
        return parse_root((folder / name).read_bytes(), name).root == proof
    return Keyring(folder / "keys").own_key(proof) is not None


def _files(folder: Path, counts: Counter[str]) -> list[str]:
    """Return what lies under a final name and is not whole."""
    out = []
    for path in folder.rglob("*"):
        try:
            if path.suffix == ".scottie":
                counts[f"record: {toy.toy_verify(path).status}"] += 1
                if not toy.toy_verify(path).ok:
                    out.append(f"half-written: {path.name}")
            elif path.suffix == ".journal":
                status = toy.toy_verify(path).status
                counts[f"journal: {status}"] += 1
                if status not in ("interrupted", "unreadable"):
                    out.append(f"a journal that is {status}")
            elif path.suffix == SUFFIX and path.stat().st_size:
                read_sitting(path)
            elif path.name == "report.html" and not path.read_text().endswith(END):
                out.append("half-written: report.html")
            elif path.name == keys.FILE_NAME:
                Keyring(path.parent).card(toy_battery.CREATED)
        except ScottieError as error:
            out.append(str(error))
    return out


def main() -> int:
    """Read the arguments, strike, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="the longest time that a child may live")
    given = parser.parse_args()
    rng, counts, failures = random.Random(given.seed), Counter[str](), list[str]()
    for number in range(given.kills):
        with tempfile.TemporaryDirectory() as name:
            said = strike(Path(name), rng.random() * given.seconds, number)
            failures += [f"kill {number}: {line}" for line in misses(Path(name), said, counts)]
    for what, count in sorted(counts.items()):
        print(f"{count:7d}  {what}")
    print(f"{given.kills:7d}  kills, {len(failures)} misses")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
