"""The one numba decorator of the core, and where compiled code is kept.

Bit-stability (docs/ARCHITECTURE.md, law 7): no fastmath, hence no re-association and no fused
multiply-add contraction; no parallel reductions. `nogil` lets bakes run in threads.

numba's disk cache notices a change of a function's own file, not of the functions it calls in other
files: stale code would give another score without a word. The cache folder is therefore keyed by the text
of every file that holds a kernel; an edit in any of them compiles all of them anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import platformdirs

F = TypeVar("F", bound=Callable[..., Any])

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sim", "anatomy_assets", "scenarios")
KEPT_VERSIONS = 24
"""A version takes a few megabytes; forgetting one that another copy of Scottie uses costs it a minute of compiling."""


def _cache_dir() -> Path:
    """Return the folder for compiled code: NUMBA_CACHE_DIR if set, else the user's cache folder."""
    digest = hashlib.sha256(numba.__version__.encode())
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_bytes()
            if b"@jit" in text or b"@inner" in text or path == Path(__file__):
                digest.update(path.name.encode() + text)
    base = os.environ.get("NUMBA_CACHE_DIR") or str(Path(platformdirs.user_cache_dir("scottie")) / "compiled")
    return Path(base) / f"scottie-{digest.hexdigest()[:12]}"


def _forget_old(folder: Path) -> None:
    """Remove the compiled code of earlier versions, all but the newest few."""
    others = sorted((p for p in folder.parent.glob("scottie-" + 12 * "[0-9a-f]") if p != folder), key=lambda p: p.stat().st_mtime)
    for path in others[:-KEPT_VERSIONS]:
        shutil.rmtree(path, ignore_errors=True)


def _prepare_cache() -> bool:
    """Point numba at the cache folder; False where it cannot be written (then nothing is cached)."""
    folder = _cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # used now: the last to be forgotten
    except OSError:
        return False
    _forget_old(folder)
    numba.config.CACHE_DIR = str(folder)
    return os.access(folder, os.W_OK)


_CACHE = _prepare_cache()


_OPTIONS: dict[str, Any] = {"cache": _CACHE, "nogil": True, "fastmath": False, "error_model": "numpy", "no_cfunc_wrapper": True}


def jit(function: F) -> F:
    """Compile `function` without fastmath, cached on disk; plain Python under NUMBA_DISABLE_JIT=1."""
    compiled: F = numba.njit(**_OPTIONS)(function)
    return compiled


def inner(function: F) -> F:
    """As `jit`, for a function that only compiled code calls: it gets no door from Python.

    The door of a function that takes `sim.fields.Fields` unpacks some twenty arrays; it is longer than most kernels, and
    compiling it took a third of the needle's time.
    """
    compiled: F = numba.njit(no_cpython_wrapper=True, **_OPTIONS)(function)
    return compiled
