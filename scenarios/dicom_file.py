"""Pictures as a DICOM X-Ray Angiographic Image (one frame, or a cine run), marked as simulated. Written with pydicom alone."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage, generate_uid

from sim import ENGINE_VERSION
from sim.frames import dicom_primary_deg, gantry, turned_to_deg
from sim.state import Study
from sim.view import View

_DATE, _TIME = "20000101", "000000"
"""A picture of a simulated patient has no moment in time; a fixed one keeps equal input equal output."""


def dicom_bytes(grey: NDArray[np.uint8], view: View, study: Study, frame_ms: int = 0) -> bytes:
    """Return a displayed picture (n, n), or a run (frames, n, n) with frame_ms between frames, as the bytes of a DICOM file.

    The view is that of the first frame; mAs are those of one pulse. ValueError for a run without a frame time.
    """
    if grey.ndim == 3 and frame_ms <= 0:
        raise ValueError(f"a run of {len(grey)} frames with {frame_ms} ms between them; expected at least 1 ms")
    content = hashlib.sha256(grey.tobytes() + study.hash.encode()).hexdigest()
    dataset = Dataset()
    _patient_and_study(dataset, study, content)
    _geometry(dataset, grey, view, study)
    if grey.ndim == 3:
        _cine(dataset, len(grey), frame_ms)
    dataset.PixelData = grey.tobytes()
    dataset.file_meta = _meta(dataset)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["scottie", ENGINE_VERSION])
    meta.ImplementationVersionName = "SCOTTIE"
    return meta


def _patient_and_study(dataset: Dataset, study: Study, content: str) -> None:
    dataset.SOPClassUID = XRayAngiographicImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["scottie", "image", content])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["scottie", "study", study.hash])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["scottie", "series", study.hash])
    dataset.PatientName = "SIMULATED^PATIENT"
    dataset.PatientID = f"SIMULATED-{study.seed}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.PatientComments = "Simulated patient: no real person"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = _DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = _TIME
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.Modality = "XA"
    dataset.Manufacturer = "Scottie simulator"
    dataset.ManufacturerModelName = "generic C-arm"
    dataset.SoftwareVersions = ENGINE_VERSION
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.SeriesDescription = study.scenario
    dataset.BodyPartExamined = "LSPINE"  # unpaired, so without a laterality
    dataset.PatientPosition = "HFP"


def _cine(dataset: Dataset, frames: int, frame_ms: int) -> None:
    """Multi-frame and Cine modules: a viewer plays the run at the rate of its pulses."""
    dataset.NumberOfFrames = frames
    dataset.FrameIncrementPointer = 0x00181063  # Frame Time
    dataset.FrameTime = f"{frame_ms}"
    dataset.RecommendedDisplayFrameRate = max(1, round(1000 / frame_ms))
    dataset.CineRate = max(1, round(1000 / frame_ms))
    dataset.PreferredPlaybackSequencing = 0  # looping


def _geometry(dataset: Dataset, grey: NDArray[np.uint8], view: View, study: Study) -> None:
    size = grey.shape[-1]
    carm = study.toolbox.carm
    dataset.ImageType = ["DERIVED", "PRIMARY", "SINGLE PLANE"]
    dataset.DerivationDescription = "simulated, prepared for display"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = size
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "DISP"
    dataset.LossyImageCompression = "00"
    dataset.PatientOrientation = ""
    spacing = view.pose.side_mm / size
    dataset.ImagerPixelSpacing = [f"{spacing:.6g}", f"{spacing:.6g}"]
    dataset.DistanceSourceToDetector = f"{carm.sdd_mm:.6g}"
    dataset.DistanceSourceToPatient = f"{carm.sod_mm:.6g}"
    dataset.EstimatedRadiographicMagnificationFactor = f"{carm.sdd_mm / carm.sod_mm:.6g}"
    dataset.PositionerMotion = "STATIC"
    primary, secondary = view.primary_mdeg, view.secondary_mdeg / 1000
    if view.swivel_mdeg:  # where the beam really lies: the standard knows no third angle
        turned, secondary = turned_to_deg(gantry(view.primary_mdeg, view.secondary_mdeg, view.swivel_mdeg).normal)
        primary = round(turned * 1000)
    dataset.PositionerPrimaryAngle = f"{dicom_primary_deg(primary):.3f}"
    dataset.PositionerSecondaryAngle = f"{secondary:.3f}"
    dataset.KVP = f"{view.kvp:.4g}"
    dataset.RadiationSetting = "SC"
    dataset.XRayTubeCurrent = ""
    dataset.ExposureTime = ""
    dataset.Exposure = str(max(1, round(view.mas)))
