"""Radiofrequency: nerve destroyed, how the tip lay to it, tests before heating, and what else was heated.

Until a first lesion is started there is nothing to measure (None); lengths and counts then begin at 0.
"""

from __future__ import annotations

from scoring.metrics.base import Measure, Moment, metric

LEG = ("root", "ganglion", "ramus")
SENSORY_HZ = 20
"""Stimulation from this frequency on is sensory, below it motor (as `rf.sensory_from_hz` of lesions.toml)."""


def _branch(now: Moment) -> bool:
    """Return True for a lesion of a medial branch of the planned level and side."""
    if now.kind != "nerve_lesioned" or now["kind"] != "medial_branch":
        return False
    return (now["nerve_level"], now["nerve_side"]) == (now.before.level, now.before.side)


def _begun(m: Measure, now: Moment) -> Measure:
    """Return the measure, from the start of the first lesion on with the value 0."""
    return m.set(0, now) if m.value is None and now.kind == "lesion_started" else m


def _most(m: Measure, now: Moment, field: str) -> Measure:
    m = _begun(m, now)
    if not _branch(now) or now[field] <= int(m.value or 0):
        return m
    return m.set(now[field], now, f"{now[field] / 1000:.1f} mm of {now['name'].replace('_', ' ')}.")


@metric("nerve_lesion_um", "um")
def nerve_lesion_um(m: Measure, now: Moment) -> Measure:
    """Take the length of the planned medial branch in all lesions so far (its axis, overlaps counted once)."""
    return _most(m, now, "total_um")


@metric("nerve_lesion_whole_um", "um")
def nerve_lesion_whole_um(m: Measure, now: Moment) -> Measure:
    """Take the greatest length of the planned medial branch that one lesion enclosed with its whole thickness."""
    return _most(m, now, "whole_um")


@metric("nerve_lesion_small_um", "um")
def nerve_lesion_small_um(m: Measure, now: Moment) -> Measure:
    """Take the greatest length of the planned medial branch in one lesion, were lesions as small as the older figures say."""
    return _most(m, now, "small_um")


@metric("nerve_angle_mdeg", "mdeg")
def nerve_angle_mdeg(m: Measure, now: Moment) -> Measure:
    """Measure the least angle between the active tip and the nearest medial branch over all lesions that were finished."""
    if now.kind != "lesion_made" or now["reason"] != "done" or not now["nearest_branch"]:
        return m
    if m.value is not None and now["branch_mdeg"] >= m.value:
        return m
    return m.set(
        now["branch_mdeg"], now, f"Tip {now['branch_mdeg'] / 1000:.0f} degrees to {now['nearest_branch'].replace('_', ' ')}."
    )


@metric("lesions_made", "count")
def lesions_made(m: Measure, now: Moment) -> Measure:
    """Count lesions that ran for their whole time."""
    return m.count(now) if now.kind == "lesion_made" and now["reason"] == "done" else _begun(m, now)


@metric("leg_nerves_lesioned", "count")
def leg_nerves_lesioned(m: Measure, now: Moment) -> Measure:
    """Count lesions that reached a root, a ganglion or a ventral ramus."""
    if now.kind != "nerve_lesioned" or now["kind"] not in LEG:
        return _begun(m, now)
    return m.count(now, f"The lesion reached {now['name'].replace('_', ' ')}.")


@metric("sac_lesions", "count")
def sac_lesions(m: Measure, now: Moment) -> Measure:
    """Count lesions that reached the thecal sac."""
    return m.count(now, "The lesion reached the thecal sac.") if now.kind == "sac_heated" else _begun(m, now)


def _tested(m: Measure, now: Moment, sensory: bool, why: str) -> Measure:
    """Fold: every lesion was started at a position at which a stimulation of this kind had been tried without harm."""
    if now.kind == "stimulated" and (now["frequency_hz"] >= SENSORY_HZ) == sensory:
        clear = now["twitch"] != "leg"
        return Measure(m.value, m.ticks, m.why, (now.before.position, clear))
    if now.kind != "lesion_started":
        return m
    here = m.memo is not None and m.memo == (now.before.position, True)
    if m.value is False:
        return m
    return Measure(here, (now.tick,), "" if here else why, m.memo)


@metric("sensory_tested", "bool")
def sensory_tested(m: Measure, now: Moment) -> Measure:
    """Tell whether sensory stimulation was given at the position of every lesion before it started; none without a lesion."""
    return _tested(m, now, True, "A lesion was started without sensory stimulation at that position.")


@metric("motor_tested_clear", "bool")
def motor_tested_clear(m: Measure, now: Moment) -> Measure:
    """Tell whether the last motor stimulation at the position of every lesion moved no leg; none without a lesion."""
    return _tested(m, now, False, "A lesion was started without motor stimulation there, or although the leg had moved.")
