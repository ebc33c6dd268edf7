"""Figures of a report, drawn from events alone: the tip beside its target in two projections, and the time line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scoring.drawing import ACCENT, BAD, GOOD, GRID, INK, MUTED, Drawing
from scoring.metrics import TICK_MS
from scoring.rubric import Rubric
from scoring.score import Score
from sim.event import Event

SIDE = 300.0
STEPS = {
    "chart_reviewed": "chart",
    "consent_taken": "consent",
    "timeout_called": "time-out",
    "skin_prepped": "skin",
    "level_declared": "level",
}
LANES = ("Steps", "X-rays", "Needle in", "Contrast", "Drug", "Critical")


def clock(tick: int) -> str:
    """Return a tick as minutes and seconds of the attempt, "-" for none."""
    if tick < 0:
        return "-"
    tenths = tick * TICK_MS // 100
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def tip_drawing(events: Sequence[Event], rubric: Rubric, horizontal: str) -> Drawing:
    """Return the tip around the target; horizontal is "right" (seen from behind) or "dorsal" (seen from the side)."""
    sheet = Drawing(SIDE, SIDE + 18)
    name = f"off_{horizontal}_um"
    reach = _reach_mm(events)
    scale = SIDE / (2 * reach)

    def at(fact: Event) -> tuple[float, float]:
        return SIDE / 2 + fact[name] / 1000 * scale, SIDE / 2 - fact["off_cranial_um"] / 1000 * scale

    _grid(sheet, reach, scale)
    _zone(sheet, rubric, horizontal, scale)
    if horizontal == "right":
        _medial_line(sheet, events, scale)
    stops = [at(fact) for fact in events if fact.kind == "needle_stopped"]
    for x, y in stops:
        if 0 < x < SIDE and 0 < y < SIDE:
            sheet.dot(x, y, 2.5, fill="#8a8a8a", stroke="#8a8a8a")
    for fact in events:
        if fact.kind == "injection_started" and fact["kind"] == "contrast":
            sheet.diamond(*at(fact), 9, stroke=ACCENT, width=2)
    for fact in events:
        if fact.kind == "injection_started" and fact["kind"] in rubric.rubric.therapeutic:
            sheet.dot(*at(fact), 4, fill=INK)
    left, right = ("patient's left", "patient's right") if horizontal == "right" else ("ventral", "dorsal")
    sheet.label(4, SIDE + 13, left, color=MUTED)
    sheet.label(SIDE - 4, SIDE + 13, right, anchor="end", color=MUTED)
    sheet.label(SIDE / 2, 12, "cranial", anchor="middle", color=MUTED)
    return sheet


def _reach_mm(events: Sequence[Event]) -> float:
    """Return the half width of both figures: the injections fit, at least 10 mm, at most 80 mm."""
    axes = ("off_right_um", "off_dorsal_um", "off_cranial_um")
    far = [abs(fact[axis]) / 1000 for fact in events if fact.kind == "injection_started" for axis in axes]
    return float(min(80, max(10, 10 * (int(1.25 * max(far, default=0)) // 10 + 1))))


def _grid(sheet: Drawing, reach: float, scale: float) -> None:
    step = 5 if reach <= 20 else 10
    sheet.rect(0.5, 0.5, SIDE - 1, SIDE - 1, stroke=GRID)
    for mm in range(-int(reach) + step, int(reach), step):
        at = SIDE / 2 + mm * scale
        sheet.line(at, 0, at, SIDE, stroke=GRID, width=0.6)
        sheet.line(0, at, SIDE, at, stroke=GRID, width=0.6)
    sheet.line(10, SIDE - 12, 10 + step * scale, SIDE - 12, width=2)
    sheet.label(10, SIDE - 17, f"{step} mm", size=10)
    sheet.cross(SIDE / 2, SIDE / 2, 7, stroke=GOOD, width=2)


def _zone(sheet: Drawing, rubric: Rubric, horizontal: str, scale: float) -> None:
    rows = [rubric.thresholds.get(name) for name in (f"zone_{horizontal}", "zone_cranial")]
    if rows[0] is None or rows[1] is None:
        return
    w, h = rows[0].value * scale, rows[1].value * scale
    sheet.rect(SIDE / 2 - w, SIDE / 2 - h, 2 * w, 2 * h, stroke=GOOD, width=1.2, dash=(4, 3))


def _medial_line(sheet: Drawing, events: Sequence[Event], scale: float) -> None:
    """Draw the medial pedicle line where the tip facts nearest to the target put it."""
    near = [fact for fact in events if "in_canal_um" in fact.data and fact["side"]]
    if not near:
        return
    fact = min(near, key=lambda f: (f["distance_um"], f.tick))
    medial_is_right = 1 if fact["side"] == "left" else -1
    x = SIDE / 2 + (fact["off_right_um"] - medial_is_right * fact["in_canal_um"]) / 1000 * scale
    if 0 < x < SIDE:
        sheet.line(x, 0, x, SIDE, stroke=BAD, width=1.2, dash=(7, 4))


def time_line(events: Sequence[Event], score: Score, width: float = 880.0) -> Drawing:
    """Return the attempt along its time: one lane per kind of fact."""
    lane, left = 30.0, 84.0
    sheet = Drawing(width, lane * len(LANES) + 30)
    end = max([fact.tick for fact in events], default=0) or 1
    across = (width - left - 14) / end

    def x(tick: int) -> float:
        return left + tick * across

    for row, name in enumerate(LANES):
        y = lane * row + lane / 2
        sheet.label(0, y + 4, name, size=12)
        sheet.line(left, lane * (row + 1), width - 14, lane * (row + 1), stroke=GRID)
    _axis(sheet, end, x, lane * len(LANES))
    _steps(sheet, events, x, lane / 2)
    _runs(sheet, events, x, lane)
    for finding in score.critical:
        if finding.done and finding.tick >= 0:
            sheet.triangle(x(finding.tick), lane * 5.5, 6, fill=BAD, stroke=BAD)
    return sheet


def _axis(sheet: Drawing, end: int, x: Any, y: float) -> None:
    step = next((s for s in (1000, 3000, 6000, 12000, 30000) if end / s <= 12), 60000)
    for tick in range(0, end + 1, step):
        sheet.line(x(tick), 0, x(tick), y + 4, stroke=GRID, width=0.6)
        sheet.label(x(tick), y + 18, clock(tick)[:-2], anchor="middle", color=MUTED)


def _steps(sheet: Drawing, events: Sequence[Event], x: Any, y: float) -> None:
    order = list(STEPS)
    for fact in events:
        if fact.kind in STEPS:
            sheet.dot(x(fact.tick), y, 8, fill="#ffffff", stroke=ACCENT, width=1.5)
            sheet.label(x(fact.tick), y + 4, str(order.index(fact.kind) + 1), anchor="middle", color=ACCENT, bold=True)


def _runs(sheet: Drawing, events: Sequence[Event], x: Any, lane: float) -> None:
    placed = started = None
    for fact in events:
        if fact.kind == "exposed":
            begin = x(fact.tick - fact["duration_ms"] // TICK_MS)
            sheet.rect(begin, lane * 1 + 7, max(2.0, x(fact.tick) - begin), lane - 14, fill=INK)
        elif fact.kind == "needle_placed":
            placed = fact.tick if placed is None else placed
        elif fact.kind in ("needle_removed", "finished") and placed is not None:
            sheet.rect(x(placed), lane * 2 + 9, x(fact.tick) - x(placed), lane - 18, fill="#8a8a8a", stroke="#8a8a8a")
            placed = None
        elif fact.kind == "injection_started":
            started = fact.tick
        elif fact.kind == "injection_stopped" and started is not None:
            row, color = (3, ACCENT) if fact["kind"] == "contrast" else (4, GOOD)
            sheet.rect(x(started), lane * row + 7, max(2.0, x(fact.tick) - x(started)), lane - 14, fill=color, stroke=color)
