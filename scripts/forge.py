#!/usr/bin/env python3
"""Forge attempts and batteries in every way we know; each forgery must be refused with a reason, no honest record may be.

    scripts/forge.py [ATTEMPT] [--changes 500] [--edits 500] [--honest 1000] [--seed 1] [--verifier module:function]

Changes are random single bytes, truncations and deleted lines. Edits are what a forger with a key of his own would do: a
command, an event, the score or the header is changed, the hash chain is computed anew and the file is signed again.
Then the named attacks on a battery (tests/toy_battery.py). Without ATTEMPT a record of the toy core is forged.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.keys import public_hex
from scoring.record import Verdict, signed_as
from sim.attempt import Chain, canonical
from sim.command import Command
from tests import toy_attempt as toy
from tests import toy_battery

Line = dict[str, Any]
Check = Callable[[Path], Verdict]


def changes(data: bytes, count: int, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield `count` damaged copies: a changed byte, a truncation or a deleted line."""
    lines = data.splitlines(keepends=True)
    for i in range(count):
        if i % 3 == 0:
            at = rng.randrange(len(data))
            yield "byte changed", data[:at] + bytes([data[at] ^ rng.randrange(1, 256)]) + data[at + 1 :]
        elif i % 3 == 1:
            # half of them between two lines, where a cut is hardest to see
            end = rng.randrange(len(data)) if i % 2 else len(b"".join(lines[: rng.randrange(len(lines))]))
            yield "truncated", data[:end]
        else:
            at = rng.randrange(len(lines))
            yield "line deleted", b"".join(lines[:at] + lines[at + 1 :])


def unchained(data: bytes) -> list[Line]:
    """Return the lines of a record without their hashes and without the seal."""
    lines: list[Line] = [json.loads(line) for line in data.splitlines()]
    for line in lines:
        del line["h"]
    return lines


def resigned(lines: list[Line], key: Ed25519PrivateKey) -> bytes:
    """Return lines (the last is the old seal) with a new chain and a new signature."""
    chain = Chain()
    out = b"".join(chain.write(line) for line in lines[:-1])
    seal = {k: v for k, v in lines[-1]["seal"].items() if k != "signature"}
    seal |= {"lines": chain.lines, "root": chain.head.hex(), "public_key": public_hex(key)}
    return out + chain.write({"seal": {**seal, "signature": key.sign(signed_as() + canonical(seal)).hex()}})


def edits(data: bytes, count: int, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield `count` re-signed forgeries of commands, events and the score, and a fifth as many of the header."""
    key = Ed25519PrivateKey.generate()
    forgers = {"command": _forge_command, "event": _forge_event, "score": _forge_score, "header": _forge_header}
    plan = [name for _, name in zip(range(count), _forever("command", "event", "score"), strict=False)]
    for name in plan + ["header"] * (count // 5):
        lines = unchained(data)
        before = canonical(lines)
        forgers[name](lines, rng)
        assert canonical(lines) != before, name
        yield f"{name} edited, re-signed", resigned(lines, key)


def _forever(*names: str) -> Iterator[str]:
    while True:
        yield from names


def _other(value: Any, rng: random.Random) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1000, -1, 1, 1000))
    if isinstance(value, str):
        return value[:-1] if len(value) > 1 and rng.random() < 0.5 else value + "0"
    if isinstance(value, list):
        return value[1:] if value else ["x"]
    if isinstance(value, dict):
        return {**value, "sim/forged.py": "0" * 16}
    return 1


def _forge_command(lines: list[Line], rng: random.Random) -> None:
    places = [i for i, line in enumerate(lines) if "op" in line]
    i = rng.choice(places)
    line = lines[i]
    way = rng.choice(("argument", "remove", "insert", "later"))
    if way == "argument" and line["args"]:
        k = rng.randrange(len(line["args"]))
        line["args"][k] = _other(line["args"][k], rng)
    elif way == "insert":
        lines.insert(i, {"t": max(1, line["t"] - 1), "op": "image.store", "args": []})
    elif way == "later":
        line["t"] += 1
    else:
        del lines[i]


def _forge_event(lines: list[Line], rng: random.Random) -> None:
    i = rng.choice([i for i, line in enumerate(lines) if "kind" in line])
    data = lines[i]["data"]
    way = rng.choice(("field", "field", "remove", "repeat"))
    if way == "field" and data:
        name = rng.choice(sorted(data))
        data[name] = _other(data[name], rng)
    elif way == "repeat":
        lines.insert(i, lines[i])
    else:
        del lines[i]


def _forge_score(lines: list[Line], rng: random.Random) -> None:
    place = next(line for line in lines if "result" in line)["result"]
    while True:
        name = rng.choice(sorted(place))
        if isinstance(place[name], dict) and place[name]:
            place = place[name]
            continue
        place[name] = _other(place[name], rng)
        return


def _forge_header(lines: list[Line], rng: random.Random) -> None:
    header = lines[0]["header"]
    name = rng.choice(sorted(header))
    if name == "mode":
        header[name] = "practice" if header[name] == "assessment" else "assessment"
    elif name == "started":
        header[name] = "2001-01-01T00:00:00Z"
    else:
        header[name] = _other(header[name], rng)


def outcome(path: Path, check: Check) -> tuple[str, str]:
    """Return (status or failure, reason) of one file."""
    try:
        verdict = check(path)
    except BaseException as error:  # a traceback is exactly what is looked for
        return "TRACEBACK", f"{type(error).__name__}: {error}"
    if verdict.ok:
        return "ACCEPTED", verdict.reason
    if not verdict.reason or "\n" in verdict.reason:
        return "NO REASON", repr(verdict.reason)
    return verdict.status, verdict.reason


def attack(
    path: Path, check: Check, number_of_changes: int, number_of_edits: int, seed: int
) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Return how often each (kind of tampering, outcome) came up, and a line for each failure."""
    data, rng = path.read_bytes(), random.Random(seed)
    counts: Counter[tuple[str, str]] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "attempt.scottie"
        for tampers in (changes(data, number_of_changes, rng), edits(data, number_of_edits, rng)):
            for kind, bad in tampers:
                file.write_bytes(bad)
                status, reason = outcome(file, check)
                counts[kind, status] += 1
                if status.isupper():
                    failures.append(f"{kind}: {status}: {reason}")
    return counts, failures


def honest(count: int, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Make `count` random honest records of the toy core; return how they fared and a line for each that was refused."""
    rng, counts, failures = random.Random(seed), Counter[tuple[str, str]](), list[str]()
    with tempfile.TemporaryDirectory() as name:
        for number in range(count):
            folder = Path(name) / str(number)
            path = toy.sealed(folder, script=_script(rng), study=toy.Study(seed=rng.randrange(2**31)), learner=f"p-{number}")
            status, reason = outcome(path, toy.toy_verify)
            counts["honest record", status] += 1
            if status != "ACCEPTED":
                failures.append(f"honest record {number}: {status}: {reason}")
    return counts, failures


def _script(rng: random.Random) -> dict[int, Command]:
    end = rng.randrange(50, 500)
    script = {rng.randrange(1, end): _any_command(rng) for _ in range(rng.randrange(8))}
    return script | {end: Command("finish")}


def _any_command(rng: random.Random) -> Command:
    ways = (
        Command("timeout.call", (rng.randrange(5), rng.randrange(2))),
        Command("needle.move", (rng.randrange(-150_000, 250_000), rng.randrange(50, 20_000))),
        Command("needle.turn", (rng.randrange(-180_000, 180_000),)),
        Command("prep.skin"),
    )
    return rng.choice(ways)


def attacks() -> tuple[Counter[tuple[str, str]], list[str]]:
    """Carry out the named attacks on a battery; return how each was answered and a line for each wrong answer."""
    counts, failures = Counter[tuple[str, str]](), list[str]()
    for attack_ in toy_battery.ATTACKS:
        with tempfile.TemporaryDirectory() as folder:
            answer, wanted = attack_(Path(folder))
        counts[attack_.__name__.replace("_", " "), answer] += 1
        if answer != wanted:
            failures.append(f"{attack_.__name__}: answered '{answer}'; expected '{wanted}'")
    return counts, failures


def main() -> int:
    """Read the arguments, forge, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("attempt", type=Path, nargs="?")
    parser.add_argument("--changes", type=int, default=500)
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--honest", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verifier", default="", help="module:function that takes a path and returns a Verdict")
    given = parser.parse_args()
    module, _, name = (
        given.verifier or ("commands.joints:verdict_of" if given.attempt else "tests.toy_attempt:toy_verify")
    ).partition(":")
    check: Check = getattr(importlib.import_module(module), name)
    with tempfile.TemporaryDirectory() as folder:
        attempt = given.attempt or toy.sealed(Path(folder), learner="p-toy", site="here")
        status, reason = outcome(attempt, check)
        print(f"untouched: {status}: {reason}")
        if status != "ACCEPTED":
            print("the untouched attempt must verify before forging says anything", file=sys.stderr)
            return 2
        parts = [attack(attempt, check, given.changes, given.edits, given.seed), honest(given.honest, given.seed), attacks()]
    counts = sum((part[0] for part in parts), Counter[tuple[str, str]]())
    failures = [line for part in parts for line in part[1]]
    for (kind, status), count in sorted(counts.items()):
        print(f"{count:6d}  {kind:52s}  {status}")
    print(f"{counts.total():6d}  in all, {len(failures)} not answered as they should be")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
