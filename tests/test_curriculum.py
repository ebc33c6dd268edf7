"""Curriculum: stages open with proficiency, goals are honest, streaks survive the clock, the day's case is everybody's."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.curriculum import FILE, Aim, aims, best_of, case_of_the_day, curriculum_map, load_curriculum, next_step, streak
from scenarios.history import SEEN, Done, read_attempts
from scenarios.registry import all_scenarios
from sim.errors import DataError, UsageError

ALL = all_scenarios()[0]
PROCEDURE = {s.id: s.file.procedure for s in ALL}


def done(scenario="mbb-l3l4-left", seed=1, passed=True, errors=(), points=30, tip=900, exposures=20, dap=1000, **more) -> Done:
    facts = {
        "path": Path("x"), "record_id": f"{scenario}{seed}", "scenario": scenario, "procedure": PROCEDURE[scenario], "seed": seed,
        "started": "2026-01-01T00:00:00Z", "finished": True, "passed": passed, "critical_errors": tuple(errors), "points": points,
        "points_possible": 30, "exposures": exposures, "dap_pgy_m2": dap, "tip_error_um": tip,
    }  # fmt: skip
    return Done(**(facts | more))


def stop_of(attempts, name):
    return next(stop for stop in curriculum_map(attempts) if stop.id == name)


def all_drills():
    return [done(s.id) for s in ALL if s.file.procedure == "drill"]


# --- map ------------------------------------------------------------------------------------------


def test_every_case_has_its_place_once():
    stops = curriculum_map([])
    placed = [case for stop in stops for case in stop.cases]
    assert sorted(placed) == sorted(s.id for s in ALL if not s.file.retired)


def test_at_first_only_the_drills_are_open():
    stops = curriculum_map([])
    assert [stop.id for stop in stops if stop.open] == ["drills"]
    assert not any(stop.learned for stop in stops)
    assert next_step([]).scenario.startswith("drill-")


def test_each_drill_counts_once_and_then_the_procedures_open():
    drills = all_drills()
    assert not stop_of(drills[:-1], "drills").learned
    assert drills[-1].scenario.removeprefix("drill-") in stop_of(drills[:-1], "drills").missing
    assert stop_of(drills, "drills").learned
    assert stop_of(drills, "mbb-easy").open and stop_of(drills, "tfesi-easy").open
    assert not stop_of(drills, "mbb-more").open


def test_a_stage_is_learned_by_the_newest_attempts_not_by_their_number():
    good = [done(seed=seed) for seed in (1, 2, 3)]
    bad = done(seed=4, passed=False, errors=("wrong-level",))
    drills = all_drills()
    assert stop_of(drills + good, "mbb-easy").learned
    assert not stop_of([*drills, bad, *good[:2]], "mbb-easy").learned
    assert not stop_of([*drills, *good, bad], "mbb-easy").learned
    assert not stop_of(drills + [done(seed=7)] * 5, "mbb-easy").learned, "one patient by heart is not enough"


def test_next_is_what_failed_last_with_a_patient_not_yet_seen():
    history = [*all_drills(), done(seed=3), done("mbb-l3l4-right", seed=9, passed=False)]
    advice = next_step(history)
    assert (advice.scenario, advice.seed) == ("mbb-l3l4-right", 10)


def test_a_procedure_that_no_stage_names_still_shows_at_the_end():
    stranger = replace(ALL[0], file=ALL[0].file.model_copy(update={"procedure": "celiac", "id": "celiac-1", "drill": None}))
    stops = curriculum_map([], [*ALL, stranger])
    assert stops[-1].cases == ("celiac-1",) and stops[-1].open


def test_a_broken_curriculum_is_one_line(tmp_path):
    path = tmp_path / "curriculum.toml"
    path.write_text(FILE.read_text().replace('after = ["drills"]', 'after = ["nowhere"]', 1))
    with pytest.raises(DataError, match="nowhere"):
        load_curriculum(path)


# --- goals ----------------------------------------------------------------------------------------


def test_safety_comes_before_every_other_goal():
    only = aims([done(passed=False, errors=("too-deep",))], "mbb-l3l4-left")
    assert [aim.text for aim in only] == ["pass without too-deep"]
    assert only[0].reached(done()) and not only[0].reached(done(errors=("wrong-side",)))


def test_then_the_checklist_then_fewer_pictures_and_less_dose():
    assert "missing points" in aims([done(points=25)], "mbb-l3l4-left")[0].text
    fewer, less = aims([done(), done(exposures=26)], "mbb-l3l4-left")
    assert fewer.text == "the same accuracy, two exposures fewer"
    assert fewer.reached(done(exposures=18)) and not fewer.reached(done(exposures=19))
    assert not fewer.reached(done(exposures=18, tip=901)), "as accurate as before"
    assert not fewer.reached(done(exposures=18, points=29))
    assert less.reached(done(dap=900)) and not less.reached(done(dap=901))
    assert aims([], "mbb-l3l4-left") == []


def test_no_goal_asks_for_less_than_the_pictures_that_safety_needs():
    texts = [aim.text for aim in aims([done(exposures=4)], "mbb-l3l4-left")]
    assert texts == ["the same accuracy, a tenth less dose"]
    assert any("one exposure fewer" in aim.text for aim in aims([done(exposures=5)], "mbb-l3l4-left"))


def test_nothing_here_knows_of_time():
    assert not {name for name in (*Done.__dataclass_fields__, *Aim.__dataclass_fields__) if "time" in name or "_ms" in name}


def test_a_record_is_safe_first_then_complete_then_accurate():
    rows = [done(tip=100, passed=False), done(points=28, tip=100), done(tip=500, exposures=30), done(tip=500, exposures=20)]
    own = best_of(rows, "mbb-l3l4-left")
    assert own.best is rows[3] and own.last is rows[3] and own.attempts == 4
    assert best_of(rows[:1], "mbb-l3l4-left").best is None


# --- streak and day -------------------------------------------------------------------------------


def test_a_streak_counts_safe_cases_not_days_and_no_drills():
    rows = [done(), done(passed=False), done("drill-square", passed=False), done()]
    assert (streak(rows).length, streak(rows).best) == (3, 3)
    rows += [done(errors=("wrong-side",)), done()]
    assert (streak(rows).length, streak(rows).best) == (1, 3)
    assert streak([]).length == 0


def test_the_case_of_the_day_is_the_same_for_everyone_and_changes():
    day = date(2026, 11, 23)
    one = case_of_the_day(day)
    assert one == case_of_the_day(day)
    month = [case_of_the_day(day + timedelta(days=i)) for i in range(40)]
    assert len({case.scenario for case in month}) > 8 and len({case.seed for case in month}) == 40
    assert not any(case.scenario.startswith("drill") for case in month)
    tried = [done(one.scenario, seed=one.seed, passed=False)]
    assert case_of_the_day(day, tried).done and not case_of_the_day(day, tried).passed
    assert not case_of_the_day(day, [done(one.scenario, seed=one.seed + 1)]).done


# --- history and the clock ------------------------------------------------------------------------


class Folder:
    """A folder of records without the labour of making them: `read_raw` is replaced by what each file should hold."""

    def __init__(self, path, monkeypatch):
        self.path = path
        monkeypatch.setattr("scenarios.history.read_raw", self._raw)

    def add(self, name, started, errors=(), **header):
        self.path.mkdir(exist_ok=True)
        head = {"mode": "practice", "operator": "trainee", "scenario": "mbb-l3l4-left", "seed": 1, "started": started} | header
        result = {
            "passed": not errors,
            "finished": True,
            "critical_errors": list(errors),
            "points": {"reached": 1, "possible": 2},
        }
        (self.path / f"{name}.scottie").write_text(repr((head, result | {"metrics": {"exposures": 3}}, name)))

    def _raw(self, path):
        from types import SimpleNamespace

        head, result, root = eval(path.read_text())
        return SimpleNamespace(header=head, result=result, root=root)

    def read(self, now=""):
        return read_attempts(self.path, now)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return Folder(tmp_path / "runs", monkeypatch)


def test_a_clock_that_is_set_back_breaks_no_streak_and_is_said(folder):
    folder.add("bad", "2026-05-01T10:00:00Z", errors=["wrong-side"])
    folder.add("good1", "2026-05-01T11:00:00Z")
    folder.read()
    folder.add("good2", "2026-04-01T09:00:00Z")  # done after the clock had been set back
    history = folder.read(now="2026-04-01T10:00:00Z")
    assert [row.record_id for row in history.attempts] == ["bad", "good1", "good2"]
    assert streak(history.attempts).length == 2
    assert any("set back" in note for note in history.notes)
    assert folder.read(now="2027-01-01T00:00:00Z").notes == ()


@given(order=st.permutations(["a", "b", "c", "d"]))
def test_the_order_first_met_is_kept_whatever_the_times_say(order, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = Folder(tmp_path_factory.mktemp("h") / "runs", patch)
        for number, name in enumerate(order):
            folder.add(name, f"2026-05-0{9 - number}T00:00:00Z")
            folder.read()
        assert [row.record_id for row in folder.read().attempts] == list(order)


def test_assessments_scripts_and_broken_files_are_left_out(folder):
    folder.add("a", "2026-05-01T10:00:00Z", mode="assessment")
    folder.add("b", "2026-05-01T10:00:00Z", operator="expert")
    folder.add("c", "2026-05-01T10:00:00Z")
    (folder.path / "d.scottie").write_text("({}, {}, 'd')")
    history = folder.read()
    assert [row.record_id for row in history.attempts] == ["c"]
    assert len(history.notes) == 1 and "d.scottie" in history.notes[0]
    assert (folder.path / SEEN).read_text() == "c\n"


def test_a_folder_that_is_not_there_is_an_empty_history(tmp_path):
    assert read_attempts(tmp_path / "none").attempts == ()


def test_a_sealed_record_is_read_as_it_lies_on_the_disk(tmp_path):
    """The real thing: an expert's drill, sealed, read back."""
    from commands.joints import attempt

    attempt("drill-dose", "expert", 1, tmp_path / "one", "practice", lambda what, share: None, pictures=False)
    (row,) = read_attempts(tmp_path, operator="expert").attempts
    assert (row.scenario, row.procedure, row.passed, row.safe, row.seed) == ("drill-dose", "drill", True, True, 1)
    assert row.points == row.points_possible > 0


def test_the_command_prints_all_parts_for_a_beginner(tmp_path, capsys):
    import json

    from commands.curriculum import curriculum

    curriculum(attempts=tmp_path, day="2026-11-23", json_=True)
    told = json.loads(capsys.readouterr().out)
    assert told["attempts"] == 0 and told["next"]["scenario"].startswith("drill-") and told["goals"] == []
    assert told["case_of_the_day"]["day"] == "2026-11-23"
    curriculum(attempts=tmp_path, day="2026-11-23")
    said = capsys.readouterr().out
    assert "Foundation drills" in said and "haste earns nothing" in said
    with pytest.raises(UsageError, match="expected a date"):
        curriculum(attempts=tmp_path, day="yesterday")
