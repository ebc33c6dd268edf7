"""Same commands, same attempt: in another process, interpreted, and compiled for a generic CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SHORT = """
import json, sys
from tests.attempts import study_of
from sim.command import Command
from sim.session import begin, advance
study = study_of("tfesi-l4l5-right", 1)
t = [round(float(c) * 1000) for c in study.plan.target_mm]
script = {1: Command("carm.centre", tuple(t)), 2: Command("carm.to", (-4000, 2000)), 40: Command("xray.shot"),
          60: Command("needle.choose", (0,)), 61: Command("needle.place", (t[0] - 20000, t[2], 20000, 0)),
          62: Command("needle.move", (14000, 20000)), 110: Command("needle.turn", (90000,)), 130: Command("needle.stylet", (0,)),
          131: Command("syringe.attach", (0, 2000)), 132: Command("syringe.aspirate"), 133: Command("syringe.inject", (40, 400)),
          134: Command("xray.pedal", (1,)), 150: Command("xray.pedal", (0,)), 155: Command("finish")}
state, events = begin(study)
events = list(events); digests = []
while not state.procedure.finished:
    state, new = advance(study, state, *([script[state.tick + 1]] if state.tick + 1 in script else []))
    events += new
    digests.append(state.digest())
print(json.dumps({"hash": study.hash, "digests": digests, "events": [[e.tick, e.kind, dict(e.data)] for e in events]}))
"""

WHOLE = """
import json
from tests.attempts import run_attempt
o = run_attempt("tfesi-l4l5-right", "expert", 1)
print(json.dumps({"digests": o.digests, "events": [[e.tick, e.kind, dict(e.data)] for e in o.events], "score": o.score.record()}))
"""


def run(code: str, **environment: str):
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def short():
    return run(SHORT)


def test_short_run_meets_what_it_should(short):
    kinds = {kind for _, kind, _ in short["events"]}
    assert {"exposed", "needle_placed", "tissue_entered", "injection_started", "injection_stopped", "aspirated"} <= kinds


def test_another_process(short):
    assert run(SHORT, PYTHONHASHSEED="77") == short


def test_interpreted(short):
    assert run(SHORT, NUMBA_DISABLE_JIT="1") == short


def test_generic_cpu(short):
    assert run(SHORT, NUMBA_CPU_NAME="generic") == short


@pytest.mark.slow
def test_whole_attempt_on_a_generic_cpu_and_in_two_processes():
    first = run(WHOLE)
    assert run(WHOLE, PYTHONHASHSEED="5") == first
    assert run(WHOLE, NUMBA_CPU_NAME="generic") == first
