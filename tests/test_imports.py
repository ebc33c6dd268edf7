"""Imported label maps: names and numbers; bad input of every kind ends in one line or a told repair."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from anatomy_assets.imports import checks, naming, volumes
from anatomy_assets.imports.field import Notes, Solid, solid_of_mask
from sim.errors import DataError
from tests.make_ct import save_nifti
from tests.make_toy_bones import AFFINE, SHAPE, SPACING, toy_labels, toy_mask, toy_solids


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
