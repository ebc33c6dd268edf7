"""The patient as the engines see it: bones, analytic tubes, tissue labels, skin and landmarks.

A bone is a re-distanced grid in its own frame with a rigid pose; thin critical structures (roots, ganglia,
vessels, thecal sac) are chains of round cones measured exactly; everything else is a label on one voxel
grid. All queries that feed a score are jitted, use + - * / sqrt only, and work on `Fields`, a flat view of
the phantom's arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

F64 = NDArray[np.float64]


class Tissue(IntEnum):
    """Labels of the tissue volume (uint8). The order has no meaning; numbers never change once released."""

    AIR = 0
    SKIN = 1
    FAT = 2
    FASCIA = 3
    MUSCLE = 4  # erector spinae and multifidus
    PSOAS = 5
    QUADRATUS = 6
    INTERSPINOUS_LIGAMENT = 7
    LIGAMENTUM_FLAVUM = 8
    EPIDURAL_FAT = 9  # spinal canal outside the sac
    FORAMEN_FAT = 10  # fat and loose tissue of the foramen around the root
    CSF = 11  # inside the thecal sac
    NERVE = 12  # root or ganglion (labelled from the tubes; the tubes decide)
    DISC_ANNULUS = 13
    DISC_NUCLEUS = 14
    BONE_CORTEX = 15
    BONE_CANCELLOUS = 16
    FACET_JOINT = 17
    RETROPERITONEUM = 18  # fat and soft tissue before and beside the spine
    ABDOMEN = 19  # viscera, mean soft tissue
    BOWEL_GAS = 20
    KIDNEY = 21
    VESSEL = 22  # labelled from the tubes; the tubes decide
    SUPRASPINOUS_LIGAMENT = 23  # over the spinous tips down to L4 or L5
    LONGITUDINAL_LIGAMENT = 24  # anterior and posterior
    FACET_CAPSULE = 25  # round the facet joints
    MULTIFIDUS = 26
    LUNG = 27
    PLEURA = 28  # parietal pleura and the costodiaphragmatic recess
    LIVER = 29
    SPLEEN = 30
    METAL = 31  # implants
    VACUUM = 32  # gas in a disc or in a broken body


class TubeKind(IntEnum):
    """What a tube is; critical structures are all tubes."""

    SAC = 0  # thecal sac: its wall is the dura
    ROOT = 1
    GANGLION = 2
    MEDIAL_BRANCH = 3
    ARTERY = 4  # segmental arteries and aorta
    RADICULAR_ARTERY = 5
    VEIN = 6  # epidural and foraminal veins, vena cava
    RAMUS = 7  # ventral ramus after the foramen
    CORD = 8  # spinal cord with the conus, inside the sac
    ROOTLET = 9  # cauda equina and filum, inside the sac
    DORSAL_RAMUS = 10  # with its lateral branch
    SYMPATHETIC = 11  # sympathetic trunk
    BASIVERTEBRAL = 12  # vein inside the vertebral body: the only kind that lies in bone


@dataclass(frozen=True)
class Bone:
    """One rigid bone in its own frame (mm).

    distance_10um: (nx, ny, nz) int16, signed distance to the surface in 10 um steps, negative inside;
    node (i, j, k) sits at grid_origin_mm + spacing_mm * (i, j, k). rotation (3, 3) and translation_mm (3,)
    take local points to the patient frame. shell_*: closed outer surface, core_*: closed surface of the
    cancellous core (normals outward), both local, float32 (n, 3) and int32 (m, 3).
    """

    name: str
    rotation: F64
    translation_mm: F64
    grid_origin_mm: F64
    spacing_mm: float
    distance_10um: NDArray[np.int16]
    shell_vertices: NDArray[np.float32]
    shell_faces: NDArray[np.int32]
    core_vertices: NDArray[np.float32]
    core_faces: NDArray[np.int32]
    material: str = "bone"
    """"bone", or what an implant is made of (sim.scene.MATERIALS)."""

    def to_patient(self, points: NDArray[Any]) -> F64:
        """Return local points (n, 3) in the patient frame (pictures and exports, not scores)."""
        return np.asarray(points, np.float64) @ self.rotation.T + self.translation_mm


@dataclass(frozen=True)
class Tube:
    """A chain of round cones: nodes (n, 4) float64 x, y, z, radius in mm, patient frame.

    A fifth column, half width (mm), makes the section a stadium: the round cone is swept that far to the left and
    to the right (along x). The thecal sac is wider than deep: 2 * (half width + radius) by 2 * radius.

    name is unique ("root_L4_right"); level "L4" etc. or ""; side "left", "right" or "".
    wall_mm is the thickness of the wall for vessels and the sac (0 for nerves). flow_mm_s (vessels) is the
    mean speed along the node order (arteries: from the aorta outwards; veins: towards the cava).
    """

    name: str
    kind: TubeKind
    level: str
    side: str
    nodes: F64
    wall_mm: float = 0.0
    flow_mm_s: float = 0.0


@dataclass(frozen=True)
class LabelVolume:
    """Tissue labels: uint8 (nx, ny, nz); the centre of voxel (i, j, k) is origin_mm + spacing_mm*(i, j, k).

    Axes run along +x, +y, +z of the patient frame (LPS).
    """

    labels: NDArray[np.uint8]
    origin_mm: F64
    spacing_mm: float


@dataclass(frozen=True)
class Skin:
    """The back as a height field: y_mm (nx, nz) float64 of the skin at x = x0 + i*step, z = z0 + k*step.

    surface_* is the closed mesh of the whole torso section (patient frame, normals outward).
    """

    y_mm: F64
    x0_mm: float
    z0_mm: float
    step_mm: float
    surface_vertices: NDArray[np.float32]
    surface_faces: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Scan:
    """The CT of an imported patient, kept for pictures: HU (nx, ny, nz) int16, centre of voxel (0, 0, 0), spacing (3,) mm.

    Axes run along +x, +y, +z of the patient frame (LPS); outside the body it holds air.
    """

    hu: NDArray[np.int16]
    origin_mm: F64
    spacing_mm: F64

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of values and place."""
        digest = hashlib.sha256(np.ascontiguousarray(self.hu).tobytes())
        digest.update(repr(self.hu.shape).encode())
        digest.update(np.concatenate([self.origin_mm, self.spacing_mm]).astype(np.float64).tobytes())
        return digest.hexdigest()


class Fields(NamedTuple):
    """Flat arrays of one phantom for jitted code."""

    bone_distance: NDArray[np.int16]  # all grids, C order, one after another
    bone_start: NDArray[np.int64]  # (nb,)
    bone_shape: NDArray[np.int64]  # (nb, 3)
    bone_origin: F64  # (nb, 3)
    bone_spacing: F64  # (nb,)
    bone_rotation: F64  # (nb, 3, 3)
    bone_translation: F64  # (nb, 3)
    labels: NDArray[np.uint8]
    label_origin: F64  # (3,)
    label_spacing: float
    tube_nodes: F64  # (n, 5): x, y, z, radius, half width of the flat part of a stadium section (0: round)
    tube_start: NDArray[np.int64]  # (nt + 1,)
    tube_kind: NDArray[np.int64]  # (nt,)
    tube_box: F64  # (nt, 6) low x y z, high x y z, including the radius
    skin_y: F64
    skin_x0: float
    skin_z0: float
    skin_step: float


@dataclass(frozen=True)
class Phantom:
    """One patient. `landmarks` maps a name ("L4.pedicle.right.inferior") to a point (3,) in mm.

    `measures` maps a name ("foramen_height_mm.L4-L5.right") to a number measured on the baked phantom.
    `individual` tells what made this patient (seed, sex, statures, knobs) for the record and the chart.
    `modelled` names the structures that a model added to an imported patient (empty for generated ones). `scan` is such a
    patient's CT if it was kept: pictures are drawn through it. It touches no score and is not in `content_hash`.
    """

    name: str
    bones: tuple[Bone, ...]
    tubes: tuple[Tube, ...]
    volume: LabelVolume
    skin: Skin
    landmarks: Mapping[str, F64]
    measures: Mapping[str, float] = field(default_factory=dict)
    individual: Mapping[str, Any] = field(default_factory=dict)
    modelled: tuple[str, ...] = ()
    scan: Scan | None = None

    @cached_property
    def fields(self) -> Fields:
        """The flat view for jitted code (made once)."""
        return _flatten(self)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything that can touch a score: grids, poses, tubes, labels, skin, landmarks."""
        digest = hashlib.sha256()
        for array in self.fields:
            digest.update(np.ascontiguousarray(array).tobytes())
        for tube in self.tubes:
            digest.update(f"{tube.name}/{int(tube.kind)}/{tube.wall_mm!r}/{tube.flow_mm_s!r};".encode())
        for name in sorted(self.landmarks):
            digest.update(name.encode() + np.asarray(self.landmarks[name], np.float64).tobytes())
        return digest.hexdigest()

    def bone(self, name: str) -> Bone:
        """Return the bone called `name`; KeyError names what exists."""
        for bone in self.bones:
            if bone.name == name:
                return bone
        raise KeyError(f"no bone '{name}'; this phantom has {[b.name for b in self.bones]}")

    def tube_index(self, name: str) -> int:
        """Return the index of the tube called `name`; KeyError if there is none."""
        for index, tube in enumerate(self.tubes):
            if tube.name == name:
                return index
        raise KeyError(f"no tube '{name}'")

    def landmark(self, name: str) -> F64:
        """Return a landmark (3,) in mm; KeyError names the nearest known ones."""
        if name not in self.landmarks:
            raise KeyError(f"no landmark '{name}'")
        return np.asarray(self.landmarks[name], np.float64)


def _flatten(phantom: Phantom) -> Fields:
    bones, tubes = phantom.bones, phantom.tubes
    sizes = [bone.distance_10um.size for bone in bones]
    start = np.zeros(len(tubes) + 1, np.int64)
    start[1:] = np.cumsum([len(t.nodes) for t in tubes])
    nodes = [wide_nodes(t.nodes) for t in tubes]
    boxes = [_tube_box(n) for n in nodes]
    return Fields(
        bone_distance=np.concatenate([b.distance_10um.ravel() for b in bones]) if bones else np.zeros(0, np.int16),
        bone_start=np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if bones else np.zeros(0, np.int64),
        bone_shape=np.array([b.distance_10um.shape for b in bones], np.int64).reshape(-1, 3),
        bone_origin=np.array([b.grid_origin_mm for b in bones], np.float64).reshape(-1, 3),
        bone_spacing=np.array([b.spacing_mm for b in bones], np.float64),
        bone_rotation=np.array([b.rotation for b in bones], np.float64).reshape(-1, 3, 3),
        bone_translation=np.array([b.translation_mm for b in bones], np.float64).reshape(-1, 3),
        labels=np.ascontiguousarray(phantom.volume.labels),
        label_origin=np.asarray(phantom.volume.origin_mm, np.float64),
        label_spacing=float(phantom.volume.spacing_mm),
        tube_nodes=np.concatenate(nodes) if tubes else np.zeros((0, 5)),
        tube_start=start,
        tube_kind=np.array([int(t.kind) for t in tubes], np.int64),
        tube_box=np.array(boxes, np.float64).reshape(-1, 6),
        skin_y=np.ascontiguousarray(phantom.skin.y_mm, np.float64),
        skin_x0=float(phantom.skin.x0_mm),
        skin_z0=float(phantom.skin.z0_mm),
        skin_step=float(phantom.skin.step_mm),
    )


def wide_nodes(nodes: F64) -> F64:
    """Return nodes (n, 5): a chain without half widths gets zeros (round)."""
    if nodes.shape[1] == 5:
        return np.asarray(nodes, np.float64)
    return np.concatenate([nodes, np.zeros((len(nodes), 1))], axis=1)


def _tube_box(nodes: F64) -> F64:
    """Return low and high corner (6,) of a chain (n, 5) with its radius and half width."""
    reach = nodes[:, 3:4] + nodes[:, 4:5] * np.array([[1.0, 0.0, 0.0]])
    return np.concatenate([(nodes[:, :3] - reach).min(0), (nodes[:, :3] + reach).max(0)])


FAR_MM = 1.0e3
"""Distance reported where no bone grid reaches: a bound from its box, never a false contact."""


@jit
def bone_distance_one(f: Fields, b: int, x: float, y: float, z: float) -> float:
    """Return the signed distance (mm) of a patient-frame point to bone `b` (trilinear on its grid).

    Outside the grid the distance to the grid's box is returned (a positive lower bound of the true one is
    not needed there: the margin keeps it above the needle's radius).
    """
    r = f.bone_rotation[b]
    t = f.bone_translation[b]
    dx, dy, dz = x - t[0], y - t[1], z - t[2]
    h = f.bone_spacing[b]
    u = (r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz - f.bone_origin[b, 0]) / h
    v = (r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz - f.bone_origin[b, 1]) / h
    w = (r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz - f.bone_origin[b, 2]) / h
    nx, ny, nz = f.bone_shape[b, 0], f.bone_shape[b, 1], f.bone_shape[b, 2]
    if not (0.0 <= u <= nx - 1 and 0.0 <= v <= ny - 1 and 0.0 <= w <= nz - 1):
        ou = max(0.0, -u, u - (nx - 1))
        ov = max(0.0, -v, v - (ny - 1))
        ow = max(0.0, -w, w - (nz - 1))
        return float(4.0 + h * np.sqrt(ou * ou + ov * ov + ow * ow))
    i = min(int(u), nx - 2)
    j = min(int(v), ny - 2)
    k = min(int(w), nz - 2)
    u -= i
    v -= j
    w -= k
    base = f.bone_start[b] + (i * ny + j) * nz + k
    g = f.bone_distance
    sx, sy = ny * nz, nz
    c00 = g[base] * (1 - w) + g[base + 1] * w
    c01 = g[base + sy] * (1 - w) + g[base + sy + 1] * w
    c10 = g[base + sx] * (1 - w) + g[base + sx + 1] * w
    c11 = g[base + sx + sy] * (1 - w) + g[base + sx + sy + 1] * w
    return float(((c00 * (1 - v) + c01 * v) * (1 - u) + (c10 * (1 - v) + c11 * v) * u) * 0.01)


@jit
def bone_distance(f: Fields, x: float, y: float, z: float) -> tuple[float, int]:
    """Return (signed distance mm, bone index) of the nearest bone; (FAR_MM, -1) without bones."""
    best = 1.0e3
    which = -1
    for b in range(f.bone_start.shape[0]):
        d = bone_distance_one(f, b, x, y, z)
        if d < best:
            best = d
            which = b
    return best, which


@jit
def bone_normal(f: Fields, b: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return the unit outward normal of bone `b` near a point (central differences, 0.3 mm)."""
    e = 0.3
    gx = bone_distance_one(f, b, x + e, y, z) - bone_distance_one(f, b, x - e, y, z)
    gy = bone_distance_one(f, b, x, y + e, z) - bone_distance_one(f, b, x, y - e, z)
    gz = bone_distance_one(f, b, x, y, z + e) - bone_distance_one(f, b, x, y, z - e)
    n = np.sqrt(gx * gx + gy * gy + gz * gz)
    if n < 1e-12:
        return 0.0, 1.0, 0.0
    return gx / n, gy / n, gz / n


@jit
def voxel_of(f: Fields, x: float, y: float, z: float) -> int:
    """Return the flat index of the voxel that holds a point, -1 outside the grid."""
    h = f.label_spacing
    i = int(np.floor((x - f.label_origin[0]) / h + 0.5))
    j = int(np.floor((y - f.label_origin[1]) / h + 0.5))
    k = int(np.floor((z - f.label_origin[2]) / h + 0.5))
    nx, ny, nz = f.labels.shape
    if i < 0 or j < 0 or k < 0 or i >= nx or j >= ny or k >= nz:
        return -1
    return int((i * ny + j) * nz + k)


@jit
def tissue_at(f: Fields, x: float, y: float, z: float) -> int:
    """Return the label of the voxel that holds a patient-frame point; 0 (air) outside the volume."""
    voxel = voxel_of(f, x, y, z)
    if voxel < 0:
        return 0
    _, ny, nz = f.labels.shape
    return int(f.labels[voxel // (ny * nz), (voxel // nz) % ny, voxel % nz])


@jit
def wide_cone_distance(a: F64, b: F64, x: float, y: float, z: float) -> float:
    """Return the signed distance (mm) to one link of stadium section: nodes a, b (5,) of different y or z.

    The axis is a plane trapezoid, from a +- half width to b +- half width along x; what is measured is the exact
    distance to it less the radius at the nearest point.
    """
    dy, dz = b[1] - a[1], b[2] - a[2]
    long = np.sqrt(dy * dy + dz * dz)
    if long < 1e-9:
        long = 1e-9
    u = ((y - a[1]) * dy + (z - a[2]) * dz) / long
    out2 = max((y - a[1]) * (y - a[1]) + (z - a[2]) * (z - a[2]) - u * u, 0.0)  # off the trapezoid's plane
    px = x - a[0]
    low_a, high_a = -a[4], a[4]
    low_b, high_b = b[0] - a[0] - b[4], b[0] - a[0] + b[4]
    best2, at = 1.0e18, 0.0
    s = u / long
    if 0.0 <= s <= 1.0 and low_a + s * (low_b - low_a) <= px <= high_a + s * (high_b - high_a):
        best2, at = 0.0, s
    else:
        for edge in range(4):
            if edge == 0:
                x0, u0, x1, u1 = low_a, 0.0, high_a, 0.0
            elif edge == 1:
                x0, u0, x1, u1 = low_b, long, high_b, long
            elif edge == 2:
                x0, u0, x1, u1 = low_a, 0.0, low_b, long
            else:
                x0, u0, x1, u1 = high_a, 0.0, high_b, long
            ex, eu = x1 - x0, u1 - u0
            t = 0.0
            if ex * ex + eu * eu > 0.0:
                t = min(1.0, max(0.0, ((px - x0) * ex + (u - u0) * eu) / (ex * ex + eu * eu)))
            qx, qu = px - x0 - t * ex, u - u0 - t * eu
            d2 = qx * qx + qu * qu
            if d2 < best2:
                best2, at = d2, (u0 + t * eu) / long
    return float(np.sqrt(out2 + best2) - (a[3] + at * (b[3] - a[3])))


@jit
def tube_distance(f: Fields, t: int, x: float, y: float, z: float) -> float:
    """Return the signed distance (mm) to the wall of tube `t`, negative inside (linear radius and half width)."""
    best = 1.0e9
    for n in range(f.tube_start[t], f.tube_start[t + 1] - 1):
        if f.tube_nodes[n, 4] > 0.0 or f.tube_nodes[n + 1, 4] > 0.0:
            best = min(best, wide_cone_distance(f.tube_nodes[n], f.tube_nodes[n + 1], x, y, z))
            continue
        ax, ay, az, ar = f.tube_nodes[n, 0], f.tube_nodes[n, 1], f.tube_nodes[n, 2], f.tube_nodes[n, 3]
        dx, dy, dz = f.tube_nodes[n + 1, 0] - ax, f.tube_nodes[n + 1, 1] - ay, f.tube_nodes[n + 1, 2] - az
        px, py, pz = x - ax, y - ay, z - az
        length2 = dx * dx + dy * dy + dz * dz
        s = 0.0
        if length2 > 0.0:
            s = (px * dx + py * dy + pz * dz) / length2
            s = min(1.0, max(0.0, s))
        qx, qy, qz = px - s * dx, py - s * dy, pz - s * dz
        d = np.sqrt(qx * qx + qy * qy + qz * qz) - (ar + s * (f.tube_nodes[n + 1, 3] - ar))
        best = min(best, d)
    return best


@jit
def tube_box_gap(f: Fields, t: int, x: float, y: float, z: float) -> float:
    """Return how far (mm, max norm) a point is outside the box of tube `t`; 0 inside: a cheap first test."""
    b = f.tube_box[t]
    gap = max(b[0] - x, x - b[3])
    gap = max(gap, b[1] - y, y - b[4])
    return float(max(gap, b[2] - z, z - b[5], 0.0))


@jit
def skin_y(f: Fields, x: float, z: float) -> float:
    """Return y (mm) of the skin of the back at (x, z), bilinear, clamped at the border of the height field."""
    nx, nz = f.skin_y.shape
    u = min(max((x - f.skin_x0) / f.skin_step, 0.0), nx - 1.000001)
    w = min(max((z - f.skin_z0) / f.skin_step, 0.0), nz - 1.000001)
    i = int(u)
    k = int(w)
    u -= i
    w -= k
    a = f.skin_y[i, k] * (1 - w) + f.skin_y[i, k + 1] * w
    b = f.skin_y[i + 1, k] * (1 - w) + f.skin_y[i + 1, k + 1] * w
    return float(a * (1 - u) + b * u)


@jit
def label_changes(f: Fields, p: F64, q: F64) -> tuple[F64, NDArray[np.int64]]:
    """Return (where 0..1, new label) for each voxel face on p -> q at which the label changes.

    Grid traversal (Amanatides and Woo 1987): every voxel on the segment is visited, in order.
    """
    h = f.label_spacing
    nx, ny, nz = f.labels.shape
    a = np.empty(3)
    d = np.empty(3)
    cell = np.empty(3, np.int64)
    nxt = np.empty(3)
    inc = np.empty(3)
    way = np.empty(3, np.int64)
    for c in range(3):
        a[c] = (p[c] - f.label_origin[c]) / h + 0.5
        d[c] = (q[c] - p[c]) / h
        cell[c] = int(np.floor(a[c]))
        if d[c] > 0.0:
            way[c] = 1
            nxt[c] = (cell[c] + 1 - a[c]) / d[c]
            inc[c] = 1.0 / d[c]
        elif d[c] < 0.0:
            way[c] = -1
            nxt[c] = (cell[c] - a[c]) / d[c]
            inc[c] = -1.0 / d[c]
        else:
            way[c] = 0
            nxt[c] = 2.0
            inc[c] = 2.0
    steps = int(abs(d[0]) + abs(d[1]) + abs(d[2])) + 4
    where = np.empty(steps)
    what = np.empty(steps, np.int64)
    count = 0
    label = tissue_at(f, p[0], p[1], p[2])
    for _ in range(steps):
        c = 0
        if nxt[1] < nxt[c]:
            c = 1
        if nxt[2] < nxt[c]:
            c = 2
        t = nxt[c]
        if t > 1.0:
            break
        cell[c] += way[c]
        nxt[c] += inc[c]
        new = 0
        if 0 <= cell[0] < nx and 0 <= cell[1] < ny and 0 <= cell[2] < nz:
            new = int(f.labels[cell[0], cell[1], cell[2]])
        if new != label:
            where[count] = t
            what[count] = new
            count += 1
            label = new
    return where[:count].copy(), what[:count].copy()


def skin_entry(f: Fields, target_mm: F64, outward: F64) -> F64:
    """Return where the straight line from a target along `outward` (unit, towards the skin) leaves the back.

    Marches in 1 mm steps and bisects to 1 um; the target itself when the line never leaves (300 mm).
    """
    inside, outside = 0.0, -1.0
    for step in range(1, 301):
        p = target_mm + outward * float(step)
        if p[1] >= skin_y(f, p[0], p[2]):
            outside = float(step)
            break
        inside = float(step)
    if outside < 0.0:
        return target_mm
    while outside - inside > 1e-3:
        middle = 0.5 * (inside + outside)
        p = target_mm + outward * middle
        if p[1] >= skin_y(f, p[0], p[2]):
            outside = middle
        else:
            inside = middle
    return np.asarray(target_mm + outward * outside, np.float64)
