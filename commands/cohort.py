"""Cohorts and standards: cohort, standard set, standard show."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import AsJson, Jobs, Replay, Trusted, progress_bar, say, utc_now, write_file
from scoring.statistics import feedback
from sim.errors import UsageError

if TYPE_CHECKING:
    from scoring.cohort import Cohort, Row
    from scoring.setting import Scores
    from scoring.standard import Standard
    from scoring.trust.trustlist import TrustList

    Progress = Callable[[str, float], None]

standard_app = typer.Typer(no_args_is_help=True, help="Set a standard for a procedure, or show one.", rich_markup_mode=None)


def checked_row(path: str, trust: TrustList | None = None) -> Row:
    """Return the row of one file: form, chain and signature checked."""
    from scoring.cohort import row_of
    from scoring.record import check_file

    return row_of(check_file(path, trust))


def rows_of(folder: Path, replay: bool, jobs: int, trust: TrustList | None, progress: Progress) -> Iterator[Row]:
    """Yield the row of each attempt below a folder; only rows are kept, so memory does not grow with their length."""
    from commands.verifying import check_jobs, find, verdicts
    from scoring.cohort import row_of
    from scoring.record import Verdict

    found = list(find([folder]))
    if not found:
        raise UsageError(f"{folder}: no attempt in it; expected files that end in .scottie or .journal")
    jobs = min(check_jobs(jobs), len(found))
    if replay:
        for number, verdict in enumerate(verdicts(found, jobs, trust)):
            progress("verifying by replay", number / len(found))
            yield row_of(verdict)
        return
    yield from (row_of(one) for one in found if isinstance(one, Verdict))
    paths = [str(one) for one in found if not isinstance(one, Verdict)]
    make = partial(checked_row, trust=trust)
    with ProcessPoolExecutor(max_workers=jobs) if jobs > 1 else nullcontext() as pool:
        for start in range(0, len(paths), 512):
            progress("checking chain and signature", start / len(paths))
            part = paths[start : start + 512]
            yield from pool.map(make, part, chunksize=8) if pool else map(make, part)


def read_cohort(folder: Path, replay: bool, jobs: int, trusted: Path | None, progress: Progress) -> Cohort:
    """Return the cohort of a folder. UsageError when it is none or holds no attempt."""
    from commands.verify import trust_of
    from scoring.cohort import Cohort

    if not folder.is_dir():
        raise UsageError(f"{folder}: expected a folder with attempts (NAME.scottie)")
    return Cohort(list(rows_of(folder, replay, jobs, trust_of(trusted), progress)))


def cohort(
    folder: Annotated[Path, typer.Argument(help="folder with attempts, searched in depth")],
    json_: AsJson = False,
    csv_: Annotated[Path | None, typer.Option("--csv", help="also write one line per attempt there")] = None,
    standard: Annotated[Path | None, typer.Option(help="a standard (main.py standard set)")] = None,
    out: Annotated[Path | None, typer.Option(help="X.html or X.pdf: write the director's report instead")] = None,
    replay: Replay = False,
    jobs: Jobs = 0,
    trusted: Trusted = None,
    p0: Annotated[float, typer.Option(help="acceptable failure rate")] = feedback.P0,
    p1: Annotated[float, typer.Option(help="unacceptable failure rate")] = feedback.P1,
    horizon: Annotated[int, typer.Option(help="attempts that the LC-CUSUM limit is made for", min=1, max=500)] = feedback.HORIZON,
    alpha: Annotated[float, typer.Option(help="chance of a false signal within the horizon")] = feedback.ALPHA,
    value: Annotated[
        str, typer.Option(help="what curves and G study look at: points_verified_percent, tip_error_mm, ...")
    ] = "points_verified_percent",
) -> None:
    """Show a cohort: verdicts, first attempts, CUSUM, learning curves, reliability, critical errors, fairness."""
    from scoring.exchange.table import csv_text
    from scoring.standard import load_standard
    from scoring.statistics.lc_cusum import lc_cusum_design
    from scoring.summary import Plan, summarise

    lc_cusum_design(p0, p1, horizon, alpha)  # impossible rates end here, before any file is read
    plan = Plan(p0, p1, horizon, alpha, value, standard=load_standard(standard), now=utc_now())
    if out is not None:
        _write_report(folder, out, standard, replay, jobs, trusted, p0=p0, p1=p1, horizon=horizon, alpha=alpha)
        return
    with progress_bar(quiet=True) as progress:
        people = read_cohort(folder, replay, jobs, trusted, progress)
    _check_value(people, value)
    if csv_ is not None:
        write_file(csv_, csv_text(people.attempts))
    summary = summarise(people, plan)
    if json_:
        say(json.dumps(summary, indent=2, allow_nan=False, default=float))
        return
    from commands.cohort_text import lines

    for line in lines(summary, plan):
        say(line)


def _write_report(
    folder: Path, out: Path, standard: Path | None, replay: bool, jobs: int, trusted: Path | None, **design: float
) -> None:
    from commands.evidence import check_kind, read_evidence
    from commands.report import write_cohort

    check_kind(out)
    with progress_bar(quiet=True) as progress:
        evidence = read_evidence([folder], replay, jobs, trusted, progress)
    write_cohort(evidence, standard, out, **design)
    say(str(out))


def _check_value(people: Cohort, value: str) -> None:
    for row in people.evidence:
        if row.passed is not None:
            row.value(value)
            return


# --- standards


@dataclass(frozen=True)
class Reading:
    """How attempts are read, and which of them count for a standard."""

    procedure: str
    scale: str
    items: int
    cohort: Callable[[Path], Cohort]


def scores_from(path: Path, what: str, reading: Reading) -> Scores:
    """Return each person's mean over first attempts (folder of attempts), or the scores of a CSV (learner,score)."""
    from scoring.setting import Scores

    if path.is_dir():
        return _from_records(path, what, reading)
    scores: dict[str, float] = {}
    for line, row in enumerate(read_csv(path, ("learner", "score")), 2):
        if row["learner"] in scores:
            raise UsageError(f"{path} line {line}: learner '{row['learner']}' is there twice; expected one score for each")
        scores[row["learner"]] = number(path, line, "score", row["score"])
    return Scores(scores, [_digest(path)], "table")


def _from_records(path: Path, what: str, reading: Reading) -> Scores:
    from scoring.setting import scores_of

    return scores_of(reading.cohort(path), reading.procedure, reading.scale, reading.items, what, str(path))


def read_csv(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a small CSV with these columns (at most 1 MiB); UsageError says what is wrong."""
    from sim.attempt.files import read_bounded

    try:
        text = read_bounded(path, 2**20).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text), strict=True)
        rows = [row for row in reader]
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{path}: {error}; expected a CSV with the columns {', '.join(columns)}") from None
    missing = [name for name in columns if name not in (reader.fieldnames or [])]
    if missing or not rows:
        raise UsageError(f"{path}: {'no rows' if not missing else 'lacks ' + ', '.join(missing)}; expected {', '.join(columns)}")
    return [{name: (row[name] or "").strip() for name in columns} for row in rows]


def number(path: Path, line: int, what: str, text: str) -> float:
    """Return a finite number of a CSV cell."""
    import math

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{path} line {line}: {what} is '{text[:40]}'; expected a number")
    return value


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@standard_app.command("set")
def standard_set(
    procedure: Annotated[str, typer.Option(help="procedure, as the attempts name it (rubric id)")],
    who: Annotated[str, typer.Option(help="who decided: the committee, in words")],
    out: Annotated[Path, typer.Option(help="file to write, NAME.standard.json")],
    method: Annotated[str, typer.Option(help="contrasting-groups, angoff or hofstee")] = "contrasting-groups",
    novices: Annotated[Path | None, typer.Option(help="folder of attempts, or CSV learner,score")] = None,
    experts: Annotated[Path | None, typer.Option(help="folder of attempts, or CSV learner,score")] = None,
    ratings: Annotated[list[Path] | None, typer.Option(help="angoff: CSV judge,item,rating (0 to 1); once per round")] = None,
    scores: Annotated[Path | None, typer.Option(help="hofstee: CSV learner,score")] = None,
    limits: Annotated[str | None, typer.Option(help="hofstee: kmin,kmax,fmin,fmax (percent failing)")] = None,
    scale: Annotated[str, typer.Option(help="value of an attempt that the mean is taken of")] = "points_verified_percent",
    items: Annotated[int, typer.Option(help="first attempts per person, at least", min=1, max=1000)] = 6,
    critical_allowed: Annotated[int, typer.Option(help="critical errors allowed in those attempts", min=0)] = 0,
    months: Annotated[int, typer.Option(help="how long it stands", min=1, max=60)] = 24,
    provisional: Annotated[bool, typer.Option("--provisional", help="write it although it judges nobody")] = False,
    key: Annotated[Path | None, typer.Option(help="folder of the signing key")] = None,
    replay: Replay = False,
    jobs: Jobs = 0,
    trusted: Trusted = None,
) -> None:
    """Set a standard: compute the cut, show what it rests on, and write it signed."""
    from commands.setting import angoff_standard, contrasting_standard, hofstee_standard
    from scoring.keys import load_or_create
    from scoring.setting import Setting
    from scoring.standard import sign_standard

    plan = Setting(procedure, who, scale, items, critical_allowed, months, provisional, utc_now())
    with progress_bar(quiet=True) as progress:
        if method == "contrasting-groups":
            reading = Reading(procedure, scale, items, lambda path: read_cohort(path, replay, jobs, trusted, progress))
            made = contrasting_standard(plan, _needed(novices, "--novices"), _needed(experts, "--experts"), reading)
        elif method == "angoff":
            made = angoff_standard(plan, ratings or [])
        elif method == "hofstee":
            made = hofstee_standard(plan, _needed(scores, "--scores"), limits)
        else:
            raise UsageError(f"--method {method}; expected contrasting-groups, angoff or hofstee")
    write_file(out, sign_standard(made, load_or_create(key)))
    for line in described(made):
        say(line)
    say(str(out))


def _needed(path: Path | None, option: str) -> Path:
    if path is None:
        raise UsageError(f"{option} is missing; expected a folder of attempts or a CSV")
    return path


@standard_app.command("show")
def standard_show(
    file: Annotated[Path | None, typer.Argument(help="a standard file; none: there is none")] = None, json_: AsJson = False
) -> None:
    """Show a standard after checking its signature and its rules."""
    from scoring.standard import NOT_SET, load_standard

    standard = load_standard(file)
    if json_:
        say(json.dumps(None if standard is None else standard.as_dict(), indent=2, allow_nan=False))
    else:
        for line in [NOT_SET] if standard is None else described(standard):
            say(line)


def described(standard: Standard) -> list[str]:
    """Return a standard in lines."""
    head = f"{standard.procedure}: cut {standard.cut:g} on the mean {standard.scale} of at least {standard.items} first attempts"
    out = [head + f", critical errors allowed: {standard.critical_allowed}"]
    if standard.interval:
        out.append(f"  interval   {100 * standard.level:g} % {standard.interval[0]:g} to {standard.interval[1]:g}")
    groups = ", ".join(f"{n} {name}" for name, n in standard.groups.items())
    out.append(f"  method     {standard.method}; {groups}; data: {standard.data} ({standard.data_digest[:16]}...)")
    for title, part in (("rates", standard.rates), ("agreement", standard.consistency)):
        if part:
            out.append(f"  {title:<10} " + ", ".join(f"{name.replace('_', ' ')} {100 * v:.1f} %" for name, v in part.items()))
    if standard.sem is not None:
        out.append(f"  error      SEM {standard.sem:.2f} of a mean over {standard.items}")
    out.append(f"  decided    {standard.decided} by {standard.who}; stands until {standard.expires}")
    out.append(f"  signed by  {standard.signer or 'this key'}")
    out += [f"  {name}: {value}" for name, value in standard.detail.items() if isinstance(value, str)]
    if standard.provisional:
        out.append("  PROVISIONAL: it judges nobody")
    return out
