"""The procedure room without a screen: one attempt in real time, its monitors, marker, touch and log.

Everything here runs without OpenGL, so tests can drive it; the panels only draw it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sim.beam_field import pose as beam_pose
from sim.display import Display
from sim.event import Event
from sim.fields import skin_y
from sim.state import State
from sim.window.aim import Aim, meets_back, project
from sim.window.cine import Cine
from sim.window.coach import Coach
from sim.window.desk import Attempt
from sim.window.fluoro import PictureMaker, Shot, picture_function
from sim.window.hands import Hands
from sim.window.history import History
from sim.window.menu import Menu
from sim.window.words import ASSISTANT, Line, sentences

TICK_S = 0.01
MAX_TICKS_PER_FRAME = 25  # catch-up is bounded: a slow machine runs slow, it never freezes
FRAME_BUDGET_S = 0.06
TRACE_LENGTH = 240


class Theatre:
    """One attempt at the window: `advance` it by the time that passed, then draw what it holds."""

    def __init__(self, attempt: Attempt, picture_px: int = 512, threaded: bool = True, guided: bool = False) -> None:
        self.attempt = attempt
        self.session = attempt.session
        self._core_tick = attempt.tick or attempt.session.tick
        self.study = attempt.session.study
        self.hands = Hands(self.session)
        self.practice = self.study.mode != "assessment"
        self.maker = PictureMaker(picture_function(attempt), picture_px, threaded)
        self.live: Shot | None = None
        self.references: list[Shot] = []
        self.reference_index = -1
        self.swapped = False
        self.cine = Cine()
        self.road_map = False
        self.display = Display()
        self.laser_on = False
        self.store_waiting = False
        self.aim: Aim | None = None
        self.aiming = False
        self.history = History()
        self.menu = Menu(self)
        self.coach = Coach(self, guided)
        self.marker_on = False
        self.marker_mm = self._first_marker()
        self.log: deque[Line] = deque(maxlen=400)
        self.new_lines = 0
        self.shown = 0  # pictures that reached the monitor
        self.pulses = 0  # grows with every picture asked for: the sound of the machine
        self.trace: deque[float] = deque([0.0] * TRACE_LENGTH, maxlen=TRACE_LENGTH)
        self.timeout_level = 3
        self.timeout_side = -1
        self.decision, self.decision_word = 0, -1
        self.declare_level = 3
        self.help_open = False
        self.finish_armed = False
        self.sound_on = True
        self.log_seen = 0
        self.slow = False
        self.report: Mapping[str, Any] | None = None
        self.saved: str = ""
        self._debt = 0.0
        self._seen_pictures = self.state.carm.pictures
        self._obeyed = 0
        self._given_up = False
        self.history.keep(self.state)
        for line in filter(None, attempt.brief.splitlines()[:3]):
            self.say(ASSISTANT, line)

    # --- what the panels read ------------------------------------------------------------------------
    @property
    def state(self) -> State:
        """The state of the core now."""
        return self.session.state

    @property
    def finished(self) -> bool:
        """True once `finish` was obeyed."""
        return self.state.procedure.finished

    @property
    def reference(self) -> Shot | None:
        """The stored picture on the reference monitor."""
        return self.references[self.reference_index] if self.references else None

    def monitors(self) -> tuple[Shot | None, Shot | None]:
        """Return (left, right) monitor pictures, swapped or not; while no X-rays are on the live one may replay its run."""
        live = self.cine.showing or self.live
        return (self.reference, live) if self.swapped else (live, self.reference)

    def replay(self) -> None:
        """Show the last run again in a loop, or stop that."""
        if not self.cine.start() and not self.cine.showing:
            self.say(ASSISTANT, "There is no run to show again: press the pedal for at least two pulses.")

    def toggle_road(self) -> None:
        """Draw live pictures over the vessels of the last subtraction run, or no longer."""
        self.road_map = not self.road_map

    def show_peak(self) -> None:
        """Show the most contrast that each pixel of the last subtraction run held."""
        if self.live is None or self.live.notes.get("mode") not in ("dsa", "peak", "shift") or self.state.carm.beam:
            self.say(ASSISTANT, "The peak picture is made from a subtraction run: hold DSA first, then let go.")
            return
        self.maker.ask(self.live.view, {**self.live.notes, "mode": "peak"})

    def say(self, who: str, text: str) -> None:
        """Add a line to the log."""
        self.log.append(Line(self.state.tick, who, text))
        self.new_lines += 1

    # --- time ----------------------------------------------------------------------------------------
    def advance(self, seconds: float) -> bool:
        """Run the core for the time that passed (bounded) and fetch finished pictures; True if anything changed."""
        before = (self.state.needle, self.state.carm, self.state.spread, self.state.procedure)
        lines = self.new_lines
        self._debt += 0.0 if self.coach.paused else seconds
        ticks = int(self._debt / TICK_S + 1e-9)
        self._debt -= ticks * TICK_S
        self._run(ticks)
        self.coach.look()
        changed = self._take_picture() | self.cine.advance(seconds)
        after = (self.state.needle, self.state.carm, self.state.spread, self.state.procedure)
        return changed or lines != self.new_lines or any(a is not b for a, b in zip(before, after, strict=True))

    def _run(self, ticks: int) -> None:
        self.slow = ticks > MAX_TICKS_PER_FRAME
        start = time.perf_counter()
        for done in range(min(ticks, MAX_TICKS_PER_FRAME)):
            if self.finished:
                break
            self._tick()
            if time.perf_counter() - start > FRAME_BUDGET_S and done < ticks - 1:
                self.slow = True
                break
        self.trace.append(self.state.needle.force_n)

    def _tick(self) -> None:
        command, events = self._core_tick()
        if command.op != "idle":
            self._obeyed += 1
            self.history.acted(self.state.tick)
        if self._obeyed >= len(self.hands.sent):
            self.hands.obeyed()
        for fact in events:
            self._hear(fact)
        self._see()
        self.history.keep(self.state, force=self.finished)

    def _hear(self, fact: Event) -> None:
        for line in sentences(fact, self.practice, self.attempt.texts):
            self.log.append(line)
            self.new_lines += 1
        if fact.kind == "image_stored":
            self.store_waiting = True
        if fact.kind == "finished":
            self._close()

    def _see(self) -> None:
        """Ask for a picture when the core has pulsed since the last tick."""
        arm = self.state.carm
        if arm.pictures == self._seen_pictures:
            return
        self.pulses += arm.pictures - self._seen_pictures
        self._seen_pictures = arm.pictures
        view = self._view()
        marker = project(view.pose, self.marker_mm + view.patient_mm) if self.marker_on else None
        about = {
            "tick": arm.last_picture_tick,
            "number": arm.pictures,
            "marker": marker,
            "mode": "roadmap" if self.road_map and arm.beam == "live" else arm.beam or "shot",
            "run": arm.run_start_tick,
            "average": self.display.average,
        }
        self.maker.ask(view, about)
        self.history.pictured(view, about)

    def _view(self) -> Any:
        if self.attempt.view is not None:
            return self.attempt.view(self.study, self.state)
        from sim import session

        return session.view(self.study, self.state)

    def _take_picture(self) -> bool:
        done = self.maker.take()
        if done:
            pixels, view, about = done
            self._drop_aim(view)
            self.shown += 1
            self.live = Shot(pixels, view, about["number"], about["tick"], about["marker"], about)
            self.cine.keep(self.live, self.study.toolbox.carm.dsa_pulses_per_10s, self.state.carm.pulses_per_10s)
        if self.maker.error:
            self.say(ASSISTANT, f"The picture failed: {self.maker.error}")
            self.maker.error = ""
        if self.store_waiting and self.live is not None and not self.maker.busy:
            self.store_waiting = False
            self.references.append(replace(self.live, display=self.display))
            self.reference_index = len(self.references) - 1
        return done is not None

    def _drop_aim(self, view: Any) -> None:
        if self.aim and not _same_pose(self.aim.pose, view.pose):
            self.aim = None

    # --- marker, aim, end ----------------------------------------------------------------------------
    def _first_marker(self) -> np.ndarray:
        skin = self.study.phantom.skin
        x = skin.x0_mm + skin.step_mm * (skin.y_mm.shape[0] - 1) / 2
        return self._on_skin(float(x), 0.0)

    def _on_skin(self, x: float, z: float) -> np.ndarray:
        return np.array([x, skin_y(self.study.phantom.fields, x, z), z])

    def laser_mm(self) -> np.ndarray | None:
        """Return where the central beam meets the skin of the back, as the detector's laser shows it; None where it does not."""
        pose = beam_pose(self.study, self.state.carm)
        return meets_back(self.study.phantom.fields, pose.detector_mm, pose.source_mm)

    def nudge_marker(self, dx_mm: float, dz_mm: float) -> None:
        """Push the marker over the skin."""
        self.put_marker(float(self.marker_mm[0]) + dx_mm, float(self.marker_mm[2]) + dz_mm)

    def put_marker(self, x_mm: float, z_mm: float) -> None:
        """Put the marker on the skin of the back at (x, z)."""
        skin = self.study.phantom.skin
        nx, nz = skin.y_mm.shape
        x = min(max(x_mm, skin.x0_mm), skin.x0_mm + (nx - 1) * skin.step_mm)
        z = min(max(z_mm, skin.z0_mm), skin.z0_mm + (nz - 1) * skin.step_mm)
        self.marker_mm = self._on_skin(x, z)

    def aim_at(self, shot: Shot, u: float, v: float) -> None:
        """Choose a picture point for the assistant's helpers."""
        self.aim = Aim(shot.view.pose, u, v)

    def place_in_line(self) -> None:
        """Ask the assistant to put the needle in line with the beam through the aim."""
        answer = self.hands.place_in_line(self.aim)
        if answer:
            self.say(ASSISTANT, answer)
        else:
            self.aiming = False

    def toggle_aiming(self) -> None:
        """Give the pointing keys (and the stick) to the aim on the live picture, or take them back."""
        self.aiming = not self.aiming and self.live is not None
        if self.live is None:
            self.say(ASSISTANT, "Take a picture first: the aim lies on it.")
        elif self.aiming and self.aim is None:
            self.aim_at(self.live, 0.5, 0.5)

    def nudge_aim(self, right: float, down: float, fine: bool) -> None:
        """Move the aim on the live picture."""
        if self.live is None:
            return
        step = 0.002 if fine else 0.02
        u, v = (self.aim.u, self.aim.v) if self.aim else (0.5, 0.5)
        self.aim_at(self.live, min(1.0, max(0.0, u + right * step)), min(1.0, max(0.0, v + down * step)))

    def centre_aim(self) -> None:
        """Slide the C-arm so that the aim comes to the middle."""
        if self.aim is None:
            self.say(ASSISTANT, "There is no aim: click on the picture, or switch the aim on and move it.")
            return
        self.hands.centre_picture(self.aim)
        self.aim, self.aiming = None, False

    def place_at_marker(self) -> None:
        """Put the needle on the skin at the marker, held as it is now."""
        if not self.marker_on:
            self.say(ASSISTANT, "The marker is not on the skin.")
            return
        self.hands.place_at(float(self.marker_mm[0]), float(self.marker_mm[2]))
        self.marker_on = False

    def lines(self) -> tuple[Any, ...]:
        """Return the lines that the room view draws: the ghosts, in practice, while they are on."""
        if not (self.practice and self.coach.ghost_on):
            return ()
        from sim.window.scene3d import Line3D

        return tuple(Line3D(name, points, (1.0, 0.74, 0.25, 1.0)) for name, points in self.coach.load_ghosts().items())

    def hint(self) -> None:
        """Say what is next (practice)."""
        self.coach.hint()

    def toggle_pause(self) -> None:
        """Stop the clock or let it run (practice)."""
        self.coach.toggle_pause()

    def ask_undo(self) -> None:
        """Go back to before the last act (practice)."""
        self.coach.ask_undo()

    def toggle_ghost(self) -> None:
        """Show or hide the ideal way (practice)."""
        self.coach.toggle_ghost()

    def take_over(self, other: Theatre) -> None:
        """Go on where another theatre of the same attempt stood at this one's tick (after undo)."""
        tick = self.state.tick
        self.marker_on, self.marker_mm, self.swapped = other.marker_on, other.marker_mm, other.swapped
        self.sound_on, self.coach.ghost_on, self.coach.ghosts = other.sound_on, other.coach.ghost_on, other.coach.ghosts
        self.references = [shot for shot in other.references if shot.tick <= tick]
        self.reference_index = len(self.references) - 1
        self.live = other.live if other.live is not None and other.live.tick <= tick else self.reference
        self.log.clear()
        self.log.extend(line for line in other.log if line.tick <= tick)
        self.history.rewound(other.history, tick)
        for name in ("draw_ml", "volume_ml", "rate_ml_s", "needle", "agent", "oblique_deg"):
            setattr(self.hands, name, getattr(other.hands, name))
        self.say(ASSISTANT, f"Undone: back at {tick // 6000}:{tick // 100 % 60:02d}. The record says so.")

    def show_chart(self) -> None:
        """Read the chart: its lines go to the log."""
        self.hands.send("chart.review")
        for line in (*self.attempt.brief.splitlines(), *self.attempt.patient.chart):
            if line.strip():
                self.say("Chart", line.strip())

    def _close(self) -> None:
        self.hands.release_all()
        try:
            self.report = dict(self.attempt.score(self.session.events))
        except Exception as error:  # the record matters more than the debrief
            self.report = {"verdict": f"The score could not be computed: {error}"}
        try:
            self.saved = str(self.attempt.save() or "") if self.attempt.save else ""
        except Exception as error:
            self.saved = f"NOT SAVED: {error}"

    def give_up_quietly(self) -> None:
        """Leave this attempt to the one that is rewound from it: it is neither saved nor abandoned from here."""
        self._given_up = True
        self.maker.stop()

    def stop(self) -> None:
        """End the picture thread; an attempt that was not finished is given up."""
        self.maker.stop()
        if not self.finished and not self._given_up and self.attempt.abandon:
            self._given_up = True
            self.attempt.abandon()


def _same_pose(a: Any, b: Any) -> bool:
    return a.side_mm == b.side_mm and bool(np.allclose(a.source_mm, b.source_mm) and np.allclose(a.up, b.up))
