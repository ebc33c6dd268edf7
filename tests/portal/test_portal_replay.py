"""The replay page and its films: who may see them, what they hold, what becomes of broken ones; pictures in the error log."""

from __future__ import annotations

import csv
import hashlib
import threading
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from scoring.portal import films, verifying
from scoring.portal.models import Attempt, AuditEntry, Film
from tests.portal.site import film, hand_in
from tests.portal.toy import handed

pytestmark = pytest.mark.usefixtures("rolled_back")
STATIC = Path(verifying.__file__).parent / "static/portal"
EXAM = {"mode": "assessment", "started": "2026-02-01T12:00:00Z"}


def test_what_others_made_is_what_its_list_says():
    """Every script that is not ours: pinned, with its licence beside it, byte for byte the published one."""
    listed = {row["file"]: row for row in csv.DictReader((STATIC.parent.parent / "vendored.csv").read_text().splitlines())}
    ours = {"replay.js"}
    found = {str(p.relative_to(STATIC)) for p in STATIC.rglob("*.js")} - ours
    assert found == set(listed)
    for name, row in listed.items():
        data = (STATIC / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"], name
        assert row["version"] in name.replace("_", ".")
        assert list((STATIC / name).parent.glob(f"{row['package'].split('.')[0]}.LICENSE")), name
        assert b"eval(" not in data or name.startswith("htmx"), name  # the content policy forbids it


def test_the_clerk_makes_the_film_after_the_verdict(home, tmp_path):
    assert home.put(handed(tmp_path, home.learner.pseudonym, clumsy=True)).status_code == 201
    assert verifying.work(settings.FOLDER, threading.Event(), once=True) == 1
    attempt = Attempt.objects.get()
    made = Film.objects.get(attempt=attempt)
    assert (attempt.status, made.state, made.pictures) == ("verified", "made", 2)
    assert made.errors == [["hurt", attempt.row and made.errors[0][1], 1]]
    page = home.client("committee").get(home.at(f"attempts/{attempt.pk}/replay"))
    text = page.content.decode()
    assert page.status_code == 200 and "The patient felt pain." in text and "Pop: fascia at 50 mm" in text
    assert "script-src 'self'" in page["Content-Security-Policy"] and "unsafe" not in page["Content-Security-Policy"]
    assert "<script>" not in text and " style=" not in text and "onclick" not in text
    assert AuditEntry.objects.filter(action="saw", target__startswith="replay of attempt").exists()
    log = home.client("director").get(home.at("errors")).content.decode()
    assert f"attempts/{attempt.pk}/replay/01.jpg" in log


def test_a_worker_can_leave_films_to_others(home, tmp_path):
    assert home.put(handed(tmp_path, home.learner.pseudonym)).status_code == 201
    assert verifying.work(settings.FOLDER, threading.Event(), once=True, films=False) == 1
    assert Film.objects.get().state == "wanted"


def test_a_film_names_nobody(home, tmp_path):
    attempt = hand_in(home, tmp_path)
    film(attempt)
    with zipfile.ZipFile(films.film_path(settings.FOLDER, attempt.sha256)) as file:
        for name in file.namelist():
            data = file.read(name)
            assert home.learner.pseudonym.encode() not in data and home.learner.name.encode() not in data


def test_parts_of_a_film(home, tmp_path):
    attempt = hand_in(home, tmp_path)
    film(attempt)
    client, base = home.client("committee"), home.at(f"attempts/{attempt.pk}/replay")
    for part, kind in (("film.json", "application/json"), ("scene.bin", "application/octet-stream"), ("00.jpg", "image/jpeg")):
        answer = client.get(f"{base}/{part}")
        assert (answer.status_code, answer["Content-Type"]) == (200, kind)
        assert answer["X-Content-Type-Options"] == "nosniff"
    for part in ("99.jpg", "film.exe", "film.html", "scene.json"):
        assert client.get(f"{base}/{part}").status_code == 404


def test_a_fellow_sees_an_assessment_once_it_is_over(home, tmp_path):
    attempt = hand_in(home, tmp_path, **EXAM)
    film(attempt)
    url = home.at(f"attempts/{attempt.pk}/replay")
    for tail in ("", "/film.json", "/00.jpg"):
        assert home.client("fellow").get(url + tail).status_code == 403
        assert home.client("committee").get(url + tail).status_code == 200
    home.exam.closed = True
    home.exam.save()
    assert home.client("fellow").get(url).status_code == 200
    home.exam.closed, home.exam.due = False, timezone.now() - timedelta(hours=1)
    home.exam.save()
    assert home.client("fellow").get(url + "/film.json").status_code == 200


def test_practice_is_open_to_its_fellow_alone(home, tmp_path):
    attempt = hand_in(home, tmp_path)
    film(attempt)
    url = home.at(f"attempts/{attempt.pk}/replay")
    assert home.client("fellow").get(url).status_code == 200
    assert home.client("other").get(url).status_code == 404
    assert home.client("admin").get(url).status_code == 403


def test_a_forged_record_has_no_replay(home, tmp_path):
    forged = handed(tmp_path, home.learner.pseudonym, clumsy=True).read_bytes().replace(b'"passed":false', b'"passed":true')
    assert home.put(forged).status_code == 201
    assert verifying.work(settings.FOLDER, threading.Event(), once=True) == 1
    attempt = Attempt.objects.get()
    assert attempt.status == "altered" and not Film.objects.exists()
    assert home.client("director").get(home.at(f"attempts/{attempt.pk}/replay")).status_code == 404


def test_a_film_that_cannot_be_made_says_so_and_can_be_asked_for_again(home, tmp_path):
    attempt = hand_in(home, tmp_path)
    for n in range(films.TRIES):
        one = films.claim_film()
        assert one is not None and films.claim_film() is None
        assert films.keep(one, {"failed": "the process died"}, "toy").state == ("wanted" if n < films.TRIES - 1 else "failed")
    assert Attempt.objects.get().status == "verified"  # the verdict stands
    client, url = home.client("committee"), home.at(f"attempts/{attempt.pk}/replay")
    assert "could not be made: the process died" in client.get(url).content.decode()
    assert client.post(url).status_code == 302
    assert Film.objects.get().state == "wanted"
    assert "is being made" in client.get(url).content.decode()


def test_a_claim_of_a_killed_worker_runs_out(home, tmp_path):
    hand_in(home, tmp_path)
    assert films.claim_film() is not None and films.claim_film() is None
    Film.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    again = films.claim_film()
    assert again is not None and again.tries == 2


@pytest.mark.parametrize("harm", ["missing", "cut", "other"])
def test_a_damaged_film_is_told_and_made_again(home, tmp_path, harm):
    attempt = hand_in(home, tmp_path)
    film(attempt)
    path = films.film_path(settings.FOLDER, attempt.sha256)
    if harm == "missing":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:200])
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("film.json", '{"format": "other"}')
    client, url = home.client("committee"), home.at(f"attempts/{attempt.pk}/replay")
    assert "could not be made" in client.get(url).content.decode()
    assert client.get(url + "/scene.bin").status_code == 404
    assert client.post(url).status_code == 302
    one = films.claim_film()
    assert one is not None and one.attempt_id == attempt.pk


def test_an_attempt_of_before_there_were_films(home, tmp_path):
    attempt = hand_in(home, tmp_path)
    Film.objects.all().delete()
    client, url = home.client("committee"), home.at(f"attempts/{attempt.pk}/replay")
    assert "There is no film" in client.get(url).content.decode()
    client.post(url)
    assert Film.objects.get().state == "wanted"
