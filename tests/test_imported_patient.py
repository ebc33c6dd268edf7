"""A synthetic real patient (a generated one drawn as CT, labels and meshes in another frame) becomes the same patient again."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from anatomy_assets.imports.patient import ImportOptions, import_patient
from anatomy_assets.imports.store import read_patient, write_patient
from scenarios import patients
from sim.errors import DataError, UsageError
from sim.fields import bone_distance_one
from sim.phantom import Phantom, Tissue
from sim.projector import Projector
from sim.scene import make_scene
from sim.subtraction import best_shift
from tests import make_ct
from tests.test_projector import view

pytestmark = pytest.mark.slow
SEED = 3


def quiet(what: str, share: float) -> None:
    """Show nothing."""


@pytest.fixture(scope="module")
def original() -> Phantom:
    return make_ct.person(SEED)


@pytest.fixture(scope="module")
def imported(original: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    """Labels in LAS-like order at 1 x 1 x 1.25 mm, the CT on another grid (2 x 2 x 2.5 mm, other directions), noise 15 HU."""
    folder = tmp_path_factory.mktemp("ct")
    affine, shape = make_ct.lumbar_grid(original)
    labels = make_ct.save_nifti(folder / "labels.nii.gz", make_ct.label_map(original, affine, shape), affine, descrip=b"Doe^John")
    affine, shape = make_ct.body_grid(original, (2.0, 2.0, 2.5))
    scan = make_ct.save_nifti(folder / "ct.nii.gz", make_ct.ct(original, affine, shape), affine)
    return import_patient(labels, ImportOptions(ct=scan, spacing_mm=1.0, keep_ct=True), quiet)


def offset(made: Phantom) -> np.ndarray:
    """What takes the imported patient's frame to the original's."""
    return -np.array(made.individual["source_to_patient_mm"]) - make_ct.SHIFT_MM


def errors(original: Phantom, made: Phantom, pattern: str) -> np.ndarray:
    """Distances (mm) of the landmarks of a kind."""
    names = [n for n in original.landmarks if re.fullmatch(pattern, n) and n in made.landmarks]
    assert names
    d = np.array([made.landmarks[n] + offset(made) - original.landmarks[n] for n in names])
    return np.sqrt((d * d).sum(1))


def surface_errors(original: Phantom, made: Phantom) -> dict[str, float]:
    """Mean |distance| (mm) of the original's surface points to the imported bone (its main piece: islands are not imported)."""
    out = {}
    for index, bone in enumerate(made.bones):
        true = original.bone(bone.name)
        pieces = trimesh.Trimesh(true.shell_vertices, true.shell_faces, process=False).split(only_watertight=False)
        main = max(pieces, key=lambda p: float(p.area))
        points = true.to_patient(np.asarray(main.vertices))[::9] - offset(made)
        out[bone.name] = float(np.mean([abs(bone_distance_one(made.fields, index, *p)) for p in points]))
    return out


def test_bones_lie_where_they_lay(original: Phantom, imported: Phantom) -> None:
    found = surface_errors(original, imported)
    assert set(found) == {b.name for b in original.bones}
    own = {n: v for n, v in found.items() if n not in imported.modelled}
    assert set(own) == set(make_ct.NUMBERS), "only what the source names is the patient's own"
    assert max(own.values()) < 0.5, found
    assert set(found) - set(own) == {"coccyx"}  # TotalSegmentator does not label it: the model's, hung on the sacrum
    assert found["coccyx"] < 6.0


def test_landmarks_are_found_on_the_bones(original: Phantom, imported: Phantom) -> None:
    level = r"L\d\."
    assert errors(original, imported, level + r"endplate\.(superior|inferior)").mean() < 0.8
    assert errors(original, imported, level + r"foramen\.\w+\.centre").mean() < 2.0
    assert errors(original, imported, level + r"pedicle\.\w+\.centre").mean() < 1.5
    assert errors(original, imported, level + r"transverse\.\w+\.tip").mean() < 1.0
    assert errors(original, imported, level + r"spinous\.tip").mean() < 1.0
    assert errors(original, imported, level + r"wall\.\w+").mean() < 1.0
    aimed = errors(original, imported, r"target\.subpedicular\.L\d\.\w+")
    assert np.median(aimed) < 1.5
    assert aimed.max() < 3.0  # L5: its pedicle has no outer border that could be measured
    for n in [n for n in original.landmarks if n.endswith("endplate.superior.normal") and n.startswith("L")]:
        assert float((original.landmarks[n] * imported.landmarks[n]).sum()) > np.cos(np.radians(3.0))


def test_skin_and_density_come_from_the_ct(original: Phantom, imported: Phantom) -> None:
    shift = offset(imported)
    for name in ("L2", "L4"):
        p = imported.landmarks[f"skin.{name}.spinous"] + shift
        assert abs(p[1] - original.landmarks[f"skin.{name}.spinous"][1]) < 3.0
    assert imported.measures["trabecular_hu.L3"] == pytest.approx(make_ct.HU[Tissue.BONE_CANCELLOUS], abs=8.0)
    assert "skin" not in imported.modelled
    assert {"nerves", "vessels"} <= set(imported.modelled)


def test_pictures_are_drawn_through_the_kept_ct(imported: Phantom, tmp_path: Path) -> None:
    """The CT's picture is that of the meshes but for the soft parts' edges and the scan's blur, and survives the file."""
    write_patient(tmp_path / "kept.phantom", imported)
    read = read_patient(tmp_path / "kept.phantom")
    assert read.content_hash == imported.content_hash == replace(imported, scan=None).content_hash
    assert read.scan is not None and imported.scan is not None
    assert read.scan.content_hash == imported.scan.content_hash
    through, meshes = make_scene(read), make_scene(replace(read, scan=None))
    assert through.scan is not None and meshes.scan is None
    for primary in (0, 90_000):
        now = view(primary, 0, centre=(0, 0, 60_000), magnification=2, needle=np.array([[8.0, 90.0, 60.0], [8.0, 20.0, 60.0]]))
        a, b = (Projector(scene).line_integrals_60kev(now, 128) for scene in (through, meshes))
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.8, "the drawn CT has less mineral than our bones"
        assert np.median(np.abs(a - b)) < 0.1 * np.median(b)
        inside = np.zeros(a.shape, bool)
        inside[10:-10, 10:-10] = True
        columns, rows = best_shift(a, b, inside)
        assert abs(columns) < 1.5 and abs(rows) < 1.5, "pixels of 0.8 mm at the isocentre"
    (tmp_path / "altered.phantom").write_bytes((tmp_path / "kept.phantom").read_bytes())
    other = replace(read.scan, hu=(read.scan.hu + 1).astype(np.int16))
    with zipfile.ZipFile(tmp_path / "kept.phantom") as good, zipfile.ZipFile(tmp_path / "altered.phantom", "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name == "scan_hu.npy":
                out = io.BytesIO()
                np.save(out, other.hu)
                content = out.getvalue()
            bad.writestr(name, content)
    with pytest.raises(DataError, match="altered"):
        read_patient(tmp_path / "altered.phantom")


def test_keeping_needs_a_ct() -> None:
    with pytest.raises(UsageError, match="--ct"):
        ImportOptions(keep_ct=True)


def test_nothing_identifying_is_kept(imported: Phantom) -> None:
    assert "Doe" not in repr(dict(imported.individual))


def passed(path: Path, scenario: str, out: Path) -> tuple[str, Path]:
    """Let the expert do a scenario on a patient's file; the study's name and the record."""
    from commands.joints import attempt, on_patient

    name = on_patient(scenario, path)
    assert name is not None
    public, paths = attempt(name, "expert", 1, out, "practice", quiet, pictures=False)
    assert public["passed"], public
    return name, paths[0]


def test_expert_passes_and_the_record_names_the_patient(
    imported: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands.joints import verdict_of

    monkeypatch.setenv(patients.PATHS, "")
    write_patient(tmp_path / "p.phantom", imported)
    _, record = passed(tmp_path / "p.phantom", "tfesi-l4l5-right", tmp_path / "run")
    assert verdict_of(record).status == "verified"
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Modelled, not the patient" in page
    assert "thecal sac, nerves, vessels" in page
    monkeypatch.setenv(patients.PATHS, "")
    patients.find_patient.cache_clear()
    assert "say --patient" in verdict_of(record).reason


def test_a_vascular_scenario_runs_and_replays_on_a_real_patient(
    imported: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trap is made from the file again at every replay; the expert sees the flow, stops and moves."""
    from commands.joints import verdict_of

    monkeypatch.setenv(patients.PATHS, "")
    write_patient(tmp_path / "p.phantom", imported)
    _, record = passed(tmp_path / "p.phantom", "tfesi-l4l5-right-vascular", tmp_path / "run")
    patients.trapped.cache_clear()
    assert verdict_of(record).status == "verified"


def test_a_label_map_alone_is_enough(original: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """L4, L5 and the sacrum at 1.5 mm without a CT: the rest, the skin too, is the model's and said so."""
    monkeypatch.setenv(patients.PATHS, "")
    some = {n: make_ct.NUMBERS[n] for n in ("L4", "L5", "S")}
    affine, shape = make_ct.lumbar_grid(original, (1.5, 1.5, 1.5), (1, -1, -1))
    labels = make_ct.save_nifti(tmp_path / "labels.nii.gz", make_ct.label_map(original, affine, shape, some), affine)
    made = import_patient(labels, ImportOptions(spacing_mm=1.2), quiet)
    assert {"skin", "fat", "L3", "ilium_left"} <= set(made.modelled)
    assert not set(some) & set(made.modelled)
    write_patient(tmp_path / "p.phantom", made)
    passed(tmp_path / "p.phantom", "tfesi-l4l5-left", tmp_path / "run")


def test_a_part_of_a_spine_moves_the_task_to_a_whole_level(
    original: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2 and L3 alone as meshes: the rest is the model's, and only the foramen between them may be aimed at."""
    for name in ("L2", "L3"):
        bone = original.bone(name)
        mesh = trimesh.Trimesh(bone.to_patient(bone.shell_vertices) + make_ct.SHIFT_MM, bone.shell_faces, process=False)
        mesh.export(tmp_path / f"vertebrae_{name}.stl")
    made = import_patient(tmp_path, ImportOptions(spacing_mm=1.2), quiet)
    found = surface_errors(original, made)
    assert max(found["L2"], found["L3"]) < 0.3
    assert {"L4", "L5", "S"} <= set(made.modelled)
    assert {n.split(".")[2] for n in made.landmarks if n.startswith("target.subpedicular.")} == {"L2"}
    from scenarios.registry import find_scenario

    for name in ("tfesi-l4l5-right", "tfesi-l4l5-right-vascular"):
        moved = patients.adapted(find_scenario(name).file, made)
        assert moved.target.level == "L2"
        assert "Modelled, not the patient's own: " in moved.patient.history
    monkeypatch.setenv(patients.PATHS, "")
    write_patient(tmp_path / "p.phantom", made)
    passed(tmp_path / "p.phantom", "tfesi-l4l5-right", tmp_path / "run")
