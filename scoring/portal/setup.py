"""What the settings are made of: the data folder, the database it names, the keys of the server. No Django here."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sim.errors import MachineError, UsageError

SECRETS = "secret_key"


def portal_folder() -> Path:
    """Return the data folder that SCOTTIE_PORTAL names; made (mode 0700) if it is not there."""
    named = os.environ.get("SCOTTIE_PORTAL", "")
    if not named:
        raise UsageError("SCOTTIE_PORTAL is not set; expected the portal's data folder (main.py portal sets it)")
    folder = Path(named)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"{folder}: {error.strerror}; expected the portal's data folder") from None
    return folder


def public_address() -> str:
    """Return the address under which people reach the portal, without a slash at its end."""
    return os.environ.get("SCOTTIE_PORTAL_URL", "http://127.0.0.1:8765").rstrip("/")


def secret_keys(folder: Path) -> list[str]:
    """Return the keys that sign sessions and links, newest first; one is made when there is none."""
    path = folder / SECRETS
    try:
        if not path.exists():
            add_secret(folder)
        keys = path.read_text(encoding="ascii").split()
    except OSError as error:
        raise MachineError(f"{path}: {error.strerror}; expected the keys of the portal's sessions") from None
    if not keys or min(map(len, keys)) < 40:
        raise UsageError(f"{path}: expected one key of at least 40 characters per line")
    return keys


def add_secret(folder: Path, keep: int = 1) -> None:
    """Put a new key before the old ones, of which `keep` stay valid: a rotation logs nobody out until the next."""
    path = folder / SECRETS
    old = path.read_text(encoding="ascii").split()[:keep] if path.exists() else []
    new = path.with_name(f"{SECRETS}.{secrets.token_hex(4)}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write("\n".join([secrets.token_urlsafe(48), *old]) + "\n")
        file.flush()
        os.fsync(fd)
    new.replace(path)


def database(folder: Path, url: str) -> dict[str, Any]:
    """Return Django's description of the database: SQLite (WAL) in the folder, or what postgresql://... names."""
    if not url:
        start = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
        options = {"init_command": start, "transaction_mode": "IMMEDIATE", "timeout": 20}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "portal.sqlite3"), "OPTIONS": options}
    parts = urlsplit(url)
    more = dict(parse_qsl(parts.query))
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise UsageError("DATABASE_URL: expected postgresql://USER:PASSWORD@HOST:PORT/NAME, options of libpq after '?'")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": more.pop("host", unquote(parts.hostname or "")),
        "PORT": str(parts.port or ""),
        "OPTIONS": more,  # sslmode=verify-full, sslrootcert=..., connect_timeout=...
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,  # a database that was started again is asked again, not believed to be there
    }
