"""Merkle trees, signed documents, keys, trust lists, pseudonyms, format versions, and the independent checker."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from scoring import keys, merkle
from scoring.record import check_file
from scoring.trust import documents, roots
from scoring.trust.keyring import Keyring, parse_card
from scoring.trust.people import NameMap, check_pseudonym, pseudonym_of
from scoring.trust.trustlist import TrustList, load_trust
from sim.attempt import read_raw, source_digests
from sim.attempt.source import ROOT, differing, digests_of
from sim.errors import DataError, MachineError, RecordError, UsageError
from tests import toy_attempt as toy

NOW, LATER = "2026-01-31T12:00:00Z", "2026-03-01T00:00:00Z"
V1 = Path(__file__).parent / "data" / "attempt_v1.scottie"

# --- Merkle trees. Leaves, roots and paths: test vectors of Certificate Transparency (the CT reference implementation).

LEAVES = [
    bytes.fromhex(x) for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
PATH_OF_LEAF_5 = [
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
FROM_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]


def test_the_published_vectors():
    assert merkle.root([]) == merkle.EMPTY
    for size, expected in ROOTS.items():
        assert merkle.root(LEAVES[:size]).hex() == expected
    assert [step.hex() for step in merkle.inclusion_proof(LEAVES, 5)] == PATH_OF_LEAF_5
    assert [step.hex() for step in merkle.consistency_proof(LEAVES, 6)] == FROM_6_TO_8


@given(st.integers(1, 70), st.data())
def test_every_proof_holds_and_no_other(size, data):
    leaves = [b"%d" % i for i in range(size)]
    root, index = merkle.root(leaves), data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_proof(leaves, index)
    assert merkle.inclusion_holds(leaves[index], index, size, path, root)
    assert not merkle.inclusion_holds(b"other", index, size, path, root)
    assert not merkle.inclusion_holds(leaves[index], index, size, [*path, root], root)
    assert not path or not merkle.inclusion_holds(leaves[index], index, size, path[:-1], root)
    old = data.draw(st.integers(1, size))
    proof, before = merkle.consistency_proof(leaves, old), merkle.root(leaves[:old])
    assert merkle.consistency_holds(old, size, before, root, proof)
    assert old == size or not merkle.consistency_holds(old, size, merkle.root([b"x", *leaves[1:old]]), root, proof)
    assert not merkle.consistency_holds(old, size, before, root, [*proof, root])


def test_a_leaf_that_is_not_there():
    for wrong in (-1, 8):
        with pytest.raises(IndexError):
            merkle.inclusion_proof(LEAVES, wrong)
    assert not merkle.inclusion_holds(b"", 3, 2, [], b"")
    assert not merkle.consistency_holds(0, 3, b"", b"", [])


# --- keys


@pytest.fixture
def ring(tmp_path):
    made = Keyring(tmp_path / "ring")
    made.make("room 1", NOW)
    return made


def saved(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def test_a_key_has_a_card_and_a_rotation_is_signed_by_both(ring):
    first = ring.card(NOW)
    old, new = ring.rotate(LATER)
    assert old == first and new.replaces == first.public_key and new.name == "room 1"
    assert keys.fingerprint(ring.active()) == new.fingerprint and ring.card(LATER) == new
    assert keys.public_hex(ring.own_key(first.fingerprint)) == first.public_key
    changed = new.data.replace(first.public_key.encode(), keys.public_hex(toy.KEY).encode())
    with pytest.raises(RecordError, match="changed after it was signed"):
        parse_card(changed, "card")


def test_a_card_that_claims_another_key_as_its_own_past_is_refused(ring):
    body = {"name": "x", "created": NOW, "replaces": keys.public_hex(toy.KEY), "endorsement": "0" * 128}
    with pytest.raises(RecordError, match="the key before it did not sign"):
        parse_card(documents.sign("scottie-key", body, Ed25519PrivateKey.generate()), "card")


def test_making_twice_or_renaming_is_refused(ring):
    with pytest.raises(UsageError, match="there is a key already"):
        ring.make("again", NOW)
    with pytest.raises(UsageError, match="named 'room 1' already"):
        ring.card(NOW, "room 2")


def test_a_rotation_cut_short_leaves_the_old_key_with_its_card(ring):
    before, (folder_key, card) = ring.card(NOW), (ring.key_path.read_bytes(), None)
    ring.rotate(LATER)
    ring.key_path.write_bytes(folder_key)  # as if killed before the last rename: new card, old key
    card = ring.card(LATER)
    assert card == before


def test_a_key_with_a_passphrase(tmp_path, monkeypatch):
    monkeypatch.setenv(keys.PASSPHRASE, "a long one")
    ring = Keyring(tmp_path / "k")
    ring.make("locked", NOW, "a long one")
    assert b"ENCRYPTED" in ring.key_path.read_bytes() and ring.active()
    monkeypatch.setenv(keys.PASSPHRASE, "another")
    with pytest.raises(MachineError, match="passphrase is wrong"):
        ring.active()
    monkeypatch.delenv(keys.PASSPHRASE)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(MachineError, match="expected its passphrase"):
        ring.active()


def test_a_missing_key_is_one_line(tmp_path):
    with pytest.raises(MachineError, match=r"there is no signing key; make one with: main.py key make"):
        Keyring(tmp_path).active()


# --- whom to believe


def test_a_trust_folder_of_cards_lists_and_revocations(ring, tmp_path):
    folder, card = tmp_path / "trust", ring.card(NOW)
    saved(folder, "card.json", card.data)
    saved(folder, "more.txt", f"# machines\n{keys.public_hex(toy.KEY)}\n{'a' * 32} admin\n".encode())
    trust = load_trust(folder)
    assert set(trust.keys) == {card.fingerprint, keys.fingerprint(toy.KEY), "a" * 32}
    assert trust.doubt(card.fingerprint, "r") == "" and "not a trusted key" in trust.doubt("b" * 32, "r")
    saved(folder, "revoked.json", ring.revoke(card.public_key, LATER, "stolen", LATER))
    trust = load_trust(folder)
    assert trust.doubt(card.fingerprint, "r") == (
        f"signed by {card.fingerprint}, revoked since {LATER} (stolen); no trusted root of an earlier date holds this record"
    )
    assert TrustList.from_dict(json.loads(json.dumps(trust.as_dict()))) == trust
    assert load_trust(folder, any_key=True).doubt("b" * 32, "r") == ""
    assert "revoked" in load_trust(folder, any_key=True).doubt(card.fingerprint, "r")


def test_only_a_root_of_another_trusted_key_made_before_the_revocation_is_a_witness(ring, tmp_path):
    folder, card, leaf = tmp_path / "trust", ring.card(NOW), "1" * 64
    saved(folder, "card.json", card.data)
    saved(folder, "revoked.json", ring.revoke(card.public_key, LATER, "", LATER))

    def believed(key, at, trusted=True):
        saved(folder, "keys.txt", keys.fingerprint(key).encode() if trusted else b"")
        saved(folder, "root.json", roots.make_root("b", "0" * 64, [leaf], at, key))
        return load_trust(folder).doubt(card.fingerprint, leaf) == ""

    assert believed(toy.KEY, NOW)
    assert load_trust(folder).doubt(card.fingerprint, "2" * 64)
    assert not believed(toy.KEY, "2026-03-02T00:00:00Z")
    assert not believed(toy.KEY, NOW, trusted=False)
    assert not believed(ring.active(), NOW)


def test_who_may_revoke(ring, tmp_path):
    folder, first = tmp_path / "trust", ring.card(NOW)
    _, second = ring.rotate(LATER)
    saved(folder, "1.json", first.data)
    saved(folder, "2.json", second.data)
    by_successor = {"key": first.public_key, "since": NOW, "reason": "", "created": LATER}
    saved(folder, "r.json", documents.sign("scottie-revocation", by_successor, ring.active()))
    assert first.fingerprint in load_trust(folder).revoked
    saved(folder, "r.json", documents.sign("scottie-revocation", by_successor, toy.KEY))
    with pytest.raises(RecordError, match="may not revoke"):
        load_trust(folder)
    saved(folder, "admin.txt", f"{keys.fingerprint(toy.KEY)} admin".encode())
    assert first.fingerprint in load_trust(folder).revoked


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"hello", b"{}", b"[1]", b'{"format":"scottie-key"}', b"a" * 32 + b" boss", b"[" * 10**6]
)
def test_a_trust_file_that_is_none_is_one_line(tmp_path, content):
    with pytest.raises(RecordError) as failure:
        load_trust(saved(tmp_path / "t", "file", content))
    assert "\n" not in str(failure.value) and "file" in str(failure.value)


# --- signed documents

PLAIN = st.dictionaries(
    st.sampled_from("abc"), st.text(max_size=5) | st.integers(-9, 9) | st.lists(st.integers(0, 9), max_size=3)
)


@given(PLAIN, st.data())
def test_no_changed_document_is_read(body, data):
    fields = {name: type(value) for name, value in body.items()}
    whole = documents.sign("scottie-test", body, toy.KEY)
    assert documents.parse_signed(whole, "scottie-test", fields, "file")["public_key"] == keys.public_hex(toy.KEY)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with pytest.raises(RecordError) as failure:
        documents.parse_signed(changed, "scottie-test", fields, "file")
    assert "\n" not in str(failure.value)


def test_a_document_of_another_kind_or_a_newer_version_is_named(ring):
    with pytest.raises(RecordError, match="is a scottie-key file; expected a scottie-root file"):
        roots.parse_root(ring.card(NOW).data, "file")
    with pytest.raises(RecordError, match="is of version 2; this program reads version 1"):
        parse_card(ring.card(NOW).data.replace(b'"version":1', b'"version":2'), "card")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a" / "file"
    documents.write_whole(path, b"one")
    with pytest.raises(MachineError, match="File exists"):
        documents.write_whole(path, b"two", new=True)
    monkeypatch.setattr(documents.os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(MachineError, match="No space left on device"):
        documents.write_whole(path, b"three")
    assert path.read_bytes() == b"one" and len(list(path.parent.iterdir())) == 1


# --- pseudonyms


def test_pseudonyms_are_stable_and_erasing_removes_all_that_could_link_them(tmp_path):
    names = NameMap(tmp_path / "people.json")
    anna, bela = names.add("4711", "Anna A"), names.add("4712", "Bela B")
    assert anna.pseudonym != bela.pseudonym and re.fullmatch("p-[a-z2-7]{20}", anna.pseudonym)
    assert NameMap(names.path).add("4711") == anna and names.path.stat().st_mode & 0o077 == 0
    assert pseudonym_of(names.secret, bytes.fromhex(anna.salt), "4711") == anna.pseudonym
    names.erase("4711")
    text = names.path.read_text()
    assert not any(word in text for word in (anna.pseudonym, anna.salt, "4711", "Anna"))
    again = NameMap(names.path)
    assert again.find(bela.pseudonym).name == "Bela B"
    assert again.add("4711").pseudonym != anna.pseudonym
    with pytest.raises(UsageError, match="unknown learner"):
        again.erase(anna.pseudonym)


def test_what_a_learner_may_not_be_called(tmp_path):
    names = NameMap(tmp_path / "people.json")
    for wrong in ("", "p-abc", "x" * 201, "a\nb"):
        with pytest.raises(UsageError):
            names.add(wrong)
    names.add("1", "Anna")
    with pytest.raises(UsageError, match="under another name"):
        names.add("1", "Bela")
    for wrong in ("Anna A", "", "../x", "-x", "ä"):
        with pytest.raises(UsageError, match="expected a pseudonym"):
            check_pseudonym(wrong)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format":"scottie-people","version":9}', "[" * 100_000])
def test_a_damaged_map_is_one_line(tmp_path, text):
    (tmp_path / "people.json").write_text(text)
    with pytest.raises(DataError, match="damaged; expected the name map") as failure:
        NameMap(tmp_path / "people.json")
    assert "\n" not in str(failure.value)


# --- format versions and source files


def test_a_record_of_format_1_still_verifies(monkeypatch):
    """Made by the program that wrote format 1; engine versions rise, so the test pretends to be that engine."""
    engine = read_raw(V1).header["engine"]
    for module in ("sim.attempt.transcript", "scoring.record"):
        monkeypatch.setattr(f"{module}.ENGINE_VERSION", engine)
    verdict = toy.toy_verify(V1)
    assert verdict.ok and verdict.header["version"] == 1 and "learner" not in verdict.header
    assert verdict.as_dict()["operator"] == "expert"


@pytest.mark.parametrize(("version", "status", "said"), [(3, "newer-format", "update Scottie"), (0, "unreadable", "1 to 2")])
def test_a_record_of_another_format_is_named(tmp_path, version, status, said):
    path = toy.sealed(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"version":2}', b'"version":%d}' % version))
    verdict = toy.toy_verify(path)
    assert verdict.status == status and said in verdict.reason


def test_a_header_of_format_1_in_a_file_of_format_2_is_refused(tmp_path):
    path = toy.sealed(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"version":2}', b'"version":1}'))
    assert check_file(path).status == "altered"


def test_the_source_that_runs_is_named_and_pictures_are_not():
    named = source_digests()
    assert {"sim/session.py", "sim/needle.py", "scoring/score.py", "scenarios/data/tissues.toml"} <= named.keys()
    assert not [name for name in named if name.startswith(("sim/window", "sim/attempt", "sim/projector"))]
    assert digests_of(ROOT) == named and differing({**named, "sim/beam.py": "0", "new.py": "1"}, named) == [
        "new.py",
        "sim/beam.py",
    ]


def test_other_source_and_an_equal_replay_is_told_in_practice_and_refused_in_an_assessment(tmp_path, monkeypatch):
    monkeypatch.setattr("sim.attempt.header.source_digests", lambda: {**source_digests(), "sim/beam.py": "0" * 16})
    practice = toy.toy_verify(toy.sealed(tmp_path / "p"))
    assert practice.ok and practice.reason.endswith("made with another engine: sim/beam.py differs, the replay is equal")
    exam = toy.toy_verify(toy.sealed(tmp_path / "a", study=toy.Study(mode="assessment")))
    assert exam.status == "different-engine" and "sim/beam.py differs; here every event" in exam.reason


@pytest.mark.parametrize(
    "changed",
    [
        {"handedness": "both"},
        {"learner": "a\nb"},
        {"site": "x" * 201},
        {"source": {"../x": "0" * 16}},
        {"source": {"a.py": "0"}},
        {"battery": {"id": "b"}},
        {"battery": {"id": "b", "item": 0, "sha256": "0" * 64, "attempt": 1, "log": "0" * 64}},
        {"battery": {"id": "b", "item": 1, "sha256": "0" * 64, "attempt": 1, "log": "x"}},
    ],
)
def test_an_impossible_header_is_refused(tmp_path, changed):
    from sim.attempt import Journal, header_of

    with pytest.raises(UsageError, match="attempt record: "):
        Journal(tmp_path / "j", header_of(toy.Study(), operator="x", started=NOW) | changed)


# --- the independent checker


def independent(*paths):
    program = Path(__file__).parent / "independent.py"
    return subprocess.run([sys.executable, "-I", program, *paths], capture_output=True, text=True, check=False)


def test_the_program_in_the_docs_is_the_one_that_is_tested():
    page = (ROOT / "docs" / "RECORD.md").read_text()
    assert re.search(r"```python\n(.*?)```", page, re.S)[1] == (Path(__file__).parent / "independent.py").read_text()


def test_it_needs_nothing_of_scottie_and_accepts_all_that_is_genuine(tmp_path, ring):
    record = toy.sealed(tmp_path)
    leaves = [read_raw(record).root, *(f"{i:064x}" for i in range(6))]
    old = roots.parse_root(roots.make_root("b", "0" * 64, leaves[:3], NOW, toy.KEY), "old")
    data = roots.make_root("b", "0" * 64, leaves, NOW, toy.KEY, old)
    new = roots.parse_root(data, "new")
    files = [record, V1, saved(tmp_path, "root.json", data), saved(tmp_path, "card.json", ring.card(NOW).data)]
    proofs = [roots.inclusion(new, leaf) for leaf in leaves] + [roots.consistency(old, new), roots.consistency(new, new)]
    files += [saved(tmp_path, f"proof{i}", json.dumps(p).encode() + b"\n") for i, p in enumerate(proofs)]
    done = independent(*files)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(files) and keys.fingerprint(toy.KEY) in done.stdout


def test_it_refuses_what_was_changed(tmp_path):
    record = toy.sealed(tmp_path)
    leaves = [f"{i:064x}" for i in range(5)]
    root = roots.make_root("b", "0" * 64, leaves, NOW, toy.KEY)
    inclusion = roots.inclusion(roots.parse_root(root, "root"), leaves[2])
    for number, (data, old, new) in enumerate(
        [
            (record.read_bytes(), b"expert", b"Expert"),
            (record.read_bytes(), b'"passed":false', b'"passed":true'),
            (root, b'"size":5', b'"size":6'),
            (json.dumps(inclusion).encode() + b"\n", b'"index": 2', b'"index": 3'),
        ]
    ):
        changed = data.replace(old, new)
        assert changed != data
        assert independent(saved(tmp_path, f"bad{number}", changed)).returncode != 0


def test_a_later_root_only_adds(tmp_path):
    leaves = [f"{i:064x}" for i in range(4)]
    old = roots.parse_root(roots.make_root("b", "0" * 64, leaves, NOW, toy.KEY), "old")
    for wrong in (leaves[:3], leaves[::-1]):
        with pytest.raises(UsageError, match="missing or in another order"):
            roots.make_root("b", "0" * 64, wrong, NOW, toy.KEY, old)
    with pytest.raises(UsageError, match="of the same file"):
        roots.make_root("b", "1" * 64, leaves, NOW, toy.KEY, old)
    with pytest.raises(UsageError, match="does not hold the record"):
        roots.inclusion(old, "f" * 64)
