"""The patient as the engines see it: bones, analytic tubes, tissue labels, skin and landmarks.

A bone is a re-distanced grid in its own frame with a rigid pose; thin critical structures (roots, ganglia,
vessels, thecal sac) are chains of round cones measured exactly; everything else is a label on one voxel
grid. The queries that feed a score work on a flat view of these arrays (sim/fields.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.fields import Fields, wide_nodes

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


def _tube_box(nodes: F64) -> F64:
    """Return low and high corner (6,) of a chain (n, 5) with its radius and half width."""
    reach = nodes[:, 3:4] + nodes[:, 4:5] * np.array([[1.0, 0.0, 0.0]])
    return np.concatenate([(nodes[:, :3] - reach).min(0), (nodes[:, :3] + reach).max(0)])
