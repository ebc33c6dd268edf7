"""The machine under the simulator: bench, doctor."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from commands.common import AsJson, progress_bar, say, writable_folder
from commands.joints import window_desk
from sim.errors import unknown_name


def bench(
    what: Annotated[str, typer.Argument(help="anatomy, fluoro, needle, session, window or all")] = "all",
    json_: AsJson = False,
    size: Annotated[int, typer.Option(help="pixels (fluoro)", min=64, max=2048)] = 512,
    out: Annotated[Path | None, typer.Option(help="fluoro: also write poses.json and pose_NNN.npy there")] = None,
) -> None:
    """Measure speed and memory on this machine: ratios in one run."""
    from scenarios.bench import BENCHES, measure, table

    if what not in (*BENCHES, "window", "all"):
        raise unknown_name("benchmark", what, [*BENCHES, "window", "all"])
    with progress_bar(quiet=json_) as progress:
        rows = measure(what, size, None if out is None else writable_folder(out), progress)
        if what in ("window", "all"):
            from sim.window import measure_window

            progress("window with live fluoroscopy", 0.9)
            with tempfile.TemporaryDirectory() as folder:
                desk = window_desk(None, 1, Path(folder))
                desk.settings = desk.controls = desk.thumbnail = None
                rows += measure_window(desk, "tfesi-l4l5-right")
    say(json.dumps(rows, indent=2) if json_ else table(rows))


def doctor(json_: AsJson = False) -> None:
    """Say what this machine has and lacks, with the fix."""
    from dataclasses import asdict

    from sim.doctor import examine

    findings = examine()
    if json_:
        say(json.dumps([asdict(f) for f in findings], indent=2))
    else:
        for f in findings:
            say(
                f"{'ok  ' if f.ok else 'LACK' if f.required else 'note'}  {f.what}: {f.found}" + ("" if f.ok else f"  -> {f.fix}")
            )
    if any(f.required and not f.ok for f in findings):
        raise typer.Exit(1)
