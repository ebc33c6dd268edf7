"""The guard at the door: applies the policy table to every request, and gives each view a seat to look from."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.utils import timezone

from scoring.portal import audit
from scoring.portal.models import Assignment, Attempt, Badge, Cohort, Decision, Learner, Membership, Programme, Standard, Token
from scoring.portal.policy import POLICY, Rule

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
DOCUMENT_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'; base-uri 'none'"
"""For the reports, which are one file with its own styles: no script, no form, no origin."""


@dataclass(frozen=True)
class Seat:
    """Where a request looks from. All that a view reads of a programme it reads here."""

    membership: Membership
    reach: str

    @property
    def programme(self) -> Programme:
        """The programme."""
        return self.membership.programme

    @property
    def role(self) -> str:
        """The role in it."""
        return self.membership.role

    @property
    def actor(self) -> str:
        """The name in the audit log: a number, never a name."""
        return f"user {self.membership.user_id} ({self.role})"

    def learners(self) -> QuerySet[Learner]:
        """Return the learners within reach."""
        found = Learner.objects.filter(programme=self.programme)
        return found if self.reach == "all" else found.filter(pk=self.membership.learner_id)

    def attempts(self) -> QuerySet[Attempt]:
        """Return the attempts within reach."""
        found = Attempt.objects.filter(programme=self.programme).select_related("learner")
        return found if self.reach == "all" else found.filter(learner_id=self.membership.learner_id)

    def assignments(self) -> QuerySet[Assignment]:
        """Return the assignments within reach."""
        found = Assignment.objects.filter(programme=self.programme).select_related("cohort")
        return found if self.reach == "all" else found.filter(cohort__learners=self.membership.learner_id)

    def cohorts(self) -> QuerySet[Cohort]:
        """Return the cohorts; none for a fellow."""
        found = Cohort.objects.filter(programme=self.programme)
        return found if self.reach == "all" else found.none()

    def decisions(self) -> QuerySet[Decision]:
        """Return the decisions within reach."""
        found = Decision.objects.filter(programme=self.programme).select_related("learner", "assignment")
        return found if self.reach == "all" else found.filter(learner_id=self.membership.learner_id)

    def badges(self) -> QuerySet[Badge]:
        """Return the badges within reach."""
        found = Badge.objects.filter(programme=self.programme).select_related("decision__learner", "decision__assignment")
        return found if self.reach == "all" else found.filter(decision__learner_id=self.membership.learner_id)

    def standards(self) -> QuerySet[Standard]:
        """Return the standards of the programme, newest first."""
        return Standard.objects.filter(programme=self.programme).order_by("-adopted", "-pk")

    def note(self, action: str, target: str = "", detail: str = "") -> None:
        """Add to the audit log what was done from here."""
        audit.note(action, self.actor, target, detail, self.programme)


class Headers:
    """Puts the content policy on every answer that has none of its own, and keeps pages of people out of caches."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CSP)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        response.headers.setdefault("X-Frame-Options", "DENY")
        return response


class Guard:
    """Asks the table before any view runs. What is not in the table answers nobody."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        request.seat = None
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]) -> HttpResponseBase | None:
        """Return a refusal, or None to go on."""
        name = request.resolver_match.view_name if request.resolver_match else ""
        rule = POLICY.get(name)
        if rule is None:
            return refuse(request, 403, "Nobody may open this page.")
        if rule.open:
            return _open(request, rule)
        member = _by_token(request) if rule.by == "token" else _by_session(request, kwargs.get("programme", ""))
        if member is None:
            if rule.by == "token":
                return refuse(request, 401, "Sign in: the token is missing, unknown or expired.")
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path(), "account_login")
            raise Http404  # another programme's pages do not exist for those outside
        if member.role not in rule.roles:
            return refuse(request, 403, f"Your role ({member.role}) does not open this page.")
        request.seat = Seat(member, rule.roles[member.role])
        return None


def _open(request: HttpRequest, rule: Rule) -> HttpResponseBase | None:
    if rule.open == "anyone":
        return None
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), "account_login")
    if rule.open == "server" and not request.user.is_superuser:
        return refuse(request, 403, "Only who runs the server opens this page.")
    return None


def _by_session(request: HttpRequest, slug: str) -> Membership | None:
    if not request.user.is_authenticated:
        return None
    found = Membership.objects.select_related("programme", "learner", "user")
    return found.filter(user=request.user, programme__slug=slug).first()


def _by_token(request: HttpRequest) -> Membership | None:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer" or not secret:
        return None
    token = (
        Token.objects.select_related("membership__programme", "membership__learner", "membership__user")
        .filter(digest=digest_of(secret), expires__gt=timezone.now(), membership__user__is_active=True)
        .first()
    )
    return token.membership if token else None


def digest_of(secret: str) -> str:
    """Return what is kept of a secret that was handed out."""
    return hashlib.sha256(secret.encode()).hexdigest()


def refuse(request: HttpRequest, status: int, why: str) -> HttpResponse:
    """Return a refusal in the form that was asked for."""
    if request.path.startswith("/api/"):
        answer: HttpResponse = JsonResponse({"error": why}, status=status)
        if status == 401:
            answer["WWW-Authenticate"] = "Bearer"
        return answer
    return render(request, "portal/refused.html", {"why": why, "status": status}, status=status)


def broken(request: HttpRequest) -> HttpResponse:
    """Answer when a view failed: 503 while the database is away (nothing was taken over), else 500."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    status = 503 if away else 500
    why = "The database does not answer; try again in a minute." if away else "Something went wrong on the server."
    if request.path.startswith("/api/"):
        answer: HttpResponse = JsonResponse({"error": why}, status=status)
    else:
        answer = HttpResponse(loader.get_template("500.html").render({"why": why}), status=status)
    if away:
        answer["Retry-After"] = "60"
    return answer


def document(html: str) -> HttpResponse:
    """Return a report as a page of its own, under the policy for documents."""
    return HttpResponse(html, headers={"Content-Security-Policy": DOCUMENT_CSP})


def around(request: HttpRequest) -> dict[str, Any]:
    """Return what every page shows around its content: the seat, and the pages that its role opens."""
    seat = getattr(request, "seat", None)
    return {"seat": seat, "menu": [entry for entry in MENU if seat and seat.role in POLICY[entry[0]].roles]}


MENU = [
    ("board", "Status board"),
    ("cohorts", "Cohorts"),
    ("assignments", "Assignments"),
    ("errors", "Critical errors"),
    ("compare", "Compare"),
    ("value", "Value"),
    ("review", "Review"),
    ("standards", "Standards"),
    ("badges", "Badges"),
    ("members", "Members"),
    ("people", "Learners"),
    ("settings", "Settings"),
    ("audit", "Audit log"),
]
