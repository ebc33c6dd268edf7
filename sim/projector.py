"""Line integrals on the CPU, exact for triangle meshes: the reference that the GPU must agree with.

One pass (docs/IMAGING.md, "The projector"): for closed meshes the length of a ray inside is the sum of signed
depths of its surfaces (sim/raster.py). Anatomy and devices (sim/tubes.py) have targets of their own: with a still
C-arm only needle and contrast are drawn again. Two threads draw into buffers of their own.

Pictures never feed a score.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from sim.crew import Crew
from sim.phantom import Scan
from sim.raster import Camera, draw, gather, place
from sim.scene import MU_60KEV_PER_MM, Scene
from sim.trabecula import WATER_PER_BONE, lay, scatter_grains
from sim.tubes import direction, distinct, mitres, splat, tube
from sim.view import View
from sim.volume import ScanProjector

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

FINE = 4  # rays per pixel side for the needle
CONTRAST_VOXEL_MM = 1.0
HUB_RADIUS_MM, HUB_BORE_MM, HUB_LENGTH_MM = 3.3, 1.4, 14.0
HUB_WATER = 0.96  # polypropylene
SLICE_MM = 2.0
TEXTURE_SIDE = 384
"""Above so many pixels a side trabecular texture is drawn with half of them: it holds nothing finer than its cell."""


class Surfaces:
    """Triangles that are drawn together: vertices, faces and weights, and where they were drawn last.

    They lie in the order of slices along the body, mostly rows of the picture: what is drawn after each other lies together in
    memory.
    """

    def __init__(self, scene: Scene, which: NDArray[np.bool_]) -> None:
        faces = scene.faces[which]
        used = np.unique(faces)
        used = used[_along_the_body(scene.vertices[used])]
        rank = np.zeros(len(scene.vertices), np.int32)
        rank[used] = np.arange(len(used), dtype=np.int32)
        faces = rank[faces].reshape(-1, 3)
        order = np.argsort(faces.min(1), kind="stable") if len(faces) else np.zeros(0, np.int64)
        self.vertices = np.ascontiguousarray(scene.vertices[used])
        self.faces = np.ascontiguousarray(faces[order], np.int32)
        self.weights = np.ascontiguousarray(scene.face_weights[which][order])
        self.xy = np.zeros((len(self.vertices), 2), np.int32)
        self.iw = np.zeros(len(self.vertices), np.float64)
        low, high = (self.vertices.min(0), self.vertices.max(0)) if len(used) else (np.zeros(3), np.zeros(3))
        self.middle = 0.5 * (low.astype(np.float64) + high)
        self.drawn: tuple[object, ...] | None = None
        self.out = self.base = np.zeros((2, 0, 0), np.float32)


def _along_the_body(points: F32) -> NDArray[np.int64]:
    """Return the order of points (n, 3) by slices of SLICE_MM along the body, across it within a slice."""
    return np.lexsort((points[:, 0], np.floor(points[:, 2] / SLICE_MM)))


class Projector:
    """Keeps buffers, threads and the anatomy of a still C-arm. Results are its own arrays: copy what must last.

    A scene with a scan (the CT of an imported patient) has its anatomy drawn through that instead of its meshes.

    anatomy: (2, n, n) water- and bone-equivalent mm; devices: (3, n, n) steel mm, iodine mg/mm2 and plastic as
    water-equivalent mm, nothing outside device_box (y0, y1, x0, x1).
    """

    def __init__(self, scene: Scene, threads: int = 2) -> None:
        self.scene = scene
        self.crew = Crew(threads)
        self._still, self._breathing = Surfaces(scene, ~scene.breathing), Surfaces(scene, scene.breathing)
        self._scan = self._through(scene.scan) if scene.scan is not None else None
        self._resize(0)

    def _through(self, scan: Scan) -> ScanProjector:
        """Return what draws a patient's CT."""
        return ScanProjector(scan, self.crew)

    def _resize(self, size: int) -> None:
        self.size = size
        self._parts = np.zeros((self.crew.threads, 2, size, size), np.float32)
        coarse = size if size <= TEXTURE_SIDE else size // 2
        self._grain = np.zeros((self.crew.threads, coarse, coarse) if len(self.scene.grains) else (0, 0, 0), np.float32)
        self.anatomy = np.zeros((2, size, size), np.float32)
        self._still.out = np.zeros((2, size, size), np.float32) if len(self._breathing.faces) else self.anatomy
        self._breathing.out, self._breathing.base = self.anatomy, self._still.out
        self.devices = np.zeros((3, size, size), np.float32)
        self.device_box = np.array([size, 0, size, 0], np.int64)
        self.forget()

    def forget(self) -> None:
        """Draw the anatomy again next time, even if the C-arm stands still."""
        self._still.drawn = self._breathing.drawn = None

    def draw(self, view: View, size: int) -> bool:
        """Draw what changed: still anatomy when C-arm or patient moved, gas and lungs also with the breath, devices always.

        Returns True if any anatomy was drawn again.
        """
        if size != self.size:
            self._resize(size)
        if self._scan is not None:
            camera = Camera.of(view.pose, size)
            fresh = self._draw_scan(self._scan, view, camera)
            self._draw_devices(camera, view)
            return fresh
        camera = Camera.of(view.pose, size, view.patient_mm)
        fresh = self._draw_surfaces(self._still, camera)
        if fresh and len(self.scene.grains):
            self._draw_texture(camera)
        if len(self._breathing.faces):
            if fresh:
                self._breathing.drawn = None
            fresh = self._draw_surfaces(self._breathing, Camera.of(view.pose, size, view.patient_mm + view.breath_mm))
        self._draw_devices(camera, view)
        return fresh

    def lengths(self) -> F32:
        """Return (4, n, n): water mm, bone mm, steel mm, iodine mg/mm2 of the last picture (a new array)."""
        out = np.concatenate([self.anatomy, self.devices[:2]])
        out[0] += self.devices[2]
        return out

    def line_integrals_60kev(self, view: View, size: int) -> F32:
        """Return the attenuation line integral of a view at 60 keV, (n, n), a new array."""
        self.draw(view, size)
        out = np.zeros((size, size), np.float32)
        for mu, plane in zip(MU_60KEV_PER_MM, self.lengths(), strict=True):
            out += np.float32(mu) * plane
        return out

    def _draw_scan(self, scan: ScanProjector, view: View, camera: Camera) -> bool:
        """Fill the anatomy from the patient's own CT unless it was drawn from here last; True if it was drawn."""
        key = (camera.source.tobytes(), camera.axes.tobytes(), camera.sdd, camera.pixel)
        if key == self._still.drawn:
            return False
        self._still.drawn = key
        self.anatomy[:] = scan.draw(view.pose, camera.n)
        return True

    def _draw_surfaces(self, what: Surfaces, camera: Camera) -> bool:
        """Draw triangles into their own target unless they were drawn from here last; True if they were drawn."""
        key = (camera.source.tobytes(), camera.axes.tobytes(), camera.sdd, camera.pixel)
        if key == what.drawn:
            return False
        what.drawn = key
        self._draw_triangles(what, camera)
        return True

    def _draw_triangles(self, what: Surfaces, camera: Camera) -> None:
        """Fill what.out with the (water, bone) lengths of its triangles, over those of what.base."""
        reference = float(((what.middle - camera.source) * camera.axes[2]).sum())
        where = (camera.source, camera.axes, camera.sdd / camera.pixel, camera.centre_x, camera.centre_y)
        threads = self.crew.threads
        self.crew.share(len(what.vertices), lambda a, b: place(what.vertices, a, b, *where, what.xy, what.iw))
        drawing = (what.xy, what.iw, what.faces, what.weights)
        self.crew.each([partial(draw, *drawing, t, threads, reference, self._parts[t]) for t in range(threads)])
        self.crew.share(camera.n, lambda a, b: gather(self._parts, a, b, camera.pixel / camera.sdd, what.base, what.out))

    def _draw_texture(self, camera: Camera) -> None:
        """Add the trabecular grains to the anatomy, each thread its share of them."""
        grains, threads, side = self.scene.grains, self.crew.threads, self._grain.shape[1]
        scale, middle = camera.sdd / camera.pixel * side / camera.n, 0.5 * side
        self._grain[:] = 0.0
        edges = [len(grains) * t // threads for t in range(threads + 1)]
        where = (camera.source, camera.axes, scale, middle, middle)
        self.crew.each([partial(scatter_grains, grains, edges[t], edges[t + 1], *where, self._grain[t]) for t in range(threads)])
        self.crew.share(camera.n, lambda a, b: lay(self._grain, a, b, WATER_PER_BONE, self._still.out))

    def _draw_devices(self, camera: Camera, view: View) -> None:
        y0, y1, x0, x1 = (int(v) for v in self.device_box)
        if y1 > y0:
            self.devices[:, y0:y1, x0:x1] = 0.0
        self.device_box[:] = (camera.n, 0, camera.n, 0)
        scale = camera.sdd / camera.pixel
        where = (camera.source, camera.axes, scale, camera.centre_x, camera.centre_y)
        if len(view.needle_mm) > 1 and view.needle_outer_mm > 0.0:
            nodes = distinct(np.asarray(view.needle_mm, np.float64))
            if len(nodes) > 1:
                outer, inner = 0.5 * view.needle_outer_mm, 0.5 * view.needle_inner_mm
                tube(nodes, mitres(nodes), outer, inner, 1.0, FINE, *where, self.devices[0], self.device_box)
                hub = np.stack([nodes[0] - HUB_LENGTH_MM * direction(nodes[0], nodes[1]), nodes[0]])
                tube(hub, mitres(hub), HUB_RADIUS_MM, HUB_BORE_MM, HUB_WATER, 2, *where, self.devices[2], self.device_box)
        for wire in view.wires:
            nodes = distinct(np.asarray(wire.nodes_mm, np.float64))
            if len(nodes) > 1:
                outer, inner = 0.5 * wire.outer_mm, 0.5 * wire.inner_mm
                tube(nodes, mitres(nodes), outer, inner, wire.steel, FINE, *where, self.devices[0], self.device_box)
        if len(view.contrast_points):
            points = np.ascontiguousarray(view.contrast_points, np.float32)
            splat(points, *where, CONTRAST_VOXEL_MM, self.devices[1], self.device_box)


def line_integrals_60kev(scene: Scene, view: View, size: int, threads: int = 2) -> F32:
    """Return the attenuation line integral at 60 keV, (n, n) float32, row 0 at the top: what `.npy` output holds."""
    return Projector(scene, threads).line_integrals_60kev(view, size)
