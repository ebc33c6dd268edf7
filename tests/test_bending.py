"""The beam against closed forms: what the accuracy table of docs/PHYSICS.md says."""

from __future__ import annotations

import numpy as np
import pytest

from sim.bending import (
    GAUSS_AT,
    GAUSS_WEIGHT,
    add_element,
    add_foundation,
    bending_stiffness,
    clamp,
    compliance,
    contact_forces,
    factorise,
    influence,
    leaning,
    substitute,
)

EI = bending_stiffness(0.718, 0.413, 200.0)
LENGTH = 89.0


def matrix(length, nodes, *, thrust=0.0, k=0.0, start=0.0, rest=(0.0, 0.0)):
    """Return band and load of a beam on a foundation k (N/mm2) beyond `start` mm."""
    h = length / (nodes - 1)
    band, rhs = np.zeros((2 * nodes, 4)), np.zeros((2 * nodes, 2))
    for e in range(nodes - 1):
        add_element(band, e, h, EI, thrust)
        first = min(max((start - e * h) / h, 0.0), 1.0)
        if k > 0.0 and first < 1.0:
            part = 1.0 - first
            for at, weight in zip(GAUSS_AT, GAUSS_WEIGHT, strict=True):
                add_foundation(band, rhs, e, h, first + part * at, k * h * part * weight, *rest)
    return band, rhs


def solve(band, rhs, force=(0.0, 0.0)):
    rhs[-2] += force
    clamp(band, rhs)
    assert factorise(band)
    substitute(band, rhs)
    return rhs


def test_stiffness_of_a_22_gauge_needle():
    assert pytest.approx(2.32e-3 * 1e6, rel=2e-3) == EI  # N mm2; needle.md: 2.32e-3 N m2


@pytest.mark.parametrize("nodes", [17, 33, 65])
def test_cantilever(nodes):
    w = solve(*matrix(LENGTH, nodes), force=(0.1, -0.2))
    exact = 0.1 * LENGTH**3 / (3.0 * EI)
    assert w[-2, 0] == pytest.approx(exact, rel=1e-8)
    assert w[-2, 1] == pytest.approx(-2.0 * exact, rel=1e-8)
    assert exact == pytest.approx(10.1, abs=0.05)  # mm for 0.1 N (needle.md, section 2)


@pytest.mark.parametrize(("nodes", "accuracy"), [(17, 2e-5), (33, 1e-6), (65, 1e-7)])
def test_clamped_free_beam_on_winkler_foundation(nodes, accuracy):
    """Hetenyi, Beams on Elastic Foundation (1946): clamped at one end, force at the free end, beta L = 3.81."""
    k = 0.03
    beta = (k / (4.0 * EI)) ** 0.25
    x = 3.81
    w = solve(*matrix(x / beta, nodes, k=k), force=(0.1, 0.0))
    exact = 0.1 / (2 * EI * beta**3) * (np.sinh(x) * np.cosh(x) - np.sin(x) * np.cos(x)) / (np.cosh(x) ** 2 + np.cos(x) ** 2)
    assert abs(w[-2, 0] / exact - 1.0) < accuracy


def test_embedded_beyond_30_mm_converges():
    """A foundation that begins inside an element is integrated over the embedded part only."""
    fine = solve(*matrix(LENGTH, 513, k=0.03, start=30.0, rest=(1.0, 0.0)), force=(0.1, 0.0))[-2, 0]
    for nodes, accuracy in ((17, 2e-4), (33, 5e-5), (65, 2e-5)):
        w = solve(*matrix(LENGTH, nodes, k=0.03, start=30.0, rest=(1.0, 0.0)), force=(0.1, 0.0))
        assert abs(w[-2, 0] / fine - 1.0) < accuracy


def test_beam_column_at_half_the_critical_load():
    critical = np.pi**2 * EI / (4.0 * LENGTH**2)
    thrust = 0.5 * critical
    w = solve(*matrix(LENGTH, 33, thrust=thrust), force=(0.1, 0.0))
    q = np.sqrt(thrust / EI)
    assert w[-2, 0] == pytest.approx(0.1 * (np.tan(q * LENGTH) / q - LENGTH) / thrust, rel=1e-7)


def test_buckling_is_a_pivot_that_is_not_positive():
    critical = np.pi**2 * EI / (4.0 * LENGTH**2)
    for share, stands in ((0.999, True), (1.001, False)):
        band, rhs = matrix(LENGTH, 33, thrust=share * critical)
        clamp(band, rhs)
        assert factorise(band) is stands


@pytest.mark.parametrize("tip_mm", [2.0, 5.0, 12.0, 15.0, 25.0])
def test_large_deflection_is_the_elastica(tip_mm):
    """A dead load across the undeflected axis (midpoint shooting); the lean of the last shape is taken up step by step."""
    force = tip_mm * 3.0 * EI / LENGTH**3
    w = np.zeros((33, 4))
    for _ in range(12):
        h = LENGTH / 32
        band, rhs = np.zeros((66, 4)), np.zeros((66, 2))
        for e in range(32):
            ei, tension = leaning(w, e, h, EI)
            add_element(band, e, h, ei, -tension)
        solved = solve(band, rhs, force=(0.6 * force, 0.8 * force))
        w[:, 0], w[:, 1], w[:, 2], w[:, 3] = solved[0::2, 0], solved[1::2, 0], solved[0::2, 1], solved[1::2, 1]
    tip = np.hypot(w[-1, 0], w[-1, 2])
    exact = elastica(force)
    assert exact < tip_mm
    assert abs(tip / exact - 1.0) < 5e-4


def elastica(force):
    def tip(moment):
        angle, bend, y, n = 0.0, moment / EI, 0.0, 2000
        h = LENGTH / n
        for _ in range(n):
            k1 = (bend, -force * np.cos(angle) / EI)
            a2, b2 = angle + 0.5 * h * k1[0], bend + 0.5 * h * k1[1]
            k2 = (b2, -force * np.cos(a2) / EI)
            y += h * np.sin(a2)
            angle, bend = angle + h * k2[0], bend + h * k2[1]
        return bend, y

    low, high = 0.0, 2.0 * force * LENGTH
    for _ in range(60):
        middle = 0.5 * (low + high)
        if tip(middle)[0] > 0.0:
            high = middle
        else:
            low = middle
    return tip(middle)[1]


def test_influence_lines_are_symmetric_and_match_the_solution():
    band, rhs = matrix(LENGTH, 33, k=0.01, start=40.0)
    clamp(band, rhs)
    assert factorise(band)
    columns = np.empty((65, 66))
    h = LENGTH / 32
    for place in (40, 62, 64, 51):
        influence(band, place, h, columns)
    assert columns[40, 62] == pytest.approx(columns[62, 40], rel=1e-9)
    assert compliance(columns, 40, 51, h) == pytest.approx(compliance(columns, 51, 40, h), rel=1e-9)
    assert columns[40, 0] == 0.0 and columns[40, 1] == 0.0
    w = solve(*matrix(LENGTH, 33, k=0.01, start=40.0), force=(1.0, 0.0))
    assert columns[64] == pytest.approx(w[:, 0], rel=1e-9, abs=1e-12)


def test_contact_forces_push_only_where_they_touch():
    rng = np.random.default_rng(5)
    for m in (1, 2, 4, 8, 12):
        for _ in range(40):
            g = rng.normal(size=(m, m))
            a = g @ g.T + 0.05 * np.eye(m)
            r = rng.normal(size=m)
            both = rng.random(m) < 0.2
            force = np.zeros(m)
            assert contact_forces(a, r, both, m, force)
            gap = a @ force - r
            free = ~both
            assert (np.abs(gap[both]) < 1e-6).all()
            assert (force[free] >= -1e-9).all() and (gap[free] >= -1e-6).all()
            assert (np.abs(force[free] * gap[free]) < 1e-5).all()
