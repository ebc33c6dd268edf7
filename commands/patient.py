"""The patient by himself: render, phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.common import check_seed, progress_bar, say, writable_folder, write_file
from sim.errors import UsageError


def render(
    scenario: Annotated[str, typer.Option(help="scenario id or TOML file")],
    primary: Annotated[float, typer.Option(help="primary angle, degrees: 0 over the back, + towards the patient's left")],
    secondary: Annotated[float, typer.Option(help="secondary angle, degrees: + towards the head")],
    out: Annotated[Path, typer.Option(help="X.png, X.dcm or X.npy")],
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
    size: Annotated[int, typer.Option(help="pixels", min=32, max=4096)] = 1024,
) -> None:
    """Make one picture of a scenario's patient."""
    from scenarios.pictures import picture_bytes
    from scenarios.registry import find_scenario

    check_seed(seed)
    if not (-110 <= primary <= 110 and -45 <= secondary <= 45):
        raise UsageError(
            f"angles {primary:g}/{secondary:g}: the C-arm reaches -110..110 (primary) and -45..45 (secondary) degrees"
        )
    if out.suffix not in (".png", ".dcm", ".npy"):
        raise UsageError(f"--out {out}: unknown kind '{out.suffix}'; expected .png, .dcm or .npy")
    found = find_scenario(scenario)
    with progress_bar(quiet=True) as progress:
        content = picture_bytes(found, seed, round(primary * 1000), round(secondary * 1000), size, out.suffix, progress)
    write_file(out, content)
    say(str(out))


def phantom(
    scenario: Annotated[str, typer.Option(help="scenario id or TOML file")],
    out: Annotated[Path, typer.Option(help="folder")],
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
) -> None:
    """Export a scenario's patient: meshes (GLB, STL), label volume (NIfTI), landmarks (JSON)."""
    from anatomy_assets.export import export_phantom
    from scenarios.registry import find_scenario
    from scenarios.study import make_phantom

    check_seed(seed)
    found = find_scenario(scenario)
    folder = writable_folder(out)
    with progress_bar(quiet=True) as progress:
        paths = export_phantom(make_phantom(found, seed, progress), folder)
    for path in paths:
        say(str(path))
