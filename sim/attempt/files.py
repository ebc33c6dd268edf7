"""Small file habits of the record: never overwrite, never wait for ever, one writer at a time."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from sim.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be renamed there, which guards it as well
    fcntl = None  # type: ignore[assignment]


def lock(fd: int, path: Path) -> None:
    """Mark the open file as being written; UsageError if another program is writing it."""
    if fcntl is None:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"{path}: another attempt is being recorded here; expected a folder of its own (--out)") from None
    except OSError:
        return  # a file system without locks


def set_aside(path: Path) -> Path | None:
    """Rename an existing `name.ext` to the next free `name-N.ext` and return that; None if there was none."""
    if not os.path.lexists(path):
        return None
    if path.is_file():
        fd = os.open(path, os.O_RDONLY)
        try:
            lock(fd, path)
        finally:
            os.close(fd)
    number = 1
    while os.path.lexists(new := path.with_name(f"{path.stem}-{number}{path.suffix}")):
        number += 1
    path.rename(new)
    return new


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes; ValueError with a reason otherwise."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("not a regular file")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise ValueError(f"larger than {limit} bytes, the most an attempt can have")
    return data


def sync_folder(folder: Path) -> None:
    """Bring a rename in `folder` to the disk, where the system can."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
