"""Checking records: verify."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import AsJson, Jobs, Trusted, say
from sim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoring.record import Verdict
    from scoring.trust.trustlist import TrustList


def verify(
    files: Annotated[list[Path], typer.Argument(help="attempt files, and folders to search")],
    json_: AsJson = False,
    jobs: Jobs = 0,
    trusted: Trusted = None,
    scheduler: Annotated[str, typer.Option(help="address of a Dask scheduler, e.g. tcp://host:8786")] = "",
    patient: Annotated[Path | None, typer.Option(help="imported patients: X.phantom or the folder that holds it")] = None,
) -> None:
    """Replay attempts in a second process and check them; exit 0 when all are verified, else 1 with the reason of each.

    With a folder and --json: one object per line, as they come. With files alone: one list, in the order given.
    """
    if patient is not None:
        from scenarios.patients import register

        register(patient)
    from commands.verifying import check_jobs, checked, find

    folders = [path for path in files if path.is_dir()]
    jobs, trust = check_jobs(jobs), trust_of(trusted)
    paths = list(find(files))
    if folders and not paths:
        raise UsageError(f"{folders[0]}: no attempt in it; expected files that end in .scottie or .journal")
    counts: Counter[str] = Counter()
    kept: dict[str, Verdict] = {}
    with counted_bar(len(paths)) as (step, part):
        heard = (lambda _task, said: part(*said["progress"])) if len(paths) == 1 else None
        for name, verdict in checked(paths, min(jobs, len(paths)), trust, scheduler, heard):
            counts[verdict.status] += 1
            step(verdict.status)
            if folders:
                say(json.dumps(verdict.as_dict()) if json_ else _line(verdict))
            else:
                kept[name] = verdict
    if not folders:
        _in_order(files, kept, json_)
    elif not json_:
        say(f"{counts.total()} files: " + ", ".join(f"{count} {status}" for status, count in counts.most_common()))
    if set(counts) != {"verified"}:
        raise typer.Exit(1)


def _line(verdict: Verdict) -> str:
    return f"{verdict.path}: {verdict.status}: {verdict.reason}"


def _in_order(files: list[Path], kept: dict[str, Verdict], json_: bool) -> None:
    ordered = [kept[str(path)] for path in files]
    say(json.dumps([verdict.as_dict() for verdict in ordered], indent=2) if json_ else "\n".join(map(_line, ordered)))


def trust_of(path: Path | None) -> TrustList | None:
    """Return whom to believe: what --trusted names; else any key but those that this installation knows as revoked."""
    from scoring.trust.keyring import Keyring
    from scoring.trust.trustlist import load_trust

    if path is not None:
        return load_trust(path)
    folder = Keyring().trust_folder
    return load_trust(folder, any_key=True) if folder.is_dir() else None


@contextmanager
def counted_bar(total: int) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Give (step, part): `step(status)` counts a file, `part(done, of)` moves within one. A bar on a terminal, else nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield (lambda _status: None), (lambda _done, _of: None)
        return
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as bar:
        task, bad = bar.add_task("verifying", total=total), Counter[str]()

        def step(status: str) -> None:
            if status != "verified":
                bad[status] += 1
            told = ", ".join(f"{count} {name}" for name, count in bad.items())
            bar.update(task, advance=1, description=f"verifying ({told})" if told else "verifying")

        yield step, (lambda done, of: bar.update(task, total=of, completed=done))
