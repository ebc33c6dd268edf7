"""LTI 1.3: begin a launch, take it, publish the tool's keys. No platform makes accounts: it lets in people who were invited."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from allauth.account.utils import perform_login
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from scoring.portal import audit, lti
from scoring.portal.connections import speaks_for
from scoring.portal.models import Assignment, GradeLine, Membership
from sim.errors import MachineError, UsageError

COOKIE, LIFE_S = "lti-launch", 600


def _refused(request: HttpRequest, why: str, status: int = 400) -> HttpResponse:
    return render(request, "portal/refused.html", {"why": why, "status": status}, status=status)


@csrf_exempt
@require_http_methods(["GET", "POST"])
def lti_begin(request: HttpRequest) -> HttpResponse:
    """Begin a launch: send the browser to the platform with a state and a nonce that hold ten minutes."""
    told = {name: str(value)[:2000] for name, value in (request.POST if request.method == "POST" else request.GET).items()}
    try:
        platform = lti.platform_of(settings.CONNECTIONS.lti, told.get("iss", ""), told.get("client_id", ""))
    except UsageError as error:
        return _refused(request, str(error))
    state, nonce, mine = (secrets.token_urlsafe(32) for _ in range(3))
    cache.set(f"lti-{state}", [platform["issuer"], platform["client_id"], nonce, mine], LIFE_S)
    back = settings.ADDRESS + reverse("lti_launch")
    answer = HttpResponseRedirect(lti.request_address(platform, told, back, state, nonce))
    answer.set_cookie(COOKIE, mine, LIFE_S, secure=settings.SECURE, httponly=True, samesite="None" if settings.SECURE else "Lax")
    return answer


@csrf_exempt
@require_POST
def lti_launch(request: HttpRequest) -> HttpResponse:
    """Take a launch: sign its person in, and remember the grade book's column of the assignment that it names."""
    key = f"lti-{request.POST.get('state', '')[:100]}"
    kept = cache.get(key)
    if kept is None or not cache.delete(key) or not secrets.compare_digest(request.COOKIES.get(COOKIE, ""), kept[3]):
        return _refused(request, "This launch was used, took too long, or began in another browser. Begin it again.")
    try:
        platform = lti.platform_of(settings.CONNECTIONS.lti, kept[0], kept[1])
        claims = lti.read_launch(platform, request.POST.get("id_token", ""), kept[2])
    except (UsageError, MachineError) as error:
        return _refused(request, str(error))
    member = _member(platform, claims)
    if member is None:
        why = f"Nobody with your address has been invited to {platform['programme']}. Ask its admin for an invitation."
        return _refused(request, why, 403)
    _remember(platform, claims, member)
    audit.note("launched", f"user {member.user_id} ({member.role})", detail=platform["name"], programme=member.programme)
    page = reverse("programme", args=[member.programme.slug])
    answer = perform_login(request, member.user, email_verification="none", redirect_url=page)
    answer.delete_cookie(COOKIE)
    return answer


@transaction.atomic
def _member(platform: dict[str, Any], claims: dict[str, Any]) -> Membership | None:
    """Return who launches: known by the platform's number, or, the first time, by an address that it may speak for."""
    members = Membership.objects.filter(programme__slug=platform["programme"], user__is_active=True, user__is_superuser=False)
    members = members.select_related("user", "programme", "learner")
    uid = hashlib.sha256(f"{platform['issuer']} {claims['sub']}".encode()).hexdigest()
    link = {"provider": f"lti {platform['client_id']}"[:200], "uid": uid}
    known = SocialAccount.objects.filter(**link).first()
    if known is not None:
        return members.filter(user=known.user_id).first()
    email = str(claims.get("email", "")).lower()
    member = members.filter(user__email=email).first() if speaks_for(platform["domains"], email) else None
    if member is not None:
        SocialAccount.objects.create(user=member.user, **link)
    return member


def _remember(platform: dict[str, Any], claims: dict[str, Any], member: Membership) -> None:
    """Keep where the score of the assignment goes that the link's own parameter `assignment` names."""
    line, custom = lti.line_item(claims), claims.get(f"{lti.CLAIM}custom")
    number = str(custom.get("assignment", "")) if isinstance(custom, dict) else ""
    if not line or not number.isascii() or not number.isdigit() or member.learner is None:
        return
    given = Assignment.objects.filter(pk=int(number[:9]), programme=member.programme, cohort__learners=member.learner).first()
    if given is not None:
        said = {"line": line, "subject": str(claims["sub"])[:255]}
        where = {"issuer": platform["issuer"], "client_id": platform["client_id"]}
        GradeLine.objects.update_or_create(learner=member.learner, assignment=given, **where, defaults=said)


@require_safe
def lti_keys(request: HttpRequest) -> HttpResponse:
    """Return the tool's public keys."""
    return JsonResponse(lti.published(lti.tool_key(settings.FOLDER)))
