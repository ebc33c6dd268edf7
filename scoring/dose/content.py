"""Content items of a structured report (PS3.3 C.17.3), named by rows of the template."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scoring.dose.template import template

Code = tuple[str, str, str]
"""Code value, scheme, meaning."""

VALUE_UNKNOWN: Code = ("114010", "DCM", "Value unknown")
UNIT_NAMES = {"1": "no units", "{pulse}/s": "pulse/s"}


def coded(code: Code) -> Dataset:
    """Return an item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def _item(row: str) -> Dataset:
    rule = template()[row]
    item = Dataset()
    if rule.relationship:
        item.RelationshipType = rule.relationship
    item.ValueType = rule.value_type
    item.ConceptNameCodeSequence = Sequence([coded(rule.concept)])
    return item


def container(row: str, *children: Dataset) -> Dataset:
    """Return a container with its children."""
    item = _item(row)
    item.ContinuityOfContent = "SEPARATE"
    item.ContentSequence = Sequence(children)
    return item


def code(row: str, value: Code, *children: Dataset) -> Dataset:
    """Return a coded item, with items that modify it."""
    item = _item(row)
    item.ConceptCodeSequence = Sequence([coded(value)])
    if children:
        item.ContentSequence = Sequence(children)
    return item


def text(row: str, value: str) -> Dataset:
    """Return a text item."""
    item = _item(row)
    item.TextValue = value
    return item


def uid(row: str, value: str) -> Dataset:
    """Return an item that refers to a UID."""
    item = _item(row)
    item.UID = value
    return item


def moment(row: str, value: str) -> Dataset:
    """Return an item with a date and time (DT)."""
    item = _item(row)
    item.DateTime = value
    return item


def number(row: str, value: float | None) -> Dataset:
    """Return a measured value in the row's unit; None is written as "value unknown", never as a number."""
    item = _item(row)
    if value is None:
        item.MeasuredValueSequence = Sequence([])
        item.NumericValueQualifierCodeSequence = Sequence([coded(VALUE_UNKNOWN)])
        return item
    units = template()[row].units
    measured = Dataset()
    measured.NumericValue = f"{value:.9g}"
    measured.FloatingPointValue = float(value)
    measured.MeasurementUnitsCodeSequence = Sequence([coded((units, "UCUM", UNIT_NAMES.get(units, units)))])
    item.MeasuredValueSequence = Sequence([measured])
    return item
