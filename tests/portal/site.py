"""A portal for tests: Django on a database of its own, two programmes with everybody in them, signed-in clients.

`DATABASE_URL` in SCOTTIE_TEST_DATABASE runs the same tests on PostgreSQL.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="scottie-portal-"))
os.environ["SCOTTIE_PORTAL"] = str(HOME)
os.environ["DJANGO_SETTINGS_MODULE"] = "scoring.portal.settings"
os.environ["SCOTTIE_PORTAL_DESK"] = "tests.portal.toy.ToyDesk"
os.environ["SCOTTIE_PORTAL_URL"] = "http://127.0.0.1:8765"
if "SCOTTIE_TEST_DATABASE" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["SCOTTIE_TEST_DATABASE"]

from tests.portal import systems

(HOME / "connections.toml").write_text(systems.connections())

import django

django.setup()

from django.conf import settings
from django.test import Client

from scoring.portal.blobs import blob_path
from scoring.portal.films import film_path, keep
from scoring.portal.guard import digest_of
from scoring.portal.models import (
    Assignment,
    Attempt,
    Badge,
    Cohort,
    Decision,
    Film,
    Learner,
    Membership,
    Programme,
    Standard,
    Token,
    User,
)
from scoring.portal.people import Line, learner_of
from scoring.portal.verifying import claim, record, trust_of
from scoring.standard import sign_standard
from tests.make_evidence import standard
from tests.portal import toy
from tests.portal.toy import SCENARIO, handed

PASSWORD = "a long toy password"
ROLES = ("fellow", "director", "committee", "admin")
BACKEND = settings.AUTHENTICATION_BACKENDS[0]
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@dataclass
class Place:
    """One programme with one person in each role, a second fellow, a cohort, an assignment of each mode."""

    programme: Programme
    members: dict[str, Membership] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    cohort: Cohort | None = None
    practice: Assignment | None = None
    exam: Assignment | None = None

    def client(self, role: str) -> Client:
        client = Client(raise_request_exception=True)
        client.force_login(self.members[role].user, backend=BACKEND)
        return client

    def at(self, tail: str) -> str:
        return f"/p/{self.programme.slug}/{tail}"

    @property
    def learner(self) -> Learner:
        return self.members["fellow"].learner

    def bearer(self, role: str = "fellow") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    def put(self, path: Path | bytes, role: str = "fellow", **more):
        data = path if isinstance(path, bytes) else path.read_bytes()
        url = f"/api/v1/attempts/{more.pop('sha256', hashlib.sha256(data).hexdigest())}"
        return Client().put(url, data, content_type="application/octet-stream", headers=self.bearer(role) | more)


def make_place(slug: str) -> Place:
    place = Place(Programme.objects.create(slug=slug, name=f"Programme {slug}"))
    for role in (*ROLES, "other"):
        user = User.objects.create_user(f"{role}@{slug}.example", PASSWORD)
        learner = None
        if role in ("fellow", "other"):
            learner, _ = learner_of(place.programme, Line(f"{slug}-{role}", f"Dr {role} of {slug}", user.email))
        kind = "fellow" if role == "other" else role
        place.members[role] = Membership.objects.create(user=user, programme=place.programme, role=kind, learner=learner)
        place.tokens[role] = f"token-{slug}-{role}"
        Token.objects.create(
            digest=digest_of(place.tokens[role]), membership=place.members[role], expires=datetime.now(UTC) + timedelta(days=1)
        )
    place.cohort = Cohort.objects.create(programme=place.programme, name="2026")
    place.cohort.learners.add(place.members["fellow"].learner, place.members["other"].learner)
    common = {"programme": place.programme, "cohort": place.cohort, "scenarios": [SCENARIO]}
    times = {"opens": datetime(2026, 1, 1, tzinfo=UTC), "due": datetime(2100, 1, 1, tzinfo=UTC)}
    place.practice = Assignment.objects.create(title="Practice", mode="practice", target_percent=80, **common, **times)
    place.exam = Assignment.objects.create(title="Exam", mode="assessment", seeds=[7], **common, **times)
    return place


def verify_all() -> list[str]:
    """Verify what waits, in this process (a test of its own has it done by another one); return the verdicts."""
    found = []
    while (attempt := claim()) is not None:
        attempt = Attempt.objects.select_related("programme", "learner").get(pk=attempt.pk)
        verdict = toy.check(str(blob_path(settings.FOLDER, attempt.sha256)), trust_of(attempt.programme))
        found.append(record(attempt, verdict).status)
    return found


def hand_in(place: Place, folder: Path, role: str = "fellow", **more) -> Attempt:
    """Hand a toy record in and have it verified."""
    path = handed(folder, place.members[role].learner.pseudonym, **more)
    answer = place.put(path, role)
    assert answer.status_code == 201, answer.content
    verify_all()
    return Attempt.objects.get(programme=place.programme, sha256=answer.json()["sha256"])


def film(attempt: Attempt) -> Film:
    """Have the film of an attempt made by the toy worker's own hand, as if the clerk had asked for it."""
    made = toy.make_film(str(blob_path(settings.FOLDER, attempt.sha256)), str(film_path(settings.FOLDER, attempt.sha256)))
    return keep(Film.objects.get(attempt=attempt), made, "toy")


TERMS = {"procedure": "toy procedure", "scale": "points_percent", "items": 1, "critical_allowed": 0, "months": 24}


def put_standard(place: Place, **changes) -> int:
    """Put a signed standard in force, made up; return its number."""
    data = sign_standard(standard(**changes), toy.KEY)
    digest = hashlib.sha256(data).hexdigest()
    return Standard.objects.create(programme=place.programme, procedure="toy", sha256=digest, document=data).pk


def grant(place: Place, attempt: Attempt) -> tuple[Decision, Badge]:
    """Put a decision and a badge into the database, as they are: for pages, not for their content."""
    decision = Decision.objects.create(
        programme=place.programme, learner=attempt.learner, assignment=place.exam, outcome="granted", document=b"{}"
    )
    return decision, Badge.objects.create(programme=place.programme, decision=decision, credential="urn:toy", token="a.b.c")
