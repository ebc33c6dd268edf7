"""The clerk: takes attempts from the queue in the database and has each verified by a process of its own.

Killed at any moment it loses nothing: a claim runs out, a verdict is written whole or not at all, and verifying twice gives
the same verdict twice. When nothing waits to be verified it makes films for the replay page (scoring.portal.films).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.utils import timezone

from scoring.cohort import Row, row_of
from scoring.portal import audit, films
from scoring.portal.blobs import blob_path
from scoring.portal.desk import desk
from scoring.portal.models import Attempt, Programme, Verdict
from scoring.portal.rows import REFUSED, plain, used_of
from scoring.record import Verdict as Found
from scoring.reports.facts import moments_of
from scoring.trust.pool import Pool, Task
from scoring.trust.trustlist import TrustList

Told = TypeVar("Told")
SECONDS = 1800.0
"""So long may one record take; docs/RECORD.md: at most four hours of command time, replayed far faster than it ran."""
CLAIM = timedelta(seconds=SECONDS + 60)
TRIES = 3
AWAY_S = 2.0
"""So long waits a worker before it asks a database again that did not answer."""
_HEADER = ("engine", "python", "numpy", "numba", "machine", "tools_hash", "rubric_hash", "scenario_hash")


def claim() -> Attempt | None:
    """Take the oldest attempt that waits, or whose claim has run out; None when there is none."""
    now = timezone.now()
    with transaction.atomic():
        waiting = Attempt.objects.select_for_update(skip_locked=True, of=("self",)).order_by("received", "pk")
        found = (
            waiting.filter(state=Attempt.QUEUED).first() or waiting.filter(state=Attempt.CHECKING, claimed_until__lt=now).first()
        )
        if found is None:
            return None
        found.state, found.claimed_until, found.tries = Attempt.CHECKING, now + CLAIM, found.tries + 1
        found.save(update_fields=["state", "claimed_until", "tries"])
    return found


def trust_of(programme: Programme) -> TrustList | None:
    """Return whom a programme believes; None: any key, and the verdict names it."""
    return TrustList(dict.fromkeys(programme.trusted, "")) if programme.trusted else None


@dataclass
class Replayer:
    """The replaying process: kept from one attempt to the next, since it keeps the patients that it built last."""

    command: list[str]
    trusted: list[str] | None = None
    pool: Pool | None = None

    def of(self, programme: Programme) -> Pool:
        """Return a pool that believes whom this programme believes."""
        if self.pool is None or self.trusted != programme.trusted:
            self.close()
            trust = trust_of(programme)
            self.pool = Pool(self.command, {"trust": trust.as_dict() if trust else None}, 1, SECONDS)
            self.trusted = list(programme.trusted)
        return self.pool

    def ask(self, attempt: Attempt, question: dict[str, Any]) -> dict[str, Any]:
        """Return the process's answer about an attempt; {"failed": why} when it died or took too long."""
        _, answer = next(self.of(attempt.programme).run([Task(attempt.sha256, "", question)]))
        return dict(answer)

    def close(self) -> None:
        """End the process."""
        if self.pool is not None:
            self.pool.__exit__()
        self.pool = None


def check(attempt: Attempt, folder: Path, replayer: Replayer) -> Found:
    """Return the verdict of the replaying process on one attempt."""
    path = blob_path(folder, attempt.sha256)
    answer = replayer.ask(attempt, {"path": str(path), "progress": False, "trace": True})
    if "failed" in answer:
        return Found(attempt.sha256, "failed", str(answer["failed"]))
    return replace(Found.from_message(answer), path=f"{attempt.sha256[:16]}.scottie")


def record(attempt: Attempt, found: Found) -> Verdict:
    """Write a verdict down: with it the attempt's row changes, or nothing does."""
    row = _owned(row_of(found), attempt)
    light = {name: str((found.header or {}).get(name, "")) for name in _HEADER}
    moments = [[m.error, m.tick, m.why] for m in moments_of(found.result)] if row.counts else []
    again = row.status == "failed" and attempt.tries < TRIES
    with transaction.atomic():
        verdict = Verdict.objects.create(
            attempt=attempt,
            engine=desk().engine,
            status=row.status,
            reason=row.reason,
            key=found.key or "",
            header=light,
            moments=moments,
        )
        Attempt.objects.filter(pk=attempt.pk).update(
            state=Attempt.QUEUED if again else Attempt.CHECKED,
            claimed_until=None,
            status=row.status,
            reason=row.reason,
            record_id=row.record_id,
            row=plain(row),
            used=used_of(found.result) if row.counts else {},
        )
        audit.note("verified", "server", f"attempt {attempt.sha256[:16]}", row.status, attempt.programme)
        if row.counts and found.key:
            films.want(attempt)
    return verdict


def film_one(folder: Path, replayer: Replayer) -> bool:
    """Make the film that is wanted next; False when none is. A film that cannot be made harms no verdict."""
    film = films.claim_film()
    if film is None:
        return False
    one = film.attempt
    out = films.film_path(folder, one.sha256)
    answer = replayer.ask(one, {"path": str(blob_path(folder, one.sha256)), "film": str(out)})
    films.keep(film, answer, desk().engine)
    return True


def _owned(row: Row, attempt: Attempt) -> Row:
    """Return the row; refused when it names another learner than the one by whose token it came."""
    if not row.counts or row.learner == attempt.learner.pseudonym:
        return row
    who = f"'{row.learner[:40]}'" if row.learner else "nobody"
    return replace(row, status="wrong-learner", reason=f"{REFUSED['wrong-learner']} (the record names {who})")


def work(folder: Path, stop: threading.Event | None = None, once: bool = False, idle: float = 2.0, films: bool = True) -> int:
    """Verify what waits, until `stop` (or, `once`, until nothing waits); return how many verdicts were written.

    films: make films for the replay page too, when nothing waits to be verified.
    """
    stop = stop or threading.Event()
    replayer = Replayer(desk().worker_command())
    try:
        made = _work(folder, replayer, stop, once, idle, films)
    finally:
        replayer.close()
    return made


def _work(folder: Path, replayer: Replayer, stop: threading.Event, once: bool, idle: float, films: bool) -> int:
    made = 0
    while not stop.is_set():
        attempt = _patient(_claimed, stop, once)
        if attempt is not None:
            found = check(attempt, folder, replayer)
            made += _patient(partial(record, attempt, found), stop, once) is not None
        elif films and _patient(partial(film_one, folder, replayer), stop, once):
            continue
        elif once:
            break
        else:
            close_old_connections()
            stop.wait(idle)
    return made


def _claimed() -> Attempt | None:
    attempt = claim()
    return attempt and Attempt.objects.select_related("programme", "learner").get(pk=attempt.pk)


def _patient(ask: Callable[[], Told], stop: threading.Event, once: bool) -> Told | None:
    """Ask the database; while it is away, ask again after a breath until `stop` (`once`: at once the error)."""
    while not stop.is_set():
        try:
            return ask()
        except (OperationalError, InterfaceError):
            if once:
                raise
            close_old_connections()
            stop.wait(AWAY_S)
    return None


def again(programme: Programme, only: Callable[[Any], Any] = lambda found: found) -> int:
    """Put a programme's attempts back into the queue (after an upgrade, or when other keys are trusted)."""
    found = only(Attempt.objects.filter(programme=programme, state=Attempt.CHECKED))
    return int(found.update(state=Attempt.QUEUED, tries=0))
