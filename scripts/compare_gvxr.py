"""Compare our projector with gVirtualXray on one and the same exported patient: time per frame and difference of the pictures.

usage: scripts/compare_gvxr.py --peer PYTHON [--scenario ID] [--size 512 1024] [--frames 12] [--out RESULT.json]

PYTHON is an interpreter that has gvxr (PyPI, BSD-3) and numpy: python3 -m venv V; V/bin/pip install gvxr numpy. Its wheel needs
libxcb-res0 libxcb-ewmh2 libxcb-composite0 libxcb-xinerama0 libxcb-keysyms1 libxcb-icccm4. Three programs take turns frame by
frame (gvxr as shipped, gvxr without its artefact filter, ours), the C-arm turns with every frame, 60 keV or 11 energy bins.

Traps of gvxr 2.1 (each makes it draw nothing, silently):
- The detector's right vector has to be up x (from the detector to the source); the mirrored one, ours, shows an empty field.
  Columns are turned round here instead. Row 0 of gvxr is the bottom.
- Source, detector and number of pixels have to be set before the outer surface is added, and the number never changed after.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
ANGLES = ((0, 0), (-25_000, 0), (-90_000, 0), (15_000, 10_000))
BINS_KEV = [30.0 + 5.0 * k for k in range(11)]
KINDS = ("as shipped", "filter off")


# ---------------------------------------------------------------- the other side: runs under PYTHON


def other(folder: Path, size: int, kind: str, bins: int) -> None:
    """Answer every number on the standard input with one frame of that pose: JSON with its milliseconds."""
    os.environ.pop("DISPLAY", None)
    from gvxrPython3 import gvxr

    told = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    poses = json.loads((folder / f"poses_{size}.json").read_text())
    image = _prepared(gvxr, folder, poses, size, kind, bins)
    gvxr.computeXRayImage(image)
    white = float(gvxr.getTotalEnergyWithDetectorResponse())
    for line in sys.stdin:
        start = time.perf_counter()
        _place(gvxr, poses[int(line)])
        gvxr.computeXRayImage(image)
        ms = 1e3 * (time.perf_counter() - start)
        np.save(folder / f"theirs_{kind.split()[-1]}_{int(line)}.npy", image[::-1, ::-1] / white)
        print(json.dumps({"ms": ms, "seen": bool(image.min() < 0.9 * white)}), file=told, flush=True)


def _prepared(gvxr, folder: Path, poses: list[dict], size: int, kind: str, bins: int) -> np.ndarray:
    gvxr.useLogFile(os.devnull)
    gvxr.createOpenGLContext(-1, 4, 5)
    gvxr.usePointSource()
    gvxr.setDetectorNumberOfPixels(size, size)
    gvxr.setDetectorPixelSize(poses[0]["pixel_mm"], poses[0]["pixel_mm"], "mm")
    _place(gvxr, poses[0])
    gvxr.resetBeamSpectrum()
    for kev in [60.0] if bins == 1 else BINS_KEV:
        gvxr.addEnergyBinToSpectrum(kev, "keV", 1)
    meshes = np.load(folder / "meshes.npz")
    for k, (name, mu, outer) in enumerate(json.loads((folder / "meshes.json").read_text())):
        gvxr.makeTriangularMesh(name, meshes[f"v{k}"].ravel(), meshes[f"f{k}"].ravel(), "mm")
        gvxr.setLinearAttenuationCoefficient(name, mu, "cm-1")
        (gvxr.addPolygonMeshAsOuterSurface if outer else gvxr.addPolygonMeshAsInnerSurface)(name)
    if kind == "filter off":
        gvxr.disableArtefactFiltering()
    return np.zeros((size, size), np.single)


def _place(gvxr, pose: dict) -> None:
    gvxr.setSourcePosition(*pose["source_mm"], "mm")
    gvxr.setDetectorPosition(*pose["detector_mm"], "mm")
    gvxr.setDetectorRightVector(*[-c for c in pose["right"]])
    gvxr.setDetectorUpVector(*pose["up"])


# ---------------------------------------------------------------- our side


def write_meshes(scene, folder: Path) -> int:
    """Write a plain scene's meshes for gvxr, hollow shells beside their cores, with our own attenuation; return the triangles."""
    from sim.scene import MATERIALS, MU_60KEV_PER_MM

    def mu_per_cm(part) -> float:
        mixture = part.mixture or MATERIALS[part.material]
        return 10.0 * sum(a * m for a, m in zip(mixture, MU_60KEV_PER_MM, strict=False))

    cores = {p.name.removesuffix(".core"): p for p in scene.parts if p.name.endswith(".core")}
    listing, arrays = [], {}
    for part in scene.parts:
        faces = scene.faces[part.start : part.stop]
        core = cores.get(part.name.removesuffix(".shell")) if part.name.endswith(".shell") else None
        if core is not None:
            faces = np.concatenate([faces, scene.faces[core.start : core.stop, ::-1]])
        used, index = np.unique(faces, return_inverse=True)
        arrays[f"v{len(listing)}"], arrays[f"f{len(listing)}"] = scene.vertices[used], index.reshape(-1, 3).astype(np.int32)
        listing.append([part.name, mu_per_cm(part), part.outside == "air"])
    np.savez(folder / "meshes.npz", **arrays)
    (folder / "meshes.json").write_text(json.dumps(listing))
    return sum(len(arrays[f"f{k}"]) for k in range(len(listing)))


def with_legs(scene):
    """Return the scene with the trunk's lower end moved down, so that no bone sticks out of the body.

    Where one does, gvxr cuts the body's negative length off at zero and we do not.
    """
    vertices = scene.vertices.copy()
    skin = np.unique(scene.faces[scene.parts[0].start : scene.parts[0].stop])
    bottom = vertices[skin, 2].min()
    vertices[skin[vertices[skin, 2] < bottom + 0.5], 2] -= 300.0
    return replace(scene, vertices=vertices)


def write_poses(views: list, size: int, folder: Path) -> None:
    """Write where source and detector stand."""
    told = []
    for view in views:
        place = {k: getattr(view.pose, k).tolist() for k in ("source_mm", "detector_mm", "right", "up")}
        told.append(place | {"pixel_mm": view.pose.side_mm / size})
    (folder / f"poses_{size}.json").write_text(json.dumps(told))


def difference(folder: Path, ours: list[np.ndarray], kind: str) -> dict[str, float]:
    """Return the worst correlation of the log picture, median and 99th percentile of the relative difference over all poses."""
    rows = []
    for k, mine in enumerate(ours):
        theirs = np.clip(np.load(folder / f"theirs_{kind.split()[-1]}_{k}.npy").astype(np.float64), 1e-9, None)
        error = np.abs(np.exp(-mine.astype(np.float64)) - theirs) / theirs
        corr = np.corrcoef(mine.ravel(), -np.log(theirs).ravel())[0, 1]
        rows.append((corr, np.median(error), np.percentile(error, 99)))
    worst = np.array(rows)
    return {
        "correlation": float(worst[:, 0].min()),
        "median_error": float(worst[:, 1].max()),
        "p99_error": float(worst[:, 2].max()),
    }


def alternate(peer: str, folder: Path, size: int, bins: int, views: list, frames: int, draw) -> dict[str, list[float]]:
    """Return milliseconds per frame of the three programs, which take turns."""
    me = [peer, str(Path(__file__).resolve()), "--other", str(folder)]
    them = [
        subprocess.Popen(
            [*me, "--size", str(size), "--kind", kind, "--bins", str(bins)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for kind in KINDS
    ]  # fmt: skip
    out: dict[str, list[float]] = {kind: [] for kind in (*KINDS, "ours")}
    for turn in range(frames + len(views)):
        k = turn % len(views)
        for kind, child in zip(KINDS, them, strict=True):
            print(k, file=child.stdin, flush=True)
            answer = child.stdout.readline()
            if not answer:
                raise SystemExit(f"gvxr ({kind}) ended; is it installed for {peer}?")
            said = json.loads(answer)
            if not said["seen"]:
                raise SystemExit(f"gvxr ({kind}) draws an empty field: see the traps above")
            out[kind].append(said["ms"])
        start = time.perf_counter()
        draw(views[k], size)
        out["ours"].append(1e3 * (time.perf_counter() - start))
    for child in them:
        child.stdin.close()
        child.wait(timeout=60)
    return {kind: ms[len(views) :] for kind, ms in out.items()}  # the first round compiles and uploads


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--peer", help="Python that has gvxr")
    asked.add_argument("--scenario", default="tfesi-l4l5-right")
    asked.add_argument("--size", type=int, nargs="+", default=[512, 1024])
    asked.add_argument("--frames", type=int, default=12)
    asked.add_argument("--out", type=Path)
    for hidden, kind in (("--other", Path), ("--kind", str), ("--bins", int)):
        asked.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    args = asked.parse_args()
    if args.other:
        other(args.other, args.size[0], args.kind, args.bins)
    elif args.peer:
        compare(args.peer, args.scenario, args.size, args.frames, args.out)
    else:
        asked.error("--peer PYTHON: expected an interpreter that has gvxr")


def compare(peer: str, scenario: str, sizes: list[int], frames: int, out: Path | None) -> None:
    """Print one row per size and spectrum, and how the pictures differ."""
    sys.path.insert(0, str(ROOT))
    from scenarios.beam_tables import load_beam
    from scenarios.pictures import still_view
    from scenarios.registry import find_scenario
    from scenarios.study import make_study
    from sim.picture import Imager
    from sim.scene import make_scene

    study = make_study(find_scenario(scenario), 1)
    imager = Imager(with_legs(make_scene(study.phantom, soft_tissue=False)), load_beam())
    projector = imager.projector
    views = [replace(still_view(study, *angles)[1], breath_mm=np.zeros(3), patient_mm=np.zeros(3)) for angles in ANGLES]

    def mono(view, size: int) -> np.ndarray:
        return np.exp(-projector.line_integrals_60kev(view, size))

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        triangles = write_meshes(projector.scene, folder)
        for size in sizes:
            write_poses(views, size, folder)
            for bins, draw in ((1, mono), (len(BINS_KEV), imager.absorbance)):
                took = alternate(peer, folder, size, bins, views, frames, draw)
                row = {"size": size, "bins": bins, "triangles": triangles}
                row |= {kind: [float(np.median(ms)), min(ms)] for kind, ms in took.items()}
                if bins == 1:  # without its filter gvxr fills hollow meshes: only its time can be compared
                    ours = [projector.line_integrals_60kev(view, size) for view in views]
                    row["difference"] = {KINDS[0]: difference(folder, ours, KINDS[0])}
                rows.append(row)
                show(row)
    if out:
        out.write_text(json.dumps(rows, indent=1) + "\n")


def show(row: dict) -> None:
    """Print a row: median / best milliseconds, ratios of the medians, differences."""
    ours = row["ours"]
    words = [f"{kind} {row[kind][0]:.0f} / {row[kind][1]:.0f} ms ({row[kind][0] / ours[0]:.1f} x)" for kind in KINDS]
    print(f"{row['size']} px, {row['bins']} bins: {'; '.join(words)}; ours {ours[0]:.1f} / {ours[1]:.1f} ms", flush=True)
    for kind, d in row.get("difference", {}).items():
        told = f"correlation {d['correlation']:.6f}, median {d['median_error']:.1e}, p99 {d['p99_error']:.1e}"
        print(f"    difference from gvxr {kind}: {told}", flush=True)


if __name__ == "__main__":
    main()
