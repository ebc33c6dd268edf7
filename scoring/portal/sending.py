"""What the portal tells other systems by itself: grades to learning platforms, statements to learning record stores.

Each is told once, and again when it did not take it; telling twice does no harm (a statement's id is made of its record, a
score is a state). Nothing here delays a page or a verdict: `main.py portal send` is a process of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.utils import timezone

from scoring.exchange import xapi
from scoring.portal import lti
from scoring.portal.models import Attempt, GradeLine, Statement
from scoring.portal.progress import progress
from scoring.portal.rows import now, row_from, rows_of, work_of
from sim.errors import ScottieError

COUNTS = ("verified", "interrupted")


@dataclass
class Sent:
    """What one round did. troubles: a line for each system that did not take something."""

    scores: int = 0
    statements: int = 0
    troubles: list[str] = field(default_factory=list)


def send_all(folder: Path) -> Sent:
    """Tell everybody what is new."""
    sent = Sent()
    if settings.CONNECTIONS.lti:
        _scores(folder, sent)
    for store in settings.CONNECTIONS.lrs:
        _statements(store, sent)
    return sent


def _scores(folder: Path, sent: Sent) -> None:
    key = lti.tool_key(folder)
    for line in GradeLine.objects.select_related("learner", "assignment").order_by("pk").iterator():
        score = score_of(line)
        if line.said == (text := json.dumps([line.line, {k: v for k, v in score.items() if k != "timestamp"}])):
            continue
        try:
            lti.send_score(lti.platform_of(settings.CONNECTIONS.lti, line.issuer, line.client_id), key, line.line, score)
        except ScottieError as error:
            sent.troubles.append(str(error))
            continue
        GradeLine.objects.filter(pk=line.pk).update(said=text, sent=timezone.now())
        sent.scores += 1


def score_of(line: GradeLine) -> dict[str, Any]:
    """Return the score of an assignment as the platform reads it: cases done, of all cases."""
    rows = rows_of(Attempt.objects.filter(learner=line.learner, state=Attempt.CHECKED).select_related("learner"))
    far = progress(work_of(line.assignment), rows, now())
    words = {"done": "Completed", "not begun": "Initialized"}
    return {
        "userId": line.subject,
        "scoreGiven": far.done,
        "scoreMaximum": len(far.cases),
        "activityProgress": words.get(far.state, "InProgress" if far.tried else "Initialized"),
        "gradingProgress": "FullyGraded" if far.tried else "NotReady",
        "timestamp": timezone.now().strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
    }


def _statements(store: dict[str, Any], sent: Sent) -> None:
    """Put every attempt that counts and that the store has not been told of, the oldest first; stop at its first refusal."""
    told = Statement.objects.filter(store=store["url"]).values("attempt")
    new = Attempt.objects.filter(programme__slug=store["programme"], state=Attempt.CHECKED, status__in=COUNTS)
    for attempt in new.exclude(pk__in=told).select_related("learner").order_by("pk").iterator(chunk_size=200):
        trouble = _put(store, xapi.statement(row_from(attempt), settings.ADDRESS))
        if trouble:
            sent.troubles.append(trouble)
            return
        Statement.objects.get_or_create(attempt=attempt, store=store["url"])
        sent.statements += 1


def _put(store: dict[str, Any], statement: dict[str, Any]) -> str:
    """Put one statement; return "" or what went wrong. 409: the store holds this id already."""
    try:
        answer = requests.put(
            store["url"].rstrip("/") + "/statements",
            params={"statementId": statement["id"]},
            json=statement,
            headers={"X-Experience-API-Version": xapi.VERSION},
            auth=(store["key"], store["secret"]),
            timeout=lti.TIMEOUT_S,
        )
    except requests.RequestException as error:
        return f"the record store of {store['programme']} does not answer: {type(error).__name__}"
    return "" if answer.status_code in (200, 204, 409) else f"the record store of {store['programme']} says {answer.status_code}"
