"""Records of the toy core for the portal's tests, and the process that replays them (`python -m tests.portal.toy`)."""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.record import Verdict, seal, verify
from scoring.reports.packet import Files, packet_document
from sim.attempt import read_journal
from sim.command import Command
from tests.toy_attempt import KEY, SCRIPT, Study, make_study, record, toy_replay

SCENARIO = "toy/l4-right"
HONEST = {tick: command for tick, command in SCRIPT.items() if tick not in (230, 231)}
CLUMSY = {tick: command for tick, command in SCRIPT.items() if tick < 100} | {
    100: Command("needle.move", (50_000, 5_000)),
    200: Command("needle.move", (20_000, 5_000)),
    300: Command("finish"),
}
"""The time-out is called and the skin prepped, then the needle goes too deep."""


def score_of(transcript):
    hurt = next((fact.tick for fact in transcript.events if fact.kind == "patient_said"), None)
    kinds = {fact.kind for fact in transcript.events}
    done = {"timeout": "timeout_called" in kinds, "prep": "skin_prepped" in kinds}
    points = {"reached": 50 * sum(done.values()), "possible": 100}
    return {
        "rubric": "toy procedure",
        "passed": hurt is None,
        "critical_errors": [] if hurt is None else ["hurt"],
        "critical": {} if hurt is None else {"hurt": {"tick": hurt, "why": "The patient felt pain."}},
        "checklist": {name: {"done": did, "applicable": True} for name, did in done.items()},
        "points": points,
        "points_verified": points,
        "metrics": {"fluoro_ms": 4200, "exposures": 3, "dap_pgy_m2": 1_000_000, "total_ms": transcript.last_tick * 10},
    }


def handed(folder: Path, learner: str, *, clumsy: bool = False, key: Ed25519PrivateKey = KEY, **more) -> Path:
    """Return a sealed toy record of this learner. more: seed, mode, started, operator."""
    study = Study(seed=more.pop("seed", 7), mode=more.pop("mode", "practice"))
    folder.mkdir(parents=True, exist_ok=True)
    script = CLUMSY if clumsy else HONEST
    journal = record(folder, script, study, operator=more.pop("operator", "trainee"), learner=learner, **more)
    return seal(journal, score_of(read_journal(journal)), key, folder / "attempt.scottie")


def check(path: str, trust) -> Verdict:
    return verify(Path(path), make_study, score_of, trust, rerun=toy_replay)


class ToyDesk:
    """The portal's desk over the toy core."""

    engine = "toy"

    def scenarios(self):
        from scoring.portal.desk import Scenario

        return (Scenario(SCENARIO, 1, "Toy, right L4", "toy procedure"), Scenario("toy/other", 1, "Toy, other", "toy procedure"))

    def worker_command(self):
        root = str(Path(__file__).resolve().parent.parent.parent)
        code = f"import sys; sys.path.insert(0, {root!r}); from tests.portal.toy import main; main()"
        return [sys.executable, "-I", "-c", code]

    def attempt_html(self, path, verdict):
        return f"<!doctype html><title>toy</title><p>{verdict}"

    def packet_html(self, facts, headers, battery, standard, learner):
        from scoring.reports.html import html_text

        return html_text(packet_document(facts, Files(headers=headers), learner))


def main() -> None:
    """Answer questions as commands.worker does."""
    import json

    from scoring.trust.trustlist import TrustList

    config = json.loads(sys.stdin.readline())
    trust = TrustList.from_dict(config["trust"]) if config["trust"] else None
    for line in sys.stdin:
        verdict = check(json.loads(line)["path"], trust)
        print(json.dumps(verdict.as_message()), flush=True)
