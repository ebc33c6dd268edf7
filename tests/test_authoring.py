"""The author's guide is followed literally; folders of scenarios; sets of cases."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import main
from scenarios.check import check_attempts, check_file
from scenarios.operators import OPERATORS, faults_of
from scenarios.registry import FOLDERS, all_scenarios, find_scenario, load_scenario
from scenarios.sets import CaseSet, SetsFile, find_set, load_sets
from scoring.rubric import assessment_blockers, read_rubric
from scoring.score import score
from sim.errors import DataError, UsageError

GUIDE = Path(__file__).parents[1] / "docs" / "AUTHORING.md"
STEP = re.compile(r"File `my-cases/([^`]+)`[^\n]*\n\n```\w+\n(.*?)```", re.S)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that the guide makes, outside the package, named by the environment variable."""
    steps = STEP.findall(GUIDE.read_text(encoding="utf-8"))
    assert [name for name, _ in steps] == ["l3-right-our-way.toml", "our-brief.md"]
    for name, text in steps:
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv(FOLDERS, str(tmp_path))
    return tmp_path


def judge_of(scenario):
    rubric = read_rubric(scenario.rubric_path)

    def judge(events, commands):
        result = score(events, commands, rubric)
        return result.passed, result.critical_errors, str(result.public()["passing"])

    return judge


def test_the_worked_example_stands_beside_the_shipped_cases(folder):
    good, errors = all_scenarios()
    assert errors == []
    found = find_scenario("our-l3-right")
    assert found.id in [s.id for s in good] and found.path.parent == folder
    assert found.brief_path.parent == folder and found.rubric_path.parent.name == "tfesi"
    assert all(line.good for line in check_file(found))
    assert "forbidden-agent" not in faults_of(found) and "postpones-fit" in faults_of(found)


def test_the_expert_passes_the_worked_example_and_the_same_commands_give_the_same_state(folder):
    found = find_scenario("our-l3-right")
    lines = list(check_attempts(found, range(2, 3), range(0), judge_of(found)))
    assert [line.what for line in lines] == ["expert, seed 2", "the same again"]
    assert all(line.good for line in lines), lines


@pytest.mark.slow
def test_each_careless_operator_fails_on_the_worked_example(folder):
    found = find_scenario("our-l3-right")
    lines = list(check_attempts(found, range(2, 3), range(2, 3), judge_of(found)))
    assert len(lines) == 2 + len(faults_of(found))
    assert all(line.good for line in lines), [line for line in lines if not line.good]


def test_a_check_that_does_not_hold_is_told(folder):
    found = find_scenario("our-l3-right")
    lines = list(check_attempts(found, range(2, 3), range(0), lambda events, commands: (False, ["wrong-level"], "")))
    assert [line.good for line in lines] == [False, True] and "wrong-level" in lines[0].found


BROKEN = {
    "not TOML": "id = ",
    "unknown key": None,
    "bytes": b"\xff\xfe\x00",
    "missing brief": None,
    "empty": "",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_hides_nothing_and_is_listed_with_its_error(folder, kind):
    text = (folder / "l3-right-our-way.toml").read_text()
    bad = folder / "sub" / "bad.toml"
    bad.parent.mkdir()
    content = {
        "unknown key": text.replace("[vessel]", "colour = 1\n[vessel]").replace("our-l3-right", "other"),
        "missing brief": text.replace("our-brief.md", "none.md").replace("our-l3-right", "other"),
    }.get(kind, BROKEN[kind])
    bad.write_bytes(content if isinstance(content, bytes) else content.encode())
    good, errors = all_scenarios()
    assert "our-l3-right" in [s.id for s in good] and "tfesi-l4l5-right" in [s.id for s in good]
    assert len(errors) == 1 and "bad.toml" in errors[0] and "\n" not in errors[0]
    told = CliRunner().invoke(main.app, ["list"])
    assert told.exit_code == 0 and "our-l3-right" in told.output and "bad.toml" in told.output


def test_an_id_that_exists_already_is_an_error_of_the_second_file(folder):
    shutil.copy(folder / "l3-right-our-way.toml", folder / "twice.toml")
    good, errors = all_scenarios()
    assert [s.id for s in good].count("our-l3-right") == 1
    assert len(errors) == 1 and "twice.toml" in errors[0] and "expected another" in errors[0]


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        CliRunner().invoke(main.app, ["list", "--scenarios", str(tmp_path / "no")], standalone_mode=False, catch_exceptions=False)


def test_check_scenario_tells_each_check_and_its_json_is_one_object(folder):
    path = str(folder / "l3-right-our-way.toml")
    plain = CliRunner().invoke(main.app, ["check-scenario", path, "--seeds", "0"])
    assert plain.exit_code == 0 and "all checks hold" in plain.output
    made = CliRunner().invoke(main.app, ["check-scenario", path, "--seeds", "0", "--json"])
    assert json.loads(made.output)["good"] is True


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"bleeding"', '"bleding"', "risks"),
        ('pregnancy = "not applicable"', 'pregnancy = "no"', "pregnancy"),
        ('"subpedicular"\n', '"anterior"\n', "approach"),
        ('"escort", ', '"escort", "escort", ', "discharge"),
    ],
)
def test_a_mistake_in_the_chart_is_one_line(folder, old, new, said):
    path = folder / "l3-right-our-way.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=said) as caught:
        load_scenario(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


# --- sets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", load_sets(), ids=lambda one: one.id)
def test_every_case_of_a_set_exists_and_fits(one: CaseSet):
    cases = one.scenarios()
    assert {s.file.procedure for s in cases} == {one.procedure} and one.procedure in OPERATORS
    assert not [s.id for s in cases if s.file.retired]
    assert len({bool(s.file.postpones) for s in cases}) == 1, "a case that must be postponed is another task, with other points"
    if one.kind == "assessment":
        from scenarios.chart import blockers

        held = [why for s in cases for why in (*assessment_blockers(read_rubric(s.rubric_path)), *blockers(s.file))]
        assert held == [], "an assessment set holds only cases whose sources have been read"
        assert len({s.rubric_path for s in cases}) == 1, "a standard rests on one rubric"


def test_each_procedure_has_twelve_cases_an_easy_and_a_hard_set_and_an_assessment_set():
    for procedure in OPERATORS:
        sets = [one for one in load_sets() if one.procedure == procedure]
        if procedure == "drill":
            assert {"practice"} == {one.kind for one in sets}, "drills are for practice only"
            continue
        assert {"practice", "assessment"} == {one.kind for one in sets}
        assert {"easy", "hard"} <= {one.hard for one in sets if one.kind == "practice"}
        assert len([s for s in all_scenarios()[0] if s.file.procedure == procedure and not s.file.retired]) >= 12


def test_sets_that_contradict_themselves_are_refused():
    row = {"id": "a", "title": "A", "procedure": "mbb", "kind": "practice", "hard": "easy", "cases": ["x", "y"]}
    with pytest.raises(ValueError, match="expected each once"):
        CaseSet.model_validate({**row, "cases": ["x", "x"]})
    with pytest.raises(ValueError, match="expected every id once"):
        SetsFile.model_validate({"set": [row, row]})
    with pytest.raises(UsageError, match="set"):
        find_set("tfesi-first-step")


def test_list_shows_a_set_in_its_order_and_a_tag():
    shown = CliRunner().invoke(main.app, ["scenarios", "--set", "tfesi-judgement", "--json"])
    assert [row["id"] for row in json.loads(shown.output)] == list(find_set("tfesi-judgement").cases)
    hard = CliRunner().invoke(main.app, ["list", "--tag", "hard", "--json"])
    assert {row["difficulty"] for row in json.loads(hard.output)} == {"hard"}
    assert "tfesi-assessment" in CliRunner().invoke(main.app, ["scenarios", "--sets"]).output


def test_a_battery_can_be_made_of_an_assessment_set_and_not_of_a_practice_set(tmp_path, monkeypatch):
    monkeypatch.setenv("SCOTTIE_KEYS", str(tmp_path / "keys"))
    chosen = find_set("mbb-assessment")
    seeds = [word for number in range(len(chosen.cases)) for word in ("--seed", str(number + 1))]
    ask = ["battery", "make", "--out", str(tmp_path / "b.battery"), "--id", "spring", *seeds]
    with pytest.raises(UsageError, match="practice set"):
        CliRunner().invoke(main.app, [*ask, "--set", "mbb-judgement"], standalone_mode=False, catch_exceptions=False)
    with pytest.raises(UsageError, match="either"):
        CliRunner().invoke(main.app, ask, standalone_mode=False, catch_exceptions=False)
    CliRunner().invoke(main.app, [*ask, "--set", "mbb-assessment"], standalone_mode=False, catch_exceptions=False)
    assert all(name in (tmp_path / "b.battery").read_text() for name in chosen.cases)
