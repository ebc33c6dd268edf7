"""Imports: names and numbers, bad input of every kind ends in one line or a told repair, files are not trusted."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import trimesh
from scipy import ndimage

from anatomy_assets.bake import bake_bone
from anatomy_assets.column import stack
from anatomy_assets.imports import checks, ct, naming, patient, store, surfaces, volumes
from anatomy_assets.imports.bones import solid_of_bone
from anatomy_assets.imports.field import Notes, Solid, solid_of_mask
from anatomy_assets.imports.marks import like_the_model, waist
from anatomy_assets.imports.registration import fit
from anatomy_assets.parameters import individual
from scenarios import patients
from sim.errors import DataError, UsageError
from sim.phantom import Phantom
from tests.make_ct import save_nifti
from tests.make_phantom import simple_phantom

SPACING = 2.0


def toy_mask(shape: tuple[int, int, int], affine: np.ndarray, centre: np.ndarray, turn: float = 1.0) -> np.ndarray:
    """A vertebra of blocks: a round body, a bar across, a spinous process behind (turn -1: before)."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3] - centre, -1, 0)
    y = y * turn
    body = (x * x + (y + 4.0) ** 2 < 20.0**2) & (np.abs(z) < 13.0)
    bar = (np.abs(x) < 40.0) & (np.abs(y - 22.0) < 7.0) & (np.abs(z) < 5.0)
    spine = (np.abs(x) < 4.0) & (y > 12.0) & (y < 52.0) & (np.abs(z) < 9.0)
    return body | bar | spine


AFFINE = np.diag([SPACING, SPACING, SPACING, 1.0])
AFFINE[:3, 3] = [-60.0, -40.0, 0.0]
SHAPE = (60, 55, 90)


def toy_labels(numbers: dict[int, float], turn: float = 1.0) -> np.ndarray:
    """A label map of toy vertebrae: number -> height (mm)."""
    out = np.zeros(SHAPE, np.uint8)
    for value, height in numbers.items():
        out[toy_mask(SHAPE, AFFINE, np.array([0.0, 0.0, height]), turn)] = value
    return out


def toy_solids(**heights: float) -> dict[str, Solid]:
    return {n: solid_of_mask(n, toy_mask(SHAPE, AFFINE, np.array([0.0, 0.0, z])), AFFINE) for n, z in heights.items()}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("vertebrae_L4.nii.gz", "L4"),
        ("mean_L3_local.ply", "L3"),
        ("L5.STL", "L5"),
        ("Vertebra-l2.obj", "L2"),
        ("sacrum.nii.gz", "S"),
        ("vertebrae_S1.nii.gz", "S"),
        ("hip_left.nii.gz", "ilium_left"),
        ("HipRight.stl", "ilium_right"),
        ("rib_left_12.nii.gz", "rib12_left"),
        ("kidney_right.nii.gz", "kidney_right"),
        ("T12.ply", "T12"),
        ("hip.stl", None),
        ("L4_L5.stl", None),
        ("colon.nii.gz", None),
    ],
)
def test_names_of_files(text: str, name: str | None) -> None:
    assert naming.structure(text) == name


def test_numberings_as_published() -> None:
    assert naming.numbers("total_v2")["L5"] == (27,)
    assert naming.numbers("total_v2")["S"] == (25, 26)
    assert naming.numbers("total_v1")["L5"] == (18,)
    assert naming.numbers("verse")["L1"] == (20,)
    assert naming.numbers("verse")["L5"] == (24,)


@pytest.mark.parametrize(
    ("numbers", "system"),
    [
        ({27: 30.0, 28: 65.0, 29: 100.0}, "total_v2"),
        ({18: 30.0, 19: 65.0, 20: 100.0}, "total_v1"),
        ({24: 30.0, 23: 65.0, 22: 100.0}, "verse"),
    ],
)
def test_numbering_found_by_anatomy(tmp_path: Path, numbers: dict[int, float], system: str) -> None:
    notes = Notes()
    path = save_nifti(tmp_path / "l.nii.gz", toy_labels(numbers), AFFINE)
    found = volumes.read_labels(path, "auto", 1.0, notes)
    assert sorted(found) == ["L3", "L4", "L5"]
    assert any(naming.title(system) in line for line in notes.lines)
    assert found["L4"].thickest()[2] == pytest.approx(65.0, abs=6.0)
    assert checks.check_spine(found, notes) == ["L3", "L4", "L5"]


def test_any_orientation_of_the_grid_gives_the_same_bone(tmp_path: Path) -> None:
    labels = toy_labels({28: 65.0, 27: 30.0})
    labels[8:10, 40:42, 48:50] = 0
    plain = volumes.read_labels(save_nifti(tmp_path / "a.nii.gz", labels, AFFINE), "auto", 1.0, Notes())["L4"]
    turned = AFFINE @ np.array([[0, -1, 0, SHAPE[0] - 1], [0, 0, 1, 0], [-1, 0, 0, SHAPE[2] - 1], [0, 0, 0, 1.0]])
    other = np.ascontiguousarray(np.transpose(labels, (2, 0, 1))[::-1, ::-1, :])
    again = volumes.read_labels(save_nifti(tmp_path / "b.nii.gz", other, turned), "auto", 1.0, Notes())["L4"]
    rng = np.random.default_rng(0)
    points = np.array([0.0, 10.0, 65.0]) + rng.uniform(-30.0, 30.0, (500, 3))
    assert np.abs(plain.at(points) - again.at(points)).max() < 0.05


def broken_header(path: Path) -> Path:
    image = nibabel.Nifti1Image(toy_labels({27: 30.0}), np.eye(4))
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nibabel.save(image, path)
    return path


def test_bad_label_maps_end_in_one_line(tmp_path: Path) -> None:
    good = toy_labels({27: 30.0, 28: 65.0})
    holed = good.astype(np.float32)
    holed[3, 3, 3] = np.nan
    parts = good.astype(np.float32)
    parts[3, 3, 3] = 1.5
    thick = np.diag([2.0, 2.0, 6.0, 1.0])
    cases: list[tuple[Path, str]] = [
        (save_nifti(tmp_path / "nan.nii.gz", holed, AFFINE), "NaN"),
        (save_nifti(tmp_path / "part.nii.gz", parts, AFFINE), "whole label numbers"),
        (save_nifti(tmp_path / "empty.nii.gz", np.zeros(SHAPE, np.uint8), AFFINE), "empty"),
        (save_nifti(tmp_path / "ct.nii.gz", good.astype(np.int16) - 1000, AFFINE), "is it the CT"),
        (save_nifti(tmp_path / "thick.nii.gz", good, thick), "6 mm"),
        (save_nifti(tmp_path / "4d.nii.gz", np.zeros((4, 4, 4, 3), np.uint8), AFFINE), "three axes"),
        (save_nifti(tmp_path / "one.nii.gz", toy_labels({27: 30.0}), AFFINE), "numbering is not clear"),
        (broken_header(tmp_path / "bare.nii.gz"), "orientation"),
    ]
    whole = save_nifti(tmp_path / "whole.nii.gz", good, AFFINE).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nii").write_text("not an image")
    cases += [(tmp_path / "cut.nii.gz", "too early"), (tmp_path / "text.nii", "NIfTI")]
    for path, word in cases:
        with pytest.raises(DataError, match=word) as caught:
            volumes.read_labels(path, "auto", 1.0, Notes())
        assert "\n" not in str(caught.value)


def test_huge_volume_is_refused_by_its_header(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "huge.nii", np.zeros((4, 4, 4), np.uint8), AFFINE)
    raw = bytearray(path.read_bytes())
    raw[42:48] = np.array([4000, 4000, 4000], "<i2").tobytes()
    path.write_bytes(bytes(raw))
    with pytest.raises(DataError, match="64000 million voxels"):
        volumes.open_nifti(path)


def test_islands_cavities_and_empty_masks(tmp_path: Path) -> None:
    notes = Notes()
    mask = toy_mask(SHAPE, AFFINE, np.array([0.0, 0.0, 60.0]))
    mask[2:4, 2:4, 2:4] = True
    mask[28:32, 17:21, 28:32] = False
    solid = volumes.clean_mask("L4", mask, AFFINE, notes)
    assert solid is not None
    assert any("stray island" in line for line in notes.lines)
    assert any("cavities" in line for line in notes.lines)
    assert solid.at(np.array([[-56.0, -36.0, 6.0]]))[0] > 5.0
    assert volumes.clean_mask("L3", np.zeros_like(mask), AFFINE, notes) is None
    assert any(line.startswith("L3: empty") for line in notes.lines)
    twice = toy_mask(SHAPE, AFFINE, np.array([0.0, 0.0, 40.0])) | toy_mask(SHAPE, AFFINE, np.array([0.0, 0.0, 120.0]))
    with pytest.raises(DataError, match="2 pieces"):
        volumes.clean_mask("L4", twice, AFFINE, notes)


def test_sheared_masks_are_resampled_and_told() -> None:
    shear = AFFINE.copy()
    shear[1, 2] = 0.3 * SPACING
    notes = Notes()
    mask = toy_mask(SHAPE, shear, np.array([0.0, 20.0, 60.0]))
    solid = volumes.clean_mask("L4", mask, shear, notes)
    assert solid is not None
    assert any("tilted gantry" in line for line in notes.lines)
    straight = solid_of_mask("L4", toy_mask(SHAPE, AFFINE, np.array([0.0, 20.0, 60.0])), AFFINE)
    points = np.array([0.0, 20.0, 60.0]) + np.random.default_rng(0).uniform(-12.0, 12.0, (300, 3))
    assert np.abs(solid.at(points) - straight.at(points)).mean() < 0.5


def test_spines_that_cannot_be_one_are_refused() -> None:
    good = toy_solids(L3=100.0, L4=65.0, L5=30.0)
    assert checks.check_spine(dict(good), Notes()) == ["L3", "L4", "L5"]
    flipped = {n: Solid(n, s.distance, np.diag([1.0, -1.0, 1.0, 1.0]) @ s.affine) for n, s in good.items()}
    headstand = {n: Solid(n, s.distance, np.diag([1.0, 1.0, -1.0, 1.0]) @ s.affine) for n, s in good.items()}
    metres = {n: Solid(n, s.distance * np.float32(1e-3), np.diag([1e-3, 1e-3, 1e-3, 1.0]) @ s.affine) for n, s in good.items()}
    merged = toy_solids(L3=125.0, L5=30.0)
    double = toy_mask(SHAPE, AFFINE, np.array([0.0, 0.0, 90.0])) | toy_mask(SHAPE, AFFINE, np.array([0.0, 0.0, 64.0]))
    merged["L4"] = solid_of_mask("L4", double, AFFINE)
    liver = solid_of_mask("liver", toy_mask(SHAPE, AFFINE, np.array([15.0, 0.0, 120.0])), AFFINE)
    wings = {"ilium_left": good["L5"].moved(_shifted(-50.0)), "ilium_right": good["L5"].moved(_shifted(50.0))}
    cases: list[tuple[dict[str, Solid], str]] = [
        ({"L3": good["L3"], "L5": good["L5"]}, "missing between L3 and L5"),
        ({"L4": good["L4"]}, "at least two"),
        ({"L5": good["L5"], "S": good["L5"]}, "at least two"),
        (flipped, "behind it"),
        (headstand, "above"),
        (metres, "--unit m"),
        (merged, "merged"),
        ({"L4": good["L4"], "L5": good["L4"].moved(_shifted(0.0, -5.0))}, "one vertebra twice"),
        ({**good, "liver": liver}, "mirrored"),
        ({**good, **wings}, "exchanged"),
        ({**good, "L6": good["L5"]}, "L6"),
    ]
    for solids, word in cases:
        with pytest.raises(DataError, match=word) as caught:
            checks.check_spine(solids, Notes())
        assert "\n" not in str(caught.value)


def _shifted(x: float, z: float = 0.0) -> np.ndarray:
    out = np.eye(4)
    out[0, 3], out[2, 3] = x, z
    return out


# --- meshes


def block(tmp_path: Path, name: str, change: Any = None) -> Path:
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=40.0)
    mesh.apply_scale([1.0, 0.8, 0.6])
    if change is not None:
        mesh = change(mesh)
    path = tmp_path / name
    mesh.export(path)
    return path


def inside_out(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    mesh.invert()
    return mesh


def without_faces(count: int) -> Any:
    def change(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        return trimesh.Trimesh(mesh.vertices, mesh.faces[count:], process=False)

    return change


def fin(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """A flap on one edge: three and more triangles meet there."""
    a, b, _ = mesh.faces[0]
    vertices = np.concatenate([mesh.vertices, [[50.0, 0.0, 0.0], [50.0, 5.0, 0.0]]])
    n = len(mesh.vertices)
    extra = [[a, b, n], [b, a, n + 1], [a, n, n + 1], [b, n + 1, n]]
    return trimesh.Trimesh(vertices, np.concatenate([mesh.faces, extra]), process=False)


def test_mesh_repairs_are_told_and_right(tmp_path: Path) -> None:
    points = np.random.default_rng(1).uniform(-30.0, 30.0, (400, 3))
    plain = surfaces.read_mesh("L4", block(tmp_path, "L4.stl"), 1.0, "LPS", Notes(), 1.2)
    for name, change, word in (
        ("in.ply", inside_out, "turned outward"),
        ("hole.stl", without_faces(2), "holes in the mesh closed"),
        ("fin.ply", fin, "of the mesh removed"),
    ):
        notes = Notes()
        solid = surfaces.read_mesh("L4", block(tmp_path, name, change), 1.0, "LPS", notes, 1.2)
        assert any(word in line for line in notes.lines), notes.lines
        assert np.abs(solid.at(points) - plain.at(points)).max() < 0.6


def test_distance_of_a_mesh_is_true() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=20.0)
    solid = surfaces.solid_of_mesh("L4", np.asarray(mesh.vertices), np.asarray(mesh.faces))
    points = np.random.default_rng(2).uniform(-16.0, 16.0, (2000, 3))
    error = solid.at(points) - (np.sqrt((points * points).sum(1)) - 20.0)
    assert np.abs(error).mean() < 0.2  # far from the surface by voxels: redistanced when baked
    near = np.abs(np.sqrt((points * points).sum(1)) - 20.0) < 1.5
    assert np.abs(error[near]).max() < 0.12


def test_frame_and_unit_of_meshes(tmp_path: Path) -> None:
    def moved(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        mesh.apply_translation([10.0, 20.0, 30.0])
        return mesh

    path = block(tmp_path, "L4.obj", moved)
    for frame, middle in (("LPS", [10.0, 20.0, 30.0]), ("RAS", [-10.0, -20.0, 30.0])):
        solid = surfaces.read_mesh("L4", path, 1.0, frame, Notes(), 1.2)
        assert solid.inside_points().mean(0) == pytest.approx(middle, abs=0.3)


def test_bad_meshes_end_in_one_line(tmp_path: Path) -> None:
    def metres(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        mesh.apply_scale(1e-3)
        return mesh

    def doubled(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        return trimesh.util.concatenate([mesh, mesh.copy().apply_translation([90.0, 0.0, 0.0])])

    whole = block(tmp_path, "whole.stl").read_bytes()
    (tmp_path / "cut.stl").write_bytes(whole[: len(whole) // 2])
    cases = [
        (block(tmp_path, "metres.ply", metres), "--unit m"),
        (block(tmp_path, "half.ply", without_faces(600)), "open"),
        (block(tmp_path, "two.ply", doubled), "pieces"),
        (tmp_path / "cut.stl", "cut short"),
    ]
    for path, word in cases:
        with pytest.raises(DataError, match=word) as caught:
            surfaces.read_mesh("L4", path, 1.0, "LPS", Notes())
        assert "\n" not in str(caught.value)


def test_huge_cut_and_crossed_meshes_end_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_nan(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        points = np.array(mesh.vertices)
        points[5] = np.nan
        return trimesh.Trimesh(points, mesh.faces, process=False)

    def crossed(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        """Two bodies that share an edge: four triangles meet there."""
        a = trimesh.creation.box((60.0, 60.0, 40.0)).subdivide().subdivide().subdivide()
        b = a.copy().apply_translation([60.0, 60.0, 0.0])
        return trimesh.util.concatenate([a, b])

    for kind in ("ply", "obj"):
        whole = block(tmp_path, f"whole.{kind}").read_bytes()
        (tmp_path / f"cut.{kind}").write_bytes(whole[: 2 * len(whole) // 3])
    cases = [
        (tmp_path / "cut.ply", "cut short"),
        (tmp_path / "cut.obj", "open|cut short|border edges"),
        (block(tmp_path, "nan.ply", with_nan), "NaN|open|border edges"),
        (block(tmp_path, "crossed.ply", crossed), "pieces|more than two triangles"),
    ]
    for path, word in cases:
        with pytest.raises(DataError, match=word) as caught:
            surfaces.read_mesh("L4", path, 1.0, "LPS", Notes())
        assert "\n" not in str(caught.value)
    path = block(tmp_path, "large.stl")
    monkeypatch.setattr(surfaces, "MOST_TRIANGLES", 1000)
    with pytest.raises(DataError, match="expected at most 1000"):
        surfaces.read_mesh("L4", path, 1.0, "LPS", Notes())
    monkeypatch.setattr(surfaces, "MOST_BYTES", 2**15)
    with pytest.raises(DataError, match="simplify it"):
        surfaces.read_mesh("L4", path, 1.0, "LPS", Notes())


def test_two_bones_with_one_name_and_a_mapping(tmp_path: Path) -> None:
    block(tmp_path, "L4.stl")
    block(tmp_path, "vertebra_l4.ply")
    with pytest.raises(DataError, match="both name L4"):
        surfaces.read_meshes(tmp_path, 1.0, "LPS", Notes(), {})
    (tmp_path / patient.MAPPING).write_text('"vertebra_l4.ply" = "L3"\n')
    found = surfaces.read_meshes(tmp_path, 1.0, "LPS", Notes(), patient._mapping(tmp_path))
    assert sorted(found) == ["L3", "L4"]
    (tmp_path / patient.MAPPING).write_text('"vertebra_l4.ply" = "skull"\n')
    with pytest.raises(DataError, match="expected a structure"):
        patient._mapping(tmp_path)


# --- CT


def write_series(folder: Path, count: int = 14, tilt_mm: float = 0.0, **fields: Any) -> Path:
    """A small CT: a ball of tissue with a bony core; tilt_mm shifts each slice (tilted gantry)."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    series = generate_uid(entropy_srcs=["scottie", str(folder)])
    i, j = np.meshgrid(np.arange(48), np.arange(48), indexing="ij")  # row (y), column (x)
    for k in range(count):
        d = pydicom.Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = CTImageStorage
        d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID = generate_uid(entropy_srcs=[str(folder), str(k)])
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.Modality, d.SeriesInstanceUID = "CT", series
        d.Rows = d.Columns = 48
        d.PixelSpacing, d.ImageOrientationPatient = [2.0, 2.0], [1, 0, 0, 0, 1, 0]
        d.ImagePositionPatient = [-40.0, -50.0 + tilt_mm * k, 3.0 * k]
        d.BitsAllocated = d.BitsStored = 16
        d.HighBit, d.PixelRepresentation, d.SamplesPerPixel, d.PhotometricInterpretation = 15, 1, 1, "MONOCHROME2"
        d.RescaleSlope, d.RescaleIntercept = 1, -1024
        x, y = -40.0 + 2.0 * j, -50.0 + tilt_mm * k + 2.0 * i
        r = np.sqrt((x - 6.0) ** 2 + y**2)
        d.PixelData = np.where(r < 10.0, 1524, np.where(r < 35.0, 1064, 24)).astype(np.int16).tobytes()
        for key, value in fields.items():
            setattr(d, key, value)
        d.save_as(folder / f"s{k:03d}.dcm", enforce_file_format=True)
    return folder


def test_dicom_series_keeps_its_place(tmp_path: Path) -> None:
    body = ct.read_ct(write_series(tmp_path / "a"), False, 1.0, Notes())
    assert body.mean_hu(np.array([6.0, 0.0, 20.0]), 4.0) == pytest.approx(500.0, abs=1.0)
    assert body.mean_hu(np.array([-18.0, 0.0, 20.0]), 4.0) == pytest.approx(40.0, abs=1.0)
    i, _, _ = np.nonzero(body.inside)
    x = body.origin_mm[0] + body.spacing_mm[0] * i
    assert 0.5 * (x.min() + x.max()) == pytest.approx(6.0, abs=1.6)


def test_tilted_gantry_is_straightened(tmp_path: Path) -> None:
    notes = Notes()
    body = ct.read_ct(write_series(tmp_path / "t", tilt_mm=0.8), False, 1.0, notes)
    assert any("tilted gantry" in line for line in notes.lines)
    for z in (9.0, 30.0):
        assert body.mean_hu(np.array([6.0, 0.0, z]), 4.0) == pytest.approx(500.0, abs=1.0)


def test_bad_series_end_in_one_line(tmp_path: Path) -> None:
    missing = write_series(tmp_path / "missing")
    (missing / "s006.dcm").unlink()
    double = write_series(tmp_path / "double")
    (double / "again.dcm").write_bytes((double / "s005.dcm").read_bytes())
    mixed = write_series(tmp_path / "mixed")
    other = write_series(tmp_path / "other")
    for path in other.iterdir():
        (mixed / f"o_{path.name}").write_bytes(path.read_bytes())
    cut = write_series(tmp_path / "cut")
    raw = (cut / "s007.dcm").read_bytes()
    (cut / "s007.dcm").write_bytes(raw[: len(raw) - 900])
    few = write_series(tmp_path / "few", count=4)
    named = write_series(tmp_path / "named", PatientName="Doe^John", PatientID="4711")
    cases = [
        (missing, "slices are missing"),
        (double, "same place"),
        (mixed, "2 series mixed"),
        (cut, "s007.dcm"),
        (few, "expected a CT series"),
        (write_series(tmp_path / "mr", Modality="MR"), "expected CT"),
        (named, "--deidentify"),
    ]
    for folder, word in cases:
        with pytest.raises(DataError, match=word) as caught:
            ct.read_ct(folder, False, 1.0, Notes())
        assert "\n" not in str(caught.value)
        assert "Doe" not in str(caught.value)
        assert "4711" not in str(caught.value)


def test_a_ct_as_nifti_may_be_large_turned_or_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large one is read with a stride and says so, any orientation gives the same body, a cut one is refused."""
    hu = np.full((48, 40, 30), -1000, np.int16)
    hu[10:40, 8:30, :] = 40
    hu[20:30, 15:22, :] = 600
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-30.0, 5.0, 100.0]
    turned = affine @ np.array([[-1, 0, 0, 47], [0, 0, -1, 39], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    other = np.ascontiguousarray(np.transpose(hu[::-1, ::-1], (0, 2, 1)))
    plain = save_nifti(tmp_path / "a.nii.gz", hu, affine)
    a = ct.read_ct(plain, False, 1.0, Notes())
    b = ct.read_ct(save_nifti(tmp_path / "b.nii.gz", other, turned), False, 1.0, Notes())
    for centre, mean in (([19.0, 41.0, 128.0], 600.0), ([-5.0, 25.0, 128.0], 40.0)):
        assert a.mean_hu(np.array(centre), 3.0) == pytest.approx(mean, abs=3.0)
        assert b.mean_hu(np.array(centre), 3.0) == pytest.approx(mean, abs=3.0)
    whole = plain.read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="too early"):
        ct.read_ct(tmp_path / "cut.nii.gz", False, 1.0, Notes())
    notes = Notes()
    monkeypatch.setattr(ct, "CT_VOXELS", 20_000)
    coarse = ct.read_ct(plain, False, 1.0, notes)
    assert any("every 2. voxel" in line for line in notes.lines)
    assert coarse.mean_hu(np.array([19.0, 41.0, 128.0]), 3.0) == pytest.approx(600.0, abs=60.0)


def test_deidentify_keeps_nothing_that_names(tmp_path: Path) -> None:
    notes = Notes()
    folder = write_series(tmp_path / "named", PatientName="Doe^John", PatientID="4711", InstitutionName="St Elsewhere")
    ct.read_ct(folder, True, 1.0, notes)
    text = " ".join(notes.lines)
    assert "PatientName" in text
    assert not any(word in text for word in ("Doe", "4711", "Elsewhere"))
    ct.read_ct(write_series(tmp_path / "anon", PatientName="ANONYMOUS", PatientID=""), False, 1.0, Notes())


def test_labels_and_ct_of_different_scans_are_refused(tmp_path: Path) -> None:
    body = ct.read_ct(write_series(tmp_path / "a"), False, 1.0, Notes())
    with pytest.raises(DataError, match="inside the CT"):
        patient._check_overlap(toy_solids(L4=100.0), body)
    air = solid_of_mask("L4", np.ones((8, 8, 8), bool), np.array([[2.0, 0, 0, -36], [0, 2, 0, -46], [0, 0, 2, 10], [0, 0, 0, 1]]))
    with pytest.raises(DataError, match="do not belong together"):
        patient._check_overlap({"L4": air}, body)


# --- registration, files


def test_registration_finds_size_place_and_bend() -> None:
    rng = np.random.default_rng(3)
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=1.0)
    model = np.asarray(mesh.vertices) * [30.0, 20.0, 12.0] + np.outer(np.asarray(mesh.vertices)[:, 0] ** 3, [0.0, 14.0, 6.0])
    marks = model[rng.integers(len(model), size=30)]

    def bent(p: np.ndarray) -> np.ndarray:
        q = 1.12 * p + [5.0, -7.0, 100.0]
        q[:, 2] += 0.002 * (q[:, 0] - 5.0) ** 2
        return q

    found = fit(model, bent(model))
    assert np.sqrt(((found.carry(marks) - bent(marks)) ** 2).sum(1)).mean() < 0.8
    assert found.scale == pytest.approx(1.12, abs=0.05)


def test_phantom_file_round_trip_and_distrust(tmp_path: Path) -> None:
    made = simple_phantom()
    path = tmp_path / "p.phantom"
    store.write_patient(path, made)
    again = store.read_patient(path)
    assert again.content_hash == made.content_hash == store.content_hash_of(path)
    raw = path.read_bytes()
    (tmp_path / "cut.phantom").write_bytes(raw[: len(raw) // 2])
    (tmp_path / "text.phantom").write_text("hello")
    for name in ("cut", "text"):
        with pytest.raises(DataError, match="damaged"):
            store.read_patient(tmp_path / f"{name}.phantom")
    with pytest.raises(UsageError, match=r"expected a \.phantom"):
        store.read_patient(tmp_path / "none.phantom")
    bomb = tmp_path / "bomb.phantom"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("phantom_file.npy", bytes(40_000_000))
    with pytest.raises(DataError, match="unpacks to"):
        store.read_patient(bomb)
    with pytest.raises(UsageError, match="phantom"):
        store.write_patient(tmp_path / "p.npz", made)


def test_altered_phantom_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "p.phantom"
    store.write_patient(path, simple_phantom())
    with zipfile.ZipFile(path) as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    nodes = np.load(io.BytesIO(parts["tube_nodes.npy"]))
    nodes[0, 0] += 1.0
    out = io.BytesIO()
    np.save(out, nodes)
    parts["tube_nodes.npy"] = out.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match="altered"):
        store.read_patient(path)


def test_studies_name_their_patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(patients.PATHS, "")
    path = tmp_path / "p.phantom"
    store.write_patient(path, simple_phantom())
    with pytest.raises(UsageError, match="say --patient"):
        patients.find_patient(simple_phantom().content_hash[:16])
    name = patients.on_patient("tfesi-l4l5-right", path)
    assert patients.split(name) == ("tfesi-l4l5-right", simple_phantom().content_hash[:16])
    assert patients.find_patient(patients.split(name)[1]).content_hash == simple_phantom().content_hash
    assert patients.on_patient("x", None) == "x"
    with pytest.raises(UsageError, match="no such file"):
        patients.register(tmp_path / "none")


@pytest.mark.parametrize(
    "wrong", [{"naming": "x"}, {"unit": "inch"}, {"frame": "ABC"}, {"bmi": 5.0}, {"spacing_mm": 9.0}, {"note": "a\nb"}]
)
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected"):
        patient.ImportOptions(**wrong)


def test_sources_that_are_none(tmp_path: Path) -> None:
    quiet = lambda what, share: None  # noqa: E731
    for source, word in ((tmp_path / "none", "no such"), (tmp_path, "neither masks")):
        with pytest.raises(UsageError, match=word):
            patient.import_patient(source, patient.ImportOptions(), quiet)


# --- scenarios on imported patients


def test_a_trap_is_laid_on_a_finished_patient() -> None:
    """The bundle fills the zone round the usual target, leaves bone and the alternative alone, and changes nothing else."""
    from anatomy_assets.imports.trap import with_trap
    from anatomy_assets.patient import build
    from anatomy_assets.tubes import clearance, obstacles
    from sim.fields import tissue_at, tube_distance
    from sim.phantom import Tissue, TubeKind

    adult = build(0)
    made = with_trap(adult, "L4", "right")
    target, other = (made.landmark(f"target.{a}.L4.right") for a in ("subpedicular", "alternative"))
    vessel = [i for i, t in enumerate(made.tubes) if t.name in ("radicular_artery_L4_right", "radicular_vein_L4_right")]
    assert len(vessel) == 2
    near = [min(tube_distance(made.fields, i, *(target + d)) for i in vessel) for d in 0.8 * np.eye(3)]
    assert min(tube_distance(made.fields, i, *target) for i in vessel) < 0.0
    assert max(near) < 0.3
    assert min(tube_distance(made.fields, i, *other) for i in vessel) > 1.0
    assert tissue_at(made.fields, *target) == Tissue.VESSEL
    free = obstacles(made.bones)
    assert all(clearance(free, made.tubes[i].nodes)[0] > 0.05 for i in vessel)
    kept = {t.name: t for t in adult.tubes}
    same = [t for t in made.tubes if t.name in kept and kept[t.name] is t]
    assert len(same) == len(made.tubes) - 2
    assert {t.kind for t in made.tubes} == {t.kind for t in adult.tubes} | {TubeKind.RADICULAR_ARTERY}
    assert made.content_hash != adult.content_hash
    assert with_trap(adult, "L4", "right").content_hash == made.content_hash, "made again it is the same trap"
    with pytest.raises(UsageError, match="whole level"):
        with_trap(adult, "S1", "right")


def test_every_scenario_says_what_is_modelled() -> None:
    """On a patient with modelled parts the chart tells them; findings of a scenario are told as not laid on him."""
    from anatomy_assets.patient import build
    from scenarios.registry import all_scenarios

    real = replace(build(0), modelled=("coccyx", "nerves"), individual={"levels": ["L1", "L2", "L3", "L4", "L5"]})
    assert patients.words(build(0)) == ""
    for scenario in all_scenarios()[0]:
        chosen = patients.adapted(scenario.file, real)
        assert (chosen.target, chosen.further) == (scenario.file.target, scenario.file.further)
        assert "Modelled, not the patient's own: coccyx, nerves." in chosen.patient.history
        assert ("not laid on an imported patient" in chosen.patient.history) == bool(scenario.file.pathology)


def test_a_block_of_several_nerves_moves_as_a_whole() -> None:
    """Where its lowest target is missing all of its targets go one level up; nothing moves from or to the sacrum."""
    from scenarios.registry import find_scenario

    def real(*names: str) -> Phantom:
        marks = {f"target.{n}": np.zeros(3) for n in names}
        return replace(simple_phantom(), landmarks=marks, modelled=("nerves",), individual={"levels": ["L1", "L2", "L3"]})

    block = find_scenario("mbb-l3l4-left").file
    assert [t.level for t in (block.target, *block.further)] == ["L2", "L3"]
    moved = patients.adapted(block, real("medial_branch.L1.left", "medial_branch.L2.left", "subpedicular.L1.left"))
    assert [t.level for t in (moved.target, *moved.further)] == ["L1", "L2"]
    with pytest.raises(UsageError, match="needs L2 whole"):
        patients.adapted(block, real("medial_branch.L1.left", "medial_branch.L3.left"))
    one = find_scenario("tfesi-l5s1-left").file
    with pytest.raises(UsageError, match="whole"):
        patients.adapted(one, real("subpedicular.S1.left"))


def test_the_waist_of_a_pedicle_is_a_mean_of_sections() -> None:
    """A waist is found where it lies; without one the carried middle counts; a little more or less bone moves it a little."""
    ways = np.arange(-6.0, 6.1, 1.0)
    narrow = 120.0 + 9.0 * (ways - 2.0) ** 2
    assert (waist(ways, narrow) * ways).sum() == pytest.approx(2.0, abs=0.3)
    falling = 330.0 - 20.0 * ways
    assert (waist(ways, falling) * ways).sum() == pytest.approx(0.0, abs=1e-9)
    hardly = falling.copy()
    hardly[-1] = falling[-2] + 2.0  # a waist of one part in a hundred at the end
    assert abs((waist(ways, hardly) * ways).sum()) < 0.5


def test_borders_of_the_l5_pedicle_do_not_flip() -> None:
    """0.1 mm more, less, or here and there more bone moves a border of a pedicle by less than 0.5 mm (L5 has hardly a waist)."""
    column = stack(individual(0))
    bone = solid_of_bone(bake_bone(column, [b.shape.name for b in column.bones].index("L5"), 1.0))
    own = {n: np.asarray(p) for n, p in column.landmarks.items() if n.startswith("L5.") and ".foramen." not in n}
    rough = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=bone.distance.shape), 3.0)
    rough *= 0.1 / np.abs(rough).max()
    found = []
    for more in (0.0, 0.1, -0.1, rough, -rough):
        changed = replace(bone, distance=(bone.distance + more).astype(np.float32))
        found.append(like_the_model("L5", own, changed, own, bone, 1.0))
    for side in ("left", "right"):
        for word in ("centre", "lateral", "medial", "superior", "inferior"):
            name = f"L5.pedicle.{side}.{word}"
            for other in found[1:]:
                assert np.linalg.norm(other[name] - found[0][name]) < 0.5, name
