"""How scripted operators judge what they see: contrast that points into the foramen, a needle that slid off the bone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenarios.operators import mbb, vp
from scenarios.operators.acts import Corridor, corridor
from scenarios.operators.room import Room
from scenarios.registry import find_scenario
from sim.fields import bone_distance
from sim.frames import gantry
from sim.session import begin
from tests.attempts import study_of

CASE = "mbb-l4l5-right"


@pytest.fixture(scope="module")
def room() -> Room:
    study = study_of(CASE, 2)
    return Room(study, find_scenario(CASE), begin(study)[0])


def with_contrast(room: Room, tip: np.ndarray, towards: np.ndarray, reach_mm: float) -> Room:
    """The needle at a point, and contrast that runs from it towards another as far as told."""
    way = (towards - tip) / np.linalg.norm(towards - tip)
    points = np.array([[*(tip + s * way), 0.1] for s in np.linspace(0.0, reach_mm, 20)], np.float32)
    needle = replace(room.state.needle, placed=True, tip_mm=tip)
    state = replace(room.state, needle=needle, spread=replace(room.state.spread, contrast_points=points))
    return Room(room.study, room.scenario, state)


@pytest.mark.parametrize("level", ["L3", "L4"])
def test_contrast_that_would_reach_the_foramen_is_moved_away_from(room, level):
    way = corridor(room, "medial_branch", level, "right")
    foramen = room.study.phantom.landmark(f"{level}.foramen.right.centre")
    near = with_contrast(room, way.target_mm, foramen, 0.5 * float(np.linalg.norm(foramen - way.target_mm)))
    assert mbb._points_inward(near)
    other = mbb._further_out(near, way, way.target_mm)
    moved = other.target_mm - way.target_mm
    bloom = mbb._bloom(near)
    assert mbb._inward_share(near, bloom, moved) < mbb._inward_share(near, bloom)
    assert np.linalg.norm(moved) > 1.0 and np.abs(moved).max() <= mbb.NEAR_PLAN_MM, "a few millimetres"
    assert bone_distance(room.study.phantom.fields, *other.target_mm)[0] <= mbb.ON_SURFACE_MM + 0.3, "on the bone"


def test_contrast_that_runs_away_from_the_foramen_stays(room):
    way = corridor(room, "medial_branch", "L4", "right")
    foramen = room.study.phantom.landmark("L4.foramen.right.centre")
    away = with_contrast(room, way.target_mm, 2.0 * way.target_mm - foramen, 5.0)
    assert not mbb._points_inward(away)
    elsewhere = with_contrast(room, way.target_mm, foramen, 5.0)
    elsewhere.state.spread.contrast_points[:, 2] += 40.0
    assert len(mbb._bloom(elsewhere)) == 0, "contrast of another nerve tells nothing of this one"


def test_a_needle_that_slid_off_is_seen_beside_its_way(room):
    way = Corridor(np.array([-20.0, 10.0, 90.0]), -30_000, 5_000)
    axes = gantry(way.primary_mdeg, way.secondary_mdeg)
    seen = Room(room.study, room.scenario, room.state, tip_seen=way.target_mm + 30.0 * axes.normal + 6.0 * axes.up)
    assert vp._beside(seen, way) == pytest.approx(6.0 * axes.up), "along the way counts for nothing"
    assert np.linalg.norm(vp._beside(seen, way)) > vp.SLID_MM
