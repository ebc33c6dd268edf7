"""The committee's pages: queue, evidence, comments, decision with attestation, standards, badges."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from scoring.exchange import badge as open_badge
from scoring.exchange.decision import OUTCOMES, make_decision, parse_decision
from scoring.keys import fingerprint, load_or_create, public_hex
from scoring.portal.desk import desk
from scoring.portal.guard import Seat
from scoring.portal.models import Assignment, Attempt, Badge, Comment, Decision, Learner, Programme
from scoring.portal.progress import Progress, belongs, progress, utc
from scoring.portal.rows import (
    battery_of,
    facts_of,
    headers_of,
    now,
    row_from,
    rows_by_learner,
    rows_of,
    standard_of,
    work_of,
)
from scoring.portal.views.tools import page_of, report, see, told
from sim.errors import UsageError

ATTEST = (
    "I have read the evidence packet, its limits included. The decision rests on the verified records named in it. "
    "It speaks of simulated patients and of nothing else."
)


def signing_key() -> Any:
    """Return the key with which this server signs decisions and badges."""
    return load_or_create(settings.FOLDER / "keys")


def _cases(seat: Seat) -> list[tuple[Assignment, Learner, Progress, Decision | None]]:
    decided = {(d.assignment_id, d.learner_id): d for d in seat.decisions().order_by("pk")}
    rows, time, out = rows_by_learner(seat.attempts().filter(row__mode="assessment")), now(), []
    for one in seat.assignments().filter(mode="assessment").order_by("due").prefetch_related("cohort__learners"):
        work = work_of(one)
        for who in one.cohort.learners.all():
            far = progress(work, rows.get(who.pk, []), time)
            if far.tried:
                out.append((one, who, far, decided.get((one.pk, who.pk))))
    return out


@require_safe
def review(request: HttpRequest, programme: str) -> HttpResponse:
    """List who has begun an assessment: what waits for a decision first."""
    seat = see(request)
    seat.note("saw", "review queue")
    cases = _cases(seat)
    waiting = [case for case in cases if case[3] is None]
    decided = [case for case in cases if case[3] is not None]
    context = {"waiting": page_of(request, waiting), "decided": page_of(request, decided, name="decided")}
    return render(request, "portal/review.html", context)


def _case(request: HttpRequest, assignment: int, pseudonym: str) -> tuple[Seat, Assignment, Learner, list[Attempt]]:
    seat = see(request)
    one = get_object_or_404(seat.assignments(), pk=assignment, mode="assessment")
    who = get_object_or_404(seat.learners().filter(cohort__assignment=one).distinct(), pseudonym=pseudonym)
    work = work_of(one)
    attempts = [a for a in seat.attempts().filter(learner=who) if not row_from(a).counts or belongs(work, row_from(a))]
    return seat, one, who, attempts


class Decide(forms.Form):
    """What the committee decides."""

    outcome = forms.ChoiceField(choices=[(o, o) for o in OUTCOMES])
    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), max_length=2000)
    members = forms.CharField(max_length=600, label="Decided by", help_text="names of the members, with commas between them")
    years = forms.IntegerField(min_value=0, max_value=10, initial=2, label="Years it holds", help_text="0: no end")
    attest = forms.BooleanField(label=ATTEST)


@require_safe
def case(request: HttpRequest, programme: str, assignment: int, pseudonym: str) -> HttpResponse:
    """Show one learner at one assessment: verdicts, what the standard allows to say, comments, and the form to decide."""
    seat, one, who, attempts = _case(request, assignment, pseudonym)
    seat.note("saw", f"case {who.pseudonym}", f"assignment {one.pk}")
    return render(request, "portal/case.html", _case_context(seat, one, who, attempts, Decide()))


def _case_context(seat: Seat, one: Assignment, who: Learner, attempts: list[Attempt], form: Decide) -> dict[str, Any]:
    rows = rows_of(attempts)
    standard, _ = standard_of(seat.programme, _procedure(one, attempts))
    facts = facts_of(rows, standard, attempts)
    return {
        "assignment": one,
        "learner": who,
        "progress": progress(work_of(one), rows, now()),
        "attempts": list(zip(attempts, rows, strict=True)),
        "standard": standard,
        "words": facts.words(who.pseudonym).text if who.pseudonym in facts.cohort.learners else "No attempt counts yet.",
        "comments": Comment.objects.filter(assignment=one, learner=who).order_by("made"),
        "decisions": seat.decisions().filter(assignment=one, learner=who).order_by("-pk"),
        "scripted": any(row.counts and row.scripted for row in rows),
        "form": form,
    }


def _procedure(one: Assignment, attempts: list[Attempt]) -> str:
    battery = battery_of(one)
    if battery:
        return battery.procedure
    found = {row.procedure for a in attempts if (row := row_from(a)).procedure}
    return found.pop() if len(found) == 1 else ""


@require_safe
def packet(request: HttpRequest, programme: str, assignment: int, pseudonym: str) -> HttpResponse:
    """Show the evidence packet (docs/EVIDENCE.md) as a page of its own, with ?pdf as a file; its hash goes into the audit log."""
    seat, one, who, attempts = _case(request, assignment, pseudonym)
    standard, file = standard_of(seat.programme, _procedure(one, attempts))
    if not any(row_from(a).counts for a in attempts):
        return render(request, "portal/refused.html", {"why": "No attempt counts yet: there is no evidence."}, status=404)
    facts = facts_of(rows_of(attempts), standard, attempts)
    answer = report(request, desk().packet(facts, headers_of(attempts), bytes(one.battery), file, who.pseudonym), "packet")
    digest = hashlib.sha256(answer.content).hexdigest()
    seat.note("saw", f"evidence packet of {who.pseudonym}", f"assignment {one.pk}, sha256 {digest}")
    return answer


@require_POST
def comment(request: HttpRequest, programme: str, assignment: int, pseudonym: str) -> HttpResponse:
    """Add a comment."""
    seat, one, who, _ = _case(request, assignment, pseudonym)
    text = request.POST.get("text", "").strip()[:4000]
    if text:
        Comment.objects.create(programme=seat.programme, learner=who, assignment=one, author=request.user, text=text)
        seat.note("commented", f"case {who.pseudonym}", f"assignment {one.pk}")
    return redirect("case", programme, assignment, pseudonym)


@require_POST
@told("case", "assignment", "pseudonym")
def decide(request: HttpRequest, programme: str, assignment: int, pseudonym: str) -> HttpResponse:
    """Sign the decision, with the first attempts that it rests on."""
    seat, one, who, attempts = _case(request, assignment, pseudonym)
    form = Decide(request.POST)
    if not form.is_valid():
        return render(request, "portal/case.html", _case_context(seat, one, who, attempts, form), status=422)
    far = progress(work_of(one), rows_of(attempts), now())
    firsts = [c.counted.record_id for c in far.cases if c.counted is not None]
    _, file = standard_of(seat.programme, _procedure(one, attempts))
    data = make_decision(_body(one, who, firsts, file, form.cleaned_data, _procedure(one, attempts)), signing_key())
    with transaction.atomic():
        made = Decision.objects.create(
            programme=seat.programme, learner=who, assignment=one, outcome=form.cleaned_data["outcome"], document=data
        )
        digest = hashlib.sha256(data).hexdigest()
        seat.note("decided", f"case {who.pseudonym}", f"assignment {one.pk}: {made.outcome}, attested, decision sha256 {digest}")
    messages.success(request, f"Decided: {made.outcome}. The decision is signed with the key {fingerprint(signing_key())}.")
    return redirect("case", programme, assignment, pseudonym)


def _body(
    one: Assignment, who: Learner, firsts: list[str], standard: bytes, data: dict[str, Any], procedure: str
) -> dict[str, Any]:
    battery = battery_of(one)
    until = timezone.now() + timedelta(days=365 * data["years"]) if data["years"] else None
    return {
        "learner": who.pseudonym,
        "procedure": procedure or "several procedures",
        "battery": battery.id if battery else f"{one.title} (assignment {one.pk})",
        "battery_sha256": battery.sha256 if battery else "",
        "records": firsts,
        "standard_sha256": hashlib.sha256(standard).hexdigest() if standard else "",
        "outcome": data["outcome"],
        "reason": " ".join(data["reason"].split()),
        "decided_by": [name.strip() for name in data["members"].split(",") if name.strip()],
        "decided": now(),
        "valid_until": utc(until) if until else "",
    }


@require_safe
def badges(request: HttpRequest, programme: str) -> HttpResponse:
    """List the badges, and the decisions from which one may be issued."""
    seat = see(request)
    granted = seat.decisions().filter(outcome="granted", badge=None).order_by("-pk")
    context = {"badges": seat.badges().order_by("-pk"), "granted": granted, "key": public_hex(signing_key())}
    return render(request, "portal/badges.html", context)


@require_POST
@told("badges")
def badge_issue(request: HttpRequest, programme: str, decision: int) -> HttpResponse:
    """Issue the badge of a decision that was granted, on records that this server has verified."""
    seat = see(request)
    one = get_object_or_404(seat.decisions(), pk=decision)
    made = parse_decision(bytes(one.document), f"decision {one.pk}")
    if made.public_key != public_hex(signing_key()):
        raise UsageError("the decision was signed with another key than this server's; decide again")
    list_uri = f"{settings.ADDRESS}/p/{programme}/revocations.json"
    token = open_badge.issue(made, _evidence(seat, one, made.procedure), signing_key(), seat.programme.name, list_uri)
    checked = open_badge.verify(token, public_hex(signing_key()), now())
    if checked.credential is None:
        raise UsageError(f"the badge could not be issued: {checked.status}: {checked.reason}")
    try:
        with transaction.atomic():
            Badge.objects.create(programme=seat.programme, decision=one, credential=checked.credential["id"], token=token)
            seat.note("badge issued", f"case {one.learner.pseudonym}", checked.credential["id"])
    except IntegrityError:
        raise UsageError("a badge was issued from this decision already") from None
    return redirect("badges", programme)


def _evidence(seat: Seat, one: Decision, procedure: str) -> open_badge.Evidence:
    standard, file = standard_of(seat.programme, procedure)
    statuses = {a.record_id: a.status for a in seat.attempts().filter(learner=one.learner, state=Attempt.CHECKED) if a.record_id}
    if standard is None:
        return open_badge.Evidence(None, False, "", statuses)
    text = (
        f"Standard for {standard.procedure} by {standard.method}: mean {standard.scale} of at least {standard.items} first "
        f"attempts at or above {standard.cut:g}; critical errors allowed: {standard.critical_allowed}. Set by {standard.who}."
    )
    return open_badge.Evidence(hashlib.sha256(file).hexdigest(), standard.provisional, text, statuses)


@require_safe
def badge(request: HttpRequest, programme: str, badge: int) -> HttpResponse:
    """Return a badge as a file; it verifies without this server (main.py badge verify)."""
    one = get_object_or_404(see(request).badges(), pk=badge)
    name = f'attachment; filename="badge-{one.pk}.jwt"'
    return HttpResponse(one.token + "\n", content_type="application/jwt", headers={"Content-Disposition": name})


@require_POST
def badge_revoke(request: HttpRequest, programme: str, badge: int) -> HttpResponse:
    """Take a badge back: from now on the public list names it."""
    seat = see(request)
    one = get_object_or_404(seat.badges(), pk=badge)
    with transaction.atomic():
        reason = " ".join(request.POST.get("reason", "").split())[:500]
        if seat.badges().filter(pk=badge, revoked=None).update(revoked=timezone.now(), reason=reason):
            seat.note("badge revoked", f"case {one.decision.learner.pseudonym}", one.credential)
    return redirect("badges", programme)


@require_safe
def issuer(request: HttpRequest, programme: str) -> HttpResponse:
    """Return the public key under which this programme's badges and decisions verify. Open to anyone."""
    one = get_object_or_404(Programme, slug=programme)
    key = public_hex(signing_key())
    return JsonResponse({"issuer": one.name, "public_key": key, "fingerprint": fingerprint(key)})


@require_safe
def revocations(request: HttpRequest, programme: str) -> HttpResponse:
    """Return the signed list of revoked badges (docs/EVIDENCE.md). Open to anyone: it holds no names, not even pseudonyms."""
    one = get_object_or_404(Programme, slug=programme)
    entries = dict(Badge.objects.filter(programme=one).exclude(revoked=None).values_list("credential", "reason"))
    return HttpResponse(open_badge.revocation_list(entries, now(), signing_key()), content_type="application/json")
