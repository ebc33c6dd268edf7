"""Blocks of medial branches: which nerves the drug wetted, how much was given at each, and where else it went."""

from __future__ import annotations

from scoring.metrics.base import Measure, Moment, metric

NEAR_CANAL = ("epidural", "foraminal")


def _place(name: str) -> tuple[str, str]:
    """Return (level, side) of a nerve called e.g. medial_branch_L4_right."""
    level, side = name.rsplit("_", 2)[-2:]
    return level, side


def _wetted(now: Moment) -> frozenset[tuple[str, str]]:
    """Return the medial branches that the therapeutic agent wetted here."""
    if now.kind != "branches_wetted" or now["kind"] not in now.settings.therapeutic:
        return frozenset()
    return frozenset(_place(name) for name in now["branches"])


def _told(places: frozenset[tuple[str, str]]) -> str:
    return ", ".join(f"{level} {side}" for level, side in sorted(places))


@metric("branches_missed", "count")
def branches_missed(m: Measure, now: Moment) -> Measure:
    """Count the planned medial branches that no therapeutic injection has wetted; none without such a plan."""
    if now.kind == "began":
        return m.set(1, now, "No planned nerve was blocked.") if now["approach"] == "medial_branch" else m
    if m.value is None:
        return m
    if now.kind == "planned":
        return m.set(int(m.value) + 1, now, m.why)
    if not _wetted(now):
        return m
    done = (m.memo or frozenset()) | (_wetted(now) & frozenset(now.before.goals))
    missed = frozenset(now.before.goals) - done
    why = f"Not blocked: {_told(missed)}." if missed else f"Blocked: {_told(done)}."
    return Measure(len(missed), (*m.ticks, now.tick), why, done)


@metric("branches_unplanned", "count")
def branches_unplanned(m: Measure, now: Moment) -> Measure:
    """Count the medial branches beside the planned ones that therapeutic injections wetted; none before any was given."""
    if now.treats and now.kind == "injection_stopped" and m.value is None:
        return m.set(0, now, "Only planned nerves were blocked.")
    stray = _wetted(now) - frozenset(now.before.goals)
    if not stray:
        return m
    every = (m.memo or frozenset()) | stray
    return Measure(len(every), (*m.ticks, now.tick), f"Blocked as well: {_told(every)}.", every)


@metric("block_ul", "ul")
def block_ul(m: Measure, now: Moment) -> Measure:
    """Take the largest volume of therapeutic agent that was given in all with the tip at one level and side."""
    if not now.treats or now.kind != "injection_stopped":
        return m
    given = dict(m.memo or ())
    place = (now["level"], now["side"])
    given[place] = given.get(place, 0) + now["volume_ul"]
    most = max(given, key=lambda at: (given[at], at))
    why = f"{given[most] / 1000:.2f} mL at {' '.join(most).strip() or 'no foramen'}."
    return Measure(given[most], (*m.ticks, now.tick), why, tuple(given.items()))


@metric("unspecific_blocks", "count", 0)
def unspecific_blocks(m: Measure, now: Moment) -> Measure:
    """Count therapeutic injections that wetted a root or ganglion, or whose pattern was foraminal or epidural."""
    if not now.treats or now.kind != "injection_stopped":
        return m
    if not now["levels"] and not any(word in now["pattern"] for word in NEAR_CANAL):
        return m
    inside = now["foraminal_ul"] + now["epidural_ul"]
    roots = f"; roots wetted: {', '.join(now['levels'])}" if now["levels"] else ""
    return m.count(now, f"{inside / 1000:.2f} of {now['volume_ul'] / 1000:.2f} mL reached foramen or epidural space{roots}.")
