"""The CT of an imported patient on a graphics card: a 3D texture, stepped plane by plane as sim/volume.py does it.

Voxels are fetched one by one and blended in the shader: a card's own filter rounds its weights to 8 bits. Blocks of 8 voxels that
hold nothing are jumped over. Both machines draw the same picture within 1e-3 (tests/test_projector_gl.py). Pictures only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.phantom import Scan
from sim.raster import Camera
from sim.view import Pose
from sim.volume import BLOCK, BONE_PER_WATER, ScanProjector, shares

F32 = NDArray[np.float32]

_VERTEX = """#version 330 core
in vec2 corner;
void main() { gl_Position = vec4(corner, 0.0, 1.0); }
"""
_FRAGMENT = (
    f"#version 330 core\nconst int BLOCK = {BLOCK};"
    + """
uniform sampler3D ct;       // water- and bone-equivalent mm per mm, x fastest
uniform sampler3D full;     // above nothing where a block of BLOCK voxels holds something
uniform ivec3 count;        // voxels
uniform ivec3 low, high;    // the box of everything that is not empty, voxels
uniform vec3 spacing;       // mm
uniform vec3 source;        // voxels
uniform vec3 right, down, forward;  // voxels per mm
uniform float step;         // pixel size / source-detector distance
uniform float half_n;
layout(location = 0) out float water;
layout(location = 1) out float bone;

vec2 plane(int m, int a, int b, int k, vec2 at) {
    ivec3 corner, da = ivec3(0), db = ivec3(0);
    ivec2 i = clamp(ivec2(floor(at)), ivec2(0), ivec2(count[a], count[b]) - 2);
    vec2 w = at - vec2(i);
    corner[m] = k; corner[a] = i.x; corner[b] = i.y;
    da[a] = 1; db[b] = 1;
    vec2 near = mix(texelFetch(ct, corner, 0).rg, texelFetch(ct, corner + da, 0).rg, w.x);
    vec2 far = mix(texelFetch(ct, corner + db, 0).rg, texelFetch(ct, corner + da + db, 0).rg, w.x);
    return mix(near, far, w.y);
}

bool holds(int m, int a, int b, int k, vec2 one, vec2 two) {
    ivec2 top = ivec2(count[a], count[b]) - 2;
    ivec2 p = clamp(ivec2(floor(one)), ivec2(0), top) / BLOCK, q = clamp(ivec2(floor(two)), ivec2(0), top) / BLOCK;
    ivec3 at;
    at[m] = k / BLOCK;
    for (int e = min(p.x, q.x); e <= max(p.x, q.x); e++)
        for (int f = min(p.y, q.y); f <= max(p.y, q.y); f++) {
            at[a] = e; at[b] = f;
            if (texelFetch(full, at, 0).r > 0.0) return true;
        }
    return false;
}

void main() {
    water = 0.0; bone = 0.0;
    vec2 uv = (gl_FragCoord.xy - half_n) * step;
    vec3 d = forward + uv.x * right + uv.y * down;
    float length_mm = length(d * spacing);
    vec3 size = abs(d);
    int m = size.y > size.x ? 1 : 0;
    if (size.z > size[m]) m = 2;
    int a = m == 0 ? 1 : 0, b = m == 2 ? 1 : 2;
    float entry = 0.0, leave = 1e9;
    for (int c = 0; c < 3; c++) {
        if (size[c] < 1e-12) {
            if (source[c] < float(low[c]) || source[c] > float(high[c])) return;
            continue;
        }
        float one = (float(low[c]) - source[c]) / d[c], two = (float(high[c]) - source[c]) / d[c];
        entry = max(entry, min(one, two));
        leave = min(leave, max(one, two));
    }
    if (entry >= leave) return;
    float first = source[m] + entry * d[m], last = source[m] + leave * d[m];
    int p = int(ceil(min(first, last) - 1e-4)), q = int(floor(max(first, last) + 1e-4));
    vec2 per = vec2(d[a], d[b]) / d[m];
    vec2 start = vec2(source[a], source[b]) + (float(p) - source[m]) * per;
    vec2 total = vec2(0.0);
    int k = p;
    while (k <= q) {
        int end = min((k / BLOCK + 1) * BLOCK - 1, q);
        if (holds(m, a, b, k, start + float(k - p) * per, start + float(end - p) * per))
            for (int n = k; n <= end; n++) total += plane(m, a, b, n, start + float(n - p) * per);
        k = end + 1;
    }
    total *= length_mm / size[m];
    water = total.x; bone = total.y;
}
"""
)


def cleared(context: Any, target: Any, size: int) -> Any:
    """Return a target (size, size) of two float planes, empty and in use: the one given, or a new one in its place."""
    if target is None or target.size != (size, size):
        for part in (*target.color_attachments, target) if target is not None else ():
            part.release()
        target = context.framebuffer([context.texture((size, size), 1, dtype="f4") for _ in range(2)])
    target.use()
    target.clear(0.0, 0.0, 0.0, 0.0)
    return target


class GlScanProjector(ScanProjector):
    """Draws the CT of a patient by OpenGL. enter: returns the context to draw in (made by the thread that draws first)."""

    def __init__(self, scan: Scan, enter: Callable[[], Any]) -> None:
        whole, bone = shares(scan)
        self._values = np.stack([whole.values - np.float32(BONE_PER_WATER) * bone.values, bone.values], axis=-1)
        self._blocks, self._box = whole.blocks, whole.box
        self._origin, self._spacing = whole.origin_mm, whole.spacing_mm
        self._enter = enter
        self._target: Any = None
        self._sheet: Any = None

    def draw(self, pose: Pose, size: int) -> F32:
        """Return (2, n, n): water- and bone-equivalent mm of a pose, a new array."""
        context = self._enter()
        out = np.empty((2, size, size), np.float32)
        with context:
            if self._sheet is None:
                self._upload(context)
            self._target = cleared(context, self._target, size)
            self._aim(Camera.of(pose, size))
            self._ct.use(0)
            self._full.use(1)
            self._sheet.render(context.TRIANGLE_STRIP)
            for channel in range(2):
                self._target.read_into(out[channel], components=1, attachment=channel, dtype="f4")
        return out

    def _upload(self, context: Any) -> None:
        """Put the volume and its full blocks on the card, x fastest, and tell the program what never changes."""
        self._ct = context.texture3d(
            self._values.shape[:3], 2, np.ascontiguousarray(self._values.transpose(2, 1, 0, 3)), dtype="f4"
        )
        blocks = np.ascontiguousarray((self._blocks * np.uint8(255)).transpose(2, 1, 0))
        self._full = context.texture3d(self._blocks.shape, 1, blocks, alignment=1)
        self._program = program = context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        program["ct"], program["full"] = 0, 1
        program["count"] = self._values.shape[:3]
        program["low"], program["high"] = (tuple(int(v) for v in edge) for edge in self._box.T)
        program["spacing"] = tuple(float(v) for v in self._spacing)
        corners = context.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], np.float32).tobytes())
        self._sheet = context.vertex_array(program, [(corners, "2f", "corner")])
        del self._values

    def _aim(self, camera: Camera) -> None:
        """Tell the program where source and detector are, in voxels; differences are taken in double precision."""
        program = self._program
        program["source"] = tuple(float(v) for v in (camera.source - self._origin) / self._spacing)
        for name, axis in zip(("right", "down", "forward"), camera.axes / self._spacing, strict=True):
            program[name] = tuple(float(v) for v in axis)
        program["step"] = camera.pixel / camera.sdd
        program["half_n"] = 0.5 * camera.n
