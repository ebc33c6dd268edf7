"""An X-Ray Radiation Dose SR from the events and the header of one attempt (PS3.3 A.35.8, PS3.16 TID 10001).

Everything in it follows from the record: equal records give equal files. What the events do not carry (tube current,
the pulse rate of a single shot, distances when nobody gives them) is written as "value unknown" or left out, never invented.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, XRayRadiationDoseSRStorage, generate_uid

from scoring.dose.content import Code, code, container, moment, number, text, uid
from scoring.metrics import TICK_MS
from sim.errors import UsageError
from sim.event import Event

SOP_CLASS = str(XRayRadiationDoseSRStorage)
FLUOROSCOPY: Code = ("44491008", "SCT", "Fluoroscopy")
STATIONARY: Code = ("113611", "DCM", "Stationary Acquisition")
SINGLE_PLANE: Code = ("113622", "DCM", "Single Plane")
YES: Code = ("373066001", "SCT", "Yes")
NO: Code = ("373067005", "SCT", "No")
REFERENCE_POINT: Code = ("113861", "DCM", "30cm in Front of Image Input Surface")
"""Of a C-arm without an isocentre (IEC 60601-2-54), as scenarios/data/carm.toml has it."""
REGIONS: dict[str, Code] = {
    "C": ("122494005", "SCT", "Cervical spine"),
    "T": ("122495006", "SCT", "Thoracic spine"),
    "L": ("122496007", "SCT", "Lumbar spine"),
    "S": ("122496007", "SCT", "Lumbar spine"),  # the first sacral foramen is imaged with the lumbar spine
}
NOTE = "Simulated patient, simulated X-rays: no person was exposed. The values are those of a computed beam."


@dataclass(frozen=True)
class Device:
    """The simulated C-arm. Distances in mm, None where nobody gives them."""

    manufacturer: str = "Scottie simulator"
    model: str = "generic C-arm"
    serial: str = "SIMULATED"
    sdd_mm: float | None = None
    sod_mm: float | None = None


@dataclass(frozen=True)
class _Attempt:
    record: str
    header: dict[str, Any]
    exposures: list[Event]
    level: str
    device: Device
    begun: datetime

    def uid(self, *what: str) -> str:
        return str(generate_uid(entropy_srcs=["scottie", "dose", *what, self.record]))


def dose_report(record_id: str, header: dict[str, Any], events: Sequence[Event], device: Device | None = None) -> bytes:
    """Return the dose report of an attempt as the bytes of a DICOM file.

    record_id: what names the record (the chain root of its seal); all UIDs follow from it. UsageError when no X-rays
    were used: TID 10001 needs at least one irradiation event.
    """
    exposures = [fact for fact in events if fact.kind == "exposed"]
    if not exposures:
        raise UsageError("no X-rays were used in this attempt: there is no dose to report")
    level = next((str(fact["level"]) for fact in events if fact.kind == "began"), "")
    begun = datetime.strptime(str(header["started"]), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    attempt = _Attempt(record_id, header, exposures, level, device or Device(), begun)
    dataset = _document(attempt)
    dataset.update(_root(attempt))
    dataset.file_meta = _meta(dataset, str(header["engine"]))
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _meta(dataset: Dataset, engine: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["scottie", engine])
    meta.ImplementationVersionName = "SCOTTIE"
    return meta


def _document(attempt: _Attempt) -> Dataset:
    """Return the modules around the content: patient, study, series, equipment, SR document."""
    ended = attempt.begun + timedelta(milliseconds=TICK_MS * attempt.exposures[-1].tick)
    dataset = Dataset()
    dataset.SOPClassUID = SOP_CLASS
    dataset.SOPInstanceUID = attempt.uid("instance")
    dataset.StudyInstanceUID = attempt.uid("study")
    dataset.SeriesInstanceUID = attempt.uid("series")
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.PatientName = "SIMULATED^PATIENT"
    dataset.PatientID = f"SIMULATED-{attempt.header['seed']}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.PatientComments = "Simulated patient: no real person"
    dataset.StudyDate, dataset.StudyTime = attempt.begun.strftime("%Y%m%d"), attempt.begun.strftime("%H%M%S")
    dataset.ContentDate, dataset.ContentTime = ended.strftime("%Y%m%d"), ended.strftime("%H%M%S")
    dataset.SeriesDate, dataset.SeriesTime = dataset.StudyDate, dataset.StudyTime
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.Modality = "SR"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.SeriesDescription = f"Dose of {attempt.header['scenario']}"[:64]
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.Manufacturer = attempt.device.manufacturer
    dataset.ManufacturerModelName = attempt.device.model
    dataset.DeviceSerialNumber = attempt.device.serial
    dataset.SoftwareVersions = str(attempt.header["engine"])
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PerformedProcedureCodeSequence = []
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "10001"
    dataset.ContentTemplateSequence = [template]
    return dataset


def _root(attempt: _Attempt) -> Dataset:
    return container(
        "root",
        code("procedure_reported", ("113704", "DCM", "Projection X-Ray"), _intent()),
        code("observer_type", ("121007", "DCM", "Device")),
        uid("observer_uid", str(generate_uid(entropy_srcs=["scottie", "device", attempt.device.model, attempt.device.serial]))),
        text("observer_name", "Scottie"),
        text("observer_manufacturer", attempt.device.manufacturer),
        text("observer_model", attempt.device.model),
        text("observer_serial", attempt.device.serial),
        code("observer_role", ("121097", "DCM", "Recording")),
        code("scope", ("113014", "DCM", "Study"), uid("scope_uid", attempt.uid("study"))),
        code("detector_data", NO),
        code("source_data", YES),
        code("mechanical_data", YES),
        _accumulated(attempt.exposures),
        *(_event(attempt, number_, fact) for number_, fact in enumerate(attempt.exposures, 1)),
        text("comment", NOTE),
        code("dose_source", ("113856", "DCM", "Automated Data Collection")),
    )


def _intent() -> Dataset:
    return code("intent", ("262202000", "SCT", "Therapeutic Intent"))


def _accumulated(exposures: Sequence[Event]) -> Dataset:
    """Return the totals: fluoroscopy is every shot and live run, acquisition every DSA run."""
    fluoro = [fact for fact in exposures if fact["mode"] != "dsa"]
    acquired = [fact for fact in exposures if fact["mode"] == "dsa"]
    totals = [
        number("dap_total", _total(exposures, "dap_pgy_m2", 12)),
        number("rp_total", _total(exposures, "air_kerma_ngy", 9)),
    ]
    if fluoro:
        totals += [
            number("fluoro_dap_total", _total(fluoro, "dap_pgy_m2", 12)),
            number("fluoro_rp_total", _total(fluoro, "air_kerma_ngy", 9)),
            number("fluoro_time", _total(fluoro, "duration_ms", 3)),
        ]
    totals += [
        number("acquisition_dap_total", _total(acquired, "dap_pgy_m2", 12)),
        number("acquisition_rp_total", _total(acquired, "air_kerma_ngy", 9)),
        number("acquisition_time", _total(acquired, "duration_ms", 3)),
        number("frames_total", _total(acquired, "pulses", 0)),
        code("total_rp_definition", REFERENCE_POINT),
    ]
    return container("accumulated", code("accumulated_plane", SINGLE_PLANE), *totals)


def _total(exposures: Sequence[Event], name: str, digits: int) -> float:
    """Return a sum of whole numbers in the unit of the report: divided once, by a power of ten."""
    return float(sum(int(fact[name]) for fact in exposures) / 10**digits)


def _event(attempt: _Attempt, place: int, fact: Event) -> Dataset:
    began = attempt.begun + timedelta(milliseconds=max(0, TICK_MS * fact.tick - fact["duration_ms"]))
    live, dsa = fact["mode"] == "live", fact["mode"] == "dsa"
    rate = fact["pulses"] * 1000 / fact["duration_ms"] if live and fact["duration_ms"] else None
    primary, secondary = _beam_mdeg(fact)
    items = [
        code("event_plane", SINGLE_PLANE),
        uid("event_uid", attempt.uid("event", str(place))),
        moment("event_started", began.strftime("%Y%m%d%H%M%S.%f") + "+0000"),
        code("event_type", STATIONARY if dsa else FLUOROSCOPY),
        text("event_protocol", {"shot": "single shot", "live": "live fluoroscopy", "dsa": "DSA"}[fact["mode"]]),
        code("event_region", REGIONS.get(attempt.level[:1], REGIONS["L"])),
        number("event_dap", _total([fact], "dap_pgy_m2", 12)),
        number("event_rp", _total([fact], "air_kerma_ngy", 9)),
        code("event_rp_definition", REFERENCE_POINT),
        *([] if dsa else [code("fluoro_mode", ("113631", "DCM", "Pulsed")), number("pulse_rate", rate)]),
        number("pulses", float(fact["pulses"])),
        number("irradiation_duration", _total([fact], "duration_ms", 3)),
        number("kvp", _total([fact], "kvp_x10", 1)),
        number("tube_current", None),
        number("exposure", float(fact["mas_x1000"])),
        number("primary_angle", dicom_primary_deg(primary)),
        number("secondary_angle", secondary / 1000),
    ]
    if attempt.device.sdd_mm is not None:
        items.append(number("source_to_detector", attempt.device.sdd_mm))
    if attempt.device.sod_mm is not None:
        items.append(number("source_to_isocenter", attempt.device.sod_mm))
    return container("event", *items)


def _beam_mdeg(fact: Event) -> tuple[float, float]:
    """Return the two angles of a beam: the standard knows no swivel, so a swivelled C is told by where its beam lies."""
    turn, tilt, swivel = (
        math.radians(fact.data.get(name, 0) / 1000) for name in ("primary_mdeg", "secondary_mdeg", "swivel_mdeg")
    )
    if not swivel:
        return fact["primary_mdeg"], fact["secondary_mdeg"]
    x, y, z = math.sin(turn) * math.cos(tilt), math.cos(turn) * math.cos(tilt), math.sin(tilt)
    x, z = math.cos(swivel) * x - math.sin(swivel) * z, math.sin(swivel) * x + math.cos(swivel) * z
    return 1000 * math.degrees(math.atan2(x, y)), 1000 * math.degrees(math.asin(min(max(z, -1.0), 1.0)))


def dicom_primary_deg(primary_mdeg: float) -> float:
    """Return PositionerPrimaryAngle (-180 to 180 degrees) of our angle on a prone patient, as sim.frames has it."""
    angle = (180_000 - primary_mdeg) % 360_000
    return (angle - 360_000 if angle > 180_000 else angle) / 1000
