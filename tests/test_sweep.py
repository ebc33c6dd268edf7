"""The sweep's own arithmetic: ROC area, the ladder of graded operators, and rows that are kept."""

from __future__ import annotations

import importlib.util
import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from scenarios.registry import all_scenarios
from scoring.statistics.roc import roc_area
from sim.errors import UsageError

PATH = Path(__file__).parents[1] / "scripts" / "sweep.py"
SPEC = importlib.util.spec_from_file_location("sweep", PATH)
assert SPEC and SPEC.loader
sweep = importlib.util.module_from_spec(SPEC)
sys.modules["sweep"] = sweep
SPEC.loader.exec_module(sweep)

GROUP = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=12)


@given(high=GROUP, low=GROUP)
def test_the_area_is_mann_whitneys_statistic(high, low):
    expected = mannwhitneyu(high, low).statistic / (len(high) * len(low))
    assert roc_area(high, low) == pytest.approx(expected)
    assert roc_area(high, low) + roc_area(low, high) == pytest.approx(1.0)


def test_the_area_of_groups_apart_is_one_and_of_nothing_an_error():
    assert roc_area([3.0, 4.0], [1.0, 2.0]) == 1.0
    with pytest.raises(UsageError, match="at least one"):
        roc_area([], [1.0])


def rows(points: dict[str, list[float]]):
    return [
        {"case": "drill-square", "seed": 1, "operator": sweep.draw_name(step, draw), "points": value, "verdict": "not replayed"}
        for step, values in points.items()
        for draw, value in enumerate(values)
    ]


def test_a_ladder_that_rises_is_fine_and_one_that_does_not_is_seen():
    good = {"novice-1": [10, 20], "novice-2": [30, 30], "novice-3": [40, 44], "novice-4": [50, 60], "expert": [100]}
    assert sweep.ladder(rows(good))[1]
    assert not sweep.ladder(rows(good | {"novice-3": [20, 25]}))[1], "not rising"
    assert not sweep.ladder(rows(good | {"novice-1": [0, 0, 0, 0, 100], "expert": [100]}))[1], "the area is 0.9"


def test_a_draw_stands_on_its_step():
    assert sweep.step_of(sweep.draw_name("novice-2", 3)) == "novice-2"
    assert sweep.step_of("first-look") is None


def test_every_case_is_swept_and_a_stopped_sweep_goes_on(tmp_path):
    asked = Namespace(seeds=2, careless=1, thorough=3, graded=1, draws=2, variants=1, only="*")
    todo = sweep.plan(asked)
    assert {case for case, _, _ in todo} == {s.id for s in all_scenarios()[0] if not s.file.retired}
    assert todo["drill-square", 1, "novice-1"] < todo["mbb-l4s1-left", 1, "expert"] < todo["drill-square", 3, "first-look"]
    assert ("mbb-l4s1-right", 1, "novice-2") in todo, "a case of an assessment set"
    assert ("mbb-l4s1-left", 2, "expert") in todo and ("mbb-l4s1-left", 2, "one-nerve") not in todo
    jobs = sweep.jobs_of(todo, "out", 2)
    assert [(c, j.seed, o) for j in jobs for c, ops in j.tasks for o in ops] and sum(
        len(o) for j in jobs for _, o in j.tasks
    ) == len(todo)
    assert [job.stage for job in jobs] == sorted(job.stage for job in jobs), "what tells most comes first"
    shared = next(job for job in jobs if any(case == "vp-l3-right-2" for case, _ in job.tasks))
    assert "mbb-l4l5-right-2" in {case for case, _ in shared.tasks}, "one patient, one job"
    row = {"case": "drill-square", "seed": 1, "operator": "expert", "verdict": "verified", "stamp": sweep.stamp("drill-square")}
    file = tmp_path / "keep.jsonl"
    stale, broken = row | {"seed": 2, "stamp": "older"}, row | {"seed": 3, "verdict": "error"}
    file.write_text("".join(json.dumps(r) + "\n" for r in (row, stale, broken)) + '{"case": "drill-sq')
    assert list(sweep.kept(file)) == [("drill-square", 1, "expert")]
    assert sweep.kept(tmp_path / "none") == {}


def test_the_cases_of_a_set_are_compared():
    told = [{"case": c, "seed": 1, "operator": o, "points": p, "verdict": "verified", "good": True}
            for c, o, p in (("vp-l1-left", "expert", 100.0), ("vp-t12-right", "expert", 96.0), ("vp-l1-left", "novice-1", 40.0),
                            ("vp-l1-left", "novice-4", 60.0), ("vp-t12-right", "novice-2", 55.0))]  # fmt: skip
    line = next(line for line in sweep.variants(told) if "vp-assessment" in line)
    assert "96.0 to 100.0" in line and "50.0 to 55.0 (10.0)" in line and "1 of 6" in line
    text, fine = sweep.table(told, 6)
    assert not fine and "5 of 6 attempts; 1 are due" in text
