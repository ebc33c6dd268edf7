"""Foundation drills: how many questions were answered, and how far the answers were off."""

from __future__ import annotations

from scoring.metrics.base import Measure, Moment, metric


def _of(m: Measure, now: Moment, unit: str) -> bool:
    return now.kind == "drill_answered" and now["unit"] == unit


def _worst(m: Measure, now: Moment, value: int, words: str) -> Measure:
    """Keep the largest value; its reason names the question."""
    if m.value is not None and value <= int(m.value):
        return m
    return m.set(value, now, f"Question {now['number']} ({now['wanted']}): {words}.")


def _mean(m: Measure, now: Moment, value: int, unit: str) -> Measure:
    total, count = m.memo or (0, 0)
    total, count = total + value, count + 1
    mean = (2 * total + count) // (2 * count)
    why = f"{mean / 1000:.1f} {unit} off in the mean of {count}."
    return Measure(mean, (*m.ticks, now.tick), why, (total, count))


@metric("drill_left", "count")
def drill_left(m: Measure, now: Moment) -> Measure:
    """Count the questions of the drill that have no answer yet."""
    if now.kind == "drill_asked" and m.value is None:
        return m.set(now["of"], now, f"{now['of']} questions.")
    if now.kind == "drill_answered":
        left = now["of"] - now["number"]
        return m.set(left, now, f"{now['number']} of {now['of']} questions answered.")
    return m


@metric("drill_wrong", "count")
def drill_wrong(m: Measure, now: Moment) -> Measure:
    """Count wrong answers where an answer is right or wrong (a level, a choice)."""
    if not (_of(m, now, "levels") or _of(m, now, "choice")):
        return m
    if now["error"] == 0:
        return Measure(0) if m.value is None else m
    return m.count(now, f"Question {now['number']}: {now['given']}; right was {now['wanted']}.")


@metric("drill_levels_off", "count")
def drill_levels_off(m: Measure, now: Moment) -> Measure:
    """Take the largest number of levels by which a count went wrong."""
    return _worst(m, now, now["error"], f"{now['given']} in the middle") if _of(m, now, "levels") else m


@metric("drill_mean_um", "um")
def drill_mean_um(m: Measure, now: Moment) -> Measure:
    """Take the mean distance between answer and target, at the target."""
    return _mean(m, now, now["error"], "mm") if _of(m, now, "um") else m


@metric("drill_worst_um", "um")
def drill_worst_um(m: Measure, now: Moment) -> Measure:
    """Take the largest distance between answer and target, at the target."""
    return _worst(m, now, now["error"], f"{now['error'] / 1000:.1f} mm off") if _of(m, now, "um") else m


@metric("drill_mean_mdeg", "mdeg")
def drill_mean_mdeg(m: Measure, now: Moment) -> Measure:
    """Take the mean angle between the view answered with and the one asked for."""
    return _mean(m, now, now["error"], "degrees") if _of(m, now, "mdeg") else m


@metric("drill_worst_mdeg", "mdeg")
def drill_worst_mdeg(m: Measure, now: Moment) -> Measure:
    """Take the largest angle between the view answered with and the one asked for."""
    return _worst(m, now, now["error"], f"{now['error'] / 1000:.1f} degrees off") if _of(m, now, "mdeg") else m


@metric("drill_off_um", "um")
def drill_off_um(m: Measure, now: Moment) -> Measure:
    """Take the largest distance of a place asked for from the middle of the picture answered with, at that place."""
    if not (_of(m, now, "mdeg") or _of(m, now, "levels")):
        return m
    return _worst(m, now, now["off_um"], f"{now['off_um'] / 1000:.0f} mm from the middle of the picture")
