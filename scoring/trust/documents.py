r"""Signed documents: key cards, revocations, batteries and Merkle roots are all written the same way.

One object of canonical JSON (RFC 8785, whole numbers) and one LF. `format` and `version` say what it is; `public_key`
is the signer; `signature` is Ed25519 over "FORMAT/VERSION\n" and the canonical bytes without `signature`
(docs/RECORD.md). Reading raises RecordError with one line, whatever the file holds.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from scoring.keys import public_hex
from sim.attempt import canonical, is_hex, one_line, parse_document, read_bounded, sync_folder
from sim.errors import MachineError, RecordError

MAX_DOCUMENT = 8 * 2**20
VERSION = 1

Document = dict[str, Any]


def sign(format_: str, body: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """Return the signed document `body` of this format, ready to be written."""
    whole = {**body, "format": format_, "version": VERSION, "public_key": public_hex(key)}
    signature = key.sign(_prefix(format_) + canonical(whole)).hex()
    return canonical({**whole, "signature": signature}) + b"\n"


def _prefix(format_: str) -> bytes:
    return f"{format_}/{VERSION}\n".encode()


def signature_holds(public_key: str, signature: str, message: bytes) -> bool:
    """Tell whether an Ed25519 signature (hex) by this key (hex) is over `message`."""
    if not (is_hex(public_key, 32) and is_hex(signature, 64)):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def parse_signed(data: bytes, format_: str, fields: Mapping[str, type], name: str) -> Document:
    """Return the document in `data` after checking form, fields and signature; RecordError (one line) otherwise."""
    try:
        value = parse_document(data)
        check_fields(value, format_, fields)
    except ValueError as error:
        raise RecordError(f"{one_line(name)}: {error}; expected a {format_} file") from None
    signature = value.pop("signature")
    if not signature_holds(value["public_key"], signature, _prefix(format_) + canonical(value)):
        raise RecordError(f"{one_line(name)}: its signature does not fit: it was changed after it was signed")
    return value


def check_fields(value: Document, format_: str, fields: Mapping[str, type]) -> None:
    """Raise ValueError unless this is a document of that format with exactly these fields."""
    if value.get("format") != format_:
        raise ValueError(f"is {_what(value)}")
    if value.get("version") != VERSION:
        raise ValueError(f"is of version {one_line(str(value.get('version')), 20)}; this program reads version {VERSION}")
    wanted = {**fields, "format": str, "version": int, "public_key": str, "signature": str}
    if value.keys() != wanted.keys():
        odd = sorted(value.keys() ^ wanted.keys())[0]
        raise ValueError(f"{'lacks' if odd in wanted else 'has an unknown'} field '{one_line(odd, 40)}'")
    for field, kind in wanted.items():
        if type(value[field]) is not kind:
            raise ValueError(f"field '{field}' is not of type {kind.__name__}")


def _what(value: Document) -> str:
    return f"a {one_line(value['format'], 40)} file" if type(value.get("format")) is str else "another kind of file"


def read_document(path: str | Path) -> bytes:
    """Return the bytes of a document; RecordError (one line) when it cannot be read or is too large."""
    try:
        return read_bounded(Path(path), MAX_DOCUMENT)
    except ValueError as error:
        raise RecordError(f"{one_line(str(path))}: {error}") from None


def digest(data: bytes) -> str:
    """Return the SHA-256 (hex) by which other documents name this one."""
    return hashlib.sha256(data).hexdigest()


def check_time(text: str, what: str) -> str:
    """Return a UTC time as 2026-01-31T12:00:00Z; ValueError otherwise."""
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise ValueError(f"{what} is '{one_line(text, 40)}'; expected a UTC time as 2026-01-31T12:00:00Z") from None
    return text


def write_whole(path: str | Path, data: bytes, mode: int = 0o644, new: bool = False) -> None:
    """Write a file whole or not at all, on the disk before this returns. MachineError says why not.

    `new`: refuse to replace a file that is there.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if new:
            _link(part, path)
        else:
            part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise MachineError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink()


def _link(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(17, "File exists", str(path)) from None
        part.replace(path)
