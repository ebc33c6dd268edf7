"""Leads: beam theory, steering, loops, the ways out of the canal, and exact replay of the pymunk chain."""

from __future__ import annotations

import hashlib
import itertools
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

from sim import lead, session
from sim.command import Command
from sim.errors import NumericalFault
from sim.lead_chain import Base, Chain, Medium, moved
from sim.lead_sheet import angle_mdeg, make_sheet, sheet_of
from sim.phantom import Tissue
from sim.state import State
from tests.make_lead import CAUDAL, EPIDURAL, SCS, SPINAL, drive, in_canal, lead_study, push
from tests.make_phantom import simple_study, study_of

CHOOSE = Command("lead.choose", (SCS,))
TURN = {"left": 0, "right": 180_000, "dorsal": 90_000}


def kinds(events):
    return [e.kind for e in events]


def last(events, kind):
    return [e for e in events if e.kind == kind][-1]


def cantilever(links, ei, deflection_share, ticks=600):
    """Return tip deflection over F L^3 / 3EI of a clamped chain in water."""
    h = 8.0
    length = links * h
    load = 3.0 * ei * deflection_share * length / length**3
    rows = tuple((h * (k + 0.5), 0.0, 0.0, 0.0, 0.0, 0.0) for k in range(links))
    chain = Chain(h, 0.65, (ei,) * links, (0.0,) * links)
    for _ in range(ticks):
        rows, _ = moved(rows, chain, Base(0.0, 0.0, 0.0, 0.0, 0.0), Medium(1.5e-5 * ei / 100.0, 0.0, 0.0), 10, 1e-3, 20, load)
    _x, y, angle = rows[-1][:3]
    return (y + 0.5 * h * math.sin(angle)) / (deflection_share * length)


# --- the chain ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("links", "ei"), [(3, 100.0), (6, 100.0), (10, 100.0), (6, 3.0)])
def test_cantilever_within_one_percent(links, ei):
    assert cantilever(links, ei, 0.02) == pytest.approx(1.0, abs=0.01)


def test_chain_never_stretches_and_never_passes_a_wall():
    rows = tuple((8.0 * (k + 0.5), 0.0, 0.0, 0.0, 0.0, 0.0) for k in range(8))
    chain = Chain(8.0, 0.65, (100.0,) * 8, (0.0,) * 6 + (0.3, 0.3))
    walls = ((-50.0, 6.0, 200.0, 6.0),)
    for k in range(60):
        base = Base(0.1 * k, 0.0, 0.0, 0.1 * k, 10.0)
        rows, _ = moved(rows, chain, base, Medium(1.5e-5, 0.004, 0.02, walls), 10, 1e-3, 20)
        for (ax, ay, aa, *_), (bx, by, ba, *_) in itertools.pairwise(rows):
            gap = math.hypot(ax + 4.0 * math.cos(aa) - bx + 4.0 * math.cos(ba), ay + 4.0 * math.sin(aa) - by + 4.0 * math.sin(ba))
            assert gap < 0.05
            assert by + 4.0 * math.sin(ba) < 6.0 - 0.3 - 0.65 + 0.2
    assert rows[-1][1] > 2.0, "the bent tip should lie against the wall"


# --- steering -------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_tip_goes_to_the_side_of_the_bend(side):
    state, told = drive(lead_study(), in_canal(), CHOOSE, Command("lead.turn", (TURN[side],)), push(40.0))
    off = last(told, "lead_stopped")["off_right_um"]
    assert (off > 3000) if side == "right" else (off < -3000)
    assert state.lead.inserted_um == 40_000


def test_left_and_right_are_mirror_images():
    left, _ = drive(lead_study(), in_canal(), CHOOSE, push(40.0))
    right, _ = drive(lead_study(), in_canal(), CHOOSE, Command("lead.turn", (180_000,)), push(40.0))
    assert [(x, -y) for x, y in right.lead.nodes] == list(left.lead.nodes)


def test_steering_reverses_when_the_bend_is_turned():
    study = lead_study()
    state, _told = drive(study, in_canal(), CHOOSE, push(30.0))
    across = state.lead.nodes[-1][1]
    on, _ = drive(study, state, push(25.0))
    back, _ = drive(study, state, Command("lead.turn", (180_000,)), push(25.0))
    assert across > 0
    assert on.lead.nodes[-1][1] > across + 30
    assert back.lead.nodes[-1][1] < on.lead.nodes[-1][1] - 60

    def bent(s):
        (ax, ay), (bx, by), (cx, cy) = s.lead.nodes[-3:]
        return (bx - ax) * (cy - by) - (by - ay) * (cx - bx)

    assert bent(on) > 0 > bent(back)


def test_a_bend_out_of_the_sheet_does_not_steer():
    _state, told = drive(lead_study(), in_canal(), CHOOSE, Command("lead.turn", (90_000,)), push(40.0))
    assert abs(last(told, "lead_stopped")["off_right_um"]) <= 100
    assert last(told, "lead_stopped")["face"] == "dorsal"


def test_without_its_stylet_the_tip_is_straight_and_soft():
    study = lead_study()
    state, _ = drive(study, in_canal(), CHOOSE, push(40.0))
    with_stylet = lead.chain_of(study, state.lead)
    drawn = lead.chain_of(study, replace(state.lead, stylet_um=24_000))
    assert with_stylet.ei_n_mm2 == (100.0,) * 4 or with_stylet.ei_n_mm2 == (100.0,) * 5
    assert drawn.ei_n_mm2[-3:] == (20.0,) * 3
    assert drawn.rest_rad[-3:] == (0.0,) * 3 and with_stylet.rest_rad[-1] > 0.05
    state, _ = drive(study, in_canal(), CHOOSE, Command("lead.stylet", (60_000,)), push(40.0))
    assert abs(state.lead.nodes[-1][1]) <= 1


# --- ways out, kinks, loops ------------------------------------------------------------------------


def test_a_lead_driven_to_the_side_leaves_by_the_foramen_and_must_come_back():
    study = lead_study()
    state, told = drive(study, in_canal(), CHOOSE, push(60.0))
    gone = last(told, "lead_left_the_sheet")
    assert (gone["by"], gone["side"], gone["face"]) == ("L4", "left", "ventral")
    state, told = drive(study, state, push(5.0))
    assert kinds(told) == ["refused"]
    state, told = drive(study, state, push(-20.0), push(5.0))
    assert "refused" not in kinds(told)


def test_the_top_of_the_canal_ends_the_way():
    study = lead_study()
    _state, told = drive(study, in_canal(), CHOOSE, Command("lead.turn", (90_000,)), push(130.0))
    assert last(told, "lead_left_the_sheet")["by"] == "top"
    assert last(told, "lead_stopped")["reason"] == "left_the_sheet"


def test_a_soft_catheter_against_an_adhesion_stalls_loops_or_goes_round():
    study = lead_study(adhesions_per_100mm=12.0, seed=5)
    sheet = sheet_of(study)
    assert len(sheet.scars) >= 14
    state, _told = drive(study, in_canal(), Command("lead.choose", (EPIDURAL,)), push(110.0))
    free, _ = drive(lead_study(), in_canal(), Command("lead.choose", (EPIDURAL,)), push(110.0))
    assert state.lead.nodes[-1] != free.lead.nodes[-1]
    assert abs(free.lead.nodes[-1][1]) <= 1


def test_kink_and_loop_are_measured_on_the_nodes():
    ring = tuple((round(100 * math.cos(0.5 * k)), round(100 * math.sin(0.5 * k))) for k in range(8))
    assert lead.sharpest(ring)[1] == pytest.approx(10.0, rel=0.02)
    assert lead.sharpest(((0, 0), (80, 0), (160, 0), (240, 0)))[1] == 1e9
    assert lead._turned_back(ring) >= 0
    assert lead._turned_back(((0, 0), (10, 0), (90, 0), (170, 10))) == -1


def test_pushed_back_on_itself_it_is_said_once():
    study = lead_study()
    state, _ = drive(study, in_canal(), CHOOSE, push(40.0))
    before = state.lead
    curled = replace(before, nodes=((0, 0), (60, 0), (140, 0), (160, 70), (100, 110), (20, 110)))
    out = []
    after = lead._noticed(study, 1, before, curled, out)
    assert after.looped and "lead_looped" in kinds(out)
    out = []
    lead._noticed(study, 2, after, after, out)
    assert "lead_looped" not in kinds(out)


def test_out_is_out():
    state, told = drive(lead_study(), in_canal(), CHOOSE, push(40.0), push(-60.0))
    assert kinds(told)[-1] == "lead_removed"
    assert state.lead.inserted_um == 0 and not state.lead.links and not state.lead.nodes


def test_a_catheter_through_the_dura_is_intrathecal():
    study = lead_study()
    state = in_canal(tip=(0.0, 5.0, -45.0))
    sac = study.phantom.tube_index("sac")
    state = replace(state, needle=replace(state.needle, inside=(sac,), tissue=int(Tissue.CSF)))
    state, told = drive(study, state, Command("lead.choose", (SPINAL,)), push(50.0))
    assert last(told, "lead_inserted")["space"] == "intrathecal"
    tip = lead.nodes_mm(study, state)[-1]
    assert math.hypot(tip[0], tip[1]) < 8.0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"placed": False}, "no needle"),
        ({"stylet": True}, "stylet is in the needle"),
        ({"needle": 1}, "too narrow"),
        ({"tissue": int(Tissue.MUSCLE)}, "not in the canal"),
        ({"tip_direction": np.array([0.0, -1.0, 0.0])}, "too square"),
    ],
)
def test_what_cannot_be_pushed_is_refused(change, why):
    state = in_canal()
    state = replace(state, needle=replace(state.needle, **change))
    state, told = drive(lead_study(), state, CHOOSE, push(10.0))
    assert why in last(told, "refused")["why"]


def test_orders_that_make_no_sense_are_refused():
    study = lead_study()
    assert "no lead" in drive(study, in_canal(), push(10.0))[1][0]["why"]
    assert "there are 5" in drive(study, in_canal(), Command("lead.choose", (63,)))[1][0]["why"]
    assert (
        "no stylet" in drive(study, in_canal(), Command("lead.choose", (CAUDAL,)), Command("lead.stylet", (5000,)))[1][-1]["why"]
    )
    assert "not in the patient" in drive(study, in_canal(), CHOOSE, push(-5.0))[1][-1]["why"]
    assert "still in" in drive(study, in_canal(), CHOOSE, push(20.0), CHOOSE)[1][-1]["why"]


def test_a_chain_that_is_not_finite_seals_the_attempt():
    state, _ = drive(lead_study(), in_canal(), CHOOSE, push(40.0))
    broken = replace(state.lead, moving=True, links=((10**17, 0, 0, 0, 0, 0), *state.lead.links[1:]))
    with pytest.raises(NumericalFault, match="tick 7"):
        lead._solved(lead_study(), 7, broken, 0)


# --- the sheet ------------------------------------------------------------------------------------


@given(st.floats(5.0, 115.0), st.floats(-24.0, 24.0))
def test_the_sheet_maps_there_and_back(along, across):
    sheet = sheet_of(lead_study())
    point = sheet.to_patient(along, across, "intrathecal", 0.5)
    s, u, _, _ = sheet.from_patient(point, np.zeros(3))
    assert s == pytest.approx(along, abs=1e-6)
    assert u == pytest.approx(across, abs=2e-3)


@given(st.floats(-10.0, 10.0), st.floats(-10.0, 10.0))
def test_angles_agree_with_the_library(x, y):
    if math.hypot(x, y) > 1e-6:
        apart = (angle_mdeg(x, y) - math.degrees(math.atan2(y, x)) * 1000.0) % 360_000
        assert min(apart, 360_000 - apart) < 1.5


def test_an_epidural_lead_lies_on_the_dura_and_a_dented_one_clears_the_ligament():
    study = lead_study()
    sheet = sheet_of(study)
    side = sheet.to_patient(60.0, 12.0, "epidural", 0.65)
    assert math.hypot(side[0], side[1]) == pytest.approx(8.65, abs=0.01)


def test_adhesions_belong_to_the_seed():
    one, again, other = (make_sheet(lead_study(8.0, seed)).scars for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_a_patient_without_a_sac_has_no_sheet():
    study = lead_study()
    bare = study_of(replace(study.phantom, tubes=()), study.plan, study.toolbox)
    assert make_sheet(bare) is None
    _, told = drive(bare, in_canal(), CHOOSE, push(10.0))
    assert "not in the canal" in last(told, "refused")["why"]


# --- replay ---------------------------------------------------------------------------------------

STORY = (
    CHOOSE,
    push(35.0),
    Command("lead.turn", (150_000,)),
    push(30.0),
    Command("lead.stylet", (15_000,)),
    push(-12.0),
    push(9.0),
)


def told_story(seed):
    state, events = drive(lead_study(6.0, seed), in_canal(), *STORY)
    return (
        state.digest(),
        tuple((e.tick, e.kind, tuple(sorted((k, str(v)) for k, v in e.data.items()))) for e in events),
        state.lead,
    )


def test_replay_gives_the_same_hash_and_no_error_of_position():
    first, second = told_story(3), told_story(3)
    assert first == second


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_another_process_gives_the_same_hash(hash_seed):
    code = "from tests.test_lead import told_story; print(told_story(3)[0])"
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == told_story(3)[0]


def test_a_state_is_all_there_is():
    """Going on from a state gives the same as never having stopped: nothing is kept outside it."""
    study = lead_study()
    half, _ = drive(study, in_canal(), *STORY[:3])
    again = replace(half, lead=replace(half.lead))
    drive(study, in_canal((0.0, 8.7, -30.0)), CHOOSE, push(20.0))
    one, _ = drive(study, half, *STORY[3:])
    two, _ = drive(study, again, *STORY[3:])
    assert one.lead == two.lead


def test_an_attempt_without_a_lead_keeps_its_digest():
    study = simple_study()
    state, _ = session.begin(study)
    assert state.lead.lead == -1
    rounded = b"|".join(p.quantised(1) for p in (state.carm, state.needle, state.spread, state.patient, state.procedure))
    assert state.digest() == hashlib.sha256((0).to_bytes(8, "little") + state.chain + rounded).hexdigest()
    after, _ = session.advance(study, state)
    assert after.lead is state.lead


@settings(max_examples=6, deadline=None)
@given(
    st.lists(
        st.sampled_from([push(25.0), push(-15.0), Command("lead.turn", (120_000,)), Command("lead.stylet", (20_000,))]),
        max_size=4,
    )
)
def test_any_handling_ends_in_a_bounded_chain(orders):
    study = lead_study(6.0, 2)
    state, _ = drive(study, in_canal(), CHOOSE, push(30.0), *orders)
    nodes = np.array(state.lead.nodes, float) / 10.0
    if len(nodes) > 1:
        gaps = np.sqrt(((nodes[1:] - nodes[:-1]) ** 2).sum(1))
        assert (gaps < 8.3).all()
        assert (np.abs(nodes[:, 1]) < sheet_of(study).half_width_mm + 1.0).all()


# --- the window -----------------------------------------------------------------------------------


def test_the_tray_offers_the_lead_once_a_wide_needle_is_open():
    from tests.test_window import Attempt, Session, play, sent

    study = lead_study()
    asked = Session(study)
    asked.state = replace(asked.state, needle=in_canal().needle)

    def script(robot):
        yield from robot.choose("tray.lead", SCS)
        yield from robot.click("tray.lead+10")
        yield from robot.until(lambda: robot.theatre.state.lead.inserted_um == 10_000, 500)
        yield from robot.click("tray.lead_right")
        yield from robot.click("tray.lead_stylet")
        yield from robot.wait(5)

    window = play(script, attempt=Attempt(asked))
    assert [row[0] for row in sent(window)] == ["lead.choose", "lead.insert", "lead.turn", "lead.stylet"]
    assert window.theatre.state.lead.stylet_um == 20_000


# --- pictures -------------------------------------------------------------------------------------


def test_a_picture_shows_body_stylet_and_eight_contacts():
    study = lead_study()
    state, _ = drive(study, in_canal(), CHOOSE, Command("lead.turn", (90_000,)), push(90.0))
    wires = lead.wires(study, state)
    assert len(wires) == 10
    lengths = [float(np.sqrt((np.diff(w.nodes_mm, axis=0) ** 2).sum(1)).sum()) for w in wires]
    assert lengths[2:] == pytest.approx([3.0] * 8, abs=0.02)
    tips = np.array([w.nodes_mm[0] for w in wires[2:]])
    assert np.sqrt((np.diff(tips, axis=0) ** 2).sum(1)) == pytest.approx([7.0] * 7, abs=0.1)
    assert session.view(study, replace(State(), lead=state.lead)).wires


def test_the_projector_draws_it():
    from sim.projector import line_integrals_60kev
    from sim.scene import make_scene

    study = lead_study()
    state, _ = drive(study, in_canal(), CHOOSE, Command("lead.turn", (90_000,)), push(60.0))
    scene = make_scene(study.phantom)
    with_lead = line_integrals_60kev(scene, session.view(study, state), 256)
    without = line_integrals_60kev(scene, replace(session.view(study, state), wires=()), 256)
    assert (with_lead - without).max() > 0.2
    assert (with_lead - without).min() > -1e-6
