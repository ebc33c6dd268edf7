"""Making a standard from groups, a panel or limits: plain functions for the command line and the portal's guided page.

Scores come from verified records or from a table; the cut from scoring.statistics.standards; what comes out is a
scoring.standard.Standard with its provenance. `consequences` says beforehand who would pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scoring.cohort import Cohort
from scoring.standard import Standard, expiry, too_few
from scoring.statistics.agreement import decision_agreement
from scoring.statistics.decision import d_study
from scoring.statistics.generalizability import g_study
from scoring.statistics.standards import angoff, contrasting_groups, hofstee
from scoring.summary import shared_matrix
from sim.errors import ScottieError, UsageError


class TooFew(UsageError):
    """The groups cannot make a standard that stands; a provisional one, which judges nobody, they can."""


@dataclass(frozen=True)
class Scores:
    """One score per person, and what they rest on. errors: critical errors in a person's first attempts."""

    by_person: Mapping[str, float]
    digests: Sequence[str]
    status: str  # verified, sealed, or table
    rubric_hash: str = ""
    people: Cohort | None = None
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What a committee says about its standard."""

    procedure: str
    who: str
    scale: str
    items: int
    critical_allowed: int
    months: int
    provisional: bool
    now: str

    def standard(
        self, method: str, cut: float, groups: dict[str, int], digests: Sequence[str], data: str, **more: Any
    ) -> Standard:
        """Return the standard with its provenance; TooFew when the groups are too small for one that stands."""
        why = too_few(method, groups)
        if why and not self.provisional:
            raise TooFew(why)
        base: dict[str, Any] = {"interval": None, "level": 0.95, "rates": {}, "consistency": {}, "sem": None, "detail": {}}
        base |= {"rubric_hash": ""} | more
        return Standard(
            procedure=self.procedure,
            scale=self.scale,
            items=self.items,
            critical_allowed=self.critical_allowed,
            method=method,
            cut=cut,
            groups=groups,
            who=self.who,
            decided=self.now,
            expires=expiry(self.now, self.months),
            provisional=self.provisional,
            data_digest=digest_of(digests),
            data=data,
            **base,
        )


def digest_of(digests: Sequence[str]) -> str:
    """Return SHA-256 of the sorted digests of what a standard rests on, one per line."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def scores_of(people: Cohort, procedure: str, scale: str, items: int, what: str, where: str) -> Scores:
    """Return each person's mean over first attempts at a procedure. UsageError, one line, where there are none."""
    first = [row for row in people.first_attempts() if row.procedure == procedure]
    if not first:
        known = ", ".join(sorted({row.procedure for row in people.evidence if row.procedure})) or "none"
        raise UsageError(f"{where}: no scored attempt at '{procedure}'; procedures in it: {known}")
    if len(hashes := {row.rubric_hash for row in first}) > 1:
        raise UsageError(f"{where}: attempts under {len(hashes)} different rubrics; expected one")
    mine: dict[str, list[float]] = {}
    for row in first:
        if (value := row.value(scale)) is not None:
            mine.setdefault(row.who, []).append(value)
    scores = {who: sum(v) / len(v) for who, v in mine.items() if len(v) >= items}
    if not scores:
        raise UsageError(f"{where}: no {what} has {items} first attempts at '{procedure}' with a {scale}")
    used = sorted(row.record_id for row in first if row.who in scores)
    status = "verified" if all(row.status == "verified" for row in first) else "sealed"
    errors = {who: sum(len(row.critical_errors) for row in first if row.who == who) for who in scores}
    return Scores(scores, used, status, hashes.pop(), people, errors)


def contrasting_standard(plan: Setting, low: Scores, high: Scores) -> Standard:
    """Return a standard from two groups of people."""
    _check_apart(low, high)
    groups = {"novices": len(low.by_person), "experts": len(high.by_person)}
    plan.standard("contrasting-groups", 0.0, groups, [], "")  # too few people end here, before any cut is computed
    found = contrasting_groups(list(low.by_person.values()), list(high.by_person.values()))
    rates = {name: getattr(found, name) for name in ("false_pass", "false_fail", "observed_false_pass", "observed_false_fail")}
    detail = {
        "novices": f"mean {found.novice_mean:.2f}, SD {found.novice_sd:.2f}",
        "experts": f"mean {found.expert_mean:.2f}, SD {found.expert_sd:.2f}",
        "interval": found.cut.method,
    }
    reliability = _reliability(plan, low.people, high.people, found.cut.value)
    number = len(low.digests) + len(high.digests)
    return plan.standard(
        "contrasting-groups",
        found.cut.value,
        groups,
        [*low.digests, *high.digests],
        f"{number} {'tables' if low.status == 'table' else 'record ids, ' + _weaker(low, high)}",
        interval=(found.cut.low, found.cut.high),
        rates=rates,
        rubric_hash=low.rubric_hash,
        consistency=reliability[0],
        sem=reliability[1],
        detail=detail | {"consistency": reliability[2]},
    )


def _weaker(low: Scores, high: Scores) -> str:
    return "verified" if low.status == high.status == "verified" else "chain and signature checked, not replayed"


def _check_apart(low: Scores, high: Scores) -> None:
    both = sorted(set(low.by_person) & set(high.by_person))
    if both:
        raise UsageError(f"'{both[0]}' is among the novices and among the experts; expected a person in one group")
    if low.rubric_hash != high.rubric_hash:
        raise UsageError("novices and experts were scored under different rubrics, or one group is a table; expected the same")


def _reliability(
    plan: Setting, novices: Cohort | None, experts: Cohort | None, cut: float
) -> tuple[dict[str, float], float | None, str]:
    """Return decision consistency, SEM of a mean over `items` and where they come from (both groups together)."""
    if novices is None or experts is None:
        return {}, None, "none: tables hold one score for each person"
    people = Cohort([*novices.rows, *experts.rows])
    try:
        _, _, x = shared_matrix(people.where(lambda row: row.procedure == plan.procedure), plan.scale)
        study = g_study(x)
        worth = d_study(study, {"i": plan.items})
        spread = (study.components["p"] + worth.absolute_error) ** 0.5
        agree, kappa = decision_agreement(worth.phi, (cut - study.mean) / spread)
    except ScottieError as error:
        return {}, None, f"none: {error}"[:200]
    where = f"{study.method}, persons x items {x.shape[0]} x {x.shape[1]}, both groups (higher than among learners between them)"
    return {"phi": worth.phi, "agree": agree, "kappa": kappa}, worth.sem_absolute, where


def angoff_standard(plan: Setting, rounds: Sequence[Sequence[Sequence[float]]], digests: Sequence[str]) -> Standard:
    """Return a provisional standard from a panel's ratings (judges x items, a table per round); the cut is in percent."""
    found = angoff(rounds)
    error = 1.96 * found.se_judges / found.items
    detail = {"rounds": "; ".join(f"{100 * cut / found.items:.2f} (SE {100 * se / found.items:.2f})" for cut, se in found.rounds)}
    return plan.standard(
        "angoff",
        100 * found.cut_share,
        {"judges": found.judges, "items": found.items},
        digests,
        f"{len(rounds)} rounds of ratings",
        interval=(100 * (found.cut_share - error), 100 * (found.cut_share + error)),
        detail=detail,
    )


def hofstee_standard(
    plan: Setting, scores: Sequence[float], limits: tuple[float, float, float, float], digests: Sequence[str], data: str
) -> Standard:
    """Return a provisional standard by Hofstee's compromise; limits: kmin, kmax, fmin, fmax."""
    kmin, kmax, fmin, fmax = limits
    found = hofstee(scores, kmin, kmax, fmin, fmax)
    detail = {"limits": f"cut {kmin:g} to {kmax:g}, failing {fmin:g} to {fmax:g} %"}
    if not found.meets:
        detail["no meeting point"] = found.note
    return plan.standard(
        "hofstee",
        found.cut,
        {"learners": len(scores)},
        digests,
        data,
        rates={"failing": found.fail_percent / 100},
        detail=detail,
    )


def ratings_table(rows: Sequence[tuple[str, str, float]], where: str) -> list[list[float]]:
    """Return judges x items of (judge, item, rating). UsageError for a cell that is there twice or not at all."""
    judges, items = sorted({judge for judge, _, _ in rows}), sorted({item for _, item, _ in rows})
    cells: dict[tuple[str, str], float] = {}
    for line, (judge, item, rating) in enumerate(rows, 2):
        if (judge, item) in cells:
            raise UsageError(f"{where} line {line}: judge '{judge}' rates item '{item}' twice")
        cells[judge, item] = rating
    for judge in judges:
        for item in items:
            if (judge, item) not in cells:
                raise UsageError(f"{where}: judge '{judge}' has no rating of item '{item}'; expected one in each cell")
    return [[cells[judge, item] for item in items] for judge in judges]


@dataclass(frozen=True)
class Consequence:
    """What a cut would do to a group: how many of its people would pass, at the cut and at both ends of its interval."""

    group: str
    people: int
    passing: int
    passing_low: int | None
    passing_high: int | None
    errors_alone: int  # people at or above the cut who fail by critical errors alone
    borderline: int | None  # within 1.96 SEM of the cut; None where no SEM is known


def consequences(standard: Standard, groups: Mapping[str, Scores]) -> list[Consequence]:
    """Return what the cut would do to each group. The cut as it is signed counts: in thousandths."""
    return [_consequence(standard, name, scores) for name, scores in groups.items()]


def _consequence(standard: Standard, name: str, scores: Scores) -> Consequence:
    cut = round(1000 * standard.cut) / 1000

    def passing(at: float) -> int:
        return sum(v >= at and scores.errors.get(who, 0) <= standard.critical_allowed for who, v in scores.by_person.items())

    low, high = standard.interval or (None, None)
    values = scores.by_person.values()
    return Consequence(
        group=name,
        people=len(scores.by_person),
        passing=passing(cut),
        passing_low=None if low is None else passing(low),
        passing_high=None if high is None else passing(high),
        errors_alone=sum(v >= cut for v in values) - passing(cut),
        borderline=None if standard.sem is None else sum(abs(v - cut) < 1.96 * standard.sem for v in values),
    )
