"""A finished picture of a view: projector, beam, detector and display in one line, with burned-in markers.

Grey values as live fluoroscopy shows them: bone, metal and contrast dark on a bright ground (`invert` turns it).
Files are written elsewhere; pictures never feed a score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim import detector
from sim.beam import BeamTables, add_devices, anatomy_table, beam_at, look_up, pass_through
from sim.font import stamp, text_width
from sim.frames import gantry
from sim.projector_gl import projector_of
from sim.readout import blend, noise_key, quantiles, receive, to_grey, widen
from sim.scene import Scene
from sim.subtraction import Subtraction, grey_of, road_map
from sim.view import View

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

FLATTEN = 0.65
"""Share of the slow brightness differences that the display takes out (dynamic range compression)."""
HALF_WIDTH = (0.32, 0.5)
"""Narrowest and widest half of the display window, natural-log units of signal."""
MARKER_TURN_MDEG = 75_000
"""Up to this primary angle the sides of the picture are left and right, beyond it front and back."""


@dataclass(frozen=True)
class Signal:
    """A received picture before display, relative to the open beam.

    On coarse cells: the mean signal, which cells lie in the open field, which of those show body rather than air.
    """

    values: F32
    coarse: F32
    inside: NDArray[np.bool_]
    body: NDArray[np.bool_]


class Imager:
    """Makes pictures of one scene and keeps what can be kept between them (anatomy of a still C-arm, tables)."""

    def __init__(self, scene: Scene, tables: BeamTables, threads: int = 2, backend: str = "cpu") -> None:
        self.projector = projector_of(scene, backend, threads)
        self.tables = tables
        self._table_kvp, self._table = -1.0, np.zeros((2, 2), np.float32)
        self._before: tuple[View, F32] | None = None
        self._run, self._live_run = Subtraction(), Subtraction()
        self._road: F32 | None = None
        self._resize(0)

    def _resize(self, size: int) -> None:
        self.size = size
        self._anatomy = np.zeros((size, size), np.float32)
        self._passed = np.zeros((size, size), np.float32)
        self._covered = (0, 0, 0, 0)
        self._values = np.zeros((size, size), np.float32)
        self._wide = np.zeros((detector.COARSE, size), np.float32)
        self._before = None

    def _rows(self, work: Callable[[int, int], None]) -> None:
        self.projector.crew.share(self.size, work)

    # ------------------------------------------------------------ physics

    def primary(self, view: View, size: int) -> F32:
        """Return the primary signal over the open beam, polychromatic, (n, n); an own array that the next call changes.

        Behind a C-arm that stands still only what the devices cover, or covered before, is computed again.
        """
        if size != self.size:
            self._resize(size)
        drawn = self.projector
        fresh = drawn.draw(view, size)
        beam = beam_at(self.tables, view.kvp)
        if self._table_kvp != view.kvp:
            self._table, self._table_kvp, fresh = anatomy_table(beam), view.kvp, True
        if fresh:
            self._rows(self._through_anatomy)
        else:
            y0, y1, x0, x1 = self._covered
            self._passed[y0:y1, x0:x1] = self._anatomy[y0:y1, x0:x1]
        add_devices(beam.response, beam.mu, drawn.anatomy, drawn.devices, drawn.device_box, self._passed)
        y0, y1, x0, x1 = (int(v) for v in drawn.device_box)
        self._covered = (y0, max(y0, y1), x0, max(x0, x1))
        return self._passed

    def _through_anatomy(self, first: int, last: int) -> None:
        look_up(self._table, self.projector.anatomy, first, last, self._passed)
        pass_through(self._passed, first, last, self._anatomy)
        self._passed[first:last] = self._anatomy[first:last]

    def signal(self, view: View, size: int, noise: bool = True) -> Signal:
        """Return what the receptor reads out for one pulse."""
        through = self.primary(view, size)
        pixel = view.pose.side_mm / size
        open_w, open_h = view.half_width, view.half_height
        g = detector.COARSE
        primary = np.empty((g, g), np.float32)
        detector.coarse_signal(through, open_w, open_h, view.iris, primary)
        at = (np.arange(g) * size // g + size // (2 * g)).clip(0, size - 1)
        anatomy = self.projector.anatomy
        water = np.maximum(anatomy[0][np.ix_(at, at)] + 2.0 * anatomy[1][np.ix_(at, at)], 0.0)
        inside = _open_cells(g, open_w, open_h, view.iris)
        mean = float(water[inside].mean())
        exposure = detector.exposure_of(beam_at(self.tables, view.kvp), self.tables.detector, view.mas, mean, pixel)
        data, cell = self.tables.detector, view.pose.side_mm / g
        scatter = detector.scattered(primary, water, cell, data)
        passed = exposure.grid_primary
        coarse = passed * (primary + scatter)
        if data.glare > 0.0:
            passed *= 1.0 - data.glare
            glare = detector.veil(coarse, cell, data)
            scatter = scatter + glare / np.float32(passed)
            coarse = passed * (primary + scatter)
        widen(scatter, self._wide)
        numbers = (passed, passed, exposure.quantum, exposure.electronic, noise_key(view.noise_key))
        table, taps = quantiles() if noise else quantiles()[:0], detector.blur_taps(exposure.sigma_px)
        self._rows(lambda a, b: receive(through, self._wide, a, b, *numbers, table, taps, self._values))
        body = inside & (water > 0.35 * np.median(water[inside]))
        return Signal(self._values, np.maximum(coarse, np.float32(1e-6)), inside, body if body.any() else inside)

    # ------------------------------------------------------------ display

    def picture(self, view: View, size: int, noise: bool = True, invert: bool = False, marks: bool = True) -> U8:
        """Return the picture of a view: (n, n) uint8, row 0 at the top."""
        signal = self.signal(view, size, noise)
        return self._show(view, signal, invert, marks)

    def live(self, view: View, size: int, invert: bool = False, marks: bool = True, frames: int = 3) -> U8:
        """Return the next picture of a live run: averaged with those before while the C-arm stands still.

        frames: strength of the recursive filter, y += (x - y) / frames; a moving C-arm leaves only detector lag.
        """
        signal = self.signal(view, size)
        if self._before is None or self._before[1].shape != signal.values.shape:
            self._before = (view, signal.values.copy())
        else:
            old_view, old = self._before
            keep = self.tables.detector.lag if self._moved(old_view, view) else 1.0 - 1.0 / frames
            self._rows(lambda a, b: blend(old, keep, a, b, signal.values))
            self._before = (view, old)
        return self._show(view, signal, invert, marks)

    def forget(self) -> None:
        """Begin a new run: the next live picture is not averaged, the next subtraction takes a new mask.

        The peak of the run that ends stays as the road of a road map.
        """
        self._before = None
        if self._run.peak is not None:
            self._road = self._run.peak
        self._run, self._live_run = Subtraction(), Subtraction()

    @staticmethod
    def _moved(a: View, b: View) -> bool:
        return not (
            np.array_equal(a.pose.source_mm, b.pose.source_mm)
            and np.array_equal(a.pose.detector_mm, b.pose.detector_mm)
            and a.pose.side_mm == b.pose.side_mm
        )

    def subtracted(self, view: View, size: int, marks: bool = True) -> U8:
        """Return a subtraction picture: ln(mask) - ln(picture); the first of a run (see `forget`) is the mask."""
        difference = self._run.take(self.signal(view, size).values)
        out = grey_of(difference, open_pixels(size, view))
        return burn_in(out, view, "DSA") if marks else out

    def peak(self, view: View, marks: bool = True) -> U8:
        """Return the peak opacification of the run so far: the most contrast each pixel ever held (ValueError without one)."""
        peak = self._run.peak
        if peak is None:
            raise ValueError("no subtracted frame yet; expected a subtraction run")
        out = grey_of(peak, open_pixels(len(peak), view))
        return burn_in(out, view, "PEAK") if marks else out

    def aligned(self, view: View, size: int, marks: bool = True) -> U8:
        """Return a subtraction picture after the pixel shift that fits the mask to it (the patient moved)."""
        signal, inside = self.signal(view, size), open_pixels(size, view)
        shift = self._run.align(signal.values, inside)
        out = grey_of(self._run.take(signal.values), inside)
        return burn_in(out, view, f"DSA SHIFT {shift[0]:.1f} {shift[1]:.1f}") if marks else out

    def road_map(self, view: View, size: int, marks: bool = True) -> U8:
        """Return a live picture over the vessels of the last subtraction run with this C-arm position, if there is one.

        Its own first frame is the mask, so that only what moves from then on is drawn over the road.
        """
        signal, inside = self.signal(view, size), open_pixels(size, view)
        difference = self._live_run.take(signal.values)
        peak = self._road if self._road is not None and self._road.shape == difference.shape else np.zeros_like(difference)
        out = road_map(difference, peak, inside)
        return burn_in(out, view, "ROADMAP") if marks else out

    def _show(self, view: View, signal: Signal, invert: bool, marks: bool) -> U8:
        logs = np.log(signal.coarse)
        body = logs[signal.body]
        logs = np.where(signal.inside, np.clip(logs, body.min(), np.percentile(body, 98.0)), np.median(body)).astype(np.float32)
        slow = detector.smooth(logs)
        window = detector.auto_window(logs, slow, signal.body, FLATTEN, HALF_WIDTH)
        out = np.empty((self.size, self.size), np.uint8)
        widen(slow, self._wide)
        how = (window.middle, window.half_width, window.flatten, view.half_width, view.half_height, view.iris, invert)
        self._rows(lambda a, b: to_grey(signal.values, self._wide, a, b, *how, out))
        return burn_in(out, view, "") if marks else out


def render(
    scene: Scene, beam_tables: BeamTables, view: View, size_px: int, noise: bool = True, invert: bool = False, marks: bool = True,
    backend: str = "cpu",
) -> U8:  # fmt: skip
    """Return one picture, (n, n) uint8, row 0 at the top; the same view always gives the same picture."""
    return Imager(scene, beam_tables, backend=backend).picture(view, size_px, noise, invert, marks)


def _open_cells(count: int, half_width: float, half_height: float, iris: float) -> NDArray[np.bool_]:
    """Return which cells of a count x count grid have their centre in the open field (at least one)."""
    at = np.abs(2.0 * (np.arange(count) + 0.5) / count - 1.0)
    rows, columns = at <= max(half_height, 1.0 / count), at <= max(half_width, 1.0 / count)
    disc = at[:, None] ** 2 + at[None, :] ** 2 <= max(iris, 1.5 / count) ** 2
    return np.asarray(rows[:, None] & columns[None, :] & disc, bool)


def open_pixels(size: int, view: View) -> NDArray[np.bool_]:
    """Return which pixels of a size x size picture lie in the open field: inside the shutters and the iris."""
    at = np.abs(2.0 * (np.arange(size) + 0.5) / size - 1.0)
    disc = at[:, None] ** 2 + at[None, :] ** 2 <= view.iris**2
    return np.asarray((at <= view.half_height)[:, None] & (at <= view.half_width)[None, :] & disc, bool)


# ---------------------------------------------------------------- markers


def side_marks(primary_mdeg: int, secondary_mdeg: int, swivel_mdeg: int = 0) -> tuple[str, str]:
    """Return what to write at the left and the right edge of the picture: "L"/"R", or "ANT"/"POST" in laterals."""
    right = gantry(primary_mdeg, secondary_mdeg, swivel_mdeg).right
    folded = abs(primary_mdeg) % 180_000
    if min(folded, 180_000 - folded) <= MARKER_TURN_MDEG:
        return ("R", "L") if right[0] > 0 else ("L", "R")
    return ("ANT", "POST") if right[1] > 0 else ("POST", "ANT")


def technique_text(view: View) -> str:
    """Return the line at the bottom: angles, tube voltage, tube load."""
    side = "LEFT" if view.primary_mdeg > 0 else "RIGHT" if view.primary_mdeg < 0 else ""
    tilt = "HEAD" if view.secondary_mdeg > 0 else "FOOT" if view.secondary_mdeg < 0 else ""
    angles = f"{abs(view.primary_mdeg) / 1000:.0f} {side}  {abs(view.secondary_mdeg) / 1000:.0f} {tilt}"
    if view.swivel_mdeg:
        angles += f"  {abs(view.swivel_mdeg) / 1000:.0f} SWIVEL {'LEFT' if view.swivel_mdeg > 0 else 'RIGHT'}"
    return f"{angles}   {view.kvp:.0f}KV {view.mas:.2f}MAS"


def burn_in(image: U8, view: View, note: str) -> U8:
    """Write side markers, a head arrow and the technique into a picture (in place) and return it."""
    n = len(image)
    zoom = max(1, n // 256)
    pad = 4 * zoom
    left, right = side_marks(view.primary_mdeg, view.secondary_mdeg, view.swivel_mdeg)
    big = 2 * zoom
    stamp(image, left, pad, pad, big)
    stamp(image, right, n - pad - text_width(right, big), pad, big)
    if "ANT" in (left, right):
        stamp(image, "^ HEAD", n // 2 - text_width("^ HEAD", zoom) // 2, pad, zoom)
    stamp(image, technique_text(view), pad, n - pad - 7 * zoom, zoom)
    if note:
        stamp(image, note, n - pad - text_width(note, zoom), n - pad - 7 * zoom, zoom)
    return image
