"""The same core as a Gymnasium environment: for learning agents and for scripted studies of behaviour.

One step gives one command and lets 0.5 s pass. The observation is the held picture (what the monitor
shows) and a few numbers from the console; the needle's true position is not in it. The reward comes from
the caller (`scenarios.gym_study` joins it to the score), because the core knows no scoring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from sim.command import IDLE, LEVELS, SIDES, Command
from sim.event import Event
from sim.session import Session, view
from sim.state import State, Study
from sim.view import View

STEP_TICKS = 50

Paint = Callable[[View, int], NDArray[np.uint8]]
Reward = Callable[[State, tuple[Event, ...]], float]


def acts(study: Study) -> list[tuple[str, tuple[Command, ...]]]:
    """Return the named acts that an action number chooses from."""
    plan = study.plan
    oblique = -25_000 if plan.side == "right" else 25_000
    lateral = -90_000 if plan.side == "right" else 90_000
    rows: list[tuple[str, tuple[Command, ...]]] = [
        ("wait", (IDLE,)),
        ("review chart", (Command("chart.review"),)),
        ("take consent", (Command("consent.take"),)),
        ("time-out", (Command("timeout.call", (LEVELS.index(plan.level), SIDES.index(plan.side))),)),
        ("prepare skin", (Command("prep.skin"),)),
        ("shoot", (Command("xray.shot"),)),
        ("C-arm AP", (Command("carm.to", (0, 0)),)),
        ("C-arm oblique", (Command("carm.to", (oblique, 0)),)),
        ("C-arm lateral", (Command("carm.to", (lateral, 0)),)),
        ("pedal down", (Command("xray.pedal", (1,)),)),
        ("pedal up", (Command("xray.pedal", (0,)),)),
    ]
    target = [round(float(c) * 1000) for c in plan.target_mm]
    rows.append(("centre on target", (Command("carm.centre", (target[0], target[1], target[2])),)))
    rows += [(f"declare {level}", (Command("level.declare", (i,)),)) for i, level in enumerate(LEVELS)]
    rows.append(
        ("place needle over target", (Command("needle.choose", (0,)), Command("needle.place", (target[0], target[2], 0, 0))))
    )
    for name, delta in (("advance 5 mm", 5000), ("advance 1 mm", 1000), ("withdraw 5 mm", -5000)):
        rows.append((name, (Command("needle.move", (delta, 10_000)),)))
    rows += [(f"turn bevel {d}", (Command("needle.turn", (d * 1000,)),)) for d in (-90, 90, 180)]
    rows += [("stylet out", (Command("needle.stylet", (0,)),)), ("stylet in", (Command("needle.stylet", (1,)),))]
    rows += [(f"attach {agent.name}", (Command("syringe.attach", (i, 2000)),)) for i, agent in enumerate(study.toolbox.agents)]
    rows += [("aspirate", (Command("syringe.aspirate"),)), ("inject 0.5 mL", (Command("syringe.inject", (500, 500)),))]
    rows += [("remove needle", (Command("needle.remove"),)), ("finish", (Command("finish"),))]
    return rows


class ScottieEnv(gymnasium.Env[dict[str, NDArray[Any]], np.int64]):  # type: ignore[misc]
    """Gymnasium environment over one study.

    paint(view, size) returns the picture (uint8, (size, size)); reward(state, events) the reward of a step.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012 - Gymnasium's own form

    def __init__(
        self, study: Study, paint: Paint, reward: Reward, size: int = 96, limit_steps: int = 1200, render_mode: str | None = None
    ) -> None:
        self.study, self._paint, self._reward = study, paint, reward
        self._size, self._limit = size, limit_steps
        self.render_mode = render_mode
        self.acts = acts(study)
        self.action_space = gymnasium.spaces.Discrete(len(self.acts))
        self.observation_space = gymnasium.spaces.Dict(
            {
                "picture": gymnasium.spaces.Box(0, 255, (size, size), np.uint8),
                "console": gymnasium.spaces.Box(-1e9, 1e9, (8,), np.float64),
            }
        )
        self._start()

    def _start(self) -> None:
        self.session = Session(self.study)
        self._steps, self._shown = 0, 0
        self._picture = np.zeros((self._size, self._size), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start the attempt again. The patient is fixed by the study; `seed` only seeds action sampling."""
        super().reset(seed=seed)
        self._start()
        return self._observe(), {"events": ()}

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Give the act's commands and let 0.5 s pass."""
        before = len(self.session.events)
        self.session.send(*self.acts[int(action)][1])
        for _ in range(STEP_TICKS):
            self.session.tick()
        self._steps += 1
        new = tuple(self.session.events[before:])
        return (
            self._observe(),
            float(self._reward(self.session.state, new)),
            self.session.finished,
            self._steps >= self._limit,
            {"events": new},
        )

    def render(self) -> NDArray[np.uint8]:
        """Return the held picture as RGB."""
        return np.repeat(self._picture[:, :, None], 3, axis=2)

    def _observe(self) -> dict[str, Any]:
        state = self.session.state
        if state.carm.pictures != self._shown:
            self._shown = state.carm.pictures
            self._picture = self._paint(view(self.study, state), self._size)
        arm = state.carm
        console = [arm.primary_mdeg, arm.secondary_mdeg, arm.kvp_x10, arm.pictures, arm.beam_on_ms, arm.dap_pgy_m2 / 1e6]
        console += [round(state.needle.depth_mm * 1000), float(state.tick)]
        return {"picture": self._picture.copy(), "console": np.array(console, np.float64)}
