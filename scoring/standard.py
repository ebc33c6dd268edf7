"""A standard: the cut that a site has set for a procedure, with its provenance, signed; and the words it allows.

Until a site has set one with its own novices and experts, every text says "No standard set" and judges nobody. A standard is a
signed document (scoring.trust.documents, docs/STATISTICS.md): whole numbers only, so the cut is in thousandths of the scale
and rates are in millionths. Every text that wants to call a person able or not goes through `wording`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.keys import fingerprint
from scoring.trust.documents import check_time, parse_signed, read_document, sign
from sim.attempt import one_line
from sim.errors import RecordError, UsageError

FORMAT = "scottie-standard"
LEAST = 15
"""Novices and experts each, below which a cut is provisional (docs/STATISTICS.md: SD of the cut by group size)."""

METHODS = ("contrasting-groups", "angoff", "hofstee")
FIELDS: dict[str, type] = {
    "procedure": str,
    "rubric_hash": str,  # "" when the cut does not rest on records
    "scale": str,  # a value of scoring.cohort.Row
    "items": int,  # first attempts that a learner's mean is taken over, at least
    "critical_allowed": int,
    "method": str,
    "cut_milli": int,
    "interval_milli": list,  # [low, high] or []
    "level_permille": int,
    "groups": dict,  # name -> how many people
    "rates_ppm": dict,
    "consistency_ppm": dict,
    "sem_milli": int,  # absolute SEM of a mean over `items`; -1 when it is not known
    "who": str,
    "decided": str,
    "expires": str,
    "provisional": bool,
    "data_digest": str,
    "data": str,  # what the digest is of
    "detail": dict,
}


@dataclass(frozen=True)
class Standard:
    """A cut on the mean of a learner's first attempts, with everything a committee has to know about it."""

    procedure: str
    rubric_hash: str
    scale: str
    items: int
    critical_allowed: int
    method: str
    cut: float
    interval: tuple[float, float] | None
    level: float
    groups: Mapping[str, int]
    rates: Mapping[str, float]
    consistency: Mapping[str, float]
    sem: float | None
    who: str
    decided: str
    expires: str
    provisional: bool
    data_digest: str
    data: str
    detail: Mapping[str, Any]
    signer: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the standard for JSON."""
        return dict(self.__dict__)

    def body(self) -> dict[str, Any]:
        """Return the signed fields: whole numbers and texts."""
        low_high = [] if self.interval is None else [round(1000 * v) for v in self.interval]
        return {
            "procedure": self.procedure,
            "rubric_hash": self.rubric_hash,
            "scale": self.scale,
            "items": self.items,
            "critical_allowed": self.critical_allowed,
            "method": self.method,
            "cut_milli": round(1000 * self.cut),
            "interval_milli": low_high,
            "level_permille": round(1000 * self.level),
            "groups": dict(self.groups),
            "rates_ppm": {name: round(1e6 * v) for name, v in self.rates.items()},
            "consistency_ppm": {name: round(1e6 * v) for name, v in self.consistency.items()},
            "sem_milli": -1 if self.sem is None else round(1000 * self.sem),
            "who": self.who,
            "decided": self.decided,
            "expires": self.expires,
            "provisional": self.provisional,
            "data_digest": self.data_digest,
            "data": self.data,
            "detail": dict(self.detail),
        }


def sign_standard(standard: Standard, key: Ed25519PrivateKey) -> bytes:
    """Return the standard as a signed file. UsageError for one that the rules do not allow."""
    try:
        _check(standard)
    except ValueError as error:
        raise UsageError(f"standard: {error}") from None
    return sign(FORMAT, standard.body(), key)


def _check(standard: Standard) -> None:
    """Raise ValueError unless the standard keeps the rules, whoever signed it."""
    if standard.method not in METHODS:
        raise ValueError(f"method '{one_line(standard.method, 40)}'; expected one of {', '.join(METHODS)}")
    for what, text in (("who decided", standard.who), ("procedure", standard.procedure), ("scale", standard.scale)):
        if not (0 < len(text) <= 200 and text.isprintable()):
            raise ValueError(f"{what}: expected 1 to 200 printable characters")
    check_time(standard.decided, "decided")
    check_time(standard.expires, "expires")
    if standard.expires <= standard.decided:
        raise ValueError(f"expires {standard.expires}, which is not after {standard.decided}")
    if standard.items < 1 or standard.critical_allowed < 0:
        raise ValueError("expected at least 1 item and no negative number of critical errors")
    if not standard.provisional and (why := too_few(standard.method, standard.groups)):
        raise ValueError(why)


def too_few(method: str, groups: Mapping[str, int]) -> str:
    """Return why such groups cannot make a standard that stands; "" if they can."""
    if method != "contrasting-groups":
        return f"{method} alone is a cross-check; expected contrasting groups of {LEAST} + {LEAST} people, or --provisional"
    novices, experts = groups.get("novices", 0), groups.get("experts", 0)
    if type(novices) is not int or type(experts) is not int or min(novices, experts) < LEAST:
        return f"{novices} novices and {experts} experts; expected at least {LEAST} of each for a procedure, or --provisional"
    return ""


def load_standard(path: str | Path | None) -> Standard | None:
    """Return the standard in a file, None for no file. RecordError (one line) for a changed, foreign or damaged file.

    The signature shows that it was not changed since `signer` signed it; whether to believe that key is the caller's
    question (scoring.trust.trustlist). A file whose groups are too small and that does not say provisional is refused.
    """
    if path is None:
        return None
    name = one_line(str(path))
    value = parse_signed(read_document(path), FORMAT, FIELDS, str(path))
    try:
        standard = _from(value)
        _check(standard)
    except (ValueError, TypeError, OverflowError) as error:
        raise RecordError(f"{name}: {error}") from None
    return standard


def _from(value: Mapping[str, Any]) -> Standard:
    interval = value["interval_milli"]
    if len(interval) not in (0, 2) or any(type(v) is not int for v in interval):
        raise ValueError("interval_milli; expected two whole numbers or none")
    numbers = [*value["rates_ppm"].values(), *value["consistency_ppm"].values(), *value["groups"].values()]
    if any(type(v) is not int for v in numbers):
        raise ValueError("groups, rates and consistency; expected whole numbers")
    return Standard(
        procedure=value["procedure"],
        rubric_hash=value["rubric_hash"],
        scale=value["scale"],
        items=value["items"],
        critical_allowed=value["critical_allowed"],
        method=value["method"],
        cut=value["cut_milli"] / 1000,
        interval=(interval[0] / 1000, interval[1] / 1000) if interval else None,
        level=value["level_permille"] / 1000,
        groups=value["groups"],
        rates={name: v / 1e6 for name, v in value["rates_ppm"].items()},
        consistency={name: v / 1e6 for name, v in value["consistency_ppm"].items()},
        sem=None if value["sem_milli"] < 0 else value["sem_milli"] / 1000,
        who=value["who"],
        decided=value["decided"],
        expires=value["expires"],
        provisional=value["provisional"],
        data_digest=value["data_digest"],
        data=value["data"],
        detail=value["detail"],
        signer=fingerprint(value["public_key"]),
    )


@dataclass(frozen=True)
class Wording:
    """What may be said of one learner. meets: None where nothing may be said. borderline: within 1.96 SEM of the cut."""

    text: str
    meets: bool | None
    borderline: bool = False


NOT_SET = "No standard set."


def wording(
    standard: Standard | None,
    scores: Sequence[float],
    critical_errors: int,
    now: str,
    procedure: str = "",
    rubric_hash: str = "",
    all_verified: bool = True,
) -> Wording:
    """Return the only words about a person's standing that any output may use.

    scores: the learner's first attempts on the standard's scale (one per item, interrupted ones not left out but refused by
    the caller's count); critical_errors: in those attempts; now: UTC text; all_verified: every record was replayed.
    """
    if standard is None:
        return Wording(NOT_SET, None)
    if standard.provisional:
        return Wording(f"No standard set: the cut {standard.cut:g} on {standard.scale} is provisional and judges nobody.", None)
    if not standard.decided <= now < standard.expires:
        return Wording(f"The standard was valid from {standard.decided} to {standard.expires}: it judges nobody now.", None)
    if procedure not in ("", standard.procedure) or (rubric_hash and standard.rubric_hash not in ("", rubric_hash)):
        return Wording("The standard was set for another procedure or rubric: it judges nobody here.", None)
    if not all_verified:
        return Wording("The standard judges attempts that were verified by replay alone (--verify).", None)
    if len(scores) < standard.items:
        return Wording(f"The standard asks for {standard.items} first attempts; there are {len(scores)} with a score.", None)
    return _judged(standard, sum(scores) / len(scores), critical_errors)


def _judged(standard: Standard, mean: float, critical_errors: int) -> Wording:
    meets = mean >= standard.cut and critical_errors <= standard.critical_allowed
    near = standard.sem is not None and abs(mean - standard.cut) < 1.96 * standard.sem
    by = f"by the standard that {standard.who} set on {standard.decided[:10]}"
    numbers = f"mean {mean:.1f}, cut {standard.cut:g}, critical errors {critical_errors} (allowed {standard.critical_allowed})"
    verdict = "competent" if meets else "not yet competent"
    doubt = " The score lies within the error of measurement of the cut: a repeat could decide otherwise." if near else ""
    return Wording(f"{verdict} in {standard.procedure} {by}: {numbers}.{doubt}", meets, near)


def expiry(decided: str, months: int) -> str:
    """Return the moment `months` after a UTC time, on the last day of a shorter month's 28 days."""
    if not 1 <= months <= 60:
        raise UsageError(f"a standard of {months} months; expected 1 to 60")
    start = datetime.strptime(decided, "%Y-%m-%dT%H:%M:%SZ")
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, 28)).strftime("%Y-%m-%dT%H:%M:%SZ")
