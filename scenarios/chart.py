"""The chart of a case: what it asks of the trainee (demands), what it says to a reader (lines), whether it may be assessed."""

from __future__ import annotations

from scenarios.schema import ScenarioFile
from sim.clinic import Demand, spoken


def demands(file: ScenarioFile) -> tuple[Demand, ...]:
    """Return what the chart asks: findings to act on, risks to name, checks before discharge, a note. Empty without a chart."""
    chart = file.chart
    if chart is None:
        return ()
    found = tuple(Demand(f.id, f.must, f.what, f.says) for f in chart.finding)
    risks = tuple(Demand("", "risk", risk) for risk in chart.risks)
    checks = tuple(Demand("", "discharge", check) for check in chart.discharge)
    return (*found, *risks, *checks, Demand("", "note", "note"))


def chart_lines(file: ScenarioFile) -> tuple[str, ...]:
    """Return the chart for a reader, one fact a line; what follows from the facts is left to the reader."""
    who, chart = file.patient, file.chart
    allergies = f"Allergies: {', '.join(who.allergies) or 'none known'}"
    if chart is None:
        return (file.vignette, who.history, f"Medication: {', '.join(who.medication) or 'none'}", allergies)
    lines = [file.vignette, f"Indication: {chart.indication}", f"Imaging: {chart.imaging}", f"History: {who.history}", allergies]
    lines += [f"Medication: {row.name}, last taken {row.last_taken}" for row in chart.medication] or ["Medication: none"]
    lines += [f"Laboratory: {row.name} {row.result:g}{_unit(row.unit)} ({row.taken})" for row in chart.lab]
    lines += [f"Pregnancy: {chart.pregnancy}", f"Infection: {chart.infection}"]
    return (*lines, *([f"Policy of this site: {chart.policy}"] if chart.policy else []))


def _unit(unit: str) -> str:
    return "" if unit == "1" else f" {unit}"


def blockers(file: ScenarioFile) -> list[str]:
    """Return why the chart of a case may not be used in an assessment: every finding whose source nobody has read."""
    found = file.chart.finding if file.chart else []
    return [f"chart finding '{f.id}' is {f.status}: {f.source}" for f in found if f.status != "verified"]


def taught(file: ScenarioFile) -> tuple[str, ...]:
    """Return what the debrief says about the chart: each finding, what it asked for and its source."""
    words = {"postpone": "postpone, reason: {}", "avoid": "give no {}"}
    found = file.chart.finding if file.chart else []
    return tuple(f"{f.says} ({words[f.must].format(spoken(f.what))}; {f.source}, {f.status})" for f in found)
