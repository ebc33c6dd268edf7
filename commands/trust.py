"""Keys and pseudonyms: key make|show|export|list|trust|rotate|revoke, learner add|list|erase."""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.common import AsJson, say, utc_now
from scoring.keys import fingerprint, key_folder
from scoring.trust.keyring import Keyring, parse_card
from sim.errors import UsageError

key = typer.Typer(no_args_is_help=True, help="The key that seals, and the keys of others.", rich_markup_mode=None)
learner = typer.Typer(no_args_is_help=True, help="Pseudonyms: the name map of a programme.", rich_markup_mode=None)

Folder = Annotated[Path | None, typer.Option("--keys", help="key folder (the user's own unless given)")]
MapFile = Annotated[Path | None, typer.Option("--map", help="the name map (people.json in the key folder unless given)")]
Protect = Annotated[bool, typer.Option("--passphrase", help="protect the private key (SCOTTIE_KEY_PASSPHRASE, or asked for)")]


def _new_passphrase(wanted: bool) -> str:
    if not wanted:
        return ""
    given = os.environ.get("SCOTTIE_KEY_PASSPHRASE")
    if given is None and sys.stdin.isatty():
        given = getpass.getpass("new passphrase: ")
        if given != getpass.getpass("once more: "):
            raise UsageError("the two passphrases differ; nothing was made")
    if not given:
        raise UsageError("--passphrase: expected it in SCOTTIE_KEY_PASSPHRASE, or a terminal to ask at")
    return given


@key.command()
def make(
    name: Annotated[str, typer.Option(help="what the key is called, e.g. 'examination room 2'")] = "",
    keys: Folder = None,
    passphrase: Protect = False,
) -> None:
    """Make the key of this installation."""
    card = Keyring(keys).make(name, utc_now(), _new_passphrase(passphrase))
    say(f"made key {card.fingerprint}{_called(card.name)} in {Keyring(keys).folder}")


def _called(name: str) -> str:
    return f" '{name}'" if name else ""


@key.command()
def show(keys: Folder = None, json_: AsJson = False) -> None:
    """Show the key that seals now."""
    ring = Keyring(keys)
    card = ring.card(utc_now())
    told: dict[str, Any] = {
        "fingerprint": card.fingerprint,
        "public_key": card.public_key,
        "name": card.name,
        "created": card.created,
        "replaces": fingerprint(card.replaces) if card.replaces else None,
        "folder": str(ring.folder),
    }
    say(json.dumps(told) if json_ else "\n".join(f"{name:<12} {value if value else '-'}" for name, value in told.items()))


@key.command()
def export(
    out: Annotated[Path, typer.Option(help="file for the card: public, to be given to verifiers")], keys: Folder = None
) -> None:
    """Write the card of this key: public half, name, and the key before it."""
    from scoring.trust.documents import write_whole

    write_whole(out, Keyring(keys).card(utc_now()).data)
    say(str(out))


@key.command("list")
def list_keys(keys: Folder = None, json_: AsJson = False) -> None:
    """List own, retired and trusted keys, and which are revoked."""
    from scoring.trust.trustlist import load_trust

    ring = Keyring(keys)
    trust = load_trust(ring.trust_folder) if ring.trust_folder.is_dir() else None
    rows: list[dict[str, Any]] = []
    if ring.key_path.exists():
        card = ring.card(utc_now())
        rows.append({"fingerprint": card.fingerprint, "name": card.name, "kind": "own"})
    retired = sorted((ring.folder / "retired").glob("*.pem"))
    rows += [{"fingerprint": path.stem, "name": "", "kind": "retired"} for path in retired]
    rows += [{"fingerprint": k, "name": n, "kind": "trusted"} for k, n in (trust.keys or {}).items()] if trust else []
    for row in rows:
        row["revoked"] = trust.revoked.get(row["fingerprint"], ("",))[0] or None if trust else None
    if json_:
        say(json.dumps(rows))
        return
    for row in rows:
        revoked = f"  revoked since {row['revoked']}" if row["revoked"] else ""
        say(f"{row['fingerprint']}  {row['kind']:<8} {row['name']}{revoked}")
    if not rows:
        say(f"no keys in {ring.folder}; main.py key make makes one")


@key.command()
def trust(
    file: Annotated[Path, typer.Argument(help="a key card, a revocation or a signed root")],
    keys: Folder = None,
    admin: Annotated[bool, typer.Option("--admin", help="this key may revoke others")] = False,
) -> None:
    """Take a card, a revocation or a root into the trust folder, after checking it with what is there."""
    from scoring.trust.documents import digest, read_document, write_whole
    from scoring.trust.trustlist import load_trust

    ring = Keyring(keys)
    data = read_document(file)
    load_trust(file) if b'"format":"scottie-revocation"' not in data else None
    is_card = b'"format":"scottie-key"' in data
    if admin and not is_card:
        raise UsageError(f"--admin: {file} is no key card")
    name = parse_card(data, str(file)).fingerprint if is_card else digest(data)[:16]
    path = ring.trust_folder / f"{name}.json"
    known = path.exists()
    write_whole(path, data)
    try:
        if admin:
            write_whole(ring.trust_folder / f"{name}.txt", f"{name} admin\n".encode())
        load_trust(ring.trust_folder)
    except Exception:
        if not known:
            path.unlink(missing_ok=True)
        raise
    say(f"{name}: {'trusted' if is_card else 'taken'}{' as admin' if admin else ''}")


@key.command()
def rotate(keys: Folder = None, passphrase: Protect = False) -> None:
    """Put a new key in the place of the present one, which signs the change. Export the new card afterwards."""
    old, new = Keyring(keys).rotate(utc_now(), _new_passphrase(passphrase))
    say(f"{new.fingerprint} takes the place of {old.fingerprint}; give verifiers the new card (main.py key export)")


@key.command()
def revoke(
    name: Annotated[str, typer.Argument(help="fingerprint or public key")],
    reason: Annotated[str, typer.Option(help="why, in a few words")],
    out: Annotated[Path, typer.Option(help="file for the revocation, to be given to verifiers")],
    since: Annotated[str, typer.Option(help="UTC, as 2026-01-31T12:00:00Z; now unless given")] = "",
    keys: Folder = None,
) -> None:
    """Say that a key must not be believed any more; signed by that key, or by this one as an admin."""
    from scoring.trust.documents import check_time, digest, write_whole

    ring, now = Keyring(keys), utc_now()
    try:
        check_time(since or now, "--since")
    except ValueError as error:
        raise UsageError(str(error)) from None
    public = ring.public_of(name)
    data = ring.revoke(public, since or now, reason, now)
    write_whole(out, data)
    write_whole(ring.trust_folder / f"{digest(data)[:16]}.json", data)
    say(f"{fingerprint(public)} is revoked since {since or now}: {out}")


def _names(path: Path | None) -> Any:
    from scoring.trust.people import NameMap

    return NameMap(path or key_folder() / "people.json")


@learner.command()
def add(
    learner_id: Annotated[str, typer.Argument(help="the id that the programme uses for this person")],
    name: Annotated[str, typer.Option(help="the person's name, kept in the map only")] = "",
    map_: MapFile = None,
) -> None:
    """Print the pseudonym of a learner; made on the first time. Only the map knows who it is."""
    say(_names(map_).add(learner_id, name).pseudonym)


@learner.command("list")
def list_learners(map_: MapFile = None, json_: AsJson = False) -> None:
    """List pseudonyms with ids and names."""
    people = _names(map_).people
    if json_:
        say(json.dumps([{"pseudonym": p.pseudonym, "id": p.id, "name": p.name} for p in people]))
        return
    for person in people:
        say(f"{person.pseudonym}  {person.id}  {person.name}")


@learner.command()
def erase(who: Annotated[str, typer.Argument(help="pseudonym or id")], map_: MapFile = None) -> None:
    """Remove a learner's id, name and salt for good. The records stay and verify; nobody can say whose they are."""
    person = _names(map_).erase(who)
    say(f"{person.pseudonym} is erased from the map; backups of the map have to be erased as well")
