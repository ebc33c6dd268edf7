"""The portal's desk: what it needs of scenarios, replay and documents (scoring.portal.desk)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sim.attempt import ENGINE_VERSION

if TYPE_CHECKING:
    from scoring.portal.desk import Scenario
    from scoring.reports.blocks import Document
    from scoring.reports.facts import Facts
    from scoring.reports.packet import Files


class PortalDesk:
    """The real one."""

    engine = str(ENGINE_VERSION)

    @cached_property
    def _scenarios(self) -> tuple[Scenario, ...]:
        from scenarios.registry import all_scenarios
        from scoring.portal.desk import Scenario

        good, _ = all_scenarios()
        return tuple(Scenario(s.id, s.file.version, s.file.title, s.file.procedure) for s in good)

    def scenarios(self) -> tuple[Scenario, ...]:
        """Return the scenarios that can be assigned."""
        return self._scenarios

    def worker_command(self) -> list[str]:
        """Return how the replaying process is started."""
        from commands.verifying import worker_command

        return worker_command()

    def attempt_html(self, path: str, verdict: str) -> str:
        """Return the report of one attempt, scored from its record."""
        from commands.joints import load_rubric, patient_words, scenario_of
        from scoring.report import document
        from scoring.reports.html import html_text
        from scoring.score import score
        from sim.attempt import read_journal

        transcript = read_journal(path)
        scenario = scenario_of(transcript.header)
        rubric = load_rubric(scenario)
        result = score(transcript.events, transcript.commands, rubric)
        return html_text(document(transcript, result, rubric, [], verdict, patient_words(scenario)))

    def packet(self, facts: Facts, headers: dict[str, dict[str, str]], battery: bytes, standard: bytes, learner: str) -> Document:
        """Return the evidence packet of a learner. battery: the assignment file or b""; standard: its file or b""."""
        from scoring.reports.packet import Files, packet_document
        from scoring.trust.documents import digest

        sha256 = digest(standard) if standard else ""
        if not battery:
            return packet_document(facts, Files(standard_sha256=sha256, headers=headers), learner)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "battery.json"
            path.write_bytes(battery)
            return packet_document(facts, self._files(facts, path, sha256, headers), learner)

    def _files(self, facts: Facts, path: Path, standard: str, headers: dict[str, dict[str, str]]) -> Files:
        from commands.report import battery_facts
        from scoring.battery import battery_status, read_battery
        from scoring.reports.packet import Files

        status = battery_status(read_battery(path), facts.cohort.rows)
        return Files(battery=battery_facts(status), standard_sha256=standard, headers=headers)


def make() -> PortalDesk:
    """Return the desk."""
    return PortalDesk()
