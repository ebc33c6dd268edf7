"""Imported meshes: repairs are told and right, the rest ends in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from anatomy_assets.imports import patient, surfaces
from anatomy_assets.imports.field import Notes
from sim.errors import DataError


def block(tmp_path: Path, name: str, change: Any = None) -> Path:
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=40.0)
    mesh.apply_scale([1.0, 0.8, 0.6])
    if change is not None:
        mesh = change(mesh)
    path = tmp_path / name
    mesh.export(path)
    return path


def inside_out(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    mesh.invert()
    return mesh


def without_faces(count: int) -> Any:
    def change(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        return trimesh.Trimesh(mesh.vertices, mesh.faces[count:], process=False)

    return change


def fin(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """A flap on one edge: three and more triangles meet there."""
    a, b, _ = mesh.faces[0]
    vertices = np.concatenate([mesh.vertices, [[50.0, 0.0, 0.0], [50.0, 5.0, 0.0]]])
    n = len(mesh.vertices)
    extra = [[a, b, n], [b, a, n + 1], [a, n, n + 1], [b, n + 1, n]]
    return trimesh.Trimesh(vertices, np.concatenate([mesh.faces, extra]), process=False)


def test_mesh_repairs_are_told_and_right(tmp_path: Path) -> None:
    points = np.random.default_rng(1).uniform(-30.0, 30.0, (400, 3))
    plain = surfaces.read_mesh("L4", block(tmp_path, "L4.stl"), 1.0, "LPS", Notes(), 1.2)
    for name, change, word in (
        ("in.ply", inside_out, "turned outward"),
        ("hole.stl", without_faces(2), "holes in the mesh closed"),
        ("fin.ply", fin, "of the mesh removed"),
    ):
        notes = Notes()
        solid = surfaces.read_mesh("L4", block(tmp_path, name, change), 1.0, "LPS", notes, 1.2)
        assert any(word in line for line in notes.lines), notes.lines
        assert np.abs(solid.at(points) - plain.at(points)).max() < 0.6


def test_distance_of_a_mesh_is_true() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=20.0)
    solid = surfaces.solid_of_mesh("L4", np.asarray(mesh.vertices), np.asarray(mesh.faces))
    points = np.random.default_rng(2).uniform(-16.0, 16.0, (2000, 3))
    error = solid.at(points) - (np.sqrt((points * points).sum(1)) - 20.0)
    assert np.abs(error).mean() < 0.2  # far from the surface by voxels: redistanced when baked
    near = np.abs(np.sqrt((points * points).sum(1)) - 20.0) < 1.5
    assert np.abs(error[near]).max() < 0.12


def test_frame_and_unit_of_meshes(tmp_path: Path) -> None:
    def moved(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        mesh.apply_translation([10.0, 20.0, 30.0])
        return mesh

    path = block(tmp_path, "L4.obj", moved)
    for frame, middle in (("LPS", [10.0, 20.0, 30.0]), ("RAS", [-10.0, -20.0, 30.0])):
        solid = surfaces.read_mesh("L4", path, 1.0, frame, Notes(), 1.2)
        assert solid.inside_points().mean(0) == pytest.approx(middle, abs=0.3)


def test_bad_meshes_end_in_one_line(tmp_path: Path) -> None:
    def metres(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        mesh.apply_scale(1e-3)
        return mesh

    def doubled(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        return trimesh.util.concatenate([mesh, mesh.copy().apply_translation([90.0, 0.0, 0.0])])

    whole = block(tmp_path, "whole.stl").read_bytes()
    (tmp_path / "cut.stl").write_bytes(whole[: len(whole) // 2])
    cases = [
        (block(tmp_path, "metres.ply", metres), "--unit m"),
        (block(tmp_path, "half.ply", without_faces(600)), "open"),
        (block(tmp_path, "two.ply", doubled), "pieces"),
        (tmp_path / "cut.stl", "cut short"),
    ]
    for path, word in cases:
        with pytest.raises(DataError, match=word) as caught:
            surfaces.read_mesh("L4", path, 1.0, "LPS", Notes())
        assert "\n" not in str(caught.value)


def test_huge_cut_and_crossed_meshes_end_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_nan(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        points = np.array(mesh.vertices)
        points[5] = np.nan
        return trimesh.Trimesh(points, mesh.faces, process=False)

    def crossed(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
        """Two bodies that share an edge: four triangles meet there."""
        a = trimesh.creation.box((60.0, 60.0, 40.0)).subdivide().subdivide().subdivide()
        b = a.copy().apply_translation([60.0, 60.0, 0.0])
        return trimesh.util.concatenate([a, b])

    for kind in ("ply", "obj"):
        whole = block(tmp_path, f"whole.{kind}").read_bytes()
        (tmp_path / f"cut.{kind}").write_bytes(whole[: 2 * len(whole) // 3])
    cases = [
        (tmp_path / "cut.ply", "cut short"),
        (tmp_path / "cut.obj", "open|cut short|border edges"),
        (block(tmp_path, "nan.ply", with_nan), "NaN|open|border edges"),
        (block(tmp_path, "crossed.ply", crossed), "pieces|more than two triangles"),
    ]
    for path, word in cases:
        with pytest.raises(DataError, match=word) as caught:
            surfaces.read_mesh("L4", path, 1.0, "LPS", Notes())
        assert "\n" not in str(caught.value)
    path = block(tmp_path, "large.stl")
    monkeypatch.setattr(surfaces, "MOST_TRIANGLES", 1000)
    with pytest.raises(DataError, match="expected at most 1000"):
        surfaces.read_mesh("L4", path, 1.0, "LPS", Notes())
    monkeypatch.setattr(surfaces, "MOST_BYTES", 2**15)
    with pytest.raises(DataError, match="simplify it"):
        surfaces.read_mesh("L4", path, 1.0, "LPS", Notes())


def test_two_bones_with_one_name_and_a_mapping(tmp_path: Path) -> None:
    block(tmp_path, "L4.stl")
    block(tmp_path, "vertebra_l4.ply")
    with pytest.raises(DataError, match="both name L4"):
        surfaces.read_meshes(tmp_path, 1.0, "LPS", Notes(), {})
    (tmp_path / patient.MAPPING).write_text('"vertebra_l4.ply" = "L3"\n')
    found = surfaces.read_meshes(tmp_path, 1.0, "LPS", Notes(), patient._mapping(tmp_path))
    assert sorted(found) == ["L3", "L4"]
    (tmp_path / patient.MAPPING).write_text('"vertebra_l4.ply" = "skull"\n')
    with pytest.raises(DataError, match="expected a structure"):
        patient._mapping(tmp_path)
