"""Which source text the engine runs from: one short digest per file that can change an event or a score.

A record carries these digests, so that a verdict can name the file in which another engine differs. They are what
the recording program says of itself; the proof is the replay. Pictures, windows and operators are left out: they
never feed a score. Scenario and rubric files have hashes of their own in the header.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = (
    "sim/**/*.py",
    "anatomy_assets/**/*.py",
    "anatomy_assets/**/*.toml",
    "anatomy_assets/**/*.csv",
    "scenarios/*.py",
    "scenarios/data/*",
    "scoring/metrics/*.py",
    "scoring/rubric.py",
    "scoring/score.py",
)
LEFT_OUT = (
    "sim/window/",
    "sim/env.py",
    "sim/doctor.py",
    "sim/attempt/",  # writes and reads records; what it writes is checked line by line
    "sim/beam.py",
    "sim/detector.py",
    "sim/display.py",
    "sim/font.py",
    "sim/picture.py",
    "sim/projector.py",
    "sim/projector_gl.py",
    "sim/raster.py",
    "sim/readout.py",
    "sim/scene.py",
    "sim/subtraction.py",
    "sim/trabecula.py",
    "sim/tubes.py",
    "sim/volume.py",
    "sim/volume_gl.py",
    "scenarios/beam_tables.py",
    "scenarios/bench.py",
    "scenarios/data/attenuation.csv",
    "scenarios/data/spectra.csv",
    "scenarios/dicom_file.py",
    "scenarios/headless.py",
    "scenarios/pictures.py",
    "anatomy_assets/export.py",
)


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    for pattern in PATTERNS:
        for path in root.glob(pattern):
            name = path.relative_to(root).as_posix()
            if path.is_file() and "__pycache__" not in name and not name.startswith(LEFT_OUT):
                yield name, path


def digests_of(root: Path) -> dict[str, str]:
    """Return file -> first 16 hexadecimal digits of SHA-256 over its text, line ends as LF."""
    return {
        name: hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:16] for name, path in sorted(_files(root))
    }


@lru_cache(maxsize=1)
def source_digests() -> Mapping[str, str]:
    """Return the digests of the program that runs, read once."""
    return MappingProxyType(digests_of(ROOT))


def differing(source: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Return the files in which two engines differ, sorted."""
    return sorted(name for name in source.keys() | here.keys() if source.get(name) != here.get(name))
