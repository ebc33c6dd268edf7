"""Documents and exports from records: report, export, and what `battery report` and `cohort --out` write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import Jobs, Replay, Trusted, progress_bar, say, utc_now, writable_folder, write_file
from commands.evidence import Evidence, Pictures, check_kind, document_bytes, facts_of, read_evidence
from commands.joints import load_rubric, patient_words, scenario_of, verdict_of
from sim.errors import RecordError, ScottieError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoring.battery import BatteryStatus
    from scoring.reports.blocks import Document
    from scoring.reports.packet import BatteryFacts
    from scoring.trust.roots import Root

    Progress = Callable[[str, float], None]

StandardFile = Annotated[Path | None, typer.Option(help="a standard (main.py standard set); none: no standard set")]


def report(
    files: Annotated[list[Path], typer.Argument(help="an attempt file; with --learner: attempt files and folders")],
    out: Annotated[Path, typer.Option(help="X.html or X.pdf")],
    learner: Annotated[str, typer.Option(help="pseudonym: the report of this learner over all attempts")] = "",
    standard: StandardFile = None,
    replay: Replay = False,
    jobs: Jobs = 0,
    trusted: Trusted = None,
    patient: Annotated[Path | None, typer.Option(help="imported patients: X.phantom or the folder that holds it")] = None,
) -> None:
    """Write the report of an attempt again, from the record alone; or with --learner that of a learner."""
    check_kind(out)
    if patient is not None:
        from scenarios.patients import register

        register(patient)
    if learner:
        _learner_report(files, out, learner, standard, replay, jobs, trusted)
    elif len(files) == 1 and not files[0].is_dir():
        _attempt_report(files[0], out)
    else:
        raise UsageError("a folder or several files; expected one attempt file, or --learner PSEUDONYM")
    say(str(out))


def _attempt_report(file: Path, out: Path) -> None:
    from scoring.report import document
    from scoring.score import score

    with progress_bar(quiet=True) as progress:
        progress(f"verifying {file.name} by replay", 0.3)
        verdict = verdict_of(file, progress)
    transcript = verdict.transcript
    if transcript is None:
        raise RecordError(f"{file}: {verdict.status}: {verdict.reason}")
    scenario = scenario_of(transcript.header)
    rubric = load_rubric(scenario)
    result = score(transcript.events, transcript.commands, rubric)
    made = document(transcript, result, rubric, [], f"{verdict.status}: {verdict.reason}", patient_words(scenario))
    write_file(out, document_bytes(made, out.suffix))


def _learner_report(
    files: list[Path], out: Path, learner: str, standard: Path | None, replay: bool, jobs: int, trusted: Path | None
) -> None:
    from scoring.reports.learner import learner_document
    from scoring.standard import load_standard

    cut = load_standard(standard)
    with progress_bar(quiet=True) as progress:
        evidence = read_evidence(files, replay, jobs, trusted, progress)
    write_file(out, document_bytes(learner_document(facts_of(evidence, cut, utc_now()), learner), out.suffix))


def write_cohort(evidence: Evidence, standard: Path | None, out: Path, **design: float) -> None:
    """Write the director's report of a cohort (main.py cohort DIR --out)."""
    from scoring.reports.cohort import cohort_document
    from scoring.standard import load_standard

    made = cohort_document(facts_of(evidence, load_standard(standard), utc_now(), **design))
    write_file(out, document_bytes(made, check_kind(out).suffix))


def packet(
    status: BatteryStatus,
    evidence: Evidence,
    learner: str,
    standard: Path | None,
    root: Root,
    pictures: Pictures | None,
    most: int | None = None,
) -> Document:
    """Return the evidence packet of a battery, for one learner or everybody. evidence: read with replay; most: pictures."""
    from scoring.reports.packet import Files, packet_document
    from scoring.standard import load_standard
    from scoring.trust.documents import digest, read_document

    cut = load_standard(standard)
    files = Files(
        battery=battery_facts(status),
        root=root,
        standard_sha256=digest(read_document(standard)) if standard else "",
        headers=evidence.headers,
        picture=pictures,
        most_pictures=most,
    )
    return packet_document(facts_of(evidence, cut, utc_now()), files, learner)


def battery_facts(status: BatteryStatus) -> BatteryFacts:
    """Return what a packet says of a battery and of what its status found."""
    from scoring.reports.packet import BatteryFacts, BatteryItem

    one = status.battery
    items = tuple(
        BatteryItem(n, i.scenario, str(i.scenario_version), i.seed, i.scenario_hash, i.rubric_hash)
        for n, i in enumerate(one.items, 1)
    )
    told = [(who.learner, item) for who in status.learners for item in who.items if item.notes]
    odd = [f"{learner}, item {item.item}: {item.state}: {'; '.join(item.notes)}" for learner, item in told]
    odd += [f"{who.learner}: {note}" for who in status.learners for note in who.notes]
    odd += [f"{file} does not belong to the battery: {verdict}: {why}" for file, verdict, why in status.refused]
    return BatteryFacts(
        one.id, one.title, one.sha256, one.created, one.signer, items, (*odd, *status.notes), f"{one.engine}, {one.source}"
    )


def export(
    folder: Annotated[list[Path], typer.Argument(help="attempt files, and folders to search")],
    csv: Annotated[Path | None, typer.Option(help="table of all attempts, one line each")] = None,
    xapi: Annotated[Path | None, typer.Option(help="xAPI 2.0 statements, one JSON object per line")] = None,
    rdsr: Annotated[Path | None, typer.Option(help="folder for DICOM dose reports, one per attempt with X-rays")] = None,
    home: Annotated[str, typer.Option(help="IRI under which the programme names learners and scenarios in xAPI")] = "",
    replay: Replay = False,
    jobs: Jobs = 0,
    trusted: Trusted = None,
) -> None:
    """Write attempts as CSV, xAPI statements and DICOM dose reports (X-Ray Radiation Dose SR)."""
    from scoring.exchange.table import csv_text
    from scoring.exchange.xapi import HOME, json_lines

    if csv is None and xapi is None and rdsr is None:
        raise UsageError("nothing to write; expected --csv FILE, --xapi FILE or --rdsr FOLDER")
    if home and not home.startswith(("https://", "http://")):
        raise UsageError(f"--home {home}: expected an address that begins with https://")
    with progress_bar(quiet=True) as progress:
        evidence = read_evidence(folder, replay, jobs, trusted, progress)
    if csv is not None:
        write_file(csv, csv_text(evidence.rows))
        say(f"{csv}: {len(evidence.rows)} attempts")
    if xapi is not None:
        text = json_lines(evidence.rows, home or HOME)
        write_file(xapi, text)
        left = sum(not row.counts for row in evidence.rows)
        say(f"{xapi}: {text.count(chr(10))} statements" + (f"; {left} records are no evidence and give none" if left else ""))
    if rdsr is not None:
        _dose_reports(evidence, writable_folder(rdsr))


def _dose_reports(evidence: Evidence, folder: Path) -> None:
    from scenarios.toolbox import load_toolbox
    from scoring.dose import Device, check_dose_report, dose_report
    from sim.attempt import read_journal

    carm, written, without = load_toolbox().carm, 0, 0
    device = Device(sdd_mm=carm.sdd_mm, sod_mm=carm.sod_mm)
    for row in evidence.rows:
        if not row.counts or not row.record_id:
            continue
        transcript = read_journal(row.path)
        if not any(fact.kind == "exposed" for fact in transcript.events):
            without += 1
            continue
        data = dose_report(row.record_id, transcript.header, transcript.events, device)
        if wrong := check_dose_report(data):
            raise ScottieError(f"{row.path}: its dose report breaks its template: {wrong[0]}")
        write_file(folder / f"{row.record_id[:32]}.dcm", data)
        written += 1
    say(f"{folder}: {written} dose reports" + (f"; {without} attempts without X-rays" if without else ""))
