"""One's own finished attempts in a folder, oldest first, whatever the clock did.

Files carry the wall clock, and clocks are set back. So the folder keeps a list of its records in the order in which they
were first met (`seen.txt`): whoever looks often gets the true order even where the times contradict it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scenarios.registry import all_scenarios
from sim.attempt import read_raw
from sim.errors import ScottieError

SEEN = "seen.txt"
PERSON = "trainee"
"""The operator that records of people at the window name."""


@dataclass(frozen=True)
class Done:
    """One attempt of a person in practice that was scored. Whole numbers in the units of the metrics; started: UTC text."""

    path: Path
    record_id: str
    scenario: str
    procedure: str
    seed: int
    started: str
    finished: bool
    passed: bool
    critical_errors: tuple[str, ...]
    points: int
    points_possible: int
    exposures: int
    dap_pgy_m2: int
    tip_error_um: int | None

    @property
    def safe(self) -> bool:
        """Passed, and without a critical error."""
        return self.passed and not self.critical_errors


@dataclass(frozen=True)
class History:
    """Attempts oldest first, and what could not be used or was odd, one line each."""

    attempts: tuple[Done, ...] = ()
    notes: tuple[str, ...] = field(default=())


def read_attempts(folder: Path, now: str = "", operator: str = PERSON) -> History:
    """Return the scored practice attempts by `operator` below `folder`, in the order in which they were made.

    now: present UTC time as text; an attempt that began later than that shows that the clock was set back, which is said.
    Seals are not checked here: this is for oneself. A file that cannot be read is a note, never an error.
    """
    notes: list[str] = []
    found: dict[str, Done] = {}
    procedures = {s.id: s.file.procedure for s in all_scenarios()[0]}
    for path in sorted(folder.rglob("*.scottie")) if folder.is_dir() else []:
        try:
            done = _done(path, procedures, operator)
        except (ScottieError, KeyError, TypeError, ValueError, OSError) as error:
            notes.append(f"{path}: left out: {' '.join(str(error).split())}")
            continue
        if done is not None:
            found[done.record_id] = done
    order = _in_order(folder, found, notes)
    late = [done for done in order if now and done.started > now]
    if late:
        notes.append(f"{len(late)} attempt(s) began later than this clock says ({now}): it was set back; their order is kept")
    return History(tuple(order), tuple(notes))


def _done(path: Path, procedures: dict[str, str], operator: str) -> Done | None:
    """Return one attempt; None when it is not a scored practice attempt by this operator."""
    raw = read_raw(path)
    header, result = raw.header, raw.result
    if header["mode"] != "practice" or header["operator"] != operator or not result or "passed" not in result:
        return None
    scenario, metrics = str(header["scenario"]), dict(result["metrics"])
    return Done(
        path=path,
        record_id=raw.root,
        scenario=scenario,
        procedure=procedures.get(scenario, ""),
        seed=int(header["seed"]),
        started=str(header["started"]),
        finished=bool(result["finished"]),
        passed=bool(result["passed"]),
        critical_errors=tuple(map(str, result["critical_errors"])),
        points=int(result["points"]["reached"]),
        points_possible=int(result["points"]["possible"]),
        exposures=int(metrics.get("exposures", 0)),
        dap_pgy_m2=int(metrics.get("dap_pgy_m2", 0)),
        tip_error_um=_whole(metrics.get("tip_error_um")),
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _in_order(folder: Path, found: dict[str, Done], notes: list[str]) -> list[Done]:
    """Return the attempts in the order first met; new ones by their time, behind all that were known, and written down."""
    file = folder / SEEN
    try:
        known = file.read_text(encoding="ascii").split() if file.is_file() else []
    except (OSError, UnicodeDecodeError):
        known = []
        notes.append(f"{file}: cannot be read; attempts are ordered by their times")
    place = {record: number for number, record in enumerate(known)}
    fresh = sorted((d for d in found.values() if d.record_id not in place), key=lambda d: (d.started, d.record_id))
    old = sorted((d for d in found.values() if d.record_id in place), key=lambda d: place[d.record_id])
    if fresh:
        part = file.with_name(f"{SEEN}.part")
        try:
            part.write_text("".join(f"{record}\n" for record in [*known, *(d.record_id for d in fresh)]), encoding="ascii")
            part.replace(file)
        except OSError as error:
            notes.append(f"{file}: cannot be written ({error.strerror}); after a change of the clock the order may be lost")
    return [*old, *fresh]
