"""The assembled patient: tubes clear of bone, targets, vascular trap, labels, cache, determinism."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label as components

from anatomy_assets import cache, labels, patient, tables
from anatomy_assets.landmarks import LEVELS, SIDES, spine
from anatomy_assets.skin import skin, trunk
from anatomy_assets.targets import way_clearance, way_tubes
from anatomy_assets.tubes import bone_gap, clearance, nearest_tube, obstacles
from sim.errors import UsageError
from sim.fields import tissue_at
from sim.frames import gantry
from sim.phantom import Phantom, Tissue, Tube, TubeKind

NEURAL = (TubeKind.SAC, TubeKind.ROOT, TubeKind.GANGLION, TubeKind.RAMUS)
VASCULAR = (TubeKind.ARTERY, TubeKind.RADICULAR_ARTERY, TubeKind.VEIN)
TRAP = ("L4", "right")


@pytest.fixture(scope="module")
def adult() -> Phantom:
    return patient.build(0)


@pytest.fixture(scope="module")
def trapped() -> Phantom:
    return patient.build(0, patient.PatientOptions(vascular_trap=TRAP))


def of(phantom: Phantom, kinds: tuple[TubeKind, ...]) -> list[Tube]:
    return [t for t in phantom.tubes if t.kind in kinds]


def way(phantom: Phantom, approach: str, level: str, side: str) -> NDArray[np.float64]:
    base = f"corridor.{approach}.{level}.{side}"
    return gantry(int(phantom.measures[f"{base}.primary_mdeg"]), int(phantom.measures[f"{base}.secondary_mdeg"])).normal


def check_tubes(phantom: Phantom) -> None:
    free = obstacles(phantom.bones)
    for tube in phantom.tubes:
        bone, _ = clearance(free, tube.nodes)
        if tube.kind is TubeKind.BASIVERTEBRAL:
            continue  # the one kind that lies in bone
        assert bone >= -0.02, f"{tube.name} runs {-bone:.2f} mm inside bone"


def check_targets(phantom: Phantom) -> None:
    bones, nerve = obstacles(phantom.bones), obstacles(phantom.bones, of(phantom, NEURAL))
    vessels = obstacles((), of(phantom, VASCULAR))
    for level in LEVELS:
        for side in SIDES:
            p, n = phantom.landmark(f"target.subpedicular.{level}.{side}"), way(phantom, "subpedicular", level, side)
            room = 0.75 if level == "L5" else 0.99  # between ala, facet and crest the L5 triangle is small
            assert bone_gap(bones, *p)[0] >= room
            assert nearest_tube(nerve, *p, 9.0) >= 1.5, f"{level} {side}: nerve"
            assert way_clearance(bones, p, n, 120.0, 0.0) >= room, f"{level} {side}: bone on the way"
            assert nearest_tube(vessels, *p, 9.0) >= 3.0, f"{level} {side}: vessel at the target"
            assert way_tubes(vessels, p, n, 25.0) >= 3.0, f"{level} {side}: vessel on the way"
            down, back, out = in_foramen(phantom, level, side, p)
            assert 0.0 < down < 0.5, f"{level} {side}: {down:.2f} of the way from the pedicle above to the one below"
            assert 0.0 <= back < 0.85, f"{level} {side}: {back:.2f} of the way from the disc to the facet"
            assert out >= -1.5, f"{level} {side}: {-out:.1f} mm medial to the middle of the pedicle"
            assert tissue_at(phantom.fields, *p) in (Tissue.FORAMEN_FAT, Tissue.EPIDURAL_FAT)


def in_foramen(phantom: Phantom, level: str, side: str, p: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return where a point lies: share of the height down, share of the width back, mm lateral to the pedicle's middle."""
    front, behind, top, low = (
        phantom.landmark(f"{level}.foramen.{side}.{word}") for word in ("anterior", "posterior", "superior", "inferior")
    )
    other = "right" if side == "left" else "left"
    centre = phantom.landmark(f"{level}.pedicle.{side}.centre")
    outwards = centre - phantom.landmark(f"{level}.pedicle.{other}.centre")
    out = float((p - centre) @ outwards) / float(np.sqrt((outwards * outwards).sum()))
    fall, depth = low - top, behind - front
    return float((p - top) @ fall / (fall @ fall)), float((p - front) @ depth / (depth @ depth)), out


def check_infraneural(phantom: Phantom) -> None:
    """Kambin's triangle: below the ganglion, over the lower end plate, behind the disc, in front of the facet."""
    bones, nerve = obstacles(phantom.bones), obstacles(phantom.bones, of(phantom, NEURAL))
    for level in LEVELS:
        for side in SIDES:
            p, n = phantom.landmark(f"target.infraneural.{level}.{side}"), way(phantom, "infraneural", level, side)
            down, back, out = in_foramen(phantom, level, side, p)
            assert 0.5 < down < 1.0 and 0.0 < back < 1.0 and out >= -1.5, (level, side, down, back, out)
            ganglion = phantom.tubes[phantom.tube_index(f"ganglion_{level}_{side}")].nodes
            middle = ganglion[np.argmin(np.abs(ganglion[:, 0] - p[0])), :3]
            assert in_foramen(phantom, level, side, middle)[0] < down - 0.05, f"{level} {side}: not below the nerve"
            assert phantom.landmark(f"target.subpedicular.{level}.{side}")[2] > p[2] + 2.0
            assert bone_gap(bones, *p)[0] >= 0.75 and way_clearance(bones, p, n, 120.0, 0.0) >= 0.75
            assert nearest_tube(nerve, *p, 9.0) >= 1.5 and way_tubes(nerve, p, n, 60.0) >= 1.2
            assert tissue_at(phantom.fields, *p) in (Tissue.FORAMEN_FAT, Tissue.EPIDURAL_FAT)


def check_trap(phantom: Phantom) -> None:
    level, side = TRAP
    bones, nerve = obstacles(phantom.bones), obstacles(phantom.bones, of(phantom, NEURAL))
    vessels = obstacles((), of(phantom, VASCULAR))
    usual, other = phantom.landmark(f"target.subpedicular.{level}.{side}"), phantom.landmark(f"target.alternative.{level}.{side}")
    rng = np.random.default_rng(4)
    free = within = touched = 0
    for offset in rng.uniform(-2.5, 2.5, (1500, 3)):
        p = usual + offset
        if float((offset * offset).sum()) > 6.25 or bone_gap(bones, *p)[0] < 0.45 or nearest_tube(nerve, *p, 9.0) < 0.3:
            continue
        free += 1
        gap = nearest_tube(vessels, *p, 9.0)
        within += gap < 0.0
        touched += gap < 0.4
    assert free > 300
    assert touched == free
    assert within > 0.9 * free
    assert 4.0 <= float(np.sqrt(((other - usual) ** 2).sum())) <= 9.0
    assert nearest_tube(vessels, *other, 9.0) >= 1.0
    assert nearest_tube(nerve, *other, 9.0) >= 0.99
    assert way_tubes(vessels, other, way(phantom, "alternative", level, side), 60.0) >= 0.99
    assert way_clearance(bones, other, way(phantom, "alternative", level, side), 120.0, 0.0) >= 0.55
    assert tissue_at(phantom.fields, *other) in (Tissue.FORAMEN_FAT, Tissue.EPIDURAL_FAT)


def test_no_tube_passes_through_bone(adult: Phantom) -> None:
    check_tubes(adult)


def test_targets_are_clear(adult: Phantom) -> None:
    check_targets(adult)


def test_infraneural_targets_lie_below_the_nerve(adult: Phantom) -> None:
    check_infraneural(adult)


def test_trap_fills_the_usual_target(trapped: Phantom, adult: Phantom) -> None:
    check_trap(trapped)
    check_tubes(trapped)
    assert trapped.content_hash != adult.content_hash
    for name in adult.landmarks:
        assert np.array_equal(adult.landmark(name), trapped.landmark(name)), f"the trap moved {name}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 6])
def test_other_seeds(seed: int) -> None:
    made = patient.build(seed)
    check_tubes(made)
    check_targets(made)
    check_infraneural(made)
    check_trap(patient.build(seed, patient.PatientOptions(vascular_trap=TRAP)))


def test_each_foramen_holds_its_root(adult: Phantom) -> None:
    for level in LEVELS:
        for side in SIDES:
            base = f"{level}.foramen.{side}"
            top, low = adult.landmark(f"{base}.superior"), adult.landmark(f"{base}.inferior")
            ganglion = adult.tubes[adult.tube_index(f"ganglion_{level}_{side}")].nodes
            x = adult.landmark(f"{level}.pedicle.{side}.centre")[0]
            node = ganglion[np.argmin(np.abs(ganglion[:, 0] - x))]
            assert abs(node[0] - x) < 4.0
            share = (top[2] - node[2]) / (top[2] - low[2])
            assert 0.05 < share < 0.55, f"{level} {side}: ganglion at {share:.2f} of the foramen's height"
            assert adult.landmark(f"{base}.anterior")[1] - 6.0 < node[1] < adult.landmark(f"{base}.posterior")[1]


def test_root_ganglion_and_ramus_join(adult: Phantom) -> None:
    for level in (*LEVELS, "S1"):
        for side in SIDES:
            root, ramus = (adult.tubes[adult.tube_index(f"{w}_{level}_{side}")].nodes for w in ("root", "ramus"))
            assert np.array_equal(root[-1, :3], ramus[0, :3])
            sac = obstacles((), [adult.tubes[adult.tube_index("sac")]])
            assert nearest_tube(sac, *root[0, :3], 9.0) < 0.5, "the sleeve starts at the sac"


def test_left_and_right_differ(adult: Phantom) -> None:
    left = adult.tubes[adult.tube_index("root_L4_left")].nodes
    right = adult.tubes[adult.tube_index("root_L4_right")].nodes
    n = min(len(left), len(right))
    assert float(np.abs(left[:n, :3] - right[:n, :3] * np.array([-1.0, 1.0, 1.0])).max()) > 0.1


def test_label_numbers_match_the_enum() -> None:
    pairs = {"INTERSPINOUS": "INTERSPINOUS_LIGAMENT", "FLAVUM": "LIGAMENTUM_FLAVUM", "EPIDURAL": "EPIDURAL_FAT"}
    pairs |= {"FORAMEN": "FORAMEN_FAT", "ANNULUS": "DISC_ANNULUS", "NUCLEUS": "DISC_NUCLEUS", "CORTEX": "BONE_CORTEX"}
    pairs |= {"SUPRASPINOUS": "SUPRASPINOUS_LIGAMENT", "LONGITUDINAL": "LONGITUDINAL_LIGAMENT", "CAPSULE": "FACET_CAPSULE"}
    pairs |= {"CANCELLOUS": "BONE_CANCELLOUS", "FACET": "FACET_JOINT", "RETRO": "RETROPERITONEUM", "GAS": "BOWEL_GAS"}
    same = ("AIR", "SKIN", "FAT", "FASCIA", "MUSCLE", "PSOAS", "QUADRATUS", "CSF", "NERVE", "ABDOMEN", "KIDNEY", "VESSEL")
    same = (*same, "MULTIFIDUS", "LUNG", "PLEURA", "LIVER", "SPLEEN")
    for ours, theirs in (pairs | {s: s for s in same}).items():
        assert getattr(labels, ours) == Tissue[theirs]


def test_every_tissue_is_there(adult: Phantom) -> None:
    absent = {Tissue.LUNG, Tissue.PLEURA}  # only where the section reaches that high
    absent |= {Tissue.METAL, Tissue.VACUUM}  # only with findings
    assert {int(t) for t in Tissue if t not in absent} <= set(np.unique(adult.volume.labels))


def test_canal_and_foramina_are_one_space(adult: Phantom) -> None:
    v = adult.volume
    fat = np.isin(v.labels, [Tissue.EPIDURAL_FAT, Tissue.FORAMEN_FAT])
    space, _ = components(fat)
    counts = np.bincount(space.ravel())
    counts[0] = 0
    main = int(np.argmax(counts))
    for level in LEVELS:
        for side in SIDES:
            for approach in ("subpedicular", "alternative"):
                p = adult.landmark(f"target.{approach}.{level}.{side}")
                i, j, k = np.floor((p - v.origin_mm) / v.spacing_mm + 0.5).astype(int)
                assert space[i, j, k] == main, f"{approach} {level} {side} is cut off from the canal"
    near = np.zeros_like(fat)
    inside = space == main
    for axis in range(3):
        near |= np.roll(inside, 1, axis) | np.roll(inside, -1, axis)
    dorsal = (Tissue.MUSCLE, Tissue.MULTIFIDUS)  # which of them borders the fat hangs on the person's muscles
    for outlet in ((Tissue.PSOAS,), (Tissue.RETROPERITONEUM,), dorsal):
        assert (near & np.isin(v.labels, outlet)).sum() > 50, f"no way out of the foramina to {outlet[0].name}"


def test_skin_to_epidural_depth(adult: Phantom) -> None:
    """Midline skin to epidural fat, published means 41-57 mm (anatomy tables, depth by level)."""
    v = adult.volume
    for level in ("L2", "L3", "L4"):
        z = adult.landmark(f"target.interlaminar.{level}")[2]
        i = int(np.floor(-v.origin_mm[0] + 0.5))
        column = v.labels[i, :, int(np.floor(z - v.origin_mm[2] + 0.5))]
        skin = np.flatnonzero(column)[-1]
        epidural = np.flatnonzero(column == Tissue.EPIDURAL_FAT)[-1]
        assert 38.0 <= float(skin - epidural) <= 60.0


def test_skin_marks_lie_on_the_way(adult: Phantom) -> None:
    for level in LEVELS:
        for side in SIDES:
            p, q = adult.landmark(f"target.subpedicular.{level}.{side}"), adult.landmark(f"skin.subpedicular.{level}.{side}")
            d = q - p
            n = way(adult, "subpedicular", level, side)
            assert 45.0 < float(np.sqrt((d * d).sum())) < 130.0
            assert np.allclose(d / np.sqrt((d * d).sum()), n, atol=1e-3)


def test_body_mass_changes_the_trunk(adult: Phantom) -> None:
    marks = spine(adult.landmarks)
    slim, heavy = (skin(trunk(marks, bmi, 0.0, -80.0, 180.0)) for bmi in (21.0, 34.0))
    p = adult.landmark("skin.L4.spinous")
    i, k = int((p[0] - slim.x0_mm) / 2.0), int((p[2] - slim.z0_mm) / 2.0)
    deeper = heavy.y_mm[i + (heavy.y_mm.shape[0] - slim.y_mm.shape[0]) // 2, k] - slim.y_mm[i, k]
    assert deeper > 8.0
    assert np.ptp(heavy.surface_vertices[:, 0]) > np.ptp(slim.surface_vertices[:, 0]) + 40.0


@pytest.mark.slow
def test_two_bakes_are_equal() -> None:
    first, second = (patient.build(3, use_cache=False) for _ in range(2))
    assert first.content_hash == second.content_hash
    assert first.content_hash != patient.build(0).content_hash


def test_cache_returns_the_same_patient(adult: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOTTIE_CACHE_DIR", str(tmp_path))
    assert cache.save("a", adult)
    again = cache.load("a")
    assert again is not None and again.content_hash == adult.content_hash
    assert again.measures == adult.measures and again.individual == adult.individual
    path = tmp_path / "phantoms" / "a.npz"
    assert path.stat().st_size < 45e6
    path.write_bytes(path.read_bytes()[:-5000])
    assert cache.load("a") is None and not path.exists()


def test_altered_cache_is_not_used(adult: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOTTIE_CACHE_DIR", str(tmp_path))
    assert cache.save("a", adult)
    path = tmp_path / "phantoms" / "a.npz"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(bytes(raw))
    found = cache.load("a")
    assert found is None or found.content_hash == adult.content_hash


def test_unwritable_cache_only_costs_time(adult: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("SCOTTIE_CACHE_DIR", str(blocked))
    assert cache.save("a", adult) is False
    assert cache.load("a") is None


def test_cache_is_bounded(adult: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOTTIE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "KEEP", 2)
    small = Phantom("s", (), (), adult.volume, adult.skin, {})
    for name in "abc":
        assert cache.save(name, small)
    assert len(list((tmp_path / "phantoms").glob("*.npz"))) == 2


@pytest.mark.parametrize("wrong", [{"sex": "x"}, {"bmi": 60.0}, {"age": 5}, {"vascular_trap": ("L9", "left")}])
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        patient.PatientOptions(**wrong)  # type: ignore[arg-type]


def test_tables_carry_unit_source_status() -> None:
    for name in ("neurovascular", "soft_tissue", "materials"):
        for rows in tables.table(name).values():
            for row in rows.values():
                assert row["status"] in tables.STATUS
                assert re.search(r"\w", row["source"])
