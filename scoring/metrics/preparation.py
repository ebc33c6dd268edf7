"""Before the needle: chart, consent, time-out, skin, counting the level."""

from __future__ import annotations

from scoring.metrics.base import Measure, Moment, metric


def _before_needle(m: Measure, now: Moment, kind: str, why: str) -> Measure:
    if m.value or now.kind != kind or now.before.placed:
        return m
    return m.set(True, now, why)


@metric("chart_reviewed", "bool", False)
def chart_reviewed(m: Measure, now: Moment) -> Measure:
    """Tell whether the chart was reviewed before the first needle was placed."""
    return _before_needle(m, now, "chart_reviewed", "Chart reviewed before the needle.")


@metric("consent_taken", "bool", False)
def consent_taken(m: Measure, now: Moment) -> Measure:
    """Tell whether consent was taken before the first needle was placed."""
    return _before_needle(m, now, "consent_taken", "Consent taken before the needle.")


@metric("skin_prepped", "bool", False)
def skin_prepped(m: Measure, now: Moment) -> Measure:
    """Tell whether the skin was prepared before the first needle was placed."""
    return _before_needle(m, now, "skin_prepped", "Skin prepared before the needle.")


@metric("timeout_called", "bool", False)
def timeout_called(m: Measure, now: Moment) -> Measure:
    """Tell whether a time-out was called before the first needle was placed, whatever it named."""
    return _before_needle(m, now, "timeout_called", "Time-out called before the needle.")


@metric("timeout_correct", "bool", False)
def timeout_correct(m: Measure, now: Moment) -> Measure:
    """Tell whether the last time-out before the first needle named the planned level and side."""
    if now.kind != "timeout_called" or now.before.placed:
        return m
    said = f"Time-out named {now['level']} {now['side']}"
    if now["correct"]:
        return m.set(True, now, f"{said}, as planned.")
    return m.set(False, now, f"{said}; planned was {now.before.level} {now.before.side}.")


@metric("placed_without_timeout", "count", 0)
def placed_without_timeout(m: Measure, now: Moment) -> Measure:
    """Count needle placements before which no time-out had named the planned level and side."""
    if now.kind == "timeout_called":
        return Measure(m.value, m.ticks, m.why, bool(now["correct"]))
    if now.kind == "needle_placed" and not m.memo:
        return m.count(now, "The needle was placed before a time-out had named the planned level and side.")
    return m


@metric("level_counted", "bool", False)
def level_counted(m: Measure, now: Moment) -> Measure:
    """Tell whether the planned level was declared before the needle, after an AP exposure that showed the sacrum or S1."""
    if now.kind == "exposed" and now["view"] == "ap":
        seen = now.settings.counting_landmarks & set(now["in_field"])
        return m if not seen or m.memo else Measure(m.value, m.ticks, m.why, True)
    if now.kind != "level_declared" or now.before.placed:
        return m
    return m.set(bool(m.memo) and now["level"] == now.before.level, now, _counting(m, now))


def _counting(m: Measure, now: Moment) -> str:
    if now["level"] != now.before.level:
        return f"{now['level']} was declared; planned was {now.before.level}."
    if not m.memo:
        return f"{now['level']} was declared before an AP picture had shown the sacrum or S1."
    return f"{now['level']} declared after an AP picture with the sacrum in the field."
