"""What a machine may lack: one line says what, and how to get it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sim.errors import MachineError
from sim.window import boot

ROOT = Path(__file__).parents[1]


def test_importing_the_window_loads_no_opengl():
    code = "import sys, sim.window; sys.exit(any(m in sys.modules for m in ('OpenGL', 'imgui_bundle', 'pygame')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are named by variables on Linux only")
def test_no_display_is_one_line_that_names_run(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(MachineError, match=r"no display.*main\.py run") as caught:
        boot.prepare(headless=False)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="packages are Debian's")
def test_a_missing_library_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr(boot, "_loads", lambda library: library != "libEGL.so.1")
    with pytest.raises(MachineError, match=r"libegl1 not found.*apt-get install .*libegl1$"):
        boot.prepare(headless=True)


def test_a_missing_package_is_named_with_pip(monkeypatch):
    monkeypatch.setattr(boot.importlib.util, "find_spec", lambda name: None if name == "imgui_bundle" else object())
    with pytest.raises(MachineError, match=r"imgui-bundle is not installed; install with: .*pip install imgui-bundle"):
        boot.missing_module()
