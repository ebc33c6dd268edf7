"""The patient by himself: render, phantom, import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from commands.common import AsJson, Backend, Patient, check_seed, progress_bar, say, writable_folder, write_file
from commands.joints import on_patient
from sim.errors import UsageError


def render(
    scenario: Annotated[str, typer.Option(help="scenario id or TOML file")],
    primary: Annotated[float, typer.Option(help="primary angle, degrees: 0 over the back, + towards the patient's left")],
    secondary: Annotated[float, typer.Option(help="secondary angle, degrees: + towards the head")],
    out: Annotated[Path, typer.Option(help="X.png, X.dcm or X.npy")],
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
    size: Annotated[int, typer.Option(help="pixels", min=32, max=4096)] = 1024,
    frames: Annotated[int, typer.Option(help="a live run of so many pulses (X.dcm only)", min=1, max=600)] = 1,
    patient: Patient = None,
    backend: Backend = "cpu",
    swivel: Annotated[float, typer.Option(help="of the whole C about the vertical, degrees: + left side to the head")] = 0.0,
) -> None:
    """Make one picture of a scenario's patient, or a live run as multi-frame DICOM."""
    from scenarios.pictures import cine_bytes, picture_bytes
    from scenarios.registry import find_scenario

    check_seed(seed)
    if not (-110 <= primary <= 110 and -45 <= secondary <= 45):
        raise UsageError(
            f"angles {primary:g}/{secondary:g}: the C-arm reaches -110..110 (primary) and -45..45 (secondary) degrees"
        )
    if not -10 <= swivel <= 10:
        raise UsageError(f"swivel {swivel:g}: the C-arm reaches -10..10 degrees")
    if out.suffix not in (".png", ".dcm", ".npy"):
        raise UsageError(f"--out {out}: unknown kind '{out.suffix}'; expected .png, .dcm or .npy")
    if frames > 1 and out.suffix != ".dcm":
        raise UsageError(f"--frames {frames} with --out {out}: a run is written as DICOM; expected a name that ends in .dcm")
    found = find_scenario(on_patient(scenario, patient) or scenario)
    angles, swivel_mdeg = (round(primary * 1000), round(secondary * 1000)), round(swivel * 1000)
    with progress_bar(quiet=True) as progress:
        if frames > 1:
            content = cine_bytes(found, seed, *angles, size, frames, progress, backend, swivel_mdeg)
        else:
            content = picture_bytes(found, seed, *angles, size, out.suffix, progress, backend, swivel_mdeg)
    write_file(out, content)
    say(str(out))


def phantom(
    out: Annotated[Path, typer.Option(help="folder")],
    scenario: Annotated[str | None, typer.Option(help="scenario id or TOML file")] = None,
    seed: Annotated[int, typer.Option(help="which patient")] = 1,
    patient: Patient = None,
) -> None:
    """Export a scenario's patient, or an imported one: meshes (GLB, STL), label volume (NIfTI), landmarks (JSON)."""
    from anatomy_assets.export import export_phantom
    from anatomy_assets.imports.store import read_patient
    from scenarios.patients import words
    from scenarios.registry import find_scenario
    from scenarios.study import make_phantom

    check_seed(seed)
    if (scenario is None) == (patient is None):
        raise UsageError("phantom: expected either --scenario (a generated patient) or --patient (an imported one)")
    folder = writable_folder(out)
    with progress_bar(quiet=True) as progress:
        if patient is not None:
            made = read_patient(patient)
        else:
            made = make_phantom(find_scenario(str(scenario)), seed, progress)
        paths = export_phantom(made, folder)
    for path in paths:
        say(str(path))
    if told := words(made):
        say(told)


def import_(
    source: Annotated[Path, typer.Argument(help="label map, folder of masks or meshes; or a CT when --labels names its labels")],
    out: Annotated[Path, typer.Option(help="X.phantom")],
    ct: Annotated[Path | None, typer.Option(help="CT of the same scan: DICOM folder or NIfTI")] = None,
    labels: Annotated[Path | None, typer.Option(help="label map or folder of masks, when SOURCE is the CT")] = None,
    naming: Annotated[str, typer.Option(help="numbering of a label map: totalsegmentator, verse or auto")] = "auto",
    unit: Annotated[str, typer.Option(help="unit of the source: mm, cm or m")] = "mm",
    frame: Annotated[str, typer.Option(help="frame of meshes: LPS or RAS")] = "LPS",
    deidentify: Annotated[bool, typer.Option("--deidentify", help="read identified DICOM and drop what identifies")] = False,
    note: Annotated[str, typer.Option(help="one line kept in the file; no names of people")] = "",
    bmi: Annotated[float | None, typer.Option(help="body mass index for the modelled skin (without a CT)")] = None,
    spacing: Annotated[float, typer.Option(help="grid of the bones, mm")] = 0.8,
    keep_ct: Annotated[bool, typer.Option("--keep-ct", help="keep the CT in the file: pictures are drawn through it")] = False,
    json_: AsJson = False,
) -> None:
    """Make a real patient usable: CT with a label map, a label map alone, or meshes -> X.phantom."""
    from anatomy_assets.imports.patient import ImportOptions, import_patient
    from anatomy_assets.imports.store import write_patient

    options = ImportOptions(ct, labels, naming, unit, frame, deidentify, note, bmi, spacing, keep_ct)
    if out.suffix != ".phantom":
        raise UsageError(f"--out {out.name}: expected a name that ends in .phantom")
    writable_folder(out.parent)
    with progress_bar(quiet=json_) as progress:
        made = import_patient(source, options, progress)
        progress("writing the file", 0.98)
        write_patient(out, made)
    told = made.individual
    if json_:
        say(json.dumps({"out": str(out), "content_hash": made.content_hash, **told}))
        return
    say(f"{out}: patient {made.content_hash[:16]}, {', '.join(told['levels'])}")
    for line in told["notes"]:
        say(f"  {line}")
    if made.scan is not None:
        say("  pictures are drawn through the CT, which is kept in the file: somebody's shape, treat it as patient data")
    say(f"  modelled, not this patient's own: {', '.join(made.modelled)}")
