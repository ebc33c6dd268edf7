"""Decisions beside the needle: postponing, agents to avoid, risks named, discharge, note, complications and first response.

What a case asks for stands in its opening events (`charted`). Without a chart there is nothing to measure.
"""

from __future__ import annotations

from dataclasses import replace

from scoring.metrics.base import Measure, Moment, metric


def _asked(now: Moment, must: str) -> bool:
    return now.kind == "charted" and now["must"] == must


def _said(word: str) -> str:
    return word.replace("_", " ")


@metric("postponed_rightly", "bool")
def postponed_rightly(m: Measure, now: Moment) -> Measure:
    """Tell whether the case was postponed before any needle, for a reason that the chart gives; none where it gives none."""
    if _asked(now, "postpone"):
        return replace(m.set(False, now, f"Not postponed. {now['says']}"), memo=(*(m.memo or ()), (now["what"], now["says"])))
    if m.memo is None or now.kind != "case_postponed" or now.before.placed:
        return m
    says = dict(m.memo).get(now["reason"])
    if says is None:
        return replace(m.set(False, now, f"Postponed for {_said(now['reason'])}; the chart says: {m.memo[0][1]}"), memo=m.memo)
    return replace(m.set(True, now, f"Postponed for {_said(now['reason'])}. {says}"), memo=m.memo)


@metric("went_on", "count")
def went_on(m: Measure, now: Moment) -> Measure:
    """Count needle placements in a patient whose chart asks for postponing; none where it does not ask."""
    if _asked(now, "postpone"):
        return m if m.memo else Measure(0, memo=now["says"])
    if now.kind != "needle_placed" or m.memo is None:
        return m
    return m.count(now, f"The needle was placed. {m.memo}")


@metric("postponed_fit", "count")
def postponed_fit(m: Measure, now: Moment) -> Measure:
    """Count postponements where the chart gives no reason for one; none without a chart, or where it gives one."""
    if _asked(now, "note"):
        return m if m.memo else m.set(0, now)
    if _asked(now, "postpone"):
        return Measure(memo=True)
    if m.value is None or now.kind != "case_postponed":
        return m
    return m.count(now, f"Postponed for {_said(now['reason'])}; the chart gives no reason to.")


@metric("forbidden_agents", "count")
def forbidden_agents(m: Measure, now: Moment) -> Measure:
    """Count injections of an agent, or of a kind of agent, that the chart rules out; none where it rules out none."""
    if _asked(now, "avoid"):
        known = (*(m.memo or ()), (now["what"], now["says"]))
        return Measure(0, (), f"None given. {now['says']}", known)
    if m.memo is None or now.kind != "injection_started":
        return m
    why = next((says for what, says in m.memo if what in (now["agent"], now["kind"])), None)
    if why is None:
        return m
    first = f"{now['agent']} was given. {why}" if not m.value else m.why
    return Measure(int(m.value or 0) + 1, (*m.ticks, now.tick), first, m.memo)


@metric("risks_named", "bool")
def risks_named(m: Measure, now: Moment) -> Measure:
    """Tell whether every risk of this case was named before the first needle; none without a chart."""
    return _open(m, now, "risk", "risk_named", "risk", "Not named", until_needle=True)


@metric("discharge_done", "bool")
def discharge_done(m: Measure, now: Moment) -> Measure:
    """Tell whether every check before discharge was done after the last needle was out; none without a chart."""
    if now.kind == "needle_placed" and m.memo is not None:
        every = m.memo[0]
        return Measure(False, (now.tick,), _left("Not checked", every), (every, every))
    return _open(m, now, "discharge", "discharge_checked", "check", "Not checked", needle_out=True)


def _open(
    m: Measure, now: Moment, must: str, kind: str, field: str, words: str, until_needle: bool = False, needle_out: bool = False
) -> Measure:
    """Keep a list of what is still open: (all, open) in the memo."""
    if _asked(now, must):
        every = (*(m.memo[0] if m.memo else ()), now["what"])
        return Measure(False, (now.tick,), _left(words, every), (every, every))
    if m.memo is None or now.kind != kind:
        return m
    if (until_needle and now.before.placed) or (needle_out and (now.before.needle_in or not now.before.placed)):
        return m
    left = tuple(word for word in m.memo[1] if word != now[field])
    done = f"Done: {', '.join(_said(word) for word in m.memo[0])}."
    return Measure(not left, (now.tick,), _left(words, left) if left else done, (m.memo[0], left))


def _left(words: str, left: tuple[str, ...]) -> str:
    return f"{words}: {', '.join(_said(word) for word in left)}."


@metric("note_written", "bool")
def note_written(m: Measure, now: Moment) -> Measure:
    """Tell whether a note was written after the last needle was out, or after the case was postponed; none without a chart."""
    if _asked(now, "note"):
        return m.set(False, now, "No note.")
    if m.value is None:
        return m
    if now.kind == "needle_placed":
        return m.set(False, now, "No note after the needle.")
    if now.kind != "note_written" or now.before.needle_in:
        return m
    return m.set(True, now, f"Note written; complication: {_said(now['complication'])}.")


@metric("complications_answered", "bool")
def complications_answered(m: Measure, now: Moment) -> Measure:
    """Tell whether every complication that showed itself was named and had its first responses since; none without one.

    Signs and first responses are the rubric's ([complications]): what the patient says -> its name and responses.
    """
    signs = dict(now.settings.complications)
    if now.kind == "patient_said" and now["what"] in signs:
        name, responses = signs[now["what"]]
        known = dict(m.memo or ())
        if name in known:
            return m
        return _complications({**known, name: (name, *responses)}, now)
    if not m.memo:
        return m
    open_ = dict(m.memo)
    if now.kind == "complication_named":
        done = now["complication"]
        return _complications({k: tuple(w for w in v if k != done or w != done) for k, v in open_.items()}, now)
    if now.kind == "response_given":
        return _complications({k: tuple(w for w in v if w != now["response"]) for k, v in open_.items()}, now)
    return m


def _complications(known: dict[str, tuple[str, ...]], now: Moment) -> Measure:
    """Return the measure of complications: name -> what is still to do."""
    left = {name: rest for name, rest in known.items() if rest}
    why = "; ".join(f"{_said(name)}: still to do {', '.join(_said(w) for w in rest)}" for name, rest in left.items())
    return Measure(not left, (now.tick,), f"{why}." if left else "Recognised and answered.", tuple(known.items()))
