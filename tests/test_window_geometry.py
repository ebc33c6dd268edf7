"""Lines through pictures: projecting, aiming, placing in line with the beam, centring. No OpenGL."""

from __future__ import annotations

import numpy as np
import pytest

from sim.command import Command
from sim.fields import skin_y
from sim.frames import hub_frame
from sim.view import pose_of
from sim.window.aim import Aim, centre_on, in_line_with_beam, picture_point_mm, project
from tests.make_phantom import simple_study

CARM = simple_study().toolbox.carm


@pytest.mark.parametrize("angles", [(0, 0), (25_000, 10_000), (-25_000, -12_000), (90_000, 0), (-90_000, 20_000)])
def test_projecting_a_picture_point_gives_it_back(angles):
    pose = pose_of(CARM, *angles, (5_000, -10_000, 20_000), 1)
    for u, v in ((0.5, 0.5), (0.1, 0.8), (0.93, 0.07)):
        on_detector = picture_point_mm(pose, u, v)
        between = pose.source_mm + 0.6 * (on_detector - pose.source_mm)
        assert project(pose, between) == pytest.approx((u, v), abs=1e-9)


def test_the_picture_shows_the_patients_left_on_the_left_and_the_head_up():
    pose = pose_of(CARM, 0, 0, (0, 0, 0), 0)
    assert project(pose, np.array([30.0, 0.0, 0.0]))[0] < 0.5
    assert project(pose, np.array([0.0, 0.0, 30.0]))[1] < 0.5


@pytest.mark.parametrize("angles", [(0, 0), (25_000, 0), (-30_000, 15_000), (20_000, -20_000)])
@pytest.mark.parametrize("at", [(0.5, 0.5), (0.42, 0.6)])
def test_a_needle_in_line_with_the_beam_projects_to_one_point(angles, at):
    fields = simple_study().phantom.fields
    pose = pose_of(CARM, *angles, (0, 20_000, 0), 0)
    command = in_line_with_beam(fields, Aim(pose, *at))
    assert isinstance(command, Command) and command.op == "needle.place"
    x, z = command.args[0] / 1000, command.args[1] / 1000
    entry = np.array([x, skin_y(fields, x, z), z])
    tip = entry + 80.0 * hub_frame(*command.args[2:])[:, 2]
    assert project(pose, entry) == pytest.approx(at, abs=1e-4)
    assert project(pose, tip) == pytest.approx(at, abs=1e-4)
    assert tip[1] < entry[1]


def test_a_lateral_beam_is_refused_in_words():
    answer = in_line_with_beam(simple_study().phantom.fields, Aim(pose_of(CARM, 90_000, 0, (0, 0, 0), 0), 0.5, 0.5))
    assert isinstance(answer, str) and answer.endswith(".")


def test_centring_brings_the_point_to_the_middle():
    pose = pose_of(CARM, -25_000, 10_000, (0, 0, 0), 0)
    point = np.array([12.0, -3.0, 20.0])
    shift = centre_on(pose, Aim(pose, *project(pose, point)), CARM.sod_mm)
    u, v = project(pose_of(CARM, -25_000, 10_000, shift, 0), point)
    assert abs(u - 0.5) < 0.02 and abs(v - 0.5) < 0.02
