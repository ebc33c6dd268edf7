"""A learner's pages, for director, committee and the fellow himself: assignments, curve, attempts, what is kept about him."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.cache import cache
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from scoring.cohort import Cohort as Rows
from scoring.cohort import Row
from scoring.figures import clock
from scoring.portal.blobs import blob_path
from scoring.portal.desk import desk
from scoring.portal.guard import Seat, document
from scoring.portal.models import Attempt, Badge, Cohort, Decision, GradeLine, Learner, Statement
from scoring.portal.progress import SCALE, progress, utc
from scoring.portal.rows import facts_of, newest_verdicts, now, row_from, rows_of, standard_of, titles, work_of
from scoring.portal.views.tools import page_of, report, see
from scoring.reports.charts import Mark, curve
from scoring.reports.learner import learner_document
from scoring.statistics.curves import cohort_band
from sim.errors import ScottieError

BAND_S = 60
"""So old may the cohort's band be: it is drawn from the attempts of everybody in it."""


def _own(seat: Seat, pseudonym: str) -> Learner:
    return get_object_or_404(seat.learners(), pseudonym=pseudonym)


def _shown(seat: Seat, who: Learner) -> str:
    """Return the name; for the committee, which judges without it, the pseudonym."""
    return who.pseudonym if seat.role == "committee" else who.name or who.pseudonym


@require_safe
def learner(request: HttpRequest, programme: str, pseudonym: str) -> HttpResponse:
    """Show one learner: what is assigned, the curve of each procedure against cohort and target, the attempts."""
    seat = see(request)
    who = _own(seat, pseudonym)
    if seat.reach == "all":
        seat.note("saw", f"learner {who.pseudonym}")
    attempts = list(seat.attempts().filter(learner=who).order_by("-received", "-pk"))
    rows = rows_of(attempts)
    given = seat.assignments().filter(cohort__learners=who, closed=False).order_by("due")
    context = {
        "learner": who,
        "shown": _shown(seat, who),
        "attempts": page_of(request, attempts),
        "given": [(one, progress(work_of(one), rows, now())) for one in given],
        "curves": _curves(who, rows),
        "titles": titles(),
        "badges": seat.badges().filter(decision__learner=who) if seat.role != "director" else [],
    }
    return render(request, "portal/learner.html", context)


def _curves(who: Learner, rows: list[Row]) -> list[dict[str, Any]]:
    """Return per procedure the drawing and the numbers in it."""
    mine = Rows([row for row in rows if row.counts and row.value(SCALE) is not None]).evidence
    out = []
    for number, name in enumerate(sorted({row.procedure for row in mine})):
        marks = [
            Mark(n, float(row.value(SCALE) or 0.0), bool(row.passed))
            for n, row in enumerate([row for row in mine if row.procedure == name], 1)
        ]
        band = _band(who, name)
        target = _target(who)
        sheet = curve(marks, band, target, "checklist points (%)")
        told = f"Checklist points of {len(marks)} attempts in order of time; the table below holds the numbers."
        out.append(
            {"procedure": name, "svg": mark_safe(sheet.svg(f"curve-{number}", told)), "marks": marks, "band": dict(_by(band))}
        )
    return out


def _by(band: list[tuple[int, float, float, float]]) -> list[tuple[int, tuple[float, float, float]]]:
    return [(n, (low, middle, high)) for n, low, middle, high in band]


def _target(who: Learner) -> float | None:
    from scoring.portal.models import Assignment

    found = Assignment.objects.filter(cohort__learners=who, closed=False, target_percent__isnull=False).order_by("due").first()
    return float(found.target_percent) if found and found.target_percent is not None else None


def _band(who: Learner, procedure: str) -> list[tuple[int, float, float, float]]:
    """Return (attempt, p10, median, p90) of the learner's cohorts; nothing where fewer than 5 got. Up to a minute old."""
    cohorts = sorted(Cohort.objects.filter(learners=who).values_list("pk", flat=True))
    key = "band-" + hashlib.sha256(repr((cohorts, procedure)).encode()).hexdigest()
    found: list[tuple[int, float, float, float]] = cache.get_or_set(key, lambda: _band_of(cohorts, procedure), BAND_S)
    return found


def _band_of(cohorts: list[int], procedure: str) -> list[tuple[int, float, float, float]]:
    people = Learner.objects.filter(cohort__in=cohorts).distinct()
    rows = Rows(rows_of(Attempt.objects.filter(learner__in=people, state=Attempt.CHECKED)))
    series = [
        [v for row in rows.of(name) if row.procedure == procedure and (v := row.value(SCALE)) is not None]
        for name in rows.learners
    ]
    return [(p.attempt, p.p10, p.p50, p.p90) for p in cohort_band([one for one in series if one])]


@require_safe
def learner_report(request: HttpRequest, programme: str, pseudonym: str) -> HttpResponse:
    """Show the learner's report (docs/EVIDENCE.md) as a page of its own; ?pdf gives it as a file."""
    seat = see(request)
    who = _own(seat, pseudonym)
    if seat.reach == "all":
        seat.note("saw", f"report of {who.pseudonym}")
    attempts = list(Attempt.objects.filter(learner=who, state=Attempt.CHECKED))
    rows = rows_of(attempts)
    procedures = {row.procedure for row in rows if row.procedure}
    standard = standard_of(seat.programme, procedures.pop())[0] if len(procedures) == 1 else None
    try:
        made = learner_document(facts_of(rows, standard, attempts), who.pseudonym)
    except ScottieError as error:
        return render(request, "portal/refused.html", {"why": str(error)}, status=404)
    return report(request, made, f"learner-{who.pseudonym}")


@require_safe
def learner_data(request: HttpRequest, programme: str, pseudonym: str) -> HttpResponse:
    """Return all that the portal keeps about a learner as one JSON file; records themselves: `attempt_file`."""
    seat = see(request)
    who = _own(seat, pseudonym)
    seat.note("exported", f"data of {who.pseudonym}")
    attempts = Attempt.objects.filter(learner=who).order_by("received")
    told = {
        "pseudonym": who.pseudonym,
        "id": who.external_id,
        "name": who.name,
        "email": who.email,
        "cohorts": [one.name for one in who.cohort_set.all()],
        "attempts": [{"sha256": a.sha256, "received": a.received, "status": a.status, "row": a.row} for a in attempts],
        "decisions": [bytes(d.document).decode() for d in Decision.objects.filter(learner=who)],
        "badges": [b.token for b in Badge.objects.filter(decision__learner=who)],
        "sign_in": list(SocialAccount.objects.filter(user__membership__learner=who).values("provider", "uid", "extra_data")),
        "grade_books": list(GradeLine.objects.filter(learner=who).values("issuer", "subject", "line", "said", "sent")),
        "record_stores": list(Statement.objects.filter(attempt__learner=who).values("store", "made", "attempt__sha256")),
    }
    return JsonResponse(told, headers={"Content-Disposition": f'attachment; filename="{who.pseudonym}.json"'})


@require_safe
def attempt(request: HttpRequest, programme: str, attempt: int) -> HttpResponse:
    """Show one attempt and every verdict on it; with ?report, its report replayed from the record."""
    seat = see(request)
    one = get_object_or_404(seat.attempts(), pk=attempt)
    if seat.reach == "all":
        seat.note("saw", f"attempt {one.sha256[:16]}")
    row = row_from(one)
    if "report" in request.GET:
        return _report(request, one, row)
    verdicts = one.verdict_set.order_by("-pk")
    moments = [(e, clock(t) if t >= 0 else "", why) for e, t, why in verdicts[0].moments] if verdicts else []
    numbers = [(name.replace("_", " "), f"{v:.6g}") for name, v in row.metrics.items() if v is not None]
    context = {
        "attempt": one,
        "shown": _shown(seat, one.learner),
        "row": row,
        "verdicts": verdicts,
        "moments": moments,
        "numbers": numbers,
        "titles": titles(),
        "ahead": row.started > utc(one.received + timedelta(minutes=2)),
    }
    return render(request, "portal/attempt.html", context)


def _report(request: HttpRequest, one: Attempt, row: Row) -> HttpResponse:
    if not row.counts:
        why = f"This record is {one.status or one.state}: {one.reason or 'not verified yet'}. There is no report of it."
        return render(request, "portal/refused.html", {"why": why}, status=404)
    verdict = newest_verdicts([one])[one.pk]
    return document(desk().attempt_html(str(blob_path(settings.FOLDER, one.sha256)), f"{verdict.status}: {verdict.reason}"))


@require_safe
def attempt_file(request: HttpRequest, programme: str, attempt: int) -> HttpResponse | FileResponse:
    """Return the record itself, as it was handed in: anybody can verify it again (docs/RECORD.md)."""
    seat = see(request)
    one = get_object_or_404(seat.attempts(), pk=attempt)
    if seat.reach == "all":
        seat.note("exported", f"attempt {one.sha256[:16]}")
    path = blob_path(settings.FOLDER, one.sha256)
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"{one.sha256[:16]}.scottie")
