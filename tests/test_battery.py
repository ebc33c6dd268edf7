"""Batteries, sitting logs and every attack on them that we know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scoring.battery import battery_status, make_battery, read_battery
from scoring.trust.documents import sign
from scoring.trust.sitting import next_item, parse_sitting, read_sitting
from sim.attempt import ENGINE_VERSION
from sim.errors import RecordError, UsageError
from tests import toy_attempt as toy
from tests import toy_battery as cheat


@pytest.mark.parametrize("attack", cheat.ATTACKS, ids=lambda attack: attack.__name__)
def test_it_is_answered_as_it_should_be(tmp_path, attack):
    answer, wanted = attack(tmp_path)
    assert answer == wanted


def test_an_honest_battery_is_complete_and_its_root_holds_every_record(tmp_path):
    from scoring.battery import against_root, battery_root, leaves_of
    from scoring.trust.roots import parse_root

    one = cheat.battery(tmp_path)
    cheat.sit_all(tmp_path, one)
    status = cheat.status(tmp_path, one)
    assert (
        status.ok
        and all(who.complete for who in status.learners)
        and [who.learner for who in status.learners] == list(cheat.LEARNERS)
    )
    root = parse_root(battery_root(status, cheat.CREATED, toy.KEY), "root")
    assert list(root.leaves) == leaves_of(status) and len(root.leaves) == 12 and not against_root(status, root)
    told = status.as_dict()
    assert json.loads(json.dumps(told)) == told and told["learners"][0]["items"][0]["state"] == "done"


def test_a_battery_begun_is_missing_the_rest_and_not_odd(tmp_path):
    one = cheat.battery(tmp_path)
    cheat.sit(tmp_path, one, "p-anna", 1)
    status = cheat.status(tmp_path, one)
    assert status.ok and not status.learners[0].complete
    assert [item.state for item in status.learners[0].items] == ["done"] + 5 * ["missing"]


def test_roots_grow_with_the_battery(tmp_path):
    from scoring.battery import battery_root
    from scoring.trust.roots import consistency, parse_root

    one = cheat.battery(tmp_path)
    cheat.sit(tmp_path, one, "p-bela", 1)
    first = parse_root(battery_root(cheat.status(tmp_path, one), cheat.CREATED, toy.KEY), "first")
    cheat.sit(tmp_path, one, "p-anna", 1)  # sorts before p-bela: the root still only adds
    second = parse_root(battery_root(cheat.status(tmp_path, one), cheat.CREATED, toy.KEY, first), "second")
    assert second.leaves[:1] == first.leaves and second.previous == first.root and consistency(first, second)["new_size"] == 2


def test_the_journal_of_a_sealed_attempt_left_by_a_crash_is_no_second_attempt(tmp_path):
    one = cheat.battery(tmp_path)
    path = cheat.sit(tmp_path, one, "p-anna", 1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.with_name("attempt.journal").write_bytes(b"".join(lines[:-2]))
    assert cheat.answer(cheat.status(tmp_path, one)) == "nothing"


def test_without_a_log_dropped_attempts_cannot_be_ruled_out(tmp_path):
    one = cheat.battery(tmp_path)
    cheat.sit(tmp_path, one, "p-anna", 1)
    cheat.log_of(tmp_path, one, "p-anna").path.unlink()
    assert cheat.answer(cheat.status(tmp_path, one)) == "no sitting log is here"


def test_the_window_of_time(tmp_path):
    one = cheat.battery(tmp_path, opens="2026-01-31T12:02:00Z", closes="2026-01-31T12:03:00Z")
    for item in (1, 2, 3, 4):
        cheat.sit(tmp_path, one, "p-anna", item)
    notes = cheat.status(tmp_path, one).learners[0].notes
    assert len(notes) == 2 and "item 1 began at" in notes[0] and "after the battery closed" in notes[1]


def test_nothing_at_all_is_a_status():
    assert battery_status(read_one(), []).learners[0].items[0].state == "missing"


def read_one():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return cheat.battery(Path(folder))


# --- the assignment


def made(**changed):
    items = changed.pop("items", cheat.items())
    more = {"engine": ENGINE_VERSION, "source": "0" * 64, "created": cheat.CREATED, "key": toy.KEY} | changed
    return make_battery("toy", "Toy battery", "toy", items, **more)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"items": cheat.items(5)}, "a battery of 5 items; expected 6 to 200"),
        ({"items": cheat.items() + cheat.items(1)}, "stands twice"),
        ({"opens": "2026-02-02T00:00:00Z", "closes": "2026-02-01T00:00:00Z"}, "closes .* before it opens"),
        ({"opens": "tomorrow"}, "expected a UTC time"),
        ({"learners": ("p-a", "p-a")}, "not different pseudonyms"),
        ({"engine": ""}, "engine is not"),
    ],
)
def test_an_assignment_that_makes_no_sense_is_not_made(changed, said):
    with pytest.raises(UsageError, match=said):
        made(**changed)


def test_an_assignment_is_read_back(tmp_path):
    (tmp_path / "b").write_bytes(made(learners=("p-b", "p-a")))
    one = read_battery(tmp_path / "b")
    assert one.items == tuple(cheat.items()) and one.learners == ("p-a", "p-b") and one.signer in cheat.TRUSTED
    assert len(one.sha256) == 64


@pytest.mark.parametrize("items", [[], [1], [{"scenario": "x"}], [{**cheat.items()[0].__dict__, "seed": -1}]])
def test_a_signed_assignment_of_nonsense_is_one_line(tmp_path, items):
    body = json.loads(made())
    for name in ("format", "version", "public_key", "signature"):
        del body[name]
    (tmp_path / "b").write_bytes(sign("scottie-battery", {**body, "items": items}, toy.KEY))
    with pytest.raises(RecordError) as failure:
        read_battery(tmp_path / "b")
    assert "\n" not in str(failure.value)


# --- the sitting log


def test_the_log_is_on_the_disk_before_the_patient_and_goes_on_after_a_torn_line(tmp_path):
    one = cheat.battery(tmp_path)
    log = cheat.log_of(tmp_path, one, "p-anna")
    copy = tmp_path / "copy" / "log.sitting"
    log.copies.append(copy)
    assert log.open(1, cheat.CREATED)[0] == 1
    assert copy.read_bytes() == log.path.read_bytes()
    with log.path.open("ab") as file:
        file.write(b'{"at":"torn')
    number, head = log.open(1, cheat.CREATED)
    assert number == 2 and read_sitting(log.path).head == head and log.read().opened(1) == 2
    log.close(1, 2, "abandoned", cheat.CREATED, "")
    assert read_sitting(copy).entries[-1]["event"] == "abandoned"


def test_items_are_taken_in_order(tmp_path):
    one = cheat.battery(tmp_path)
    log = cheat.log_of(tmp_path, one, "p-anna")
    assert next_item(6, log.read()) == 1
    log.open(1, cheat.CREATED)
    assert next_item(6, log.read()) == 2 and next_item(6, log.read(), 1) == 1
    for wrong, said in ((3, "expected 2 next"), (0, "expected 1 to 6"), (7, "expected 1 to 6")):
        with pytest.raises(UsageError, match=said):
            next_item(6, log.read(), wrong)
    for item in range(2, 7):
        log.open(item, cheat.CREATED)
    with pytest.raises(UsageError, match="has opened all 6 items"):
        next_item(6, log.read())


@pytest.mark.parametrize("data", [b"", b"hello\n", b"{}\n", b'{"h":"x"}\n', b"[" * 10**5 + b"\n"])
def test_a_log_that_is_none_is_one_line(data):
    with pytest.raises(RecordError) as failure:
        parse_sitting(data, "log")
    assert "\n" not in str(failure.value)


def test_every_byte_of_a_log_matters(tmp_path):
    one = cheat.battery(tmp_path)
    cheat.sit(tmp_path, one, "p-anna", 1)
    data = cheat.log_of(tmp_path, one, "p-anna").path.read_bytes()
    for at in range(0, len(data) - 1, 7):
        with pytest.raises(RecordError):
            parse_sitting(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "log")


def test_two_logs_that_tell_different_stories_are_noted(tmp_path):
    one = cheat.battery(tmp_path)
    cheat.sit(tmp_path, one, "p-anna", 1)
    other = tmp_path / "other"
    cheat.sit(other, one, "p-anna", 1, minute=5)
    assert any("two sitting logs differ" in note for note in cheat.status(tmp_path, one).learners[0].notes)
