"""Documents from records: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.common import progress_bar, say, write_file
from commands.joints import load_rubric, scenario_of, verdict_of
from sim.errors import RecordError, UsageError


def report(
    file: Annotated[Path, typer.Argument(help="an attempt file")],
    out: Annotated[Path, typer.Option(help="X.html or X.pdf")],
    patient: Annotated[Path | None, typer.Option(help="imported patients: X.phantom or the folder that holds it")] = None,
) -> None:
    """Write the report again, from the record alone."""
    from scoring.report import report_html, report_pdf
    from scoring.score import score

    if patient is not None:
        from scenarios.patients import register

        register(patient)
    if out.suffix not in (".html", ".pdf"):
        raise UsageError(f"--out {out}: unknown kind '{out.suffix}'; expected .html or .pdf")
    with progress_bar(quiet=True) as progress:
        progress(f"verifying {file.name} by replay", 0.3)
        verdict = verdict_of(file, progress)
    transcript = verdict.transcript
    if transcript is None:
        raise RecordError(f"{file}: {verdict.status}: {verdict.reason}")
    rubric = load_rubric(scenario_of(transcript.header))
    result = score(transcript.events, transcript.commands, rubric)
    write = report_html if out.suffix == ".html" else report_pdf
    write_file(out, write(transcript, result, rubric, [], f"{verdict.status}: {verdict.reason}"))
    say(str(out))
