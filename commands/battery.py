"""Sealed batteries: make|show|status|root|prove|report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import AsJson, Jobs, Trusted, check_seed, say, utc_now, writable_folder, write_file
from commands.seat import check_item, item_of, source_hash
from sim.errors import RecordError, UsageError

if TYPE_CHECKING:
    from scoring.battery import Battery, BatteryStatus, Item
    from scoring.cohort import Row
    from scoring.trust.sitting import Sitting

battery = typer.Typer(no_args_is_help=True, help="Sealed batteries for assessment.", rich_markup_mode=None)

FileOf = Annotated[Path, typer.Argument(help="the assignment file")]
Records = Annotated[Path, typer.Argument(help="folder with the attempts and sitting logs")]


@battery.command()
def make(
    out: Annotated[Path, typer.Option(help="the assignment file; keep it until the sitting: it holds the seeds")],
    id_: Annotated[str, typer.Option("--id", help="name of the battery, e.g. tfesi-2026-spring")],
    seed: Annotated[list[int], typer.Option(help="one per item, in order")],
    scenario: Annotated[list[str] | None, typer.Option(help="one per item, in order; or one for all seeds")] = None,
    set_: Annotated[str, typer.Option("--set", help="instead: the cases of an assessment set (main.py list --sets)")] = "",
    title: Annotated[str, typer.Option(help="title for people")] = "",
    learner: Annotated[list[str] | None, typer.Option(help="pseudonyms; left out: open to all")] = None,
    opens: Annotated[str, typer.Option(help="UTC, as 2026-01-31T12:00:00Z")] = "",
    closes: Annotated[str, typer.Option(help="UTC, as 2026-01-31T12:00:00Z")] = "",
) -> None:
    """Make and sign an assignment: scenarios, patients and their order."""
    from scenarios.registry import find_scenario
    from scoring.battery import GOOD_ITEMS, make_battery
    from scoring.keys import load_or_create
    from scoring.trust.documents import write_whole
    from sim.attempt import ENGINE_VERSION

    scenario = _cases(scenario, set_)
    names = scenario * len(seed) if len(scenario) == 1 else scenario
    if len(names) != len(seed):
        raise UsageError(f"{len(scenario)} scenarios and {len(seed)} seeds; expected one seed per scenario, in order")
    found = {name: find_scenario(name) for name in dict.fromkeys(names)}
    procedures = sorted({_assessable(one) for one in found.values()})
    if len(procedures) > 1:
        raise UsageError(
            f"scenarios of several procedures ({', '.join(procedures)}); expected one: a standard is set per procedure"
        )
    items = [item_of(found[name], check_seed(number)) for name, number in zip(names, seed, strict=True)]
    data = make_battery(
        id_,
        title or id_,
        procedures[0],
        items,
        engine=ENGINE_VERSION,
        source=source_hash(),
        created=utc_now(),
        key=load_or_create(),
        learners=learner or (),
        opens=opens,
        closes=closes,
    )
    write_whole(out, data, mode=0o600)
    say(f"{out}: {len(items)} items, in this order")
    if len(items) < GOOD_ITEMS:
        say(f"note: {len(items)} items give a reliability of about .80 or more; {GOOD_ITEMS} are recommended (.90)")


def _cases(scenario: list[str] | None, set_: str) -> list[str]:
    """Return the cases that were asked for, one by one or as an assessment set."""
    from scenarios.sets import find_set

    if bool(scenario) == bool(set_):
        raise UsageError("battery make: expected either --scenario (once or once per item) or --set")
    if not set_:
        return list(scenario or ())
    chosen = find_set(set_)
    if chosen.kind != "assessment":
        raise UsageError(f"--set {set_}: is a practice set; expected an assessment set (main.py list --sets)")
    return list(chosen.cases)


def _assessable(scenario: Any) -> str:
    """Return the procedure of a scenario that may be assessed; UsageError for a retired one or an unverified rubric."""
    from commands.joints import check_assessable

    if scenario.file.retired:
        raise UsageError(f"{scenario.id} is retired: {scenario.file.retired_reason}; expected another scenario")
    check_assessable(scenario)
    return str(scenario.file.procedure)


@battery.command()
def show(file: FileOf, json_: AsJson = False) -> None:
    """Show an assignment, and whether this installation can run it."""
    from scoring.battery import read_battery

    one = read_battery(file)
    rows = [
        {"item": i, "scenario": item.scenario, "seed": item.seed, "problem": _problem(one, i, item)}
        for i, item in enumerate(one.items, 1)
    ]
    if json_:
        told = {"id": one.id, "title": one.title, "procedure": one.procedure, "signer": one.signer, "sha256": one.sha256}
        say(json.dumps(told | {"opens": one.opens, "closes": one.closes, "learners": list(one.learners), "items": rows}))
        return
    say(f"{one.id}: {one.title} ({one.procedure}); made {one.created}, signed by {one.signer}")
    say(f"open {one.opens or 'at once'} to {one.closes or 'no end'}; {len(one.learners) or 'all'} learners; first attempts count")
    for row in rows:
        say(f"  {row['item']:>3}  {row['scenario']:<32} seed {row['seed']}  {row['problem']}".rstrip())


def _problem(one: Battery, number: int, item: Item) -> str:
    from sim.errors import ScottieError

    try:
        check_item(one, number, item)
    except ScottieError as error:
        return str(error)
    return ""


def gather(folder: Path, jobs: int, trusted: Path | None) -> list[Row]:
    """Return the rows of all attempts below a folder after verifying everything."""
    from commands.verify import counted_bar, trust_of
    from commands.verifying import check_jobs, find, verdicts
    from scoring.cohort import row_of

    if not folder.is_dir():
        raise UsageError(f"{folder}: expected a folder with attempts")
    paths = list(find([folder]))
    with counted_bar(len(paths)) as (step, _):
        rows = []
        for verdict in verdicts(paths, min(check_jobs(jobs), max(1, len(paths))), trust_of(trusted)):
            step(verdict.status)
            rows.append(row_of(verdict))
    return rows


def _logs(folder: Path) -> tuple[list[Sitting], list[tuple[str, str, str]]]:
    from scoring.trust.sitting import SUFFIX, read_sitting

    logs, refused = [], []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            logs.append(read_sitting(path))
        except RecordError as error:
            refused.append((str(path), "altered", str(error)))
    return logs, refused


def status_of(
    file: Path, folder: Path, jobs: int, trusted: Path | None, root: Path | None = None, rows: list[Row] | None = None
) -> BatteryStatus:
    """Return the status of a battery after verifying every attempt in `folder` (not again where `rows` are given).

    UsageError for an untrusted assignment.
    """
    from commands.verify import trust_of
    from scoring.battery import against_root, battery_status, read_battery

    one = read_battery(file)
    trust = trust_of(trusted)
    if trust is not None and (doubt := trust.doubt(one.signer, one.sha256)):
        raise UsageError(f"{file}: {doubt}; expected an assignment signed by a trusted key")
    rows = gather(folder, jobs, trusted) if rows is None else rows
    logs, refused = _logs(folder)
    status = battery_status(one, rows, logs)
    status.refused += refused
    if root is not None:
        status.notes += against_root(status, _root(root))
    return status


def _root(path: Path) -> Any:
    from scoring.trust.documents import read_document
    from scoring.trust.roots import parse_root

    return parse_root(read_document(path), str(path))


@battery.command()
def status(
    file: FileOf,
    folder: Records,
    json_: AsJson = False,
    jobs: Jobs = 0,
    trusted: Trusted = None,
    root: Annotated[Path | None, typer.Option(help="a signed root: every record in it must be here")] = None,
) -> None:
    """Verify all attempts at a battery and say per learner and item what was done; exit 1 when anything is odd."""
    one = status_of(file, folder, jobs, trusted, root)
    if json_:
        say(json.dumps(one.as_dict()))
    else:
        _say_status(one)
    if not one.ok:
        raise typer.Exit(1)


def _say_status(one: BatteryStatus) -> None:
    for who in one.learners:
        done = sum(item.state == "done" for item in who.items)
        say(f"{who.learner}: {done} of {len(who.items)} done{', complete' if who.complete else ''}")
        for item in who.items:
            if item.state not in ("done", "missing") or item.notes:
                say(f"  item {item.item}: {item.state}{': ' + '; '.join(item.notes) if item.notes else ''}")
        for note in who.notes:
            say(f"  {note}")
    for name, verdict, why in one.refused:
        say(f"refused: {name}: {verdict}: {why}")
    for note in one.notes:
        say(note)


@battery.command("root")
def root_(
    file: FileOf,
    folder: Records,
    out: Annotated[Path, typer.Option(help="file for the signed root")],
    previous: Annotated[Path | None, typer.Option(help="the root before: this one must only add to it")] = None,
    jobs: Jobs = 0,
    trusted: Trusted = None,
) -> None:
    """Verify all attempts at a battery and sign the Merkle root over them."""
    from scoring.battery import battery_root
    from scoring.keys import load_or_create
    from scoring.trust.documents import write_whole
    from scoring.trust.roots import parse_root

    one = status_of(file, folder, jobs, trusted)
    data = battery_root(one, utc_now(), load_or_create(), _root(previous) if previous else None)
    write_whole(out, data)
    made = parse_root(data, str(out))
    say(f"{out}: {len(made.leaves)} records, root {made.root}")


@battery.command()
def prove(
    root: Annotated[Path, typer.Argument(help="a signed root")],
    record: Annotated[Path | None, typer.Argument(help="an attempt that the root holds")] = None,
    earlier: Annotated[Path | None, typer.Option(help="an earlier root: prove that records were only added")] = None,
) -> None:
    """Print the proof, as JSON, that a root holds a record, or that it only adds to an earlier root."""
    from scoring.trust.roots import consistency, inclusion
    from sim.attempt import read_raw

    if (record is None) == (earlier is None):
        raise UsageError("expected either a record or --earlier ROOT")
    one = _root(root)
    proof = inclusion(one, read_raw(record).root) if record is not None else consistency(_root(earlier), one)  # type: ignore[arg-type]
    say(json.dumps(proof, indent=2))


@battery.command()
def report(
    file: FileOf,
    folder: Records,
    out: Annotated[Path, typer.Option(help="X.html or X.pdf: the evidence packet; a folder: packet, status and root")],
    learner: Annotated[str, typer.Option(help="pseudonym; left out: everybody")] = "",
    standard: Annotated[Path | None, typer.Option(help="a standard (main.py standard set); none: no standard set")] = None,
    root: Annotated[Path | None, typer.Option(help="a signed root (battery root); left out: one is signed now")] = None,
    pictures: Annotated[bool, typer.Option(help="draw the picture at each critical error")] = True,
    jobs: Jobs = 0,
    trusted: Trusted = None,
) -> None:
    """Write the evidence packet for a committee; every attempt is verified by replay first."""
    from commands.common import progress_bar
    from commands.evidence import KINDS, Pictures, document_bytes, read_evidence
    from commands.report import packet
    from scoring.battery import battery_root
    from scoring.keys import load_or_create
    from scoring.trust.documents import write_whole
    from scoring.trust.roots import parse_root

    if out.suffix not in (*KINDS, ""):
        raise UsageError(f"--out {out}: unknown kind '{out.suffix}'; expected .html, .pdf or a folder")
    if not folder.is_dir():
        raise UsageError(f"{folder}: expected a folder with attempts")
    with progress_bar(quiet=True) as progress:
        evidence = read_evidence([folder], True, jobs, trusted, progress)
        one = status_of(file, folder, jobs, trusted, root, evidence.rows)
        signed = battery_root(one, utc_now(), load_or_create()) if root is None else b""
        head = parse_root(signed, "the root") if root is None else _root(root)
        made = packet(one, evidence, learner, standard, head, Pictures(progress) if pictures else None)
    if out.suffix:
        write_file(out, document_bytes(made, out.suffix))
        say(str(out))
        return
    folder_out = writable_folder(out)
    if signed:
        write_whole(folder_out / "root.json", signed)
    write_file(folder_out / "status.json", json.dumps(one.as_dict(), indent=2) + "\n")
    for kind in KINDS:
        write_file(folder_out / f"packet{kind}", document_bytes(made, kind))
    for path in sorted(folder_out.iterdir()):
        say(str(path))
