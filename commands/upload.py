"""The desktop's side of the portal: signin, assignments, upload. Standard library only; nothing is sent but records."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import typer

from commands.common import AsJson, say, utc_now
from sim.errors import MachineError, UsageError

MAX_ANSWER = 4 * 2**20
MAX_RECORD = 16 * 2**20  # docs/RECORD.md
TIMEOUT = 60.0
FILE = "portal.json"
FORM = "%Y-%m-%dT%H:%M:%SZ"
SKEW_SECONDS = 120.0


@dataclass(frozen=True)
class Account:
    """Where this desktop is signed in."""

    url: str
    token: str
    learner: str
    programme: str


class Answered(Exception):
    """The portal answered something else than "done"."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("error_description") or body.get("error") or f"status {status}"))
        self.status, self.error = status, str(body.get("error", ""))


def account_path() -> Path:
    """Return where the account is kept: beside the signing key."""
    from scoring.keys import key_folder

    return key_folder() / FILE


def load_account() -> Account:
    """Return where this desktop is signed in; UsageError if nowhere."""
    try:
        return Account(**json.loads(account_path().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise UsageError("this desktop is not signed in to a portal; expected: main.py signin ADDRESS") from None


def call(url: str, method: str = "GET", data: bytes | None = None, token: str = "", kind: str = "") -> dict[str, Any]:
    """Return the portal's answer. Answered for a refusal; MachineError (one line) when it cannot be reached."""
    request = urllib.request.Request(url, data=data, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if kind:
        request.add_header("Content-Type", kind)
    try:
        with _OPENER.open(request, timeout=TIMEOUT) as answer:
            return _body(answer.read(MAX_ANSWER))
    except urllib.error.HTTPError as error:
        raise Answered(error.code, _body(error.read(MAX_ANSWER))) from None
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", error)
        raise MachineError(f"{url}: the portal cannot be reached ({why}); nothing is lost, try again later") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token is never carried to another address."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _body(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def check_address(url: str) -> str:
    """Return a portal's address without a slash at its end: https, or http on this machine."""
    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise UsageError(f"'{url[:80]}': expected an address that begins with https:// (http:// only on this machine)")
    return f"{parts.scheme}://{parts.netloc}"


def signin(url: Annotated[str, typer.Argument(help="address of the portal")]) -> None:
    """Sign this desktop in to a programme's portal: shows a code, which you type in the browser."""
    url = check_address(url)
    try:
        codes = call(f"{url}/api/v1/device", "POST", b"")
        say(f"Open {codes['verification_uri']} and type the code {codes['user_code']}")
        token = _wait(url, codes)
        me = call(f"{url}/api/v1/me", token=token)
        _compare_clocks(str(me["time"]))
        account = Account(url, token, str(me["learner"]), str(me["programme"]))
    except (Answered, KeyError) as error:
        raise MachineError(f"{url}: {error}") from None
    _keep(account)
    say(f"Signed in to {account.programme} as {account.learner}. Records name you so: --learner {account.learner}")


def _wait(url: str, codes: dict[str, Any]) -> str:
    ends, pause = time.monotonic() + float(codes["expires_in"]), float(codes["interval"])
    form = urlencode({"device_code": codes["device_code"]}).encode()
    while time.monotonic() < ends:
        time.sleep(pause)
        try:
            return str(call(f"{url}/api/v1/token", "POST", form, kind="application/x-www-form-urlencoded")["access_token"])
        except Answered as answer:
            if answer.error not in ("authorization_pending", "slow_down"):
                raise
            pause += 5.0 * (answer.error == "slow_down")
    raise UsageError("nobody typed the code in time; expected it within 15 minutes")


def _keep(account: Account) -> None:
    from scoring.trust.documents import write_whole

    path = account_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, json.dumps(asdict(account), indent=1).encode() + b"\n", mode=0o600)


def assignments(json_: AsJson = False) -> None:
    """List what your programme's portal asks of you."""
    account = load_account()
    try:
        found = call(f"{account.url}/api/v1/assignments", token=account.token)
    except Answered as answer:
        raise MachineError(f"{account.url}: {answer}") from None
    if json_:
        say(json.dumps(found, indent=2))
        return
    _compare_clocks(str(found.get("time", "")))
    for one in found.get("assignments", []):
        say(f"{one['title']}: {one['mode']}, due {one['due']}, {one['state']}")
        for case in one["cases"]:
            seed = "" if case["seed"] is None else f" --seed {case['seed']}"
            say(f"  {case['state']:<14} {case['scenario']}{seed} --mode {one['mode']} --learner {account.learner}")


def _compare_clocks(told: str) -> None:
    """Warn where this machine's clock is not the portal's: attempts would seem to begin outside an assignment's time."""
    try:
        apart = abs((datetime.strptime(told, FORM) - datetime.strptime(utc_now(), FORM)).total_seconds())
    except ValueError:
        return
    if apart > SKEW_SECONDS:
        say(f"The clock of this machine and that of the portal are {apart / 60:.0f} minutes apart; set it before an attempt")


def upload(
    files: Annotated[list[Path], typer.Argument(help="attempt files, and folders to search")],
    wait: Annotated[float, typer.Option(help="seconds to wait for the verdicts")] = 0.0,
) -> None:
    """Hand attempts in to your programme's portal. Doing it again does no harm; files stay where they are."""
    from commands.verifying import find

    account = load_account()
    paths = [one for one in find(files) if isinstance(one, Path) and one.suffix == ".scottie"]
    if not paths:
        raise UsageError(f"{files[0]}: no attempt in it; expected files that end in .scottie")
    sent, refused = [], 0
    for path in paths:
        try:
            sent.append((path, hand_in(account, path)))
            say(f"{path}: handed in")
        except Answered as answer:
            refused += 1
            say(f"{path}: refused: {answer}")
    _verdicts(account, sent, wait)
    if refused:
        raise typer.Exit(1)


def hand_in(account: Account, path: Path) -> str:
    """Hand one record in and return its SHA-256. On return its bytes are on the portal's disk."""
    size = path.stat().st_size
    if size > MAX_RECORD:
        raise UsageError(f"{path}: {size} bytes; expected a record of at most {MAX_RECORD}")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    call(f"{account.url}/api/v1/attempts/{digest}", "PUT", data, account.token, "application/octet-stream")
    return digest


def _verdicts(account: Account, sent: list[tuple[Path, str]], wait: float) -> None:
    ends = time.monotonic() + wait
    while sent and wait > 0:
        left = []
        for path, digest in sent:
            found = call(f"{account.url}/api/v1/attempts/{digest}", token=account.token)
            if found.get("state") == "checked":
                say(f"{path}: {found['status']}: {found['reason']}")
            else:
                left.append((path, digest))
        sent = left
        if not sent or time.monotonic() >= ends:
            break
        time.sleep(2.0)
    if sent and wait > 0:
        say(f"{len(sent)} are still waiting for their verdict")
