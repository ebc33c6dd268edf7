"""Plays commands as a person would: each becomes key presses, pushes of a stick, rows of the menu or clicks on widgets.

For tests and for scripts that make pictures: `obey` takes any command of the core. Nothing is sent past the window.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from sim.clinic import spoken
from sim.command import LEVELS, SIDES, Command
from sim.fields import skin_y
from sim.window.aim import project
from sim.window.decide import DECISIONS
from sim.window.robot import Frames, Robot


class Player(ABC):
    """Does acts and menu rows; subclasses say with which device."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot

    # --- what a device must do -----------------------------------------------------------------------
    @abstractmethod
    def press(self, act: str, fine: bool = False) -> Frames:
        """Do an act once."""

    @abstractmethod
    def hold(self, act: str, down: bool) -> Frames:
        """Begin or end an act that is held."""

    def menu(self, *labels: str) -> Frames:
        """Open the menu and choose rows by their labels."""
        yield from self.press("menu")
        menu = self.robot.theatre.menu
        assert menu.open
        for label in labels:
            names = [row.label for row in menu.rows]
            assert label in names, f"no row '{label}'; there are: {', '.join(names)}"
            yield from self.choose(names.index(label))
        if menu.open:
            yield from self.press("menu")
        yield

    @abstractmethod
    def choose(self, index: int) -> Frames:
        """Go to a row of the menu and choose it."""

    @abstractmethod
    def widget(self, name: str) -> Frames:
        """Press a widget of the gallery, one of its pages or the debrief."""

    # --- steps ---------------------------------------------------------------------------------------
    def steps(self, plus: str, minus: str, amount: float, coarse: float, fine: float) -> Frames:
        """Do an act so often that its steps add up to an amount (to half a fine step)."""
        act, left = (plus if amount > 0 else minus), abs(amount)
        if coarse:
            for _ in range(int((left + fine / 2) / coarse)):
                yield from self.press(act)
                left -= coarse
        for _ in range(max(0, round(left / fine))):
            yield from self.press(act, fine=True)

    def pick(self, values: tuple[float, ...], wanted: float) -> float:
        """Return the nearest value on offer."""
        return min(values, key=lambda v: abs(v - wanted))

    # --- commands ------------------------------------------------------------------------------------
    def obey(self, command: Command) -> Frames:
        """Do what the command asks, as nearly as hands can."""
        name = command.op.replace(".", "_")
        way: Callable[..., Frames] | None = getattr(self, f"do_{name}", None)
        assert way is not None, f"these hands have no way to do {command.op}"
        yield from way(*command.args)

    def do_chart_review(self) -> Frames:
        yield from self.menu("Speak", "Chart")

    def do_consent_take(self) -> Frames:
        yield from self.menu("Speak", "Consent")

    def do_prep_skin(self) -> Frames:
        yield from self.menu("Speak", "Prep skin")

    def do_timeout_call(self, level: int, side: int) -> Frames:
        yield from self.menu("Speak", "Time-out", LEVELS[level], f"{LEVELS[level]} {SIDES[side]}")

    def do_level_declare(self, level: int) -> Frames:
        yield from self.menu("Speak", "Level counted", LEVELS[level])

    def do_ask_pain(self) -> Frames:
        yield from self.press("pain")

    def do_finish(self) -> Frames:
        yield from self.menu("Finish", "Yes, finish the procedure")

    def do_carm_to(self, primary: int, secondary: int) -> Frames:
        hands = self.robot.theatre.hands
        a, b = hands.angles_mdeg()
        yield from self.steps("orbit_left", "orbit_right", round((primary - a) / 1000), 5.0, 1.0)
        yield from self.steps("tilt_head", "tilt_feet", round((secondary - b) / 1000), 5.0, 1.0)

    def do_carm_centre(self, x: int, y: int, z: int) -> Frames:
        now = self.robot.theatre.hands.centre_um()
        for wanted, at, plus, minus in zip((x, y, z), now, ("slide_left", "lift", "slide_head"),
                                           ("slide_right", "lower", "slide_feet"), strict=True):  # fmt: skip
            yield from self.steps(plus, minus, (wanted - at) / 1000, 10.0, 1.0)

    def do_carm_collimate(self, width: int, height: int) -> Frames:
        part = max(width, height) / 10
        if part > 87:
            yield from self.menu("Field", "Open")
        else:
            yield from self.menu("Field", f"{self.pick((75, 60, 50, 40, 30), part)} % each way")

    def do_carm_magnify(self, mode: int) -> Frames:
        yield from self.menu("Field", f"Magnification {self.robot.theatre.study.toolbox.carm.detector_mm[mode] / 10:.0f} cm")

    def do_carm_pulse_rate(self, rate: int) -> Frames:
        yield from self.menu("Field", f"{self.pick((1, 2, 4, 8, 15), rate / 10):g} pulses/s")

    def do_xray_shot(self) -> Frames:
        yield from self.press("shot")

    def do_xray_pedal(self, on: int) -> Frames:
        yield from self.hold("pedal", bool(on))

    def do_xray_dsa(self, on: int) -> Frames:
        yield from self.hold("dsa", bool(on))

    def do_image_store(self) -> Frames:
        yield from self.press("store")

    def do_needle_choose(self, index: int) -> Frames:
        yield from self.menu("Needle", "Take", self.robot.theatre.study.toolbox.needles[index].name)

    def do_needle_place(self, x: int, z: int, yaw: int, pitch: int) -> Frames:
        """Aim at the entry on a picture taken along the needle, then place it in line with the beam."""
        theatre = self.robot.theatre
        entry = np.array([x / 1000, skin_y(theatre.study.phantom.fields, x / 1000, z / 1000), z / 1000])
        arm = theatre.state.carm
        if theatre.live is None or (theatre.live.view.primary_mdeg, theatre.live.view.secondary_mdeg) != (
            arm.primary_mdeg, arm.secondary_mdeg,
        ):  # fmt: skip
            yield from self.picture()
        at = project(theatre.live.view.pose, entry)
        assert at is not None
        yield from self.aim(*at)
        yield from self.press("in_line")

    def picture(self) -> Frames:
        """Take a picture and wait for it."""
        before = self.robot.theatre.shown
        yield from self.press("shot")
        yield from self.robot.until(lambda: self.robot.theatre.shown > before, 300)

    def aim(self, u: float, v: float) -> Frames:
        """Put the cross on the picture."""
        theatre = self.robot.theatre
        if not theatre.aiming:
            yield from self.press("aim")
        assert theatre.aim is not None
        pose = theatre.live.view.pose
        yield from self.steps("point_right", "point_left", u - theatre.aim.u, 0.02, 0.002)
        yield from self.steps("point_feet", "point_head", v - theatre.aim.v, 0.02, 0.002)
        assert theatre.aim.pose is pose

    def do_needle_move(self, delta: int, _speed: int) -> Frames:
        yield from self.steps("advance", "withdraw", delta / 1000, 1.0, 0.2)

    def do_needle_turn(self, delta: int) -> Frames:
        yield from self.steps("bevel_right", "bevel_left", math.remainder(delta / 1000, 360), 30.0, 5.0)

    def do_needle_tilt(self, yaw: int, pitch: int) -> Frames:
        a, b = self.robot.theatre.hands.tilt_mdeg()
        yield from self.steps("point_left", "point_right", (yaw - a) / 1000, 2.0, 0.5)
        yield from self.steps("point_head", "point_feet", (pitch - b) / 1000, 2.0, 0.5)

    def do_needle_stylet(self, inserted: int) -> Frames:
        if bool(inserted) != self.robot.theatre.state.needle.stylet:
            yield from self.press("stylet")

    def do_needle_bend(self, mdeg: int) -> Frames:
        while self.robot.theatre.state.needle.bend_mdeg != round(mdeg / 5000) * 5000:
            yield from self.press("bend")
            yield from self.robot.wait(2)

    def do_needle_tap(self, energy: int) -> Frames:
        yield from self.press("mallet", fine=energy < 350)

    def do_needle_drill(self, time_ms: int, _feed: int) -> Frames:
        yield from self.press("drill", fine=time_ms < 300)

    def do_needle_remove(self) -> Frames:
        yield from self.menu("Remove the needle")

    def do_syringe_attach(self, agent: int, volume: int) -> Frames:
        wanted = volume / 1000
        value = min((v for v in (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 10.0) if v >= wanted - 0.01), default=10.0)
        yield from self.menu("Syringe", "Draw up", f"{value:g} ml")
        yield from self.menu("Syringe", "Attach", self.robot.theatre.study.toolbox.agents[agent].name)

    def do_syringe_aspirate(self) -> Frames:
        yield from self.press("aspirate")

    def do_syringe_inject(self, volume: int, rate: int) -> Frames:
        value = self.pick((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0), volume / 1000)
        speed = self.pick((0.05, 0.1, 0.2, 0.3, 0.5, 1.0), rate / 1000)
        hands = self.robot.theatre.hands
        if hands.volume_ml != value:
            yield from self.menu("Syringe", "Volume", f"{value:g} ml")
        if hands.rate_ml_s != speed:
            yield from self.menu("Syringe", "Rate", f"{speed:g} ml/s")
        yield from self.press("inject_set")

    def do_syringe_stop(self) -> Frames:
        yield from self.menu("Syringe", "Stop")

    def do_cement_mix(self, product: int) -> Frames:
        yield from self.menu("Cement", "Mix", self.robot.theatre.study.toolbox.cements[product].name)

    def do_cement_attach(self) -> Frames:
        yield from self.menu("Cement", "Attach")

    def do_cement_inject(self, volume: int, _rate: int) -> Frames:
        yield from self.menu("Cement", "Inject", f"{self.pick((0.2, 0.5, 1.0), volume / 1000):g} ml")

    def do_cement_stop(self) -> Frames:
        yield from self.menu("Cement", "Stop")

    def _decide(self, op: str, index: int) -> Frames:
        one = next(row for row in DECISIONS if row.op == op)
        yield from self.menu("Decide or answer", one.label, spoken(one.words[index]))

    def do_consent_risk(self, index: int) -> Frames:
        yield from self._decide("consent.risk", index)

    def do_case_postpone(self, index: int) -> Frames:
        yield from self._decide("case.postpone", index)

    def do_complication_name(self, index: int) -> Frames:
        yield from self._decide("complication.name", index)

    def do_response_give(self, index: int) -> Frames:
        yield from self._decide("response.give", index)

    def do_discharge_check(self, index: int) -> Frames:
        yield from self._decide("discharge.check", index)

    def do_note_write(self, index: int) -> Frames:
        yield from self._decide("note.write", index)
