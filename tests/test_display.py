"""The monitor's own controls: pixels, places on them, and the same by hand in the window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.beam_tables import load_beam
from sim.display import Display, blurred, turned
from sim.errors import UsageError
from sim.session import Session
from sim.window import Attempt, Desk, drive
from sim.window.fluoro import picture_function
from tests.make_phantom import simple_study
from tests.test_detector import SCENE, view

RAMP = np.tile(np.linspace(20, 235, 64).astype(np.uint8), (64, 1))


def spot(u, v, n=101):
    picture = np.full((n, n), 40, np.uint8)
    i, j = int(v * n), int(u * n)
    picture[i - 2 : i + 3, j - 2 : j + 3] = 240
    return picture


def brightest(picture):
    i, j = np.nonzero(picture > 150)
    return (j.mean() + 0.5) / picture.shape[1], (i.mean() + 0.5) / picture.shape[0]


def test_as_delivered_nothing_changes():
    assert (Display().pixels(RAMP) == RAMP).all()
    assert Display().straight


@pytest.mark.parametrize("turn", [0, 90, 180, 270, 30, 350])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("upended", [False, True])
def test_a_place_goes_with_its_pixels(turn, mirrored, upended):
    show = Display(turn_deg=turn, mirrored=mirrored, upended=upended)
    at = (0.62, 0.41)
    seen = brightest(show.pixels(spot(*at)))
    assert seen == pytest.approx(show.on_screen(*at), abs=0.012)
    assert show.straight is (turn == 0 and not mirrored and not upended)


@given(st.integers(0, 359), st.booleans(), st.booleans(), st.floats(0, 1), st.floats(0, 1))
def test_a_click_is_the_inverse(turn, mirrored, upended, u, v):
    show = Display(turn_deg=turn, mirrored=mirrored, upended=upended)
    assert show.in_picture(*show.on_screen(u, v)) == pytest.approx((u, v), abs=1e-9)


def test_turning_clockwise_brings_the_top_to_the_right():
    assert brightest(Display(turn_deg=90).pixels(spot(0.5, 0.2)))[0] > 0.75
    assert brightest(Display(turn_deg=30).pixels(spot(0.5, 0.2)))[0] > 0.6


def test_window_level_and_inversion():
    wide, narrow = Display().pixels(RAMP).astype(int), Display(contrast=200).pixels(RAMP).astype(int)
    assert np.ptp(narrow[0, 24:40]) == pytest.approx(2 * np.ptp(wide[0, 24:40]), abs=2)
    assert (Display(brightness=15).pixels(RAMP).astype(int) - wide == 15).mean() > 0.9
    assert (Display(invert=True).pixels(RAMP) == 255 - RAMP).all()


def test_edges_are_steeper_and_noise_is_less():
    step = np.where(np.arange(64) < 32, 90, 160).astype(np.uint8) * np.ones((64, 1), np.uint8)
    assert np.ptp(Display(edges=100).pixels(step).astype(int)) > np.ptp(step.astype(int)) + 20
    noisy = np.clip(128 + np.random.default_rng(3).normal(0, 20, (64, 64)), 0, 255).astype(np.uint8)
    assert Display(smooth=1).pixels(noisy).std() < 0.55 * noisy.std()
    assert (Display(smooth=2).pixels(step) == step).all(), "a median leaves a step where it is"


def test_blur_keeps_the_mean_and_turning_by_nothing_the_picture():
    image = np.random.default_rng(5).random((40, 40)).astype(np.float32)
    assert turned(image, 0) == pytest.approx(image, abs=1e-6)
    assert blurred(np.full((8, 8), 7.0, np.float32)) == pytest.approx(7.0)


@pytest.mark.parametrize("wrong", [{"contrast": 0}, {"brightness": 300}, {"smooth": 9}, {"average": 0}, {"edges": -1}])
def test_values_out_of_reach_are_one_line(wrong):
    with pytest.raises(UsageError, match=r"expected -?\d+ to \d+"):
        Display(**wrong)


def test_pixel_shift_takes_the_edges_of_a_moved_patient_away():
    """The window's picture function: a run in which the patient moves by 1 mm, then the same with its mask moved."""
    make = picture_function(Attempt(Session(simple_study()), scene=SCENE, beam_tables=load_beam()))
    still = replace(view(mas=4.0, key=(3, 1)), half_width=0.8, half_height=0.8)
    pose = still.pose
    gone = np.array([1.0, 0.0, 0.6])
    moved = replace(pose, source_mm=pose.source_mm + gone, detector_mm=pose.detector_mm + gone)
    about = {"mode": "dsa", "run": 7}
    make(still, 192, about)
    edges = make(replace(still, pose=moved, noise_key=(3, 2)), 192, about).astype(float)
    fitted = make(replace(still, pose=moved, noise_key=(3, 2)), 192, {**about, "mode": "shift"}).astype(float)
    inner = (slice(40, 152),) * 2
    assert np.ptp(fitted[inner]) < 0.7 * np.ptp(edges[inner])
    assert fitted[inner].std() < 0.8 * edges[inner].std()


def test_controls_by_hand(tmp_path):
    """Open the controls, turn, mirror, invert, ask for pixel shift without a run, aim the laser, put the marker there."""
    seen = {}

    def script(robot):
        yield from robot.ready()
        yield from robot.click("console.shot")
        yield from robot.until(lambda: robot.theatre.live is not None)
        yield from robot.click("console.picture")
        yield
        for name in ("right", "mirror", "invert", "laser"):
            yield from robot.click(f"picture.{name}")
        seen["display"] = robot.theatre.display
        yield from robot.click("picture.shift")
        seen["said"] = robot.theatre.log[-1].text
        for name in ("boost", "iris", "road"):
            yield from robot.click(f"picture.{name}")
        yield from robot.until(lambda: robot.theatre.state.carm.boost)
        seen["iris"], seen["road"] = robot.theatre.state.carm.iris_permille, robot.theatre.road_map
        yield from robot.click("picture.to_laser")
        seen["marker"], seen["laser"] = robot.theatre.marker_mm, robot.theatre.laser_mm()
        yield from robot.click("console.store")
        yield from robot.wait(4)
        yield from robot.click("console.store")
        yield from robot.until(lambda: robot.theatre.reference is not None)
        seen["stored"] = robot.theatre.reference.display
        yield from robot.click("console.picture")
        yield
        yield from robot.click("picture.reset")
        seen["after"] = robot.theatre.display
        yield from robot.click("picture.intensifier")
        yield from robot.until(lambda: robot.theatre.state.carm.iris_permille <= 1000)
        seen["tube"] = robot.theatre.intensifier
        yield from robot.click("console.store")  # closes the popup
        yield from robot.wait(4)
        for name, way in (("swivel+1", 1_000), ("swivel-1", 0)):
            yield from robot.click(f"console.{name}")
            yield from robot.until(lambda way=way: robot.theatre.state.carm.swivel_mdeg == way)
        seen["swivel"] = robot.theatre.state.carm.swivel_mdeg

    drive(Desk(attempt=Attempt(Session(simple_study())), size=(1280, 800), picture_px=64), script)
    assert seen["display"] == Display(turn_deg=10, mirrored=True, invert=True)
    assert "hold DSA first" in seen["said"]
    assert seen["iris"] < 1420 and seen["road"]
    assert seen["marker"][[0, 2]] == pytest.approx(seen["laser"][[0, 2]], abs=0.5)
    assert seen["stored"] == seen["display"], "a stored picture stays as it stood"
    assert seen["after"] == Display()
    assert seen["tube"] and seen["swivel"] == 0
