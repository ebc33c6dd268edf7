"""Making a standard on the command line: reads folders of records and tables, and hands them to scoring.setting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from commands.cohort import Reading, _digest, number, read_csv, scores_from
from sim.errors import UsageError

if TYPE_CHECKING:
    from scoring.setting import Setting
    from scoring.standard import Standard


def contrasting_standard(plan: Setting, novices: Path, experts: Path, reading: Reading) -> Standard:
    """Return a standard from two groups of people."""
    from scoring import setting

    return setting.contrasting_standard(plan, scores_from(novices, "novice", reading), scores_from(experts, "expert", reading))


def angoff_standard(plan: Setting, files: list[Path]) -> Standard:
    """Return a provisional standard from a panel's ratings; the cut is in percent of the scale."""
    from scoring import setting

    if not files:
        raise UsageError("--ratings is missing; expected a CSV with judge,item,rating for each round")
    return setting.angoff_standard(plan, [_ratings(path) for path in files], [_digest(path) for path in files])


def _ratings(path: Path) -> list[list[float]]:
    from scoring.setting import ratings_table

    rows = read_csv(path, ("judge", "item", "rating"))
    numbered = [(r["judge"], r["item"], number(path, line, "rating", r["rating"])) for line, r in enumerate(rows, 2)]
    return ratings_table(numbered, str(path))


def hofstee_standard(plan: Setting, scores: Path, limits: str | None) -> Standard:
    """Return a provisional standard by Hofstee's compromise."""
    from scoring import setting

    try:
        kmin, kmax, fmin, fmax = (float(v) for v in (limits or "").split(","))
    except ValueError:
        raise UsageError(f"--limits {limits}; expected four numbers kmin,kmax,fmin,fmax") from None
    rows = read_csv(scores, ("learner", "score"))
    values = [number(scores, line, "score", row["score"]) for line, row in enumerate(rows, 2)]
    return setting.hofstee_standard(plan, values, (kmin, kmax, fmin, fmax), [_digest(scores)], "1 table")
