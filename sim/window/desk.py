"""What main.py hands to the window: scenarios to choose from, and one attempt with everything it needs.

The window never imports scenarios, scoring or anatomy_assets; whatever it wants of them arrives here as
plain values and functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.command import Command
from sim.event import Event
from sim.state import State, Study
from sim.view import View

Picture = NDArray[np.uint8]


class Session(Protocol):
    """A running attempt as the window sees it: sim.session.Session."""

    study: Study
    state: State
    events: list[Event]

    def send(self, *commands: Command) -> None:
        """Queue commands; one is obeyed per tick."""

    def tick(self) -> tuple[Command, tuple[Event, ...]]:
        """Advance one tick (10 ms of command time)."""


@dataclass(frozen=True)
class PatientCard:
    """The banner: who lies on the table. `chart` are the lines that Chart shows (history, drugs, consent)."""

    name: str = "Simulated patient"
    age_years: int = 0
    sex: str = ""
    weight_kg: float = 0.0
    allergies: str = "none known"
    chart: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScenarioCard:
    """One card of the gallery. `error`: why the case cannot be started (it is listed all the same).

    best, last: one's own record and newest attempt in words ("" none); `open`: False while earlier stages are not learned
    (it can be started all the same); `tip`: a small goal, or what is next.
    """

    id: str
    title: str
    procedure: str = ""
    tags: tuple[str, ...] = ()
    level: str = ""
    side: str = ""
    summary: str = ""
    best: str = ""
    last: str = ""
    tip: str = ""
    stage: str = ""
    open: bool = True
    error: str = ""
    practice_only: bool = False


@dataclass(frozen=True)
class Suggestion:
    """A case to start from the top of the gallery: what it is called there, which case, which patient, why."""

    title: str
    scenario: str
    seed: int
    why: str = ""


@dataclass(frozen=True)
class Stage:
    """One stop of the curriculum map.

    `cases`: ids of its scenarios; `state`: "learned", "open" or "later"; `safe` of `needed` attempts count already; `missing`:
    what is still to do, in words ("" when learned); `lane`: what stands in one row of the map.
    """

    title: str
    lane: str
    cases: tuple[str, ...]
    state: str
    safe: int = 0
    needed: int = 0
    why: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Progress:
    """What the gallery knows beside the cards: suggestions (next step, case of the day), lines (streak, stage), the map."""

    suggestions: tuple[Suggestion, ...] = ()
    lines: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step of the checklist as the guided mode sees it."""

    id: str
    title: str
    advice: str = ""
    done: bool = False


def _no_score(_events: Sequence[Event]) -> Mapping[str, Any]:
    return {}


@dataclass
class Attempt:
    """One attempt at the window.

    `tick` advances it (a recorder's tick, so that the journal is written); left out: session.tick. `scene` and
    `beam_tables` make the pictures (a test pattern without a scene), `backend` draws them (sim.projector_gl).
    `score` (events) -> what the debrief shows (sim.window.debrief.sections). `save` () -> path of the sealed attempt, called
    once after `finish`;
    `abandon` () is called instead when the window is closed before. `texts` overrides sentences of
    sim.window.words by key. `view` and `picture` (view, side in pixels) -> uint8 (n, n) replace
    sim.session.view and the fluoroscopy, for tests.

    Practice: `guide` (events) -> the steps, for guided mode and hints; `ghosts` () -> name -> points (n, 3) mm, the ideal way
    and earlier paths; `rewind` (tick) -> the same attempt as it was at that tick, marked as undone. The debrief: `report`
    (suffix ".html" or ".pdf", [(caption, grey picture, tick)]) -> path of the written report; `trend` lines of one's own
    earlier attempts (date, text, points in percent or None).
    """

    session: Session
    tick: Callable[[], tuple[Command, tuple[Event, ...]]] | None = None
    patient: PatientCard = field(default_factory=PatientCard)
    title: str = ""
    brief: str = ""
    scene: Any = None
    beam_tables: Any = None
    backend: str = "cpu"
    score: Callable[[Sequence[Event]], Mapping[str, Any]] = _no_score
    save: Callable[[], str | Path | None] | None = None
    abandon: Callable[[], object] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    view: Callable[[Study, State], View] | None = None
    picture: Callable[[View, int], Picture] | None = None
    guide: Callable[[Sequence[Event]], Sequence[Step]] | None = None
    ghosts: Callable[[], Mapping[str, Any]] | None = None
    rewind: Callable[[int], Attempt] | None = None
    report: Callable[[str, Sequence[tuple[str, Picture, int]]], str | Path] | None = None
    trend: Callable[[], Sequence[tuple[str, str, float | None]]] | None = None


@dataclass
class Desk:
    """Everything the window needs. Give `attempt` to begin at once, or `scenarios` and `start` for the chooser.

    `start` (scenario id, mode "practice" or "assessment", seed or None for the usual patient) -> Attempt may take seconds:
    it runs in a thread while the window says so. `cards` () -> the cards and the progress as they are now (asked again
    when the gallery is shown again); `thumbnail` (scenario id) -> grey picture (n, n) or None, slow, asked in a thread.
    `controls`, `settings`: the user's own files. `guided`: begin an attempt in guided mode.
    `tutorial`: the scenario on which the tutorial runs ("" none).
    """

    attempt: Attempt | None = None
    scenarios: tuple[ScenarioCard, ...] = ()
    start: Callable[[str, str, int | None], Attempt] | None = None
    progress: Progress = field(default_factory=Progress)
    cards: Callable[[], tuple[tuple[ScenarioCard, ...], Progress]] | None = None
    thumbnail: Callable[[str], Picture | None] | None = None
    controls: Path | None = None
    settings: Path | None = None
    guided: bool = False
    tutorial: str = ""
    title: str = "Scottie"
    size: tuple[int, int] = (1280, 800)
    text_scale: float = 1.0
    picture_px: int = 512
    sound: bool = True
