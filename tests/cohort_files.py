"""Sealed records of a made-up cohort: real files with real chains and seals, invented scores."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from scoring.record import seal
from sim.attempt import Journal, header_of
from sim.event import event
from tests.toy_attempt import KEY, Procedure, State, Study, begin

RUBRIC = "tfesi-toy"
KEYLESS = {"learner": "", "site": "", "handedness": "", "input_device": ""}


def result_of(passed: bool, errors=(), points=70, tip_um=2500, fluoro_ms=30_000) -> dict:
    """Return a score in its recorded form."""
    body = {
        "metric_spec": "scottie-metrics 1",
        "rubric": RUBRIC,
        "rubric_version": 1,
        "rubric_hash": "r" * 8,
        "passed": passed,
        "finished": True,
        "critical_errors": list(errors),
        "critical": {name: {"tick": 3, "why": "made up"} for name in errors},
        "passing": {"finished": True},
        "checklist": {
            "timeout": {"done": points >= 50, "applicable": True, "points": 1, "tick": 2},
            "prep": {"done": True, "applicable": True, "points": 1, "tick": 1},
            "spare": {"done": False, "applicable": False, "points": 1, "tick": -1},
        },
        "points": {"reached": points, "possible": 100},
        "points_verified": {"reached": points, "possible": 100},
        "efficiency": {},
        "metrics": {"tip_error_um": tip_um, "fluoro_ms": fluoro_ms, "exposures": 9, "dap_pgy_m2": 10**9, "total_ms": 240_000},
    }
    return body | {"score_hash": hashlib.sha256(repr(body).encode()).hexdigest()}


def write(
    folder: Path, name: str, result: dict | None, *, scenario="toy/a", seed=1, started="2026-01-31T12:00:00Z", key=KEY, **who
) -> Path:
    """Write and seal one attempt of a few ticks; `result` None: given up before its end."""
    study = replace(Study(), scenario=scenario, seed=seed)
    header = header_of(study, operator=who.pop("operator", "trainee"), started=started, **{**KEYLESS, **who})
    state, opening = begin(study)
    with Journal(folder / f"{name}.journal", header) as journal:
        journal.events(0, opening)
        journal.digest(0, state)
        if result is not None:
            journal.events(5, [event(5, "finished")])
        journal.digest(5, State(tick=5, procedure=Procedure(result is not None)))
    return seal(folder / f"{name}.journal", result or {}, key, folder / f"{name}.scottie")
