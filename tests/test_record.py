"""Seals, keys and verdicts (scoring/record, scoring/keys), docs/RECORD.md and scripts/forge.py."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring import keys, record
from scoring.record import check_file, seal, verify
from scripts import forge
from sim.attempt import Journal, Recorder, header_of, read_journal
from sim.command import IDLE, Command
from sim.errors import MachineError, RecordError
from tests import toy_attempt as toy

ROOT = Path(__file__).parents[1]
FINGERPRINT = keys.fingerprint(toy.KEY)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return toy.sealed(tmp_path_factory.mktemp("good"))


def verdict_of(path: Path, data: bytes):
    path.write_bytes(data)
    return toy.toy_verify(path)


def forged(data: bytes, change, key=toy.KEY) -> bytes:
    lines = forge.unchained(data)
    change(lines)
    return forge.resigned(lines, key)


def line(lines, **wanted):
    return next(one for one in lines if wanted.items() <= one.items())


# --- sealing and verifying


def test_a_sealed_attempt_verifies(good):
    verdict = toy.toy_verify(good)
    assert verdict.ok and verdict.key == FINGERPRINT and "7 commands, 11 events, 7.77 s" in verdict.reason
    assert verdict.transcript.complete and verdict.transcript.result["critical_errors"] == ["hurt"]
    assert not good.with_suffix(".journal").exists() and not good.with_name("attempt.scottie.tmp").exists()
    told = verdict.as_dict()
    assert json.loads(json.dumps(told)) == told and told["operator"] == "expert" and told["ok"] is True


def test_check_file_looks_at_form_chain_and_signature_only(good, tmp_path):
    assert check_file(good).status == "sealed" and not check_file(good).ok
    path = tmp_path / "forged"
    path.write_bytes(forged(good.read_bytes(), lambda ls: ls[-2]["result"].update(passed=True)))
    assert check_file(path).status == "sealed"
    assert toy.toy_verify(path).status == "altered"


def test_every_status_is_documented():
    page = (ROOT / "docs" / "RECORD.md").read_text()
    for status in set(record.STATUSES) - {"sealed"}:
        assert f"| `{status}` |" in page


def test_trusted_keys(good):
    assert toy.toy_verify(good, trusted={FINGERPRINT}).ok
    verdict = toy.toy_verify(good, trusted={"0" * 32})
    assert verdict.status == "untrusted" and FINGERPRINT in verdict.reason and verdict.key == FINGERPRINT
    assert toy.toy_verify(good, trusted=set()).status == "untrusted"


def test_a_second_attempt_in_the_folder_keeps_the_first(tmp_path):
    toy.sealed(tmp_path, operator="one")
    toy.sealed(tmp_path, operator="two")
    toy.sealed(tmp_path, operator="three")
    names = {path.name: toy.toy_verify(path).header["operator"] for path in tmp_path.iterdir()}
    assert names == {"attempt-1.scottie": "one", "attempt-2.scottie": "two", "attempt.scottie": "three"}


def test_an_abandoned_attempt_is_sealed_without_a_score(tmp_path):
    path = toy.sealed(tmp_path, ticks=333)
    read = read_journal(path)
    assert read.seal["reason"] == "abandoned" and read.result == {} and not read.complete
    verdict = toy.toy_verify(path)
    assert verdict.status == "interrupted" and "abandoned at 3.33 s" in verdict.reason
    with_score = verdict_of(path, forged(path.read_bytes(), lambda ls: ls[-2]["result"].update(passed=True)))
    assert with_score.status == "altered"
    as_finished = verdict_of(path, forged(path.read_bytes(), lambda ls: ls[-1]["seal"].update(reason="finished")))
    assert as_finished.status == "altered"


def test_a_faulty_attempt_is_sealed_as_faulty(tmp_path):
    path = seal(toy.record(tmp_path, ticks=200), {}, toy.KEY, tmp_path / "attempt.scottie", reason="faulty")
    verdict = toy.toy_verify(path)
    assert verdict.status == "interrupted" and "faulty at 2.00 s" in verdict.reason
    with pytest.raises(ValueError):
        seal(toy.record(tmp_path), {}, toy.KEY, path, reason="faulty")


def test_an_interrupted_journal_is_reported_and_cannot_be_sealed(tmp_path):
    journal = toy.record(tmp_path)
    verdict = toy.toy_verify(journal)
    assert verdict.status == "interrupted" and len(verdict.transcript.events) == 11
    journal.write_bytes(journal.read_bytes()[:-9])
    verdict = toy.toy_verify(journal)
    assert verdict.status == "interrupted" and "torn" in verdict.reason and verdict.key is None
    with pytest.raises(RecordError, match="interrupted"):
        seal(journal, {}, toy.KEY, tmp_path / "attempt.scottie")
    assert journal.exists() and not (tmp_path / "attempt.scottie").exists()


def test_a_full_disk_while_sealing_keeps_the_journal(tmp_path, monkeypatch):
    journal = toy.record(tmp_path)
    older = tmp_path / "attempt.scottie"
    older.write_text("older")

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(record.os, "fsync", full)
    with pytest.raises(MachineError, match="No space left on device; its journal is kept") as failure:
        seal(journal, {}, toy.KEY, older)
    assert "\n" not in str(failure.value)
    assert journal.exists() and older.read_text() == "older" and len(list(tmp_path.iterdir())) == 2


# --- forging


def test_hundreds_of_changes_and_forgeries_are_all_refused(good):
    counts, failures = forge.attack(good, toy.toy_verify, 500, 50, seed=20260131)
    assert not failures
    assert counts.total() == 560
    assert not [key for key in counts if key[1] not in record.STATUSES or key[1] == "verified"]


def test_forge_reports_a_verifier_that_believes_everything(good):
    def naive(path):
        return record.Verdict(str(path), "verified", "fine")

    def broken(path):
        raise KeyError("h")

    assert len(forge.attack(good, naive, 10, 5, 1)[1]) == 16
    assert "TRACEBACK: KeyError" in forge.attack(good, broken, 1, 0, 1)[1][0]


def test_single_bytes_matter_everywhere(good, tmp_path):
    data = good.read_bytes()
    path = tmp_path / "attempt.scottie"
    for i in range(0, len(data), 11):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        assert check_file(path).status in ("altered", "unreadable"), i


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_random_splices_are_refused(good, tmp_path, data):
    whole = good.read_bytes()
    a = data.draw(st.integers(0, len(whole)))
    b = data.draw(st.integers(a, len(whole)))
    new = data.draw(st.binary(max_size=40) | st.sampled_from([whole[a:b] * 2, whole[a:b].swapcase(), b"\r\n", b"\n", b" "]))
    changed = whole[:a] + new + whole[b:]
    if changed != whole:
        verdict = verdict_of(tmp_path / "attempt.scottie", changed)
        assert not verdict.ok and verdict.reason and "\n" not in verdict.reason


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d + b"\n",
        lambda d: d + b" ",
        lambda d: d[:-1],
        lambda d: d.replace(b"\n", b"\r\n"),
        lambda d: b"\xef\xbb\xbf" + d,
        lambda d: d + d,
        lambda d: d + d.splitlines(keepends=True)[-1],
        lambda d: re.sub(rb'"signature":"([0-9a-f]+)"', lambda m: m[0].upper().replace(b"SIGNATURE", b"signature"), d),
        lambda d: d.replace(b"expert", b"\\u0065xpert"),
        lambda d: d.replace(b'"seed":7', b'"seed":7.0'),
        lambda d: d.replace(b'"seed":7', b'"seed":7,"seed":7'),
    ],
)
def test_the_same_content_in_other_bytes_is_refused(good, tmp_path, change):
    assert verdict_of(tmp_path / "a", change(good.read_bytes())).status in ("altered", "unreadable")


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (lambda ls: ls[-2]["result"].update(passed=True), "altered", "passed: recorded True, recomputed False"),
        (lambda ls: ls[-2]["result"]["checklist"].update(prep=1), "altered", "checklist.prep: recorded 1, recomputed True"),
        (lambda ls: ls[-2]["result"].update(bonus=1), "altered", "bonus: recorded only"),
        (lambda ls: ls[-2].update(result={}), "altered", "recomputed only"),
        (lambda ls: ls[0]["header"].update(operator="hasty"), "altered", "tick 0"),
        (lambda ls: ls[0]["header"].update(started="2025-01-01T00:00:00Z"), "altered", "tick 0"),
        (lambda ls: ls[0]["header"].update(seed=8), "altered", "another hash"),
        (lambda ls: ls[0]["header"].update(mode="assessment"), "altered", "another hash"),
        (lambda ls: ls[0]["header"].update(numpy="1.0"), "altered", "recorded under numpy 1.0"),
        (lambda ls: ls[0]["header"].update(engine="9.9"), "different-engine", "recorded with engine 9.9"),
        (lambda ls: ls[0]["header"].update(rubric_hash="x"), "different-engine", "rubric data here"),
        (lambda ls: ls[0]["header"].update(scenario="toy/other"), "different-engine", "unknown scenario 'toy/other'"),
        (lambda ls: ls[0]["header"].update(study_hash="x"), "altered", "another hash"),
        (lambda ls: ls[-1]["seal"].update(ticks=700), "altered", "ticks"),
        (lambda ls: ls[-1]["seal"].update(reason="abandoned"), "altered", "abandoned"),
        (lambda ls: ls[-1]["seal"].update(reason="x\ny"), "altered", "x.y"),
        (lambda ls: ls.pop(-2), "altered", "may not follow"),
        (lambda ls: line(ls, op="needle.turn").update(op="needle.fly"), "altered", "unknown command 'needle.fly'"),
    ],
)
def test_forgeries_are_named(good, tmp_path, change, status, said):
    verdict = verdict_of(tmp_path / "a", forged(good.read_bytes(), change))
    assert (verdict.status, said in verdict.reason or bool(re.search(said, verdict.reason))) == (status, True), verdict


def test_a_seal_moved_from_another_attempt_is_refused(good, tmp_path):
    other = toy.sealed(tmp_path, operator="hasty").read_bytes().splitlines(keepends=True)
    data = b"".join(good.read_bytes().splitlines(keepends=True)[:-1]) + other[-1]
    assert verdict_of(tmp_path / "a", data).status == "altered"


def test_a_signature_by_another_key_than_named_is_refused(good, tmp_path):
    lines = forge.unchained(good.read_bytes())
    mine = keys.public_hex(toy.KEY)
    data = forge.resigned(lines, Ed25519PrivateKey.generate())
    other = json.loads(data.splitlines()[-1])["seal"]["public_key"]
    lines = [json.loads(raw) for raw in data.replace(other.encode(), mine.encode()).splitlines()]
    for one in lines:
        del one["h"]
    chain = forge.Chain()
    verdict = verdict_of(tmp_path / "a", b"".join(chain.write(one) for one in lines))
    assert verdict.status == "altered" and "signature" in verdict.reason


def test_an_attempt_of_another_engine_with_unknown_events_is_not_called_altered(good, tmp_path):
    def change(lines):
        lines[0]["header"]["engine"] = "0.0.1"
        line(lines, kind="vitals")["kind"] = "vitals_of_old"

    verdict = verdict_of(tmp_path / "a", forged(good.read_bytes(), change))
    assert verdict.status == "different-engine"
    with pytest.raises(RecordError, match=r"engine 0\.0\.1"):
        read_journal(tmp_path / "a")


def test_whatever_the_hooks_raise_is_a_verdict(good):
    def broken(_):
        raise KeyError("first\nsecond")

    for hooks in (
        (broken, toy.score_of),
        (toy.make_study, broken),
        (toy.make_study, lambda t: {"x": 1.5}),
        (toy.make_study, lambda t: None),
    ):
        verdict = verify(good, *hooks, rerun=toy.toy_replay)
        assert verdict.status == "altered" and "\n" not in verdict.reason
    assert verify(good, toy.make_study, toy.score_of, rerun=broken).status == "altered"


def test_foreign_files_get_a_verdict(tmp_path):
    (tmp_path / "text").write_text("hello\n")
    for path in (tmp_path / "text", tmp_path, tmp_path / "missing", "a\0b\nc"):
        verdict = toy.toy_verify(path)
        assert verdict.status == "unreadable" and "\n" not in verdict.reason + verdict.path
        assert verdict.as_dict()["ok"] is False


# --- the page in docs


def test_the_limits_in_the_docs_are_those_of_the_code():
    page = (ROOT / "docs" / "RECORD.md").read_text()
    lines = sys.modules["sim.attempt.lines"]
    assert f"| {lines.MAX_BYTES >> 20} MiB |" in page and f"| {lines.MAX_LINE >> 10} KiB |" in page
    assert f"0 to {lines.MAX_TICK:,}".replace(",", " ") in page and f"| {lines.MAX_DEPTH} levels |" in page
    assert all(f"`{name}`" in page for name in (*lines.HEADER, *lines.SEAL, *lines.BATTERY))


# --- keys


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_the_key_is_made_once_for_its_owner_only(tmp_path):
    folder = tmp_path / "config" / "scottie"
    key = keys.load_or_create(folder)
    path = folder / keys.FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert keys.public_hex(keys.load_or_create(folder)) == keys.public_hex(key)
    path.chmod(0o644)
    keys.load_or_create(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in folder.iterdir()] == [keys.FILE_NAME]


def test_the_key_lies_in_the_users_config_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(keys.platformdirs, "user_config_dir", lambda name: str(tmp_path / name))
    keys.load_or_create()
    assert (tmp_path / "scottie" / keys.FILE_NAME).exists()


def test_programs_that_start_together_get_the_same_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: keys.public_hex(keys.load_or_create(tmp_path / "k")), range(16)))
    assert len(set(made)) == 1


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_one_clear_line(tmp_path, content):
    (tmp_path / keys.FILE_NAME).write_bytes(content)
    with pytest.raises(MachineError, match="not an Ed25519 private key") as failure:
        keys.load_or_create(tmp_path)
    assert "\n" not in str(failure.value)


def test_a_key_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot make or read the signing key"):
        keys.load_or_create(tmp_path / "file")


def test_fingerprints_agree():
    assert keys.fingerprint(toy.KEY) == keys.fingerprint(toy.KEY.public_key()) == keys.fingerprint(keys.public_hex(toy.KEY))


def test_reading_needs_no_engine():
    code = "import scoring.record, sys; assert not {'numba', 'sim.session'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# --- the real core


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return (sealed attempt of the real core in the test phantom, verifier)."""
    from sim.session import Session
    from tests.make_phantom import simple_study

    folder = tmp_path_factory.mktemp("real")
    session = Session(simple_study())
    header = header_of(session.study, operator="expert", started=toy.STARTED)
    recorder = Recorder(session, Journal(folder / "attempt.journal", header))
    session.send(*(Command(op, args) for op, args in REAL_SCRIPT))
    while not session.finished:
        if session.waiting == 1 and session.state.tick < 450:  # before `finish`
            session._queue.appendleft(IDLE)
        recorder.tick()
    recorder.close()

    def count(transcript):
        return {"events": len(transcript.events), "last": transcript.last_tick}

    path = seal(folder / "attempt.journal", count(read_journal(folder / "attempt.journal")), toy.KEY, folder / "attempt.scottie")
    return path, lambda file: verify(file, lambda _: simple_study(), count)


REAL_SCRIPT = (
    ("chart.review", ()),
    ("timeout.call", (3, 1)),
    ("carm.to", (-20_000, 0)),
    ("xray.shot", ()),
    ("needle.choose", (0,)),
    ("needle.place", (-20_000, 0, 0, 0)),
    ("needle.move", (30_000, 20_000)),
    ("syringe.attach", (0, 3000)),
    ("finish", ()),
)


def test_the_real_core_verifies(real):
    path, check = real
    verdict = check(path)
    assert verdict.ok, verdict
    assert {"exposed", "needle_placed", "tissue_entered", "finished"} <= {e.kind for e in verdict.transcript.events}


def test_forgeries_of_the_real_core_are_refused(real):
    path, check = real
    _, failures = forge.attack(path, check, 30, 30, seed=3)
    assert not failures
