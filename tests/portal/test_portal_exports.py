"""What a director takes away: PDF and CSV, the value of attempts with contrast and devices, reminders."""

from __future__ import annotations

import pytest
from django.core import mail

from scoring.portal.models import Attempt, AuditEntry
from scoring.portal.rows import used_of
from tests.portal.site import hand_in

pytestmark = pytest.mark.usefixtures("rolled_back")
EXAM = {"mode": "assessment", "started": "2026-02-01T12:00:00Z"}


def test_reports_as_pdf(home, tmp_path):
    attempt = hand_in(home, tmp_path, **EXAM)
    who = attempt.learner.pseudonym
    for role, tail in (
        ("director", f"cohorts/{home.cohort.pk}/report?pdf"),
        ("director", f"learners/{who}/report?pdf"),
        ("fellow", f"learners/{who}/report?pdf"),
        ("committee", f"review/{home.exam.pk}/{who}/packet?pdf"),
    ):
        answer = home.client(role).get(home.at(tail))
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf"), tail
        assert answer.content.startswith(b"%PDF-") and ".pdf" in answer["Content-Disposition"]
    assert home.client("other").get(home.at(f"learners/{who}/report?pdf")).status_code == 404


def test_csv_of_one_cohort(home, away, tmp_path):
    hand_in(home, tmp_path)
    client = home.client("director")
    whole = client.get(home.at("attempts.csv")).content.decode().splitlines()
    assert client.get(home.at(f"attempts.csv?cohort={home.cohort.pk}")).content.decode().splitlines() == whole
    assert len(whole) == 2
    home.cohort.learners.clear()
    assert len(client.get(home.at(f"attempts.csv?cohort={home.cohort.pk}")).content.decode().splitlines()) == 1
    for wrong in (away.cohort.pk, "x", "9" * 30):
        assert client.get(home.at(f"attempts.csv?cohort={wrong}")).status_code == 404
    assert AuditEntry.objects.filter(action="exported", detail=f"cohort {home.cohort.pk}").exists()


def test_what_attempts_used_up(home, tmp_path):
    attempt = hand_in(home, tmp_path)
    Attempt.objects.filter(pk=attempt.pk).update(used={"contrast_ml": 1.5, "needle_placements": 2.0})
    text = home.client("director").get(home.at("value")).content.decode()
    for found in ("contrast (ml)", "1.5", "needles set on the skin", "dose area product", "1 attempts, 1 passed"):
        assert found in text
    assert "cement" not in text  # nobody measured any


def test_used_is_read_from_a_score_alone():
    told = {"metrics": {"contrast_ul": 1500, "placements": 2, "passes": True, "drug_ul": None, "cement_ul": "9"}}
    assert used_of(told) == {"contrast_ml": 1.5, "needle_placements": 2}
    for none in (None, {}, {"metrics": []}, {"metrics": "x"}):
        assert used_of(none) == {}


def test_reminders_go_to_who_is_not_done(home, tmp_path):
    hand_in(home, tmp_path)
    answer = home.client("director").post(home.at(f"assignments/{home.practice.pk}/remind"), follow=True)
    assert "1 reminders were sent" in answer.content.decode()
    assert [m.to for m in mail.outbox] == [["other@home.example"]]
