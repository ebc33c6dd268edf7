"""Compare the volume projector with ITK-RTK's Joseph projector and DiffDRR's Siddon on the same volume and geometry.

    python scripts/compare_volume.py ours FOLDER          writes the volume, the poses and our pictures; prints times
    RTK-PYTHON scripts/compare_volume.py rtk FOLDER       the same with itk-rtk (a throw-away environment: pip install itk-rtk)
    DRR-PYTHON scripts/compare_volume.py diffdrr FOLDER   the same with DiffDRR (pip install diffdrr), its Siddon on the processor
    python scripts/compare_volume.py table FOLDER         correlation, differences and ratios of the times of what is there

512 x 512 x 133 voxels of 0.78 x 0.78 x 2.5 mm (a trunk with bones, gas and noise), C-arm of carm.toml, four poses.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHAPE, SPACING = (512, 512, 133), (0.78, 0.78, 2.5)
ANGLES = ((0, 0), (-25_000, 10_000), (-90_000, 0), (35_000, -15_000))
SIZES = (200, 512)
REPEATS = 5
PATCH = 4000


def make_volume() -> np.ndarray:
    """Return attenuation per mm (nx, ny, nz) float32: an ellipse of soft tissue, a spine of blocks, ribs of balls, gas."""
    x, y, z = (np.arange(n, dtype=np.float32) * s for n, s in zip(SHAPE, SPACING, strict=True))
    x, y, z = x - x.mean(), y - y.mean(), z - z.mean()
    out = np.zeros(SHAPE, np.float32)
    noise = np.random.default_rng(0).normal(0.0, 0.0003, SHAPE).astype(np.float32)
    body = (x[:, None] / 170.0) ** 2 + (y[None, :] / 115.0) ** 2 < 1.0
    out[body] = 0.0205
    for k in range(-3, 4):
        low, high = k * 40.0 - 15.0, k * 40.0 + 15.0
        level = (z >= low) & (z <= high)
        disc = (x[:, None] ** 2 + (y[None, :] - 20.0) ** 2) < 22.0**2
        out[np.ix_(np.flatnonzero(disc.any(1)), np.flatnonzero(disc.any(0)), np.flatnonzero(level))] = 0.032
    for gx, gy, gz, r in ((60, -50, 20, 25), (-70, -40, -30, 30), (20, -70, 60, 20)):
        ball = (x[:, None, None] - gx) ** 2 + (y[None, :, None] - gy) ** 2 + (z[None, None, :] - gz) ** 2 < r * r
        out[ball] = 0.0
    return np.where(out > 0, out + noise, 0.0).astype(np.float32)


def timed(act: Any, repeats: int = REPEATS) -> tuple[Any, list[float]]:
    """Return the result and times in ms (after one unmeasured call)."""
    result, times = act(), []
    for _ in range(repeats):
        start = time.perf_counter()
        result = act()
        times.append(1e3 * (time.perf_counter() - start))
    return result, times


def ours(folder: Path) -> None:
    """Write volume.npy, poses.json, ours_*.npy."""
    sys.path.insert(0, str(ROOT))
    from scenarios.beam_tables import load_carm
    from sim.view import pose_of
    from sim.volume import Volume, VolumeProjector

    folder.mkdir(parents=True, exist_ok=True)
    values = make_volume()
    np.save(folder / "volume.npy", values)
    origin = -0.5 * (np.array(SHAPE) - 1) * np.array(SPACING)
    start = time.perf_counter()
    volume = Volume(values, origin, np.array(SPACING))
    projector = VolumeProjector(volume)
    projector.draw(pose_of(load_carm(), 0, 0, (0, 0, 0), 0), 32)
    print(f"ours: blocks and compiling {time.perf_counter() - start:.1f} s, {volume.blocks.mean():.0%} of the blocks are full")
    poses, times = [], {}
    for angles in ANGLES:
        pose = pose_of(load_carm(), *angles, (0, 0, 0), 0)
        poses.append({k: np.asarray(getattr(pose, k)).tolist() for k in ("source_mm", "detector_mm", "right", "up", "side_mm")})
        for size in SIZES:
            picture, took = timed(lambda pose=pose, size=size: projector.draw(pose, size))
            np.save(folder / f"ours_{len(poses) - 1}_{size}.npy", picture)
            times[f"{len(poses) - 1}_{size}"] = took
    (folder / "poses.json").write_text(json.dumps(poses))
    (folder / "ours.json").write_text(json.dumps(times))


def rtk(folder: Path) -> None:
    """Write rtk_*.npy with itk-rtk's JosephForwardProjectionImageFilter."""
    import itk
    from itk import RTK

    values = np.load(folder / "volume.npy")
    image_type = itk.Image[itk.F, 3]
    volume = itk.image_from_array(np.ascontiguousarray(values.transpose(2, 1, 0)))
    volume.SetSpacing(SPACING)
    volume.SetOrigin((-0.5 * (np.array(SHAPE) - 1) * np.array(SPACING)).tolist())
    times = {}
    for i, pose in enumerate(json.loads((folder / "poses.json").read_text())):
        for size in SIZES:
            geometry = RTK.ThreeDCircularProjectionGeometry.New()
            down = [-v for v in pose["up"]]
            if not geometry.AddProjection(pose["source_mm"], pose["detector_mm"], pose["right"], down):
                raise SystemExit(f"RTK refuses pose {i}")
            pixel = pose["side_mm"] / size
            source = RTK.ConstantImageSource[image_type].New()
            source.SetOrigin([-0.5 * (size - 1) * pixel, -0.5 * (size - 1) * pixel, 0.0])
            source.SetSpacing([pixel, pixel, 1.0])
            source.SetSize([size, size, 1])
            source.SetConstant(0.0)
            source.Update()

            def act(source: Any = source, geometry: Any = geometry) -> Any:
                joseph = RTK.JosephForwardProjectionImageFilter[image_type, image_type].New()
                joseph.SetInput(0, source.GetOutput())
                joseph.SetInput(1, volume)
                joseph.SetGeometry(geometry)
                joseph.Update()
                return itk.array_from_image(joseph.GetOutput())[0]

            picture, took = timed(act)
            np.save(folder / f"rtk_{i}_{size}.npy", picture)
            times[f"{i}_{size}"] = took
    (folder / "rtk.json").write_text(json.dumps(times))


def diffdrr(folder: Path) -> None:
    """Write diffdrr_*.npy by DiffDRR's Siddon in patches of PATCH rays, its own way to bound memory; 512 px in one pose."""
    import torch
    from diffdrr.renderers import Siddon

    values = torch.from_numpy(np.load(folder / "volume.npy"))
    spacing = np.array(SPACING)
    siddon, times = Siddon(), {}
    for i, pose in enumerate(json.loads((folder / "poses.json").read_text())):
        source, centre, right, up = (np.array(pose[k]) for k in ("source_mm", "detector_mm", "right", "up"))
        for size in SIZES if i == 0 else SIZES[:1]:
            at = ((np.arange(size) + 0.5) / size - 0.5) * pose["side_mm"]
            pixels = centre + at[None, :, None] * right - at[:, None, None] * up
            mm = torch.from_numpy(np.linalg.norm(pixels - source, axis=-1).reshape(1, 1, -1).astype(np.float32))
            place = [
                torch.from_numpy(((p / spacing) + 0.5 * (np.array(SHAPE) - 1)).reshape(1, -1, 3).astype(np.float32))
                for p in (source, pixels)
            ]

            def act(place: Any = place, mm: Any = mm, size: int = size) -> Any:
                with torch.no_grad():
                    parts = zip(place[1].split(PATCH, 1), mm.split(PATCH, 2), strict=True)
                    return torch.cat([siddon(values, place[0], t, m)[:, 0] for t, m in parts], 1).reshape(size, size).numpy()

            picture, took = timed(act, 2 if size < 300 else 1)
            np.save(folder / f"diffdrr_{i}_{size}.npy", picture)
            times[f"{i}_{size}"] = took
    (folder / "diffdrr.json").write_text(json.dumps(times))


def table(folder: Path) -> None:
    """Print one line per peer and size."""
    for who, name in (("rtk", "RTK Joseph"), ("diffdrr", "DiffDRR Siddon")):
        if (folder / f"{who}.json").exists():
            _table(folder, who, name)


def _table(folder: Path, who: str, name: str) -> None:
    ours_ms, rtk_ms = (json.loads((folder / f"{w}.json").read_text()) for w in ("ours", who))
    print(f"| pixels | ours ms (median / best) | {name} ms | ratio of the best | correlation | median rel. diff. | p99 |")
    print("|---|---|---|---|---|---|---|")
    for size in SIZES:
        keys = [k for i in range(len(ANGLES)) if (k := f"{i}_{size}") in rtk_ms]
        a = [np.load(folder / f"ours_{k}.npy") for k in keys]
        b = [np.load(folder / f"{who}_{k}.npy") for k in keys]
        mine, theirs = (np.array([t for k in keys for t in times[k]]) for times in (ours_ms, rtk_ms))
        flat = np.concatenate([v.ravel() for v in a]), np.concatenate([v.ravel() for v in b])
        seen = flat[1] > 0.05
        relative = np.abs(flat[0][seen] - flat[1][seen]) / flat[1][seen]
        best = sum(min(rtk_ms[k]) for k in keys) / sum(min(ours_ms[k]) for k in keys)
        cells = (f"{size}", f"{np.median(mine):.0f} / {mine.min():.0f}", f"{np.median(theirs):.0f} / {theirs.min():.0f}")
        far = f"{np.quantile(relative, 0.99):.1e}"
        figures = (f"{best:.2f}", f"{np.corrcoef(*flat)[0, 1]:.6f}", f"{np.median(relative):.1e}", far)
        print("| " + " | ".join((*cells, *figures)) + " |")


STEPS = {"ours": ours, "rtk": rtk, "diffdrr": diffdrr, "table": table}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in STEPS:
        raise SystemExit(__doc__)
    STEPS[sys.argv[1]](Path(sys.argv[2]))
