"""Who may be read: identified files are refused unless de-identification is asked for; nothing but geometry and HU is kept.

The list follows DICOM PS3.15 Annex E, Table E.1-1 (Basic Application Level Confidentiality Profile): attributes that
name, number or date a person, the staff or the institution. UIDs are not identifying here: none is kept or printed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sim.errors import DataError

IDENTIFYING = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientBirthTime", "OtherPatientIDs", "OtherPatientNames"),
    *("OtherPatientIDsSequence", "PatientBirthName", "PatientMotherBirthName", "PatientAddress", "PatientTelephoneNumbers"),
    *("PatientTelecomInformation", "MilitaryRank", "BranchOfService", "MedicalRecordLocator", "IssuerOfPatientID"),
    *("PatientInsurancePlanCodeSequence", "PatientReligiousPreference", "EthnicGroup", "Occupation", "CountryOfResidence"),
    *("RegionOfResidence", "ResponsiblePerson", "ResponsibleOrganization", "PatientComments", "AdditionalPatientHistory"),
    *("AccessionNumber", "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "ReferringPhysicianName"),
    *("ReferringPhysicianAddress", "ReferringPhysicianTelephoneNumbers", "PhysiciansOfRecord", "PerformingPhysicianName"),
    *("NameOfPhysiciansReadingStudy", "OperatorsName", "RequestingPhysician", "RequestingService", "StationName"),
    *("DeviceSerialNumber", "PerformedProcedureStepID", "RequestAttributesSequence", "StudyID", "ImageComments"),
)
"""Keywords that must be empty (or say that they were removed) in a file without --deidentify."""
_EMPTY = {"", "anonymous", "anonymized", "anonymised", "anon", "none", "unknown", "removed", "deidentified", "de-identified", "0"}


def identified(dataset: Any) -> list[str]:
    """Return the keywords of a DICOM data set that identify somebody (their names, never their values)."""
    found = []
    for keyword in IDENTIFYING:
        if keyword in dataset:
            value = getattr(dataset, keyword, None)
            text = "" if value is None else str(value).strip().lower()
            if text and text.strip("^ ") not in _EMPTY and text != "[]":
                found.append(keyword)
    return found


def refuse_identified(found: Iterable[str], where: str, deidentify: bool) -> str | None:
    """Return the line to tell when identifying fields were dropped; DataError when that was not asked for."""
    names = sorted(set(found))
    if not names:
        return None
    some = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    if not deidentify:
        raise DataError(
            f"{where}: holds identifying fields ({some}); expected de-identified files: say --deidentify to drop them"
        )
    return f"identifying fields dropped: {some}"
