"""The journal, its reader and the replay (sim/attempt)."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sim.attempt.journal as journal_module
from sim.attempt import Chain, Journal, Recorder, Unreadable, canonical, header_of, read_journal, read_raw, set_aside
from sim.attempt.lines import MAX_INT, MAX_LINE, parse
from sim.command import Command
from sim.errors import MachineError, NumericalFault, RecordError, UsageError
from sim.event import event
from tests import toy_attempt as toy

ROOT = Path(__file__).parents[1]
with tempfile.TemporaryDirectory() as _folder:
    JOURNAL = toy.record(Path(_folder)).read_bytes()

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INT, MAX_INT) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=4),
    max_leaves=20,
)


def header(**changed):
    return header_of(toy.Study(), operator="expert", started=toy.STARTED) | changed


# --- canonical lines


@given(PLAIN)
def test_canonical_writes_what_rfc8785_writes(value):
    try:
        ours = canonical(value)
    except ValueError:
        return  # nested too deep
    assert ours == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value", [1.0, [0.5], {"a": float("nan")}, MAX_INT + 1, {"ä": 1}, "\ud800", (1,), {1: 2}, b"x", [[[[[[[[[1]]]]]]]]]]
)
def test_canonical_refuses(value):
    with pytest.raises(ValueError):
        canonical(value)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1}',
        b'{"a":1}\r',
        b' {"a":1}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":2,"a":1}',
        b'{"a":-0}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"1" * 5000 + b"}",
        b'{"a":"\xff"}',
        b"[1]",
        b"1",
        b"",
        b"\x00" * 10,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b'{"a":"' + b"x" * MAX_LINE + b'"}',
    ],
)
def test_only_canonical_lines_are_read(raw):
    with pytest.raises(ValueError) as failure:
        parse(raw)
    assert len(str(failure.value)) < 100


# --- writing and reading back


def test_what_was_written_is_read_back(tmp_path):
    path = toy.record(tmp_path)
    read = read_journal(path)
    assert dict(read.commands) == toy.SCRIPT
    assert read.last_tick == 777 and [t for t, _ in read.digests] == [0, 100, 200, 300, 400, 500, 600, 700, 777]
    assert [e.kind for e in read.events][:3] == ["began", "timeout_called", "skin_prepped"]
    assert not read.complete and read.result is None and read.note.startswith("interrupted at 7.77 s")
    outcome = toy.toy_replay(toy.Study(), read)
    assert outcome.matches and outcome.events == read.events and outcome.digests == read.digests


def test_two_recordings_of_the_same_attempt_are_equal_bytes(tmp_path):
    assert toy.record(tmp_path / "a").read_bytes() == toy.record(tmp_path / "b").read_bytes()


def test_every_cut_of_a_journal_is_read_or_refused_in_one_line_and_replays(tmp_path):
    data = toy.record(tmp_path).read_bytes()
    cut = tmp_path / "cut.journal"
    first = data.index(b"\n") + 1
    for end in range(0, len(data), 7):
        cut.write_bytes(data[:end])
        if end < first:
            with pytest.raises(Unreadable):
                read_journal(cut)
            continue
        read = read_journal(cut)
        assert not read.complete and ("torn" in read.note) == (data[end - 1 : end] != b"\n")
        assert toy.toy_replay(toy.Study(), read).matches, end


@pytest.mark.parametrize(
    "calls",
    [
        lambda j: j.events(1, [event(1, "skin_prepped")]),  # before the digest of tick 0
        lambda j: (j.digest(0, toy.State()), j.command(101, Command("finish"))),
        lambda j: (j.digest(0, toy.State()), j.command(9, Command("prep.skin")), j.command(9, Command("finish"))),
        lambda j: (j.digest(0, toy.State()), j.command(9, Command("prep.skin")), j.events(8, [event(8, "finished")])),
        lambda j: (j.digest(0, toy.State()), j.events(9, [event(9, "finished")]), j.command(9, Command("finish"))),
        lambda j: (j.digest(0, toy.State()), j.digest(9, toy.State()), j.command(10, Command("finish"))),
        lambda j: (j.digest(0, toy.State()), j.digest(0, toy.State())),
    ],
)
def test_lines_out_of_order_are_a_bug(tmp_path, calls):
    journal = Journal(tmp_path / "a.journal", header())
    journal.events(0, toy.begin(toy.Study())[1])
    with pytest.raises(ValueError):
        calls(journal)
    assert journal.closed
    assert read_journal(tmp_path / "a.journal").events[0].kind == "began"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mode": "exam"}, "practice or assessment"),
        ({"seed": -1}, "whole number"),
        ({"seed": 2**60}, "whole number"),
        ({"operator": ""}, "printable"),
        ({"operator": "a\nb"}, "printable"),
        ({"operator": "x" * 201}, "printable"),
        ({"operator": "\udcff"}, "printable"),
        ({"scenario": "../../etc/passwd"}, "scenario"),
        ({"started": "2026-02-31T12:00:00Z"}, "UTC"),
        ({"started": "yesterday"}, "UTC"),
    ],
)
def test_an_impossible_header_is_one_clear_line(tmp_path, changed, said):
    with pytest.raises(UsageError, match=said) as failure:
        Journal(tmp_path / "a.journal", header(**changed))
    assert "\n" not in str(failure.value)
    assert not list(tmp_path.iterdir())


def test_commands_after_the_end_are_not_recorded(tmp_path):
    session = toy.Session(toy.Study())
    recorder = Recorder(session, Journal(tmp_path / "a.journal", header()))
    session.queue.extend([Command("finish"), Command("prep.skin")])
    for _ in range(5):
        recorder.tick()
    recorder.close()
    recorder.close()
    read = read_journal(tmp_path / "a.journal")
    assert [c.op for _, c in read.commands] == ["finish"] and read.last_tick == 1


def test_a_numerical_fault_leaves_a_whole_journal(tmp_path, monkeypatch):
    session = toy.Session(toy.Study())
    recorder = Recorder(session, Journal(tmp_path / "a.journal", header()))
    for _ in range(150):
        recorder.tick()
    monkeypatch.setattr(session, "tick", lambda: (_ for _ in ()).throw(NumericalFault("needle: not finite")))
    with pytest.raises(NumericalFault):
        recorder.tick()
    recorder.close()
    assert [t for t, _ in read_journal(tmp_path / "a.journal").digests] == [0, 100, 150]


def test_a_tick_broken_off_half_way_gets_no_digest(tmp_path, monkeypatch):
    session = toy.Session(toy.Study())
    recorder = Recorder(session, Journal(tmp_path / "a.journal", header()))
    session.queue.append(Command("prep.skin"))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder.journal, "command", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recorder.tick()
    recorder.close()
    assert [t for t, _ in read_journal(tmp_path / "a.journal").digests] == [0]


# --- crashes


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_in_the_middle_it_reads_back_to_within_a_second(tmp_path):
    path = tmp_path / "attempt.journal"
    child = subprocess.Popen([sys.executable, "-m", "tests.toy_attempt", str(path)], cwd=ROOT, stdout=subprocess.PIPE)
    with child:
        child.stdout.readline()
        started = time.monotonic()
        time.sleep(2.6)
        child.send_signal(signal.SIGKILL)
        ran = time.monotonic() - started
    read = read_journal(path)
    assert not read.complete and read.note.startswith("interrupted")
    assert ran - 1.0 <= read.last_tick / 100 <= ran + 0.5
    assert toy.toy_replay(toy.Study(), read).matches


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_clear_line_and_loses_nothing(small_disk):
    session = toy.Session(toy.Study())
    recorder = Recorder(session, Journal(small_disk / "attempt.journal", header(), clock=time.monotonic))
    with pytest.raises(MachineError, match=r"No space left on device; the journal up to .* s is kept there") as failure:
        for _ in range(100_000):
            session.queue.append(Command("needle.move", (1, 1000)))
            recorder.tick()
    assert "\n" not in str(failure.value)
    recorder.close()
    read = read_journal(small_disk / "attempt.journal")
    assert "torn" not in read.note and session.state.tick - read.last_tick <= 1 and read.last_tick > 50
    assert toy.toy_replay(toy.Study(), read).matches
    with pytest.raises(MachineError, match="closed"):
        recorder.journal.events(session.state.tick, [event(session.state.tick, "finished")])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_half_written_line_is_cut_off(tmp_path, monkeypatch, code):
    session = toy.Session(toy.Study())
    recorder = Recorder(session, Journal(tmp_path / "a.journal", header()))
    real, calls = os.write, []

    def failing(fd, data):
        calls.append(1)
        if len(calls) < 3:
            return real(fd, bytes(data)[:20])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(journal_module.os, "write", failing)
    session.queue.append(Command("prep.skin"))
    with pytest.raises(MachineError, match=os.strerror(code)):
        recorder.tick()
    recorder.close()
    assert "torn" not in read_journal(tmp_path / "a.journal").note


def test_a_disk_that_fails_later_is_one_clear_line(tmp_path, monkeypatch):
    now = [0.0]
    session = toy.Session(toy.Study())
    recorder = Recorder(session, Journal(tmp_path / "a.journal", header(), clock=lambda: now[0]))

    def failing(fd):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journal_module.os, "fsync", failing)
    now[0] = 1.5
    with pytest.raises(MachineError, match="Input/output error"):
        for _ in range(2000):
            session.queue.append(Command("needle.turn", (1,)))
            recorder.tick()
            time.sleep(0.0001)
    assert read_journal(tmp_path / "a.journal").last_tick > 0


def test_the_disk_is_asked_about_once_a_second(tmp_path, monkeypatch):
    now, asked = [0.0], []
    monkeypatch.setattr(journal_module.os, "fsync", lambda fd: asked.append(now[0]))
    session = toy.Session(toy.Study())
    recorder = Recorder(session, Journal(tmp_path / "a.journal", header(), clock=lambda: now[0]))
    for _ in range(1000):
        now[0] += 0.01
        session.queue.append(Command("needle.turn", (1,)))
        recorder.tick()
        time.sleep(0.0002)  # let the thread that waits for the disk run
    recorder.close()
    assert 5 <= len(asked) <= 11


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot make the attempt journal"):
        Journal(tmp_path / "file" / "a.journal", header())


# --- never overwritten


def test_an_earlier_file_is_set_aside(tmp_path):
    first = toy.record(tmp_path, operator="one").read_bytes()
    second = toy.record(tmp_path, operator="two").read_bytes()
    toy.record(tmp_path, operator="three")
    assert (tmp_path / "attempt-1.journal").read_bytes() == first
    assert (tmp_path / "attempt-2.journal").read_bytes() == second
    assert read_journal(tmp_path / "attempt.journal").header["operator"] == "three"
    assert set_aside(tmp_path / "nothing.here") is None


@pytest.mark.skipif(os.name != "posix", reason="flock")
def test_a_journal_that_is_being_written_is_left_alone(tmp_path):
    with Journal(tmp_path / "a.journal", header()), pytest.raises(UsageError, match="another attempt is being recorded here"):
        Journal(tmp_path / "a.journal", header())
    Journal(tmp_path / "a.journal", header()).close()


# --- replay


def read_changed(tmp_path, change):
    """Return the transcript of a journal whose lines were changed and chained anew."""
    lines = [json.loads(line) for line in toy.record(tmp_path).read_bytes().splitlines()]
    for line in lines:
        del line["h"]
    change(lines)
    chain = Chain()
    path = tmp_path / "changed.journal"
    path.write_bytes(b"".join(chain.write(line) for line in lines))
    return read_journal(path)


def at(lines, **wanted):
    return next(line for line in lines if wanted.items() <= line.items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ls: at(ls, op="needle.turn").update(args=[90_001]), "at tick 700 .*digest"),
        (lambda ls: ls.remove(at(ls, op="needle.turn")), "at tick 700 .*digest"),
        (lambda ls: at(ls, op="timeout.call").update(args=[3, 0]), "at tick 5 .*timeout_called.*correct: recorded True"),
        (lambda ls: ls.remove(at(ls, kind="vitals")), "the record says nothing, the replay 'vitals'"),
        (lambda ls: ls.insert(5, at(ls, kind="timeout_called")), "the record says 'timeout_called', the replay nothing"),
        (lambda ls: at(ls, kind="clamped")["data"].update(asked=[250_000, True]), "asked: recorded"),
        (lambda ls: at(ls, kind="skin_prepped").update(kind="consent_taken"), "'consent_taken', the replay 'skin_prepped'"),
        (lambda ls: at(ls, t=0, kind="began")["data"].update(side="left"), "at tick 0 "),
        (lambda ls: ls[0]["header"].update(operator="somebody else"), "at tick 0 .*header"),
        (lambda ls: at(ls, kind="finished").update(t=778) or ls[-1].update(t=778), "at tick 777 "),
        (lambda ls: ls[-1].update(t=779), "at tick 778 .*goes on after the attempt came to its end"),
    ],
)
def test_replay_names_the_first_difference(tmp_path, change, said):
    outcome = toy.toy_replay(toy.Study(), read_changed(tmp_path, change))
    assert not outcome.matches
    assert re.search(said, outcome.first_difference), outcome.first_difference


def test_replay_of_another_study_differs(tmp_path):
    outcome = toy.toy_replay(toy.Study(seed=8), read_journal(toy.record(tmp_path)))
    assert "at tick 0" in outcome.first_difference


def test_replay_tells_its_progress(tmp_path):
    told = []
    toy.toy_replay(toy.Study(), read_journal(toy.record(tmp_path)), lambda *a: told.append(a))
    assert told == [(t, 777) for t in range(100, 701, 100)]


@pytest.mark.parametrize(
    "change",
    [
        lambda ls: at(ls, op="needle.turn").update(op="needle.fly"),
        lambda ls: at(ls, op="needle.turn").update(op="idle", args=[]),
        lambda ls: at(ls, op="needle.turn").update(args=[1, 2]),
        lambda ls: at(ls, op="needle.turn").update(args=[True]),
        lambda ls: at(ls, kind="vitals").update(kind="x\ny" * 500),
        lambda ls: at(ls, kind="vitals")["data"].update(spo2_percent="98"),
        lambda ls: at(ls, kind="vitals")["data"].update(more=1),
        lambda ls: at(ls, kind="clamped")["data"].update(asked=[[1]]),
        lambda ls: at(ls, t=200).update(t=300),
        lambda ls: at(ls, t=200).update(digest="A" * 64),
        lambda ls: ls.remove(at(ls, t=200)),
        lambda ls: ls[-1].update(t=10**12),
        lambda ls: ls[0]["header"].update(more=1),
        lambda ls: ls.insert(3, dict(ls[0])),
        lambda ls: ls.append({"x": 1}),
        lambda ls: ls.append({"seal": {}}),
    ],
)
def test_impossible_lines_are_refused_in_one_line(tmp_path, change):
    with pytest.raises(RecordError) as failure:
        read_changed(tmp_path, change)
    assert "\n" not in str(failure.value) and len(str(failure.value)) < 600


# --- foreign and hostile files


def test_foreign_files_are_one_clear_line(tmp_path):
    files = {
        "empty": b"",
        "text": b"hello\n",
        "json": b"{}\n",
        "zeros": bytes(5000),
        "png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "other version").write_bytes(toy.record(tmp_path).read_bytes().replace(b'"version":2}', b'"version":9}'))
    os.mkfifo(tmp_path / "pipe")
    for path in [
        *(tmp_path / name for name in (*files, "other version", "pipe", "missing")),
        tmp_path,
        Path("/dev/zero"),
        Path("a\0b"),
    ]:
        with pytest.raises(Unreadable) as failure:
            read_raw(path)
        assert "\n" not in str(failure.value)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes_never_break_the_reader(tmp_path, data, with_header):
    path = tmp_path / "random"
    if with_header:
        data = JOURNAL + data
    path.write_bytes(data)
    try:
        read_journal(path)
    except RecordError as error:
        assert "\n" not in str(error)


def test_bombs_are_refused_in_bounded_memory(tmp_path):
    good = toy.record(tmp_path).read_bytes()
    first = good[: good.index(b"\n") + 1]
    path = tmp_path / "bomb"
    huge = tmp_path / "sparse"
    with huge.open("wb") as file:
        file.truncate(2**40)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in (
        b"[" * 2**24,
        b'{"a":' * 2**22,
        b'{"data":{"a":[' + b"0," * 2**23 + b"0]}}\n",
        b"\n" * 2**24,
        b"1" * 2**24 + b"\n",
    ):
        path.write_bytes(first + bomb)
        try:
            read_journal(path)  # a bomb without an end of line is a torn last line
        except RecordError as error:
            assert len(str(error)) < 600
    with pytest.raises(Unreadable, match="larger than"):
        read_journal(huge)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 300 * 1024  # kB


def test_ten_thousand_lines_are_read(tmp_path):
    path = tmp_path / "long.journal"
    state = toy.State()
    with Journal(path, header()) as journal:
        journal.events(0, toy.begin(toy.Study())[1])
        for tick in range(0, 500_001, 100):
            if tick:
                journal.events(tick, [event(tick, "vitals", heart_rate_bpm=70, systolic_mmhg=128, spo2_percent=98)])
            journal.digest(tick, state)
    read = read_journal(path)
    assert len(read.events) + len(read.digests) > 10_000
