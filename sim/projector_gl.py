"""Line integrals on a graphics card (OpenGL 3.3), behind the projector's own contract: triangles and CT are drawn there.

Every triangle adds its signed depth to a float target by blending, weights for water and bone in two attachments: the same sum as
sim/raster.py makes; an imported patient's CT is a 3D texture (sim/volume_gl.py). Texture, needle and contrast stay on the CPU,
so that both pictures differ by rounding alone (tests/test_projector_gl.py). Needs the package moderngl
(`pip install scottie[gl]`); software OpenGL will do.

Pictures never feed a score.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import MachineError, UsageError
from sim.phantom import Scan
from sim.projector import Projector, Surfaces
from sim.raster import Camera
from sim.scene import Scene
from sim.volume import ScanProjector
from sim.volume_gl import GlScanProjector, cleared

F64 = NDArray[np.float64]
BACKENDS = ("cpu", "gl")

_VERTEX = """#version 330 core
uniform mat3 turn;      // rows: right, down, forward
uniform vec3 middle;    // the surfaces' middle as the camera sees it
uniform float zoom;     // 2 * source-detector distance / side of the detector
in vec3 at;             // from the middle, mm
out float depth;        // beyond the middle, mm
void main() {
    vec3 place = at * turn;
    depth = place.z;
    gl_Position = vec4((place.xy + middle.xy) * zoom, 0.0, place.z + middle.z);
}
"""
_FRAGMENT = """#version 330 core
uniform vec2 weight;
uniform float step;     // pixel size / source-detector distance
uniform float half_n;
in float depth;
layout(location = 0) out float water;
layout(location = 1) out float bone;
void main() {
    vec2 uv = (gl_FragCoord.xy - half_n) * step;
    float mm = depth * sqrt(1.0 + dot(uv, uv)) * (gl_FrontFacing ? -1.0 : 1.0);
    water = weight.x * mm;
    bone = weight.y * mm;
}
"""


Stretch = tuple[int, int, tuple[float, float]]
"""First face, last and their weights (water, bone)."""


def runs(weights: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of the stretches of faces that share their weights."""
    if len(weights) == 0:
        return
    edges = np.flatnonzero((np.diff(weights, axis=0) != 0.0).any(axis=1)) + 1
    starts = [0, *edges.tolist(), len(weights)]
    yield from pairwise(starts)


def open_context() -> Any:
    """Return an OpenGL context of its own, without a window; MachineError with one line where there is none."""
    try:
        import moderngl
    except ImportError:
        raise MachineError(f"--backend gl needs the package moderngl: {sys.executable} -m pip install moderngl") from None
    kinds: list[dict[str, Any]] = [{}]
    if sys.platform.startswith("linux"):  # names of libraries as distributions ship them; no display is needed
        kinds = [{"backend": "egl", "libgl": "libGL.so.1", "libegl": "libEGL.so.1"}, {"backend": "egl"}]
    said = ""
    for kind in kinds:
        try:
            return moderngl.create_context(standalone=True, require=330, **kind)
        except Exception as error:  # every binding raises its own kind
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
    raise MachineError(f"--backend gl: this machine has no OpenGL 3.3 ({said}); the pictures of --backend cpu are the same")


class GlProjector(Projector):
    """A projector whose triangles are drawn by OpenGL. Its context is made by the thread that draws first.

    renderer: the card's or the software's name, "" before the first picture.
    """

    def __init__(self, scene: Scene, threads: int = 2) -> None:
        self._context: Any = None
        self._buffers: dict[int, tuple[Any, list[Stretch]]] = {}
        self._target: Any = None
        self.renderer = ""
        super().__init__(scene, threads)

    def _through(self, scan: Scan) -> ScanProjector:
        return GlScanProjector(scan, self._entered)

    def _entered(self) -> Any:
        """Return the context, made now if nothing was drawn yet."""
        if self._context is None:
            self._begin()
        return self._context

    def _draw_triangles(self, what: Surfaces, camera: Camera) -> None:
        with self._entered():
            self._target = cleared(self._context, self._target, camera.n)
            self._aim(what, camera)
            vertices, stretches = self._uploaded(what)
            for first, last, weight in stretches:
                self._program["weight"] = weight
                vertices.render(self._context.TRIANGLES, vertices=3 * (last - first), first=3 * first)
            for channel in range(2):
                self._target.read_into(what.out[channel], components=1, attachment=channel, dtype="f4")
        if what.base.size:
            np.add(what.out, what.base, out=what.out)

    def _begin(self) -> None:
        self._context = open_context()
        with self._context:
            self.renderer = str(self._context.info["GL_RENDERER"])
            self._program = self._context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
            self._context.enable_only(self._context.BLEND)
            self._context.blend_func = self._context.ONE, self._context.ONE

    def _aim(self, what: Surfaces, camera: Camera) -> None:
        """Tell the program where source and detector are; the middle is subtracted in double precision."""
        middle = [float(((what.middle - camera.source) * axis).sum()) for axis in camera.axes]
        self._program["turn"].write(np.ascontiguousarray(camera.axes, np.float32).tobytes())
        self._program["middle"] = tuple(middle)
        self._program["zoom"] = 2.0 * camera.sdd / (camera.pixel * camera.n)
        self._program["step"] = camera.pixel / camera.sdd
        self._program["half_n"] = 0.5 * camera.n

    def _uploaded(self, what: Surfaces) -> tuple[Any, list[Stretch]]:
        if id(what) not in self._buffers:
            away = np.ascontiguousarray(what.vertices.astype(np.float64) - what.middle, np.float32)
            points = self._context.buffer(away.tobytes())
            alike = np.lexsort(what.weights.T)  # one call for all faces of one weight
            weights = what.weights[alike]
            index = self._context.buffer(np.ascontiguousarray(what.faces[alike], np.int32).tobytes())
            vertices = self._context.vertex_array(self._program, [(points, "3f", "at")], index_buffer=index)
            stretches = [(a, b, (float(weights[a, 0]), float(weights[a, 1]))) for a, b in runs(weights)]
            self._buffers[id(what)] = (vertices, stretches)
        return self._buffers[id(what)]


def require_backend(backend: str) -> None:
    """UsageError for an unknown backend, MachineError where OpenGL is asked for and not there."""
    if backend not in BACKENDS:
        raise UsageError(f"--backend {backend}: expected {' or '.join(BACKENDS)}")
    if backend == "gl":
        open_context().release()


def projector_of(scene: Scene, backend: str = "cpu", threads: int = 2) -> Projector:
    """Return the projector of a backend, checked as `require_backend` does: said now, not in the middle of a run."""
    require_backend(backend)
    return Projector(scene, threads) if backend == "cpu" else GlProjector(scene, threads)
