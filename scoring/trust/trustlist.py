"""Whom a verifier believes: trusted keys, revoked keys, and records that a trusted Merkle root showed in time.

The date in a record is written by the clock of the machine that sealed it, so it proves nothing against whoever holds
the key. Once a key is revoked, a record under it is believed only if a root that another trusted key signed before
the revocation holds it; every other one is untrusted, whatever date it carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scoring.keys import fingerprint
from scoring.trust.documents import read_document
from scoring.trust.keyring import CARD, REVOCATION, Card, Revocation, parse_card, parse_revocation
from scoring.trust.roots import ROOT, Root, parse_root
from sim.attempt import is_hex, one_line
from sim.errors import RecordError, UsageError

MAX_FILES = 10_000


@dataclass(frozen=True)
class TrustList:
    """Fingerprints to believe (None: any key), revoked ones with since when and why, and witnessed chain heads."""

    keys: Mapping[str, str] | None = None  # fingerprint -> name
    revoked: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    witnessed: Mapping[str, str] = field(default_factory=dict)  # chain head -> earliest time a trusted root shows it

    def doubt(self, key: str, root: str) -> str:
        """Return why a record is not believed; "" if it is. `key` fingerprint, `root` chain head (hex)."""
        if self.keys is not None and key not in self.keys:
            return f"signed by {key}, which is not a trusted key"
        if key not in self.revoked:
            return ""
        since, reason = self.revoked[key]
        seen = self.witnessed.get(root)
        if seen is not None and seen < since:
            return ""
        why = f" ({reason})" if reason else ""
        return f"signed by {key}, revoked since {since}{why}; no trusted root of an earlier date holds this record"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, for another process."""
        return {"keys": self.keys and dict(self.keys), "revoked": dict(self.revoked), "witnessed": dict(self.witnessed)}

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> TrustList:
        """Return what `as_dict` gave."""
        revoked = {key: (since, reason) for key, (since, reason) in plain["revoked"].items()}
        return TrustList(plain["keys"], revoked, plain["witnessed"])


def load_trust(path: str | Path, any_key: bool = False) -> TrustList:
    """Return the trust list in a file or a folder of files.

    A file is a key card, a revocation, a root, or text with one fingerprint (32 digits) or public key (64 digits)
    per line, followed by `admin` if that key may revoke others. `any_key`: cards do not limit whom to believe, only
    revocations count. UsageError or RecordError, one line, for anything else.
    """
    found = _Found()
    for file in _files(Path(path)):
        found.add(file)
    return found.trust(any_key)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    try:
        names = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    except OSError as error:
        raise UsageError(f"--trusted {path}: {error.strerror}; expected a folder that can be read") from None
    if len(names) > MAX_FILES:
        raise UsageError(f"--trusted {path}: holds more than {MAX_FILES} files; expected a folder of key cards")
    yield from names


class _Found:
    """What the files of a trust list hold."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.admins: set[str] = set()
        self.cards: list[Card] = []
        self.revocations: list[tuple[Path, Revocation]] = []
        self.roots: list[Root] = []

    def add(self, path: Path) -> None:
        data = read_document(path)
        name = one_line(str(path))
        if not data.startswith(b"{"):
            self._lines(data, name)
        elif f'"format":"{REVOCATION}"'.encode() in data[:4096]:
            self.revocations.append((path, parse_revocation(data, name)))
        elif f'"format":"{ROOT}"'.encode() in data:
            self.roots.append(parse_root(data, name))
        elif f'"format":"{CARD}"'.encode() in data[:4096]:
            card = parse_card(data, name)
            self.cards.append(card)
            self.keys[card.fingerprint] = card.name
        else:
            raise RecordError(f"{name}: expected a key card, a revocation, a root, or a list of fingerprints")

    def _lines(self, data: bytes, name: str) -> None:
        try:
            lines = data.decode().splitlines()
        except UnicodeDecodeError:
            raise RecordError(f"{name}: expected a key card, a revocation, a root, or a list of fingerprints") from None
        for number, line in enumerate(lines, 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if not (is_hex(words[0], 16) or is_hex(words[0], 32)) or words[1:] not in ([], ["admin"]):
                raise RecordError(
                    f"{name}: line {number} is not a fingerprint (32 digits) or a public key (64), then perhaps 'admin'"
                )
            key = fingerprint(words[0]) if len(words[0]) == 64 else words[0]
            self.keys.setdefault(key, "")
            if words[1:]:
                self.admins.add(key)

    def trust(self, any_key: bool) -> TrustList:
        revoked: dict[str, tuple[str, str]] = {}
        for path, one in self.revocations:
            self._check_right(path, one)
            key = fingerprint(one.key)
            if key not in revoked or one.since < revoked[key][0]:
                revoked[key] = (one.since, one.reason)
        witnessed: dict[str, str] = {}
        for root in self.roots:
            signer = fingerprint(root.public_key)
            if signer not in self.keys or signer in revoked:
                continue
            for leaf in root.leaves:
                witnessed[leaf] = min(root.created, witnessed.get(leaf, root.created))
        return TrustList(None if any_key else self.keys, revoked, witnessed)

    def _check_right(self, path: Path, one: Revocation) -> None:
        """Only the key itself, a key that came after it, or an admin may revoke it."""
        by = fingerprint(one.by)
        if one.by == one.key or by in self.admins or self._succeeds(one.by, one.key):
            return
        raise RecordError(f"{path}: {by} may not revoke {fingerprint(one.key)}; expected that key, its successor or an admin key")

    def _succeeds(self, late: str, early: str) -> bool:
        before = {card.public_key: card.replaces for card in self.cards}
        seen: set[str] = set()
        while late and late not in seen:
            seen.add(late)
            late = before.get(late, "")
            if late == early:
                return True
        return False
