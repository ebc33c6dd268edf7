"""Radiofrequency lesion: published growth, exact nerve length, stimulation, the generator from the first command to the last."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.toolbox import load_toolbox
from sim import heat
from sim.command import Command
from sim.heat import _born, thresholds_ua
from sim.lesion import (
    Size,
    active_tip,
    angle_mdeg,
    cosman_size,
    lesion_gap,
    merged,
    nerve_direction,
    nerve_inside,
    small_size,
    spheroid,
    total_um,
)
from sim.session import advance, begin
from tests.make_phantom import simple_study
from tests.make_rf import go_in, play, rf_phantom, rf_study

ROOT = Path(__file__).resolve().parent.parent
BOX = load_toolbox()
GAUGE_MM = {22: 0.718, 20: 0.908, 18: 1.270, 16: 1.651}
TIPS = (5.0, 6.0, 10.0, 15.0)


def width(gauge: int = 18, tip: float = 10.0, celsius: float = 80.0, seconds: float = 120.0) -> float:
    return cosman_size(BOX, GAUGE_MM[gauge], tip, celsius, seconds).width


def within(value: float, name: str) -> bool:
    return BOX.constant(f"lesion.{name}_low") - 1e-9 <= value <= BOX.constant(f"lesion.{name}_high") + 1e-9


# --- published growth -----------------------------------------------------------------------------


@pytest.mark.parametrize("tip", TIPS)
def test_from_22_to_16_gauge_the_width_grows_as_published(tip):
    assert within(width(16, tip) / width(22, tip) - 1.0, "gauge_growth")
    assert 2.99 <= width(16, tip) - width(22, tip) <= 4.01  # "3-4 mm"


@pytest.mark.parametrize("gauge", GAUGE_MM)
@pytest.mark.parametrize("tip", TIPS)
def test_growth_with_temperature_and_time_is_as_published(gauge, tip):
    assert within(width(gauge, tip, 90.0) / width(gauge, tip, 60.0) - 1.0, "growth_60_90")
    assert within(width(gauge, tip) / width(gauge, tip, seconds=60.0) - 1.0, "growth_1_2")
    assert within(width(gauge, tip, seconds=180.0) / width(gauge, tip, seconds=60.0) - 1.0, "growth_1_3")
    assert 1.0 <= cosman_size(BOX, GAUGE_MM[gauge], tip, 80.0, 120.0).length - tip <= 5.0
    first = width(gauge, tip, seconds=60.0)
    assert first > width(gauge, tip, seconds=120.0) - first  # fastest in the first minute


@given(
    st.floats(0.642, 1.651), st.floats(5.0, 15.0), st.floats(60.0, 90.0), st.floats(1.0, 180.0),
    st.floats(0.01, 0.2), st.floats(0.1, 5.0), st.floats(0.5, 10.0), st.floats(1.0, 60.0),
)  # fmt: skip
def test_each_factor_widens_and_lengthens(d, tip, celsius, seconds, dd, dtip, dc, ds):
    here = cosman_size(BOX, d, tip, celsius, seconds)
    for more in (
        cosman_size(BOX, d + dd, tip, celsius, seconds),
        cosman_size(BOX, d, tip + dtip, celsius, seconds),
        cosman_size(BOX, d, tip, celsius + dc, seconds),
    ):
        assert more.width > here.width and more.length > here.length
    later = cosman_size(BOX, d, tip, celsius, seconds + ds)
    assert later.width >= here.width and later.length >= here.length


def test_older_figures_are_smaller_and_end_at_the_tip():
    for d in GAUGE_MM.values():
        small, large = small_size(BOX, d, 10.0, 80.0, 120.0), cosman_size(BOX, d, 10.0, 80.0, 120.0)
        assert BOX.constant("small_lesion.radius_low_mm") <= 0.5 * small.width <= BOX.constant("small_lesion.radius_high_mm")
        assert small.width < large.width
        assert (small.length, small.distal) == (10.0, 0.0)
    assert small_size(BOX, 0.718, 10.0, 80.0, 60.0).width == small_size(BOX, 0.718, 10.0, 80.0, 600.0).width


def test_no_lesion_below_45_degrees_and_settings_outside_the_published_ones_are_marked():
    assert cosman_size(BOX, 0.718, 10.0, 42.0, 120.0) == Size(0.0, 0.0, 0.0, True)
    assert not cosman_size(BOX, 0.718, 10.0, 80.0, 120.0).extrapolated
    assert cosman_size(BOX, 0.718, 10.0, 50.0, 120.0).extrapolated
    assert cosman_size(BOX, 0.718, 10.0, 80.0, 300.0).extrapolated


# --- geometry -------------------------------------------------------------------------------------


def straight(a, b, r=0.5):
    return np.array([[*a, r], [*b, r]], np.float64)


def around(size, proximal=(0.0, 0.0, 5.0), tip=(0.0, 0.0, -5.0)):
    return spheroid(np.array(proximal), np.array(tip), size)


def length_in(s, nodes):
    return sum(b - a for a, b in nerve_inside(s, nodes)[0])


def test_nerve_along_and_across_the_axis():
    s = around(Size(6.0, 12.0, 1.0, False))
    assert length_in(s, straight((0, 0, 30), (0, 0, -30))) == pytest.approx(12.0, abs=1e-12)
    assert length_in(s, straight((-30, 0, 0), (30, 0, 0))) == pytest.approx(6.0, abs=1e-12)
    for off in (0.5, 1.5, 2.9):
        along = 12.0 * math.sqrt(1.0 - (off / 3.0) ** 2)
        assert length_in(s, straight((off, 0, 30), (off, 0, -30))) == pytest.approx(along, abs=1e-12)
        across = 6.0 * math.sqrt(1.0 - (off / 6.0) ** 2)
        assert length_in(s, straight((-30, 0, off), (30, 0, off))) == pytest.approx(across, abs=1e-12)
    assert length_in(s, straight((3.001, 0, 30), (3.001, 0, -30))) == 0.0


def test_whole_thickness_beside_the_axis():
    """A nerve parallel to the axis is wholly inside where its outermost line is (here met by a corner of the octagon)."""
    s = around(Size(6.0, 12.0, 1.0, False))
    r = 0.5
    _, whole = nerve_inside(s, straight((0, 0, 30), (0, 0, -30), r))
    exact = 12.0 * math.sqrt(1.0 - (r / 3.0) ** 2)
    assert exact * 0.99 < whole <= exact  # never more than is true
    assert nerve_inside(s, straight((2.6, 0, 30), (2.6, 0, -30), r))[1] == 0.0


point = st.tuples(*(3 * [st.floats(-9.0, 9.0)]))


@settings(max_examples=60, deadline=None)
@given(st.lists(point, min_size=2, max_size=6), point, st.floats(1.0, 9.0), st.floats(4.0, 16.0))
def test_length_is_that_of_dense_sampling(points, direction, width_mm, length_mm):
    along = np.array(direction) + 1e-3
    along /= np.linalg.norm(along)
    s = spheroid(5.0 * along, -5.0 * along, Size(width_mm, length_mm, 0.5 * (length_mm - 10.0), False))
    nodes = np.array([[*p, 0.4] for p in points], np.float64)
    axis_length = sampled = 0.0
    for a, b in pairwise(nodes):
        n = 2000
        p = a[:3] + (b[:3] - a[:3]) * ((np.arange(n) + 0.5) / n)[:, None] - s[:3]
        u = p @ s[3:6]
        inside = (u / s[6]) ** 2 + ((p * p).sum(axis=1) - u * u) / s[7] ** 2 <= 1.0
        step = float(np.linalg.norm(b[:3] - a[:3]))
        sampled += inside.mean() * step
        axis_length += step
    intervals, whole = nerve_inside(s, nodes)
    exact = sum(b - a for a, b in intervals)
    assert exact == pytest.approx(sampled, abs=2e-3 * axis_length + 1e-9)
    assert 0.0 <= whole <= exact + 1e-9


@given(st.integers(0, 90_000), st.floats(0.1, 50.0))
def test_angle_between_lines(mdeg, scale):
    a = math.radians(mdeg / 1000)
    got = angle_mdeg(np.array([1.0, 0.0, 0.0]), scale * np.array([math.cos(a), -math.sin(a), 0.0]))
    assert abs(got - mdeg) <= 1 + (25 if mdeg < 1000 else 0)  # near 0 the cosine is flat


def test_active_tip_follows_a_bent_shaft():
    nodes = np.array([[0.0, 0.0, 20.0], [0.0, 0.0, 4.0], [3.0, 0.0, 0.0]])
    proximal, tip = active_tip(nodes, 10.0)
    assert proximal == pytest.approx([0.0, 0.0, 9.0])
    assert tip == pytest.approx([3.0, 0.0, 0.0])


def test_direction_of_a_bent_nerve_is_that_of_the_part_beside_the_tip():
    nodes = np.array([[0, 0, 0, 1.0], [10, 0, 0, 1.0], [10, 10, 0, 1.0]], np.float64)
    assert nerve_direction(nodes, np.array([3.0, 1.0, 0.0]), 4.0) == pytest.approx([4.0, 0.0, 0.0])
    assert nerve_direction(nodes, np.array([9.0, 11.0, 0.0]), 4.0) == pytest.approx([0.0, 2.0, 0.0])


def test_gap_between_lesion_and_sac():
    f = rf_phantom().fields
    s = spheroid(np.array([0.0, 25.0, -10.0]), np.array([0.0, 15.0, -10.0]), Size(6.0, 12.0, 1.0, False))
    assert lesion_gap(f, 2, s) == pytest.approx(6.0, abs=1e-9)  # lowest point y = 14, wall at y = 8
    assert lesion_gap(f, 2, s + np.array([0, -8.0, 0, 0, 0, 0, 0, 0])) < 0.0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=12))
def test_union_of_stretches(parts):
    parts = [(min(p), max(p)) for p in parts]
    covered = {i for a, b in parts for i in range(a, b)}
    union = merged(parts)
    assert total_um(union) == len(covered)
    assert all(b < c for (_, b), (c, _) in pairwise(union))


# --- the generator --------------------------------------------------------------------------------


def of_kind(events, kind):
    return [e for e in events if e.kind == kind]


def test_a_lesion_beside_a_parallel_nerve():
    study = rf_study()
    state, told = play(study, [*go_in(study, 35.0), Command("rf.lesion", (80_000, 120_000))])
    made, hit = of_kind(told, "lesion_made")[0], of_kind(told, "nerve_lesioned")[0]
    size = cosman_size(study.toolbox, 0.718, 10.0, 80.0, 120.0)
    assert (made["reason"], made["temperature_mc"], made["time_ms"]) == ("done", 80_000, 120_000)
    assert made["width_um"] == round(size.width * 1000)
    assert made["length_um"] == round(size.length * 1000)
    assert made["nearest_branch"] == hit["name"] == "medial_branch_L4_right"
    assert made["branch_mdeg"] < 3000
    proximal, tip = active_tip(state.needle.nodes_mm, 10.0)
    off = 1.5 - 0.5 * (proximal[0] + tip[0])
    assert made["branch_gap_um"] == pytest.approx(1000 * (1.5 - 0.5 - max(proximal[0], tip[0])), abs=30)
    expected = size.length * math.sqrt(1.0 - (off / (0.5 * size.width)) ** 2)
    assert hit["length_um"] == pytest.approx(1000 * expected, rel=0.03)  # the shaft is not quite straight
    assert 0 < hit["whole_um"] < hit["length_um"]
    assert hit["small_um"] == 0  # 1.1 mm radius does not reach the axis of a nerve 1.5 mm away
    assert state.heat.burnt and not state.heat.heating
    ramp = math.ceil((80.0 - 37.0) / 3.0 * 100)
    assert made.tick - of_kind(told, "lesion_started")[0].tick == pytest.approx(ramp + 12_000, abs=40)
    heated = of_kind(told, "structure_heated")
    assert [e["name"] for e in heated] == ["medial_branch_L4_right"]
    assert ("heat in the back", 4) in [(e["what"], e["grade"]) for e in of_kind(told, "patient_said")]


def test_two_lesions_in_a_row_add_up_to_their_union():
    study = rf_study()
    lesion = Command("rf.lesion", (80_000, 60_000))
    _, told = play(study, [*go_in(study, 35.0), lesion, Command("needle.move", (-5_000, 5_000)), lesion, lesion])
    first, second, third = of_kind(told, "nerve_lesioned")
    assert max(first["length_um"], second["length_um"]) < second["total_um"] < first["length_um"] + second["length_um"]
    assert third["total_um"] == second["total_um"]


def test_moving_removing_and_stopping_end_a_lesion():
    study = rf_study()
    state, _ = play(study, go_in(study, 35.0))
    for command, reason in (
        (Command("needle.move", (-1_000, 5_000)), "moved"),
        (Command("needle.remove"), "disconnected"),
        (Command("needle.stylet", (1,)), "disconnected"),
        (Command("rf.disconnect"), "disconnected"),
        (Command("rf.stop"), "stopped"),
    ):
        now, _ = advance(study, state, Command("rf.lesion", (80_000, 60_000)))
        for _ in range(3000):
            now, _ = advance(study, now)
        assert now.heat.heating
        now, told = advance(study, now, command)
        made = of_kind(told, "lesion_made")[0]
        assert made["reason"] == reason
        assert 0 < made["time_ms"] < 60_000
        assert made["nearest_branch"] == "medial_branch_L4_right"
        assert not now.heat.heating


def test_refusals_say_why():
    study = rf_study()
    state, _ = begin(study)

    def why(*commands):
        return [e["why"] for e in play(study, list(commands), state)[1] if e.kind == "refused"]

    inside = go_in(study, 35.0)
    assert why(Command("rf.connect", (0,))) == ["there is no needle in the patient"]
    assert why(*inside[:3], Command("rf.connect", (0,))) == ["the stylet is in: take it out"]
    assert why(*inside[:4], Command("rf.connect", (5,))) == ["this electrode is for 16G; the needle is 22G"]
    assert why(*inside[:4], Command("rf.connect", (60,))) == [f"there are {len(study.toolbox.electrodes)} electrodes"]
    assert why(*inside[:4], Command("rf.lesion", (80_000, 60_000))) == ["no electrode is connected"]
    assert why(*inside, Command("rf.stop")) == ["the generator does not heat"]
    shallow = [*inside[:2], inside[3], inside[4], Command("rf.stimulate", (50, 500))]
    assert why(*shallow) == ["the tip is not in the patient"]


def test_thresholds_follow_the_published_square_law():
    """0.2 mA touching and 1.0 mA at 2 mm (Steinfeldt 2011), for a nerve of mean excitability."""
    contact, per_mm2 = (BOX.constant(f"stimulation.{n}") for n in ("contact_ma", "per_mm2_ma"))
    assert contact == 0.2
    assert contact + per_mm2 * 2.0**2 == pytest.approx(1.0)
    study = rf_study()
    state, _ = play(study, go_in(study, 35.0))
    found = dict(thresholds_ua(study, state, motor=False))
    proximal, tip = active_tip(state.needle.nodes_mm, 10.0)
    gap = 1.5 - max(proximal[0], tip[0]) - 0.5 - 0.359
    assert found[0] == pytest.approx(1000 * _born(study, 0) * (contact + per_mm2 * gap**2), rel=0.03)
    motor = dict(thresholds_ua(study, state, motor=True))
    assert motor[0] / found[0] == pytest.approx(BOX.constant("stimulation.motor_over_sensory"), rel=0.01)


def test_sensation_and_twitch_by_frequency_current_and_nerve():
    study = rf_study()
    state, _ = play(study, go_in(study, 35.0))
    limit = dict(thresholds_ua(study, state, motor=False))[0]

    def answer(hertz, current):
        return of_kind(advance(study, state, Command("rf.stimulate", (hertz, current)))[1], "stimulated")[0]

    assert answer(50, limit - 1)["felt"] == ""
    assert (answer(50, limit)["felt"], answer(50, limit)["twitch"]) == ("back", "")
    twitch = dict(thresholds_ua(study, state, motor=True))[0]
    assert answer(2, twitch - 1)["twitch"] == ""
    assert (answer(2, twitch)["felt"], answer(2, twitch)["twitch"]) == ("", "multifidus")
    deep, _ = play(study, [Command("needle.move", (19_000, 20_000))], state)
    both = of_kind(advance(study, deep, Command("rf.stimulate", (2, 10_000)))[1], "stimulated")[0]
    assert both["twitch"] == "leg"  # the back twitches too; the leg is what counts
    told = advance(study, state, Command("rf.stimulate", (50, 3 * limit)))[1]
    assert [(e["what"], e["grade"]) for e in of_kind(told, "patient_said")] == [("tingling in the back", 5)]


def test_thresholds_of_many_nerves_keep_the_published_spread():
    drawn = np.array([_born(rf_study(seed), 0) for seed in range(500)])
    assert drawn.mean() == pytest.approx(1.0, abs=0.06)
    assert drawn.min() >= BOX.constant("stimulation.spread_least")
    assert 0.25 < drawn.std() < 0.36


def test_a_lesion_at_the_ganglion_burns():
    study = rf_study()
    commands = go_in(study, 55.0)
    commands[1] = Command("needle.place", (-9_000, 19_000, 0, 0))
    _, told = play(study, [*commands, Command("rf.lesion", (80_000, 60_000))])
    assert of_kind(told, "structure_heated")[0]["kind"] == "ganglion"
    assert ("burning in the leg", "L4", 9) in [(e["what"], e["dermatome"], e["grade"]) for e in of_kind(told, "patient_said")]
    hit = of_kind(told, "nerve_lesioned")[0]
    assert hit["kind"] == "ganglion" and hit["length_um"] > 0


def test_a_lesion_at_the_sac_is_told():
    study = rf_study()
    commands = go_in(study, 51.9)
    commands[1] = Command("needle.place", (0, 0, 0, 0))
    _, told = play(study, [*commands, Command("rf.lesion", (80_000, 60_000))])
    assert of_kind(told, "sac_heated")[0]["gap_um"] < 0


def test_a_generator_that_is_not_used_changes_nothing():
    study = simple_study()
    state, _ = begin(study)
    assert state.heat.quantised(1) == b""
    part, told = heat.advance(study, state, Command("idle"))
    assert part is state.heat and told == []
    assert replace(state, heat=replace(state.heat, lesions=1)).digest() != state.digest()


def test_limits_are_clamped_and_recorded():
    study = rf_study()
    state, _ = play(study, go_in(study, 35.0))
    _, told = advance(study, state, Command("rf.lesion", (300_000, 120_000)))
    assert (told[0].kind, told[0]["done"]) == ("clamped", [95_000, 120_000])


def digest_of_run() -> str:
    """Return SHA-256 over the events of a run with stimulation and a lesion."""
    study = rf_study()
    state, told = play(study, [*go_in(study, 35.0), Command("rf.stimulate", (50, 700)), Command("rf.lesion", (80_000, 10_000))])
    return hashlib.sha256(repr(([(e.tick, e.kind, dict(e.data)) for e in told], state.digest())).encode()).hexdigest()


def digest_of_geometry() -> str:
    """Return SHA-256 over the exact bits of lesions near nerves."""
    total, fields = hashlib.sha256(), rf_phantom().fields
    for k in range(40):
        tip = np.array([0.1 * k, 3.0, -0.05 * k])
        s = spheroid(tip + np.array([0.3 * k, 10.0, 1.0]), tip, cosman_size(BOX, 0.908, 10.0, 60.0 + k, 30.0 + k))
        for t, part in enumerate(rf_phantom().tubes):
            inside, whole = nerve_inside(s, part.nodes)
            total.update(inside.tobytes() + repr((float(whole), float(lesion_gap(fields, t, s)))).encode())
            total.update(repr(angle_mdeg(s[3:6], nerve_direction(part.nodes, s[:3], 8.0))).encode())
    return total.hexdigest()


@pytest.mark.parametrize(
    ("digest", "environment"),
    [
        (digest_of_run, {"NUMBA_DISABLE_JIT": "1"}),
        (digest_of_geometry, {"NUMBA_DISABLE_JIT": "1"}),
        (digest_of_geometry, {"NUMBA_CPU_NAME": "generic"}),
    ],
)
def test_same_bits_interpreted_and_for_another_cpu(digest, environment):
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.test_lesion import {digest.__name__} as d; print(d())"],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | environment, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == digest(), done.stderr[-2000:]
