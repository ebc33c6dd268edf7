"""The core as a Gymnasium environment."""

from __future__ import annotations

import warnings

import numpy as np
from gymnasium.utils.env_checker import check_env

from sim.env import ScottieEnv
from tests.attempts import study_of


def paint(view, size):
    return np.full((size, size), int(view.kvp) % 256, np.uint8)


def make(reward=lambda state, events: 0.0, **options):
    return ScottieEnv(study_of("tfesi-l4l5-right", 1), paint, reward, size=32, **options)


def test_check_env():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # advice on image sizes for convolutional networks
        check_env(make(render_mode="rgb_array"), skip_render_check=False)


def test_acts_reach_the_core_and_the_episode_ends():
    env = make(reward=lambda state, events: float(len(events)))
    names = [name for name, _ in env.acts]
    env.reset(seed=1)
    first, reward, ended, _cut, info = env.step(names.index("shoot"))
    assert first["picture"].max() > 0
    assert reward >= 1
    assert not ended
    assert any(fact.kind == "exposed" for fact in info["events"])
    *_, ended, _cut, _ = env.step(names.index("finish"))
    assert ended


def test_steps_are_limited():
    env = make(limit_steps=2)
    env.reset()
    assert env.step(0)[3] is False
    assert env.step(0)[3] is True
