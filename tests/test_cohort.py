import csv
import json
import shutil

import numpy as np
import pytest

from main import main
from scoring.cohort import Cohort, Row, read_rows
from scoring.record import check_file
from scoring.summary import Plan, summarise
from sim.errors import UsageError
from tests.cohort_files import RUBRIC, result_of, write

WHEN = "2026-02-{:02d}T10:00:00Z"


FIRST = WHEN.format(1)


def row(who="p-a", item="s1", passed=True, started=FIRST, **more):
    base = {"path": f"{who}-{item}", "record_id": f"{who}/{item}/{started}", "status": "verified", "reason": "", "learner": who}
    points = more.pop("points", 60.0)
    metrics = {"points_percent": points, "points_verified_percent": points}
    return Row(
        **{**base, "scenario": item, "procedure": RUBRIC, "started": started, "passed": passed, "metrics": metrics, **more}
    )


@pytest.fixture
def folder(tmp_path):
    """Two sites, 24 learners, 4 items each, some repeats, one given up, one copy."""
    random = np.random.Generator(np.random.Philox(7))
    for n in range(24):
        skill = n / 23
        who = {"learner": f"learner-{n:02d}", "site": "north" if n % 2 else "south", "handedness": "right"}
        for item in range(4):
            points = int(np.clip(40 + 50 * skill + 8 * random.standard_normal(), 0, 100))
            errors = () if random.random() < 0.3 + 0.7 * skill else ("no-contrast",)
            made = result_of(not errors, errors, points)
            write(tmp_path, f"{n:02d}-{item}", made, scenario=f"toy/{item}", started=WHEN.format(1 + item), **who)
    write(
        tmp_path, "again", result_of(True, (), 99), scenario="toy/0", started=WHEN.format(20), learner="learner-00", site="south"
    )
    write(tmp_path, "lost", None, scenario="toy/9", started=WHEN.format(21), learner="learner-01", site="north")
    (tmp_path / "deep").mkdir()
    shutil.copy(tmp_path / "00-0.scottie", tmp_path / "deep" / "-rf.scottie")
    (tmp_path / "broken.scottie").write_bytes(b"PK\3\4 a zip")
    return tmp_path


def run(capsys, *arguments):
    import sys
    from unittest.mock import patch

    with patch.object(sys, "argv", ["main.py", *map(str, arguments)]):
        code = main()
    out = capsys.readouterr()
    return code, out.out, out.err


def test_a_row_reads_header_and_score(tmp_path):
    path = write(tmp_path, "x", result_of(False, ["too-deep"], 40), learner="p-1", site="east", input_device="gamepad")
    [one] = read_rows([check_file(path)])
    assert (one.status, one.passed, one.critical_errors, one.checklist_done, one.checklist_of) == (
        "sealed",
        False,
        ("too-deep",),
        1,
        2,
    )
    assert (one.learner, one.site, one.input_device, one.procedure) == ("p-1", "east", "gamepad", RUBRIC)
    assert one.metrics["tip_error_mm"] == 2.5 and one.metrics["fluoro_s"] == 30 and one.metrics["dap_gy_m2"] == 0.001
    assert one.metrics["points_percent"] == 40 and one.metrics["checklist_percent"] == 50
    assert len(one.record_id) == 64


def test_a_score_of_the_wrong_form_is_no_evidence(tmp_path):
    made = result_of(True)
    made["points"] = {"reached": "many", "possible": 3}
    [one] = read_rows([check_file(write(tmp_path, "x", made))])
    assert one.status == "altered" and one.passed is None and not one.counts


def test_the_first_attempt_counts_whatever_came_of_it():
    rows = [row(passed=None, status="interrupted"), row(started=WHEN.format(2)), row(item="s2", started=WHEN.format(3))]
    first = Cohort(rows).first_attempts()
    assert [(r.scenario, r.passed) for r in first] == [("s1", None), ("s2", True)]
    assert np.isnan(Cohort(rows).matrix("passed")[0, 0])


def test_a_later_attempt_at_a_battery_item_does_not_become_the_first():
    place = {"battery_id": "b", "battery_item": 1, "battery_sha256": "x"}
    late = row(started=WHEN.format(1), battery_attempt=2, **place)
    first = row(started=WHEN.format(9), battery_attempt=1, passed=False, **place)  # the clock was set back in between
    assert [r.passed for r in Cohort([late, first]).first_attempts()] == [False]
    [alone] = Cohort([late]).first_attempts()
    assert alone.passed is None and alone.status == "interrupted"


def test_duplicates_are_counted_once_and_reported():
    cohort = Cohort([row(), row(path="copy"), row(item="s2")])
    assert len(cohort.attempts) == 2
    assert {r.path for r in next(iter(cohort.duplicates.values()))} == {"p-a-s1", "copy"}


def test_refused_rows_never_enter_a_statistic():
    cohort = Cohort([row(), row(who="p-b", status="altered", passed=None)])
    assert cohort.learners == ["p-a"] and cohort.statuses == {"verified": 1, "altered": 1}


def test_a_clock_that_went_back_is_reported():
    place = {"battery_id": "b", "battery_sha256": "x"}
    rows = [row(item="s1", started=WHEN.format(5), battery_item=1, **place), row(item="s2", battery_item=2, **place)]
    assert [a.learner for a in Cohort(rows).clock_anomalies()] == ["p-a"]
    assert summarise(Cohort(rows), Plan(now=WHEN.format(3)))["clock"]


def test_an_interrupted_attempt_is_a_failure_in_the_charts():
    rows = [row(started=WHEN.format(n), passed=True if n < 14 else None) for n in range(1, 15)]
    [one] = summarise(Cohort(rows), Plan(horizon=20, now=WHEN.format(28)))["procedures"][RUBRIC]["learners"]
    assert one["lc_cusum"]["signal_at"] == 13
    rows[3] = row(started=WHEN.format(4), passed=None, status="interrupted")
    [one] = summarise(Cohort(rows), Plan(horizon=20, now=WHEN.format(28)))["procedures"][RUBRIC]["learners"]
    assert one["lc_cusum"]["signal_at"] is None


def test_unknown_value_is_named():
    with pytest.raises(UsageError, match="unknown value 'pionts_percent'"):
        Cohort([row()]).matrix("pionts_percent")


def test_cohort_command(folder, capsys, tmp_path):
    table = tmp_path / "out.csv"
    code, out, err = run(capsys, "cohort", folder, "--json", "--csv", table, "--jobs", "1")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["verdicts"] == {"sealed": 97, "interrupted": 1, "unreadable": 1}
    assert [len(d["files"]) for d in told["duplicates"]] == [2]
    part = told["procedures"][RUBRIC]
    assert part["first_attempts"] == 96 and len(part["learners"]) == 24
    assert part["g_study"]["learners"] == 24 and 0.8 < part["g_study"]["now"]["Phi"] < 1
    low, high = (part["g_study"]["intervals"]["phi"][end] for end in ("low", "high"))
    assert low < part["g_study"]["now"]["Phi"] < high
    assert part["fairness"]["site"]["comparisons"] == 1 and "none" in part["fairness"]["handedness"]
    assert "best of 2" in part["learners"][0]["best_of"] and part["learners"][0]["first_passed"] <= 4
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 99
    points = part["learners"][0]["first"][0]["points_percent"]
    assert points != 99, "a repeat took the place of a first attempt"


def test_the_text_says_no_standard_and_judges_nobody(folder, capsys):
    code, out, _ = run(capsys, "cohort", folder, "--jobs", "2")
    assert code == 0 and "No standard set." in out and "competent" not in out.lower()
    assert "no-contrast" in out and "counted once" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["cohort", "nowhere"], "nowhere: expected a folder"),
        (["cohort", "."], "no attempt in it"),
        (["cohort", ".", "--p0", "0.3", "--p1", "0.1"], "expected p0 (acceptable) below p1"),
        (["cohort", ".", "--horizon", "2"], "no limit keeps false signals"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, arguments, line):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 2 and line in err and err.count("\n") == 1


def test_a_formula_in_a_table_is_made_harmless():
    from scoring.exchange.table import csv_text

    assert "'=cmd()" in csv_text([row(path="=cmd()")])


@pytest.mark.slow
def test_ten_thousand_files_in_bounded_memory(tmp_path):
    import tracemalloc

    from commands.cohort import rows_of

    one = write(tmp_path, "one", result_of(True), learner="p")
    for n in range(10_000):
        (tmp_path / f"{n:05d}.scottie").hardlink_to(one)
    tracemalloc.start()
    cohort = Cohort(list(rows_of(tmp_path, False, 1, None, lambda *_: None)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(cohort.rows) == 10_001 and len(cohort.attempts) == 1
    assert most < 80e6
