"""The receptor's pixels, row by row in one pass: primary and scatter, noise, blur; then grey values.

A row is made, blurred along itself and kept until the rows around it are there, so that nothing but the finished signal goes
back to memory. All float32; exponential, logarithm and noise are written as plain arithmetic, which becomes vector code.
Formulas and sources: docs/IMAGING.md.

Noise: deviate number i of a pulse is the quantile of 16 bits of SplitMix64 (Steele, Lea and Flood 2014) started at a key that
Philox draws for the pulse: it depends on the pulse and the pixel alone, never on threads. A deviate is never beyond 4.3.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit
from sim.rng import stream

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

QUANTILES = 1 << 16
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_A, MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
LOW_16 = np.uint64(0xFFFF)
SHIFT_16, SHIFT_27, SHIFT_30, SHIFT_31 = np.uint64(16), np.uint64(27), np.uint64(30), np.uint64(31)

ONE, ZERO, HALF = np.float32(1.0), np.float32(0.0), np.float32(0.5)
PER_LN2, LN2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)
DARKEST = np.float32(1e-7)
EXP2 = tuple(np.float32(c) for c in (1.0, 0.6931471806, 0.2402265070, 0.0555041087, 0.0096181291, 0.0013333558, 0.000154353))
"""Taylor series of 2^f for |f| <= 1/2: relative error below 2e-7."""
ATANH = tuple(np.float32(2.0 / (2 * k + 1)) for k in range(6))
"""ln m = 2 artanh((m - 1) / (m + 1)), for m in 0.7 to 1.42: error below 1e-7."""


@cache
def quantiles() -> F32:
    """Return the 65 536 middle quantiles of the standard normal distribution, scaled to variance 1 (mean 0)."""
    from scipy.special import ndtri

    out = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
    return np.asarray(out / out.std(), np.float32)


def noise_key(key: tuple[int, int]) -> np.uint64:
    """Return where the noise of a pulse begins: (seed, number of the pulse) -> 64 bits."""
    return np.uint64(stream(key[0], f"picture/{key[1]}").integers(0, 2**64, dtype=np.uint64))


@jit
def deviates(key: np.uint64, row: int, table: F32, out: F32) -> None:
    """Fill out (a multiple of 4) with the standard normal deviates of one row of the pulse."""
    groups = out.shape[0] // 4
    state = key + np.uint64(row * groups) * GOLDEN
    for k in range(groups):
        state += GOLDEN
        z = (state ^ (state >> SHIFT_30)) * MIX_A
        z = (z ^ (z >> SHIFT_27)) * MIX_B
        z = z ^ (z >> SHIFT_31)
        for i in range(4):
            out[4 * k + i] = table[z & LOW_16]
            z = z >> SHIFT_16


@jit
def transmit(absorbance: F32, power: NDArray[np.int32], out: F32) -> None:
    """Fill out (n,) with exp(-absorbance) (n,), relative error below 5e-7. power: (n,) for the exponents."""
    scale = power.view(np.float32)
    for x in range(out.shape[0]):
        t = max(-absorbance[x] * PER_LN2, np.float32(-120.0))
        whole = np.floor(t + HALF)
        f = t - whole
        power[x] = (np.int32(whole) + 127) << 23
        high = EXP2[4] + f * (EXP2[5] + f * EXP2[6])
        out[x] = EXP2[0] + f * (EXP2[1] + f * (EXP2[2] + f * (EXP2[3] + f * high)))
    for x in range(out.shape[0]):
        out[x] *= scale[x]


@jit
def logarithm(values: F32, parts: NDArray[np.int32], out: F32) -> None:
    """Fill out (n,) with ln(values), values (n,) at least 1e-7 (changed), error below 3e-7 of a whole. parts: (n,)."""
    bits, mantissa = values.view(np.int32), parts.view(np.float32)
    for x in range(out.shape[0]):
        # the power of two that leaves a mantissa of 0.707 to 1.414
        power = (bits[x] - 0x3F3504F3) >> 23
        out[x] = np.float32(power)
        parts[x] = bits[x] - (power << 23)
    for x in range(out.shape[0]):
        s = (mantissa[x] - ONE) / (mantissa[x] + ONE)
        q = s * s
        series = ATANH[0] + q * (ATANH[1] + q * (ATANH[2] + q * (ATANH[3] + q * (ATANH[4] + q * ATANH[5]))))
        out[x] = out[x] * LN2 + s * series


@jit
def widen(coarse: F32, out: F32) -> None:
    """Fill out (g, n) with coarse (g, g) read between the middles of its columns; beyond the outer ones they repeat."""
    g, n = out.shape
    per = g / n
    for x in range(n):
        u = min(max((x + 0.5) * per - 0.5, 0.0), g - 1.001)
        j = int(u)
        f = np.float32(u - j)
        for i in range(g):
            out[i, x] = coarse[i, j] + (coarse[i, j + 1] - coarse[i, j]) * f


@jit
def _between(wide: F32, y: int, out: F32) -> None:
    """Fill out (n,) with row y of n from wide (g, n) read between the middles of its rows."""
    g, n = wide.shape
    v = min(max((y + 0.5) * (g / n) - 0.5, 0.0), g - 1.001)
    i = int(v)
    f = np.float32(v - i)
    upper, lower = wide[i], wide[i + 1]
    for x in range(n):
        out[x] = upper[x] + (lower[x] - upper[x]) * f


@jit
def _blurred_row(row: F32, taps: F32, out: F32) -> None:
    """Fill out (n,) with row (n + 2 * reach,) weighted by taps."""
    n = out.shape[0]
    for x in range(n):
        out[x] = taps[0] * row[x]
    for k in range(1, taps.shape[0]):
        weight, part = taps[k], row[k : k + n]
        for x in range(n):
            out[x] += weight * part[x]


@jit
def receive(
    passed: F32, scatter: F32, first: int, last: int, primary: float, through: float, quantum: float, electronic: float,
    key: np.uint64, table: F32, taps: F32, out: F32,
) -> None:  # fmt: skip
    """Fill rows first..last of out (n, n) with primary * passed + through * scatter, with noise, blurred by taps.

    passed: (n, n) primary over open beam; scatter: (g, n) widened; table: `quantiles`, empty for no noise. Variance of a pixel
    before the blur: quantum * signal + electronic. Edges repeat.
    """
    n, count = passed.shape[0], taps.shape[0]
    reach = count // 2
    per_primary, per_scatter = np.float32(primary), np.float32(through)
    per_signal, always = np.float32(quantum), np.float32(electronic)
    noisy = table.shape[0] > 0
    ring = np.empty((count, n), np.float32)
    row = np.empty(n + 2 * reach, np.float32)
    middle, slow = row[reach : reach + n], np.empty(n, np.float32)
    noise = np.empty(4 * ((n + 3) // 4), np.float32)
    for y in range(first - reach, last + reach):
        here = min(max(y, 0), n - 1)
        _between(scatter, here, slow)
        clean = passed[here]
        for x in range(n):
            middle[x] = per_primary * clean[x] + per_scatter * slow[x]
        if noisy:
            deviates(key, here, table, noise)
            for x in range(n):
                value = middle[x]
                value += np.sqrt(per_signal * value + always) * noise[x]
                middle[x] = value if value > ZERO else ZERO
        for k in range(reach):
            row[k] = row[reach]
            row[reach + n + k] = row[reach + n - 1]
        at = y - first + reach
        _blurred_row(row, taps, ring[at % count])
        if at >= 2 * reach:
            _sum_rows(ring, taps, at + 1, out[y - reach])


@jit
def _sum_rows(ring: F32, taps: F32, oldest: int, out: F32) -> None:
    """Fill out (n,) with the rows of the ring, from the oldest, weighted by taps."""
    count, n = ring.shape
    for k in range(count):
        weight, part = taps[k], ring[(oldest + k) % count]
        if k == 0:
            for x in range(n):
                out[x] = weight * part[x]
        else:
            for x in range(n):
                out[x] += weight * part[x]


@jit
def blend(before: F32, keep: float, first: int, last: int, now: F32) -> None:
    """Mix rows first..last of now (n, n) with as much of `before` as `keep` says, and put the mixture into both."""
    old, new = np.float32(keep), np.float32(1.0 - keep)
    for y in range(first, last):
        kept, fresh = before[y], now[y]
        for x in range(now.shape[1]):
            kept[x] = fresh[x] * new + kept[x] * old
        for x in range(now.shape[1]):
            fresh[x] = kept[x]


@jit
def to_grey(
    signal: F32, slow: F32, first: int, last: int, middle: float, half_width: float, flatten: float, half_w: float, half_h: float,
    iris: float, invert: bool, out: U8,
) -> None:  # fmt: skip
    """Fill rows first..last of out (uint8): bright where much signal comes through, black outside the open field.

    slow: (g, n), the slow part of the log signal, widened.
    """
    n = out.shape[0]
    per, mean, part = np.float32(1.0 / half_width), np.float32(middle), np.float32(flatten)
    share, top = np.float32(0.47), np.float32(255.0)
    base, sign = (np.float32(0.47), np.float32(-1.0)) if invert else (np.float32(0.53), np.float32(1.0))
    held, logs, trend = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    parts = np.empty(n, np.int32)
    for y in range(first, last):
        shown = out[y]
        v = abs(2.0 * (y + 0.5) / n - 1.0)
        reach = min(half_w, np.sqrt(max(iris * iris - v * v, 0.0))) if v <= half_h else -1.0
        line = signal[y]
        for x in range(n):
            held[x] = line[x] if line[x] > DARKEST else DARKEST
        logarithm(held, parts, logs)
        _between(slow, y, trend)
        for x in range(n):
            t = (logs[x] - part * (trend[x] - mean) - mean) * per
            grey = base + sign * share * t / np.sqrt(ONE + t * t)
            shown[x] = np.uint8(np.int32(grey * top + HALF))
        for x in range(n):
            if abs(2.0 * (x + 0.5) / n - 1.0) > reach:
                shown[x] = 0
