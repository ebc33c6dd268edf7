"""Phantom files of imported patients: registration, round trip, distrust, and the scenarios that run on them."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from anatomy_assets.imports import patient, store
from anatomy_assets.imports.registration import fit
from scenarios import patients
from sim.errors import DataError, UsageError
from sim.phantom import Phantom
from tests.make_phantom import simple_phantom


def test_registration_finds_size_place_and_bend() -> None:
    rng = np.random.default_rng(3)
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=1.0)
    model = np.asarray(mesh.vertices) * [30.0, 20.0, 12.0] + np.outer(np.asarray(mesh.vertices)[:, 0] ** 3, [0.0, 14.0, 6.0])
    marks = model[rng.integers(len(model), size=30)]

    def bent(p: np.ndarray) -> np.ndarray:
        q = 1.12 * p + [5.0, -7.0, 100.0]
        q[:, 2] += 0.002 * (q[:, 0] - 5.0) ** 2
        return q

    found = fit(model, bent(model))
    assert np.sqrt(((found.carry(marks) - bent(marks)) ** 2).sum(1)).mean() < 0.8
    assert found.scale == pytest.approx(1.12, abs=0.05)


def test_phantom_file_round_trip_and_distrust(tmp_path: Path) -> None:
    made = simple_phantom()
    path = tmp_path / "p.phantom"
    store.write_patient(path, made)
    again = store.read_patient(path)
    assert again.content_hash == made.content_hash == store.content_hash_of(path)
    raw = path.read_bytes()
    (tmp_path / "cut.phantom").write_bytes(raw[: len(raw) // 2])
    (tmp_path / "text.phantom").write_text("hello")
    for name in ("cut", "text"):
        with pytest.raises(DataError, match="damaged"):
            store.read_patient(tmp_path / f"{name}.phantom")
    with pytest.raises(UsageError, match=r"expected a \.phantom"):
        store.read_patient(tmp_path / "none.phantom")
    bomb = tmp_path / "bomb.phantom"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("phantom_file.npy", bytes(40_000_000))
    with pytest.raises(DataError, match="unpacks to"):
        store.read_patient(bomb)
    with pytest.raises(UsageError, match="phantom"):
        store.write_patient(tmp_path / "p.npz", made)


def test_altered_phantom_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "p.phantom"
    store.write_patient(path, simple_phantom())
    with zipfile.ZipFile(path) as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    nodes = np.load(io.BytesIO(parts["tube_nodes.npy"]))
    nodes[0, 0] += 1.0
    out = io.BytesIO()
    np.save(out, nodes)
    parts["tube_nodes.npy"] = out.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match="altered"):
        store.read_patient(path)


def test_studies_name_their_patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(patients.PATHS, "")
    path = tmp_path / "p.phantom"
    store.write_patient(path, simple_phantom())
    with pytest.raises(UsageError, match="say --patient"):
        patients.find_patient(simple_phantom().content_hash[:16])
    name = patients.on_patient("tfesi-l4l5-right", path)
    assert patients.split(name) == ("tfesi-l4l5-right", simple_phantom().content_hash[:16])
    assert patients.find_patient(patients.split(name)[1]).content_hash == simple_phantom().content_hash
    assert patients.on_patient("x", None) == "x"
    with pytest.raises(UsageError, match="no such file"):
        patients.register(tmp_path / "none")


@pytest.mark.parametrize(
    "wrong", [{"naming": "x"}, {"unit": "inch"}, {"frame": "ABC"}, {"bmi": 5.0}, {"spacing_mm": 9.0}, {"note": "a\nb"}]
)
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected"):
        patient.ImportOptions(**wrong)


def test_sources_that_are_none(tmp_path: Path) -> None:
    quiet = lambda what, share: None  # noqa: E731
    for source, word in ((tmp_path / "none", "no such"), (tmp_path, "neither masks")):
        with pytest.raises(UsageError, match=word):
            patient.import_patient(source, patient.ImportOptions(), quiet)


def test_a_trap_is_laid_on_a_finished_patient() -> None:
    """The bundle fills the zone round the usual target, leaves bone and the alternative alone, and changes nothing else."""
    from anatomy_assets.imports.trap import with_trap
    from anatomy_assets.patient import build
    from anatomy_assets.tubes import clearance, obstacles
    from sim.fields import tissue_at, tube_distance
    from sim.phantom import Tissue, TubeKind

    adult = build(0)
    made = with_trap(adult, "L4", "right")
    target, other = (made.landmark(f"target.{a}.L4.right") for a in ("subpedicular", "alternative"))
    vessel = [i for i, t in enumerate(made.tubes) if t.name in ("radicular_artery_L4_right", "radicular_vein_L4_right")]
    assert len(vessel) == 2
    near = [min(tube_distance(made.fields, i, *(target + d)) for i in vessel) for d in 0.8 * np.eye(3)]
    assert min(tube_distance(made.fields, i, *target) for i in vessel) < 0.0
    assert max(near) < 0.3
    assert min(tube_distance(made.fields, i, *other) for i in vessel) > 1.0
    assert tissue_at(made.fields, *target) == Tissue.VESSEL
    free = obstacles(made.bones)
    assert all(clearance(free, made.tubes[i].nodes)[0] > 0.05 for i in vessel)
    kept = {t.name: t for t in adult.tubes}
    same = [t for t in made.tubes if t.name in kept and kept[t.name] is t]
    assert len(same) == len(made.tubes) - 2
    assert {t.kind for t in made.tubes} == {t.kind for t in adult.tubes} | {TubeKind.RADICULAR_ARTERY}
    assert made.content_hash != adult.content_hash
    assert with_trap(adult, "L4", "right").content_hash == made.content_hash, "made again it is the same trap"
    with pytest.raises(UsageError, match="whole level"):
        with_trap(adult, "S1", "right")


def test_every_scenario_says_what_is_modelled() -> None:
    """On a patient with modelled parts the chart tells them; findings of a scenario are told as not laid on him."""
    from anatomy_assets.patient import build
    from scenarios.registry import all_scenarios

    real = replace(build(0), modelled=("coccyx", "nerves"), individual={"levels": ["L1", "L2", "L3", "L4", "L5"]})
    assert patients.words(build(0)) == ""
    for scenario in all_scenarios()[0]:
        chosen = patients.adapted(scenario.file, real)
        assert (chosen.target, chosen.further) == (scenario.file.target, scenario.file.further)
        assert "Modelled, not the patient's own: coccyx, nerves." in chosen.patient.history
        assert ("not laid on an imported patient" in chosen.patient.history) == bool(scenario.file.pathology)


def test_a_block_of_several_nerves_moves_as_a_whole() -> None:
    """Where its lowest target is missing all of its targets go one level up; nothing moves from or to the sacrum."""
    from scenarios.registry import find_scenario

    def real(*names: str) -> Phantom:
        marks = {f"target.{n}": np.zeros(3) for n in names}
        return replace(simple_phantom(), landmarks=marks, modelled=("nerves",), individual={"levels": ["L1", "L2", "L3"]})

    block = find_scenario("mbb-l3l4-left").file
    assert [t.level for t in (block.target, *block.further)] == ["L2", "L3"]
    moved = patients.adapted(block, real("medial_branch.L1.left", "medial_branch.L2.left", "subpedicular.L1.left"))
    assert [t.level for t in (moved.target, *moved.further)] == ["L1", "L2"]
    with pytest.raises(UsageError, match="needs L2 whole"):
        patients.adapted(block, real("medial_branch.L1.left", "medial_branch.L3.left"))
    one = find_scenario("tfesi-l5s1-left").file
    with pytest.raises(UsageError, match="whole"):
        patients.adapted(one, real("subpedicular.S1.left"))
