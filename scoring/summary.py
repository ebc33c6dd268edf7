"""A cohort in numbers: what `main.py cohort` prints and the reports draw. Pure; plain values, ready for JSON.

Each part that cannot be computed says why instead ("none": one line): no number is shown that the data do not carry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.cohort import Cohort, Row
from scoring.standard import Standard, wording
from scoring.statistics import feedback
from scoring.statistics.chance import best_of_warning, clopper_pearson, wilson
from scoring.statistics.checks import Floats
from scoring.statistics.curves import attempts_to, cohort_band, fit_curve, running_rate
from scoring.statistics.cusum import cusum, cusum_design
from scoring.statistics.decision import coefficient_interval, d_study, items_for
from scoring.statistics.fairness import dif, group_gaps
from scoring.statistics.generalizability import g_study
from scoring.statistics.lc_cusum import LcCusumDesign, lc_cusum, lc_cusum_design
from sim.errors import ScottieError, UsageError

GROUPS = ("site", "handedness", "input_device")


@dataclass(frozen=True)
class Plan:
    """What is asked of the statistics: failure rates and horizon of the CUSUMs, the value that is studied, the standard."""

    p0: float = feedback.P0
    p1: float = feedback.P1
    horizon: int = feedback.HORIZON
    alpha: float = feedback.ALPHA
    value: str = "points_verified_percent"
    target: float = 80.0
    level: float = 0.95
    standard: Standard | None = None
    now: str = ""

    def design(self) -> LcCusumDesign:
        """Return the LC-CUSUM design with the limit for this horizon."""
        return lc_cusum_design(self.p0, self.p1, self.horizon, self.alpha)


def summarise(cohort: Cohort, plan: Plan) -> dict[str, Any]:
    """Return the summary of a cohort: files, verdicts, oddities, and one part per procedure."""
    names = _procedures(cohort)
    rows = cohort.evidence
    parts = {}
    for name in sorted({names[row.scenario] for row in rows}):
        parts[name] = _procedure(name, cohort.where(lambda row, name=name: row.counts and names[row.scenario] == name), plan)  # type: ignore[misc]
    return {
        "files": len(cohort.rows),
        "attempts": len(cohort.attempts),
        "evidence": len(rows),
        "learners": len(cohort.learners),
        "verdicts": cohort.statuses,
        "refused": [{"file": r.path, "status": r.status, "reason": r.reason} for r in cohort.attempts if not r.counts],
        "duplicates": [{"record_id": key, "files": [r.path for r in again]} for key, again in cohort.duplicates.items()],
        "clock": _clock(cohort, plan.now),
        "procedures": parts,
    }


def _procedures(cohort: Cohort) -> dict[str, str]:
    """Return scenario -> procedure; an interrupted attempt takes it from another attempt at its scenario."""
    known = {row.scenario: row.procedure for row in cohort.evidence if row.procedure}
    return {row.scenario: known.get(row.scenario, row.scenario) for row in cohort.evidence}


def _clock(cohort: Cohort, now: str) -> list[str]:
    back = [
        f"{c.learner}: {c.later.item} began {c.later.started}, before {c.earlier.item} ({c.earlier.started}): clock set back?"
        for c in cohort.clock_anomalies()
    ]
    ahead = [f"{r.who}: {r.path} began {r.started}, which is after now ({now})" for r in cohort.in_the_future(now)] if now else []
    return back + ahead


def _or_why(make: Callable[[], Any]) -> Any:
    """Return what `make` gives, or {"none": why} when the data do not carry it."""
    try:
        return make()
    except ScottieError as error:
        return {"none": str(error)}


def _procedure(name: str, cohort: Cohort, plan: Plan) -> dict[str, Any]:
    first = cohort.first_attempts()
    passed = sum(row.passed is True for row in first)
    own: dict[str, list[Row]] = {}
    for row in first:
        own.setdefault(row.who, []).append(row)
    return {
        "attempts": len(cohort.attempts),
        "interrupted": sum(row.passed is None for row in cohort.attempts),
        "first_attempts": len(first),
        "first_pass_rate": clopper_pearson(passed, len(first), plan.level).as_dict(),
        "lc_cusum_design": _or_why(lambda: plan.design().as_dict()),
        "learners": [_learner(who, cohort.of(who), own[who], plan, name) for who in cohort.learners],
        "critical_errors": critical_table(cohort),
        "band": _or_why(lambda: [p.__dict__ for p in cohort_band(_series(cohort, plan.value))]),
        "g_study": _or_why(lambda: g_part(cohort, plan.value)),
        "fairness": {group: _or_why(lambda group=group: fairness_part(first, group, plan.value)) for group in GROUPS},  # type: ignore[misc]
        "value": plan.value,
    }


def _series(cohort: Cohort, value: str) -> list[list[float]]:
    return [[v for row in cohort.of(who) if (v := row.value(value)) is not None] for who in cohort.learners]


def _learner(who: str, rows: Sequence[Row], mine: Sequence[Row], plan: Plan, name: str) -> dict[str, Any]:
    """Return one learner's part. In the charts an interrupted attempt counts as a failure: giving up must not pay."""
    results = [row.passed is True for row in rows]
    tries = Counter(row.item for row in rows)
    return {
        "learner": who,
        "attempts": len(rows),
        "interrupted": sum(row.passed is None for row in rows),
        "first": [_first(row) for row in mine],
        "first_passed": sum(row.passed is True for row in mine),
        "first_rate": wilson(sum(row.passed is True for row in mine), len(mine), plan.level).as_dict(),
        "passed_now": running_rate(results, 10, plan.level)[-1].mean.as_dict(),
        "cusum": _or_why(lambda: _cusum(results, plan)),
        "lc_cusum": _or_why(lambda: _lc(results, plan)),
        "curve": _or_why(lambda: _curve([v for row in rows if (v := row.value(plan.value)) is not None], plan)),
        "best_of": best_of_warning(max(tries.values())),
        "standing": _standing(mine, plan, name),
    }


def _first(row: Row) -> dict[str, Any]:
    told = {"item": row.item, "passed": row.passed, "status": row.status, "critical_errors": list(row.critical_errors)}
    return told | {"started": row.started, "points_percent": row.metrics.get("points_percent")}


def _cusum(results: Sequence[bool], plan: Plan) -> dict[str, Any]:
    chart = cusum([not good for good in results], cusum_design(plan.p0, plan.p1))
    return {"state": chart.state, "value": chart.values[-1], "values": list(chart.values), "crossings": list(chart.crossings)}


def _lc(results: Sequence[bool], plan: Plan) -> dict[str, Any]:
    state = lc_cusum(results, plan.design())
    told = {"value": state.value, "limit": state.design.h, "signal_at": state.signal_at, "beyond_horizon": state.beyond}
    return told | {"straight_left": state.straight_left, "values": list(state.values)}


def _curve(values: Sequence[float], plan: Plan) -> dict[str, Any]:
    fit = fit_curve(values, "power", plan.level)
    reach = attempts_to(fit, plan.target, plan.level)
    told = {"shape": fit.shape, "plateau": fit.a.as_dict(), "rate": fit.c.as_dict(), "rms": fit.rms, "target": plan.target}
    return told | {"attempts_to_target": None if reach is None else reach.as_dict()}


def _standing(first: Sequence[Row], plan: Plan, name: str) -> dict[str, Any]:
    scale = plan.standard.scale if plan.standard else plan.value
    scores = [v for row in first if (v := row.value(scale)) is not None]
    lost = any(row.passed is None for row in first)
    hashes = {row.rubric_hash for row in first}
    said = wording(
        plan.standard,
        [] if lost else scores,
        sum(len(row.critical_errors) for row in first),
        plan.now,
        name,
        hashes.pop() if len(hashes) == 1 else "several",
        all(row.status == "verified" for row in first),
    )
    text = said.text + (" A first attempt was interrupted: a committee has to decide." if lost and plan.standard else "")
    return {"text": text, "meets": said.meets, "borderline": said.borderline}


def critical_table(cohort: Cohort) -> dict[str, Any]:
    """Return critical error -> attempts and learners it happened to, over all scored attempts, commonest first."""
    scored = [row for row in cohort.evidence if row.passed is not None]
    attempts = Counter(name for row in scored for name in set(row.critical_errors))
    people = Counter(name for name, _ in {(name, row.who) for row in scored for name in row.critical_errors})
    return {
        name: {"attempts": n, "learners": people[name], "rate": clopper_pearson(n, len(scored)).as_dict()}
        for name, n in attempts.most_common()
    }


def shared_matrix(cohort: Cohort, value: str) -> tuple[list[str], list[str], Floats]:
    """Return learners, items and first attempts of those who share items: each kept row and column has two values."""
    people, items = cohort.learners, sorted({row.item for row in cohort.first_attempts()})
    x = cohort.matrix(value, people, items, per="item")
    while x.size:
        rows, columns = np.isfinite(x).sum(1) >= 2, np.isfinite(x).sum(0) >= 2
        if rows.all() and columns.all():
            break
        x = x[rows][:, columns]
        people = [p for p, keep in zip(people, rows, strict=True) if keep]
        items = [i for i, keep in zip(items, columns, strict=True) if keep]
    return people, items, x


def g_part(cohort: Cohort, value: str) -> dict[str, Any]:
    """Return the G study of learners x items (first attempts) with D studies, Phi and its interval, and SEM."""
    people, items, x = shared_matrix(cohort, value)
    if min(x.shape) < 2:
        raise UsageError("fewer than 2 learners share 2 items (first attempts with a score)")
    study = g_study(x, "pxi")
    now = d_study(study)
    full = study.method == "ANOVA"
    method = "fiducial" if full else "jackknife"
    intervals = {c: _or_why(lambda c=c: coefficient_interval(x, "pxi", c, method).as_dict()) for c in ("phi", "erho2")}  # type: ignore[misc]
    return {
        **study.as_dict(),
        "value": value,
        "learners": len(people),
        "items": len(items),
        "person_share": study.person_share,
        "now": now.as_dict(),
        "intervals": intervals,
        "d_studies": [d_study(study, {"i": n}).as_dict() for n in (1, 6, 12, 17, 24)],
        "items_for_phi_80": items_for(study, 0.8) if study.components["p"] > 0 else None,
        "items_for_phi_90": items_for(study, 0.9) if study.components["p"] > 0 else None,
    }


def fairness_part(first: Sequence[Row], group: str, value: str) -> dict[str, Any]:
    """Return the comparison of groups of learners. A learner passes here with more than half of the first attempts."""
    mine: dict[str, list[Row]] = {}
    for row in first:
        mine.setdefault(row.who, []).append(row)
    groups: dict[str, list[tuple[bool, float | None]]] = {}
    for rows in mine.values():
        label = getattr(rows[0], group)
        if not label:
            continue
        values = [v for row in rows if (v := row.value(value)) is not None]
        good = 2 * sum(row.passed is True for row in rows) > len(rows)
        groups.setdefault(label, []).append((good, sum(values) / len(values) if values else None))
    if len(groups) < 2:
        named = f"all are '{next(iter(groups))}'" if groups else "no attempt names it"
        return {"none": f"{group}: {named}; nothing to compare"}
    report = group_gaps(groups)
    return report.as_dict() | {"dif": _dif(mine, group, [n for n in groups if n not in report.too_small], value)}


def _dif(mine: Mapping[str, Sequence[Row]], group: str, labels: Sequence[str], value: str) -> dict[str, Any]:
    """Return critical error -> Mantel-Haenszel comparison of each group with the rest, ability being the mean value."""
    people = [rows for rows in mine.values() if getattr(rows[0], group) in labels]
    names = sorted({name for rows in people for row in rows for name in row.critical_errors})
    out: dict[str, Any] = {}
    for label in labels if len(labels) > 2 else labels[:1]:
        for name in names:
            out[f"{name}, {label} v rest"] = _or_why(lambda label=label, name=name: _one_dif(people, group, label, name, value))  # type: ignore[misc]
    return out


def _one_dif(people: Sequence[Sequence[Row]], group: str, label: str, name: str, value: str) -> dict[str, Any]:
    told = [
        (getattr(rows[0], group) == label, any(name in row.critical_errors for row in rows), float(np.mean(values)))
        for rows in people
        if (values := [v for row in rows if (v := row.value(value)) is not None])
    ]
    found = dif([a for a, _, _ in told], [b for _, b, _ in told], [c for _, _, c in told])
    return {"odds_ratio": found.odds_ratio.as_dict(), "p": found.p, "delta": found.delta, "size": found.size}
