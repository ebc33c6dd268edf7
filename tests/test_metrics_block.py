"""Blocks of several nerves: goals beside the main one, nerves wetted, volumes, and the rubric of the medial branch block."""

from __future__ import annotations

from pathlib import Path

import pytest

from scoring.metrics import Settings, measure
from scoring.rubric import assessment_blockers, read_rubric
from scoring.score import score
from sim.event import event
from tests.make_events import Attempt

RUBRIC = read_rubric(Path(__file__).parents[1] / "scenarios" / "mbb" / "rubric.toml")
SETTINGS = Settings(
    therapeutic=frozenset(("local_anaesthetic",)),
    drugs=frozenset(("steroid", "local_anaesthetic")),
    canal_tissues=frozenset(("epidural_fat", "csf")),
    counting_landmarks=frozenset(("sacrum",)),
)
NERVES = ("L3", "L4")


class Block(Attempt):
    """An attempt at the medial branches L3 and L4 on the right."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.events = [
            event(0, "began", scenario="test", level="L3", side="right", approach="medial_branch"),
            event(0, "planned", level="L4", side="right"),
        ]

    def nerve(
        self, level: str, volume_ul: int = 400, side: str = "right", wets: tuple[str, ...] | None = None, **changes
    ) -> Block:
        self.tip.update(level=level, side=side, in_canal_um=-6000, tissue="muscle")
        self.place().aspirate()
        fluid = {"pattern": "intramuscular", "levels": [], "muscle_ul": volume_ul, **changes}
        self.inject("iohexol 240", "contrast", 100, "intramuscular", live_ul=100, levels=[], muscle_ul=100)
        self.expose("ap", needle_in_field=True).expose("lateral", needle_in_field=True)
        self.inject("lidocaine 2 %", "local_anaesthetic", volume_ul, **fluid)
        touched = [f"medial_branch_{level}_{side}"] if wets is None else list(wets)
        if touched:
            self.tell("branches_wetted", agent="lidocaine 2 %", kind="local_anaesthetic", volume_ul=volume_ul, branches=touched)
        self.do("needle.remove").tell("needle_removed", passes=1)
        return self

    def done(self) -> Block:
        self.do("finish").tell("finished")
        return self


def start() -> Block:
    block = Block(level="L3")
    block.prepare().count()
    return block


def values(attempt: Attempt) -> dict[str, object]:
    return {name: m.value for name, m in measure(SETTINGS, attempt.commands, attempt.events).items()}


def errors(attempt: Attempt) -> tuple[list[str], bool]:
    got = score(attempt.events, attempt.commands, RUBRIC).public()
    return got["critical_errors"], got["passed"]


def both(**changes) -> Block:
    return start().nerve("L3", **changes).nerve("L4", **changes).done()


def test_both_nerves_blocked_pass() -> None:
    got = values(both())
    assert (got["branches_missed"], got["branches_unplanned"], got["block_ul"], got["unspecific_blocks"]) == (0, 0, 400, 0)
    assert (got["treated_wrong_level"], got["treated_wrong_side"], got["drug_ul"]) == (0, 0, 800)
    assert errors(both()) == ([], True)


def test_one_nerve_left_out_fails_without_a_critical_error() -> None:
    one = start().nerve("L3").done()
    assert values(one)["branches_missed"] == 1
    assert errors(one) == ([], False)


def test_a_needle_beside_the_nerve_has_not_blocked_it() -> None:
    missed = start().nerve("L3", wets=()).nerve("L4").done()
    assert values(missed)["branches_missed"] == 1


def test_contrast_blocks_nothing() -> None:
    block = start()
    block.tell("branches_wetted", agent="iohexol 240", kind="contrast", volume_ul=100, branches=["medial_branch_L3_right"])
    assert values(block)["branches_missed"] == 2


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (lambda: start().nerve("L2").nerve("L3").nerve("L4").done(), "wrong-level"),
        (lambda: start().nerve("L3", side="left").nerve("L4").done(), "wrong-side"),
        (lambda: both(volume_ul=501), "over-volume"),
        (lambda: start().nerve("L3", 300).nerve("L3", 300).nerve("L4").done(), "over-volume"),
        (lambda: both(pattern="foraminal"), "unspecific-block"),
        (lambda: both(levels=["root_L3_right"]), "unspecific-block"),
        (lambda: both(pattern="intrathecal", intrathecal_ul=400), "intrathecal-injection"),
    ],
)
def test_each_critical_error_alone(attempt, error: str) -> None:
    found, passed = errors(attempt())
    assert found == [error]
    assert not passed


def test_half_a_millilitre_is_not_too_much() -> None:
    assert errors(both(volume_ul=500)) == ([], True)


def test_a_stray_nerve_costs_a_step_and_gates_nothing() -> None:
    stray = both(wets=("medial_branch_L3_right", "medial_branch_L4_right", "medial_branch_L5_right"))
    assert values(stray)["branches_unplanned"] == 1
    assert errors(stray) == ([], True)
    assert not score(stray.events, stray.commands, RUBRIC).public()["checklist"]["only-planned"]["done"]


def test_the_rubric_may_gate_an_assessment() -> None:
    assert assessment_blockers(RUBRIC) == []
    limit = RUBRIC.thresholds["volume_limit"]
    assert limit.verified
    unread = RUBRIC.model_copy(
        update={
            "thresholds": {
                **RUBRIC.thresholds,
                "volume_limit": limit.model_copy(update={"verified": False, "status": "recalled"}),
            }
        }
    )
    assert assessment_blockers(unread)
