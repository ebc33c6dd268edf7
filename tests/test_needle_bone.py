"""Contact: nothing dips into bone between nodes, no wall is jumped, mallet and drill take a bone needle through bone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim import needle
from sim.command import Command
from sim.needle_rod import rod_of, rows_of
from sim.phantom import Tissue, TubeKind
from sim.state import NeedleState
from tests.make_phantom import box_bone, simple_study, simple_toolbox, slab_phantom, study_of, tube
from tests.needle_run import begin_with, play
from tests.needle_walks import Tally, crowded_study, deepest_in_bone, walk

NAMES = tuple(n.name for n in simple_toolbox().needles)
WHITACRE_22 = 3
DIAMOND_11 = NAMES.index("11G bone needle 125 mm, diamond")
DIAMOND_13 = NAMES.index("13G bone needle 125 mm, diamond")


def kinds(events, kind):
    return [e for e in events if e.kind == kind]


# --- random walks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, pytest.param(100, marks=pytest.mark.slow)])
def test_random_needles_enter_no_bone_and_miss_no_wall(seed):
    """A sample of scripts/check_needle.py."""
    tally = Tally()
    for s in range(seed, seed + (8 if seed == 0 else 24)):
        walk(crowded_study(), s, tally)
    assert tally.faults == []
    assert tally.deepest_mm > -0.1
    assert tally.advances >= 40 and tally.crossings > 0


def test_a_wedged_bone_needle_is_drawn_back_without_entering_bone():
    """A thick needle levered under the edge of a bone and withdrawn: once its tip sprang 0.84 mm into the bone."""
    tally = Tally()
    walk(crowded_study(), 79, tally)
    assert tally.faults == []
    assert tally.deepest_mm > -0.1


def test_a_sharp_edge_between_two_nodes_is_met():
    """A plate of 1.2 mm across the way of a shaft that is levered against its edge."""
    plate = box_bone("plate", (10.6, 45.0, 0.0), (10.0, 0.6, 12.0), spacing=0.25)
    study = study_of(slab_phantom(bones=(plate,)))
    for depth in (45.0, 46.0, 47.0):
        todo = [*begin_with(WHITACRE_22, 0, 0), Command("needle.move", (round(depth * 1000), 20_000))]
        state, _ = play(study, [*todo, Command("needle.tilt", (-14_000, 0))])
        gap = deepest_in_bone(study.phantom.fields, state.needle.nodes_mm, 0, 0.05)
        assert -0.05 < gap < 0.45, depth  # its axis; it leans on the edge with its radius of 0.36


@pytest.mark.parametrize("speed", [100, 5_000, 20_000])
def test_a_thin_dura_and_a_small_artery_are_crossed_once_and_in_order(speed):
    """Walls 0.3 mm apart and an artery of 1 mm, at the slowest and the fastest legal speed."""
    walls = [
        tube(f"wall {i}", TubeKind.SAC, [(-30.0, y, 0.0, r), (30.0, y, 0.0, r)])
        for i, (y, r) in enumerate(((40.0, 8.0), (40.0, 7.7)))
    ]
    artery = tube("artery", TubeKind.ARTERY, [(0.0, 25.0, -30.0, 0.5), (0.0, 25.0, 30.0, 0.5)])
    study = study_of(slab_phantom(tubes=(*walls, artery)))
    start = [*begin_with(WHITACRE_22, 0, 0), Command("needle.move", (10_000, 20_000))]
    state, _ = play(study, start)
    state, events = play(study, [Command("needle.move", (5_000, speed))], state, 60_000)
    state, more = play(study, [Command("needle.move", (26_000, max(speed, 5_000)))], state, 60_000)
    told = [(e.kind.split("_")[1], e["name"]) for e in events + more if e.kind in ("structure_entered", "structure_left")]
    assert told == [
        ("entered", "wall 0"), ("entered", "wall 1"), ("left", "wall 1"), ("left", "wall 0"),
        ("entered", "artery"), ("left", "artery"),
    ]  # fmt: skip


def test_a_withdrawn_shaft_has_given_back_what_bent_it():
    """No energy is made: drawn out of the tissue the shaft is straight again, and at rest nothing moves."""
    study = study_of(slab_phantom())
    todo = [*begin_with(0, 0, 0), Command("needle.move", (60_000, 20_000)), Command("needle.tilt", (6_000, 3_000))]
    deep, _ = play(study, todo)
    ei, h = rod_of(study, deep.needle).ei, 88.9 / 32

    def stored(me):
        return 0.5 * ei * float((np.diff(me.shape[:, [1, 3]], axis=0) ** 2).sum()) / h

    out, _ = play(study, [Command("needle.move", (-59_500, 20_000))], deep)
    assert stored(deep.needle) > 0.05  # N mm
    assert stored(out.needle) < 0.05 * stored(deep.needle)


# --- bone needles ---------------------------------------------------------------------------------


def on_bone(which=DIAMOND_11, study=None):
    study = study or simple_study()
    return study, play(study, [*begin_with(which, -25_000, 20_000), Command("needle.move", (45_000, 20_000))])


@pytest.mark.parametrize("which", [DIAMOND_11, DIAMOND_13])
def test_a_hand_does_not_push_a_bone_needle_into_cortex(which):
    study, (state, events) = on_bone(which)
    assert [e["bone"] for e in kinds(events, "bone_contact")] == ["L4"]
    assert kinds(events, "needle_stopped")[-1]["reason"] == "bone"
    pushed, events = play(study, [Command("needle.move", (20_000, 20_000))], state)
    assert pushed.needle.depth_mm == pytest.approx(state.needle.depth_mm, abs=0.01)
    assert state.needle.tip_mm[1] == pytest.approx(24.1, abs=0.05)  # the face at 24 and the edge of the point


def test_a_blow_goes_as_far_as_its_energy_and_the_next_goes_less_far():
    study, (state, _) = on_bone()
    rows, rod = rows_of(study.toolbox, study.toolbox.needles[DIAMOND_11]), rod_of(study, state.needle)
    ways = []
    for _ in range(3):
        depth = state.needle.depth_mm
        state, events = play(study, [Command("needle.tap", (1_000,))], state)
        ways.append(state.needle.depth_mm - depth)
        told = kinds(events, "bone_driven")[0]
        assert told["advanced_um"] == pytest.approx(1000 * ways[-1], abs=1)
        assert told["remaining_um"] == pytest.approx(1000 * (125.0 - state.needle.depth_mm), abs=1)
        assert told["in_bone_um"] == pytest.approx(1000 * sum(ways), abs=2)
    a, b = rows[Tissue.BONE_CORTEX, 1] * rod.bone_factor, rod.side_n_per_mm * rod.bone_factor
    total = sum(ways)
    assert a * total + 0.5 * b * total * total == pytest.approx(3_000.0, rel=0.02)  # N mm; the force rises along the hole
    assert ways[0] > ways[1] > ways[2] > 0.0
    assert state.needle.tissue == Tissue.BONE_CORTEX


def test_a_thinner_bone_needle_goes_further():
    ways = []
    for which in (DIAMOND_11, DIAMOND_13):
        study, (state, _) = on_bone(which)
        after, _ = play(study, [Command("needle.tap", (1_000,))], state)
        ways.append(after.needle.depth_mm - state.needle.depth_mm)
    assert ways[1] > 1.2 * ways[0]


def test_the_drill_goes_through_and_the_needle_comes_back_through_its_hole():
    study, (state, _) = on_bone()
    state, events = play(study, [Command("needle.drill", (3_000, 2_000))], state)
    assert kinds(events, "bone_driven")[0]["advanced_um"] == pytest.approx(6_000, abs=30)
    assert state.needle.tissue == Tissue.BONE_CORTEX
    deepest = state.needle.depth_mm
    state, _ = play(study, [Command("needle.move", (-4_000, 10_000))], state)
    assert state.needle.depth_mm < deepest - 2.5
    state, _ = play(study, [Command("needle.move", (3_000, 10_000))], state)
    assert deepest - 2.0 < state.needle.depth_mm <= deepest + 1e-6  # its own hole is open
    state, events = play(study, [Command("needle.move", (2_000, 10_000)), Command("needle.drill", (4_000, 2_000))], state)
    assert [e["tissue"] for e in kinds(events, "tissue_entered")] == ["MUSCLE"]  # out on the other side
    assert state.needle.bored == 0
    state, events = play(study, [Command("needle.move", (-40_000, 20_000))], state)
    assert state.needle.bore_from_mm > 1e8
    assert not kinds(events, "bone_contact")


def test_what_is_no_bone_needle_or_not_on_bone_is_refused():
    study = simple_study()
    state, _ = play(study, [*begin_with(WHITACRE_22, -25_000, 20_000), Command("needle.move", (60_000, 20_000))])
    for op, args in (("needle.tap", (500,)), ("needle.drill", (500, 1_000))):
        assert "no bone needle" in needle.advance(study, state, Command(op, args))[1][0]["why"]
    state, _ = play(study, [*begin_with(DIAMOND_11, 0, 0), Command("needle.move", (10_000, 20_000))])
    assert needle.advance(study, state, Command("needle.tap", (500,)))[1][0]["why"] == "the tip is not on bone"


def test_bone_differs_between_people_by_the_published_scatter():
    factors = [rod_of(replace(simple_study(), seed=s), NeedleState(needle=DIAMOND_11)).bone_factor for s in range(400)]
    assert np.mean(factors) == pytest.approx(1.0, abs=0.05)
    assert np.std(factors) / np.mean(factors) == pytest.approx(0.35, abs=0.04)
