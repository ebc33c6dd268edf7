"""Films of attempts (commands.film makes them): where they lie, what may be read of one, and who makes the next.

A film is derived from a verified record and can be made again; it is no evidence. It lies beside the records under the
same SHA-256, and it is made after the verdict, when nothing waits to be verified.
"""

from __future__ import annotations

import json
import zipfile
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from scoring.portal.models import Attempt, Film
from sim.attempt import is_hex
from sim.errors import RecordError

FORMAT = "scottie-film/1"
MOST_BYTES = 32 * 2**20
"""No part of a film is larger; a larger one is not read."""
KINDS = {"json": "application/json", "bin": "application/octet-stream", "jpg": "image/jpeg"}
CLAIM = timedelta(seconds=1860)
TRIES = 3


def film_path(folder: Path, sha256: str) -> Path:
    """Return where the film of the record of this digest lies."""
    if not is_hex(sha256, 32):
        raise RecordError(f"'{sha256[:80]}': expected a SHA-256 of 64 lower-case hexadecimal digits")
    return folder / "films" / sha256[:2] / f"{sha256}.zip"


def part(path: Path, name: str) -> bytes:
    """Return one part of a film. KeyError when there is none of this name; RecordError for a damaged film."""
    try:
        with zipfile.ZipFile(path) as file:
            if file.getinfo(name).file_size > MOST_BYTES:
                raise RecordError(f"{name}: larger than {MOST_BYTES} bytes")
            return file.read(name)
    except (OSError, zipfile.BadZipFile) as error:
        raise RecordError(f"the film cannot be read: {type(error).__name__}") from None


@lru_cache(maxsize=8)
def _content(path: Path, changed_ns: int) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(part(path, "film.json"))
    if body.get("format") != FORMAT:
        raise RecordError(f"a film of the form '{str(body.get('format'))[:40]}'; expected {FORMAT}")
    return body


def content(path: Path) -> dict[str, Any]:
    """Return what a film holds. RecordError when it is missing or damaged."""
    try:
        return _content(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"the film cannot be read: {type(error).__name__}") from None


def want(attempt: Attempt, again: bool = False) -> None:
    """Put a film in the row of those to be made, unless there is one. again: one that failed too."""
    film, new = Film.objects.get_or_create(attempt=attempt)
    if not new and again and film.state == Film.FAILED:
        Film.objects.filter(pk=film.pk).update(state=Film.WANTED, tries=0, note="")


def claim_film() -> Film | None:
    """Take the newest film that is wanted, or whose claim has run out: the record verified last is the cheapest to film."""
    now = timezone.now()
    with transaction.atomic():
        waiting = Film.objects.select_for_update(skip_locked=True, of=("self",)).order_by("-pk")
        found = waiting.filter(state=Film.WANTED).first() or waiting.filter(state=Film.MAKING, claimed_until__lt=now).first()
        if found is None:
            return None
        found.state, found.claimed_until, found.tries = Film.MAKING, now + CLAIM, found.tries + 1
        found.save(update_fields=["state", "claimed_until", "tries"])
    return Film.objects.select_related("attempt__programme").get(pk=found.pk)


def keep(film: Film, answer: dict[str, Any], engine: str) -> Film:
    """Write down what became of a film."""
    made = answer.get("film")
    if made:
        film.state, film.size, film.pictures, film.errors = Film.MADE, made["size"], made["pictures"], made["errors"]
        film.note, film.engine, film.made = "", engine, timezone.now()
    else:
        dead = "failed" in answer and film.tries < TRIES
        film.state = Film.WANTED if dead else Film.FAILED
        film.note = str(answer.get("refused") or answer.get("failed") or "no answer")[:300]
    film.claimed_until = None
    film.save()
    return film


def pictures_of(attempts: list[Attempt]) -> dict[tuple[int, str, int], int]:
    """Return (attempt, critical error, tick) -> number of the picture that stood on the monitor then."""
    found = Film.objects.filter(attempt__in=[a.pk for a in attempts], state=Film.MADE)
    return {(f.attempt_id, error, tick): n for f in found for error, tick, n in f.errors if n >= 0}
