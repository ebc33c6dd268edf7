"""What the portal is given by the roof: it knows neither scenarios nor how a replay is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from scoring.reports.blocks import Document
from scoring.reports.facts import Facts


@dataclass(frozen=True)
class Scenario:
    """A scenario that this server has."""

    id: str
    version: int
    title: str
    procedure: str


class Desk(Protocol):
    """The joints (commands.portal_desk makes the real one)."""

    engine: str

    def scenarios(self) -> Sequence[Scenario]:
        """Return the scenarios that can be assigned."""

    def worker_command(self) -> list[str]:
        """Return how the process is started that replays records (asked and answered in JSON lines)."""

    def attempt_html(self, path: str, verdict: str) -> str:
        """Return the report of one attempt from its record, as a page. verdict: what the server found."""

    def packet(self, facts: Facts, headers: dict[str, dict[str, str]], battery: bytes, standard: bytes, learner: str) -> Document:
        """Return the evidence packet of a learner. battery: the assignment file or b""; standard: its file or b""."""


@cache
def desk() -> Desk:
    """Return the desk that the settings name."""
    made: Desk = import_string(settings.PORTAL_DESK)()
    return made
