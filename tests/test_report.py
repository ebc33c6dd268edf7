"""The report: complete, accessible, without scripts, and honest about what has no standard."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest
from PIL import Image

from scoring.figures import clock
from scoring.report import report_html, report_pdf
from scoring.rubric import set_aside
from scoring.score import score
from tests.make_events import Attempt, expert
from tests.test_rubric import CARELESS, RUBRIC

VOID = {"meta", "br", "img", "col", "link", "input", "hr"}


@dataclass
class Record:
    header: dict[str, Any]
    commands: list[Any]
    events: list[Any]
    result: dict[str, Any] | None = None


def record_of(attempt: Attempt, **header: Any) -> Record:
    head = {"scenario": "tfesi-l4l5-right", "operator": "expert", "seed": 1, "mode": "practice", "rubric_hash": RUBRIC.hash}
    return Record({**head, **header}, attempt.commands, attempt.events)


def page_of(attempt: Attempt, write: Any = report_html, **more: Any) -> Any:
    return write(record_of(attempt), score(attempt.events, attempt.commands, RUBRIC), RUBRIC, **more)


def png() -> bytes:
    out = io.BytesIO()
    Image.new("L", (32, 32), 90).save(out, "PNG")
    return out.getvalue()


class Checker(HTMLParser):
    """Collects what an accessible page needs."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.tables = self.captions = 0
        self.svg_titles = self.svgs = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in named:
            self.ids.append(str(named["id"]))
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.svgs += tag == "svg"
        self.svg_titles += tag == "title" and "svg" in self.open
        assert tag != "script"
        assert tag != "img" or named.get("alt")
        assert tag != "th" or named.get("scope")
        assert tag != "svg" or named.get("role") == "img"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("attempt", [expert(), *(make() for make in CARELESS.values()), Attempt()])
def test_html_is_whole_and_accessible(attempt: Attempt) -> None:
    page = page_of(attempt, images=[("AP with contrast", png(), 700)], verdict="verified")
    check = Checker()
    check.feed(page)
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert check.open == []
    assert check.headings[0] == 1
    assert set(check.headings[1:]) == {2}
    assert check.tables == check.captions
    assert check.svgs == check.svg_titles == 3
    assert len(check.ids) == len(set(check.ids))
    assert not re.search(r'(src|href)="(?!data:|#)', page), "nothing is fetched"


@pytest.mark.parametrize("attempt", [expert(), *(make() for make in CARELESS.values())])
def test_no_standard_no_such_word(attempt: Attempt) -> None:
    page = page_of(attempt)
    assert "No standard set" in page
    assert "competen" not in page.lower()


def test_it_reads_top_down() -> None:
    attempt = CARELESS["ignores-vascular"]()
    page = page_of(attempt)
    order = re.findall(r'<h2 id="(\w+)">', page)
    start = ["verdict", "critical", "good", "change", "checklist", "efficiency", "tip", "time", "dose"]
    assert order == [*start, "thresholds", "record", "limits"]
    assert "not passed: 1 critical error" in page
    finding = next(f for f in score(attempt.events, attempt.commands, RUBRIC).critical if f.done)
    assert f"(ignores-vascular), at {clock(finding.tick)}" in page


def test_two_things_to_change_start_with_the_critical_errors() -> None:
    attempt = Attempt().prepare(skip=["timeout"]).place(degrees=45).move().steroid().end()
    page = page_of(attempt)
    section = page.split('id="change"')[1].split("</section>")[0]
    assert section.count("<li>") == 2
    assert "No correct time-out" in section


def test_unverified_numbers_are_marked() -> None:
    page = page_of(expert())
    assert page.count("NOT verified (placeholder)") == 4
    assert page.count("unverified number: practice only") == len(set_aside(RUBRIC))
    for threshold in RUBRIC.thresholds.values():
        assert threshold.source.split("(")[0].strip() in page


def test_text_of_a_record_cannot_become_markup() -> None:
    attempt = expert()
    made = record_of(attempt, operator="<script>alert(1)</script>&", scenario='"><img src=x>')
    page = report_html(made, score(attempt.events, attempt.commands, RUBRIC), RUBRIC, verdict="<b>x</b>")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "<b>x" not in page
    assert report_pdf(made, score(attempt.events, attempt.commands, RUBRIC), RUBRIC, verdict="<b>x").startswith(b"%PDF-")


def test_a_differing_record_is_said() -> None:
    attempt = expert()
    result = score(attempt.events, attempt.commands, RUBRIC)
    made = record_of(attempt, rubric_hash="00")
    made.result = {"score_hash": "other"}
    page = report_html(made, result, RUBRIC)
    assert "another one than the score shown here" in page
    assert "another version of the rubric" in page


def test_same_record_same_report() -> None:
    assert page_of(expert()) == page_of(expert())
    assert page_of(expert(), report_pdf) == page_of(expert(), report_pdf)


def test_pdf_has_pages_with_and_without_pictures() -> None:
    plain = page_of(expert(), report_pdf)
    with_pictures = page_of(expert(), report_pdf, images=[("AP", png(), 10), ("lateral", png(), 20), ("AP again", png(), 30)])
    assert plain.startswith(b"%PDF-")
    assert len(with_pictures) > len(plain)


def test_contrast_of_all_text_colours() -> None:
    """WCAG 2.2 AA: 4.5:1 for text on its paper, in the light, the dark and the printed page; drawings are on white."""
    page = page_of(expert())
    schemes = re.findall(r":root \{([^}]*)\}", page)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): *(#[0-9a-f]{6})", scheme))
        paper = colours.pop("paper")
        colours.pop("rule")
        assert len(colours) == 5
        for name, colour in colours.items():
            assert _contrast(colour, paper) >= 4.5, name
    for colour in set(re.findall(r'<text[^>]*fill="(#[0-9a-f]{6})"', page)):
        assert _contrast(colour, "#ffffff") >= 4.5, colour


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_clock() -> None:
    assert [clock(tick) for tick in (-1, 0, 1284, 6000, 360_000)] == ["-", "0:00.0", "0:12.8", "1:00.0", "60:00.0"]
