"""X-Ray Angiographic images: complete by dciodvfy, right spacing and angles, runs as multi-frame."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from scenarios.beam_tables import load_carm
from scenarios.dicom_file import dicom_bytes
from sim.view import View, pose_of
from tests.make_phantom import simple_study

STUDY = replace(simple_study(), toolbox=replace(simple_study().toolbox, carm=load_carm()))
FRAMES = np.random.default_rng(0).integers(0, 255, (5, 64, 64)).astype(np.uint8)


def view(primary: int = -25_000, secondary: int = 5_000, magnification: int = 1) -> View:
    pose = pose_of(load_carm(), primary, secondary, (0, 0, 0), magnification)
    nothing = (np.zeros((0, 3)), 0.7, 0.0, np.zeros((0, 4), np.float32))
    return View(pose, 1.0, 1.0, 81.5, 0.24, *nothing, (1, 1), primary_mdeg=primary, secondary_mdeg=secondary)


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def test_one_picture_says_how_it_was_made():
    image = read(dicom_bytes(FRAMES[0], view(), STUDY))
    assert [float(v) for v in image.ImagerPixelSpacing] == [220 / 64, 220 / 64]
    assert (float(image.PositionerPrimaryAngle), float(image.PositionerSecondaryAngle)) == (-155.0, 5.0)
    assert (float(image.DistanceSourceToDetector), float(image.DistanceSourceToPatient)) == (1000.0, 700.0)
    assert "NumberOfFrames" not in image and (image.pixel_array == FRAMES[0]).all()
    assert "SIMULATED" in str(image.PatientName)


def test_a_run_plays_at_the_rate_of_its_pulses():
    image = read(dicom_bytes(FRAMES, view(), STUDY, frame_ms=125))
    assert image.NumberOfFrames == 5 and float(image.FrameTime) == 125.0 and image.CineRate == 8
    assert (image.pixel_array == FRAMES).all() and (image.Rows, image.Columns) == (64, 64)
    with pytest.raises(ValueError, match="5 frames with 0 ms"):
        dicom_bytes(FRAMES, view(), STUDY)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy (apt-get install dicom3tools)")
@pytest.mark.parametrize(("pixels", "frame_ms"), [(FRAMES[0], 0), (FRAMES, 125)])
@pytest.mark.parametrize("primary", [0, -90_000, 90_000])
def test_dciodvfy_has_nothing_to_say(pixels, frame_ms, primary, tmp_path: Path):
    path = tmp_path / "x.dcm"
    path.write_bytes(dicom_bytes(pixels, view(primary), STUDY, frame_ms))
    told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    lines = (told.stdout + told.stderr).splitlines()
    assert [line for line in lines if line.startswith(("Error", "Warning"))] == []
    assert "XAImage" in lines
