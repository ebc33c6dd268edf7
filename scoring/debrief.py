"""The debrief as plain blocks, from top to bottom; scoring.reports turns them into HTML or PDF.

Verdict in words, critical errors, what went well, the two things to change, then detail. Where no standard
has been set the page says so, and it never calls anyone able or unable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from scoring.figures import clock
from scoring.keys import fingerprint
from scoring.metrics import METRIC_SPEC, REGISTRY
from scoring.reports.blocks import Block, Items, Section, Table, Text
from scoring.rubric import Rubric
from scoring.score import Finding, Score
from sim.command import Command
from sim.event import Event

Image = tuple[str, bytes, int]
"""Caption, PNG, tick."""


class TranscriptLike(Protocol):
    """What a report needs of a record (sim.attempt.Transcript has it)."""

    @property
    def header(self) -> dict[str, Any]:
        """The header of the record."""

    @property
    def commands(self) -> Sequence[tuple[int, Command]]:
        """Commands with their ticks."""

    @property
    def events(self) -> Sequence[Event]:
        """Events in order."""

    @property
    def result(self) -> dict[str, Any] | None:
        """The recorded score."""


def verdict_section(transcript: TranscriptLike, score: Score, rubric: Rubric, verdict: str | None) -> Section:
    """Return the verdict in words."""
    outcome = "passed" if score.passed else "not passed"
    number = len(score.critical_errors)
    errors = "no critical error" if not number else f"{number} critical error{'s' if number > 1 else ''}"
    reached, possible = score.points()
    mode = str(transcript.header.get("mode", "practice"))
    blocks: list[Block] = [
        Text(
            f"No standard set. By the rule of this rubric the attempt is {outcome}: {errors}, "
            f"{reached} of {possible} checklist points.",
            "lead",
        ),
        Text(f"Rule: {rubric.passing.title}"),
        Items(tuple(("Met" if f.done else "Not met", f.why) for f in score.passing)),
        Text(f"Mode: {mode}. A pass is a result in this simulator and no statement about work on patients."),
    ]
    if verdict is not None:
        blocks.append(Text(f"The record: {verdict}."))
    if not score.finished:
        blocks.append(Text("The attempt was not finished; it is shown as far as it went.", "bad"))
    return Section("verdict", "Verdict", blocks)


def critical_section(score: Score, rubric: Rubric) -> Section:
    """Return the critical errors with moment and reason."""
    rules = {item.id: item for item in rubric.critical}
    happened = sorted((f for f in score.critical if f.done), key=lambda f: f.tick)
    if not happened:
        names = ", ".join(item.title[0].lower() + item.title[1:] for item in rubric.critical)
        words = f"None. Looked for: {names}." if names else "None: a drill has no critical errors, for nobody is treated."
        return Section("critical", "Critical errors", [Text(words, "good")])
    rows = tuple((f"{f.title} ({f.id}), at {clock(f.tick)}", _because(f.why, rules[f.id].why)) for f in happened)
    proposed = [f.id for f in happened if rules[f.id].status == "proposed"]
    note = f"Proposed, not yet confirmed by a clinical board: {', '.join(proposed)}." if proposed else ""
    return Section("critical", "Critical errors", [Items(rows, "bad"), *([Text(note)] if note else [])])


def _because(fact: str, rule: str) -> str:
    """Return what happened and why it counts, first letter in upper case."""
    text = fact if fact == rule else f"{fact} Why it counts: {rule[0].lower()}{rule[1:]}"
    return text[0].upper() + text[1:]


def good_section(score: Score) -> Section:
    """Return what went well: the weightiest steps that were done."""
    done = sorted((f for f in score.checklist if f.done and f.applicable), key=lambda f: -f.points)
    rows = tuple((f"{f.title}, at {clock(f.tick)}" if f.tick >= 0 else f.title, f.why) for f in done[:5])
    empty = Text("Nothing of the checklist was done yet. Start with the chart, the consent and the time-out.")
    return Section("good", "What went well", [Items(rows, "good") if rows else empty])


def change_section(score: Score, rubric: Rubric) -> Section:
    """Return the two things to change: critical errors first, then the weightiest steps left out, then costs."""
    rows = _changes(score, rubric)[:2]
    nothing = Text("Nothing stands out. Repeat with another patient, and try to need fewer exposures.", "good")
    title = "The two things to change" if len(rows) != 1 else "The thing to change"
    return Section("change", title, [Items(tuple(rows), ordered=True) if rows else nothing])


def _changes(score: Score, rubric: Rubric) -> list[tuple[str, str]]:
    advice = {item.id: item.advice for item in rubric.critical} | {item.id: item.advice for item in rubric.checklist}
    errors = [(f.title, advice[f.id]) for f in sorted(score.critical, key=lambda f: f.tick) if f.done]
    missed = sorted((f for f in score.checklist if not f.done), key=lambda f: -f.points)
    steps = [(f.title, f"{advice[f.id]} ({f.why})" if f.why else advice[f.id]) for f in missed]
    costs = [
        (c.title, f"{c.shown:g} {unit_name(c.unit)} is above the published norm; look for the pictures that changed nothing.")
        for c in score.efficiency
        if c.against == "above"
    ]
    return errors + steps + costs


def checklist_section(score: Score) -> Section:
    """Return the checklist with moments and reasons."""
    rows = tuple(
        (f.title, _done(f), clock(f.tick), f.why, _points(f), "" if f.verified else "unverified number: practice only")
        for f in score.checklist
    )
    reached, possible = score.points()
    sure, sure_possible = score.points(verified_only=True)
    bad = tuple(i for i, f in enumerate(score.checklist) if not f.done)
    caption = f"{reached} of {possible} points; {sure} of {sure_possible} without the steps that rest on unverified numbers."
    header = ("Step", "Done", "At (min:s)", "Why", "Points", "Basis")
    return Section("checklist", "Checklist", [Table(caption, header, rows, (22, 9, 9, 36, 8, 16), bad)])


def _done(finding: Finding) -> str:
    if not finding.applicable:
        return "did not arise"
    return "yes" if finding.done else "NO"


def _points(finding: Finding) -> str:
    return f"{finding.points if finding.done else 0} of {finding.points}" if finding.applicable else "-"


def efficiency_section(score: Score, rubric: Rubric) -> Section:
    """Return the costs beside their norms."""
    rows = []
    for cost, item in zip(score.efficiency, rubric.efficiency, strict=True):
        norm = item.norm
        source = "" if norm is None else f"{norm.source} ({norm.status}). {norm.note}".strip()
        reported = "no norm yet" if norm is None else norm.reported
        against = "no norm" if norm is None else f"{cost.against} it"
        rows.append((cost.title, f"{cost.shown:.4g} {unit_name(cost.unit)}".strip(), reported, against, source))
    caption = "Costs beside published norms. They fail nobody; norms of the own site should replace them."
    header = ("Cost", "This attempt", "Norm", "Beside it", "Source")
    return Section("efficiency", "Efficiency", [Table(caption, header, tuple(rows), (20, 14, 22, 11, 33))])


def unit_name(unit: str) -> str:
    """Return a unit as people write it."""
    return {"cGy.cm2": "cGy cm2", "count": "", "permille": "per mille"}.get(unit, unit)


def dose_section(events: Sequence[Event], score: Score) -> Section:
    """Return the dose by kind of exposure."""
    rows = []
    for mode in ("shot", "live", "dsa"):
        of = [fact for fact in events if fact.kind == "exposed" and fact["mode"] == mode]
        rows.append((mode, *_sums(of)))
    rows.append(("all", *_sums([fact for fact in events if fact.kind == "exposed"])))
    shut = score.measures["collimated_permille"].why or "No exposures."
    return Section(
        "dose",
        "Dose",
        [
            Table(
                "Exposures of the attempt (simulated; a real machine's reading may be off by 35 percent).",
                ("Kind", "Number", "Pulses", "Seconds", "DAP (cGy cm2)", "Air kerma (mGy)"),
                tuple(rows),
                (16, 14, 14, 16, 20, 20),
            ),
            Table(
                "The same by projection.",
                ("Projection", "Number", "Pulses", "Seconds", "DAP (cGy cm2)", "Air kerma (mGy)"),
                tuple((view.replace("_", " "), *_sums(of)) for view, of in _by_view(events).items()),
                (16, 14, 14, 16, 20, 20),
            ),
            Text(shut),
        ],
    )


def _by_view(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Return the exposures of each projection, in the order of their first one."""
    out: dict[str, list[Event]] = {}
    for fact in events:
        if fact.kind == "exposed":
            out.setdefault(str(fact["view"]), []).append(fact)
    return out


def _sums(exposures: Sequence[Event]) -> tuple[str, ...]:
    def total(name: str) -> int:
        return sum(fact[name] for fact in exposures)

    return (
        str(len(exposures)),
        str(total("pulses")),
        f"{total('duration_ms') / 1000:.1f}",
        f"{total('dap_pgy_m2') / 1e6:.2f}",
        f"{total('air_kerma_ngy') / 1e6:.3f}",
    )


def thresholds_section(rubric: Rubric) -> Section:
    """Return every number that the rubric compares with, its source and whether it was verified."""
    rows = tuple(
        (
            name.replace("_", " "),
            f"{t.value:g} {unit_name(t.unit)}".strip(),
            "verified" if t.verified else f"NOT verified ({t.status})",
            f"{t.source}. {t.note}".strip() if t.note else t.source,
        )
        for name, t in rubric.thresholds.items()
    )
    bad = tuple(i for i, t in enumerate(rubric.thresholds.values()) if not t.verified)
    caption = "Numbers of the rubric. Those not verified (placeholders are engineering values) can gate no assessment."
    table = Table(caption, ("Threshold", "Value", "Status", "Source"), rows, (18, 12, 22, 48), bad)
    proposed = [item.id for item in rubric.critical if item.status == "proposed"]
    unread = [item.id for item in rubric.critical if not item.verified]
    blocks: list[Block] = [table]
    if proposed:
        blocks.append(Text(f"Critical errors still proposed, for a clinical board to confirm: {', '.join(proposed)}."))
    if unread:
        blocks.append(Text(f"Critical errors whose source was not read: {', '.join(unread)}."))
    return Section("thresholds", "Thresholds and sources", blocks)


def record_section(transcript: TranscriptLike, score: Score, rubric: Rubric, verdict: str | None) -> Section:
    """Return what identifies the attempt and the rules it was scored by."""
    seal: dict[str, Any] = getattr(transcript, "seal", None) or {}
    own = score.record()
    rows = [(name.replace("_", " "), str(value)) for name, value in sorted(transcript.header.items())]
    rows += [
        ("verification", verdict or "not verified in this report"),
        ("chain root", str(seal.get("root", "not sealed"))),
        ("key fingerprint", fingerprint(str(seal["public_key"])) if "public_key" in seal else "not sealed"),
        ("public key", str(seal.get("public_key", "not sealed"))),
        ("rubric", f"{rubric.rubric.id} version {rubric.rubric.version} ({rubric.rubric.status}), {rubric.hash}"),
        ("metrics", f"{METRIC_SPEC} ({len(REGISTRY)} definitions, docs/SCORING.md)"),
        ("score hash", str(own["score_hash"])),
    ]
    blocks: list[Block] = [Table("Record data.", ("What", "Value"), tuple(rows), (25, 75))]
    if transcript.result and transcript.result.get("score_hash") != own["score_hash"]:
        blocks.append(Text("The score in the record is another one than the score shown here.", "bad"))
    if transcript.header.get("rubric_hash", rubric.hash) != rubric.hash:
        blocks.append(Text("The record was made under another version of the rubric.", "bad"))
    return Section("record", "Record", blocks)


def limits_section(rubric: Rubric, patient: str = "") -> Section:
    """Return the limits of validity. patient: what of an imported patient is modelled."""
    lines = (*rubric.rubric.limits, *([patient] if patient else []))
    return Section("limits", "Limits of validity", [Items(tuple(("", text) for text in lines))])
