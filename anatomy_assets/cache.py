"""Baked phantoms on disk: keyed by everything that made them, written atomically, never trusted blindly.

The folder is the user's cache (`SCOTTIE_CACHE_DIR` overrides). A file that cannot be read is baked again; a
folder that cannot be written only costs time. Distance grids are stored as differences along z (they
compress well), labels as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs

from anatomy_assets.joints import Plain
from sim import fields, frames, phantom, rng
from sim.fields import wide_nodes
from sim.phantom import Bone, LabelVolume, Phantom, Scan, Skin, Tube, TubeKind

T = TypeVar("T")
KEEP = 80
KEEP_BONES = 400
FORMAT = 3
UNUSED = frozenset({"__init__.py", "cache.py", "export.py", "meshes.py", "materials.toml", "imports.toml"})
GRIDS = ("bake.py", "primitives.py", "redistance.py", "frames.py", "rng.py")
"""Sources that turn the shape of a bone into its grid; the shape itself is part of the key."""
_BONE_ARRAYS = ("rotation", "translation_mm", "grid_origin_mm", "shell_vertices", "shell_faces", "core_vertices", "core_faces")


def _sources() -> dict[str, bytes]:
    """Return file name -> SHA-256 of every source and table that bakes."""
    here = Path(__file__).parent
    paths = [*sorted(here.glob("*.py")), *sorted((here / "morphometry").glob("*.toml"))]
    paths += [Path(str(m.__file__)) for m in (fields, frames, phantom, rng)]
    found = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in paths}
    measures = sorted((here / "measure").glob("*.py"))  # findings are met by measuring
    return found | {f"measure/{path.name}": hashlib.sha256(path.read_bytes()).digest() for path in measures}


_SOURCES = _sources()
"""Read once on import: a file edited while a program runs must not name what the old code bakes."""


def folder() -> Path:
    """Return the folder of baked phantoms."""
    base = os.environ.get("SCOTTIE_CACHE_DIR")
    return (Path(base) if base else Path(platformdirs.user_cache_dir("scottie"))) / "phantoms"


def key(description: Mapping[str, Any], without: frozenset[str] = UNUSED) -> str:
    """Return the hash of a description plus the text of the tables and of the sources that bake.

    without: file names that cannot change the result.
    """
    digest = hashlib.sha256(json.dumps(description, sort_keys=True, default=str).encode())
    for name, text in _SOURCES.items():
        if name not in without:
            digest.update(name.encode() + text)
    return digest.hexdigest()[:32]


def load(name: str) -> Phantom | None:
    """Return the phantom stored under a key; None if there is none or it is damaged (then it is removed)."""
    return _read(folder() / f"{name}.npz", _unpacked)


def _read(path: Path, unpack: Callable[[Any], T]) -> T | None:
    """Return what `unpack` makes of a file; None if there is none or it is damaged (then it is removed)."""
    try:
        if not path.exists():
            return None
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            found = unpack(data)
        os.utime(path)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError, json.JSONDecodeError, zipfile.LargeZipFile):
        _remove(path)
        return None
    except Exception as error:  # zlib.error has no common base with the others
        if type(error).__module__ != "zlib":
            raise
        _remove(path)
        return None
    return found


def save(name: str, made: Phantom) -> bool:
    """Store a phantom (temporary file, then replace); False where that is not possible."""
    return _store(folder(), name, _packed(made), KEEP)


def _store(place: Path, name: str, arrays: Mapping[str, Any], keep: int) -> bool:
    """Write arrays to a file of a folder and trim the folder; False where that is not possible."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix=".part", dir=place)
        try:
            with os.fdopen(handle, "wb") as out:
                _write(out, arrays)
            Path(temporary).replace(place / f"{name}.npz")
        except OSError:
            _remove(Path(temporary))
            return False
        _trim(place, keep)
    except OSError:
        return False
    return True


def _trim(place: Path, keep: int) -> None:
    """Keep the most recently used files of a folder."""
    files = sorted(place.glob("*.npz"), key=_used, reverse=True)
    for path in files[keep:]:
        _remove(path)
    for path in place.glob("*.part"):  # left behind by a killed process
        if 0.0 < _used(path) < time.time() - 3600.0:
            _remove(path)


def _used(path: Path) -> float:
    """Return when a file was last used; 0 if another process has just removed it."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _write(out: Any, arrays: Mapping[str, Any]) -> None:
    """Write an npz with the fastest compression (numpy's own writer has no level)."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1, allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def _packed(p: Phantom) -> dict[str, Any]:
    """Return the arrays of a phantom and one JSON text."""
    head: dict[str, Any] = {"format": FORMAT, "name": p.name, "modelled": list(p.modelled)}
    out: dict[str, Any] = {"labels": p.volume.labels, "label_origin": p.volume.origin_mm}
    head["label_spacing"] = p.volume.spacing_mm
    head["bones"] = [[b.name, b.spacing_mm, b.material] for b in p.bones]
    for i, b in enumerate(p.bones):
        out[f"bone{i}_steps"] = np.diff(b.distance_10um, axis=2, prepend=np.int16(0)).astype(np.int16)
        for field in _BONE_ARRAYS:
            out[f"bone{i}_{field}"] = getattr(b, field)
    head["tubes"] = [[t.name, int(t.kind), t.level, t.side, t.wall_mm, t.flow_mm_s, len(t.nodes)] for t in p.tubes]
    out["tube_nodes"] = np.concatenate([wide_nodes(t.nodes) for t in p.tubes]) if p.tubes else np.zeros((0, 5))
    head["skin"] = [p.skin.x0_mm, p.skin.z0_mm, p.skin.step_mm]
    out |= {"skin_y": p.skin.y_mm, "skin_v": p.skin.surface_vertices, "skin_f": p.skin.surface_faces}
    head["landmarks"] = list(p.landmarks)
    out["landmarks"] = np.array(list(p.landmarks.values()), np.float64).reshape(-1, 3)
    head["measures"], head["individual"] = dict(p.measures), dict(p.individual)
    if p.scan is not None:
        out |= {"scan_hu": p.scan.hu, "scan_place": np.stack([p.scan.origin_mm, p.scan.spacing_mm])}
    out["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    out["hash"] = np.frombuffer(p.content_hash.encode(), np.uint8)
    return out


def _unpacked(data: Any) -> Phantom:
    """Return the phantom of an open npz."""
    head = json.loads(bytes(data["head"]))
    if head["format"] != FORMAT:
        raise ValueError("another format")
    with ThreadPoolExecutor(2) as pool:  # inflating holds no lock: two cores halve the wait
        labels = pool.submit(data.__getitem__, "labels")
        bones = list(pool.map(lambda i: _unpacked_bone(data, i, *head["bones"][i]), range(len(head["bones"]))))
    nodes, at, tubes = data["tube_nodes"], 0, []
    for name, kind, level, side, wall, flow, count in head["tubes"]:
        own = nodes[at : at + count]
        tubes.append(Tube(name, TubeKind(kind), level, side, own if own[:, 4].any() else own[:, :4], wall, flow))
        at += count
    points = data["landmarks"]
    return Phantom(
        name=head["name"],
        bones=tuple(bones),
        tubes=tuple(tubes),
        volume=LabelVolume(labels.result(), data["label_origin"], head["label_spacing"]),
        skin=Skin(data["skin_y"], *head["skin"], data["skin_v"], data["skin_f"]),
        landmarks=dict(zip(head["landmarks"], points, strict=True)),
        measures=head["measures"],
        individual=head["individual"],
        modelled=tuple(head["modelled"]),
        scan=Scan(data["scan_hu"], *data["scan_place"]) if "scan_hu" in data else None,
    )


def _unpacked_bone(data: Any, i: int, name: str, spacing: float, material: str) -> Bone:
    """Return bone number i of an open npz."""
    steps = data[f"bone{i}_steps"]
    arrays = {field: data[f"bone{i}_{field}"] for field in _BONE_ARRAYS}
    grid = np.cumsum(steps, axis=2, dtype=np.int16, out=steps)
    return Bone(name=name, spacing_mm=spacing, distance_10um=grid, material=material, **arrays)


def bone_key(shape: str) -> str:
    """Return the name of a plain bone from the hash of its shape and of the sources that fill its grid."""
    digest = hashlib.sha256(shape.encode())
    for name in GRIDS:
        digest.update(_SOURCES[name])
    return digest.hexdigest()[:32]


def load_plain(shape: str) -> Plain | None:
    """Return the stored plain bone of a shape (joints.Plain); None if there is none or it is damaged."""
    return _read(_bones() / f"{bone_key(shape)}.npz", _plain)


def save_plain(shape: str, bone: Plain) -> None:
    """Store a plain bone, shared by every posture and option of a person."""
    steps = np.diff(bone.distance_10um, axis=2, prepend=np.int16(0)).astype(np.int16)
    head = np.frombuffer(json.dumps([bone.name, bone.spacing_mm]).encode(), np.uint8)
    _store(_bones(), bone_key(shape), {"steps": steps, "origin": bone.origin_mm, "head": head}, KEEP_BONES)


def _plain(data: Any) -> Plain:
    name, spacing = json.loads(bytes(data["head"]))
    return Plain(name, np.cumsum(data["steps"], axis=2, dtype=np.int16), data["origin"], spacing)


def _bones() -> Path:
    return folder().parent / "bones"
