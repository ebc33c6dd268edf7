"""A small built-in bitmap alphabet (5 x 7) for what is burned into pictures."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# each glyph: seven rows of five bits, most significant bit on the left
_ROWS = {
    "A": "0E11111F111111", "B": "1E11111E11111E", "C": "0E11101010110E", "D": "1E11111111111E", "E": "1F10101E10101F",
    "F": "1F10101E101010", "G": "0E11101711110F", "H": "1111111F111111", "I": "0E04040404040E", "K": "11121418141211",
    "L": "1010101010101F", "M": "111B1515111111", "N": "11191513111111", "O": "0E11111111110E", "P": "1E11111E101010",
    "R": "1E11111E141211", "S": "0F10100E01011E", "T": "1F040404040404", "U": "1111111111110E", "V": "11111111110A04",
    "0": "0E11131519110E", "1": "040C040404040E", "2": "0E11010204081F", "3": "1F02040201110E", "4": "02060A121F0202",
    "5": "1F101E0101110E", "6": "0608101E11110E", "7": "1F010204080808", "8": "0E11110E11110E", "9": "0E11110F01020C",
    ".": "00000000000C0C", "-": "0000001F000000", "+": "0004041F040400", "^": "040E1504040404", " ": "00000000000000",
    "W": "1111111515150A",
}  # fmt: skip

ADVANCE = 6


def glyph(character: str) -> NDArray[np.bool_]:
    """Return a character as (7, 5) booleans; an unknown one is a blank."""
    rows = _ROWS.get(character, _ROWS[" "])
    bits = [int(rows[2 * i : 2 * i + 2], 16) for i in range(7)]
    return np.array([[bool(row >> (4 - c) & 1) for c in range(5)] for row in bits])


def text_width(text: str, zoom: int) -> int:
    """Return the width of a text in pixels."""
    return (len(text) * ADVANCE - 1) * zoom if text else 0


@lru_cache(maxsize=64)
def _drawn(text: str, zoom: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the pixels of a text and those of its rim with them."""
    mask = np.zeros((9, len(text) * ADVANCE + 1), bool)
    for i, character in enumerate(text):
        mask[1:8, 1 + i * ADVANCE : 6 + i * ADVANCE] = glyph(character)
    rim = mask.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            rim |= np.roll(mask, (dy, dx), (0, 1))
    return tuple(part.repeat(zoom, 0).repeat(zoom, 1) for part in (mask, rim))  # type: ignore[return-value]


def stamp(image: NDArray[np.uint8], text: str, x: int, y: int, zoom: int) -> None:
    """Write text into a grey image, upper left corner at (x, y): white with a dark rim, legible on any ground."""
    ink, edge = _drawn(text, zoom)
    top, left = y - zoom, x - zoom
    h, w = ink.shape
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + h, image.shape[0]), min(left + w, image.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    target = image[y0:y1, x0:x1]
    target[edge[part]] = 25
    target[ink[part]] = 235
