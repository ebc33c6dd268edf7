"""One suite over every registered scenario: loads, sources present, deterministic, expert passes, careless fail."""

from __future__ import annotations

import tomllib

import pytest

from scenarios.operators import FAULTS, faults_of, find_operator, operator_names
from scenarios.operators.skill import Hands, skill_of
from scenarios.registry import all_scenarios, find_scenario
from scoring.rubric import read_rubric
from sim.errors import UsageError
from sim.session import advance, begin
from tests.attempts import run_attempt, study_of

SCENARIOS = [s.id for s in all_scenarios()[0]]
SAMPLE = [
    "tfesi-l2l3-left",
    "tfesi-l4l5-right",
    "tfesi-l4l5-right-vascular",
    "tfesi-l5s1-right",
    "tfesi-l4l5-right-2",
    "mbb-l4l5-right",
    "mbb-l4l5-right-2",
    "vp-l3-right-haemangioma",
    "vp-l3-right-2",
    "drill-square",
]
"""Run by default. Of the others the slow tests run a drawn few, scripts/sweep.py all."""
APPROACHES = ["tfesi-l4l5-left-infraneural", "tfesi-s1-left"]
DRAWN = [
    *APPROACHES,
    "tfesi-l3l4-right-2",
    "mbb-l4l5-left-2",
    "tfesi-l3l4-left-scoliosis",
    "tfesi-l4l5-right-listhesis",
    "tfesi-l5s1-left",
    "mbb-l5s1-left",
    "mbb-l4s1-right",
]
MAIN = [
    "tfesi-l4l5-right",
    "tfesi-l4l5-right-vascular",
    "tfesi-l4l5-right-2",
    "mbb-l4l5-right",
    "mbb-l4l5-right-2",
    "vp-l3-right-2",
    "drill-square",
]
"""One case of each kind: here every careless operator must show its fault."""
BODY = "vp-l3-right-haemangioma"
"""A body to be filled, of the same patient as mbb-l4l5-right: it costs no patient of its own."""
CARELESS = [(scenario, operator) for scenario in MAIN for operator in faults_of(find_scenario(scenario))]
FILLING = [(BODY, operator) for operator in faults_of(find_scenario(BODY))]
ALL_SEEDS = range(1, 5)
"""A drawn sample: every seed is a patient to bake. scripts/sweep.py runs twenty."""


def test_every_scenario_file_loads():
    good, errors = all_scenarios()
    assert errors == []
    assert {"tfesi-l4l5-right", "tfesi-l4l5-right-vascular"} <= {s.id for s in good}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_number_has_a_source_and_a_status(scenario):
    found = find_scenario(scenario)
    tables = tomllib.loads(found.path.read_text()) | tomllib.loads(found.rubric_path.read_text())
    quantities = list(_quantities(tables))
    assert quantities, "a rubric without a single sourced number is not a rubric"
    for quantity in quantities:
        assert quantity["source"].strip()
        assert quantity["status"] in {"verified", "recalled", "computed", "measured", "placeholder"}


def _quantities(node):
    if isinstance(node, dict):
        if {"value", "unit"} <= set(node):
            yield node
        for child in node.values():
            yield from _quantities(child)
    elif isinstance(node, list):
        for child in node:
            yield from _quantities(child)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_expert_and_each_careless_operator_exist(scenario):
    known = set(operator_names(find_scenario(scenario)))
    assert {"expert", "novice-1", *faults_of(find_scenario(scenario))} <= known


@pytest.mark.parametrize("procedure", sorted(FAULTS))
def test_every_critical_error_has_an_operator_who_makes_it(procedure):
    rubrics = {s.rubric_path for s in all_scenarios()[0] if s.file.procedure == procedure}
    errors = {item.id for path in rubrics for item in read_rubric(path).critical}
    assert errors == set(FAULTS[procedure].values()) - {""}


@pytest.mark.parametrize("scenario", SAMPLE[1:3])
def test_same_commands_same_attempt(scenario):
    first = run_attempt(scenario, "expert", 1)
    study = study_of(scenario, 1)
    state, opening = begin(study)
    given = dict(first.commands)
    events, digests = list(opening), []
    while not state.procedure.finished:
        state, new = advance(study, state, *([given[state.tick + 1]] if state.tick + 1 in given else []))
        events += new
        if state.tick % 100 == 0:
            digests.append(state.digest())
    assert tuple(digests) == first.digests
    assert tuple(events) == first.events


def expert_passes(scenario: str, seed: int) -> None:
    outcome = run_attempt(scenario, "expert", seed)
    public = outcome.score.public()
    assert public["critical_errors"] == []
    assert public["passed"]
    file = find_scenario(scenario).file
    if file.drill is not None:
        assert public["points"]["reached"] == public["points"]["possible"]
    elif file.postpones:
        assert not [fact for fact in outcome.events if fact.kind == "needle_placed"], "and no needle touches the patient"
    elif not file.vessel.at_target:
        assert public["checklist"]["tip-in-zone"]["done"], f"tip {public['tip_error_mm']} mm from the planned point"
    else:
        entered = [fact["kind"] for fact in outcome.events if fact.kind == "structure_entered"]
        assert {"RADICULAR_ARTERY", "VEIN"} & {kind.upper() for kind in entered}, (
            "a vessel lies at the usual target in every seed"
        )
        blood = [fact for fact in outcome.events if fact.kind == "aspirated" and fact["result"] == "blood"]
        runs = [fact["pattern"] for fact in outcome.events if fact.kind == "injection_stopped"]
        assert blood or "vascular" in runs[0], "it shows by blood or by the contrast that runs off"
        assert len([fact for fact in outcome.events if fact.kind == "needle_placed"]) == 2, "and the expert repositions"


def careless_fails(scenario: str, operator: str, seed: int) -> None:
    public = run_attempt(scenario, operator, seed).score.public()
    fault = faults_of(find_scenario(scenario))[operator]
    assert fault in public["critical_errors"] if fault else public["critical_errors"] == []
    assert not public["passed"]


@pytest.mark.parametrize("scenario", SAMPLE)
def test_expert_passes(scenario):
    expert_passes(scenario, 2)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", DRAWN)
def test_expert_passes_and_each_careless_operator_fails_on_other_cases(scenario):
    expert_passes(scenario, 2)
    for operator in faults_of(find_scenario(scenario)):
        careless_fails(scenario, operator, 2)


def test_hands_of_the_expert_are_steady_and_a_beginners_are_not():
    steady = Hands.of(1.0, "s", 1, "expert")
    assert not any(steady.slips("consent") or steady.error("seen_mm") for _ in range(50))
    shaky = Hands.of(0.0, "s", 1, "novice-1")
    assert 8 <= sum(shaky.slips("consent") for _ in range(40)) <= 26  # 0.4 of 40, +-3 SD
    assert Hands.of(0.0, "s", 1, "a").error("seen_mm") == Hands.of(0.0, "s", 1, "a").error("seen_mm")
    assert Hands.of(0.0, "s", 1, "a").error("seen_mm") != Hands.of(0.0, "s", 2, "a").error("seen_mm")


@pytest.mark.parametrize(("name", "skill"), [("novice-1", 0.0), ("novice-4", 0.75), ("trainee-100-b2", 1.0)])
def test_a_graded_operator_is_known_by_its_name(name, skill):
    assert skill_of(name) == skill
    assert callable(find_operator(find_scenario("tfesi-l4l5-right"), name))


@pytest.mark.parametrize("name", ["trainee-101", "trainee-", "novice-5", "trainee-3-A", "expert "])
def test_an_unknown_operator_is_named(name):
    with pytest.raises(UsageError, match="operator"):
        find_operator(find_scenario("tfesi-l4l5-right"), name)


def test_skill_shows_in_the_score():
    """Mean share of checklist steps done over ten attempts rises with every step of the family."""
    means = []
    for operator in ("novice-1", "novice-3", "expert"):
        done = []
        for scenario in ("tfesi-l4l5-right", "tfesi-l4l5-right-vascular"):
            steps = run_attempt(scenario, operator, 2).score.public()["checklist"].values()
            done.append(sum(step["done"] for step in steps) / len(steps))
        means.append(sum(done) / len(done))
    assert means == sorted(means)
    assert means[-1] - means[0] > 0.1


@pytest.mark.parametrize(("scenario", "operator"), CARELESS + FILLING)
def test_careless_operator_fails_for_its_own_reason(scenario, operator):
    careless_fails(scenario, operator, 2)


@pytest.mark.slow
def test_vertebroplasty_beside_the_pedicle_of_a_broken_body():
    """One patient of its own: a wedge fracture of T12, from beside the pedicle, and who does not stop."""
    expert_passes("vp-t12-left-parapedicular", 1)
    for operator in ("wrong-level", "into-root", "ignores-stop"):
        careless_fails("vp-t12-left-parapedicular", operator, 1)


@pytest.mark.slow
def test_a_body_whose_pedicle_is_gone_is_entered_from_beside_it_where_the_bone_is_steep():
    """The wall is flat but for one bump: a needle that aims at the bump slides off and ends far beside the body."""
    expert_passes("vp-l3-right-metastasis-parapedicular", 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ALL_SEEDS)
@pytest.mark.parametrize("scenario", MAIN)
def test_expert_passes_every_seed(scenario, seed):
    expert_passes(scenario, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ALL_SEEDS)
@pytest.mark.parametrize(("scenario", "operator"), CARELESS)
def test_careless_operator_fails_every_seed(scenario, operator, seed):
    careless_fails(scenario, operator, seed)
