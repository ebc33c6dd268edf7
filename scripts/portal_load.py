"""Load on one machine: fellows poll, look and hand in, directors watch the board; gunicorn, PostgreSQL, 2 workers.

usage: scripts/portal_load.py [--fellows 500] [--minutes 20] [--json FILE]   (toy records; needs PostgreSQL and httpx)

Each fellow's desktop polls its assignments every 30 s, the fellow opens the own page every 2 minutes and hands a record in every
10 minutes; ten directors keep the board open (it fetches itself every 15 s), two committees the review list. At the end: figures
per kind of call, memory over time, and whether every acknowledged record was verified. Exit 1 on an error, a p95 above 500 ms, or
memory that grew by more than 10 % between the first and the last quarter of the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

POLL_S, PAGE_S, UPLOAD_S, BOARD_S, REVIEW_S = 30.0, 120.0, 600.0, 15.0, 30.0
DIRECTORS, COMMITTEES, COHORT, WORKERS = 10, 2, 100, 2
LIMIT_MS, GROWTH = 500.0, 1.10
PAGES = ("own page", "board", "board table", "review", "assignments (desktop)")


@dataclass
class Person:
    """Somebody at the other end."""

    slug: str
    token: str = ""
    cookie: str = ""
    records: list[bytes] = field(default_factory=list)


@dataclass
class Book:
    """What was measured: kind -> milliseconds, errors, memory samples (seconds, MiB)."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)


def prepare(fellows: int, home: Path, per_fellow: int) -> dict[str, list[Person]]:
    """Fill the database; return everybody with tokens, sessions and records."""
    import django

    django.setup()
    from datetime import timedelta

    from django.core.management import call_command
    from django.utils import timezone

    from scoring.portal.guard import digest_of
    from scoring.portal.models import Assignment, Cohort, Membership, Programme, Token, User
    from scoring.portal.people import Line, learner_of
    from tests.portal.toy import SCENARIO

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    now, one = timezone.now(), Programme.objects.create(slug="load", name="Load")
    people: dict[str, list[Person]] = {"fellow": [], "director": [], "committee": []}
    for number in range(fellows):
        if number % COHORT == 0:
            cohort = Cohort.objects.create(programme=one, name=f"cohort {number // COHORT}")
            for title, mode in (("Practice", "practice"), ("Assessment", "assessment")):
                Assignment.objects.create(
                    programme=one, title=title, cohort=cohort, mode=mode, scenarios=[SCENARIO], opens=now - timedelta(days=400),
                    due=now + timedelta(days=30),
                )  # fmt: skip
        who, _ = learner_of(one, Line(f"id-{number}", f"Dr {number}", ""))
        cohort.learners.add(who)
        user = User.objects.create(email=f"f{number}@load.example", password="!")
        member = Membership.objects.create(user=user, programme=one, role="fellow", learner=who)
        Token.objects.create(digest=digest_of(f"t{number}"), membership=member, expires=now + timedelta(days=1))
        sealed = [
            toy(home / "made", who.pseudonym, number, seed, now.strftime("%Y-%m-%dT%H:%M:%SZ")) for seed in range(per_fellow)
        ]
        people["fellow"].append(Person(who.pseudonym, f"t{number}", session(user), sealed))
    for role, count in (("director", DIRECTORS), ("committee", COMMITTEES)):
        for number in range(count):
            user = User.objects.create(email=f"{role}{number}@load.example", password="!")
            Membership.objects.create(user=user, programme=one, role=role)
            people[role].append(Person("", "", session(user)))
    return people


def toy(folder: Path, who: str, number: int, seed: int, started: str) -> bytes:
    """Return a sealed toy record of this learner; every fifth is clumsy."""
    from tests.portal.toy import handed

    shutil.rmtree(folder, ignore_errors=True)
    clumsy, mode = (number + seed) % 5 == 0, ("practice", "assessment")[seed % 2]
    return handed(folder, who, seed=seed, clumsy=clumsy, mode=mode, started=started).read_bytes()


def session(user: Any) -> str:
    """Return the cookie of somebody who is signed in (hashing 500 passwords would measure the hashing)."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    one = SessionStore()
    one.update(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
    one.save()
    return f"{settings.SESSION_COOKIE_NAME}={one.session_key}"


class Load:
    """All the people, over one pool of connections."""

    def __init__(self, client: Any, book: Book, ends: float) -> None:
        self.client, self.book, self.ends = client, book, ends

    async def call(self, kind: str, method: str, url: str, **more: Any) -> Any:
        """Ask, and write down how long it took."""
        import httpx

        begun = time.perf_counter()
        try:
            answer = await self.client.request(method, url, **more)
        except httpx.HTTPError as error:
            self.wrong(f"{kind}: {type(error).__name__} {error} after {time.perf_counter() - begun:.1f} s")
            return None
        self.book.times[kind].append((time.perf_counter() - begun) * 1000)
        if answer.status_code not in (200, 201):
            self.wrong(f"{kind}: {answer.status_code} {answer.text[:120]}")
        return answer

    def wrong(self, line: str) -> None:
        """Write an error down, and say it at once."""
        self.book.errors.append(line)
        print(line, flush=True)

    async def often(self, every: float, what: Callable[[], Awaitable[object]]) -> None:
        """Do something about every so many seconds until the end, from a random moment on."""
        await asyncio.sleep(min(random.uniform(0, every), max(0.0, self.ends - time.monotonic())))
        while time.monotonic() < self.ends:
            begun = time.monotonic()
            await what()
            pause = every * random.uniform(0.8, 1.2) - (time.monotonic() - begun)
            await asyncio.sleep(max(0.0, min(pause, self.ends - time.monotonic())))

    async def fellow(self, who: Person) -> None:
        """Poll, look, hand in."""
        bearer, cookie = {"Authorization": f"Bearer {who.token}"}, {"Cookie": who.cookie}

        async def hand_in() -> None:
            if who.records:
                data = who.records.pop()
                sha = hashlib.sha256(data).hexdigest()
                answer = await self.call("hand in", "PUT", f"/api/v1/attempts/{sha}", content=data, headers=bearer)
                if answer is not None and answer.status_code == 201:
                    self.book.acknowledged.add(sha)

        async def poll() -> None:
            await self.call("assignments (desktop)", "GET", "/api/v1/assignments", headers=bearer)

        async def look() -> None:
            await self.call("own page", "GET", f"/p/load/learners/{who.slug}/", headers=cookie)

        await asyncio.gather(self.often(POLL_S, poll), self.often(PAGE_S, look), self.often(UPLOAD_S, hand_in))

    async def watch(self, who: Person, kind: str, url: str, every: float) -> None:
        """Keep a page open that fetches itself."""

        async def look() -> None:
            await self.call(kind, "GET", url, headers={"Cookie": who.cookie})

        await self.often(every, look)


async def run(people: dict[str, list[Person]], base: str, minutes: float, book: Book, roots: dict[str, list[int]]) -> None:
    import httpx

    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=20.0)
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=30) as client:
        load = Load(client, book, time.monotonic() + minutes * 60)
        work = [load.fellow(who) for who in people["fellow"]]
        for who in people["director"]:
            work.append(load.watch(who, "board table", "/p/load/board/table", BOARD_S))
            work.append(load.watch(who, "board", "/p/load/board", 4 * BOARD_S))
        work += [load.watch(who, "review", "/p/load/review", REVIEW_S) for who in people["committee"]]
        await asyncio.gather(memory(book, roots, load.ends), *work)


async def memory(book: Book, roots: dict[str, list[int]], ends: float) -> None:
    """Every ten seconds: resident memory of each service with its children."""
    begun = time.monotonic()
    while time.monotonic() < ends:
        used = {name: sum(map(mib_of, pids)) for name, pids in roots.items()}
        book.memory.append((time.monotonic() - begun, used))
        total = sum(map(len, book.times.values()))
        if len(book.memory) % 6 == 0:
            print(f"{(time.monotonic() - begun) / 60:.1f} min: {total} calls, {len(book.errors)} errors, {used}", flush=True)
        await asyncio.sleep(10)


def mib_of(pid: int) -> float:
    """Return the proportional set size of a process and its children, MiB (shared pages count once)."""
    from scripts.portal_kill import family

    found = 0.0
    for one in family(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found += next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
    return round(found, 1)


def centile(values: list[float], part: float) -> float:
    """Return the value below which this part of the values lies."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def finish(env: dict[str, str], book: Book, seconds: float = 300.0) -> dict[str, str]:
    """Wait until the workers have verified what was handed in; return SHA-256 -> verdict."""
    from django.db import connections

    from scoring.portal.models import Attempt

    ends = time.monotonic() + seconds
    while Attempt.objects.exclude(state=Attempt.CHECKED).exists() and time.monotonic() < ends:
        time.sleep(1)
    found = dict(Attempt.objects.values_list("sha256", "status"))
    connections.close_all()
    return found


def told(book: Book, found: dict[str, str], minutes: float, fellows: int) -> dict[str, Any]:
    """Return what was found, as JSON."""
    calls = {
        kind: {
            "count": len(values),
            "p50_ms": round(statistics.median(values)),
            "p95_ms": round(centile(values, 0.95)),
            "p99_ms": round(centile(values, 0.99)),
            "max_ms": round(max(values)),
        }
        for kind, values in sorted(book.times.items())
    }
    return {
        "fellows": fellows,
        "minutes": minutes,
        "calls": calls,
        "errors": len(book.errors),
        "first_errors": book.errors[:5],
        "acknowledged": len(book.acknowledged),
        "lost": len(book.acknowledged - set(found)),
        "not_verified": sum(status != "verified" for status in found.values()),
        "memory_mib": {name: growth(book, name) for name in (book.memory[0][1] if book.memory else {})},
        "load_average": os.getloadavg(),
        "cores": os.cpu_count(),
    }


def growth(book: Book, name: str) -> dict[str, float]:
    """Return the median memory of a service in the third quarter of the run and in the last one, and its peak."""
    values = [used[name] for _, used in book.memory]
    quarter = max(1, len(values) // 4)
    third, last = statistics.median(values[2 * quarter : 3 * quarter] or values), statistics.median(values[-quarter:])
    return {"third_quarter": round(third, 1), "last_quarter": round(last, 1), "peak": max(values)}


def wrong(result: dict[str, Any]) -> list[str]:
    """Return what is not as it should be."""
    slow = [f"{kind}: p95 {c['p95_ms']} ms" for kind, c in result["calls"].items() if kind in PAGES and c["p95_ms"] > LIMIT_MS]
    grew = [
        f"{name}: memory grows: {m}"
        for name, m in result["memory_mib"].items()
        if m["last_quarter"] > GROWTH * m["third_quarter"]
    ]
    bad = [f"{name}: {result[name]}" for name in ("errors", "lost", "not_verified") if result[name]]
    return slow + grew + bad


def main() -> int:
    """Start everything, load it, stop everything."""
    from scripts.portal_tour import free_port, wait_for
    from scripts.postgres import Cluster

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--fellows", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--gunicorn", type=int, default=3, help="its processes")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    home, port, base = Path(tempfile.mkdtemp(prefix="scottie-load-")), free_port(), Cluster()
    running: list[subprocess.Popen[bytes]] = []
    try:
        base.start()
        os.environ |= {"DATABASE_URL": base.url, "SCOTTIE_PORTAL": str(home / "site"), "PYTHONPATH": str(ROOT)}
        os.environ |= {"DJANGO_SETTINGS_MODULE": "scoring.portal.settings", "SCOTTIE_PORTAL_DESK": "tests.portal.toy.ToyDesk"}
        os.environ |= {"SCOTTIE_PORTAL_URL": f"http://127.0.0.1:{port}", "PYTHONUNBUFFERED": "1"}
        people = prepare(args.fellows, home, int(args.minutes * 60 / UPLOAD_S) + 1)
        from django.db import connections

        connections.close_all()
        serve = [
            "-m",
            "gunicorn",
            "--workers",
            str(args.gunicorn),
            "--threads",
            "4",
            "--preload",
            "--keep-alive",
            "75",
            "--bind",
            f"127.0.0.1:{port}",
        ]
        commands = [[*serve, "--log-level", "warning", "scoring.portal.wsgi"]]
        commands += [[str(ROOT / "main.py"), "portal", "worker"]] * WORKERS
        running = [
            subprocess.Popen([sys.executable, *c], stdin=subprocess.DEVNULL, cwd=ROOT, start_new_session=True) for c in commands
        ]
        wait_for(f"http://127.0.0.1:{port}/healthz")
        assert base.server is not None
        roots = {"gunicorn": [running[0].pid], "workers": [p.pid for p in running[1:]], "postgres": [base.server.pid]}
        book = Book()
        asyncio.run(run(people, f"http://127.0.0.1:{port}", args.minutes, book, roots))
        result = told(book, finish(dict(os.environ), book), args.minutes, args.fellows)
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)
        for process in running:
            process.wait()
        base.stop()
        shutil.rmtree(home, ignore_errors=True)
    text = json.dumps(result, indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n")
    for line in wrong(result):
        print(f"wrong: {line}")
    return int(bool(wrong(result)))


if __name__ == "__main__":
    sys.exit(main())
