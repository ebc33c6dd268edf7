"""Kinds of needles and what a hand does to them: gauges, tips, bends, stylet, introducer, fingers on the shaft."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from scenarios.toml_file import DATA
from scenarios.toolbox import load_needles
from sim import needle, session
from sim.bending import bending_stiffness
from sim.command import Command
from sim.errors import DataError
from sim.needle_rod import rod_of
from sim.state import NeedleState, State
from tests.make_phantom import simple_study, simple_toolbox, slab_phantom, study_of
from tests.needle_run import begin_with, play

NAMES = tuple(n.name for n in simple_toolbox().needles)
QUINCKE_22, LONG_22, QUINCKE_25, WHITACRE_22 = range(4)


def index(name):
    return NAMES.index(name)


def gel_study(box=None):
    return study_of(slab_phantom(), toolbox=box)


@cache
def in_gel(which, depth_mm, *before, introducers=None):
    """Return the needle at a depth in muscle (k = 3e4 N/m2), after the commands `before` on the tray."""
    box = simple_toolbox() if introducers is None else replace(simple_toolbox(), introducers=introducers)
    study = gel_study(box)
    todo = [Command("needle.choose", (which,)), *before, Command("needle.place", (0, 0, 0, 0))]
    state, events = play(study, [*todo, Command("needle.move", (round(depth_mm * 1000) + 150, 20_000))])
    assert not [e["why"] for e in events if e.kind == "refused"]
    return state.needle


def aside(which, depth_mm, *before, **more):
    return float(in_gel(which, depth_mm, *before, **more).tip_mm[0])


# --- rows of data ---------------------------------------------------------------------------------


def test_gauges_from_11_to_27_and_every_kind_of_tip_are_in_the_tray():
    tools = simple_toolbox().needles
    assert {11, 13, 16, 17, 18, 20, 22, 23, 25, 26, 27} <= {n.gauge for n in tools}
    tips = {"quincke", "whitacre", "sprotte", "tuohy", "chiba", "short_bevel", "rf_cannula", "bone_bevel", "diamond"}
    assert {n.tip for n in tools} == tips
    for n in tools:
        assert n.bores == (n.tip in ("bone_bevel", "diamond"))
        assert 0.0 < n.stylet_diameter_mm < n.inner_diameter_mm < n.outer_diameter_mm


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('gauge = 22\ntip = "quincke"', 'gauge = 9\ntip = "quincke"', "gauge 9 has no"),
        ('tip = "whitacre"', 'tip = "harpoon"', "tip 'harpoon' has no"),
        ('name = "22G Quincke 89 mm"\n', "", "needle"),
    ],
)
def test_a_missing_row_is_named_with_its_file(tmp_path, old, new, said):
    text = (DATA / "needles.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "needles.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError) as failure:
        load_needles(tmp_path)
    assert "needles.toml" in str(failure.value) and said in str(failure.value) and "\n" not in str(failure.value)


# --- published orders -----------------------------------------------------------------------------


def test_pencil_points_bend_less_than_sprotte_less_than_quincke():
    """Sitzman & Uncles 1996, porcine muscle at 20, 40 and 60 mm: order only."""
    for depth in (20.0, 40.0, 60.0):
        at = [aside(index(n), depth) for n in ("22G Whitacre 89 mm", "22G Sprotte 89 mm", "22G Quincke 89 mm")]
        assert at == sorted(at) and at[0] < at[1] < at[2]


def test_a_thinner_needle_of_any_tip_bends_more():
    for tip in ("Quincke", "Whitacre"):
        at = [aside(index(f"{gauge}G {tip} 89 mm"), 60.0) for gauge in (22, 25, 27)]
        assert at[0] < at[1] < at[2]
    gauges = (18, 20, 22, 23, 25, 26, 27)
    at = [aside(index(f"{g}G Quincke 89 mm"), 60.0) for g in gauges]
    assert at == sorted(at)


def test_a_bent_tip_steers_more():
    """Sitzman & Uncles 1996: straight < 5 degrees < 10 degrees of tip bend."""
    at = [aside(QUINCKE_22, 40.0), aside(QUINCKE_22, 40.0, Command("needle.bend", (5_000,)))]
    at.append(aside(QUINCKE_22, 40.0, Command("needle.bend", (10_000,))))
    assert at[0] + 0.5 < at[1] and at[1] + 0.5 < at[2]
    assert aside(index("22G Quincke 89 mm, tip bent 10 deg"), 40.0) == pytest.approx(at[2], abs=0.01)


def test_an_introducer_holds_a_thin_needle_and_a_thicker_one_holds_it_better():
    """Ahn 2002: less deflection through an introducer, thicker is better."""
    thin = simple_toolbox().introducers[0]
    thick = replace(thin, outer_diameter_mm=1.27, inner_diameter_mm=0.838)
    rows = (thin, thick)
    free = aside(QUINCKE_25, 60.0, introducers=rows)
    at = [aside(QUINCKE_25, 60.0, Command("needle.introducer", (i,)), introducers=rows) for i in (0, 1)]
    assert at[1] < at[0] < 0.9 * free


# --- stylet ---------------------------------------------------------------------------------------


def test_the_stylet_stiffens_the_shaft_by_less_than_a_bonded_one():
    study = simple_study()
    for which, tool in enumerate(study.toolbox.needles):
        hollow, full = (rod_of(study, NeedleState(needle=which, stylet=inserted)).ei for inserted in (False, True))
        tube = bending_stiffness(tool.outer_diameter_mm, tool.inner_diameter_mm, tool.young_gpa)
        assert hollow == tube
        assert tube < full < bending_stiffness(tool.outer_diameter_mm, 0.0, tool.young_gpa)
    assert aside(QUINCKE_22, 80.0) == pytest.approx(8.89, abs=0.02)
    assert aside(QUINCKE_22, 80.0, Command("needle.stylet", (0,))) > 8.95


# --- bent tips ------------------------------------------------------------------------------------


def test_a_bent_tip_is_seen_before_it_goes_in_and_turns_with_the_hub():
    study = gel_study()
    state, events = play(study, [Command("needle.choose", (QUINCKE_22,)), Command("needle.bend", (10_000,))])
    assert [e["bend_mdeg"] for e in events if e.kind == "tip_bent"] == [10_000]
    state, _ = play(study, [Command("needle.place", (0, 0, 0, 0))], state)
    nodes = state.needle.nodes_mm
    chord = nodes[-1] - nodes[-2]
    lean = np.degrees(np.arcsin(chord[0] / np.linalg.norm(chord)))
    assert lean == pytest.approx(8.6, abs=0.5)  # mean slope of the last element
    assert state.needle.tip_mm[0] == pytest.approx(0.5 * 10.0 * np.radians(10.0), abs=0.1)
    assert np.abs(nodes[:28, 0]).max() < 1e-9
    state, _ = play(study, [Command("needle.turn", (90_000,))], state)
    around = state.needle.tip_mm - nodes[0]
    assert abs(around[2]) > 0.75 and abs(around[0]) < 1e-6


def test_tips_are_bent_and_introducers_chosen_on_the_tray_only():
    study = gel_study()
    for op in ("needle.bend", "needle.introducer"):
        assert needle.advance(study, State(), Command(op, (1,)))[1][0]["why"] == "no needle is chosen"
        state, _ = play(study, begin_with(QUINCKE_22, 0, 0))
        assert "in the patient" in needle.advance(study, state, Command(op, (1,)))[1][0]["why"]
    state, _ = play(study, [Command("needle.choose", (index("17G Tuohy 89 mm"),))])
    assert "does not go through" in needle.advance(study, state, Command("needle.introducer", (0,)))[1][0]["why"]


# --- fingers --------------------------------------------------------------------------------------


def test_the_shaft_is_straight_between_hub_and_fingers():
    study = gel_study()
    state, _ = play(study, [Command("needle.choose", (QUINCKE_25,)), Command("needle.grip", (20_000,))])
    state, _ = play(study, [Command("needle.place", (0, 0, 0, 0)), Command("needle.move", (40_000, 10_000))], state)
    held = state.needle
    skin = 88.9 - held.depth_mm
    straight = int((skin - 20.0) / (88.9 / 32))
    assert np.abs(held.nodes_mm[: straight + 1, 0]).max() < 2e-3
    assert abs(held.nodes_mm[-1, 0]) > 1.0


def test_fingers_near_the_skin_keep_a_thin_shaft_from_buckling():
    """Euler load 20.19 EI / l^2 of the free length that the user chose."""
    forces = {}
    for free in (15_000, 30_000, 60_000):
        todo = [Command("needle.choose", (QUINCKE_25,)), Command("needle.grip", (free,))]
        todo += [Command("needle.place", (-25_000, 20_000, 0, 0)), Command("needle.move", (60_000, 20_000))]
        _, events = play(simple_study(), todo)
        forces[free] = [e["force_mn"] for e in events if e.kind == "buckling"]
    ei = rod_of(simple_study(), NeedleState(needle=QUINCKE_25)).ei
    assert forces[15_000] == []
    assert forces[30_000] == [pytest.approx(20.19e3 * ei / 30.0**2, rel=0.01)]
    assert forces[60_000][0] < forces[30_000][0]


# --- limits of the hand ---------------------------------------------------------------------------


def test_commands_beyond_the_hand_are_limited_and_recorded():
    study = gel_study()
    state, _ = session.begin(study)
    for command in [*begin_with(QUINCKE_22, 0, 0), Command("needle.move", (30_000, 90_000))]:
        state, events = session.advance(study, state, command)
    told = [e for e in events if e.kind == "clamped"]
    assert [(e["op"], e["asked"], e["done"]) for e in told] == [("needle.move", [30_000, 90_000], [30_000, 20_000])]
    assert state.needle.speed_mm_s == 20.0
    state, events = session.advance(study, state, Command("needle.tap", (9_000,)))
    assert [e["done"] for e in events if e.kind == "clamped"] == [[3_000]]
