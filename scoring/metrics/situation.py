"""Where an attempt stands, folded from its facts once and shared by all metrics.

The needle's POSITION is a number that rises whenever the tip may have moved: with a command that moves,
tilts, places or removes the needle (turning the bevel and changing the stylet do not move the tip), and
falls back when the core refused that command. Contrast, aspiration and pictures belong to the position at
which they happened; this needs no tolerance in millimetres. PLACEMENT rises with every needle placed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sim.command import Command
from sim.event import Event

MOVING = ("needle.move", "needle.tilt", "needle.place", "needle.remove")


@dataclass(frozen=True)
class Picture:
    """An exposure as later metrics need it."""

    tick: int
    view: str
    primary_mdeg: int
    square_mdeg: int
    in_field: tuple[str, ...]


@dataclass(frozen=True)
class Contrast:
    """Contrast given at one needle position: how much, how much of it live, whether any picture showed it."""

    position: int
    tick: int
    volume_ul: int = 0
    live_ul: int = 0
    seen: bool = False
    patterns: tuple[str, ...] = ()

    def showed(self, word: str) -> bool:
        """Return True when a pattern here contains `word` ("vascular" also in "epidural+vascular")."""
        return any(word in pattern for pattern in self.patterns)


@dataclass(frozen=True)
class Undo:
    """What stood before a moving command, in case the core refuses it."""

    op: str
    position: int
    views_here: frozenset[str]
    aspirated_here: tuple[str, ...]


@dataclass(frozen=True)
class Situation:
    """What happened so far. level, side, approach: the plan; goals: all its (level, side). views_*: that showed the needle."""

    level: str = ""
    side: str = ""
    approach: str = ""
    goals: tuple[tuple[str, str], ...] = ()
    position: int = 0
    placement: int = 0
    placed: bool = False  # a needle was placed at least once
    needle_in: bool = False
    undo: Undo | None = None  # what the last moving command made forget
    last_picture: Picture | None = None
    views_here: frozenset[str] = frozenset()  # at this position
    views_placement: frozenset[str] = frozenset()  # since the needle was placed
    aspirated_here: tuple[str, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    running_from: int = -1  # position at which the running injection started
    finished: bool = False
    avoided: frozenset[str] = frozenset()  # agents and kinds that the chart rules out

    @property
    def order(self) -> str:
        """The plan in words: "L3 and L4 right"."""
        sides = dict.fromkeys(side for _, side in self.goals)
        return ", ".join(f"{' and '.join(level for level, s in self.goals if s == side)} {side}" for side in sides)

    @property
    def contrast_here(self) -> Contrast | None:
        """The contrast given at the present position, None without any."""
        return next((c for c in self.contrasts if c.position == self.position), None)

    def step(self, tick: int, fact: Event | Command) -> Situation:
        """Return the situation after a fact."""
        if isinstance(fact, Command):
            return self._moved(fact.op) if fact.op in MOVING else self
        handler = _HANDLERS.get(fact.kind)
        return handler(self, fact) if handler else self

    def _moved(self, op: str) -> Situation:
        return replace(
            self,
            position=self.position + 1,
            undo=Undo(op, self.position, self.views_here, self.aspirated_here),
            views_here=frozenset(),
            aspirated_here=(),
        )


def _began(now: Situation, fact: Event) -> Situation:
    goals = ((fact["level"], fact["side"]),)
    return replace(now, level=fact["level"], side=fact["side"], approach=fact["approach"], goals=goals)


def _planned(now: Situation, fact: Event) -> Situation:
    return replace(now, goals=(*now.goals, (fact["level"], fact["side"])))


def _charted(now: Situation, fact: Event) -> Situation:
    return replace(now, avoided=now.avoided | {fact["what"]}) if fact["must"] == "avoid" else now


def _refused(now: Situation, fact: Event) -> Situation:
    """Take back a movement that the core refused."""
    old = now.undo
    if old is None or old.op != fact["op"]:
        return now
    return replace(now, position=old.position, views_here=old.views_here, aspirated_here=old.aspirated_here, undo=None)


def _placed(now: Situation, fact: Event) -> Situation:
    return replace(now._moved(""), placement=now.placement + 1, placed=True, needle_in=True, views_placement=frozenset())


def _removed(now: Situation, fact: Event) -> Situation:
    return replace(now._moved(""), needle_in=False)


def _exposed(now: Situation, fact: Event) -> Situation:
    picture = Picture(fact.tick, fact["view"], fact["primary_mdeg"], fact["square_mdeg"], tuple(fact["in_field"]))
    now = replace(now, last_picture=picture)
    if fact["needle_in_field"]:
        view = frozenset((fact["view"],))
        now = replace(now, views_here=now.views_here | view, views_placement=now.views_placement | view)
    return _contrast_seen(now) if fact["contrast_in_field"] else now


def _contrast_seen(now: Situation) -> Situation:
    here = now.contrast_here
    return now if here is None or here.seen else _with_contrast(now, replace(here, seen=True))


def _with_contrast(now: Situation, new: Contrast) -> Situation:
    others = tuple(c for c in now.contrasts if c.position != new.position)
    return replace(now, contrasts=(*others, new))


def _aspirated(now: Situation, fact: Event) -> Situation:
    return replace(now, aspirated_here=(*now.aspirated_here, fact["result"]))


def _injection_started(now: Situation, fact: Event) -> Situation:
    now = replace(now, running_from=now.position)
    if fact["kind"] == "contrast" and now.contrast_here is None:
        return _with_contrast(now, Contrast(now.position, fact.tick))
    return now


def _injection_stopped(now: Situation, fact: Event) -> Situation:
    if fact["kind"] != "contrast":
        return now
    old = next((c for c in now.contrasts if c.position == now.running_from), None)
    if old is None or fact["volume_ul"] <= 0:
        return now
    new = replace(
        old,
        volume_ul=old.volume_ul + fact["volume_ul"],
        live_ul=old.live_ul + fact["live_ul"],
        seen=old.seen or fact["live_ul"] > 0,
        patterns=(*old.patterns, fact["pattern"]),
    )
    return _with_contrast(now, new)


def _finished(now: Situation, fact: Event) -> Situation:
    return replace(now, finished=True)


_HANDLERS = {
    "began": _began,
    "planned": _planned,
    "charted": _charted,
    "refused": _refused,
    "needle_placed": _placed,
    "needle_removed": _removed,
    "exposed": _exposed,
    "aspirated": _aspirated,
    "injection_started": _injection_started,
    "injection_stopped": _injection_stopped,
    "finished": _finished,
}
