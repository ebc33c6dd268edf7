"""Every published or computed number of tests/data/oracles.toml about statistics, reproduced."""

import csv
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from scoring.statistics import action, agreement, chance, cusum, decision, fairness, generalizability, lc_cusum, standards
from scoring.statistics import risk_adjusted as ra

DATA = Path(__file__).parent / "data"
ORACLES = tomllib.loads((DATA / "oracles.toml").read_text())
LIMITS = list(csv.DictReader((DATA / "lc_cusum_limits.csv").read_text().splitlines()))


def test_every_oracle_names_its_kind():
    for name, part in ORACLES.items():
        parts = part.values() if name == "g_theory" else [part]
        for one in parts:
            assert one["kind"].startswith(("published", "computed", "recalled", "RFC", "Perk Tutor")), name


@pytest.mark.parametrize("case", ORACLES["cusum_formula"]["cases"], ids=str)
def test_cusum_formula(case):
    design = cusum.cusum_design(case["p0"], case["p1"], case["alpha"], case["beta"])
    assert [round(v, 4) for v in (design.s, design.h0, design.h1)] == [case["s"], case["h0"], case["h1"]]


@pytest.mark.parametrize("row", ORACLES["llr_risk_adjusted"]["rows"], ids=str)
def test_steiner_weights(row):
    risk = ra.logistic_risk(*ORACLES["llr_risk_adjusted"]["coef"], row["x"])
    assert round(ra.steiner_weight(bool(row["y"]), risk, row["RA"]), 3) == row["w"]


def test_r_package_cusum_within_simulation_error():
    # printed values come from R's own random numbers; ours agree by simulation, and the exact chance says how well
    assert ra.simulated_limit([0.05], 2, 0.05, 10_000, 1, n=100) == pytest.approx(2.85, abs=0.1)
    assert ra.simulated_limit([0.05], 0.5, 0.05, 10_000, 1, n=100) == pytest.approx(-1.85, abs=0.05)
    assert ra.simulated_alpha([0.05], 2, 2.96, 10_000, 1, n=100) == pytest.approx(0.038, abs=0.006)
    exact = ra.exact_alpha(0.05, 100, 2, 2.96)
    assert exact == pytest.approx(0.038, abs=0.0015)
    assert ra.markov_alpha([0.05], 2, 2.96, n=100, cells=4000) == pytest.approx(exact, abs=0.001)
    assert ra.exact_alpha(0.05, 100, 2, abs(ra.exact_limit(0.05, 100, 2, 0.05))) <= 0.05


@pytest.mark.parametrize("case", ORACLES["lc_cusum"]["cases"], ids=str)
def test_lc_cusum_signal(case):
    assert round(lc_cusum.signal_probability(case["p0"], case["p1"], case["h"], case["n"], case["p"]), 4) == case["signal"]


@pytest.mark.parametrize("row", LIMITS, ids=lambda r: "/".join(list(r.values())[:4]))
def test_lc_cusum_design_exactly(row):
    design = lc_cusum.lc_cusum_design(
        float(row["p0_adequate"]), float(row["p1_inadequate"]), int(row["n_horizon"]), float(row["alpha_false_competent"])
    )
    assert round(design.h, 3) == float(row["h"])
    assert design.straight == int(row["min_consecutive_successes"])
    assert round(design.false_signal, 4) == float(row["achieved_alpha"])
    assert round(design.power, 4) == float(row["power_true_competent"])


def test_all_24_designs_are_there():
    assert len(LIMITS) == 24


def test_brennan_set_1():
    oracle, data = ORACLES["g_theory"]["brennan1_pxi"], ORACLES["g_theory_data"]["set1"]
    study = generalizability.g_study(data, "pxi")
    for effect in ("p", "i", "pi"):
        assert round(study.components[effect], 4) == oracle[f"var_{effect}"]
    worth = decision.d_study(study)
    assert [round(worth.erho2, 3), round(worth.phi, 3)] == [oracle["Erho2_12"], oracle["Phi_12"]]
    for row in oracle["d_study"]:
        worth = decision.d_study(study, {"i": row["n"]})
        assert [worth.erho2, worth.phi] == pytest.approx([row["Erho2"], row["Phi"]], abs=0.0015)
    assert round(agreement.cronbach_alpha(data).value, 4) == oracle["cronbach_alpha"]
    assert generalizability.henderson_pxi(data).raw == pytest.approx(study.raw)


def test_brennan_set_3_three_facets_crossed():
    data = ORACLES["g_theory_data"]
    study = generalizability.g_study(np.array(data["set3"]).reshape(2, 4, 10).transpose(2, 1, 0), "pxixo")
    assert {k: round(v, 4) for k, v in study.components.items()} == data["set3_components"]
    for effect, value in data["set3_mean_squares"].items():
        assert round(study.mean_squares[effect], 4) == value
    worth = decision.d_study(study)
    assert [round(worth.erho2, 2), round(worth.phi, 2)] == [data["set3_Erho2"], data["set3_Phi"]]


def test_brennan_set_4_nested():
    data = ORACLES["g_theory_data"]
    study = generalizability.g_study(np.array(data["set4"]).reshape(3, 4, 10).transpose(2, 0, 1), "pxi:o")
    assert {k: round(v, 4) for k, v in study.components.items()} == data["set4_components"]
    worth = decision.d_study(study)
    assert [round(worth.erho2, 2), round(worth.phi, 2)] == [data["set4_Erho2"], data["set4_Phi"]]


def test_phi_lambda_by_the_closed_form_of_brennan_and_kane():
    data = np.array(ORACLES["g_theory_data"]["set1"], float)
    study, k, persons = generalizability.g_study(data), 12, data.mean(1)
    for cut in (0.3, 0.5, study.mean, 0.8):
        d2 = (study.mean - cut) ** 2
        closed = 1 - (study.mean * (1 - study.mean) - persons.var()) / (k - 1) / (d2 + persons.var())
        assert decision.phi_lambda(study, cut) == pytest.approx(closed, abs=1e-12)
    totals = data.sum(1)
    kr21 = k / (k - 1) * (1 - totals.mean() * (k - totals.mean()) / (k * totals.var()))
    assert decision.phi_lambda(study, study.mean) == pytest.approx(kr21, abs=1e-12)


@pytest.mark.parametrize("case", ORACLES["contrasting_groups"]["cases"], ids=str)
def test_contrasting_groups_intersection(case):
    cut = standards.normal_intersection(case["m0"], case["s0"], case["m1"], case["s1"])
    assert round(cut, 4) == case["cut"]
    false = standards.theoretical_rates(case["m0"], case["s0"], case["m1"], case["s1"], cut)
    assert [round(v, 4) for v in false] == [case["FP"], case["FN"]]


@pytest.mark.parametrize("case", ORACLES["contrasting_groups"]["bootstrap_cut_sd"], ids=str)
def test_contrasting_groups_spread_of_the_cut(case):
    draw, cuts = np.random.Generator(np.random.Philox(5)), []
    for _ in range(4000):
        a, b = draw.normal(50, 12, case["novices"]), draw.normal(80, 6, case["experts"])
        cuts.append(standards.normal_intersection(a.mean(), a.std(ddof=1), b.mean(), b.std(ddof=1)))
    assert np.std(cuts) == pytest.approx(case["sd"], abs=0.15)


@pytest.mark.parametrize("case", ORACLES["best_of_n"]["cases"], ids=str)
def test_best_of_n(case):
    assert round(chance.best_of(case["p"], case["n"]), 3) == case["any_pass"]


def test_zero_failure_rule_and_clopper_pearson():
    for case in ORACLES["zero_failure"]["cases"]:
        assert chance.straight_successes(case["p"]) == case["n"]
    for case in ORACLES["zero_failure"]["clopper_pearson_upper95_one_sided"]:
        assert round(chance.upper_bound(case["failures"], case["n"]), 4) == case["upper"]


@pytest.mark.parametrize("case", ORACLES["decision_consistency"]["cases"], ids=str)
def test_decision_consistency(case):
    agree, kappa = agreement.decision_agreement(case["rel"], case["z"])
    assert [round(agree, 3), round(kappa, 3)] == [case["agree"], case["kappa"]]


@pytest.mark.parametrize("case", ORACLES["spearman_brown"]["cases"], ids=str)
def test_performances_needed(case):
    n = chance.performances_needed(case["v"], case["target"])
    assert n == case["n"]
    assert chance.spearman_brown(case["v"], n) >= case["target"]


def test_hofstee():
    oracle = ORACLES["hofstee"]
    found = standards.hofstee(oracle["scores"], **oracle["limits"])
    assert found.meets and 60 <= found.cut <= 60.001
    assert found.fail_percent == oracle["result"]["fail_percent"]


def test_action_constants():
    oracle = ORACLES["action_metrics"]
    assert oracle["translational_action_mm_s"] == action.TRANSLATION_MM_S
    assert oracle["rotational_action_deg_s"] == action.ROTATION_DEG_S
    assert oracle["action_min_duration_s"] == action.LEAST_S


@pytest.mark.parametrize("form", agreement.ICC_FORMS)
def test_icc_of_shrout_and_fleiss(form):
    assert (
        round(agreement.icc(ORACLES["icc_shrout_fleiss"]["ratings"], form).value, 2) == ORACLES["icc_shrout_fleiss"]["icc"][form]
    )


def test_kappa():
    oracle = ORACLES["kappa"]
    for weights in ("none", "linear"):
        found = agreement.cohen_kappa(oracle["table"], weights)
        assert [found.value, (found.high - found.low) / 2 / 1.959964, found.low, found.high] == pytest.approx(
            oracle[weights], abs=6e-5
        )
    for case in oracle["cases"]:
        assert round(agreement.cohen_kappa(case["table"]).value, 4) == case["kappa"]
    assert round(agreement.fleiss_kappa(ORACLES["fleiss_kappa"]["table"]).value, 3) == ORACLES["fleiss_kappa"]["kappa"]


def test_alpha_interval():
    oracle = ORACLES["alpha_interval"]
    found = agreement.feldt_interval(oracle["alpha"], oracle["persons"], oracle["items"])
    assert [found.low, found.high] == pytest.approx([oracle["low"], oracle["high"]], abs=5e-8)


def test_mantel_haenszel():
    oracle = ORACLES["mantel_haenszel"]
    found = fairness.mantel_haenszel(oracle["strata"])
    assert [found.odds_ratio.value, found.odds_ratio.low, found.odds_ratio.high, found.chi2] == pytest.approx(
        [oracle["odds_ratio"], oracle["low"], oracle["high"], oracle["chi2"]], abs=1e-6
    )
    assert round(found.p, 5) == oracle["p"]
    assert found.delta == pytest.approx(-2.35 * math.log(7)) and found.size == "large"


def test_intervals_for_rates():
    oracle = ORACLES["newcombe"]
    found = fairness.rate_gap(oracle["k1"], oracle["n1"], oracle["k2"], oracle["n2"])
    assert [round(found.low, 4), round(found.high, 4)] == [oracle["low"], oracle["high"]]
    oracle = ORACLES["wilson"]
    found = chance.wilson(oracle["k"], oracle["n"])
    assert [round(found.low, 4), round(found.high, 4)] == [oracle["low"], oracle["high"]]
