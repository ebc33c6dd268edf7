"""A battery of the toy core, honest sittings at it, and the ways to cheat at it (scripts/forge.py and the tests use them)."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.battery import Battery, Item, against_root, battery_root, battery_status, make_battery, read_battery
from scoring.cohort import row_of
from scoring.keys import fingerprint
from scoring.record import seal, verify
from scoring.trust.documents import write_whole
from scoring.trust.roots import parse_root
from scoring.trust.sitting import SUFFIX, SittingLog, read_sitting
from scoring.trust.trustlist import TrustList
from sim.attempt import ENGINE_VERSION, Journal, Recorder, header_of, read_journal, read_raw
from sim.command import Command
from sim.errors import RecordError, UsageError
from sim.event import event
from tests import toy_attempt as toy

ITEMS, CREATED = 6, "2026-01-31T11:00:00Z"
LEARNERS = ("p-anna", "p-bela")
TRUSTED = {fingerprint(toy.KEY)}
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def items(count=ITEMS):
    return [Item("toy/l4-right", 1, "s" * 8, "r" * 8, "t" * 8, 100 + i) for i in range(count)]


def battery(folder: Path, name="battery.json", created=CREATED, **changed) -> Battery:
    more = {"engine": ENGINE_VERSION, "source": "0" * 64, "created": created, "key": toy.KEY, "learners": LEARNERS} | changed
    path = folder / name
    write_whole(path, make_battery("toy", "Toy battery", "toy", items(), **more))
    return read_battery(path)


def log_of(folder: Path, one: Battery, learner: str) -> SittingLog:
    return SittingLog(folder / f"{one.sha256[:16]}-{learner}{SUFFIX}", one.sha256, learner, toy.KEY)


def script_of(item: int, learner: str) -> dict[int, Command]:
    depth = 10_000 + 1000 * item + 100 * LEARNERS.index(learner)
    return {5: Command("timeout.call", (3, 1)), 30: Command("needle.move", (depth, 5_000)), 60: Command("finish")}


def sit(
    folder: Path,
    one: Battery,
    learner: str,
    item: int,
    *,
    study=None,
    key=toy.KEY,
    script=None,
    minute=None,
    finish=True,
    by="trainee",
):
    """Do one item honestly unless told otherwise; return the sealed record (the journal if it is not finished)."""
    log, at = log_of(folder, one, learner), f"2026-01-31T12:{item if minute is None else minute:02d}:00Z"
    attempt, head = log.open(item, at)
    where = folder / learner / f"item-{item}-{attempt}"
    about = {"learner": learner, "battery": one.place(item, attempt, head), "started": at, "operator": by}
    study = study or toy.Study(seed=one.items[item - 1].seed, mode="assessment")
    script = script_of(item, learner) if script is None else script
    if not finish:
        return toy.record(where, script={5: Command("prep.skin")}, study=study, ticks=50, **about)
    path = toy.sealed(where, key=key, script=script, study=study, **about)
    log.close(item, attempt, "sealed", at, read_raw(path).root)
    return path


def sit_all(folder: Path, one: Battery, learners=LEARNERS) -> None:
    for learner in learners:
        for item in range(1, len(one.items) + 1):
            sit(folder, one, learner, item)


def status(folder: Path, one: Battery, trusted=None, check=toy.toy_verify):
    paths = sorted([*folder.rglob("*.scottie"), *folder.rglob("*.journal")])
    rows = [row_of(check(path, trusted=TRUSTED if trusted is None else trusted)) for path in paths]
    return battery_status(one, rows, [read_sitting(path) for path in sorted(folder.rglob(f"*{SUFFIX}"))])


def answer(result) -> str:
    """Return the first thing a status finds wrong, "nothing" if there is none."""
    for _, verdict, _ in result.refused:
        return verdict
    for who in result.learners:
        for one in who.items:
            if one.state not in ("done", "missing"):
                return one.state
            if one.others:
                return "repeated"
            if one.notes:
                return one.notes[0]
        if who.notes:
            return who.notes[0].partition(":")[0]
    return "nothing"


def other_study(one: Battery, **changed):
    return replace(toy.Study(seed=one.items[0].seed, mode="assessment"), **changed)


def lenient(path, **more):
    """Verify with whatever study the header names: as an installation that has that other scenario or rubric would."""

    def make(header):
        names = ("scenario_hash", "rubric_hash", "tools_hash", "seed", "mode")
        return toy.Study(**{name: header[name] for name in names})

    return verify(path, make, toy.score_of, rerun=toy.toy_replay, **more)


# --- attacks: each returns (answer, the answer that is wanted)


def an_honest_battery(folder):
    one = battery(folder)
    sit_all(folder, one)
    return answer(status(folder, one)), "nothing"


def a_dropped_attempt(folder):
    one = battery(folder)
    sit_all(folder, one)
    next(folder.rglob("item-3-1/attempt.scottie")).unlink()
    return answer(status(folder, one)), "dropped"


def a_bad_first_attempt_left_out(folder):
    one = battery(folder)
    bad = sit(folder, one, "p-anna", 1)
    sit(folder, one, "p-anna", 1, minute=2)
    bad.unlink()
    return answer(status(folder, one)), "dropped"


def a_bad_first_attempt_left_out_with_its_log(folder):
    one = battery(folder)
    bad = sit(folder, one, "p-anna", 1)
    sit(folder, one, "p-anna", 1, minute=2)
    bad.unlink()
    log_of(folder, one, "p-anna").path.unlink()
    return answer(status(folder, one)), "dropped"


def a_better_attempt_in_the_place_of_the_first(folder):
    """Play again under the same claim with the very key of the machine: only the sitting log knows which one was sealed."""
    one = battery(folder)
    path = sit(folder, one, "p-anna", 1)
    place = read_raw(path).header["battery"]
    study = toy.Study(seed=one.items[0].seed, mode="assessment")
    about = {"learner": "p-anna", "battery": place, "started": "2026-01-31T12:30:00Z", "operator": "trainee"}
    path.unlink()
    toy.sealed(path.parent, script={50: Command("finish")}, study=study, **about)
    return answer(status(folder, one)), "replaced"


def a_sealed_attempt_shown_as_cut_short(folder):
    one = battery(folder)
    path = sit(folder, one, "p-anna", 1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))
    return answer(status(folder, one)), "replaced"


def a_first_attempt_repeated(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1)
    sit(folder, one, "p-anna", 1, minute=2)
    return answer(status(folder, one)), "repeated"


def an_attempt_broken_off(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1, finish=False)
    return answer(status(folder, one)), "interrupted"


def a_duplicated_attempt(folder):
    one = battery(folder)
    sit_all(folder, one)
    path = next(folder.rglob("item-2-1/attempt.scottie"))
    shutil.copy(path, path.with_name("copy.scottie"))
    return answer(status(folder, one)), "duplicate"


def a_good_attempt_handed_in_for_another_item(folder):
    from scripts import forge

    one = battery(folder)
    path = sit(folder, one, "p-anna", 1)
    lines = forge.unchained(path.read_bytes())
    lines[0]["header"]["battery"]["item"] = 2
    path.write_bytes(forge.resigned(lines, toy.KEY))
    return answer(status(folder, one)), "altered"


def an_attempt_handed_in_for_another_learner(folder):
    from scripts import forge

    one = battery(folder)
    path = sit(folder, one, "p-anna", 1)
    lines = forge.unchained(path.read_bytes())
    lines[0]["header"]["learner"] = "p-bela"
    path.write_bytes(forge.resigned(lines, toy.KEY))
    return answer(status(folder, one)), "altered"


def items_in_another_order(folder):
    one = battery(folder)
    for item in (2, 1, 3):
        sit(folder, one, "p-anna", item, minute=10 + item)
    return answer(status(folder, one)), "item 2 was opened before item 1"


def a_clock_set_back(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1, minute=30)
    sit(folder, one, "p-anna", 2, minute=20)
    return answer(status(folder, one)), "item 2 began before item 1"


def a_swapped_rubric(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1, study=other_study(one, rubric_hash="q" * 8))
    return answer(status(folder, one, check=lenient)), "swapped-rubric"


def a_swapped_rubric_that_is_not_installed(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1, study=other_study(one, rubric_hash="q" * 8))
    return answer(status(folder, one)), "different-engine"


def a_swapped_scenario(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1, study=other_study(one, scenario_hash="q" * 8))
    return answer(status(folder, one, check=lenient)), "swapped-scenario"


def an_easier_patient(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1, study=other_study(one, seed=7))
    return answer(status(folder, one)), "wrong-seed"


def a_script_in_the_place_of_a_person(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1, by="expert")
    sit(folder, one, "p-anna", 2)
    notes = status(folder, one).notes
    return "noted" if notes == ["1 of 2 attempts were made by scripts (expert, ...), not by a person"] else str(notes), "noted"


def a_practice_attempt(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1, study=other_study(one, mode="practice"))
    return answer(status(folder, one)), "wrong-mode"


def an_attempt_signed_with_another_key(folder):
    from scripts import forge

    one = battery(folder)
    path = sit(folder, one, "p-anna", 1)
    path.write_bytes(forge.resigned(forge.unchained(path.read_bytes()), STRANGER))
    return answer(status(folder, one)), "untrusted"


def an_attempt_under_a_revoked_key(folder):
    one = battery(folder)
    sit(folder, one, "p-anna", 1)
    revoked = TrustList(dict.fromkeys(TRUSTED, ""), {fingerprint(toy.KEY): ("2026-02-01T00:00:00Z", "stolen")})
    return answer(status(folder, one, trusted=revoked)), "untrusted"


def a_revoked_key_with_a_witness_is_believed(folder):
    one = battery(folder)
    root = read_raw(sit(folder, one, "p-anna", 1)).root
    revoked = {fingerprint(toy.KEY): ("2026-02-01T00:00:00Z", "stolen")}
    seen = TrustList(dict.fromkeys(TRUSTED, ""), revoked, {root: "2026-01-31T18:00:00Z"})
    return answer(status(folder, one, trusted=seen)), "nothing"


def a_replayed_old_battery(folder):
    old = battery(folder, "old.json", created="2025-01-31T11:00:00Z")
    one = battery(folder)
    sit_all(folder, old, ("p-anna",))
    return answer(status(folder, one)), "replayed-battery"


def a_learner_who_was_not_assigned(folder):
    one = battery(folder, learners=("p-anna",))
    sit(folder, one, "p-bela", 1)
    return answer(status(folder, one)), "not-assigned"


def an_assignment_with_other_seeds(folder):
    battery(folder)
    path = folder / "battery.json"
    path.write_bytes(path.read_bytes().replace(b'"seed":100', b'"seed":999'))
    try:
        read_battery(path)
    except RecordError as error:
        return str(error).partition(": ")[2].partition(":")[0], "its signature does not fit"
    return "accepted", "its signature does not fit"


def a_sitting_log_with_an_entry_changed(folder):
    one = battery(folder)
    sit_all(folder, one, ("p-anna",))
    path = log_of(folder, one, "p-anna").path
    path.write_bytes(path.read_bytes().replace(b'"item":3', b'"item":4', 1))
    try:
        read_sitting(path)
    except RecordError as error:
        return "altered" if "does not match its hash" in str(error) else str(error), "altered"
    return "accepted", "altered"


def a_record_of_the_root_left_out(folder):
    one = battery(folder)
    sit_all(folder, one, ("p-anna",))
    root = parse_root(battery_root(status(folder, one), CREATED, toy.KEY), "root")
    next(folder.rglob("item-6-1/attempt.scottie")).unlink()
    log_of(folder, one, "p-anna").path.unlink()
    missing = against_root(status(folder, one), root)
    return "dropped" if len(missing) == 1 and "dropped" in missing[0] else str(missing), "dropped"


def a_later_root_without_a_record(folder):
    one = battery(folder)
    sit_all(folder, one, ("p-anna",))
    before = parse_root(battery_root(status(folder, one), CREATED, toy.KEY), "root")
    next(folder.rglob("item-6-1/attempt.scottie")).unlink()
    try:
        battery_root(status(folder, one), CREATED, toy.KEY, before)
    except UsageError as error:
        return "refused" if "not here" in str(error) else str(error), "refused"
    return "accepted", "refused"


def _patched(study, state, command=toy.IDLE):
    state, events = toy.advance(study, state, command)
    softer = [event(f.tick, "popped", **{**f.data, "depth_um": f["depth_um"] // 2}) if f.kind == "popped" else f for f in events]
    return state, tuple(softer)


def _with_patched_engine(folder, source=None):
    """Play with an engine whose needle goes half as deep; `source` is what the header says of its files."""
    one = battery(folder)
    log = log_of(folder, one, "p-anna")
    attempt, head = log.open(1, "2026-01-31T12:01:00Z")
    study = toy.Study(seed=one.items[0].seed, mode="assessment")
    session = toy.Session(study)
    about = {"learner": "p-anna", "battery": one.place(1, attempt, head), "started": "2026-01-31T12:01:00Z"}
    header = header_of(study, operator="trainee", **about) | ({"source": source} if source else {})
    recorder = Recorder(session, Journal(folder / "attempt.journal", header))
    plan = script_of(1, "p-anna")
    toy_advance, toy.advance = toy.advance, partial(_restore, _patched, toy.advance)
    try:
        while not session.finished:
            if session.state.tick + 1 in plan:
                session.queue.append(plan[session.state.tick + 1])
            recorder.tick()
    finally:
        toy.advance = toy_advance
    recorder.close()
    journal = folder / "attempt.journal"
    seal(journal, toy.score_of(read_journal(journal)), toy.KEY, folder / "attempt.scottie")
    result = status(folder, one)
    return result.refused[0][1:] if result.refused else ("nothing", "")


def _restore(patched, plain, study, state, command=toy.IDLE):
    toy.advance, keep = plain, toy.advance
    try:
        return patched(study, state, command)
    finally:
        toy.advance = keep


def an_engine_patched_in_memory(folder):
    verdict, why = _with_patched_engine(folder)
    return verdict if "tick 30 (0.30 s): event 'popped': depth_um" in why else why, "altered"


def an_engine_patched_in_its_source(folder):
    from sim.attempt import source_digests

    patched = {**source_digests(), "sim/needle.py": hashlib.sha256(b"patched").hexdigest()[:16]}
    verdict, why = _with_patched_engine(folder, patched)
    return verdict if "sim/needle.py differs" in why and "tick 30" in why else why, "different-engine"


ATTACKS = (
    an_honest_battery,
    a_dropped_attempt,
    a_bad_first_attempt_left_out,
    a_bad_first_attempt_left_out_with_its_log,
    a_better_attempt_in_the_place_of_the_first,
    a_sealed_attempt_shown_as_cut_short,
    a_first_attempt_repeated,
    an_attempt_broken_off,
    a_duplicated_attempt,
    a_good_attempt_handed_in_for_another_item,
    an_attempt_handed_in_for_another_learner,
    items_in_another_order,
    a_clock_set_back,
    a_swapped_rubric,
    a_swapped_rubric_that_is_not_installed,
    a_swapped_scenario,
    an_easier_patient,
    a_script_in_the_place_of_a_person,
    a_practice_attempt,
    an_attempt_signed_with_another_key,
    an_attempt_under_a_revoked_key,
    a_revoked_key_with_a_witness_is_believed,
    a_replayed_old_battery,
    a_learner_who_was_not_assigned,
    an_assignment_with_other_seeds,
    a_sitting_log_with_an_entry_changed,
    a_record_of_the_root_left_out,
    a_later_root_without_a_record,
    an_engine_patched_in_memory,
    an_engine_patched_in_its_source,
)
