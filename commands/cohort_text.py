"""A cohort's summary (scoring.summary) in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scoring.summary import Plan

MOST = 20


def _band(part: dict[str, Any], percent: bool = True, digits: int = 0) -> str:
    """Return "62 % (95 % 41 to 80)"."""
    scale, unit = (100, " %") if percent else (1, "")
    value = f"{scale * part['value']:.{digits}f}{unit}"
    if part["low"] is None:
        return value
    high = "?" if part["high"] is None else f"{scale * part['high']:.{digits}f}"
    return f"{value} ({100 * part['level']:g} % interval {scale * part['low']:.{digits}f} to {high})"


def lines(summary: dict[str, Any], plan: Plan) -> Iterator[str]:
    """Yield the lines of a summary."""
    verdicts = ", ".join(f"{n} {name}" for name, n in summary["verdicts"].items())
    yield f"{summary['files']} files, {summary['attempts']} attempts, {summary['learners']} learners: {verdicts}"
    if "sealed" in summary["verdicts"]:
        yield "  sealed: chain and signature hold, nothing was replayed (--verify replays)"
    yield from _some("refused", [f"{r['file']}: {r['status']}: {r['reason']}" for r in summary["refused"]])
    doubles = [f"{d['record_id'][:16]}...: {', '.join(d['files'])}" for d in summary["duplicates"]]
    yield from _some("the same attempt more than once (counted once)", doubles)
    yield from _some("clock", summary["clock"])
    for name, part in summary["procedures"].items():
        yield ""
        yield from _procedure(name, part, plan)


def _some(title: str, rows: list[str]) -> Iterator[str]:
    if rows:
        yield f"{title}: {len(rows)}"
        yield from (f"  {row}" for row in rows[:MOST])
        if len(rows) > MOST:
            yield f"  and {len(rows) - MOST} more (--json has all)"


def _procedure(name: str, part: dict[str, Any], plan: Plan) -> Iterator[str]:
    yield f"{name}: {part['attempts']} attempts, {part['interrupted']} interrupted"
    yield f"  first attempts passed: {_band(part['first_pass_rate'])} of {part['first_attempts']}"
    design = part["lc_cusum_design"]
    if "none" in design:
        yield f"  LC-CUSUM: {design['none']}"
    else:
        yield f"  LC-CUSUM (practice feedback, no verdict): p0 {design['p0']:g}, p1 {design['p1']:g}, limit {design['h']:.3f}"
        yield (
            f"    for {design['horizon']} attempts: false signal {100 * design['false_signal']:.1f} %, "
            f"power {100 * design['power']:.0f} %, {design['straight']} straight successes"
        )
    yield f"  {'learner':<24} {'tries':>5} {'first passed':>13}  {'CUSUM':<12} {'LC-CUSUM':<26} standing"
    for row in part["learners"]:
        yield from _learner(row)
    yield from _critical(part["critical_errors"])
    yield from _reliability(part["g_study"], part["value"])
    for group, found in part["fairness"].items():
        yield from _fairness(group, found)


def _learner(row: dict[str, Any]) -> Iterator[str]:
    lc = row["lc_cusum"]
    if "none" in lc:
        told = "-"
    elif lc["signal_at"]:
        told = f"signal at attempt {lc['signal_at']}"
    else:
        told = f"{lc['value']:.2f} of {lc['limit']:.2f}, {lc['straight_left']} more"
    first, state = f"{row['first_passed']} of {len(row['first'])}", row["cusum"].get("state", "-")
    yield f"  {row['learner']:<24} {row['attempts']:>5} {first:>13}  {state:<12} {told:<26} {row['standing']['text']}"
    if row["interrupted"]:
        yield f"    {row['interrupted']} interrupted (in the charts a failure)"
    if "none" not in lc and lc["beyond_horizon"]:
        yield f"    {lc['beyond_horizon']} attempts beyond the horizon are not in the chart"
    curve = row["curve"]
    if "none" not in curve:
        reach = curve["attempts_to_target"]
        when = "not reached" if reach is None else f"attempt {_band(reach, percent=False, digits=1)}"
        yield f"    learning curve: plateau {_band(curve['plateau'], percent=False, digits=1)}; {curve['target']:g} at: {when}"
    if row["best_of"]:
        yield f"    {row['best_of']}"


def _critical(table: dict[str, Any]) -> Iterator[str]:
    if not table:
        yield "  critical errors: none in the scored attempts"
        return
    yield "  critical errors          attempts  learners  rate"
    for name, row in table.items():
        yield f"    {name:<22} {row['attempts']:>8}  {row['learners']:>8}  {_band(row['rate'], digits=1)}"


def _reliability(part: dict[str, Any], value: str) -> Iterator[str]:
    if "none" in part:
        yield f"  reliability of {value}: none: {part['none']}"
        return
    phi = part["intervals"]["phi"]
    told = _band(phi, percent=False, digits=2) if "none" not in phi else f"{part['now']['Phi']:.2f} (no interval: {phi['none']})"
    yield f"  reliability of {value} ({part['learners']} learners x {part['items']} items, {part['method']}): Phi {told}"
    yield (
        f"    Erho2 {part['now']['Erho2']:.2f}, SEM of a person's mean {part['now']['sem_absolute']:.2f}, "
        f"person share of one attempt {100 * part['person_share']:.0f} %"
    )
    if part["negative_set_to_zero"]:
        yield f"    negative variance set to 0: {', '.join(part['negative_set_to_zero'])}"
    need = ", ".join(f"{n} for Phi .{goal}" for goal in (80, 90) if (n := part[f"items_for_phi_{goal}"]) is not None)
    yield f"    items needed: {need or 'no number of items reaches Phi .80'}"


def _fairness(group: str, part: dict[str, Any]) -> Iterator[str]:
    if "none" in part:
        yield f"  fairness, {part['none']}" if part["none"].startswith(group) else f"  fairness, {group}: {part['none']}"
        return
    small = ", ".join(f"{name} ({n})" for name, n in part["too_small"].items())
    left = f"; too small to compare: {small}" if small else ""
    yield f"  fairness by {group}: {part['comparisons']} comparisons (p adjusted by Holm){left}"
    for gap in part["gaps"]:
        flag = "  BELOW FOUR FIFTHS" if gap["below_four_fifths"] else ""
        yield (
            f"    {gap['first']} v {gap['second']} ({gap['n'][0]}, {gap['n'][1]}): pass-rate gap {_band(gap['pass_gap'])}, "
            f"ratio {gap['pass_ratio']['value']:.2f}, p {gap['p_holm']:.3f}{flag}"
        )
    for name, found in part["dif"].items():
        if "none" not in found:
            yield f"    {name}: odds ratio {_band(found['odds_ratio'], percent=False, digits=2)}, {found['size']}"
