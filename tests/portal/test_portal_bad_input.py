"""What goes wrong between people, machines and disks: a clear answer, nothing lost, nothing executed, bounded memory."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from scoring.portal import keeping, verifying
from scoring.portal.blobs import MAX_BYTES, TooLarge, blob_path, keep
from scoring.portal.models import Assignment, Attempt, Token
from scoring.record import seal
from scoring.trust.assignment import Item, make_battery
from sim.attempt import read_journal
from sim.errors import MachineError, UsageError
from tests.portal.site import hand_in, verify_all
from tests.portal.toy import HONEST, KEY, SCENARIO, handed, score_of
from tests.toy_attempt import Study, record

pytestmark = pytest.mark.usefixtures("rolled_back")


def test_a_token_that_has_run_out(home, tmp_path):
    path = handed(tmp_path, home.learner.pseudonym)
    Token.objects.update(expires=timezone.now() - timedelta(seconds=1))
    answer = home.put(path)
    assert answer.status_code == 401 and "expired" in answer.json()["error"]
    assert Attempt.objects.count() == 0 and path.exists()


def test_a_scenario_that_the_server_lacks(home, tmp_path):
    """The record is kept, the verdict names what is lacking, and a server that has it later verifies it anew."""
    journal = record(tmp_path, HONEST, Study(scenario="toy/gone"), operator="trainee", learner=home.learner.pseudonym)
    path = seal(journal, score_of(read_journal(journal)), KEY, tmp_path / "attempt.scottie")
    assert home.put(path).status_code == 201
    assert verify_all() == ["different-engine"]
    page = home.client("director").get(home.at("board")).content.decode()
    assert "different-engine" in page and "toy/gone" in page
    told = Client().get(f"/api/v1/attempts/{hashlib.sha256(path.read_bytes()).hexdigest()}", headers=home.bearer()).json()
    assert "unknown scenario" in told["reason"]
    assert blob_path(settings.FOLDER, told["sha256"]).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("version", "engine", "why"),
    [(2, "toy", "this server lacks toy/l4-right v2"), (1, "9.9.9", "the battery is for engine 9.9.9")],
)
def test_a_battery_of_versions_that_the_server_lacks(home, version, engine, why):
    items = [Item(SCENARIO, version, "s", "r", "t", seed) for seed in range(6)]
    created = "2026-01-01T00:00:00Z"
    data = make_battery("b", "Battery", "toy procedure", items, engine=engine, source="0" * 64, created=created, key=KEY)
    form = {"title": "x", "cohort": home.cohort.pk, "mode": "assessment", "days": 7, "attempts_allowed": 0}
    count = Assignment.objects.count()
    for content, told in (
        (data, why),
        (data.replace(b'"seed":3', b'"seed":9'), "signature"),
        (b"{}", "expected"),
        (b"\0" * 64, ""),
    ):
        file = SimpleUploadedFile("battery.json", content)
        page = home.client("director").post(home.at("assignments"), form | {"battery": file})
        assert page.status_code == 200 and told.lower() in page.content.decode().lower()
    assert Assignment.objects.count() == count


def test_a_desktop_whose_clock_is_ahead_is_told_of(home, tmp_path):
    attempt = hand_in(home, tmp_path, started="2099-01-01T00:00:00Z")
    assert attempt.status == "verified"
    page = home.client("fellow").get(home.at(f"attempts/{attempt.pk}")).content.decode()
    assert "after it was handed in" in page
    right = hand_in(home, tmp_path / "2", started="2026-02-01T00:00:00Z", seed=8)
    assert "after it was handed in" not in home.client("fellow").get(home.at(f"attempts/{right.pk}")).content.decode()


FULL = """
import resource, sys
from pathlib import Path
from scoring.portal.blobs import keep
from sim.errors import MachineError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # from here on no file grows beyond this: a full disk
try:
    keep(Path(sys.argv[1]), sys.argv[2], (b"x" * 1000 for _ in range(500)))
except MachineError as error:
    print(error)
"""


def test_a_disk_that_refuses_in_the_middle_of_a_record(tmp_path):
    sha = hashlib.sha256(b"x" * 500_000).hexdigest()
    root = Path(__file__).parent.parent.parent
    told = subprocess.run([sys.executable, "-c", FULL, str(tmp_path), sha], cwd=root, capture_output=True, text=True, check=True)
    assert "could not be kept" in told.stdout and "hand it in later" in told.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_database_that_is_full_or_away(home, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OperationalError("database or disk is full")

    path = handed(tmp_path, home.learner.pseudonym)
    client = Client(raise_request_exception=False)
    url, data = f"/api/v1/attempts/{hashlib.sha256(path.read_bytes()).hexdigest()}", path.read_bytes()
    monkeypatch.setattr(Attempt.objects, "get_or_create", full)
    answer = client.put(url, data, content_type="application/octet-stream", headers=home.bearer())
    assert answer.status_code == 503 and "try again" in answer.json()["error"] and answer["Retry-After"]
    monkeypatch.undo()
    assert Attempt.objects.count() == 0
    assert home.put(path).status_code == 201 and verify_all() == ["verified"]
    monkeypatch.setattr("scoring.portal.views.director._table", full)
    client.force_login(home.members["director"].user, backend=settings.AUTHENTICATION_BACKENDS[0])
    page = client.get(home.at("board"))
    assert page.status_code == 503 and "does not answer" in page.content.decode() and "Content-Security-Policy" in page


def test_a_worker_waits_for_a_database_that_is_away(monkeypatch):
    monkeypatch.setattr(verifying, "AWAY_S", 0.0)
    monkeypatch.setattr(verifying, "close_old_connections", lambda: None)
    left = [OperationalError("away"), OperationalError("away"), "here"]

    def ask():
        if isinstance(found := left.pop(0), Exception):
            raise found
        return found

    assert verifying._patient(ask, threading.Event(), once=False) == "here"
    left[:] = [OperationalError("away")]
    with pytest.raises(OperationalError):
        verifying._patient(ask, threading.Event(), once=True)


def test_memory_is_bounded_by_a_chunk(tmp_path):
    chunk = b"\0" * 65536
    count = MAX_BYTES // len(chunk)
    sha = hashlib.sha256(chunk * count).hexdigest()
    tracemalloc.start()
    keep(tmp_path, sha, (bytes(65536) for _ in range(count)))
    with pytest.raises(TooLarge):
        keep(tmp_path, "0" * 64, (bytes(65536) for _ in range(10 * count)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"{sha}.scottie"]


def test_a_postgresql_backup_needs_a_database_to_go_to(tmp_path, monkeypatch):
    (tmp_path / keeping.DUMP).write_bytes(b"PGDMP")
    sqlite = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}}
    monkeypatch.setattr(settings, "DATABASES", sqlite)
    with pytest.raises(UsageError, match="expected DATABASE_URL"):
        keeping.bring_database_back(tmp_path)
    named = dict.fromkeys(("HOST", "PORT", "USER", "PASSWORD"), "") | {"ENGINE": "postgresql", "NAME": "none", "OPTIONS": {}}
    monkeypatch.setattr(settings, "DATABASES", {"default": named})
    with pytest.raises(MachineError, match="pg_restore"):
        keeping.bring_database_back(tmp_path)
    assert (tmp_path / keeping.DUMP).exists()
