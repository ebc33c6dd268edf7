"""The warning before the C-arm touches patient or table: simple boxes with known gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenarios.beam_tables import load_carm
from sim.clearance import touching
from sim.phantom import Skin
from sim.state import CArmState

HALF_WIDTH, HALF_DEPTH = 170.0, 110.0


def trunk() -> Skin:
    corners = np.array([[x, y, z] for x in (-HALF_WIDTH, HALF_WIDTH) for y in (-HALF_DEPTH, HALF_DEPTH) for z in (-20, 20)])
    return Skin(np.zeros((2, 2)), 0.0, 0.0, 1.0, corners.astype(np.float32), np.zeros((0, 3), np.int32))


def place(**changes) -> CArmState:
    return replace(CArmState(), **changes)


@pytest.mark.parametrize("primary", [0, 25_000, -90_000, 90_000])
def test_usual_views_are_free(primary):
    assert touching(load_carm(), place(primary_mdeg=primary), trunk()) is None


def test_detector_meets_the_back_exactly_where_it_should():
    carm = load_carm()
    gap = carm.sdd_mm - carm.sod_mm - HALF_DEPTH
    assert touching(carm, place(centre_um=(0, round(-gap * 1000) + 1000, 0)), trunk()) is None
    assert touching(carm, place(centre_um=(0, round(-gap * 1000) - 1000, 0)), trunk()) == ("detector", "patient")


def test_lateral_detector_meets_the_flank_and_the_table():
    carm = load_carm()
    gap = carm.sdd_mm - carm.sod_mm - HALF_WIDTH
    near = place(primary_mdeg=90_000, centre_um=(round(-gap * 1000) - 2000, 0, 0))
    assert touching(carm, near, trunk()) == ("detector", "patient")
    low = place(primary_mdeg=90_000, centre_um=(-60_000, -130_000, 0))
    assert touching(carm, low, trunk()) == ("detector", "table")


def test_outside_the_trunk_nothing_is_known():
    assert touching(load_carm(), place(centre_um=(0, 0, 190_000)), trunk()) is None
