"""The portal's work: handing in, verdicts, board, committee, badges, erasure, and what people do wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from scoring.exchange import badge as open_badge
from scoring.keys import fingerprint, public_hex
from scoring.portal import audit, verifying
from scoring.portal.blobs import MAX_BYTES, blob_path
from scoring.portal.models import Attempt, AuditEntry, Badge, Decision, DeviceCode, Invitation, Learner, User, Verdict
from scoring.portal.people import erase, invite, read_people
from scoring.portal.progress import Ask, Work, progress
from scoring.portal.views.committee import signing_key
from scoring.standard import sign_standard
from scoring.trust.people import pseudonym_of
from sim.errors import UsageError
from tests.make_evidence import standard
from tests.make_rows import row
from tests.portal.site import hand_in, verify_all
from tests.portal.toy import KEY, handed

pytestmark = pytest.mark.usefixtures("rolled_back")
EXAM = {"mode": "assessment", "started": "2026-02-01T12:00:00Z"}


# --- handing in ---


def test_an_honest_record_is_verified_by_the_server_and_changes_the_board(home, tmp_path):
    board = home.client("director")
    assert "not begun" in board.get(home.at("board")).content.decode()
    attempt = hand_in(home, tmp_path)
    assert (attempt.status, attempt.row["passed"]) == ("verified", True)
    page = board.get(home.at("board")).content.decode()
    assert "1 of 1" in page and 'class="state done"' in page


def test_a_process_of_its_own_replays(home, tmp_path):
    assert home.put(handed(tmp_path, home.learner.pseudonym)).status_code == 201
    assert home.put(handed(tmp_path / "2", home.learner.pseudonym, seed=8)).status_code == 201
    assert verifying.work(settings.FOLDER, threading.Event(), once=True) == 2
    assert {one.status for one in Attempt.objects.all()} == {"verified"}


def test_handing_in_twice_is_handing_in_once(home, tmp_path):
    path = handed(tmp_path, home.learner.pseudonym)
    assert [home.put(path).status_code for _ in range(3)] == [201, 200, 200]
    assert Attempt.objects.count() == 1
    assert home.put(path, "other").status_code == 409


def test_a_forged_record_is_refused_and_shown_as_such(home, tmp_path):
    honest = handed(tmp_path, home.learner.pseudonym, clumsy=True).read_bytes()
    forged = honest.replace(b'"passed":false', b'"passed":true')
    assert forged != honest
    assert home.put(forged).status_code == 201  # kept: it is evidence of a forgery
    assert verify_all() == ["altered"]
    page = home.client("director").get(home.at("board")).content.decode()
    assert "altered" in page and "0 of 1" in page
    told = Client().get(f"/api/v1/attempts/{hashlib.sha256(forged).hexdigest()}", headers=home.bearer()).json()
    assert told["status"] == "altered" and told["reason"]


def test_the_record_of_another_learner_counts_for_nobody(home, tmp_path):
    attempt = hand_in(home, tmp_path / "1")
    path = handed(tmp_path / "2", home.members["other"].learner.pseudonym, seed=8)
    assert home.put(path).status_code == 201
    assert verify_all() == ["wrong-learner"]
    assert attempt.status == "verified"
    assert "wrong-learner" in home.client("director").get(home.at("board")).content.decode()


def test_only_trusted_keys_where_the_programme_names_some(home, tmp_path):
    attempt = hand_in(home, tmp_path)
    admin = home.client("admin")
    admin.post(home.at("settings"), {"trusted": "0" * 32})
    assert verify_all() == ["untrusted"]
    admin.post(home.at("settings"), {"trusted": fingerprint(public_hex(KEY))})
    assert verify_all() == ["verified"]
    assert Verdict.objects.filter(attempt=attempt).count() == 3
    answer = admin.post(home.at("settings"), {"trusted": "not a key"}, follow=True)
    assert "expected fingerprints" in answer.content.decode()


def test_bytes_that_are_not_what_was_said(home, tmp_path):
    data = handed(tmp_path, home.learner.pseudonym).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert home.put(data[:-100], sha256=digest).status_code == 422
    assert home.put(data, sha256=digest.upper()).status_code == 400
    assert home.put(data, sha256="0" * 64).status_code == 422
    assert Attempt.objects.count() == 0
    assert not blob_path(settings.FOLDER, "0" * 64).exists()
    assert list((settings.FOLDER / "records").rglob("*.part")) == []


def test_too_large_and_bombs(home):
    big = b"0" * (MAX_BYTES + 1)
    assert home.put(big).status_code == 413
    bomb = gzip.compress(b"\0" * 2**24)
    answer = Client().put(
        f"/api/v1/attempts/{hashlib.sha256(bomb).hexdigest()}", bomb, headers=home.bearer() | {"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 415
    assert home.put(bomb).status_code == 201  # as plain bytes it is no record
    assert verify_all() == ["unreadable"]


def test_a_full_disk_keeps_nothing_half(home, tmp_path, monkeypatch):
    def full(_fd):
        raise OSError(28, "No space left on device")

    path = handed(tmp_path, home.learner.pseudonym)
    monkeypatch.setattr("scoring.portal.blobs.os.fsync", full)
    answer = home.put(path)
    assert answer.status_code == 507 and "No space left" in answer.json()["error"]
    monkeypatch.undo()
    assert Attempt.objects.count() == 0
    assert home.put(path).status_code == 201


def test_a_claim_that_runs_out_is_taken_again(home, tmp_path):
    home.put(handed(tmp_path, home.learner.pseudonym))
    assert verifying.claim() is not None  # and then the worker was killed
    assert verifying.claim() is None
    Attempt.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert verify_all() == ["verified"]


def test_a_worker_that_keeps_dying_ends_in_failed(home, tmp_path):
    home.put(handed(tmp_path, home.learner.pseudonym))
    replayer = verifying.Replayer(["false"])
    for _ in range(verifying.TRIES):
        attempt = verifying.claim()
        attempt = Attempt.objects.select_related("programme", "learner").get(pk=attempt.pk)
        verifying.record(attempt, verifying.check(attempt, settings.FOLDER, replayer))
    replayer.close()
    assert verifying.claim() is None
    assert Attempt.objects.get().status == "failed"


# --- the desktop signs in ---


def test_device_code(home):
    codes = Client().post("/api/v1/device").json()
    form = {"device_code": codes["device_code"]}
    assert Client().post("/api/v1/token", form).json()["error"] == "authorization_pending"
    assert Client().post("/api/v1/token", form).json()["error"] == "slow_down"
    fellow = home.client("fellow")
    assert (
        codes["user_code"]
        in fellow.get(codes["verification_uri_complete"].removeprefix("http://127.0.0.1:8765")).content.decode()
    )
    fellow.post("/device", {"code": codes["user_code"].lower().replace("-", " "), "programme": "home"})
    token = Client().post("/api/v1/token", form).json()["access_token"]
    me = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert me["learner"] == home.learner.pseudonym
    assert Client().post("/api/v1/token", form).json()["error"] == "expired_token"  # replayed
    home.client("admin").post(home.at(f"members/{home.members['fellow'].pk}"), {"do": "sign out"})
    assert Client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_device_codes_expire_and_cannot_be_guessed_for_long(home):
    codes = Client().post("/api/v1/device").json()
    fellow = home.client("fellow")
    for _ in range(12):
        fellow.post("/device", {"code": "BCDF-GHJK", "programme": "home"})
    fellow.post("/device", {"code": codes["user_code"], "programme": "home"})
    assert DeviceCode.objects.get().membership is None
    DeviceCode.objects.update(expires=timezone.now() - timedelta(seconds=1))
    answer = Client().post("/api/v1/token", {"device_code": codes["device_code"]})
    assert (answer.status_code, answer.json()["error"]) == (400, "expired_token")


def test_assignments_of_the_desktop_hide_sealed_seeds(home):
    found = Client().get("/api/v1/assignments", headers=home.bearer()).json()["assignments"]
    assert {one["title"] for one in found} == {"Practice", "Exam"}
    assert [case["seed"] for one in found if one["title"] == "Exam" for case in one["cases"]] == [7]


# --- progress ---

WORK = Work((Ask("toy", 7),), "assessment", "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", 2, 80)


def made(**more):
    base = {
        "learner": "L",
        "scenario": "toy",
        "seed": 7,
        "mode": "assessment",
        "started": "2026-02-01T00:00:00Z",
        "battery_item": None,
    }
    return row(**{**base, "battery_id": "", **more})


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "done"),
        ({"seed": 8}, "to do"),
        ({"mode": "practice"}, "to do"),
        ({"scenario": "else"}, "to do"),
        ({"started": "2026-03-01T00:00:01Z"}, "to do"),
        ({"started": "2025-12-31T23:59:59Z"}, "to do"),
        ({"passed": False}, "not passed"),
        ({"passed": None}, "interrupted"),
        ({"status": "altered"}, "to do"),
        ({"status": "sealed"}, "to do"),
        ({"metrics": {"points_percent": 79.0}}, "below target"),
        ({"battery_sha256": "b" * 64}, "to do"),
    ],
)
def test_what_counts_for_an_assignment(changes, state):
    changes = {"status": "verified", "metrics": {"points_percent": 90.0}, **changes}
    assert progress(WORK, [made(**changes)], "2026-02-02T00:00:00Z").cases[0].state == state


def test_an_assessment_counts_the_first_attempt_and_practice_the_best():
    rows = [
        made(
            status="verified",
            passed=passed,
            record_id=str(n),
            started=f"2026-02-0{n}T00:00:00Z",
            metrics={"points_percent": 90.0},
        )
        for n, passed in ((1, False), (2, True), (3, True))
    ]
    exam = progress(WORK, rows, "2026-02-09T00:00:00Z").cases[0]
    assert (exam.state, exam.attempts, exam.over) == ("not passed", 3, 1)
    practice = Work(WORK.cases, "practice", WORK.opens, WORK.due, 0, 80)
    free = progress(practice, [made(**{**vars(r), "mode": "practice"}) for r in rows], "2026-02-09T00:00:00Z")
    assert free.state == "done"
    assert progress(WORK, [], "2026-03-02T00:00:00Z").state == "overdue"


# --- lists, invitations ---


def test_a_list_is_taken_over_whole_or_not_at_all(home):
    director, url = home.client("director"), home.at(f"cohorts/{home.cohort.pk}/import")
    good = b"\xef\xbb\xbfid,name,email\r\n17,Dr Ada,ada@x.example\r\n18,Dr Bo,\r\n"
    director.post(url, {"list": SimpleUploadedFile("a.csv", good)})
    assert home.cohort.learners.count() == 4
    ada = Learner.objects.get(external_id="17")
    assert ada.pseudonym == pseudonym_of(bytes(home.programme.secret), bytes(ada.salt), "17")
    bad = b"id,name,email\n19,Dr Cy,cy@x.example\n20,=HYPERLINK(1),d@x.example\n"
    page = director.post(url, {"list": SimpleUploadedFile("a.csv", bad)}, follow=True).content.decode()
    assert "is a formula" in page and home.cohort.learners.count() == 4


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "expected the columns"),
        (b"id,name\n1,A\n", "expected the columns"),
        (b"id,name,email,salary\n1,A,a@x.example,3\n", "expected the columns"),
        (b"id,name,email\n", "0 learners"),
        (b"id,name,email\n1,A\n", "line 2 has 2 cells"),
        (b"id,name,email\n1,A,not an address\n", "no e-mail address"),
        (b"id,name,email\n1,@SUM(A1),\n", "formula"),
        (b"id,name,email\n-1+1,A,\n", "formula"),
        (b"id,name,email\n1,A,\n1,B,\n", "stands twice"),
        (b"id,name,email\n,A,\n", "expected the id"),
        (b"id,name,email\n1,\xff\xfe,\n", "not UTF-8"),
        (b'id,name,email\n1,"A,\n', "no CSV"),
        (b"id,name,email\n" + b"x" * 600_000, "at most"),
    ],
)
def test_wrong_lists(data, why):
    with pytest.raises(UsageError, match=why):
        read_people(data)


def test_invitations_work_once_and_not_by_looking(home):
    user = User.objects.create_user("new@home.example")
    link = f"/enter/{invite(user)}"
    for _ in range(3):
        assert Client().get(link).status_code == 200  # a mail scanner
    password = {"password": "correct horse battery", "again": "correct horse battery"}
    assert "differ" in Client().post(link, {**password, "again": "something else here"}).content.decode()
    assert Client().post(link, password).status_code == 302
    assert Client().post(link, password).status_code == 410
    expired = f"/enter/{invite(user)}"
    Invitation.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert Client().get(expired).status_code == 410


def test_an_admin_gets_no_link_to_somebody_of_another_programme(home, away):
    admin = home.client("admin")
    page = admin.post(home.at("members"), {"email": "director@away.example", "role": "director"}, follow=True).content.decode()
    assert "signs in here already" in page and "/enter/" not in page
    member = home.programme.membership_set.get(user__email="director@away.example")
    page = admin.post(home.at(f"members/{member.pk}"), {"do": "invite"}, follow=True).content.decode()
    assert "/enter/" not in page


def test_an_admin_gets_no_link_into_an_account_with_a_password(home):
    """Else an admin could decide in the committee's name."""
    form = {"do": "invite"}
    page = home.client("admin").post(home.at(f"members/{home.members['committee'].pk}"), form, follow=True).content.decode()
    assert "has a password already" in page and "/enter/" not in page


def test_sign_in_is_throttled_and_needs_no_hint(home):
    told = set()
    for n in range(8):
        answer = Client().post("/account/sign-in", {"login": "fellow@home.example", "password": f"wrong password {n}"})
        told.add(answer.status_code)
        text = answer.content.decode()
    assert "Too many" in text or 429 in told
    answer = Client().post("/account/sign-in", {"login": "director@home.example", "password": "a long toy password"})
    assert answer.status_code == 302


def test_nobody_signs_up(home):
    form = {"email": "x@x.example", "password1": "correct horse battery", "password2": "correct horse battery"}
    Client().post("/account/sign-up", form)
    assert not User.objects.filter(email="x@x.example").exists()


# --- assigning ---


def test_a_director_assigns_and_reminds(home):
    director = home.client("director")
    form = {
        "title": "Spring",
        "cohort": home.cohort.pk,
        "mode": "practice",
        "scenarios": ["toy/other"],
        "days": 7,
        "attempts_allowed": 3,
    }
    answer = director.post(home.at("assignments"), form)
    assert answer.status_code == 302
    page = director.get(answer["Location"]).content.decode()
    assert "toy/other" in page and "Spring" in page
    director.post(answer["Location"] + "/remind")
    assert len(mail.outbox) == 2
    assert {m.to[0] for m in mail.outbox} == {"fellow@home.example", "other@home.example"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"scenarios": ["toy/gone"]}, "not one of the available choices"),
        ({"scenarios": []}, "Expected either scenarios"),
        ({"seeds": "1 two"}, "whole numbers"),
        ({"seeds": "²"}, "whole numbers"),
        ({"seeds": "2147483648"}, "whole numbers"),
        ({"days": 0}, "greater than or equal"),
        ({"cohort": 0}, "available choices"),
    ],
)
def test_wrong_assignments(home, change, why):
    form = {
        "title": "x",
        "cohort": home.cohort.pk,
        "mode": "practice",
        "scenarios": ["toy/other"],
        "days": 7,
        "attempts_allowed": 3,
    }
    page = home.client("director").post(home.at("assignments"), form | change).content.decode()
    assert why in page


def test_a_cohort_of_another_programme_cannot_be_assigned(home, away):
    form = {
        "title": "x",
        "cohort": away.cohort.pk,
        "mode": "practice",
        "scenarios": ["toy/other"],
        "days": 7,
        "attempts_allowed": 0,
    }
    assert "available choices" in home.client("director").post(home.at("assignments"), form).content.decode()


def test_critical_errors_csv_and_xapi(home, tmp_path):
    hand_in(home, tmp_path, clumsy=True)
    director = home.client("director")
    page = director.get(home.at("errors")).content.decode()
    assert "hurt" in page and "The patient felt pain." in page and "0:0" in page
    text = director.get(home.at("attempts.csv")).content.decode()
    assert text.count("\r\n") == 2 and "hurt" in text and "Dr fellow" not in text
    statement = json.loads(director.get(home.at("attempts.xapi.jsonl")).content)
    assert statement["actor"]["account"]["name"] == home.learner.pseudonym
    for tail in ("compare", "value", f"cohorts/{home.cohort.pk}/report"):
        assert director.get(home.at(tail)).status_code == 200, tail


# --- the committee ---


def decided(place, **more):
    form = {"outcome": "granted", "reason": "All cases passed.", "members": "Dr A, Dr B", "years": 2, "attest": "on"} | more
    client = place.client("committee")
    return client.post(place.at(f"review/{place.exam.pk}/{place.learner.pseudonym}/decide"), form, follow=True).content.decode()


def adopt(place, **more):
    data = sign_standard(standard(procedure="toy procedure", items=1, **more), KEY)
    place.client("committee").post(place.at("standards"), {"standard": SimpleUploadedFile("s.json", data)})


def test_from_evidence_to_a_badge_and_back(home, tmp_path):
    attempt = hand_in(home, tmp_path, **EXAM)
    adopt(home)
    committee, case = home.client("committee"), home.at(f"review/{home.exam.pk}/{home.learner.pseudonym}")
    assert home.learner.pseudonym in committee.get(home.at("review")).content.decode()
    page = committee.get(case).content.decode()
    assert "verified" in page and "contrasting-groups" in page and "Dr fellow" not in page
    for tail in (f"learners/{home.learner.pseudonym}", f"attempts/{attempt.pk}", "review"):
        assert "Dr fellow" not in committee.get(home.at(tail)).content.decode()
    packet = committee.get(case + "/packet")
    assert attempt.record_id in packet.content.decode() and "sandbox" in packet["Content-Security-Policy"]
    committee.post(case + "/comment", {"text": "Good <b>hands</b>"})
    assert "Good &lt;b&gt;hands" in committee.get(case).content.decode()
    assert "Decided: granted" in decided(home)
    committee.post(home.at(f"decisions/{Decision.objects.get().pk}/badge"))
    one = Badge.objects.get()
    now, key = "2026-12-01T00:00:00Z", public_hex(signing_key())
    now = max(now, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    token = home.client("fellow").get(home.at(f"badges/{one.pk}.jwt")).content.decode()
    assert open_badge.verify(token, key, now).status == "valid"
    committee.post(home.at(f"badges/{one.pk}/revoke"), {"reason": "issued in error"})
    revoked = open_badge.read_revocations(Client().get(home.at("revocations.json")).content, "list", key)
    assert open_badge.verify(token, key, now, revoked).status == "revoked"
    assert Client().get(home.at("issuer.json")).json()["public_key"] == key
    assert audit.broken() == ""
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {
        "saw",
        "handed in",
        "verified",
        "decided",
        "badge issued",
        "badge revoked",
        "standard adopted",
        "commented",
    } <= actions


def test_no_badge_without_a_standard_or_grant_or_attestation(home, tmp_path):
    hand_in(home, tmp_path, **EXAM)
    assert "This field is required" in decided(home, attest="")
    assert Decision.objects.count() == 0
    decided(home)
    committee = home.client("committee")
    page = committee.post(home.at(f"decisions/{Decision.objects.get().pk}/badge"), follow=True).content.decode()
    assert "no standard set" in page and Badge.objects.count() == 0


def test_no_badge_when_a_record_is_no_longer_believed(home, tmp_path):
    hand_in(home, tmp_path, **EXAM)
    adopt(home)
    decided(home)
    home.client("admin").post(home.at("settings"), {"trusted": "0" * 32})
    verify_all()
    page = home.client("committee").post(home.at(f"decisions/{Decision.objects.get().pk}/badge"), follow=True).content.decode()
    assert "untrusted" in page and Badge.objects.count() == 0


def test_a_changed_standard_is_refused(home):
    data = sign_standard(standard(procedure="toy procedure"), KEY).replace(b'"cut_milli":74000', b'"cut_milli":54000')
    committee = home.client("committee")
    page = committee.post(home.at("standards"), {"standard": SimpleUploadedFile("s.json", data)}, follow=True).content.decode()
    assert 'class="error"' in page and "No standard set" in page


# --- the audit log, erasure ---


def test_the_audit_log_is_append_only_and_chained(home):
    for n in range(4):
        audit.note("did", "user 1", f"thing {n}", programme=home.programme)
    assert audit.broken() == ""
    for write in (lambda: AuditEntry.objects.update(action="x"), lambda: AuditEntry.objects.all().delete()):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            write()
    entries = list(AuditEntry.objects.order_by("number"))
    entries[2].target = "another thing"
    assert "entry 3 was changed" in audit.broken(entries)
    assert "entry 2 is missing" in audit.broken([entries[0], *entries[2:]])


def test_erasure_leaves_everything_verifiable_and_nobody_named(home, tmp_path):
    attempt = hand_in(home, tmp_path, **EXAM)
    who, salt = home.learner, bytes(home.learner.salt)
    admin = home.client("admin")
    assert json.loads(admin.get(home.at(f"learners/{who.pseudonym}/data")).content)["name"] == "Dr fellow of home"
    admin.post(home.at(f"learners/{who.pseudonym}/erase"), {"pseudonym": "another"})
    assert Learner.objects.get(pk=who.pk).name
    admin.post(home.at(f"learners/{who.pseudonym}/erase"), {"pseudonym": who.pseudonym})
    kept = Learner.objects.get(pk=who.pk)
    assert (kept.name, kept.email, kept.external_id, bytes(kept.salt)) == ("", "", "", b"") and kept.erased and salt
    assert not User.objects.filter(email="fellow@home.example").exists()
    assert home.put(b"x").status_code == 401
    verifying.again(home.programme)
    assert verify_all() == ["verified"]
    assert blob_path(settings.FOLDER, attempt.sha256).exists() and audit.broken() == ""
    told = " ".join(f"{e.actor} {e.target} {e.detail}" for e in AuditEntry.objects.all())
    assert "fellow@" not in told and "Dr fellow" not in told


def test_erasing_keeps_the_account_of_another_programme(home, away):
    user = home.members["fellow"].user
    away.members["director"].delete()
    away.programme.membership_set.create(user=user, role="director")
    erase(home.learner)
    assert User.objects.filter(pk=user.pk).exists()


# --- the pages ---


def test_pages_ask_no_other_host_and_run_no_inline_script(home, tmp_path):
    hand_in(home, tmp_path, **EXAM)
    for role in ("fellow", "director", "committee", "admin"):
        client = home.client(role)
        answer = client.get(home.at(""), follow=True)
        text, policy = answer.content.decode(), answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
        assert " style=" not in text and " onclick" not in text and "<style" not in text
    style = client.get("/static/portal/portal.css")
    assert style.status_code == 200
    assert b"color" in b"".join(style)


def test_a_form_without_its_token_is_refused(home):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(home.members["director"].user, backend=settings.AUTHENTICATION_BACKENDS[0])
    assert strict.post(home.at("cohorts"), {"name": "x"}).status_code == 403


def test_account_pages_answer(home):
    client = home.client("fellow")
    for tail in ("sign-in", "sign-out", "password", "reset", "2fa", "again", "inactive", "2fa/app"):
        assert client.get(f"/account/{tail}").status_code in (200, 302), tail
    assert Client().get("/account/sign-in").status_code == 200
    assert Client().get("/healthz").content == b"ok\n"
