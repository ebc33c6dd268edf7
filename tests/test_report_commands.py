"""report --learner, cohort --out, export and badge as a user meets them, on short toy attempts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import main
from scoring.exchange import badge
from scoring.keys import FILE_NAME, public_hex, write_private
from tests.test_badge import decision, evidence
from tests.toy_attempt import sealed
from tests.xapi_rules import complaints

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def run(monkeypatch: Any, capsys: Any, *words: object) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["main.py", *map(str, words)])
    code = main.main()
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("attempts")
    for number, who in enumerate(("ann", "ben", "ann")):
        folder = root / str(number)
        folder.mkdir()
        sealed(folder, operator=who, started=f"2026-01-31T12:0{number}:00Z")
    return root


def test_learner_and_cohort_reports(attempts: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    for kind in ("html", "pdf"):
        learner, cohort = tmp_path / f"l.{kind}", tmp_path / f"c.{kind}"
        assert run(monkeypatch, capsys, "report", attempts, "--learner", "ann", "--out", learner) == (0, f"{learner}\n", "")
        assert run(monkeypatch, capsys, "cohort", attempts, "--out", cohort) == (0, f"{cohort}\n", "")
        for path in (learner, cohort):
            assert path.read_bytes().startswith(b"<!DOCTYPE" if kind == "html" else b"%PDF-")
    assert "No standard set" in (tmp_path / "l.html").read_text()


def test_export(attempts: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    table, lines, dose = tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "dose"
    words = ("export", attempts, "--csv", table, "--xapi", lines, "--rdsr", dose)
    code, out, err = run(monkeypatch, capsys, *words)
    assert (code, err) == (0, "")
    assert "0 dose reports; 3 attempts without X-rays" in out
    assert [row["operator"] for row in csv.DictReader(table.read_text().splitlines())] == ["ann", "ben", "ann"]
    made = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len(made) == 3
    assert [complaints(each) for each in made] == [[], [], []]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("report", "{d}", "--out", "x.html"), "expected one attempt file, or --learner"),
        (("report", "{d}", "--learner", "zoe", "--out", "x.html"), "learner 'zoe' has no attempts here; known: ann, ben"),
        (("report", "{d}", "--learner", "ann", "--out", "x.doc"), "unknown kind '.doc'"),
        (("cohort", "{d}", "--out", "x.txt"), "unknown kind '.txt'"),
        (("export", "{d}"), "nothing to write"),
        (("export", "{t}", "--csv", "x.csv"), "no attempt in it"),
        (("export", "{d}", "--xapi", "x", "--home", "lms"), "expected an address"),
        (("badge", "verify", "{d}/0/attempt.scottie", "--issuer-key", "12"), "expected 64 hexadecimal digits or a key card"),
        (("badge", "verify", "{d}/none.jwt", "--issuer-key", "0" * 64), "none.jwt"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], told: str, attempts: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(monkeypatch, capsys, *(word.format(d=attempts, t=tmp_path) for word in words))
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_badge_verify_and_revoke(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    write_private(tmp_path / FILE_NAME, KEY, "")
    made, listed, public = tmp_path / "b.jwt", tmp_path / "revoked.json", public_hex(KEY)
    made.write_text(badge.issue(decision(decided="2026-01-02T00:00:00Z", valid_until=""), evidence(), KEY, "X") + "\n")
    code, out, _ = run(monkeypatch, capsys, "badge", "verify", made, "--issuer-key", public)
    assert code == 0
    assert "valid" in out and "not compared with a revocation list" in out
    revoke = ("badge", "revoke", made, "--list", listed, "--reason", "withdrawn", "--key", tmp_path)
    assert run(monkeypatch, capsys, *revoke)[0] == 0
    code, out, _ = run(monkeypatch, capsys, "badge", "verify", made, "--issuer-key", public, "--revocations", listed)
    assert code == 1
    assert "revoked: withdrawn" in out
    made.write_text("junk")
    code, out, _ = run(monkeypatch, capsys, "badge", "verify", made, "--issuer-key", public)
    assert (code, "malformed" in out) == (1, True)
