"""Run a command beside a PostgreSQL server of its own: made in a temporary folder, on 127.0.0.1 alone, thrown away afterwards.

usage: scripts/postgres.py COMMAND...   (the command finds DATABASE_URL and SCOTTIE_TEST_DATABASE)

Started by root the server runs as the user `postgres` (the Debian package makes it), else as whoever calls. Exit code: the
command's; 3 where no PostgreSQL is installed.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MISSING = "no PostgreSQL here (Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """Return the folder of initdb and postgres, the newest; None where there is none."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found.sort(key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    return found[-1] if found else Path(on_path).resolve().parent if on_path else None


class Cluster:
    """A server with one database, `scottie`, whose only user has a password that nobody else knows."""

    def __init__(self) -> None:
        where = programs()
        if where is None:
            raise SystemExit(f"postgres: {MISSING}")
        self.bin, self.home = where, Path(tempfile.mkdtemp(prefix="scottie-pg-"))
        self.data, self.word = self.home / "data", secrets.token_urlsafe(24)
        self.server: subprocess.Popen[bytes] | None = None
        self.as_whom: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.home, user.pw_uid, user.pw_gid)
            self.as_whom = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        self._make()

    @property
    def url(self) -> str:
        """What DATABASE_URL says."""
        return f"postgresql://scottie:{self.word}@127.0.0.1:{self.port}/scottie"

    def run(self, name: str, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs to its end; its output is shown when it fails."""
        env = {"PATH": os.environ["PATH"], "PGPASSWORD": self.word, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [str(self.bin / name), *args], env=env, cwd=self.home, text=True, capture_output=True, **self.as_whom, **more
        )
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr.strip()[-500:]}")
        return done

    def _make(self) -> None:
        word = self.home / "word"
        word.write_text(self.word)
        word.chmod(0o644)  # inside a folder of mode 0700 that belongs to the server's user
        self.run(
            "initdb", "-D", str(self.data), "-U", "scottie", "-A", "scram-sha-256", "--pwfile", str(word), "-E", "UTF8",
            "--locale=C.UTF-8",
        )  # fmt: skip
        word.unlink()

    def another(self, name: str) -> str:
        """Make a second, empty database; return what DATABASE_URL says for it."""
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "scottie", name)
        return self.url.removesuffix("scottie") + name

    def start(self) -> None:
        """Start, and wait until it answers; after a kill -9 this replays the write-ahead log."""
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.home}", "-c", "max_connections=60"]
        command = [str(self.bin / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
        with (self.home / "log").open("ab") as log:
            self.server = subprocess.Popen(
                command, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **self.as_whom
            )
        for _ in range(600):
            if self._answers():
                return
            if self.server.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"postgres: does not start: {(self.home / 'log').read_text()[-800:]}")

    def _answers(self) -> bool:
        env = {"PATH": os.environ["PATH"], "PGPASSWORD": self.word}
        ask = [str(self.bin / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "scottie", "-d", "postgres", "-Atc"]
        make = "SELECT count(*) FROM pg_database WHERE datname = 'scottie'"
        found = subprocess.run([*ask, make], env=env, capture_output=True, text=True)
        if found.returncode == 0 and found.stdout.strip() == "0":
            return subprocess.run([*ask, "CREATE DATABASE scottie"], env=env, capture_output=True).returncode == 0
        return found.returncode == 0

    def kill(self) -> None:
        """SIGKILL to the server and every process of its own (each leads its own group): nothing is put in order."""
        if self.server is None:
            return
        if self.server.poll() is not None:
            self.server = None
            return
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
        own = [self.server.pid, *map(int, children.read_text().split())]
        for pid in own:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.wait()
        self.server = None

    def stop(self) -> None:
        """Stop it in order and remove it from the disk."""
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)  # fast shutdown
            with suppress(subprocess.TimeoutExpired):
                self.server.wait(30)
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


def main() -> int:
    """Run the command; return its exit code."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    if programs() is None:
        print(f"postgres: {MISSING}")
        return 3
    one = Cluster()
    try:
        one.start()
        env = os.environ | {"DATABASE_URL": one.url, "SCOTTIE_TEST_DATABASE": one.url}
        return subprocess.run(sys.argv[1:], env=env, check=False).returncode
    finally:
        one.stop()


if __name__ == "__main__":
    sys.exit(main())
