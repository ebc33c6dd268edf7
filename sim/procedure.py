"""The life cycle of a procedure as one table, and the steps that are taken by speech or hand alone.

The phase is where the work stands, never a lock: a trainee may skip a step, and the score will say so.
docs/ARCHITECTURE.md draws PHASES and TRANSITIONS.
"""

from __future__ import annotations

from dataclasses import replace

from sim.clinic import CHECKS, COMPLICATIONS, REASONS, RESPONSES, RISKS
from sim.command import LEVELS, SIDES, Command
from sim.event import Event, event
from sim.state import ProcedureState, State, Study

PHASES = ("chart", "consent", "timeout", "prep", "scout", "align", "localise", "advance", "confirm", "inject", "withdraw", "done")

TRANSITIONS: tuple[tuple[str, str, str], ...] = (
    # from ("*" = any), event kind (with a detail after ":"), to
    ("chart", "chart_reviewed", "consent"),
    ("chart", "consent_taken", "timeout"),
    ("consent", "consent_taken", "timeout"),
    ("chart", "timeout_called", "prep"),
    ("consent", "timeout_called", "prep"),
    ("timeout", "timeout_called", "prep"),
    ("chart", "skin_prepped", "scout"),
    ("consent", "skin_prepped", "scout"),
    ("timeout", "skin_prepped", "scout"),
    ("prep", "skin_prepped", "scout"),
    ("scout", "level_declared", "align"),
    ("*", "needle_placed", "localise"),
    ("localise", "tissue_entered", "advance"),
    ("advance", "aspirated", "confirm"),
    ("localise", "aspirated", "confirm"),
    ("advance", "injection_started:contrast", "confirm"),
    ("confirm", "injection_started:steroid", "inject"),
    ("advance", "injection_started:steroid", "inject"),
    ("confirm", "injection_started:local_anaesthetic", "inject"),
    ("advance", "injection_started:local_anaesthetic", "inject"),
    ("advance", "cement_started", "inject"),
    ("*", "needle_removed", "withdraw"),
    ("*", "finished", "done"),
)

_SAID = {
    "chart.review": "chart_reviewed",
    "consent.take": "consent_taken",
    "prep.skin": "skin_prepped",
}

_DECIDED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "case.postpone": ("case_postponed", "reason", REASONS),
    "consent.risk": ("risk_named", "risk", RISKS),
    "complication.name": ("complication_named", "complication", COMPLICATIONS),
    "response.give": ("response_given", "response", RESPONSES),
    "discharge.check": ("discharge_checked", "check", CHECKS),
    "note.write": ("note_written", "complication", COMPLICATIONS),
}
"""Decision -> (event, its field, the words that its argument counts)."""


def begin(study: Study) -> ProcedureState:
    """Return the procedure before the first step."""
    return ProcedureState(phase=PHASES[0])


def advance(study: Study, state: State, command: Command) -> tuple[ProcedureState, list[Event]]:
    """Obey the commands that are steps of their own (chart, consent, time-out, prep, level, decisions, finish)."""
    me, tick = state.procedure, state.tick
    if command.op in _SAID:
        step = _SAID[command.op]
        return replace(me, done=(*me.done, step)), [event(tick, step)]
    if command.op in _DECIDED:
        kind, name, words = _DECIDED[command.op]
        word = words[command.args[0]]
        return replace(me, done=(*me.done, f"{kind}:{word}")), [event(tick, kind, **{name: word})]
    if command.op == "timeout.call":
        level, side = LEVELS[command.args[0]], SIDES[command.args[1]]
        correct = (level, side) == (study.plan.level, study.plan.side)
        return replace(me, done=(*me.done, "timeout_called")), [
            event(tick, "timeout_called", level=level, side=side, correct=correct)
        ]
    if command.op == "level.declare":
        return replace(me, done=(*me.done, "level_declared")), [event(tick, "level_declared", level=LEVELS[command.args[0]])]
    if command.op == "finish":
        return replace(me, finished=True), [event(tick, "finished")]
    return me, []


def heard(study: Study, state: State, events: tuple[Event, ...]) -> tuple[ProcedureState, list[Event]]:
    """Follow the events of a tick through TRANSITIONS; a change of phase is an event of its own."""
    me = state.procedure
    out: list[Event] = []
    for fact in events:
        key = f"{fact.kind}:{fact['kind']}" if fact.kind == "injection_started" else fact.kind
        for origin, trigger, target in TRANSITIONS:
            if trigger == key and origin in ("*", me.phase) and target != me.phase:
                me = replace(me, phase=target)
                out.append(event(state.tick, "phase", phase=target))
                break
    return me, out
