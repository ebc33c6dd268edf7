"""Checking records: verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from commands.common import AsJson, progress_bar, say
from commands.joints import verdict_of


def verify(
    files: Annotated[list[Path], typer.Argument(help="attempt files")],
    json_: AsJson = False,
    patient: Annotated[Path | None, typer.Option(help="imported patients: X.phantom or the folder that holds it")] = None,
) -> None:
    """Replay attempts and check them; exit 0 when all are verified, else 1 with the reason of each."""
    if patient is not None:
        from scenarios.patients import register

        register(patient)
    verdicts = []
    with progress_bar(quiet=True) as progress:
        for number, path in enumerate(files):
            progress(f"verifying {path.name}", number / len(files))
            verdicts.append((path, verdict_of(path)))
    if json_:
        say(json.dumps([v.as_dict() for _, v in verdicts], indent=2))
    else:
        for path, verdict in verdicts:
            say(f"{path}: {verdict.status}: {verdict.reason}")
    if any(verdict.status != "verified" for _, verdict in verdicts):
        raise typer.Exit(1)
