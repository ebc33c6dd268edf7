"""Reads a CT: a DICOM series or a NIfTI, slice by slice, onto a coarser LPS grid of HU with the body marked."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anatomy_assets.imports.body import Body
from anatomy_assets.imports.field import Notes, shear_of
from anatomy_assets.imports.privacy import identified, refuse_identified
from anatomy_assets.imports.volumes import CT_VOXELS, is_nifti, open_nifti
from anatomy_assets.tables import number
from sim.errors import DataError, UsageError

F64 = NDArray[np.float64]
GRID_MM = 1.5
MOST_FILES = 4000
MOST_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Scan:
    """HU (nx, ny, nz) int16 and the affine voxel -> LPS (it may be sheared)."""

    hu: NDArray[np.int16]
    affine: F64


def read_ct(path: Path, deidentify: bool, unit_mm: float, notes: Notes, grid_mm: float = GRID_MM) -> Body:
    """Return the CT of a DICOM folder or a NIfTI, resampled to a right-angled LPS grid."""
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder; expected a CT (DICOM folder or NIfTI)")
    scan = _nifti(path, unit_mm, notes) if is_nifti(path) else _dicom(path, deidentify, notes)
    if shear_of(scan.affine) > 0.01:
        notes.say("CT: tilted gantry (slices are sheared against each other): resampled at right angles")
    return _body(scan, grid_mm)


def _nifti(path: Path, unit_mm: float, notes: Notes) -> Scan:
    volume = open_nifti(path, unit_mm)
    step = 1
    while np.prod([-(-n // step) for n in volume.shape], dtype=np.int64) > CT_VOXELS:
        step += 1
    if step > 1:
        notes.say(f"CT: every {step}. voxel along each axis was read (the file is large)")
    rows: list[NDArray[np.int16]] = []
    for k, slab in volume.slabs():
        keep = [i for i in range(slab.shape[2]) if (k + i) % step == 0]
        part = slab[::step, ::step, :][:, :, keep]
        if not np.isfinite(part).all():
            raise DataError(f"{path.name}: holds values that are not numbers (NaN); expected HU")
        rows.append(np.clip(np.round(part), -1100, 4000).astype(np.int16))
    hu = np.concatenate(rows, axis=2)
    if hu.min() > -400 or hu.max() < 200:
        raise DataError(
            f"{path.name}: values run from {hu.min()} to {hu.max()}; expected HU with air near -1000 and bone above 200"
        )
    affine = volume.affine.copy()
    affine[:3, :3] *= step
    return Scan(hu, affine)


def _dicom(folder: Path, deidentify: bool, notes: Notes) -> Scan:
    heads = _headers(folder)
    dropped = refuse_identified([n for _, d in heads for n in identified(d)], f"{folder.name}: DICOM", deidentify)
    if dropped:
        notes.say(dropped)
    heads = _one_series(folder, heads)
    heads, step = _sorted(folder, heads)
    first = heads[0][1]
    row, column = (np.array([float(v) for v in first.ImageOrientationPatient[i : i + 3]]) for i in (0, 3))
    spacing = [float(v) for v in first.PixelSpacing]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = row * spacing[1], column * spacing[0], step
    affine[:3, 3] = [float(v) for v in first.ImagePositionPatient]
    thin = 1
    while int(first.Rows) * int(first.Columns) * len(heads) / thin**2 > CT_VOXELS:
        thin += 1
    if thin > 1:
        notes.say(f"CT: every {thin}. pixel of a slice was read (the series is large)")
        affine[:3, :2] *= thin
    hu = np.empty((-(-int(first.Columns) // thin), -(-int(first.Rows) // thin), len(heads)), np.int16)
    for k, (path, head) in enumerate(heads):
        hu[:, :, k] = _pixels(path, head)[::thin, ::thin].T
    return Scan(hu, affine)


def _headers(folder: Path) -> list[tuple[Path, Any]]:
    """Return (path, header without pixels) of every DICOM image in a folder."""
    import pydicom

    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.upper() != "DICOMDIR")
    if len(paths) > MOST_FILES:
        raise DataError(f"{folder.name}: {len(paths)} files; expected at most {MOST_FILES}, one series")
    out = []
    for path in paths:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise DataError(f"{path.name}: {path.stat().st_size / 2**20:.0f} MiB; expected single slices of at most 64 MiB")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                head = pydicom.dcmread(path, stop_before_pixels=True)
        except (pydicom.errors.InvalidDicomError, OSError, EOFError, ValueError, KeyError, AttributeError):
            continue
        if "ImagePositionPatient" in head and "Rows" in head:
            out.append((path, head))
    if len(out) < 10:
        raise DataError(f"{folder.name}: {len(out)} DICOM slices with a position; expected a CT series")
    return out


def _one_series(folder: Path, heads: list[tuple[Path, Any]]) -> list[tuple[Path, Any]]:
    """Refuse mixed series and anything but CT."""
    kinds = Counter(str(d.get("Modality", "?")) for _, d in heads)
    if set(kinds) != {"CT"}:
        raise DataError(f"{folder.name}: modality {', '.join(sorted(kinds))}; expected CT alone")
    series = Counter(str(d.get("SeriesInstanceUID", "?")) for _, d in heads)
    if len(series) > 1:
        sizes = ", ".join(f"{n} slices" for n in sorted(series.values(), reverse=True))
        raise DataError(
            f"{folder.name}: {len(series)} series mixed ({sizes}); expected one: put the wanted series in a folder of its own"
        )
    for what in ("ImageOrientationPatient", "PixelSpacing", "Rows", "Columns"):
        values = {
            tuple(np.round(np.atleast_1d(np.asarray(d.get(what), np.float64)), 3)) if d.get(what) is not None else None
            for _, d in heads
        }
        if len(values) != 1 or None in values:
            raise DataError(f"{folder.name}: {what} differs between slices or is missing; expected the same in all")
    return heads


def _sorted(folder: Path, heads: list[tuple[Path, Any]]) -> tuple[list[tuple[Path, Any]], F64]:
    """Return slices in order, the step from one to the next (3,); refuse doubled and missing slices."""
    first = heads[0][1]
    row, column = (np.array([float(v) for v in first.ImageOrientationPatient[i : i + 3]]) for i in (0, 3))
    normal = np.cross(row, column)
    if not np.isfinite(normal).all() or abs(np.sqrt((normal * normal).sum()) - 1.0) > 0.01:
        raise DataError(f"{folder.name}: ImageOrientationPatient is not two right-angled unit vectors")
    place = np.array([[float(v) for v in d.ImagePositionPatient] for _, d in heads])
    along = place @ normal
    order = np.argsort(along, kind="stable")
    heads, place, along = [heads[i] for i in order], place[order], along[order]
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    if (gaps < 0.01).any():
        k = int((gaps < 0.01).argmax())
        raise DataError(
            f"{folder.name}: {heads[k][0].name} and {heads[k + 1][0].name} lie at the same place; expected each slice once"
        )
    if (np.abs(gaps - usual) > 0.05 * usual + 0.02).any():
        k = int(np.abs(gaps - usual).argmax())
        text = f"{gaps[k]:.2f} mm between {heads[k][0].name} and {heads[k + 1][0].name}, {usual:.2f} mm elsewhere"
        raise DataError(f"{folder.name}: slices are missing ({text}); expected even steps")
    return heads, (place[-1] - place[0]) / (len(place) - 1)


def _pixels(path: Path, head: Any) -> NDArray[np.int16]:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path)
            raw = data.pixel_array
    except Exception as error:
        raise DataError(
            f"{path.name}: its pixels cannot be read ({type(error).__name__}); expected a whole slice (or install its decoder)"
        ) from None
    if raw.shape != (int(head.Rows), int(head.Columns)):
        raise DataError(f"{path.name}: has shape {raw.shape}; expected {int(head.Rows)} x {int(head.Columns)} grey pixels")
    hu = raw.astype(np.float32) * float(data.get("RescaleSlope", 1.0)) + float(data.get("RescaleIntercept", 0.0))
    return np.clip(np.round(hu), -1100, 4000).astype(np.int16)


def _body(scan: Scan, grid_mm: float) -> Body:
    """Return the scan on a right-angled LPS grid and which voxels are body (the largest piece that is not air)."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(scan.hu.shape) - 1)
    box = corners @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    low, high = box.min(0), box.max(0)
    shape = ((high - low) / grid_mm).astype(int) + 1
    straight = np.diag([grid_mm, grid_mm, grid_mm, 1.0])
    straight[:3, 3] = low
    way = np.linalg.inv(scan.affine) @ straight
    hu = ndimage.affine_transform(scan.hu, way[:3, :3], way[:3, 3], tuple(shape), order=1, mode="constant", cval=-1024)
    tissue = ndimage.binary_opening(hu > number("imports", "hu.air"), iterations=2)  # lets go of the table
    pieces, count = ndimage.label(tissue)
    if count == 0:
        raise DataError("CT: no body found (everything is below -400 HU); expected HU")
    body = pieces == int(np.bincount(pieces.ravel())[1:].argmax()) + 1
    for k in range(body.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(ndimage.binary_dilation(body[:, :, k]))
    return Body(hu.astype(np.int16), body, low, np.full(3, grid_mm))
