"""Reads NIfTI: a label map (slab by slab, wanted numbers only), a folder of masks, a CT. Affines are turned to LPS."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anatomy_assets.imports.field import Notes, Solid, shear_of, solid_of_mask, spacing_of
from anatomy_assets.imports.naming import SYSTEMS, numbers, structure, title
from anatomy_assets.tables import number
from sim.errors import DataError, UsageError

F64 = NDArray[np.float64]
LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
MOST_VOXELS = 700_000_000
MOST_VOXEL_MM = 3.5
CT_VOXELS = 120_000_000
SLAB = 16
MIN_MASK_MM3 = 2000.0
NEAR_MM = 5.0
PIECE_MM3 = 100.0


@dataclass(frozen=True)
class Volume:
    """An opened NIfTI: where it is, what it measures. Nothing but geometry and voxels is ever taken from the file."""

    path: Path
    image: nibabel.Nifti1Image
    affine: F64  # voxel -> LPS, mm
    shape: tuple[int, int, int]

    def slabs(self, thick: int = SLAB) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (first slice, voxels) along the last axis."""
        for k in range(0, self.shape[2], thick):
            try:
                yield k, np.asarray(self.image.dataobj[..., k : k + thick]).reshape(*self.shape[:2], -1)
            except (OSError, EOFError, ValueError, zlib.error) as error:
                raise DataError(
                    f"{self.path.name}: ends too early or is damaged ({type(error).__name__}); expected all its voxels"
                ) from None


def is_nifti(path: Path) -> bool:
    """Return whether a file name is that of a NIfTI."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def open_nifti(path: Path, unit_mm: float = 1.0) -> Volume:
    """Return an opened NIfTI; DataError with one line when its header cannot be trusted."""
    try:
        image = nibabel.load(path)
    except Exception as error:
        raise DataError(f"{path.name}: cannot be read as NIfTI ({type(error).__name__}); expected .nii or .nii.gz") from None
    if not isinstance(image, nibabel.Nifti1Image):
        raise DataError(f"{path.name}: is {type(image).__name__}; expected NIfTI")
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) < 2:
        raise DataError(f"{path.name}: has shape {shape}; expected three axes of at least 2 voxels")
    if int(np.prod(shape, dtype=np.int64)) > MOST_VOXELS:
        count = int(np.prod(shape, dtype=np.int64)) / 1e6
        raise DataError(
            f"{path.name}: {count:.0f} million voxels; expected at most {MOST_VOXELS // 10**6} million (crop it to the spine)"
        )
    header = image.header
    if int(header["qform_code"]) <= 0 and int(header["sform_code"]) <= 0:
        raise DataError(f"{path.name}: says nothing about its orientation (sform and qform codes are 0); expected one of them")
    affine = LPS_OF_RAS @ np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise DataError(f"{path.name}: its orientation matrix is singular or not a number; expected an affine in mm")
    units = header.get_xyzt_units()[0]
    factor = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}.get(units, 1.0) if unit_mm == 1.0 else unit_mm
    scale = np.diag([factor, factor, factor, 1.0])
    return Volume(path, image, scale @ affine, shape)  # type: ignore[arg-type]


def read_labels(path: Path, naming: str, unit_mm: float, notes: Notes) -> dict[str, Solid]:
    """Return the solids of a multi-label NIfTI."""
    volume = open_nifti(path, unit_mm)
    present, labels = _whole(volume, notes)
    system = _system(volume, labels, present, naming, notes)
    table = numbers(system)
    wanted = {name: ids for name, ids in table.items() if set(ids) & present}
    if not wanted:
        raise DataError(f"{path.name}: no known structure in {title(system)}; numbers found: {_some(present)} (see --naming)")
    out = {}
    boxes = ndimage.find_objects(labels)
    for name, ids in wanted.items():
        held = [boxes[i - 1] for i in ids if i <= len(boxes) and boxes[i - 1] is not None]
        box = tuple(slice(min(b[a].start for b in held), max(b[a].stop for b in held)) for a in range(3))
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ np.array([b.start for b in box], np.float64)
        solid = clean_mask(name, np.isin(labels[box], ids), affine, notes, cut=_cut(box, labels.shape))
        if solid is not None:
            out[name] = solid
    return out


def _cut(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    return any(s.start == 0 or s.stop == n for s, n in zip(box, shape, strict=True))


def _whole(volume: Volume, notes: Notes) -> tuple[set[int], NDArray[np.int16]]:
    """Return the numbers present and the label map as int16, read slab by slab."""
    labels = np.zeros(volume.shape, np.int16)
    present: set[int] = set()
    for k, slab in volume.slabs():
        if not np.isfinite(slab).all():
            raise DataError(f"{volume.path.name}: holds values that are not numbers (NaN); expected whole label numbers")
        whole = np.round(slab)
        if np.abs(slab - whole).max() > 1e-3:
            raise DataError(
                f"{volume.path.name}: holds {slab.flat[np.abs(slab - whole).argmax()]:.3g}; expected whole label numbers"
            )
        if whole.min() < 0 or whole.max() > 2000:
            raise DataError(
                f"{volume.path.name}: holds label {whole.min():.0f}..{whole.max():.0f}; expected 0 to 2000 (is it the CT?)"
            )
        labels[..., k : k + slab.shape[2]] = whole.astype(np.int16)
        present |= {int(v) for v in np.unique(whole)}
    present.discard(0)
    if not present:
        raise DataError(f"{volume.path.name}: is empty (all voxels are 0); expected label numbers")
    worst = float(spacing_of(volume.affine).max())
    if worst > MOST_VOXEL_MM:
        raise DataError(f"{volume.path.name}: voxels of {worst:.3g} mm; expected at most {MOST_VOXEL_MM} mm (see --unit)")
    if worst > 1.6:
        notes.say(f"voxels are up to {worst:.1f} mm: bone borders are that coarse")
    return present, labels


def _some(values: Iterable[int]) -> str:
    found = sorted(values)
    return ", ".join(str(v) for v in found[:12]) + (" ..." if len(found) > 12 else "")


def _system(volume: Volume, labels: NDArray[np.int16], present: set[int], naming: str, notes: Notes) -> str:
    """Return the numbering of a label map: as asked, as the file's own table says, or the only one that fits the anatomy."""
    if naming == "verse":
        return "verse"
    tried = ("total_v2", "total_v1") if naming == "totalsegmentator" else SYSTEMS
    told = _told(volume)
    if told is not None and told in tried:
        notes.say(f"numbering: {title(told)} (from the table inside the file)")
        return told
    size = np.bincount(labels.ravel(), minlength=2001)
    middle = _middles(labels, volume.affine, present)
    voxel = abs(float(np.linalg.det(volume.affine[:3, :3])))
    good = [s for s in tried if _fits(numbers(s), present, middle, size * voxel)]
    if len(good) == 1:
        notes.say(f"numbering: {title(good[0])} (the only one in which order and sizes are those of a spine)")
        return good[0]
    which = "none" if not good else " and ".join(title(s) for s in good)
    raise DataError(
        f"{volume.path.name}: the numbering is not clear ({which} would fit; numbers {_some(present)}); "
        "expected TotalSegmentator or VerSe with at least two lumbar vertebrae, right way up: say --naming"
    )


def _told(volume: Volume) -> str | None:
    """Return the numbering that the label table in the file's extension tells; only those two facts are read from it."""
    found: dict[str, int] = {}
    for extension in getattr(volume.image.header, "extensions", []):
        text = extension.get_content()
        text = text.decode("utf-8", "ignore") if isinstance(text, bytes) else str(text)
        for key, name in re.findall(r'<Label\b[^>]*\bKey="(\d+)"[^>]*>\s*(?:<!\[CDATA\[)?([A-Za-z0-9_]+)', text[:200_000]):
            found[name] = int(key)
    for system in SYSTEMS:
        same = [found.get(f"vertebrae_{n}") == ids[0] for n, ids in numbers(system).items() if f"vertebrae_{n}" in found]
        if len(same) >= 2 and all(same):
            return system
    return None


def _middles(labels: NDArray[np.int16], affine: F64, present: set[int]) -> dict[int, F64]:
    """Return number -> LPS middle of its voxels (by their box: cheap, near enough for an order)."""
    boxes = ndimage.find_objects(labels)
    out = {}
    for value in present:
        if value <= len(boxes) and boxes[value - 1] is not None:
            centre = np.array([0.5 * (s.start + s.stop - 1) for s in boxes[value - 1]])
            out[value] = affine[:3, :3] @ centre + affine[:3, 3]
    return out


def _fits(
    table: Mapping[str, tuple[int, ...]], present: set[int], middle: Mapping[int, F64], volume_mm3: NDArray[np.float64]
) -> bool:
    """Return whether a numbering gives a spine: two lumbar vertebrae, in order downwards, the sacrum below and larger."""
    order = [
        n for n in (*(f"T{i}" for i in range(4, 14)), *(f"L{i}" for i in range(1, 7))) if n in table and table[n][0] in present
    ]
    lumbar = [n for n in order if n.startswith("L")]
    if len(lumbar) < 2:
        return False
    heights = [float(middle[table[n][0]][2]) for n in order]
    if any(b >= a for a, b in pairwise(heights)):
        return False
    low = lumbar[-1]
    size = float(volume_mm3[table[low][0]])
    sacrum = table.get("S", (0,))[0]
    if sacrum in present and (middle[sacrum][2] >= heights[-1] or volume_mm3[sacrum] < 1.1 * size):
        return False
    wings = [table[n][0] for n in ("ilium_left", "ilium_right") if n in table and table[n][0] in present]
    return all(middle[w][2] < heights[-1] + 60.0 and volume_mm3[w] > 1.5 * size for w in wings)


def clean_mask(name: str, mask: NDArray[np.bool_], affine: F64, notes: Notes, cut: bool = False) -> Solid | None:
    """Return the solid of a mask: its largest piece, holes filled; None when it is too small to be a bone."""
    if not mask.any():
        notes.say(f"{name}: empty mask, left out")
        return None
    voxel = abs(float(np.linalg.det(affine[:3, :3])))
    pieces, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count > 1:
        sizes = np.bincount(pieces.ravel())[1:]
        largest = int(sizes.argmax())
        others = np.sort(np.delete(sizes, largest))[::-1]
        if others[0] > number("imports", "check.island_share") * sizes[largest]:
            share = 100.0 * others[0] / sizes[largest]
            raise DataError(f"import: {name} is in {count} pieces, the second {share:.0f} % of the first; expected one bone")
        mask, near = _main_pieces(pieces, sizes * voxel, largest + 1, spacing_of(affine), name == "S")
        if near:
            notes.say(f"{name}: {near} further piece(s) close to the main one kept (thin bone broken by the voxels)")
        if count - 1 > near:
            lost = float((pieces > 0).sum() - mask.sum()) * voxel / 1000.0
            notes.say(f"{name}: {count - 1 - near} stray island(s) of {lost:.2f} cm3 removed")
    if mask.sum() * voxel < MIN_MASK_MM3:
        notes.say(f"{name}: {mask.sum() * voxel / 1000.0:.2f} cm3, too small for a bone, left out")
        return None
    filled = ndimage.binary_fill_holes(mask)
    if (filled & ~mask).sum() * voxel > 200.0:
        notes.say(f"{name}: closed cavities of {(filled & ~mask).sum() * voxel / 1000.0:.1f} cm3 filled")
    if cut:
        notes.say(f"{name}: touches the border of the scan and may be cut off there")
    if shear_of(affine) > 0.01:
        filled, affine = _upright(filled, affine)
        notes.say(f"the grid is sheared (tilted gantry): resampled at right angles, {spacing_of(affine).min():.2f} mm")
    return solid_of_mask(name, filled, affine)


def _main_pieces(
    pieces: NDArray[np.int32], volume_mm3: F64, main: int, spacing: F64, fragile: bool
) -> tuple[NDArray[np.bool_], int]:
    """Return the largest piece and how many others stay with it.

    The dorsal wall of a sacrum is thinner than a voxel in places: there pieces within NEAR_MM of the main one are bone.
    """
    mask = pieces == main
    if not fragile:
        return mask, 0
    way = ndimage.distance_transform_edt(~mask, sampling=spacing)
    others = [p for p in range(1, len(volume_mm3) + 1) if p != main and volume_mm3[p - 1] > PIECE_MM3]
    near = [p for p in others if way[pieces == p].min() < NEAR_MM]
    return np.isin(pieces, [main, *near]), len(near)


def _upright(mask: NDArray[np.bool_], affine: F64) -> tuple[NDArray[np.bool_], F64]:
    """Return a mask of a sheared grid, resampled on a right-angled one along LPS."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * np.array(mask.shape)
    box = corners @ affine[:3, :3].T + affine[:3, 3]
    step = float(spacing_of(affine).min())
    low = box.min(0)
    shape = np.ceil((box.max(0) - low) / step).astype(int) + 1
    straight = np.diag([step, step, step, 1.0])
    straight[:3, 3] = low
    way = np.linalg.inv(affine) @ straight
    out = ndimage.affine_transform(mask.astype(np.float32), way[:3, :3], way[:3, 3], tuple(shape), order=1)
    return out > 0.5, straight


def read_masks(folder: Path, unit_mm: float, notes: Notes, mapping: Mapping[str, str]) -> dict[str, Solid]:
    """Return the solids of a folder of NIfTI masks named by structure, as TotalSegmentator writes them."""
    out: dict[str, Solid] = {}
    parts: dict[str, list[Path]] = {}
    skipped = 0
    for path in sorted(p for p in folder.iterdir() if is_nifti(p)):
        name = mapping.get(path.name) or structure(path.name)
        if name is None:
            skipped += 1
            continue
        parts.setdefault(name, []).append(path)
    if skipped:
        notes.say(f"{skipped} file(s) of other structures left out")
    for name, paths in parts.items():
        if len(paths) > 1 and name != "S":
            raise DataError(f"import: {', '.join(p.name for p in paths)} all name {name}; expected one file per structure")
        solid = _one_mask(name, paths, unit_mm, notes)
        if solid is not None:
            out[name] = solid
    if not out:
        raise UsageError(
            f"{folder.name}: no mask of a known structure; expected files such as vertebrae_L4.nii.gz, sacrum.nii.gz"
        )
    return out


def _one_mask(name: str, paths: list[Path], unit_mm: float, notes: Notes) -> Solid | None:
    """Return the solid of the masks of one structure (the sacrum may come in two: sacrum and vertebrae_S1)."""
    mask: NDArray[np.bool_] | None = None
    first: Volume | None = None
    for path in paths:
        volume = open_nifti(path, unit_mm)
        if first is not None and (volume.shape != first.shape or not np.allclose(volume.affine, first.affine, atol=1e-3)):
            raise DataError(
                f"{path.name}: lies on another grid than {first.path.name}; expected the same for two parts of one bone"
            )
        first = first or volume
        here = np.zeros(volume.shape, bool)
        for k, slab in volume.slabs():
            if not np.isfinite(slab).all():
                raise DataError(f"{path.name}: holds values that are not numbers (NaN); expected a mask of 0 and 1")
            here[..., k : k + slab.shape[2]] = slab > 0.5
        mask = here if mask is None else mask | here
    assert mask is not None
    assert first is not None
    if not mask.any():
        notes.say(f"{name}: empty mask, left out")
        return None
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    affine = first.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([s.start for s in found], np.float64)
    return clean_mask(name, mask[found], affine, notes, cut=_cut(found, mask.shape))
