"""The scatter table against the Monte Carlo that made it, against another one, and against measurements."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from scenarios.beam_tables import load_scatter
from sim.scatter import rings, spr_at

TABLE = load_scatter()


def monte_carlo() -> ModuleType:
    path = Path(__file__).parents[1] / "scripts" / "slab_monte_carlo.py"
    spec = importlib.util.spec_from_file_location("slab_monte_carlo", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("mm", "kvp"), [(100, 56), (200, 73), (300, 94)])
def test_the_table_is_what_the_monte_carlo_gives(mm, kvp):
    """With other random numbers, with and without grid, for small and large fields: within 8 %."""
    got = monte_carlo().simulate(kvp, mm, 300.0 - 0.5 * mm, photons=150_000 * (1 + mm // 100), seed=7)
    for radius in (50.0, 75.0, 115.0, 150.0):
        assert spr_at(TABLE, mm, radius, False) == pytest.approx(got.plain[radius], rel=0.08), radius
        assert spr_at(TABLE, mm, radius, True) == pytest.approx(got.gridded[radius], rel=0.08), radius


@pytest.mark.parametrize(
    ("kvp", "mm", "gap", "radius", "theirs"),
    [(80, 100, 100, 115, 0.806), (80, 200, 100, 50, 0.510), (80, 200, 100, 115, 1.739), (80, 200, 300, 115, 0.596),
     (80, 300, 100, 150, 4.137)],
)  # fmt: skip
def test_the_monte_carlo_agrees_with_another(kvp, mm, gap, radius, theirs):
    """imaging_values.csv: an independent program with xraylib's cross-sections; ours has xraydb's."""
    got = monte_carlo().simulate(kvp, mm, gap, (float(radius),), photons=100_000 * (1 + mm // 100))
    assert got.plain[radius] == pytest.approx(theirs, rel=0.08)


def test_the_monte_carlo_agrees_with_a_measurement():
    """30 cm of acrylic, cone-beam CT: 4.51 without and 1.28 with a 10:1 grid (Altunbas 2016; gap 20 cm assumed)."""
    got = monte_carlo().simulate(119, 354, 200, (195.0,), photons=1_000_000)
    assert got.plain[195.0] == pytest.approx(4.51, rel=0.2)
    assert got.gridded[195.0] == pytest.approx(1.28, rel=0.2)
    assert got.grid_scatter == pytest.approx(0.21, rel=0.2)


def test_air_gap_is_that_of_a_source_15_to_20_cm_inside():
    """Sorenson and Floyd 1985: scatter falls as (xs / (xs + gap))^2, xs 15 to 20 cm."""
    slab = monte_carlo()
    near, far = (slab.simulate(73, 200, gap, (115.0,), photons=300_000).plain[115.0] for gap in (50.0, 250.0))
    root = np.sqrt(near / far)
    assert 120.0 < (250.0 - 50.0 * root) / (root - 1.0) < 230.0


def test_scatter_grows_with_field_and_thickness():
    for grid in (False, True):
        assert (np.diff(TABLE.gridded if grid else TABLE.plain, axis=1) > 0).all()
        assert spr_at(TABLE, 300.0, 115.0, grid) > 1.5 * spr_at(TABLE, 200.0, 115.0, grid) > 0
        assert spr_at(TABLE, 200.0, 2.0, grid) < 0.2 * spr_at(TABLE, 200.0, 5.0, grid)
        assert spr_at(TABLE, 9999.0, 9999.0, grid) == (TABLE.gridded if grid else TABLE.plain)[-1, -1]
    area = np.pi * np.diff(np.concatenate([[0.0], TABLE.radius_mm**2]))
    assert np.allclose((rings(TABLE, True) * area).sum(1), TABLE.gridded[:, -1])
