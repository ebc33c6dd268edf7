"""Who sits at the simulator, and for what: practice with a free choice, or the next item of a sealed battery.

In a battery everything is fixed by the assignment file; before the patient is shown, the sitting log has the opening on
the disk, so that an attempt that went badly cannot be left out without a trace.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from commands.common import check_seed, utc_now
from sim.errors import UsageError

if TYPE_CHECKING:
    from scenarios.registry import Scenario
    from scoring.battery import Battery, Item
    from scoring.trust.sitting import SittingLog

HANDS = ("left", "right", "")


@dataclass
class Seat:
    """One item of a battery that is about to be opened by one learner."""

    battery: Battery
    item: int
    log: SittingLog
    attempt: int = 0
    head: str = ""

    def open(self, now: str) -> dict[str, Any]:
        """Write the opening to the disk and return what the header says of it."""
        self.attempt, self.head = self.log.open(self.item, now)
        return self.battery.place(self.item, self.attempt, self.head)


@dataclass
class Who:
    """Who acts, where, with which hand and device, and in which seat of a battery."""

    learner: str = ""
    site: str = ""
    handedness: str = ""
    input_device: str = ""
    seat: Seat | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise UsageError for something that a record may not say."""
        from scoring.trust.people import check_pseudonym

        if self.learner:
            check_pseudonym(self.learner)
        if self.handedness not in HANDS:
            raise UsageError(f"--handedness {self.handedness}: expected left or right")
        for name in ("site", "input_device"):
            text = getattr(self, name)
            if len(text) > 60 or not (text.isprintable() or not text):
                raise UsageError(f"--{name.replace('_', '-')}: expected at most 60 printable characters")

    def header(self, now: str) -> dict[str, Any]:
        """Return these as fields of a header; opens the item of a battery."""
        self.check()
        place = self.seat.open(now) if self.seat else {}
        names = ("learner", "site", "handedness", "input_device")
        return {name: getattr(self, name) for name in names} | {"battery": place}

    def ended(self, now: str, record: Path | None) -> None:
        """Tell the sitting log how the attempt ended: sealed into `record`, or given up (None)."""
        if self.seat is None:
            return
        from sim.attempt import read_raw

        root = read_raw(record).root if record else ""
        self.seat.log.close(self.seat.item, self.seat.attempt, "sealed" if record else "abandoned", now, root)


@dataclass(frozen=True)
class Case:
    """What is about to be done."""

    scenario: str
    seed: int
    mode: str
    folder: Path
    who: Who

    def told(self) -> dict[str, Any]:
        """Return the learner and the place in the battery, for --json; nothing in free practice."""
        out = {"learner": self.who.learner} if self.who.learner else {}
        if self.who.seat:
            return out | {"battery": self.who.seat.battery.id, "item": self.who.seat.item, "attempt": self.who.seat.attempt}
        return out


def seated(
    battery: Path | None, scenario: str | None, seed: int | None, mode: str | None, out: Path, who: Who, item: int | None
) -> Case:
    """Return what to do: the scenario that was asked for, or the next item of a battery. UsageError for a wrong mixture."""
    who.check()
    if battery is None:
        if scenario is None:
            raise UsageError("no scenario; expected one (see: main.py list), or --battery FILE")
        if item is not None:
            raise UsageError("--item: expected only together with --battery")
        return Case(scenario, check_seed(1 if seed is None else seed), mode or "practice", out, who)
    for name, value in (("a scenario", scenario), ("--seed", seed), ("--mode", mode)):
        if value is not None:
            raise UsageError(f"{name} together with --battery; expected neither: the battery fixes scenario, patient and mode")
    if not who.learner:
        raise UsageError("--battery needs --learner PSEUDONYM (main.py learner add makes one)")
    return _take(battery, out, who, item)


def _take(path: Path, out: Path, who: Who, wanted: int | None) -> Case:
    from scoring.battery import read_battery
    from scoring.keys import load_or_create
    from scoring.trust.sitting import SUFFIX, SittingLog, next_item

    battery = read_battery(path)
    _may_sit(battery, who.learner, utc_now())
    name = f"{battery.sha256[:16]}-{who.learner}{SUFFIX}"
    log = SittingLog(sittings_folder() / name, battery.sha256, who.learner, load_or_create(), [out / who.learner / name])
    sitting = log.read()
    number = next_item(len(battery.items), sitting, wanted)
    again = sitting.opened(number)
    folder = f"item-{number:02d}" + (f"-attempt-{again + 1}" if again else "")
    item = battery.items[number - 1]
    check_item(battery, number, item)
    who.seat = Seat(battery, number, log)
    return Case(item.scenario, item.seed, "assessment", out / who.learner / folder, who)


def sittings_folder() -> Path:
    """Return where this installation keeps its sitting logs."""
    return Path(platformdirs.user_data_dir("scottie")) / "sittings"


def _may_sit(battery: Battery, learner: str, now: str) -> None:
    from sim.attempt import ENGINE_VERSION

    if battery.learners and learner not in battery.learners:
        raise UsageError(
            f"battery '{battery.id}' is not assigned to {learner}; expected one of its {len(battery.learners)} learners"
        )
    if battery.opens and now < battery.opens:
        raise UsageError(f"battery '{battery.id}' opens at {battery.opens}; it is {now} by this machine's clock")
    if battery.closes and now > battery.closes:
        raise UsageError(f"battery '{battery.id}' closed at {battery.closes}; it is {now} by this machine's clock")
    if now < battery.created:
        raise UsageError(f"battery '{battery.id}' was made at {battery.created}; this machine's clock says {now}: set it right")
    if (battery.engine, battery.source) != (ENGINE_VERSION, source_hash()):
        raise UsageError(
            f"battery '{battery.id}' is for engine {battery.engine} of another build; expected the very Scottie it was made with"
        )


def source_hash() -> str:
    """Return one hash over the source files that run here."""
    from sim.attempt import canonical, source_digests

    return hashlib.sha256(canonical(dict(source_digests()))).hexdigest()


def check_item(battery: Battery, number: int, item: Item) -> Scenario:
    """Return the scenario of an item; UsageError if it is retired, or not the one that was assigned."""
    from scenarios.registry import find_scenario

    where = f"battery '{battery.id}', item {number}"
    scenario = find_scenario(item.scenario)
    if scenario.file.retired:
        raise UsageError(f"{where}: {scenario.id} is retired: {scenario.file.retired_reason}; expected a new battery")
    now = item_of(scenario, item.seed)
    for name in ("scenario_version", "scenario_hash", "rubric_hash", "tools_hash"):
        if getattr(now, name) != getattr(item, name):
            what = name.split("_")[0]
            raise UsageError(f"{where}: the {what} of {scenario.id} installed here is not the one that was assigned")
    return scenario


def item_of(scenario: Scenario, seed: int) -> Item:
    """Return a scenario, as it is installed here, as an item of a battery."""
    from scenarios.toolbox import tools_hash
    from scoring.battery import Item

    return Item(
        scenario=scenario.id,
        scenario_version=scenario.file.version,
        scenario_hash=scenario.hash,
        rubric_hash=hashlib.sha256(scenario.rubric_path.read_bytes()).hexdigest(),
        tools_hash=tools_hash(),
        seed=seed,
    )
