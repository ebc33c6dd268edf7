"""The dose of an attempt as a DICOM X-Ray Radiation Dose SR (TID 10001), and an own checker of that template."""

from scoring.dose.check import check_dose_report
from scoring.dose.report import SOP_CLASS, Device, dose_report

__all__ = ["SOP_CLASS", "Device", "check_dose_report", "dose_report"]
