"""Carries the model's landmarks onto a patient's bone: similarity, then affine, then smooth local registration.

Closest-point registration in both directions between surface samples (Besl and McKay 1992, IEEE TPAMI 14:239);
the local step is a displacement field smoothed by a Gaussian over the surface that narrows from round to round.
Runs once at the import; its result is stored, so it need not be bit-stable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

F64 = NDArray[np.float64]
SAMPLES = 1500
PITCHES_DEG = (0.0, -20.0, 20.0, -40.0, 40.0)
ROUNDS = ((16.0, 6), (10.0, 6), (6.0, 6), (4.0, 4))
"""(width of the smoothing in mm, rounds) of the local registration."""


@dataclass(frozen=True)
class Fit:
    """Where a model bone lies on a patient's: rigid-plus-scale (4, 4), that scale, and the local way of points.

    residual_mm: mean two-sided distance of the surface samples after the fit; similar_mm: after the similarity alone.
    """

    similarity: F64
    scale: float
    affine: F64
    anchors: F64
    shifts: F64
    residual_mm: float
    similar_mm: float

    def carry(self, points: F64) -> F64:
        """Return model points (n, 3) carried to the patient."""
        p = _apply(self.affine, np.atleast_2d(points))
        return p + _blend(p, self.anchors, self.shifts, ROUNDS[-1][0] + 2.0)

    def carry_direction(self, origin: F64, direction: F64) -> F64:
        """Return a model direction at a point, carried and normalised."""
        a, b = self.carry(np.array([origin, origin + 10.0 * direction]))
        return np.asarray((b - a) / np.sqrt(((b - a) ** 2).sum()), np.float64)


def fit(model: F64, patient: F64) -> Fit:
    """Return the fit of model surface points (n, 3) to patient surface points (m, 3), both LPS mm."""
    a, b = thinned(model), thinned(patient)
    best: tuple[float, F64] | None = None
    for pitch in PITCHES_DEG:
        start = _about(a.mean(0), b.mean(0), pitch)
        found = _similarity(a, b, start, 12)
        error = _residual(_apply(found, a), b)
        if best is None or error < best[0]:
            best = error, found
    assert best is not None
    similar = _similarity(a, b, best[1], 30)
    scale = float(np.cbrt(np.linalg.det(similar[:3, :3])))
    similar_mm = _residual(_apply(similar, a), b)
    affine = _affine(a, b, similar, 15)
    base = _apply(affine, a)
    moved = base.copy()
    tree_b = cKDTree(b)
    for width, rounds in ROUNDS:
        for _ in range(rounds):
            moved = moved + _blend(moved, *_pull(moved, b, tree_b), width)
    return Fit(similar, scale, affine, base, moved - base, _residual(moved, b), similar_mm)


def thinned(points: F64, most: int = SAMPLES) -> F64:
    """Return at most `most` points, evenly spread over the surface (voxel thinning, then a fixed stride)."""
    cell = 1.0
    kept = points
    while len(kept) > most:
        _, index = np.unique(np.floor(points / cell).astype(np.int64), axis=0, return_index=True)
        kept = points[np.sort(index)]
        cell *= 1.15
    return np.asarray(kept, np.float64)


def _apply(transform: F64, points: F64) -> F64:
    return np.asarray(points @ transform[:3, :3].T + transform[:3, 3], np.float64)


def _about(a: F64, b: F64, pitch_deg: float) -> F64:
    s, c = np.sin(np.radians(pitch_deg)), np.cos(np.radians(pitch_deg))
    out = np.eye(4)
    out[:3, :3] = [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]]
    out[:3, 3] = b - out[:3, :3] @ a
    return out


def _pairs(moved: F64, a: F64, b: F64, share: float) -> tuple[F64, F64]:
    """Return matched (model, patient) points of both directions, the worst left out."""
    d1, i1 = cKDTree(b).query(moved)
    d2, i2 = cKDTree(moved).query(b)
    k1, k2 = d1 <= np.quantile(d1, share), d2 <= np.quantile(d2, share)
    return np.concatenate([a[k1], a[i2[k2]]]), np.concatenate([b[i1[k1]], b[k2]])


def _similarity(a: F64, b: F64, start: F64, rounds: int) -> F64:
    """Return the similarity of closest pairs (Umeyama 1991), scale within 0.6..1.6."""
    now = start
    for _ in range(rounds):
        p, q = _pairs(_apply(now, a), a, b, 0.95)
        pc, qc = p - p.mean(0), q - q.mean(0)
        u, s, vt = np.linalg.svd(qc.T @ pc / len(p))
        flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        rotation = u @ flip @ vt
        scale = float(np.clip((s * np.diag(flip)).sum() / (pc * pc).sum() * len(p), 0.6, 1.6))
        now = np.eye(4)
        now[:3, :3] = scale * rotation
        now[:3, 3] = q.mean(0) - now[:3, :3] @ p.mean(0)
    return now


def _affine(a: F64, b: F64, start: F64, rounds: int) -> F64:
    now = start
    for _ in range(rounds):
        p, q = _pairs(_apply(now, a), a, b, 0.95)
        h = np.concatenate([p, np.ones((len(p), 1))], axis=1)
        x, *_ = np.linalg.lstsq(h, q, rcond=None)
        now = np.eye(4)
        now[:3] = x.T
    return now


def _pull(moved: F64, b: F64, tree_b: cKDTree) -> tuple[F64, F64]:
    """Return places and wanted moves from closest points in both directions."""
    _, i1 = tree_b.query(moved)
    _, i2 = cKDTree(moved).query(b)
    return np.concatenate([moved, moved[i2]]), np.concatenate([b[i1] - moved, b - moved[i2]])


def _blend(at: F64, places: F64, moves: F64, width: float) -> F64:
    """Return moves at points, averaged with Gaussian weights over places within three widths."""
    tree = cKDTree(places)
    distance, index = tree.query(at, k=min(60, len(places)), distance_upper_bound=3.0 * width)
    weight = np.where(np.isfinite(distance), np.exp(-0.5 * (distance / width) ** 2), 0.0)
    index = np.minimum(index, len(places) - 1)
    total = weight.sum(1, keepdims=True)
    mean = (weight[:, :, None] * moves[index]).sum(1) / np.maximum(total, 1e-12)
    return np.where(total > 1e-12, mean, 0.0)


def _residual(a: F64, b: F64) -> float:
    return 0.5 * float(cKDTree(b).query(a)[0].mean() + cKDTree(a).query(b)[0].mean())
