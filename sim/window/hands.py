"""The trainee's hands: every act of the window becomes commands here, and nowhere else.

What was asked last is remembered until the core has obeyed it, so that two quick nudges add up.
"""

from __future__ import annotations

from sim.command import TABLE, Command
from sim.window.aim import Aim, centre_on, in_line_with_beam
from sim.window.desk import Session

IRISES = (1500, 1000, 800, 600, 400)
"""Radii of the open disc on offer, permille of half the field (1500: wide open)."""
PULSE_RATES = (10, 20, 40, 80, 150)  # pulses per 10 s
OBLIQUE_DEG = 25
SPEED_MM_S = 8.0
LEAD_SPEED_MM_S = 10.0
AHEAD_MM = 10.0  # quick steps run at most so far ahead of the hand


def _limit(op: str, index: int, value: float) -> int:
    argument = TABLE[op][index]
    return int(min(max(round(value), argument.low), argument.high))


class Hands:
    """Turns intentions into commands for one session. Angles in degrees, lengths in mm, volumes in ml at the window."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sent: list[Command] = []
        self.holding: set[str] = set()
        self.draw_ml = 3.0
        self.volume_ml = 0.5
        self.rate_ml_s = 0.3
        self.needle = 0
        self.agent = 0
        self.oblique_deg = OBLIQUE_DEG
        self._asked: dict[str, tuple[int, ...]] = {}

    # --- sending -------------------------------------------------------------------------------------
    def send(self, op: str, *args: int) -> None:
        """Send one command."""
        command = Command(op, tuple(int(a) for a in args))
        self.sent.append(command)
        self.session.send(command)

    def obeyed(self) -> None:
        """Forget what was asked: called after ticks, when the core's targets hold it."""
        self._asked.clear()

    def _ask(self, op: str, now: tuple[int, ...], wanted: tuple[float, ...]) -> None:
        args = tuple(_limit(op, i, v) for i, v in enumerate(wanted))
        if args != self._asked.get(op, now):
            self._asked[op] = args
            self.send(op, *args)

    def hold(self, what: str, down: bool) -> None:
        """Press or let go of something that acts while held: "pedal", "dsa" or "inject"."""
        if down == (what in self.holding):
            return
        (self.holding.add if down else self.holding.discard)(what)
        if what == "inject":
            self.inject_all() if down else self.stop_injecting()
        else:
            self.send("xray.pedal" if what == "pedal" else "xray.dsa", int(down))

    def release_all(self) -> None:
        """Let go of everything (the window lost the focus, or the attempt ends)."""
        for what in sorted(self.holding):
            self.hold(what, False)

    # --- C-arm ---------------------------------------------------------------------------------------
    def angles_mdeg(self) -> tuple[int, ...]:
        """Return the angles the C-arm is going to (mdeg)."""
        arm = self.session.state.carm
        return self._asked.get("carm.to", (arm.primary_target_mdeg, arm.secondary_target_mdeg))

    def turn(self, primary_deg: float = 0.0, secondary_deg: float = 0.0) -> None:
        """Turn the C-arm by so many degrees."""
        a, b = self.angles_mdeg()
        self._ask("carm.to", (a, b), (a + primary_deg * 1000, b + secondary_deg * 1000))

    def turn_to(self, primary_deg: float | None = None, secondary_deg: float | None = None) -> None:
        """Turn the C-arm to these angles (None: leave that one)."""
        a, b = self.angles_mdeg()
        wanted = (a if primary_deg is None else primary_deg * 1000, b if secondary_deg is None else secondary_deg * 1000)
        self._ask("carm.to", (a, b), wanted)

    def swivel_mdeg(self) -> int:
        """Return the swivel the C-arm is going to (mdeg)."""
        return self._asked.get("carm.swivel", (self.session.state.carm.swivel_target_mdeg,))[0]

    def swivel(self, by_deg: float = 0.0, to_deg: float | None = None) -> None:
        """Swivel the C-arm about the vertical by so many degrees, or to an angle."""
        now = self.swivel_mdeg()
        self._ask("carm.swivel", (now,), (now + by_deg * 1000 if to_deg is None else to_deg * 1000,))

    def named_view(self, name: str) -> None:
        """Go to the stated angle of a named view: ap, oblique_left, oblique_right, lateral_left, lateral_right."""
        angle = {
            "ap": 0,
            "oblique_left": self.oblique_deg,
            "oblique_right": -self.oblique_deg,
            "lateral_left": 90,
            "lateral_right": -90,
        }[name]
        self.turn_to(angle, None if name.startswith("oblique") else 0)

    def centre_um(self) -> tuple[int, ...]:
        """Return the isocentre the C-arm is sliding to (um)."""
        return self._asked.get("carm.centre", tuple(self.session.state.carm.centre_target_um))

    def slide(self, x_mm: float = 0.0, y_mm: float = 0.0, z_mm: float = 0.0) -> None:
        """Slide the isocentre: x to the patient's left, y up, z towards the head."""
        now = self.centre_um()
        self._ask("carm.centre", now, (now[0] + x_mm * 1000, now[1] + y_mm * 1000, now[2] + z_mm * 1000))

    def centre_picture(self, aim: Aim) -> None:
        """Slide so that the aimed picture point comes to the middle."""
        x, y, z = centre_on(aim.pose, aim, self.session.study.toolbox.carm.sod_mm)
        self.slide(x / 1000, y / 1000, z / 1000)

    def field_permille(self) -> tuple[int, ...]:
        """Return the collimation that was asked for."""
        arm = self.session.state.carm
        return self._asked.get("carm.collimate", (arm.half_width_permille, arm.half_height_permille))

    def collimate(self, width_permille: int, height_permille: int) -> None:
        """Set the open share of the field."""
        self._ask("carm.collimate", self.field_permille(), (width_permille, height_permille))

    def magnify(self, mode: int) -> None:
        """Choose the detector field."""
        self._ask("carm.magnify", (self.session.state.carm.magnification,), (mode,))

    def pulse_rate(self, pulses_per_10s: int) -> None:
        """Choose the pulse rate."""
        self._ask("carm.pulse_rate", (self.session.state.carm.pulses_per_10s,), (pulses_per_10s,))

    def boost(self) -> None:
        """High-level fluoroscopy on or off: twice the dose, half the noise variance."""
        on = self._asked.get("carm.boost", (int(self.session.state.carm.boost),))
        self._ask("carm.boost", on, (1 - on[0],))

    def iris(self, radius_permille: int) -> None:
        """Set the radius of the open disc (1500: wide open)."""
        self._ask("carm.iris", (self.session.state.carm.iris_permille,), (radius_permille,))

    def next_iris(self) -> None:
        """Close the iris by one step; from the narrowest it opens wide."""
        now = self._asked.get("carm.iris", (self.session.state.carm.iris_permille,))[0]
        narrower = [r for r in IRISES if r < now]
        self.iris(narrower[0] if narrower else IRISES[0])

    def shot(self) -> None:
        """One exposure."""
        self.send("xray.shot")

    def store(self) -> None:
        """Keep the picture of the live monitor (the window copies it to the reference monitor)."""
        self.send("image.store")

    # --- needle --------------------------------------------------------------------------------------
    def choose_needle(self, index: int) -> None:
        """Take a needle from the tray."""
        self.needle = index
        self.send("needle.choose", index)

    def _chosen(self) -> None:
        if self.session.state.needle.needle < 0:
            self.choose_needle(self.needle)

    def place_in_line(self, aim: Aim | None) -> str:
        """Put the needle on the skin along the beam; return a sentence when that cannot be done."""
        if aim is None:
            return "Click on the picture where the needle should go, then ask again."
        answer = in_line_with_beam(self.session.study.phantom.fields, aim)
        if isinstance(answer, str):
            return answer
        self._chosen()
        self.send(answer.op, *answer.args)
        return ""

    def place_at(self, x_mm: float, z_mm: float) -> None:
        """Put the needle on the skin at (x, z), held as it is held now (straight down at first)."""
        self._chosen()
        yaw, pitch = self.tilt_mdeg()
        self.send("needle.place", _limit("needle.place", 0, x_mm * 1000), _limit("needle.place", 1, z_mm * 1000), yaw, pitch)

    def tilt_mdeg(self) -> tuple[int, ...]:
        """Return the hub angles that were asked for (yaw, pitch)."""
        needle = self.session.state.needle
        return self._asked.get("needle.tilt", (needle.yaw_target_mdeg, needle.pitch_target_mdeg))

    def tilt(self, yaw_deg: float = 0.0, pitch_deg: float = 0.0) -> None:
        """Tilt the hub."""
        a, b = self.tilt_mdeg()
        self._ask("needle.tilt", (a, b), (a + yaw_deg * 1000, b + pitch_deg * 1000))

    def move(self, delta_mm: float, speed_mm_s: float = SPEED_MM_S) -> None:
        """Advance (positive) or withdraw. Steps in one direction add up while the needle moves; turning back stops it first.

        The core takes a step from where the hand is when it obeys, so what is still to go is sent along.
        """
        needle = self.session.state.needle
        to_go = needle.goal_mm - needle.asked_mm if needle.moving else 0.0
        if "needle.move" in self._asked:
            to_go = self._asked["needle.move"][0] / 1000
        to_go = min(AHEAD_MM, max(-AHEAD_MM, to_go)) if to_go * delta_mm > 0 else 0.0
        args = _limit("needle.move", 0, (to_go + delta_mm) * 1000), _limit("needle.move", 1, speed_mm_s * 1000)
        self._asked["needle.move"] = args
        self.send("needle.move", *args)

    def turn_bevel(self, delta_deg: float) -> None:
        """Turn the bevel."""
        self.send("needle.turn", _limit("needle.turn", 0, delta_deg * 1000))

    def stylet(self) -> None:
        """Take the stylet out, or put it back."""
        now = self._asked.get("needle.stylet", (int(self.session.state.needle.stylet),))[0]
        self._ask("needle.stylet", (now,), (1 - now,))

    def grip(self, delta_mm: float) -> None:
        """Slide the fingers along the shaft: the free length to the skin. From the hub they go to its whole free length first."""
        needle = self.session.state.needle
        rows = self.session.study.toolbox.needles
        free = (rows[needle.needle].length_mm - needle.depth_mm) * 1000 if needle.needle >= 0 else 0.0
        now = self._asked.get("needle.grip", (needle.grip_um,))
        wanted = (now[0] or free) + delta_mm * 1000
        self._ask("needle.grip", now, (0 if wanted >= free else max(wanted, 5000),))

    def bend_tip(self, step_deg: float = 5.0, most_deg: float = 30.0) -> None:
        """Bend the tip a step more before it is placed; after the most, straight again."""
        now = self._asked.get("needle.bend", (self.session.state.needle.bend_mdeg,))
        wanted = now[0] + step_deg * 1000
        self._ask("needle.bend", now, (wanted if wanted <= most_deg * 1000 else 0,))

    def next_introducer(self) -> None:
        """Take the next introducer that the needle goes through; after the last, none."""
        needle, box = self.session.state.needle, self.session.study.toolbox
        if needle.needle < 0:
            return
        tool = box.needles[needle.needle]
        fits = [
            i
            for i, row in enumerate(box.introducers)
            if row.inner_diameter_mm > tool.outer_diameter_mm and row.length_mm < tool.length_mm
        ]
        now = self._asked.get("needle.introducer", (needle.introducer,))
        self._ask("needle.introducer", now, (next((i for i in fits if i > now[0]), -1),))

    def tap(self, energy_mj: int = 500) -> None:
        """Strike a bone needle with the mallet."""
        self.send("needle.tap", energy_mj)

    def drill(self, time_ms: int = 500, feed_um_s: int = 2000) -> None:
        """Let the drill turn a bone needle forward."""
        self.send("needle.drill", time_ms, feed_um_s)

    def remove(self) -> None:
        """Take the needle out."""
        self.send("needle.remove")

    # --- lead ----------------------------------------------------------------------------------------
    def choose_lead(self, index: int) -> None:
        """Take a lead or catheter from the tray."""
        self.send("lead.choose", index)

    def push_lead(self, delta_mm: float) -> None:
        """Push (positive) or pull the lead; steps in one direction add up while it moves."""
        lead = self.session.state.lead
        to_go = (lead.goal_um - lead.inserted_um) / 1000 if lead.moving else 0.0
        to_go = to_go if to_go * delta_mm > 0 else 0.0
        args = _limit("lead.insert", 0, (to_go + delta_mm) * 1000), _limit("lead.insert", 1, LEAD_SPEED_MM_S * 1000)
        self.send("lead.insert", *args)

    def turn_lead(self, delta_deg: float) -> None:
        """Turn the lead about its axis."""
        self.send("lead.turn", _limit("lead.turn", 0, delta_deg * 1000))

    def lead_stylet(self, withdrawn_mm: float) -> None:
        """Draw the lead's stylet back so far from its tip (0: home)."""
        self.send("lead.stylet", _limit("lead.stylet", 0, withdrawn_mm * 1000))

    # --- syringe -------------------------------------------------------------------------------------
    def attach(self, index: int) -> None:
        """Draw up an agent and put the syringe on the hub."""
        self.agent = index
        self.send("syringe.attach", index, _limit("syringe.attach", 1, self.draw_ml * 1000))

    def aspirate(self) -> None:
        """Pull the plunger."""
        self.send("syringe.aspirate")

    def probe(self, air: bool = False, force_n: float = 8.0) -> None:
        """Press the plunger of a loss-of-resistance syringe once."""
        self.send("syringe.probe", int(air), _limit("syringe.probe", 1, force_n * 1000))

    def inject_all(self) -> None:
        """Press the plunger until let go."""
        self._asked["syringe.inject"] = ()
        self.send("syringe.inject", TABLE["syringe.inject"][0].high, self._rate())  # the syringe is the limit

    def stop_injecting(self) -> None:
        """Let go of the plunger (nothing is said when it stands still already)."""
        if self.session.state.spread.flowing or "syringe.inject" in self._asked:
            self.send("syringe.stop")

    def inject_fixed(self) -> None:
        """Inject the set volume at the set rate."""
        self.send("syringe.inject", _limit("syringe.inject", 0, self.volume_ml * 1000), self._rate())

    def _rate(self) -> int:
        return _limit("syringe.inject", 1, self.rate_ml_s * 1000)
