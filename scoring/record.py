"""Sealing an attempt, and the verdict on a sealed one (docs/RECORD.md has the format).

The chain shows that no line was changed; the signature shows which installation sealed it; the replay shows
that the events follow from the commands; the score is recomputed. Only all four together give "verified".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from scoring.keys import fingerprint, public_hex
from sim.attempt import (
    ENGINE_VERSION,
    VERSION,
    Altered,
    Chain,
    NewerFormat,
    Raw,
    Replay,
    Transcript,
    Unreadable,
    canonical,
    difference,
    differing,
    is_hex,
    one_line,
    read_raw,
    replay,
    set_aside,
    software,
    source_digests,
    sync_folder,
    transcript_of,
)
from sim.errors import MachineError, RecordError, ScottieError


def signed_as(version: int = VERSION) -> bytes:
    """Return what is put before the signed bytes, so that a signature is never taken for one of something else."""
    return b"scottie-attempt-seal/%d\n" % version


REASONS = ("finished", "abandoned", "faulty")
"""Why an attempt was sealed: it came to its end; it was given up; the core found a number that is not finite."""

STATUSES = {
    "verified": "chain, signature, replay and score agree",
    "sealed": "chain and signature agree (check_file only: nothing was replayed)",
    "interrupted": "readable, but it did not come to its end: no score",
    "untrusted": "signed by a key that is not in the list of trusted keys",
    "different-engine": "made with, or only to be rebuilt with, another engine, scenario, tools or rubric",
    "altered": "it was changed or damaged after it was sealed",
    "unreadable": "not a Scottie attempt, or a file that cannot be read",
    "newer-format": "of a format version made after this program",
    "failed": "the verification itself failed (a worker died or took too long): nothing is said about the file",
}


class Trust(Protocol):
    """Whom to believe: scoring.trust.trustlist.TrustList."""

    def doubt(self, key: str, root: str) -> str:
        """Return why a record with this chain head, sealed by the key of this fingerprint, is not believed; "" if it is."""


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

    def light(self) -> Verdict:
        """Return the verdict without the transcript and the list of source files: a few kilobytes."""
        header = None if self.header is None else {k: v for k, v in self.header.items() if k != "source"}
        return replace(self, transcript=None, header=header)

    def as_message(self) -> dict[str, Any]:
        """Return the light verdict as plain JSON, for another process; `from_message` reads it."""
        one = self.light()
        return {f.name: getattr(one, f.name) for f in fields(one) if f.name != "transcript"}

    @staticmethod
    def from_message(plain: dict[str, Any]) -> Verdict:
        """Return the verdict that another process sent."""
        return Verdict(**plain)

    @property
    def ok(self) -> bool:
        """True for "verified" alone."""
        return self.status == "verified"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict for --json."""
        names = ("scenario", "seed", "mode", "operator", "engine", "started", "learner", "battery")
        told = {name: self.header[name] for name in names if name in self.header} if self.header else {}
        told |= {"record_id": self.root} if self.root else {}
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
    chain = Chain(raw.version)
    chain.head, chain.lines = bytes.fromhex(raw.root), raw.lines
    result_line = chain.write({"result": result})
    body = {"reason": reason, "lines": chain.lines, "ticks": raw.last_tick, "root": chain.head.hex()}
    body["public_key"] = public_hex(key)
    return result_line + chain.write({"seal": {**body, "signature": key.sign(signed_as(raw.version) + canonical(body)).hex()}})


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


def check_file(path: str | Path, trusted: set[str] | Trust | None = None) -> Verdict:
    """Check structure, chain and signature alone; "sealed" if they hold. Never raises for what a file holds."""
    verdict, _ = _checked(path, trusted)
    return verdict


def verify(
    path: str | Path,
    make_study: MakeStudy,
    score_of: ScoreOf,
    trusted: set[str] | Trust | None = None,
    progress: Callable[[int, int], None] | None = None,
    rerun: Callable[..., Replay] = replay,
) -> Verdict:
    """Check everything: chain, signature, study, replay of every event and digest, score.

    `make_study(header)` rebuilds the study, `score_of(transcript)` the score; `trusted` are fingerprints of
    the keys to believe, or a Trust that judges key and record (None: any key, and the verdict says which). A record
    whose header names other source files than run here is "different-engine" when anything differs, and always in
    an assessment; in practice an equal replay is "verified", and the reason names the files. Never raises for what
    a file holds.
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
        other = _other_source(transcript.header)
        _check_replay(_study(transcript.header, make_study, other), transcript, progress, rerun, other)
        if transcript.complete:
            _check_score(transcript, score_of, other)
        if other and transcript.header["mode"] == "assessment":
            raise _Verdict("different-engine", f"{other}; here every event, digest and score is the same")
        if not transcript.complete:
            raise _Verdict("interrupted", f"{transcript.note}: it replays, but has no score")
    except Unreadable as error:
        return replace(verdict, status=_status_of(error), reason=error.reason)
    except _Verdict as end:
        return replace(verdict, status=end.status, reason=one_line(str(end)))
    seconds = transcript.last_tick / 100
    what = f"{len(transcript.commands)} commands, {len(transcript.events)} events, {seconds:.2f} s; signed by {verdict.key}"
    return replace(verdict, status="verified", reason=one_line(f"{what}; {other}, the replay is equal" if other else what))


def _status_of(error: Exception) -> str:
    if isinstance(error, Altered):
        return "altered"
    return "newer-format" if isinstance(error, NewerFormat) else "unreadable"


def _other_source(header: dict[str, Any]) -> str:
    """Return "" when the record names the source files that run here (or none: format 1), else what differs."""
    files = differing(header["source"], source_digests()) if "source" in header else []
    if not files:
        return ""
    more = f" and {len(files) - 3} more files differ" if len(files) > 3 else " differs" if len(files) == 1 else " differ"
    return f"made with another engine: {', '.join(files[:3])}{more}"


def _checked(path: str | Path, trusted: set[str] | Trust | None) -> tuple[Verdict, Raw | None]:
    """Return the verdict on structure, chain and signature, and the lines where they could be read."""
    verdict = Verdict(path=one_line(str(path)), status="sealed", reason=STATUSES["sealed"])
    try:
        raw = read_raw(path)
    except RecordError as error:
        return replace(verdict, status=_status_of(error), reason=getattr(error, "reason", str(error))), None
    verdict = replace(verdict, header=raw.header, seconds=raw.last_tick / 100, result=raw.result, root=raw.root)
    try:
        if raw.seal is None:
            _unsealed(raw)
        key = fingerprint(_check_seal(raw))
        verdict = replace(verdict, key=key)
        if doubt := _doubt(trusted, key, raw.root):
            raise _Verdict("untrusted", doubt)
    except _Verdict as end:
        verdict = replace(verdict, status=end.status, reason=one_line(str(end)))
    return verdict, raw


def _doubt(trusted: set[str] | Trust | None, key: str, root: str) -> str:
    if trusted is None:
        return ""
    if isinstance(trusted, set):
        return "" if key in trusted else f"signed by {key}, which is not a trusted key"
    return trusted.doubt(key, root)


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
        key.verify(bytes.fromhex(signature), signed_as(raw.version) + canonical(body))
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


def _study(header: dict[str, Any], make_study: MakeStudy, other: str = "") -> Any:
    """Return the study rebuilt from the header; _Verdict if this installation cannot, or builds another one.

    `other` says how the engine of the record differs ("" if it does not).
    """
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
        raise _differs(f"the study rebuilt from the header has another hash{_elsewhere(header)}", other)
    return study


def _elsewhere(header: dict[str, Any]) -> str:
    """Return a hint where the record was made under other software than this."""
    other = [f"{name} {header[name]} (here {value})" for name, value in software().items() if header[name] != value]
    return f"; recorded under {', '.join(other)}" if other else ""


def _differs(what: str, other: str) -> _Verdict:
    """Return the verdict on a difference: "different-engine" if the record names another engine, else "altered"."""
    return _Verdict("different-engine", f"{other}; {what}") if other else _Verdict("altered", what)


def _check_replay(
    study: Any, transcript: Transcript, progress: Callable[[int, int], None] | None, rerun: Callable[..., Replay], other: str
) -> None:
    try:
        outcome = rerun(study, transcript, progress)
    except Exception as error:  # as in _study
        raise _differs(f"the replay fails: {type(error).__name__}: {error}", other) from None
    if not outcome.matches:
        raise _differs(f"the replay differs {outcome.first_difference}{_elsewhere(transcript.header)}", other)


def _check_score(transcript: Transcript, score_of: ScoreOf, other: str) -> None:
    try:
        score = score_of(transcript)
        place = difference(transcript.result or {}, score)
    except Exception as error:  # as in _study
        raise _Verdict("altered", f"the score cannot be recomputed: {type(error).__name__}: {error}") from None
    if place:
        raise _differs(f"the score is not the one that the events give: {place}", other)
