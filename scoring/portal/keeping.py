"""Backup, restore, and whether what lies on the disk is what the database says."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

from django.conf import settings

from scoring.portal.blobs import blob_path
from sim.errors import MachineError, UsageError

DATABASE, DUMP = "portal.sqlite3", "portal.pg_dump"


def back_up(home: Path, out: Path) -> str:
    """Copy database, records and keys into the new folder `out`; return what was copied.

    The database first: a record that is handed in meanwhile is then only a file too many, never one that is missing.
    """
    if out.exists():
        raise UsageError(f"{out}: is there already; expected the name of a new folder")
    part = out.with_name(out.name + ".part")
    try:
        part.mkdir(mode=0o700, parents=True)
        sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
        if sqlite:
            _copy_database(home / DATABASE, part / DATABASE)
        else:
            _postgresql("pg_dump", "--format=custom", "--no-owner", f"--file={part / DUMP}")
            (part / DUMP).chmod(0o600)
        files = _copy_files(home, part)
        part.rename(out)
    except OSError as error:
        raise MachineError(f"{part}: {error.strerror}; the backup is not whole") from None
    return f"database, {files} files"


def _postgresql(program: str, *args: str) -> None:
    """Run pg_dump or pg_restore on the database of the settings; MachineError with its last line when it fails."""
    base = settings.DATABASES["default"]
    if "sqlite" in base["ENGINE"]:
        raise UsageError("this backup holds a PostgreSQL database; expected DATABASE_URL to name an empty one")
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: float(path.parts[-3]))
    found = newest[-1] if newest else shutil.which(program)
    if found is None:
        raise MachineError(f"{program} is not here; expected PostgreSQL's client programs (Debian: postgresql-client)")
    named = {"PGHOST": base["HOST"], "PGPORT": base["PORT"], "PGUSER": base["USER"], "PGPASSWORD": base["PASSWORD"]}
    env = os.environ | {name: value for name, value in named.items() if value} | {"PGDATABASE": base["NAME"]}
    env |= {f"PG{name.upper()}": value for name, value in base["OPTIONS"].items() if name.startswith("ssl")}
    done = subprocess.run([str(found), *args], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"{program}: {(done.stderr.strip().splitlines() or ['failed'])[-1][:300]}")


def _copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database that is in use (SQLite's online backup)."""
    with sqlite3.connect(source) as one, sqlite3.connect(target) as two:
        one.backup(two)
    two.close()
    one.close()
    target.chmod(0o600)


def _copy_files(home: Path, part: Path) -> int:
    count = 0
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        if path.is_symlink() or not path.is_file() or path.suffix == ".part" or name.name.startswith(DATABASE):
            continue
        (part / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(path, part / name)
        count += 1
    return count


def bring_back(source: Path, folder: Path) -> None:
    """Copy a backup to the new data folder `folder`."""
    if folder.exists():
        raise UsageError(f"{folder}: is there already; expected the name of a new folder")
    if not (source / "secret_key").is_file():
        raise UsageError(f"{source}: no backup of a portal; expected a folder that `portal backup` made")
    try:
        shutil.copytree(source, folder)
        os.chmod(folder, 0o700)  # noqa: PTH101 - one call
    except OSError as error:
        raise MachineError(f"{folder}: {error.strerror}; the restored folder is not whole") from None


def bring_database_back(folder: Path) -> None:
    """Fill the empty PostgreSQL database that DATABASE_URL names, where the backup holds one; its copy is then removed."""
    if (folder / DUMP).is_file():
        _postgresql(
            "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={settings.DATABASES['default']['NAME']}", str(folder / DUMP)
        )
        (folder / DUMP).unlink()


def wrong_records(home: Path) -> list[str]:
    """Return a line per record of the database that is missing on the disk, or is another than its name says."""
    from scoring.portal.models import Attempt

    wrong = []
    for sha256 in Attempt.objects.order_by("pk").values_list("sha256", flat=True).distinct().iterator():
        path = blob_path(home, sha256)
        if not path.is_file():
            wrong.append(f"record {sha256[:16]}: its file is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            wrong.append(f"record {sha256[:16]}: its file was changed")
    return wrong
