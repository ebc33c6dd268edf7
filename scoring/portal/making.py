"""From what a committee said on the guided page to a standard: groups of the programme, ratings, limits."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scoring import setting
from scoring.cohort import Cohort as Rows
from scoring.portal.models import Attempt, Cohort, Programme, StandardDraft
from scoring.portal.rows import now, rows_of
from scoring.setting import Consequence, Scores, Setting, TooFew
from scoring.standard import Standard
from sim.errors import UsageError

METHODS = (
    ("contrasting-groups", "Contrasting groups: the cut where novices and experts of this programme part"),
    ("angoff", "Angoff: judges say how likely a just acceptable person succeeds at each item (a cross-check)"),
    ("hofstee", "Hofstee: a compromise between acceptable cuts and acceptable failure rates (a cross-check)"),
)
MOST_CELLS = 5000


@dataclass(frozen=True)
class Shown:
    """What the page shows before anything counts. why: why the cut is provisional, "" for one that will stand."""

    standard: Standard
    why: str
    consequences: list[Consequence] = field(default_factory=list)
    scores: list[tuple[str, list[float]]] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """SHA-256 over what was shown: who signs must have seen these very numbers."""
        body = replace(self.standard, who="", decided="", expires="").body()
        return hashlib.sha256(repr((sorted(body.items(), key=lambda kv: kv[0]), self.consequences)).encode()).hexdigest()


def shown(draft: StandardDraft, who: str = "-") -> Shown:
    """Return the standard that a draft makes now, and what would follow. UsageError, one line, where it makes none."""
    terms = draft.terms
    plan = Setting(
        procedure=terms["procedure"],
        who=who,
        scale=terms["scale"],
        items=terms["items"],
        critical_allowed=terms["critical_allowed"],
        months=terms["months"],
        provisional=False,
        now=now(),
    )
    try:
        return _made(draft, plan, "")
    except TooFew as error:
        return _made(draft, replace(plan, provisional=True), str(error).removesuffix(", or --provisional"))


def _made(draft: StandardDraft, plan: Setting, why: str) -> Shown:
    if not draft.data:
        raise UsageError("no data yet")
    return {"contrasting-groups": _contrasting, "angoff": _angoff, "hofstee": _hofstee}[draft.method](draft, plan, why)


def group(programme: Programme, pks: Sequence[int], plan: Setting, what: str) -> Scores:
    """Return the scores of everybody in cohorts of the programme: first attempts that this server has verified."""
    cohorts = Cohort.objects.filter(programme=programme, pk__in=pks)
    attempts = Attempt.objects.filter(programme=programme, learner__cohort__in=cohorts, status__in=("verified", "interrupted"))
    return setting.scores_of(Rows(rows_of(attempts.distinct())), plan.procedure, plan.scale, plan.items, what, f"the {what}s")


def _contrasting(draft: StandardDraft, plan: Setting, why: str) -> Shown:
    low = group(draft.programme, draft.data["novices"], plan, "novice")
    high = group(draft.programme, draft.data["experts"], plan, "expert")
    made = setting.contrasting_standard(plan, low, high)
    people = {"novices": low, "experts": high}
    return _with(made, why, people | _others(draft, plan, [*draft.data["novices"], *draft.data["experts"]]))


def _angoff(draft: StandardDraft, plan: Setting, why: str) -> Shown:
    rounds = draft.data["rounds"]
    digests = [hashlib.sha256(repr(one).encode()).hexdigest() for one in rounds]
    tables = [setting.ratings_table([tuple(cell) for cell in one], f"round {n}") for n, one in enumerate(rounds, 1)]
    return _with(setting.angoff_standard(plan, tables, digests), why, _others(draft, plan, []))


def _hofstee(draft: StandardDraft, plan: Setting, why: str) -> Shown:
    people = group(draft.programme, draft.data["learners"], plan, "learner")
    limits = tuple(float(v) for v in draft.data["limits"])
    assert len(limits) == 4
    made = setting.hofstee_standard(
        plan, list(people.by_person.values()), limits, people.digests, f"{len(people.digests)} record ids, {people.status}"
    )
    return _with(made, why, {"learners": people} | _others(draft, plan, draft.data["learners"]))


def _others(draft: StandardDraft, plan: Setting, used: list[int]) -> dict[str, Scores]:
    """Return the scores of the programme's other cohorts: whom the cut will meet."""
    found = {}
    for one in Cohort.objects.filter(programme=draft.programme).exclude(pk__in=used).order_by("name"):
        try:
            found[f"cohort {one.name}"] = group(draft.programme, [one.pk], plan, "learner")
        except UsageError:
            continue  # nobody in it has the attempts that the cut is about
    return found


def _with(made: Standard, why: str, groups: dict[str, Scores]) -> Shown:
    scores = [(name, sorted(found.by_person.values())) for name, found in groups.items()]
    return Shown(made, why, setting.consequences(made, groups), scores)


def read_ratings(text: str) -> list[list[Any]]:
    """Return (judge, item, rating) of a pasted or uploaded round. UsageError, one line, for what is none."""
    reader = csv.DictReader(io.StringIO(text.strip()), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise UsageError(f"the ratings: {error}; expected CSV with the columns judge,item,rating") from None
    missing = [name for name in ("judge", "item", "rating") if name not in (reader.fieldnames or [])]
    if missing or not rows:
        raise UsageError(f"the ratings: {'lack ' + ', '.join(missing) if missing else 'no rows'}; expected judge,item,rating")
    if len(rows) > MOST_CELLS:
        raise UsageError(f"the ratings: {len(rows)} rows; expected at most {MOST_CELLS}")
    out = [[_name(row["judge"]), _name(row["item"]), _chance(row["rating"], n)] for n, row in enumerate(rows, 2)]
    setting.ratings_table([tuple(cell) for cell in out], "the ratings")  # type: ignore[misc]
    return out


def _name(text: str | None) -> str:
    return (text or "").strip()[:120]


def _chance(text: str | None, line: int) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UsageError(f"the ratings, line {line}: '{(text or '')[:20]}'; expected a chance from 0 to 1")
    return value
