"""Replay: the same study and the same commands must give the same events and the same digests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.attempt.journal import bound_digest
from sim.attempt.lines import DIGEST_STEP_UM, DIGEST_TICKS, Line, canonical
from sim.attempt.transcript import Transcript
from sim.command import IDLE, Command
from sim.errors import ScottieError
from sim.event import Event

if TYPE_CHECKING:
    from sim.state import State, Study

Begin = Callable[[Any], tuple[Any, tuple[Event, ...]]]
Advance = Callable[[Any, Any, Command], tuple[Any, tuple[Event, ...]]]


@dataclass
class Replay:
    """What came out of a replay, up to the first difference. digests are bound to the header, as recorded."""

    events: list[Event] = field(default_factory=list)
    digests: list[tuple[int, str]] = field(default_factory=list)
    matches: bool = True
    first_difference: str | None = None
    state: State | None = None


def replay(
    study: Study,
    transcript: Transcript,
    progress: Callable[[int, int], None] | None = None,
    *,
    begin: Begin | None = None,
    advance: Advance | None = None,
) -> Replay:
    """Run the recorded commands from tick 0 to the last recorded tick; stop at the first difference.

    `progress(done, total)` is called every simulated second. `begin` and `advance` are those of
    sim.session unless given.
    """
    if begin is None or advance is None:
        from sim import session  # not above: reading a record must not load and compile the engines

        begin, advance = session.begin, session.advance
    out, script = Replay(), _Script(transcript)
    try:
        state, events = begin(study)
        script.compare(0, state, events, out)
        for tick in range(1, transcript.last_tick + 1):
            state, events = advance(study, state, script.commands.get(tick, IDLE))
            if state.tick != tick:
                raise _Difference(tick, "the record goes on after the attempt came to its end")
            script.compare(tick, state, events, out)
            if progress and tick % DIGEST_TICKS == 0:
                progress(tick, transcript.last_tick)
    except _Difference as difference:
        out.matches, out.first_difference = False, str(difference)
    except (ScottieError, ArithmeticError) as error:
        tick = len(out.events) and out.events[-1].tick
        out.matches, out.first_difference = False, f"the core cannot replay it after tick {tick}: {error}"
    return out


class _Difference(Exception):
    def __init__(self, tick: int, what: str) -> None:
        super().__init__(f"at tick {tick} ({tick / 100:.2f} s): {what}")


class _Script:
    """The record, ordered by tick, for comparing tick by tick."""

    def __init__(self, transcript: Transcript) -> None:
        self.header_hash = bytes.fromhex(transcript.header_hash)
        self.commands = dict(transcript.commands)
        self.digests = dict(transcript.digests)
        self.events: dict[int, list[Event]] = {}
        for fact in transcript.events:
            self.events.setdefault(fact.tick, []).append(fact)
        cut = transcript.seal is None and transcript.last_tick not in self.digests
        self.cut_tick = transcript.last_tick if cut else -1

    def compare(self, tick: int, state: Any, events: tuple[Event, ...], out: Replay) -> None:
        """Add what happened at `tick` to `out`; _Difference if the record says something else."""
        out.state = state
        out.events.extend(events)
        recorded = self.events.get(tick, [])
        if tick == self.cut_tick:
            events = events[: len(recorded)]  # a crash may have cut the last tick short
        if len(events) != len(recorded) or events:
            _compare_events(tick, recorded, events)
        if tick in self.digests:
            digest = bound_digest(self.header_hash, state.digest(DIGEST_STEP_UM))
            out.digests.append((tick, digest))
            if digest != self.digests[tick]:
                raise _Difference(tick, "the state differs from the recorded digest (a command or the header was changed)")


def _compare_events(tick: int, recorded: list[Event], replayed: tuple[Event, ...]) -> None:
    for was, now in zip(recorded, replayed, strict=False):
        if was.kind != now.kind:
            raise _Difference(tick, f"the record says '{was.kind}', the replay '{now.kind}'")
        place = difference(dict(was.data), dict(now.data))
        if place:
            raise _Difference(tick, f"event '{was.kind}': {place}")
    if len(recorded) > len(replayed):
        raise _Difference(tick, f"the record says '{recorded[len(replayed)].kind}', the replay nothing")
    if len(replayed) > len(recorded):
        raise _Difference(tick, f"the record says nothing, the replay '{replayed[len(recorded)].kind}'")


def difference(recorded: Line, computed: Line, place: str = "") -> str:
    """Return where two plain objects differ first ("a.b: recorded 1, recomputed 2"), "" if nowhere."""
    for name in sorted(recorded.keys() | computed.keys()):
        here = f"{place}{name}"
        if name not in recorded or name not in computed:
            return f"{here}: {'recorded' if name in recorded else 'recomputed'} only"
        was, now = recorded[name], computed[name]
        if type(was) is dict and type(now) is dict:
            if inner := difference(was, now, f"{here}."):
                return inner
        elif canonical(was) != canonical(now):
            return f"{here}: recorded {was!r}, recomputed {now!r}"
    return ""
