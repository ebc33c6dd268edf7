"""What every command needs: talking to people, progress, safe files, and checks of common arguments."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.errors import MachineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[str, float], None]

ScenarioName = Annotated[str, typer.Argument(help="scenario id (see: main.py list) or the path of a scenario's TOML file")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]

Patient = Annotated[Path | None, typer.Option(help="an imported patient: X.phantom (main.py import)")]
Backend = Annotated[str, typer.Option(help="who draws the pictures: cpu, or gl (OpenGL; needs the package moderngl)")]
Folder = Annotated[Path | None, typer.Option("--scenarios", help="a folder with further scenario files (docs/AUTHORING.md)")]
Jobs = Annotated[int, typer.Option(help="processes; 0: one per processor")]
Trusted = Annotated[Path | None, typer.Option(help="key card, list of fingerprints, or folder of those")]
Replay = Annotated[bool, typer.Option("--verify", help="replay every attempt (slow); default: chain and signature")]


def say(text: str = "") -> None:
    """Print a line for people."""
    print(text, flush=True)


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Progress]:
    """Give a `progress(what, fraction)` function: a bar on a terminal, else plain lines (none when quiet).

    Nothing is drawn before the first call, so that an early mistake is one line and nothing else.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _nothing if quiet else _plain_lines()
        return
    columns = (TextColumn("{task.description:<44}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    bar = Bar(*columns, console=console, transient=True)
    task = bar.add_task("starting", total=1.0)

    def show(what: str, fraction: float) -> None:
        bar.start()
        bar.update(task, description=what, completed=fraction)

    try:
        yield show
    finally:
        bar.stop()


def _nothing(what: str, fraction: float) -> None:
    """Show no progress."""


def _plain_lines() -> Progress:
    last = [""]

    def show(what: str, fraction: float) -> None:
        if what != last[0]:
            last[0] = what
            say(f"  {fraction:4.0%}  {what}")

    return show


def writable_folder(path: Path) -> Path:
    """Return `path` as an existing folder that can be written; UsageError says why not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".scottie-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}; expected a folder that can be written") from None
    return path


def write_file(path: Path, content: bytes | str) -> None:
    """Write a whole file or nothing; MachineError says why not."""
    data = content.encode() if isinstance(content, str) else content
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MachineError(f"{path}: cannot be written: {error.strerror}") from None


def look_in(folder: Path | None) -> None:
    """Look for scenarios in a further folder, too (the same as SCOTTIE_SCENARIOS=FOLDER)."""
    from scenarios.registry import register

    if folder is not None:
        register(folder)


def check_seed(seed: int) -> int:
    """Return a seed that a study can have."""
    if not 0 <= seed < 2**31:
        raise UsageError(f"--seed {seed}: expected a whole number from 0 to {2**31 - 1}")
    return seed


def utc_now() -> str:
    """Return the wall clock as UTC text: the one place where an attempt meets the time of day."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
