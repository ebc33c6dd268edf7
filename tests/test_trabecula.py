"""Trabecular texture: the published spectrum, no net mineral, fixed in the bone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenarios.beam_tables import load_carm
from sim import trabecula
from sim.phantom import LabelVolume, Tissue
from sim.projector import Projector
from sim.scene import BEYOND_MM, make_scene
from sim.view import View, pose_of
from tests.make_phantom import simple_phantom

CARM = load_carm()


def view(primary: int = 0) -> View:
    pose = pose_of(CARM, primary, 0, (0, 0, 0), 0)
    return View(pose, 1.0, 1.0, 80.0, 0.2, np.zeros((0, 3)), 0.7, 0.0, np.zeros((0, 4), np.float32), (1, 1))


def test_the_spectrum_of_a_projection_falls_as_published():
    """Benhamou 2001: 1/f^3.39 of the radiograph; the projection of the field has the exponent of the field."""
    field = trabecula.field(3)
    assert field.mean() == pytest.approx(0.0, abs=1e-3) and field.std() == pytest.approx(1.0, abs=1e-3)
    power = sum(np.abs(np.fft.fft2(trabecula.field(k).sum(1)[:, :])) ** 2 for k in range(6))
    across = power[:, 0]  # along the first axis of the bone
    k = np.arange(8, 28)
    slope = np.polyfit(np.log(k), np.log(across[k]), 1)[0]
    assert slope == pytest.approx(-trabecula.EXPONENT, abs=0.8)
    along = np.sqrt(power[0, 1:30] @ np.arange(1, 30) ** 2 / power[0, 1:30].sum())
    aside = np.sqrt(across[1:30] @ np.arange(1, 30) ** 2 / across[1:30].sum())
    assert along < aside  # streaks run along the third axis, the bone's own


def test_grains_add_no_mineral_and_lie_in_the_core():
    bone = next(b for b in simple_phantom().bones if len(b.core_faces))
    made = trabecula.grains(bone, trabecula.field(0), 0.11, 1)
    assert len(made) > 300 and abs(made[:, 3].sum()) < 1e-3 * np.abs(made[:, 3]).sum()
    assert len(made) < 1.3 * trabecula.MOST_PER_BONE
    again = trabecula.grains(bone, trabecula.field(0), 0.11, 1)
    assert (again == made).all()


@pytest.mark.parametrize("size", [200, 512, 1024])
def test_what_a_grain_holds_arrives(size):
    """mm3 in the patient = sum of mm times the area of a pixel at the grain's depth."""
    scene = replace(make_scene(simple_phantom()), grains=np.array([[3, 20, 5, 2.0], [-12, 20, 8, -0.5]], np.float32))
    with_grains = Projector(scene)
    with_grains.draw(view(), size)
    without = Projector(replace(scene, grains=scene.grains[:0]))
    without.draw(view(), size)
    more = with_grains.anatomy - without.anatomy
    pixel = 300.0 / size * (CARM.sod_mm + 20.0) / CARM.sdd_mm
    assert more[1].sum() * pixel**2 == pytest.approx(1.5, rel=0.03)
    assert np.allclose(more[0], trabecula.WATER_PER_BONE * more[1], atol=1e-4)


def test_exported_meshes_have_no_texture():
    scene = make_scene(simple_phantom())
    assert len(scene.grains)
    assert not len(make_scene(simple_phantom(), soft_tissue=False).grains)


def test_only_what_reaches_the_ends_of_the_section_is_prolonged():
    """A lung's recess ends beside the spine: prolonging it drew a bright bar through the whole picture."""
    phantom = simple_phantom()
    labels = phantom.volume.labels.copy()
    nx, ny, nz = labels.shape
    body = labels == int(Tissue.MUSCLE)
    labels[:, :, : nz // 2][body[:, :, : nz // 2]] = int(Tissue.MUSCLE)
    labels[nx // 2 - 12 : nx // 2 + 12, ny // 2 - 12 : ny // 2 + 12, nz // 2 :] = int(Tissue.LUNG)
    volume = LabelVolume(labels, phantom.volume.origin_mm, phantom.volume.spacing_mm)
    scene = make_scene(replace(phantom, volume=volume))
    lung = next(p for p in scene.parts if p.name == "lung")
    z = scene.vertices[np.unique(scene.faces[lung.start : lung.stop]), 2]
    middle = volume.origin_mm[2] + 0.5 * nz * volume.spacing_mm
    assert z.min() > middle - 10.0
    assert z.max() > volume.origin_mm[2] + nz * volume.spacing_mm + 0.9 * BEYOND_MM
