"""What the portal keeps. Records themselves are files, named by their SHA-256 (scoring.portal.blobs).

Everything belongs to one programme and is only ever reached through `scoring.portal.guard.Seat`, which knows whose
seat asks. Names and addresses stand in User and Learner alone; everything else speaks of pseudonyms and numbers, so
that erasing somebody (scoring.portal.people) breaks no chain.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone

ROLES = ("fellow", "director", "committee", "admin")
MODES = ("practice", "assessment")
SEEDS = {"any": "any patient", "listed": "the patients listed"}


def programme_secret() -> bytes:
    """Return the 32 random bytes under which a programme makes its pseudonyms."""
    return secrets.token_bytes(32)


class People(BaseUserManager):
    """Makes users; an address is the only name."""

    def create_user(self, email: str, password: str | None = None, **more: Any) -> User:
        """Return a new user; without a password nobody can sign in until one is set through an invitation."""
        user = self.model(email=self.normalize_email(email).lower(), **more)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """Somebody who signs in. `is_superuser`: may make programmes; sees none of their content by that."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    is_superuser = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "email"
    objects = People()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Nobody has a right by Django's own tables: scoring.portal.policy decides."""
        return False


class Programme(models.Model):
    """A training programme: a wall that nothing crosses."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    secret = models.BinaryField(default=programme_secret)
    trusted = models.JSONField(default=list)  # fingerprints of keys to believe; empty: any key
    made = models.DateTimeField(default=timezone.now)


class Learner(models.Model):
    """Somebody who is trained. After erasure only the pseudonym is left."""

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    pseudonym = models.CharField(max_length=64)
    external_id = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    salt = models.BinaryField(default=b"")
    erased = models.DateTimeField(null=True)

    class Meta:
        """Pseudonyms are unique on the server, ids in a programme (while not erased)."""

        constraints = [
            models.UniqueConstraint(fields=["pseudonym"], name="pseudonym_once"),
            models.UniqueConstraint(
                fields=["programme", "external_id"], condition=~models.Q(external_id=""), name="learner_id_once"
            ),
        ]


class Membership(models.Model):
    """One person's one role in one programme; a fellow's names the learner that this person is."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    role = models.CharField(max_length=12, choices=[(r, r) for r in ROLES])
    learner = models.OneToOneField(Learner, null=True, blank=True, on_delete=models.PROTECT)

    class Meta:
        """Nobody has two roles in one programme."""

        constraints = [models.UniqueConstraint(fields=["user", "programme"], name="one_role_each")]


class Invitation(models.Model):
    """A link that works once. Only the SHA-256 of its secret is kept."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True)


class Cohort(models.Model):
    """Learners who are followed together."""

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    name = models.CharField(max_length=100)
    learners = models.ManyToManyField(Learner)

    class Meta:
        """A name stands once in a programme."""

        constraints = [models.UniqueConstraint(fields=["programme", "name"], name="cohort_once")]

    def __str__(self) -> str:
        """Its name, as lists show it."""
        return self.name


class Assignment(models.Model):
    """Scenarios, or a sealed battery, for a cohort until a day."""

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    title = models.CharField(max_length=200)
    cohort = models.ForeignKey(Cohort, on_delete=models.PROTECT)
    mode = models.CharField(max_length=12, choices=[(m, m) for m in MODES])
    scenarios = models.JSONField(default=list)
    battery = models.BinaryField(default=b"")  # the signed assignment file, b"" for a set of scenarios
    seeds = models.JSONField(default=list)  # patients; empty: any
    opens = models.DateTimeField()
    due = models.DateTimeField()
    attempts_allowed = models.PositiveIntegerField(default=0)  # per case; 0: any number
    target_percent = models.PositiveIntegerField(null=True)
    closed = models.BooleanField(default=False)


class Attempt(models.Model):
    """A record that was handed in: its file lies under its SHA-256. It counts once the server itself has verified it."""

    QUEUED, CHECKING, CHECKED = "queued", "checking", "checked"

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT)  # by whose token it came
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    received = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=8, default=QUEUED, db_index=True)
    claimed_until = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    # what the newest verdict says, so that lists need no join
    status = models.CharField(max_length=20, blank=True)
    reason = models.TextField(blank=True)
    record_id = models.CharField(max_length=64, blank=True, db_index=True)
    row = models.JSONField(default=dict)  # scoring.cohort.Row as plain values; {} before the first verdict
    used = models.JSONField(default=dict)  # what it took beside the row: scoring.portal.rows.USED

    class Meta:
        """The same bytes in one programme are the same attempt, whoever hands them in again."""

        constraints = [models.UniqueConstraint(fields=["programme", "sha256"], name="attempt_once")]
        indexes = [models.Index(fields=["state", "received", "id"], name="attempt_queue")]


class Verdict(models.Model):
    """One verification of an attempt by this server. Verdicts are added, never changed."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE)
    made = models.DateTimeField(default=timezone.now)
    engine = models.CharField(max_length=40)
    status = models.CharField(max_length=20)
    reason = models.TextField()
    key = models.CharField(max_length=64, blank=True)
    header = models.JSONField(default=dict)
    moments = models.JSONField(default=list)  # [error, tick, why] of critical errors


class Film(models.Model):
    """The film of an attempt for the replay page (scoring.portal.films): derived, made once, no evidence."""

    WANTED, MAKING, MADE, FAILED = "wanted", "making", "made", "failed"

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE)
    state = models.CharField(max_length=8, default=WANTED, db_index=True)
    claimed_until = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    made = models.DateTimeField(null=True)
    engine = models.CharField(max_length=40, blank=True)
    size = models.PositiveIntegerField(default=0)
    pictures = models.PositiveIntegerField(default=0)
    errors = models.JSONField(default=list)  # [critical error, tick, number of the last picture before it or -1]
    note = models.CharField(max_length=300, blank=True)


class StandardDraft(models.Model):
    """A standard that is being made on the guided page: what was said so far. It judges nobody and is no version."""

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)
    made = models.DateTimeField(default=timezone.now)
    method = models.CharField(max_length=20)
    terms = models.JSONField(default=dict)  # procedure, scale, items, critical_allowed, months
    data = models.JSONField(default=dict)  # by method: groups, rounds of ratings, or scores with limits


class Standard(models.Model):
    """A signed standard that the committee has put in force for a procedure; the newest counts."""

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    procedure = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    document = models.BinaryField()
    adopted = models.DateTimeField(default=timezone.now)


class Comment(models.Model):
    """A remark of the committee on a learner at an assignment."""

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT)
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT)
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)
    made = models.DateTimeField(default=timezone.now)
    text = models.TextField(max_length=4000)


class Decision(models.Model):
    """What the committee decided: a signed document (scoring.exchange.decision)."""

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT)
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT)
    outcome = models.CharField(max_length=20)
    document = models.BinaryField()
    made = models.DateTimeField(default=timezone.now)


class Badge(models.Model):
    """An Open Badge issued from a decision."""

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT)
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT)
    credential = models.CharField(max_length=100)
    token = models.TextField()
    issued = models.DateTimeField(default=timezone.now)
    revoked = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500, blank=True)


class DeviceCode(models.Model):
    """A desktop that asks to sign in: it holds the device code, its person types the user code (RFC 8628)."""

    digest = models.CharField(max_length=64, unique=True)
    user_code = models.CharField(max_length=9, unique=True)
    expires = models.DateTimeField()
    membership = models.ForeignKey(Membership, null=True, on_delete=models.CASCADE)
    polled = models.DateTimeField(null=True)


class Token(models.Model):
    """A desktop that is signed in. Only the SHA-256 of its token is kept."""

    digest = models.CharField(max_length=64, unique=True)
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE)
    name = models.CharField(max_length=100, blank=True)
    made = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField()


class GradeLine(models.Model):
    """Where a learning platform wants the score of a learner at an assignment (LTI 1.3), and what it was told last."""

    learner = models.ForeignKey(Learner, on_delete=models.CASCADE)
    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE)
    issuer = models.CharField(max_length=300)
    client_id = models.CharField(max_length=200)
    subject = models.CharField(max_length=255)
    line = models.CharField(max_length=1000)
    said = models.TextField(blank=True)
    sent = models.DateTimeField(null=True)

    class Meta:
        """One column per learner, assignment and platform."""

        constraints = [
            models.UniqueConstraint(fields=["learner", "assignment", "issuer", "client_id"], name="grade_line_once"),
        ]


class Statement(models.Model):
    """A learning record store was told of an attempt."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE)
    store = models.CharField(max_length=500)
    made = models.DateTimeField(default=timezone.now)

    class Meta:
        """Once each."""

        constraints = [models.UniqueConstraint(fields=["attempt", "store"], name="statement_once")]


class AuditHead(models.Model):
    """The end of the audit chain: one row, locked while an entry is added."""

    number = models.PositiveBigIntegerField(default=0)
    head = models.CharField(max_length=64)


class AuditEntry(models.Model):
    """Who did or saw what. Each entry's hash covers the one before; the database refuses changes (migration 0002)."""

    number = models.PositiveBigIntegerField(unique=True)
    at = models.CharField(max_length=20)
    programme = models.CharField(max_length=40, blank=True, db_index=True)
    actor = models.CharField(max_length=80)
    action = models.CharField(max_length=40)
    target = models.CharField(max_length=200, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    hash = models.CharField(max_length=64)
