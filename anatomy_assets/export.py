"""A phantom as files other programs read: STL per part with meshes.json, a GLB scene, NIfTI labels, landmarks.

Everything in mm. STL, GLB and landmarks are in the patient frame LPS; NIfTI demands RAS, so its affine
turns x and y. Pictures and exports only: nothing here touches a score.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import trimesh
from numpy.typing import NDArray

from anatomy_assets.meshes import unpinched
from anatomy_assets.tables import number
from sim.errors import MachineError
from sim.fields import wide_nodes
from sim.phantom import Bone, Phantom, Tissue, Tube, TubeKind

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

SKIN_COLOUR = (232, 184, 150, 60)
BONE_COLOUR = (235, 225, 200, 255)
TUBE_COLOUR = {
    TubeKind.SAC: (90, 150, 230, 160),
    TubeKind.ROOT: (250, 220, 60, 255),
    TubeKind.GANGLION: (250, 170, 40, 255),
    TubeKind.RAMUS: (250, 220, 60, 255),
    TubeKind.MEDIAL_BRANCH: (250, 240, 150, 255),
    TubeKind.ARTERY: (200, 30, 30, 255),
    TubeKind.RADICULAR_ARTERY: (230, 60, 60, 255),
    TubeKind.VEIN: (50, 60, 180, 255),
    TubeKind.CORD: (240, 230, 160, 255),
    TubeKind.ROOTLET: (245, 225, 110, 255),
    TubeKind.DORSAL_RAMUS: (250, 235, 120, 255),
    TubeKind.SYMPATHETIC: (240, 200, 90, 255),
    TubeKind.BASIVERTEBRAL: (80, 80, 200, 255),
}


def mu_per_cm(material: str) -> float:
    """Return the linear attenuation coefficient at 60 keV."""
    return number("materials", f"mu_60kev.{material}")


def export_phantom(phantom: Phantom, out: Path) -> list[Path]:
    """Write meshes.json with one STL per part, phantom.glb, labels.nii.gz and landmarks.json; return the paths."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        paths = _write_meshes(phantom, out)
        paths.append(_write_scene(phantom, out / "phantom.glb"))
        paths.append(write_labels(phantom, out / "labels.nii.gz"))
        paths.append(_write_landmarks(phantom, out / "landmarks.json"))
    except OSError as error:
        raise MachineError(f"cannot write the phantom to {out}: {error.strerror or error}") from error
    return paths


def parts(phantom: Phantom) -> list[tuple[str, F32, I32, float, bool]]:
    """Return (name, vertices, faces, mu per cm, outer) of every part; no two inner parts overlap.

    A cortex is the outer shell plus the inverted core in one mesh, so that it is hollow; the core is a part
    of its own that fills the hole exactly.
    """
    out = [("skin", phantom.skin.surface_vertices, phantom.skin.surface_faces, mu_per_cm("soft_mean"), True)]
    for bone in phantom.bones:
        shell, shell_faces = unpinched(_placed(bone, bone.shell_vertices), bone.shell_faces)
        if bone.material != "bone":  # an implant lies in bone: a viewer adds up what it meets
            out.append((bone.name, shell, shell_faces, mu_per_cm(bone.material), False))
            continue
        if len(bone.core_faces) == 0:
            out.append((f"{bone.name}_cortex", shell, shell_faces, mu_per_cm("bone_cortical"), False))
            continue
        core, core_faces = unpinched(_placed(bone, bone.core_vertices), bone.core_faces)
        faces = np.concatenate([shell_faces, core_faces[:, ::-1] + len(shell)]).astype(np.int32)
        out.append((f"{bone.name}_cortex", np.concatenate([shell, core]), faces, mu_per_cm("bone_cortical"), False))
        out.append((f"{bone.name}_cancellous", core, core_faces, mu_per_cm("spongiosa"), False))
    return out


def _placed(bone: Bone, vertices: F32) -> F32:
    return bone.to_patient(vertices).astype(np.float32)


def _write_meshes(phantom: Phantom, out: Path) -> list[Path]:
    listing, paths = [], []
    for name, vertices, faces, mu, outer in parts(phantom):
        path = out / f"{name}.stl"
        write_stl(path, vertices, faces)
        listing.append({"file": path.name, "name": name, "mu_per_cm": mu, "outer": outer})
        paths.append(path)
    path = out / "meshes.json"
    path.write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
    return [path, *paths]


def write_stl(path: Path, vertices: F32, faces: I32) -> None:
    """Write a binary STL (triangles with float32 normals)."""
    corners = np.asarray(vertices, np.float32)[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.sqrt((normal * normal).sum(1, keepdims=True))
    record = np.zeros(len(faces), np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")]))
    record["normal"] = normal / np.maximum(length, 1e-20)
    record["corners"] = corners
    with path.open("wb") as file:
        file.write(b"Scottie phantom, mm, LPS".ljust(80, b" "))
        file.write(np.uint32(len(faces)).tobytes())
        file.write(record.tobytes())


def tube_mesh(tube: Tube, around: int = 10) -> tuple[F32, I32]:
    """Return a closed mesh of a chain: rings across the path, one point at each end.

    A node with a half width makes a stadium of its ring: the circle's left half and right half swept apart along x.
    """
    nodes = wide_nodes(tube.nodes)
    tangent = np.gradient(nodes[:, :3], axis=0)
    tangent /= np.maximum(np.sqrt((tangent * tangent).sum(1, keepdims=True)), 1e-9)
    if nodes[:, 4].max() > 0.0:
        around = max(around, 18)
    angle = 2.0 * np.pi * np.arange(around) / around
    rings, u = [], np.array([1.0, 0.0, 0.0]) if abs(tangent[0, 0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    for node, t in zip(nodes, tangent, strict=True):
        u = u - (u * t).sum() * t  # carried along the path: no twist
        u = u / max(float(np.sqrt((u * u).sum())), 1e-9)
        w = np.cross(t, u)
        ring = node[:3] + node[3] * (np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * w)
        ring[:, 0] += node[4] * _side(ring[:, 0] - node[0], node[3])
        rings.append(ring)
    ends = [nodes[0, :3] - nodes[0, 3] * tangent[0], nodes[-1, :3] + nodes[-1, 3] * tangent[-1]]
    points = np.concatenate([*rings, np.array(ends)])
    faces = []
    n = len(nodes)
    for k in range(n - 1):
        for i in range(around):
            a, b = k * around + i, k * around + (i + 1) % around
            faces += [[a, b, b + around], [a, b + around, a + around]]
    last = (n - 1) * around
    for i in range(around):
        j = (i + 1) % around
        faces += [[n * around, j, i], [n * around + 1, last + i, last + j]]
    return points.astype(np.float32), np.array(faces, np.int32)


def _side(x: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return -1 right of a ring's middle, +1 left of it; points on the middle itself stay there."""
    return np.asarray(np.sign(np.where(np.abs(x) < 1e-6 * radius, 0.0, x)), np.float64)


def _write_scene(phantom: Phantom, path: Path) -> Path:
    scene = trimesh.Scene()
    _add(scene, "skin", phantom.skin.surface_vertices, phantom.skin.surface_faces, SKIN_COLOUR)
    for bone in phantom.bones:
        _add(scene, bone.name, _placed(bone, bone.shell_vertices), bone.shell_faces, BONE_COLOUR)
    for tube in phantom.tubes:
        _add(scene, tube.name, *tube_mesh(tube), TUBE_COLOUR[tube.kind])
    path.write_bytes(scene.export(file_type="glb"))
    return path


def _add(scene: Any, name: str, vertices: F32, faces: I32, colour: Iterable[int]) -> None:
    material = trimesh.visual.material.PBRMaterial(
        baseColorFactor=list(colour),
        alphaMode="BLEND" if list(colour)[3] < 255 else "OPAQUE",
        roughnessFactor=0.8,
        metallicFactor=0.0,
    )
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    mesh.visual = trimesh.visual.TextureVisuals(material=material)
    scene.add_geometry(mesh, node_name=name, geom_name=name)


def nifti_affine(origin_mm: NDArray[np.float64], spacing_mm: float) -> NDArray[np.float64]:
    """Return the voxel -> RAS affine of a volume whose axes run along +x, +y, +z of LPS."""
    affine = np.diag([-spacing_mm, -spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = [-origin_mm[0], -origin_mm[1], origin_mm[2]]
    return affine


def write_labels(phantom: Phantom, path: Path) -> Path:
    """Write the label volume as NIfTI (uint8, mm, RAS affine); the header names the frame."""
    volume = phantom.volume
    image = nibabel.Nifti1Image(volume.labels, nifti_affine(volume.origin_mm, volume.spacing_mm))
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"Scottie tissue labels (sim.phantom.Tissue)"
    nibabel.save(image, path)
    return path


def _write_landmarks(phantom: Phantom, path: Path) -> Path:
    content = {
        "frame": "LPS, mm: x to the patient's left, y posterior, z superior; origin at the S1 superior endplate centre",
        "landmarks": {k: [round(float(c), 3) for c in v] for k, v in sorted(phantom.landmarks.items())},
        "measures": dict(sorted(phantom.measures.items())),
        "individual": dict(phantom.individual),
        "labels": {t.name.lower(): int(t) for t in Tissue},
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
