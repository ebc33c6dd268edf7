"""Commands: the only input of the core. Integers (um, millidegree, uL, tick), so what ran is what is recorded.

`TABLE` says for every operation the names, limits and meaning of its arguments. A value outside human or
tool limits is clamped by `clamped`, and the clamping becomes an event; an unknown operation or a wrong
number of arguments is an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.clinic import CHECKS, COMPLICATIONS, REASONS, RESPONSES, RISKS
from sim.errors import UsageError

LUMBAR = ("L1", "L2", "L3", "L4", "L5", "S1")
LEVELS = (*LUMBAR, "T12", "T11")
"""Index of a level argument (append only); the level of a foramen is the root that leaves by it (L4 = foramen L4-5)."""
SIDES = ("left", "right")


@dataclass(frozen=True)
class Argument:
    """One integer argument: its name (with unit) and its inclusive limits."""

    name: str
    low: int
    high: int


def _a(name: str, low: int, high: int) -> Argument:
    return Argument(name, low, high)


TABLE: dict[str, tuple[Argument, ...]] = {
    "idle": (),
    # before the needle
    "chart.review": (),
    "consent.take": (),
    "timeout.call": (_a("level", 0, len(LEVELS) - 1), _a("side", 0, 1)),
    "prep.skin": (),
    "level.declare": (_a("level", 0, len(LEVELS) - 1),),
    # C-arm and X-rays
    "carm.to": (_a("primary_mdeg", -110_000, 110_000), _a("secondary_mdeg", -45_000, 45_000)),
    "carm.centre": (_a("x_um", -150_000, 150_000), _a("y_um", -150_000, 150_000), _a("z_um", -200_000, 200_000)),
    "carm.collimate": (_a("half_width_permille", 100, 1000), _a("half_height_permille", 100, 1000)),
    "carm.iris": (_a("radius_permille", 100, 1500),),
    "carm.magnify": (_a("mode", 0, 2),),
    "carm.boost": (_a("on", 0, 1),),
    "carm.pulse_rate": (_a("pulses_per_10s", 10, 150),),
    "xray.shot": (),
    "xray.pedal": (_a("down", 0, 1),),
    "xray.dsa": (_a("down", 0, 1),),
    "image.store": (),
    # needle
    "needle.choose": (_a("needle", 0, 63),),
    "needle.place": (
        _a("x_um", -250_000, 250_000),
        _a("z_um", -250_000, 250_000),
        _a("yaw_mdeg", -75_000, 75_000),
        _a("pitch_mdeg", -60_000, 60_000),
    ),
    "needle.tilt": (_a("yaw_mdeg", -75_000, 75_000), _a("pitch_mdeg", -60_000, 60_000)),
    "needle.move": (_a("delta_um", -200_000, 200_000), _a("speed_um_s", 100, 20_000)),
    "needle.turn": (_a("delta_mdeg", -360_000, 360_000),),
    "needle.stylet": (_a("inserted", 0, 1),),
    "needle.remove": (),
    "needle.grip": (_a("free_um", 0, 150_000),),  # between fingers and skin; 0: the hand holds the hub
    "needle.bend": (_a("bend_mdeg", 0, 30_000),),  # of the tip, before it is placed
    "needle.introducer": (_a("introducer", -1, 63),),  # -1: none
    "needle.tap": (_a("energy_mj", 50, 3_000),),  # one blow of the mallet
    "needle.drill": (_a("time_ms", 10, 10_000), _a("feed_um_s", 100, 5_000)),
    # lead or catheter through the needle
    "lead.choose": (_a("lead", 0, 63),),
    "lead.insert": (_a("delta_um", -700_000, 700_000), _a("speed_um_s", 100, 50_000)),
    "lead.turn": (_a("delta_mdeg", -720_000, 720_000),),
    "lead.stylet": (_a("withdrawn_um", 0, 700_000),),
    # syringe
    "syringe.attach": (_a("agent", 0, 63), _a("drawn_ul", 0, 20_000)),
    "syringe.aspirate": (),
    "syringe.inject": (_a("volume_ul", 0, 20_000), _a("rate_ul_s", 10, 2_000)),
    "syringe.stop": (),
    "syringe.probe": (_a("air", 0, 1), _a("force_mn", 500, 30_000)),  # thumb on a loss-of-resistance syringe (0: saline)
    # bone cement
    "cement.mix": (_a("product", 0, 63),),
    "cement.attach": (),
    "cement.inject": (_a("volume_ul", 0, 20_000), _a("rate_ul_s", 10, 500)),
    "cement.stop": (),
    # radiofrequency generator
    "rf.connect": (_a("electrode", 0, 63),),
    "rf.disconnect": (),
    "rf.stimulate": (_a("frequency_hz", 1, 200), _a("current_ua", 0, 10_000)),
    "rf.lesion": (_a("temperature_mc", 37_000, 95_000), _a("time_ms", 1_000, 600_000)),
    "rf.stop": (),
    # decisions beside the needle; arguments are indices into the tuples of sim/clinic.py
    "case.postpone": (_a("reason", 0, len(REASONS) - 1),),
    "consent.risk": (_a("risk", 0, len(RISKS) - 1),),
    "complication.name": (_a("complication", 0, len(COMPLICATIONS) - 1),),
    "response.give": (_a("response", 0, len(RESPONSES) - 1),),
    "discharge.check": (_a("check", 0, len(CHECKS) - 1),),
    "note.write": (_a("complication", 0, len(COMPLICATIONS) - 1),),
    # drills: the answer to what is asked now (docs/DRILLS.md)
    "drill.answer": (),  # as it stands: the last picture, or the needle
    "drill.point": (
        _a("x_um", -200_000, 200_000),
        _a("y_um", -200_000, 200_000),
    ),  # on the receptor, from its middle, right and up
    "drill.choose": (_a("choice", 0, 9),),
    # speech and end
    "ask.pain": (),
    "finish": (),
    # later additions: at the end, so that what older records hold stays as it was
    "carm.swivel": (_a("swivel_mdeg", -10_000, 10_000),),  # of the whole C about the vertical
}


@dataclass(frozen=True)
class Command:
    """One input. `op` is a key of TABLE, `args` its integers in order.

    Raises UsageError for an unknown operation, a wrong number of arguments or an argument that is no int.
    """

    op: str
    args: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        spec = TABLE.get(self.op)
        if spec is None:
            raise UsageError(f"unknown command '{self.op}'; expected one of: {', '.join(TABLE)}")
        if len(self.args) != len(spec):
            wanted = ", ".join(a.name for a in spec) or "no arguments"
            raise UsageError(f"command '{self.op}' has {len(self.args)} arguments; expected {wanted}")
        for value, argument in zip(self.args, spec, strict=True):
            if type(value) is not int:
                raise UsageError(f"command '{self.op}': {argument.name} is {value!r}; expected a whole number")

    def clamped(self) -> Command:
        """Return the command with every argument inside its limits (itself when it already is)."""
        spec = TABLE[self.op]
        args = tuple(min(max(v, a.low), a.high) for v, a in zip(self.args, spec, strict=True))
        return self if args == self.args else Command(self.op, args)


IDLE = Command("idle")
