"""The file of an imported patient (X.phantom): versioned, hashed, read back without trust."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from anatomy_assets.cache import _packed, _unpacked, _write
from sim.errors import DataError, MachineError, UsageError
from sim.phantom import Phantom

VERSION = 1
KIND = "scottie-phantom"
MOST_BYTES = 1_500_000_000
MOST_RATIO = 200


def write_patient(path: Path, made: Phantom) -> None:
    """Write a phantom file whole or not at all."""
    if path.suffix != ".phantom":
        raise UsageError(f"--out {path.name}: expected a name that ends in .phantom")
    about = {"kind": KIND, "version": VERSION, "content_hash": made.content_hash}
    if made.scan is not None:
        about["scan_hash"] = made.scan.content_hash
    head = json.dumps(about).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                _write(out, {"phantom_file": np.frombuffer(head, np.uint8), **_packed(made)})
            Path(part).replace(path)
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MachineError(f"{path}: cannot be written: {error.strerror}") from None


def read_patient(path: Path) -> Phantom:
    """Return the phantom of a file; DataError with one line when it is foreign, damaged, altered or a zip bomb."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; expected a .phantom file (main.py import)") from None
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
            if total > MOST_BYTES or total > MOST_RATIO * len(raw) + 1_000_000:
                raise DataError(
                    f"{path.name}: unpacks to {total / 1e6:.0f} MB from {len(raw) / 1e6:.1f} MB; expected a phantom file"
                )
        with np.load(io.BytesIO(raw), allow_pickle=False) as data:
            head = json.loads(bytes(data["phantom_file"]))
            if head.get("kind") != KIND or head.get("version") != VERSION:
                raise DataError(f"{path.name}: version {head.get('version')}; expected {VERSION}: import it again")
            made = _unpacked(data)
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zlib.error, zipfile.BadZipFile, MemoryError) as error:
        raise DataError(
            f"{path.name}: not a phantom file, or damaged ({type(error).__name__}); expected one made by main.py import"
        ) from None
    kept = None if made.scan is None else made.scan.content_hash
    if made.content_hash != head["content_hash"] or kept != head.get("scan_hash"):
        raise DataError(f"{path.name}: was altered (its content does not have the hash it names); import it again")
    return made


def content_hash_of(path: Path) -> str | None:
    """Return the hash a phantom file names, without reading the rest; None when it is no such file."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("phantom_file.npy") as member:
            head = json.loads(bytes(np.lib.format.read_array(io.BytesIO(member.read(4096)), allow_pickle=False)))
            return str(head["content_hash"]) if head.get("kind") == KIND else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
