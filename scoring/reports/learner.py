"""The report for one learner: where the scores stand, how they went, what went wrong and when, and what is unknown."""

from __future__ import annotations

from scoring.cohort import Row
from scoring.figures import clock
from scoring.reports import charts
from scoring.reports.blocks import Block, Document, Figure, Items, Section, Table, Text
from scoring.reports.facts import Facts, counted, day, number, outcome, scripted
from scoring.statistics.chance import best_of_warning, wilson
from scoring.statistics.checks import Interval
from scoring.statistics.curves import cohort_band, running_mean
from sim.errors import UsageError

LIMITS = (
    "No study with people has been made with this simulator yet: nobody knows how its scores relate to work on patients.",
    "A pass is a result on simulated patients by the rule of the rubric named in each record.",
    "Means over few cases are uncertain; the error of measurement stands beside each of them.",
    "Practising the same case again raises its score; therefore first attempts are shown apart from later ones.",
)


def learner_document(facts: Facts, learner: str) -> Document:
    """Return the report of one learner. UsageError for somebody without attempts in this cohort."""
    if learner not in facts.cohort.learners:
        raise UsageError(f"learner '{learner}' has no attempts here; known: {', '.join(facts.cohort.learners[:20]) or 'nobody'}")
    rows = facts.cohort.of(learner)
    parts = [
        standing_section(facts, learner),
        curve_section(facts, learner),
        lc_cusum_section(facts, learner),
        first_and_later_section(facts, learner),
        critical_section(facts, rows),
        attempts_section(facts, rows),
        Section("limits", "Limits", [Items(tuple(("", text) for text in LIMITS))]),
    ]
    span = f"{day(rows[0].started)} to {day(rows[-1].started)} UTC" if rows else ""
    return Document(f"Learner report: {learner}", f"{counted(len(rows), 'attempt')}, {span}. Made {day(facts.now)} UTC.", parts)


def standing_section(facts: Facts, learner: str) -> Section:
    """Return where the learner stands, in the words that the standard allows, with the error of measurement."""
    words = facts.words(learner)
    first, scores = facts.first(learner), facts.scores(learner)
    blocks: list[Block] = [*scripted(facts.cohort.of(learner)), Text(_sentence(words.text), "lead")]
    passes = sum(bool(row.passed) for row in first)
    rate = wilson(passes, len(first)) if first else None
    lines = [("First attempts", f"{len(first)}, of which {passes} passed by the rule of the rubric{_rate(rate)}.")]
    if scores:
        lines.append(("Mean score", f"{sum(scores) / len(scores):.1f} ({facts.scale_name}){_error(facts, len(scores))}."))
    lines.append(("Critical errors in first attempts", str(sum(len(row.critical_errors) for row in first)) + "."))
    given_up = sum(row.passed is None for row in first)
    if given_up:
        lines.append(("Interrupted first attempts", f"{given_up}; they stay first attempts and have no score."))
    blocks.append(Items(tuple(lines)))
    if scores:
        blocks.append(band_figure(facts, [(learner, scores)], "standing-band"))
    return Section("standing", "Where you stand", blocks)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _rate(found: object) -> str:
    low, high = getattr(found, "low", None), getattr(found, "high", None)
    return f" (95 % interval of the rate {100 * low:.0f} to {100 * high:.0f} %)" if low is not None and high is not None else ""


def _error(facts: Facts, items: int) -> str:
    sem = facts.sem(items)
    return f", standard error of measurement {sem:.1f}" if sem is not None else ", error of measurement unknown"


def band_figure(facts: Facts, scores: list[tuple[str, list[float]]], name: str) -> Figure:
    """Return means with 1.96 standard errors of measurement beside the cut."""
    rows = []
    for who, values in scores:
        sem = facts.sem(len(values))
        rows.append((who, sum(values) / len(values), None if sem is None else 1.96 * sem))
    told = [f"{who} {mean:.1f}" + (f" plus or minus {half:.1f}" if half is not None else "") for who, mean, half in rows]
    cut = f" Cut {facts.cut:g}." if facts.cut is not None else " No standard set."
    caption = "Mean of first attempts with 1.96 standard errors of measurement on each side." + cut
    return Figure(name, charts.score_band(rows, facts.cut), caption, f"Mean scores: {', '.join(told)}.{cut}")


def curve_section(facts: Facts, learner: str) -> Section:
    """Return the learner's scores in order of time over the cohort's band."""
    rows = [row for row in facts.cohort.of(learner) if row.value(facts.scale) is not None]
    values = [float(row.value(facts.scale) or 0.0) for row in rows]
    if not values:
        return Section("curve", "Learning curve", [Text("No attempt with a score yet.")])
    marks = [charts.Mark(n, v, bool(row.passed)) for n, (v, row) in enumerate(zip(values, rows, strict=True), 1)]
    band = [(p.attempt, p.p10, p.p50, p.p90) for p in cohort_band(_curves(facts))]
    alt = f"{len(values)} attempts, first {values[0]:.0f}, last {values[-1]:.0f}, on a scale of 0 to 100."
    cohort = (
        f"Band: the middle 80 % of the cohort ({len(facts.cohort.learners)} learners)"
        if band
        else "The cohort is too small for a band"
    )
    scale = facts.scale_name[0].upper() + facts.scale_name[1:]
    caption = f"{scale}. Dots: passed; triangles: not passed. {cohort}. Different cases, so no pure curve."
    blocks: list[Block] = [Figure("learning-curve", charts.curve(marks, band, facts.cut, "score"), caption, alt)]
    points = running_mean(values, 5)
    table = tuple(
        (
            str(p.attempt),
            day(row.started),
            row.scenario,
            outcome(row),
            number(v),
            number(p.mean.value),
            _limits(p.mean, facts.top),
        )
        for p, v, row in zip(points, values, rows, strict=True)
    )
    header = ("Attempt", "Started (UTC)", "Scenario", "Outcome", "Score", "Mean of last 5", "95 % interval")
    blocks.append(
        Table("The numbers of the curve (intervals end where the scale ends).", header, table, (9, 17, 24, 13, 9, 12, 16))
    )
    return Section("curve", "Learning curve", blocks)


def _limits(found: Interval, top: float) -> str:
    """Return an interval of means, cut off at the ends of the scale: no mean can lie beyond them."""
    return "-" if found.low is None or found.high is None else f"{max(found.low, 0.0):.1f} to {min(found.high, top):.1f}"


def _curves(facts: Facts) -> list[list[float]]:
    return [[v for row in facts.cohort.of(who) if (v := row.value(facts.scale)) is not None] for who in facts.cohort.learners]


def lc_cusum_section(facts: Facts, learner: str) -> Section:
    """Return the LC-CUSUM of the learner with the limit that fits its horizon; feedback for practice."""
    state, design = facts.chart(learner), facts.design
    if not state.values:
        return Section("lc-cusum", "LC-CUSUM (feedback for practice)", [Text("No attempts yet.")])
    signal = (
        f"signal at attempt {state.signal_at}"
        if state.signal_at
        else f"no signal; {state.straight_left} passes in a row would give one"
    )
    beyond = f" {state.beyond} attempts beyond the horizon are not read." if state.beyond else ""
    good, bad = 100 * design.p0, 100 * design.p1
    explained = (
        f"Acceptable failure rate {good:g} %, unacceptable {bad:g} %. The limit {design.h:.2f} belongs to a horizon of "
        f"{design.horizon} attempts: somebody who fails {bad:g} % of the time would be signalled within it with chance "
        f"{100 * design.false_signal:.1f} %, somebody who fails {good:g} % with chance {100 * design.power:.0f} %."
    )
    figure = Figure(
        "lc-cusum-chart",
        charts.cusum(state.values, design.h, design.horizon),
        f"LC-CUSUM: {signal}.{beyond} An interrupted attempt counts as failed.",
        f"LC-CUSUM after {len(state.values)} attempts at {state.value:.2f}, limit {design.h:.2f}: {signal}.",
    )
    values = " ".join(f"{v:.2f}" for v in state.values)
    note = "It is feedback for practice. No decision about a person rests on it."
    return Section(
        "lc-cusum", "LC-CUSUM (feedback for practice)", [figure, Text(explained), Text(f"Values: {values}."), Text(note)]
    )


def first_and_later_section(facts: Facts, learner: str) -> Section:
    """Return first attempts beside later ones at the same case, with what repeating alone can do."""
    firsts = {row.record_id or row.path for row in facts.first(learner)}
    tries: dict[str, list[Row]] = {}
    for row in facts.cohort.of(learner):
        tries.setdefault(row.item if facts.per == "item" else row.scenario, []).append(row)
    repeated = {name: rows for name, rows in tries.items() if len(rows) > 1}
    if not repeated:
        return Section("first", "First attempts and later ones", [Text("Every case was attempted once.", "good")])
    rows = tuple(
        (
            name,
            str(len(each)),
            outcome(each[0]),
            number(each[0].value(facts.scale)),
            number(_best(facts, each)),
            best_of_warning(len(each)),
        )
        for name, each in sorted(repeated.items())
    )
    assert firsts
    header = ("Case", "Attempts", "First", "First score", "Best score", "What chance alone does")
    table = Table(
        "Cases that were attempted more than once. Only the first attempt counts.", header, rows, (24, 9, 12, 10, 10, 35)
    )
    return Section("first", "First attempts and later ones", [table])


def _best(facts: Facts, rows: list[Row]) -> float | None:
    return max((v for row in rows if (v := row.value(facts.scale)) is not None), default=None)


def critical_section(facts: Facts, rows: list[Row]) -> Section:
    """Return every critical error with its moment and reason."""
    lines = []
    for row in rows:
        known = facts.moments.get(row.record_id, ())
        told = {moment.error: moment for moment in known}
        for error in row.critical_errors:
            moment = told.get(error)
            at = clock(moment.tick) if moment else "-"
            lines.append((day(row.started), row.scenario, error, at, moment.why if moment else "see the record"))
    if not lines:
        return Section("critical", "Critical errors", [Text("None.", "good")])
    header = ("Attempt of (UTC)", "Scenario", "Critical error", "At (min:s)", "What happened")
    table = Table(f"{counted(len(lines), 'critical error')}.", header, tuple(lines), (15, 20, 16, 9, 40))
    return Section("critical", "Critical errors", [table])


def attempts_section(facts: Facts, rows: list[Row]) -> Section:
    """Return every attempt, the interrupted ones included."""
    firsts = {id(row) for row in facts.firsts}
    lines = tuple(
        (
            day(row.started),
            row.scenario,
            str(row.battery_item or "-"),
            row.mode,
            "first" if id(row) in firsts else "later",
            outcome(row),
            number(row.value(facts.scale)),
            number(row.metrics.get("fluoro_s")),
            row.status,
        )
        for row in rows
    )
    bad = tuple(n for n, row in enumerate(rows) if not row.passed)
    header = ("Started (UTC)", "Scenario", "Item", "Mode", "Try", "Outcome", "Score", "X-rays (s)", "Record")
    table = Table("All attempts, by the clock of the machine.", header, lines, (15, 20, 6, 11, 8, 12, 8, 9, 11), bad)
    return Section("attempts", "All attempts", [table])
