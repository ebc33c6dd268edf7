"""The programme's portal: portal, portal worker|send|backup|restore|check|rotate (docs/PORTAL.md)."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.common import say, utc_now
from sim.errors import MachineError, UsageError

portal = typer.Typer(invoke_without_command=True, help="The programme's portal.", rich_markup_mode=None)

Folder = Annotated[Path | None, typer.Option(help="data folder; left out: in the user's data folder")]
ROOT = Path(__file__).resolve().parent.parent


def _start(folder: Path | None) -> Path:
    """Set Django up on a data folder and bring its tables up to date; return the folder."""
    try:
        import django
    except ImportError:
        raise MachineError("the portal needs Django; install it with: pip install 'scottie[portal]'") from None
    if folder is not None or not os.environ.get("SCOTTIE_PORTAL"):
        from platformdirs import user_data_path

        os.environ["SCOTTIE_PORTAL"] = str((folder or user_data_path("scottie") / "portal").resolve())
    os.environ["DJANGO_SETTINGS_MODULE"] = "scoring.portal.settings"
    django.setup()
    from django.conf import settings

    return Path(settings.FOLDER)


def _migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)


@portal.callback()
def serve(
    context: typer.Context,
    folder: Folder = None,
    port: Annotated[int, typer.Option(help="port on this machine")] = 8765,
    workers: Annotated[int, typer.Option(help="processes that verify what is handed in; 0: none here")] = 1,
    admin: Annotated[str, typer.Option(help="e-mail of who runs the server")] = "admin@localhost.example",
) -> None:
    """Serve the portal on this machine (127.0.0.1). Prints a link, for one use, by which who runs the server comes in."""
    if context.invoked_subcommand is not None:
        return
    if not 1 <= port <= 65535 or not 0 <= workers <= 64:
        raise UsageError(f"--port {port} --workers {workers}: expected a port from 1 to 65535 and 0 to 64 workers")
    os.environ.setdefault("SCOTTIE_PORTAL_URL", f"http://127.0.0.1:{port}")
    home = _start(folder)
    _migrate()
    if link := _admin_link(admin):
        say(f"Come in once with: {link}")
    say(f"Portal: {os.environ['SCOTTIE_PORTAL_URL']} (data in {home}); stop with Ctrl-C")
    _serve(home, port, workers)


def _admin_link(email: str) -> str:
    """Return a link for who runs the server, "" once that person has a password."""
    from django.conf import settings
    from django.urls import reverse

    from scoring.portal.models import User
    from scoring.portal.people import check_email, invite

    user = User.objects.filter(is_superuser=True).first()
    if user is None:
        user = User.objects.create_user(check_email(email, "--admin"), is_superuser=True)
    return "" if user.has_usable_password() else str(settings.ADDRESS + reverse("enter", args=[invite(user, days=1)]))


def _serve(home: Path, port: int, workers: int) -> None:
    from waitress import create_server

    from scoring.portal.wsgi import application

    try:
        server = create_server(application, host="127.0.0.1", port=port, threads=8, max_request_body_size=17 * 2**20)
    except OSError as error:
        raise MachineError(f"port {port}: {error.strerror}; expected one that is free (--port)") from None
    stop = threading.Event()
    keepers = [threading.Thread(target=_keep_worker, args=(home, stop), daemon=True) for _ in range(workers)]
    for keeper in keepers:
        keeper.start()
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        for keeper in keepers:
            keeper.join(15)


def _keep_worker(home: Path, stop: threading.Event) -> None:
    """Keep one verifying process alive until `stop`; one that dies is started again after a breath."""
    command = [sys.executable, str(ROOT / "main.py"), "portal", "worker", "--folder", str(home)]
    while not stop.is_set():
        child = subprocess.Popen(command, stdin=subprocess.PIPE)
        while child.poll() is None and not stop.wait(0.5):
            pass
        if child.poll() is None:
            child.terminate()
            child.wait(10)
        stop.wait(2)


@portal.command()
def worker(
    folder: Folder = None,
    once: Annotated[bool, typer.Option(help="end when nothing waits")] = False,
    films: Annotated[bool, typer.Option(help="make films for the replay page when nothing waits")] = True,
) -> None:
    """Verify what was handed in; as many of these as there are processors to spare."""
    home = _start(folder)
    from scoring.portal.verifying import work

    if hasattr(os, "nice"):  # not on Windows
        os.nice(10)  # a person waits for a page, nobody for a verdict of this second
    made = work(home, _parent_gone(), once, films=films)
    if once:
        say(f"{made} verdicts")


def _parent_gone() -> threading.Event:
    """Return an event that is set when the process that started this one ends: the pipe on standard input closes."""
    stop = threading.Event()

    def listen() -> None:
        sys.stdin.buffer.read()
        stop.set()

    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=listen, daemon=True).start()
    return stop


@portal.command()
def send(
    folder: Folder = None,
    every: Annotated[float, typer.Option(help="do it again every so many seconds; 0: once")] = 0.0,
) -> None:
    """Tell learning platforms (LTI) and record stores (xAPI) what is new; `connections.toml` names them."""
    home = _start(folder)
    from scoring.portal.sending import send_all

    stop, last = _parent_gone(), None
    while True:
        sent = send_all(home)
        told = f"{sent.scores} scores, {sent.statements} statements sent" + "".join(f"; {line}" for line in sent.troubles)
        if not every or told != last:
            say(told)
        last = told
        if not every or stop.wait(every):
            break
    if sent.troubles:
        raise typer.Exit(1)


@portal.command()
def backup(
    out: Annotated[Path, typer.Argument(help="folder to make: database, records and keys as of now")], folder: Folder = None
) -> None:
    """Copy everything while the portal runs (PostgreSQL by pg_dump)."""
    home = _start(folder)
    from scoring.portal.keeping import back_up

    say(f"{out}: {back_up(home, out)}")


@portal.command()
def restore(
    source: Annotated[Path, typer.Argument(help="a folder that `portal backup` made")],
    folder: Annotated[Path, typer.Option(help="new data folder; must not exist")],
) -> None:
    """Make a data folder from a backup, and check that it is whole. PostgreSQL: DATABASE_URL names an empty database."""
    from scoring.portal.keeping import bring_back, bring_database_back

    bring_back(source, folder)
    _start(folder)
    bring_database_back(folder)
    check(folder)


@portal.command()
def check(folder: Folder = None) -> None:
    """Check the audit chain, and every record against its SHA-256; exit 1 when something is wrong."""
    home = _start(folder)
    _migrate()
    from scoring.portal import audit
    from scoring.portal.keeping import wrong_records

    found = [line for line in (audit.broken(),) if line] + wrong_records(home)
    for line in found:
        say(line)
    if found:
        raise typer.Exit(1)
    say(f"{home}: the audit chain holds, every record is there and unchanged ({utc_now()})")


@portal.command()
def link(
    email: Annotated[str, typer.Argument(help="address of somebody who signs in here")],
    folder: Folder = None,
    admin: Annotated[bool, typer.Option("--admin", help="make this person who runs the server, if nobody is yet")] = False,
) -> None:
    """Print a link by which this person sets a new password, once; for who has neither password nor e-mail. It is audited."""
    _start(folder)
    from django.conf import settings
    from django.urls import reverse

    from scoring.portal import audit
    from scoring.portal.models import User
    from scoring.portal.people import check_email, invite

    user = User.objects.filter(email=email.lower()).first()
    if user is None and admin and not User.objects.filter(is_superuser=True).exists():
        user = User.objects.create_user(check_email(email, "ADDRESS"), is_superuser=True)
    if user is None:
        raise UsageError(f"{email}: nobody signs in here with this address; expected one of a programme's members")
    audit.note("link made", "server", f"user {user.pk}", "by the command line")
    say(settings.ADDRESS + reverse("enter", args=[invite(user, days=1)]))


@portal.command()
def rotate(folder: Folder = None) -> None:
    """Put a new key for sessions and links before the old one, which stays valid until the next rotation."""
    home = _start(folder)
    from scoring.portal.setup import add_secret

    add_secret(home)
    say("a new key signs from the next start on; restart the portal")


@portal.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def manage(context: typer.Context, folder: Folder = None) -> None:
    """Run a command of Django's own (migrate, check, ...)."""
    _start(folder)
    from django.core.management import execute_from_command_line

    args: list[Any] = ["manage", *context.args]
    execute_from_command_line(args)
