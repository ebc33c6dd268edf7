"""The evidence packet for a committee: everything it needs to decide about one learner, or a battery, and to check it.

The packet holds no decision and no name. All that it says follows from records, battery, root and standard, whose hashes
it names; whoever has those files can make it again and verify each record with the text of docs/RECORD.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scoring.cohort import Row
from scoring.figures import clock
from scoring.metrics import METRIC_SPEC
from scoring.record import STATUSES
from scoring.reports import validity
from scoring.reports.blocks import Block, Document, Form, Items, Photo, Section, Table, Text
from scoring.reports.cohort import reliability_section, standard_line
from scoring.reports.facts import Facts, Moment, counted, day, number, outcome, scripted
from scoring.reports.learner import band_figure
from scoring.standard import Standard
from scoring.trust.roots import Root, inclusion
from sim.errors import UsageError

Picture = Callable[[Row, int], tuple[bytes, str] | None]
"""(attempt, tick) -> PNG and caption of the last X-ray picture before that moment, None when there was none."""


@dataclass(frozen=True)
class BatteryItem:
    """One case of a battery as its assignment file fixes it."""

    number: int
    scenario: str
    version: str
    seed: int
    scenario_hash: str
    rubric_hash: str


@dataclass(frozen=True)
class BatteryFacts:
    """What a packet says of a battery. oddities: lines on what its status found (missing, repeated, out of order, ...)."""

    id: str
    title: str
    sha256: str
    created: str
    signer: str
    items: tuple[BatteryItem, ...]
    oddities: tuple[str, ...] = ()
    engine: str = ""  # version and SHA-256 over the list of its source files
    rules: str = "The first attempt at an item counts; every attempt is kept; no aids; order as listed."


@dataclass(frozen=True)
class Files:
    """The files that a packet rests on, and where its pictures come from."""

    battery: BatteryFacts | None = None
    root: Root | None = None
    standard_sha256: str = ""
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # record_id -> header
    picture: Picture | None = None
    most_pictures: int | None = None


def packet_document(facts: Facts, files: Files, learner: str = "") -> Document:
    """Return the packet of one learner, or of everybody in the cohort. UsageError for somebody who is not in it."""
    if learner and learner not in facts.cohort.learners:
        raise UsageError(f"learner '{learner}' has no attempts here; known: {', '.join(facts.cohort.learners[:20]) or 'nobody'}")
    if not facts.cohort.attempts:
        raise UsageError("there are no attempts here; expected the records of a battery")
    people = [learner] if learner else facts.cohort.learners
    rows = [row for row in facts.cohort.attempts if row.who in people or not learner]
    parts = [
        question_section(facts, people, rows),
        standard_section(facts, files),
        battery_section(files),
        scores_section(facts, people),
        critical_section(facts, files, rows),
        attempts_section(facts, rows),
        verdicts_section(facts, rows),
        root_section(files, rows, not learner),
        reliability_section(facts),
        *validity.sections(),
        software_section(files, rows),
        verify_section(files),
        form_section(people),
    ]
    who = f"learner {learner}" if learner else counted(len(people), "learner")
    title = f"Evidence packet: {who}"
    subtitle = f"{files.battery.title if files.battery else 'No battery given'}. Made {day(facts.now)} UTC. Pseudonyms only."
    return Document(title, subtitle, parts, contents=True)


def question_section(facts: Facts, people: Sequence[str], rows: Sequence[Row]) -> Section:
    """Return who the packet is about and what may be said in one line each."""
    blocks: list[Block] = [*scripted(rows), Text(standard_line(facts), "lead")]
    if len(people) == 1:
        blocks.append(Text(f"{people[0]}: {facts.words(people[0]).text}"))
    else:
        words = tuple((who, facts.words(who).text) for who in people)
        blocks.append(Table("What the standard allows to say.", ("Learner", "Words"), words, (24, 76)))
    note = "Identity: records carry pseudonyms; the programme keeps the map to names apart, and it is no part of this packet."
    blocks.append(Text(note))
    blocks.append(Text("The decision is the committee's. This packet gives evidence and its limits; it decides nothing."))
    return Section("summary", "Summary", blocks)


def standard_section(facts: Facts, files: Files) -> Section:
    """Return the standard with its provenance, or that there is none."""
    standard = facts.standard
    if standard is None:
        text = (
            "No standard has been set for this procedure. The scores may be read, nothing may be concluded from them about "
            "anybody's ability. A standard needs at least 15 novices and 15 experts of the site (main.py standard set)."
        )
        return Section("standard", "Standard", [Text("No standard set.", "lead"), Text(text)])
    rows = _standard_rows(standard, files.standard_sha256)
    blocks: list[Block] = [Table("The standard.", ("What", "Value"), rows, (30, 70))]
    if facts.phi_lambda is not None:
        blocks.append(Text(f"Dependability of the decision at the cut in this cohort, Phi(lambda): {facts.phi_lambda:.2f}."))
    return Section("standard", "Standard", blocks)


def _standard_rows(standard: Standard, sha256: str) -> tuple[tuple[str, str], ...]:
    def listed(values: Mapping[str, Any], form: str = "{}") -> str:
        return ", ".join(f"{name.replace('_', ' ')} {form.format(value)}" for name, value in values.items()) or "not known"

    span = (
        f"{standard.interval[0]:g} to {standard.interval[1]:g} ({100 * standard.level:g} %)" if standard.interval else "not known"
    )
    return (
        ("procedure", standard.procedure),
        ("method", standard.method),
        ("cut", f"{standard.cut:g} on {standard.scale}, mean of at least {standard.items} first attempts"),
        ("interval of the cut", span),
        ("critical errors allowed", str(standard.critical_allowed)),
        ("groups", listed(standard.groups)),
        ("rates of wrong decisions", listed(standard.rates, "{:.3f}")),
        ("decision consistency", listed(standard.consistency, "{:.3f}")),
        ("SEM", "not known" if standard.sem is None else f"{standard.sem:g}"),
        ("decided by", standard.who),
        ("decided, expires", f"{standard.decided}, {standard.expires}"),
        ("state", "provisional: it judges nobody" if standard.provisional else "set"),
        ("data", f"{standard.data}: {standard.data_digest}" if standard.data_digest else standard.data or "not given"),
        ("signed by key", standard.signer or "not known"),
        ("file, SHA-256", sha256 or "not given"),
    )


def battery_section(files: Files) -> Section:
    """Return the sealed assignment: cases, order, hashes and who signed it."""
    battery = files.battery
    if battery is None:
        text = "No battery file was given: these attempts are practice, or cannot be shown to be an assessment."
        return Section("battery", "Battery", [Text(text, "bad")])
    lines = (
        ("identifier", battery.id),
        ("title", battery.title),
        ("file, SHA-256", battery.sha256),
        ("made", battery.created),
        ("signed by key", battery.signer),
        ("engine and its source", battery.engine or "not given"),
        ("rules", battery.rules),
    )
    items = tuple(
        (str(i.number), i.scenario, i.version, str(i.seed), i.scenario_hash[:16], i.rubric_hash[:16]) for i in battery.items
    )
    header = ("Item", "Scenario", "Version", "Seed", "Scenario hash", "Rubric hash")
    blocks: list[Block] = [
        Table("The assignment.", ("What", "Value"), lines, (25, 75)),
        Table("Items in their order (hashes shortened to 16 digits).", header, items, (8, 28, 10, 14, 20, 20)),
    ]
    if battery.oddities:
        blocks.append(Items(tuple(("Look at this", text) for text in battery.oddities), "bad"))
    return Section("battery", "Battery", blocks)


def scores_section(facts: Facts, people: Sequence[str]) -> Section:
    """Return scores of first attempts with the error of measurement."""
    rows, bands = [], []
    for who in people:
        first, scores = facts.first(who), facts.scores(who)
        sem = facts.sem(len(scores))
        mean = sum(scores) / len(scores) if scores else None
        if scores:
            bands.append((who, scores))
        rows.append(
            (
                who,
                str(len(first)),
                str(sum(bool(r.passed) for r in first)),
                str(sum(r.passed is None for r in first)),
                str(sum(len(r.critical_errors) for r in first)),
                number(mean),
                "unknown" if sem is None else f"{sem:.1f}",
                _band(mean, sem, facts.top),
            )
        )
    header = ("Learner", "First attempts", "Passed", "Interrupted", "Critical errors", "Mean", "SEM", "Mean ± 1.96 SEM")
    caption = f"First attempts alone. Score: {facts.scale_name}. Passed: by the rule of the rubric."
    blocks: list[Block] = [Table(caption, header, tuple(rows), (23, 10, 8, 12, 10, 8, 10, 19))]
    if bands and len(bands) <= 40:
        blocks.append(band_figure(facts, bands, "packet-band"))
    return Section("scores", "Scores and their error", blocks)


def _band(mean: float | None, sem: float | None, top: float) -> str:
    """Return the mean within its error of measurement, cut off at the ends of the scale."""
    if mean is None or sem is None:
        return "-"
    return f"{max(mean - 1.96 * sem, 0.0):.1f} to {min(mean + 1.96 * sem, top):.1f}"


def critical_section(facts: Facts, files: Files, rows: Sequence[Row]) -> Section:
    """Return every critical error with its moment, its reason and the picture that was on the monitor."""
    found = [(row, moment) for row in rows if row.counts for moment in _moments(facts, row)]
    if not found:
        return Section("critical", "Critical errors", [Text("None in any attempt.", "good")])
    lines = tuple(
        (row.who, row.item if row.battery_item is not None else row.scenario, day(row.started), m.error, clock(m.tick), m.why)
        for row, m in found
    )
    header = ("Learner", "Item", "Attempt of (UTC)", "Critical error", "At (min:s)", "What happened")
    blocks: list[Block] = [Table(f"{counted(len(found), 'critical error')}.", header, lines, (22, 15, 12, 16, 8, 27))]
    if files.picture is not None:
        blocks.append(Text("The last X-ray picture before each moment, drawn again from the record."))
        shown = found[: files.most_pictures]
        for row, moment in shown:
            blocks += _photo(files.picture, row, moment)
        if len(found) > len(shown):
            left = counted(len(found) - len(shown), "further moment")
            blocks.append(Text(f"The pictures of {left} are left out of this copy of the packet."))
    return Section("critical", "Critical errors", blocks)


def _moments(facts: Facts, row: Row) -> list[Moment]:
    known = {moment.error: moment for moment in facts.moments.get(row.record_id, ())}
    return [known.get(error, Moment(error, -1, "see the record")) for error in row.critical_errors]


def _photo(picture: Picture, row: Row, moment: Moment) -> list[Block]:
    title = f"{row.who}, {row.item if row.battery_item is not None else row.scenario}: {moment.error} at {clock(moment.tick)}"
    shown = picture(row, moment.tick) if moment.tick >= 0 else None
    if shown is None:
        return [Text(f"{title}. No X-ray picture had been taken before this moment.")]
    png, caption = shown
    return [Photo(png, f"{title}. {caption}", f"Simulated X-ray picture at the moment of {moment.error}: {caption}")]


def attempts_section(facts: Facts, rows: Sequence[Row]) -> Section:
    """Return every attempt: first and repeated, finished and interrupted."""
    firsts = {id(row) for row in facts.firsts}
    lines = tuple(
        (
            row.who or "unknown",
            str(row.battery_item or "-"),
            row.scenario or "-",
            str(row.seed),
            day(row.started),
            "first" if id(row) in firsts else "later" if row.counts else "-",
            outcome(row),
            number(row.value(facts.scale)) if row.counts else "-",
            row.record_id[:16] or "-",
        )
        for row in rows
    )
    bad = tuple(n for n, row in enumerate(rows) if row.passed is None or not row.counts)
    header = ("Learner", "Item", "Scenario", "Seed", "Started (UTC)", "Try", "Outcome", "Score", "Record")
    caption = "Every attempt that was found, interrupted and repeated ones included (times by the clock of the machine)."
    return Section("attempts", "All attempts", [Table(caption, header, lines, (21, 5, 19, 6, 14, 6, 10, 7, 12), bad)])


def verdicts_section(facts: Facts, rows: Sequence[Row]) -> Section:
    """Return the verdict on each record."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.status] = counts.get(row.status, 0) + 1
    summary = tuple((name, str(count), STATUSES.get(name, "")) for name, count in sorted(counts.items()))
    lines = tuple((row.record_id or "-", row.path, row.status, row.reason) for row in rows)
    bad = tuple(n for n, row in enumerate(rows) if row.status != "verified")
    blocks: list[Block] = [
        Table("Verdicts.", ("Verdict", "Records", "Meaning"), summary, (18, 12, 70)),
        Table("Verdict on each record.", ("Record", "File", "Verdict", "Reason"), lines, (36, 24, 12, 28), bad),
    ]
    if facts.cohort.duplicates:
        blocks.append(Text(f"{len(facts.cohort.duplicates)} records were found more than once; each is counted once."))
    if "sealed" in counts:
        blocks.append(Text("Records marked sealed were not replayed: main.py battery report replays each one.", "bad"))
    return Section("verdicts", "Verification of the records", blocks)


def root_section(files: Files, rows: Sequence[Row], whole: bool) -> Section:
    """Return the signed Merkle root and the inclusion proof of each record. whole: the packet is about everybody."""
    title = "Merkle root and inclusion proofs"
    root = files.root
    if root is None:
        return Section("root", title, [Text("No signed root was given: that records were left out cannot be excluded.", "bad")])
    lines = (
        ("battery", f"{root.battery}, {root.battery_sha256}"),
        ("root (RFC 6962)", root.root),
        ("records", str(len(root.leaves))),
        ("made", root.created),
        ("root before it", root.previous or "none"),
        ("signed by", root.public_key),
    )
    inside = [row for row in rows if row.record_id in root.leaves]
    outside = [row.record_id for row in rows if row.counts and row.record_id not in root.leaves]
    proofs = tuple(_proof(root, row.record_id) for row in inside)
    blocks: list[Block] = [Table("The root.", ("What", "Value"), lines, (20, 80))]
    blocks.append(
        Table("Proofs: record, place, and the hashes from leaf to root.", ("Record", "Place", "Path"), proofs, (30, 8, 62))
    )
    seen = {row.record_id for row in rows}
    gone = [leaf for leaf in root.leaves if leaf not in seen]
    if outside:
        blocks.append(Text(f"Not under this root: {counted(len(outside), 'attempt')}: {_shown(outside)}.", "bad"))
    if gone and whole:
        blocks.append(Text(f"Missing here: {counted(len(gone), 'record')} of the root: {_shown(gone)}.", "bad"))
    elif gone:
        blocks.append(Text(f"{len(gone)} further records of the root are those of other learners, or missing here."))
    return Section("root", title, blocks)


def _shown(records: Sequence[str]) -> str:
    """Return the first of many record ids, shortened."""
    return ", ".join(record[:16] for record in records[:12]) + (" and others" if len(records) > 12 else "")


def _proof(root: Root, record: str) -> tuple[str, str, str]:
    proof = inclusion(root, record)
    return (record, f"{proof['index'] + 1} of {proof['size']}", " ".join(proof["path"]) or "the root itself")


def software_section(files: Files, rows: Sequence[Row]) -> Section:
    """Return the versions and hashes under which the attempts were recorded."""
    names = ("engine", "python", "numpy", "numba", "machine", "tools_hash", "rubric_hash", "scenario_hash")
    found: dict[str, dict[str, int]] = {name: {} for name in names}
    for row in rows:
        header = files.headers.get(row.record_id, {"engine": row.engine})
        for name in names:
            value = str(header.get(name, ""))
            if value:
                found[name][value] = found[name].get(value, 0) + 1
    lines = [
        (name.replace("_", " "), value, str(count)) for name, values in found.items() for value, count in sorted(values.items())
    ]
    lines.append(("metrics (here)", METRIC_SPEC, "-"))
    table = Table("What the records were made with.", ("What", "Version or hash", "Records"), tuple(lines), (20, 66, 14))
    blocks: list[Block] = [table]
    engines = found["engine"]
    if len(engines) > 1:
        blocks.append(Text(f"The records come from {len(engines)} versions of the engine.", "bad"))
    return Section("software", "Software and data", blocks)


def verify_section(files: Files) -> Section:
    """Return how somebody else checks all this."""
    rows = (
        (
            "Each record",
            "main.py verify DIR: chain, signature, replay of every event, score. Chain and signature can be checked without "
            "any part of Scottie: docs/RECORD.md holds a checker of 30 lines.",
        ),
        (
            "The order and completeness",
            "Hash the records in their order as RFC 6962 says; the root above must come out, and its signature must hold.",
        ),
        ("The battery", "SHA-256 of the battery file must be the one above; the header of every record names it."),
        ("The statistics", "main.py cohort DIR --json; formulas and sources: docs/STATISTICS.md."),
        ("This packet", "main.py battery report FILE DIR --out X.pdf makes it again from the same files."),
    )
    text = "A signature shows which key signed, not who held the needle: compare it with the keys of the examination machines."
    return Section("check", "How to verify it yourself", [Items(rows), Text(text)])


def form_section(people: Sequence[str]) -> Section:
    """Return the form for the committee's decision."""
    who = f"For {people[0]}" if len(people) == 1 else "One form for each learner"
    note = "A decision is signed as a file too (docs/EVIDENCE.md); only from that file is a badge issued."
    lines = (
        "Learner",
        "Decision",
        "Reasons",
        "Conditions, valid until",
        "Members present",
        "Date and place",
        "Signature of the chair",
        "Signature",
    )
    return Section("decision", "Decision of the committee", [Text(f"{who}. {note}"), Form(lines)])
