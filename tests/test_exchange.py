"""Exports: CSV that runs nothing, xAPI statements that an LRS must take."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.exchange.table import COLUMNS, csv_text, safe_text
from scoring.exchange.xapi import json_lines, statement, statements
from tests.make_rows import cohort, row
from tests.xapi_rules import complaints


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_reads_back() -> None:
    rows = cohort().rows
    back = read(csv_text(rows))
    assert len(back) == len(rows)
    assert list(back[0]) == list(COLUMNS)
    assert csv_text(rows).count("\r\n") == len(rows) + 1
    for mine, theirs in zip(rows, back, strict=True):
        assert theirs["record_id"] == mine.record_id
        assert theirs["passed"] == {True: "yes", False: "no", None: ""}[mine.passed]
        assert theirs["tip_error_mm"] == ("" if mine.metrics.get("tip_error_mm") is None else "3")


@pytest.mark.parametrize("evil", ["=cmd|'/c calc'!A1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")'])
def test_no_cell_is_a_formula(evil: str) -> None:
    back = read(csv_text([row(evil, site=evil, reason=evil)]))[0]
    for name in ("learner", "site", "reason"):
        assert back[name][0] not in "=+-@\t\r"


@given(st.text())
def test_any_text_stays_one_cell(text: str) -> None:
    back = read(csv_text([row("x", site=text)]))
    assert len(back) == 1
    assert back[0]["site"] == safe_text(text)
    assert back[0]["site"][:1] not in ("=", "+", "-", "@", "\t", "\r")


def test_statements_keep_the_rules() -> None:
    lines = json_lines(cohort().rows).splitlines()
    made = [json.loads(line) for line in lines]
    assert len(made) == len([r for r in cohort().rows if r.counts])
    assert [complaints(each) for each in made if complaints(each)] == []
    assert len({each["id"] for each in made}) == len(made)
    assert {each["version"] for each in made} == {"2.0.0"}


def test_verbs_and_results() -> None:
    passed = statement(row(passed=True))
    failed = statement(row(passed=False, critical_errors=("too-deep",)))
    given_up = statement(row(passed=None, status="interrupted", metrics={"duration_s": 12.0}))
    assert passed["verb"]["display"] == {"en": "passed"}
    assert passed["result"]["success"] is True
    assert passed["result"]["score"]["scaled"] == 0.8
    assert passed["result"]["duration"] == "PT412.31S"
    assert failed["result"]["extensions"]["https://scottie.invalid/extensions/critical-errors"] == ["too-deep"]
    assert given_up["verb"]["id"].endswith("/abandoned")
    assert given_up["result"] == {"completion": False, "duration": "PT12.00S"}
    assert "score" not in given_up["result"]


def test_ids_follow_from_the_record() -> None:
    assert statement(row()) == statement(row())
    assert statement(row(number=1))["id"] != statement(row(number=2))["id"]
    assert statement(row(), home="https://lms.example.org/")["id"] != statement(row())["id"]
    assert statement(row(), home="https://lms.example.org/")["actor"]["account"]["homePage"] == "https://lms.example.org/learners"


def test_what_is_no_evidence_gives_no_statement() -> None:
    for status in ("altered", "untrusted", "different-engine", "unreadable"):
        assert list(statements([row(status=status, passed=None)])) == []


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_any_text_gives_statements_that_keep_the_rules(learner: str, scenario: str, site: str) -> None:
    assert complaints(statement(row(learner, scenario=scenario, site=site, battery_id=scenario))) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda s: s.pop("verb"), "lacks"),
        (lambda s: s.update(foo=1), "unknown"),
        (lambda s: s.update(id="no"), "UUID"),
        (lambda s: s["actor"].update(mbox="mailto:a@b.c"), "exactly one"),
        (lambda s: s["verb"].update(id="passed"), "IRI"),
        (lambda s: s["result"].update(duration="12 s"), "8601"),
        (lambda s: s["result"]["score"].update(scaled=2), "scaled"),
        (lambda s: s["result"].update(success="yes"), "boolean"),
        (lambda s: s["context"]["extensions"].update(x=1), "IRI"),
        (lambda s: s["context"].update(platform=None), "null"),
        (lambda s: s.update(timestamp="yesterday"), "timestamp"),
    ],
)
def test_the_rules_can_be_broken(change: Any, word: str) -> None:
    made = statement(row())
    change(made)
    assert any(word in line for line in complaints(made))
