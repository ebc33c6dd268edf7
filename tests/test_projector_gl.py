"""The pictures of OpenGL against those of the CPU: one contract, two machines."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from scenarios.beam_tables import load_beam
from sim.errors import MachineError, UsageError
from sim.phantom import Scan
from sim.picture import Imager
from sim.projector import Projector
from sim.projector_gl import GlProjector, open_context, projector_of, runs
from sim.scene import SceneBuilder, make_scene
from tests.make_phantom import simple_phantom
from tests.test_cli import scottie
from tests.test_projector import view


@pytest.fixture(scope="module")
def gl():
    try:
        open_context().release()
    except MachineError as error:
        pytest.skip(f"no OpenGL here: {error}")


def test_sphere_has_its_chord_lengths(gl):
    build, ball = SceneBuilder(), trimesh.creation.icosphere(4, 30.0)
    build.add("ball", ball.vertices, ball.faces, "cortical", "air")
    scene, now = build.scene(), view()
    mine, theirs = Projector(scene), GlProjector(scene)
    for size in (64, 97, 64):
        mine.draw(now, size)
        assert theirs.draw(now, size)
        assert not theirs.draw(now, size), "a still C-arm draws no anatomy"
        differ = np.abs(mine.anatomy - theirs.anatomy)
        assert (differ > 1e-3 * mine.anatomy.max()).mean() < 1e-3
        assert theirs.anatomy[1].max() == pytest.approx(mine.anatomy[1].max(), rel=1e-4) == pytest.approx(60.0, rel=0.01)


def test_patient_is_the_same_from_every_side(gl):
    scene = make_scene(simple_phantom())
    mine, theirs = Projector(scene), GlProjector(scene)
    for primary, secondary in ((0, 0), (90_000, 0), (-30_000, 20_000)):
        now = view(primary, secondary)
        ratio = np.exp(mine.line_integrals_60kev(now, 256) - theirs.line_integrals_60kev(now, 256)) - 1.0
        assert np.median(np.abs(ratio)) < 1e-4
        assert (np.abs(ratio) > 1e-3).mean() < 1e-3, "more than rounding at grazing edges"
    assert theirs.renderer


def test_a_ct_is_the_same_from_every_side(gl):
    """Blobs of many densities in air, off the middle, on a grid of three spacings: no full block is jumped over."""
    there, rng = np.indices((70, 53, 91)), np.random.default_rng(1)
    hu = np.full((70, 53, 91), -1000, np.int16)
    for _ in range(12):
        middle, radius = rng.uniform(8, 45, 3), rng.uniform(2, 9)
        hu[((there - middle[:, None, None, None]) ** 2).sum(0) < radius**2] = rng.integers(-200, 1900)
    scene = replace(SceneBuilder().scene(), scan=Scan(hu, np.array([-60.0, -50.0, -80.0]), np.array([1.7, 1.9, 1.8])))
    mine, theirs = Projector(scene), GlProjector(scene)
    for primary, secondary in ((0, 0), (90_000, 0), (-35_000, 25_000), (10_000, -30_000)):
        now = view(primary, secondary)
        assert theirs.draw(now, 128) and mine.draw(now, 128)
        assert not theirs.draw(now, 128), "a still C-arm draws no anatomy"
        assert mine.anatomy[1].max() > 1.0
        assert np.abs(theirs.anatomy - mine.anatomy).max() < 1e-3 * mine.anatomy.max()
    assert theirs.draw(view(), 64) and theirs.anatomy.shape == (2, 64, 64)


def test_both_draw_the_same_picture(gl):
    scene, now = make_scene(simple_phantom()), view()
    a, b = (Imager(scene, load_beam(), backend=name).picture(now, 128).astype(int) for name in ("cpu", "gl"))
    assert np.abs(a - b).max() <= 2


def test_runs_cover_all_faces():
    weights = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]], np.float32)
    assert list(runs(weights)) == [(0, 2), (2, 4), (4, 5)]
    assert list(runs(weights[:0])) == []


def test_unknown_backend_is_one_line():
    with pytest.raises(UsageError, match="expected cpu or gl"):
        projector_of(SceneBuilder().scene(), "vulkan")


def test_missing_package_names_the_fix(monkeypatch):
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(MachineError, match="pip install moderngl"):
        projector_of(SceneBuilder().scene(), "gl")


def test_command_draws_with_either(gl, tmp_path):
    base = ("render", "--scenario", "tfesi-l4l5-right", "--primary", "20", "--secondary", "0", "--size", "128")
    pictures = []
    for name in ("cpu", "gl"):
        out = tmp_path / f"{name}.npy"
        done = scottie(*base, "--backend", name, "--out", str(out))
        assert done.returncode == 0, done.stderr
        pictures.append(np.load(out))
    assert np.median(np.abs(np.exp(pictures[0] - pictures[1]) - 1.0)) < 1e-4
    assert pictures[0].max() > 1.0
