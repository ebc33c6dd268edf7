"""The C-arm engine: motion, exposures, dose, and what an exposure can be said to show."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.beam_tables import load_carm
from sim import beam_field, carm, exposure
from sim.beam_field import square_mdeg
from sim.command import IDLE, Command
from sim.frames import dot, gantry, turned_to_deg
from sim.phantom import LabelVolume, Tissue
from sim.scatter import spr_at
from sim.state import CArmState, PatientState, State, Study
from tests.make_phantom import simple_plan, simple_study, simple_toolbox, slab_phantom, study_of


def trunk_study(half_ap_mm: int = 120, half_side_mm: int = 170) -> Study:
    """Return a study of a plain muscle trunk (2 mm labels), with the real C-arm."""
    n = (2 * half_side_mm // 2, 2 * half_ap_mm // 2, 100)
    volume = LabelVolume(np.full(n, int(Tissue.MUSCLE), np.uint8), np.array([1.0 - half_side_mm, 1.0 - half_ap_mm, -99.0]), 2.0)
    phantom = replace(slab_phantom(), volume=volume)
    return study_of(phantom, simple_plan(), replace(simple_toolbox(), carm=load_carm()))


STUDY = trunk_study()


def run(study: Study, *commands: Command | int, state: State | None = None):
    """Obey commands one per tick (a number: so many idle ticks); return the last state and all events."""
    if state is None:
        state = State(carm=carm.begin(study))
    events = []
    for item in commands:
        for command in [IDLE] * item if isinstance(item, int) else [item]:
            state = replace(state, tick=state.tick + 1)
            part, new = carm.advance(study, state, command)
            state = replace(state, carm=part)
            events += new
    return state, events


SHOT = Command("xray.shot")
DOWN, UP = Command("xray.pedal", (1,)), Command("xray.pedal", (0,))


def centred(study: Study, *commands: Command | int):
    """Run with the C-arm at the origin."""
    return run(study, *commands, state=State(carm=CArmState()))


# ---------------------------------------------------------------- motion


def test_nothing_changes_without_a_reason():
    state = State(carm=carm.begin(STUDY))
    part, events = carm.advance(STUDY, state, IDLE)
    assert part is state.carm and events == []
    part, _ = carm.advance(STUDY, state, Command("needle.stylet", (1,)))
    assert part is state.carm


def test_it_moves_at_its_speed_and_arrives_exactly():
    speed = STUDY.toolbox.carm.angle_speed_mdeg_s // 100
    state, _ = run(STUDY, Command("carm.to", (-25_003, 7_001)))
    assert state.carm.primary_mdeg == 0  # obeyed after the move of its tick
    state, _ = run(STUDY, 10, state=state)
    assert state.carm.primary_mdeg == -10 * speed and state.carm.secondary_mdeg == 10 * speed
    state, _ = run(STUDY, 400, state=state)
    assert (state.carm.primary_mdeg, state.carm.secondary_mdeg) == (-25_003, 7_001)
    state, _ = run(STUDY, Command("carm.centre", (10_001, -20_000, 30_000)), 400, state=state)
    assert state.carm.centre_um == (10_001, -20_000, 30_000)


@given(st.lists(st.tuples(st.integers(-110_000, 110_000), st.integers(-45_000, 45_000)), max_size=4))
def test_motion_never_overshoots(goals):
    state, speed = State(carm=carm.begin(STUDY)), STUDY.toolbox.carm.angle_speed_mdeg_s // 100
    for goal in goals:
        before = state.carm
        state, _ = run(STUDY, Command("carm.to", goal), 20, state=state)
        now = state.carm
        for a, b, target in zip(
            (before.primary_mdeg, before.secondary_mdeg), (now.primary_mdeg, now.secondary_mdeg), goal, strict=True
        ):
            assert abs(b - a) <= 21 * speed
            assert abs(target - b) <= abs(target - a) + speed


def test_swivel_turns_the_whole_c_about_the_vertical():
    """A lateral's beam is tilted by it, a beam from above is turned about itself; lengths and the square angle stay true."""
    for degrees in (-10, 4, 10):
        s, c = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
        turned, level = gantry(90_000, 0, degrees * 1000), gantry(90_000, degrees * 1000)
        assert turned.normal == pytest.approx([c, 0, s]) and level.normal == pytest.approx([c, 0, s])
        above = gantry(0, 0, degrees * 1000)
        assert above.normal == pytest.approx([0, 1, 0]) and above.right == pytest.approx([-c, 0, -s])
        for axes in (gantry(37_000, -21_000, degrees * 1000), above):
            rows = np.stack([axes.right, axes.up, axes.normal])
            assert rows @ rows.T == pytest.approx(np.eye(3), abs=1e-12) and np.linalg.det(rows) == pytest.approx(1.0)
        assert square_mdeg(90_000, 0, np.array([0.0, 0.0, 1.0]), degrees * 1000) == abs(degrees) * 1000
        primary, secondary = turned_to_deg(gantry(30_000, 10_000).normal)
        assert (primary, secondary) == pytest.approx((30.0, 10.0))


def test_swivel_moves_at_its_speed_within_its_limits_and_is_told():
    speed = STUDY.toolbox.carm.angle_speed_mdeg_s // 100
    state, _ = run(STUDY, Command("carm.swivel", (6_000,)), 1)
    assert state.carm.swivel_mdeg == speed
    state, _ = run(STUDY, 400, state=state)
    assert state.carm.swivel_mdeg == 6_000 and state.carm.primary_mdeg == 0
    assert carm.view(STUDY, state).pose.right == pytest.approx(gantry(0, 0, 6_000).right)
    _, (fact,) = run(STUDY, SHOT, state=state)
    assert fact["swivel_mdeg"] == 6_000 and fact["view"] == "ap"
    assert Command("carm.swivel", (45_000,)).clamped().args == (10_000,)


def test_an_unused_swivel_leaves_no_trace():
    """Digests and events of attempts from before it stay what they were."""
    state, (fact,) = centred(STUDY, SHOT)
    assert "swivel_mdeg" not in fact.data
    names = [n for n in state.carm.__dataclass_fields__ if not n.startswith("swivel")]
    assert state.carm.quantised(1) == repr(tuple(getattr(state.carm, n) for n in names)).encode()
    assert replace(state.carm, swivel_mdeg=1).quantised(1) != state.carm.quantised(1)


def test_a_patient_in_great_pain_moves_in_the_picture_and_lies_down_again():
    """Pictures only: there and back within the time of carm.toml, away from the side that hurts, not below the core's limit."""
    cry = PatientState(pain=8, said_tick=100, said_side="right")
    tools = replace(STUDY.toolbox, constants={**STUDY.toolbox.constants, "patient.moves_from": 7.0})
    study, long = replace(STUDY, toolbox=tools), load_carm().flinch_ms // 10

    def motion(tick: int, patient: PatientState = cry) -> np.ndarray:
        return carm.view(study, replace(State(carm=carm.begin(study)), tick=tick, patient=patient)).patient_mm

    assert np.linalg.norm(motion(100 + long // 2)) == pytest.approx(load_carm().flinch_mm, rel=0.01)
    assert motion(100 + long // 2)[0] > 0 > motion(100 + long // 2, replace(cry, said_side="left"))[0]
    for still in (motion(99), motion(100 + long), motion(100 + long // 2, replace(cry, pain=6))):
        assert not still.any()


# ---------------------------------------------------------------- exposures


def test_a_shot_is_one_picture_and_one_event():
    state, events = centred(STUDY, SHOT)
    (fact,) = events
    assert fact.kind == "exposed" and fact["mode"] == "shot" and fact["pulses"] == 1
    assert state.carm.pictures == 1 and state.carm.last_picture_tick == state.tick and state.carm.beam == ""
    assert fact["view"] == "ap" and fact["dap_pgy_m2"] == state.carm.dap_pgy_m2 > 0
    assert fact["duration_ms"] == STUDY.toolbox.carm.shot_pulses * 125 == state.carm.beam_on_ms


def test_a_live_run_pulses_at_its_rate_and_is_one_event_at_its_end():
    state, events = centred(STUDY, Command("carm.pulse_rate", (80,)), DOWN, 199)
    assert events == [] and state.carm.beam == "live"
    state, events = run(STUDY, UP, state=state)
    (fact,) = events
    assert fact["mode"] == "live" and fact["pulses"] == 16 and fact["duration_ms"] == 2000
    assert state.carm.beam_on_ms == 2000 and state.carm.pictures == 16
    assert fact["mas_x1000"] == 16 * state.carm.mas_x1000


@pytest.mark.parametrize("rate", [10, 33, 75, 80, 150])
def test_pulses_follow_the_rate(rate):
    _, events = centred(STUDY, Command("carm.pulse_rate", (rate,)), DOWN, 999, UP)
    assert events[0]["pulses"] in (rate, rate + 1)


def test_finishing_with_the_pedal_down_ends_the_run():
    state, events = centred(STUDY, DOWN, 9, Command("finish"))
    assert [e.kind for e in events] == ["exposed"] and state.carm.beam == ""


def test_the_beam_serves_one_pedal_at_a_time():
    state, events = centred(STUDY, DOWN, Command("xray.dsa", (1,)), SHOT, Command("xray.dsa", (0,)), DOWN)
    assert [e.kind for e in events] == ["refused", "refused"] and state.carm.beam == "live"
    _, events = centred(STUDY, UP, Command("xray.dsa", (0,)))
    assert events == []


def test_storing_needs_a_picture():
    _, events = centred(STUDY, Command("image.store"), SHOT, Command("image.store"))
    assert [e.kind for e in events] == ["refused", "exposed", "image_stored"]


def test_subtraction_pulses_are_stronger():
    _, live = centred(STUDY, DOWN, 99, UP)
    _, dsa = centred(STUDY, Command("xray.dsa", (1,)), 99, Command("xray.dsa", (0,)))
    assert dsa[0]["mode"] == "dsa" and dsa[0]["pulses"] == 3
    per_pulse = [e["dap_pgy_m2"] / e["pulses"] for e in (live[0], dsa[0])]
    assert per_pulse[1] / per_pulse[0] == pytest.approx(STUDY.toolbox.carm.dsa_dose_factor, rel=0.01)


# ---------------------------------------------------------------- automatic exposure and dose


def test_thickness_is_that_of_the_trunk():
    factor = STUDY.toolbox.carm.water_equivalent[Tissue.MUSCLE]
    flat = exposure.water_mm(STUDY, CArmState())
    assert flat == pytest.approx(240 * factor, rel=0.01)  # rays up to 5 degrees aslant
    side = exposure.water_mm(STUDY, CArmState(primary_mdeg=90_000))
    assert side == pytest.approx(340 * factor, rel=0.02)
    assert exposure.water_mm(STUDY, CArmState(centre_um=(0, 0, 100_000))) == pytest.approx(flat, rel=0.01)  # the body goes on


def test_curve_is_followed_and_rounded():
    c = STUDY.toolbox.carm
    kvp, mas = exposure.technique(STUDY, CArmState())
    mm = exposure.water_mm(STUDY, CArmState())
    assert kvp == pytest.approx(10 * np.interp(mm, c.curve_thickness_mm, c.curve_kvp), abs=0.51)
    assert mas == pytest.approx(1000 * np.interp(mm, c.curve_thickness_mm, c.curve_mas), abs=0.51)
    assert exposure.technique(STUDY, CArmState(beam="shot"))[1] == pytest.approx(c.shot_pulses * mas, rel=0.02)


def received(state: CArmState) -> float:
    """Return the receptor kerma behind the grid, over that of the primary alone: 1 + scatter over primary."""
    c = STUDY.toolbox.carm
    side = c.detector_mm[state.magnification]
    radius = float(np.sqrt(side * side * state.half_width_permille * state.half_height_permille / 1e6 / np.pi))
    return 1.0 + spr_at(c.scatter, exposure.water_mm(STUDY, state), radius, True)


def test_a_smaller_field_scatters_less_and_the_control_makes_up_for_it():
    """Receptor kerma stays: mAs times (1 + scatter over primary) is what the target asks for."""
    full = CArmState()
    mas = exposure.technique(STUDY, full)[1]
    for state, target in (
        (CArmState(half_width_permille=450, half_height_permille=550), 1.0),
        (CArmState(half_width_permille=100, half_height_permille=100), 1.0),
        (CArmState(magnification=2), 2.0),
    ):
        assert exposure.technique(STUDY, state)[1] * received(state) == pytest.approx(mas * target * received(full), rel=0.02)
    assert 1.1 < exposure.technique(STUDY, CArmState(half_width_permille=450, half_height_permille=550))[1] / mas < 1.5


def test_the_iris_cuts_field_dose_and_what_is_seen():
    c = STUDY.toolbox.carm
    assert exposure.dose(c, CArmState(iris_permille=1415), 800, 1000) == exposure.dose(c, CArmState(), 800, 1000)
    round_field = exposure.dose(c, CArmState(iris_permille=600), 800, 1000)[0]
    assert round_field == pytest.approx(exposure.dose(c, CArmState(), 800, 1000)[0] * np.pi * 0.36 / 4, rel=1e-3)
    both = CArmState(iris_permille=600, half_width_permille=500)
    wedge = 0.5 * np.sqrt(0.11) + 0.36 * np.arcsin(0.5 / 0.6)  # rectangle half 0.5 in a disc 0.6: a quarter, twice
    assert exposure.dose(c, both, 800, 1000)[0] == pytest.approx(
        exposure.dose(c, CArmState(), 800, 1000)[0] * wedge / 2, rel=1e-3
    )
    study = replace(STUDY, plan=replace(STUDY.plan, field_landmarks={"middle": np.zeros(3), "corner": np.array([80.0, 0, 80.0])}))
    _, (fact,) = centred(study, SHOT)
    assert fact["in_field"] == ["middle", "corner"]
    state, (fact,) = centred(study, Command("carm.iris", (900,)), SHOT)
    assert fact["in_field"] == ["middle"] and fact["field_permille"] == pytest.approx(250 * np.pi * 0.81, abs=2)
    assert carm.view(study, state).iris == 0.9


def test_boost_doubles_dose_and_limit():
    mas = exposure.technique(STUDY, CArmState())[1]
    assert exposure.technique(STUDY, CArmState(boost=True))[1] == pytest.approx(2 * mas, abs=2)
    assert exposure.technique(STUDY, CArmState(boost=True, beam="dsa"))[1] == exposure.technique(STUDY, CArmState(beam="dsa"))[1]
    huge = trunk_study(half_ap_mm=260)
    state, _ = centred(huge, Command("carm.pulse_rate", (150,)), Command("carm.boost", (1,)), DOWN, 999, UP)
    assert state.carm.kerma_ngy / 1e6 * 6.0 == pytest.approx(176.0, rel=0.01)


def test_dose_is_output_times_area_and_inverse_square():
    """DAP = Y mAs A_1m; 1 uGy m2 = 1 cGy cm2 = 1e6 pGy m2. K_ref = Y mAs (1000 / 700)^2."""
    c = STUDY.toolbox.carm
    dap, kerma = exposure.dose(c, CArmState(), 800, 1000)
    output = 35.755  # uGy per mAs at 1 m, 80 kVp
    assert dap == pytest.approx(output * 0.3 * 0.3 * 1e6, rel=1e-3)
    assert kerma == pytest.approx(output * 1000 * (1000 / 700) ** 2, rel=1e-3)
    half, same = exposure.dose(c, CArmState(half_width_permille=500), 800, 1000)
    assert half == pytest.approx(dap / 2, rel=1e-6) and same == kerma


def test_dose_rates_are_of_the_published_order():
    """Lumbar TFESI: 216 cGy cm2 in 30 s (Cushman 2016) = 430 per minute; ours for an average trunk within a factor two."""
    state, _ = centred(STUDY, DOWN, 5999, UP)
    assert 215 < state.carm.dap_pgy_m2 / 1e6 < 860
    assert 5 < state.carm.kerma_ngy / 1e6 < 40  # mGy per minute: Manchikanti 8 (thin) to 40 (BMI > 40)


def test_lateral_and_thick_patients_cost_more():
    _, (ap,) = centred(STUDY, SHOT)
    _, (lateral,) = run(STUDY, SHOT, state=State(carm=CArmState(primary_mdeg=90_000, primary_target_mdeg=90_000)))
    _, (thick,) = centred(trunk_study(half_ap_mm=150), SHOT)
    assert 2.0 < lateral["dap_pgy_m2"] / ap["dap_pgy_m2"] < 8.0
    assert 1.4 < thick["dap_pgy_m2"] / ap["dap_pgy_m2"] < 3.5


def test_the_legal_rate_is_never_passed():
    huge = trunk_study(half_ap_mm=260)
    state, _ = centred(huge, Command("carm.pulse_rate", (150,)), DOWN, 999, UP)
    per_min = state.carm.kerma_ngy / 1e6 * 6.0
    assert per_min == pytest.approx(88.0, rel=0.01)


# ---------------------------------------------------------------- what a picture shows


@pytest.mark.parametrize(
    ("primary", "secondary", "name"),
    [
        (0, 0, "ap"), (10_000, -20_000, "ap"), (0, 21_000, "other"), (10_001, 0, "oblique_left"),
        (-25_000, 30_000, "oblique_right"),
        (75_000, 0, "lateral"), (-105_000, 0, "lateral"), (74_999, 0, "oblique_left"), (106_000, 0, "other"),
    ],
)  # fmt: skip
def test_views_have_names(primary, secondary, name):
    assert beam_field.view_name(primary, secondary) == name


@given(st.integers(-110_000, 110_000), st.integers(-45_000, 45_000), st.integers(-30_000, 30_000))
def test_square_angle_is_the_arcsine(primary, secondary, tilt):
    normal = np.array([0.1, np.sin(np.radians(tilt / 1000)), np.cos(np.radians(tilt / 1000))])
    sine = abs(dot(gantry(primary, secondary).normal, normal / np.sqrt(dot(normal, normal))))
    exact = np.degrees(np.arcsin(min(1.0, sine))) * 1000
    assert abs(beam_field.square_mdeg(primary, secondary, normal) - exact) <= 1.5 or exact > 89_000


def test_squared_is_zero():
    tilt = 12_345
    normal = np.array([0.0, -np.sin(np.radians(tilt / 1000)), np.cos(np.radians(tilt / 1000))])
    assert beam_field.square_mdeg(0, tilt, normal) <= 1
    assert beam_field.square_mdeg(0, tilt + 5_000, normal) == pytest.approx(5_000, abs=2)


def test_field_holds_what_is_projected_into_it():
    marks = {"here": np.zeros(3), "left": np.array([60.0, 0, 0]), "up": np.array([0, 0, 100.0])}
    study = replace(STUDY, plan=replace(STUDY.plan, field_landmarks=marks))
    _, (fact,) = centred(study, SHOT)
    assert fact["in_field"] == ["here", "left", "up"] and fact["field_permille"] == 1000
    _, (fact,) = centred(study, Command("carm.collimate", (500, 1000)), SHOT)
    assert fact["in_field"] == ["here", "up"] and fact["field_permille"] == 500
    _, (fact,) = centred(study, Command("carm.magnify", (2,)), SHOT)
    assert fact["in_field"] == ["here"]


def injected(state: State, points=(), given=0.0, flowing=False, agent=0) -> State:
    contrast = np.array(points, np.float32).reshape(-1, 4)
    return replace(state, spread=replace(state.spread, contrast_points=contrast, given_ul=given, flowing=flowing, agent=agent))


def test_needle_and_contrast_in_the_field_at_any_pulse_of_the_run():
    start = State(carm=CArmState())
    with_needle = replace(start, needle=replace(start.needle, placed=True, tip_mm=np.array([5.0, 10.0, 5.0])))
    _, (fact,) = run(STUDY, SHOT, state=with_needle)
    assert fact["needle_in_field"] and not fact["contrast_in_field"]
    away = replace(start, needle=replace(start.needle, placed=True, tip_mm=np.array([150.0, 10.0, 5.0])))
    assert not run(STUDY, SHOT, state=away)[1][0]["needle_in_field"]
    # contrast flows for a while, then is washed out before the pedal is released
    state, _ = run(STUDY, DOWN, 20, state=start)
    state, _ = run(STUDY, 20, state=injected(state, [[0, 0, 0, 1.0], [1, 0, 0, 1.0]]))
    _, (fact,) = run(STUDY, 20, UP, state=injected(state))
    assert fact["contrast_in_field"]


def test_volume_injected_during_the_run():
    start = State(carm=CArmState())
    kind = STUDY.toolbox.agents[0].kind
    state, _ = run(STUDY, DOWN, state=injected(start, given=300.0, flowing=True))
    for volume in (310.0, 320.5, 331.0):
        state, _ = run(STUDY, 1, state=injected(state, given=volume, flowing=True))
    state, _ = run(STUDY, 1, state=injected(state, given=331.0))  # stopped
    state, _ = run(STUDY, 1, state=injected(state, given=2.0, flowing=True))  # another injection
    _, (fact,) = run(STUDY, UP, state=injected(state, given=4.25, flowing=True))
    assert fact["injected_ul"] == 35 and fact["while_injecting"] == kind
    _, (fact,) = run(STUDY, DOWN, 5, UP, state=injected(start, given=300.0))
    assert fact["injected_ul"] == 0 and fact["while_injecting"] == ""


# ---------------------------------------------------------------- the view


def test_view_of_a_pulse_carries_its_technique():
    state, (fact,) = centred(STUDY, SHOT)
    now = carm.view(STUDY, state)
    assert (now.kvp, now.mas) == (fact["kvp_x10"] / 10, fact["mas_x1000"] / 1000)
    assert now.noise_key == (STUDY.seed, 1) and not now.live
    assert np.allclose(now.pose.source_mm, [0, -STUDY.toolbox.carm.sod_mm, 0])
    later, _ = run(STUDY, 5, state=state)
    assert carm.view(STUDY, later).mas < now.mas  # a live pulse now would be weaker than the shot was


def test_view_shows_the_needle_hollow_without_stylet():
    state = State(carm=CArmState())
    tool = STUDY.toolbox.needles[0]
    inside = replace(state, needle=replace(state.needle, needle=0, placed=True, nodes_mm=np.ones((33, 3))))
    assert carm.view(STUDY, inside).needle_inner_mm == 0.0
    out = replace(inside, needle=replace(inside.needle, stylet=False))
    now = carm.view(STUDY, out)
    assert (now.needle_outer_mm, now.needle_inner_mm) == (tool.outer_diameter_mm, tool.inner_diameter_mm)
    assert len(carm.view(STUDY, state).needle_mm) == 0


def test_the_patient_rises_with_the_breath_and_gives_way_under_a_needle_on_bone():
    machine = replace(STUDY.toolbox.carm, spine_breath_mm=1.3, spine_n_per_mm=15.0)
    study = replace(STUDY, toolbox=replace(STUDY.toolbox, carm=machine))
    rest = State(carm=CArmState())
    full = replace(rest, patient=replace(rest.patient, breath_phase_permille=500))
    assert (carm.view(study, rest).patient_mm == 0.0).all()
    assert np.allclose(carm.view(study, full).patient_mm, [0.0, 1.3, 0.0])
    held = replace(full, carm=replace(full.carm, beam="dsa"))
    assert (carm.view(study, held).patient_mm == 0.0).all()
    pressed = replace(rest.needle, needle=0, placed=True, bone=0, force_n=9.0, tip_direction=np.array([0.0, -1.0, 0.0]))
    assert np.allclose(carm.view(study, replace(rest, needle=pressed)).patient_mm, [0.0, -0.6, 0.0])
    free = replace(pressed, bone=-1)
    assert (carm.view(study, replace(rest, needle=free)).patient_mm == 0.0).all()


# ---------------------------------------------------------------- the same everywhere

TOUR = (
    Command("carm.to", (-33_333, 12_345)), 150, SHOT, Command("carm.collimate", (437, 611)), Command("carm.iris", (600,)),
    DOWN, 77, UP,
    Command("carm.centre", (-17_001, 4_003, 35_000)), 30, Command("xray.dsa", (1,)), 55, Command("xray.dsa", (0,)),
)  # fmt: skip


def tour_digest() -> str:
    """Return what a tour over the synthetic patient leaves behind."""
    study = replace(simple_study(), toolbox=replace(simple_study().toolbox, carm=load_carm()))
    state, events = run(study, *TOUR)
    return state.digest() + "/" + ";".join(str(sorted(e.data.items())) for e in events)


def test_interpreted_and_compiled_agree_to_the_last_bit():
    code = "from tests.test_carm import tour_digest; print(tour_digest())"
    there = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert there.returncode == 0, there.stderr
    assert there.stdout.strip() == tour_digest()
