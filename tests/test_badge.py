"""Open Badge from a decision: refused without a standard or evidence; tampered, expired, revoked and foreign ones named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from scoring.exchange import badge, jws
from scoring.exchange.badge import Evidence
from scoring.exchange.decision import Decision, make_decision, parse_decision
from scoring.keys import public_hex
from sim.errors import RecordError, UsageError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
RECORDS = [f"{n:064x}" for n in range(1, 13)]
STANDARD = "5" * 64
TEXT = "Contrasting groups, 15 novices and 15 experts, cut 78 points (74 to 81), decided 2026-01-10."


def body(**changes: Any) -> dict[str, Any]:
    base = {
        "learner": "p-3f2a",
        "procedure": "lumbar-tfesi",
        "battery": "tfesi-2026",
        "battery_sha256": "b" * 64,
        "records": RECORDS,
        "standard_sha256": STANDARD,
        "outcome": "granted",
        "reason": "All conditions met.",
        "decided_by": ["Chair", "Member"],
        "decided": "2026-03-01T10:00:00Z",
        "valid_until": "2028-03-01T10:00:00Z",
    }
    return {**base, **changes}


def decision(**changes: Any) -> Decision:
    return parse_decision(make_decision(body(**changes), KEY), "decision")


def evidence(**changes: Any) -> Evidence:
    base: dict[str, Any] = {"standard_sha256": STANDARD, "provisional": False, "standard_text": TEXT}
    return Evidence(**{**base, "statuses": dict.fromkeys(RECORDS, "verified"), **changes})


def token(**changes: Any) -> str:
    return badge.issue(decision(**changes), evidence(), KEY, "Programme of X")


def status(made: str, now: str = "2026-06-01T00:00:00Z", key: Ed25519PrivateKey = KEY, **more: Any) -> str:
    return badge.verify(made, public_hex(key), now, **more).status


def test_a_badge_verifies_offline() -> None:
    verdict = badge.verify(token(), public_hex(KEY), "2026-06-01T00:00:00Z")
    assert verdict.ok
    assert list(badge.complaints(verdict.credential or {})) == []
    assert token() == token()
    header, payload = jws.parts_of(token())
    assert header["alg"] == "EdDSA"
    assert header["typ"] == "JWT"
    assert header["kid"].startswith(payload["iss"])
    assert "competen" not in json.dumps(payload).lower()
    assert payload["credentialSubject"]["achievement"]["criteria"]["narrative"] == TEXT


def test_any_other_jose_library_can_check_it() -> None:
    """RFC 8037: verified here with the key alone and the standard library's base64, not with our own reader."""
    import base64

    message, _, signature = token().rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    KEY.public_key().verify(raw, message.encode())


def test_rfc_8037_example() -> None:
    """RFC 8037, appendix A.4: key of A.1, payload "Example of Ed25519 signing"."""
    secret = jws.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    public = jws.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").hex()
    assert public_hex(Ed25519PrivateKey.from_private_bytes(secret)) == public
    signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    assert jws.encode(Ed25519PrivateKey.from_private_bytes(secret).sign(signed.encode())) == expected


def test_did_key_example() -> None:
    """The did:key Method, Ed25519 example: this key of 32 bytes has this name."""
    public = "2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6"
    assert jws.did_key(public) == "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


@pytest.mark.parametrize(
    ("changes", "proof", "word"),
    [
        ({"outcome": "deferred"}, {}, "expected one that is granted"),
        ({}, {"standard_sha256": None}, "no standard set"),
        ({"standard_sha256": ""}, {}, "no standard set"),
        ({}, {"provisional": True}, "provisional"),
        ({}, {"standard_sha256": "6" * 64}, "another standard"),
        ({}, {"statuses": dict.fromkeys(RECORDS[1:], "verified")}, "is missing"),
        ({}, {"statuses": {**dict.fromkeys(RECORDS, "verified"), RECORDS[4]: "altered"}}, "is altered"),
        ({}, {"statuses": dict.fromkeys(RECORDS, "sealed")}, "is sealed"),
    ],
)
def test_refused(changes: dict[str, Any], proof: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        badge.issue(decision(**changes), evidence(**proof), KEY, "X")


def test_named_verdicts() -> None:
    made = token()
    credential = jws.parts_of(made)[1]
    assert status(made) == "valid"
    assert status(made, now="2026-02-01T00:00:00Z") == "not-yet-valid"
    assert status(made, now="2028-03-01T10:00:00Z") == "expired"
    assert status(made, key=OTHER) == "wrong-key"
    assert status(made, revoked={credential["id"]: "decision withdrawn"}) == "revoked"
    assert status(made, revoked={"urn:uuid:other": ""}) == "valid"
    assert status(token(valid_until=""), now="2099-01-01T00:00:00Z") == "valid"


def test_a_badge_signed_by_another_key_in_the_issuers_name() -> None:
    header, payload = jws.parts_of(token())
    assert status(jws.sign(header, payload, OTHER)) == "tampered"


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["credentialSubject"].update(id="urn:uuid:somebody-else"),
        lambda c: c.update(validUntil="2099-01-01T00:00:00Z"),
        lambda c: c.pop("@context"),
        lambda c: c["credentialSubject"]["achievement"].pop("criteria"),
        lambda c: c["credentialSubject"]["achievement"].pop("name"),
        lambda c: c.update(type=["VerifiableCredential"]),
        lambda c: c.pop("nbf"),
        lambda c: c.update(issuer="x"),
    ],
)
def test_a_credential_that_contradicts_itself_is_malformed_even_when_signed(change: Any) -> None:
    header, payload = jws.parts_of(token())
    change(payload)
    assert status(jws.sign(header, payload, KEY)) == "malformed"


@pytest.mark.parametrize("junk", ["", "a.b.c", "..", "x" * 300_000, "e30.e30.", "bnVsbA.bnVsbA.AA", "a" * 10, token()[:-3]])
def test_junk_is_a_verdict(junk: str) -> None:
    assert status(junk) in ("malformed", "wrong-key", "tampered")


def test_no_other_algorithm() -> None:
    header, payload = jws.parts_of(token())
    for name in ("none", "HS256", "ES256"):
        head = jws.encode(json.dumps({**header, "alg": name}).encode())
        assert status(f"{head}.{jws.encode(json.dumps(payload).encode())}.") == "malformed"


@given(st.integers(0, 10**9), st.characters(codec="ascii"))
def test_any_change_of_a_character_is_refused(place: int, other: str) -> None:
    made = token()
    place %= len(made)
    if made[place] != other:
        assert status(made[:place] + other + made[place + 1 :]) != "valid"


def test_revocation_list() -> None:
    data = badge.revocation_list({"urn:uuid:1": "withdrawn"}, "2026-04-01T00:00:00Z", KEY)
    assert badge.read_revocations(data, "list", public_hex(KEY)) == {"urn:uuid:1": "withdrawn"}
    with pytest.raises(RecordError, match="another key"):
        badge.read_revocations(data, "list", public_hex(OTHER))
    with pytest.raises(RecordError, match="does not fit"):
        badge.read_revocations(data.replace(b"withdrawn", b"withdrawm"), "list", public_hex(KEY))


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "maybe"},
        {"records": []},
        {"records": ["zz"]},
        {"records": [RECORDS[0]] * 2},
        {"decided_by": []},
        {"decided": "yesterday"},
        {"valid_until": "2020-01-01T00:00:00Z"},
        {"learner": ""},
        {"standard_sha256": "short"},
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make_decision(body(**changes), KEY)


def test_a_changed_decision_is_refused() -> None:
    data = make_decision(body(), KEY)
    assert parse_decision(data, "d").outcome == "granted"
    for old, new in ((b"granted", b"deferred"), (b"p-3f2a", b"p-3f2b"), (RECORDS[0].encode(), b"f" * 64)):
        with pytest.raises(RecordError):
            parse_decision(data.replace(old, new), "d")
