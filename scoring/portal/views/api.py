"""The desktop's calls: sign in with a device code (RFC 8628), pull assignments, hand attempts in.

A record is PUT under its SHA-256: handing it in twice is handing it in once, and the answer comes when the bytes are on the disk.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from scoring.portal.blobs import MAX_BYTES, TooLarge, blob_path, keep
from scoring.portal.guard import digest_of
from scoring.portal.models import Attempt, DeviceCode, Token
from scoring.portal.openapi import description
from scoring.portal.progress import progress
from scoring.portal.rows import now, rows_of, work_of
from scoring.portal.views.tools import see
from sim.attempt import is_hex
from sim.errors import MachineError, RecordError

CODE_LIFE, TOKEN_LIFE, INTERVAL = timedelta(minutes=15), timedelta(days=90), 5
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words; RFC 8628, 6.1
MOST_CODES = 200
CHUNK = 64 * 1024


def _error(status: int, why: str, code: str = "") -> JsonResponse:
    return JsonResponse({"error": code or why, **({"error_description": why} if code else {})}, status=status)


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Return the description of these calls (OpenAPI 3.1)."""
    return JsonResponse(description(settings.ADDRESS))


@csrf_exempt
@require_POST
def device(request: HttpRequest) -> HttpResponse:
    """Begin to sign in: a code for the desktop, and one that its person types in the browser."""
    DeviceCode.objects.filter(expires__lt=timezone.now()).delete()
    if DeviceCode.objects.filter(membership=None).count() >= MOST_CODES:
        return _error(429, "too many desktops are signing in; try again in a quarter of an hour", "slow_down")
    secret = secrets.token_urlsafe(32)
    letters = "".join(secrets.choice(LETTERS) for _ in range(8))
    user_code = f"{letters[:4]}-{letters[4:]}"
    DeviceCode.objects.create(digest=digest_of(secret), user_code=user_code, expires=timezone.now() + CODE_LIFE)
    page = settings.ADDRESS + reverse("device")
    told = {"device_code": secret, "user_code": user_code, "verification_uri": page, "interval": INTERVAL}
    told |= {"verification_uri_complete": f"{page}?code={user_code}", "expires_in": int(CODE_LIFE.total_seconds())}
    return JsonResponse(told)


@csrf_exempt
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """Ask whether the code was approved; once it was, hand out a token, once."""
    found = DeviceCode.objects.filter(digest=digest_of(_device_code(request)), expires__gt=timezone.now()).first()
    if found is None:
        return _error(400, "this device code was used, has expired, or never was one", "expired_token")
    if found.membership_id is None:
        return _pending(found)
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        if not DeviceCode.objects.filter(pk=found.pk).delete()[0]:
            return _error(400, "this device code was used", "expired_token")
        Token.objects.create(digest=digest_of(secret), membership=found.membership, expires=timezone.now() + TOKEN_LIFE)
    return JsonResponse({"access_token": secret, "token_type": "Bearer", "expires_in": int(TOKEN_LIFE.total_seconds())})


def _device_code(request: HttpRequest) -> str:
    if request.content_type == "application/json":
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            return ""
        return str(body.get("device_code", "")) if isinstance(body, dict) else ""
    return str(request.POST.get("device_code", ""))


def _pending(found: DeviceCode) -> HttpResponse:
    last, found.polled = found.polled, timezone.now()
    found.save(update_fields=["polled"])
    if last and found.polled - last < timedelta(seconds=INTERVAL - 1):
        return _error(400, f"ask at most every {INTERVAL} seconds", "slow_down")
    return _error(400, "nobody has typed the code yet", "authorization_pending")


@csrf_exempt
@require_safe
def me(request: HttpRequest) -> HttpResponse:
    """Tell the desktop whose it is: the pseudonym that goes into records."""
    seat = see(request)
    return JsonResponse(
        {
            "programme": seat.programme.slug,
            "name": seat.programme.name,
            "learner": seat.membership.learner.pseudonym,
            "time": now(),
        }
    )


@csrf_exempt
@require_safe
def assignments(request: HttpRequest) -> HttpResponse:
    """Return the open assignments of this learner, and how far they are."""
    seat = see(request)
    rows = rows_of(seat.attempts().filter(state=Attempt.CHECKED))
    given = seat.assignments().filter(closed=False).order_by("due")
    return JsonResponse({"assignments": [_told(one, rows) for one in given], "time": now()})


def _told(one: Any, rows: list[Any]) -> dict[str, Any]:
    work = work_of(one)
    far = progress(work, rows, now())
    cases = [{"scenario": c.ask.scenario, "seed": c.ask.seed, "state": c.state, "attempts": c.attempts} for c in far.cases]
    if one.battery:
        cases = [{**case, "seed": None} for case in cases]  # the seeds of a sealed battery stay sealed
    told = {
        "id": one.pk,
        "title": one.title,
        "mode": work.mode,
        "opens": work.opens,
        "due": work.due,
        "sealed": bool(one.battery),
    }
    return told | {"attempts_allowed": work.allowed, "target_percent": work.target, "state": far.state, "cases": cases}


@csrf_exempt
@require_http_methods(["GET", "HEAD", "PUT"])
def attempt(request: HttpRequest, sha256: str) -> HttpResponse:
    """PUT: hand a record in. GET: what became of it."""
    seat = see(request)
    if not is_hex(sha256, 32):
        return _error(400, "expected the record's SHA-256 as 64 lower-case hexadecimal digits")
    known = Attempt.objects.filter(programme=seat.programme, sha256=sha256).first()
    if request.method != "PUT":
        mine = known is not None and known.learner_id == seat.membership.learner_id
        return JsonResponse(_state(known)) if mine else _error(404, "no such record was handed in from here")
    if known is not None and known.learner_id != seat.membership.learner_id:
        return _error(409, "this very record was handed in by another learner")
    if known is not None and blob_path(settings.FOLDER, sha256).exists():
        return JsonResponse(_state(known))
    return _take(request, sha256)


def _take(request: HttpRequest, sha256: str) -> HttpResponse:
    length = request.headers.get("Content-Length", "")
    if not length.isdigit():
        return _error(411, "expected the header Content-Length")
    if int(length) > MAX_BYTES:
        return _error(413, f"{length} bytes; no record is larger than {MAX_BYTES}")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return _error(415, "expected the record as it is: nothing is unpacked here")
    seat = see(request)
    if not _may_hand_in(seat.membership.pk):
        return _error(429, "more than 600 records in an hour; hand the rest in later")
    try:
        _, size = keep(settings.FOLDER, sha256, _chunks(request, int(length)))
    except TooLarge as error:
        return _error(413, str(error))
    except RecordError as error:
        return _error(422, str(error))
    except MachineError as error:
        return _error(507, str(error))
    with transaction.atomic():
        made, new = Attempt.objects.get_or_create(
            programme=seat.programme, sha256=sha256, defaults={"learner": seat.membership.learner, "size": size}
        )
        if new:
            seat.note("handed in", f"attempt {sha256[:16]}", f"{size} bytes")
    return JsonResponse(_state(made), status=201 if new else 200)


def _may_hand_in(member: int) -> bool:
    key = f"handed-in-{member}"
    count = int(cache.get_or_set(key, 0, 3600))
    cache.set(key, count + 1, 3600)
    return count < 600


def _chunks(request: HttpRequest, length: int) -> Iterator[bytes]:
    left = length
    while left > 0:
        try:
            chunk = request.read(min(CHUNK, left))
        except OSError:  # the line broke
            return
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def _state(one: Attempt) -> dict[str, Any]:
    told = {"sha256": one.sha256, "state": one.state, "received": one.received.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return told | {"status": one.status, "reason": one.reason, "record_id": one.record_id}
