"""The director's pages: cohorts, assignments, status board, critical errors, comparison, value, export."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.mail import send_mail
from django.core.paginator import Page
from django.db import IntegrityError, transaction
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from scoring.cohort import Cohort as Rows
from scoring.cohort import Row
from scoring.exchange.table import csv_text
from scoring.exchange.xapi import json_lines
from scoring.figures import clock
from scoring.portal.desk import desk
from scoring.portal.films import pictures_of
from scoring.portal.guard import Seat
from scoring.portal.models import MODES, Assignment, Attempt, Cohort, Learner
from scoring.portal.people import import_people, read_people
from scoring.portal.progress import Work, progress
from scoring.portal.rows import (
    USED,
    facts_of,
    newest_verdicts,
    now,
    parse_battery,
    row_from,
    rows_by_learner,
    rows_of,
    standard_of,
    work_of,
)
from scoring.portal.views.replay import part_url
from scoring.portal.views.tools import page_of, report, see, told
from scoring.reports.cohort import cohort_document
from scoring.statistics.chance import clopper_pearson
from sim.errors import UsageError

ON_BOARD = 3
"""Assignments on one page of the board."""
MEASURES = (
    ("duration_s", "time (s)"),
    ("fluoro_s", "fluoroscopy (s)"),
    ("dap_gy_m2", "dose area product (Gy.m2)"),
    ("exposures", "exposures"),
    ("points_percent", "checklist points (%)"),
)


def _table(seat: Seat, given: Iterable[Assignment]) -> list[dict[str, Any]]:
    """Return the board: per assignment, per learner, how far. The attempts of everybody on it are read once."""
    given = list(given)
    prefetch_related_objects(given, "cohort__learners")
    people = Learner.objects.filter(cohort__in=[a.cohort_id for a in given])
    rows, time = rows_by_learner(seat.attempts().filter(learner__in=people)), now()
    waiting = set(seat.attempts().exclude(state=Attempt.CHECKED).values_list("learner_id", flat=True))
    out = []
    for assignment in given:
        work = work_of(assignment)
        lines = [
            _line(work, who, rows.get(who.pk, []), time) | {"waiting": who.pk in waiting}
            for who in assignment.cohort.learners.all()
        ]
        out.append({"assignment": assignment, "work": work, "lines": lines})
    return out


def _line(work: Work, who: Learner, rows: list[Row], time: str) -> dict[str, Any]:
    return {"learner": who, "progress": progress(work, rows, time), "refused": sum(not row.counts for row in rows)}


def _open(request: HttpRequest) -> Page[Any]:
    """Return the page of open assignments, the next due first: a board of a thousand lines is no board."""
    return page_of(request, see(request).assignments().filter(closed=False).order_by("due", "pk"), ON_BOARD)


@require_safe
def board(request: HttpRequest, programme: str) -> HttpResponse:
    """Show how far everybody is."""
    seat, given = see(request), _open(request)
    seat.note("saw", "status board")
    refused = seat.attempts().filter(state=Attempt.CHECKED).exclude(status__in=("verified", "interrupted")).order_by("-pk")[:20]
    return render(request, "portal/board.html", {"board": _table(seat, given), "given": given, "refused": refused})


@require_safe
def board_table(request: HttpRequest, programme: str) -> HttpResponse:
    """Return the changing part of the board, which the page fetches again every 15 seconds."""
    return render(request, "portal/board_table.html", {"board": _table(see(request), _open(request))})


class NewCohort(forms.Form):
    """A cohort."""

    name = forms.CharField(max_length=100)


@require_http_methods(["GET", "HEAD", "POST"])
def cohorts(request: HttpRequest, programme: str) -> HttpResponse:
    """List the cohorts, and make one."""
    seat, form = see(request), NewCohort(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                made = Cohort.objects.create(programme=seat.programme, name=form.cleaned_data["name"])
                seat.note("cohort made", f"cohort {made.pk}")
            return redirect("cohort", programme, made.pk)
        except IntegrityError:
            form.add_error("name", "There is a cohort of this name already.")
    return render(request, "portal/cohorts.html", {"form": form, "cohorts": seat.cohorts().order_by("name")})


@require_safe
def cohort(request: HttpRequest, programme: str, cohort: int) -> HttpResponse:
    """Show the learners of a cohort, and the form that takes a list."""
    seat = see(request)
    one = get_object_or_404(seat.cohorts(), pk=cohort)
    seat.note("saw", f"cohort {one.pk}")
    return render(request, "portal/cohort.html", {"cohort": one, "learners": one.learners.order_by("name", "pseudonym")})


@require_POST
@told("cohort", "cohort")
def cohort_import(request: HttpRequest, programme: str, cohort: int) -> HttpResponse:
    """Take over a list of learners, whole or not at all."""
    seat = see(request)
    one = get_object_or_404(seat.cohorts(), pk=cohort)
    file = request.FILES.get("list")
    if file is None:
        raise UsageError("no file was chosen; expected CSV with the columns id, name, email")
    new, all_ = import_people(one, read_people(file.read(1024 * 1024)))
    seat.note("learners imported", f"cohort {one.pk}", f"{all_} lines, {new} new")
    messages.success(request, f"{all_} learners are in this cohort's list, {new} of them new.")
    return redirect("cohort", programme, cohort)


@require_safe
def cohort_report(request: HttpRequest, programme: str, cohort: int) -> HttpResponse:
    """Show the report of a cohort (docs/EVIDENCE.md) over all attempts of its learners."""
    seat = see(request)
    one = get_object_or_404(seat.cohorts(), pk=cohort)
    attempts = list(seat.attempts().filter(learner__in=one.learners.all(), state=Attempt.CHECKED))
    seat.note("saw", f"report of cohort {one.pk}")
    rows = rows_of(attempts)
    procedures = {row.procedure for row in rows if row.procedure}
    standard = standard_of(seat.programme, procedures.pop())[0] if len(procedures) == 1 else None
    if not any(row.counts for row in rows):
        return render(request, "portal/refused.html", {"why": "No attempt of this cohort has been verified yet."}, status=404)
    return report(request, cohort_document(facts_of(rows, standard, attempts)), f"cohort-{one.pk}")


class NewAssignment(forms.Form):
    """What is asked of a cohort."""

    title = forms.CharField(max_length=200)
    cohort = forms.ModelChoiceField(Cohort.objects.none(), empty_label=None)
    mode = forms.ChoiceField(choices=[(m, m) for m in MODES])
    scenarios = forms.MultipleChoiceField(required=False, widget=forms.SelectMultiple(attrs={"size": 12}))
    battery = forms.FileField(
        required=False, label="Or a sealed battery", help_text="the assignment file (main.py battery make); then no scenarios"
    )
    seeds = forms.CharField(
        required=False, label="Patients", help_text="whole numbers with spaces: these patients, each scenario; empty: any patient"
    )
    days = forms.IntegerField(min_value=1, max_value=730, initial=28, label="Days until it is due")
    attempts_allowed = forms.IntegerField(min_value=0, max_value=1000, initial=0, help_text="per case; 0: any number")
    target_percent = forms.IntegerField(
        min_value=0, max_value=100, required=False, label="Target", help_text="percent of checklist points beside passing"
    )

    def __init__(self, seat: Seat, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["cohort"].queryset = seat.cohorts().order_by("name")
        self.fields["scenarios"].choices = [(s.id, f"{s.title} ({s.id})") for s in desk().scenarios()]
        self.engine = desk().engine

    def clean_seeds(self) -> list[int]:
        """Return whole numbers."""
        words = self.cleaned_data["seeds"].replace(",", " ").split()
        if not all(w.isascii() and w.isdigit() and int(w) < 2**31 for w in words) or len(words) > 50:
            raise forms.ValidationError("Expected at most 50 whole numbers from 0 to 2147483647.")
        return sorted({int(w) for w in words})

    def clean_battery(self) -> bytes:
        """Return the bytes of a sealed battery, b"" for none."""
        file = self.cleaned_data["battery"]
        if file is None:
            return b""
        data = file.read(1024 * 1024)
        try:
            self._check_battery(data)
        except Exception as error:
            raise forms.ValidationError(str(error)[:300]) from None
        return bytes(data)

    def _check_battery(self, data: bytes) -> None:
        found, have = parse_battery(data), {s.id: s.version for s in desk().scenarios()}
        lacks = [f"{i.scenario} v{i.scenario_version}" for i in found.items if have.get(i.scenario) != i.scenario_version]
        if lacks:
            raise UsageError(f"this server lacks {', '.join(lacks[:4])}: it could not verify attempts at it")
        if found.engine != self.engine:
            raise UsageError(f"the battery is for engine {found.engine}; this server verifies with {self.engine}")

    def clean(self) -> dict[str, Any]:
        """Check that either scenarios or a battery are given."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if "battery" in data and bool(data.get("scenarios")) == bool(data["battery"]):
            raise forms.ValidationError("Expected either scenarios or a sealed battery.")
        if data.get("battery") and data.get("mode") != "assessment":
            raise forms.ValidationError("A sealed battery is an assessment.")
        return data


@require_http_methods(["GET", "HEAD", "POST"])
def assignments(request: HttpRequest, programme: str) -> HttpResponse:
    """List the assignments, and make one."""
    seat = see(request)
    form = NewAssignment(seat, request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        return redirect("assignment", programme, _assign(seat, form.cleaned_data).pk)
    return render(request, "portal/assignments.html", {"form": form, "assignments": seat.assignments().order_by("-due")})


@transaction.atomic
def _assign(seat: Seat, data: dict[str, Any]) -> Assignment:
    opens = timezone.now().replace(microsecond=0)
    made = Assignment.objects.create(
        programme=seat.programme,
        title=data["title"],
        cohort=data["cohort"],
        mode=data["mode"],
        scenarios=data["scenarios"],
        battery=data["battery"],
        seeds=[] if data["battery"] else data["seeds"],
        opens=opens,
        due=opens + timedelta(days=data["days"]),
        attempts_allowed=data["attempts_allowed"],
        target_percent=data["target_percent"],
    )
    seat.note("assigned", f"assignment {made.pk}", f"to cohort {made.cohort_id}, {made.mode}, due {made.due:%Y-%m-%d}")
    return made


@require_http_methods(["GET", "HEAD", "POST"])
def assignment(request: HttpRequest, programme: str, assignment: int) -> HttpResponse:
    """Show one assignment; POST closes it, or opens it again."""
    seat = see(request)
    one = get_object_or_404(seat.assignments(), pk=assignment)
    if request.method == "POST":
        one.closed = not one.closed
        one.save(update_fields=["closed"])
        seat.note("closed" if one.closed else "opened again", f"assignment {one.pk}")
        return redirect("assignment", programme, assignment)
    table = [] if one.closed else _table(seat, [one])
    return render(request, "portal/assignment.html", {"assignment": one, "work": work_of(one), "board": table})


@require_POST
def remind(request: HttpRequest, programme: str, assignment: int) -> HttpResponse:
    """Send an e-mail to everybody who is not done."""
    seat = see(request)
    one = get_object_or_404(seat.assignments(), pk=assignment)
    table = [] if one.closed else _table(seat, [one])
    people = [line["learner"] for entry in table for line in entry["lines"] if line["progress"].state != "done"]
    sent = sum(_remind(one, who) for who in people if who.email)
    seat.note("reminded", f"assignment {one.pk}", f"{sent} of {len(people)} learners")
    messages.success(request, f"{sent} reminders were sent; {len(people) - sent} learners who are not done have no address.")
    return redirect("assignment", programme, assignment)


def _remind(one: Assignment, who: Learner) -> int:
    text = f"'{one.title}' is due on {one.due:%d %B %Y}. What is left for you: {settings.ADDRESS}/\n"
    return send_mail(f"Scottie: {one.title}"[:200].replace("\n", " "), text, None, [who.email], fail_silently=True)


@require_safe
def errors(request: HttpRequest, programme: str) -> HttpResponse:
    """List every critical error with its moment and reason, newest first."""
    seat = see(request)
    seat.note("saw", "critical errors")
    attempts = [a for a in seat.attempts().filter(state=Attempt.CHECKED).order_by("-received") if a.row.get("critical_errors")]
    verdicts = newest_verdicts(attempts)
    lines = [
        {
            "attempt": a,
            "row": row_from(a),
            "error": error,
            "at": clock(tick) if tick >= 0 else "",
            "why": why,
            "tick": max(0, tick),
        }
        for a in attempts
        for error, tick, why in verdicts[a.pk].moments
    ]
    found = page_of(request, lines)
    pictures = pictures_of([line["attempt"] for line in found])
    for line in found:
        number = pictures.get((line["attempt"].pk, line["error"], line["tick"]))
        line["picture"] = "" if number is None else part_url(programme, line["attempt"].pk, f"{number:02d}", "jpg")
    return render(request, "portal/errors.html", {"lines": found})


@require_safe
def compare(request: HttpRequest, programme: str) -> HttpResponse:
    """Compare the cohorts: first attempts, with the interval of their pass rate. A gap is a question."""
    seat, lines = see(request), []
    for one in seat.cohorts().order_by("name"):
        rows = Rows(rows_of(seat.attempts().filter(learner__in=one.learners.all(), state=Attempt.CHECKED)))
        first = rows.first_attempts()
        passed = sum(row.passed is True for row in first)
        rate = clopper_pearson(passed, len(first), 0.95) if first else None
        errs = sum(bool(row.critical_errors) for row in first)
        lines.append(
            {"cohort": one, "people": one.learners.count(), "first": len(first), "passed": passed, "rate": rate, "errs": errs}
        )
    return render(request, "portal/compare.html", {"lines": lines})


@require_safe
def value(request: HttpRequest, programme: str) -> HttpResponse:
    """Show per procedure what attempts took: time, dose, contrast, devices; median, quartiles and sum."""
    attempts = see(request).attempts().filter(state=Attempt.CHECKED)
    scored = [(row, a.used) for a in attempts if (row := row_from(a)).counts and row.passed is not None]
    table = []
    for name in sorted({row.procedure for row, _ in scored}):
        own = [(row, used) for row, used in scored if row.procedure == name]
        costs = [(text, [row.metrics.get(key) for row, _ in own]) for key, text in MEASURES]
        costs += [(text, [used.get(key) for _, used in own]) for key, (_, _, text) in USED.items()]
        measures = [
            (text, _quartiles(values), _sum(text, values)) for text, values in costs if any(v is not None for v in values)
        ]
        passed = sum(row.passed is True for row, _ in own)
        table.append({"procedure": name, "attempts": len(own), "passed": passed, "measures": measures})
    return render(request, "portal/value.html", {"table": table})


def _quartiles(found: Sequence[float | None]) -> str:
    values = sorted(v for v in found if v is not None)
    if len(values) < 4:
        return ", ".join(f"{v:.4g}" for v in values) or "-"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.4g} ({low:.4g} to {high:.4g})"


def _sum(text: str, found: Sequence[float | None]) -> str:
    """Return the sum over the attempts; none of a share."""
    return "-" if "%" in text else f"{sum(v for v in found if v is not None):.6g}"


@require_safe
def export_csv(request: HttpRequest, programme: str) -> HttpResponse:
    """Return all attempts as CSV (docs/EVIDENCE.md); ?cohort=N those of one cohort."""
    seat, attempts, which = see(request), see(request).attempts().order_by("received"), request.GET.get("cohort", "")
    if which:
        one = get_object_or_404(seat.cohorts(), pk=int(which) if which.isdecimal() and len(which) < 10 else 0)
        attempts = attempts.filter(learner__in=one.learners.all())
    seat.note("exported", "attempts as CSV", f"cohort {which}" if which else "")
    text = csv_text(rows_of(attempts))
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=_file(f"{programme}-attempts.csv"))


@require_safe
def export_xapi(request: HttpRequest, programme: str) -> HttpResponse:
    """Return the attempts that count as xAPI statements, one per line (docs/EVIDENCE.md)."""
    seat = see(request)
    seat.note("exported", "attempts as xAPI")
    text = json_lines(rows_of(seat.attempts().filter(state=Attempt.CHECKED).order_by("received")), settings.ADDRESS)
    return HttpResponse(text, content_type="application/x-ndjson", headers=_file(f"{programme}-attempts.jsonl"))


def _file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
