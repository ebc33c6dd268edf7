"""Trabecular texture: mineral that is a little more here and a little less there inside cancellous bone.

A radiograph of cancellous bone has a power spectrum of about 1/f^3.4, stretched along the main trabeculae
(imaging reference, section 7). A projection keeps the exponent, so the same field is laid into the bone in three
dimensions and projected with everything else: it turns with the bone and never repeats between views. Each grain
carries mm3 of cortical bone more or less than the mean; their sum over a bone is zero, so no thickness changes.

Pictures only: no score ever reads a grain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit
from sim.phantom import Bone
from sim.raster import NEAREST_MM
from sim.rng import stream

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

EXPONENT = 3.39
"""Of the power spectrum: Benhamou 2001, 2 H + 2 (calcaneus radiographs, verified abstract)."""
STRETCH = 1.72
"""Anisotropy of the texture: Brunet-Imbault 2005 (calcaneus, controls, verified abstract)."""
LONGEST_MM = 12.0
"""Waves longer than this belong to the shape of the bone, not to its texture."""
CONTRAST = 2.0
"""Standard deviation over mean of the mineral in one cell, chosen so that the signal behind a lumbar body varies by
about 3 %: "a few percent" (recalled; no amplitude is published for a lumbar body)."""
PITCH_MM = 1.3
"""Cell of the field; the spacing of lumbar trabeculae is 0.7 to 1.1 mm (recalled)."""
FIELD = 64
MOST_PER_BONE = 14_000
CORTEX_MM = 1.6
"""Grains lie at least so deep: in the core, not in the shell."""
WATER_PER_BONE = -1.0897
"""Water-equivalent that leaves with 1 mm of bone-equivalent mineral (sim.scene.PER_MG): marrow makes room."""


def field(seed: int) -> F32:
    """Return a periodic Gaussian field (64, 64, 64), mean 0, SD 1, power 1/k^3.39 stretched along the third axis."""
    white = stream(seed, "trabecula").standard_normal((FIELD,) * 3)
    f = np.fft.fftfreq(FIELD, PITCH_MM)
    fz = np.fft.rfftfreq(FIELD, PITCH_MM)
    k = np.sqrt(f[:, None, None] ** 2 + f[None, :, None] ** 2 + (STRETCH * fz[None, None, :]) ** 2)
    gain = np.where(k > 1.0 / LONGEST_MM, np.maximum(k, 1e-9) ** (-0.5 * EXPONENT), 0.0)
    out = np.fft.irfftn(np.fft.rfftn(white) * gain, (FIELD,) * 3, axes=(0, 1, 2))
    return np.asarray(out / out.std(), np.float32)


def grains(bone: Bone, texture: F32, mineral: float, seed: int) -> F32:
    """Return the grains of one bone in the patient frame: (n, 4) x, y, z, mm3 of bone-equivalent (sum 0).

    mineral: bone-equivalent mm per mm of the cancellous core. Cells lie on a jittered grid in the bone's own frame.
    """
    low = bone.grid_origin_mm
    size = bone.spacing_mm * (np.array(bone.distance_10um.shape) - 1)
    inside = float((bone.distance_10um < -100.0 * CORTEX_MM).sum()) * bone.spacing_mm**3
    if inside <= 0.0:
        return np.zeros((0, 4), np.float32)
    pitch = max(PITCH_MM, (inside / MOST_PER_BONE) ** (1.0 / 3.0))
    cells = np.stack(np.meshgrid(*(np.arange(int(s / pitch) + 1) for s in size), indexing="ij"), axis=-1).reshape(-1, 3)
    jitter = stream(seed, "trabecula/place").random(cells.shape)
    local = low + (cells + jitter) * pitch
    node = np.clip(np.rint((local - low) / bone.spacing_mm).astype(int), 0, np.array(bone.distance_10um.shape) - 1)
    deep = bone.distance_10um[node[:, 0], node[:, 1], node[:, 2]] < -100.0 * CORTEX_MM
    local = local[deep]
    at = np.rint(local / PITCH_MM).astype(int) % FIELD
    value = texture[at[:, 0], at[:, 1], at[:, 2]].astype(np.float64)
    value -= value.mean() if len(value) else 0.0
    # fewer, larger cells would stand out as mottling (their noise does not average): keep the noise of the projection
    weight = value * CONTRAST * mineral * pitch**3 * (PITCH_MM / pitch) ** 1.5
    return np.concatenate([bone.to_patient(local), weight[:, None]], axis=1).astype(np.float32)


@jit
def scatter_grains(
    points: F32, first: int, last: int, source: F64, axes: F64, scale: float, cx: float, cy: float, out: F32
) -> None:
    """Add grains first..last to out (n, n) as mm of bone-equivalent along the ray; each is a tent one cell wide."""
    n = out.shape[0]
    wx = np.empty(32, np.float32)
    for i in range(first, last):
        dx, dy, dz = points[i, 0] - source[0], points[i, 1] - source[1], points[i, 2] - source[2]
        w = axes[2, 0] * dx + axes[2, 1] * dy + axes[2, 2] * dz
        if w < NEAREST_MM:
            continue
        magnified = scale / w
        u = (axes[0, 0] * dx + axes[0, 1] * dy + axes[0, 2] * dz) * magnified + cx
        v = (axes[1, 0] * dx + axes[1, 1] * dy + axes[1, 2] * dz) * magnified + cy
        reach = min(max(PITCH_MM * magnified, 1.0), 15.0)
        x0, x1 = int(np.ceil(u - 0.5 - reach)), int(np.floor(u - 0.5 + reach)) + 1
        y0, y1 = int(np.ceil(v - 0.5 - reach)), int(np.floor(v - 0.5 + reach)) + 1
        if x0 < 0 or y0 < 0 or x1 > n or y1 > n:
            continue
        per = 1.0 / reach
        height = points[i, 3] * magnified * magnified * per * per
        for x in range(x0, x1):
            wx[x - x0] = np.float32(1.0 - abs(x + 0.5 - u) * per)
        for y in range(y0, y1):
            part = np.float32(height * (1.0 - abs(y + 0.5 - v) * per))
            for x in range(x0, x1):
                out[y, x] += part * wx[x - x0]


@jit
def lay(texture: F32, first: int, last: int, water_per_bone: float, out: F32) -> None:
    """Add texture (t, m, m), the threads' parts, to rows first..last of out (2, n, n) (water, bone).

    m may be smaller than n: the texture has nothing finer than its cell, so it is drawn coarser and read bilinearly.
    """
    n, m = out.shape[1], texture.shape[1]
    per, water = m / n, np.float32(water_per_bone)
    column, share = np.empty(n, np.uint64), np.empty(n, np.float32)
    for x in range(n):
        u = min(max((x + 0.5) * per - 0.5, 0.0), m - 1.001)
        column[x] = np.uint64(int(u))
        share[x] = np.float32(u - int(u))
    row, wide, one = np.empty(m, np.float32), np.empty(n, np.float32), np.uint64(1)
    for y in range(first, last):
        v = min(max((y + 0.5) * per - 0.5, 0.0), m - 1.001)
        i = int(v)
        f = np.float32(v - i)
        row[:] = np.float32(0.0)
        for t in range(texture.shape[0]):
            upper, lower = texture[t, i], texture[t, i + 1]
            for j in range(m):
                row[j] += upper[j] + (lower[j] - upper[j]) * f
        for x in range(n):
            j = column[x]
            wide[x] = row[j] + (row[j + one] - row[j]) * share[x]
        to_water, to_bone = out[0, y], out[1, y]
        for x in range(n):
            to_bone[x] += wide[x]
        for x in range(n):
            to_water[x] += water * wide[x]
