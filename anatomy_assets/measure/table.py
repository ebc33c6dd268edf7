"""The comparison of measured people with published rows: morphometry/published.csv against measures by key.

A row is compared when its `use` is "compare". Means and spreads over seeds are taken over the group of the row
(women, men or all); the default adult is compared with the rows of both sexes together.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PUBLISHED = Path(__file__).parent.parent / "morphometry" / "published.csv"
MEAN_LIMIT, SD_LIMIT, DEFAULT_LIMIT = 0.5, 0.30, 1.0
POOLED = ("L2", "L3", "L4", "L5")
USES = ("compare", "other cohort", "not measured")


@dataclass(frozen=True)
class Row:
    """One published row; mean, sd, low, high are None where nothing is printed. posture "" is the scenario's own."""

    table: str
    quantity: str
    level: str
    group: str
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    unit: str
    posture: str
    key: str
    use: str
    note: str
    source: str


@dataclass(frozen=True)
class Result:
    """A row beside what was measured: the default adult, mean and SD over the people of its group."""

    row: Row
    default: float | None
    mean: float | None
    sd: float | None
    people: int

    @property
    def z(self) -> float | None:
        """Distance of the default adult from the published mean, in published SD."""
        r = self.row
        return None if self.default is None or r.mean is None or not r.sd or r.group else (self.default - r.mean) / r.sd

    @property
    def off(self) -> float | None:
        """Distance of the mean over people from the published mean, in published SD."""
        r = self.row
        return None if self.mean is None or r.mean is None or not r.sd else (self.mean - r.mean) / r.sd

    @property
    def spread(self) -> float | None:
        """Measured SD over published SD."""
        return None if self.sd is None or not self.row.sd else self.sd / self.row.sd

    @property
    def verdict(self) -> str:
        """holds, or which of default, mean, SD falls short; "no SD" where none is published; "missing" without a measure."""
        if self.mean is None and (self.default is None or self.row.group):
            return "missing"
        if not self.row.sd:
            return self._in_range()
        short = []
        if self.z is not None and abs(self.z) > DEFAULT_LIMIT:
            short.append("default")
        if self.off is not None and abs(self.off) > MEAN_LIMIT:
            short.append("mean")
        if self.spread is not None and abs(self.spread - 1.0) > SD_LIMIT:
            short.append("SD")
        return "holds" if not short else "short: " + ", ".join(short)

    def _in_range(self) -> str:
        low, high = self.row.low, self.row.high
        if low is None or high is None or self.default is None:
            return "no SD"
        return "in range" if low <= self.default <= high else "short: out of range"


def published(path: Path = PUBLISHED) -> list[Row]:
    """Return every row of the table of published measures."""
    with path.open(encoding="utf-8", newline="") as file:
        return [_row(r) for r in csv.DictReader(file)]


def _row(r: Mapping[str, str]) -> Row:
    words = {k: r[k] for k in ("table", "quantity", "level", "group", "unit", "posture", "key", "use", "note", "source")}
    return Row(**words, mean=_number(r["mean"]), sd=_number(r["sd"]), low=_number(r["low"]), high=_number(r["high"]))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def completed(measures: Mapping[str, float]) -> dict[str, float]:
    """Return measures with the means of both sides and the means over L2-L5 added (`<measure>.L4`, `<measure>.mean`)."""
    out = {k: v for k, v in measures.items() if v == v}
    for key in [k for k in out if k.endswith(".left")]:
        base = key[: -len(".left")]
        if f"{base}.right" in out:
            out[base] = 0.5 * (out[key] + out[f"{base}.right"])
    for stem in {k.split(".")[0] for k in out if "." in k}:
        values = [out[f"{stem}.{level}"] for level in POOLED if f"{stem}.{level}" in out]
        discs = [out[k] for k in out if k.startswith(f"{stem}.L") and k.count(".") == 1 and "-" in k]
        if len(values) == len(POOLED):
            out[f"{stem}.mean"] = float(np.mean(values))
        elif discs:
            out[f"{stem}.mean"] = float(np.mean(discs))
    if "body_height_front_mm.mean" in out:
        out["body_height_mean_mm.mean"] = 0.5 * (out["body_height_front_mm.mean"] + out["body_height_back_mm.mean"])
    return out


def results(default: Mapping[str, float], people: Sequence[tuple[str, Mapping[str, float]]]) -> list[Result]:
    """Return every compared row with the default adult's value and the people's mean and SD.

    default and people hold `<key>` for the scenario's posture and `<key>@<posture>` for others; a person is
    (sex, measures).
    """
    out = []
    for row in published():
        if row.use != "compare":
            continue
        key = f"{row.key}@{row.posture}" if row.posture else row.key
        values = [m[key] for sex, m in people if key in m and row.group in ("", sex)]
        many = len(values) > 1
        mean, sd = (float(np.mean(values)), float(np.std(values, ddof=1))) if many else (None, None)
        out.append(Result(row, default.get(key), mean, sd, len(values)))
    return out


HEADER = ("measure", "group", "posture", "default", "published", "z", "mean over people", "off", "SD", "SD ratio", "verdict")


def cells(r: Result) -> tuple[str, ...]:
    """Return one line of the table as text."""
    row = r.row
    printed = _text(row.mean) + (f" +- {_text(row.sd)}" if row.sd else "")
    if row.mean is None and row.low is not None and row.high is not None:
        printed = f"{_text(row.low)} to {_text(row.high)}"
    numbers = (_text(r.z), _text(r.mean), _text(r.off), _text(r.sd), _text(r.spread))
    return (row.key, row.group or "all", row.posture or "prone-bolster", _text(r.default), printed, *numbers, r.verdict)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def markdown(every: Sequence[Result]) -> str:
    """Return the table as Markdown with a line that counts."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(cells(r)) + " |" for r in every if r.verdict != "missing"]
    missing = sorted({r.row.key for r in every if r.verdict == "missing"})
    judged = [r for r in every if r.verdict == "holds" or r.verdict.startswith("short")]
    held = sum(1 for r in judged if r.verdict == "holds")
    lines += ["", f"{held} of {len(judged)} rows with a published spread hold."]
    if missing:
        lines.append(
            f"Without a value here (not in these phantoms, or a row of one sex and no people measured): {', '.join(missing)}."
        )
    return "\n".join(lines) + "\n"
