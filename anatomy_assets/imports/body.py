"""What a model adds to a patient's bones: nerves, vessels, skin, tissue labels, targets - and what a CT knows better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import marching_cubes

from anatomy_assets.imports.field import Solid
from anatomy_assets.landmarks import BELOW, measured, skin_marks, spine
from anatomy_assets.patient import Z_LOW_MM, _kept, _top
from anatomy_assets.skin import Trunk
from anatomy_assets.soft import Habitus, dress
from anatomy_assets.soft_tissue import Endplates
from anatomy_assets.tables import number
from anatomy_assets.tubes import obstacles
from sim.phantom import Bone, LabelVolume, Phantom, Skin, Tissue

F64 = NDArray[np.float64]
Progress = Callable[[str, float], None]
MODELLED_TISSUES = (
    "thecal sac",
    "nerves",
    "vessels",
    "ligaments",
    "discs",
    "joints",
    "muscle borders",
    "fat of canal and foramina",
)


@dataclass(frozen=True)
class Body:
    """A CT as far as an import keeps it: HU (nx, ny, nz) int16 on an orthogonal LPS grid, and which voxels are body."""

    hu: NDArray[np.int16]
    inside: NDArray[np.bool_]
    origin_mm: F64
    spacing_mm: F64

    def moved(self, shift: F64) -> Body:
        """Return the body in a frame moved by `shift`."""
        return replace(self, origin_mm=self.origin_mm + shift)

    def index(self, points: F64) -> F64:
        """Return voxel coordinates of LPS points (..., 3)."""
        return np.asarray((points - self.origin_mm) / self.spacing_mm, np.float64)

    def mean_hu(self, centre: F64, radius_mm: float) -> float | None:
        """Return the mean HU in a ball; None where it leaves the CT."""
        low = np.floor(self.index(centre - radius_mm)).astype(int)
        high = np.ceil(self.index(centre + radius_mm)).astype(int) + 1
        if (low < 0).any() or (high > np.array(self.hu.shape)).any():
            return None
        axes = [self.origin_mm[a] + self.spacing_mm[a] * np.arange(low[a], high[a]) - centre[a] for a in range(3)]
        x, y, z = np.meshgrid(*axes, indexing="ij")
        ball = x * x + y * y + z * z <= radius_mm * radius_mm
        return float(self.hu[low[0] : high[0], low[1] : high[1], low[2] : high[2]][ball].mean())


def dressed(
    name: str,
    bones: tuple[Bone, ...],
    marks: Mapping[str, F64],
    plates: Mapping[str, tuple[float, float, float, float]],
    missing: Sequence[str],
    body: Body | None,
    organs: Mapping[str, Solid],
    story: dict[str, Any],
    bmi: float | None,
    progress: Progress,
) -> Phantom:
    """Return the phantom of placed bones: nerves, targets, vessels, skin and labels added and told."""
    sp = spine(measured(marks, obstacles(bones)))
    weight = bmi if bmi is not None else number("soft_tissue", "trunk.bmi_mean")
    fit = None if body is None else lambda outline: _fitted(outline, body)
    ends = _plates(plates, sp.marks)
    soft = dress(sp, bones, ends, Habitus(weight, 0.0, "male"), 0, None, (Z_LOW_MM, _top(sp)), progress, fit)
    modelled = [*missing, *MODELLED_TISSUES]
    back, labels = soft.skin, soft.volume
    if body is None:
        modelled += ["skin", "fat", "organs"]
    else:
        back, labels = with_body(back, labels, body)
        modelled += [] if organs else ["organs"]
    labels = with_organs(labels, organs)
    added = {k: v for k, v in soft.landmarks.items() if not k.startswith("skin.") and _whole(_level_of(k), missing)}
    kept = {k: _kept(k, v) for k, v in sp.marks.items()} | added
    story = story | {"modelled": modelled, "bmi": None if bmi is None else round(bmi, 1), "posture": "as in the source"}
    story |= {"below": dict(BELOW), "seed": 0}
    measures = {k: v for k, v in soft.measures.items() if not k.startswith("corridor.") or _whole(_level_of(k), missing)}
    measures |= _bone_density(kept, story["levels"], body)
    shown = Phantom("skin", (), (), labels, back, {}).fields
    normals = {k: n for k, n in soft.ways.items() if _whole(k[1] if len(k) > 1 else "S", missing)}
    kept |= skin_marks(kept, shown, normals)
    return Phantom(name, bones, soft.tubes, labels, back, kept, measures, story, tuple(modelled))


def _level_of(name: str) -> str:
    """Return the level in a name like target.<approach>.<level>.<side>; those without one belong to the sacrum."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 else "S"


def _whole(level: str, missing: Sequence[str]) -> bool:
    """Return whether a level and the bone below it are the patient's own."""
    below = BELOW.get(level, "S")
    names = {level if level not in ("S1", "S") else "S", "S" if below == "S1" else below}
    return not names & set(missing)


def _plates(sizes: Mapping[str, tuple[float, float, float, float]], marks: Mapping[str, F64]) -> dict[str, Endplates]:
    out = {name: Endplates(*size) for name, size in sizes.items()}
    low = out["L5"]
    deep = marks["S.promontory"] - marks["S1.wall.posterior"]
    half = 0.5 * float(np.sqrt((deep * deep).sum()))
    out["S1"] = Endplates(low.low_width, half, low.low_width, half)
    return out


def _bone_density(marks: Mapping[str, F64], levels: Sequence[str], body: Body | None) -> dict[str, float]:
    """Return the mean HU of the spongiosa of each body: a ball of 7 mm before its middle, as opportunistic CT reads it."""
    out: dict[str, float] = {}
    for level in levels if body is not None else ():
        if f"{level}.body.centre" in marks:
            mean = body.mean_hu(marks[f"{level}.body.centre"], 7.0)
            if mean is not None:
                out[f"trabecular_hu.{level}"] = round(mean, 1)
    return out


def _fitted(t: Trunk, body: Body) -> Trunk:
    """Return the model's outline with the midline, width and depth of the body at each height that the CT shows."""
    middle, back, half, behind, before = (a.copy() for a in (t.middle_x, t.back_y, t.half_width, t.back_depth, t.front_depth))
    seen = np.zeros(len(t.z), bool)
    for k, z in enumerate(t.z):
        slice_ = round((z - body.origin_mm[2]) / body.spacing_mm[2])
        if not 0 <= slice_ < body.inside.shape[2] or not body.inside[:, :, slice_].any():
            continue
        i, j = np.nonzero(body.inside[:, :, slice_])
        x, y = body.origin_mm[0] + body.spacing_mm[0] * i, body.origin_mm[1] + body.spacing_mm[1] * j
        seen[k] = True
        middle[k] = 0.5 * (x.min() + x.max())
        half[k] = 0.5 * (x.max() - x.min()) + 0.5 * body.spacing_mm[0]
        near = np.abs(x - middle[k]) < 25.0
        back[k] = y[near].max() + 0.5 * body.spacing_mm[1]
        deep = back[k] - y[near].min()
        behind[k], before[k] = 0.45 * deep, 0.55 * deep
    if not seen.any():
        return t
    rows = [np.interp(t.z, t.z[seen], values[seen]) for values in (middle, back, half, behind, before)]
    return Trunk(t.z, *rows)


def with_body(back: Skin, labels: LabelVolume, body: Body) -> tuple[Skin, LabelVolume]:
    """Return skin and labels with the CT's surface, fat and muscle where the CT shows them."""
    out = labels.labels.copy()
    h = labels.spacing_mm
    nx, ny, nz = out.shape
    x = labels.origin_mm[0] + h * np.arange(nx)
    y = labels.origin_mm[1] + h * np.arange(ny)
    inside = np.zeros(out.shape, bool)
    seen = np.zeros(nz, bool)
    limits = [number("imports", f"hu.{k}") for k in ("fat_below", "muscle_above", "muscle_below", "air")]
    bony = np.isin(np.arange(256), [int(t) for t in _KEEP])
    for k in range(nz):
        z = labels.origin_mm[2] + h * k
        index = body.index(np.array([0.0, 0.0, z]))[2]
        if not 0.0 <= index <= body.hu.shape[2] - 1:
            inside[:, :, k] = out[:, :, k] != int(Tissue.AIR)
            continue
        seen[k] = True
        rows = [(x - body.origin_mm[0]) / body.spacing_mm[0], (y - body.origin_mm[1]) / body.spacing_mm[1]]
        at = np.stack(np.meshgrid(*rows, indexing="ij"))
        low = int(index)
        high, t = min(low + 1, body.hu.shape[2] - 1), index - low
        within = _plane(body.inside[:, :, low].astype(np.float32), body.inside[:, :, high].astype(np.float32), t, at, 0.0)
        hu = _plane(body.hu[:, :, low].astype(np.float32), body.hu[:, :, high].astype(np.float32), t, at, -1000.0)
        inside[:, :, k] = within > 0.5
        _relabel(out[:, :, k], inside[:, :, k], hu, limits, bony)
    depth = ndimage.distance_transform_edt(inside, sampling=h)
    rim = (depth > 0) & (depth <= number("soft_tissue", "trunk.skin_mm")) & seen[None, None, :]
    out[rim & ~bony[out]] = int(Tissue.SKIN)
    out[~inside] = int(Tissue.AIR)
    return _ct_skin(back, inside, labels), LabelVolume(out, labels.origin_mm, h)


_KEEP = (
    *(Tissue.BONE_CORTEX, Tissue.BONE_CANCELLOUS, Tissue.NERVE, Tissue.VESSEL, Tissue.CSF, Tissue.EPIDURAL_FAT),
    *(Tissue.FORAMEN_FAT, Tissue.DISC_ANNULUS, Tissue.DISC_NUCLEUS, Tissue.FACET_JOINT, Tissue.LIGAMENTUM_FLAVUM),
    *(Tissue.INTERSPINOUS_LIGAMENT,),
)
"""Labels that HU do not overrule: placed by the bones and the tubes."""
_MUSCLES = (Tissue.MUSCLE, Tissue.PSOAS, Tissue.QUADRATUS, Tissue.FASCIA)


def _plane(a: NDArray[np.float32], b: NDArray[np.float32], t: float, at: F64, outside: float) -> NDArray[np.float32]:
    return np.asarray(ndimage.map_coordinates(a * (1.0 - t) + b * t, at, order=1, mode="constant", cval=outside), np.float32)


def _relabel(labels: NDArray[np.uint8], inside: NDArray[np.bool_], hu: F64, limits: list[float], keep: NDArray[np.bool_]) -> None:
    """Set fat, muscle and bowel gas of one slice by their HU, where no bone or tube decides."""
    fat, low, high, air = limits
    free = inside & ~keep[labels]
    muscle = np.isin(labels, [int(t) for t in _MUSCLES])
    labels[free & (labels == int(Tissue.AIR))] = int(Tissue.FAT)
    labels[free & np.isin(labels, (int(Tissue.SKIN),))] = int(Tissue.FAT)
    labels[free & muscle & (hu < fat)] = int(Tissue.FAT)
    labels[free & (labels == int(Tissue.FAT)) & (hu > low) & (hu < high)] = int(Tissue.MUSCLE)
    inner = np.isin(labels, (int(Tissue.ABDOMEN), int(Tissue.BOWEL_GAS), int(Tissue.RETROPERITONEUM)))
    labels[free & (labels == int(Tissue.BOWEL_GAS)) & (hu > air)] = int(Tissue.ABDOMEN)
    labels[free & inner & (hu < air)] = int(Tissue.BOWEL_GAS)


def _ct_skin(back: Skin, inside: NDArray[np.bool_], labels: LabelVolume) -> Skin:
    """Return the height field and the closed mesh of the body as the CT shows it."""
    h, origin = labels.spacing_mm, labels.origin_mm
    smooth = ndimage.gaussian_filter(inside.astype(np.float32), 1.2)
    nx, nz = back.y_mm.shape
    y = back.y_mm.copy()
    for i in range(nx):
        column = round((back.x0_mm + back.step_mm * i - origin[0]) / h)
        if not 0 <= column < inside.shape[0]:
            continue
        for k in range(nz):
            level = round((back.z0_mm + back.step_mm * k - origin[2]) / h)
            line = smooth[column, :, min(max(level, 0), inside.shape[2] - 1)]
            hit = np.flatnonzero(line > 0.5)
            if len(hit):
                j = int(hit[-1])
                nxt = line[j + 1] if j + 1 < len(line) else 0.0
                share = (line[j] - 0.5) / max(float(line[j] - nxt), 1e-6)
                y[i, k] = origin[1] + h * (j + min(max(share, 0.0), 1.0))
    padded = np.pad(smooth[::3, ::3, ::3], 1)
    vertices, faces, _, _ = marching_cubes(padded, 0.5, gradient_direction="ascent")
    points = origin + 3.0 * h * (vertices - 1.0)
    return Skin(y, back.x0_mm, back.z0_mm, back.step_mm, points.astype(np.float32), faces.astype(np.int32))


def with_organs(labels: LabelVolume, organs: Mapping[str, Solid]) -> LabelVolume:
    """Return labels with the source's own kidneys in place of the model's."""
    kidneys = [organs[n] for n in ("kidney_left", "kidney_right") if n in organs]
    if not kidneys:
        return labels
    out = labels.labels.copy()
    out[out == int(Tissue.KIDNEY)] = int(Tissue.RETROPERITONEUM)
    soft = np.isin(np.arange(256), [int(t) for t in (Tissue.RETROPERITONEUM, Tissue.ABDOMEN, Tissue.FAT, Tissue.BOWEL_GAS)])
    h = labels.spacing_mm
    for organ in kidneys:
        points = organ.inside_points()
        low = np.maximum(np.floor((points.min(0) - labels.origin_mm) / h).astype(int), 0)
        high = np.minimum(np.ceil((points.max(0) - labels.origin_mm) / h).astype(int) + 1, out.shape)
        if (high <= low).any():
            continue
        axes = [labels.origin_mm[a] + h * np.arange(low[a], high[a]) for a in range(3)]
        inside = organ.at(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)) < 0.0
        part = out[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
        part[inside & soft[part]] = int(Tissue.KIDNEY)
    return LabelVolume(out, labels.origin_mm, h)
