"""The cine loop: the pictures of the last run, shown again at the rate at which they were taken."""

from __future__ import annotations

from sim.window.fluoro import Shot

MOST = 450
"""Pictures kept of one run: half a minute at 15 a second."""


class Cine:
    """Keeps the shots of the newest run; `start` plays them in a loop until a new picture comes."""

    def __init__(self) -> None:
        self.shots: list[Shot] = []
        self.playing = False
        self._run: object = None
        self._at_s = 0.0
        self._rate = 8.0

    @property
    def showing(self) -> Shot | None:
        """The picture of the loop that is due, None while it does not play."""
        return self.shots[int(self._at_s * self._rate) % len(self.shots)] if self.playing else None

    def keep(self, shot: Shot, dsa_pulses_per_10s: int, pulses_per_10s: int) -> None:
        """Take in a new picture: it ends the loop and opens a new run if it belongs to another."""
        self.playing = False
        mode = shot.notes.get("mode", "shot")
        if mode not in ("live", "dsa", "roadmap"):
            return
        if (run := (shot.notes.get("run"), mode)) != self._run:
            self._run, self.shots = run, []
        self._rate = (dsa_pulses_per_10s if mode == "dsa" else pulses_per_10s) / 10.0
        self.shots = [*self.shots, shot][-MOST:]

    def start(self) -> bool:
        """Play the loop, or stop it if it plays; False if nothing plays then."""
        self.playing = not self.playing and len(self.shots) > 1
        self._at_s = 0.0
        return self.playing

    def advance(self, seconds: float) -> bool:
        """Let time pass; True if another picture is due."""
        before = self.showing
        self._at_s += seconds
        return self.playing and self.showing is not before
