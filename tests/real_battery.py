"""Ways to cheat at a real battery: real records of a cohort folder, and real attempts played in edited copies of the program.

scripts/forge_battery.py carries them out. Each attack gets a Table and returns (answer, the answer that is wanted).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from commands.worker import check
from scoring.battery import Battery, battery_status, read_battery
from scoring.cohort import Row, row_of
from scoring.keys import fingerprint, load_or_create
from scoring.trust.sitting import SUFFIX, read_sitting
from sim.attempt import read_raw
from tests.toy_battery import answer

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("sim", "scenarios", "scoring", "commands", "anatomy_assets")

CHEAT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from commands.joints import attempt
from commands.seat import Who

class Claimed(Who):
    def header(self, now):
        return super().header(now) | {"battery": told["battery"]}

told = json.loads(sys.argv[2])
if told["source"]:
    import sim.attempt.source, sim.attempt.header
    for module in (sim.attempt.source, sim.attempt.header):
        module.source_digests = lambda: told["source"]
who = Claimed(told["learner"], input_device="script")
attempt(told["scenario"], "trainee-95-1", told["seed"], __import__("pathlib").Path(told["out"]), told["mode"], print, False, who)
"""
"""What a cheat runs in his copy: an attempt that claims a place in the battery, and (with "source") honest source files."""


@dataclass
class Table:
    """A cohort folder, one learner of it, and room for forgeries. Verdicts are kept by content."""

    cohort: Path
    learner: str
    base: Path
    known: dict[str, Row] = field(default_factory=dict)
    number: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.key = load_or_create()
        self.battery = read_battery(self.cohort / "battery.json")

    def sitting(self) -> Path:
        """Return a fresh copy of the learner's honest sitting."""
        return Path(shutil.copytree(self.cohort / "attempts" / self.learner, self.base / f"{next(self.number)}" / self.learner))

    def answer(self, folder: Path, battery: Battery | None = None) -> str:
        """Return the first thing that the status of a folder finds wrong."""
        rows = [self._row(path) for path in sorted([*folder.rglob("*.scottie"), *folder.rglob("*.journal")])]
        logs = [read_sitting(path) for path in sorted(folder.rglob(f"*{SUFFIX}"))]
        return answer(battery_status(battery or self.battery, rows, logs))

    def _row(self, path: Path) -> Row:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest not in self.known:
            self.known[digest] = row_of(check(str(path), {fingerprint(self.key)}).light())
        return replace(self.known[digest], path=str(path))

    def edited(self, change: Any, key: Ed25519PrivateKey | None = None, item: int = 1) -> str:
        """Let `change` edit the lines of an item's record, re-sign it, and return the answer."""
        from scripts import forge

        folder = self.sitting()
        path = record(folder, item)
        lines = forge.unchained(path.read_bytes())
        change(lines)
        path.write_bytes(forge.resigned(lines, key or self.key))
        return self.answer(folder)

    def copy(self, file: str, old: str, new: str) -> Path:
        """Return a copy of the program in which a text was replaced (always in the same place, compiled once)."""
        where = self.base / "program"
        shutil.rmtree(where, ignore_errors=True)
        for part in PARTS:
            shutil.copytree(ROOT / part, where / part, ignore=shutil.ignore_patterns("__pycache__"))
        text = (where / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file}: '{old}' stands there {text.count(old)} times"
        (where / file).write_text(text.replace(old, new), encoding="utf-8")
        return where

    def played(self, program: Path, *, lying: bool = False, **changed: Any) -> str:
        """Play item 1 in a copy of the program, lay it in the place of the honest record, and return the answer."""
        from sim.attempt import source_digests

        folder = self.sitting()
        path = record(folder, 1)
        told = {
            "learner": self.learner,
            "scenario": self.battery.items[0].scenario,
            "seed": self.battery.items[0].seed,
            "mode": "assessment",
            "out": str(path.parent),
            "battery": read_raw(path).header["battery"],
            "source": dict(source_digests()) if lying else {},
        }
        path.unlink()
        words = [sys.executable, "-c", CHEAT, str(program), json.dumps(told | changed)]
        place = os.environ if program == ROOT else os.environ | {"NUMBA_CACHE_DIR": str(self.base / "numba")}
        subprocess.run(words, check=True, cwd=program, stdout=subprocess.DEVNULL, env=place)
        return self.answer(folder)


def record(folder: Path, item: int) -> Path:
    """Return the record of an item's first attempt."""
    return folder / f"item-{item:02d}" / "attempt.scottie"


# --- nothing


def an_honest_real_sitting(table):
    return table.answer(table.sitting()), "nothing"


# --- the folder


def a_real_attempt_dropped(table):
    folder = table.sitting()
    record(folder, 3).unlink()
    return table.answer(folder), "dropped"


def a_real_attempt_duplicated(table):
    folder = table.sitting()
    shutil.copy(record(folder, 2), record(folder, 2).with_name("again.scottie"))
    return table.answer(folder), "duplicate"


def real_files_in_another_order_change_nothing(table):
    folder = table.sitting()
    one, two = record(folder, 1), record(folder, 2)
    one.rename(folder / "kept")
    two.rename(one)
    (folder / "kept").rename(two)
    return table.answer(folder), "nothing"  # the place is in the record and in the log, not in the name of the file


def a_real_attempt_cut_short(table):
    folder = table.sitting()
    path = record(folder, 4)
    data = path.read_bytes()
    path.write_bytes(b"".join(data.splitlines(keepends=True)[:-2]))
    return table.answer(folder), "replaced"  # the log knows that this opening was sealed whole


def a_real_sitting_log_cut(table):
    folder = table.sitting()
    path = next(folder.glob(f"*{SUFFIX}"))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-6]))
    told = table.answer(folder)
    return "noticed" if "log" in told else told, "noticed"


# --- records edited and signed again with the very key of the machine


def real_attempts_reordered(table):
    def swap(lines):
        lines[0]["header"]["battery"]["item"] = 2

    return table.edited(swap), "altered"


def a_real_attempt_handed_in_by_another_learner(table):
    def rename(lines):
        lines[0]["header"]["learner"] = "p-somebody"

    return table.edited(rename), "altered"


def a_real_score_raised(table):
    def raised(lines):
        result = next(line for line in lines if "result" in line)["result"]
        result["passed"] = not result["passed"]

    return table.edited(raised), "altered"


def a_real_start_moved_back(table):
    def back(lines):
        lines[0]["header"]["started"] = "2001-01-01T00:00:00Z"

    return table.edited(back), "altered"


def a_rubric_hash_rewritten(table):
    def rewrite(lines):
        lines[0]["header"]["rubric_hash"] = "0" * 64

    return table.edited(rewrite), "different-engine"


def a_real_record_signed_with_another_key(table):
    return table.edited(lambda lines: None, Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))), "untrusted"


def a_real_old_battery_replayed(table):
    body = json.loads((table.cohort / "battery.json").read_bytes())
    newer = replace(table.battery, created=body["created"][:-1] + "1Z", sha256=hashlib.sha256(b"newer").hexdigest())
    return table.answer(table.sitting(), newer), "replayed-battery"


# --- real attempts played in an edited copy


def a_second_real_attempt_in_the_place_of_the_first(table):
    return table.played(ROOT), "replaced"  # same program, same key, same claim: only the sitting log knows


def a_real_attempt_at_another_scenario(table):
    return table.played(ROOT, scenario=table.battery.items[1].scenario, seed=table.battery.items[1].seed), "swapped-scenario"


def a_real_attempt_at_another_patient(table):
    return table.played(ROOT, seed=table.battery.items[0].seed + 1), "wrong-seed"


def a_real_practice_attempt(table):
    return table.played(ROOT, mode="practice"), "wrong-mode"


def a_real_attempt_under_an_easier_rubric(table):
    program = table.copy("scenarios/tfesi/rubric.toml", '{ metric = "finished", rule = "is_true" },', "")
    return table.played(program), "different-engine"


def a_real_attempt_at_an_edited_scenario(table):
    from scenarios.registry import find_scenario

    scenario = find_scenario(table.battery.items[0].scenario)
    file = scenario.path.relative_to(ROOT).as_posix()
    return table.played(table.copy(file, scenario.file.vignette, "Nothing to see.")), "different-engine"


HALF_DOSE = (
    "sim/carm.py",
    "dap_pgy_m2=me.dap_pgy_m2 + dap,\n        kerma",
    "dap_pgy_m2=me.dap_pgy_m2 + dap // 2,\n        kerma",
)


def a_real_attempt_with_a_patched_engine(table):
    return table.played(table.copy(*HALF_DOSE)), "different-engine"


def a_real_attempt_with_a_patched_engine_that_lies_about_its_source(table):
    return table.played(table.copy(*HALF_DOSE), lying=True), "altered"


ATTACKS = (
    an_honest_real_sitting,
    a_real_attempt_dropped,
    a_real_attempt_duplicated,
    real_files_in_another_order_change_nothing,
    a_real_attempt_cut_short,
    a_real_sitting_log_cut,
    real_attempts_reordered,
    a_real_attempt_handed_in_by_another_learner,
    a_real_score_raised,
    a_real_start_moved_back,
    a_rubric_hash_rewritten,
    a_real_record_signed_with_another_key,
    a_real_old_battery_replayed,
    a_second_real_attempt_in_the_place_of_the_first,
    a_real_attempt_at_another_scenario,
    a_real_attempt_at_another_patient,
    a_real_practice_attempt,
    a_real_attempt_under_an_easier_rubric,
    a_real_attempt_at_an_edited_scenario,
    a_real_attempt_with_a_patched_engine,
    a_real_attempt_with_a_patched_engine_that_lies_about_its_source,
)
