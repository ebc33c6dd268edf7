"""Pseudonyms: records carry `p-...`; the map from pseudonym to person is one file apart, for its owner only.

    pseudonym = "p-" + first 20 characters of base32( HMAC-SHA256(programme secret || the learner's salt, learner id) )

Erasing a learner removes name, id and salt. Without that salt (32 random bytes) nobody can recompute the pseudonym, not
even with the programme secret and the id: the records stay, their chains hold, and no longer point at anyone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

from scoring.trust.documents import write_whole
from sim.attempt import one_line
from sim.errors import DataError, UsageError

FORMAT = "scottie-people"
PSEUDONYM = re.compile(r"p-[a-z2-7]{20}")
MAX_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Person:
    """One learner. `salt` is 32 random bytes, hex."""

    pseudonym: str
    id: str
    name: str
    salt: str


def pseudonym_of(secret: bytes, salt: bytes, learner_id: str) -> str:
    """Return the pseudonym of a learner id."""
    mac = hmac.new(secret + salt, learner_id.encode(), hashlib.sha256).digest()
    return "p-" + base64.b32encode(mac).decode().lower()[:20]


class NameMap:
    """The name map of a programme. Every change is on the disk, whole, before the method returns."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.secret = secrets.token_bytes(32)
        self.people: list[Person] = []
        if self.path.exists():
            self._load()

    def _load(self) -> None:
        try:
            if self.path.stat().st_size > MAX_BYTES:
                raise ValueError("too large")
            if os.name == "posix" and stat.S_IMODE(self.path.stat().st_mode) & 0o077:
                self.path.chmod(0o600)
            whole = json.loads(self.path.read_text(encoding="utf-8"))
            if whole["format"] != FORMAT or whole["version"] != 1:
                raise ValueError("another format")
            self.secret = bytes.fromhex(whole["secret"])
            self.people = [Person(**row) for row in whole["learners"]]
            if any(len({getattr(p, name) for p in self.people}) < len(self.people) for name in ("id", "pseudonym")):
                raise ValueError("the same id or pseudonym twice")
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror}; expected the name map of this programme") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DataError(f"{self.path}: damaged; expected the name map of this programme (JSON, made by Scottie)") from None

    def _save(self) -> None:
        whole = {"format": FORMAT, "version": 1, "secret": self.secret.hex(), "learners": [asdict(p) for p in self.people]}
        write_whole(self.path, json.dumps(whole, indent=1, ensure_ascii=False).encode() + b"\n", mode=0o600)

    def add(self, learner_id: str, name: str = "") -> Person:
        """Return the learner of this id, added if new. UsageError for an id or a name that cannot be."""
        for what, text in (("learner id", learner_id), ("name", name)):
            if len(text) > 200 or not (text.isprintable() or not text):
                raise UsageError(f"{what} '{one_line(text, 40)}': expected at most 200 printable characters")
        if not learner_id or learner_id.startswith("p-"):
            raise UsageError(f"learner id '{learner_id}': expected the id that the programme uses, not empty, not a pseudonym")
        known = next((p for p in self.people if p.id == learner_id), None)
        if known is not None:
            if name not in ("", known.name):
                raise UsageError(f"learner '{learner_id}' is already in {self.path} under another name; expected a new id")
            return known
        salt = secrets.token_bytes(32)
        person = Person(pseudonym_of(self.secret, salt, learner_id), learner_id, name, salt.hex())
        self.people.append(person)
        self._save()
        return person

    def find(self, who: str) -> Person:
        """Return the learner of a pseudonym or id; UsageError if there is none."""
        for person in self.people:
            if who in (person.pseudonym, person.id):
                return person
        raise UsageError(f"unknown learner '{one_line(who, 60)}'; expected a pseudonym or id of {self.path}")

    def erase(self, who: str) -> Person:
        """Remove a learner's id, name and salt for good; return what was removed."""
        person = self.find(who)
        self.people.remove(person)
        self._save()
        return person


def check_pseudonym(text: str) -> str:
    """Return a pseudonym as records may carry it: letters, digits, - and _ only, so that nobody writes a name by habit."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
        raise UsageError(
            f"--learner '{one_line(text, 40)}': expected a pseudonym (letters, digits, - and _; main.py learner add makes one)"
        )
    return text
