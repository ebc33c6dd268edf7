"""`main.py doctor`: what this machine has and lacks, each lack with its fix. Changes nothing."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from sim import ENGINE_VERSION

_LIBRARIES = {"EGL": "libegl1", "GL": "libgl1", "X11": "libx11-6", "Xext": "libxext6"}
_PACKAGES = ("numpy", "numba", "scipy", "scikit-image", "trimesh", "pygame-ce", "PyOpenGL", "imgui-bundle", "cryptography")
_MEMORY_MIB = 2048
_DISK_MIB = 1024


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, how it stands, and the fix where it does not."""

    what: str
    ok: bool
    found: str
    fix: str = ""
    required: bool = True


def examine() -> list[Finding]:
    """Return everything that the doctor looked at, in a fixed order."""
    return [*_python(), *_packages(), *_libraries(), *_display(), *_memory(), *_folders()]


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")
    yield Finding("engine", True, f"{ENGINE_VERSION} on {platform.machine()}, {os.cpu_count()} processors")


def _packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        try:
            yield Finding(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                name, False, "missing", "scripts/run installs it (or: pip install --require-hashes -r requirements.lock)"
            )
    try:
        importlib.metadata.version("pygame")
    except importlib.metadata.PackageNotFoundError:
        return
    yield Finding(
        "pygame", False, "pygame is installed beside pygame-ce", "pip uninstall pygame pygame-ce; pip install pygame-ce"
    )


def _libraries() -> Iterator[Finding]:
    if platform.system() != "Linux":
        return
    for name, package in _LIBRARIES.items():
        found = ctypes.util.find_library(name)
        fix = f"apt-get install -y --no-install-recommends {package}"
        yield Finding(f"lib{name}", found is not None, found or "missing", fix)


def _display() -> Iterator[Finding]:
    if platform.system() != "Linux":
        return
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    fix = "the window needs a display; without one use: main.py run tfesi-l4l5-right --operator expert --seed 1 --out runs/first"
    yield Finding("display", bool(display), display or "none", fix, required=False)


def _memory() -> Iterator[Finding]:
    try:
        mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (ValueError, OSError, AttributeError):
        return
    yield Finding("memory", mib >= _MEMORY_MIB, f"{mib} MiB", f"Scottie needs about {_MEMORY_MIB} MiB")


def _folders() -> Iterator[Finding]:
    for what, place in (
        ("cache folder", platformdirs.user_cache_dir("scottie")),
        ("key folder", platformdirs.user_config_dir("scottie")),
    ):
        folder = Path(os.environ.get("SCOTTIE_CACHE_DIR", place) if what == "cache folder" else place)
        yield _writable(what, folder)


def _writable(what: str, folder: Path) -> Finding:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding(what, False, f"{folder}: {error.strerror}", "make it writable for you")
    free = shutil.disk_usage(there).free // 2**20
    return Finding(what, free > _DISK_MIB, f"{folder} ({free} MiB free)", f"free at least {_DISK_MIB} MiB there")
