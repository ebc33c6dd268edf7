"""The TFESI rubric, the passing rule, and what a wrong rubric file says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scoring.rubric import Rubric, assessment_blockers, parse_rubric, read_rubric, set_aside
from scoring.score import canonical, score
from sim.errors import DataError
from sim.event import event
from tests.make_events import Attempt, expert, ready

FILE = Path(__file__).parents[1] / "scenarios" / "tfesi" / "rubric.toml"
RUBRIC = read_rubric(FILE)


def allergic() -> Attempt:
    """Return an attempt up to the contrast on a patient who must not be given any."""
    attempt = ready()
    attempt.events.insert(1, event(0, "charted", finding="allergy", must="avoid", what="contrast", says="Shock after iohexol."))
    return attempt


CARELESS = {
    "wrong-level": lambda: ready(level="L3", distance_um=36_000).contrast().views().steroid().end(),
    "wrong-side": lambda: ready(side="left", distance_um=40_000).contrast().views().steroid().end(),
    "no-contrast": lambda: ready().views().steroid().end(),
    "ignores-vascular": lambda: ready().contrast("vascular").views().steroid(pattern="vascular").end(),
    "too-deep": lambda: (
        ready().move(in_canal_um=3000, off_dorsal_um=-5000, tissue="epidural_fat").contrast().views().steroid().end()
    ),
    "intrathecal-injection": lambda: ready().contrast().views().steroid(pattern="intrathecal").end(),
    "particulate-steroid": lambda: ready().contrast().views().steroid(particulate=True).end(),
    "no-lateral-ap-pair": lambda: Attempt().prepare().count().place().move().aspirate().contrast().steroid().end(),
    "forbidden-agent": lambda: allergic().contrast().views().steroid().end(),
    "no-timeout": lambda: (
        Attempt().prepare(skip=["timeout"]).count().place().drive().aspirate().contrast().views().steroid().end()
    ),
}


def result(attempt: Attempt, rubric: Rubric = RUBRIC):
    return score(attempt.events, attempt.commands, rubric)


def changed(old: str, new: str) -> Rubric:
    text = FILE.read_text()
    assert old in text
    return parse_rubric(text.replace(old, new, 1).encode(), "changed.toml")


def test_expert_passes_with_every_step() -> None:
    got = result(expert()).public()
    assert got["passed"]
    assert got["critical_errors"] == []
    assert [name for name, row in got["checklist"].items() if not row["done"]] == []
    assert got["checklist"]["repositioned"]["applicable"] is False
    assert got["tip_error_mm"] == 1.4
    assert (got["exposures"], got["fluoro_s"], got["dap_gy_m2"]) == (8, 3.91, 4.4e-5)


def test_drug_in_the_disc_misses_its_step_and_gates_nothing() -> None:
    got = result(ready().contrast().views().steroid(pattern="intradiscal").end())
    assert got.critical_errors == []
    assert not got.public()["checklist"]["drug-out-of-disc"]["done"]


def test_a_critical_error_without_a_read_source_blocks_an_assessment() -> None:
    (reason,) = assessment_blockers(changed('status = "proposed"\nverified = true', 'status = "proposed"\nverified = false'))
    assert "nobody has read" in reason


@pytest.mark.parametrize("error", CARELESS)
def test_each_critical_error_by_its_name_and_alone(error: str) -> None:
    got = result(CARELESS[error]())
    assert got.critical_errors == [error]
    assert not got.passed
    finding = next(f for f in got.critical if f.id == error)
    assert finding.tick > 0
    assert finding.why.endswith(".")


def test_the_rubric_has_these_critical_errors_and_no_other() -> None:
    assert {item.id for item in RUBRIC.critical} == set(CARELESS)
    assert all(item.status == "proposed" for item in RUBRIC.critical), "until a clinical board has confirmed them"


@pytest.mark.parametrize(
    "attempt",
    [
        Attempt(),
        Attempt().do("finish").tell("finished"),
        ready().contrast().views(),
        ready().contrast().views().steroid(pattern="intramuscular").end(),
        ready(level="", side="").contrast().views().steroid().end(),
        ready().contrast().views().steroid().do("needle.remove").tell("needle_removed", passes=1),
    ],
    ids=["empty", "gave up", "no steroid", "steroid in muscle", "far away", "not finished"],
)
def test_without_a_critical_error_an_attempt_may_still_not_pass(attempt: Attempt) -> None:
    got = result(attempt)
    assert got.critical_errors == []
    assert not got.passed


def test_reposition_after_a_vascular_pattern_passes() -> None:
    attempt = ready().contrast("epidural+vascular").move(-4000).aspirate().contrast().views().steroid().end()
    got = result(attempt).public()
    assert got["passed"]
    assert got["checklist"]["repositioned"] == {**got["checklist"]["repositioned"], "done": True, "applicable": True}


def test_no_critical_error_and_no_passing_rule_rests_on_an_unverified_number() -> None:
    assert assessment_blockers(RUBRIC) == []
    assert set_aside(RUBRIC) == ["endplate-squared", "tip-in-zone", "complication-answered"]
    points, sure = result(expert()).points(), result(expert()).points(verified_only=True)
    assert points[1] - sure[1] == 4


def test_an_unverified_number_that_gates_blocks_the_assessment() -> None:
    gate = '{ metric = "finished", rule = "is_true" },'
    blocked = changed(gate, gate + '\n  { metric = "tip_right_um", rule = "within", high = "zone_right" },')
    (reason,) = assessment_blockers(blocked)
    assert "zone_right" in reason
    assert "3 mm" in reason
    assert "placeholder" in reason


def test_a_step_at_its_limit() -> None:
    for degrees, done in ((20.0, True), (30.0, True), (19.9, False), (30.1, False)):
        attempt = Attempt().prepare().count().place(degrees=degrees)
        assert result(attempt).public()["checklist"]["oblique-view"]["done"] is done


def test_efficiency_never_fails_anyone() -> None:
    slow = expert()
    for _ in range(60):
        slow.expose("ap", dap_pgy_m2=400_000_000, duration_ms=10_000)
    got = result(slow).public()
    assert got["passed"]
    assert got["efficiency"]["fluoro-time"]["against"] == "above"
    assert got["efficiency"]["exposures"]["against"] == "no norm"
    gate = '{ metric = "finished", rule = "is_true" },'
    with pytest.raises(DataError, match="efficiency"):
        changed(gate, gate + '\n  { metric = "exposures", rule = "above_zero" },')


def test_record_is_whole_and_canonical_and_the_score_repeats() -> None:
    one, two = result(expert()).record(), result(expert()).record()
    assert canonical(one) == canonical(two)
    for plain in re.findall(r"[^\"\w](-?\d+\.\d+)", json.dumps(one)):
        pytest.fail(f"{plain} is not a whole number")
    _no_floats(one)
    assert one["rubric_hash"] == RUBRIC.hash
    assert one["metric_spec"] == RUBRIC.rubric.metric_spec
    other = result(expert(), changed("points = 2", "points = 3")).record()
    assert other["score_hash"] != one["score_hash"]


def _no_floats(node: object) -> None:
    if isinstance(node, dict):
        assert all(isinstance(key, str) and key.isascii() for key in node)
        for value in node.values():
            _no_floats(value)
    elif isinstance(node, list):
        for value in node:
            _no_floats(value)
    else:
        assert isinstance(node, bool | int | str)


def test_every_threshold_has_a_source_and_says_whether_it_was_verified() -> None:
    for name, threshold in RUBRIC.thresholds.items():
        assert threshold.source, name
        assert threshold.verified is (threshold.status == "verified")
    used = {name for _, condition in RUBRIC.conditions() for name in condition.thresholds}
    assert used == set(RUBRIC.thresholds)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('rule = "between", low = "oblique_low"', 'rule = "between", low = "obliqe_low"', "obliqe_low"),
        ('low = "oblique_low", high', "high", "low"),
        ('metric = "treated_wrong_level"', 'metric = "wrong"', "unknown metric 'wrong'"),
        ('high = "square_limit"', 'high = "zone_right"', "zone_right"),
        ('id = "wrong-side"', 'id = "wrong-level"', "stands twice"),
        ('status = "placeholder", verified = false', 'status = "placeholder", verified = true', "verified"),
        ('unit = "deg"', 'unit = "grad"', "grad"),
        ('metric_spec = "scottie-metrics 1"', 'metric_spec = "other"', "other"),
        ("points = 1", "points = 1.5", "1.5"),
        ("points = 1", "points = 1\nhint = 1", "hint"),
        ('rule = "is_true"', 'rule = "above_zero"', "does not fit"),
        ("[rubric]", "[rubric", "not valid TOML"),
    ],
)
def test_a_wrong_rubric_says_what_and_where(old: str, new: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        changed(old, new)
    assert str(error.value).startswith("changed.toml: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_rubric() -> None:
    with pytest.raises(DataError, match=r"nowhere\.toml: cannot be read"):
        read_rubric("nowhere.toml")
