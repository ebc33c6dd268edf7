"""Synthetic rows for the tests of reports and exports: a cohort without attempts behind it. Never shown as data."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from scoring.cohort import Cohort, Row
from sim.rng import stream

SCENARIOS = tuple(f"tfesi-{level}-{side}" for level in ("l3l4", "l4l5", "l5s1") for side in ("left", "right"))


def row(learner: str = "L-01", number: int = 0, **more: Any) -> Row:
    """Return one attempt; `number` makes record id, item and time."""
    scenario = SCENARIOS[number % len(SCENARIOS)]
    record = hashlib.sha256(f"{learner} {number}".encode()).hexdigest()
    metrics: dict[str, float | None] = {
        "tip_error_mm": 3.0,
        "fluoro_s": 31.5,
        "exposures": 14.0,
        "dap_gy_m2": 4.4e-5,
        "duration_s": 412.31,
        "points_percent": 80.0,
        "points_verified_percent": 82.0,
        "checklist_percent": 85.0,
    }
    base: dict[str, Any] = {
        "path": f"runs/{learner}/{number}/attempt.scottie",
        "record_id": record,
        "status": "verified",
        "reason": "12 commands; signed by 00",
        "learner": learner,
        "site": "A",
        "handedness": "right",
        "input_device": "mouse-keyboard",
        "scenario": scenario,
        "scenario_version": 1,
        "procedure": "lumbar-tfesi",
        "seed": 100 + number,
        "mode": "assessment",
        "operator": "trainee",
        "started": f"2026-02-{1 + number // 12:02d}T{8 + number % 12:02d}:{number % 60:02d}:00Z",
        "battery_id": "tfesi-2026",
        "battery_item": number % 12 + 1,
        "engine": "1.2.0",
        "key": "0" * 32,
        "passed": True,
        "critical_errors": (),
        "checklist_done": 17,
        "checklist_of": 20,
        "metrics": metrics,
    }
    base.update(more)
    return Row(**base)


def cohort(learners: int = 18, items: int = 12, seed: int = 5) -> Cohort:
    """Return a cohort with a spread of skill: some interrupted, one repeated, one altered, two sites."""
    rng = stream(seed, "tests.make_rows")
    rows = []
    for who in range(learners):
        skill = who / max(1, learners - 1)
        for item in range(items):
            draw, noise = (float(v) for v in rng.random(2))
            points = float(np.clip(45 + 50 * skill + 16 * (noise - 0.5), 0, 100))
            failed = draw > 0.25 + 0.72 * skill
            error = ("ignores-vascular", "no-contrast", "no-timeout")[int(draw * 1000) % 3]
            made = row(f"L-{who:02d}", item, site="AB"[who % 2], handedness="left" if who % 6 == 5 else "right")
            metrics = {
                **made.metrics,
                "points_percent": points,
                "points_verified_percent": points,
                "fluoro_s": 60 - 35 * skill + 8 * noise,
            }
            changes: dict[str, Any] = {"metrics": metrics, "passed": not failed, "critical_errors": (error,) if failed else ()}
            if who == 3 and item == 4:
                changes = {"passed": None, "metrics": {}, "status": "interrupted", "reason": "sealed as abandoned at 12.00 s"}
            rows.append(replace(made, **changes))
    again = row("L-02", 12, battery_item=3, scenario=SCENARIOS[2], seed=102)
    bad = row("L-04", 30, status="altered", reason="line 12 breaks the chain", passed=None, metrics={})
    return Cohort([*rows, again, bad])
