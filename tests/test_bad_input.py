"""What a careless or hostile person hands to the commands that read records: a verdict or one clear line, in bounded memory.

`verify` has its own file (test_verifying.py); here stand the commands above it and the documents around the records.
"""

from __future__ import annotations

import json
import os
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import main
from commands import battery, seat, verifying
from scenarios import registry
from scoring.battery import read_battery
from scoring.exchange.badge import verify as verify_badge
from scoring.exchange.decision import read_decision
from scoring.keys import load_or_create
from scoring.standard import load_standard
from scoring.trust.people import NameMap
from scoring.trust.sitting import read_sitting
from scoring.trust.trustlist import load_trust
from sim.errors import DataError, ScottieError, UsageError
from tests import toy_attempt as toy
from tests import toy_battery

SCENARIO = "tfesi-l4l5-right"
SIX = [word for seed in range(1, 7) for word in ("--seed", seed)]


@pytest.fixture
def run(monkeypatch: Any, capsys: Any, tmp_path: Path) -> Any:
    """Give run(words...) -> (exit code, stdout, stderr) of main.py, with keys and logs of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["main.py", *map(str, words)])
        code = main.main()
        told = capsys.readouterr()
        assert "Traceback" not in told.err and told.err.count("\n") <= 1, told.err
        return code, told.out, told.err

    return call


# --- a folder full of what should not be there


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("hostile")
    good = toy.sealed(base / "good", learner="p-ann").read_bytes()
    (base / "--out=x.scottie").write_bytes(good)
    (base / "-h.scottie").write_bytes(good[: len(good) // 2])
    (base / "$(touch executed).scottie").write_bytes(good.replace(b"p-ann", b"p-bob"))
    (base / "deep.scottie").write_bytes(b"[" * 10**6)
    (base / "large.scottie").write_bytes(bytes(17 * 2**20))
    with zipfile.ZipFile(base / "packed.scottie", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("attempt.scottie", bytes(50 * 2**20))
    (base / "torn.sitting").write_bytes(b'{"at":"2026')
    (base / "deep.sitting").write_bytes(b"[" * 10**6 + b"\n")
    os.mkfifo(base / "pipe.scottie")
    return base


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("cohort", "{}"), 0),
        (("cohort", "{}", "--json"), 0),
        (("report", "{}", "--learner", "p-ann", "--out", "{out}/l.html"), 0),
        (("cohort", "{}", "--out", "{out}/c.html"), 0),
        (("export", "{}", "--csv", "{out}/a.csv"), 0),
        (("battery", "status", "{battery}", "{}", "--jobs", "1"), 1),
    ],
)
def test_commands_over_a_hostile_folder(hostile, tmp_path, run, words, code):
    toy_battery.battery(tmp_path)
    places = {"{}": str(hostile), "{battery}": str(tmp_path / "battery.json")}
    tracemalloc.start()
    got, out, err = run(*(places.get(word, word.replace("{out}", str(tmp_path))) for word in words))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (got, err) == (code, "") and most < 120e6
    assert not list(Path.cwd().glob("executed*")) and not (tmp_path / "executed").exists()
    written = "".join(path.read_text() for path in tmp_path.glob("[alc].*"))
    for name in ("packed", "deep", "large"):
        assert name in out + written or "--learner" in words or words == ("cohort", "{}"), f"{name} is not named"


@pytest.mark.slow
def test_ten_thousand_files_through_the_workers_in_bounded_memory(tmp_path):
    data = toy.sealed(tmp_path / "one").read_bytes()
    (tmp_path / "bad").write_bytes(data[:-300] + b"x" + data[-299:])
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(10_000):
        os.link(tmp_path / "bad", folder / f"{number}.scottie")
    tracemalloc.start()
    seen = {verdict.status for verdict in verifying.verdicts(verifying.find([folder]), 1)}
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == {"altered"} and most < 30e6


# --- documents

BOMBS = {
    "empty": b"",
    "text": b"hello",
    "null": b"null",
    "deep": b"[" * 10**6,
    "deep object": b'{"a":' * 10**5,
    "wide": b"[" + b"1," * 10**6 + b"1]",
    "big number": b'{"version":' + b"9" * 10**5 + b"}",
    "large": bytes(20 * 2**20),
    "not text": b"\xff\xfe\x00",
    "zip": b"PK\x03\x04" + bytes(1000),
}
READERS = {
    "battery": read_battery,
    "standard": load_standard,
    "decision": read_decision,
    "sitting log": read_sitting,
    "trusted keys": load_trust,
    "name map": NameMap,
    "key": lambda path: load_or_create(path.parent),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("reader", READERS)
def test_a_document_that_is_none_is_one_line(tmp_path, reader, bomb):
    path = tmp_path / ("signing_key.pem" if reader == "key" else "people.json" if reader == "name map" else "document")
    path.write_bytes(BOMBS[bomb])
    if (reader, bomb) == ("trusted keys", "empty"):
        assert load_trust(path).keys == {}  # nobody is trusted
        return
    tracemalloc.start()
    with pytest.raises(ScottieError) as failure:
        READERS[reader](path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(failure.value) and path.name in str(failure.value) and len(str(failure.value)) < 500
    assert most < 100e6


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_badge_that_is_none_is_a_verdict(bomb):
    token = BOMBS[bomb].decode("latin-1")
    for text in (token, f"{token}.{token}.{token}"):
        verdict = verify_badge(text, "0" * 64, "2026-01-31T12:00:00Z")
        assert verdict.status == "malformed" and "\n" not in verdict.reason


def test_a_name_map_with_the_same_learner_twice_is_refused(tmp_path):
    names = NameMap(tmp_path / "people.json")
    names.add("anna")
    assert names.add("anna") is names.people[0] and len(names.people) == 1
    whole = json.loads((tmp_path / "people.json").read_text())
    for twice in (dict(whole["learners"][0]), {**whole["learners"][0], "id": "bela"}):
        (tmp_path / "people.json").write_text(json.dumps(whole | {"learners": [whole["learners"][0], twice]}))
        with pytest.raises(DataError, match="damaged"):
            NameMap(tmp_path / "people.json")


# --- the clock, the key, names like options


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("2026-01-31T10:59:59Z", "this machine's clock says 2026-01-31T10:59:59Z: set it right"),
        ("2026-01-31T11:30:00Z", "opens at 2026-01-31T12:00:00Z"),
        ("2026-02-02T00:00:00Z", "closed at 2026-02-01T00:00:00Z"),
    ],
)
def test_a_clock_outside_the_battery_seats_nobody(tmp_path, monkeypatch, now, said):
    window = {"opens": "2026-01-31T12:00:00Z", "closes": "2026-02-01T00:00:00Z"} if "clock" not in said else {}
    one = toy_battery.battery(tmp_path, **window)
    monkeypatch.setattr(seat, "utc_now", lambda: now)
    with pytest.raises(UsageError, match=said):
        seat.seated(tmp_path / "battery.json", None, None, None, tmp_path, seat.Who(one.learners[0]), None)


def test_without_a_key_nothing_is_made(run, tmp_path):
    assert run("key", "show")[0] == 2
    (tmp_path / "config" / "scottie").mkdir(parents=True)
    (tmp_path / "config" / "scottie" / "signing_key.pem").write_text("gone")
    code, _, err = run("battery", "make", "--out", tmp_path / "b", "--id", "b", "--scenario", SCENARIO, *SIX)
    assert code == 2 and "signing_key.pem" in err and not (tmp_path / "b").exists()


@pytest.mark.parametrize("words", [("cohort", "--out"), ("battery", "status", "--rm"), ("report", "-rf"), ("verify", "--jobs=x")])
def test_a_file_named_like_an_option_is_one_line(run, words):
    code, out, err = run(*words)
    assert code == 2 and err.startswith("scottie: ") and not out


def test_after_two_dashes_it_is_a_file(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy.sealed(tmp_path / "--jobs")
    code, out, _ = run("verify", "--json", "--", "--jobs/attempt.scottie")
    assert code == 1 and json.loads(out)[0]["file"] == "--jobs/attempt.scottie"
    assert "--jobs" in run("cohort", "--json", "--", "--jobs")[1] or run("cohort", "--", "--jobs")[0] == 0


# --- a retired scenario


@pytest.fixture
def retired(monkeypatch: Any) -> None:
    """Retire one scenario."""
    plain = registry.find_scenario

    def find(name: str) -> Any:
        found = plain(name)
        file = found.file.model_copy(update={"retired": True, "retired_reason": "its target was wrong"})
        return replace(found, file=file) if name == SCENARIO else found

    monkeypatch.setattr(registry, "find_scenario", find)


@pytest.mark.usefixtures("retired")
def test_no_battery_is_made_of_a_retired_scenario(run, tmp_path):
    code, _, err = run("battery", "make", "--out", tmp_path / "b", "--id", "b", "--scenario", SCENARIO, *SIX)
    assert code == 2 and f"{SCENARIO} is retired: its target was wrong; expected another scenario" in err


def test_a_battery_whose_scenario_was_retired_later_seats_nobody_and_can_still_be_read(tmp_path, request, run):
    path = tmp_path / "b.json"
    battery.make(out=path, id_="b", scenario=[SCENARIO], seed=list(range(1, 7)))
    request.getfixturevalue("retired")
    said = f"battery 'b', item 1: {SCENARIO} is retired: its target was wrong; expected a new battery"
    with pytest.raises(UsageError, match=said):
        seat.seated(path, None, None, None, tmp_path / "out", seat.Who("p-ann"), None)
    code, out, _ = run("battery", "show", path)
    assert code == 0 and out.count("is retired: its target was wrong") == 6
    (tmp_path / "out").mkdir(exist_ok=True)
    assert run("battery", "status", path, tmp_path / "out")[0] == 0  # what was sat before can still be read
