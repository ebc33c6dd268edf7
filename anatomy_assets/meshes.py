"""Mesh repair for exports: a closed surface in which every edge has exactly two faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


def unpinched(vertices: F32, faces: I32, nudge_mm: float = 0.01) -> tuple[F32, I32]:
    """Return a mesh in which no edge is shared by more than two faces.

    Simplification can let two sheets touch along an edge. The four faces of such an edge are paired, every
    vertex on it is split into one per fan of faces that hang together, and moved a little towards its fan
    (STL readers merge equal points).
    """
    vertices, same = np.unique(vertices, axis=0, return_inverse=True)
    faces = same.ravel()[faces].astype(np.int32)
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    for _ in range(8):
        split = _split_once(vertices, faces, nudge_mm)
        if split is None:
            break
        vertices, faces = split
    return vertices, faces


def _split_once(vertices: F32, faces: I32, nudge_mm: float) -> tuple[F32, I32] | None:
    """Return the mesh with its pinched edges split one round further; None where there are none."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, index, count = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
    index = index.ravel()
    if (count == 2).all():
        return None
    partner = _partners(vertices, faces, index, count)
    points, out = [*vertices], faces.copy()
    for vertex in np.unique(edges[count[index] != 2]):
        around = [int(f) for f in np.flatnonzero((faces == vertex).any(axis=1))]
        for fan in _fans(int(vertex), around, faces, partner)[1:]:
            towards = vertices[faces[fan]].reshape(-1, 3).mean(0) - vertices[vertex]
            step = nudge_mm * towards / max(float(np.sqrt((towards * towards).sum())), 1e-6)
            rows = out[fan]
            rows[faces[fan] == vertex] = len(points)
            out[fan] = rows
            points.append((vertices[vertex] + step).astype(np.float32))
    return np.array(points, np.float32), out


def _partners(vertices: F32, faces: I32, index: NDArray[np.int64], count: NDArray[np.int64]) -> dict[tuple[int, int], int]:
    """Return (face, corner of its edge) -> the face on the other side, for all edges; pinched ones are paired by angle."""
    order = np.argsort(index, kind="stable")
    starts = np.concatenate([[0], np.cumsum(count)])
    partner: dict[tuple[int, int], int] = {}
    later = []
    for e in range(len(count)):
        halves = [(int(h) // 3, int(h) % 3) for h in order[starts[e] : starts[e + 1]]]
        if len(halves) == 2:
            partner[halves[0]], partner[halves[1]] = halves[1][0], halves[0][0]
            continue
        later.append(halves)
    for halves in later:
        if _pair_by_arcs(faces, halves, partner):
            continue
        a = faces[halves[0][0], halves[0][1]]
        forth = [h for h in halves if faces[h[0], h[1]] == a]
        back = [h for h in halves if faces[h[0], h[1]] != a]
        for h in forth:
            if back:
                twin = min(back, key=lambda o, h=h: -_leaning(vertices, faces, h, o))  # type: ignore[misc]
                back.remove(twin)
                partner[h], partner[twin] = twin[0], h[0]
    return partner


def _pair_by_arcs(faces: I32, halves: list[tuple[int, int]], partner: dict[tuple[int, int], int]) -> bool:
    """Pair the faces of a pinched edge that are the two ends of one run of faces round one of its vertices."""
    for k in (0, 1):
        vertex = faces[halves[0][0], (halves[0][1] + k) % 3]
        ends: dict[int, int] = {}
        for face, corner in halves:
            at, came = face, corner
            for _ in range(64):
                side = next(c for c in range(3) if c != came and vertex in (faces[at, c], faces[at, (c + 1) % 3]))
                if (at, side) not in partner:
                    break
                back, at = at, partner[at, side]
                came = next(
                    c for c in range(3) if partner.get((at, c)) == back and vertex in (faces[at, c], faces[at, (c + 1) % 3])
                )
            ends[face] = at
        own = {f for f, _ in halves}
        if all(ends[f] in own and ends[ends[f]] == f and ends[f] != f for f in own):
            partner |= {(f, c): ends[f] for f, c in halves}
            return True
    return False


def _leaning(vertices: F32, faces: I32, one: tuple[int, int], two: tuple[int, int]) -> float:
    """Return the cosine between the sides of two faces that share an edge (1: folded onto each other)."""
    a, b = (vertices[faces[one[0], (one[1] + k) % 3]].astype(np.float64) for k in (0, 1))
    axis = (b - a) / max(float(np.sqrt(((b - a) ** 2).sum())), 1e-9)
    sides = []
    for face, corner in (one, two):
        d = vertices[faces[face, (corner + 2) % 3]] - a
        d = d - (d * axis).sum() * axis
        sides.append(d / max(float(np.sqrt((d * d).sum())), 1e-9))
    return float((sides[0] * sides[1]).sum())


def _fans(vertex: int, around: list[int], faces: I32, partner: dict[tuple[int, int], int]) -> list[list[int]]:
    """Return the faces round a vertex in groups joined by edges through it, the largest first."""
    left = set(around)
    fans: list[list[int]] = []
    for first in around:
        if first not in left:
            continue
        left.remove(first)
        fan, reach = [], [first]
        while reach:
            face = reach.pop()
            fan.append(face)
            for c in range(3):
                if vertex in (faces[face, c], faces[face, (c + 1) % 3]):
                    other = partner.get((face, c), -1)
                    if other in left:
                        left.remove(other)
                        reach.append(other)
        fans.append(fan)
    return sorted(fans, key=len, reverse=True)
