"""The door of imports: look at what was given, read it, assemble the phantom."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from anatomy_assets.imports.assemble import Source, assemble
from anatomy_assets.imports.body import Body
from anatomy_assets.imports.ct import read_ct
from anatomy_assets.imports.field import Notes, Solid
from anatomy_assets.imports.naming import ORGANS, VERTEBRAE
from anatomy_assets.imports.surfaces import SUFFIXES, read_meshes
from anatomy_assets.imports.volumes import is_nifti, read_labels, read_masks
from sim.errors import DataError, UsageError
from sim.phantom import Phantom, Scan

Progress = Callable[[str, float], None]
UNITS = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
NAMINGS = ("auto", "totalsegmentator", "verse")
FRAMES = ("LPS", "RAS")
MAPPING = "names.toml"
PICTURE_MM, PICTURE_Z_MM, AIR_HU = 1.2, (-190.0, 320.0), -1024
"""Voxel of a kept CT, and how far below and above the S1 end plate it is kept: what a C-arm centred on the spine can see."""


@dataclass(frozen=True)
class ImportOptions:
    """What a person may say about a source."""

    ct: Path | None = None
    labels: Path | None = None
    naming: str = "auto"
    unit: str = "mm"
    frame: str = "LPS"
    deidentify: bool = False
    note: str = ""
    bmi: float | None = None
    spacing_mm: float = 0.8
    keep_ct: bool = False

    def __post_init__(self) -> None:
        for word, value, known in (
            ("--naming", self.naming, NAMINGS),
            ("--unit", self.unit, tuple(UNITS)),
            ("--frame", self.frame, FRAMES),
        ):
            if value not in known:
                raise UsageError(f"{word} {value}: expected {', '.join(known)}")
        if self.bmi is not None and not 14.0 <= self.bmi <= 60.0:
            raise UsageError(f"--bmi {self.bmi:g}: expected 14 to 60 kg/m2")
        if self.keep_ct and self.ct is None and self.labels is None:
            raise UsageError("--keep-ct: there is no CT to keep; name it with --ct")
        if not 0.4 <= self.spacing_mm <= 1.5:
            raise UsageError(f"--spacing {self.spacing_mm:g}: expected 0.4 to 1.5 mm")
        if len(self.note) > 200 or not self.note.isprintable():
            raise UsageError(f"--note: {len(self.note)} characters; expected one line of at most 200")


def import_patient(source: Path, options: ImportOptions, progress: Progress) -> Phantom:
    """Return the phantom of a real patient. Every repair is a line of `individual["notes"]`."""
    if not source.exists():
        raise UsageError(f"{source}: no such file or folder; expected a label map, a folder of masks or meshes, or a CT folder")
    notes = Notes()
    progress("reading the source", 0.01)
    solids, kind = _read_solids(source, options, notes)
    ct = options.ct or _ct_beside(source, options)
    body = None
    if ct is not None:
        progress("reading the CT", 0.06)
        body = read_ct(ct, options.deidentify, UNITS[options.unit] if is_nifti(ct) else 1.0, notes)
        _check_overlap(solids, body)
        kind += " with CT"
    made = assemble(Source(solids, body, notes, kind), "imported", progress, options.spacing_mm, options.bmi)
    if options.keep_ct:
        made = replace(made, scan=_kept(ct, options, made))
    if options.note:
        made.individual["note"] = options.note  # type: ignore[index]
    return made


def _kept(path: Path | None, options: ImportOptions, made: Phantom) -> Scan:
    """Return the CT in the patient frame for pictures: the body alone, cut to what a C-arm can see, finer than for the labels."""
    assert path is not None
    body = read_ct(path, True, UNITS[options.unit] if is_nifti(path) else 1.0, Notes(), PICTURE_MM)
    body = body.moved(np.array(made.individual["source_to_patient_mm"], np.float64))
    full = np.argwhere(body.inside)
    low, high = full.min(0), full.max(0) + 1
    reach = np.round(body.index(np.array([[0.0, 0.0, PICTURE_Z_MM[0]], [0.0, 0.0, PICTURE_Z_MM[1]]]))[:, 2]).astype(int)
    low[2], high[2] = max(low[2], reach[0]), min(high[2], reach[1])
    if high[2] - low[2] < 2:
        raise DataError("--keep-ct: the CT shows nothing of the lumbar spine; expected the scan that the labels belong to")
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    hu = np.where(body.inside[part], body.hu[part], AIR_HU).astype(np.int16)
    return Scan(hu, body.origin_mm + low * body.spacing_mm, body.spacing_mm)


def _ct_beside(source: Path, options: ImportOptions) -> Path | None:
    """Return the CT when SOURCE itself is one and the labels were named apart."""
    return source if options.labels is not None else None


def _read_solids(source: Path, options: ImportOptions, notes: Notes) -> tuple[dict[str, Solid], str]:
    labels = options.labels or source
    if not labels.exists():
        raise UsageError(f"--labels {labels}: no such file or folder")
    unit = UNITS[options.unit]
    if labels.is_file():
        if is_nifti(labels):
            return read_labels(labels, options.naming, unit, notes), "label map"
        if labels.suffix.lower() in SUFFIXES:
            raise UsageError(f"{labels.name}: one mesh; expected a folder of meshes, one per bone")
        raise UsageError(f"{labels.name}: unknown kind; expected NIfTI (.nii, .nii.gz) or a folder")
    mapping = _mapping(labels)
    names = [p for p in labels.iterdir() if p.is_file()]
    if any(p.suffix.lower() in SUFFIXES for p in names):
        return read_meshes(labels, unit, options.frame, notes, mapping), "meshes"
    if any(is_nifti(p) for p in names):
        return read_masks(labels, unit, notes, mapping), "masks"
    raise UsageError(
        f"{labels.name}: neither masks (.nii.gz) nor meshes (.stl, .ply, .obj) in it; "
        "a CT alone is not enough: name its labels with --labels"
    )


def _mapping(folder: Path) -> dict[str, str]:
    """Return file name -> structure of the folder's names.toml, if there is one."""
    path = folder / MAPPING
    if not path.is_file():
        return {}
    known = (*VERTEBRAE, "S", "coccyx", *ORGANS)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f'{MAPPING}: cannot be read ({type(error).__name__}); expected lines such as "a.stl" = "L4"') from None
    for file, name in table.items():
        if not isinstance(name, str) or not (
            name in known or name.split("_")[0].rstrip("0123456789") in ("ilium", "femur", "rib")
        ):
            raise DataError(f"{MAPPING}: '{file}' is {name!r}; expected a structure such as L4, S, ilium_left")
    return table


def _check_overlap(solids: dict[str, Solid], body: Body) -> None:
    """Refuse a CT and labels that do not show the same place."""
    for name, solid in solids.items():
        if name not in VERTEBRAE or not name.startswith("L"):
            continue
        index = np.round(body.index(solid.inside_points()[::7])).astype(int)
        ok = ((index >= 0) & (index < np.array(body.hu.shape))).all(1)
        if ok.mean() < 0.5:
            raise DataError(
                f"import: {100 * ok.mean():.0f} % of {name} lies inside the CT; expected labels and CT of the same scan"
            )
        index = index[ok]
        mean = float(body.hu[index[:, 0], index[:, 1], index[:, 2]].mean())
        if mean < 40.0:
            raise DataError(
                f"import: {name} has a mean of {mean:.0f} HU in the CT; expected bone: labels and CT do not belong together"
            )
