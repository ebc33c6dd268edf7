"""Ground floor: frames and angles, random streams, content of a phantom."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.fields import skin_entry
from sim.frames import dicom_primary_deg, gantry, hub_frame, sincos_mdeg
from sim.phantom import Bone, LabelVolume, Phantom, Skin, Tube, TubeKind
from sim.rng import hash_uniform, near_normal, stream

NO_MESH = (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


@given(st.integers(-1_000_000, 1_000_000))
def test_sine_and_cosine_of_millidegrees(angle):
    s, c = sincos_mdeg(angle)
    assert abs(s - math.sin(math.radians(angle / 1000))) < 3e-15 + abs(angle) * 1e-20
    assert abs(c - math.cos(math.radians(angle / 1000))) < 3e-15 + abs(angle) * 1e-20
    assert sincos_mdeg.py_func(angle) == (s, c) if hasattr(sincos_mdeg, "py_func") else True


def test_sine_is_exact_where_it_can_be():
    assert sincos_mdeg(0) == (0.0, 1.0)
    assert sincos_mdeg(90_000) == (1.0, 0.0)
    assert sincos_mdeg(-90_000) == (-1.0, 0.0)
    assert sincos_mdeg(180_000) == (0.0, -1.0)


@given(st.integers(-110_000, 110_000), st.integers(-45_000, 45_000))
def test_gantry_axes_are_a_right_handed_frame(primary, secondary):
    axes = gantry(primary, secondary)
    frame = np.stack([axes.right, axes.up, axes.normal])
    assert np.allclose(frame @ frame.T, np.eye(3), atol=1e-14)
    assert np.allclose(np.cross(axes.right, axes.up), axes.normal, atol=1e-14)


def test_which_side_is_which():
    left, dorsal, head = np.eye(3)
    over = gantry(0, 0)
    assert over.normal @ dorsal == 1.0
    assert over.right @ left == -1.0, "the prone patient's left is on the left of the screen"
    assert over.up @ head == 1.0
    assert gantry(25_000, 0).normal @ left > 0.4, "positive primary: detector towards the patient's left"
    assert gantry(0, 20_000).normal @ head > 0.3, "positive secondary: detector towards the head"
    from_left = gantry(90_000, 0)
    assert from_left.normal @ left == 1.0
    assert from_left.right @ dorsal == 1.0


def test_dicom_angles():
    assert dicom_primary_deg(0) == 180.0
    assert dicom_primary_deg(90_000) == 90.0, "detector at the patient's left is LAO 90"
    assert dicom_primary_deg(-90_000) == -90.0
    assert dicom_primary_deg(-25_000) == -155.0


def test_hub_frame_points_where_it_says():
    assert np.array_equal(hub_frame(0, 0)[:, 2], [0.0, -1.0, 0.0])
    assert hub_frame(20_000, 0)[0, 2] > 0, "positive yaw leans the tip to the left"
    assert hub_frame(0, 20_000)[2, 2] > 0, "positive pitch leans the tip to the head"
    for yaw, pitch in ((17_000, -33_000), (-60_000, 12_345)):
        frame = hub_frame(yaw, pitch)
        assert np.allclose(frame.T @ frame, np.eye(3), atol=1e-14)
        assert np.linalg.det(frame) > 0


@given(st.integers(-110_000, 110_000), st.integers(-45_000, 45_000))
def test_needle_in_line_with_the_beam(primary, secondary):
    limited = max(-75_000, min(75_000, primary))
    assert np.allclose(hub_frame(-limited, -secondary)[:, 2], -gantry(limited, secondary).normal, atol=1e-14)


def test_streams_are_separate_and_repeat():
    assert stream(1, "a").random(4).tolist() == stream(1, "a").random(4).tolist()
    assert stream(1, "a").random(4).tolist() != stream(1, "b").random(4).tolist()
    assert stream(1, "a").random(4).tolist() != stream(2, "a").random(4).tolist()
    # the value itself is part of the promise: another numpy must give the same patients
    assert stream(7, "purpose").integers(0, 2**31, 3).tolist() == [1022076210, 1578293508, 1075212532]


def test_near_normal_has_mean_zero_and_unit_variance():
    generator = stream(3, "test")
    values = np.array([near_normal(generator) for _ in range(20_000)])
    assert abs(values.mean()) < 0.03
    assert abs(values.std() - 1.0) < 0.02
    assert np.abs(values).max() <= 6.0


def test_hash_uniform_is_flat():
    values = np.array([hash_uniform(11, i) for i in range(20_000)])
    counts, _ = np.histogram(values, 10, (0, 1))
    assert counts.min() > 1800
    assert counts.max() < 2200


def ball(radius: float = 5.0) -> Phantom:
    """A bone ball, a 1 mm vessel and a slab of label 3, in air."""
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:10] = 3
    grid = np.mgrid[-10:10:0.5, -10:10:0.5, -10:10:0.5]
    distance = np.rint((np.sqrt((grid**2).sum(0)) - radius) * 100).astype(np.int16)
    bone = Bone("ball", np.eye(3), np.zeros(3), np.full(3, -10.0), 0.5, distance, *NO_MESH, *NO_MESH)
    vessel = Tube("vessel", TubeKind.VEIN, "", "", np.array([[8.0, -5.0, 0.0, 0.5], [8.0, 5.0, 0.0, 0.5]]))
    skin = Skin(np.full((3, 3), 60.0), -50.0, -50.0, 50.0, *NO_MESH)
    return Phantom("ball", (bone,), (vessel,), LabelVolume(labels, np.full(3, -10.0), 1.0), skin, {})


def test_skin_entry_lies_on_the_skin():
    axes = gantry(-25_000, 10_000)
    entry = skin_entry(ball().fields, np.array([1.0, 2.0, 3.0]), axes.normal)
    assert abs(entry[1] - 60.0) < 2e-3


def test_content_hash_sees_a_single_label():
    one, two = ball(), ball()
    two.volume.labels[3, 3, 3] = 7
    assert one.content_hash != two.content_hash
