"""SIGKILL the portal's server and worker at random moments while records are handed in; nothing acknowledged may be lost.

usage: scripts/portal_kill.py [TIMES]   (toy records, SQLite; default 20)

After each kill the portal is started again on the same folder. At the end: every acknowledged record is there, whole and
verified, none stands twice, `portal check` holds, and a backup that was restored says the same. Exit 1 on any miss.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

TOKEN = "token-of-the-kill-test"


def environment(home: Path, port: int) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DATABASE_URL", "SCOTTIE_PORTAL"))}
    env |= {"SCOTTIE_PORTAL_DESK": "tests.portal.toy.ToyDesk", "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    return env | {"SCOTTIE_PORTAL": str(home), "SCOTTIE_PORTAL_URL": f"http://127.0.0.1:{port}"}


def prepare(env: dict[str, str]) -> str:
    """Make a programme with one fellow and a token; return the pseudonym."""
    code = f"""
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0); call_command("createcachetable", verbosity=0)
from datetime import timedelta
from django.utils import timezone
from scoring.portal.guard import digest_of
from scoring.portal.models import Membership, Programme, Token, User
from scoring.portal.people import Line, learner_of
one = Programme.objects.create(slug="kill", name="Kill")
who, _ = learner_of(one, Line("1", "Dr Ada", ""))
member = Membership.objects.create(user=User.objects.create_user("a@kill.example"), programme=one, role="fellow", learner=who)
Token.objects.create(digest=digest_of({TOKEN!r}), membership=member, expires=timezone.now() + timedelta(days=1))
print(who.pseudonym)
"""
    env = env | {"DJANGO_SETTINGS_MODULE": "scoring.portal.settings"}
    return subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout.strip()


def start(env: dict[str, str], port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "main.py"), "portal", "--port", str(port)]
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def put(port: int, data: bytes) -> bool:
    """Hand a record in; True once it is acknowledged."""
    url = f"http://127.0.0.1:{port}/api/v1/attempts/{hashlib.sha256(data).hexdigest()}"
    request = urllib.request.Request(url, data=data, method="PUT", headers={"Authorization": f"Bearer {TOKEN}"})
    with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status in (200, 201)
    return False


def kill_while_handing_in(times: int, env: dict[str, str], port: int, records: list[bytes], luck: random.Random) -> set[str]:
    from scripts.portal_tour import wait_for

    acknowledged: set[str] = set()
    for number in range(times):
        server = start(env, port)
        if luck.random() < 0.9:  # else it is killed while it starts
            wait_for(f"http://127.0.0.1:{port}/healthz")
        ends = time.monotonic() + luck.uniform(0.2, 5.0)
        while time.monotonic() < ends:
            data = luck.choice(records)
            if put(port, data):
                acknowledged.add(hashlib.sha256(data).hexdigest())
            time.sleep(luck.uniform(0.0, 0.1))
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        print(f"kill {number + 1} of {times}: {len(acknowledged)} acknowledged so far", flush=True)
    return acknowledged


def verdicts(folder: Path, env: dict[str, str]) -> dict[str, str]:
    """Let a worker finish, and return SHA-256 -> verdict of everything that the database holds."""
    import sqlite3

    with sqlite3.connect(folder / "portal.sqlite3") as base:  # claims of killed workers run out at once
        base.execute("UPDATE portal_attempt SET claimed_until = '2000-01-01 00:00:00'")
    base.close()
    env = env | {"SCOTTIE_PORTAL": str(folder)}
    subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "portal", "worker", "--once"], env=env, check=True, stdin=subprocess.DEVNULL
    )
    subprocess.run([sys.executable, str(ROOT / "main.py"), "portal", "check"], env=env, check=True)
    base = sqlite3.connect(folder / "portal.sqlite3")
    found = base.execute("SELECT sha256, status FROM portal_attempt").fetchall()
    base.close()
    assert len(found) == len(dict(found)), "a record stands twice"
    return dict(found)


def main() -> int:
    from scripts.portal_tour import free_port
    from tests.portal.toy import handed

    times, home, port = int((sys.argv[1:] or ["20"])[0]), Path(tempfile.mkdtemp(prefix="scottie-kill-")), free_port()
    luck = random.Random(20261123)
    site, copy, back = home / "site", home / "backup", home / "restored"
    env = environment(site, port)
    who = prepare(env)
    records = [handed(home / str(n), who, seed=n).read_bytes() for n in range(200)]
    acknowledged = kill_while_handing_in(times, env, port, records, luck)
    found = verdicts(site, env)
    missing = acknowledged - set(found)
    wrong = {sha: status for sha, status in found.items() if status != "verified"}
    run = [sys.executable, str(ROOT / "main.py"), "portal"]
    subprocess.run([*run, "backup", str(copy)], env=env, check=True)
    subprocess.run([*run, "restore", str(copy), "--folder", str(back)], env=env | {"SCOTTIE_PORTAL": str(back)}, check=True)
    same = verdicts(back, env) == found
    print(f"{times} kills; {len(acknowledged)} acknowledged, {len(missing)} lost; {len(found)} kept, {len(wrong)} not verified")
    print(f"the restored backup says {'the same' if same else 'something else'}")
    shutil.rmtree(home, ignore_errors=True)
    return int(bool(missing or wrong or not same or not acknowledged))


if __name__ == "__main__":
    sys.exit(main())
