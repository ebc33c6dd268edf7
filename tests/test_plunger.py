"""Loss of resistance: the closed form, what each tissue gives back, published rates, and what runs in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenarios.toolbox import load_toolbox
from scoring.metrics import Settings, measure
from sim import plunger
from sim.phantom import Tissue
from tests.make_injection import CANAL, CONTRAST, FORAMEN, MUSCLE, SAC, VEIN, needle_at, run_at, study

NO_WORDS = Settings(frozenset(), frozenset(), frozenset(), frozenset())
FLAVUM = (0.0, 13.0, 0.0)


def honest_seed() -> int:
    """Return a patient in whom the plunger neither lies."""
    return next(s for s in range(50) if all(min(plunger._draws(s, level)) > 0.1 for level in ("L4", "")))


SEED = honest_seed()


def result(point, air: int = 0, force: int = 8000, seed: int = SEED) -> str:
    return run_at(point, seed).do("syringe.probe", air, force).last("probed")["result"]


def test_the_needle_resists_as_poiseuille_says():
    where = study()
    tool = where.toolbox.needles[0]
    got = plunger._needle_kpa_s_ul(where, needle_at(where, CANAL), air=False)
    pascal_s_m3 = 128.0 * 1e-3 * tool.length_mm * 1e-3 / (np.pi * (tool.inner_diameter_mm * 1e-3) ** 4)
    assert got == pytest.approx(pascal_s_m3 * 1e-3 * 1e-9, rel=1e-12)  # Pa s/m3 -> kPa s/uL
    air = plunger._needle_kpa_s_ul(where, needle_at(where, CANAL), air=True)
    assert air / got == pytest.approx(0.018, rel=1e-9)


def test_pressure_is_force_over_area_and_air_gives_way_by_boyle():
    told = run_at(FLAVUM, SEED).do("syringe.probe", 1, 8000).last("probed")
    kpa = 8.0 / (np.pi * 7.5**2) * 1000.0
    assert told["pressure_pa"] == pytest.approx(kpa * 1000.0, abs=1.0)
    assert told["gives_permille"] == pytest.approx(1000.0 * kpa / (kpa + 101.325), abs=1.0)
    assert run_at(FLAVUM, SEED).do("syringe.probe", 0, 8000).last("probed")["gives_permille"] == 0


def test_what_the_thumb_feels_in_each_place():
    assert result(FLAVUM) == "resistance" and result(FLAVUM, air=1) == "bounce"
    assert result(MUSCLE) == "resistance"
    for point in (CANAL, FORAMEN, SAC, VEIN):
        assert result(point) == "loss" and result(point, air=1) == "loss"
    assert result(CANAL, force=2_000) == "loss"  # a light thumb is enough in the space
    assert result(CANAL, force=500) == "resistance"  # but not through a bore as thin as this


def test_the_flavum_gives_only_to_a_pressure_in_the_published_range():
    """470-500 mmHg are 11.1-11.8 N on this plunger; 376-461 mmHg begin at 8.9 N."""
    number = load_toolbox().constant
    assert 376 * 0.133322 <= number("plunger.open_flavum_kpa") <= 500 * 0.133322
    assert result(FLAVUM, force=9_500) == "resistance"
    assert run_at(FLAVUM, SEED).do("syringe.probe", 0, 30_000).last("probed")["pressure_pa"] > 57_300


def test_false_losses_and_false_resistance_are_as_frequent_as_published():
    n, where = 500, study()
    way, space = replace(needle_at(where, MUSCLE), tissue=int(Tissue.MUSCLE)), needle_at(where, CANAL)
    lost = sum(plunger.press(replace(where, seed=s), way, "L4", False, 8000).result == "loss" for s in range(n))
    held = sum(plunger.press(replace(where, seed=s), space, "L4", False, 8000).result != "loss" for s in range(n))
    for hits, share in ((lost, 0.082), (held, 0.020)):
        assert abs(hits / n - share) < 1.96 * (share * (1.0 - share) / n) ** 0.5 + 1.0 / n


def test_the_same_place_answers_the_same_again():
    seed = next(s for s in range(200) if plunger._draws(s, "L4")[0] < 0.05)
    where = study(seed)
    needle = replace(needle_at(where, MUSCLE), tissue=int(Tissue.MUSCLE))
    told = {plunger.press(where, needle, "L4", False, 8000) for _ in range(5)}
    assert len(told) == 1 and told.pop().result == "loss"


def test_what_runs_in_stays_in_the_patient_and_is_accounted_for():
    run = run_at(CANAL, SEED).do("syringe.probe", 0, 8000)
    told, me = run.last("probed"), run.spread
    assert told["volume_ul"] > 0 and me.agent == -1
    assert float(me.by_label_ul.sum()) == pytest.approx(told["volume_ul"], abs=1e-9) == me.given_ul
    assert me.front.volume_ul == pytest.approx(told["volume_ul"], abs=1e-9) and me.front.contrast_mg == 0.0
    sac = run_at(SAC, SEED).do("syringe.probe", 0, 8000)
    assert sac.spread.slab.volume_ul == sac.last("probed")["volume_ul"]
    assert run_at(FLAVUM, SEED).do("syringe.probe", 0, 8000).spread.front is None


def test_contrast_follows_saline_through_the_same_opening():
    run = run_at(CANAL, SEED).do("syringe.probe", 0, 8000).inject(CONTRAST, 500)
    assert run.last("injection_stopped")["volume_ul"] == 500
    assert run.spread.front.volume_ul == pytest.approx(500 + run.last("probed")["volume_ul"], abs=1e-9)


@pytest.mark.parametrize("change", [{"placed": False}, {"stylet": True}])
def test_it_needs_an_open_needle(change):
    run = run_at(CANAL)
    run.state = replace(run.state, needle=replace(run.state.needle, **change))
    assert run.do("syringe.probe", 0, 8000).last("refused")["op"] == "syringe.probe"


def test_metrics_tell_a_true_loss_from_a_false_one():
    good = run_at(CANAL, SEED).do("syringe.probe", 0, 8000).events
    bad = run_at(SAC, SEED).do("syringe.probe", 0, 8000).events
    assert measure(NO_WORDS, [], good)["lor_true"].value is True and measure(NO_WORDS, [], bad)["lor_true"].value is False
    assert measure(NO_WORDS, [], run_at(FLAVUM, SEED).do("syringe.probe", 0, 8000).events)["lor_true"].value is None
    assert measure(NO_WORDS, [], good)["lor_probes"].value == 1
