"""The signing key of this installation: made on first use, in the user's config folder, for its owner only.

A key file may be encrypted; its passphrase comes from SCOTTIE_KEY_PASSPHRASE or is asked for at the terminal.
Cards, rotation and revocation are in scoring.trust.keyring.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

import platformdirs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from sim.errors import MachineError

FILE_NAME = "signing_key.pem"
PASSPHRASE = "SCOTTIE_KEY_PASSPHRASE"


def key_folder() -> Path:
    """Return the folder that holds the key unless the caller names another: SCOTTIE_KEYS, or the user's config folder."""
    return Path(os.environ.get("SCOTTIE_KEYS") or platformdirs.user_config_dir("scottie"))


def load_or_create(folder: str | Path | None = None) -> Ed25519PrivateKey:
    """Return this installation's key; on first use make it (mode 0600). MachineError if that cannot be done."""
    path = Path(folder or key_folder()) / FILE_NAME
    try:
        if not path.exists():
            _create(path)
    except OSError as error:
        raise MachineError(f"{path}: cannot make or read the signing key: {error.strerror}") from None
    return load(path)


def load(path: str | Path) -> Ed25519PrivateKey:
    """Return the private key in a PEM file (mode 0600, put right if it is not). MachineError, one line, if there is none."""
    path = Path(path)
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        pem = path.read_bytes()
    except FileNotFoundError:
        raise MachineError(f"{path}: there is no signing key; make one with: main.py key make") from None
    except OSError as error:
        raise MachineError(f"{path}: cannot make or read the signing key: {error.strerror}") from None
    encrypted = b"ENCRYPTED" in pem[:200]
    try:
        key = load_pem_private_key(pem, password=_passphrase(path) if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        wrong = "the passphrase is wrong, or this is " if encrypted else ""
        raise MachineError(f"{path}: {wrong}not an Ed25519 private key (PEM); move it away and a new one is made on the next run")
    return key


def _passphrase(path: Path) -> bytes:
    """Return the passphrase from the environment, else from the terminal."""
    given = os.environ.get(PASSPHRASE)
    if given is None and sys.stdin is not None and sys.stdin.isatty():
        given = getpass.getpass(f"passphrase of {path}: ")
    if not given:
        raise MachineError(f"{path}: the key is encrypted; expected its passphrase in {PASSPHRASE} or at a terminal")
    return given.encode()


def _create(path: Path) -> None:
    """Make a new key, without a passphrase."""
    write_private(path, Ed25519PrivateKey.generate())


def write_private(path: Path, key: Ed25519PrivateKey, passphrase: str = "") -> None:
    """Write a private key beside `path` and move it there, whole or not at all; the first of two programs wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
    new = path.with_name(f"{FILE_NAME}.{secrets.token_hex(6)}.new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(fd)
        _move(new, path)
    finally:
        new.unlink(missing_ok=True)


def _move(new: Path, path: Path) -> None:
    with suppress(FileExistsError):
        try:
            os.link(new, path)
        except FileExistsError:
            raise
        except OSError:
            new.rename(path)  # a file system without links


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the public half as 64 hexadecimal digits, as a seal carries it."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def fingerprint(key: Ed25519PrivateKey | Ed25519PublicKey | str) -> str:
    """Return the short name of a key (32 hexadecimal digits) from the key or from its public half in hex."""
    if isinstance(key, Ed25519PrivateKey):
        key = public_hex(key)
    elif isinstance(key, Ed25519PublicKey):
        key = key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    return hashlib.sha256(bytes.fromhex(key)).hexdigest()[:32]
