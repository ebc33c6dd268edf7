"""Bones put together: gaps, another posture without a bake, a slip, bones that stay as they are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from anatomy_assets.bake import joined, joints_of, plain_bones
from anatomy_assets.column import Column, stack
from anatomy_assets.joints import Joint, Plain, Pose, cut, relative
from anatomy_assets.measure.grid import distance
from anatomy_assets.parameters import in_posture, individual

FEW = ("L3", "L4", "L5", "S")
SPACING = 1.0


def part(column: Column) -> Column:
    """The same column with a few bones."""
    return dataclasses.replace(column, bones=tuple(b for b in column.bones if b.shape.name in FEW))


@pytest.fixture(scope="module")
def prone():
    column = part(stack(individual(2)))
    plain = plain_bones(column, None, SPACING)
    return column, plain, joined(column, plain)


def least(bones, one, two):
    a, b = (next(x for x in bones if x.name == n) for n in (one, two))
    return float(distance(b, a.to_patient(a.shell_vertices)).min())


def test_joints_keep_their_gap(prone):
    column, _, bones = prone
    for joint in joints_of(column):
        assert least(bones, joint.one, joint.two) > joint.gap_mm - 0.25  # a coarse grid rounds edges


def test_another_posture_needs_no_bake_and_opens_every_joint_again(prone):
    column, plain, bones = prone
    standing = part(stack(in_posture(column.parameters, "standing")))
    moved = joined(standing, plain, None, (column, bones))
    again = joined(standing, plain_bones(standing, None, SPACING))
    for a, b in zip(moved, again, strict=True):
        assert np.array_equal(a.distance_10um, b.distance_10um) and np.array_equal(a.rotation, b.rotation)
    for joint in joints_of(standing):
        assert least(moved, joint.one, joint.two) > joint.gap_mm - 0.25
    back = joined(column, plain, None, (standing, moved))
    assert all(np.array_equal(a.distance_10um, b.distance_10um) for a, b in zip(back, bones, strict=True))


def test_a_slip_moves_what_is_above_and_cuts_its_own_joint_only(prone):
    column, plain, bones = prone
    discs = tuple(dataclasses.replace(d, slip_mm=6.0) if d.name == "L4-L5" else d for d in column.parameters.discs)
    slipped = part(stack(dataclasses.replace(column.parameters, discs=discs)))
    moved = joined(slipped, plain, None, (column, bones))
    for name in ("S",):
        before, after = (next(b for b in s if b.name == name) for s in (bones, moved))
        assert after.distance_10um is before.distance_10um and np.array_equal(after.translation_mm, before.translation_mm)
    for before, after in zip(bones, moved, strict=True):
        step = after.translation_mm - before.translation_mm
        assert np.sqrt((step * step).sum()) == pytest.approx(6.0 if before.name in ("L3", "L4") else 0.0, abs=1e-9)
    assert least(moved, "L4", "L5") > 1.5
    top = next(b for b in moved if b.name == "L3")
    assert top.distance_10um is next(b for b in bones if b.name == "L3").distance_10um


def ball(name: str, radius: float) -> Plain:
    at = np.arange(-20.0, 20.1, 0.5)
    x, y, z = np.meshgrid(at, at, at, indexing="ij")
    d = np.sqrt(x * x + y * y + z * z) - radius
    return Plain(name, np.floor(100.0 * d + 0.5).astype(np.int16), np.full(3, -20.0), 0.5)


def test_two_balls_are_cut_along_the_plane_between_them():
    """Equal balls, centres 14 mm apart, radius 8: both end 1 mm before the middle plane."""
    plain = {"a": ball("a", 8.0), "b": ball("b", 8.0)}
    poses = {"a": Pose(np.eye(3), np.zeros(3)), "b": Pose(np.eye(3), np.array([14.0, 0.0, 0.0]))}
    grid = cut(plain, poses, [Joint("a", "b", 2.0)], "a")
    row = grid[:, 40, 40] * 0.01
    x = np.arange(-20.0, 20.1, 0.5)
    edge = np.interp(0.0, row[40:60], x[40:60])
    assert edge == pytest.approx(6.0, abs=0.06)
    assert np.interp(0.0, -row[:40], x[:40]) == pytest.approx(-8.0, abs=0.02)
    assert np.array_equal(relative(poses["a"], poses["b"])[9:], [-14.0, 0.0, 0.0])
    far = {**poses, "b": Pose(np.eye(3), np.array([40.0, 0.0, 0.0]))}
    assert cut(plain, far, [Joint("a", "b", 2.0)], "a") is plain["a"].distance_10um
