"""Tubes of stadium section: exact distance, continuity; a round chain is what it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy_assets.tubes import clearance, obstacles
from sim.fields import Fields, tube_box_gap, tube_distance
from sim.phantom import LabelVolume, Phantom, Skin, Tube, TubeKind

COORDINATE = st.floats(-30.0, 30.0, allow_nan=False)


def phantom(*chains: list[list[float]]) -> Phantom:
    volume = LabelVolume(np.zeros((1, 1, 1), np.uint8), np.zeros(3), 1.0)
    skin = Skin(np.zeros((2, 2)), 0.0, 0.0, 1.0, np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    tubes = tuple(Tube(f"t{i}", TubeKind.SAC, "", "", np.array(c)) for i, c in enumerate(chains))
    return Phantom("p", (), tubes, volume, skin, {})


STRAIGHT = [[0.0, 0.0, 0.0, 5.0, 3.0], [0.0, 0.0, 40.0, 5.0, 3.0]]
BENT = [[0.0, 0.0, 0.0, 5.0, 3.0], [1.0, 4.0, 10.0, 6.0, 4.0], [0.0, 11.0, 18.0, 3.0, 0.0]]


@pytest.fixture(scope="module")
def bent() -> Fields:
    return phantom(BENT).fields


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0, 0, 20), -5.0),
        ((3, 0, 20), -5.0),
        ((8, 0, 20), 0.0),
        ((0, 5, 20), 0.0),
        ((3, 7, 20), 2.0),
        ((11, 4, 20), 8.9442719 - 5 - 0),
    ],
)
def test_distance_to_a_straight_stadium(point: tuple[float, float, float], expected: float) -> None:
    """Section: two half circles of radius 5 about x = -3 and 3, joined by straight lines (analytic)."""
    x, y, z = point
    exact = float(np.hypot(max(abs(x) - 3.0, 0.0), y)) - 5.0
    assert tube_distance(phantom(STRAIGHT).fields, 0, float(x), float(y), float(z)) == pytest.approx(exact, abs=1e-12)
    assert exact == pytest.approx(expected, abs=1e-6)


def test_the_end_is_round_and_as_wide() -> None:
    f = phantom(STRAIGHT).fields
    assert tube_distance(f, 0, 2.0, 0.0, 47.0) == pytest.approx(2.0, abs=1e-12)
    assert tube_distance(f, 0, 6.0, 0.0, 44.0) == pytest.approx(0.0, abs=1e-12)


def test_without_half_width_it_is_the_round_cone() -> None:
    round_ = [row[:4] for row in BENT]
    flat = [[*row[:4], 0.0] for row in BENT]
    f = phantom(round_, flat).fields
    for p in np.random.default_rng(1).uniform(-12.0, 20.0, (300, 3)):
        assert tube_distance(f, 0, *p) == tube_distance(f, 1, *p)


def sampled(p: np.ndarray) -> float:
    """Return the distance by brute force: spheres all over the axis surface."""
    best = 1e9
    for a, b in itertools.pairwise(BENT):
        s = np.linspace(0.0, 1.0, 121)[:, None]
        node = np.array(a) * (1 - s) + np.array(b) * s
        for t in np.linspace(-1.0, 1.0, 81):
            d = np.sqrt((node[:, 0] + t * node[:, 4] - p[0]) ** 2 + (node[:, 1] - p[1]) ** 2 + (node[:, 2] - p[2]) ** 2)
            i = int(np.argmin(d))
            best = min(best, float(d[i] - node[i, 3]))
    return best


@settings(max_examples=60, deadline=None)
@given(COORDINATE, COORDINATE, COORDINATE)
def test_distance_agrees_with_brute_force(x: float, y: float, z: float) -> None:
    """The field measures to the nearest point of the axis; brute force may find a thicker node further off, not more."""
    d = tube_distance(phantom(BENT).fields, 0, x, y, z)
    assert d == pytest.approx(sampled(np.array([x, y, z])), abs=0.2)


@settings(max_examples=150, deadline=None)
@given(COORDINATE, COORDINATE, COORDINATE, st.floats(-0.01, 0.01), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01))
def test_distance_is_continuous(x: float, y: float, z: float, dx: float, dy: float, dz: float) -> None:
    f = phantom(BENT).fields
    step = float(np.sqrt(dx * dx + dy * dy + dz * dz))
    assert abs(tube_distance(f, 0, x + dx, y + dy, z + dz) - tube_distance(f, 0, x, y, z)) <= 1.6 * step + 1e-9


def test_the_box_holds_the_tube(bent: Fields) -> None:
    for p in np.random.default_rng(2).uniform(-15.0, 25.0, (500, 3)):
        assert tube_box_gap(bent, 0, *p) <= max(tube_distance(bent, 0, *p), 0.0) + 1e-9


def test_clearance_looks_at_the_ends_of_the_section() -> None:
    f = obstacles((), phantom([[10.0, 0.0, -5.0, 1.0], [10.0, 0.0, 45.0, 1.0]]).tubes)
    assert clearance(f, np.array(STRAIGHT))[1] == pytest.approx(10.0 - 1.0 - 8.0, abs=1e-9)
