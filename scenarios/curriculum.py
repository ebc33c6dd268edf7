"""The way from drills to hard cases, read from one's own attempts: map, next step, goals, streak, case of the day.

Everything here is for practice: it opens, closes and scores nothing in an assessment. Safety comes first and haste never
counts: no goal, record or order looks at time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from scenarios.history import Done
from scenarios.registry import Scenario, all_scenarios
from scenarios.toml_file import Quantity, Strict, load
from sim.rng import stream

FILE = Path(__file__).with_name("curriculum.toml")


class StageTable(Strict):
    """One stage: the cases of a procedure of these difficulties, worth trying after other stages."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: str
    why: str
    procedure: str
    difficulty: list[str]
    after: list[str]


class RulesTable(Strict):
    """When a stage counts as learned: the last `safe_runs` attempts, among them `different` cases or patients."""

    safe_runs: Quantity
    different: Quantity


class CurriculumFile(Strict):
    """scenarios/curriculum.toml."""

    rules: RulesTable
    stage: list[StageTable]

    @model_validator(mode="after")
    def _leads_somewhere(self) -> CurriculumFile:
        known: set[str] = set()
        for stage in self.stage:
            missing = [name for name in stage.after if name not in known]
            if missing:
                raise ValueError(f"stage '{stage.id}' comes after '{missing[0]}', which does not stand before it")
            known.add(stage.id)
        if len(known) < len(self.stage):
            raise ValueError("two stages have the same id; expected every id once")
        return self


@dataclass(frozen=True)
class Best:
    """One's own record and last attempt at a scenario; None without one. Records come from passed attempts alone."""

    scenario: str
    attempts: int
    last: Done | None
    best: Done | None
    """Passed, most points; among equals the smaller tip error, then fewer exposures, then less dose. Never time."""


@dataclass(frozen=True)
class Stop:
    """A stage of the map. open: the stages before it are learned. safe, needed: the newest attempts in a row that count."""

    id: str
    title: str
    why: str
    procedure: str
    cases: tuple[str, ...]
    open: bool
    learned: bool
    safe: int
    needed: int
    missing: str
    """What is still missing, in words; "" when learned."""


@dataclass(frozen=True)
class DayCase:
    """The case that everybody gets on one UTC date."""

    day: date
    scenario: str
    title: str
    seed: int
    done: bool
    passed: bool


@dataclass(frozen=True)
class Streak:
    """Attempts in a row without a critical error, newest backwards; `best` is the longest ever. Days play no part."""

    length: int
    best: int


@dataclass(frozen=True)
class Aim:
    """A small goal at a scenario, from one's own best: every limit is to be kept in one passed attempt."""

    scenario: str
    text: str
    least_points: int = 0
    most_tip_error_um: int | None = None
    most_exposures: int | None = None
    most_dap_pgy_m2: int | None = None

    def reached(self, done: Done) -> bool:
        """Return whether an attempt reached it. Never without having passed."""
        limits = (
            (done.tip_error_um, self.most_tip_error_um),
            (done.exposures, self.most_exposures),
            (done.dap_pgy_m2, self.most_dap_pgy_m2),
        )
        if done.scenario != self.scenario or not done.safe or done.points < self.least_points:
            return False
        return all(most is None or (value is not None and value <= most) for value, most in limits)


@dataclass(frozen=True)
class Advice:
    """What to do next: a scenario with a seed that was not yet played, and why."""

    scenario: str
    seed: int
    why: str


@cache
def load_curriculum(path: Path = FILE) -> CurriculumFile:
    """Return the stages and rules; DataError (file, key, value, expected) when the file is wrong."""
    return load(path, CurriculumFile)


def best_of(attempts: Sequence[Done], scenario: str) -> Best:
    """Return one's own record at a scenario. attempts: oldest first (scenarios.history.read_attempts)."""
    mine = [done for done in attempts if done.scenario == scenario]
    good = [done for done in mine if done.safe]
    return Best(scenario, len(mine), mine[-1] if mine else None, min(good, key=_rank) if good else None)


_MOST = 2**62


def _rank(done: Done) -> tuple[int, int, int, int]:
    tip = _MOST if done.tip_error_um is None else done.tip_error_um
    return -done.points, tip, done.exposures, done.dap_pgy_m2


def curriculum_map(attempts: Sequence[Done], scenarios: Sequence[Scenario] | None = None) -> list[Stop]:
    """Return all stages in order. A case that no stage names gets a stage of its procedure at the end, open at once."""
    cases = _cases(scenarios)
    file = load_curriculum()
    stops: list[Stop] = []
    placed: set[str] = set()
    learned: set[str] = set()
    for stage in file.stage:
        mine = tuple(s.id for s in cases if s.file.procedure == stage.procedure and s.file.difficulty in stage.difficulty)
        placed.update(mine)
        if mine:
            stop = _stop(stage, mine, attempts, set(stage.after) <= learned, file.rules)
            stops.append(stop)
        if not mine or stop.learned:  # a stage without cases blocks nobody
            learned.add(stage.id)
    rest = sorted({s.file.procedure for s in cases if s.id not in placed})
    for procedure in rest:
        mine = tuple(s.id for s in cases if s.file.procedure == procedure and s.id not in placed)
        stage = StageTable(id=f"more-{len(stops)}", title=procedure, why="", procedure=procedure, difficulty=[], after=[])
        stops.append(_stop(stage, mine, attempts, True, file.rules))
    return stops


def _cases(scenarios: Sequence[Scenario] | None) -> list[Scenario]:
    found = all_scenarios()[0] if scenarios is None else scenarios
    return [s for s in found if not s.file.retired]


def _stop(stage: StageTable, cases: tuple[str, ...], attempts: Sequence[Done], open_: bool, rules: RulesTable) -> Stop:
    needed, different = round(rules.safe_runs.value), round(rules.different.value)
    row = _newest_safe([done for done in attempts if done.scenario in cases])
    kinds = len({(done.scenario, done.seed) for done in row[:needed]})
    if stage.procedure == "drill":  # every drill trains something else: each is wanted once
        left = [case for case in cases if not any(done.safe for done in attempts if done.scenario == case)]
        needed, safe, learned = len(cases), len(cases) - len(left), not left
        missing = "" if learned else f"pass {_few([name.removeprefix('drill-') for name in left])}"
    else:
        safe, learned = min(len(row), needed), len(row) >= needed and kinds >= different
        missing = "" if learned else _missing(needed - safe, different - kinds)
    return Stop(stage.id, stage.title, stage.why, stage.procedure, cases, open_, learned, safe, needed, missing)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _missing(runs: int, kinds: int) -> str:
    if runs <= 0:
        return "the same once more on another case or patient"
    more = f"{runs} more passed attempt{'s' if runs > 1 else ''} in a row without a critical error"
    return more + (", on more than one case or patient" if kinds > 0 else "")


def _newest_safe(attempts: Sequence[Done]) -> list[Done]:
    """Return the attempts from the newest backwards up to the first that was not passed safely."""
    row: list[Done] = []
    for done in reversed(attempts):
        if not done.safe:
            break
        row.append(done)
    return row


def streak(attempts: Sequence[Done]) -> Streak:
    """Return how many finished attempts in a row had no critical error (drills do not count: nobody can be harmed)."""
    best = now = 0
    for done in attempts:
        if done.finished and done.procedure != "drill":
            now = 0 if done.critical_errors else now + 1
            best = max(best, now)
    return Streak(now, best)


def case_of_the_day(day: date, attempts: Sequence[Done] = (), scenarios: Sequence[Scenario] | None = None) -> DayCase:
    """Return the case of a UTC date: the same scenario and patient for everybody with the same set of cases.

    Cases with findings are left out: not every patient can be laid with them. Nothing is counted from day to day, so a clock
    that is set back shows an earlier case again and breaks nothing.
    """
    cases = [s for s in _cases(scenarios) if s.file.procedure != "drill" and not s.patient and not s.file.pathology]
    draw = stream(day.toordinal(), "case of the day")
    chosen = cases[int(draw.integers(0, len(cases)))]
    seed = int(draw.integers(1_000, 1_000_000))
    mine = [done for done in attempts if (done.scenario, done.seed) == (chosen.id, seed) and done.finished]
    return DayCase(day, chosen.id, chosen.file.title, seed, bool(mine), any(done.safe for done in mine))


def aims(attempts: Sequence[Done], scenario: str) -> list[Aim]:
    """Return up to two small goals at a scenario from one's own attempts; [] before the first attempt.

    Safety comes first: before a passed attempt without critical error there is no other goal; then the whole checklist;
    then as accurate with fewer exposures, or less dose. Time is never a goal.
    """
    own = best_of(attempts, scenario)
    if own.last is None:
        return []
    if own.best is None:
        errors = ", ".join(own.last.critical_errors)
        return [Aim(scenario, f"pass without {errors}" if errors else "pass without a critical error")]
    best = own.best
    if best.points < best.points_possible:
        more = best.points_possible - best.points
        step = f"pass again with {min(2, more)} more of the {more} missing points of the checklist"
        return [Aim(scenario, step, least_points=best.points + min(2, more))]
    return _finer(scenario, best)


def _finer(scenario: str, best: Done) -> list[Aim]:
    out = []
    if best.exposures > _FEWEST:
        fewer = min(2, best.exposures - _FEWEST)
        what = "two exposures fewer" if fewer == 2 else "one exposure fewer"
        out.append(Aim(scenario, f"the same accuracy, {what}", best.points, best.tip_error_um, best.exposures - fewer))
    if best.dap_pgy_m2:
        less = best.dap_pgy_m2 * 9 // 10
        out.append(Aim(scenario, "the same accuracy, a tenth less dose", best.points, best.tip_error_um, None, less))
    return out


_FEWEST = 4
"""Pictures below which no goal asks for fewer: counting, the working view, AP and lateral at the end."""


def next_step(attempts: Sequence[Done], scenarios: Sequence[Scenario] | None = None) -> Advice:
    """Return what to do next: what failed last once more, else the least practised case of the first stage not yet learned."""
    stops = curriculum_map(attempts, scenarios)
    stop = next((s for s in stops if s.open and not s.learned), stops[-1])
    tried = {case: [d for d in attempts if d.scenario == case] for case in stop.cases}
    failed = [d for d in attempts if d.scenario in tried and d is tried[d.scenario][-1] and not d.safe]
    if failed:
        case, why = failed[-1].scenario, "the last attempt at it was not passed"
    else:
        order = {s.id: ("easy", "medium", "hard").index(s.file.difficulty) for s in _cases(scenarios)}
        case = min(stop.cases, key=lambda name: (len([d for d in tried[name] if d.safe]), order[name], name))
        why = f"{stop.title}: {stop.missing or 'all stages are learned; keep them'}"
    used = [d.seed for d in attempts if d.scenario == case]
    return Advice(case, max(used, default=0) + 1, why)
