"""The report for the director of a programme: who, what, how reliable, how fair, and what to look at."""

from __future__ import annotations

from collections import Counter

import numpy as np

from scoring.cohort import Row
from scoring.record import STATUSES
from scoring.reports import charts
from scoring.reports.blocks import Block, Document, Figure, Items, Section, Table, Text
from scoring.reports.facts import Facts, counted, day, interval, number, outcome, scripted
from scoring.reports.learner import band_figure
from scoring.statistics.chance import best_of_warning
from scoring.statistics.curves import cohort_band
from scoring.statistics.fairness import LEAST, GroupGap, group_gaps
from sim.errors import UsageError

GROUPS = (("site", "Site"), ("handedness", "Handedness"), ("input_device", "Input device"))
MOST_COLUMNS = 12


def cohort_document(facts: Facts) -> Document:
    """Return the report of a cohort. UsageError when there is no attempt that counts."""
    cohort = facts.cohort
    if not cohort.evidence:
        raise UsageError("no attempt here counts as evidence: there is nothing to report (main.py verify says why)")
    first, last = cohort.evidence[0].started, cohort.evidence[-1].started
    title = f"Cohort report: {counted(len(cohort.learners), 'learner')}, {counted(len(cohort.scenarios), 'scenario')}"
    subtitle = f"{counted(len(cohort.attempts), 'attempt')} from {day(first)} to {day(last)} UTC. Made {day(facts.now)} UTC."
    parts = [
        overview_section(facts),
        learners_section(facts),
        matrix_section(facts),
        curves_section(facts),
        critical_section(facts),
        repeats_section(facts),
        reliability_section(facts),
        fairness_section(facts),
        records_section(facts),
        limits_section(),
    ]
    return Document(title, subtitle, parts, contents=True)


def overview_section(facts: Facts) -> Section:
    """Return the numbers of the cohort and its standard."""
    firsts = facts.firsts
    passed = sum(bool(row.passed) for row in firsts)
    lines = [
        ("Learners", f"{len(facts.cohort.learners)}."),
        ("First attempts", f"{len(firsts)}, {passed} passed by the rule of the rubric, {_given_up(facts)} interrupted."),
        ("Score", f"{facts.scale_name}, first attempts by {facts.per}."),
    ]
    return Section(
        "overview", "Overview", [*scripted(facts.cohort.attempts), Text(standard_line(facts), "lead"), Items(tuple(lines))]
    )


def _given_up(facts: Facts) -> int:
    return sum(row.passed is None for row in facts.firsts)


def standard_line(facts: Facts) -> str:
    """Return what standard there is, in one sentence."""
    standard = facts.standard
    if standard is None:
        return "No standard set: this report calls nobody able or unable."
    state = "A provisional cut that judges nobody" if standard.provisional else "Standard"
    band = (
        f" ({100 * standard.level:g} % interval {standard.interval[0]:g} to {standard.interval[1]:g})"
        if standard.interval
        else ""
    )
    return (
        f"{state}: {standard.cut:g} on {facts.scale_name}{band}, {standard.method}, by {standard.who}, {standard.decided[:10]}."
    )


def learners_section(facts: Facts) -> Section:
    """Return a table of learners and their means with the error of measurement."""
    lines, bands = [], []
    for who in facts.cohort.learners:
        rows, scores = facts.first(who), facts.scores(who)
        state, words = facts.chart(who), facts.words(who)
        mean = sum(scores) / len(scores) if scores else None
        sem = facts.sem(len(scores))
        if scores:
            bands.append((who, scores))
        lines.append(
            (
                who,
                f"{sum(bool(r.passed) for r in rows)} of {len(rows)}",
                number(mean) + (f" ± {1.96 * sem:.1f}" if sem is not None and mean is not None else ""),
                str(sum(len(r.critical_errors) for r in rows)),
                f"signal at {state.signal_at}" if state.signal_at else number(state.value, 2),
                words.text if words.meets is not None else "-",
            )
        )
    header = ("Learner", "Passed", "Mean ± 1.96 SEM", "Critical errors", "LC-CUSUM", "By the standard")
    limit, horizon = facts.design.h, facts.design.horizon
    caption = f"First attempts. LC-CUSUM over all attempts, limit {limit:.2f} for {horizon} attempts (feedback only)."
    blocks: list[Block] = [Table(caption, header, tuple(lines), (22, 10, 16, 10, 13, 29))]
    if bands and len(bands) <= 40:
        blocks.append(band_figure(facts, sorted(bands, key=lambda b: -sum(b[1]) / len(b[1])), "cohort-band"))
    return Section("learners", "Learners", blocks)


def matrix_section(facts: Facts) -> Section:
    """Return the score of every learner in every scenario (or item): first attempts."""
    columns = sorted({_column(facts, row) for row in facts.firsts}, key=_natural)
    cells = {(row.who, _column(facts, row)): row for row in facts.firsts}
    blocks: list[Block] = []
    for start in range(0, len(columns), MOST_COLUMNS):
        part = columns[start : start + MOST_COLUMNS]
        keys = [f"{start + n + 1}" for n in range(len(part))]
        rows = []
        for who in facts.cohort.learners:
            found = [cells.get((who, name)) for name in part]
            rows.append((who, *("" if row is None else _cell(facts, row) for row in found)))
        widths = (22, *(78 // len(part) for _ in part))
        blocks.append(
            Table("Score of the first attempt; x: not passed; int: interrupted.", ("Learner", *keys), tuple(rows), widths)
        )
        blocks.append(Text("Columns: " + "; ".join(f"{key} {name}" for key, name in zip(keys, part, strict=True)) + "."))
    return Section("matrix", f"Learner by {facts.per}", blocks)


def _column(facts: Facts, row: Row) -> str:
    return row.item if facts.per == "item" else row.scenario


def _natural(name: str) -> tuple[str, int]:
    head, _, tail = name.rpartition("/")
    return (head, int(tail)) if tail.isdigit() else (name, 0)


def _cell(facts: Facts, row: Row) -> str:
    if row.passed is None:
        return "int"
    return f"{number(row.value(facts.scale), 0)}{'' if row.passed else ' x'}"


def curves_section(facts: Facts) -> Section:
    """Return how the cohort's scores went over attempts."""
    cohort, scale = facts.cohort, facts.scale
    curves = [[v for row in cohort.of(who) if (v := row.value(scale)) is not None] for who in cohort.learners]
    points = cohort_band(curves)
    if not points:
        return Section("curves", "Learning curves", [Text("Fewer than 5 learners: no band is drawn.")])
    band = [(p.attempt, p.p10, p.p50, p.p90) for p in points]
    caption = "Middle 80 % of the learners at each attempt, median dashed. Learners who stop leave the band."
    alt = f"Median score from {points[0].p50:.0f} at attempt 1 to {points[-1].p50:.0f} at attempt {points[-1].attempt}."
    rows = tuple((str(p.attempt), str(p.learners), *(number(v) for v in (p.p10, p.p25, p.p50, p.p75, p.p90))) for p in points)
    header = ("Attempt", "Learners", "10 %", "25 %", "Median", "75 %", "90 %")
    table = Table("The numbers of the band.", header, rows, (14, 14, 14, 14, 14, 15, 15))
    return Section(
        "curves", "Learning curves", [Figure("cohort-curve", charts.curve([], band, facts.cut, "score"), caption, alt), table]
    )


def critical_section(facts: Facts) -> Section:
    """Return critical errors by kind."""
    attempts = Counter(error for row in facts.cohort.evidence for error in row.critical_errors)
    firsts = Counter(error for row in facts.firsts for error in row.critical_errors)
    who = Counter(error for _, error in {(row.who, e) for row in facts.cohort.evidence for e in row.critical_errors})
    if not attempts:
        return Section("critical", "Critical errors", [Text("None.", "good")])
    rows = tuple((error, str(firsts[error]), str(count), str(who[error])) for error, count in attempts.most_common())
    header = ("Critical error", "First attempts", "All attempts", "Learners")
    return Section("critical", "Critical errors", [Table("Critical errors by kind.", header, rows, (40, 20, 20, 20))])


def repeats_section(facts: Facts) -> Section:
    """Return who repeated cases, and what repeating alone can do."""
    counts: Counter[tuple[str, str]] = Counter((row.who, _column(facts, row)) for row in facts.cohort.evidence)
    again = [(who, name, n) for (who, name), n in sorted(counts.items()) if n > 1]
    if not again:
        return Section("repeats", "Repeated attempts", [Text("Nobody attempted a case twice.", "good")])
    rows = tuple((who, name, str(n), best_of_warning(n)) for who, name, n in again[:100])
    more = f" The first 100 of {len(again)}." if len(again) > 100 else ""
    header = ("Learner", "Case", "Attempts", "What chance alone does")
    table = Table(f"Only first attempts count in this report.{more}", header, rows, (18, 26, 10, 46))
    return Section("repeats", "Repeated attempts", [table])


def reliability_section(facts: Facts) -> Section:
    """Return the G study, and what batteries of other lengths would be worth."""
    title = "Reliability"
    study = facts.study
    if isinstance(study, str):
        return Section("reliability", title, [Text(f"No generalizability study: {study}.")])
    items = study.sizes["i"]
    whole = sum(study.components.values()) or 1.0
    share = f"Learners account for {100 * study.components['p'] / whole:.0f} % of the variance of one attempt."
    here = facts.decision(items)
    parts = {"p": "learner", "i": facts.per, "pi": f"learner by {facts.per}, and the rest"}
    rows = tuple(
        (
            parts.get(name, name),
            number(value, 2),
            f"{100 * value / whole:.0f} %",
            _negative(study, name),
        )
        for name, value in study.components.items()
    )
    blocks: list[Block] = [
        Text(f"Phi of {items} first attempts: {interval(facts.phi)}. {share}"),
        Table(
            f"Variance components ({study.method}, {study.observations or 'all'} scores).",
            ("Source", "Variance", "Share", "Note"),
            rows,
            (40, 18, 14, 28),
        ),
    ]
    if facts.phi_lambda is not None:
        blocks.append(Text(f"Dependability of the decision at the cut, Phi(lambda): {facts.phi_lambda:.2f}."))
    if here is not None:
        sizes = sorted({*range(1, 31), items})
        points = [(n, study_.phi) for n in sizes if (study_ := facts.decision(n)) is not None]
        caption = "Phi of the mean over so many independent cases, from this cohort's components."
        blocks.append(
            Figure("reliability-curve", charts.reliability(points, items), caption, f"Phi {here.phi:.2f} at {items} cases.")
        )
        wanted = tuple(
            (str(n), number(d.phi, 2), number(d.sem_absolute)) for n in (6, 12, 17, 24) if (d := facts.decision(n)) is not None
        )
        blocks.append(
            Table("What a battery of that length would be worth.", ("Cases", "Phi", "SEM (points)"), wanted, (30, 35, 35))
        )
    return Section("reliability", title, blocks)


def _negative(study: object, name: str) -> str:
    return "estimated below 0, set to 0" if name in getattr(study, "negative", ()) else ""


def fairness_section(facts: Facts) -> Section:
    """Return gaps between groups of learners, with intervals; a gap is a question, not a finding."""
    blocks: list[Block] = [Text("A gap is a question to look into, not a finding: groups may differ in training as well.")]
    for name, title in GROUPS:
        groups: dict[str, list[tuple[bool, float | None]]] = {}
        for who in facts.cohort.learners:
            rows, scores = facts.first(who), facts.scores(who)
            group = str(getattr(rows[0], name)) if rows else ""
            if group and rows:
                met = sum(bool(r.passed) for r in rows) * 2 >= len(rows)
                groups.setdefault(group, []).append((met, float(np.mean(scores)) if scores else None))
        if len(groups) < 2:
            blocks.append(Text(f"{title}: one group or none named, nothing to compare."))
            continue
        blocks.append(_gaps(title, groups))
    return Section("fairness", "Groups of learners", blocks)


def _gaps(title: str, groups: dict[str, list[tuple[bool, float | None]]]) -> Block:
    report = group_gaps(groups)
    sizes = ", ".join(f"{name} {len(rows)}" for name, rows in sorted(groups.items()))
    if not report.gaps:
        return Text(f"{title} ({sizes}): groups of fewer than {LEAST} learners are not compared.")
    rows = tuple(_gap(gap) for gap in report.gaps)
    header = ("Groups", "Passed at least half: gap", "Ratio of rates", "Score gap", "p (Holm)")
    return Table(
        f"{title} ({sizes}).",
        header,
        rows,
        (22, 24, 18, 24, 12),
        tuple(n for n, g in enumerate(report.gaps) if g.below_four_fifths),
    )


def _gap(gap: GroupGap) -> tuple[str, ...]:
    low = " (below four fifths)" if gap.below_four_fifths else ""
    score = "-" if gap.score_gap is None else _span(gap.score_gap, 1)
    return (
        f"{gap.first} against {gap.second}",
        _span(gap.pass_gap, 2),
        f"{gap.pass_ratio.value:.2f}{low}",
        score,
        f"{gap.p_holm:.2f}",
    )


def _span(found: object, digits: int) -> str:
    value, low, high = (getattr(found, name) for name in ("value", "low", "high"))
    return f"{value:.{digits}f}" + ("" if low is None else f" ({low:.{digits}f} to {high:.{digits}f})")


def records_section(facts: Facts) -> Section:
    """Return the verdicts, the duplicates and the clocks that ran backwards."""
    cohort = facts.cohort
    rows = tuple((status, str(count), STATUSES.get(status, "")) for status, count in cohort.statuses.items())
    bad = tuple(n for n, row in enumerate(rows) if row[0] not in ("verified", "sealed"))
    blocks: list[Block] = [Table("Verdicts on the records.", ("Verdict", "Records", "Meaning"), rows, (20, 12, 68), bad)]
    refused = tuple((row.path, row.status, row.reason) for row in cohort.attempts if not row.counts)
    if refused:
        blocks.append(
            Table("Records that are no evidence and enter no number.", ("File", "Verdict", "Reason"), refused[:200], (35, 15, 50))
        )
    if cohort.duplicates:
        again = tuple((found[0].who, name[:16], str(len(found))) for name, found in cohort.duplicates.items())
        blocks.append(Table("Records found more than once (counted once).", ("Learner", "Record", "Copies"), again, (40, 40, 20)))
    blocks += [
        Text(f"Clock: {a.learner} began item {a.later.battery_item} before item {a.earlier.battery_item}.", "bad")
        for a in cohort.clock_anomalies()
    ]
    future = cohort.in_the_future(facts.now)
    if future:
        blocks.append(Text(f"{len(future)} attempts say that they began after this report was made: a clock is wrong.", "bad"))
    if "sealed" in cohort.statuses:
        blocks.append(Text("Records marked sealed were not replayed for this report (main.py verify replays them)."))
    return Section("records", "Records", blocks)


def limits_section() -> Section:
    """Return what this report cannot say."""
    texts = (
        "No study with people has been made with this simulator yet; scores are results on simulated patients.",
        "A gap between groups or learners smaller than the error of measurement is no gap.",
        "LC-CUSUM is feedback for practice; no decision about a person rests on it.",
        "Fluoroscopy times and doses depend on the simulated machine; they are compared within this cohort alone.",
    )
    return Section("limits", "Limits", [Items(tuple(("", text) for text in texts))])


__all__ = ["cohort_document", "outcome", "standard_line"]
