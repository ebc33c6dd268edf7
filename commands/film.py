"""The film of an attempt: what the portal's replay page shows, made once from a record that replays (docs/PORTAL.md).

While a record is replayed a `Trace` remembers where needle and C-arm were and what each picture showed. `write_film` joins it
with the patient near the level into one ZIP: film.json (what is where), scene.bin (numbers), NN.jpg (pictures). It is derived:
it can be made again from the record, nothing is scored by it, and it names nobody.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scenarios.headless import Camera
    from sim.attempt import Replay, Transcript
    from sim.event import Event
    from sim.state import CArmState, State, Study

FORMAT = "scottie-film/1"
STEP_MM = 0.02
"""Unit of the whole numbers in scene.bin: 16 bits reach 655 mm from the target."""
LEAST_TICKS = 10
MOST_FRAMES = 4000
MOST_PICTURES = 60
MOST_MOMENTS = 1500
PICTURE_PX = 512
SHAFT_NODES = 9
MOST_POINTS = 1500


@dataclass
class Track:
    """Values by tick, kept when they change; beyond MOST_FRAMES every other one goes, and the gap doubles."""

    gap: int = LEAST_TICKS
    ticks: list[int] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, tick: int, value: NDArray[np.float64], at_once: bool = False) -> None:
        """Keep a value, unless the last one is younger than the gap. at_once: keep it whatever the gap."""
        if self.ticks and tick - self.ticks[-1] < self.gap and not at_once:
            return
        self.ticks.append(tick)
        self.values.append(value)
        if len(self.ticks) > MOST_FRAMES:
            self.ticks, self.values, self.gap = self.ticks[::2], self.values[::2], 2 * self.gap


@dataclass
class Trace:
    """What is remembered of a replay.

    shaft: (9, 3) mm from hub to tip, NaN without a needle; arm: source, detector, right, up, angles (14,).
    """

    study: Study
    shaft: Track = field(default_factory=Track)
    arm: Track = field(default_factory=Track)
    errors: tuple[int, ...] = ()  # ticks of the critical errors that the record names
    camera: Camera | None = None
    _last: tuple[Any, ...] = ()
    _stands: tuple[Any, ...] = ()

    def look(self, state: State, events: tuple[Event, ...]) -> None:
        """Look at a tick."""
        from scenarios.headless import Camera

        if self.camera is None:
            self.camera = Camera(self.study)
        self.camera.look(state, events)
        if len(self.camera.kept) > 4 * MOST_PICTURES:  # memory stays small however long the attempt
            self.camera.kept[:] = chosen(self.camera.kept, list(self.errors), 2 * MOST_PICTURES)
        needle, arm = state.needle, state.carm
        now = (needle.placed, needle.nodes_mm.tobytes() if needle.placed else b"")
        if now != self._last:
            changed = not self._last or now[0] != self._last[0]
            self.shaft.add(state.tick, _shaft(needle.nodes_mm, needle.placed), changed)
            self._last = now if self.shaft.ticks[-1] == state.tick else self._last
        stands = (arm.primary_mdeg, arm.secondary_mdeg, arm.swivel_mdeg, arm.centre_um, arm.magnification)
        if stands != self._stands:
            self.arm.add(state.tick, _arm(self.study, arm))
            self._stands = stands if self.arm.ticks[-1] == state.tick else self._stands


def _shaft(nodes_mm: NDArray[np.float64], placed: bool) -> NDArray[np.float64]:
    if not placed:
        return np.full((SHAFT_NODES, 3), np.nan)
    which = np.linspace(0, len(nodes_mm) - 1, SHAFT_NODES).round().astype(int)
    return np.asarray(nodes_mm[which], np.float64)


def _arm(study: Study, arm: CArmState) -> NDArray[np.float64]:
    from sim.beam_field import pose

    found = pose(study, arm)
    angles = np.array([arm.primary_mdeg / 1000, arm.secondary_mdeg / 1000])
    return np.concatenate([found.source_mm, found.detector_mm, found.right, found.up, angles])


def traced(study: Study, transcript: Transcript, progress: Callable[[int, int], None] | None = None) -> tuple[Replay, Trace]:
    """Replay a record as the verifier does, and return what is remembered of it."""
    from scoring.reports.facts import moments_of
    from sim import session
    from sim.attempt import replay

    trace = Trace(study, errors=tuple(m.tick for m in moments_of(transcript.result)))

    def advance(study_: Study, state: State, command: Any) -> tuple[State, tuple[Event, ...]]:
        after, events = session.advance(study_, state, command)
        trace.look(after, events)
        return after, events

    return replay(study, transcript, progress, begin=session.begin, advance=advance), trace


@dataclass
class Packer:
    """Arrays one after another, each on a multiple of 4 bytes; what `add` returns tells a reader where."""

    origin_mm: NDArray[np.float64]
    data: bytearray = field(default_factory=bytearray)

    def add(self, values: NDArray[Any], kind: str) -> dict[str, Any]:
        """Add whole or real numbers; kind: "i2", "u2", "u4", "i4" or "f4", little-endian."""
        at = len(self.data)
        flat = np.ascontiguousarray(values).reshape(-1).astype("<" + kind)
        self.data += flat.tobytes()
        self.data += b"\0" * (-len(self.data) % 4)
        return {"at": at, "n": int(flat.size), "type": kind}

    def points(self, points_mm: NDArray[Any]) -> dict[str, Any]:
        """Add points (n, 3) of the patient as whole numbers of STEP_MM from the origin; NaN becomes -32768."""
        steps = np.rint((np.asarray(points_mm, np.float64) - self.origin_mm) / STEP_MM)
        return self.add(np.where(np.isnan(steps), -32768, np.clip(steps, -32767, 32767)), "i2")


def film_of(trace: Trace, transcript: Transcript) -> dict[str, bytes]:
    """Return the parts of a film: name -> bytes."""
    from commands.film_scene import contrast, meshes, planned
    from scoring.moments import lines_of

    plan = trace.study.plan
    pack = Packer(np.asarray(plan.target_mm, np.float64))
    pictures, kept = _pictures(trace, list(trace.errors))
    moments, left_out = fewer([{"tick": m.tick, "about": m.about, "text": m.text} for m in lines_of(transcript.events)])
    errors = critical(transcript)
    body = {
        "format": FORMAT,
        "frame": "LPS, mm: x to the patient's left, y posterior, z superior",
        "origin_mm": [round(float(v), 3) for v in pack.origin_mm],
        "step_mm": STEP_MM,
        "last_tick": transcript.last_tick,
        "left_out": left_out,
        "meshes": meshes(trace.study.phantom, pack),
        "shaft": {"nodes": SHAFT_NODES, **_track(trace.shaft, pack, pack.points)},
        "arm": _track(trace.arm, pack, lambda values: pack.add(values, "f4")),
        "side_mm": float(trace.study.toolbox.carm.detector_mm[0]),
        "plan": planned(trace.study),
        "contrast": [found for when, _, view in kept if (found := contrast(when, view, pack, MOST_POINTS))],
        "pictures": [{"tick": when, "caption": caption} for when, caption, _ in kept],
        "moments": _with_pictures(sorted([*moments, *errors], key=lambda m: m["tick"]), [when for when, _, _ in kept]),
    }
    text = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    return {"film.json": text, "scene.bin": bytes(pack.data)} | {f"{n:02d}.jpg": jpg for n, jpg in enumerate(pictures)}


def _track(track: Track, pack: Packer, put: Callable[[NDArray[Any]], dict[str, Any]]) -> dict[str, Any]:
    values = np.array(track.values) if track.values else np.zeros((0, 3))
    return {"ticks": pack.add(np.array(track.ticks), "i4"), "values": put(values)}


def critical(transcript: Transcript) -> list[dict[str, Any]]:
    """Return the critical errors that the record's score names, as moments."""
    from scoring.reports.facts import moments_of

    found = moments_of(transcript.result)
    words = [f"Critical error: {m.error.replace('_', ' ')}. {m.why}" for m in found]
    return [{"tick": m.tick, "about": "critical", "error": m.error, "text": w} for m, w in zip(found, words, strict=True)]


def fewer(moments: list[dict[str, Any]], most: int = MOST_MOMENTS) -> tuple[list[dict[str, Any]], int]:
    """Return at most `most` moments, and how many were left out: needle and C-arm go first."""
    if len(moments) <= most:
        return moments, 0
    plenty = [n for n, m in enumerate(moments) if m["about"] in ("needle", "exposure")]
    room = max(0, most - (len(moments) - len(plenty)))
    kept = {plenty[round(n)] for n in np.linspace(0, len(plenty) - 1, room)} if room else set()
    found = [m for n, m in enumerate(moments) if n in kept or m["about"] not in ("needle", "exposure")][:most]
    return found, len(moments) - len(found)


def _with_pictures(moments: list[dict[str, Any]], ticks: list[int]) -> list[dict[str, Any]]:
    """Return the moments, each with the number of the last picture that had been taken by then (-1: none)."""
    return [m | {"picture": int(np.searchsorted(ticks, m["tick"], side="right")) - 1} for m in moments]


def _pictures(trace: Trace, errors: list[int]) -> tuple[list[bytes], list[tuple[int, str, Any]]]:
    """Return the pictures as JPEG, and what each shows: all of them, or MOST_PICTURES, those before an error among them."""
    from PIL import Image

    from scenarios.beam_tables import load_beam
    from sim.picture import render
    from sim.scene import make_scene

    kept = chosen(trace.camera.kept if trace.camera else [], errors, MOST_PICTURES)
    if not kept:
        return [], []
    scene, beam, out = make_scene(trace.study.phantom), load_beam(), []
    for _, _, view in kept:
        file = io.BytesIO()
        Image.fromarray(render(scene, beam, view, PICTURE_PX)).save(file, "JPEG", quality=88)
        out.append(file.getvalue())
    return out, kept


def chosen(kept: list[tuple[int, str, Any]], errors: list[int], most: int = MOST_PICTURES) -> list[tuple[int, str, Any]]:
    """Return at most `most` of the pictures by time: the last before each error first of all, the others evenly spread."""
    kept = sorted(kept, key=lambda one: one[0])
    if len(kept) <= most:
        return kept
    ticks = [one[0] for one in kept]
    must = sorted({int(np.searchsorted(ticks, tick, side="right")) - 1 for tick in errors} - {-1})[:most]
    rest = [n for n in range(len(kept)) if n not in must]
    room = most - len(must)
    spread = {rest[round(n)] for n in np.linspace(0, len(rest) - 1, room)} if room else set()
    return [kept[n] for n in sorted(spread | set(must))]


def write_film(parts: dict[str, bytes], out: Path) -> int:
    """Write the parts as one ZIP, whole or not at all; return its size. MachineError when the disk refuses."""
    new = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in parts.items():
                file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_STORED if name.endswith(".jpg") else None)
        new.chmod(0o600)
        new.replace(out)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise MachineError(f"the film could not be kept: {error.strerror}") from None
    return out.stat().st_size


def summary(parts: dict[str, bytes], size: int) -> dict[str, Any]:
    """Return what the portal's lists show without opening the film: how many pictures, and the picture of each critical error."""
    body = json.loads(parts["film.json"])
    errors = [[m["error"], m["tick"], m["picture"]] for m in body["moments"] if m["about"] == "critical"]
    return {"size": size, "pictures": len(body["pictures"]), "errors": errors}
