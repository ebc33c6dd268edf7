"""Bone cement: nothing is lost, it stays where it may be, pressure and time follow their formulas, leaks are told."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.toml_file import DATA
from scenarios.toolbox import load_cements, load_toolbox
from scoring.metrics import Settings, measure
from sim.carm import view
from sim.cement_body import BASIVERTEBRAL, CHANNEL, DEFECT, ENDPLATE, KINDS, PLACES, SEGMENTAL, TRACK, make_body
from sim.cement_flow import bone_kpa, cannula_kpa, cure_rate, rate_at_limit, viscosity_pa_s
from sim.cement_front import fresh, leaks, opened, pour, rules
from sim.command import IDLE, Command
from sim.errors import DataError
from sim.phantom import Tissue
from sim.state import CementState, State
from tests.make_cement import DEFECT as HOLE
from tests.make_cement import DIRECTION, HIGH, LOW, TIP, UNKNOWN, drum, needle_at, run, scripted, study

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = Settings(frozenset({"steroid"}), frozenset({"steroid"}), frozenset(), frozenset())


SEALED = {f"{way}_strength_{end}": 1e20 for way in ("basivertebral", "segmental", "endplate") for end in ("low", "high")} | {
    "track_strength": 1e20
}


def held(me: CementState) -> float:
    fronts = sum(math.fsum(front.by_ul.ravel()) for front in me.fronts)
    return fronts + me.cannula_ul + me.tail_ul + me.lost_ul


# --- volume ---------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(1, 300), st.integers(10, 500), st.floats(0.1, 40.0)), min_size=1, max_size=3),
    seed=st.integers(0, 3),
    end=st.sampled_from(["leave", "stylet", "out"]),
)
def test_what_leaves_the_syringe_is_somewhere(steps, seed, end):
    r = run(seed, True).ready(LOW, 280.0)
    for ul, rate, pause in steps:
        r.inject(ul + 200, rate + 200).wait(pause)
    if end != "leave":
        r.needle(**({"stylet": True} if end == "stylet" else {"placed": False})).tick(IDLE)
    assert held(r.cement) == pytest.approx(r.cement.given_total_ul, abs=1e-9)
    assert r.cement.left_ul + r.cement.given_total_ul == pytest.approx(10_000.0, abs=1e-9)


def test_the_front_holds_exactly_the_voxels_it_filled():
    r = run(2).ready().inject(1200, 500)
    front = r.cement.fronts[0]
    assert float(front.capacity_ul[: front.done].sum()) + front.partial_ul == pytest.approx(front.volume_ul, abs=1e-9)
    assert len(np.unique(front.order)) == len(front.order)
    assert (front.body.place.ravel()[front.order] != 0).all()


def test_cement_leaves_the_bone_by_channels_only():
    r = run(5, True).ready(LOW, 270.0)
    where = r.study
    body = make_body(where, "L1", np.array(TIP), np.array(DIRECTION))
    front = opened(fresh(body), np.array(TIP), 3.0)
    front, left = pour(front, rules(where, 1.0), 7000.0, 15.0)
    assert left == 0.0
    out = front.body.place.ravel()[front.order] > CHANNEL
    assert out.any() and (front.owner[front.order][out] > 0).all()


@pytest.mark.parametrize("point", [TIP, (0.0, 0.0, 0.0), (-6.0, 4.0, -5.0), (15.0, 18.0, 5.0)])
def test_cement_goes_in_from_any_tip_in_cancellous_bone_a_vein_included(point):
    r = run(1, point=point).ready(LOW, 280.0).inject(900, 500)
    assert r.last("cement_stopped")["reason"] == "done" and r.cement.fronts[0].volume_ul > 400.0


def test_an_intact_shell_without_channels_takes_its_room_and_no_more():
    where = study(1, False, **SEALED)
    body = make_body(where, "L1", np.array(TIP), np.array(DIRECTION))
    front = opened(fresh(body), np.array(TIP), 3.0)
    front, left = pour(front, rules(where, 1.0), 3000.0, 15.0)
    assert leaks(front) == [] and left == 0.0


# --- ways out -------------------------------------------------------------------------------------


def test_a_vertebra_has_the_veins_and_weak_spots_of_its_patient_and_defects_only_where_the_phantom_has_them():
    for defect in (False, True):
        kinds = make_body(study(4, defect), "L1", np.array(TIP), np.array(DIRECTION)).kind.tolist()
        assert [kinds.count(k) for k in (BASIVERTEBRAL, SEGMENTAL, ENDPLATE, TRACK, DEFECT)] == [1, 4, 4, 1, int(defect)]
    one, other = (make_body(study(s), "L1", np.array(TIP), np.array(DIRECTION)) for s in (1, 2))
    assert one.voxel_seed != other.voxel_seed and (one.strength != other.strength).any()


def test_a_leak_through_the_defect_is_told_once_with_its_place():
    r = run(1, True, barrier_thin_mm=0.2).ready(LOW, 270.0).inject(4200, 500)
    told = [e for e in r.events if e.kind == "cement_leaked" and e["by"] == "defect"]
    assert len(told) == 1 and told[0]["where"] == "paravertebral" and told[0]["volume_ul"] >= 20
    assert r.last("cement_stopped")["paravertebral_ul"] >= told[0]["volume_ul"]
    front = r.cement.fronts[0]
    places = [PLACES[p] for k, p, _ in leaks(front) if KINDS[k] == "defect"]
    assert places == ["paravertebral"]
    near = front.order[front.owner[front.order] == 1]
    i, j, k = np.unravel_index(near, front.body.place.shape)
    centre = (front.body.origin_mm + np.stack([i, j, k], 1)).mean(0)
    assert np.sqrt(((centre - np.array(HOLE)) ** 2).sum()) < 8.0


def test_thick_cement_is_rounder_than_thin_cement():
    spread = []
    for mu in (5.0, 75e3):
        where = study(7, False, **SEALED)
        body = make_body(where, "L1", np.array(TIP), np.array(DIRECTION))
        front, _ = pour(opened(fresh(body), np.array(TIP), 3.0), rules(where, 1.0), 2500.0, mu)
        i, j, k = np.unravel_index(front.order[: front.done], body.place.shape)
        d = np.sqrt(((body.origin_mm + np.stack([i, j, k], 1) - np.array(TIP)) ** 2).sum(1))
        spread.append(float(d.max() / d.mean()))
    assert spread[1] < spread[0] and spread[1] < 1.6


def test_a_pause_closes_a_leak_that_would_have_opened():
    def after(pause):
        r = run(1, True).ready(LOW, 270.0).inject(3200, 500)
        r.wait(pause).inject(1500, 500)
        return sum(ul for kind, _, ul in leaks(r.cement.fronts[0]) if KINDS[kind] == "defect")

    assert after(90.0) <= after(0.1)


# --- formulas -------------------------------------------------------------------------------------


def test_cannula_pressure_is_hagen_poiseuille():
    assert cannula_kpa(100.0, 1.0, 4000.0 / 60.0, 100.0, 2.388) == pytest.approx(840.0, rel=0.01)  # 11G
    assert cannula_kpa(100.0, 1.0, 4000.0 / 60.0, 100.0, 1.803) == pytest.approx(2600.0, rel=0.02)  # 13G


def test_shear_thinning_pressure_is_the_power_law_of_a_pipe():
    k, n, q, length, r = 50.0, 0.5, 40e-9, 0.1, 1.194e-3
    exact = 2.0 * k * length / r * ((3 * n + 1) / n * q / (math.pi * r**3)) ** n
    assert cannula_kpa(k, 0.5, 40.0, 100.0, 2.388) == pytest.approx(exact * 1e-3, rel=1e-12)


def test_most_of_the_pressure_is_lost_in_the_cannula():
    cannula, bone = cannula_kpa(100.0, 0.5, 4000.0 / 60.0, 100.0, 2.388), bone_kpa(100.0, 0.5, 4000.0 / 60.0, 1.5, 4e-8, 0.85)
    assert 0.90 < cannula / (cannula + bone) < 0.99  # about 95 %: Baroud and Steffen 2005
    assert bone_kpa(100.0, 1.0, 4000.0 / 60.0, 1.2, 4e-8, 0.85) == pytest.approx(11.0, rel=0.02)  # 10 kPa in bone


def test_the_plunger_limit_gives_the_rate_that_needs_it():
    for n in (0.5, 1.0):
        full = cannula_kpa(3000.0, n, 100.0, 100.0, 2.388)
        slow = rate_at_limit(100.0, full, 0.4 * full, n)
        assert cannula_kpa(3000.0, n, slow, 100.0, 2.388) == pytest.approx(0.4 * full, rel=1e-12)


def test_cure_is_twice_as_fast_at_body_heat():
    assert cure_rate(25.0, 12.0) == 1.0 and cure_rate(37.0, 12.0) == 2.0 and cure_rate(-40.0, 12.0) == 0.25


def test_viscosity_follows_its_curve_and_never_falls():
    for cement in load_cements()[:2]:
        ages = np.linspace(0.0, 900.0, 400)
        values = [viscosity_pa_s(cement, float(a)) for a in ages]
        assert (np.diff(values) >= 0.0).all() and values[-1] == 75e3
        at = [viscosity_pa_s(cement, float(t)) for t in cement.curve_s]
        assert np.allclose(at, cement.curve_pa_s, rtol=1e-12)


# --- commands and time ----------------------------------------------------------------------------


def test_commands_that_cannot_be_obeyed_say_why():
    r = run()
    cases = [
        ("cement.stop", (), "no cement is being injected"),
        ("cement.attach", (), "no cement has been mixed"),
        ("cement.mix", (63,), "there is no cement 63; there are 3"),
        ("cement.mix", (UNKNOWN,), "Kyphon HV-R"),
    ]
    for op, args, why in cases:
        r.do(op, *args)
        assert why in r.last("refused")["why"]
    r.do("cement.mix", LOW).do("cement.inject", 1000, 100)
    assert r.last("refused")["why"] == "the cement is not on the needle"
    r.needle(stylet=True).do("cement.attach")
    assert r.last("refused")["why"] == "the stylet is in the needle"
    r.needle(stylet=False, needle=1).do("cement.attach")
    assert "does not pass a 22G needle" in r.last("refused")["why"]
    r.needle(needle=0, tissue=int(Tissue.MUSCLE)).do("cement.attach").do("cement.inject", 1000, 100)
    assert r.last("refused")["why"] == "the tip is not in the cancellous bone of a vertebra"


def test_before_mixing_the_engine_is_idle_and_leaves_no_trace():
    where = study()
    state = State(needle=needle_at(where))
    r = run()
    assert r.tick(IDLE).cement is state.cement or not r.cement.used
    from sim import cement

    same, events = cement.advance(where, state, Command("needle.move", (1000, 1000)))
    assert same is state.cement and events == []
    assert replace(state, cement=CementState(left_ul=5.0)).digest() == state.digest()


def test_old_cement_stops_the_plunger_and_young_cement_does_not():
    r = run().ready(LOW, 240.0).inject(600, 100)
    assert r.last("cement_stopped")["reason"] == "done"
    r = run().ready(LOW, 16.5 * 60.0).inject(600, 100)
    assert r.last("cement_stopped")["reason"] == "stiff" and r.last("cement_slowed")["pressure_kpa"] == 6000


def test_cement_in_bone_sets_before_cement_in_the_syringe():
    r = run().ready(LOW, 300.0).inject(900, 500)
    assert not [e for e in r.events if e.kind == "cement_set"]
    r.wait(360.0)
    assert r.last("cement_set")["bone"] == "L1"
    assert viscosity_pa_s(load_cements()[LOW], 660.0 * 0.75) < 2000.0


def test_posterior_zones_are_told_in_order_and_once():
    r = run(1, point=(5.0, 2.0, 1.0)).ready(LOW, 270.0).inject(5000, 500)
    zones = [e["zone"] for e in r.events if e.kind == "cement_reached"]
    assert zones == ["posterior_third", "posterior_quarter"]
    gap = r.last("cement_stopped")["posterior_wall_um"]
    assert gap <= 31_000 // 4 and gap <= r.last("cement_reached")["posterior_wall_um"]


def test_removing_the_needle_leaves_a_tail_only_of_cement_that_has_not_set():
    r = run().ready(LOW, 280.0).inject(900, 500).needle(placed=False).tick(IDLE)
    assert r.last("cement_leaked")["by"] == "tail" and r.cement.tail_ul > 20.0 and r.cement.cannula_ul == 0.0
    assert len(r.cement.tail_points) == 30
    late = run().ready(LOW, 280.0).inject(900, 500).wait(1200.0).needle(placed=False).tick(IDLE)
    assert late.cement.tail_ul < 5.0


def test_the_stylet_pushes_the_cannula_into_the_bone_and_no_tail_is_left():
    r = run().ready(LOW, 280.0).inject(900, 500)
    before = r.cement.fronts[0].volume_ul
    r.needle(stylet=True).tick(IDLE)
    assert r.cement.cannula_ul == 0.0 and r.cement.fronts[0].volume_ul == pytest.approx(900.0, abs=1e-9) and before < 900.0
    r.needle(placed=False).tick(IDLE)
    assert r.cement.tail_ul == 0.0


# --- picture, data, metrics -----------------------------------------------------------------------


def test_cement_is_in_the_picture_with_its_mass():
    r = run().ready(LOW, 280.0).inject(1500, 500)
    points = r.cement.points
    front = r.cement.fronts[0]
    assert points[:, 3].sum() == pytest.approx(0.3094 * front.volume_ul, rel=0.01)
    assert np.allclose(points[:, :3].mean(0), np.array(TIP), atol=2.5)
    where = replace(r.study, phantom=drum())
    assert len(view(where, r.state).contrast_points) == len(points)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('viscosity = "low"', 'viscosity = "runny"', "runny"),
        ("[[0.0, 10], [180.0, 10]", "[[0.0, 10], [180.0, 9]", "rise"),
        ("flow_index = { value = 0.5", "flow_index = { value = 0.4", "0.5 or 1.0"),
        ('unit = "mL"', 'unit = "L"', "expected"),
    ],
)
def test_a_wrong_row_names_file_and_key(tmp_path, old, new, told):
    text = (DATA / "cements.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "cements.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=r"cements\.toml") as caught:
        load_cements(tmp_path)
    assert told in str(caught.value)


def test_the_toolbox_has_cements_and_their_constants():
    box = load_toolbox()
    assert [c.name for c in box.cements][UNKNOWN] == "Kyphon HV-R" and not len(box.cements[UNKNOWN].curve_s)
    assert box.constant("cement.doubling_c") == 12.0 and HIGH == 1


def test_metrics_of_a_run():
    r = run(1, True, barrier_thin_mm=0.2).ready(LOW, 270.0).inject(4200, 500).inject(300, 500)
    found = measure(SETTINGS, [], r.events)
    assert found["cement_ul"].value == 4500 and found["cement_live_permille"].value == 0
    last = r.last("cement_stopped")
    assert found["cement_paravertebral_ul"].value == last["paravertebral_ul"] > 0
    assert found["cement_in_bone_ul"].value == last["bone_ul"]
    assert (
        found["cement_leaks"].value
        == len([e for e in r.events if e.kind == "cement_leaked"])
        == found["cement_leaks_unseen"].value
    )
    assert found["cement_posterior_um"].value == last["posterior_wall_um"]


# --- same bits ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_interpreted_and_generic_runs_give_the_same_digests():
    compiled = scripted()
    for changed in ({"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_CPU_NAME": "generic"}):
        done = subprocess.run(
            [sys.executable, "-m", "tests.make_cement"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | changed,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.split("\n")[:-1] == compiled


def test_a_product_tells_its_working_window_where_one_is_known():
    windows = {cement.name: cement.window_s for cement in load_cements()}
    assert windows["low-viscosity PMMA"] == (270.0, 600.0)
    assert windows["Kyphon HV-R"] is None  # none could be read


def test_half_a_working_window_is_refused(tmp_path):
    text = (DATA / "cements.toml").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if not line.startswith("window_end_min")]
    (tmp_path / "cements.toml").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(DataError, match="window_begin_min before window_end_min"):
        load_cements(tmp_path)
