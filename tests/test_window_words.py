"""What is said about events, where panels stand, how the debrief reads. No OpenGL."""

from __future__ import annotations

import pytest

from sim.event import TABLE as EVENTS
from sim.event import Event
from sim.window.debrief import sections
from sim.window.layout import MONITOR_MIN, layout
from sim.window.words import SILENT, sentences

SAMPLE = {int: 3, str: "L4", bool: True, list: []}


def test_every_event_is_said_or_silent_on_purpose():
    for kind, fields in EVENTS.items():
        lines = sentences(Event(5, kind, {name: SAMPLE[t] for name, t in fields.items()}), practice=True)
        assert bool(lines) != (kind in SILENT), kind
        assert all("{" not in line.text for line in lines), kind


def test_an_assessment_hides_what_no_eye_can_see():
    fact = Event(5, "structure_entered", {n: SAMPLE[t] for n, t in EVENTS["structure_entered"].items()})
    assert sentences(fact, practice=True) and not sentences(fact, practice=False)


@pytest.mark.parametrize("size", [(1280, 720), (1280, 800), (1600, 900), (1920, 1080), (2560, 1440)])
@pytest.mark.parametrize("scale", [1.0, 1.15, 1.3, 1.5])
def test_panels_fill_the_window_without_overlap(size, scale):
    rects = list(layout(*size, scale).values())
    for i, a in enumerate(rects):
        assert a.x >= 0 and a.y >= 0 and a.x + a.w <= size[0] and a.y + a.h <= size[1]
        assert a.w > 100 and a.h > 40
        for b in rects[i + 1 :]:
            assert a.x + a.w <= b.x or b.x + b.w <= a.x or a.y + a.h <= b.y or b.y + b.h <= a.y
    assert layout(*size, scale)["live"].w >= MONITOR_MIN


def test_the_debrief_reads_from_the_top():
    report = {
        "passed": False,
        "critical_errors": ["wrong_side"],
        "critical": {"wrong_side": {"title": "Wrong side", "why": "left was treated", "tick": 6000}},
        "checklist": {
            "chart": {"done": True, "title": "Chart reviewed", "tick": 100},
            "prep": {"done": False, "title": "Skin"},
            "x": None,
        },
        "efficiency": {"fluoro": {"value": 12.34, "unit": "s", "against": "within"}},
        "tip_error_mm": 2.25,
    }
    read = sections(report, "runs/a.scottie")
    assert [s.title for s in read] == ["Verdict", "Critical errors", "What went well", "Change next time", "Efficiency", "Record"]
    assert read[0].lines[0] == "Not passed: 1 critical error."
    assert read[1].lines == ("1:00  Wrong side - left was treated",)
    assert "fluoro: 12.34 s (within norm)" in read[4].lines
    assert sections({}, "")[0].lines == ("No rubric for this attempt.",)
