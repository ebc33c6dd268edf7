"""Metrics of radiofrequency over attempts that the core itself ran."""

from __future__ import annotations

import pytest

from scoring.metrics import REGISTRY, Settings, measure
from sim.command import Command
from sim.session import begin
from tests.make_rf import go_in, play, rf_study

NO_WORDS = Settings(frozenset(), frozenset(), frozenset(), frozenset())


def measured(commands, depth_mm=35.0, place=None):
    study = rf_study()
    approach = go_in(study, depth_mm)
    if place:
        approach[1] = place
    given: list[tuple[int, Command]] = []
    told = play(study, [*approach, *commands], given=given)[1]
    return {name: m.value for name, m in measure(NO_WORDS, given, [*begin(study)[1], *told]).items()}, told


LESION = Command("rf.lesion", (80_000, 60_000))


def test_a_lesion_beside_the_planned_branch():
    got, told = measured([Command("rf.stimulate", (50, 500)), Command("rf.stimulate", (2, 2000)), LESION])
    hit = next(e for e in told if e.kind == "nerve_lesioned")
    assert got["nerve_lesion_um"] == hit["total_um"] > 5000
    assert got["nerve_lesion_whole_um"] == hit["whole_um"]
    assert got["nerve_lesion_small_um"] == hit["small_um"]
    assert got["nerve_angle_mdeg"] < 3000
    assert got["sensory_tested"] is True
    assert got["motor_tested_clear"] is True
    assert (got["lesions_made"], got["leg_nerves_lesioned"], got["sac_lesions"]) == (1, 0, 0)


def test_no_lesion_nothing_to_measure():
    got, _ = measured([Command("rf.stimulate", (50, 500))])
    assert all(got[name] is None for name, row in REGISTRY.items() if row.step.__module__ == "scoring.metrics.lesion")


@pytest.mark.parametrize("tests", [[], [Command("rf.stimulate", (50, 500)), Command("needle.move", (1_000, 5_000))]])
def test_stimulation_counts_only_where_the_lesion_is_made(tests):
    got, _ = measured([*tests, LESION])
    assert got["sensory_tested"] is False
    assert got["motor_tested_clear"] is False


def test_heating_in_spite_of_a_moving_leg():
    got, _ = measured([Command("rf.stimulate", (2, 10_000)), LESION], 54.0)
    assert got["motor_tested_clear"] is False


def test_other_structures():
    got, _ = measured([LESION], 55.0, Command("needle.place", (-9_000, 19_000, 0, 0)))
    assert got["leg_nerves_lesioned"] == 1
    assert got["nerve_lesion_um"] == 0
    got, _ = measured([LESION], 51.9, Command("needle.place", (0, 0, 0, 0)))
    assert got["sac_lesions"] == 1
