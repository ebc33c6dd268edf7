"""The room in 3D: patient, table, C-arm, needle, hand and marker, drawn off-screen and only when something moved.

Two layers: what stands still (anatomy, skin, table) is drawn when the camera or the skin changes; what
moves (C-arm, needle, hand, marker) is drawn over a copy of it. Practice can fade the skin; in an
assessment only the outside is ever drawn. The debrief takes the tissue away layer by layer (`peeled`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL as gl

from sim.frames import gantry
from sim.phantom import TubeKind
from sim.window import glkit, layers, meshes
from sim.window.aim import meets_back
from sim.window.theatre import Theatre

VERTEX = """
#version 330 core
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
uniform mat4 model;
uniform mat4 camera;
uniform vec4 colour;
uniform vec3 eye;
out vec4 shade;
void main() {
    vec4 world = model * vec4(position, 1.0);
    vec3 n = normalize(mat3(model) * normal);
    vec3 to_eye = normalize(eye - world.xyz);
    float head = abs(dot(n, to_eye));
    float top = 0.5 + 0.5 * n.y;
    shade = vec4(colour.rgb * (0.22 + 0.55 * head + 0.25 * top), colour.a);
    gl_Position = camera * world;
}
"""
FRAGMENT = """
#version 330 core
in vec4 shade;
out vec4 result;
void main() { result = shade; }
"""
BONE = (0.88, 0.85, 0.76, 1.0)
SKIN = (0.78, 0.60, 0.50)
METAL = (0.62, 0.63, 0.65, 1.0)
TABLE = (0.20, 0.22, 0.24, 1.0)
NEEDLE = (0.95, 0.95, 1.0, 1.0)
HUB = (1.0, 0.74, 0.25, 1.0)
LASER = (1.0, 0.12, 0.10, 1.0)
GLOVE = (0.50, 0.66, 0.72, 1.0)
TUBE_COLOURS = {
    TubeKind.SAC: (0.45, 0.60, 0.80), TubeKind.ROOT: (0.93, 0.85, 0.35), TubeKind.GANGLION: (0.95, 0.75, 0.20),
    TubeKind.MEDIAL_BRANCH: (0.93, 0.85, 0.35), TubeKind.ARTERY: (0.80, 0.20, 0.18),
    TubeKind.RADICULAR_ARTERY: (0.85, 0.25, 0.22), TubeKind.VEIN: (0.30, 0.38, 0.75), TubeKind.RAMUS: (0.90, 0.82, 0.40),
    TubeKind.CORD: (0.95, 0.90, 0.70), TubeKind.ROOTLET: (0.93, 0.88, 0.55), TubeKind.DORSAL_RAMUS: (0.93, 0.85, 0.35),
    TubeKind.SYMPATHETIC: (0.85, 0.70, 0.45), TubeKind.BASIVERTEBRAL: (0.30, 0.38, 0.75),
}  # fmt: skip


Shell = tuple[glkit.GpuMesh, tuple[float, ...], float]
"""A surface with its colour, and how solid it is (0..1)."""


class Line3D(NamedTuple):
    """A line to draw through everything: the ideal way, a path that was taken. points: (n, 3) mm."""

    name: str
    points: NDArray[Any]
    colour: tuple[float, ...]


@dataclass
class Camera:
    """Looks at `target` from `distance`, turned by azimuth (round the body axis up) and elevation."""

    azimuth_deg: float = 212.0
    elevation_deg: float = 38.0
    distance_mm: float = 1450.0
    target: NDArray[Any] = field(default_factory=lambda: np.array([0.0, 60.0, 20.0]))

    def eye(self) -> NDArray[Any]:
        """Return where it stands."""
        a, e = math.radians(self.azimuth_deg), math.radians(self.elevation_deg)
        return self.target + self.distance_mm * np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])

    def matrix(self, aspect: float) -> NDArray[np.float32]:
        """Return projection times view (row-major)."""
        eye = self.eye()
        forward = self.target - eye
        forward /= np.sqrt((forward**2).sum())
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.sqrt((right**2).sum())
        up = np.cross(right, forward)
        look = np.eye(4)
        look[:3, :3] = np.stack([right, up, -forward])
        look[:3, 3] = -look[:3, :3] @ eye
        near, far, f = 40.0, 5000.0, 1.0 / math.tan(math.radians(34.0) / 2)
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1], lens[3, 2] = f / aspect, f, -1.0
        lens[2, 2], lens[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
        return (lens @ look).astype(np.float32)

    def turn(self, dx: float, dy: float) -> None:
        """Turn by a drag in pixels."""
        self.azimuth_deg = (self.azimuth_deg - dx * 0.4) % 360
        self.elevation_deg = min(85.0, max(-10.0, self.elevation_deg + dy * 0.4))

    def ray(self, x: float, y: float, aspect: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return (start, end) of the line of sight through (x, y) in -1..1 (y up)."""
        back = np.linalg.inv(self.matrix(aspect).astype(np.float64))
        near, far = (back @ np.array([x, y, depth, 1.0]) for depth in (-1.0, 1.0))
        return near[:3] / near[3], far[:3] / far[3]


class RoomView:
    """Draws a theatre into a texture."""

    def __init__(self, theatre: Theatre) -> None:
        self.theatre = theatre
        self.camera = Camera()
        self.skin_alpha = 1.0
        self.hand_shown = True
        self.peeled = -1.0  # 0 and more: layers are taken away (sim.window.layers), instead of fading the skin
        self._layers: list[tuple[glkit.GpuMesh, tuple[float, ...]]] = []
        self._still, self._shown = glkit.Target(), glkit.Target()
        self._program = glkit.program(VERTEX, FRAGMENT)
        self._where = {n: gl.glGetUniformLocation(self._program, n) for n in ("model", "camera", "colour", "eye")}
        self._seen: tuple[Any, ...] = ()
        self._still_seen: tuple[Any, ...] = ()
        self.draws = 0
        self._load()

    @property
    def texture(self) -> int:
        """The finished picture (row 0 at the bottom)."""
        return self._shown.texture

    def _load(self) -> None:
        phantom, arm = self.theatre.study.phantom, self.theatre.study.toolbox.carm
        self._inside: list[tuple[glkit.GpuMesh, tuple[float, ...]]] = []
        if self.theatre.practice:
            bones = [meshes.with_normals(*self._thin(b)) for b in phantom.bones]
            self._inside.append((glkit.GpuMesh(*meshes.joined(bones)), BONE))
            for kind, colour in TUBE_COLOURS.items():
                tubes = [
                    meshes.swept(t.nodes[:, :3], t.nodes[:, 3], 8) for t in phantom.tubes if t.kind == kind and len(t.nodes) > 1
                ]
                if tubes:
                    self._inside.append((glkit.GpuMesh(*meshes.joined(tubes)), (*colour, 1.0)))
        skin = phantom.skin
        self._skin = glkit.GpuMesh(
            *meshes.with_normals(*meshes.thinned(skin.surface_vertices, skin.surface_faces, meshes.SKIN_LIMIT))
        )
        low, high = skin.surface_vertices.min(0), skin.surface_vertices.max(0)
        self._table = glkit.GpuMesh(*meshes.box((-260, low[1] - 45, low[2] - 250), (260, low[1] - 2, high[2] + 250)))
        self.camera.target = np.array([0.0, float(high[1]) - 80, 20.0])
        self._arm = glkit.GpuMesh(*meshes.c_arm(arm.sod_mm, arm.sdd_mm, max(arm.detector_mm)))
        self._beam = glkit.GpuMesh(*meshes.beam(arm.sod_mm, arm.sdd_mm, 1.0, 1.0))
        empty = np.zeros((0, 6), np.float32), np.zeros((0, 3), np.int32)
        self._needle, self._hub, self._hand, self._marker, self._spot, self._line = (glkit.GpuMesh(*empty) for _ in range(6))

    def _thin(self, bone: Any) -> tuple[Any, Any]:
        points, faces = meshes.thinned(bone.shell_vertices, bone.shell_faces, meshes.BONE_LIMIT)
        return bone.to_patient(points), faces

    # --- drawing -------------------------------------------------------------------------------------
    def draw(self, width: int, height: int) -> bool:
        """Bring the texture up to date; False when nothing had moved."""
        alpha = self.skin_alpha if self.theatre.practice else 1.0
        cam = self.camera
        still = (
            width,
            height,
            alpha,
            self.peeled,
            len(self._layers),
            *(float(x) for x in cam.target),
            cam.azimuth_deg,
            cam.elevation_deg,
            cam.distance_mm,
        )
        state = self.theatre.state
        arm = state.carm
        field_open = (arm.half_width_permille, arm.half_height_permille, arm.magnification)
        moving = (
            arm.primary_mdeg,
            arm.secondary_mdeg,
            arm.swivel_mdeg,
            arm.centre_um,
            bool(arm.beam),
            field_open,
            id(state.needle.nodes_mm),
            state.needle.placed,
        )
        lines = self.theatre.lines()
        drawn = tuple((line.name, len(line.points)) for line in lines)
        seen = (*still, *moving, drawn, self.theatre.marker_on, tuple(self.theatre.marker_mm), self.theatre.laser_on)
        if seen == self._seen:
            return False
        self._seen = seen
        self._begin(width, height)
        if still != self._still_seen:
            self._still_seen = still
            self._draw_still(alpha)
        self._still.copy_to(self._shown)
        self._shown.bind()
        self._draw_moving()
        self._draw_lines(lines)
        self._end()
        self.draws += 1
        return True

    def _begin(self, width: int, height: int) -> None:
        if self._still.resize(width, height):
            self._still_seen = ()
        self._shown.resize(width, height)
        gl.glUseProgram(self._program)
        gl.glEnable(gl.GL_DEPTH_TEST)
        gl.glDisable(gl.GL_SCISSOR_TEST)
        gl.glDisable(gl.GL_CULL_FACE)
        gl.glBlendFuncSeparate(gl.GL_SRC_ALPHA, gl.GL_ONE_MINUS_SRC_ALPHA, gl.GL_ZERO, gl.GL_ONE)
        gl.glUniformMatrix4fv(self._where["camera"], 1, gl.GL_TRUE, self.camera.matrix(width / max(1, height)))
        gl.glUniform3f(self._where["eye"], *self.camera.eye())
        self._place(np.eye(4))

    def _end(self) -> None:
        gl.glDisable(gl.GL_DEPTH_TEST)
        gl.glDepthMask(gl.GL_TRUE)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, 0)
        gl.glUseProgram(0)

    def _place(self, matrix: NDArray[Any]) -> None:
        gl.glUniformMatrix4fv(self._where["model"], 1, gl.GL_TRUE, np.ascontiguousarray(matrix, np.float32))

    def _paint(self, mesh: glkit.GpuMesh, colour: tuple[float, ...]) -> None:
        gl.glUniform4f(self._where["colour"], *colour)
        mesh.draw()

    def _see_through(self, on: bool) -> None:
        (gl.glEnable if on else gl.glDisable)(gl.GL_BLEND)
        gl.glDepthMask(gl.GL_FALSE if on else gl.GL_TRUE)

    def _draw_still(self, alpha: float) -> None:
        self._still.bind()
        gl.glDepthMask(gl.GL_TRUE)
        gl.glClearColor(0.06, 0.06, 0.065, 1.0)
        gl.glClear(gl.GL_COLOR_BUFFER_BIT | gl.GL_DEPTH_BUFFER_BIT)
        self._paint(self._table, TABLE)
        seen, closed = self._visible(self._shells(alpha))
        if not closed:
            for mesh, colour in self._inside[1:]:
                self._paint(mesh, colour)
        for mesh, colour, solid in reversed(seen):
            self._see_through(solid < 0.995)
            (gl.glEnable if mesh is self._skin else gl.glDisable)(gl.GL_CULL_FACE)
            self._paint(mesh, (*colour[:3], solid))
        gl.glDisable(gl.GL_CULL_FACE)
        self._see_through(False)

    def add_layers(self, found: Sequence[tuple[meshes.Mesh, tuple[float, ...]]]) -> None:
        """Take the layers between skin and bone (sim.window.layers.surfaces)."""
        self._layers = [(glkit.GpuMesh(*mesh), colour) for mesh, colour in found]

    def _shells(self, alpha: float) -> list[Shell]:
        """Return the layers from the outside in, each with how solid it is."""
        solid = layers.alphas(self.peeled) if self.peeled >= 0.0 else (alpha, 0.0, 0.0, 0.0, 1.0)
        between = [(mesh, colour, part) for (mesh, colour), part in zip(self._layers, solid[1:4], strict=False)]
        bone = [(mesh, colour, solid[4]) for mesh, colour in self._inside[:1]]
        return [(self._skin, SKIN, solid[0]), *between, *bone]

    def _visible(self, shells: list[Shell]) -> tuple[list[Shell], bool]:
        """Return the shells down to the first that hides the rest, and whether one does."""
        out: list[Shell] = []
        for number, shell in enumerate(shells):
            if shell[2] > 0.005:
                out.append(shell)
            hides = number < layers.CLOSED and (number == 0 or bool(self._layers))
            if hides and shell[2] >= 0.995:
                return out, True
        return out, False

    def _draw_moving(self) -> None:
        state = self.theatre.state
        self._draw_needle()
        if self.theatre.marker_on:
            p = self.theatre.marker_mm
            knob = meshes.ball(p + np.array([0.0, 2.0, 0.0]), (5, 2.5, 5), 6, 12)
            rod = meshes.swept(p + np.array([[0, 2.0, 0], [0, 30, 0]]), np.array([1.5, 1.5]), 6)
            self._marker.fill(*meshes.joined([knob, rod]))
            self._paint(self._marker, HUB)
        if self.theatre.laser_on and (spot := self.theatre.laser_mm()) is not None:
            self._spot.fill(*meshes.joined([meshes.ball(spot, (4, 4, 4), 6, 12)]))
            self._paint(self._spot, LASER)
        arm = state.carm
        axes = gantry(arm.primary_mdeg, arm.secondary_mdeg, arm.swivel_mdeg)
        place = np.eye(4)
        place[:3, 0], place[:3, 1], place[:3, 2] = axes.right, axes.up, axes.normal
        place[:3, 3] = np.array(arm.centre_um) / 1000.0
        self._place(place)
        self._paint(self._arm, METAL)
        if arm.beam:
            half = self.theatre.study.toolbox.carm.detector_mm[arm.magnification] / 2
            self._place(place @ np.diag([half * arm.half_width_permille / 1000, half * arm.half_height_permille / 1000, 1, 1]))
            self._see_through(True)
            self._paint(self._beam, (1.0, 0.74, 0.25, 0.13))
            self._see_through(False)
        self._place(np.eye(4))

    def _draw_lines(self, lines: tuple[Line3D, ...]) -> None:
        gl.glDisable(gl.GL_DEPTH_TEST)
        for line in lines:
            if len(line.points) > 1:
                self._line.fill(
                    *meshes.swept(
                        np.asarray(line.points, np.float64), np.full(len(line.points), max(0.5, self.camera.distance_mm / 600)), 5
                    )
                )
                self._paint(self._line, line.colour)
        gl.glEnable(gl.GL_DEPTH_TEST)

    def _draw_needle(self) -> None:
        needle = self.theatre.state.needle
        if not needle.placed:
            return
        nodes = np.asarray(needle.nodes_mm)
        way = nodes[0] - nodes[1]
        way = way / max(1e-9, math.sqrt(float((way**2).sum())))
        self._needle.fill(*meshes.swept(nodes[::2], np.full(len(nodes[::2]), 0.9), 6))
        self._hub.fill(*meshes.swept(np.stack([nodes[0], nodes[0] + 22 * way]), np.array([2.6, 4.0]), 10))
        self._hand.fill(*meshes.ball(nodes[0] + 34 * way + np.array([-14.0, 6.0, -10.0]), (24, 17, 30), 7, 12))
        self._paint(self._needle, NEEDLE)
        self._paint(self._hub, HUB)
        if self.hand_shown:
            self._paint(self._hand, GLOVE)

    def skin_under(self, x: float, y: float, aspect: float) -> NDArray[Any] | None:
        """Return the point of the back seen at (x, y) in -1..1, or None."""
        start, end = self.camera.ray(x, y, aspect)
        return meets_back(self.theatre.study.phantom.fields, start, end, 4.0)
