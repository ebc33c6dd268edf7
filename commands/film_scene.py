"""What stands in the room of a film: the patient near the level as coarse surfaces, the planned ways, the contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from commands.film import Packer
    from sim.phantom import Phantom, Tube
    from sim.state import Study
    from sim.view import View

REACH_MM = 110.0
"""So far above and below the target bones, nerves and vessels are shown; the skin 30 mm farther."""
ABOVE_MM = 30.0
BONE_FACES, SKIN_FACES = 4000, 5000
BONE, SKIN = (235, 225, 200), (226, 178, 146)
LAYERS = {
    "SAC": "sac",
    "CORD": "sac",
    "ROOTLET": "sac",
    "ARTERY": "vessels",
    "RADICULAR_ARTERY": "vessels",
    "VEIN": "vessels",
    "BASIVERTEBRAL": "vessels",
}
"""Layer of a kind of tube; all others are nerves."""


def meshes(phantom: Phantom, pack: Packer) -> list[dict[str, Any]]:
    """Return the surfaces: name, layer, colour, and where vertices and faces lie."""
    from anatomy_assets.export import TUBE_COLOUR, tube_mesh

    z = float(pack.origin_mm[2])
    out = [_mesh("skin", "skin", SKIN, phantom.skin.surface_vertices, phantom.skin.surface_faces, z, SKIN_FACES, 30.0, pack)]
    for bone in phantom.bones:
        vertices = bone.to_patient(bone.shell_vertices)
        out.append(_mesh(bone.name, "bone", BONE, vertices, bone.shell_faces, z, BONE_FACES, 0.0, pack))
    for tube in phantom.tubes:
        for part, found in enumerate(_near(tube, z)):
            layer = LAYERS.get(tube.kind.name, "nerves")
            name = f"{tube.name}.{part}" if part else tube.name
            out.append(_packed(name, layer, TUBE_COLOUR[tube.kind][:3], *tube_mesh(found, 8), pack))
    return [one for one in out if one]


def _near(tube: Tube, z: float) -> list[Tube]:
    """Return the stretches of a tube that lie within reach."""
    from dataclasses import replace

    inside = np.abs(tube.nodes[:, 2] - z) <= REACH_MM
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    return [replace(tube, nodes=tube.nodes[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 2]


def _mesh(
    name: str, layer: str, colour: Any, vertices: Any, faces: Any, z: float, most: int, more: float, pack: Packer
) -> dict[str, Any]:
    """Return a surface, cut to the reach and thinned to `most` faces; {} when nothing of it is near."""
    import fast_simplification

    points, triangles = np.asarray(vertices, np.float32), np.asarray(faces, np.int32)
    near = np.abs(points[:, 2] - z) <= REACH_MM + more
    triangles = triangles[near[triangles].any(1)] if len(triangles) else triangles
    if not len(triangles):
        return {}
    points, triangles = _used(points, triangles)
    if len(triangles) > most:
        points, triangles = fast_simplification.simplify(points, triangles, target_count=most)
    return _packed(name, layer, colour, points, triangles, pack)


def _used(points: NDArray[Any], triangles: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    used, index = np.unique(triangles, return_inverse=True)
    return np.ascontiguousarray(points[used], np.float32), index.reshape(-1, 3).astype(np.int32)


def _packed(name: str, layer: str, colour: Any, points: Any, triangles: Any, pack: Packer) -> dict[str, Any]:
    kind = "u2" if len(points) < 65536 else "u4"
    where = {"vertices": pack.points(points), "faces": pack.add(triangles, kind)}
    return {"name": name, "layer": layer, "colour": [int(c) for c in colour], **where}


def planned(study: Study) -> dict[str, Any]:
    """Return the goals, and the way to each where the plan has one: from ABOVE_MM outside the skin straight to the target."""
    from commands.gallery import ideal_ways

    plan = study.plan
    goals = [{"name": f"{goal.level} {goal.side}".strip(), "mm": _whole(goal.target_mm)} for goal in plan.goals]
    ways = []
    for skin, target in ideal_ways(study).values():
        way = skin - target
        ways.append([_whole(skin + ABOVE_MM / float(np.linalg.norm(way)) * way), _whole(target)])
    return {"level": plan.level, "side": plan.side, "goals": goals, "ways": ways}


def _whole(point: Any) -> list[float]:
    return [round(float(v), 2) for v in point]


def contrast(tick: int, view: View, pack: Packer, most: int) -> dict[str, Any]:
    """Return the contrast and the leads that a picture showed, thinned; {} when it showed none."""
    points = view.contrast_points
    wires = [{"nodes": pack.points(wire.nodes_mm), "mm": round(float(wire.outer_mm), 2)} for wire in view.wires]
    if not len(points) and not wires:
        return {}
    some = points[:: max(1, -(-len(points) // most))]
    return {"tick": tick, "points": pack.points(some[:, :3]), "wires": wires}
