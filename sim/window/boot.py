"""Getting a display and OpenGL, or one clear line that says what this machine lacks and how to get it.

The environment variables must be set before the first import of OpenGL and before the window is made, so
this room runs first. On Linux SDL and PyOpenGL must both use EGL (under Wayland they otherwise disagree).
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys

from sim.errors import MachineError

_APT = "sudo apt-get install -y --no-install-recommends"
_LIBRARIES = (("libEGL.so.1", "libegl1"), ("libGL.so.1", "libgl1"), ("libX11.so.6", "libx11-6"), ("libXext.so.6", "libxext6"))
_MODULES = (("pygame", "pygame-ce"), ("OpenGL", "PyOpenGL"), ("imgui_bundle", "imgui-bundle"))


def prepare(headless: bool) -> None:
    """Set the environment for SDL and PyOpenGL and check what is there; MachineError says what is missing."""
    missing_module()
    if sys.platform.startswith("linux"):
        _prepare_linux(headless)
    if headless:
        os.environ["SDL_AUDIODRIVER"] = "dummy"
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    _check_pygame()


def _prepare_linux(headless: bool) -> None:
    if headless:
        os.environ["SDL_VIDEODRIVER"] = "offscreen"
    elif os.environ.get("SDL_VIDEODRIVER") == "offscreen":
        del os.environ["SDL_VIDEODRIVER"]  # left by a headless window of this process
    if not headless and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise MachineError(
            "no display: the window needs DISPLAY or WAYLAND_DISPLAY; without one use "
            "'main.py run tfesi-l4l5-right --operator expert --seed 1 --out runs/first'"
        )
    _need_libraries()


def _need_libraries() -> None:
    os.environ.setdefault("SDL_VIDEO_X11_FORCE_EGL", "1")
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    missing = [package for library, package in _LIBRARIES if not _loads(library)]
    if missing:
        raise MachineError(f"OpenGL: {', '.join(missing)} not found on this machine; install with: {_APT} {' '.join(missing)}")


def missing_module() -> None:
    """Raise MachineError naming the first Python package of the window that is not installed."""
    for module, package in _MODULES:
        if importlib.util.find_spec(module) is None:
            raise MachineError(
                f"the Python package {package} is not installed; install with: {sys.executable} -m pip install {package}"
            )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _check_pygame() -> None:
    import pygame

    if not getattr(pygame, "IS_CE", 0):
        raise MachineError(
            "this is pygame, not pygame-ce; fix with: "
            f"{sys.executable} -m pip uninstall -y pygame pygame-ce && {sys.executable} -m pip install pygame-ce"
        )


def open_display(title: str, size: tuple[int, int], headless: bool) -> None:
    """Open the pygame window with an OpenGL 3.3 core context; MachineError in one line when that fails."""
    import pygame

    try:
        pygame.display.init()
        for attribute, value in (
            (pygame.GL_CONTEXT_MAJOR_VERSION, 3),
            (pygame.GL_CONTEXT_MINOR_VERSION, 3),
            (pygame.GL_CONTEXT_PROFILE_MASK, pygame.GL_CONTEXT_PROFILE_CORE),
            (pygame.GL_CONTEXT_FLAGS, pygame.GL_CONTEXT_FORWARD_COMPATIBLE_FLAG),
            (pygame.GL_DOUBLEBUFFER, 1),
            (pygame.GL_DEPTH_SIZE, 0),
        ):
            pygame.display.gl_set_attribute(attribute, value)
        flags = pygame.OPENGL | pygame.DOUBLEBUF | (0 if headless else pygame.RESIZABLE)
        pygame.display.set_mode(size, flags)
        pygame.display.set_caption(title)
    except pygame.error as error:
        raise MachineError(f"no OpenGL 3.3 window ({_one_line(error)}); {_remedy(str(error))}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _remedy(text: str) -> str:
    if not sys.platform.startswith("linux"):
        return "update the graphics driver, or use 'main.py run' which needs no display"
    if "EGL device" in text or "driver" in text.lower():
        return f"install the Mesa driver with: {_APT} libgl1-mesa-dri, or use 'main.py run' which needs no display"
    return f"install OpenGL with: {_APT} libegl1 libgl1, or use 'main.py run' which needs no display"
