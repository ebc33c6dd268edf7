"""The report of an attempt, from its record alone: one accessible HTML file, or the same content as PDF."""

from __future__ import annotations

from collections.abc import Sequence

from scoring import debrief
from scoring.debrief import Image, TranscriptLike
from scoring.figures import STEPS, clock, time_line, tip_drawing
from scoring.reports.blocks import Block, Document, Figure, Photo, Section, Table, Text
from scoring.reports.html import html_text
from scoring.rubric import Rubric
from scoring.score import Score
from sim.event import Event


def sections(
    transcript: TranscriptLike,
    score: Score,
    rubric: Rubric,
    images: Sequence[Image] = (),
    verdict: str | None = None,
    patient: str = "",
) -> list[Section]:
    """Return the whole debrief, top down."""
    events = transcript.events
    parts = [
        debrief.verdict_section(transcript, score, rubric, verdict),
        debrief.critical_section(score, rubric),
        debrief.good_section(score),
        debrief.change_section(score, rubric),
        debrief.checklist_section(score),
        debrief.efficiency_section(score, rubric),
        answers_section(events) if is_drill(events) else tip_section(events, score, rubric),
        time_section(events, score),
        debrief.dose_section(events, score),
    ]
    if images:
        parts.append(pictures_section(images))
    parts += [
        debrief.thresholds_section(rubric),
        debrief.record_section(transcript, score, rubric, verdict),
        debrief.limits_section(rubric, patient),
    ]
    return parts


def is_drill(events: Sequence[Event]) -> bool:
    """Return True for the record of a foundation drill."""
    return any(fact.kind == "drill_asked" for fact in events)


def answers_section(events: Sequence[Event]) -> Section:
    """Return the questions of a drill, one a row, with how far each answer was off."""
    rows = tuple(
        (clock(fact.tick), str(fact["number"]), fact["wanted"], _answer_words(fact), _off_words(fact))
        for fact in events
        if fact.kind == "drill_answered"
    )
    header = ("Answered at", "Question", "Asked for", "Off by", "From the middle of the picture")
    return Section("answers", "Answers", [Table("Answers." if rows else "Answers: none.", header, rows, (12, 10, 38, 24, 16))])


def _answer_words(fact: Event) -> str:
    error, unit = fact["error"], fact["unit"]
    if unit == "mdeg":
        return f"{error / 1000:.1f} degrees"
    if unit == "um":
        return f"{error / 1000:.1f} mm"
    return "right" if error == 0 else f"wrong: {fact['given']}"


def _off_words(fact: Event) -> str:
    return f"{fact['off_um'] / 1000:.0f} mm" if fact["unit"] in ("mdeg", "levels") else ""


def tip_section(events: Sequence[Event], score: Score, rubric: Rubric) -> Section:
    """Return the tip beside its target, and the injections."""
    words = _tip_words(score)
    blocks: list[Block] = [Text(words)]
    key = (
        "Green cross: planned target, dashed green: target zone (placeholder). Grey dots: places where the needle stopped. "
        "Blue diamonds: contrast. Black dot: treatment."
    )
    for horizontal, title, extra in (
        ("right", "Seen from behind", " Dashed red: medial pedicle line."),
        ("dorsal", "Seen from the side", ""),
    ):
        drawing = tip_drawing(events, rubric, horizontal)
        blocks.append(Figure(f"tip-{horizontal}", drawing, f"{title}. {key}{extra}", f"{title}: {words}"))
    blocks.append(_injections(events))
    return Section("tip", "Tip and injections", blocks)


def _tip_words(score: Score) -> str:
    error = score.whole("tip_error_um")
    if error is None:
        return "No treatment was injected, so there is no final tip position."
    parts = [score.measures[name].why for name in ("tip_right_um", "tip_dorsal_um", "tip_cranial_um")]
    return f"At the first treatment the tip was {error / 1000:.1f} mm from the planned target: {', '.join(parts)}."


def _injections(events: Sequence[Event]) -> Table:
    rows = tuple(
        (
            clock(fact.tick),
            fact["agent"],
            f"{fact['volume_ul'] / 1000:.2f} mL, {fact['live_ul'] / 1000:.2f} live",
            fact["pattern"],
            f"{fact['level']} {fact['side']}".strip() or "far from any foramen",
            ", ".join(fact["levels"]).replace("_", " ") or "none",
        )
        for fact in events
        if fact.kind == "injection_stopped"
    )
    header = ("Ended at", "Agent", "Volume", "Pattern", "Tip at", "Roots reached")
    return Table("Injections." if rows else "Injections: none.", header, rows, (10, 22, 20, 18, 13, 17))


def time_section(events: Sequence[Event], score: Score) -> Section:
    """Return the time line."""
    steps = ", ".join(f"{number} {name}" for number, name in enumerate(STEPS.values(), 1))
    errors = [f"{f.title} at {clock(f.tick)}" for f in score.critical if f.done]
    end = max((fact.tick for fact in events), default=0)
    alt = f"Time line of {clock(end)} minutes. Critical errors: {', '.join(errors) or 'none'}."
    caption = f"Minutes and seconds. Steps: {steps}. Triangles: critical errors."
    return Section("time", "Time line", [Figure("time-line", time_line(events, score), caption, alt)])


def pictures_section(images: Sequence[Image]) -> Section:
    """Return the pictures that were kept, in order of time."""
    photos = [
        Photo(
            png, f"{clock(tick)}: {caption}", caption if caption.startswith("Chart: ") else f"Simulated X-ray picture: {caption}"
        )
        for caption, png, tick in sorted(images, key=lambda image: image[2])
    ]
    return Section("pictures", "Pictures", [*photos])


def heading(transcript: TranscriptLike, rubric: Rubric) -> tuple[str, str]:
    """Return title and subtitle of a report."""
    head = transcript.header
    plan = next((fact for fact in transcript.events if fact.kind == "began"), None)
    where = f"{plan['level']} {plan['side']}" if plan and not is_drill(transcript.events) else ""
    parts = [
        f"Scenario {head.get('scenario', 'unknown')}",
        f"planned {where}" if where else "",
        f"operator {head.get('operator', 'unknown')}",
        f"patient {head['seed']}" if "seed" in head else "",
        str(head.get("started", "")),
    ]
    return rubric.rubric.title, ", ".join(part for part in parts if part)


def document(
    transcript: TranscriptLike,
    score: Score,
    rubric: Rubric,
    images: Sequence[Image] = (),
    verdict: str | None = None,
    patient: str = "",
) -> Document:
    """Return the report as a document.

    images: (caption, PNG, tick). verdict: what the verification of the record said, None when it was not verified.
    patient: what of an imported patient is modelled (the record names only the file's hash).
    """
    title, subtitle = heading(transcript, rubric)
    return Document(title, subtitle, sections(transcript, score, rubric, images, verdict, patient))


def report_html(
    transcript: TranscriptLike,
    score: Score,
    rubric: Rubric,
    images: Sequence[Image] = (),
    verdict: str | None = None,
    patient: str = "",
) -> str:
    """Return the report as one HTML file without scripts or outside links (arguments: see document)."""
    return html_text(document(transcript, score, rubric, images, verdict, patient))


def report_pdf(
    transcript: TranscriptLike,
    score: Score,
    rubric: Rubric,
    images: Sequence[Image] = (),
    verdict: str | None = None,
    patient: str = "",
) -> bytes:
    """Return the same report as PDF (arguments: see document); same input, same bytes."""
    from scoring.reports.pdf import pdf_bytes

    return pdf_bytes(document(transcript, score, rubric, images, verdict, patient))
