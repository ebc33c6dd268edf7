"""Making a standard from groups, a panel or limits: joins records, tables and scoring.statistics.standards."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.cohort import Reading, Scores, _digest, number, read_csv, scores_from
from sim.errors import UsageError

if TYPE_CHECKING:
    from scoring.cohort import Cohort
    from scoring.standard import Standard


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

    def standard(self, method: str, cut: float, groups: dict[str, int], digests: list[str], data: str, **more: Any) -> Standard:
        """Return the standard with its provenance; UsageError when the groups are too small for one that stands."""
        from scoring.standard import Standard, expiry, too_few

        why = too_few(method, groups)
        if why and not self.provisional:
            raise UsageError(why)
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
            data_digest=hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest(),
            data=data,
            **base,
        )


def contrasting_standard(plan: Setting, novices: Path, experts: Path, reading: Reading) -> Standard:
    """Return a standard from two groups of people."""
    from scoring.statistics.standards import contrasting_groups

    low = scores_from(novices, "novice", reading)
    high = scores_from(experts, "expert", reading)
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
    return plan.standard(
        "contrasting-groups",
        found.cut.value,
        groups,
        low.digests + high.digests,
        f"{len(low.digests) + len(high.digests)} {'tables' if low.status == 'table' else 'record ids, ' + _weaker(low, high)}",
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
    from scoring.cohort import Cohort
    from scoring.statistics.agreement import decision_agreement
    from scoring.statistics.decision import d_study
    from scoring.statistics.generalizability import g_study
    from scoring.summary import shared_matrix
    from sim.errors import ScottieError

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


def angoff_standard(plan: Setting, files: list[Path]) -> Standard:
    """Return a provisional standard from a panel's ratings; the cut is in percent of the scale."""
    from scoring.statistics.standards import angoff

    if not files:
        raise UsageError("--ratings is missing; expected a CSV with judge,item,rating for each round")
    found = angoff([_ratings(path) for path in files])
    error = 1.96 * found.se_judges / found.items
    detail = {"rounds": "; ".join(f"{100 * cut / found.items:.2f} (SE {100 * se / found.items:.2f})" for cut, se in found.rounds)}
    return plan.standard(
        "angoff",
        100 * found.cut_share,
        {"judges": found.judges, "items": found.items},
        [_digest(path) for path in files],
        f"{len(files)} rounds of ratings",
        interval=(100 * (found.cut_share - error), 100 * (found.cut_share + error)),
        detail=detail,
    )


def _ratings(path: Path) -> list[list[float]]:
    rows = read_csv(path, ("judge", "item", "rating"))
    judges, items = sorted({r["judge"] for r in rows}), sorted({r["item"] for r in rows})
    cells: dict[tuple[str, str], float] = {}
    for line, row in enumerate(rows, 2):
        if (place := (row["judge"], row["item"])) in cells:
            raise UsageError(f"{path} line {line}: judge '{place[0]}' rates item '{place[1]}' twice")
        cells[place] = number(path, line, "rating", row["rating"])
    for judge in judges:
        for item in items:
            if (judge, item) not in cells:
                raise UsageError(f"{path}: judge '{judge}' has no rating of item '{item}'; expected one in each cell")
    return [[cells[judge, item] for item in items] for judge in judges]


def hofstee_standard(plan: Setting, scores: Path, limits: str | None) -> Standard:
    """Return a provisional standard by Hofstee's compromise."""
    from scoring.statistics.standards import hofstee

    try:
        kmin, kmax, fmin, fmax = (float(v) for v in (limits or "").split(","))
    except ValueError:
        raise UsageError(f"--limits {limits}; expected four numbers kmin,kmax,fmin,fmax") from None
    rows = read_csv(scores, ("learner", "score"))
    values = [number(scores, line, "score", row["score"]) for line, row in enumerate(rows, 2)]
    found = hofstee(values, kmin, kmax, fmin, fmax)
    detail = {"limits": f"cut {kmin:g} to {kmax:g}, failing {fmin:g} to {fmax:g} %"}
    if not found.meets:
        detail["no meeting point"] = found.note
    return plan.standard(
        "hofstee",
        found.cut,
        {"learners": len(values)},
        [_digest(scores)],
        "1 table",
        rates={"failing": found.fail_percent / 100},
        detail=detail,
    )
