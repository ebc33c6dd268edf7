"""The chart of the guided page: everybody's score in rows by group, the cut and its interval across them."""

from __future__ import annotations

from scoring.drawing import ACCENT, BAD, Drawing
from scoring.portal.making import Shown
from scoring.reports.charts import ticks

WIDTH, LEFT, RIGHT, ROW = 640.0, 130.0, 20.0, 34.0
SHADE = "#f6dede"


def strip(shown: Shown) -> str:
    """Return the chart as SVG with its words; the table beside it holds the numbers."""
    standard, rows = shown.standard, shown.scores
    values = [v for _, scores in rows for v in scores] + [standard.cut, *(standard.interval or ())]
    low, high = min(values), max(values)
    pad = 0.05 * ((high - low) or 1.0)
    low, high = low - pad, high + pad
    sheet = Drawing(WIDTH, ROW * len(rows) + 46.0)
    bottom = ROW * len(rows) + 16.0

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    if standard.interval:
        sheet.rect(
            x(standard.interval[0]), 8, x(standard.interval[1]) - x(standard.interval[0]), bottom - 8, fill=SHADE, stroke=SHADE
        )
    for value in ticks(low, high):
        sheet.label(x(value), bottom + 14, f"{value:g}", anchor="middle", size=10)
    sheet.line(LEFT, bottom, WIDTH - RIGHT, bottom)
    for number, (name, scores) in enumerate(rows):
        y = 8 + ROW * (number + 0.5)
        sheet.label(LEFT - 8, y + 4, name[:20], anchor="end")
        for n, value in enumerate(scores):
            sheet.dot(x(value), y + 3.5 * (n % 5 - 2), 2.6, stroke=ACCENT)
    sheet.line(x(standard.cut), 8, x(standard.cut), bottom, stroke=BAD, width=1.6)
    sheet.label(x(standard.cut), bottom + 28, f"cut {standard.cut:.2f}", anchor="middle", color=BAD, bold=True)
    words = f"Scores by group, with the cut at {standard.cut:.2f}" + (" and its interval shaded" if standard.interval else "")
    return sheet.svg("strip", words + "; the table below holds who would pass.")
