"""Foundation drills: angles and distances against analytic results, the rules of asking and answering, seeds, rubrics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.drilling import ALLOWED, BEAD_WORDS, make_drill
from scenarios.gel import BEAD_MM, HALF_MM, make_gel
from scenarios.operators import operator_names
from scenarios.registry import all_scenarios, find_scenario
from scenarios.schema import DrillTable
from scoring.report import answers_section, is_drill
from scoring.rubric import assessment_blockers, parse_rubric, read_rubric
from sim.command import IDLE, Command
from sim.drill import angle_mdeg, in_the_middle
from sim.errors import DataError
from sim.frames import gantry
from sim.phantom import Tissue
from sim.plan import Drill, DrillItem
from sim.session import advance, begin
from tests.attempts import run_attempt, study_of
from tests.make_phantom import simple_study

DRILLS = [s.id for s in all_scenarios()[0] if s.file.procedure == "drill"]
START = (0, 0, 0, 20_000, 0)


def study_with(*items: DrillItem, kind: str = "square", start=START):
    """Return the small synthetic study with a drill."""
    plain = simple_study()
    return replace(plain, plan=replace(plain.plan, drill=Drill(items, frozenset(ALLOWED[kind]), start)))


def given_to(study, *commands: Command):
    """Return (state, events) after some commands, each followed by a tick of rest."""
    state, opening = begin(study)
    events = list(opening)
    for command in commands:
        for each in (command, IDLE):
            state, new = advance(study, state, each)
            events += new
    return state, events


def of(events, kind):
    return [fact for fact in events if fact.kind == kind]


# --- geometry -------------------------------------------------------------------------------------


@given(a=st.integers(-60_000, 60_000), b=st.integers(-60_000, 60_000))
def test_the_angle_between_two_views_in_one_plane_is_their_difference(a, b):
    assert angle_mdeg(gantry(a, 0).normal, gantry(b, 0).normal) == pytest.approx(abs(a - b), abs=2)


@given(p=st.integers(-90_000, 90_000), s=st.integers(-45_000, 45_000), length=st.floats(0.1, 50.0))
def test_an_angle_knows_no_length_and_is_symmetric(p, s, length):
    one, other = gantry(p, s).normal, np.array([0.0, 1.0, 0.0])
    assert angle_mdeg(one * length, other) == pytest.approx(angle_mdeg(other, one), abs=2)
    assert angle_mdeg(one, -one) == 180_000
    true = np.degrees(np.arccos(np.clip(one @ other, -1, 1))) * 1000
    assert angle_mdeg(one, other) == pytest.approx(true, abs=3)


@pytest.mark.parametrize("tilt", [0, 7_000, -12_500])
def test_a_plate_is_square_when_the_beam_runs_along_it(tilt):
    """A plate whose normal is the picture's `up` is square; tilted on by t it is t from square."""
    study = study_with(DrillItem("square", "p", normal=gantry(0, 5_000).up), start=(0, 5_000 + tilt, 0, 20_000, 0))
    _, events = given_to(study, Command("xray.shot"), Command("drill.answer"))
    (answer,) = of(events, "drill_answered")
    assert answer["unit"] == "mdeg" and answer["error"] == pytest.approx(abs(tilt), abs=2)


@pytest.mark.parametrize(("mode", "lift_mm"), [(0, 0.0), (1, 0.0), (0, 35.0), (2, -20.0)])
def test_an_error_on_the_picture_counts_at_the_place_itself(mode, lift_mm):
    """A point k mm beside the target on the receptor is k / magnification mm beside it in the patient, whatever the field."""
    at = np.array([6.0, 20.0 + lift_mm, -4.0])
    study = study_with(DrillItem("point", "p", at_mm=at), kind="point")
    carm = study.toolbox.carm
    source_height = 20.0 - carm.sod_mm
    larger = carm.sdd_mm / (at[1] - source_height)
    x, y = -larger * at[0], larger * at[2]  # the picture's right is the patient's right
    for beside_mm in (0.0, 5.0):
        aim = Command("drill.point", (round(1000 * (x + beside_mm * larger)), round(1000 * y)))
        _, events = given_to(study, Command("carm.magnify", (mode,)), Command("xray.shot"), aim)
        (answer,) = of(events, "drill_answered")
        assert answer["error"] / 1000 == pytest.approx(beside_mm, abs=0.02)


def test_the_vertebra_in_the_middle_is_found_by_the_central_ray():
    study = study_with(DrillItem("centre", "p", name="L5"), kind="centre", start=(0, 0, -25_000, 20_000, 20_000))
    state, events = given_to(study, Command("xray.shot"), Command("drill.answer"))
    (answer,) = of(events, "drill_answered")
    assert (answer["given"], answer["wanted"], answer["error"]) == ("L4", "L5", 1)
    assert state.drill.picture is None
    state, _ = given_to(study, Command("xray.shot"))
    assert in_the_middle(study, state.drill.picture) == "L4"


# --- asking and answering -------------------------------------------------------------------------


def test_questions_come_one_after_the_other_and_end():
    items = [DrillItem("choose", f"q{i}", choices=("a", "b"), right=i % 2) for i in range(3)]
    study = study_with(*items, kind="choose")
    choose = Command("drill.choose", (0,))
    state, events = given_to(study, choose, choose, choose, choose)
    assert [fact["number"] for fact in of(events, "drill_asked")] == [1, 2, 3]
    assert [fact["error"] for fact in of(events, "drill_answered")] == [0, 1, 0]
    assert state.drill.answered == 3
    assert "every question is answered" in of(events, "refused")[-1]["why"]


@pytest.mark.parametrize(
    ("item", "kind", "command", "why"),
    [
        (DrillItem("square", "p"), "square", Command("drill.answer"), "picture first"),
        (DrillItem("square", "p"), "square", Command("drill.point", (0, 0)), "does without"),
        (DrillItem("needle", "p"), "needle", Command("drill.answer"), "no needle"),
        (DrillItem("choose", "p", choices=("a", "b"), right=0), "choose", Command("drill.choose", (5,)), "no such choice"),
        (DrillItem("point", "p"), "point", Command("carm.to", (5_000, 0)), "does without"),
        (DrillItem("choose", "p", choices=("a", "b"), right=0), "choose", Command("xray.shot"), "does without"),
    ],
)
def test_what_does_not_belong_is_refused_in_words(item, kind, command, why):
    state, events = given_to(study_with(item, kind=kind), command)
    assert why in of(events, "refused")[0]["why"]
    assert state.drill.answered == 0 and state.carm.pictures == 0


def test_outside_a_drill_nothing_of_it_exists():
    study = simple_study()
    state, events = given_to(study, Command("drill.answer"))
    assert "no drill" in of(events, "refused")[0]["why"]
    assert not of(events, "drill_asked")
    assert state.drill.quantised(1) == b""


def test_a_static_picture_serves_the_whole_set_and_a_view_must_be_taken_anew():
    still = study_with(*(DrillItem("point", "p") for _ in range(2)), kind="point")
    state, _ = given_to(still, Command("xray.shot"), Command("drill.point", (0, 0)), Command("drill.point", (0, 0)))
    assert state.drill.answered == 2
    turning = study_with(*(DrillItem("square", "p") for _ in range(2)))
    state, events = given_to(turning, Command("xray.shot"), Command("drill.answer"), Command("drill.answer"))
    assert state.drill.answered == 1 and "picture first" in of(events, "refused")[0]["why"]


# --- the shipped drills ---------------------------------------------------------------------------


def test_the_block_holds_eight_beads_apart_from_each_other_and_the_walls():
    for seed in range(20):
        block = make_gel(seed)
        assert {bone.name for bone in block.bones} == set(BEAD_WORDS)
        at = np.array([bone.translation_mm for bone in block.bones])
        gaps = [np.linalg.norm(a - b) for i, a in enumerate(at) for b in at[i + 1 :]]
        assert min(gaps) > 4 * BEAD_MM
        assert np.all(np.abs(at) < np.array(HALF_MM) - 10.0)
        assert set(np.unique(block.volume.labels)) == {int(Tissue.MUSCLE)}
        first, second = (block.bones[i].translation_mm for i in (0, 1))
        assert first[0] > second[0] and first[2] > 0  # first from the left of an AP picture, towards the head


def test_another_seed_asks_otherwise_and_the_same_seed_the_same():
    plain = study_of("drill-steer", 1)
    table = find_scenario("drill-steer").file.drill
    prompts = {tuple(item.prompt for item in make_drill(replace(plain, seed=seed), table).items) for seed in range(8)}
    assert len(prompts) > 5
    assert prompts == {tuple(item.prompt for item in make_drill(replace(plain, seed=s), table).items) for s in range(8)}


def test_pairs_of_settings_differ_by_a_sixth_and_the_right_one_gives_less():
    study = study_of("drill-dose", 1)
    items = make_drill(study, DrillTable(kind="choose", questions=8)).items
    assert {item.right for item in items} == {0, 1}
    assert all(item.choices[0] != item.choices[1] and item.choices[item.right] in item.prompt for item in items)
    alone = [i for i in items if i.choices[0].split(", ")[:-1] == i.choices[1].split(", ")[:-1]]
    for item in alone:  # only the pulse rate differs: the slower one is right
        rates = [float(c.split(", ")[-1].split()[0]) for c in item.choices]
        assert rates[item.right] == min(rates)


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_is_for_practice_only_and_has_its_operators(name):
    scenario = find_scenario(name)
    rubric = read_rubric(scenario.rubric_path)
    assert rubric.critical == [] and rubric.rubric.practice_only
    assert "practice only" in assessment_blockers(rubric)[0]
    assert {"expert", "first-look", "novice-1", "novice-4"} <= set(operator_names(scenario))
    assert scenario.file.drill.questions <= 8


@pytest.mark.parametrize("name", ["drill-square", "drill-tunnel", "drill-project", "drill-count", "drill-dose", "drill-steer"])
def test_the_expert_does_it_all_within_three_minutes_and_who_does_not_look_fails(name):
    expert = run_attempt(name, "expert", 1)
    assert expert.score.passed
    assert all(row.done for row in expert.score.checklist)
    assert expert.state.tick < 3 * 60 * 100
    assert is_drill(expert.events)
    assert len(answers_section(expert.events).blocks[0].rows) == find_scenario(name).file.drill.questions
    hasty = run_attempt(name, "first-look", 1)
    assert not hasty.score.passed and hasty.score.critical_errors == []


def test_a_beginner_is_further_off_than_the_expert():
    for name, metric in (
        ("drill-square", "drill_mean_mdeg"),
        ("drill-project", "drill_mean_um"),
        ("drill-steer", "drill_mean_um"),
    ):
        off = [run_attempt(name, who, 1).score.measures[metric].value for who in ("novice-1", "expert")]
        assert off[0] > 2 * off[1]


def test_only_a_practice_rubric_may_lack_critical_errors():
    data = find_scenario("drill-square").rubric_path.read_bytes()
    with pytest.raises(DataError, match="practice_only"):
        parse_rubric(data.replace(b"practice_only = true\n", b""), "x")


@pytest.mark.parametrize(("old", "new"), [('procedure = "drill"', 'procedure = "mbb"'), ("questions = 4", "questions = 9")])
def test_a_wrong_drill_file_is_one_line(tmp_path, old, new):
    from scenarios.registry import load_scenario

    source = find_scenario("drill-square")
    for file in (source.rubric_path, source.brief_path):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "square.toml"
    path.write_text(source.path.read_text().replace(old, new))
    with pytest.raises(DataError, match=r"square\.toml"):
        load_scenario(path)
