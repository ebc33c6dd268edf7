"""Documents for learners, directors and committees: complete, honest, accessible, the same from the same records."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.cohort import Cohort
from scoring.reports.blocks import Document
from scoring.reports.cohort import cohort_document
from scoring.reports.facts import Facts, moments_of
from scoring.reports.html import html_text
from scoring.reports.learner import learner_document
from scoring.reports.packet import packet_document
from scoring.reports.pdf import pdf_bytes
from sim.errors import UsageError
from tests.make_evidence import NOW, battery, facts, files, people, root, standard
from tests.make_rows import row
from tests.test_report import Checker

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = find_spec("axe_core_python")


def documents(set_: Any = None) -> list[Document]:
    given = facts(24, set_)
    rows = given.cohort
    return [
        learner_document(given, "L-02"),
        cohort_document(given),
        packet_document(given, files(rows), "L-02"),
        packet_document(given, files(rows)),
        packet_document(Facts(rows, None, NOW), files(rows, battery=None, root=None, picture=None), "L-03"),
    ]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("set_", [None, standard()])
def test_html_is_whole_and_accessible(number: int, set_: Any) -> None:
    document = documents(set_)[number]
    page = html_text(document)
    check = Checker()
    check.feed(page)
    assert check.open == []
    assert check.headings[0] == 1
    assert set(check.headings[1:]) == {2}
    assert check.tables == check.captions
    assert check.svgs == check.svg_titles
    assert len(check.ids) == len(set(check.ids))
    assert not re.search(r'(src|href)="(?!data:|#)', page), "nothing is fetched"
    for target in re.findall(r'href="#([^"]+)"', page):
        assert target in check.ids


@pytest.mark.skipif(CHROMIUM is None or AXE is None, reason="needs Chromium and axe-core-python")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(scheme: str, tmp_path: Path) -> None:
    """axe-core, all rules, in Chromium: one page that holds each kind of document in turn."""
    assert AXE is not None and AXE.origin is not None
    axe = (Path(AXE.origin).parent / "axe.min.js").read_text()
    for number, document in enumerate(documents(standard())[:3]):
        page = html_text(document)
        if scheme == "dark":
            page = page.replace("(prefers-color-scheme: dark)", "all", 1)
        told = "JSON.stringify(r.violations.map(v => [v.id, v.nodes[0].html]))"
        runner = f"<script>axe.run().then(r => {{ document.title = {told}; }});</script>"
        path = tmp_path / f"{number}.html"
        path.write_text(page.replace("</body>", f"<script>{axe}</script>{runner}</body>"))
        dom = subprocess.run(
            [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom", f"file://{path}"],
            capture_output=True, text=True, check=True, timeout=300,
        ).stdout  # fmt: skip
        title = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
        assert title is not None
        assert json.loads(title[1]) == [], document.title


def test_same_input_same_bytes() -> None:
    for one, two in zip(documents(), documents(), strict=True):
        assert html_text(one) == html_text(two)
    assert pdf_bytes(documents()[2]) == pdf_bytes(documents()[2])


def test_pdf_is_tagged_titled_and_has_its_fonts() -> None:
    data = pdf_bytes(documents()[1])
    assert data.startswith(b"%PDF-")
    assert b"pdfuaid" in data
    assert b"/MarkInfo" in data and b"/Outlines" in data and b"/Lang" in data
    assert b"/FontFile3" in data


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext (poppler-utils)")
def test_pdf_and_html_hold_the_same_words(tmp_path: Path) -> None:
    document = documents(standard())[2]
    path = tmp_path / "packet.pdf"
    path.write_bytes(pdf_bytes(document))
    text = subprocess.run(["pdftotext", "-raw", str(path), "-"], capture_output=True, text=True, check=True).stdout
    for part in document.sections:
        assert part.title in text


@pytest.mark.parametrize("set_", [None, standard(provisional=True), standard(expires="2026-02-01T00:00:00Z")])
def test_without_a_standard_in_force_the_word_is_not_said(set_: Any) -> None:
    for document in documents(set_):
        assert "competen" not in html_text(document).lower()


def test_without_a_standard_it_says_so() -> None:
    for document in documents()[:4]:
        assert "No standard set" in html_text(document)


def test_with_a_standard_the_words_are_those_of_the_standard() -> None:
    given = facts(24, standard())
    for who in ("L-02", "L-23"):
        assert given.words(who).text.split(":")[0] in html_text(packet_document(given, files(given.cohort), who))
    assert given.words("L-23").meets is True
    assert given.words("L-02").meets is False


def test_unverified_records_are_never_judged() -> None:
    rows = [replace(r, status="sealed") if r.status == "verified" else r for r in people(24).rows]
    given = Facts(Cohort(rows), standard(), NOW)
    assert given.words("L-23").meets is None
    page = html_text(packet_document(given, files(given.cohort), "L-23"))
    assert "competen" not in page.lower()
    assert "were not replayed" in page


def test_a_packet_shows_every_attempt_and_what_is_odd() -> None:
    given = facts(24)
    page = html_text(packet_document(given, files(given.cohort)))
    for attempt in given.cohort.attempts:
        assert attempt.record_id in page
    for told in ("was attempted twice", "interrupted", "altered", "breaks the chain", "No X-ray picture had been taken"):
        assert told in page
    proofs = page.split('id="root"')[1].split("</section>")[0]
    assert proofs.count("<tr><th") >= len(given.cohort.evidence)


def test_a_record_that_is_not_under_the_root_is_named() -> None:
    given = facts(24)
    less = root(Cohort([r for r in given.cohort.rows if r.who != "L-05"]))
    page = html_text(packet_document(given, files(given.cohort, root=less)))
    assert "Not under this root: 12 attempts" in page
    fewer = Facts(Cohort([r for r in given.cohort.rows if r.who != "L-05"]), None, NOW)
    assert "Missing here: 12 records of the root" in html_text(packet_document(fewer, files(given.cohort)))


def test_an_interrupted_first_attempt_stays_first() -> None:
    given = facts(24)
    first = given.first("L-03")
    assert [r.battery_item for r in first if r.passed is None] == [5]
    assert len(given.scores("L-03")) == 11
    assert "Interrupted first attempts" in html_text(learner_document(given, "L-03"))


def test_later_attempts_do_not_count() -> None:
    given = facts(24)
    assert len(given.cohort.of("L-02")) == 13
    assert len(given.scores("L-02")) == 12
    assert "at least once with chance 36 %" in html_text(learner_document(given, "L-02"))


def test_altered_records_enter_no_number() -> None:
    given = facts(24)
    assert given.cohort.statuses["altered"] == 1
    clean = Facts(Cohort([r for r in given.cohort.rows if r.status != "altered"]), None, NOW)
    assert clean.scores("L-04") == given.scores("L-04")
    assert "line 12 breaks the chain" in html_text(cohort_document(given))


def test_moments_come_from_the_record() -> None:
    told = moments_of({"critical": {"too-deep": {"tick": 900, "why": "b"}, "no-contrast": {"tick": 4711, "why": "a"}}})
    assert [(m.error, m.tick) for m in told] == [("too-deep", 900), ("no-contrast", 4711)]
    for junk in (None, {}, {"critical": []}, {"critical": {"x": 3}}, {"critical": {"x": {"tick": "9"}}}):
        assert all(m.tick == -1 for m in moments_of(junk))
    assert "0:47.1" in html_text(learner_document(facts(24), "L-00"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: learner_document(facts(24), "nobody"),
        lambda: packet_document(facts(24), files(people(24)), "nobody"),
        lambda: cohort_document(Facts(Cohort([]), None, NOW)),
        lambda: packet_document(Facts(Cohort([]), None, NOW), files(people(24), root=None)),
        lambda: cohort_document(Facts(Cohort([row(status="altered", passed=None)]), None, NOW)),
    ],
)
def test_nothing_to_report_is_one_line(make: Any) -> None:
    with pytest.raises(UsageError) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rows", [[row()], [row(), row(number=1)], [row(passed=None, status="interrupted", metrics={})]])
def test_small_cohorts_give_documents(rows: list[Any]) -> None:
    given = Facts(Cohort(rows), standard(), NOW)
    for document in (learner_document(given, "L-01"), cohort_document(given), packet_document(given, files(given.cohort))):
        assert html_text(document)
        assert pdf_bytes(document).startswith(b"%PDF-")


@given(st.text(min_size=1, max_size=40))
def test_no_text_of_a_record_becomes_markup(text: str) -> None:
    evil = f"<script>{text}</script>"
    given = Facts(Cohort([row(evil, reason=evil, path=evil)]), None, NOW)
    page = html_text(packet_document(given, files(given.cohort, battery=replace(battery(), title=evil, oddities=(evil,)))))
    assert "<script" not in page


@pytest.mark.parametrize(
    "evil", ["#panic(1)", "*x* _y_ $z$ `c`", '#read("/etc/passwd")', "\\ / // [x] @a <b> ~ --", "é→≥ 漢字 \u202e"]
)
def test_no_text_of_a_record_becomes_typst(evil: str) -> None:
    given = Facts(Cohort([row(evil, reason=evil, path=evil)]), None, NOW)
    assert pdf_bytes(packet_document(given, files(given.cohort))).startswith(b"%PDF-")
