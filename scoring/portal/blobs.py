"""Records as files under their SHA-256: written beside, forced to the disk, renamed; never overwritten, never executed."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sim.attempt import is_hex, sync_folder
from sim.errors import MachineError, RecordError

MAX_BYTES = 16 * 2**20
"""docs/RECORD.md: no record is larger."""


class TooLarge(RecordError):
    """More bytes than a record may have."""


class OtherBytes(RecordError):
    """The bytes have another SHA-256 than was said (cut short on the way, or another file)."""


def blob_path(folder: Path, sha256: str) -> Path:
    """Return where the bytes of this digest lie."""
    if not is_hex(sha256, 32):
        raise RecordError(f"'{sha256[:80]}': expected a SHA-256 of 64 lower-case hexadecimal digits")
    return folder / "records" / sha256[:2] / f"{sha256}.scottie"


def keep(folder: Path, sha256: str, chunks: Iterable[bytes]) -> tuple[Path, int]:
    """Write the bytes of a digest; on return they are on the disk. Memory: one chunk. Returns path and size.

    TooLarge, OtherBytes: nothing is left behind. MachineError: the disk refused (full), nothing is left behind.
    """
    path = blob_path(folder, sha256)
    new = path.with_name(f"{sha256}.{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = _write(new, sha256, chunks)
        new.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise MachineError(f"the record could not be kept: {error.strerror}; keep it and hand it in later") from None
    finally:
        with suppress(OSError):
            new.unlink()
    return path, size


def _write(new: Path, sha256: str, chunks: Iterable[bytes]) -> int:
    size, hashed = 0, hashlib.sha256()
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > MAX_BYTES:
                raise TooLarge(f"more than {MAX_BYTES} bytes; no record is larger")
            hashed.update(chunk)
            file.write(chunk)
        if hashed.hexdigest() != sha256:
            raise OtherBytes(
                f"{size} bytes with SHA-256 {hashed.hexdigest()[:16]}...; expected {sha256[:16]}...: hand it in again"
            )
        file.flush()
        os.fsync(fd)
    return size
