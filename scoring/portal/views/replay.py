"""The replay of an attempt in the browser: patient, needle, C-arm and pictures over time, and the same as a table."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from scoring.figures import clock
from scoring.portal import films
from scoring.portal.guard import Seat
from scoring.portal.models import Attempt, Film
from scoring.portal.progress import belongs
from scoring.portal.rows import row_from, work_of
from scoring.portal.views.tools import see
from sim.errors import RecordError

OPEN_EXAM = (
    "The replay shows the planned way: of an assessment you see it once the assessment is over, "
    "so that nobody learns a case from it beforehand."
)


def _shown(seat: Seat, attempt: int) -> tuple[Attempt, str]:
    """Return the attempt, and why this seat may not see its replay now ("" if it may)."""
    one = get_object_or_404(seat.attempts(), pk=attempt)
    row = row_from(one)
    if not row.counts:
        return one, "Only what this server has verified by replay can be shown."
    if seat.reach == "own" and row.mode == "assessment":
        now = timezone.now()
        ahead = seat.assignments().filter(mode="assessment", closed=False, due__gt=now).distinct()
        if any(belongs(work_of(exam), row) for exam in ahead):
            return one, OPEN_EXAM
    return one, ""


@require_http_methods(["GET", "HEAD", "POST"])
def replay(request: HttpRequest, programme: str, attempt: int) -> HttpResponse:
    """Show the replay of an attempt; POST asks for its film again after it could not be made."""
    seat = see(request)
    one, why = _shown(seat, attempt)
    if why:
        return render(request, "portal/refused.html", {"why": why}, status=404 if not row_from(one).counts else 403)
    if request.method == "POST":
        films.want(one, again=True)
        seat.note("film asked for", f"attempt {one.sha256[:16]}")
        return redirect("replay", programme, attempt)
    film = Film.objects.filter(attempt=one).first()
    context: dict[str, Any] = {"attempt": one, "row": row_from(one), "film": film, "learner": one.learner.pseudonym}
    if film is not None and film.state == Film.MADE:
        seat.note("saw", f"replay of attempt {one.sha256[:16]}")
        try:
            body = films.content(films.film_path(settings.FOLDER, one.sha256))
        except RecordError as error:
            film.state, film.note = Film.FAILED, str(error)[:300]
            film.save(update_fields=["state", "note"])
        else:
            context |= _lines(programme, one.pk, body)
    return render(request, "portal/replay.html", context)


def _lines(programme: str, attempt: int, body: dict[str, Any]) -> dict[str, Any]:
    """Return the text alternative: every moment with its time, and the address and caption of the picture of the monitor then."""
    shown = [
        {"number": n, "at": clock(p["tick"]), "caption": p["caption"], "url": part_url(programme, attempt, f"{n:02d}", "jpg")}
        for n, p in enumerate(body["pictures"])
    ]
    lines = [m | {"at": clock(m["tick"]), "picture": shown[m["picture"]] if m["picture"] >= 0 else None} for m in body["moments"]]
    last = max(1, body["last_tick"])
    marks = [{"x": round(1000 * p["tick"] / last), "about": "picture"} for p in body["pictures"]]
    marks += [{"x": round(1000 * m["tick"] / last), "about": "critical"} for m in lines if m["about"] == "critical"]
    return {
        "moments": lines,
        "left_out": body["left_out"],
        "marks": marks,
        "pictures": shown,
        "plan": body["plan"],
        "data_url": part_url(programme, attempt, "film", "json"),
        "scene_url": part_url(programme, attempt, "scene", "bin"),
        "end": clock(body["last_tick"]),
    }


def part_url(programme: str, attempt: int, part: str, kind: str) -> str:
    """Return the address of a part of a film."""
    return reverse("replay_part", args=[programme, attempt, part, kind])


@require_safe
def replay_part(request: HttpRequest, programme: str, attempt: int, part: str, kind: str) -> HttpResponse:
    """Return one part of a film: what is in it, its numbers, or a picture."""
    one, why = _shown(see(request), attempt)
    if kind not in films.KINDS:
        raise Http404
    if why:
        return HttpResponse(status=403 if row_from(one).counts else 404)
    try:
        data = films.part(films.film_path(settings.FOLDER, one.sha256), f"{part}.{kind}")
    except (KeyError, RecordError):
        raise Http404 from None
    return HttpResponse(data, content_type=films.KINDS[kind], headers={"Cache-Control": "private, max-age=3600"})
