"""Open Badges 3.0 (1EdTech) as JWT-VC: issued from a committee's decision, verifiable without a network.

The payload is the credential itself with the claims iss, jti, nbf, sub, exp beside it (OB 3.0, 8.2); contexts are
named, never fetched. The issuer is a did:key. A badge says that a committee granted something on a battery of
simulated patients under a named standard; it says nothing else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.exchange import jws
from scoring.exchange.decision import Decision
from scoring.keys import public_hex
from scoring.trust.documents import check_time, parse_signed, sign
from sim.attempt import one_line
from sim.errors import RecordError, UsageError

CONTEXTS = ["https://www.w3.org/ns/credentials/v2", "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"]
TYPES = ["VerifiableCredential", "OpenBadgeCredential"]
NAMESPACE = uuid.UUID("0b6b0d0e-52a1-5d5e-8f4f-6f7065626164")
REVOCATIONS = "scottie-badge-revocations"
STATUSES = {
    "valid": "signed by the issuer, in force, not on the revocation list",
    "malformed": "not an Open Badge 3.0 credential as a JWT",
    "wrong-key": "issued by another key than the one given",
    "tampered": "changed after it was issued",
    "not-yet-valid": "its time has not begun",
    "expired": "its time is over",
    "revoked": "taken back by its issuer",
}


@dataclass(frozen=True)
class Evidence:
    """What was found when the decision's evidence was verified here: the standard in force, and each record's verdict."""

    standard_sha256: str | None  # None: no standard set
    provisional: bool
    standard_text: str
    statuses: Mapping[str, str]  # record id -> verdict


@dataclass(frozen=True)
class BadgeVerdict:
    """What can be said about a badge; `credential` only when its form holds."""

    status: str
    reason: str
    credential: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """True for "valid" alone."""
        return self.status == "valid"


def issue(decision: Decision, evidence: Evidence, key: Ed25519PrivateKey, issuer_name: str, list_uri: str = "") -> str:
    """Return the badge (JWT) of a decision. UsageError, one line, when it may not be issued.

    list_uri: where the revocation list is published; "" for a list that is handed over as a file.
    """
    _may_be_issued(decision, evidence)
    issuer = jws.did_key(public_hex(key))
    credential = _credential(decision, evidence, issuer, issuer_name, list_uri)
    claims: dict[str, Any] = {
        "iss": issuer,
        "jti": credential["id"],
        "sub": credential["credentialSubject"]["id"],
        "nbf": _seconds(decision.decided),
    }
    if decision.valid_until:
        claims["exp"] = _seconds(decision.valid_until)
    return jws.sign({"typ": "JWT", "kid": f"{issuer}#{issuer.removeprefix('did:key:')}"}, {**credential, **claims}, key)


def _may_be_issued(decision: Decision, evidence: Evidence) -> None:
    if decision.outcome != "granted":
        raise UsageError(f"the decision is '{decision.outcome}'; expected one that is granted")
    if evidence.standard_sha256 is None or not decision.standard_sha256:
        raise UsageError("no standard set for this procedure: a badge needs a standard that a committee has set")
    if evidence.provisional:
        raise UsageError("the standard is provisional; expected one that a committee has set with its own groups")
    if evidence.standard_sha256 != decision.standard_sha256:
        raise UsageError("the decision was taken under another standard than the one given")
    for record in decision.records:
        status = evidence.statuses.get(record, "missing")
        if status != "verified":
            raise UsageError(f"record {record[:16]} of the decision is {status}; expected every one to be verified")


def _credential(decision: Decision, evidence: Evidence, issuer: str, issuer_name: str, list_uri: str) -> dict[str, Any]:
    name = f"{decision.procedure} in simulation: standard of the committee met"
    credential: dict[str, Any] = {
        "@context": CONTEXTS,
        "id": _urn("credential", decision.sha256, issuer),
        "type": TYPES,
        "name": name,
        "issuer": {"id": issuer, "type": ["Profile"], "name": issuer_name},
        "validFrom": decision.decided,
        "credentialSubject": {
            "id": _urn("learner", decision.learner),
            "type": ["AchievementSubject"],
            "identifier": [
                {"type": "IdentityObject", "hashed": False, "identityHash": decision.learner, "identityType": "systemId"}
            ],
            "achievement": _achievement(decision, evidence, name),
        },
        "evidence": [
            _evidence("Committee decision", decision.sha256, f"Decided {decision.decided}. {decision.reason}".strip()),
            _evidence("Standard", decision.standard_sha256, evidence.standard_text),
            _evidence(
                "Records", decision.root, f"Merkle root (RFC 6962) over {len(decision.records)} records, first attempts in order."
            ),
        ],
        "credentialStatus": {"id": list_uri or _urn("revocations", issuer), "type": "1EdTechRevocationList"},
    }
    if decision.battery_sha256:
        credential["evidence"].append(_evidence(f"Battery {decision.battery}", decision.battery_sha256, "The sealed assignment."))
    if decision.valid_until:
        credential["validUntil"] = decision.valid_until
    return credential


def _achievement(decision: Decision, evidence: Evidence, name: str) -> dict[str, Any]:
    return {
        "id": _urn("achievement", decision.procedure, decision.standard_sha256),
        "type": ["Achievement"],
        "achievementType": "Assessment",
        "name": name,
        "description": (
            f"Assessment of {decision.procedure} on simulated patients (battery {decision.battery}), judged by a committee. "
            "It is no statement about work on patients."
        ),
        "criteria": {"narrative": evidence.standard_text},
    }


def _evidence(name: str, sha256: str, narrative: str) -> dict[str, Any]:
    """Return an evidence entry whose id is the hash of the file (RFC 6920), so that it holds wherever the file lies."""
    return {
        "id": f"ni:///sha-256;{jws.encode(bytes.fromhex(sha256))}",
        "type": ["Evidence"],
        "name": name,
        "narrative": narrative,
    }


def _urn(*parts: str) -> str:
    return f"urn:uuid:{uuid.uuid5(NAMESPACE, chr(10).join(parts))}"


def _seconds(moment: str) -> int:
    return int(datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def verify(token: str, issuer_key: str, now: str, revoked: Mapping[str, str] | None = None) -> BadgeVerdict:
    """Return the verdict on a badge under the issuer's public key (hex) at `now` (UTC). Never raises for a token.

    revoked: credential id -> reason, as read_revocations gives it.
    """
    try:
        header, credential = jws.parts_of(token.strip())
        issuer = jws.did_key(issuer_key)
        if credential.get("iss") != issuer or not str(header.get("kid", "")).startswith(issuer):
            other = one_line(str(credential.get("iss")), 80)
            return BadgeVerdict("wrong-key", f"issued by {other}; the key given is {issuer}")
        jws.check(token.strip(), issuer_key)
    except jws.Malformed as error:
        return BadgeVerdict("malformed", str(error))
    except jws.WrongSignature as error:
        return BadgeVerdict("tampered", str(error))
    wrong = next(complaints(credential), None)
    if wrong:
        return BadgeVerdict("malformed", wrong)
    return _in_force(credential, now, revoked or {})


def _in_force(credential: dict[str, Any], now: str, revoked: Mapping[str, str]) -> BadgeVerdict:
    if credential["id"] in revoked:
        return BadgeVerdict("revoked", revoked[credential["id"]] or "no reason given", credential)
    moment = _seconds(now)
    if moment < credential["nbf"]:
        return BadgeVerdict("not-yet-valid", f"valid from {credential['validFrom']}", credential)
    if moment >= credential.get("exp", moment + 1):
        return BadgeVerdict("expired", f"valid until {credential['validUntil']}", credential)
    return BadgeVerdict(
        "valid", f"{credential['name']}; issued by {one_line(str(credential['issuer']['name']), 100)}", credential
    )


def complaints(credential: Mapping[str, Any]) -> Iterator[str]:
    """Tell what OB 3.0 (AchievementCredential, Achievement, Profile) and its JWT form require and this one lacks.

    Required members as in the data model of OB 3.0 (appendix B) and VC-JWT (8.2); written from the specification, no
    JSON Schema is shipped.
    """
    subject, issuer = _object(credential, "credentialSubject"), _object(credential, "issuer")
    achievement, criteria = _object(subject, "achievement"), _object(_object(subject, "achievement"), "criteria")
    contexts = credential.get("@context")
    if not (isinstance(contexts, list) and contexts[:2] == CONTEXTS):
        yield "@context does not begin with those of VC 2.0 and OB 3.0"
    for where, holder, kind in (
        ("credential", credential, "VerifiableCredential"),
        ("credential", credential, "OpenBadgeCredential"),
        ("issuer", issuer, "Profile"),
        ("credentialSubject", subject, "AchievementSubject"),
        ("achievement", achievement, "Achievement"),
    ):
        if kind not in _list(holder, "type"):
            yield f"{where} is not of type {kind}"
    for where, holder, names in (
        ("credential", credential, ("id", "name", "validFrom", "iss", "jti", "sub")),
        ("issuer", issuer, ("id",)),
        ("achievement", achievement, ("id", "name", "description")),
    ):
        for name in names:
            if not isinstance(holder.get(name), str) or not holder[name]:
                yield f"{where} has no {name}"
    if not (criteria.get("id") or criteria.get("narrative")):
        yield "achievement has no criteria"
    if not (subject.get("id") or subject.get("identifier")):
        yield "credentialSubject names nobody"
    yield from _claims(credential, subject, issuer)


def _claims(credential: Mapping[str, Any], subject: Mapping[str, Any], issuer: Mapping[str, Any]) -> Iterator[str]:
    """Tell where the claims of the token and the members of the credential disagree."""
    pairs = (("iss", issuer.get("id")), ("jti", credential.get("id")), ("sub", subject.get("id")))
    for claim, value in pairs:
        if credential.get(claim) != value:
            yield f"claim {claim} is not that of the credential"
    for claim, name in (("nbf", "validFrom"), ("exp", "validUntil")):
        text = credential.get(name)
        if (text is None) != (claim not in credential):
            yield f"claim {claim} and {name} stand alone"
        elif text is not None:
            try:
                same = credential[claim] == _seconds(check_time(str(text), name))
            except ValueError:
                same = False
            if not same:
                yield f"claim {claim} is not {name}"


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _list(holder: Mapping[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else [value]


def revocation_list(entries: Mapping[str, str], created: str, key: Ed25519PrivateKey) -> bytes:
    """Return the signed list of revoked badges (credential id -> reason)."""
    listed = [{"id": name, "reason": reason} for name, reason in sorted(entries.items())]
    return sign(REVOCATIONS, {"created": created, "revoked": listed}, key)


def read_revocations(data: bytes, name: str, issuer_key: str) -> dict[str, str]:
    """Return credential id -> reason; RecordError if the list is none, was changed, or is not of this issuer."""
    body = parse_signed(data, REVOCATIONS, {"created": str, "revoked": list}, name)
    if body["public_key"] != issuer_key:
        raise RecordError(f"{name}: signed by another key; expected the list of the badge's issuer")
    entries = body["revoked"]
    if not all(isinstance(e, dict) and type(e.get("id")) is str and type(e.get("reason")) is str for e in entries):
        raise RecordError(f"{name}: an entry has not the fields id and reason")
    return {entry["id"]: entry["reason"] for entry in entries}
