"""A checker of TID 10001: every row that is due stands there as often as it must, with its type, unit and code.

`dciodvfy` checks the object and its attributes, and does not notice a deleted template row; this does.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pydicom
from pydicom.dataset import Dataset

from scoring.dose.template import TemplateRow, template

FLUOROSCOPY = "44491008"


def check_dose_report(data: bytes) -> list[str]:
    """Return what is wrong with a dose report (one line each), [] when nothing is."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
    except Exception as error:  # whatever a foreign file breaks in the reader, it is no dose report
        return [f"no DICOM file: {type(error).__name__}"]
    return check_dataset(dataset)


def check_dataset(dataset: Dataset) -> list[str]:
    """Return what is wrong with the content tree of a dose report."""
    wrong = list(_check_identity(dataset))
    root = template()["root"]
    if _concept(dataset) != root.concept[:2] or dataset.get("ValueType") != root.value_type:
        return [*wrong, "root: expected the container (113701, DCM, X-Ray Radiation Dose Report)"]
    return [*wrong, *_check_children(dataset, "root", dataset, "root")]


def _check_identity(dataset: Dataset) -> Iterator[str]:
    if dataset.get("SOPClassUID") != "1.2.840.10008.5.1.4.1.1.88.67":
        yield "SOP Class UID: expected X-Ray Radiation Dose SR Storage"
    used = dataset.get("ContentTemplateSequence") or []
    if len(used) != 1 or used[0].get("TemplateIdentifier") != "10001":
        yield "Content Template Sequence: expected template 10001 of DCMR"
    if "SIMULATED" not in str(dataset.get("PatientID", "")):
        yield "Patient ID: expected a simulated patient"


def _children(item: Dataset) -> list[Dataset]:
    return list(item.get("ContentSequence") or [])


def _concept(item: Dataset) -> tuple[str, str]:
    names = item.get("ConceptNameCodeSequence") or []
    return (str(names[0].get("CodeValue")), str(names[0].get("CodingSchemeDesignator"))) if len(names) == 1 else ("", "")


def _check_children(item: Dataset, parent: str, document: Dataset, path: str) -> Iterator[str]:
    rows = [row for row in template().values() if row.parent == parent]
    for row in rows:
        found = [child for child in _children(item) if _concept(child) == row.concept[:2]]
        yield from _check_number(row, len(found), DUE[row.when](item, document), path)
        for number, child in enumerate(found, 1):
            here = f"{path} > {row.id}" + (f"[{number}]" if len(found) > 1 else "")
            yield from _check_item(row, child, here)
            yield from _check_children(child, row.id, document, here)


def _check_number(row: TemplateRow, found: int, due: bool | None, path: str) -> Iterator[str]:
    least, most = row.vm
    if due is None:
        return
    name = f"({row.concept[0]}, {row.concept[1]}, {row.concept[2]})"
    if due and found < least:
        yield f"{path}: {name} is missing"
    if not due and found:
        yield f"{path}: {name} stands where it may not"
    if most is not None and found > most:
        yield f"{path}: {name} stands {found} times; expected {most}"


def _check_item(row: TemplateRow, item: Dataset, path: str) -> Iterator[str]:
    if item.get("ValueType") != row.value_type:
        yield f"{path}: value type {item.get('ValueType')}; expected {row.value_type}"
        return
    if item.get("RelationshipType") != row.relationship:
        yield f"{path}: relationship {item.get('RelationshipType')}; expected {row.relationship}"
    yield from VALUES[row.value_type](row, item, path)


def _check_code(row: TemplateRow, item: Dataset, path: str) -> Iterator[str]:
    values = item.get("ConceptCodeSequence") or []
    if len(values) != 1 or not values[0].get("CodeValue"):
        yield f"{path}: expected one code"
    elif row.values and values[0].CodeValue not in row.values:
        yield f"{path}: code {values[0].CodeValue}; expected {', '.join(row.values)}"


def _check_number_item(row: TemplateRow, item: Dataset, path: str) -> Iterator[str]:
    measured = item.get("MeasuredValueSequence")
    if not measured:
        if not item.get("NumericValueQualifierCodeSequence"):
            yield f"{path}: neither a value nor why there is none"
        return
    units = measured[0].get("MeasurementUnitsCodeSequence") or []
    unit = str(units[0].get("CodeValue")) if units else ""
    if unit != row.units:
        yield f"{path}: unit '{unit}'; expected '{row.units}'"
    if measured[0].get("NumericValue") in (None, ""):
        yield f"{path}: no number"
    elif row.units in ("Gy", "Gy.m2", "s", "1", "uA.s") and float(measured[0].NumericValue) < 0:
        yield f"{path}: {measured[0].NumericValue} is below zero"


def _check_filled(row: TemplateRow, item: Dataset, path: str) -> Iterator[str]:
    name = {"TEXT": "TextValue", "UIDREF": "UID", "DATETIME": "DateTime"}[row.value_type]
    if not item.get(name):
        yield f"{path}: {name} is empty"


def _check_container(row: TemplateRow, item: Dataset, path: str) -> Iterator[str]:
    if item.get("ContinuityOfContent") != "SEPARATE":
        yield f"{path}: Continuity of Content; expected SEPARATE"
    if not _children(item):
        yield f"{path}: empty"


VALUES: dict[str, Callable[[TemplateRow, Dataset, str], Iterator[str]]] = {
    "CODE": _check_code,
    "NUM": _check_number_item,
    "TEXT": _check_filled,
    "UIDREF": _check_filled,
    "DATETIME": _check_filled,
    "CONTAINER": _check_container,
}


def _code_of(item: Dataset, row: str) -> str:
    for child in _children(item):
        if _concept(child) == template()[row].concept[:2]:
            values = child.get("ConceptCodeSequence") or []
            return str(values[0].get("CodeValue")) if values else ""
    return ""


def _any_fluoroscopy(document: Dataset) -> bool:
    events = [c for c in _children(document) if _concept(c) == template()["event"].concept[:2]]
    return any(_code_of(event, "event_type") == FLUOROSCOPY for event in events)


DUE: dict[str, Callable[[Dataset, Dataset], bool | None]] = {
    "always": lambda item, document: True,
    "optional": lambda item, document: None,
    "device_observer": lambda item, document: _code_of(item, "observer_type") == "121007",
    "any_fluoroscopy": lambda item, document: _any_fluoroscopy(document),
    "event_fluoroscopy": lambda item, document: _code_of(item, "event_type") == FLUOROSCOPY,
    "event_pulsed": lambda item, document: _code_of(item, "fluoro_mode") == "113631",
}
"""The conditions of the template's rows: due, must be absent, or (None) free."""
