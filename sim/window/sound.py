"""Sound: a tick per pulse, and a tone whose pitch follows the resistance. Silence where no device is found."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pygame

RATE = 22_050
CAPTIONS = {"tick": "live.beam", "tone": "touch.bar"}
"""Sound -> the widget that shows the same at the same moment."""


class Sound:
    """Plays; every method is harmless without a device."""

    def __init__(self, wanted: bool) -> None:
        self.works = False
        if not wanted:
            return
        try:
            with _quiet_stderr():
                pygame.mixer.init(RATE, -16, 1, 512)
        except pygame.error:
            return
        self.works = pygame.mixer.get_init() is not None
        if self.works:
            self._tick = _note(1400.0, 0.012, 0.25)
            self._tones = [_note(160.0 * 2 ** (i / 6), 0.09, 0.12) for i in range(13)]
            self._last_pulses = 0
            self._tone_channel = pygame.mixer.Channel(1)

    def play(self, pulses: int, moving: bool, resistance: float) -> None:
        """Tick for a new pulse; hum while the needle moves, higher with more resistance (0..1)."""
        if not self.works:
            return
        if pulses != self._last_pulses:
            self._last_pulses = pulses
            self._tick.play()
        if moving and not self._tone_channel.get_busy():
            self._tone_channel.play(self._tones[int(12 * min(1.0, max(0.0, resistance)))])

    def close(self) -> None:
        """Give the device back."""
        if self.works:
            pygame.mixer.quit()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hide what ALSA writes to the error stream by itself where there is no sound card."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _note(hertz: float, seconds: float, loud: float) -> pygame.mixer.Sound:
    t = np.arange(int(RATE * seconds)) / RATE
    fade = np.minimum(1.0, np.minimum(t, seconds - t) / 0.004)
    wave = (32000 * loud * np.sin(2 * np.pi * hertz * t) * fade).astype(np.int16)
    channels = pygame.mixer.get_init()[2]
    return pygame.sndarray.make_sound(wave if channels == 1 else np.repeat(wave[:, None], channels, 1))
