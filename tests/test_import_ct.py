"""Imported CT: a series keeps its place, bad ones end in one line, nothing that names a person is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anatomy_assets.imports import ct, patient
from anatomy_assets.imports.field import Notes, solid_of_mask
from sim.errors import DataError
from tests.make_ct import save_nifti
from tests.make_toy_bones import toy_solids


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
