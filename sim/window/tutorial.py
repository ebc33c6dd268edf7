"""The first-run tutorial: steps on the window itself, each done by doing it. The steps are data (tutorial.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sim.window.theatre import Theatre

FILE = Path(__file__).with_name("tutorial.toml")


@dataclass(frozen=True)
class TutorialStep:
    """What is said, which widget is framed, which check ends it."""

    text: str
    widget: str
    until: str


def _step_done(name: str) -> Callable[[Theatre], bool]:
    return lambda t: name in t.state.procedure.done


CHECKS: dict[str, Callable[[Theatre], bool]] = {
    "chart": _step_done("chart_reviewed"),
    "consent": _step_done("consent_taken"),
    "timeout": _step_done("timeout_called"),
    "prep": _step_done("skin_prepped"),
    "picture": lambda t: t.shown > 0,
    "moved": lambda t: tuple(t.state.carm.centre_target_um) != tuple(t.history.state_at(0).carm.centre_target_um),
    "level": _step_done("level_declared"),
    "turned": lambda t: t.state.carm.primary_target_mdeg != 0,
    "pedal": lambda t: any(about.get("mode") == "live" for _, _, about in t.history.views) and not t.state.carm.beam,
    "aim": lambda t: t.aim is not None or t.state.needle.placed,
    "needle": lambda t: t.state.needle.placed,
    "deep": lambda t: t.state.needle.depth_mm >= 10.0,
    "bevel": lambda t: any(c.op == "needle.turn" for c in t.hands.sent),
    "stored": lambda t: bool(t.references),
    "syringe": lambda t: t.state.spread.agent >= 0,
    "help": lambda t: t.help_open or t.menu.open,
    "finish": lambda t: t.finished,
}


class Tutorial:
    """Stands at one step of an attempt; steps that were done before are passed over."""

    def __init__(self) -> None:
        rows = tomllib.loads(FILE.read_text("utf-8"))["step"]
        self.steps = tuple(TutorialStep(" ".join(r["text"].split()), r["widget"], r["until"]) for r in rows)
        self.at = 0
        self.skipped = False

    @property
    def step(self) -> TutorialStep | None:
        """The present step, None at the end."""
        return None if self.skipped or self.at >= len(self.steps) else self.steps[self.at]

    def look(self, theatre: Theatre) -> None:
        """Go on when the present step was done."""
        while (step := self.step) is not None and CHECKS[step.until](theatre):
            self.at += 1
