"""Sealing an attempt, and the verdict on a sealed one (docs/RECORD.md has the format).

The chain shows that no line was changed; the signature shows which installation sealed it; the replay shows
that the events follow from the commands; the score is recomputed. Only all four together give "verified".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from scoring.keys import fingerprint, public_hex
from sim.attempt import (
    ENGINE_VERSION,
    Altered,
    Chain,
    Raw,
    Replay,
    Transcript,
    Unreadable,
    canonical,
    difference,
    is_hex,
    one_line,
    read_raw,
    replay,
    set_aside,
    software,
    sync_folder,
    transcript_of,
)
from sim.errors import MachineError, RecordError, ScottieError

SIGNED_AS = b"scottie-attempt-seal/1\n"
"""Put before what is signed, so that a signature can never be taken for one of something else."""

REASONS = ("finished", "abandoned", "faulty")
"""Why an attempt was sealed: it came to its end; it was given up; the core found a number that is not finite."""

STATUSES = {
    "verified": "chain, signature, replay and score agree",
    "sealed": "chain and signature agree (check_file only: nothing was replayed)",
    "interrupted": "readable, but it did not come to its end: no score",
    "untrusted": "signed by a key that is not in the list of trusted keys",
    "different-engine": "this installation cannot rebuild it: another engine, scenario, tools or rubric",
    "altered": "it was changed or damaged after it was sealed",
    "unreadable": "not a Scottie attempt, or one of a format that this program does not read",
}

MakeStudy = Callable[[dict[str, Any]], Any]
ScoreOf = Callable[[Transcript], dict[str, Any]]


@dataclass(frozen=True)
class Verdict:
    """What can be said about one file. `reason` is always one line; the rest is None where it is not known."""

    path: str
    status: str
    reason: str
    key: str | None = None
    header: dict[str, Any] | None = None
    seconds: float | None = None
    transcript: Transcript | None = field(default=None, repr=False)
    result: dict[str, Any] | None = field(default=None, repr=False)
    root: str | None = None  # chain head before the seal: names the attempt whoever signed it

    @property
    def ok(self) -> bool:
        """True for "verified" alone."""
        return self.status == "verified"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict for --json."""
        names = ("scenario", "seed", "mode", "operator", "engine", "started")
        told = {name: self.header[name] for name in names} if self.header else {}
        return {"file": self.path, "status": self.status, "ok": self.ok, "reason": self.reason, "key": self.key} | told


class _Verdict(Exception):
    """Ends a verification early."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def seal(
    journal_path: str | Path, result: dict[str, Any], key: Ed25519PrivateKey, out_path: str | Path, reason: str | None = None
) -> Path:
    """Seal a closed journal with its score into `out_path` (attempt.scottie) and remove the journal.

    `reason` is "finished" or "abandoned" by what the journal says, unless given; only a finished attempt
    has a score, so `result` is left out of the others. A file already at `out_path` is set aside as
    name-N.scottie. RecordError for a damaged journal; MachineError when the disk refuses (the journal stays).
    """
    journal_path, out_path = Path(journal_path), Path(out_path)
    raw = read_raw(journal_path)
    if raw.result is not None or raw.torn or not raw.body or raw.body[-1][0] != "digest":
        raise Altered(journal_path, "not a journal that was closed (it was interrupted, or it is sealed already)")
    reason = reason or ("finished" if raw.finished else "abandoned")
    if (reason == "finished") != raw.finished or reason not in REASONS:
        raise ValueError(f"an attempt that {'is' if raw.finished else 'is not'} finished cannot be sealed as '{reason}'")
    _write_whole(out_path, raw.data + _ending(raw, result if raw.finished else {}, reason, key))
    with suppress(OSError):
        journal_path.unlink()
    return out_path


def _ending(raw: Raw, result: dict[str, Any], reason: str, key: Ed25519PrivateKey) -> bytes:
    """Return the last two lines: result and seal."""
    chain = Chain()
    chain.head, chain.lines = bytes.fromhex(raw.root), raw.lines
    result_line = chain.write({"result": result})
    body = {"reason": reason, "lines": chain.lines, "ticks": raw.last_tick, "root": chain.head.hex()}
    body["public_key"] = public_hex(key)
    return result_line + chain.write({"seal": {**body, "signature": key.sign(SIGNED_AS + canonical(body)).hex()}})


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; an older file of that name is set aside first."""
    new = path.with_name(path.name + ".tmp")
    try:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        set_aside(path)
        new.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise MachineError(f"{path}: cannot seal the attempt: {error.strerror}; its journal is kept") from None


def check_file(path: str | Path, trusted: set[str] | None = None) -> Verdict:
    """Check structure, chain and signature alone; "sealed" if they hold. Never raises for what a file holds."""
    verdict, _ = _checked(path, trusted)
    return verdict


def verify(
    path: str | Path,
    make_study: MakeStudy,
    score_of: ScoreOf,
    trusted: set[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    rerun: Callable[..., Replay] = replay,
) -> Verdict:
    """Check everything: chain, signature, study, replay of every event and digest, score.

    `make_study(header)` rebuilds the study, `score_of(transcript)` the score; `trusted` are fingerprints of
    the keys to believe (None: any key, and the verdict says which). Never raises for what a file holds.
    """
    verdict, raw = _checked(path, trusted)
    if raw is None or verdict.status not in ("sealed", "interrupted"):
        return verdict
    try:
        if not raw.same_engine:
            raise _Verdict("different-engine", f"recorded with engine {raw.header['engine']}; this is {ENGINE_VERSION}")
        transcript = transcript_of(raw)
        verdict = replace(verdict, transcript=transcript)
        if raw.seal is None:
            return verdict
        _check_replay(_study(transcript.header, make_study), transcript, progress, rerun)
        if not transcript.complete:
            raise _Verdict("interrupted", f"{transcript.note}: it replays, but has no score")
        _check_score(transcript, score_of)
    except Unreadable as error:
        return replace(verdict, status="altered" if isinstance(error, Altered) else "unreadable", reason=error.reason)
    except _Verdict as end:
        return replace(verdict, status=end.status, reason=one_line(str(end)))
    seconds = transcript.last_tick / 100
    what = f"{len(transcript.commands)} commands, {len(transcript.events)} events, {seconds:.2f} s"
    return replace(verdict, status="verified", reason=f"{what}; signed by {verdict.key}")


def _checked(path: str | Path, trusted: set[str] | None) -> tuple[Verdict, Raw | None]:
    """Return the verdict on structure, chain and signature, and the lines where they could be read."""
    verdict = Verdict(path=one_line(str(path)), status="sealed", reason=STATUSES["sealed"])
    try:
        raw = read_raw(path)
    except RecordError as error:
        status = "altered" if isinstance(error, Altered) else "unreadable"
        return replace(verdict, status=status, reason=getattr(error, "reason", str(error))), None
    verdict = replace(verdict, header=raw.header, seconds=raw.last_tick / 100, result=raw.result, root=raw.root)
    try:
        if raw.seal is None:
            _unsealed(raw)
        public_key = _check_seal(raw)
        verdict = replace(verdict, key=fingerprint(public_key))
        if trusted is not None and verdict.key not in trusted:
            raise _Verdict("untrusted", f"signed by {verdict.key}, which is not a trusted key")
    except _Verdict as end:
        verdict = replace(verdict, status=end.status, reason=one_line(str(end)))
    return verdict, raw


def _unsealed(raw: Raw) -> None:
    if raw.result is not None:
        raise _Verdict("altered", "the seal is missing")
    torn = f" and {raw.torn} bytes of a torn line" if raw.torn else ""
    where = f"at {raw.last_tick / 100:.2f} s ({raw.lines} lines{torn})"
    raise _Verdict("interrupted", f"ends {where} without a seal (never sealed, or cut short): nothing can be verified")


def _check_seal(raw: Raw) -> str:
    """Return the public key (hex) of a seal that holds; _Verdict otherwise."""
    body = dict(raw.seal or {})
    signature = body.pop("signature")
    if not (is_hex(body["public_key"], 32) and is_hex(signature, 64)):
        raise _Verdict("altered", "the seal holds no Ed25519 key and signature in hexadecimal")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(body["public_key"]))
        key.verify(bytes.fromhex(signature), SIGNED_AS + canonical(body))
    except (InvalidSignature, ValueError):
        raise _Verdict("altered", "the signature does not fit the seal") from None
    expected = {"lines": raw.lines - 1, "ticks": raw.last_tick, "root": raw.root}
    for name, value in expected.items():
        if body[name] != value:
            raise _Verdict("altered", f"the seal says {name} {body[name]}; the file has {value}")
    if body["reason"] not in REASONS or (body["reason"] == "finished") != raw.finished:
        end = "came" if raw.finished else "did not come"
        raise _Verdict("altered", f"the seal says '{body['reason']}', but the attempt {end} to its end")
    if not raw.finished and raw.result:
        raise _Verdict("altered", "it did not come to its end, but has a score")
    return str(body["public_key"])


def _study(header: dict[str, Any], make_study: MakeStudy) -> Any:
    """Return the study rebuilt from the header; _Verdict if this installation cannot, or builds another one."""
    try:
        study = make_study(header)
    except ScottieError as error:
        raise _Verdict("different-engine", f"the study cannot be rebuilt here: {error}") from None
    except Exception as error:  # a hostile header must end in a verdict, whatever it breaks
        raise _Verdict("altered", f"the study cannot be rebuilt: {type(error).__name__}: {error}") from None
    for name in ("scenario", "seed", "mode"):
        if header[name] != getattr(study, name):
            raise _Verdict("altered", f"{name} is {header[name]!r} in the header, {getattr(study, name)!r} in the study")
    for name in ("scenario_hash", "tools_hash", "rubric_hash"):
        if header[name] != getattr(study, name):
            what = name.removesuffix("_hash")
            raise _Verdict("different-engine", f"the {what} data here are not those of the record, or its header was changed")
    if header["study_hash"] != study.hash:
        raise _Verdict("altered", f"the study rebuilt from the header has another hash{_elsewhere(header)}")
    return study


def _elsewhere(header: dict[str, Any]) -> str:
    """Return a hint where the record was made under other software than this."""
    other = [f"{name} {header[name]} (here {value})" for name, value in software().items() if header[name] != value]
    return f"; recorded under {', '.join(other)}" if other else ""


def _check_replay(
    study: Any, transcript: Transcript, progress: Callable[[int, int], None] | None, rerun: Callable[..., Replay]
) -> None:
    try:
        outcome = rerun(study, transcript, progress)
    except Exception as error:  # as in _study
        raise _Verdict("altered", f"the replay fails: {type(error).__name__}: {error}") from None
    if not outcome.matches:
        raise _Verdict("altered", f"the replay differs {outcome.first_difference}{_elsewhere(transcript.header)}")


def _check_score(transcript: Transcript, score_of: ScoreOf) -> None:
    try:
        score = score_of(transcript)
        place = difference(transcript.result or {}, score)
    except Exception as error:  # as in _study
        raise _Verdict("altered", f"the score cannot be recomputed: {type(error).__name__}: {error}") from None
    if place:
        raise _Verdict("altered", f"the score is not the one that the events give: {place}")
