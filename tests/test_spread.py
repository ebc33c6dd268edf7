"""Injectate: what goes in stays accounted for, goes where anatomy lets it, and shows what X-rays would show."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.command import IDLE, Command
from sim.phantom import Tissue, TubeKind
from sim.spread import advance, begin, warm
from sim.spread_front import voxel_centres
from sim.spread_vessel import gives_blood, vascular_share
from sim.state import State
from tests.make_injection import (
    ARTERY,
    BONE,
    BONE_FACE,
    CANAL,
    CONTRAST,
    DEXAMETHASONE,
    FORAMEN,
    LIDOCAINE,
    MUSCLE,
    SAC,
    VEIN,
    needle_at,
    run_at,
    scripted,
    study,
)

PARTS = ("epidural_ul", "foraminal_ul", "vascular_ul", "intrathecal_ul", "disc_ul", "muscle_ul", "other_ul")
TIGHT = (
    Tissue.BONE_CORTEX,
    Tissue.BONE_CANCELLOUS,
    Tissue.LIGAMENTUM_FLAVUM,
    Tissue.CSF,
    Tissue.NERVE,
    Tissue.VESSEL,
    Tissue.AIR,
)


def held_ul(front):
    return float(front.capacity_ul[: front.done].sum()) + front.partial_ul


def labels_of(run):
    front = run.spread.front
    end = front.done + (front.partial_ul > 0.0)
    return run.study.phantom.volume.labels.ravel()[front.order[:end]]


# --- conservation ---------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([FORAMEN, CANAL, SAC, VEIN, ARTERY, MUSCLE, BONE, BONE_FACE]),
            st.sampled_from([CONTRAST, LIDOCAINE, DEXAMETHASONE]),
            st.integers(1, 500),
            st.integers(10, 2000),
        ),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 5),
)
def test_volume_and_iodine_are_conserved_over_any_sequence_of_injections(steps, seed):
    run = run_at(FORAMEN, seed)
    tissue = iodine = 0.0
    for point, agent, ul, rate in steps:
        before = run.spread.slab.volume_ul if run.spread.slab else 0.0
        run.put(point).inject(agent, ul, rate)
        me, told = run.spread, run.last("injection_stopped")
        here = float(me.by_label_ul.sum())
        assert here + me.vascular_ul + me.intrathecal_ul == pytest.approx(me.given_ul, abs=1e-9)
        assert me.left_ul + me.given_ul == pytest.approx(20_000.0, abs=1e-9)
        assert me.given_ul in (pytest.approx(ul, abs=1e-9), 0.0)
        assert sum(told[part] for part in PARTS) == told["volume_ul"] == round(me.given_ul)
        assert (me.slab.volume_ul if me.slab else 0.0) - before == pytest.approx(me.intrathecal_ul, abs=1e-9)
        tissue += here
        iodine += here * run.study.toolbox.agents[agent].iodine_mg_per_ml / 1000.0
        if me.front is not None:
            assert held_ul(me.front) == pytest.approx(tissue, abs=1e-9)
            assert me.front.volume_ul == pytest.approx(tissue, abs=1e-9)
            assert float(me.front.iodine_mg.sum()) == pytest.approx(iodine, abs=1e-9)


def test_no_voxel_holds_more_than_its_room_even_after_many_openings():
    run = run_at(FORAMEN)
    for point in (FORAMEN, CANAL, (-18.0, 2.0, 3.0), FORAMEN, (0.0, -10.0, 10.0)):
        run.put(point).inject(CONTRAST, 333)
    front = run.spread.front
    end = front.done + (front.partial_ul > 0.0)
    held = front.capacity_ul[:end].copy()
    if front.partial_ul > 0.0:
        held[-1] = front.partial_ul
    total = np.zeros(run.study.phantom.volume.labels.size)
    np.add.at(total, front.order[:end], held)
    room = front.medium.capacity_ul[run.study.phantom.volume.labels.ravel()]
    assert (total <= room + 1e-9).all()


# --- where it goes --------------------------------------------------------------------------------


@pytest.mark.parametrize("point", [FORAMEN, CANAL, MUSCLE, BONE_FACE])
@pytest.mark.parametrize("seed", [0, 3])
def test_nothing_leaks_into_bone_dura_ligament_nerve_or_vessel(point, seed):
    run = run_at(point, seed).inject(CONTRAST, 3000, 2000)
    assert not np.isin(labels_of(run), TIGHT).any()
    assert run.spread.front.done > 1000


@pytest.mark.parametrize(
    ("point", "pattern"),
    [(FORAMEN, "epidural"), (CANAL, "epidural"), (SAC, "intrathecal"), (MUSCLE, "intramuscular"), (BONE_FACE, "periosteal")],
)
def test_the_pattern_is_named_from_where_the_fluid_is(point, pattern):
    assert run_at(point).inject(CONTRAST, 2000).last("injection_stopped")["pattern"] == pattern


def test_an_injection_at_the_root_wets_it_and_reaches_the_canal():
    told = run_at(FORAMEN).inject(CONTRAST, 1000).last("injection_stopped")
    assert "root_L4_right" in told["levels"] and "drg_L4_right" in told["levels"]
    assert told["foraminal_ul"] > 100 and told["epidural_ul"] > 100
    assert told["muscle_ul"] < 50 and told["intrathecal_ul"] == 0 == told["vascular_ul"]


def test_a_vessel_takes_all_or_a_part_as_the_seed_says():
    seen = set()
    for seed in range(12):
        share = vascular_share(study(seed), study(seed).phantom.tube_index("vein_L4_right"))
        told = run_at(VEIN, seed).inject(CONTRAST, 500).last("injection_stopped")
        assert told["vascular_ul"] == pytest.approx(500 * share, abs=1.0)
        assert told["pattern"] == ("vascular" if share == 1.0 else "epidural+vascular")
        seen.add(told["pattern"])
    assert seen == {"vascular", "epidural+vascular"}


def test_solid_bone_gives_no_room_and_says_so():
    run = run_at(BONE).inject(CONTRAST, 500)
    assert [e.kind for e in run.events] == ["attached", "injection_started", "refused", "injection_stopped"]
    assert run.last("injection_stopped")["volume_ul"] == 0 and run.last("injection_stopped")["pattern"] == "none"
    assert run.spread.left_ul == 20_000.0


def test_a_closed_compartment_fills_and_then_the_plunger_stops():
    where = study()
    labels = where.phantom.volume.labels.copy()
    labels[20:32, 30:42, 20:32] = Tissue.DISC_ANNULUS
    labels[22:30, 32:40, 22:30] = Tissue.DISC_NUCLEUS
    phantom = replace(where.phantom, volume=replace(where.phantom.volume, labels=labels))
    middle = where.phantom.volume.origin_mm + np.array([26.0, 36.0, 26.0])
    run = run_at(middle)
    run.study = replace(where, phantom=phantom)
    run.put(middle).inject(CONTRAST, 1000)
    told = run.last("injection_stopped")
    room = 8**3 * run.spread.front.medium.capacity_ul[Tissue.DISC_NUCLEUS]
    assert told["pattern"] == "intradiscal" and told["disc_ul"] == round(room) < 1000
    assert run.last("refused")["op"] == "syringe.inject"
    iodine = float(run.spread.front.iodine_mg.sum())
    assert run.inject(DEXAMETHASONE, 1000).last("injection_stopped")["volume_ul"] == 0
    assert float(run.spread.front.iodine_mg.sum()) == pytest.approx(iodine, abs=1e-9)


def test_extent_differs_between_patients_for_the_same_volume():
    spans = []
    for seed in range(8):
        run = run_at(CANAL, seed).inject(CONTRAST, 2000, 2000)
        spans.append(float(np.ptp(voxel_centres(run.study.phantom.fields, run.spread.front)[:, 2])))
    assert max(spans) > 1.4 * min(spans)


# --- aspiration -----------------------------------------------------------------------------------


def test_aspiration_shows_blood_as_often_as_published():
    n = 2000
    where = study()
    hits = sum(gives_blood(replace(where, seed=seed), where.phantom.tube_index("vein_L4_right")) for seed in range(n))
    three_sigma = 3.0 * (0.35 * 0.65 / n) ** 0.5
    assert 0.26 - three_sigma < hits / n < 0.45 + three_sigma


def test_simultaneous_flow_is_as_frequent_as_published():
    n = 2000
    where = study()
    vein = where.phantom.tube_index("vein_L4_right")
    both = sum(vascular_share(replace(where, seed=seed), vein) < 1.0 for seed in range(n))
    expected = 8.9 / 13.1
    assert abs(both / n - expected) < 3.0 * (expected * (1 - expected) / n) ** 0.5


def test_a_vessel_that_gives_no_blood_gives_none_again_and_still_takes_the_injection():
    vein = study().phantom.tube_index("vein_L4_right")
    seed = next(s for s in range(50) if not gives_blood(study(s), vein))
    run = run_at(VEIN, seed).do("syringe.attach", CONTRAST, 1000)
    for _ in range(5):
        assert run.do("syringe.aspirate").last("aspirated")["result"] == "nothing"
    assert run.do("syringe.inject", 200, 500).wait(60).last("injection_stopped")["vascular_ul"] > 0


def test_aspiration_in_the_sac_gives_csf_and_elsewhere_nothing():
    for point, result in ((SAC, "csf"), (FORAMEN, "nothing"), (MUSCLE, "nothing")):
        assert run_at(point).do("syringe.attach", CONTRAST, 1000).do("syringe.aspirate").last("aspirated")["result"] == result


# --- syringe --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needle", "op", "args"),
    [
        ({"placed": False}, "syringe.attach", (0, 1000)),
        ({"stylet": True}, "syringe.attach", (0, 1000)),
        ({}, "syringe.attach", (60, 1000)),
        ({}, "syringe.inject", (100, 500)),
        ({}, "syringe.aspirate", ()),
        ({}, "syringe.stop", ()),
    ],
)
def test_what_cannot_be_done_is_refused(needle, op, args):
    run = run_at(FORAMEN)
    run.state = replace(run.state, needle=replace(run.state.needle, **needle))
    run.do(op, *args)
    assert [e.kind for e in run.events] == ["refused"]
    assert run.last("refused")["op"] == op and run.last("refused")["why"]


def test_an_empty_syringe_gives_what_it_holds_and_then_nothing():
    run = run_at(FORAMEN).do("syringe.attach", CONTRAST, 100).do("syringe.inject", 500, 500).wait(200)
    assert run.last("injection_stopped")["volume_ul"] == 100
    assert run.do("syringe.inject", 10, 100).last("refused")["why"] == "the syringe is empty"


def test_stopping_and_going_on_equals_one_injection():
    once = run_at(FORAMEN).inject(CONTRAST, 400)
    twice = run_at(FORAMEN).do("syringe.attach", CONTRAST, 20_000).do("syringe.inject", 400, 500).wait(20).do("syringe.stop")
    first = twice.last("injection_stopped")["volume_ul"]
    assert 0 < first < 400
    twice.do("syringe.inject", 400 - first, 500).wait(100)
    assert np.array_equal(once.spread.front.order, twice.spread.front.order)
    assert once.spread.front.done == twice.spread.front.done
    assert once.spread.front.partial_ul == pytest.approx(twice.spread.front.partial_ul, abs=1e-9)


def test_the_stylet_takes_the_syringe_off_and_pulling_the_needle_stops_the_flow():
    run = run_at(FORAMEN).do("syringe.attach", CONTRAST, 1000).do("syringe.inject", 1000, 100).wait(10)
    run.state = replace(run.state, needle=replace(run.state.needle, placed=False, stylet=True))
    run.wait(1)
    assert run.last("injection_stopped")["volume_ul"] == 11 and run.spread.agent == -1 and not run.spread.flowing


def test_volume_given_under_live_xrays_is_counted():
    run = run_at(FORAMEN).do("syringe.attach", CONTRAST, 1000).do("syringe.inject", 400, 500)
    run.beam("live").wait(20).beam("").wait(100)
    assert run.last("injection_stopped")["live_ul"] == 100


# --- contrast -------------------------------------------------------------------------------------


def test_contrast_in_a_vessel_moves_with_the_blood_and_is_gone_after_the_wash_out():
    seed = next(s for s in range(50) if vascular_share(study(s), study(s).phantom.tube_index("radicular_L4_right")) == 1.0)
    run = run_at(ARTERY, seed).do("syringe.attach", CONTRAST, 1000).do("syringe.inject", 150, 500).wait(12)
    near = run.spread.contrast_points
    assert len(near) and near[:, 3].sum() > 0.0
    tube = run.study.phantom.tubes[run.study.phantom.tube_index("radicular_L4_right")]
    assert tube.kind == TubeKind.RADICULAR_ARTERY and (near[:, 0] > ARTERY[0] - 1.0).all()  # towards the canal only
    run.wait(400)
    assert len(run.spread.contrast_points) == 0 and len(run.spread.parcels) == 0


def test_contrast_in_the_sac_mixes_grows_sinks_and_comes_to_rest():
    run = run_at(SAC).inject(CONTRAST, 1000)
    early = run.spread.contrast_points.copy()
    run.wait(15_000)
    late = run.spread.contrast_points
    assert np.ptp(late[:, 2]) > 1.5 * np.ptp(early[:, 2])
    assert late[:, 1].mean() < early[:, 1].mean() - 1.0
    assert (np.hypot(late[:, 0], late[:, 1]) < 8.0).all()
    assert late[:, 3].sum() == pytest.approx(240.0, rel=1e-4) == early[:, 3].sum()


def test_only_contrast_shows_and_a_drug_thins_it_without_losing_iodine():
    run = run_at(FORAMEN).inject(DEXAMETHASONE, 300)
    assert len(run.spread.contrast_points) == 0
    run = run_at(FORAMEN).inject(CONTRAST, 500)
    before = run.spread.contrast_points
    run.inject(DEXAMETHASONE, 500)
    after = run.spread.contrast_points
    assert after[:, 3].sum() == pytest.approx(120.0, rel=1e-5) == before[:, 3].sum()
    assert after[: len(before), 3].sum() < 0.8 * before[:, 3].sum() and len(after) > 1.5 * len(before)


def test_contrast_points_stay_few_and_keep_the_iodine():
    run = run_at(MUSCLE).inject(CONTRAST, 16_000, 2000)
    assert run.spread.front.done > 20_000 >= len(run.spread.contrast_points)
    assert run.spread.contrast_points.dtype == np.float32
    assert run.spread.contrast_points[:, 3].sum() == pytest.approx(16 * 240.0, rel=1e-3)


# --- the engine contract --------------------------------------------------------------------------


def test_a_patient_at_rest_stays_the_same_object():
    for run in (run_at(FORAMEN), run_at(FORAMEN).inject(CONTRAST, 300).wait(10), run_at(VEIN).inject(CONTRAST, 100).wait(400)):
        before = run.spread
        for _ in range(1000):
            after, events = advance(run.study, replace(run.state, tick=run.state.tick + 1), IDLE)
            assert after is before and events == []


def test_a_tick_never_changes_the_state_it_came_from():
    run = run_at(FORAMEN).inject(CONTRAST, 300)
    run.do("syringe.inject", 500, 1000).wait(5)
    kept = run.state
    digest, order = kept.digest(), kept.spread.front.order.copy()
    iodine, points = kept.spread.front.iodine_mg.copy(), kept.spread.contrast_points.copy()
    run.wait(30).put(CANAL).wait(10)
    assert kept.digest() == digest and np.array_equal(kept.spread.front.order, order)
    assert np.array_equal(kept.spread.front.iodine_mg, iodine) and np.array_equal(kept.spread.contrast_points, points)
    branch = replace(kept, tick=kept.tick + 1)
    one, _ = advance(run.study, branch, IDLE)
    two, _ = advance(run.study, branch, IDLE)
    assert replace(branch, spread=one).digest() == replace(branch, spread=two).digest()


def test_the_order_does_not_depend_on_the_rate():
    slow, fast = run_at(FORAMEN).inject(CONTRAST, 300, 50), run_at(FORAMEN).inject(CONTRAST, 300, 2000)
    assert slow.spread.front.done == fast.spread.front.done
    n = slow.spread.front.done
    assert slow.spread.front.mark[n - 1] == fast.spread.front.mark[n - 1]


def test_seeds_differ_and_a_seed_repeats():
    assert run_at(FORAMEN, 1).inject(CONTRAST, 200).state.digest() == run_at(FORAMEN, 1).inject(CONTRAST, 200).state.digest()
    assert run_at(FORAMEN, 1).inject(CONTRAST, 200).state.digest() != run_at(FORAMEN, 2).inject(CONTRAST, 200).state.digest()


def test_compiled_and_interpreted_give_equal_digests():
    here = Path(__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.make_injection"],
        cwd=here,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(here)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[:-1] == scripted()


def test_begin_needs_nothing_but_a_study():
    where = study()
    state = State(spread=begin(where), needle=needle_at(where, FORAMEN))
    same, events = advance(where, state, Command("ask.pain"))
    assert same is state.spread and events == []


def test_a_pocket_at_the_tip_overflows_into_the_next_open_tissue():
    where = study()
    i, j, k = (int(v) for v in np.floor(np.array(FORAMEN) - where.phantom.volume.origin_mm + 0.5))
    labels = where.phantom.volume.labels.copy()
    labels[i - 1 : i + 2, j - 1 : j + 2, k - 1 : k + 2] = Tissue.NERVE
    labels[i, j, k] = Tissue.FORAMEN_FAT
    phantom = replace(where.phantom, volume=replace(where.phantom.volume, labels=labels))
    run = run_at(FORAMEN)
    run.study = replace(where, phantom=phantom)
    run.inject(CONTRAST, 500)
    assert run.last("injection_stopped")["volume_ul"] == 500
    assert run.last("injection_stopped")["pattern"] == "epidural"
    assert float(run.spread.front.iodine_mg.sum()) == pytest.approx(120.0, abs=1e-9)
    assert held_ul(run.spread.front) == pytest.approx(500.0, abs=1e-9)
    assert run.spread.front.pool_start < 5  # the pocket was opened once, not again at every tick


def test_warming_up_needs_any_patient_and_changes_nothing():
    for seed in (0, 1):
        warm(study(seed))


def test_contrast_in_a_vessel_is_never_denser_than_the_agent():
    seed = next(s for s in range(50) if vascular_share(study(s), study(s).phantom.tube_index("vein_L4_right")) == 1.0)
    run = run_at((-18.5, -2.0, -4.0), seed).do("syringe.attach", CONTRAST, 5000).do("syringe.inject", 1000, 500).wait(99)
    held_mg = float(run.spread.contrast_points[:, 3].sum())
    lumen_ul = 20.0 * np.pi * 1.0**2  # the whole vein of the phantom, radius 1 mm
    assert 0.0 < held_mg <= lumen_ul * 0.240
