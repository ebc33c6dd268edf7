"""Committee decisions and Open Badges: badge decide|issue|verify|revoke."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import AsJson, Jobs, Trusted, progress_bar, say, utc_now
from sim.errors import RecordError, UsageError

if TYPE_CHECKING:
    from scoring.cohort import Row
    from scoring.exchange.badge import Evidence

badge = typer.Typer(no_args_is_help=True, help="Decisions of a committee, and Open Badges from them.", rich_markup_mode=None)

Records = Annotated[Path, typer.Option(help="folder with the attempts; each is verified by replay")]
StandardFile = Annotated[Path | None, typer.Option(help="the standard (main.py standard set)")]
KeyFolder = Annotated[Path | None, typer.Option(help="folder of the signing key")]


@badge.command()
def decide(
    learner: Annotated[str, typer.Option(help="pseudonym")],
    battery: Annotated[Path, typer.Option(help="the assignment file")],
    records: Records,
    outcome: Annotated[str, typer.Option(help="granted, not granted or deferred")],
    by: Annotated[list[str], typer.Option(help="who decided; once per member")],
    out: Annotated[Path, typer.Option(help="file for the signed decision")],
    standard: StandardFile = None,
    reason: Annotated[str, typer.Option(help="reasons, in words")] = "",
    valid_until: Annotated[str, typer.Option(help="UTC, as 2028-01-31T12:00:00Z; left out: no end")] = "",
    key: KeyFolder = None,
    jobs: Jobs = 0,
    trusted: Trusted = None,
) -> None:
    """Sign the decision of a committee about one learner, with the records that it rests on."""
    from commands.battery import status_of
    from scoring.exchange.decision import make_decision
    from scoring.keys import load_or_create
    from scoring.standard import load_standard
    from scoring.trust.documents import digest, read_document, write_whole

    load_standard(standard)
    status = status_of(battery, records, jobs, trusted, rows=_rows(records, jobs, trusted))
    one = status.battery
    who = next((w for w in status.learners if w.learner == learner), None)
    firsts = [item.first.record_id for item in who.items if item.first] if who else []
    if not firsts:
        raise UsageError(f"learner '{learner}' has no attempt at the battery '{one.id}' in {records}")
    body = {
        "learner": learner,
        "procedure": one.procedure,
        "battery": one.id,
        "battery_sha256": one.sha256,
        "records": firsts,
        "standard_sha256": digest(read_document(standard)) if standard else "",
        "outcome": outcome,
        "reason": reason,
        "decided_by": by,
        "decided": utc_now(),
        "valid_until": valid_until,
    }
    write_whole(out, make_decision(body, load_or_create(key)))
    say(f"{out}: {outcome}, {len(firsts)} records")


def _rows(folder: Path, jobs: int, trusted: Path | None) -> list[Row]:
    from commands.evidence import read_evidence

    with progress_bar(quiet=True) as progress:
        return read_evidence([folder], True, jobs, trusted, progress).rows


@badge.command()
def issue(
    decision: Annotated[Path, typer.Option(help="a signed decision (main.py badge decide)")],
    records: Records,
    out: Annotated[Path, typer.Option(help="file for the badge, X.jwt")],
    standard: StandardFile = None,
    issuer: Annotated[str, typer.Option(help="name of the programme")] = "Scottie programme",
    revocations: Annotated[str, typer.Option(help="address where the revocation list will be published")] = "",
    key: KeyFolder = None,
    jobs: Jobs = 0,
    trusted: Trusted = None,
) -> None:
    """Issue an Open Badge 3.0 (JWT) from a decision that was granted; its evidence is verified again first."""
    from commands.verify import trust_of
    from scoring.exchange.badge import issue as issue_badge
    from scoring.exchange.decision import read_decision
    from scoring.keys import fingerprint, load_or_create, public_hex
    from scoring.trust.documents import write_whole

    made, signing = read_decision(decision), load_or_create(key)
    trust = trust_of(trusted)
    own = made.public_key == public_hex(signing)
    if not own and (trust is None or trust.keys is None or trust.doubt(fingerprint(made.public_key), made.sha256)):
        raise UsageError(
            f"{decision}: signed by {fingerprint(made.public_key)}; expected this installation's key or a trusted one"
        )
    evidence = _evidence(standard, _rows(records, jobs, trusted))
    token = issue_badge(made, evidence, signing, issuer, revocations)
    write_whole(out, token.encode() + b"\n")
    say(f"{out}: issued; verify it with the public key {public_hex(signing)}")


def _evidence(standard: Path | None, rows: list[Row]) -> Evidence:
    from scoring.exchange.badge import Evidence
    from scoring.standard import load_standard
    from scoring.trust.documents import digest, read_document

    cut = load_standard(standard)
    statuses = {row.record_id: row.status for row in rows if row.record_id}
    if cut is None or standard is None:
        return Evidence(None, False, "", statuses)
    if not cut.decided <= utc_now() < cut.expires:
        raise UsageError(f"{standard}: valid from {cut.decided} to {cut.expires}; expected a standard in force")
    low_high = f", {100 * cut.level:g} % interval {cut.interval[0]:g} to {cut.interval[1]:g}" if cut.interval else ""
    groups = ", ".join(f"{count} {name}" for name, count in cut.groups.items())
    text = (
        f"Standard for {cut.procedure} by {cut.method} ({groups}): mean {cut.scale} of at least {cut.items} first attempts "
        f"at or above {cut.cut:g}{low_high}; critical errors allowed: {cut.critical_allowed}. Set by {cut.who}, {cut.decided}."
    )
    return Evidence(digest(read_document(standard)), cut.provisional, text, statuses)


@badge.command()
def verify(
    file: Annotated[Path, typer.Argument(help="a badge, X.jwt")],
    issuer_key: Annotated[str, typer.Option(help="the issuer's public key (64 digits) or key card")],
    revocations: Annotated[Path | None, typer.Option(help="the issuer's revocation list")] = None,
    json_: AsJson = False,
) -> None:
    """Verify a badge without a network; exit 0 when it is valid, else 1 with the word."""
    from scoring.exchange.badge import read_revocations
    from scoring.exchange.badge import verify as verify_badge
    from scoring.trust.documents import read_document

    public = _public(issuer_key)
    revoked = read_revocations(read_document(revocations), str(revocations), public) if revocations else None
    verdict = verify_badge(_token(file), public, utc_now(), revoked)
    if json_:
        say(json.dumps({"status": verdict.status, "reason": verdict.reason, "credential": verdict.credential}, indent=2))
    else:
        unchecked = "" if revoked is not None or not verdict.ok else " (not compared with a revocation list)"
        say(f"{file}: {verdict.status}: {verdict.reason}{unchecked}")
    if not verdict.ok:
        raise typer.Exit(1)


@badge.command()
def revoke(
    file: Annotated[Path, typer.Argument(help="a badge, X.jwt")],
    list_: Annotated[Path, typer.Option("--list", help="the revocation list to make or extend")],
    reason: Annotated[str, typer.Option(help="why, in words")] = "",
    key: KeyFolder = None,
) -> None:
    """Take a badge back: put it on this issuer's signed revocation list."""
    from scoring.exchange.badge import read_revocations, revocation_list
    from scoring.exchange.badge import verify as verify_badge
    from scoring.keys import load_or_create, public_hex
    from scoring.trust.documents import read_document, write_whole

    signing = load_or_create(key)
    public = public_hex(signing)
    verdict = verify_badge(_token(file), public, utc_now())
    if verdict.credential is None:
        raise RecordError(f"{file}: {verdict.status}: {verdict.reason}; expected a badge that this installation issued")
    entries = read_revocations(read_document(list_), str(list_), public) if list_.exists() else {}
    entries[verdict.credential["id"]] = reason
    write_whole(list_, revocation_list(entries, utc_now(), signing))
    say(f"{list_}: {len(entries)} badges revoked")


def _token(file: Path) -> str:
    from scoring.trust.documents import read_document

    return read_document(file).decode("ascii", "replace").strip()


def _public(text: str) -> str:
    """Return a public key (hex) from itself or from a key card."""
    from scoring.trust.documents import read_document
    from scoring.trust.keyring import parse_card
    from sim.attempt import is_hex

    if is_hex(text, 32):
        return text
    if not Path(text).is_file():
        raise UsageError(f"--issuer-key {text[:80]}: expected 64 hexadecimal digits or a key card")
    return parse_card(read_document(text), text).public_key
