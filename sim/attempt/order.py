"""The order of lines in a record, as one small table. Writer and reader both obey it."""

from __future__ import annotations

from sim.attempt.lines import DIGEST_TICKS, MAX_TICK, Line

BODY = ("command", "event", "digest")
"""Order of the kinds within one tick."""

FOLLOWS: dict[str, tuple[str, ...]] = {
    # after a line of this kind may come
    "nothing": ("header",),
    "header": ("event",),
    "command": BODY,
    "event": BODY,
    "digest": (*BODY, "result"),
    "last digest": ("result",),  # one that is not due: it closes the attempt
    "result": ("seal",),
    "seal": (),
}


class Order:
    """Accepts lines one by one; ValueError for one that may not come here."""

    def __init__(self) -> None:
        self.last = "nothing"
        self.tick = 0
        self._due = 0

    def accept(self, kind: str, line: Line) -> None:
        """Take the next line of a record."""
        if kind not in FOLLOWS[self.last]:
            raise ValueError(f"is a {kind} line, which may not follow the {self.last} line")
        self.last = self._in_body(kind, line["t"]) if kind in BODY else kind

    def _in_body(self, kind: str, tick: int) -> str:
        if not 0 <= tick <= MAX_TICK:
            raise ValueError(f"has the tick {tick}; expected 0 to {MAX_TICK}")
        repeated = tick == self.tick and self.last in BODY
        if tick < self.tick or (repeated and not (kind == self.last == "event" or BODY.index(kind) > BODY.index(self.last))):
            raise ValueError("is out of order")
        if tick > self._due:
            raise ValueError(f"comes before the digest of tick {self._due}")
        self.tick = tick
        if kind != "digest":
            return kind
        if tick < self._due:
            return "last digest"
        self._due += DIGEST_TICKS
        return kind
