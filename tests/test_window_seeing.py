"""Seen by everybody: contrast of text, colours that stay apart without red, green or blue, a sign for every sound."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pygame
import pytest

from sim.phantom import TubeKind
from sim.window import Step, layers, theme
from sim.window.sound import CAPTIONS, Sound
from tests.make_phantom import simple_study
from tests.window_fake import fake_attempt
from tests.window_play import play

SEES = {
    "all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB."""
APART = 10.0
"""Smallest CIE 1976 distance: about four times what is just seen side by side (2.3)."""


def linear(colour):
    c = np.array(colour[:3], float)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    """Contrast ratio of WCAG 2.2."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    """CIELAB (D65) of linear RGB."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    t = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(a, b, eyes):
    m = np.array(SEES[eyes])
    return float(np.linalg.norm(lab(m @ linear(a)) - lab(m @ linear(b))))


@pytest.mark.parametrize("text", ["TEXT", "DIM", "ACCENT"])
@pytest.mark.parametrize("ground", ["SURROUND", "PANEL", "CONTROL"])
def test_text_stands_out_from_what_it_stands_on(text, ground):
    assert contrast(getattr(theme, text), getattr(theme, ground)) >= 4.5


def test_a_lit_button_can_be_read():
    assert contrast(theme.BLACK, theme.ACCENT) >= 4.5


@pytest.mark.parametrize("eyes", SEES)
def test_colours_that_mean_something_stay_apart(eyes):
    pytest.importorskip("OpenGL")
    from tests.window_play import ready_or_skip

    ready_or_skip()
    from sim.window.replay import IDEAL, PATH
    from sim.window.scene3d import BONE, TUBE_COLOURS

    pairs = {"ideal and taken": (IDEAL, PATH)}
    tissue = {"fat": layers.FAT, "muscle": layers.MUSCLE, "ligament": layers.LIGAMENT, "bone": BONE}
    pairs |= {f"{a} and {b}": (tissue[a], tissue[b]) for a, b in combinations(tissue, 2)}
    kinds = (TubeKind.ARTERY, TubeKind.VEIN, TubeKind.ROOT, TubeKind.SAC)
    pairs |= {f"{a.name} and {b.name}": (TUBE_COLOURS[a], TUBE_COLOURS[b]) for a, b in combinations(kinds, 2)}
    near = {name: round(apart(*pair, eyes), 1) for name, pair in pairs.items() if apart(*pair, eyes) < APART}
    assert not near


def test_every_sound_has_its_sign():
    def script(robot):
        yield from robot.key(pygame.K_s)
        yield from robot.wait(2)
        yield from robot.click("live.picture", 0.4, 0.45)
        yield from robot.click("tray.in_line")
        yield from robot.down("console.pedal")
        yield from robot.wait(5)
        for _ in range(8):
            yield from robot.key(pygame.K_w)
        assert robot.theatre.state.needle.moving and robot.theatre.state.carm.beam
        assert set(CAPTIONS.values()) <= robot.window.ui.rects.keys()

    play(script)
    assert {name for name in ("tick", "tone") if any(name in code for code in Sound.play.__code__.co_names)} == set(CAPTIONS)


def helps_of(mode):
    """Ask for every help; return (names of the widgets, lines of the log, whether a ghost is drawn)."""
    seen = []

    def script(robot):
        yield from robot.key(pygame.K_s)
        yield from robot.click("live.picture", 0.4, 0.45)
        yield from robot.click("tray.in_line")
        for key in (pygame.K_F2, pygame.K_F2, pygame.K_F3, pygame.K_F4):
            yield from robot.key(key)
            yield from robot.wait(2)
        seen.extend((set(robot.window.ui.rects), {line.text for line in robot.theatre.log}, bool(robot.theatre.lines())))

    way = {"ideal way": np.array([[0.0, 100.0, 0.0], [0.0, 20.0, 0.0]])}
    steps = [Step("chart", "Chart read", "Read it.", False)]
    attempt = fake_attempt(replace(simple_study(), mode=mode), guide=lambda _events: steps, ghosts=lambda: way)
    play(script, attempt=attempt, guided=True)
    return seen


def test_an_assessment_shows_nothing_of_the_game():
    """No next step, hint, ghost, trend, layer's name or fading skin; practice has each of them."""
    rects, words, ghosts = helps_of("practice")
    assert {"room.skin", "voice.next"} <= rects and any("Next" in text for text in words) and ghosts
    rects, words, ghosts = helps_of("assessment")
    assert not {"room.skin", "voice.next"} & rects and not any("Next" in text for text in words) and not ghosts
    assert not [name for name in rects if "trend" in name or "hint" in name]
