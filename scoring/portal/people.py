"""Learners and those who sign in: lists from CSV, invitations that work once, erasure."""

from __future__ import annotations

import csv
import io
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from scoring.exchange.table import safe_text
from scoring.portal.guard import digest_of
from scoring.portal.models import Cohort, Comment, GradeLine, Invitation, Learner, Membership, Programme, User
from scoring.trust.people import pseudonym_of
from sim.errors import UsageError

COLUMNS = ("id", "name", "email")
MAX_CSV = 512 * 1024
MAX_ROWS = 2000
INVITATION_DAYS = 7


@dataclass(frozen=True)
class Line:
    """One learner of a list."""

    id: str
    name: str
    email: str


def read_people(data: bytes) -> list[Line]:
    """Return the learners of a CSV file (UTF-8, columns id, name, email). UsageError, one line, for anything else.

    A cell that a spreadsheet would run as a formula refuses the whole file: nothing of it is taken over.
    """
    if len(data) > MAX_CSV:
        raise UsageError(f"the list has {len(data)} bytes; expected at most {MAX_CSV}")
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError:
        raise UsageError("the list is not UTF-8 text; expected CSV with the columns id, name, email") from None
    except csv.Error as error:
        raise UsageError(f"the list is no CSV: {error}; expected the columns id, name, email") from None
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if sorted(head) != sorted(COLUMNS):
        told = ", ".join(head)[:80] or "nothing"
        raise UsageError(f"line 1 holds '{told}'; expected the columns id, name, email and no others")
    lines = [(number, row) for number, row in enumerate(rows[1:], 2) if any(cell.strip() for cell in row)]
    if not 0 < len(lines) <= MAX_ROWS:
        raise UsageError(f"the list holds {len(lines)} learners; expected 1 to {MAX_ROWS}")
    found = [_line(number, head, row) for number, row in lines]
    _once([line.id for line in found], "id")
    _once([line.email for line in found if line.email], "email")
    return found


def _line(number: int, head: list[str], row: list[str]) -> Line:
    if len(row) != len(head):
        raise UsageError(f"line {number} has {len(row)} cells; expected {len(head)}")
    cells = {name: cell.strip() for name, cell in zip(head, row, strict=True)}
    for name, cell in cells.items():
        if safe_text(cell) != cell or len(cell) > 200 or not (cell.isprintable() or not cell):
            raise UsageError(
                f"line {number}, {name}: '{cell[:30]}' is a formula, too long or not printable; nothing was imported"
            )
    if not cells["id"] or cells["id"].startswith("p-"):
        raise UsageError(f"line {number}: expected the id that the programme uses, not empty, not a pseudonym")
    if cells["email"]:
        cells["email"] = check_email(cells["email"], f"line {number}")
    return Line(cells["id"], cells["name"], cells["email"])


def check_email(text: str, where: str) -> str:
    """Return an address in lower case; UsageError if it is none."""
    try:
        validate_email(text)
    except ValidationError:
        raise UsageError(f"{where}: '{text[:60]}' is no e-mail address") from None
    return text.lower()


def _once(values: list[str], what: str) -> None:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice:
        raise UsageError(f"{what} '{twice[:40]}' stands twice; expected every learner once")


@transaction.atomic
def import_people(cohort: Cohort, lines: list[Line]) -> tuple[int, int]:
    """Put learners into a cohort, making those who are new. Returns (new, put in)."""
    new = 0
    for line in lines:
        learner, made = learner_of(cohort.programme, line)
        new += made
        cohort.learners.add(learner)
    return new, len(lines)


def learner_of(programme: Programme, line: Line) -> tuple[Learner, bool]:
    """Return the learner of an id, made if new; UsageError when the id already belongs to another name."""
    known = Learner.objects.filter(programme=programme, external_id=line.id).first()
    if known is not None:
        if line.name not in ("", known.name):
            raise UsageError(f"id '{line.id}' is already here under another name; nothing was imported")
        return known, False
    salt = secrets.token_bytes(32)
    pseudonym = pseudonym_of(bytes(programme.secret), salt, line.id)
    made = Learner.objects.create(
        programme=programme, pseudonym=pseudonym, external_id=line.id, name=line.name, email=line.email, salt=salt
    )
    return made, True


@transaction.atomic
def join(programme: Programme, email: str, role: str, learner: Learner | None = None) -> tuple[Membership, str]:
    """Give somebody a role and return it with the secret of an invitation. UsageError when a role is there already.

    The secret is "" for a person who is known on this server: a link that sets a password, in the hands of this
    programme's admin, would open the other programmes of that person.
    """
    if (role == "fellow") != (learner is not None):
        raise UsageError("a fellow is a learner of the programme, and only a fellow is; expected a learner with role fellow")
    known = User.objects.filter(email=email).first()
    user = known or User.objects.create_user(email)
    if Membership.objects.filter(user=user, programme=programme).exists():
        raise UsageError(f"{email} has a role in this programme already; change it in the list")
    member = Membership.objects.create(user=user, programme=programme, role=role, learner=learner)
    return member, "" if known else invite(user)


def invite(user: User, days: float = INVITATION_DAYS) -> str:
    """Return the secret of a link that lets this person in once, to set a password."""
    secret = secrets.token_urlsafe(32)
    Invitation.objects.filter(user=user, used=None).update(expires=timezone.now())
    Invitation.objects.create(digest=digest_of(secret), user=user, expires=timezone.now() + timedelta(days=days))
    return secret


def invitation_of(secret: str) -> Invitation | None:
    """Return the invitation of a link while it can still be used."""
    found = Invitation.objects.select_related("user").filter(digest=digest_of(secret), used=None, expires__gt=timezone.now())
    return found.first()


@transaction.atomic
def erase(learner: Learner) -> None:
    """Remove a learner's name, id, address and salt, and the account; records, verdicts and audit log stay whole.

    Without the salt nobody can compute the pseudonym from the id again (scoring.trust.people). Comments about the learner are
    free text, so they go too. Decisions and badges are signed documents under the pseudonym: they stay.
    """
    member = Membership.objects.filter(learner=learner).select_related("user").first()
    if member is not None:
        user = member.user
        member.delete()
        if not Membership.objects.filter(user=user).exists() and not user.is_superuser:
            user.delete()
    Comment.objects.filter(learner=learner).delete()
    GradeLine.objects.filter(learner=learner).delete()
    Learner.objects.filter(pk=learner.pk).update(external_id="", name="", email="", salt=b"", erased=timezone.now())
