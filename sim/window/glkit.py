"""Small OpenGL 3.3 core pieces: programs, textures, off-screen targets and meshes."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL as gl

from sim.errors import MachineError

F32 = NDArray[np.float32]


def program(vertex: str, fragment: str) -> int:
    """Return a linked program; MachineError with the driver's words when a shader is refused."""
    name = gl.glCreateProgram()
    for kind, source in ((gl.GL_VERTEX_SHADER, vertex), (gl.GL_FRAGMENT_SHADER, fragment)):
        shader = gl.glCreateShader(kind)
        gl.glShaderSource(shader, source)
        gl.glCompileShader(shader)
        if not gl.glGetShaderiv(shader, gl.GL_COMPILE_STATUS):
            raise MachineError(f"OpenGL refuses a shader: {gl.glGetShaderInfoLog(shader)!r}; update the graphics driver")
        gl.glAttachShader(name, shader)
        gl.glDeleteShader(shader)
    gl.glLinkProgram(name)
    if not gl.glGetProgramiv(name, gl.GL_LINK_STATUS):
        raise MachineError(f"OpenGL refuses a program: {gl.glGetProgramInfoLog(name)!r}; update the graphics driver")
    return int(name)


class GreyTexture:
    """An 8-bit grey picture, shown untinted (red copied to green and blue, alpha one)."""

    def __init__(self) -> None:
        self.name = int(gl.glGenTextures(1))
        self._side = (0, 0)
        gl.glBindTexture(gl.GL_TEXTURE_2D, self.name)
        for key, value in (
            (gl.GL_TEXTURE_MIN_FILTER, gl.GL_LINEAR),
            (gl.GL_TEXTURE_MAG_FILTER, gl.GL_LINEAR),
            (gl.GL_TEXTURE_WRAP_S, gl.GL_CLAMP_TO_EDGE),
            (gl.GL_TEXTURE_WRAP_T, gl.GL_CLAMP_TO_EDGE),
            (gl.GL_TEXTURE_SWIZZLE_G, gl.GL_RED),
            (gl.GL_TEXTURE_SWIZZLE_B, gl.GL_RED),
            (gl.GL_TEXTURE_SWIZZLE_A, gl.GL_ONE),
        ):
            gl.glTexParameteri(gl.GL_TEXTURE_2D, key, value)

    def upload(self, pixels: NDArray[np.uint8]) -> None:
        """Replace the picture."""
        gl.glBindTexture(gl.GL_TEXTURE_2D, self.name)
        gl.glPixelStorei(gl.GL_UNPACK_ALIGNMENT, 1)
        if pixels.shape != self._side:
            self._side = (pixels.shape[0], pixels.shape[1])
            gl.glTexImage2D(
                gl.GL_TEXTURE_2D, 0, gl.GL_R8, pixels.shape[1], pixels.shape[0], 0, gl.GL_RED, gl.GL_UNSIGNED_BYTE, pixels
            )
        else:
            gl.glTexSubImage2D(
                gl.GL_TEXTURE_2D, 0, 0, 0, pixels.shape[1], pixels.shape[0], gl.GL_RED, gl.GL_UNSIGNED_BYTE, pixels
            )
        gl.glPixelStorei(gl.GL_UNPACK_ALIGNMENT, 4)
        gl.glBindTexture(gl.GL_TEXTURE_2D, 0)


class Target:
    """An off-screen picture with depth; `resize` re-allocates."""

    def __init__(self) -> None:
        self.size = (0, 0)
        self.fbo = int(gl.glGenFramebuffers(1))
        self.texture = int(gl.glGenTextures(1))
        self._depth = int(gl.glGenRenderbuffers(1))

    def resize(self, width: int, height: int) -> bool:
        """Give it this size; True if that changed anything."""
        if (width, height) == self.size:
            return False
        self.size = (width, height)
        gl.glBindTexture(gl.GL_TEXTURE_2D, self.texture)
        gl.glTexImage2D(gl.GL_TEXTURE_2D, 0, gl.GL_RGBA8, width, height, 0, gl.GL_RGBA, gl.GL_UNSIGNED_BYTE, None)
        gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MIN_FILTER, gl.GL_LINEAR)
        gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MAG_FILTER, gl.GL_LINEAR)
        gl.glBindTexture(gl.GL_TEXTURE_2D, 0)
        gl.glBindRenderbuffer(gl.GL_RENDERBUFFER, self._depth)
        gl.glRenderbufferStorage(gl.GL_RENDERBUFFER, gl.GL_DEPTH_COMPONENT24, width, height)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self.fbo)
        gl.glFramebufferTexture2D(gl.GL_FRAMEBUFFER, gl.GL_COLOR_ATTACHMENT0, gl.GL_TEXTURE_2D, self.texture, 0)
        gl.glFramebufferRenderbuffer(gl.GL_FRAMEBUFFER, gl.GL_DEPTH_ATTACHMENT, gl.GL_RENDERBUFFER, self._depth)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, 0)
        return True

    def bind(self) -> None:
        """Draw into it from now on."""
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self.fbo)
        gl.glViewport(0, 0, *self.size)

    def copy_to(self, other: Target) -> None:
        """Copy colour and depth into a target of the same size."""
        w, h = self.size
        gl.glBindFramebuffer(gl.GL_READ_FRAMEBUFFER, self.fbo)
        gl.glBindFramebuffer(gl.GL_DRAW_FRAMEBUFFER, other.fbo)
        gl.glBlitFramebuffer(0, 0, w, h, 0, 0, w, h, gl.GL_COLOR_BUFFER_BIT | gl.GL_DEPTH_BUFFER_BIT, gl.GL_NEAREST)


class GpuMesh:
    """Vertices (n, 6: position, normal) and triangles on the GPU."""

    def __init__(self, vertices: F32, faces: NDArray[Any]) -> None:
        self._vao = int(gl.glGenVertexArrays(1))
        self._buffers = [int(b) for b in gl.glGenBuffers(2)]
        self.count = 0
        gl.glBindVertexArray(self._vao)
        gl.glBindBuffer(gl.GL_ARRAY_BUFFER, self._buffers[0])
        gl.glBindBuffer(gl.GL_ELEMENT_ARRAY_BUFFER, self._buffers[1])
        for slot in (0, 1):
            gl.glEnableVertexAttribArray(slot)
            gl.glVertexAttribPointer(slot, 3, gl.GL_FLOAT, gl.GL_FALSE, 24, ctypes.c_void_p(12 * slot))
        gl.glBindVertexArray(0)
        self.fill(vertices, faces)

    def fill(self, vertices: F32, faces: NDArray[Any]) -> None:
        """Replace the mesh."""
        vertices = np.ascontiguousarray(vertices, np.float32)
        index = np.ascontiguousarray(faces, np.uint32)
        gl.glBindVertexArray(self._vao)
        gl.glBindBuffer(gl.GL_ARRAY_BUFFER, self._buffers[0])
        gl.glBufferData(gl.GL_ARRAY_BUFFER, vertices.nbytes, vertices, gl.GL_DYNAMIC_DRAW)
        gl.glBufferData(gl.GL_ELEMENT_ARRAY_BUFFER, index.nbytes, index, gl.GL_DYNAMIC_DRAW)
        gl.glBindVertexArray(0)
        self.count = index.size

    def draw(self) -> None:
        """Draw with the program in use."""
        gl.glBindVertexArray(self._vao)
        gl.glDrawElements(gl.GL_TRIANGLES, self.count, gl.GL_UNSIGNED_INT, None)
        gl.glBindVertexArray(0)


def read_back(width: int, height: int) -> NDArray[np.uint8]:
    """Return the bound framebuffer's picture (height, width, 3), row 0 at the top."""
    gl.glPixelStorei(gl.GL_PACK_ALIGNMENT, 1)
    raw = gl.glReadPixels(0, 0, width, height, gl.GL_RGB, gl.GL_UNSIGNED_BYTE)
    return np.frombuffer(raw, np.uint8).reshape(height, width, 3)[::-1].copy()
