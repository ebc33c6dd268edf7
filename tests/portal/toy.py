"""Records of the toy core for the portal's tests, and the process that replays them (`python -m tests.portal.toy`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.record import Verdict, seal, verify
from scoring.reports.packet import Files, packet_document
from sim.attempt import read_journal
from sim.command import Command
from tests.toy_attempt import KEY, SCRIPT, Study, make_study, record, toy_replay

SCENARIO = "toy/l4-right"
GOAL = {"name": "L4 right", "mm": [0, 0, 0]}
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

    def packet(self, facts, headers, battery, standard, learner):
        return packet_document(facts, Files(headers=headers), learner)


def make_film(path: str, out: str) -> dict:
    """Write a film as commands.film does: a cube for the bone, a needle that goes in, grey pictures, the record's own moments."""
    import io

    import numpy as np
    from PIL import Image

    from commands.film import FORMAT, SHAFT_NODES, STEP_MM, Packer, Track, _track, _with_pictures, critical, summary, write_film
    from scoring.moments import lines_of

    transcript = read_journal(path)
    pack, shaft, arm = Packer(np.zeros(3)), Track(), Track()
    corners = np.array([[x, y, z] for x in (-20, 20) for y in (-60, -5) for z in (-20, 20)], float)
    faces = [
        [0, 1, 3],
        [0, 3, 2],
        [4, 6, 7],
        [4, 7, 5],
        [0, 4, 5],
        [0, 5, 1],
        [2, 3, 7],
        [2, 7, 6],
        [0, 2, 6],
        [0, 6, 4],
        [1, 5, 7],
        [1, 7, 3],
    ]
    mesh = {"vertices": pack.points(corners), "faces": pack.add(np.array(faces), "u2")}
    down = np.linspace(1.0, 0.0, SHAFT_NODES)[:, None] * np.array([0.0, 100.0, 0.0])
    for tick in range(100, transcript.last_tick, 20):
        shaft.add(tick, down + np.array([0.0, max(0.0, 40.0 - 0.4 * (tick - 100)), 0.0]))
    arm.add(0, np.array([0, -700, 0, 0, 300, 0, -1, 0, 0, 0, 0, 1, 0, 0], float))
    errors = critical(transcript)
    told = [{"tick": m.tick, "about": m.about, "text": m.text} for m in lines_of(transcript.events)]
    pictures, files = [50, 150], {}
    for n, grey in enumerate((90, 160)):
        file = io.BytesIO()
        Image.new("L", (64, 64), grey).save(file, "JPEG")
        files[f"{n:02d}.jpg"] = file.getvalue()
    body = {
        "format": FORMAT, "origin_mm": [0, 0, 0], "step_mm": STEP_MM, "last_tick": transcript.last_tick,
        "left_out": 0, "side_mm": 300,
        "meshes": [{"name": "L4", "layer": "bone", "colour": [235, 225, 200], **mesh}],
        "shaft": {"nodes": SHAFT_NODES, **_track(shaft, pack, pack.points)},
        "arm": _track(arm, pack, lambda values: pack.add(values, "f4")),
        "plan": {"level": "L4", "side": "right", "goals": [GOAL], "ways": [[[0, 110, 0], [0, 0, 0]]]},
        "contrast": [], "pictures": [{"tick": t, "caption": "AP (0/0 deg), single shot"} for t in pictures],
        "moments": _with_pictures(sorted([*told, *errors], key=lambda m: m["tick"]), pictures),
    }  # fmt: skip
    parts = {"film.json": json.dumps(body).encode(), "scene.bin": bytes(pack.data)} | files
    return {"film": summary(parts, write_film(parts, Path(out)))}


def main() -> None:
    """Answer questions as commands.worker does."""
    from scoring.trust.trustlist import TrustList

    config = json.loads(sys.stdin.readline())
    trust = TrustList.from_dict(config["trust"]) if config["trust"] else None
    for line in sys.stdin:
        question = json.loads(line)
        if "film" in question:
            print(json.dumps(make_film(question["path"], question["film"])), flush=True)
            continue
        verdict = check(question["path"], trust)
        print(json.dumps(verdict.as_message()), flush=True)
