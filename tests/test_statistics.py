"""Statistics: analytic results, invariants, simulations of known truth, and inputs that nobody can answer."""

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.statistics import action, agreement, chance, curves, cusum, decision, fairness, lc_cusum, walk
from scoring.statistics import generalizability as g
from scoring.statistics import risk_adjusted as ra
from sim.errors import ScottieError, UsageError
from sim.rng import stream

RATES = st.tuples(st.integers(1, 45), st.integers(1, 45)).map(lambda v: (v[0] / 100, (v[0] + v[1]) / 100))


def normal(seed):
    return np.random.Generator(np.random.Philox(seed))


# --- the exact walk


@settings(max_examples=30, deadline=None)
@given(RATES, st.integers(1, 9), st.floats(0.2, 3), st.floats(0, 1))
def test_signal_probability_equals_the_sum_over_all_sequences(rates, n, h, p_fail):
    p0, p1 = rates
    up, down = math.log((1 - p0) / (1 - p1)), math.log(p1 / p0)
    total = 0.0
    for sequence in itertools.product((True, False), repeat=n):
        if max(walk.path(sequence, up, down)) >= h:
            total += math.prod((1 - p_fail) if good else p_fail for good in sequence)
    assert lc_cusum.signal_probability(p0, p1, h, n, p_fail) == pytest.approx(total, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(RATES, st.integers(20, 60), st.sampled_from([0.05, 0.1, 0.2]))
def test_a_design_keeps_its_promise(rates, horizon, alpha):
    p0, p1 = rates
    try:
        design = lc_cusum.lc_cusum_design(p0, p1, horizon, alpha)
    except UsageError as error:
        assert "no limit" in str(error)
        return
    assert design.false_signal <= alpha
    assert design.power >= design.false_signal
    lower = float(design.h) - 2e-9  # at the reachable height itself the promise would be broken
    assert lc_cusum.signal_probability(p0, p1, lower, horizon, p1) > alpha


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), max_size=60))
def test_chart_and_limit_never_disagree(results):
    design = lc_cusum.lc_cusum_design(0.1, 0.3, 30)
    state = lc_cusum.lc_cusum(results, design)
    assert all(value >= 0 for value in state.values)
    level, hit = 0.0, None
    for n, good in enumerate(results[:30], 1):
        level = max(0.0, level + (design.up if good else -design.down))
        if hit is None and level >= design.h - 1e-12:
            hit = n
    assert state.signal_at == hit
    if hit is None and len(results) < 30:
        more = lc_cusum.lc_cusum([*results, *[True] * state.straight_left], design)
        assert more.signal_at is not None or len(results) + state.straight_left > 30


def signalled(design, failure_rate, trainees, purpose):
    results = stream(11, purpose).random((trainees, design.horizon)) >= failure_rate
    return np.mean([lc_cusum.lc_cusum(list(row), design).signal_at is not None for row in results])


@pytest.mark.parametrize(("p0", "p1", "horizon"), [(0.1, 0.3, 20), (0.1, 0.3, 30), (0.1, 0.2, 20)])
def test_inadequate_trainees_are_signalled_no_more_often_than_promised(p0, p1, horizon):
    # 8000, so that the luck of the draw (SD 0.002) cannot hide or feign a breach of 0.05 by these designs (0.036 to 0.041)
    design = lc_cusum.lc_cusum_design(p0, p1, horizon)
    false = signalled(design, p1, 8000, f"inadequate {p0}/{p1}/{horizon}")
    assert false <= 0.05 and false == pytest.approx(design.false_signal, abs=0.008)
    assert signalled(design, p0, 2000, f"adequate {p0}/{p1}/{horizon}") == pytest.approx(design.power, abs=0.04)


def test_the_usual_limit_signals_everybody_in_the_end():
    chances = [lc_cusum.signal_probability(0.1, 0.2, 1.25, n, 0.2) for n in (20, 50, 100, 200)]
    assert chances == sorted(chances) and chances[-1] > 0.98


# --- CUSUM


def test_run_length_against_a_case_known_in_full():
    # up 1, down 1, h 2: two rises with no fall between
    p = 0.3  # L0 = 1 + (1-p) L0 + p L1, L1 = 1 + (1-p) L0
    exact = np.linalg.solve(np.array([[1 - (1 - p), -p], [-(1 - p), 1]]), np.ones(2))[0]
    assert cusum.average_run_length(1, 1, 2, p) == pytest.approx(exact, rel=1e-12) == pytest.approx((1 + p) / p**2)


def test_run_length_against_simulation():
    d = cusum.cusum_design(0.1, 0.3)
    draw, lengths = stream(1, "run length"), []
    for _ in range(3000):
        level, n = 0.0, 0
        while level < d.h1 - 1e-9:  # two failures lie on the line exactly
            n += 1
            level = max(0.0, level + (1 - d.s if draw.random() < 0.3 else -d.s))
        lengths.append(n)
    assert cusum.average_run_length(1 - d.s, d.s, d.h1, 0.3) == pytest.approx(np.mean(lengths), rel=0.05)
    assert cusum.average_run_length(1 - d.s, d.s, d.h1, 0.3, states=500) == pytest.approx(np.mean(lengths), rel=0.05)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), max_size=80))
def test_cusum_lies_between_its_lines_and_counts(failures):
    d = cusum.cusum_design(0.1, 0.3)
    chart = cusum.cusum(failures, d)
    crossed = {n for n, _ in chart.crossings}
    for n, value in enumerate(chart.values, 1):
        assert (-d.h0 < value < d.h1) == (n not in crossed)
    if failures:
        assert chart.observed_minus_expected[-1] == pytest.approx(sum(failures) - 0.1 * len(failures))


def test_risk_adjusted_markov_chain_agrees_with_simulation():
    risks = [0.02, 0.05, 0.1, 0.3] * 20
    simulated = ra.simulated_alpha(risks, 2, 2.5, 20_000, 3)
    assert ra.markov_alpha(risks, 2, 2.5, cells=2000) == pytest.approx(simulated, abs=0.01)
    mixed = ra.simulated_alpha(risks[:4], 2, 2.5, 20_000, 3, n=80)
    assert ra.markov_alpha(risks[:4], 2, 2.5, n=80, cells=2000) == pytest.approx(mixed, abs=0.01)


def test_risk_adjusted_chart():
    chart = ra.ra_cusum([True, True, False], [0.1, 0.5, 0.5], 2, limit=1.0)
    first = ra.steiner_weight(True, 0.1, 2)
    assert chart.values[0] == pytest.approx(first) and chart.values[1] == pytest.approx(first + ra.steiner_weight(True, 0.5, 2))
    assert chart.signals == () and ra.ra_cusum([False] * 9, [0.5] * 9, 0.5, -1.0).signals[0] == 4
    assert all(v <= 0 for v in ra.ra_cusum([False, True], [0.5, 0.5], 0.5).values)


# --- G theory


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(-1e5, 1e5), st.floats(0.1, 100))
def test_components_do_not_depend_on_origin_and_scale_with_the_unit(seed, shift, unit):
    x = normal(seed).normal(size=(6, 4, 3))
    for design in ("pxixo", "pxi:o", "i:o:p"):
        one, other = g.g_study(x, design), g.g_study(x * unit + shift, design)
        for effect, value in one.raw.items():
            assert other.raw[effect] == pytest.approx(value * unit**2, rel=1e-6, abs=1e-6 * unit**2)
    assert sum(one.degrees.values()) == x.size - 1


def test_henderson_finds_known_components_with_holes():
    found = []
    for seed in range(40):
        draw = normal(seed)
        x = draw.normal(0, 3, (40, 1)) + draw.normal(0, 2, (1, 12)) + draw.normal(0, 4, (40, 12))
        x[draw.random(x.shape) < 0.25] = np.nan
        found.append(list(g.g_study(x).raw.values()))
    assert np.mean(found, axis=0) == pytest.approx([9, 4, 16], rel=0.15)


def test_negative_components_become_zero_and_are_named():
    x = np.array([[1.0, 2, 3], [3, 1, 2], [2, 3, 1], [2, 2, 2.2]])
    study = g.g_study(x)
    assert study.raw["p"] < 0 and study.components["p"] == 0 and "p" in study.negative
    assert decision.d_study(study).phi == 0
    assert decision.items_for(study, 0.8) is None


def test_nested_designs_recover_what_made_them():
    draw, found = normal(3), []
    for _ in range(30):
        p, o, i = draw.normal(0, 3, (60, 1, 1)), draw.normal(0, 2, (60, 3, 1)), draw.normal(0, 1, (60, 3, 4))
        found.append(list(g.g_study(p + o + i, "i:o:p").raw.values()))
    assert np.mean(found, axis=0) == pytest.approx([9, 4, 1], rel=0.1)


def test_intervals_cover():
    inside = {"fiducial": 0, "jackknife": 0}
    for seed in range(60):
        draw = normal(seed)
        x = draw.normal(0, 1, (20, 1)) + draw.normal(0, 0.5, (1, 8)) + draw.normal(0, 1.5, (20, 8))
        truth = 1 / (1 + (0.25 + 2.25) / 8)
        for method in inside:
            found = decision.coefficient_interval(x, coefficient="phi", method=method, draws=400)
            inside[method] += found.low <= truth <= found.high
    assert inside["fiducial"] >= 53 and inside["jackknife"] >= 45


def test_exact_interval_of_erho2_agrees_with_fiducial():
    x = normal(1).normal(0, 1, (15, 1)) + normal(2).normal(0, 1, (15, 6))
    exact = decision.coefficient_interval(x, coefficient="erho2", method="exact")
    drawn = decision.coefficient_interval(x, coefficient="erho2", method="fiducial", draws=20_000)
    assert [drawn.low, drawn.high] == pytest.approx([max(0, exact.low), exact.high], abs=0.02)
    assert exact.value == pytest.approx(agreement.cronbach_alpha(x).value) == pytest.approx(agreement.icc(x, "3,k").value)
    component = decision.satterthwaite(g.g_study(x), "pi")
    df = 14 * 5
    from scipy import stats

    assert component.low == pytest.approx(df * component.value / stats.chi2.ppf(0.975, df))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_phi_is_never_above_erho2_and_grows_with_items(seed):
    study = g.g_study(normal(seed).normal(size=(8, 5)) + normal(seed + 1).normal(size=(8, 1)))
    worth = [decision.d_study(study, {"i": n}) for n in (1, 5, 20)]
    assert all(w.phi <= w.erho2 + 1e-12 for w in worth)
    assert worth[0].phi <= worth[1].phi <= worth[2].phi


# --- agreement


def test_kappa_limits():
    assert agreement.cohen_kappa([[10, 0], [0, 10]]).value == 1
    assert agreement.cohen_kappa([[5, 5], [5, 5]]).value == pytest.approx(0)
    assert agreement.cohen_kappa([[3, 1, 0], [1, 3, 1], [0, 1, 3]], "quadratic").value == pytest.approx(0.783, abs=0.06)
    assert agreement.fleiss_kappa([[4, 0], [0, 4], [4, 0]]).value == 1


def test_decision_agreement_limits():
    assert agreement.decision_agreement(0.0, 0.0)[0] == pytest.approx(0.5)
    assert agreement.decision_agreement(0.0, 1.0)[1] == pytest.approx(0, abs=1e-7)
    assert agreement.decision_agreement(1.0, 0.3) == (1, 1)


def test_subkoviak_with_perfect_reliability_is_binomial():
    agree, _ = agreement.subkoviak([0, 12], 12, 6, 1.0)
    assert agree == 1
    agree, kappa = agreement.subkoviak([6] * 10, 12, 7, 0.5)
    from scipy import stats

    p = stats.binom.sf(6, 12, 0.5)
    assert agree == pytest.approx(p**2 + (1 - p) ** 2) and kappa == pytest.approx(0, abs=1e-12)


# --- chance, curves, fairness, actions


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.data())
def test_intervals_of_a_rate_hold_it(n, data):
    k = data.draw(st.integers(0, n))
    exact, score = chance.clopper_pearson(k, n), chance.wilson(k, n)
    for found in (exact, score):
        assert 0 <= found.low <= k / n + 1e-12 and k / n - 1e-12 <= found.high <= 1
    assert exact.high - exact.low > 0 and chance.upper_bound(k, n) <= exact.high + 1e-12


def test_best_of_warning_speaks_only_of_repeats():
    assert chance.best_of_warning(1) == ""
    assert "67 %" in chance.best_of_warning(5)


@pytest.mark.parametrize("shape", ["power", "exponential"])
def test_a_curve_is_recovered(shape):
    n = np.arange(1, 41)
    truth = 30 + 90 * (n**-0.8 if shape == "power" else np.exp(-0.15 * (n - 1)))
    fit = curves.fit_curve(truth + normal(4).normal(0, 2, n.size), shape)
    assert fit.a.low < 30 < fit.a.high and fit.b.low < 90 < fit.b.high
    reach = curves.attempts_to(fit, 50)
    assert reach.low < np.argmax(truth <= 50) + 1 < reach.high + 1
    assert curves.attempts_to(fit, -100) is None
    assert curves.attempts_to(fit, 500).value == 1, "already there at the start"


def test_noise_is_no_learning_curve():
    refused = 0
    for seed in range(20):
        try:
            curves.fit_curve(normal(seed).normal(0, 1, 15))
        except UsageError:
            refused += 1
    assert refused >= 15


def test_running_bands_are_honest():
    points = curves.running_mean([1.0, 2, 3, 4], 3)
    assert [p.window for p in points] == [1, 2, 3, 3] and points[0].mean.low is None
    assert points[-1].mean.value == 3
    rate = curves.running_rate([True] * 5)
    assert rate[-1].mean.value == 1 and rate[-1].mean.low < 0.6, "five of five prove little"


def test_cohort_band_says_how_many_are_left():
    band = curves.cohort_band([[1.0, 2, 3]] * 5 + [[9.0]])
    assert [(p.attempt, p.learners) for p in band] == [(1, 6), (2, 5), (3, 5)]
    assert curves.cohort_band([[1.0]] * 4) == []


def test_groups_too_small_are_named_not_compared():
    report = fairness.group_gaps({"a": [(True, 50.0)] * 12, "b": [(False, 40.0)] * 12, "c": [(True, 1.0)] * 3})
    assert report.too_small == {"c": 3} and len(report.gaps) == 1
    gap = report.gaps[0]
    assert gap.pass_gap.value == 1 and gap.below_four_fifths and gap.p < 0.001


def test_equal_groups_are_rarely_flagged():
    draw, flagged = normal(8), 0
    for _ in range(200):
        groups = {name: [(bool(draw.random() < 0.7), float(draw.normal())) for _ in range(25)] for name in "abc"}
        flagged += any(gap.p_holm < 0.05 for gap in fairness.group_gaps(groups).gaps)
    assert flagged <= 0.05 * 200 + 7


def test_holm():
    assert fairness.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_dif_sees_what_ability_does_not_explain():
    draw = normal(5)
    ability = draw.normal(size=800)
    group = np.arange(800) % 2 == 0
    fair = draw.random(800) < 1 / (1 + np.exp(ability))
    unfair = draw.random(800) < 1 / (1 + np.exp(ability - 1.2 * group))
    assert fairness.dif(list(group), list(fair), ability).p > 0.05
    found = fairness.dif(list(group), list(unfair), ability)
    assert found.p < 1e-4 and found.odds_ratio.low > 1.5


def test_actions():
    t = [k / 10 for k in range(11)]
    x = [0, 0, 10, 20, 30, 30, 30, 39, 39, 39, 39]  # 100 mm/s for 0.3 s; 90 mm/s for 0.1 s is too short
    assert action.translational_actions(t, [[v, 0, 0] for v in x]) == 1
    assert action.rotational_actions(t, x) == 1
    assert action.rotational_actions([0, 0.2], [0, 20]) == 1


# --- what nobody can answer is one clear line


NAN = float("nan")
IMPOSSIBLE = {
    "p0 above p1": lambda: cusum.cusum_design(0.3, 0.1),
    "p0 equals p1": lambda: lc_cusum.lc_cusum_design(0.2, 0.2, 30),
    "p0 zero": lambda: lc_cusum.lc_cusum_design(0.0, 0.2, 30),
    "alpha of one": lambda: lc_cusum.lc_cusum_design(0.1, 0.2, 30, 1.0),
    "errors sum to one": lambda: cusum.cusum_design(0.1, 0.2, 0.5, 0.5),
    "horizon of zero": lambda: lc_cusum.lc_cusum_design(0.1, 0.2, 0),
    "horizon too short": lambda: lc_cusum.lc_cusum_design(0.1, 0.2, 3, 0.01),
    "a result that is neither": lambda: cusum.cusum([2], cusum.cusum_design(0.1, 0.2)),
    "a result that is NaN": lambda: lc_cusum.lc_cusum([NAN], lc_cusum.lc_cusum_design(0.1, 0.3, 30)),
    "no odds": lambda: ra.steiner_weight(True, 0.1, 1.0),
    "risk of one": lambda: ra.ra_cusum([True], [1.0], 2),
    "risks missing": lambda: ra.ra_cusum([True, False], [0.1], 2),
    "empty table": lambda: g.g_study([]),
    "one learner": lambda: g.g_study([[1, 2, 3]]),
    "one item": lambda: g.g_study([[1], [2]]),
    "all equal": lambda: g.g_study([[1, 1], [1, 1]]),
    "ragged": lambda: g.g_study([[1, 2], [3]]),
    "hole in three facets": lambda: g.g_study([[[1, NAN], [1, 2]], [[1, 2], [3, 4]]], "pxixo"),
    "person without scores": lambda: g.g_study([[NAN, NAN], [1, 2], [3, 4]]),
    "nothing shared": lambda: g.g_study([[1, NAN], [NAN, 2]]),
    "infinite": lambda: g.g_study([[1, math.inf], [1, 2]]),
    "unknown design": lambda: g.g_study([[1, 2], [2, 3]], "pxq"),
    "alpha of equal totals": lambda: agreement.cronbach_alpha([[1, 2], [2, 1]]),
    "icc of equal ratings": lambda: agreement.icc([[1, 1], [1, 1]]),
    "kappa of one category": lambda: agreement.cohen_kappa([[5, 0], [0, 0]]),
    "kappa not square": lambda: agreement.cohen_kappa([[1, 2, 3], [1, 2, 3]]),
    "fleiss with unequal raters": lambda: agreement.fleiss_kappa([[2, 1], [1, 1]]),
    "rate of nothing": lambda: chance.wilson(0, 0),
    "more than all": lambda: chance.clopper_pearson(5, 4),
    "flat curve": lambda: curves.fit_curve([1.0] * 10),
    "short curve": lambda: curves.fit_curve([3.0, 2, 1]),
    "running mean of nothing": lambda: curves.running_mean([]),
    "odds without errors": lambda: fairness.mantel_haenszel([[[0, 5], [0, 5]]]),
    "times that fall": lambda: action.rotational_actions([1, 0], [0, 1]),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_input_is_one_line(name):
    with pytest.raises(ScottieError) as error:
        IMPOSSIBLE[name]()
    assert "\n" not in str(error.value) and len(str(error.value)) > 20


def test_the_word_is_written_in_one_place_only():
    """No text of scoring or of the commands says it but standard.wording."""
    root = Path(__file__).parent.parent
    allowed = {root / "scoring" / "standard.py"}
    for path in [*(root / "scoring").rglob("*"), *(root / "commands").rglob("*.py")]:
        if path.suffix in (".py", ".html", ".typ", ".toml") and path not in allowed:
            assert not re.search("competent", path.read_text(), re.I), path
