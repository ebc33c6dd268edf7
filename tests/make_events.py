"""Synthetic attempts for the tests of metrics, rubric, score and report: what the core would have told, without the core."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sim.command import LEVELS, SIDES, Command
from sim.event import Event, event

STEROID = "dexamethasone 8 mg/mL"
CONTRAST = "iohexol 240"


@dataclass
class Attempt:
    """Writes events and commands step by step. `tip` holds the fields that every event with a tip carries."""

    level: str = "L4"
    side: str = "right"
    tick: int = 0
    events: list[Event] = field(default_factory=list)
    commands: list[tuple[int, Command]] = field(default_factory=list)
    tip: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.events.append(event(0, "began", scenario="test", level=self.level, side=self.side, approach="subpedicular"))
        self.tip = tip(self.level, self.side)

    def tell(self, kind: str, /, **data: Any) -> Attempt:
        self.events.append(Event(self.tick, kind, data))
        return self

    def do(self, op: str, *args: int, wait: int = 40) -> Attempt:
        self.tick += wait
        self.commands.append((self.tick, Command(op, args)))
        return self

    def prepare(self, skip: Iterable[str] = ()) -> Attempt:
        if "chart" not in skip:
            self.do("chart.review").tell("chart_reviewed")
        if "consent" not in skip:
            self.do("consent.take").tell("consent_taken")
        if "timeout" not in skip:
            self.timeout(self.level, self.side)
        if "prep" not in skip:
            self.do("prep.skin").tell("skin_prepped")
        return self

    def timeout(self, level: str, side: str) -> Attempt:
        self.do("timeout.call", LEVELS.index(level), SIDES.index(side))
        return self.tell("timeout_called", level=level, side=side, correct=(level, side) == (self.level, self.side))

    def expose(self, view: str, **changes: Any) -> Attempt:
        primary = {"ap": 0, "lateral": 90_000}.get(view, 24_000)
        data: dict[str, Any] = {
            "mode": "shot",
            "view": view,
            "primary_mdeg": primary,
            "secondary_mdeg": 0,
            "pulses": 1,
            "duration_ms": 130,
            "kvp_x10": 760,
            "mas_x1000": 800,
            "dap_pgy_m2": 2_000_000,
            "air_kerma_ngy": 90_000,
            "field_permille": 1000,
            "magnification": 0,
            "in_field": ["L4", "L5"],
            "needle_in_field": False,
            "contrast_in_field": False,
            "while_injecting": "",
            "injected_ul": 0,
            "square_mdeg": 1500,
        }
        return self.do("xray.shot").tell("exposed", **{**data, **changes})

    def count(self, level: str | None = None, in_field: Iterable[str] = ("L4", "L5", "sacrum")) -> Attempt:
        self.expose("ap", in_field=list(in_field))
        return self.do("level.declare", 0).tell("level_declared", level=level or self.level)

    def place(self, degrees: float = 24.0, view: str = "", square_mdeg: int = 1500) -> Attempt:
        view = view or f"oblique_{self.side}"
        self.expose(view, primary_mdeg=round(-degrees * 1000), square_mdeg=square_mdeg, field_permille=300)
        self.do("needle.choose", 0).tell("needle_chosen", name="22G Quincke 127 mm", gauge=22)
        self.do("needle.place", 0, 0, 0, 0)
        return self.tell("needle_placed", yaw_mdeg=0, pitch_mdeg=0, x_um=0, y_um=0, z_um=0)

    def move(self, delta_um: int = 5000, **changes: Any) -> Attempt:
        self.do("needle.move", delta_um, 8000)
        self.tip.update(changes)
        self.tick += 60
        return self.tell("needle_stopped", reason="hand", **self.tip)

    def drive(self) -> Attempt:
        for depth, off in ((20_000, 38_000), (40_000, 18_000), (56_000, 900)):
            self.move(depth_um=depth, off_dorsal_um=off, distance_um=abs(off) + 500, in_canal_um=-6000)
            self.expose("lateral" if off > 900 else f"oblique_{self.side}", needle_in_field=True)
        return self

    def aspirate(self, result: str = "nothing") -> Attempt:
        return self.do("syringe.aspirate").tell("aspirated", result=result, **self.tip)

    def inject(self, agent: str, kind: str, volume_ul: int = 1000, pattern: str = "epidural", **changes: Any) -> Attempt:
        particulate = bool(changes.pop("particulate", False))
        self.do("syringe.attach", 0, volume_ul)
        self.tell("attached", agent=agent, kind=kind, particulate=particulate, drawn_ul=volume_ul)
        self.do("syringe.inject", volume_ul, 500)
        self.tell("injection_started", agent=agent, kind=kind, particulate=particulate, rate_ul_s=500, **self.tip)
        self.tick += volume_ul // 5
        data: dict[str, Any] = {
            "agent": agent,
            "kind": kind,
            "particulate": particulate,
            "volume_ul": volume_ul,
            "pattern": pattern,
            "epidural_ul": volume_ul // 2 if "epidural" in pattern else 0,
            "foraminal_ul": volume_ul // 2 if "epidural" in pattern else 0,
            "vascular_ul": volume_ul if "vascular" in pattern else 0,
            "intrathecal_ul": volume_ul if "intrathecal" in pattern else 0,
            "disc_ul": volume_ul if "disc" in pattern else 0,
            "muscle_ul": 0,
            "other_ul": 0,
            "live_ul": 0,
            "levels": [f"root_{self.level}_{self.side}"],
            **self.tip,
        }
        return self.tell("injection_stopped", **{**data, **changes})

    def contrast(self, pattern: str = "epidural", live: bool = True, volume_ul: int = 1000) -> Attempt:
        self.inject(CONTRAST, "contrast", volume_ul, pattern, live_ul=volume_ul if live else 0)
        if live:
            self.expose("ap", mode="live", pulses=24, duration_ms=3000, dap_pgy_m2=30_000_000, contrast_in_field=True,
                        while_injecting="contrast", injected_ul=volume_ul, needle_in_field=True)  # fmt: skip
        return self

    def views(self, *names: str) -> Attempt:
        for name in names or ("ap", "lateral"):
            self.expose(name, needle_in_field=True, contrast_in_field=True)
        return self

    def steroid(self, **changes: Any) -> Attempt:
        agent = changes.pop("agent", STEROID)
        return self.inject(agent, "steroid", **changes)

    def end(self) -> Attempt:
        self.do("needle.remove").tell("needle_removed", passes=1)
        return self.do("finish").tell("finished")


def tip(level: str = "L4", side: str = "right", **changes: Any) -> dict[str, Any]:
    """Return the fields of an event with a tip, near the target of `level` and `side`."""
    data: dict[str, Any] = {
        "x_um": -18_000,
        "y_um": 5_000,
        "z_um": 12_000,
        "off_right_um": 700,
        "off_dorsal_um": 900,
        "off_cranial_um": -400,
        "distance_um": 1208,
        "tissue": "foramen_fat",
        "depth_um": 56_000,
        "level": level,
        "side": side,
        "in_canal_um": -6000,
    }
    return {**data, **changes}


def ready(**tip_changes: Any) -> Attempt:
    """Return an attempt with the needle at the target, before any contrast."""
    attempt = Attempt().prepare().count().place().drive()
    attempt.tip.update(tip_changes)
    return attempt.aspirate()


def expert() -> Attempt:
    """Return an attempt in which everything was done."""
    return ready().contrast().views().steroid().end()
