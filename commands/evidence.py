"""Evidence from folders: rows, moments of critical errors, headers, and pictures drawn again from a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import RecordError, ScottieError, UsageError

if TYPE_CHECKING:
    from scoring.cohort import Row
    from scoring.record import Verdict
    from scoring.reports.blocks import Document
    from scoring.reports.facts import Facts, Moment
    from scoring.standard import Standard
    from sim.view import View

    Progress = Callable[[str, float], None]

KINDS = (".html", ".pdf")
_HEADER = ("engine", "python", "numpy", "numba", "machine", "tools_hash", "rubric_hash", "scenario_hash")


@dataclass
class Evidence:
    """What was read: a row per file, and by record id the critical errors with their moments and part of the header."""

    rows: list[Row] = field(default_factory=list)
    moments: dict[str, tuple[Moment, ...]] = field(default_factory=dict)
    headers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, verdict: Verdict) -> None:
        """Add the verdict on one file."""
        from scoring.cohort import row_of
        from scoring.reports.facts import moments_of

        row = row_of(verdict)
        self.rows.append(row)
        if not row.counts or not row.record_id:
            return
        if row.critical_errors:
            self.moments[row.record_id] = moments_of(verdict.result)
        self.headers[row.record_id] = {name: (verdict.header or {}).get(name, "") for name in _HEADER}


def read_evidence(paths: list[Path], replay: bool, jobs: int, trusted: Path | None, progress: Progress) -> Evidence:
    """Return the evidence in files and folders: chain and signature checked, with `replay` everything."""
    from commands.verifying import find

    found = list(find(paths))
    if not found:
        raise UsageError(f"{paths[0]}: no attempt in it; expected files that end in .scottie or .journal")
    out = Evidence()
    for number, verdict in enumerate(_verdicts(found, replay, jobs, trusted)):
        progress("verifying by replay" if replay else "checking chain and signature", number / len(found))
        out.add(verdict)
    return out


def _verdicts(found: list[Path | Verdict], replay: bool, jobs: int, trusted: Path | None) -> Iterator[Verdict]:
    from commands.verify import trust_of
    from commands.verifying import check_jobs, verdicts
    from scoring.record import Verdict, check_file

    trust = trust_of(trusted)
    if replay:
        yield from verdicts(found, min(check_jobs(jobs), len(found)), trust)
        return
    yield from (one if isinstance(one, Verdict) else check_file(one, trust) for one in found)


def facts_of(evidence: Evidence, standard: Standard | None, now: str, **design: Any) -> Facts:
    """Return what the documents need of the evidence. design: p0, p1, horizon, alpha of the LC-CUSUM."""
    from scoring.cohort import Cohort
    from scoring.reports.facts import Facts
    from scoring.statistics.lc_cusum import lc_cusum_design

    cohort = Cohort(evidence.rows)
    if design:
        return Facts(cohort, standard, now, evidence.moments, lc_cusum_design(**design))
    return Facts(cohort, standard, now, evidence.moments)


def check_kind(out: Path) -> Path:
    """Return `out` if it names a document."""
    if out.suffix not in KINDS:
        raise UsageError(f"--out {out}: unknown kind '{out.suffix}'; expected .html or .pdf")
    return out


def document_bytes(document: Document, suffix: str) -> bytes:
    """Return a document as HTML or PDF."""
    from scoring.reports.html import html_text

    if suffix == ".html":
        return html_text(document).encode()
    from scoring.reports.pdf import pdf_bytes

    return pdf_bytes(document)


@dataclass
class Pictures:
    """Draws the last X-ray picture before a moment of a record, by replaying its commands. Keeps one record at a time."""

    progress: Progress
    size: int = 512
    _path: str = ""
    _scene: Any = None
    _kept: list[tuple[int, str, View]] = field(default_factory=list)

    def __call__(self, row: Row, tick: int) -> tuple[bytes, str] | None:
        """Return (PNG, caption), None when no picture had been taken by then or the record cannot be replayed here."""
        from scenarios.pictures import view_png

        if row.path != self._path:
            self._load(row.path)
        before = [kept for kept in self._kept if kept[0] <= tick]
        if not before:
            return None
        when, caption, view = before[-1]
        return view_png(self._scene, view, self.size), f"{caption}, at {when / 100:.1f} s"

    def _load(self, path: str) -> None:
        self._path, self._kept = path, []
        self.progress(f"drawing pictures of {path}", 0.5)
        try:
            self._replay(path)
        except (RecordError, ScottieError):
            self._kept = []  # the packet says that there is no picture; the verdict on the record says why

    def _replay(self, path: str) -> None:
        from commands.joints import scenario_of
        from scenarios.headless import Camera
        from scenarios.study import make_study
        from sim.attempt import read_journal
        from sim.command import IDLE
        from sim.scene import make_scene
        from sim.session import advance, begin

        transcript = read_journal(path)
        study = make_study(scenario_of(transcript.header), transcript.header["seed"], transcript.header["mode"])
        given, camera = dict(transcript.commands), Camera(study)
        state, _ = begin(study)
        for tick in range(1, transcript.last_tick + 1):
            state, new = advance(study, state, given.get(tick, IDLE))
            camera.look(state, new)
        self._kept, self._scene = camera.kept, make_scene(study.phantom)
