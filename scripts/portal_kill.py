"""SIGKILL server, worker and database at random moments while records are handed in; nothing acknowledged may be lost.

usage: scripts/portal_kill.py [TIMES] [--postgresql]   (toy records; default 20 times on SQLite)

Each round kills the server with its worker and replay, the worker alone, or (PostgreSQL) the database or all three; what was
killed is started again on the same data, what was not must find its way back. At the end: every acknowledged record is there,
whole and verified, none stands twice, none is half visible (a verdict without its row, a row without its file), `portal check`
holds, and a backup that was restored and verified anew gives the same verdicts. Exit 1 on any miss.
"""

from __future__ import annotations

import hashlib
import json
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
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

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


def family(pid: int) -> list[int]:
    """Return a process and all below it, of whatever group."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        below += [
            c for t in Path(f"/proc/{pid}/task").iterdir() if t.name != str(pid) for c in (t / "children").read_text().split()
        ]
    except OSError:
        return [pid]
    return [pid, *(one for child in below for one in family(int(child)))]


def put(port: int, data: bytes) -> bool:
    """Hand a record in; True once it is acknowledged."""
    url = f"http://127.0.0.1:{port}/api/v1/attempts/{hashlib.sha256(data).hexdigest()}"
    request = urllib.request.Request(url, data=data, method="PUT", headers={"Authorization": f"Bearer {TOKEN}"})
    with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status in (200, 201)
    return False


class Site:
    """The server (its worker below it) and, with PostgreSQL, the database."""

    def __init__(self, env: dict[str, str], port: int, base: Any) -> None:
        self.env, self.port, self.base = env, port, base
        self.server: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        """Start what is down."""
        if self.base is not None and self.base.server is None:
            self.base.start()
        if self.server is None:
            self.server = start(self.env, self.port)

    def kill(self, victims: str) -> None:
        """SIGKILL the server with all below it, the worker alone, the database, or everything."""
        if victims in ("database", "all"):
            self.base.kill()
        if self.server is not None and victims in ("server", "all"):
            for pid in family(self.server.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.server.wait()
            self.server = None
        if self.server is not None and victims == "worker":
            for pid in family(self.server.pid)[1:]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def kill_while_handing_in(
    times: int, site: Site, make: Callable[[int], bytes], luck: random.Random
) -> tuple[set[str], Counter[str]]:
    from scripts.portal_tour import wait_for

    acknowledged: set[str] = set()
    records: list[bytes] = []
    killed: Counter[str] = Counter()
    choices = ["server", "worker"] + ["database", "database", "all"] * (site.base is not None)
    for number in range(times):
        site.up()
        if luck.random() < 0.9:  # else it is killed while it starts
            wait_for(f"http://127.0.0.1:{site.port}/healthz")
        ends = time.monotonic() + luck.uniform(0.2, 4.0)
        while time.monotonic() < ends:
            if not records or luck.random() < 0.7:
                records.append(make(len(records)))  # else one that is perhaps here already
            data = records[-1] if luck.random() < 0.8 else luck.choice(records)
            if put(site.port, data):
                acknowledged.add(hashlib.sha256(data).hexdigest())
            time.sleep(luck.uniform(0.0, 0.1))
        victims = luck.choice(choices)
        site.kill(victims)
        killed[victims] += 1
        print(f"kill {number + 1} of {times} ({victims}): {len(acknowledged)} acknowledged so far", flush=True)
    site.kill("server")
    if site.base is not None and site.base.server is None:
        site.base.start()
    return acknowledged, killed


ASK = """
import json, sys, django; django.setup()
from collections import Counter
from collections.abc import Callable
from django.utils import timezone
from scoring.portal import verifying
from scoring.portal.models import Attempt, AuditEntry, Programme, Verdict
if sys.argv[1] == "free":  # the claims of killed workers run out at once
    Attempt.objects.filter(state="checking").update(claimed_until=timezone.now())
if sys.argv[1] == "again":
    [verifying.again(one) for one in Programme.objects.all()]
found = list(Attempt.objects.values_list("sha256", "status", "state", "pk"))
noted = Counter(AuditEntry.objects.filter(action="handed in").values_list("target", flat=True))
newest = dict(Verdict.objects.order_by("pk").values_list("attempt_id", "status"))
odd = lambda sha, status, state, pk: noted["attempt " + sha[:16]] != 1 or (state == "checked" and newest.get(pk) != status)
half = [one[0] for one in found if odd(*one)]
print(json.dumps({"found": [[s, status] for s, status, _, _ in found], "half": half}))
"""


def asked(env: dict[str, str], how: str) -> dict[str, Any]:
    """Return what the database says, after `how`: "free", "again" or "look"."""
    env = env | {"DJANGO_SETTINGS_MODULE": "scoring.portal.settings"}
    told = subprocess.run([sys.executable, "-c", ASK, how], env=env, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(told)
    assert len(found["found"]) == len(dict(found["found"])), "a record stands twice"
    return found


def verdicts(env: dict[str, str], how: str = "free") -> dict[str, str]:
    """Let a worker finish, and return SHA-256 -> verdict of everything that the database holds."""
    asked(env, how)
    main = [sys.executable, str(ROOT / "main.py"), "portal"]
    subprocess.run([*main, "worker", "--once"], env=env, check=True, stdin=subprocess.DEVNULL)
    subprocess.run([*main, "check"], env=env, check=True)
    found = asked(env, "look")
    assert not found["half"], f"half visible: {found['half']}"
    return dict(found["found"])


def restored(env: dict[str, str], home: Path, base: Any) -> dict[str, str]:
    """Back up, restore beside it (PostgreSQL: into a second database), and have every verdict made again."""
    copy, back = home / "backup", home / "restored"
    run = [sys.executable, str(ROOT / "main.py"), "portal"]
    subprocess.run([*run, "backup", str(copy)], env=env, check=True)
    env = env | {"SCOTTIE_PORTAL": str(back)}
    if base is not None:
        env |= {"DATABASE_URL": base.another("restored")}
    subprocess.run([*run, "restore", str(copy), "--folder", str(back)], env=env, check=True)
    return verdicts(env, "again")


def main() -> int:
    """Make the site, kill it so many times, and look at what is left."""
    from scripts.portal_tour import free_port
    from scripts.postgres import Cluster
    from tests.portal.toy import handed

    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    base = Cluster() if "--postgresql" in sys.argv else None
    times, home, port = int((words or ["20"])[0]), Path(tempfile.mkdtemp(prefix="scottie-kill-")), free_port()
    env, luck = environment(home / "site", port), random.Random(20261123)
    site = Site(env, port, base)
    try:
        if base is not None:
            base.start()
            env["DATABASE_URL"] = base.url
        who = prepare(env)
        acknowledged, killed = kill_while_handing_in(times, site, lambda n: handed(home / str(n), who, seed=n).read_bytes(), luck)
        found = verdicts(env)
        same = restored(env, home, base) == found
    finally:
        site.kill("server")
        if base is not None:
            base.stop()
    missing, wrong = acknowledged - set(found), {sha: status for sha, status in found.items() if status != "verified"}
    print(f"{times} kills ({', '.join(f'{n} {what}' for what, n in sorted(killed.items()))})")
    print(f"{len(acknowledged)} acknowledged, {len(missing)} lost; {len(found)} kept, {len(wrong)} not verified")
    print(f"the restored backup, verified anew, says {'the same' if same else 'something else'}")
    shutil.rmtree(home, ignore_errors=True)
    return int(bool(missing or wrong or not same or not acknowledged))


if __name__ == "__main__":
    sys.exit(main())
