"""The audit log: append-only, hash-chained. It names people by number and pseudonym only, so erasure leaves it whole.

    hash(n) = SHA-256( hash(n-1) as 32 bytes || canonical JSON (RFC 8785) of the entry's fields )

The first hash before is SHA-256 of the 15 bytes "scottie-audit/1".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from scoring.portal.models import AuditEntry, AuditHead, Programme
from sim.attempt import canonical

FIRST = hashlib.sha256(b"scottie-audit/1").hexdigest()
FIELDS = ("number", "at", "programme", "actor", "action", "target", "detail")


def link(before: str, entry: dict[str, Any]) -> str:
    """Return the hash of an entry after the one whose hash is `before` (hex)."""
    return hashlib.sha256(bytes.fromhex(before) + canonical({name: entry[name] for name in FIELDS})).hexdigest()


def note(action: str, actor: str, target: str = "", detail: str = "", programme: Programme | None = None) -> AuditEntry:
    """Add an entry. In a transaction of the caller's it stands or falls with what it tells of."""
    with transaction.atomic():
        head, _ = AuditHead.objects.select_for_update().get_or_create(pk=1, defaults={"head": FIRST})
        fields = {
            "number": head.number + 1,
            "at": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "programme": programme.slug if programme else "",
            "actor": actor[:80],
            "action": action[:40],
            "target": target[:200],
            "detail": detail[:500],
        }
        entry = AuditEntry.objects.create(**fields, hash=link(head.head, fields))
        AuditHead.objects.filter(pk=1).update(number=head.number + 1, head=entry.hash)
    return entry


def broken(entries: Iterable[AuditEntry] | None = None) -> str:
    """Return "" when the whole chain holds, else one line that says where it first does not."""
    before, number = FIRST, 0
    for entry in AuditEntry.objects.order_by("number").iterator() if entries is None else entries:
        number += 1
        if entry.number != number:
            return f"entry {number} is missing: the next is {entry.number}"
        if link(before, {name: getattr(entry, name) for name in FIELDS}) != entry.hash:
            return f"entry {number} was changed"
        before = entry.hash
    head = AuditHead.objects.filter(pk=1).first()
    if entries is None and head is not None and (head.number, head.head) != (number, before):
        return f"the chain should end at entry {head.number}; it ends at {number}"
    return ""
