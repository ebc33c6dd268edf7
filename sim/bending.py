"""The shaft as a beam: quasi-static Euler-Bernoulli finite elements in two planes on a Winkler foundation.

EI w'''' + (N w')' + k(s) (w - a(s)) = f_contact, clamped at the hub (w = w' = 0). Two-node Hermite elements with
consistent matrices; lengths in mm, forces in N. A round shaft on an isotropic foundation has the same matrix in
both planes, so one banded matrix (unknowns w, w' per node; `band[i, j]` = K[i, i - j], j < 4) serves two right-hand
sides; it is factorised in place as L D L^T without pivoting. Contacts couple the planes: they are condensed to the
few contact forces with columns of the inverse (influence lines) and solved with an active set.

Matrices: e.g. Przemieniecki, Theory of Matrix Structural Analysis (1968), chapters 5 and 15 (recalled).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

F64 = NDArray[np.float64]

NODES = 33
MOST_CONTACTS = 12
MOST_UPRIGHT = 0.5
"""Least cos^2 of the lean (45 degrees) that stiffens an element: a shape beyond it is refused anyway."""

# Gauss-Legendre points and weights on 0..1 (exact to degree 7; the squared cubic needs 6)
GAUSS_AT = (0.06943184420297371, 0.33000947820757187, 0.6699905217924281, 0.9305681557970262)
GAUSS_WEIGHT = (0.17392742256872692, 0.32607257743127307, 0.32607257743127307, 0.17392742256872692)


@jit
def add_element(band: F64, e: int, h: float, ei: float, thrust: float) -> None:
    """Add bending stiffness and the geometric term of a compressive thrust (N) of element e."""
    b = ei / (h * h * h)
    g = thrust / (30.0 * h)
    k00 = 12.0 * b - 36.0 * g
    k10 = 6.0 * h * b - 3.0 * h * g
    k11 = 4.0 * h * h * b - 4.0 * h * h * g
    k31 = 2.0 * h * h * b + h * h * g
    i = 2 * e
    band[i, 0] += k00
    band[i + 1, 0] += k11
    band[i + 1, 1] += k10
    band[i + 2, 0] += k00
    band[i + 2, 2] -= k00
    band[i + 2, 1] -= k10
    band[i + 3, 0] += k11
    band[i + 3, 1] -= k10
    band[i + 3, 3] += k10
    band[i + 3, 2] += k31


@jit
def leaning(w: F64, e: int, h: float, ei: float, rest_x: float = 0.0, rest_y: float = 0.0) -> tuple[float, float]:
    """Return (EI, tension N) with which element e bends like an elastica when it leans as in the shape w (n, 4).

    rest_x, rest_y: curvature (1/mm) of the element free of load.

    w' along the shaft is the sine of its angle, so an inextensible rod stores EI w''^2 / (2 (1 - w'^2)) per length.
    Varied at a held lean that is a beam of stiffness EI / (1 - w'^2) under a tension EI w''^2 / (1 - w'^2)^2; with the
    lean of the last shape the steps settle on the exact large-deflection curve (own derivation; tests/test_bending.py).
    """
    x = 1.5 * (w[e + 1, 0] - w[e, 0]) / h - 0.25 * (w[e, 1] + w[e + 1, 1])
    y = 1.5 * (w[e + 1, 2] - w[e, 2]) / h - 0.25 * (w[e, 3] + w[e + 1, 3])
    cx = (w[e + 1, 1] - w[e, 1]) / h - rest_x
    cy = (w[e + 1, 3] - w[e, 3]) / h - rest_y
    upright = max(1.0 - x * x - y * y, MOST_UPRIGHT)
    return ei / upright, ei * (cx * cx + cy * cy) / (upright * upright)


@jit
def add_foundation(band: F64, rhs: F64, e: int, h: float, xi: float, k: float, ax: float, ay: float) -> None:
    """Add a foundation spring k (N/mm: stiffness per length times the length of the point) at xi of element e.

    (ax, ay): where it rests.
    """
    x2 = xi * xi
    x3 = x2 * xi
    n0 = 1.0 - 3.0 * x2 + 2.0 * x3
    n1 = h * (xi - 2.0 * x2 + x3)
    n2 = 3.0 * x2 - 2.0 * x3
    n3 = h * (x3 - x2)
    k0, k1, k2, k3 = k * n0, k * n1, k * n2, k * n3
    i = 2 * e
    band[i, 0] += k0 * n0
    band[i + 1, 0] += k1 * n1
    band[i + 1, 1] += k1 * n0
    band[i + 2, 0] += k2 * n2
    band[i + 2, 2] += k2 * n0
    band[i + 2, 1] += k2 * n1
    band[i + 3, 0] += k3 * n3
    band[i + 3, 1] += k3 * n2
    band[i + 3, 3] += k3 * n0
    band[i + 3, 2] += k3 * n1
    rhs[i, 0] += k0 * ax
    rhs[i + 1, 0] += k1 * ax
    rhs[i + 2, 0] += k2 * ax
    rhs[i + 3, 0] += k3 * ax
    rhs[i, 1] += k0 * ay
    rhs[i + 1, 1] += k1 * ay
    rhs[i + 2, 1] += k2 * ay
    rhs[i + 3, 1] += k3 * ay


@jit
def add_rest(rhs: F64, e: int, ei: float, rest_x: float, rest_y: float) -> None:
    """Add the load that bends element e to its own curvature (1/mm): EI w'' is zero there, not w'' (consistent moments)."""
    i = 2 * e
    rhs[i + 1, 0] -= ei * rest_x
    rhs[i + 3, 0] += ei * rest_x
    rhs[i + 1, 1] -= ei * rest_y
    rhs[i + 3, 1] += ei * rest_y


@jit
def clamp(band: F64, rhs: F64) -> None:
    """Hold node 0: w = w' = 0."""
    band[0, 0] = 1.0
    band[1, 0] = 1.0
    band[1, 1] = 0.0
    band[2, 1] = 0.0
    band[2, 2] = 0.0
    band[3, 2] = 0.0
    band[3, 3] = 0.0
    rhs[0, 0] = 0.0
    rhs[1, 0] = 0.0
    rhs[0, 1] = 0.0
    rhs[1, 1] = 0.0


@jit
def factorise(band: F64) -> bool:
    """Replace the matrix by L (below the diagonal) and 1 / D (column 0); False if a pivot is not positive (it buckles)."""
    d1, d2, d3 = 0.0, 0.0, 0.0  # 1 / D of the three rows above
    p21, p31, p32 = 0.0, 0.0, 0.0  # L of the rows above: L[i-1, i-2], L[i-1, i-3], L[i-2, i-3]
    for i in range(band.shape[0]):
        v3 = band[i, 3]
        v2 = band[i, 2] - v3 * p32
        v1 = band[i, 1] - v2 * p21 - v3 * p31
        l3, l2, l1 = v3 * d3, v2 * d2, v1 * d1
        d = band[i, 0] - l1 * v1 - l2 * v2 - l3 * v3
        if not d > 0.0:
            return False
        band[i, 1], band[i, 2], band[i, 3] = l1, l2, l3
        band[i, 0] = 1.0 / d
        d3, d2, d1 = d2, d1, 1.0 / d
        p32, p31, p21 = p21, l2, l1
    return True


@jit
def substitute(band: F64, rhs: F64) -> None:
    """Solve both planes in place with the factors from `factorise`; rhs: (2 n, 2)."""
    n = band.shape[0]
    for c in range(2):
        a1, a2, a3 = 0.0, 0.0, 0.0
        for i in range(n):
            v = rhs[i, c] - band[i, 1] * a1 - band[i, 2] * a2 - band[i, 3] * a3
            rhs[i, c] = v
            a3, a2, a1 = a2, a1, v
        for i in range(n):
            rhs[i, c] *= band[i, 0]
        for i in range(n - 2, -1, -1):
            v = rhs[i, c] - band[i + 1, 1] * rhs[i + 1, c]
            if i + 2 < n:
                v -= band[i + 2, 2] * rhs[i + 2, c]
            if i + 3 < n:
                v -= band[i + 3, 3] * rhs[i + 3, c]
            rhs[i, c] = v


@jit
def influence(band: F64, place: int, h: float, columns: F64) -> None:
    """Write into columns[place] the shape (2 n,) under a unit lateral force there: a column of the inverse.

    Places: 2 i is node i, 2 i + 1 the middle of element i (whose force is shared out by the element's own cubics).
    """
    n = band.shape[0]
    for i in range(n):
        columns[place, i] = 0.0
    if place % 2 == 0:
        columns[place, place] = 1.0
    else:
        columns[place, place - 1], columns[place, place] = 0.5, 0.125 * h
        columns[place, place + 1], columns[place, place + 2] = 0.5, -0.125 * h
    a1, a2, a3 = 0.0, 0.0, 0.0
    for i in range(n):
        v = columns[place, i] - band[i, 1] * a1 - band[i, 2] * a2 - band[i, 3] * a3
        columns[place, i] = v
        a3, a2, a1 = a2, a1, v
    for i in range(n):
        columns[place, i] *= band[i, 0]
    for i in range(n - 2, -1, -1):
        v = columns[place, i] - band[i + 1, 1] * columns[place, i + 1]
        if i + 2 < n:
            v -= band[i + 2, 2] * columns[place, i + 2]
        if i + 3 < n:
            v -= band[i + 3, 3] * columns[place, i + 3]
        columns[place, i] = v


@jit
def between(left: float, left_slope: float, right: float, right_slope: float, h: float) -> float:
    """Return the deflection in the middle of an element from those of its nodes and their slopes (cubic)."""
    return 0.5 * (left + right) + 0.125 * h * (left_slope - right_slope)


@jit
def compliance(columns: F64, load: int, place: int, h: float) -> float:
    """Return the deflection at a place under a unit force at the place `load`."""
    if place % 2 == 0:
        return float(columns[load, place])
    i = place - 1
    return float(between(columns[load, i], columns[load, i + 1], columns[load, i + 2], columns[load, i + 3], h))


@jit
def contact_forces(a: F64, r: F64, both: NDArray[np.bool_], m: int, force: F64) -> bool:
    """Solve the contact forces: force >= 0, a force - r >= 0, one of them 0 (equality where `both` pulls too).

    a: (m, m) compliance seen by the contacts plus the penalty's, r: (m,) violation without contact. Active set:
    the most pulling contact is released, then the most violated one added. False if it did not settle.
    """
    active = np.zeros(m, np.bool_)
    work = np.zeros((m, m + 1))
    index = np.zeros(m, np.int64)
    for i in range(m):
        active[i] = both[i] or r[i] > 0.0
    for _ in range(4 * m + 4):
        n = 0
        for i in range(m):
            force[i] = 0.0
            if active[i]:
                index[n] = i
                n += 1
        for i in range(n):
            for j in range(n):
                work[i, j] = a[index[i], index[j]]
            work[i, n] = r[index[i]]
        for i in range(n):
            for p in range(i + 1, n):
                factor = work[p, i] / work[i, i]
                for j in range(i, n + 1):
                    work[p, j] -= factor * work[i, j]
        for i in range(n - 1, -1, -1):
            v = work[i, n]
            for j in range(i + 1, n):
                v -= work[i, j] * force[index[j]]
            force[index[i]] = v / work[i, i]
        worst, worst_at = -1e-12, -1
        for i in range(n):
            if not both[index[i]] and force[index[i]] < worst:
                worst, worst_at = force[index[i]], index[i]
        if worst_at >= 0:
            active[worst_at] = False
            continue
        worst, worst_at = 1e-9, -1
        for i in range(m):
            if not active[i]:
                v = r[i]
                for j in range(n):
                    v -= a[i, index[j]] * force[index[j]]
                if v > worst:
                    worst, worst_at = v, i
        if worst_at < 0:
            return True
        active[worst_at] = True
    return False


@jit
def axial_positions(w: F64, h: float, z: F64) -> None:
    """Write the coordinate of every node along the hub axis: an element that leans is shorter (sqrt(h^2 - dw^2)).

    w: (n, 4) wx, wx', wy, wy' of the nodes.
    """
    z[0] = 0.0
    for i in range(1, z.shape[0]):
        dx = w[i, 0] - w[i - 1, 0]
        dy = w[i, 2] - w[i - 1, 2]
        z[i] = z[i - 1] + np.sqrt(max(h * h - dx * dx - dy * dy, 0.01 * h * h))


def bending_stiffness(outer_mm: float, inner_mm: float, young_gpa: float) -> float:
    """Return EI of a tube in N mm2 (pi E (OD^4 - ID^4) / 64); 1 N m2 = 1e6 N mm2."""
    o2, i2 = outer_mm * outer_mm, inner_mm * inner_mm
    return 3.141592653589793 * young_gpa * 1000.0 * (o2 * o2 - i2 * i2) / 64.0
