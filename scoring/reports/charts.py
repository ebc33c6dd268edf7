"""Charts of a report: curve with band, LC-CUSUM, score with its error beside a cut, reliability by number of cases.

Every chart stands beside a table that holds its numbers; colour never carries a meaning alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scoring.drawing import ACCENT, BAD, GOOD, GRID, INK, MUTED, Drawing, Path

WIDTH, HEIGHT = 640.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 96.0, 19.0, 34.0
BAND, INNER = "#dfe8f1", "#c2d4e6"


@dataclass(frozen=True)
class Axes:
    """A frame with linear scales: x(value), y(value) give points on the sheet."""

    sheet: Drawing
    x: Callable[[float], float]
    y: Callable[[float], float]

    @property
    def end(self) -> float:
        """The right edge of the frame."""
        return self.sheet.width - RIGHT


def axes(x: tuple[float, float], y: tuple[float, float], x_name: str, y_name: str, whole_x: bool = True) -> Axes:
    """Return an empty frame over the ranges, with ticks and names."""
    sheet = Drawing(WIDTH, HEIGHT)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    span_x, span_y = (x[1] - x[0]) or 1.0, (y[1] - y[0]) or 1.0
    frame = Axes(sheet, lambda v: LEFT + (v - x[0]) / span_x * wide, lambda v: TOP + (y[1] - v) / span_y * high)
    for value in ticks(*y):
        sheet.line(LEFT, frame.y(value), frame.end, frame.y(value), stroke=GRID, width=0.6)
        sheet.label(LEFT - 5, frame.y(value) + 4, f"{value:g}", anchor="end", color=MUTED, size=10)
    for value in ticks(*x):
        if not whole_x or value == round(value):
            sheet.label(frame.x(value), HEIGHT - BOTTOM + 14, f"{value:g}", anchor="middle", color=MUTED, size=10)
    sheet.line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, width=1)
    sheet.line(LEFT, HEIGHT - BOTTOM, frame.end, HEIGHT - BOTTOM, width=1)
    sheet.label((LEFT + frame.end) / 2, HEIGHT - 4, x_name, anchor="middle", color=MUTED, size=10)
    sheet.label(4, TOP - 9, y_name, color=MUTED, size=10)
    return frame


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Return round values between low and high, at most `most`."""
    span = (high - low) or 1.0
    step = next(m * 10.0**e for e in range(-6, 9) for m in (1, 2, 5) if span / (m * 10.0**e) <= most)
    first = -(-low // step)
    out, value = [], first * step
    while value <= high + 1e-9 * span:
        out.append(round(value, 9) + 0.0)
        value += step
    return out


def tag(frame: Axes, y: float, text: str, color: str = INK) -> None:
    """Write what a line is at its right end."""
    frame.sheet.label(frame.end + 5, frame.y(y) + 4, text, color=color, size=10)


def level_line(frame: Axes, y: float, text: str, color: str = BAD) -> None:
    """Draw a dashed level across the frame with its name."""
    frame.sheet.line(LEFT, frame.y(y), frame.end, frame.y(y), stroke=color, width=1.4, dash=(7, 4))
    tag(frame, y, text, color)


def polyline(frame: Axes, points: Sequence[tuple[float, float]], **style: object) -> None:
    """Draw a line through (x, y) values."""
    at = tuple((frame.x(x), frame.y(y)) for x, y in points)
    if len(at) > 1:
        frame.sheet.shapes.append(Path(at, **style))  # type: ignore[arg-type]


def between(frame: Axes, low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]], fill: str) -> None:
    """Fill the area between two lines."""
    at = tuple((frame.x(x), frame.y(y)) for x, y in [*low, *reversed(high)])
    if len(low) > 1:
        frame.sheet.shapes.append(Path(at, stroke=fill, width=0.5, fill=fill, closed=True))


@dataclass(frozen=True)
class Mark:
    """One attempt of a learner on a curve."""

    number: int
    value: float
    good: bool


def curve(
    marks: Sequence[Mark], band: Sequence[tuple[int, float, float, float]], target: float | None, y_name: str, top: float = 100.0
) -> Drawing:
    """Return a learner's attempts over the cohort's band (attempt, p10, median, p90) and the target."""
    last = max([mark.number for mark in marks] + [row[0] for row in band] + [2])
    frame = axes((1, last), (0, top), "attempt in order of time", y_name)
    between(frame, [(n, low) for n, low, _, _ in band], [(n, high) for n, _, _, high in band], BAND)
    polyline(frame, [(n, middle) for n, _, middle, _ in band], stroke=MUTED, width=1.2, dash=(3, 3))
    if band:
        tag(frame, band[-1][2], "cohort median", MUTED)
    if target is not None:
        level_line(frame, target, f"cut {target:g}")
    polyline(frame, [(mark.number, mark.value) for mark in marks], stroke=ACCENT, width=1.2)
    for mark in marks:
        x, y = frame.x(mark.number), frame.y(mark.value)
        if mark.good:
            frame.sheet.dot(x, y, 4, fill=ACCENT, stroke=ACCENT)
        else:
            frame.sheet.triangle(x, y, 4.5, fill=BAD, stroke=BAD)
    return frame.sheet


def cusum(values: Sequence[float], limit: float, horizon: int) -> Drawing:
    """Return an LC-CUSUM chart up to its horizon, with its limit."""
    frame = axes((0, horizon), (0, max(1.15 * limit, *values, 0.1)), "attempt in order of time", "LC-CUSUM")
    level_line(frame, limit, f"limit {limit:.2f}", GOOD)
    polyline(frame, [(0, 0.0), *((float(n), v) for n, v in enumerate(values, 1))], stroke=ACCENT, width=1.6)
    for number, value in enumerate(values, 1):
        frame.sheet.dot(frame.x(number), frame.y(value), 2.6, fill=ACCENT, stroke=ACCENT)
    return frame.sheet


def score_band(rows: Sequence[tuple[str, float, float | None]], cut: float | None) -> Drawing:
    """Return means with their error (name, mean, 1.96 SEM or None) on a scale from 0 to 100, with the cut."""
    high = 34.0 + 22.0 * len(rows) + 20.0
    sheet, left, wide = Drawing(WIDTH, high), 120.0, WIDTH - 150.0
    for value in range(0, 101, 10):
        x = left + wide * value / 100
        sheet.line(x, 18, x, high - 20, stroke=GRID, width=0.6)
        sheet.label(x, high - 6, str(value), anchor="middle", color=MUTED, size=10)
    for number, (name, mean, half) in enumerate(rows):
        y, x = 34.0 + 22.0 * number, left + wide * mean / 100
        sheet.label(0, y + 4, name if len(name) <= 18 else name[:15] + "...", size=10)
        if half is not None:
            low, top = (left + wide * min(100.0, max(0.0, v)) / 100 for v in (mean - half, mean + half))
            sheet.line(low, y, top, y, stroke=ACCENT, width=2)
            for end in (low, top):
                sheet.line(end, y - 4, end, y + 4, stroke=ACCENT, width=2)
        sheet.dot(x, y, 4, fill=ACCENT, stroke=ACCENT)
    if cut is not None:
        x = left + wide * cut / 100
        sheet.line(x, 14, x, high - 20, stroke=BAD, width=1.4, dash=(7, 4))
        sheet.label(x, 10, f"cut {cut:g}", anchor="middle", color=BAD, size=10)
    return sheet


def reliability(points: Sequence[tuple[int, float]], now: int, wanted: float = 0.9) -> Drawing:
    """Return Phi by number of cases, with where the battery stands and the level that is wanted."""
    frame = axes((1, max(n for n, _ in points)), (0, 1), "independent cases in the battery", "Phi")
    level_line(frame, wanted, f"{wanted:g}", GOOD)
    polyline(frame, [(float(n), phi) for n, phi in points], stroke=ACCENT, width=1.6)
    here = dict(points).get(now)
    if here is not None:
        frame.sheet.dot(frame.x(now), frame.y(here), 4, fill=INK)
        frame.sheet.label(frame.x(now) + 7, frame.y(here) + 13, f"{now} cases: {here:.2f}", size=10)
    return frame.sheet
