"""The window's own measurements: every row is there and says what it measured. How fast a machine is, is not tested."""

from __future__ import annotations

import pytest

from sim.errors import MachineError
from sim.window import Desk, ScenarioCard, measure_window
from tests.make_phantom import simple_study
from tests.window_fake import fake_attempt
from tests.window_play import ready_or_skip

ROWS = ("gallery to first picture, warm", "frames drawn in full", "from a key to the frame", "from a key to the X-ray picture")


def desk(start):
    return Desk(scenarios=(ScenarioCard("b", "This case"),), start=start, size=(1280, 720), picture_px=64)


def test_the_window_is_measured_from_the_gallery_on():
    ready_or_skip()
    begun = []

    def start(name, mode, _seed):
        begun.append((name, mode))
        return fake_attempt(simple_study())

    rows = measure_window(desk(start), "b", seconds=0.2, times=2)
    assert begun == [("b", "practice")] * 2  # the first start, and the warm one
    for what in ROWS:
        assert any(row["what"].startswith(what) and row["value"] > 0 for row in rows), what
    assert {row["goal"] for row in rows} >= {"<= 3", ">= 15", "<= 100"}


def test_a_case_that_cannot_be_started_is_one_line():
    ready_or_skip()

    def start(name, mode, _seed):
        raise MachineError("no patient today")

    with pytest.raises(MachineError, match="nothing to measure: no patient today"):
        measure_window(desk(start), "b", seconds=0.2)
