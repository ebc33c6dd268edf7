"""A session for tests of the window: the state moves in the simplest way, no engine is run.

Keeps the window's tests fast and independent of physics; one test in test_window.py drives a real session.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sim import procedure
from sim.command import IDLE, Command
from sim.event import Event, event
from sim.fields import skin_y
from sim.frames import hub_frame
from sim.phantom import Tissue
from sim.state import State, Study
from sim.view import View, pose_of
from sim.window.desk import Attempt, PatientCard


class FakeSession:
    """Obeys commands at once: the C-arm jumps, the needle moves 0.08 mm a tick, every beam tick of ten is a pulse."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.state = State()
        self.events: list[Event] = []
        self.obeyed: list[Command] = []
        self._queue: list[Command] = []

    def send(self, *commands: Command) -> None:
        self._queue.extend(commands)

    def tick(self) -> tuple[Command, tuple[Event, ...]]:
        command = self._queue.pop(0) if self._queue else IDLE
        if command is not IDLE:
            self.obeyed.append(command)
        self.state = replace(self.state, tick=self.state.tick + 1)
        part, new = procedure.advance(self.study, self.state, command)
        self.state = replace(self.state, procedure=part)
        new += self._carm(command) + self._needle(command) + self._syringe(command)
        part, more = procedure.heard(self.study, self.state, tuple(new))
        self.state = replace(self.state, procedure=part)
        self.events += [*new, *more]
        return command, (*new, *more)

    def _carm(self, command: Command) -> list[Event]:
        arm, args = self.state.carm, command.args
        if command.op == "carm.to":
            arm = replace(arm, primary_target_mdeg=args[0], secondary_target_mdeg=args[1])
        elif command.op == "carm.centre":
            arm = replace(arm, centre_um=args, centre_target_um=args)
        elif command.op == "carm.collimate":
            arm = replace(arm, half_width_permille=args[0], half_height_permille=args[1])
        elif command.op == "carm.magnify":
            arm = replace(arm, magnification=args[0])
        elif command.op == "carm.iris":
            arm = replace(arm, iris_permille=args[0])
        elif command.op == "carm.boost":
            arm = replace(arm, boost=args[0] == 1)
        elif command.op == "carm.pulse_rate":
            arm = replace(arm, pulses_per_10s=args[0])
        elif command.op in ("xray.pedal", "xray.dsa"):
            arm = replace(arm, beam={"xray.pedal": "live", "xray.dsa": "dsa"}[command.op] if args[0] else "")
        arm = replace(
            arm,
            primary_mdeg=_toward(arm.primary_mdeg, arm.primary_target_mdeg, 400),
            secondary_mdeg=_toward(arm.secondary_mdeg, arm.secondary_target_mdeg, 400),
        )
        if command.op == "xray.shot" or (arm.beam and self.state.tick % 12 == 0):
            arm = replace(
                arm, pictures=arm.pictures + 1, last_picture_tick=self.state.tick, beam_on_ms=arm.beam_on_ms + 125,
                dap_pgy_m2=arm.dap_pgy_m2 + 61_000, kvp_x10=720, mas_x1000=310,
            )  # fmt: skip
        self.state = replace(self.state, carm=arm)
        return [event(self.state.tick, "image_stored")] if command.op == "image.store" else []

    def _needle(self, command: Command) -> list[Event]:
        needle, args, new = self.state.needle, command.args, []
        if command.op == "needle.choose":
            needle = replace(needle, needle=args[0])
        elif command.op == "needle.place":
            x, z = args[0] / 1000, args[1] / 1000
            entry = np.array([x, skin_y(self.study.phantom.fields, x, z), z])
            needle = replace(
                needle, placed=True, entry_mm=entry, yaw_mdeg=args[2], pitch_mdeg=args[3], depth_mm=0.0, asked_mm=0.0, goal_mm=0.0
            )
            needle = replace(needle, yaw_target_mdeg=args[2], pitch_target_mdeg=args[3], passes=needle.passes + 1)
            where = {"x_um": args[0], "y_um": round(entry[1] * 1000), "z_um": args[1]}
            new.append(event(self.state.tick, "needle_placed", yaw_mdeg=args[2], pitch_mdeg=args[3], **where))
        elif command.op == "needle.tilt":
            needle = replace(needle, yaw_mdeg=args[0], pitch_mdeg=args[1], yaw_target_mdeg=args[0], pitch_target_mdeg=args[1])
        elif command.op == "needle.move":
            needle = replace(needle, goal_mm=max(0.0, needle.asked_mm + args[0] / 1000), speed_mm_s=args[1] / 1000, moving=True)
        elif command.op == "needle.turn":
            needle = replace(needle, roll_mdeg=needle.roll_mdeg + args[0])
        elif command.op == "needle.stylet":
            needle = replace(needle, stylet=bool(args[0]))
        elif command.op == "needle.remove":
            needle = replace(needle, placed=False)
        step = max(-0.08, min(0.08, needle.goal_mm - needle.asked_mm))
        if needle.placed and (needle.moving or command.op.startswith("needle")):
            asked = round(needle.asked_mm + step, 6)
            needle = self._shaft(replace(needle, asked_mm=asked, depth_mm=asked, moving=abs(needle.goal_mm - asked) > 1e-6))
        self.state = replace(self.state, needle=needle)
        return new

    def _shaft(self, needle: Any) -> Any:
        way = hub_frame(needle.yaw_mdeg, needle.pitch_mdeg)[:, 2]
        length = self.study.toolbox.needles[max(0, needle.needle)].length_mm
        tip = needle.entry_mm + way * needle.depth_mm
        nodes = tip - way * np.linspace(length, 0.0, 33)[:, None]
        force = 0.6 + 0.04 * needle.depth_mm + (0.8 if 12 < needle.depth_mm < 14 else 0.0)
        return replace(needle, nodes_mm=nodes, tip_mm=tip, tip_direction=way, force_n=force, tissue=int(Tissue.MUSCLE))

    def _syringe(self, command: Command) -> list[Event]:
        spread, args = self.state.spread, command.args
        if command.op == "syringe.attach":
            spread = replace(spread, agent=args[0], drawn_ul=float(args[1]), left_ul=float(args[1]))
        elif command.op == "syringe.inject":
            spread = replace(spread, flowing=True, goal_ul=float(args[0]), given_ul=0.0, rate_ul_s=args[1])
        elif command.op == "syringe.stop":
            spread = replace(spread, flowing=False)
        if spread.flowing:
            step = min(spread.rate_ul_s / 100, spread.goal_ul - spread.given_ul, spread.left_ul)
            spread = replace(spread, left_ul=spread.left_ul - step, given_ul=spread.given_ul + step, flowing=step > 1e-6)
        self.state = replace(self.state, spread=spread)
        return []


def _toward(value: int, goal: int, step: int) -> int:
    return value + max(-step, min(step, goal - value))


def fake_view(study: Study, state: State) -> View:
    """Return the view of a fake session's C-arm."""
    arm = state.carm
    needle = state.needle
    return View(
        pose=pose_of(study.toolbox.carm, arm.primary_mdeg, arm.secondary_mdeg, arm.centre_um, arm.magnification),
        half_width=arm.half_width_permille / 1000,
        half_height=arm.half_height_permille / 1000,
        kvp=arm.kvp_x10 / 10,
        mas=arm.mas_x1000 / 1000,
        needle_mm=needle.nodes_mm if needle.placed else np.zeros((0, 3)),
        needle_outer_mm=0.72,
        needle_inner_mm=0.0,
        contrast_points=np.zeros((0, 4), np.float32),
        noise_key=(study.seed, arm.pictures),
        live=bool(arm.beam),
        primary_mdeg=arm.primary_mdeg,
        secondary_mdeg=arm.secondary_mdeg,
    )


def fake_attempt(study: Study, **more: Any) -> Attempt:
    """Return an attempt around a fake session."""
    patient = PatientCard(
        "Mr Simon Example", 52, "male", 81.0, "penicillin", ("Pain down the right leg to the big toe.", "No anticoagulant.")
    )
    return Attempt(
        FakeSession(study),
        patient=patient,
        title="Test case",
        brief="Right L4-5 transforaminal injection.",
        view=fake_view,
        **more,
    )
