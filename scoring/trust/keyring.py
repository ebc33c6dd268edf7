"""The keys of this installation: make, card, rotate, revoke.

    signing_key.pem            the key that seals now (mode 0600)
    signing_key.json           its card: what others need to know of it
    retired/FINGERPRINT.pem    keys that were rotated away (kept: a key may have to revoke itself)
    trust/                     cards, revocations and roots of others (scoring.trust.trustlist)

A card is signed by its own key; after a rotation also by the key before it ("endorsement").
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring import keys
from scoring.keys import fingerprint, key_folder, public_hex
from scoring.trust.documents import (
    Document,
    check_time,
    parse_signed,
    read_document,
    sign,
    signature_holds,
    write_whole,
)
from sim.attempt import canonical, is_hex
from sim.errors import MachineError, RecordError, UsageError

CARD = "scottie-key"
CARD_FIELDS = {"name": str, "created": str, "replaces": str, "endorsement": str}
CARD_FILE = "signing_key.json"
REVOCATION = "scottie-revocation"
REVOCATION_FIELDS = {"key": str, "since": str, "reason": str, "created": str}
ENDORSED_AS = b"scottie-key-endorsement/1\n"
MAX_NAME = 100


@dataclass(frozen=True)
class Card:
    """What others need to know of a key. `replaces` is the public key before it (hex), "" for a first key."""

    public_key: str
    name: str
    created: str
    replaces: str
    data: bytes

    @property
    def fingerprint(self) -> str:
        """The short name of the key."""
        return fingerprint(self.public_key)


@dataclass(frozen=True)
class Revocation:
    """A key that must not be believed any more. `by` is the public key that says so."""

    key: str
    since: str
    reason: str
    by: str


def parse_card(data: bytes, name: str) -> Card:
    """Return the card in `data`; RecordError (one line) if it is none, or was changed."""
    body = parse_signed(data, CARD, CARD_FIELDS, name)
    try:
        check_time(body["created"], "created")
        _check_text(body["name"], "name")
        _check_endorsement(body)
    except ValueError as error:
        raise RecordError(f"{name}: {error}") from None
    return Card(body["public_key"], body["name"], body["created"], body["replaces"], data)


def _check_text(text: str, what: str, most: int = MAX_NAME) -> None:
    if not (len(text) <= most and (text.isprintable() or not text)):
        raise ValueError(f"{what} is not 0 to {most} printable characters")


def _check_endorsement(body: Document) -> None:
    if not body["replaces"] and not body["endorsement"]:
        return
    message = ENDORSED_AS + canonical({"created": body["created"], "public_key": body["public_key"]})
    if not signature_holds(body["replaces"], body["endorsement"], message):
        raise ValueError("the key before it did not sign the change")


def parse_revocation(data: bytes, name: str) -> Revocation:
    """Return the revocation in `data`; RecordError (one line) if it is none, or was changed."""
    body = parse_signed(data, REVOCATION, REVOCATION_FIELDS, name)
    try:
        if not is_hex(body["key"], 32):
            raise ValueError("key is not 64 hexadecimal digits")
        check_time(body["since"], "since")
        _check_text(body["reason"], "reason", 300)
    except ValueError as error:
        raise RecordError(f"{name}: {error}") from None
    return Revocation(body["key"], body["since"], body["reason"], body["public_key"])


class Keyring:
    """The keys in one folder."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder or key_folder())

    @property
    def key_path(self) -> Path:
        """Where the active private key lies."""
        return self.folder / keys.FILE_NAME

    @property
    def trust_folder(self) -> Path:
        """Where cards, revocations and roots of others lie."""
        return self.folder / "trust"

    def active(self) -> Ed25519PrivateKey:
        """Return the private key that seals now; MachineError if there is none."""
        return keys.load(self.key_path)

    def make(self, name: str, now: str, passphrase: str = "") -> Card:
        """Make the first key; UsageError if there is one already."""
        if self.key_path.exists():
            raise UsageError(f"{self.key_path}: there is a key already; expected none (main.py key rotate makes a new one)")
        self._write_key(Ed25519PrivateKey.generate(), passphrase)
        return self.card(now, name)

    def _write_key(self, key: Ed25519PrivateKey, passphrase: str) -> None:
        try:
            keys.write_private(self.key_path, key, passphrase)
        except OSError as error:
            raise MachineError(f"{self.key_path}: cannot make the signing key: {error.strerror}") from None

    def card(self, now: str, name: str = "") -> Card:
        """Return the card of the active key; made when there is none, or when `name` changes it."""
        key = self.active()
        for path in (self.folder / CARD_FILE, self.folder / "retired" / f"{fingerprint(key)}.json"):
            card = parse_card(read_document(path), str(path)) if path.exists() else None
            if card is not None and card.public_key == public_hex(key):  # not so where a rotation was cut short
                if name not in ("", card.name):
                    raise UsageError(f"{path}: the key is named '{card.name}' already; expected no other name for the same key")
                return card
        return self._write_card(key, {"name": name, "created": now, "replaces": "", "endorsement": ""})

    def _write_card(self, key: Ed25519PrivateKey, body: Document) -> Card:
        try:
            _check_text(body["name"], "name")
        except ValueError as error:
            raise UsageError(f"--{error}") from None
        data = sign(CARD, body, key)
        write_whole(self.folder / CARD_FILE, data)
        return parse_card(data, str(self.folder / CARD_FILE))

    def rotate(self, now: str, passphrase: str = "") -> tuple[Card, Card]:
        """Put a new key in the place of the active one; return (old card, new card, signed by both)."""
        old, old_card = self.active(), self.card(now)
        new = Ed25519PrivateKey.generate()
        retired = self.folder / "retired" / f"{old_card.fingerprint}.pem"
        try:
            retired.parent.mkdir(mode=0o700, exist_ok=True)
            if not retired.exists():
                os.link(self.key_path, retired)
            write_whole(retired.with_suffix(".json"), old_card.data)
            fresh = self.key_path.with_name(keys.FILE_NAME + ".rotated")
            fresh.unlink(missing_ok=True)
            keys.write_private(fresh, new, passphrase)
        except OSError as error:
            raise MachineError(f"{self.folder}: cannot rotate the key: {error.strerror}; the old one stays") from None
        stated = {"created": now, "public_key": public_hex(new)}
        body = {
            "name": old_card.name,
            "created": now,
            "replaces": old_card.public_key,
            "endorsement": old.sign(ENDORSED_AS + canonical(stated)).hex(),
        }
        card = self._write_card(new, body)
        fresh.replace(self.key_path)
        return old_card, card

    def own_key(self, name: str) -> Ed25519PrivateKey | None:
        """Return the private key, active or retired, of this fingerprint; None if it is not ours."""
        active = self.active()
        if fingerprint(active) == name:
            return active
        retired = self.folder / "retired" / f"{name}.pem"
        return keys.load(retired) if is_hex(name, 16) and retired.exists() else None

    def revoke(self, public_key: str, since: str, reason: str, now: str) -> bytes:
        """Return a signed revocation of a key: by itself if it is ours, else by the active key (which must be an admin)."""
        key = self.own_key(fingerprint(public_key)) or self.active()
        body = {"key": public_key, "since": since, "reason": reason, "created": now}
        data = sign(REVOCATION, body, key)
        parse_revocation(data, "the revocation")
        return data

    def public_of(self, name: str) -> str:
        """Return the public key (hex) of a fingerprint or public key: own, retired or trusted. UsageError if unknown."""
        if is_hex(name, 32):
            return name
        own = self.own_key(name)
        if own is not None:
            return public_hex(own)
        path = self.trust_folder / f"{name}.json"
        if is_hex(name, 16) and path.exists():
            return parse_card(read_document(path), str(path)).public_key
        raise UsageError(f"unknown key '{name}'; expected a fingerprint shown by 'main.py key list', or a public key (64 digits)")
