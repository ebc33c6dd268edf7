"""The phantom as X-rays meet it: one triangle soup of closed meshes, each with what it adds to the path lengths.

A ray's length in a closed mesh times the mesh's weights is what the mesh adds. Meshes are nested, so a weight is
the difference to what surrounds it: skin adds soft tissue, a bone's shell adds cortical bone minus soft tissue,
its core adds cancellous minus cortical bone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit
from sim.phantom import LabelVolume, Phantom, Scan, Tissue
from sim.trabecula import field as trabecular_field
from sim.trabecula import grains

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

MATERIALS: dict[str, tuple[float, float]] = {
    "air": (0.0, 0.0),
    "bowel": (0.45, -0.0033),
    "lung": (0.26, -0.0019),
    "fat": (1.0143, -0.0346),
    "mixed": (1.0294, -0.0074),
    "soft": (1.0281, -0.0103),
    "loose": (1.0230, -0.0190),
    "muscle": (1.0359, 0.0036),
    "cortical": (0.0, 1.0),
    "cancellous": (0.8919, 0.1144),
    "titanium": (0.0, 5.422),
}
"""Material -> (water-equivalent, cortical-bone-equivalent) mm per mm: scripts/make_beam_tables.py, fit 30-90 keV.

"cancellous" is spongiosa of NORMAL_DENSITY mg/cm3; make_scene mixes it to the patient's density. "titanium" (Ti-6Al-4V) as
bone alone, equal at 60 keV: the pair that fits 30-90 keV best (-15.0, 10.5) would take water away.

"mixed" (viscera) and "loose" (the fatty tissue around the spine) lie between fat and muscle: chosen, 7:3 and 2:3.
"soft" (the whole trunk outside the bones, 0.205 per cm at 60 keV as in exported meshes) and "bowel" (gas and content) too.
"lung" is water at 0.26 g/cm3 (mean inflation).
"""

NORMAL_DENSITY = 150.0
PER_MG = (-0.0010238, 0.00093951)
"""Change of spongiosa's (water, bone) per mg/cm3 of hydroxyapatite: fit of 70 to 200 mg/cm3 (materials_xray.csv), as above."""


def cancellous(density_mg_cm3: float) -> tuple[float, float]:
    """Return the (water, bone) mixture of spongiosa of a trabecular density."""
    water, bone = MATERIALS["cancellous"]
    more = density_mg_cm3 - NORMAL_DENSITY
    return water + PER_MG[0] * more, max(bone + PER_MG[1] * more, 0.0)


ENCLOSED = ("gas", "vacuum")
"""Soft parts that end within the patient's section: not prolonged."""
LOOSE = (Tissue.RETROPERITONEUM,)
OUTER = (Tissue.AIR, Tissue.SKIN, Tissue.FAT)
MIXED = (Tissue.ABDOMEN, Tissue.BOWEL_GAS, Tissue.LUNG)
BREATHING = ("gas", "lung")
"""Soft parts that move up and down with the breath; spine, pelvis and needle do not."""
BEYOND_MM = 300.0
"""How far the body goes on above and below the phantom in a picture (head and legs are not modelled)."""

MU_60KEV_PER_MM = (0.0205476, 0.0604465, 0.942996, 0.7577)
"""Attenuation of the channels at 60 keV: water, cortical bone, steel per mm; iodine per mg/mm2."""


def mu_60kev_per_mm(material: str) -> float:
    """Return the attenuation of a material of MATERIALS at 60 keV, as the projector sees it."""
    water, bone = MATERIALS[material]
    return water * MU_60KEV_PER_MM[0] + bone * MU_60KEV_PER_MM[1]


@dataclass(frozen=True)
class Part:
    """One closed mesh: faces start..stop of the scene, made of `material`, lying inside `outside`."""

    name: str
    material: str
    outside: str
    start: int
    stop: int
    mixture: tuple[float, float] | None = None
    """(water, bone) where it is not that of the material's name."""

    @property
    def weights(self) -> tuple[float, float]:
        """Return what 1 mm inside adds to the water and bone channels."""
        (a, b), (c, d) = self.mixture or MATERIALS[self.material], MATERIALS[self.outside]
        return a - c, b - d


@dataclass(frozen=True, eq=False)
class Scene:
    """All closed meshes in the patient frame (mm): vertices (nv, 3), faces (nf, 3) with outward normals, parts."""

    vertices: F32
    faces: I32
    parts: tuple[Part, ...]
    grains: F32 = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    """Trabecular texture (sim/trabecula.py): (n, 4) x, y, z and mm3 of bone-equivalent, positive and negative."""
    scan: Scan | None = None
    """An imported patient's CT: pictures are drawn through it instead of the meshes."""

    @cached_property
    def face_weights(self) -> F32:
        """Return the (water, bone) weights of every face: (nf, 2)."""
        out = np.zeros((len(self.faces), 2), np.float32)
        for part in self.parts:
            out[part.start : part.stop] = part.weights
        return out

    @cached_property
    def breathing(self) -> NDArray[np.bool_]:
        """Return which faces (nf,) move with the breath."""
        out = np.zeros(len(self.faces), bool)
        for part in self.parts:
            out[part.start : part.stop] = part.name in BREATHING
        return out


class SceneBuilder:
    """Collects meshes into a Scene."""

    def __init__(self) -> None:
        self._vertices: list[F32] = []
        self._faces: list[I32] = []
        self._parts: list[Part] = []
        self._nv = self._nf = 0

    def add(
        self, name: str, vertices: NDArray[Any], faces: NDArray[Any], material: str, outside: str,
        mixture: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        """Add a closed mesh with outward normals (ValueError if it is empty)."""
        if len(faces) == 0:
            raise ValueError(f"mesh '{name}' has no faces")
        self._vertices.append(np.ascontiguousarray(vertices, np.float32))
        self._faces.append(np.ascontiguousarray(faces, np.int32) + np.int32(self._nv))
        self._parts.append(Part(name, material, outside, self._nf, self._nf + len(faces), mixture))
        self._nv += len(vertices)
        self._nf += len(faces)

    def scene(self) -> Scene:
        """Return the scene of everything added."""
        if not self._parts:
            return Scene(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), ())
        return Scene(np.concatenate(self._vertices), np.concatenate(self._faces), tuple(self._parts))


def make_scene(phantom: Phantom, soft_tissue: bool = True) -> Scene:
    """Return the scene of a phantom: the body, its soft tissues, shell and core of every bone, trabecular texture.

    Without soft_tissue the body is one material inside its skin (what the meshes of an export hold).
    """
    build = SceneBuilder()
    surface = phantom.skin.surface_vertices
    vertices = _prolonged(surface, float(surface[:, 2].min()), float(surface[:, 2].max()), 0.5) if soft_tissue else surface
    volume = phantom.volume
    bottom, top = float(volume.origin_mm[2]), float(volume.origin_mm[2] + (volume.labels.shape[2] - 1) * volume.spacing_mm)
    around = "muscle"
    if soft_tissue:
        build.add("skin", vertices, phantom.skin.surface_faces, "fat", "air")
        for name, labels, cell, material, outside in _soft_parts():
            mesh = label_surface(phantom.volume, labels, cell)
            if mesh is not None:
                place = _prolonged(mesh[0], bottom, top, 0.51 * cell)
                if name in ENCLOSED:
                    place = _haustra(mesh[0]) if name == "gas" else mesh[0]
                build.add(name, place, mesh[1], material, outside)
    else:
        around = "soft"
        build.add("skin", vertices, phantom.skin.surface_faces, "soft", "air")
    spongy = cancellous(float(phantom.individual.get("bone_density", NORMAL_DENSITY)))
    for bone in phantom.bones:
        made_of = "cortical" if bone.material == "bone" else bone.material
        build.add(f"{bone.name}.shell", bone.to_patient(bone.shell_vertices), bone.shell_faces, made_of, around)
        if len(bone.core_faces):
            core = bone.to_patient(bone.core_vertices)
            build.add(f"{bone.name}.core", core, bone.core_faces, "cancellous", "cortical", spongy)
    if not soft_tissue:
        return build.scene()
    return replace(build.scene(), grains=_texture(phantom, spongy[1]), scan=phantom.scan)


def _texture(phantom: Phantom, mineral: float) -> F32:
    """Return the trabecular grains of all bones with a cancellous core; the same patient has the same texture always."""
    texture = trabecular_field(0)
    bones = [b for b in phantom.bones if b.material == "bone" and len(b.core_faces)]
    made = [grains(bone, np.roll(texture, 7 * i, axis=(0, 1, 2)), mineral, i) for i, bone in enumerate(bones)]
    return np.concatenate(made) if made else np.zeros((0, 4), np.float32)


def _soft_parts() -> list[tuple[str, list[Tissue], float, str, str]]:
    """Return (name, labels, cell mm, material, outside) of the soft tissue surfaces: smooth and faint, so coarse."""
    inner = [t for t in Tissue if t not in OUTER]
    lean = [t for t in inner if t not in LOOSE and t not in MIXED]
    return [
        ("inside", inner, 10.0, "mixed", "fat"),
        ("lean", lean, 10.0, "muscle", "mixed"),
        ("loose", list(LOOSE), 10.0, "loose", "mixed"),
        ("gas", [Tissue.BOWEL_GAS], 3.0, "bowel", "mixed"),
        ("vacuum", [Tissue.VACUUM], 1.0, "air", "muscle"),
        ("lung", [Tissue.LUNG], 6.0, "lung", "mixed"),
    ]


@jit
def _shares(labels: NDArray[np.uint8], wanted: NDArray[np.uint8], step: int, out: F32) -> None:
    """Fill out with the share of wanted labels in cells of step**3 voxels (edge voxels repeat)."""
    nx, ny, nz = labels.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                count = 0
                for a in range(step):
                    x = min(i * step + a, nx - 1)
                    for b in range(step):
                        y = min(j * step + b, ny - 1)
                        for c in range(step):
                            count += int(wanted[labels[x, y, min(k * step + c, nz - 1)]])
                out[i, j, k] = count / (step * step * step)


def label_surface(volume: LabelVolume, labels: list[Tissue], cell_mm: float) -> tuple[F32, I32] | None:
    """Return the closed surface (vertices in mm, faces, normals outward) of a set of labels, or None without any.

    The share of the labels in cells of about `cell_mm` is cut at one half; the border of the volume closes it.
    """
    from skimage.measure import marching_cubes

    if len(labels) == 1 and not (volume.labels == int(labels[0])).any():
        return None  # most patients have no vacuum, and its cells are as fine as the voxels
    wanted = np.zeros(256, np.uint8)
    wanted[[int(t) for t in labels]] = 1
    step = max(1, round(cell_mm / volume.spacing_mm))
    cells = np.zeros([-(-n // step) for n in volume.labels.shape], np.float32)
    _shares(np.ascontiguousarray(volume.labels), wanted, step, cells)
    for axis in (0, 1):  # across the body only: its ends stay flat
        wide = np.pad(cells, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        low, high = (wide[:-2], wide[2:]) if axis == 0 else (wide[:, :-2], wide[:, 2:])
        cells = 0.5 * cells + 0.25 * (low + high)
    if cells.max() <= 0.5:
        return None
    cell = step * volume.spacing_mm
    vertices, faces, _, _ = marching_cubes(np.pad(cells, 1), 0.5, spacing=(cell,) * 3, gradient_direction="ascent")
    centre = volume.origin_mm + 0.5 * (step - 1) * volume.spacing_mm
    return np.asarray(vertices - cell + centre, np.float32), np.asarray(faces, np.int32)


def is_closed(faces: NDArray[Any]) -> bool:
    """Return True if every edge is walked as often one way as the other (no hole for a ray to slip through)."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    count = int(edges.max(initial=0)) + 1
    there, back = np.sort(edges[:, 0] * count + edges[:, 1]), np.sort(edges[:, 1] * count + edges[:, 0])
    return bool(np.array_equal(there, back))


def _haustra(vertices: F32) -> F32:
    """Return gas bubbles with the lobed outline of bowel instead of an ellipsoid's (pictures only).

    Smooth displacement by waves along oblique directions, so that no two bubbles have the same shape.
    """
    out = vertices.astype(np.float64)
    for (a, b, c), length_mm, reach_mm, way in _FOLDS:
        phase = (a * vertices[:, 0] + b * vertices[:, 1] + c * vertices[:, 2]) / length_mm
        out += reach_mm * np.sin(phase)[:, None] * np.array(way)
    return np.asarray(out, np.float32)


_FOLDS = (
    # direction of the wave, length / 2 pi, reach (mm), direction of the displacement
    ((0.8, 0.1, 0.6), 7.0, 4.0, (-0.6, 0.1, 0.8)),
    ((-0.5, 0.2, 0.8), 5.0, 3.0, (0.8, 0.1, 0.5)),
    ((0.3, 0.4, -0.9), 3.4, 1.8, (0.9, 0.2, 0.3)),
    ((0.9, -0.3, 0.2), 2.6, 1.2, (0.2, 0.1, 0.9)),
)


def _prolonged(vertices: NDArray[Any], bottom_mm: float, top_mm: float, within_mm: float) -> F32:
    """Return the mesh with what ends flat at the phantom's section moved away: the body goes on beyond the phantom.

    A mesh that ends inside the section (the lungs, whose lowest recess hangs beside the spine) keeps that end.
    """
    out = np.array(vertices, np.float32)
    z = out[:, 2]
    out[z <= bottom_mm + within_mm, 2] -= BEYOND_MM
    out[z >= top_mm - within_mm, 2] += BEYOND_MM
    return out
