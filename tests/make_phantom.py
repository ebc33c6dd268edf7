"""A small synthetic patient for tests: slabs of tissue, a bone box and a bone sphere, a few tubes, a plan, tools.

`simple_study()` is a whole Study (cached: never change its arrays). The slabs lie at y (mm): skin 58..60, fat
45..58, fascia 44..45, muscle down to -20, retroperitoneum below. A sac (radius 8) runs along z at x = y = 0 in a
sleeve of epidural fat, dorsal of it a plate of ligamentum flavum; "root_L4_right", its ganglion and a radicular
artery leave to the patient's right (negative x) through foramen fat; bone box "L4" lies right of the midline,
bone sphere "L5" left of it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.toolbox import load_anaesthetics, load_dermatomes, load_needles
from sim.phantom import Bone, LabelVolume, Phantom, Skin, Tissue, Tube, TubeKind
from sim.plan import Plan
from sim.state import Study
from sim.tools import Agent, CArm, Electrode, Lead, TissueRow, Toolbox

F64 = NDArray[np.float64]
DATA = Path(__file__).parents[1] / "scenarios" / "data"
SKIN_Y = 60.0

LAYERS = (
    (58.0, Tissue.SKIN),
    (45.0, Tissue.FAT),
    (44.0, Tissue.FASCIA),
    (-20.0, Tissue.MUSCLE),
    (-1e9, Tissue.RETROPERITONEUM),
)
"""(lower y, label) from the skin downwards."""


def box_bone(name: str, centre: tuple[float, float, float], half: tuple[float, float, float], spacing: float = 0.5) -> Bone:
    """Return an axis-aligned bone box."""
    h = np.array(half)
    grid, origin = _grid(h, spacing)
    q = np.abs(grid) - h
    d = np.sqrt((np.maximum(q, 0.0) ** 2).sum(-1)) + np.minimum(q.max(-1), 0.0)
    vertices, faces = _box_mesh(h)
    return _bone(name, np.array(centre), origin, spacing, d, vertices, faces)


def sphere_bone(name: str, centre: tuple[float, float, float], radius: float, spacing: float = 0.5) -> Bone:
    """Return a bone ball."""
    grid, origin = _grid(np.full(3, radius), spacing)
    d = np.sqrt((grid**2).sum(-1)) - radius
    vertices, faces = _sphere_mesh(radius)
    return _bone(name, np.array(centre), origin, spacing, d, vertices, faces)


def tube(
    name: str, kind: TubeKind, points: list[tuple[float, float, float, float]], level: str = "", side: str = "", **more: float
) -> Tube:
    """Return a tube through (x, y, z, radius)."""
    return Tube(name, kind, level, side, np.array(points, np.float64), **more)


def slab_volume(
    layers: tuple[tuple[float, int], ...] = LAYERS,
    low: tuple[float, float, float] = (-70.0, -60.0, -60.0),
    high: tuple[float, float, float] = (70.0, 64.0, 70.0),
    spacing: float = 1.0,
) -> LabelVolume:
    """Return slabs of tissue below y = SKIN_Y, air above."""
    n = [round((b - a) / spacing) for a, b in zip(low, high, strict=True)]
    origin = np.array(low) + 0.5 * spacing
    y = origin[1] + spacing * np.arange(n[1])
    column = np.zeros(n[1], np.uint8)
    top = SKIN_Y
    for bottom, label in layers:
        column[(y < top) & (y > bottom)] = int(label)
        top = bottom
    labels = np.broadcast_to(column[None, :, None], n).copy()
    return LabelVolume(labels, origin, spacing)


def paint_tube(volume: LabelVolume, nodes: F64, label: int, grow_mm: float = 0.0) -> None:
    """Label the voxels inside a round-cone chain (grown by grow_mm), in place."""
    axes = [volume.origin_mm[c] + volume.spacing_mm * np.arange(volume.labels.shape[c]) for c in range(3)]
    for a, b in pairwise(nodes):
        reach = max(a[3], b[3]) + grow_mm
        cut = [slice(*np.searchsorted(axes[c], [min(a[c], b[c]) - reach, max(a[c], b[c]) + reach])) for c in range(3)]
        x, y, z = np.meshgrid(*(axes[c][cut[c]] for c in range(3)), indexing="ij")
        p = np.stack([x, y, z], -1) - a[:3]
        d = b[:3] - a[:3]
        s = np.clip((p * d).sum(-1) / max((d * d).sum(), 1e-12), 0.0, 1.0)
        gap = np.sqrt(((p - s[..., None] * d) ** 2).sum(-1)) - (a[3] + s * (b[3] - a[3]) + grow_mm)
        part = volume.labels[cut[0], cut[1], cut[2]]
        part[gap < 0.0] = label


def flat_skin(y: float = SKIN_Y) -> Skin:
    """Return a flat back at height y with a box as its surface."""
    vertices, faces = _box_mesh(np.array([70.0, 60.0, 65.0]))
    return Skin(np.full((15, 14), y), -70.0, -60.0, 10.0, vertices + np.array([0.0, y - 60.0, 5.0], np.float32), faces)


@cache
def simple_phantom() -> Phantom:
    """Return the synthetic patient of this module's docstring."""
    sac = tube("sac", TubeKind.SAC, [(0.0, 0.0, -55.0, 8.0), (0.0, 0.0, 65.0, 8.0)], wall_mm=0.3)
    root = tube("root_L4_right", TubeKind.ROOT, [(-7.0, -1.0, 14.0, 1.2), (-16.0, -4.0, 4.0, 1.5)], "L4", "right")
    ganglion = tube("drg_L4_right", TubeKind.GANGLION, [(-16.0, -4.0, 4.0, 2.5), (-20.0, -5.0, 0.0, 2.5)], "L4", "right")
    ramus = tube("ramus_L4_right", TubeKind.RAMUS, [(-20.0, -5.0, 0.0, 2.0), (-30.0, -12.0, -16.0, 2.0)], "L4", "right")
    artery = tube(
        "radicular_L4_right",
        TubeKind.RADICULAR_ARTERY,
        [(-34.0, -8.0, 6.0, 0.5), (-20.0, -6.0, 5.0, 0.5), (-8.0, -4.0, 12.0, 0.4)],
        "L4",
        "right",
        wall_mm=0.1,
        flow_mm_s=60.0,
    )
    vein = tube(
        "vein_L4_right",
        TubeKind.VEIN,
        [(-28.0, 4.0, -4.0, 1.0), (-9.0, -8.0, -4.0, 1.0)],
        "L4",
        "right",
        wall_mm=0.1,
        flow_mm_s=20.0,
    )
    tubes = (sac, root, ganglion, ramus, artery, vein)
    volume = slab_volume()
    _paint_box(volume, (-12.0, 12.0), (11.0, 15.0), (-60.0, 70.0), Tissue.LIGAMENTUM_FLAVUM)
    paint_tube(volume, root.nodes, Tissue.FORAMEN_FAT, 4.0)
    paint_tube(volume, ganglion.nodes, Tissue.FORAMEN_FAT, 3.5)
    paint_tube(volume, sac.nodes, Tissue.EPIDURAL_FAT, 3.0)
    paint_tube(volume, sac.nodes, Tissue.CSF)
    for nerve in (root, ganglion, ramus):
        paint_tube(volume, nerve.nodes, Tissue.NERVE)
    for vessel in (artery, vein):
        paint_tube(volume, vessel.nodes, Tissue.VESSEL)
    _paint_box(volume, (-33.0, -17.0), (14.0, 24.0), (10.0, 30.0), Tissue.BONE_CORTEX)
    bones = (box_bone("L4", (-25.0, 19.0, 20.0), (8.0, 5.0, 10.0)), sphere_bone("L5", (28.0, 10.0, -20.0), 9.0))
    landmarks = {
        "L4.centre": np.array([-25.0, 19.0, 20.0]),
        "L5.centre": np.array([28.0, 10.0, -20.0]),
        "foramen.L4.right": np.array([-17.0, -2.0, 5.0]),
        "foramen.L4.left": np.array([17.0, -2.0, 5.0]),
    }
    return Phantom("simple", bones, tubes, volume, flat_skin(), landmarks)


def slab_phantom(label: int = Tissue.MUSCLE, *, bones: tuple[Bone, ...] = (), tubes: tuple[Tube, ...] = ()) -> Phantom:
    """Return one tissue everywhere below the skin: the block of gel of a bench test."""
    volume = slab_volume(((-1e9, label),), (-40.0, -60.0, -40.0), (40.0, 64.0, 40.0))
    return Phantom("slab", bones, tubes, volume, flat_skin(), {})


@cache
def simple_plan() -> Plan:
    """Return a right L4 plan with its target in the foramen fat."""
    return Plan(
        level="L4",
        side="right",
        approach="subpedicular",
        target_mm=np.array([-17.0, 1.0, 6.0]),
        endplate_normal=np.array([0.0, 0.0, 1.0]),
        foramina={
            ("L4", "right"): np.array([-17.0, -2.0, 5.0]),
            ("L4", "left"): np.array([17.0, -2.0, 5.0]),
            ("L5", "right"): np.array([-18.0, -2.0, -30.0]),
            ("L5", "left"): np.array([18.0, -2.0, -30.0]),
        },
        medial_line_mm={("L4", "right"): -11.0, ("L4", "left"): 11.0, ("L5", "right"): -12.0, ("L5", "left"): 12.0},
        field_landmarks={"L4": np.array([-25.0, 19.0, 20.0]), "L5": np.array([28.0, 10.0, -20.0])},
    )


@cache
def simple_toolbox() -> Toolbox:
    """Return needles, tissues and needle constants from the project's data, agents and C-arm made up here."""
    needles, introducers = load_needles(DATA)
    more: dict[str, Any] = {"electrodes": _electrodes(), "leads": _leads(), "introducers": introducers}
    more |= {"anaesthetics": load_anaesthetics(DATA), "dermatomes": load_dermatomes(DATA)}
    return Toolbox(needles, _agents(), _tissues(), _carm(), _constants(), **more)


def study_of(phantom: Phantom, plan: Plan | None = None, toolbox: Toolbox | None = None, seed: int = 1) -> Study:
    """Return a Study around a phantom."""
    return Study("test", "0", "0", "0", seed, "practice", phantom, plan or simple_plan(), toolbox or simple_toolbox())


@cache
def simple_study() -> Study:
    """Return the study that most tests need."""
    return study_of(simple_phantom())


# --- tools ----------------------------------------------------------------------------------------


def _read(name: str) -> dict[str, Any]:
    path = DATA / name
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: v["value"] if isinstance(v, dict) else v for key, v in row.items()}


def _leads() -> tuple[Lead, ...]:
    return tuple(Lead(**_plain(row)) for row in _read("leads.toml")["lead"])


def _electrodes() -> tuple[Electrode, ...]:
    return tuple(Electrode(**_plain(row)) for row in _read("lesions.toml")["electrode"])


def _tissues() -> tuple[TissueRow, ...]:
    conductance = {"EPIDURAL_FAT": 1.0, "FORAMEN_FAT": 0.6, "MUSCLE": 1e-4, "FAT": 1e-3, "CSF": 1.0, "PSOAS": 1e-4}
    rows = {row["label"]: _plain(row) for row in _read("tissues.toml")["tissue"]}
    found = []
    for tissue in Tissue:
        values = {**rows[tissue.name], "label": int(tissue)}
        found.append(TissueRow(**values, conductance=conductance.get(tissue.name, 0.0), capacity=0.5))
    return tuple(found)


def _constants() -> dict[str, float]:
    flat: dict[str, float] = {}
    for file in ("needle_constants.toml", "spread.toml", "patient.toml", "lesions.toml", "leads.toml"):
        for group, entries in _read(file).items():
            if isinstance(entries, dict):
                flat.update({f"{group}.{name}": float(q["value"]) for name, q in entries.items() if isinstance(q, dict)})
    return flat


def _agents() -> tuple[Agent, ...]:
    return (
        Agent("iohexol 300", "contrast", False, 300.0, 0.0),
        Agent("lidocaine 1%", "local_anaesthetic", False, 0.0, 10.0),
        Agent("dexamethasone", "steroid", False, 0.0, 4.0),
        Agent("triamcinolone", "steroid", True, 0.0, 40.0),
        Agent("saline", "saline", False, 0.0, 0.0),
    )


def _carm() -> CArm:
    return CArm(
        sdd_mm=1000.0,
        sod_mm=600.0,
        detector_mm=(220.0, 150.0, 110.0),
        angle_speed_mdeg_s=10_000,
        slide_speed_um_s=50_000,
        reference_point_mm=500.0,
        curve_thickness_mm=np.array([50.0, 150.0, 250.0, 350.0]),
        curve_kvp=np.array([60.0, 70.0, 80.0, 100.0]),
        curve_mas=np.array([0.1, 0.3, 0.8, 2.0]),
        kerma_ugy_per_mas_1m=np.array([30.0, 45.0, 60.0, 95.0]),
        curve_beam_kvp=np.array([60.0, 70.0, 80.0, 100.0]),
    )


# --- shapes ---------------------------------------------------------------------------------------


def _paint_box(volume: LabelVolume, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], label: int) -> None:
    cut = []
    for c, (low, high) in enumerate((x, y, z)):
        axis = volume.origin_mm[c] + volume.spacing_mm * np.arange(volume.labels.shape[c])
        cut.append(slice(*np.searchsorted(axis, [low, high])))
    volume.labels[cut[0], cut[1], cut[2]] = label


def _grid(half: F64, spacing: float, margin: float = 6.0) -> tuple[F64, F64]:
    origin = -np.ceil((half + margin) / spacing) * spacing
    n = np.rint(-2.0 * origin / spacing).astype(int) + 1
    axes = [origin[c] + spacing * np.arange(n[c]) for c in range(3)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1), origin


def _bone(
    name: str, centre: F64, origin: F64, spacing: float, d: F64, vertices: NDArray[np.float32], faces: NDArray[np.int32]
) -> Bone:
    return Bone(
        name,
        np.eye(3),
        centre.astype(np.float64),
        origin,
        spacing,
        np.rint(d * 100.0).astype(np.int16),
        vertices,
        faces,
        (0.8 * vertices).astype(np.float32),
        faces,
    )


def _box_mesh(half: F64) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32) * half.astype(np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)


def _sphere_mesh(radius: float, rows: int = 12, columns: int = 24) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    polar = np.linspace(0.0, np.pi, rows + 1)[1:-1]
    around = 2.0 * np.pi * np.arange(columns) / columns
    ring = [[np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)] for p in polar for a in around]
    vertices = radius * np.array([[0.0, 0.0, 1.0], *ring, [0.0, 0.0, -1.0]], np.float32)
    last = len(vertices) - 1
    faces = []
    for j in range(columns):
        k = (j + 1) % columns
        faces.append((0, 1 + j, 1 + k))
        for i in range(rows - 2):
            a, b = 1 + i * columns, 1 + (i + 1) * columns
            faces += [(a + j, b + j, b + k), (a + j, b + k, a + k)]
        base = 1 + (rows - 2) * columns
        faces.append((base + j, last, base + k))
    return vertices.astype(np.float32), np.array(faces, np.int32)
