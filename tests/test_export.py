"""Exported files: closed meshes in the documented format, NIfTI in the right frame, landmarks."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import trimesh

from anatomy_assets import export, patient
from sim.fields import tube_distance
from sim.phantom import LabelVolume, Phantom, Skin, TubeKind


@pytest.fixture(scope="module")
def adult() -> Phantom:
    return patient.build(0)


@pytest.fixture(scope="module")
def folder(adult: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom")
    paths = export.export_phantom(adult, out)
    assert all(p.exists() and p.stat().st_size > 0 for p in paths)
    return out


def test_meshes_json_lists_closed_parts(folder: Path) -> None:
    listing = json.loads((folder / "meshes.json").read_text())
    assert [part["outer"] for part in listing].count(True) == 1
    for part in listing:
        assert set(part) == {"file", "name", "mu_per_cm", "outer"}
        assert 0.1 < part["mu_per_cm"] < 1.0
        mesh = trimesh.load(folder / part["file"], process=True, force="mesh")
        assert mesh.is_watertight, f"{part['name']} is open"
        assert mesh.volume > 0.0, f"{part['name']} is inside out"


def test_cortex_is_hollow_and_filled_by_its_core(adult: Phantom) -> None:
    made = {name: trimesh.Trimesh(v, f, process=False) for name, v, f, _, _ in export.parts(adult)}
    for bone in adult.bones:
        shell = trimesh.Trimesh(bone.to_patient(bone.shell_vertices), bone.shell_faces, process=False)
        cortex, core = made[f"{bone.name}_cortex"], made[f"{bone.name}_cancellous"]
        assert cortex.volume == pytest.approx(shell.volume - core.volume, rel=1e-3)
        assert core.volume > 0.3 * shell.volume


def test_no_inner_parts_overlap(adult: Phantom) -> None:
    """Vertices of every bone's shell lie outside every other bone; cores lie inside their own shell."""
    from sim.fields import bone_distance_one

    f = adult.fields
    rng = np.random.default_rng(2)
    for a, bone in enumerate(adult.bones):
        shell = bone.to_patient(bone.shell_vertices)
        core = bone.to_patient(bone.core_vertices)
        for p in shell[rng.integers(len(shell), size=800)]:
            for b in range(len(adult.bones)):
                if a != b:
                    assert bone_distance_one(f, b, *p) > -0.25
        inside = [bone_distance_one(f, a, *p) for p in core[rng.integers(len(core), size=800)]]
        assert max(inside) < 0.05


def test_nifti_is_ras(tmp_path: Path) -> None:
    """A marker to the patient's left, posterior and high must read as RAS (-x, -y, +z)."""
    voxels = np.zeros((8, 9, 10), np.uint8)
    voxels[6, 7, 8] = 5
    origin = np.array([10.0, 20.0, -30.0])
    skin = Skin(np.zeros((2, 2)), 0.0, 0.0, 1.0, np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    phantom = Phantom("marker", (), (), LabelVolume(voxels, origin, 2.0), skin, {})
    image = nibabel.load(export.write_labels(phantom, tmp_path / "m.nii.gz"))
    data = np.asarray(image.dataobj)
    index = np.argwhere(data == 5)[0]
    world = image.affine @ [*index, 1.0]
    lps = origin + 2.0 * np.array([6, 7, 8])
    assert np.allclose(world[:3], lps * [-1.0, -1.0, 1.0])
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    assert data.dtype == np.uint8


def test_labels_file_agrees_with_the_landmarks(folder: Path, adult: Phantom) -> None:
    image = nibabel.load(folder / "labels.nii.gz")
    landmarks = json.loads((folder / "landmarks.json").read_text())["landmarks"]
    p = np.array(landmarks["L4.body.centre"])
    index = np.linalg.inv(image.affine) @ [-p[0], -p[1], p[2], 1.0]
    i, j, k = np.round(index[:3]).astype(int)
    assert int(image.dataobj[i, j, k]) == 16  # cancellous bone
    assert set(landmarks) == set(adult.landmarks)


def test_tube_meshes_are_closed(adult: Phantom) -> None:
    for tube in adult.tubes:
        mesh = trimesh.Trimesh(*export.tube_mesh(tube), process=False)
        assert mesh.is_watertight and mesh.is_winding_consistent, tube.name


def test_the_sac_is_drawn_as_wide_as_it_is(adult: Phantom) -> None:
    """Its mesh lies on the analytic wall and holds the volume of a stadium swept along the path."""
    index, sac = next((i, t) for i, t in enumerate(adult.tubes) if t.kind is TubeKind.SAC)
    points, faces = export.tube_mesh(sac)
    off = [abs(tube_distance(adult.fields, index, *p)) for p in points[:-2].astype(np.float64)]
    assert float(np.mean(off)) < 0.1
    assert max(off) < 0.6  # where the path bends
    nodes = sac.nodes
    area = np.pi * nodes[:, 3] ** 2 + 4.0 * nodes[:, 3] * nodes[:, 4]
    steps = np.sqrt((np.diff(nodes[:, :3], axis=0) ** 2).sum(1))
    volume = float((0.5 * (area[1:] + area[:-1]) * steps).sum())
    assert trimesh.Trimesh(points, faces, process=False).volume == pytest.approx(volume, rel=0.06)
    assert nodes[:, 4].max() > 1.0, "the sac is wider than deep"


def test_stored_normals_point_outward(folder: Path) -> None:
    """The STL's own normals, not only its winding: outward on the skin, into the hole on the inside of a cortex."""
    mesh = trimesh.load(folder / "skin.stl", process=False, force="mesh")
    raw = np.frombuffer((folder / "skin.stl").read_bytes()[84:], np.dtype([("n", "<f4", 3), ("c", "<f4", 9), ("s", "<u2")]))
    assert len(raw) == len(mesh.faces)
    assert np.einsum("ij,ij->i", raw["n"], mesh.face_normals).min() > 0.9
    inside = mesh.triangles_center - 0.5 * mesh.face_normals
    middle = mesh.bounds.mean(0)
    away = ((mesh.triangles_center - middle) ** 2).sum(1) > ((inside - middle) ** 2).sum(1)
    assert away.mean() > 0.9


def test_scene_opens(folder: Path, adult: Phantom) -> None:
    scene = trimesh.load(folder / "phantom.glb", force="scene")
    assert {"skin", "L4", "root_L4_right"} <= set(scene.geometry)
    assert len(scene.geometry) == 1 + len(adult.bones) + len(adult.tubes)
