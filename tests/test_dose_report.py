"""The dose report: complete by its own template checker and by dciodvfy, and every deleted row is noticed."""

from __future__ import annotations

import copy
import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr._concepts_dict import concepts

from scoring.debrief import _by_view
from scoring.dose import Device, check_dose_report, dose_report
from scoring.dose.check import check_dataset
from scoring.dose.report import dicom_primary_deg
from scoring.dose.template import template
from sim.errors import UsageError
from sim.frames import dicom_primary_deg as core_primary_deg
from tests.make_events import Attempt, expert

HEADER = {"scenario": "tfesi-l4l5-right", "seed": 7, "engine": "1.2.0", "started": "2026-01-31T23:59:58Z"}


def with_dsa() -> Attempt:
    attempt = expert()
    attempt.expose("ap", mode="dsa", pulses=9, duration_ms=3000, dap_pgy_m2=90_000_001, air_kerma_ngy=700_000, mas_x1000=21_000)
    return attempt


def report(attempt: Attempt | None = None, **more: Any) -> bytes:
    return dose_report("ab" * 32, HEADER, (attempt or with_dsa()).events, **more)


def items(dataset: Dataset) -> Any:
    for child in dataset.get("ContentSequence") or []:
        yield dataset, child
        yield from items(child)


def value(dataset: Dataset, concept: str) -> float:
    found = [c for _, c in items(dataset) if c.ConceptNameCodeSequence[0].CodeValue == concept]
    return float(found[0].MeasuredValueSequence[0].NumericValue)


def test_it_passes_its_own_checker() -> None:
    assert check_dose_report(report()) == []
    assert check_dose_report(report(expert(), device=Device(sdd_mm=1000.0, sod_mm=700.0))) == []


def test_the_debrief_tells_every_projection_once() -> None:
    events = with_dsa().events
    shown = [fact for fact in events if fact.kind == "exposed"]
    by_view = _by_view(events)
    assert set(by_view) == {fact["view"] for fact in shown} and len(by_view) > 1
    assert sum(len(of) for of in by_view.values()) == len(shown)
    assert sum(f["dap_pgy_m2"] for of in by_view.values() for f in of) == sum(f["dap_pgy_m2"] for f in shown)


def test_the_totals_are_those_of_the_events() -> None:
    attempt = with_dsa()
    dataset = pydicom.dcmread(io.BytesIO(report(attempt)))
    shown = [fact for fact in attempt.events if fact.kind == "exposed"]
    fluoro = [fact for fact in shown if fact["mode"] != "dsa"]
    assert value(dataset, "113722") == pytest.approx(sum(f["dap_pgy_m2"] for f in shown) * 1e-12, rel=1e-8)
    assert value(dataset, "113726") == pytest.approx(sum(f["dap_pgy_m2"] for f in fluoro) * 1e-12, rel=1e-8)
    assert value(dataset, "113727") == pytest.approx(90.000001e-6, rel=1e-8)
    assert value(dataset, "113725") == pytest.approx(sum(f["air_kerma_ngy"] for f in shown) * 1e-9, rel=1e-8)
    assert value(dataset, "113730") == pytest.approx(sum(f["duration_ms"] for f in fluoro) / 1000)
    events = [c for _, c in items(dataset) if c.ConceptNameCodeSequence[0].CodeValue == "113706"]
    assert len(events) == len(shown)
    assert len({e.ContentSequence[1].UID for e in events}) == len(shown)


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    dataset = pydicom.dcmread(io.BytesIO(report()))
    current = [c for _, c in items(dataset) if c.ConceptNameCodeSequence[0].CodeValue == "113734"]
    assert current
    for item in current:
        assert len(item.MeasuredValueSequence) == 0
        assert item.NumericValueQualifierCodeSequence[0].CodeValue == "114010"


def test_equal_records_give_equal_files_and_others_other_uids() -> None:
    assert report() == report()
    other = dose_report("cd" * 32, HEADER, with_dsa().events)
    uids = [pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID for data in (report(), other)]
    assert uids[0] != uids[1]


def test_the_patient_is_simulated() -> None:
    dataset = pydicom.dcmread(io.BytesIO(report()))
    assert dataset.PatientID == "SIMULATED-7"
    dataset.PatientID = "4711"
    assert any("simulated" in line for line in check_dataset(dataset))


def test_no_x_rays_no_report() -> None:
    with pytest.raises(UsageError, match="no X-rays were used"):
        dose_report("00", HEADER, Attempt().end().events)


@pytest.mark.parametrize("angle", range(-180_000, 180_001, 22_500))
def test_angles_are_those_of_the_core(angle: int) -> None:
    assert dicom_primary_deg(angle) == core_primary_deg(angle)


def test_codes_are_those_of_the_dictionary() -> None:
    """Against pydicom's copy of the DICOM and SNOMED concepts."""
    for row in template().values():
        code, scheme, meaning = row.concept
        known = {v[code][0] for v in concepts[scheme].values() if code in v}
        assert known, row.id
        assert meaning in known or code == "363703001", row.id
        for allowed in row.values:
            assert any(allowed in v for s in ("DCM", "SCT") for v in concepts[s].values()), (row.id, allowed)


def test_every_row_that_is_due_is_missed_when_deleted() -> None:
    """Each content item that the template requires, deleted alone, is one complaint that names it."""
    whole = pydicom.dcmread(io.BytesIO(report(Attempt().expose("ap", mode="live", pulses=24, duration_ms=3000))))
    optional = {row.concept[0] for row in template().values() if row.when == "optional"}
    places = [(i, c.ConceptNameCodeSequence[0].CodeValue) for i, (_, c) in enumerate(items(whole))]
    due = [(i, code) for i, code in places if code not in optional]
    rows = template().values()
    assert {code for _, code in due} == {r.concept[0] for r in rows if r.when != "optional"} - {"113701"}
    for place, code in due:
        broken = copy.deepcopy(whole)
        parent, child = list(items(broken))[place]
        parent.ContentSequence.remove(child)
        if not parent.ContentSequence:
            del parent.ContentSequence
        complaints = check_dataset(broken)
        assert any(f"({code}," in line or "empty" in line for line in complaints), code


def test_without_any_irradiation_event_it_is_no_report() -> None:
    dataset = pydicom.dcmread(io.BytesIO(report()))
    dataset.ContentSequence = [c for c in dataset.ContentSequence if c.ConceptNameCodeSequence[0].CodeValue != "113706"]
    assert any("113706" in line for line in check_dataset(dataset))


@pytest.mark.parametrize(
    ("row", "change", "word"),
    [
        ("113722", lambda i: setattr(i.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0], "CodeValue", "cGy.cm2"), "unit"),
        ("113721", lambda i: setattr(i.ConceptCodeSequence[0], "CodeValue", "113620"), "expected 44491008"),
        ("113769", lambda i: setattr(i, "UID", ""), "UID is empty"),
        ("113702", lambda i: setattr(i, "RelationshipType", "HAS PROPERTIES"), "relationship"),
        ("113734", lambda i: delattr(i, "NumericValueQualifierCodeSequence"), "neither a value"),
        ("113738", lambda i: setattr(i.MeasuredValueSequence[0], "NumericValue", "-1"), "below zero"),
    ],
)
def test_wrong_values_are_noticed(row: str, change: Any, word: str) -> None:
    dataset = pydicom.dcmread(io.BytesIO(report()))
    change(next(c for _, c in items(dataset) if c.ConceptNameCodeSequence[0].CodeValue == row))
    assert any(word in line for line in check_dataset(dataset))


def test_a_foreign_file_is_no_report() -> None:
    assert check_dose_report(b"") != []
    assert check_dose_report(b"x" * 1000) != []


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy (apt-get install dicom3tools)")
@pytest.mark.parametrize("attempt", [expert(), with_dsa()])
def test_dciodvfy_has_nothing_to_say(attempt: Attempt, tmp_path: Path) -> None:
    path = tmp_path / "dose.dcm"
    path.write_bytes(report(attempt, device=Device(sdd_mm=1000.0, sod_mm=700.0)))
    told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    lines = (told.stdout + told.stderr).splitlines()
    assert [line for line in lines if line.startswith(("Error", "Warning"))] == []
    assert "XRayRadiationDoseSR" in lines
